"""Which file answers a path, on a site in memory; and which names have the hash of their content in them."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.fs.edition import Edition
from kernel.fs.header_rules import Headers
from kernel.fs.redirect_rules import Redirects, parse_redirects
from kernel.fs.trees import File
from kernel.net import lookup
from kernel.net.address import Address


class Editions:
    """Paths of a release, and of the one before it."""

    def __init__(self, *paths: str, before: tuple[str, ...] = ()) -> None:
        self.paths, self.before = paths, before

    def file(self, tree: int, path: str) -> File | None:
        return File(1, path, 1) if path in self.paths else None

    def left_behind(self, app: str, path: str) -> File | None:
        return File(2, path, 1) if path in self.before else None


def edition(spa: bool = False, handler: bool = False, rules: str = "") -> Edition:
    redirects: Redirects = parse_redirects(rules)[0]
    return Edition("app", "rel", 1, spa, 0, "public", "active", handler, redirects, Headers(), None)  # type: ignore[arg-type]


def find(editions: Editions, path: str, query: str = "", **how: Any) -> tuple[int, str]:
    found = lookup.find(editions, edition(**how), Address(path, query))  # type: ignore[arg-type]
    assert (found.file is not None) != bool(found.to) or found.status == 404
    return found.status, found.to or found.path


FILES = ("index.html", "a.html", "a/index.html", "b.html", "c/index.html", "d/x.txt", "e", "e.html", "404.html")
ORDER = {
    "": (200, "index.html"),
    "a": (301, "/a/"),
    "a/": (200, "a/index.html"),
    "a.html": (200, "a.html"),
    "b": (200, "b.html"),
    "b/": (301, "/b"),
    "c": (301, "/c/"),
    "d": (404, "404.html"),
    "d/": (404, "404.html"),
    "e": (200, "e"),
    "e/": (301, "/e"),
    "nothing": (404, "404.html"),
    "a/index": (200, "a/index.html"),
}


@pytest.mark.parametrize("path", ORDER)
def test_the_order_of_what_answers(path: str) -> None:
    assert find(Editions(*FILES), path) == ORDER[path]


def test_the_fallback_of_an_application_is_for_pages_only() -> None:
    site = Editions(*FILES)
    for path in ("deep", "deep/er", "deep/", "v1.2/page", "d/"):
        assert find(site, path, spa=True) == (200, "index.html"), path
    for path in ("x.js", "deep/x.css", "x."):
        assert find(site, path, spa=True) == (404, "404.html"), path
    assert find(Editions("a.html"), "deep", spa=True) == (404, "")
    assert find(site, "b", spa=True) == (200, "b.html")


def test_rules_come_first_rewrites_may_wait_for_files() -> None:
    site = Editions(*FILES)
    assert find(site, "old", "q=1", rules="/old /b 301")[0] == 301
    assert find(site, "x", rules="/* /a.html 200") == (200, "a.html")
    assert find(site, "b.html", rules="/* /a.html 200") == (200, "b.html"), "a file that is there shows itself"
    assert find(site, "b.html", rules="/b.html /a.html 200!") == (200, "a.html")
    assert find(site, "x", rules="/x /nothing.html 200!") == (404, "404.html")


def test_hidden_files_are_not_even_fallbacks() -> None:
    site = Editions(".x/index.html", "app.json", "_headers", "page.ejs", "api/main.js", "api/a.html")
    for path in (".x/", "app.json", "app", "_headers", "page.ejs", "page"):
        assert find(site, path) == (404, "")
    assert find(site, "api/a") == (200, "api/a.html")
    assert find(site, "api/a", handler=True) == (404, "")
    for target in ("/app.json", "/api/main.js", "/_headers", "/.x/index.html"):
        assert find(site, "go", handler=True, rules=f"/go {target} 200") == (404, "")


def test_what_was_there_before_answers_only_by_its_hash() -> None:
    before = ("assets/app-Bd3fGh12.js", "app.js", ".git/assets/x-Bd3fGh12.js", "api/assets/x-Bd3fGh12.js")
    site = Editions("index.html", before=before)
    assert find(site, "assets/app-Bd3fGh12.js") == (200, "assets/app-Bd3fGh12.js")
    assert find(site, "app.js") == (404, "")
    assert find(site, ".git/assets/x-Bd3fGh12.js") == (404, "")
    assert find(site, "api/assets/x-Bd3fGh12.js", handler=True) == (404, "")


@pytest.mark.parametrize(
    "path, hashed",
    [
        ("assets/index-Bd3fGh12.js", True),
        ("assets/index.4f1d3c2b.css", True),
        ("docs/assets/deep/er/x-a1b2c3d4e5.woff2", True),
        ("_astro/page.Dk3_fGhi.css", True),
        ("_next/static/chunks/main-0a1b2c3d4e5f.js", True),
        ("_app/immutable/entry/start.BdTf3x9q.js", True),
        ("static/js/main.8d8a1b2c.chunk.js", True),
        ("assets/index.js", False),
        ("assets/background.png", False),
        ("assets/my-photograph.png", False),
        ("assets/logo-small.svg", False),
        ("app-Bd3fGh12.js", False),
        ("img/app-Bd3fGh12.js", False),
        ("assetsx/app-Bd3fGh12.js", False),
        ("assets/app-Bd3fGh12", False),
        ("assets/", False),
    ],
)
def test_which_names_have_their_hash_in_them(path: str, hashed: bool) -> None:
    assert lookup.is_immutable(path) is hashed
