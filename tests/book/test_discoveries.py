"""What a reader can find out with each figure, asserted on what the figure says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.book.test_interactive import opened, state


class Hand:
    """A reader's hand on one figure."""

    def __init__(self, page: Page, figure: Locator) -> None:
        self.page = page
        self.figure = figure

    def handle(self, name: str) -> Locator:
        return self.figure.locator(f"[data-handle='{name}']")

    def press(self, handle: str, *keys: str) -> None:
        self.handle(handle).focus()
        for key in keys:
            self.page.keyboard.press(key)

    def point(self, handle: str, x: float, y: float) -> None:
        """Click at a place of a handle, given in parts of its width and height."""
        box = self.handle(handle).bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])

    def tap(self, handle: str, x: float, y: float) -> None:
        box = self.handle(handle).bounding_box()
        assert box is not None
        self.page.touchscreen.tap(box["x"] + x * box["width"], box["y"] + y * box["height"])

    def slide(self, name: str, *keys: str) -> None:
        """Move a slider from the keyboard."""
        self.figure.locator(f"input[name={name}]").focus()
        for key in keys:
            self.page.keyboard.press(key)

    def click(self, name: str) -> None:
        self.figure.locator(f"[name={name}]").click()

    def choose(self, name: str, value: str) -> None:
        self.figure.locator(f"select[name={name}]").select_option(value)

    def said(self) -> str:
        """Return what the figure says once the hand rests."""
        state(self.figure)
        self.page.wait_for_timeout(300)
        return self.figure.locator(".said").inner_text()

    def found(self, pattern: str) -> list[float]:
        """Return the numbers that stand where ``#`` stands in the pattern."""
        said = self.said()
        match = re.search(re.escape(pattern).replace(r"\#", "(−?[0-9.]+(?:e−?[0-9]+)?)"), said)
        assert match, said
        return [float(number.replace("−", "-")) for number in match.groups()]


@pytest.fixture
def hand(request: pytest.FixtureRequest, browser: Browser, html: Path) -> Iterator[Hand]:
    with browser.new_context(has_touch=True) as context:
        page = context.new_page()
        yield Hand(page, opened(page, html, request.param))


def on(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("hand", [name], indirect=True)


@on("lstm")
def test_open_input_gate_lets_later_inputs_write_over_the_first(hand: Hand) -> None:
    kept = "C of step 20 is #: # written at step 3, # by all other steps."
    total, first, others = hand.found(kept)
    assert first > 0.6
    assert abs(others) < 0.05
    hand.click("open")
    total, same, others = hand.found(kept)
    assert same == first
    assert abs(others) > 0.2
    assert total == pytest.approx(first + others, abs=0.011)


@on("lstm")
def test_error_dies_where_the_forget_gate_is_shut(hand: Hand) -> None:
    arrives = "Of the error at C, # % arrives at step 3."
    hand.click("carousel")
    assert hand.found(arrives) == [100]
    hand.point("f", 0.5, 0.95)
    [once] = hand.found(arrives)
    assert once < 20
    hand.click("carousel")
    hand.tap("f", 0.02, 0.95)  # before step 3: no matter to it
    assert hand.found(arrives) == [100]
    hand.slide("b", *["ArrowLeft"] * 8)
    [steady] = hand.found(arrives)
    assert steady == pytest.approx(100 * 0.5**17, rel=0.01)
    hand.press("f", "Home", *["ArrowRight"] * 9, *["PageDown"] * 4)
    assert hand.found(arrives) == [0]
