"""Chapter 1: targets as inputs, and sequences that a network writes by itself."""

from typing import Any

import numpy as np

from lib import tree, validate
from lib.activations import softmax
from lib.cell import Layer, State, require_causal
from lib.data import one_hot


def shift(tokens: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """Make the inputs x^(t) = y^(t−1) of targets (T, N, …), the first being ``seed`` (N, …).

    Raises
    ------
    ValueError
        Where the seed is not shaped as one step.

    Equations: rnn-feedback.
    """
    seed = np.asarray(seed)
    validate.shape("seed", seed, np.shape(tokens)[1:])
    return np.concatenate([seed[None], tokens[:-1]])


def sample(logits: np.ndarray, rng: np.random.Generator, temperature: float = 1.0) -> np.ndarray:
    """Draw classes (N,) from softmax(s / temperature), s (N, K); 0 takes the largest logit.

    Raises
    ------
    ValueError
        Where logits are not (N, K), or the temperature is negative or no number.

    Equations: rnn-temperature.
    """
    validate.array("logits", logits, ("N", "K"))
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature: expected a number of at least 0, got {temperature}")
    if temperature == 0:
        return logits.argmax(axis=-1)
    cumulative = softmax((logits - logits.max(axis=-1, keepdims=True)) / temperature).cumsum(-1)
    draws = rng.random((len(logits), 1)) * cumulative[:, -1:]
    return (cumulative <= draws).sum(axis=-1).clip(max=logits.shape[1] - 1)


def generate(
    network: Layer,
    params: Any,
    seed: np.ndarray,
    steps: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    end: int | None = None,
    state: State | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Write sequences: each output, drawn, is the next input.

    Parameters
    ----------
    network : Layer
        From one-hot inputs to logits, both of K classes: a :class:`lib.networks.ManyToMany`,
        with a :class:`lib.networks.VectorInput` in it for one-to-many.
    params : its parameters
    seed : integers (N,)
        y^(0), the first input.
    steps : int
        The longest sequence written.
    rng : Generator
    temperature : float
        See :func:`sample`.
    end : int, optional
        The end symbol: a row is over once it is drawn, and filled up with it.
    state : optional
        Where to start, for instance ``layer.start(vector)``.

    Returns
    -------
    tokens : integers (T, N)
        T is ``steps``, or less where all rows are over earlier.
    lengths : integers (N,)
        Tokens of each row, the end symbol included.

    Raises
    ------
    ValueError
        Where a size does not fit or a token is no class.

    Equations: rnn-feedback, rnn-temperature.
    """
    validate.positive("steps", steps)
    require_causal("network", network)
    if network.input_size != network.output_size:
        raise ValueError(
            f"network: expected as many outputs as inputs, got {network.output_size} "
            f"and {network.input_size}"
        )
    token = validate.integers("seed", seed, ("N",), 0, network.output_size - 1)
    if end is not None:
        validate.integers("end", np.asarray(end), (), 0, network.output_size - 1)
    lengths, over = np.zeros(len(token), int), np.zeros(len(token), bool)
    written: list[np.ndarray] = []
    dtype = tree.leaves(params)[0].dtype
    while len(written) < steps and not over.all():
        logits, state, _ = network.forward(
            params, one_hot(token[None], network.input_size, dtype), state, None
        )
        drawn = sample(logits[0], rng, temperature)
        token = drawn if end is None else np.where(over, end, drawn)
        lengths += ~over
        over |= token == end
        written.append(token)
    return np.stack(written), lengths
