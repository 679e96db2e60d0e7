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
# # Chapter 7: Bidirectional RNN
#
# You write seven functions: the reversal of a padded batch, the bidirectional wrapper and its way back, the output layer of two states backward, the scan of an image in four directions, and the scan from a corner with its way back.
# Each is checked on its own, so you can do them in any order, and a wrong one costs only its own points, unless another function of yours calls it.
# Run the first code cell first, and again after each restart: `name 'check' is not defined` says that it was not run.
# `No module named 'lib'` says that the notebook is not in the folder that it came in; that is in the zip on the chapter's page of the book.
#
# You write the wrapper, and any cell of the earlier chapters goes into it.
# Where a function gets `cell`, that is an object such as `RNN(D, H)`, `LSTM(D, H)` or `GRU(D, H)` of `lib`, and `params` are its parameters.
# `cell.input_size` and `cell.hidden_size` are its D and H.
# `Recurrent(cell)` is the scan of chapter 2, ready to use: `forward(params, xs, state, lengths)` returns the outputs, the last state and a cache, and `backward(params, cache, dys)` returns the gradients of the parameters, of the inputs and of the initial state.
# Without `state` it starts from zero, and without `lengths` every sequence is T long.
# Beyond a length its outputs are zero, its state stays, and what comes back from there is ignored.
# If you would rather write the loop forward with `cell.step`, that is as good.
# Backward functions get the caches that a forward pass has kept; use them as they come, because the tests also feed caches that no forward pass would give.
#
# The equation labels are those of the book's chapter *Bidirectional RNN*.
# Sequences are time-major (T, N, D), images are (R, C, N, D): rows, columns, examples, features.
# A gradient has the shape of what it is the gradient of, and its name with a `d` in front.
# Read $\nabla_h L \ni \dots$ as: the gradient has this among its summands.
#
# Each check has several examples, and tries the next one when those before are right.
# The first has two layers of one size, or as many rows as columns, where that lets it tell common mistakes apart.
# Those that follow have other sizes, as the hidden tests have, so take each size from the argument that it belongs to.
#
# In all there are 44 points. Working time: about three hours.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from lib.bptt import Recurrent
from lib.checking import Check
from lib.gru import GRU
from lib.lstm import LSTM
from lib.rnn import RNN

check = Check("bidirectional")

# %% [markdown]
# ## 1. Reverse a padded batch (4 points)
#
# In a padded batch, sequence n ends after `lengths[n]` steps, and padding follows.
# To be read from its end, each sequence is reversed within its own length $\tau_n$, and padding stays where it is:
#
# $$\mathrm{rev}(x)_n^{(t)} = \begin{cases} x_n^{(\tau_n + 1 - t)} & t \le \tau_n \\ x_n^{(t)} & t > \tau_n . \end{cases}$$
#
# Steps are counted from 1 in the formula, and from 0 in the array.
# Done twice, it gives back what was there.
# You may call this function in exercises 2 and 3; a mistake in it then costs points there too.
#
# Equations: bidirectional-reverse.
#
# The function gets `xs` of shape (T, N) or (T, N, …) and of any dtype, and `lengths` (N,).
# It returns a new array of that shape and dtype.


# %% nbgrader={"grade_id": "reverse_padded", "solution": true}
def reverse_padded(xs, lengths):
    """Reverse each sequence within its own length.

    xs (T, N) or (T, N, …) of any dtype, lengths (N,) integers from 1 to T; returns a
    new array shaped as xs, in which padding is where it was.
    """
    ### BEGIN SOLUTION
    T, N = xs.shape[:2]
    t = np.arange(T)[:, None]
    source = np.where(t < lengths, lengths - 1 - t, t)
    return xs[source, np.arange(N)]
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_reverse_padded", "grade": true, "points": 4}
# Hidden tests: 1 point full lengths, 2 padded batches, 1 other shapes, dtypes and sizes of one.
check(reverse_padded)

