"""A connection until it needs more: simple requests for public files are answered from memory, at once.

Everything else goes to aiohttp's protocol, untouched and in order. Until then no aiohttp object exists for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from kernel.net.entry import Answer
from kernel.net.gate import NOBODY, Gate, Peer
from kernel.net.pace import Outflow
from kernel.net.proxies import proxy_header
from kernel.net.straight import Straight

SILENT_SECONDS = 20.0  # connected, and nothing said
IDLE_SECONDS = 75.0
HEAD_SECONDS = 5.0
PARTING_SECONDS = 2.0
MOST_PARTING = 256
MOST_AT_ONCE = 64
_API = b"/api"  # where a GET for an app's code says so: such a request is not looked for in memory first
MOST_BYTES_AT_ONCE = 1 << 18

Handler = Callable[[Peer], Any]


def write(transport: asyncio.WriteTransport, answer: Answer) -> None:
    if isinstance(answer, bytes):
        transport.write(answer)
    else:
        transport.writelines(answer)


class Door(asyncio.Protocol):
    __slots__ = (
        "_at",
        "_gate",
        "_handler",
        "_outflow",
        "_parting",
        "_paused",
        "_prefix",
        "_unix",
        "busy",
        "peer",
        "wire",
    )

    def __init__(self, gate: Gate, handler: Handler, unix: bool = False) -> None:
        self._gate, self._handler, self._unix = gate, handler, unix
        self.wire: Any = None
        self.peer = NOBODY
        self._at = 0.0  # when it was last heard of; below zero: nothing has come yet
        self._prefix: bytes | None = None  # what came of the PROXY protocol's header, while it is not whole
        self._paused = self._parting = False
        self._outflow: Outflow | None = None
        self.busy: Straight | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        gate = self._gate
        self.wire = transport
        self._at = -gate.now()
        gate.connections.add(self)
        self.peer = gate.peer(transport, self._unix)
        if gate.proxy_protocol and not self._unix:
            if not self.peer.trusted:
                gate.strangers += 1
                self.peer.counted = None
                self.abort()
                return
            self._prefix = b""
        self._admit()

    def _admit(self) -> None:
        refusal = self._gate.crowded(self.peer)
        if refusal:
            self._part(refusal)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._gate.left(self)
        self._gate.parting -= self._parting
        self._parting = False
        if self.busy is not None:
            self.busy.connection_lost()

    def eof_received(self) -> bool | None:
        return None

    def data_received(self, data: bytes) -> None:
        gate = self._gate
        easy = self._prefix is None and not self._parting and self.busy is None
        if easy and data[4:8] == _API and gate.answers(self, data):
            self._at = gate.now()
            return
        found = gate.front.find(data) if easy else None
        if found is not None:
            self._at = now = gate.now()
            answer = gate.answer(found, self.peer, now)
            if type(answer) is bytes:
                self.wire.write(answer)
            else:
                self.wire.writelines(answer)
            return
        self._slowly(data)

    def _slowly(self, data: bytes) -> None:
        if self._parting:
            return
        if self.busy is not None:
            self.busy.data_received(data)
            return
        if self._prefix is not None:
            data = self._unwrapped(self._prefix + data)
            if data and not self._parting:
                self.data_received(data)
            return
        data = self._several(data)
        if not data:
            return
        self._at = self._gate.now()
        if not self._gate.answers(self, data):
            self._hand_over(data)

    def go_on(self, data: bytes) -> None:
        self._at = self._gate.now()
        if self._paused and not self.wire.is_closing():
            # what was written is not read yet: nothing more is asked for
            self.wire.pause_reading()
        if data:
            self.data_received(data)

    def _several(self, data: bytes) -> bytes:
        """Answer the simple requests at the beginning; what is left is for aiohttp."""
        now, start, size = self._gate.now(), 0, 0
        for _ in range(MOST_AT_ONCE):
            end = data.find(b"\r\n\r\n", start) + 4
            # all of it as one request was looked for already
            alone = not start and end == len(data)
            found = None if end < 4 or alone or size > MOST_BYTES_AT_ONCE else self._gate.front.find(data[start:end])
            if found is None:
                break
            answer = self._gate.answer(found, self.peer, now)
            write(self.wire, answer)
            size += len(answer) if isinstance(answer, bytes) else sum(map(len, answer))
            start, self._at = end, now
        return data[start:] if start else data

    def _hand_over(self, data: bytes) -> None:
        """For good: aiohttp's handler becomes the protocol."""
        wire, handler = self.wire, self._handler(self.peer)
        self._gate.connections.discard(self)
        if self._paused:
            wire.resume_reading()
        wire.set_protocol(handler)
        handler.connection_made(wire)
        if self._paused:
            handler.pause_writing()
        handler.data_received(data)

    # --- the PROXY protocol

    def _unwrapped(self, data: bytes) -> bytes:
        """What stands behind the header; nothing while that is not whole."""
        if self._at < 0:
            self._at = self._gate.now()
        try:
            header = proxy_header(data)
        except ValueError:
            self.abort()
            return b""
        if header is None:
            self._prefix = data
            return b""
        self._prefix = None
        self.peer = self._gate.behind(self.peer, header.address)
        self._at = -self._gate.now()
        self._admit()
        return data[header.size :]

    # --- writing

    def pause_writing(self) -> None:
        self._paused = True
        self.wire.pause_reading()
        if self.busy is not None:
            self.busy.pause_writing()

    def resume_writing(self) -> None:
        self._paused = False
        if self._outflow is not None:
            self._outflow.moved = True
        if not self.wire.is_closing():
            self.wire.resume_reading()
        if self.busy is not None:
            self.busy.resume_writing()

    # --- its end

    def _part(self, answer: bytes) -> None:
        """Say why, and close once the other side has had time to read it: what it still sends is not looked at."""
        if self._gate.parting >= MOST_PARTING:
            self.abort()
            return
        self._gate.parting += 1
        self._parting, self._at = True, self._gate.now()
        self.wire.write(answer)
        if self.wire.can_write_eof():
            self.wire.write_eof()

    def sweep(self, now: float) -> None:
        quiet = now - abs(self._at)
        if self._parting:
            if quiet >= PARTING_SECONDS:
                self.abort()
            return
        waiting = self.wire.get_write_buffer_size()
        if waiting:
            if self._outflow is None:
                self._outflow = Outflow(now, waiting)
            elif self._outflow.stuck(now, waiting):
                self.abort()
            return
        self._outflow = None
        if self.busy is not None:
            return
        if self._prefix:
            limit = HEAD_SECONDS
        else:
            limit = SILENT_SECONDS if self._at < 0 else IDLE_SECONDS
        if quiet >= limit:
            self.close()

    def close(self) -> None:
        self.wire.close()

    def abort(self) -> None:
        self.wire.abort()
