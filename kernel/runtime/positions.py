"""Where code came from: source maps, and stacks told in the lines of the author.

A map is kept as columns of numbers that are searched as they are: a failing app must not make the node decode text.
Sources are kept as the map wrote them; "" is the file itself. Nothing else of the program is needed here, as this is
also loaded by the process that lowers code.
"""

from __future__ import annotations

import json
import posixpath
import re
import struct
import sys
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import NamedTuple

MOST_MAP = 8 << 20
MOST_SEGMENTS = 1 << 19
MOST_LINES = 1 << 19
MOST_SOURCES = 4096
MOST_NAME = 1024
MOST_UNPACKED = 16 << 20
MOST_STACK = 8 << 10
MOST_FRAMES = 64
WRAPPER_LINES = 1  # the engine puts one line before the author's first

_HEAD = struct.Struct("<III")  # bytes of the names, lines, segments
_DIGITS = {letter: i for i, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
_MOST = (1 << 31) - 1
_PLACE = re.compile(
    r"(?P<open>\(|^\s*at )(?P<file>[^\s()][^()]{0,1023}?):(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?\)?$"
)
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Position(NamedTuple):
    """A place in a file of the author; both numbers count from 1."""

    file: str
    line: int
    column: int


class Segment(NamedTuple):
    """From this column of a line on, the text comes from there; all numbers count from 0."""

    column: int
    source: int
    row: int
    start: int


class Positions:
    """A source map: for each line of what runs, the segments that say where it came from."""

    def __init__(self, sources: Iterable[str], lines: Iterable[Iterable[Segment]]) -> None:
        self.sources = list(sources)
        self._starts, self._columns = array("I", [0]), array("I")
        self._files, self._rows, self._cells = array("I"), array("I"), array("I")
        for line in lines:
            for column, source, row, start in line:
                self._columns.append(column)
                self._files.append(source)
                self._rows.append(row)
                self._cells.append(start)
            self._starts.append(len(self._columns))

    @property
    def lines(self) -> int:
        return len(self._starts) - 1

    def segments(self, line: int) -> list[Segment]:
        if not 0 <= line < self.lines:
            return []
        span = range(self._starts[line], self._starts[line + 1])
        return [Segment(self._columns[i], self._files[i], self._rows[i], self._cells[i]) for i in span]

    def at(self, line: int, column: int) -> Position | None:
        """Where this place of what runs (from 1) came from; `file` is the source as the map calls it."""
        if not 1 <= line <= self.lines:
            return None
        first, end = self._starts[line - 1], self._starts[line]
        if first == end:
            return None
        # what stands before the first segment is closer to it than to nothing
        i = max(first, bisect_right(self._columns, max(column - 1, 0), first, end) - 1)
        if self._files[i] >= len(self.sources):
            return None
        return Position(self.sources[self._files[i]], self._rows[i] + 1, self._cells[i] + 1)

    def over(self, inner: Positions) -> Positions:
        """This map of a text that has a map of its own: from what runs to the sources of `inner`."""

        def through(segment: Segment) -> Segment | None:
            line = segment.row
            if not 0 <= line < inner.lines:
                return None
            first, end = inner._starts[line], inner._starts[line + 1]
            i = bisect_right(inner._columns, segment.start, first, end) - 1
            if i < first:
                return None
            return Segment(segment.column, inner._files[i], inner._rows[i], inner._cells[i])

        def lines() -> Iterable[list[Segment]]:
            for line in range(self.lines):
                yield [found for segment in self.segments(line) if (found := through(segment))]

        return Positions(inner.sources, lines())

    # --- kept

    def pack(self) -> bytes:
        names = json.dumps(self.sources).encode()
        head = _HEAD.pack(len(names), len(self._starts), len(self._columns))
        return zlib.compress(head + names + b"".join(map(_little, self._arrays())), 6)

    @staticmethod
    def size_of(packed: bytes) -> int:
        """How many bytes this is when it is unpacked, by what it says of itself."""
        try:
            head = zlib.decompressobj().decompress(packed, _HEAD.size)
            named, lines, segments = _HEAD.unpack(head)
        except (zlib.error, struct.error):
            return 0
        size: int = _HEAD.size + named + 4 * (lines + 4 * segments)
        return min(size, MOST_UNPACKED)

    @classmethod
    def unpack(cls, packed: bytes) -> Positions:
        """ValueError: that is no packed map."""
        opened = zlib.decompressobj()
        try:
            raw = opened.decompress(packed, MOST_UNPACKED)
            named, lines, segments = _HEAD.unpack_from(raw)
            names = json.loads(raw[_HEAD.size : _HEAD.size + named])
        except (zlib.error, struct.error) as error:
            raise ValueError("no packed map") from error
        if len(raw) != _HEAD.size + named + 4 * (lines + 4 * segments) or lines < 1:
            raise ValueError("a packed map of another length")
        made = cls(names, ())
        start = _HEAD.size + named
        for kept, count in zip(made._arrays(), (lines, *[segments] * 4), strict=True):
            del kept[:]
            kept.frombytes(raw[start : start + 4 * count])
            if sys.byteorder == "big":
                kept.byteswap()
            start += 4 * count
        return made

    def _arrays(self) -> tuple[array[int], ...]:
        return self._starts, self._columns, self._files, self._rows, self._cells


def _little(numbers: array[int]) -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


# --- source maps, version 3 -------------------------------------------------------------------------------------------


def decode(text: bytes | str, itself: str | None = None) -> Positions:
    """A source map as tools write it; `itself`: the source that is the file itself. ValueError: it is none, or one
    that is beyond all measure."""
    if len(text) > MOST_MAP:
        raise ValueError("the source map is too large")
    try:
        said = json.loads(text.removeprefix(b"\xef\xbb\xbf") if isinstance(text, bytes) else text)
    except RecursionError:
        raise ValueError("no source map") from None
    if not isinstance(said, dict) or said.get("version") != 3:
        raise ValueError("no source map of version 3")
    mappings, names = said.get("mappings"), said.get("sources")
    if not isinstance(mappings, str) or not isinstance(names, list) or len(names) > MOST_SOURCES:
        raise ValueError("a source map without mappings or sources")
    root = said.get("sourceRoot")
    sources = [_source(name, root if isinstance(root, str) else "") for name in names]
    return Positions(["" if name == itself else name for name in sources], _decoded(mappings, len(sources)))


def _source(name: object, root: str) -> str:
    if not isinstance(name, str) or len(name) + len(root) > MOST_NAME:
        return "?"
    return f"{root.rstrip('/')}/{name}" if root else name


def _decoded(mappings: str, sources: int) -> Iterable[list[Segment]]:
    source = row = start = 0
    count = 0
    lines = mappings.split(";")
    if len(lines) > MOST_LINES:
        raise ValueError("a source map of too many lines")
    for line in lines:
        column, found = 0, []
        for piece in line.split(",") if line else ():
            fields = vlq(piece)
            if not fields:
                continue
            column += fields[0]
            if len(fields) >= 4:
                source, row, start = source + fields[1], row + fields[2], start + fields[3]
                if not (0 <= source < sources and 0 <= row <= _MOST and 0 <= start <= _MOST):
                    raise ValueError("a source map that points nowhere")
                found.append(Segment(column, source, row, start))
            if not 0 <= column <= _MOST:
                raise ValueError("a source map that points nowhere")
            count += 1
            if count > MOST_SEGMENTS:
                raise ValueError("a source map of too many segments")
        found.sort(key=lambda segment: segment.column)
        yield found


def vlq(text: str) -> list[int]:
    """The numbers of one segment."""
    numbers, value, shift = [], 0, 0
    for letter in text:
        digit = _DIGITS.get(letter, -1)
        if digit < 0 or shift > 30:
            raise ValueError("a source map with a number that is none")
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            numbers.append(-(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    if shift or len(numbers) > 5:
        raise ValueError("a source map with half a number")
    return numbers


# --- stacks -----------------------------------------------------------------------------------------------------------


class Trace(NamedTuple):
    """A stack as its author reads it, and the first place of it that is the author's own."""

    text: str
    place: Position | None


def author(path: str, source: str) -> str:
    """The path of a source that the map of the file `path` names."""
    if not source:
        return path
    name = _INVISIBLE.sub("?", re.sub(r"^[a-z-]+://", "", source))
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name.lstrip("/")))


def place(path: str, line: int, column: int, positions: Positions | None) -> Position:
    """Where the author wrote what the engine calls `path:line:column` (the line of the wrapper included)."""
    line = max(1, line - WRAPPER_LINES)
    found = positions.at(line, column) if positions else None
    return Position(author(path, found.file), found.line, found.column) if found else Position(path, line, column)


def told(
    stack: str,
    map_of: Callable[[str], bytes | None],
    opened: Callable[[str, bytes], Positions | None],
    most: int = MOST_FRAMES,
) -> Trace:
    """A stack text of the engine in the author's lines. `map_of` gives the packed map of a file of the app, b"" for
    one that runs as it was written, None for what is no file of the app; `opened` opens it."""
    maps: dict[str, Positions | None] = {}
    lines: list[str] = []
    first: Position | None = None
    for line in stack[:MOST_STACK].split("\n")[:most]:
        found = _PLACE.search(line)
        packed = map_of(found["file"]) if found else None
        if found is None or packed is None:
            lines.append(line)
            continue
        path = found["file"]
        if path not in maps:
            maps[path] = opened(path, packed)
        there = place(path, int(found["line"]), int(found["column"] or 1), maps[path])
        if first is None or ("node_modules/" in first.file and "node_modules/" not in there.file):
            first = there
        shown = f"{there.file}:{there.line}" + (f":{there.column}" if found["column"] else "")
        lines.append(line[: found.end("open")] + shown + ")" * (found["open"] == "("))
    return Trace("\n".join(lines), first)
