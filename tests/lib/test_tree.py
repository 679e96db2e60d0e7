"""Trees keep their types and leaves; what does not fit is refused."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import tree
from tests.lib import cell_checks as checks


class Node(NamedTuple):
    W: np.ndarray
    more: tuple | None = None


def draw(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return Node(
        rng.standard_normal((2, 3)).astype(dtype),
        (None, Node(rng.standard_normal(4).astype(dtype)), rng.standard_normal(()).astype(dtype)),
    )


def test_tree_map_keeps_types_and_pieces_that_are_off():
    value = draw()
    got = tree.tree_map(lambda a, b: a - b, value, value)
    assert type(got) is Node
    assert type(got.more) is tuple
    assert got.more[0] is None
    assert type(got.more[1]) is Node
    assert got.more[1].more is None
    assert all((leaf == 0).all() for leaf in tree.leaves(got))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((np.ones(2),), (np.ones(2), np.ones(2))),
        ((np.ones(2),), np.ones(2)),
        (np.ones(2), (np.ones(2), np.ones(2))),
        ((None,), (np.ones(2),)),
        ((np.ones(2),), (None,)),
        ((np.ones(2), (np.ones(1),)), (np.ones(2), np.ones(1))),
    ],
)
def test_trees_of_other_structure_are_refused(a, b):
    for function in (tree.add, lambda a, b: tree.where(np.array([True, False]), a, b)):
        with pytest.raises(ValueError, match="trees: expected"):
            function(a, b)


def test_names_say_where_a_leaf_is():
    named = list(tree.named_leaves(draw(), "p"))
    assert [name for name, _ in named] == ["p.W", "p.more.1.W", "p.more.2"]
    assert next(tree.named_leaves(draw()))[0] == "W"
    assert [name for name, _ in tree.named_leaves(np.ones(2))] == [""]
    assert [leaf.shape for leaf in tree.leaves(draw())] == [(2, 3), (4,), ()]


@checks.quick
@given(st.integers(0, 10**6), st.floats(-10, 10))
def test_arithmetic_is_that_of_the_vectors(seed, factor):
    a, b = draw(seed), draw(seed + 1)
    v, w = tree.to_vector(a), tree.to_vector(b)
    np.testing.assert_array_equal(tree.to_vector(tree.add(a, b)), v + w)
    np.testing.assert_array_equal(tree.to_vector(tree.scale(a, factor)), factor * v)
    np.testing.assert_array_equal(tree.to_vector(tree.zeros_like(a)), 0 * v)
    assert tree.norm(a) == pytest.approx(np.linalg.norm(v), rel=1e-12)
    assert tree.size(a) == len(v) == 11
    total = tree.tree_map(np.copy, a)
    tree.add_into(total, b)
    np.testing.assert_array_equal(tree.to_vector(total), v + w)
    np.testing.assert_array_equal(tree.to_vector(a), v)


def test_from_vector_undoes_to_vector():
    value = draw()
    back = tree.from_vector(tree.to_vector(value), tree.zeros_like(value))
    assert type(back) is Node
    for (name, got), (_, want) in zip(
        tree.named_leaves(back), tree.named_leaves(value), strict=True
    ):
        np.testing.assert_array_equal(got, want, err_msg=name)
    for bad in (np.ones(10), np.ones((11, 1))):
        with pytest.raises(ValueError, match=r"vector: expected shape \(11,\)"):
            tree.from_vector(bad, value)


def test_float32_stays():
    value = draw(dtype=np.float32)
    vector = np.ones(11)
    for got in (
        tree.scale(value, np.float64(0.5)),
        tree.add(value, value),
        tree.zeros_like(value),
        tree.from_vector(vector, value),
    ):
        assert {leaf.dtype for leaf in tree.leaves(got)} == {np.dtype(np.float32)}


def test_where_chooses_whole_rows():
    a = Node(np.ones((3, 2)), (np.ones(3), np.ones((3, 1, 2))))
    got = tree.where(np.array([True, False, True]), a, tree.zeros_like(a))
    for leaf in tree.leaves(got):
        np.testing.assert_array_equal(leaf.reshape(3, -1).min(1), [1, 0, 1])
        np.testing.assert_array_equal(leaf.reshape(3, -1).max(1), [1, 0, 1])


@pytest.mark.parametrize("rows", [np.array([1, 0, 1]), np.array([0.5, 0, 1]), [True, False, True]])
def test_rows_are_chosen_by_booleans(rows):
    with pytest.raises(ValueError, match="rows: expected an array of booleans, got"):
        tree.where(rows, np.ones(3), np.zeros(3))


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1.0, 1e170, 1e300])
def test_the_norm_survives_squares_that_overflow_or_underflow(size):
    assert tree.norm((np.array([3 * size]), np.array([[-4 * size]]))) == pytest.approx(5 * size)


def test_the_norm_of_float32_is_accumulated_in_float64():
    many = np.full(10_000_000, 0.1, np.float32)
    exact = np.sqrt(1e7) * np.float64(np.float32(0.1))
    assert tree.norm(many) == pytest.approx(exact, rel=1e-9)
    assert tree.norm(np.array([1e30], np.float32)) == pytest.approx(1e30)


def test_the_norm_of_nothing_of_zeros_and_of_what_is_not_finite():
    assert tree.norm(()) == tree.norm(None) == tree.norm(np.zeros(3)) == 0.0
    assert tree.norm((np.ones(2), np.array([np.inf]))) == np.inf
    for others in (np.zeros(2), np.ones(2), np.full(2, np.inf)):
        assert np.isnan(tree.norm((others, np.array([np.nan]))))
        assert np.isnan(tree.norm((np.array([np.nan]), others)))


def test_leaves_do_not_broadcast():
    a, b = (np.ones((2, 1)),), (np.ones((1, 2)),)
    for call in (lambda: tree.add(a, b), lambda: tree.add_into(a, (np.ones(1),))):
        with pytest.raises(ValueError, match="trees: expected shape"):
            call()
    with pytest.raises(ValueError, match=r"rows: expected shape \(2,\), got \(1,\)"):
        tree.where(np.array([True]), a, a)


@pytest.mark.parametrize(("number", "factor"), [(1e30, 1e-50), (1e-30, 1e50), (2.0, np.float64(3))])
def test_scaling_by_what_float32_cannot_hold(number, factor):
    (scaled,) = tree.scale((np.array([number], np.float32),), factor)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, [number * factor], rtol=1e-6)
