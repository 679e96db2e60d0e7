"""What a reader can find out with each figure, asserted on what the figure says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.book.test_interactive import opened, state


class Hand:
    """A reader's hand on one figure."""

    def __init__(self, page: Page, figure: Locator) -> None:
        self.page = page
        self.figure = figure

    def handle(self, name: str) -> Locator:
        return self.figure.locator(f"[data-handle='{name}']")

    def box(self, handle: str) -> dict[str, float]:
        """Return where a handle stands, in the middle of the window."""
        self.handle(handle).evaluate(
            "e => e.scrollIntoView({block: 'center', behavior: 'instant'})"
        )
        box = self.handle(handle).bounding_box()
        assert box is not None
        return dict(box)

    def press(self, handle: str, *keys: str) -> None:
        self.handle(handle).focus()
        for key in keys:
            self.page.keyboard.press(key)

    def point(self, handle: str, x: float, y: float) -> None:
        """Click at a place of a handle, given in parts of its width and height."""
        box = self.box(handle)
        self.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])

    def tap(self, handle: str, x: float, y: float) -> None:
        box = self.box(handle)
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


@on("bptt")
def test_with_equal_windows_the_first_loss_reaches_one_step(hand: Hand) -> None:
    assert hand.found("The loss of step # reaches # state, its own") == [13, 1]
    assert hand.found("Where the past is cut off: # to #.") == [1, 6]
    for k1 in (6, 5, 4):
        hand.slide("k2", "Home", *["ArrowRight"] * (2 * k1 - 1))
        hand.slide("k1", "Home", *["ArrowRight"] * (k1 - 1))
        assert hand.found("Where the past is cut off: # to #.") == [k1 + 1, 2 * k1]
    hand.press("loss", "Home")
    assert hand.found("The loss of step # reaches # state, its own") == [1, 1]
    hand.point("loss", 0.1, 0.999)
    assert hand.found("The loss of step # reaches # states")[0] == 24
    hand.slide("k1", "Home")
    assert hand.found("Work: # steps back")[0] > 5


@on("vanishing_gradients-cliff")
def test_wall_steepens_with_the_number_of_steps(hand: Hand) -> None:
    slopes = []
    for steps in (5, 20, 50):
        hand.slide("steps", "Home", *["ArrowRight"] * (steps - 1))
        slopes += hand.found("Steepest slope along the line: #.")
    assert slopes[0] < 5
    assert slopes[1] > 20
    assert slopes[2] > 1000


@on("vanishing_gradients-cliff")
def test_clipping_saves_a_run_at_the_wall_but_not_on_a_plateau(hand: Hand) -> None:
    pattern = "Longest of 200 updates: #. Loss: first #, lowest #, last #."
    longest, _, _, last = hand.found(pattern)
    assert longest > 1
    assert last > 0.05
    for cure in ("norm", "value", "random"):
        hand.choose("cure", cure)
        longest, _, lowest, _ = hand.found(pattern)
        assert longest < 0.08
        assert lowest < 0.02
    hand.press("start", "Home", *["PageDown"] * 5)
    ends = []
    for cure in ("none", "norm"):
        hand.choose("cure", cure)
        _, first, lowest, _ = hand.found(pattern)
        ends.append(lowest)
        assert lowest > 0.9 * first
    assert ends[0] == ends[1]


@on("gru")
def test_reset_gates_agree_for_equal_gates_or_a_diagonal_matrix_alone(hand: Hand) -> None:
    assert hand.found("): # apart.")[0] > 0.5
    hand.point("r", 0.5, 0.5)
    hand.press("r", "Home", "End", "PageUp", "PageUp", "PageUp")  # r = (1, 1)
    assert "the same, since r₁ = r₂" in hand.said()
    hand.press("r", "ArrowDown")
    assert hand.found("): # apart.")[0] > 0
    hand.choose("W", "diagonal")
    assert "the same, since W is diagonal" in hand.said()
    hand.press("h", "PageUp", "ArrowLeft")
    assert "the same, since W is diagonal" in hand.said()
    hand.choose("W", "mix")
    assert hand.found("): # apart.")[0] > 0


@on("peephole")
def test_clock_rings_every_seven_steps_and_is_blind_without_peepholes(hand: Hand) -> None:
    pattern = "It rings # times in 40 steps, first at step #, every # steps."
    assert hand.found(pattern) == [5, 7, 7]
    assert hand.figure.locator(".panel", has_text="−bᵒ / pᵒ = 0.93").count() == 1
    hand.press("threshold", *["PageDown"] * 3)
    expect(hand.figure.locator(".panel").first).to_contain_text("−bᵒ / pᵒ = 0.63")
    assert hand.found(pattern)[2] == 5
    hand.click("old")
    assert "It never rings" in hand.said()
    hand.click("old")
    hand.click("blind")
    assert hand.found("It never rings: h is at most #, C at most #.") == [0, 5.6]


@on("bidirectional")
def test_receptive_fields(hand: Hand) -> None:
    place = "The output at row #, column # can have seen # of 64 pixels."
    everywhere = "Over all places: at least #, at most #."
    assert hand.found(place) == [3, 5, 15]
    assert hand.found(everywhere) == [15, 15]
    hand.choose("network", "directions2")
    assert hand.found(everywhere) == [64, 64]
    hand.choose("network", "corners")
    assert hand.found(everywhere) == [64, 64]
    hand.choose("network", "corner")
    assert hand.found(everywhere) == [1, 64]
    hand.press("output", "PageUp", "Home")
    assert hand.found(place) == [1, 1, 1]
    hand.choose("network", "order")
    hand.tap("output", 0.55, 0.3)
    assert hand.found(place) == [3, 5, 21]
    for convolutions, least in ((1, 4), (2, 9), (6, 49), (7, 64)):
        hand.slide("layers", "Home", *["ArrowRight"] * (convolutions - 1))
        assert hand.found(everywhere)[0] == least
    box = hand.box("output")
    hand.page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + 0.05 * box["height"])
    assert hand.found(place)[:2] == [1, 8]


