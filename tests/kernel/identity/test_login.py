"""Signing in by name and password: right, wrong, and how guessing is slowed down without locking anybody out."""

from __future__ import annotations

import asyncio
import collections
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import extract_parameters

from tests import support
from tests.kernel.net.endpoints import add_user
from tests.support import Answer, Running

RIGHT = "correct horse battery"
WRONG = "wrong horse battery"
HOUR = 3600


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    """A node whose owner has a password."""
    async with support.running(tmp_path / "data.db") as made:
        await made.run("user.credentials", password=RIGHT)
        yield made


@pytest.fixture
def hashes(node: Running) -> Iterator[list[str]]:
    """The passwords that were hashed to be compared, in order."""
    seen: list[str] = []
    verify = node.node.passwords._verify

    def counted(password: str, hashed: str | None) -> bool:
        seen.append(password)
        return verify(password, hashed)

    node.node.passwords._verify = counted  # type: ignore[method-assign]
    yield seen


@pytest.fixture
def naps(node: Running) -> Iterator[list[float]]:
    """How long attempts were made to wait; nobody really waits."""
    seen: list[float] = []

    async def nap(seconds: float) -> None:
        seen.append(seconds)

    node.clock.sleep = nap  # type: ignore[method-assign]
    yield seen


def count_hashes(node: Running) -> collections.Counter[str]:
    """How often Argon2 is really run, from now on."""
    work: collections.Counter[str] = collections.Counter()
    hasher = node.node.passwords._hasher
    price = extract_parameters(hasher.hash("what it costs"))

    class Counting:
        def hash(self, *args: Any) -> Any:
            work["hash"] += 1
            return hasher.hash(*args)

        def verify(self, hashed: str, password: str) -> Any:
            # what is no hash, or a cheaper one, would be found wrong without the work
            assert extract_parameters(hashed) == price
            work["verify"] += 1
            return hasher.verify(hashed, password)

    node.node.passwords._hasher = Counting()  # type: ignore[assignment]
    return work


async def login(node: Running, password: str = RIGHT, username: str = "owner", **more: Any) -> Answer:
    headers = more.pop("headers", None)
    body = {"username": username, "password": password, **more}
    return await node.ask("POST", "/api/login", headers=headers, body=body)


def cookie_of(answer: Answer) -> str:
    return str(answer.headers["Set-Cookie"].partition(";")[0])


# --- right and wrong


@pytest.mark.parametrize("path", ["/api/login", "/api/auth/login"])
async def test_the_right_password_signs_in(node: Running, path: str) -> None:
    answer = await node.ask("POST", path, body={"username": "owner", "password": RIGHT})
    assert answer.status == 200
    assert set(answer.json) == {"data"} and set(answer.data) == {"message", "user"}
    assert set(answer.data["user"]) == {"id", "username", "role"}
    assert (answer.data["user"]["username"], answer.data["user"]["role"]) == ("owner", "owner")
    me = await node.ask("GET", "/api/user/me", cookie=cookie_of(answer))
    assert me.data == {"id": answer.data["user"]["id"], "username": "owner", "role": "owner", "has_password": True}
    status = await node.ask("GET", "/api/auth/status", cookie=cookie_of(answer))
    expires = node.clock.now() + 12 * HOUR * 1000
    assert status.data == {"authenticated": True, "username": "owner", "expiresAt": expires}


async def test_a_name_is_the_same_in_capitals(node: Running) -> None:
    assert (await login(node, username="OWNER")).status == 200


