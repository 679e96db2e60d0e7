"""Hidden tests of chapter 9."""

from functools import partial

from grading.hidden import Tests, amplified, spoiled

from . import examples, reference


def encode(tests: Tests) -> None:
    case = partial(examples.encode, tests.rng)
    tests.part(2, "full lengths", [case(4, 7, 3, 5, [4, 4]), case(3, 5, 6, 4, [3] * 4)])
    tests.part(
        2,
        "padded batches",
        [case(5, 6, 2, 4, [2, 5, 1]), case(6, 4, 3, 5, [3, 6, 4, 1]), case(4, 5, 3, 2, [2, 3])],
    )
    tests.part(
        1,
        "one step, one example, one unit; large weights",
        [
            case(1, 4, 2, 3, [1, 1]),
            case(4, 3, 2, 3, [3]),
            case(3, 4, 2, 1, [2, 3]),
            case(4, 5, 1, 3, [4, 2], 40.0),
        ],
    )


def decode(tests: Tests) -> None:
    case = partial(examples.decode, tests.rng)
    tests.part(
        2,
        "the context at every step",
        [case("every_step", 4, 3, 6, 2, 7, 5), case("every_step", 3, 2, 4, 3, 2, 6)],
    )
    tests.part(
        2,
        "the context as initial state",
        [case("initial_state", 4, 3, 6, 2, 7, 5), case("initial_state", 3, 2, 4, 3, 2, 6)],
    )
    tests.part(1, "both", [case("both", 5, 2, 3, 4, 6, 3), case("both", 3, 4, 5, 2, 1, 2)])
    tests.part(
        1,
        "one step, one example, one unit",
        [
            case("both", 1, 3, 4, 2, 3, 4),
            case("initial_state", 4, 1, 3, 2, 4, 3),
            case("every_step", 3, 2, 4, 2, 3, 1),
        ],
    )


def sequence_loss(tests: Tests) -> None:
    case = partial(examples.sequence_loss, tests.rng)
    tests.part(2, "full lengths", [case(4, 5, [4, 4, 4]), case(3, 6, [3, 3])])
    tests.part(
        2,
        "padded batches",
        [
            case(5, 3, [2, 5, 1, 4]),
            case(4, 6, [3, 1]),
            case(6, 4, [5]),
            spoiled(spoiled(case(5, 3, [2, 5, 1, 4]), "logits"), "stop"),
        ],
    )
    tests.part(
        1,
        "logits of a hundred and of a thousand",
        [case(3, 4, [3, 2], 100.0), case(4, 3, [4, 1, 3], 1000.0)],
    )
    tests.part(
        1,
        "one step, one example, one symbol",
        [case(1, 3, [1, 1]), case(3, 4, [3]), case(3, 1, [2, 3]), case(1, 1, [1])],
    )


def every_step_backward(tests: Tests) -> None:
    case = partial(examples.every_step_backward, tests.rng)
    tests.part(
        3,
        "random sizes",
        [
            case(4, 3, 5, 2),
            case(3, 2, 4, 6),
            case(5, 4, 3, 3, 3.0),
            amplified(case(4, 3, 5, 2)),
            case(2, 16, 16, 4000),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 3, 2, 4), case(4, 1, 3, 2), case(3, 2, 1, 4), case(3, 4, 2, 1)],
    )


def bridge_backward(tests: Tests) -> None:
    case = partial(examples.bridge_backward, tests.rng)
    tests.part(2, "states of a forward pass", [case(3, 4, 2), case(4, 2, 5), case(16, 24, 3000)])
    tests.part(
        2,
        "cached values that no forward pass gives",
        [
            case(3, 4, 2, False),
            case(2, 3, 5, False),
            amplified(case(3, 4, 2, False)),
            case(16, 24, 3000, False),
        ],
    )
    tests.part(1, "one example, one unit", [case(1, 3, 2), case(3, 1, 2, False), case(3, 2, 1)])


