"""What is said of an object: its key, its media type, and what every door shows of it."""

from __future__ import annotations

import re
from typing import Any, Self

from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.base.settings import Setting, Settings
from kernel.base.text import check_line
from kernel.syscall import Call
from kernel.syscall.words import Line

MOST_MB = Setting("limits.storage.s3.maxBlobSizeMB", int, 100, "Megabytes of one object of an app.", least=0, most=100)
MOST_LISTED = 10_000
MOST_KEY = 1024
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*"'
_MIME = re.compile(rf"{_TOKEN}/{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|{_QUOTED}))*")


class ObjectKey(Line):
    """The key of an object: 1 to 1024 bytes, as a path without empty or `..` segments."""

    least, most = 1, MOST_KEY

    @classmethod
    def parse(cls, value: Any) -> Self:
        text = check_line(value, cls.most + 1, cls.least).removeprefix("/")
        if not text:
            raise ValueError("must have 1 to 1024 bytes")
        _check(text, text.split("/"))
        return cls(text)


class ObjectPrefix(Line):
    """The beginning of keys; may be empty."""

    least, most = 0, MOST_KEY

    @classmethod
    def parse(cls, value: Any) -> Self:
        text = check_line(value, cls.most + 1).removeprefix("/")
        _check(text, text.split("/")[:-1])
        return cls(text)


def _check(text: str, segments: list[str]) -> None:
    if len(text.encode()) > MOST_KEY:
        raise ValueError(f"must have at most {MOST_KEY} bytes")
    if "\\" in text:
        raise ValueError("must not contain a backslash")
    if any(segment in ("", ".", "..") for segment in segments):
        raise ValueError("must not contain empty segments, `.` or `..`")


class Mime(Line):
    """A media type, as `image/png` or `text/html; charset=utf-8`."""

    least, most = 3, 255
    explain = "must be a media type, as image/png"

    @classmethod
    def parse(cls, value: Any) -> Self:
        text = check_line(value, cls.most, cls.least)
        if not _MIME.fullmatch(text):
            raise ValueError(cls.explain)
        return cls(text)


class Delimiter(Line):
    """Where keys are cut into folders: usually `/`."""

    least, most = 1, 16

    @classmethod
    def parse(cls, value: Any) -> Self:
        text = check_line(value, cls.most, cls.least)
        if "\U0010ffff" in text:
            raise ValueError("must not contain U+10FFFF")
        return cls(text)


class Cursor(Line):
    """Where a page ended, as the page said it."""

    least, most = 1, 4096


ANY_TYPE = Mime("application/octet-stream")
ALL = ObjectPrefix("")


class Saved(Struct, rename="camel"):
    key: str
    size: int
    mime: str
    cid: str


class Object(Struct, rename="camel"):
    """What is known of an object without its content. One that others made in a bucket has no cid and no hash."""

    key: str
    path: str
    mime: str
    size: int
    updated_at: int
    cid: str | None
    hash: str | None


class Listing(Struct):
    items: list[Object]
    prefixes: list[str]
    cursor: str | None


class About(Struct, rename="camel"):
    """What stands beside the bytes of an object."""

    mime: str
    size: int
    hash: str
    cid: str
    updated_at: int


def object_of(row: Any) -> Object:
    key, mime, size, updated_at, cid, sha256 = row
    return Object(key, key, mime, size, updated_at, cid, sha256)


def about(found: Object) -> About:
    assert found.hash is not None and found.cid is not None
    return About(found.mime, found.size, found.hash, found.cid, found.updated_at)


def most_bytes(settings: Settings) -> int:
    return int(settings[MOST_MB.name]) << 20


def check_size(call: Call, size: int) -> None:
    most = most_bytes(call.use(Settings))
    if size > most:
        raise FaztError("LIMIT_EXCEEDED", f"data: an object may have {most} bytes.", field="data", most=most)


def too_many() -> FaztError:
    hint = "Narrow it by a prefix, or go through it with listPage."
    return FaztError("LIMIT_EXCEEDED", f"A list has at most {MOST_LISTED} objects.", hint, most=MOST_LISTED)
