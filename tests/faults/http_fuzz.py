"""Random programs of requests, spoken to a node by its door and past it: whoever asks must not see a difference."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import random
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aiohttp import web

from kernel.net import sockets
from kernel.net.asked import Asked
from kernel.net.entry import Entry
from kernel.net.router import Endpoint
from kernel.net.server import Server
from tests import support
from tests.kernel.fs.site import deploy

PATIENCE = 30.0
# they differ from answer to answer, or only one of the two says them
NOT_COMPARED = {"date", "x-request-id", "server", "keep-alive"}
REQUEST_ID = re.compile(rb"req_[0-9a-z]+")
WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


# --- the site that is asked


class Site(Protocol):
    """What stands behind the door: a host, and the paths of public files on it."""

    host: bytes

    @property
    def files(self) -> dict[bytes, bytes]: ...

    def tag(self, path: bytes) -> bytes: ...


class MemorySite:
    """A few public files, kept at the front when they are asked for, and slow and hungry endpoints between them."""

    host = b"localhost"
    files = {
        b"/f/index": b"<h1>hello</h1>" * 40,
        b"/f/tiny": b"t",
        b"/f/empty": b"",
        b"/f/large": bytes(range(256)) * 200,
        b"/f/blank": b"GET /f/tiny HTTP/1.1\r\nHost: localhost\r\n\r\n",
    }

    def __init__(self, server: Server) -> None:
        self.server = server
        for method in ("GET", "HEAD"):
            server.mount("root", Endpoint(method, "/f/{name}", self.file, "A public file."))
            server.mount("root", Endpoint(method, "/slow", self.slow, "Takes its time."))
        server.mount("root", Endpoint("POST", "/echo", self.echo, "Says what it was sent."))
        server.mount("root", Endpoint("POST", "/deaf", self.deaf, "Does not read what it is sent."))
        server.mount("root", Endpoint("GET", "/ws", self.websocket, "Says back what is said."))

    def tag(self, path: bytes) -> bytes:
        return b'"' + hashlib.sha256(self.files[path]).hexdigest()[:16].encode() + b'"'

    async def file(self, asked: Asked) -> web.StreamResponse:
        body = self.files.get(b"/f/" + asked.words["name"].encode())
        if body is None:
            return web.Response(status=404, text="no such file")
        front, request = self.server.gate.front, asked.request
        generation = front.generation()
        etag = self.tag(b"/f/" + asked.words["name"].encode()).decode()
        same = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body)), **same}
        policy = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        entry = Entry(
            "app_test",
            _head("200 OK", headers | policy),
            body,
            (etag.encode(), b'"another-coding"'),
            _head("304 Not Modified", same | policy),
        )
        if asked.request.method == "GET":
            front.keep(
                generation,
                request.headers["Host"].lower().encode(),
                request.raw_path.partition("?")[0].encode(),
                request.headers.get("Accept-Encoding", "").encode(),
                entry,
            )
        known = request.headers.getall("If-None-Match", [])
        if known and entry.means(",".join(known).encode()):
            return web.Response(status=304, headers=same)
        return web.Response(body=body, headers=headers)

    async def slow(self, asked: Asked) -> web.StreamResponse:
        for _ in range(40):
            await asyncio.sleep(0)
        return web.Response(text="slow")

    async def echo(self, asked: Asked) -> web.StreamResponse:
        body = await asked.body()
        return web.Response(body=b"%d " % len(body) + hashlib.sha256(body).hexdigest().encode())

    async def deaf(self, asked: Asked) -> web.StreamResponse:
        return web.Response(text="what?")

    async def websocket(self, asked: Asked) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(asked.request)
        async for message in socket:
            await socket.send_str("echo:" + message.data)
        return socket


class DeployedSite(MemorySite):
    """The files of an app; the endpoints between them are on the other host."""

    host = b"blog.localhost"
    files = {
        b"/": b"<!doctype html><title>x</title>" + b"<p>hello</p>" * 400,
        b"/tiny.txt": b"t",
        b"/empty.txt": b"",
        b"/app.js": b"console.log('hello');\n" * 3000,
        b"/picture.png": bytes(range(256)) * 200,
        b"/large.bin": bytes(range(256)) * 1200,
        b"/blank.txt": b"GET /tiny.txt HTTP/1.1\r\nHost: blog.localhost\r\n\r\n",
    }

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.tags: dict[bytes, bytes] = {}

    def tag(self, path: bytes) -> bytes:
        return self.tags[path]

    async def prepare(self, running: support.Running) -> None:
        files = {path.decode()[1:] or "index.html": body for path, body in self.files.items()}
        await deploy(running, "blog", files)
        for path in self.files:
            answer = await running.ask("GET", path.decode(), host="blog.localhost")
            self.tags[path] = answer.headers["ETag"].encode()


def _head(status: str, headers: dict[str, str]) -> bytes:
    return (f"HTTP/1.1 {status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())).encode()


@dataclass
class Pair:
    """One node with two ports: by its door, and past it."""

    running: support.Running
    site: Site
    door: int
    plain: int


@contextlib.asynccontextmanager
async def pair(path: Path, kind: type[MemorySite] = MemorySite) -> AsyncIterator[Pair]:
    async with support.running(path) as made:
        opened = sockets.open_ports(("127.0.0.1", "127.0.0.2"), 0)
        server = made.server
        made.node.settings.apply("limits.net.requestBurst", 1_000_000)
        server.gate.refresh()
        site = kind(server)
        if isinstance(site, DeployedSite):
            await site.prepare(made)
        await server.listen(opened[:1])
        await server.listen(opened[1:], plain=True)
        yield Pair(made, site, *(sock.getsockname()[1] for sock in opened))


# --- programs


@dataclass
class Step:
    raw: bytes
    ends: bool = False  # nothing is answered on this connection afterwards
    whole: bool = False  # sent in one piece
    at: int = 0  # sent in two pieces, cut here: the second one alone looks like a request


@dataclass
class Program:
    """Requests on one connection, and how they are cut into pieces."""

    seed: int
    steps: list[Step]
    mode: str  # "pipe": all at once; "turn": one by one, unanswered; "lock": each after the answer to the one before
    cut: bool
    upgrade: bool = False
    random: random.Random = field(default_factory=random.Random)


AGENT = b"User-Agent: fuzz/1\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\nCookie: a=b; c=d\r\n"
AGENT += b"Upgrade-Insecure-Requests: 1\r\n"


def requests(site: Site, chance: random.Random) -> Step:
    """One request a client may send."""
    host = b"Host: " + chance.choice([site.host, site.host, site.host.upper()]) + b"\r\n"
    more = chance.choice([b"", b"", AGENT, AGENT, b"Connection: keep-alive\r\n", b"X-Forwarded-For: 1.2.3.4\r\n"])
    path = chance.choice(list(site.files)) + chance.choice([b"", b"", b"", b"?q=1", b"?"])
    tag = site.tag(path.partition(b"?")[0])
    kind = chance.randrange(23)
    if kind < 9:
        return Step(b"GET " + path + b" HTTP/1.1\r\n" + host + more + b"\r\n")
    if kind < 11:
        return Step(b"HEAD " + path + b" HTTP/1.1\r\n" + host + more + b"\r\n")
    if kind < 13:
        known = chance.choice([tag, b"W/" + tag, b'"zzz", ' + tag, b'"zzz"', b"*", b'"another-coding"', b"", b"x,,"])
        method = chance.choice([b"GET ", b"HEAD "])
        return Step(method + path + b" HTTP/1.1\r\n" + host + more + b"If-None-Match: " + known + b"\r\n\r\n")
    if kind < 17:
        return _post(host + more, chance)
    if kind == 17:
        inner = b"GET " + path + b" HTTP/1.1\r\n" + host + b"\r\n"
        start = chance.choice([b"GET /slow HTTP/1.1\r\nX: ", b"HEAD /nothing HTTP/1.1\r\nX: a\r\nY: "])
        return Step(start + inner, at=len(start))
    if kind >= 20:
        return Step(b"GET /slow HTTP/1.1\r\n" + host + more + b"\r\n")
    return Step(chance.choice(list(_odd(path, host + more))))


def _post(headers: bytes, chance: random.Random) -> Step:
    inner = b"GET /f/tiny HTTP/1.1\r\nHost: localhost\r\n\r\n"
    body = chance.choice([b"", b"abc\r\n\r\n", inner, inner * 3, b"z" * 40_000, b"\r\n\r\n" + inner])
    start = b"POST " + chance.choice([b"/echo", b"/echo", b"/deaf"]) + b" HTTP/1.1\r\n" + headers
    how = chance.randrange(5)
    if how < 2:
        return Step(start + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    if how == 2:
        return Step(start + b"content-length:\t%d \r\nExpect: 100-continue\r\n\r\n" % len(body) + body)
    cuts = sorted(chance.randrange(len(body) + 1) for _ in range(3))
    parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    chunks = b"".join(b"%x\r\n" % len(part) + part + b"\r\n" for part in parts if part)
    return Step(start + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")


def _odd(path: bytes, headers: bytes) -> Iterator[bytes]:
    """Legal, but not simple."""
    start = b"GET " + path + b" HTTP/1.1\r\n" + headers
    yield b"GET /slow HTTP/1.1\r\n" + headers + b"\r\n"
    yield b"GET /nothing/here HTTP/1.1\r\n" + headers + b"\r\n"
    yield start + b"Content-Length: 0\r\n\r\n"
    yield start + b"Content-Length: 5\r\n\r\nhello"
    yield start + b"Range: bytes=0-3\r\n\r\n"
    yield start + b"Authorization: Bearer nothing\r\n\r\n"
    yield start + b"If-Modified-Since: Sat, 01 Jan 2028 00:00:00 GMT\r\n\r\n"
    yield start + b"TE: trailers\r\n\r\n"
    yield start + b'If-None-Match: "a"\r\nIf-None-Match: "b"\r\n\r\n'
    yield start + b"Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    yield start + b"Upgrade: websocket\r\n\r\n"
    yield start + b"X: \xff\xfe\tx\r\n\r\n"
    yield b"\r\n" + start + b"\r\n"
    yield b"OPTIONS " + path + b" HTTP/1.1\r\n" + headers + b"\r\n"
    yield b"GET http://localhost" + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield b"GET " + path + b" HTTP/1.1\r\nHost: unknown.example\r\n\r\n"


def last(site: Site, chance: random.Random) -> Step:
    """What ends a connection: a request that says so, or one that is none."""
    host = b"Host: " + site.host + b"\r\n"
    path = chance.choice(list(site.files))
    get = b"GET " + path + b" HTTP/1.1\r\n" + host
    if chance.random() < 0.6:
        return Step(get + b"Connection: close\r\n\r\n", ends=True)
    return Step(
        chance.choice(
            [
                b"GET " + path + b" HTTP/1.0\r\n" + host + b"\r\n",
                get + b"Host: twice.example\r\n\r\n",
                get + b"X : a\r\n\r\n",
                get + b" X: a\r\n\r\n",
                get + b"X: a\rb\r\n\r\n",
                get + b"X: a\x00b\r\n\r\n",
                get + b"no colon\r\n\r\n",
                get + b": a\r\n\r\n",
                get + b"X: " + b"a" * 9000 + b"\r\n\r\n",
                get + b"".join(b"X-%d: a\r\n" % n for n in range(120)) + b"\r\n",
                b"GET " + path + b"?" + b"a" * 9000 + b" HTTP/1.1\r\n" + host + b"\r\n",
                b"GET " + path + b" HTTP/1.1\n" + host + b"\r\n",
                b"GET " + path + b" HTTP/2.0\r\n" + host + b"\r\n",
                b"GET " + path + b"\xff HTTP/1.1\r\n" + host + b"\r\n",
                b"get " + path + b" HTTP/1.1\r\n" + host + b"\r\n",
                b"POST /echo HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                b"POST /echo HTTP/1.1\r\n" + host + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
                b"POST /echo HTTP/1.1\r\n" + host + b"Content-Length: +3\r\n\r\nabc",
                b"POST /echo HTTP/1.1\r\n" + host + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                b"POST /echo HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
            ]
        ),
        ends=True,
        whole=True,
    )


def program(site: Site, seed: int) -> Program:
    chance = random.Random(seed)
    steps = [requests(site, chance) for _ in range(chance.randint(1, 8))]
    upgrade = chance.random() < 0.2
    if not upgrade:
        steps.append(last(site, chance))
    # what is no request is met at rest: which of the answers before it are lost otherwise is a matter of luck
    # nor does aiohttp hear what is sent behind an upgrade before it was declined
    alone = upgrade or steps[-1].whole or any(b"\r\nUpgrade: h2c" in step.raw for step in steps)
    mode = "lock" if alone else chance.choice(["pipe", "turn", "lock"])
    return Program(seed, steps, mode, chance.random() < 0.6, upgrade, chance)


# --- speaking them

# the other side has closed; uvloop says it with the second one
GONE = (ConnectionError, RuntimeError)
Heard = tuple[int, bytes, tuple[tuple[str, str], ...]]


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random) -> None:
        self.reader, self.writer, self.chance = reader, writer, chance

    async def send_step(self, step: Step, cut: bool) -> None:
        if step.at:
            await self.send(step.raw[: step.at], False)
            for _ in range(self.chance.choice([1, 3, 10])):
                await asyncio.sleep(0)
            await self.send(step.raw[step.at :], False)
        else:
            await self.send(step.raw, cut and not step.whole)

    async def send_all(self, steps: list[Step], cut: bool) -> None:
        for step in steps:
            await self.send_step(step, cut)
            for _ in range(self.chance.choice([0, 1, 2, 10])):
                await asyncio.sleep(0)

    async def send(self, raw: bytes, cut: bool) -> None:
        size = self.chance.choice([1, 3, 17, 60, 200, 5000]) if cut else len(raw)
        # a long body byte by byte takes long and shows nothing
        size = max(size, len(raw) // 200)
        for start in range(0, len(raw), max(1, size)):
            self.writer.write(raw[start : start + size])
            if cut:
                for _ in range(self.chance.choice([1, 1, 3])):
                    await asyncio.sleep(0)

    async def answer(self, head: bool) -> Heard | None:
        """The next answer; None: the other side has closed."""
        while True:
            try:
                text = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            status = int(text[9:12])
            if status != 100:
                break
        headers = [
            (name.strip().lower(), value.strip())
            for name, _, value in (line.partition(":") for line in text.decode("latin-1").split("\r\n")[1:-2])
        ]
        shown = tuple(sorted(pair for pair in headers if pair[0] not in NOT_COMPARED))
        size = 0 if head or status in (101, 204, 304) else int(dict(headers).get("content-length", 0))
        return status, REQUEST_ID.sub(b"req_", await self.reader.readexactly(size)), shown

    async def websocket(self, payload: bytes) -> bytes:
        """One message and what comes back: bytes that look like a request are none any more."""
        key = base64.b64encode(self.chance.randbytes(16))
        await self.send(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n",
            self.chance.random() < 0.3,
        )
        heard = await self.answer(False)
        if heard is None:
            return b"closed before"
        accepted = base64.b64encode(hashlib.sha1(key + WEBSOCKET.encode()).digest()).decode()
        assert heard[0] == 101 and ("sec-websocket-accept", accepted) in heard[2], heard
        assert len(payload) < 126
        self.writer.write(bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
        first, length = await self.reader.readexactly(2)
        assert first == 0x81
        size = length if length < 126 else int.from_bytes(await self.reader.readexactly(2))
        return await self.reader.readexactly(size)


async def speak(site: Site, spoken: Program, address: str, port: int) -> list[Heard | bytes | None]:
    """Everything a program hears, to the end of the connection."""
    heard: list[Heard | bytes | None] = []
    reader, writer = await asyncio.open_connection(address, port)
    client = Client(reader, writer, random.Random(spoken.seed))
    heads = [step.raw.lstrip().startswith(b"HEAD") for step in spoken.steps]
    sending: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(PATIENCE):
            if spoken.mode == "pipe":
                sending = asyncio.create_task(client.send(b"".join(step.raw for step in spoken.steps), spoken.cut))
            if spoken.mode == "turn":
                sending = asyncio.create_task(client.send_all(spoken.steps, spoken.cut and not spoken.seed % 3))
            for step, head in zip(spoken.steps, heads, strict=True):
                if spoken.mode == "lock":
                    await client.send_step(step, spoken.cut)
                heard.append(await client.answer(head))
                if heard[-1] is None:
                    break
            if spoken.upgrade and heard[-1] is not None:
                heard.append(await client.websocket(b"GET /f/tiny HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            elif heard[-1] is not None:
                heard.append(await reader.read())
    except GONE:
        heard.append(None)
    finally:
        if sending:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, *GONE):
                await sending
        writer.close()
    return heard


@dataclass
class Found:
    """What came out of some programs."""

    programs: int = 0
    answers: int = 0
    upgrades: int = 0
    fast: int = 0
    differences: list[str] = field(default_factory=list)


async def compare(made: Pair, spoken: Program, found: Found) -> None:
    by_door, past_it = await asyncio.gather(
        speak(made.site, spoken, "127.0.0.1", made.door), speak(made.site, spoken, "127.0.0.2", made.plain)
    )
    found.programs += 1
    found.answers += sum(isinstance(one, tuple) for one in by_door)
    found.upgrades += spoken.upgrade
    if by_door != past_it:
        at = next((n for n, (a, b) in enumerate(zip(by_door, past_it, strict=False)) if a != b), -1)
        shown = f"{by_door[at]!r:.300} past the door: {past_it[at]!r:.300}"
        asked = spoken.steps[min(at, len(spoken.steps) - 1)].raw
        found.differences.append(f"seed {spoken.seed}, {spoken.mode}, answer {at} to {asked!r:.200}: {shown}")


async def run(path: Path, seeds: range, kind: type[MemorySite] = MemorySite, at_once: int = 16) -> Found:
    """All programs of these seeds against one node."""
    found = Found()
    async with pair(path, kind) as made:
        made.running.server.gate.front.counted = lambda app, status, hits, sent: count(hits)

        def count(hits: int) -> None:
            found.fast += hits

        for start in range(seeds.start, seeds.stop, at_once):
            some = [program(made.site, seed) for seed in range(start, min(start + at_once, seeds.stop))]
            results = await asyncio.gather(*(compare(made, one, found) for one in some), return_exceptions=True)
            for one, result in zip(some, results, strict=True):
                if isinstance(result, BaseException):
                    found.differences.append(f"seed {one.seed}, {one.mode}: {result!r}")
        made.running.server.gate.front.flush()
    return found


def statuses(heard: bytes) -> list[int]:
    """The status of every answer in a stream of bytes whose bodies hold no status line."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", heard)]
