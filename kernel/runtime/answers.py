"""What an app's code answers, read from what its guest says: nothing in it is believed."""

from __future__ import annotations

import collections
import re
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from kernel.base.errors import FaztError

MOST_BODY = 10 << 20
MOST_HEADERS = 100
MOST_HEADER_BYTES = 32 * 1024
MOST_SAID = 8 * MOST_HEADER_BYTES  # the same in JSON, where a character may take six
MOST_KNOWN = 512
LONGEST_KNOWN = 1024
# the wire is ours: these are said by who sends, not by who answers; what clears data would reach sibling hosts
_OURS = frozenset(
    (
        "clear-site-data",
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "proxy-connection",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    )
)
# cookies of the node itself; one without a name is sent back as its value, which can look like any other
_KERNEL_COOKIE = re.compile(r"[\s=]*(?:__Host-|__Secure-)?fazt_[A-Za-z0-9_]*\s*(?:[=;]|$)", re.IGNORECASE)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_NO_BODY = (204, 205, 304)
_headers = msgspec.json.Decoder(list[tuple[str, str]])


class Head(NamedTuple):
    status: int
    headers: tuple[tuple[str, str], ...]  # small letters; no lengths, nothing of the connection
    lines: bytes  # the status line and the headers, ready for the wire

    @property
    def has_body(self) -> bool:
        return self.status not in _NO_BODY


class Answer(NamedTuple):
    """An answer that is whole; one that streams has its body elsewhere."""

    head: Head
    body: bytes = b""


class Heads:
    """Reads the heads of answers. Those without a cookie repeat, and are remembered."""

    def __init__(self) -> None:
        self._known: collections.OrderedDict[bytes, Head] = collections.OrderedDict()

    def read(self, said: bytes) -> Head:
        """`200 [["content-type","text/plain"]]`"""
        known = self._known.get(said)
        if known is not None:
            return known
        head = read_head(said)
        if len(said) <= LONGEST_KNOWN and not any(name == "set-cookie" for name, _ in head.headers):
            if len(self._known) >= MOST_KNOWN:
                self._known.popitem(last=False)
            self._known[said] = head
        return head


def read_head(said: bytes) -> Head:
    status, _, listed = said.partition(b" ")
    if len(said) > MOST_SAID:
        raise head_too_large()
    if not status.isdigit() or len(status) != 3 or not 200 <= int(status) <= 599:
        raise invalid_response(f"The status is {status[:20].decode('ascii', 'replace')}, not 200 to 599.")
    try:
        headers = _headers.decode(listed or b"[]")
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise invalid_response("The headers are no list of names and values.") from None
    return made_head(int(status), headers)


def made_head(status: int, headers: list[tuple[str, str]]) -> Head:
    kept = []
    for name, value in headers:
        small = name.lower()
        value = value.strip(" \t")
        if not _TOKEN.fullmatch(name):
            raise invalid_response(f"{name[:40]!r} is no name of a header.")
        if not _VALUE.fullmatch(value):
            raise invalid_response(f"The header {small} holds what no header may hold.")
        if small in _OURS:
            continue
        if small == "set-cookie":
            if _KERNEL_COOKIE.match(value):
                raise invalid_response("The cookie's name belongs to the node.")
            value = _host_only(value)
        kept.append((small, value))
    if len(kept) > MOST_HEADERS:
        raise invalid_response(f"An answer has at most {MOST_HEADERS} headers.")
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    names = {name for name, _ in kept}
    if "x-content-type-options" not in names:
        kept.append(("x-content-type-options", "nosniff"))
    lines = f"HTTP/1.1 {status} {phrase}\r\n" + "".join(f"{_shown(name)}: {value}\r\n" for name, value in kept)
    data = lines.encode("latin-1")
    if len(data) > MOST_HEADER_BYTES:
        raise head_too_large()
    return Head(status, tuple(kept), data + b"Server: fazt\r\n")


def _host_only(cookie: str) -> str:
    """Sibling hosts are other apps: a cookie is for the host that sets it."""
    first, *more = cookie.split(";")
    return ";".join([first, *(one for one in more if one.partition("=")[0].strip().lower() != "domain")])


def head_too_large() -> FaztError:
    return invalid_response(f"The headers take more than {MOST_HEADER_BYTES // 1024} KiB.")


def _shown(name: str) -> str:
    return "-".join(word.capitalize() for word in name.split("-"))


def checked_body(body: bytes) -> bytes:
    if len(body) > MOST_BODY:
        raise too_large()
    return body


def too_large() -> FaztError:
    return invalid_response(f"A body has at most {MOST_BODY >> 20} MiB; larger ones are streamed.")


def invalid_response(why: str) -> FaztError:
    return FaztError("INVALID_RESPONSE", why)
