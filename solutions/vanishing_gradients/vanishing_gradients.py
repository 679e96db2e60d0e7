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
# Each is checked on its own, so you can do them in any order, and a wrong one costs only its own points.
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
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", step_jacobian)
rng = hidden.rng


def case(N, H, real=True):
    h = rng.uniform(-1, 1, (N, H)) if real else rng.normal(scale=2.0, size=(N, H))
    return {"h": h, "W": rng.normal(size=(H, H))}


def reference(h, W):
    return np.stack([np.diag(1 - row * row) @ W for row in h])


hidden.part(1, "states of a forward pass", [case(3, 4), case(5, 2)], reference)
hidden.part(1, "values that no forward pass gives", [case(4, 3, False)], reference)
hidden.part(1, "one example, one unit", [case(1, 3), case(4, 1), case(1, 1, False)], reference)
hidden.score()
### END HIDDEN TESTS

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
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", linear_error)
rng = hidden.rng


def case(N, H, steps):
    return {
        "W": rng.normal(size=(H, H)) / np.sqrt(H),
        "dh": rng.normal(size=(N, H)),
        "steps": steps,
    }


def reference(W, dh, steps):
    return np.stack([np.linalg.matrix_power(W.T, steps) @ row for row in dh])


hidden.part(1, "random sizes", [case(2, 4, 3), case(5, 3, 6), case(3, 2, 4)], reference)
hidden.part(
    1,
    "no step, one step, one unit, one example, many steps",
    [case(3, 2, 0), case(2, 3, 1), case(4, 1, 3), case(1, 4, 2), case(2, 3, 12)],
    reference,
)
hidden.score()
### END HIDDEN TESTS

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
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", error_norms)
rng = hidden.rng


def case(T, N, H, real=True):
    hs = rng.uniform(-1, 1, (T, N, H)) if real else rng.normal(scale=1.5, size=(T, N, H))
    return {"hs": hs, "W": rng.normal(size=(H, H)), "dh": rng.normal(size=(N, H))}


def reference(hs, W, dh):
    T, N, _ = hs.shape
    norms = np.empty((T + 1, N))
    for n in range(N):
        for q in range(T + 1):
            g = dh[n]
            for t in range(T - 1, T - 1 - q, -1):
                g = (np.diag(1 - hs[t, n] ** 2) @ W).T @ g
            norms[q, n] = np.sqrt(sum(v * v for v in g))
    return norms


hidden.part(2, "states of a forward pass", [case(4, 3, 5), case(6, 2, 4)], reference)
hidden.part(1, "values that no forward pass gives", [case(5, 4, 3, False)], reference)
hidden.part(
    1, "one step, one example, one unit", [case(1, 3, 2), case(4, 1, 3), case(3, 2, 1)], reference
)
hidden.score()
### END HIDDEN TESTS

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
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", error_bound)
rng = hidden.rng


def case(H, slope, steps, triangular=False):
    W = rng.normal(size=(H, H))
    return {"W": np.triu(W, 1) if triangular else W, "slope": slope, "steps": steps}


def reference(W, slope, steps):
    largest = np.sqrt(np.linalg.eigvalsh(W @ W.T)[-1])
    bound = 1.0
    for _ in range(steps):
        bound *= slope * largest
    return bound


hidden.part(1, "random sizes", [case(4, 1.0, 3), case(3, 0.25, 5), case(6, 0.7, 2)], reference)
hidden.part(
    1,
    "all eigenvalues zero, no step, one step, one unit",
    [case(4, 1.0, 3, True), case(3, 0.25, 0), case(5, 0.5, 1), case(1, 0.8, 4)],
    reference,
)
hidden.score()
### END HIDDEN TESTS

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
### BEGIN HIDDEN TESTS
from itertools import product

import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", path_sum)
rng = hidden.rng


def case(n, q, u, v):
    return {"W": rng.normal(size=(n, n)), "slopes": rng.uniform(0.1, 1, (q, n)), "u": u, "v": v}


def reference(W, slopes, u, v):
    n, q = len(W), len(slopes)
    total = 0.0
    for between in product(range(n), repeat=q - 1):
        path = [u, *between, v]
        term = 1.0
        for m in range(1, q + 1):
            term *= slopes[m - 1][path[m]] * W[path[m - 1]][path[m]]
        total += term
    return total


