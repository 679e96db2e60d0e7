"""Kinds of wrong answers over all functions of the course: each kind loses marks everywhere."""

import ast
import functools
import os
import re

import numpy as np
import pytest

from authoring import differences, sources
from authoring.forwards import ATTACKS
from grading import hidden
from grading.hidden import SEED_VARIABLE
from lib import tree

FUNCTIONS = [(slug, e.name) for slug in sources.available() for e in sources.exercises(slug)]
SEEDS = ("public", "one", "two")


@functools.cache
def solution(slug, name):
    return sources.run_solutions(slug)[name]


@functools.cache
def exercise(slug, name):
    (found,) = (e for e in sources.exercises(slug) if e.name == name)
    return found


@functools.cache
def parts(slug, name, seed):
    files = hidden.read(sources.source_directory(slug))
    before = os.environ.get(SEED_VARIABLE)
    os.environ[SEED_VARIABLE] = seed
    try:
        return hidden.declared(files, slug, name)
    finally:
        if before is None:
            del os.environ[SEED_VARIABLE]
        else:
            os.environ[SEED_VARIABLE] = before


def score(slug, name, wrong, monkeypatch, seed="public"):
    def learner(**arguments):
        return wrong(**arguments)

    learner.__name__ = name
    monkeypatch.setenv(SEED_VARIABLE, seed)
    return sources.run_test(slug, learner)[0]


def changed(slug, name, old, new):
    """Return the solution with a piece of its code replaced."""
    source = exercise(slug, name).solution
    assert old in source
    names = sources.locked_names(slug)
    exec(source.replace(old, new), names)
    return names[name]


def same(one, other):
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=True)
    return one == other


@pytest.mark.parametrize(("slug", "name"), FUNCTIONS)
def test_no_part_can_be_answered_from_a_table(slug, name):
    for one, other in zip(parts(slug, name, "one"), parts(slug, name, "two"), strict=True):
        expected = [case.expected for case in one.cases], [case.expected for case in other.cases]
        assert not same(*expected), one.words


# --- arithmetic ------------------------------------------------------------------


def has_floats(value):
    if isinstance(value, (tuple, list)):
        return any(map(has_floats, value))
    return isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def cast(value, dtype):
    return tree.tree_map(
        lambda a: a.astype(dtype) if getattr(a, "dtype", np.dtype(int)).kind == "f" else a, value
    )


# No array is computed with: values are copied, or compared with others.
EXACT = {("bidirectional", "reverse_padded"), ("deep", "dropout_masks")}
REAL = [
    (slug, name)
    for slug, name in FUNCTIONS
    if (slug, name) not in EXACT and has_floats(parts(slug, name, "public")[0].cases[0].expected)
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("slug", "name"), REAL)
def test_float32_within_loses_marks(slug, name, monkeypatch):
    def narrow(**arguments):
        found = solution(slug, name)(**{k: cast(v, np.float32) for k, v in arguments.items()})
        if isinstance(found, (tuple, list)):
            return type(found)(cast(part, float) for part in found)
        return cast(np.asarray(found), float)

    assert score(slug, name, narrow, monkeypatch) < exercise(slug, name).points


# --- what arrives, clipped -------------------------------------------------------

ARRIVING = [
    (slug, name)
    for slug, name in FUNCTIONS
    if "backward" in name
    and any(key.startswith("d") for key in parts(slug, name, "public")[0].cases[0].arguments)
]


@pytest.mark.parametrize("limit", [10.0, 1000.0])
@pytest.mark.parametrize(("slug", "name"), ARRIVING)
def test_clipped_gradients_lose_marks(slug, name, limit, monkeypatch):
    def clip(value):
        return tree.tree_map(lambda a: np.clip(a, -limit, limit), value)

    def arriving(**arguments):
        clipped = {k: clip(v) if k.startswith("d") else v for k, v in arguments.items()}
        return solution(slug, name)(**clipped)

    def leaving(**arguments):
        found = solution(slug, name)(**arguments)
        return tuple(map(clip, found)) if isinstance(found, tuple) else clip(found)

    points = exercise(slug, name).points
    assert score(slug, name, arriving, monkeypatch) < points
    assert score(slug, name, leaving, monkeypatch) < points


