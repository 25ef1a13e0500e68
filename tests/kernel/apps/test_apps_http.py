"""The life of an app, over HTTP: made, changed, renamed, deleted, brought back, gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from kernel.apps.names import RESERVED
from tests import support
from tests.support import Answer, Running

on_shared_node = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One node with a shop, for what is refused."""
    async with support.running(tmp_path_factory.mktemp("node") / "data.db") as made:
        await made.run("apps.create", slug="shop")
        await made.key("*")
        yield made


async def make(running: Running, **values: Any) -> Answer:
    return await running.ask("POST", "/api/apps", key="*", body=values)


async def get(running: Running, ref: str) -> Answer:
    return await running.ask("GET", f"/api/apps/{ref}", key="*")


async def delete(running: Running, ref: str, query: str = "") -> Answer:
    return await running.ask("DELETE", f"/api/apps/{ref}{query}", key="*")


async def test_an_app_is_made_and_shown(running: Running) -> None:
    values = {
        "slug": "shop",
        "title": "Shop",
        "description": "Sells\nthings.",
        "tags": ["a", "b"],
        "visibility": "public",
    }
    made = await make(running, **values, spa=True)
    url = f"http://shop.localhost:{running.site.port}"
    assert made.data == {"id": made.data["id"], "title": "Shop", "slug": "shop", "url": url}
    shown = (await get(running, "shop")).data
    now = running.clock.now()
    assert shown == {
        **values,
        "id": made.data["id"],
        "spa": True,
        "status": "active",
        "source": "deploy",
        "original_id": made.data["id"],
        "forked_from_id": None,
        "created_at": now,
        "updated_at": now,
        "deleted_at": None,
        "release_id": None,
        "url": url,
        "aliases": ["shop"],
    }


@pytest.mark.parametrize("spelled", ["{}", "{dashed}"])
async def test_an_app_is_found_by_its_id(running: Running, spelled: str) -> None:
    id = (await make(running, slug="shop")).data["id"]
    ref = spelled.format(id, dashed=id.replace("_", "-"))
    assert (await get(running, ref)).data["id"] == id


async def test_an_app_without_a_name_has_its_id(running: Running) -> None:
    made = (await make(running)).data
    assert made["slug"] is None and made["title"] == made["id"]
    assert made["url"] == f"http://{made['id'].replace('_', '-')}.localhost:{running.site.port}"
    assert (await get(running, made["id"])).data["visibility"] == "unlisted"


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("My Shop", "my-shop"),
        ("  Ünï  côde!  ", "n-c-de"),
        ("日本", None),
        ("Admin", None),
        ("api", None),
        ("x" * 200, "x" * 49),
        ("-_-", None),
        ("A--B", "a-b"),
        ("app 0123456789ab", None),
    ],
)
async def test_a_title_makes_a_name(running: Running, title: str, slug: str | None) -> None:
    assert (await make(running, title=title)).data["slug"] == slug


async def test_the_same_title_makes_another_name(running: Running) -> None:
    assert [(await make(running, title="Shop")).data["slug"] for _ in range(3)] == ["shop", "shop-2", "shop-3"]
    long = [(await make(running, title="y" * 60)).data["slug"] for _ in range(2)]
    assert long == ["y" * 49, "y" * 45 + "-2"]


@pytest.mark.parametrize("slug", [*sorted(RESERVED), "app-0123456789ab"])
@on_shared_node
async def test_a_reserved_name_is_nobodys(shared: Running, slug: str) -> None:
    before = shared.content()
    for answer in (
        await make(shared, slug=slug),
        await shared.ask("POST", "/api/apps/shop/rename", key="*", body={"slug": slug}),
    ):
        assert (answer.status, answer.code) == (409, "CONFLICT")
        assert answer.json["error"]["details"]["field"] == "slug"
    assert shared.content() == before


@pytest.mark.parametrize(
    "slug",
    ["", "A", "a_b", "-a", "a-", "a--b", "xn--bcher", "a.b", "a b", "ä", "a/b", "x" * 50, "app_0123456789ab", "a\n"],
)
@on_shared_node
async def test_a_name_is_a_label(shared: Running, slug: str) -> None:
    answer = await make(shared, slug=slug)
    assert (answer.status, answer.code, answer.json["error"]["details"]["field"]) == (400, "VALIDATION_FAILED", "slug")


async def test_a_name_is_taken_once(running: Running) -> None:
    await make(running, slug="shop")
    answer = await make(running, slug="shop", title="Another")
    assert (answer.status, answer.code, answer.json["error"]["details"]["field"]) == (409, "CONFLICT", "slug")
    assert len((await running.ask("GET", "/api/apps", key="*")).data) == 1


