// What is left of an error after q steps back, for a spectral radius that the reader sets.

import { line } from "./vendor.mjs";
import { brief, clamp, element, fixed, handle, panel, path, range, rect, segment, text } from "./figure.mjs";
import { flow } from "./vanishing_gradients-flow-arithmetic.mjs";

const STEPS = 60;
const LEFT = 44;
const TOP = 16;
const WIDTH = 238;
const HEIGHT = 256;
const MOST = 15;
const NAMES = { tanh: "tanh", relu: "ReLU", sigmoid: "sigmoid" };
const x = (q) => LEFT + (WIDTH * q) / STEPS;
const y = (norm) => TOP + (HEIGHT * (MOST - clamp(Math.log10(norm || 1e-99), -MOST, MOST))) / (2 * MOST);
const power = (k) => (k === 0 ? "1" : `1e${String(k).replace("-", "−")}`);
const measured = (state, data) =>
  Object.fromEntries(Object.keys(NAMES).map((name) => [name, flow(data, state.radius, name)]));

export const figure = {
  data: "vanishing_gradients",
  opening: { radius: 1.1, at: STEPS },
  draw: (state, { data, live }) => {
    const rows = measured(state, data);
    // The names stand where their lines end, none over another.
    const ends = Object.keys(NAMES)
      .map((name) => ({ name, at: y(rows[name][STEPS]) }))
      .sort((one, other) => one.at - other.at);
    ends.forEach((end, k) => {
      if (k > 0) end.at = Math.max(end.at, ends[k - 1].at + 14);
    });
    const over = Math.max(0, ends[2].at - (TOP + HEIGHT));
    return panel(
      "Norm of the error against the steps it went back, for three activations",
      340,
      TOP + HEIGHT + 36,
      rect(LEFT, TOP, WIDTH, HEIGHT, { class: "field" }) +
        [-15, -10, -5, 0, 5, 10, 15]
          .map(
            (k) =>
              segment(LEFT, y(10 ** k), LEFT + WIDTH, y(10 ** k), { class: k === 0 ? "axis" : "grid" }) +
              text(LEFT - 5, y(10 ** k) + 4, power(k), { class: "tick end" }),
          )
          .join("") +
        [0, 20, 40, 60].map((q) => text(x(q), TOP + HEIGHT + 15, q, { class: "tick middle" })).join("") +
        text(LEFT + WIDTH / 2, TOP + HEIGHT + 31, "steps back q", { class: "name middle" }) +
        Object.keys(NAMES)
          .map((name) => path(line()(rows[name].map((norm, q) => [x(q), y(norm)])), { class: `curve of-${name}` }))
          .join("") +
        ends.map(({ name, at }) => text(LEFT + WIDTH + 5, at - over + 4, NAMES[name], { class: `readout ink-${name}` })).join("") +
        handle(
          { live },
          "at",
          {
            label: "Steps back",
            value: state.at,
            min: 0,
            max: STEPS,
            says: `${state.at}: ${Object.keys(NAMES).map((name) => `${NAMES[name]} ${brief(rows[name][state.at])}`).join(", ")}`,
            hover: true,
          },
          rect(LEFT, TOP, WIDTH, HEIGHT, { class: "grip clear" }) +
            segment(x(state.at), TOP, x(state.at), TOP + HEIGHT, { class: "cut" }) +
            Object.keys(NAMES)
              .map((name) => element("circle", { cx: x(state.at), cy: y(rows[name][state.at]), r: 4, class: `dot-${name}` }))
              .join(""),
        ),
    );
  },
  controls: ({ radius }) => range("radius", "spectral radius ρ of W", radius, { min: 0.1, max: 4, step: 0.1, shown: fixed(radius, 1) }),
  say: (state, { data }) => {
    const rows = measured(state, data);
    const left = Object.keys(NAMES).map((name) => `${NAMES[name]} ${brief(rows[name][state.at])}`);
    return `ρ = ${fixed(state.radius, 1)}. Of an error of norm 1, this is left after ${state.at} steps back: ${left.join(", ")}.`;
  },
  set: (state, name, value) => ({ ...state, radius: value }),
  drag: (state, name, [px]) => ({ ...state, at: clamp(Math.round(((px - LEFT) * STEPS) / WIDTH), 0, STEPS) }),
  key: (state, name, key) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -STEPS, End: STEPS }[key];
    return step && { ...state, at: clamp(state.at + step, 0, STEPS) };
  },
};
