"""Diagrams of chapter 8: three ways to add depth, dropout, the shortcut, and the way back."""

from diagram import Diagram, Point

STEPS = ("t−1", "t", "t+1")
COLUMN = {"t−1": 0.0, "t": 140.0, "t+1": 280.0}
ROW = {"o": -200.0, "1": -100.0, "0": 0.0, "x": 100.0}
BEFORE, AFTER = -86.0, 366.0
WIDE = {"size": (60.0, 44.0)}
BACK = "back thick"


def grid(d: Diagram, *, upward: str = "", names: bool = True) -> None:
    """Draw two layers over three steps; ``upward`` is the style of the edges between layers."""

    def name(label: str) -> str:
        return label if names else ""

    for t in STEPS:
        x = COLUMN[t]
        d.node(f"x{t}", "input", (x, ROW["x"]), f"x^({t})", size=(52, 52), part=f"x{t}")
        for k in "01":
            d.node(f"{k}{t}", "state", (x, ROW[k]), f"h_{k}^({t})", part=f"{k}{t}", **WIDE)
        d.node(f"o{t}", "output", (x, ROW["o"]), f"o^({t})", size=(52, 52), part=f"o{t}")
        up = {"side": -1, "style": upward, "part": "up"}
        d.edge(f"x{t}", f"0{t}", name("U_0"), label_at=(x + 17, ROW["x"] - 46), **up)
        d.edge(f"0{t}", f"1{t}", name("U_1"), label_at=(x + 17, ROW["1"] + 50), **up)
        d.edge(f"1{t}", f"o{t}", name("V"), label_at=(x + 15, ROW["o"] + 53), **up)
    for k in "01":
        y = ROW[k]
        d.edge((BEFORE, y), f"{k}t−1", part="on")
        d.edge(f"{k}t−1", f"{k}t", name(f"W_{k}"), side=-1, part="on")
        d.edge(f"{k}t", f"{k}t+1", name(f"W_{k}"), side=-1, part="on")
        d.edge(f"{k}t+1", (AFTER, y), part="on")
    for k in "01":
        d.text((AFTER + 10, ROW[k]), f"layer {k}", anchor="start", part="on")


def stacked() -> str:
    d = Diagram(
        "Two layers, unfolded",
        "Two rows of states over the steps t−1, t and t+1. Each state of layer 0 reads the input "
        "below it and its own state one step before; each state of layer 1 reads the state of "
        "layer 0 at the same step and its own state one step before. Outputs come from layer 1.",
    )
    grid(d)
    return d.svg()


def dropout() -> str:
    d = Diagram(
        "Where dropout stands",
        "The graph of two layers over three steps. The edges that go up, from inputs to layer 0, "
        "from layer 0 to layer 1 and from layer 1 to the outputs, are dashed: they pass through a "
        "mask. The edges from step to step are drawn in full: nothing is dropped there.",
    )
    grid(d, upward="dashed", names=False)
    return d.svg()


def stacked_back() -> str:
    d = Diagram(
        "The way back in a stack",
        "The graph of two layers over three steps. Two red edges end at the state of layer 0 at "
        "step t: one comes down from layer 1 at the same step, one from layer 0 at step t+1. Two "
        "go on from it: back to step t−1 of its layer, and down to the input at step t.",
    )
    grid(d, names=False)
    x, y = COLUMN["t"], ROW["0"]

    def red(start: str | Point, end: str | Point, label: str, at: Point) -> None:
        d.edge(start, end, label, label_at=at, style=BACK, casing=True, part="back")

    red("1t", "0t", "U_1^⊤ δ_1", (x + 46, ROW["1"] + 48))
    red("0t+1", "0t", "W_0^⊤ δ_0", (x + 70, y + 22))
    red("0t", "0t−1", "W_0^⊤ δ_0", (x - 70, y + 22))
    red("0t", "xt", "U_0^⊤ δ_0", (x + 46, y + 54))
    return d.svg(lit=["back", "0t", "1t", "0t+1", "0t−1", "xt"])


# --- Deep maps --------------------------------------------------------------------

GAP = 104.0
BOX = {"size": (56.0, 32.0)}
HIGH, TOP, LOW, BOTTOM = -72.0, -140.0, 76.0, 144.0


