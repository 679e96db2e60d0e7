// Writes book/_static/figures/vendor.mjs and its licences: npm ci && npm run bundle
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const target = new URL("../../book/_static/figures/", import.meta.url).pathname;
const { outputFiles, metafile } = await build({
  entryPoints: ["vendor.mjs"],
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "vendor",
  target: "es2020",
  legalComments: "none",
  metafile: true,
  write: false,
});
// Packages of which something is left after the bundler dropped what is not used.
const [output] = Object.values(metafile.outputs);
const packages = Object.entries(output.inputs)
  .filter(([path, { bytesInOutput }]) => bytesInOutput > 0 && path.startsWith("node_modules/"))
  .map(([path]) => path.split("/")[1]);
const used = [...new Set(packages)].sort().map((name) => {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf-8"));
  return { name, version, licence: readFileSync(`node_modules/${name}/LICENSE`, "utf-8").trim() };
});
const names = [...readFileSync("vendor.mjs", "utf-8").matchAll(/(\w+)(?=,| })/g)].map(
  ([name]) => name,
);
writeFileSync(
  `${target}vendor.mjs`,
  `// Written by tools/figures/bundle.mjs from ${used.map((p) => `${p.name} ${p.version}`).join(", ")}.\n` +
    "// Their licences are in vendor-LICENSE.\n" +
    outputFiles[0].text.replace(/^"use strict";/, "") +
    names.map((name) => `export const ${name} = vendor.${name};\n`).join(""),
);
writeFileSync(
  `${target}vendor-LICENSE`,
  `${used.map((p) => `${p.name} ${p.version}\n\n${p.licence}\n`).join("\n---\n\n")}`,
);
