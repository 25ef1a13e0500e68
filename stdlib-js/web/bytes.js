import {
  ArrayBuffer,
  Boolean,
  DataView,
  Object,
  Reflect,
  SharedArrayBuffer,
  String,
  Symbol,
  TypeError,
  Uint8Array,
  WeakMap,
  atob,
  btoa,
} from "./primordials.js";

const { apply, getOwnPropertyDescriptor } = Reflect;
const fromCharCode = String.fromCharCode;
const fromBase64 = Uint8Array.fromBase64.bind(Uint8Array);
const { toBase64 } = Uint8Array.prototype;
const SHORT = 64;
const STEP = 49152;
const bufferSize = getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength").get;
const sharedSize = SharedArrayBuffer && getOwnPropertyDescriptor(SharedArrayBuffer.prototype, "byteLength").get;
const typedTag = getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const viewBuffer = getOwnPropertyDescriptor(DataView.prototype, "buffer").get;

function answers(getter, value) {
  try {
    apply(getter, value, []);
    return true;
  } catch {
    return false;
  }
}

export const isBuffer = (value) => value instanceof ArrayBuffer && answers(bufferSize, value);
export const isShared = (value) =>
  Boolean(sharedSize) && value instanceof SharedArrayBuffer && answers(sharedSize, value);
export const typedArrayName = (value) => apply(typedTag, value, []);
export const isDataView = (value) => value instanceof DataView && answers(viewBuffer, value);
export const isView = (value) => ArrayBuffer.isView(value);

/** The bytes of a BufferSource without copying; undefined for anything else. */
export function bytesOf(value) {
  if (isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (isBuffer(value) || isShared(value)) return new Uint8Array(value);
  return undefined;
}

export function copyOf(bytes) {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}

export function concat(chunks) {
  if (chunks.length === 1) return chunks[0];
  let size = 0;
  for (const chunk of chunks) size += chunk.length;
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** Each byte as the character of the same number. Base64 is the one way there that the engine walks natively. */
export function latin1(bytes, start = 0, end = bytes.length) {
  if (end - start <= SHORT) return apply(fromCharCode, null, bytes.subarray(start, end));
  const pieces = [];
  for (let at = start; at < end; at += STEP) {
    pieces.push(atob(apply(toBase64, bytes.subarray(at, at + STEP < end ? at + STEP : end), [])));
  }
  return pieces.join("");
}

/** The reverse; the caller knows that no character is beyond 255. */
export const fromLatin1 = (text) => fromBase64(btoa(text));

export function need(count, wanted, what) {
  if (count < wanted)
    throw new TypeError(`${what}: ${wanted} argument${wanted === 1 ? "" : "s"} required, but only ${count} present.`);
}

/** Iteration protocol members a class gets besides its own entries(). */
export function iterable(Class, entries, name) {
  const IteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
  const states = new WeakMap();
  const prototype = Object.create(IteratorPrototype, {
    next: {
      value: function next() {
        const state = states.get(this);
        if (!state) throw new TypeError(`next: not a ${name} Iterator`);
        const list = entries(state.target);
        if (state.at >= list.length) return { value: undefined, done: true };
        const [key, value] = list[state.at++];
        return { value: state.kind === "keys" ? key : state.kind === "values" ? value : [key, value], done: false };
      },
      writable: true,
      enumerable: true,
      configurable: true,
    },
    [Symbol.toStringTag]: { value: `${name} Iterator`, configurable: true },
  });
  const make = (target, kind) => {
    entries(target);
    const iterator = Object.create(prototype);
    states.set(iterator, { target, kind, at: 0 });
    return iterator;
  };
  const methods = {
    entries() {
      return make(this, "entries");
    },
    keys() {
      return make(this, "keys");
    },
    values() {
      return make(this, "values");
    },
    forEach(callback, thisArg = undefined) {
      need(arguments.length, 1, `${name}.forEach`);
      if (typeof callback !== "function") throw new TypeError(`${name}.forEach: the callback is not a function`);
      for (let at = 0; at < entries(this).length; at++) {
        const [key, value] = entries(this)[at];
        apply(callback, thisArg, [value, key, this]);
      }
    },
  };
  for (const key of ["entries", "keys", "values", "forEach"]) {
    Object.defineProperty(Class.prototype, key, {
      value: methods[key],
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  Object.defineProperty(Class.prototype, Symbol.iterator, {
    value: methods.entries,
    writable: true,
    configurable: true,
  });
}

/** What WebIDL gives every interface: members that enumerate and a name for Object.prototype.toString. */
export function finish(Class, name) {
  for (const target of [Class.prototype, Class]) {
    for (const key of Object.getOwnPropertyNames(target)) {
      if (key === "constructor" || key === "prototype" || key === "length" || key === "name") {
        if (!(key === "name" && target === Class.prototype)) continue;
      }
      Object.defineProperty(target, key, { enumerable: true });
    }
  }
  Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: name, configurable: true });
  // The bundler renames a class that mentions itself.
  Object.defineProperty(Class, "name", { value: name, configurable: true });
}
