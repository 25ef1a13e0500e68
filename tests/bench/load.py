"""Load over HTTP: connections that send their next request as soon as the answer to the last one is whole."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.bench.measure import Turn

PATIENCE = 30.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
Request = Callable[[int], bytes]


class Refused(Exception):
    """An answer that is not a success: what it says."""


class Client:
    """All connections of one turn."""

    def __init__(self, request: Request) -> None:
        self.request, self.numbers, self.end = request, 0, 0.0
        self.latencies: list[float] = []

    def next(self) -> bytes:
        self.numbers += 1
        return self.request(self.numbers)

    async def drive(self, connections: Sequence[Connection], seconds: float) -> Turn:
        """All of them at once, for some time; each gets at least one answer."""
        self.latencies = []
        began = time.perf_counter()
        self.end = began + seconds
        await asyncio.gather(*(connection.start() for connection in connections))
        return Turn(len(self.latencies) / (time.perf_counter() - began), self.latencies)


class Connection(asyncio.Protocol):
    def __init__(self, client: Client) -> None:
        self.client, self.sent, self.unread = client, 0.0, b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def start(self) -> asyncio.Future[None]:
        self.done = asyncio.get_running_loop().create_future()
        self._send()
        return self.done

    def _send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.client.next())

    def data_received(self, data: bytes) -> None:
        self.unread += data
        head, found, body = self.unread.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or len(body) < (int(length[1]) if length else 0):
            return
        now = time.perf_counter()
        if not head.startswith(b"HTTP/1.1 2"):
            self._end(Refused(self.unread.decode(errors="replace")))
            return
        self.client.latencies.append(now - self.sent)
        self.unread = b""
        if now < self.client.end:
            self._send()
        else:
            self._end()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionError("the server closed the connection"))

    def _end(self, error: Exception | None = None) -> None:
        if self.done.done():
            return
        if error:
            self.done.set_exception(error)
        else:
            self.done.set_result(None)


async def load(port: int, request: Request, connections: int, seconds: float) -> Turn:
    """Requests per second on so many open connections; `request` makes the bytes of the Nth one."""
    loop = asyncio.get_running_loop()
    client = Client(request)
    # a server that stops answering must not stop the run
    async with asyncio.timeout(seconds + PATIENCE):
        made = [await loop.create_connection(lambda: Connection(client), "127.0.0.1", port) for _ in range(connections)]
        # how soon a server accepts is another question: the first answers do not count
        await client.drive([connection for _, connection in made], 0)
        turn = await client.drive([connection for _, connection in made], seconds)
    for transport, _ in made:
        transport.close()
    return turn


def post(host: str, path: str, body: bytes, key: str) -> bytes:
    """A request as a program sends it."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
