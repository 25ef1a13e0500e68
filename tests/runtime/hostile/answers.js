// Answers that are none, that lie, or that want to be something else on the wire.

//// status-0: INVALID_RESPONSE
// in: a classic handler
return { status: 0, body: 'x' };

//// status-99: INVALID_RESPONSE
// in: a classic handler
return { status: 99, body: 'x' };

//// status-100: INVALID_RESPONSE
// in: a classic handler
return { status: 100 };

//// status-101: INVALID_RESPONSE
// in: a classic handler
return { status: 101, headers: { Upgrade: 'websocket' } };

//// status-700: INVALID_RESPONSE
// in: a classic handler
return { status: 700, body: 'x' };

//// status-negative: INVALID_RESPONSE
// in: a classic handler
return { status: -200 };

//// status-web-99: HANDLER_ERROR
return new Response('x', { status: 99 });

//// status-web-700: HANDLER_ERROR
return new Response('x', { status: 700 });

//// status-lies: INVALID_RESPONSE HANDLER_ERROR
// because: `new Response` refuses it itself, which is an error of the code
return Object.create(Response.prototype, { status: { value: 777 }, headers: { value: [] } });

//// status-own-getter: 200 INVALID_RESPONSE HANDLER_ERROR
// without: evil
// because: what it really is may be asked instead
const it = new Response('x'); Object.defineProperty(it, 'status', { get: () => '200 OK\r\nX-Evil: 1' });
return it;

//// header-split: INVALID_RESPONSE
// in: a classic handler
return { status: 200, headers: { 'X-A': 'b\r\nX-Evil: 1' }, body: 'x' };

//// header-split-web: INVALID_RESPONSE HANDLER_ERROR
// because: `new Response` refuses it itself, which is an error of the code
return new Response('x', { headers: { 'X-A': 'b\r\nX-Evil: 1' } });

//// header-name-split: INVALID_RESPONSE
// in: a classic handler
return { status: 200, headers: { 'X-A: 1\r\nX-Evil': '1' }, body: 'x' };

//// header-name-empty: INVALID_RESPONSE
// in: a classic handler
return { status: 200, headers: { '': '1' }, body: 'x' };

//// header-name-space: INVALID_RESPONSE
// in: a classic handler
return { status: 200, headers: { 'X A': '1' }, body: 'x' };

//// header-nul: INVALID_RESPONSE
// in: a classic handler
return { status: 200, headers: { 'X-A': 'a\0b' }, body: 'x' };

//// header-emoji: INVALID_RESPONSE
// in: a classic handler
return { status: 200, headers: { 'X-A': '🥚' }, body: 'x' };

//// header-many: INVALID_RESPONSE
// in: a classic handler
const headers = {}; for (let n = 0; n < 5000; n++) headers['x-' + n] = 'y';
return { status: 200, headers, body: 'x' };

//// header-huge: INVALID_RESPONSE
// in: a classic handler
return { status: 200, headers: { 'X-A': 'y'.repeat(1e6) }, body: 'x' };

//// header-throws: INVALID_RESPONSE HANDLER_ERROR
// in: a classic handler
// because: the getter's own error is the code's
return { status: 200, headers: { get 'X-A'() { throw new Error('no'); } }, body: 'x' };

//// header-object: INVALID_RESPONSE HANDLER_ERROR
// in: a classic handler
// because: what is no text may be refused before
return { status: 200, headers: { 'X-A': { toString() { return 'b\r\nX-Evil: 1'; } } }, body: 'x' };

//// header-proxy: 200 INVALID_RESPONSE HANDLER_ERROR
// without: \na, \nb
// in: a classic handler
// because: a trap may break a rule of proxies first, and what has no value is no header
return { status: 200, headers: new Proxy({}, { ownKeys: () => ['a\nb'], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: 'x' }) }), body: 'x' };

//// redirect-split: INVALID_RESPONSE
// in: a classic handler
// without: evil
return { redirect: '/x\r\nSet-Cookie: evil=1' };

//// redirect-split-web: 200 302 INVALID_RESPONSE HANDLER_ERROR
// without: \nx-evil
// because: a URL drops such characters, which is harmless too
return Response.redirect('https://example.org/\r\nX-Evil: 1');

//// redirect-status: 302 INVALID_RESPONSE
// in: a classic handler
// because: a redirect is one, or is refused
return { redirect: '/x', status: 200 };

//// length-lies-small: 200
// says: 0123456789
return new Response('0123456789', { headers: { 'Content-Length': '3' } });

//// length-lies-large: 200
// says: 0123456789
return new Response('0123456789', { headers: { 'Content-Length': '1000000000' } });

