"""A file as HTTP sees it: conditional requests and ranges, with the status nginx gives for the same file.

Nothing here reads the file. `decide` says what to answer; `Multipart` lays out an answer of several ranges.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol

from kernel.fs.codings import SUFFIX

# a client that wants more pieces than this gets the whole
MOST_RANGES = 64
_HIGHEST = 2**63 - 1

Range = tuple[int, int]  # from the first byte to the one behind the last


class Headers(Protocol):
    """The headers of a request, whatever the case of their names."""

    def getall(self, key: str, default: list[str], /) -> list[str]: ...


@dataclass(frozen=True)
class Representation:
    """A file: `modified` is in Unix seconds; the tags of its coded variants are made from its own."""

    etag: str
    size: int
    modified: int
    mime: str

    def tag(self, coding: str = "identity") -> str:
        """The ETag of the file as it is, or of one of its coded variants."""
        return self.etag if coding == "identity" else f'{self.etag[:-1]}-{SUFFIX[coding]}"'

    def tags(self) -> frozenset[str]:
        """All ETags this file may have been sent with."""
        return frozenset((self.etag, *map(self.tag, SUFFIX)))


@dataclass(frozen=True)
class Verdict:
    """What to answer. `ranges` are those to send with a 206; a 200 sends the whole."""

    status: HTTPStatus
    ranges: tuple[Range, ...] = ()


_WHOLE = Verdict(HTTPStatus.OK)
_UNSATISFIABLE = Verdict(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)


def etag_of(cid: str) -> str:
    """The strong ETag of content with this cid."""
    return f'"{cid}"'


def decide(method: str, headers: Headers, file: Representation) -> Verdict:
    """The answer to a request for a file that is there: 200, 206, 304, 412, 416, or 400 for a condition said twice."""
    if any(len(headers.getall(name, [])) > 1 for name in _CONDITIONS):
        return Verdict(HTTPStatus.BAD_REQUEST)
    if not _precondition_holds(headers, file):
        return Verdict(HTTPStatus.PRECONDITION_FAILED)
    if _not_modified(headers, file):
        return Verdict(HTTPStatus.NOT_MODIFIED)
    wanted = _one(headers, "Range") if method in ("GET", "HEAD") else None
    if wanted is None or wanted[:6].lower() != "bytes=" or len(wanted) < 7 or not _range_applies(headers, file):
        return _WHOLE
    return _cut(wanted[6:], file.size)


def content_range(start: int, end: int, size: int) -> str:
    """The Content-Range of the bytes from `start` to before `end`."""
    return f"bytes {start}-{end - 1}/{size}"


def unsatisfied(size: int) -> str:
    """The Content-Range of a 416."""
    return f"bytes */{size}"


# --- conditions


_CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range")


def _one(headers: Headers, name: str) -> str | None:
    """The value of a header; of several lines the first counts."""
    found = headers.getall(name, [])
    return found[0].strip(" \t") if found else None


def _precondition_holds(headers: Headers, file: Representation) -> bool:
    since = _one(headers, "If-Unmodified-Since")
    if since is not None and ((at := http_time(since)) is None or at < file.modified):
        return False
    tags = _one(headers, "If-Match")
    return tags is None or _names(tags, file.tags(), weak=False)


def _not_modified(headers: Headers, file: Representation) -> bool:
    """A client that sends both a time and tags must agree in both."""
    since, tags = _one(headers, "If-Modified-Since"), _one(headers, "If-None-Match")
    if since is None and tags is None:
        return False
    # a file may also become older, by a rollback: any other time means another file
    if since is not None and http_time(since) != file.modified:
        return False
    return tags is None or _names(tags, file.tags(), weak=True)


def _names(listed: str, tags: frozenset[str], *, weak: bool) -> bool:
    """Is one of the tags in the list? Weak ones count where only a copy is at stake."""
    if listed == "*":
        return True
    items = (item.strip(" \t") for item in listed.split(","))
    return any((item.removeprefix("W/") if weak else item) in tags for item in items)


def _range_applies(headers: Headers, file: Representation) -> bool:
    """If-Range: ranges are cut from the file as it is, so no other tag and no other time will do."""
    unless = _one(headers, "If-Range")
    if unless is None:
        return True
    if unless.endswith('"') and len(unless) > 1:
        return unless == file.etag
    return http_time(unless) == file.modified


# --- ranges


def _cut(wanted: str, size: int) -> Verdict:
    ranges: list[Range] = []
    for item in wanted.split(","):
        found = _bounds(item, size)
        if found is None:
            return _UNSATISFIABLE
        start, end = found
        if start < end:
            ranges.append(found)
            if len(ranges) > MOST_RANGES:
                return _WHOLE
        elif start == 0:
            # the file is empty: there is nothing to cut
            return _WHOLE
    if not ranges:
        return _UNSATISFIABLE
    if sum(end - start for start, end in ranges) > size:
        return _WHOLE
    return Verdict(HTTPStatus.PARTIAL_CONTENT, tuple(ranges))


def _bounds(item: str, size: int) -> Range | None:
    """`first-`, `first-last` or `-suffix` as a part of the file; None when it is none of these."""
    before, dash, after = item.partition("-")
    if not before.strip(" "):
        suffix = _number(after.rstrip(" ")) if dash else None
        return None if suffix is None else (max(0, size - suffix), size)
    first = _number(before.strip(" "))
    if first is None or not dash:
        return None
    if not after.strip(" "):
        return first, size
    last = _number(after.strip(" "))
    return None if last is None else (first, min(size, last + 1))


def _number(text: str) -> int | None:
    """A count of bytes; counted before Python makes a number of it, which is slow for thousands of digits."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    number = int(digits or 0) if len(digits) < 20 else _HIGHEST + 1
    return number if number <= _HIGHEST else None


