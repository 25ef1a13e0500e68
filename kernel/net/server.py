"""The sockets and the way of a request: host → place → endpoint, page or call."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import socket
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import HttpVersion10, web

from kernel.base.errors import FaztError
from kernel.base.ids import new_id
from kernel.net.api import Api
from kernel.net.asked import OF_SITE, SPOKEN, Asked, Request
from kernel.net.authenticate import Authenticator
from kernel.net.canned import rate_headers
from kernel.net.envelope import failure
from kernel.net.gate import Gate, Peer
from kernel.net.hosts import Hosts, Place, is_address, parse_host
from kernel.net.pages import Pages, respond
from kernel.net.protocol import WebServer
from kernel.net.router import Endpoint, Router
from kernel.net.sites import Sites
from kernel.net.sockets import allow_files
from kernel.net.sweeper import Sweeper
from kernel.observe import log

BACKLOG = 2048
MOST_HEADERS = 100
# the sweeper closes idle connections before this
KEEP_ALIVE_SECONDS = 90
LIMITED = web.RequestKey("limited", bool)  # refused because its sender asks too much
LONGEST_PATH = 4096
SENT_SECONDS = 0.02  # how often it is looked whether everything has left
MOST_LOOKS = 100  # for what has arrived, before it is left unread
MOST_HEADER_BYTES = 32 * 1024
HEALTH = ["health"]
logger = log.get("fazt.http")


class Site404:
    """What unknown hosts and paths see: one page, the same for all of them."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages

    def answer(self, request: web.BaseRequest, path: str) -> web.Response:
        asset = path.removeprefix("/_fazt/404")
        if asset != path and (found := self.pages.answer(request, asset)):
            return found
        return respond(self.pages.files["/index.html"], 404)


