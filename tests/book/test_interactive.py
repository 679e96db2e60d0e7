"""The figures that the reader changes: their arithmetic, their making, and what all share."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import interactive
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page
from py_mini_racer import MiniRacer

from lib import dates
from lib.attention import masked_softmax
from lib.bidirectional import Bidirectional
from lib.bptt import Recurrent, Truncated
from lib.deep import Stacked
from lib.deep_transition import DeepTransition
from lib.gradient_check import numerical_gradient
from lib.grids import FourCorners, FourDirections
from lib.gru import GRU, GRUParams, GRUState
from lib.losses import cross_entropy
from lib.lstm import LSTM, LSTMParams, LSTMState
from lib.paths import shortest_path, unfolded_edges
from lib.peephole import PeepholeLSTM, PeepholeParams
from lib.rnn import RNN, RNNParams, RNNState
from lib.scores import Dot, NoParams
from lib.search import beam_search, greedy
from lib.vanishing_gradients import clip_by_norm, clip_by_value, error_flow, loss_cliff
from lib.writer import Memory
from tests.book.test_pages import AXE, WCAG, settle, watch
from tools import experiments

ROOT = Path(__file__).resolve().parent.parent.parent
FIGURES = interactive.figures()
PAGE = {  # of those that stand on two, not the front page
    name: path.stem
    for path in sorted((ROOT / "book").glob("*.md"), key=lambda path: path.stem != "intro")
    for name in re.findall(r"^```\{interactive\} (.+)$", path.read_text("utf-8"), re.MULTILINE)
}


# --- The arithmetic, in V8, against lib ---


@pytest.fixture(scope="module")
def call() -> Iterator[Callable[..., Any]]:
    """Call a function of a module: ``call("lstm-arithmetic.forward", …)``."""
    names = [path.stem for path in interactive.MODULES.glob("*-arithmetic.mjs")]
    with MiniRacer() as engine:
        engine.eval(interactive.linked(names))

        def call(function: str, *args: Any) -> Any:
            module, name = function.split(".")
            given = ",".join(json.dumps(arg) for arg in args)
            return json.loads(
                str(engine.eval(f'JSON.stringify(modules["{module}"].{name}({given}) ?? null)'))
            )

        yield call


def close(actual: Any, expected: Any) -> bool:
    return bool(np.allclose(actual, expected, rtol=0, atol=1e-6))


@pytest.mark.parametrize("seed", range(3))
def test_lstm(call: Callable[..., Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(20, 1, 4))
    cell = LSTM(4, 1)
    params = LSTMParams(U=np.eye(4), W=np.zeros((4, 1)), b=np.zeros(4))
    state, caches, cs, hs = cell.initial_state(1), [], [], []
    for x in logits:
        state, cache = cell.step(params, x, state)
        caches.append(cache)
        cs.append(state.c.item())
        hs.append(state.h.item())
    # Behind the output gate of the last step stands an error of 1.
    dstate, errors = LSTMState(np.ones((1, 1)), np.zeros((1, 1))), []
    for cache in reversed(caches):
        _, _, dstate = cell.step_backward(params, cache, dstate)
        errors.append(dstate.c.item())
    i, f, o = (1 / (1 + np.exp(-logits[:, 0, k])) for k in (0, 1, 3))
    rows = {"i": i, "f": f, "g": np.tanh(logits[:, 0, 2]), "o": o}
    gates = {name: row.tolist() for name, row in rows.items()}
    run = call("lstm-arithmetic.forward", gates)
    assert close(run["C"], cs)
    assert close(run["h"], hs)
    back = call("lstm-arithmetic.backward", gates, run)
    # step_backward hands f ⊙ ∇_C to the step before.
    assert close(np.array(back) * f, errors[::-1])
    parts = call("lstm-arithmetic.shares", gates)
    assert close(np.sum(parts), cs[-1])
    without = {**gates, "i": [0 if t == 4 else v for t, v in enumerate(gates["i"])]}
    assert close(parts[4], cs[-1] - call("lstm-arithmetic.forward", without)["C"][-1])


@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (3, 3), (3, 6), (2, 7), (5, 5), (4, 30)])
def test_bptt(call: Callable[..., Any], k1: int, k2: int) -> None:
    T, rng = 13, np.random.default_rng(0)
    layer = Truncated(Recurrent(RNN(1, 2)), k1, k2)
    params = layer.init(rng)
    _, _, cache = layer.forward(params, rng.normal(size=(T, 1, 1)))
    found = call("bptt-arithmetic.reach", T, k1, k2)
    for t in range(T):
        dys = np.zeros((T, 1, 2))
        dys[t] = 1
        _, dxs, _ = layer.backward(params, cache, dys)
        assert found[t] == np.flatnonzero(dxs[:, 0, 0]).min()
    windows = [(min(s + k1, T), max(min(s + k1, T) - k2, 0)) for s in range(0, T, k1)]
    carried = sum(end - start for end, start in windows) / T
    assert close(call("bptt-arithmetic.work", T, k1, k2), carried)


@pytest.mark.parametrize("steps", [1, 10, 50])
def test_cliff(call: Callable[..., Any], steps: int) -> None:
    rng = np.random.default_rng(steps)
    for w, b in zip(rng.uniform(3, 8, 5), rng.uniform(-5, -1, 5), strict=True):
        expected = loss_cliff(np.array([w]), np.array([b]), steps)
        found = call("vanishing_gradients-arithmetic.loss", [w, b], steps)
        assert close(found["loss"], expected.loss)
        assert close(found["gradient"], [expected.dw.item(), expected.db.item()])


@pytest.mark.parametrize("cure", ["none", "value", "norm", "random"])
def test_descent(call: Callable[..., Any], cure: str) -> None:
    threshold, rate = 0.3, 0.05
    state = {"start": [5, -2.4], "steps": 20, "cure": cure, "rate": rate, "threshold": threshold}
    run = call("vanishing_gradients-arithmetic.descend", state, 30)
    lib = {
        "none": lambda g: g,
        "value": lambda g: clip_by_value(g, threshold),
        "norm": lambda g: clip_by_norm(g, threshold)[0],
    }
    for k in range(30):
        w, b = (np.array([v], float) for v in run["places"][k])
        expected = loss_cliff(w, b, 20)
        assert close(run["losses"][k], expected.loss)
        step = (np.array(run["places"][k]) - run["places"][k + 1]) / rate
        norm = np.hypot(expected.dw, expected.db).item()
        if cure == "random" and norm > threshold:
            assert np.linalg.norm(step) == pytest.approx(threshold)
        else:
            dw, db = lib.get(cure, lib["none"])((expected.dw, expected.db))
            assert close(step, [dw.item(), db.item()])
    assert max(run["lengths"]) > 0.9 * rate * threshold


@pytest.mark.parametrize("reset_after", [False, True])
def test_gru(call: Callable[..., Any], reset_after: bool) -> None:
    rng = np.random.default_rng(5)
    r, h, W = rng.uniform(0.1, 0.9, 2), rng.normal(size=2), rng.normal(size=(2, 2))
    # Gates from biases alone: r as given, z = 0, so that the new state is the candidate.
    b = np.concatenate([np.log(r / (1 - r)), [-60, -60], [0, 0]])
    params = GRUParams(
        U=np.zeros((6, 1)),
        W=np.concatenate([np.zeros((4, 2)), W]),
        b=b,
        b_hn=np.zeros(2) if reset_after else None,
    )
    cell = GRU(1, 2, reset_after=reset_after)
    state, _ = cell.step(params, np.zeros((1, 1)), GRUState(h[None]))
    name = "after" if reset_after else "before"
    found = call(f"gru-arithmetic.{name}", W.tolist(), r.tolist(), h.tolist())
    assert close(np.tanh(found), state.h[0])


def test_peephole(call: Callable[..., Any]) -> None:
    given = {"p_i": -2.0, "p_f": -30.0, "p_o": 25.0, "b_i": 3.0, "b_f": 20.0, "b_o": -18.0}
    drive = 0.2
    b = np.array([given["b_i"], given["b_f"], np.arctanh(drive), given["b_o"]])
    p_i, p_f, p_o = (np.array([given[f"p_{k}"]]) for k in "ifo")
    params = PeepholeParams(np.zeros((4, 1)), np.zeros((4, 1)), b, p_i, p_f, p_o)
    cell = PeepholeLSTM(1, 1)
    state, cs, hs = cell.initial_state(1), [], []
    for _ in range(40):
        state, _ = cell.step(params, np.zeros((1, 1)), state)
        cs.append(state.c.item())
        hs.append(state.h.item())
    run = call("peephole-arithmetic.run", {**given, "drive": drive, "old": False}, 40)
    assert close(run["C"], cs)
    assert close(run["h"], hs)
    assert call("peephole-arithmetic.rings", run) == [t + 1 for t in range(40) if hs[t] > 0.5]
    old = call("peephole-arithmetic.run", {**given, "drive": drive, "old": True}, 40)
    seen = np.array([0, *old["C"][:-1]])
    assert close(old["o"], 1 / (1 + np.exp(-(given["b_o"] + given["p_o"] * seen))))


ROWS, COLUMNS = 3, 4


def dependence(forward: Callable[[np.ndarray], np.ndarray], at: tuple[int, int]) -> np.ndarray:
    """Tell which pixels an output depends on: change each, in a copy of its own."""
    image = np.random.default_rng(1).normal(size=(ROWS, COLUMNS, 1, 1))
    images = np.repeat(image, ROWS * COLUMNS + 1, axis=2)  # the last stays as it is
    for n, pixel in enumerate(np.ndindex(ROWS, COLUMNS)):
        images[(*pixel, n, 0)] += 2
    outputs = forward(images)[at]
    return (outputs[:-1] != outputs[-1]).any(axis=-1).reshape(ROWS, COLUMNS)


@pytest.mark.parametrize("at", [(0, 0), (1, 2), (2, 3), (2, 0)])
def test_bidirectional(call: Callable[..., Any], at: tuple[int, int]) -> None:
    def found(network: str, layers: int = 1) -> Any:
        return call("bidirectional-arithmetic.field", network, at, ROWS, COLUMNS, layers)

    rng = np.random.default_rng(0)
    one = FourDirections(*(Bidirectional(RNN(1, 2), RNN(1, 2)) for _ in range(2)))
    two = FourDirections(*(Bidirectional(RNN(8, 2), RNN(8, 2)) for _ in range(2)))
    first, second = one.init(rng), two.init(rng)
    corners = FourCorners(1, 2)
    scans = corners.init(rng)
    layer = Recurrent(RNN(1, 2))
    order = layer.init(rng)

    def in_order(images: np.ndarray) -> np.ndarray:
        N = images.shape[2]
        hs, _, _ = layer.forward(order, images.reshape(ROWS * COLUMNS, N, 1))
        return hs.reshape(ROWS, COLUMNS, N, 2)

    expected = {
        ("directions", 1): lambda x: one.forward(first, x)[0],
        ("directions", 2): lambda x: two.forward(second, one.forward(first, x)[0])[0],
        ("corners", 1): lambda x: corners.forward(scans, x)[0],
        ("corner", 1): lambda x: corners.forward(scans, x)[0][..., :2],
        ("order", 1): in_order,
    }
    for (network, layers), forward in expected.items():
        seen = found(network, layers)
        assert (np.array(seen, bool) == dependence(forward, at)).all(), network
        assert call("bidirectional-arithmetic.count", seen) == np.sum(seen)
    image = np.zeros((ROWS, COLUMNS))
    image[at] = 1
    for layers in (1, 2, 3):
        padded = np.pad(image, 1)
        views = [padded[i : i + ROWS, j : j + COLUMNS] for i in range(3) for j in range(3)]
        image = np.max(views, axis=0)
        assert found("convolutions", layers) == image.tolist()


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("kind", ["stack", "transition", "skip"])
def test_deep(call: Callable[..., Any], kind: str, depth: int) -> None:
    steps = 4
    network: Any = DeepTransition(2, 3, depth, skip=kind == "skip" and depth > 1)
    if kind == "stack":
        network = Stacked([RNN(2, 3)] + [RNN(3, 3)] * (depth - 1))
    expected = unfolded_edges(network, steps)
    all_edges = call("deep-arithmetic.edges", kind, depth, steps)

    def node(k: int, t: int) -> Any:
        if k < 0:
            return ("x", t)
        return ("h", k, t, 0) if kind == "stack" else ("h", 0, t, k)

    assert {(node(*a), node(*b)) for a, b in all_edges} == set(expected)
    nodes = [(k, t) for k in range(-1, depth) for t in range(steps)]
    for a in nodes:
        for b in nodes:
            path = call("deep-arithmetic.shortest", all_edges, a, b) or None
            try:
                length = shortest_path(expected, node(*a), node(*b))
            except ValueError:
                assert path is None
                continue
            assert path is not None
            assert len(path) - 1 == length
            assert all([list(p), list(q)] in all_edges for p, q in pairwise(path))


@pytest.mark.parametrize("scale", [0.0, 1.0, 7.0])
def test_attention(call: Callable[..., Any], scale: float) -> None:
    rng = np.random.default_rng(3)
    query, keys = rng.normal(size=2), rng.normal(size=(5, 2))
    found = call("attention-arithmetic.attend", query.tolist(), keys.tolist(), scale)

    def lib_weights(q: np.ndarray) -> np.ndarray:
        e, _ = Dot().forward(NoParams(), scale * q[None, None], keys[:, None])
        return masked_softmax(e)[0, 0]

    weights = lib_weights(query)
    assert close(found["weights"], weights)
    assert close(found["context"], weights @ keys)
    slopes = [
        numerical_gradient(
            lambda e, t=t: float(masked_softmax(e)[t]), np.array(found["scores"], float)
        )[t]
        for t in range(5)
    ]
    assert close(call("attention-arithmetic.slopes", found["weights"]), slopes)
    jacobian = [
        numerical_gradient(lambda q, d=d: float((lib_weights(q) @ keys)[d]), query)
        for d in range(2)
    ]
    moves = call("attention-arithmetic.sensitivity", keys.tolist(), found, scale)
    assert close(moves, np.linalg.norm(jacobian))


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_flow(call: Callable[..., Any], activation: str) -> None:
    rng = np.random.default_rng(1)
    H, T, radius = 4, 9, 2.5
    W, Ux, dh = rng.normal(size=(H, H)), rng.normal(size=(T, H)), rng.normal(size=H)
    given = {"W": W.tolist(), "Ux": Ux.tolist(), "dh": dh.tolist()}
    cell = RNN(H, H, activation)
    params = RNNParams(np.eye(H), radius * W, np.zeros(H))
    expected = error_flow(cell, params, Ux[:, None], RNNState(dh[None]))[:, 0]
    found = call("vanishing_gradients-flow-arithmetic.flow", given, radius, activation)
    assert np.allclose(found, expected, rtol=1e-6)


def test_reader(call: Callable[..., Any]) -> None:
    rng = np.random.default_rng(2)
    logits, symbols, window = 3 * rng.normal(size=(12, 5)), "ab .c", 4
    text = "ab a.bcc ab.a"
    given = {
        "logits": logits.tolist(),
        "symbols": symbols,
        "read": text[:-1],
        "next": text[1:],
        "window": window,
    }
    targets = np.array([[symbols.index(c)] for c in text[1:]])
    for temperature in (0.5, 1.0, 2.0):
        cost = call("rnn-arithmetic.costs", given, temperature)
        each = [
            cross_entropy(logits[t, None, None] / temperature, targets[t, None])[0]
            for t in range(12)
        ]
        assert close(cost, each)
    means = call("rnn-arithmetic.means", given, cost)
    first = [t for t in range(12) if text[t] in " ." and text[t + 1] in "abc"]
    later = [t for t in range(12) if text[t] in "abc" and text[t + 1] in "abc"]
    reset = [t for t in range(12) if t % window < 2]
    assert close(means["first"], np.mean([cost[t] for t in first]))
    assert close(means["later"], np.mean([cost[t] for t in later]))
    assert close(means["reset"], np.mean([cost[t] for t in reset]))
    assert close(means["others"], np.mean([cost[t] for t in range(12) if t not in reset]))


def experiment(slug: str) -> tuple[Any, dict[str, Any]]:
    """Return an experiment's module, and what it stored for the figure."""
    stored = json.loads((experiments.FOLDER / f"{slug}.json").read_text("utf-8"))
    return experiments.load(slug), stored["figure"]