# %% [markdown]
# ## 2. Read from both ends (8 points)
#
# Two layers read the same sequence, one toward the future, one toward the past:
#
# $$h^{(t)} = f\!\left(h^{(t-1)}, x^{(t)}; \Theta_1\right), \qquad g^{(t)} = f\!\left(g^{(t+1)}, x^{(t)}; \Theta_2\right).$$
#
# The first starts from `states[0]` before step 1, the second from `states[1]` after each sequence's own last step $\tau_n$.
# Their outputs are merged step by step: `merge = "concat"` puts them side by side, h first, and `merge = "sum"` adds them.
#
# Equations: bidirectional-forward-state, bidirectional-backward-state, bidirectional-merge, rnn-mask.
#
# The function gets `xs` (T, N, D), `lengths` (N,), and pairs, always the one toward the future first: `cells`, `params`, `states`.
# The cells may be of different kinds and sizes H₁, H₂.
# It returns `ys`, (T, N, H₁ + H₂) or (T, N, H), zero beyond a length; `last_h`, the state of the first layer after step $\tau_n$; and `last_g`, the state of the second after step 1, where its reading ends.
# States are named tuples, as `cell.step` and `Recurrent` give them.


# %% nbgrader={"grade_id": "bidirectional_forward", "solution": true}
def bidirectional_forward(xs, lengths, cells, params, states, merge):
    """Run one cell toward the future and one toward the past, and merge their outputs.

    xs (T, N, D), lengths (N,), cells, params and states pairs, merge "concat" or "sum";
    returns ys (T, N, H1 + H2) or (T, N, H), last_h, last_g.
    """
    ### BEGIN SOLUTION
    hs, last_h, _ = Recurrent(cells[0]).forward(params[0], xs, states[0], lengths)
    t = np.arange(len(xs))[:, None]
    order = np.where(t < lengths, lengths - 1 - t, t), np.arange(len(lengths))
    gs, last_g, _ = Recurrent(cells[1]).forward(params[1], xs[order], states[1], lengths)
    gs = gs[order]
    ys = np.concatenate([hs, gs], axis=-1) if merge == "concat" else hs + gs
    return ys, last_h, last_g
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_bidirectional_forward", "grade": true, "points": 8}
# Hidden tests: 2 points RNN cells, 2 LSTM cells, 2 GRU cells, 1 a sum, 1 mixed cells and sizes of one.
check(bidirectional_forward)

# %% [markdown]
# ## 3. Back through both (8 points)
#
# Neither layer knows of the other, so each is carried back by itself, in the order in which it ran.
# What arrives is cut in two, H₁ numbers for the first layer and H₂ for the second, or, where the outputs were added, goes to both whole:
#
# $$\left[\nabla_{h^{(t)}} L;\; \nabla_{g^{(t)}} L\right] \ni \nabla_{y^{(t)}} L \quad \text{(concat)}, \qquad \nabla_{h^{(t)}} L \ni \nabla_{y^{(t)}} L, \;\; \nabla_{g^{(t)}} L \ni \nabla_{y^{(t)}} L \quad \text{(sum)} .$$
#
# The layer toward the past has run over the reversed batch.
# So it gets its gradients reversed, and what it gives for the inputs is reversed once more.
# Both layers read the same inputs, and the inputs' gradients add up:
#
# $$\nabla_x L = \nabla_x^{h} L + \mathrm{rev}\!\left(\nabla_{\mathrm{rev}(x)}^{g} L\right).$$
#
# Equations: bidirectional-merge-backward, bidirectional-reverse.
#
# The function gets `dys`, shaped as the forward pass's `ys`, `lengths` (N,), the pairs `cells` and `params`, and `caches`: what `Recurrent(cell).forward` returned third, for `caches[1]` on the reversed batch.
# As in exercise 2, H₁ and H₂ may differ.
# What stands in `dys` on padding is to be ignored.
# It returns `dxs` (T, N, D), `dparams_h` and `dparams_g`.