class Multipart:
    """A multipart/byteranges body: parts to stream, `closing` at the end, `length` bytes in all."""

    def __init__(self, file: Representation, ranges: tuple[Range, ...], boundary: str) -> None:
        self.boundary = boundary
        self.closing = f"\r\n--{boundary}--\r\n".encode()
        self._parts = [(self._prefix(file, start, end), start, end) for start, end in ranges]
        self.length = sum(len(prefix) + end - start for prefix, start, end in self._parts) + len(self.closing)

    @property
    def content_type(self) -> str:
        return f"multipart/byteranges; boundary={self.boundary}"

    def _prefix(self, file: Representation, start: int, end: int) -> bytes:
        lines = ("", f"--{self.boundary}", f"Content-Type: {file.mime}")
        return "\r\n".join((*lines, f"Content-Range: {content_range(start, end, file.size)}", "", "")).encode()

    def __iter__(self) -> Iterator[tuple[bytes, int, int]]:
        """For each part the bytes that go before it, where it starts, and where it ends."""
        return iter(self._parts)


# --- times

_MONTHS = {
    name: n
    for n, name in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}
_CLOCK = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS = (
    re.compile(rf"[^, ]*, *(?P<day>[0-9]{{2}}) (?P<month>[A-Za-z]{{3}}) (?P<year>[0-9]{{4}}) {_CLOCK}"),
    re.compile(rf"[^, ]*, *(?P<day>[0-9]{{2}})-(?P<month>[A-Za-z]{{3}})-(?P<year>[0-9]{{2}}) {_CLOCK}"),
    re.compile(rf"[^, ]* +(?P<month>[A-Za-z]{{3}})  ?(?P<day>[0-9]{{1,2}}) {_CLOCK} (?P<year>[0-9]{{4}})"),
)


def http_time(text: str) -> int | None:
    """A time in one of the three forms HTTP knows, in Unix seconds; always taken as GMT."""
    return _http_time(text[:100])


@lru_cache(maxsize=256)
def _http_time(text: str) -> int | None:
    for form in _FORMS:
        if found := form.match(text):
            return _seconds(found)
    return None


def _seconds(found: re.Match[str]) -> int | None:
    month, day, year = _MONTHS.get(found["month"], 0), int(found["day"]), int(found["year"])
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"])
    if len(found["year"]) == 2:
        # as the servers of the time took it
        year += 2000 if year < 70 else 1900
    if not (month and year >= 1970 and hour < 24 and minute < 60 and second < 60):
        return None
    if not 0 < day <= calendar.monthrange(year, month)[1]:
        return None
    return calendar.timegm((year, month, day, hour, minute, second))
