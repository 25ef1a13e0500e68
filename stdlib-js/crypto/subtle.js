// The operations of `crypto.subtle`.
import { algorithmOf, hashOf, rulesOf, wholeNumber } from "./algorithms.js";
import { exportKey, generateKey, importKey, secretBits } from "./keys.js";
import { named, usable } from "./key.js";
import { ask, bufferOf, bytesOf, fail, holds } from "./wire.js";

const { JSON, Symbol, TextDecoder, TextEncoder, TypeError, Uint8Array } = globalThis;
const EMPTY = new Uint8Array(0);
const CIPHERS = ["AES-GCM", "AES-CBC", "AES-CTR", "RSA-OAEP"];

export class SubtleCrypto {
  constructor(proof) {
    if (proof !== EMPTY) throw new TypeError("Illegal constructor");
  }

  async digest(algorithm, data) {
    return bufferOf(ask("crypto.digest", { hash: hashOf(algorithm) }, [bytesOf(data)]));
  }

  async importKey(format, keyData, algorithm, extractable, keyUsages) {
    return importKey(format, keyData, algorithmOf(algorithm), extractable, keyUsages);
  }

  async exportKey(format, key) {
    return exportKey(format, key);
  }

  async generateKey(algorithm, extractable, keyUsages) {
    return generateKey(algorithmOf(algorithm), extractable, keyUsages);
  }

  async sign(algorithm, key, data) {
    const asked = algorithmOf(algorithm);
    const kept = usable(key, asked, "sign");
    const pieces = [kept.material, bytesOf(data)];
    if (asked.name === "HMAC") return bufferOf(ask("crypto.hmac.sign", { hash: kept.algorithm.hash }, pieces));
    return bufferOf(ask("crypto.sign", signing(asked, kept), pieces));
  }

  async verify(algorithm, key, signature, data) {
    const asked = algorithmOf(algorithm);
    const kept = usable(key, asked, "verify");
    const pieces = [kept.material, bytesOf(signature, "signature"), bytesOf(data)];
    if (asked.name === "HMAC") return holds("crypto.hmac.verify", { hash: kept.algorithm.hash }, pieces);
    return holds("crypto.verify", signing(asked, kept), pieces);
  }

  async encrypt(algorithm, key, data) {
    return crypted(algorithm, key, data, "encrypt");
  }

  async decrypt(algorithm, key, data) {
    return crypted(algorithm, key, data, "decrypt");
  }

  async deriveBits(algorithm, baseKey, length = null) {
    const asked = algorithmOf(algorithm);
    return derived(asked, usable(baseKey, asked, "deriveBits"), length);
  }

  async deriveKey(algorithm, baseKey, derivedKeyType, extractable, keyUsages) {
    const asked = algorithmOf(algorithm);
    const kept = usable(baseKey, asked, "deriveKey");
    const wanted = algorithmOf(derivedKeyType);
    const { family } = rulesOf(wanted);
    const derives = family === "HKDF" || family === "PBKDF2";
    const length = derives ? null : secretBits(wanted, family === "HMAC" ? hashOf(wanted.hash) : undefined);
    return importKey("raw", derived(asked, kept, length), wanted, extractable, keyUsages);
  }

  async wrapKey(format, key, wrappingKey, wrapAlgorithm) {
    const exported = exportKey(format, key);
    const bytes = format === "jwk" ? new TextEncoder().encode(JSON.stringify(exported)) : exported;
    return crypted(wrapAlgorithm, wrappingKey, bytes, "encrypt", "wrapKey");
  }

  async unwrapKey(format, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, keyUsages) {
    const bytes = crypted(unwrapAlgorithm, unwrappingKey, wrappedKey, "decrypt", "unwrapKey");
    const given = format === "jwk" ? parsed(new TextDecoder().decode(bytes)) : bytes;
    return importKey(format, given, algorithmOf(unwrappedKeyAlgorithm), extractable, keyUsages);
  }

  get [Symbol.toStringTag]() {
    return "SubtleCrypto";
  }
}

export const subtle = new SubtleCrypto(EMPTY);

function signing(asked, kept) {
  const told = { name: asked.name };
  if (asked.name === "ECDSA") told.hash = hashOf(asked.hash);
  else if (kept.algorithm.hash) told.hash = kept.algorithm.hash;
  else if (asked.name !== "Ed25519") throw fail("NotSupportedError", `${asked.name} does not sign`);
  if (asked.name === "RSA-PSS") told.salt = wholeNumber(asked.saltLength, "saltLength", 0, 1024);
  return told;
}

function crypted(algorithm, key, data, what, usage = what) {
  const asked = algorithmOf(algorithm);
  if (!CIPHERS.includes(asked.name)) throw fail("NotSupportedError", `${asked.name} does not ${what}`);
  const kept = usable(key, asked, usage);
  const told = { name: asked.name, encrypt: what === "encrypt" };
  const bytes = bytesOf(data);
  if (asked.name === "RSA-OAEP") {
    const label = asked.label === undefined ? EMPTY : bytesOf(asked.label, "label");
    return bufferOf(ask("crypto.oaep", { ...told, hash: kept.algorithm.hash }, [kept.material, label, bytes]));
  }
  let [iv, extra] = [EMPTY, EMPTY];
  if (asked.name === "AES-CTR") {
    iv = bytesOf(asked.counter, "counter");
    told.counter = wholeNumber(asked.length, "length", 0, 255);
  } else {
    iv = bytesOf(asked.iv, "iv");
  }
  if (asked.name === "AES-GCM") {
    if (asked.additionalData !== undefined) extra = bytesOf(asked.additionalData, "additionalData");
    const bits = asked.tagLength === undefined ? 128 : wholeNumber(asked.tagLength, "tagLength", 0, 255);
    told.tag = bits % 8 ? 0 : bits / 8;
  }
  return bufferOf(ask("crypto.aes", told, [kept.material, iv, extra, bytes]));
}

function derived(asked, kept, bits) {
  if (asked.name === "ECDH" || asked.name === "X25519") return agreed(asked, kept, bits);
  const told = { hash: hashOf(asked.hash) };
  const salt = bytesOf(asked.salt, "salt");
  if (bits === null) throw fail("OperationError", "length must be a multiple of 8");
  told.size = bytesOfBits(bits);
  if (asked.name === "PBKDF2") {
    told.iterations = wholeNumber(asked.iterations, "iterations");
    return bufferOf(ask("crypto.pbkdf2", told, [kept.material, salt]));
  }
  if (asked.name !== "HKDF") throw fail("NotSupportedError", `${asked.name} does not derive`);
  return bufferOf(ask("crypto.hkdf", told, [kept.material, salt, bytesOf(asked.info, "info")]));
}

function agreed(asked, kept, bits) {
  const other = named(asked.public, asked);
  if (kept.type !== "private" || other.type !== "public") throw fail("InvalidAccessError", "a private and a public key are needed");
  const shared = ask("crypto.agree", { name: asked.name }, [kept.material, other.material]);
  const size = bits === null ? shared.length : bytesOfBits(bits);
  if (size > shared.length) throw fail("OperationError", "the keys share fewer bits");
  return bufferOf(shared.slice(0, size));
}

function bytesOfBits(bits) {
  const length = wholeNumber(bits, "length");
  if (length % 8) throw fail("OperationError", "length must be a multiple of 8");
  return length / 8;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw fail("DataError", "the key is not valid");
  }
}
