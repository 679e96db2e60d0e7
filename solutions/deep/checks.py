"""Examples and named mistakes of chapter 8's visible checks."""

import numpy as np

from authoring.checks import Example
from lib import tree
from lib.bptt import Recurrent
from lib.gru import GRU
from lib.lstm import LSTM
from lib.rnn import RNN

WITHHOLD = []

PRINTED = (
    "The slope stands after the matrix, as the notes print it for a plain network; it fails for "
    "H > 1, because the slope belongs to the unit that the error leaves, before Wᵀ mixes units."
)


def noise(rng, like):
    return tree.tree_map(lambda leaf: 0.6 * rng.normal(size=leaf.shape), like)


def pieces(rng, T=4, N=2, size=3):
    """Draw a stack of three kinds of cells, all of one size so that mistakes run."""
    cells = (RNN(size, size), LSTM(size, size), GRU(size, size))
    eight = (rng.random((T, N, size)) < 0.6) / 0.6
    one = (rng.random((1, N, size)) < 0.6) / 0.6
    one[0, 0, 0], eight[0, 0, 0] = 0, 1 / 0.6
    return {
        "cells": cells,
        "params": tuple(noise(rng, cell.init(rng)) for cell in cells),
        "xs": rng.normal(size=(T, N, size)),
        "states": tuple(noise(rng, cell.initial_state(N)) for cell in cells),
        "masks": (None, eight, one),
    }


def stacked_args(rng):
    return {**pieces(rng), "lengths": np.array([2, 3])}


def unequal(rng, kinds, sizes, T=4, N=2):
    """Draw a stack of unequal widths, with a mask below the lowest layer and one above it."""
    cells = tuple(kind(a, b) for kind, a, b in zip(kinds, sizes, sizes[1:], strict=False))
    once, each = ((rng.random((t, N, D)) < 0.6) / 0.6 for t, D in zip((1, T), sizes, strict=False))
    once[0, 0, 0], each[0, 0, 0] = 0, 1 / 0.6
    return {
        "cells": cells,
        "params": tuple(noise(rng, cell.init(rng)) for cell in cells),
        "xs": rng.normal(size=(T, N, sizes[0])),
        "states": tuple(noise(rng, cell.initial_state(N)) for cell in cells),
        "masks": (once, each),
    }


def stacked_unequal_args(rng):
    return {**unequal(rng, (GRU, RNN), (3, 5, 6)), "lengths": None}


def residual_unequal_args(rng):
    return unequal(rng, (GRU, RNN), (3, 5, 5))


def with_lowest_mask(rng, made):
    """The same, with a mask on what the lowest layer reads."""
    T, N, H = made["masks"][1].shape
    lowest = (rng.random((T, N, H)) < 0.6) / 0.6
    lowest[0, 0, 0], lowest[-1, 0, 0] = 0, 1 / 0.6
    return {**made, "masks": (lowest, *made["masks"][1:])}


def residual_args(rng):
    return with_lowest_mask(rng, pieces(rng))


def residual_backward_args(rng):
    return with_lowest_mask(rng, backward_args(rng))


def backward_args(rng):
    return with_caches(rng, pieces(rng), np.array([2, 3]))


def backward_unequal_args(rng):
    return with_caches(rng, unequal(rng, (GRU, RNN), (3, 5, 6)))


def residual_backward_unequal_args(rng):
    return with_caches(rng, unequal(rng, (GRU, RNN), (3, 5, 5)))


def with_caches(rng, made, lengths=None):
    """Turn a drawn stack into the arguments of a way back through it."""
    xs, caches = made.pop("xs"), []
    states = made.pop("states")
    for cell, params, state in zip(made["cells"], made["params"], states, strict=True):
        xs, _, cache = Recurrent(cell).forward(params, xs, state, lengths)
        caches.append(cache)
    masks = made.pop("masks")
    return {
        **made,
        "caches": tuple(caches),
        "masks": masks,
        "dys": rng.normal(size=xs.shape),
        "dstates": tuple(noise(rng, state) for state in states),
    }


def scan(cell, params, xs, state, lengths=None, change=lambda h, t: h):
    """Run a cell step by step, changing the state that is carried on."""
    ys = np.zeros((*xs.shape[:2], cell.hidden_size))
    for t, x in enumerate(xs):
        new, _ = cell.step(params, x, state._replace(h=change(state.h, t)))
        live = np.full(xs.shape[1], True) if lengths is None else t < lengths
        state = tree.where(live, new, state)
        ys[t] = np.where(live[:, None], new.h, 0)
    return ys, state


