"""Save and load parameters as ``.npz``: arrays by name, no pickle, nothing half-written."""

import os
import secrets
import zipfile
import zlib
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from lib import tree

Tree = TypeVar("Tree")

_MALFORMED = (
    ValueError, TypeError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip

ROOT = "tree"
"""Name of the whole tree in the file: a field's array is ``tree.layers.0.W``."""


def save(path: str | os.PathLike[str], params: Any) -> None:
    """Write a tree of arrays to a file.

    The file is complete or is not there: it is written beside its place and moved. What
    is written holds names, shapes, dtypes and numbers, so that any NumPy can read it.

    Parameters
    ----------
    path : path of the file, by custom ending in ``.npz``
    params : tree of arrays
        Parameters, a state, or an optimiser's state.

    Raises
    ------
    ValueError
        Where a leaf is not an array of numbers or booleans.
    OSError
        Where the folder is missing or cannot be written.
    """
    arrays: dict[str, Any] = {}
    for name, leaf in tree.named_leaves(params, ROOT):
        if not isinstance(leaf, np.ndarray) or leaf.dtype.kind not in "biuf":
            kind = getattr(leaf, "dtype", type(leaf).__name__)
            raise ValueError(f"{name}: expected an array of numbers, got {kind}")
        arrays[name] = leaf
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(unfinished, "xb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def load(path: str | os.PathLike[str], like: Tree) -> Tree:
    """Read a tree that :func:`save` wrote.

    Parameters
    ----------
    path : path of the file
    like : tree of arrays
        Types, fields, shapes and dtypes that are expected, such as ``cell.init(rng)``.

    Returns
    -------
    tree of the type of ``like``

    Raises
    ------
    ValueError
        Where the file is no such file, or does not fit ``like``: the first field that is
        missing, left over, or of another shape or dtype is named.
    OSError
        Where there is no file, or it cannot be read.
    """
    expected = dict(tree.named_leaves(like, ROOT))
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except _MALFORMED as error:
            raise ValueError(f"{path}: expected an .npz file of plain arrays: {error}") from error
    for name, leaf in expected.items():
        if name not in arrays:
            raise ValueError(f"{path}: expected an array {name} {leaf.shape}, got none")
        found = arrays[name]
        if found.shape != leaf.shape or found.dtype != leaf.dtype:
            raise ValueError(
                f"{path}: expected {name} of shape {leaf.shape} and dtype {leaf.dtype}, "
                f"got {found.shape} and {found.dtype}"
            )
    for name in arrays:
        if name not in expected:
            raise ValueError(f"{path}: expected {len(expected)} arrays, got {name} besides")
    # tree_map and named_leaves go through the leaves in one order.
    values = iter([arrays[name] for name in expected])
    return tree.tree_map(lambda _: next(values), like)