# %% nbgrader={"grade_id": "bidirectional_backward", "solution": true}
def bidirectional_backward(dys, lengths, cells, params, caches, merge):
    """Carry the gradient of merged outputs back through both layers.

    dys (T, N, H1 + H2) or (T, N, H), lengths (N,), cells, params and caches pairs,
    merge "concat" or "sum"; returns dxs (T, N, D), dparams_h, dparams_g.
    """
    ### BEGIN SOLUTION
    steps = np.arange(len(dys)).reshape(-1, 1)
    turn = np.where(steps < lengths, lengths - 1 - steps, steps), np.arange(len(lengths))
    dgs = dys
    if merge == "concat":
        dys, dgs = np.split(dys, [cells[0].hidden_size], axis=-1)
    dparams_h, dxs_h, _ = Recurrent(cells[0]).backward(params[0], caches[0], dys)
    dparams_g, dxs_g, _ = Recurrent(cells[1]).backward(params[1], caches[1], dgs[turn])
    return dxs_h + dxs_g[turn], dparams_h, dparams_g
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_bidirectional_backward", "grade": true, "points": 8}
# Hidden tests: 2 points RNN cells, 2 LSTM cells, 2 GRU cells, 1 a sum, 1 mixed cells and sizes of one.
check(bidirectional_backward)

# %% [markdown]
# ## 4. The output layer, backward (6 points)
#
# Each step's output reads both states, $o^{(t)} = \operatorname{softmax}(c + V_1 h^{(t)} + V_2 g^{(t)})$.
# The loss is a sum over each sequence's own steps and a mean over the N examples of the batch.
# With the mask $m^{(t)} = [\,t \le \tau\,]$ and $y^{(t)}$ the one-hot label, the logits $s^{(t)}$ get
#
# $$\nabla_{s^{(t)}} L = \frac{m^{(t)}}{N} \left( o^{(t)} - y^{(t)} \right),$$
#
# and from there two ways lead on, one through each matrix:
#
# $$\nabla_{V_1} L = \sum_{n,t} \nabla_{s^{(t)}} L \; h^{(t)\top}, \quad \nabla_{V_2} L = \sum_{n,t} \nabla_{s^{(t)}} L \; g^{(t)\top}, \quad \nabla_c L = \sum_{n,t} \nabla_{s^{(t)}} L,$$
#
# $$\nabla_{h^{(t)}} L = V_1^\top \nabla_{s^{(t)}} L, \qquad \nabla_{g^{(t)}} L = V_2^\top \nabla_{s^{(t)}} L .$$
#
# Equations: bidirectional-output, bidirectional-output-backward, bptt-logits, rnn-mask.
#
# The function gets `os` (T, N, K), `targets` (T, N) with labels from 0 to K − 1, `lengths` (N,), `hs` (T, N, H₁), `gs` (T, N, H₂), `V1` (K, H₁) and `V2` (K, H₂).
# On padding, `os`, `hs` and `gs` hold numbers without meaning, which must not count; `dhs` and `dgs` are zero there.
# It returns `dV1`, `dV2`, `dc` (K,), `dhs` and `dgs`.
# What stands in `os` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "output_backward", "solution": true}
def output_backward(os, targets, lengths, hs, gs, V1, V2):
    """Carry the loss back through the output layer of two states.

    os (T, N, K), targets (T, N) integers, lengths (N,), hs (T, N, H1), gs (T, N, H2),
    V1 (K, H1), V2 (K, H2); returns dV1, dV2, dc (K,), dhs, dgs.
    """
    ### BEGIN SOLUTION
    T, N, K = os.shape
    real = (np.arange(T)[:, None] < lengths)[..., None]
    dss = np.where(real, os - np.eye(K)[targets], 0.0) / N
    flat = dss.reshape(T * N, K)
    dV1 = flat.T @ hs.reshape(T * N, -1)
    dV2 = flat.T @ gs.reshape(T * N, -1)
    return dV1, dV2, flat.sum(axis=0), dss @ V1, dss @ V2
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_output_backward", "grade": true, "points": 6}
# Hidden tests: 2 points full lengths, 3 padded batches, 1 sizes of one.
check(output_backward)

