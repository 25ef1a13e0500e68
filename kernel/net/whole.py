"""The strict reading of a whole request, body and all, for those who answer without aiohttp.

What is not plainly one complete request is left to aiohttp, which knows all the rest: this reads only what every
reader would understand in the same way.
"""

from __future__ import annotations

from typing import NamedTuple

from kernel.net import simple
from kernel.net.simple import FIELD, MOST_LINES, TARGET, TOKEN

LONGEST_HEAD = simple.LONGEST  # less than any limit of aiohttp, which says what is too long
LONGEST_BODY = 128 * 1024
METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))
# they change how a request is read, where it ends, or who asks
_LEFT = frozenset(
    (
        b"content-encoding",
        b"expect",
        b"forwarded",
        b"http2-settings",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-real-ip",
    )
)
_ONCE = frozenset((b"authorization", b"host", b"content-length", b"connection", b"content-type"))


class Whole(NamedTuple):
    method: str
    target: str
    host: str
    headers: list[tuple[str, str]]  # names in small letters
    body: bytes
    authorization: str | None = None


def read(data: bytes) -> Whole | None:
    """The request, or None when it is for somebody who takes more time."""
    end = data.find(b"\r\n\r\n", 0, LONGEST_HEAD + 4)
    if end < 0:
        return None
    head, body = data[:end], data[end + 4 :]
    if len(body) > LONGEST_BODY:
        return None
    lines = head.split(b"\r\n")
    if len(lines) > MOST_LINES or head.translate(None, FIELD) != b"\r\n" * (len(lines) - 1):
        return None
    method, _, rest = lines[0].partition(b" ")
    target, _, version = rest.partition(b" ")
    if method not in METHODS or version != b"HTTP/1.1" or target[:1] != b"/" or target.translate(None, TARGET):
        return None
    headers: list[tuple[str, str]] = []
    once: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, TOKEN):
            return None
        name = name.lower()
        value = value.strip(b" \t")
        if name in _LEFT:
            return None
        if name in _ONCE:
            if name in once:
                return None
            once[name] = value
        headers.append((name.decode("ascii"), value.decode("utf-8", "surrogateescape")))
    host = once.get(b"host")
    if not host or not host.isascii() or once.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    length = once.get(b"content-length")
    if length is None:
        if body or method in (b"POST", b"PUT", b"PATCH"):
            return None
    elif not length.isdigit() or len(length) > 6 or int(length) != len(body):
        return None
    said = once.get(b"authorization")
    if said is not None and not said.isascii():
        return None
    about = None if said is None else said.decode("ascii")
    return Whole(method.decode("ascii"), target.decode("ascii"), host.decode("ascii"), headers, body, about)


def is_odd(target: str) -> bool:
    """A path that may be read in more than one way, or not at all."""
    path = target.partition("?")[0]
    return "%" in path or "//" in path or "/." in path or "#" in target
