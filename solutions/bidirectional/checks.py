"""Examples and named mistakes of chapter 7's visible checks."""

import numpy as np

from authoring.checks import ON_PADDING, Example, with_nan
from lib import tree
from lib.bptt import Recurrent
from lib.gru import GRU
from lib.lstm import LSTM
from lib.rnn import RNN

WITHHOLD: list[str] = []


def drawn(rng, cell):
    return tree.tree_map(lambda a: 0.6 * rng.normal(size=a.shape), cell.init(rng))


def turned(xs, lengths, whole=False, late=0):
    """Reverse a padded batch, perhaps wrongly: the whole array, or with shifted ends."""
    if whole:
        return xs[::-1]
    t = np.arange(len(xs))[:, None]
    source = np.where(t < lengths, lengths - 1 - t + late, t) % len(xs)
    return xs[source, np.arange(len(lengths))]


def reverse_args(rng):
    return {"xs": rng.normal(size=(5, 3, 2)), "lengths": np.array([3, 5, 2])}


def symbols_args(rng):
    return {"xs": rng.integers(1, 100, size=(4, 2)), "lengths": np.array([4, 3])}


def fields_args(rng):
    return {"xs": rng.normal(size=(4, 5, 2, 3)), "lengths": np.array([2, 4, 1, 3, 4])}


def with_padding(xs, lengths, value):
    real = (np.arange(len(xs))[:, None] < lengths)[..., None]
    return np.where(real, turned(xs, lengths), value)


def both_reversed(xs, lengths):
    ends = zip(xs.swapaxes(0, 1), lengths, strict=True)
    return np.stack([np.concatenate([x[:k][::-1], x[k:][::-1]]) for x, k in ends], axis=1)


def both(rng, cells, T, lengths, merge="concat"):
    N, D = len(lengths), cells[0].input_size
    starts = [cell.initial_state(N) for cell in cells]
    return {
        "xs": rng.normal(size=(T, N, D)),
        "lengths": np.array(lengths),
        "cells": cells,
        "params": tuple(drawn(rng, cell) for cell in cells),
        "states": tuple(tree.tree_map(lambda a: rng.uniform(-1, 1, a.shape), s) for s in starts),
        "merge": merge,
    }


def forward_args(rng):
    return both(rng, (LSTM(3, 2), LSTM(3, 2)), 5, [3, 5, 2])


def forward_sum_args(rng):
    return both(rng, (RNN(5, 3), RNN(5, 3, "relu")), 4, [4, 3], "sum")


def forward_unequal_args(rng):
    return both(rng, (GRU(5, 2), RNN(5, 4)), 7, [4, 7, 1])


def forward(xs, lengths, cells, params, states, merge, there=None, back=None, masked=True,
            tied=False, exchanged=False, zero=False, end=False, one=False, halved=False):  # fmt: skip
    there = there or turned
    if one:
        cells = cells[0], cells[0]
    kept = lengths if masked else None
    if zero:
        states = tuple(tree.zeros_like(state) for state in states)
    hs, last_h, _ = Recurrent(cells[0]).forward(params[0], xs, states[0], kept)
    weights = params[0] if tied else params[1]
    gs, last_g, _ = Recurrent(cells[1]).forward(weights, there(xs, lengths), states[1], kept)
    gs = (back or there)(gs, lengths)
    if end:
        last_g = last_g._replace(h=gs[lengths - 1, np.arange(len(lengths))])
    pair = [gs, hs] if exchanged else [hs, gs]
    if merge == "concat":
        return np.concatenate(pair, axis=-1), last_h, last_g
    return (hs + gs) / (2 if halved else 1), last_h, last_g


