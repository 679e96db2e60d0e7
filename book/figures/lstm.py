"""Diagrams of chapter 4: the carousel, the cell gate by gate, and the way back edge by edge.

One layout serves all: the cell state runs along the top, the hidden state along the bottom,
the gates stand between. A backward drawing has the same nodes, and a red edge lies on the
line that carried the value forward.
"""

from diagram import Diagram, Point

GATE = {"f": 110.0, "i": 214.0, "g": 318.0, "o": 422.0}
NAMES = {"f": "forget", "i": "input", "g": "candidate", "o": "output"}
BELT, MIDDLE, ROW, BUS, LOW = 0.0, 78.0, 156.0, 240.0, 318.0
JOIN = (58.0, BUS)
CELL, HIDDEN, OUT = 520.0, 596.0, 690.0

CELL_WORDS = (
    "Along the top the cell state C(t−1) passes a product with the forget gate f and a sum, and "
    "becomes C(t). Along the bottom h(t−1) and the input x(t) feed four boxes: the gates f, i and "
    "o with a sigmoid each, and the candidate g with a tanh. The product of i and g enters the "
    "sum. A tanh of C(t) times the gate o is h(t)."
)


def gates(forget: bool) -> str:
    return "figo" if forget else "igo"


def nodes(d: Diagram, parts: dict[str, str], *, forget: bool = True) -> None:
    """Place the nodes; ``parts`` names the parts of each, none where it is not named."""

    def node(name: str, kind: str, at: Point, label: str, **options: Point) -> None:
        d.node(name, kind, at, label, part=parts.get(name, ""), **options)

    node("C'", "state", (0, BELT), "C^(t−1)", size=(64, 44))
    node("h'", "state", (0, BUS), "h^(t−1)", size=(64, 44))
    node("x", "input", (JOIN[0], LOW), "x^(t)")
    for k in gates(forget):
        node(k, "layer", (GATE[k], ROW), "tanh" if k == "g" else "σ", size=(56, 32))
        d.text((GATE[k], BUS + 22), NAMES[k], part=parts.get(k, ""))
    if forget:
        node("×f", "op", (GATE["f"], BELT), "⊙")
    node("×i", "op", (GATE["g"], MIDDLE), "⊙")
    node("+", "op", (GATE["g"], BELT), "+")
    node("C", "state", (CELL, BELT), "C^(t)", size=(52, 44))
    node("tanh", "layer", (CELL, MIDDLE), "tanh", size=(56, 32))
    node("×o", "op", (CELL, ROW), "⊙")
    node("h", "state", (HIDDEN, BUS), "h^(t)", size=(52, 44))


def forward(d: Diagram, *, forget: bool = True, labels: bool = True, part: str = "") -> None:
    """Draw the forward edges; ``part`` puts all of them into one part."""

    def edge(
        start: str | Point,
        end: str | Point,
        label: str = "",
        *,
        parts: str,
        via: tuple[Point, ...] = (),
        side: float = 1.0,
        label_at: Point | None = None,
        head: bool = True,
    ) -> None:
        d.edge(
            start,
            end,
            label if labels else "",
            via=via,
            side=side,
            label_at=label_at if labels else None,
            head=head,
            part=part or parts,
        )

    kinds = gates(forget)
    edge("h'", JOIN, parts=" ".join(kinds), head=False)
    edge("x", JOIN, parts=" ".join(kinds), head=False)
    at = JOIN
    for n, k in enumerate(kinds):
        corner = (GATE[k], BUS)
        edge(at, corner, parts=" ".join(kinds[n:]), head=False)
        edge(corner, k, f"a^{k}", parts=k, label_at=(GATE[k] + 16, (BUS + ROW) / 2 + 10))
        at = corner
    if forget:
        edge("C'", "×f", parts="belt f update")
        edge("×f", "+", parts="belt update")
        edge("f", "×f", "f", parts="f", label_at=(GATE["f"] - 13, MIDDLE))
    else:
        edge("C'", "+", "1", parts="belt update", label_at=(GATE["g"] / 2, BELT - 14))
    edge("i", "×i", "i", parts="i", via=((GATE["i"], MIDDLE),), label_at=(GATE["i"] - 13, 112))
    edge("g", "×i", "g", parts="g", label_at=(GATE["g"] + 14, 118))
    edge("×i", "+", parts="update")
    edge("+", "C", parts="belt update")
    edge("C", (OUT, BELT), parts="belt")
    edge("C", "tanh", parts="h")
    edge("tanh", "×o", parts="h")
    edge("o", "×o", "o", parts="o", label_at=((GATE["o"] + CELL) / 2 + 4, ROW - 15))
    edge("×o", "h", parts="h", via=((CELL, BUS),))
    edge("h", (OUT, BUS), parts="h")


