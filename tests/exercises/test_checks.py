"""The visible checks: every named mistake is recognised, a right answer never is."""

import json

import numpy as np
import pytest

from grading import checks, sources
from lib.checking import Check, call, named_mistakes

CASES = [
    (slug, name, message)
    for slug in sources.available()
    for name, example in checks.declarations(slug).EXAMPLES.items()
    for message in example.mistakes
]


def renamed(function, name):
    def learner(**kwargs):
        return function(**kwargs)

    learner.__name__ = name
    return learner


@pytest.mark.parametrize("slug", sources.available())
def test_stored_checks_are_those_of_the_sources(slug):
    stored = json.loads((sources.source_directory(slug) / "checks.json").read_text())
    assert stored == json.loads(json.dumps(checks.build(slug)))


@pytest.mark.parametrize(("slug", "name", "message"), CASES)
def test_a_named_mistake_is_recognised(slug, name, message):
    wrong = renamed(checks.declarations(slug).EXAMPLES[name].mistakes[message], name)
    report = Check(slug).report(wrong)
    assert not report.ok
    assert message in [found for _, found in report.mistakes]


@pytest.mark.parametrize("slug", sources.available())
def test_a_right_answer_is_never_called_a_mistake(slug):
    check = Check(slug)
    for name, function in sources.run_solutions(slug).items():
        report = check.report(function)
        assert report.ok, report.text
        example = check.examples[name]
        got, error, mutated = call(function, example["args"])
        assert (error, mutated) == ("", [])
        for _, answer in example["mistakes"]:
            fake = {**example, "expected": answer}
            assert named_mistakes(got, {**fake, "mistakes": []}, []) == []


@pytest.mark.parametrize(("slug", "name", "message"), CASES)
def test_a_named_mistake_loses_points(slug, name, message):
    wrong = renamed(checks.declarations(slug).EXAMPLES[name].mistakes[message], name)
    (exercise,) = (e for e in sources.exercises(slug) if e.name == name)
    score, _ = sources.run_test(slug, wrong)
    assert score < exercise.points


def test_the_report_names_shape_step_and_mutation():
    check = Check("rnn")
    solution = sources.run_solutions("rnn")["rnn_forward"]

    def rnn_forward(xs, h0, U, W, b, lengths):
        hs, last = solution(xs, h0, U, W, b, lengths)
        hs[2:] += 1
        h0 *= 2
        return hs, last.T

    text = check.report(rnn_forward).text
    assert "wrong time steps: 2, 3 (of 0 to 3)" in text
    assert "h_last: expected shape (2, 4), got (4, 2)" in text
    assert "h0: this argument was changed in place" in text


def test_an_unwritten_function_is_said_to_be_so():
    def rnn_step(**kwargs):
        raise NotImplementedError

    assert "not written yet" in Check("rnn").report(rnn_step).text


def test_nan_and_wrong_dtype_are_named():
    def rnn_step(x, h, U, W, b):
        return np.full((2, 4), np.nan)

    assert "not a number in 8 of 8 entries" in Check("rnn").report(rnn_step).text

    def narrow(x, h, U, W, b):
        return np.zeros((2, 4), np.float32)

    narrow.__name__ = "rnn_step"
    assert "expected dtype float64, got float32" in Check("rnn").report(narrow).text
