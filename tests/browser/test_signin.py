"""The owner's first visit in a real browser: the link, the pages, the password, and the way out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.system.harness import Machine, Node

New = Callable[[], Visit]


@pytest.fixture(scope="module")
def node(shared: Machine) -> Node:
    return shared.up()


def sign_in(visit: Visit, node: Node) -> Page:
    page = visit.open(node.link())
    page.get_by_test_id("signin-link-button").click()
    expect(page.get_by_test_id("status-panel")).to_be_visible()
    return page


def test_the_link_works_once_and_leads_to_the_admin_page(machine: Machine, visit: New) -> None:
    node, owner = machine.up(), visit()
    page = owner.page()
    for _ in range(2):  # looking at it uses nothing up
        page.goto(node.ready["signin_url"])
        expect(page.get_by_test_id("signin-host")).to_have_text("admin.localhost")
    page.get_by_test_id("signin-link-button").click()
    expect(page).to_have_url(re.compile(re.escape(node.ready["admin_url"]) + "/(#/status)?"))
    expect(page.get_by_test_id("health")).to_have_text("Running")
    expect(page.get_by_test_id("subsystems").locator("li")).not_to_have_count(0)
    assert owner.complaints == []
    cookies = owner.context.cookies()
    assert [(cookie["domain"], cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [
        ("admin.localhost", True, "Strict")
    ]
    assert page.evaluate("document.cookie") == ""

    stranger = visit()
    other = stranger.open(node.ready["signin_url"])
    expect(other.get_by_test_id("signin-used")).to_be_visible()
    other.goto(node.ready["admin_url"])
    expect(other.get_by_test_id("signin-form")).to_be_visible()
    assert stranger.context.cookies() == []


def test_a_link_pressed_in_two_windows_signs_one_in(machine: Machine, visit: New) -> None:
    node = machine.up()
    windows = [visit().open(node.ready["signin_url"]) for _ in range(2)]
    for page in windows:
        page.get_by_test_id("signin-link-button").click()
    expect(windows[0].get_by_test_id("status-panel")).to_be_visible()
    expect(windows[1].get_by_test_id("signin-used")).to_be_visible()


def test_password_out_and_in_again(machine: Machine, visit: New) -> None:
    node, owner = machine.up(), visit()
    page = sign_in(owner, node)
    form = page.get_by_test_id("set-password-form")
    form.get_by_test_id("new-password").fill("correct horse battery")
    form.get_by_test_id("save-password").click()
    expect(page.get_by_test_id("notice")).to_have_text(re.compile("Password set"))
    expect(form).to_have_count(0)
    page.get_by_test_id("signout").click()
    expect(page.get_by_test_id("signin-form")).to_be_visible()
    assert owner.complaints == []
    page.reload()
    expect(page.get_by_test_id("signin-form")).to_be_visible()

    page.get_by_test_id("username").fill("owner")
    page.get_by_test_id("password").fill("a wrong one")
    page.get_by_test_id("signin-button").click()
    expect(page.get_by_test_id("signin-message")).to_have_text(re.compile("wrong"))
    page.get_by_test_id("password").fill("correct horse battery")
    page.get_by_test_id("password").press("Enter")
    expect(page.get_by_test_id("status-panel")).to_be_visible()
    expect(page.get_by_test_id("set-password-form")).to_have_count(0)
    page.reload()
    expect(page.get_by_test_id("status-panel")).to_be_visible()
    unexpected = [said for said in owner.complaints if "401" not in said]
    assert unexpected == []


def test_a_session_that_ended_elsewhere_leads_to_the_door(node: Node, visit: New) -> None:
    owner = visit()
    page = sign_in(owner, node)
    other = owner.open(node.ready["admin_url"])
    other.get_by_test_id("signout").click()
    expect(other.get_by_test_id("signin-form")).to_be_visible()
    page.get_by_test_id("nav-keys").click()
    expect(page.get_by_test_id("signin-form")).to_be_visible()
    expect(page.get_by_test_id("keys-panel")).to_have_count(0)


def test_a_key_is_seen_once(node: Node, visit: New) -> None:
    owner = visit()
    page = sign_in(owner, node)
    page.get_by_test_id("nav-keys").click()
    form = page.get_by_test_id("new-key-form")
    form.get_by_test_id("new-key-name").fill("laptop <b>")
    form.get_by_test_id("new-key-scope").select_option("read")
    form.get_by_test_id("create-key").click()
    secret = page.get_by_test_id("key-secret")
    expect(secret).to_have_text(re.compile("^fzt_"))
    key = secret.inner_text()
    assert node.ask("GET", "/api/apps", key=key).status == 200
    assert node.ask("POST", "/api/apps", body={"slug": "no"}, key=key).status == 403
    row = page.get_by_test_id("key-row").filter(has_text="laptop <b>")
    expect(row).to_have_count(1)
    page.reload()
    expect(row).to_have_count(1)
    expect(secret).to_have_count(0)
    assert key not in page.content()
    row.get_by_test_id("revoke-key").click()
    row.get_by_test_id("keep").click()
    assert node.ask("GET", "/api/apps", key=key).status == 200
    row.get_by_test_id("revoke-key").click()
    row.get_by_test_id("confirm").click()
    expect(row).to_have_count(0)
    assert node.ask("GET", "/api/apps", key=key).status == 401
    assert owner.complaints == []


def test_an_app_is_made_deleted_and_brought_back(node: Node, visit: New) -> None:
    owner = visit()
    page = sign_in(owner, node)
    page.get_by_test_id("nav-apps").click()
    page.get_by_test_id("new-app-slug").fill("garden")
    page.get_by_test_id("new-app-title").fill("<img src=x onerror=alert(1)>")
    page.get_by_test_id("create-app").click()
    row = page.get_by_test_id("app-row").filter(has_text="garden")
    expect(row).to_contain_text("<img src=x onerror=alert(1)>")
    expect(row.locator("img")).to_have_count(0)
    expect(row.get_by_role("link")).to_have_attribute("href", f"http://garden.localhost:{node.port}/")
    page.get_by_test_id("delete-app").click()
    deleted = page.get_by_test_id("app-row").filter(has_text="no longer answers")
    expect(deleted).to_have_count(1)
    assert node.ask("GET", "/api/apps/garden", scope="*").status == 404
    deleted.get_by_test_id("undo-delete").click()
    expect(row).to_have_count(1)
    assert node.ask("GET", "/api/apps/garden", scope="*").status == 200
    assert owner.complaints == []


def test_a_taken_name_is_said_at_its_field(node: Node, visit: New) -> None:
    if node.ask("GET", "/api/apps/taken", scope="*").status == 404:
        node.app("taken")
    page = sign_in(visit(), node)
    page.get_by_test_id("nav-apps").click()
    page.get_by_test_id("new-app-slug").fill("taken")
    page.get_by_test_id("create-app").click()
    expect(page.get_by_test_id("new-app-form").get_by_role("alert")).to_contain_text("taken")
    expect(page.get_by_test_id("new-app-slug")).to_have_attribute("aria-invalid", "true")


def test_a_redirect_leads_there_and_counts(node: Node, visit: New) -> None:
    owner = visit()
    page = sign_in(owner, node)
    page.get_by_test_id("nav-redirects").click()
    page.get_by_test_id("new-redirect-slug").fill("talk")
    page.get_by_test_id("new-redirect-destination").fill(f"{node.ready['url']}/?from=talk")
    page.get_by_test_id("create-redirect").click()
    row = page.get_by_test_id("redirect-row")
    expect(row).to_contain_text("/r/talk")
    expect(row).to_contain_text("0 clicks")
    guest = visit().open(f"{node.ready['url']}/r/talk")
    expect(guest).to_have_url(f"{node.ready['url']}/?from=talk")
    page.reload()
    expect(row).to_contain_text("1 click")
    row.get_by_test_id("delete-redirect").click()
    row.get_by_test_id("confirm").click()
    expect(row).to_have_count(0)
    assert owner.complaints == []


def test_the_api_list_shows_every_operation(node: Node, visit: New) -> None:
    owner = visit()
    page = sign_in(owner, node)
    page.get_by_test_id("nav-api").click()
    paths = node.ask("GET", "/api/openapi.json", scope="*").json["paths"]
    methods = {"get", "post", "put", "patch", "delete"}
    count = sum(method in methods for item in paths.values() for method in item)
    expect(page.get_by_test_id("operation")).to_have_count(count)
    expect(page.get_by_test_id("api-count")).to_have_text(f"{count} operations")
    page.get_by_test_id("api-filter").fill("kv cas")
    shown = page.get_by_test_id("operation").locator("visible=true")
    expect(shown).to_have_count(1)
    shown.locator("summary").click()
    expect(shown.get_by_test_id("curl")).to_contain_text("/storage/kv")
    line = shown.get_by_test_id("curl").inner_text()
    body = re.search(r"-d '(.*?)'", line)
    assert body
    assert set(json.loads(body[1])) >= {"key", "value"}
    assert owner.complaints == []


def test_the_welcome_page(node: Node, visit: New) -> None:
    guest = visit()
    page = guest.open(node.ready["url"])
    expect(page.get_by_test_id("node-state")).to_be_visible()
    door = page.get_by_test_id("admin-link")
    expect(door).to_have_attribute("href", node.ready["admin_url"] + "/")
    door.click()
    expect(page.get_by_test_id("signin-form")).to_be_visible()
    assert guest.complaints == []


@pytest.mark.parametrize("host", ["unknown.localhost", "a.b.localhost", "localhost"])
def test_an_unknown_address_has_a_page_with_its_style(node: Node, visit: New, host: str) -> None:
    guest = visit()
    page = guest.page()
    answer = page.goto(f"http://{host}:{node.port}/nothing/here")
    assert answer
    assert answer.status == 404
    expect(page.get_by_role("heading", name="Nothing lives at this address")).to_be_visible()
    styled = page.evaluate("[...document.styleSheets].map((sheet) => sheet.cssRules.length)")
    assert styled and all(styled)
    assert [said for said in guest.complaints if "404" not in said] == []


def test_the_admin_page_without_a_mouse(node: Node, visit: New) -> None:
    """The keyboard reaches everything, and narrow screens do not scroll sideways."""
    owner = visit()
    page = sign_in(owner, node)
    page.set_viewport_size({"width": 360, "height": 640})
    for name in ("status", "apps", "keys", "redirects", "api"):
        page.get_by_test_id(f"nav-{name}").press("Enter")
        expect(page.get_by_test_id(f"{name}-panel")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
    assert owner.complaints == []


def test_a_node_that_is_gone_is_said_not_shown_as_signed_out(machine: Machine, visit: New) -> None:
    node = machine.up()
    page = sign_in(visit(), node)
    node.kill()
    page.get_by_test_id("nav-apps").click()
    expect(page.get_by_role("alert").filter(has_text="The node does not answer")).to_be_visible()
    expect(page.get_by_test_id("signin-form")).to_be_hidden()