def arrays(stored: dict[str, Any], like: Any) -> Any:
    """Put stored weights into parameters of a type."""
    fields = {name: np.array(stored[name]) for name in like._fields if name in stored}
    return like._replace(**fields)


def affine(stored: dict[str, Any], like: Any) -> Any:
    """Put a stored matrix and bias into parameters of a type with two fields."""
    return type(like)(np.array(stored["W"]), np.array(stored["b"]))


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.5])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_beam(call: Callable[..., Any], width: int, penalty: float) -> None:
    module, stored = experiment("encoder_decoder")
    weights, model = stored["weights"], module.MODEL
    start = model.init(np.random.default_rng(0))
    writer = start.writer._replace(decoder=arrays(weights["decoder"], start.writer.decoder))
    params = start._replace(
        target=np.array(weights["target"]),
        writer=writer,
        output=affine(weights["output"], start.output),
    )

    class Told:
        """The model, begun from the stored context and state."""

        target_size, start = model.target_size, model.start
        ending, step = model.ending, model.step

        def begin(self, params: Any, sources: np.ndarray, lengths: Any) -> Any:
            k = int(sources[0, 0])
            N = sources.shape[1]
            context, h = (
                np.repeat(np.array(stored[name])[k, None], N, axis=0)
                for name in ("contexts", "states")
            )
            prepared, _ = model.writer.begin(params.writer, Memory(None, context))
            return prepared, GRUState(h), None

    for example in range(len(stored["read"])):
        expected = beam_search(
            Told(), params, np.full((1, 1), example),
            width=width, max_length=18, length_penalty=penalty,
        )  # fmt: skip
        given = {name: stored[name] for name in ("weights", "contexts", "states")}
        found = call("encoder_decoder-arithmetic.beam", given, example, width, penalty, 18)
        best = found["ended"][found["best"]]
        assert best["written"] == expected.tokens[:, 0].tolist()
        assert close(best["total"], expected.log_likelihood[0])
        assert close(best["score"], best["total"] / len(best["written"]) ** penalty)