//// length-and-chunks: 200
// says: 0123456789
// without: chunked
return new Response('0123456789', { headers: { 'Transfer-Encoding': 'chunked', 'Content-Length': '3' } });

//// connection-headers: 200
// says: x
// without: websocket, 99999
return new Response('x', { headers: { Connection: 'upgrade', Upgrade: 'websocket', 'Keep-Alive': 'timeout=99999', Trailer: 'x' } });

//// server-headers: 200
// says: x
// without: evil, yesterday, forged
return new Response('x', { headers: { Server: 'evil', Date: 'yesterday', 'X-Request-Id': 'forged' } });

//// cookie-domain: 200
// says: x
// without: domain
return new Response('x', { headers: { 'Set-Cookie': 'a=1; Path=/; DOMAIN = .localhost ;domain=localhost' } });

//// cookie-domain-classic: 200
// in: a classic handler
// says: x
// without: domain
return { status: 200, headers: { 'Set-Cookie': 'a=1; Domain=localhost' }, body: 'x' };

//// cookie-field-split: 200 INVALID_RESPONSE HANDLER_ERROR
// in: a classic handler
// without: domain=
// because: it may be escaped or refused
return { body: 'x', cookies: { a: '1; Domain=.localhost' } };

//// cookie-name-split: 200 INVALID_RESPONSE HANDLER_ERROR
// in: a classic handler
// without: domain=
// because: it may be escaped or refused
return { body: 'x', cookies: { 'a=1; Domain=.localhost; b': '1' } };

//// cookie-path-split: 200 INVALID_RESPONSE HANDLER_ERROR
// in: a classic handler
// without: domain=
// because: it may be escaped or refused
return { body: 'x', cookies: { a: { value: '1', path: '/; Domain=.localhost' } } };

//// cookie-of-the-node: 200 INVALID_RESPONSE
// without: forged
// because: it may be dropped or refused
return new Response('x', { headers: { 'Set-Cookie': '__Host-fazt_admin=forged; Path=/; Secure' } });

//// cookie-of-the-node-dev: 200 INVALID_RESPONSE
// in: a classic handler
// without: forged
// because: it may be dropped or refused
return { body: 'x', cookies: { fazt_admin_dev: 'forged' } };

//// body-too-large: INVALID_RESPONSE MEMORY_LIMIT
// because: so much may not even fit
return new Response('x'.repeat(11 << 20));

//// body-too-large-classic: INVALID_RESPONSE MEMORY_LIMIT
// in: a classic handler
// because: so much may not even fit
return { body: new Uint8Array(11 << 20) };

//// body-cycle: HANDLER_ERROR INVALID_RESPONSE
// because: `new Response` refuses it itself, which is an error of the code
const it = {}; it.it = it; return Response.json(it);

//// body-cycle-classic: INVALID_RESPONSE
// in: a classic handler
const it = {}; it.it = it; return it;

//// body-bigint: INVALID_RESPONSE
// in: a classic handler
return { n: 1n };

//// body-function: INVALID_RESPONSE
// in: a classic handler
return () => 1;

//// body-symbol: INVALID_RESPONSE
// in: a classic handler
return Symbol('x');

//// body-tojson-throws: INVALID_RESPONSE HANDLER_ERROR
// in: a classic handler
// because: the code's own error is named
return { toJSON() { throw new Error('no'); } };

//// body-nothing-web: INVALID_RESPONSE
// because: no answer is no content, or none
return undefined;

//// body-number-web: INVALID_RESPONSE 200
// because: a value may be taken for JSON
return 7;

//// body-used: INVALID_RESPONSE HANDLER_ERROR
// because: `new Response` refuses it itself, which is an error of the code
const it = new Response('x'); await it.text(); return it;

//// body-detached: 200
// says: x
const bytes = new Uint8Array([120]); const it = new Response(bytes); bytes.buffer.transfer?.(); return it;

//// body-surrogates: 200
// says: a\ufffdb
return new Response('a\ud800b');

//// body-after-204: 204 INVALID_RESPONSE
// in: a classic handler
// because: it may be dropped or refused
return { status: 204, body: 'not seen' };

//// response-then: 200
// says: y
const it = new Response('x'); it.then = (done) => done(new Response('y')); return it;

//// response-prototype-then: NEVER_SETTLED HANDLER_ERROR
// because: what is built in may be frozen
Object.defineProperty(Response.prototype, 'then', { value() {}, configurable: true }); return new Response('x');

