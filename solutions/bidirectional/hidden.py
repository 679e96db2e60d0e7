"""Hidden tests of chapter 7."""

from functools import partial

from grading.hidden import Tests, amplified, spoiled
from lib.gru import GRU
from lib.lstm import LSTM
from lib.peephole import PeepholeLSTM
from lib.rnn import RNN

from . import examples


def reverse_padded(tests: Tests) -> None:
    case = partial(examples.reverse_padded, tests.rng)
    tests.part(1, "full lengths", [case(5, [5] * 3, (2,)), case(4, [4, 4], (3,))])
    tests.part(
        2,
        "padded batches",
        [case(6, [3, 6, 1, 2], (2,)), case(5, [2, 4, 4], (4,)), case(7, [5, 2], (1,))],
    )
    tests.part(
        1,
        "symbols, more axes, one step, one example",
        [
            case(5, [4, 2, 5], (), True),
            case(4, [3, 4], (2, 3)),
            case(1, [1, 1], (2,)),
            case(4, [3], (2,)),
        ],
    )


def bidirectional_forward(tests: Tests) -> None:
    case = partial(examples.bidirectional_forward, tests.rng)
    for kind, words in ((RNN, "RNN cells"), (LSTM, "LSTM cells"), (GRU, "GRU cells")):
        tests.part(
            2,
            words,
            [
                case(5, [3, 5, 1, 4], (kind(3, 2), kind(3, 2))),
                case(4, [4, 4, 4], (kind(2, 4), kind(2, 4))),
                case(6, [2, 4], (kind(3, 5), kind(3, 4))),
            ],
        )
    tests.part(
        1,
        "outputs added",
        [
            case(5, [2, 5, 3], (GRU(2, 4), GRU(2, 4)), "sum"),
            case(3, [3, 1], (RNN(4, 2), LSTM(4, 2)), "sum"),
        ],
    )
    tests.part(
        1,
        "cells of different kinds, one step, one example, one unit",
        [
            case(4, [4, 2, 1], (LSTM(2, 3), RNN(2, 5, "relu"))),
            case(4, [3, 4], (GRU(3, 2, reset_after=True), PeepholeLSTM(3, 4))),
            case(1, [1, 1], (RNN(2, 3), GRU(2, 4))),
            case(4, [2], (LSTM(1, 1), GRU(1, 1))),
        ],
    )


def bidirectional_backward(tests: Tests) -> None:
    case = partial(examples.bidirectional_backward, tests.rng)
    for kind, words in ((RNN, "RNN cells"), (LSTM, "LSTM cells"), (GRU, "GRU cells")):
        tests.part(
            2,
            words,
            [
                case(5, [3, 5, 1, 4], (kind(3, 2), kind(3, 2))),
                case(4, [4, 4, 4], (kind(2, 4), kind(2, 4))),
                case(6, [2, 4], (kind(3, 5), kind(3, 4))),
                amplified(case(5, [3, 5, 1, 4], (kind(3, 2), kind(3, 2)))),
                case(6, [6, 3, 6, 4], (kind(32, 32), kind(32, 32))),
            ],
        )
    tests.part(
        1,
        "outputs added",
        [
            case(5, [2, 5, 3], (GRU(2, 4), GRU(2, 4)), "sum"),
            case(3, [3, 1], (RNN(4, 2), LSTM(4, 2)), "sum"),
        ],
    )
    tests.part(
        1,
        "cells of different kinds, one step, one example, one unit",
        [
            case(4, [4, 2, 1], (LSTM(2, 3), RNN(2, 5, "relu"))),
            case(1, [1, 1], (RNN(2, 3), GRU(2, 4))),
            case(4, [2], (LSTM(1, 1), GRU(1, 1))),
        ],
    )


def output_backward(tests: Tests) -> None:
    case = partial(examples.output_backward, tests.rng)
    tests.part(2, "full lengths", [case(4, 5, 2, 3, [4] * 3), case(3, 4, 6, 5, [3, 3], 2.0)])
    tests.part(
        3,
        "padded batches",
        [
            case(5, 3, 4, 2, [2, 5, 1, 4]),
            case(4, 6, 3, 5, [3, 1], 3.0),
            case(6, 2, 3, 3, [5]),
            case(2, 16, 2000, 1500, [2, 1] * 4),
            spoiled(case(5, 3, 4, 2, [2, 5, 1, 4]), "os"),
        ],
    )
    tests.part(
        1,
        "one step, one example, one class, one unit",
        [
            case(1, 3, 2, 4, [1, 1]),
            case(3, 4, 2, 3, [3]),
            case(3, 1, 2, 3, [2, 3]),
            case(4, 3, 1, 1, [4, 2]),
        ],
    )


def four_directions(tests: Tests) -> None:
    case = partial(examples.four_directions, tests.rng)
    tests.part(2, "RNN cells", [case(3, 4, 2, RNN(2, 3)), case(5, 3, 4, RNN(3, 2))])
    tests.part(2, "LSTM and GRU cells", [case(4, 3, 2, LSTM(3, 2)), case(3, 5, 2, GRU(2, 4))])
    tests.part(
        2,
        "one row, one column, one pixel, one example, one unit",
        [
            case(1, 4, 2, GRU(2, 3)),
            case(4, 1, 3, RNN(2, 3)),
            case(1, 1, 2, RNN(3, 2)),
            case(3, 4, 1, LSTM(1, 1)),
        ],
    )


def corner_scan(tests: Tests) -> None:
    case = partial(examples.corner_scan, tests.rng)
    tests.part(
        2, "from the top left", [case(3, 4, 2, 2, 5), case(5, 3, 3, 4, 2), case(4, 4, 2, 1, 3)]
    )
    tests.part(
        2,
        "from the other corners",
        [
            case(3, 4, 2, 2, 5, "top right"),
            case(4, 3, 3, 4, 2, "bottom left"),
            case(3, 5, 2, 3, 4, "bottom right"),
        ],
    )
    tests.part(
        1,
        "one row, one column, one pixel, one unit, large weights",
        [
            case(1, 4, 2, 3, 2, "top right"),
            case(4, 1, 2, 3, 2, "bottom left"),
            case(1, 1, 1, 2, 3),
            case(3, 4, 1, 1, 1),
            case(3, 3, 2, 2, 3, "bottom right", 40.0),
        ],
    )


def corner_scan_backward(tests: Tests) -> None:
    case = partial(examples.corner_scan_backward, tests.rng)
    tests.part(
        2,
        "states between −1 and 1",
        [case(3, 4, 2, 5, 3), case(4, 3, 3, 2, 4), case(2, 3, 3, 2000, 24)],
    )
    tests.part(
        3,
        "states that no scan would give",
        [
            case(3, 2, 4, 3, 5, 2.0),
            case(2, 4, 3, 4, 2, 2.0),
            amplified(case(3, 2, 4, 3, 5, 2.0)),
            case(2, 3, 3, 2000, 24, 2.0),
        ],
    )
    tests.part(
        2,
        "one row, one column, one pixel, one example, one unit",
        [case(1, 4, 2, 3, 2), case(4, 1, 2, 3, 2), case(1, 1, 2, 3, 4), case(3, 4, 1, 1, 1)],
    )
