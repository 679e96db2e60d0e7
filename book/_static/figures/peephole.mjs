// A clock of one unit: peepholes that compare the cell state with a threshold.

import { action, clamp, fixed, handle, panel, range, rect, round, segment, text, toggle } from "./figure.mjs";
import { rings, run } from "./peephole-arithmetic.mjs";

const T = 40;
const LEFT = 36;
const STEP = 7.5;
const x = (t) => LEFT + t * STEP;
const opening = { p_i: 0, p_f: -100, p_o: 100, b_i: 20, b_f: 93, b_o: -93, drive: 0.14, old: false };
const threshold = (b, p) => (p === 0 ? undefined : -b / p);

const bars = (values, top, height, low, high, kind) => {
  const y = (value) => top + (height * (high - clamp(value, low, high))) / (high - low);
  return (
    rect(LEFT, top, T * STEP, height, { class: "field" }) +
    values
      .map((value, t) => rect(x(t) + 1, Math.min(y(value), y(0)), STEP - 2, Math.max(0.8, Math.abs(y(value) - y(0))), { class: kind }))
      .join("")
  );
};
const scale = (top, height, low, high) =>
  text(LEFT - 5, top + 9, fixed(high, 0), { class: "tick end" }) +
  text(LEFT - 5, top + height, fixed(low, 0), { class: "tick end" });
const steps = (y) => [1, 7, 14, 21, 28, 35].map((t) => text(x(t - 1) + STEP / 2, y, t, { class: "tick middle" })).join("");

const TOP = 20;
const HEIGHT = 170;
const MOST = 2;
const level = (value) => TOP + HEIGHT * (1 - clamp(value, 0, MOST) / MOST);

const cell = (state, rows, view) => {
  const at = threshold(state.b_o, state.p_o);
  const line =
    at === undefined || at < 0 || at > MOST
      ? text(x(T), 13, "no threshold within reach", { class: "readout end" })
      : handle(
          view,
          "threshold",
          { label: "Threshold of f and o", value: at, min: 0, max: MOST, says: `C = ${fixed(at)}` },
          rect(LEFT, level(at) - 13, T * STEP, 26, { class: "grip clear" }) +
            segment(LEFT, level(at), x(T), level(at), { class: "threshold" }),
        ) + text(x(T), 13, `threshold −bᵒ / pᵒ = ${fixed(at)}`, { class: "readout end" });
  return panel(
    "Cell state C of forty steps",
    340,
    TOP + HEIGHT + 18,
    text(LEFT, 13, "cell state C", { class: "name" }) +
      scale(TOP, HEIGHT, 0, MOST) +
      bars(rows.C, TOP, HEIGHT, 0, MOST, "state") +
      line +
      steps(TOP + HEIGHT + 14),
  );
};

const ROW = 62;
const gates = (rows) => {
  const shown = [
    ["f", "forget gate f", "layer"],
    ["o", "output gate o", "layer"],
    ["h", "output h", "output"],
  ];
  const rung = rings(rows);
  return panel(
    "Gates and output of forty steps",
    340,
    shown.length * ROW + 22,
    shown
      .map(([name, words, kind], k) => {
        const top = k * ROW + TOP;
        return text(LEFT, top - 6, words, { class: "name" }) + scale(top, ROW - 24, 0, 1) + bars(rows[name], top, ROW - 24, 0, 1, kind);
      })
      .join("") +
      rung.map((t) => text(x(t - 1) + STEP / 2, 2 * ROW + TOP + 9, "●", { class: "ring middle" })).join("") +
      steps(shown.length * ROW + 18),
  );
};

export const figure = {
  opening,
  draw: (state, view) => {
    const rows = run(state, T);
    return cell(state, rows, view) + gates(rows);
  },
  controls: (state) => {
    const slider = (name, words, min, max, step, digits = 0) =>
      range(name, words, state[name], { min, max, step, shown: fixed(state[name], digits) });
    return (
      slider("p_i", "p<sup>i</sup>", -100, 100, 5) +
      slider("p_f", "p<sup>f</sup>", -200, 100, 5) +
      slider("p_o", "p<sup>o</sup>", -100, 200, 5) +
      slider("b_f", "b<sup>f</sup>", -20, 200, 1) +
      slider("b_o", "b<sup>o</sup>", -200, 20, 1) +
      slider("drive", "g, the drive", 0, 0.5, 0.01, 2) +
      toggle("old", "o sees the old C", state.old) +
      action("blind", "no peepholes")
    );
  },
  say: (state) => {
    const rows = run(state, T);
    const rung = rings(rows);
    if (rung.length === 0) return `It never rings: h is at most ${fixed(Math.max(...rows.h))}, C at most ${fixed(Math.max(...rows.C))}.`;
    const gaps = rung.slice(1).map((t, k) => t - rung[k]);
    const even = gaps.length > 0 && gaps.every((gap) => gap === gaps[0]);
    const when = even ? (gaps[0] === 1 ? "at every step" : `every ${gaps[0]} steps`) : `at steps ${rung.slice(0, 6).join(", ")}${rung.length > 6 ? " …" : ""}`;
    return `It rings ${rung.length} times in ${T} steps, first at step ${rung[0]}, ${when}. C is ${fixed(rows.C[rung[0] - 1])} at the first ring.`;
  },
  set: (state, name, value) => (name === "blind" ? { ...state, p_i: 0, p_f: 0, p_o: 0 } : { ...state, [name]: value }),
  drag: (state, name, [, py]) => shifted(state, MOST * (1 - (py - TOP) / HEIGHT)),
  key: (state, name, key) => {
    const at = threshold(state.b_o, state.p_o);
    const change = { ArrowUp: 0.01, ArrowRight: 0.01, ArrowDown: -0.01, ArrowLeft: -0.01, PageUp: 0.1, PageDown: -0.1, Home: -MOST, End: MOST }[key];
    return change && shifted(state, at + change);
  },
};

// Both biases follow the threshold, so that f and o compare with the same number.
const shifted = (state, at) => {
  const value = round(clamp(at, 0, MOST), 0.01);
  return { ...state, b_f: round(-value * state.p_f, 1), b_o: round(-value * state.p_o, 1) };
};