@pytest.mark.parametrize("path", ["/api/login", "/api/auth/login"])
async def test_wrong_and_unknown_look_the_same(node: Running, path: str) -> None:
    """The same status, the same text, the same headers (but for the request's own)."""
    answers = [
        await node.ask("POST", path, body={"username": username, "password": password})
        for username, password in (("owner", WRONG), ("nobody", WRONG), ("nobody", RIGHT), ("' or 1=1 --", WRONG))
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1
    assert answers[0].code == "INVALID_CREDENTIALS"
    own = ("X-Request-ID", "Date")
    kept = [{name: value for name, value in answer.headers.items() if name not in own} for answer in answers]
    assert all(headers == kept[0] for headers in kept)
    assert "Set-Cookie" not in answers[0].headers


@pytest.mark.parametrize(
    ("username", "password", "status"),
    [
        ("owner", RIGHT, 200),
        ("owner", WRONG, 401),
        ("nobody", WRONG, 401),
        ("x" * 1000, WRONG, 401),
        ("anna", WRONG, 401),
    ],
)
async def test_every_attempt_costs_one_hash(
    node: Running, hashes: list[str], username: str, password: str, status: int
) -> None:
    """Equal work, so that time tells nobody which names there are (anna is there, but has no password)."""
    await add_user(node, name="anna")
    await login(node, username="warm up", password=WRONG)
    work = count_hashes(node)
    hashes.clear()
    assert (await login(node, password, username)).status == status
    assert hashes == [password]
    assert work == {"verify": 1}


async def test_the_hash_for_nobody_fits_nobody(node: Running) -> None:
    await add_user(node, name="anna")
    for password in ("nobody has this password", "", "None", "null"):
        if password:
            assert (await login(node, password, "anna")).status == 401
            assert (await login(node, password, "nobody")).status == 401


async def test_a_disabled_user_does_not_sign_in(node: Running) -> None:
    node.node.store.writer.connection.execute("update users set disabled = 1")
    assert (await login(node)).code == "INVALID_CREDENTIALS"


# --- the form of the request


@pytest.mark.parametrize("path", ["/api/login", "/api/auth/login", "/api/logout"])
async def test_signing_in_and_out_is_posted(node: Running, path: str) -> None:
    before = node.content()
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = await node.ask(method, path)
        assert answer.status == 405 and answer.headers["Allow"] == "POST"
    for suffix in ("csv", "json", "html"):
        assert (await node.ask("GET", f"{path}.{suffix}")).status in (404, 405)
    assert node.content() == before


@pytest.mark.parametrize("path", ["/api/login", "/api/logout"])
async def test_a_wrong_key_is_refused_here_as_well(node: Running, path: str, hashes: list[str]) -> None:
    body = {"username": "owner", "password": RIGHT} if path == "/api/login" else None
    answer = await node.ask("POST", path, headers={"Authorization": "Bearer fzt_" + "x" * 43}, body=body)
    assert (answer.status, answer.code) == (401, "INVALID_API_KEY")
    assert hashes == [] and "Set-Cookie" not in answer.headers


async def test_a_key_ends_no_session(node: Running) -> None:
    cookie = cookie_of(await login(node))
    assert (await node.ask("POST", "/api/logout", key="*")).status == 200
    assert (await node.ask("GET", "/api/user/me", cookie=cookie)).status == 200


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "MISSING_FIELD", "username"),
        ({"username": "owner"}, "MISSING_FIELD", "password"),
        ({"password": RIGHT}, "MISSING_FIELD", "username"),
        ({"username": "", "password": RIGHT}, "VALIDATION_FAILED", "username"),
        ({"username": "owner", "password": ""}, "VALIDATION_FAILED", "password"),
        ({"username": None, "password": RIGHT}, "VALIDATION_FAILED", "username"),
        ({"username": 5, "password": RIGHT}, "VALIDATION_FAILED", "username"),
        ({"username": ["owner"], "password": RIGHT}, "VALIDATION_FAILED", "username"),
        ({"username": {"$ne": ""}, "password": RIGHT}, "VALIDATION_FAILED", "username"),
        ({"username": "owner", "password": 12345678}, "VALIDATION_FAILED", "password"),
        ({"username": "owner", "password": {"$ne": ""}}, "VALIDATION_FAILED", "password"),
        ({"username": "owner", "password": [RIGHT]}, "VALIDATION_FAILED", "password"),
        ({"username": "owner", "password": True}, "VALIDATION_FAILED", "password"),
        ({"username": "x" * 1025, "password": RIGHT}, "VALIDATION_FAILED", "username"),
        ({"username": "owner", "password": "x" * 1025}, "VALIDATION_FAILED", "password"),
        ({"username": "owner", "password": RIGHT, "remember_me": "yes"}, "VALIDATION_FAILED", "remember_me"),
        ({"username": "owner", "password": RIGHT, "remember_me": 1}, "VALIDATION_FAILED", "remember_me"),
        ({"username": "owner", "password": RIGHT, "remember_me": None}, "VALIDATION_FAILED", "remember_me"),
        ({"username": "owner", "password": RIGHT, "surprise": 1}, "VALIDATION_FAILED", "surprise"),
        ({"username": "owner", "password": RIGHT, "role": "owner"}, "VALIDATION_FAILED", "role"),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_malformed_login_costs_no_hash(
    node: Running, hashes: list[str], body: dict[str, Any], code: str, field: str
) -> None:
    answer = await node.ask("POST", "/api/login", body=body)
    assert (answer.status, answer.code) == (400, code), answer.body
    assert answer.json["error"]["details"]["field"] == field
    assert RIGHT not in answer.body.decode()
    assert hashes == []


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"username":"owner","password":"\\ud800xxxxxxx"}',
        b'{"username":"\\udc00","password":"xxxxxxxx"}',
        b'{"username":"owner","password":NaN}',
        b'{"username":"owner","password":"' + b"[" * 5000 + b'","x":' + b"[" * 2000,
        b"username=owner&password=xxxxxxxx",
        b'{"username":"owner","password":"wrong horse","password":"correct horse battery"}',
        b'{"username":"owner","password":"\xff\xff\xff\xff\xff\xff\xff\xff"}',
    ],
    ids=lambda sent: repr(sent)[:60],
)
async def test_a_login_is_a_json_object(node: Running, hashes: list[str], sent: bytes) -> None:
    answer = await node.ask("POST", "/api/login", raw=sent)
    assert answer.status == 400, answer.body
    assert hashes == []


