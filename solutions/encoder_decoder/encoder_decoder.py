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
# Each is checked on its own, so you can do them in any order, and a wrong one costs only its own points, unless another function of yours calls it.
# Run the first code cell first, and again after each restart: `name 'check' is not defined` says that it was not run.
# `No module named 'lib'` says that the notebook is not in the folder that it came in; that is in the zip on the chapter's page of the book.
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
# What stands in `logits` and `stop` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


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
    dlogits = np.where(mask[..., None], np.exp(log_o) - one_hot, 0.0) / N
    dstop = np.where(mask, np.exp(log_end) - ends, 0.0) / N
    return loss, dlogits, dstop
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_sequence_loss", "grade": true, "points": 6}
# Hidden tests: 2 points full lengths, 2 padded batches, 1 large logits, 1 sizes of one.
check(sequence_loss)

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
# What stands in `dhs` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


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

# %% [markdown]
# ## Hand in
#
# Save the notebook and submit it as `encoder_decoder.ipynb`.
# *Validate* (the button above the notebook, or in a terminal `nbgrader validate encoder_decoder.ipynb`) reruns all visible checks from a fresh start.
