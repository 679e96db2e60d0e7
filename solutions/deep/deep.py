# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Chapter 8: Deep recurrent networks
#
# You write seven functions: a stack of layers forward and backward, the masks of dropout, a residual stack forward and backward, and one step of a deep transition forward and backward.
# Each is checked on its own, so you can do them in any order, and a wrong one costs only its own points, unless another function of yours calls it.
# Run the first code cell first, and again after each restart: `name 'check' is not defined` says that it was not run.
# `No module named 'lib'` says that the notebook is not in the folder that it came in; that is in the zip on the chapter's page of the book.
#
# The stacks do not care what they are made of.
# Your functions get **cells**: any cell of the earlier chapters, `RNN(D, H)`, `LSTM(D, H)`, `GRU(D, H)` and so on, with its own parameters, states and caches.
# What you write is what stands around them; the tests bring Elman cells, LSTMs and GRUs, alone and mixed.
# The library's scan runs one cell over a sequence and back:
#
# - `ys, last, cache = Recurrent(cell).forward(params, xs, state, lengths)`, with `xs` (T, N, D), `ys` (T, N, H), and the states before and after the sequence; `lengths` may be `None`;
# - `dparams, dxs, dstate = Recurrent(cell).backward(params, cache, dys, dstate)`, with `dys` (T, N, H) and the gradient of the last state; it returns those of the parameters, of `xs` and of the initial state.
#
# A gradient of parameters or of a state has their type: an `RNNParams` is answered by an `RNNParams`.
# The cache knows the lengths: what `dys` holds beyond one is ignored, and `dxs` is zero there.
# Backward functions get the caches that a forward pass has kept; use them as they come, because the tests also feed caches that no forward pass would give.
#
# The equation labels are those of the book's chapter *Deep recurrent networks*, those that begin with `rnn` of chapter 1, with `bptt` of chapter 2.
# The book's page *Equations, code, tests and exercises* lists all labels with links to the equations.
# Sequences are time-major, `xs` is (T, N, D); rows are examples; layers are numbered from 0, the lowest, and what belongs to layer k is element k of a tuple.
# Layer k reads D_k features: D_0 is D, and for the layers above it is the width of the layer below.
# Read $\nabla_h L \ni \dots$ as: the gradient has this among its summands.
#
# Each check has several examples, and tries the next one when those before are right.
# The layers of the first have one width, so that it can tell common mistakes apart; those that follow have other sizes, as the hidden tests have.
#
# In all there are 43 points. Working time: about three hours.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from lib.bptt import Recurrent
from lib.checking import Check
from lib.gru import GRU
from lib.lstm import LSTM
from lib.rnn import RNN

check = Check("deep")


def bring(*cells, T=4, N=2, seed=0):
    """Draw arguments for ``stacked_forward``, of a stack of any cells that fit together."""
    rng = np.random.default_rng(seed)
    return {
        "cells": cells,
        "params": tuple(cell.init(rng) for cell in cells),
        "xs": rng.normal(size=(T, N, cells[0].input_size)),
        "states": tuple(cell.initial_state(N) for cell in cells),
        "masks": (None,) * len(cells),
        "lengths": None,
    }


# %% [markdown]
# ## 1. A stack, forward (6 points)
#
# Each layer reads what the layer below it gives, at every step.
# With $h_{-1}^{(t)} = x^{(t)}$, and $F_k$ the step of cell k:
#
# $$h_k^{(t)} = F_k\!\left(m_k^{(t)} \odot h_{k-1}^{(t)},\; h_k^{(t-1)}\right).$$
#
# The mask $m_k$ of dropout multiplies what layer k **reads from below**.
# It touches neither the state that the layer carries on, nor what the layer gives.
# `None` stands for no mask.
#
# Equations: deep-stacked-state, deep-dropout, rnn-mask.
#
# The function gets `cells`, their `params` and initial `states`, all tuples, `xs` (T, N, D), `masks`, a tuple of arrays (T, N, D_k) or (1, N, D_k) or `None`, and `lengths` (N,) or `None`.
# It returns the outputs `ys` (T, N, H) of the highest layer, zero beyond a length, and the tuple `last` of all layers' last states.
#
# Try it with other cells too: `stacked_forward(**bring(RNN(3, 4), LSTM(4, 5), GRU(5, 2)))`.


