"""Paths that try to be other paths: never a redirect to elsewhere, never a trace, never a file that is none."""

from __future__ import annotations

import pytest

from tests.support import Running

on_shared_node = pytest.mark.asyncio(loop_scope="module")
ODD = [
    "/%2e%2e/",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2fetc/passwd",
    "/..;/",
    "/..;/api/apps",
    "/.;/x",
    "/%252e%252e/",
    "/%252e%252e%252fetc/passwd",
    "/\\evil.example",
    "/%5cevil.example",
    "/%5C%5Cevil.example",
    "//evil.example",
    "//evil.example/",
    "///evil.example/%2e%2e",
    "////",
    "/%2fevil.example",
    "/%2F%2Fevil.example",
    "/%00",
    "/index.html%00.png",
    "/%00/../index.html",
    "/%ff",
    "/%c0%ae%c0%ae/",
    "/%e0%80%ae",
    "/%ed%a0%80",
    "/%",
    "/%zz",
    "/%2",
    "/%u002e%u002e/",
    "/a%0d%0aSet-Cookie:x=1",
    "/%0a",
    "/%7f",
    "/%1b[31m",
    "/a/./b",
    "/a/../b",
    "/a/b/../../../c",
    "/index.html/",
    "/index.html/..",
    "/INDEX.HTML",
    "/index.html%20",
    "/index.html.",
    "/signin.html",
    "/signin-used.html",
    "/%73ignin.html",
    "/.git/config",
    "/.env",
    "/api.js/../app.js",
    "/con",
    "/C:/x",
    "/file:///etc/passwd",
    "/http://evil.example/",
    "/@evil.example",
    "/;@evil.example",
    "/?//evil.example",
    "/%3F",
    "/%23",
    "/~root",
    "/_app/app_0123456789ab/",
    "/_fazt/../index.html",
    "/" + "a/" * 1500,
    "/" + "%2e/" * 1000,
]
HOSTS = ("admin.localhost", "localhost", "www.localhost", "shop.localhost", "evil.example")


@pytest.mark.parametrize("path", ODD, ids=lambda path: path[:40])
@on_shared_node
async def test_an_odd_path_leads_nowhere(untouched: Running, path: str, caplog: pytest.LogCaptureFixture) -> None:
    for host in HOSTS:
        answer = await untouched.ask("GET", path, host=host)
        if host == "www.localhost" and answer.status == 308:
            root = f"http://localhost:{untouched.site.port}/"
            assert answer.headers["Location"].startswith(root)
            continue
        page = path.startswith("/?")
        assert answer.status in ((200, 404) if page else (400, 404)), host
        assert "Location" not in answer.headers and "Set-Cookie" not in answer.headers
        assert b"root:" not in answer.body and b"Traceback" not in answer.body and b"{{host}}" not in answer.body
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("path", ODD, ids=lambda path: path[:40])
@on_shared_node
async def test_an_odd_path_is_no_endpoint(untouched: Running, path: str) -> None:
    before = untouched.content()
    for place in ("/api", "/api/apps", "/signin", "/api/apps/shop/storage"):
        for method in ("GET", "POST"):
            answer = await untouched.ask(method, place + path)
            assert answer.status in (200, 400, 401, 404, 405, 410)
            assert answer.status != 200 or path.startswith("/?")
            assert "Location" not in answer.headers
    assert untouched.content() == before


@pytest.mark.parametrize("path", ["/%61pi/apps", "/api/%61pps", "/api/apps?", "/api/apps#x", "/api/apps?#/.."])
@on_shared_node
async def test_one_path_has_several_spellings(untouched: Running, path: str) -> None:
    """Decoded once, and then the same as any other: guarded as well."""
    answer = await untouched.raw(f"GET {path} HTTP/1.1\r\nHost: admin.localhost:{{port}}\r\n\r\n".encode())
    assert (answer.status, answer.data) == (200, [])
    foreign = "Sec-Fetch-Site: cross-site\r\n"
    answer = await untouched.raw(f"GET {path} HTTP/1.1\r\nHost: admin.localhost:{{port}}\r\n{foreign}\r\n".encode())
    assert answer.status == 403


@pytest.mark.parametrize(
    ("word", "app"), [("shop", True), ("%73hop", True), ("%2573hop", False), ("shop%00", False), ("sh%6Fp", True)]
)
async def test_a_word_is_decoded_once(running: Running, word: str, app: bool) -> None:
    await running.run("apps.create", slug="shop")
    answer = await running.ask("GET", f"/api/apps/{word}", key="*")
    assert answer.status == (200 if app else 404)


async def test_a_slash_that_was_escaped_is_part_of_a_word(running: Running) -> None:
    answer = await running.ask("GET", "/api/config/net%2Fport", key="*")
    assert (answer.status, answer.code) == (404, "NOT_FOUND")
    assert "net/port" in answer.json["error"]["message"]


# --- pages


@pytest.mark.parametrize("host", ["admin.localhost", "localhost"])
@pytest.mark.parametrize("path", ["/", "/index.html", "/style.css"])
@on_shared_node
async def test_a_page_is_served_as_it_is(untouched: Running, host: str, path: str) -> None:
    answer = await untouched.ask("GET", path, host=host)
    assert answer.status == 200 and answer.body
    head = await untouched.ask("HEAD", path, host=host)
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", answer.headers["ETag"])
    for tag in (answer.headers["ETag"], f'"x", {answer.headers["ETag"]}'):
        again = await untouched.ask("GET", path, host=host, headers={"If-None-Match": tag})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["ETag"] == answer.headers["ETag"]
    other = await untouched.ask("GET", path, host=host, headers={"If-None-Match": '"x"'})
    assert (other.status, other.body) == (200, answer.body)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("host", ["admin.localhost", "localhost"])
async def test_a_page_is_only_read(running: Running, host: str, method: str) -> None:
    answer = await running.ask(method, "/", host=host, body={})
    assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/api/apps", "/signin/x", "/app.js"])
async def test_the_welcome_host_has_nothing_of_the_dashboard(running: Running, path: str) -> None:
    answer = await running.ask("GET", path, host="localhost", key="*")
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("text/html")