hidden.part(2, "several steps", [case(3, 4, 0, 2), case(4, 3, 3, 1), case(2, 5, 1, 0)], reference)
hidden.part(1, "one step back", [case(3, 1, 0, 1), case(4, 1, 2, 2)], reference)
hidden.part(
    1, "one unit, and back to the same unit", [case(1, 3, 0, 0), case(3, 3, 1, 1)], reference
)
hidden.score()
### END HIDDEN TESTS

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
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", clip_by_value)
rng = hidden.rng


def case(shape, v, scale=1.0):
    return {"g": scale * rng.normal(size=shape), "v": v}


def reference(g, v):
    out = np.empty_like(g)
    for index, entry in np.ndenumerate(g):
        out[index] = v if entry > v else -v if entry < -v else entry
    return out


hidden.part(
    1,
    "entries of both signs",
    [case((4, 5), 0.7), case((30,), 1.2), case((3, 2, 4), 0.4)],
    reference,
)
hidden.part(
    1,
    "nothing to clip, everything to clip",
    [case((5,), 1e3), case((4, 3), 1e-3), case((6,), 2.0, 1e6), {"g": np.zeros(3), "v": 1.0}],
    reference,
)
hidden.score()
### END HIDDEN TESTS

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
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", clip_by_norm)
rng = hidden.rng


def case(shapes, v, scale=1.0):
    return {"grads": tuple(scale * rng.normal(size=shape) for shape in shapes), "v": v}


def reference(grads, v):
    flat = np.concatenate([g.reshape(-1) for g in grads])
    norm = np.linalg.norm(flat)
    if norm > v:
        flat = flat / norm * v
    ends = np.cumsum([g.size for g in grads])[:-1]
    pieces = zip(np.split(flat, ends), grads, strict=True)
    return tuple(piece.reshape(g.shape) for piece, g in pieces), norm


shapes = [(3, 4), (4, 4), (4,)]
# no array alone is longer than v
together = {"grads": tuple(g / np.linalg.norm(g) for g in case(shapes, 1)["grads"]), "v": 1.2}
hidden.part(
    1,
    "longer than v",
    [case(shapes, 1.0), case(shapes, 0.3), case([(2,), (3, 2)], 0.5), together],
    reference,
)
hidden.part(1, "not longer than v", [case(shapes, 50.0), case([(2,), (3, 2)], 9.0, 0.1)], reference)
zeros = {"grads": (np.zeros((2, 3)), np.zeros(2)), "v": 0.5}
hidden.part(
    1,
    "a gradient of zeros, a single array, large values",
    [zeros, case([(5,)], 0.8), case([(3, 2), (3,)], 2.0, 1e6)],
    reference,
)
hidden.score()
### END HIDDEN TESTS

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
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", leaky_forward)
rng = hidden.rng


def case(T, N, D, H, spread=1.5):
    return {
        "xs": rng.normal(size=(T, N, D)),
        "h0": rng.uniform(-1, 1, (N, H)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)),
        "b": rng.normal(size=H),
        "leak": spread * rng.normal(size=H),
    }


def reference(xs, h0, U, W, b, leak):
    T, N, _ = xs.shape
    hs = np.empty((T, N, len(b)))
    alpha = (1 + np.tanh(leak / 2)) / 2
    for n in range(N):
        h = h0[n]
        for t in range(T):
            u = np.tanh(U @ xs[t, n] + W @ h + b)
            h = u + alpha * (h - u)
            hs[t, n] = h
    return hs


hidden.part(2, "random sizes", [case(4, 3, 2, 5), case(6, 2, 5, 3), case(3, 4, 1, 2)], reference)
hidden.part(
    1,
    "one step, one example, one unit, alphas near 0 and 1",
    [case(1, 3, 2, 4), case(4, 1, 2, 3), case(3, 2, 3, 1), case(5, 2, 3, 6, 10.0)],
    reference,
)
hidden.score()
### END HIDDEN TESTS

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
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", leaky_backward)
rng = hidden.rng


def case(T, N, D, H, real=True):
    xs, U, W = rng.normal(size=(T, N, D)), rng.normal(size=(H, D)), rng.normal(size=(H, H))
    leak, b, h = 1.5 * rng.normal(size=H), rng.normal(size=H), rng.uniform(-1, 1, (N, H))
    alpha = (1 + np.tanh(leak / 2)) / 2
    h_prevs, us = rng.normal(scale=1.5, size=(2, T, N, H))
    if real:
        for t in range(T):
            h_prevs[t], us[t] = h, np.tanh(b + xs[t] @ U.T + h @ W.T)
            h = alpha * h + (1 - alpha) * us[t]
    dhs = rng.normal(size=(T, N, H))
    return {"xs": xs, "h_prevs": h_prevs, "us": us, "dhs": dhs, "U": U, "W": W, "leak": leak}


