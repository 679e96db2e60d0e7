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
# # Chapter 4: Long short-term memory
#
# You write eleven functions: the gates, the state, the backward pass in two halves, both over whole sequences, padding, the truncated gradient of 1997, the Jacobian of the cell state, the parameter count, and what the forget gate's bias does.
# Each is checked on its own, so you can do them in any order, and a wrong one costs only its own points, unless another function of yours calls it.
# Run the first code cell first, and again after each restart: `name 'check' is not defined` says that it was not run.
# `No module named 'lib'` says that the notebook is not in the folder that it came in; that is in the zip on the chapter's page of the book.
#
# How to work:
#
# 1. Read the recap above a function; the equation labels are those of the book's chapter *Long short-term memory*; those that begin with `rnn` are of chapter 1. The book's page *Equations, code, tests and exercises* lists all labels with links to the equations.
# 2. Replace `raise NotImplementedError()` by your code.
# 3. Run the cell below it. It calls your function on one example, or on a few, and says what is right and what is not. Where your answer equals a known mistake, it says which.
#
# The examples are only a first check. Grading uses hidden tests with other sizes and numbers.
# Functions must not change their arguments, and use float64 (NumPy's default).
#
# Conventions: sequences are time-major, states are (N, H), each row is an example.
# The gates are **stacked** in the order i, f, g, o (g is the candidate): `U` is (4H, D), `W` is (4H, H), `b` is (4H,), and rows 0 … H − 1 belong to i.
# So all four pre-activations are one line, `a = x @ U.T + h @ W.T + b` (N, 4H), and `np.split(a, 4, axis=1)` cuts them apart.
#
# The backward functions get cached values as arguments. Use them as they are given; the tests feed some that no forward pass would give.
#
# In all there are 50 points. Working time: about three hours.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from lib.activations import sigmoid
from lib.checking import Check

check = Check("lstm")

# %% [markdown]
# ## 1. The gates (4 points)
#
# Three gates say how much; the candidate says what.
#
# $$i = \sigma(b^i + U^i x + W^i h'), \quad f = \sigma(b^f + U^f x + W^f h'), \quad g = \tanh(b^g + U^g x + W^g h'), \quad o = \sigma(b^o + U^o x + W^o h').$$
#
# `sigmoid` is imported above; it does not overflow.
#
# Equations: lstm-input-gate, lstm-forget-gate, lstm-candidate, lstm-output-gate, sigmoid.
#
# The function gets `x` (N, D), the old hidden state `h_prev` (N, H), and `U` (4H, D), `W` (4H, H), `b` (4H,), stacked i, f, g, o.
# It returns `i`, `f`, `g`, `o`, each (N, H).


# %% nbgrader={"grade_id": "lstm_gates", "solution": true}
def lstm_gates(x, h_prev, U, W, b):
    """Compute the gates and the candidate of one step.

    x (N, D), h_prev (N, H), U (4H, D), W (4H, H), b (4H,) stacked i, f, g, o;
    returns i, f, g, o, each (N, H).
    """
    ### BEGIN SOLUTION
    a_i, a_f, a_g, a_o = np.split(x @ U.T + h_prev @ W.T + b, 4, axis=1)
    return sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_lstm_gates", "grade": true, "points": 4}
# Hidden tests: 2 points random sizes, 1 one example and one unit, 1 large inputs.
check(lstm_gates)

# %% [markdown]
# ## 2. The state (3 points)
#
# The forget gate scales what was there, the input gate what is added; the output gate scales what is shown:
#
# $$C = f \odot C' + i \odot g, \qquad h = o \odot \tanh C.$$
#
# Equations: lstm-cell, lstm-hidden.
#
# The function gets `i`, `f`, `g`, `o` and the old cell state `c_prev`, each (N, H).
# It returns `h` and `c`, each (N, H).


