"""Mini-batches of padded sequences, and a training loop with a history."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from lib import showing, tree, validate
from lib.optim import Optimiser


class Examples(Protocol):
    """A data set that can be cut into batches, such as ``lib.data.Batch``."""

    @property
    def size(self) -> int:
        """Number of examples N."""

    def take(self, rows: np.ndarray) -> Self:
        """Return the examples ``rows`` (M,), padded no further than the longest needs."""


Data = TypeVar("Data", bound=Examples)


def pad(sequences: Sequence[np.ndarray], value: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Put sequences of different lengths into one time-major array.

    Parameters
    ----------
    sequences : N arrays (T_n, …), T_n ≥ 1
    value : number
        What stands on padding.

    Returns
    -------
    padded : array (T, N, …)
        T is the longest length; of the dtype that holds all sequences' numbers.
    lengths : integers (N,)

    Raises
    ------
    ValueError
        Where there is no sequence, one is empty or not of real numbers, their steps differ in
        shape, or a number cannot be kept: ``value`` in the dtype of the sequences, or an
        integer among floats.

    Examples
    --------
    >>> pad([np.array([1, 2, 3]), np.array([4])])[0].T
    array([[1, 2, 3],
           [4, 0, 0]])
    """
    arrays = [
        validate.plain(f"sequences[{n}]", sequence, ("T",))
        if isinstance(sequence, np.ndarray)
        else np.asarray(sequence)
        for n, sequence in enumerate(sequences)
    ]
    if not arrays:
        raise ValueError("sequences: expected at least one, got none")
    tail = arrays[0].shape[1:]
    for n, array in enumerate(arrays):
        validate.shape(f"sequences[{n}]", array, ("T", *tail))
    dtype = np.result_type(*arrays)
    if dtype.kind not in "biuf":
        raise ValueError(f"sequences: expected real numbers, got {dtype}")
    lengths = np.array([len(array) for array in arrays])
    padded = np.full((lengths.max(), len(arrays), *tail), _kept("value", value, dtype), dtype)
    for n, array in enumerate(arrays):
        padded[: len(array), n] = _kept(f"sequences[{n}]", array, dtype)
    return padded, lengths


def _kept(name: str, value: Any, dtype: np.dtype) -> np.ndarray:
    """Cast to ``dtype``, and check that what was a number still is the same one."""
    given = np.asarray(value)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            cast = given.astype(dtype)
            exact = given.dtype.kind == "f" == dtype.kind or bool(
                ((cast == given) & (cast.astype(given.dtype) == given)).all()
            )
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact:
        raise ValueError(f"{name}: expected numbers that {dtype} can hold, got {value!r}")
    return cast


def minibatches(
    data: Data, batch_size: int, rng: np.random.Generator, pool: int = 1
) -> Iterator[Data]:
    """Yield batches without end, shuffling anew in every pass over the data.

    A pass leaves out what does not fill a last batch; the next pass draws it again.

    Parameters
    ----------
    data : Examples
        With ``size`` and ``take``; where it has ``lengths``, batches are cut to them.
    batch_size : int
        From 1 to ``data.size``.
    rng : np.random.Generator
    pool : int
        Sort by length within ``pool`` batches at a time, so that a batch holds
        sequences of like length and little padding; needs ``data.lengths``.

    Raises
    ------
    ValueError
        Where a size does not fit, or there are no lengths to sort by.
    """
    validate.positive("batch_size", batch_size)
    validate.positive("pool", pool)
    if batch_size > data.size:
        raise ValueError(f"batch_size: expected at most {data.size} examples, got {batch_size}")
    lengths = getattr(data, "lengths", None)
    if pool > 1 and lengths is None:
        raise ValueError("pool: expected 1 for data without lengths, got " + str(pool))
    return _minibatches(data, batch_size, rng, pool, lengths)


