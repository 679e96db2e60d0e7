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
# # Chapter 10: Attention
#
# You write twelve functions: the scores, the softmax with a mask, the context, their backward passes, the local window, masked self-attention forward and backward, and the pooling of words into sentences and of sentences into documents.
# Each is checked on its own, so you can do them in any order, and a wrong one costs only its own points, unless another function of yours calls it.
# Run the first code cell first, and again after each restart: `name 'check' is not defined` says that it was not run.
# `No module named 'lib'` says that the notebook is not in the folder that it came in; that is in the zip on the chapter's page of the book.
# Every backward function gets the values that the forward pass has kept; use them as they come, because the tests also feed values that no forward pass would give.
#
# The equation labels are those of the book's chapter *Attention*.
# Queries are (S, N, Q), keys (T, N, H), values (T, N, V), all with time first; S queries and T keys may differ in number.
# Scores and weights are (S, N, T): for each query of each example, one number a key.
# Wherever there is a softmax, scores may be in the thousands, and their exponentials must not overflow.
# A visible check tries one example or a few; the hidden tests try other sizes and values.
# A gradient has the shape of what it is the gradient of, and its name with a `d` in front.
#
# In all there are 53 points. Working time: about three hours and a half.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from lib.checking import Check

check = Check("attention")

# %% [markdown]
# ## 1. Scores without a network of their own (4 points)
#
# A score says how well a query $q$ fits a key $k$.
# Four of the chapter's five scores are products:
#
# $$e^{\cos} = \frac{q \cdot k}{\lVert q \rVert\, \lVert k \rVert}, \qquad e^{\text{dot}} = q \cdot k, \qquad e^{\text{scaled}} = \frac{q \cdot k}{\sqrt{n}}, \qquad e^{\text{general}} = q^\top W k,$$
#
# where $n$ is the width that query and key share.
#
# Equations: attention-score-cosine, attention-score-dot, attention-score-scaled-dot, attention-score-general.
#
# The function gets `queries` (S, N, Q), `keys` (T, N, H), `W` (Q, H) and `kind`, one of `"cosine"`, `"dot"`, `"scaled_dot"` and `"general"`.
# Only `"general"` uses `W`; for the others Q = H.
# The visible check tries each kind.
# It returns the scores (S, N, T) of every query with every key of the same example.


# %% nbgrader={"grade_id": "scores", "solution": true}
def scores(queries, keys, W, kind):
    """Score every query against every key of its example.

    queries (S, N, Q), keys (T, N, H), W (Q, H), kind "cosine", "dot", "scaled_dot" or
    "general"; returns (S, N, T).
    """
    ### BEGIN SOLUTION
    if kind == "cosine":
        queries = queries / np.linalg.norm(queries, axis=2, keepdims=True)
        keys = keys / np.linalg.norm(keys, axis=2, keepdims=True)
    elif kind == "scaled_dot":
        queries = queries / np.sqrt(keys.shape[2])
    elif kind == "general":
        keys = keys @ W.T
    return np.einsum("snq,tnq->snt", queries, keys)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_scores", "grade": true, "points": 4}
# Hidden tests: 1 point each kind, every kind with sizes of one too.
check(scores)

# %% [markdown]
# ## 2. The additive score (3 points)
#
# The fifth score is a small network with one hidden layer, which query and key enter through a matrix each:
#
# $$e = v^\top \tanh(W q + U k).$$
#
# Equations: attention-score-additive.
#
# The function gets `queries` (S, N, Q), `keys` (T, N, H), `v` (A,), `W` (A, Q) and `U` (A, H).
# It returns the scores (S, N, T).


# %% nbgrader={"grade_id": "additive_scores", "solution": true}
def additive_scores(queries, keys, v, W, U):
    """Score every query against every key of its example with a small network.

    queries (S, N, Q), keys (T, N, H), v (A,), W (A, Q), U (A, H); returns (S, N, T).
    """
    ### BEGIN SOLUTION
    from_query = (queries @ W.T)[:, :, None]
    from_key = (keys @ U.T).transpose(1, 0, 2)
    return np.tanh(from_query + from_key) @ v
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_additive_scores", "grade": true, "points": 3}
# Hidden tests: 2 points random sizes, 1 sizes of one and large values.
check(additive_scores)

