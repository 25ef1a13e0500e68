// What reaches for something outside: other apps, files, the node itself; and calls with too much in them.

//// escape-function: 200
// says: object undefined undefined undefined
const all = new Function("return this")();
return new Response([typeof all, typeof all.process, typeof all.__host, typeof all.__in].map(String).join(" "));

//// escape-constructor: 200
// says: undefined undefined
const all = (() => {}).constructor.constructor("return globalThis")();
return new Response(`${typeof all.process} ${typeof all.std}`);

//// escape-driver: 200
// says: 
const names = ["__host", "__in", "__take", "__libs", "__load", "std", "os", "bjson", "scriptArgs", "process", "Deno", "Bun"];
return new Response(names.filter((name) => name in globalThis).join(" "));

//// escape-process: HANDLER_ERROR
process.exit(1);

//// escape-deno: HANDLER_ERROR
Deno.exit(1);

//// escape-atomics: HANDLER_ERROR TIMEOUT CPU_LIMIT
// because: an engine with Atomics may wait, but not for ever
Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0);

//// escape-import-file: HANDLER_ERROR NOT_SUPPORTED MODULE_NOT_FOUND MODULE_FORBIDDEN
// because: which of its errors it is, is not what counts
await import("file:///etc/passwd");

//// escape-import-node: HANDLER_ERROR NOT_SUPPORTED MODULE_NOT_FOUND MODULE_FORBIDDEN
// because: as the last one
await import("node:" + "fs");

//// escape-import-data: HANDLER_ERROR NOT_SUPPORTED MODULE_NOT_FOUND MODULE_FORBIDDEN
// because: as the last one
await import("data:text/javascript,export default 1");

//// escape-import-http: HANDLER_ERROR NOT_SUPPORTED MODULE_NOT_FOUND MODULE_FORBIDDEN
// because: as the last one
await import("http://127.0.0.1/x.js");

//// require-above: MODULE_FORBIDDEN
require("../../app.json");

//// require-other-app: MODULE_FORBIDDEN
require("../../neighbour/api/main.js");

//// require-absolute: MODULE_FORBIDDEN
require("/etc/passwd");

//// require-climbs: MODULE_FORBIDDEN MODULE_NOT_FOUND
// because: it may be taken for a path that is not there
require("./x/../../../../../../etc/passwd");

//// require-encoded: MODULE_FORBIDDEN MODULE_NOT_FOUND
// because: as the last one
require("..%2f..%2fapp.json");

//// require-backslash: MODULE_FORBIDDEN MODULE_NOT_FOUND
// because: as the last one
require("..\\..\\app.json");

//// require-nul: MODULE_FORBIDDEN MODULE_NOT_FOUND HANDLER_ERROR
// because: as the last one
require("./x\0.js");

//// require-node: MODULE_NOT_FOUND
require("node:fs");

//// require-fs: MODULE_NOT_FOUND
require("fs");

//// require-npm: MODULE_NOT_FOUND
require("npm:left-pad");

//// require-proto: MODULE_NOT_FOUND MODULE_FORBIDDEN
// because: it may be taken for a path
require("__proto__");

//// require-object: HANDLER_ERROR MODULE_NOT_FOUND
// because: it may be taken for its text
require({ toString: () => "/etc/passwd" });

//// require-long: MODULE_NOT_FOUND HANDLER_ERROR LIMIT_EXCEEDED MODULE_FORBIDDEN MEMORY_LIMIT
// because: so long a name may be refused for its length
require("x".repeat(3e6));

//// require-many: 200 MODULE_NOT_FOUND CPU_LIMIT
// because: it may be stopped before it ends
for (let n = 0; n < 3000; n++) try { require("./nothing-" + n); } catch {}
return new Response("x");

//// pollute-prototype: 200 HANDLER_ERROR
// because: what is built in may be frozen, which strict code is told
Object.prototype.polluted = "yes"; Array.prototype.push = null; Promise.prototype.then = null;
return new Response("polluted");

//// pollute-json: 200 HANDLER_ERROR
// because: as the last one
JSON.stringify = () => '{"forged":true}'; JSON.parse = null;
return Response.json({ right: true });

//// pollute-globals: INVALID_RESPONSE HANDLER_ERROR
// because: as the last one
globalThis.Response = class {}; globalThis.Promise = null; globalThis.Object = null; globalThis.fazt = null;
globalThis.undefined = 1;
return undefined;

//// pollute-delete: 200 INVALID_RESPONSE HANDLER_ERROR
// because: as the last one
for (const name of Object.getOwnPropertyNames(globalThis)) try { delete globalThis[name]; } catch {}
return new Response("x");

//// pollute-fazt: 200 HANDLER_ERROR
// because: as the last one
fazt.storage.kv.get = () => "forged"; fazt.app.id = "app_000000000000"; fazt.storage = null;
return new Response(String(fazt.app.id));

//// pollute-setters: 200 HANDLER_ERROR NEVER_SETTLED
// because: as the last one
for (const name of ["then", "status", "headers", "id", "code", "length", "0"])
  Object.defineProperty(Object.prototype, name, { set() { for (;;); }, get() { return undefined; }, configurable: true });
