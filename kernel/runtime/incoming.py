"""A request on its way to an app's code: what the code may see of it, and nothing of the node's own."""

from __future__ import annotations

import os
import re
import string
import struct
from collections.abc import Iterable
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.base.json import encode

# the node's own: an app neither sees them nor can use them
_KERNEL_COOKIE = re.compile(r"(?:__Host-|__Secure-)?fazt_[A-Za-z0-9_]*$", re.IGNORECASE)
_KEY = re.compile(r"(?<![\w.-])fzt_", re.IGNORECASE)
_KEYS = frozenset(("authorization", "proxy-authorization"))
# how the connection is used is settled before an app hears of it
_HOP = frozenset(("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"))
Pairs = list[tuple[str, str]]
_IN_TARGET = string.punctuation
_PLAIN = re.compile(r"[!-~]*")
_seed = struct.Struct("<4I").unpack


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


class Rest(Struct, omit_defaults=True, kw_only=True):
    """What is unusual about a request."""

    user: User | None = None
    trigger: str = "http"
    form: Pairs | None = None
    parts: list[Part] | None = None
    input: Any = msgspec.UNSET
    handler: str = ""


USUAL = Rest()
# stands between the parts of a message: no part holds it
_BETWEEN = "\x1f"


class Incoming:
    """One request. The body is here (`body`), or comes (`stream`), or there is none."""

    __slots__ = (
        "body",
        "by_visitor",
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
        self.by_visitor = True  # and not by the owner's hand
        self.form: Pairs | None = None
        self.files: list[tuple[Part, Any]] = []

    @property
    def person(self) -> str:
        """Whose rows are meant by those of who is signed in."""
        return self.user.id if self.user is not None else ""

    def part(self, index: int, start: int, length: int) -> bytes:
        """Some of a file of its form."""
        if not 0 <= index < len(self.files):
            raise FaztError("INVALID_ARGUMENT", "There is no such file.")
        file = self.files[index][1]
        file.seek(start)
        data: bytes = file.read(length)
        return data

    def start(self) -> bytes:
        """The message an invocation begins with."""
        rest = Rest(
            user=self.user,
            trigger=self.trigger,
            form=self.form,
            parts=[part for part, _ in self.files] or None,
            input=self.input,
            handler=self.handler,
        )
        seed = ",".join(map(str, _seed(os.urandom(16))))
        body = "stream" if self.stream else "bytes" if self.body else "none"
        told = _BETWEEN.join((self.id, self.method, self.url, self.ip, seed, body, ""))
        unusual = b"" if rest == USUAL else encode(rest)
        return b"S%b%b\x1f%b" % (told.encode(), encode(self.headers), unusual)


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
        elif name in _KEYS and _KEY.search(value):
            continue
        # what is not ASCII stands for the bytes that were sent, as everywhere on the web
        seen.append((name, value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("latin-1")))
    return seen


def ascii_target(target: str) -> str:
    """A path and query as they can stand in an address: what is not ASCII is escaped."""
    return target if _PLAIN.fullmatch(target) else quote(target.encode("utf-8", "surrogateescape"), safe=_IN_TARGET)


def _without_ours(cookies: str) -> str:
    pairs = (pair.strip() for pair in cookies.split(";"))
    return "; ".join(pair for pair in pairs if not _KERNEL_COOKIE.match(pair.partition("=")[0].strip()))