class ClipEachStep(ast.NodeTransformer):
    """Clips what a loop of a function carries from step to step, where it is assigned."""

    def __init__(self):
        self.before = set()
        self.depth = self.count = 0

    def visit_For(self, node):
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1
        return node

    def visit_Assign(self, node):
        names = {n.id for target in node.targets for n in ast.walk(target) if hasattr(n, "id")}
        if self.depth == 0:
            self.before |= names
        elif len(names) == 1 and names <= self.before and isinstance(node.targets[0], ast.Name):
            self.count += 1
            value = ast.unparse(node.value)
            node.value = ast.parse(f"np.clip({value}, -10.0, 10.0)", mode="eval").body
        return node


def clipped_each_step(slug, name):
    transformer = ClipEachStep()
    tree_of = transformer.visit(ast.parse(exercise(slug, name).solution))
    return ast.unparse(ast.fix_missing_locations(tree_of)), transformer.count


STEPPING = [key for key in ARRIVING if clipped_each_step(*key)[1]]


def test_the_functions_that_carry_a_gradient_are_found():
    names = {name for _, name in STEPPING}
    assert names >= {"rnn_backward", "lstm_backward", "gru_backward", "peephole_backward"}


@pytest.mark.parametrize(("slug", "name"), STEPPING)
def test_gradients_clipped_at_each_step_lose_marks(slug, name, monkeypatch):
    names = sources.locked_names(slug)
    exec(clipped_each_step(slug, name)[0], names)
    assert score(slug, name, names[name], monkeypatch) < exercise(slug, name).points


# --- masks -----------------------------------------------------------------------

MASKED = [key for key in FUNCTIONS if "-np.inf" in exercise(*key).solution]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fill", ["-100.0", "-1e3", "-1e4"])
@pytest.mark.parametrize(("slug", "name"), MASKED)
def test_masked_scores_filled_with_a_number_lose_marks(slug, name, fill, seed, monkeypatch):
    wrong = changed(slug, name, "-np.inf", fill)
    assert score(slug, name, wrong, monkeypatch, seed) < exercise(slug, name).points


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("lowered", ["-100.0", "-1e4", "-1e9"])
@pytest.mark.parametrize(("slug", "name"), MASKED)
def test_masked_scores_lowered_by_a_number_lose_marks(slug, name, lowered, seed, monkeypatch):
    source = sources.body(exercise(slug, name).solution)
    fill = r"e = np\.where\((.*), e, -np\.inf\)"
    other = re.sub(fill, rf"e = e + np.where(\1, 0.0, {lowered})", source)
    assert other != source
    wrong = sources.function_of(slug, name, other)
    assert score(slug, name, wrong, monkeypatch, seed) < exercise(slug, name).points


# --- guards against zero ---------------------------------------------------------

GUARDS = [
    ("vanishing_gradients", "clip_by_norm", "max(norm, v)", "max(norm + 1e-6, v)"),
    ("vanishing_gradients", "clip_by_norm", "v / max(norm, v)", "min(1, v / (norm + 1e-6))"),
    ("vanishing_gradients", "clip_by_norm", "max(norm, v)", "max(norm, v, 1e-8)"),
    ("attention", "scores", "np.linalg.norm(queries, axis=2, keepdims=True)",
     "(np.linalg.norm(queries, axis=2, keepdims=True) + 1e-8)"),
]  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("slug", "name", "old", "new"), GUARDS)
def test_a_guard_that_changes_the_answer_loses_marks(slug, name, old, new, seed, monkeypatch):
    wrong = changed(slug, name, old, new)
    assert score(slug, name, wrong, monkeypatch, seed) < exercise(slug, name).points


# --- numerical differentiation ---------------------------------------------------

COSTLY = [key for key in FUNCTIONS if key in ATTACKS and key not in differences.OPEN]


def entries(value):
    """Count what is computed with, in arrays that are no integers."""
    if isinstance(value, (tuple, list)):
        return sum(map(entries, value))
    return value.size if isinstance(value, np.ndarray) and value.dtype.kind == "f" else 0


@pytest.mark.parametrize(("slug", "name"), COSTLY)
def test_half_the_points_are_dear_to_differences(slug, name):
    """A forward pass for each result, each a multiplication for each argument at least."""
    dear = 0
    for part in parts(slug, name, "public"):
        costs = [
            entries(case.expected) * sum(map(entries, case.arguments.values()))
            for case in part.cases
        ]
        dear += part.points if max(costs) > 5e8 else 0
    assert dear >= exercise(slug, name).points / 2
