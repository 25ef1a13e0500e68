// Small helpers for objects whose keys come from outside.

import { Array, Object, TypeError } from "./primordials.js";

const { hasOwn, defineProperty } = Object;

/** Set a key that may be called anything, `__proto__` included; the first value wins. */
export function put(target, key, value) {
  if (hasOwn(target, key)) return;
  if (key in target) defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  else target[key] = value;
}

export function isPlain(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Let no instance lead to its class: what makes one, or looks into one, is for the driver alone. */
export function closed(Class, name) {
  const { [name]: instead } = {
    [name]() {
      throw new TypeError("Illegal constructor");
    },
  };
  Object.freeze(instead);
  defineProperty(Class.prototype, "constructor", { value: instead, writable: false, configurable: false });
}

/** A getter of a class whose answer is kept as an own property, and that can be written over. */
export function lazily(prototype, getters) {
  for (const [key, make] of Object.entries(getters)) {
    defineProperty(prototype, key, {
      configurable: true,
      enumerable: true,
      get() {
        const value = make.call(this, this);
        keep(this, key, value);
        return value;
      },
      set(value) {
        keep(this, key, value);
      },
    });
  }
}

function keep(target, key, value) {
  defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}