# %% [markdown]
# ## 5. An image in four directions (6 points)
#
# In an image each row is a sequence of pixels, and so is each column.
# Four layers read them: along the rows to the right and to the left, along the columns down and up:
#
# $$y^{(i,j)} = \left[\overrightarrow{h}^{(i,j)};\; \overleftarrow{h}^{(i,j)};\; h_{\downarrow}^{(i,j)};\; h_{\uparrow}^{(i,j)}\right], \qquad \overrightarrow{h}^{(i,j)} = f\!\left(\overrightarrow{h}^{(i,j-1)}, x^{(i,j)}; \Theta_{\rightarrow}\right) \text{ and so on.}$$
#
# Every row and every column is a sequence by itself and starts from the zero state.
# So R rows of N examples are one batch of R·N sequences, C steps long; the axes must be exchanged, not merely reshaped.
#
# Equations: bidirectional-four-directions.
#
# The function gets `images` (R, C, N, D), a `cell`, and `params`, four of the cell's parameters: right, left, down, up.
# It returns `ys` (R, C, N, 4H), the four outputs side by side in that order.
#
# The images of the first example are squares, those of the second are not.


# %% nbgrader={"grade_id": "four_directions", "solution": true}
def four_directions(images, cell, params):
    """Scan images to the right, to the left, down and up, row by row and column by column.

    images (R, C, N, D), cell, params (right, left, down, up); returns ys (R, C, N, 4H).
    """
    ### BEGIN SOLUTION
    layer = Recurrent(cell)
    found = []
    for k in range(4):
        # the axis that is read comes first, and is turned where the way is back
        field = images if k >= 2 else images.swapaxes(0, 1)
        field = field[::-1] if k % 2 == 1 else field
        steps, lines, N, D = field.shape
        hs = layer.forward(params[k], field.reshape(steps, lines * N, D))[0]
        hs = hs.reshape(steps, lines, N, -1)
        hs = hs[::-1] if k % 2 == 1 else hs
        found.append(hs if k >= 2 else hs.swapaxes(0, 1))
    return np.concatenate(found, axis=-1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_four_directions", "grade": true, "points": 6}
# Hidden tests: 2 points RNN cells, 2 LSTM and GRU cells, 2 single rows, columns, pixels and units.
check(four_directions)

# %% [markdown]
# ## 6. A scan from a corner (5 points)
#
# With two predecessors, above and beside, a state sees everything between it and the corner where the scan begins.
# With i and j counted from that corner,
#
# $$h^{(i,j)} = \tanh\!\left(b + U x^{(i,j)} + W h^{(i-1,j)} + R\, h^{(i,j-1)}\right),$$
#
# and zeros beyond the edge.
# So W belongs to the neighbour in the same column and R to the one in the same row, each the one that is nearer to the corner: from the bottom left, W's neighbour stands below.
#
# Equations: bidirectional-corner-state.
#
# Take care with the letter R: the argument `R` is a matrix, so call the number of rows something else.
# The function gets `images` (R, C, N, D), `corner`, which is `"top left"`, `"top right"`, `"bottom left"` or `"bottom right"`, and `U` (H, D), `W` (H, H), `R` (H, H), `b` (H,).
# It returns `hs` (R, C, N, H), each state at its pixel's place in the image.


# %% nbgrader={"grade_id": "corner_scan", "solution": true}
def corner_scan(images, corner, U, W, R, b):
    """Scan images from a corner, each state seeing the one above and the one beside.

    images (R, C, N, D), corner "top left", "top right", "bottom left" or "bottom right",
    U (H, D), W (H, H) from above, R (H, H) from beside, b (H,); returns hs (R, C, N, H).
    """
    ### BEGIN SOLUTION
    vertical, side = corner.split()
    down = 1 if vertical == "top" else -1
    right = 1 if side == "left" else -1
    xs = images[::down, ::right]
    rows, columns, N, _ = xs.shape
    hs = np.zeros((rows + 1, columns + 1, N, len(b)))
    for i in range(rows):
        for j in range(columns):
            a = xs[i, j] @ U.T + hs[i, j + 1] @ W.T + hs[i + 1, j] @ R.T + b
            hs[i + 1, j + 1] = np.tanh(a)
    return hs[1:, 1:][::down, ::right]
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_corner_scan", "grade": true, "points": 5}
# Hidden tests: 2 points from the top left, 2 from the other corners, 1 single rows, columns, pixels and large weights.
check(corner_scan)

# %% [markdown]
# ## 7. Back to the corner (7 points)
#
# A state of the scan from the top left goes three ways: to its own output, to the state below through W, and to the state beside it through R.
# So three gradients arrive:
#
# $$\nabla_{h^{(i,j)}} L \ni W^\top \delta^{(i+1,j)} + R^\top \delta^{(i,j+1)}, \qquad \delta^{(i,j)} = \left(1 - (h^{(i,j)})^2\right) \odot \nabla_{h^{(i,j)}} L,$$
#
# and the pixels are walked in the opposite order, from the last row and column to the first.
# The parameters add up over all pixels and examples, each error with what its matrix was multiplied by:
#
# $$\nabla_U L = \sum \delta^{(i,j)} x^{(i,j)\top}, \quad \nabla_W L = \sum \delta^{(i,j)} h^{(i-1,j)\top}, \quad \nabla_R L = \sum \delta^{(i,j)} h^{(i,j-1)\top}, \quad \nabla_b L = \sum \delta^{(i,j)}, \quad \nabla_{x^{(i,j)}} L = U^\top \delta^{(i,j)} .$$
#
# Equations: bidirectional-corner-backward.
#
# The function gets `dhs`, the gradient of the outputs (R, C, N, H), the states `hs` (R, C, N, H), `images` (R, C, N, D), `U` (H, D), `W` (H, H) and `R` (H, H), the matrix.
# It returns `dU`, `dW`, `dR`, `db` and `dimages`.
# The images of the first example are squares, those of the second are not; the hidden tests also have states that no scan would give.


# %% nbgrader={"grade_id": "corner_scan_backward", "solution": true}
def corner_scan_backward(dhs, hs, images, U, W, R):
    """Carry the gradient of the states back through a scan from the top left.

    dhs (R, C, N, H), hs (R, C, N, H), images (R, C, N, D), U (H, D), W (H, H), R (H, H);
    returns dU, dW, dR, db, dimages.
    """
    ### BEGIN SOLUTION
    rows, columns, N, H = hs.shape
    # a border of zeros behind the last row and column
    deltas = np.zeros((rows + 1, columns + 1, N, H))
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            into = dhs[i, j] + deltas[i + 1, j] @ W + deltas[i, j + 1] @ R
            deltas[i, j] = (1 - hs[i, j] ** 2) * into
    deltas = deltas[:rows, :columns]
    pixels = [0, 1, 2]
    dU = np.tensordot(deltas, images, (pixels, pixels))
    dW = np.tensordot(deltas[1:], hs[:-1], (pixels, pixels))
    dR = np.tensordot(deltas[:, 1:], hs[:, :-1], (pixels, pixels))
    return dU, dW, dR, deltas.sum(axis=(0, 1, 2)), deltas @ U
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_corner_scan_backward", "grade": true, "points": 7}
# Hidden tests: 2 points states of a scan, 3 other states, 2 single rows, columns, pixels and units.
check(corner_scan_backward)

# %% [markdown]
# ## Hand in
#
# Save the notebook and submit it as `bidirectional.ipynb`.
# *Validate* (the button above the notebook, or in a terminal `nbgrader validate bidirectional.ipynb`) reruns all visible checks from a fresh start.
