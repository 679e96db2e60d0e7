// What the reader wrote, kept in this browser: one entry for each cell, so that two tabs that
// write different cells never meet, and a version in each, so that none overwrites what it has
// not seen.

const PREFIX = "practise";

export class Conflict extends Error {}

export class Store {
  constructor(slug, storage) {
    this.prefix = `${PREFIX}/${slug}/`;
    this.seen = new Map(); // versions of entries, as this tab knows them
    this.storage = storage;
  }

  // Returns why nothing can be kept, or "".
  static trouble(storage) {
    try {
      const key = `${PREFIX}/probe`;
      storage().setItem(key, "x".repeat(50_000));
      storage().removeItem(key);
      return "";
    } catch (error) {
      return error?.name === "QuotaExceededError" ? "its storage is full" : "it forbids storage";
    }
  }

  #read(id) {
    try {
      return JSON.parse(this.storage().getItem(this.prefix + id));
    } catch {
      return null; // no storage, or an entry that nobody can read
    }
  }

  get(id) {
    const entry = this.#read(id);
    this.seen.set(id, entry?.version ?? 0);
    return entry?.value;
  }

  // Writes an entry. Throws Conflict where another tab wrote a newer one that this has not seen,
  // and what the browser throws where it keeps nothing.
  set(id, value) {
    const version = this.#read(id)?.version ?? 0;
    if (version !== (this.seen.get(id) ?? 0)) throw new Conflict(id);
    const entry = JSON.stringify({ version: version + 1, value });
    this.storage().setItem(this.prefix + id, entry);
    this.seen.set(id, version + 1);
  }

  // Entries of this chapter, as ids.
  ids() {
    try {
      return Object.keys(this.storage())
        .filter((key) => key.startsWith(this.prefix))
        .map((key) => key.slice(this.prefix.length));
    } catch {
      return [];
    }
  }

  // Tells of every entry that another tab has changed, at once or when this tab is seen again.
  watch(changed) {
    const look = (id) => {
      const version = this.#read(id)?.version ?? 0;
      if (version !== (this.seen.get(id) ?? 0)) changed(id);
    };
    const all = () => new Set([...this.seen.keys(), ...this.ids()]).forEach(look);
    window.addEventListener("storage", ({ key }) => {
      if (key === null) all();
      else if (key.startsWith(this.prefix)) look(key.slice(this.prefix.length));
    });
    window.addEventListener("focus", all);
    window.addEventListener("pageshow", all);
    document.addEventListener("visibilitychange", all);
  }
}
