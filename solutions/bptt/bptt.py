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
# # Chapter 2: Backpropagation through time
#
# You write eight functions: the gradient of the loss at the output, one step back, the whole sequence back, the same with padding and with truncation, the output-to-hidden network under teacher forcing, and a gradient checker of your own.
# Each is checked on its own, so you can do them in any order, and a wrong one costs only its own points, unless another function of yours calls it.
# Run the first code cell first, and again after each restart: `name 'check' is not defined` says that it was not run.
# `No module named 'lib'` says that the notebook is not in the folder that it came in; that is in the zip on the chapter's page of the book.
# Every backward function gets the values that the forward pass has kept; use them as they come, because the tests also feed values that no forward pass would give.
#
# The equation labels are those of the book's chapter *Backpropagation through time*; those that begin with `rnn` are of chapter 1.
# The book's page *Equations, code, tests and exercises* lists all labels with links to the equations.
# Sequences are time-major, `xs` is (T, N, D); rows are examples; a gradient has the shape of what it is the gradient of, and its name with a `d` in front.
#
# In all there are 40 points. Working time: about three hours.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from lib.checking import Check

check = Check("bptt")

# %% [markdown]
# ## 1. From the loss to the states (5 points)
#
# The loss is the masked cross-entropy of chapter 1: a sum over time, a mean over the N examples.
# Its gradient for the logits is the output minus the target, one-hot:
#
# $$\nabla_{s_n^{(t)}} L = \frac{m_n^{(t)}}{N} \left( o_n^{(t)} - y_n^{(t)} \right).$$
#
# From there it goes to the output layer, which all steps share, and to each step's state.
# (A ∋ reads "has among the terms of its sum": a state gets more from the next step, but that is not asked here.)
#
# $$\nabla_V L = \sum_{t,n} \nabla_s L \; h^\top, \qquad \nabla_c L = \sum_{t,n} \nabla_s L, \qquad \nabla_{h^{(t)}} L \ni V^\top \nabla_{s^{(t)}} L.$$
#
# Equations: bptt-logits, bptt-output-parameters, bptt-hidden-last.
#
# The function gets the outputs `os` (T, N, K), the states `hs` (T, N, H), `targets` (T, N) with classes from 0 to K − 1, `mask` (T, N), and `V` (K, H).
# It returns `dhs` (T, N, H), what each state gets from its own output, `dV` (K, H) and `dc` (K,).


# %% nbgrader={"grade_id": "output_backward", "solution": true}
def output_backward(os, hs, targets, mask, V):
    """Carry the masked cross-entropy back to the output layer and the states.

    os (T, N, K), hs (T, N, H), targets (T, N) integers, mask (T, N), V (K, H);
    returns dhs (T, N, H), dV (K, H), dc (K,).
    """
    ### BEGIN SOLUTION
    K = V.shape[0]
    ds = (os - np.eye(K)[targets]) * mask[..., None] / os.shape[1]
    dV = np.einsum("tnk,tnh->kh", ds, hs)
    return ds @ V, dV, ds.sum(axis=(0, 1))
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_output_backward", "grade": true, "points": 5}
# Hidden tests: 2 points outputs of a softmax, 2 masks and other cached values, 1 sizes of one.
check(output_backward)

# %% [markdown]
# ## 2. One step back (6 points)
#
# One step computed $h = \tanh a$ with $a = b + W h' + U x$, where $h' = h^{(t-1)}$.
# Suppose that $\nabla_h L$ is known, all contributions together.
# The tanh comes first on the way back, and only then the matrices:
#
# $$\delta = (1 - h^2) \odot \nabla_h L,$$
#
# $$\nabla_{h'} L \ni W^\top \delta, \qquad \nabla_x L = U^\top \delta, \qquad \nabla_W L = \sum_n \delta_n h_n'^\top, \qquad \nabla_U L = \sum_n \delta_n x_n^\top, \qquad \nabla_b L = \sum_n \delta_n.$$
#
# As in exercise 1, ∋ names one term of a sum; here it is the only one asked for.
#
# Equations: bptt-delta, bptt-hidden, bptt-input, bptt-parameters.
#
# The function gets `dh` (N, H), the cached `h` (N, H), `h_prev` (N, H) and `x` (N, D), and `U` (H, D), `W` (H, H).
# It returns `dx` (N, D), `dh_prev` (N, H), which is $W^\top \delta$, `dU` (H, D), `dW` (H, H) and `db` (H,).


