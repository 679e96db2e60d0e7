"""The training loop's bookkeeping, and batches that lose nothing."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import optim, training
from lib.data import Batch
from tests.lib import cell_checks as checks


def quadratic(params, batch):
    """Loss ½‖θ − batch‖²."""
    error = params[0] - batch
    return 0.5 * float(error @ error), (error,)


START = (np.zeros(2),)
GOAL = np.array([3.0, 4.0])


def run(steps=5, batches=None, optimiser=None, **settings):
    batches = [GOAL] * 1000 if batches is None else batches
    optimiser = optimiser or optim.SGD(0.5)
    return training.fit(quadratic, START, batches, optimiser, steps, quiet=True, **settings)


def test_fit_records_losses_and_norms_before_each_step():
    result = run(steps=4)
    np.testing.assert_allclose(result.params[0], GOAL * (1 - 0.5**4))
    np.testing.assert_allclose(result.history.gradient_norm, [5, 2.5, 1.25, 0.625])
    np.testing.assert_allclose(result.history.loss, 12.5 * 0.25 ** np.arange(4))
    assert result.reason == "steps"
    assert result.history.evaluation.shape == (0,)
    np.testing.assert_array_equal(START[0], [0, 0])


def test_the_recorded_norm_is_that_before_clipping():
    result = run(steps=1, optimiser=optim.SGD(1.0, clip_norm=1.0))
    assert result.history.gradient_norm[0] == 5.0
    np.testing.assert_allclose(result.params[0], GOAL / 5)


def test_fit_ends_where_batches_run_out_and_draws_none_in_vain():
    assert len(run(steps=5, batches=[GOAL] * 3).history.loss) == 3
    source = iter([GOAL] * 5)
    run(steps=2, batches=source)
    assert len(list(source)) == 3


def test_fit_evaluates_every_so_often_and_at_the_end():
    seen = []

    def evaluate(params):
        seen.append(params[0].copy())
        return float(len(seen))

    result = run(steps=7, evaluate=evaluate, every=3)
    np.testing.assert_array_equal(result.history.evaluated_at, [3, 6, 7])
    np.testing.assert_array_equal(result.history.evaluation, [1, 2, 3])
    np.testing.assert_allclose(seen[0], GOAL * (1 - 0.5**3))
    assert len(run(steps=6, evaluate=evaluate, every=3).history.evaluation) == 2


def test_patience_gives_back_the_best_parameters():
    values = iter([5.0, 2.0, 3.0, 2.0, 9.0, 9.0])
    result = run(steps=100, evaluate=lambda _: next(values), every=1, patience=2)
    assert result.reason == "patience"
    np.testing.assert_array_equal(result.history.evaluation, [5, 2, 3, 2])
    np.testing.assert_allclose(result.params[0], GOAL * (1 - 0.5**2))


def test_a_new_best_renews_patience():
    values = iter([5.0, 6.0, 4.0, 6.0, 3.0, 7.0, 7.0])
    result = run(steps=100, evaluate=lambda _: next(values), every=1, patience=2)
    assert len(result.history.evaluation) == 7


def test_goal_ends_training_with_the_parameters_that_reached_it():
    def distance(params):
        return float(np.linalg.norm(params[0] - GOAL))

    result = run(steps=100, evaluate=distance, every=1, goal=0.7)
    assert result.reason == "reached"
    assert len(result.history.loss) == 3
    assert distance(result.params) == pytest.approx(0.625)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_divergence_ends_training_with_the_last_finite_parameters(bad):
    result = run(steps=10, batches=[GOAL, GOAL, np.array([bad, 0.0]), GOAL])
    assert result.reason == "diverged"
    assert len(result.history.loss) == 3
    np.testing.assert_allclose(result.params[0], GOAL * (1 - 0.5**2))


def test_a_finite_loss_with_an_infinite_gradient_diverges_too():
    def cliff(params, batch):
        return 1.0, (np.array([np.inf, 0.0]) if batch else np.ones(2),)

    result = training.fit(cliff, START, [0, 1, 0], optim.SGD(0.5), 3, quiet=True)
    assert result.reason == "diverged"
    np.testing.assert_array_equal(result.params[0], [-0.5, -0.5])


def test_quiet_writes_nothing_and_otherwise_there_is_a_bar(capsys):
    run()
    assert capsys.readouterr() == ("", "")
    training.fit(quadratic, START, [GOAL] * 2, optim.SGD(0.5), 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "2/2" in err


def test_without_tqdm_there_is_no_bar(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    result = training.fit(quadratic, START, [GOAL] * 2, optim.SGD(0.5), 2)
    assert len(result.history.loss) == 2
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"every": 0}, "every"),
        ({"patience": 0, "evaluate": lambda _: 0.0}, "patience"),
        ({"patience": 2}, "evaluate: expected a function"),
        ({"goal": 1.0}, "evaluate: expected a function"),
    ],
)
def test_fit_refuses_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        run(**settings)


def test_pad_puts_time_first_and_keeps_what_was_there():
    sequences = [np.arange(6.0).reshape(3, 2), np.ones((1, 2)), np.full((2, 2), 7.0)]
    padded, lengths = training.pad(sequences, value=-1)
    assert padded.shape == (3, 3, 2)
    np.testing.assert_array_equal(lengths, [3, 1, 2])
    for n, sequence in enumerate(sequences):
        np.testing.assert_array_equal(padded[: lengths[n], n], sequence)
        assert (padded[lengths[n] :, n] == -1).all()


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([], "at least one"),
        ([np.ones((2, 3)), np.ones((0, 3))], r"sequences\[1\]"),
        ([np.ones((2, 3)), np.ones((2, 4))], r"sequences\[1\]: expected shape \(T, 3\)"),
    ],
)
def test_pad_refuses(sequences, message):
    with pytest.raises(ValueError, match=message):
        training.pad(sequences)


def numbered(count, rng=None):
    """Make a data set whose inputs and targets carry the example's number."""
    lengths = np.arange(count) % 5 + 1 if rng is None else rng.integers(1, 9, count)
    xs, lengths = training.pad([np.full((n, 1), float(k)) for k, n in enumerate(lengths)])
    return Batch(xs, np.arange(count), lengths)


