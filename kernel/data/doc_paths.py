"""Where in a document something lies: `address.city`, `tags.0`, and the columns that stand beside the document."""

from __future__ import annotations

import functools
import itertools
import json
import re
from typing import Any, NamedTuple

from msgspec import UNSET

from kernel.base.errors import FaztError

MOST_BYTES, MOST_SEGMENTS = 512, 20
# what a document shows of its row
COLUMNS = {"id": "id", "_createdAt": "created_at", "_updatedAt": "updated_at"}
MISSING = UNSET

# Only such a segment may be an index: no array is so long that more digits could mean something.
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Each index doubles the paths that SQLite has to try; beyond this a function walks.
_MOST_INDEXES = 2


class Path(NamedTuple):
    text: str
    segments: tuple[str, ...]

    @property
    def column(self) -> str | None:
        """The column it names, where it is none of the document's own fields."""
        return COLUMNS.get(self.text)

    @property
    def ways(self) -> tuple[str, ...]:
        """As SQLite writes it: one way for each reading of its numbers as keys or indexes; none where they are many.

        At most one of the ways exists in a document.
        """
        return _ways(self.segments)


def parse(text: Any, field: str = "query") -> Path:
    """A path from outside; `field` is the argument that named it."""
    if not isinstance(text, str):
        raise _wrong(field, "the name of a field must be text", text)
    if not text or len(text) > MOST_BYTES or _SURROGATE.search(text) or len(text.encode()) > MOST_BYTES:
        raise _wrong(field, f"the name of a field must be text of 1 to {MOST_BYTES} bytes", text)
    segments = tuple(text.split("."))
    if "" in segments:
        raise _wrong(field, f"the path {text} has an empty part", text)
    if len(segments) > MOST_SEGMENTS:
        raise _wrong(field, f"a path may have {MOST_SEGMENTS} parts, {text} has {len(segments)}", text)
    if text.startswith("$"):
        raise _wrong(field, f"{text} is no field: what begins with $ is an operator", text)
    return Path(text, segments)


def value_at(document: Any, segments: tuple[str, ...]) -> Any:
    """The value a path leads to, or MISSING. Objects are walked by key, arrays by index."""
    for segment in segments:
        if isinstance(document, dict):
            document = document.get(segment, MISSING)
        elif isinstance(document, list) and _INDEX.fullmatch(segment) and int(segment) < len(document):
            document = document[int(segment)]
        else:
            return MISSING
    return document


@functools.lru_cache(4096)
def _ways(segments: tuple[str, ...]) -> tuple[str, ...]:
    if sum(bool(_INDEX.fullmatch(segment)) for segment in segments) > _MOST_INDEXES:
        return ()
    steps = [_steps(segment) for segment in segments]
    return tuple("$" + "".join(way) for way in itertools.product(*steps))


def _steps(segment: str) -> tuple[str, ...]:
    # SQLite reads what stands in quotes as JSON does
    key = "." + json.dumps(segment)
    return (key, f"[{segment}]") if _INDEX.fullmatch(segment) else (key,)


def _wrong(field: str, message: str, path: Any) -> FaztError:
    shown = path[:MOST_BYTES].encode(errors="replace").decode() if isinstance(path, str) else None
    return FaztError("INVALID_ARGUMENT", f"{field}: {message}.", field=field, path=shown)
