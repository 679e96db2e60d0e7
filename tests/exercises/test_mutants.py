"""A fast sample of the mutants: `make mutants` runs them all."""

import pytest

from authoring import mutation, sources
from authoring.mutation import Mutant

EVERY = 12


def sample() -> list[Mutant]:
    chosen = []
    for slug in sources.available():
        listed = mutation.equivalents(slug)
        real = [m for m in mutation.mutants(slug) if (m.name, m.change) not in listed]
        chosen += [m for m in real[::EVERY] if m.source]
    return chosen


@pytest.mark.parametrize("mutant", sample(), ids=lambda m: f"{m.slug}-{m.name}-{m.operator}")
def test_a_mutant_loses_marks(mutant):
    assert mutation.killed(mutant), mutant.change


def test_a_right_answer_is_not_killed():
    (exercise, *_) = sources.exercises("rnn")
    assert not mutation.killed(Mutant("rnn", exercise.name, "none", "", exercise.solution))


@pytest.mark.parametrize(
    ("operator", "change"),
    [
        ("transpose dropped", "x @ U.T + h @ W + b"),
        ("function dropped", "return x @ U.T + h @ W.T + b"),
        ("ReplaceBinaryOperator_Add_Sub", "x @ U.T - h @ W.T + b"),
        ("argument changed in place", "x += 1"),
        ("result in float32", "np.float32"),
    ],
)
def test_the_operators_make_what_their_names_say(operator, change):
    made = [m.change for m in mutation.mutants("rnn") if m.operator == operator]
    assert any(change in text for text in made)


def test_an_endless_mutant_counts_as_killed():
    endless = "def rnn_step(x, h, U, W, b):\n    while True:\n        pass\n"
    assert mutation.killed(Mutant("rnn", "rnn_step", "endless", "", endless), seconds=1)
