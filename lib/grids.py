"""Chapter 7: networks over an image, which read it in four directions or from four corners."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lib import initializers, validate
from lib.activations import tanh_backward
from lib.bidirectional import as_layer
from lib.cell import Cell, Layer


class FourDirectionsParams(NamedTuple):
    """Parameters of both scans; gradients have the same type."""

    rows: Any
    """Of the layer that reads along rows."""
    columns: Any
    """Of the layer that reads along columns."""


@dataclass(frozen=True)
class FourDirections:
    """Read an image left, right, up and down: the notes' four directions.

    Every row is a sequence for ``rows`` and every column one for ``columns``; two
    ``Bidirectional`` layers make four directions. The output at (i, j) joins what both
    gave there, so it depends on row i and column j; two such layers see the whole image.

    Parameters
    ----------
    rows, columns : Layer or Cell
        Any two that read the same inputs.

    Raises
    ------
    ValueError
        Where their input sizes differ.

    Equations: bidirectional-four-directions.

    Source: notes 003, section 4.1; Visin et al. (2015).
    """

    rows: Layer | Cell
    columns: Layer | Cell

    def __post_init__(self) -> None:
        along, down = as_layer(self.rows), as_layer(self.columns)
        if along.input_size != down.input_size:
            raise ValueError(
                f"columns: expected input size {along.input_size}, got {down.input_size}"
            )

    @property
    def output_size(self) -> int:
        """Both layers' output sizes, added."""
        return as_layer(self.rows).output_size + as_layer(self.columns).output_size

    def init(self, rng: np.random.Generator) -> FourDirectionsParams:
        """Draw both layers' parameters."""
        return FourDirectionsParams(as_layer(self.rows).init(rng), as_layer(self.columns).init(rng))

    def forward(
        self, params: FourDirectionsParams, images: np.ndarray
    ) -> tuple[np.ndarray, tuple[Any, Any]]:
        """Scan ``images`` (R, C, N, D), rows by columns: outputs (R, C, N, H), cache.

        Equations: bidirectional-four-directions.
        """
        along, down = as_layer(self.rows), as_layer(self.columns)
        validate.array("images", images, ("R", "C", "N", along.input_size))
        R, C, N, D = images.shape
        across = images.swapaxes(0, 1).reshape(C, R * N, D)
        hs, _, h_cache = along.forward(params.rows, across)
        vs, _, v_cache = down.forward(params.columns, images.reshape(R, C * N, D))
        hs = hs.reshape(C, R, N, -1).swapaxes(0, 1)
        return np.concatenate([hs, vs.reshape(R, C, N, -1)], axis=-1), (h_cache, v_cache)

    def backward(
        self, params: FourDirectionsParams, cache: tuple[Any, Any], dys: np.ndarray
    ) -> tuple[FourDirectionsParams, np.ndarray]:
        """Carry ``dys`` (R, C, N, H) back: dparams, dimages (R, C, N, D).

        Equations: bidirectional-four-directions-backward.
        """
        along, down = as_layer(self.rows), as_layer(self.columns)
        validate.array("dys", dys, ("R", "C", "N", self.output_size))
        R, C, N, _ = dys.shape
        H1, D = along.output_size, along.input_size
        dhs = dys[..., :H1].swapaxes(0, 1).reshape(C, R * N, H1)
        drows, dacross, _ = along.backward(params.rows, cache[0], dhs)
        dvs = dys[..., H1:].reshape(R, C * N, -1)
        dcolumns, ddown, _ = down.backward(params.columns, cache[1], dvs)
        dimages = dacross.reshape(C, R, N, D).swapaxes(0, 1) + ddown.reshape(R, C, N, D)
        return FourDirectionsParams(drows, dcolumns), dimages


class FourCornersParams(NamedTuple):
    """Parameters of the four scans, stacked along the first axis."""

    U: np.ndarray
    """Input to hidden (4, H, D)."""
    W: np.ndarray
    """From the neighbour one row back (4, H, H)."""
    R: np.ndarray
    """From the neighbour one column back (4, H, H)."""
    b: np.ndarray
    """Bias (4, H)."""


class FourCornersCache(NamedTuple):
    """What the four scans keep; the images as each scan meets them."""

    xs: np.ndarray
    """Inputs (4, R, C, N, D)."""
    hs: np.ndarray
    """States behind a border of zeros (4, R + 1, C + 1, N, H)."""


