// What is computed, in an app and under node alike. `node computing.js NAME TIMES` says how many milliseconds one takes.
const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
const rows = () => Array.from({ length: 9000 }, (_, id) => ({ id, name: `row number ${id}`, tags: ["a", "b"], value: id / 7, more: { ok: true, none: null } }));

let state = 12345;
const next = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0);

let kept;
const prepared = (name, make) => (kept?.name === name ? kept.value : (kept = { name, value: make() }).value);

exports.works = {
  nothing: () => 0,
  fib27: () => fib(27),
  parse: () => JSON.parse(prepared("parse", () => JSON.stringify(rows()))).length,
  stringify: () => JSON.stringify(prepared("stringify", rows)).length,
  sort: () => Array.from({ length: 100000 }, next).sort((a, b) => a - b)[0] * 0 + 100000,
};

if (typeof process === "object" && process.argv[2]) {
  const { performance } = require("node:perf_hooks");
  const [, , name, times] = process.argv;
  exports.works[name]();
  const began = performance.now();
  for (let n = 0; n < Number(times); n++) exports.works[name]();
  console.log((performance.now() - began) / Number(times));
}