class Server:
    """Answers requests. `extra` routes are mounted per place by the rooms below."""

    def __init__(
        self,
        *,
        api: Api,
        authenticator: Authenticator,
        hosts: Hosts,
        admin: Pages,
        root: Pages,
        missing: Site404,
        sites: Sites | None = None,
    ) -> None:
        self.api, self.authenticator, self.hosts = api, authenticator, hosts
        self.admin, self.root, self.missing, self.sites = admin, root, missing, sites
        self.routes: dict[str, Router[Endpoint]] = {"admin": Router(), "root": Router()}
        self.touch: Any = None  # called with a session that is due for a new end
        self.healthy: Any = lambda: True
        self.parting: Any = lambda: None  # told when a stop begins
        self.active = 0
        self._answered = asyncio.Event()
        self.draining = False
        self._web = WebServer(
            self.handle,
            request_factory=self._request,
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            max_headers=MOST_HEADERS,
        )
        self.use(self._web.gate)
        self._listeners: list[asyncio.AbstractServer] = []
        self._own_socket: Path | None = None

    def use(self, gate: Gate) -> None:
        """What every connection passes from now on; before anything is listened to."""
        self.gate = self._web.gate = gate
        self._sweeper = Sweeper(gate)

    def mount(self, kind: str, endpoint: Endpoint) -> None:
        if endpoint.path.startswith("/api/"):
            self.api.mount(endpoint)
        else:
            self.routes[kind].add(endpoint.method, endpoint.path, endpoint)

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Request:
        return Request(message, payload, protocol, writer, task, asyncio.get_running_loop())

    # --- one request

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, Request)
        id = new_id("req")
        token = log.request_id.set(id)
        self.enter()
        try:
            response = await self._guarded(request, id)
        finally:
            self.leave()
            log.request_id.reset(token)
        if self.draining:
            response.force_close()
        if not response.prepared:
            if OF_SITE not in request:
                response.headers.setdefault("X-Content-Type-Options", "nosniff")
                response.headers.setdefault("Referrer-Policy", "no-referrer")
            response.headers["X-Request-ID"] = id
            response.headers["Server"] = "fazt"
            if LIMITED in request:
                response.headers.update(rate_headers(self.gate.buckets.rate))
        return response

    def enter(self) -> None:
        """One request more that a stop waits for."""
        self.active += 1

    def leave(self) -> None:
        self.active -= 1
        self._answered.set()

    async def _guarded(self, request: Request, id: str) -> web.StreamResponse:
        try:
            return await self._dispatch(request, id)
        except FaztError as error:
            return _closing(failure(explained(error, request.method, request.path), id), request)
        except web.HTTPException as error:
            return _closing(failure(FaztError("BAD_REQUEST", error.reason), id), request)
        except asyncio.CancelledError:
            raise
        except (ConnectionError, web.RequestPayloadError):
            # whoever asked has gone, or sent a body that is none
            return _closing(failure(FaztError("BAD_REQUEST", "The request ended early."), id), request)
        except Exception as error:
            return _closing(failure(explained(error, request.method, request.path), id), request)

    async def _dispatch(self, request: Request, id: str) -> web.StreamResponse:
        if sum(len(name) + len(value) for name, value in request._message.raw_headers) > MOST_HEADER_BYTES:
            raise FaztError("HEADERS_TOO_LARGE", "The headers are too large.")
        _refuse_framing(request)
        asked = Asked(request, id, *self._place(request))
        kind = asked.place.kind
        if kind == "app":
            found = await self.sites.answer(asked, asked.place.label) if self.sites else None
            return found or self.missing.answer(request, request.path)
        segments = _segments(request)
        if kind == "www":
            return _to_apex(asked, self.authenticator.scheme)
        if (
            segments == HEALTH
            and request.method in ("GET", "HEAD")
            and (kind in ("admin", "root") or is_address(asked.place.host))
        ):
            return self._health()
        if kind in ("admin", "root") and segments[0] == "ipfs" and self.sites:
            if kind == "admin" and not asked.local:
                # what anybody may ask is counted, on this host too
                handler: Any = request.protocol
                self._spend(request, handler.peer)
            found = await self.sites.ours["ipfs"](asked, "/".join(segments))
            return found or self._missing(asked, segments)
        if kind == "admin" and segments[0] == "api":
            return await self._at_api(asked, segments)
        if kind == "root":
            return await self._at_root(asked, segments)
        _refuse_odd(segments)
        if kind == "admin":
            return await self._at_admin(asked, segments)
        return self._missing(asked, segments)

    def _place(self, request: Request) -> tuple[Place, bool]:
        """Where the request belongs, and whether it came over the owner's own socket."""
        handler: Any = request.protocol
        if handler.peer.own:
            return Place("admin", f"admin.{self.hosts.domain}"), True
        named = request.headers.getall("Host", [])
        if len(named) != 1:
            raise FaztError("BAD_REQUEST", "A request has exactly one Host header.")
        host = parse_host(named[0])
        target = request._message.path
        if not target.startswith("/"):
            authority = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://([^/?#]*)", target)
            if not authority:
                raise FaztError("BAD_REQUEST", "The request's target is no path.")
            if authority[1].lower() != named[0].lower():
                raise FaztError("MISDIRECTED_REQUEST", "The request's target is another host.")
        place = self.hosts.place(host, self.gate.client(handler.peer, request.headers).local)
        if place.kind != "admin":
            self._spend(request, handler.peer)
        return place, False

    def _spend(self, request: Request, peer: Peer) -> None:
        try:
            self.gate.spend(request, peer)
        except FaztError:
            request[LIMITED] = True
            raise

    async def _at_api(self, asked: Asked, segments: list[str]) -> web.StreamResponse:
        asked.who = self.authenticator.identify(asked)
        if asked.touch and self.touch:
            self.touch(asked.who)
        response = await self.api.answer(asked, segments)
        if not response.prepared:
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers.setdefault("X-Frame-Options", "DENY")
            if asked.touch and "Set-Cookie" not in response.headers:
                response.headers["Set-Cookie"] = self.authenticator.renewed(asked)
        return response

    async def _at_admin(self, asked: Asked, segments: list[str]) -> web.StreamResponse:
        found = self.routes["admin"].find(asked.request.method, segments)
        if found:
            self.authenticator.refuse_foreign_post(asked)
            return await _endpoint(asked, found)
        return self._page(asked, self.admin, segments)

    async def _at_root(self, asked: Asked, segments: list[str]) -> web.StreamResponse:
        found = self.routes["root"].find(asked.request.method, segments)
        if found:
            return await _endpoint(asked, found)
        # an app may stand where the welcome page is
        site = await self.sites.answer(asked, "root") if self.sites else None
        return site or self._page(asked, self.root, segments)

    def _page(self, asked: Asked, pages: Pages, segments: list[str]) -> web.StreamResponse:
        _refuse_odd(segments)
        _only_reading(asked.request)
        return pages.answer(asked.request, "/" + "/".join(segments)) or self._missing(asked, segments)

    def _missing(self, asked: Asked, segments: list[str]) -> web.Response:
        return self.missing.answer(asked.request, "/" + "/".join(segments))

    def _health(self) -> web.Response:
        if self.draining or not self.healthy():
            return web.Response(text="UNAVAILABLE\n", status=503, headers={"Cache-Control": "no-store"})
        return web.Response(text="OK\n", headers={"Cache-Control": "no-store"})

    # --- sockets

    async def listen(self, sockets: list[socket.socket], *, plain: bool = False) -> None:
        """`plain`: without the door, as aiohttp alone would answer."""
        loop, web = asyncio.get_running_loop(), self._web
        self.gate.files = allow_files()
        for sock in sockets:
            if sock.family == socket.AF_UNIX:
                listener = await loop.create_unix_server(web.door_of_unix, sock=sock, backlog=BACKLOG)
            else:
                listener = await loop.create_server(web.plain if plain else web.door, sock=sock, backlog=BACKLOG)
            self._listeners.append(listener)
        self._sweeper.start()

    async def listen_here(self, path: Path) -> None:
        """The owner's own socket: being able to open it is being the owner."""
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - one call on the local disk
        before = os.umask(0o177)
        try:
            self._listeners.append(await asyncio.get_running_loop().create_unix_server(self._web.own, str(path)))
        finally:
            os.umask(before)
        self._own_socket = path

    async def _all_answered(self) -> None:
        while self.active:
            self._answered.clear()
            await self._answered.wait()

    async def _all_sent(self) -> None:
        while any(connection.wire.get_write_buffer_size() for connection in self.gate.connections):  # noqa: ASYNC110
            await asyncio.sleep(SENT_SECONDS)

    async def _seen(self, breath: float) -> None:
        """A moment for what has arrived, and as many more as a busy machine needs to read it."""
        await asyncio.sleep(breath)
        for _ in range(MOST_LOOKS):
            if not self._unseen():
                return
            await asyncio.sleep(SENT_SECONDS)

    def _unseen(self) -> bool:
        """Does the system hold connections we have not accepted, or bytes of clients who wait, we have not read?"""
        poll = select.poll()
        for listener in self._listeners:
            for sock in getattr(listener, "sockets", ()):
                poll.register(sock.fileno(), select.POLLIN)
        for connection in self.gate.connections:
            held = connection.wire.get_extra_info("socket")
            if held is not None and held.fileno() >= 0 and not connection.wire.is_closing():
                poll.register(held.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    async def drain(self, timeout: float, breath: float = 0.1) -> None:
        """Answer everything that has arrived, then close. Nobody who was connected is cut off."""
        self.draining = True
        self.api.streams.close()
        self.parting()
        self.gate.front.close()
        # connections the kernel has accepted for us but we have not seen yet would be reset by closing at once
        await self._seen(breath)
        for listener in self._listeners:
            listener.close()
        # the first request of the last to come may still be on its way into this process
        await self._seen(breath)
        self._web.close_idle()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._all_answered(), timeout)
        self._web.pre_shutdown()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._web.shutdown(timeout), timeout + 1)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._all_sent(), timeout)
        self._sweeper.stop()
        for connection in list(self.gate.connections):
            connection.abort()
        if self._own_socket:
            self._own_socket.unlink(missing_ok=True)


