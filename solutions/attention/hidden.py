"""Hidden tests of chapter 10."""

from functools import partial

import numpy as np

from grading.hidden import Tests, amplified

from . import examples


def scores(tests: Tests) -> None:
    case = partial(examples.scores, tests.rng)
    for kind in ("cosine", "dot", "scaled_dot"):
        small = case(kind, 2, 3, 4, 5, 5)
        small |= {name: 1e-4 * small[name] for name in ("queries", "keys")}
        sizes = ((4, 5, 3, 6, 6), (1, 3, 1, 2, 2), (2, 1, 4, 1, 1))
        tests.part(1, kind, [*(case(kind, *size) for size in sizes), small])
    tests.part(
        1,
        "general, query and key of equal and of other widths",
        [
            case("general", 4, 5, 3, 6, 2),
            case("general", 2, 3, 2, 4, 4),
            case("general", 1, 1, 1, 1, 2),
        ],
    )


def additive_scores(tests: Tests) -> None:
    case = partial(examples.additive_scores, tests.rng)
    tests.part(2, "random sizes", [case(3, 5, 2, 4, 6, 7), case(4, 3, 5, 2, 2, 2)])
    tests.part(
        1,
        "one query, one key, one unit, large values",
        [case(1, 4, 3, 2, 3, 5), case(3, 1, 2, 1, 2, 1), case(2, 3, 1, 3, 2, 4, scale=100.0)],
    )


def masked_softmax(tests: Tests) -> None:
    case = partial(examples.masked_softmax, tests.rng)
    tests.part(1, "masks", [case(3, 4, 5), case(1, 2, 6), case(2, 1, 1), case(4, 3, 2)])
    tests.part(
        1,
        "scores in the thousands, above and below zero",
        [case(3, 2, 5, 3e3), {**case(2, 3, 4), "e": tests.rng.normal(size=(2, 3, 4)) - 4e3}],
    )
    tests.part(
        1,
        "huge scores behind the mask",
        [
            case(3, 2, 6, behind=5e3),
            case(2, 3, 5, behind=1e300),
            case(2, 2, 4, behind=-1e4),
            examples.with_scores_below(case(3, 4, 5)),
            examples.behind_mask(case(3, 4, 5)),
        ],
    )


def attend(tests: Tests) -> None:
    case = partial(examples.attend, tests.rng)
    tests.part(1, "full lengths", [case(3, 5, 4, [5, 5]), case(4, 4, 2, [4, 4, 4])])
    tests.part(
        1,
        "padding",
        [
            case(3, 6, 2, [2, 6, 1, 4]),
            case(5, 4, 3, [3, 2]),
            examples.with_scores_below(case(3, 6, 2, [2, 6, 1, 4])),
            examples.behind_lengths(case(3, 6, 2, [2, 6, 1, 4])),
        ],
    )
    tests.part(
        1,
        "one query, one key, one example, large scores",
        [
            case(1, 3, 2, [2, 3]),
            case(3, 1, 2, [1, 1]),
            case(2, 4, 1, [3]),
            case(3, 5, 2, [4, 5], 2e3),
        ],
    )


def attend_backward(tests: Tests) -> None:
    case = partial(examples.attend_backward, tests.rng)
    tests.part(2, "weights of a softmax", [case(3, 5, 2, 4), case(4, 3, 5, 2), case(6, 8, 4, 4000)])
    tests.part(
        2,
        "cached values that no forward pass gives",
        [
            case(3, 4, 2, 5, False),
            case(5, 3, 4, 2, False),
            amplified(case(3, 4, 2, 5, False)),
            case(6, 8, 4, 4000, False),
        ],
    )
    tests.part(
        1,
        "one query, one key, one example",
        [case(1, 4, 3, 2), case(3, 1, 2, 4, False), case(2, 3, 1, 1), case(1, 1, 1, 1, False)],
    )


def additive_backward(tests: Tests) -> None:
    case = partial(examples.additive_backward, tests.rng)
    tests.part(2, "values of a forward pass", [case(3, 5, 2, 4, 6, 7), case(4, 3, 5, 2, 3, 4)])
    tests.part(
        3,
        "cached values that no forward pass gives",
        [
            case(3, 4, 2, 5, 3, 6, False),
            case(4, 3, 3, 2, 2, 2, False),
            amplified(case(3, 4, 2, 5, 3, 6, False)),
            case(4, 4, 4, 2000, 2000, 16, False),
        ],
    )
    tests.part(
        1,
        "one query, one key, one unit",
        [case(1, 4, 3, 2, 3, 5), case(3, 1, 2, 4, 2, 1, False), case(1, 1, 1, 1, 1, 1, False)],
    )


