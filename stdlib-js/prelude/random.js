// Math.random: xoshiro128** with a seed from the host for each invocation, so that a run can be repeated.

import { host } from "./bridge.js";
import { Math, Uint32Array } from "./primordials.js";

let a = 0;
let b = 0;
let c = 0;
let d = 0;
let given;

/** The seed of what comes: a text of four numbers. Most handlers never ask for randomness, so it is not looked at yet. */
export function seed(text) {
  given = text;
}

function begin(words) {
  [a, b, c, d] = [words[0] | 0, words[1] | 0, words[2] | 0, words[3] | 0];
  // all zeros would stay zeros for ever
  if ((a | b | c | d) === 0) d = 1;
  // small seeds need some turns before they look like nothing
  for (let turn = 0; turn < 16; turn++) next();
}

function next() {
  let result = Math.imul(b, 5);
  result = Math.imul((result << 7) | (result >>> 25), 9);
  const shifted = b << 9;
  c ^= a;
  d ^= b;
  b ^= c;
  a ^= d;
  c ^= shifted;
  d = (d << 11) | (d >>> 21);
  return result >>> 0;
}

export function random() {
  if (given !== undefined) {
    const words = given.split(",");
    given = undefined;
    begin(words);
  } else if ((a | b | c | d) === 0) begin(new Uint32Array(host("random", "16").slice().buffer));
  return (next() * 2097152 + (next() >>> 11)) / 9007199254740992;
}
