// A practise page: joins editors, store, notebook and Python.
import { Notebook } from "./notebook.js";
import { Runtime, Stopped } from "./runtime.js";
import { element, SIGNS, report, table, curves, failure } from "./show.js";
import { Conflict, Store } from "./store.js";

const BASE = new URL("./", import.meta.url);
const MEGABYTE = 1e6;
const storage = () => window.localStorage;
const megabytes = (bytes) => (bytes / MEGABYTE).toFixed(1);
let Editor; // once it is loaded
// "2 points random sizes, 1 large inputs." has the points behind their tests on the page.
const SHARES = /(\d+) (?:points? )?(.+?)(?=, \d+ |\.$)/g;

function button(text, action, attributes = {}) {
  const made = element("button", { type: "button", class: "practise-button", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
}

// One cell that the reader writes or runs: its box, its editor, what it showed last.
class Cell {
  constructor(page, box, { id, kind, stub, points = 0, own = null }) {
    Object.assign(this, { page, box, id, kind, stub, points, own, name: id });
    this.checks = []; // the graded cells below it
    this.source = stub;
    this.value = {};
    this.ran = ""; // text that went through, and in which worker
    this.generation = 0;
    this.failed = null; // text that did not
  }

  get key() {
    return this.own ? `own/${this.id}` : this.id;
  }

  get writable() {
    return this.kind !== "given";
  }

  get touched() {
    return this.source !== this.stub;
  }

  // Whether the visible check was right, or wrong, for the text that stands here now.
  get status() {
    return this.value.checked === this.source ? this.value.status : "open";
  }

  get current() {
    return this.ran === this.source && this.generation === this.page.runtime.generation;
  }

  build() {
    const help = "practise-keys";
    const code = this.box.firstElementChild;
    this.bar = element("div", { class: "practise-bar" });
    this.note = element("p", { class: "practise-note", hidden: "" });
    this.progress = element("div", { class: "practise-progress", hidden: "" });
    this.result = element("div", { class: "practise-result", "aria-live": "polite" });
    this.box.append(this.bar, this.note, this.progress, this.result);
    if (this.kind === "setup") return;
    const run = this.checks.length ? "Check" : "Run";
    if (this.kind !== "answer") {
      const label = { "aria-label": `${run} ${this.name}`, title: "Shift+Enter" };
      this.run = button(run, () => this.page.check(this), { ...label });
      this.run.classList.add("practise-main");
      this.bar.append(this.run);
    }
    if (!this.writable) return;
    this.undo = button("", () => this.bringBack(), { hidden: "" });
    if (this.own) this.bar.append(button("Remove this cell", () => this.page.remove(this)));
    else this.bar.append(button("Reset this cell", () => this.reset()));
    this.bar.append(this.undo);
    if (!this.own) {
      // Not before there can be an editor: what is typed next belongs into it.
      this.adder = button("Add a cell below", () => this.page.add(this), { disabled: "" });
      this.bar.append(this.adder);
    }
    const place = element("div", { class: "practise-editor" });
    this.edit = async () => {
      Editor ??= (await import("./editor.js")).Editor;
      if (this.editor) return this.editor;
      code?.remove();
      this.box.prepend(place);
      this.editor = new Editor(place, {
        text: this.source,
        label: this.kind === "answer" ? `Your answer, ${this.name}` : `Code of ${this.name}`,
        described: help,
        python: this.kind !== "answer",
        changed: (text) => this.change(text),
        run: () => this.run?.click(),
      });
      return this.editor;
    };
    // What stands here until the editor comes is what the reader wrote.
    this.preview = (text) => {
      const pre = code?.querySelector("pre");
      if (pre && pre.textContent.trimEnd() !== text.trimEnd()) pre.textContent = text;
    };
  }

  // Reads what is kept, at the beginning and when another tab has written.
  load() {
    this.value = this.page.store.get(this.key) ?? {};
    this.source = this.value.source ?? this.stub;
    if (this.editor) this.editor.text = this.source;
    else this.preview?.(this.source);
    this.refresh();
  }

  change(text) {
    this.source = text;
    this.save();
  }

  save(more = {}) {
    this.value = { ...this.value, ...more, source: this.source, ...(this.own ?? {}) };
    try {
      this.page.store.set(this.key, this.value);
    } catch (error) {
      if (error instanceof Conflict) return this.yield();
      this.page.unkept(error);
    }
    this.refresh();
  }

  // Another tab wrote this cell and this tab did not know: its text stays, ours can be had back.
  yield() {
    const ours = this.source;
    this.load();
    this.save({ before: ours });
    this.say("Another tab changed this cell; what you wrote here can be brought back.");
  }

  replace(text) {
    const before = this.source;
    this.source = text;
    if (this.editor) this.editor.text = text;
    else this.preview?.(text);
    this.save({ before });
  }

  reset() {
    if (this.touched) this.replace(this.stub);
    this.clear();
    this.editor?.focus();
  }

  bringBack() {
    this.replace(this.value.before);
    this.editor?.focus();
  }

  say(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  clear() {
    this.result.replaceChildren();
    this.progress.hidden = true;
    this.say("");
    this.box.classList.remove("practise-stale");
  }

  refresh() {
    if (this.undo) {
      this.undo.hidden = this.value.before === undefined || this.value.before === this.source;
      this.undo.textContent = "Bring back what stood here";
    }
    if (this.checks.length) {
      this.box.dataset.status = this.status;
      this.box.classList.toggle("practise-stale", this.shownFor !== this.source);
      const quiet = !this.result.childNodes.length && this.page.checking !== this;
      if (quiet && this.status === "right") {
        this.result.append(report({ status: "right", headline: "when you last checked it" }));
        this.shownFor = this.source;
      }
    }
    this.page.score();
  }

  output(text) {
    const last = this.result.lastElementChild;
    if (last?.classList.contains("practise-output")) last.append(text);
    else {
      const region = { class: "practise-output", tabindex: "0", role: "region" };
      this.result.append(element("pre", { ...region, "aria-label": `Output of ${this.name}` }, text));
    }
  }

  shown(what, data) {
    if (what === "report") {
      this.result.append(report(data));
      this.outcome = this.outcome === undefined || this.outcome === "right" ? data.status : this.outcome;
    } else if (what === "table") this.result.append(table(data));
    else if (what === "curves") this.result.append(curves(data));
    else if (what === "progress") {
      const { done, total, words } = data;
      this.bargraph ??= element("progress", { "aria-label": `Progress of ${this.name}` });
      Object.assign(this.bargraph, { max: total || 1, value: done });
      this.progress.replaceChildren(this.bargraph, ` ${done} of ${total} ${words}`);
      this.progress.hidden = false;
    }
  }
}

class Page {
  constructor(panel) {
    this.panel = panel;
    this.slug = panel.dataset.slug;
    this.store = new Store(this.slug, storage);
    this.runtime = new Runtime({
      base: BASE,
      slug: this.slug,
      changed: (state, details) => this.showState(state, details),
      consent: (python) => this.consent(python),
    });
    this.cells = [];
    this.lost = false;
    this.checking = null; // the cell that was asked for, until it is done
  }

  async begin() {
    this.buildPanel();
    const why = Store.trouble(storage);
    if (why) {
      this.warn(
        `Nothing that you type is kept: this browser keeps no data of this page (${why}). ` +
          "It is gone when you leave; download the notebook before.",
      );
      this.lost = true;
    }
    const url = new URL(`${this.slug}.ipynb?v=${this.panel.dataset.notebook}`, BASE);
    const answer = await fetch(url);
    if (!answer.ok) throw Error(`the notebook could not be loaded: status ${answer.status}`);
    this.notebook = new Notebook(await answer.text());
    this.buildCells();
    this.store.watch((id) => this.followed(id));
    ({ Editor } = await import("./editor.js"));
    for (const { adder } of this.cells) if (adder) adder.disabled = false;
    this.openEditors();
  }

  // --- the page's parts ------------------------------------------------------------------

  buildPanel() {
    this.points = element("p", { class: "practise-score" });
    this.list = element("ul");
    this.openOnes = element("details", { class: "practise-open" }, element("summary"), this.list);
    this.state = element("span", { class: "practise-state", role: "status" });
    this.bargraph = element("progress", { hidden: "", "aria-label": "Python is loaded" });
    this.starter = button("Start Python", () => this.runtime.start().catch(() => {}));
    this.stopper = button("Stop", () => this.runtime.stop(), { hidden: "" });
    this.file = element("input", { type: "file", accept: ".ipynb,application/json", hidden: "" });
    this.file.addEventListener("change", () => this.open());
    const line = element(
      "div",
      { class: "practise-line" },
      this.points,
      this.openOnes,
      element("div", { class: "practise-python" }, this.starter, this.stopper, this.state, this.bargraph),
    );
    const keys = this.panel.querySelector("#practise-keys");
    this.panel.replaceChildren(line);
    this.panel.classList.add("practise-strip");
    this.messages = element("div", { class: "practise-messages", "aria-live": "polite" });
    const files = element(
      "div",
      { class: "practise-files" },
      button("Download notebook", () => this.download()),
      button("Open notebook", () => this.file.click()),
      this.file,
    );
    this.panel.after(this.messages, files, keys);
    const end = document.querySelector("#hand-in > :is(h1, h2, h3)");
    end?.after(button("Download notebook", () => this.download(), { class: "practise-button practise-main" }));
    window.addEventListener("beforeunload", (event) => {
      if (this.lost && this.cells.some((cell) => cell.touched)) event.preventDefault();
    });
    document.addEventListener("click", (event) => {
      if (!this.openOnes.contains(event.target)) this.openOnes.open = false;
    });
    this.tally(0, this.panel.dataset.graded, 0, this.panel.dataset.points);
    this.showState("off");
  }

  buildCells() {
    let last = null;
    for (const { id, source, mark } of this.notebook.cells) {
      const box = document.getElementById(`cell-${id}`);
      if (!box) continue;
      const kind = id === "setup" ? "setup" : box.dataset.kind;
      if (kind === "check" && last) {
        last.checks.push({ id, source });
        last.points += Number(box.dataset.points);
        this.describe(box, source);
        continue;
      }
      const cell = new Cell(this, box, { id, kind: kind === "check" ? "given" : kind, stub: source });
      cell.name = mark.grade_id ?? id;
      this.cells.push(cell);
      last = kind === "solution" ? cell : last;
    }
    for (const cell of this.cells) cell.build();
    for (const cell of this.cells) cell.load();
    for (const id of this.store.ids()) if (id.startsWith("own/")) this.followed(id);
    this.score();
  }

  // In the place of the graded cell's code: what its comments say, and its points.
  describe(box, source) {
    const words = source
      .split("\n")
      .filter((line) => line.startsWith("#"))
      .map((line) => line.replace(/^#+ ?/, ""))
      .map((line) => (line.startsWith("Hidden tests:") ? line.replace(SHARES, "$2 ($1)") : line));
    const points = `${box.dataset.points} ${box.dataset.points === "1" ? "point" : "points"}. `;
    box.replaceChildren(element("p", { class: "practise-hidden" }, points + words.join(" ")));
  }

  // Editors come when they are near, so that a long page is there at once.
  openEditors() {
    const boxes = new Map(this.cells.filter((cell) => cell.edit).map((cell) => [cell.box, cell]));
    const watch = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting) continue;
          watch.unobserve(target);
          boxes.get(target)?.edit();
        }
      },
      { rootMargin: "600px" },
    );
    boxes.forEach((_, box) => watch.observe(box));
  }

  warn(text) {
    this.messages.append(element("p", { class: "practise-notice", role: "alert" }, text));
  }

  say(text, ...actions) {
    this.messages.querySelector(".practise-said")?.remove();
    const said = element("p", { class: "practise-notice practise-said" }, text, " ");
    for (const [label, action] of actions) {
      said.append(button(label, () => (said.remove(), action())), " ");
    }
    said.append(button("Close", () => said.remove()));
    this.messages.append(said);
    return said;
  }

  unkept(error) {
    if (this.lost) return;
    this.lost = true;
    const why = error?.name === "QuotaExceededError" ? "its storage is full" : "it refused";
    this.warn(
      `From now on this browser keeps nothing that you type (${why}). ` +
        "Download the notebook before you leave.",
    );
  }

  tally(right, graded, earned, points) {
    this.points.replaceChildren(
      element("strong", {}, `${right} of ${graded}`),
      " right, ",
      element("strong", {}, `${earned} of ${points}`),
      " points visible",
    );
    this.openOnes.firstElementChild.textContent = `${graded - right} open`;
  }

  score() {
    const graded = this.cells.filter((cell) => cell.checks.length);
    const right = graded.filter((cell) => cell.status === "right");
    const sum = (cells) => cells.reduce((total, cell) => total + cell.points, 0);
    this.tally(right.length, graded.length, sum(right), sum(graded));
    const open = graded.filter((cell) => cell.status !== "right");
    this.openOnes.hidden = !open.length;
    this.list.replaceChildren(
      ...open.map((cell) => {
        const [sign, word] = SIGNS[cell.status];
        const link = element("a", { href: `#cell-${cell.id}` }, element("code", {}, cell.name));
        const points = cell.points === 1 ? "1 point" : `${cell.points} points`;
        link.addEventListener("click", () => (this.openOnes.open = false));
        return element("li", {}, link, ` ${sign} ${word.toLowerCase()}, ${points}`);
      }),
    );
  }

  showState(state, { loaded = 0, total = 0, name = "", message = "" } = {}) {
    const words = {
      off: "",
      loading: total ? `Python: ${megabytes(loaded)} of ${megabytes(total)} MB` : "Python is loaded",
      starting: "Python starts",
      ready: "Python is ready",
      running: `${name} runs`,
      failed: `Python did not start: ${message}`,
    };
    clearInterval(this.clock);
    if (state === "running") {
      const began = performance.now();
      this.clock = setInterval(() => {
        this.state.textContent = `${name} runs, ${Math.round((performance.now() - began) / 1000)} s`;
      }, 1000);
    }
    this.state.textContent = words[state];
    this.bargraph.hidden = state !== "loading" || !total;
    Object.assign(this.bargraph, { max: total || 1, value: loaded });
    this.starter.hidden = !["off", "failed"].includes(state);
    this.starter.textContent = state === "failed" ? "Try again" : "Start Python";
    this.stopper.hidden = state !== "running";
    this.panel.dataset.state = state;
  }

  // Asks before anything is loaded from another host.
  consent({ cdn, files }) {
    const size = megabytes(files.reduce((sum, file) => sum + file.size, 0));
    return new Promise((resolve) => {
      const said = this.say(
        `This copy of the book comes without Python. It can be loaded from ${new URL(cdn).host}: ${size} MB, once.`,
        ["Load it", () => resolve(true)],
        ["Not now", () => resolve(false)],
      );
      said.lastElementChild.remove();
      said.querySelector("button").focus();
    });
  }

  // --- running ----------------------------------------------------------------------------

  // All that runs, in the notebook's order.
  get order() {
    const order = [];
    const own = this.cells.filter((cell) => cell.own).sort((a, b) => a.own.order - b.own.order);
    const add = (after) => order.push(...own.filter((cell) => cell.own.after === after));
    add(null);
    for (const { id } of this.notebook.cells) {
      const cell = this.cells.find((one) => one.id === id && !one.own);
      if (cell) order.push(cell);
      add(id);
    }
    return order.filter((cell) => cell.kind !== "answer");
  }

  // What has to run before a cell: all above it that is written and not run as it stands.
  before(cell) {
    const order = this.order;
    return order
      .slice(0, order.indexOf(cell))
      .filter((one) => !one.current && one.failed !== one.source)
      .filter((one) => one.kind !== "solution" || one.touched);
  }

  async check(cell) {
    if (this.checking === cell) return;
    if (this.checking) return cell.say(`${this.checking.name} runs: wait for it, or press Stop.`);
    this.checking = cell;
    try {
      if (this.runtime.state !== "ready") cell.say("Python is loaded first; then this runs.");
      await this.runtime.start();
      for (const one of this.before(cell)) await this.execute(one);
      cell.failed = null;
      if (!(await this.execute(cell))) return;
      const source = cell.source;
      cell.outcome = undefined;
      for (const { id, source: text } of cell.checks) await this.execute(cell, id, text);
      if (cell.outcome) {
        cell.shownFor = source;
        cell.save({ checked: source, status: cell.outcome });
      }
    } catch (error) {
      if (this.runtime.state === "off") cell.say("");
      else if (!(error instanceof Stopped)) cell.say(error.message);
    } finally {
      this.checking = null;
    }
  }

  // Runs a cell, or a check below it; returns whether it went through.
  async execute(cell, name = cell.name, source = cell.source) {
    const itself = name === cell.name;
    if (itself) cell.clear();
    const handlers = {
      output: (text) => cell.output(text),
      shown: (what, data) => cell.shown(what, data),
    };
    let error;
    try {
      error = await this.runtime.run(name, source, handlers);
    } catch (broken) {
      if (itself) cell.failed = source;
      cell.say(
        broken instanceof Stopped
          ? "Stopped. Python starts again; the cells above run again when you check."
          : broken.message,
      );
      throw broken;
    }
    if (error) cell.result.append(failure(error, cell.name));
    if (itself) {
      cell.failed = error ? source : null;
      cell.ran = error ? "" : source;
      cell.generation = this.runtime.generation;
      cell.shownFor = source;
      cell.refresh();
    }
    return !error;
  }

  // --- cells of the reader's own ------------------------------------------------------------

  place(cell) {
    const boxes = this.notebook.cells.map(({ id }) => document.getElementById(`cell-${id}`));
    const at = this.notebook.cells.findIndex(({ id }) => id === cell.own.after);
    const before = this.cells.filter((one) => one.own?.after === cell.own.after);
    const earlier = before.filter((one) => one !== cell && one.own.order < cell.own.order).at(-1);
    const anchor = earlier?.box ?? boxes[at];
    if (anchor) return anchor.after(cell.box);
    const next = boxes.slice(at + 1).find(Boolean);
    if (next) next.before(cell.box);
    else boxes.filter(Boolean).at(-1).after(cell.box);
  }

  make(id, own) {
    const box = element("div", { class: "practise practise-cell practise-own", id: `own-${id}` });
    const cell = new Cell(this, box, { id, kind: "free", stub: "", own });
    cell.name = "your own cell";
    this.cells.push(cell);
    this.place(cell);
    cell.build();
    return cell;
  }

  async add(below, source = "", after = below.checks.at(-1)?.id ?? below.id) {
    const id = `own-${crypto.getRandomValues(new Uint32Array(1))[0].toString(16)}`;
    const cell = this.make(id, { after, order: Date.now() + this.cells.length / 1000 });
    this.store.get(cell.key);
    cell.source = source;
    cell.save();
    const editor = await cell.edit();
    if (!source) editor.focus();
    return cell;
  }

  remove(cell, undoable = true) {
    const { own, source } = cell;
    this.store.set(cell.key, { gone: true });
    cell.box.remove();
    this.cells = this.cells.filter((one) => one !== cell);
    if (undoable) this.say("The cell is removed.", ["Undo", () => this.add(cell, source, own.after)]);
  }

  // Another tab has written an entry.
  followed(id) {
    let cell = this.cells.find((one) => one.key === id);
    const value = id.startsWith("own/") ? this.store.get(id) : undefined;
    if (value?.gone) {
      cell?.box.remove();
      this.cells = this.cells.filter((one) => one !== cell);
      return;
    }
    if (!cell && value) {
      cell = this.make(id.slice(4), { after: value.after, order: value.order });
      cell.edit();
    }
    cell?.load();
  }

  // --- files --------------------------------------------------------------------------------

  get text() {
    const changed = new Map(this.cells.filter((cell) => !cell.own).map((cell) => [cell.id, cell.source]));
    const own = this.order.filter((cell) => cell.own && cell.source.trim());
    return this.notebook.fill(
      changed,
      own.map((cell) => ({ id: cell.id, after: cell.own.after, source: cell.source })),
    );
  }

  download() {
    const blob = new Blob([this.text], { type: "application/x-ipynb+json" });
    const link = element("a", { href: URL.createObjectURL(blob), download: `${this.slug}.ipynb` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  async open() {
    const [file] = this.file.files;
    if (!file) return;
    this.file.value = "";
    try {
      const { changed, own } = this.notebook.read(await file.text());
      const before = this.snapshot();
      await this.take(changed, own);
      const cells = changed.size === 1 ? "1 cell is" : `${changed.size} cells are`;
      this.say(`${file.name}: ${cells} written; what stood here is replaced.`, [
        "Undo",
        () => this.take(before.changed, before.own),
      ]);
    } catch (error) {
      this.say(`${file.name}: ${error.message}. Nothing is changed.`);
    }
  }

  snapshot() {
    const own = this.order.filter((cell) => cell.own);
    return {
      changed: new Map(this.cells.filter((cell) => !cell.own).map((cell) => [cell.id, cell.source])),
      own: own.map((cell) => ({ after: cell.own.after, source: cell.source })),
    };
  }

  async take(changed, own) {
    for (const cell of this.cells.filter((one) => one.own)) this.remove(cell, false);
    for (const cell of this.cells.filter((one) => one.writable && one.kind !== "setup")) {
      const text = changed.get(cell.id) ?? cell.stub;
      if (text !== cell.source) {
        cell.replace(text);
        cell.clear();
      }
    }
    for (const { after, source } of own) await this.add(this.cells[0], source, after);
  }
}

// The list of chapters, with how far the reader is in each.
async function overview(box) {
  for (const item of box.querySelectorAll("li")) {
    const link = item.querySelector("a");
    const slug = link.getAttribute("href").replace(/\.html.*/, "");
    const store = new Store(slug, storage);
    const values = store.ids().map((id) => store.get(id));
    const right = values.filter((value) => value?.status === "right" && value.checked === value.source);
    const begun = values.some((value) => value?.source !== undefined);
    if (begun) link.after(`: ${right.length} right so far`);
  }
}

for (const panel of document.querySelectorAll(".practise-panel")) {
  const page = new Page(panel);
  page.begin().catch((error) => page.warn(`This page does not work: ${error.message}`));
}
document.querySelectorAll(".practise-overview").forEach(overview);
