"""Documents as rows of a table and back, so that what was exported comes back as it was.

A column is either text as it stands, or JSON in every cell: numbers, `true`, `null`, lists, and texts in quotes. Which
of both it is shows in its cells: one that is no JSON makes the whole column text. An empty cell is a field that is not
there. Objects are columns of their own, named with points.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

_NUMBER = re.compile(r"-?((?:0|[1-9][0-9]*)(\.[0-9]+)?)([eE][+-]?[0-9]+)?")
# what larger numbers and more digits say would be lost
EXACT, MOST_DIGITS = 2**53, 17
_WORD = re.compile(r"[A-Za-z0-9_$-]+")
_PART = re.compile(r"(?:[^.\\]|\\.)+", re.DOTALL)
_NEITHER: Any = object()

Path = tuple[str, ...]


def read(cell: str) -> Any:
    """What a cell says as JSON; `is_json` says whether it says anything."""
    first = cell[0]
    if first in "-0123456789":
        return _number(cell)
    if first in '"[{' or cell in ("true", "false", "null"):
        try:
            return msgspec.json.decode(cell)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return _NEITHER
    return _NEITHER


def _number(cell: str) -> Any:
    found = _NUMBER.fullmatch(cell) if len(cell) < 400 else None
    if found is None:
        return _NEITHER
    if found[2] is None and found[3] is None:
        value = int(cell)
        return value if abs(value) <= EXACT else _NEITHER
    digits = len(found[1].replace(".", "").lstrip("0"))
    fine = digits <= MOST_DIGITS and math.isfinite(float(cell))
    return float(cell) if fine else _NEITHER


def is_json(cell: str) -> bool:
    return read(cell) is not _NEITHER


# --- names of columns


def column(path: Path) -> str:
    """The name of the column for what lies at a path; a point in a name is written `\\.`."""
    return ".".join(part.replace("\\", "\\\\").replace(".", "\\.") for part in path)


def path_of(name: str) -> Path:
    """Where a column belongs: `a.b` lies in `a`; what does not look like names with points between is one name."""
    parts = [re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in _PART.findall(name)]
    if "\\" in name:
        return tuple(parts) if column(tuple(parts)) == name else (name,)
    return tuple(parts) if "." in name and all(map(_WORD.fullmatch, name.split("."))) else (name,)


# --- from documents to cells


def flat(document: dict[str, Any], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of a document and where it lies; an object that is empty is a value."""
    for name, value in document.items():
        path = (*above, name)
        # a name that no column can say stays inside its cell
        if isinstance(value, dict) and value and all(_is_column((*path, name)) for name in value):
            yield from flat(value, path)
        else:
            yield path, value


@functools.lru_cache(4096)
def _is_column(path: Path) -> bool:
    return all(path) and path_of(column(path)) == path


class Columns:
    """The columns of documents, found one document after the other."""

    def __init__(self) -> None:
        # whether all values are texts, and whether one of them shows it
        self._found: dict[Path, tuple[bool, bool]] = {}

    def see(self, document: dict[str, Any]) -> None:
        for path, value in flat(document):
            texts, shown = self._found.get(path, (True, False))
            text = isinstance(value, str) and value != ""
            self._found[path] = (texts and text, shown or (text and not is_json(value)))

    @property
    def names(self) -> list[str]:
        return [column(path) for path in self._found]

    def row(self, document: dict[str, Any]) -> list[str]:
        values = dict(flat(document))
        return [
            ""
            if path not in values
            else values[path]
            if texts and shown
            else msgspec.json.encode(values[path]).decode()
            for path, (texts, shown) in self._found.items()
        ]


# --- from cells to documents


class Kinds:
    """Which columns of a table are JSON, found one row after the other."""

    def __init__(self, count: int) -> None:
        self._open = set(range(count))

    def see(self, cells: list[str]) -> None:
        for at in [at for at in self._open if at < len(cells) and cells[at] and not is_json(cells[at])]:
            self._open.discard(at)

    @property
    def json(self) -> frozenset[int]:
        return frozenset(self._open)


class Clash(ValueError):
    """Two cells of a row want to be the same field."""


def document(paths: list[Path], json: Iterable[int], cells: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for at, cell in enumerate(cells):
        if cell:
            _put(made, paths[at], read(cell) if at in json else cell)
    return made


def _put(document: dict[str, Any], path: Path, value: Any) -> None:
    for name in path[:-1]:
        document = document.setdefault(name, {})
        if not isinstance(document, dict):
            raise Clash(column(path))
    if path[-1] in document:
        raise Clash(column(path))
    document[path[-1]] = value
