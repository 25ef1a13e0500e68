"""The straight way of a program that shows its key: from the door to a capability and back, without aiohttp.

Only for what is plainly whole and for capabilities of named values. All else takes the usual way, where the same is
answered: this knows no rule of its own.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from aiohttp import web

from kernel.base.errors import FaztError
from kernel.base.ids import new_id
from kernel.net.api import Api, named_values, response_of
from kernel.net.asked import agent_of
from kernel.net.authenticate import Authenticator
from kernel.net.envelope import failure
from kernel.net.hosts import Hosts, parse_host
from kernel.net.server import Server, explained
from kernel.net.straight import Connection, Straight
from kernel.net.whole import Whole
from kernel.observe import log
from kernel.syscall import Call, Scan, Write
from kernel.syscall.plan import Later
from kernel.syscall.registry import Entry

# a browser sends them: what it may do is decided elsewhere
_OF_BROWSERS = frozenset(("cookie", "origin", "sec-fetch-site"))
# what every answer of the API says
_ALWAYS = (
    b"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
    b"Referrer-Policy: no-referrer\r\nServer: fazt\r\n"
)
_ALWAYS_SAID = frozenset(line.partition(b":")[0].decode().lower() for line in _ALWAYS.splitlines())


class Keyed:
    def __init__(self, *, server: Server, api: Api, authenticator: Authenticator) -> None:
        self._server, self._api, self._authenticator = server, api, authenticator
        self._driver, self._clock = api.caller.driver, api.caller.driver.clock
        self._is_admin = functools.lru_cache(4096)(functools.partial(_is_admin, server.hosts))
        self._second, self._date = -1, b""
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, connection: Connection, request: Whole) -> bool:
        peer = connection.peer
        if peer.own or peer.trusted or request.method in ("HEAD", "OPTIONS"):
            return False
        if not self._is_admin(request.host, peer.local) or any(name in _OF_BROWSERS for name, _ in request.headers):
            return False
        path, _, query = request.target.partition("?")
        try:
            found = self._api.router.find(request.method, path.split("/")[1:])
        except FaztError:
            return False
        if found is None:
            return False
        entry, words = found
        if not isinstance(entry, Entry) or not entry.declared.is_of_names:
            return False
        if entry.declared.colour == "stream" or entry.declared.gives_bytes:
            # sent piece by piece
            return False
        self._begin(connection, request, entry, words, query)
        return True

    def _begin(self, connection: Connection, request: Whole, entry: Entry, words: dict[str, str], query: str) -> None:
        id = new_id("req")
        token = log.request_id.set(id)
        try:
            agent = agent_of(next((value for name, value in request.headers if name == "user-agent"), ""))
            who = self._authenticator.of_key(request.authorization or "", connection.peer.address, agent)
            call = self._api.caller.call(entry, who, "http", words.pop("app", None), id)
            values, lax = named_values(entry.declared, request.method, query, words, request.body)
            result = self._run(entry, call, values, lax)
            if entry.declared.writes or isinstance(result, Write | Scan | Later) or inspect.isawaitable(result):
                self._wait(connection, request, entry, call, values, result)
                return
            answer = self._written(response_of(entry, result), id)
        except Exception as error:
            answer = self._failed(error, request, id)
        finally:
            log.request_id.reset(token)
        connection.wire.write(answer)

    def _run(self, entry: Entry, call: Call, values: Mapping[str, Any], lax: bool) -> Any:
        try:
            return entry.named(call, values, lax=lax)
        except FaztError as error:
            self._driver.refused(entry, call, values, error)
            raise

    def _wait(
        self, connection: Connection, request: Whole, entry: Entry, call: Call, values: Mapping[str, Any], result: Any
    ) -> None:
        """What is written or looked for takes its time: the connection is held until it is there."""
        straight = Straight(connection, lambda: None)
        self._server.enter()

        async def settled() -> None:
            try:
                done = await self._driver.settle(entry, call, result, values)
                answer = self._written(response_of(entry, done), call.trace)
            except FaztError as error:
                self._driver.refused(entry, call, values, error)
                answer = self._failed(error, request, call.trace)
            except Exception as error:
                answer = self._failed(error, request, call.trace)
            finally:
                self._server.leave()
            straight.answer(answer)

        # the loop itself only remembers tasks weakly
        task = asyncio.ensure_future(settled())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _failed(self, error: Exception, request: Whole, id: str) -> bytes:
        path = request.target.partition("?")[0]
        return self._written(failure(explained(error, request.method, path), id), id)

    def _written(self, response: web.Response, id: str) -> bytes:
        """A response as bytes, as it would leave the other way."""
        now = self._clock.now() // 1000
        if now != self._second:
            self._second, self._date = now, b"Date: %b\r\n" % formatdate(now, usegmt=True).encode()
        body = response.body
        assert isinstance(body, bytes | None)
        lines = [f"{name}: {value}\r\n" for name, value in response.headers.items() if name.lower() not in _ALWAYS_SAID]
        if response.status != 204:
            lines.append(f"Content-Length: {len(body or b'')}\r\n")
        head = f"HTTP/1.1 {response.status} {response.reason}\r\n{''.join(lines)}X-Request-ID: {id}\r\n"
        return b"".join((head.encode("utf-8"), _ALWAYS, self._date, b"\r\n", body or b""))


def _is_admin(hosts: Hosts, host: str, local: bool) -> bool:
    try:
        return hosts.place(parse_host(host), local).kind == "admin"
    except FaztError:
        return False
