"""Examples and named mistakes of chapter 2's visible checks."""

import numpy as np

from authoring.checks import ON_PADDING, Example, with_nan
from lib.codec import Expression

WITHHOLD = [
    "lib.losses.cross_entropy",
    "lib.gradient_check.numerical_gradient",
    "lib.gradient_check.compare",
    "lib.rnn.RNN.step_backward",
    "lib.fused_rnn.backward",
    "lib.networks.Output.backward",
    "lib.output_to_hidden.OutputToHidden.backward",
    "lib.output_to_hidden.OutputToHidden.backward_forced",
    "lib.output_to_hidden.OutputToHidden._collect",
]

PRINTED = (
    "This is the equation as the notes print it, with the slope 1 − h² after Wᵀ; it fails for "
    "H > 1, because the slope belongs to the unit that the error leaves, before Wᵀ mixes units."
)


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def output_args(rng):
    return {
        "os": softmax(rng.normal(size=(3, 2, 5))),
        "hs": rng.uniform(-1, 1, size=(3, 2, 4)),
        "targets": rng.integers(5, size=(3, 2)),
        "mask": np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]),
        "V": rng.normal(size=(5, 4)),
    }


def output(os, hs, targets, mask, V, sign=1, masked=True, mean=True, last=False, jacobian=False):
    ds = sign * (os - np.eye(len(V))[targets])
    if jacobian:
        ds = ds * os * (1 - os)
    if masked:
        ds = ds * mask[..., None]
    if mean:
        ds = ds / os.shape[1]
    used = slice(-1, None) if last else slice(None)
    dV = np.einsum("tnk,tnh->kh", ds[used], hs[used])
    return ds @ V, dV, ds[used].sum(axis=(0, 1))


def as_lengths(mask):
    return (np.arange(len(mask))[:, None] < mask.sum(axis=0)).astype(float)


def states(rng, shape, free=False):
    return rng.normal(scale=1.5, size=shape) if free else rng.uniform(-1, 1, size=shape)


def step_args(rng, N=2, D=3, H=4, free=False):
    return {
        "dh": rng.normal(size=(N, H)),
        "h": states(rng, (N, H), free),
        "h_prev": states(rng, (N, H), free),
        "x": rng.normal(size=(N, D)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)),
    }


def step(dh, h, h_prev, x, U, W, slope=lambda h: 1 - h**2, printed=False, straight=False, old=False,
         mean=False):  # fmt: skip
    delta = slope(h_prev if old else h) * dh
    dh_prev = (1 - h**2) * (dh @ W) if printed else delta @ (W.T if straight else W)
    scale = 1 / len(h) if mean else 1
    return (
        delta @ U,
        dh_prev,
        scale * delta.T @ x,
        scale * delta.T @ h_prev,
        scale * delta.sum(axis=0),
    )


def sequence_args(rng, T=4, N=2, D=5, H=3, free=False):
    return {
        "dhs": rng.normal(size=(T, N, H)),
        "hs": states(rng, (T, N, H), free),
        "h0": states(rng, (N, H), free),
        "xs": rng.normal(size=(T, N, D)),
        "U": rng.normal(size=(H, D)),
        "W": rng.normal(size=(H, H)),
    }


def free_sequence_args(rng):
    return sequence_args(rng, 6, 3, 2, 4, free=True)


def backward(
    dhs, hs, h0, xs, U, W, dh_last=None, lengths=None, k=None,
    carry=True, printed=False, late=False, overwrite=False, early=False, zero_start=False,
    ignore_padding=True, pass_through=True, shift=0, from_end=False, wrapped=False, once=False,
    restart=None,
):  # fmt: skip
    T, N, _ = xs.shape
    lengths = np.full(N, T) if lengths is None else lengths
    dxs, dU, dW, db = np.zeros_like(xs), np.zeros_like(U), np.zeros_like(W), np.zeros(len(W))
    dh = np.zeros_like(h0) if dh_last is None else dh_last
    for t in reversed(range(T)):
        if k and (T - 1 - t if from_end else t + 1 + shift) % k == 0 and (not once or t + 1 == k):
            dh = np.zeros_like(h0)
        live = (t < lengths)[:, None]
        into = dhs[t] + dh
        delta = np.where(live | (not ignore_padding), (1 - hs[t] ** 2) * into, 0.0)
        start = np.zeros_like(h0) if zero_start else hs[-1] if wrapped else h0
        before = hs[t] if late else hs[t - 1] if t else start
        if restart is not None and t % k == 0:
            before = restart * h0 if t else h0
        if overwrite:
            dU, dW, db = 0 * dU, 0 * dW, 0 * db
        dU, dW, db = dU + delta.T @ xs[t], dW + delta.T @ before, db + delta.sum(axis=0)
        dxs[t] = delta @ U
        back = (1 - hs[t] ** 2) * (into @ W) if printed else delta @ W
        if not carry:
            back = 0 * back
        dh = np.where(live, back, dh if pass_through else 0)
    return dxs, dh, dU, dW, db


