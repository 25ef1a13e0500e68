// `crypto` as browsers have it. Importing this file installs it.
import { CryptoKey } from "./key.js";
import { getRandomValues, randomUUID } from "./random.js";
import { SubtleCrypto, subtle } from "./subtle.js";

const { Object, Symbol, TypeError } = globalThis;
const token = Symbol("the one");

class Crypto {
  constructor(proof) {
    if (proof !== token) throw new TypeError("Illegal constructor");
  }

  get subtle() {
    return subtle;
  }

  getRandomValues(array) {
    return getRandomValues(array);
  }

  randomUUID() {
    return randomUUID();
  }

  get [Symbol.toStringTag]() {
    return "Crypto";
  }
}

const install = (name, value) =>
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });

install("crypto", new Crypto(token));
install("Crypto", Crypto);
install("SubtleCrypto", SubtleCrypto);
install("CryptoKey", CryptoKey);
