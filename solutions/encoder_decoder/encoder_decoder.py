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
# # Chapter 9: Encoder–decoder
#
# You write nine functions: the encoder that reads a padded batch into a context, the decoder under teacher forcing, the likelihood of a sequence that ends, the way back from the decoder into the encoder for each way of feeding the context, and two searches that write.
# Each is checked on its own, so you can do them in any order, and a wrong one costs only its own points.
# Every backward function gets the values that the forward pass has kept; use them as they come, because the tests also feed values that no forward pass would give.
#
# Encoder and decoder are Elman networks here, so that the equations stay short; nothing that you write about the context depends on the cell.
# The equation labels are those of the book's chapter *Encoder–decoder*.
# Sequences are time-major: symbols are (T, N), states (T, N, H); rows are examples; a gradient has the shape of what it is the gradient of, and its name with a `d` in front.
# The context C has M numbers, and M need not be H.
# As in the chapter, $s^{(i)}$ is the decoder's state and not the logits, and $\ni$ means "has as one of its terms".
# A bracket such as $[\,i = \tau_y\,]$ is 1 where it holds and 0 elsewhere.
# A visible check tries one example or a few: where a function has a `mode`, that is `"both"`, and the hidden tests try the other two as well.
#
# In all there are 51 points. Working time: about four hours.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from lib.checking import Check

check = Check("encoder_decoder")

# %% [markdown]
# ## 1. Read a padded batch into a context (5 points)
#
# A symbol $k$ is looked up in a table of embeddings: its vector is row $k$ of $E$.
# The encoder reads these vectors from a state of zeros, and its last state is the context:
#
# $$x^{(t)} = E_{k^{(t)}}, \qquad h^{(t)} = \tanh\!\left(b + W h^{(t-1)} + U x^{(t)}\right), \qquad C = h^{(\tau_x)}.$$
#
# In a padded batch, row n ends after `lengths[n]` steps.
# Beyond that its outputs are zero and its state stays, so that its context is the state after its own last symbol.
#
# Equations: encoder-decoder-embedding, encoder-decoder-context, rnn-preactivation, rnn-state, rnn-mask.
#
# The function gets `sources` (T, N) of symbols from 0 to K − 1, `lengths` (N,), the embedding `E` (K, D), and `U` (M, D), `W` (M, M), `b` (M,).
# It returns the outputs `hs` (T, N, M) and the context `C` (N, M).


# %% nbgrader={"grade_id": "encode", "solution": true}
def encode(sources, lengths, E, U, W, b):
    """Read a padded batch of symbols into a context.

    sources (T, N) integers, lengths (N,) integers from 1 to T, E (K, D), U (M, D),
    W (M, M), b (M,); returns hs (T, N, M), zero beyond a length, and C (N, M).
    """
    ### BEGIN SOLUTION
    T, N = sources.shape
    hs = np.zeros((T, N, len(b)))
    h = np.zeros((N, len(b)))
    for t in range(T):
        live = (t < lengths)[:, None]
        new = np.tanh(E[sources[t]] @ U.T + h @ W.T + b)
        h = np.where(live, new, h)
        hs[t] = np.where(live, new, 0.0)
    return hs, h
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_encode", "grade": true, "points": 5}
# Hidden tests: 2 points full lengths, 2 padded batches, 1 sizes of one and large weights.
check(encode)
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("encoder_decoder", encode)
rng = hidden.rng


def case(T, K, D, M, lengths, scale=1.0):
    return {
        "sources": rng.integers(K, size=(T, len(lengths))),
        "lengths": np.array(lengths),
        "E": rng.normal(size=(K, D)),
        "U": scale * rng.normal(size=(M, D)),
        "W": scale * rng.normal(size=(M, M)),
        "b": rng.normal(size=M),
    }


def reference(sources, lengths, E, U, W, b):
    T, N = sources.shape
    hs, C = np.zeros((T, N, len(W))), np.zeros((N, len(W)))
    for n in range(N):
        for t in range(lengths[n]):
            before = hs[t - 1, n] if t else 0 * b
            one_hot = (np.arange(len(E)) == sources[t, n]).astype(float)
            hs[t, n] = np.tanh(U @ (E.T @ one_hot) + W @ before + b)
        C[n] = hs[lengths[n] - 1, n]
    return hs, C


hidden.part(2, "full lengths", [case(4, 7, 3, 5, [4, 4]), case(3, 5, 6, 4, [3] * 4)], reference)
hidden.part(
    2,
    "padded batches",
    [case(5, 6, 2, 4, [2, 5, 1]), case(6, 4, 3, 5, [3, 6, 4, 1]), case(4, 5, 3, 2, [2, 3])],
    reference,
)
hidden.part(
    1,
    "one step, one example, one unit; large weights",
    [
        case(1, 4, 2, 3, [1, 1]),
        case(4, 3, 2, 3, [3]),
        case(3, 4, 2, 1, [2, 3]),
        case(4, 5, 1, 3, [4, 2], 40.0),
    ],
    reference,
)
hidden.score()
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Write under teacher forcing (6 points)
#
# In training the decoder reads the targets, one step late.
# At its first step it reads the start symbol, which has the last row of its embedding `E` (K + 1, D) and is never written; at step i it reads $y^{(i-1)}$.
# The context can enter at every step, through $R$; as the initial state, through a bridge of its own size; or both ways:
#
# $$a^{(i)} = b + W s^{(i-1)} + U E_{y^{(i-1)}} + R\,C, \qquad s^{(i)} = \tanh a^{(i)}, \qquad s^{(0)} = \tanh(p + P\,C).$$
#
# With `mode = "every_step"` there is no bridge: $s^{(0)} = 0$.
# With `mode = "initial_state"` there is no $R\,C$.
# With `mode = "both"` there are both.
#
# Equations: encoder-decoder-teacher-forcing, encoder-decoder-every-step, encoder-decoder-initial-state.
#
# The function gets `targets` (T, N) of symbols from 0 to K − 1, `C` (N, M), `mode`, `E` (K + 1, D), `U` (H, D), `W` (H, H), `b` (H,), `R` (H, M), `P` (H, M) and `p` (H,).
# It returns the states `hs` (T, N, H).


