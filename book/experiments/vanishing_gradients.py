"""The numbers of chapter 3's error flow, so that it can be measured anew for any radius.

Nothing is trained: one network of 50 units as it is drawn, the page's with seed 0.
"""

from typing import Any

import numpy as np

HIDDEN, INPUTS, STEPS, SCALE = 50, 4, 60, 0.3


def figure() -> dict[str, Any]:
    """Return W of spectral radius 1, U x of every step, and an error of norm 1 at the end."""
    rng = np.random.default_rng(0)
    U = SCALE * rng.normal(size=(HIDDEN, INPUTS))
    W = rng.normal(size=(HIDDEN, HIDDEN))
    W /= np.abs(np.linalg.eigvals(W)).max()
    dh = rng.normal(size=HIDDEN)
    dh /= np.linalg.norm(dh)
    projected = rng.normal(size=(STEPS, INPUTS)) @ U.T
    return {"W": W.round(4).tolist(), "Ux": projected.round(3).tolist(), "dh": dh.round(4).tolist()}
