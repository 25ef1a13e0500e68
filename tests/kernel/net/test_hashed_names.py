"""Which names hold the hash of their content, and so may be kept for ever or asked for a little longer."""

from __future__ import annotations

import random
import string

import pytest

from kernel.net.lookup import is_immutable, may_linger

HASHED = [
    "assets/index-DmDbOVBC.js",
    "assets/index-lRUT6c-A.css",  # the alphabet of the hash has - and _
    "assets/late-BbB_3p_W.js",
    "assets/page--x_Bc2dE.js",
    "assets/api_index.md.DVhSYCxU.lean.js",
    "assets/inter-roman-cyrillic-ext.BBPuwvHQ.woff2",
    "assets/chunks/@localSearchIndexroot.DSemPoqx.js",
    "assets/chunks/@localSearchIndexroot.Ckn7qsmN.js",
    "assets/main-3f2a91bc.js.map",
    "docs/assets/inter-roman-latin.Di8DUHzh.woff2",
    "_astro/hoisted.Cx3f_9aB.js",
    "_nuxt/DlAUqK2U.js",
    "static/js/main.3f2a91bc.chunk.js",
    "static/media/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg",
    "_app/immutable/chunks/xihTtKlq.js",
    "_app/immutable/nodes/plain.js",
    "_next/static/chunks/pages/_app.js",
]
NAMED = [
    "assets/style.css",
    "assets/team-portrait.jpg",
    "assets/team-Portrait.jpg",
    "assets/BigImage.png",
    "assets/fonts/OpenSans-SemiBold.woff2",
    "assets/fonts/OpenSans.woff2",
    "assets/iPhone12.png",
    "assets/my-CV_Smith.pdf",
    "assets/big-BigImage.png",
    "assets/photo-1024x768.jpg",
    "assets/slide-image001.jpg",
    "assets/photo-IMG_2041.jpg",
    "assets/DSC01234.jpg",
    "assets/P1010042.jpg",
    "assets/report-20231215.pdf",
    "assets/My-Annual-Report.pdf",
    "assets/logo-dark-1x2.png",
    "assets/favicon-16x16-v2.png",
    "assets/jquery-version-3.6.0.js",
    "assets/my-photo2023.tar.gz",
    "_nuxt/builds/latest.json",
    "_app/version.json",
    "img/index-DmDbOVBC.js",
    "index-DmDbOVBC.js",
    "index.html",
]


@pytest.mark.parametrize("path", HASHED)
def test_a_name_with_a_hash_is_kept_for_ever(path: str) -> None:
    assert is_immutable(path)
    assert may_linger(path)


@pytest.mark.parametrize("path", NAMED)
def test_a_name_that_somebody_gave_is_not(path: str) -> None:
    assert not is_immutable(path)


def test_most_hashes_of_builders_are_seen() -> None:
    """What is missed by chance is only kept for a shorter time."""
    made = random.Random(7)
    base64url, hexadecimal = string.ascii_letters + string.digits + "-_", "0123456789abcdef"
    for alphabet, length in ((base64url, 8), (hexadecimal, 8), (hexadecimal, 20)):
        hashes = ["".join(made.choices(alphabet, k=length)) for _ in range(1000)]
        seen = sum(is_immutable(f"assets/index-{one}.js") for one in hashes)
        assert seen > 900, (alphabet, length)
        assert all(may_linger(f"assets/index-{one}.js") for one in hashes)


@pytest.mark.parametrize(
    ("path", "lingers"),
    [
        ("chunk-A2BCDEFG.js", True),
        ("styles-ABCDEFGH.css", True),
        ("assets/annual-report.pdf", False),
        ("report-3f2a91bc.pdf", False),
        ("app.js", False),
        ("about.html", False),
        ("index-DmDbOVBC.html", False),
    ],
)
def test_code_with_a_hash_lingers_wherever_it_lies(path: str, lingers: bool) -> None:
    assert may_linger(path) is lingers
