"""Which place a request means: the Host header, the request line, and what stands in front of the node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.base.errors import FaztError
from kernel.net.hosts import Hosts, is_address, is_loopback, parse_host
from tests import support
from tests.support import Answer, Running

on_shared_node = pytest.mark.asyncio(loop_scope="module")
# --- the header by itself


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", "localhost"),
        ("LocalHost", "localhost"),
        ("localhost:8080", "localhost"),
        ("localhost.", "localhost"),
        ("localhost.:80", "localhost"),
        ("Admin.Example.TEST.:443", "admin.example.test"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:4698", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[::1]:4698", "[::1]"),
        ("[0:0:0:0:0:0:0:1]:80", "[::1]"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a-b.c--d.example", "a-b.c--d.example"),
        ("0.example", "0.example"),
        ("a." * 125 + "abc", "a." * 125 + "abc"),
        ("x" * 63 + ".example", "x" * 63 + ".example"),
        ("localhost:0", "localhost"),
        ("localhost:65535", "localhost"),
    ],
    ids=lambda value: value[:30],
)
def test_a_host_header_names_a_host(header: str, host: str) -> None:
    assert parse_host(header) == host


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        ".",
        "..",
        ":80",
        ".localhost",
        "localhost..",
        "a..b",
        "-a.example",
        "a-.example",
        "a_b.localhost",
        "_acme.example",
        "*.localhost",
        "admin.localhost:80@evil",
        "user@admin.localhost",
        "user:secret@admin.localhost",
        "admin.localhost/",
        "admin.localhost/@evil",
        "admin.localhost#evil",
        "admin.localhost?x",
        "admin.localhost\\evil",
        "admin.localhost,evil",
        "admin.localhost;evil",
        "admin.localhost evil",
        "admin.localhost\tx",
        "admin.localhost\x00",
        "admin.localhost%00",
        "admin%2elocalhost",
        "http://admin.localhost",
        "localhost:",
        "localhost:x",
        "localhost:-1",
        "localhost:+1",
        "localhost:65536",
        "localhost:999999",
        "localhost:80:80",
        "localhost: 80",
        "[::1",
        "::1",
        "[]",
        "[::1]x",
        "[::1]:",
        "[::1%25eth0]",
        "[::1%lo]",
        "[127.0.0.1]",
        "[::ffff:999.0.0.1]",
        "[v1.fe80]",
        "x" * 64 + ".example",
        "a." * 127 + "a",
        "a." * 2000 + "a",
        "münchen.example",
        "admin.localhost\u3002",
        "admin\uff0elocalhost",
        "\u212aiosk.example",  # the Kelvin sign becomes a k when made small
        "localhost:\u0664\u0664",  # digits, but not of a port
        "admin.loc\u00adalhost",
        "\udcff.localhost",
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_malformed_host_header_is_refused(header: str) -> None:
    with pytest.raises(FaztError) as raised:
        parse_host(header)
    assert (raised.value.code, raised.value.status) == ("BAD_REQUEST", 400)
    assert "evil" not in raised.value.message


@given(st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9.:\[\]@/_-]{0,80}", fullmatch=True))
def test_whatever_the_header_is_it_is_a_host_or_refused(header: str) -> None:
    try:
        host = parse_host(header)
    except FaztError as error:
        assert error.code == "BAD_REQUEST"
        return
    assert header.isascii()
    assert host == host.lower() and 0 < len(host) <= 253
    assert not host.endswith(".") and "@" not in host and "/" not in host
    assert ":" not in host or (host.startswith("[") and host.endswith("]"))
    assert parse_host(host) == host
    assert host.strip("[]") in header.lower() or is_address(host)


@pytest.mark.parametrize(
    ("domain", "host", "from_here", "kind"),
    [
        ("localhost", "localhost", True, "root"),
        ("localhost", "127.0.0.1", True, "root"),
        ("localhost", "[::1]", True, "root"),
        ("localhost", "root.localhost", True, "root"),
        ("localhost", "admin.localhost", True, "admin"),
        ("localhost", "admin.localhost", False, "admin"),
        ("localhost", "www.localhost", True, "www"),
        ("localhost", "shop.localhost", True, "app"),
        ("localhost", "admin.shop.localhost", True, "unknown"),
        ("localhost", "localhost.evil", True, "unknown"),
        ("localhost", "adminlocalhost", True, "unknown"),
        ("localhost", "127.0.0.2", True, "unknown"),
        ("localhost", "admin.127.0.0.1.nip.io", True, "admin"),
        ("localhost", "admin.127.0.0.1.nip.io", False, "unknown"),
        ("localhost", "127.0.0.1.nip.io", True, "root"),
        ("localhost", "10.0.0.1.nip.io", True, "unknown"),
        ("example.test", "example.test", False, "root"),
        ("example.test", "root.example.test", False, "root"),
        ("example.test", "admin.example.test", False, "admin"),
        ("example.test", "www.example.test", False, "www"),
        ("example.test", "shop.example.test", False, "app"),
        ("example.test", "app-0123456789ab.example.test", False, "app"),
        ("example.test", "a.b.example.test", False, "unknown"),
        ("example.test", "example.test.evil", False, "unknown"),
        ("example.test", "notexample.test", False, "unknown"),
        ("example.test", "adminexample.test", False, "unknown"),
        ("example.test", "test", False, "unknown"),
        ("example.test", "localhost", True, "admin"),
        ("example.test", "localhost", False, "unknown"),
        ("example.test", "admin.localhost", True, "admin"),
        ("example.test", "admin.localhost", False, "unknown"),
        ("example.test", "shop.localhost", True, "app"),
        ("example.test", "127.0.0.1", True, "unknown"),
        ("example.test", "[::1]", True, "unknown"),
    ],
)
def test_a_host_has_its_place(domain: str, host: str, from_here: bool, kind: str) -> None:
    assert Hosts(domain).place(host, from_here).kind == kind


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("localhost", False),
        ("", False),
        (None, False),
    ],
)
def test_what_is_this_machine(address: str | None, here: bool) -> None:
    assert is_loopback(address) is here


# --- over a socket


@pytest.fixture
async def abroad(tmp_path: Path) -> AsyncIterator[Running]:
    """A node with a domain of its own."""
    async with support.running(tmp_path / "data.db", domain="example.test") as made:
        yield made


def is_missing_page(answer: Answer) -> None:
    """The one page that unknown hosts and paths see: nothing of the dashboard, nothing of the request."""
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"app.js" not in answer.body and b"signin" not in answer.body and b"dashboard" not in answer.body.lower()
    assert "Set-Cookie" not in answer.headers


async def send(running: Running, *lines: str, start: str = "GET /api/apps HTTP/1.1") -> Answer:
    return await running.raw("\r\n".join([start, *lines, "Connection: close", "", ""]).encode("latin-1"))


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Host: admin.localhost:{port}", "Host: admin.localhost:{port}"],
        ["Host: admin.localhost:{port}", "Host: evil.example"],
        ["Host:"],
        ["Host: admin.localhost:80@evil"],
        ["Host: a_b.localhost"],
        ["Host: " + "a" * 254],
        ["Host: " + "a." * 127 + "aa"],
        ["Host: admin.localhost, evil.example"],
        ["Host: admin.localhost:port"],
        ["Host: \xe2\x84\xaaiosk.localhost"],
        ["Host: admin.localhost:\xd9\xa4\xd9\xa4"],
        ["Host: \xff.localhost"],
        ["Host: admin.localhost/"],
    ],
    ids=lambda lines: ascii(" ".join(lines))[:50],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@on_shared_node
async def test_no_host_is_guessed(untouched: Running, lines: list[str], version: str) -> None:
    answer = await send(untouched, *lines, start=f"GET / HTTP/{version}")
    assert answer.status == 400
    assert b"app.js" not in answer.body and b"Traceback" not in answer.body


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/api/apps",
        "http://admin.localhost/api/apps",
        "http://admin.localhost:80@evil.example/api/apps",
        "http://evil.example@admin.localhost:{port}/api/apps",
        "http://admin.localhost:{port}.evil.example/",
        "//admin.localhost:{port}/api/apps",
        "ftp://evil.example/",
        "http:///api/apps",
        "*",
    ],
)
@on_shared_node
async def test_the_request_line_names_the_same_host(untouched: Running, target: str) -> None:
    answer = await send(untouched, "Host: admin.localhost:{port}", start=f"GET {target} HTTP/1.1")
    assert answer.status in (400, 404, 421)
    assert b'"data"' not in answer.body


async def test_the_request_line_may_name_the_host(running: Running) -> None:
    for target in ("http://admin.localhost:{port}/api/apps", "HTTP://ADMIN.localhost:{port}/api/apps?limit=1"):
        answer = await send(running, "Host: admin.localhost:{port}", start=f"GET {target} HTTP/1.1")
        assert (answer.status, answer.data) == (200, [])


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "adminlocalhost",
        "10.0.0.1",
        "a.b.localhost",
        "shop.localhost",
        "[::2]",
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/apps", "/app.js", "/signin/x", "/index.html", "/r/x"])
@on_shared_node
async def test_a_foreign_host_sees_the_missing_page(untouched: Running, host: str, path: str) -> None:
    is_missing_page(await send(untouched, f"Host: {host}", start=f"GET {path} HTTP/1.1"))


async def test_the_missing_page_says_nothing_of_the_host(running: Running) -> None:
    answer = await send(running, "Host: very-special-name.example", start="GET /also-special HTTP/1.1")
    assert b"special" not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_a_foreign_host_changes_nothing(running: Running, method: str) -> None:
    before = running.content()
    answer = await running.ask(method, "/api/apps", host="evil.example", body={"slug": "x"})
    assert answer.status in (404, 405)
    assert running.content() == before


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-Host: admin.localhost",
        "Forwarded: host=admin.localhost",
        "X-Original-Host: admin.localhost",
        "X-Host: admin.localhost",
        "X-Forwarded-Server: admin.localhost",
        "X-HTTP-Host-Override: admin.localhost",
        "X-Rewrite-URL: /api/apps",
        "X-Original-URL: /api/apps",
    ],
)
@on_shared_node
async def test_no_other_header_names_the_host(untouched: Running, header: str) -> None:
    is_missing_page(await send(untouched, "Host: evil.example", header))


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override: DELETE", "X-Method-Override: POST", "X-HTTP-Method: PUT"])
async def test_no_header_names_the_method(running: Running, header: str) -> None:
    await running.run("apps.create", slug="shop")
    key = await running.key("*")
    start = "GET /api/apps/shop HTTP/1.1"
    answer = await send(running, "Host: admin.localhost:{port}", f"Authorization: Bearer {key}", header, start=start)
    assert (answer.status, answer.data["slug"]) == (200, "shop")


# --- `Host: localhost` on a node with another domain


@pytest.mark.parametrize("host", ["localhost", "admin.localhost", "admin.127.0.0.1.nip.io"])
async def test_this_machine_reaches_the_dashboard_by_its_own_names(abroad: Running, host: str) -> None:
    assert (await abroad.ask("GET", "/api/apps", host=host)).status == 200
    assert b"app.js" in (await abroad.ask("GET", "/", host=host)).body


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-For:",
        "Forwarded: for=203.0.113.9",
        "X-Forwarded-Host: example.test",
        "X-Forwarded-Proto: https",
        "X-Real-IP: 203.0.113.9",
        "Via: 1.1 proxy",
    ],
)
@pytest.mark.parametrize("host", ["localhost", "admin.localhost", "admin.127.0.0.1.nip.io"])
async def test_through_a_proxy_nobody_is_this_machine(abroad: Running, host: str, header: str) -> None:
    is_missing_page(await send(abroad, f"Host: {host}", header))


async def test_the_own_domain_works_through_a_proxy(abroad: Running) -> None:
    answer = await send(abroad, "Host: admin.example.test", "X-Forwarded-For: 203.0.113.9")
    assert answer.status == 200


async def test_an_address_is_not_the_dashboard(abroad: Running) -> None:
    is_missing_page(await send(abroad, "Host: 127.0.0.1:{port}"))
    is_missing_page(await send(abroad, "Host: [::1]:{port}"))


# --- health


@pytest.mark.parametrize("host", ["admin.localhost", "localhost", "127.0.0.1", "[::1]", "192.0.2.7", "root.localhost"])
async def test_health_is_public(running: Running, host: str) -> None:
    answer = await running.ask("GET", "/health", host=host)
    assert (answer.status, answer.body, answer.headers["Cache-Control"]) == (200, b"OK\n", "no-store")
    assert (await running.ask("HEAD", "/health", host=host)).body == b""


async def test_health_belongs_to_apps_on_their_hosts(running: Running) -> None:
    is_missing_page(await running.ask("GET", "/health", host="shop.localhost"))


async def test_a_node_that_stops_is_not_healthy(running: Running) -> None:
    running.server.draining = True
    answer = await running.ask("GET", "/health")
    assert (answer.status, answer.body) == (503, b"UNAVAILABLE\n")
    running.server.draining = False
    running.server.healthy = lambda: False
    assert (await running.ask("GET", "/health")).status == 503


# --- www


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/", "/"),
        ("/a/b?c=d&e", "/a/b?c=d&e"),
        ("/%2e", None),
        ("//evil.example/", "/"),
        ("//evil.example/..", "/"),
        ("/\\evil.example", None),
        ("/%5Cevil.example", None),
        ("/%0d%0aX:1", None),
        ("/?x=%0d%0aX:1", "/?x=%0d%0aX:1"),
        ("/@evil.example", "/@evil.example"),
    ],
)
@on_shared_node
async def test_www_leads_to_the_domain(untouched: Running, path: str, place: str | None) -> None:
    answer = await untouched.ask("GET", path, host="www.localhost")
    root = f"http://localhost:{untouched.site.port}"
    if place is None and answer.status != 308:
        assert answer.status in (400, 404)
    else:
        assert answer.status == 308
        assert answer.headers["Location"] == root + (path if place is None else place)
    assert "X" not in answer.headers


async def test_www_leads_to_the_domain_without_a_port(abroad: Running) -> None:
    answer = await send(abroad, "Host: WWW.example.test.", start="GET /x HTTP/1.1")
    assert (answer.status, answer.headers["Location"]) == (308, "http://example.test/x")
    absolute = "GET http://www.example.test/x?y HTTP/1.1"
    answer = await send(abroad, "Host: www.example.test", start=absolute)
    assert answer.status == 308 and answer.headers["Location"].startswith("http://example.test/")
