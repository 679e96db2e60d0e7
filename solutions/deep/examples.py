"""Draws of chapter 8's arguments, for hidden tests and visible checks."""

import numpy as np

from grading.hidden import at_end
from lib import tree
from lib.bptt import Recurrent


def noise(rng, like):
    return tree.tree_map(lambda leaf: 0.7 * rng.normal(size=leaf.shape), like)


def _masks(rng, kinds, sizes, T, N):
    """Draw a mask for each layer: e for one new at every step, s for one a sequence."""
    times = {"e": T, "s": 1}
    return tuple(
        (rng.random((times[kind], N, size)) < 0.6) / 0.6 if kind in times else None
        for kind, size in zip(kinds.ljust(len(sizes) - 1), sizes, strict=False)
    )


def stacked_forward(rng, kinds, sizes, T, N, masks="", lengths=None):
    cells = tuple(kind(a, b) for kind, a, b in zip(kinds, sizes, sizes[1:], strict=False))
    return {
        "cells": cells,
        "params": tuple(noise(rng, cell.init(rng)) for cell in cells),
        "xs": rng.normal(size=(T, N, sizes[0])),
        "states": tuple(noise(rng, cell.initial_state(N)) for cell in cells),
        "masks": _masks(rng, masks, sizes, T, N),
        "lengths": None if lengths is None else np.array(lengths),
    }


def dropout_masks(rng, T, N, D, rate, variational=False, inverted=True):
    drawn = rng.random((T, N, D))
    drawn[0, 0, 0] = rate  # a number that is not below the rate
    drawn[0, 0, -1] = rate / 2
    return {"uniform": drawn, "rate": rate, "variational": variational, "inverted": inverted}


def backward_noise(rng, like):
    return tree.tree_map(lambda leaf: 0.8 * rng.normal(size=leaf.shape), like)


def stacked_backward(rng, kinds, sizes, T, N, masks="", lengths=None, real=False):
    cells = tuple(kind(a, b) for kind, a, b in zip(kinds, sizes, sizes[1:], strict=False))
    lengths = None if lengths is None else np.array(lengths)
    params = tuple(backward_noise(rng, cell.init(rng)) for cell in cells)
    scans = []
    signal = rng.normal(size=(T, N, sizes[0]))
    for cell, theirs in zip(cells, params, strict=True):
        begin = backward_noise(rng, cell.initial_state(N))
        signal, _, cache = Recurrent(cell).forward(theirs, signal, begin, lengths)
        if not real:
            steps = tree.tree_map(at_end, backward_noise(rng, cache.steps))
            cache = cache._replace(steps=steps)
        scans.append(cache)
    return {
        "cells": cells,
        "params": params,
        "caches": tuple(scans),
        "masks": _masks(rng, masks, sizes, T, N),
        "dys": rng.normal(size=(T, N, sizes[-1])),
        "dstates": tuple(backward_noise(rng, cell.initial_state(N)) for cell in cells),
    }


def residual_forward(rng, kinds, D, H, T, N, masks=""):
    sizes = [D] + [H] * len(kinds)
    cells = tuple(kind(a, H) for kind, a in zip(kinds, sizes, strict=False))
    return {
        "cells": cells,
        "params": tuple(noise(rng, cell.init(rng)) for cell in cells),
        "xs": rng.normal(size=(T, N, D)),
        "states": tuple(noise(rng, cell.initial_state(N)) for cell in cells),
        "masks": _masks(rng, masks, sizes, T, N),
    }


def residual_backward(rng, kinds, D, H, T, N, masks="", lengths=None, real=False):
    sizes = [D] + [H] * len(kinds)
    cells = tuple(kind(a, H) for kind, a in zip(kinds, sizes, strict=False))
    lengths = None if lengths is None else np.array(lengths)
    params = tuple(backward_noise(rng, cell.init(rng)) for cell in cells)
    scans = []
    signal = rng.normal(size=(T, N, D))
    for k, (cell, theirs) in enumerate(zip(cells, params, strict=True)):
        begin = backward_noise(rng, cell.initial_state(N))
        given, _, cache = Recurrent(cell).forward(theirs, signal, begin, lengths)
        signal = given + signal if k else given
        if not real:
            steps = tree.tree_map(at_end, backward_noise(rng, cache.steps))
            cache = cache._replace(steps=steps)
        scans.append(cache)
    return {
        "cells": cells,
        "params": params,
        "caches": tuple(scans),
        "masks": _masks(rng, masks, sizes, T, N),
        "dys": rng.normal(size=(T, N, H)),
        "dstates": tuple(backward_noise(rng, cell.initial_state(N)) for cell in cells),
    }


def transition_step(rng, N, D, H, K, skip=False, scale=1.0):
    return {
        "x": scale * rng.normal(size=(N, D)),
        "h": rng.uniform(-1, 1, size=(N, H)),
        "U": rng.normal(size=(H, D)),
        "W": 0.8 * rng.normal(size=(K, H, H)),
        "b": 0.5 * rng.normal(size=(K, H)),
        "S": 0.8 * rng.normal(size=(H, H)) if skip else None,
    }


def transition_step_backward(rng, N, D, H, K, skip=False, real=False):
    zs = rng.normal(scale=1.3, size=(K + 1, N, H))
    return {
        "dh": rng.normal(size=(N, H)),
        "zs": np.tanh(zs) if real else at_end(zs),
        "x": rng.normal(size=(N, D)),
        "U": rng.normal(size=(H, D)),
        "W": 0.8 * rng.normal(size=(K, H, H)),
        "S": 0.8 * rng.normal(size=(H, H)) if skip else None,
    }
