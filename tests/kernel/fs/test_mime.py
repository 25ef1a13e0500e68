"""What a file is, by its name."""

from __future__ import annotations

import re

import pytest

from kernel.fs import mime
from kernel.fs.mime import UNKNOWN, mime_of

TYPES = {
    "index.html": "text/html; charset=utf-8",
    "a/b/style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "app.mjs": "text/javascript; charset=utf-8",
    "app.js.map": "application/json; charset=utf-8",
    "site.webmanifest": "application/manifest+json; charset=utf-8",
    "thing.jsonld": "application/ld+json; charset=utf-8",
    "data.json": "application/json; charset=utf-8",
    "README.md": "text/markdown; charset=utf-8",
    "robots.txt": "text/plain; charset=utf-8",
    "Page.tsx": "text/plain; charset=utf-8",
    "segment.ts": "video/mp2t",
    "feed.xml": "application/xml",
    "logo.svg": "image/svg+xml",
    "code.wasm": "application/wasm",
    "a.avif": "image/avif",
    "a.webp": "image/webp",
    "a.jxl": "image/jxl",
    "a.woff2": "font/woff2",
    "favicon.ico": "image/x-icon",
    "song.mp3": "audio/mpeg",
    "site.tar.gz": "application/gzip",
    "UPPER.HTML": "text/html; charset=utf-8",
    "two.html.txt": "text/plain; charset=utf-8",
    "ünï.css": "text/css; charset=utf-8",
    ".well-known/apple-app-site-association": "application/json; charset=utf-8",
    "LICENSE": "text/plain; charset=utf-8",
    "nothing.known": UNKNOWN,
    "no-extension": UNKNOWN,
    "folder.css/file": UNKNOWN,
    ".html": UNKNOWN,
    "a/.css": UNKNOWN,
    "ends-with.": UNKNOWN,
    "": UNKNOWN,
    "a.html\n": UNKNOWN,
    "a." + "x" * 10_000: UNKNOWN,
}


@pytest.mark.parametrize("path", TYPES, ids=lambda path: ascii(path[:40]))
def test_a_name_says_what_a_file_is(path: str) -> None:
    assert mime_of(path) == TYPES[path]


def test_every_type_may_stand_in_a_header() -> None:
    for extensions in mime._TYPES.values():
        for extension in extensions.split():
            assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+(; charset=utf-8)?", mime_of(f"file.{extension}"))


def test_an_extension_means_one_thing() -> None:
    all_of_them = [extension for extensions in mime._TYPES.values() for extension in extensions.split()]
    assert len(all_of_them) == len(set(all_of_them))
    assert all(re.fullmatch("[a-z0-9]+", extension) for extension in all_of_them)
