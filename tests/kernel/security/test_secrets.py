"""Sealed values: bound to their rows, unreadable in the file, gone with their app, never copied."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest
import pytest_asyncio

from kernel.apps.env import EnvValues
from kernel.base.errors import FaztError
from kernel.security.seal import key_path
from kernel.security.secrets import Secrets
from tests.support import Running, running

pytestmark = pytest.mark.asyncio
MARKER = "a-marker-nobody-else-writes"
FULL = FaztError("LIMIT_EXCEEDED", "full")


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data.db") as made:
        yield made


async def put(node: Running, app: str, kind: Any = "vault", most: int = 10, **values: str) -> None:
    store = node.node.store
    plan = node.node.secrets.put(store.scoped(app), kind, values, store.clock.now(), most, FULL)
    plan.result((await store.write(plan.steps))[: len(plan.steps)])


def holding(folder: Path, text: str) -> list[Path]:
    return [file for file in folder.iterdir() if text.encode() in file.read_bytes()]


async def test_values_of_each_kind_and_app_are_their_own(node: Running) -> None:
    await put(node, "app_a", "vault", A="1")
    await put(node, "app_a", "net", A="2")
    await put(node, "app_b", "vault", A="3")
    await put(node, "", "net", A="4")
    secrets = node.node.secrets
    found = [secrets.values(kind, app) for kind, app in (("vault", "app_a"), ("net", "app_a"), ("vault", "app_b"))]  # type: ignore[arg-type]
    assert found == [{"A": "1"}, {"A": "2"}, {"A": "3"}]
    assert (secrets.values("net", ""), secrets.values("env", "app_a")) == ({"A": "4"}, {})
    assert sorted(secrets.spoken("app_a")) == ["1", "2"]


async def test_a_change_is_seen_at_once_and_by_every_thread(node: Running) -> None:
    secrets, seen = node.node.secrets, []
    for n in range(3):
        await put(node, "app_a", A=str(n))
        seen.append((secrets.version("app_a"), await asyncio.to_thread(secrets.values, "vault", "app_a")))
    assert seen == [(1, {"A": "0"}), (2, {"A": "1"}), (3, {"A": "2"})]
    assert secrets.version("app_b") == 0
    secrets.values("vault", "app_a")["A"] = "changed by who got it"
    assert secrets.values("vault", "app_a") == {"A": "2"}
    scoped = node.node.store.scoped("app_a")
    plan = secrets.forget(scoped, "vault", "A")
    plan.result(await node.node.store.write(plan.steps))
    assert secrets.values("vault", "app_a") == {}
    with pytest.raises(FaztError, match="No value called A"):
        await node.node.store.write(secrets.forget(scoped, "vault", "A").steps)


async def test_the_limit_holds_and_nothing_of_a_batch_beyond_it_is_kept(node: Running) -> None:
    await put(node, "app_a", most=2, A="1", B="2")
    await put(node, "app_a", most=2, A="new")
    with pytest.raises(FaztError, match="full"):
        await put(node, "app_a", most=2, A="newer", C="3")
    assert node.node.secrets.values("vault", "app_a") == {"A": "new", "B": "2"}
    await put(node, "app_a", kind="net", most=2, C="3")


async def test_a_value_moved_to_another_row_does_not_open(node: Running, tmp_path: Path) -> None:
    await put(node, "app_a", A=MARKER)
    file = apsw.Connection(str(node.node.path))
    sealed = file.execute("select sealed from secrets").get
    for kind, app, name in (("vault", "app_b", "A"), ("env", "app_a", "A"), ("vault", "app_c", "B")):
        file.execute(
            "insert into secrets (app_id, kind, name, sealed, updated_at, created_at) values (?, ?, ?, ?, 0, 0)",
            (app, kind, name, sealed),
        )
        with pytest.raises(FaztError) as refused:
            node.node.secrets.values(kind, app)  # type: ignore[arg-type]
        assert refused.value.code == "LOCKED"
    file.close()


async def test_nothing_lies_in_the_file_in_clear(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        shop = await node.run("apps.create", slug="shop", title="Shop")
        body = {"values": {"TOKEN": MARKER}}
        assert (await node.ask("POST", "/api/apps/shop/env", key="*", body=body)).status == 200
        assert (await node.ask("PUT", "/api/apps/shop/env/OTHER", key="*", body={"value": MARKER})).status == 200
        # refused ones are remembered too, without what they said
        assert (await node.ask("PUT", "/api/apps/shop/env/PATH", key="*", body={"value": MARKER})).status == 400
        assert (await node.ask("POST", "/api/apps/shop/env", key="read", body=body)).status == 403
        node.node.lines.add(shop.id, "info", f"{MARKER} {{{MARKER}}}")
        for path in ("/api/apps/shop/env", "/api/system/logs", "/api/logs"):
            assert MARKER.encode() not in (await node.ask("GET", path, key="*")).body
        await node.node._flush(node.node.journal)
        await node.node.lines.write()
        assert node.node.ports.use(EnvValues).values(shop.id) == {"TOKEN": MARKER, "OTHER": MARKER}
        assert holding(tmp_path, MARKER) == []


async def test_a_copy_without_the_key_is_locked_and_does_the_rest(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        shop = (await node.run("apps.create", slug="shop", title="Shop")).id
        await node.run("apps.create", slug="plain", title="Plain")
        await node.run("env.put", app="shop", name="TOKEN", value=MARKER)
    away = tmp_path / "away"
    away.mkdir()
    shutil.copy(tmp_path / "data.db", away / "data.db")
    async with running(away / "data.db") as node:
        values = node.node.ports.use(EnvValues)
        assert values.names(shop) == ["TOKEN"]
        with pytest.raises(FaztError) as locked:
            values.values(shop)
        assert locked.value.code == "LOCKED"
        assert values.values("app_other") == {}
        assert [row["name"] for row in (await node.ask("GET", "/api/apps/shop/env", key="*")).data] == ["TOKEN"]
        refused = await node.ask("PUT", "/api/apps/shop/env/TOKEN", key="*", body={"value": "new"})
        assert (refused.status, refused.code) == (503, "LOCKED")
        node.node.lines.add(shop, "info", "goes on")
        assert (await node.ask("GET", "/api/apps/shop/logs", key="*")).data[0]["message"] == "goes on"
        assert (await node.ask("DELETE", "/api/apps/shop/env/TOKEN", key="*")).status == 204
        assert values.values(shop) == {}
    shutil.copy(key_path(tmp_path / "data.db"), key_path(away / "data.db"))
    async with running(away / "data.db") as node:
        await node.run("env.put", app="shop", name="TOKEN", value="again")
        assert node.node.ports.use(EnvValues).values(shop) == {"TOKEN": "again"}


async def test_forks_have_none_and_purged_apps_leave_none(node: Running) -> None:
    await node.run("apps.create", slug="shop", title="Shop")
    await node.run("env.put", app="shop", name="TOKEN", value=MARKER)
    await node.run("storage.kv.set", app="shop", key="k", value=1)
    fork = await node.ask("POST", "/api/apps/shop/fork", key="*", body={"alias": "copy"})
    assert fork.status == 201, fork.body
    assert (await node.ask("GET", "/api/apps/copy/env", key="*")).data == []
    assert len(node.content()["secrets"]) == 1
    await node.run("apps.delete", app="shop", purge=True, confirm="shop")
    assert node.content()["secrets"] == []


async def test_only_so_much_stays_open(node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernel.security.secrets.MOST_OPENED", 2)
    secrets = node.node.secrets
    for app in ("app_a", "app_b", "app_c", "app_a"):
        await put(node, app, A=app)
        assert secrets.values("vault", app) == {"A": app}
        assert len(secrets._opened) <= 2
    assert list(secrets._opened) == [("app_c", "vault"), ("app_a", "vault")]


async def test_a_change_that_meets_an_old_look_is_not_lost(node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before a change must not be remembered after it."""
    await put(node, "app_a", A="old")
    secrets, opened = node.node.secrets, Secrets._open

    def slow(self: Secrets, *row: Any) -> str:
        value = opened(self, *row)
        # somebody changes it while it is being opened
        self.moved("app_a")
        return value

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Secrets, "_open", slow)
        assert secrets.values("vault", "app_a") == {"A": "old"}
    assert secrets._opened["app_a", "vault"][0] < secrets.version("app_a")
    await put(node, "app_a", A="new")
    assert secrets.values("vault", "app_a") == {"A": "new"}
