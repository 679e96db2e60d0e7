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
# # Chapter 6: Peephole connections and other LSTM variants
#
# You write ten functions: the peephole LSTM's step, its backward pass in two halves, both over sequences, the same errors in Graves's notation, coupled gates forward and backward, and one step each of a clockwork and of a depth-gated network.
# Each is checked on its own, so you can do them in any order, and a wrong one costs only its own points, unless another function of yours calls it.
# Run the first code cell first, and again after each restart: `name 'check' is not defined` says that it was not run.
# `No module named 'lib'` says that the notebook is not in the folder that it came in; that is in the zip on the chapter's page of the book.
#
# How to work:
#
# 1. Read the recap above a function; the equation labels are those of the book's chapter *Peephole connections and other LSTM variants*; those that begin with `lstm` are of chapter 4, with `rnn` of chapter 1. The book's page *Equations, code, tests and exercises* lists all labels with links to the equations.
# 2. Replace `raise NotImplementedError()` by your code.
# 3. Run the cell below it. It calls your function on one example and, where that is right, on one or more of other sizes, and says what is right and what is not. Where your answer equals a known mistake, it says which.
#
# The examples are only a first check. Grading uses hidden tests with other sizes and numbers.
# Functions must not change their arguments, and use float64 (NumPy's default).
#
# Conventions: sequences are time-major, states are (N, H), each row is an example.
# The gates are **stacked** in the order i, f, g, o (g is the candidate): `U` is (4H, D), `W` is (4H, H), `b` is (4H,), and rows 0 … H − 1 belong to i.
# `np.split(a, 4, axis=1)` cuts (N, 4H) into its blocks.
# A peephole is a vector (H,), the diagonal of a matrix: unit j of a gate sees unit j of the cell and no other.
# A prime is the step before: $C'$ is $C^{(t-1)}$.
#
# The backward functions get cached values as arguments. Use them as they are given; the tests feed some that no forward pass would give.
#
# In all there are 51 points. Working time: about three hours.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from lib.activations import sigmoid
from lib.checking import Check

check = Check("peephole")

# %% [markdown]
# ## 1. One step (5 points)
#
# The input gate and the forget gate see the **old** cell state, the output gate the **new** one:
#
# $$i = \sigma(b^i + U^i x + W^i h' + p^i \odot C'), \qquad f = \sigma(b^f + U^f x + W^f h' + p^f \odot C'), \qquad g = \tanh(b^g + U^g x + W^g h'),$$
#
# $$C = f \odot C' + i \odot g, \qquad o = \sigma(b^o + U^o x + W^o h' + p^o \odot C), \qquad h = o \odot \tanh C.$$
#
# So the order is fixed: i, f and g; then C; then o; then h.
#
# A gate without a peephole has `None` in the place of its vector; any of the three may be `None`, and all of them.
# The first of the visible examples has all three, three others lack one each, and one lacks all.
# `sigmoid` is imported above; it does not overflow.
#
# Equations: peephole-input-gate, peephole-forget-gate, peephole-cell, peephole-output-gate, peephole-hidden.
#
# The function gets `x` (N, D), the old states `h_prev`, `c_prev` (N, H), `U` (4H, D), `W` (4H, H), `b` (4H,), stacked i, f, g, o, and `p_i`, `p_f`, `p_o`, each (H,) or `None`.
# It returns `h` and `c`, each (N, H).


# %% nbgrader={"grade_id": "peephole_step", "solution": true}
def peephole_step(x, h_prev, c_prev, U, W, b, p_i, p_f, p_o):
    """Advance a peephole LSTM by one step.

    x (N, D), h_prev, c_prev (N, H), U (4H, D), W (4H, H), b (4H,) stacked i, f, g, o,
    p_i, p_f, p_o (H,) or None; returns h (N, H) and c (N, H).
    """
    ### BEGIN SOLUTION
    a_i, a_f, a_g, a_o = np.split(x @ U.T + h_prev @ W.T + b, 4, axis=1)
    if p_i is not None:
        a_i = a_i + p_i * c_prev
    if p_f is not None:
        a_f = a_f + p_f * c_prev
    c = sigmoid(a_f) * c_prev + sigmoid(a_i) * np.tanh(a_g)
    if p_o is not None:
        a_o = a_o + p_o * c
    return sigmoid(a_o) * np.tanh(c), c
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_peephole_step", "grade": true, "points": 5}
# Hidden tests: 2 points all peepholes, 2 some of them, 1 sizes of one and large inputs.
check(peephole_step)

