"""Examples and named mistakes of chapter 10's visible checks."""

import numpy as np

from authoring.checks import ON_PADDING, Example

from . import examples

# Learners get no lib.attention; the softmax and its gradient are chapter 1's.
WITHHOLD: list[str] = []


OVERFLOW = (
    "The exponentials of large scores overflowed: subtract each row's own largest score first."
)
GLOBAL = (
    "The largest score of the whole array was subtracted; it is each row's own, "
    "or the exponentials of rows far below it all become zero."
)


def softmax(e, axis=-1, highest="own"):
    with np.errstate(all="ignore"):
        top = {"own": e.max(axis=axis, keepdims=True), "all": e.max(), "none": 0}[highest]
        e = np.exp(e - top)
        return e / e.sum(axis=axis, keepdims=True)


def masked(e, mask, axis=-1, highest="own"):
    return softmax(np.where(mask, e, -np.inf), axis, highest)


def before(lengths, steps):
    return np.arange(steps) < np.asarray(lengths)[..., None]


# --- Scores ---


def scores_args(rng, kind="general"):
    return {
        "queries": rng.normal(size=(2, 3, 4)),
        "keys": rng.normal(size=(5, 3, 4)),
        "W": rng.normal(size=(4, 4)),
        "kind": kind,
    }


def pairs(queries, keys):
    return np.einsum("snq,tnq->snt", queries, keys)


def score(queries, keys, W, kind, weighted="general", root=lambda q, k: k.shape[2] ** 0.5,
          norms="qk", power=1):  # fmt: skip
    if kind in ("general", weighted):
        keys = keys @ W.T
    e = pairs(queries, keys)
    if kind == "cosine" and "q" in norms:
        e = e / np.linalg.norm(queries, axis=2)[..., None] ** power
    if kind == "cosine" and "k" in norms:
        e = e / np.linalg.norm(keys, axis=2).T ** power
    return e / root(queries, keys) if kind == "scaled_dot" else e


def additive_args(rng):
    return {
        "queries": rng.normal(size=(3, 2, 4)),
        "keys": rng.normal(size=(5, 2, 4)),
        "v": rng.normal(size=6),
        "W": rng.normal(size=(6, 4)),
        "U": rng.normal(size=(6, 4)),
    }


def additive(queries, keys, v, W, U, squash=np.tanh, outside=False, product=False):
    a, b = (queries @ W.T)[:, :, None], (keys @ U.T).transpose(1, 0, 2)
    if outside:
        return np.tanh((a + b) @ v)
    return squash(a * b if product else a + b) @ v


# --- Softmax and context ---


def masked_args(rng, scale=1.0, behind=0.0):
    mask = np.array([[[True, True, False, True], [False, True, True, False]]] * 2)
    mask[1, 0, 0] = False
    e = scale * rng.normal(size=(2, 2, 4))
    return {"e": np.where(mask, e, e + behind), "mask": mask}


def covered_late(e, mask):
    """Take the largest score with the masked places, and mask the exponentials."""
    with np.errstate(all="ignore"):
        weights = np.exp(e - e.max(axis=-1, keepdims=True)) * mask
        return weights / weights.sum(axis=-1, keepdims=True)


def attend_args(rng, scale=1.0):
    return {
        "e": scale * rng.normal(size=(2, 3, 4)),
        "values": rng.normal(size=(4, 3, 5)),
        "lengths": np.array([4, 2, 3]),
    }


def attend(e, values, lengths, weigh=masked, read=lambda values: values):
    weights = weigh(e, before(lengths, e.shape[2]))
    return np.einsum("snt,tnv->snv", weights, read(values)), weights


def own_value(e, values, lengths):
    """E20: the printed sum has the value of step i in every term."""
    weights = masked(e, before(lengths, e.shape[2]))
    return weights.sum(axis=2, keepdims=True) * values[: len(e)], weights


def attend_backward_args(rng):
    return {
        "dcontexts": rng.normal(size=(3, 2, 4)),
        "weights": softmax(rng.normal(size=(3, 2, 5))),
        "values": rng.normal(size=(5, 2, 4)),
    }


