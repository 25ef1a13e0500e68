// Code that never ends, or not before the limit.

//// loop: CPU_LIMIT
while (true);

//// loop-finally: CPU_LIMIT
for (;;) try { continue; } finally { for (;;); }

//// loop-catch: CPU_LIMIT
for (;;) try { throw 1; } catch {}

//// loop-labels: CPU_LIMIT
a: for (;;) { try { continue a; } finally { if (globalThis.x) break a; } }

//// loop-return-finally: CPU_LIMIT
for (;;) { (() => { try { return 1; } finally { return 2; } })(); }

//// loop-microtasks: BOMB
const again = () => Promise.resolve().then(again); await again();

//// loop-queue-microtask: CPU_LIMIT
const again = () => queueMicrotask(again); again(); await new Promise(() => {});

//// loop-await: CPU_LIMIT
for (;;) await null;

//// loop-clock: CPU_LIMIT
const end = Date.now() + 10; while (Date.now() < end);

//// loop-timers: CPU_LIMIT TIMEOUT
// because: each turn computes a little and waits a little
await new Promise(() => { const again = () => setTimeout(again, 0); again(); });

//// loop-regex: CPU_LIMIT
return new Response(String(/^(a+)+$/.test('a'.repeat(40) + 'b')));

//// loop-regex-request: CPU_LIMIT
// asked: POST a*60
return new Response(String(/^(([a-z])+.)+[A-Z]([a-z])+$/.test(await request.text())));

//// loop-regex-lookbehind: CPU_LIMIT 200
// because: an engine may see at once that nothing can match
return new Response(String(/(?<=(a|aa)+)$b/.test('a'.repeat(60))));

//// loop-indexof: CPU_LIMIT
Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);

//// loop-join: BOMB
const all = []; all.length = 2 ** 32 - 2; all.join('');

//// loop-sort: BOMB
const all = []; all.length = 2 ** 32 - 2; all.sort();

//// loop-fill: BOMB
Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 1);

//// loop-search: BOMB
'a'.repeat(6e6).indexOf('a'.repeat(3e6) + 'b');

//// loop-replace: BOMB
'a'.repeat(1e6).replaceAll(/a?/g, (x) => 'a'.repeat(1000));

//// loop-split: BOMB
for (;;) 'ab'.repeat(1e5).split('');

//// loop-sort-compare: BOMB
Array.from({ length: 1e6 }, (_, n) => n).sort(() => { for (;;); });

//// loop-compare-random: CPU_LIMIT
for (;;) [3, 1, 2].sort(() => Math.random() - 0.5);

//// loop-tostring: CPU_LIMIT HANDLER_ERROR
// because: how what was thrown is shown is nobody's promise
throw { toString() { for (;;); } };

//// loop-valueof: CPU_LIMIT
return new Response(+{ valueOf() { for (;;); } });

//// loop-message: CPU_LIMIT
throw { get message() { for (;;); } };

//// loop-stack: CPU_LIMIT HANDLER_ERROR
// because: whether a stack is read with its getter is nobody's promise
const error = new Error('x'); Object.defineProperty(error, 'stack', { get() { for (;;); } }); throw error;

//// loop-prepare: CPU_LIMIT HANDLER_ERROR
// because: it may be ignored
Error.prepareStackTrace = () => { for (;;); }; null.x;

//// loop-tojson: CPU_LIMIT
return Response.json({ toJSON() { for (;;); } });

//// loop-tojson-classic: CPU_LIMIT
// in: a classic handler
return { toJSON() { for (;;); } };

//// loop-proxy: CPU_LIMIT
// in: a classic handler
return new Proxy({}, { ownKeys() { for (;;); }, get() { for (;;); }, getPrototypeOf() { for (;;); } });

//// loop-thenable: CPU_LIMIT
return { then() { for (;;); } };

//// loop-thenable-self: CPU_LIMIT
const self = { then(done) { done(self); } }; return self;