def at(mask, t):
    return mask[t % len(mask)]


def stack(cells, params, xs, states, masks, lengths, below=True, where="read", begin=True,
          known=True, shortcut=False, lowest=True):  # fmt: skip
    first, last = xs, []
    for k, cell in enumerate(cells):
        offered = xs if below else first
        used = where in ("read", "given") and (k or lowest)
        mask = masks[k] if used and masks[k] is not None else 1
        state = states[k] if begin else tree.zeros_like(states[k])
        ends = lengths if known else None
        if where == "state" and masks[k] is not None:
            ys, end = scan(cell, params[k], offered, state, ends,
                           lambda h, t, m=masks[k]: h * at(m, t))  # fmt: skip
        else:
            read = offered * mask if where == "read" else offered
            ys, end, _ = Recurrent(cell).forward(params[k], read, state, ends)
        if where == "given":
            ys = ys * mask
        xs = ys + offered if shortcut and k else ys
        last.append(end)
    return xs, tuple(last)


def back(cells, params, caches, masks, dys, dstates, hand_down=True, where="read", scaled=True,
         ends=True, upward=False, shortcut=False, first=False, branch=True, through=False,
         top=False, lowest=True):  # fmt: skip
    count = len(cells)
    dparams, dinitial, head = [None] * count, [None] * count, dys
    for k in range(count) if upward else reversed(range(count)):
        used = where and (k or lowest)
        mask = masks[k] if used and masks[k] is not None else 1
        mask = mask if scaled else 1 * (mask != 0)
        into = dys * mask if where == "given" else dys
        dstate = dstates[k] if ends else tree.zeros_like(dstates[k])
        dparams[k], dxs, dinitial[k] = Recurrent(cells[k]).backward(
            params[k], caches[k], into, dstate
        )
        if where == "read":
            dxs = dxs * mask
        beside = head if top else dys
        handed = dxs
        if shortcut and (k or first):
            handed = dxs + beside * mask if through else dxs * branch + beside
        dys = handed if hand_down else dys
    return (handed if hand_down else dxs), tuple(dparams), tuple(dinitial)


def reversed_order(**args):
    dxs, dparams, dinitial = back(**args)
    return dxs, dparams[::-1], dinitial[::-1]


def dropout_args(rng):
    drawn = rng.random((3, 2, 4))
    drawn[0] = [[0.1, 0.8, 0.5, 0.2], [0.9, 0.25, 0.6, 0.4]]
    return {"uniform": drawn, "rate": 0.3, "variational": True, "inverted": True}


def published_args(rng):
    drawn = rng.random((3, 2, 4))
    drawn[0] = [[0.4, 0.8, 0.1, 0.6], [0.9, 0.25, 0.4, 0.5]]
    return {"uniform": drawn, "rate": 0.4, "variational": False, "inverted": False}


def published_variational_args(rng):
    return {**published_args(rng), "rate": 0.25, "variational": True}


def inverted_args(rng):
    return {**published_args(rng), "inverted": True}


def dropout(uniform, rate, variational, inverted, kept=None, scale=None, test=None, once=None,
            scaled=None, same=False):  # fmt: skip
    drawn = uniform[:1] if (variational if once is None else once) else uniform
    drawn = np.broadcast_to(drawn[:, :1], drawn.shape) if same else drawn
    kept = drawn >= rate if kept is None else kept(drawn, rate)
    inverted = inverted if scaled is None else scaled
    if scale is None:
        scale = 1 / (1 - rate) if inverted else 1.0
    if test is None:
        test = 1.0 if inverted else 1 - rate
    return kept * scale, np.full(drawn.shape, test)


def whole_numbers(**args):
    train, test = dropout(**args)
    return (train if args["inverted"] else train.astype(int)), test


def residual(cells, params, xs, states, masks, first=False, masked=False, shortcut=True,
             carried=False, origin=False, dropped=True, lowest=True):  # fmt: skip
    begin = xs
    for k, cell in enumerate(cells):
        used = dropped and (k or lowest)
        mask = masks[k] if used and masks[k] is not None else 1
        if carried and k:
            state, ys = states[k], np.empty_like(xs)
            for t, x in enumerate(xs * mask):
                state, _ = cell.step(params[k], x, state)
                state = state._replace(h=state.h + xs[t])
                ys[t] = state.h
            xs = ys
            continue
        ys, _, _ = Recurrent(cell).forward(params[k], xs * mask, states[k])
        beside = begin if origin else xs * mask if masked else xs
        xs = ys + beside if shortcut and (k or first) else ys
    return xs


