"""Hidden tests of chapter 4."""

from functools import partial

from grading.hidden import Tests, amplified, far, spoiled

from . import examples


def lstm_gates(tests: Tests) -> None:
    case = partial(examples.lstm_gates, tests.rng)
    tests.part(2, "random sizes", [case(4, 3, 5), case(2, 6, 3), case(5, 1, 2)])
    tests.part(1, "one example, one unit", [case(1, 3, 2), case(3, 2, 1), case(1, 1, 1)])
    tests.part(1, "inputs of size 1000", [case(3, 2, 4, 1e3)])


def lstm_state(tests: Tests) -> None:
    case = partial(examples.lstm_state, tests.rng)
    tests.part(2, "random sizes", [case(4, 5), case(3, 2), case(2, 6)])
    tests.part(
        1, "one example, one unit, large states", [case(1, 3), case(3, 1), case(2, 4, 500.0)]
    )


def state_backward(tests: Tests) -> None:
    case = partial(examples.state_backward, tests.rng)
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


def gates_backward(tests: Tests) -> None:
    case = partial(examples.gates_backward, tests.rng)
    tests.part(2, "values of a forward pass", [case(4, 2, 5), case(3, 6, 2)])
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


def lstm_forward(tests: Tests) -> None:
    case = partial(examples.lstm_forward, tests.rng)
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


def lstm_backward(tests: Tests) -> None:
    case = partial(examples.lstm_backward, tests.rng)
    tests.part(
        3, "the cache of a forward pass", [case(4, 3, 2, 5), case(5, 2, 4, 3), case(3, 4, 1500, 12)]
    )
    tests.part(
        3,
        "cached values that no forward pass gives",
        [
            case(3, 4, 5, 2, False),
            case(4, 2, 3, 6, False),
            amplified(case(3, 4, 5, 2, False)),
            case(3, 4, 1500, 12, False),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 3, 2, 4), case(3, 1, 2, 4), case(3, 2, 2, 1), case(1, 1, 1, 1, False)],
    )


def lstm_backward_padded(tests: Tests) -> None:
    case = partial(examples.lstm_backward_padded, tests.rng)
    tests.part(1, "all sequences of full length", [case(4, 2, 5, [4, 4, 4])])
    tests.part(
        3,
        "padded batches",
        [
            case(5, 2, 4, [2, 5, 1]),
            case(6, 3, 2, [6, 3, 3, 5]),
            case(4, 1, 3, [1, 2]),
            amplified(case(5, 2, 4, [2, 5, 1])),
            spoiled(case(5, 2, 4, [2, 5, 1]), "dhs"),
            case(3, 1500, 12, [3, 2, 3, 1]),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 2, 4, [1, 1]), case(5, 2, 3, [3]), case(3, 2, 1, [2, 3])],
    )


def truncated_backward(tests: Tests) -> None:
    case = partial(examples.truncated_backward, tests.rng)
    tests.part(
        2, "the cache of a forward pass", [case(4, 3, 2, 5), case(5, 2, 4, 3), case(3, 4, 2000, 12)]
    )
    tests.part(
        2,
        "cached values that no forward pass gives",
        [
            case(3, 4, 5, 2, False),
            case(4, 2, 3, 6, False),
            amplified(case(3, 4, 5, 2, False)),
            case(3, 4, 2000, 12, False),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 3, 2, 4), case(3, 1, 2, 4), case(3, 2, 2, 1), case(1, 1, 1, 1, False)],
    )


def cell_jacobian(tests: Tests) -> None:
    case = partial(examples.cell_jacobian, tests.rng)
    tests.part(2, "gates between 0 and 1", [case(4), case(5)])
    tests.part(2, "values that no forward pass gives", [case(3, False), case(6, False)])
    tests.part(1, "one unit, large states", [case(1), case(4, True, 50.0)])


def parameter_count(tests: Tests) -> None:
    case = partial(examples.parameter_count, tests.rng)
    tests.part(1, "one bias", [case(1), case(1, 9), case(1, 1)])
    tests.part(1, "two biases", [case(2), case(2, 9)])


def forget_bias_effect(tests: Tests) -> None:
    case = partial(examples.forget_bias_effect, tests.rng)
    tests.part(2, "usual biases", [case(5, 1), case(4, 10), case(1, 3)])
    tests.part(
        1,
        "large biases",
        [case(2, 100, 37, 60), case(1, 100, 15, 25), case(1, 2, -60, -40), case(1, 2, 25, 35)],
    )