@pytest.mark.parametrize("size", [9000, 1 << 20])
async def test_a_long_password_is_refused_before_it_is_hashed(node: Running, hashes: list[str], size: int) -> None:
    answer = await login(node, "x" * size)
    assert answer.status in (400, 413)
    assert hashes == []


async def test_a_login_that_is_too_large_is_not_read(node: Running) -> None:
    head = b"POST /api/login HTTP/1.1\r\nHost: admin.localhost:{port}\r\nContent-Length: 1048576\r\n\r\n{"
    answer = await node.raw(head)
    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")


async def test_fields_of_a_login_do_not_stand_in_the_query(node: Running) -> None:
    """Addresses are logged by whatever stands in between."""
    answer = await node.ask("POST", f"/api/login?username=owner&password={RIGHT.replace(' ', '+')}", body={})
    assert answer.status == 400
    assert RIGHT not in answer.body.decode()


# --- passwords of any kind

KINDS = [
    "12345678",
    " spaces at both ends ",
    "x" * 72 + "a",
    "x" * 72 + "b",
    "x" * 1024,
    "nul\x00inside",
    "nul\x00outside",
    "tabs\tand\nlines",
    "ünïcödé ☃",
    "пароль-пароль",
    "😀" * 8,
    "😀" * 1024,
    "e\u0301" * 8,
    "é" * 8,
    '"quoted" \\ {json}',
    "\u202egnp.drowssap",
]


@pytest.mark.parametrize("password", KINDS, ids=lambda password: ascii(password)[:30])
async def test_a_password_is_compared_to_its_last_character(running: Running, password: str) -> None:
    cookie = await running.sign_in()
    body = {"password": password}
    assert (await running.ask("POST", "/api/user/password", cookie=cookie, body=body)).status == 200
    assert (await login(running, password)).status == 200
    for other in (
        password[:-1] + "?",
        password[:-1],
        password + "?",
        password.swapcase() + "?",
        password.strip() + "!",
    ):
        assert (await login(running, other)).status in (400, 401)


