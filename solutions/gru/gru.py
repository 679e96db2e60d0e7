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
# # Chapter 5: Gated recurrent unit
#
# You write eight functions: a step in both reset conventions, each of them backward, the sequence over a padded batch forward and backward, the simplified GRU backward, and the conversion between the two meanings of the update gate.
# Each is checked on its own, so you can do them in any order, and a wrong one costs only its own points, unless another function of yours calls it.
# Run the first code cell first, and again after each restart: `name 'check' is not defined` says that it was not run.
# `No module named 'lib'` says that the notebook is not in the folder that it came in; that is in the zip on the chapter's page of the book.
# Backward functions get the values that the forward pass has kept; use them as they come, because the tests also feed values that no forward pass would give.
# Functions must not change their arguments.
#
# The cell below a function calls it on one example and, where that is right, on one or two of other sizes.
# It says what is right and what is not; where your answer equals a known mistake, it says which.
# That is only a first check: grading uses hidden tests with other sizes and numbers.
#
# Conventions: the blocks of `U` (3H, D), `W` (3H, H) and `b` (3H,) are stacked in the order **r, z, n** (reset, update, candidate).
# $z = 1$ keeps the old state.
# Rows are examples, and sequences are time-major.
# The equation labels are those of the book's chapter *Gated recurrent unit*, those that begin with `rnn` of chapter 1.
# The book's page *Equations, code, tests and exercises* lists all labels with links to the equations.
#
# In all there are 40 points. Working time: about three hours.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from lib.activations import sigmoid
from lib.checking import Check

check = Check("gru")

# %% [markdown]
# ## 1. One step, reset before the product (4 points)
#
# The update gate z says how much of the old state stays, the reset gate r how much of it the candidate may see:
#
# $$r = \sigma(b^r + U^r x + W^r h'), \qquad z = \sigma(b^z + U^z x + W^z h'),$$
#
# $$n = \tanh\left(b^n + U^n x + W^n (r \odot h')\right), \qquad h = z \odot h' + (1 - z) \odot n.$$
#
# Mind the parentheses: the old state is reset first, unit by unit, and then multiplied by $W^n$.
#
# Equations: gru-reset-gate, gru-update-gate, gru-candidate, gru-state.
#
# The function gets `x` (N, D), the old state `h` (N, H), `U` (3H, D), `W` (3H, H) and `b` (3H,).
# It returns the new state (N, H). `sigmoid` is given.


# %% nbgrader={"grade_id": "gru_step", "solution": true}
def gru_step(x, h, U, W, b):
    """Advance a GRU by one step, with the reset before the matrix product.

    x (N, D), h (N, H), U (3H, D), W (3H, H), b (3H,) stacked r, z, n; returns (N, H).
    """
    ### BEGIN SOLUTION
    H = h.shape[1]
    a = x @ U.T + b
    r = sigmoid(a[:, :H] + h @ W[:H].T)
    z = sigmoid(a[:, H : 2 * H] + h @ W[H : 2 * H].T)
    n = np.tanh(a[:, 2 * H :] + (r * h) @ W[2 * H :].T)
    return z * h + (1 - z) * n
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_gru_step", "grade": true, "points": 4}
# Hidden tests: 3 points random sizes, 1 sizes of one and large inputs.
check(gru_step)

# %% [markdown]
# ## 2. One step, reset after the product (4 points)
#
# PyTorch, cuDNN and Keras reset **after** the product, and give the recurrent part of the candidate a bias of its own, because it is inside the reset:
#
# $$n = \tanh\left(b^n + U^n x + r \odot (W^n h' + b_{hn})\right).$$
#
# Gates and state are as before.
# One product $W h'$ now serves all three blocks, which is why the fast libraries do it.
#
# Equations: gru-candidate-reset-after, gru-state.
#
# The function gets the arguments of `gru_step`, and `b_hn` (H,).
# It returns the new state (N, H).


# %% nbgrader={"grade_id": "gru_step_after", "solution": true}
def gru_step_after(x, h, U, W, b, b_hn):
    """Advance a GRU by one step, with the reset after the matrix product.

    x (N, D), h (N, H), U (3H, D), W (3H, H), b (3H,) stacked r, z, n, b_hn (H,);
    returns (N, H).
    """
    ### BEGIN SOLUTION
    ar, az, an = np.split(x @ U.T + b, 3, axis=1)
    hr, hz, hn = np.split(h @ W.T, 3, axis=1)
    r, z = sigmoid(ar + hr), sigmoid(az + hz)
    n = np.tanh(an + r * (hn + b_hn))
    return z * h + (1 - z) * n
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_gru_step_after", "grade": true, "points": 4}
# Hidden tests: 3 points random sizes, 1 sizes of one and large inputs.
check(gru_step_after)

