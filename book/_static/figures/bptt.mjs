// The credit triangle: a row for each loss, a column for each state.

import { clamp, fixed, handle, panel, range, rect, text } from "./figure.mjs";
import { reach, work } from "./bptt-arithmetic.mjs";

const T = 24;
const CELL = 12.5;
const LEFT = 36;
const TOP = 34;
const y = (t) => TOP + t * CELL;
const x = (t) => LEFT + t * CELL;
const ticks = [1, 6, 12, 18, 24];

const triangle = (state, view) => {
  const first = reach(T, state.k1, state.k2);
  const rows = first.map((from, t) => {
    const row = { y: y(t) + 1, height: CELL - 2 };
    return (
      rect(x(0), row.y, (t + 1) * CELL, row.height, { class: "faint" }) +
      rect(x(from), row.y, (t + 1 - from) * CELL, row.height, { class: "loss" })
    );
  });
  const borders = first
    .map((_, t) => t)
    .filter((t) => t % state.k1 === 0 && t > 0)
    .map((t) => rect(x(0) - 8, y(t) - 0.5, t * CELL + 8, 1, { class: "border" }))
    .join("");
  const t = state.at;
  return panel(
    "Which states the loss of each step teaches",
    340,
    y(T) + 6,
    text(LEFT, 12, "state of step", { class: "name" }) +
      ticks.map((k) => text(x(k - 1) + CELL / 2, 28, k, { class: "tick middle" })).join("") +
      text(x(T), y(5), "a row for the loss", { class: "name end" }) +
      text(x(T), y(6) + 4, "of each step", { class: "name end" }) +
      ticks.map((k) => text(LEFT - 12, y(k) - 2, k, { class: "tick end" })).join("") +
      handle(
        view,
        "loss",
        { label: "Loss of step", value: t + 1, min: 1, max: T, says: `step ${t + 1}: reaches ${t + 1 - first[t]}`, hover: true },
        rect(x(0), y(0), T * CELL, T * CELL, { class: "field clear" }) +
          rows.join("") +
          borders +
          rect(x(0) - 1, y(t), (t + 1) * CELL + 2, CELL, { class: "chosen" }),
      ),
  );
};

const counts = (state) => {
  const first = reach(T, state.k1, state.k2);
  return panel(
    "How many states the loss of each step reaches",
    240,
    y(T) + 6,
    text(LEFT, 12, "states reached", { class: "name" }) +
      [1, 6, 12, 18, 24].map((k) => text(LEFT + k * 7, 28, k, { class: "tick middle" })).join("") +
      rect(LEFT, y(0), T * 7, T * CELL, { class: "field" }) +
      first
        .map((from, t) => {
          const reached = t + 1 - from;
          const number = t === state.at ? text(LEFT + reached * 7 + 4, y(t) + 10, reached, { class: "readout" }) : "";
          return rect(LEFT, y(t) + 2, reached * 7, CELL - 4, { class: "loss" }) + number;
        })
        .join(""),
  );
};

export const figure = {
  opening: { k1: 6, k2: 6, at: 12 },
  draw: (state, view) => triangle(state, view) + counts(state),
  controls: ({ k1, k2 }) =>
    range("k1", "every k<sub>1</sub> steps", k1, { min: 1, max: T, step: 1, shown: String(k1) }) +
    range("k2", "back over k<sub>2</sub> steps", k2, { min: 1, max: T, step: 1, shown: String(k2) }),
  say: ({ k1, k2, at }) => {
    const first = reach(T, k1, k2);
    const reached = first.map((from, t) => t + 1 - from);
    const own = reached[at] === 1 ? "1 state, its own" : `${reached[at]} states`;
    const away = at + 1 - reached[at];
    const lost = away === 0 ? "and none is out of reach" : `and ${away} are out of reach`;
    const whole = reached.filter((_, t) => first[t] > 0);
    const least = whole.length === 0 ? "" : `Where the past is cut off: ${Math.min(...whole)} to ${Math.max(...whole)}. `;
    return (
      `The loss of step ${at + 1} reaches ${own}, ${lost}. ${least}` +
      `Work: ${fixed(work(T, k1, k2), 1)} steps back for each step.`
    );
  },
  set: (state, name, value) =>
    name === "k1"
      ? { ...state, k1: value, k2: Math.max(value, state.k2) }
      : { ...state, k1: Math.min(state.k1, value), k2: value },
  drag: (state, name, [, py]) => ({ ...state, at: clamp(Math.floor((py - TOP) / CELL), 0, T - 1) }),
  key: (state, name, key) => {
    const step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -6, PageDown: 6, Home: -T, End: T }[key];
    return step && { ...state, at: clamp(state.at + step, 0, T - 1) };
  },
};
