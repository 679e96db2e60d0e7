"""Draws of chapter 7's arguments, for hidden tests and visible checks."""

import numpy as np

from grading.hidden import at_end
from lib import tree
from lib.bptt import Recurrent


def reverse_padded(rng, T, lengths, tail=(), whole=False):
    shape = (T, len(lengths), *tail)
    xs = rng.integers(1, 1000, size=shape) if whole else rng.normal(size=shape)
    return {"xs": xs, "lengths": np.array(lengths)}


def bidirectional_forward(rng, T, lengths, cells, merge="concat"):
    N, D = len(lengths), cells[0].input_size
    drawn = [cell.init(rng) for cell in cells]
    starts = [cell.initial_state(N) for cell in cells]
    return {
        "xs": rng.normal(size=(T, N, D)),
        "lengths": np.array(lengths),
        "cells": tuple(cells),
        "params": tuple(tree.tree_map(lambda a: rng.normal(size=a.shape), p) for p in drawn),
        "states": tuple(tree.tree_map(lambda a: rng.uniform(-1, 1, a.shape), s) for s in starts),
        "merge": merge,
    }


def bidirectional_backward(rng, T, lengths, cells, merge="concat"):
    N, D = len(lengths), cells[0].input_size
    lengths = np.array(lengths)
    params = tuple(tree.tree_map(lambda a: rng.normal(size=a.shape), c.init(rng)) for c in cells)
    caches = []
    for cell, weights in zip(cells, params, strict=True):
        cache = Recurrent(cell).forward(weights, rng.normal(size=(T, N, D)), None, lengths)[2]
        other = tree.tree_map(lambda a: at_end(rng.normal(size=a.shape)), cache.steps)
        caches.append(cache._replace(steps=other))
    wide = sum(cell.hidden_size for cell in cells) if merge == "concat" else cells[0].hidden_size
    return {
        "dys": rng.normal(size=(T, N, wide)),
        "lengths": lengths,
        "cells": tuple(cells),
        "params": params,
        "caches": tuple(caches),
        "merge": merge,
    }


def output_backward(rng, T, K, H1, H2, lengths, scale=1.0):
    N = len(lengths)
    return {
        "os": at_end(scale * rng.uniform(size=(T, N, K)), 0.0),
        "targets": rng.integers(K, size=(T, N)),
        "lengths": np.array(lengths),
        "hs": scale * rng.normal(size=(T, N, H1)),
        "gs": scale * rng.normal(size=(T, N, H2)),
        "V1": rng.normal(size=(K, H1)),
        "V2": rng.normal(size=(K, H2)),
    }


def four_directions(rng, R, C, N, cell):
    return {
        "images": rng.normal(size=(R, C, N, cell.input_size)),
        "cell": cell,
        "params": tuple(
            tree.tree_map(lambda a: rng.normal(size=a.shape), cell.init(rng)) for _ in range(4)
        ),
    }


def corner_scan(rng, rows, columns, N, D, H, corner="top left", scale=1.0):
    return {
        "images": rng.normal(size=(rows, columns, N, D)),
        "corner": corner,
        "U": scale * rng.normal(size=(H, D)),
        "W": scale * rng.normal(size=(H, H)),
        "R": scale * rng.normal(size=(H, H)),
        "b": rng.normal(size=H),
    }


def corner_scan_backward(rng, rows, columns, N, D, H, bound=1.0):
    dhs = rng.normal(size=(rows, columns, N, H))
    hs = rng.uniform(-bound, bound, size=(rows, columns, N, H))
    return {
        "dhs": dhs,
        "hs": hs if bound == 1 else at_end(hs),
        "images": rng.normal(size=(rows, columns, N, D)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)),
        "R": rng.normal(size=(H, H)),
    }
