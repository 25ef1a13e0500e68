"""What a key reaches, for every capability there is: by its scope, and by the app it was made for."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fazt.boot import PARTS, registry
from kernel.base.errors import FaztError
from kernel.security import keys
from kernel.syscall import Call, Declaration, Write, syscall
from kernel.syscall.call import ROLES, Who
from tests import support
from tests.kernel.net.endpoints import ENDPOINTS
from tests.support import Running

SCOPES = ["*", "admin", "read", "deploy", "deploy:shop", "deploy:other"]
MIXED = [["read", "deploy:other"], ["deploy:other", "deploy:shop"], ["read", "deploy"], ["admin", "deploy:other"]]
# said by hand: what changes nothing may be read, what belongs to the owner is nobody else's
CHANGES = {e.route for e in ENDPOINTS if e.writes and not e.any_key}
# what runs an app's code changes whatever the code changes; what waits for others might write in the end
RUNS = {"apps.run", "storage.vector.query"}
# what is asked in a body, because it is too long for an address
ASKS = {f"storage.{name}" for name in ("ds.query", "ds.count", "ds.aggregate", "ds.explain", "vector.search")}
OWNERS = {e.route for e in ENDPOINTS if e.role == "owner"}


@syscall("test.deploy", http="POST /api/apps/{app}/test/deploy", cli="test deploy <app>", scope="deploy", js=False)
def deploy(call: Call) -> Write[None]:
    """What deploying will be: it changes an app, and keys are made for just that."""
    return Write(())


@syscall("test.look", http="GET /api/apps/{app}/test/look", cli="test look <app>", scope="deploy", js=False)
def look(call: Call) -> str:
    """What a deploy key may read of its app."""
    return call.app or ""


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db", parts=(*PARTS, sys.modules[__name__])) as made:
        await made.run("apps.create", slug="shop")
        await made.run("apps.create", slug="other")
        yield made


async def holder(node: Running, scopes: list[str]) -> Who:
    """Who holds a new key with these scopes, as the front door finds him."""
    made = await node.run("keys.create", name="test", scopes=scopes)
    return keys.find(node.node.store.scoped(""), made.key, "", "")


def may(node: Running, declared: Declaration, who: Who, app: str) -> bool:
    entry = node.node.registry[declared.name]
    try:
        call = node.node.caller.call(entry, who, "http", app if declared.wants_app else None)
    except FaztError as error:
        assert error.code in ("FORBIDDEN", "UNAUTHORIZED")
        return False
    # what is public may be answered as to a guest
    return call.who.kind == "key" or declared.role == "public"


def changes(declared: Declaration) -> bool:
    """By what is said outside: the route's method, or for want of one its promise to write."""
    if declared.route:
        return declared.route.method != "GET" and declared.name not in {"command.run", *ASKS}
    return "Write" in str(declared.returns) or declared.name in RUNS


def test_the_table_says_the_same_of_every_route() -> None:
    by_route = {f"{d.route.method} {d.route.path}": d for d in registry().declared if d.route}
    assert {route for route, d in by_route.items() if changes(d)} == CHANGES
    assert {route for route, d in by_route.items() if d.role == "owner"} == OWNERS


@pytest.mark.parametrize("name", [d.name for d in registry().declared])
async def test_what_a_key_reaches(node: Running, name: str) -> None:
    declared = node.node.registry[name].declared
    held = {scope: may(node, declared, await holder(node, [scope]), "shop") for scope in SCOPES}
    owners, anybody = declared.role == "owner", declared.role == "public" or name == "command.run"
    assert held["*"] is True
    assert held["admin"] is (not owners)
    assert held["read"] is (anybody or not (owners or changes(declared)))
    if not anybody:
        # "named": the function itself asks about the app that an argument names
        named = declared.scope == "named"
        assert held["deploy"] is (declared.scope in ("deploy", "named") and not owners)
        assert held["deploy:shop"] is (named or (declared.scope == "deploy" and declared.wants_app and not owners))
        assert held["deploy:other"] is named


