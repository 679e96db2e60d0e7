"""Optimisers against torch.optim, clipping against its definition."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib import optim, tree
from tests.lib import cell_checks as checks


class Pair(NamedTuple):
    U: np.ndarray
    rest: tuple


def draw(rng, scale=1.0, dtype=np.float64):
    arrays = [(scale * rng.standard_normal(shape)).astype(dtype) for shape in [(3, 2), (4,), (2,)]]
    return Pair(arrays[0], (arrays[1], None, (arrays[2],)))


def torch_run(make, params, gradients, clip_norm):
    """Feed the same gradients to an optimiser of PyTorch."""
    leaves = [torch.tensor(leaf, requires_grad=True) for leaf in tree.leaves(params)]
    optimiser = make(leaves)
    for grads in gradients:
        for leaf, grad in zip(leaves, tree.leaves(grads), strict=True):
            leaf.grad = torch.tensor(grad)
        if clip_norm is not None:
            # PyTorch divides by the norm plus 1e-6; clipped exactly here.
            norm = torch.cat([leaf.grad.flatten() for leaf in leaves]).norm()
            for leaf in leaves:
                leaf.grad *= min(1.0, clip_norm / norm.item())
        optimiser.step()
    return [leaf.detach().numpy() for leaf in leaves]


OPTIMISERS = [
    (optim.SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    (optim.SGD(0.05, momentum=0.9), lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)),
    (
        optim.SGD(0.05, momentum=0.5, clip_norm=1.5),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.5),
    ),
    (optim.Adam(0.01), lambda p: torch.optim.Adam(p, 0.01)),
    (
        optim.Adam(0.01, beta1=0.8, beta2=0.95, epsilon=1e-3, clip_norm=0.5),
        lambda p: torch.optim.Adam(p, 0.01, betas=(0.8, 0.95), eps=1e-3),
    ),
]


@pytest.mark.parametrize(("optimiser", "make"), OPTIMISERS)
@checks.quick
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 8))
def test_agrees_with_pytorch(optimiser, make, seed, steps):
    rng = np.random.default_rng(seed)
    params = draw(rng)
    gradients = [draw(rng, 10.0 ** rng.integers(-4, 3)) for _ in range(steps)]
    wanted = torch_run(make, params, gradients, optimiser.clip_norm)
    state = optimiser.init(params)
    for grads in gradients:
        params, state = optimiser.update(params, grads, state)
    assert type(params) is Pair
    assert params.rest[1] is None
    for got, want in zip(tree.leaves(params), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("optimiser", "make"), OPTIMISERS)
def test_modifies_nothing_and_shares_nothing_between_runs(optimiser, make):
    rng = np.random.default_rng(0)
    params, grads = draw(rng), draw(rng)
    before = [leaf.copy() for leaf in tree.leaves((params, grads))]
    state = optimiser.init(params)
    first, after = optimiser.update(params, grads, state)
    optimiser.update(first, grads, after)
    again, _ = optimiser.update(params, grads, state)
    for got, want in zip(tree.leaves((params, grads)), before, strict=True):
        np.testing.assert_array_equal(got, want)
    for got, want in zip(tree.leaves(again), tree.leaves(first), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("optimiser", "make"), OPTIMISERS)
def test_keeps_float32(optimiser, make):
    rng = np.random.default_rng(0)
    params = draw(rng, dtype=np.float32)
    state = optimiser.init(params)
    for _ in range(2):
        params, state = optimiser.update(params, draw(rng, dtype=np.float32), state)
    for leaf in tree.leaves((params, state)):
        assert leaf.dtype == np.float32 or leaf.shape == ()


def test_settings_given_as_numpy_scalars_keep_float32():
    params = (np.ones(2, np.float32),)
    for optimiser in (
        optim.SGD(np.float64(0.1), np.float64(0.9), np.float64(0.1)),
        optim.Adam(np.float64(0.1), np.float64(0.9), np.float64(0.9), np.float64(0.1)),
    ):
        new, _ = optimiser.update(params, params, optimiser.init(params))
        assert new[0].dtype == np.float32


@pytest.mark.equations("vanishing-gradients-clip-norm")
@checks.quick
@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_clip_by_norm_shortens_along_the_same_direction(seed, threshold):
    grads = draw(np.random.default_rng(seed), 3.0)
    clipped, norm = optim.clip_by_norm(grads, threshold)
    vector, got = tree.to_vector(grads), tree.to_vector(clipped)
    assert norm == pytest.approx(np.linalg.norm(vector), rel=1e-12)
    assert np.linalg.norm(got) == pytest.approx(min(norm, threshold), rel=1e-12)
    assert got @ vector == pytest.approx(np.linalg.norm(got) * norm, rel=1e-12)


@pytest.mark.equations("vanishing-gradients-clip-norm")
def test_clip_by_norm_counts_all_arrays_together():
    clipped, norm = optim.clip_by_norm((np.array([3.0]), np.array([[4.0]])), 1.0)
    assert norm == 5.0
    np.testing.assert_allclose(tree.to_vector(clipped), [0.6, 0.8])


@pytest.mark.equations("vanishing-gradients-clip-value")
def test_clip_by_value_reaches_negative_entries():
    grads = (np.array([-5.0, -0.5, 0.0, 0.5, 5.0]),)
    np.testing.assert_array_equal(optim.clip_by_value(grads, 1.0)[0], [-1, -0.5, 0, 0.5, 1])
    assert grads[0][0] == -5.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.SGD(0.0), "learning_rate: expected a finite number above 0, got 0.0"),
        (lambda: optim.SGD(np.nan), "learning_rate"),
        (lambda: optim.SGD(0.1, momentum=1.0), "momentum: .* below 1, got 1.0"),
        (lambda: optim.SGD(0.1, clip_norm=-1.0), "clip_norm"),
        (lambda: optim.Adam(-1.0), "learning_rate"),
        (lambda: optim.Adam(beta1=1.0), "beta1"),
        (lambda: optim.Adam(beta2=-0.1), "beta2"),
        (lambda: optim.Adam(epsilon=0.0), "epsilon"),
        (lambda: optim.Adam(clip_norm=np.inf), "clip_norm"),
        (lambda: optim.clip_by_norm((np.ones(2),), 0.0), "threshold"),
        (lambda: optim.clip_by_norm((np.array([np.inf]),), 1.0), "grads: expected a finite norm"),
        (lambda: optim.clip_by_value((np.ones(2),), -1.0), "threshold"),
    ],
)
def test_refuses_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("optimiser", [optim.SGD(0.1), optim.Adam()])
@pytest.mark.parametrize(
    ("grads", "message"),
    [
        ((np.ones(3),), r"grads\[0\]: expected shape \(2,\), got \(3,\)"),
        ((np.ones(2), np.ones(2)), "grads: expected tuple of 1 fields"),
        ((np.array([1.0, np.nan]),), r"grads\[0\]: .* got NaN"),
    ],
)
def test_refuses_gradients_that_do_not_fit(optimiser, grads, message):
    params = (np.ones(2),)
    with pytest.raises(ValueError, match=message):
        optimiser.update(params, grads, optimiser.init(params))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("size", "threshold"), [(1e30, 1e-20), (1e-20, 1e-30), (3.0, 2.0)])
def test_clipping_by_norm_far_from_one(dtype, size, threshold):
    grads = (np.array([3 * size, 4 * size], dtype),)
    clipped, norm = optim.clip_by_norm(grads, np.float64(threshold))
    assert norm == pytest.approx(5 * size)
    assert clipped[0].dtype == dtype
    np.testing.assert_allclose(clipped[0], [0.6 * threshold, 0.8 * threshold], rtol=1e-6)


def test_clipping_by_norm_where_the_quotient_underflows():
    (clipped,), _ = optim.clip_by_norm((np.array([3e305, 4e305]),), 1e-20)
    np.testing.assert_allclose(clipped, [0.6e-20, 0.8e-20], rtol=1e-12)


@pytest.mark.parametrize("threshold", [1e300, 1e-300, np.float64(0.5), np.float32(0.5), 1])
def test_clipping_by_value_keeps_float32(threshold):
    g = np.array([-2.0, 0.25, 2.0], np.float32)
    with np.errstate(all="raise", under="ignore"):
        clipped = optim.clip_by_value((g,), threshold)[0]
    assert clipped.dtype == np.float32
    np.testing.assert_array_equal(
        clipped, np.clip(g.astype(float), -threshold, threshold).astype("f4")
    )


@pytest.mark.parametrize("optimiser", [optim.SGD(0.1, 0.9, 1.0), optim.Adam(np.float64(0.1))])
def test_float64_gradients_leave_float32_parameters_float32(optimiser):
    params = (np.ones(3, np.float32),)
    state = optimiser.init(params)
    for _ in range(2):
        params, state = optimiser.update(params, (np.array([1.0, -2.0, 3.0]),), state)
    assert all(leaf.dtype == np.float32 for leaf in tree.leaves(params))


def test_adam_says_where_a_square_overflows():
    params = (np.ones(1, np.float32),)
    with pytest.raises(ValueError, match="grads: expected numbers whose squares are finite"):
        optim.Adam().update(params, (np.array([1e20], np.float32),), optim.Adam().init(params))