# %% [markdown]
# ## 3. Softmax with a mask (3 points)
#
# The weights are positive and sum to one over the keys, but only over those that a query may look at:
#
# $$\alpha_{it} = \frac{m_{it} \exp e_{it}}{\sum_u m_{iu} \exp e_{iu}}.$$
#
# A masked place has weight zero, exactly.
# What stands in $e$ there must not matter, however large it is; and large scores must not overflow.
#
# Equations: attention-masked-softmax.
#
# The function gets the scores `e` (S, N, T) and `mask` (S, N, T), booleans, true where weight may fall; in each row at least one is.
# It returns the weights (S, N, T).
# What stands in `e` behind the mask may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "masked_softmax", "solution": true}
def masked_softmax(e, mask):
    """Compute the softmax over the last axis among the places that the mask allows.

    e (S, N, T), mask (S, N, T) booleans; returns the weights (S, N, T).
    """
    ### BEGIN SOLUTION
    e = np.where(mask, e, -np.inf)
    weights = np.exp(e - e.max(axis=2, keepdims=True))
    return weights / weights.sum(axis=2, keepdims=True)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_masked_softmax", "grade": true, "points": 3}
# Hidden tests: 1 point masks, 1 large scores, 1 huge scores behind the mask.
check(masked_softmax)

# %% [markdown]
# ## 4. Attend (3 points)
#
# The context of a query is the weighted mean of the values:
#
# $$\alpha_i = \operatorname{softmax}(e_i), \qquad c_i = \sum_{t=1}^{\tau} \alpha_{it}\, v_t.$$
#
# In a padded batch both sums of example n, that of the softmax and that of the values, end at its length $\tau_n$, for all of its queries.
# Large scores must not overflow.
#
# Equations: attention-weights, attention-context.
#
# The function gets the scores `e` (S, N, T), `values` (T, N, V) and `lengths` (N,), integers from 1 to T.
# It returns the contexts (S, N, V) and the weights (S, N, T), which are zero beyond a length.
# What stands in `e` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "attend", "solution": true}
def attend(e, values, lengths):
    """Turn scores into weights, and weights into contexts.

    e (S, N, T), values (T, N, V), lengths (N,); returns contexts (S, N, V), weights (S, N, T).
    """
    ### BEGIN SOLUTION
    real = np.arange(len(values)) < lengths[:, None]
    e = np.where(real, e, -np.inf)
    weights = np.exp(e - e.max(axis=2, keepdims=True))
    weights = weights / weights.sum(axis=2, keepdims=True)
    return np.einsum("snt,tnv->snv", weights, values), weights
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_attend", "grade": true, "points": 3}
# Hidden tests: 1 point full lengths, 1 padding, 1 sizes of one and large scores.
check(attend)

# %% [markdown]
# ## 5. Attend, backward (5 points)
#
# A value is used by every query, so its gradient is a sum over queries.
# A weight gets the product of the context's gradient with its value; then the softmax, whose Jacobian is a full matrix:
#
# $$\nabla_{v_t} L = \sum_i \alpha_{it} \nabla_{c_i} L, \qquad \nabla_{\alpha_{it}} L = v_t \cdot \nabla_{c_i} L, \qquad \nabla_{e_{it}} L = \alpha_{it} \Big( \nabla_{\alpha_{it}} L - \sum_u \alpha_{iu} \nabla_{\alpha_{iu}} L \Big).$$
#
# Where a weight is zero, so is the score's gradient: the mask takes care of itself.
#
# Equations: attention-context-backward, attention-weights-backward.
#
# The function gets `dcontexts` (S, N, V), the cached `weights` (S, N, T) and `values` (T, N, V).
# It returns `de` (S, N, T) and `dvalues` (T, N, V).


# %% nbgrader={"grade_id": "attend_backward", "solution": true}
def attend_backward(dcontexts, weights, values):
    """Carry the gradient of the contexts back to the scores and the values.

    dcontexts (S, N, V), weights (S, N, T), values (T, N, V);
    returns de (S, N, T), dvalues (T, N, V).
    """
    ### BEGIN SOLUTION
    dvalues = np.einsum("snt,snv->tnv", weights, dcontexts)
    dweights = np.einsum("snv,tnv->snt", dcontexts, values)
    mean = (weights * dweights).sum(axis=2, keepdims=True)
    return weights * (dweights - mean), dvalues
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_attend_backward", "grade": true, "points": 5}
# Hidden tests: 2 points weights of a softmax, 2 other cached values, 1 sizes of one.
check(attend_backward)