# %% [markdown]
# ## 2. Backward, first half: to the four errors and the old cell state (6 points)
#
# The order of the forward pass, reversed. First the output gate, because its error reaches the cell:
#
# $$\delta^o = o (1 - o) \odot \tanh C \odot \nabla_h .$$
#
# The cell state is read in **three** places: by $h$, by the output gate's peephole, and by the next step. What the next step sends arrives as `dc_next`:
#
# $$\nabla_C = \texttt{dc\_next} + o \odot (1 - \tanh^2 C) \odot \nabla_h + p^o \odot \delta^o .$$
#
# Then the other errors, and what goes on to the step before:
#
# $$\delta^i = i(1-i) \odot g \odot \nabla_C, \quad \delta^f = f(1-f) \odot C' \odot \nabla_C, \quad \delta^g = (1-g^2) \odot i \odot \nabla_C, \qquad \nabla_{C'} = f \odot \nabla_C + p^i \odot \delta^i + p^f \odot \delta^f .$$
#
# Equations: peephole-output-gate-backward, peephole-cell-backward, peephole-gate-backward, peephole-previous-cell-backward.
#
# The function gets `dh`, `dc_next`, the cached `i`, `f`, `g`, `o`, `c_prev` and `tanh_c` (that is tanh C, already computed), each (N, H), and `p_i`, `p_f`, `p_o` (H,).
# It returns `delta_i`, `delta_f`, `delta_g`, `delta_o` and `dc_prev`, each (N, H).


# %% nbgrader={"grade_id": "peephole_cell_backward", "solution": true}
def peephole_cell_backward(dh, dc_next, i, f, g, o, c_prev, tanh_c, p_i, p_f, p_o):
    """Carry gradients of h and C back to the four pre-activations and the old cell state.

    dh, dc_next, i, f, g, o, c_prev, tanh_c (N, H), p_i, p_f, p_o (H,);
    returns delta_i, delta_f, delta_g, delta_o, dc_prev, each (N, H).
    """
    ### BEGIN SOLUTION
    delta_o = o * (1 - o) * tanh_c * dh
    dc = dc_next + o * (1 - tanh_c**2) * dh + p_o * delta_o
    delta_i = i * (1 - i) * g * dc
    delta_f = f * (1 - f) * c_prev * dc
    delta_g = (1 - g**2) * i * dc
    return delta_i, delta_f, delta_g, delta_o, f * dc + p_i * delta_i + p_f * delta_f
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_peephole_cell_backward", "grade": true, "points": 6}
# Hidden tests: 2 points values of a forward pass, 3 other cached values, 1 sizes of one.
check(peephole_cell_backward)

# %% [markdown]
# ## 3. The whole step, backward (7 points)
#
# The errors of part 2 go on to what the gates read. Through the matrices that is as in any LSTM:
#
# $$\nabla_{h'} = \sum_k (W^k)^\top \delta^k, \quad \nabla_x = \sum_k (U^k)^\top \delta^k, \quad \nabla_{U^k} = \sum_n \delta^k x^\top, \quad \nabla_{W^k} = \sum_n \delta^k h'^\top, \quad \nabla_{b^k} = \sum_n \delta^k .$$
#
# $k$ runs over i, f, g, o, and $n$ over the examples of the batch.
# A peephole is a vector, so its gradient is a sum of products unit by unit, each error with **the cell state that its gate saw**:
#
# $$\nabla_{p^i} = \sum_n \delta^i \odot C', \qquad \nabla_{p^f} = \sum_n \delta^f \odot C', \qquad \nabla_{p^o} = \sum_n \delta^o \odot C .$$
#
# Equations: peephole-output-gate-backward, peephole-cell-backward, peephole-gate-backward, peephole-previous-cell-backward, peephole-weights, lstm-hidden-backward, lstm-input-backward, lstm-parameters.
#
# The function gets what part 2 gets, and besides `c` (N, H), the new cell state, `x` (N, D), `h_prev` (N, H), `U` (4H, D), `W` (4H, H).
# It returns `dx` (N, D), `dh_prev`, `dc_prev` (N, H), `dU` (4H, D), `dW` (4H, H), `db` (4H,), stacked i, f, g, o, and `dp_i`, `dp_f`, `dp_o`, each (H,).


