// Paths through the unfolded graph of a deep recurrent network.

import { arrow, choice, clamp, element, handle, panel, range, rect, text } from "./figure.mjs";
import { edges, masks, shortest } from "./deep-arithmetic.mjs";

const STEPS = 7;
const MOST = 4;
const KINDS = {
  stack: "a stack of layers",
  transition: "a transition of K maps",
  skip: "a transition with skip",
};
const WIDTH = 344;
const COLUMN = 47;
const LEFT = 38;
const ABOVE = 40;
const ROW = 54;
const place = ([k, t], depth) => [LEFT + t * COLUMN, ABOVE + (depth - 1 - k) * ROW];
const named = (kind, [k, t]) => `${k < 0 ? "x" : `${kind === "stack" ? "layer" : "map"} ${k + 1}`} of step ${t + 1}`;
const same = (a, b) => String(a) === String(b);

const line = (a, b, depth, kind, values) => {
  const [p, q] = [place(a, depth), place(b, depth)];
  const radius = 15;
  const length = Math.hypot(q[0] - p[0], q[1] - p[1]);
  const start = [p[0] + (radius * (q[0] - p[0])) / length, p[1] + (radius * (q[1] - p[1])) / length];
  return arrow(start, q, values, radius + 1);
};

const node = (at, depth, marked) => {
  const [x, y] = place(at, depth);
  const kind = at[0] < 0 ? "input" : "state";
  const shape =
    at[0] < 0
      ? element("circle", { cx: x, cy: y, r: 14, class: `node ${kind} ${marked}` })
      : element("rect", { x: x - 14, y: y - 14, width: 28, height: 28, rx: 7, class: `node ${kind} ${marked}` });
  return shape + text(x, y + 4, at[0] < 0 ? "x" : "h", { class: "middle" });
};

const graph = (state, view) => {
  const { kind, depth } = state;
  const all = edges(kind, depth, STEPS);
  const path = shortest(all, state.from, state.to) ?? [];
  const on = (a, b) => path.some((p, k) => k > 0 && same(path[k - 1], a) && same(p, b));
  const nodes = [];
  for (let t = 0; t < STEPS; t++) for (let k = -1; k < depth; k++) nodes.push([k, t]);
  const end = (name, words, at) => {
    const [x, y] = place(at, depth);
    return handle(
      view,
      name,
      {
        label: words,
        value: at[1] + 1,
        min: 1,
        max: STEPS,
        says: named(kind, at),
        free: true,
      },
      element("circle", { cx: x, cy: y, r: 19, class: `grip ring-${name}` }) +
        rect(x - 17, y + (name === "from" ? 17 : -33), 34, 15, { class: "tag", rx: 4 }) +
        text(x, y + (name === "from" ? 29 : -21), name, { class: "tag-text middle" }),
    );
  };
  return panel(
    "The unfolded graph, with the shortest path between the two chosen nodes",
    WIDTH,
    MOST * ROW + 94,
    element(
      "g",
      { transform: `translate(0 ${(MOST - depth) * ROW})` },
      all.map(([a, b]) => line(a, b, depth, kind, { class: on(a, b) ? "arrow loss" : "arrow faint-line" })).join("") +
        nodes.map((at) => node(at, depth, path.some((p) => same(p, at)) ? "on" : "")).join("") +
        end("from", "Start of the path", state.from) +
        end("to", "End of the path", state.to),
    ) +
      Array.from({ length: STEPS }, (_, t) =>
        text(LEFT + t * COLUMN, MOST * ROW + 86, t + 1, { class: "tick middle" }),
      ).join("") +
      text(2, MOST * ROW + 70, "step", { class: "tick" }),
  );
};

const bounded = ({ kind, depth, from, to }) => {
  const into = ([k, t]) => [clamp(k, -1, depth - 1), clamp(t, 0, STEPS - 1)];
  return { kind, depth, from: into(from), to: into(to) };
};

export const figure = {
  opening: { kind: "stack", depth: 3, from: [2, 1], to: [2, 5] },
  draw: graph,
  controls: ({ kind, depth }) =>
    choice("kind", "the network is", kind, Object.entries(KINDS)) +
    range("depth", kind === "stack" ? "layers n" : "maps K", depth, { min: 1, max: MOST, step: 1, shown: String(depth) }),
  say: ({ kind, depth, from, to }) => {
    const path = shortest(edges(kind, depth, STEPS), from, to);
    if (!path) return "No path leads there: nothing goes back in time, or down.";
    const q = to[1] - from[1];
    const maps = path.length - 1;
    const met = masks(path, depth);
    const dropped = kind === "stack" ? ` On to the output it meets ${met} dropout mask${met === 1 ? "" : "s"}, however many steps it takes.` : "";
    return `From ${named(kind, from)} to ${named(kind, to)}, q = ${q} steps: the shortest path has ${maps} map${maps === 1 ? "" : "s"}.${dropped}`;
  },
  set: (state, name, value) => {
    // What was at the top stays at the top.
    const next = { ...state, [name]: value };
    const lift = ([k, t]) => [k === state.depth - 1 ? next.depth - 1 : k, t];
    return bounded({ ...next, from: lift(state.from), to: lift(state.to) });
  },
  drag: (state, name, [px, py]) => {
    const t = Math.round((px - LEFT) / COLUMN);
    const k = state.depth - 1 - Math.round((py - ABOVE - (MOST - state.depth) * ROW) / ROW);
    const next = bounded({ ...state, [name]: [k, t] });
    return same(next[name], state[name]) ? state : next;
  },
  key: (state, name, key) => {
    const [dk, dt] = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -STEPS], End: [0, STEPS], PageUp: [MOST, 0], PageDown: [-MOST - 1, 0] }[key] ?? [];
    if (dk === undefined) return undefined;
    const [k, t] = state[name];
    return bounded({ ...state, [name]: [k + dk, t + dt] });
  },
};
