import {
  Array,
  ArrayBuffer,
  BigInt,
  Boolean,
  DataView,
  Date,
  Error,
  EvalError,
  Map,
  Number,
  Object,
  RangeError,
  ReferenceError,
  Reflect,
  RegExp,
  Set,
  String,
  Symbol,
  SyntaxError,
  TypeError,
  URIError,
} from "./primordials.js";
import { bytesOf, copyOf, isBuffer, isDataView, isShared, isView, need, typedArrayName } from "./bytes.js";
import { blobWith, blobBytes, File, fileWith, isBlob } from "./blob.js";
import { DOMException } from "./dom_exception.js";

const { apply, getOwnPropertyDescriptor, ownKeys } = Reflect;
const { defineProperty } = Object;
const { toString } = Object.prototype;
const transferBuffer = ArrayBuffer.prototype.transfer;
const isDetached = getOwnPropertyDescriptor(ArrayBuffer.prototype, "detached").get;
const mapSize = getOwnPropertyDescriptor(Map.prototype, "size").get;
const setSize = getOwnPropertyDescriptor(Set.prototype, "size").get;
const views = { __proto__: null, DataView };
for (const name of [
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float16Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
]) {
  if (globalThis[name]) views[name] = globalThis[name];
}
const errors = { __proto__: null, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

/** The answer of a method that only works on the real thing; undefined for everything else. */
function brand(method, value, args = []) {
  try {
    return apply(method, value, args);
  } catch {
    return undefined;
  }
}

const refuse = (what) => {
  throw new DOMException(`${what} could not be cloned.`, "DataCloneError");
};

function describe(value) {
  if (typeof value === "symbol") return "A symbol";
  return typeof value === "function" ? "A function" : "The object";
}

function put(target, key, value) {
  defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

// What is inside a copy waits for its turn, so that the depth of a value does not matter.
class Cloner {
  constructor() {
    this.seen = new Map();
    this.waiting = [];
  }

  whole(value) {
    const copy = this.clone(value);
    for (let at = 0; at < this.waiting.length; at++) {
      const [source, target, fill] = this.waiting[at];
      fill(this, source, target);
      this.waiting[at] = null;
    }
    return copy;
  }

  later(value, copy, fill) {
    this.waiting.push([value, copy, fill]);
    return this.keep(value, copy);
  }

  clone(value) {
    if (typeof value === "symbol" || typeof value === "function") refuse(describe(value));
    if (typeof value !== "object" || value === null) return value;
    const before = this.seen.get(value);
    if (before !== undefined) return before;
    if (Array.isArray(value)) return this.members(value, new Array(value.length));
    const plain = Object.getPrototypeOf(value) === Object.prototype && apply(toString, value, []) === "[object Object]";
    return plain ? this.members(value, {}) : this.special(value);
  }

  keep(value, copy) {
    this.seen.set(value, copy);
    return copy;
  }

  members(value, copy) {
    return this.later(value, copy, fillMembers);
  }

  special(value) {
    if (value instanceof Map && brand(mapSize, value) !== undefined) return this.map(value);
    if (value instanceof Set && brand(setSize, value) !== undefined) return this.set(value);
    if (isView(value)) return this.view(value);
    if (isBuffer(value)) return this.buffer(value);
    if (Error.isError(value)) return value instanceof DOMException ? this.exception(value) : this.error(value);
    if (isBlob(value)) return this.blob(value);
    const time = value instanceof Date ? brand(Date.prototype.getTime, value) : undefined;
    if (time !== undefined) return this.keep(value, new Date(time));
    const source = this.pattern(value);
    if (source) return source;
    const boxed = this.boxed(value);
    if (boxed) return this.keep(value, boxed);
    if (isOther(value)) refuse("The object");
    return this.members(value, {});
  }

  map(value) {
    const entries = [];
    apply(Map.prototype.forEach, value, [(item, key) => entries.push([key, item])]);
    this.later(entries, new Map(), fillMap);
    return this.keep(value, this.seen.get(entries));
  }

  set(value) {
    const items = [];
    apply(Set.prototype.forEach, value, [(item) => items.push(item)]);
    this.later(items, new Set(), fillSet);
    return this.keep(value, this.seen.get(items));
  }

  buffer(value) {
    if (apply(isDetached, value, [])) refuse("A detached ArrayBuffer");
    if (!value.resizable) return this.keep(value, copyOf(bytesOf(value)).buffer);
    const copy = new ArrayBuffer(value.byteLength, { maxByteLength: value.maxByteLength });
    bytesOf(copy).set(bytesOf(value));
    return this.keep(value, copy);
  }

  view(value) {
    const name = isDataView(value) ? "DataView" : typedArrayName(value);
    const { buffer } = value;
    const from = isShared(buffer) ? refuse("A view of shared memory") : this.clone(buffer);
    const length = name === "DataView" ? value.byteLength : value.length;
    return this.keep(value, new views[name](from, value.byteOffset, length));
  }

  error(value) {
    const { name } = value;
    const Class = errors[`${name}`] ?? Error;
    const message = getOwnPropertyDescriptor(value, "message");
    const made = this.keep(value, new Class());
    for (const [key, content] of [
      ["stack", value.stack],
      ["message", message && "value" in message ? `${message.value}` : undefined],
    ]) {
      if (content !== undefined) defineProperty(made, key, { value: `${content}`, writable: true, configurable: true });
    }
    if (Object.hasOwn(value, "cause")) this.waiting.push([value.cause, made, fillCause]);
    return made;
  }

  exception(value) {
    return this.keep(value, new DOMException(value.message, value.name));
  }

  blob(value) {
    const copy =
      value instanceof File ? fileWith(value, value.name, value.lastModified) : blobWith(blobBytes(value), value.type);
    return this.keep(value, copy);
  }

  pattern(value) {
    if (!(value instanceof RegExp)) return null;
    return this.keep(value, new RegExp(value.source, value.flags));
  }

  boxed(value) {
    for (const Class of [Boolean, Number, String, BigInt]) {
      const inner = value instanceof Class ? brand(Class.prototype.valueOf, value) : undefined;
      if (inner !== undefined) return Object(inner);
    }
    if (value instanceof Symbol) refuse("A symbol");
    return null;
  }
}

function fillMembers(cloner, value, copy) {
  for (const key of Object.keys(value)) {
    // A getter met on the way may have taken a later one away.
    if (getOwnPropertyDescriptor(value, key)?.enumerable) put(copy, key, cloner.clone(value[key]));
  }
}

function fillCause(cloner, cause, error) {
  defineProperty(error, "cause", { value: cloner.clone(cause), writable: true, configurable: true });
}

function fillMap(cloner, entries, copy) {
  for (const [key, item] of entries) copy.set(cloner.clone(key), cloner.clone(item));
}

function fillSet(cloner, items, copy) {
  for (const item of items) copy.add(cloner.clone(item));
}

// What has slots of its own that no copy could have: told by the class it came from.
const OTHERS = [
  "WeakMap",
  "WeakSet",
  "WeakRef",
  "Promise",
  "SharedArrayBuffer",
  "FinalizationRegistry",
  "EventTarget",
  "Event",
  "Headers",
  "Request",
  "Response",
  "FormData",
  "URL",
  "URLSearchParams",
  "ReadableStream",
  "WritableStream",
  "TransformStream",
  "AbortController",
  "TextEncoder",
  "TextDecoder",
];
let classes = [];
const LIVE = ["[object Arguments]", "[object Generator]", "[object AsyncGenerator]"];
const isOther = (value) => LIVE.includes(apply(toString, value, [])) || classes.some((Class) => value instanceof Class);

/** Called once all classes are there. */
export function rememberOthers() {
  classes = OTHERS.map((name) => globalThis[name]).filter((item) => typeof item === "function");
}

function transferList(options) {
  if (options === undefined || options === null) return [];
  if (typeof options !== "object" && typeof options !== "function")
    throw new TypeError("structuredClone: options must be an object");
  if (options.transfer === undefined) return [];
  const list = [...options.transfer];
  for (const item of list) {
    if (!isBuffer(item)) throw new DOMException("Value could not be transferred", "DataCloneError");
    if (apply(isDetached, item, []))
      throw new DOMException("A detached ArrayBuffer could not be transferred", "DataCloneError");
  }
  if (new Set(list).size !== list.length)
    throw new DOMException("An ArrayBuffer is twice in the transfer list", "DataCloneError");
  return list;
}

export function structuredClone(value, options = undefined) {
  need(arguments.length, 1, "structuredClone");
  const list = transferList(options);
  const cloner = new Cloner();
  const copy = cloner.whole(value);
  // The copy has bytes of its own; all that is left of a transfer is that the giver loses his.
  for (const buffer of list) apply(transferBuffer, buffer, []);
  return copy;
}

// The bundler renames what has the name of a global.
defineProperty(structuredClone, "name", { value: "structuredClone", configurable: true });