def attend_backward(dcontexts, weights, values, jacobian="full", through=True, mean=False):
    dvalues = np.einsum("snt,snv->tnv", weights, dcontexts)
    if not through:
        dvalues = np.broadcast_to(dcontexts.sum(axis=0), dvalues.shape).copy()
    if mean:
        dvalues = dvalues / len(weights)
    d = np.einsum("snv,tnv->snt", dcontexts, values)
    de = {
        "full": weights * (d - (weights * d).sum(axis=2, keepdims=True)),
        "diagonal": weights * (1 - weights) * d,
        "none": d,
        "half": weights * d,
        "plain": weights * (d - d.sum(axis=2, keepdims=True)),
        "queries": weights * (d - (weights * d).sum(axis=0)),
    }[jacobian]
    return de, dvalues


def additive_backward_args(rng):
    return {
        "de": rng.normal(size=(3, 2, 5)),
        "z": rng.uniform(-1, 1, size=(3, 2, 5, 6)),
        "queries": rng.normal(size=(3, 2, 4)),
        "keys": rng.normal(size=(5, 2, 4)),
        "v": rng.normal(size=6),
        "W": rng.normal(size=(6, 4)),
        "U": rng.normal(size=(6, 4)),
    }


def additive_backward(
    de, z, queries, keys, v, W, U, slope=lambda z: 1 - z**2, use_v=True, swap=False, dv=True
):
    delta = slope(z) * (v if use_v else 1) * de[..., None]
    of_query, of_key = delta.sum(axis=2), delta.sum(axis=0).transpose(1, 0, 2)
    gradient_v = np.einsum("snt,snta->a", de, z) if dv else np.einsum("snta->a", delta)
    dW = np.einsum("sna,snq->aq", of_query, queries)
    dU = np.einsum("tna,tnh->ah", of_key, keys)
    if swap:
        return of_query @ U, of_key @ W, gradient_v, dW, dU
    return of_query @ W, of_key @ U, gradient_v, dW, dU


# --- Local ---


def local_args(rng, lengths=(8, 6), D=2.0, scale=1.0):
    return {
        "e": scale * rng.normal(size=(3, 2, 8)),
        "queries": rng.normal(size=(3, 2, 4)),
        "v": rng.normal(size=5),
        "W": rng.normal(size=(5, 4)),
        "lengths": np.array(lengths),
        "D": D,
    }


def local(
    e, queries, v, W, lengths, D,
    first=1, deviation=0.5, whole=False, cut=True, again=False, bell=True, squash=True, printed=False,
    ends="before", highest="own",
):  # fmt: skip
    T = e.shape[2]
    a = np.tanh(queries @ W.T) @ v
    p = (T if whole else lengths) * (1 / (1 + np.exp(-a)) if squash else a)
    distance = np.arange(first, T + first) - p[..., None]
    gauss = np.exp(-(distance**2) / (2 * (deviation * D) ** 2))
    real = np.broadcast_to(before(lengths, T), e.shape)
    if printed:
        return p, masked(e * gauss, real)
    near = (np.abs(distance) <= D) & (real | (ends != "before")) if cut else real
    near = near | ~near.any(axis=2, keepdims=True)
    weights = masked(e, near, highest=highest) * (gauss if bell else 1)
    if ends == "after":
        weights = weights * real
    return p, weights / weights.sum(axis=2, keepdims=True) if again else weights


# --- Self-attention ---


def self_args(rng, causal=True, scale=1.0):
    return {
        "xs": scale * rng.normal(size=(5, 2, 4)),
        "W_query": rng.normal(size=(3, 4)),
        "W_key": rng.normal(size=(3, 4)),
        "W_value": rng.normal(size=(6, 4)),
        "lengths": np.array([5, 3]),
        "causal": causal,
    }


def self_attention(
    xs, W_query, W_key, W_value, lengths, causal,
    scale=True, see=None, swap=False, live=True, late=False, width=None, highest="own",
):  # fmt: skip
    T = len(xs)
    q, k, v = xs @ W_query.T, xs @ W_key.T, xs @ W_value.T
    if swap:
        q, k = k, q
    e = np.einsum("ink,tnk->int", q, k)
    if scale:
        e = e / np.sqrt(width or len(W_key))
    see = see or (lambda i, t: t <= i)
    steps = np.arange(T)
    seen = see(steps[:, None, None], steps) if causal else np.ones((T, 1, T), bool)
    mask = seen & before(lengths, T)
    mask = mask | ~mask.any(axis=2, keepdims=True)
    weights = softmax(e) * mask if late else masked(e, mask, highest=highest)
    if live:
        weights = weights * before(lengths, T).T[..., None]
    return np.einsum("int,tnv->inv", weights, v), weights


