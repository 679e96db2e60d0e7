"""What a cell shows, in the three places where it may run."""

import functools
import json
import sys
import types

import numpy as np
import pytest

from lib import showing, training
from lib.checking import Check, CheckFailed

SLUG = "lstm"


@pytest.fixture
def messages(monkeypatch):
    came = []
    monkeypatch.setattr(showing, "page", lambda kind, data: came.append((kind, data)))
    return came


@pytest.fixture
def check():
    return Check(SLUG)


def parameter_count(input_size, hidden_size, biases):
    return 4 * hidden_size * (input_size + hidden_size + biases)


def forget_bias_effect(bias, steps):
    raise NotImplementedError


def test_a_page_gets_plain_data(messages, check, capsys):
    check(parameter_count)
    check(forget_bias_effect)
    check(named(lambda **_: 3, "parameter_count"))
    assert json.loads(json.dumps(messages)) == [[kind, data] for kind, data in messages]
    right, unwritten, wrong = (data for kind, data in messages if kind == "report")
    assert (right["status"], right["problems"]) == ("right", [])
    assert unwritten["status"] == "open"
    assert (wrong["status"], wrong["problems"][0]["output"]) == ("wrong", "count")
    assert capsys.readouterr().out == ""


def named(function, name):
    function.__name__ = name
    return function


def test_a_terminal_gets_text_and_where_one_stands(check, capsys):
    check(parameter_count)
    assert capsys.readouterr().out.splitlines() == [
        "parameter_count: all 2 examples are right (count).",
        "1 of 11 right, 2 of 50 points visible.",
    ]


def test_what_was_right_and_is_wrong_now_counts_no_more(check, capsys):
    check(parameter_count)
    check(named(lambda **_: 3, "parameter_count"))
    assert "0 of 11 right, 0 of 50 points visible." in capsys.readouterr().out


def test_a_notebook_gets_a_sign_a_word_and_no_markup_of_the_learners(check, monkeypatch):
    shown = []
    display = types.SimpleNamespace(display=lambda bundle, raw: shown.append(bundle))
    ipython = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=1))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)

    def parameter_count(**_):
        raise KeyError("<script>")

    check(parameter_count)
    (bundle,) = shown
    assert "✘ not right yet" in bundle["text/html"]
    assert "&lt;script&gt;" in bundle["text/html"]
    assert "<script>" not in bundle["text/html"]
    assert bundle["text/plain"].startswith("parameter_count: not right yet.")


def test_all_is_a_table_in_the_notebooks_order(check, capsys):
    scope = {"check": check, "parameter_count": parameter_count, "forget_bias_effect": None}
    scope["lstm_state"] = lambda **_: (np.zeros(2), np.zeros(2))
    exec("check.all()", scope)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[:-1]] == list(check.points)
    assert next(iter(check.points)) == "lstm_gates"
    assert any("✔ parameter_count" in line and "2 points  right" in line for line in lines)
    assert any("✘ lstm_state" in line and "expected shape" in line for line in lines)
    assert lines[-1] == "1 of 11 right, 2 of 50 points visible."


def test_all_goes_to_a_page_as_rows(check, messages):
    exec("check.all()", {"check": check, "parameter_count": parameter_count})
    ((kind, table),) = messages
    assert kind == "table"
    assert {row["function"]: row["status"] for row in table["rows"]}["parameter_count"] == "right"


def undecorated(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


class Counter:
    def count(self, input_size, hidden_size, biases):
        return parameter_count(input_size, hidden_size, biases)

    __call__ = count


@pytest.mark.parametrize(
    "function",
    [
        functools.wraps(parameter_count)(undecorated(parameter_count)),
        functools.lru_cache(parameter_count),
        functools.partial(parameter_count),
        functools.partial(lambda extra, **kw: parameter_count(**kw), 0),
        undecorated(parameter_count),
        lambda input_size, hidden_size, biases: parameter_count(input_size, hidden_size, biases),
        Counter(),
        Counter().count,
    ],
    ids=["wraps", "cache", "partial", "of a lambda", "decorated", "lambda", "object", "method"],
)
def test_an_example_is_found_for_whatever_can_be_called(check, function, capsys):
    exec("check(parameter_count)", {"check": check, "parameter_count": function})
    assert capsys.readouterr().out.startswith("parameter_count: all 2 examples are right")


def test_the_name_that_a_function_is_bound_to_decides(check):
    lines = {"parameter_count": parameter_count, "lstm_state": parameter_count}
    assert check._name(parameter_count, lines) == "parameter_count"
    assert check._name(parameter_count, {"lstm_state": parameter_count}) == "lstm_state"


@pytest.mark.parametrize(("function", "came"), [(3, "int"), (len, "len"), (lambda: 0, "<lambda>")])
def test_what_has_no_example_is_said_to_have_none(check, function, came):
    with pytest.raises(ValueError, match=f"function: expected .*{came}"):
        check(function)


def test_the_line_that_failed_is_named_for_a_decorated_function_too(check):
    def parameter_count(**_):
        return [][0]

    inner = functools.wraps(parameter_count)(undecorated(parameter_count))
    assert ": return [][0]" in check.report(inner).text


def test_validate_gets_the_report_and_no_traceback(check, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(CheckFailed) as failed:
        check(forget_bias_effect)
    (text,) = failed.value._render_traceback_()
    assert text.startswith("forget_bias_effect: not written yet.")


def test_curves_go_to_a_page_as_numbers(messages):
    showing.curves(
        {"one": np.array([3.0, np.nan, -1.0])}, np.array([1, 2, 4]), xlabel="x", ylabel="y"
    )
    showing.curves({"two": np.array([3.0, 0.0])}, xlabel="x", ylabel="y", log=True)
    (_, first), (_, second) = messages
    assert first["lines"] == [{"name": "one", "x": [1.0, 2.0, 4.0], "y": [3.0, None, -1.0]}]
    assert second["lines"][0]["y"] == [3.0, None]


def test_a_long_line_keeps_its_ends(messages):
    showing.curves({"one": np.arange(10_001.0)}, xlabel="x", ylabel="y")
    ((_, data),) = messages
    (line,) = data["lines"]
    assert len(line["x"]) <= showing.LONGEST + 1
    assert (line["y"][0], line["y"][-1]) == (0.0, 10_000.0)


@pytest.mark.parametrize("series", [{}, {"a": np.zeros((2, 2))}, {"a": np.zeros(0)}])
def test_curves_that_cannot_be_drawn_are_refused(messages, series):
    with pytest.raises(ValueError, match="series"):
        showing.curves(series, xlabel="x", ylabel="y")
    assert messages == []


def test_progress_ends_where_it_should(messages, monkeypatch):
    monkeypatch.setattr(showing, "PAUSE", 0.0)
    assert list(showing.progress("abc", "letters")) == ["a", "b", "c"]
    assert messages[-1] == ("progress", {"done": 3, "total": 3, "words": "letters"})
    assert [data["done"] for _, data in messages] == [1, 2, 3, 3]


def test_training_tells_the_page_how_far_it_is(messages):
    from lib.optim import SGD

    def loss_and_gradient(params, batch):
        return float(params @ params), 2 * params

    training.fit(loss_and_gradient, np.ones(2), iter([None] * 4), SGD(0.1), steps=4)
    kind, data = messages[-1]
    assert (kind, data["done"], data["total"]) == ("progress", 4, 4)
    assert data["words"].startswith("loss 0.")
