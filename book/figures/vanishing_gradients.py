"""Diagrams of chapter 3: error flow, Hochreiter's paths, and the cures that change the graph."""

from itertools import pairwise

from diagram import Diagram

GAP = 84.0


def error_flow() -> Diagram:
    d = Diagram(
        "An error on its way back",
        "Upper row: states h(0), h(1), h(2) to h(τ), each computed from the one before, and a "
        "loss L after the last. Lower row: arrows that lead from the loss back to the left. "
        "Each arrow between two states carries the transposed Jacobian of its step, so the "
        "gradient at h(0) holds a product of as many matrices as there are steps.",
    )
    names = ["0", "1", "2", "…", "τ"]
    place = {name: k * 118.0 for k, name in enumerate(names)}
    for name in names:
        if name == "…":
            d.node("h…", "none", (place[name], 0), "⋯")
            continue
        d.node(f"h{name}", "state", (place[name], 0), f"h^({name})", size=(50, 44))
    d.node("L", "loss", (place["τ"] + 96, 0), "L")
    for a, b in pairwise(names):
        d.edge(f"h{a}", f"h{b}", bend=22)
        index = {"1": "1", "2": "2", "τ": "τ"}.get(b, "")
        label = f"J^({index})^⊤" if index else ""
        d.edge(f"h{b}", f"h{a}", label, bend=22, style="back")
    d.edge("hτ", "L", bend=22)
    d.edge("L", "hτ", bend=22, style="back")
    return d


def paths() -> Diagram:
    d = Diagram(
        "Paths of an error from unit u to unit v",
        "Four columns for steps t, t−1, t−2 and t−3. On the right, at step t, the unit u; on the "
        "left, at step t−3, the unit v; in the two columns between, three units each. Arrows "
        "lead back from u to each of the three units of step t−1, from each of these to each "
        "of the three of step t−2, and from there to v: nine paths. One is drawn thick.",
    )
    columns = {0: 3 * 150.0, 1: 2 * 150.0, 2: 150.0, 3: 0.0}
    rows = [-72.0, 0.0, 72.0]
    d.node("u", "state", (columns[0], rows[0]), "u")
    d.node("v", "state", (columns[3], rows[2]), "v")
    for m in (1, 2):
        for k, y in enumerate(rows):
            d.node(f"{m}{k}", "state", (columns[m], y), f"{k + 1}")
    thick = {("u", "11"), ("11", "22"), ("22", "v")}
    links = [("u", f"1{k}") for k in range(3)]
    links += [(f"1{j}", f"2{k}") for j in range(3) for k in range(3)]
    links += [(f"2{k}", "v") for k in range(3)]
    for a, b in sorted(links, key=lambda link: link in thick):
        d.edge(a, b, style="back thick" if (a, b) in thick else "dashed")
    for m, x in columns.items():
        d.text((x, 124), "step t" if m == 0 else f"step t − {m}")
    return d


def _chain(d: Diagram, y: float, key: str, short: bool, count: int = 7, delay: int = 3) -> None:
    for t in range(count):
        d.node(f"{key}{t}", "state", (t * GAP, y), f"h^({t})")
        if t and short:
            label = "W" if t == 1 else ""
            d.edge(f"{key}{t - 1}", f"{key}{t}", label, side=1)
    for t in range(delay, count):
        back = f"{key}{t - delay}"
        low = t % 2 == 0
        side = 1.0 if low else -1.0
        height = y + side * (62 if t in (delay, delay + 1) else 84)
        a, b = (t - delay) * GAP, t * GAP
        d.edge(
            (a + 8, y + side * 24),
            (b - 8, y + side * 26),
            "R",
            via=[(a + 8, height), (b - 8, height)],
            label_at=((a + b) / 2, height),
        )
        assert back in d.nodes


def skip() -> Diagram:
    d = Diagram(
        "Connections over three steps, added to those over one or instead of them",
        "Two rows of states h(0) to h(6). In the upper row each state leads to the next through W "
        "and to the third after it through R. In the lower row the connections over one step "
        "are removed and only those through R are left: the states fall into three chains, 0-3-6, "
        "1-4 and 2-5, which never meet.",
    )
    _chain(d, 0.0, "s", True)
    _chain(d, 250.0, "r", False)
    d.text((-20, -106), "skip connections, d = 3", anchor="start")
    d.text((-20, 144), "short connections removed", anchor="start")
    return d


def leaky() -> Diagram:
    d = Diagram(
        "A leaky unit",
        "The old state h(t−1) goes two ways. Straight on it is multiplied by α and reaches a sum. "
        "Below, together with the input x(t), it enters a tanh layer, whose output u(t) is "
        "multiplied by 1−α and reaches the same sum, the new state h(t).",
    )
    d.node("h'", "state", (0, 0), "h^(t−1)", size=(62, 44))
    d.node("a", "op", (210, 0), "⊙")
    d.node("+", "op", (330, 0), "+")
    d.node("h", "state", (440, 0), "h^(t)", size=(52, 44))
    d.node("al", "none", (210, -46), "α")
    d.node("tanh", "layer", (110, 96), "tanh", size=(56, 32))
    d.node("x", "input", (110, 176), "x^(t)")
    d.node("b", "op", (330, 96), "⊙")
    d.node("be", "none", (396, 96), "1−α")
    d.edge("h'", "a", style="thick")
    d.edge("a", "+", style="thick")
    d.edge("+", "h", style="thick")
    d.edge("al", "a")
    d.edge("h'", "tanh", "W", via=[(0, 96)], label_at=(40, 82))
    d.edge("x", "tanh", "U", label_at=(126, 136))
    d.edge("tanh", "b", "u^(t)", label_at=(216, 80))
    d.edge("be", "b")
    d.edge("b", "+")
    return d


def drawings() -> dict[str, str]:
    """Draw everything: file name to SVG."""
    return {
        "vanishing-gradients-error-flow": error_flow().svg(),
        "vanishing-gradients-paths": paths().svg(),
        "vanishing-gradients-skip": skip().svg(),
        "vanishing-gradients-leaky": leaky().svg(),
    }
