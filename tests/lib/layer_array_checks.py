"""What must hold for the arrays of every layer, whatever it computes: types, layouts, aliases."""

import numpy as np
import pytest

from lib import tree
from tests.lib import layer_checks as checks

LAYOUTS = {
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "columns first": np.asfortranarray,
    "backwards in memory": lambda a: a[..., ::-1].copy()[..., ::-1],
    "every second number": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "read-only": lambda a: _read_only(a.copy()),
}
INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]


def _read_only(a):
    a.setflags(write=False)
    return a


def with_leaf(whole, at, change):
    """Return ``whole`` with ``change`` applied to its leaf number ``at``."""
    count = iter(range(len(tree.leaves(whole))))
    return tree.tree_map(lambda leaf: change(leaf) if next(count) == at else leaf, whole)


def assert_layouts_change_nothing(layer, layout):
    """Byte order, strides and flags of what is passed in do not matter."""
    ex = checks.example(layer, T=7)
    lengths = np.array([7, 3, 5])
    other = checks.Example(*tree.tree_map(LAYOUTS[layout], tuple(ex)))
    got, want = (checks.gradients(layer, e, lengths) for e in (other, ex))
    checks.assert_same(got, want)


def assert_lengths_of_any_integers(layer):
    """Lengths are whole numbers, of whatever type: unsigned ones must not wrap."""
    ex = checks.example(layer, T=9)
    want = checks.gradients(layer, ex, np.array([9, 2, 5]))
    for kind in INTEGERS:
        checks.assert_same(checks.gradients(layer, ex, np.array([9, 2, 5], kind)), want, 0)


def assert_parameters_are_named(layer):
    """A parameter of another shape, type or precision raises, naming it: nothing broadcasts."""
    ex = checks.example(layer)
    N = ex.xs.shape[1]
    _, _, cache = layer.forward(ex.params, ex.xs)
    changes = [
        lambda a: a[..., None],
        lambda a: a[None],
        lambda a: a[:1] if len(a) > 1 else np.concatenate([a, a]),
        lambda a: np.repeat(a[..., :1], N, axis=-1) if a.shape[-1] != N else a[..., :1],
        lambda a: a.sum(),
        lambda a: a.tolist(),
        lambda a: np.ma.masked_array(a),
        lambda a: a.view(np.matrix) if a.ndim == 2 else a.astype(int),
        lambda a: a.astype(np.float16),
        lambda a: a.astype(np.float32),
    ]
    for k, (name, _) in enumerate(tree.named_leaves(ex.params)):
        field = name.split(".")[-1]
        for change in changes:
            bad = with_leaf(ex.params, k, change)
            with pytest.raises(ValueError, match=rf"{field}\]?: expected"):
                layer.forward(bad, ex.xs)
            with pytest.raises(ValueError, match=rf"{field}\]?: expected"):
                layer.backward(bad, cache, ex.dys)


def assert_nothing_is_aliased(layer):
    """What a caller does to outputs and states between the passes changes no gradient."""
    ex = checks.example(layer, T=7)
    lengths = np.array([7, 3, 5])
    want = checks.gradients(layer, ex, lengths)[2]
    state = tree.tree_map(np.copy, ex.state)
    ys, last, cache = layer.forward(ex.params, ex.xs, state, lengths)
    for leaf in (ys, *tree.leaves((last, state))):
        leaf[...] = 7
    checks.assert_same(layer.backward(ex.params, cache, ex.dys, ex.dstate), want, 0)


def assert_padding_may_be_anything(layer):
    """NaN and infinity on padding give what zeros there give."""
    ex = checks.example(layer, T=7)
    lengths = np.array([7, 3, 5])
    padding = (np.arange(7)[:, None] >= lengths)[..., None]
    want = checks.gradients(layer, ex, lengths)
    for anything in (np.inf, -np.inf, np.nan):
        other = ex._replace(
            xs=np.where(padding, anything, ex.xs), dys=np.where(padding, anything, ex.dys)
        )
        checks.assert_same(checks.gradients(layer, other, lengths), want, 0)