# %% nbgrader={"grade_id": "lstm_state", "solution": true}
def lstm_state(i, f, g, o, c_prev):
    """Compute the new hidden state and the new cell state from the gates.

    i, f, g, o, c_prev (N, H); returns h (N, H) and c (N, H).
    """
    ### BEGIN SOLUTION
    c = f * c_prev + i * g
    return o * np.tanh(c), c
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_lstm_state", "grade": true, "points": 3}
# Hidden tests: 2 points random sizes, 1 sizes of one and large states.
check(lstm_state)

# %% [markdown]
# ## 3. Backward, first half: from the states to the gates (6 points)
#
# Two gradients arrive: $\nabla_h$ at the hidden state, and at the cell state what the **next** step sends along the belt, $f^{(t+1)} \odot \nabla_{C^{(t+1)}}$, which comes in as `dc_next`.
# The cell state has a second way to the loss, through $h = o \odot \tanh C$, and the two add up:
#
# $$\nabla_C = o \odot (1 - \tanh^2 C) \odot \nabla_h + \texttt{dc\_next}.$$
#
# From there each product hands the gradient to one factor multiplied by the other:
#
# $$\nabla_o = \tanh C \odot \nabla_h, \quad \nabla_f = C' \odot \nabla_C, \quad \nabla_i = g \odot \nabla_C, \quad \nabla_g = i \odot \nabla_C, \quad \nabla_{C'} = f \odot \nabla_C.$$
#
# These are gradients of the gates' *values*; their activations come in the second half.
#
# Equations: lstm-cell-backward, lstm-gate-backward.
#
# The function gets `dh`, `dc_next`, the cached `i`, `f`, `g`, `o`, `c_prev` and `tanh_c` (that is tanh C, already computed), each (N, H).
# It returns `di`, `df`, `dg`, `do` and `dc_prev`, each (N, H).


# %% nbgrader={"grade_id": "state_backward", "solution": true}
def state_backward(dh, dc_next, i, f, g, o, c_prev, tanh_c):
    """Carry gradients of h and C back to the gates' values and the old cell state.

    All arguments (N, H); returns di, df, dg, do, dc_prev, each (N, H).
    """
    ### BEGIN SOLUTION
    dc = dc_next + o * (1 - tanh_c**2) * dh
    return g * dc, c_prev * dc, i * dc, tanh_c * dh, f * dc
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_state_backward", "grade": true, "points": 6}
# Hidden tests: 2 points values of a forward pass, 3 other cached values, 1 sizes of one.
check(state_backward)

# %% [markdown]
# ## 4. Backward, second half: from the gates to what they read (6 points)
#
# First through the activations, each by its own slope:
#
# $$\delta^k = k (1 - k) \odot \nabla_k \quad (k = i, f, o), \qquad \delta^g = (1 - g^2) \odot \nabla_g.$$
#
# Then through the affine maps, which all four share:
#
# $$\nabla_{h'} = \sum_k (W^k)^\top \delta^k, \quad \nabla_x = \sum_k (U^k)^\top \delta^k, \quad \nabla_{U^k} = \sum_n \delta^k x^\top, \quad \nabla_{W^k} = \sum_n \delta^k h'^\top, \quad \nabla_{b^k} = \sum_n \delta^k.$$
#
# The slope belongs to δ, **before** the transposed product.
#
# Equations: lstm-gate-backward, lstm-hidden-backward, lstm-input-backward, lstm-parameters.
#
# The function gets the gradients `di`, `df`, `dg`, `do` and the values `i`, `f`, `g`, `o`, each (N, H), `x` (N, D), `h_prev` (N, H), `U` (4H, D), `W` (4H, H).
# It returns `dx` (N, D), `dh_prev` (N, H), `dU` (4H, D), `dW` (4H, H), `db` (4H,), stacked i, f, g, o.


