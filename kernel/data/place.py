"""Where a store may lie: inside, or in a bucket elsewhere."""

from __future__ import annotations

import re
from typing import NamedTuple

INSIDE, OUTSIDE = "internal", "external:"
_BUCKET = re.compile(r"(?:external:)?s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9!_.*'()-]+)*)/?")
_MOST, _LEAST, _LONGEST = 400, 3, 63


class Place(NamedTuple):
    """A bucket and what all keys in it begin with; without one it is inside."""

    bucket: str = ""
    prefix: str = ""

    @property
    def inside(self) -> bool:
        return not self.bucket

    @property
    def text(self) -> str:
        return INSIDE if self.inside else f"s3://{self.bucket}{'/' if self.prefix else ''}{self.prefix}"


def place_of(text: str) -> Place:
    """`internal` or `s3://bucket/prefix`, or ValueError."""
    if text == INSIDE:
        return Place()
    found = _BUCKET.fullmatch(text) if len(text) <= _MOST else None
    bucket = text.removeprefix(OUTSIDE).removeprefix("s3://").partition("/")[0]
    if not found and "s3://" in text and not _LEAST <= len(bucket) <= _LONGEST:
        raise ValueError(f"needs a bucket whose name has {_LEAST} to {_LONGEST} characters")
    if not found or ".." in text or any(part == "." for part in text.split("/")):
        raise ValueError("must be internal or s3://bucket/prefix")
    return Place(found[1], found[2].strip("/"))


def is_place(text: str) -> bool:
    try:
        place_of(text)
    except ValueError:
        return False
    return True
