// The worker with Python in it: started when asked for, ended and started anew by stop().

export class Stopped extends Error {}
export class Refused extends Error {}

export class Runtime {
  // addresses: static (of _static/) and slug; changed(state, details) is told of every change;
  // consent(python) resolves to true where a download from elsewhere is agreed to.
  constructor({ base, slug, changed, consent }) {
    Object.assign(this, { base, slug, changed, consent });
    this.state = "off";
    this.generation = 0; // of the worker: what ran in an earlier one is gone
  }

  #set(state, details = {}) {
    this.state = state;
    this.changed(state, details);
  }

  start() {
    this.started ??= this.#start().catch((error) => {
      this.started = undefined;
      this.worker?.terminate();
      this.#set(error instanceof Refused ? "off" : "failed", { message: error.message });
      throw error;
    });
    return this.started;
  }

  async #start() {
    this.#set("loading", { loaded: 0 });
    this.python ??= await this.#find();
    this.generation += 1;
    const worker = new Worker(new URL("worker.js", this.base), { type: "module" });
    this.worker = worker;
    await new Promise((resolve, reject) => {
      this.abandon = reject;
      worker.onerror = (event) => reject(Error(event.message || "the worker did not start"));
      worker.onmessage = ({ data }) => {
        if (data.kind === "loading") this.#set("loading", data);
        else if (data.kind === "starting") this.#set("starting");
        else if (data.kind === "ready") resolve();
        else if (data.kind === "failed") reject(Error(data.message));
      };
      const { python, from } = this.python;
      worker.postMessage({
        kind: "start",
        python,
        base: from,
        archive: new URL(`${this.slug}.zip`, this.base).href,
        session: new URL("session.py", this.base).href,
        slug: this.slug,
      });
    });
    worker.onmessage = ({ data }) => this.#hear(data);
    worker.onerror = (event) => this.#crash(event.message);
    this.#set("ready");
  }

  async #find() {
    const answer = await fetch(new URL("python.json", this.base), { cache: "no-cache" });
    if (!answer.ok) throw Error(`python.json: status ${answer.status}`);
    const python = await answer.json();
    const here = new URL("../python/", this.base).href;
    if (!python.here && !(await this.consent(python))) throw new Refused("Python was not loaded.");
    return { python, from: python.here ? here : python.cdn };
  }

  #hear(data) {
    const run = this.current;
    if (data.kind === "failed") this.#crash(data.message);
    else if (run && data.id === run.id) {
      if (data.kind === "output") run.output(data.text);
      else if (data.kind === "shown") run.shown(data.what, data.data);
      else if (data.kind === "done") {
        this.current = undefined;
        this.#set("ready");
        run.resolve(data.error);
      }
    }
  }

  // Runs one cell; resolves to its error or null, rejects where Python was stopped or broke down.
  async run(name, source, { output, shown }) {
    await this.start();
    if (this.current) throw Error("one cell at a time");
    return new Promise((resolve, reject) => {
      const id = String(++Runtime.runs);
      this.current = { id, output, shown, resolve, reject };
      this.#set("running", { name });
      this.worker.postMessage({ kind: "run", id, name, source });
    });
  }

  #crash(message) {
    this.#end(Error(`Python broke down and starts again: ${message}`));
  }

  // Ends whatever runs, and starts Python again.
  stop() {
    this.#end(new Stopped("stopped"));
  }

  #end(error) {
    this.worker?.terminate();
    this.abandon?.(error);
    const run = this.current;
    this.current = undefined;
    this.started = undefined;
    run?.reject(error);
    this.start().catch(() => {});
  }
}
Runtime.runs = 0;
