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
# # Chapter 3: Vanishing and exploding gradients
#
# You write thirteen functions: five that measure how an error travels back through time, and eight that do something about it.
# Each is checked on its own, so you can do them in any order, and a wrong one costs only its own points, unless another function of yours calls it.
# Run the first code cell first, and again after each restart: `name 'check' is not defined` says that it was not run.
# `No module named 'lib'` says that the notebook is not in the folder that it came in; that is in the zip on the chapter's page of the book.
#
# How to work:
#
# 1. Read the recap above a function; the equation labels are those of the book's chapter *Vanishing and exploding gradients*. The book's page *Equations, code, tests and exercises* lists all labels with links to the equations.
# 2. Replace `raise NotImplementedError()` by your code.
# 3. Run the cell below it. It calls your function on one example, or on several, one after the other, and says what is right and what is not. Where your answer equals a known mistake, it says which.
#
# The examples are only a first check. Grading uses hidden tests with other sizes and numbers.
# Functions must not change their arguments, and use float64 (NumPy's default).
#
# Conventions: sequences are time-major, `xs` is (T, N, D) = (time, batch, features); states are (N, H); each row is an example.
# `hs[t]` is the state **after** the step that reads `xs[t]`.
# A gradient sums over the batch: how the loss averages it is already in the gradient that you get.
# Use cached values as they are given; the tests feed some that no forward pass would give.
#
# In all there are 44 points. Working time: about three hours.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from lib.checking import Check

check = Check("vanishing_gradients")

# %% [markdown]
# ## 1. The Jacobian of a step (3 points)
#
# How does the state after a step depend on the state before it?
# For $h = \tanh(b + W h' + U x)$ it is a matrix, one for each example:
#
# $$J = \frac{\partial h}{\partial h'} = \operatorname{diag}(1 - h^2)\, W, \qquad J_{ij} = \frac{\partial h_i}{\partial h'_j}.$$
#
# Row i belongs to the **new** unit i, column j to the **old** unit j.
#
# Equations: vanishing-gradients-jacobian.
#
# The function gets `h` (N, H), the state after the step, and `W` (H, H).
# It returns the Jacobians (N, H, H).


# %% nbgrader={"grade_id": "step_jacobian", "solution": true}
def step_jacobian(h, W):
    """Compute the Jacobian of the new state with respect to the old one, for each example.

    h (N, H) after the step, W (H, H); returns (N, H, H): row new unit, column old unit.
    """
    ### BEGIN SOLUTION
    return (1 - h**2)[:, :, None] * W
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_step_jacobian", "grade": true, "points": 3}
# Hidden tests: 1 point states of a forward pass, 1 other values, 1 one example, one unit.
check(step_jacobian)

# %% [markdown]
# ## 2. An error in a linear network (2 points)
#
# Without inputs, bias and tanh, $h^{(t)} = W h^{(t-1)}$, so $h^{(t)} = W^t h^{(0)}$ on the way forward.
# On the way back every step multiplies by the transposed matrix:
#
# $$\nabla_{h^{(0)}} L = (W^\top)^t\, \nabla_{h^{(t)}} L.$$
#
# This is a column equation; `dh` has examples as rows.
#
# Equations: vanishing-gradients-linear-backward.
#
# The function gets `W` (H, H), `dh` (N, H), the gradient at the last state, and `steps`, an integer of at least 0.
# It returns the gradient at the first state (N, H).


# %% nbgrader={"grade_id": "linear_error", "solution": true}
def linear_error(W, dh, steps):
    """Carry an error back over some steps of a linear recurrent network.

    W (H, H), dh (N, H), steps an integer of at least 0; returns (N, H).
    """
    ### BEGIN SOLUTION
    error = dh.T
    for _ in range(steps):
        error = W.T @ error
    return error.T
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_linear_error", "grade": true, "points": 2}
# Hidden tests: 1 point random sizes, 1 no step, one step, one unit, many steps.
check(linear_error)

