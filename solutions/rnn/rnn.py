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
# # Chapter 1: Recurrent neural networks
#
# You write ten functions: the Elman cell, the scan over a padded batch, the output layer with its loss, three ways to feed and read a network, and sampling.
# Each is checked on its own, so you can do them in any order, and a wrong one costs only its own points, unless another function of yours calls it.
# Run the first code cell first, and again after each restart: `name 'check' is not defined` says that it was not run.
# `No module named 'lib'` says that the notebook is not in the folder that it came in; that is in the zip on the chapter's page of the book.
#
# How to work:
#
# 1. Read the recap above a function; the equation labels are those of the book's chapter *Recurrent neural networks*. The book's page *Equations, code, tests and exercises* lists all labels with links to the equations.
# 2. Replace `raise NotImplementedError()` by your code.
# 3. Run the cell below it. It calls your function on one example, or on a few, and says what is right and what is not. Where your answer equals a known mistake, it says which.
#
# The examples are only a first check. Grading uses hidden tests with other sizes and numbers.
# Functions must not change their arguments, and use float64 (NumPy's default).
#
# Conventions: sequences are time-major, `xs` is (T, N, D) = (time, batch, features); states are (N, H); each row is an example.
# So the equation $a = b + W h + U x$ is the code `x @ U.T + h @ W.T + b` with `U` (H, D) and `W` (H, H).
#
# In all there are 40 points. Working time: about two hours.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from lib.checking import Check

check = Check("rnn")

# %% [markdown]
# ## 1. One step (4 points)
#
# The state is a summary of all that came before.
# One step mixes the old state $h^{(t-1)}$ with the new input $x^{(t)}$:
#
# $$a^{(t)} = b + W h^{(t-1)} + U x^{(t)}, \qquad h^{(t)} = \tanh a^{(t)}.$$
#
# Equations: rnn-preactivation, rnn-state.
#
# The function gets the input `x` (N, D), the old state `h` (N, H), and the parameters `U` (H, D), `W` (H, H), `b` (H,).
# It returns the new state (N, H).


# %% nbgrader={"grade_id": "rnn_step", "solution": true}
def rnn_step(x, h, U, W, b):
    """Advance an Elman cell by one step.

    x (N, D), h (N, H), U (H, D), W (H, H), b (H,); returns the new state (N, H).
    """
    ### BEGIN SOLUTION
    return np.tanh(x @ U.T + h @ W.T + b)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_rnn_step", "grade": true, "points": 4}
# Hidden tests: 2 points random sizes, 1 one example and one unit, 1 large inputs.
check(rnn_step)

# %% [markdown]
# ## 2. The sequence, with padding (5 points)
#
# A network is the same step applied at every time: $h^{(t)} = f(h^{(t-1)}, x^{(t)}; \Theta)$.
# Sequences of a batch differ in length, so short ones are padded at the end, and `lengths` (N,) says how long each really is.
# Padding must not matter:
#
# - outputs `hs[t, n]` with `t >= lengths[n]` are zero;
# - the last state of example n is its state after step `lengths[n] - 1`, untouched by padding.
#
# Equations: rnn-recurrence, rnn-mask.
#
# The function gets `xs` (T, N, D), the initial state `h0` (N, H), the parameters, and `lengths`, an array of N integers.
# It returns `hs` (T, N, H) and `h_last` (N, H).
# What stands in `xs` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "rnn_forward", "solution": true}
def rnn_forward(xs, h0, U, W, b, lengths):
    """Run an Elman cell over a padded batch.

    xs (T, N, D), h0 (N, H), U (H, D), W (H, H), b (H,), lengths (N,) integers from 1 to T;
    returns hs (T, N, H), zero on padding, and h_last (N, H).
    """
    ### BEGIN SOLUTION
    T, N, _ = xs.shape
    hs = np.zeros((T, N, len(b)))
    h = h0
    for t in range(T):
        live = (t < lengths)[:, None]
        new = np.tanh(xs[t] @ U.T + h @ W.T + b)
        h = np.where(live, new, h)
        hs[t] = np.where(live, new, 0.0)
    return hs, h
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_rnn_forward", "grade": true, "points": 5}
# Hidden tests: 2 points full lengths, 2 padded batches, 1 sizes of one.
check(rnn_forward)