# %% nbgrader={"grade_id": "decode", "solution": true}
def decode(targets, C, mode, E, U, W, b, R, P, p):
    """Run the decoder with the targets as its inputs, one step late.

    targets (T, N) integers, C (N, M), mode "every_step", "initial_state" or "both",
    E (K + 1, D) with the start symbol last, U (H, D), W (H, H), b (H,), R (H, M),
    P (H, M), p (H,); returns hs (T, N, H).
    """
    ### BEGIN SOLUTION
    T, N = targets.shape
    previous = np.full((T, N), len(E) - 1)
    previous[1:] = targets[:-1]
    drive = b if mode == "initial_state" else b + C @ R.T
    h = np.zeros((N, len(b))) if mode == "every_step" else np.tanh(C @ P.T + p)
    hs = np.empty((T, N, len(b)))
    for t in range(T):
        h = np.tanh(E[previous[t]] @ U.T + h @ W.T + drive)
        hs[t] = h
    return hs
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_decode", "grade": true, "points": 6}
# Hidden tests: 2 points at every step, 2 as initial state, 1 both, 1 sizes of one.
check(decode)
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("encoder_decoder", decode)
rng = hidden.rng


def case(mode, T, N, K, D, M, H):
    return {
        "targets": rng.integers(K, size=(T, N)),
        "C": rng.normal(size=(N, M)),
        "mode": mode,
        "E": rng.normal(size=(K + 1, D)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)),
        "b": rng.normal(size=H),
        "R": rng.normal(size=(H, M)),
        "P": rng.normal(size=(H, M)),
        "p": rng.normal(size=H),
    }


def reference(targets, C, mode, E, U, W, b, R, P, p):
    T, N = targets.shape
    hs = np.zeros((T, N, len(W)))
    for n in range(N):
        state = {"every_step": 0 * p}.get(mode, np.tanh(p + P @ C[n]))
        symbol = E.shape[0] - 1
        for t in range(T):
            a = U @ E[symbol] + W @ state + b
            if mode in ("every_step", "both"):
                a = a + R @ C[n]
            state = hs[t, n] = np.tanh(a)
            symbol = targets[t, n]
    return hs


hidden.part(
    2,
    "the context at every step",
    [case("every_step", 4, 3, 6, 2, 7, 5), case("every_step", 3, 2, 4, 3, 2, 6)],
    reference,
)
hidden.part(
    2,
    "the context as initial state",
    [case("initial_state", 4, 3, 6, 2, 7, 5), case("initial_state", 3, 2, 4, 3, 2, 6)],
    reference,
)
hidden.part(1, "both", [case("both", 5, 2, 3, 4, 6, 3), case("both", 3, 4, 5, 2, 1, 2)], reference)
hidden.part(
    1,
    "one step, one example, one unit",
    [
        case("both", 1, 3, 4, 2, 3, 4),
        case("initial_state", 4, 1, 3, 2, 4, 3),
        case("every_step", 3, 2, 4, 2, 3, 1),
    ],
    reference,
)
hidden.score()
### END HIDDEN TESTS

# %% [markdown]
# ## 3. The likelihood of a sequence that stops (6 points)
#
# Training maximises $\log p(y \mid x)$, the probability of all symbols together and of ending just there.
# Here a sigmoid unit says at every step whether the sequence stops.
# With $z^{(i)}$ the logit of the stop unit, $e^{(i)} = [\,i = \tau_y\,]$ and the mask $m^{(i)} = [\,i \le \tau_y\,]$, the loss of the batch is
#
# $$L = -\frac{1}{N} \sum_n \sum_i m^{(i)} \left( \log o^{(i)}_{y^{(i)}} + e^{(i)} \log \sigma(z^{(i)}) + (1 - e^{(i)}) \log\left(1 - \sigma(z^{(i)})\right) \right),$$
#
# where $o^{(i)}$ is the softmax of the logits.
# Its gradients are once more "output minus target", with $y^{(i)}$ as a one-hot vector:
#
# $$\nabla_{\text{logits}^{(i)}} L = \frac{m^{(i)}}{N} \left( o^{(i)} - y^{(i)} \right), \qquad \nabla_{z^{(i)}} L = \frac{m^{(i)}}{N} \left( \sigma(z^{(i)}) - e^{(i)} \right).$$
#
# Logits may be in the thousands: never take the logarithm of a rounded probability.
#
# Equations: encoder-decoder-likelihood, encoder-decoder-stop, bptt-logits.
#
# The function gets `logits` (T, N, K), `stop` (T, N), `targets` (T, N) with symbols from 0 to K − 1, and `lengths` (N,).
# It returns the number `loss`, `dlogits` (T, N, K) and `dstop` (T, N).


