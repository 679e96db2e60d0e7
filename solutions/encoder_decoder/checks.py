"""Examples and named mistakes of chapter 9's visible checks."""

import numpy as np

from authoring.checks import ON_PADDING, Example, with_nan

WITHHOLD = [
    "lib.losses.cross_entropy",
    "lib.losses.binary_cross_entropy",
    "lib.endings.loss",
    "lib.endings.log_likelihood",
    "lib.endings.log_stopping",
    "lib.dense.embed_backward",
    "lib.networks.VectorInput.backward",
    "lib.search.greedy",
    "lib.search.sample",
    "lib.search._write",
    "lib.search.beam_search",
]


def encode_args(rng):
    return {
        "sources": rng.integers(6, size=(4, 3)),
        "lengths": np.array([2, 4, 3]),
        "E": rng.normal(size=(6, 2)),
        "U": rng.normal(size=(5, 2)),
        "W": 0.6 * rng.normal(size=(5, 5)),
        "b": 0.3 * rng.normal(size=5),
    }


def read(sources, lengths, E, U, W, b, hold=True, blank=True, last=False, transposed=False,
         backwards=False):  # fmt: skip
    T, N = sources.shape
    hs, h = np.zeros((T, N, len(b))), np.zeros((N, len(b)))
    for t in reversed(range(T)) if backwards else range(T):
        live = (t < lengths)[:, None]
        new = np.tanh(E[sources[t]] @ U.T + h @ (W if transposed else W.T) + b)
        h = np.where(live | (not hold), new, h)
        hs[t] = np.where(live | (not blank), h, 0.0)
    return hs, hs[-1] if last else h


def decode_args(rng):
    return {
        "targets": np.array([[1, 3], [0, 2], [3, 1], [2, 2]]),
        "C": rng.normal(size=(2, 3)),
        "mode": "both",
        "E": rng.normal(size=(5, 2)),
        "U": rng.normal(size=(4, 2)),
        "W": 0.6 * rng.normal(size=(4, 4)),
        "b": 0.3 * rng.normal(size=4),
        "R": 0.6 * rng.normal(size=(4, 3)),
        "P": 0.6 * rng.normal(size=(4, 3)),
        "p": 0.3 * rng.normal(size=4),
    }


def write(targets, C, mode, E, U, W, b, R, P, p, shift=True, start=None, squash=np.tanh,
          every=True, first=False, initial=True):  # fmt: skip
    T, N = targets.shape
    start = len(E) - 1 if start is None else start
    previous = np.concatenate([np.full((1, N), start), targets[:-1]]) if shift else targets
    h = squash(C @ P.T + p) if initial else np.zeros((N, len(b)))
    hs = np.empty((T, N, len(b)))
    for t in range(T):
        push = C @ R.T if every and (t == 0 or not first) else 0
        hs[t] = h = np.tanh(E[previous[t]] @ U.T + h @ W.T + b + push)
    return hs


def loss_args(rng, scale=1.0):
    return {
        "logits": 2 * scale * rng.normal(size=(4, 2, 3)),
        "stop": scale * rng.normal(size=(4, 2)),
        "targets": rng.integers(3, size=(4, 2)),
        "lengths": np.array([4, 2]),
    }


def sequence(logits, stop, targets, lengths, masked=True, mean="batch", sign=1, flipped=False,
             only_last=False, stops=True, late=0, rounded=False, highest="own"):  # fmt: skip
    T, N, K = logits.shape
    steps = np.arange(T)[:, None]
    mask = (steps < lengths) | (not masked)
    ends = (steps == lengths - 1 + late) != flipped
    top = {"own": logits.max(axis=-1, keepdims=True), "all": logits.max(), "none": 0}[highest]
    with np.errstate(all="ignore"):
        exponentials = np.exp(logits - top)
        total = exponentials.sum(axis=-1, keepdims=True)
        log_o = np.log(exponentials / total) if rounded else logits - top - np.log(total)
        sigmoid = 1 / (1 + np.exp(-stop))
        log_end, log_go = -np.logaddexp(0, -stop), -np.logaddexp(0, stop)
        if rounded:
            log_end, log_go = np.log(sigmoid), np.log(1 - sigmoid)
        picked = np.take_along_axis(log_o, targets[..., None], axis=-1)[..., 0]
        judged = mask & (ends | (not only_last)) & stops
        total = np.where(mask, picked, 0).sum()
        total += np.where(judged, np.where(ends, log_end, log_go), 0).sum()
        count = {"batch": N, "steps": mask.sum(), "sum": 1}[mean]
        dlogits = sign * (np.exp(log_o) - np.eye(K)[targets]) * mask[..., None] / count
    return -total / count, dlogits, sign * (sigmoid - ends) * judged / count


