// Bundles CodeMirror 6 into book/_static/practise/codemirror.js, with its licences beside it.
// Once, when a version changes: npm ci && npm run build. Neither readers nor CI need npm.
import { build } from "esbuild";
import { readFileSync, writeFileSync } from "node:fs";

const target = new URL("../../../book/_static/practise/", import.meta.url).pathname;
const { metafile } = await build({
  entryPoints: ["bundle.mjs"],
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  banner: { js: "/* CodeMirror 6 and what it needs; MIT, see codemirror.LICENSE.txt */" },
  outfile: `${target}codemirror.js`,
  metafile: true,
});

const folders = new Set(
  Object.keys(metafile.inputs)
    .map((path) => path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1])
    .filter(Boolean),
);
const texts = [...folders].sort().map((name) => {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  return `${name} ${version}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim()}\n`;
});
writeFileSync(`${target}codemirror.LICENSE.txt`, texts.join("\n\n"));
