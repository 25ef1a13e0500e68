"""The strict reading of a simple request: a whole GET or HEAD in which nothing can change the answer but its names."""

from __future__ import annotations

from typing import NamedTuple

LONGEST = 8000
MOST_LINES = 64
HEAD, UNCHANGED = 2, 1  # bits of `kind`
TOKEN = bytes(c for c in range(33, 127) if c not in b'()<>@,;:\\"/[]?={}')
FIELD = bytes([9, *range(32, 127), *range(128, 256)])
TARGET = bytes(c for c in range(33, 127) if c != ord("#"))
_FORWARDED = frozenset((b"forwarded", b"via", b"x-real-ip", b"x-forwarded-for", b"x-forwarded-host"))
# they change the answer, or where the request ends: such a request is not simple
_ODD = frozenset(
    (
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"expect",
        b"http2-settings",
        b"if-match",
        b"if-modified-since",
        b"if-range",
        b"if-unmodified-since",
        b"keep-alive",
        b"proxy-connection",
        b"range",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
_ONCE = frozenset((b"host", b"accept-encoding", b"if-none-match", b"connection"))
_SEEN = _ODD | _ONCE | _FORWARDED | {b"x-forwarded-proto"}


class Simple(NamedTuple):
    host: bytes
    path: bytes  # without the query
    accept: bytes  # which encodings
    head: bool
    known: bytes | None  # If-None-Match
    via: bytes | None  # a proxy stands between: what it says of the visitor


def read(data: bytes) -> Simple | None:
    """The request, or None when it is for somebody who takes more time."""
    if len(data) > LONGEST or data[-4:] != b"\r\n\r\n":
        return None
    lines = data[:-4].split(b"\r\n")
    if len(lines) > MOST_LINES:
        return None
    # nothing is left but the line ends: no zero byte, no bare CR or LF; an empty line would be a second request
    if data.translate(None, FIELD) != b"\r\n" * (len(lines) + 1):
        return None
    method, _, rest = lines[0].partition(b" ")
    target, _, version = rest.partition(b" ")
    if method not in (b"GET", b"HEAD") or version != b"HTTP/1.1" or target[:1] != b"/":
        return None
    if target.translate(None, TARGET):
        return None
    once: dict[bytes, bytes] = {}
    via: bytes | None = None
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, TOKEN):
            return None
        name = name.lower()
        if name not in _SEEN:
            continue
        if name in _ONCE:
            if name in once:
                return None
            once[name] = value.strip(b" \t")
        elif name in _ODD:
            return None
        else:
            via = _joined(via, value) if name == b"x-forwarded-for" else via or b""
    host = once.get(b"host")
    if not host or once.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    path = target.partition(b"?")[0]
    return Simple(
        host.lower(), path, once.get(b"accept-encoding", b""), method == b"HEAD", once.get(b"if-none-match"), via
    )


def _joined(before: bytes | None, value: bytes) -> bytes:
    return before + b"," + value if before else value