# %% [markdown]
# ## 6. The additive score, backward (6 points)
#
# Let $z_{it} = \tanh(W q_i + U k_t)$, so that $e_{it} = v \cdot z_{it}$.
# The error at the hidden layer exists for every pair of query and key:
#
# $$\delta_{it} = (1 - z_{it}^2) \odot v\, \nabla_{e_{it}} L.$$
#
# A query meets all keys and a key meets all queries; the parameters meet all pairs of all examples:
#
# $$\nabla_{q_i} L = W^\top \sum_t \delta_{it}, \quad \nabla_{k_t} L = U^\top \sum_i \delta_{it}, \quad \nabla_v L = \sum_{i,t} \nabla_{e_{it}} L\; z_{it}, \quad \nabla_W L = \sum_{i,t} \delta_{it} q_i^\top, \quad \nabla_U L = \sum_{i,t} \delta_{it} k_t^\top.$$
#
# Equations: attention-score-additive-backward.
#
# The function gets `de` (S, N, T), the cached `z` (S, N, T, A), `queries` (S, N, Q), `keys` (T, N, H), and `v` (A,), `W` (A, Q), `U` (A, H).
# It returns `dqueries`, `dkeys`, `dv`, `dW` and `dU`.


# %% nbgrader={"grade_id": "additive_backward", "solution": true}
def additive_backward(de, z, queries, keys, v, W, U):
    """Carry the gradient of additive scores back to queries, keys and parameters.

    de (S, N, T), z (S, N, T, A), queries (S, N, Q), keys (T, N, H), v (A,), W (A, Q), U (A, H);
    returns dqueries (S, N, Q), dkeys (T, N, H), dv (A,), dW (A, Q), dU (A, H).
    """
    ### BEGIN SOLUTION
    delta = (1 - z**2) * v * de[..., None]
    of_query = delta.sum(axis=2)
    of_key = delta.sum(axis=0).transpose(1, 0, 2)
    dv = np.einsum("snt,snta->a", de, z)
    dW = np.einsum("sna,snq->aq", of_query, queries)
    dU = np.einsum("tna,tnh->ah", of_key, keys)
    return of_query @ W, of_key @ U, dv, dW, dU
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_additive_backward", "grade": true, "points": 6}
# Hidden tests: 2 points values of a forward pass, 3 other cached values, 1 sizes of one.
check(additive_backward)

# %% [markdown]
# ## 7. The local window (5 points)
#
# Local attention predicts a place from the query and looks at the keys near it.
# Keys are counted from 1, and $\tau$ is the example's own length:
#
# $$p_i = \tau\, \sigma\!\left(v^\top \tanh(W q_i)\right), \qquad \alpha_{it} = \operatorname{softmax}_{|t - p_i| \le D}(e_i)_t \; \exp\!\left( - \frac{(t - p_i)^2}{2 (D/2)^2} \right).$$
#
# The softmax runs over the keys at a distance of at most $D$ from $p_i$ and is zero elsewhere.
# The window may reach beyond the example's length: keys there are padding, take no part in the softmax, and have weight zero.
# A key is always left, since $p_i$ is between 0 and $\tau$ and $D$ at least 1.
# The Gaussian multiplies the softmax *weights*, as in Luong's paper, so what comes out sums to less than one, and it is not normalised again.
#
# Equations: attention-local-position, attention-local-window.
#
# The function gets `e` (S, N, T), `queries` (S, N, Q), `v` (A,), `W` (A, Q), `lengths` (N,) and the number `D`, at least 1.
# It returns the places `p` (S, N) and the weights (S, N, T).
# What stands in `e` on padding may be anything, NaN too: choose with `np.where`; 0 · NaN is NaN.


# %% nbgrader={"grade_id": "local_weights", "solution": true}
def local_weights(e, queries, v, W, lengths, D):
    """Predict a place for each query and weight the keys near it.

    e (S, N, T), queries (S, N, Q), v (A,), W (A, Q), lengths (N,), D a number of at least 1;
    returns the places (S, N) and the weights (S, N, T).
    """
    ### BEGIN SOLUTION
    p = lengths / (1 + np.exp(-np.tanh(queries @ W.T) @ v))
    t = np.arange(1, e.shape[2] + 1)
    distance = t - p[..., None]
    near = (np.abs(distance) <= D) & (t <= lengths[:, None])
    e = np.where(near, e, -np.inf)
    weights = np.exp(e - e.max(axis=2, keepdims=True))
    weights = weights / weights.sum(axis=2, keepdims=True)
    return p, weights * np.exp(-2 * (distance / D) ** 2)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_local_weights", "grade": true, "points": 5}
