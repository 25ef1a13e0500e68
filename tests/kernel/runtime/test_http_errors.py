"""Code that fails: what whoever asked is told, what its author reads, and that nobody else notices."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kernel.runtime import invocation
from kernel.runtime.lower.lowered import Lowered, Problem
from tests.kernel.runtime.live import Live, Reply, living

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAILS = """
const ways = {
  thrown() { throw new Error("broken"); },
  rejected: async () => { throw new TypeError("late"); },
  later: async () => { await fazt.sleep(1); throw new RangeError("later"); },
  text() { throw "a text"; },
  nothing() { throw undefined; },
  number() { throw 7; },
  object() { throw { message: "odd", code: "TIMEOUT", status: 200 }; },
  coded() { throw Object.assign(new Error("own"), { code: "MEMORY_LIMIT", status: 404 }); },
  fazt() { throw new FaztError("NOT_FOUND", "nothing there"); },
  getter() { throw { get message() { throw new Error("no"); } }; },
  proxy() { throw new Proxy({}, { get() { throw new Error("no"); } }); },
  long() { throw new Error("x".repeat(100000)); },
  lines() { throw new Error("one\\r\\ntwo\\u0000"); },
  syntax() { return JSON.parse("{"); },
  reference() { return nowhere.at.all; },
  empty() { throw new Error(""); },
  module() { return require("./none"); },
  escape() { return require("../index.html"); },
  kv() { return fazt.storage.kv.set("", 1); },
  never: () => new Promise(() => {}),
  loop() { for (;;) ; },
  slow: async () => { await fazt.sleep(1e6); },
  memory() { const all = []; for (;;) all.push(new Array(10000).fill(all.length)); },
  bytes() { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); },
  deep() { const f = () => f() + 1; return f(); },
  after() { setTimeout(() => { throw new Error("nobody waits"); }, 0); return "answered"; },
  unheard() { Promise.reject(new Error("unheard")); return "answered"; },
};
module.exports = (request) => ways[request.query.way]();
"""
# way: code, part of what is told
TOLD: dict[str, tuple[int, str, str]] = {
    "thrown": (500, "HANDLER_ERROR", "broken"),
    "rejected": (500, "HANDLER_ERROR", "late"),
    "later": (500, "HANDLER_ERROR", "later"),
    "text": (500, "HANDLER_ERROR", "a text"),
    "nothing": (500, "HANDLER_ERROR", "undefined"),
    "number": (500, "HANDLER_ERROR", "7"),
    "object": (500, "HANDLER_ERROR", "odd"),
    "coded": (500, "HANDLER_ERROR", "own"),
    "fazt": (500, "HANDLER_ERROR", "nothing there"),
    "getter": (500, "HANDLER_ERROR", ""),
    "proxy": (500, "HANDLER_ERROR", ""),
    "long": (500, "HANDLER_ERROR", "x" * 1000),
    "lines": (500, "HANDLER_ERROR", "one\r\ntwo\x00"),
    "syntax": (500, "HANDLER_ERROR", "JSON"),
    "reference": (500, "HANDLER_ERROR", "nowhere is not defined"),
    "empty": (500, "HANDLER_ERROR", "Error"),
    "module": (500, "MODULE_NOT_FOUND", "Cannot find module './none'"),
    "escape": (500, "MODULE_FORBIDDEN", "outside"),
    "kv": (500, "HANDLER_ERROR", "key"),
    "never": (500, "NEVER_SETTLED", "never"),
    "deep": (500, "HANDLER_ERROR", "stack"),
}
LIMITS = {"loop": (500, "CPU_LIMIT"), "memory": (500, "MEMORY_LIMIT"), "bytes": (500, "MEMORY_LIMIT")}
COUNTER = """
let n = 0;
let before = null;
module.exports = (request) => {
  const seen = before === null ? null : (() => { try { return before.path; } catch (error) { return error.code; } })();
  globalThis.leak = (globalThis.leak ?? 0) + 1;
  before = request;
  return { n: ++n, leak: globalThis.leak, seen };
};
"""
TYPES = """
interface Bird {
  name: string;
}