# %% nbgrader={"grade_id": "sequence_loss", "solution": true}
def sequence_loss(logits, stop, targets, lengths):
    """Compute the mean of −log p(y | x) over the batch, and its gradients.

    logits (T, N, K), stop (T, N), targets (T, N) integers, lengths (N,) integers from
    1 to T; returns loss, dlogits (T, N, K), dstop (T, N).
    """
    ### BEGIN SOLUTION
    T, N, K = logits.shape
    steps = np.arange(T)[:, None]
    mask = steps < lengths
    ends = steps == lengths - 1
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_o = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    one_hot = np.eye(K)[targets]
    log_end = -np.logaddexp(0, -stop)
    log_go = -np.logaddexp(0, stop)
    each = (log_o * one_hot).sum(axis=-1) + np.where(ends, log_end, log_go)
    loss = -np.where(mask, each, 0.0).sum() / N
    dlogits = (np.exp(log_o) - one_hot) * mask[..., None] / N
    dstop = (np.exp(log_end) - ends) * mask / N
    return loss, dlogits, dstop
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_sequence_loss", "grade": true, "points": 6}
# Hidden tests: 2 points full lengths, 2 padded batches, 1 large logits, 1 sizes of one.
check(sequence_loss)
### BEGIN HIDDEN TESTS
import math

import numpy as np

from grading.hidden import Hidden

hidden = Hidden("encoder_decoder", sequence_loss)
rng = hidden.rng


def case(T, K, lengths, scale=2.0):
    N = len(lengths)
    return {
        "logits": scale * rng.normal(size=(T, N, K)),
        "stop": scale * rng.normal(size=(T, N)),
        "targets": rng.integers(K, size=(T, N)),
        "lengths": np.array(lengths),
    }


def reference(logits, stop, targets, lengths):
    N = logits.shape[1]
    loss, dlogits, dstop = 0.0, np.zeros(logits.shape), np.zeros(stop.shape)
    for n in range(N):
        for t in range(lengths[n]):
            s, y, z = logits[t, n], targets[t, n], float(stop[t, n])
            top = float(s.max())
            total = math.fsum(math.exp(float(v) - top) for v in s)
            loss -= (float(s[y]) - top - math.log(total)) / N
            for k in range(len(s)):
                dlogits[t, n, k] = (math.exp(float(s[k]) - top) / total - (k == y)) / N
            signed = z if t + 1 == lengths[n] else -z
            small = math.exp(-abs(z))
            loss += (max(-signed, 0.0) + math.log1p(small)) / N
            sigmoid = 1 / (1 + small) if z >= 0 else small / (1 + small)
            dstop[t, n] = (sigmoid - (t + 1 == lengths[n])) / N
    return loss, dlogits, dstop


hidden.part(2, "full lengths", [case(4, 5, [4, 4, 4]), case(3, 6, [3, 3])], reference)
hidden.part(
    2, "padded batches", [case(5, 3, [2, 5, 1, 4]), case(4, 6, [3, 1]), case(6, 4, [5])], reference
)
hidden.part(
    1,
    "logits of a hundred and of a thousand",
    [case(3, 4, [3, 2], 100.0), case(4, 3, [4, 1, 3], 1000.0)],
    reference,
)
hidden.part(
    1,
    "one step, one example, one symbol",
    [case(1, 3, [1, 1]), case(3, 4, [3]), case(3, 1, [2, 3]), case(1, 1, [1])],
    reference,
)
hidden.score()
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Back from every step into the context (4 points)
#
# Fed at every step, $C$ is one node with $\tau_y$ arrows out of it, each through the same $R$.
# With the errors of the decoder's pre-activations, $\delta^{(i)} = \nabla_{a^{(i)}} L$,
#
# $$\nabla_C L \ni \sum_{i=1}^{\tau_y} R^\top \delta^{(i)}, \qquad \nabla_R L = \sum_n \sum_{i=1}^{\tau_y} \delta_n^{(i)} C_n^\top.$$
#
# Equations: encoder-decoder-context-backward.
#
# The function gets `deltas` (T, N, H), zero on padding, `C` (N, M) and `R` (H, M).
# It returns `dC` (N, M) and `dR` (H, M).


# %% nbgrader={"grade_id": "every_step_backward", "solution": true}
def every_step_backward(deltas, C, R):
    """Carry the decoder's errors back to a context that was fed at every step.

    deltas (T, N, H), C (N, M), R (H, M); returns dC (N, M), dR (H, M).
    """
    ### BEGIN SOLUTION
    total = deltas.sum(axis=0)
    return total @ R, total.T @ C
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_every_step_backward", "grade": true, "points": 4}
# Hidden tests: 3 points random sizes, 1 sizes of one.
check(every_step_backward)
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("encoder_decoder", every_step_backward)
rng = hidden.rng


def case(T, N, H, M, scale=1.0):
    return {
        "deltas": rng.normal(size=(T, N, H)),
        "C": scale * rng.normal(size=(N, M)),
        "R": rng.normal(size=(H, M)),
    }


def reference(deltas, C, R):
    dC, dR = np.zeros(C.shape), np.zeros(R.shape)
    for step in deltas:
        for n, delta in enumerate(step):
            dC[n] += R.T @ delta
            dR += np.outer(delta, C[n])
    return dC, dR