# Hidden tests: 2 points full lengths, 2 padding, 1 sizes of one and large scores.
check(local_weights)

# %% [markdown]
# ## 8. Self-attention with a mask (5 points)
#
# In self-attention queries, keys and values come from one sequence, each through a matrix of its own:
#
# $$q_i = W^Q x_i, \quad k_t = W^K x_t, \quad v_t = W^V x_t, \qquad \alpha_i = \operatorname{softmax}\!\left( \frac{q_i \cdot k_t}{\sqrt{K}} \right), \qquad y_i = \sum_t \alpha_{it} v_t,$$
#
# with $K$ the width of queries and keys.
# With `causal`, step i looks at the steps $t \le i$ only, as a decoder must.
# In a padded batch no step looks beyond its example's length, and for steps beyond it outputs *and* weights are zero.
#
# Equations: attention-queries-keys-values, attention-self, attention-causal-mask.
#
# The function gets `xs` (T, N, D), `W_query` (K, D), `W_key` (K, D), `W_value` (V, D), `lengths` (N,) and `causal`, true or false.
# It returns the outputs `ys` (T, N, V) and the weights (T, N, T).


# %% nbgrader={"grade_id": "self_attention", "solution": true}
def self_attention(xs, W_query, W_key, W_value, lengths, causal):
    """Let every step of a sequence look at all of its steps, or at those so far.

    xs (T, N, D), W_query (K, D), W_key (K, D), W_value (V, D), lengths (N,), causal a bool;
    returns ys (T, N, V), weights (T, N, T).
    """
    ### BEGIN SOLUTION
    T = len(xs)
    q, k, v = xs @ W_query.T, xs @ W_key.T, xs @ W_value.T
    e = np.einsum("ink,tnk->int", q, k) / np.sqrt(len(W_key))
    t = np.arange(T)
    mask = np.broadcast_to(t < lengths[:, None], e.shape)
    if causal:
        mask = mask & (t <= t[:, None, None])
    e = np.where(mask, e, -np.inf)
    weights = np.exp(e - e.max(axis=2, keepdims=True))
    weights = weights / weights.sum(axis=2, keepdims=True)
    weights = weights * (t[:, None, None] < lengths[:, None])
    return np.einsum("int,tnv->inv", weights, v), weights
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_self_attention", "grade": true, "points": 5}
# Hidden tests: 1 point all steps, 2 causal, 1 padding, 1 sizes of one and large values.
check(self_attention)

# %% [markdown]
# ## 9. Self-attention, backward (6 points)
#
# One $x_t$ is used three ways: it asks as a query, it is found as a key, and it is read as a value.
# With the cached $\alpha$, $q$, $k$, $v$ the errors are
#
# $$\nabla_{v_t} L = \sum_i \alpha_{it} \nabla_{y_i} L, \qquad \varepsilon_{it} = \alpha_{it}\Big( v_t \cdot \nabla_{y_i} L - \sum_u \alpha_{iu}\, v_u \cdot \nabla_{y_i} L \Big), \qquad \nabla_{q_i} L = \sum_t \frac{\varepsilon_{it} k_t}{\sqrt{K}}, \qquad \nabla_{k_t} L = \sum_i \frac{\varepsilon_{it} q_i}{\sqrt{K}},$$
#
# and the three ways add up:
#
# $$\nabla_{x_t} L = W^{Q\top} \nabla_{q_t} L + W^{K\top} \nabla_{k_t} L + W^{V\top} \nabla_{v_t} L, \qquad \nabla_{W^Q} L = \sum_{t,n} \nabla_{q_t} L\; x_t^\top \text{ and so on.}$$
#
# Masked places, and steps beyond a length, have weight zero, and nothing more is to be done about them.
#
# Equations: attention-self-backward, attention-queries-keys-values-backward.
#
# The function gets `dys` (T, N, V), the cached `weights` (T, N, T), `q` (T, N, K), `k` (T, N, K), `v` (T, N, V), `xs` (T, N, D), and the three matrices.
# It returns `dxs`, `dW_query`, `dW_key` and `dW_value`.


