"""A request on its way to an app's code: what the code may see of it, and nothing of the node's own."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from msgspec import Struct

# the node's own: an app neither sees them nor can use them
_KERNEL_COOKIE = re.compile(r"(?:__Host-|__Secure-)?fazt_[A-Za-z0-9_]*$", re.IGNORECASE)
_KEY = re.compile(r"\s*bearer\s+fzt_", re.IGNORECASE)
# how the connection is used is settled before an app hears of it
_HOP = frozenset(("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"))
Pairs = list[tuple[str, str]]
_IN_TARGET = string.punctuation


class User(Struct, omit_defaults=False):
    """Who asks, as an app sees it."""

    id: str
    role: str
    name: str | None = None
    email: str | None = None
    picture: str | None = None
    provider: str | None = None


class Part(Struct):
    """A file of a form."""

    field: str
    name: str
    type: str
    size: int


class Stream(Protocol):
    """A body that is still on its way."""

    async def read(self) -> bytes:
        """Some of it; nothing at its end."""

    async def form(self) -> tuple[Pairs, list[tuple[Part, Any]]]:
        """All of it, read as a form."""


class Start(Struct, omit_defaults=True, kw_only=True):
    """What a guest is told when an invocation begins."""

    id: str
    method: str
    url: str
    headers: Pairs
    ip: str = ""
    user: User | None = None
    trigger: str = "http"
    login: str = ""
    logout: str = ""
    seed: tuple[int, int, int, int] = (1, 2, 3, 4)
    body: str = "none"
    form: Pairs | None = None
    parts: list[Part] | None = None
    input: Any = msgspec.UNSET
    handler: str = ""


class Incoming:
    """One request. The body is here (`body`), or comes (`stream`), or there is none."""

    __slots__ = (
        "body",
        "files",
        "form",
        "handler",
        "headers",
        "id",
        "input",
        "ip",
        "method",
        "stream",
        "trigger",
        "url",
        "user",
    )

    def __init__(
        self,
        id: str,
        method: str,
        url: str,
        headers: Pairs,
        *,
        ip: str = "",
        user: User | None = None,
        body: bytes = b"",
        stream: Stream | None = None,
        trigger: str = "http",
        input: Any = msgspec.UNSET,
        handler: str = "",
    ) -> None:
        self.id, self.method, self.url, self.headers = id, method, url, headers
        self.ip, self.user, self.body, self.stream = ip, user, body, stream
        self.trigger, self.input, self.handler = trigger, input, handler
        self.form: Pairs | None = None
        self.files: list[tuple[Part, Any]] = []

    def start(self, seed: tuple[int, int, int, int], login: str, logout: str) -> Start:
        return Start(
            id=self.id,
            method=self.method,
            url=self.url,
            headers=self.headers,
            ip=self.ip,
            user=self.user,
            trigger=self.trigger,
            login=login,
            logout=logout,
            seed=seed,
            body="stream" if self.stream else "bytes" if self.body else "none",
            form=self.form,
            parts=[part for part, _ in self.files] or None,
            input=self.input,
            handler=self.handler,
        )


def visible(headers: Iterable[tuple[str, str]]) -> Pairs:
    """The headers an app sees, names in small letters."""
    seen = []
    for name, value in headers:
        name = name.lower()
        if name in _HOP:
            continue
        if name == "cookie" and "fazt_" in value.lower():
            value = _without_ours(value)
            if not value:
                continue
        elif name == "authorization" and _KEY.match(value):
            continue
        # what is not ASCII stands for the bytes that were sent, as everywhere on the web
        seen.append((name, value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("latin-1")))
    return seen


def ascii_target(target: str) -> str:
    """A path and query as they can stand in an address: what is not ASCII is escaped."""
    return target if target.isascii() else quote(target.encode("utf-8", "surrogateescape"), safe=_IN_TARGET)


def _without_ours(cookies: str) -> str:
    pairs = (pair.strip() for pair in cookies.split(";"))
    return "; ".join(pair for pair in pairs if not _KERNEL_COOKIE.match(pair.partition("=")[0].strip()))
