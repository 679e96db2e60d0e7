"""Diagrams of chapter 1: the cell, and each network mode folded and unfolded."""

from collections.abc import Iterable
from itertools import pairwise

from diagram import Diagram

STEPS = ("1", "2", "τ")
COLUMN = {"0": 0.0, "1": 112.0, "2": 224.0, "…": 306.0, "τ": 400.0}
ROW = {"y": -222.0, "L": -152.0, "o": -76.0, "h": 0.0, "x": 84.0}
UNFOLD = 216.0  # where the unfolded graph starts


def folded(
    d: Diagram,
    *,
    rows: Iterable[str] = "xhoLy",
    loop: bool = True,
    feedback: str = "",
    vector: str = "",
    low: float = 132.0,
) -> None:
    """Draw the folded graph: one state, and the edge that is delayed by one step."""
    rows = set(rows)
    d.node("h", "state", (0, ROW["h"]), "h")
    if loop:
        d.loop("h")
    if "x" in rows:
        d.node("x", "input", (0, ROW["x"]), "x")
        d.edge("x", "h", "U", side=-1)
    if "o" in rows:
        d.node("o", "output", (0, ROW["o"]), "o")
        d.edge("h", "o", "V")
    if "L" in rows:
        d.node("L", "loss", (0, ROW["L"]), "L")
        d.edge("o", "L")
    if "y" in rows:
        d.node("y", "target", (0, ROW["y"]), "y")
        d.edge("y", "L")
    if feedback == "U":
        d.edge(
            "o",
            (-15, 25.5),
            "U",
            via=[(-52, ROW["o"]), (-52, 54), (-15, 54)],
            delay=True,
            delay_at=(-52, -20),
            label_at=(-68, 12),
        )
    if feedback == "W":
        d.edge(
            "o",
            (25.5, 8),
            "W",
            via=[(58, ROW["o"]), (58, 8)],
            delay=True,
            delay_at=(58, -34),
            label_at=(76, -34),
        )
    if vector:
        d.node("x", "input", (0, ROW["x"] + 36), "x")
    if vector in ("every step", "both"):
        d.edge("x", "h", "R", label_at=(14, 76))
    if vector in ("initial", "both"):
        d.edge(
            "x",
            (18, 25),
            via=[(46, ROW["x"] + 36), (46, 44), (18, 44)],
            style="dashed",
        )
        d.text((54, 76), "P: h^(0)", anchor="start", math=True)
    if vector == "first":
        d.edge("x", "h", "U", style="dashed", label_at=(14, 62))
        d.text((30, ROW["x"] + 36), "at t = 1", anchor="start")
    d.text((0, low), "folded")
    d.edge((112, 0), (154, 0), style="thick")
    d.text((133, -18), "unfold")


def column(name: str) -> float:
    return UNFOLD + COLUMN[name]


def chain(
    d: Diagram,
    *,
    start: str = "h",
    inputs: Iterable[str] = STEPS,
    outputs: Iterable[str] = STEPS,
    losses: bool = True,
    hidden: bool = True,
    fed: bool = False,
    low: float = 132.0,
) -> None:
    """Draw the unfolded graph: a state at steps 1, 2, …, τ."""
    d.node("h0", "state" if start == "h" else "none", (column("0"), ROW["h"]), "h^(0)")
    d.node("h…", "none", (column("…"), ROW["h"]), "⋯")
    names = ["0", "1", "2", "…", "τ"]
    for name in STEPS:
        d.node(f"h{name}", "state", (column(name), ROW["h"]), f"h^({name})")
        if name in inputs:
            d.node(f"x{name}", "input", (column(name), ROW["x"]), f"x^({name})")
            d.edge(f"x{name}", f"h{name}", "U", side=-1)
        if name in outputs:
            d.node(f"o{name}", "output", (column(name), ROW["o"]), f"o^({name})")
            d.edge(f"h{name}", f"o{name}", "V")
            if losses:
                d.node(f"L{name}", "loss", (column(name), ROW["L"]), f"L^({name})", size=(44, 44))
                d.node(f"y{name}", "target", (column(name), ROW["y"]), f"y^({name})")
                d.edge(f"o{name}", f"L{name}")
                d.edge(f"y{name}", f"L{name}")
    if hidden:
        for a, b in pairwise(names):
            # Left of the middle: labels that are fed back pass there.
            at = (column("1") + 40, -13) if fed and a == "1" else None
            d.edge(f"h{a}", f"h{b}", "" if fed and a == "2" else "W", side=-1, label_at=at)
    d.text((column("2") - 12, low), "unfolded")