def both_back(rng, cells, T, lengths, merge="concat"):
    N, D = len(lengths), cells[0].input_size
    lengths = np.array(lengths)
    params = tuple(drawn(rng, cell) for cell in cells)
    xs = rng.normal(size=(T, N, D))
    inputs = xs, turned(xs, lengths)
    sizes = [cell.hidden_size for cell in cells]
    return {
        "dys": rng.normal(size=(T, N, sum(sizes) if merge == "concat" else sizes[0])),
        "lengths": lengths,
        "cells": cells,
        "params": params,
        "caches": tuple(
            Recurrent(cell).forward(weights, seen, None, lengths)[2]
            for cell, weights, seen in zip(cells, params, inputs, strict=True)
        ),
        "merge": merge,
    }


def backward_args(rng):
    return both_back(rng, (GRU(3, 2), GRU(3, 2)), 5, [3, 5, 2])


def backward_sum_args(rng):
    return both_back(rng, (RNN(5, 3), RNN(5, 3, "relu")), 4, [4, 3], "sum")


def backward_unequal_args(rng):
    return both_back(rng, (GRU(5, 2), RNN(5, 4)), 7, [4, 7, 1])


def backward(dys, lengths, cells, params, caches, merge, there=None, back=None, exchanged=False,
             cross=False, share=None, factor=1.0, one=False, halved=False):  # fmt: skip
    there = there or turned
    if one:
        cells = cells[0], cells[0]
    if merge == "concat":
        dhs, dgs = np.split(dys, [cells[0].hidden_size], axis=-1)
    else:
        dhs = dgs = dys / (2 if halved else 1)
    if exchanged:
        dhs, dgs = dgs, dhs
    if share:
        dhs = dgs = dys[..., :2] + dys[..., 2:]
    if cross:
        caches = caches[::-1]
    dparams_h, dxs_h, _ = Recurrent(cells[0]).backward(params[0], caches[0], dhs)
    dparams_g, dxs_g, _ = Recurrent(cells[1]).backward(params[1], caches[1], there(dgs, lengths))
    dxs = factor * (dxs_h + (back or there)(dxs_g, lengths))
    return dxs, dparams_h, dparams_g


def as_it_is(xs, lengths):
    return xs


def whole(xs, lengths):
    return turned(xs, lengths, whole=True)


def output_args(rng, T=4, K=5, H1=2, H2=2, lengths=(3, 4, 2)):
    N = len(lengths)
    logits = rng.normal(size=(T, N, K))
    return {
        "os": np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True),
        "targets": rng.integers(K, size=(T, N)),
        "lengths": np.array(lengths),
        "hs": rng.uniform(-1, 1, size=(T, N, H1)),
        "gs": rng.uniform(-1, 1, size=(T, N, H2)),
        "V1": rng.normal(size=(K, H1)),
        "V2": rng.normal(size=(K, H2)),
    }


def output_unequal_args(rng):
    return output_args(rng, T=7, K=5, H1=2, H2=4, lengths=(4, 7, 1))


def in_the_middle(one, other):
    return np.split(np.concatenate([one, other], axis=-1), 2, axis=-1)


def output(os, targets, lengths, hs, gs, V1, V2, masked=True, mean="batch", sign=1, ways=None,
           exchanged=False, one=False, halved=1.0, middle=False):  # fmt: skip
    real = (np.arange(len(os))[:, None] < lengths)[..., None]
    dss = sign * (os - np.eye(os.shape[2])[targets])
    if masked:
        dss = dss * real
    dss = dss / {"batch": len(lengths), "steps": real.sum(), "sum": 1}[mean]
    first, second = (gs, hs) if exchanged else (hs, gs)
    flat = dss.reshape(-1, os.shape[2])
    dV1, dV2 = (flat.T @ seen.reshape(-1, seen.shape[2]) for seen in (first, second))
    dhs, dgs = dss @ V1, dss @ (V1 if one else V2)
    if ways:
        dhs, dgs = dgs, dhs
    if middle:
        dV1, dV2 = in_the_middle(dV1, dV2)
        dhs, dgs = in_the_middle(dhs, dgs)
    return dV1, dV2, flat.sum(axis=0), halved * dhs, halved * dgs


