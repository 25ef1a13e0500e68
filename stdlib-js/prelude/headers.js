// Header lines as the host takes them, checked before they leave.

import { faulty } from "./errors.js";
import { Array, JSON, Map, Object, Symbol } from "./primordials.js";

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// what may not stand in a value: the ends of a line, NUL, and anything a byte cannot hold
const BAD_VALUE = /[\r\n\0]|[^\x00-\xff]/;

export const bad = (message, hint) => faulty("INVALID_RESPONSE", message, hint);

export function line(name, value) {
  const lower = `${name}`.toLowerCase();
  if (!NAME.test(lower)) throw bad(`The header name ${JSON.stringify(lower.slice(0, 80))} is not allowed.`);
  if (typeof value !== "string") {
    if (typeof value !== "number" && typeof value !== "boolean") throw bad(`The header ${lower} needs a string.`);
    value = `${value}`;
  }
  if (BAD_VALUE.test(value)) throw bad(`The header ${lower} holds a character that is not allowed.`);
  return [lower, value];
}

/** `{name: value | [values]}`, pairs, or a Headers object as pairs. */
export function pairs(given) {
  if (given === undefined || given === null) return [];
  if (typeof given !== "object") throw bad("headers: expected an object.");
  const result = [];
  const every = typeof given[Symbol.iterator] === "function" ? given : Object.entries(given);
  for (const pair of every) {
    if (!Array.isArray(pair) || pair.length !== 2) throw bad("headers: expected pairs of a name and a value.");
    const [name, value] = pair;
    if (value === undefined || value === null) continue;
    for (const one of Array.isArray(value) ? value : [value]) result.push(line(name, one));
  }
  return result;
}

export const named = (headers, name) => headers.find(([key]) => key === name)?.[1];

// most answers have one header, and that of few kinds
const single = new Map();
const MOST_SINGLE = 50;

export function lines(headers) {
  if (headers.length === 0) return "[]";
  if (headers.length > 1 || headers[0][0] !== "content-type") return JSON.stringify(headers);
  const type = headers[0][1];
  let known = single.get(type);
  if (known === undefined) {
    known = JSON.stringify(headers);
    if (single.size < MOST_SINGLE) single.set(type, known);
  }
  return known;
}
