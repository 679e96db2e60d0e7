"""Common slips are told by name: what a learner reads says what was done."""

import warnings

import pytest

from authoring import checks, slips, sources
from lib.checking import Check

FUNCTIONS = [(slug, e.name) for slug in sources.available() for e in sources.exercises(slug)]


@pytest.mark.parametrize(("slug", "name"), FUNCTIONS)
def test_common_slips_are_named(slug, name):
    check = Check(slug)
    for message, slipped in checks.common_slips(slug, name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            report = check.report(slipped)
        assert not report.ok, message
        raised = report.problems[0].kind == "error"
        assert report.mistakes or raised, f"{message}\n{report.text}"


def test_there_are_slips_of_forty_kinds():
    assert len(slips.SLIPS.keys() | slips.EVERYWHERE.keys()) >= 40