# %% nbgrader={"grade_id": "rnn_step_backward", "solution": true}
def rnn_step_backward(dh, h, h_prev, x, U, W):
    """Carry the gradient of the new state back over one Elman step.

    dh (N, H), h (N, H), h_prev (N, H), x (N, D), U (H, D), W (H, H);
    returns dx (N, D), dh_prev (N, H), dU (H, D), dW (H, H), db (H,).
    """
    ### BEGIN SOLUTION
    delta = (1 - h**2) * dh
    return delta @ U, delta @ W, delta.T @ x, delta.T @ h_prev, delta.sum(axis=0)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_rnn_step_backward", "grade": true, "points": 6}
# Hidden tests: 2 points states of a forward pass, 3 other cached values, 1 sizes of one.
check(rnn_step_backward)

# %% [markdown]
# ## 3. The whole sequence back (7 points)
#
# A state has two arrows out: to its own output and to the next state.
# So its gradient is a sum of two parts, and they are found from the last step to the first:
#
# $$\nabla_{h^{(t)}} L = W^\top \delta^{(t+1)} + \left(\nabla_{h^{(t)}} L\right)_{\text{from its own output}}, \qquad \delta^{(t)} = \left(1 - (h^{(t)})^2\right) \odot \nabla_{h^{(t)}} L.$$
#
# The last state has no next step, so it gets the second part only; the initial state $h^{(0)}$ has no output, so it gets the first part only.
# The parameters are used at every step, so their gradients are sums over all steps.
#
# Equations: bptt-hidden, bptt-delta, bptt-parameters, bptt-input.
#
# The function gets `dhs` (T, N, H), what each state gets from its own output, the states `hs` (T, N, H), the initial state `h0` (N, H), the inputs `xs` (T, N, D), and `U` (H, D), `W` (H, H).
# It returns `dxs` (T, N, D), `dh0` (N, H), `dU` (H, D), `dW` (H, H) and `db` (H,).


# %% nbgrader={"grade_id": "rnn_backward", "solution": true}
def rnn_backward(dhs, hs, h0, xs, U, W):
    """Backpropagate through time over a whole sequence.

    dhs (T, N, H), hs (T, N, H), h0 (N, H), xs (T, N, D), U (H, D), W (H, H);
    returns dxs (T, N, D), dh0 (N, H), dU (H, D), dW (H, H), db (H,).
    """
    ### BEGIN SOLUTION
    dxs = np.empty_like(xs)
    dU, dW, db = np.zeros_like(U), np.zeros_like(W), np.zeros(len(W))
    dh = np.zeros_like(h0)
    for t in reversed(range(len(xs))):
        delta = (1 - hs[t] ** 2) * (dhs[t] + dh)
        h_prev = hs[t - 1] if t > 0 else h0
        dU += delta.T @ xs[t]
        dW += delta.T @ h_prev
        db += delta.sum(axis=0)
        dxs[t] = delta @ U
        dh = delta @ W
    return dxs, dh, dU, dW, db
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_rnn_backward", "grade": true, "points": 7}
# Hidden tests: 3 points states of a forward pass, 3 other cached values, 1 sizes of one.
check(rnn_backward)

# %% [markdown]
# ## 4. The sequence back, with padding (6 points)
#
# In a padded batch, row n ends after `lengths[n]` steps.
# On padding, nothing was computed: there the state was copied, and the output was zero.
# So on padding
#
# - what stands in `dhs` is ignored: those outputs do not depend on anything;
# - nothing goes to the parameters, and `dxs` is zero;
# - the gradient of the state passes through unchanged.
#
# The gradient `dh_last` of the last state thus enters row n at step `lengths[n] - 1`.
#
# Equations: rnn-mask, bptt-hidden, bptt-parameters.
#
# The function gets what `rnn_backward` gets, and `dh_last` (N, H) and `lengths` (N,).
# It returns `dxs`, `dh0`, `dU`, `dW`, `db`.
# What stands in `dhs` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "rnn_backward_padded", "solution": true}
def rnn_backward_padded(dhs, dh_last, hs, h0, xs, lengths, U, W):
    """Backpropagate through time over a padded batch.

    dhs (T, N, H), dh_last (N, H), hs (T, N, H), h0 (N, H), xs (T, N, D), lengths (N,)
    integers from 1 to T, U (H, D), W (H, H);
    returns dxs (T, N, D), dh0 (N, H), dU (H, D), dW (H, H), db (H,).
    """
    ### BEGIN SOLUTION
    dxs = np.zeros_like(xs)
    dU, dW, db = np.zeros_like(U), np.zeros_like(W), np.zeros(len(W))
    dh = dh_last
    for t in reversed(range(len(xs))):
        live = (t < lengths)[:, None]
        delta = np.where(live, (1 - hs[t] ** 2) * (dhs[t] + dh), 0.0)
        h_prev = hs[t - 1] if t > 0 else h0
        dU += delta.T @ xs[t]
        dW += delta.T @ h_prev
        db += delta.sum(axis=0)
        dxs[t] = delta @ U
        dh = np.where(live, delta @ W, dh)
    return dxs, dh, dU, dW, db
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_rnn_backward_padded", "grade": true, "points": 6}
# Hidden tests: 1 point full lengths, 4 padded batches with anything on padding, 1 sizes of one.
check(rnn_backward_padded)