async def test_of_many_at_once_one_gets_the_name(running: Running) -> None:
    await running.key("*")
    answers = await asyncio.gather(*(make(running, slug="shop") for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 19
    assert len((await running.ask("GET", "/api/apps?all=true", key="*")).data) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "New"},
        {"description": ""},
        {"tags": []},
        {"tags": ["x"]},
        {"visibility": "private"},
        {"spa": True},
        {"spa": False},
        {"status": "stopped"},
        {"status": "archived"},
        {"title": "New", "spa": True, "tags": ["a", "b"]},
        {},
        {"title": None},
    ],
)
async def test_what_is_left_out_stays(running: Running, changes: dict[str, Any]) -> None:
    await make(running, slug="shop", title="Shop", description="Old", tags=["old"], visibility="public", spa=True)
    before = (await get(running, "shop")).data
    running.clock.advance(1)
    assert (await running.ask("PUT", "/api/apps/shop", key="*", body=changes)).status == 200
    said = {name: value for name, value in changes.items() if value is not None}
    assert (await get(running, "shop")).data == {**before, **said, "updated_at": running.clock.now()}


# --- renaming


async def test_renaming_moves_the_name_and_nothing_else(running: Running) -> None:
    id = (await make(running, slug="shop", title="Shop")).data["id"]
    await running.run("storage.kv.set", app="shop", key="a", value=1)
    answer = await running.ask("POST", "/api/apps/shop/rename", key="*", body={"slug": "store"})
    url = f"http://store.localhost:{running.site.port}"
    assert answer.data == {"id": id, "title": "Shop", "slug": "store", "url": url}
    assert (await get(running, "shop")).code == "APP_NOT_FOUND"
    assert (await get(running, "store")).data["id"] == id
    assert (await running.ask("GET", "/api/apps/store/storage/kv/entry?key=a", key="*")).data["value"] == 1


async def test_renaming_to_the_same_name_is_fine(running: Running) -> None:
    await make(running, slug="shop")
    await running.key("*")
    answer = await running.ask("POST", "/api/apps/shop/rename", key="*", body={"slug": "shop"})
    assert (answer.status, answer.data["slug"]) == (200, "shop")


async def test_renaming_to_a_taken_name_changes_nothing(running: Running) -> None:
    await make(running, slug="shop")
    await make(running, slug="other")
    before = running.content()
    answer = await running.ask("POST", "/api/apps/shop/rename", key="*", body={"slug": "other"})
    assert (answer.status, answer.code, answer.json["error"]["details"]["field"]) == (409, "CONFLICT", "slug")
    assert running.content() == before


async def test_of_many_at_once_one_is_renamed(running: Running) -> None:
    for number in range(5):
        await make(running, slug=f"shop{number}")
    asks = (
        running.ask("POST", f"/api/apps/shop{number}/rename", key="*", body={"slug": "best"}) for number in range(5)
    )
    answers = await asyncio.gather(*asks)
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409]
    listed = (await running.ask("GET", "/api/apps", key="*")).data
    assert sorted(app["slug"] == "best" for app in listed) == [False] * 4 + [True]


async def test_an_app_without_a_name_gets_one(running: Running) -> None:
    id = (await make(running)).data["id"]
    assert (await running.ask("POST", f"/api/apps/{id}/rename", key="*", body={"slug": "shop"})).status == 200
    assert (await get(running, "shop")).data["id"] == id


# --- deleting


async def test_a_deleted_app_is_out_of_reach_and_comes_back(running: Running) -> None:
    id = (await make(running, slug="shop", visibility="public")).data["id"]
    await running.run("storage.kv.set", app="shop", key="a", value=1)
    gone = await delete(running, "shop")
    assert gone.data == {"id": id, "purged": False, "undo": f"fazt app restore {id}", "forks": []}
    assert (await get(running, "shop")).status == 404
    assert (await running.ask("GET", "/api/apps/shop/storage/kv", key="*")).status == 404
    assert (await delete(running, "shop")).status == 404
    assert (await running.ask("GET", "/api/apps", key="*")).data == []
    listed = (await running.ask("GET", "/api/apps?all=true", key="*")).data
    assert [(app["id"], app["deleted_at"]) for app in listed] == [(id, running.clock.now())]
    assert (await running.ask("GET", "/api/apps?all=true")).data == []
    back = await running.ask("POST", f"/api/apps/{id}/restore", key="*")
    assert (back.status, back.data) == (200, {"id": id, "slug": "shop", "warning": None, "forks": []})
    assert (await running.ask("GET", "/api/apps/shop/storage/kv/entry?key=a", key="*")).data["value"] == 1