def reference(xs, h_prevs, us, dhs, U, W, leak):
    T, N, H = us.shape
    alpha = (1 + np.tanh(leak / 2)) / 2
    dxs, dh0 = np.zeros(xs.shape), np.zeros((N, H))
    dU, dW, db, dleak = np.zeros(U.shape), np.zeros(W.shape), np.zeros(H), np.zeros(H)
    for n in range(N):
        g = np.zeros(H)
        for t in range(T - 1, -1, -1):
            g = g + dhs[t, n]
            through = np.diag((1 - alpha) * (1 - us[t, n] ** 2))
            delta = through @ g
            dxs[t, n] = U.T @ delta
            dU += np.outer(delta, xs[t, n])
            dW += np.outer(delta, h_prevs[t, n])
            db += delta
            for i in range(H):
                dleak[i] += g[i] * (h_prevs[t, n, i] - us[t, n, i]) * alpha[i] * (1 - alpha[i])
            g = (np.diag(alpha) + through @ W).T @ g
        dh0[n] = g
    return dxs, dh0, dU, dW, db, dleak


hidden.part(2, "values of a forward pass", [case(4, 3, 2, 5), case(5, 2, 4, 3)], reference)
hidden.part(
    3,
    "cached values that no forward pass gives",
    [case(3, 4, 2, 5, False), case(6, 2, 3, 4, False)],
    reference,
)
hidden.part(
    1,
    "one step, one example, one unit",
    [case(1, 3, 2, 4), case(4, 1, 3, 2, False), case(3, 2, 2, 1, False)],
    reference,
)
hidden.score()
### END HIDDEN TESTS

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
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", skip_forward)
rng = hidden.rng


def case(T, N, D, H, d):
    return {
        "xs": rng.normal(size=(T, N, D)),
        "past": rng.uniform(-1, 1, (d, N, H)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)) / 2,
        "R": rng.normal(size=(H, H)) / 2,
        "b": rng.normal(size=H),
    }


def reference(xs, past, U, W, R, b):
    T, N, _ = xs.shape
    d, _, H = past.shape
    hs = np.empty((T, N, H))
    for n in range(N):
        line = {k - d + 1: past[k, n] for k in range(d)}
        for t in range(1, T + 1):
            line[t] = np.tanh(U @ xs[t - 1, n] + W @ line[t - 1] + R @ line[t - d] + b)
            hs[t - 1, n] = line[t]
    return hs


hidden.part(
    2, "random sizes", [case(5, 3, 2, 4, 2), case(7, 2, 4, 3, 3), case(6, 4, 1, 2, 5)], reference
)
hidden.part(
    1,
    "d of one, sequences shorter than d, one step, one example, one unit",
    [case(4, 2, 3, 5, 1), case(2, 3, 2, 4, 5), case(1, 2, 3, 4, 2), case(4, 1, 2, 1, 3)],
    reference,
)
hidden.score()
### END HIDDEN TESTS

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
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", skip_backward)
rng = hidden.rng


def case(T, N, D, H, d, real=True):
    xs, past = rng.normal(size=(T, N, D)), rng.uniform(-1, 1, (d, N, H))
    U, b = rng.normal(size=(H, D)), rng.normal(size=H)
    W, R = rng.normal(size=(2, H, H)) / 2
    hs = rng.normal(scale=1.5, size=(T, N, H))
    if real:
        states = [*past]
        for x in xs:
            states.append(np.tanh(b + x @ U.T + states[-1] @ W.T + states[-d] @ R.T))
        hs = np.array(states[d:])
    dhs = rng.normal(size=(T, N, H))
    return {"xs": xs, "past": past, "hs": hs, "dhs": dhs, "U": U, "W": W, "R": R}


def reference(xs, past, hs, dhs, U, W, R):
    T, N, _ = xs.shape
    d, _, H = past.shape
    dxs, dpast = np.zeros(xs.shape), np.zeros(past.shape)
    dU, dW, dR, db = np.zeros(U.shape), np.zeros(W.shape), np.zeros(R.shape), np.zeros(H)
    for n in range(N):
        h = {t: past[t + d - 1, n] for t in range(1 - d, 1)} | {t + 1: hs[t, n] for t in range(T)}
        delta = {}
        for t in range(T, -d, -1):
            g = W.T @ delta.get(t + 1, np.zeros(H)) + R.T @ delta.get(t + d, np.zeros(H))
            if t < 1:
                dpast[t + d - 1, n] = g
                continue
            delta[t] = np.diag(1 - h[t] ** 2) @ (g + dhs[t - 1, n])
            dxs[t - 1, n] = U.T @ delta[t]
            dU += np.outer(delta[t], xs[t - 1, n])
            dW += np.outer(delta[t], h[t - 1])
            dR += np.outer(delta[t], h[t - d])
            db += delta[t]
    return dxs, dpast, dU, dW, dR, db