def test_dates(call: Callable[..., Any]) -> None:
    module, stored = experiment("attention")
    weights, model = stored["weights"], module.MODEL
    start = model.init(np.random.default_rng(0))
    params = start._replace(
        source=np.array(weights["source"]),
        target=np.array(weights["target"]),
        encoder=start.encoder._replace(
            forward=arrays(weights["forward"], start.encoder.forward),
            backward=arrays(weights["backward"], start.encoder.backward),
        ),
        writer=start.writer._replace(
            bridge=affine(weights["bridge"], start.writer.bridge),
            attention=arrays(weights["score"], start.writer.attention),
            decoder=arrays(weights["decoder"], start.writer.decoder),
        ),
        output=affine(weights["output"], start.output),
    )
    held_out = module.data()[1]
    for n in range(12):
        length = held_out.lengths[n]
        xs = held_out.xs[:length, n : n + 1]
        numbers = call("attention-dates-arithmetic.encoded", stored, held_out.written[n])
        assert numbers == xs[:, 0].tolist()
        steps = call("attention-dates-arithmetic.translate", stored, numbers)
        written = greedy(model, params, xs, max_length=11)
        assert [step["symbol"] for step in steps] == written.tokens[:, 0].tolist()
        assert close(np.log([s["probability"] for s in steps]).sum(), written.log_likelihood[0])
        aligned = model.align(params, xs, written.tokens)[:, 0]
        assert close([step["weights"] for step in steps], aligned)
    assert call("attention-dates-arithmetic.encoded", stored, "A?")[:2] == [numbers_of("a"), 0]