def local_weights(tests: Tests) -> None:
    case = partial(examples.local_weights, tests.rng)
    tests.part(
        2,
        "full lengths",
        [
            case(3, 9, 4, 5, [9, 9], 2),
            case(4, 12, 2, 3, [12, 12, 12], 3.5),
            case(2, 7, 3, 2, [7], 1),
        ],
    )
    tests.part(
        2,
        "padding",
        [
            case(3, 8, 2, 4, [3, 8, 5], 2),
            case(5, 11, 3, 2, [11, 2, 6, 1], 4.0),
            examples.with_scores_below(case(3, 8, 2, 4, [3, 8, 5], 2)),
            examples.behind_lengths(case(3, 8, 2, 4, [3, 8, 5], 2)),
        ],
    )
    tests.part(
        1,
        "one query, one key, a window over all or with keys on its border, large scores",
        [
            case(1, 6, 3, 2, [6, 4], 2),
            {**case(2, 8, 3, 4, [8, 6], 2), "v": np.zeros(4)},
            case(3, 1, 2, 1, [1, 1], 1),
            case(2, 4, 1, 2, [4, 3], 50.0),
            case(3, 9, 2, 3, [9, 7], 3, scale=2e3),
        ],
    )


def self_attention(tests: Tests) -> None:
    case = partial(examples.self_attention, tests.rng)
    tests.part(
        1,
        "every step looks at all",
        [case(4, 3, 5, 2, [4, 4], False), case(5, 2, 3, 4, [5, 5, 5], False)],
    )
    tests.part(2, "causal", [case(4, 3, 5, 2, [4, 4], True), case(6, 4, 2, 3, [6, 6, 6], True)])
    tests.part(
        1,
        "padding, causal and not",
        [
            case(5, 3, 2, 4, [2, 5, 1], False),
            case(6, 2, 4, 3, [3, 6], True),
            examples.self_attention_below(tests.rng, 5, 3, 2, 4, [2, 5, 1], False),
            examples.self_attention_below(tests.rng, 5, 3, 2, 4, [2, 5, 1], True),
            examples.self_attention_above(tests.rng, 5, 3, 2, 4, [2, 5, 1], False),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit, large values",
        [
            case(1, 3, 2, 4, [1, 1], False),
            case(4, 2, 1, 1, [3], True),
            case(3, 1, 2, 2, [3, 2], False),
            case(5, 3, 4, 2, [5, 4], True, scale=60.0),
        ],
    )


def self_attention_backward(tests: Tests) -> None:
    case = partial(examples.self_attention_backward, tests.rng)
    tests.part(2, "causal weights of a forward pass", [case(4, 2, 3, 5, 6), case(5, 3, 2, 4, 3)])
    tests.part(
        3,
        "cached values that no forward pass gives",
        [
            case(4, 3, 5, 2, 6, False),
            case(3, 2, 4, 6, 5, False),
            amplified(case(4, 3, 5, 2, 6, False)),
            case(4, 4, 2000, 12, 16, False),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [
            case(1, 3, 2, 4, 5, False),
            case(4, 1, 3, 1, 2, False),
            case(3, 2, 1, 2, 1),
            case(1, 1, 1, 1, 1),
        ],
    )


def pool(tests: Tests) -> None:
    case = partial(examples.pool, tests.rng)
    tests.part(1, "full lengths", [case(4, 3, 5, [4, 4]), case(3, 2, 4, [3, 3, 3, 3])])
    tests.part(
        1,
        "padding",
        [
            case(5, 2, 3, [2, 5, 1]),
            case(4, 4, 2, [3, 1]),
            examples.pool_below(tests.rng, 5, 2, 3, [2, 5, 1]),
            examples.pool_above(tests.rng, 5, 2, 3, [2, 5, 1]),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit, large values",
        [
            case(1, 3, 2, [1, 1]),
            case(4, 2, 3, [3]),
            case(3, 1, 1, [2, 3]),
            case(4, 3, 2, [4, 2, 3, 4], 5e4),
        ],
    )


def pool_backward(tests: Tests) -> None:
    case = partial(examples.pool_backward, tests.rng)
    tests.part(
        2,
        "values of a forward pass, with padding",
        [case(4, 3, 2, 5), case(5, 2, 4, 3), case(4, 5, 3000, 20)],
    )
    tests.part(
        2,
        "cached values that no forward pass gives",
        [
            case(4, 2, 5, 3, False),
            case(3, 4, 2, 6, False),
            amplified(case(4, 2, 5, 3, False)),
            case(4, 5, 3000, 20, False),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [
            case(1, 3, 2, 4, False),
            case(4, 1, 3, 2),
            case(3, 2, 1, 1, False),
            case(1, 1, 1, 1, False),
        ],
    )


def pool_document(tests: Tests) -> None:
    case = partial(examples.pool_document, tests.rng)
    tests.part(
        2, "documents of one size", [case(4, 3, 2, 5, 6, 7, False), case(3, 4, 5, 2, 3, 4, False)]
    )
    tests.part(
        2,
        "padding of words and of sentences",
        [
            case(5, 4, 6, 2, 3, 4, True),
            case(4, 3, 7, 3, 2, 5, True),
            *(
                examples.pool_document_below(tests.rng, 5, 4, 6, 2, 3, 4, level)
                for level in ("word", "sentence")
            ),
            examples.pool_document_above(tests.rng, 5, 4, 6, 2, 3, 4),
        ],
    )
    tests.part(
        1,
        "one word, one sentence, one document, one unit, large values",
        [
            case(1, 3, 2, 4, 3, 2, True),
            case(4, 1, 2, 3, 2, 5, True),
            case(3, 2, 1, 1, 1, 1, True),
            case(4, 3, 5, 2, 3, 4, True, 5e4),
        ],
    )