def ends(d: Diagram, *, part: str = "") -> None:
    """Name what leaves the cell on the right."""
    d.text((OUT + 6, BELT), "to step t + 1", anchor="start", part=part or "belt")
    d.text((OUT + 6, BUS), "to step t + 1", anchor="start", part=part or "h")


FORWARD_PARTS = {
    "C'": "belt f update",
    "C": "belt update h",
    "h'": "f i g o",
    "x": "f i g o",
    "f": "f",
    "i": "i",
    "g": "g",
    "o": "o",
    "×f": "belt f update",
    "×i": "i g update",
    "+": "belt update",
    "tanh": "h",
    "×o": "o h",
    "h": "h",
}


def cell(title: str, words: str, *, forget: bool = True) -> Diagram:
    d = Diagram(title, words)
    nodes(d, FORWARD_PARTS, forget=forget)
    forward(d, forget=forget)
    ends(d)
    return d


def built(title: str, lit: str, words: str) -> str:
    """Draw the whole cell with one part lit."""
    return cell(title, f"The LSTM cell with one part lit, the rest muted. {words}").svg(lit.split())


def carousel() -> Diagram:
    d = Diagram(
        "The constant error carousel and its two gates",
        "One memory cell, folded. The candidate g times the input gate i enters a sum; the sum is "
        "the cell state C, which returns to the sum through an edge of weight one with a delay of "
        "one step. On the way out C passes a tanh and is multiplied by the output gate o: that "
        "is h. Both gates and the candidate read x and the h of the step before.",
    )
    d.node("g", "layer", (0, 0), "tanh", size=(56, 32))
    d.node("×i", "op", (96, 0), "⊙")
    d.node("+", "op", (180, 0), "+")
    d.node("C", "state", (270, 0), "C")
    d.node("tanh", "layer", (360, 0), "tanh", size=(56, 32))
    d.node("×o", "op", (450, 0), "⊙")
    d.node("h", "state", (540, 0), "h")
    d.node("i", "layer", (96, 84), "σ", size=(56, 32))
    d.node("o", "layer", (450, 84), "σ", size=(56, 32))
    d.edge("g", "×i", "g", side=-1)
    d.edge("×i", "+")
    d.edge("+", "C")
    d.edge("C", "tanh")
    d.edge("tanh", "×o")
    d.edge("×o", "h")
    d.edge("i", "×i", "i")
    d.edge("o", "×o", "o")
    d.edge(
        (270, -23),
        (180, -15),
        "1",
        via=[(270, -66), (180, -66)],
        delay=True,
        delay_at=(225, -66),
        label_at=(225, -84),
    )
    for x, y in ((0, 16), (96, 100), (450, 100)):
        d.edge((x, y + 42), (x, y + 4))
        d.text((x, y + 56), "x, h'", math=True)
    d.frame((150, -104), (306, 40), "carousel")
    d.text((96, 190), "input gate")
    d.text((450, 190), "output gate")
    return d


# --- Backward ---------------------------------------------------------------------

# What each step of the derivation lights; a node is lit in several steps.
BACK_NODES = {
    "C'": "3",
    "h'": "6",
    "x": "6",
    "f": "3 5",
    "i": "4 5",
    "g": "4 5",
    "o": "2 5",
    "×f": "3",
    "×i": "4",
    "+": "3 4",
    "C": "1 2 3",
    "tanh": "2",
    "×o": "2",
    "h": "1 2",
}


