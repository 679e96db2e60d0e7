"""Diagrams of chapter 6: peepholes forward and back, coupled gates, and the larger variants.

The cell has chapter 4's layout; what is new is lit, and the rest muted.
"""

from diagram import Diagram, Point
from lstm import BELT, BUS, CELL, GATE, HIDDEN, JOIN, LOW, MIDDLE, OUT, ROW

LEVEL = 112.0
BEND = 452.0

# What each drawing lights: the peephole paths p, on the way back "o" and "if" apart.
NODES = {
    "C'": "p if",
    "f": "p if",
    "i": "p if",
    "o": "p o",
    "C": "p o if",
    "×o": "o",
    "h": "o",
    "tanh": "o",
    "×f": "if",
    "+": "if",
    "×i": "if",
}


def cell(title: str, words: str, *, labels: bool = True) -> Diagram:
    """Draw the LSTM cell with its peepholes; every forward edge but these is in ``rest``."""
    d = Diagram(title, words)

    def node(name: str, kind: str, at: Point, label: str, **options: Point) -> None:
        d.node(name, kind, at, label, part=NODES.get(name, "rest"), **options)

    node("C'", "state", (0, BELT), "C^(t−1)", size=(64, 44))
    node("h'", "state", (0, BUS), "h^(t−1)", size=(64, 44))
    node("x", "input", (JOIN[0], LOW), "x^(t)")
    names = {"f": "forget", "i": "input", "g": "candidate", "o": "output"}
    for k, x in GATE.items():
        node(k, "layer", (x, ROW), "tanh" if k == "g" else "σ", size=(56, 32))
        d.text((x, BUS + 22), names[k], part=NODES.get(k, "rest"))
    node("×f", "op", (GATE["f"], BELT), "⊙")
    node("×i", "op", (GATE["g"], MIDDLE), "⊙")
    node("+", "op", (GATE["g"], BELT), "+")
    node("C", "state", (CELL, BELT), "C^(t)", size=(52, 44))
    node("tanh", "layer", (CELL, MIDDLE), "tanh", size=(56, 32))
    node("×o", "op", (CELL, ROW), "⊙")
    node("h", "state", (HIDDEN, BUS), "h^(t)", size=(52, 44))

    d.edge("h'", JOIN, part="rest", head=False)
    d.edge("x", JOIN, part="rest", head=False)
    at = JOIN
    for k, x in GATE.items():
        d.edge(at, (x, BUS), part="rest", head=False)
        d.edge((x, BUS), k, part="rest")
        at = (x, BUS)
    for start, end in (("C'", "×f"), ("×f", "+"), ("f", "×f"), ("g", "×i"), ("×i", "+")):
        d.edge(start, end, part="rest")
    d.edge("i", "×i", via=((GATE["i"], MIDDLE),), part="rest")
    d.edge("+", "C", part="rest")
    d.edge("C", (OUT, BELT), part="rest")
    for start, end in (("C", "tanh"), ("tanh", "×o"), ("o", "×o")):
        d.edge(start, end, part="rest")
    d.edge("×o", "h", via=((CELL, BUS),), part="rest")
    d.edge("h", (OUT, BUS), part="rest")

    ends = {k: (GATE[k] - 29, ROW) for k in "fi"}
    old = (0.0, BELT + 24)
    style = "thick" if labels else ""
    part = "p" if labels else "rest"
    d.edge(
        old,
        ends["f"],
        "p^f" if labels else "",
        via=((0, ROW),),
        label_at=(40, ROW + 18) if labels else None,
        style=style,
        part=part,
    )
    d.edge(
        old,
        ends["i"],
        "p^i" if labels else "",
        via=((0, LEVEL), (166, LEVEL), (166, ROW)),
        label_at=(62, LEVEL - 16) if labels else None,
        style=style,
        casing=True,
        part=part,
    )
    d.edge(
        (CELL - 18, BELT + 24),
        (BEND - 24, ROW - 18),
        "p^o" if labels else "",
        via=((CELL - 18, 44), (BEND - 24, 44)),
        label_at=(BEND - 44, 92) if labels else None,
        style=style,
        part=part,
    )
    return d


def forward() -> str:
    d = cell(
        "The LSTM cell with peepholes",
        "The cell of chapter 4, muted, with three lines lit: from C(t−1) to the forget gate, with "
        "p^f, and to the input gate, with p^i; and from C(t), the new cell state, back to the "
        "output gate, with p^o.",
    )
    return d.svg(["p"])


