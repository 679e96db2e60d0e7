// A beam search, step by step, on a trained network that writes dates as people do.

import { choice, clamp, element, fixed, handle, panel, range, rect, segment, text } from "./figure.mjs";
import { beam } from "./encoder_decoder-arithmetic.mjs";

const MOST = 18;
const WIDEST = 5;
const LEFT = 14;
const TOP = 24;
const COLUMN = 18.2;
const ROW = 46;
const x = (step) => LEFT + step * COLUMN + COLUMN / 2;
const y = (place) => TOP + place * ROW + 22;
const words = ({ symbols }, written) => written.filter((k) => k !== 0).map((k) => symbols[k]).join("");
const search = (state, data, width = state.width) => beam(data, state.example, width, state.alpha, MOST);

// The nodes on the way to a node: [step, place] of each.
const trail = (steps, step, place) => {
  const found = [];
  for (let [s, p] = [step, place]; s >= 0; s--) {
    found.push(`${s},${p}`);
    p = steps[s][p].parent;
  }
  return new Set(found);
};

const tree = (state, { data, live }, { steps, ended, best }) => {
  const last = steps.length - 1;
  const at = Math.min(state.at, last);
  const won = best < 0 ? undefined : trail(steps, ended[best].step - 1, ended[best].place);
  const lines = [];
  const nodes = [];
  steps.forEach((kept, s) => {
    kept.forEach((one, p) => {
      const on = won?.has(`${s},${p}`) ? "on-path" : "";
      if (s > 0) lines.push(segment(x(s - 1), y(one.parent), x(s), y(p), { class: `branch ${on}` }));
      const symbol = one.symbol === 0 ? "■" : data.symbols[one.symbol].replace(" ", "␣");
      nodes.push(
        element("circle", { cx: x(s), cy: y(p), r: 8.4, class: `leaf ${on}` }) +
          text(x(s), y(p) + 4, symbol, { class: "letter" }),
      );
    });
  });
  return panel(
    "The beam: a column for each symbol written, the likeliest beginning on top",
    344,
    TOP + WIDEST * ROW + 22,
    text(LEFT, 13, "a column for each symbol, ■ ends", { class: "name" }) +
      handle(
        { live },
        "step",
        {
          label: "Step of the search",
          value: at + 1,
          min: 1,
          max: steps.length,
          says: `step ${at + 1}: ${steps[at].map((one) => words(data, one.written)).join(", ")}`,
          hover: true,
        },
        rect(LEFT, TOP, MOST * COLUMN, WIDEST * ROW, { class: "field" }) +
          rect(LEFT + at * COLUMN, TOP, COLUMN, WIDEST * ROW, { class: "column" }) +
          lines.join("") +
          nodes.join(""),
      ) +
      [1, 5, 10, 15].map((s) => text(x(s - 1), TOP + WIDEST * ROW + 15, s, { class: "tick middle" })).join(""),
  );
};

const lists = (state, { data }, { steps, ended, best }) => {
  const at = Math.min(state.at, steps.length - 1);
  const answers = ended
    .map((one, k) => ({ ...one, wins: k === best }))
    .sort((one, other) => other.score - one.score)
    .slice(0, 5);
  const row = (k) => 34 + k * 21;
  return panel(
    "The beginnings kept at the chosen step, and the answers that ended",
    344,
    TOP + WIDEST * ROW + 22,
    text(LEFT, 13, `kept at step ${at + 1}`, { class: "name" }) +
      text(330, 13, "log p", { class: "tick end" }) +
      steps[at]
        .map((one, k) => text(LEFT, row(k), `${words(data, one.written)}${one.symbol === 0 ? "■" : "…"}`, { class: "letter start" }) + text(330, row(k), fixed(one.total), { class: "name end" }))
        .join("") +
      text(LEFT, 152, "ended", { class: "name" }) +
      text(275, 152, "log p", { class: "tick end" }) +
      text(330, 152, "÷ |y|ᵅ", { class: "tick end" }) +
      answers
        .map(
          (one, k) =>
            (one.wins ? rect(LEFT - 6, 159, 328, 20, { class: "winner", rx: 4 }) : "") +
            text(LEFT, 173 + k * 21, words(data, one.written), { class: "letter start" }) +
            text(275, 173 + k * 21, fixed(one.total), { class: "name end" }) +
            text(330, 173 + k * 21, fixed(one.score, 3), { class: one.wins ? "readout end" : "name end" }),
        )
        .join(""),
  );
};

export const figure = {
  data: "encoder_decoder",
  opening: { example: 5, width: 1, alpha: 0, at: 1 },
  draw: (state, view) => {
    const found = search(state, view.data);
    return tree(state, view, found) + lists(state, view, found);
  },
  controls: (state, { data }) =>
    choice("example", "date read", String(state.example), data.read.map((date, k) => [String(k), date])) +
    range("width", "beam width", state.width, { min: 1, max: WIDEST, step: 1, shown: String(state.width) }) +
    range("alpha", "α", state.alpha, { min: 0, max: 2, step: 0.1, shown: fixed(state.alpha, 1) }),
  say: (state, { data }) => {
    const { ended, best } = search(state, data);
    const greedy = search(state, data, 1);
    const plain = greedy.ended[0];
    const answer = best < 0 ? "no answer" : `“${words(data, ended[best].written)}”, ${ended[best].written.length} symbols, log p ${fixed(ended[best].total)}`;
    const other = plain ? `“${words(data, plain.written)}”, log p ${fixed(plain.total)}` : "no answer";
    return `Width ${state.width}, α = ${fixed(state.alpha, 1)}: ${answer}. Greedy: ${other}.`;
  },
  set: (state, name, value) => ({ ...state, [name]: Number(value) }),
  drag: (state, name, [px], { data }) => {
    const last = search(state, data).steps.length - 1;
    const at = clamp(Math.floor((px - LEFT) / COLUMN), 0, last);
    return at === state.at ? state : { ...state, at };
  },
  key: (state, name, key, { data }) => {
    const last = search(state, data).steps.length - 1;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, PageUp: -5, PageDown: 5, Home: -MOST, End: MOST }[key];
    return step && { ...state, at: clamp(Math.min(state.at, last) + step, 0, last) };
  },
};