def every_step_args(rng):
    return {
        "deltas": rng.normal(size=(3, 2, 4)),
        "C": rng.normal(size=(2, 5)),
        "R": rng.normal(size=(4, 5)),
    }


def every_step(deltas, C, R, used=slice(None), mean=False, batch=False, square=False):
    total = deltas[used].mean(axis=0) if mean else deltas[used].sum(axis=0)
    dR = total.T @ C / (len(C) if batch else 1)
    return total @ R, dR.T if square else dR


def bridge_args(rng):
    return {
        "dh0": rng.normal(size=(3, 4)),
        "h0": rng.uniform(-1, 1, size=(3, 4)),
        "C": rng.normal(size=(3, 2)),
        "P": rng.normal(size=(4, 2)),
    }


def bridge(dh0, h0, C, P, slope=lambda h: 1 - h**2, mean=False):
    error = slope(h0) * dh0
    scale = 1 / len(C) if mean else 1
    return error @ P, scale * error.T @ C, scale * error.sum(axis=0)


def decoder_args(rng):
    return {
        "dhs": rng.normal(size=(4, 2, 3)),
        "hs": rng.uniform(-1, 1, size=(4, 2, 3)),
        "h0": rng.uniform(-1, 1, size=(2, 3)),
        "lengths": np.array([4, 3]),
        "mode": "both",
        "W": rng.normal(size=(3, 3)),
        "R": rng.normal(size=(3, 5)),
        "P": rng.normal(size=(3, 5)),
    }


def decoder(dhs, hs, h0, lengths, mode, W, R, P, every=True, initial=True, carry=True,
            used=None, slope=True, printed=False):  # fmt: skip
    dC, dh = np.zeros((len(h0), R.shape[1])), np.zeros_like(h0)
    for t in reversed(range(len(hs))):
        into = dhs[t] + (dh if carry else 0)
        delta = np.where((t < lengths)[:, None], (1 - hs[t] ** 2) * into, 0.0)
        if every and (used is None or t == used):
            dC += delta @ R
        dh = (1 - hs[t] ** 2) * (into @ W) if printed else delta @ W
    if initial:
        dC += ((1 - h0**2 if slope else 1) * dh) @ P
    return dC


def encoder_args(rng):
    return {
        "dC": rng.normal(size=(3, 4)),
        "hs": rng.uniform(-1, 1, size=(4, 3, 4)),
        "sources": np.array([[1, 0, 2], [2, 2, 1], [0, 3, 3], [3, 3, 1]]),
        "lengths": np.array([2, 4, 3]),
        "E": rng.normal(size=(4, 2)),
        "U": rng.normal(size=(4, 2)),
        "W": 0.7 * rng.normal(size=(4, 4)),
    }


def encoder(dC, hs, sources, lengths, E, U, W, at_end=False, again=False, overwritten=False,
            late=False, slope=True, cut=False):  # fmt: skip
    dE, dU, dW, db = np.zeros_like(E), np.zeros_like(U), np.zeros_like(W), np.zeros(len(W))
    dh = np.zeros_like(dC)
    last = len(hs) - 1 if at_end else lengths - 1
    for t in reversed(range(len(hs))):
        enters = np.broadcast_to(t == last, len(dC))[:, None]
        dh = dh + np.where(enters | (again and t < lengths)[:, None] if again else enters, dC, 0.0)
        delta = (1 - hs[t] ** 2 if slope else 1) * dh
        before = hs[t] if late else hs[t - 1] if t else np.zeros_like(dC)
        dU += delta.T @ E[sources[t]]
        dW += delta.T @ before
        db += delta.sum(axis=0)
        if overwritten:
            dE[sources[t]] += delta @ U
        else:
            np.add.at(dE, sources[t], delta @ U)
        dh = 0 * dh if cut else delta @ W
    return dE, dU, dW, db


def search_args(seed, rows, sure=1.0):
    """Draw a network on which the mistakes show; the build says so where they do not."""
    rng = np.random.default_rng(seed)
    return {
        "h0": rng.normal(size=(*rows, 4)),
        "drive": rng.normal(size=(*rows, 4)),
        "E": rng.normal(size=(5, 3)),
        "U": 1.5 * rng.normal(size=(4, 3)),
        "W": rng.normal(size=(4, 4)),
        "V": sure * rng.normal(size=(4, 4)),
        "c": rng.normal(size=4),
        "end": 0,
    }