hidden.part(
    3, "random sizes", [case(4, 3, 5, 2), case(3, 2, 4, 6), case(5, 4, 3, 3, 3.0)], reference
)
hidden.part(
    1,
    "one step, one example, one unit",
    [case(1, 3, 2, 4), case(4, 1, 3, 2), case(3, 2, 1, 4), case(3, 4, 2, 1)],
    reference,
)
hidden.score()
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Back through the bridge (5 points)
#
# As initial state, the context has one arrow out, through the bridge $s^{(0)} = \tanh(p + P\,C)$.
# The decoder's backpropagation through time ends with $\nabla_{s^{(0)}} L$; the tanh comes first on the way back, and only then the matrix:
#
# $$\epsilon = \left(1 - (s^{(0)})^2\right) \odot \nabla_{s^{(0)}} L, \qquad \nabla_C L \ni P^\top \epsilon, \qquad \nabla_P L = \sum_n \epsilon_n C_n^\top, \qquad \nabla_p L = \sum_n \epsilon_n.$$
#
# Equations: encoder-decoder-bridge-backward.
#
# The function gets `dh0` (N, H), the cached initial state `h0` (N, H), `C` (N, M) and `P` (H, M).
# It returns `dC` (N, M), `dP` (H, M) and `dp` (H,).


# %% nbgrader={"grade_id": "bridge_backward", "solution": true}
def bridge_backward(dh0, h0, C, P):
    """Carry the gradient of the decoder's initial state back through the bridge.

    dh0 (N, H), h0 (N, H), C (N, M), P (H, M); returns dC (N, M), dP (H, M), dp (H,).
    """
    ### BEGIN SOLUTION
    error = (1 - h0**2) * dh0
    return error @ P, error.T @ C, error.sum(axis=0)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_bridge_backward", "grade": true, "points": 5}
# Hidden tests: 2 points states of a forward pass, 2 other cached values, 1 sizes of one.
check(bridge_backward)
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("encoder_decoder", bridge_backward)
rng = hidden.rng


def case(N, H, M, real=True):
    C, P, p = rng.normal(size=(N, M)), rng.normal(size=(H, M)), rng.normal(size=H)
    h0 = np.tanh(C @ P.T + p) if real else rng.normal(scale=2.0, size=(N, H))
    return {"dh0": rng.normal(size=(N, H)), "h0": h0, "C": C, "P": P}


def reference(dh0, h0, C, P):
    dC, dP, dp = np.zeros(C.shape), np.zeros(P.shape), np.zeros(len(P))
    for n in range(len(C)):
        for j in range(len(P)):
            error = dh0[n, j] - dh0[n, j] * h0[n, j] * h0[n, j]
            dp[j] += error
            dP[j] += error * C[n]
            dC[n] += error * P[j]
    return dC, dP, dp


hidden.part(2, "states of a forward pass", [case(3, 4, 2), case(4, 2, 5)], reference)
hidden.part(
    2,
    "cached values that no forward pass gives",
    [case(3, 4, 2, False), case(2, 3, 5, False)],
    reference,
)
hidden.part(
    1, "one example, one unit", [case(1, 3, 2), case(3, 1, 2, False), case(3, 2, 1)], reference
)
hidden.score()
### END HIDDEN TESTS

# %% [markdown]
# ## 6. Back through the decoder, into the context (7 points)
#
# Now all of the decoder, in all three modes.
# Each state $s^{(i)}$ gets a gradient from its own output, its row of `dhs`, and what the next step sends back; after the last step there is none, and $\delta^{(\tau_y + 1)} = 0$:
#
# $$\delta^{(i)} = \left(1 - (s^{(i)})^2\right) \odot \left( (\nabla_{s^{(i)}} L)_{\text{own output}} + W^\top \delta^{(i+1)} \right), \qquad \nabla_{s^{(0)}} L = W^\top \delta^{(1)}.$$
#
# Row n ends after `lengths[n]` steps; beyond that nothing was written, so what stands in `dhs` is ignored and $\delta$ is zero.
# The context gets the sum of what comes back through all the arrows that the mode has: $R$ at every step, $P$ at the start, or both.
#
# Equations: encoder-decoder-context-backward, encoder-decoder-bridge-backward, bptt-hidden, bptt-delta.
#
# The function gets `dhs` (T, N, H), `hs` (T, N, H), the initial state `h0` (N, H), `lengths` (N,), `mode`, `W` (H, H), `R` (H, M) and `P` (H, M).
# It returns `dC` (N, M).


# %% nbgrader={"grade_id": "decoder_backward", "solution": true}
def decoder_backward(dhs, hs, h0, lengths, mode, W, R, P):
    """Carry the gradient of the decoder's states back to the context.

    dhs (T, N, H), hs (T, N, H), h0 (N, H), lengths (N,) integers from 1 to T, mode
    "every_step", "initial_state" or "both", W (H, H), R (H, M), P (H, M);
    returns dC (N, M).
    """
    ### BEGIN SOLUTION
    dC = np.zeros((len(h0), R.shape[1]))
    dh = np.zeros_like(h0)
    for t in reversed(range(len(hs))):
        live = (t < lengths)[:, None]
        delta = np.where(live, (1 - hs[t] ** 2) * (dhs[t] + dh), 0.0)
        if mode != "initial_state":
            dC += delta @ R
        dh = delta @ W
    if mode != "every_step":
        dC += ((1 - h0**2) * dh) @ P
    return dC
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_decoder_backward", "grade": true, "points": 7}
# Hidden tests: 2 points at every step, 2 as initial state, 1 both, 1 padded, 1 sizes of one.
check(decoder_backward)
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("encoder_decoder", decoder_backward)
rng = hidden.rng


