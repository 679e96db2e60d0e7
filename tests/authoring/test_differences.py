"""Numerical differentiation: it answers what it can, and earns no more than half of the points."""

import numpy as np
import pytest

from authoring import differences, sources
from authoring.forwards import ATTACKS
from grading import hidden
from lib.checking import Check, compare

EXACT = differences.METHODS[1]
LAYERS = {
    ("bidirectional", "bidirectional_backward"),
    ("deep", "stacked_backward"),
    ("deep", "residual_backward"),
}
"""Composed of whole layers, whose backward passes learners have."""


def test_every_backward_function_is_attacked():
    found = {(s, n) for s in sources.available() for n in differences.backward_functions(s)}
    assert found - set(ATTACKS) == LAYERS
    assert set(ATTACKS) <= found


@pytest.mark.parametrize(("slug", "name"), ATTACKS)
def test_a_forward_pass_gives_the_right_gradients_of_its_smallest_case(slug, name):
    """A slip in a forward pass would make the tests look stronger than they are."""
    parts = hidden.declared(hidden.read(sources.source_directory(slug)), slug, name)
    cases = [case for part in parts for case in part.cases]
    case = min(cases, key=lambda one: differences.entries(one.expected))
    outputs = Check(slug).examples[name]["outputs"]
    with np.errstate(all="ignore"):
        found = differences.answer(ATTACKS[slug, name], EXACT, case.arguments, 60)
    result = found if len(outputs) > 1 else found[0]
    assert not compare(result, case.expected, outputs, (), *parts[0].tolerances)


@pytest.mark.parametrize("method", differences.METHODS, ids=lambda m: m.name)
@pytest.mark.parametrize(
    ("slug", "name"), [("rnn", "many_to_one_backward"), ("encoder_decoder", "bridge_backward")]
)
def test_it_earns_half_at_most(slug, name, method):
    """Two functions; ``python -m authoring.differences`` tries all."""
    came = differences.attack(slug, name, method)
    assert 0 < came.earned <= came.points / 2


def test_what_cannot_end_in_time_is_given_up_early():
    parts = hidden.declared(hidden.read(sources.source_directory("bptt")), "bptt", "rnn_backward")
    dear = max((c for p in parts for c in p.cases), key=lambda c: differences.entries(c.expected))
    with pytest.raises(differences.TooLongError):
        differences.answer(
            ATTACKS["bptt", "rnn_backward"], differences.METHODS[0], dear.arguments, 0.1
        )