# %% nbgrader={"grade_id": "peephole_step_backward", "solution": true}
def peephole_step_backward(
    dh, dc_next, i, f, g, o, c_prev, c, tanh_c, x, h_prev, U, W, p_i, p_f, p_o
):
    """Carry gradients of h and C back over one step of a peephole LSTM.

    dh, dc_next, i, f, g, o, c_prev, c, tanh_c, h_prev (N, H), x (N, D), U (4H, D), W (4H, H),
    p_i, p_f, p_o (H,); returns dx (N, D), dh_prev, dc_prev (N, H), dU (4H, D), dW (4H, H),
    db (4H,), dp_i, dp_f, dp_o (H,).
    """
    ### BEGIN SOLUTION
    delta_o = o * (1 - o) * tanh_c * dh
    dc = dc_next + o * (1 - tanh_c**2) * dh + p_o * delta_o
    delta_i = i * (1 - i) * g * dc
    delta_f = f * (1 - f) * c_prev * dc
    delta_g = (1 - g**2) * i * dc
    dc_prev = f * dc + p_i * delta_i + p_f * delta_f
    delta = np.hstack([delta_i, delta_f, delta_g, delta_o])
    dp_i = (delta_i * c_prev).sum(axis=0)
    dp_f = (delta_f * c_prev).sum(axis=0)
    dp_o = (delta_o * c).sum(axis=0)
    dU, dW, db = delta.T @ x, delta.T @ h_prev, delta.sum(axis=0)
    return delta @ U, delta @ W, dc_prev, dU, dW, db, dp_i, dp_f, dp_o
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_peephole_step_backward", "grade": true, "points": 7}
# Hidden tests: 3 points values of a forward pass, 3 other cached values, 1 sizes of one.
check(peephole_step_backward)

# %% [markdown]
# ## 4. The sequence, with padding (4 points)
#
# The step of part 1, over time. Both states are carried; all three peepholes are there.
# On padding, outputs are zero and both states stay as the last real step left them.
#
# Equations: peephole-input-gate, peephole-forget-gate, peephole-cell, peephole-output-gate, peephole-hidden, rnn-mask.
#
# The function gets `xs` (T, N, D), the initial states `h0` and `c0` (N, H), the parameters, and `lengths` (N,).
# It returns `hs` (T, N, H), zero on padding, and the last states `h_last` and `c_last` (N, H).
# What stands in `xs` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "peephole_forward", "solution": true}
def peephole_forward(xs, h0, c0, U, W, b, p_i, p_f, p_o, lengths):
    """Run a peephole LSTM over a padded batch.

    xs (T, N, D), h0, c0 (N, H), U (4H, D), W (4H, H), b (4H,), p_i, p_f, p_o (H,),
    lengths (N,) from 1 to T; returns hs (T, N, H), h_last (N, H), c_last (N, H).
    """
    ### BEGIN SOLUTION
    T, N, _ = xs.shape
    h, c = h0, c0
    hs = np.zeros((T, N, h0.shape[1]))
    for t in range(T):
        live = (t < lengths)[:, None]
        a_i, a_f, a_g, a_o = np.split(xs[t] @ U.T + h @ W.T + b, 4, axis=1)
        c_new = sigmoid(a_f + p_f * c) * c + sigmoid(a_i + p_i * c) * np.tanh(a_g)
        h_new = sigmoid(a_o + p_o * c_new) * np.tanh(c_new)
        h, c = np.where(live, h_new, h), np.where(live, c_new, c)
        hs[t] = np.where(live, h_new, 0.0)
    return hs, h, c
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_peephole_forward", "grade": true, "points": 4}
# Hidden tests: 2 points full lengths, 1 padded batches, 1 sizes of one.
check(peephole_forward)

