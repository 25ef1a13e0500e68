// Keys come in, go out and are made.
import { random } from "./random.js";
import { curveOf, hashOf, needUsages, rulesOf, takesHash, usagesOf, wholeNumber } from "./algorithms.js";
import { checkedJwk, finishedJwk, jwkOfSecret, secretOf } from "./jwk.js";
import { exposed, makeKey } from "./key.js";
import { ask, bufferOf, bytesOf, fail, lineAndRest, textOf } from "./wire.js";

const { JSON, TextEncoder, TypeError, Uint8Array } = globalThis;
const HMAC_BITS = { "SHA-1": 512, "SHA-256": 512, "SHA-384": 1024, "SHA-512": 1024 };
const AES_BITS = [128, 192, 256];
const FORMATS = ["raw", "jwk", "pkcs8", "spki"];
const encoder = new TextEncoder();

export function importKey(format, given, algorithm, extractable, usages) {
  if (!FORMATS.includes(format)) throw new TypeError(`${`${format}`.slice(0, 40)} is not a format of keys`);
  const rules = rulesOf(algorithm);
  const asked = usagesOf(usages, rules.usages);
  const come = rules.kind === "secret" ? importSecret : importPair;
  return come(format, given, algorithm, Boolean(extractable), asked);
}

function importSecret(format, given, algorithm, extractable, usages) {
  const { family } = rulesOf(algorithm);
  const derives = family === "PBKDF2" || family === "HKDF";
  if (format !== "raw" && (format !== "jwk" || derives)) {
    throw fail("NotSupportedError", `${algorithm.name} has no keys of the format ${format}`);
  }
  if (derives && extractable) throw fail("SyntaxError", "such a key cannot be extractable");
  needUsages(usages);
  const hash = family === "HMAC" ? hashOf(algorithm.hash) : undefined;
  const bytes = format === "raw" ? bytesOf(given, "keyData").slice() : secretOf(given);
  const length = bytes.length * 8;
  if (family === "AES" && !AES_BITS.includes(length)) throw fail("DataError", "an AES key has 128, 192 or 256 bits");
  if (family === "HMAC" && length === 0) throw fail("DataError", "the key is empty");
  if (family === "HMAC" && algorithm.length !== undefined && algorithm.length !== length) {
    throw fail("DataError", "the key has another length");
  }
  const facts = { name: algorithm.name, ...(hash && { hash }), ...(!derives && { length }) };
  if (format === "jwk") checkedJwk(given, facts, extractable, usages);
  return makeKey("secret", extractable, facts, usages, bytes);
}

function importPair(format, given, algorithm, extractable, usages) {
  const rules = rulesOf(algorithm);
  const hash = takesHash(algorithm) ? hashOf(algorithm.hash) : undefined;
  const facts = { name: algorithm.name, ...(hash && { hash }) };
  if (rules.family === "EC") facts.namedCurve = curveOf(algorithm);
  const told = { name: rules.family, format, curve: facts.namedCurve ?? "" };
  const bytes = format === "jwk"
    ? encoder.encode(JSON.stringify(checkedJwk(given, facts, extractable, usages)))
    : bytesOf(given, "keyData");
  const [line, der] = lineAndRest(ask("crypto.import", told, [bytes]));
  const { type, bits, exponent } = JSON.parse(line);
  const asked = usagesOf(usages, rules[type]);
  if (type === "private") needUsages(asked);
  if (bits) Object.assign(facts, rsaFacts(bits, exponent));
  return makeKey(type, extractable, facts, asked, der);
}

function rsaFacts(modulusLength, exponent) {
  const digits = [];
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  return { modulusLength, publicExponent: Uint8Array.from(digits) };
}

export function exportKey(format, key) {
  const kept = exposed(key);
  if (!FORMATS.includes(format)) throw new TypeError(`${`${format}`.slice(0, 40)} is not a format of keys`);
  if (kept.type === "secret") {
    if (format === "raw") return bufferOf(kept.material.slice());
    if (format === "jwk") return finishedJwk(jwkOfSecret(kept.material), kept);
    throw fail("NotSupportedError", `a secret key has no format ${format}`);
  }
  const suits = format === "jwk" || (format === "pkcs8") === (kept.type === "private");
  if (!suits) throw fail("InvalidAccessError", `a ${kept.type} key has no format ${format}`);
  if (format === "pkcs8" || format === "spki") return bufferOf(kept.material.slice());
  const told = { name: rulesOf(kept.algorithm).family, format, private: kept.type === "private" };
  const bytes = ask("crypto.export", told, [kept.material]);
  return format === "jwk" ? finishedJwk(JSON.parse(textOf(bytes)), kept) : bufferOf(bytes);
}

export function generateKey(algorithm, extractable, usages) {
  const rules = rulesOf(algorithm);
  const asked = usagesOf(usages, rules.usages);
  if (rules.kind === "pair") return generatePair(algorithm, rules, Boolean(extractable), asked);
  const hash = rules.family === "HMAC" ? hashOf(algorithm.hash) : undefined;
  const length = secretBits(algorithm, hash);
  needUsages(asked);
  return makeKey("secret", Boolean(extractable), { name: algorithm.name, ...(hash && { hash }), length }, asked, random(length / 8));
}

/** How many bits a secret key of this algorithm has. */
export function secretBits(algorithm, hash) {
  const { family } = rulesOf(algorithm);
  if (family === "AES") {
    if (AES_BITS.includes(algorithm.length)) return algorithm.length;
    throw fail("OperationError", "an AES key has 128, 192 or 256 bits");
  }
  if (family !== "HMAC") throw fail("NotSupportedError", `keys for ${algorithm.name} are not made`);
  if (algorithm.length === undefined) return HMAC_BITS[hash];
  const length = wholeNumber(algorithm.length, "length", 0, 65536);
  if (length === 0 || length % 8) throw fail("OperationError", "length must be a multiple of 8");
  return length;
}

function generatePair(algorithm, rules, extractable, usages) {
  const hash = takesHash(algorithm) ? hashOf(algorithm.hash) : undefined;
  const facts = { name: algorithm.name, ...(hash && { hash }) };
  const told = { name: rules.family };
  if (rules.family === "EC") told.curve = facts.namedCurve = curveOf(algorithm);
  if (rules.family === "RSA") {
    told.size = wholeNumber(algorithm.modulusLength, "modulusLength");
    told.exponent = bytesOf(algorithm.publicExponent, "publicExponent").reduce((sum, byte) => sum * 256 + byte, 0);
    if (!Number.isSafeInteger(told.exponent)) throw fail("OperationError", "publicExponent must be 65537");
    Object.assign(facts, rsaFacts(told.size, told.exponent));
  }
  const ofPrivate = usages.filter((usage) => rules.private.includes(usage));
  needUsages(ofPrivate);
  const [line, both] = lineAndRest(ask("crypto.generate", told));
  const ofPublic = usages.filter((usage) => rules.public.includes(usage));
  return {
    publicKey: makeKey("public", true, facts, ofPublic, both.slice(Number(line))),
    privateKey: makeKey("private", extractable, facts, ofPrivate, both.slice(0, Number(line))),
  };
}
