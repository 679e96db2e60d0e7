"""Messages name the argument, what was expected and what came; good input passes untouched."""

from typing import NamedTuple

import numpy as np
import pytest

from lib import validate


class Node(NamedTuple):
    W: object
    b: object = None


def test_good_input_comes_back_itself():
    xs = np.ones((2, 3))
    assert validate.array("xs", xs, ("T", 3)) is xs
    small = np.ones((2, 2), np.float32)
    assert validate.array("W", small, ("H", "H")) is small
    infinite = np.array([np.inf])
    assert validate.array("xs", infinite, (1,)) is infinite
    assert validate.positive("size", np.int64(3)) == 3
    assert type(validate.positive("size", np.int64(3))) is int
    assert validate.choice("merge", "sum", ["sum"]) == "sum"
    assert validate.fraction("rate", 0) == 0.0
    assert validate.positive_number("rate", np.float32(0.5)) == 0.5
    ids = np.array([0, 4])
    assert validate.integers("ids", ids, ("N",), 0, 4) is ids
    assert validate.integers("ids", np.zeros(0, int), (0,), 0, 4).shape == (0,)
    assert validate.lengths(None, 5, 2) is None
    np.testing.assert_array_equal(validate.lengths([5, 1], 5, 2), [5, 1])


@pytest.mark.parametrize("dtype", [*np.typecodes["AllInteger"], ">i4", ">u8"])
def test_integers_are_int64_from_the_door_on(dtype):
    ids = validate.integers("ids", np.array([0, 4], dtype), ("N",), 0, 4)
    lengths = validate.lengths(np.array([5, 1], dtype), 5, 2)
    for value in (ids, lengths):
        assert value.dtype == np.int64
        assert value.dtype.isnative
    np.testing.assert_array_equal(lengths - 5, [0, -4])
    with pytest.raises(ValueError, match="ids: expected integers from 0 to 4"):
        validate.integers("ids", np.array([0, np.iinfo(dtype).max], dtype), ("N",), 0, 4)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize(
    "make",
    [np.matrix, np.ma.MaskedArray, lambda x: np.asarray(x).view(type("My", (np.ndarray,), {}))],
)
def test_subclasses_are_refused(make):
    value = make([[1.0, 2.0]])
    name = type(value).__name__
    with pytest.raises(
        ValueError, match=rf"xs: expected a NumPy array of shape \(1, 2\), got {name}"
    ):
        validate.array("xs", value, (1, 2))
    with pytest.raises(ValueError, match=f"ids: .* got {name}"):
        validate.integers("ids", make([[1, 2]]), (1, 2), 0, 4)
    with pytest.raises(ValueError, match=f"p.W: .* got {name}"):
        validate.params("p", Node(value), Node((1, 2)))
    with pytest.raises(ValueError, match=f"p.W: .* got {name}"):
        validate.same_tree("p", Node(value), Node(np.ones((1, 2))))


def test_what_stands_elsewhere_comes_back_as_zero():
    xs, rows = np.array([[1.0, 2.0], [np.nan, np.inf]]), np.array([True, False])
    selected = validate.array("xs", xs, (2, 2), where=rows)
    np.testing.assert_array_equal(selected, [[1, 2], [0, 0]])
    assert np.isnan(xs[1, 0])
    with pytest.raises(ValueError, match=r"xs: .* got NaN"):
        validate.array("xs", xs, (2, 2), where=np.array([[True, False], [True, False]]))
    ids = np.array([3, 255], np.uint8)
    np.testing.assert_array_equal(validate.integers("ids", ids, (2,), 1, 4, rows), [3, 1])
    with pytest.raises(ValueError, match="ids: expected integers from 1 to 4"):
        validate.integers("ids", ids, (2,), 1, 4, ~rows)
    small = validate.array("xs", xs.astype(np.float32), (2, 2), where=rows)
    assert small.dtype == np.float32


SHAPES = Node((3, 2), (None, Node((3,))))


