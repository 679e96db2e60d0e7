"""Hidden tests of chapter 3."""

from functools import partial

import numpy as np

from grading.hidden import Tests, amplified

from . import examples


def step_jacobian(tests: Tests) -> None:
    case = partial(examples.step_jacobian, tests.rng)
    tests.part(1, "states of a forward pass", [case(3, 4), case(5, 2)])
    tests.part(1, "values that no forward pass gives", [case(4, 3, False)])
    tests.part(1, "one example, one unit", [case(1, 3), case(4, 1), case(1, 1, False)])


def linear_error(tests: Tests) -> None:
    case = partial(examples.linear_error, tests.rng)
    tests.part(
        1, "random sizes", [case(2, 4, 3), case(5, 3, 6), case(3, 2, 4), amplified(case(2, 4, 3))]
    )
    tests.part(
        1,
        "no step, one step, one unit, one example, many steps",
        [case(3, 2, 0), case(2, 3, 1), case(4, 1, 3), case(1, 4, 2), case(2, 3, 12)],
    )


def error_norms(tests: Tests) -> None:
    case = partial(examples.error_norms, tests.rng)
    tests.part(2, "states of a forward pass", [case(4, 3, 5), case(6, 2, 4)])
    tests.part(
        1,
        "values that no forward pass gives",
        [case(5, 4, 3, False), amplified(case(5, 4, 3, False))],
    )
    tests.part(1, "one step, one example, one unit", [case(1, 3, 2), case(4, 1, 3), case(3, 2, 1)])


def error_bound(tests: Tests) -> None:
    case = partial(examples.error_bound, tests.rng)
    tests.part(1, "random sizes", [case(4, 1.0, 3), case(3, 0.25, 5), case(6, 0.7, 2)])
    tests.part(
        1,
        "all eigenvalues zero, no step, one step, one unit",
        [case(4, 1.0, 3, True), case(3, 0.25, 0), case(5, 0.5, 1), case(1, 0.8, 4)],
    )


def path_sum(tests: Tests) -> None:
    case = partial(examples.path_sum, tests.rng)
    tests.part(2, "several steps", [case(3, 4, 0, 2), case(4, 3, 3, 1), case(2, 5, 1, 0)])
    tests.part(1, "one step back", [case(3, 1, 0, 1), case(4, 1, 2, 2)])
    tests.part(1, "one unit, and back to the same unit", [case(1, 3, 0, 0), case(3, 3, 1, 1)])


def clip_by_value(tests: Tests) -> None:
    case = partial(examples.clip_by_value, tests.rng)
    tests.part(
        1, "entries of both signs", [case((4, 5), 0.7), case((30,), 1.2), case((3, 2, 4), 0.4)]
    )
    tests.part(
        1,
        "nothing to clip, everything to clip",
        [case((5,), 1e3), case((4, 3), 1e-3), case((6,), 2.0, 1e6), {"g": np.zeros(3), "v": 1.0}],
    )


def clip_by_norm(tests: Tests) -> None:
    case = partial(examples.clip_by_norm, tests.rng)
    shapes = [(3, 4), (4, 4), (4,)]
    # no array alone is longer than v
    together = {"grads": tuple(g / np.linalg.norm(g) for g in case(shapes, 1)["grads"]), "v": 1.2}
    tests.part(
        1,
        "longer than v",
        [
            case(shapes, 1.0),
            case(shapes, 0.3),
            case([(2,), (3, 2)], 0.5),
            together,
            case(shapes, 1e-10, 1e-9),
        ],
    )
    tests.part(1, "not longer than v", [case(shapes, 50.0), case([(2,), (3, 2)], 9.0, 0.1)])
    zeros = {"grads": (np.zeros((2, 3)), np.zeros(2)), "v": 0.5}
    tests.part(
        1,
        "a gradient of zeros, a single array, large values",
        [zeros, case([(5,)], 0.8), case([(3, 2), (3,)], 2.0, 1e6)],
    )


def leaky_forward(tests: Tests) -> None:
    case = partial(examples.leaky_forward, tests.rng)
    tests.part(2, "random sizes", [case(4, 3, 2, 5), case(6, 2, 5, 3), case(3, 4, 1, 2)])
    tests.part(
        1,
        "one step, one example, one unit, alphas near 0 and 1",
        [case(1, 3, 2, 4), case(4, 1, 2, 3), case(3, 2, 3, 1), case(5, 2, 3, 6, 10.0)],
    )


def leaky_backward(tests: Tests) -> None:
    case = partial(examples.leaky_backward, tests.rng)
    tests.part(2, "values of a forward pass", [case(4, 3, 2, 5), case(5, 2, 4, 3)])
    tests.part(
        3,
        "cached values that no forward pass gives",
        [
            case(3, 4, 2, 5, False),
            case(6, 2, 3, 4, False),
            amplified(case(3, 4, 2, 5, False)),
            case(4, 6, 1500, 32, False),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 3, 2, 4), case(4, 1, 3, 2, False), case(3, 2, 2, 1, False)],
    )


def skip_forward(tests: Tests) -> None:
    case = partial(examples.skip_forward, tests.rng)
    tests.part(2, "random sizes", [case(5, 3, 2, 4, 2), case(7, 2, 4, 3, 3), case(6, 4, 1, 2, 5)])
    tests.part(
        1,
        "d of one, sequences shorter than d, one step, one example, one unit",
        [case(4, 2, 3, 5, 1), case(2, 3, 2, 4, 5), case(1, 2, 3, 4, 2), case(4, 1, 2, 1, 3)],
    )


def skip_backward(tests: Tests) -> None:
    case = partial(examples.skip_backward, tests.rng)
    tests.part(2, "values of a forward pass", [case(5, 3, 2, 4, 2), case(7, 2, 4, 3, 3)])
    tests.part(
        3,
        "cached values that no forward pass gives",
        [
            case(6, 3, 2, 4, 3, False),
            case(5, 2, 3, 5, 2, False),
            amplified(case(6, 3, 2, 4, 3, False)),
            case(4, 6, 1500, 32, 3, False),
        ],
    )
    tests.part(
        1,
        "d of one, sequences shorter than d, one step, one example, one unit",
        [
            case(4, 2, 3, 5, 1, False),
            case(2, 3, 2, 4, 5, False),
            case(1, 2, 3, 4, 2),
            case(4, 1, 2, 1, 3, False),
        ],
    )


def flow_regulariser(tests: Tests) -> None:
    case = partial(examples.flow_regulariser, tests.rng)
    tests.part(1, "random sizes", [case(4, 3, 5), case(6, 2, 3)])
    tests.part(1, "errors of zero", [case(5, 3, 4, True, [2, 5, 3]), case(4, 2, 3, True, [1, 1])])
    tests.part(
        1,
        "one step, one example, one unit, values that no forward pass gives",
        [case(1, 3, 2), case(4, 1, 3), case(3, 2, 1), case(5, 3, 4, False)],
    )


def flow_regulariser_backward(tests: Tests) -> None:
    case = partial(examples.flow_regulariser_backward, tests.rng)
    tests.part(1, "values of a forward pass", [case(4, 3, 5), case(5, 2, 3), case(2, 8, 256)])
    tests.part(
        1,
        "cached values that no forward pass gives",
        [case(4, 5, 3, False), case(3, 2, 4, False), case(2, 8, 256, False)],
    )
    tests.part(
        1,
        "vectors of zero, one step, one example, one unit",
        [
            case(4, 3, 2, False, True),
            case(1, 3, 2, False),
            case(4, 1, 3, False),
            case(3, 2, 1, False),
        ],
    )
