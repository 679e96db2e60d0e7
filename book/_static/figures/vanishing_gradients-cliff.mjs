// The cliff: the loss of one unit over weight and bias, and a run of gradient descent on it.

import { line } from "./vendor.mjs";
import { brief, choice, clamp, element, fixed, grip, handle, moved, panel, path, range, rect, round, segment, text } from "./figure.mjs";
import { descend, loss } from "./vanishing_gradients-arithmetic.mjs";

const [W0, W1, B0, B1] = [3, 8, -5, -1];
const LEFT = 34;
const TOP = 20;
const SIZE = 300;
const CELLS = 60;
const UPDATES = 200;
const x = (w) => LEFT + (SIZE * (w - W0)) / (W1 - W0);
const y = (b) => TOP + (SIZE * (B1 - b)) / (B1 - B0);
const back = ([px, py]) => [W0 + ((px - LEFT) * (W1 - W0)) / SIZE, B1 - ((py - TOP) * (B1 - B0)) / SIZE];
const LEVELS = [0.01, 0.03, 0.07, 0.15, 0.25, 0.35, 0.45];
const CURES = { none: "no cure", value: "clipping by value", norm: "clipping by norm", random: "a random step" };
const inside = ([w, b]) => [clamp(w, W0, W1), clamp(b, B0, B1)];

// One path a level, of runs of cells in the same column.
const maps = new Map();
const map = (steps) => {
  if (maps.has(steps)) return maps.get(steps);
  const cell = SIZE / CELLS;
  const level = Array.from({ length: CELLS }, (_, i) =>
    Array.from({ length: CELLS }, (_, j) => {
      const at = back([LEFT + (i + 0.5) * cell, TOP + (j + 0.5) * cell]);
      return LEVELS.filter((edge) => loss(at, steps).loss > edge).length;
    }),
  );
  const paths = Array.from({ length: LEVELS.length + 1 }, () => "");
  level.forEach((column, i) => {
    for (let j = 0; j < CELLS; ) {
      let end = j;
      while (end < CELLS && column[end] === column[j]) end++;
      paths[column[j]] += `M${LEFT + i * cell} ${TOP + j * cell}h${cell}v${(end - j) * cell}h${-cell}z`;
      j = end;
    }
  });
  const drawn = paths
    .map((d, k) => (d ? path(d, { class: "state", "fill-opacity": 0.04 + (0.7 * k) / LEVELS.length }) : ""))
    .join("");
  maps.set(steps, drawn);
  return drawn;
};

const plane = (state, run, view) => {
  const shown = run.places.map(inside);
  const away = run.places.findIndex((place, k) => String(place) !== String(shown[k]));
  const start = inside(state.start);
  return panel(
    "The loss over weight and bias, fuller where it is larger, and the run from the start",
    348,
    TOP + SIZE + 22,
    text(LEFT, 13, "loss, fuller where larger; w →, b ↑", { class: "name" }) +
      rect(LEFT, TOP, SIZE, SIZE, { class: "field" }) +
      map(state.steps) +
      [3, 4, 5, 6, 7, 8].map((w) => text(x(w), TOP + SIZE + 16, w, { class: "tick middle" })).join("") +
      [-5, -4, -3, -2, -1].map((b) => text(LEFT - 6, y(b) + 4, fixed(b, 0), { class: "tick end" })).join("") +
      segment(x(start[0]), TOP, x(start[0]), TOP + SIZE, { class: "cut" }) +
      path(line()(shown.map(([w, b]) => [x(w), y(b)])), { class: "curve loss-line" }) +
      shown.map(([w, b]) => element("circle", { cx: x(w), cy: y(b), r: 2.2, class: "loss" })).join("") +
      element("circle", { cx: x(shown[UPDATES][0]), cy: y(shown[UPDATES][1]), r: 5, class: "end-mark" }) +
      text(LEFT + 8, TOP + SIZE - 10, away > 0 ? `left the map at update ${away}` : "", { class: "readout" }) +
      handle(
        view,
        "start",
        { label: "Start of the run", value: start[0], min: W0, max: W1, says: `w = ${fixed(start[0], 1)}, b = ${fixed(start[1])}`, free: true },
        grip([x(start[0]), y(start[1])], 8, "output"),
      ),
  );
};