def greedy(h0, drive, E, U, W, V, c, end, max_length, first=None, stops=True, counted=True,
           moves=True, pad=None, fed=True, biased=True, driven=True, cut=False):  # fmt: skip
    N = len(h0)
    tokens, lengths = np.full((max_length, N), end if pad is None else pad), np.zeros(N, int)
    start = len(E) - 1 if first is None else first
    live, symbol, h = np.full(N, True), np.full(N, start), h0
    for t in range(max_length):
        h = np.tanh(E[symbol] @ U.T + (h if moves else h0) @ W.T + driven * drive)
        picked = (h @ V.T + (c if biased else 0)).argmax(axis=1)
        tokens[t] = np.where(live | (not stops), picked, tokens[t])
        lengths += live & (counted | (picked != end))
        live = live & (picked != end)
        symbol = picked if fed else symbol
    return tokens[: lengths.max()] if cut else tokens, lengths


def beam(h0, drive, E, U, W, V, c, end, width, max_length, alpha, moved=True, divided=True,
         first=False, logarithm=True, per_beginning=False, drop=False, refilled=False,
         competing=False, shift=True):  # fmt: skip
    beams, finished = [((), h0, 0.0)], []
    while beams and len(beams[0][0]) < max_length:
        continued, states = [], []
        for written, h, log_p in beams:
            symbol = written[-1] if written else len(E) - 1
            h = np.tanh(U @ E[symbol] + W @ h + drive)
            states.append(h)
            s = V @ h + c
            log_o = s - (s.max() if shift and logarithm else 0)
            if logarithm:
                with np.errstate(all="ignore"):
                    log_o = log_o - np.log(np.exp(log_o).sum())
            own = [((*written, k), h, log_p + log_o[k]) for k in range(len(c))]
            own.sort(key=lambda one: -one[2])
            continued += own[:1] if per_beginning and len(beams) > 1 else own
        continued.sort(key=lambda one: -one[2])
        kept = continued[:width]
        if not moved:
            kept = [(w, states[min(k, len(states) - 1)], p) for k, (w, _, p) in enumerate(kept)]
        finished += [one for one in kept if one[0][-1] == end]
        beams = [one for one in (continued if refilled else kept) if one[0][-1] != end][:width]
        if first and finished:
            break
    finished += beams * competing
    finished.sort(key=lambda one: -one[2] / len(one[0]) ** (alpha if divided else 0))
    written, _, log_p = (finished or beams)[0]
    if drop:
        log_p = log_p / len(written) ** alpha
    return np.array(written), log_p