# %% [markdown]
# ## 3. How much arrives q steps back (4 points)
#
# With tanh, each step has a Jacobian of its own, and the error is carried back by
#
# $$\nabla_{h^{(t-1)}} L = W^\top\left(\left(1 - (h^{(t)})^2\right) \odot \nabla_{h^{(t)}} L\right).$$
#
# Start from an error at the last state, $t = T$, with no other loss on the way.
# What is left of it after q steps is the norm of the vector that arrives at $h^{(T-q)}$.
#
# Equations: vanishing-gradients-jacobian-product, vanishing-gradients-error-flow.
#
# The function gets `hs` (T, N, H), the states $h^{(1)}, …, h^{(T)}$, `W` (H, H), and `dh` (N, H), the error at $h^{(T)}$.
# It returns norms (T + 1, N): row q is $\|\nabla_{h^{(T-q)}} L\|$ of each example, so row 0 is that of `dh` and row T that at $h^{(0)}$.


# %% nbgrader={"grade_id": "error_norms", "solution": true}
def error_norms(hs, W, dh):
    """Measure the norm of an error at the last state as it is carried back.

    hs (T, N, H) states after each step, W (H, H), dh (N, H);
    returns (T + 1, N): row q is the norm after q steps back.
    """
    ### BEGIN SOLUTION
    norms = [np.linalg.norm(dh, axis=1)]
    for h in hs[::-1]:
        dh = ((1 - h**2) * dh) @ W
        norms.append(np.linalg.norm(dh, axis=1))
    return np.array(norms)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_error_norms", "grade": true, "points": 4}
# Hidden tests: 2 points states of a forward pass, 1 other values, 1 sizes of one.
check(error_norms)

# %% [markdown]
# ## 4. A bound on all of it (2 points)
#
# The 2-norm of a matrix, its largest singular value $\sigma_{\max}$, is the most that it can stretch any vector.
# If the activation's slope is at most γ (1 for tanh, ¼ for the sigmoid), then
#
# $$\left\| \frac{\partial h^{(t)}}{\partial h^{(t-q)}} \right\| \le \left(\gamma\, \sigma_{\max}(W)\right)^q.$$
#
# Equations: vanishing-gradients-bound.
#
# The function gets `W` (H, H), `slope`, the number γ, and `steps`, the number q, an integer of at least 0.
# It returns the bound, a number.


# %% nbgrader={"grade_id": "error_bound", "solution": true}
def error_bound(W, slope, steps):
    """Bound the norm of the Jacobian over some steps.

    W (H, H), slope the largest slope of the activation, steps an integer of at least 0;
    returns a number.
    """
    ### BEGIN SOLUTION
    return (slope * np.linalg.norm(W, 2)) ** steps
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_error_bound", "grade": true, "points": 2}
# Hidden tests: 1 point random sizes, 1 eigenvalues of zero, no step, one unit.
check(error_bound)

# %% [markdown]
# ## 5. Hochreiter's paths (4 points)
#
# An error $\vartheta_u(t)$ at the pre-activation of unit u (component u of chapter 2's $\delta^{(t)}$) reaches unit v, q steps earlier, on many paths $l_0 = u, l_1, …, l_{q-1}, l_q = v$, through any unit at each step between: $n^{q-1}$ of them.
# Each path is a product with one factor for each step, and the paths add up:
#
# $$\frac{\partial \vartheta_v(t-q)}{\partial \vartheta_u(t)} = \sum_{l_1} \cdots \sum_{l_{q-1}}\; \prod_{m=1}^{q} f'_{l_m}(t-m)\; w_{l_{m-1} l_m}.$$
#
# Here $w_{ij}$ is `W[i, j]`, which leads from unit j **to** unit i, and $f'_{l}(t-m)$, the slope of unit l's activation, is `slopes[m - 1, l]`.
# You may list the paths or find a faster way.
#
# Equations: vanishing-gradients-paths.
#
# The function gets `W` (n, n), `slopes` (q, n) with q of at least 1, and the units `u` and `v`, integers from 0 to n − 1.
# It returns the sum, a number.