def case(mode, T, H, M, lengths, real=True):
    N = len(lengths)
    bound = np.tanh if real else np.asarray
    return {
        "dhs": rng.normal(size=(T, N, H)),
        "hs": bound(rng.normal(scale=1.5, size=(T, N, H))),
        "h0": bound(rng.normal(scale=1.5, size=(N, H))),
        "lengths": np.array(lengths),
        "mode": mode,
        "W": 0.7 * rng.normal(size=(H, H)),
        "R": rng.normal(size=(H, M)),
        "P": rng.normal(size=(H, M)),
    }


def reference(dhs, hs, h0, lengths, mode, W, R, P):
    dC = np.zeros((len(h0), P.shape[1]))
    for n, length in enumerate(lengths):
        for source in range(length):
            error = dhs[source, n]
            for t in range(source, -1, -1):
                delta = np.diag(1 - hs[t, n] ** 2) @ error
                if mode in ("every_step", "both"):
                    dC[n] += R.T @ delta
                error = W.T @ delta
            if mode in ("initial_state", "both"):
                dC[n] += P.T @ (np.diag(1 - h0[n] ** 2) @ error)
    return dC


hidden.part(
    2,
    "the context at every step",
    [case("every_step", 4, 5, 2, [4] * 3), case("every_step", 3, 4, 6, [3, 3], False)],
    reference,
)
hidden.part(
    2,
    "the context as initial state",
    [case("initial_state", 4, 5, 2, [4] * 3), case("initial_state", 3, 4, 6, [3, 3], False)],
    reference,
)
hidden.part(
    1,
    "both",
    [case("both", 5, 3, 2, [5] * 4), case("both", 4, 2, 5, [4] * 3, False)],
    reference,
)
hidden.part(
    1,
    "padded batches, in every mode",
    [
        case("every_step", 5, 3, 2, [2, 5, 1]),
        case("initial_state", 5, 3, 4, [4, 1, 5, 2], False),
        case("both", 4, 5, 3, [3, 2], False),
    ],
    reference,
)
hidden.part(
    1,
    "one step, one example, one unit",
    [
        case("both", 1, 3, 2, [1, 1]),
        case("both", 4, 2, 3, [3], False),
        case("both", 3, 1, 2, [3, 2]),
        case("initial_state", 1, 2, 1, [1]),
    ],
    reference,
)
hidden.score()
### END HIDDEN TESTS

# %% [markdown]
# ## 7. Back through the encoder (7 points)
#
# The context is the encoder's state after each row's own last symbol.
# So $\nabla_C L$ enters row n at step `lengths[n]`, and from there it goes back to the first symbol; the encoder's outputs have no other use.
#
# $$\nabla_{h^{(\tau_x)}} L = \nabla_C L, \qquad \delta^{(t)} = \left(1 - (h^{(t)})^2\right) \odot \nabla_{h^{(t)}} L, \qquad \nabla_{h^{(t-1)}} L = W^\top \delta^{(t)}.$$
#
# The embedding is looked up, so each row of $\nabla_E L$ is the sum over all places where its symbol stands:
#
# $$\nabla_{E_k} L = \sum_{n} \sum_{t \,:\, k_n^{(t)} = k} U^\top \delta_n^{(t)}.$$
#
# Equations: encoder-decoder-context-backward, encoder-decoder-embedding, bptt-parameters.
#
# The function gets `dC` (N, M), `hs` (T, N, M), `sources` (T, N), `lengths` (N,), `E` (K, D), `U` (M, D) and `W` (M, M).
# What stands in `hs` and `sources` on padding means nothing.
# It returns `dE` (K, D), `dU` (M, D), `dW` (M, M) and `db` (M,).


# %% nbgrader={"grade_id": "encoder_backward", "solution": true}
def encoder_backward(dC, hs, sources, lengths, E, U, W):
    """Carry the context's gradient back through the encoder to its parameters.

    dC (N, M), hs (T, N, M), sources (T, N) integers, lengths (N,) integers from 1 to T,
    E (K, D), U (M, D), W (M, M); returns dE (K, D), dU (M, D), dW (M, M), db (M,).
    """
    ### BEGIN SOLUTION
    dE, dU, dW, db = np.zeros_like(E), np.zeros_like(U), np.zeros_like(W), np.zeros(len(W))
    dh = np.zeros_like(dC)
    for t in reversed(range(len(hs))):
        dh = np.where((t == lengths - 1)[:, None], dC, dh)
        delta = (1 - hs[t] ** 2) * dh
        before = hs[t - 1] if t > 0 else np.zeros_like(dC)
        dU += delta.T @ E[sources[t]]
        dW += delta.T @ before
        db += delta.sum(axis=0)
        np.add.at(dE, sources[t], delta @ U)
        dh = delta @ W
    return dE, dU, dW, db
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_encoder_backward", "grade": true, "points": 7}
# Hidden tests: 2 points full lengths, 3 padded batches with anything on padding, 1 repeated symbols, 1 sizes of one.
check(encoder_backward)
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("encoder_decoder", encoder_backward)
rng = hidden.rng


def case(T, K, D, M, lengths, real=False):
    N = len(lengths)
    hs = rng.normal(scale=1.5, size=(T, N, M))
    return {
        "dC": rng.normal(size=(N, M)),
        "hs": np.tanh(hs) if real else hs,
        "sources": rng.integers(K, size=(T, N)),
        "lengths": np.array(lengths),
        "E": rng.normal(size=(K, D)),
        "U": rng.normal(size=(M, D)),
        "W": 0.7 * rng.normal(size=(M, M)),
    }