def four_args(rng, rows=4, columns=4, N=2, cell=None):
    cell = cell or GRU(2, 3)
    return {
        "images": rng.normal(size=(rows, columns, N, cell.input_size)),
        "cell": cell,
        "params": tuple(drawn(rng, cell) for _ in range(4)),
    }


def four_unequal_args(rng):
    return four_args(rng, 2, 4, 3, RNN(5, 6))


def four(images, cell, params, order=(0, 1, 2, 3), turn=True, back=True, tied=False, swap=True,
         on=False, down=False, together=False, short=False, names=False):  # fmt: skip
    layer = Recurrent(cell)
    found = []
    for k in range(4):
        across = (k < 2) != down
        field = images
        if across and swap:
            field = images.swapaxes(0, 1)
        back_to_front = k % 2 == 1
        field = field[::-1] if back_to_front and turn else field
        a, b, N, D = field.shape
        if on:
            # one sequence: the state of a line's end goes on into the next line
            flow = field.swapaxes(0, 1).reshape(b * a, N, D)
            hs = layer.forward(params[k], flow)[0].reshape(b, a, N, -1).swapaxes(0, 1)
        else:
            if names:
                a, b = b, a
            flow = field.reshape(b, a * N, D) if across and short else field.reshape(a, b * N, D)
            if together:
                flow = field.reshape(-1, a, D).swapaxes(0, 1)
            hs = layer.forward(params[0 if tied else k], flow)[0]
            if together:
                hs = hs.swapaxes(0, 1)
            hs = hs.reshape(a, b, N, -1)
        hs = hs[::-1] if back_to_front and turn and back else hs
        found.append(hs.swapaxes(0, 1) if across and swap else hs)
    return np.concatenate([found[k] for k in order], axis=-1)


def corner_args(rng, rows=3, columns=4, N=2, D=2, H=3, corner="top right"):
    return {
        "images": rng.normal(size=(rows, columns, N, D)),
        "corner": corner,
        "U": rng.normal(size=(H, D)) / np.sqrt(D / 2),
        "W": 0.7 * rng.normal(size=(H, H)) / np.sqrt(H / 3),
        "R": 0.7 * rng.normal(size=(H, H)) / np.sqrt(H / 3),
        "b": rng.normal(size=H),
    }


def bottom_left_args(rng):
    return corner_args(rng, 4, 2, 3, 5, 6, "bottom left")


def bottom_right_args(rng):
    return corner_args(rng, 2, 5, 3, 4, 6, "bottom right")


def corner(images, corner, U, W, R, b, vertical=False, turn=True, back=True, beside=True,
           above=True, diagonal=False, transposed=False, squash=np.tanh,
           rise=True):  # fmt: skip
    bottom, right = "bottom" in corner and rise, "right" in corner
    if vertical:
        bottom, right = right, bottom
    way = slice(None, None, -1 if bottom else 1), slice(None, None, -1 if right else 1)
    xs = images[way] if turn else images
    rows, columns, N, _ = xs.shape
    hs = np.zeros((rows + 1, columns + 1, N, len(b)))
    WT, RT = (W, R) if transposed else (W.T, R.T)
    for i, j in np.ndindex(rows, columns):
        a = xs[i, j] @ U.T + b
        if above:
            a = a + hs[i, j if diagonal else j + 1] @ WT
        if beside:
            a = a + hs[i + 1, j] @ RT
        hs[i + 1, j + 1] = squash(a)
    return hs[1:, 1:][way] if turn and back else hs[1:, 1:]


def corner_backward_args(rng, rows=3, columns=3, N=2, D=2, H=3):
    return {
        "dhs": rng.normal(size=(rows, columns, N, H)),
        "hs": rng.uniform(-1, 1, size=(rows, columns, N, H)),
        "images": rng.normal(size=(rows, columns, N, D)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)),
        "R": rng.normal(size=(H, H)),
    }


