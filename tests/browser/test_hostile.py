"""A hostile page on a sibling host, against an owner who is signed in: it learns nothing and changes nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HOME, Visit
from tests.browser.test_signin import sign_in
from tests.system.harness import Machine, Node

New = Callable[[], Visit]
DOMAINS = ("localhost", HOME)


class Nothing(BaseHTTPRequestHandler):
    """An empty page for every address; what happens there, the test says."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Kittens</title><body>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def evil_port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module", params=DOMAINS)
def node(request: pytest.FixtureRequest, shared: Machine) -> Node:
    """On `localhost` each name is a site of its own and cookies stay at home; on a real domain they do not."""
    return shared.up(f"{request.param}.db", "--domain", request.param, "--listen", "127.0.0.1")


def domain_of(node: Node) -> str:
    return str(node.ready["url"]).removeprefix("http://").partition(":")[0]


def state(node: Node) -> Any:
    """Everything an attack could have changed."""
    host = f"admin.{domain_of(node)}"
    paths = ("/api/keys", "/api/apps?all=true&limit=100", "/api/redirects", "/api/config")
    seen = [node.ask("GET", path, scope="*", host=host).data for path in paths]
    for row in seen[0]:
        row.pop("last_used_at", None)
    return json.dumps(seen)


@pytest.fixture
def scene(node: Node, visit: New, evil_port: int) -> tuple[Page, Page, str]:
    """The owner's admin page, a hostile page in the same browser, and the admin address."""
    owner = visit()
    admin = sign_in(owner, node)
    evil = owner.open(f"http://evil.{domain_of(node)}:{evil_port}/")
    return admin, evil, node.ready["admin_url"]


def still_signed_in(admin: Page) -> None:
    admin.reload()
    expect(admin.get_by_test_id("status-panel")).to_be_visible()


