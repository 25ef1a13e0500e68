"""The sockets and the way of a request: host → place → endpoint, page or call."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import web

from kernel.base.errors import FaztError
from kernel.base.ids import new_id
from kernel.net.api import Api
from kernel.net.asked import Asked, Request
from kernel.net.authenticate import Authenticator
from kernel.net.envelope import failure
from kernel.net.hosts import Hosts, Place, is_address, is_loopback, parse_host
from kernel.net.pages import Pages, respond
from kernel.net.protocol import WebServer
from kernel.net.router import Endpoint, Router
from kernel.observe import log

BACKLOG = 2048
LONGEST_PATH = 4096
MOST_HEADER_BYTES = 32 * 1024
HEALTH = ["health"]
# a proxy between us and the visitor names itself in one of these
_FORWARDED = ("Forwarded", "Via", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto")
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
        self, *, api: Api, authenticator: Authenticator, hosts: Hosts, admin: Pages, root: Pages, missing: Pages
    ) -> None:
        self.api, self.authenticator, self.hosts = api, authenticator, hosts
        self.admin, self.root, self.missing = admin, root, Site404(missing)
        self.routes: dict[str, Router[Endpoint]] = {"admin": Router(), "root": Router()}
        self.touch: Any = None  # called with a session that is due for a new end
        self.healthy: Any = lambda: True
        self.active = 0
        self.draining = False
        self._web = WebServer(self.handle, request_factory=self._request, access_log=None, keepalive_timeout=75)
        self._listeners: list[asyncio.AbstractServer] = []
        self._own_socket: Path | None = None

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
        self.active += 1
        try:
            response = await self._guarded(request, id)
        finally:
            self.active -= 1
            log.request_id.reset(token)
        if self.draining:
            response.force_close()
        if not response.prepared:
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
            response.headers.setdefault("Referrer-Policy", "no-referrer")
            response.headers["X-Request-ID"] = id
            response.headers["Server"] = "fazt"
        return response

    async def _guarded(self, request: Request, id: str) -> web.StreamResponse:
        try:
            return await self._dispatch(request, id)
        except FaztError as error:
            if error.status >= 500:
                logger.warning(error.message, extra={"code": error.code})
            return _closing(failure(error, id), request)
        except web.HTTPException as error:
            return _closing(failure(FaztError("BAD_REQUEST", error.reason), id), request)
        except asyncio.CancelledError:
            raise
        except (ConnectionError, web.RequestPayloadError):
            # whoever asked has gone, or sent a body that is none
            return _closing(failure(FaztError("BAD_REQUEST", "The request ended early."), id), request)
        except Exception:
            logger.exception("a request failed", extra={"method": request.method, "path": request.path[:200]})
            return _closing(
                failure(
                    FaztError(
                        "INTERNAL_ERROR",
                        "Something went wrong inside Fazt.",
                        "The request id finds it in the logs.",
                        request=id,
                    ),
                    id,
                ),
                request,
            )

    async def _dispatch(self, request: Request, id: str) -> web.StreamResponse:
        if sum(len(name) + len(value) for name, value in request._message.raw_headers) > MOST_HEADER_BYTES:
            raise FaztError("HEADERS_TOO_LARGE", "The headers are too large.")
        asked = Asked(request, id, *self._place(request))
        segments = _segments(request)
        kind = asked.place.kind
        if kind == "www":
            return _to_apex(asked, self.authenticator.scheme)
        if (
            segments == HEALTH
            and request.method in ("GET", "HEAD")
            and (kind in ("admin", "root") or is_address(asked.place.host))
        ):
            return self._health()
        if kind == "admin" and segments[0] == "api":
            return await self._at_api(asked, segments)
        _refuse_odd(segments)
        if kind == "admin":
            return await self._at_admin(asked, segments)
        if kind == "root":
            return await self._at_root(asked, segments)
        return self._missing(asked, segments)

    def _place(self, request: Request) -> tuple[Place, bool]:
        """Where the request belongs, and whether it came over the owner's own socket."""
        transport = request.transport
        if transport is not None and transport.get_extra_info("socket").family == socket.AF_UNIX:
            return Place("admin", f"admin.{self.hosts.domain}"), True
        named = request.headers.getall("Host", [])
        if len(named) != 1:
            raise FaztError("BAD_REQUEST", "A request has exactly one Host header.")
        host = parse_host(named[0])
        target = request._message.path
        if not target.startswith("/"):
            authority = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://([^/?#]*)", target)
            if not authority or authority[1].lower() != named[0].lower():
                raise FaztError("MISDIRECTED_REQUEST", "The request's target is another host.")
        from_here = is_loopback(request.remote) and not any(name in request.headers for name in _FORWARDED)
        return self.hosts.place(host, from_here), False

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
        return await _endpoint(asked, found) if found else self._page(asked, self.root, segments)

    def _page(self, asked: Asked, pages: Pages, segments: list[str]) -> web.StreamResponse:
        _only_reading(asked.request)
        return pages.answer(asked.request, "/" + "/".join(segments)) or self._missing(asked, segments)

    def _missing(self, asked: Asked, segments: list[str]) -> web.Response:
        return self.missing.answer(asked.request, "/" + "/".join(segments))

    def _health(self) -> web.Response:
        if self.draining or not self.healthy():
            return web.Response(text="UNAVAILABLE\n", status=503, headers={"Cache-Control": "no-store"})
        return web.Response(text="OK\n", headers={"Cache-Control": "no-store"})

    # --- sockets

    async def listen(self, sockets: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        for sock in sockets:
            self._listeners.append(await loop.create_server(self._web, sock=sock, backlog=BACKLOG))

    async def listen_here(self, path: Path) -> None:
        """The owner's own socket: being able to open it is being the owner."""
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - one call on the local disk
        before = os.umask(0o177)
        try:
            self._listeners.append(await asyncio.get_running_loop().create_unix_server(self._web, str(path)))
        finally:
            os.umask(before)
        self._own_socket = path

    async def drain(self, timeout: float, breath: float = 0.1) -> None:
        """Answer everything that has arrived, then close. Nobody who was connected is cut off."""
        self.draining = True
        # connections the kernel has accepted for us but we have not seen yet would be reset by closing at once
        await asyncio.sleep(breath)
        for listener in self._listeners:
            listener.close()
        # the first request of the last to come may still be on its way into this process
        await asyncio.sleep(breath)
        self._web.pre_shutdown()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._web.shutdown(timeout), timeout + 1)
        if self._own_socket:
            self._own_socket.unlink(missing_ok=True)


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


def _closing(response: web.Response, request: Request) -> web.Response:
    """A refused body is not read: the connection cannot be used again."""
    if request.can_read_body and not request.content.is_eof():
        response.force_close()
    return response
