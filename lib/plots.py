"""Plots in one style, for chapter pages and notebooks.

Every plot is drawn dark on a white card (``CARD``), in the light theme of the book and
in the dark one, so that its colours are the same in both. Lines differ in colour,
dash and marker at once: they can be told apart without colour. matplotlib is imported
when the first plot is made, never by ``import lib.plots``.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from lib import validate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

CARD = "#ffffff"
INK = "#1c2430"

# Okabe and Ito's palette (2008) without its yellow, which is too pale for a line on white.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
DASHES: tuple[Any, ...] = (
    "-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 3)),
    (0, (8, 2)), (0, (1, 2.5)),
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

SETTINGS: dict[str, Any] = {
    "figure.facecolor": CARD,
    "savefig.facecolor": CARD,
    "axes.facecolor": CARD,
    "figure.figsize": (7.0, 4.0),
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#d5dae1",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "lines.linewidth": 2.0,
    "lines.markersize": 6,
    "image.cmap": "cividis",
    "image.interpolation": "nearest",
    # Outlines, so that a figure is the same whatever fonts the reader has.
    "svg.fonttype": "path",
    # Without a salt, every run names the parts of an SVG anew and the file differs.
    "svg.hashsalt": "recurrent-networks-course",
}


class Look(NamedTuple):
    """How the k-th line of a plot is drawn."""

    color: str
    """Colour."""
    linestyle: Any
    """Dashes."""
    marker: str
    """Marker."""


def look(k: int) -> Look:
    """Return colour, dashes and marker of the k-th line; from the eighth on they repeat.

    Raises
    ------
    ValueError
        Where ``k`` is negative.
    """
    if k < 0:
        raise ValueError(f"k: expected at least 0, got {k}")
    n = k % len(PALETTE)
    return Look(PALETTE[n], DASHES[n], MARKERS[n])


def style() -> None:
    """Make the course's style matplotlib's setting for the rest of the page, as SVG in IPython."""
    pyplot = _pyplot()
    from cycler import cycler

    looks = [look(k) for k in range(len(PALETTE))]
    cycle = cycler(color=[one.color for one in looks], linestyle=[one.linestyle for one in looks])
    pyplot.rcParams.update({**SETTINGS, "axes.prop_cycle": cycle})
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("svg")


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ModuleNotFoundError(
            "lib.plots draws with matplotlib: pip install matplotlib"
        ) from error
    return pyplot


def _styled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Draw in the course's style whatever style the page is in."""

    @functools.wraps(function)
    def styled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with _pyplot().rc_context(SETTINGS):
            return function(*args, **kwargs)

    return styled


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        return ax
    return _pyplot().subplots()[1]


