"""Which coding a client gets, what is coded at all, and that the bytes come back."""

from __future__ import annotations

import gzip
import random

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kernel.fs.codings import IDENTITY, LEAST, MOST, PREFERENCE, best, fast, negotiate, worth_coding
from kernel.fs.mime import mime_of

CHOICES = {
    None: IDENTITY,
    "": IDENTITY,
    " ": IDENTITY,
    "gzip": "gzip",
    "br": "br",
    "zstd": "zstd",
    "gzip, deflate, br, zstd": "br",
    "gzip, deflate, zstd": "zstd",
    "gzip, deflate": "gzip",
    "deflate": IDENTITY,
    "GZIP": "gzip",
    "x-gzip": "gzip",
    "Br;Q=1": "br",
    "*": "br",
    "*;q=0": IDENTITY,
    "*;q=0.1": "br",
    "gzip;q=1, *;q=0.5": "gzip",
    "gzip;q=0.5, *": "br",
    "br;q=0, *": "zstd",
    "br;q=0, zstd;q=0, gzip;q=0": IDENTITY,
    "br;q=0.5, gzip": "gzip",
    "br;q=0.5, gzip;q=0.500": "br",
    "br;q=0.001": "br",
    "br;q=0.0": IDENTITY,
    "identity": IDENTITY,
    "identity, br": "br",
    "identity;q=0.9, br;q=0.5": IDENTITY,
    "identity;q=0.5, br;q=0.5": "br",
    "identity;q=0": IDENTITY,
    "identity;q=0, gzip;q=0.1": "gzip",
    "identity;q=0, *;q=0": IDENTITY,
    # of two for one coding the lower counts
    "br, br;q=0, gzip": "gzip",
    "gzip, x-gzip;q=0": IDENTITY,
    # what is wrong is passed over, the rest stays
    "br;q=2, gzip": "gzip",
    "br;q=-1, gzip": "gzip",
    "br;q=1.5, gzip": "gzip",
    "br;q=0.1234, gzip": "gzip",
    "br;q=, gzip": "gzip",
    "br;q, gzip": "gzip",
    "br;level=5, gzip": "gzip",
    "br;q=1;q=0, gzip": "gzip",
    "br;q=nan, gzip": "gzip",
    "br;q=१, gzip": "gzip",
    "b r, gzip": "gzip",
    ",,, ;;, gzip ,": "gzip",
    "\tgzip\t;\tq=1\t": "gzip",
    "br\x00, gzip": "gzip",
    "\udcff, gzip": "gzip",
    # absurd
    "gzip," + "x" * 2000: IDENTITY,
    "," * 100_000 + "gzip": IDENTITY,
}


@pytest.mark.parametrize("accept", CHOICES, ids=lambda accept: ascii(accept)[:50])
def test_a_client_gets_what_it_likes_best(accept: str | None) -> None:
    assert negotiate(accept) == CHOICES[accept]


@pytest.mark.parametrize(
    ("accept", "available", "chosen"),
    [
        ("gzip, br", ("gzip",), "gzip"),
        ("gzip, br", ("zstd",), IDENTITY),
        ("gzip, br", (), IDENTITY),
        ("*", ("gzip",), "gzip"),
        ("br;q=1, gzip;q=0.1", ("gzip", "zstd"), "gzip"),
        # the order they are given in means nothing
        ("*", ("gzip", "zstd", "br"), "br"),
    ],
)
def test_only_what_there_is_is_chosen(accept: str, available: tuple[str, ...], chosen: str) -> None:
    assert negotiate(accept, available) == chosen


@given(st.text(alphabet="gzipbrstd*;q=01.5, \t-", max_size=60))
def test_whatever_is_asked_for_something_is_chosen(accept: str) -> None:
    chosen = negotiate(accept)
    assert chosen == IDENTITY or chosen in PREFERENCE
    if "q" not in accept.lower() and chosen != IDENTITY:
        assert chosen in accept or "*" in accept


def plain(coding: str, data: bytes) -> bytes:
    if coding == "br":
        return bytes(brotli.decompress(data))
    return gzip.decompress(data) if coding == "gzip" else zstandard.ZstdDecompressor().decompress(data)


_WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "for",
    "it",
    "as",
    "was",
    "with",
    "be",
    "by",
    "on",
    "not",
    "he",
    "his",
    "but",
    "at",
    "are",
    "this",
    "have",
    "from",
    "or",
    "had",
    "an",
    "they",
]
TEXT = " ".join(random.Random(3).choices(_WORDS, k=20_000)).encode()


@pytest.mark.parametrize("coding", PREFERENCE)
@pytest.mark.parametrize("data", [b"", b"a", TEXT, bytes(range(256)) * 4], ids=["nothing", "a byte", "text", "bytes"])
def test_the_bytes_come_back(coding: str, data: bytes) -> None:
    for made in (fast(coding, data), best(coding, data)):
        assert type(made) is bytes
        assert plain(coding, made) == data


@pytest.mark.parametrize("coding", PREFERENCE)
def test_the_best_is_the_smallest_and_always_the_same(coding: str) -> None:
    quick, small = fast(coding, TEXT), best(coding, TEXT)
    assert len(small) < len(quick) < len(TEXT) / 2
    assert (fast(coding, TEXT), best(coding, TEXT)) == (quick, small)


def test_gzip_tells_neither_time_nor_machine() -> None:
    for made in (fast("gzip", TEXT), best("gzip", TEXT)):
        assert made[4:8] == bytes(4) and made[9] == 255


def test_zstd_says_how_long_it_is() -> None:
    """A reader then knows how much room it needs."""
    assert zstandard.get_frame_parameters(fast("zstd", TEXT)).content_size == len(TEXT)


WORTH = [
    "html",
    "css",
    "js",
    "mjs",
    "json",
    "map",
    "svg",
    "xml",
    "wasm",
    "ttf",
    "otf",
    "eot",
    "txt",
    "md",
    "csv",
    "webmanifest",
    "jsonld",
    "geojson",
    "rss",
    "m3u8",
    "gltf",
    "vtt",
]
NOT_WORTH = [
    "png",
    "jpg",
    "gif",
    "webp",
    "avif",
    "jxl",
    "ico",
    "mp4",
    "webm",
    "mp3",
    "ts",
    "woff",
    "woff2",
    "zip",
    "gz",
    "br",
    "zst",
    "pdf",
    "docx",
    "glb",
    "unknown",
]


@pytest.mark.parametrize("extension", WORTH)
def test_text_and_its_like_are_coded(extension: str) -> None:
    assert worth_coding(mime_of(f"file.{extension}"), 5000)


@pytest.mark.parametrize("extension", NOT_WORTH)
def test_what_is_small_already_is_not(extension: str) -> None:
    assert not worth_coding(mime_of(f"file.{extension}"), 5000)


@pytest.mark.parametrize(
    ("size", "worth"), [(0, False), (LEAST - 1, False), (LEAST, True), (MOST, True), (MOST + 1, False), (2**40, False)]
)
def test_size_counts(size: int, worth: bool) -> None:
    assert worth_coding("text/html; charset=utf-8", size) is worth