def back_edges(d: Diagram, last: int, *, cut: bool = False) -> None:
    """Draw the red edges of steps 1 … ``last``; with ``cut`` none reaches h(t−1)."""

    def edge(
        step: int,
        start: str | Point,
        end: str | Point,
        label: str = "",
        at: Point | None = None,
        via: tuple[Point, ...] = (),
        head: bool = True,
    ) -> None:
        if step <= last:
            d.edge(
                start,
                end,
                label,
                label_at=at,
                via=via,
                head=head,
                style="back thick",
                casing=True,
                part=str(step),
            )

    between = (CELL + 26 + OUT) / 2
    edge(1, (OUT, BELT), "C", "f⊙∇_C of t+1", (between + 40, BELT - 19))
    if not cut:
        edge(1, (OUT, BUS), "h", "∑W^{k⊤}δ^k", (OUT - 24, BUS - 18))
    edge(1, (HIDDEN, LOW), "h", "own loss", (HIDDEN + 40, LOW - 18))
    edge(2, "h", "×o", "∇_h", (CELL + 20, BUS - 16), via=((CELL, BUS),))
    edge(2, "×o", "o", "tanh C⊙∇_h", ((GATE["o"] + CELL) / 2 - 6, ROW + 28))
    edge(2, "×o", "tanh", "o⊙∇_h", (CELL + 36, (MIDDLE + ROW) / 2 + 3))
    edge(2, "tanh", "C", "⊙(1−tanh²C)", (CELL + 70, MIDDLE / 2 + 6))
    edge(3, "C", "+", "∇_C", ((GATE["g"] + CELL) / 2, BELT - 15))
    edge(3, "+", "×f", "∇_C", ((GATE["g"] + GATE["f"]) / 2, BELT - 15))
    edge(3, "×f", "C'", "f⊙∇_C", (GATE["f"] / 2 + 6, BELT - 30))
    edge(3, "×f", "f", "C'⊙∇_C", (GATE["f"] - 44, MIDDLE))
    edge(4, "+", "×i", "∇_C", (GATE["g"] + 22, MIDDLE / 2 + 4))
    edge(4, "×i", "i", "g⊙∇_C", (GATE["i"] - 38, MIDDLE + 10), via=((GATE["i"], MIDDLE),))
    edge(4, "×i", "g", "i⊙∇_C", (GATE["g"] + 36, (MIDDLE + ROW) / 2 + 4))
    for k in "figo":
        edge(5, k, (GATE[k], BUS), f"δ^{k}", (GATE[k] + 17, (BUS + ROW) / 2 + 12), head=last == 5)
    if last >= 6:
        start = (GATE["o"], BUS)
        for k in "gif":
            edge(6, start, (GATE[k], BUS), head=False)
            start = (GATE[k], BUS)
        edge(6, start, JOIN, head=False)
        if not cut:
            edge(6, JOIN, "h'", "∑W^{k⊤}δ^k", (2, BUS - 40))
        edge(6, JOIN, "x", "∑U^{k⊤}δ^k", (JOIN[0] + 66, LOW - 10))


def backward(title: str, words: str, step: int | None, *, cut: bool = False) -> str:
    """Draw the way back up to a step, that step lit; or, without a step, all of it."""
    d = Diagram(title, words)
    nodes(d, BACK_NODES)
    forward(d, labels=False, part="forward")
    ends(d, part="forward")
    d.edge("h", (HIDDEN, LOW), part="forward")
    d.text((HIDDEN, LOW + 16), "to the output", part="forward")
    back_edges(d, 6 if step is None else step, cut=cut)
    if step is not None:
        return d.svg([str(step)])
    return d.svg([str(k) for k in range(1, 7)])


def highway() -> Diagram:
    d = Diagram(
        "Two ways back through time",
        "Four steps of an LSTM. Along the top the cell states C(t−3) to C(t), joined by red edges "
        "that point back, each labelled with the forget gate of its step: the cell path. Along the "
        "bottom the hidden states h(t−3) to h(t−1), reached from the cell states to their right "
        "through W and leading into the cell state above: the paths through the gates.",
    )
    gap = 150.0
    names = ["t−3", "t−2", "t−1", "t"]
    for k, name in enumerate(names):
        d.node(f"C{k}", "state", (k * gap, 0), f"C^({name})", size=(64, 44))
        if k < 3:
            d.node(f"h{k}", "state", (k * gap, 118), f"h^({name})", size=(64, 44))
    for k in range(1, 4):
        label = f"f^({names[k]})"
        d.edge(f"C{k}", f"C{k - 1}", label, style="back thick", label_at=((k - 0.5) * gap, -19))
        d.edge(f"C{k}", f"h{k - 1}", "W", style="back dashed", label_at=((k - 0.5) * gap + 20, 70))
        d.edge(f"h{k - 1}", f"C{k - 1}", style="back dashed")
    d.text((1.5 * gap, -52), "the cell path: a factor f a step")
    d.text((1.5 * gap, 168), "paths through the gates: W and slopes")
    return d