# %% [markdown]
# ## 3. Output, loss and mask (5 points)
#
# At each step the state gives logits and the softmax turns them into a distribution over K classes:
#
# $$s^{(t)} = c + V h^{(t)}, \qquad o^{(t)} = \operatorname{softmax} s^{(t)}, \qquad L = \frac1N \sum_n \sum_t m^{(t)}_n \left(-\log o^{(t)}_{n,\,y^{(t)}_n}\right).$$
#
# The loss is a **sum** over time and a **mean** over the N examples; the mask $m$ is 1 on real steps and 0 on padding.
# Large logits must not overflow: subtract each row's own largest logit first (a row is one step of one example), and take the logarithm of the sum, not of the softmax (log-sum-exp).
#
# Equations: rnn-logits, softmax, rnn-loss, log-sum-exp, rnn-mask.
#
# The function gets `hs` (T, N, H), `V` (K, H), `c` (K,), `targets` (T, N) with classes from 0 to K − 1, and `mask` (T, N).
# It returns the loss, a number, and the distributions `os` (T, N, K), padding included.


# %% nbgrader={"grade_id": "output_loss", "solution": true}
def output_loss(hs, V, c, targets, mask):
    """Compute softmax outputs and the masked cross-entropy.

    hs (T, N, H), V (K, H), c (K,), targets (T, N) integers, mask (T, N);
    returns the loss (a number, in nats) and os (T, N, K).
    """
    ### BEGIN SOLUTION
    s = hs @ V.T + c
    s = s - s.max(axis=-1, keepdims=True)
    log_o = s - np.log(np.exp(s).sum(axis=-1, keepdims=True))
    picked = np.take_along_axis(log_o, targets[..., None], axis=-1)[..., 0]
    loss = -(picked * mask).sum() / hs.shape[1]
    return loss, np.exp(log_o)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_output_loss", "grade": true, "points": 5}
# Hidden tests: 2 points random sizes, 2 masks, 1 logits of size 10 000.
check(output_loss)

# %% [markdown]
# ## 4. One vector as input (4 points)
#
# A caption is written from one picture: the input is a single vector $x$, and the network reads its own previous output (in training: the previous label $y^{(t-1)}$, one-hot).
# There are two ways in, and they combine:
#
# - **every step**: $a^{(t)} = b + W h^{(t-1)} + U y^{(t-1)} + R x$ with $h^{(0)} = 0$;
# - **initial state**: $h^{(0)} = p + P x$ and no $R x$;
# - **both**: $h^{(0)} = p + P x$ and $R x$ at every step.
#
# Equations: rnn-vector-every-step, rnn-vector-initial-state.
#
# The function gets `x` (N, M), `ys` (T, N, K), where `ys[t]` is the label fed at step t, the parameters `U` (H, K), `W` (H, H), `b` (H,), `R` (H, M), `P` (H, M), `p` (H,), and `mode`, one of `"every_step"`, `"initial_state"`, `"both"`.
# It returns `hs` (T, N, H).


# %% nbgrader={"grade_id": "vector_input_forward", "solution": true}
def vector_input_forward(x, ys, U, W, b, R, P, p, mode):
    """Run a network whose only input is one vector.

    x (N, M), ys (T, N, K), U (H, K), W (H, H), b (H,), R (H, M), P (H, M), p (H,),
    mode "every_step", "initial_state" or "both"; returns hs (T, N, H).
    """
    ### BEGIN SOLUTION
    T, N, _ = ys.shape
    H = len(b)
    h = np.zeros((N, H)) if mode == "every_step" else x @ P.T + p
    drive = np.zeros((N, H)) if mode == "initial_state" else x @ R.T
    hs = np.empty((T, N, H))
    for t in range(T):
        h = np.tanh(b + h @ W.T + ys[t] @ U.T + drive)
        hs[t] = h
    return hs
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_vector_input_forward", "grade": true, "points": 4}
# Hidden tests: 1 point a mode, 1 sizes of one.
check(vector_input_forward)

# %% [markdown]
# ## 5. One vector as input, backward (4 points)
#
# The vector is used T times, by the same matrix.
# Suppose that the errors at the pre-activations, $\delta^{(t)} = \nabla_{a^{(t)}} L$, are known (chapter 2 shows how to get them).
# Because $a^{(t)}$ holds $+\,R x$ at **every** step, each step sends a gradient to $R$ and to $x$, and they add up:
#
# $$\nabla_R L = \sum_t \sum_n \delta^{(t)}_n x_n^\top, \qquad \nabla_{x_n} L = \sum_t R^\top \delta^{(t)}_n.$$
#
# Equations: rnn-vector-backward.
#
# The function gets `deltas` (T, N, H), `x` (N, M) and `R` (H, M).
# It returns `dR` (H, M) and `dx` (N, M).


