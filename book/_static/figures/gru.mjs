// Two units in the plane: the reset before the product with W, and after it.

import { arrow, choice, clamp, element, fixed, grip, handle, moved, panel, plane, rect, round, segment, text } from "./figure.mjs";
import { after, before, scaled, times } from "./gru-arithmetic.mjs";

const MATRICES = {
  turn: ["a turn by 50°", [[0.64, -0.77], [0.77, 0.64]]],
  mix: ["a mixture", [[0.4, 0.9], [0.7, -0.3]]],
  diagonal: ["diagonal", [[1.2, 0], [0, -0.6]]],
};
const SPAN = 1.5;
const world = plane(34, 20, 300, SPAN);
const square = { x: 34, y: 20, size: 190 };
const corner = ([a, b]) => [square.x + a * square.size, square.y + (1 - b) * square.size];
const pair = (v) => `(${fixed(v[0])}, ${fixed(v[1])})`;

const vectors = (state, view) => {
  const [, W] = MATRICES[state.W];
  const h = world.to(state.h);
  const zero = world.to([0, 0]);
  const first = world.to(before(W, state.r, state.h));
  const second = world.to(after(W, state.r, state.h));
  const label = ([px, py], words, kind, shift) =>
    text(clamp(px + 8, 36, 250), clamp(py + shift, 32, 316), words, { class: `name on-field ${kind}-ink` });
  return panel(
    "Two units: the old state and what the candidate gets of it",
    340,
    340,
    world.grid() +
      [-1, 0, 1].map((k) => text(world.to([k, 0])[0], 334, fixed(k, 0), { class: "tick middle" })).join("") +
      [-1, 0, 1].map((k) => text(28, world.to([0, k])[1] + 4, fixed(k, 0), { class: "tick end" })).join("") +
      text(34, 13, "unit 1 →, unit 2 ↑", { class: "name" }) +
      arrow(zero, h, { class: "arrow line" }, 8) +
      arrow(zero, world.to(scaled(state.r, state.h)), { class: "arrow line dashed" }) +
      arrow(zero, world.to(times(W, state.h)), { class: "arrow line dashed" }) +
      segment(...first, ...second, { class: "gap" }) +
      arrow(zero, first, { class: "arrow state" }) +
      arrow(zero, second, { class: "arrow output" }) +
      label(first, "W (r ⊙ h′)", "state", -8) +
      label(second, "r ⊙ (W h′)", "output", 38) +
      handle(
        view,
        "h",
        { label: "Old state h′", value: state.h[0], min: -SPAN, max: SPAN, says: `h′ = ${pair(state.h)}`, free: true },
        grip(h, 8, "line"),
      ) +
      text(clamp(h[0] + 11, 36, 316), clamp(h[1] - 9, 30, 318), "h′", { class: "readout" }),
  );
};

const gates = (state, view) =>
  panel(
    "The reset gate of each unit",
    240,
    340,
    text(34, 13, "reset gates: r₁ →, r₂ ↑", { class: "name" }) +
      rect(square.x, square.y, square.size, square.size, { class: "field" }) +
      segment(...corner([0, 0]), ...corner([1, 1]), { class: "equal" }) +
      element("text", { x: 120, y: 108, class: "tick middle", transform: "rotate(-45 120 108)" }, "r₁ = r₂") +
      [0, 1].map((k) => text(corner([k, 0])[0], 224, k, { class: "tick middle" })).join("") +
      [0, 1].map((k) => text(28, corner([0, k])[1] + 4, k, { class: "tick end" })).join("") +
      handle(
        view,
        "r",
        { label: "Reset gate r", value: state.r[0], min: 0, max: 1, says: `r = ${pair(state.r)}`, free: true },
        grip(corner(state.r), 9, "layer"),
      ) +
      text(34, 256, `r = ${pair(state.r)}`, { class: "readout" }) +
      text(34, 280, `W (r ⊙ h′) = ${pair(before(MATRICES[state.W][1], state.r, state.h))}`, { class: "readout state-ink" }) +
      text(34, 300, `r ⊙ (W h′) = ${pair(after(MATRICES[state.W][1], state.r, state.h))}`, { class: "readout output-ink" }) +
      text(34, 324, "dashed: r ⊙ h′ and W h′", { class: "tick" }),
  );

export const figure = {
  opening: { h: [1.1, 0.5], r: [0.9, 0.2], W: "turn" },
  draw: (state, view) => vectors(state, view) + gates(state, view),
  controls: (state) =>
    choice("W", "W is", state.W, Object.entries(MATRICES).map(([key, [words]]) => [key, words])),
  say: ({ h, r, W }) => {
    const matrix = MATRICES[W][1];
    const [a, b] = [before(matrix, r, h), after(matrix, r, h)];
    const gap = Math.hypot(a[0] - b[0], a[1] - b[1]);
    if (gap < 1e-9) {
      const why = W === "diagonal" ? "W is diagonal" : r[0] === r[1] ? "r₁ = r₂" : "h′ happens to lie so";
      return `Both places of the reset give ${pair(a)}: the same, since ${why}.`;
    }
    return `Reset before W gives ${pair(a)}, after it ${pair(b)}: ${fixed(gap)} apart.`;
  },
  set: (state, name, value) => ({ ...state, [name]: value }),
  drag: (state, name, [px, py]) => {
    if (name === "h") return { ...state, h: world.from([px, py]).map((v) => round(clamp(v, -SPAN, SPAN), 0.05)) };
    const r = [(px - square.x) / square.size, 1 - (py - square.y) / square.size];
    return { ...state, r: r.map((v) => round(clamp(v, 0, 1), 0.05)) };
  },
  key: (state, name, key) => {
    const [low, high] = name === "h" ? [-SPAN, SPAN] : [0, 1];
    const next = moved(state[name], key, 0.1, low, high);
    return next && { ...state, [name]: next };
  },
};
