"""Diagrams of chapter 7: two ways through a sequence, the way back, padding, scans of an image."""

from collections.abc import Callable

from diagram import Diagram

GAP = 128.0
STEPS = (1, 2, 3, 4)
ROW = {"o": -96.0, "h": 0.0, "g": 92.0, "x": 190.0}
APART = 26.0  # h stands left of its step's middle, g right of it


def network(title: str, description: str, *, back: bool = False) -> Diagram:
    """Draw four steps: inputs below, g and h above them, outputs on top."""
    d = Diagram(title, description)
    style = "back" if back else ""

    def edge(start: str, end: str, label: str = "", **more: object) -> None:
        d.edge(*((end, start) if back else (start, end)), label, style=style, **more)

    for t in STEPS:
        x = GAP * t
        d.node(f"o{t}", "output", (x, ROW["o"]), f"o^({t})")
        d.node(f"h{t}", "state", (x - APART, ROW["h"]), f"h^({t})")
        d.node(f"g{t}", "state", (x + APART, ROW["g"]), f"g^({t})")
        d.node(f"x{t}", "input", (x, ROW["x"]), f"x^({t})")
    for t in STEPS:
        first = t == STEPS[0]
        x = GAP * t
        words = {"V": ("V_1^⊤", "V_2^⊤"), "U": ("U_1^⊤", "U_2^⊤")} if back else {}
        v1, v2 = words.get("V", ("V_1", "V_2"))
        u1, u2 = words.get("U", ("U_1", "U_2"))
        edge(f"h{t}", f"o{t}", v1 if first else "", label_at=(x - APART - 18, -48))
        edge(f"g{t}", f"o{t}", v2 if first else "", label_at=(x + APART + 14, 40))
        edge(f"x{t}", f"h{t}", u1 if first else "", label_at=(x - APART - 14, 100))
        edge(f"x{t}", f"g{t}", u2 if first else "", label_at=(x + APART + 18, 146))
        if t > 1:
            w1 = ("W_1^⊤" if back else "W_1") if t == 2 else ""
            w2 = ("W_2^⊤" if back else "W_2") if t == 2 else ""
            edge(f"h{t - 1}", f"h{t}", w1, label_at=(GAP * 1.5 - APART, -16), casing=True)
            edge(f"g{t}", f"g{t - 1}", w2, label_at=(GAP * 1.5 + APART, ROW["g"] + 18), casing=True)
    return d


def forward() -> Diagram:
    return network(
        "A bidirectional network",
        "Four steps side by side. Each input goes to two states. The states h form a chain from "
        "left to right, the states g a chain from right to left; no edge joins the chains. At "
        "each step h and g meet in the output.",
    )


def way_back() -> Diagram:
    return network(
        "The way back through a bidirectional network",
        "The same graph with all arrows turned round. From each output one arrow leads to h and "
        "one to g. Along the chain of h errors travel from right to left, along the chain of g "
        "from left to right. At each input an arrow from h and one from g meet.",
        back=True,
    )


def padding() -> Diagram:
    d = Diagram(
        "Reversing a padded batch",
        "Three tables of two sequences, a b c d e and p q r with two cells of padding. In the "
        "second table each is reversed within its own length: e d c b a, and r q p followed by "
        "the padding. In the third the whole table is reversed: the second row begins with the "
        "padding, and then comes r q p.",
    )
    cell, gap = 40.0, 46.0
    tables = (
        ("as it came", "abcde", "pqr  "),
        ("reversed within its length", "edcba", "rqp  "),
        ("wrong: the whole array", "edcba", "  rqp"),
    )
    for k, (words, *rows) in enumerate(tables):
        left = k * 280.0
        for r, row in enumerate(rows):
            for c, letter in enumerate(row):
                blank = letter == " "
                d.node(
                    f"{k}{r}{c}",
                    "target" if blank else "input",
                    (left + c * gap, r * gap),
                    "0" if blank else letter,
                    size=(cell, cell),
                )
        d.text((left + 2 * gap, -44), words)
    return d


def grids(name: str, description: str, seen: list[tuple[str, Callable[[int, int], bool]]]) -> str:
    """Draw grids of pixels: what the state at one of them has seen is filled."""
    d = Diagram(name, description)
    gap, size, at = 34.0, 26.0, (1, 2)
    for k, (words, sees) in enumerate(seen):
        left, top = k % 2 * 190.0, k // 2 * 190.0
        for i in range(4):
            for j in range(4):
                here = (i, j) == at
                kind = "state" if here else "input" if sees(i, j) else "target"
                d.node(
                    f"{k}{i}{j}",
                    kind,
                    (left + j * gap, top + i * gap),
                    "h" if here else "",
                    size=(size, size),
                )
        d.text((left + 1.5 * gap, top + 4 * gap + 2), words)
    return d.svg()


def fields() -> str:
    i0, j0 = 1, 2
    return grids(
        "What the state at a pixel has seen",
        "Four grids of four by four pixels, each with a state in the second row and third column. "
        "In reading order it has seen the first row and the pixels to its left. With four "
        "directions it has seen its whole row and its whole column, and nothing else. With a scan "
        "from the top left it has seen the rectangle above and left of it. A convolution of three "
        "by three has seen the eight pixels around it.",
        [
            ("reading order", lambda i, j: i < i0 or (i == i0 and j < j0)),
            ("four directions", lambda i, j: i == i0 or j == j0),
            ("from one corner", lambda i, j: i <= i0 and j <= j0),
            ("3×3 convolution", lambda i, j: abs(i - i0) < 2 and abs(j - j0) < 2),
        ],
    )


def drawings() -> dict[str, str]:
    """Draw everything: file name to SVG."""
    return {
        "bidirectional-network": forward().svg(),
        "bidirectional-back": way_back().svg(),
        "bidirectional-padding": padding().svg(),
        "bidirectional-fields": fields(),
    }
