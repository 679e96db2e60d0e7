"""Initial weights have the range, the orthogonality and the distribution they promise."""

import numpy as np
import pytest

from lib import initializers


def rng(seed=0):
    return np.random.default_rng(seed)


def test_uniform_has_the_range_and_variance_of_its_fan():
    drawn = initializers.uniform(rng(), (200, 300), 16)
    assert drawn.shape == (200, 300)
    assert -0.25 <= drawn.min() < -0.249
    assert 0.249 < drawn.max() <= 0.25
    assert drawn.var() == pytest.approx(0.5**2 / 12, rel=0.02)
    assert drawn.mean() == pytest.approx(0, abs=0.002)


@pytest.mark.equations("vanishing-gradients-orthogonal-init")
@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_orthogonal_keeps_lengths_but_for_its_gain(size, gain):
    q = initializers.orthogonal(rng(), size, gain)
    np.testing.assert_allclose(q @ q.T, gain**2 * np.eye(size), atol=1e-14)


@pytest.mark.equations("vanishing-gradients-orthogonal-init")
def test_orthogonal_is_drawn_uniformly():
    # Without the signs of R, LAPACK's Q has a diagonal of one sign: its mean is not zero.
    drawn = np.array([initializers.orthogonal(rng(seed), 3) for seed in range(2000)])
    np.testing.assert_allclose(drawn.mean(0), 0, atol=0.06)
    np.testing.assert_allclose((drawn**2).mean(0), 1 / 3, atol=0.03)
    assert {round(float(np.linalg.det(q))) for q in drawn} == {-1, 1}


@pytest.mark.equations("vanishing-gradients-identity-init")
def test_identity():
    got = initializers.identity(3, 0.5, np.float32)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]])


def test_the_generator_decides_alone():
    for draw in (
        lambda r: initializers.uniform(r, (3, 3), 3),
        lambda r: initializers.orthogonal(r, 3),
    ):
        np.testing.assert_array_equal(draw(rng(5)), draw(rng(5)))
        assert (draw(rng(5)) != draw(rng(6))).any()


@pytest.mark.parametrize(
    "call",
    [
        lambda: initializers.uniform(rng(), (2, 2), 0),
        lambda: initializers.orthogonal(rng(), 0),
        lambda: initializers.identity(0),
        lambda: initializers.identity(2.0),
    ],
)
def test_sizes_below_one_are_refused(call):
    with pytest.raises(ValueError, match="expected an integer of at least 1"):
        call()
