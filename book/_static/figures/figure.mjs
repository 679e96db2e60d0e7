// What all interactive figures share: drawing, controls, pointer, keyboard, spoken text.
//
// A figure is an object
//   opening    its first state, plain values only;
//   draw       (state, view) => HTML: panels, made with `panel`;
//   controls   (state, view) => HTML: made with `range`, `choice`, `toggle`, `action`;
//   say        (state, view) => one short sentence about what is seen now;
//   set        (state, name, value, view) => state: a control was used;
//   drag       (state, handle, [x, y], view) => state: the pointer is at x, y of the panel;
//   key        (state, handle, key, view) => state, or undefined where the key means nothing.
// `view` holds `data`, the figure's stored numbers, and `live`: false in the still picture.
// All of them are pure, so the still picture is drawn from the same code without a browser.

import { morphdom } from "./vendor.mjs";

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
export const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ESCAPES[c]);

// Numbers as they are read: a true minus sign, no negative zero.
export const fixed = (value, digits = 2) => {
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
};
// Two digits that count; very small and very large ones as a power of ten.
export const brief = (value) => {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
    const [digits, power] = value.toExponential(1).split("e");
    return `${digits.replace("-", "−")}e${power.replace("+", "").replace("-", "−")}`;
  }
  return String(Number(value.toPrecision(2))).replace("-", "−");
};
const coordinate = (value) => Number(value.toFixed(2));
export const attributes = (values) =>
  Object.entries(values)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name, value]) => ` ${name}="${typeof value === "number" ? coordinate(value) : escape(value)}"`)
    .join("");

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
export const round = (value, step) => Number((Math.round(value / step) * step).toFixed(9));

// --- Drawing ---

export const element = (tag, values, inside = "") =>
  `<${tag}${attributes(values)}>${inside}</${tag}>`;
export const text = (x, y, words, values = {}) => element("text", { x, y, ...values }, escape(words));
export const rect = (x, y, width, height, values = {}) =>
  element("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height), ...values });
export const segment = (x1, y1, x2, y2, values = {}) => element("line", { x1, y1, x2, y2, ...values });
export const path = (d, values = {}) => element("path", { d, ...values });

// An arrow from a to b, stopping `gap` before it.
export const arrow = ([x1, y1], [x2, y2], values = {}, gap = 0) => {
  const length = Math.hypot(x2 - x1, y2 - y1);
  if (length < gap + 1) return element("g", values);
  const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
  const [tx, ty] = [x2 - gap * ux, y2 - gap * uy];
  const [bx, by] = [tx - 8 * ux, ty - 8 * uy];
  const points = [[tx, ty], [bx - 4 * uy, by + 4 * ux], [bx + 4 * uy, by - 4 * ux]];
  return element(
    "g",
    values,
    segment(x1, y1, bx, by, { class: "stem" }) +
      element("polygon", { class: "tip", points: points.map((p) => p.map(coordinate).join()).join(" ") }),
  );
};

// A picture with a title of its own; on a phone panels stand below one another.
export const panel = (label, width, height, inside) =>
  `<svg class="panel" viewBox="0 0 ${width} ${height}" role="group"${attributes({ "aria-label": label })}` +
  ` style="--width:${width}">${inside}</svg>`;

// Something in a panel that the reader takes hold of; in the still picture it is only drawn.
// `hover`: the mouse need not be pressed; `free`: it moves in both directions under a finger.
export const handle = (view, name, { label, value, min, max, says, hover, free }, inside) =>
  element(
    "g",
    view.live
      ? {
          class: free ? "handle free" : "handle",
          "data-handle": name,
          "data-hover": hover && "yes",
          tabindex: 0,
          role: "slider",
          "aria-label": label,
          "aria-valuenow": String(Number(value.toFixed(4))),
          "aria-valuemin": String(min),
          "aria-valuemax": String(max),
          "aria-valuetext": says,
        }
      : { class: "handle" },
    inside,
  );

// A square of the plane, `span` in each direction, drawn at x, y: to the screen and back.
export const plane = (x, y, size, span) => {
  const unit = size / (2 * span);
  return {
    to: ([a, b]) => [x + (a + span) * unit, y + (span - b) * unit],
    from: ([px, py]) => [(px - x) / unit - span, span - (py - y) / unit],
    grid: () => {
      const lines = [];
      for (let k = -span; k <= span; k += 0.5) {
        const at = (k + span) * unit;
        const kind = { class: k === 0 ? "axis" : "grid" };
        lines.push(segment(x + at, y, x + at, y + size, kind), segment(x, y + at, x + size, y + at, kind));
      }
      return rect(x, y, size, size, { class: "field" }) + lines.join("");
    },
  };
};
// What arrow keys do to a point: the point after it, or undefined.
export const moved = ([a, b], key, step, low, high) => {
  const [da, db] = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
    PageUp: [0, 4], PageDown: [0, -4], Home: [-1e9, 0], End: [1e9, 0],
  }[key] ?? [];
  if (da === undefined) return undefined;
  return [round(clamp(a + da * step, low, high), step / 2), round(clamp(b + db * step, low, high), step / 2)];
};
export const grip = ([x, y], radius, kind) =>
  element("circle", { cx: x, cy: y, r: 15, class: "reach" }) +
  element("circle", { cx: x, cy: y, r: radius, class: `grip ${kind}` });

// --- Controls ---

