// Receptive fields on an image of 8 × 8 pixels.

import { choice, clamp, handle, panel, range, rect, text } from "./figure.mjs";
import { count, field } from "./bidirectional-arithmetic.mjs";

const N = 8;
const CELL = 38;
const LEFT = 30;
const TOP = 24;
const NETWORKS = {
  order: "one order, row after row",
  directions1: "four directions, one layer",
  directions2: "four directions, two layers",
  corner: "one corner",
  corners: "four corners",
  convolutions: "convolutions, 3 × 3",
};
const seen = ({ network, layers }, at) => {
  const [, name, depth] = network.match(/^([a-z]+)(\d?)$/);
  return field(name, at, N, N, depth ? Number(depth) : layers);
};

const image = (state, view) => {
  const fields = seen(state, state.at);
  const [i, j] = state.at;
  const cells = fields
    .flatMap((row, a) =>
      row.map((value, b) =>
        rect(LEFT + b * CELL + 1, TOP + a * CELL + 1, CELL - 2, CELL - 2, { class: value ? "seen" : "unseen" }),
      ),
    )
    .join("");
  const places = Array.from({ length: N }, (_, k) => k);
  return panel(
    "The pixels of the image, those seen by the chosen output filled",
    340,
    TOP + N * CELL + 8,
    places.map((k) => text(LEFT + (k + 0.5) * CELL, TOP - 7, k + 1, { class: "tick middle" })).join("") +
      places.map((k) => text(LEFT - 8, TOP + (k + 0.5) * CELL + 4, k + 1, { class: "tick end" })).join("") +
      handle(
        view,
        "output",
        { label: "Output", value: i * N + j + 1, min: 1, max: N * N, says: `row ${i + 1}, column ${j + 1}: ${count(fields)} pixels`, hover: true },
        rect(LEFT, TOP, N * CELL, N * CELL, { class: "field" }) +
          cells +
          rect(LEFT + j * CELL + 2, TOP + i * CELL + 2, CELL - 4, CELL - 4, { class: "chosen thick" }) +
          text(LEFT + (j + 0.5) * CELL, TOP + (i + 0.5) * CELL + 5, "y", { class: "on middle readout" }),
      ),
  );
};

const numbers = (state) =>
  panel(
    "How many pixels each output has seen",
    340,
    TOP + N * CELL + 8,
    text(LEFT, 14, "pixels seen by the output at each place", { class: "name" }) +
      rect(LEFT, TOP, N * CELL, N * CELL, { class: "field" }) +
      Array.from({ length: N * N }, (_, k) => {
        const at = [Math.floor(k / N), k % N];
        const here = at[0] === state.at[0] && at[1] === state.at[1];
        const reached = count(seen(state, at));
        const [px, py] = [LEFT + at[1] * CELL, TOP + at[0] * CELL];
        return (
          rect(px + 1, py + 1, CELL - 2, CELL - 2, { class: "seen", "fill-opacity": 0.35 * (reached / (N * N)) }) +
          text(px + CELL / 2, py + CELL / 2 + 4, reached, { class: here ? "middle readout" : "middle" }) +
          (here ? rect(px + 2, py + 2, CELL - 4, CELL - 4, { class: "chosen" }) : "")
        );
      }).join(""),
  );

export const figure = {
  opening: { network: "directions1", layers: 2, at: [2, 4] },
  draw: (state, view) => image(state, view) + numbers(state),
  controls: ({ network, layers }) =>
    choice("network", "read by", network, Object.entries(NETWORKS)) +
    range("layers", "convolutions on top of each other", layers, { min: 1, max: N - 1, step: 1, shown: String(layers) }),
  say: (state) => {
    const all = Array.from({ length: N * N }, (_, k) => count(seen(state, [Math.floor(k / N), k % N])));
    const [i, j] = state.at;
    return (
      `The output at row ${i + 1}, column ${j + 1} can have seen ${count(seen(state, state.at))} of ${N * N} pixels. ` +
      `Over all places: at least ${Math.min(...all)}, at most ${Math.max(...all)}.`
    );
  },
  set: (state, name, value) =>
    name === "layers" ? { ...state, network: "convolutions", layers: value } : { ...state, network: value },
  drag: (state, name, [px, py]) => {
    const place = (p, start) => clamp(Math.floor((p - start) / CELL), 0, N - 1);
    const at = [place(py, TOP), place(px, LEFT)];
    return at[0] === state.at[0] && at[1] === state.at[1] ? state : { ...state, at };
  },
  key: (state, name, key) => {
    const [di, dj] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -N], End: [0, N], PageUp: [-N, 0], PageDown: [N, 0] }[key] ?? [];
    if (di === undefined) return undefined;
    return { ...state, at: [clamp(state.at[0] + di, 0, N - 1), clamp(state.at[1] + dj, 0, N - 1)] };
  },
};
