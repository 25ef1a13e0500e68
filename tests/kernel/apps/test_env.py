"""Environment variables of apps: who may set them, what they may be, what an app.json may wish."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kernel.apps import manifest
from kernel.apps.env import MASK, EnvValues
from kernel.apps.env_names import MOST_BYTES, MOST_VALUES, EnvWish, missing
from kernel.base.clock import ManualClock
from tests.support import Answer, Running, running

VALUE = {"value": "x"}


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data.db") as made:
        await made.run("apps.create", slug="shop", title="Shop")
        await made.run("apps.create", slug="other", title="Other")
        await made.run("env.put", app="shop", name="KEPT", value="as it was")
        await made.key("*")
        yield made


def values(node: Running, app: str = "shop", wishes: Any = ()) -> dict[str, str]:
    return node.node.ports.use(EnvValues).values(node.node.caller.id_of(app), wishes)


async def send(node: Running, body: Any, key: str = "*", app: str = "shop") -> Answer:
    return await node.ask("POST", f"/api/apps/{app}/env", key=key, body=body)


@pytest.mark.asyncio
async def test_set_list_unset(node: Running) -> None:
    said = {"A": "", "_B9": "line\nline\t\x1b", "C": "ключ 😀", "KEPT": "new"}
    answer = await send(node, {"values": said})
    assert (answer.status, answer.data) == (200, {"names": ["A", "C", "KEPT", "_B9"]})
    assert values(node) == said
    listed = (await node.ask("GET", "/api/apps/shop/env", key="read")).data
    now = ManualClock().now()
    assert listed == [{"name": name, "value": MASK, "set_at": now} for name in sorted(said)]
    assert (await node.ask("GET", "/api/apps/other/env", key="read")).data == []
    assert (await node.ask("DELETE", "/api/apps/shop/env/A", key="*")).status == 204
    gone = await node.ask("DELETE", "/api/apps/shop/env/A", key="*")
    assert (gone.status, gone.code) == (404, "NOT_FOUND")
    assert "A" not in values(node)
    assert values(node, "other") == {}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("key", "app", "status", "code"),
    [
        (None, "shop", 401, "UNAUTHORIZED"),
        ("read", "shop", 403, "FORBIDDEN"),
        ("deploy", "shop", 403, "FORBIDDEN"),
        ("deploy:other", "shop", 403, "FORBIDDEN"),
        ("*", "nothing", 404, "APP_NOT_FOUND"),
    ],
)
async def test_who_may_not(node: Running, key: str | None, app: str, status: int, code: str) -> None:
    for method, path, body in (
        ("POST", "env", {"values": {"KEPT": "new"}}),
        ("PUT", "env/KEPT", VALUE),
        ("DELETE", "env/KEPT", None),
    ):
        answer = await node.ask(method, f"/api/apps/{app}/{path}", key=key, body=body)
        assert (answer.status, answer.code) == (status, code), path
    assert values(node) == {"KEPT": "as it was"}


NAMES = ["", "a", "A-B", "A B", "1A", "Ä", "A" * 129, "A\n", "A=B", "__proto__"]
SYSTEM = ["PATH", "HOME", "LD_PRELOAD", "DYLD_X", "HTTP_PROXY", "ALL_PROXY", "NODE_OPTIONS", "NODE_ENV", "FAZT_TOKEN"]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", [*NAMES, *SYSTEM], ids=ascii)
async def test_names_that_are_refused(node: Running, name: str) -> None:
    before = node.content()
    answer = await send(node, {"values": {"GOOD": "1", name: "2"}})
    assert (answer.status, answer.code) == (400, "VALIDATION_FAILED")
    assert node.content() == before
    if name in SYSTEM:
        assert name in answer.json["error"]["message"]
        assert (await node.ask("PUT", f"/api/apps/shop/env/{name}", key="*", body=VALUE)).status == 400


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"values": {}},
        {"values": []},
        {"values": {"A": 1}},
        {"values": {"A": None}},
        {"values": {"A": "nul \0 in it"}},
        {"values": {"A": "x" * (MOST_BYTES + 1)}},
        {"values": {"A": "é" * (MOST_BYTES // 2 + 1)}},
        {"values": {"A": "\ud800"}},
        {"values": {f"A{n}": "x" for n in range(MOST_VALUES + 1)}},
        {"values": {"A": "x"}, "more": 1},
    ],
    ids=lambda body: ascii(body)[:40],
)
async def test_what_is_refused(node: Running, body: Any) -> None:
    before = node.content()
    answer = await send(node, body)
    assert (answer.status, answer.code in ("VALIDATION_FAILED", "MISSING_FIELD")) == (400, True), answer.body
    assert "xxxxxxxx" not in answer.body.decode()
    assert node.content() == before


@pytest.mark.asyncio
async def test_limits(node: Running) -> None:
    most = {f"A{n}": "x" for n in range(MOST_VALUES - 1)}
    assert (await send(node, {"values": {**most, "A0": "x" * MOST_BYTES}})).status == 200
    full = await send(node, {"values": {"A0": "changed", "ONE_MORE": "x"}})
    assert (full.status, full.code) == (400, "LIMIT_EXCEEDED")
    assert values(node)["A0"] == "x" * MOST_BYTES
    assert (await send(node, {"values": {"A0": "changed"}})).status == 200
    assert (await send(node, {"values": {"A": "x"}}, app="other")).status == 200


@pytest.mark.asyncio
async def test_who_set_what_is_in_the_ledger_without_the_value(node: Running) -> None:
    await node.ask("PUT", "/api/apps/shop/env/TOKEN", key="*", body={"value": "hidden-value"})
    ledger = (await node.ask("GET", "/api/audit", key="*")).body.decode()
    assert '"env.put"' in ledger
    assert "TOKEN" in ledger
    assert "hidden-value" not in ledger


@pytest.mark.asyncio
async def test_defaults_hold_for_what_is_not_set(node: Running) -> None:
    wishes = [EnvWish("KEPT", default="not this"), EnvWish("REGION", default="eu"), EnvWish("KEY", required=True)]
    assert values(node, wishes=wishes) == {"KEPT": "as it was", "REGION": "eu"}
    assert missing(wishes, {"KEPT"}) == ["KEY"]
    assert missing(wishes, {"KEY"}) == []


@pytest.mark.parametrize(
    ("said", "found", "warnings"),
    [
        ([], [], 0),
        (["A", {"name": "B"}], [EnvWish("A"), EnvWish("B")], 0),
        (
            [{"name": "A", "description": "what for", "required": True, "default": ""}],
            [EnvWish("A", "what for", True, "")],
            0,
        ),
        ("A", [], 1),
        ({"A": "x"}, [], 1),
        (["A", "A", "b", 1, None, [], {}, {"name": "PATH"}, "C"], [EnvWish("A"), EnvWish("C")], 7),
        ([{"name": "A", "value": "x"}, "B"], [EnvWish("B")], 1),
        ([{"name": "A", "required": "yes"}], [], 1),
        ([{"name": "A", "default": 1}], [], 1),
        ([{"name": "A", "default": "x" * (MOST_BYTES + 1)}], [], 1),
        ([{"name": "A", "description": "two\nlines"}], [], 1),
        ([f"A{n}" for n in range(MOST_VALUES + 5)], [EnvWish(f"A{n}") for n in range(MOST_VALUES)], 1),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_an_app_json_wishes(said: Any, found: list[EnvWish], warnings: int) -> None:
    parsed, told = manifest.parse(json.dumps({"title": "Shop", "env": said}).encode())
    assert (parsed.title, parsed.env, len(told)) == ("Shop", found, warnings), told
    assert all(warning.startswith("app.json: env") for warning in told)
