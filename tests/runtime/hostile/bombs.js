// Code that wants more memory than it may have, or goes deeper.

//// bomb-array: BOMB
const all = []; for (;;) all.push(new Array(1000).fill(1.5));

//// bomb-double: BOMB
let all = [1]; for (;;) all = all.concat(all);

//// bomb-object: BOMB
const all = {}; for (let n = 0; ; n++) all['key' + n] = { n };

//// bomb-repeat: MEMORY_LIMIT HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
return new Response('x'.repeat(2 ** 29));

//// bomb-repeat-large: MEMORY_LIMIT HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
return new Response('x'.repeat(2 ** 40));

//// bomb-rope: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
let text = 'x'; for (;;) text += text;

//// bomb-rope-flat: BOMB INVALID_RESPONSE HANDLER_ERROR
// because: a text that fits is too long for an answer
let text = ''; for (let n = 0; n < 1e7; n++) text += 'abcdefgh'; return new Response(text);

//// bomb-strings: BOMB
const all = []; for (;;) all.push('x'.repeat(1e6) + all.length);

//// bomb-buffer: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
const all = []; for (;;) all.push(new ArrayBuffer(8 << 20));

//// bomb-buffer-large: MEMORY_LIMIT HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
new ArrayBuffer(2 ** 32);

//// bomb-buffer-grown: MEMORY_LIMIT HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
const grown = new ArrayBuffer(8, { maxByteLength: 2 ** 30 }); grown.resize(2 ** 30);
return new Response(String(grown.byteLength));

//// bomb-typed: MEMORY_LIMIT HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
new Float64Array(2 ** 28);

//// bomb-typed-length: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
Uint8Array.from({ length: 2 ** 31 });

//// bomb-from: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
Array.from({ length: 2 ** 32 }, () => ({}));

//// bomb-new-array: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
new Array(2 ** 32 - 1).fill(0);

//// bomb-map: BOMB
const all = new Map(); for (let n = 0; ; n++) all.set(n, n);

//// bomb-symbols: BOMB
const all = []; for (;;) all.push(Symbol('x'.repeat(100)));

//// bomb-symbol-registry: BOMB
for (let n = 0; ; n++) Symbol.for('nest' + n);

//// bomb-closures: BOMB
let all = () => {}; for (;;) { const before = all; all = () => before; }

//// bomb-promises: BOMB
const all = []; for (;;) all.push(new Promise(() => {}));

//// bomb-promises-many: BOMB 200
// because: a machine may be fast enough
await Promise.all(Array.from({ length: 1e5 }, () => Promise.resolve(1))); return new Response('x');

//// bomb-generators: BOMB
const all = []; for (;;) { const it = (function* () { yield 1; })(); it.next(); all.push(it); }

//// bomb-weak: BOMB
const kept = []; for (;;) kept.push(new WeakRef({ n: new Array(100) }));

//// bomb-finalizers: BOMB
const all = new FinalizationRegistry(() => {}); for (;;) all.register({}, {});

//// bomb-bigint: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
return new Response(String(2n ** (2n ** 30n)).slice(0, 9));

//// bomb-bigint-shift: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
return new Response(String(1n << (1n << 40n)).slice(0, 9));

//// bomb-catch: BOMB
const all = []; for (;;) try { for (;;) all.push(new ArrayBuffer(1 << 20)); } catch {}

//// bomb-catch-lets-go: BOMB
let all = []; for (;;) try { for (;;) all.push('x'.repeat(1e5) + all.length); } catch { all = []; }

//// bomb-json: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
let all = [1, 2, 3]; for (let n = 0; n < 30; n++) all = [all, all]; return Response.json(all);

//// bomb-parse: BOMB
JSON.parse('[' + '{},'.repeat(3e6) + '{}]');

//// bomb-split: BOMB
'x'.repeat(2e7).split('');

//// bomb-regex-program: BOMB HANDLER_ERROR 200 INVALID_RESPONSE
// because: what a pattern becomes is the engine's own business
new RegExp('(?:x{1000}){1000}'.repeat(1000));

//// bomb-template: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
String.raw({ raw: { length: 2 ** 31 } }, 1);

//// bomb-pad: MEMORY_LIMIT HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
'x'.padEnd(2 ** 30);

//// bomb-normalize: BOMB HANDLER_ERROR INVALID_RESPONSE
// because: it may fit
'\ufdfa'.repeat(2e6).normalize('NFKD');

//// bomb-decoder: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
new TextDecoder().decode(new Uint8Array(64 << 20));

//// bomb-encoder: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
new TextEncoder().encode('ü'.repeat(2e7));

//// bomb-atob: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
atob('A'.repeat(3e7));

