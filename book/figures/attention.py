"""Diagrams of chapter 10: the decoder that looks back and its backward pass, self-attention
with its mask, and the pooling of words into sentences and of sentences into a document."""

from diagram import Diagram

GAP = 116.0
INPUT, ENCODER, WEIGHT, SUM, STATE = 96.0, 0.0, -110.0, -206.0, -310.0
CELL = 2 * GAP


def decoder(title: str, description: str, *, back: bool = False) -> Diagram:
    """Draw one step of the decoder over three states of the encoder."""
    d = Diagram(title, description)
    for t in (1, 2, 3):
        x = GAP * t
        d.node(f"x{t}", "input", (x, INPUT), f"x^({t})", part="muted")
        d.node(f"h{t}", "state", (x, ENCODER), f"h_{t}", part="lit")
        d.node(f"a{t}", "layer", (x, WEIGHT), f"α_{{i{t}}}", size=(52, 34), part="lit")
        d.edge(f"x{t}", f"h{t}", part="muted")
    d.node("c", "op", (CELL, SUM), "Σ", part="lit")
    d.node("before", "state", (-20, STATE), "s_{i−1}", size=(58, 44), part="lit")
    d.node("s", "state", (CELL, STATE), "s_i", part="lit")
    d.node("y", "input", (CELL, STATE - 92), "y_{i−1}", size=(58, 58), part="muted")
    d.node("o", "output", (CELL + 150, STATE), "o_i", part="muted")
    for t in (1, 2):
        d.edge(f"h{t}", f"h{t + 1}", part="muted")
    part = "muted" if back else "lit"
    for t in (1, 2, 3):
        d.edge(f"h{t}", f"a{t}", part=part)
        d.edge(f"a{t}", "c", part=part)
    d.edge("before", "s", part=part)
    d.edge("c", "s", "" if back else "c_i", part=part)
    d.edge("y", "s", part="muted")
    d.edge("s", "o", part="muted")
    d.edge("before", (GAP - 28, WEIGHT), "" if back else "query", via=[(-20, WEIGHT)],
           label_at=(6, WEIGHT - 16), words=True, part=part)  # fmt: skip
    if back:
        red = {"style": "back thick", "casing": True, "part": "lit"}
        d.edge("s", "c", "∇_c", label_at=(CELL + 32, (SUM + STATE) / 2), **red)
        for t in (1, 2, 3):
            d.edge("c", f"a{t}", **red)
            d.edge(f"a{t}", f"h{t}", **red)
        d.edge((GAP - 28, WEIGHT), "before", "W^⊤ ∑δ", via=[(-20, WEIGHT)],
               label_at=(-62, (WEIGHT + STATE) / 2), **red)  # fmt: skip
        d.edge(
            "s", "before", "through the cell", label_at=(CELL / 2, STATE - 20), words=True, **red
        )
        d.text((3 * GAP + 44, -54), "as key and as value", anchor="start", part="lit")
    return d


def self_attention() -> Diagram:
    d = Diagram(
        "Masked self-attention",
        "Four inputs below, each with edges up to the outputs above that may look at it: output 1 "
        "looks at input 1, output 2 at inputs 1 and 2, output 3 at inputs 1 to 3, output 4 at "
        "all. No edge leads from a later input to an earlier output. The edges into output 3 are "
        "labelled with its weights.",
    )
    gap = 132.0
    for t in range(1, 5):
        d.node(f"x{t}", "input", (gap * t, 0), f"x_{t}")
        d.node(f"y{t}", "output", (gap * t, -190), f"y_{t}")
    for i in range(1, 5):
        for t in range(1, i + 1):
            d.edge(f"x{t}", f"y{i}", style="thick" if i == 3 else "")
    for t, at in ((1, (226, -72)), (2, (306, -76)), (3, (420, -52))):
        d.text(at, f"α_{{3{t}}}", math=True)
    return d


def hierarchical() -> Diagram:
    d = Diagram(
        "Hierarchical attention",
        "Two sentences of three and two words below. Above each word a state of the word network; "
        "the states of a sentence meet in a weighted sum, the sentence vector. Above the sentence "
        "vectors are states of the sentence network, which meet in a weighted sum, the document.",
    )
    gap = 84.0
    places = {1: (0, 1, 2), 2: (4, 5)}
    d.node("d", "output", (2.5 * gap, -420), "d")
    d.node("sum", "op", (2.5 * gap, -340), "Σ")
    d.edge("sum", "d")
    d.text((2.5 * gap + 24, -352), "β: which sentences", anchor="start")
    for sentence, columns in places.items():
        middle = gap * sum(columns) / len(columns)
        d.node(f"g{sentence}", "state", (middle, -264), f"g_{sentence}")
        d.node(f"s{sentence}", "op", (middle, -160), "Σ")
        d.edge(f"s{sentence}", f"g{sentence}", f"s_{sentence}")
        d.edge(f"g{sentence}", "sum")
        for k, column in enumerate(columns, 1):
            d.node(f"w{sentence}{k}", "input", (gap * column, 0), f"w_{{{sentence}{k}}}")
            d.node(f"h{sentence}{k}", "state", (gap * column, -78), f"h_{{{sentence}{k}}}")
            d.edge(f"w{sentence}{k}", f"h{sentence}{k}")
            d.edge(f"h{sentence}{k}", f"s{sentence}")
            if k > 1:
                d.edge(f"h{sentence}{k - 1}", f"h{sentence}{k}")
                d.edge(f"h{sentence}{k}", f"h{sentence}{k - 1}")
    d.edge("g1", "g2")
    d.edge("g2", "g1")
    d.text((2.5 * gap + 30, -150), "α: which words", anchor="start")
    return d


def drawings() -> dict[str, str]:
    """Draw everything: file name to SVG."""
    return {
        "attention-decoder": decoder(
            "A decoder that looks back",
            "Below, three inputs and the encoder's states h1 to h3. Each state has a weight α "
            "above it, computed from the state and from the query, which is the decoder's state "
            "s(i−1). The weighted states meet in a sum, the context c(i). The new state s(i) is "
            "made from c(i), s(i−1) and the symbol before, and gives the output.",
        ).svg(),
        "attention-decoder-back": decoder(
            "The way back through attention",
            "The same drawing with red edges that point back: from s(i) to the sum, from the sum "
            "to each weight, from each weight to its state, and from the weights to s(i−1), which "
            "is also reached from s(i) through the cell.",
            back=True,
        ).svg(["lit"]),
        "attention-self": self_attention().svg(),
        "attention-hierarchical": hierarchical().svg(),
    }
