"""The harness of hidden tests: points, reasons without values, seeds."""

import numpy as np
import pytest

from grading.hidden import SEED_VARIABLE, Failed, Hidden, generator


def reference(x, h, U, W, b):
    return np.tanh(x @ U.T + h @ W.T + b)


def case(rng):
    return {
        "x": rng.normal(size=(2, 3)),
        "h": rng.normal(size=(2, 4)),
        "U": rng.normal(size=(4, 3)),
        "W": rng.normal(size=(4, 4)),
        "b": rng.normal(size=4),
    }


def graded(function, capsys):
    function.__name__ = "rnn_step"
    hidden = Hidden("rnn", function)
    hidden.part(2, "random sizes", [case(hidden.rng), case(hidden.rng)], reference)
    hidden.part(1, "one more", [case(hidden.rng)], reference)
    return hidden.score(), capsys.readouterr().out


def test_a_right_answer_earns_all_points(capsys):
    score, text = graded(lambda **a: reference(**a), capsys)
    assert score == 3.0
    assert "3 of 3 points" in text


def test_one_wrong_case_costs_its_part_only(capsys):
    calls = []

    def wrong_second(**a):
        calls.append(1)
        return reference(**a) + (len(calls) == 2)

    score, text = graded(wrong_second, capsys)
    assert score == 1.0
    assert "0 of 2  random sizes: h: largest error 1" in text
    assert "1 of 1  one more" in text


def test_the_reason_gives_no_value_and_no_message_of_the_learner_away(capsys):
    def leak(x, **a):
        raise ValueError(f"the hidden x is {x}")

    score, text = graded(leak, capsys)
    assert score == 0.0
    assert "it raised ValueError" in text
    assert "hidden x" not in text
    _, text = graded(lambda **a: np.zeros((2, 4)), capsys)
    assert "expected" not in text.replace("expected shape", "")


def test_a_changed_argument_is_an_error(capsys):
    def greedy(**a):
        answer = reference(**a)
        a["x"] *= 0
        return answer

    score, text = graded(greedy, capsys)
    assert score == 0.0
    assert "changed its argument x in place" in text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "expected an array of numbers, got None"),
        (np.zeros((4, 2)), "expected shape (2, 4), got (4, 2)"),
        (np.zeros((2, 4), np.float32), "expected dtype float64, got float32"),
        (np.full((2, 4), np.nan), "not a number"),
        ("text", "expected an array of numbers, got a value of type str"),
    ],
)
def test_the_kind_of_a_wrong_answer_is_named(answer, words, capsys):
    _, text = graded(lambda **a: answer, capsys)
    assert words in text


def test_the_generator_depends_on_seed_chapter_and_function(monkeypatch):
    monkeypatch.delenv(SEED_VARIABLE, raising=False)
    draw = generator("rnn", "rnn_step").random()
    assert generator("rnn", "rnn_step").random() == draw
    assert generator("rnn", "rnn_forward").random() != draw
    assert generator("lstm", "rnn_step").random() != draw
    monkeypatch.setenv(SEED_VARIABLE, "of this class")
    assert generator("rnn", "rnn_step").random() != draw


def test_a_part_without_cases_is_a_mistake_of_the_course():
    def rnn_step(**a):
        return None

    with pytest.raises(ValueError, match="expected at least one, got none"):
        Hidden("rnn", rnn_step).part(1, "nothing", [], reference)


def test_examine_judges_what_has_no_reference(capsys):
    def rnn_step(**a):
        return np.zeros(2)

    hidden = Hidden("rnn", rnn_step)
    hidden.examine(1, "is zero", lambda run: "" if not run(x=1.0).any() else "not zero")
    hidden.examine(1, "is one", lambda run: "" if run(x=1.0).all() else "not one")

    def fails(run):
        raise Failed("no answer")

    hidden.examine(1, "fails", fails)
    assert hidden.score() == 1.0
    text = capsys.readouterr().out
    assert "0 of 1  is one: not one" in text
    assert "0 of 1  fails: no answer" in text
