// node node.cjs PACKAGES: what becomes of all calls of all libraries, with the packages of a folder
const { createRequire } = require("node:module");
const { readdirSync } = require("node:fs");
const { outcomes } = require("./api/table");

const packages = createRequire(`${process.argv[2]}/package.json`);
const own = new Set(["canonical.js", "main.js", "table.js"]);

(async () => {
  const told = {};
  for (const file of readdirSync(`${__dirname}/api`).filter((name) => !own.has(name)).sort()) {
    const lib = file.replace(/\.js$/, "");
    told[lib] = await outcomes(require(`./api/${lib}`)(packages(lib)));
  }
  process.stdout.write(JSON.stringify(told));
})();