type Found = Bird | undefined;

function find(name: string): Found {
  return name === "owl" ? { name } : undefined;
}

export default {
  async fetch(request: Request): Promise<Response> {
    const bird = find("none") as Bird;
    return Response.json({ length: bird.name.length });
  },
};
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with living(tmp_path_factory.mktemp("node")) as made:
        await made.app("fails", FAILS)
        await made.app("counter", COUNTER)
        yield made


def checked(reply: Reply, status: int, code: str) -> dict[str, Any]:
    assert (reply.status, reply.json["code"]) == (status, code), reply.json
    assert reply.json.keys() == {"error", "code", "requestId"}
    assert reply.json["requestId"] == reply.get("x-request-id")
    assert reply.get("cache-control") == "no-store"
    said: dict[str, Any] = reply.json
    return said


async def logged(live: Live, app: str, reply: Reply) -> list[Any]:
    return [line for line in await live.logs(app) if line.request == reply.get("x-request-id")]


@pytest.mark.parametrize("way", TOLD)
async def test_what_is_told_and_what_is_logged(live: Live, way: str) -> None:
    status, code, part = TOLD[way]
    reply = await live.both("fails", "GET", f"/api/{way}?way={way}")
    said = checked(reply, status, code)
    assert part in said["error"]
    # where it happened is for the author only
    for inside in (b"main.js", b"prelude", b"    at ", b"/kernel/", b'stack":'):
        assert inside not in reply.body
    lines = await logged(live, "fails", reply)
    assert lines, "nothing is logged"
    assert lines[-1].message
    assert "prelude.js" not in lines[-1].message
    if way in ("thrown", "rejected", "later", "reference", "syntax"):
        number = next(n for n, line in enumerate(FAILS.splitlines(), 1) if line.strip().startswith(way))
        assert f"api/main.js:{number}:" in lines[-1].message


@pytest.mark.parametrize("way", ["after", "unheard"])
async def test_what_fails_beside_an_answer_is_logged(live: Live, way: str) -> None:
    reply = await live.both("fails", "GET", f"/api/{way}?way={way}")
    assert reply.body == b"answered"
    await live.quiet()


@pytest.mark.parametrize("way", LIMITS)
async def test_limits(live: Live, way: str) -> None:
    await live.running.run("config.set", name="limits.runtime.maxCpuSeconds", value=2.0 if way != "loop" else 0.05)
    await live.warm("fails")
    for _ in range(2):
        reply = await live.ask("fails", "GET", f"/api/{way}?way={way}")
        checked(reply, *LIMITS[way])
    reply = await live.by_aiohttp("fails", "GET", f"/api/{way}?way={way}")
    checked(reply, *LIMITS[way])
    await live.running.run("config.unset", name="limits.runtime.maxCpuSeconds")
    await live.warm("fails")
    # others do not notice
    assert (await live.ask("counter")).status == 200


async def test_a_handler_that_waits_too_long(live: Live) -> None:
    await live.running.run("config.set", name="limits.runtime.maxExecutionSeconds", value=1)
    await live.warm("fails")
    replies = await asyncio.gather(
        live.ask("fails", "GET", "/api/slow?way=slow"), live.ask("fails", "GET", "/api/slow?way=slow", [("Via", "x")])
    )
    for reply in replies:
        checked(reply, 504, "TIMEOUT")
    await live.running.run("config.unset", name="limits.runtime.maxExecutionSeconds")
    await live.warm("fails")
    await live.quiet()


async def test_a_handler_that_computes_too_long(live: Live) -> None:
    """By the node's clock, whatever it does."""
    async with live.line() as line:
        line.send(live.request("fails", "GET", "/api/loop?way=loop"))
        await live.until(lambda: live.running.node.runtime.active)
        live.running.clock.advance(31)
        checked(await line.reply(), 504, "TIMEOUT")


