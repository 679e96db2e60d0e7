"""Hidden tests of chapter 4."""

from functools import partial

import numpy as np

from grading.hidden import Tests

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
        3, "cached values that no forward pass gives", [case(3, 6, False), case(5, 2, False)]
    )
    tests.part(1, "one example, one unit", [case(1, 3), case(3, 1), case(1, 1, False)])


def gates_backward(tests: Tests) -> None:
    case = partial(examples.gates_backward, tests.rng)
    tests.part(2, "values of a forward pass", [case(4, 2, 5), case(3, 6, 2)])
    tests.part(
        3, "cached values that no forward pass gives", [case(3, 5, 4, False), case(5, 1, 3, False)]
    )
    tests.part(1, "one example, one unit", [case(1, 3, 2), case(3, 2, 1), case(1, 1, 1, False)])


def lstm_forward(tests: Tests) -> None:
    case = partial(examples.lstm_forward, tests.rng)
    tests.part(2, "all sequences of full length", [case(4, 3, 2, 5), case(6, 2, 3, 4)])
    tests.part(
        1,
        "padded batches",
        [case(5, 3, 2, 4, [2, 5, 1]), case(6, 4, 3, 2, [6, 3, 3, 5]), case(4, 2, 1, 3, [1, 2])],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 3, 2, 4), case(5, 1, 2, 3, [3]), case(3, 2, 2, 1), case(1, 1, 1, 1)],
    )


def lstm_backward(tests: Tests) -> None:
    case = partial(examples.lstm_backward, tests.rng)
    tests.part(3, "the cache of a forward pass", [case(4, 3, 2, 5), case(5, 2, 4, 3)])
    tests.part(
        3,
        "cached values that no forward pass gives",
        [case(3, 4, 5, 2, False), case(4, 2, 3, 6, False)],
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
        [case(5, 2, 4, [2, 5, 1]), case(6, 3, 2, [6, 3, 3, 5]), case(4, 1, 3, [1, 2])],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 2, 4, [1, 1]), case(5, 2, 3, [3]), case(3, 2, 1, [2, 3])],
    )


def truncated_backward(tests: Tests) -> None:
    case = partial(examples.truncated_backward, tests.rng)
    tests.part(2, "the cache of a forward pass", [case(4, 3, 2, 5), case(5, 2, 4, 3)])
    tests.part(
        2,
        "cached values that no forward pass gives",
        [case(3, 4, 5, 2, False), case(4, 2, 3, 6, False)],
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
    case = examples.parameter_count
    tests.part(1, "one bias", [case(512, 1024, 1), case(3, 5, 1), case(1, 1, 1)])
    tests.part(1, "two biases", [case(28, 128, 2), case(7, 2, 2)])


def forget_bias_effect(tests: Tests) -> None:
    usual = partial(examples.usual, tests.rng)
    tests.part(2, "usual biases", [usual(5, 1), usual(4, 10), usual(1, 3)])
    tests.part(
        1,
        "large biases",
        [
            {"bias": np.array([40.0, 60.0, 20.0]), "steps": 100},
            {"bias": np.array([-50.0, 30.0]), "steps": 2},
        ],
    )