export const range = (name, label, value, { min, max, step, shown }) =>
  `<label class="control"><span>${label}</span> <output>${escape(shown ?? fixed(value))}</output>` +
  `<input type="range"${attributes({ name, "aria-valuetext": shown ?? fixed(value) })}` +
  ` min="${min}" max="${max}" step="${step}" value="${value}"></label>`;
export const choice = (name, label, value, options) =>
  `<label class="control"><span>${label}</span> <select${attributes({ name })}>` +
  options
    .map(([key, words]) => `<option value="${escape(key)}"${key === value ? " selected" : ""}>${escape(words)}</option>`)
    .join("") +
  "</select></label>";
export const toggle = (name, label, value) =>
  `<label class="control switch"><input type="checkbox"${attributes({ name })}${value ? " checked" : ""}> <span>${label}</span></label>`;
export const action = (name, label, disabled = false) =>
  `<button type="button"${attributes({ name })}${disabled ? " disabled" : ""}>${label}</button>`;
export const entry = (name, label, value, values = {}) =>
  `<label class="control"><span>${label}</span> <input type="text"${attributes({ name, value, autocomplete: "off", ...values })}></label>`;

// --- The figure as a whole ---

export const inside = (figure, state, view) =>
  `<div class="stage">${figure.draw(state, view)}</div>` +
  `<div class="controls">${figure.controls(state, view)}${action("reset", "Start again")}</div>` +
  `<p class="said" aria-live="polite">${escape(figure.say(state, view))}</p>`;

export const still = (figure, data) => inside(figure, figure.opening, { data, live: false });

const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown", "Enter", " "];
// A reader who holds a key down hears the end of the movement, not every step of it.
const PAUSE = 250;

export const mount = (root, figure, data) => {
  const view = { data, live: true };
  let state = figure.opening;
  let waiting = 0;
  let spoken = 0;

  const render = () => {
    waiting = 0;
    const next = document.createElement("div");
    next.innerHTML = inside(figure, state, view);
    const said = next.querySelector(".said").textContent;
    const focused = root.contains(document.activeElement) && document.activeElement.dataset.handle;
    morphdom(root, next, {
      childrenOnly: true,
      // A handle stays the same element, however many things are drawn before it.
      getNodeKey: (node) => node.dataset?.handle ?? node.id,
      onBeforeElUpdated: (old, fresh) => {
        if (old.matches(".said")) return false;
        // A field keeps what is being typed into it.
        if (old.matches("input[type=text]") && old === document.activeElement) return false;
        return !old.isEqualNode(fresh) || old.value !== fresh.value;
      },
    });
    // What is moved within the page loses the focus.
    if (focused && document.activeElement.dataset.handle !== focused) {
      root.querySelector(`[data-handle="${focused}"]`)?.focus({ preventScroll: true });
    }
    root.dataset.state = JSON.stringify(state);
    clearTimeout(spoken);
    spoken = setTimeout(() => {
      root.querySelector(".said").textContent = said;
    }, PAUSE);
  };
  const become = (next) => {
    if (next === undefined || next === state) return;
    state = next;
    waiting ||= requestAnimationFrame(render);
  };

  const use = (control) => {
    if (control.name === "reset") become({ ...figure.opening });
    else if (control.type === "checkbox") become(figure.set(state, control.name, control.checked, view));
    else if (control.type === "range") become(figure.set(state, control.name, Number(control.value), view));
    else become(figure.set(state, control.name, control.value, view));
  };
  root.addEventListener("input", (event) => use(event.target));
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) use(button);
  });

  // The handle that the pointer holds, and the panel that it is measured in. A finger that
  // moves up or down over a handle scrolls the page, unless the handle is small and free.
  let held;
  const take = (event, target) => ({
    name: target.dataset.handle,
    panel: target.ownerSVGElement,
    pointer: event.pointerId,
    settled: event.pointerType !== "touch" || getComputedStyle(target).touchAction === "none",
    start: [event.clientX, event.clientY],
  });
  const point = (event) => {
    const matrix = held.panel.getScreenCTM().inverse();
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
    become(figure.drag(state, held.name, [x, y], view));
  };
  root.addEventListener("pointerdown", (event) => {
    const target = event.target.closest("[data-handle]");
    if (!target || event.button !== 0) return;
    held = take(event, target);
    root.setPointerCapture(event.pointerId);
    target.focus({ preventScroll: true });
    event.preventDefault();
    if (held.settled) point(event);
  });
  root.addEventListener("pointermove", (event) => {
    if (held && event.pointerId === held.pointer) {
      const [across, along] = [event.clientX - held.start[0], event.clientY - held.start[1]];
      held.settled ||= Math.abs(across) > Math.abs(along);
      if (held.settled) point(event);
    }
    const target = !held && event.pointerType === "mouse" && event.target.closest("[data-hover]");
    if (target) {
      held = take(event, target);
      point(event);
      held = undefined;
    }
  });
  root.addEventListener("pointerup", (event) => {
    if (held && !held.settled) point(event);
    held = undefined;
  });
  root.addEventListener("pointercancel", () => {
    held = undefined;
  });
  root.addEventListener("keydown", (event) => {
    const target = event.target.closest("[data-handle]");
    if (!target || !KEYS.includes(event.key) || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = figure.key(state, target.dataset.handle, event.key, view);
    if (next === undefined) return;
    event.preventDefault();
    become(next);
  });
  render();
  root.dataset.ready = "yes";
};