BROKEN_FILES = {
    "no handler": ("exports.nothing = 1;", 500, "HANDLER_ERROR"),
    "throws while it is loaded": ("throw new Error('at the top');", 500, "HANDLER_ERROR"),
    "asks for a request": ("const path = request.path; module.exports = () => path;", 500, "NO_REQUEST"),
    "requires what is not there": ("require('./none');", 500, "MODULE_NOT_FOUND"),
    "loops while it is loaded": ("for (;;) ;", 500, "CPU_LIMIT"),
}


@pytest.mark.parametrize("what", BROKEN_FILES)
async def test_code_that_cannot_be_loaded(live: Live, what: str) -> None:
    code, status, told = BROKEN_FILES[what]
    name = "".join(c if c.isalnum() else "-" for c in what)[:20].strip("-")
    await live.running.run("config.set", name="limits.runtime.maxCpuSeconds", value=0.1)
    await live.app(name, code)
    for _ in range(2):
        reply = await live.both(name)
        checked(reply, status, told)
    assert await logged(live, name, reply)
    await live.running.run("config.unset", name="limits.runtime.maxCpuSeconds")


async def test_a_file_that_cannot_be_read(live: Live) -> None:
    made = Lowered(b"", "module", problems=[Problem("api/main.js", 3, 7, "Unexpected token (secret source)")])
    node = live.running.node
    from kernel.runtime.lower import lowering
    from kernel.syscall import Step
    from tests.kernel.fs.site import sha256

    code = b"a b c"
    key = lowering._key("api/main.js", bytes.fromhex(sha256(code)), lowering.NOTHING)
    await node.store.write([Step(lowering.KEEP.sql, lowering._row(key, made, 1))])
    await live.release("unread", {"api/main.js": code})
    reply = await live.both("unread")
    said = checked(reply, 500, "SYNTAX_ERROR")
    assert "secret source" not in said["error"]
    (line,) = await logged(live, "unread", reply)
    assert "api/main.js:3:7" in line.message
    assert "Unexpected token" in line.message


async def test_a_typescript_error_is_found_where_it_was_written(live: Live) -> None:
    """By the compiler, from the author's own file."""
    await live.release("types", {"api/main.ts": TYPES.encode()}, warm=False)
    reply = await live.by_aiohttp("types")
    said = checked(reply, 500, "HANDLER_ERROR")
    assert "name" in said["error"]
    assert "main.ts" not in said["error"]
    (line,) = await logged(live, "types", reply)
    number = next(n for n, text in enumerate(TYPES.splitlines(), 1) if "bird.name.length" in text)
    column = TYPES.splitlines()[number - 1].index("bird.name.length") + len("bird.") + 1
    assert f"api/main.ts:{number}:" in line.message
    found = int(line.message.partition(f"api/main.ts:{number}:")[2].split(")")[0].split("\n")[0])
    assert abs(found - column) <= len("bird.name")
    assert "TypeError" in line.message
    assert (await live.both("types")).json["error"] == said["error"]


async def test_an_error_in_a_bundle_is_found_in_its_source(live: Live) -> None:
    """A bundle that was made elsewhere carries a map of its own."""
    source = "export function find() {\n  const bird = undefined;\n  return bird.name;\n}\n"
    bundle = "function find(){const bird=undefined;return bird.name}module.exports=()=>find();\n"
    # line 1: column 0 → 1:0, column 15 → 2:2, column 36 → 3:2, column 43 → 3:9
    segments = [(0, 0, 0), (15, 1, 2), (36, 2, 2), (43, 2, 9)]
    mapped, last = [], (0, 0, 0)
    for column, line, at in segments:
        mapped.append("".join(vlq(value) for value in (column - last[0], 0, line - last[1], at - last[2])))
        last = (column, line, at)
    map_ = {
        "version": 3,
        "sources": ["../src/find.ts"],
        "sourcesContent": [source],
        "names": [],
        "mappings": ",".join(mapped),
    }
    inline = base64.b64encode(json.dumps(map_).encode()).decode()
    code = bundle + f"//# sourceMappingURL=data:application/json;base64,{inline}\n"
    await live.release("bundle", {"api/main.js": code.encode()}, warm=False)
    reply = await live.by_aiohttp("bundle")
    checked(reply, 500, "HANDLER_ERROR")
    (line,) = await logged(live, "bundle", reply)
    assert "src/find.ts:3:" in line.message