def self_backward_args(rng):
    weights = np.tril(rng.random((4, 4)) + 0.1)[:, None] * (rng.random((4, 2, 4)) + 0.1)
    return {
        "dys": rng.normal(size=(4, 2, 5)),
        "weights": weights / weights.sum(axis=2, keepdims=True),
        "q": rng.normal(size=(4, 2, 3)),
        "k": rng.normal(size=(4, 2, 3)),
        "v": rng.normal(size=(4, 2, 5)),
        "xs": rng.normal(size=(4, 2, 6)),
        "W_query": rng.normal(size=(3, 6)),
        "W_key": rng.normal(size=(3, 6)),
        "W_value": rng.normal(size=(5, 6)),
    }


def self_backward(
    dys, weights, q, k, v, xs, W_query, W_key, W_value,
    scale=True, jacobian="full", ways="qkv", swap=False, turned=False,
):  # fmt: skip
    de, dv = attend_backward(dys, weights, v, jacobian)
    if turned:
        dv = np.einsum("tni,inv->tnv", weights, dys)
    if scale:
        de = de / np.sqrt(q.shape[2])
    dq, dk = np.einsum("int,tnk->ink", de, k), np.einsum("int,ink->tnk", de, q)
    if swap:
        dq, dk = np.einsum("int,tnk->ink", de, q), np.einsum("int,ink->tnk", de, k)
    parts = {"q": dq @ W_query, "k": dk @ W_key, "v": dv @ W_value}
    dxs = sum(parts[way] for way in ways)
    return dxs, *(np.einsum("tnk,tnd->kd", d, xs) for d in (dq, dk, dv))


# --- Pooling ---


def pool_args(rng, scale=1.0):
    return {
        "hs": rng.normal(size=(4, 3, 5)),
        "lengths": np.array([4, 2, 3]),
        "W": rng.normal(size=(5, 5)),
        "b": rng.normal(size=5),
        "u": scale * rng.normal(size=5),
    }


def pool(hs, lengths, W, b, u, squash=np.tanh, bias=1, of="h", mean=False, axis=-1, cover=True,
         highest="own"):  # fmt: skip
    us = squash(hs @ W.T + bias * b)
    e = (us @ u).T
    real = before(lengths, len(hs))
    if mean:
        e = 0 * e
    weights = masked(e, real, highest=highest) if cover else softmax(e)
    if axis == 0:
        weights = np.where(real, softmax(np.where(real, e, -1e30), 0), 0)
    return np.einsum("nt,tnh->nh", weights, us if of == "u" else hs), weights


def pool_backward_args(rng):
    return {
        "dpooled": rng.normal(size=(2, 5)),
        "hs": rng.normal(size=(4, 2, 5)),
        "us": rng.uniform(-1, 1, size=(4, 2, 3)),
        "weights": softmax(rng.normal(size=(2, 4))),
        "W": rng.normal(size=(3, 5)),
        "u": rng.normal(size=3),
    }


def pool_backward(dpooled, hs, us, weights, W, u, ways="sw", jacobian="full", slope=True, du="us"):
    alpha = weights.T
    d = (hs * dpooled).sum(axis=2)
    de = {
        "full": alpha * (d - (alpha * d).sum(axis=0)),
        "diagonal": alpha * (1 - alpha) * d,
        "none": d,
    }[jacobian]
    delta = (1 - us**2 if slope else 1) * u * de[..., None]
    dhs = ("s" in ways) * alpha[..., None] * dpooled + ("w" in ways) * (delta @ W)
    gradient_u = np.einsum("tn,tna->a", de if du == "us" else alpha, us)
    return dhs, np.einsum("tna,tnh->ah", delta, hs), delta.sum(axis=(0, 1)), gradient_u


