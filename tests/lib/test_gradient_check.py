"""The judge is right about functions whose gradient is known, and sees what is wrong."""

from typing import NamedTuple

import numpy as np
import pytest

from lib import gradient_check, tree


class Node(NamedTuple):
    W: np.ndarray
    b: object = None


POINT = Node(np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]]), (np.array([0.5]), None))


def cubic(at):
    return float((at.W**3).sum() + at.W[0, 1] * np.sin(at.b[0][0]))


def exact(at):
    dW = 3 * at.W**2
    dW[0, 1] += np.sin(at.b[0][0])
    return Node(dW, (np.array([at.W[0, 1] * np.cos(at.b[0][0])]), None))


@pytest.mark.equations("bptt-central-difference", "bptt-relative-error")
def test_finds_the_gradient_of_a_known_function():
    got = gradient_check.numerical_gradient(cubic, POINT)
    assert type(got) is Node
    assert got.b[1] is None
    np.testing.assert_allclose(tree.to_vector(got), tree.to_vector(exact(POINT)), rtol=1e-9)
    assert gradient_check.check(cubic, POINT, exact(POINT)).relative < 1e-8


@pytest.mark.equations("bptt-central-difference")
def test_differences_are_central_and_divided_by_twice_the_step():
    # For x³ a central difference with step h is 3x² + h², a one-sided one 3x² + 3xh + h².
    got = gradient_check.numerical_gradient(lambda x: float(x**3), np.array(2.0), step=0.5)
    assert got == pytest.approx(12.25, abs=1e-12)


def test_the_point_is_not_modified_and_not_handed_out():
    before = tree.to_vector(POINT)

    def spoiling(at):
        value = cubic(at)
        assert at.W is not POINT.W
        return value

    gradient_check.numerical_gradient(spoiling, POINT)
    np.testing.assert_array_equal(tree.to_vector(POINT), before)


@pytest.mark.equations("bptt-relative-error")
def test_the_largest_error_is_named():
    wrong = exact(POINT)
    wrong.b[0][0] *= 1.1
    wrong.W[1, 1] += 1e-4
    found = gradient_check.compare(wrong, exact(POINT))
    right = exact(POINT).b[0][0]
    assert found.name == "b.0"
    assert found.relative == pytest.approx(0.1 / 2.1)
    assert found.absolute == pytest.approx(abs(0.1 * right))
    # The largest absolute error may stand elsewhere, and before.
    wrong.W[0, 0] += 5.0
    wrong.b[0][0] *= 1e6
    found = gradient_check.compare(wrong, exact(POINT)._replace(W=exact(POINT).W + 1e9))
    assert found.absolute == pytest.approx(1e9)


def test_noise_on_zeros_does_not_count():
    found = gradient_check.compare(np.array([1e-12]), np.array([0.0]))
    assert found.relative == pytest.approx(1e-6)
    assert gradient_check.compare(np.zeros(2), np.zeros(2)).relative == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_infinitely_wrong(bad):
    found = gradient_check.compare(Node(np.array([1.0, bad])), Node(np.ones(2)))
    assert found == ("W", np.inf, np.inf)


@pytest.mark.parametrize(
    ("analytic", "message"),
    [
        (Node(np.ones(3)), r"W: expected shape \(2,\), got \(3,\)"),
        (Node(np.ones(2), np.ones(1)), "longer|shorter"),
        (Node(None, np.ones(2)), "analytic: expected W, got b"),
    ],
)
def test_trees_that_differ_are_refused(analytic, message):
    with pytest.raises(ValueError, match=message):
        gradient_check.compare(analytic, Node(np.ones(2)))


def test_float32_and_a_step_that_is_none_are_refused():
    with pytest.raises(ValueError, match="W: expected dtype float64, got float32"):
        gradient_check.numerical_gradient(lambda _: 0.0, Node(np.ones(2, np.float32)))
    with pytest.raises(ValueError, match="step: expected a finite number above 0"):
        gradient_check.numerical_gradient(lambda _: 0.0, Node(np.ones(2)), step=0.0)


@pytest.mark.parametrize("number", [1e12, -1e300, np.inf, np.nan])
def test_a_number_that_the_step_does_not_change_is_refused(number):
    with pytest.raises(ValueError, match=r"at: expected finite numbers that 1e-05 changes, got"):
        gradient_check.numerical_gradient(lambda at: float(at[0]), np.array([number]))