def feed_back(d: Diagram, *, seed: bool = True) -> None:
    """Draw each step's label fed into the next state: y^(t−1) through U."""
    for before, after, x in (("0", "1", 54.0), ("1", "2", 166.0), ("τ−1", "τ", 346.0)):
        if before == "0" and not seed:
            continue
        kind = "input" if before == "0" else "target"
        d.node(f"f{before}", kind, (UNFOLD + x, 62), f"y^({before})", size=(46, 46))
        d.edge(f"f{before}", f"h{after}", "U", label_at=(UNFOLD + x + 43, 50))
        if f"o{before}" in d.nodes:
            d.edge(
                f"o{before}",
                f"f{before}",
                via=[(UNFOLD + x, ROW["o"])],
                style="dashed",
                casing=True,
            )
    x = UNFOLD + 284
    d.edge("o2", (x, 40), via=[(x, ROW["o"])], style="dashed", casing=True)
    d.node("f…", "none", (x, 58), "⋯")


def dynamical_system() -> Diagram:
    d = Diagram(
        "A dynamical system, folded and unfolded",
        "On the left one state h with an input x and an edge to itself that a square marks as "
        "delayed by one time step. On the right the same graph unfolded: states h(0), h(1), h(2) "
        "to h(τ) in a row, each computed by the same function f from the state before it and "
        "the input x(t) below it.",
    )
    d.node("h", "state", (0, 0), "h")
    d.loop("h", "f")
    d.node("x", "input", (0, ROW["x"]), "x")
    d.edge("x", "h")
    d.edge((112, 0), (154, 0), style="thick")
    d.text((133, -18), "unfold")
    for name in ("0", *STEPS):
        d.node(f"h{name}", "state", (column(name), 0), f"h^({name})")
        if name != "0":
            d.node(f"x{name}", "input", (column(name), ROW["x"]), f"x^({name})")
            d.edge(f"x{name}", f"h{name}")
    d.node("h…", "none", (column("…"), 0), "⋯")
    names = ["0", "1", "2", "…", "τ"]
    for a, b in pairwise(names):
        d.edge(f"h{a}", f"h{b}", "f", side=-1)
    return d


def cell() -> Diagram:
    d = Diagram(
        "The Elman cell",
        "Inside one time step. The input x(t) times U, the old state h(t−1) times W and the bias "
        "b are added to the pre-activation a(t). Its hyperbolic tangent is the new state h(t), "
        "which goes on to the next step and, times V plus c, becomes the logits s(t), whose "
        "softmax is the output o(t).",
    )
    d.frame((64, -62), (328, 62), "one cell", part="state")
    d.node("h'", "state", (0, 0), "h^(t−1)", size=(62, 44), part="state")
    d.node("+", "op", (130, 0), "+", part="state")
    d.node("tanh", "layer", (254, 0), "tanh", size=(56, 32), part="state")
    d.node("h", "state", (392, 0), "h^(t)", size=(52, 44), part="state output")
    d.node("x", "input", (130, 116), "x^(t)", part="state")
    d.node("b", "none", (130, -46), "b", part="state")
    d.edge("h'", "+", "W", label_at=(92, -13), part="state")
    d.edge("x", "+", "U", side=-1, label_at=(116, 40), part="state")
    d.edge("b", "+", part="state")
    d.edge("+", "tanh", "a^(t)", side=-1, part="state")
    d.edge("tanh", "h", part="state")
    d.node("s+", "op", (392, -92), "+", part="output")
    d.node("c", "none", (346, -92), "c", part="output")
    d.node("soft", "layer", (392, -158), "softmax", size=(84, 32), part="output")
    d.node("o", "output", (392, -222), "o^(t)", part="output")
    d.edge("h", "s+", "V", part="output")
    d.edge("c", "s+", part="output")
    d.edge("s+", "soft", "s^(t)", part="output")
    d.edge("soft", "o", part="output")
    d.edge("h", (506, 0), part="state")
    d.text((512, 0), "to step t + 1", anchor="start")
    return d


def many_to_many() -> Diagram:
    d = Diagram(
        "Many to many, hidden to hidden",
        "Folded: x to h through U, h to itself through W with a delay of one step, h to the "
        "output o through V, o and the label y into the loss L. Unfolded: at each of the steps "
        "1, 2 to τ an input, a state, an output, a label and a loss; W joins each state to the "
        "next, beginning at h(0).",
    )
    folded(d)
    chain(d)
    return d


def output_to_hidden() -> Diagram:
    d = Diagram(
        "Many to many, output to hidden",
        "As many to many, but no edge joins the states. W leads from each output o(t−1) to the "
        "next state h(t): the past reaches the future through the output alone. The first step "
        "starts from o(0).",
    )
    folded(d, loop=False, feedback="W")
    chain(d, start="", hidden=False)
    del d.nodes["h0"], d.nodes["h…"]
    d.node("o0", "output", (column("0"), ROW["o"]), "o^(0)")
    d.node("o…", "none", (column("…"), ROW["o"] / 2), "⋯")
    for a, b in (("0", "1"), ("1", "2")):
        d.edge(f"o{a}", f"h{b}", "W", label_at=((column(a) + column(b)) / 2 + 8, -56))
    d.edge("o2", "o…")
    d.edge("o…", "hτ", "W", label_at=(column("…") + 46, -34))
    return d


