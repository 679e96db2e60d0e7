"""The visible checks: every named mistake is recognised, a right answer never is."""

import json

import numpy as np
import pytest

from authoring import checks, sources
from lib.checking import Check, call, compare, named_mistakes

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
        for case in (example, *example.get("also", [])):
            got, error, mutated = call(function, case["args"])
            assert (error, mutated) == ("", [])
            assert named_mistakes(got, {**example, **case}, []) == []


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
        return hs, last.T

    text = check.report(rnn_forward).text
    assert "wrong time steps: 2, 3 (of 0 to 3)" in text
    assert "h_last: expected shape (2, 4), got (4, 2)" in text


def test_an_argument_changed_in_place_is_named_with_the_line():
    def rnn_step(x, h, U, W, b):
        h *= 2
        return np.tanh(x @ U.T + h @ W.T + b)

    text = Check("rnn").report(rnn_step).text
    assert "it changed an argument in place; leave arguments as they came, line " in text
    assert text.rstrip().endswith(": h *= 2")


def test_lists_and_dicts_changed_in_place_are_found_too():
    arguments = {"names": ["a"], "table": {"b": 1}}

    def careless(names, table):
        names.append("c")
        table["d"] = 2

    assert call(careless, arguments) == (None, "", ["names", "table"])


def test_an_error_within_numpy_is_placed_in_the_learners_line():
    def rnn_step(x, h, U, W, b):
        return np.split(x, 17, axis=1)[0]

    text = Check("rnn").report(rnn_step).text
    assert "it raised ValueError" in text
    assert ": return np.split(x, 17, axis=1)[0]" in text


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


def mistakes_named(got, expected, **mistakes):
    outputs = ["tokens", "lengths", "log_p"]
    example = {"outputs": outputs, "expected": expected, "mistakes": list(mistakes.items())}
    return named_mistakes(got, example, compare(got, expected, outputs))


RIGHT = np.array([[1, 2], [0, 0]]), np.array([2, 2]), -1.5


def test_a_mistake_is_named_only_where_it_gives_every_wrong_result():
    mistake = np.array([[1, 2], [3, 0]]), np.array([3, 2]), -2.5
    half = np.array([[3, 3], [3, 3]]), mistake[1], RIGHT[2]
    assert mistakes_named(mistake, RIGHT, m=mistake) == [
        ("tokens", "m"),
        ("lengths", "m"),
        ("log_p", "m"),
    ]
    assert mistakes_named(half, RIGHT, m=mistake) == []
    real = half[0], RIGHT[1], mistake[2]
    assert mistakes_named(real, RIGHT, m=mistake) == []


def test_integers_alone_name_a_mistake_only_where_all_else_is_as_it_would_be():
    mistake = np.array([[1, 2], [3, 0]]), np.array([3, 2]), -2.5
    lengths = RIGHT[0], mistake[1], RIGHT[2]
    real = RIGHT[0], RIGHT[1], mistake[2]
    assert mistakes_named(lengths, RIGHT, m=mistake) == []
    assert mistakes_named(lengths, RIGHT, m=mistake, n=lengths) == [("lengths", "n")]
    assert mistakes_named(real, RIGHT, m=mistake) == [("log_p", "m")]
    zero = RIGHT[0], RIGHT[1], 0.0
    assert mistakes_named(zero, RIGHT, m=(*mistake[:2], 0.0)) == []


def test_the_mistake_that_gives_the_whole_answer_comes_before_one_that_gives_a_part():
    mistake = np.array([[1, 2], [3, 0]]), np.array([3, 2]), -2.5
    real = RIGHT[0], RIGHT[1], mistake[2]
    assert mistakes_named(real, RIGHT, m=mistake, n=real) == [("log_p", "n")]


def test_results_of_the_wrong_shape_or_number_are_no_known_mistake():
    mistake = np.array([[1, 2], [3, 0]]), np.array([3, 2]), -2.5
    assert mistakes_named(mistake[:2], RIGHT, m=mistake) == []
    assert mistakes_named((mistake[0].astype(float), *mistake[1:]), RIGHT, m=mistake) == []


def test_what_is_no_number_equals_only_what_is_no_number():
    some, none = np.array([1.0, np.nan]), np.array([1.0, 2.0])
    assert compare(some, some, ["y"]) == []
    assert [p.kind for p in compare(some, none, ["y"])] == ["nan"]
    assert [p.kind for p in compare(none, some, ["y"])] == ["value"]


@pytest.mark.parametrize("got", [5.0, -np.inf, np.finfo(float).max])
def test_infinity_equals_infinity_alone(got):
    limit = np.array([1.0, np.inf])
    assert compare(limit, limit, ["y"]) == []
    (problem,) = compare(np.array([1.0, got]), limit, ["y"])
    assert problem.kind == "value"
    assert len(compare(limit, np.array([1.0, got]), ["y"])) == 1


def answered_by(slug, name, change):
    """Run a chapter's visible check on its solution with one piece of the code replaced."""
    (exercise,) = (e for e in sources.exercises(slug) if e.name == name)
    old, new = change
    assert exercise.solution.count(old) == 1
    names = sources.locked_names(slug)
    exec(exercise.solution.replace(old, new), names)
    return Check(slug).report(names[name])


def test_a_mistake_that_agrees_in_lengths_alone_is_not_named():
    report = answered_by("encoder_decoder", "greedy_decode", ("E[symbol]", "E[symbol - 1]"))
    assert not report.ok
    assert report.mistakes == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            (
                "beam = [one for one in kept if one[0][-1] != end]",
                "beam = [one for one in continued if one[0][-1] != end][:width]",
            ),
            "Unfinished beginnings took the places",
        ),
        (("(finished or beam)[0]", "sorted(finished + beam, key=lambda one: "
          "-one[2] / len(one[0]) ** alpha)[0]"), "What was left at the end competed"),
        (("s = s - s.max()", "pass"), "The exponentials of large logits overflowed"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_beam_searches_that_go_wrong_are_told_how(change, words):
    report = answered_by("encoder_decoder", "beam_search", change)
    assert {message.startswith(words) for _, message in report.mistakes} == {True}


def test_a_further_example_is_tried_and_named_where_those_before_are_right():
    report = answered_by(
        "encoder_decoder", "greedy_decode",
        ("return tokens, lengths", "return tokens[: lengths.max()], lengths"),
    )  # fmt: skip
    assert "not right yet (every row ends before max_length)" in report.text
    assert "tokens equals a known mistake: tokens ends with the longest row" in report.text
    assert not report.ok
    right = answered_by("encoder_decoder", "greedy_decode", ("int)", "np.int64)"))
    assert right.text == "greedy_decode: all 2 examples are right (tokens, lengths)."