def test_parameters_of_these_shapes_pass():
    small = np.ones(3, np.float32)
    validate.params("p", Node(np.full((3, 2), np.nan), (None, Node(small))), SHAPES)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            Node(np.ones((3, 2)), (None, Node(np.ones((3, 1))))),
            "p.b[1].W: expected shape (3,), got (3, 1)",
        ),
        (
            Node(np.ones((3, 2)), (None, Node(np.ones(1)))),
            "p.b[1].W: expected shape (3,), got (1,)",
        ),
        (
            Node(np.ones((1, 3, 2)), (None, Node(np.ones(3)))),
            "p.W: expected shape (3, 2), got (1, 3, 2)",
        ),
        (Node(np.ones((3, 2), int), (None, Node(np.ones(3)))), "p.W: expected float32 or float64"),
        (
            Node(np.ones((3, 2), ">f2"), (None, Node(np.ones(3)))),
            "p.W: expected float32 or float64",
        ),
        (
            Node(3.0, (None, Node(np.ones(3)))),
            "p.W: expected a NumPy array of shape (3, 2), got float",
        ),
        (
            Node(np.ones((3, 2)), (np.ones(3), Node(np.ones(3)))),
            "p.b[0]: expected NoneType, got ndarray",
        ),
        (
            Node(np.ones((3, 2)), (None, (np.ones(3),))),
            "p.b[1]: expected Node of 2 fields, got tuple",
        ),
        ((np.ones((3, 2)), None), "p: expected Node of 2 fields, got tuple"),
        (None, "p: expected Node of 2 fields, got NoneType"),
    ],
)
def test_parameters_that_differ(value, message):
    with pytest.raises(ValueError, match="p") as error:
        validate.params("p", value, SHAPES)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: validate.shape("xs", np.ones(3), ("T", "N", 3)), "(T, N, 3), got (3,)"),
        (lambda: validate.shape("xs", np.ones((2, 4)), ("T", 3)), "(T, 3), got (2, 4)"),
        (lambda: validate.shape("xs", np.ones((0, 3)), ("T", 3)), "(T, 3), got (0, 3)"),
        (lambda: validate.shape("W", np.ones((2, 3)), ("H", "H")), "(H, H), got (2, 3)"),
        (lambda: validate.shape("b", np.ones((2, 3)), ("H",)), "(H,), got (2, 3)"),
    ],
)
def test_shapes(call, message):
    with pytest.raises(ValueError, match="expected shape") as error:
        call()
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1.0]], "xs: expected a NumPy array of shape (T, 1), got list"),
        (
            np.ones((1, 1), int),
            "xs: expected float32 or float64 of shape (T, 1), got dtype int64",
        ),
        (np.ones((1, 1), np.float16), "got dtype float16 of shape (1, 1)"),
        (np.ones((1, 1), complex), "got dtype complex128"),
        (np.array([["a"]]), "got dtype <U1"),
        (np.ones((2, 2)), "xs: expected shape (T, 1), got (2, 2)"),
        (np.array([[1.0], [np.nan]]), "xs: expected numbers of shape (T, 1), got NaN"),
    ],
)
def test_arrays(value, message):
    with pytest.raises(ValueError, match="xs") as error:
        validate.array("xs", value, ("T", 1))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([1.0]), "ids: expected integers of shape (N,), got dtype float64"),
        (np.array([True]), "got dtype bool"),
        (np.array([[1]]), "ids: expected shape (N,), got (1, 1)"),
        (np.array([0, 5]), "ids: expected integers from 0 to 4, got 0 to 5"),
        (np.array([-1, 4]), "ids: expected integers from 0 to 4, got -1 to 4"),
        (np.zeros(0, int), "ids: expected shape (N,), got (0,)"),
    ],
)
def test_integers(value, message):
    with pytest.raises(ValueError, match="ids") as error:
        validate.integers("ids", value, ("N",), 0, 4)
    assert message in str(error.value)


@pytest.mark.parametrize("value", [[0, 2], [6, 2], [2], [2, 2, 2], [2.0, 2.0]])
def test_lengths(value):
    with pytest.raises(ValueError, match="lengths: expected"):
        validate.lengths(np.array(value), 5, 2)


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", None, np.float64(2), np.timedelta64(2)])
def test_positive(value):
    with pytest.raises(ValueError, match="size: expected an integer of at least 1"):
        validate.positive("size", value)


@pytest.mark.parametrize(
    "value",
    [0, -1.0, np.inf, np.nan, True, "1", None, [1.0], 1j, np.complex64(1), np.timedelta64(1)],
)
def test_positive_number(value):
    with pytest.raises(ValueError, match="rate: expected a finite number above 0"):
        validate.positive_number("rate", value)


@pytest.mark.parametrize("value", [1, 1.0, -0.1, np.nan, False, "0", None])
def test_fraction(value):
    with pytest.raises(ValueError, match="rate: expected a number of at least 0 and below 1"):
        validate.fraction("rate", value)


def test_choice():
    with pytest.raises(ValueError, match="merge: expected one of 'concat', 'sum', got 'mean'"):
        validate.choice("merge", "mean", ["concat", "sum"])


def test_trees_of_one_structure_pass():
    value = Node(np.ones(2), (None, np.ones((1, 1), np.float32)))
    validate.same_tree("p", value, Node(np.zeros(2), (None, np.zeros((1, 1)))))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((np.ones(2), None), "p: expected Node of 2 fields, got tuple"),
        (Node(np.ones(3)), "p.W: expected shape (2,), got (3,)"),
        (Node(None), "p.W: expected a NumPy array of shape (2,), got NoneType"),
        (Node(np.ones(2), np.ones(2)), "p.b: expected NoneType, got ndarray"),
        (Node(np.array([1.0, np.nan])), "p.W: expected numbers of shape (2,), got NaN"),
        (None, "p: expected Node of 2 fields, got NoneType"),
    ],
)
def test_trees_that_differ(value, message):
    with pytest.raises(ValueError, match="p") as error:
        validate.same_tree("p", value, Node(np.zeros(2)))
    assert message in str(error.value)


def test_trees_name_the_place_in_a_plain_tuple():
    with pytest.raises(ValueError, match=r"p\[1\]\.W: expected shape"):
        validate.same_tree("p", (None, Node(np.ones(1))), (None, Node(np.ones(2))))