@pytest.mark.parametrize(
    ("password", "status"),
    [
        ("x" * 7, 400),
        ("x" * 8, 200),
        ("é" * 8, 200),
        ("x" * 1024, 200),
        ("x" * 1025, 400),
        ("x" * (1 << 20), 400),
        ("", 400),
    ],
    ids=lambda value: str(value)[:10],
)
async def test_a_password_has_8_to_1024_characters(running: Running, password: str, status: int) -> None:
    cookie = await running.sign_in()
    work = count_hashes(running)
    answer = await running.ask("POST", "/api/user/password", cookie=cookie, body={"password": password})
    assert answer.status == status
    assert work["hash"] == (status == 200)
    if status == 400:
        assert answer.json["error"]["details"]["field"] == "password"
        assert len(answer.body) < 500


async def test_nothing_of_a_password_is_kept_or_said(node: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    await login(node)
    await login(node, WRONG)
    await node.ask(
        "POST", "/api/cmd", key="*", body={"command": "server set-credentials", "args": ["--password", WRONG]}
    )
    await node.node._flush(node.node.journal)
    node.node.store.writer.connection.execute("pragma wal_checkpoint(truncate)")
    kept = b"".join(path.read_bytes() for path in node.node.path.parent.glob("data.db*"))
    assert RIGHT.encode() not in kept and WRONG.encode() not in kept
    assert RIGHT not in caplog.text and WRONG not in caplog.text


# --- guessing


async def test_each_failure_after_five_waits_longer(node: Running, naps: list[float]) -> None:
    for _ in range(15):
        assert (await login(node, WRONG)).status == 401
    assert naps == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]


async def test_an_attempt_really_waits(node: Running, hashes: list[str]) -> None:
    """It is answered when the clock has moved, and not compared before."""
    for _ in range(5):
        await login(node, WRONG)
    hashes.clear()
    waiting = asyncio.ensure_future(login(node))
    while not node.clock.sleepers:
        await node.ask("GET", "/health")
    node.clock.advance(0.4)
    assert (await node.ask("GET", "/health")).status == 200
    assert not waiting.done() and hashes == []
    node.clock.advance(0.1)
    assert (await waiting).status == 200


@pytest.mark.parametrize("failures", [5, 20, 49])
async def test_the_right_password_is_never_locked_out(node: Running, naps: list[float], failures: int) -> None:
    for _ in range(failures):
        await login(node, WRONG)
    assert (await login(node)).status == 200
    naps.clear()
    await login(node, WRONG)
    assert naps == [], "success makes a fresh start"


async def test_an_hour_later_all_is_forgotten(node: Running, naps: list[float]) -> None:
    for _ in range(20):
        await login(node, WRONG)
    naps.clear()
    node.clock.advance(HOUR)
    await login(node, WRONG)
    assert naps == []


async def test_names_are_counted_however_they_are_written(node: Running, naps: list[float]) -> None:
    for username in ("owner", "OWNER", "Owner", "oWner", "owneR"):
        await login(node, WRONG, username)
    assert naps == []
    await login(node, WRONG, "OwNeR")
    assert naps == [0.5]


async def test_names_that_are_not_there_are_counted_as_well(node: Running, naps: list[float]) -> None:
    for _ in range(6):
        await login(node, WRONG, "nobody")
    assert naps == [0.5]


async def test_fifty_failures_from_one_address_are_enough(node: Running, naps: list[float], hashes: list[str]) -> None:
    for number in range(50):
        assert (await login(node, WRONG, f"user{number}")).status == 401
    hashes.clear()
    answer = await login(node)
    assert (answer.status, answer.code) == (429, "RATE_LIMIT_EXCEEDED")
    assert answer.headers["Retry-After"] == str(HOUR)
    assert "signin-link" in answer.json["error"]["hint"]
    assert hashes == []
    node.clock.advance(HOUR - 1)
    assert (await login(node)).headers["Retry-After"] == "1"
    node.clock.advance(1)
    assert (await login(node)).status == 200