# %% nbgrader={"grade_id": "gates_backward", "solution": true}
def gates_backward(di, df, dg, do, i, f, g, o, x, h_prev, U, W):
    """Carry gradients of the gates' values back to inputs and parameters.

    di, df, dg, do, i, f, g, o (N, H), x (N, D), h_prev (N, H), U (4H, D), W (4H, H);
    returns dx (N, D), dh_prev (N, H), dU (4H, D), dW (4H, H), db (4H,).
    """
    ### BEGIN SOLUTION
    delta = np.hstack([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)])
    return delta @ U, delta @ W, delta.T @ x, delta.T @ h_prev, delta.sum(axis=0)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_gates_backward", "grade": true, "points": 6}
# Hidden tests: 2 points values of a forward pass, 3 other cached values, 1 sizes of one.
check(gates_backward)

# %% [markdown]
# ## 5. The sequence, with padding (4 points)
#
# The step of parts 1 and 2, over time. Both states are carried.
# On padding, outputs are zero and both states stay as the last real step left them.
#
# Equations: lstm-cell, lstm-hidden, rnn-mask.
#
# The function gets `xs` (T, N, D), the initial states `h0` and `c0` (N, H), the parameters, and `lengths` (N,).
# It returns `hs` (T, N, H), zero on padding, and the last states `h_last` and `c_last` (N, H).
# What stands in `xs` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "lstm_forward", "solution": true}
def lstm_forward(xs, h0, c0, U, W, b, lengths):
    """Run an LSTM over a padded batch.

    xs (T, N, D), h0, c0 (N, H), U (4H, D), W (4H, H), b (4H,), lengths (N,) from 1 to T;
    returns hs (T, N, H), h_last (N, H), c_last (N, H).
    """
    ### BEGIN SOLUTION
    T, N, _ = xs.shape
    h, c = h0, c0
    hs = np.zeros((T, N, h0.shape[1]))
    for t in range(T):
        live = (t < lengths)[:, None]
        a_i, a_f, a_g, a_o = np.split(xs[t] @ U.T + h @ W.T + b, 4, axis=1)
        c_new = sigmoid(a_f) * c + sigmoid(a_i) * np.tanh(a_g)
        h_new = sigmoid(a_o) * np.tanh(c_new)
        h, c = np.where(live, h_new, h), np.where(live, c_new, c)
        hs[t] = np.where(live, h_new, 0.0)
    return hs, h, c
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_lstm_forward", "grade": true, "points": 4}
# Hidden tests: 2 points full lengths, 1 padded batches, 1 sizes of one.
check(lstm_forward)

# %% [markdown]
# ## 6. The sequence, backward (7 points)
#
# Two gradients travel back in time, side by side: $\nabla_h$ and $\nabla_C$.
# At each step, from the last to the first:
#
# 1. add the step's own loss: $\nabla_h \leftarrow \nabla_h + \texttt{dhs[t]}$;
# 2. take the step of parts 3 and 4;
# 3. hand **both** $\nabla_{h'}$ and $\nabla_{C'} = f \odot \nabla_C$ to the step before.
#
# The parameters' gradients add up over the steps.
#
# Equations: lstm-cell-backward, lstm-gate-backward, lstm-hidden-backward, lstm-input-backward, lstm-parameters.
#
# The function gets `dhs` (T, N, H), the gradients `dh_last` and `dc_last` (N, H) of the last states, and the cache: `xs` (T, N, D), `h_prevs`, `c_prevs` (the states *before* each step) and `tanh_cs` (T, N, H), `gates` (T, N, 4H) after their activations, stacked i, f, g, o; and `U`, `W`.
# It returns `dxs` (T, N, D), `dh0`, `dc0` (N, H), `dU`, `dW`, `db`.


