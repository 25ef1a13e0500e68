"""Forks: files shared, data copied, and the family they make."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import apsw
import pytest

from fazt.boot import PARTS, declared, migrations
from kernel.apps.lineage import Relative, in_order
from kernel.base.errors import FaztError
from kernel.base.tables import TABLES, Table
from kernel.data.kv import KV
from kernel.storage import schema
from tests import support
from tests.support import Answer, Running


async def ask(running: Running, method: str, path: str, body: Any = None, **how: Any) -> Answer:
    return await running.ask(method, f"/api/apps{path}", key="*", body=body, **how)


async def fork(running: Running, of: str, **said: Any) -> Any:
    answer = await ask(running, "POST", f"/{of}/fork", said)
    assert answer.status == 201, answer.body
    return answer.data


async def furnish(running: Running) -> str:
    """A shop with two releases, values of its own and values of a user."""
    shop = await running.run(
        "apps.create", slug="shop", title="Shop", description="Sells", tags=["a"], visibility="public", spa=True
    )
    for text in (b"old", b"live"):
        put = await running.ask("PUT", "/api/apps/shop/files/index.html", key="*", raw=text)
        assert put.status == 201, put.body
    for number in range(5):
        await running.run("storage.kv.set", app="shop", key=f"k{number}", value=number)
    store = running.node.store.scoped(shop.id, "usr_anna")
    await running.node.store.write(store.put(KV, key="mine", value='"private"', updated_at=1).steps)
    return str(shop.id)


async def values(running: Running, app: str) -> dict[str, Any]:
    listed = (await ask(running, "GET", f"/{app}/storage/kv")).data
    return {entry["key"]: entry["value"] for entry in listed}


async def test_a_fork_begins_where_its_app_stands(running: Running) -> None:
    shop = await furnish(running)
    running.clock.advance(1)
    made = await fork(running, "shop", alias="stall")
    url = f"http://stall.localhost:{running.site.port}"
    assert {name: made[name] for name in ("title", "slug", "url", "forked_from_id", "undo")} == {
        "title": "Shop",
        "slug": "stall",
        "url": url,
        "forked_from_id": shop,
        "undo": f"fazt app delete {made['id']}",
    }
    old, new = [(await ask(running, "GET", f"/{app}")).data for app in ("shop", "stall")]
    own = {"id", "slug", "forked_from_id", "source", "created_at", "updated_at", "release_id", "url", "aliases"}
    assert {n: v for n, v in new.items() if n not in own} == {n: v for n, v in old.items() if n not in own}
    assert (new["source"], new["forked_from_id"], new["aliases"]) == ("fork", shop, ["stall"])
    assert new["release_id"] == made["release_id"] != old["release_id"]
    assert await values(running, "stall") == {f"k{n}": n for n in range(5)}


async def test_a_fork_has_the_live_files_and_shares_them(running: Running) -> None:
    await furnish(running)
    content = {"blobs", "chunks", "trees", "tree_files"}
    before = {table: rows for table, rows in running.content().items() if table in content}
    await fork(running, "shop", alias="stall")
    assert {table: rows for table, rows in running.content().items() if table in content} == before
    assert (await ask(running, "GET", "/stall/files/index.html")).body == b"live"
    releases = (await ask(running, "GET", "/stall/releases")).data
    assert [(r["n"], r["live"]) for r in releases] == [(1, True)]
    # what one becomes is nothing to the other
    await running.ask("PUT", "/api/apps/stall/files/index.html", key="*", raw=b"new")
    assert (await ask(running, "GET", "/shop/files/index.html")).body == b"live"
    await ask(running, "DELETE", "/shop?purge=true&confirm=shop")
    assert (await ask(running, "GET", "/stall/files/index.html")).body == b"new"


async def test_what_one_stores_is_nothing_to_the_other(running: Running) -> None:
    await furnish(running)
    await fork(running, "shop", alias="stall")
    await running.run("storage.kv.set", app="stall", key="k0", value="new")
    await running.run("storage.kv.delete", app="shop", key="k1")
    assert (await values(running, "shop"))["k0"] == 0
    assert (await values(running, "stall"))["k1"] == 1


@pytest.mark.parametrize(
    ("said", "rows"), [({}, 5), ({"with_users": True}, 6), ({"withUsers": True}, 6), ({"copy_storage": False}, 0)]
)
async def test_what_is_copied_is_counted(running: Running, said: dict[str, Any], rows: int) -> None:
    await furnish(running)
    made = await fork(running, "shop", **said)
    usage = {row[:3] for row in running.content()["usage"] if row[0] == made["id"]}
    assert usage == ({(made["id"], "app_kv", rows)} if rows else set())
    mine = [row for row in running.content()["app_kv"] if row[0] == made["id"]]
    assert len(mine) == rows
    assert any("private" in repr(row) for row in mine) == (rows == 6)


async def test_a_fork_keeps_to_its_limit(running: Running) -> None:
    await furnish(running)
    await running.run("config.set", name="limits.storage.kv.maxKeysPerApp", value=6)
    made = await fork(running, "shop")
    asks = (ask(running, "POST", f"/{made['id']}/storage/kv", {"key": f"new{n}", "value": 1}) for n in range(3))
    assert sorted(answer.status for answer in await asyncio.gather(*asks)) == [201, 400, 400]


@pytest.mark.parametrize("copied", [True, False])
async def test_a_table_of_secrets_says_that_it_is_not_copied(running: Running, copied: bool) -> None:
    secrets = Table("secrets_of_apps", ("name", "value"), key=("name",), copied=copied)
    del TABLES[secrets.name]
    running.node.store.tables += (secrets,)
    steps = running.node.store.copy("app_a", "app_b", True, 1)
    assert any("app_kv" in step.sql for step in steps)
    assert any(secrets.name in step.sql for step in steps) == copied


async def test_an_app_without_files_is_forked_too(running: Running) -> None:
    await running.run("apps.create", slug="shop")
    made = await fork(running, "shop")
    assert made["release_id"] is None
    assert running.node.store.usage(made["id"]) == {}


async def test_a_fork_without_a_name_gets_one_like_its_app(running: Running) -> None:
    await running.run("apps.create", slug="shop")
    assert [(await fork(running, "shop"))["slug"] for _ in range(3)] == ["shop-2", "shop-3", "shop-4"]


@pytest.mark.parametrize(
    ("said", "status", "field"),
    [
        ({"alias": "shop"}, 409, "alias"),
        ({"alias": "other"}, 409, "alias"),
        ({"alias": "admin"}, 409, "alias"),
        ({"alias": "root"}, 409, "alias"),
        ({"alias": "A b"}, 400, "alias"),
        ({"copy_storage": "no"}, 400, "copy_storage"),
        ({"copy_storage": False, "with_users": True}, 400, "with_users"),
    ],
)
async def test_a_fork_that_cannot_be_changes_nothing(
    running: Running, said: dict[str, Any], status: int, field: str
) -> None:
    await furnish(running)
    await running.run("apps.create", slug="other")
    before = running.content()
    answer = await ask(running, "POST", "/shop/fork", said)
    assert (answer.status, answer.json["error"]["details"]["field"]) == (status, field), answer.body
    assert running.content() == before


async def test_a_fork_that_fails_at_its_end_leaves_nothing(running: Running) -> None:
    await furnish(running)
    entry = running.node.registry["apps.fork"]
    call = running.node.caller.call(entry, support.LOCAL, "cli", "shop")
    plan = await entry.named(call, {"alias": "stall"})
    before = running.content()
    for count in range(1, len(plan.steps) + 1):
        broken = [*plan.steps[:count], plan.steps[0]]
        with pytest.raises(Exception, match=r"."):
            await running.node.store.write(broken)
        assert running.content() == before


async def test_an_app_that_was_deleted_meanwhile_is_not_forked(running: Running) -> None:
    await furnish(running)
    entry = running.node.registry["apps.fork"]
    call = running.node.caller.call(entry, support.LOCAL, "cli", "shop")
    plan = await entry.named(call, {"alias": "stall"})
    await running.run("apps.delete", app="shop")
    before = running.content()
    with pytest.raises(FaztError) as raised:
        await running.node.store.write(plan.steps)
    assert raised.value.code == "APP_NOT_FOUND"
    assert running.content() == before


async def test_every_table_of_apps_can_be_copied() -> None:
    """The key of a row that is copied must not be that of the first: it has the app in it."""
    file = apsw.Connection(":memory:")
    file.create_scalar_function("audit_hash", lambda *_: "")
    schema.migrate(file, [schema.STORAGE, *migrations()], 1, "test")
    for table in declared(Table, PARTS):
        if table.scope == "app" and table.copied:
            for index in file.execute(f"pragma index_list({table.name})").fetchall():
                if index[2]:
                    columns = {row[2] for row in file.execute(f"pragma index_info({index[1]})")}
                    assert "app_id" in columns, f"{table.name}: {index[1]}"


@pytest.mark.parametrize(
    ("args", "slug", "rows"),
    [
        (["fork", "shop", "--as", "stall"], "stall", 5),
        (["fork", "--alias", "shop", "--as", "stall", "--no-storage"], "stall", 0),
        (["fork", "shop", "--alias", "stall", "--with-users"], "stall", 6),
        (["fork", "--alias=stall", "--", "shop"], "stall", 5),
    ],
)
async def test_a_command_forks(running: Running, args: list[str], slug: str, rows: int) -> None:
    await furnish(running)
    done = await running.ask("POST", "/api/cmd", key="*", body={"command": "app", "args": args})
    assert done.data["success"] is True, done.body
    made = done.data["data"]
    assert made["slug"] == slug
    assert len([row for row in running.content()["app_kv"] if row[0] == made["id"]]) == rows


# --- the family


async def family(running: Running) -> dict[str, str]:
    """shop ─ a ─ aa; shop ─ b; and another app."""
    ids = {"shop": (await running.run("apps.create", slug="shop")).id}
    for name, parent in (("a", "shop"), ("b", "shop"), ("aa", "a")):
        running.clock.advance(1)
        ids[name] = (await fork(running, parent, alias=name))["id"]
    await running.run("apps.create", slug="other")
    return ids


async def test_the_family_is_shown_from_everywhere(running: Running) -> None:
    ids = await family(running)
    for name in ids:
        shown = await ask(running, "GET", f"/{name}/lineage")
        assert [(app["slug"], app["depth"]) for app in shown.data] == [("shop", 0), ("a", 1), ("aa", 2), ("b", 1)]
        assert shown.json["meta"]["total"] == 4
        assert (await ask(running, "GET", f"/{name}/source")).data["original_id"] == ids["shop"]
    page = await ask(running, "GET", "/a/lineage?offset=1&limit=2")
    assert [app["slug"] for app in page.data] == ["a", "aa"]
    assert page.json["meta"] == {"offset": 1, "limit": 2, "total": 4, "has_more": True}
    assert [app["slug"] for app in (await ask(running, "GET", "/other/lineage")).data] == ["other"]


async def test_forks_are_those_of_the_app_itself(running: Running) -> None:
    await family(running)
    for name, wanted in (("shop", ["b", "a"]), ("a", ["aa"]), ("aa", []), ("other", [])):
        assert [app["slug"] for app in (await ask(running, "GET", f"/{name}/forks")).data] == wanted
    await running.run("apps.delete", app="b")
    assert [app["slug"] for app in (await ask(running, "GET", "/shop/forks")).data] == ["a"]
    gone = {app["slug"]: app["deleted_at"] for app in (await ask(running, "GET", "/shop/lineage")).data}
    assert gone == {"shop": None, "a": None, "aa": None, "b": running.clock.now()}


async def test_a_family_without_its_first_begins_anew(running: Running) -> None:
    await family(running)
    await ask(running, "DELETE", "/shop?purge=true&confirm=shop")
    shown = (await ask(running, "GET", "/aa/lineage")).data
    assert [(app["slug"], app["depth"]) for app in shown] == [("a", 0), ("aa", 1), ("b", 0)]


def test_a_family_is_told_whole_in_any_order() -> None:
    parents = {"a": None, "b": "a", "c": "b", "d": "a", "x": "gone"}
    apps = [Relative(id, "", None, parent, 0, None) for id, parent in parents.items()]
    for order in itertools.permutations(apps):
        depths = {app.id: app.depth for app in in_order(list(order))}
        assert depths == {"a": 0, "b": 1, "c": 2, "d": 1, "x": 0}


async def test_forks_are_deleted_with_their_app_and_come_back_with_it(running: Running) -> None:
    ids = await family(running)
    await running.run("apps.delete", app="aa")
    running.clock.advance(1)
    gone = await ask(running, "DELETE", "/shop?with_forks=true")
    assert gone.data["forks"] == sorted([ids["a"], ids["b"]])
    assert gone.data["undo"] == f"fazt app restore {ids['shop']} --with-forks"
    assert [app["slug"] for app in (await ask(running, "GET", "")).data] == ["other"]
    running.clock.advance(1)
    back = await ask(running, "POST", f"/{ids['shop']}/restore", {"with_forks": True})
    assert back.data["forks"] == sorted([ids["a"], ids["b"]])
    # what was deleted before stays deleted
    assert {app["slug"] for app in (await ask(running, "GET", "")).data} == {"other", "shop", "a", "b"}


async def test_without_a_word_forks_stay(running: Running) -> None:
    ids = await family(running)
    assert (await ask(running, "DELETE", "/shop")).data["forks"] == []
    assert {app["slug"] for app in (await ask(running, "GET", "")).data} == {"other", "a", "b", "aa"}
    await ask(running, "POST", f"/{ids['shop']}/restore", {})
    assert (await ask(running, "GET", "/shop")).status == 200


async def test_forks_are_gone_for_ever_with_their_app(running: Running) -> None:
    ids = await family(running)
    await running.run("storage.kv.set", app="aa", key="a", value="a marker")
    refused = await ask(running, "DELETE", "/shop?purge=true&with_forks=true")
    assert refused.code == "CONFIRMATION_REQUIRED" and "forks (3)" in refused.json["error"]["message"]
    gone = await ask(running, "DELETE", "/shop?purge=true&with_forks=true&confirm=shop")
    assert gone.data["forks"] == sorted([ids["a"], ids["b"], ids["aa"]])
    content = repr(running.content())
    assert not any(id in content for id in ids.values())
    assert "a marker" not in content


async def test_a_restored_app_takes_another_of_its_names(running: Running) -> None:
    id = (await running.run("apps.create", slug="shop")).id
    await running.ask("PUT", "/api/aliases/store", key="*", body={"app": "shop"})
    await running.run("apps.delete", app="shop")
    await running.run("apps.create", slug="shop")
    back = (await ask(running, "POST", f"/{id}/restore", {})).data
    assert (back["slug"], back["warning"]) == ("store", None)
    assert (await ask(running, "GET", "/store")).data["slug"] == "store"
