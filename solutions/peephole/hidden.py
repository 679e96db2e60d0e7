"""Hidden tests of chapter 6."""

from functools import partial

from grading.hidden import Tests, amplified, far, spoiled

from . import examples


def peephole_step(tests: Tests) -> None:
    case = partial(examples.peephole_step, tests.rng)
    tests.part(2, "all three peepholes", [case(4, 3, 5), case(2, 6, 3), case(5, 1, 2)])
    tests.part(
        2,
        "some peepholes, or none",
        [
            case(3, 2, 4, "o"),
            case(2, 3, 5, "if"),
            case(4, 2, 3, "i"),
            case(2, 4, 3, ""),
            case(3, 4, 2, "fo"),
        ],
    )
    tests.part(
        1,
        "one example, one unit, inputs of size 1000",
        [case(1, 3, 2), case(3, 2, 1), case(1, 1, 1), case(3, 2, 4, "ifo", 1e3)],
    )


def peephole_cell_backward(tests: Tests) -> None:
    case = partial(examples.peephole_cell_backward, tests.rng)
    tests.part(2, "values of a forward pass", [case(4, 5), case(3, 2)])
    tests.part(
        3,
        "cached values that no forward pass gives",
        [
            case(3, 6, False),
            case(5, 2, False),
            amplified(case(3, 6, False)),
            far(case(4, 3, False)),
        ],
    )
    tests.part(1, "one example, one unit", [case(1, 3), case(3, 1), case(1, 1, False)])


def peephole_step_backward(tests: Tests) -> None:
    case = partial(examples.peephole_step_backward, tests.rng)
    tests.part(3, "values of a forward pass", [case(4, 2, 5), case(3, 6, 2), case(8, 2000, 12)])
    tests.part(
        3,
        "cached values that no forward pass gives",
        [
            case(3, 5, 4, False),
            case(5, 1, 3, False),
            amplified(case(3, 5, 4, False)),
            case(8, 2000, 12, False),
        ],
    )
    tests.part(1, "one example, one unit", [case(1, 3, 2), case(3, 2, 1), case(1, 1, 1, False)])


def peephole_forward(tests: Tests) -> None:
    case = partial(examples.peephole_forward, tests.rng)
    tests.part(2, "all sequences of full length", [case(4, 3, 2, 5), case(6, 2, 3, 4)])
    tests.part(
        1,
        "padded batches",
        [
            case(5, 3, 2, 4, [2, 5, 1]),
            case(6, 4, 3, 2, [6, 3, 3, 5]),
            case(4, 2, 1, 3, [1, 2]),
            spoiled(case(5, 3, 2, 4, [2, 5, 1]), "xs"),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 3, 2, 4), case(5, 1, 2, 3, [3]), case(3, 2, 2, 1), case(1, 1, 1, 1)],
    )


def peephole_backward(tests: Tests) -> None:
    case = partial(examples.peephole_backward, tests.rng)
    tests.part(
        3, "the cache of a forward pass", [case(4, 3, 2, 5), case(5, 2, 4, 3), case(3, 4, 1500, 12)]
    )
    tests.part(
        2,
        "cached values that no forward pass gives",
        [
            case(3, 4, 5, 2, False),
            case(4, 2, 3, 6, False),
            amplified(case(3, 4, 5, 2, False)),
            case(3, 4, 1500, 12, False),
        ],
    )
    tests.part(
        2,
        "padded batches",
        [
            case(5, 3, 2, 4, True, [2, 5, 1]),
            case(6, 4, 3, 2, False, [6, 3, 3, 5]),
            case(4, 2, 1, 3, False, [1, 2]),
            spoiled(case(5, 3, 2, 4, True, [2, 5, 1]), "dhs"),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 3, 2, 4), case(3, 1, 2, 4), case(3, 2, 2, 1), case(1, 1, 1, 1, False)],
    )


def graves_errors(tests: Tests) -> None:
    case = partial(examples.graves_errors, tests.rng)
    tests.part(
        4, "random sizes", [case(4, 3, 5), case(3, 6, 2), case(2, 4, 3), amplified(case(4, 3, 5))]
    )
    tests.part(1, "one example, one unit", [case(1, 3, 2), case(3, 2, 1), case(2, 1, 4)])


def coupled_step(tests: Tests) -> None:
    case = partial(examples.coupled_step, tests.rng)
    tests.part(2, "random sizes", [case(4, 3, 5), case(2, 6, 3), case(5, 1, 2)])
    tests.part(
        1,
        "one example, one unit, inputs of size 1000",
        [case(1, 3, 2), case(3, 2, 1), case(1, 1, 1), case(3, 2, 4, 1e3)],
    )


def coupled_backward(tests: Tests) -> None:
    case = partial(examples.coupled_backward, tests.rng)
    tests.part(2, "values of a forward pass", [case(4, 2, 5), case(3, 6, 2), case(8, 2500, 12)])
    tests.part(
        2,
        "cached values that no forward pass gives",
        [
            case(3, 5, 4, False),
            case(5, 1, 3, False),
            amplified(case(3, 5, 4, False)),
            case(8, 2500, 12, False),
        ],
    )
    tests.part(1, "one example, one unit", [case(1, 3, 2), case(3, 2, 1), case(1, 1, 1, False)])


def clockwork_step(tests: Tests) -> None:
    case = partial(examples.clockwork_step, tests.rng)
    tests.part(
        2,
        "some modules are due",
        [case(3, 2, 8, [1, 2, 4, 8], 4), case(2, 5, 6, [1, 3, 4], 9), case(4, 3, 6, [2, 3], 4)],
    )
    tests.part(
        1,
        "all modules are due, or the fastest alone, or none",
        [case(3, 2, 6, [1, 2, 4], 12), case(2, 3, 8, [1, 2, 4, 8], 7), case(3, 1, 4, [2, 4], 1)],
    )
    tests.part(
        1,
        "one module, two with one period, one example, one unit",
        [case(3, 2, 4, [1], 5), case(2, 3, 6, [1, 2, 2], 2), case(1, 2, 1, [3], 3)],
    )


def depth_gated_step(tests: Tests) -> None:
    case = partial(examples.depth_gated_step, tests.rng)
    tests.part(2, "random sizes", [case(4, 5), case(3, 2), case(2, 6)])
    tests.part(1, "the depth gate shut, and open", [case(3, 4, -800.0), case(2, 3, 800.0)])
    tests.part(
        1,
        "one example, one unit, large states",
        [case(1, 3), case(3, 1), case(1, 1), case(2, 4, 0.0, 100.0)],
    )
