"""Which app answers on the node's own domain."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import Running


async def put(running: Running, body: dict[str, Any]) -> Any:
    return await running.ask("PUT", "/api/root", key="*", body=body)


async def shown(running: Running) -> Any:
    return (await running.ask("GET", "/api/root", key="*")).data["app"]


async def test_an_app_answers_on_the_domain_until_none_does(running: Running) -> None:
    apps = [(await running.run("apps.create", slug=slug)).id for slug in ("one", "two")]
    assert await shown(running) is None
    url = f"http://localhost:{running.site.port}"
    first = (await put(running, {"app": "one"})).data
    assert first == {"app": apps[0], "url": url, "undo": "fazt app root --none"}
    second = (await put(running, {"app": apps[1]})).data
    assert second == {"app": apps[1], "url": url, "undo": f"fazt app root {apps[0]}"}
    assert await shown(running) == apps[1]
    assert (await put(running, {"app": None})).data["undo"] == f"fazt app root {apps[1]}"
    assert await shown(running) is None
    assert (await put(running, {"none": True})).data["undo"] == "fazt app root --none"


async def test_the_domain_is_no_main_name(running: Running) -> None:
    id = (await running.run("apps.create")).id
    await put(running, {"app": id})
    assert (await running.ask("GET", f"/api/apps/{id}", key="*")).data["slug"] is None
    await running.ask("PUT", "/api/aliases/shop", key="*", body={"app": id})
    assert (await running.ask("GET", f"/api/apps/{id}", key="*")).data["slug"] == "shop"
    await running.ask("DELETE", "/api/aliases/shop", key="*")
    assert (await running.ask("GET", f"/api/apps/{id}", key="*")).data["slug"] is None


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "app"),
        ({"none": False}, 400, "app"),
        ({"app": ""}, 400, "app"),
        ({"app": "shop", "none": True}, 400, "none"),
        ({"app": "nothere"}, 404, None),
        ({"app": 1}, 400, "app"),
    ],
)
async def test_what_says_nothing_changes_nothing(
    running: Running, body: dict[str, Any], status: int, field: str | None
) -> None:
    await running.run("apps.create", slug="shop")
    await put(running, {"app": "shop"})
    before = running.content()
    answer = await put(running, body)
    assert (answer.status, answer.json["error"].get("details", {}).get("field")) == (status, field)
    assert running.content() == before


async def test_a_deleted_app_leaves_the_domain_and_comes_back_to_it(running: Running) -> None:
    id = (await running.run("apps.create", slug="shop")).id
    await put(running, {"app": "shop"})
    await running.run("apps.delete", app="shop")
    assert await shown(running) is None
    await running.run("apps.restore", app=id)
    assert await shown(running) == id
    await running.run("apps.delete", app="shop", purge=True, confirm="shop")
    assert await shown(running) is None


@pytest.mark.parametrize("args", [["root", "shop"], ["root", "--none"], ["root", "--", "shop"]])
async def test_a_command_says_it_too(running: Running, args: list[str]) -> None:
    id = (await running.run("apps.create", slug="shop")).id
    done = await running.ask("POST", "/api/cmd", key="*", body={"command": "app", "args": args})
    assert done.data["success"] is True, done.body
    assert await shown(running) == (None if "--none" in args else id)