# %% nbgrader={"grade_id": "vector_input_backward", "solution": true}
def vector_input_backward(deltas, x, R):
    """Carry pre-activation errors back to one vector that was fed at every step.

    deltas (T, N, H), x (N, M), R (H, M); returns dR (H, M) and dx (N, M).
    """
    ### BEGIN SOLUTION
    total = deltas.sum(axis=0)
    return total.T @ x, total @ R
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_vector_input_backward", "grade": true, "points": 4}
# Hidden tests: 3 points random sizes, 1 sizes of one.
check(vector_input_backward)

# %% [markdown]
# ## 6. The output fed back (4 points)
#
# In this network the hidden state has no arrow to the next hidden state.
# What goes on is the output:
#
# $$a^{(t)} = b + W o^{(t-1)} + U x^{(t)}, \qquad h^{(t)} = \tanh a^{(t)}, \qquad o^{(t)} = \operatorname{softmax}(c + V h^{(t)}).$$
#
# K outputs are usually far fewer than H units, so it remembers less; chapter 2 shows what it gains in training.
# Large logits must not overflow: subtract each row's own largest logit before the exponential.
#
# Equations: rnn-output-hidden.
#
# The function gets `xs` (T, N, D), the first output `o0` (N, K), and `U` (H, D), `W` (H, K), `b` (H,), `V` (K, H), `c` (K,).
# It returns `os` (T, N, K).


# %% nbgrader={"grade_id": "output_to_hidden_forward", "solution": true}
def output_to_hidden_forward(xs, o0, U, W, b, V, c):
    """Run a network whose only recurrence goes from output to hidden.

    xs (T, N, D), o0 (N, K), U (H, D), W (H, K), b (H,), V (K, H), c (K,);
    returns os (T, N, K).
    """
    ### BEGIN SOLUTION
    T, N, _ = xs.shape
    os = np.empty((T, N, len(c)))
    o = o0
    for t in range(T):
        h = np.tanh(b + o @ W.T + xs[t] @ U.T)
        s = c + h @ V.T
        e = np.exp(s - s.max(axis=-1, keepdims=True))
        o = e / e.sum(axis=-1, keepdims=True)
        os[t] = o
    return os
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_output_to_hidden_forward", "grade": true, "points": 4}
# Hidden tests: 3 points random sizes, 1 large logits and sizes of one.
check(output_to_hidden_forward)

# %% [markdown]
# ## 7. One step of the output fed back, backward (6 points)
#
# Suppose that $\nabla_{o^{(t)}} L$ is known, all contributions together.
# One step back takes four small moves:
#
# 1. through the softmax: $\nabla_s = o \odot \left(\nabla_o - \sum_k o_k (\nabla_o)_k\right)$;
# 2. to the output layer: $\nabla_V = \sum_n \nabla_s h^\top$ and $\nabla_h = V^\top \nabla_s$;
# 3. through the tanh: $\delta = (1 - h^2) \odot \nabla_h$;
# 4. to what went in: $\nabla_W = \sum_n \delta\, o'^\top$ and $\nabla_{o'} = W^\top \delta$, with $o' = o^{(t-1)}$.
#
# Equations: rnn-output-hidden-backward, softmax-backward.
#
# The function gets the cached values `o_prev` (N, K), `h` (N, H), `o` (N, K), the gradient `do` (N, K), and `W` (H, K), `V` (K, H).
# It returns `dV` (K, H), `dW` (H, K) and `do_prev` (N, K).
# Use the cached values as they are given; the tests feed some that no forward pass would give.


# %% nbgrader={"grade_id": "output_to_hidden_step_backward", "solution": true}
def output_to_hidden_step_backward(o_prev, h, o, do, W, V):
    """Carry the gradient of one output back over one step.

    o_prev (N, K), h (N, H), o (N, K), do (N, K), W (H, K), V (K, H);
    returns dV (K, H), dW (H, K), do_prev (N, K).
    """
    ### BEGIN SOLUTION
    ds = o * (do - (o * do).sum(axis=1, keepdims=True))
    dV = ds.T @ h
    delta = (1 - h**2) * (ds @ V)
    return dV, delta.T @ o_prev, delta @ W
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_output_to_hidden_step_backward", "grade": true, "points": 6}
# Hidden tests: 2 points values of a forward pass, 3 other cached values, 1 sizes of one.
check(output_to_hidden_step_backward)

