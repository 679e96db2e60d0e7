// The released notebook with the learner's code in it, and the way back.
// The file is changed only where the learner's cells are: every other byte stays.

const joined = (source) => (Array.isArray(source) ? source.join("") : String(source ?? ""));
const mark = (cell) => cell.metadata?.nbgrader ?? {};

// A cell's text as nbformat writes it: a list of lines, indented by one more at each level.
function written(source, indent = "   ") {
  const lines = source.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  if (!lines.length) return "[]";
  const quoted = lines.map((line) => `${indent} ${JSON.stringify(line)}`);
  return `[\n${quoted.join(",\n")}\n${indent}]`;
}

function ownCell({ id, source }) {
  return [
    "  {",
    '   "cell_type": "code",',
    '   "execution_count": null,',
    `   "id": ${JSON.stringify(id)},`,
    '   "metadata": {},',
    '   "outputs": [],',
    `   "source": ${written(source)}`,
    "  }",
  ].join("\n");
}

// Cuts the text into head, cells and tail. No line within a string looks like these: a string's
// line breaks are written as \n.
function cut(text) {
  const start = text.indexOf("\n  {\n") + 1;
  const end = text.indexOf("\n ]", start);
  const cells = text.slice(start, end).split(/,\n(?= {2}\{\n)/);
  return { head: text.slice(0, start), cells, tail: text.slice(end) };
}

export class Notebook {
  constructor(text) {
    this.text = text;
    this.cells = JSON.parse(text).cells.map((cell) => ({
      id: cell.id,
      type: cell.cell_type,
      source: joined(cell.source),
      mark: mark(cell),
    }));
  }

  // changed: Map of id to text; own: [{id, after, source}], in order. Returns the file's text.
  fill(changed, own = []) {
    const { head, cells, tail } = cut(this.text);
    const out = [];
    const add = (after) => {
      for (const cell of own) if (cell.after === after) out.push(ownCell(cell));
    };
    add(null);
    this.cells.forEach((cell, k) => {
      const source = changed.get(cell.id);
      const same = source === undefined || source === cell.source;
      // The text is put in by a function: in a string, $& would mean something.
      const place = /^ {3}"source": \[(?:\n(?: {4}.*\n)* {3})?\]/m;
      out.push(same ? cells[k] : cells[k].replace(place, () => `   "source": ${written(source)}`));
      add(cell.id);
    });
    return head + out.join(",\n") + tail;
  }

  // Finds the learner's cells in the text of a notebook, whichever program wrote it.
  // Returns {changed: Map, own: []}, or throws an Error that says what is wrong.
  read(text) {
    let file;
    try {
      file = JSON.parse(text.replace(/^\uFEFF/, ""));
    } catch {
      throw Error("this file is no notebook: it is not JSON, or it is cut off");
    }
    const sheets = Array.isArray(file?.worksheets) ? file.worksheets : [];
    const given = file?.cells ?? (sheets.length ? sheets.flatMap((s) => s?.cells ?? []) : null);
    if (!Array.isArray(given)) throw Error("this file is no notebook: it has no cells");
    const cells = given
      .filter((cell) => cell && typeof cell === "object")
      .map((cell) => ({
        code: cell.cell_type === "code",
        id: typeof cell.id === "string" ? cell.id : undefined,
        gradeId: mark(cell).grade_id,
        source: joined(cell.source ?? cell.input),
      }));
    const found = this.#match(cells);
    if (!found.size) throw Error("this is another notebook: none of its cells belong to this chapter");
    return this.#sort(cells, found);
  }

  #match(cells) {
    const found = new Map(); // position in the file → position in the release
    const position = (test) => this.cells.findIndex(test);
    cells.forEach((cell, at) => {
      const graded = cell.gradeId ? position((one) => one.mark.grade_id === cell.gradeId) : -1;
      if (graded >= 0) found.set(at, graded);
      else if (!cell.gradeId) {
        // A cell that lost its metadata keeps its id or its text.
        let k = cell.id ? position((one) => one.id === cell.id) : -1;
        if (k < 0) k = position((one) => one.source.trim() === cell.source.trim());
        if (k >= 0 && (this.writable(k) || this.cells[k].source === cell.source)) found.set(at, k);
      }
    });
    const taken = new Set(found.values());
    this.cells.forEach((one, k) => {
      if (!one.mark.solution || taken.has(k)) return;
      const defines = RegExp(`^(async\\s+)?def\\s+${one.mark.grade_id}\\s*\\(`, "m");
      for (let at = cells.length - 1; at >= 0; at--) {
        if (!found.has(at) && cells[at].code && defines.test(cells[at].source)) {
          found.set(at, k);
          break;
        }
      }
    });
    return found;
  }

  // Of several copies of a cell the last that is not the stub counts; the others run before it.
  #sort(cells, found) {
    const chosen = new Map();
    for (const [at, k] of [...found].sort((a, b) => a[0] - b[0])) {
      const untouched = cells[at].source.trim() === this.cells[k].source.trim();
      if (!chosen.has(k) || !untouched) chosen.set(k, at);
    }
    const changed = new Map();
    const own = [];
    let anchor = -1;
    cells.forEach((cell, at) => {
      const k = found.get(at);
      if (k !== undefined) anchor = k;
      if (k !== undefined && (chosen.get(k) === at || !this.writable(k))) {
        if (this.writable(k) && cell.source !== this.cells[k].source) {
          changed.set(this.cells[k].id, cell.source);
        }
        return;
      }
      if (!cell.code || !cell.source.trim()) return;
      const after = k === undefined ? anchor : k - 1;
      own.push({ after: this.cells[after]?.id ?? null, source: cell.source });
    });
    return { changed, own };
  }

  writable(k) {
    const { type, mark } = this.cells[k];
    return Boolean(mark.solution) || (type === "code" && !mark.locked && !mark.grade);
  }
}
