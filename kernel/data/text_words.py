"""Words of texts, as search compares them: small letters without accents, of every script.

Where a script writes no spaces (Chinese, Japanese, Thai …) each character is a word, so that a query of several finds
them side by side. The index holds these words as they are made here, so a search finds the same with it and without.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from kernel.data.doc_paths import MISSING, parse, value_at

# longer ones are alike where they begin alike: no text of a document is a word of a mebibyte
MOST_LETTERS = 100
# of one document; what stands behind them is not found
MOST_WORDS = 20_000
# a character may become many letters: no more of them are taken at once
_PIECE = 8192

_ASCII = re.compile(r"[a-z0-9]+")
# accents, and the vowel points of Hebrew and Arabic
_MARKS = ((0x0300, 0x036F), (0x0591, 0x05BD), (0x05BF, 0x05C7), (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670))
# scripts without spaces: Thai, Lao, Tibetan, Myanmar, Khmer; kana; Chinese characters
_ALONE = (
    *((0x0E00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x31F0, 0x31FF)),
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
)


class _Letters(dict[int, str]):
    """What becomes of a character: itself, nothing, a gap, or a word of its own."""

    most = 20_000

    def __missing__(self, code: int) -> str:
        made = _letter(code)
        if len(self) < self.most:
            self[code] = made
        return made


def _letter(code: int) -> str:
    letter = chr(code)
    if _within(code, _MARKS):
        return ""
    if not letter.isalnum() and unicodedata.category(letter)[0] != "M":
        return " "
    return f" {letter} " if _within(code, _ALONE) else letter


def _within(code: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(first <= code <= last for first, last in spans)


_LETTERS = _Letters()


def words(text: str, most: int = MOST_WORDS) -> list[str]:
    """The words of a text, in their order."""
    if text.isascii():
        found = _ASCII.findall(text.lower())
    else:
        found = []
        for piece in _pieces(text):
            plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", piece).casefold())
            found += plain.translate(_LETTERS).split()
            if len(found) >= most:
                break
    return [word[:MOST_LETTERS] for word in found[:most]]


def _pieces(text: str) -> Iterator[str]:
    """Parts of a long text, cut where there is a space."""
    start = 0
    while start < len(text):
        end = text.find(" ", start + _PIECE, start + 2 * _PIECE)
        end = end if end >= 0 else start + 2 * _PIECE
        yield text[start:end]
        start = end


def texts(document: Any, fields: Sequence[str] = ()) -> Iterator[str]:
    """The texts in a document, at any depth; only those at or below `fields` where any are named."""
    if not fields:
        yield from _below(document)
    for field in fields:
        value = value_at(document, parse(field).segments)
        if value is not MISSING:
            yield from _below(value)


def _below(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _below(item)


def spoken(document: Any, fields: Sequence[str] = ()) -> list[list[str]]:
    """The words of each text of a document."""
    found: list[list[str]] = []
    left = MOST_WORDS
    for text in texts(document, fields):
        if left <= 0:
            break
        found.append(words(text, left))
        left -= len(found[-1])
    return found