def corner_backward_unequal_args(rng):
    return corner_backward_args(rng, 2, 4, 3, 5, 6)


def corner_backward(dhs, hs, images, U, W, R, beside=True, above=True, slope=lambda h: 1 - h**2,
                    printed=False, crossed=False, late=False, mean=False):  # fmt: skip
    rows, columns, N, _ = hs.shape
    dhs = dhs.copy()
    for i, j in reversed(list(np.ndindex(rows, columns))):
        slopes = slope(hs[i, j])
        for used, k, m, matrix in ((above, i - 1, j, W), (beside, i, j - 1, R)):
            if used and k >= 0 and m >= 0:
                delta = slopes * dhs[i, j]
                dhs[k, m] += slopes * (dhs[i, j] @ matrix) if printed else delta @ matrix
    deltas = slope(hs) * dhs
    axes = ([0, 1, 2], [0, 1, 2])
    dU = np.tensordot(deltas, images, axes)
    dW = np.tensordot(deltas[1:], hs[1:] if late else hs[:-1], axes)
    dR = np.tensordot(deltas[:, 1:], hs[:, 1:] if late else hs[:, :-1], axes)
    if crossed:
        dW, dR = dR, dW
    share = 1 / N if mean else 1
    return share * dU, share * dW, share * dR, share * deltas.sum(axis=(0, 1, 2)), deltas @ U


