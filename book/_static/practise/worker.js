// Python, away from the page: loads the release's files, then runs cells one after the other.
// Messages to it: {kind: "start", python, base, archive, slug} and {kind: "run", id, name, source}.
// Messages from it: loading, ready, failed; and for a run: output, shown, done.

const tell = (kind, data) => postMessage({ kind, ...data });

async function digest(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// One cache for all chapters; there is none where the page is not served securely.
async function openCache(version) {
  try {
    return await self.caches?.open(`python-${version}`);
  } catch {
    return undefined;
  }
}

async function download(url, told) {
  const answer = await fetch(url);
  if (!answer.ok) throw Error(`${url}: status ${answer.status}`);
  const parts = [];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    told(value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

// What changes with the course is asked for anew, or at least whether it has changed.
async function fresh(url) {
  const answer = await fetch(url, { cache: "no-cache" });
  if (!answer.ok) throw Error(`${url}: status ${answer.status}`);
  return answer.arrayBuffer();
}

async function gather({ version, files }, base) {
  const cache = await openCache(version);
  const total = files.reduce((sum, file) => sum + file.size, 0);
  let loaded = 0;
  const told = (size) => tell("loading", { loaded: (loaded += size), total });
  const one = async ({ name, size, sha256 }) => {
    const kept = await cache?.match(`/${name}`);
    if (kept) {
      told(size);
      return [name, new Uint8Array(await kept.arrayBuffer())];
    }
    const bytes = await download(base + name, told);
    if (crypto.subtle && (await digest(bytes)) !== sha256) {
      throw Error(`${base + name} is not the file of Pyodide ${version}`);
    }
    // A full disk costs the next visit a download, no more.
    await cache?.put(`/${name}`, new Response(bytes)).catch(() => {});
    return [name, bytes];
  };
  return new Map(await Promise.all(files.map(one)));
}

const TYPES = { mjs: "text/javascript", js: "text/javascript", wasm: "application/wasm" };
const typeOf = (name) => TYPES[name.split(".").at(-1)] ?? "application/octet-stream";

let session;

async function start({ python, base, archive, session: program, slug }) {
  const others = Promise.all([archive, program].map(fresh));
  const files = await gather(python, base);
  tell("starting");
  const indexURL = new URL("pyodide/", self.location).href;
  const fetched = self.fetch.bind(self);
  self.fetch = (request, options) => {
    const url = new URL(request.url ?? request, self.location).href;
    const name = url.startsWith(indexURL) ? url.slice(indexURL.length) : "";
    if (!files.has(name)) return fetched(request, options);
    const headers = { "Content-Type": typeOf(name) };
    return Promise.resolve(new Response(files.get(name), { headers }));
  };
  const load = (name) =>
    import(URL.createObjectURL(new Blob([files.get(name)], { type: typeOf(name) })));
  await load("pyodide.asm.js");
  const { loadPyodide } = await load("pyodide.mjs");
  const pyodide = await loadPyodide({ indexURL, packages: ["numpy"] });
  self.fetch = fetched;
  files.clear();
  const [zip, source] = await others;
  pyodide.unpackArchive(zip, "zip", { extractDir: "/course" });
  pyodide.registerJsModule("practise_page", {
    tell: (kind, json) => tell(kind, JSON.parse(json)),
  });
  pyodide.FS.writeFile("/course/practise_session.py", new Uint8Array(source));
  // the archive holds one chapter, in a folder with its number
  const folder = pyodide.FS.readdir(`/course/${slug}`).find((name) => name.endsWith(`-${slug}`));
  const chapter = `/course/${slug}/${folder}`;
  pyodide.FS.chdir(chapter);
  pyodide.runPython(`import sys\nsys.path[:0] = ["/course", "${chapter}"]`);
  session = pyodide.pyimport("practise_session").Session();
  tell("ready");
}

self.onmessage = async ({ data }) => {
  try {
    if (data.kind === "start") await start(data);
    else session.run(data.id, data.name, data.source);
  } catch (error) {
    tell("failed", { message: String(error.message ?? error), running: data.id });
  }
};
