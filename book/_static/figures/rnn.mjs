// A reader of characters at work: what each character cost it, what it expected, what a unit did.

import { choice, clamp, element, fixed, handle, panel, range, rect, segment, text } from "./figure.mjs";
import { costs, means, probabilities } from "./rnn-arithmetic.mjs";

const LEFT = 10;
const TOP = 22;
const CELL = 8.1;
const ROW = 52;
const shown = (character) => ({ " ": "␣", "\n": "↵" })[character] ?? character;
const spoken = (character) => ({ " ": "A space", "\n": "A new line" })[character] ?? `“${character}”`;
const place = (k, window) => [LEFT + (k % window) * CELL, TOP + Math.floor(k / window) * ROW];

const page = (state, { data, live }, cost) => {
  const { next, window } = data;
  const trace = data.states[state.unit];
  const rows = next.length / window;
  const cells = [...next]
    .map((character, k) => {
      const [x, y] = place(k, window);
      const middle = y + 33;
      const up = 9 * trace[k];
      return (
        rect(x, y, CELL, 20, { class: "loss", "fill-opacity": 0.45 * clamp(cost[k] / 5, 0, 1) }) +
        text(x + CELL / 2, y + 14, shown(character), { class: character === " " ? "letter faint-ink" : "letter" }) +
        rect(x + 1, Math.min(middle, middle - up), CELL - 2, Math.max(0.6, Math.abs(up)), { class: "state" })
      );
    })
    .join("");
  const [x, y] = place(state.at, window);
  return panel(
    "Two hundred characters, each on a ground that is fuller the more it cost, and a unit below them",
    344,
    TOP + rows * ROW + 2,
    text(LEFT, 13, "fuller: dearer; each line begins with h = 0", { class: "name" }) +
      handle(
        { live },
        "character",
        {
          label: "Character",
          value: state.at + 1,
          min: 1,
          max: next.length,
          says: `${spoken(next[state.at])}: ${fixed(cost[state.at])} nats`,
          hover: true,
        },
        rect(LEFT, TOP - 1, window * CELL, rows * ROW - 6, { class: "grip clear" }) +
          // one element to compare while only the choice moves
          element("g", {}, Array.from({ length: rows }, (_, r) => segment(LEFT, TOP + r * ROW + 33, LEFT + window * CELL, TOP + r * ROW + 33, { class: "grid" })).join("") + cells) +
          rect(x - 0.5, y - 1, CELL + 1, 45, { class: "chosen" }),
      ),
  );
};

const BEST = 8;
const expected = (state, { data }) => {
  const p = probabilities(data.logits[state.at], state.temperature);
  const order = [...p.keys()].sort((one, other) => p[other] - p[one]);
  const came = data.symbols.indexOf(data.next[state.at]);
  const list = order.slice(0, BEST);
  if (!list.includes(came)) list[BEST - 1] = came;
  const start = state.at - (state.at % data.window);
  const before = data.read.slice(Math.max(start, state.at - 23), state.at + 1);
  return panel(
    "What the network expected next",
    344,
    TOP + 5 * ROW + 2,
    text(LEFT, 13, "what it expected after", { class: "name" }) +
      text(LEFT, 36, `“${[...before].map((c) => (c === "\n" ? "↵" : c)).join("")}”`, { class: "letter start" }) +
      list
        .map((k, row) => {
          const y = 50 + row * 27;
          return (
            text(LEFT + 12, y + 14, shown(data.symbols[k]), { class: "letter" }) +
            rect(LEFT + 28, y, 220, 19, { class: "field" }) +
            rect(LEFT + 28, y, 220 * p[k], 19, { class: k === came ? "loss" : "state" }) +
            text(LEFT + 256, y + 14, `${fixed(p[k])}${k === came ? "  came" : ""}`, { class: k === came ? "readout" : "name" })
          );
        })
        .join(""),
  );
};

export const figure = {
  data: "rnn",
  opening: { at: 124, temperature: 1, unit: 0 },
  draw: (state, view) => page(state, view, costs(view.data, state.temperature)) + expected(state, view),
  controls: (state, { data }) =>
    range("temperature", "temperature θ", state.temperature, { min: 0.2, max: 3, step: 0.1, shown: fixed(state.temperature, 1) }) +
    choice("unit", "traced below", String(state.unit), data.units.map((unit, k) => [String(k), `unit ${unit + 1}`])),
  say: (state, { data }) => {
    const cost = costs(data, state.temperature);
    const { first, later, reset, others } = means(data, cost);
    const own = cost[state.at];
    return (
      `${spoken(data.next[state.at])}: probability ${fixed(Math.exp(-own))}, cost ${fixed(own)} nats. ` +
      `Mean cost: first letters of words ${fixed(first)}, later ones ${fixed(later)}; ` +
      `first two after a reset ${fixed(reset)}, others ${fixed(others)}.`
    );
  },
  set: (state, name, value) => ({ ...state, [name]: Number(value) }),
  drag: (state, name, [px, py], { data }) => {
    const { window, next } = data;
    const column = clamp(Math.floor((px - LEFT) / CELL), 0, window - 1);
    const row = clamp(Math.floor((py - TOP) / ROW), 0, next.length / window - 1);
    const at = row * window + column;
    return at === state.at ? state : { ...state, at };
  },
  key: (state, name, key, { data }) => {
    const { window, next } = data;
    const column = state.at % window;
    const step = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -window, ArrowDown: window,
      Home: -column, End: window - 1 - column, PageUp: -2 * window, PageDown: 2 * window,
    }[key];
    if (step === undefined) return undefined;
    const at = state.at + step;
    return at < 0 || at >= next.length ? state : { ...state, at };
  },
};
