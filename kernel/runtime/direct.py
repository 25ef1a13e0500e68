"""The straight way of a request for an app's code: from the door to the runtime and back, without aiohttp.

Only for what is plainly whole, for a public app whose code is ready, from somebody who says nothing of who he is. All
else takes the usual way, where the same is answered.
"""

from __future__ import annotations

import asyncio
import functools
from email.utils import formatdate

from kernel.base.errors import FaztError
from kernel.base.ids import new_id
from kernel.base.json import encode
from kernel.net import whole
from kernel.net.gate import Gate
from kernel.net.hosts import Hosts, parse_host
from kernel.net.server import Server
from kernel.net.sites import Sites, is_api
from kernel.net.straight import Connection, Straight
from kernel.net.visits import Visits
from kernel.runtime.answers import Answer, Head, made_head
from kernel.runtime.http import told
from kernel.runtime.incoming import Incoming, visible
from kernel.runtime.outcome import Pending, Streaming, Value
from kernel.runtime.program import Program
from kernel.runtime.programs import Programs
from kernel.runtime.runtime import Runtime

MOST_KNOWN = 4096
_TYPED, _UNKNOWN_TYPE = b"\r\nContent-Type: ", b"Content-Type: application/octet-stream\r\n"


class Direct:
    """Takes a request without a key, if it is for code that is ready."""

    def __init__(
        self,
        *,
        server: Server,
        sites: Sites,
        programs: Programs,
        runtime: Runtime,
        visits: Visits,
        gate: Gate,
        https: bool,
    ) -> None:
        self._server, self._sites, self._programs, self._runtime = server, sites, programs, runtime
        self._visits, self._gate, self._scheme = visits, gate, "https" if https else "http"
        self._label = functools.lru_cache(4096)(functools.partial(_label, server.hosts))
        self._settings = runtime.services.settings
        self._known: dict[str, Program] = {}
        self._state = (-1, -1)
        self._second, self._date = -1, b""

    def __call__(self, connection: Connection, request: whole.Whole) -> bool:
        if not self._runtime.services.engine_is_open:
            return False
        peer = connection.peer
        label = None if peer.own or peer.trusted else self._label(request.host, peer.local)
        path = request.target.partition("?")[0]
        if label is None or not is_api(path[1:]):
            return False
        found = self._program(label)
        if found is None:
            return False
        if found.style != "fetch" and _is_form(request.headers):
            return False
        if peer.bucket is not None and not self._gate.buckets.spend(peer.bucket, self._gate.now()):
            return False
        self._begin(connection, request, found)
        return True

    def _program(self, label: str) -> Program | None:
        """The program that answers under a label; looked up anew when anything that decides it has changed."""
        state = (self._sites.generation, self._settings.changes)
        if state != self._state or len(self._known) > MOST_KNOWN:
            self._known.clear()
            self._state = state
        program = self._known.get(label)
        if program is not None and self._programs.unchanged(program):
            return program
        program = self._found(label)
        if program is not None and state == (self._sites.generation, self._settings.changes):
            self._known[label] = program
        return program

    def _found(self, label: str) -> Program | None:
        target = self._sites.target(label)
        if target.kind != "app" or target.release:
            return None
        edition = self._sites.editions.of(target.app, None)
        if edition is None or not edition.handler or edition.status != "active" or not edition.is_open:
            return None
        # what lies in a mounted folder is looked at each time
        return None if edition.mounts else self._programs.ready(edition)

    def _begin(self, connection: Connection, request: whole.Whole, program: Program) -> None:
        id = new_id("req")
        url = f"{self._scheme}://{request.host}{request.target}"
        incoming = Incoming(
            id, request.method, url, visible(request.headers), ip=connection.peer.address, body=request.body
        )
        try:
            invocation = self._runtime.begin(program, incoming)
        except FaztError as error:
            connection.wire.write(self._failed(error, id, program.app, request.method))
            return
        if invocation.done is not None and not isinstance(invocation.done, Streaming):
            connection.wire.write(self._answered(invocation))
            return
        straight = Straight(connection, invocation.abandon)
        self._server.enter()
        invocation.outcome.add_done_callback(lambda _: self._done(straight, invocation))

    def _done(self, straight: Straight, invocation: Pending) -> None:
        # somebody has to look at it, or it is complained about
        invocation.outcome.exception()
        if isinstance(result := invocation.done, Streaming):
            if invocation.incoming.method != "HEAD" and result.head.has_body:
                task = asyncio.ensure_future(self._stream(straight, invocation, result))
                task.add_done_callback(lambda _: self._server.leave())
                return
            invocation.abandon()
        straight.answer(self._answered(invocation))
        self._server.leave()

    async def _stream(self, straight: Straight, invocation: Pending, result: Streaming) -> None:
        head = result.head
        kind = b"" if _TYPED in head.lines else _UNKNOWN_TYPE
        lines = head.lines + self._last_lines(invocation.request) + kind + b"Transfer-Encoding: chunked\r\n\r\n"
        self._visits.count(invocation.program.app, head.status, 0)
        await straight.stream(lines, result.flow.read())

    # --- answers as bytes

    def _answered(self, invocation: Pending) -> bytes:
        result, program = invocation.done, invocation.program
        method, id = invocation.incoming.method, invocation.request
        if result is None or isinstance(result, FaztError):
            error = result or FaztError("INTERNAL_ERROR", "Something went wrong inside Fazt.")
            return self._failed(error, id, program.app, method)
        if isinstance(result, Value):
            result = Answer(made_head(200, [("content-type", "application/json")]), encode(result.value))
        head, body = result.head, b"" if isinstance(result, Streaming) else result.body
        self._visits.count(program.app, head.status, len(body))
        start = head.lines + self._last_lines(id) + _about(head, body, method)
        return start + body if method != "HEAD" and head.has_body else start

    def _failed(self, error: FaztError, id: str, app: str, method: str) -> bytes:
        status, headers, body = told(error, id, self._runtime.services.clean(app, error.message))
        head = made_head(status, list(headers.items()))
        self._visits.count(app, status, len(body))
        start = head.lines + self._last_lines(id) + b"Content-Length: %d\r\n\r\n" % len(body)
        return start if method == "HEAD" else start + body

    def _last_lines(self, id: str) -> bytes:
        now = self._runtime.services.clock.now() // 1000
        if now != self._second:
            self._second, self._date = now, b"Date: %b\r\n" % formatdate(now, usegmt=True).encode()
        return b"X-Request-ID: %b\r\n%b" % (id.encode(), self._date)


def _label(hosts: Hosts, host: str, local: bool) -> str | None:
    """The label of an app's own host."""
    try:
        place = hosts.place(parse_host(host), local)
    except FaztError:
        return None
    return place.label if place.kind == "app" else None


def _about(head: Head, body: bytes, method: str) -> bytes:
    """The last lines of a head: what is said of the body."""
    if not head.has_body:
        body = b""
    if not body:
        # nobody expects a body of these; what is said to a HEAD must not be wrong, and may be left out
        silent = method == "HEAD" or head.status in (204, 304)
        return b"\r\n" if silent else b"Content-Length: 0\r\n\r\n"
    return b"%bContent-Length: %d\r\n\r\n" % (b"" if _TYPED in head.lines else _UNKNOWN_TYPE, len(body))


def _is_form(headers: list[tuple[str, str]]) -> bool:
    return any(name == "content-type" and value.lower().startswith("multipart/") for name, value in headers)