def decoder_backward(tests: Tests) -> None:
    case = partial(examples.decoder_backward, tests.rng)
    tests.part(
        2,
        "the context at every step",
        [
            case("every_step", 4, 5, 2, [4] * 3),
            case("every_step", 3, 4, 6, [3, 3], False),
            case("every_step", 4, 16, 4000, [4] * 16, False),
        ],
    )
    tests.part(
        2,
        "the context as initial state",
        [
            case("initial_state", 4, 5, 2, [4] * 3),
            case("initial_state", 3, 4, 6, [3, 3], False),
            case("initial_state", 4, 16, 4000, [4] * 16, False),
        ],
    )
    tests.part(1, "both", [case("both", 5, 3, 2, [5] * 4), case("both", 4, 2, 5, [4] * 3, False)])
    tests.part(
        1,
        "padded batches, in every mode",
        [
            case("every_step", 5, 3, 2, [2, 5, 1]),
            case("initial_state", 5, 3, 4, [4, 1, 5, 2], False),
            case("both", 4, 5, 3, [3, 2], False),
            amplified(case("every_step", 5, 3, 2, [2, 5, 1])),
            spoiled(case("both", 5, 3, 2, [2, 5, 1]), "dhs"),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [
            case("both", 1, 3, 2, [1, 1]),
            case("both", 4, 2, 3, [3], False),
            case("both", 3, 1, 2, [3, 2]),
            case("initial_state", 1, 2, 1, [1]),
        ],
    )


def encoder_backward(tests: Tests) -> None:
    case = partial(examples.encoder_backward, tests.rng)
    tests.part(
        2,
        "full lengths",
        [
            case(4, 7, 3, 5, [4, 4], real=True),
            case(3, 8, 5, 2, [3] * 3),
            case(3, 12, 2500, 24, [3] * 5, real=True),
        ],
    )
    tests.part(
        3,
        "padded batches, with anything on padding",
        [
            case(5, 6, 2, 4, [2, 5, 1]),
            case(6, 5, 4, 3, [3, 6, 4, 1]),
            case(4, 5, 3, 2, [1, 3]),
            amplified(case(5, 6, 2, 4, [2, 5, 1])),
            case(3, 12, 2500, 24, [3, 2, 3, 1, 3]),
        ],
    )
    tests.part(
        1,
        "symbols that stand in many places",
        [case(4, 2, 3, 4, [4, 3, 2, 4, 1]), case(5, 1, 2, 3, [5, 4])],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 4, 2, 3, [1, 1]), case(4, 3, 2, 3, [3]), case(3, 4, 2, 1, [2, 3])],
    )


def greedy_decode(tests: Tests) -> None:
    case = partial(examples.greedy_decode, tests.rng)
    tests.part(
        2,
        "rows that end at different steps",
        [
            case(5, 4, 3, 6, 7, 0, examples.spread),
            case(6, 5, 2, 4, 6, 3, examples.spread),
            case(4, 3, 5, 3, 8, 2, examples.spread),
        ],
    )
    tests.part(
        1,
        "rows that do not end within the limit",
        [
            case(3, 4, 2, 5, 4, 1, lambda lengths: lengths.min() == 4),
            case(4, 3, 2, 3, 5, 0, lambda lengths: lengths.min() < 5 == lengths.max()),
        ],
    )
    tests.part(
        1,
        "one example, one unit, one step, one symbol",
        [
            case(1, 3, 2, 4, 5, 1),
            case(3, 3, 2, 1, 4, 2),
            case(3, 2, 3, 4, 1, 0),
            case(2, 1, 2, 3, 3, 0),
        ],
    )


def beam_search(tests: Tests) -> None:
    network = partial(examples.network, tests.rng)
    case = examples.beam_search
    drawn = partial(examples.drawn, tests.rng)
    tests.part(
        2,
        "a beam that keeps everything finds what exhaustive search finds",
        [case(100, 4, 1.0, network(3, 2, 5)), case(64, 3, 0.6, network(4, 3, 2), 2)],
        reference.exhaustive,
    )
    tests.part(
        1,
        "width 1 is greedy",
        [
            drawn(
                lambda one: len(examples.answer(one)) >= 3 and examples.ends(one),
                1,
                8,
                1.0,
                4,
                3,
                5,
                1,
                2.0,
            ),
            drawn(
                lambda one: len(examples.answer(one)) >= 3 and examples.ends(one),
                1,
                8,
                0.5,
                5,
                2,
                4,
                0,
                2.0,
            ),
        ],
    )
    tests.part(
        2,
        "beams of width 2 to 4",
        [
            drawn(examples.beats_greedy, 2, 7, 1.0, 4, 3, 5),
            drawn(examples.beats_greedy, 3, 6, 1.0, 6, 2, 4, 3),
            drawn(examples.beats_greedy, 4, 6, 0.7, 5, 4, 3, 1),
            drawn(examples.beats_greedy, 3, 6, 0.7, 3, 2, 6, 2),
            drawn(examples.leaves_gaps, 2, 7, 2.0, 4, 3, 5),
            drawn(examples.leaves_gaps, 2, 6, 1.5, 5, 2, 4, 1),
            drawn(examples.leaves_gaps, 3, 7, 2.0, 5, 2, 4, 3),
            drawn(examples.leaves_out, 2, 5, 1.0, 5, 3, 4, 1),
        ],
    )
    tests.part(
        1,
        "length normalisation",
        [drawn(examples.normalised, 6, 6, alpha, 4, 3, 5) for alpha in (0.0, 1.0)]
        + [
            drawn(
                lambda one: (
                    examples.ends(one) and examples.answer(one) != examples.answer(one, alpha=0.0)
                ),
                6,
                6,
                0.5,
                5,
                2,
                4,
            )
        ],
    )
    tests.part(
        1,
        "one step, one unit, none finished, large logits",
        [
            case(3, 1, 1.0, network(4, 2, 3)),
            case(2, 4, 0.8, network(3, 2, 1), 1),
            drawn(lambda one: not examples.ends(one), 2, 4, 1.0, 5, 2, 4),
            drawn(
                lambda one: (
                    not examples.ends(one) and examples.answer(one) != examples.answer(one, width=1)
                ),
                3,
                3,
                1.0,
                6,
                3,
                4,
            ),
            drawn(lambda one: len(examples.answer(one)) >= 2, 2, 5, 1.0, 4, 3, 5, 0, 5000.0),
        ],
    )
