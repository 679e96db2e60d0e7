"""A small network that writes ISO dates as people do, for a search to be watched.

A date is told in one of four ways. Two of five people leave out the year: "mar 12". The
others give it, in one of three ways that begin alike: "12.3.1987", "12/3/1987",
"12 march 1987". So the likeliest first character does not begin the likeliest answer, and the
likeliest answer is the shortest. Some minutes on one core.
"""

import datetime
from typing import Any, NamedTuple

import numpy as np

from lib import tree
from lib.data import EOS, Vocabulary
from lib.dates import FIRST_YEAR, LAST_YEAR
from lib.encoder_decoder import EncoderDecoder
from lib.gru import GRU
from lib.optim import Adam
from lib.training import fit, minibatches, pad

STEPS, TRAINED, BATCH = 2500, 12_000, 64
EMBEDDING, HIDDEN = 8, 40
STYLES = ("{mon} {d}", "{d}.{m}.{year}", "{d}/{m}/{year}", "{d} {month} {year}")
SHARES = (0.4, 0.2, 0.2, 0.2)
SHOWN = ("1987-03-12", "2024-11-05", "1969-07-20", "2001-01-31", "1999-12-24", "2038-05-09")
SOURCE = Vocabulary(tuple("-0123456789"))
TARGET = Vocabulary((EOS, *" ./0123456789abcdefghijklmnopqrstuvwxyz"))

MODEL = EncoderDecoder(
    GRU(EMBEDDING, HIDDEN),
    GRU(EMBEDDING + HIDDEN, HIDDEN),
    SOURCE.size,
    TARGET.size,
)


class Told(NamedTuple):
    """Dates and how they are told."""

    xs: np.ndarray
    """ISO dates (10, N)."""
    targets: np.ndarray
    """Dates as told, ended by ``<EOS>`` (T, N)."""
    lengths: np.ndarray
    """Lengths of the targets (N,)."""

    @property
    def size(self) -> int:
        """Number of examples N."""
        return self.xs.shape[1]

    def take(self, rows: np.ndarray) -> "Told":
        """Return the examples ``rows``."""
        lengths = self.lengths[rows]
        return Told(self.xs[:, rows], self.targets[: lengths.max(), rows], lengths)


def told(date: datetime.date, style: str) -> str:
    """Write a date in a style."""
    month = date.strftime("%B").lower()
    return style.format(d=date.day, m=date.month, year=date.year, month=month, mon=month[:3])


def data() -> Told:
    """Draw dates, and for each a way of telling it."""
    rng = np.random.default_rng([21, 2])
    first = datetime.date(FIRST_YEAR, 1, 1)
    days = (datetime.date(LAST_YEAR, 12, 31) - first).days + 1
    drawn = [first + datetime.timedelta(int(day)) for day in rng.integers(days, size=TRAINED)]
    styles = rng.choice(STYLES, size=TRAINED, p=SHARES)
    xs = np.array([SOURCE.encode(date.isoformat()) for date in drawn]).T
    targets, lengths = pad(
        [TARGET.encode(told(d, s), end=True) for d, s in zip(drawn, styles, strict=True)]
    )
    return Told(xs, targets, lengths)


def train(steps: int = STEPS) -> tuple[Any, np.ndarray]:
    """Return parameters and the loss of each step."""
    rng = np.random.default_rng([21, 3])
    start = tree.tree_map(lambda p: p.astype(np.float32), MODEL.init(rng))
    fitted = fit(
        lambda params, batch: MODEL.loss_and_gradient(
            params, batch.xs, batch.targets, None, batch.lengths
        ),
        start,
        minibatches(data(), BATCH, rng),
        Adam(8e-3, clip_norm=1.0),
        steps,
        quiet=True,
    )
    return fitted.params, fitted.history.loss


def figure(params: Any) -> dict[str, Any]:
    """Return the decoder's weights, rounded, and context and first state of each date shown."""
    rounded = tree.tree_map(lambda p: p.astype(np.float64).round(3), params)
    sources = np.array([SOURCE.encode(date) for date in SHOWN]).T
    memory, state, _ = MODEL.begin(rounded, sources)
    return {
        "symbols": list(TARGET.symbols),
        "read": list(SHOWN),
        "contexts": memory.context.round(4).tolist(),
        "states": state.h.round(4).tolist(),
        "weights": {
            "target": rounded.target.tolist(),
            "decoder": {k: getattr(rounded.writer.decoder, k).tolist() for k in "UWb"},
            "output": {"W": rounded.output.V.tolist(), "b": rounded.output.c.tolist()},
        },
    }