async def test_what_is_not_deleted_is_not_restored(running: Running) -> None:
    await make(running, slug="shop")
    answer = await running.ask("POST", "/api/apps/shop/restore", key="*")
    assert (answer.status, answer.code) == (409, "CONFLICT")


@pytest.mark.parametrize("how", ["create", "rename", "name"])
async def test_the_name_of_a_deleted_app_is_free(running: Running, how: str) -> None:
    old = (await make(running, slug="shop")).data["id"]
    await delete(running, "shop")
    if how == "create":
        new = (await make(running, slug="shop")).data["id"]
    else:
        new = (await (make(running, slug="other") if how == "rename" else make(running))).data["id"]
        assert (await running.ask("POST", f"/api/apps/{new}/rename", key="*", body={"slug": "shop"})).status == 200
    assert (await get(running, "shop")).data["id"] == new
    back = (await running.ask("POST", f"/api/apps/{old}/restore", key="*")).data
    assert back["slug"] is None and "name" in back["warning"]
    assert (await get(running, "shop")).data["id"] == new
    assert (await get(running, old)).data["slug"] is None


@pytest.mark.parametrize("confirm", ["", "&confirm=", "&confirm=other", "&confirm=SHOP", "&confirm=true"])
async def test_for_ever_is_confirmed_by_name(running: Running, confirm: str) -> None:
    await make(running, slug="shop")
    before = running.content()
    answer = await delete(running, "shop", "?purge=true" + confirm)
    assert (answer.status, answer.code) == (409, "CONFIRMATION_REQUIRED")
    assert answer.json["error"]["details"]["confirm"] == "shop"
    assert running.content() == before


@pytest.mark.parametrize("by", ["slug", "id"])
async def test_for_ever_leaves_nothing(running: Running, by: str) -> None:
    app = (await make(running, slug="shop")).data
    await make(running, slug="other")
    await running.run("storage.kv.set", app="shop", key="a", value="a marker")
    await running.run("storage.kv.set", app="other", key="a", value="kept")
    answer = await delete(running, "shop", f"?purge=true&confirm={app[by]}")
    assert answer.data == {"id": app["id"], "purged": True, "undo": None, "forks": []}
    content = running.content()
    left = {table for table, rows in content.items() if app["id"] in repr(rows) or "a marker" in repr(rows)}
    assert left == set()
    assert "kept" in repr(content["app_kv"])
    assert (await running.ask("POST", f"/api/apps/{app['id']}/restore", key="*")).status == 404
    assert (await make(running, slug="shop")).status == 201


async def test_confirming_without_purging_is_just_deleting(running: Running) -> None:
    await make(running, slug="shop")
    assert (await delete(running, "shop", "?confirm=shop")).data["purged"] is False


# --- who sees what


async def test_a_guest_sees_what_is_public_and_little_of_it(running: Running) -> None:
    for visibility in ("public", "unlisted", "private", "internal", "vpn-only"):
        await make(running, slug=visibility, visibility=visibility)
    answer = await running.ask("GET", "/api/apps?all=true")
    assert [app["slug"] for app in answer.data] == ["public"]
    assert set(answer.data[0]) == {"id", "title", "slug", "description", "tags", "url"}
    assert answer.json["meta"]["total"] == 1
    assert len((await running.ask("GET", "/api/apps", key="read")).data) == 5


async def test_the_newest_app_comes_first(running: Running) -> None:
    for slug in ("one", "two", "three"):
        await make(running, slug=slug)
        running.clock.advance(1)
    assert [app["slug"] for app in (await running.ask("GET", "/api/apps", key="*")).data] == ["three", "two", "one"]


async def test_the_status_of_an_app_counts_its_own_rows_and_calls(running: Running) -> None:
    shop = (await make(running, slug="shop")).data["id"]
    await make(running, slug="other")
    await running.run("storage.kv.set", app="shop", key="a", value=1)
    await running.run("storage.kv.set", app="other", key="a", value=1)
    data = (await running.ask("GET", "/api/apps/shop/status", key="*")).data
    assert data["id"] == shop and data["rows"] == {"app_kv": 1}
    assert data["calls"]["storage.kv.set"] == 1
    assert (await running.ask("GET", "/api/apps/other/status", key="*")).data["rows"] == {"app_kv": 1}