return new Response("x");

//// pollute-freeze: 200 HANDLER_ERROR
// because: as the last one
Object.freeze(globalThis); Object.freeze(fazt); Object.freeze(request);
return new Response("frozen");

//// pollute-iterators: 200 HANDLER_ERROR NEVER_SETTLED
// because: as the last one
const steps = Object.getPrototypeOf([][Symbol.iterator]());
steps.next = () => ({ done: false, value: 1 });
return new Response("x");

//// pollute-errors: HANDLER_ERROR
Error.stackTraceLimit = 1e9; Error.captureStackTrace = null;
throw new Error("x");

//// leak-stack-hook: 200
// says: 0
const seen = []; Error.prepareStackTrace = (error, sites) => { seen.push(...sites.map((one) => one.getFunction())); };
TypeError.prepareStackTrace = Error.prepareStackTrace; Error.stackTraceLimit = { valueOf: () => seen.push(1) };
for (const act of [() => fazt.storage.kv.get(''), () => fazt.private.read(), () => setTimeout(1), () => null.x])
  try { act(); } catch (error) { String(error.stack); }
return new Response(String(seen.length));

//// leak-stack-then: 200
// says: x
const it = Promise.resolve(1);
Object.defineProperty(it, 'then', { value(...all) {
  if (all.every((one) => String(one).includes('[native code]'))) return all[0]();
  for (let n = 0; n < 9; n++) all[0](); throw new Error('leaked'); } });
context.waitUntil(it); return new Response('x');

//// forge-stack-interrupt: HANDLER_ERROR
// in: a classic handler
// without: x-forged
try { fazt.auth.requireLogin(); } catch (error) {
  throw new error.constructor('m', 'UNAUTHORIZED', 'D201 [["x-forged","1"]]\nforged'); }

//// kv-key-long: HANDLER_ERROR
fazt.storage.kv.set("x".repeat(5e6), 1);

//// kv-key-nul: HANDLER_ERROR
fazt.storage.kv.set("a\0b", 1);

//// kv-key-climbs: 200
// says: undefined
return new Response(String(fazt.storage.kv.get("../neighbour/secret")));

//// kv-key-object: HANDLER_ERROR
fazt.storage.kv.set({ app_id: "neighbour" }, 1);

//// kv-value-large: HANDLER_ERROR
fazt.storage.kv.set("large", "x".repeat(3 << 20));

//// kv-value-huge: HANDLER_ERROR MEMORY_LIMIT CPU_LIMIT
// because: so much may not even fit
fazt.storage.kv.set("huge", "x".repeat(20 << 20));

//// kv-value-deep: HANDLER_ERROR STACK_LIMIT
// because: too deep for JavaScript or for the store
let it = []; for (let n = 0; n < 5000; n++) it = [it];
fazt.storage.kv.set("deep", it); throw new RangeError("it was not too deep");

//// kv-value-cycle: HANDLER_ERROR
const it = {}; it.it = it; fazt.storage.kv.set("cycle", it);

//// kv-value-bigint: HANDLER_ERROR
fazt.storage.kv.set("n", 5n);

//// kv-value-function: HANDLER_ERROR
fazt.storage.kv.set("f", () => 1);

//// kv-ttl-strange: HANDLER_ERROR
fazt.storage.kv.set("ttl", 1, { valueOf: () => 5 });

//// kv-ttl-nan: HANDLER_ERROR
fazt.storage.kv.set("ttl", 1, NaN);

//// kv-limit-huge: HANDLER_ERROR
fazt.storage.kv.list("", { limit: 2 ** 60 });

//// kv-options-unknown: HANDLER_ERROR
fazt.storage.kv.list("", { app: "neighbour" });

//// kv-arguments-many: 200 HANDLER_ERROR
// because: what is given too much may be left out, as everywhere in JavaScript
fazt.storage.kv.get(...Array.from({ length: 1e4 }, (_, n) => "k" + n));
return new Response("x");

//// kv-flood: 200 CPU_LIMIT TIMEOUT
// because: a machine may be fast enough
for (let n = 0; n < 300; n++) fazt.storage.kv.set("flood", n);
return new Response("x");

//// kv-of-nobody: HANDLER_ERROR
fazt.app.user.kv.get("x");

//// log-flood: 200 CPU_LIMIT TIMEOUT
// because: a machine may be slow
for (let n = 0; n < 20000; n++) console.log("flood", n, "x".repeat(100));
return new Response("logged");

//// log-flood-endless: CPU_LIMIT TIMEOUT
// because: each line computes a little and may wait a little
for (;;) console.error("x".repeat(5000));

//// log-large: 200 MEMORY_LIMIT CPU_LIMIT
// because: so much may not even fit
console.log("x".repeat(6e6)); console.log(new Uint8Array(4 << 20)); console.log(Array.from({ length: 1e5 }));
return new Response("logged");

//// log-terminal: 200
// says: logged
console.log("\u001b[2J\u001b]0;evil\u0007\r\nforged line\u2028\u202e\u0000\ud800");
return new Response("logged");

