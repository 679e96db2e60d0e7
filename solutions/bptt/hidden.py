"""Hidden tests of chapter 2."""

from functools import partial

import numpy as np

from grading.hidden import Tests, amplified, spoiled

from . import examples

DIFFERENCES = (1e-5, 1e-7, 0.0)
"""Tolerances for results that have the error of a difference."""


def output_backward(tests: Tests) -> None:
    case = partial(examples.output_backward, tests.rng)
    tests.part(
        2, "outputs of a softmax", [case(4, 3, 5, 6), case(5, 2, 3, 4), case(2, 8, 3000, 24)]
    )
    tests.part(
        2,
        "masks, and cached values that no forward pass gives",
        [
            case(5, 4, 2, 3, masked=True),
            case(3, 2, 6, 5, real=False, masked=True),
            case(2, 8, 3000, 24, real=False, masked=True),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 3, 2, 4), case(4, 1, 2, 3), case(3, 2, 1, 2), case(1, 1, 1, 2)],
    )


def rnn_step_backward(tests: Tests) -> None:
    case = partial(examples.rnn_step_backward, tests.rng)
    tests.part(2, "states of a forward pass", [case(4, 3, 5), case(2, 6, 3)])
    tests.part(
        3,
        "cached values that no forward pass gives",
        [
            case(3, 2, 4, False),
            case(5, 4, 2, False),
            amplified(case(3, 2, 4, False)),
            case(16, 3000, 24, False),
        ],
    )
    tests.part(1, "one example, one unit", [case(1, 3, 2), case(3, 2, 1, False), case(1, 1, 1)])


def rnn_backward(tests: Tests) -> None:
    case = partial(examples.rnn_backward, tests.rng)
    tests.part(
        3, "states of a forward pass", [case(4, 3, 2, 5), case(6, 2, 4, 3), case(4, 6, 1500, 32)]
    )
    tests.part(
        3,
        "cached values that no forward pass gives",
        [
            case(4, 3, 2, 5, False),
            case(5, 2, 3, 4, False),
            amplified(case(4, 3, 2, 5, False)),
            case(4, 6, 1500, 32, False),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 3, 2, 4), case(4, 1, 2, 3, False), case(3, 2, 2, 1), case(1, 1, 1, 1)],
    )


def rnn_backward_padded(tests: Tests) -> None:
    case = partial(examples.rnn_backward_padded, tests.rng)
    tests.part(1, "all sequences of full length", [case(4, 2, 5, [4, 4, 4])])
    tests.part(
        4,
        "padded batches",
        [
            case(5, 3, 4, [2, 5, 1]),
            case(6, 2, 3, [3, 6, 6, 4]),
            case(4, 1, 2, [1, 3]),
            amplified(case(5, 3, 4, [2, 5, 1])),
            spoiled(case(5, 3, 4, [2, 5, 1]), "dhs"),
            case(4, 1500, 32, [4, 2, 4, 3, 1, 4]),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 2, 3, [1, 1]), case(5, 2, 3, [3]), case(3, 2, 1, [2, 3])],
    )


def truncated_backward(tests: Tests) -> None:
    case = partial(examples.truncated_backward, tests.rng)
    tests.part(
        3,
        "windows within the sequence",
        [
            case(6, 3, 2, 5, 3),
            case(7, 2, 4, 3, 3),
            case(5, 2, 3, 4, 2),
            amplified(case(6, 3, 2, 5, 3)),
            case(4, 4, 2000, 32, 3),
        ],
    )
    tests.part(1, "windows of one step", [case(4, 2, 3, 5, 1)])
    tests.part(
        1, "one window and more", [case(4, 2, 3, 5, 4), case(3, 2, 1, 2, 9), case(1, 1, 1, 1, 2)]
    )


def teacher_forced_backward(tests: Tests) -> None:
    case = partial(examples.teacher_forced_backward, tests.rng)
    tests.part(
        2,
        "values of a forward pass",
        [case(4, 3, 2, 6, 5), case(5, 2, 3, 4, 3), case(3, 6, 3000, 24, 12)],
    )
    tests.part(
        2,
        "cached values that no forward pass gives",
        [case(3, 4, 2, 5, 6, False), case(3, 6, 3000, 24, 12, False)],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 2, 3, 4, 5), case(4, 1, 2, 3, 2), case(1, 1, 1, 1, 2)],
    )


def central_differences(tests: Tests) -> None:
    case = examples.central_differences
    tests.part(
        2,
        "functions of matrices",
        [
            case("lambda x: np.tanh(x @ x.T).sum()", tests.rng.normal(size=(3, 4))),
            case("lambda x: float(np.log(np.exp(x).sum()))", tests.rng.normal(size=(2, 5))),
        ],
        tolerances=DIFFERENCES,
    )
    tests.part(
        1,
        "a cubic at a step of one half",
        [case("lambda x: (x**3).sum()", tests.rng.normal(size=4), 0.5)],
    )
    tests.part(
        1,
        "a number, and an array of three axes",
        [
            case("lambda x: float(np.sin(x))", np.array(tests.rng.normal())),
            case("lambda x: (x[0] * x[1]).sum()", tests.rng.normal(size=(2, 3, 2))),
        ],
        tolerances=DIFFERENCES,
    )


def relative_error(tests: Tests) -> None:
    case = partial(examples.relative_error, tests.rng)
    tests.part(1, "random arrays", [case((3, 4)), case((2, 3, 2), far=0.5), case((1,))])
    noise = {
        "analytic": np.array([0.0, 1e-9, 2.0]),
        "numerical": np.array([1e-12, -1e-9, 2.0]),
        "floor": 1e-3,
    }
    opposite = {
        "analytic": np.array([1.0, -2.0]),
        "numerical": np.array([-1.0, -2.0]),
        "floor": 1e-6,
    }
    tests.part(
        1,
        "zeros, noise below the floor, opposite signs",
        [
            noise,
            opposite,
            {**opposite, "analytic": opposite["numerical"], "numerical": opposite["analytic"]},
            case((5,), floor=3.0),
        ],
    )