def explained(error: Exception, method: str, path: str) -> FaztError:
    """What the caller hears of an error; what is ours to look after is in the log."""
    if not isinstance(error, FaztError):
        logger.error("a request failed", exc_info=error, extra={"method": method, "path": path[:200]})
        return FaztError("INTERNAL_ERROR", "Something went wrong inside Fazt.", "The request id finds it in the logs.")
    if error.status >= 500 and error.code != "VERSION_NOT_SUPPORTED":
        logger.warning(error.message, extra={"code": error.code})
    return error


async def _endpoint(asked: Asked, found: tuple[Endpoint, dict[str, str]]) -> web.StreamResponse:
    endpoint, asked.words = found
    return await endpoint.handler(asked)


def _segments(request: Request) -> list[str]:
    """The path as segments, decoded once."""
    raw = request._message.path
    if len(raw) > LONGEST_PATH * 2:
        raise FaztError("URI_TOO_LONG", "The address is too long.")
    path = re.sub(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*", "", raw).partition("?")[0].partition("#")[0] or "/"
    try:
        # a slash that was escaped belongs to a name, so the pieces are taken before decoding
        return [unquote_to_bytes(piece).decode() for piece in path.split("/")[1:]] or [""]
    except UnicodeDecodeError:
        raise FaztError("BAD_REQUEST", "The path is not UTF-8.") from None


def _refuse_odd(segments: list[str]) -> None:
    """What no file can be named. (A capability says itself what its words may hold.)"""
    for segment in segments:
        if segment in ("..", ".") or any(ord(c) < 32 or c in "/\\\x7f" for c in segment):
            raise FaztError("BAD_REQUEST", "The path holds what no path may hold.")


def _only_reading(request: Request) -> None:
    if request.method not in ("GET", "HEAD"):
        raise FaztError("METHOD_NOT_ALLOWED", f"{request.method} is not answered here.", allow=["GET", "HEAD"])


def _to_apex(asked: Asked, scheme: str) -> web.Response:
    port = asked.request.headers["Host"].rpartition(":")[2]
    host = asked.place.host.removeprefix("www.") + (f":{port}" if port.isdigit() else "")
    path = asked.request.raw_path
    if not path.startswith("/") or path.startswith("//"):
        path = "/"
    return web.Response(status=308, headers={"Location": f"{scheme}://{host}{path}"})


def _refuse_framing(request: Request) -> None:
    """What one server reads in one way and the next in another."""
    if request.said not in SPOKEN:
        if request.said.major >= 2:
            raise FaztError("VERSION_NOT_SUPPORTED", "Here HTTP/1.1 is spoken.")
        raise FaztError("BAD_REQUEST", "The request is not HTTP as it should be.")
    if request.version == HttpVersion10 and "Transfer-Encoding" in request.headers:
        raise FaztError("BAD_REQUEST", "HTTP/1.0 knows no Transfer-Encoding.")
    if len(request.headers.getall("Authorization", [])) > 1:
        raise FaztError("BAD_REQUEST", "There are two Authorization headers.")


def _closing(response: web.Response, request: Request) -> web.Response:
    """A refused body is not read: the connection cannot be used again."""
    if (request.can_read_body and not request.content.is_eof()) or request.said not in SPOKEN:
        response.force_close()
    return response
