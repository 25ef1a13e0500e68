"""What visitors of an app's host see, and that they see it changed as soon as the change was answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.kernel.fs.site import PAGE, Wire, deploy, frames, get, send, sha256, twice
from tests.kernel.fs.site import finish as finished
from tests.support import Running

SITE = {
    "index.html": b"<h1>home</h1>",
    "about.html": b"about",
    "docs/index.html": b"docs",
    "docs/a.html": b"a",
    "both.html": b"page",
    "both/index.html": b"folder",
    "only/x.txt": b"x",
    "a b.txt": b"space",
    "\u00fcn\u00ef.txt": b"letters",
    "q?.txt": b"mark",
    "404.html": b"<h1>not here</h1>",
    "api/list.json": b"[]",
    "_next/static/app.js": b"js",
    "_astro/x.css": b"css",
    ".well-known/security.txt": b"contact",
    ".well-known/acme-challenge/token": b"stolen",
    ".hidden/x": b"no",
    ".htaccess": b"no",
    "page.ejs": b"no",
    "app.json": b"{}",
    "_headers": b"",
    "_redirects": b"",
    "_fazt/track": b"mine",
    "_fazt/beacon.js": b"mine",
    "_services/x": b"mine",
    "_lib/x": b"mine",
    "_ws": b"mine",
    "ipfs/x": b"mine",
    "ipns/x": b"mine",
    "_fazt.html": b"mine",
    "ipfs.html": b"mine",
}

SERVED = {
    "/": b"<h1>home</h1>",
    "/index.html": b"<h1>home</h1>",
    "/about": b"about",
    "/about.html": b"about",
    "/docs/": b"docs",
    "/docs/a": b"a",
    "/both": None,
    "/both/": b"folder",
    "/only/x.txt": b"x",
    "/a%20b.txt": b"space",
    "/%C3%BCn%C3%AF.txt": b"letters",
    "/q%3F.txt": b"mark",
    "/api/list.json": b"[]",
    "/_next/static/app.js": b"js",
    "/_astro/x.css": b"css",
    "/.well-known/security.txt": b"contact",
    "/./about": b"about",
    "/docs/../about": b"about",
    "/docs/%2e%2e/about": b"about",
    "//about": b"about",
    "/docs//a": b"a",
    "/%61bout": b"about",
    "/docs%2Fa": b"a",
}


@pytest.fixture
async def blog(running: Running) -> Running:
    await deploy(running, "blog", SITE)
    return running


@pytest.mark.parametrize("path", [path for path, shown in SERVED.items() if shown is not None])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_file_is_served_by_its_paths_whoever_answers(blog: Running, path: str, method: str) -> None:
    answer = await twice(blog, path, method=method)
    assert answer.status == 200
    assert answer.body == (SERVED[path] if method == "GET" else b"")
    assert answer.headers["Content-Length"] == str(len(SERVED[path] or b""))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["ETag"] and answer.headers["Last-Modified"]


async def test_what_is_asked_again_is_answered_at_the_door(blog: Running) -> None:
    await twice(blog, "/about")
    front = blog.server.gate.front
    assert [entry.hits for entry in front._entries.values()] == [2]


MOVED = {
    "/docs": "/docs/",
    "/docs?a=1&b=%20c": "/docs/?a=1&b=%20c",
    "/both": "/both/",
    "/about/": "/about",
    "/about/?x": "/about?x",
    "//docs": "/docs/",
    "/x/../docs?q": "/docs/?q",
}


@pytest.mark.parametrize("path", MOVED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_folder_is_asked_for_with_its_slash(blog: Running, path: str, method: str) -> None:
    answer = await get(blog, path, method=method)
    assert (answer.status, answer.headers["Location"]) == (301, MOVED[path])
    assert answer.headers["Cache-Control"] == "no-cache"


HIDDEN = [
    "/.htaccess",
    "/.hidden/x",
    "/page.ejs",
    "/page",
    "/app.json",
    "/app",
    "/_headers",
    "/_redirects",
    "/%5fredirects",
    "/.hidden/",
    "/x/../.htaccess",
    "/%2ehtaccess",
    "/PAGE.EJS",
]
MISSING = ["/nothing", "/only", "/only/", "/docs/nothing", "/about.html/", "/ABOUT", "/about.htm", "/only/x"]


@pytest.mark.parametrize("path", [*HIDDEN, *MISSING])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_is_not_served_is_the_site_s_own_404(blog: Running, path: str, method: str) -> None:
    answer = await get(blog, path, method=method)
    assert answer.status == 404
    assert answer.body == (SITE["404.html"] if method == "GET" else b"")
    assert answer.headers["Cache-Control"] == "no-cache" and answer.headers["Content-Type"].startswith("text/html")


# --- 53: the paths of the node


OURS = [
    "/_fazt/track",
    "/_fazt/beacon.js",
    "/_fazt/",
    "/_fazt",
    "/_services/x",
    "/_lib/x",
    "/_ws",
    "/ipfs/x",
    "/ipns/x",
    "/ipfs",
    "/.well-known/acme-challenge/token",
    "/%5ffazt/beacon.js",
    "/x/../_fazt/beacon.js",
    "//_fazt/beacon.js",
    "/_fazt%2Fbeacon.js",
    "/./_fazt/beacon.js",
    "/_fazt/x/../beacon.js",
]


@pytest.mark.parametrize("path", OURS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
async def test_53_an_app_cannot_stand_in_front_of_the_node_s_own_paths(blog: Running, path: str, method: str) -> None:
    answer = await get(blog, path, method=method)
    assert answer.status in (200, 204, 400, 404, 405)
    assert not any(content in answer.body for content in (b"mine", b"stolen"))


async def test_53_rules_of_an_app_do_not_either(running: Running) -> None:
    rules = b"/_fazt/* /evil.js 200!\n/* /evil.js 200\n/ipfs/* https://evil.example/ 301\n"
    await deploy(running, "blog", {"evil.js": b"mine", "_redirects": rules, "_headers": b"/*\n  X-Evil: 1\n"})
    for path in ("/_fazt/beacon.js", "/_fazt/x", "/_fazt/pixel.gif", "/ipfs/x", "/_services/x"):
        answer = await get(running, path)
        assert b"mine" not in answer.body and "X-Evil" not in answer.headers and "Location" not in answer.headers


async def test_53_a_fallback_does_not_either(running: Running) -> None:
    await deploy(running, "blog", {"index.html": b"mine", "404.html": b"mine"}, spa=True)
    for path in ("/_fazt/deep", "/_services/deep", "/_lib/deep", "/ipns/deep", "/.well-known/acme-challenge/deep"):
        assert b"mine" not in (await get(running, path)).body, path
    assert (await get(running, "/deep")).body == b"mine"


# --- 40: paths that try to be others

TRICKS = {
    "/..": 400,
    "/%2e%2e/": 400,
    "/%2e%2e%2f%2e%2e%2fetc/passwd": 400,
    "/docs/../../x": 400,
    "/..%2f..%2fetc/passwd": 400,
    "/..;/": 404,
    "/..;/x": 404,
    "/%252e%252e/": 404,
    "/%252e%252e%252fetc": 404,
    "/\\evil.example": 404,
    "/%5cevil.example": 404,
    "/..%5c..%5cx": 404,
    "//evil.example": 404,
    "//evil.example/": 404,
    "///evil.example/..": 200,
    "/%2fevil.example": 404,
    "/%2F%2Fevil.example%2F": 404,
    "/%00": 400,
    "/index.html%00.png": 400,
    "/%": 400,
    "/%zz": 400,
    "/%2": 400,
    "/%c0%ae%c0%ae/": 404,
    "/%ed%a0%80": 404,
    "/a%0d%0aSet-Cookie:x=1": 404,
    "/%7f": 404,
    "/about%20": 404,
    "/about.": 404,
    "/C:/x": 404,
    "/con": 404,
    "/http://evil.example/": 404,
    "/" + "a/" * 3000: 404,
    "/" + "x" * 9000: 414,
}


@pytest.mark.parametrize("path", TRICKS, ids=lambda path: path[:40])
async def test_40_paths_that_try_to_be_other_paths(blog: Running, path: str) -> None:
    answer = await get(blog, path)
    assert answer.status == TRICKS[path], answer.headers
    assert "Set-Cookie" not in answer.headers
    location = answer.headers.get("Location", "")
    assert not location or (location.startswith("/") and not location.startswith(("//", "/\\")))


async def test_40_a_folder_that_is_called_like_a_host_leads_nowhere_else(running: Running) -> None:
    await deploy(running, "blog", {"evil.example/index.html": b"x", "a\u2025/index.html": b"x", "404.html": b"no"})
    for path in ("//evil.example", "///evil.example", "/%2fevil.example", "/.//evil.example", "/x/..//evil.example"):
        answer = await get(running, path)
        assert (answer.status, answer.headers["Location"]) == (301, "/evil.example/"), path
    assert (await get(running, "/a%E2%80%A5")).headers["Location"] == "/a%E2%80%A5/"


@pytest.mark.parametrize("url", ["https://else.example/*", "https://else.example/fixed"])
async def test_40_a_name_that_leads_elsewhere_says_nothing_of_its_own(running: Running, url: str) -> None:
    await running.run("aliases.set", subdomain="away", url=url)
    for path in (
        "/a%0d%0aSet-Cookie:%20x=1",
        "/%22onload",
        "/%C3%BC",
        "//evil.example/",
        "/a?b=%0d%0aX:1",
        "/\\x",
        "/%ff",
        "/%5c",
    ):
        answer = await running.ask("GET", path, host="away.localhost")
        assert answer.status in (302, 307), path
        assert "Set-Cookie" not in answer.headers and "X" not in answer.headers
        assert answer.headers["Location"].startswith("https://else.example/")
        assert not re.search(r'[\r\n\s"<>\\]', answer.headers["Location"])
    kept = await running.ask("GET", "/a%20b/%C3%BC?q=%26", host="away.localhost")
    if url.endswith("*"):
        assert kept.headers["Location"] == "https://else.example/a%20b/%C3%BC?q=%26"


# --- methods


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "XYZ"])
@pytest.mark.parametrize("path", ["/", "/nothing", "/docs"])
async def test_other_methods_are_not_allowed(blog: Running, method: str, path: str) -> None:
    answer = await get(blog, path, method=method)
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


async def test_a_file_is_not_posted_to(blog: Running) -> None:
    assert (await get(blog, "/", method="POST", raw=b"x" * 100_000)).status == 405


# --- fallbacks


async def test_a_site_without_a_404_page_shows_the_node_s(running: Running) -> None:
    await deploy(running, "blog", {"index.html": PAGE})
    answer = await get(running, "/nothing")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert answer.body != PAGE


async def test_a_single_page_application_falls_back_but_not_for_files(running: Running) -> None:
    await deploy(running, "blog", {"index.html": PAGE, "app.js": b"js", "404.html": b"gone"}, spa=True)
    for path in ("/a", "/a/b/c", "/a/", "/a.b/c", "/user/%C3%BC", "/%20"):
        answer = await twice(running, path)
        assert (answer.status, answer.body) == (200, PAGE), path
        assert answer.headers["Cache-Control"] == "no-cache"
    for path in ("/missing.js", "/a/b.css", "/favicon.ico"):
        assert ((await get(running, path)).status, (await get(running, path)).body) == (404, b"gone")
    assert (await get(running, "/app.js")).body == b"js"


async def test_an_api_folder_is_hidden_only_when_it_holds_a_handler(running: Running) -> None:
    await deploy(running, "blog", {"index.html": PAGE, "api/index.html": b"reference", "api/x.js": b"x"})
    assert (await get(running, "/api/")).body == b"reference"
    code = b"module.exports = request => `mine: ${request.path}`"
    await deploy(
        running,
        "blog",
        {"index.html": PAGE, "api/main.js": code, "api/x.js": b"x", "api/assets/a-Bd3fGh12.js": b"x"},
    )
    for path in ("/api/main.js", "/api/x.js", "/api/main", "/api/assets/a-Bd3fGh12.js"):
        assert (await get(running, path)).body == b"mine: " + path.encode()
    await deploy(running, "blog", {"index.html": b"new", "api/main.js": code})
    assert (await get(running, "/api/assets/a-Bd3fGh12.js")).body.startswith(b"mine"), (
        "not by the way of the release before either"
    )


# --- rules of the site


async def test_redirect_rules_work_on_real_answers(running: Running) -> None:
    rules = b"""/old /new 301