# %% nbgrader={"grade_id": "self_attention_backward", "solution": true}
def self_attention_backward(dys, weights, q, k, v, xs, W_query, W_key, W_value):
    """Carry the gradient of self-attention's outputs back to its input and matrices.

    dys (T, N, V), weights (T, N, T), q and k (T, N, K), v (T, N, V), xs (T, N, D),
    W_query and W_key (K, D), W_value (V, D);
    returns dxs (T, N, D), dW_query (K, D), dW_key (K, D), dW_value (V, D).
    """
    ### BEGIN SOLUTION
    dv = np.einsum("int,inv->tnv", weights, dys)
    dweights = np.einsum("inv,tnv->int", dys, v)
    de = weights * (dweights - (weights * dweights).sum(axis=2, keepdims=True))
    de = de / np.sqrt(q.shape[2])
    dq = np.einsum("int,tnk->ink", de, k)
    dk = np.einsum("int,ink->tnk", de, q)
    dxs = dq @ W_query + dk @ W_key + dv @ W_value
    matrices = [np.einsum("tnk,tnd->kd", d, xs) for d in (dq, dk, dv)]
    return dxs, *matrices
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_self_attention_backward", "grade": true, "points": 6}
# Hidden tests: 2 points causal weights, 3 other cached values, 1 sizes of one.
check(self_attention_backward)

# %% [markdown]
# ## 10. Pooling with attention (3 points)
#
# To sum up a sequence as one vector there is no decoder to ask.
# The query is a learned vector $u$ instead, the same for all sequences: it says what is worth looking at.
#
# $$u_t = \tanh(W h_t + b), \qquad \alpha_t = \frac{\exp(u_t \cdot u)}{\sum_{j \le \tau} \exp(u_j \cdot u)}, \qquad s = \sum_{t \le \tau} \alpha_t h_t.$$
#
# The sum is of the states $h_t$, not of the $u_t$.
#
# Equations: attention-pooling.
#
# The function gets `hs` (T, N, H), `lengths` (N,), `W` (A, H), `b` (A,) and `u` (A,).
# It returns the pooled vectors (N, H) and the weights (N, T), which are zero beyond a length.


# %% nbgrader={"grade_id": "pool", "solution": true}
def pool(hs, lengths, W, b, u):
    """Sum up each sequence as one vector, its steps weighted by attention.

    hs (T, N, H), lengths (N,), W (A, H), b (A,), u (A,); returns (N, H) and weights (N, T).
    """
    ### BEGIN SOLUTION
    e = (np.tanh(hs @ W.T + b) @ u).T
    e = np.where(np.arange(len(hs)) < lengths[:, None], e, -np.inf)
    weights = np.exp(e - e.max(axis=1, keepdims=True))
    weights = weights / weights.sum(axis=1, keepdims=True)
    return np.einsum("nt,tnh->nh", weights, hs), weights
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_pool", "grade": true, "points": 3}
# Hidden tests: 1 point full lengths, 1 padding, 1 sizes of one and large values.
check(pool)

# %% [markdown]
# ## 11. Pooling, backward (5 points)
#
# A state $h_t$ is used twice: it is summed, and it decides its own weight.
#
# $$\nabla_{e_t} L = \alpha_t \Big( h_t \cdot \nabla_s L - \sum_j \alpha_j\, h_j \cdot \nabla_s L \Big), \qquad \delta_t = (1 - u_t^2) \odot u\, \nabla_{e_t} L, \qquad \nabla_{h_t} L = \alpha_t \nabla_s L + W^\top \delta_t,$$
#
# $$\nabla_u L = \sum_{t,n} \nabla_{e_t} L\; u_t, \qquad \nabla_W L = \sum_{t,n} \delta_t h_t^\top, \qquad \nabla_b L = \sum_{t,n} \delta_t.$$
#
# Equations: attention-pooling-backward.
#
# The function gets `dpooled` (N, H), `hs` (T, N, H), the cached `us` (T, N, A), which are the $u_t$, and `weights` (N, T), and `W` (A, H), `u` (A,).
# It returns `dhs` (T, N, H), `dW` (A, H), `db` (A,) and `du` (A,).


