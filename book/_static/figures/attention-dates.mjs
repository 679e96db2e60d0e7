// A date, typed by the reader and turned into ISO 8601 by the trained network in the page.

import { choice, clamp, entry, fixed, handle, panel, rect, text } from "./figure.mjs";
import { encoded, translate } from "./attention-dates-arithmetic.mjs";

const EXAMPLES = [
  "monday, the third of june 1985",
  "july the twenty-first, nineteen sixty-nine",
  "4.11.07",
  "1999, dec 31",
  "the ninth day of may in the year two thousand and three",
];
const LONGEST = 86;
const ACROSS = 22;
const CELL = 15;
const LEFT = 8;
const TOP = 24;
const LINE = 25;
const lines = Math.ceil((LONGEST + 1) / ACROSS);
const BOTTOM = TOP + lines * LINE + 14;
const WIDE = 30;

const results = new Map();
const written = (state, data) => {
  const key = state.text;
  if (!results.has(key)) {
    if (results.size > 50) results.clear();
    results.set(key, translate(data, encoded(data, key)));
  }
  return results.get(key);
};
const iso = (steps, { target }) => steps.filter(({ symbol }) => symbol !== 0).map(({ symbol }) => target[symbol]).join("");

const looking = (state, { data, live }, steps) => {
  const at = Math.min(state.at, steps.length - 1);
  const characters = [...state.text, "■"];
  const one = steps[at];
  const read = characters
    .map((character, t) => {
      const x = LEFT + (t % ACROSS) * CELL;
      const y = TOP + Math.floor(t / ACROSS) * LINE;
      return (
        rect(x + 0.5, y, CELL - 1, 20, { class: "state", "fill-opacity": 0.06 + 0.46 * one.weights[t] }) +
        text(x + CELL / 2, y + 14, character === " " ? "␣" : character, { class: character === " " ? "letter faint-ink" : "letter" })
      );
    })
    .join("");
  return panel(
    "What was typed, fuller where the chosen output looked, and the date that the network writes",
    344,
    BOTTOM + 62,
    text(LEFT, 13, "read; fuller where the framed output looked", { class: "name" }) +
      read +
      text(LEFT, BOTTOM + 10, "written", { class: "name" }) +
      handle(
        { live },
        "output",
        {
          label: "Output",
          value: at + 1,
          min: 1,
          max: steps.length,
          says: `${data.target[one.symbol] === "<EOS>" ? "end" : data.target[one.symbol]}, probability ${fixed(one.probability)}`,
          hover: true,
        },
        rect(LEFT, BOTTOM + 18, 11 * WIDE, 34, { class: "field" }) +
          steps
            .map(({ symbol }, k) =>
              text(LEFT + (k + 0.5) * WIDE, BOTTOM + 40, symbol === 0 ? "■" : data.target[symbol], { class: "letter large" }),
            )
            .join("") +
          rect(LEFT + at * WIDE + 1, BOTTOM + 19, WIDE - 2, 32, { class: "chosen thick" }),
      ),
  );
};

const MAP = { left: 34, top: TOP, width: 300, row: 14.5 };
const alignment = (state, { data }, steps) => {
  const characters = [...state.text, "■"];
  const width = MAP.width / characters.length;
  const at = Math.min(state.at, steps.length - 1);
  const cells = steps.flatMap(({ weights }, i) =>
    weights.map((weight, t) =>
      weight < 0.02
        ? ""
        : rect(MAP.left + t * width, MAP.top + i * MAP.row, width, MAP.row - 1, { class: "state", "fill-opacity": weight }),
    ),
  );
  return panel(
    "The alignment: a row for each output, a column for each character read",
    344,
    BOTTOM + 62,
    text(MAP.left, 13, "alignment: outputs down, inputs across", { class: "name" }) +
      rect(MAP.left, MAP.top, MAP.width, 11 * MAP.row, { class: "field" }) +
      cells.join("") +
      steps
        .map(({ symbol }, i) => text(MAP.left - 12, MAP.top + i * MAP.row + 11, symbol === 0 ? "■" : data.target[symbol], { class: i === at ? "readout" : "tick" }))
        .join("") +
      rect(MAP.left, MAP.top + at * MAP.row - 0.5, MAP.width, MAP.row, { class: "chosen" }),
  );
};

export const figure = {
  data: "attention",
  opening: { text: EXAMPLES[0], at: 9 },
  draw: (state, view) => {
    const steps = written(state, view.data);
    return looking(state, view, steps) + alignment(state, view, steps);
  },
  controls: (state) =>
    entry("text", "a date between 1950 and 2049", state.text, { maxlength: String(LONGEST), spellcheck: "false" }) +
    choice("example", "or one of these", EXAMPLES.includes(state.text) ? state.text : "", [
      ...(EXAMPLES.includes(state.text) ? [] : [["", "your own"]]),
      ...EXAMPLES.map((example) => [example, example]),
    ]),
  say: (state, { data }) => {
    const steps = written(state, data);
    const one = steps[Math.min(state.at, steps.length - 1)];
    const most = Math.max(...one.weights);
    const where = one.weights.indexOf(most);
    const from = where < state.text.length ? `“${state.text.slice(Math.max(0, where - 2), where + 3).trim()}”` : "the end";
    const symbol = one.symbol === 0 ? "The end" : `“${data.target[one.symbol]}”`;
    return `The network writes ${iso(steps, data)}. ${symbol} looked most at character ${where + 1}, in ${from}, with weight ${fixed(most)}.`;
  },
  set: (state, name, value) => ({ ...state, text: value.slice(0, LONGEST) }),
  drag: (state, name, [px]) => {
    const at = clamp(Math.floor((px - LEFT) / WIDE), 0, 10);
    return at === state.at ? state : { ...state, at };
  },
  key: (state, name, key) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, PageUp: -4, PageDown: 4, Home: -11, End: 11 }[key];
    return step && { ...state, at: clamp(state.at + step, 0, 10) };
  },
};