# %% nbgrader={"grade_id": "path_sum", "solution": true}
def path_sum(W, slopes, u, v):
    """Sum the products over all paths of an error from unit u to unit v.

    W (n, n), slopes (q, n) at steps t − 1, …, t − q, u and v integers; returns a number.
    """
    ### BEGIN SOLUTION
    error = np.zeros(len(W))
    error[u] = 1
    for slope in slopes:
        error = slope * (W.T @ error)
    return error[v]
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_path_sum", "grade": true, "points": 4}
# Hidden tests: 2 points several steps, 1 one step, 1 one unit and u = v.
check(path_sum)

# %% [markdown]
# ## 6. Clipping by value (2 points)
#
# Every entry of a gradient is brought into $[-v, v]$:
#
# $$g_i \leftarrow \begin{cases} g_i & |g_i| \le v \\ v \operatorname{sign} g_i & \text{otherwise.} \end{cases}$$
#
# Equations: vanishing-gradients-clip-value.
#
# The function gets `g`, an array of any shape, and `v`, a number above 0.
# It returns an array shaped as `g`.


# %% nbgrader={"grade_id": "clip_by_value", "solution": true}
def clip_by_value(g, v):
    """Bring every entry of a gradient into [−v, v].

    g an array of any shape, v a number above 0; returns an array shaped as g.
    """
    ### BEGIN SOLUTION
    return np.maximum(np.minimum(g, v), -v)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_clip_by_value", "grade": true, "points": 2}
# Hidden tests: 1 point entries of both signs, 1 nothing to clip and everything to clip.
check(clip_by_value)

# %% [markdown]
# ## 7. Clipping by norm (3 points)
#
# Here the whole gradient is shortened, and its direction stays:
#
# $$g \leftarrow \begin{cases} g & \|g\| \le v \\ v\, g / \|g\| & \text{otherwise.} \end{cases}$$
#
# *The whole gradient* means all arrays together: there is one norm, not one for each array.
#
# Equations: vanishing-gradients-clip-norm.
#
# The function gets `grads`, a tuple of arrays of any shapes, and `v`, a number above 0.
# It returns the tuple of clipped arrays, and the norm before clipping, a number.
# A gradient of zeros stays zero.


# %% nbgrader={"grade_id": "clip_by_norm", "solution": true}
def clip_by_norm(grads, v):
    """Shorten a gradient to norm v where it is longer.

    grads a tuple of arrays, v a number above 0;
    returns a tuple of arrays shaped as grads, and the norm before clipping.
    """
    ### BEGIN SOLUTION
    norm = np.sqrt(sum((g**2).sum() for g in grads))
    factor = v / max(norm, v)
    return tuple(factor * g for g in grads), norm
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_clip_by_norm", "grade": true, "points": 3}
# Hidden tests: 1 point longer than v, 1 shorter than v, 1 zeros, one array, large values.
check(clip_by_norm)

# %% [markdown]
# ## 8. Leaky units (3 points)
#
# A leaky unit keeps a share α of its old value and takes the rest from the new one:
#
# $$u^{(t)} = \tanh\left(b + U x^{(t)} + W h^{(t-1)}\right), \qquad h^{(t)} = \alpha \odot h^{(t-1)} + (1 - \alpha) \odot u^{(t)}.$$
#
# Each unit learns its own α. So that it stays between 0 and 1, the parameter is its logit: $\alpha = \sigma(\lambda)$, with λ called `leak`.
#
# Equations: vanishing-gradients-leaky, vanishing-gradients-leaky-learned, sigmoid.
#
# The function gets `xs` (T, N, D), `h0` (N, H), `U` (H, D), `W` (H, H), `b` (H,), `leak` (H,).
# It returns the states (T, N, H).