@_styled
def curves(
    series: Mapping[str, np.ndarray],
    x: np.ndarray | None = None,
    *,
    xlabel: str,
    ylabel: str,
    log: bool = False,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw a line for each name: the median over seeds, in a band from least to greatest.

    The names stand at the lines' right ends, in place of a legend.

    Parameters
    ----------
    series : mapping of str to array (K,) or (S, K)
        One run, or S runs with different seeds. NaN leaves a gap.
    x : array (K,), optional
        0 … K − 1 where not given.
    xlabel, ylabel : str
    log : bool
        Logarithmic y; values that are not positive leave a gap.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        Where there is nothing to draw, or lengths do not fit.
    """
    if not series:
        raise ValueError("series: expected at least one line, got none")
    lines = []
    for name, values in series.items():
        runs = np.atleast_2d(np.asarray(values, np.float64))
        if runs.ndim != 2 or runs.size == 0:
            raise ValueError(
                f"series[{name!r}]: expected shape (K,) or (S, K), got {np.shape(values)}"
            )
        steps = np.arange(runs.shape[1]) if x is None else np.asarray(x)
        validate.shape("x", steps, (runs.shape[1],))
        lines.append((name, steps, np.where(runs > 0, runs, np.nan) if log else runs))
    ax = _axes(ax)
    ends = []
    for k, (name, steps, runs) in enumerate(lines):
        one = look(k)
        middle, low, high = _spread(runs)
        ax.plot(steps, middle, **one._asdict(), markevery=max(1, len(steps) // 8))
        if len(runs) > 1:
            ax.fill_between(steps, low, high, color=one.color, alpha=0.18, linewidth=0)
        seen = np.flatnonzero(np.isfinite(middle))
        if len(seen):
            ends.append((name, steps[seen[-1]], middle[seen[-1]], one.color))
    if log:
        ax.set_yscale("log")
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    _label_ends(ax, ends)
    return ax


def _spread(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return median, least and greatest of runs (S, K), gaps left out; gaps where all are."""
    middle, low, high = np.full((3, runs.shape[1]), np.nan)
    for k, column in enumerate(runs.T):
        present = column[~np.isnan(column)]
        if present.size:
            middle[k], low[k], high[k] = np.median(present), present.min(), present.max()
    return middle, low, high


def _label_ends(ax: "Axes", ends: Sequence[tuple[str, float, float, str]]) -> None:
    """Write names at the right ends of lines, moved apart where they would overlap."""
    from matplotlib.colors import to_rgb

    size = float(SETTINGS["legend.fontsize"])
    labels = [
        ax.annotate(
            name,
            (px, py),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            # Darkened, for a text needs more contrast than a line.
            color=tuple(0.65 * channel for channel in to_rgb(color)),
            fontsize=size,
            annotation_clip=False,
        )
        for name, px, py, color in ends
    ]
    figure: Any = ax.get_figure()
    # Lays the figure out with its labels; only then are the lines' ends where they will be.
    figure.draw_without_rendering()
    heights = [ax.transData.transform((px, py))[1] * 72 / figure.dpi for _, px, py, _ in ends]
    for label, height, place in zip(
        labels, heights, spread_apart(heights, 1.25 * size), strict=True
    ):
        label.set_position((8, place - height))


def spread_apart(heights: Sequence[float], gap: float) -> np.ndarray:
    """Move heights (K,) as little as possible so that neighbours are ``gap`` apart.

    Least squares under order: what would overlap becomes a group around its mean.

    Examples
    --------
    >>> spread_apart([0.0, 0.0, 10.0], gap=2.0)
    array([-1.,  1., 10.])
    """
    order = np.argsort(heights, kind="stable")
    shift = gap * np.arange(len(order))
    groups: list[tuple[float, int]] = []
    for value in np.asarray(heights, np.float64)[order] - shift:
        mean, count = float(value), 1
        while groups and groups[-1][0] > mean:
            before, many = groups.pop()
            mean, count = (mean * count + before * many) / (count + many), count + many
        groups.append((mean, count))
    placed = np.empty(len(order))
    placed[order] = np.repeat([m for m, _ in groups], [c for _, c in groups]) + shift
    return placed


def gradient_norms(
    norms: Mapping[str, np.ndarray],
    *,
    xlabel: str = "distance in time steps",
    ylabel: str = "gradient norm",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the gradient's norm against how far it was carried back, on a logarithmic scale.

    Parameters
    ----------
    norms : mapping of str to array (K,) or (S, K)
        Norm after 0 … K − 1 steps, of one seed or of S. A norm that underflowed to 0 ends
        its line.
    xlabel, ylabel : str
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        Where there is nothing to draw.
    """
    return curves(norms, xlabel=xlabel, ylabel=ylabel, log=True, ax=ax)


@_styled
def heat_map(
    matrix: np.ndarray,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    bar_label: str = "",
    signed: bool = False,
    limits: tuple[float, float] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw a matrix: an attention alignment, a Jacobian.

    Parameters
    ----------
    matrix : array (R, C)
    rows, columns : sequences of str, optional
        Names of the rows and columns.
    xlabel, ylabel, bar_label : str
    signed : bool
        Blue below 0, white at 0, red above, with limits symmetrical; else dark (low) to
        yellow (high), which also reads in grey.
    limits : (float, float), optional
        Values at the ends of the colour scale.
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        Where ``matrix`` is no matrix or the names do not fit.
    """
    matrix = np.asarray(matrix, np.float64)
    validate.shape("matrix", matrix, ("R", "C"))
    for name, names, size in (("rows", rows, 0), ("columns", columns, 1)):
        if names is not None and len(names) != matrix.shape[size]:
            raise ValueError(f"{name}: expected {matrix.shape[size]} names, got {len(names)}")
    if limits is None:
        peak = float(np.nanmax(np.abs(matrix))) or 1.0
        limits = (-peak, peak) if signed else (float(np.nanmin(matrix)), float(np.nanmax(matrix)))
    ax = _axes(ax)
    image = ax.imshow(
        matrix,
        aspect="auto",
        cmap="RdBu_r" if signed else "cividis",
        interpolation="nearest",
        vmin=limits[0],
        vmax=limits[1],
    )
    ax.grid(False)
    _name_ticks(ax.xaxis, columns)
    _name_ticks(ax.yaxis, rows)
    if columns is not None and max(map(len, columns), default=0) > 3:
        ax.tick_params(axis="x", rotation=90)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    figure = ax.get_figure()
    assert figure is not None
    figure.colorbar(image, ax=ax, label=bar_label)
    return ax


def _name_ticks(axis: Any, names: Sequence[str] | None) -> None:
    if names is not None:
        shown = ["␣" if name == " " else name for name in names]
        axis.set_ticks(range(len(names)), shown, fontsize=max(6.0, min(11.0, 400 / len(names))))


@_styled
def gates(
    activations: Mapping[str, np.ndarray],
    tokens: Sequence[str] | None = None,
    *,
    xlabel: str = "time step",
) -> "np.ndarray":
    """Draw gate activations over a sequence, a map below the other, units from top to bottom.

    Parameters
    ----------
    activations : mapping of str to array (T, H)
        Such as ``{"forget gate": f, "cell": c}``. What has negative values is drawn signed,
        the rest from 0 to 1 or its maximum.
    tokens : sequence of str (T,), optional
        The symbols read at each step.
    xlabel : str

    Returns
    -------
    array of Axes (number of maps,)

    Raises
    ------
    ValueError
        Where there is nothing to draw or lengths differ.
    """
    if not activations:
        raise ValueError("activations: expected at least one map, got none")
    steps = len(next(iter(activations.values())))
    for name, values in activations.items():
        validate.shape(f"activations[{name!r}]", values, (steps, "H"))
    count = len(activations)
    axes = _pyplot().subplots(count, 1, figsize=(7.0, 0.6 + 1.5 * count), sharex=True)[1]
    axes = np.atleast_1d(axes)
    for n, (name, values) in enumerate(activations.items()):
        signed = bool(np.min(values) < 0)
        last = n == len(activations) - 1
        heat_map(
            values.T,
            columns=tokens,
            ylabel="unit",
            xlabel=xlabel if last else "",
            signed=signed,
            limits=None if signed else (0.0, max(1.0, float(np.max(values)))),
            ax=axes[n],
        )
        axes[n].set_title(name, loc="left")
    return axes