# %% [markdown]
# ## 8. Many to one, backward (4 points)
#
# A classifier reads the whole sequence and answers once, from the last **real** state: $s_n = c + V h_n^{(\tau_n)}$.
# Going back, the gradient of the answer enters the sequence at that one step, and nowhere else:
#
# $$\nabla_{h_n^{(t)}} L = \begin{cases} V^\top \nabla_{s_n} L & t = \tau_n \\ 0 & \text{otherwise,} \end{cases} \qquad \nabla_V L = \sum_n \nabla_{s_n} L \; h_n^{(\tau_n)\top}, \qquad \nabla_c L = \sum_n \nabla_{s_n} L.$$
#
# In code, time starts at 0, so the last real step of example n is `lengths[n] - 1`.
#
# Equations: rnn-many-to-one, rnn-many-to-one-backward.
#
# The function gets the states `hs` (T, N, H), `lengths` (N,), the gradient `ds` (N, K) of the logits, and `V` (K, H).
# It returns `dhs` (T, N, H), `dV` (K, H) and `dc` (K,).
# What stands in `hs` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "many_to_one_backward", "solution": true}
def many_to_one_backward(hs, lengths, ds, V):
    """Carry the gradient of one answer a sequence back to the states.

    hs (T, N, H), lengths (N,) integers, ds (N, K), V (K, H);
    returns dhs (T, N, H), dV (K, H), dc (K,).
    """
    ### BEGIN SOLUTION
    last, rows = lengths - 1, np.arange(hs.shape[1])
    dhs = np.zeros_like(hs)
    dhs[last, rows] = ds @ V
    return dhs, ds.T @ hs[last, rows], ds.sum(axis=0)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_many_to_one_backward", "grade": true, "points": 4}
# Hidden tests: 1 point full lengths, 2 padded batches, 1 sizes of one.
check(many_to_one_backward)

# %% [markdown]
# ## 9. Sampling with a temperature (2 points)
#
# To generate, draw the next symbol from $o = \operatorname{softmax}(s / \theta)$.
# A temperature θ below 1 sharpens the distribution, above 1 flattens it.
# Large $s / \theta$ must not overflow: subtract each row's own largest value before the exponential.
# To keep the function pure, the randomness comes in as a number $u$, uniform in [0, 1): the answer is the **first** class k at which the cumulative sum $o_0 + … + o_k$ exceeds $u$.
# Rounding can leave the whole sum a little below 1; where it does not exceed $u$, the answer is the last class.
#
# Equations: rnn-temperature.
#
# The function gets `logits` (N, K), `temperature` (a number above 0) and `u` (N,).
# It returns N integers from 0 to K − 1.


# %% nbgrader={"grade_id": "sample", "solution": true}
def sample(logits, temperature, u):
    """Draw one class for each row by inverting the cumulative distribution.

    logits (N, K), temperature a number above 0, u (N,) in [0, 1); returns integers (N,).
    """
    ### BEGIN SOLUTION
    s = logits / temperature
    e = np.exp(s - s.max(axis=1, keepdims=True))
    cumulative = np.cumsum(e / e.sum(axis=1, keepdims=True), axis=1)
    return np.minimum((cumulative <= u[:, None]).sum(axis=1), logits.shape[1] - 1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_sample", "grade": true, "points": 2}
# Hidden tests: 1 point temperature 1 and u at both ends, 1 other temperatures and large logits.
check(sample)

# %% [markdown]
# ## 10. Perplexity (2 points)
#
# A language model is judged by the probability that it gives to text it has not seen.
# Perplexity is the exponential of the mean negative log-likelihood **for each real symbol**, over all sequences together:
#
# $$\mathrm{PP} = \exp\left(-\frac{\sum_{t,n} m^{(t)}_n \log o^{(t)}_{n,\,y^{(t)}_n}}{\sum_{t,n} m^{(t)}_n}\right).$$
#
# A model that guesses among K symbols with equal probability has perplexity K.
#
# Equations: rnn-perplexity.
#
# The function gets `log_probs` (T, N), the log-probability (nats) of each symbol that came, and `mask` (T, N).
# It returns a number.


# %% nbgrader={"grade_id": "perplexity", "solution": true}
def perplexity(log_probs, mask):
    """Compute the perplexity of a padded batch of texts.

    log_probs (T, N) in nats, mask (T, N), 1 on real symbols; returns a number.
    """
    ### BEGIN SOLUTION
    return np.exp(-(log_probs * mask).sum() / mask.sum())
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_perplexity", "grade": true, "points": 2}
# Hidden tests: 1 point full lengths, 1 padded batches.
check(perplexity)

# %% [markdown]
# ## Hand in
#
# Save the notebook and submit it as `rnn.ipynb`.
# *Validate* (the button above the notebook, or in a terminal `nbgrader validate rnn.ipynb`) reruns all visible checks from a fresh start.