# %% nbgrader={"grade_id": "stacked_forward", "solution": true}
def stacked_forward(cells, params, xs, states, masks, lengths):
    """Run a stack of cells over a sequence.

    cells, params, states tuples, one element a layer, the lowest first; xs (T, N, D),
    masks tuple of (T, N, D_k), (1, N, D_k) or None, lengths (N,) integers or None;
    returns ys (T, N, H) and last, the tuple of last states.
    """
    ### BEGIN SOLUTION
    last = []
    for k, cell in enumerate(cells):
        read = xs if masks[k] is None else xs * masks[k]
        xs, end, _ = Recurrent(cell).forward(params[k], read, states[k], lengths)
        last.append(end)
    return xs, tuple(last)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_stacked_forward", "grade": true, "points": 6}
# Hidden tests: 1 point Elman cells, 2 LSTM and GRU, 1 masks, 1 padded batches, 1 sizes of one.
check(stacked_forward)

# %% [markdown]
# ## 2. The masks of dropout (5 points)
#
# Dropout sets a share $p$ of the features to zero while the network learns, and none when it is used.
# Then the mean of what a layer reads would differ between the two, so one of them has to be scaled.
# There are two ways:
#
# | | while it learns | when it is used |
# |---|---|---|
# | inverted | 0 or $1/(1 - p)$ | 1 |
# | as first published | 0 or 1 | $1 - p$ |
#
# In both, training and use have the same mean.
# The first leaves nothing to do at test time, and is what libraries do.
#
# A mask has a number for each step, example and feature.
# A **variational** mask has one for each example and feature, and serves at all steps: its shape is (1, N, D).
#
# Equations: deep-dropout, deep-variational-dropout.
#
# The function gets `uniform` (T, N, D), numbers drawn evenly from [0, 1), the rate $p$ as `rate` (0 ≤ p < 1), and the truth values `variational` and `inverted`.
# A feature is dropped where its number is **below** the rate.
# A variational mask uses the numbers of the first step.
# It returns `train` and `test`, arrays of the same shape: what to multiply with while the network learns, and when it is used.
# Both hold floating-point numbers, also where these are 0 and 1.


# %% nbgrader={"grade_id": "dropout_masks", "solution": true}
def dropout_masks(uniform, rate, variational, inverted):
    """Make the masks of dropout for training and for use.

    uniform (T, N, D) in [0, 1), rate a number, variational and inverted True or False;
    returns train and test, both (T, N, D), or (1, N, D) if variational.
    """
    ### BEGIN SOLUTION
    if variational:
        uniform = uniform[:1]
    keep = (uniform >= rate).astype(float)
    if inverted:
        return keep / (1 - rate), np.ones_like(keep)
    return keep, np.full_like(keep, 1 - rate)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_dropout_masks", "grade": true, "points": 5}
# Hidden tests: 2 points inverted, 1 as first published, 1 variational, 1 rate 0 and sizes of one.
check(dropout_masks)

# %% [markdown]
# ## 3. A stack, backward (8 points)
#
# The state $h_k^{(t)}$ has two arrows out: to layer k at the next step, and to layer k + 1 at the same step.
# The first is the business of the layer's own backpropagation through time.
# The second brings what layer k + 1 hands to its input, through the mask:
#
# $$\nabla_{h_{k-1}^{(t)}} L \ni m_k^{(t)} \odot \left(\nabla_{x_k^{(t)}} L\right),$$
#
# where $x_k = m_k \odot h_{k-1}$ is what layer k has read.
# So the gradient of the outputs goes in at the top, and each layer's `dxs`, masked, is the `dys` of the layer below.
# Under the lowest layer it is what the function returns: $\nabla_x L = m_0 \odot (\nabla_{x_0} L)$.
#
# Equations: deep-stacked-backward, deep-dropout, bptt-hidden.
#
# The function gets `cells`, `params`, the `caches` of the layers' scans, and `masks`, all tuples; `dys` (T, N, H), the gradient of the highest layer's outputs; and the tuple `dstates` of gradients of all layers' last states.
# It returns `dxs` (T, N, D), the tuple `dparams`, and the tuple `dinitial` of gradients of the layers' initial states, each with the lowest layer first.


# %% nbgrader={"grade_id": "stacked_backward", "solution": true}
def stacked_backward(cells, params, caches, masks, dys, dstates):
    """Carry gradients back through a stack of cells.

    cells, params, caches, dstates tuples, one element a layer, the lowest first; masks
    tuple of (T, N, D_k), (1, N, D_k) or None, dys (T, N, H);
    returns dxs (T, N, D), dparams and dinitial, tuples.
    """
    ### BEGIN SOLUTION
    dparams = [None] * len(cells)
    dinitial = [None] * len(cells)
    for k in reversed(range(len(cells))):
        layer = Recurrent(cells[k])
        dparams[k], dys, dinitial[k] = layer.backward(params[k], caches[k], dys, dstates[k])
        if masks[k] is not None:
            dys = dys * masks[k]
    return dys, tuple(dparams), tuple(dinitial)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_stacked_backward", "grade": true, "points": 8}