# %% nbgrader={"grade_id": "leaky_forward", "solution": true}
def leaky_forward(xs, h0, U, W, b, leak):
    """Run a network of leaky units, each with its own alpha.

    xs (T, N, D), h0 (N, H), U (H, D), W (H, H), b (H,), leak (H,); returns hs (T, N, H).
    """
    ### BEGIN SOLUTION
    alpha = 1 / (1 + np.exp(-leak))
    h, hs = h0, []
    for x in xs:
        u = np.tanh(b + x @ U.T + h @ W.T)
        h = alpha * h + (1 - alpha) * u
        hs.append(h)
    return np.array(hs)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_leaky_forward", "grade": true, "points": 3}
# Hidden tests: 2 points random sizes, 1 sizes of one and alphas near 0 and 1.
check(leaky_forward)

# %% [markdown]
# ## 9. Leaky units, backward (6 points)
#
# The old state reaches the new one on two ways: directly, times α, and through u.
# So the error goes back on both, and they add up.
# Let $\nabla_{h^{(t)}} L$ be all that arrives at $h^{(t)}$: from the loss of its own step, and from step t + 1. Then
#
# $$\delta^{(t)} = \left(1 - (u^{(t)})^2\right) \odot (1 - \alpha) \odot \nabla_{h^{(t)}} L, \qquad \text{to } h^{(t-1)}: \quad \alpha \odot \nabla_{h^{(t)}} L + W^\top \delta^{(t)},$$
#
# $$\nabla_\lambda L = \sum_t \sum_n \alpha \odot (1 - \alpha) \odot \left(h^{(t-1)} - u^{(t)}\right) \odot \nabla_{h^{(t)}} L,$$
#
# and with δ the sums over steps and examples are those of chapter 2: $\nabla_U = \sum \delta x^\top$, $\nabla_W = \sum \delta h^{(t-1)\top}$, $\nabla_b = \sum \delta$, $\nabla_x = U^\top \delta$.
#
# Equations: vanishing-gradients-leaky-backward.
#
# The function gets `xs` (T, N, D), the cached `h_prevs` (T, N, H), where `h_prevs[t]` is the state before step t, and `us` (T, N, H), the gradient `dhs` (T, N, H) of each state from its own step's loss, and `U`, `W`, `leak`.
# It returns `dxs` (T, N, D), `dh0` (N, H), `dU` (H, D), `dW` (H, H), `db` (H,), `dleak` (H,).


# %% nbgrader={"grade_id": "leaky_backward", "solution": true}
def leaky_backward(xs, h_prevs, us, dhs, U, W, leak):
    """Backpropagate through time in a network of leaky units.

    xs (T, N, D), h_prevs, us, dhs (T, N, H), U (H, D), W (H, H), leak (H,);
    returns dxs (T, N, D), dh0 (N, H), dU (H, D), dW (H, H), db (H,), dleak (H,).
    """
    ### BEGIN SOLUTION
    alpha = 1 / (1 + np.exp(-leak))
    dh = np.zeros_like(dhs[0])
    dxs, dU, dW = np.zeros_like(xs), np.zeros_like(U), np.zeros_like(W)
    db, dleak = np.zeros_like(leak), np.zeros_like(leak)
    for t in reversed(range(len(xs))):
        dh = dh + dhs[t]
        delta = (1 - us[t] ** 2) * (1 - alpha) * dh
        dleak += (alpha * (1 - alpha) * (h_prevs[t] - us[t]) * dh).sum(axis=0)
        dU += delta.T @ xs[t]
        dW += delta.T @ h_prevs[t]
        db += delta.sum(axis=0)
        dxs[t] = delta @ U
        dh = alpha * dh + delta @ W
    return dxs, dh, dU, dW, db, dleak
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_leaky_backward", "grade": true, "points": 6}
# Hidden tests: 2 points values of a forward pass, 3 other cached values, 1 sizes of one.
check(leaky_backward)