const FINE = 150;
const NEAR = Array.from({ length: 40 }, (_, k) => 10 ** (-k / 5)); // distances from the wall
const HIGH = 0.5;
// The loss along the line w = start's, and its steepest slope there.
const profile = (state) => {
  const w = state.start[0];
  const wall = -w / 2;
  const even = Array.from({ length: FINE + 1 }, (_, k) => B0 + ((B1 - B0) * k) / FINE);
  const near = NEAR.flatMap((distance) => [wall - distance, wall + distance]);
  const points = [...even, wall, ...near]
    .filter((b) => b >= B0 && b <= B1)
    .sort((one, other) => one - other)
    .map((b) => {
      const found = loss([w, b], state.steps);
      return { b, loss: found.loss, slope: Math.abs(found.gradient[1]) };
    });
  return { points, steepest: Math.max(...points.map((p) => p.slope)) };
};
const across = (b) => LEFT + (SIZE * (b - B0)) / (B1 - B0);
const height = (value, top, most, tall) => top + tall * (1 - clamp(value / most, 0, 1));

const cut = (state, run) => {
  const { points, steepest } = profile(state);
  const own = loss(state.start, state.steps).loss;
  return panel(
    "The loss along the dotted line, and the loss of each update",
    348,
    TOP + SIZE + 22,
    text(LEFT, 13, `loss along the dotted line, w = ${fixed(state.start[0], 1)}`, { class: "name" }) +
      rect(LEFT, TOP, SIZE, 130, { class: "field" }) +
      path(line()(points.map((p) => [across(p.b), height(p.loss, TOP, HIGH, 130)])), { class: "curve state-line" }) +
      element("circle", { cx: across(clamp(state.start[1], B0, B1)), cy: height(own, TOP, HIGH, 130), r: 5, class: "output" }) +
      text(LEFT + SIZE - 4, TOP + 14, `steepest slope ${brief(steepest)}`, { class: "readout end" }) +
      [-5, -4, -3, -2, -1].map((b) => text(across(b), TOP + 145, fixed(b, 0), { class: "tick middle" })).join("") +
      text(LEFT - 6, TOP + 10, "½", { class: "tick end" }) +
      text(LEFT - 6, TOP + 130, "0", { class: "tick end" }) +
      text(LEFT, TOP + 172, "loss of each update", { class: "name" }) +
      rect(LEFT, TOP + 180, SIZE, 120, { class: "field" }) +
      path(line()(run.losses.map((value, k) => [LEFT + (SIZE * k) / UPDATES, height(value, TOP + 180, HIGH, 120)])), { class: "curve loss-line" }) +
      [0, 50, 100, 150, 200].map((k) => text(LEFT + (SIZE * k) / UPDATES, TOP + 316, k, { class: "tick middle" })).join("") +
      text(LEFT - 6, TOP + 190, "½", { class: "tick end" }) +
      text(LEFT - 6, TOP + 300, "0", { class: "tick end" }),
  );
};

export const figure = {
  opening: { start: [5, -2.4], steps: 50, cure: "none", rate: 0.05, threshold: 1 },
  draw: (state, view) => {
    const run = descend(state, UPDATES);
    return plane(state, run, view) + cut(state, run);
  },
  controls: (state) =>
    choice("cure", "cure", state.cure, Object.entries(CURES)) +
    range("steps", "steps T", state.steps, { min: 1, max: 50, step: 1, shown: String(state.steps) }) +
    range("rate", "learning rate", state.rate, { min: 0.01, max: 0.5, step: 0.01 }) +
    range("threshold", "threshold v", state.threshold, { min: 0.1, max: 5, step: 0.1, shown: fixed(state.threshold, 1) }),
  say: (state) => {
    const { losses, lengths } = descend(state, UPDATES);
    return (
      `Steepest slope along the line: ${brief(profile(state).steepest)}. Longest of ${UPDATES} updates: ${brief(Math.max(...lengths))}. ` +
      `Loss: first ${fixed(losses[0], 4)}, lowest ${fixed(Math.min(...losses), 4)}, last ${fixed(losses[UPDATES], 4)}.`
    );
  },
  set: (state, name, value) => ({ ...state, [name]: value }),
  drag: (state, name, at) => ({ ...state, start: inside(back(at)).map((v) => round(v, 0.05)) }),
  key: (state, name, key) => {
    const next = moved([state.start[0], state.start[1]], key, 0.1, -10, 10);
    return next && { ...state, start: inside(next) };
  },
};