def reference(dC, hs, sources, lengths, E, U, W):
    dE, dU, dW, db = np.zeros(E.shape), np.zeros(U.shape), np.zeros(W.shape), np.zeros(len(U))
    for n, length in enumerate(lengths):
        error = dC[n]
        for t in range(length - 1, -1, -1):
            delta = np.diag(1 - hs[t, n] ** 2) @ error
            dU += np.outer(delta, E[sources[t, n]])
            db += delta
            dE[sources[t, n]] += U.T @ delta
            if t:
                dW += np.outer(delta, hs[t - 1, n])
            error = W.T @ delta
    return dE, dU, dW, db


hidden.part(
    2,
    "full lengths",
    [case(4, 7, 3, 5, [4, 4], real=True), case(3, 8, 5, 2, [3] * 3)],
    reference,
)
hidden.part(
    3,
    "padded batches, with anything on padding",
    [case(5, 6, 2, 4, [2, 5, 1]), case(6, 5, 4, 3, [3, 6, 4, 1]), case(4, 5, 3, 2, [1, 3])],
    reference,
)
hidden.part(
    1,
    "symbols that stand in many places",
    [case(4, 2, 3, 4, [4, 3, 2, 4, 1]), case(5, 1, 2, 3, [5, 4])],
    reference,
)
hidden.part(
    1,
    "one step, one example, one unit",
    [case(1, 4, 2, 3, [1, 1]), case(4, 3, 2, 3, [3]), case(3, 4, 2, 1, [2, 3])],
    reference,
)
hidden.score()
### END HIDDEN TESTS

# %% [markdown]
# ## 8. Write greedily (4 points)
#
# Without targets the decoder reads what it has written itself.
# A greedy decoder writes the likeliest symbol at every step, and a row stops when it writes the end symbol:
#
# $$\hat y^{(i)} = \arg\max_k \left(c + V s^{(i)}\right)_k, \qquad s^{(i)} = \tanh\!\left( W s^{(i-1)} + U E_{\hat y^{(i-1)}} + d \right).$$
#
# What the context adds is the same at every step, so it was put together with the bias beforehand: $d = b + R\,C$, the array `drive`.
# As in exercise 2, the start symbol has the last row of `E`, and it is read first.
#
# Equations: encoder-decoder-greedy, encoder-decoder-end-symbol.
#
# The function gets `h0` (N, H), `drive` (N, H), `E` (K + 1, D), `U` (H, D), `W` (H, H), `V` (K, H), `c` (K,), the number `end` of the end symbol and the number `max_length`.
# It returns `tokens` (max_length, N), which holds `end` wherever a row is over, and `lengths` (N,): the symbols that a row wrote, its end symbol included; `max_length` for a row that did not end.
# `tokens` has `max_length` rows even where all examples end earlier.


# %% nbgrader={"grade_id": "greedy_decode", "solution": true}
def greedy_decode(h0, drive, E, U, W, V, c, end, max_length):
    """Write the likeliest symbol at every step, and `end` from where a row has ended.

    h0 (N, H), drive (N, H), E (K + 1, D) with the start symbol last, U (H, D), W (H, H),
    V (K, H), c (K,), end and max_length integers;
    returns tokens (max_length, N) integers and lengths (N,) integers.
    """
    ### BEGIN SOLUTION
    N = len(h0)
    tokens = np.full((max_length, N), end)
    lengths = np.zeros(N, int)
    live = np.full(N, True)
    symbol = np.full(N, len(E) - 1)
    h = h0
    for t in range(max_length):
        h = np.tanh(E[symbol] @ U.T + h @ W.T + drive)
        symbol = (h @ V.T + c).argmax(axis=1)
        tokens[t] = np.where(live, symbol, end)
        lengths += live
        live = live & (symbol != end)
    return tokens, lengths
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_greedy_decode", "grade": true, "points": 4}
# Hidden tests: 2 points rows that end at different steps, 1 rows that never end, 1 sizes of one.
check(greedy_decode)
### BEGIN HIDDEN TESTS
import numpy as np

from grading.hidden import Hidden

hidden = Hidden("encoder_decoder", greedy_decode)
rng = hidden.rng


def reference(h0, drive, E, U, W, V, c, end, max_length):
    tokens, lengths = np.full((max_length, len(h0)), end), np.zeros(len(h0), int)
    for n in range(len(h0)):
        state, symbol = h0[n], E.shape[0] - 1
        while lengths[n] < max_length:
            state = np.tanh(U @ E[symbol] + W @ state + drive[n])
            scores = V @ state + c
            symbol = int(np.argsort(scores)[-1])
            tokens[lengths[n], n] = symbol
            lengths[n] += 1
            if symbol == end:
                break
    return tokens, lengths


def case(N, K, D, H, max_length, end, wanted=lambda lengths: True):
    """Draw until the rows end as wanted, so that the case shows what it is meant to show."""
    for _ in range(2000):
        one = {
            "h0": rng.normal(size=(N, H)),
            "drive": rng.normal(size=(N, H)),
            "E": rng.normal(size=(K + 1, D)),
            "U": 2 * rng.normal(size=(H, D)),
            "W": 1.5 * rng.normal(size=(H, H)),
            "V": rng.normal(size=(K, H)),
            "c": rng.normal(size=K),
            "end": end,
            "max_length": max_length,
        }
        if wanted(reference(**one)[1]):
            return one
    raise RuntimeError("no case drawn that ends as wanted")


def spread(lengths):
    return len(set(lengths.tolist())) >= 3


