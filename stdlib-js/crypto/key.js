// CryptoKey: what an app may know of a key, and the key itself, which it sees only by exporting it.
import { fail } from "./wire.js";

const { Object, Symbol, TypeError } = globalThis;
const token = Symbol("made by crypto.subtle");
let read;

export class CryptoKey {
  #type;
  #extractable;
  #usages;
  #shown;
  #kept;

  constructor(proof, type, extractable, algorithm, usages, material) {
    if (proof !== token) throw new TypeError("Illegal constructor");
    this.#type = type;
    this.#extractable = extractable;
    this.#usages = Object.freeze([...usages]);
    this.#shown = Object.freeze({ ...algorithm, ...(algorithm.hash && { hash: Object.freeze({ name: algorithm.hash }) }) });
    this.#kept = { type, extractable, algorithm, usages: this.#usages, material };
  }

  get type() {
    return this.#type;
  }

  get extractable() {
    return this.#extractable;
  }

  get algorithm() {
    return this.#shown;
  }

  get usages() {
    return this.#usages;
  }

  get [Symbol.toStringTag]() {
    return "CryptoKey";
  }

  static {
    read = (key) => {
      if (key === null || typeof key !== "object" || !(#kept in key)) throw new TypeError("a CryptoKey is needed");
      return key.#kept;
    };
  }
}

export const makeKey = (...facts) => new CryptoKey(token, ...facts);

/** The inside of a key that shall be exported. */
export function exposed(key) {
  const kept = read(key);
  if (!kept.extractable) throw fail("InvalidAccessError", "the key is not extractable");
  return kept;
}

/** The inside of a key, if it is for this algorithm and this use. */
export function usable(key, algorithm, usage) {
  const kept = named(key, algorithm);
  if (usage && !kept.usages.includes(usage)) throw fail("InvalidAccessError", `the key is not for ${usage}`);
  return kept;
}

export function named(key, algorithm) {
  const kept = read(key);
  if (kept.algorithm.name === algorithm.name) return kept;
  throw fail("InvalidAccessError", `the key is for ${kept.algorithm.name}, not for ${algorithm.name}`);
}