/moved/:name /new?n=:name 302
/away/* https://else.example/:splat 307
/shadow /other.html 200
/index.html /never 301
/gone.html /new.html 301!
/app/* /index.html 200
"""
    files = {
        "index.html": PAGE,
        "new.html": b"new",
        "other.html": b"other",
        "shadow.html": b"shadowed",
        "gone.html": b"gone",
    }
    await deploy(running, "blog", {**files, "_redirects": rules})
    assert (await get(running, "/old")).headers["Location"] == "/new"
    assert (await get(running, "/old")).status == 301
    for path in ("/away/x%0d%0aSet-Cookie:a=1", "/away/%5c%5cevil.example", "/away//x"):
        answer = await get(running, path)
        assert answer.headers["Location"].startswith("https://else.example/") and "Set-Cookie" not in answer.headers
        assert not re.search(r"[\r\n\\]", answer.headers["Location"])
    assert (await get(running, "/app/deep/link")).body == PAGE
    assert (await twice(running, "/app/deep/link")).status == 200
    assert (await get(running, "/gone.html")).status == 301


async def test_header_rules_work_on_real_answers_and_say_nothing_for_the_node(running: Running) -> None:
    rules = b"""/*
  X-Frame-Options: DENY
  Access-Control-Allow-Origin: *
/a.txt
  Cache-Control: max-age=7
  Content-Type: text/x-mine
  ! Referrer-Policy
  Set-Cookie: evil=1; Domain=localhost
  Server: mine
  Date: never
  Content-Length: 3
  X-Split: a\\r\\nb
"""
    await deploy(running, "blog", {"index.html": PAGE, "a.txt": b"hello", "_headers": rules})
    page = await twice(running, "/")
    assert (page.headers["X-Frame-Options"], page.headers["Access-Control-Allow-Origin"]) == ("DENY", "*")
    text = await twice(running, "/a.txt")
    assert (text.headers["Cache-Control"], text.headers["Content-Type"]) == ("max-age=7", "text/x-mine")
    assert "Set-Cookie" not in text.headers and text.headers["Server"] == "fazt"
    assert (text.body, text.headers["Content-Length"]) == (b"hello", "5")
    assert text.headers.get("Referrer-Policy") is None


# --- 20: what is seen changes with the answer

HOME = re.compile(rb'^<title>(\d+)</title><script src="(assets/app-[^"]+)"></script><link href="(assets/app-[^"]+)">$')


def site(n: int) -> dict[str, bytes]:
    """Each file says which release it belongs to, and the page which files belong to it."""
    js, css = b"release(%d)" % n, b"body{--release:%d}" % n
    names = [f"assets/app-{sha256(content)[:8]}.{kind}" for kind, content in (("js", js), ("css", css))]
    page = b'<title>%d</title><script src="%s"></script><link href="%s">' % (n, *(name.encode() for name in names))
    return {"index.html": page, names[0]: js, names[1]: css, "n.txt": b"%d" % n, "big.txt": b"%06d" % n * 60_000}


async def test_20_readers_during_deploys_see_whole_releases_and_never_a_stale_one(running: Running) -> None:
    """50 readers on connections that stay open, 10 deploys; nothing waits for a time."""
    sites = [site(n) for n in range(11)]
    for one in sites:
        await send(running, *frames(one))
    assert (await finished(running, "blog", sites[0])).status == 200
    live, over = 0, False
    seen: set[int] = set()

    async def read(reader: int) -> int:
        rounds = 0
        async with Wire(running) as wire:
            while not over or rounds < 3:
                rounds += 1
                floor = live
                page = await wire.ask("/", Accept_Encoding="identity")
                assert page.status == 200
                found = HOME.match(page.body)
                assert found, page.body
                n = int(found[1])
                assert n >= floor, "a page from before a flip that was answered"
                seen.add(n)
                for name in found.groups()[1:]:
                    asset = await wire.ask("/" + name.decode())
                    assert (asset.status, asset.body) == (200, sites[n][name.decode()]), (
                        "the page refers to what is gone"
                    )
                floor = live
                text = await wire.ask("/n.txt", Accept_Encoding="gzip, br" if reader % 2 else "identity")
                assert text.status == 200 and int(text.body) >= floor
                if reader % 10 == 0:
                    big = await wire.ask("/big.txt", Accept_Encoding="identity")
                    assert big.status == 200 and big.body == big.body[:6] * 60_000, "parts of two releases"
        return rounds

    async def write() -> None:
        nonlocal live, over
        for n in range(1, 11):
            answer = await finished(running, "blog", sites[n])
            assert answer.status == 200
            live = n
            # let everybody ask at least once
            for _ in range(20):
                await asyncio.sleep(0)
        over = True

    rounds = (await asyncio.gather(write(), *[read(n) for n in range(50)]))[1:]
    assert min(rounds) >= 3 and 10 in seen and len(seen) > 3
    front = running.server.gate.front
    assert sum(entry.hits for entry in front._entries.values()) > 0, "the door took part in it"


Change = Callable[[Running], Awaitable[Any]]


async def _delete(running: Running) -> None:
    await running.run("apps.delete", app="blog")


async def _post(running: Running, path: str, **said: Any) -> None:
    answer = await running.ask("POST", path, key="*", body=said)
    assert answer.status in (200, 201), answer.body


CHANGES: dict[str, tuple[Change, int, bytes]] = {
    "deploy": (lambda r: deploy(r, "blog", {"index.html": b"new"}), 200, b"new"),
    "rollback": (lambda r: _post(r, "/api/apps/blog/rollback"), 200, b"first"),
    "promote": (lambda r: _post(r, "/api/apps/blog/promote", release="v1"), 200, b"first"),
    "put a file": (lambda r: r.ask("PUT", "/api/apps/blog/files/index.html", key="deploy", raw=b"put"), 200, b"put"),
    "alias moved": (lambda r: r.ask("PUT", "/api/aliases/blog", key="*", body={"app": "other"}), 200, b"other"),
    "alias swapped": (lambda r: r.run("aliases.swap", alias1="blog", alias2="other"), 200, b"other"),
    "alias reserved": (lambda r: r.run("aliases.reserve", subdomain="blog"), 404, b""),
    "alias given up": (lambda r: r.run("aliases.delete", subdomain="blog"), 404, b""),
    "alias elsewhere": (lambda r: r.run("aliases.set", subdomain="blog", url="https://example.com/"), 302, b""),
    "renamed": (lambda r: r.run("apps.rename", app="blog", slug="journal"), 404, b""),
    "made private": (lambda r: r.run("apps.update", app="blog", visibility="private"), 401, b""),
    "stopped": (lambda r: r.run("apps.update", app="blog", status="stopped"), 503, b""),
    "deleted": (_delete, 404, b""),
    "purged": (lambda r: r.run("apps.delete", app="blog", purge=True, confirm="blog"), 404, b""),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_is_seen_at_once_over_a_connection_that_was_open_before(running: Running, change: str) -> None:
    await deploy(running, "other", {"index.html": b"other"})
    await deploy(running, "blog", {"index.html": b"first"})
    await deploy(running, "blog", {"index.html": b"second"})
    make, status, body = CHANGES[change]
    front = running.server.gate.front
    async with Wire(running) as wire:
        for _ in range(3):
            assert (await wire.ask("/")).body == b"second"
        assert len(front) == 1
        await make(running)
        answer = await wire.ask("/")
        assert answer.status == status
        assert answer.body == body or not body
        assert b"second" not in answer.body


async def test_a_restored_app_is_seen_at_once(running: Running) -> None:
    id = (await deploy(running, "blog", {"index.html": b"first"}))["app_id"]
    async with Wire(running) as wire:
        for _ in range(2):
            assert (await wire.ask("/")).status == 200
            await _delete(running)
            assert (await wire.ask("/")).status == 404
            await running.run("apps.restore", app=id)
            assert (await wire.ask("/")).status == 200
            await running.run("apps.update", app="blog", status="stopped")
            assert (await wire.ask("/")).status == 503
            await running.run("apps.update", app="blog", status="active")


async def test_an_app_stands_at_the_domain_itself(running: Running) -> None:
    await deploy(running, "home", {"index.html": b"home", "r/x": b"mine", "health": b"mine", "a.txt": b"a"})
    before = await running.ask("GET", "/", host="localhost")
    assert (await running.ask("PUT", "/api/root", key="*", body={"app": "home"})).status == 200
    for host in ("localhost", "root.localhost"):
        assert (await running.ask("GET", "/", host=host)).body == b"home"
        assert (await running.ask("GET", "/health", host=host)).body == b"OK\n"
        assert (await running.ask("GET", "/a.txt", host=host)).body == b"a"
        assert (await running.ask("GET", "/r/x", host=host)).status == 404
    assert before.body != b"home"


async def test_a_host_without_an_app_shows_nothing_of_any(blog: Running) -> None:
    for host in ("nothere", "app-000000000000", "blog--blog", "x" * 60):
        answer = await get(blog, "/", host)
        assert answer.status == 404 and b"home" not in answer.body
