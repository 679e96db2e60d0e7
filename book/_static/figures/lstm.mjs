// One LSTM cell over twenty steps; the reader paints inputs and gates.

import { line } from "./vendor.mjs";
import { action, brief, clamp, fixed, handle, panel, path, range, rect, round, segment, text } from "./figure.mjs";
import { backward, forward, shares, sigmoid } from "./lstm-arithmetic.mjs";

const T = 20;
const FIRST = 2; // the step whose input is to be kept
const spread = (values, rest) => Array.from({ length: T }, (_, t) => values[t] ?? rest);
const opening = {
  g: spread({ 2: 0.9, 6: -0.7, 9: 0.5, 13: -0.8, 16: 0.6 }, 0),
  i: spread({ 2: 1 }, 0.02),
  f: spread({}, sigmoid(4)),
  o: spread({ 19: 1 }, 0.1),
  b: 4,
  at: { g: FIRST, i: FIRST, f: 10, o: 19 },
};

const LEFT = 36;
const STEP = 15;
const WIDTH = LEFT + T * STEP + 4;
const ROWS = [
  ["g", "input g", "input", -1],
  ["i", "input gate i", "layer", 0],
  ["f", "forget gate f", "layer", 0],
  ["o", "output gate o", "layer", 0],
];
const ROW = 58;
const x = (t) => LEFT + t * STEP;

const bars = (values, top, height, low, high, kind) => {
  const y = (value) => top + (height * (high - clamp(value, low, high))) / (high - low);
  return (
    rect(LEFT, top, T * STEP, height, { class: "field" }) +
    segment(LEFT, y(0), x(T), y(0), { class: "axis" }) +
    values
      .map((value, t) =>
        rect(x(t) + 2, Math.min(y(value), y(0)), STEP - 4, Math.max(1, Math.abs(y(value) - y(0))), { class: kind }),
      )
      .join("")
  );
};
const scale = (top, height, low, high) =>
  text(LEFT - 5, top + 9, fixed(high, 0), { class: "tick end" }) +
  text(LEFT - 5, top + height, fixed(low, 0), { class: "tick end" });
const steps = (y) =>
  [1, 5, 10, 15, 20].map((t) => text(x(t - 1) + STEP / 2, y, t, { class: "tick middle" })).join("");

const painted = (state, view) =>
  panel(
    "What goes in: input and gates of each step",
    WIDTH,
    ROWS.length * ROW + 16,
    ROWS.map(([name, label, kind, low], k) => {
      const top = k * ROW + 18;
      const height = ROW - 22;
      const t = state.at[name];
      const value = state[name][t];
      return (
        text(LEFT, top - 5, label, { class: "name" }) +
        text(x(T), top - 5, `step ${t + 1}: ${fixed(value)}`, { class: "readout end" }) +
        scale(top, height, low, 1) +
        handle(
          view,
          name,
          { label: `${label} of step ${t + 1}`, value, min: low, max: 1, says: `step ${t + 1}: ${fixed(value)}` },
          bars(state[name], top, height, low, 1, kind) + rect(x(t), top, STEP, height, { class: "chosen" }),
        )
      );
    }).join("") + steps(ROWS.length * ROW + 12),
  );

const ROOM = 77;
const computed = (state) => {
  const run = forward(state);
  const errors = backward(state, run);
  const curves = [
    ["C", "cell state C", run.C, -2, 2, "state"],
    ["h", "output h", run.h, -1, 1, "output"],
    ["dC", "error at C, on the way back from h of step 20", errors, 0, 1, "loss"],
  ];
  return panel(
    "What comes out: cell state, output, and the error on its way back",
    WIDTH,
    curves.length * ROOM + 17,
    curves
      .map(([, label, values, low, high, kind], k) => {
        const top = k * ROOM + 18;
        const height = ROOM - 22;
        const y = (value) => top + (height * (high - clamp(value, low, high))) / (high - low);
        const points = values.map((value, t) => [x(t) + STEP / 2, y(value)]);
        return (
          text(LEFT, top - 5, label, { class: "name" }) +
          scale(top, height, low, high) +
          bars(values, top, height, low, high, kind) +
          path(line()(points), { class: `curve ${kind}` })
        );
      })
      .join("") + steps(curves.length * ROOM + 13),
  );
};

export const figure = {
  opening,
  draw: (state, view) => painted(state, view) + computed(state),
  controls: (state) =>
    range("b", "forget bias b<sup>f</sup>", state.b, { min: -2, max: 8, step: 0.5, shown: `${fixed(state.b, 1)}: f = ${fixed(sigmoid(state.b))}` }) +
    action("open", "i = 1 everywhere") +
    action("shut", "i = 1 at step 3 alone") +
    action("carousel", "f = 1 everywhere"),
  say: (state) => {
    const run = forward(state);
    const parts = shares(state);
    const errors = backward(state, run);
    const others = run.C[T - 1] - parts[FIRST];
    const left = (100 * errors[FIRST]) / errors[T - 1];
    const arrives = errors[T - 1] === 0 ? "No error reaches the cell: o of step 20 is 0." : `Of the error at C, ${brief(left)} % arrives at step 3.`;
    return (
      `C of step 20 is ${fixed(run.C[T - 1])}: ${fixed(parts[FIRST])} written at step 3, ` +
      `${fixed(others)} by all other steps. ${arrives}`
    );
  },
  set: (state, name, value) => {
    if (name === "b") return { ...state, b: value, f: spread({}, sigmoid(value)) };
    if (name === "open") return { ...state, i: spread({}, 1) };
    if (name === "shut") return { ...state, i: opening.i };
    return { ...state, f: spread({}, 1) };
  },
  drag: (state, name, [px, py]) => {
    const k = ROWS.findIndex(([row]) => row === name);
    const low = ROWS[k][3];
    const t = clamp(Math.floor((px - LEFT) / STEP), 0, T - 1);
    const top = k * ROW + 18;
    const value = 1 - ((py - top) / (ROW - 22)) * (1 - low);
    return paint(state, name, t, clamp(round(value, 0.05), low, 1));
  },
  key: (state, name, key) => {
    const low = ROWS.find(([row]) => row === name)[3];
    const t = state.at[name];
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -T, End: T }[key];
    if (step) return { ...state, at: { ...state.at, [name]: clamp(t + step, 0, T - 1) } };
    const change = { ArrowUp: 0.05, ArrowDown: -0.05, PageUp: 0.25, PageDown: -0.25 }[key];
    if (!change) return undefined;
    return paint(state, name, t, clamp(round(state[name][t] + change, 0.01), low, 1));
  },
};

const paint = (state, name, t, value) => ({
  ...state,
  [name]: state[name].map((old, k) => (k === t ? value : old)),
  at: { ...state.at, [name]: t },
});