hidden.part(
    2,
    "rows that end at different steps",
    [
        case(5, 4, 3, 6, 7, 0, spread),
        case(6, 5, 2, 4, 6, 3, spread),
        case(4, 3, 5, 3, 8, 2, spread),
    ],
    reference,
)
hidden.part(
    1,
    "rows that do not end within the limit",
    [
        case(3, 4, 2, 5, 4, 1, lambda lengths: lengths.min() == 4),
        case(4, 3, 2, 3, 5, 0, lambda lengths: lengths.min() < 5 == lengths.max()),
    ],
    reference,
)
hidden.part(
    1,
    "one example, one unit, one step, one symbol",
    [
        case(1, 3, 2, 4, 5, 1),
        case(3, 3, 2, 1, 4, 2),
        case(3, 2, 3, 4, 1, 0),
        case(2, 1, 2, 3, 3, 0),
    ],
    reference,
)
hidden.score()
### END HIDDEN TESTS

# %% [markdown]
# ## 9. Beam search (7 points)
#
# The likeliest first symbol need not begin the likeliest sequence.
# Beam search keeps several beginnings, for one example at a time:
#
# 1. The beam starts with one beginning: nothing written, the state `h0`, log-likelihood 0.
# 2. Every beginning takes a step and is continued with each of the K symbols; its log-likelihood grows by $\log \operatorname{softmax}(c + V s)_k$.
# 3. Of all continuations the `width` likeliest stay, ended or not; all, where there are fewer. A continuation goes on from the state of **its** beginning.
# 4. Of those that stay, the ones that wrote `end` are finished, and leave the beam. Nothing takes their places in this step, and a continuation that did not stay is not finished either, even if it wrote `end`.
# 5. It goes on from 2 with the beginnings that are left, again with `width` places however many have finished, until the beam is empty or `max_length` symbols are written.
#
# Every further symbol makes a sequence less likely, so comparing likelihoods favours short ones.
# The winner among the finished is the one with the largest
#
# $$\frac{\log p(y \mid x)}{|y|^{\alpha}},$$
#
# where $|y|$ counts the end symbol.
# A beginning that is left unfinished wins only if none is finished; then it is the likeliest.
# Logits may be in the thousands here too.
#
# Equations: encoder-decoder-beam.
#
# The function gets `h0` (H,), `drive` (H,), `E` (K + 1, D), `U` (H, D), `W` (H, H), `V` (K, H), `c` (K,), `end`, `width`, `max_length` and the number `alpha`; no two sequences of the tests are equally good.
# It returns the winner's symbols `tokens` (L,), with its end symbol if it wrote one, and `log_p`, its log-likelihood, not divided by anything.


# %% nbgrader={"grade_id": "beam_search", "solution": true}
def beam_search(h0, drive, E, U, W, V, c, end, width, max_length, alpha):
    """Write one sequence by beam search.

    h0 (H,), drive (H,), E (K + 1, D) with the start symbol last, U (H, D), W (H, H),
    V (K, H), c (K,), end, width and max_length integers, alpha a number from 0;
    returns tokens (L,) integers and log_p.
    """
    ### BEGIN SOLUTION
    beam = [((), h0, 0.0)]
    finished = []
    for _ in range(max_length):
        continued = []
        for written, h, log_p in beam:
            symbol = written[-1] if written else len(E) - 1
            h = np.tanh(U @ E[symbol] + W @ h + drive)
            s = V @ h + c
            s = s - s.max()
            log_o = s - np.log(np.exp(s).sum())
            continued += [((*written, k), h, log_p + log_o[k]) for k in range(len(c))]
        continued.sort(key=lambda one: -one[2])
        kept = continued[:width]
        finished += [one for one in kept if one[0][-1] == end]
        beam = [one for one in kept if one[0][-1] != end]
    finished.sort(key=lambda one: -one[2] / len(one[0]) ** alpha)
    written, _, log_p = (finished or beam)[0]
    return np.array(written), log_p
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_beam_search", "grade": true, "points": 7}
# Hidden tests: 2 points a beam that keeps everything, 1 width 1, 2 beams between, 1 length normalisation, 1 edges.
check(beam_search)
### BEGIN HIDDEN TESTS
import itertools

import numpy as np

from grading.hidden import Hidden

hidden = Hidden("encoder_decoder", beam_search)
rng = hidden.rng


def network(K, D, H, sure=1.0):
    return {
        "h0": rng.normal(size=H),
        "drive": rng.normal(size=H),
        "E": rng.normal(size=(K + 1, D)),
        "U": 2 * rng.normal(size=(H, D)),
        "W": 1.5 * rng.normal(size=(H, H)),
        "V": sure * rng.normal(size=(K, H)),
        "c": rng.normal(size=K),
    }


class Prefixes:
    """State and log-likelihood of every beginning, found by what was written: none can be mixed up."""

    def __init__(self, h0, drive, E, U, W, V, c):
        self.parts = drive, E, U, W, V, c
        self.known = {(): (h0, 0.0)}

    def ahead(self, symbols):
        """The state after one more step, and the log-probabilities there."""
        drive, E, U, W, V, c = self.parts
        before = symbols[-1] if symbols else len(c)
        state = np.tanh(drive + W @ self.known[symbols][0] + U @ E[before])
        scores = c + V @ state
        for k, log_o in enumerate(scores - np.logaddexp.reduce(scores)):
            self.known[*symbols, k] = state, self.known[symbols][1] + log_o

    def total(self, symbols):
        return self.known[symbols][1]