# %% [markdown]
# ## 5. The sequence, backward, with padding (8 points)
#
# The full gradient. At each step, from the last to the first:
#
# 1. add the step's own loss: $\nabla_h \leftarrow \nabla_h + \texttt{dhs[t]}$;
# 2. take the step of parts 2 and 3;
# 3. hand **both** $\nabla_{h'}$ and $\nabla_{C'}$, peepholes included, to the step before.
#
# The parameters' gradients add up over the steps, the peepholes' with $C^{(t-1)}$ for i and f and with $C^{(t)}$ for o.
# Where `t >= lengths[n]`, the row is over: it gives nothing to `dxs` and to the parameters, `dhs[t, n]` counts for nothing, and $\nabla_h$ and $\nabla_C$ pass unchanged.
#
# Equations: peephole-output-gate-backward, peephole-cell-backward, peephole-gate-backward, peephole-previous-cell-backward, peephole-weights, lstm-parameters, rnn-mask.
#
# The function gets `dhs` (T, N, H), the gradients `dh_last` and `dc_last` (N, H) of the last states, and the cache: `xs` (T, N, D), `h_prevs`, `c_prevs` (the states *before* each step), `cs` (the cell state *after* each step), `tanh_cs`, each (T, N, H), `gates` (T, N, 4H) after their activations, stacked i, f, g, o; and the parameters and `lengths` (N,).
# It returns `dxs` (T, N, D), `dh0`, `dc0` (N, H), `dU`, `dW`, `db`, `dp_i`, `dp_f`, `dp_o`.
# What stands in `dhs` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "peephole_backward", "solution": true}
def peephole_backward(
    dhs,
    dh_last,
    dc_last,
    xs,
    h_prevs,
    c_prevs,
    cs,
    tanh_cs,
    gates,
    U,
    W,
    p_i,
    p_f,
    p_o,
    lengths,
):
    """Backpropagate through time over a peephole LSTM and a padded batch.

    dhs, h_prevs, c_prevs, cs, tanh_cs (T, N, H), dh_last, dc_last (N, H), xs (T, N, D),
    gates (T, N, 4H), U (4H, D), W (4H, H), p_i, p_f, p_o (H,), lengths (N,) from 1 to T;
    returns dxs (T, N, D), dh0, dc0 (N, H), dU (4H, D), dW (4H, H), db (4H,),
    dp_i, dp_f, dp_o (H,).
    """
    ### BEGIN SOLUTION
    dxs, dU, dW, db = np.zeros_like(xs), np.zeros_like(U), np.zeros_like(W), np.zeros(len(U))
    dp_i, dp_f, dp_o = np.zeros_like(p_i), np.zeros_like(p_f), np.zeros_like(p_o)
    dh, dc = dh_last, dc_last
    for t in reversed(range(len(xs))):
        live = (t < lengths)[:, None]
        i, f, g, o = np.split(gates[t], 4, axis=1)
        dh_in = np.where(live, dh + dhs[t], 0.0)
        delta_o = o * (1 - o) * tanh_cs[t] * dh_in
        dc_in = np.where(live, dc, 0.0) + o * (1 - tanh_cs[t] ** 2) * dh_in + p_o * delta_o
        delta_i = i * (1 - i) * g * dc_in
        delta_f = f * (1 - f) * c_prevs[t] * dc_in
        delta_g = (1 - g**2) * i * dc_in
        delta = np.hstack([delta_i, delta_f, delta_g, delta_o])
        dxs[t] = delta @ U
        dU += delta.T @ xs[t]
        dW += delta.T @ h_prevs[t]
        db += delta.sum(axis=0)
        dp_i += (delta_i * c_prevs[t]).sum(axis=0)
        dp_f += (delta_f * c_prevs[t]).sum(axis=0)
        dp_o += (delta_o * cs[t]).sum(axis=0)
        dh = np.where(live, delta @ W, dh)
        dc = np.where(live, f * dc_in + p_i * delta_i + p_f * delta_f, dc)
    return dxs, dh, dc, dU, dW, db, dp_i, dp_f, dp_o
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_peephole_backward", "grade": true, "points": 8}
# Hidden tests: 3 points a forward pass's cache, 2 other cached values, 2 padded, 1 sizes of one.
check(peephole_backward)