def backward(step: str) -> str:
    """Draw one half of the way back: ``o``, to the cell, or ``if``, to the old cell."""
    words = {
        "o": "The cell, muted, with red lines lit: from h(t) to the product, from there to the "
        "output gate and through the tanh to C(t); and from the output gate through its peephole "
        "to C(t), labelled p^o times δ^o. There three gradients meet: the third comes from the "
        "next step.",
        "if": "The cell, muted, with red lines lit: from C(t) along the belt through the sum and "
        "the product with f to C(t−1), and from belt and sum down to the gates f and i; from both "
        "gates a line returns to C(t−1) through their peepholes, labelled p^f times δ^f and p^i "
        "times δ^i.",
    }[step]
    title = {"o": "Backward, first: up to the cell state", "if": "Backward, then: to the old cell"}
    d = cell(title[step], words, labels=False)

    def edge(
        start: str | Point,
        end: str | Point,
        label: str,
        at: Point | None,
        via: tuple[Point, ...] = (),
    ) -> None:
        d.edge(
            start,
            end,
            label,
            label_at=at,
            via=via,
            style="back thick",
            casing=True,
            part=step,
        )

    if step == "o":
        edge("h", "×o", "∇_h", (CELL + 20, BUS - 16), ((CELL, BUS),))
        edge("×o", "o", "tanh C⊙∇_h", ((GATE["o"] + CELL) / 2 - 6, ROW + 28))
        edge("×o", "tanh", "o⊙∇_h", (CELL + 36, (MIDDLE + ROW) / 2 + 3))
        edge("tanh", "C", "⊙(1−tanh²C)", (CELL + 70, MIDDLE / 2 + 6))
        peep = ((BEND - 24, 44.0), (CELL - 18, 44.0))
        edge((BEND - 24, ROW - 17), (CELL - 18, BELT + 24), "p^o⊙δ^o", (BEND - 66, 92), peep)
        edge((OUT, BELT), "C", "from step t + 1", ((CELL + 26 + OUT) / 2 + 42, BELT - 17))
    else:
        edge("C", "+", "∇_C", ((GATE["g"] + CELL) / 2, BELT - 15))
        edge("+", "×f", "∇_C", ((GATE["g"] + GATE["f"]) / 2, BELT - 15))
        edge("×f", "C'", "f⊙∇_C", (GATE["f"] / 2 + 6, BELT - 30))
        edge("×f", "f", "C'⊙∇_C", (GATE["f"] + 44, MIDDLE / 2 + 6))
        edge("+", "×i", "∇_C", (GATE["g"] + 22, MIDDLE / 2 + 4))
        edge("×i", "i", "g⊙∇_C", ((GATE["i"] + GATE["g"]) / 2, MIDDLE - 16), ((GATE["i"], MIDDLE),))
        edge((GATE["f"] - 29, ROW), (0, BELT + 24), "p^f⊙δ^f", (44, ROW + 26), ((0, ROW),))
        back = ((166.0, ROW), (166.0, LEVEL), (12.0, LEVEL))
        edge((GATE["i"] - 29, ROW), (12, BELT + 24), "p^i⊙δ^i", (58, LEVEL - 17), back)
    return d.svg([step])


def coupled() -> str:
    d = Diagram(
        "Coupled gates",
        "Along the top C(t−1) passes a product with f and a sum and becomes C(t). One box, the "
        "forget gate, feeds that product directly, and through 1 minus also the product with the "
        "candidate g, which enters the sum. The output gate and the rest are those of the LSTM.",
    )
    d.node("C'", "state", (0, BELT), "C^(t−1)", size=(64, 44))
    d.node("×f", "op", (GATE["f"], BELT), "⊙")
    d.node("+", "op", (GATE["g"], BELT), "+")
    d.node("C", "state", (430, BELT), "C^(t)", size=(52, 44))
    d.node("×g", "op", (GATE["g"], MIDDLE), "⊙")
    d.node("1−", "op", (GATE["i"], MIDDLE), "1−")
    d.node("f", "layer", (GATE["f"], ROW), "σ", size=(56, 32))
    d.node("g", "layer", (GATE["g"], ROW), "tanh", size=(56, 32))
    d.text((GATE["f"], ROW + 66), "forget")
    d.text((GATE["g"], ROW + 66), "candidate")
    d.edge("C'", "×f")
    d.edge("×f", "+")
    d.edge("+", "C")
    d.edge("C", (520, BELT))
    d.edge("f", "×f", "f", label_at=(GATE["f"] - 13, 60))
    d.edge((GATE["f"], MIDDLE), "1−")
    d.edge("1−", "×g", "1−f", label_at=((GATE["i"] + GATE["g"]) / 2, MIDDLE - 15))
    d.edge("×g", "+")
    d.edge("g", "×g", "g", label_at=(GATE["g"] + 13, 118))
    for k in "fg":
        d.edge((GATE[k], ROW + 50), k)
    return d.svg()


