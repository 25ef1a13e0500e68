// Each case is a function of a `crypto`, or of ours and node's where one makes what the other reads.
const text = (value) => new TextEncoder().encode(value);
const hex = (value) => Buffer.from(value).toString("hex");
const RAW = Uint8Array.from({ length: 32 }, (_, n) => n * 7 + 1);
const HASHES = ["SHA-1", "sha-256", "SHA-384", { name: "SHA-512" }];
const same = {
  digests: async (c) => Promise.all(HASHES.map(async (hash) => hex(await c.subtle.digest(hash, text("abc"))))),
  "a view of a part": async (c) => hex(await c.subtle.digest("SHA-256", new DataView(RAW.buffer, 3, 5))),
  "digest of a string": (c) => c.subtle.digest("SHA-256", "abc"),
  "digest of md5": (c) => c.subtle.digest("MD5", text("abc")),
  hmac: async (c) => {
    const key = await c.subtle.importKey("raw", RAW, { name: "hmac", hash: "SHA-256" }, true, ["sign", "verify"]);
    const signature = await c.subtle.sign("HMAC", key, text("hello"));
    const bad = new Uint8Array(signature.slice(0)); bad[0] ^= 1;
    return [hex(signature), await c.subtle.verify("HMAC", key, signature, text("hello")),
      await c.subtle.verify("HMAC", key, bad, text("hello")), await c.subtle.verify("HMAC", key, bad.slice(3), text("hello")),
      Object.entries(key.algorithm).sort(), key.usages, key.type, key.extractable,
      Object.entries(await c.subtle.exportKey("jwk", key)).sort(),
      Object.prototype.toString.call(key), hex(await c.subtle.exportKey("raw", key))];
  },
  "hmac keys": async (c) => Promise.all(["SHA-1", "SHA-256", "SHA-512"].map(async (hash) => {
    const key = await c.subtle.generateKey({ name: "HMAC", hash }, true, ["sign"]);
    return [key.algorithm, (await c.subtle.exportKey("raw", key)).byteLength];
  })),
  "not for signing": async (c) =>
    c.subtle.sign("HMAC", await c.subtle.importKey("raw", RAW, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]), RAW),
  "no usages": (c) => c.subtle.importKey("raw", RAW, { name: "HMAC", hash: "SHA-256" }, false, []),
  "wrong usage": (c) => c.subtle.importKey("raw", RAW, { name: "HMAC", hash: "SHA-256" }, false, ["encrypt"]),
  "a key of another algorithm": async (c) => c.subtle.encrypt({ name: "AES-GCM", iv: RAW.slice(0, 12) },
    await c.subtle.importKey("raw", RAW, "AES-CBC", false, ["encrypt"]), RAW),
  "no such algorithm": (c) => c.subtle.importKey("raw", RAW, "ROT13", false, ["encrypt"]),
  "no key": (c) => c.subtle.sign("HMAC", {}, RAW),
  "an aes key of 5 bytes": (c) => c.subtle.importKey("raw", RAW.slice(0, 5), "AES-GCM", false, ["encrypt"]),
  gcm: async (c) => {
    const key = await c.subtle.importKey("raw", RAW, "AES-GCM", true, ["encrypt", "decrypt"]);
    const out = [await c.subtle.exportKey("jwk", key)];
    for (const tagLength of [undefined, 32, 96, 128]) {
      const told = { name: "AES-GCM", iv: RAW.slice(0, 12), additionalData: text("more"), tagLength };
      if (tagLength === undefined) delete told.tagLength;
      const sealed = await c.subtle.encrypt(told, key, text("some text"));
      out.push(hex(sealed), hex(await c.subtle.decrypt(told, key, sealed)));
    }
    return out;
  },
  "gcm with a wrong byte": async (c) => {
    const key = await c.subtle.importKey("raw", RAW, "AES-GCM", false, ["encrypt", "decrypt"]);
    const told = { name: "AES-GCM", iv: RAW.slice(0, 12) };
    const sealed = new Uint8Array(await c.subtle.encrypt(told, key, text("some text")));
    sealed[3] ^= 4;
    return c.subtle.decrypt(told, key, sealed);
  },
  "gcm that is too short": async (c) => c.subtle.decrypt({ name: "AES-GCM", iv: RAW.slice(0, 12) },
    await c.subtle.importKey("raw", RAW, "AES-GCM", false, ["decrypt"]), RAW.slice(0, 3)),
  "gcm with a tag of 33 bits": async (c) => c.subtle.encrypt({ name: "AES-GCM", iv: RAW.slice(0, 12), tagLength: 33 },
    await c.subtle.importKey("raw", RAW, "AES-GCM", false, ["encrypt"]), RAW),
  cbc: async (c) => Promise.all([0, 1, 15, 16, 17].map(async (size) => {
    const key = await c.subtle.importKey("raw", RAW.slice(0, 16), "AES-CBC", false, ["encrypt", "decrypt"]);
    const told = { name: "AES-CBC", iv: RAW.slice(0, 16) };
    const sealed = await c.subtle.encrypt(told, key, RAW.slice(0, size));
    return [hex(sealed), hex(await c.subtle.decrypt(told, key, sealed))];
  })),
  "cbc of half a block": async (c) => c.subtle.decrypt({ name: "AES-CBC", iv: RAW.slice(0, 16) },
    await c.subtle.importKey("raw", RAW, "AES-CBC", false, ["decrypt"]), RAW.slice(0, 8)),
  "ctr, also where the counter runs over": async (c) => Promise.all([128, 64, 8, 3].map(async (length) => {
    const key = await c.subtle.importKey("raw", RAW, "AES-CTR", false, ["encrypt"]);
    return hex(await c.subtle.encrypt({ name: "AES-CTR", counter: new Uint8Array(16).fill(255), length }, key, new Uint8Array(100)));
  })),
  "ctr with too short a counter": async (c) => c.subtle.encrypt({ name: "AES-CTR", counter: new Uint8Array(16), length: 1 },
    await c.subtle.importKey("raw", RAW, "AES-CTR", false, ["encrypt"]), new Uint8Array(100)),
  pbkdf2: async (c) => {
    const key = await c.subtle.importKey("raw", text("password"), "PBKDF2", false, ["deriveBits", "deriveKey"]);
    const told = { name: "PBKDF2", hash: "SHA-256", salt: RAW, iterations: 1000 };
    const made = await c.subtle.deriveKey(told, key, { name: "AES-GCM", length: 256 }, true, ["encrypt"]);
    const signing = await c.subtle.deriveKey(told, key, { name: "HMAC", hash: "SHA-1", length: 160 }, true, ["sign"]);
    return [hex(await c.subtle.deriveBits(told, key, 264)), hex(await c.subtle.exportKey("raw", made)), made.algorithm,
      hex(await c.subtle.exportKey("raw", signing)), signing.algorithm];
  },
  "pbkdf2 without iterations": async (c) => c.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: RAW, iterations: 0 },
    await c.subtle.importKey("raw", text("password"), "PBKDF2", false, ["deriveBits"]), 256),
  "pbkdf2 that could be exported": (c) => c.subtle.importKey("raw", text("password"), "PBKDF2", true, ["deriveBits"]),
  hkdf: async (c) => {
    const key = await c.subtle.importKey("raw", RAW, "HKDF", false, ["deriveBits"]);
    const salts = [new Uint8Array(0), RAW];
    return Promise.all(salts.map(async (salt) =>
      hex(await c.subtle.deriveBits({ name: "HKDF", hash: "SHA-384", salt, info: text("info") }, key, 1024))));
  },
  "hkdf of too much": async (c) => c.subtle.deriveBits({ name: "HKDF", hash: "SHA-1", salt: RAW, info: RAW },
    await c.subtle.importKey("raw", RAW, "HKDF", false, ["deriveBits"]), 8 * 20 * 256),
  "getRandomValues of too much": (c) => c.getRandomValues(new Uint8Array(65537)),
  "getRandomValues of fractions": (c) => c.getRandomValues(new Float64Array(2)),
  "getRandomValues of nothing": (c) => c.getRandomValues(new Uint8Array(0)).length,
  "jwk that is not for this": async (c) => c.subtle.importKey("jwk", { kty: "oct", k: "AAAA", alg: "HS512" },
    { name: "HMAC", hash: "SHA-256" }, false, ["sign"]),
  "jwk that must stay": async (c) => c.subtle.importKey("jwk", { kty: "oct", k: "AAAA", ext: false },
    { name: "HMAC", hash: "SHA-256" }, true, ["sign"]),
  "ec of garbage": (c) => c.subtle.importKey("spki", RAW, { name: "ECDSA", namedCurve: "P-256" }, true, ["verify"]),
  "ec that is no point": (c) => c.subtle.importKey("raw", new Uint8Array(65).fill(4), { name: "ECDSA", namedCurve: "P-256" }, true, ["verify"]),
  "ec of an unknown curve": (c) => c.subtle.generateKey({ name: "ECDSA", namedCurve: "P-1" }, true, ["sign"]),
  wrapping: async (c) => {
    const key = await c.subtle.importKey("raw", RAW, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
    const around = await c.subtle.importKey("raw", RAW, "AES-GCM", true, ["wrapKey", "unwrapKey"]);
    const told = { name: "AES-GCM", iv: RAW.slice(0, 12) };
    const wrapped = await c.subtle.wrapKey("raw", key, around, told);
    const back = await c.subtle.unwrapKey("raw", wrapped, around, told, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
    return [hex(wrapped), hex(await c.subtle.exportKey("raw", back))];
  },
};
const KINDS = [
  [{ name: "ECDSA", namedCurve: "P-256" }, { name: "ECDSA", hash: "SHA-256" }],
  [{ name: "ECDSA", namedCurve: "P-384" }, { name: "ECDSA", hash: "SHA-384" }],
  [{ name: "ECDSA", namedCurve: "P-521" }, { name: "ECDSA", hash: "SHA-512" }],
  [{ name: "Ed25519" }, { name: "Ed25519" }],
  [{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, { name: "RSASSA-PKCS1-v1_5" }],
  [{ name: "RSA-PSS", hash: "SHA-512" }, { name: "RSA-PSS", saltLength: 32 }],
];
const size = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };
const shapes = (key) => [Object.entries(key.algorithm).sort(), key.type, key.usages, key.extractable];
/** One makes a pair, the other reads it in each format; both must say the same of it, and each verifies the other's. */
async function exchange(maker, reader, [kind, way]) {
  const told = kind.name.startsWith("RSA") ? { ...kind, ...size } : kind;
  const { publicKey, privateKey } = await maker.subtle.generateKey(told, true, ["sign", "verify"]);
  const seen = [];
  for (const format of ["spki", "jwk", ...(kind.name.startsWith("RSA") ? [] : ["raw"])]) {
    const sent = await maker.subtle.exportKey(format, publicKey);
    const key = await reader.subtle.importKey(format, sent, kind, true, ["verify"]);
    const back = await reader.subtle.exportKey(format, key);
    const signature = new Uint8Array(await maker.subtle.sign(way, privateKey, RAW));
    const good = await reader.subtle.verify(way, key, signature, RAW);
    signature[9] ^= 1;
    seen.push([good, await reader.subtle.verify(way, key, signature, RAW), await reader.subtle.verify(way, key, RAW, RAW),
      JSON.stringify(shapes(key)) === JSON.stringify(shapes(publicKey)), alike(back, sent)]);
  }
  for (const format of ["pkcs8", "jwk"]) {
    const sent = await maker.subtle.exportKey(format, privateKey);
    const key = await reader.subtle.importKey(format, sent, kind, true, ["sign"]);
    const signature = await reader.subtle.sign(way, key, RAW);
    seen.push([await maker.subtle.verify(way, publicKey, signature, RAW), alike(await reader.subtle.exportKey(format, key), sent),
      JSON.stringify(shapes(key)) === JSON.stringify(shapes(privateKey))]);
  }
  return seen;
}
const alike = (one, other) => one instanceof ArrayBuffer ? hex(one) === hex(other) : JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
const sorted = (jwk) => Object.fromEntries(Object.entries(jwk).filter(([name]) => name !== "alg").sort());
async function told(work) {
  try { return await work(); } catch (error) { return `${error.constructor.name}: ${error.name}`; }
}
const out = { same: {}, exchange: {}, other: {} };
for (const [name, work] of Object.entries(same)) out.same[name] = [await told(() => work(crypto)), await told(() => work(theirs.crypto))];
for (const kind of KINDS) {
  out.exchange[`${kind[0].name} ${kind[0].namedCurve ?? ""} ours`] = await told(() => exchange(crypto, theirs.crypto, kind));
  out.exchange[`${kind[0].name} ${kind[0].namedCurve ?? ""} theirs`] = await told(() => exchange(theirs.crypto, crypto, kind));
}
for (const kind of [{ name: "ECDH", namedCurve: "P-256" }, { name: "X25519" }]) {
  const ours = await crypto.subtle.generateKey(kind, true, ["deriveBits"]);
  const other = await theirs.crypto.subtle.generateKey(kind, true, ["deriveBits"]);
  const toUs = await crypto.subtle.importKey("raw", await theirs.crypto.subtle.exportKey("raw", other.publicKey), kind, true, []);
  const toThem = await theirs.crypto.subtle.importKey("raw", await crypto.subtle.exportKey("raw", ours.publicKey), kind, true, []);
  out.same[kind.name] = [hex(await crypto.subtle.deriveBits({ name: kind.name, public: toUs }, ours.privateKey, 256)),
    hex(await theirs.crypto.subtle.deriveBits({ name: kind.name, public: toThem }, other.privateKey, 256))];
}
{
  const kind = { name: "RSA-OAEP", hash: "SHA-256" };
  const pair = await crypto.subtle.generateKey({ ...kind, ...size }, true, ["encrypt", "decrypt"]);
  const toThem = await theirs.crypto.subtle.importKey("jwk", await crypto.subtle.exportKey("jwk", pair.publicKey), kind, true, ["encrypt"]);
  const sealed = await theirs.crypto.subtle.encrypt({ name: "RSA-OAEP", label: RAW }, toThem, text("secret"));
  out.same.oaep = [hex(await crypto.subtle.decrypt({ name: "RSA-OAEP", label: RAW }, pair.privateKey, sealed)), hex(text("secret"))];
}
out.other.uuid = crypto.randomUUID();
out.other.random = new Set(Array.from({ length: 50 }, () => crypto.getRandomValues(new Uint32Array(2)).join())).size;
out.other.illegal = await told(() => new CryptoKey());
{
  const key = await crypto.subtle.importKey("raw", RAW, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  out.other.exported = await told(() => crypto.subtle.exportKey("raw", key));
  const many = await crypto.subtle.importKey("raw", RAW, { name: "HMAC", hash: "SHA-256" }, false, ["verify", "sign", "sign"]);
  out.other.usages = many.usages;
  out.other.kept = [await told(() => { key.usages.push("verify"); }), await told(() => { "use strict"; key.algorithm.name = "AES-GCM"; }),
    JSON.stringify(key), Object.getOwnPropertyNames(key), await told(() => crypto.subtle.verify("HMAC", key, RAW, RAW))];
}
return out;