def many_to_one() -> Diagram:
    d = Diagram(
        "Many to one",
        "Folded: x to h through U, h to itself through W with a delay. Unfolded: every step "
        "reads an input, but only the last state h(τ) leads to an output o(τ), compared with one "
        "label y in one loss L.",
    )
    folded(d)
    chain(d, outputs=("τ",))
    return d


def zero_input() -> Diagram:
    d = Diagram(
        "No input: the network's own output is fed back",
        "Folded: h to itself through W, h to o through V, and o, delayed by one step, back to h "
        "through U. Unfolded: a seed y(0) enters the first state through U; from each output "
        "o(t) a label y(t) is drawn, dashed, and enters the next state through U.",
    )
    folded(d, rows="ho", feedback="U")
    chain(d, inputs=(), losses=False, fed=True)
    feed_back(d)
    return d


def _bus(d: Diagram) -> None:
    d.node("xx", "input", (column("0"), 124), "x")
    for name in STEPS:
        d.edge(
            "xx",
            f"h{name}",
            "R",
            via=[(column(name), 124)],
            label_at=(column(name) + 13, 74),
        )


def vector_every_step() -> Diagram:
    d = Diagram(
        "One vector fed at every step",
        "One vector x enters every state h(1), h(2) to h(τ) through the same matrix R. The label "
        "of the step before enters through U and the old state through W. Folded: x into h "
        "without delay, h to itself and o to h with one step of delay.",
    )
    folded(d, rows="ho", feedback="U", vector="every step", low=176)
    chain(d, inputs=(), losses=False, fed=True, low=176)
    feed_back(d)
    _bus(d)
    return d


def vector_initial() -> Diagram:
    d = Diagram(
        "One vector as the initial state",
        "One vector x sets the initial state h(0) and enters nowhere else. After that each state "
        "depends on the state before through W and on the label of the step before through U.",
    )
    folded(d, rows="ho", feedback="U", vector="initial", low=168)
    chain(d, inputs=(), losses=False, fed=True, low=168)
    feed_back(d)
    d.node("xx", "input", (column("0"), 108), "x")
    d.edge("xx", "h0", "P", side=-1)
    return d


def vector_both() -> Diagram:
    d = Diagram(
        "One vector as the initial state and at every step",
        "One vector x both sets the initial state h(0) and enters every state through R. The "
        "label of the step before enters through U and the old state through W.",
    )
    folded(d, rows="ho", feedback="U", vector="both", low=176)
    chain(d, inputs=(), losses=False, fed=True, low=176)
    feed_back(d)
    _bus(d)
    d.edge("xx", "h0", "P", side=-1)
    return d


def one_to_many() -> Diagram:
    d = Diagram(
        "One to many",
        "One vector x enters at the first step only, through U. Every later step gets the label "
        "drawn from the output before it, and every step has an output.",
    )
    folded(d, rows="ho", feedback="U", vector="first", low=168)
    chain(d, inputs=(), losses=False, fed=True, low=168)
    d.node("x1", "input", (column("1"), ROW["x"] + 36), "x")
    d.edge("x1", "h1", "U", label_at=(column("1") - 14, 62))
    feed_back(d, seed=False)
    return d


def unequal_lengths() -> Diagram:
    d = Diagram(
        "Many to many of unequal lengths",
        "An encoder reads inputs x(1), x(2), x(3) and hands its last state to a decoder, which "
        "writes outputs o(1) and o(2) until it writes the end symbol. Inputs and outputs need "
        "not be equally many.",
    )
    gap = 92.0
    for k in range(3):
        d.node(f"x{k}", "input", (k * gap, 84), f"x^({k + 1})", part="encoder")
        d.node(f"e{k}", "state", (k * gap, 0), f"h^({k + 1})", part="encoder")
        d.edge(f"x{k}", f"e{k}", part="encoder")
        if k:
            d.edge(f"e{k - 1}", f"e{k}", part="encoder")
    for k, label in enumerate(("o^(1)", "o^(2)", "EOS")):
        x = (k + 3) * gap + 26
        d.node(f"d{k}", "state", (x, 0), f"g^({k + 1})", part="decoder")
        d.node(f"o{k}", "output", (x, -80), label if k < 2 else "EOS", part="decoder")
        d.edge(f"d{k}", f"o{k}", part="decoder")
        if k:
            d.edge(f"d{k - 1}", f"d{k}", part="decoder")
            at = (2.5 + k) * gap + 26
            d.edge(
                f"o{k - 1}",
                f"d{k}",
                via=[(at, -80), (at, 52), (x, 52)],
                style="dashed",
                casing=True,
                part="decoder",
            )
    d.edge("e2", "d0", "C", side=-1, part="encoder decoder")
    d.frame((-34, -38), (2 * gap + 34, 120), "encoder", part="encoder")
    d.frame((3 * gap - 8, -118), (5 * gap + 60, 66), "decoder", part="decoder")
    return d