def vlq(value: int) -> str:
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    value = value << 1 if value >= 0 else (-value << 1) | 1
    text = ""
    while True:
        value, digit = value >> 5, value & 31
        text += digits[digit | (32 if value else 0)]
        if not value:
            return text


SECRET = "s3cr3t-of-the-nest"
TELLS = """
module.exports = () => {
  const token = fazt.env.get("TOKEN");
  console.log("it is", token, { token });
  throw Object.assign(new Error("cannot use " + token + ", nor " + encodeURIComponent(token)), { name: "E " + token });
};
"""


async def test_secrets_stay_out_of_what_is_told_and_logged(live: Live) -> None:
    await live.app("tells", TELLS)
    await live.running.run("env.put", app="tells", name="TOKEN", value=SECRET)
    await live.warm("tells")
    reply = await live.both("tells")
    checked(reply, 500, "HANDLER_ERROR")
    assert SECRET.encode() not in reply.body
    lines = await logged(live, "tells", reply)
    assert len(lines) == 2
    assert not any(SECRET in line.message for line in lines)
    shown = await live.running.run("apps.invoke", app="tells")
    assert SECRET not in repr(shown)


async def test_what_an_instance_remembers(live: Live) -> None:
    """Its own modules, but nothing of another's request."""
    replies = [(await live.ask("counter", "GET", "/api/x")).json for _ in range(5)]
    assert [reply["n"] for reply in replies] == list(range(replies[0]["n"], replies[0]["n"] + 5))
    await live.app("fresh", {"api/main.js": COUNTER, "app.json": '{"isolation": "request"}'})
    for _ in range(3):
        assert (await live.both("fresh")).json == {"n": 1, "leak": 1, "seen": None}


async def test_a_dead_instance_is_not_used_again(live: Live) -> None:
    code = """
    let n = 0;
    module.exports = (request) => { n++; if (request.query.die) for (;;) ; return { n }; };
    """
    await live.running.run("config.set", name="limits.runtime.maxCpuSeconds", value=0.05)
    await live.app("dying", code)
    assert (await live.ask("dying")).json == {"n": 1}
    assert (await live.ask("dying")).json == {"n": 2}
    checked(await live.ask("dying", "GET", "/api/?die=1"), 500, "CPU_LIMIT")
    assert (await live.ask("dying")).json == {"n": 1}
    await live.running.run("config.unset", name="limits.runtime.maxCpuSeconds")


# --- many at once

BUSY = """
module.exports = async (request) => {
  if (request.query.wait) await fazt.sleep(Number(request.query.wait));
  return "done";
};
"""


@pytest_asyncio.fixture(loop_scope="module")
async def narrow(live: Live) -> AsyncIterator[Live]:
    """One request of an app at a time."""
    names = ("limits.runtime.maxConcurrentPerApp", "limits.runtime.maxQueue")
    for name, value in zip(names, (1, 1000), strict=True):
        await live.running.run("config.set", name=name, value=value)
    await live.app("busy", BUSY)
    for _ in range(3):
        await live.ask("busy")
    yield live
    live.only_aiohttp = False
    for name in names:
        await live.running.run("config.unset", name=name)


