"""The figures that the reader changes: their arithmetic, their making, and what all share."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import interactive
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page
from py_mini_racer import MiniRacer

from lib.lstm import LSTM, LSTMParams, LSTMState
from tests.book.test_pages import AXE, WCAG, settle, watch

ROOT = Path(__file__).resolve().parent.parent.parent
FIGURES = interactive.figures()
PAGE = {
    name: path.stem
    for path in (ROOT / "book").glob("*.md")
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
                str(engine.eval(f'JSON.stringify(modules["{module}"].{name}({given}))'))
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
    monkeypatch.setattr(interactive, "EXPERIMENTS", tmp_path)
    assert interactive.stored("x") == "null"
    (tmp_path / "x.json").write_text(json.dumps({"figure": [0.5, 1], "other": 1}))
    assert interactive.stored("x") == "[0.5,1]"
    (tmp_path / "x.json").write_text(json.dumps({"figure": "0" * interactive.MOST}))
    with pytest.raises(ValueError, match=r"x\.json: expected at most 150000 bytes, got 150002"):
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
        page.goto(f"file://{html}/book/{PAGE[name]}.html")
        figure = page.locator(f"[data-figure={name}]")
        assert figure.locator(".panel").first.is_visible()
        assert not figure.locator(".controls").is_visible()
        assert figure.locator("[tabindex], [role=slider]").count() == 0
        assert len(figure.locator(".said").inner_text()) > 20
        assert interactive.still(name).split('<div class="controls">')[0] in page.content()


def opened(page: Page, html: Path, name: str) -> Locator:
    """Open a figure's page and wait for the figure."""
    page.goto(f"file://{html}/book/{PAGE[name]}.html")
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
        wrong = watch(page, f"file://{html}")
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
                    page.keyboard.press("ArrowUp")
                assert state(figure) != before, (handle, hand)
                assert target.evaluate("e => e === document.activeElement"), (handle, hand)
                page.keyboard.press("Tab")
                assert not target.evaluate("e => e === document.activeElement"), "no trap"
                assert page.evaluate("location.pathname").endswith(f"{PAGE[name]}.html")


def drag_by_touch(page: Page, x: float, y: float) -> None:
    session = page.context.new_cdp_session(page)
    for kind, dx in (("touchStart", 0), ("touchMove", 15), ("touchMove", 30), ("touchEnd", 30)):
        points = [] if kind == "touchEnd" else [{"x": x + dx, "y": y + dx / 5}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


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
        assert figure.locator(".panel").first.is_visible()
        ink = figure.locator(".panel text").first.evaluate("e => getComputedStyle(e).fill")
        assert ink == "rgb(28, 36, 48)"
