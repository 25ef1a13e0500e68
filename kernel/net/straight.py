"""A connection on which something else than aiohttp answers: what comes meanwhile waits for its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

MOST_WAITING = 64 * 1024


class Connection(Protocol):
    """What is answered on. `busy` is ours while we answer."""

    peer: Any
    busy: Straight | None

    @property
    def wire(self) -> Any: ...

    def go_on(self, data: bytes) -> None:
        """Answered; `data` is what came meanwhile."""


# answers a whole request on this connection, or says that it is for aiohttp
Answerer = Callable[[Connection, bytes], bool]


class Straight:
    """One answer on its way."""

    __slots__ = ("_connection", "_held", "_later", "_lost", "_room", "_wire", "gone")

    def __init__(self, connection: Connection, lost: Callable[[], None]) -> None:
        self._connection, self._wire, self._lost = connection, connection.wire, lost
        self._later = bytearray()
        self._held = self.gone = False
        self._room: asyncio.Event | None = None
        connection.busy = self

    # --- told by the connection

    def data_received(self, data: bytes) -> None:
        self._later += data
        if len(self._later) > MOST_WAITING and not self._held:
            self._held = True
            self._wire.pause_reading()

    def connection_lost(self) -> None:
        self.gone = True
        if self._room is not None:
            self._room.set()
        self._lost()

    def pause_writing(self) -> None:
        self._room = self._room or asyncio.Event()
        self._room.clear()

    def resume_writing(self) -> None:
        if self._room is not None:
            self._room.set()
        if self._held and not self.gone and not self._wire.is_closing():
            # the connection reads again, but enough waits here
            self._wire.pause_reading()

    # --- told by whoever answers

    def answer(self, data: bytes) -> None:
        if not self.gone:
            self._wire.write(data)
        self.end()

    async def stream(self, head: bytes, chunks: AsyncIterator[bytes]) -> None:
        """A head that promises chunks, and those as they come. An error on the way breaks the connection off."""
        try:
            self._wire.write(head)
            async for chunk in chunks:
                if self.gone:
                    self._lost()
                    break
                self._wire.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                if self._room is not None and not self._room.is_set():
                    await self._room.wait()
            else:
                self._wire.write(b"0\r\n\r\n")
                self.end()
                return
        except Exception:
            self._wire.abort()
        self.end()

    def end(self) -> None:
        connection = self._connection
        if connection.busy is not self:
            return
        connection.busy = None
        if self._held and not self.gone:
            self._wire.resume_reading()
        if not self.gone:
            connection.go_on(bytes(self._later))
