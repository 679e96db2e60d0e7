"""The landing page's drawing: what is left of an error after eleven steps back."""

from diagram import Diagram

STEPS = 12
GAP = 37.0
PLAIN, GATED = 0.7, 0.98  # what one step lets through


def memory() -> Diagram:
    share = {"plain": PLAIN ** (STEPS - 1), "gated": GATED ** (STEPS - 1)}
    d = Diagram(
        "How far an error travels back",
        f"Two rows of {STEPS} squares, one for each time step, with the loss at the right end and "
        "arrows that run from it back to the left. In the upper row, a plain recurrent network, "
        f"the squares empty quickly: {share['plain']:.0%} of the error is left at the first "
        "step. In the lower row, a long short-term memory, they stay nearly full: "
        f"{share['gated']:.0%} is left.",
    )
    for row, (key, factor, y, name) in enumerate(
        (
            ("plain", PLAIN, 0.0, "plain recurrent network"),
            ("gated", GATED, 86.0, "long short-term memory"),
        )
    ):
        for t in range(1, STEPS + 1):
            d.node(
                f"{row}{t}",
                "state",
                (t * GAP, y),
                size=(25, 25),
                level=factor ** (STEPS - t),
            )
            if t > 1:
                d.edge(f"{row}{t}", f"{row}{t - 1}", style="back")
        d.node(f"{row}L", "loss", ((STEPS + 1) * GAP + 10, y), "L")
        d.edge(f"{row}L", f"{row}{STEPS}", style="back")
        d.text((GAP - 15, y - 32), name, anchor="start")
        d.text((GAP - 24, y), f"{share[key]:.0%}", anchor="end")
    d.text((GAP, 122), "step 1")
    d.text((STEPS * GAP, 122), f"step {STEPS}")
    return d


def drawings() -> dict[str, str]:
    """Draw everything: file name to SVG."""
    return {"intro-memory": memory().svg()}
