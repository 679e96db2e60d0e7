"""The one mask of a padded batch: which steps are true ones."""

import numpy as np

from lib import validate


def live_steps(lengths: np.ndarray | None, steps: int, batch: int) -> np.ndarray:
    """Mark the steps (T, N) that are no padding: t < length, or all without lengths."""
    lengths = validate.lengths(lengths, steps, batch)
    ends = np.full(batch, steps) if lengths is None else lengths
    return np.arange(steps)[:, None] < ends


def padded_steps(lengths: np.ndarray | None, steps: int, batch: int) -> np.ndarray | None:
    """Mark the true steps as :func:`live_steps` does; ``None`` without lengths."""
    return None if lengths is None else live_steps(lengths, steps, batch)


def partly_live(live: np.ndarray | None, steps: int) -> list[np.ndarray | None]:
    """List for each step which rows (N,) are true ones; ``None`` where all are."""
    if live is None:
        return [None] * steps
    return [None if row.all() else row for row in live]


def cover(values: np.ndarray, live: np.ndarray | None) -> np.ndarray:
    """Put zeros on the padding of ``values`` (T, N, …), whatever stands there.

    ``live`` (T, N) is ``None`` where there is no padding; then ``values`` itself comes back.
    """
    if live is None:
        return values
    return np.where(live[..., None], values, values.dtype.type(0))
