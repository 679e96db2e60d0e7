"""The harness of hidden tests: points, reasons without values, seeds, files."""

import numpy as np
import pytest

from grading import hidden
from grading.hidden import SEED_VARIABLE, generator

FILES = {
    "reference.py": b"""
import numpy as np

def rnn_step(x, h, U, W, b):
    return np.tanh(x @ U.T + h @ W.T + b)

def first(x, **others):
    return x[0]
""",
    "examples.py": b"""
def rnn_step(rng, N):
    shapes = {"x": (N, 3), "h": (N, 4), "U": (4, 3), "W": (4, 4), "b": 4}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}
""",
    "hidden.py": b"""
from . import examples

def rnn_step(tests):
    tests.part(2, "random sizes", [examples.rnn_step(tests.rng, N) for N in (2, 2)])
    tests.part(1, "one more", [examples.rnn_step(tests.rng, 1)])
""",
}


def reference(x, h, U, W, b):
    return np.tanh(x @ U.T + h @ W.T + b)


def graded(function, capsys, files=FILES, points=3):
    with hidden.given(files, points):
        score = hidden.score("rnn", "rnn_step", function)
    return score, capsys.readouterr().out


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
    assert "0 of 2  random sizes: h: not right\n" in text
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


def test_a_changed_argument_is_an_error_and_costs_the_next_learner_nothing(capsys):
    def greedy(**a):
        answer = reference(**a)
        a["x"] *= 0
        return answer

    score, text = graded(greedy, capsys)
    assert score == 0.0
    assert "it changed an argument in place; leave arguments as they came\n" in text
    assert graded(reference, capsys)[0] == 3.0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "h: expected an array of numbers\n"),
        (np.zeros((4, 2)), "h: expected shape (2, 4)\n"),
        (np.zeros((0, 12, 34, 56)), "h: expected shape (2, 4)\n"),
        (np.zeros((2, 4), np.float32), "h: expected dtype float64\n"),
        (np.zeros((2, 4), [("secret", float)]), "h: expected real numbers\n"),
        (np.full((2, 4), np.nan), "h: not a number where a number is right\n"),
        ("text", "h: expected an array of numbers\n"),
        (np.full((2, 4), np.inf), "h: not right\n"),
        (np.full((2, 4), 12.345678), "h: not right\n"),
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


def test_what_was_drawn_for_one_class_is_not_used_for_another(monkeypatch):
    drawn = []
    for seed in ("one", "two", "one"):
        monkeypatch.setenv(SEED_VARIABLE, seed)
        (part, _) = hidden.declared(FILES, "rnn", "rnn_step")
        drawn.append(part.cases[0].arguments["x"])
    assert (drawn[0] == drawn[2]).all()
    assert (drawn[0] != drawn[1]).all()


def test_a_changed_file_is_used_at_once(capsys):
    other = FILES | {"reference.py": FILES["reference.py"].replace(b"np.tanh", b"np.sin")}
    assert graded(reference, capsys, other)[0] == 0.0
    assert graded(reference, capsys)[0] == 3.0


def test_a_part_may_have_a_reference_of_its_own(capsys):
    code = FILES["hidden.py"].replace(b"tests.rng, 1)]", b"tests.rng, 1)], reference.first")
    code = code.replace(b"import examples", b"import examples, reference")
    score, text = graded(reference, capsys, FILES | {"hidden.py": code})
    assert score == 2.0
    assert "one more: h: expected shape (3,)\n" in text


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("hidden.py", b"(tests.rng, N) for N in (2, 2)", b"(1) for N in ()", "at least one"),
        ("hidden.py", b"tests.part(2", b"tests.part(4", "expected 3 points in all, got 5"),
        ("hidden.py", b"def rnn_step", b"def rnn_stop", "expected a function rnn_step"),
        ("reference.py", b"def rnn_step", b"def rnn_stop", "reference: expected one"),
    ],
)
def test_what_does_not_fit_is_a_mistake_of_the_course(capsys, name, old, new, words):
    with pytest.raises(ValueError, match=words):
        graded(reference, capsys, FILES | {name: FILES[name].replace(old, new)})


def test_an_assignment_without_hidden_tests_does_not_fall_back_on_the_courses(capsys):
    with pytest.raises(ValueError, match="expected a function rnn_step"):
        graded(reference, capsys, {})
    assert hidden.score("rnn", "rnn_step", reference) > 0


@pytest.mark.parametrize("digit", [1, 5, 9])
@pytest.mark.parametrize(
    "channel",
    [
        lambda right, digit: right + 0.1 * digit,
        lambda right, digit: right * (1 + 1e-4 * digit),
        lambda right, digit: np.where(np.arange(4) == digit % 4, right, 0.0),
        lambda right, digit: np.where(np.arange(4) == digit % 4, np.nan, 0.0),
        lambda right, digit: np.zeros((digit + 2, 4)),
        lambda right, digit: (right,) * digit,
        lambda right, digit: np.zeros((2, 4), f"S{digit}"),
    ],
)
def test_words_about_a_wrong_result_carry_nothing_that_it_chose(channel, digit, capsys):
    said = [
        graded(lambda chosen=chosen, **a: channel(reference(**a), chosen), capsys)[1]
        for chosen in (2, digit)
    ]
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (1e-13, ""),
        (1e-8, "nearly right: an error of less than 0.001 %"),
        (1e-3, "not right: an error of less than 1 %"),
        (0.5, "h: not right\n"),
    ],
)
def test_the_size_of_an_error_is_said_in_classes(error, words, capsys):
    score, text = graded(lambda **a: reference(**a) * (1 + error), capsys)
    assert words in text
    assert (score == 3) == (not words)


def test_float32_within_is_not_float64(capsys):
    narrow = lambda **a: reference(**{k: v.astype("f") for k, v in a.items()}).astype(float)  # noqa: E731
    score, text = graded(narrow, capsys)
    assert score == 0
    assert "as float32" in text