@on("deep")
def test_lengths_of_shortest_paths(hand: Hand) -> None:
    path = "q = # steps: the shortest path has # maps."
    assert hand.found(path) == [4, 4]
    hand.choose("kind", "transition")
    assert hand.found(path) == [4, 12]
    hand.choose("kind", "skip")
    assert hand.found(path) == [4, 4]
    hand.press("from", *["ArrowDown"] * 3)  # the input
    assert hand.found(path) == [4, 3 + 4]
    hand.choose("kind", "stack")
    for layers in (3, 4, 2):
        hand.slide("depth", "Home", *["ArrowRight"] * (layers - 1))
        hand.press("to", *["PageUp"])
        for at in (2, 4):
            hand.press("to", "Home", *["ArrowRight"] * at)
            masks = hand.found("On to the output it meets # dropout masks, however")
            assert masks == [layers + 1]
            assert hand.found(path) == [at - 1, layers + at - 1]
    hand.press("to", "Home")
    assert "nothing goes back in time" in hand.said()


@on("attention-keys")
def test_saturated_weights_let_no_gradient_through(hand: Hand) -> None:
    weight = "Key # has the largest weight, #;"
    slope = "The largest slope is #; a small step of q moves c # times as far."
    assert 0.3 < hand.found(weight)[1] < 0.7
    assert hand.found(slope)[0] > 0.15
    hand.slide("scale", "End")
    assert hand.found(weight)[1] > 0.6
    hand.press("query", "Home", "PageDown", "ArrowDown")
    assert hand.found(weight) == [3, 1]
    steep, moves = hand.found(slope)
    assert steep < 0.01
    assert moves < 0.1
    hand.slide("scale", "Home")
    assert hand.found(weight)[1] == 0.2
    assert hand.found(slope) == [0.16, 0]


@on("vanishing_gradients-flow")
def test_error_explodes_through_tanh_for_a_large_radius(hand: Hand) -> None:
    pattern = "this is left after # steps back: tanh #, ReLU #, sigmoid #."
    steps, tanh, relu, sigmoid = hand.found(pattern)
    assert steps == 60
    assert tanh < 1e-5
    assert relu < 1e-7
    assert sigmoid < 1e-30
    hand.slide("radius", "End")
    _, tanh, relu, sigmoid = hand.found(pattern)
    assert tanh > 1e3
    assert relu > 1e10
    assert sigmoid < 1e-3
    hand.tap("at", 0.001, 0.5)
    assert hand.found(pattern) == [0, 1, 1, 1]


@on("rnn")
def test_words_begin_hard_and_a_reset_is_dear(hand: Hand) -> None:
    pattern = (
        "Mean cost: first letters of words #, later ones #; first two after a reset #, others #."
    )
    first, later, reset, others = hand.found(pattern)
    assert first > 1.5 * later
    assert reset > 1.5 * others
    own = "probability #, cost # nats."
    hand.press("character", "Home")
    start = hand.found(own)
    hand.press("character", "ArrowRight")
    assert hand.found(own) != start
    hand.slide("temperature", "End")
    hot = hand.found(pattern)
    assert hot[1] > later
    assert hot[0] / hot[1] < first / later
    hand.slide("temperature", "Home")
    assert hand.found(pattern)[3] > others, "sure of itself, and wrong"


@on("encoder_decoder")
def test_greedy_misses_the_likeliest_and_alpha_lengthens_the_answer(hand: Hand) -> None:
    pattern = "”, # symbols, log p #."
    length, greedy = hand.found(pattern)
    hand.slide("width", "ArrowRight")
    short, likelier = hand.found(pattern)
    assert likelier > greedy + 0.3
    assert short < length
    assert "“may 9”" in hand.said()
    hand.slide("width", "End")
    hand.slide("alpha", "End")
    long, less_likely = hand.found(pattern)
    assert long > short
    assert less_likely < likelier
    assert "2038”" in hand.said().split("Greedy")[0]
    hand.press("step", "Home")
    expect(hand.figure.locator(".panel").nth(1)).to_contain_text("kept at step 1")


@on("attention-dates")
def test_readers_own_date_is_translated_and_shows_where_it_looked(hand: Hand) -> None:
    assert "The network writes 1985-06-03." in hand.said()
    field = hand.figure.locator("input[name=text]")
    for text, iso in (
        ("the 9th of november 1989", "1989-11-09"),
        ("on tuesday, the fourth of may 2021", "2021-05-04"),
        ("24 dec 2001", "2001-12-24"),
    ):
        field.fill(text)
        assert f"The network writes {iso}." in hand.said()
    hand.press("output", "Home", *["ArrowRight"] * 3)
    at, weight = hand.found("“1” looked most at character #, in “001”, with weight #.")
    assert at in (10, 11)
    assert weight > 0.5
    hand.choose("example", "4.11.07")
    assert "The network writes 2007-11-04." in hand.said()
    assert field.input_value() == "4.11.07"
