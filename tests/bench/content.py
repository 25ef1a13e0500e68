"""What is served and deployed: the same bytes in every run, half of them text that can be compressed, half random."""

from __future__ import annotations

import random
from pathlib import Path

SEED = 20_260
WORDS = ("<p>", "</p>", "a", "the", "nest", "egg", "river", "<li>", "</li>", "branch", "feather", "class", "=", "and")


def page(size: int) -> bytes:
    """Text of so many bytes, as pages are."""
    source = random.Random(SEED + size)
    text = b"<!doctype html><title>Bench</title>\n"
    while len(text) < size:
        text += " ".join(source.choices(WORDS, k=200)).encode() + b"\n"
    return text[:size]


def block(size: int) -> bytes:
    """Bytes without any order."""
    return random.Random(SEED + size).randbytes(size)


def folder(place: Path, files: int, total: int, edition: int = 0) -> Path:
    """A site of so many files and bytes, every second one text; each edition of it has nothing in common with another.

    What is written here stays in the page cache.
    """
    each = total // files
    for n in range(files):
        inner = place / f"part-{n % 20:02}"
        inner.mkdir(parents=True, exist_ok=True)
        mark = f"<!-- {edition} {n} -->".encode()
        size = max(0, each - len(mark))
        if n % 2:
            inner.joinpath(f"file-{n:04}.bin").write_bytes(mark + random.Random(SEED + n).randbytes(size))
        else:
            text = _TEXT[n % 997 :] if n % 997 else _TEXT
            inner.joinpath(f"file-{n:04}.html").write_bytes(mark + (text * (size // len(text) + 1))[:size])
    place.joinpath("index.html").write_bytes(page(5000))
    return place


_TEXT = page(40_000)