# %% nbgrader={"grade_id": "lstm_backward", "solution": true}
def lstm_backward(dhs, dh_last, dc_last, xs, h_prevs, c_prevs, gates, tanh_cs, U, W):
    """Backpropagate through time over an LSTM.

    dhs (T, N, H), dh_last, dc_last (N, H), xs (T, N, D), h_prevs, c_prevs, tanh_cs (T, N, H),
    gates (T, N, 4H), U (4H, D), W (4H, H); returns dxs (T, N, D), dh0, dc0 (N, H),
    dU (4H, D), dW (4H, H), db (4H,).
    """
    ### BEGIN SOLUTION
    T = len(xs)
    dxs, dU, dW, db = np.empty_like(xs), np.zeros_like(U), np.zeros_like(W), np.zeros(len(U))
    dh, dc = dh_last, dc_last
    for t in reversed(range(T)):
        i, f, g, o = np.split(gates[t], 4, axis=1)
        dh = dh + dhs[t]
        dc = dc + o * (1 - tanh_cs[t] ** 2) * dh
        delta = np.hstack(
            [
                g * dc * i * (1 - i),
                c_prevs[t] * dc * f * (1 - f),
                i * dc * (1 - g**2),
                tanh_cs[t] * dh * o * (1 - o),
            ]
        )
        dU += delta.T @ xs[t]
        dW += delta.T @ h_prevs[t]
        db += delta.sum(axis=0)
        dxs[t] = delta @ U
        dh, dc = delta @ W, f * dc
    return dxs, dh, dc, dU, dW, db
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_lstm_backward", "grade": true, "points": 7}
# Hidden tests: 3 points a forward pass's cache, 3 other cached values, 1 sizes of one.
check(lstm_backward)

# %% [markdown]
# ## 7. The sequence, backward, with padding (5 points)
#
# A batch is padded, and `lengths` says how long each sequence is. Where `t >= lengths[n]`, the forward pass gave a zero output and left both states alone. Going back, for such a row and step:
#
# - `dhs[t, n]` counts for nothing, for the zero output depends on nothing;
# - the step gives nothing to `dxs`, `dU`, `dW`, `db`;
# - $\nabla_h$ and $\nabla_C$ pass unchanged to the step before: a frozen state is a copy.
#
# So `dh_last[n]` and `dc_last[n]` enter at the last **real** step. What stands in the cache on padding is meaningless.
#
# Equations: rnn-mask, lstm-cell-backward, lstm-hidden-backward, lstm-parameters.
#
# Arguments and results are those of part 6, with `lengths` (N,) besides.
# What stands in `dhs` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "lstm_backward_padded", "solution": true}
def lstm_backward_padded(
    dhs, dh_last, dc_last, xs, h_prevs, c_prevs, gates, tanh_cs, U, W, lengths
):
    """Backpropagate through time over a padded batch.

    As lstm_backward, with lengths (N,) from 1 to T; returns dxs, dh0, dc0, dU, dW, db.
    """
    ### BEGIN SOLUTION
    T = len(xs)
    dxs, dU, dW, db = np.zeros_like(xs), np.zeros_like(U), np.zeros_like(W), np.zeros(len(U))
    dh, dc = dh_last, dc_last
    for t in reversed(range(T)):
        live = (t < lengths)[:, None]
        i, f, g, o = np.split(gates[t], 4, axis=1)
        dh_in = dh + dhs[t]
        dc_in = dc + o * (1 - tanh_cs[t] ** 2) * dh_in
        delta = np.hstack(
            [
                g * dc_in * i * (1 - i),
                c_prevs[t] * dc_in * f * (1 - f),
                i * dc_in * (1 - g**2),
                tanh_cs[t] * dh_in * o * (1 - o),
            ]
        )
        delta = np.where(live, delta, 0.0)
        dU += delta.T @ xs[t]
        dW += delta.T @ h_prevs[t]
        db += delta.sum(axis=0)
        dxs[t] = delta @ U
        dh, dc = np.where(live, delta @ W, dh), np.where(live, f * dc_in, dc)
    return dxs, dh, dc, dU, dW, db
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_lstm_backward_padded", "grade": true, "points": 5}
# Hidden tests: 1 point full lengths, 3 padded batches, 1 sizes of one.
check(lstm_backward_padded)