# %% [markdown]
# ## 10. Skip connections through time (3 points)
#
# Each state also reads the one d steps back:
#
# $$h^{(t)} = \tanh\left(b + U x^{(t)} + W h^{(t-1)} + R h^{(t-d)}\right).$$
#
# At the first steps it needs states from before the sequence: $h^{(1-d)}, …, h^{(0)}$.
#
# Equations: vanishing-gradients-skip.
#
# The function gets `xs` (T, N, D), `past` (d, N, H), and `U` (H, D), `W` (H, H), `R` (H, H), `b` (H,).
# `past` is in order of time: `past[0]` is $h^{(1-d)}$ and `past[-1]` is $h^{(0)}$; its first axis says what d is.
# The function returns the states (T, N, H).


# %% nbgrader={"grade_id": "skip_forward", "solution": true}
def skip_forward(xs, past, U, W, R, b):
    """Run a network with connections over one step and over d steps.

    xs (T, N, D), past (d, N, H) oldest first, U (H, D), W (H, H), R (H, H), b (H,);
    returns hs (T, N, H).
    """
    ### BEGIN SOLUTION
    d = len(past)
    hs = list(past)
    for x in xs:
        hs.append(np.tanh(b + x @ U.T + hs[-1] @ W.T + hs[-d] @ R.T))
    return np.array(hs[d:])
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_skip_forward", "grade": true, "points": 3}
# Hidden tests: 2 points random sizes, 1 d = 1, sequences shorter than d, sizes of one.
check(skip_forward)

# %% [markdown]
# ## 11. Skip connections, backward (6 points)
#
# Now $h^{(t)}$ has two arrows out of it, to step t + 1 and to step t + d, besides its own loss:
#
# $$\nabla_{h^{(t)}} L = (\text{own loss}) + W^\top \delta^{(t+1)} + R^\top \delta^{(t+d)}, \qquad \delta^{(t)} = \left(1 - (h^{(t)})^2\right) \odot \nabla_{h^{(t)}} L,$$
#
# where δ is zero outside the sequence, beyond its end and before its start.
# The states of the past get a gradient by the first formula; they have no own loss.
# They were given and not computed, so they have no δ: an error that reaches one of them goes no further back.
# The parameters get $\nabla_W = \sum \delta^{(t)} h^{(t-1)\top}$, $\nabla_R = \sum \delta^{(t)} h^{(t-d)\top}$, and $\nabla_U$, $\nabla_b$, $\nabla_x$ as ever.
#
# Equations: vanishing-gradients-skip-backward.
#
# The function gets `xs` (T, N, D), `past` (d, N, H), oldest first, the cached states `hs` (T, N, H), the gradient `dhs` (T, N, H) of each state from its own loss, and `U`, `W`, `R`.
# It returns `dxs` (T, N, D), `dpast` (d, N, H), `dU` (H, D), `dW` (H, H), `dR` (H, H), `db` (H,).


# %% nbgrader={"grade_id": "skip_backward", "solution": true}
def skip_backward(xs, past, hs, dhs, U, W, R):
    """Backpropagate through time with connections over one step and over d steps.

    xs (T, N, D), past (d, N, H) oldest first, hs and dhs (T, N, H), U (H, D), W, R (H, H);
    returns dxs (T, N, D), dpast (d, N, H), dU (H, D), dW, dR (H, H), db (H,).
    """
    ### BEGIN SOLUTION
    d = len(past)
    states = np.concatenate([past, hs])
    dstates = np.concatenate([np.zeros_like(past), dhs])
    dxs, dU, db = np.zeros_like(xs), np.zeros_like(U), np.zeros(len(W))
    dW, dR = np.zeros_like(W), np.zeros_like(R)
    for t in reversed(range(len(xs))):
        delta = (1 - hs[t] ** 2) * dstates[t + d]
        dstates[t + d - 1] += delta @ W
        dstates[t] += delta @ R
        dxs[t] = delta @ U
        dU += delta.T @ xs[t]
        dW += delta.T @ states[t + d - 1]
        dR += delta.T @ states[t]
        db += delta.sum(axis=0)
    return dxs, dstates[:d], dU, dW, dR, db
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_skip_backward", "grade": true, "points": 6}
# Hidden tests: 2 points values of a forward pass, 3 other cached values, 1 edges.
check(skip_backward)

