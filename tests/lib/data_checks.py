"""What the tests of everything that is drawn at random share."""

import numpy as np
import pytest


def assert_same(a, b):
    """Compare two values of one type, field by field."""
    assert type(a) is type(b)
    if isinstance(a, tuple):
        for one, two in zip(a, b, strict=True):
            assert_same(one, two)
    else:
        np.testing.assert_array_equal(a, b)


def assert_drawn_from_rng_alone(make):
    """Check that one seed gives one result, another seed another, and NumPy's global seed none."""
    np.random.seed(1)  # noqa: NPY002
    first = make(np.random.default_rng(0))
    np.random.seed(2)  # noqa: NPY002
    assert_same(first, make(np.random.default_rng(0)))
    with pytest.raises(AssertionError):
        assert_same(first, make(np.random.default_rng(1)))
