"""A small HTTP client on the standard library: a command should not wait for a web framework to load."""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from kernel.base.errors import CODES, FaztError

TIMEOUT = 60.0


class _Here(http.client.HTTPConnection):
    """A connection over the owner's own socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _Loopback(http.client.HTTPConnection):
    """`localhost` and everything under it is this machine, whatever the resolver says."""

    def connect(self) -> None:
        for host in ("127.0.0.1", "::1"):
            try:
                self.sock = socket.create_connection((host, self.port), self.timeout)
                return
            except OSError as error:
                last = error
        raise last


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
    kind = _Loopback if host == "localhost" or host.endswith(".localhost") else http.client.HTTPConnection
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