# %% [markdown]
# ## 8. The truncated gradient of 1997 (5 points)
#
# The LSTM of 1997 has no forget gate: $C = C' + i \odot g$, blocks stacked i, g, o.
# Its gradient is cut. An error δ at a gate or at the candidate changes that block's weights, and reaches $x$, but it does **not** go on to $h'$.
# So nothing but the cell state leads back in time, and there by a factor of exactly 1:
#
# $$\nabla_{h^{(t)}} = \texttt{dhs[t]}, \qquad \nabla_{C^{(t)}} = o \odot (1 - \tanh^2 C) \odot \nabla_h + \nabla_{C^{(t+1)}}.$$
#
# $W$ is not among the arguments: the cut gradient has no use for it.
#
# Equations: lstm-carousel, lstm-carousel-backward, lstm-truncated.
#
# The function gets `dhs` (T, N, H), `dc_last` (N, H), `xs` (T, N, D), `h_prevs`, `tanh_cs` (T, N, H), `gates` (T, N, 3H) after their activations, stacked i, g, o, and `U` (3H, D).
# It returns `dxs` (T, N, D), `dc0` (N, H), `dU` (3H, D), `dW` (3H, H), `db` (3H,).


# %% nbgrader={"grade_id": "truncated_backward", "solution": true}
def truncated_backward(dhs, dc_last, xs, h_prevs, gates, tanh_cs, U):
    """Compute the truncated gradient of the LSTM of 1997.

    dhs (T, N, H), dc_last (N, H), xs (T, N, D), h_prevs, tanh_cs (T, N, H), gates (T, N, 3H)
    stacked i, g, o, U (3H, D); returns dxs (T, N, D), dc0 (N, H), dU (3H, D), dW (3H, H), db (3H,).
    """
    ### BEGIN SOLUTION
    H = dhs.shape[2]
    dxs, dU, dW, db = np.empty_like(xs), np.zeros_like(U), np.zeros((3 * H, H)), np.zeros(3 * H)
    dc = dc_last
    for t in reversed(range(len(xs))):
        i, g, o = np.split(gates[t], 3, axis=1)
        dc = dc + o * (1 - tanh_cs[t] ** 2) * dhs[t]
        delta = np.hstack(
            [g * dc * i * (1 - i), i * dc * (1 - g**2), tanh_cs[t] * dhs[t] * o * (1 - o)]
        )
        dxs[t] = delta @ U
        dU += delta.T @ xs[t]
        dW += delta.T @ h_prevs[t]
        db += delta.sum(axis=0)
    return dxs, dc, dU, dW, db
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_truncated_backward", "grade": true, "points": 5}
# Hidden tests: 2 points a forward pass's cache, 2 other cached values, 1 sizes of one.
check(truncated_backward)

# %% [markdown]
# ## 9. The Jacobian of the cell state (5 points)
#
# How does $C^{(t)}$ depend on $C^{(t-1)}$? Directly through the belt, and through $h^{(t-1)} = o' \odot \tanh C'$, which all gates read:
#
# $$\frac{\partial C}{\partial C'} = \operatorname{diag}(f) + \Big[\operatorname{diag}\!\big(g \odot i(1-i)\big) W^i + \operatorname{diag}\!\big(C' \odot f(1-f)\big) W^f + \operatorname{diag}\!\big(i \odot (1-g^2)\big) W^g\Big] \operatorname{diag}\!\big(o' \odot (1 - \tanh^2 C')\big).$$
#
# A diagonal matrix on the left scales rows, on the right columns. The output gate $o$ of step t has no part in it, but that of step t − 1 does.
#
# Equations: lstm-jacobian.
#
# The function looks at **one** example. It gets `i`, `f`, `g` of step t, `c_prev` and `o_prev` (that is $C'$ and $o'$), each (H,), and `W` (4H, H), stacked i, f, g, o.
# It returns the matrix (H, H), row j and column k being $\partial C_j / \partial C'_k$.