def step_args(rng, N=2, D=5, H=4, K=3, skip=True):
    return {
        "x": rng.normal(size=(N, D)),
        "h": rng.uniform(-1, 1, size=(N, H)),
        "U": rng.normal(size=(H, D)),
        "W": 0.8 * rng.normal(size=(K, H, H)),
        "b": 0.5 * rng.normal(size=(K, H)),
        "S": 0.8 * rng.normal(size=(H, H)) if skip else None,
    }


def step_none_args(rng):
    return step_args(rng, N=4, D=3, H=5, K=2, skip=False)


def step_single_args(rng):
    return step_args(rng, N=2, D=4, H=3, K=1, skip=False)


def layers(W, apart):
    """Number the layers, perhaps with the first and the last taken apart."""
    return [0, *range(1, len(W) - 1), len(W) - 1] if apart else list(range(len(W)))


def step(x, h, U, W, b, S, everywhere=False, straight=False, jump="last", tied=False, flat=False,
         linear=False, apart=False):  # fmt: skip
    zs, z = [], h
    jump = "" if S is None else jump
    for k in layers(W, apart):
        final = k == len(W) - 1
        M = W[0] if tied else W[k]
        a = b[k] + (h if flat else z) @ (M if straight else M.T)
        if (k == 0 and not zs) or everywhere:
            a = a + x @ U.T
        if (jump == "last" and final) or (jump == "all" and k):
            a = a + h @ S.T
        if jump == "below" and final:
            a = a + z @ S.T
        z = a if linear and final else np.tanh(a)
        if jump == "outside" and final:
            z = z + h @ S.T
        zs.append(z)
    return np.array(zs)


def step_backward_args(rng, N=2, D=5, H=4, K=3, skip=True):
    return {
        "dh": rng.normal(size=(N, H)),
        "zs": rng.uniform(-1, 1, size=(K + 1, N, H)),
        "x": rng.normal(size=(N, D)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(K, H, H)),
        "S": rng.normal(size=(H, H)) if skip else None,
    }


def step_backward_none_args(rng):
    return step_backward_args(rng, N=4, D=3, H=5, K=2, skip=False)


def step_backward_single_args(rng):
    return step_backward_args(rng, N=2, D=4, H=3, K=1, skip=False)


def step_backward(dh, zs, x, U, W, S, skip=True, slope=True, printed=False, low=False,
                  straight=False, top=False, late=False, mean=False, old=True, apart=False,
                  zeros=False):  # fmt: skip
    K = len(W)
    dW, db = np.zeros(W.shape), np.zeros(W.shape[:2])
    dz, scale = dh, 1 / len(dh) if mean else 1
    dS, jump = np.zeros(W.shape[1:]) if zeros else None, 0
    for k in reversed(layers(W, apart)):
        bend = 1 - zs[k if low else k + 1] ** 2
        delta = dz * bend
        dW[k], db[k] = scale * delta.T @ zs[k + 1 if late else k], scale * delta.sum(axis=0)
        if k == K - 1:
            highest = delta
        if k == K - 1 and S is not None:
            dS = scale * delta.T @ zs[0 if old else k]
            jump = (delta if slope else dz) @ S
        dz = bend * (dz @ W[k]) if printed else delta @ (W[k].T if straight else W[k])
    fed = highest if top else delta
    return fed @ U, dz + jump if skip else dz, scale * fed.T @ x, dW, db, dS