def numbers_of(character: str) -> int:
    return dates.SOURCE.index(character)


# --- How a figure is made ---


def test_modules_in_other_forms_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interactive, "MODULES", tmp_path)
    (tmp_path / "one.mjs").write_text('import { two } from "./two.mjs";\nexport const one = two;\n')
    (tmp_path / "two.mjs").write_text("export const two = 2;\n")
    with MiniRacer() as engine:
        assert engine.eval(interactive.linked(["one"]) + "modules.one.one") == 2
    for wrong in ("export default 1;\n", 'import d3 from "d3";\n', "export function f() {}\n"):
        (tmp_path / "two.mjs").write_text(wrong)
        with pytest.raises(ValueError, match=r"two\.mjs: expected import .* got"):
            interactive.linked(["one"])
    (tmp_path / "two.mjs").write_text('import { one } from "./one.mjs";\n')
    with pytest.raises(ValueError, match=r"one\.mjs: expected no circle of imports"):
        interactive.linked(["one"])


def test_too_many_numbers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactive, "MODULES", tmp_path)
    monkeypatch.setattr(interactive, "EXPERIMENTS", tmp_path)
    (tmp_path / "x.mjs").write_text("export const figure = {\n};\n")
    assert interactive.stored("x") == "null"
    (tmp_path / "x.mjs").write_text('export const figure = {\n  data: "y",\n};\n')
    (tmp_path / "y.json").write_text(json.dumps({"figure": [0.5, 1], "other": 1}))
    assert interactive.stored("x") == "[0.5,1]"
    (tmp_path / "y.json").write_text(json.dumps({"figure": "0" * interactive.MOST}))
    with pytest.raises(ValueError, match=r"y\.json: expected at most 150000 bytes, got 150002"):
        interactive.stored("x")


