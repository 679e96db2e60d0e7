"""Diagrams of chapter 2: the computational graph, the way back, truncation, teacher forcing."""

from diagram import Diagram

GAP = 150.0
ROW = {"L": -228.0, "s": -124.0, "h": 0.0, "x": 104.0, "W": 208.0}
STEPS = (1, 2, 3)


def graph(title: str, description: str, *, back: bool = False) -> Diagram:
    """Draw three steps of the graph with a copy of the parameters at each."""
    d = Diagram(title, description)
    d.node("h0", "state", (0, ROW["h"]), "h^(0)")
    for t in STEPS:
        x = GAP * t
        d.node(f"x{t}", "input", (x, ROW["x"]), f"x^({t})", part="input")
        d.node(f"h{t}", "state", (x, ROW["h"]), f"h^({t})", part="state params")
        d.node(f"s{t}", "output", (x, ROW["s"]), f"s^({t})", part="loss output params")
        d.node(f"L{t}", "loss", (x, ROW["L"]), f"L^({t})", size=(44, 44), part="loss")
        d.edge(f"x{t}", f"h{t}", "U", side=-1, part="input")
        d.edge(f"h{t - 1}", f"h{t}", f"W^({t})", side=-1, part="params")
        d.edge(f"h{t}", f"s{t}", f"V^({t})", side=-1, part="output")
        d.edge(f"s{t}", f"L{t}")
        if back:
            bow = {"bend": -26.0, "style": "back"}
            d.edge(f"L{t}", f"s{t}", "o − y", label_at=(x + 46, -176), part="loss", **bow)
            d.edge(f"s{t}", f"h{t}", "V^⊤", label_at=(x + 42, -62), part="output", **bow)
            d.edge(
                f"h{t}",
                f"h{t - 1}",
                "W^⊤ δ",
                label_at=(x - GAP / 2, 46),
                part="state",
                **bow,
            )
    if back:
        d.node("W", "layer", (GAP * 2, ROW["W"]), "∇_W", size=(64, 34), part="params")
        for t in STEPS:
            d.edge(
                (GAP * t - 25, 24),
                "W",
                "" if t != 1 else "δ h^⊤",
                label_at=(GAP * 1.18, 150),
                style="back",
                part="params",
            )
    return d


def truncated() -> Diagram:
    d = Diagram(
        "Truncated backpropagation through time",
        "Six states in a row, in two windows of three. Forward edges run through all of them. "
        "Backward edges run within each window; between the third and the fourth state there is "
        "none.",
    )
    gap = 96.0
    for t in range(7):
        d.node(f"h{t}", "state", (gap * t, 0), f"h^({t})")
        if t:
            d.node(f"L{t}", "loss", (gap * t, -92), f"L^({t})", size=(44, 44))
            d.edge(f"h{t - 1}", f"h{t}")
            d.edge(f"h{t}", f"L{t}")
            if t != 4:
                d.edge(f"h{t}", f"h{t - 1}", bend=-24.0, style="back")
    d.frame((gap * 1 - 36, -134), (gap * 3 + 36, 48), "window 1")
    d.frame((gap * 4 - 36, -134), (gap * 6 + 36, 48), "window 2")
    return d


def teacher_forcing() -> Diagram:
    d = Diagram(
        "Teacher forcing",
        "Two output-to-hidden networks. Left, in training: the label y(t−1) goes into each hidden "
        "layer, and no edge joins one step to the next. Right, in use: the output o(t−1) goes in, "
        "and the steps form a chain.",
    )
    for side, offset in (("train", 0.0), ("use", 420.0)):
        for t in (1, 2):
            x = offset + 170.0 * t - 60
            d.node(f"{side}x{t}", "input", (x, 96), f"x^({t})")
            d.node(f"{side}h{t}", "state", (x, 0), f"h^({t})")
            d.node(f"{side}o{t}", "output", (x, -92), f"o^({t})")
            d.edge(f"{side}x{t}", f"{side}h{t}", "U", side=-1)
            d.edge(f"{side}h{t}", f"{side}o{t}", "V", side=-1)
        d.text(
            (offset + 195, 146),
            "training: the label is fed" if side == "train" else "use: the output is fed",
        )
    for t in (1, 2):
        x = 170.0 * t - 60
        d.node(f"y{t}", "target", (x - 84, 0), f"y^({t - 1})", size=(48, 48))
        d.edge(f"y{t}", f"trainh{t}", "W", side=-1)
    d.edge(
        "useo1",
        "useh2",
        "W",
        via=[(420 + 195, -92), (420 + 195, 0)],
        label_at=(420 + 212, -46),
    )
    d.node("useo0", "output", (420 + 26, 0), "o^(0)")
    d.edge("useo0", "useh1", "W", side=-1)
    return d


def drawings() -> dict[str, str]:
    """Draw everything: file name to SVG."""
    forward = graph(
        "The computational graph of three steps",
        "States h(0) to h(3) in a row. Each state h(t) is computed from the one before it by a "
        "copy W(t) of the recurrent matrix and from the input x(t) by U. From each state a copy "
        "V(t) leads up to the logits s(t), and from there to the loss L(t).",
    )
    back = graph(
        "The way back",
        "The same graph with an edge back beside each edge forward: from a loss to its logits, "
        "from the logits to the state, from a state to the one before, and from every step to the "
        "gradient of W.",
        back=True,
    )
    return {
        "bptt-graph": forward.svg(),
        "bptt-back-loss": back.svg(lit=["loss"]),
        "bptt-back-output": back.svg(lit=["output"]),
        "bptt-back-state": back.svg(lit=["state"]),
        "bptt-back-parameters": back.svg(lit=["params"]),
        "bptt-truncated": truncated().svg(),
        "bptt-teacher-forcing": teacher_forcing().svg(),
    }