# %% nbgrader={"grade_id": "cell_jacobian", "solution": true}
def cell_jacobian(i, f, g, c_prev, o_prev, W):
    """Compute how the new cell state depends on the old one, along all paths.

    i, f, g, c_prev, o_prev (H,), W (4H, H) stacked i, f, g, o; returns (H, H).
    """
    ### BEGIN SOLUTION
    W_i, W_f, W_g, _ = np.split(W, 4)
    through_gates = (
        (g * i * (1 - i))[:, None] * W_i
        + (c_prev * f * (1 - f))[:, None] * W_f
        + (i * (1 - g**2))[:, None] * W_g
    )
    return np.diag(f) + through_gates * (o_prev * (1 - np.tanh(c_prev) ** 2))
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_cell_jacobian", "grade": true, "points": 5}
# Hidden tests: 2 points values of a forward pass, 2 other values, 1 one unit and large states.
check(cell_jacobian)

# %% [markdown]
# ## 10. Counting parameters (2 points)
#
# Four blocks, each with a matrix from the input, one from the hidden state, and a bias.
# Keras and this course keep one bias a block; PyTorch keeps two.
#
# Equations: lstm-parameter-count.
#
# The function gets `input_size`, `hidden_size` and `biases` (1 or 2), all integers.
# It returns an integer.


# %% nbgrader={"grade_id": "parameter_count", "solution": true}
def parameter_count(input_size, hidden_size, biases):
    """Count the parameters of an LSTM layer.

    input_size D, hidden_size H, biases 1 (Keras) or 2 (PyTorch); returns an integer.
    """
    ### BEGIN SOLUTION
    return 4 * hidden_size * (hidden_size + input_size + biases)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_parameter_count", "grade": true, "points": 2}
# Hidden tests: 1 point one bias, 1 two biases.
check(parameter_count)

# %% [markdown]
# ## 11. What the forget gate's bias does (3 points)
#
# At the start of training the weights are small, so the forget gate is about $\sigma(b^f)$ at every step, and along the cell path
#
# $$\frac{\partial C^{(t)}}{\partial C^{(t-q)}} \approx \sigma(b^f)^q .$$
#
# The **half-life** is the (real) number of steps after which this is one half: $-\ln 2 / \ln \sigma(b^f)$.
#
# A bias may be large. At $b^f = 40$ the sigmoid rounds to 1 and its logarithm to 0, but the half-life is not infinite.
# Use $-\ln \sigma(b) = \ln(1 + e^{-b})$, which NumPy has as `np.logaddexp(0, -b)`.
#
# Equations: lstm-forget-bias, lstm-cell-path.
#
# The function gets `bias` (K,), several biases to compare, and `steps`, the number q.
# It returns `kept` (K,), the factor $\sigma(b)^q$, and `half_life` (K,).


# %% nbgrader={"grade_id": "forget_bias_effect", "solution": true}
def forget_bias_effect(bias, steps):
    """Say how much of a gradient is left along the cell path, and when half is gone.

    bias (K,), steps a whole number; returns kept (K,) and half_life (K,).
    """
    ### BEGIN SOLUTION
    rate = np.logaddexp(0.0, -bias)
    return np.exp(-steps * rate), np.log(2) / rate
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_forget_bias_effect", "grade": true, "points": 3}
# Hidden tests: 2 points usual biases, 1 large ones.
check(forget_bias_effect)

# %% [markdown]
# ## Hand in
#
# Save the notebook and submit it as `lstm.ipynb`.
# *Validate* (the button above the notebook, or in a terminal `nbgrader validate lstm.ipynb`) reruns all visible checks from a fresh start.
