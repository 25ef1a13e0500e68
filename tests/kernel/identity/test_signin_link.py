"""Sign-in links: opening uses nothing up, the button works once, within fifteen minutes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support import Answer, Running

QUARTER = 15 * 60


async def new_link(running: Running) -> str:
    return "/signin/" + str((await running.run("signin.link")).url).rpartition("/")[2]


def cookie_of(answer: Answer) -> str:
    return str(answer.headers["Set-Cookie"].partition(";")[0])


def is_used(answer: Answer) -> None:
    assert answer.status == 410
    assert b"no longer works" in answer.body
    assert "Set-Cookie" not in answer.headers


async def sessions(running: Running) -> int:
    return len(running.content()["sessions"])


async def test_the_link_is_an_address_of_the_dashboard(running: Running) -> None:
    link = await running.run("signin.link")
    root, token = link.url.rsplit("/", 1)
    assert root == f"http://admin.localhost:{running.site.port}/signin"
    assert len(token) == 43
    assert link.expires_at == running.clock.now() + QUARTER * 1000


async def test_opening_a_link_uses_nothing_up(running: Running) -> None:
    path = await new_link(running)
    before = running.content()
    for method in ("GET", "HEAD", "GET"):
        answer = await running.ask(method, path)
        assert answer.status == 200 and "Set-Cookie" not in answer.headers
    assert b"<form" in answer.body and b"admin.localhost" in answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    assert path.rpartition("/")[2].encode() not in answer.body
    assert running.content() == before


async def test_the_button_signs_in_once(running: Running) -> None:
    path = await new_link(running)
    answer = await running.ask("POST", path)
    assert (answer.status, answer.headers["Location"], answer.body) == (303, "/", b"")
    assert (await running.ask("GET", "/api/user/me", cookie=cookie_of(answer))).data["role"] == "owner"
    is_used(await running.ask("POST", path))
    is_used(await running.ask("GET", path))
    assert await sessions(running) == 1


async def test_of_a_hundred_at_once_one_signs_in(running: Running) -> None:
    path = await new_link(running)
    answers = await asyncio.gather(*(running.ask("POST", path) for _ in range(100)))
    assert sorted(answer.status for answer in answers) == [303] + [410] * 99
    assert sum("Set-Cookie" in answer.headers for answer in answers) == 1
    assert await sessions(running) == 1
    ledger = (await running.ask("GET", "/api/audit", key="*")).data
    assert sum(entry["action"] == "auth.login" for entry in ledger) == 1
    assert (await running.ask("GET", "/api/audit/verify", key="*")).data["intact"] is True


@pytest.mark.parametrize(("seconds", "works"), [(0, True), (QUARTER - 1, True), (QUARTER, False), (86_400, False)])
async def test_a_link_lasts_a_quarter_of_an_hour(running: Running, seconds: int, works: bool) -> None:
    path = await new_link(running)
    running.clock.advance(seconds)
    opened, used = await running.ask("GET", path), await running.ask("POST", path)
    if works:
        assert (opened.status, used.status) == (200, 303)
    else:
        is_used(opened)
        is_used(used)
    assert await sessions(running) == works


async def test_a_new_link_leaves_the_old_one(running: Running) -> None:
    """Printed twice, both are good: which of them is in somebody's mail nobody knows."""
    first, second = await new_link(running), await new_link(running)
    assert (await running.ask("POST", first)).status == 303
    assert (await running.ask("POST", second)).status == 303


@pytest.mark.parametrize(
    "token", ["x", "", "x" * 43, "x" * 4000, "%00", "%ff", "%2F", "..", "'%20or%201=1", "{{host}}", "%E2%80%AE", "a/b"]
)
async def test_a_link_nobody_made(running: Running, token: str) -> None:
    before = running.content()
    for method in ("GET", "POST"):
        answer = await running.ask(method, f"/signin/{token}")
        assert answer.status in (400, 404, 405, 410)
        assert "Set-Cookie" not in answer.headers
    assert running.content() == before


async def test_a_link_is_used_by_its_button_only(running: Running) -> None:
    path = await new_link(running)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = await running.ask(method, path)
        assert answer.status == 405
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert (await running.ask("POST", path)).status == 303


# --- with a cookie already there


async def test_a_double_click_goes_on(running: Running) -> None:
    path = await new_link(running)
    cookie = cookie_of(await running.ask("POST", path))
    again = await running.ask("POST", path, cookie=cookie)
    assert (again.status, again.headers["Location"]) == (303, "/")
    assert "Set-Cookie" not in again.headers
    assert await sessions(running) == 1


async def test_a_double_click_with_a_session_that_ended_does_not_go_on(running: Running) -> None:
    path = await new_link(running)
    cookie = cookie_of(await running.ask("POST", path))
    await running.ask("POST", "/api/logout", cookie=cookie)
    is_used(await running.ask("POST", path, cookie=cookie))
    is_used(await running.ask("POST", path, cookie="fazt_admin_dev=" + "x" * 43))


