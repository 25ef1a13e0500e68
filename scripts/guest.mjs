// Bundles the parts of the guest and gathers the licences: node guest.mjs <sources> <output> <node_modules>
import fs from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const [sources, output, modules] = process.argv.slice(2);

// The libraries are not what an author debugs: short names make the heap they live in smaller.
const PARTS = {
  web: { entry: "web/index.js", minify: false },
  libs: { entry: "libs.js", minify: true },
  prelude: { entry: "prelude/index.js", minify: false },
};

// folder → name; a package may be there twice, in two versions
const packages = new Map([[path.join(modules, "quickjs-wasi"), "quickjs-wasi"]]);

for (const [name, { entry, minify }] of Object.entries(PARTS)) {
  const file = path.join(sources, entry);
  if (!fs.existsSync(file)) continue;
  const { metafile } = await build({
    entryPoints: [file],
    outfile: path.join(output, `${name}.js`),
    bundle: true,
    format: "iife",
    platform: "browser",
    target: "es2022",
    charset: "utf8",
    legalComments: "none", // they are in licenses/
    minify,
    metafile: true,
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "warning",
  });
  for (const input of Object.keys(metafile.inputs)) {
    const found = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) packages.set(path.resolve(found[0]), found[1]);
  }
}

fs.copyFileSync(path.join(modules, "quickjs-wasi", "quickjs.wasm"), path.join(output, "quickjs.wasm"));
fs.copyFileSync(path.join(sources, "types", "guest.d.ts"), path.join(output, "guest.d.ts"));

const manifest = {};
for (const [folder, name] of [...packages].sort()) {
  const { version, license, author } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
  const key = manifest[name] ? `${name}@${version}` : name;
  manifest[key] = { version, license };
  const target = path.join(output, "licenses", key.replace("/", "-"));
  fs.mkdirSync(target, { recursive: true });
  const texts = fs.readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  for (const file of texts) fs.copyFileSync(path.join(folder, file), path.join(target, file));
  if (!texts.length) fs.writeFileSync(path.join(target, "LICENSE"), `${license}, ${author?.name ?? author ?? name}\n`);
}
fs.writeFileSync(path.join(output, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
