"""Diagrams of chapter 5: the simplified unit, the GRU in both conventions, and the way back.

The state runs along the top, as the cell state does in chapter 4. A backward drawing has
the same nodes, and a red edge lies on the line that carried the value forward.
"""

from diagram import Diagram, Point

BELT, HIGH, MIDDLE, ROW, BUS, LOW = 0.0, 68.0, 128.0, 196.0, 268.0, 330.0
RESET, UPDATE, BESIDE, NEW = 120.0, 250.0, 350.0, 450.0
JOIN = (58.0, BUS)
STATE, OUT, OWN = 550.0, 650.0, 70.0

NODES = {
    "h'": "2 4 5",
    "x": "3 5",
    "r": "4 5",
    "z": "2 5",
    "n": "2 3",
    "×r": "3 4",
    "W": "4",
    "×z": "2",
    "1−": "2",
    "×n": "2",
    "+": "2",
    "h": "1 2",
}


def nodes(d: Diagram, *, kind: str = "before") -> None:
    """Place the nodes of one kind of unit: ``simplified``, ``before`` or ``after``."""

    def node(name: str, shape: str, at: Point, label: str, **options: Point) -> None:
        d.node(name, shape, at, label, part=NODES[name], **options)

    box = {"size": (56.0, 32.0)}
    node("h'", "state", (0, BELT), "h^(t−1)", size=(64, 44))
    node("x", "input", (JOIN[0], LOW), "x^(t)")
    node("z", "layer", (UPDATE, ROW), "σ", **box)
    node("n", "layer", (NEW, ROW), "tanh", **box)
    d.text((UPDATE, BUS + 20), "update", part="2 5")
    if kind == "simplified":
        d.text((NEW, BUS + 20), "candidate", part="2 3")
    else:
        node("r", "layer", (RESET, ROW), "σ", **box)
        node("×r", "op", (RESET, MIDDLE), "⊙")
        d.text((RESET, BUS + 20), "reset", part="4 5")
        d.text((NEW + 66, ROW), "candidate", part="2 3")
    if kind == "after":
        node("W", "layer", (RESET, HIGH - 6), "W^n", **box)
    node("×z", "op", (UPDATE, BELT), "⊙")
    node("1−", "op", (BESIDE, HIGH), "1−")
    node("×n", "op", (NEW, HIGH), "⊙")
    node("+", "op", (NEW, BELT), "+")
    node("h", "state", (STATE, BELT), "h^(t)", size=(52, 44))


def forward(d: Diagram, *, kind: str = "before", labels: bool = True) -> None:
    """Draw the forward edges."""

    def edge(
        start: str | Point,
        end: str | Point,
        label: str = "",
        at: Point | None = None,
        via: tuple[Point, ...] = (),
        *,
        head: bool = True,
        casing: bool = False,
    ) -> None:
        d.edge(
            start,
            end,
            label if labels else "",
            via=via,
            label_at=at if labels else None,
            head=head,
            casing=casing,
            part="forward",
        )

    low = (BUS + ROW) / 2 + 8
    edge("h'", JOIN, via=((0, BUS),), head=False)
    edge("x", JOIN, head=False)
    start = JOIN
    readers = {"r": RESET, "z": UPDATE} if kind != "simplified" else {"z": UPDATE, "n": NEW}
    for name, x in readers.items():
        edge(start, (x, BUS), head=False)
        edge((x, BUS), name, f"a^{name}", (x + 17, low))
        start = (x, BUS)
    if kind != "simplified":
        edge("x", (NEW, ROW + 17), via=((NEW, LOW),))
        edge("r", "×r", "r", (RESET + 14, (ROW + MIDDLE) / 2))
        if kind == "after":
            edge((RESET, BELT), "W")
            edge("W", "×r", "q", (RESET + 14, 95))
            inner = "r⊙q"
        else:
            edge((RESET, BELT), "×r")
            inner = "r⊙h'"
        edge("×r", "n", inner, (UPDATE - 62, MIDDLE - 15), via=((BESIDE, MIDDLE), (BESIDE, ROW)))
    edge("h'", "×z")
    edge("×z", "+")
    edge("z", "×z", "z", (UPDATE - 13, HIGH - 30), casing=kind != "simplified")
    edge((UPDATE, HIGH), "1−")
    edge("1−", "×n", "1−z", ((BESIDE + NEW) / 2, HIGH - 15))
    edge("n", "×n", "n", (NEW + 14, (ROW + HIGH) / 2))
    edge("×n", "+")
    edge("+", "h")
    edge("h", (OUT, BELT))
    d.text((OUT + 6, BELT), "to step t + 1", anchor="start", part="forward")


def unit(title: str, words: str, kind: str) -> str:
    d = Diagram(title, words)
    nodes(d, kind=kind)
    forward(d, kind=kind)
    return d.svg()


# --- Backward ---------------------------------------------------------------------


