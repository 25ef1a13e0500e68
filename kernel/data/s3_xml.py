"""What an S3 server says in XML: lists and errors. It may be anybody's, so nothing but plain elements is read."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote_plus
from xml.parsers import expat

DEEPEST, MOST_TEXT = 8, 64 << 10


class Entry(NamedTuple):
    key: str
    size: int
    etag: str
    modified: str


class Listed(NamedTuple):
    entries: list[Entry]
    prefixes: list[str]
    following: str | None


class _Reader:
    """Calls `found(path, text)` for each element that holds text, and `ended(path)` for each one that ends."""

    def __init__(self, most: int) -> None:
        self.root, self._path, self._text, self._most = "", list[str](), "", most
        self.values: dict[str, str] = {}
        self.groups: list[tuple[str, dict[str, str]]] = []
        self._group: dict[str, str] | None = None

    def read(self, data: bytes) -> None:
        parser = expat.ParserCreate(encoding="utf-8")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = _refuse
        parser.ProcessingInstructionHandler = _refuse
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, UnicodeError, LookupError) as error:
            raise ValueError("is not XML") from error

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self._path.append(name)
        self._text = ""
        self.root = self.root or name
        if len(self._path) > DEEPEST:
            raise ValueError("is nested too deep")
        if len(self._path) == 2:
            self._group = {}

    def _data(self, text: str) -> None:
        self._text += text
        if len(self._text) > MOST_TEXT:
            raise ValueError("holds a text that is too long")

    def _end(self, name: str) -> None:
        depth, last = len(self._path), self._path.pop()
        if depth == 3 and self._group is not None:
            self._group[last] = self._text
        elif depth == 2:
            if self._group:
                self.groups.append((last, self._group))
            else:
                self.values[last] = self._text
            if len(self.groups) > self._most or len(self.values) > self._most:
                raise ValueError("holds more than was asked for")
        self._text = ""


def _refuse(*_: object) -> int:
    raise ValueError("holds more than plain elements")


def listed(data: bytes, most: int) -> Listed:
    """A page of a list of at most so many entries, or ValueError."""
    reader = _Reader(most + 32)
    reader.read(data)
    if reader.root != "ListBucketResult":
        raise ValueError("is no list")
    plain = unquote_plus if reader.values.get("EncodingType") == "url" else str
    entries, prefixes = [], []
    for name, group in reader.groups:
        if name == "Contents":
            size = group.get("Size", "")
            if not size.isascii() or not size.isdigit() or len(size) > 15 or "Key" not in group:
                raise ValueError("holds an object without key or size")
            entries.append(Entry(plain(group["Key"]), int(size), group.get("ETag", ""), group.get("LastModified", "")))
        elif name == "CommonPrefixes":
            prefixes.append(plain(group.get("Prefix", "")))
    if len(entries) + len(prefixes) > most:
        raise ValueError("holds more than was asked for")
    following = reader.values.get("NextContinuationToken") if reader.values.get("IsTruncated") == "true" else None
    if reader.values.get("IsTruncated") == "true" and not following:
        raise ValueError("says there is more, but not where")
    return Listed(entries, prefixes, following)


def upload_id(data: bytes) -> str:
    """What an upload in parts is called, or ValueError."""
    reader = _Reader(32)
    reader.read(data)
    name = reader.values.get("UploadId", "")
    if reader.root != "InitiateMultipartUploadResult" or not 0 < len(name) <= 1024:
        raise ValueError("names no upload")
    return name


def error_code(data: bytes) -> str:
    """The word of an error; empty where there is none. Never shown, only compared."""
    reader = _Reader(32)
    try:
        reader.read(data)
    except ValueError:
        return ""
    return reader.values.get("Code", "") if reader.root == "Error" else ""
