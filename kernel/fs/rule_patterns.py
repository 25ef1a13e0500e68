"""Patterns of paths and hosts with names in them, as Cloudflare Pages publishes them for `_redirects` and `_headers`.

They are matched by hand, not by regular expressions: a pattern with many placeholders in one segment would make those
try every way to share it out.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from kernel.fs.rules import shown

SPLAT = "splat"
_WILD = re.compile(r"(\*)|:([A-Za-z]\w*)", re.ASCII)


class _Wild(NamedTuple):
    name: str
    least: int
    after: str


class _Segment:
    """What stands between two delimiters: text, and wildcards with text after each."""

    __slots__ = ("head", "shortest", "wilds")

    def __init__(self, head: str, wilds: list[_Wild]) -> None:
        self.head = head
        self.wilds = wilds
        self.shortest = len(head) + sum(wild.least + len(wild.after) for wild in wilds)

    @classmethod
    def parse(cls, text: str) -> _Segment:
        # split gives text, star, name, text, star, name, ..., text
        pieces = _WILD.split(text)
        wilds = [
            _Wild(name or SPLAT, 0 if star else 1, unquote(after))
            for star, name, after in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True)
        ]
        return cls(unquote(pieces[0]), wilds)

    def match(self, text: str, values: dict[str, str]) -> bool:
        if len(text) < self.shortest or not text.startswith(self.head):
            return False
        if not self.wilds:
            return len(text) == len(self.head)
        if not text.endswith(self.wilds[-1].after):
            return False
        stop = len(text) - len(self.wilds[-1].after)
        return self._bind(text, stop, values)

    def _bind(self, text: str, stop: int, values: dict[str, str]) -> bool:
        """From the right, each separator as far right as it goes: the first name gets most, and nothing is retried."""
        start, size = len(self.head), len(text)
        if len(self.wilds) > 1:
            # str.find is linear also for long needles, str.rfind is not
            backwards = text[::-1]
            for wild, before in zip(self.wilds[:0:-1], self.wilds[-2::-1], strict=True):
                found = backwards.find(before.after[::-1], size - stop + wild.least, size - start)
                if found < 0:
                    return False
                values[wild.name] = text[size - found : stop]
                stop = size - found - len(before.after)
        first = self.wilds[0]
        values[first.name] = text[start:stop]
        return stop - start >= first.least


class Pattern:
    """A path (or host) with `:placeholder`s, which end at the delimiter, and at most one `*`, which does not."""

    def __init__(self, text: str, delimiter: str = "/") -> None:
        names = [name or SPLAT for _, name in _WILD.findall(text)]
        if text.count("*") > 1:
            raise ValueError(f"{shown(text)} has more than one `*`")
        if len(set(names)) < len(names):
            raise ValueError(f"{shown(text)} names a placeholder twice")
        self.names = frozenset(names)
        segments = [_Segment.parse(piece) for piece in text.split(delimiter)]
        star = next((at for at, segment in enumerate(segments) if _has_splat(segment)), None)
        self._before = segments if star is None else segments[:star]
        self._after = [] if star is None else segments[star + 1 :]
        self._star = None if star is None else _Star(segments[star])
        self.literal = unquote(_WILD.split(text, maxsplit=1)[0])
        self._only_prefix = bool(names) and text.endswith("*") and len(names) == 1
        self.key = (bool(names), text if names else self.literal)

    def match(self, text: str, parts: list[str]) -> dict[str, str] | None:
        """What the names stand for in a text that matches; `parts` is the text split at the delimiter."""
        if not text.startswith(self.literal):
            return None
        if not self.names:
            return {} if len(text) == len(self.literal) else None
        if self._only_prefix:
            return {SPLAT: text[len(self.literal) :]}
        spare = len(parts) - len(self._before) - len(self._after)
        if spare < 1 if self._star else spare != 0:
            return None
        values: dict[str, str] = {}
        ends = parts[len(parts) - len(self._after) :]
        for segments, found in ((self._before, parts), (self._after, ends)):
            # zip stops where the segments end
            if not all(segment.match(part, values) for segment, part in zip(segments, found, strict=False)):
                return None
        if self._star is None:
            return values
        first, last = len(self._before), len(parts) - len(self._after) - 1
        if first == last:
            return values if self._star.whole.match(parts[first], values) else None
        start = sum(len(part) + 1 for part in parts[:first])
        stop = len(text) - sum(len(part) + 1 for part in ends)
        return self._star.match(text[start:stop], parts[first], parts[last], values)


class _Star:
    """The segment with the `*`, which may stretch over several of the text."""

    def __init__(self, whole: _Segment) -> None:
        at = next(at for at, wild in enumerate(whole.wilds) if wild.least == 0)
        self.whole = whole
        self._left = _Segment(whole.head, [*whole.wilds[:at], _Wild(SPLAT, 0, "")])
        self._right = _Segment("", whole.wilds[at:])

    def match(self, text: str, first: str, last: str, values: dict[str, str]) -> dict[str, str] | None:
        if not self._left.match(first, values):
            return None
        start = len(first) - len(values[SPLAT])
        if not self._right.match(last, values):
            return None
        values[SPLAT] = text[start : len(text) - len(last) + len(values[SPLAT])]
        return values


def _has_splat(segment: _Segment) -> bool:
    return any(wild.least == 0 for wild in segment.wilds)
