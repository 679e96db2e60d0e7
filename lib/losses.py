"""Losses over sequences, each with its gradient, and the mask of a padded batch.

All are *sums* over the time steps of a sequence and *means* over the batch, so that
the gradient's size does not depend on the batch size. The gradient has the logits' dtype.

Where the mask is 0, nothing matters: logits may be infinite or NaN there, and targets no
class. Arguments that do not fit raise ``ValueError`` naming them.
"""

import numpy as np

from lib import validate
from lib.activations import log_softmax, sigmoid
from lib.masks import live_steps


def _weights(
    mask: np.ndarray | None, shape: tuple[int, ...], dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray | None]:
    """Weight of each step, mask / N of ``shape`` (…, N), and where it is not 0."""
    if mask is None:
        return np.full(shape, 1.0 / shape[-1], dtype), None
    weight = (validate.array("mask", mask, shape) / shape[-1]).astype(dtype)
    if not np.isfinite(weight).all():
        raise ValueError("mask: expected finite weights, got inf")
    return weight, weight != 0


def length_mask(lengths: np.ndarray, steps: int) -> np.ndarray:
    """Return the mask (T, N) that is 1.0 where t < length and 0.0 on padding.

    Parameters
    ----------
    lengths : integers (N,)
    steps : int
        T.

    Raises
    ------
    ValueError
        Where a length is below 1 or above ``steps``.

    Equations: rnn-mask.
    """
    steps = validate.positive("steps", steps)
    lengths = validate.integers("lengths", lengths, ("N",), 1, steps)
    return live_steps(lengths, steps, len(lengths)).astype(np.float64)


def _door(name: str, value: np.ndarray, last: tuple[str, ...]) -> tuple[int, ...]:
    """Check an array of any axes before the ``last`` ones; return its shape."""
    if np.ndim(value) < len(last):
        validate.shape(name, value, last)
    return validate.floating(name, value, [f"d{k}" for k in range(np.ndim(value))]).shape


def cross_entropy(
    logits: np.ndarray, targets: np.ndarray, mask: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Cross-entropy of softmax outputs, and its gradient for the logits.

    Parameters
    ----------
    logits : array (…, N, K)
        s; time, where there is one, comes first.
    targets : integers (…, N)
        Class of each step, from 0 to K − 1.
    mask : array (…, N), optional
        Weight of each step: 0 on padding.

    Returns
    -------
    loss : float
        Sum over time, mean over the N examples, in nats.
    dlogits : array (…, N, K)
        (o − y) / N, times the mask.

    Equations: rnn-loss, log-sum-exp, bptt-logits.
    """
    shape = _door("logits", logits, ("N", "K"))
    weight, live = _weights(mask, shape[:-1], logits.dtype)
    logits = validate.array("logits", logits, shape, live)
    targets = validate.integers("targets", targets, shape[:-1], 0, shape[-1] - 1, live)
    log_o = log_softmax(logits, name="logits")
    picked = np.take_along_axis(log_o, targets[..., None], axis=-1)
    loss = -float((picked[..., 0] * weight).sum())
    dlogits = np.exp(log_o)
    np.put_along_axis(dlogits, targets[..., None], np.expm1(picked), axis=-1)
    return loss, dlogits * weight[..., None]


def perplexity(logits: np.ndarray, targets: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Exponential of the mean negative log-likelihood of a symbol.

    K for a model that knows nothing, 1 for one that is always sure and right; infinite where
    the mean is above what a float's exponential can hold.

    Parameters
    ----------
    logits : array (…, N, K)
    targets : integers (…, N)
    mask : array (…, N), optional
        Weight of each step: 0 on padding.

    Raises
    ------
    ValueError
        Where shapes do not fit, a target is no class, or the mask is zero everywhere.

    Equations: rnn-perplexity.
    """
    loss, _ = cross_entropy(logits, targets, mask)
    symbols = np.size(targets) if mask is None else float(mask.sum(dtype=np.float64))
    if symbols == 0:
        raise ValueError("mask: expected a weight above 0 somewhere, got none")
    with np.errstate(over="ignore"):
        return float(np.exp(loss * logits.shape[-2] / symbols))


def squared_error(
    outputs: np.ndarray, targets: np.ndarray, mask: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Half squared error ½‖y − target‖², and its gradient for the outputs.

    Parameters
    ----------
    outputs, targets : arrays (…, N, K)
    mask : array (…, N), optional

    Returns
    -------
    loss : float
        Sum over time and features, mean over the N examples.
    doutputs : array (…, N, K)
    """
    shape = _door("outputs", outputs, ("N", "K"))
    weight, live = _weights(mask, shape[:-1], outputs.dtype)
    outputs = validate.array("outputs", outputs, shape, live)
    targets = validate.array("targets", targets, shape, live).astype(outputs.dtype)
    difference = outputs - targets
    doutputs = difference * weight[..., None]
    return 0.5 * float((difference * doutputs).sum()), doutputs


def binary_cross_entropy(
    logits: np.ndarray, targets: np.ndarray, mask: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Cross-entropy of sigmoid outputs, and its gradient for the logits.

    Parameters
    ----------
    logits : array (…, N)
    targets : array (…, N)
        Probabilities, usually 0.0 or 1.0.
    mask : array (…, N), optional

    Returns
    -------
    loss : float
        Sum over time, mean over the N examples, in nats.
    dlogits : array (…, N)
        (σ(s) − y) / N, times the mask.
    """
    shape = _door("logits", logits, ("N",))
    weight, live = _weights(mask, shape, logits.dtype)
    logits = validate.array("logits", logits, shape, live)
    targets = validate.array("targets", targets, shape, live).astype(logits.dtype)
    if not np.isfinite(logits).all():
        raise ValueError("logits: expected finite numbers, got inf")
    if targets.min() < 0 or targets.max() > 1:
        raise ValueError(
            f"targets: expected probabilities from 0 to 1, got {targets.min()} to {targets.max()}"
        )
    # −log σ(s) = log(1 + exp(−s)); of the difference σ(s) − y nothing cancels in this form.
    loss = targets * np.logaddexp(0, -logits) + (1 - targets) * np.logaddexp(0, logits)
    dlogits = (1 - targets) * sigmoid(logits) - targets * sigmoid(-logits)
    return float((loss * weight).sum()), dlogits * weight