@pytest.mark.parametrize("scopes", [*([scope] for scope in SCOPES[1:]), *MIXED], ids=" ".join)
async def test_nothing_but_everything_reaches_what_is_the_owners(node: Running, scopes: list[str]) -> None:
    who = await holder(node, scopes)
    assert ROLES[who.role] < ROLES["owner"]
    reached = [d.name for d in registry().declared if d.role == "owner" and may(node, d, who, "shop")]
    assert reached == []


@pytest.mark.parametrize(
    ("scopes", "deploys", "looks"),
    [
        (["*"], "shop other", "shop other"),
        (["admin"], "shop other", "shop other"),
        (["deploy"], "shop other", "shop other"),
        (["deploy:shop"], "shop", "shop"),
        (["deploy:other"], "other", "other"),
        (["deploy:shop", "deploy:other"], "shop other", "shop other"),
        (["read"], "", "shop other"),
        (["read", "deploy:shop"], "shop", "shop other"),
        (["deploy", "deploy:shop"], "shop other", "shop other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_a_key_deploys_what_it_was_made_for(node: Running, scopes: list[str], deploys: str, looks: str) -> None:
    """Reading everything and deploying one app is not deploying everything."""
    key = (await node.run("keys.create", name="test", scopes=scopes)).key
    headers = {"Authorization": f"Bearer {key}"}
    for app in ("shop", "other"):
        wrote = await node.ask("POST", f"/api/apps/{app}/test/deploy", headers=headers, raw=b"")
        assert wrote.status == (200 if app in deploys.split() else 403), app
        read = await node.ask("GET", f"/api/apps/{app}/test/look", headers=headers)
        assert read.status == (200 if app in looks.split() else 403), app
        sent = {"command": "test deploy", "args": [app]}
        command = await node.ask("POST", "/api/cmd", headers=headers, body=sent)
        assert command.data.get("exit", 0) == (0 if app in deploys.split() else 4), app


@pytest.mark.parametrize("name", ["alias", "id", "dashed"])
async def test_a_key_names_its_app_as_it_likes(node: Running, name: str) -> None:
    id = (await node.ask("GET", "/api/apps/shop", key="*")).data["id"]
    scope = "deploy:" + {"alias": "shop", "id": id, "dashed": id.replace("_", "-")}[name]
    for ref in ("shop", id, id.replace("_", "-")):
        assert (await node.ask("GET", f"/api/apps/{ref}/test/look", key=scope)).status == 200


async def test_a_key_follows_its_app_not_its_name(node: Running) -> None:
    """Renamed, the app stays the key's; whoever takes the name afterwards is not handed over with it."""
    await node.key("deploy:shop")
    shop = (await node.ask("GET", "/api/apps/shop", key="*")).data["id"]
    await node.ask("POST", "/api/apps/shop/rename", key="*", body={"slug": "store"})
    new = (await node.ask("POST", "/api/apps", key="*", body={"slug": "shop"})).data["id"]
    reached = [
        app
        for app in (shop, new)
        if (await node.ask("POST", f"/api/apps/{app}/test/deploy", key="deploy:shop", raw=b"")).status == 200
    ]
    assert reached == [shop]


async def test_a_key_for_a_deleted_app_reaches_nothing(node: Running) -> None:
    await node.key("deploy:shop")
    await node.run("apps.delete", app="shop")
    answer = await node.ask("POST", "/api/apps/shop/test/deploy", key="deploy:shop", raw=b"")
    assert answer.status == 404


@pytest.mark.parametrize("scopes", [*([scope] for scope in SCOPES), *MIXED], ids=" ".join)
async def test_a_key_is_shown_who_it_is(node: Running, scopes: list[str]) -> None:
    key = (await node.run("keys.create", name="me", scopes=scopes)).key
    answer = await node.ask("GET", "/api/user/me", headers={"Authorization": f"Bearer {key}"})
    if {"*", "admin", "read"} & set(scopes):
        assert (answer.data["username"], answer.data["has_password"]) == ("me", False)
    else:
        assert answer.status == 403


def test_every_capability_says_who_may() -> None:
    """A capability without a role would be everybody's."""
    assert [d.name for d in registry().declared if d.role not in ROLES] == []
