"""Answers that are still being made while they are read, and what goes on after an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from kernel.net import straight
from kernel.net.door import Door
from kernel.net.gate import Gate
from kernel.runtime import flow, invocation
from tests.kernel.runtime.live import Live, living

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAMS = """
const encode = (text) => new TextEncoder().encode(text);
const kept = (name) => fazt.storage.kv.set(name, true);
const ways = {
  events() {
    let n = 0;
    return new ReadableStream({ async pull(c) {
      if (n++ === 3) return c.close();
      await fazt.sleep(1);
      c.enqueue(encode(`data: ${n}\\n\\n`));
    } });
  },
  waiting(name) {
    return new ReadableStream({
      start(c) { c.enqueue(encode("first")); },
      pull() { return new Promise(() => setTimeout(() => {}, 1e6)); },
      cancel() { kept("cancelled:" + name); },
    });
  },
  silent(name) {
    return new ReadableStream({
      pull() { return new Promise(() => setTimeout(() => {}, 1e6)); },
      cancel() { kept("cancelled:" + name); },
    });
  },
  endless(name) {
    const chunk = new Uint8Array(65536);
    let made = 0;
    return new ReadableStream({
      pull(c) { made++; c.enqueue(chunk); },
      cancel() { fazt.storage.kv.set("made:" + name, made); },
    });
  },
  failing() {
    return new ReadableStream({ async pull(c) {
      c.enqueue(encode("some"));
      await fazt.sleep(1);
      throw new Error("in the middle");
    } });
  },
  failing_at_once() { return new ReadableStream({ pull() { throw new Error("at once"); } }); },
  no_bytes() { return new ReadableStream({ start(c) { c.enqueue({}); } }); },
  stuck() { return new ReadableStream({ start(c) { c.enqueue(encode("x")); }, pull: () => new Promise(() => {}) }); },
  computing() {
    let n = 0;
    return new ReadableStream({ async pull(c) {
      if (n++ === 0) return c.enqueue(encode("x"));
      await fazt.sleep(1);
      for (;;) ;
    } });
  },
};
exports.default = { fetch(request, env, context) {
  const { searchParams } = new URL(request.url);
  const name = searchParams.get("name");
  request.signal.addEventListener("abort", () => kept("aborted:" + name));
  return new Response(ways[searchParams.get("way")](name), { headers: { "content-type": "text/event-stream" } });
} };
"""
AFTER = """
exports.default = { fetch(request, env, context) {
  const { searchParams } = new URL(request.url);
  const name = searchParams.get("name");
  const later = async () => { await fazt.sleep(Number(searchParams.get("ms")));
    fazt.storage.kv.set("later:" + name, 1); };
  context.waitUntil(searchParams.has("fails") ? Promise.reject(new Error("afterwards")) : later());
  return new Response("answered");
} };
"""
WAYS = pytest.mark.parametrize("direct", [True, False], ids=["direct", "aiohttp"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with living(tmp_path_factory.mktemp("node")) as made:
        await made.app("streams", STREAMS, "fetch")
        await made.app("after", AFTER, "fetch")
        yield made


@pytest.fixture(autouse=True)
def the_way(live: Live, request: pytest.FixtureRequest) -> None:
    found = getattr(request.node, "callspec", None)
    live.only_aiohttp = found is not None and found.params.get("direct") is False


async def kept(live: Live, app: str, key: str) -> None:
    async with asyncio.timeout(20):
        while key not in await keys(live, app):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)


async def keys(live: Live, app: str) -> set[str]:
    return {entry.key for entry in (await live.running.run("storage.kv.list", app=app)).items}


def asking(live: Live, way: str, name: str = "x") -> bytes:
    return live.request("streams", "GET", f"/api?way={way}&name={name}")


@WAYS
async def test_chunks_arrive_as_they_are_made(live: Live, direct: bool) -> None:
    async with live.line() as line:
        line.send(asking(live, "waiting", f"seen{direct}"))
        status, headers = await line.head()
        assert (status, dict(headers)["transfer-encoding"]) == (200, "chunked")
        assert await line.chunk() == b"first"
    await kept(live, "streams", f"cancelled:seen{direct}")
    await kept(live, "streams", f"aborted:seen{direct}")
    await live.quiet()
    assert live.running.node.runtime.seats.total == 0


@WAYS
async def test_a_head_does_not_wait_for_its_body(live: Live, direct: bool) -> None:
    async with live.line() as line:
        line.send(asking(live, "silent", f"silent{direct}"))
        async with asyncio.timeout(10):
            assert (await line.head())[0] == 200
    await kept(live, "streams", f"cancelled:silent{direct}")


@WAYS
async def test_events(live: Live, direct: bool) -> None:
    async with live.line() as line:
        for _ in range(2):
            line.send(asking(live, "events"))
            reply = await line.reply()
            assert reply.body == b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
            assert reply.get("content-type") == "text/event-stream"
    await live.quiet()


@WAYS
async def test_the_head_alone_lets_go_of_the_stream(live: Live, direct: bool) -> None:
    async with live.line() as line:
        for _ in range(2):
            line.send(live.request("streams", "HEAD", f"/api?way=endless&name=head{direct}"))
            reply = await line.reply("HEAD")
            assert (reply.status, reply.get("content-type")) == (200, "text/event-stream")
    await live.quiet()


@WAYS
async def test_whoever_reads_slowly_is_waited_for(live: Live, direct: bool) -> None:
    async with live.line() as line:
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        line.send(asking(live, "endless", f"slow{direct}"))
        running = await begun(live)
        await live.until(lambda: running.flow and running.flow.is_full and not running._stepping)
        assert running.flow
        pushed = running.flow.pushed
        for _ in range(100):
            await asyncio.sleep(0)
        # no more is made than there is room for
        assert running.flow.pushed == pushed
        assert running.flow._size <= flow.FULL + (1 << 18)
        line.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert (await line.head())[0] == 200
        for _ in range(200):
            assert len(await line.chunk()) > 0
        line.abort()
    await kept(live, "streams", f"made:slow{direct}")
    await live.quiet()


async def begun(live: Live) -> invocation.Invocation:
    """The only one that runs."""
    runtime = live.running.node.runtime
    await live.until(lambda: any(isinstance(one, invocation.Invocation) for one in runtime.active))
    (one,) = runtime.active
    assert isinstance(one, invocation.Invocation)
    return one


@WAYS
@pytest.mark.parametrize("way", ["failing", "computing", "stuck"])
async def test_an_error_in_the_middle_breaks_it_off(
    live: Live, direct: bool, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invocation, "STREAM_IDLE_SECONDS", 5.0)
    if way == "computing":
        await live.running.run("config.set", name="limits.runtime.maxCpuSeconds", value=0.05)
        await live.warm("streams")
    async with live.line() as line:
        line.send(asking(live, way))
        status, _ = await line.head()
        assert status == 200
        rest = await line.ended()
        assert not rest.endswith(b"0\r\n\r\n")
    await live.quiet()
    if way == "computing":
        await live.running.run("config.unset", name="limits.runtime.maxCpuSeconds")
        await live.warm("streams")
    last = (await live.logs("streams"))[-1]
    assert {"failing": "in the middle", "computing": "CPU_LIMIT", "stuck": "NEVER_SETTLED"}[way] in last.message


@WAYS
@pytest.mark.parametrize("way", ["failing_at_once", "no_bytes"])
async def test_an_error_before_the_first_byte(live: Live, direct: bool, way: str) -> None:
    async with live.line() as line:
        line.send(asking(live, way))
        rest = await line.ended()
        assert not rest.endswith(b"0\r\n\r\n")
        assert b"in the middle" not in rest
    await live.quiet()


@WAYS
async def test_a_stream_in_which_nothing_comes_ends(live: Live, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "STREAM_IDLE_SECONDS", 0.05)
    async with live.line() as line:
        line.send(asking(live, "waiting", f"idle{direct}"))
        assert (await line.head())[0] == 200
        assert not (await line.ended()).endswith(b"0\r\n\r\n")
    await live.quiet()
    assert "TIMEOUT" in (await live.logs("streams"))[-1].message


@WAYS
async def test_a_stream_does_not_last_for_ever(live: Live, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "STREAM_SECONDS", 0.05)
    async with live.line() as line:
        line.send(asking(live, "endless", f"long{direct}"))
        assert (await line.head())[0] == 200
        running = await begun(live)
        live.running.clock.advance(1)
        assert not (await line.ended()).endswith(b"0\r\n\r\n")
        assert running._ended
    await live.quiet()


class Wire:
    """A transport that knows whether anybody reads from it."""

    reading = True
    written = b""

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return "127.0.0.1", 1

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written += data


async def test_what_comes_while_an_answer_is_read_is_bounded() -> None:
    """Whoever sends without end and reads a little now and then does not fill the memory."""
    wire, came = Wire(), list[bytes]()
    gate = Gate()

    def answers(connection: straight.Connection, data: bytes) -> bool:
        came.append(data)
        return True

    gate.answers = answers
    door = Door(gate, lambda peer: None)
    door.connection_made(wire)  # type: ignore[arg-type]
    answer = straight.Straight(door, lambda: None)
    door.data_received(b"x" * (straight.MOST_WAITING + 1))
    assert not wire.reading
    door.pause_writing()
    door.resume_writing()
    assert not wire.reading
    answer.answer(b"done")
    assert wire.reading
    assert came == [b"x" * (straight.MOST_WAITING + 1)]


async def test_nothing_more_is_read_while_the_answer_is_not() -> None:
    wire = Wire()
    gate = Gate()
    gate.answers = lambda connection, data: True
    door = Door(gate, lambda peer: None)
    door.connection_made(wire)  # type: ignore[arg-type]
    answer = straight.Straight(door, lambda: None)
    door.data_received(b"x" * (straight.MOST_WAITING + 1))
    door.pause_writing()
    answer.answer(b"done")
    assert not wire.reading
    door.resume_writing()
    assert wire.reading


@WAYS
async def test_what_waits_behind_a_stream_is_answered(live: Live, direct: bool) -> None:
    async with live.line() as line:
        line.send(asking(live, "events") + asking(live, "events") + live.request("after", "GET", "/api?ms=0&name=b"))
        assert [(await line.reply()).status for _ in range(3)] == [200, 200, 200]
    await live.quiet()


@WAYS
async def test_what_is_left_to_do_is_done_after_the_answer(live: Live, direct: bool) -> None:
    async with live.line() as line:
        line.send(live.request("after", "GET", f"/api?ms=20&name=after{direct}"))
        assert (await line.reply()).body == b"answered"
        # whoever asked need not stay
        line.abort()
    await kept(live, "after", f"later:after{direct}")
    await live.quiet()


@WAYS
async def test_what_fails_after_the_answer_is_logged(live: Live, direct: bool) -> None:
    reply = await live.ask("after", "GET", "/api?fails=1")
    assert reply.body == b"answered"
    await live.quiet()
    found = [line for line in await live.logs("after") if line.request == reply.get("x-request-id")]
    assert any("afterwards" in line.message for line in found)


@WAYS
async def test_what_is_left_to_do_does_not_last_for_ever(
    live: Live, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invocation, "AFTER_SECONDS", 0.05)
    reply = await live.ask("after", "GET", "/api?ms=1000000&name=never")
    assert reply.body == b"answered"
    await live.quiet()
    found = [line for line in await live.logs("after") if line.request == reply.get("x-request-id")]
    assert any("TIMEOUT" in line.message for line in found)