def document_args(rng, scale=1.0):
    return {
        "hs": rng.normal(size=(4, 3, 2, 5)),
        "word_counts": np.array([[4, 2], [3, 4], [2, 1]]),
        "sentence_counts": np.array([3, 2]),
        "W_word": rng.normal(size=(6, 5)),
        "b_word": rng.normal(size=6),
        "u_word": scale * rng.normal(size=6),
        "W_sentence": rng.normal(size=(6, 5)),
        "b_sentence": rng.normal(size=6),
        "u_sentence": scale * rng.normal(size=6),
    }


def document(
    hs, word_counts, sentence_counts, W_word, b_word, u_word, W_sentence, b_sentence, u_sentence,
    words=True, sentences=True, shared=False, even=False, flat=False, highest="own",
):  # fmt: skip
    T, L, N, _ = hs.shape
    word_counts = word_counts if words else np.full((L, N), T)
    sentence_counts = sentence_counts if sentences else np.full(N, L)
    e = (np.tanh(hs @ W_word.T + b_word) @ u_word).transpose(1, 2, 0)
    real = before(word_counts, T)
    if flat:
        real = real & before(sentence_counts, L).T[..., None]
        alpha = np.where(real, np.exp(e), 0)
        alpha = alpha / alpha.sum(axis=(0, 2), keepdims=True)
    else:
        alpha = masked(e, real, highest=highest)
    vectors = np.einsum("lnt,tlnh->lnh", alpha, hs)
    W, b, u = (W_word, b_word, u_word) if shared else (W_sentence, b_sentence, u_sentence)
    e = (np.tanh(vectors @ W.T + b) @ u).T
    beta = masked(0 * e if even else e, before(sentence_counts, L), highest=highest)
    return np.einsum("nl,lnh->nh", beta, vectors), alpha, beta