def back_edges(d: Diagram, last: int, *, after: bool = False) -> None:
    """Draw the red edges of steps 1 … ``last``."""

    def edge(
        step: int,
        start: str | Point,
        end: str | Point,
        label: str = "",
        at: Point | None = None,
        via: tuple[Point, ...] = (),
        *,
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

    low = (BUS + ROW) / 2 + 8
    edge(1, (OUT, BELT), "h", "∇_{h'} of t+1", (OUT - 16, BELT - 20))
    edge(1, (STATE, OWN), "h", "own loss", (STATE + 42, OWN - 14))
    edge(2, "h", "+", "∇_h", (NEW + 46, BELT - 16))
    edge(2, "+", "×z", "∇_h", ((NEW + UPDATE) / 2, BELT - 16))
    edge(2, "×z", "h'", "z⊙∇_h", (UPDATE - 54, BELT - 16))
    edge(2, "×z", "z", "h'⊙∇_h", (UPDATE + 42, 30))
    edge(2, "+", "×n")
    edge(2, "×n", "1−", "n⊙∇_h", ((BESIDE + NEW) / 2, HIGH - 18))
    edge(2, "1−", (UPDATE, HIGH), "−n⊙∇_h", ((BESIDE + UPDATE) / 2, HIGH + 18))
    edge(2, "×n", "n", "(1−z)⊙∇_h", (NEW + 56, (ROW + HIGH) / 2))
    way = ((BESIDE, ROW), (BESIDE, MIDDLE))
    label, x = ("δ^n", BESIDE - 48) if after else ("W^{n⊤}δ^n", UPDATE - 66)
    edge(3, "n", "×r", label, (x, MIDDLE - 17), via=way)
    edge(3, "n", "x", "U^{n⊤}δ^n", (NEW - 52, LOW - 16), via=((NEW, LOW),))
    if after:
        edge(4, "×r", "W", "r⊙δ^n", (RESET + 36, 97))
        edge(4, "W", "h'", "W^{n⊤}(r⊙δ^n)", (RESET + 64, 27), via=((RESET, BELT),))
        edge(4, "×r", "r", "q⊙δ^n", (RESET - 40, (ROW + MIDDLE) / 2))
    else:
        edge(4, "×r", "h'", "r⊙W^{n⊤}δ^n", (RESET - 62, 68), via=((RESET, BELT),))
        edge(4, "×r", "r", "h'⊙W^{n⊤}δ^n", (RESET - 60, (ROW + MIDDLE) / 2))
    edge(5, "z", (UPDATE, BUS), "δ^z", (UPDATE + 17, low), head=False)
    edge(5, "r", (RESET, BUS), "δ^r", (RESET + 17, low), head=False)
    edge(5, (UPDATE, BUS), (RESET, BUS), head=False)
    edge(5, (RESET, BUS), JOIN, head=False)
    edge(5, JOIN, "h'", "W^{r⊤}δ^r+W^{z⊤}δ^z", (-6, BUS + 20), via=((0, BUS),))
    edge(5, JOIN, "x", "U^{r⊤}δ^r+U^{z⊤}δ^z", (JOIN[0] + 94, LOW - 18))


def backward(title: str, words: str, step: int | None, *, after: bool = False) -> str:
    """Draw the way back up to a step, that step lit; or, without a step, all of it."""
    d = Diagram(title, words)
    kind = "after" if after else "before"
    nodes(d, kind=kind)
    forward(d, kind=kind, labels=False)
    d.edge("h", (STATE, OWN), part="forward")
    d.text((STATE, OWN + 14), "to the output", part="forward")
    back_edges(d, 5 if step is None else step, after=after)
    return d.svg([str(step)] if step is not None else [str(k) for k in range(1, 6)])


def drawings() -> dict[str, str]:
    """Draw everything: file name to SVG."""
    return {
        "gru-simplified": unit(
            "The simplified GRU",
            "Along the top h(t−1) passes a product with the update gate z and a sum, and becomes "
            "h(t). Below, h(t−1) and x(t) feed two boxes: z with a sigmoid and the candidate n "
            "with a tanh. The product of n and 1 minus z enters the sum.",
            "simplified",
        ),
        "gru-cell": unit(
            "The GRU, reset before the product",
            "Along the top h(t−1) passes a product with the update gate z and a sum, and becomes "
            "h(t). Below, h(t−1) and x(t) feed the reset gate r and the update gate z, a sigmoid "
            "each. The product of r and h(t−1), together with x(t), feeds the candidate n, a tanh. "
            "The product of n and 1 minus z enters the sum.",
            "before",
        ),
        "gru-cell-after": unit(
            "The GRU, reset after the product",
            "The same cell, but h(t−1) first passes a box with the matrix of the candidate; its "
            "result q is multiplied by r, and that feeds the candidate together with x(t).",
            "after",
        ),
        "gru-back-arriving": backward(
            "Backward, step 1: what arrives",
            "The GRU, muted, with two red edges lit into h(t): the gradient from the next step, "
            "and the gradient of the step's own loss.",
            1,
        ),
        "gru-back-mixture": backward(
            "Backward, step 2: through the mixture",
            "Red edges lit: from h(t) to the sum and from there to both products. The left one "
            "hands z times the gradient to h(t−1), and h(t−1) times the gradient to the gate z. "
            "The right one hands 1 minus z times the gradient to the candidate, and n times the "
            "gradient to the box 1 minus, behind which it has a minus sign and joins the way to z.",
            2,
        ),
        "gru-back-candidate": backward(
            "Backward, step 3: through the candidate",
            "Red edges lit: from the candidate to the product of r and h(t−1), with W transposed "
            "times δ of n; and to x(t), with U transposed times δ of n.",
            3,
        ),
        "gru-back-reset": backward(
            "Backward, step 4: through the reset",
            "Red edges lit: from the product up to h(t−1), with r times what arrived; and down to "
            "the reset gate, with h(t−1) times what arrived.",
            4,
        ),
        "gru-back-gates": backward(
            "Backward, step 5: through the gates",
            "Red edges lit: the errors δ of both gates leave the two sigmoids, run together and "
            "reach h(t−1) through W transposed and x(t) through U transposed.",
            5,
        ),
        "gru-back-after": backward(
            "Backward, with the reset after the product",
            "All red edges lit. From the candidate δ of n arrives at the product; r times δ of n "
            "goes through the transposed matrix to h(t−1), and q times δ of n to the reset gate.",
            None,
            after=True,
        ),
    }
