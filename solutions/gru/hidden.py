"""Hidden tests of chapter 5."""

from collections.abc import Callable
from functools import partial
from typing import Any

from grading.hidden import Tests, amplified, spoiled

from . import examples

Draw = Callable[..., dict[str, Any]]


def _step(tests: Tests, case: Draw) -> None:
    tests.part(3, "random sizes", [case(4, 3, 5), case(2, 6, 3), case(3, 1, 2)])
    tests.part(
        1,
        "one example, one unit, inputs of size 1000",
        [case(1, 3, 2), case(3, 2, 1), case(2, 3, 4, 1e3)],
    )


def gru_step(tests: Tests) -> None:
    _step(tests, partial(examples.gru_step, tests.rng))


def gru_step_after(tests: Tests) -> None:
    _step(tests, partial(examples.gru_step_after, tests.rng))


def _step_backward(tests: Tests, points: int, case: Draw, wide: int = 12) -> None:
    tests.part(2, "values of a forward pass", [case(4, 3, 5), case(2, 6, 3), case(8, 2500, wide)])
    tests.part(
        points,
        "cached values that no forward pass gives",
        [
            case(3, 2, 4, False),
            case(5, 4, 2, False),
            amplified(case(3, 2, 4, False)),
            case(8, 2500, wide, False),
        ],
    )
    tests.part(1, "one example, one unit", [case(1, 3, 2, False), case(3, 2, 1), case(1, 1, 1)])


def gru_step_backward(tests: Tests) -> None:
    _step_backward(tests, 4, partial(examples.gru_step_backward, tests.rng))


def gru_step_after_backward(tests: Tests) -> None:
    _step_backward(tests, 3, partial(examples.gru_step_after_backward, tests.rng))


def gru_forward(tests: Tests) -> None:
    case = partial(examples.gru_forward, tests.rng)
    tests.part(2, "all sequences of full length", [case(4, 2, 5, [4, 4, 4]), case(6, 3, 2, [6, 6])])
    tests.part(
        2,
        "padded batches, one step, one example, one unit",
        [
            case(5, 3, 4, [2, 5, 1]),
            spoiled(case(5, 3, 4, [2, 5, 1]), "xs"),
            case(4, 2, 3, [1, 3]),
            case(1, 2, 3, [1, 1]),
            case(4, 2, 1, [3]),
        ],
    )


def gru_backward(tests: Tests) -> None:
    case = partial(examples.gru_backward, tests.rng)
    tests.part(2, "all sequences of full length", [case(4, 2, 5, [4, 4, 4]), case(5, 3, 2, [5, 5])])
    tests.part(
        4,
        "padded batches",
        [
            case(5, 3, 4, [2, 5, 1]),
            case(6, 2, 3, [3, 6, 6, 4]),
            amplified(case(5, 3, 4, [2, 5, 1])),
            spoiled(case(5, 3, 4, [2, 5, 1]), "dhs"),
            case(3, 2000, 12, [3, 2, 3, 1]),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 2, 3, [1, 1]), case(5, 2, 3, [3]), case(3, 2, 1, [2, 3])],
    )


def simplified_gru_backward(tests: Tests) -> None:
    _step_backward(tests, 2, partial(examples.simplified_gru_backward, tests.rng), wide=16)


def flip_update_gate(tests: Tests) -> None:
    case = partial(examples.flip_update_gate, tests.rng)
    tests.part(2, "random sizes", [case(3, 5), case(6, 2)])
    tests.part(1, "one feature, one unit", [case(1, 3), case(2, 1)])