# Hidden tests: 2 points caches of a forward pass, 2 other caches, 2 masks, 1 padded batches, 1 sizes of one.
check(stacked_backward)

# %% [markdown]
# ## 4. A residual stack, forward (4 points)
#
# In a residual stack, what a layer was offered is added to what it gives, for every layer but the lowest:
#
# $$y_0 = F_0(m_0 \odot x), \qquad y_k = F_k(m_k \odot y_{k-1}) + y_{k-1} \quad (k \ge 1),$$
#
# where $F_k$ stands for the whole layer, over all steps, with its own state.
# The lowest is left out because the size of its input need not be H.
# The addition is beside the layer, not in it: the state that the layer carries on is its own.
# Dropout touches what the layer reads, and not what is added.
# The lowest layer may have a mask too.
#
# Equations: deep-residual, deep-dropout.
#
# The function gets `cells`, `params`, `xs` (T, N, D), `states` and `masks`, as in exercise 1.
# It returns `ys` (T, N, H), the outputs at the top.


# %% nbgrader={"grade_id": "residual_forward", "solution": true}
def residual_forward(cells, params, xs, states, masks):
    """Run a residual stack of cells over a sequence.

    cells, params, states tuples, one element a layer, the lowest first; xs (T, N, D),
    masks tuple of (T, N, D_k), (1, N, D_k) or None; returns ys (T, N, H).
    """
    ### BEGIN SOLUTION
    for k, cell in enumerate(cells):
        read = xs if masks[k] is None else masks[k] * xs
        ys, _, _ = Recurrent(cell).forward(params[k], read, states[k])
        xs = ys + xs if k else ys
    return xs
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_residual_forward", "grade": true, "points": 4}
# Hidden tests: 1 point Elman cells, 1 LSTM and GRU, 1 masks, 1 sizes of one.
check(residual_forward)

# %% [markdown]
# ## 5. A residual stack, backward (7 points)
#
# Where a sum was on the way forward, the way back forks: the gradient goes unchanged to both summands.
# One goes through the layer and its mask, the other straight on:
#
# $$\nabla_{y_{k-1}} L = \underbrace{\nabla_{y_k} L}_{\text{the shortcut}} + m_k \odot \left(\nabla_{x_k} L\right) \quad (k \ge 1).$$
#
# Here $x_k = m_k \odot y_{k-1}$ is what layer k has read.
# The lowest layer has no shortcut, but may have a mask: $\nabla_x L = m_0 \odot (\nabla_{x_0} L)$.
#
# Equations: deep-residual-backward, deep-stacked-backward.
#
# The function gets what `stacked_backward` gets.
# It returns `dxs` (T, N, D), the tuple `dparams` and the tuple `dinitial`.


# %% nbgrader={"grade_id": "residual_backward", "solution": true}
def residual_backward(cells, params, caches, masks, dys, dstates):
    """Carry gradients back through a residual stack of cells.

    cells, params, caches, dstates tuples, one element a layer, the lowest first; masks
    tuple of (T, N, D_k), (1, N, D_k) or None, dys (T, N, H);
    returns dxs (T, N, D), dparams and dinitial, tuples.
    """
    ### BEGIN SOLUTION
    dparams = ()
    dinitial = ()
    for k in range(len(cells) - 1, -1, -1):
        scan = Recurrent(cells[k])
        gradient, through, begin = scan.backward(params[k], caches[k], dys, dstates[k])
        if masks[k] is not None:
            through = masks[k] * through
        dys = dys + through if k else through
        dparams = (gradient, *dparams)
        dinitial = (begin, *dinitial)
    return dys, dparams, dinitial
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_residual_backward", "grade": true, "points": 7}
# Hidden tests: 2 points caches of a forward pass, 2 other caches, 1 masks, 1 padded batches, 1 sizes of one.
check(residual_backward)

