"""aiohttp's server with our manners where it answers by itself, and with the door's fast way open between requests."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from kernel.base.errors import FaztError
from kernel.base.ids import new_id
from kernel.net import boundary
from kernel.net.canned import TOO_SLOW
from kernel.net.door import HEAD_SECONDS, IDLE_SECONDS, Door, write
from kernel.net.envelope import failure
from kernel.net.gate import NOBODY, OWNER, Gate, Peer
from kernel.net.pace import Inflow, Outflow
from kernel.net.straight import Straight

BUSY_SECONDS = 3600.0
logger = logging.getLogger("fazt.http")
# what we look at inside aiohttp's handler: its version is pinned, and one without these is used as it is
NEEDED = (
    "_buffer_paused",
    "_close",
    "_current_request",
    "_force_close",
    "_keepalive_timeout",
    "_message_tail",
    "_messages",
    "_next_keepalive_close_time",
    "_paused",
    "_payload_parser",
    "_reading_paused",
    "_request_count",
    "_upgraded",
    "_waiter",
)


class Plain(RequestHandler):
    """aiohttp's handler, but for what it says of requests that are no HTTP."""

    __slots__ = ("busy", "gate", "lost", "peer", "wire")

    def __init__(self, manager: WebServer, peer: Peer, **named: Any) -> None:
        super().__init__(manager, **named)
        self.gate, self.peer = manager.gate, peer
        self.wire: Any = None
        self.lost: Callable[[], None] | None = None  # told when whoever asks has gone
        self.busy: Straight | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = transport
        if self.peer is NOBODY:
            self.peer = self.gate.peer(transport, unix=False)
        if not self.peer.own:
            self.gate.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.gate.left(self)
        for gone in (self.lost, self.busy and self.busy.connection_lost):
            if gone:
                gone()
        super().connection_lost(exc)

    def sweep(self, now: float) -> None:
        """Nothing is known of its state; aiohttp closes it when it is idle."""

    def abort(self) -> None:
        self.wire.abort()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Our envelope, nothing of what was sent, and no trace in the log for what strangers send."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        id = new_id("req")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("a request failed", exc_info=exc, extra={"request": id})
        logger.debug("a request was refused", extra={"status": status, "why": type(exc).__name__})
        response = failure(_why(status, exc, message or ""), id)
        response.headers["Server"] = "fazt"
        response.headers["X-Request-ID"] = id
        response.force_close()
        return response


class Protocol(Plain):
    """Between two requests, when nothing is on its way, the fast way is open again."""

    __slots__ = ("_at", "_cut", "_head_at", "_inflow", "_missing", "_outflow", "_received")

    def __init__(self, manager: WebServer, peer: Peer, **named: Any) -> None:
        super().__init__(manager, peer, **named)
        self._missing = 0  # bytes of the last message (see `boundary`)
        self._received = 0
        self._at = self._head_at = 0.0  # last heard of; when the head that is not whole began
        self._inflow: Inflow | None = None
        self._outflow: Outflow | None = None
        self._cut = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._at = self.gate.now()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not data:  # aiohttp itself: reading goes on
            super().data_received(data)
            return
        if self.busy is not None:
            self.busy.data_received(data)
            return
        gate = self.gate
        self._at = now = gate.now()
        if self._missing == 0 and self._at_rest():
            found = gate.front.find(data)
            if found is not None:
                self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
                write(self.wire, gate.answer(found, self.peer, now))
                return
            if gate.answers(self, data):
                # longer than any answer takes: it is not idle meanwhile
                self._next_keepalive_close_time = self._loop.time() + BUSY_SECONDS
                return
        self._missing = boundary.after(self._missing, data)
        self._received += len(data)
        super().data_received(data)
        if not self._head_unfinished():
            self._head_at = 0.0
        elif not self._head_at:
            self._head_at = now

    def go_on(self, data: bytes) -> None:
        self._at = self.gate.now()
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if data:
            self.data_received(data)

    def _at_rest(self) -> bool:
        """Everything that came is answered, and nothing is held back."""
        waiter = self._waiter
        return (
            waiter is not None
            and not waiter.done()
            and not self._messages
            and not self._upgraded
            and self._payload_parser is None
            and not self._message_tail
            and not self._force_close
            and not self._close
            and not self._paused
            and not self._reading_paused
            and not self._buffer_paused
        )

    def _head_unfinished(self) -> bool:
        """Bytes came, no message was made of them, and none is being answered."""
        waiter = self._waiter
        if self._messages or self._upgraded:
            return False
        return not self._request_count if waiter is None else not waiter.done()

    def pause_writing(self) -> None:
        if self.busy is not None:
            self.busy.pause_writing()
        super().pause_writing()

    def resume_writing(self) -> None:
        if self._outflow is not None:
            self._outflow.moved = True
        if self.busy is not None:
            self.busy.resume_writing()
        super().resume_writing()

    # --- too slow, too quiet

    def sweep(self, now: float) -> None:
        waiting = self.wire.get_write_buffer_size()
        if not waiting:
            self._outflow = None
        elif self._outflow is None:
            self._outflow = Outflow(now, waiting)
        elif self._outflow.stuck(now, waiting):
            self.abort()
            return
        if self.busy is not None:
            self._at = now
            return
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            self._sweep_idle(now)
        else:
            self._at = now
            self._sweep_body(now)

    def _sweep_idle(self, now: float) -> None:
        self._inflow = None
        if self._head_at and now - self._head_at >= HEAD_SECONDS:
            if self.transport is not None:
                self.transport.write(TOO_SLOW)
            self.force_close()
        elif now - self._at >= IDLE_SECONDS:
            self.force_close()

    def _sweep_body(self, now: float) -> None:
        request = self._current_request
        coming = request is not None and not request.content.is_eof()
        if request is None or not coming or self._reading_paused or self._buffer_paused:
            self._inflow = None
        elif self._inflow is None:
            self._inflow = Inflow(now, self._received)
        elif self._inflow.slow(now, self._received):
            if self._cut:
                self.abort()
            self._cut = True
            request.content.set_exception(TooSlow("REQUEST_TIMEOUT", "The body came too slowly."))