# %% [markdown]
# ## 5. Truncated (5 points)
#
# For a long sequence, the error is carried back only within windows.
# Cut the steps 0, 1, …, T − 1 into windows of k: the first from 0 to k − 1, and so on; the last may be shorter.
# Forward, the state runs on from window to window.
# Backward, nothing crosses a border: the first state of a window gives its error to the parameters, and no further.
# With k = 3 the first two windows are the steps 0, 1, 2 and 3, 4, 5; step 2 gets nothing from step 3, and step 3 still pairs its δ with the state of step 2 in `dW`.
#
# $$\nabla_{h^{(t)}} L = \begin{cases} (\nabla_{h^{(t)}} L)_{\text{own output}} & t \text{ is the last step of a window} \\ W^\top \delta^{(t+1)} + (\nabla_{h^{(t)}} L)_{\text{own output}} & \text{otherwise.} \end{cases}$$
#
# Equations: bptt-truncated.
#
# The function gets `dhs` (T, N, H), `hs` (T, N, H), `h0` (N, H), `xs` (T, N, D), `W` (H, H) and the number `k`.
# It returns `dU` (H, D), `dW` (H, H) and `db` (H,).


# %% nbgrader={"grade_id": "truncated_backward", "solution": true}
def truncated_backward(dhs, hs, h0, xs, W, k):
    """Backpropagate through time within windows of k steps.

    dhs (T, N, H), hs (T, N, H), h0 (N, H), xs (T, N, D), W (H, H), k an integer above 0;
    returns dU (H, D), dW (H, H), db (H,).
    """
    ### BEGIN SOLUTION
    H = len(W)
    dU, dW, db = np.zeros((H, xs.shape[2])), np.zeros_like(W), np.zeros(H)
    dh = np.zeros_like(h0)
    for t in reversed(range(len(xs))):
        if (t + 1) % k == 0:
            dh = np.zeros_like(h0)
        delta = (1 - hs[t] ** 2) * (dhs[t] + dh)
        h_prev = hs[t - 1] if t > 0 else h0
        dU += delta.T @ xs[t]
        dW += delta.T @ h_prev
        db += delta.sum(axis=0)
        dh = delta @ W
    return dU, dW, db
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_truncated_backward", "grade": true, "points": 5}
# Hidden tests: 3 points windows that divide the length or not, 1 k = 1, 1 k of T and above.
check(truncated_backward)

# %% [markdown]
# ## 6. Teacher forcing (5 points)
#
# In the output-to-hidden network the next step reads the output, not the state.
# Under teacher forcing it reads the true label $y^{(t-1)}$ in its place, which is given, and needs no gradient.
# So nothing comes back from later steps, and all steps can be done at once:
#
# $$\nabla_{s^{(t)}} L = \tfrac{1}{N} \left(o^{(t)} - y^{(t)}\right), \qquad \delta^{(t)} = \left(1 - (h^{(t)})^2\right) \odot V^\top \nabla_{s^{(t)}} L,$$
#
# $$\nabla_W L = \sum_{t,n} \delta\, y'^\top, \qquad \nabla_U L = \sum_{t,n} \delta\, x^\top, \qquad \nabla_b L = \sum_{t,n} \delta, \qquad \nabla_V L = \sum_{t,n} \nabla_s L\, h^\top, \qquad \nabla_c L = \sum_{t,n} \nabla_s L.$$
#
# Equations: bptt-teacher-forcing.
#
# The function gets `xs` (T, N, D), `ys_prev` (T, N, K), the labels that were fed, `hs` (T, N, H), `os` (T, N, K), the targets `ys` (T, N, K), one-hot, and `V` (K, H).
# It returns `dU` (H, D), `dW` (H, K), `db` (H,), `dV` (K, H) and `dc` (K,).


