"""Plots draw the numbers they are given and can be read without colour."""

import itertools
import sys

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.colors import to_rgb

from lib import plots
from tests.lib import cell_checks as checks


@pytest.fixture(autouse=True)
def _leave_nothing_behind():
    with matplotlib.rc_context():
        yield
    pyplot.close("all")


def luminance(color):
    """Relative luminance of WCAG 2."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(color):
    light, dark = luminance(plots.CARD), luminance(color)
    return (light + 0.05) / (dark + 0.05)


def deuteranope(color):
    """How a person without green cones sees a colour (Machado et al. 2009)."""
    matrix = np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    )
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.clip(matrix @ linear, 0, 1)


def test_lines_differ_in_dash_and_marker_as_well_as_colour():
    looks = [plots.look(k) for k in range(len(plots.PALETTE))]
    assert len(looks) >= 6
    for a, b in itertools.combinations(looks, 2):
        assert a.color != b.color
        assert a.linestyle != b.linestyle
        assert a.marker != b.marker
        assert np.abs(deuteranope(a.color) - deuteranope(b.color)).max() > 0.04
    assert plots.look(len(looks)) == looks[0]
    with pytest.raises(ValueError, match="k: expected at least 0"):
        plots.look(-1)


def test_text_and_lines_stand_out_from_the_card():
    assert contrast(plots.INK) > 7
    for color in plots.PALETTE:
        assert contrast(color) > 2
    ax = plots.curves(
        {str(k): np.arange(3.0) + k for k in range(len(plots.PALETTE))}, xlabel="", ylabel=""
    )
    for label in ax.texts:
        assert contrast(label.get_color()) > 4.5
        assert label.get_fontsize() >= 10


def test_curves_draw_the_median_and_the_range_over_seeds():
    runs = np.array([[1.0, 5.0, 2.0], [3.0, 4.0, 9.0], [2.0, 9.0, 4.0]])
    x = np.array([10, 20, 40])
    ax = plots.curves({"LSTM": runs, "RNN": [7.0, 8.0, 9.0]}, x, xlabel="step", ylabel="loss")
    lstm, rnn = ax.lines
    np.testing.assert_array_equal(lstm.get_xdata(), x)
    np.testing.assert_array_equal(lstm.get_ydata(), [2, 5, 4])
    np.testing.assert_array_equal(rnn.get_ydata(), [7, 8, 9])
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    for k, (low, high) in enumerate([(1, 3), (4, 9), (2, 9)]):
        at = corners[corners[:, 0] == x[k], 1]
        assert (at.min(), at.max()) == (low, high)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")
    assert [label.get_text() for label in ax.texts] == ["LSTM", "RNN"]
    assert lstm.get_color() != rnn.get_color()
    assert lstm.get_marker() != rnn.get_marker()


def test_curves_leave_gaps_where_nothing_was_measured():
    runs = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    ax = plots.curves({"a": runs}, xlabel="", ylabel="")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [2, 5, np.nan])
    assert ax.texts[0].xy == (1, 5)


def test_labels_stand_beside_their_lines_and_never_on_each_other():
    series = {
        name: np.full(5, height)
        for name, height in zip("abcde", (1, 1.01, 1.02, 5, 9), strict=True)
    }
    ax = plots.curves(series, xlabel="step", ylabel="loss")
    figure = ax.get_figure()
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.texts]
    for one, two in itertools.combinations(boxes, 2):
        assert not one.overlaps(two)
    for label, box in zip(ax.texts, boxes, strict=True):
        end = ax.transData.transform(label.xy)
        assert box.x0 > end[0]
        assert box.x1 <= figure.bbox.x1
        if label.get_text() in "de":
            assert abs((box.y0 + box.y1) / 2 - end[1]) < 3
    order = sorted("abcde", key=lambda name: boxes["abcde".index(name)].y0)
    assert "".join(order) == "abcde"


def test_labels_are_placed_for_the_layout_that_is_drawn():
    series = {f"line {k}": np.full(5, k / 3) for k in range(16)}
    ax = plots.curves(series, xlabel="a label\nof three\nlines", ylabel="loss")
    figure = ax.get_figure()
    figure.canvas.draw()
    ends = [ax.transData.transform(label.xy)[1] * 72 / figure.dpi for label in ax.texts]
    wanted = plots.spread_apart(ends, 1.25 * ax.texts[0].get_fontsize())
    boxes = [label.get_window_extent() for label in ax.texts]
    got = [(box.y0 + box.y1) / 2 * 72 / figure.dpi for box in boxes]
    np.testing.assert_allclose(got, wanted, atol=1)


heights = st.lists(st.floats(-100, 100), max_size=8)


@checks.quick
@given(heights, st.floats(0.1, 30))
def test_spread_apart_moves_as_little_as_possible(values, gap):
    placed = plots.spread_apart(values, gap)
    order = np.argsort(values, kind="stable")
    assert (np.diff(placed[order]) >= gap - 1e-9).all()
    moved = placed - values
    assert moved.sum() == pytest.approx(0, abs=1e-6)
    # No feasible direction improves: against evenly spaced placements and the identity.
    cost = (moved**2).sum()
    if len(values):
        even = np.empty(len(values))
        even[order] = gap * np.arange(len(values))
        even += np.mean(values) - even.mean()
        assert cost <= ((even - values) ** 2).sum() + 1e-6
        if (np.diff(np.sort(values)) >= gap).all():
            assert cost == pytest.approx(0, abs=1e-12)


def test_gradient_norms_are_logarithmic_and_end_where_they_underflow():
    ax = plots.gradient_norms({"tanh": np.array([1.0, 1e-5, 0.0])})
    assert ax.get_yscale() == "log"
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [1, 1e-5, np.nan])
    assert ax.texts[0].xy == (1, 1e-5)
    assert "distance" in ax.get_xlabel()


def test_a_line_that_vanished_at_once_is_no_error():
    ax = plots.gradient_norms({"zero": np.zeros(3), "one": np.ones(3)})
    assert [label.get_text() for label in ax.texts] == ["one"]


def test_heat_map_shows_the_matrix_as_it_is():
    matrix = np.arange(6.0).reshape(2, 3)
    ax = plots.heat_map(
        matrix, rows=["2", "0"], columns=["a", " ", "c"], xlabel="read", ylabel="written"
    )
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), matrix)
    assert image.get_clim() == (0, 5)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "␣", "c"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["2", "0"]
    assert ax.yaxis_inverted()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("read", "written")


def test_signed_heat_maps_are_symmetrical_about_zero():
    ax = plots.heat_map(np.array([[-1.0, 3.0]]), signed=True)
    assert ax.images[0].get_clim() == (-3, 3)
    # Zero is the palest value.
    shades = [luminance(ax.images[0].cmap(ax.images[0].norm(v))) for v in (-3, 0, 3)]
    assert shades[1] > 0.8 > shades[0]
    assert shades[1] > 0.8 > shades[2]
    assert plots.heat_map(np.zeros((2, 2)), signed=True).images[0].get_clim() == (-1, 1)
    assert plots.heat_map(np.ones((2, 2)), limits=(0, 2)).images[0].get_clim() == (0, 2)


def test_unsigned_heat_maps_read_in_grey():
    image = plots.heat_map(np.array([[0.0, 1.0]])).images[0]
    shades = [luminance(image.cmap(v)) for v in np.linspace(0, 1, 9)]
    assert (np.diff(shades) > 0).all()


def test_gates_draw_units_downwards_and_time_to_the_right():
    rng = np.random.default_rng(0)
    f, c = rng.uniform(0.2, 0.9, (4, 3)), rng.standard_normal((4, 2)) * 3
    axes = plots.gates({"forget gate": f, "cell": c}, tokens=list("ab c"))
    assert axes.shape == (2,)
    for ax, values, title in zip(axes, (f, c), ("forget gate", "cell"), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), values.T)
        assert ax.get_title(loc="left") == title
    assert axes[0].images[0].get_clim() == (0, 1)
    peak = np.abs(c).max()
    assert axes[1].images[0].get_clim() == (-peak, peak)
    assert [t.get_text() for t in axes[1].get_xticklabels()] == ["a", "b", "␣", "c"]


def test_plots_go_on_the_axes_that_are_given():
    _, (left, right) = pyplot.subplots(1, 2)
    assert plots.curves({"a": np.ones(2)}, xlabel="", ylabel="", ax=left) is left
    assert plots.heat_map(np.ones((1, 1)), ax=right) is right
    assert plots.gradient_norms({"a": np.ones(2)}, ax=left) is left


def test_plots_look_the_same_whatever_style_the_page_is_in():
    with pyplot.style.context("dark_background"):
        ax = plots.curves({"a": np.ones(2)}, xlabel="x", ylabel="y")
        assert pyplot.rcParams["figure.facecolor"] == "black"
    assert to_rgb(ax.get_facecolor()) == to_rgb(plots.CARD)
    assert to_rgb(ax.get_figure().get_facecolor()) == to_rgb(plots.CARD)
    assert to_rgb(ax.xaxis.label.get_color()) == to_rgb(plots.INK)
    assert ax.xaxis.label.get_fontsize() >= 11


def test_style_holds_for_plain_matplotlib_too():
    plots.style()
    figure, ax = pyplot.subplots()
    lines = [ax.plot([0, 1])[0] for _ in range(3)]
    assert [line.get_color() for line in lines] == list(plots.PALETTE[:3])
    assert len({str(line._dash_pattern) for line in lines}) == 3
    assert to_rgb(figure.get_facecolor()) == to_rgb(plots.CARD)


def test_an_svg_is_opaque_and_the_same_each_time(tmp_path):
    plots.style()
    written = []
    for name in ("a.svg", "b.svg"):
        ax = plots.curves({"a": np.arange(3.0)}, xlabel="x", ylabel="y")
        ax.get_figure().savefig(tmp_path / name, metadata={"Date": None})
        written.append((tmp_path / name).read_text())
    assert written[0] == written[1]
    assert f"fill: {plots.CARD}" in written[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.curves({}, xlabel="", ylabel=""), "series: expected at least one"),
        (
            lambda: plots.curves({"a": np.ones((2, 2, 2))}, xlabel="", ylabel=""),
            r"series\['a'\]: expected shape \(K,\) or \(S, K\), got \(2, 2, 2\)",
        ),
        (lambda: plots.curves({"a": []}, xlabel="", ylabel=""), r"series\['a'\]"),
        (
            lambda: plots.curves({"a": np.ones(3)}, np.ones(2), xlabel="", ylabel=""),
            r"x: expected shape \(3,\), got \(2,\)",
        ),
        (lambda: plots.gradient_norms({}), "series"),
        (lambda: plots.heat_map(np.ones(3)), r"matrix: expected shape \(R, C\)"),
        (lambda: plots.heat_map(np.ones((2, 3)), rows="abc"), "rows: expected 2 names, got 3"),
        (lambda: plots.heat_map(np.ones((2, 3)), columns="ab"), "columns: expected 3 names"),
        (lambda: plots.gates({}), "activations: expected at least one"),
        (
            lambda: plots.gates({"f": np.ones((4, 2)), "i": np.ones((5, 2))}),
            r"activations\['i'\]: expected shape \(4, H\)",
        ),
        (lambda: plots.gates({"f": np.ones((4, 2))}, tokens="abc"), "columns: expected 4 names"),
    ],
)
def test_refuses_before_a_figure_is_made(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_without_matplotlib_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for call in (plots.style, lambda: plots.heat_map(np.ones((1, 1)))):
        with pytest.raises(ModuleNotFoundError, match="pip install matplotlib"):
            call()
