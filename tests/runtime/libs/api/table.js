// A list of calls: the same calls in the same order wherever it is made.
const { canonical } = require("./canonical");

// mulberry32: a small generator of numbers, all of it in 32 bits
function chance(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const int = (least, most) => least + Math.floor(next() * (most - least + 1));
  const one = (list) => list[int(0, list.length - 1)];
  const many = (make, most = 8) => Array.from({ length: int(0, most) }, make);
  const word = () => many(() => one("abcdefghijklmnopqrstuvwxyzABCXYZ0189_- .äß🥚"), 10).join("");
  return { next, int, one, many, word };
}

exports.table = (seed) => {
  const calls = [];
  return {
    calls,
    ...chance(seed),
    // name: what the difference is called; work: what is compared, its error if it fails
    add: (name, work) => calls.push([name, work]),
  };
};

exports.outcomes = async (calls) => {
  const told = [];
  for (const [name, work] of calls) {
    let outcome;
    try {
      outcome = canonical(await work());
    } catch (error) {
      outcome = `throws ${error?.name}`;
    }
    told.push([name, outcome]);
  }
  return told;
};
