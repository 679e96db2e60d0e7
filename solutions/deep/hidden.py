"""Hidden tests of chapter 8."""

from collections.abc import Callable
from functools import partial
from typing import Any

from grading.hidden import Tests, amplified
from lib.gru import GRU
from lib.lstm import LSTM
from lib.rnn import RNN

from . import examples

Draw = Callable[..., dict[str, Any]]


def _stacked(tests: Tests, case: Draw, points: int) -> None:
    tests.part(
        points,
        "masks, new at every step or one for a whole sequence",
        [
            case([RNN, LSTM, GRU], [3, 6, 5, 2], 4, 3, " es"),
            case([GRU, LSTM], [5, 4, 3], 5, 2, "se"),
            case([LSTM] * 2, [4, 6, 2], 4, 2, "e "),
        ],
    )
    tests.part(
        1,
        "padded batches",
        [
            case([LSTM, GRU], [3, 4, 2], 5, 3, " s", [2, 5, 1]),
            case([RNN] * 3, [2, 5, 3, 4], 4, 2, "", [4, 3]),
        ],
    )
    tests.part(
        1,
        "one layer, one step, one example, one unit",
        [
            case([GRU], [3, 4], 4, 2, "e"),
            case([RNN, LSTM], [3, 2, 4], 1, 3),
            case([LSTM, GRU], [2, 3, 4], 4, 1, " e", [3]),
            case([RNN, GRU], [2, 1, 1], 3, 2, " s"),
        ],
    )


def _residual(tests: Tests, case: Draw, padded: bool = False) -> None:
    tests.part(
        1,
        "masks, new at every step or one for a whole sequence",
        [
            case([RNN, LSTM, GRU], 3, 5, 4, 3, " es"),
            case([GRU, RNN], 5, 4, 5, 2, "se"),
            case([RNN, GRU, LSTM], 4, 4, 3, 2, "es "),
        ],
    )
    if padded:
        tests.part(
            1,
            "padded batches",
            [
                case([LSTM, GRU], 3, 4, 5, 3, " s", [2, 5, 1]),
                case([RNN] * 3, 2, 3, 4, 2, "", [4, 3]),
            ],
        )
    tests.part(
        1,
        "one layer, one step, one example, one unit",
        [
            case([GRU], 4, 4, 4, 2, "e"),
            case([RNN, LSTM], 3, 4, 1, 3),
            case([LSTM, GRU], 2, 3, 4, 1, " e", *([[3]] if padded else [])),
            case([RNN, GRU], 2, 1, 3, 2, " s"),
        ],
    )


def stacked_forward(tests: Tests) -> None:
    case = partial(examples.stacked_forward, tests.rng)
    tests.part(
        1,
        "stacks of Elman cells",
        [case([RNN] * 2, [3, 5, 4], 4, 2), case([RNN] * 3, [2, 4, 3, 6], 5, 3)],
    )
    tests.part(
        2,
        "LSTM and GRU, alone and mixed",
        [
            case([LSTM] * 2, [3, 4, 2], 4, 3),
            case([GRU] * 3, [2, 3, 5, 4], 3, 2),
            case([LSTM, RNN, GRU], [4, 2, 5, 3], 5, 2),
        ],
    )
    _stacked(tests, case, 1)


def dropout_masks(tests: Tests) -> None:
    case = partial(examples.dropout_masks, tests.rng)
    tests.part(2, "inverted", [case(4, 3, 5, 0.3), case(3, 5, 2, 0.75)])
    tests.part(
        1,
        "as first published",
        [case(4, 2, 6, 0.3, inverted=False), case(3, 4, 5, 0.6, inverted=False)],
    )
    tests.part(
        1,
        "variational",
        [case(5, 3, 4, 0.4, True), case(3, 2, 6, 0.2, True, False), case(4, 6, 3, 0.5, True)],
    )
    tests.part(
        1,
        "a rate of zero and near one; one step, one example, one feature",
        [
            case(3, 2, 4, 0.0),
            case(3, 2, 4, 0.0, True, False),
            case(4, 5, 6, 0.95),
            case(1, 3, 2, 0.5),
            case(4, 1, 3, 0.25, True),
            case(3, 2, 1, 0.4, False, False),
        ],
    )