# %% [markdown]
# ## 12. The regulariser that guides information flow (3 points)
#
# Pascanu's regulariser asks every step to keep the norm of the error that it carries back:
#
# $$\Omega = \frac1N \sum_n \sum_t \left( \frac{\left\| J^{(t)\top} \nabla_{h^{(t)}} L \right\|}{\left\| \nabla_{h^{(t)}} L \right\|} - 1 \right)^2, \qquad J^{(t)} = \operatorname{diag}\left(1 - (h^{(t)})^2\right) W.$$
#
# A term whose error is zero, as on padding, counts nothing.
#
# Equations: vanishing-gradients-regulariser.
#
# The function gets `W` (H, H), `hs` (T, N, H), and `dhs` (T, N, H), where `dhs[t]` is the **total** gradient at `hs[t]`.
# It returns Ω, a number.


# %% nbgrader={"grade_id": "flow_regulariser", "solution": true}
def flow_regulariser(W, hs, dhs):
    """Compute how far the steps are from keeping the error's norm: a mean over the batch.

    W (H, H), hs (T, N, H), dhs (T, N, H) total gradients; returns a number.
    """
    ### BEGIN SOLUTION
    norm = np.linalg.norm(dhs, axis=2)
    live = norm > 0
    carried = np.linalg.norm(((1 - hs**2) * dhs) @ W, axis=2)
    ratio = carried / np.where(live, norm, 1)
    return (live * (ratio - 1) ** 2).sum() / hs.shape[1]
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_flow_regulariser", "grade": true, "points": 3}
# Hidden tests: 1 point random sizes, 1 errors of zero, 1 sizes of one and other values.
check(flow_regulariser)

# %% [markdown]
# ## 13. The regulariser's gradient (3 points)
#
# The states and the errors are taken as given; only the W inside $J^{(t)}$ counts.
# Write $p^{(t)} = (1 - (h^{(t)})^2) \odot \nabla_{h^{(t)}} L\, /\, \|\nabla_{h^{(t)}} L\|$ and $e^{(t)} = W^\top p^{(t)}$, so that $\Omega = \frac1N \sum_n \sum_t (\|e^{(t)}\| - 1)^2$. Then
#
# $$\nabla_{e^{(t)}} \Omega = \frac{2}{N} \left(\|e^{(t)}\| - 1\right) \frac{e^{(t)}}{\|e^{(t)}\|}, \qquad \nabla_W \Omega = \sum_t \sum_n p^{(t)} \left(\nabla_{e^{(t)}} \Omega\right)^\top.$$
#
# Where $e^{(t)}$ is zero it has no direction, and that term gives no gradient.
#
# Equations: vanishing-gradients-regulariser-backward.
#
# The function gets the cached `p` (T, N, H) and `e` (T, N, H).
# It returns `dW` (H, H).


# %% nbgrader={"grade_id": "flow_regulariser_backward", "solution": true}
def flow_regulariser_backward(p, e):
    """Compute the immediate gradient of the regulariser for W.

    p (T, N, H), e (T, N, H) where e = W^T p; returns dW (H, H).
    """
    ### BEGIN SOLUTION
    norm = np.linalg.norm(e, axis=2, keepdims=True)
    de = 2 * (norm - 1) * e / np.where(norm > 0, norm, 1) / p.shape[1]
    return np.einsum("tni,tnj->ij", p, de)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_flow_regulariser_backward", "grade": true, "points": 3}
# Hidden tests: 1 point values of a forward pass, 1 other cached values, 1 zeros, sizes of one.
check(flow_regulariser_backward)

# %% [markdown]
# ## Hand in
#
# Save the notebook and submit it as `vanishing_gradients.ipynb`.
# *Validate* (the button above the notebook, or in a terminal `nbgrader validate vanishing_gradients.ipynb`) reruns all visible checks from a fresh start.
