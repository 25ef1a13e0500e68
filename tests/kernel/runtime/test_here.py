"""What is tried on the event loop: nobody can see of it what has not happened."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kernel.runtime.quick import FIRST_WAIT
from tests.kernel.runtime.live import Live, living

KEEPS = """
let ready = null;
module.exports = request => {
  if (request.query.w) { fazt.storage.kv.set('k' + request.query.w, 1); ready = request.query.w; }
  return { ready };
};
"""
READS = """
module.exports = request => {
  const kv = fazt.storage.kv;
  const before = kv.get('n') ?? 0;
  kv.set('n', before + 1);
  console.log(`was ${before}`);
  return { before, after: kv.get('n') };
};
"""
STREAMS = """
exports.__esModule = true;
exports.default = { async fetch() {
  fazt.storage.kv.set('k', 1);
  let timer;
  return new Response(new ReadableStream({
    start(c) { const tick = () => { c.enqueue('x'); timer = setTimeout(tick, 20); }; tick(); },
    cancel() { clearTimeout(timer); } }));
} };
"""
SLOW = """
module.exports = request => {
  if (request.query.slow) for (let i = 0; i < 200_000; i++);
  return {};
};
"""


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with living(tmp_path) as made:
        yield made


async def learned(live: Live, name: str, path: str = "/api") -> Any:
    """Ask until the route is known to be quick; the app's program."""
    program = None
    for _ in range(4):
        assert (await live.ask(name, "GET", path)).status == 200
        programs = live.running.node.programs
        program = next(one for one in programs._known.values() if one.about.name == name or one.app == live.apps[name])
    assert program is not None
    return program


@contextmanager
def held_back(live: Live) -> Iterator[threading.Event]:
    """Nothing is committed until the event is set."""
    writer, go = live.running.node.store.writer, threading.Event()
    commit = writer._commit

    def later(group: Any) -> None:
        go.wait(20)
        commit(group)

    writer._commit = later  # type: ignore[method-assign]
    try:
        yield go
    finally:
        go.set()
        del writer._commit  # type: ignore[method-assign]


async def test_a_write_that_fails_is_heard_where_it_was_written(live: Live) -> None:
    await live.app("keeps", KEEPS)
    await learned(live, "keeps")
    live.running.node.settings.override("limits.storage.kv.maxKeysPerApp", 0)
    for n in (1, 2):
        reply = await live.ask("keeps", "GET", f"/api?w={n}")
        assert (reply.status, reply.json["code"]) == (500, "HANDLER_ERROR")
    live.running.node.settings.override("limits.storage.kv.maxKeysPerApp", 100)
    assert (await live.ask("keeps", "GET", "/api")).json == {"ready": None}, "what failed has left no trace"


async def test_nobody_sees_what_is_not_committed(live: Live) -> None:
    await live.app("keeps", KEEPS)
    await learned(live, "keeps")
    with held_back(live) as go:
        writing = asyncio.ensure_future(live.ask("keeps", "GET", "/api?w=1"))
        await live.until(lambda: live.running.node.store.writer._waiting or live.running.node.runtime.active)
        assert (await live.ask("keeps", "GET", "/api")).json == {"ready": None}
        assert not writing.done()
        go.set()
        assert (await writing).json == {"ready": "1"}
    assert (await live.running.run("storage.kv.entry", app="keeps", key="k1")).value == 1


async def test_who_reads_what_he_wrote_sees_it_once(live: Live) -> None:
    await live.app("reads", READS)
    seen = [(await live.ask("reads", "GET", "/api")).json for _ in range(6)]
    assert seen == [{"before": n, "after": n + 1} for n in range(6)]
    said = [line.message for line in await live.logs("reads")]
    assert sorted(said) == [f"was {n}" for n in range(6)], "what was given up has not been logged"


async def test_a_client_that_leaves_during_the_commit_is_forgotten(live: Live) -> None:
    await live.app("streams", STREAMS)
    program = await learned_stream(live)
    assert program.routes.may_try("GET ")
    runtime = live.running.node.runtime
    with held_back(live) as go:
        async with live.line() as line:
            line.send(live.request("streams", "GET", "/api"))
            await live.until(lambda: runtime.active)
            line.abort()
        go.set()
    await live.until(lambda: not runtime.active and not runtime.seats.total)


async def learned_stream(live: Live) -> Any:
    # the first of something may well be slow, and is then looked at again some runs later
    for _ in range(12):
        async with live.line() as line:
            line.send(live.request("streams", "GET", "/api"))
            assert (await line.head())[0] == 200
        await live.until(lambda: not live.running.node.runtime.active)
        program = next(iter(live.running.node.programs._known.values()))
        if program.routes.may_try("GET "):
            break
    return program


async def test_a_commit_that_takes_too_long_is_given_up(live: Live) -> None:
    await live.app("keeps", {"api/main.js": KEEPS, "app.json": '{"limits": {"runtime": {"maxExecutionSeconds": 1}}}'})
    await learned(live, "keeps")
    runtime = live.running.node.runtime
    with held_back(live) as go:
        # the first is taken by the writer, and must be waited for; the second can be withdrawn
        first = asyncio.ensure_future(live.ask("keeps", "GET", "/api?w=1"))
        await live.until(lambda: runtime.active and not live.running.node.store.writer._waiting)
        second = await live.ask("keeps", "GET", "/api?w=2")
        assert (second.status, second.json["code"]) == (504, "TIMEOUT")
        go.set()
        assert (await first).status == 200
    assert runtime.seats.total == 0
    kept = await live.running.run("storage.kv.list", app="keeps")
    assert [entry.key for entry in kept.items] == ["k1"]


async def test_a_try_that_took_long_is_learned_from(live: Live) -> None:
    await live.app("slow", SLOW)
    program = await learned(live, "slow")
    assert program.routes.may_try("GET ")
    await live.ask("slow", "GET", "/api?slow=1")
    assert not program.routes.may_try("GET ")
    assert 0 < program.routes.wait["GET "] <= 2 * FIRST_WAIT


LATE = """
module.exports = async request => {
  await fazt.sleep(Number(request.query.wait));
  fazt.storage.kv.set('late', 1);
  return {};
};
"""


async def test_what_is_written_after_the_purge_is_not_kept(live: Live) -> None:
    app = await live.app("late", LATE)
    node = live.running.node
    writing = asyncio.ensure_future(live.ask("late", "GET", "/api?wait=150"))
    await live.until(lambda: node.runtime.active)
    await live.running.run("apps.delete", app="late", purge=True, confirm="late")
    reply = await writing
    assert reply.status in (0, 500)
    rows = node.store.reader().execute("select count(*) from app_kv where app_id = ?", (app,)).fetchall()
    assert rows == [(0,)]


async def test_what_visitors_asked_of_an_app_that_was_deleted_does_not_go_on(live: Live) -> None:
    await live.app("late", LATE)
    runtime = live.running.node.runtime
    waiting = asyncio.ensure_future(live.ask("late", "GET", "/api?wait=20000"))
    await live.until(lambda: runtime.active)
    await live.running.run("apps.delete", app="late")
    await runtime.sweep()
    await live.until(lambda: not runtime.active)
    waiting.cancel()