def stacked_backward(tests: Tests) -> None:
    case = partial(examples.stacked_backward, tests.rng)
    tests.part(
        2,
        "caches of a forward pass",
        [
            case([RNN] * 2, [3, 5, 4], 4, 2, real=True),
            case([LSTM, GRU], [2, 4, 3], 5, 3, real=True),
            case([GRU, RNN, LSTM], [4, 3, 2, 5], 3, 2, real=True),
            case([LSTM, GRU], [32, 32, 32], 6, 4, real=True),
        ],
    )
    tests.part(
        2,
        "caches that no forward pass gives",
        [
            case([RNN] * 3, [2, 5, 3, 4], 4, 3),
            case([LSTM] * 2, [3, 2, 4], 4, 2),
            case([GRU, LSTM], [5, 3, 2], 3, 4),
            amplified(case([RNN] * 3, [2, 5, 3, 4], 4, 3)),
            case([LSTM, GRU], [32, 32, 32], 6, 4),
        ],
    )
    _stacked(tests, case, 2)


def residual_forward(tests: Tests) -> None:
    case = partial(examples.residual_forward, tests.rng)
    tests.part(1, "Elman cells", [case([RNN] * 2, 3, 5, 4, 2), case([RNN] * 4, 2, 4, 3, 3)])
    tests.part(
        1,
        "LSTM and GRU, alone and mixed",
        [
            case([LSTM] * 2, 3, 4, 4, 3),
            case([GRU] * 3, 4, 3, 3, 2),
            case([LSTM, RNN, GRU], 5, 3, 5, 2),
            case([GRU, LSTM], 4, 4, 3, 2),
        ],
    )
    _residual(tests, case)


def residual_backward(tests: Tests) -> None:
    case = partial(examples.residual_backward, tests.rng)
    tests.part(
        2,
        "caches of a forward pass",
        [
            case([RNN] * 2, 3, 5, 4, 2, real=True),
            case([LSTM, GRU], 2, 4, 5, 3, real=True),
            case([GRU, RNN, LSTM], 4, 3, 3, 2, real=True),
            case([LSTM, GRU], 32, 32, 6, 4, real=True),
        ],
    )
    tests.part(
        2,
        "caches that no forward pass gives",
        [
            case([RNN] * 4, 2, 5, 4, 3),
            case([LSTM] * 2, 3, 4, 4, 2),
            case([GRU, LSTM], 3, 3, 3, 4),
            amplified(case([RNN] * 4, 2, 5, 4, 3)),
            case([LSTM, GRU], 32, 32, 6, 4),
        ],
    )
    _residual(tests, case, padded=True)


def transition_step(tests: Tests) -> None:
    case = partial(examples.transition_step, tests.rng)
    tests.part(
        2,
        "without skip connection",
        [case(4, 3, 5, 2), case(2, 6, 4, 3), case(3, 2, 5, 4), case(3, 4, 2, 1)],
    )
    tests.part(
        2,
        "with skip connection",
        [case(4, 3, 5, 2, True), case(2, 6, 4, 3, True), case(3, 2, 5, 4, True)],
    )
    tests.part(
        1,
        "one example, one unit; large inputs",
        [
            case(1, 3, 4, 3, True),
            case(3, 2, 1, 2, True),
            case(1, 1, 1, 1),
            case(3, 2, 4, 3, True, 300.0),
        ],
    )


def transition_step_backward(tests: Tests) -> None:
    case = partial(examples.transition_step_backward, tests.rng)
    tests.part(
        2,
        "layers of a forward pass",
        [
            case(4, 3, 5, 2, real=True),
            case(2, 6, 4, 3, real=True),
            case(3, 2, 4, 1, real=True),
            case(16, 3000, 24, 3, real=True),
        ],
    )
    tests.part(
        2,
        "cached values that no forward pass gives",
        [
            case(4, 3, 5, 3),
            case(2, 5, 3, 4),
            case(3, 4, 2, 1),
            amplified(case(4, 3, 5, 3)),
            case(16, 3000, 24, 3),
        ],
    )
    tests.part(
        3,
        "with skip connection",
        [case(4, 3, 5, 2, True, real=True), case(2, 6, 4, 3, True), case(3, 2, 5, 4, True)],
    )
    tests.part(
        1,
        "one example, one unit",
        [case(1, 3, 4, 3, True), case(3, 2, 1, 2, True), case(1, 1, 1, 1), case(3, 1, 2, 2)],
    )
