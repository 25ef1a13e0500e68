// Timers wait in the host. Their functions run inside the invocation that set them, or never.

import { cancel, send } from "./calls.js";
import { invalid } from "./errors.js";
import { failed } from "./invocation.js";
import { Map, Math, Promise } from "./primordials.js";

const MOST_MS = 2_147_483_647;
// setInterval keeps one number for the page while each turn is a new call
const intervals = new Map();

function delay(ms) {
  const whole = Math.trunc(+ms);
  return whole >= 0 && whole <= MOST_MS ? whole : whole > MOST_MS ? 1 : 0;
}

function callable(fn, name) {
  if (typeof fn !== "function") throw invalid(`${name}: the first argument has to be a function.`);
  return fn;
}

function run(fn, given) {
  try {
    fn(...given);
  } catch (error) {
    failed(error);
  }
}

export function setTimeout(fn, ms = 0, ...given) {
  callable(fn, "setTimeout");
  return send("timer", `[${delay(ms)}]`, () => run(fn, given), true);
}

export function setImmediate(fn, ...given) {
  return setTimeout(callable(fn, "setImmediate"), 0, ...given);
}

export function setInterval(fn, ms = 0, ...given) {
  callable(fn, "setInterval");
  const wait = `[${Math.max(1, delay(ms))}]`;
  const first = send("timer", wait, turn, true);
  intervals.set(first, first);
  return first;

  function turn() {
    if (!intervals.has(first)) return;
    // the next turn is asked for before this one runs, so that it can be cleared inside
    intervals.set(first, send("timer", wait, turn, true));
    run(fn, given);
  }
}

export function clearTimeout(id) {
  const number = typeof id === "number" ? id : +`${id ?? "-1"}`;
  const current = intervals.get(number);
  intervals.delete(number);
  cancel(current ?? number);
}

export function noIntervals() {
  intervals.clear();
}

export function queueMicrotask(fn) {
  callable(fn, "queueMicrotask");
  Promise.resolve().then(() => run(fn, []));
}

export function sleep(ms) {
  if (typeof ms !== "number" || !(ms >= 0)) throw invalid("fazt.sleep: expected a number of milliseconds.");
  return new Promise((resolve) => setTimeout(resolve, ms));
}