# %% nbgrader={"grade_id": "pool_backward", "solution": true}
def pool_backward(dpooled, hs, us, weights, W, u):
    """Carry the gradient of pooled vectors back to the states and the parameters.

    dpooled (N, H), hs (T, N, H), us (T, N, A), weights (N, T), W (A, H), u (A,);
    returns dhs (T, N, H), dW (A, H), db (A,), du (A,).
    """
    ### BEGIN SOLUTION
    alpha = weights.T
    dalpha = (hs * dpooled).sum(axis=2)
    de = alpha * (dalpha - (alpha * dalpha).sum(axis=0))
    delta = (1 - us**2) * u * de[..., None]
    dhs = alpha[..., None] * dpooled + delta @ W
    dW = np.einsum("tna,tnh->ah", delta, hs)
    return dhs, dW, delta.sum(axis=(0, 1)), np.einsum("tn,tna->a", de, us)
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_pool_backward", "grade": true, "points": 5}
# Hidden tests: 2 points values of a forward pass, 2 other cached values, 1 sizes of one.
check(pool_backward)

# %% [markdown]
# ## 12. From words to a document (5 points)
#
# A document is sentences of words.
# Pool the words of each sentence into a sentence vector, then the sentences into a document vector, each level with parameters of its own:
#
# $$\begin{aligned} \alpha_{lt} &= \operatorname{softmax}_t\!\left( u_w \cdot \tanh(W_w h_{lt} + b_w) \right), & s_l &= \sum_t \alpha_{lt} h_{lt}, \\ \beta_l &= \operatorname{softmax}_l\!\left( u_s \cdot \tanh(W_s s_l + b_s) \right), & d &= \sum_l \beta_l s_l. \end{aligned}$$
#
# In the full model a bidirectional GRU reads the words before the first pooling, and another reads the sentences before the second.
# They are left out here.
#
# Sentences differ in their number of words, and documents in their number of sentences.
# Beyond a count both weights are zero.
# A sentence that is padding has a word count of 1, so that its softmax is defined: its one word has the weight $\alpha = 1$, and the sentence gets no $\beta$.
#
# Equations: attention-hierarchical.
#
# The function gets `hs` (T, L, N, H), word t of sentence l of document n, `word_counts` (L, N), `sentence_counts` (N,), and `W_word` (A, H), `b_word` (A,), `u_word` (A,), `W_sentence` (B, H), `b_sentence` (B,), `u_sentence` (B,).
# It returns the documents (N, H), the weights of words (L, N, T) and the weights of sentences (N, L).


# %% nbgrader={"grade_id": "pool_document", "solution": true}
def pool_document(
    hs, word_counts, sentence_counts, W_word, b_word, u_word, W_sentence, b_sentence, u_sentence
):
    """Pool words into sentences, and sentences into documents.

    hs (T, L, N, H), word_counts (L, N), sentence_counts (N,), W_word (A, H), b_word (A,),
    u_word (A,), W_sentence (B, H), b_sentence (B,), u_sentence (B,);
    returns documents (N, H), word weights (L, N, T), sentence weights (N, L).
    """
    ### BEGIN SOLUTION
    e = (np.tanh(hs @ W_word.T + b_word) @ u_word).transpose(1, 2, 0)
    e = np.where(np.arange(len(hs)) < word_counts[..., None], e, -np.inf)
    alpha = np.exp(e - e.max(axis=2, keepdims=True))
    alpha = alpha / alpha.sum(axis=2, keepdims=True)
    sentences = np.einsum("lnt,tlnh->lnh", alpha, hs)
    e = (np.tanh(sentences @ W_sentence.T + b_sentence) @ u_sentence).T
    e = np.where(np.arange(len(sentences)) < sentence_counts[:, None], e, -np.inf)
    beta = np.exp(e - e.max(axis=1, keepdims=True))
    beta = beta / beta.sum(axis=1, keepdims=True)
    return np.einsum("nl,lnh->nh", beta, sentences), alpha, beta
    ### END SOLUTION


# %% nbgrader={"grade_id": "test_pool_document", "grade": true, "points": 5}
# Hidden tests: 2 points full documents, 2 padding of words and sentences, 1 sizes of one.
check(pool_document)

# %% [markdown]
# ## Hand in
#
# Save the notebook and submit it as `attention.ipynb`.
# *Validate* (the button above the notebook, or in a terminal `nbgrader validate attention.ipynb`) reruns all visible checks from a fresh start.
