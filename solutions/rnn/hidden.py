"""Hidden tests of chapter 1."""

from functools import partial

import numpy as np

from grading.hidden import Tests, amplified, spoiled

from . import examples


def rnn_step(tests: Tests) -> None:
    case = partial(examples.rnn_step, tests.rng)
    tests.part(2, "random sizes", [case(4, 3, 5), case(2, 6, 3), case(5, 1, 2)])
    tests.part(
        1, "one example, one feature, one unit", [case(1, 3, 2), case(3, 2, 1), case(1, 1, 1)]
    )
    tests.part(1, "inputs of size 1000", [case(3, 2, 4, 1e3)])


def rnn_forward(tests: Tests) -> None:
    case = partial(examples.rnn_forward, tests.rng)
    tests.part(2, "all sequences of full length", [case(4, 3, 2, 5), case(6, 2, 3, 4)])
    tests.part(
        2,
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


def output_loss(tests: Tests) -> None:
    case = partial(examples.output_loss, tests.rng)
    tests.part(2, "random sizes", [case(4, 3, 5, 6), case(5, 2, 3, 4), case(1, 1, 2, 3)])
    tests.part(2, "masked steps", [case(6, 4, 3, 5, masked=True), case(5, 3, 2, 4, masked=True)])
    tests.part(1, "logits of size 10 000", [case(3, 2, 4, 5, scale=1e4)])


def vector_input_forward(tests: Tests) -> None:
    case = partial(examples.vector_input_forward, tests.rng)
    tests.part(1, "the vector at every step", [case(4, 3, 2, 6, 5, "every_step")])
    tests.part(1, "the vector as initial state", [case(5, 2, 3, 4, 6, "initial_state")])
    tests.part(1, "both", [case(3, 4, 5, 2, 3, "both")])
    tests.part(
        1,
        "one step, one example, one unit",
        [
            case(1, 2, 3, 4, 5, "both"),
            case(3, 1, 2, 3, 1, "every_step"),
            case(1, 1, 1, 1, 1, "initial_state"),
        ],
    )


def vector_input_backward(tests: Tests) -> None:
    case = partial(examples.vector_input_backward, tests.rng)
    tests.part(
        3,
        "random sizes",
        [
            case(4, 3, 2, 5),
            case(3, 5, 4, 2),
            case(6, 2, 7, 3),
            amplified(case(4, 3, 2, 5)),
            case(2, 16, 4000, 16),
        ],
    )
    tests.part(
        1, "one step, one example, one unit", [case(1, 3, 2, 4), case(3, 1, 2, 4), case(1, 1, 1, 1)]
    )


def output_to_hidden_forward(tests: Tests) -> None:
    case = partial(examples.output_to_hidden_forward, tests.rng)
    tests.part(3, "random sizes", [case(4, 3, 2, 6, 5), case(5, 2, 4, 3, 6), case(3, 4, 1, 5, 2)])
    tests.part(
        1,
        "logits of size 10 000, one step, one example",
        [case(3, 2, 3, 4, 5, 1e4), case(1, 2, 3, 4, 5), case(4, 1, 2, 1, 2)],
    )


def output_to_hidden_step_backward(tests: Tests) -> None:
    case = partial(examples.output_to_hidden_step_backward, tests.rng)
    tests.part(2, "values of a forward pass", [case(4, 5, 3), case(3, 2, 6)])
    tests.part(
        3,
        "cached values that no forward pass gives",
        [
            case(3, 6, 4, False),
            case(5, 2, 3, False),
            amplified(case(3, 6, 4, False)),
            case(16, 24, 1500, False),
        ],
    )
    tests.part(1, "one example, one unit", [case(1, 3, 4), case(3, 1, 2), case(1, 1, 2, False)])


def many_to_one_backward(tests: Tests) -> None:
    case = partial(examples.many_to_one_backward, tests.rng)
    tests.part(1, "all sequences of full length", [case(4, 5, 2, [4, 4, 4])])
    tests.part(
        2,
        "padded batches",
        [
            case(5, 3, 6, [1, 5, 3, 2]),
            case(6, 4, 3, [2, 2]),
            amplified(case(5, 3, 6, [1, 5, 3, 2])),
            case(2, 2000, 24, [1, 2] * 8),
            spoiled(case(5, 3, 6, [1, 5, 3, 2]), "hs"),
        ],
    )
    tests.part(
        1,
        "one step, one example, one unit",
        [case(1, 3, 2, [1, 1]), case(4, 2, 3, [2]), case(3, 1, 2, [3, 1])],
    )


def sample(tests: Tests) -> None:
    case = partial(examples.sample, tests.rng)
    edges = {
        "logits": np.zeros((3, 10)) + np.array([[0.0], [1.0], [0.0]]),
        "temperature": 1.0,
        "u": np.array([np.nextafter(1.0, 0.0), np.nextafter(1.0, 0.0), 0.0]),
    }
    edges["logits"][2, 0] = -1e4
    tests.part(
        1,
        "temperature 1, u at both ends of its range",
        [case(200, 5, 1.0), case(1, 3, 1.0), case(4, 1, 1.0), edges],
    )
    tests.part(
        1,
        "other temperatures, large logits",
        [case(200, 4, 0.5), case(200, 6, 3.0), case(50, 3, 1.0, 1e4)],
    )


def perplexity(tests: Tests) -> None:
    case = partial(examples.perplexity, tests.rng)
    tests.part(1, "all sequences of full length", [case(4, [4, 4, 4]), case(1, [1])])
    tests.part(1, "padded batches", [case(6, [2, 6, 1]), case(5, [4, 3])])
