// What may cross to the host: whatever JSON would lose without a word is refused before.

import { Array, ArrayBuffer, Boolean, DataView, Number, Object, String } from "./primordials.js";
import { invalid } from "./errors.js";
import { isPlain } from "./objects.js";

const MOST_DEPTH = 100;
const { isArray } = Array;
const { isView } = ArrayBuffer;
const { isFinite } = Number;
const { keys, getOwnPropertySymbols, getPrototypeOf, prototype } = Object;
const ABSENT = "Leave it out, or say null to look for what has none.";

// what is refused here, and by nobody who only throws the same
let refusal;

function refused(message, hint) {
  refusal = invalid(message, hint);
  return refusal;
}

export const isRefusal = (error) => error !== undefined && error === refusal;

/** A quick look at an object that says yes to nearly everything. No: look closely. */
export function isFine(value, isQuery, depth = 0) {
  if (depth >= MOST_DEPTH || value.toJSON !== undefined) return false;
  const isList = isArray(value);
  if (!isList && getPrototypeOf(value) !== prototype) return false;
  if (isQuery && getOwnPropertySymbols(value).length > 0) return false;
  const names = isList ? value : keys(value);
  const count = names.length;
  for (let at = 0; at < count; at++) {
    const member = isList ? value[at] : value[names[at]];
    // no call for what most members are
    const type = typeof member;
    if (type === "string" || type === "boolean" || member === null) continue;
    if (type === "number" && (!isQuery || isFinite(member))) continue;
    if (type === "undefined" && !isQuery) continue;
    if (type !== "object" || !isFine(member, isQuery, depth + 1)) return false;
  }
  return true;
}

/** The same as plain JSON, each part of it read once; what JSON cannot say is refused. Of a query nothing may get lost:
    with a condition less it means more. */
export function crossing(value, where, isQuery = false, depth = 0) {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (isQuery && !isFinite(value)) throw refused(`${where}: is ${value}.`);
      return value;
    case "undefined":
      if (isQuery) throw refused(`${where}: is undefined.`, ABSENT);
      return value;
    case "object":
      return value === null ? value : inside(value, where, isQuery, depth);
    default:
      throw refused(`${where}: a ${typeof value} cannot be stored or sent.`);
  }
}

function inside(value, where, isQuery, depth) {
  // much deeper, and the engine itself would stop
  if (depth >= MOST_DEPTH) throw refused(`${short(where)}: must not be nested deeper than ${MOST_DEPTH} levels.`);
  if (typeof value.toJSON === "function") {
    const said = value.toJSON("");
    // a date that is none says null
    if (isQuery && said === null) throw refused(`${where}: is no valid date.`);
    if (said !== value) return crossing(said, where, isQuery, depth + 1);
  }
  if (isArray(value)) {
    const made = [];
    for (let at = 0; at < value.length; at++) made[at] = crossing(value[at], `${where}[${at}]`, isQuery, depth + 1);
    return made;
  }
  if (isView(value) || value instanceof ArrayBuffer) {
    throw refused(`${where}: bytes cannot be part of JSON.`, "Bytes belong into fazt.app.s3.");
  }
  if (value instanceof String || value instanceof Number || value instanceof Boolean) {
    return crossing(value.valueOf(), where, isQuery, depth + 1);
  }
  if (isQuery && (!isPlain(value) || getOwnPropertySymbols(value).length > 0)) {
    throw refused(`${where}: is no plain object.`, "A query is made of objects, arrays, texts, numbers and dates.");
  }
  const made = { __proto__: null };
  for (const key of keys(value)) {
    const member = crossing(value[key], `${where}.${key.slice(0, 80)}`, isQuery, depth + 1);
    if (member !== undefined) made[key] = member;
  }
  return made;
}

const short = (where) => (where.length > 80 ? `${where.slice(0, 80)}…` : where);

/** Typed arrays as the lists of numbers they are: one, those in a list, those in the objects of a list. */
export function listed(value, depth = 0) {
  if (isView(value)) return value instanceof DataView ? value : Array.from(value);
  if (depth > 2 || (isArray(value) && typeof value[0] === "number")) return value;
  return replaced(value, (member) => listed(member, depth + 1));
}

/** Another array or object with its members exchanged; the same one where none is an object. */
export function replaced(value, exchange) {
  if (isArray(value)) return value.map(exchange);
  if (!isPlain(value) || typeof value.toJSON === "function") return value;
  const made = { __proto__: null };
  for (const key of keys(value)) made[key] = exchange(value[key]);
  return made;
}