# %% [markdown]
# ## 3. One step back, reset before (7 points)
#
# The old state has four arrows out: straight into h, through the candidate, and into both gates.
# With $\nabla_h$ known:
#
# $$\delta^n = (1 - z) \odot \nabla_h \odot (1 - n^2), \qquad \delta^z = (h' - n) \odot \nabla_h \odot z(1 - z), \qquad \delta^r = h' \odot (W^{n\top} \delta^n) \odot r(1 - r),$$
#
# $$\nabla_{h'} = z \odot \nabla_h + r \odot (W^{n\top} \delta^n) + W^{z\top} \delta^z + W^{r\top} \delta^r.$$
#
# For the parameters, each block's error meets what the block multiplied: for $W^r$ and $W^z$ that is $h'$, for $W^n$ it is $r \odot h'$, for all three blocks of $U$ it is $x$.
# These gradients are summed over the examples, not averaged.
#
# Equations: gru-candidate-backward, gru-update-backward, gru-reset-backward, gru-state-backward, gru-parameters.
#
# The function gets `dh` (N, H), the cached `h_prev` (N, H), `x` (N, D), `r`, `z`, `n` (N, H) each, and `U` (3H, D), `W` (3H, H).
# It returns `dx` (N, D), `dh_prev` (N, H), `dU` (3H, D), `dW` (3H, H) and `db` (3H,).


# %% nbgrader={"grade_id": "gru_step_backward", "solution": true}
def gru_step_backward(dh, h_prev, x, r, z, n, U, W):
    """Carry the gradient of the new state back over one GRU step, reset before the product.

    dh, h_prev, r, z, n (N, H), x (N, D), U (3H, D), W (3H, H);
    returns dx (N, D), dh_prev (N, H), dU (3H, D), dW (3H, H), db (3H,).
    """
    ### BEGIN SOLUTION
    H = dh.shape[1]
    dn = (1 - z) * dh * (1 - n**2)
    dz = (h_prev - n) * dh * z * (1 - z)
    reset = dn @ W[2 * H :]
    dr = h_prev * reset * r * (1 - r)
    dh_prev = z * dh + r * reset + dz @ W[H : 2 * H] + dr @ W[:H]
    delta = np.hstack([dr, dz, dn])
    dW = np.vstack([dr.T @ h_prev, dz.T @ h_prev, dn.T @ (r * h_prev)])
    return delta @ U, dh_prev, delta.T @ x, dW, delta.sum(axis=0)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_gru_step_backward", "grade": true, "points": 7}
# Hidden tests: 2 points values of a forward pass, 4 other cached values, 1 sizes of one.
check(gru_step_backward)

# %% [markdown]
# ## 4. One step back, reset after (6 points)
#
# With $q = W^n h' + b_{hn}$ the candidate is $n = \tanh(b^n + U^n x + r \odot q)$.
# The errors $\delta^n$ and $\delta^z$ are as before.
# The reset gate multiplied q, so
#
# $$\delta^r = q \odot \delta^n \odot r(1 - r), \qquad \nabla_{h'} = z \odot \nabla_h + W^{n\top} (r \odot \delta^n) + W^{z\top} \delta^z + W^{r\top} \delta^r,$$
#
# $$\nabla_{W^n} = \sum (r \odot \delta^n)\, h'^\top, \qquad \nabla_{b_{hn}} = \sum r \odot \delta^n .$$
#
# The sums go over the examples.
# $U^n$, $b^n$ and x stand outside the reset, so their gradients are made with $\delta^n$ itself.
#
# Equations: gru-reset-after-backward, gru-reset-after-parameters, gru-candidate-backward, gru-update-backward.
#
# The function gets the arguments of `gru_step_backward`, with the cached `q` (N, H) after `n`.
# It returns `dx`, `dh_prev`, `dU`, `dW`, `db` and `db_hn` (H,).