def _turn(fields: np.ndarray) -> np.ndarray:
    """Flip four fields (4, R, C, …) so that each one's own corner comes first, or back."""
    a, b, c, d = fields
    return np.stack([a, b[:, ::-1], c[::-1], d[::-1, ::-1]])


@dataclass(frozen=True)
class FourCorners:
    """Scan an image from its four corners, each state seeing two neighbours.

    h^(i,j) = tanh(b + U x^(i,j) + W h^(i−1,j) + R h^(i,j−1)), with zeros beyond the edge,
    where i and j count from the scan's corner: top left, top right, bottom left, bottom
    right. The output joins the four states, so that each depends on the whole image.
    Graves's network has LSTM units with two forget gates in the place of tanh units.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H; the output has width 4H.

    Equations: bidirectional-corner-state.

    Source: Graves, Fernández and Schmidhuber (2007).
    """

    input_size: int
    hidden_size: int

    def __post_init__(self) -> None:
        validate.positive("input_size", self.input_size)
        validate.positive("hidden_size", self.hidden_size)

    @property
    def output_size(self) -> int:
        """4H."""
        return 4 * self.hidden_size

    def init(self, rng: np.random.Generator) -> FourCornersParams:
        """Draw parameters from U(−1/√H, 1/√H)."""
        return initializers.uniform_tree(rng, self.shapes(), self.hidden_size)

    def shapes(self) -> FourCornersParams:
        """Return the parameters' shapes."""
        H, D = self.hidden_size, self.input_size
        shapes = (4, H, D), (4, H, H), (4, H, H), (4, H)
        return FourCornersParams(*shapes)  # type: ignore[arg-type]

    def forward(
        self, params: FourCornersParams, images: np.ndarray
    ) -> tuple[np.ndarray, FourCornersCache]:
        """Scan ``images`` (R, C, N, D), rows by columns: outputs (R, C, N, 4H), cache.

        Equations: bidirectional-corner-state.
        """
        validate.array("images", images, ("R", "C", "N", self.input_size))
        validate.params("params", params, self.shapes(), images.dtype)
        rows, columns, N, _ = images.shape
        xs = _turn(np.broadcast_to(images, (4, *images.shape)))
        U, W, R = (m.swapaxes(1, 2) for m in params[:3])
        projected = xs @ U[:, None, None] + params.b[:, None, None, None]
        hs = np.zeros((4, rows + 1, columns + 1, N, self.hidden_size), images.dtype)
        for i, j in np.ndindex(rows, columns):
            a = projected[:, i, j] + hs[:, i, j + 1] @ W + hs[:, i + 1, j] @ R
            hs[:, i + 1, j + 1] = np.tanh(a)
        ys = np.concatenate(list(_turn(hs[:, 1:, 1:])), axis=-1)
        return ys, FourCornersCache(xs, hs)

    def backward(
        self, params: FourCornersParams, cache: FourCornersCache, dys: np.ndarray
    ) -> tuple[FourCornersParams, np.ndarray]:
        """Carry ``dys`` (R, C, N, 4H) back: dparams, dimages (R, C, N, D).

        Equations: bidirectional-corner-backward.
        """
        xs, hs = cache
        rows, columns, N, _ = xs.shape[1:]
        validate.array("dys", dys, (rows, columns, N, self.output_size), dtype=xs.dtype)
        validate.params("params", params, self.shapes(), xs.dtype)
        dhs = np.zeros_like(hs)
        dhs[:, 1:, 1:] = _turn(np.stack(np.split(dys, 4, axis=-1)))
        deltas = np.empty_like(hs[:, 1:, 1:])
        for i, j in reversed(list(np.ndindex(rows, columns))):
            delta = tanh_backward(hs[:, i + 1, j + 1], dhs[:, i + 1, j + 1])
            dhs[:, i, j + 1] += delta @ params.W
            dhs[:, i + 1, j] += delta @ params.R
            deltas[:, i, j] = delta
        flat = deltas.reshape(4, -1, self.hidden_size).swapaxes(1, 2)
        dparams = FourCornersParams(
            U=flat @ xs.reshape(4, -1, self.input_size),
            W=flat @ hs[:, :-1, 1:].reshape(4, -1, self.hidden_size),
            R=flat @ hs[:, 1:, :-1].reshape(4, -1, self.hidden_size),
            b=flat.sum(axis=2),
        )
        return dparams, _turn(deltas @ params.U[:, None, None]).sum(axis=0)