def exhaustive(end, width, max_length, alpha, **net):
    """Every sequence that ends within the limit: what a beam wide enough must find."""
    others = [k for k in range(len(net["c"])) if k != end]
    prefixes, best = Prefixes(**net), (-np.inf, ())
    for size in range(max_length):
        for begin in itertools.product(others, repeat=size):
            prefixes.ahead(begin)
            score = prefixes.total((*begin, end)) / (size + 1) ** alpha
            best = max(best, (score, (*begin, end)))
    return np.array(best[1]), float(prefixes.total(best[1]))


def reference(end, width, max_length, alpha, refilled="", competing=False, **net):
    """Search; or search wrongly, to draw cases that tell the two apart.

    `refilled`: ended beginnings leave no gap in the beam; those that count as finished stand
    among the `width` likeliest ("top"), before the last that stays ("passed"), or anywhere.
    `competing`: what is left at the end competes with the finished.
    """
    prefixes, beam, finished = Prefixes(**net), [()], []
    for _ in range(max_length):
        for begin in beam:
            prefixes.ahead(begin)
        longer = [(*begin, k) for begin in beam for k in range(len(net["c"]))]
        longer.sort(key=prefixes.total, reverse=True)
        beam = [symbols for symbols in longer[: None if refilled else width] if symbols[-1] != end]
        beam = beam[:width]
        last = {"passed": longer.index(beam[-1]) if beam else 0, "all": len(longer)}
        seen = longer[: last.get(refilled, width)]
        finished += [symbols for symbols in seen if symbols[-1] == end]
        if not beam:
            break
    best = max(
        finished + beam * competing or beam,
        key=lambda symbols: prefixes.total(symbols) / (len(symbols) ** alpha if finished else 1),
    )
    return np.array(best), float(prefixes.total(best))


def case(width, max_length, alpha, net, end=0):
    return {**net, "end": end, "width": width, "max_length": max_length, "alpha": alpha}


def drawn(wanted, width, max_length, alpha, K, D, H, end=0, sure=1.0):
    """Draw a network on which the search shows what the part is about."""
    for _ in range(3000):
        one = case(width, max_length, alpha, network(K, D, H, sure), end)
        if wanted(one):
            return one
    raise RuntimeError("no case drawn that shows what it should")


def answer(one, **other):
    return tuple(reference(**{**one, **other})[0].tolist())


def ends(one):
    return answer(one)[-1] == one["end"]


def beats_greedy(one):
    return ends(one) and len(answer(one)) >= 3 and answer(one) != answer(one, width=1)


def normalised(one):
    others = {answer(one, alpha=a) for a in (0.0, 0.5, 1.0) if a != one["alpha"]}
    return ends(one) and answer(one) not in others


def leaves_gaps(one):
    wrong = {answer(one, refilled=how) for how in ("top", "passed", "all")}
    return ends(one) and answer(one) not in wrong


def leaves_out(one):
    return ends(one) and answer(one) != answer(one, competing=True)


hidden.part(
    2,
    "a beam that keeps everything finds what exhaustive search finds",
    [case(100, 4, 1.0, network(3, 2, 5)), case(64, 3, 0.6, network(4, 3, 2), 2)],
    exhaustive,
)
hidden.part(
    1,
    "width 1 is greedy",
    [
        drawn(lambda one: len(answer(one)) >= 3 and ends(one), 1, 8, 1.0, 4, 3, 5, 1, 2.0),
        drawn(lambda one: len(answer(one)) >= 3 and ends(one), 1, 8, 0.5, 5, 2, 4, 0, 2.0),
    ],
    reference,
)
hidden.part(
    2,
    "beams of width 2 to 4",
    [
        drawn(beats_greedy, 2, 7, 1.0, 4, 3, 5),
        drawn(beats_greedy, 3, 6, 1.0, 6, 2, 4, 3),
        drawn(beats_greedy, 4, 6, 0.7, 5, 4, 3, 1),
        drawn(beats_greedy, 3, 6, 0.7, 3, 2, 6, 2),
        drawn(leaves_gaps, 2, 7, 2.0, 4, 3, 5),
        drawn(leaves_gaps, 2, 6, 1.5, 5, 2, 4, 1),
        drawn(leaves_gaps, 3, 7, 2.0, 5, 2, 4, 3),
        drawn(leaves_out, 2, 5, 1.0, 5, 3, 4, 1),
    ],
    reference,
)
hidden.part(
    1,
    "length normalisation",
    [drawn(normalised, 6, 6, alpha, 4, 3, 5) for alpha in (0.0, 1.0)]
    + [drawn(lambda one: ends(one) and answer(one) != answer(one, alpha=0.0), 6, 6, 0.5, 5, 2, 4)],
    reference,
)
hidden.part(
    1,
    "one step, one unit, none finished, large logits",
    [
        case(3, 1, 1.0, network(4, 2, 3)),
        case(2, 4, 0.8, network(3, 2, 1), 1),
        drawn(lambda one: not ends(one), 2, 4, 1.0, 5, 2, 4),
        drawn(
            lambda one: not ends(one) and answer(one) != answer(one, width=1), 3, 3, 1.0, 6, 3, 4
        ),
        drawn(lambda one: len(answer(one)) >= 2, 2, 5, 1.0, 4, 3, 5, 0, 5000.0),
    ],
    reference,
)
hidden.score()
### END HIDDEN TESTS

# %% [markdown]
# ## Hand in
#
# Save the notebook and submit it as `encoder_decoder.ipynb`.
# *Validate* (in JupyterLab's nbgrader menu, or `nbgrader validate encoder_decoder.ipynb`) reruns all visible checks from a fresh start.
