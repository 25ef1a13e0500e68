"""Where a store may lie: inside, or in a bucket elsewhere."""

from __future__ import annotations

import re
from typing import NamedTuple

INSIDE, OUTSIDE = "internal", "external:"
_BUCKET = re.compile(r"(?:external:)?s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9!_.*'()-]+)*)/?")
_MOST = 400


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
    if not found or ".." in text or any(part == "." for part in text.split("/")):
        raise ValueError("must be internal or s3://bucket/prefix")
    return Place(found[1], found[2].strip("/"))


def is_place(text: str) -> bool:
    try:
        place_of(text)
    except ValueError:
        return False
    return True