# %% nbgrader={"grade_id": "gru_step_after_backward", "solution": true}
def gru_step_after_backward(dh, h_prev, x, r, z, n, q, U, W):
    """Carry the gradient of the new state back over one GRU step, reset after the product.

    dh, h_prev, r, z, n, q (N, H), x (N, D), U (3H, D), W (3H, H);
    returns dx (N, D), dh_prev (N, H), dU (3H, D), dW (3H, H), db (3H,), db_hn (H,).
    """
    ### BEGIN SOLUTION
    dn = (1 - z) * dh * (1 - n**2)
    dz = (h_prev - n) * dh * z * (1 - z)
    dr = q * dn * r * (1 - r)
    delta = np.hstack([dr, dz, dn])
    into = np.hstack([dr, dz, r * dn])
    dh_prev = z * dh + into @ W
    db_hn = (r * dn).sum(axis=0)
    return delta @ U, dh_prev, delta.T @ x, into.T @ h_prev, delta.sum(axis=0), db_hn
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_gru_step_after_backward", "grade": true, "points": 6}
# Hidden tests: 2 points values of a forward pass, 3 other cached values, 1 sizes of one.
check(gru_step_after_backward)

# %% [markdown]
# ## 5. The sequence, with padding (4 points)
#
# The step of exercise 1 at every time.
# As in chapter 1, outputs on padding are zero and the state of a row stays as its last real step left it.
#
# Equations: gru-state, rnn-recurrence, rnn-mask.
#
# The function gets `xs` (T, N, D), `h0` (N, H), `U`, `W`, `b` and `lengths` (N,).
# It returns `hs` (T, N, H) and `h_last` (N, H).
# You may copy the lines of your `gru_step`; if you call it instead, a mistake in it costs points here too.
# What stands in `xs` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "gru_forward", "solution": true}
def gru_forward(xs, h0, U, W, b, lengths):
    """Run a GRU over a padded batch, with the reset before the matrix product.

    xs (T, N, D), h0 (N, H), U (3H, D), W (3H, H), b (3H,), lengths (N,) integers from 1 to T;
    returns hs (T, N, H), zero on padding, and h_last (N, H).
    """
    ### BEGIN SOLUTION
    T, N, _ = xs.shape
    H = h0.shape[1]
    hs = np.zeros((T, N, H))
    h = h0
    for t in range(T):
        a = xs[t] @ U.T + b
        rz = sigmoid(a[:, : 2 * H] + h @ W[: 2 * H].T)
        r, z = rz[:, :H], rz[:, H:]
        n = np.tanh(a[:, 2 * H :] + (r * h) @ W[2 * H :].T)
        live = (t < lengths)[:, None]
        new = z * h + (1 - z) * n
        hs[t] = np.where(live, new, 0.0)
        h = np.where(live, new, h)
    return hs, h
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_gru_forward", "grade": true, "points": 4}
# Hidden tests: 2 points full lengths, 2 padded batches and sizes of one.
check(gru_forward)

# %% [markdown]
# ## 6. The sequence back, with padding (7 points)
#
# Go from the last step to the first with the equations of exercise 3.
# A state gets what comes back from the next step and, in `dhs`, what comes from its own output.
# On padding, `dhs` is ignored, nothing goes to the parameters, `dxs` is zero, and the state's gradient passes through unchanged.
#
# Equations: gru-state-backward, gru-candidate-backward, gru-update-backward, gru-reset-backward, gru-parameters.
#
# The function gets `dhs` (T, N, H), `dh_last` (N, H), the states `hs` (T, N, H), `h0` (N, H), `xs` (T, N, D), the cached gates `rs`, `zs`, `ns` (T, N, H) each, `lengths` (N,), and `U`, `W`.
# It returns `dxs` (T, N, D), `dh0` (N, H), `dU` (3H, D), `dW` (3H, H) and `db` (3H,).
# What stands in `dhs` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "gru_backward", "solution": true}
def gru_backward(dhs, dh_last, hs, h0, xs, rs, zs, ns, lengths, U, W):
    """Backpropagate through time over a padded batch, reset before the matrix product.

    dhs, hs, rs, zs, ns (T, N, H), dh_last, h0 (N, H), xs (T, N, D), lengths (N,),
    U (3H, D), W (3H, H);
    returns dxs (T, N, D), dh0 (N, H), dU (3H, D), dW (3H, H), db (3H,).
    """
    ### BEGIN SOLUTION
    H = h0.shape[1]
    dxs, dU, dW, db = np.zeros_like(xs), np.zeros_like(U), np.zeros_like(W), np.zeros(3 * H)
    dh = dh_last
    for t in reversed(range(len(xs))):
        live = (t < lengths)[:, None]
        h_prev = hs[t - 1] if t > 0 else h0
        r, z, n = rs[t], zs[t], ns[t]
        total = np.where(live, dhs[t] + dh, 0.0)
        dn = (1 - z) * total * (1 - n**2)
        dz = (h_prev - n) * total * z * (1 - z)
        reset = dn @ W[2 * H :]
        dr = h_prev * reset * r * (1 - r)
        delta = np.hstack([dr, dz, dn])
        dxs[t] = delta @ U
        dU += delta.T @ xs[t]
        dW += np.vstack([dr.T @ h_prev, dz.T @ h_prev, dn.T @ (r * h_prev)])
        db += delta.sum(axis=0)
        back = z * total + r * reset + dz @ W[H : 2 * H] + dr @ W[:H]
        dh = np.where(live, back, dh)
    return dxs, dh, dU, dW, db
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_gru_backward", "grade": true, "points": 7}
# Hidden tests: 2 points full lengths, 4 padded batches with anything on padding, 1 sizes of one.
check(gru_backward)