class TooSlow(FaztError, TimeoutError):
    """To us an answer, to aiohttp the reason why the body never ends."""


# the parser refuses a method it does not know, and says where it stopped: right behind a whole word of capitals
_UNKNOWN_METHOD = re.compile(r"Invalid method encountered:\s+b?['\"](?=[A-Z_-]{1,32} /)")


def _why(status: int, exc: BaseException | None, message: str) -> FaztError:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FaztError("INTERNAL_ERROR", "Something went wrong inside Fazt.")
    text = f"{exc} {message}"
    if isinstance(exc, LineTooLong):
        # the parser quotes what it was reading: a target begins with a slash, or with the scheme of an absolute one
        line = text.partition("when reading")[2]
        at_target = any(mark in line[:24] for mark in ("'/", "'http", '"/', '"http', "Status line", "status line"))
        if at_target:
            return FaztError("URI_TOO_LONG", "The address is too long.")
        return FaztError("HEADERS_TOO_LARGE", "The headers are too large.")
    if _UNKNOWN_METHOD.search(text):
        return FaztError("METHOD_NOT_ALLOWED", "The method is not answered here.", allow=["GET", "HEAD"])
    if "Too many headers" in text:
        return FaztError("HEADERS_TOO_LARGE", "There are too many headers.")
    return FaztError("BAD_REQUEST", "The request is not HTTP as it should be.")


class WebServer(web.Server):
    """Makes what answers a connection: by the door, plainly, or for the owner."""

    def __init__(self, handler: Any, *, gate: Gate | None = None, **named: Any) -> None:
        super().__init__(handler, **named)
        self.gate = gate or Gate()
        self.kind: type[Plain] = Protocol
        missing = [name for name in NEEDED if not hasattr(RequestHandler, name)]
        if missing:
            logger.warning("this aiohttp is unknown: requests take the slow way", extra={"missing": missing})
            self.kind = Plain

    def door(self) -> asyncio.Protocol:
        return Door(self.gate, self.handler)

    def door_of_unix(self) -> asyncio.Protocol:
        return Door(self.gate, self.handler, unix=True)

    def handler(self, peer: Peer) -> Plain:
        return self.kind(self, peer, loop=self._loop, **self._kwargs)

    def plain(self) -> Plain:
        """aiohttp alone: what the door is compared with."""
        return Plain(self, NOBODY, loop=self._loop, **self._kwargs)

    def own(self) -> Plain:
        return Plain(self, OWNER, loop=self._loop, **self._kwargs)

    def close_idle(self) -> None:
        """Close what nobody waits on. A connection that is told to close throws away what still comes, so one whose
        request is on its way is left alone: it closes with its answer."""
        for connection in list(self.gate.connections):
            if isinstance(connection, Door) and connection.busy is None:
                connection.close()
        plain: list[Any] = list(self.connections)
        for handler in plain:
            if handler._current_request is None and not handler._messages and handler.busy is None:
                handler.close()