@checks.quick
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 4), st.integers(0, 10**6))
def test_a_pass_draws_each_example_at_most_once(count, size, pool, seed):
    size = min(size, count)
    rng = np.random.default_rng(seed)
    data = numbered(count, rng)
    batches = training.minibatches(data, size, rng, pool)
    drawn = [next(batches) for _ in range(count // size)]
    targets = np.concatenate([batch.targets for batch in drawn])
    assert len(set(targets.tolist())) == len(targets) == count // size * size
    for batch in drawn:
        assert len(batch.xs) == batch.lengths.max()
        np.testing.assert_array_equal(batch.xs[0, :, 0], batch.targets)
        np.testing.assert_array_equal(batch.lengths, data.lengths[batch.targets])


def test_passes_are_shuffled_anew_and_follow_the_seed():
    def draw(seed, many=6):
        batches = training.minibatches(numbered(20), 10, np.random.default_rng(seed))
        return [next(batches).targets.tolist() for _ in range(many)]

    assert draw(0) == draw(0) != draw(1)
    assert draw(0)[:2] != draw(0)[2:4]


def test_a_pool_puts_like_lengths_together():
    rng = np.random.default_rng(0)
    data = numbered(200, rng)

    def padding(pool):
        batches = training.minibatches(data, 10, np.random.default_rng(1), pool)
        one_pass = [next(batches) for _ in range(20)]
        return sum(int(np.sum(len(batch.xs) - batch.lengths)) for batch in one_pass)

    assert padding(pool=20) < padding(pool=1) / 3


@pytest.mark.parametrize(
    ("size", "pool", "lengths", "message"),
    [
        (0, 1, True, "batch_size"),
        (21, 1, True, "batch_size: expected at most 20 examples, got 21"),
        (5, 0, True, "pool"),
        (5, 2, False, "pool: expected 1 for data without lengths"),
    ],
)
def test_minibatches_refuse_before_the_first_batch(size, pool, lengths, message):
    data = numbered(20)
    data = data if lengths else data._replace(lengths=None)
    with pytest.raises(ValueError, match=message):
        training.minibatches(data, size, np.random.default_rng(0), pool)


@pytest.mark.parametrize(
    ("sequences", "value", "dtype", "expected"),
    [
        ([[1, 2, 3], [0.5, 1.7]], 0, float, [[1, 2, 3], [0.5, 1.7, 0]]),
        ([np.array([1], np.int8), np.array([300, 1])], 0, int, [[1, 0], [300, 1]]),
        ([np.array([1, 2], np.float32), np.array([0.1])], 0, float, [[1, 2], [0.1, 0]]),
        ([np.array([True, False]), np.array([7])], 0, int, [[1, 0], [7, 0]]),
        ([np.array([1.0, 2.0]), np.array([3.0])], np.nan, float, [[1, 2], [3, np.nan]]),
        ([np.array([1, 2], np.uint8), np.array([3], np.uint8)], 255, np.uint8, [[1, 2], [3, 255]]),
    ],
)
def test_padding_takes_the_type_that_holds_all(sequences, value, dtype, expected):
    padded, _ = training.pad(sequences, value)
    assert padded.dtype == dtype
    np.testing.assert_array_equal(padded.T, expected)


@pytest.mark.parametrize(
    ("sequences", "value", "message"),
    [
        ([np.array([1, 2], np.uint8)], 300, "value: expected numbers that uint8 can hold"),
        ([np.array([1, 2], np.uint8)], -1, "value: expected numbers that uint8 can hold"),
        ([np.array([1, 2])], 0.5, "value: expected numbers that int64 can hold"),
        ([np.array([1, 2])], np.nan, "value: expected numbers that int64 can hold"),
        ([np.array([2**53 + 1]), np.array([0.5])], 0, r"sequences\[0\]: expected numbers"),
        ([np.array([1j, 2])], 0, "sequences: expected real numbers, got complex128"),
        ([np.array([1, 2], object)], 0, "sequences: expected real numbers, got object"),
        ([np.ma.array([1, 2], mask=[0, 1])], 0, r"sequences\[0\]: .* got MaskedArray"),
    ],
)
def test_padding_refuses_what_a_cast_would_destroy(sequences, value, message):
    with pytest.raises(ValueError, match=message):
        training.pad(sequences, value)