async def test_signing_in_again_makes_another_session_and_ends_the_one_before(running: Running) -> None:
    first = await running.sign_in()
    second = cookie_of(await running.ask("POST", await new_link(running), cookie=first))
    assert second != first
    assert (await running.ask("GET", "/api/user/me", cookie=first)).code == "SESSION_EXPIRED"
    assert (await running.ask("GET", "/api/user/me", cookie=second)).status == 200
    assert await sessions(running) == 1


async def test_no_session_is_fixed_before_signing_in(running: Running) -> None:
    """Whatever cookie somebody put into the browser, the session gets a name of its own."""
    planted = "fazt_admin_dev=" + "A" * 43
    answer = await running.ask("POST", await new_link(running), cookie=planted)
    assert answer.status == 303 and cookie_of(answer) != planted
    assert (await running.ask("GET", "/api/user/me", cookie=planted)).status == 401


@pytest.mark.parametrize("cookie", ["fazt_admin_dev=x", "fazt_admin_dev=", "fazt_admin_dev=" + "x" * 3000, "other=1"])
async def test_a_broken_cookie_does_not_keep_the_owner_out(running: Running, cookie: str) -> None:
    """A sibling app can plant one over plain HTTP. The link is good: it signs in, and the cookie is replaced."""
    path = await new_link(running)
    answer = await running.ask("POST", path, cookie=cookie)
    assert answer.status == 303, "the page says that the link was used, but it was not"
    assert (await running.ask("GET", "/api/user/me", cookie=cookie_of(answer))).status == 200


async def test_two_cookies_are_refused_and_the_link_stays_good(running: Running) -> None:
    path = await new_link(running)
    both = await running.sign_in() + "; fazt_admin_dev=" + "x" * 43
    assert (await running.ask("POST", path, cookie=both)).status == 400
    assert (await running.ask("POST", path)).status == 303


# --- what is kept


async def test_only_a_hash_of_the_link_is_in_the_file(running: Running) -> None:
    token = (await new_link(running)).rpartition("/")[2]
    await running.ask("POST", f"/signin/{token}")
    running.node.store.writer.connection.execute("pragma wal_checkpoint(truncate)")
    kept = b"".join(path.read_bytes() for path in running.node.path.parent.glob("data.db*"))
    assert token.encode() not in kept


async def test_links_that_are_over_are_swept(running: Running) -> None:
    await new_link(running)
    running.clock.advance(QUARTER + 1)
    await running.node.supervisor.tasks["expired rows"].work()
    assert running.content()["signin_links"] == []


async def test_only_the_owner_makes_links(running: Running) -> None:
    for scope in ("admin", "read", "deploy"):
        answer = await running.ask("POST", "/api/cmd", key=scope, body={"command": "signin-link"})
        assert (answer.data["success"], answer.data["exit"]) == (False, 4)
    made = await running.ask("POST", "/api/cmd", key="*", body={"command": "signin-link"})
    assert "/signin/" in made.data["output"]


# --- what a link allows: a new password without the old one, for a while


async def test_fresh_from_a_link_the_password_is_set_without_the_old_one(running: Running) -> None:
    await running.run("user.credentials", password="old password")
    cookie = await running.sign_in()
    running.clock.advance(QUARTER - 1)
    body = {"password": "new password"}
    assert (await running.ask("POST", "/api/user/password", cookie=cookie, body=body)).status == 200
    signed = await running.ask("POST", "/api/login", body={"username": "owner", "password": "new password"})
    assert signed.status == 200


@pytest.mark.parametrize("how", ["later", "by password", "by key"])
async def test_otherwise_the_old_password_is_needed(running: Running, how: str) -> None:
    await running.run("user.credentials", password="old password")
    said = {"username": "owner", "password": "old password"}
    if how == "later":
        cookie = await running.sign_in()
        running.clock.advance(QUARTER)
    else:
        cookie = cookie_of(await running.ask("POST", "/api/login", body=said))
    who: dict[str, Any] = {"key": "*"} if how == "by key" else {"cookie": cookie}
    # a session gets its new end beside the request
    await running.ask("GET", "/api/user/me", **who)
    await asyncio.gather(*running.node.supervisor._once)
    before = running.content()
    for current, status in ((None, 401), ("wrong password", 401), ("old password", 200)):
        body = {"password": "new password", **({"current": current} if current else {})}
        answer = await running.ask("POST", "/api/user/password", body=body, **who)
        assert answer.status == status
        if status == 401:
            assert answer.code == "INVALID_CREDENTIALS" and answer.json["error"]["details"]["field"] == "current"
            assert running.content() == before