# %% [markdown]
# ## 6. One step of a deep transition (5 points)
#
# Here the depth is inside the step: between the old state and the new one stands a network of K layers.
# With $z_0 = h^{(t-1)}$,
#
# $$z_1 = \tanh(b_1 + W_1 z_0 + U x), \qquad z_k = \tanh(b_k + W_k z_{k-1}), \qquad h^{(t)} = z_K.$$
#
# The input comes in at the first layer only.
# With a skip connection, the last layer reads the old state as well:
#
# $$z_K = \tanh(b_K + W_K z_{K-1} + S\,h^{(t-1)}).$$
#
# Equations: deep-transition, deep-transition-skip.
#
# The function gets `x` (N, D), the old state `h` (N, H), `U` (H, D), `W` (K, H, H) and `b` (K, H), where `W[0]` is $W_1$, and `S` (H, H), or `None` for no skip connection; with `S`, K is at least 2.
# Without it K may be 1, and the one layer reads the input and the old state: the Elman cell.
# It returns `zs` (K, N, H): all layers, the last of them being the new state.


# %% nbgrader={"grade_id": "transition_step", "solution": true}
def transition_step(x, h, U, W, b, S):
    """Advance a deep transition by one step.

    x (N, D), h (N, H), U (H, D), W (K, H, H), b (K, H), S (H, H) or None;
    returns zs (K, N, H), the last being the new state.
    """
    ### BEGIN SOLUTION
    zs, z = [], h
    for k in range(len(W)):
        a = b[k] + z @ W[k].T
        if k == 0:
            a = a + x @ U.T
        if S is not None and k == len(W) - 1:
            a = a + h @ S.T
        z = np.tanh(a)
        zs.append(z)
    return np.array(zs)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_transition_step", "grade": true, "points": 5}
# Hidden tests: 2 points without skip, 2 with skip, 1 sizes of one and large inputs.
check(transition_step)

# %% [markdown]
# ## 7. One step of a deep transition, backward (8 points)
#
# The way back climbs down the layers, a slope and a transposed matrix at each.
# With $\nabla_{z_K} = \nabla_h$, the gradient of the new state:
#
# $$\delta_k = (1 - z_k^2) \odot \nabla_{z_k}, \qquad \nabla_{z_{k-1}} = W_k^\top \delta_k.$$
#
# The old state is $z_0$, and with a skip connection it has a second arrow out:
#
# $$\nabla_{h^{(t-1)}} = W_1^\top \delta_1 + S^\top \delta_K.$$
#
# The parameters meet what they were multiplied with: $\nabla_{W_k} = \sum_n \delta_k z_{k-1}^\top$, $\nabla_{b_k} = \sum_n \delta_k$, $\nabla_U = \sum_n \delta_1 x^\top$, $\nabla_S = \sum_n \delta_K h^{(t-1)\top}$; and $\nabla_x = U^\top \delta_1$.
#
# Equations: deep-transition-backward, deep-transition-parameters.
#
# The function gets `dh` (N, H), the gradient of the new state; the cached `zs` (K + 1, N, H): the old state, then all layers, the last being the new state; `x` (N, D), `U` (H, D), `W` (K, H, H), and `S` (H, H) or `None`.
# It returns `dx` (N, D), `dh_prev` (N, H), `dU` (H, D), `dW` (K, H, H), `db` (K, H), and `dS` (H, H), or `None` where `S` is `None`.


# %% nbgrader={"grade_id": "transition_step_backward", "solution": true}
def transition_step_backward(dh, zs, x, U, W, S):
    """Carry the gradient of the new state back over one step of a deep transition.

    dh (N, H), zs (K + 1, N, H), x (N, D), U (H, D), W (K, H, H), S (H, H) or None;
    returns dx (N, D), dh_prev (N, H), dU (H, D), dW (K, H, H), db (K, H), dS (H, H) or
    None.
    """
    ### BEGIN SOLUTION
    K, H, _ = W.shape
    dW, db = np.zeros((K, H, H)), np.zeros((K, H))
    dS, jump = None, 0.0
    dz = dh
    for k in reversed(range(K)):
        delta = (1 - zs[k + 1] ** 2) * dz
        dW[k] = delta.T @ zs[k]
        db[k] = delta.sum(axis=0)
        if S is not None and k == K - 1:
            dS = delta.T @ zs[0]
            jump = delta @ S
        dz = delta @ W[k]
    return delta @ U, dz + jump, delta.T @ x, dW, db, dS
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_transition_step_backward", "grade": true, "points": 8}
# Hidden tests: 2 points layers of a forward pass, 2 other cached values, 3 with skip, 1 sizes of one.
check(transition_step_backward)

# %% [markdown]
# ## Hand in
#
# Save the notebook and submit it as `deep.ipynb`.
# *Validate* (the button above the notebook, or in a terminal `nbgrader validate deep.ipynb`) reruns all visible checks from a fresh start.