EXAMPLES = {
    "stacked_forward": Example(
        args=stacked_args,
        also={
            "two layers of unequal widths, D = 3, then 5 and 6; no lengths": stacked_unequal_args
        },
        outputs=("ys", "last"),
        time_major=("ys",),
        mistakes={
            "Every layer reads xs; only the lowest does, the others read the layer below.": (
                lambda **a: stack(**a, below=False)
            ),
            "The masks are left out.": lambda **a: stack(**a, where=""),
            "The mask multiplies what the layer gives; it multiplies what the layer reads.": (
                lambda **a: stack(**a, where="given")
            ),
            "The mask multiplies the state that the layer carries on: dropout must not touch the "
            "recurrence.": lambda **a: stack(**a, where="state"),
            "The layers start from zero; layer k starts from states[k].": (
                lambda **a: stack(**a, begin=False)
            ),
            "The lengths are not handed on: shorter sequences run on over their padding.": (
                lambda **a: stack(**a, known=False)
            ),
            "A layer's input is added to its output; that is the residual stack of exercise 4.": (
                lambda **a: stack(**a, shortcut=True)
            ),
            "The lowest layer's mask is left out; masks[0] multiplies what it reads, xs.": (
                lambda **a: stack(**a, lowest=False)
            ),
        },
    ),
    "dropout_masks": Example(
        args=dropout_args,
        also={
            "as first published, a mask for each step; some numbers equal the rate": published_args,
            "as first published, variational": published_variational_args,
            "inverted, a mask for each step": inverted_args,
        },
        outputs=("train", "test"),
        mistakes={
            "The share p is kept and the rest dropped: p is the share that is dropped.": (
                lambda **a: dropout(**a, kept=lambda u, p: u < p)
            ),
            "While it learns nothing is scaled, though the test mask is 1: with inverted dropout "
            "what is kept is divided by 1 − p.": lambda **a: dropout(**a, scale=1.0, test=1.0),
            "What is kept is multiplied by 1 − p; inverted dropout divides by it.": (
                lambda **a: dropout(**a, scale=0.7)
            ),
            "What is kept is divided by p; the share that is kept is 1 − p.": (
                lambda **a: dropout(**a, scale=1 / 0.3)
            ),
            "Scaled twice, while it learns and when it is used: with inverted dropout the test "
            "mask is 1.": lambda **a: dropout(**a, test=0.7),
            "A new mask at every step; a variational mask is one for all steps, (1, N, D).": (
                lambda **a: dropout(**a, once=False)
            ),
            "All examples of the batch share one mask; each has its own.": (
                lambda **a: dropout(**a, same=True)
            ),
            "One mask for all steps; only a variational mask is that, any other has a number for "
            "each step, (T, N, D).": lambda **a: dropout(**a, once=True),
            "The masks of inverted dropout; as first published, train is 0 or 1 and test is "
            "1 − p.": lambda **a: dropout(**a, scaled=True),
            "A number equal to the rate was dropped; only those below it are.": (
                lambda **a: dropout(**a, kept=lambda u, p: u > p)
            ),
            "train holds whole numbers; also where they are 0 and 1, its numbers "
            "are floating-point.": whole_numbers,
        },
    ),
    "stacked_backward": Example(
        args=backward_args,
        also={
            "two layers of unequal widths, D = 3, then 5 and 6; no lengths": backward_unequal_args
        },
        outputs=("dxs", "dparams", "dinitial"),
        time_major=("dxs",),
        mistakes={
            "Every layer gets dys; only the highest does, the others get what the layer above "
            "hands to its input.": lambda **a: back(**a, hand_down=False),
            "The masks are left out on the way back.": lambda **a: back(**a, where=""),
            "The mask multiplies what comes into the layer; it stood before the layer, so it "
            "multiplies what the layer hands to its input.": lambda **a: back(**a, where="given"),
            "The mask's scale is left out: what was divided by 1 − p on the way forward is "
            "divided by it on the way back.": lambda **a: back(**a, scaled=False),
            "The gradients of the last states are left out; layer k gets dstates[k].": (
                lambda **a: back(**a, ends=False)
            ),
            "The layers are walked from the lowest to the highest; the way back begins at the "
            "top.": lambda **a: back(**a, upward=True),
            "The gradients stand with the highest layer first; the lowest comes first.": (
                reversed_order
            ),
            "The gradient also goes past the layers; that is the residual stack of exercise 5.": (
                lambda **a: back(**a, shortcut=True)
            ),
            "The lowest layer's mask is left out; masks[0] multiplies what it hands to xs.": (
                lambda **a: back(**a, lowest=False)
            ),
        },
    ),
    "residual_forward": Example(
        args=residual_args,
        also={"two layers, D = 3 and H = 5": residual_unequal_args},
        outputs=("ys",),
        time_major=("ys",),
        mistakes={
            "Nothing is added; a layer's input is added to its output.": (
                lambda **a: residual(**a, shortcut=False)
            ),
            "The lowest layer's input is added too; the lowest has no shortcut.": (
                lambda **a: residual(**a, first=True)
            ),
            "What is added went through dropout; it only touches what the layer reads.": (
                lambda **a: residual(**a, masked=True)
            ),
            "The input is added to the state, which carries it on to the next step; it is added "
            "beside the layer.": lambda **a: residual(**a, carried=True),
            "xs is added at every layer; a layer adds its own input.": (
                lambda **a: residual(**a, origin=True)
            ),
            "The masks are left out.": lambda **a: residual(**a, dropped=False),
            "The lowest layer's mask is left out; masks[0] multiplies what it reads, xs.": (
                lambda **a: residual(**a, lowest=False)
            ),
        },
    ),
    "residual_backward": Example(
        args=residual_backward_args,
        also={"two layers, D = 3 and H = 5; no lengths": residual_backward_unequal_args},
        outputs=("dxs", "dparams", "dinitial"),
        time_major=("dxs",),
        mistakes={
            "The shortcut is left out: the gradient also goes straight on.": lambda **a: back(**a),
            "The lowest layer has a shortcut too; it has none.": (
                lambda **a: back(**a, shortcut=True, first=True)
            ),
            "The shortcut goes through the mask; dropout only touches what the layer reads.": (
                lambda **a: back(**a, shortcut=True, through=True)
            ),
            "Only the shortcut is taken; what the layer hands to its input is added to it.": (
                lambda **a: back(**a, shortcut=True, branch=False)
            ),
            "Every shortcut carries the gradient of the highest layer; it carries what came to "
            "its own layer's output.": lambda **a: back(**a, shortcut=True, top=True),
            "The masks are left out on the way back.": (
                lambda **a: back(**a, shortcut=True, where="")
            ),
            "The lowest layer's mask is left out; masks[0] multiplies what it hands to xs.": (
                lambda **a: back(**a, shortcut=True, lowest=False)
            ),
            "The gradients of the last states are left out; layer k gets dstates[k].": (
                lambda **a: back(**a, shortcut=True, ends=False)
            ),
        },
    ),
    "transition_step": Example(
        args=step_args,
        also={
            "no skip connection, S is None; K = 2": step_none_args,
            "K = 1, which has no skip connection": step_single_args,
        },
        outputs=("zs",),
        mistakes={
            "The input comes in at every layer; it comes in at the first only.": (
                lambda **a: step(**a, everywhere=True)
            ),
            "W is used transposed: z @ W[k] where W z is z @ W[k].T.": (
                lambda **a: step(**a, straight=True)
            ),
            "The skip connection is left out.": lambda **a: step(**a, jump=""),
            "The skip connection is added after the tanh; it belongs inside.": (
                lambda **a: step(**a, jump="outside")
            ),
            "Every layer above the first reads the old state; only the last one does.": (
                lambda **a: step(**a, jump="all")
            ),
            "The skip connection reads the layer below; it reads the old state.": (
                lambda **a: step(**a, jump="below")
            ),
            "Every layer uses W[0]; layer k has a matrix of its own.": (
                lambda **a: step(**a, tied=True)
            ),
            "Every layer reads the old state; a layer reads the one below it.": (
                lambda **a: step(**a, flat=True)
            ),
            "The last layer has no tanh; the new state is tanh too.": (
                lambda **a: step(**a, linear=True)
            ),
            "With K = 1, W[0] served for a first and for a last layer; the one layer is both.": (
                lambda **a: step(**a, apart=True)
            ),
        },
    ),
    "transition_step_backward": Example(
        args=step_backward_args,
        also={
            "no skip connection, S is None; K = 2": step_backward_none_args,
            "K = 1, which has no skip connection": step_backward_single_args,
        },
        outputs=("dx", "dh_prev", "dU", "dW", "db", "dS"),
        mistakes={
            "The skip connection's part of dh_prev is left out: Sᵀ δ_K is added.": (
                lambda **a: step_backward(**a, skip=False)
            ),
            "The skip connection carries ∇_h back without the slope; it carries δ_K.": (
                lambda **a: step_backward(**a, slope=False)
            ),
            PRINTED: lambda **a: step_backward(**a, printed=True),
            "The slope is taken at the layer below; δ_k has the slope at z_k.": (
                lambda **a: step_backward(**a, low=True)
            ),
            "W is used transposed: δ @ W[k].T where Wᵀ δ is δ @ W[k].": (
                lambda **a: step_backward(**a, straight=True)
            ),
            "dx and dU come from δ_K; the input came in at the first layer, so from δ_1.": (
                lambda **a: step_backward(**a, top=True)
            ),
            "dW[k] meets the layer's own output; W_k was multiplied with z_{k−1}.": (
                lambda **a: step_backward(**a, late=True)
            ),
            "dS meets z_{K−1}; S was multiplied with the old state.": (
                lambda **a: step_backward(**a, old=False)
            ),
            "Means over the batch; the gradients of the parameters are sums.": (
                lambda **a: step_backward(**a, mean=True)
            ),
            "dS holds zeros; where S is None, dS is None too.": (
                lambda **a: step_backward(**a, zeros=True)
            ),
            "With K = 1, W[0] served for a first and for a last layer; the one layer is both.": (
                lambda **a: step_backward(**a, apart=True)
            ),
        },
    ),
}