def drawings() -> dict[str, str]:
    """Draw everything: file name to SVG."""
    return {
        "lstm-carousel": carousel().svg(),
        "lstm-1997": cell(
            "The LSTM cell of 1997",
            "Along the top C(t−1) goes through a sum into C(t) with weight 1. Along the bottom "
            "h(t−1) and x(t) feed the input gate i, the candidate g and the output gate o. The "
            "product of i and g enters the sum. A tanh of C(t) times o is h(t). There is no forget "
            "gate.",
            forget=False,
        ).svg(),
        "lstm-forget": built(
            "The forget gate",
            "f",
            "Lit: h(t−1) and x(t) lead into a sigmoid, whose output f multiplies C(t−1).",
        ),
        "lstm-input": built(
            "The input gate",
            "i",
            "Lit: h(t−1) and x(t) lead into a sigmoid, whose output i goes to a product.",
        ),
        "lstm-candidate": built(
            "The candidate",
            "g",
            "Lit: h(t−1) and x(t) lead into a tanh, whose output g meets the input gate in a "
            "product.",
        ),
        "lstm-update": built(
            "The new cell state",
            "update",
            "Lit: along the top C(t−1) times f, plus i times g from below, becomes C(t).",
        ),
        "lstm-output": built(
            "The output gate and the hidden state",
            "o h",
            "Lit: h(t−1) and x(t) lead into a sigmoid, whose output o multiplies the tanh of C(t); "
            "the product is h(t), which goes to the next step.",
        ),
        "lstm-cell": cell("The LSTM cell", CELL_WORDS).svg(),
        "lstm-back-arriving": backward(
            "Backward, step 1: what arrives",
            "The LSTM cell, muted, with red edges lit: from the next step into C(t) comes f(t+1) "
            "times the next cell's gradient; into h(t) come the sum of W transposed times δ from "
            "the next step, and the gradient of the step's own loss.",
            1,
        ),
        "lstm-back-output": backward(
            "Backward, step 2: through the output",
            "Red edges lit: from h(t) back to the product; from there to the output gate with "
            "tanh C times the gradient of h, and through the tanh into C(t) with o times the "
            "gradient of h, times 1 minus tanh squared of C.",
            2,
        ),
        "lstm-back-cell": backward(
            "Backward, step 3: along the cell state",
            "Red edges lit: from C(t) back through the sum to the product with f; from there to "
            "C(t−1) with f times the gradient of C, and to the forget gate with C(t−1) times the "
            "gradient of C.",
            3,
        ),
        "lstm-back-candidate": backward(
            "Backward, step 4: into what was added",
            "Red edges lit: from the sum down to the product of i and g; to the input gate goes g "
            "times the gradient of C, to the candidate i times the gradient of C.",
            4,
        ),
        "lstm-back-gates": backward(
            "Backward, step 5: through the activations",
            "Red edges lit: below each of the four boxes its error δ leaves, for f, i, g and o.",
            5,
        ),
        "lstm-back-inputs": backward(
            "Backward, step 6: to what the gates read",
            "Red edges lit: the four errors run together and reach h(t−1) as the sum over the "
            "gates of W transposed times δ, and x(t) as the sum of U transposed times δ.",
            6,
        ),
        "lstm-back-truncated": backward(
            "The truncated gradient of 1997",
            "All red edges of the way back except two: nothing reaches h(t−1), so nothing but the "
            "step's own loss arrives at h(t). The cell state is the only way into the step before.",
            None,
            cut=True,
        ),
        "lstm-highway": highway().svg(),
    }