# %% [markdown]
# ## 6. The same in Graves's notation (5 points)
#
# Graves writes $\epsilon_c^t$ for the gradient of the cell's output ($\nabla_h$), $\epsilon_s^t$ for that of the cell state ($\nabla_C$), $\delta$ for errors at pre-activations, $\iota, \phi, \omega$ for the gates, and $w_{ij}$ for the weight **from** $i$ **to** $j$. His $\epsilon$ are totals: they contain what comes from step $t + 1$, written out. $f$ is any activation of the gates, $h$ any activation of the cell's output.
#
# $$\epsilon_c^t = \sum_k w_{ck}\, \delta_k^t + \sum_j w_{cj}\, \delta_j^{t+1}, \qquad \delta_\omega^t = f'(a_\omega^t)\, h(s_c^t)\, \epsilon_c^t,$$
#
# $$\epsilon_s^t = b_\omega^t\, h'(s_c^t)\, \epsilon_c^t + b_\phi^{t+1} \epsilon_s^{t+1} + w_{c\iota}\, \delta_\iota^{t+1} + w_{c\phi}\, \delta_\phi^{t+1} + w_{c\omega}\, \delta_\omega^t .$$
#
# $k$ runs over the network's outputs, $j$ over all units of all four blocks. Mind the times: two peepholes with $t + 1$, one with $t$.
#
# Equations: peephole-output-gate-backward, peephole-cell-backward, peephole-previous-cell-backward, lstm-hidden-backward.
#
# The function gets `delta_k` (N, K), the errors at the outputs; `delta_next` (N, 4H), the errors of step t + 1, stacked $\iota, \phi, c, \omega$ (our i, f, g, o); `eps_s_next` and `b_phi_next` (N, H), $\epsilon_s$ and $b_\phi$ of step t + 1; of step t `b_omega`, `h_s` $= h(s_c)$, `dh_s` $= h'(s_c)$ and `df_omega` $= f'(a_\omega)$, each (N, H); and the weights `w_ck` (H, K), `w_cj` (H, 4H), **in Graves's layout: rows are where a weight comes from**, and `w_ci`, `w_cf`, `w_co` (H,), the peepholes.
# It returns `eps_c`, `delta_omega`, `eps_s`, each (N, H).


# %% nbgrader={"grade_id": "graves_errors", "solution": true}
def graves_errors(
    delta_k,
    delta_next,
    eps_s_next,
    b_phi_next,
    b_omega,
    h_s,
    dh_s,
    df_omega,
    w_ck,
    w_cj,
    w_ci,
    w_cf,
    w_co,
):
    """Compute the errors of the cell's output, the output gate and the cell state.

    delta_k (N, K), delta_next (N, 4H) stacked input gate, forget gate, cell, output gate,
    eps_s_next, b_phi_next, b_omega, h_s, dh_s, df_omega (N, H), w_ck (H, K), w_cj (H, 4H),
    w_ci, w_cf, w_co (H,); returns eps_c, delta_omega, eps_s, each (N, H).
    """
    ### BEGIN SOLUTION
    eps_c = delta_k @ w_ck.T + delta_next @ w_cj.T
    delta_omega = df_omega * h_s * eps_c
    iota_next, phi_next, _, _ = np.split(delta_next, 4, axis=1)
    eps_s = b_omega * dh_s * eps_c + b_phi_next * eps_s_next
    eps_s = eps_s + w_ci * iota_next + w_cf * phi_next + w_co * delta_omega
    return eps_c, delta_omega, eps_s
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_graves_errors", "grade": true, "points": 5}
# Hidden tests: 4 points random sizes, 1 sizes of one.
check(graves_errors)

# %% [markdown]
# ## 7. Coupled gates (3 points)
#
# Take in what is forgotten: $i = 1 - f$. Three blocks are left, stacked **f, g, o**, and there are no peepholes:
#
# $$C = f \odot C' + (1 - f) \odot g, \qquad h = o \odot \tanh C .$$
#
# Equations: peephole-coupled-cell, lstm-forget-gate, lstm-candidate, lstm-output-gate, lstm-hidden.
#
# The function gets `x` (N, D), `h_prev`, `c_prev` (N, H), `U` (3H, D), `W` (3H, H), `b` (3H,), stacked f, g, o.
# It returns `h` and `c`, each (N, H).