def test_vendored_modules_are_those_of_the_lock_file() -> None:
    """Where ``npm run bundle`` was forgotten after an update, versions differ."""
    locked = json.loads((ROOT / "tools" / "figures" / "package-lock.json").read_text())["packages"]
    first = interactive.source("vendor").split("\n", 1)[0]
    named = re.findall(r"([\w-]+) (\d+\.\d+\.\d+)", first)
    assert len(named) >= 3
    for name, version in named:
        assert locked[f"node_modules/{name}"]["version"] == version
        licences = (interactive.MODULES / "vendor-LICENSE").read_text("utf-8")
        assert (
            f"{name} {version}\n\nCopyright" in licences
            or f"{name} {version}\n\nThe MIT" in licences
        )
    exported = re.findall(r"(\w+)(?=,| })", (ROOT / "tools/figures/vendor.mjs").read_text("utf-8"))
    assert re.findall(r"^export const (\w+)", interactive.source("vendor"), re.M) == exported


# --- What all figures have in common ---


def test_each_figure_stands_on_a_page() -> None:
    assert sorted(PAGE) == FIGURES


@pytest.mark.parametrize("name", FIGURES)
def test_without_javascript_the_still_picture_stays(
    browser: Browser, html: Path, name: str
) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{html.as_uri()}/book/{PAGE[name]}.html")
        figure = page.locator(f"[data-figure={name}]")
        assert figure.locator(".panel").first.is_visible()
        assert not figure.locator(".controls").is_visible()
        assert not page.locator("figure", has=figure).get_by_text("Try:").is_visible()
        assert figure.locator("[tabindex], [role=slider]").count() == 0
        assert len(figure.locator(".said").inner_text()) > 20
        written = (html / "book" / f"{PAGE[name]}.html").read_text(encoding="utf-8")
        assert interactive.still(name).split('<div class="controls">')[0] in written


