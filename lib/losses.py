"""Losses over sequences, each with its gradient, and the mask of a padded batch.

All are *sums* over the time steps of a sequence and *means* over the batch, so that
the gradient's size does not depend on the batch size.
"""

import numpy as np

from lib import validate
from lib.activations import log_softmax, sigmoid


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
    lengths = validate.integers("lengths", lengths, ("N",), 1, steps)
    return (np.arange(steps)[:, None] < lengths).astype(np.float64)


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

    Raises
    ------
    ValueError
        Where shapes do not fit or a target is no class.

    Equations: rnn-loss, log-sum-exp, bptt-logits.
    """
    if logits.ndim < 2:
        raise ValueError(f"logits: expected shape (T, N, K) or (N, K), got {logits.shape}")
    validate.array("logits", logits, [f"d{k}" for k in range(logits.ndim)])
    targets = validate.integers("targets", targets, logits.shape[:-1], 0, logits.shape[-1] - 1)
    batch = logits.shape[-2]
    log_o = log_softmax(logits)
    weight = np.full(targets.shape, 1.0 / batch, logits.dtype)
    if mask is not None:
        weight = weight * validate.array("mask", mask, targets.shape).astype(logits.dtype)
    picked = np.take_along_axis(log_o, targets[..., None], axis=-1)
    loss = -float((picked[..., 0] * weight).sum())
    dlogits = np.exp(log_o, out=log_o)
    np.put_along_axis(dlogits, targets[..., None], np.exp(picked) - 1, axis=-1)
    dlogits *= weight[..., None]
    return loss, dlogits


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
    symbols = np.size(targets) if mask is None else float(mask.sum())
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

    Raises
    ------
    ValueError
        Where shapes do not fit.
    """
    if outputs.ndim < 2:
        raise ValueError(f"outputs: expected shape (T, N, K) or (N, K), got {outputs.shape}")
    validate.array("outputs", outputs, [f"d{k}" for k in range(outputs.ndim)])
    validate.array("targets", targets, outputs.shape)
    difference = outputs - targets
    doutputs = difference / outputs.shape[-2]
    if mask is not None:
        doutputs *= validate.array("mask", mask, outputs.shape[:-1])[..., None].astype(
            outputs.dtype
        )
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

    Raises
    ------
    ValueError
        Where shapes do not fit.
    """
    validate.array("logits", logits, [f"d{k}" for k in range(logits.ndim)])
    validate.array("targets", targets, logits.shape)
    weight = np.full(logits.shape, 1.0 / logits.shape[-1], logits.dtype)
    if mask is not None:
        weight = weight * validate.array("mask", mask, logits.shape).astype(logits.dtype)
    # softplus(s) − y·s, in the form that cannot overflow
    loss = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
    return float((loss * weight).sum()), (sigmoid(logits) - targets) * weight
