"""Examples and named mistakes of chapter 1's visible checks."""

import numpy as np

from authoring.checks import ON_PADDING, Example, with_nan

from . import examples

WITHHOLD = ["lib.losses.cross_entropy", "lib.activations.softmax_backward"]


OVERFLOW = (
    "The exponentials of large logits overflowed: subtract each row's own largest logit first."
)
GLOBAL = (
    "The largest logit of the whole array was subtracted; it is each row's own, "
    "or the exponentials of rows far below it all become zero."
)


def softmax(s, axis=-1, highest="own"):
    top = {"own": s.max(axis=axis, keepdims=True), "all": s.max(), "none": 0}[highest]
    with np.errstate(all="ignore"):
        e = np.exp(s - top)
        return e / e.sum(axis=axis, keepdims=True)


def overflowing_tanh(a):
    with np.errstate(all="ignore"):
        return (np.exp(a) - np.exp(-a)) / (np.exp(a) + np.exp(-a))


def forward_args(rng, T=4, D=3, H=4, lengths=(4, 2)):
    N = len(lengths)
    one = examples.rnn_step(rng, N, D, H)
    return {
        "xs": rng.normal(size=(T, N, D)),
        "h0": one["h"],
        "U": one["U"],
        "W": one["W"],
        "b": one["b"],
        "lengths": np.array(lengths),
    }


def unsorted_args(rng):
    return forward_args(rng, 7, 5, 2, [4, 6, 1])


def sorted_batch(a):
    return {**a, "lengths": np.sort(a["lengths"])[::-1]}


def ended_with_first(a):
    return {**a, "lengths": np.minimum(a["lengths"], a["lengths"][0])}


def scan(xs, h0, U, W, b, lengths, carry=True, freeze=True, zero=True, late=False):
    h, hs = h0, []
    for t in range(len(xs)):
        live = (t < lengths)[:, None]
        new = np.tanh(xs[t] @ U.T + (h if carry else h0) @ W.T + b)
        old, h = h, np.where(live, new, h) if freeze else new
        shown = old if late else h if not zero else np.where(live, new, 0)
        hs.append(np.where(live, shown, 0) if late else shown)
    return np.array(hs), h


def loss_args(rng, scale=1.0):
    return {
        "hs": rng.uniform(-1, 1, size=(3, 2, 4)),
        "V": scale * rng.normal(size=(5, 4)),
        "c": rng.normal(size=5),
        "targets": rng.integers(5, size=(3, 2)),
        "mask": np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]),
    }


def as_lengths(mask):
    return (np.arange(len(mask))[:, None] < mask.sum(axis=0)).astype(float)


def loss(hs, V, c, targets, mask, axis=-1, bias=True):
    os = softmax(hs @ V.T + (c if bias else 0), axis)
    with np.errstate(divide="ignore"):  # a probability of large logits may round to zero
        return -np.log(np.take_along_axis(os, targets[..., None], -1)[..., 0]), os


def large_loss(hs, V, c, targets, mask, highest="own", rounded=False):
    s = hs @ V.T + c
    s = s - {"own": s.max(axis=-1, keepdims=True), "all": s.max(), "none": 0}[highest]
    with np.errstate(all="ignore"):
        log_o = s - np.log(np.exp(s).sum(axis=-1, keepdims=True))
        os = np.exp(log_o)
        log_o = np.log(os) if rounded else log_o
        picked = np.take_along_axis(log_o, targets[..., None], -1)[..., 0]
        return -(picked * mask).sum() / len(hs[0]), os


def vector(
    x, ys, U, W, b, R, P, p, mode, first=False, start=True, drive=True, labels=True, bias=True,
    stray=None,
):  # fmt: skip
    start = start and (mode != "every_step" or stray == "start")
    drive = drive and (mode != "initial_state" or stray == "drive")
    h = x @ P.T + bias * p if start else np.zeros((len(x), len(b)))
    if mode == "every_step" and stray == "bias":
        h = h + p
    hs = []
    for t, y in enumerate(ys):
        fed = drive and (t == 0 or not first)
        h = np.tanh(b + h @ W.T + labels * (y @ U.T) + fed * (x @ R.T))
        hs.append(h)
    return np.array(hs)