def opened(page: Page, html: Path, name: str) -> Locator:
    """Open a figure's page and wait for the figure."""
    page.goto(f"{html.as_uri()}/book/{PAGE[name]}.html")
    settle(page)
    figure = page.locator(f"[data-figure={name}]")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector(f"[data-figure={name}][data-ready]")
    return figure


def state(figure: Locator) -> str:
    """Return the figure's state, after it was drawn."""
    figure.evaluate("() => new Promise(d => requestAnimationFrame(() => requestAnimationFrame(d)))")
    return str(figure.get_attribute("data-state"))


@pytest.mark.parametrize("name", FIGURES)
def test_script_begins_with_the_still_picture(browser: Browser, html: Path, name: str) -> None:
    """What is drawn, controls too, is the same: nothing moves when the script starts."""
    with browser.new_context() as context:
        page = context.new_page()
        wrong = watch(page, html.as_uri())
        figure = opened(page, html, name)
        same = figure.evaluate(
            """(root, still) => {
                 const bare = (element) => {
                   for (const e of element.querySelectorAll('.handle'))
                     for (const {name} of [...e.attributes])
                       e.removeAttribute(name);
                   return element.innerHTML;
                 };
                 const other = document.createElement('div');
                 other.innerHTML = still;
                 return bare(root.cloneNode(true)) === bare(other);
               }""",
            interactive.still(name),
        )
        assert same
        assert wrong == []