EXAMPLES = {
    "reverse_padded": Example(
        args=reverse_args,
        also={
            "whole numbers, xs of shape (T, N)": symbols_args,
            "two more axes, xs of shape (T, N, 2, 3)": fields_args,
        },
        outputs=("xs",),
        time_major=("xs",),
        mistakes={
            "The whole array was reversed, so that padding comes first; each sequence is reversed within its own length.": (
                lambda xs, lengths: xs[::-1]
            ),
            "Off by one: the last step of a sequence is lengths − 1, counted from 0.": (
                lambda xs, lengths: turned(xs, lengths, late=1)
            ),
            "The examples were reversed; time is the first axis.": lambda xs, lengths: xs[:, ::-1],
            "Padding was set to zero; it stays as it is.": lambda xs, lengths: with_padding(
                xs, lengths, 0.0
            ),
            "All sequences were reversed within the length of the first; each has its own.": (
                lambda xs, lengths: turned(xs, np.full_like(lengths, lengths[0]))
            ),
            "Padding was reversed too, behind each sequence; it stays as it is.": (both_reversed),
        },
    ),
    "bidirectional_forward": Example(
        args=forward_args,
        also={
            'merge = "sum"': forward_sum_args,
            "layers of different kinds and sizes, H₁ = 2 and H₂ = 4": forward_unequal_args,
        },
        outputs=("ys", "last_h", "last_g"),
        time_major=("ys",),
        mistakes={
            "The whole array was reversed, so that the second layer began in the padding; it begins at each sequence's own last step.": (
                lambda **a: forward(**a, there=whole)
            ),
            "The second layer read toward the future as well; its inputs were not reversed.": (
                lambda **a: forward(**a, there=as_it_is)
            ),
            "The second layer's outputs were not turned back: g of the first step stands at the last.": (
                lambda **a: forward(**a, back=as_it_is)
            ),
            "Padding was read: the scans must know the lengths.": lambda **a: forward(
                **a, masked=False
            ),
            "Both layers have the first one's parameters; each has its own.": lambda **a: forward(
                **a, tied=True
            ),
            "The halves are exchanged: h comes first, then g.": lambda **a: forward(
                **a, exchanged=True
            ),
            "The initial states were ignored.": lambda **a: forward(**a, zero=True),
            "last_g is g at the last step; its reading ends at the first.": lambda **a: forward(
                **a, end=True
            ),
            'The outputs were put side by side; merge = "sum" adds them.': lambda **a: forward(
                **{**a, "merge": "concat"}
            ),
            'The mean of the two outputs was taken; merge = "sum" adds them.': (
                lambda **a: forward(**a, halved=True)
            ),
            "The first cell ran both ways; each layer has its own.": lambda **a: forward(
                **a, one=True
            ),
        },
    ),
    "bidirectional_backward": Example(
        args=backward_args,
        also={
            'merge = "sum"': backward_sum_args,
            "layers of different kinds and sizes, H₁ = 2 and H₂ = 4": backward_unequal_args,
        },
        outputs=("dxs", "dparams_h", "dparams_g"),
        time_major=("dxs",),
        mistakes={
            "The gradients of g were not reversed; the second layer ran over the reversed batch.": (
                lambda **a: backward(**a, there=as_it_is, back=turned)
            ),
            "What the second layer gives for its inputs was not turned back.": lambda **a: backward(
                **a, back=as_it_is
            ),
            "Nothing was reversed; the second layer ran over the reversed batch.": (
                lambda **a: backward(**a, there=as_it_is)
            ),
            "The whole array was reversed, padding included; each sequence is reversed within its own length.": (
                lambda **a: backward(**a, there=whole)
            ),
            "The halves are exchanged: h comes first, then g.": lambda **a: backward(
                **a, exchanged=True
            ),
            "The caches are exchanged.": lambda **a: backward(**a, cross=True),
            "Both halves were added and given to both layers; that is right for a sum only.": (
                lambda **a: backward(**a, share=True)
            ),
            "The mean of the two gradients of the inputs was taken; they add up.": (
                lambda **a: backward(**a, factor=0.5)
            ),
            "The gradient was shared out, half to each layer; where the outputs were added, each gets all of it.": (
                lambda **a: backward(**a, halved=True)
            ),
            "Both layers were carried back by the first cell; each has its own.": (
                lambda **a: backward(**a, one=True)
            ),
        },
    ),
    "output_backward": Example(
        args=output_args,
        also={
            "states of different sizes, H₁ = 2 and H₂ = 4": output_unequal_args,
            ON_PADDING: with_nan(output_args, "os"),
        },
        outputs=("dV1", "dV2", "dc", "dhs", "dgs"),
        time_major=("dhs", "dgs"),
        mistakes={
            "The mask was ignored: steps beyond a length count.": lambda **a: output(
                **a, masked=False
            ),
            "The loss was averaged over all real steps; it is a sum over time and a mean over the N examples.": (
                lambda **a: output(**a, mean="steps")
            ),
            "The division by N is missing: the loss is a mean over the batch.": lambda **a: output(
                **a, mean="sum"
            ),
            "The sign is wrong: it is output minus target.": lambda **a: output(**a, sign=-1),
            "V1 carried the gradient to both states; g has V2.": lambda **a: output(**a, one=True),
            "dhs and dgs are exchanged: h has V1 and g has V2.": lambda **a: output(**a, ways=True),
            "dV1 was built with g and dV2 with h.": lambda **a: output(**a, exchanged=True),
            "The gradient was shared out, half to each state; each gets all of it, through its own matrix.": (
                lambda **a: output(**a, halved=0.5)
            ),
            "What was joined was cut in the middle; the first H₁ columns belong to h, the other H₂ to g.": (
                lambda **a: output(**a, middle=True)
            ),
        },
    ),
    "four_directions": Example(
        args=four_args,
        also={"images of R = 2 rows and C = 4 columns": four_unequal_args},
        outputs=("ys",),
        mistakes={
            "The outputs of the scans to the left and up were not turned back.": lambda **a: four(
                **a, back=False
            ),
            "The scans to the left and up read to the right and down.": lambda **a: four(
                **a, turn=False
            ),
            "Rows and columns are exchanged: images[i, j] is row i, column j, and reading to the right moves j.": (
                lambda **a: four(**a, down=True)
            ),
            "All four scans have the first one's parameters; each has its own.": lambda **a: four(
                **a, tied=True
            ),
            "The order is not right, left, down, up.": lambda **a: four(**a, order=(2, 3, 0, 1)),
            "The axes were not exchanged for the rows, so that all four scans read columns.": (
                lambda **a: four(**a, swap=False)
            ),
            "The state went on from one row or column into the next; each starts from zero.": (
                lambda **a: four(**a, on=True)
            ),
            "A reshape mixed pixels and examples; only axes that stand side by side can be joined.": (
                lambda **a: four(**a, together=True)
            ),
            "R and C are exchanged: images has R rows and C columns, in this order.": (
                lambda **a: four(**a, names=True)
            ),
            "The rows were read as C·N sequences of R steps; they are R·N sequences of C steps.": (
                lambda **a: four(**a, short=True)
            ),
        },
    ),
    "corner_scan": Example(
        args=corner_args,
        also={
            "from the bottom left, 4 rows and 2 columns": bottom_left_args,
            "from the bottom right, 2 rows and 5 columns": bottom_right_args,
        },
        outputs=("hs",),
        mistakes={
            "The image was turned upside down; a scan from the right mirrors its columns.": (
                lambda **a: corner(**a, vertical=True)
            ),
            "The corner was ignored: this is the scan from the top left.": lambda **a: corner(
                **a, turn=False
            ),
            "The states were not turned back to their pixels' places.": lambda **a: corner(
                **a, back=False
            ),
            "The neighbour beside is missing: R h.": lambda **a: corner(**a, beside=False),
            "The neighbour above is missing: W h.": lambda **a: corner(**a, above=False),
            "W and R are exchanged: W comes from above, R from beside.": lambda **a: corner(
                **{**a, "W": a["R"], "R": a["W"]}
            ),
            "The neighbour above was taken from the column before; it stands in the same column.": (
                lambda **a: corner(**a, diagonal=True)
            ),
            "W and R are used transposed: h @ W where W h is h @ W.T.": lambda **a: corner(
                **a, transposed=True
            ),
            "The rows were not turned; a scan from the bottom begins in the last row.": (
                lambda **a: corner(**a, rise=False)
            ),
        },
    ),
    "corner_scan_backward": Example(
        args=corner_backward_args,
        also={"images of R = 2 rows and C = 4 columns": corner_backward_unequal_args},
        outputs=("dU", "dW", "dR", "db", "dimages"),
        mistakes={
            "What comes back from the state beside is missing: Rᵀδ.": lambda **a: corner_backward(
                **a, beside=False
            ),
            "What comes back from the state below is missing: Wᵀδ.": lambda **a: corner_backward(
                **a, above=False
            ),
            "The slope 1 − h² is missing.": lambda **a: corner_backward(**a, slope=lambda h: 1),
            "The slope was taken as 1 − tanh²(h), but h is already the output of the tanh.": (
                lambda **a: corner_backward(**a, slope=lambda h: 1 - np.tanh(h) ** 2)
            ),
            "This is the order that the notes print for one step back, with the slope 1 − h² after Wᵀ; "
            "it fails for H > 1, because the slope belongs before Wᵀ mixes units.": (
                lambda **a: corner_backward(**a, printed=True)
            ),
            "dW and dR are exchanged: W multiplied the state above, R the state beside.": (
                lambda **a: corner_backward(**a, crossed=True)
            ),
            "dW and dR were built with h of the same pixel; they multiplied the states of its neighbours.": (
                lambda **a: corner_backward(**a, late=True)
            ),
            "W and R are used transposed on the way back: δ @ W is Wᵀδ.": lambda **a: (
                corner_backward(**{**a, "W": a["W"].T, "R": a["R"].T})
            ),
            "The parameters' gradients were averaged over the batch; they add up.": (
                lambda **a: corner_backward(**a, mean=True)
            ),
        },
    ),
}
