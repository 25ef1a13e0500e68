// Everything that is there before the app is closed: no code can change what later code relies on.
// The object `globalThis` stays open, and so do its names: libraries bring their own `fetch` or `process`.

import { ArrayBuffer, Iterator, Map, Object, Reflect, Set, String, Symbol, TypeError } from "./primordials.js";

const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf } = Object;

const ERRORS = Reflect.ownKeys(globalThis).filter((name) => /Error$|^DOMException$/.test(String(name)));

// A frozen prototype also forbids to *assign* a property of that name on an object below it. Code does that with
// these: they become accessors that define the property where it was meant. All others stay plain, and quick.
const ASSIGNED = new Map([
  [Object.prototype, Reflect.ownKeys(Object.prototype).filter((key) => key !== "__proto__")],
  ...listed(["Function"], ["toString", "bind", "constructor"]),
  ...listed(["Array"], ["toString", "push", "concat", "constructor"]),
  ...listed(["Date"], ["toString", "toJSON", "constructor"]),
  ...listed(["Map", "Set"], ["set", "add", "delete", "clear"]),
  ...listed(ERRORS, ["name", "message", "toString", "constructor", "code"]),
  ...listed(["EventTarget", "Event", "Headers", "Request", "Response", "URL"], ["constructor", "toString"]),
]);

function listed(names, keys) {
  return names.map((name) => [globalThis[name].prototype, keys]);
}

/** Prototypes no name of `globalThis` leads to. */
function hidden() {
  const functions = [function* () {}, async function () {}, async function* () {}];
  const iterators = [[], "", new Map(), new Set()].map((value) => value[Symbol.iterator]());
  const helpers = [[].values().map(() => 0), Iterator.from({ next() {} })];
  return [...functions, ...iterators, ...helpers, "".matchAll(/a/g)].map((value) => getPrototypeOf(value));
}

/** The hooks into stacks are given every function on the way, the driver's too: no code may set them, or is told so. */
function unhook() {
  const inert = { get: () => undefined, set() {}, enumerable: false, configurable: false };
  for (const key of ["prepareStackTrace", "stackTraceLimit"]) {
    for (const name of ERRORS) {
      // the others inherit it
      if (name === "Error" || Object.hasOwn(globalThis[name], key)) defineProperty(globalThis[name], key, inert);
    }
  }
}

export function freezeAll() {
  unhook();
  const seen = new Set([globalThis]);
  const queue = hidden();
  for (const key of Reflect.ownKeys(globalThis)) {
    const property = getOwnPropertyDescriptor(globalThis, key);
    queue.push(property.value, property.get, property.set);
  }
  const found = [];
  while (queue.length > 0) {
    const value = queue.pop();
    if (value === null || (typeof value !== "object" && typeof value !== "function") || seen.has(value)) continue;
    seen.add(value);
    found.push(value);
    queue.push(getPrototypeOf(value));
    for (const key of Reflect.ownKeys(value)) {
      const property = getOwnPropertyDescriptor(value, key);
      queue.push(property.value, property.get, property.set);
    }
  }
  // first all names, then all objects: a getter made here is frozen as well
  for (const value of found) for (const key of ASSIGNED.get(value) ?? []) assignable(value, key);
  for (const value of found) close(value);
}

function close(value) {
  // elements of typed arrays cannot be frozen
  if (ArrayBuffer.isView(value)) Object.preventExtensions(value);
  else freeze(value);
}

function assignable(owner, key) {
  const property = getOwnPropertyDescriptor(owner, key);
  if (property === undefined || !("value" in property) || !property.configurable) return;
  const { value, enumerable } = property;
  const get = () => value;
  const set = function (next) {
    if (this === owner) throw new TypeError(`Cannot assign to read only property '${String(key)}'`);
    const own = getOwnPropertyDescriptor(this, key);
    if (own === undefined) {
      defineProperty(this, key, { value: next, writable: true, enumerable: true, configurable: true });
    } else {
      this[key] = next;
    }
  };
  freeze(get);
  freeze(set);
  defineProperty(owner, key, { get, set, enumerable, configurable: true });
}
