// JSON Web Keys: what of them is the same for all algorithms.
import { rulesOf } from "./algorithms.js";
import { fail, textOf } from "./wire.js";

const { Array, ArrayBuffer, TypeError, Uint8Array, atob, btoa } = globalThis;
const BITS = { "SHA-1": "1", "SHA-256": "256", "SHA-384": "384", "SHA-512": "512" };

export function checkedJwk(jwk, algorithm, extractable, usages) {
  if (jwk === null || typeof jwk !== "object" || ArrayBuffer.isView(jwk) || jwk instanceof ArrayBuffer) {
    throw new TypeError("a key of the format jwk is an object");
  }
  if (jwk.ext === false && extractable) throw fail("DataError", "the key must not be extractable");
  if (Array.isArray(jwk.key_ops) && usages.some((usage) => !jwk.key_ops.includes(usage))) {
    throw fail("DataError", "the key is not for these usages");
  }
  const expected = nameOf(algorithm);
  if (expected && jwk.alg !== undefined && jwk.alg !== expected && rulesOf(algorithm).family !== "EC") {
    throw fail("DataError", `the key is for ${`${jwk.alg}`.slice(0, 40)}, not for ${expected}`);
  }
  return jwk;
}

export function finishedJwk(jwk, kept) {
  const alg = nameOf(kept.algorithm);
  return { ...jwk, ...(alg && { alg }), key_ops: [...kept.usages], ext: kept.extractable };
}

export function secretOf(jwk) {
  if (jwk.kty !== "oct" || typeof jwk.k !== "string" || !/^[A-Za-z0-9_-]*$/.test(jwk.k)) {
    throw fail("DataError", "the key is not valid");
  }
  const text = atob(jwk.k.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function jwkOfSecret(bytes) {
  const k = btoa(textOf(bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return { kty: "oct", k };
}

function nameOf({ name, hash, length }) {
  switch (name) {
    case "HMAC":
      return `HS${BITS[hash]}`;
    case "RSASSA-PKCS1-v1_5":
      return `RS${BITS[hash]}`;
    case "RSA-PSS":
      return `PS${BITS[hash]}`;
    case "RSA-OAEP":
      return hash === "SHA-1" ? "RSA-OAEP" : `RSA-OAEP-${BITS[hash]}`;
    case "Ed25519":
      return undefined;
    default:
      return name.startsWith("AES-") && length ? `A${length}${name.slice(4)}` : undefined;
  }
}