def recurrence_args(rng, scale=1.0):
    return {
        "xs": rng.normal(size=(4, 2, 3)),
        "o0": softmax(rng.normal(size=(2, 5))),
        "U": rng.normal(size=(6, 3)),
        "W": rng.normal(size=(6, 5)),
        "b": rng.normal(size=6),
        "V": scale * rng.normal(size=(5, 6)),
        "c": rng.normal(size=5),
    }


def recurrence(xs, o0, U, W, b, V, c, feed=None, highest="own"):
    o, os = o0, []
    for x in xs:
        s = c + np.tanh(b + o @ W.T + x @ U.T) @ V.T
        os.append(softmax(s, highest=highest))
        o = feed(s, o0) if feed else os[-1]
    return np.array(os)


def recurrence_backward_args(rng, free=False):
    return {
        "o_prev": rng.random((2, 3)) if free else softmax(rng.normal(size=(2, 3))),
        "h": rng.normal(scale=1.5, size=(2, 4)) if free else rng.uniform(-1, 1, size=(2, 4)),
        "o": rng.random((2, 3)) if free else softmax(rng.normal(size=(2, 3))),
        "do": rng.normal(size=(2, 3)),
        "W": rng.normal(size=(4, 3)),
        "V": rng.normal(size=(3, 4)),
    }


def recurrence_backward(
    o_prev, h, o, do, W, V, ds=None, slope=lambda h: 1 - h**2, misplaced=False, mean=False
):
    ds = o * (do - (o * do).sum(axis=1, keepdims=True)) if ds is None else ds(o, do)
    delta = slope(h) * (ds @ V)
    do_prev = delta @ W
    scale = 1 / len(h) if mean else 1
    return scale * ds.T @ h, scale * delta.T @ o_prev, do_prev


def many_to_one_args(rng, T=4, N=3, H=2, K=5, lengths=(4, 2, 3)):
    return {
        "hs": rng.uniform(-1, 1, size=(T, N, H)),
        "lengths": np.array(lengths),
        "ds": rng.normal(size=(N, K)),
        "V": rng.normal(size=(K, H)),
    }


def many_to_one(hs, lengths, ds, V, place):
    dhs = np.zeros_like(hs)
    rows = np.arange(len(lengths))
    last = place(lengths, len(hs))
    dhs[last, rows] = ds @ V
    return dhs, ds.T @ hs[last, rows], ds.sum(axis=0)


def everywhere(hs, lengths, ds, V):
    dhs = np.broadcast_to(ds @ V, hs.shape) * (np.arange(len(hs))[:, None] < lengths)[..., None]
    last = hs[lengths - 1, np.arange(len(lengths))]
    return dhs, ds.T @ last, ds.sum(axis=0)


def drawn(logits, temperature, u, highest="own", reached=False, limit=True, first=False):
    cumulative = np.cumsum(softmax(logits / temperature, highest=highest), axis=1)
    if first:
        return (cumulative > u[:, None]).argmax(axis=1)
    below = cumulative < u[:, None] if reached else cumulative <= u[:, None]
    k = below.sum(axis=1)
    return np.minimum(k, logits.shape[1] - 1) if limit else k


UNSORTED = "other sizes, the first sequence not the longest"
SORTED = "The batch was taken to be sorted by length; row n is real where t < lengths[n]."
ENDED = "The steps ended with the first sequence; others may be longer."

