"""Secrets do not show up in what an app says: its own sealed values, and what looks like a key, are covered."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from urllib.parse import quote

MARK = "[redacted]"
# shorter values are words of everyday: covering them would make logs unreadable and hide nothing
SHORTEST = 6
# a value of several lines is often printed line by line
SHORTEST_LINE = 12
MOST_KNOWN = 1000
MOST_COVERS = 256
_LOOKS_SECRET = re.compile(r"\bfzt_[A-Za-z0-9_-]{8,}|(?<=bearer )[ ]{0,8}[^\s\"'\\,;<>]{6,}", re.IGNORECASE)
_SAFE_IN_ADDRESSES = "-_.!~*'()"


class Cover:
    """Covers one app's secrets in any text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        said = dict.fromkeys(chain.from_iterable(map(_spellings, secrets)))
        self._secrets = sorted(said, key=len)
        self.longest = max(map(len, self._secrets), default=0)

    def clean(self, text: str, most: int | None = None) -> str:
        """`most`: only so many characters of the text, without the half of a secret that stands across the end."""
        end = len(text) if most is None else min(most, len(text))
        found = [span for span in self._found(text[: end + self.longest]) if span[0] < end]
        return _covered(text[:end], found) if found else text[:end]

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        for secret in self._secrets:
            at = text.find(secret) if len(secret) <= len(text) else -1
            while at >= 0:
                yield at, at + len(secret)
                # one may begin inside another
                at = text.find(secret, at + 1)
        # far quicker than asking the expression at every place
        lower = text.lower()
        if "fzt_" in lower or "bearer " in lower:
            for looks in _LOOKS_SECRET.finditer(text):
                yield looks.span()


def _covered(text: str, found: list[tuple[int, int]]) -> str:
    """Spans that overlap are one: no rest of a secret stands beside the mark."""
    pieces, written, end = [], 0, -1
    for start, stop in sorted(found):
        if start > end:
            if end >= 0:
                pieces.append(MARK)
                written = end
            pieces.append(text[written:start])
        end = max(end, stop)
    return "".join([*pieces, MARK, text[end:]])


def _spellings(secret: str) -> Iterator[str]:
    """How a value may stand in a text: as it is, as JSON, as `console` shows it, in an address; its lines too."""
    parts = [secret] if len(secret) >= SHORTEST else []
    if "\n" in secret or "\r" in secret:
        parts += [line for line in secret.splitlines()[:MOST_KNOWN] if len(line) >= SHORTEST_LINE]
    for part in parts:
        yield part
        yield json.dumps(part, ensure_ascii=False)[1:-1]
        yield json.dumps(part)[1:-1]
        for mark in ("'", '"', "`"):
            yield _inspected(part, mark)
        yield quote(part, _SAFE_IN_ADDRESSES, errors="replace")


def _inspected(text: str, mark: str) -> str:
    """As it stands between such marks when an object is logged."""
    shown = text.replace("\\", "\\\\").replace(mark, f"\\{mark}")
    return shown.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


class Redactor:
    """A port: what covers the secrets of an app. It is made anew when they change."""

    def __init__(self, secrets: Callable[[str], Iterable[str]], version: Callable[[str], int]) -> None:
        self._secrets, self._version = secrets, version
        self._lock = threading.Lock()
        self._made: dict[str, tuple[int, Cover]] = {}

    def of(self, app: str) -> Cover:
        version = self._version(app)
        known = self._made.get(app)
        if known is None or known[0] != version:
            known = version, Cover(self._secrets(app))
            with self._lock:
                # the last one made goes last: those of apps that are gone go in time
                self._made.pop(app, None)
                self._made[app] = known
                if len(self._made) > MOST_COVERS:
                    del self._made[next(iter(self._made))]
        return known[1]
