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
        for name in ("assets/index-{}.js", "js/index.{}.css", "chunk-{}.mjs"):
            seen = sum(may_linger(name.format(one)) for one in hashes)
            assert seen > (950 if alphabet == base64url else 990), (name, alphabet, length)


def test_the_hashes_of_esbuild_are_seen_after_the_names_its_chunks_have() -> None:
    made = random.Random(7)
    for _ in range(1000):
        one = "".join(made.choices(string.ascii_uppercase + "234567", k=8))
        assert may_linger(f"chunk-{one}.js") and may_linger(f"de/styles-{one}.css")


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
        ("js/main.3f2a91bc.chunk.js", True),
        ("js/index-DmDbOVBC.js", True),
        ("static/0a1b2c3d4e5f.js", False),
        ("js/firebase-config.js", False),
        ("js/admin-settings.js", False),
        ("js/app-Settings.js", False),
        ("js/app-SETTINGS.js", False),
        ("js/app-VERSION2.js", False),
        ("js/app-myModule.js", False),
        ("js/app-api_keys.mjs", False),
        ("js/api-keys2024.js", False),
        ("js/web3auth.js", False),
        ("js/migrate-v1-to-v2.js", False),
        ("js/stats-20231215.js", False),
        ("js/stats-15122023.js", False),
        ("js/cafe-cafe2023.js", False),
        ("js/index.cafebabe.js", True),
        ("js/index.18527432.js", True),
        ("js/jquery-3.6.0.min.js", False),
        ("old-A2BCDEFG.backup/secrets.js", False),
        ("assets/firebase-settings.js", False),
        ("assets/settings.js", False),
        ("css/print-stylesheet.css", False),
        ("tailwind.config.js", False),
    ],
)
def test_code_with_a_hash_lingers_wherever_it_lies(path: str, lingers: bool) -> None:
    assert may_linger(path) is lingers