def _minibatches(
    data: Data, batch_size: int, rng: np.random.Generator, pool: int, lengths: np.ndarray | None
) -> Iterator[Data]:
    while True:
        order = rng.permutation(data.size)
        for start in range(0, data.size - batch_size + 1, batch_size * pool):
            rows = order[start : start + batch_size * pool]
            rows = rows[: len(rows) // batch_size * batch_size]
            if pool > 1 and lengths is not None:
                rows = rows[np.argsort(lengths[rows], kind="stable")]
            groups = rows.reshape(-1, batch_size)
            for group in rng.permutation(groups) if pool > 1 else groups:
                yield data.take(group)


class History(NamedTuple):
    """What happened in training, one entry a step (K,) or an evaluation (E,)."""

    loss: np.ndarray
    """Loss of each step's batch before the step (K,)."""
    gradient_norm: np.ndarray
    """Norm of each step's gradient before clipping (K,)."""
    evaluated_at: np.ndarray
    """Number of steps taken before each evaluation (E,)."""
    evaluation: np.ndarray
    """What ``evaluate`` returned (E,)."""


class Fit(NamedTuple):
    """The result of training."""

    params: Any
    """The last parameters; with ``patience``, those of the best evaluation."""
    history: History
    """Losses, gradient norms and evaluations."""
    reason: str
    """Why it ended: ``"steps"``, ``"reached"``, ``"patience"`` or ``"diverged"``."""


class _Watch:
    """Evaluations so far, the best of them, and whether it is time to stop."""

    def __init__(self, goal: float | None, patience: int | None) -> None:
        self.goal, self.patience = goal, patience
        self.at: list[int] = []
        self.values: list[float] = []
        self.best: tuple[float, Any] = (np.inf, None)
        self.worse = 0

    def see(self, step: int, value: float, params: Any) -> str | None:
        self.at.append(step)
        self.values.append(value)
        if value < self.best[0]:
            self.best, self.worse = (value, params), 0
        else:
            self.worse += 1
        if self.goal is not None and value <= self.goal:
            return "reached"
        return "patience" if self.patience is not None and self.worse >= self.patience else None


def fit(
    loss_and_gradient: Callable[[Any, Any], tuple[float, Any]],
    params: Any,
    batches: Iterable[Any],
    optimiser: Optimiser,
    steps: int,
    *,
    evaluate: Callable[[Any], float] | None = None,
    every: int = 50,
    goal: float | None = None,
    patience: int | None = None,
    quiet: bool = False,
) -> Fit:
    """Train for ``steps`` steps, or until the evaluation says to stop.

    Nothing here is random: what is random comes in with ``params`` and ``batches``.
    Training ends early, with ``reason="diverged"`` and the last finite parameters, where
    a loss or a gradient is not finite.

    Parameters
    ----------
    loss_and_gradient : callable
        ``(params, batch) -> (loss, dparams)``.
    params : tree of arrays
        Where to start; not modified.
    batches : iterable
        One batch a step; training ends (``"steps"``) where they run out.
    optimiser : Optimiser
    steps : int
    evaluate : callable, optional
        ``params -> number``, the lower the better, such as the error on held-out data;
        called after every ``every`` steps and after the last.
    every : int
    goal : float, optional
        Stop (``"reached"``) once an evaluation is at or below it.
    patience : int, optional
        Stop (``"patience"``) after that many evaluations in a row without a new best,
        and give back the parameters of the best.
    quiet : bool
        No progress bar. Without tqdm there is none either.

    Returns
    -------
    Fit
        Parameters, history and the reason for the end.

    Raises
    ------
    ValueError
        Where a setting is out of range, or ``goal`` or ``patience`` is given without
        ``evaluate``.
    """
    validate.positive("steps", steps)
    validate.positive("every", every)
    if patience is not None:
        validate.positive("patience", patience)
    if evaluate is None and (goal is not None or patience is not None):
        raise ValueError("evaluate: expected a function, since goal or patience is given, got None")
    state = optimiser.init(params)
    losses: list[float] = []
    norms: list[float] = []
    watch = _Watch(goal, patience)
    reason = None
    with _progress(steps, quiet) as bar:
        # zip asks range first, so that no batch is drawn from a shared iterator in vain.
        for _, batch in zip(range(steps), batches, strict=False):
            loss, grads = loss_and_gradient(params, batch)
            norm = tree.norm(grads)
            losses.append(float(loss))
            norms.append(norm)
            if not (np.isfinite(loss) and np.isfinite(norm)):
                reason = "diverged"
                break
            params, state = optimiser.update(params, grads, state)
            bar.update(1)
            bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
            if evaluate is not None and len(losses) % every == 0:
                reason = watch.see(len(losses), float(evaluate(params)), params)
                if reason:
                    break
    if reason is None and evaluate is not None and (not watch.at or watch.at[-1] != len(losses)):
        reason = watch.see(len(losses), float(evaluate(params)), params)
    if patience is not None and watch.best[1] is not None:
        params = watch.best[1]
    history = History(
        loss=np.array(losses),
        gradient_norm=np.array(norms),
        evaluated_at=np.array(watch.at, np.int64),
        evaluation=np.array(watch.values),
    )
    return Fit(params, history, reason or "steps")


class _Silent:
    """Stands in for a progress bar."""

    def __enter__(self) -> "_Silent":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, _: int) -> None:
        pass

    def set_postfix(self, **_: object) -> None:
        pass


def _progress(steps: int, quiet: bool) -> Any:
    if quiet:
        return _Silent()
    if showing.page is not None:
        return showing.Bar(steps)
    try:
        from tqdm import tqdm
    except ImportError:
        return _Silent()
    return tqdm(total=steps, unit="step", mininterval=0.5)
