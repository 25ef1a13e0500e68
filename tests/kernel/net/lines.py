"""Connections to the door, as bytes: what the tests of the door share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import support
from tests.faults.http_fuzz import MemorySite
from tests.support import Running

GET = b"GET /f/tiny HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"
CLOSE = GET + b"Connection: close\r\n\r\n"
TINY = MemorySite.files[b"/f/tiny"]


class Line:
    """A connection to the node, as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def ask(self, data: bytes) -> int:
        """Send, and the status of the answer."""
        self.send(data)
        return await self.status()

    async def status(self) -> int:
        return (await self.answer())[0]

    async def answer(self) -> tuple[int, bytes, bytes]:
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            size = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            return int(head[9:12]), head, await self.reader.readexactly(int(size or 0))

    async def rest(self) -> bytes:
        """All that still comes; ends when the other side closes."""
        async with asyncio.timeout(20):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


class Lines:
    """Connections that end with the test."""

    def __init__(self, running: Running) -> None:
        self.running, self.open = running, list[Line]()

    async def __call__(self, address: str = "127.0.0.1") -> Line:
        port = self.running.site.port
        line = Line(*await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0)))
        self.open.append(line)
        return line

    async def seen(self, count: int | None = None) -> None:
        """Until the node has seen everything that was sent, and holds `count` connections."""
        async with asyncio.timeout(20):
            while count is not None and len(self.running.server.gate.connections) != count:  # noqa: ASYNC110 - what is waited for is not ours to signal
                await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        """The clock goes on, and the sweeper looks."""
        await self.seen()
        self.running.clock.advance(seconds)
        self.running.server._sweeper.sweep()
        await asyncio.sleep(0)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db") as made:
        MemorySite(made.server)
        yield made


@pytest.fixture
async def connect(node: Running) -> AsyncIterator[Lines]:
    lines = Lines(node)
    yield lines
    for line in lines.open:
        line.writer.transport.abort()


def limit(node: Running, **values: int) -> None:
    for name, value in values.items():
        node.node.settings.apply(f"limits.net.{name}", value)
    node.server.gate.refresh()