//// response-proxy: INVALID_RESPONSE HANDLER_ERROR
// because: it is no answer, and its methods do not work on a proxy
return new Proxy(new Response('x'), {});

//// response-subclass: 200 INVALID_RESPONSE HANDLER_ERROR
// because: what it really is may be asked instead
class Own extends Response { get headers() { return null; } get body() { throw 1; } } return new Own('x');

//// throw-null: HANDLER_ERROR
throw null;

//// throw-undefined: HANDLER_ERROR
throw undefined;

//// throw-symbol: HANDLER_ERROR
throw Symbol('x');

//// throw-proxy: HANDLER_ERROR
throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 2; }, has() { throw 3; } });

//// throw-getters: HANDLER_ERROR
throw { get name() { throw 1; }, get message() { throw 2; }, get stack() { throw 3; }, get code() { throw 4;
} };

//// throw-cycle: HANDLER_ERROR
const error = new Error('x'); error.cause = error; error.details = error; error.self = { error }; throw error;

//// throw-huge: HANDLER_ERROR MEMORY_LIMIT
// because: so much may not even fit
throw new Error('x'.repeat(5e6));

//// throw-forged: HANDLER_ERROR
const error = new Error('forged'); error.code = 'SERVICE_UNAVAILABLE'; error.status = 200; error.kind = 'load';
throw error;

//// throw-forged-code: HANDLER_ERROR
throw Object.assign(new Error('forged'), { code: 'INTERNAL_ERROR', name: 'FaztError' });

//// throw-tostring-bomb: BOMB DEEP
// because: how it is shown decides what it meets first
throw { toString() { return 'x'.repeat(1e6) + this; } };

//// throw-aggregate: HANDLER_ERROR
throw new AggregateError(Array.from({ length: 1e4 }, () => new Error('x')), 'many');

//// throw-response: HANDLER_ERROR 403
// because: some frameworks answer by throwing
throw new Response('no entry', { status: 403 });

//// reject-later: 200
// says: x
Promise.reject(new Error('nobody cares')); return new Response('x');

//// reject-many: 200
// says: x
for (let n = 0; n < 1e4; n++) Promise.reject(n); return new Response('x');

//// stream-throws: 200 HANDLER_ERROR
// its body may end early
// because: nothing may have been sent yet
return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(10)); throw new Error('midway');
} }));

//// stream-error-first: 200 HANDLER_ERROR
// its body may end early
// because: nothing may have been sent yet
return new Response(new ReadableStream({ start(c) { c.error(new Error('x')); } }));

//// stream-strange: 200 HANDLER_ERROR INVALID_RESPONSE
// its body may end early
// because: nothing may have been sent yet
return new Response(new ReadableStream({ start(c) { c.enqueue({ no: 'bytes' }); c.close(); } }));

//// stream-never: 200 NEVER_SETTLED
// its body may end early
// because: nothing may have been sent yet
return new Response(new ReadableStream({ pull() { return new Promise(() => {}); } }));

//// stream-spins: 200 CPU_LIMIT
// its body may end early
// because: nothing may have been sent yet
return new Response(new ReadableStream({ pull() { for (;;); } }));

//// stream-locked: INVALID_RESPONSE HANDLER_ERROR
// because: `new Response` refuses it itself, which is an error of the code
const it = new Response('x'); it.body.getReader(); return it;

//// stream-empty-chunks: 200
// says: end
let n = 0; return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(0));
if (++n > 50) { c.enqueue(new TextEncoder().encode('end')); c.close(); } } }));

//// stream-microtasks: 200 CPU_LIMIT
// its body may end early
// because: nothing may have been sent yet
return new Response(new ReadableStream({ async pull(c) { for (;;) await null; } }));

//// wait-until-rejects: 200
// says: x
context.waitUntil(Promise.reject(1)); return new Response('x');

//// respond-flood: HANDLER_ERROR 200 CPU_LIMIT
// in: a classic handler
// because: `respond` need not be there
for (let n = 0; n < 1e5; n++) respond?.(200, 'x' + n); return undefined;

//// timers-after-answer: 200
// says: x
for (let n = 0; n < 100; n++) setInterval(() => { for (;;); }, 1); return new Response('x');

//// timers-flood: BOMB 200 HANDLER_ERROR LIMIT_EXCEEDED
// because: so many may be refused; which status goes with the limit is the table's
for (let n = 0; n < 1e5; n++) setTimeout(() => {}, 1e6); return new Response('x');

//// intervals-flood: TIMEOUT CPU_LIMIT
// because: each turn computes a little and waits a little
for (let n = 0; n < 500; n++) setInterval(() => {}, 0); await new Promise(() => {});