ROOM = """e => {
  const room = e.closest('figure').getBoundingClientRect();
  return [room.height, room.width];
}"""


def faults(page: Page, figure: Locator) -> list[str]:
    """Return what axe finds in a figure as it is now, in light and dark, on a page of its own."""
    found = []
    with page.context.new_page() as alone:
        for theme in ("light", "dark"):
            alone.emulate_media(color_scheme=theme)
            alone.goto(page.url)
            settle(alone)
            alone.evaluate(
                """made => {
                     document.body.innerHTML = `<main class="bd-article">${made}</main>`;
                     document.body.style.display = 'block';
                   }""",
                figure.evaluate("e => e.outerHTML"),
            )
            alone.add_script_tag(path=AXE)
            result = alone.evaluate(
                """tags => axe.run(document.querySelector('main'), {
                     runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})""",
                WCAG,
            )
            assert len(result["passes"]) > 5
            found += [
                f"{theme}: {rule['id']}: {node['target']} {node['failureSummary']}"
                for rule in result["violations"]
                for node in rule["nodes"]
            ]
    return found


def change(figure: Locator, page: Page, how: str) -> None:
    """Bring a figure out of its opening state: from the keyboard, or by its controls."""
    if how == "keys":
        for handle in figure.locator("[data-handle]").all():
            handle.focus()
            for key in ("ArrowRight", "ArrowUp", "PageDown"):
                page.keyboard.press(key)
    else:
        for control in figure.locator("input[type=range]").all():
            control.focus()
            page.keyboard.press("End")
        for control in figure.locator("select").all():
            control.select_option(index=1)
        for control in figure.locator("input[type=checkbox]").all():
            control.click()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_accessible_and_keeps_its_size_in_three_states(
    browser: Browser, html: Path, name: str, width: int
) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        figure = opened(page, html, name)
        room, found = figure.evaluate(ROOM), []
        for how in ("opening", "keys", "controls"):
            if how != "opening":
                before = state(figure)
                change(figure, page, how)
                page.wait_for_timeout(400)
                assert state(figure) != before or not figure.locator("[data-handle]").count()
            assert figure.evaluate(ROOM) == pytest.approx(room, abs=1), how
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found += [f"{how}, {fault}" for fault in faults(page, figure)]
        assert found == []


@pytest.mark.parametrize("name", FIGURES)
def test_no_letter_is_too_small_or_outside_of_its_panel(
    browser: Browser, html: Path, name: str
) -> None:
    for width in (390, 1280):
        with browser.new_context(viewport={"width": width, "height": 900}) as context:
            page = context.new_page()
            figure = opened(page, html, name)
            for how in ("opening", "keys", "controls"):
                if how != "opening":
                    change(figure, page, how)
                    state(figure)
                small, outside = figure.evaluate(
                    """root => {
                         const all = [...root.querySelectorAll('.panel text')];
                         const size = t => parseFloat(getComputedStyle(t).fontSize) *
                           t.ownerSVGElement.getScreenCTM().a;
                         const out = t => {
                           const a = t.getBoundingClientRect();
                           const b = t.ownerSVGElement.getBoundingClientRect();
                           return a.left < b.left - 1 || a.right > b.right + 1 ||
                             a.top < b.top - 1 || a.bottom > b.bottom + 1;
                         };
                         const words = ts => ts.map(t => t.textContent);
                         return [words(all.filter(t => size(t) < 9.9)), words(all.filter(out))];
                       }"""
                )
                assert small == [], (width, how)
                assert outside == [], (width, how)


