"""The three ways in which a written sequence ends, and its likelihood, the end included.

A sequence ends with an end symbol, which is a symbol as any other (:class:`EndSymbol`); with
a sigmoid unit that says at each step whether to stop (:class:`StopUnit`); or at a length that
was predicted beforehand, p(y) = p(τ) p(y | τ) (:class:`LengthFirst`). Arguments that do not
fit raise ``ValueError`` naming them; what stands beyond a sequence's length may be anything.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib import validate
from lib.activations import log_softmax
from lib.dense import Affine, affine, affine_backward, affine_init
from lib.losses import binary_cross_entropy, cross_entropy, length_mask


class Predictions(NamedTuple):
    """A model's logits for a target sequence, and their gradient."""

    tokens: np.ndarray
    """Of each symbol (T_y, N, K)."""
    stop: np.ndarray | None = None
    """Of ending after each step (T_y, N), with a stop unit."""
    length: np.ndarray | None = None
    """Of each length 1 … L (N, L), where it comes first."""


class Ending:
    """What every ending says, unless it has more to say."""

    width = 0
    """Numbers that the decoder is told at each step beside the symbol."""

    def check(self, target_size: int) -> None:
        """Check that it fits a model of ``target_size`` symbols."""

    def shapes(self, hidden_size: int, context_size: int) -> Affine | None:
        """Return the shapes of its parameters, or ``None``."""
        return None

    def init(self, rng: np.random.Generator, hidden_size: int, context_size: int) -> Affine | None:
        """Draw parameters that read the decoder's states or the context."""
        return None

    def tell(self, embedded: np.ndarray, remaining: np.ndarray | None) -> np.ndarray:
        """Make the decoder's input (…, N, D + width) of symbols and of the steps left (…, N)."""
        return embedded

    def stop(self, params: Affine | None, hs: np.ndarray) -> np.ndarray | None:
        """Logits (…, N) of stopping, from states (…, N, H)."""
        return None

    def length(self, params: Affine | None, context: np.ndarray) -> np.ndarray | None:
        """Logits (N, L) of each length, from the context (N, C)."""
        return None

    def backward(
        self,
        params: Affine | None,
        hs: np.ndarray,
        context: np.ndarray,
        dpredictions: Predictions,
    ) -> tuple[Affine | None, np.ndarray, np.ndarray]:
        """Gradients of params, of ``hs`` (T_y, N, H) and of ``context`` (N, C)."""
        return None, np.zeros_like(hs), np.zeros_like(context)

    def log_probabilities(
        self, predictions: Predictions, remaining: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log-probability of going on, and of ending, after each symbol of a step: (N, K)."""
        raise NotImplementedError


def _certain(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities where the end is no question."""
    return np.where(ends, -np.inf, 0.0), np.where(ends, 0.0, -np.inf)


@dataclass(frozen=True)
class EndSymbol(Ending):
    """The sequence ends where the symbol ``end`` is written.

    Parameters
    ----------
    end : int

    Equations: encoder-decoder-end-symbol.
    """

    end: int = 0

    def check(self, target_size: int) -> None:
        """Check that the end symbol is one."""
        validate.integers("end", np.asarray(self.end), (), 0, target_size - 1)

    def log_probabilities(
        self, predictions: Predictions, remaining: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The end symbol ends it, no other does.

        Equations: encoder-decoder-end-symbol.
        """
        N, K = predictions.tokens.shape
        return _certain(np.broadcast_to(np.arange(K) == self.end, (N, K)))


@dataclass(frozen=True)
class StopUnit(Ending):
    """A sigmoid unit at every step says whether it was the last.

    Equations: encoder-decoder-stop.

    Source: Goodfellow, Bengio and Courville (2016), section 10.2.3.
    """

    def shapes(self, hidden_size: int, context_size: int) -> Affine:
        """Return the shapes of w and w_0."""
        return Affine((1, hidden_size), (1,))  # type: ignore[arg-type]

    def init(self, rng: np.random.Generator, hidden_size: int, context_size: int) -> Affine:
        """Draw w and w_0."""
        return affine_init(rng, hidden_size, 1)

    def stop(self, params: Affine | None, hs: np.ndarray) -> np.ndarray:
        """Compute z = wᵀ s + w_0.

        Equations: encoder-decoder-stop.
        """
        assert params is not None
        return affine(params, hs)[..., 0]

    def backward(
        self,
        params: Affine | None,
        hs: np.ndarray,
        context: np.ndarray,
        dpredictions: Predictions,
    ) -> tuple[Affine | None, np.ndarray, np.ndarray]:
        """Carry ∇_z back to the states.

        Equations: encoder-decoder-output-backward.
        """
        assert params is not None
        dstop = validate.array("dpredictions.stop", dpredictions.stop, hs.shape[:2])  # type: ignore[arg-type]
        dparams, dhs = affine_backward(params, hs, dstop[..., None])
        return dparams, dhs, np.zeros_like(context)

    def log_probabilities(
        self, predictions: Predictions, remaining: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The unit ends it, whatever the symbol.

        Equations: encoder-decoder-stop.
        """
        assert predictions.stop is not None
        log_go, log_end = log_stopping(predictions.stop)
        shape = predictions.tokens.shape
        return np.broadcast_to(log_go[:, None], shape), np.broadcast_to(log_end[:, None], shape)


@dataclass(frozen=True)
class LengthFirst(Ending):
    """The length τ is predicted from the context; each step is told (τ − i + 1) / ``longest``.

    Parameters
    ----------
    longest : int
        L, the greatest length.

    Equations: encoder-decoder-length.

    Source: Goodfellow, Bengio and Courville (2016), section 10.2.3.
    """

    longest: int
    width = 1

    def __post_init__(self) -> None:
        validate.positive("longest", self.longest)

    def shapes(self, hidden_size: int, context_size: int) -> Affine:
        """Return the shapes of the softmax over lengths."""
        return Affine((self.longest, context_size), (self.longest,))  # type: ignore[arg-type]

    def init(self, rng: np.random.Generator, hidden_size: int, context_size: int) -> Affine:
        """Draw the softmax over lengths."""
        return affine_init(rng, context_size, self.longest)

    def tell(self, embedded: np.ndarray, remaining: np.ndarray | None) -> np.ndarray:
        """Put the part of the length that is left beside the symbol.

        Equations: encoder-decoder-length.
        """
        assert remaining is not None
        left = (remaining / self.longest).astype(embedded.dtype)
        return np.concatenate([embedded, left[..., None]], axis=-1)

    def length(self, params: Affine | None, context: np.ndarray) -> np.ndarray:
        """Compute the logits of each length.

        Equations: encoder-decoder-length.
        """
        assert params is not None
        return affine(params, context)

    def backward(
        self,
        params: Affine | None,
        hs: np.ndarray,
        context: np.ndarray,
        dpredictions: Predictions,
    ) -> tuple[Affine | None, np.ndarray, np.ndarray]:
        """Carry the gradient of the length's logits back to the context.

        Equations: encoder-decoder-context-backward.
        """
        assert params is not None
        wanted = (len(context), self.longest)
        dlength = validate.array("dpredictions.length", dpredictions.length, wanted)  # type: ignore[arg-type]
        dparams, dcontext = affine_backward(params, context, dlength)
        return dparams, np.zeros_like(hs), dcontext

    def log_probabilities(
        self, predictions: Predictions, remaining: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The last of the steps that were announced ends it.

        Equations: encoder-decoder-length.
        """
        assert remaining is not None
        return _certain(np.broadcast_to(remaining[:, None] == 1, predictions.tokens.shape))


def _check_targets(
    predictions: Predictions, targets: np.ndarray, lengths: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check, and return targets, lengths and the mask of what is no padding (T_y, N)."""
    T, N, K = validate.floating("predictions.tokens", predictions.tokens, ("T", "N", "K")).shape
    longest = T
    if predictions.stop is not None:
        validate.floating("predictions.stop", predictions.stop, (T, N))
    if predictions.length is not None:
        length = validate.floating("predictions.length", predictions.length, (N, "L"))
        longest = min(T, length.shape[1])
    lengths = np.full(N, T) if lengths is None else lengths
    lengths = validate.integers("lengths", lengths, (N,), 1, longest)
    live = length_mask(lengths, T)
    return validate.integers("targets", targets, (T, N), 0, K - 1, live > 0), lengths, live


def loss(
    predictions: Predictions, targets: np.ndarray, lengths: np.ndarray | None = None
) -> tuple[float, Predictions]:
    """Negative joint log-likelihood −log p(y | x), and its gradient for the logits.

    Parameters
    ----------
    predictions : Predictions
    targets : integers (T_y, N)
        With ``ending="symbol"``, each sequence's last is the end symbol.
    lengths : integers (N,), optional

    Returns
    -------
    loss : float
        Sum over time, mean over the N examples, in nats.
    dpredictions : Predictions

    Equations: encoder-decoder-likelihood, encoder-decoder-stop, encoder-decoder-length.
    """
    targets, lengths, live = _check_targets(predictions, targets, lengths)
    tokens, stop, length = predictions
    total, dtokens = cross_entropy(tokens, targets, live)
    dstop = dlength = None
    if stop is not None:
        last = np.arange(len(live))[:, None] == lengths - 1
        more, dstop = binary_cross_entropy(stop, last.astype(stop.dtype), live)
        total += more
    if length is not None:
        more, dlength = cross_entropy(length, lengths - 1)
        total += more
    return total, Predictions(dtokens, dstop, dlength)


def log_likelihood(
    predictions: Predictions, targets: np.ndarray, lengths: np.ndarray | None = None
) -> np.ndarray:
    """Joint log-likelihood log p(y | x) of each example (N,), in nats.

    Arguments and errors as in :func:`loss`, which is its negative mean.

    Equations: encoder-decoder-likelihood, encoder-decoder-stop, encoder-decoder-length.
    """
    targets, lengths, live = _check_targets(predictions, targets, lengths)
    tokens, stop, length = predictions
    tokens = validate.array("predictions.tokens", tokens, tokens.shape, live > 0)
    log_o = np.take_along_axis(log_softmax(tokens), targets[..., None], axis=-1)[..., 0]
    total = np.where(live > 0, log_o, 0).sum(axis=0)
    if stop is not None:
        last = np.arange(len(live))[:, None] == lengths - 1
        log_go, log_stop = log_stopping(
            validate.array("predictions.stop", stop, live.shape, live > 0)
        )
        total += np.where(live > 0, np.where(last, log_stop, log_go), 0).sum(axis=0)
    if length is not None:
        total += log_softmax(length)[np.arange(len(lengths)), lengths - 1]
    return total


def log_stopping(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of going on, log(1 − σ(z)), and of stopping, log σ(z).

    Equations: encoder-decoder-stop.
    """
    z = validate.floats("logits", logits)
    return -np.logaddexp(0, z), -np.logaddexp(0, -z)
