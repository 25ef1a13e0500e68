"""The path of a request as a site understands it: decoded once, dots and double slashes resolved."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from kernel.base.errors import FaztError

LONGEST = 8192
_ORIGIN = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*")
_ESCAPE = re.compile(rb"%(?![0-9a-fA-F]{2})")
_DOTTED = re.compile(r"(?:^|/)\.{0,2}(?:/|$)")


class Address(NamedTuple):
    path: str  # without the first slash; of a folder, with the last
    query: str

    @property
    def is_folder(self) -> bool:
        return not self.path or self.path.endswith("/")

    def to(self, path: str) -> str:
        """A Location on the same host: begins with exactly one slash, whatever was asked for."""
        return "/" + quote(path.lstrip("/"), safe="/~!$&'()*+,;=:@") + (f"?{self.query}" if self.query else "")


def understood(target: str) -> Address | None:
    """None for a path that no file can have; what is no path at all is refused."""
    if len(target) > LONGEST:
        raise FaztError("URI_TOO_LONG", "The address is too long.")
    if not target.startswith("/"):
        target = _ORIGIN.sub("", target, count=1)
    raw, _, query = target.partition("#")[0].partition("?")
    # what a browser sends is ASCII; other bytes may stand in a query, but not in an answer's head
    query = quote(query.encode("utf-8", "surrogateescape"), safe="%/:=&?~+!$,;'@()*[]")
    data = raw.encode("utf-8", "surrogateescape")
    if _ESCAPE.search(data):
        raise FaztError("BAD_REQUEST", "The path has a % that stands for nothing.")
    data = unquote_to_bytes(data)
    if b"\0" in data:
        raise FaztError("BAD_REQUEST", "The path holds what no path may hold.")
    try:
        path = data.decode()
    except UnicodeDecodeError:
        return None
    path = path.removeprefix("/")
    return Address(_resolved(path) if _DOTTED.search(path) else path, query)


def _resolved(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if not kept:
                raise FaztError("BAD_REQUEST", "The path leads out of the site.")
            kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    folder = segments[-1] in ("", ".", "..") and bool(kept)
    return "/".join(kept) + ("/" if folder else "")