# %% nbgrader={"grade_id": "coupled_step", "solution": true}
def coupled_step(x, h_prev, c_prev, U, W, b):
    """Advance an LSTM with coupled input and forget gates by one step.

    x (N, D), h_prev, c_prev (N, H), U (3H, D), W (3H, H), b (3H,) stacked f, g, o;
    returns h (N, H) and c (N, H).
    """
    ### BEGIN SOLUTION
    a_f, a_g, a_o = np.split(x @ U.T + h_prev @ W.T + b, 3, axis=1)
    f = sigmoid(a_f)
    c = f * c_prev + (1 - f) * np.tanh(a_g)
    return sigmoid(a_o) * np.tanh(c), c
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_coupled_step", "grade": true, "points": 3}
# Hidden tests: 2 points random sizes, 1 sizes of one and large inputs.
check(coupled_step)

# %% [markdown]
# ## 8. Coupled gates, backward (5 points)
#
# One gate does two things, so two gradients meet at it: $C'$ times $\nabla_C$ from what stays, and $-g$ times $\nabla_C$ from what enters.
#
# $$\nabla_C = \texttt{dc\_next} + o \odot (1 - \tanh^2 C) \odot \nabla_h, \qquad \nabla_{C'} = f \odot \nabla_C,$$
#
# $$\delta^f = f(1-f) \odot (C' - g) \odot \nabla_C, \qquad \delta^g = (1 - g^2) \odot (1 - f) \odot \nabla_C, \qquad \delta^o = o(1-o) \odot \tanh C \odot \nabla_h .$$
#
# From there to inputs and parameters it is as in part 3, with three blocks and no peepholes.
#
# Equations: peephole-coupled-backward, lstm-cell-backward, lstm-hidden-backward, lstm-input-backward, lstm-parameters.
#
# The function gets `dh`, `dc_next`, the cached `f`, `g`, `o`, `c_prev` and `tanh_c` (that is tanh C), each (N, H), `x` (N, D), `h_prev` (N, H), `U` (3H, D), `W` (3H, H).
# It returns `dx` (N, D), `dh_prev`, `dc_prev` (N, H), `dU` (3H, D), `dW` (3H, H), `db` (3H,), stacked f, g, o.


# %% nbgrader={"grade_id": "coupled_backward", "solution": true}
def coupled_backward(dh, dc_next, f, g, o, c_prev, tanh_c, x, h_prev, U, W):
    """Carry gradients of h and C back over one step of an LSTM with coupled gates.

    dh, dc_next, f, g, o, c_prev, tanh_c, h_prev (N, H), x (N, D), U (3H, D), W (3H, H);
    returns dx (N, D), dh_prev, dc_prev (N, H), dU (3H, D), dW (3H, H), db (3H,).
    """
    ### BEGIN SOLUTION
    dc = dc_next + o * (1 - tanh_c**2) * dh
    delta = np.hstack(
        [
            f * (1 - f) * (c_prev - g) * dc,
            (1 - g**2) * (1 - f) * dc,
            o * (1 - o) * tanh_c * dh,
        ]
    )
    return delta @ U, delta @ W, f * dc, delta.T @ x, delta.T @ h_prev, delta.sum(axis=0)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_coupled_backward", "grade": true, "points": 5}
# Hidden tests: 2 points values of a forward pass, 2 other cached values, 1 sizes of one.
check(coupled_backward)