def modes() -> Diagram:
    d = Diagram(
        "The network modes at a glance",
        "Six small unfolded graphs. No input: outputs fed back. One to many: one input, several "
        "outputs. Many to one: several inputs, one output. Many to many, hidden to hidden. Many "
        "to many, output to hidden. Many to many of unequal lengths: inputs first, then outputs.",
    )
    r = (30.0, 30.0)
    gap = 50.0

    def panel(
        key: str,
        at: tuple[float, float],
        title: str,
        steps: int,
        inputs: Iterable[int],
        outputs: Iterable[int],
        *,
        fed: Iterable[int] = (),
        hidden: bool = True,
    ) -> None:
        ox, oy = at
        inputs, outputs = set(inputs), set(outputs)
        for k in range(steps):
            x = ox + k * gap
            d.node(f"{key}h{k}", "state", (x, oy), "h", size=r)
            if k in inputs:
                d.node(f"{key}x{k}", "input", (x, oy + 52), "x", size=r)
                d.edge(f"{key}x{k}", f"{key}h{k}")
            if k in outputs:
                d.node(f"{key}o{k}", "output", (x, oy - 52), "o", size=r)
                d.edge(f"{key}h{k}", f"{key}o{k}")
            if k and hidden:
                d.edge(f"{key}h{k - 1}", f"{key}h{k}")
            if k in fed:
                d.edge(f"{key}o{k - 1}", f"{key}h{k}")
        d.text((ox + (steps - 1) * gap / 2, oy + 90), title)

    panel("a", (0, 0), "no input", 4, (), range(4), fed=range(1, 4))
    panel("b", (225, 0), "one to many", 4, (0,), range(4), fed=range(1, 4))
    panel("c", (450, 0), "many to one", 4, range(4), (3,))
    panel("d", (0, 216), "many to many,", 4, range(4), range(4))
    panel("e", (225, 216), "many to many,", 4, range(4), range(4), fed=range(1, 4), hidden=False)
    panel("f", (450, 216), "many to many,", 4, (0, 1), (2, 3), fed=(3,))
    for x, words in ((75, "hidden to hidden"), (300, "output to hidden"), (525, "unequal lengths")):
        d.text((x, 216 + 108), words)
    return d


def language_model() -> Diagram:
    d = Diagram(
        "A language model reads its own target, shifted by one",
        "Five steps of a character-level language model on the word hello. The inputs are a "
        "start symbol, h, e, l, l; the labels above are h, e, l, l, o: the input of each step is "
        "the label of the step before.",
    )
    word = "hello"
    gap = 104.0
    for k, letter in enumerate(word):
        x = k * gap
        before = "<s>" if k == 0 else word[k - 1]
        d.node(f"x{k}", "input", (x, 84), before, words=True)
        d.node(f"h{k}", "state", (x, 0), f"h^({k + 1})")
        d.node(f"o{k}", "output", (x, -78), f"o^({k + 1})")
        d.node(f"y{k}", "target", (x, -152), letter, words=True)
        d.edge(f"x{k}", f"h{k}")
        d.edge(f"h{k}", f"o{k}")
        d.edge(f"y{k}", f"o{k}")
        if k:
            d.edge(f"h{k - 1}", f"h{k}")
            at = x - gap / 2
            d.edge(
                f"y{k - 1}",
                f"x{k}",
                via=[(at, -152), (at, 84)],
                style="dashed",
                casing=True,
            )
    d.text((-46, 84), "input", anchor="end")
    d.text((-46, -152), "label", anchor="end")
    return d


def drawings() -> dict[str, str]:
    """Draw everything: file name to SVG."""
    return {
        "rnn-dynamical-system": dynamical_system().svg(),
        "rnn-cell": cell().svg(),
        "rnn-modes": modes().svg(),
        "rnn-many-to-many": many_to_many().svg(),
        "rnn-output-to-hidden": output_to_hidden().svg(),
        "rnn-many-to-one": many_to_one().svg(),
        "rnn-zero-input": zero_input().svg(),
        "rnn-vector-every-step": vector_every_step().svg(),
        "rnn-vector-initial": vector_initial().svg(),
        "rnn-vector-both": vector_both().svg(),
        "rnn-one-to-many": one_to_many().svg(),
        "rnn-unequal-lengths": unequal_lengths().svg(),
        "rnn-language-model": language_model().svg(),
    }