# %% nbgrader={"grade_id": "teacher_forced_backward", "solution": true}
def teacher_forced_backward(xs, ys_prev, hs, os, ys, V):
    """Compute the gradients of the output-to-hidden network under teacher forcing.

    xs (T, N, D), ys_prev (T, N, K), hs (T, N, H), os (T, N, K), ys (T, N, K), V (K, H);
    returns dU (H, D), dW (H, K), db (H,), dV (K, H), dc (K,).
    """
    ### BEGIN SOLUTION
    ds = (os - ys) / xs.shape[1]
    deltas = (1 - hs**2) * (ds @ V)
    dU = np.einsum("tnh,tnd->hd", deltas, xs)
    dW = np.einsum("tnh,tnk->hk", deltas, ys_prev)
    dV = np.einsum("tnk,tnh->kh", ds, hs)
    return dU, dW, deltas.sum(axis=(0, 1)), dV, ds.sum(axis=(0, 1))
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_teacher_forced_backward", "grade": true, "points": 5}
# Hidden tests: 2 points values of a forward pass, 2 other cached values, 1 sizes of one.
check(teacher_forced_backward)

# %% [markdown]
# ## 7. Central differences (4 points)
#
# A gradient written by hand must be checked, and the check must not use the gradient.
# For a number $f$ that depends on an array $x$, move one entry up and down by a small step ε and see how $f$ changes:
#
# $$\frac{\partial f}{\partial x_i} \approx \frac{f(x + \varepsilon e_i) - f(x - \varepsilon e_i)}{2 \varepsilon}.$$
#
# The error is of order ε² from the series and of order $10^{-16} / \varepsilon$ from rounding, so ε near $10^{-5}$ is best in float64.
# Differences to one side only have an error of order ε, which is far worse.
#
# Equations: bptt-central-difference.
#
# The function gets `f`, a function of one array that returns a number, the array `x` (any shape, one without axes included), and `epsilon`.
# It returns an array of the shape of `x`.
# It must leave `x` as it came: work on a copy.


# %% nbgrader={"grade_id": "central_differences", "solution": true}
def central_differences(f, x, epsilon):
    """Differentiate a scalar function of an array numerically.

    f a function of an array that returns a number, x an array of any shape, epsilon a number;
    returns an array of the shape of x.
    """
    ### BEGIN SOLUTION
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += epsilon
        below[index] -= epsilon
        gradient[index] = (f(above) - f(below)) / (2 * epsilon)
    return gradient
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_central_differences", "grade": true, "points": 4}
# Hidden tests: 2 points functions of matrices, 1 a cubic at a large step, 1 other shapes.
check(central_differences)

# %% [markdown]
# ## 8. The relative error (2 points)
#
# Is a difference of 0.01 large?
# That depends on the gradient's size, so compare relatively, entry by entry, and take the worst:
#
# $$\mathrm{err}(a, n) = \max_i \frac{|a_i - n_i|}{\max(|a_i| + |n_i|, \; \varphi)}.$$
#
# The floor φ keeps noise on entries that are zero in both from counting as an error of one.
#
# Equations: bptt-relative-error.
#
# The function gets two arrays `analytic` and `numerical` of the same shape, and `floor`.
# It returns a number.


# %% nbgrader={"grade_id": "relative_error", "solution": true}
def relative_error(analytic, numerical, floor):
    """Compute the largest relative error between two gradients.

    analytic and numerical arrays of one shape, floor a number above 0; returns a number.
    """
    ### BEGIN SOLUTION
    scale = np.maximum(np.abs(analytic) + np.abs(numerical), floor)
    return (np.abs(analytic - numerical) / scale).max()
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_relative_error", "grade": true, "points": 2}
# Hidden tests: 1 point random arrays, 1 zeros and signs.
check(relative_error)

# %% [markdown]
# ## Hand in
#
# Save the notebook and submit it as `bptt.ipynb`.
# *Validate* (the button above the notebook, or in a terminal `nbgrader validate bptt.ipynb`) reruns all visible checks from a fresh start.
