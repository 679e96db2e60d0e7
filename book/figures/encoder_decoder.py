"""Diagrams of chapter 9: the context fed in three ways, the way back, a beam's tree."""

from diagram import Diagram

GAP = 92.0
READ = ("1", "2", "τ_x")
WRITE = ("1", "2", "3")
FIRST = 4.1 * GAP  # where the decoder's first step stands


def written(k: int) -> float:
    return FIRST + k * GAP


def encoder(d: Diagram, *, back: bool = False) -> None:
    """Draw the encoder, its last state being the context, forward or as the error travels."""
    for k, name in enumerate(READ):
        d.node(f"x{k}", "input", (k * GAP, 84), "x^(τ)" if k == 2 else f"x^({name})")
        d.node(f"h{k}", "state", (k * GAP, 0), "h^(τ)" if k == 2 else f"h^({name})")
        ends = (f"h{k}", f"x{k}") if back else (f"x{k}", f"h{k}")
        d.edge(*ends, style="back" if back else "")
        if k:
            ends = (f"h{k}", f"h{k - 1}") if back else (f"h{k - 1}", f"h{k}")
            d.edge(*ends, style="back" if back else "")
    d.node("C", "block", (2.95 * GAP, 0), "C", size=(36, 44))
    d.edge(*(("C", "h2") if back else ("h2", "C")), style="back" if back else "")
    d.frame((-36, -42), (2 * GAP + 36, 122), "encoder")


def decoder(d: Diagram, *, back: bool = False) -> None:
    """Draw the decoder: a state, an output and the symbol before at each step."""
    for k, name in enumerate(WRITE):
        x = written(k)
        d.node(f"s{k}", "state", (x, 0), f"s^({name})")
        d.node(f"o{k}", "output", (x, -82), f"o^({name})")
        style = "back" if back else ""
        d.edge(*((f"o{k}", f"s{k}") if back else (f"s{k}", f"o{k}")), style=style)
        if not back:
            d.node(f"y{k}", "target", (x, 88), f"y^({k})", size=(44, 44))
            d.edge(f"y{k}", f"s{k}")
        if k:
            ends = (f"s{k}", f"s{k - 1}") if back else (f"s{k - 1}", f"s{k}")
            d.edge(*ends, style=style)
    low = 60 if back else 124
    d.frame((written(0) - 36, -122), (written(2) + 36, low), "decoder")


def bus(d: Diagram, *, back: bool = False) -> None:
    """Join the context with every step of the decoder, above the outputs' side."""
    for k in range(3):
        x = written(k) - 30
        corners = [(2.95 * GAP, -46), (x, -46)]
        if back:
            d.edge(
                (x + 10, -19),
                "C",
                "R^⊤" if k == 0 else "",
                via=reversed(corners),
                label_at=(written(0) - 66, -58),
                style="back",
            )
        else:
            d.edge(
                "C",
                (x + 10, -23),
                "R" if k == 0 else "",
                via=corners,
                label_at=(written(0) - 66, -58),
            )


def fed(title: str, description: str, *, every: bool, initial: bool) -> Diagram:
    d = Diagram(title, description)
    encoder(d)
    decoder(d)
    if every:
        bus(d)
    if initial:
        d.edge("C", "s0", "P", style="thick", side=1, label_at=(3.5 * GAP, 16))
    return d


HEAD = (
    "An encoder reads x(1), x(2) to x(τ) into states; its last state is the context C. A decoder "
    "of three steps has a state, an output above it and the symbol of the step before below it. "
)


def every_step() -> Diagram:
    return fed(
        "The context at every step",
        HEAD + "C goes through the same matrix R into each of the decoder's states.",
        every=True,
        initial=False,
    )


def initial_state() -> Diagram:
    return fed(
        "The context as initial state",
        HEAD + "C goes once, through the bridge P, into the decoder's start; nowhere else.",
        every=False,
        initial=True,
    )


def both() -> Diagram:
    return fed(
        "The context as initial state and at every step",
        HEAD + "C goes through the bridge P into the start and through R into each state.",
        every=True,
        initial=True,
    )


def way_back() -> Diagram:
    d = Diagram(
        "The way back from the outputs to the inputs",
        "The same graph with all arrows turned round. Errors come from the outputs into the "
        "decoder's states and from each state to the one before. From every state one arrow goes "
        "through R transposed to the context C, from the first one more through the bridge P. "
        "All meet in C; a single arrow leads on into the encoder's last state and from there "
        "back to its inputs.",
    )
    encoder(d, back=True)
    decoder(d, back=True)
    bus(d, back=True)
    d.edge("s0", "C", "P^⊤", style="back", label_at=(3.5 * GAP, 18))
    return d


def beam_tree() -> Diagram:
    d = Diagram(
        "Beam search of width 2",
        "A tree that grows from left to right. After the start stand a with probability 0.5, b "
        "with 0.4 and the end with 0.1; a and b stay. From a go three continuations of total "
        "probability 0.20, 0.17 and 0.13, from b two of 0.36, which is the end, and 0.04. The two "
        "likeliest, b followed by the end and a followed by a, stay; greedy decoding would have "
        "followed a alone.",
    )
    d.node("s", "block", (0, 0), "start", size=(64, 34), words=True)
    kept, dropped = "state", "target"
    spots = {
        "a": (kept, (150, -70), "a: 0.5"),
        "b": (kept, (150, 60), "b: 0.4"),
        "e": (dropped, (150, 132), "end: 0.1"),
        "aa": (kept, (330, -122), "a a: 0.20"),
        "ab": (dropped, (330, -70), "a b: 0.17"),
        "ae": (dropped, (330, -18), "a end: 0.13"),
        "be": ("output", (330, 52), "b end: 0.36"),
        "ba": (dropped, (330, 112), "b a: 0.04"),
    }
    for name, (kind, at, label) in spots.items():
        kind = "layer" if kind == dropped else "block" if kind == "output" else kind
        d.node(name, kind, at, label, size=(104, 34), words=True)
    for a, b in (("s", "a"), ("s", "b"), ("a", "aa"), ("b", "be")):
        d.edge(a, b, style="thick")
    for a, b in (("s", "e"), ("a", "ab"), ("a", "ae"), ("b", "ba")):
        d.edge(a, b, style="dashed")
    d.text((394, 52), "finished", anchor="start")
    d.text((394, -122), "goes on", anchor="start")
    d.text((394, -44), "dropped", anchor="start")
    d.text((394, 112), "dropped", anchor="start")
    return d


def drawings() -> dict[str, str]:
    """Draw everything: file name to SVG."""
    return {
        "encoder-decoder-fed-every-step": every_step().svg(),
        "encoder-decoder-fed-initially": initial_state().svg(),
        "encoder-decoder-fed-both": both().svg(),
        "encoder-decoder-way-back": way_back().svg(),
        "encoder-decoder-beam-tree": beam_tree().svg(),
    }