# %% [markdown]
# ## 9. A clockwork step (4 points)
#
# The H units are cut into modules of equal size, in order, as many as there are periods: the first H / `len(periods)` units are module 0, and so on.
# Module m has the period `periods[m]`. A period is never smaller than the one before; two modules may have the same one.
# At step t, counted from 1, the modules whose period divides t are due:
#
# $$h_j = \begin{cases} \tanh\bigl(b + U x + (M \odot W) h'\bigr)_j & \text{where the period of unit } j \text{ divides } t, \\ h'_j & \text{elsewhere.} \end{cases}$$
#
# The mask $M_{jk}$ is 1 where the period of unit $k$ is at least that of unit $j$, else 0: a module hears itself, those of the same period and the **slower** ones. Entries of `W` outside the mask are not zero here; they must not be used.
#
# Equations: peephole-clockwork-state, peephole-clockwork-mask.
#
# The function gets `x` (N, D), `h_prev` (N, H), `U` (H, D), `W` (H, H), `b` (H,), `periods`, an array of whole numbers, and `step`, the number t.
# It returns `h` (N, H).


# %% nbgrader={"grade_id": "clockwork_step", "solution": true}
def clockwork_step(x, h_prev, U, W, b, periods, step):
    """Advance a clockwork RNN by one step.

    x (N, D), h_prev (N, H), U (H, D), W (H, H), b (H,), periods one for each module, none
    smaller than the one before, their number divides H, step the number of this step, from 1;
    returns h (N, H).
    """
    ### BEGIN SOLUTION
    period = np.repeat(periods, len(b) // len(periods))
    mask = period[None, :] >= period[:, None]
    fresh = np.tanh(x @ U.T + h_prev @ (W * mask).T + b)
    return np.where(step % period == 0, fresh, h_prev)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_clockwork_step", "grade": true, "points": 4}
# Hidden tests: 2 points some modules due, 1 all or one due, 1 sizes of one and equal periods.
check(clockwork_step)

# %% [markdown]
# ## 10. A depth-gated step (4 points)
#
# Two LSTM layers lie on each other. The upper one reads the lower one's $h$ as its input, as in any stack. Besides, its cell takes from the lower **cell** of the same step as much as a depth gate $d$ lets through:
#
# $$C = f \odot C' + i \odot g + d \odot C_{\text{below}}, \qquad d = \sigma\bigl(b^d + U^d h_{\text{below}} + p^c \odot C' + p^{\text{below}} \odot C_{\text{below}}\bigr) .$$
#
# i, f, g, o and h are those of a plain LSTM whose input is $h_{\text{below}}$. The depth gate does not see $h'$.
#
# Equations: peephole-depth-gate, peephole-depth-cell, lstm-hidden.
#
# The function computes the **upper** layer. It gets `h_below`, `c_below`, the lower layer's new states, `h_prev`, `c_prev`, the upper layer's old ones, each (N, H), `U` (5H, H) and `b` (5H,), stacked i, f, g, o, d, `W` (4H, H), stacked i, f, g, o, and `p_c`, `p_below` (H,).
# It returns the upper layer's `h` and `c`, each (N, H).


# %% nbgrader={"grade_id": "depth_gated_step", "solution": true}
def depth_gated_step(h_below, c_below, h_prev, c_prev, U, W, b, p_c, p_below):
    """Advance the upper layer of a depth-gated LSTM by one step.

    h_below, c_below, h_prev, c_prev (N, H), U (5H, H), b (5H,) stacked i, f, g, o, d,
    W (4H, H) stacked i, f, g, o, p_c, p_below (H,); returns h (N, H) and c (N, H).
    """
    ### BEGIN SOLUTION
    a_i, a_f, a_g, a_o, a_d = np.split(h_below @ U.T + b, 5, axis=1)
    r_i, r_f, r_g, r_o = np.split(h_prev @ W.T, 4, axis=1)
    d = sigmoid(a_d + p_c * c_prev + p_below * c_below)
    c = sigmoid(a_f + r_f) * c_prev + sigmoid(a_i + r_i) * np.tanh(a_g + r_g) + d * c_below
    return sigmoid(a_o + r_o) * np.tanh(c), c
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_depth_gated_step", "grade": true, "points": 4}
# Hidden tests: 2 points random sizes, 1 a shut depth gate, 1 sizes of one and large states.
check(depth_gated_step)

# %% [markdown]
# ## Hand in
#
# Save the notebook and submit it as `peephole.ipynb`.
# *Validate* (the button above the notebook, or in a terminal `nbgrader validate peephole.ipynb`) reruns all visible checks from a fresh start.