//// loop-header-getter: CPU_LIMIT
// in: a classic handler
return { status: 200, get headers() { for (;;); }, body: 'x' };

//// loop-iterator: BOMB
return new Response(null, { headers: { *[Symbol.iterator]() { for (;;) yield ['a', 'b']; } } });

//// loop-iterator-list: BOMB
Array.from({ *[Symbol.iterator]() { for (;;) yield 1; } });

//// loop-async-generator: CPU_LIMIT
async function* flood() { for (;;) yield 1; } for await (const one of flood());

//// loop-generator-return: CPU_LIMIT
const it = (function* () { try { yield 1; } finally { for (;;) yield 2; } })(); for (const one of it) break;
for (;;) it.next();

//// loop-instanceof: CPU_LIMIT HANDLER_ERROR
// because: an object that cannot be called may be refused first
return new Response(String({} instanceof { [Symbol.hasInstance]() { for (;;); } }));

//// loop-primitive: CPU_LIMIT
return new Response(`${{ [Symbol.toPrimitive]() { for (;;); } }}`);

//// loop-species: CPU_LIMIT
class Own extends Array { static get [Symbol.species]() { for (;;); } } new Own(3).map((x) => x);

//// loop-bigint-power: BOMB HANDLER_ERROR
// because: an engine may refuse so large a number
return new Response(String(3n ** 10000000n).slice(0, 9));

//// loop-bigint-text: BOMB HANDLER_ERROR
// because: an engine may refuse so large a number
let n = 1n; for (;;) n = n * 7n + 1n;

//// loop-parse-float: BOMB
for (;;) JSON.parse('[' + '1.5e300,'.repeat(1e4) + '1]');

//// loop-json-reviver: CPU_LIMIT
JSON.parse('[1,2]', () => { for (;;); });

//// loop-log: CPU_LIMIT INVALID_RESPONSE HANDLER_ERROR
// because: whether the log looks behind getters and proxies is its own business
console.log({ get x() { for (;;); } }); console.log(new Proxy({}, { ownKeys() { for (;;); } }));

//// loop-log-tojson: CPU_LIMIT INVALID_RESPONSE HANDLER_ERROR
// because: as the last one
fazt.log.info('x', { toJSON() { for (;;); } });

//// loop-kv-tojson: CPU_LIMIT
fazt.storage.kv.set('x', { toJSON() { for (;;); } });

//// loop-kv: CPU_LIMIT TIMEOUT
// because: each call computes a little and waits a little
for (;;) fazt.storage.kv.get('x');

//// loop-kv-catch: CPU_LIMIT TIMEOUT
// because: as the last one
for (;;) try { fazt.storage.kv.get('x'); } catch {} finally { continue; }

//// loop-kv-key: CPU_LIMIT HANDLER_ERROR
// because: what is no string may be refused without being asked for one
fazt.storage.kv.get({ toString() { for (;;); } });

//// loop-clone: CPU_LIMIT
structuredClone({ get x() { for (;;); } });

//// loop-url: BOMB
for (;;) new URL('https://example.org/' + 'a/../'.repeat(1e4));

//// loop-sync-generator-spread: BOMB
Math.max(...(function* () { for (;;) yield 1; })());

//// wait-forever: NEVER_SETTLED
await new Promise(() => {});

//// wait-forever-again: NEVER_SETTLED
return new Promise(() => {});

//// wait-for-itself: NEVER_SETTLED
let it; it = (async () => { await null; await it; })(); await it;

//// wait-long: TIMEOUT
await new Promise((done) => setTimeout(done, 3600e3)); return new Response('late');

//// wait-interval: TIMEOUT
setInterval(() => {}, 5); await new Promise(() => {});

//// wait-thenable: NEVER_SETTLED
return { then() {} };

//// wait-timer-far: TIMEOUT 200
// because: browsers take a wait this long for none
await new Promise((done) => setTimeout(done, 2 ** 31)); return new Response('x');
