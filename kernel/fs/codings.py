"""Content codings: which one a client wants, what is worth coding, and making the coded bytes."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from functools import lru_cache

import brotli  # type: ignore[import-untyped]
import zstandard

IDENTITY = "identity"
# when the client likes several equally
PREFERENCE = ("br", "zstd", "gzip")
# what is worth making as small as it gets, once
KEPT = ("br", "zstd")
SUFFIX = {"br": "br", "zstd": "zst", "gzip": "gz"}
# shorter ones fit a packet anyway; longer ones would hold a worker too long
LEAST, MOST = 256, 1 << 20

_LONGEST = 1024
_ITEM = re.compile(
    r"[ \t]*(?P<name>[!#$%&'*+\-.^_`|~0-9a-z]+)[ \t]*"
    r"(?:;[ \t]*q[ \t]*=[ \t]*(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?",
    re.ASCII,
)
_WORTH = frozenset(
    {
        "application/json",
        "application/javascript",
        "application/x-javascript",
        "application/x-ndjson",
        "application/xml",
        "application/wasm",
        "application/rtf",
        "application/vnd.ms-fontobject",
        "application/vnd.apple.mpegurl",
        "font/ttf",
        "font/otf",
        "font/collection",
        "model/obj",
        "model/mtl",
    }
)


def negotiate(accept: str | None, available: tuple[str, ...] = PREFERENCE) -> str:
    """The coding to send, of those available; several header lines are joined with commas before.

    When nothing is acceptable the answer is identity: a page is of more use than a 406.
    """
    if not accept or len(accept) > _LONGEST:
        return IDENTITY
    return _negotiate(accept, available)


@lru_cache(maxsize=512)
def _negotiate(accept: str, available: tuple[str, ...]) -> str:
    weights = _weights(accept)
    anything = weights.get("*", 0.0)
    best, most = IDENTITY, 0.0
    for coding in PREFERENCE:
        weight = weights.get(coding, anything)
        if coding in available and weight > most:
            best, most = coding, weight
    return IDENTITY if weights.get(IDENTITY, 0.0) > most else best


def _weights(accept: str) -> dict[str, float]:
    """Coding → q; items that are not as they should be are passed over, of two for one coding the lower counts."""
    weights: dict[str, float] = {}
    for item in accept.lower().split(","):
        if found := _ITEM.fullmatch(item):
            name = "gzip" if found["name"] == "x-gzip" else found["name"]
            weight = float(found["weight"] or "1")
            weights[name] = min(weight, weights.get(name, weight))
    return weights


def worth_coding(mime: str, size: int) -> bool:
    """Does a file of this type and size become smaller by enough to bother?"""
    if not LEAST <= size <= MOST:
        return False
    kind = mime.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind.endswith(("+json", "+xml")) or kind in _WORTH


def fast(coding: str, data: bytes) -> bytes:
    """The coded bytes while somebody waits for them."""
    return _CODERS[coding](data, False)


def best(coding: str, data: bytes) -> bytes:
    """The coded bytes as small as they get; takes seconds for a large file."""
    return _CODERS[coding](data, True)


def _br(data: bytes, small: bool) -> bytes:
    return bytes(brotli.compress(data, quality=11 if small else 4))


def _gzip(data: bytes, small: bool) -> bytes:
    made = gzip.compress(data, 9 if small else 1, mtime=0)
    # the byte that names the operating system: unknown, as it is the same on none
    return made[:9] + b"\xff" + made[10:]


def _zstd(data: bytes, small: bool) -> bytes:
    return zstandard.ZstdCompressor(level=19 if small else 3).compress(data)


_CODERS: dict[str, Callable[[bytes, bool], bytes]] = {"br": _br, "gzip": _gzip, "zstd": _zstd}