EXAMPLES = {
    "encode": Example(
        args=encode_args,
        outputs=("hs", "C"),
        time_major=("hs",),
        mistakes={
            "Padding was read: a row's state stays as its last own symbol left it.": (
                lambda **a: read(**a, hold=False)
            ),
            "The outputs on padding repeat the last state; there they are zero.": (
                lambda **a: read(**a, blank=False)
            ),
            "C is the last row of hs, which is padding for short rows; take each row's own last state.": (
                lambda **a: read(**a, last=True)
            ),
            "W is used transposed: h @ W where W h is h @ W.T.": lambda **a: read(
                **a, transposed=True
            ),
            "The sequence was read from its end; it is read from its start.": lambda **a: read(
                **a, backwards=True
            ),
        },
    ),
    "decode": Example(
        args=decode_args,
        outputs=("hs",),
        time_major=("hs",),
        mistakes={
            "The decoder read the target of the same step; it reads that of the step before.": (
                lambda **a: write(**a, shift=False)
            ),
            "The first symbol read is 0; it is the start symbol, the last row of E.": (
                lambda **a: write(**a, start=0)
            ),
            "The tanh of the bridge is missing: s_0 = tanh(p + P C).": lambda **a: write(
                **a, squash=lambda v: v
            ),
            "R C is missing: with this mode the context also enters at every step.": (
                lambda **a: write(**a, every=False)
            ),
            "R C entered at the first step only; it enters at every step.": lambda **a: write(
                **a, first=True
            ),
            "The initial state was left at zero; with this mode the bridge gives it.": (
                lambda **a: write(**a, initial=False)
            ),
        },
    ),
    "sequence_loss": Example(
        args=loss_args,
        outputs=("loss", "dlogits", "dstop"),
        time_major=("dlogits", "dstop"),
        also={
            "logits in the thousands": lambda rng: loss_args(rng, 2e3),
            ON_PADDING: with_nan(loss_args, "logits"),
        },
        mistakes={
            "The mask was ignored: steps beyond a length count.": lambda **a: sequence(
                **a, masked=False
            ),
            "The sum was divided by the number of steps; the loss is a sum over time and a mean over the N examples.": (
                lambda **a: sequence(**a, mean="steps")
            ),
            "The division by N is missing: the loss is a mean over the batch.": (
                lambda **a: sequence(**a, mean="sum")
            ),
            "The sign of the gradients is wrong: it is output minus target.": (
                lambda **a: sequence(**a, sign=-1)
            ),
            "The stop unit's target is turned round: it is 1 at the last step and 0 before.": (
                lambda **a: sequence(**a, flipped=True)
            ),
            "The stop unit was judged at the last step only; not stopping counts at every step before.": (
                lambda **a: sequence(**a, only_last=True)
            ),
            "The stop unit was left out of the likelihood.": lambda **a: sequence(**a, stops=False),
            "The logarithm was taken of a rounded probability: log softmax is s − log Σ exp s, and log σ(z) is −log(1 + exp(−z)).": (
                lambda **a: sequence(**a, rounded=True)
            ),
            "The exponentials of large logits overflowed: subtract each row's own largest logit first.": (
                lambda **a: sequence(**a, highest="none")
            ),
            "The largest logit of the whole array was subtracted; it is each row's own, one step of one example.": (
                lambda **a: sequence(**a, highest="all")
            ),
            "The sequence was ended one step early: the last step is lengths − 1, counted from 0.": (
                lambda **a: sequence(**a, late=-1)
            ),
        },
    ),
    "every_step_backward": Example(
        args=every_step_args,
        outputs=("dC", "dR"),
        mistakes={
            "Only the last step was used; the context gets the sum over all steps.": (
                lambda **a: every_step(**a, used=slice(-1, None))
            ),
            "Only the first step was used; the context gets the sum over all steps.": (
                lambda **a: every_step(**a, used=slice(0, 1))
            ),
            "The mean over the steps was taken; a node with several arrows out gets the sum.": (
                lambda **a: every_step(**a, mean=True)
            ),
            "dR was averaged over the batch; the examples add up.": lambda **a: every_step(
                **a, batch=True
            ),
            "dR is transposed: it is (H, M) as R is.": lambda **a: every_step(**a, square=True),
        },
    ),
    "bridge_backward": Example(
        args=bridge_args,
        outputs=("dC", "dP", "dp"),
        mistakes={
            "The slope of the bridge's tanh is missing.": lambda **a: bridge(
                **a, slope=lambda h: 1
            ),
            "The slope was taken as 1 − tanh²(h0), but h0 is already the output of the tanh.": (
                lambda **a: bridge(**a, slope=lambda h: 1 - np.tanh(h) ** 2)
            ),
            "The slope was taken as 1 − h0; it is 1 − h0².": lambda **a: bridge(
                **a, slope=lambda h: 1 - h
            ),
            "The slope was taken as h0(1 − h0), the sigmoid's; the bridge has a tanh.": (
                lambda **a: bridge(**a, slope=lambda h: h * (1 - h))
            ),
            "The parameters' gradients were averaged over the batch; they add up.": (
                lambda **a: bridge(**a, mean=True)
            ),
        },
    ),
    "decoder_backward": Example(
        args=decoder_args,
        also={ON_PADDING: with_nan(decoder_args, "dhs")},
        outputs=("dC",),
        mistakes={
            "The path through the initial state is missing; with this mode C has it too.": (
                lambda **a: decoder(**a, initial=False)
            ),
            "The paths through R are missing; with this mode C also enters at every step.": (
                lambda **a: decoder(**a, every=False)
            ),
            "Only the first step's path through R was used; all steps add up.": (
                lambda **a: decoder(**a, used=0)
            ),
            "The slope of the bridge's tanh is missing.": lambda **a: decoder(**a, slope=False),
            "dh is not carried back: each step got the gradient of its own output only.": (
                lambda **a: decoder(**a, carry=False)
            ),
            "Padding was treated as real steps.": lambda **a: decoder(
                **{**a, "lengths": np.array([4, 4])}
            ),
            "This is the order that the notes print for one step back, with the slope 1 − h² after Wᵀ; "
            "it fails for H > 1, because the slope belongs before Wᵀ mixes units.": (
                lambda **a: decoder(**a, printed=True)
            ),
        },
    ),
    "encoder_backward": Example(
        args=encoder_args,
        outputs=("dE", "dU", "dW", "db"),
        mistakes={
            "dC entered at the last row of the array; it enters at each row's own last step.": (
                lambda **a: encoder(**a, at_end=True)
            ),
            "dC entered at every step; the context is the last state alone.": (
                lambda **a: encoder(**a, again=True)
            ),
            "dE[sources[t]] += … writes a repeated symbol once; np.add.at adds up all its places.": (
                lambda **a: encoder(**a, overwritten=True)
            ),
            "dW was built with h of the same step; W multiplied the state of the step before.": (
                lambda **a: encoder(**a, late=True)
            ),
            "The slope 1 − h² is missing.": lambda **a: encoder(**a, slope=False),
            "Nothing was carried back from the last step to those before.": lambda **a: encoder(
                **a, cut=True
            ),
        },
    ),
    "greedy_decode": Example(
        args=lambda rng: {**search_args(32, (3,)), "max_length": 6},
        outputs=("tokens", "lengths"),
        also={
            "every row ends before max_length": lambda rng: {
                **search_args(16, (3,)),
                "max_length": 7,
            }
        },
        time_major=("tokens",),
        mistakes={
            "The first symbol read is 0; it is the start symbol, the last row of E.": (
                lambda **a: greedy(**a, first=0)
            ),
            "A row went on writing after its end symbol.": lambda **a: greedy(**a, stops=False),
            "The end symbol was not counted in lengths.": lambda **a: greedy(**a, counted=False),
            "The state was not carried on: every step began from h0.": lambda **a: greedy(
                **a, moves=False
            ),
            "The start symbol was read at every step; from the second on it is what was written.": (
                lambda **a: greedy(**a, fed=False)
            ),
            "The bias c is missing.": lambda **a: greedy(**a, biased=False),
            "drive is missing: it enters at every step.": lambda **a: greedy(**a, driven=False),
            "tokens ends with the longest row; it has max_length rows, however early all end.": (
                lambda **a: greedy(**a, cut=True)
            ),
            "What follows the end holds −1; it holds the end symbol.": lambda **a: greedy(
                **a, pad=-1
            ),
        },
    ),
    "beam_search": Example(
        args=lambda rng: {**search_args(3013, ()), "width": 3, "max_length": 6, "alpha": 0.8},
        outputs=("tokens", "log_p"),
        also={
            "sequences that end in the middle of the search": lambda rng: {
                **search_args(21, ()),
                "width": 3,
                "max_length": 6,
                "alpha": 1.5,
            },
            "logits in the thousands": lambda rng: {
                **search_args(8, (), sure=1000.0),
                "width": 2,
                "max_length": 5,
                "alpha": 1.0,
            },
        },
        mistakes={
            "This is what greedy decoding writes; the beam holds width beginnings.": lambda **a: (
                beam(**{**a, "width": 1})
            ),
            "The states were not moved with their beginnings: a continuation goes on from the state of its own beginning.": (
                lambda **a: beam(**a, moved=False)
            ),
            "The likelihoods were not divided by |y|^α, which favours short sequences.": (
                lambda **a: beam(**a, divided=False)
            ),
            "The search stopped at the first finished sequence; a later one can be better.": (
                lambda **a: beam(**a, first=True)
            ),
            "The logits were added up; it is their log-softmax.": lambda **a: beam(
                **a, logarithm=False
            ),
            "Each beginning was continued with its own best symbol only; the width best of all continuations stay.": (
                lambda **a: beam(**a, per_beginning=True)
            ),
            "Unfinished beginnings took the places of those that ended; of the width likeliest, ended or not, only the unfinished go on.": (
                lambda **a: beam(**a, refilled=True)
            ),
            "What was left at the end competed with the finished; an unfinished beginning wins only if none is finished.": (
                lambda **a: beam(**a, competing=True)
            ),
            "The exponentials of large logits overflowed: subtract the largest logit first.": (
                lambda **a: beam(**a, shift=False)
            ),
            "log_p was divided by |y|^α; what is returned is the log-likelihood itself.": (
                lambda **a: beam(**a, drop=True)
            ),
        },
    ),
}