def step(d: Diagram, x: float, before: str, name: str, t: str, *, maps: bool) -> None:
    """Draw one step: two more layers on the way from state ``before`` to state ``name``."""
    at = x + 3 * GAP
    for k in (1, 2):
        d.node(f"z{k}{t}", "layer", (x + k * GAP, 0), f"z_{k}", part="z", **BOX)
    d.node(name, "state", (at, 0), f"h^({t})", part="h", **WIDE)
    d.edge(before, f"z1{t}", "W_1", side=-1, part="z")
    d.edge(f"z1{t}", f"z2{t}", "W_2", side=-1, part="z")
    d.edge(f"z2{t}", name, "W_3", side=-1, part="z")
    if maps:
        d.node(f"u{t}", "layer", (x + GAP, LOW), "tanh", part="x", **BOX)
        d.node(f"x{t}", "input", (x + GAP, BOTTOM), f"x^({t})", size=(52, 52), part="x")
        d.edge(f"x{t}", f"u{t}", part="x")
        d.edge(f"u{t}", f"z1{t}", "U", label_at=(x + GAP + 14, 42), part="x")
        d.node(f"v{t}", "layer", (at, HIGH), "tanh", part="o", **BOX)
        d.node(f"o{t}", "output", (at, TOP), f"o^({t})", size=(52, 52), part="o")
        d.edge(name, f"v{t}", part="o")
        d.edge(f"v{t}", f"o{t}", "V", label_at=(at + 14, -101), part="o")
    else:
        d.node(f"x{t}", "input", (x + GAP, LOW), f"x^({t})", size=(52, 52), part="x")
        d.edge(f"x{t}", f"z1{t}", "U", label_at=(x + GAP + 14, 34), part="x")


def deep_maps() -> str:
    d = Diagram(
        "Networks inside the three maps",
        "From the state at t−1 the line passes through two more layers, z 1 and z 2, before it "
        "reaches the state at t, and in the same way from t to t+1: three maps for each step. "
        "Between each input and z 1 stands one more layer, and one between each state and its "
        "output.",
    )
    d.node("h", "state", (0, 0), "h^(t−1)", part="h", **WIDE)
    step(d, 0, "h", "ht", "t", maps=True)
    step(d, 3 * GAP, "ht", "ht+1", "t+1", maps=True)
    return d.svg()


def skip() -> str:
    d = Diagram(
        "A skip connection past the layers of a step",
        "The same chain of three maps for each step. A bowed line with the matrix S leads from "
        "the state at t−1 past both layers to the state at t, and another from t to t+1: one map "
        "for each step.",
    )
    d.node("h", "state", (0, 0), "h^(t−1)", part="h", **WIDE)
    step(d, 0, "h", "ht", "t", maps=False)
    step(d, 3 * GAP, "ht", "ht+1", "t+1", maps=False)
    for x in (0.0, 3 * GAP):
        d.edge(
            (x + 8, -24),
            (x + 3 * GAP - 8, -25),
            "S",
            via=[(x + 8, -70), (x + 3 * GAP - 8, -70)],
            label_at=(x + 1.5 * GAP, -84),
            style="thick",
            part="skip",
        )
    return d.svg()


# --- Residual ---------------------------------------------------------------------


def residual() -> str:
    d = Diagram(
        "A residual stack",
        "From left to right: the input goes through layer 0. From there the line forks: one "
        "branch passes through a product with the mask m 1 and through layer 1, the other goes "
        "around both and is added. The same again with the mask m 2 and layer 2. Each layer has a "
        "loop of its own with a delay of one step, which neither mask nor sum touches.",
    )
    d.node("x", "input", (0, 0), "x^(t)", size=(52, 52))
    d.node("0", "block", (100, 0), "layer 0", size=(76, 40), words=True)
    d.edge("x", "0")
    left = 100.0
    source = "0"
    for k in (1, 2):
        fork, mask, layer, plus = left + 78, left + 118, left + 206, left + 294
        d.node(f"m{k}", "op", (mask, 0), "⊙")
        d.node(f"mask{k}", "none", (mask, 50), f"m_{k}")
        d.node(str(k), "block", (layer, 0), f"layer {k}", size=(76, 40), words=True)
        d.node(f"+{k}", "op", (plus, 0), "+")
        d.edge(source, f"m{k}")
        d.edge(f"mask{k}", f"m{k}")
        d.edge(f"m{k}", str(k))
        d.edge(str(k), f"+{k}")
        d.edge((fork - 12, 0), f"+{k}", via=[(fork - 12, 92), (plus, 92)], style="thick")
        source, left = f"+{k}", plus
    d.node("y", "state", (left + 76, 0), "y_2^(t)", **WIDE)
    d.edge(source, "y")
    for k, x in (("0", 100.0), ("1", 306.0), ("2", 600.0)):
        d.edge(
            (x + 18, -21),
            (x - 18, -23),
            via=[(x + 18, -56), (x - 18, -56)],
            delay=True,
            delay_at=(x, -56),
            part=f"loop{k}",
        )
    d.text((100 + 42, -56), "state", anchor="start")
    return d.svg()


def drawings() -> dict[str, str]:
    """Return this chapter's drawings."""
    return {
        "deep-stack": stacked(),
        "deep-maps": deep_maps(),
        "deep-skip": skip(),
        "deep-dropping": dropout(),
        "deep-shortcut": residual(),
        "deep-stack-back": stacked_back(),
    }