//// bomb-btoa: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
btoa('A'.repeat(3e7));

//// bomb-url: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
new URL('https://example.org/' + 'ü'.repeat(1e7));

//// bomb-params: BOMB
const all = new URLSearchParams(); for (;;) all.append('key', 'x'.repeat(1000));

//// bomb-headers: BOMB
const all = new Headers(); for (let n = 0; ; n++) all.append('x' + n, 'y'.repeat(100));

//// bomb-form: BOMB
const all = new FormData(); for (;;) all.append('a', new Blob(['x'.repeat(1e5)]));

//// bomb-blob: BOMB HANDLER_ERROR
// because: an engine refuses the size itself, which is an error of the code
let all = new Blob(['x'.repeat(1e6)]); for (let n = 0; n < 12; n++) all = new Blob([all, all]);
await all.text();

//// bomb-clone: BOMB
const all = Array.from({ length: 1e5 }, (_, n) => ({ n })); for (;;) structuredClone(all);

//// bomb-random: BOMB
const all = []; for (;;) all.push(crypto.getRandomValues(new Uint8Array(65536)));

//// bomb-globals: BOMB
for (let n = 0; ; n++) globalThis['nest' + n] = new Array(100).fill(n);

//// deep-function: DEEP
const down = (n) => down(n + 1) + 1; down(0);

//// deep-array-from: DEEP
const down = () => Array.from({ length: 1 }, down); down();

//// deep-apply: DEEP
const down = () => Reflect.apply(down, null, []); down();

//// deep-getter: DEEP
const it = { get x() { return this.x; } }; it.x;

//// deep-proxy: BOMB DEEP
// because: it may be stopped while it is made
let it = {}; for (let n = 0; n < 1e5; n++) it = new Proxy(it, {}); it.x;

//// deep-json-write: DEEP
let it = []; for (let n = 0; n < 5e4; n++) it = [it]; return Response.json(it);

//// deep-json-read: DEEP
JSON.parse('['.repeat(2e5) + ']'.repeat(2e5));

//// deep-json-body: DEEP
// asked: POST [*200000 ]*200000
await request.json();

//// deep-parser: DEEP SYNTAX_ERROR
// because: code from text may be refused as a whole
new Function('return ' + '('.repeat(1e5) + '1' + ')'.repeat(1e5));

//// deep-parser-lists: DEEP SYNTAX_ERROR
// because: as the last one
(0, eval)('['.repeat(1e5));

//// deep-regex: DEEP SYNTAX_ERROR
// because: a pattern may be refused as a whole
new RegExp('('.repeat(1e5) + ')'.repeat(1e5));

//// deep-regex-run: BOMB DEEP INVALID_RESPONSE
// because: what a pattern becomes is the engine's own business
new RegExp('(?:' .repeat(500) + 'a*' + ')*'.repeat(500)).test('a'.repeat(5e4) + 'b');

//// deep-tostring: DEEP
const all = []; all.push(all, [all]); let it = []; for (let n = 0; n < 1e5; n++) it = [it]; String(it);

//// deep-tojson: DEEP
const it = { toJSON() { return JSON.stringify(it); } }; JSON.stringify(it);

//// deep-sort: DEEP
const down = () => [2, 1].sort(down); down();

//// deep-replace: DEEP
const down = () => 'a'.replace(/a/, down); down();

//// deep-free: BOMB 200 STACK_LIMIT
// because: freeing may go as deep as what was made
let it = null; for (let n = 0; n < 3e5; n++) it = { it }; it = null; return new Response('freed');

//// deep-promises: BOMB 200
// because: a machine may be fast enough
let it = Promise.resolve(1); for (let n = 0; n < 2e4; n++) { const before = it; it = (async () => before)();
} await it; return new Response('x');

//// deep-clone: DEEP CPU_LIMIT
// because: it may be stopped before it is too deep
let it = []; for (let n = 0; n < 5e4; n++) it = [it]; structuredClone(it);

//// deep-log: DEEP 200
// because: a log shows as far as it likes
let it = []; for (let n = 0; n < 5e4; n++) it = [it]; console.log(it); return new Response('logged');

//// deep-error: HANDLER_ERROR
let error = new Error('0'); for (let n = 0; n < 1e4; n++) error = new Error('x', { cause: error }); throw error;

//// deep-class: BOMB DEEP
// because: it may be stopped while it is made
let Kind = class {}; for (let n = 0; n < 5e4; n++) Kind = class extends Kind {}; new Kind();

//// deep-bind: BOMB DEEP
// because: as the last one
let it = () => 1; for (let n = 0; n < 1e5; n++) it = it.bind(null); it();
