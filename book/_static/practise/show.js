// What a run shows: reports, tables, curves, progress, output, errors. Only text goes in: what a
// learner's code says is never read as markup.

export const SIGNS = {
  right: ["✔", "Right"],
  wrong: ["✘", "Not right yet"],
  open: ["○", "Not written yet"],
};

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== ""));
  return made;
}

function badge(status) {
  const [sign, word] = SIGNS[status];
  const mark = element("span", { "aria-hidden": "true" }, `${sign} `);
  return element("span", { class: `practise-badge practise-is-${status}` }, mark, word);
}

const start = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export function report(data) {
  const made = element("div", { class: "practise-report" });
  const head = element("p", {}, badge(data.status));
  if (data.status === "right") head.append(` ${start(data.headline)}.`);
  else if (data.status === "wrong") head.append(` ${data.headline.replace(/^not right yet ?/, "")}`);
  made.append(head);
  if (data.status !== "wrong") return made;
  const items = data.problems.map(({ output, kind, message, detail }) => {
    const item = element("li");
    if (kind !== "error") item.append(element("code", {}, output), ": ");
    item.append(message);
    if (detail) item.append(element("br"), element("span", { class: "practise-detail" }, detail));
    return item;
  });
  if (data.named) items.push(element("li", { class: "practise-named" }, data.named));
  made.append(element("ul", {}, ...items));
  return made;
}

export function table(data) {
  const heads = ["function", "points", "visible check", "look at"];
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const rows = data.rows.map((row) =>
    element(
      "tr",
      {},
      element("td", {}, element("code", {}, row.function)),
      element("td", {}, String(row.points)),
      element("td", {}, badge(row.status)),
      element("td", {}, row.look_at),
    ),
  );
  const whole = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  const region = { class: "practise-table", tabindex: "0", role: "region", "aria-label": "All checks" };
  return element("div", {}, element("div", region, whole), element("p", {}, data.total));
}

export function failure({ type, message, frames }, cell) {
  const last = frames.at(-1);
  const line = (frame) =>
    `${frame.cell === cell ? "line" : `${frame.cell}, line`} ${frame.line}: ${frame.code}`;
  const head = element("p", {}, element("strong", {}, type), message ? `: ${message}` : "");
  const made = element("div", { class: "practise-error" }, head);
  if (last) made.append(element("ul", {}, ...frames.map((f) => element("li", {}, line(f)))));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Round numbers between two ends, about five of them.
export function ticks(low, high) {
  const raw = (high - low || 1) / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * power).find((one) => one >= raw * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(k * step);
  return found;
}

const short = (value) => String(Number(value.toPrecision(3)));
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 4", "12 4"];

export function curves({ lines, xlabel, ylabel, log }) {
  const [width, height, left, right, top, bottom] = [640, 340, 64, 16, 16, 52];
  const scale = (y) => (log ? Math.log10(y) : y);
  const points = lines.map(({ x, y }) =>
    x.map((value, k) => [value, y[k] === null ? null : scale(y[k])]),
  );
  const seen = points.flat().filter(([, y]) => y !== null);
  if (!seen.length) return element("p", {}, "There is no number to draw.");
  const range = (axis) => {
    const values = seen.map((point) => point[axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = axis && low === high ? Math.abs(low) * 0.1 || 1 : 0;
    return [low - room, high + room];
  };
  const [[x0, x1], [y0, y1]] = [range(0), range(1)];
  const at = (x) => left + ((x - x0) / (x1 - x0 || 1)) * (width - left - right);
  const up = (y) => height - bottom - ((y - y0) / (y1 - y0 || 1)) * (height - top - bottom);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "practise-curves" });
  for (const y of ticks(y0, y1)) {
    svg.append(
      drawn("line", { x1: left, x2: width - right, y1: up(y), y2: up(y), class: "grid" }),
      drawn("text", { x: left - 8, y: up(y) + 5, "text-anchor": "end" }, short(log ? 10 ** y : y)),
    );
  }
  for (const x of ticks(x0, x1)) {
    const place = { x: at(x), y: height - bottom + 20, "text-anchor": "middle" };
    svg.append(drawn("text", place, short(x)));
  }
  points.forEach((line, k) => {
    let path = "";
    let pen = "M";
    for (const [x, y] of line) {
      if (y !== null) path += `${pen}${at(x).toFixed(1)},${up(y).toFixed(1)}`;
      pen = y === null ? "M" : "L";
    }
    svg.append(drawn("path", { d: path, class: `line line-${k % 6}`, "stroke-dasharray": DASHES[k % 6] }));
  });
  svg.append(
    drawn("text", { x: (left + width - right) / 2, y: height - 10, "text-anchor": "middle" }, xlabel),
    drawn("text", { x: 14, y: (top + height - bottom) / 2, "text-anchor": "middle",
      transform: `rotate(-90 14 ${(top + height - bottom) / 2})` }, ylabel),
  ); // prettier-ignore
  const ends = lines.map(({ name, y }) => {
    const values = y.filter((value) => value !== null);
    return `${name}: from ${short(values[0] ?? NaN)} to ${short(values.at(-1) ?? NaN)}`;
  });
  svg.setAttribute("aria-label", `${ylabel} against ${xlabel}. ${ends.join("; ")}.`);
  const legend = lines.map(({ name }, k) => {
    const key = drawn("svg", { viewBox: "0 0 30 8", width: 30, height: 8, "aria-hidden": "true" });
    const stroke = { x1: 0, x2: 30, y1: 4, y2: 4, class: `line line-${k % 6}` };
    key.append(drawn("line", { ...stroke, "stroke-dasharray": DASHES[k % 6] }));
    return element("li", {}, key, ` ${name}`);
  });
  return element("figure", { class: "practise-figure" }, svg, element("ul", {}, ...legend));
}
