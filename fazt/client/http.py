"""A small HTTP client on the standard library: a command should not wait for a web framework to load."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from kernel.base.clock import Clock
from kernel.base.errors import CODES, FaztError

TIMEOUT = 60.0
BLOCK = 1 << 18
JSON = "application/json"


# how long a node may take to start: so many looks, with so many seconds between
RESTARTING, BETWEEN = 50, 0.1


class _Here(http.client.HTTPConnection):
    """A connection over the owner's own socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        for pause in (*[BETWEEN] * RESTARTING, None):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            try:
                self.sock.connect(self._path)
                return
            except (ConnectionRefusedError, FileNotFoundError):
                self.sock.close()
                if pause is None:
                    raise
                # the node of this file starts, or starts again: it will be there in a moment
                Clock().pause(pause)


class _Loopback(http.client.HTTPConnection):
    """`localhost` and everything under it is this machine, whatever the resolver says."""

    def connect(self) -> None:
        for host in ("127.0.0.1", "::1"):
            try:
                self.sock = socket.create_connection((host, self.port), self.timeout)
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return
            except OSError as error:
                last = error
        raise last


def is_localhost(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    """An unopened connection for an address, and its Host header."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FaztError("USAGE", f"{url} is not the address of a node.", "It looks like https://admin.example.com")
    host = parts.hostname
    if parts.scheme == "https":
        return http.client.HTTPSConnection(
            host, parts.port or 443, timeout=TIMEOUT, context=ssl.create_default_context()
        ), parts.netloc
    kind = _Loopback if is_localhost(host) else http.client.HTTPConnection
    return kind(host, parts.port or 80, timeout=TIMEOUT), parts.netloc


def post(path: str, body: Any, *, url: str = "", token: str = "", own_socket: Path | None = None) -> Any:
    """POST JSON to a node; the `data` of its answer, or its error."""
    opened, host = (_Here(str(own_socket)), "localhost") if own_socket else connection(url)
    headers = {"Host": host, "Content-Type": "application/json", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        opened.request("POST", path, msgspec.json.encode(body), headers)
        answer = opened.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        where = own_socket or url
        raise FaztError(
            "UNREACHABLE", f"{where} does not answer: {error}.", "Is the node running? `fazt proc status`"
        ) from None
    finally:
        opened.close()
    return _understood(content, answer.status, str(own_socket or url))


class Broken(FaztError):
    """The network failed, not the node: the same request may well succeed."""


class Link:
    """A way to one node: its connections stay open, and several threads may ask at once."""

    def __init__(self, *, url: str = "", token: str = "", own_socket: Path | None = None) -> None:
        self.url, self._token, self._own_socket = url, token, own_socket
        self.where = str(own_socket or url)
        self.inside = False  # the node is this very process, for a moment
        host = urlsplit(url if "://" in url else f"http://{url}").hostname or ""
        # bytes on this machine cost nothing; on the way to another one they are what takes the time
        self.near = own_socket is not None or is_localhost(host) or host == "::1" or host.startswith("127.")
        self._idle: list[tuple[http.client.HTTPConnection, str]] = []
        self._used: set[http.client.HTTPConnection] = set()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | list[bytes] = b"",
        kind: str = JSON,
        watch: Callable[[int], None] | None = None,
    ) -> Any:
        """The `data` of the answer, or its error. `watch` hears how many bytes of the body are on their way."""
        opened, answer = self._sent(method, path, [body] if isinstance(body, bytes) else body, kind, watch)
        with self._in_words(opened):
            content = answer.read()
        self._done(opened, answer)
        return None if answer.status == 204 else _understood(content, answer.status, self.where)

    def fetch(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, as they come."""
        opened, answer = self._sent("GET", path, [], "", None)
        with self._in_words(opened):
            if answer.status != 200:
                _understood(answer.read(), answer.status, self.where)
            while block := answer.read(BLOCK):
                yield block
        self._done(opened, answer)

    def events(self, path: str) -> Iterator[Any]:
        """What a stream says, as it says it, until the node ends it; an error in it is raised."""
        opened, answer = self._sent("GET", path, [], "", None)
        with self._in_words(opened):
            if answer.status != 200:
                _understood(answer.read(), answer.status, self.where)
            kind = b""
            while line := answer.readline():
                name, _, value = line.rstrip(b"\r\n").partition(b": ")
                if name == b"event":
                    kind = value
                elif name == b"data":
                    if kind == b"error":
                        _understood(b'{"error":' + value + b"}", answer.status, self.where)
                    yield msgspec.json.decode(value)
        # a node ends streams when it stops: nothing more comes on this connection
        self._used.discard(opened[0])
        opened[0].close()

    def close(self) -> None:
        """Ends every connection, also those that wait for an answer."""
        for opened, _ in self._idle:
            opened.close()
        for used in list(self._used):
            if used.sock is not None:
                with contextlib.suppress(OSError):
                    used.sock.shutdown(socket.SHUT_RDWR)
        self._idle.clear()

    def _sent(
        self, method: str, path: str, blocks: list[bytes], kind: str, watch: Callable[[int], None] | None
    ) -> tuple[tuple[http.client.HTTPConnection, str], http.client.HTTPResponse]:
        opened = self._opened()
        headers = {"Host": opened[1], "Accept": JSON}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if kind:
            headers |= {"Content-Type": kind, "Content-Length": str(sum(map(len, blocks)))}
        with self._in_words(opened):
            try:
                opened[0].request(method, path, _watched(blocks, watch) if kind else None, headers)
            except (BrokenPipeError, ConnectionResetError):
                # who refuses a body may say why and not read it
                with contextlib.suppress(OSError, http.client.HTTPException):
                    return opened, opened[0].getresponse()
                raise
            return opened, opened[0].getresponse()

    def _opened(self) -> tuple[http.client.HTTPConnection, str]:
        try:
            opened = self._idle.pop()
        except IndexError:
            here = self._own_socket
            opened = (_Here(str(here)), "localhost") if here else connection(self.url)
        self._used.add(opened[0])
        return opened

    def _done(self, opened: tuple[http.client.HTTPConnection, str], answer: http.client.HTTPResponse) -> None:
        self._used.discard(opened[0])
        if answer.will_close:
            opened[0].close()
        else:
            self._idle.append(opened)

    @contextlib.contextmanager
    def _in_words(self, opened: tuple[http.client.HTTPConnection, str]) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            # nobody knows what this connection would say next
            self._used.discard(opened[0])
            opened[0].close()
            if not isinstance(error, OSError | http.client.HTTPException):
                raise
            hint = "Is the node running? `fazt proc status`"
            raise Broken("UNREACHABLE", f"{self.where} does not answer: {error}.", hint) from None


def _watched(blocks: list[bytes], watch: Callable[[int], None] | None) -> Iterator[bytes]:
    for block in blocks:
        yield block
        if watch:
            watch(len(block))


def _understood(content: bytes, status: int, where: str) -> Any:
    try:
        said = msgspec.json.decode(content)
        if "error" in said:
            error = said["error"]
            code = error["code"] if error["code"] in CODES else "UNREACHABLE"
            raise FaztError(code, error["message"], error.get("hint"), **error.get("details", {}))
        return said["data"]
    except (msgspec.DecodeError, KeyError, TypeError):
        raise FaztError(
            "UNREACHABLE",
            f"{where} is not a Fazt node (it answered {status}).",
            "The address is that of the admin host: http://admin.<domain>:<port>",
        ) from None
