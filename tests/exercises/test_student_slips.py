"""Common slips are told by name: what a learner reads says what was done."""

import pytest

from authoring import checks, sources
from lib.checking import Check

MADE = [
    pytest.param(slug, exercise.name, message, slipped, id=f"{slug}-{exercise.name}-{number}")
    for slug in sources.available()
    for exercise in sources.exercises(slug)
    for number, (message, slipped) in enumerate(checks.common_slips(slug, exercise.name))
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("slug", "name", "message", "slipped"), MADE)
def test_a_common_slip_is_named(slug, name, message, slipped):
    report = Check(slug).report(slipped)
    assert not report.ok, message
    assert report.mistakes or report.problems[0].kind == "error", report.text


def test_there_are_slips_of_thirty_kinds():
    assert len({case.values[2] for case in MADE}) >= 30
