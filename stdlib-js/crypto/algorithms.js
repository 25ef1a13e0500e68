// The algorithms of `crypto.subtle`, and what an app says when it names one.
import { fail } from "./wire.js";

const { Map, Object, TypeError } = globalThis;

const HASHES = ["SHA-1", "SHA-256", "SHA-384", "SHA-512"];
const CURVES = ["P-256", "P-384", "P-521"];
const CIPHER = ["encrypt", "decrypt", "wrapKey", "unwrapKey"];
const DERIVE = ["deriveKey", "deriveBits"];

const secret = (family, usages) => ({ family, kind: "secret", usages });
const pair = (family, usagesOfPrivate, usagesOfPublic) => ({
  family, kind: "pair", private: usagesOfPrivate, public: usagesOfPublic, usages: [...usagesOfPrivate, ...usagesOfPublic],
});

const KNOWN = {
  HMAC: secret("HMAC", ["sign", "verify"]),
  "AES-GCM": secret("AES", CIPHER),
  "AES-CBC": secret("AES", CIPHER),
  "AES-CTR": secret("AES", CIPHER),
  PBKDF2: secret("PBKDF2", DERIVE),
  HKDF: secret("HKDF", DERIVE),
  ECDSA: pair("EC", ["sign"], ["verify"]),
  ECDH: pair("EC", DERIVE, []),
  Ed25519: pair("Ed25519", ["sign"], ["verify"]),
  X25519: pair("X25519", DERIVE, []),
  "RSASSA-PKCS1-v1_5": pair("RSA", ["sign"], ["verify"]),
  "RSA-PSS": pair("RSA", ["sign"], ["verify"]),
  "RSA-OAEP": pair("RSA", ["decrypt", "unwrapKey"], ["encrypt", "wrapKey"]),
};

const byUpperCase = (names) => new Map(names.map((name) => [name.toUpperCase(), name]));
const NAMES = byUpperCase(Object.keys(KNOWN));
const HASH_NAMES = byUpperCase(HASHES);

export const rulesOf = (algorithm) => KNOWN[algorithm.name];
export const takesHash = (algorithm) => algorithm.name === "HMAC" || rulesOf(algorithm).family === "RSA";

/** An algorithm as an own object, with the name as the standard writes it. */
export function algorithmOf(given, names = NAMES) {
  const said = typeof given === "string" ? { name: given } : given;
  if (said === null || typeof said !== "object") throw new TypeError("an algorithm is a name or an object with a name");
  if (said.name === undefined) throw new TypeError("the algorithm has no name");
  const name = names.get(`${said.name}`.toUpperCase());
  if (!name) throw fail("NotSupportedError", `the algorithm ${`${said.name}`.slice(0, 40)} is not supported here`);
  return { ...said, name };
}

export function hashOf(given) {
  if (given === undefined) throw new TypeError("the algorithm has no hash");
  return algorithmOf(given, HASH_NAMES).name;
}

export function curveOf(algorithm) {
  const curve = `${algorithm.namedCurve}`;
  if (CURVES.includes(curve)) return curve;
  throw fail("NotSupportedError", `the curve ${curve.slice(0, 40)} is not supported here`);
}

export function usagesOf(given, allowed) {
  if (given === null || typeof given !== "object") throw new TypeError("the usages are an array");
  const usages = [...given].map((usage) => `${usage}`);
  for (const usage of usages) {
    if (!allowed.includes(usage)) throw fail("SyntaxError", `such a key is not for ${usage.slice(0, 40)}`);
  }
  // in the order of the standard, each once
  return ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"].filter((usage) =>
    usages.includes(usage),
  );
}

export function needUsages(usages) {
  if (usages.length === 0) throw fail("SyntaxError", "a secret or private key needs usages");
}

export function wholeNumber(value, name, least = 0, most = 0xffffffff) {
  const number = Math.trunc(Number(value));
  if (number >= least && number <= most) return number;
  throw new TypeError(`${name} must be a number from ${least} to ${most}`);
}