def padded_args(rng):
    return {
        **sequence_args(rng),
        "dh_last": rng.normal(size=(2, 3)),
        "lengths": np.array([4, 2]),
    }


def unsorted_args(rng):
    return {
        **sequence_args(rng, 7, 3, 2, 5, free=True),
        "dh_last": rng.normal(size=(3, 5)),
        "lengths": np.array([4, 6, 1]),
    }


def sorted_batch(a):
    return {**a, "lengths": np.sort(a["lengths"])[::-1]}


def ended_with_first(a):
    return {**a, "lengths": np.minimum(a["lengths"], a["lengths"][0])}


def truncated_args(rng, T=6, k=4, **sizes):
    arguments = {**sequence_args(rng, T, **sizes), "k": k}
    del arguments["U"]
    return arguments


def four_windows_args(rng):
    return truncated_args(rng, 10, 3, N=3, D=2, H=4, free=True)


def one_window_args(rng):
    return truncated_args(rng, 3, 5)


def truncated(dhs, hs, h0, xs, W, k, **options):
    U = np.zeros((len(W), xs.shape[2]))
    return backward(dhs, hs, h0, xs, U, W, k=k, **options)[2:]


def forced_args(rng, free=False):
    logits = rng.normal(size=(3, 2, 5))
    return {
        "xs": rng.normal(size=(3, 2, 4)),
        "ys_prev": np.eye(5)[rng.integers(5, size=(3, 2))],
        "hs": states(rng, (3, 2, 6), free),
        "os": logits if free else softmax(logits),
        "ys": np.eye(5)[rng.integers(5, size=(3, 2))],
        "V": rng.normal(size=(5, 6)),
    }


def forced(xs, ys_prev, hs, os, ys, V, mean=True, slope=True, fed=None, sign=1, last=False):
    ds = sign * (os - ys) / (xs.shape[1] if mean else 1)
    deltas = (1 - hs**2 if slope else 1) * (ds @ V)
    fed = ys_prev if fed is None else fed(os, ys)
    if last:
        ds, deltas, xs, fed, hs = ds[-1:], deltas[-1:], xs[-1:], fed[-1:], hs[-1:]
    dU, dW = np.einsum("tnh,tnd->hd", deltas, xs), np.einsum("tnh,tnk->hk", deltas, fed)
    dV = np.einsum("tnk,tnh->kh", ds, hs)
    return dU, dW, deltas.sum(axis=(0, 1)), dV, ds.sum(axis=(0, 1))


def differences(f, x, epsilon, up=1.0, down=1.0, divide=2.0):
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += up * epsilon
        below[index] -= down * epsilon
        gradient[index] = (f(above) - f(below)) / (divide * epsilon)
    return gradient


def sticky(f, x, epsilon):
    gradient, moved = np.zeros_like(x), x.copy()
    for index in np.ndindex(x.shape):
        moved[index] += epsilon
        above = f(moved)
        moved[index] -= 2 * epsilon
        gradient[index] = (above - f(moved)) / (2 * epsilon)
    return gradient


def relative(
    analytic, numerical, floor, scaled=True, worst=np.max, together=False,
    total=lambda a, n: np.abs(a) + np.abs(n), difference=lambda a, n: np.abs(a - n),
):  # fmt: skip
    errors = difference(analytic, numerical)
    scale = np.maximum(total(analytic, numerical), floor)
    if together:
        return errors.max() / scale.max()
    return worst(errors / scale if scaled else errors)


FREE = "cached values that no forward pass gives"
WRAPPED = "At the first step hs[t − 1] is hs[−1], the last state; the old state is h0."
SORTED = "The batch was taken to be sorted by length; row n is real where t < lengths[n]."
ENDED = "The steps ended with the first sequence; others may be longer."
SEQUENCE = ("dxs", "dh0", "dU", "dW", "db")

