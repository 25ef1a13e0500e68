"""The dashboard accepts nothing that a page of another origin could have caused. Apps live on sibling hosts, which a
browser calls the same site: it sends them the cookie, so that is not enough.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kernel.net.pages import CSP
from tests import support
from tests.support import Answer, Running

on_shared_node = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db", domain="example.test", https=True) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def signed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Running, str]]:
    """One node for all that is refused, with the owner's cookie."""
    async with support.running(tmp_path_factory.mktemp("node") / "data.db") as made:
        await made.key("*")
        yield made, await made.sign_in()


async def create(running: Running, **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value.replace("{port}", str(running.site.port)) for name, value in headers.items()}
    return await running.ask("POST", "/api/apps", headers=sent, body={"slug": "made"})


def forbidden(answer: Answer) -> None:
    assert (answer.status, answer.code) == (403, "FORBIDDEN"), answer.body
    assert "Set-Cookie" not in answer.headers


FOREIGN = [
    "http://evil.example",
    "http://shop.localhost:{port}",
    "http://localhost:{port}",
    "http://root.localhost:{port}",
    "http://admin.localhost",
    "http://admin.localhost:1",
    "https://admin.localhost:{port}",
    "http://admin.localhost:{port}/",
    "http://admin.localhost:{port}.evil.example",
    "http://admin.localhost.evil.example:{port}",
    "http://evil.example/http://admin.localhost:{port}",
    "http://admin.localhost:{port} http://evil.example",
    "http://user@admin.localhost:{port}",
    "admin.localhost:{port}",
    "//admin.localhost:{port}",
    "null",
    "",
    "*",
    "file://",
    "chrome-extension://abc",
    "http://127.0.0.1:{port}",
]


@pytest.mark.parametrize("origin", FOREIGN)
@on_shared_node
async def test_a_foreign_origin_changes_nothing(signed: tuple[Running, str], origin: str) -> None:
    running, cookie = signed
    before = running.content()
    forbidden(await create(running, Cookie=cookie, Origin=origin))
    forbidden(await create(running, Cookie=cookie, Origin=origin, Sec_Fetch_Site="same-origin"))
    assert running.content() == before


@pytest.mark.parametrize("origin", FOREIGN)
@on_shared_node
async def test_a_foreign_origin_reads_nothing(signed: tuple[Running, str], origin: str) -> None:
    running, cookie = signed
    origin = origin.replace("{port}", str(running.site.port))
    for path in ("/api/keys", "/api/apps", "/api/auth/status", "/api/openapi.json", "/api/nothing"):
        forbidden(await running.ask("GET", path, cookie=cookie, headers={"Origin": origin}))


@pytest.mark.parametrize("origin", FOREIGN)
@on_shared_node
async def test_a_key_does_not_help_a_foreign_page(signed: tuple[Running, str], origin: str) -> None:
    running = signed[0]
    key = await running.key("*")
    before = running.content()
    forbidden(await create(running, Authorization=f"Bearer {key}", Origin=origin))
    assert running.content() == before