@pytest.mark.parametrize("name", FIGURES)
def test_handles_answer_mouse_touch_and_keyboard(browser: Browser, html: Path, name: str) -> None:
    with browser.new_context(has_touch=True) as context:
        page = context.new_page()
        figure = opened(page, html, name)
        handles = [h.get_attribute("data-handle") for h in figure.locator("[data-handle]").all()]
        for handle in handles:
            target = figure.locator(f"[data-handle='{handle}']")
            for hand in ("mouse", "touch", "keys"):
                figure.locator("button[name=reset]").click()
                before = state(figure)
                target.evaluate("e => e.scrollIntoView({block: 'center', behavior: 'instant'})")
                box = target.bounding_box()
                assert box is not None
                assert min(box["width"], box["height"]) >= 24, "WCAG 2.5.8"
                x, y = box["x"] + 0.7 * box["width"], box["y"] + 0.4 * box["height"]
                if hand == "mouse":
                    page.mouse.move(x, y)
                    page.mouse.down()
                    page.mouse.move(x + 30, y + 9, steps=3)
                    page.mouse.up()
                elif hand == "touch":
                    page.touchscreen.tap(x + 1, y)
                    if state(figure) == before:  # a point is not moved by a touch of its middle
                        drag_by_touch(page, x, y)
                else:
                    target.focus()
                    page.keyboard.press("ArrowLeft")
                assert changed(figure, before), (handle, hand)
                assert target.evaluate("e => e === document.activeElement"), (handle, hand)
                page.keyboard.press("Tab")
                assert not target.evaluate("e => e === document.activeElement"), "no trap"
                assert page.evaluate("location.pathname").endswith(f"{PAGE[name]}.html")


def changed(figure: Locator, before: str) -> bool:
    """Tell whether the state changes, if need be after a while on a busy machine."""
    return bool(
        figure.evaluate(
            """async (e, before) => {
                 for (let k = 0; k < 50 && e.dataset.state === before; k++)
                   await new Promise(done => setTimeout(done, 100));
                 return e.dataset.state !== before;
               }""",
            before,
        )
    )


def drag_by_touch(page: Page, x: float, y: float) -> None:
    session = page.context.new_cdp_session(page)
    for kind, dx in (("touchStart", 0), ("touchMove", 30), ("touchMove", 60), ("touchEnd", 60)):
        points = [] if kind == "touchEnd" else [{"x": x + dx, "y": y + dx / 5}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.mark.parametrize("name", FIGURES)
def test_a_handle_keeps_the_focus_whatever_changes_around_it(
    browser: Browser, html: Path, name: str
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        figure = opened(page, html, name)
        lost = figure.evaluate(
            """async root => {
                 const lost = [];
                 const drawn = () =>
                   new Promise(d => requestAnimationFrame(() => requestAnimationFrame(d)));
                 const use = async (control, value) => {
                   if (control.type === 'checkbox') control.checked = !control.checked;
                   else control.value = value;
                   control.dispatchEvent(new Event('input', {bubbles: true}));
                   await drawn();
                 };
                 const controls = [...root.querySelectorAll('input:not([type=text]), select')];
                 for (const {dataset: {handle}} of root.querySelectorAll('[data-handle]')) {
                   const find = () => root.querySelector(`[data-handle="${handle}"]`);
                   for (const control of controls) {
                     const values = control.options
                       ? [...control.options].map(o => o.value) : [control.max, control.min];
                     for (const value of values) {
                       const before = find();
                       before?.focus({preventScroll: true});
                       await use(control, value);
                       if (before && find() && find() !== document.activeElement)
                         lost.push(`${handle}: ${control.name} ${value}`);
                     }
                   }
                 }
                 return lost;
               }"""
        )
        assert lost == []


@pytest.mark.parametrize("name", FIGURES)
def test_start_again_starts_again(browser: Browser, html: Path, name: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        figure = opened(page, html, name)
        opening = state(figure)
        change(figure, page, "keys")
        change(figure, page, "controls")
        assert state(figure) != opening
        figure.locator("button[name=reset]").click()
        assert state(figure) == opening


@pytest.mark.parametrize("name", FIGURES)
def test_paper_shows_the_figure_without_its_controls(
    browser: Browser, html: Path, name: str
) -> None:
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        figure = opened(page, html, name)
        page.emulate_media(media="print")
        assert not figure.locator(".controls").is_visible()
        assert not page.locator("figure", has=figure).get_by_text("Try:").is_visible()
        assert figure.locator(".panel").first.is_visible()
        ink = figure.locator(".panel text").first.evaluate("e => getComputedStyle(e).fill")
        assert ink == "rgb(28, 36, 48)"
