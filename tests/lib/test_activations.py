"""Activations: values, derivatives from the output, extremes, and writing in place."""

import numpy as np
import pytest
import torch

from lib import gradient_check
from lib.activations import ACTIVATIONS, log_softmax, sigmoid, softmax, softmax_backward

TORCH = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu, "identity": lambda x: x}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.equations("sigmoid")
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_derivatives_equal_torch(name, rng):
    x, dy = rng.normal(0, 3, size=(4, 5)), rng.normal(size=(4, 5))
    y = ACTIVATIONS[name].forward(x)
    there = torch.from_numpy(x).requires_grad_()
    TORCH[name](there).backward(torch.from_numpy(dy))
    np.testing.assert_allclose(y, TORCH[name](there).detach().numpy(), atol=1e-14)
    np.testing.assert_allclose(ACTIVATIONS[name].backward(y, dy), there.grad.numpy(), atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_out_is_written_and_returned_and_nothing_else_is(name, dtype, rng):
    x, dy = (rng.normal(size=(4, 5)).astype(dtype) for _ in range(2))
    kept, kept_dy = x.copy(), dy.copy()
    y = ACTIVATIONS[name].forward(x)
    dx = ACTIVATIONS[name].backward(y, dy)
    assert y.dtype == dx.dtype == dtype
    assert not np.shares_memory(y, x)
    assert not np.shares_memory(dx, dy)
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(dy, kept_dy)

    buffer = np.full_like(x, np.nan)
    assert ACTIVATIONS[name].backward(y, dy, out=buffer) is buffer
    np.testing.assert_array_equal(buffer, dx)
    assert ACTIVATIONS[name].forward(x, out=x) is x
    np.testing.assert_array_equal(x, y)


@pytest.mark.equations("sigmoid")
def test_sigmoid_of_huge_numbers():
    x = np.array([-1e4, -800.0, 0.0, 800.0, 1e4])
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(sigmoid(x), [0, 0, 0.5, 1, 1])


@pytest.mark.equations("softmax", "log-sum-exp")
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_softmax_equals_torch_and_sums_to_one(axis, rng):
    s = rng.normal(0, 3, size=(3, 4, 5))
    there = torch.from_numpy(s)
    np.testing.assert_allclose(softmax(s, axis), torch.softmax(there, axis).numpy(), atol=1e-15)
    np.testing.assert_allclose(softmax(s, axis).sum(axis=axis), 1, atol=1e-15)
    np.testing.assert_allclose(
        log_softmax(s, axis), torch.log_softmax(there, axis).numpy(), atol=1e-14
    )


@pytest.mark.equations("softmax", "log-sum-exp")
def test_softmax_of_huge_logits():
    s = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        np.testing.assert_allclose(softmax(s), [[1, 0, 0], [1 / 3] * 3])
        np.testing.assert_allclose(log_softmax(s)[0], [0, -2e4, -1e4])


@pytest.mark.equations("softmax-backward")
@pytest.mark.parametrize("axis", [-1, 0])
def test_softmax_backward_is_the_whole_jacobian(axis, rng):
    s, dy = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    dx = softmax_backward(softmax(s, axis), dy, axis)
    difference = gradient_check.check(lambda at: float((softmax(at, axis) * dy).sum()), s, dx)
    assert difference.relative < 1e-6


@pytest.mark.parametrize("bad", [np.array([1, 2]), [1.0, 2.0], np.array(["a"])])
@pytest.mark.parametrize(
    "function", [*(a.forward for a in ACTIVATIONS.values()), softmax, log_softmax]
)
def test_what_is_no_array_of_floats_is_refused(function, bad):
    with pytest.raises(ValueError, match=r"[xs]: expected an array of floating-point numbers"):
        function(bad)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_is_exact_down_to_underflow(dtype):
    x = np.linspace(np.log(np.finfo(dtype).tiny), 50, 10_001).astype(dtype)
    with np.errstate(all="raise"):
        y = sigmoid(x)
    expected = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    assert y.dtype == dtype
    assert np.max(np.abs(y / expected - 1)) < (1e-6 if dtype is np.float32 else 1e-13)


@pytest.mark.parametrize("function", [softmax, log_softmax])
@pytest.mark.parametrize(("shape", "axis"), [((), -1), ((2, 0), -1), ((2, 3), 2), ((2, 3), -3)])
def test_an_axis_without_numbers_is_refused(function, shape, axis):
    with pytest.raises(ValueError, match=f"s: expected numbers along axis {axis}, got shape"):
        function(np.ones(shape), axis)


@pytest.mark.parametrize("function", [softmax, log_softmax])
@pytest.mark.parametrize("row", [[-np.inf, -np.inf], [np.inf, 0.0], [np.nan, 0.0]])
def test_a_row_without_a_finite_largest_number_is_refused(function, row):
    with pytest.raises(ValueError, match="s: expected a finite largest number along axis -1"):
        function(np.array([[0.0, 0.0], row]))
    with pytest.raises(ValueError, match="scores: expected a finite largest number"):
        function(np.array([row]), name="scores")


def test_softmax_of_one_logit_of_minus_infinity():
    s = np.array([0.0, -np.inf, 0.0])
    np.testing.assert_array_equal(softmax(s), [0.5, 0, 0.5])
    np.testing.assert_allclose(log_softmax(s), [-np.log(2), -np.inf, -np.log(2)])


@pytest.mark.parametrize(
    "function", [*(a.backward for a in ACTIVATIONS.values()), softmax_backward]
)
def test_an_upstream_gradient_that_would_broadcast_is_refused(function):
    with pytest.raises(ValueError, match=r"dy: expected shape \(3, 1\), as y, got \(1, 3\)"):
        function(np.ones((3, 1)), np.ones((1, 3)))