EXAMPLES = {
    "rnn_step": Example(
        args=examples.rnn_step,
        also={"other sizes, inputs of size 1000": lambda rng: examples.rnn_step(rng, 3, 5, 2, 1e3)},
        outputs=("h",),
        mistakes={
            "h @ W was computed; the row form of W h is h @ W.T.": lambda x, h, U, W, b: np.tanh(
                x @ U.T + h @ W + b
            ),
            "The bias b is missing.": lambda x, h, U, W, b: np.tanh(x @ U.T + h @ W.T),
            "The tanh overflowed: made from exponentials, it is infinity through infinity for a large a; take np.tanh.": (
                lambda x, h, U, W, b: overflowing_tanh(x @ U.T + h @ W.T + b)
            ),
            "The tanh is missing: this is the pre-activation a.": lambda x, h, U, W, b: (
                x @ U.T + h @ W.T + b
            ),
            "The old state is missing: this is tanh(b + U x).": lambda x, h, U, W, b: np.tanh(
                x @ U.T + b
            ),
        },
    ),
    "rnn_forward": Example(
        args=forward_args,
        also={UNSORTED: unsorted_args, ON_PADDING: with_nan(unsorted_args, "xs")},
        outputs=("hs", "h_last"),
        time_major=("hs",),
        mistakes={
            "Every step started from h0; each starts from the state of the step before.": (
                lambda **a: scan(**a, carry=False)
            ),
            "The state went on changing on padding; it stays as the last real step left it.": (
                lambda **a: scan(**a, freeze=False)
            ),
            "The outputs repeat the last state on padding; they are zero there.": (
                lambda **a: scan(**a, zero=False)
            ),
            SORTED: lambda **a: scan(**sorted_batch(a)),
            ENDED: lambda **a: scan(**ended_with_first(a)),
            "hs[t] holds the state before step t; it holds the state after it.": (
                lambda **a: scan(**a, late=True)
            ),
            "h_last is the output of the last time step, padding or not.": lambda **a: (
                scan(**a)[0],
                scan(**a)[0][-1],
            ),
        },
    ),
    "output_loss": Example(
        args=loss_args,
        outputs=("loss", "os"),
        time_major=("os",),
        also={"logits in the thousands": lambda rng: loss_args(rng, 3e3)},
        mistakes={
            "The mask was read as lengths; it says of each step whether it counts.": (
                lambda **a: (
                    (loss(**a)[0] * as_lengths(a["mask"])).sum() / 2,
                    loss(**a)[1],
                )
            ),
            "The mask was ignored.": lambda **a: (loss(**a)[0].sum() / 2, loss(**a)[1]),
            "The loss is a mean over time and batch; it is a sum over time, a mean over the batch.": (
                lambda **a: ((loss(**a)[0] * a["mask"]).mean(), loss(**a)[1])
            ),
            "The loss is a mean over real steps; it is a sum over time, a mean over the batch.": (
                lambda **a: ((loss(**a)[0] * a["mask"]).sum() / a["mask"].sum(), loss(**a)[1])
            ),
            "The loss is a sum over the batch; divide by N.": (
                lambda **a: ((loss(**a)[0] * a["mask"]).sum(), loss(**a)[1])
            ),
            "The softmax was taken over the batch; it is over the K classes, the last axis.": (
                lambda **a: ((loss(**a, axis=1)[0] * a["mask"]).sum() / 2, loss(**a, axis=1)[1])
            ),
            "The bias c is missing.": (
                lambda **a: (
                    (loss(**a, bias=False)[0] * a["mask"]).sum() / 2,
                    loss(**a, bias=False)[1],
                )
            ),
            "The logarithm was taken of the softmax, which rounds to 0; take log-sum-exp.": (
                lambda **a: large_loss(**a, rounded=True)
            ),
            OVERFLOW: lambda **a: large_loss(**a, highest="none"),
            GLOBAL: lambda **a: large_loss(**a, highest="all"),
        },
    ),
    "vector_input_forward": Example(
        args=examples.vector_input_forward,
        also={
            'mode = "every_step", other sizes': lambda rng: examples.vector_input_forward(
                rng, 6, 3, 2, 4, 5, "every_step"
            ),
            'mode = "initial_state"': lambda rng: examples.vector_input_forward(
                rng, mode="initial_state"
            ),
        },
        outputs=("hs",),
        time_major=("hs",),
        mistakes={
            "R x was fed at the first step only; it is fed at every step.": lambda **a: vector(
                **a, first=True
            ),
            'In mode "both" the state started from zero; it starts from p + P x.': lambda **a: (
                vector(**a, start=False)
            ),
            "The bias p of the initial state is missing.": lambda **a: vector(**a, bias=False),
            'In mode "both" R x is missing.': lambda **a: vector(**a, drive=False),
            'In mode "every_step" the state started from p + P x; it starts from zero.': (
                lambda **a: vector(**a, stray="start")
            ),
            'In mode "every_step" the state started from p; it starts from zero.': (
                lambda **a: vector(**a, stray="bias")
            ),
            'In mode "initial_state" R x was fed; the vector goes into h⁽⁰⁾ alone.': (
                lambda **a: vector(**a, stray="drive")
            ),
            "The labels ys are missing: U y is part of every step.": lambda **a: vector(
                **a, labels=False
            ),
        },
    ),
    "vector_input_backward": Example(
        args=lambda rng: {
            "deltas": rng.normal(size=(3, 2, 4)),
            "x": rng.normal(size=(2, 5)),
            "R": rng.normal(size=(4, 5)),
        },
        outputs=("dR", "dx"),
        mistakes={
            "Only the last step's error was used; the errors of all steps add up.": (
                lambda deltas, x, R: (deltas[-1].T @ x, deltas[-1] @ R)
            ),
            "Only the first step's error was used; the errors of all steps add up.": (
                lambda deltas, x, R: (deltas[0].T @ x, deltas[0] @ R)
            ),
            "The steps were averaged; they add up.": lambda deltas, x, R: (
                deltas.mean(axis=0).T @ x,
                deltas.mean(axis=0) @ R,
            ),
            "dR is the transpose of what it should be: a gradient has its parameter's shape.": (
                lambda deltas, x, R: (x.T @ deltas.sum(axis=0), deltas.sum(axis=0) @ R)
            ),
        },
    ),
    "output_to_hidden_forward": Example(
        args=recurrence_args,
        outputs=("os",),
        time_major=("os",),
        also={"logits in the thousands": lambda rng: recurrence_args(rng, 3e3)},
        mistakes={
            OVERFLOW: lambda **a: recurrence(**a, highest="none"),
            GLOBAL: lambda **a: recurrence(**a, highest="all"),
            "The logits s were fed back; the output after the softmax is.": lambda **a: recurrence(
                **a, feed=lambda s, o0: s
            ),
            "Every step read o0; each reads the output of the step before.": lambda **a: recurrence(
                **a, feed=lambda s, o0: o0
            ),
            "The most probable class was fed back as one-hot; the distribution o is.": (
                lambda **a: recurrence(**a, feed=lambda s, o0: np.eye(s.shape[1])[s.argmax(axis=1)])
            ),
        },
    ),
    "output_to_hidden_step_backward": Example(
        args=recurrence_backward_args,
        also={
            "cached values that no forward pass gives": lambda rng: recurrence_backward_args(
                rng, free=True
            )
        },
        outputs=("dV", "dW", "do_prev"),
        mistakes={
            "The softmax was differentiated entry by entry, o(1 − o); its Jacobian also has the terms −o_j o_k.": (
                lambda **a: recurrence_backward(**a, ds=lambda o, do: o * (1 - o) * do)
            ),
            "The softmax was passed over: do was used as the gradient of the logits.": (
                lambda **a: recurrence_backward(**a, ds=lambda o, do: do)
            ),
            "The factor 1 − h² of the tanh is missing.": lambda **a: recurrence_backward(
                **a, slope=lambda h: 1
            ),
            "The slope of the tanh was taken as 1 − h; it is 1 − h².": (
                lambda **a: recurrence_backward(**a, slope=lambda h: 1 - h)
            ),
            "The slope was taken as 1 − tanh²(h), but h is already the output of the tanh.": (
                lambda **a: recurrence_backward(**a, slope=lambda h: 1 - np.tanh(h) ** 2)
            ),
            "The parameters' gradients were averaged over the batch; they add up.": (
                lambda **a: recurrence_backward(**a, mean=True)
            ),
        },
    ),
    "many_to_one_backward": Example(
        args=many_to_one_args,
        also={
            UNSORTED: lambda rng: many_to_one_args(rng, 7, 3, 4, 2, [4, 6, 1]),
            ON_PADDING: with_nan(many_to_one_args, "hs"),
        },
        outputs=("dhs", "dV", "dc"),
        time_major=("dhs",),
        mistakes={
            "The last time step was used for every example; a shorter one ends at lengths − 1.": (
                lambda **a: many_to_one(**a, place=lambda n, T: np.full(len(n), T - 1))
            ),
            "The gradient entered one step late, at lengths; the last real step is lengths − 1.": (
                lambda **a: many_to_one(**a, place=lambda n, T: n % T)
            ),
            "The gradient entered at every real step; the answer was read at the last one only.": (
                everywhere
            ),
        },
    ),
    "sample": Example(
        args=lambda rng: {
            "logits": rng.normal(size=(12, 5)),
            "temperature": 0.5,
            "u": rng.random(12),
        },
        outputs=("classes",),
        decimals=17,
        also={
            "u at both ends of its range": lambda rng: {
                "logits": np.stack([np.zeros(10), np.zeros(10), -1e4 * (np.arange(10) == 0)]),
                "temperature": 1.0,
                "u": np.array([np.nextafter(1.0, 0.0), 0.55, 0.0]),
            },
            "logits in the thousands": lambda rng: {
                "logits": 3e3 * rng.normal(size=(8, 4)),
                "temperature": 2.0,
                "u": rng.random(8),
            },
        },
        mistakes={
            "The logits were multiplied by the temperature; they are divided by it.": (
                lambda logits, temperature, u: drawn(logits * temperature**2, temperature, u)
            ),
            "The temperature was ignored.": lambda logits, temperature, u: drawn(logits, 1.0, u),
            "The most probable class was taken; draw with u.": lambda logits, temperature, u: (
                logits.argmax(axis=1)
            ),
            "Where rounding leaves the whole sum at or below u, the answer became K; it is the last class, K − 1.": (
                lambda **a: drawn(**a, limit=False)
            ),
            "Where rounding leaves the whole sum at or below u, the answer became 0; it is the last class, K − 1.": (
                lambda **a: drawn(**a, first=True)
            ),
            "The first sum that reaches u was taken; it is the first that exceeds u, or a class of probability 0 can be drawn.": (
                lambda **a: drawn(**a, reached=True)
            ),
            OVERFLOW: lambda **a: drawn(**a, highest="none"),
            GLOBAL: lambda **a: drawn(**a, highest="all"),
        },
    ),
    "perplexity": Example(
        args=lambda rng: {
            "log_probs": np.log(rng.uniform(0.1, 0.9, size=(4, 3))),
            "mask": (np.arange(4)[:, None] < np.array([4, 1, 2])).astype(float),
        },
        outputs=("perplexity",),
        mistakes={
            "Padding was counted as symbols: divide by the mask's sum.": lambda log_probs, mask: (
                np.exp(-(log_probs * mask).mean())
            ),
            "The mask was ignored.": lambda log_probs, mask: np.exp(-log_probs.mean()),
            "Each sequence was averaged first; the mean is over all real symbols together.": (
                lambda log_probs, mask: np.exp(
                    -((log_probs * mask).sum(axis=0) / mask.sum(axis=0)).mean()
                )
            ),
            "The base is 2 where log-probabilities are in nats: use exp.": lambda log_probs, mask: (
                2 ** (-(log_probs * mask).sum() / mask.sum())
            ),
        },
    ),
}