async def test_a_link_works_when_passwords_wait(node: Running, naps: list[float]) -> None:
    for number in range(51):
        await login(node, WRONG, f"user{number}")
    assert (await node.ask("GET", "/api/user/me", cookie=await node.sign_in())).status == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Client-IP", "True-Client-IP"])
async def test_no_header_makes_another_address(node: Running, naps: list[float], header: str) -> None:
    for number in range(50):
        await login(node, WRONG, f"user{number}", headers={header: f"203.0.113.{number}"})
    assert (await login(node, headers={header: "203.0.113.99"})).status == 429


async def test_one_attempt_at_a_time(node: Running, hashes: list[str]) -> None:
    """A hundred guesses at once would all pass before the first of them has failed."""
    first = [asyncio.ensure_future(login(node, WRONG)) for _ in range(30)]
    while len([task for task in first if task.done()]) < 25:
        await node.ask("GET", "/health")
    statuses = collections.Counter(task.result().status for task in first if task.done())
    assert statuses == {401: 5, 429: 20}
    assert len(hashes) == 5
    node.clock.advance(120)
    for _ in range(5):
        while not node.clock.sleepers and not all(task.done() for task in first):
            await node.ask("GET", "/health")
        node.clock.advance(60)
    assert {(await task).status for task in first} == {401, 429}


# --- a storm


async def test_a_storm_of_logins_stops_nothing_else(node: Running) -> None:
    """The hasher is held: fifty wait, the next is sent away, and everything else is answered meanwhile."""
    held = threading.Event()

    def slow(password: str, hashed: str | None) -> bool:
        held.wait(30)
        return False

    node.node.passwords._verify = slow  # type: ignore[method-assign]
    waiting = [asyncio.ensure_future(login(node, WRONG, f"user{number}")) for number in range(50)]
    try:
        while node.node.passwords._waiting < 50:
            assert (await node.ask("GET", "/health")).status == 200
        answer = await login(node)
        assert (answer.status, answer.code) == (503, "SERVICE_UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
        assert (await node.ask("GET", "/api/apps", key="*")).status == 200
        assert not any(task.done() for task in waiting)
    finally:
        held.set()
    assert {(await task).status for task in waiting} == {401}
    assert node.node.passwords._waiting == 0


@pytest.mark.parametrize("change", ["password", "disabled", "deleted"])
async def test_a_login_that_is_overtaken_fails(node: Running, change: str) -> None:
    """While the old password is compared it is changed, because somebody else knows it: he must not slip in."""
    verify, held = node.node.passwords._verify, threading.Event()

    def slow(password: str, hashed: str | None) -> bool:
        held.wait(30)
        return verify(password, hashed)

    node.node.passwords._verify = slow  # type: ignore[method-assign]
    waiting = asyncio.ensure_future(login(node))
    try:
        while not node.node.passwords._waiting:
            await node.ask("GET", "/health")
        if change == "password":
            await node.run("user.credentials", password="another password")
        else:
            column = "disabled" if change == "disabled" else "deleted_at"
            node.node.store.writer.connection.execute(f"update users set {column} = 1")
    finally:
        held.set()
    answer = await waiting
    assert (answer.status, answer.code) == (401, "INVALID_CREDENTIALS")
    assert "Set-Cookie" not in answer.headers
    assert node.content()["sessions"] == []


async def test_a_failed_login_is_remembered(node: Running) -> None:
    await login(node, WRONG)
    await login(node)
    await node.node._flush(node.node.journal)
    listed = (await node.ask("GET", "/api/system/logs?action=auth.login", key="*")).data
    assert sorted((entry["result"], entry["actor_type"], entry["resource"]) for entry in listed) == [
        ("INVALID_CREDENTIALS", "anonymous", ""),
        ("ok", "session", "password"),
    ]
    assert {entry["actor_ip"] for entry in listed} == {"127.0.0.1", None}
