// Keys in the plane, and a query that asks them.

import { arrow, clamp, element, fixed, grip, handle, moved, panel, plane, range, rect, round, segment, text } from "./figure.mjs";
import { attend, sensitivity, slopes } from "./attention-arithmetic.mjs";

const SPAN = 1.5;
const world = plane(34, 20, 300, SPAN);
const pair = (v) => `(${fixed(v[0])}, ${fixed(v[1])})`;
const names = [1, 2, 3, 4, 5];

const field = (state, view) => {
  const { weights, context } = attend(state.query, state.keys, state.scale);
  const zero = world.to([0, 0]);
  const c = world.to(context);
  const q = world.to(state.query);
  return panel(
    "Five keys, the query, and the context vector",
    340,
    340,
    world.grid() +
      [-1, 0, 1].map((k) => text(world.to([k, 0])[0], 334, fixed(k, 0), { class: "tick middle" })).join("") +
      [-1, 0, 1].map((k) => text(28, world.to([0, k])[1] + 4, fixed(k, 0), { class: "tick end" })).join("") +
      state.keys.map((key, t) => segment(...c, ...world.to(key), { class: "thread", "stroke-opacity": weights[t], "stroke-width": 1 + 6 * weights[t] })).join("") +
      arrow(zero, q, { class: "arrow output" }, 9) +
      state.keys
        .map((key, t) => {
          const at = world.to(key);
          return handle(
            view,
            `key${t}`,
            { label: `Key ${names[t]}`, value: key[0], min: -SPAN, max: SPAN, says: `${pair(key)}, weight ${fixed(weights[t])}`, free: true },
            grip(at, 5 + 9 * Math.sqrt(weights[t]), "state") +
              text(clamp(at[0] + 16, 40, 318), clamp(at[1] - 10, 32, 314), names[t], { class: "readout" }),
          );
        })
        .join("") +
      element("rect", { x: c[0] - 6, y: c[1] - 6, width: 12, height: 12, class: "context", transform: `rotate(45 ${c[0].toFixed(2)} ${c[1].toFixed(2)})` }) +
      text(clamp(c[0] + 11, 40, 318), clamp(c[1] + 18, 32, 316), "c", { class: "readout" }) +
      handle(
        view,
        "query",
        { label: "Query", value: state.query[0], min: -SPAN, max: SPAN, says: `q = ${pair(state.query)}`, free: true },
        grip(q, 8, "output") + text(clamp(q[0] + 12, 40, 318), clamp(q[1] - 9, 32, 314), "q", { class: "readout output-ink" }),
      ),
  );
};

const BAR = 190;
const numbers = (state) => {
  const { scores, weights } = attend(state.query, state.keys, state.scale);
  const slope = slopes(weights);
  const row = (t) => 40 + t * 56;
  return panel(
    "Score, weight and slope of each key",
    340,
    340,
    text(34, 13, "weight α, and below it its slope α (1 − α)", { class: "name" }) +
      names
        .map(
          (name, t) =>
            text(34, row(t) + 15, name, { class: "readout" }) +
            rect(54, row(t), BAR, 22, { class: "field" }) +
            rect(54, row(t), BAR * weights[t], 22, { class: "state" }) +
            rect(54, row(t) + 24, BAR, 12, { class: "field" }) +
            rect(54, row(t) + 24, BAR * slope[t], 12, { class: "loss" }) +
            text(BAR + 62, row(t) + 15, `${fixed(weights[t])}`, { class: "readout" }) +
            text(BAR + 62, row(t) + 35, `${fixed(slope[t])}`, { class: "tick" }) +
            text(BAR + 100, row(t) + 15, `e ${fixed(scores[t], 1)}`, { class: "tick" }),
        )
        .join("") +
      text(54, 330, "no slope is above ¼", { class: "tick" }),
  );
};

export const figure = {
  opening: {
    query: [0.7, 0.95],
    keys: [[1.1, 0.6], [0.2, 1.2], [-1, 0.7], [-0.7, -0.9], [0.8, -0.8]],
    scale: 1.5,
  },
  draw: (state, view) => field(state, view) + numbers(state),
  controls: (state) => range("scale", "scores times", state.scale, { min: 0, max: 12, step: 0.25 }),
  say: (state) => {
    const found = attend(state.query, state.keys, state.scale);
    const most = Math.max(...found.weights);
    const steep = Math.max(...slopes(found.weights));
    return (
      `Key ${names[found.weights.indexOf(most)]} has the largest weight, ${fixed(most)}; c = ${pair(found.context)}. ` +
      `The largest slope is ${fixed(steep, 3)}; a small step of q moves c ${fixed(sensitivity(state.keys, found, state.scale))} times as far.`
    );
  },
  set: (state, name, value) => ({ ...state, scale: value }),
  drag: (state, name, at) => put(state, name, world.from(at).map((v) => round(clamp(v, -SPAN, SPAN), 0.05))),
  key: (state, name, key) => {
    const at = name === "query" ? state.query : state.keys[Number(name.slice(3))];
    const next = moved(at, key, 0.1, -SPAN, SPAN);
    return next && put(state, name, next);
  },
};

const put = (state, name, at) =>
  name === "query"
    ? { ...state, query: at }
    : { ...state, keys: state.keys.map((key, t) => (`key${t}` === name ? at : key)) };
