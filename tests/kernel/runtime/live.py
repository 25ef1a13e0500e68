"""Apps with code on a node with sockets, and clients that speak to them byte by byte.

A request has two ways to an app's code: the direct one and that of aiohttp. `both` sends it on each and insists that
nobody can tell them apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernel.net.straight import Connection
from kernel.runtime.lower import lowering
from kernel.runtime.lower.lowered import Lowered, Style
from kernel.syscall import Step
from tests.kernel.fs.site import deploy, sha256
from tests.support import Running
from tests.support import running as node

PATIENCE = 20
Headers = Sequence[tuple[str, str]]
# they differ from one answer to the next
VARYING = ("date", "x-request-id")


@dataclass
class Reply:
    """One answer as it stood on the wire. Status 0: the connection ended without one."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    broken: bool = False  # it ended early

    def get(self, name: str) -> str | None:
        """The value of a header that is there at most once."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) < 2, self.headers
        return found[0] if found else None

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def shown(self) -> tuple[int, list[tuple[str, str]], bytes, bool]:
        """What must be the same whoever answers."""
        headers = sorted(pair for pair in self.headers if pair[0] not in VARYING)
        return self.status, headers, _without_ids(self.body), self.broken


def _without_ids(body: bytes) -> bytes:
    return re.sub(rb"req_[0-9a-z]+", b"req_", body)


class Line:
    """A connection."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def __aenter__(self) -> Line:
        port = self._live.running.site.port
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self, method: str = "GET") -> Reply:
        async with asyncio.timeout(PATIENCE):
            status, headers = await self.head()
            if not status:
                return Reply(0, [], b"", broken=True)
            try:
                return Reply(status, headers, await self._body(method, status, dict(headers)))
            except (asyncio.IncompleteReadError, ConnectionError):
                return Reply(status, headers, b"", broken=True)

    async def head(self) -> tuple[int, list[tuple[str, str]]]:
        try:
            data = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, []
        first, *lines = data.decode("latin-1")[:-4].split("\r\n")
        pairs = [line.partition(": ") for line in lines]
        return int(first.split(" ")[1]), [(name.lower(), value) for name, _, value in pairs]

    async def _body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status in (204, 304) or status < 200:
            return b""
        if headers.get("transfer-encoding") == "chunked":
            found = b""
            while chunk := await self.chunk():
                found += chunk
            return found
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        return await self.reader.read()

    async def chunk(self) -> bytes:
        """The next chunk; nothing at the end."""
        async with asyncio.timeout(PATIENCE):
            size = int((await self.reader.readuntil(b"\r\n"))[:-2], 16)
            data = await self.reader.readexactly(size + 2)
            return data[:-2]

    async def ended(self) -> bytes:
        """What still comes until the other side closes."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
            return b""


@dataclass
class Live:
    running: Running
    direct: int = 0  # requests that took the direct way
    only_aiohttp: bool = False
    apps: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        gate = self.running.server.gate
        answers = gate.answers

        def counted(connection: Connection, data: bytes) -> bool:
            taken = not self.only_aiohttp and answers(connection, data)
            self.direct += taken
            return taken

        gate.answers = counted

    # --- apps

    async def app(
        self, name: str, code: str | bytes | Mapping[str, str | bytes], style: Style = "module", **said: Any
    ) -> str:
        """A public app with code that runs as it is written; its id. The engine and the code are ready then."""
        given = {"api/main.js": code} if isinstance(code, str | bytes) else code
        files = {path: data.encode() if isinstance(data, str) else data for path, data in given.items()}
        for path, data in files.items():
            if path.startswith("api/") and lowering.can_lower(path):
                await self.known(path, data, style)
        return await self.release(name, files, **said)

    async def release(self, name: str, files: Mapping[str, bytes], *, warm: bool = True, **said: Any) -> str:
        if name not in self.apps:
            made = await self.running.run("apps.create", slug=name, title=name, visibility="public")
            self.apps[name] = made.id
        await deploy(self.running, name, files, **said)
        if warm:
            await self.warm(name)
        return self.apps[name]

    async def known(self, path: str, code: bytes, style: Style) -> None:
        """As if this node had seen this code before: nobody has to wait for the compiler."""
        if path.endswith(".json"):
            made = lowering.from_json(path, code.decode())
        else:
            made = Lowered(code, style)
        key = lowering._key(path, bytes.fromhex(sha256(code)), lowering.NOTHING)
        await self.running.node.store.write(
            [Step(lowering.KEEP.sql, lowering._row(key, made, self.running.clock.now()))]
        )

    async def warm(self, name: str) -> None:
        node = self.running.node
        await node.runtime.open()
        edition = node.editions.of(self.apps[name], None)
        assert edition is not None
        if edition.handler:
            await node.programs.of(edition, edition.handler)

    async def logs(self, name: str) -> list[Any]:
        app = self.apps[name]
        return list(self.running.node.lines.recent(lambda line: line.app == app))

    # --- requests

    def host(self, app: str) -> str:
        site = self.running.site
        return f"{app + '.' if app else ''}{site.domain}:{site.port}"

    def request(
        self, app: str, method: str = "GET", path: str = "/api", headers: Headers = (), body: bytes | None = None
    ) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host(app)}"]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")

    def line(self) -> Line:
        return Line(self)

    async def send(self, data: bytes, method: str = "GET") -> Reply:
        """Bytes on a connection of their own."""
        async with self.line() as line:
            line.send(data)
            return await line.reply(method)

    async def ask(self, app: str, method: str = "GET", path: str = "/api", *how: Any, **named: Any) -> Reply:
        return await self.send(self.request(app, method, path, *how, **named), method)

    async def by_aiohttp(self, app: str, method: str = "GET", path: str = "/api", *how: Any, **named: Any) -> Reply:
        self.only_aiohttp = True
        try:
            return await self.ask(app, method, path, *how, **named)
        finally:
            self.only_aiohttp = False

    async def both(
        self, app: str, method: str = "GET", path: str = "/api", *how: Any, direct: bool = True, **named: Any
    ) -> Reply:
        """The same by both ways; `direct`: does the direct one take it?"""
        before = self.direct
        first = await self.ask(app, method, path, *how, **named)
        assert self.direct == before + direct, "it took the other way"
        second = await self.by_aiohttp(app, method, path, *how, **named)
        # and again, for what was learned from the first time
        third = await self.ask(app, method, path, *how, **named)
        for other in (second, third):
            assert first.shown == other.shown, f"{first.shown!r:.2000}\nis not\n{other.shown!r:.2000}"
        assert first.get("x-request-id") != second.get("x-request-id")
        return first

    async def quiet(self) -> None:
        """Waits until no code runs and nobody waits for any."""
        async with asyncio.timeout(PATIENCE):
            while self.running.node.runtime.active:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.005)

    async def until(self, what: Any, patience: float = PATIENCE) -> None:
        async with asyncio.timeout(patience):
            while not what():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def living(path: Path, **how: Any) -> AsyncIterator[Live]:
    async with node(path / "data.db", **how) as made:
        await made.key("deploy")
        yield Live(made)
