"""Losses: values and gradients against PyTorch, masks, extremes, bad input."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from lib import gradient_check
from lib.losses import (
    binary_cross_entropy,
    cross_entropy,
    length_mask,
    perplexity,
    squared_error,
)

T, N, K = 4, 3, 5


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.mark.equations("rnn-mask")
def test_length_mask():
    np.testing.assert_array_equal(length_mask([3, 1], 3), [[1, 1], [1, 0], [1, 0]])
    for lengths in ([0, 1], [4, 1], [1.0, 2.0]):
        with pytest.raises(ValueError, match="lengths: expected integers"):
            length_mask(lengths, 3)


@pytest.mark.equations("rnn-loss", "bptt-logits", "log-sum-exp")
@pytest.mark.parametrize("masked", [False, True])
def test_cross_entropy_equals_torch(masked, rng):
    logits, targets = rng.normal(size=(T, N, K)), rng.integers(K, size=(T, N))
    mask = length_mask([4, 1, 2], T) if masked else None
    loss, dlogits = cross_entropy(logits, targets, mask)
    there = torch.from_numpy(logits).requires_grad_()
    each = functional.cross_entropy(
        there.reshape(-1, K), torch.from_numpy(targets).reshape(-1), reduction="none"
    )
    total = (each.reshape(T, N) * torch.from_numpy(np.ones((T, N)) if mask is None else mask)).sum()
    (total / N).backward()
    assert loss == pytest.approx(total.item() / N, abs=1e-12)
    np.testing.assert_allclose(dlogits, there.grad.numpy(), atol=1e-14)


@pytest.mark.equations("bptt-logits")
def test_gradient_is_output_minus_target(rng):
    logits, targets = rng.normal(size=(N, K)), rng.integers(K, size=N)
    e = np.exp(logits)
    expected = (e / e.sum(axis=1, keepdims=True) - np.eye(K)[targets]) / N
    np.testing.assert_allclose(cross_entropy(logits, targets)[1], expected, atol=1e-15)


@pytest.mark.parametrize("masked", [False, True])
def test_squared_error_gradient(masked, rng):
    outputs, targets = rng.normal(size=(T, N, K)), rng.normal(size=(T, N, K))
    mask = length_mask([4, 1, 2], T) if masked else None
    loss, doutputs = squared_error(outputs, targets, mask)
    weight = np.ones((T, N)) if mask is None else mask
    assert loss == pytest.approx((0.5 * (outputs - targets) ** 2 * weight[..., None]).sum() / N)
    difference = gradient_check.check(
        lambda at: squared_error(at, targets, mask)[0], outputs, doutputs
    )
    assert difference.relative < 1e-6


@pytest.mark.parametrize("masked", [False, True])
def test_binary_cross_entropy_equals_torch(masked, rng):
    logits, targets = rng.normal(size=(T, N)), rng.random((T, N))
    mask = length_mask([4, 1, 2], T) if masked else None
    loss, dlogits = binary_cross_entropy(logits, targets, mask)
    there = torch.from_numpy(logits).requires_grad_()
    weight = torch.from_numpy(np.ones((T, N)) if mask is None else mask)
    total = functional.binary_cross_entropy_with_logits(
        there, torch.from_numpy(targets), weight=weight, reduction="sum"
    )
    (total / N).backward()
    assert loss == pytest.approx(total.item() / N, abs=1e-12)
    np.testing.assert_allclose(dlogits, there.grad.numpy(), atol=1e-14)


@pytest.mark.equations("rnn-mask")
@pytest.mark.parametrize("loss", [cross_entropy, squared_error, binary_cross_entropy])
def test_what_stands_on_padding_changes_nothing(loss, rng):
    shape = (T, N) if loss is binary_cross_entropy else (T, N, K)
    outputs, mask = rng.normal(size=shape), length_mask([4, 1, 2], T)
    targets = rng.integers(K, size=(T, N)) if loss is cross_entropy else rng.random(shape)
    value, gradient = loss(outputs, targets, mask)
    other = np.where(mask.reshape(mask.shape + (1,) * (len(shape) - 2)) > 0, outputs, 1e4)
    again, gradient_again = loss(other, targets, mask)
    assert value == again
    np.testing.assert_array_equal(gradient, gradient_again)
    assert not gradient[mask == 0].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_masked_may_be_anything(value, dtype, rng):
    mask = length_mask([4, 1, 2], T).astype(dtype)
    for loss, shape in [
        (cross_entropy, (T, N, K)),
        (squared_error, (T, N, K)),
        (binary_cross_entropy, (T, N)),
    ]:
        outputs = rng.normal(size=shape).astype(dtype)
        labels = loss is cross_entropy
        targets = rng.integers(K, size=(T, N)) if labels else rng.random(shape).astype(dtype)
        expected, gradient = loss(outputs, targets, mask)
        there, other = outputs.copy(), targets.copy()
        there[mask == 0] = value
        other[mask == 0] = -100 if labels else value
        assert loss(there, other, mask)[0] == expected
        np.testing.assert_array_equal(loss(there, other, mask)[1], gradient)
        if labels:
            assert perplexity(there, other, mask) == perplexity(outputs, targets, mask)
            # One class ruled out on padding, as log 0: the row that 0 · ∞ made NaN.
            there = np.where((mask[..., None] == 0) & (np.arange(K) == 0), -np.inf, outputs)
            assert loss(there, np.where(mask == 0, 0, targets), mask)[0] == expected


def test_a_class_that_is_ruled_out(rng):
    logits = np.array([[-np.inf, 0.0, 0.0]])
    loss, dlogits = cross_entropy(logits, np.array([1]))
    assert loss == pytest.approx(np.log(2))
    np.testing.assert_allclose(dlogits, [[0, -0.5, 0.5]])
    assert cross_entropy(logits, np.array([0]))[0] == np.inf


@pytest.mark.parametrize("row", [[-np.inf, -np.inf], [np.inf, 0.0]])
def test_a_row_without_a_finite_largest_logit_is_refused(row):
    with pytest.raises(ValueError, match="logits: expected a finite largest number"):
        cross_entropy(np.array([row]), np.array([0]))
    with pytest.raises(ValueError, match="logits: expected finite numbers, got inf"):
        binary_cross_entropy(np.array(row), np.zeros(2))
    with pytest.raises(ValueError, match="mask: expected finite weights"):
        cross_entropy(np.zeros((1, 2)), np.array([0]), np.array([np.inf]))


def test_float32_stays_float32_whatever_else_is_float64(rng):
    mask = length_mask([4, 1, 2], T)
    for loss, shape in [(squared_error, (T, N, K)), (binary_cross_entropy, (T, N))]:
        outputs = rng.normal(size=shape).astype(np.float32)
        assert loss(outputs, rng.random(shape), mask)[1].dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_of_a_sure_model_do_not_cancel(dtype):
    s = dtype(40.0)
    _, dlogits = binary_cross_entropy(np.array([s, -s]), np.array([1, 0], dtype))
    expected = np.exp(-40.0) / 2
    np.testing.assert_allclose(dlogits, [-expected, expected], rtol=1e-6)


@pytest.mark.parametrize("targets", [[0.0, 1.5], [-0.5, 0.0]])
def test_targets_that_are_no_probabilities_are_refused(targets):
    with pytest.raises(ValueError, match="targets: expected probabilities from 0 to 1"):
        binary_cross_entropy(np.zeros(2), np.array(targets))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits(dtype):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, dlogits = cross_entropy(np.array([[1e4, -1e4]], dtype), np.array([1]))
        assert loss == pytest.approx(2e4)
        np.testing.assert_array_equal(dlogits, [[1, -1]])
        loss, dlogits = binary_cross_entropy(np.array([1e4, -1e4], dtype), np.array([0, 1], dtype))
        assert loss == pytest.approx(1e4)
        np.testing.assert_array_equal(dlogits, [0.5, -0.5])
        assert perplexity(np.array([[1e4, -1e4]], dtype), np.array([1])) == np.inf
    assert dlogits.dtype == dtype


@pytest.mark.equations("rnn-perplexity")
def test_perplexity(rng):
    targets = rng.integers(K, size=(T, N))
    assert perplexity(np.zeros((T, N, K)), targets) == pytest.approx(K)
    sure = 50.0 * np.eye(K)[targets]
    assert perplexity(sure, targets) == pytest.approx(1)
    mask = length_mask([4, 1, 2], T)
    logits = rng.normal(size=(T, N, K))
    o = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    real = [o[t, n, targets[t, n]] for t in range(T) for n in range(N) if mask[t, n]]
    expected = np.prod(real) ** (-1 / len(real))
    assert perplexity(logits, targets, mask) == pytest.approx(expected)
    with pytest.raises(ValueError, match="mask: expected a weight"):
        perplexity(logits, targets, 0 * mask)


@pytest.mark.parametrize(
    ("loss", "arguments", "message"),
    [
        (cross_entropy, (np.ones(3), np.ones(3, int)), r"logits: expected shape \(N, K\)"),
        (cross_entropy, (np.ones((2, 3), int), np.ones(2, int)), "logits: expected float"),
        (cross_entropy, (np.full((2, 3), np.nan), np.ones(2, int)), "logits: .* got NaN"),
        (cross_entropy, (np.ones((2, 3)), np.ones(2)), "targets: expected integers"),
        (cross_entropy, (np.ones((2, 3)), np.ones(3, int)), r"targets: expected shape \(2,\)"),
        (cross_entropy, (np.ones((2, 3)), np.array([0, 3])), "targets: expected integers from 0"),
        (cross_entropy, (np.ones((2, 3)), np.array([0, -1])), "targets: expected integers from 0"),
        (
            cross_entropy,
            (np.ones((2, 3)), np.ones(2, int), np.ones(3)),
            r"mask: expected shape \(2,\)",
        ),
        (perplexity, (np.ones((2, 3)), np.ones(3, int)), r"targets: expected shape \(2,\)"),
        (squared_error, (np.ones(3), np.ones(3)), "outputs: expected shape"),
        (squared_error, (np.ones((2, 3)), np.ones((3, 2))), r"targets: expected shape \(2, 3\)"),
        (
            squared_error,
            (np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 3))),
            r"mask: expected shape \(2,\)",
        ),
        (binary_cross_entropy, (np.ones((2, 3)), np.ones(2)), r"targets: expected shape \(2, 3\)"),
        (binary_cross_entropy, (np.ones(2, int), np.ones(2)), "logits: expected float"),
        (length_mask, (np.array([1, 2]), 4.5), "steps: expected an integer of at least 1, got 4.5"),
    ],
)
def test_bad_input_is_named(loss, arguments, message):
    with pytest.raises(ValueError, match=message):
        loss(*arguments)