//// log-cycle: 200
// says: logged
const it = { list: [] }; it.list.push(it); it[Symbol("x")] = it; console.log(it, new Map([[it, it]]));
return new Response("logged");

//// log-getters: 200
// says: logged
console.log({ get x() { throw 1; } }, new Proxy({}, { get() { throw 1; }, ownKeys() { throw 2; } }), Object.create(null));
return new Response("logged");

//// log-format: 200
// says: logged
console.log("%s %d %o %c %%n %n%n%n%s", { toString() { throw 1; } }, Symbol("x"), 1n);
return new Response("logged");

//// crypto-random-large: HANDLER_ERROR
crypto.getRandomValues(new Uint8Array(65537));

//// crypto-random-floats: HANDLER_ERROR
crypto.getRandomValues(new Float64Array(4));

//// crypto-digest-large: 200 MEMORY_LIMIT CPU_LIMIT HANDLER_ERROR
// because: so much may not even fit
await crypto.subtle.digest("SHA-512", new Uint8Array(16 << 20));
return new Response("x");

//// crypto-digest-loop: CPU_LIMIT TIMEOUT
// because: each call computes a little and waits a little
const much = new Uint8Array(1 << 20); for (;;) await crypto.subtle.digest("SHA-512", much);

//// crypto-digest-name: HANDLER_ERROR
await crypto.subtle.digest({ get name() { return "x".repeat(1e6); } }, new Uint8Array(1));

//// crypto-key-strange: HANDLER_ERROR
await crypto.subtle.sign("HMAC", { type: "secret", algorithm: { name: "HMAC" }, extractable: true, usages: ["sign"] }, new Uint8Array(1));

//// crypto-key-empty: HANDLER_ERROR
await crypto.subtle.importKey("raw", new Uint8Array(0), { name: "AES-GCM" }, false, ["encrypt"]);

//// crypto-key-huge: HANDLER_ERROR MEMORY_LIMIT
// because: so much may not even fit
await crypto.subtle.importKey("raw", new Uint8Array(12 << 20), { name: "AES-GCM" }, false, ["encrypt"]);

//// crypto-curve: HANDLER_ERROR
await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-1" }, true, ["sign"]);

//// crypto-key-loop: CPU_LIMIT TIMEOUT
// because: each call computes a little and waits a little
for (;;) await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);

//// intl-locale-long: HANDLER_ERROR
new Intl.NumberFormat("x".repeat(1e6)).format(1);

//// intl-locale-climbs: HANDLER_ERROR
new Intl.NumberFormat("../../../etc/passwd").format(1);

//// intl-digits: HANDLER_ERROR
new Intl.NumberFormat("en", { minimumFractionDigits: 1e9 }).format(1);

//// intl-zone: HANDLER_ERROR
new Intl.DateTimeFormat("en", { timeZone: "../../etc/passwd" }).format(0);

//// intl-number-huge: 200 HANDLER_ERROR
// because: so large a number may be refused
return new Response(new Intl.NumberFormat("en").format(10n ** 5000n).slice(0, 3));

//// intl-loop: CPU_LIMIT TIMEOUT
// because: each call computes a little and waits a little
for (;;) new Intl.DateTimeFormat("de", { dateStyle: "full" }).format(0);

//// intl-sort: CPU_LIMIT TIMEOUT 200
// because: each call computes a little and waits a little
const order = new Intl.Collator("de"); Array.from({ length: 1e5 }, (_, n) => "x" + n * 7919 % 1e5).sort(order.compare);
return new Response("x");

//// fetch-file: HANDLER_ERROR
await fetch("file:///etc/passwd");

//// date-range: HANDLER_ERROR
new Date(8.64e15 + 1).toISOString();

//// url-user: 200
// says: 127.0.0.1
return new Response(new URL("http://good.example@0x7f.1/").hostname);

//// request-forged: 200
// says: GET
Object.defineProperty(request, "method", { value: "POST", configurable: true });
return new Response(new Request(request.url).method);

//// request-cloned: 200 CPU_LIMIT MEMORY_LIMIT HANDLER_ERROR
// because: so many may not fit
let it = request; for (let n = 0; n < 1e4; n++) it = it.clone();
return new Response("x");

//// request-abort-loop: HANDLER_ERROR CPU_LIMIT 200
// because: what an aborted signal throws is the code's error
const stop = new AbortController(); stop.signal.addEventListener("abort", () => stop.abort()); stop.abort();
stop.signal.throwIfAborted();

//// exit-by-signal: HANDLER_ERROR
WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));

//// code-from-text: 200 HANDLER_ERROR
// says: 3
// because: code from text may be refused
return new Response(String((0, eval)("1 + 2")));

//// code-from-text-loop: CPU_LIMIT HANDLER_ERROR
// because: code from text may be refused
(0, eval)("for (;;);");

//// code-many: CPU_LIMIT MEMORY_LIMIT HANDLER_ERROR
// because: code from text may be refused
for (let n = 0; ; n++) new Function(`return ${n}`);
