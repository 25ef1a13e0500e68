"""Sessions: the cookie, how long it lasts, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest

from kernel.net.authenticate import cookie as set_cookie
from kernel.net.authenticate import cookie_name
from tests import support
from tests.kernel.net.endpoints import add_user, session_of
from tests.support import Answer, Running

RIGHT = "correct horse battery"
HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db") as made:
        await made.run("user.credentials", password=RIGHT)
        yield made


async def login(node: Running, cookie: str | None = None, **more: Any) -> Answer:
    return await node.ask("POST", "/api/login", cookie=cookie, body={"username": "owner", "password": RIGHT, **more})


def cookie_of(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return str(answer.headers["Set-Cookie"].partition(";")[0])


def attributes(line: str) -> dict[str, str]:
    pair, *rest = line.split("; ")
    return {"": pair.partition("=")[0]} | {name: value for name, _, value in (part.partition("=") for part in rest)}


async def works(node: Running, cookie: str) -> bool:
    answer = await node.ask("GET", "/api/user/me", cookie=cookie)
    assert answer.status == 200 or answer.code == "SESSION_EXPIRED"
    # a session gets its new end beside the request
    await asyncio.gather(*node.node.supervisor._once)
    return answer.status == 200


# --- the cookie


@pytest.mark.parametrize(("remember", "age"), [(False, 12 * HOUR), (True, 7 * DAY)])
async def test_the_cookie_over_http(node: Running, remember: bool, age: int) -> None:
    answer = await login(node, remember_me=remember)
    lines = answer.headers.getall("Set-Cookie")
    assert len(lines) == 1
    assert attributes(lines[0]) == {
        "": "fazt_admin_dev",
        "HttpOnly": "",
        "Max-Age": str(age),
        "Path": "/",
        "SameSite": "Strict",
    }
    token = lines[0].partition("=")[2].partition(";")[0]
    assert len(token) == 43 and token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("by", ["password", "link"])
async def test_the_cookie_over_https(tmp_path: Path, by: str) -> None:
    async with support.running(tmp_path / "data.db", domain="example.test", https=True) as running:
        await running.run("user.credentials", password=RIGHT)
        if by == "password":
            answer = await login(running)
        else:
            answer = await running.ask("POST", "/signin/" + (await running.run("signin.link")).url.rpartition("/")[2])
        line = answer.headers["Set-Cookie"]
        assert attributes(line) == {
            "": "__Host-fazt_admin",
            "HttpOnly": "",
            "Max-Age": str(12 * HOUR),
            "Path": "/",
            "SameSite": "Strict",
            "Secure": "",
        }
        cookie = line.partition(";")[0]
        assert await works(running, cookie)
        # the name that works over plain HTTP, which anybody on the way could set, is not looked at
        as_http = cookie.replace("__Host-fazt_admin", "fazt_admin_dev")
        assert (await running.ask("GET", "/api/user/me", cookie=as_http)).code == "UNAUTHORIZED"


def test_a_cookie_line_says_what_it_must() -> None:
    line = set_cookie(cookie_name(True), "x" * 43, True, 60)
    parsed = SimpleCookie(line)["__Host-fazt_admin"]
    assert (parsed["secure"], parsed["httponly"], parsed["path"], parsed["samesite"]) == (True, True, "/", "Strict")
    assert (parsed["domain"], parsed["max-age"]) == ("", "60")


async def test_signing_out_takes_the_cookie_away(node: Running) -> None:
    cookie = cookie_of(await login(node))
    answer = await node.ask("POST", "/api/logout", cookie=cookie)
    assert answer.status == 200 and set(answer.data) == {"message"}
    gone = attributes(answer.headers["Set-Cookie"])
    assert (gone[""], gone["Max-Age"], gone["Path"]) == ("fazt_admin_dev", "0", "/")
    assert not await works(node, cookie)
    assert node.content()["sessions"] == []


async def test_signing_out_twice_is_fine(node: Running) -> None:
    cookie = cookie_of(await login(node))
    for _ in range(2):
        answer = await node.ask("POST", "/api/logout", cookie=cookie)
        assert answer.status == 200, "a browser whose session has ended keeps its cookie for ever"
        assert attributes(answer.headers["Set-Cookie"])["Max-Age"] == "0"
    assert (await node.ask("POST", "/api/logout")).status == 200


async def test_signing_out_takes_no_fields(node: Running) -> None:
    answer = await node.ask("POST", "/api/logout", cookie=cookie_of(await login(node)), body={"surprise": 1})
    assert (answer.status, answer.json["error"]["details"]["field"]) == (400, "surprise")


# --- how long


@pytest.mark.parametrize(("remember", "lasts"), [(False, 12 * HOUR), (True, 7 * DAY)])
async def test_a_session_ends_when_it_is_not_used(node: Running, remember: bool, lasts: int) -> None:
    cookie = cookie_of(await login(node, remember_me=remember))
    node.clock.advance(lasts)
    assert not await works(node, cookie)


@pytest.mark.parametrize(("remember", "lasts"), [(False, 12 * HOUR), (True, 7 * DAY)])
async def test_a_session_that_is_used_goes_on(node: Running, remember: bool, lasts: int) -> None:
    cookie = cookie_of(await login(node, remember_me=remember))
    for _ in range(5):
        node.clock.advance(lasts - 1)
        assert await works(node, cookie)
    node.clock.advance(lasts)
    assert not await works(node, cookie)


async def test_the_browser_keeps_the_cookie_as_long_as_the_session(node: Running) -> None:
    """A session that goes on is of no use to a browser that threw its cookie away twelve hours after the sign-in."""
    answer = await login(node)
    cookie, kept_until = cookie_of(answer), node.clock.now()
    for _ in range(20):
        for line in answer.headers.getall("Set-Cookie", []):
            kept_until = node.clock.now() + int(attributes(line)["Max-Age"]) * 1000
            assert line.partition(";")[0] == cookie
        assert node.clock.now() < kept_until, "the browser has thrown the cookie away"
        node.clock.advance(HOUR)
        answer = await node.ask("GET", "/api/user/me", cookie=cookie)
        assert answer.status == 200
        await asyncio.gather(*node.node.supervisor._once)


async def test_a_session_is_written_at_most_every_ten_minutes(node: Running) -> None:
    cookie = cookie_of(await login(node))
    before = node.content()
    for _ in range(10):
        node.clock.advance(60)
        assert await works(node, cookie)
    assert node.content() == before
    node.clock.advance(1)
    assert await works(node, cookie)
    assert node.content() != before


async def test_sessions_that_are_over_are_swept(node: Running) -> None:
    await login(node)
    node.clock.advance(12 * HOUR)
    await node.node.supervisor.tasks["expired rows"].work()
    assert node.content()["sessions"] == []


# --- dead at once


async def change_password(node: Running, cookie: str) -> None:
    other = cookie_of(await login(node))
    body = {"password": "another password", "current": RIGHT}
    assert (await node.ask("POST", "/api/user/password", cookie=other, body=body)).status == 200
    assert await works(node, other), "who changed it stays"


async def change_password_here(node: Running, cookie: str) -> None:
    await node.run("user.credentials", password="another password")


async def change_username(node: Running, cookie: str) -> None:
    await node.run("user.credentials", username="boss")


async def disable(node: Running, cookie: str) -> None:
    node.node.store.writer.connection.execute("update users set disabled = 1")


async def delete(node: Running, cookie: str) -> None:
    node.node.store.writer.connection.execute("update users set deleted_at = 1")


async def remove(node: Running, cookie: str) -> None:
    node.node.store.writer.connection.execute("delete from users")


async def revoke(node: Running, cookie: str) -> None:
    other = cookie_of(await login(node))
    id = await session_of(node, cookie)
    assert (await node.ask("DELETE", f"/api/auth/sessions/{id}", cookie=other)).status == 204


async def sign_out(node: Running, cookie: str) -> None:
    await node.ask("POST", "/api/logout", cookie=cookie)


async def sign_in_again(node: Running, cookie: str) -> None:
    await login(node, cookie)


@pytest.mark.parametrize(
    "end",
    [
        change_password,
        change_password_here,
        change_username,
        disable,
        delete,
        remove,
        revoke,
        sign_out,
        sign_in_again,
    ],
)
async def test_a_session_ends_at_once(node: Running, end: Any) -> None:
    cookie = cookie_of(await login(node))
    assert await works(node, cookie)
    await end(node, cookie)
    assert not await works(node, cookie)


async def test_a_role_is_looked_up_at_every_request(node: Running) -> None:
    cookie = cookie_of(await login(node))
    assert (await node.ask("GET", "/api/keys", cookie=cookie)).status == 200
    for role, keys, apps in (("admin", 403, 200), ("user", 403, 403), ("owner", 200, 200)):
        node.node.store.writer.connection.execute("update users set role = ?", (role,))
        assert (await node.ask("GET", "/api/keys", cookie=cookie)).status == keys
        assert (await node.ask("GET", "/api/kernel/status", cookie=cookie)).status == apps


async def test_signing_in_always_gives_another_session(node: Running) -> None:
    cookies = {cookie_of(await login(node)) for _ in range(5)}
    assert len(cookies) == 5
    assert all([await works(node, cookie) for cookie in cookies])
    one = cookies.pop()
    again = cookie_of(await login(node, one))
    assert again not in cookies and again != one
    assert not await works(node, one)
    assert all([await works(node, cookie) for cookie in cookies])


# --- cookies that are not ours


async def test_the_same_cookie_twice_is_refused(node: Running) -> None:
    """Another host of the zone can plant one; which of them is ours nobody can say."""
    cookie = cookie_of(await login(node))
    for both in (f"{cookie}; {cookie}", f"{cookie}; fazt_admin_dev=", f"fazt_admin_dev=x; a=b; {cookie}"):
        answer = await node.ask("GET", "/api/user/me", cookie=both)
        assert (answer.status, answer.code) == (400, "BAD_REQUEST")
    lines = f"Cookie: {cookie}\r\nCookie: {cookie}\r\n"
    answer = await node.raw(f"GET /api/user/me HTTP/1.1\r\nHost: admin.localhost:{{port}}\r\n{lines}\r\n".encode())
    assert answer.status == 400


@pytest.mark.parametrize("length", [0, 1, 19, 42, 44, 101, 4000])
async def test_a_cookie_of_another_length_is_nobodys(node: Running, length: int) -> None:
    cookie = cookie_of(await login(node)).partition("=")[2]
    value = (cookie + "x" * 4000)[:length]
    answer = await node.ask("GET", "/api/user/me", cookie=f"fazt_admin_dev={value}")
    assert answer.status == 401
    assert answer.code in ("SESSION_EXPIRED", "UNAUTHORIZED")


@pytest.mark.parametrize(
    "name", ["FAZT_ADMIN_DEV", "fazt_admin_dev ", "xfazt_admin_dev", "__Host-fazt_admin", "fazt_session"]
)
async def test_another_name_is_another_cookie(node: Running, name: str) -> None:
    token = cookie_of(await login(node)).partition("=")[2]
    answer = await node.ask("GET", "/api/user/me", cookie=f"{name}={token}")
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")


async def test_other_cookies_do_not_matter(node: Running) -> None:
    cookie = cookie_of(await login(node))
    for more in ("a=b; {}", "{}; theme=dark", "a; {}; =;", 'x="{}; {}', "$Version=1; {}; $Path=/"):
        sent = more.replace("{}", cookie) if more.count("{}") == 1 else f"q=1; {cookie}"
        assert (await node.ask("GET", "/api/user/me", cookie=sent)).status == 200


async def test_a_cookie_of_another_node_is_not_signed_in_here(node: Running, tmp_path: Path) -> None:
    async with support.running(tmp_path / "other.db") as other:
        cookie = await other.sign_in()
        assert (await other.ask("GET", "/api/user/me", cookie=cookie)).status == 200
    assert not await works(node, cookie)


@pytest.mark.parametrize("how", ["ended", "of another node", "broken"])
async def test_a_dead_cookie_keeps_nobody_from_signing_in(node: Running, how: str) -> None:
    """Scripts cannot take it away (HttpOnly), and two nodes on one machine share it: ports make no difference."""
    cookie = "fazt_admin_dev=" + ("x" * 43 if how == "of another node" else "x")
    if how == "ended":
        cookie = cookie_of(await login(node))
        node.clock.advance(13 * HOUR)
    answer = await login(node, cookie)
    assert answer.status == 200, answer.body
    assert await works(node, cookie_of(answer))
    status = await node.ask("GET", "/api/auth/status", cookie=cookie)
    assert (status.status, status.data) == (200, {"authenticated": False})


async def test_a_key_and_a_cookie_are_the_key(node: Running) -> None:
    """Not the stronger of the two."""
    cookie = cookie_of(await login(node))
    read = {"Authorization": f"Bearer {await node.key('read')}"}
    assert (await node.ask("GET", "/api/keys", cookie=cookie, headers=read)).status == 403
    wrong = {"Authorization": "Bearer fzt_" + "x" * 43}
    assert (await node.ask("GET", "/api/keys", cookie=cookie, headers=wrong)).status == 401


# --- the list of them


async def test_the_owner_sees_his_sessions(node: Running) -> None:
    phone = cookie_of(
        await node.ask(
            "POST", "/api/login", headers={"User-Agent": "phone"}, body={"username": "owner", "password": RIGHT}
        )
    )
    node.clock.advance(1)
    here = cookie_of(await login(node))
    await add_user(node)
    listed = (await node.ask("GET", "/api/auth/sessions", cookie=here)).data
    assert [(session["current"], session["method"], session["kind"]) for session in listed] == [
        (True, "password", "admin"),
        (False, "password", "admin"),
    ]
    assert listed[1]["agent"] == "phone" and listed[1]["ip"] == "127.0.0.1" and listed[1]["host"] == "admin.localhost"
    assert all(len(session["id"]) == 16 for session in listed)
    secret = phone.partition("=")[2]
    assert secret not in str(listed)


async def test_who_speaks_for_the_owner_means_his_sessions(node: Running) -> None:
    """So that a lost phone can be signed out from a terminal. Other keys have no sessions."""
    cookie = cookie_of(await login(node))
    here = await node.run("auth.sessions.list")
    listed = (await node.ask("GET", "/api/auth/sessions", key="*")).data
    assert [session.id for session in here] == [session["id"] for session in listed] == [await session_of(node, cookie)]
    assert listed[0]["current"] is False
    for scope in ("admin", "read"):
        assert (await node.ask("GET", "/api/auth/sessions", key=scope)).data == []
    assert (await node.ask("DELETE", f"/api/auth/sessions/{listed[0]['id']}", key="*")).status == 204
    assert not await works(node, cookie)


async def test_nobody_ends_the_sessions_of_others(node: Running) -> None:
    owner, anna = cookie_of(await login(node)), await add_user(node)
    of_owner, of_anna = await session_of(node, owner), await session_of(node, anna)
    for cookie, id in ((anna, of_owner), (owner, of_anna)):
        answer = await node.ask("DELETE", f"/api/auth/sessions/{id}", cookie=cookie)
        assert (answer.status, answer.code) == (404, "NOT_FOUND")
    for key, id in (("admin", of_owner), ("read", of_owner), ("*", of_anna)):
        assert (await node.ask("DELETE", f"/api/auth/sessions/{id}", key=key)).status in (403, 404)
    assert await works(node, owner) and await works(node, anna)
    assert (await node.ask("DELETE", f"/api/auth/sessions/{of_anna}", cookie=anna)).status == 204
    assert not await works(node, anna)


async def test_only_a_hash_of_a_session_is_in_the_file(node: Running) -> None:
    token = cookie_of(await login(node)).partition("=")[2]
    node.node.store.writer.connection.execute("pragma wal_checkpoint(truncate)")
    kept = b"".join(path.read_bytes() for path in node.node.path.parent.glob("data.db*"))
    assert token.encode() not in kept


async def test_a_session_outlives_a_restart(tmp_path: Path) -> None:
    async with support.running(tmp_path / "data.db") as first:
        cookie = await first.sign_in()
    async with support.running(tmp_path / "data.db") as second:
        assert await works(second, cookie)