def depth() -> str:
    d = Diagram(
        "Two layers joined by a depth gate",
        "Two rows, a lower and an upper layer, each with its cell state running from left to "
        "right through a product with f and a sum. From the lower layer's new cell state a line "
        "goes up, is multiplied by the depth gate d, and enters the sum of the upper layer. The "
        "gate d reads the lower layer's h and, through peepholes, the upper layer's old cell state "
        "and the lower layer's new one.",
    )
    top, low = 0.0, 200.0
    for name, y in (("upper", top), ("below", low)):
        mark = "" if name == "upper" else "_below"
        d.node(f"{name}'", "state", (0, y), "C^(t−1)" if not mark else "C_{below}'", size=(76, 44))
        d.node(f"{name}×", "op", (112, y), "⊙")
        d.node(f"{name}+", "op", (250, y), "+")
        d.node(name, "state", (400, y), "C^(t)" if not mark else "C_{below}", size=(76, 44))
        d.edge(f"{name}'", f"{name}×")
        d.edge(f"{name}×", f"{name}+")
        d.edge(f"{name}+", name)
        d.edge(name, (500, y))
        d.edge((112, y + 48), f"{name}×", "f", label_at=(100, y + 32))
        d.edge((212, y + 48), f"{name}+", "i⊙g", label_at=(192, y + 44))
    d.node("×d", "op", (290, 96), "⊙", part="new")
    d.node("d", "layer", (190, 112), "σ", size=(56, 32), part="new")
    d.edge("below", "×d", via=((400, 96),), style="thick")
    d.edge("×d", "upper+", via=((290, 44), (262, 20)), style="thick")
    d.edge("d", "×d", "d", label_at=(242, 92))
    d.edge((30, top + 24), (161, 112), "p^c", via=((30, 112),), label_at=(74, 98))
    d.edge((386, low - 23), (204, 129), "p^{below}", via=((340, 152), (204, 152)),
           label_at=(292, 140))  # fmt: skip
    d.edge((150, 172), (176, 131), "h_{below}", label_at=(126, 150))
    return d.svg()


def clockwork() -> str:
    periods, steps = (1, 2, 4, 8), 9
    d = Diagram(
        "A clockwork network over nine steps",
        "Four rows, one for each module, with periods 1, 2, 4 and 8, and nine columns for steps 1 "
        "to 9. A module that is due at a step is drawn as a filled square, one that keeps its "
        "state as a bare line. Period 1 is due at every step, 2 at steps 2, 4, 6 and 8, 4 at steps "
        "4 and 8, and 8 at step 8 alone. At step 8 all four are due.",
    )
    gap, row = 62.0, 58.0
    for m, period in enumerate(periods):
        y = m * row
        d.text((-46, y), f"T = {period}", anchor="end")
        at: str | Point = (-30.0, y)
        for t in range(1, steps + 1):
            if t % period == 0:
                name = f"{m},{t}"
                d.node(name, "state", (t * gap - 40, y), size=(30, 30), level=1.0)
                d.edge(at, name)
                at = name
        d.edge(at, (steps * gap + 10, y))
    for t in range(1, steps + 1):
        d.text((t * gap - 40, len(periods) * row - 10), str(t))
    d.text((-46, len(periods) * row - 10), "step", anchor="end")
    return d.svg()


def grid() -> str:
    d = Diagram(
        "One block of a two-dimensional Grid LSTM",
        "A block in the middle. From the left come h and C of the time dimension, from below h and "
        "C of the depth dimension; to the right and to the top leave the new ones. Inside are two "
        "LSTM cells, one for each dimension; both read both incoming h.",
    )
    d.frame((-92, -74), (92, 74), "block")
    d.node("depth", "block", (0, -36), "LSTM of depth", size=(150, 40), words=True)
    d.node("time", "block", (0, 36), "LSTM of time", size=(150, 40), words=True)
    for y, label in ((-16.0, "C_{time}"), (30.0, "h_{time}")):
        d.edge((-190, y), (-96, y), label, label_at=(-214, y))
        d.edge((96, y), (190, y), f"{label}'", label_at=(218, y))
    for x, label in ((-40.0, "C_{depth}"), (40.0, "h_{depth}")):
        d.edge((x, 150), (x, 80), label, label_at=(x, 164))
        d.edge((x, -80), (x, -150), f"{label}'", label_at=(x, -164))
    return d.svg()


def drawings() -> dict[str, str]:
    """Draw everything: file name to SVG."""
    return {
        "peephole-cell": forward(),
        "peephole-back-cell": backward("o"),
        "peephole-back-old": backward("if"),
        "peephole-coupled": coupled(),
        "peephole-depth": depth(),
        "peephole-clockwork": clockwork(),
        "peephole-grid": grid(),
    }