@pytest.mark.parametrize("site", ["same-site", "cross-site", "nonsense", "", "same-origin, none", "SAME-ORIGIN"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@on_shared_node
async def test_the_browser_says_which_site_asks(signed: tuple[Running, str], site: str, method: str) -> None:
    running, cookie = signed
    before = running.content()
    answer = await running.ask(method, "/api/apps", cookie=cookie, headers={"Sec-Fetch-Site": site}, raw=b"")
    assert answer.status == 403
    assert running.content() == before


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_the_dashboard_itself_may_ask(running: Running, site: str) -> None:
    cookie = await running.sign_in()
    headers = {"Sec-Fetch-Site": site}
    assert (await running.ask("GET", "/api/keys", cookie=cookie, headers=headers)).status == 200
    made = await running.ask("POST", "/api/apps", cookie=cookie, headers=headers, body={"slug": "made"})
    assert made.status == 201


async def test_a_change_by_cookie_needs_an_origin(running: Running) -> None:
    cookie = await running.sign_in()
    before = running.content()
    forbidden(await create(running, Cookie=cookie))
    forbidden(await create(running, Cookie=cookie, Sec_Fetch_Site="same-origin"))
    forbidden(await create(running, Cookie=cookie, Sec_Fetch_Site="none"))
    forbidden(await create(running, Cookie=cookie, Referer="http://admin.localhost:{port}/"))
    for path in ("/api/logout", "/api/cmd", "/api/user/password", "/api/login"):
        forbidden(await running.ask("POST", path, headers={"Cookie": cookie}, body={}))
    assert running.content() == before


@pytest.mark.parametrize("path", ["/api/login", "/api/auth/login", "/api/logout"])
@pytest.mark.parametrize("origin", ["http://evil.example", "http://shop.localhost:{port}", "null"])
async def test_a_foreign_page_signs_nobody_in_or_out(running: Running, path: str, origin: str) -> None:
    """Signed in as somebody else, a person would store his things with him."""
    await running.run("user.credentials", password="correct horse")
    cookie = await running.sign_in()
    origin = origin.replace("{port}", str(running.site.port))
    body = {"username": "owner", "password": "correct horse"} if path.endswith("login") else None
    forbidden(await running.ask("POST", path, headers={"Origin": origin}, body=body))
    forbidden(await running.ask("POST", path, headers={"Sec-Fetch-Site": "same-site"}, body=body))
    forbidden(await running.ask("POST", path, headers={"Origin": origin, "Cookie": cookie}, body=body))
    assert (await running.ask("GET", "/api/user/me", cookie=cookie)).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://shop.localhost:{port}", "null", ""])
async def test_a_foreign_page_uses_up_no_link(running: Running, origin: str) -> None:
    path = "/signin/" + (await running.run("signin.link")).url.rpartition("/")[2]
    origin = origin.replace("{port}", str(running.site.port))
    forbidden(await running.ask("POST", path, headers={"Origin": origin}))
    forbidden(await running.ask("POST", path, headers={"Sec-Fetch-Site": "cross-site"}))
    assert (await running.ask("GET", path)).status == 200
    own = {"Origin": f"http://admin.localhost:{running.site.port}", "Sec-Fetch-Site": "same-origin"}
    assert (await running.ask("POST", path, headers=own)).status == 303


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_a_page_may_be_opened_from_anywhere(running: Running, site: str) -> None:
    """A link in a mail: it shows a page and changes nothing."""
    link = (await running.run("signin.link")).url.rpartition("/")[2]
    before = running.content()
    for path in ("/", f"/signin/{link}"):
        assert (await running.ask("GET", path, headers={"Sec-Fetch-Site": site})).status == 200
    assert running.content() == before


async def test_the_own_origin_has_the_scheme_of_the_node(secured: Running) -> None:
    cookie = await secured.sign_in()
    host = f"admin.example.test:{secured.site.port}"
    for origin, status in ((f"https://{host}", 201), (f"http://{host}", 403), ("https://admin.example.test", 403)):
        headers = {"Cookie": cookie, "Origin": origin}
        answer = await secured.ask("POST", "/api/apps", headers=headers, body={"slug": f"s{status}"})
        assert answer.status == status, origin


@pytest.mark.parametrize("host", ["ADMIN.localhost", "admin.localhost."])
async def test_the_own_origin_is_the_host_however_it_is_written(running: Running, host: str) -> None:
    """Browsers write an origin in small letters; a trailing dot is another host to them, and stays one."""
    cookie, port = await running.sign_in(), running.site.port
    headers = {"Cookie": cookie, "Host": f"{host}:{port}", "Origin": f"http://{host.lower()}:{port}"}
    assert (await running.ask("POST", "/api/apps", headers=headers, body={"slug": "made"})).status == 201


# --- nobody is invited

EVERYWHERE = ["/", "/app.js", "/nothing", "/health", "/signin/x", "/api/apps", "/api/keys", "/api/nothing"]


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
@pytest.mark.parametrize("host", ["admin.localhost", "localhost", "shop.localhost", "evil.example", "www.localhost"])
@on_shared_node
async def test_no_other_origin_is_invited(untouched: Running, host: str, method: str) -> None:
    asks = {
        "Origin": "http://shop.localhost",
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "authorization",
    }
    for headers in (asks, {}):
        for path in EVERYWHERE:
            answer = await untouched.ask(method, path, host=host, headers=headers)
            invited = [name for name in answer.headers if name.lower().startswith("access-control")]
            assert invited == [], (path, answer.status)


def is_guarded(answer: Answer) -> None:
    headers = answer.headers
    assert headers["Content-Security-Policy"] == CSP
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "path", ["/", "/index.html", "/app.js", "/style.css", "/favicon.svg", "/nothing", "/signin/used", "/signin/{link}"]
)
async def test_a_page_of_the_dashboard_is_guarded(running: Running, path: str) -> None:
    link = (await running.run("signin.link")).url.rpartition("/")[2]
    path = path.replace("{link}", link)
    answer = await running.ask("GET", path)
    is_guarded(answer)
    if "ETag" in answer.headers and answer.status == 200:
        is_guarded(await running.ask("GET", path, headers={"If-None-Match": answer.headers["ETag"]}))
    if path.startswith("/signin/"):
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_policy_allows_no_code_from_elsewhere() -> None:
    rules: dict[str, Any] = dict(rule.strip().partition(" ")[::2] for rule in CSP.split(";"))
    assert rules["default-src"] == "'none'" and rules["script-src"] == "'self'" and rules["style-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'" and rules["base-uri"] == "'none'" and rules["form-action"] == "'self'"
    assert "unsafe" not in CSP and "*" not in CSP and "http" not in CSP


async def test_pages_hold_no_inline_code(running: Running) -> None:
    """The policy would stop it; a page that relies on it would be broken."""
    link = (await running.run("signin.link")).url.rpartition("/")[2]
    for path in ("/", f"/signin/{link}", "/signin/used", "/nothing"):
        page = (await running.ask("GET", path)).body.decode()
        for inline in ("<style", "style=", "onclick", "onload", "onerror", "javascript:", "<script>", "<base"):
            assert inline not in page, path


async def test_answers_of_the_api_are_not_kept_and_not_guessed_at(running: Running) -> None:
    for path in ("/api/apps", "/api/keys", "/api/nothing", "/api/apps.csv", "/api/openapi.json"):
        headers = (await running.ask("GET", path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Request-ID"].startswith("req_")
        assert headers["Cache-Control"] == "no-store", path