EXAMPLES = {
    "scores": Example(
        args=scores_args,
        outputs=("e",),
        also={
            "kind cosine": lambda rng: scores_args(rng, "cosine"),
            "kind dot": lambda rng: scores_args(rng, "dot"),
            "kind scaled_dot": lambda rng: scores_args(rng, "scaled_dot"),
        },
        mistakes={
            "W was used for the cosine; it stands in the general score alone.": (
                lambda **a: score(**a, weighted="cosine")
            ),
            "The cosine was not divided by the keys' norms.": lambda **a: score(**a, norms="q"),
            "The cosine was not divided by the queries' norms.": lambda **a: score(**a, norms="k"),
            "The cosine was not divided by the norms.": lambda **a: score(**a, norms=""),
            "The cosine was divided by the squares of the norms.": lambda **a: score(**a, power=2),
            "W was used for the plain product; it stands in the general score alone.": (
                lambda **a: score(**a, weighted="dot")
            ),
            "W was used for the scaled product; it stands in the general score alone.": (
                lambda **a: score(**a, weighted="scaled_dot")
            ),
            "The scaled product was divided by √T; n is the width that query and key share, not the number of keys.": (
                lambda **a: score(**a, root=lambda q, k: len(k) ** 0.5)
            ),
            "The scaled product was divided by n; it is divided by √n.": (
                lambda **a: score(**a, root=lambda q, k: k.shape[2])
            ),
            "The division of the scaled product by √n is missing.": (
                lambda **a: score(**a, root=lambda q, k: 1)
            ),
            "W is used transposed: qᵀ W k has the query on the side of W's rows.": (
                lambda queries, keys, W, kind: pairs(queries, keys @ W)
            ),
            "kind was ignored and the plain scalar product returned.": (
                lambda queries, keys, W, kind: pairs(queries, keys)
            ),
            "W stands in the general score alone; it was given the factor 1/√n of the scaled one too.": (
                lambda queries, keys, W, kind: pairs(queries, keys @ W.T) / np.sqrt(keys.shape[2])
            ),
            "The general score was divided by the norms, as only the cosine is.": (
                lambda queries, keys, W, kind: (
                    pairs(queries, keys @ W.T)
                    / np.linalg.norm(queries, axis=2)[..., None]
                    / np.linalg.norm(keys, axis=2).T
                )
            ),
        },
    ),
    "additive_scores": Example(
        args=additive_args,
        outputs=("e",),
        mistakes={
            "The tanh is missing: the two maps add up to a score that is linear.": (
                lambda **a: additive(**a, squash=lambda x: x)
            ),
            "The tanh was taken of the score; it belongs inside, before v.": (
                lambda **a: additive(**a, outside=True)
            ),
            "W q and U k were multiplied; they are added.": lambda **a: additive(**a, product=True),
            "W and U were exchanged: W is for the query, U for the key.": (
                lambda **a: additive(**{**a, "W": a["U"], "U": a["W"]})
            ),
            "A sigmoid was used; the hidden layer is a tanh.": (
                lambda **a: additive(**a, squash=lambda x: 1 / (1 + np.exp(-x)))
            ),
        },
    ),
    "masked_softmax": Example(
        args=masked_args,
        outputs=("weights",),
        also={
            "scores in the thousands": lambda rng: masked_args(rng, 3e3),
            "large scores behind the mask": lambda rng: masked_args(rng, behind=5e3),
            "NaN behind the mask, which must not matter": lambda rng: examples.behind_mask(
                masked_args(rng), [np.nan]
            ),
        },
        mistakes={
            "The mask was ignored.": lambda e, mask: softmax(e),
            "The mask is turned round: weight fell where it may not.": (
                lambda e, mask: masked(e, ~mask)
            ),
            "Masked weights were set to zero after the softmax, so rows no longer sum to one.": (
                lambda e, mask: softmax(e) * mask
            ),
            "Masked scores were set to zero; a score of 0 is not a weight of 0.": (
                lambda e, mask: softmax(e * mask)
            ),
            OVERFLOW: lambda e, mask: masked(e, mask, highest="none"),
            GLOBAL: lambda e, mask: masked(e, mask, highest="all"),
            "The largest score was looked for behind the mask too; what stands there must not matter.": (
                covered_late
            ),
            "The softmax runs over the queries; it runs over the keys, the last axis.": (
                lambda e, mask: np.where(mask, softmax(np.where(mask, e, -1e30), 0), 0)
            ),
        },
    ),
    "attend": Example(
        args=attend_args,
        outputs=("contexts", "weights"),
        time_major=("contexts", "weights"),
        also={
            "scores in the thousands": lambda rng: attend_args(rng, 3e3),
            ON_PADDING: lambda rng: examples.behind_lengths(attend_args(rng), [np.nan]),
        },
        mistakes={
            OVERFLOW: lambda **a: attend(**a, weigh=lambda e, m: masked(e, m, highest="none")),
            GLOBAL: lambda **a: attend(**a, weigh=lambda e, m: masked(e, m, highest="all")),
            "The lengths were ignored: padding got weight.": (
                lambda **a: attend(**a, weigh=lambda e, mask: softmax(e))
            ),
            "Padding was cut off after the softmax, so rows no longer sum to one.": (
                lambda **a: attend(**a, weigh=lambda e, mask: softmax(e) * mask)
            ),
            "The softmax is missing: the scores themselves were used as weights.": (
                lambda **a: attend(**a, weigh=lambda e, mask: e * mask)
            ),
            "The weights are even over each length; they are the softmax of the scores.": (
                lambda **a: attend(**a, weigh=lambda e, mask: masked(0 * e, mask))
            ),
            "This is the equation as the notes print it, with c_i in the sum in place of c_t: the "
            "weights sum to one, so it returns the value of step i and looks at nothing.": own_value,
        },
    ),
    "attend_backward": Example(
        args=attend_backward_args,
        outputs=("de", "dvalues"),
        time_major=("de", "dvalues"),
        mistakes={
            "The softmax was differentiated entry by entry, α(1 − α); its Jacobian is full.": (
                lambda **a: attend_backward(**a, jacobian="diagonal")
            ),
            "The softmax was left out: this is the gradient of the weights, not of the scores.": (
                lambda **a: attend_backward(**a, jacobian="none")
            ),
            "The weighted mean was not subtracted.": lambda **a: attend_backward(
                **a, jacobian="half"
            ),
            "The plain sum was subtracted; it is the sum weighted by α.": (
                lambda **a: attend_backward(**a, jacobian="plain")
            ),
            "The mean was taken over the queries; the softmax runs over the keys.": (
                lambda **a: attend_backward(**a, jacobian="queries")
            ),
            "dvalues lacks the weights: value t gets α_it of each query's gradient.": (
                lambda **a: attend_backward(**a, through=False)
            ),
            "dvalues was averaged over the queries; they add up.": lambda **a: attend_backward(
                **a, mean=True
            ),
        },
    ),
    "additive_backward": Example(
        args=additive_backward_args,
        outputs=("dqueries", "dkeys", "dv", "dW", "dU"),
        time_major=("dqueries", "dkeys"),
        mistakes={
            "The slope 1 − z² is missing.": lambda **a: additive_backward(**a, slope=lambda z: 1),
            "The slope was taken as 1 − tanh²(z), but z is already the output of the tanh.": (
                lambda **a: additive_backward(**a, slope=lambda z: 1 - np.tanh(z) ** 2)
            ),
            "The slope was taken as 1 − z; it is 1 − z².": (
                lambda **a: additive_backward(**a, slope=lambda z: 1 - z)
            ),
            "v is missing in δ.": lambda **a: additive_backward(**a, use_v=False),
            "W and U were exchanged on the way back: W belongs to the query, U to the key.": (
                lambda **a: additive_backward(**a, swap=True)
            ),
            "dv was built from δ; it is the sum of ∇_e z.": lambda **a: additive_backward(
                **a, dv=False
            ),
        },
    ),
    "local_weights": Example(
        args=local_args,
        outputs=("p", "weights"),
        time_major=("p", "weights"),
        also={
            "windows that reach past a length": lambda rng: local_args(rng, (8, 4), 3.0),
            "scores in the thousands": lambda rng: local_args(rng, scale=3e3),
            ON_PADDING: lambda rng: examples.behind_lengths(local_args(rng), [np.nan]),
        },
        mistakes={
            "Keys beyond the length took part in the softmax and got weight; the window ends at the length.": (
                lambda **a: local(**a, ends="never")
            ),
            "Keys beyond the length took part in the softmax and were cut off after it; they have no part in it.": (
                lambda **a: local(**a, ends="after")
            ),
            OVERFLOW: lambda **a: local(**a, highest="none"),
            GLOBAL: lambda **a: local(**a, highest="all"),
            "This is the equation as the notes print it, with the Gaussian on the score before the "
            "softmax: far keys then score 0, which is not a weight of 0. The Gaussian multiplies the "
            "weights.": lambda **a: local(**a, printed=True),
            "Keys were counted from 0; the first key is 1.": lambda **a: local(**a, first=0),
            "The weights were normalised again after the Gaussian.": lambda **a: local(
                **a, again=True
            ),
            "The softmax runs over all keys; it runs over those within D of p.": (
                lambda **a: local(**a, cut=False)
            ),
            "The Gaussian is missing.": lambda **a: local(**a, bell=False),
            "The Gaussian's deviation was taken as D; it is D/2.": lambda **a: local(
                **a, deviation=1.0
            ),
            "p was scaled by T; it is scaled by each example's own length.": lambda **a: local(
                **a, whole=True
            ),
            "The sigmoid is missing: p must lie between 0 and the length.": lambda **a: local(
                **a, squash=False
            ),
        },
    ),
    "self_attention": Example(
        args=self_args,
        outputs=("ys", "weights"),
        time_major=("ys", "weights"),
        also={
            "causal is false": lambda rng: self_args(rng, causal=False),
            "scores in the thousands": lambda rng: self_args(rng, scale=60.0),
        },
        mistakes={
            "The causal mask was used where causal is false.": lambda **a: self_attention(
                **{**a, "causal": True}
            ),
            OVERFLOW: lambda **a: self_attention(**a, highest="none"),
            GLOBAL: lambda **a: self_attention(**a, highest="all"),
            "The causal mask is missing: steps look into the future.": lambda **a: self_attention(
                **{**a, "causal": False}
            ),
            "The causal mask is turned round: step i looks at t ≥ i.": lambda **a: self_attention(
                **a, see=lambda i, t: t >= i
            ),
            "A step does not see itself: the causal mask is t ≤ i, not t < i.": (
                lambda **a: self_attention(**a, see=lambda i, t: t < i)
            ),
            "The division by √K is missing.": lambda **a: self_attention(**a, scale=False),
            "The scores were divided by √D; K is the width of queries and keys.": (
                lambda **a: self_attention(**a, width=4)
            ),
            "Queries and keys were exchanged.": lambda **a: self_attention(**a, swap=True),
            "Weights were masked after the softmax, so rows no longer sum to one.": (
                lambda **a: self_attention(**a, late=True)
            ),
            "Steps beyond a length were not set to zero.": lambda **a: self_attention(
                **a, live=False
            ),
        },
    ),
    "self_attention_backward": Example(
        args=self_backward_args,
        outputs=("dxs", "dW_query", "dW_key", "dW_value"),
        time_major=("dxs",),
        mistakes={
            "The factor 1/√K is missing.": lambda **a: self_backward(**a, scale=False),
            "The softmax was differentiated entry by entry, α(1 − α); its Jacobian is full.": (
                lambda **a: self_backward(**a, jacobian="diagonal")
            ),
            "dxs lacks the way through the keys.": lambda **a: self_backward(**a, ways="qv"),
            "dxs lacks the way through the queries.": lambda **a: self_backward(**a, ways="kv"),
            "dxs has the way through the values only.": lambda **a: self_backward(**a, ways="v"),
            "q and k were exchanged: the query's gradient is a sum of keys.": (
                lambda **a: self_backward(**a, swap=True)
            ),
            "The weights were not transposed for the values: value t sums over the queries i.": (
                lambda **a: self_backward(**a, turned=True)
            ),
        },
    ),
    "pool": Example(
        args=pool_args,
        outputs=("pooled", "weights"),
        also={"scores in the thousands": lambda rng: pool_args(rng, 3e3)},
        mistakes={
            OVERFLOW: lambda **a: pool(**a, highest="none"),
            GLOBAL: lambda **a: pool(**a, highest="all"),
            "The u_t were summed; what is summed are the states h_t.": lambda **a: pool(
                **a, of="u"
            ),
            "The lengths were ignored: padding got weight.": lambda **a: pool(**a, cover=False),
            "The tanh is missing.": lambda **a: pool(**a, squash=lambda x: x),
            "The bias is missing.": lambda **a: pool(**a, bias=0),
            "This is the plain mean over time; the weights come from u.": lambda **a: pool(
                **a, mean=True
            ),
            "The softmax runs over the examples; it runs over time.": lambda **a: pool(**a, axis=0),
        },
    ),
    "pool_backward": Example(
        args=pool_backward_args,
        outputs=("dhs", "dW", "db", "du"),
        time_major=("dhs",),
        mistakes={
            "dhs lacks the way through the weights: a state decides its own weight.": (
                lambda **a: pool_backward(**a, ways="s")
            ),
            "dhs lacks the way through the sum.": lambda **a: pool_backward(**a, ways="w"),
            "The softmax was differentiated entry by entry, α(1 − α); its Jacobian is full.": (
                lambda **a: pool_backward(**a, jacobian="diagonal")
            ),
            "The softmax was left out.": lambda **a: pool_backward(**a, jacobian="none"),
            "The slope 1 − u_t² is missing.": lambda **a: pool_backward(**a, slope=False),
            "du was built with the weights; it is the sum of ∇_e u_t.": lambda **a: pool_backward(
                **a, du="weights"
            ),
        },
    ),
    "pool_document": Example(
        args=document_args,
        outputs=("documents", "alpha", "beta"),
        also={"scores in the thousands": lambda rng: document_args(rng, 3e3)},
        mistakes={
            OVERFLOW: lambda **a: document(**a, highest="none"),
            GLOBAL: lambda **a: document(**a, highest="all"),
            "The word counts were ignored: padding words got weight.": lambda **a: document(
                **a, words=False
            ),
            "The sentence counts were ignored: padding sentences got weight.": (
                lambda **a: document(**a, sentences=False)
            ),
            "The words' parameters were used for the sentences too; each level has its own.": (
                lambda **a: document(**a, shared=True)
            ),
            "The sentences were averaged evenly; they are weighted by β.": lambda **a: document(
                **a, even=True
            ),
            "One softmax runs over all words of a document; it runs over the words of a sentence.": (
                lambda **a: document(**a, flat=True)
            ),
        },
    ),
}