FETCHES = [
    {"method": "GET"},
    {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": '{"name":"stolen"}'},
    {"method": "POST", "headers": {"Content-Type": "text/plain"}, "body": '{"name":"stolen"}'},
    {"method": "POST", "mode": "no-cors", "headers": {"Content-Type": "text/plain"}, "body": '{"name":"stolen"}'},
    {"method": "POST", "mode": "no-cors", "keepalive": True, "body": '{"name":"stolen"}'},
    {"method": "POST", "mode": "no-cors", "referrerPolicy": "no-referrer", "body": '{"name":"stolen"}'},
    {"method": "GET", "mode": "no-cors"},
    {"method": "DELETE"},
    {"method": "PUT", "body": "{}"},
]


def test_fetch_with_the_owners_cookies(node: Node, scene: tuple[Page, Page, str]) -> None:
    admin, evil, url = scene
    own = "async () => (await fetch('/api/apps', {method: 'POST', body: '{}'})).status"
    assert admin.evaluate(own) == 201, "the page itself can do what the other one tries"
    before = state(node)
    attempt = """async ([url, how]) => {
      try {
        const answer = await fetch(url, {credentials: 'include', ...how});
        return [answer.type, answer.status, await answer.text()];
      } catch { return ['refused']; }
    }"""
    for path in ("/api/keys", "/api/user/me", "/api/apps", "/api/logout", "/api/cmd"):
        for how in FETCHES:
            told = evil.evaluate(attempt, [url + path, how])
            assert told in (["refused"], ["opaque", 0, ""]), (path, how, told)
    evil.evaluate(
        "url => navigator.sendBeacon(url, new Blob(['{\"name\":\"stolen\"}'], {type: 'text/plain'}))", f"{url}/api/keys"
    )
    still_signed_in(admin)
    assert state(node) == before


FORMS = [
    ("application/x-www-form-urlencoded", "name", "stolen"),
    ("text/plain", '{"name":"stolen","x":"', '"}'),
    ("multipart/form-data", "name", "stolen"),
]


TARGETS = ("/api/keys", "/api/apps", "/api/logout", "/api/user/password", "/api/login", "/api/cmd")


@pytest.mark.parametrize("referrer", ["", "no-referrer"])
def test_a_form_that_posts_itself(node: Node, scene: tuple[Page, Page, str], referrer: str) -> None:
    """A whole navigation: the strongest thing a page can cause."""
    admin, evil, url = scene
    before = state(node)
    submit = """([url, kind, name, value, referrer]) => {
      const meta = Object.assign(document.createElement('meta'), {name: 'referrer', content: referrer});
      if (referrer) document.head.append(meta);
      const form = Object.assign(document.createElement('form'), {method: 'post', action: url, enctype: kind});
      form.append(Object.assign(document.createElement('input'), {name, value}));
      document.body.append(form);
      form.submit();
    }"""
    home = evil.url
    refused = ("FORBIDDEN", "UNAUTHORIZED", "BAD_REQUEST", "INVALID_JSON")
    for path in TARGETS:
        for kind, name, value in FORMS if path == "/api/keys" else FORMS[:1]:
            with evil.expect_navigation(url=f"{url}{path}"):
                evil.evaluate(submit, [url + path, kind, name, value, referrer])
            assert json.loads(evil.inner_text("body"))["error"]["code"] in refused, (path, kind)
            evil.goto(home)
    still_signed_in(admin)
    assert state(node) == before


def test_a_foreign_page_cannot_press_the_button_of_a_link(
    node: Node, scene: tuple[Page, Page, str], visit: New
) -> None:
    """Signing a victim in as somebody else is an attack too."""
    _, evil, _ = scene
    fresh = node.link()
    with evil.expect_navigation(url=fresh):
        evil.evaluate(
            """url => { const form = Object.assign(document.createElement('form'), {method: 'post', action: url});
            document.body.append(form); form.submit(); }""",
            fresh,
        )
    assert "FORBIDDEN" in evil.content()
    page = visit().open(fresh)
    page.get_by_test_id("signin-link-button").click()
    expect(page.get_by_test_id("status-panel")).to_be_visible()


def test_no_frame_shows_the_admin_page(node: Node, scene: tuple[Page, Page, str]) -> None:
    admin, evil, url = scene
    for path in ("/", "/#/keys", "/signin/" + "x" * 43, "/api/keys", "/api/openapi.json"):
        evil.evaluate(
            """url => new Promise((done) => { const frame = document.createElement('iframe');
            frame.onload = frame.onerror = done; frame.src = url; document.body.append(frame); })""",
            url + path,
        )
        frame = evil.frames[-1]
        assert "signin-form" not in frame.content(), path
        assert "status-panel" not in frame.content(), path
        assert frame.url.startswith("chrome-error:") or "fzt_" not in frame.content(), path
        if not path.startswith("/api"):
            assert frame.url.startswith("chrome-error:"), path
    still_signed_in(admin)


def test_no_script_or_picture_of_the_admin_host_is_read(node: Node, scene: tuple[Page, Page, str]) -> None:
    """As a script, an answer would leak to whoever redefines what it calls."""
    _, evil, url = scene
    load = """([tag, url]) => new Promise((done) => { const element = document.createElement(tag);
      element.onload = () => done('loaded'); element.onerror = () => done('refused');
      element.src = url; document.body.append(element); })"""
    for tag, path in (("script", "/api/keys"), ("script", "/app.js"), ("img", "/favicon.svg")):
        assert evil.evaluate(load, [tag, url + path]) == "refused", (tag, path)


def test_a_planted_cookie_gives_nobody_a_session(node: Node, scene: tuple[Page, Page, str]) -> None:
    """A sibling can set a cookie for the whole domain: two of the name are refused, none of them is believed."""
    admin, evil, url = scene
    if domain_of(node) == "localhost":
        assert evil.evaluate("document.cookie = 'fazt_admin_dev=x; domain=localhost'; document.cookie") in (
            "",
            "fazt_admin_dev=x",
        )
    before = state(node)
    evil.evaluate(
        "domain => { document.cookie = `fazt_admin_dev=${'a'.repeat(43)}; path=/api; domain=${domain}`; }",
        domain_of(node),
    )
    told = admin.evaluate("async () => { const a = await fetch('/api/keys'); return [a.status, await a.json()]; }")
    planted = [cookie for cookie in admin.context.cookies(url + "/api") if cookie["value"].startswith("aaa")]
    if planted:
        assert (told[0], told[1]["error"]["code"]) == (400, "BAD_REQUEST")
    else:
        assert told[0] == 200
    admin.context.clear_cookies(name="fazt_admin_dev", domain="." + domain_of(node))
    assert state(node) == before


def test_a_popup_is_out_of_reach(node: Node, scene: tuple[Page, Page, str]) -> None:
    admin, evil, url = scene
    with evil.context.expect_page() as opened:
        evil.evaluate("url => { window.popup = window.open(url); }", url + "/")
    popup = opened.value
    expect(popup.get_by_test_id("status-panel")).to_be_visible()
    reached = evil.evaluate(
        "() => { try { return window.popup.document.body.innerHTML; } catch { return 'refused'; } }"
    )
    assert reached == "refused" or "status-panel" not in reached
    assert popup.evaluate("window.opener") is None or domain_of(node) != "localhost"
    still_signed_in(admin)