@pytest.mark.parametrize("only_aiohttp", [False, True])
async def test_too_many_are_told_to_come_again(narrow: Live, only_aiohttp: bool) -> None:
    live, runtime = narrow, narrow.running.node.runtime
    await live.running.run("config.set", name="limits.runtime.maxQueue", value=2)
    live.only_aiohttp = only_aiohttp
    first = asyncio.ensure_future(live.ask("busy", "GET", "/api/slow?wait=300"))
    await live.until(lambda: runtime.seats.total)
    waiting = [asyncio.ensure_future(live.ask("busy", "GET", "/api/slow?wait=1")) for _ in range(2)]
    await live.until(lambda: runtime.seats.waiting == 2, 5)
    for _ in range(3):
        refused = await live.ask("busy", "GET", "/api/slow?wait=1")
        checked(refused, 503, "SERVICE_UNAVAILABLE")
        assert refused.get("retry-after") == "1"
    assert {(await one).body for one in (first, *waiting)} == {b"done"}
    # nothing is left of those that were refused
    await live.quiet()
    assert (runtime.seats.total, runtime.seats.waiting) == (0, 0)


async def test_whoever_waits_and_leaves_is_forgotten(narrow: Live) -> None:
    live, runtime = narrow, narrow.running.node.runtime
    first = asyncio.ensure_future(live.ask("busy", "GET", "/api/slow?wait=200"))
    await live.until(lambda: runtime.seats.total)
    async with live.line() as line:
        line.send(live.request("busy", "GET", "/api/slow?wait=1"))
        await live.until(lambda: runtime.seats.waiting == 1, 5)
        line.abort()
    await live.until(lambda: runtime.seats.waiting == 0)
    assert (await first).body == b"done"
    await live.quiet()


async def test_a_long_queue_of_quick_requests(narrow: Live) -> None:
    """Each is over at once and lets the next one in, which must not pile up."""
    live, runtime = narrow, narrow.running.node.runtime
    first = asyncio.ensure_future(live.ask("busy", "GET", "/api/slow?wait=500"))
    await live.until(lambda: runtime.seats.total)
    waiting = [asyncio.ensure_future(live.ask("busy", "GET", "/api/long")) for _ in range(400)]
    await live.until(lambda: runtime.seats.waiting == 400, 5)
    assert (await first).body == b"done"
    assert {(await one).body for one in waiting} == {b"done"}
    await live.quiet()
    assert (runtime.seats.total, runtime.seats.waiting) == (0, 0)


# --- the end


async def test_a_stop_waits_for_what_is_read_slowly(tmp_path: Path) -> None:
    await _stopped_while_it_answers(tmp_path, "direct")


async def test_a_stop_waits_for_answers(tmp_path: Path) -> None:
    await _stopped_while_it_answers(tmp_path, "aiohttp")


async def _stopped_while_it_answers(tmp_path: Path, way: str) -> None:
    code = """
    module.exports = async () => { await fazt.sleep(300); return { text: "x".repeat(8 << 20) }; };
    """
    async with living(tmp_path) as live:
        await live.app("last", code)
        live.only_aiohttp = way == "aiohttp"
        async with live.line() as line:
            line.writer.transport.pause_reading()  # type: ignore[attr-defined]
            line.send(live.request("last"))
            await live.until(lambda: live.running.node.runtime.active)
            draining = asyncio.ensure_future(live.running.server.drain(10, breath=0))
            await live.until(lambda: not live.running.node.runtime.active)
            line.writer.transport.resume_reading()  # type: ignore[attr-defined]
            reply = await line.reply()
            assert (reply.status, len(reply.body)) == (200, 8 << 20)
            await draining


async def test_a_stop_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "PARTING_SECONDS", 0.05)
    async with living(tmp_path) as live:
        await live.app("slow", "module.exports = async () => { await fazt.sleep(1e6); };")
        async with live.line() as line, live.line() as other:
            line.send(live.request("slow"))
            other.send(live.request("slow", "GET", "/api", [("Via", "x")]))
            await live.until(lambda: len(live.running.node.runtime.active) == 2)
            await live.running.server.drain(0.2, breath=0)
            await live.running.node.runtime.stop()
            assert (await line.reply()).status == 0