# %% [markdown]
# ## 7. The simplified GRU back (5 points)
#
# Without a reset gate there are two blocks, **z, n**, in this order: `U` (2H, D), `W` (2H, H), `b` (2H,).
#
# $$n = \tanh(b^n + U^n x + W^n h'), \qquad h = z \odot h' + (1 - z) \odot n,$$
#
# $$\nabla_{h'} = z \odot \nabla_h + W^{z\top} \delta^z + W^{n\top} \delta^n .$$
#
# Equations: gru-simplified-candidate, gru-simplified-backward, gru-candidate-backward, gru-update-backward.
#
# The function gets `dh`, `h_prev`, `z`, `n` (N, H) each, `x` (N, D), `U` (2H, D), `W` (2H, H).
# It returns `dx` (N, D), `dh_prev` (N, H), `dU` (2H, D), `dW` (2H, H) and `db` (2H,).


# %% nbgrader={"grade_id": "simplified_gru_backward", "solution": true}
def simplified_gru_backward(dh, h_prev, x, z, n, U, W):
    """Carry the gradient of the new state back over one step of the GRU without reset gate.

    dh, h_prev, z, n (N, H), x (N, D), U (2H, D), W (2H, H) stacked z, n;
    returns dx (N, D), dh_prev (N, H), dU (2H, D), dW (2H, H), db (2H,).
    """
    ### BEGIN SOLUTION
    dn = (1 - z) * dh * (1 - n**2)
    dz = (h_prev - n) * dh * z * (1 - z)
    delta = np.hstack([dz, dn])
    return delta @ U, z * dh + delta @ W, delta.T @ x, delta.T @ h_prev, delta.sum(axis=0)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_simplified_gru_backward", "grade": true, "points": 5}
# Hidden tests: 2 points values of a forward pass, 2 other cached values, 1 sizes of one.
check(simplified_gru_backward)

# %% [markdown]
# ## 8. The other meaning of z (3 points)
#
# Half of the literature writes $h = (1 - z) \odot h' + z \odot n$: there $z = 1$ takes the new state.
# The two are the same family, because $\sigma(-a) = 1 - \sigma(a)$.
# Given the parameters of a GRU in one convention, return those of the GRU in the other convention that computes the same states.
#
# Equations: gru-flip.
#
# The function gets `U` (3H, D), `W` (3H, H) and `b` (3H,), stacked r, z, n.
# It returns `U`, `W`, `b` of the other convention. The arguments must stay as they are.


# %% nbgrader={"grade_id": "flip_update_gate", "solution": true}
def flip_update_gate(U, W, b):
    """Convert a GRU's parameters between the two meanings of the update gate.

    U (3H, D), W (3H, H), b (3H,) stacked r, z, n; returns U, W, b.
    """
    ### BEGIN SOLUTION
    H = W.shape[1]
    sign = np.ones(3 * H)
    sign[H : 2 * H] = -1
    return sign[:, None] * U, sign[:, None] * W, sign * b
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_flip_update_gate", "grade": true, "points": 3}
# Hidden tests: 2 points random sizes, 1 sizes of one.
check(flip_update_gate)

# %% [markdown]
# ## Hand in
#
# Save the notebook and submit it as `gru.ipynb`.
# *Validate* (the button above the notebook, or in a terminal `nbgrader validate gru.ipynb`) reruns all visible checks from a fresh start.
