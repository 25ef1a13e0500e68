"""A program with a key is answered without aiohttp, with the same words as with it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests import support
from tests.support import Running

APP = "/api/apps/shop/storage/kv"
JSON = "Content-Type: application/json\r\n"
# method, target, more header lines, body
REQUESTS: list[tuple[str, str, str, Any]] = [
    ("GET", f"{APP}/entry?key=a", "", None),
    ("GET", f"{APP}?limit=1", "", None),
    ("GET", f"{APP}/entry?key=missing", "", None),
    ("GET", f"{APP}/entry", "", None),
    ("GET", f"{APP}/entry?key=a&key=b", "", None),
    ("GET", f"{APP}/entry?key=%ff", "", None),
    ("GET", f"{APP}?limit=0", "", None),
    ("GET", "/api/apps/nobody/storage/kv/entry?key=a", "", None),
    ("GET", "/api/apps", "", None),
    ("GET", "/api/keys", "", None),
    ("GET", "/api/nothing", "", None),
    ("PUT", "/api/apps", JSON, {}),
    ("GET", "/api/apps.csv", "", None),
    ("POST", APP, JSON, {"key": "b", "value": [1, {"ü": None}]}),
    ("POST", APP, JSON, {"key": "b"}),
    ("POST", APP, JSON, {"key": "b", "value": 1, "other": 2}),
    ("POST", APP, JSON, "no object"),
    ("POST", f"{APP}?key=b", JSON, {"value": 1}),
    ("POST", APP, "", {"key": "c", "value": 1}),
    ("DELETE", f"{APP}?key=b", "", None),
    ("GET", f"{APP}/entry?key=a", "Origin: https://elsewhere.example\r\n", None),
    ("GET", f"{APP}/entry?key=a", "Cookie: fazt_admin_dev=nonsense\r\n", None),
    ("GET", f"{APP}/entry?key=a", "User-Agent: caf\u00e9\r\n", None),
]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db") as made:
        await made.run("apps.create", slug="shop")
        await made.run("storage.kv.set", app="shop", key="a", value={"n": 1})
        yield made


def written(node: Running, method: str, target: str, more: str, body: Any, key: str, round_about: bool) -> bytes:
    sent = b"" if body is None else json.dumps(body).encode()
    # what names a proxy on the way is aiohttp's to read
    via = "Via: 1.1 somebody\r\n" if round_about else ""
    length = f"Content-Length: {len(sent)}\r\n" if body is not None else ""
    head = f"{method} {target} HTTP/1.1\r\nHost: admin.localhost:{node.site.port}\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}{more}{via}{length}\r\n".encode() + sent


def plain(answer: support.Answer) -> tuple[int, dict[str, str], Any]:
    """Without what differs from one answer to the next."""
    changing = ("date", "x-request-id", "connection", "content-length")
    headers = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in changing}
    return answer.status, headers, json.loads(answer.body) if answer.body[:1] in (b"{", b"[") else answer.body


@pytest.mark.parametrize("scope", ["*", "read", "deploy"])
async def test_both_ways_say_the_same(node: Running, scope: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await node.key(scope)
    for request in REQUESTS:
        straight = await node.raw(written(node, *request, key, round_about=False))
        around = await node.raw(written(node, *request, key, round_about=True))
        assert plain(straight) == plain(around), request


@pytest.mark.parametrize("key", ["", "fzt_short", "fzt_" + "a" * 43, "Basic eDp5"])
async def test_a_wrong_key_is_refused_both_ways(node: Running, key: str) -> None:
    request = ("GET", f"{APP}/entry?key=a", "", None)
    straight = await node.raw(written(node, *request, key, round_about=False))
    around = await node.raw(written(node, *request, key, round_about=True))
    assert plain(straight) == plain(around)
    assert straight.status == 401


async def test_it_is_the_straight_way(node: Running) -> None:
    """Or the tests above compare a thing with itself."""
    key = await node.key("*")
    seen: list[str] = []
    handle = node.server.handle
    node.server._web.request_handler = lambda request: (seen.append(request.path), handle(request))[1]  # type: ignore
    for request in REQUESTS[:2]:
        await node.raw(written(node, *request, key, round_about=False))
    assert seen == []
    await node.raw(written(node, *REQUESTS[0], key, round_about=True))
    assert seen == [f"{APP}/entry"]


async def test_a_revoked_key_is_refused_at_once(node: Running) -> None:
    key = await node.key("*")
    request = written(node, *REQUESTS[0], key, round_about=False)
    assert (await node.raw(request)).status == 200
    [held] = await node.run("keys.list")
    await node.run("keys.revoke", id=held.id)
    assert (await node.raw(request)).code == "INVALID_API_KEY"


async def test_a_name_that_moved_means_the_other_app_at_once(node: Running) -> None:
    key = await node.key("*")
    request = written(node, *REQUESTS[0], key, round_about=False)
    assert (await node.raw(request)).status == 200
    await node.run("apps.create", slug="other")
    await node.run("aliases.swap", alias1="shop", alias2="other")
    assert (await node.raw(request)).status == 404


async def test_a_fault_of_ours_is_not_shown(node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await node.key("*")
    entry = node.node.registry["storage.kv.entry"]

    def broken(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError("secret words")

    monkeypatch.setattr(type(entry), "named", property(lambda self: broken), raising=False)
    answer = await node.raw(written(node, *REQUESTS[0], key, round_about=False))
    assert (answer.status, answer.code) == (500, "INTERNAL_ERROR")
    assert b"secret" not in answer.body