EXAMPLES = {
    "output_backward": Example(
        args=output_args,
        outputs=("dhs", "dV", "dc"),
        time_major=("dhs",),
        mistakes={
            "The sign is wrong: the gradient of the logits is o − y, not y − o.": (
                lambda **a: output(**a, sign=-1)
            ),
            "The mask was ignored.": lambda **a: output(**a, masked=False),
            "The mask was read as lengths; it says of each step whether it counts.": lambda **a: (
                output(**{**a, "mask": as_lengths(a["mask"])})
            ),
            "The division by N is missing: the loss is a mean over the batch.": (
                lambda **a: output(**a, mean=False)
            ),
            "dV and dc hold the last step only; the output layer is shared, so all steps add up.": (
                lambda **a: output(**a, last=True)
            ),
            "The softmax was differentiated once more: o − y already is the gradient of the logits.": (
                lambda **a: output(**a, jacobian=True)
            ),
        },
    ),
    "rnn_step_backward": Example(
        args=step_args,
        also={f"other sizes, and {FREE}": lambda rng: step_args(rng, 3, 5, 2, free=True)},
        outputs=("dx", "dh_prev", "dU", "dW", "db"),
        mistakes={
            PRINTED: lambda **a: step(**a, printed=True),
            "delta @ W.T was computed; the row form of Wᵀ δ is delta @ W.": (
                lambda **a: step(**a, straight=True)
            ),
            "The slope 1 − h² is missing.": lambda **a: step(**a, slope=lambda h: 1),
            "The slope was taken as 1 − h; it is 1 − h².": lambda **a: step(
                **a, slope=lambda h: 1 - h
            ),
            "The slope was taken as 1 − tanh²(h), but h is already the output of the tanh.": (
                lambda **a: step(**a, slope=lambda h: 1 - np.tanh(h) ** 2)
            ),
            "The slope was taken at the old state; it is 1 − h² of the new one.": (
                lambda **a: step(**a, old=True)
            ),
            "The parameters' gradients were averaged over the batch; they add up.": (
                lambda **a: step(**a, mean=True)
            ),
        },
    ),
    "rnn_backward": Example(
        args=sequence_args,
        also={f"other sizes, and {FREE}": free_sequence_args},
        outputs=SEQUENCE,
        time_major=("dxs",),
        mistakes={
            "dh is not carried back: each step got the gradient of its own output only.": (
                lambda **a: backward(**a, carry=False)
            ),
            PRINTED: lambda **a: backward(**a, printed=True),
            "dW was built with h of the same step; W multiplied the state of the step before.": (
                lambda **a: backward(**a, late=True)
            ),
            "The parameters' gradients were overwritten at each step; they add up over time.": (
                lambda **a: backward(**a, overwrite=True)
            ),
            "At the first step the old state was taken as zero; it is h0.": (
                lambda **a: backward(**a, zero_start=True)
            ),
            WRAPPED: lambda **a: backward(**a, wrapped=True),
        },
    ),
    "rnn_backward_padded": Example(
        args=padded_args,
        also={
            f"the first sequence not the longest, and {FREE}": unsorted_args,
            ON_PADDING: with_nan(padded_args, "dhs"),
        },
        outputs=SEQUENCE,
        time_major=("dxs",),
        mistakes={
            "Padding was treated as real steps.": lambda **a: backward(
                **{**a, "lengths": np.array([4, 4])}
            ),
            "dh_last was lost on padding: there the gradient of the state passes through unchanged.": (
                lambda **a: backward(**a, pass_through=False)
            ),
            SORTED: lambda **a: backward(**sorted_batch(a)),
            ENDED: lambda **a: backward(**ended_with_first(a)),
            WRAPPED: lambda **a: backward(**a, wrapped=True),
            "dh_last was ignored.": lambda **a: backward(**{**a, "dh_last": 0 * a["dh_last"]}),
            "dh is not carried back from step to step.": lambda **a: backward(**a, carry=False),
            PRINTED: lambda **a: backward(**a, printed=True),
        },
    ),
    "truncated_backward": Example(
        args=truncated_args,
        also={
            f"four windows, and {FREE}": four_windows_args,
            "a window longer than the sequence": one_window_args,
        },
        outputs=("dU", "dW", "db"),
        mistakes={
            "Nothing was cut: this is full backpropagation through time.": lambda **a: truncated(
                **{**a, "k": 99}
            ),
            "Every step was cut: the error is carried within a window.": lambda **a: truncated(
                **{**a, "k": 1}
            ),
            "The windows were counted from the end of the sequence; they are counted from its start.": (
                lambda **a: truncated(**a, from_end=True)
            ),
            "The cut stands at the first step of a window, where t % k is 0; the step that gets nothing is the last, where (t + 1) % k is 0.": (
                lambda **a: truncated(**a, shift=-1)
            ),
            "The cut stands at the last step but one of a window; the step that gets nothing is the last.": (
                lambda **a: truncated(**a, shift=1)
            ),
            "dW was built with h of the same step; W multiplied the state of the step before.": (
                lambda **a: truncated(**a, late=True)
            ),
            WRAPPED: lambda **a: truncated(**a, wrapped=True),
            "Only the end of the first window was cut; every window's end is.": (
                lambda **a: truncated(**a, once=True)
            ),
            "dW of a window's first step was built with h0; the state runs on from the window before.": (
                lambda **a: truncated(**a, restart=1.0)
            ),
            "dW of a window's first step was built with zero; the state runs on from the window before.": (
                lambda **a: truncated(**a, restart=0.0)
            ),
        },
    ),
    "teacher_forced_backward": Example(
        args=forced_args,
        also={FREE: lambda rng: forced_args(rng, free=True)},
        outputs=("dU", "dW", "db", "dV", "dc"),
        mistakes={
            "dW was built with the outputs o; under teacher forcing W multiplied the label y'.": (
                lambda **a: forced(**a, fed=lambda os, ys: np.concatenate([0 * os[:1], os[:-1]]))
            ),
            "dW was built with the label of the same step; it is that of the step before.": (
                lambda **a: forced(**a, fed=lambda os, ys: ys)
            ),
            "The division by N is missing: the loss is a mean over the batch.": lambda **a: forced(
                **a, mean=False
            ),
            "The slope 1 − h² is missing.": lambda **a: forced(**a, slope=False),
            "The sign is wrong: the gradient of the logits is o − y.": lambda **a: forced(
                **a, sign=-1
            ),
            "Only the last step was used; all steps add up.": lambda **a: forced(**a, last=True),
        },
    ),
    "central_differences": Example(
        args=lambda rng: {
            "f": Expression("lambda x: (x**3).sum() + (x[0] * x[1]).sum()"),
            "x": rng.normal(size=(2, 3)),
            "epsilon": 0.1,
        },
        also={
            "x of three axes": lambda rng: {
                "f": Expression("lambda x: (x[0] * x[1]).sum()"),
                "x": rng.normal(size=(2, 3, 2)),
                "epsilon": 1e-3,
            },
            "x without axes": lambda rng: {
                "f": Expression("lambda x: float(np.sin(x))"),
                "x": np.array(rng.normal()),
                "epsilon": 1e-3,
            },
        },
        outputs=("gradient",),
        mistakes={
            "The difference goes to one side only: f(x + ε) − f(x).": lambda **a: differences(
                **a, down=0.0, divide=1.0
            ),
            "The difference was divided by ε; the points are 2ε apart.": lambda **a: differences(
                **a, divide=1.0
            ),
            "The sign is wrong: it is f(x + ε) − f(x − ε).": lambda **a: -differences(**a),
            "An entry was not put back before the next was moved.": sticky,
        },
    ),
    "relative_error": Example(
        args=lambda rng: {
            "analytic": np.array([5.0, -0.5, -0.1, 0.0, 0.3]),
            "numerical": np.array([5.6, -0.4, 0.3, 1e-9, 0.3]),
            "floor": 1e-6,
        },
        outputs=("error",),
        also={
            "noise on a zero entry": lambda rng: {
                "analytic": np.array([0.0, 2.0, -0.3, 4.0]),
                "numerical": np.array([1e-9, 1.0, -0.3, 4.1]),
                "floor": 1e-3,
            },
            "a matrix, the worst entry below the floor": lambda rng: {
                "analytic": np.array([[1e-4, 2.0, 0.3], [0.0, -3.0, 1.0]]),
                "numerical": np.array([[-2e-4, 2.1, 0.3], [0.0, -3.0, 1.0]]),
                "floor": 1e-3,
            },
        },
        mistakes={
            "The absolute error was returned; divide by the entries' size.": (
                lambda **a: relative(**a, scaled=False)
            ),
            "The mean was taken; the check looks at the worst entry.": (
                lambda **a: relative(**a, worst=np.mean)
            ),
            "The largest difference was divided by the largest sum; divide entry by entry, then take the worst.": (
                lambda **a: relative(**a, together=True)
            ),
            "The absolute values are missing in the denominator: a + n cancels for opposite signs.": (
                lambda **a: relative(**a, total=lambda a, n: np.abs(a + n))
            ),
            "The entries were divided by |a| alone; the denominator is |a| + |n|.": (
                lambda **a: relative(**a, total=lambda a, n: np.abs(a))
            ),
            "The absolute value of the difference is missing: a − n is below zero where a is the smaller.": (
                lambda **a: relative(**a, difference=lambda a, n: a - n)
            ),
            "The absolute value of the difference is missing: n − a is below zero where n is the smaller.": (
                lambda **a: relative(**a, difference=lambda a, n: n - a)
            ),
            "The floor is missing: noise on an entry that is zero counts as an error of one.": (
                lambda **a: relative(**{**a, "floor": 1e-300})
            ),
        },
    ),
}
