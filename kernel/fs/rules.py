"""What `_redirects` and `_headers` have in common: their lines, their warnings, and texts that a match fills in."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Collection, Iterator
from urllib.parse import quote

from kernel.base.text import check_line

MAX_BYTES = 256 * 1024
MAX_LINE = 2000
MAX_LINES = 10_000
MAX_FILLED = 8192
MAX_WARNINGS = 100
_NAME = re.compile(r":([A-Za-z]\w*)", re.ASCII)
# what percent-encoding leaves as it is, whatever else it is told to
_PLAIN = (string.ascii_letters + string.digits + "_.-~").encode()


class Warnings:
    """What is wrong with a file, by line."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._told: list[str] = []
        self._untold = 0

    def add(self, line: int, text: str) -> None:
        if len(self._told) < MAX_WARNINGS:
            self._told.append(f"{self._file} line {line}: {text}")
        else:
            self._untold += 1

    def all(self) -> list[str]:
        more = [f"{self._file}: {self._untold} more lines have a mistake."] if self._untold else []
        return self._told + more


def rule_lines(text: str, warnings: Warnings) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers; no control character is in them."""
    text = _shortened(text, warnings)
    lines = text.removeprefix("\ufeff").split("\n", MAX_LINES)
    if len(lines) > MAX_LINES and lines.pop():
        warnings.add(MAX_LINES + 1, f"only the first {MAX_LINES} lines of a file count.")
    for number, raw in enumerate(lines, 1):
        line = raw.removesuffix("\r").replace("\t", " ")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            yield number, check_line(line, MAX_LINE).strip()
        except ValueError as wrong:
            warnings.add(number, f"the line {wrong} and is left out.")


def _shortened(text: str, warnings: Warnings) -> str:
    """The whole lines among the first bytes of a file that is too long."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= MAX_BYTES:
        return text
    # half a rule would be another rule
    begun, end, _ = data[: MAX_BYTES + 1].rpartition(b"\n")
    left_out = begun.count(b"\n") + 2 if end else 1
    warnings.add(left_out, f"only the first {MAX_BYTES // 1024} KiB of a file count; the rest is left out.")
    return begun.decode("utf-8", "surrogatepass")


def shown(text: str) -> str:
    """A piece of the file as a warning quotes it."""
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"


class Values:
    """What the names of a match stand for: a visitor's words, so they are percent-encoded where they are used."""

    __slots__ = ("_encoded", "_found", "_lengths")

    def __init__(self, found: dict[str, str]) -> None:
        self._found = found
        self._encoded: dict[tuple[str, str], str] = {}
        self._lengths: dict[tuple[str, str], int] = {}

    def encoded_length(self, name: str, safe: str) -> int:
        """How long the encoded text is: far quicker to say than to make it."""
        length = self._lengths.get((name, safe))
        if length is None:
            data = self._found[name].encode("utf-8", "replace")
            coded = len(data.translate(None, _PLAIN + safe.encode()))
            length = self._lengths[name, safe] = len(data) + 2 * coded
        return length

    def encoded(self, name: str, safe: str) -> str:
        text = self._encoded.get((name, safe))
        if text is None:
            # half a surrogate pair has no encoding: it becomes a question mark instead of an error
            text = self._encoded[name, safe] = quote(self._found[name], safe, errors="replace")
        return text


class Template:
    """Text with `:name` in it; only the names given are filled in, any other colon is text."""

    __slots__ = ("_literal", "_most", "_pieces", "_safe", "_times", "names")

    def __init__(self, text: str, names: Collection[str], safe: str, most: int = MAX_FILLED) -> None:
        pieces = [""]
        # split gives text, name, text, name, ..., text
        for at, piece in enumerate(_NAME.split(text) if names else [text]):
            if at % 2 and piece in names:
                pieces += [piece, ""]
            else:
                pieces[-1] += f":{piece}" if at % 2 else piece
        self._pieces = pieces
        self._safe, self._most = safe, most
        self._literal = sum(map(len, pieces[::2]))
        self._times = tuple(Counter(pieces[1::2]).items())
        self.names = frozenset(pieces[1::2])

    def length(self, values: Values) -> int | None:
        """How long the text with the values in it is; nothing if a visitor made it too long."""
        if not self._times:
            return self._literal
        filled = self._literal + sum(times * values.encoded_length(name, self._safe) for name, times in self._times)
        return filled if filled <= self._most else None

    def fill(self, values: Values) -> str | None:
        """The text with the values in it; nothing if a visitor made it too long."""
        return None if self.length(values) is None else self.filled(values)

    def filled(self, values: Values) -> str:
        """The text with the values in it, however long."""
        pieces = enumerate(self._pieces)
        return "".join(values.encoded(piece, self._safe) if at % 2 else piece for at, piece in pieces)