hidden.part(2, "values of a forward pass", [case(5, 3, 2, 4, 2), case(7, 2, 4, 3, 3)], reference)
hidden.part(
    3,
    "cached values that no forward pass gives",
    [case(6, 3, 2, 4, 3, False), case(5, 2, 3, 5, 2, False)],
    reference,
)
hidden.part(
    1,
    "d of one, sequences shorter than d, one step, one example, one unit",
    [
        case(4, 2, 3, 5, 1, False),
        case(2, 3, 2, 4, 5, False),
        case(1, 2, 3, 4, 2),
        case(4, 1, 2, 1, 3, False),
    ],
    reference,
)
hidden.score()
### END HIDDEN TESTS

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
### BEGIN HIDDEN TESTS
import math

import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", flow_regulariser)
rng = hidden.rng


def case(T, N, H, real=True, lengths=None):
    hs = rng.uniform(-1, 1, (T, N, H)) if real else rng.normal(scale=1.5, size=(T, N, H))
    dhs = rng.normal(size=(T, N, H)) * rng.uniform(0.01, 10, (T, N, 1))
    if lengths is not None:
        dhs[np.arange(T)[:, None] >= np.array(lengths)] = 0
    return {"W": rng.normal(size=(H, H)), "hs": hs, "dhs": dhs}


def reference(W, hs, dhs):
    T, N, _ = hs.shape
    total = 0.0
    for t in range(T):
        for n in range(N):
            g = dhs[t, n]
            size = math.sqrt(g @ g)
            if size > 0:
                back = (np.diag(1 - hs[t, n] ** 2) @ W).T @ g
                total += (math.sqrt(back @ back) / size - 1) ** 2
    return total / N


hidden.part(1, "random sizes", [case(4, 3, 5), case(6, 2, 3)], reference)
hidden.part(
    1, "errors of zero", [case(5, 3, 4, True, [2, 5, 3]), case(4, 2, 3, True, [1, 1])], reference
)
hidden.part(
    1,
    "one step, one example, one unit, values that no forward pass gives",
    [case(1, 3, 2), case(4, 1, 3), case(3, 2, 1), case(5, 3, 4, False)],
    reference,
)
hidden.score()
### END HIDDEN TESTS

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
### BEGIN HIDDEN TESTS
import math

import numpy as np

from grading.hidden import Hidden

hidden = Hidden("vanishing_gradients", flow_regulariser_backward)
rng = hidden.rng


def case(T, N, H, real=True, zeros=False):
    p = rng.normal(size=(T, N, H))
    p *= rng.uniform(0.1, 1, (T, N, 1)) / np.linalg.norm(p, axis=2, keepdims=True)
    e = p @ rng.normal(size=(H, H)) if real else rng.normal(size=(T, N, H))
    if zeros:
        e[1:, 0] = 0
        p[2:, 1] = e[2:, 1] = 0
    return {"p": p, "e": e}


def reference(p, e):
    T, N, H = p.shape
    dW = np.zeros((H, H))
    for t in range(T):
        for n in range(N):
            norm = math.sqrt(e[t, n] @ e[t, n])
            if norm > 0:
                dW += np.outer(p[t, n], (2 - 2 / norm) * e[t, n])
    return dW / N


hidden.part(1, "values of a forward pass", [case(4, 3, 5), case(5, 2, 3)], reference)
hidden.part(
    1,
    "cached values that no forward pass gives",
    [case(4, 5, 3, False), case(3, 2, 4, False)],
    reference,
)
hidden.part(
    1,
    "vectors of zero, one step, one example, one unit",
    [case(4, 3, 2, False, True), case(1, 3, 2, False), case(4, 1, 3, False), case(3, 2, 1, False)],
    reference,
)
hidden.score()
### END HIDDEN TESTS

# %% [markdown]
# ## Hand in
#
# Save the notebook and submit it as `vanishing_gradients.ipynb`.
# *Validate* (in JupyterLab's nbgrader menu, or `nbgrader validate vanishing_gradients.ipynb`) reruns all visible checks from a fresh start.
