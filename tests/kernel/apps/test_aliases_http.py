"""Names and what they mean, over HTTP and as commands."""

from __future__ import annotations

import asyncio
import itertools
import shlex
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from kernel.apps import aliases
from kernel.apps.names import RESERVED
from kernel.syscall.plan import Step
from tests import support
from tests.support import Answer, Running

on_shared_node = pytest.mark.asyncio(loop_scope="module")
SPLIT = [{"app": "shop", "weight": 1}, {"app": "blog", "weight": 3}]
FAR = "https://example.com/o'neil;x"


async def furnish(running: Running) -> dict[str, str]:
    """Two apps: the shop has two names; a name for an address, one for nobody, one for both apps."""
    apps = {}
    for slug in ("shop", "blog"):
        apps[slug] = (await running.run("apps.create", slug=slug)).id
        running.clock.advance(1)
    for said in ({"subdomain": "store", "app": "shop"}, {"subdomain": "docs", "url": FAR, "status": 301}):
        await ask(running, "POST", "/aliases", **said)
    await ask(running, "POST", "/aliases/kept/reserve")
    await ask(running, "POST", "/aliases/both/split", targets=SPLIT)
    return apps


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with support.running(tmp_path_factory.mktemp("node") / "data.db") as made:
        await furnish(made)
        yield made


async def ask(running: Running, method: str, path: str, **body: Any) -> Answer:
    return await running.ask(method, f"/api{path}", key="*", body=body if method in ("POST", "PUT") else None)


async def names(running: Running) -> dict[str, tuple[Any, ...]]:
    """What every name means."""
    listed = (await ask(running, "GET", "/aliases?limit=100")).data
    return {a["subdomain"]: tuple(a[f] for f in ("type", "app", "url", "status", "targets", "primary")) for a in listed}


async def main_names(running: Running) -> dict[str, list[str]]:
    """The main names of every app: it has one, or none."""
    found: dict[str, list[str]] = {}
    for name, (_, app, _, _, _, primary) in (await names(running)).items():
        if primary:
            found.setdefault(app, []).append(name)
    return found


async def command(running: Running, line: str) -> Any:
    head, *args = shlex.split(line)
    assert head == "fazt"
    return (await running.ask("POST", "/api/cmd", key="*", body={"command": "app", "args": args[1:]})).json


# --- showing


async def test_what_a_name_means_is_shown(running: Running) -> None:
    apps = await furnish(running)
    split = [
        {"app_id": apps["shop"], "release_id": None, "weight": 1},
        {"app_id": apps["blog"], "release_id": None, "weight": 3},
    ]
    assert await names(running) == {
        "blog": ("proxy", apps["blog"], None, None, None, True),
        "both": ("split", None, None, None, split, False),
        "docs": ("redirect", None, FAR, 301, None, False),
        "kept": ("reserved", None, None, None, None, False),
        "shop": ("proxy", apps["shop"], None, None, None, True),
        "store": ("proxy", apps["shop"], None, None, None, False),
    }
    one = (await ask(running, "GET", "/aliases/shop")).data
    assert one["address"] == f"http://shop.localhost:{running.site.port}"
    assert (one["dangling"], one["created_at"]) == ([], running.clock.now() - 2000)
    assert (await ask(running, "GET", "/apps/shop")).data["aliases"] == ["shop", "store"]


@on_shared_node
async def test_names_come_in_pages(shared: Running) -> None:
    answer = await ask(shared, "GET", "/aliases?limit=2&offset=3")
    assert [alias["subdomain"] for alias in answer.data] == ["kept", "shop"]
    assert answer.json["meta"] == {"offset": 3, "limit": 2, "total": 6, "has_more": True}


@pytest.mark.parametrize(
    ("name", "status"), [("nothere", 404), ("admin", 404), ("root", 404), ("A", 400), ("x" * 50, 400), ("a--b", 400)]
)
@on_shared_node
async def test_an_unknown_name_is_not_found(shared: Running, name: str, status: int) -> None:
    before = shared.content()
    assert (await ask(shared, "GET", f"/aliases/{name}")).status == status
    if name not in RESERVED:
        assert (await ask(shared, "DELETE", f"/aliases/{name}")).status == status
    assert shared.content() == before


async def test_an_app_that_is_gone_is_told(running: Running) -> None:
    apps = await furnish(running)
    await running.run("apps.delete", app="shop")
    listed = {alias["subdomain"]: alias["dangling"] for alias in (await ask(running, "GET", "/aliases")).data}
    gone = [apps["shop"]]
    assert listed == {"blog": [], "both": gone, "docs": [], "kept": [], "shop": gone, "store": gone}


# --- making


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"app": "shop"}, "proxy"),
        ({"url": FAR}, "redirect"),
        ({"url": FAR + "/*", "status": 308}, "redirect"),
        ({"url": "http://bücher.example/ä"}, "redirect"),
        ({"reserved": True}, "reserved"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_name_is_made(running: Running, method: str, said: dict[str, Any], kind: str) -> None:
    await furnish(running)
    if method == "POST":
        answer = await ask(running, "POST", "/aliases", subdomain="new", **said)
    else:
        answer = await ask(running, "PUT", "/aliases/new", **said)
    assert answer.status == (201 if method == "POST" else 200), answer.body
    assert (answer.data["type"], answer.data["undo"]) == (kind, "fazt app unlink new")
    shown = (await ask(running, "GET", "/aliases/new")).data
    assert {name: shown[name] for name in set(answer.data) - {"undo"}} == {
        name: value for name, value in answer.data.items() if name != "undo"
    }
    if kind == "redirect":
        assert shown["status"] == said.get("status", 302)
        assert shown["url"].isascii()


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "app"),
    ({"app": "shop", "url": FAR}, 400, "url"),
    ({"app": "shop", "reserved": True}, 400, "reserved"),
    ({"app": "shop", "status": 302}, 400, "status"),
    ({"url": FAR, "status": 304}, 400, "status"),
    ({"url": FAR, "status": 200}, 400, "status"),
    ({"url": FAR, "status": "302"}, 400, "status"),
    ({"url": "javascript:alert(1)"}, 400, "url"),
    ({"url": "//example.com"}, 400, "url"),
    ({"url": "/docs"}, 400, "url"),
    ({"url": "http://*"}, 400, "url"),
    ({"url": "https:///*"}, 400, "url"),
    ({"url": "https://example.com?a=/*"}, 400, "url"),
    ({"url": "https://example.com#/*"}, 400, "url"),
    ({"url": "https://example.com/\r\nX: 1"}, 400, "url"),
    ({"app": "SHOP"}, 400, "app"),
    ({"app": "nothere"}, 404, ""),
    ({"app": "app_000000000000"}, 404, ""),
    ({"app": "docs"}, 404, ""),
    ({"app": "both"}, 404, ""),
]


@pytest.mark.parametrize(("said", "status", "field"), REFUSED)
@pytest.mark.parametrize("method", ["POST", "PUT"])
@on_shared_node
async def test_what_means_nothing_is_refused(
    shared: Running, method: str, said: dict[str, Any], status: int, field: str
) -> None:
    before = shared.content()
    if method == "POST":
        answer = await ask(shared, "POST", "/aliases", subdomain="new", **said)
    else:
        answer = await shared.ask("PUT", "/api/aliases/shop", key="*", body=said)
    assert answer.status == status, answer.body
    assert answer.json["error"].get("details", {}).get("field", "") == field
    assert shared.content() == before


@pytest.mark.parametrize("name", [*sorted(RESERVED), "app-0123456789ab"])
@on_shared_node
async def test_a_name_of_the_node_means_what_it_means(shared: Running, name: str) -> None:
    before = shared.content()
    for method, path, body in (
        ("POST", "/aliases", {"subdomain": name, "app": "shop"}),
        ("PUT", f"/aliases/{name}", {"app": "shop"}),
        ("DELETE", f"/aliases/{name}", {}),
        ("POST", f"/aliases/{name}/reserve", {}),
        ("POST", f"/aliases/{name}/split", {"targets": SPLIT}),
        ("POST", "/aliases/swap", {"alias1": name, "alias2": "shop"}),
        ("POST", "/aliases/swap", {"alias1": "shop", "alias2": name}),
    ):
        answer = await ask(shared, method, path, **body)
        assert (answer.status, answer.code) == (409, "CONFLICT"), f"{method} {path}"
        assert answer.json["error"]["details"]["field"] in ("subdomain", "alias1", "alias2")
    assert shared.content() == before


@pytest.mark.parametrize("name", ["shop", "store", "docs", "kept", "both"])
@on_shared_node
async def test_a_name_that_is_there_is_not_made_again(shared: Running, name: str) -> None:
    before = shared.content()
    for said in ({"app": "blog"}, {"url": FAR}, {"reserved": True}):
        answer = await ask(shared, "POST", "/aliases", subdomain=name, **said)
        assert (answer.status, answer.code) == (409, "CONFLICT")
        assert answer.json["error"]["details"]["field"] == "subdomain"
    for path, body in (("/apps", {"slug": name}), ("/apps/blog/rename", {"slug": name})):
        assert (await ask(shared, "POST", path, **body)).status == 409
    assert shared.content() == before


async def test_the_name_of_a_deleted_app_is_free(running: Running) -> None:
    await furnish(running)
    await running.run("apps.delete", app="shop")
    assert (await ask(running, "POST", "/aliases", subdomain="shop", reserved=True)).status == 201
    assert (await names(running))["shop"][0] == "reserved"
    # what it meant cannot be said again
    assert (await ask(running, "PUT", "/aliases/store", url=FAR)).data["undo"] == "fazt app unlink store"


async def test_of_many_at_once_one_gets_the_name(running: Running) -> None:
    await furnish(running)
    asks = (ask(running, "POST", "/aliases", subdomain="new", app=app) for app in ("shop", "blog") * 10)
    assert sorted(answer.status for answer in await asyncio.gather(*asks)) == [201] + [409] * 19


# --- main names


async def test_the_first_name_of_an_app_is_its_main_name(running: Running) -> None:
    id = (await running.run("apps.create")).id
    for name in ("one", "two"):
        assert (await ask(running, "POST", "/aliases", subdomain=name, app=id)).status == 201
    assert (await ask(running, "GET", f"/apps/{id}")).data["slug"] == "one"


@pytest.mark.parametrize("how", ["delete", "link", "url", "reserve", "split"])
async def test_the_oldest_other_name_takes_the_place_of_a_main_name(running: Running, how: str) -> None:
    apps = await furnish(running)
    running.clock.advance(1)
    await ask(running, "PUT", "/aliases/aaa", app="shop")
    method, path, body = {
        "delete": ("DELETE", "/aliases/shop", {}),
        "link": ("PUT", "/aliases/shop", {"app": "blog"}),
        "url": ("PUT", "/aliases/shop", {"url": FAR}),
        "reserve": ("POST", "/aliases/shop/reserve", {}),
        "split": ("POST", "/aliases/shop/split", {"targets": SPLIT}),
    }[how]
    answer = await ask(running, method, path, **body)
    assert answer.status == 200, answer.body
    assert await main_names(running) == {apps["shop"]: ["store"], apps["blog"]: ["blog"]}


async def test_an_app_may_lose_its_last_name(running: Running) -> None:
    apps = await furnish(running)
    await ask(running, "DELETE", "/aliases/blog")
    assert await main_names(running) == {apps["shop"]: ["shop"]}
    shown = (await ask(running, "GET", f"/apps/{apps['blog']}")).data
    assert (shown["slug"], shown["aliases"]) == (None, [])
    assert shown["url"] == f"http://{apps['blog'].replace('_', '-')}.localhost:{running.site.port}"


async def test_saying_the_same_again_changes_no_main_name(running: Running) -> None:
    await furnish(running)
    running.clock.advance(1)
    before = await names(running)
    for name in ("shop", "store"):
        made = (await ask(running, "GET", f"/aliases/{name}")).data["created_at"]
        assert (await ask(running, "PUT", f"/aliases/{name}", app="shop")).status == 200
        assert await names(running) == before
        assert (await ask(running, "GET", f"/aliases/{name}")).data["created_at"] == made < running.clock.now()


async def test_a_name_is_made_the_main_name(running: Running) -> None:
    apps = await furnish(running)
    assert (await ask(running, "PUT", "/aliases/store", app="shop", primary=True)).status == 200
    assert (await main_names(running))[apps["shop"]] == ["store"]
    answer = await ask(running, "PUT", "/aliases/store", url=FAR, primary=True)
    assert (answer.status, answer.json["error"]["details"]["field"]) == (400, "primary")


# --- shares


def weights(*given: Any) -> list[dict[str, Any]]:
    return [{"app": app, "weight": weight} for app, weight in zip(("shop", "blog"), given, strict=False)]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "targets"),
        ({"targets": []}, "targets"),
        ({"targets": weights(1)}, "targets"),
        ({"targets": weights(0, 0)}, "targets"),
        ({"targets": weights(-1, 2)}, "targets"),
        ({"targets": weights(1.5, 2)}, "targets"),
        ({"targets": weights("1", 2)}, "targets"),
        ({"targets": weights(10**7, 2)}, "targets"),
        ({"targets": [*weights(1, 2), {"app": "store", "weight": 1}]}, "targets"),
        ({"targets": [{"app": "shop"}, {"app": "blog"}]}, "targets"),
        ({"targets": [{"app": "shop", "weight": 1, "surprise": 1}, {"app": "blog", "weight": 1}]}, "targets"),
        ({"targets": [{"app": "shop", "weight": 1}] * 11}, "targets"),
        ({"targets": [{"app": "shop", "weight": 1, "release": "nonsense!"}, {"app": "blog", "weight": 1}]}, "targets"),
        ({"targets": weights(1, 1), "ids": ["shop:1", "blog:1"]}, "targets"),
        ({"ids": ["shop:1"]}, "targets"),
        ({"ids": ["shop:1", "blog"]}, "ids"),
        ({"ids": ["shop:1", "blog:-1"]}, "ids"),
        ({"ids": ["shop:1", "blog:9999999"]}, "ids"),
        ({"ids": ["shop:1", "blog@x:1"]}, "ids"),
        ({"ids": ["shop:1", "blog@:1"]}, "ids"),
    ],
)
@on_shared_node
async def test_shares_that_cannot_be_are_refused(shared: Running, said: dict[str, Any], field: str) -> None:
    before = shared.content()
    answer = await shared.ask("POST", "/api/aliases/both/split", key="*", body=said)
    assert (answer.status, answer.json["error"]["details"]["field"]) == (400, field), answer.body
    assert shared.content() == before


@pytest.mark.parametrize("app", ["nothere", "docs", "both", "shop@v9", "shop@abcd", "shop@rel_000000000000"])
@on_shared_node
async def test_what_is_not_there_gets_no_share(shared: Running, app: str) -> None:
    before = shared.content()
    answer = await ask(shared, "POST", "/aliases/both/split", ids=[f"{app}:1", "blog:1"])
    assert answer.status == 404, answer.body
    assert shared.content() == before


async def test_shares_need_not_be_hundred_and_may_be_none(running: Running) -> None:
    apps = await furnish(running)
    answer = await ask(running, "POST", "/aliases/shop/split", ids=["shop:0", f"{apps['blog']}:7"])
    assert answer.status == 200, answer.body
    assert [(t["app_id"], t["weight"]) for t in answer.data["targets"]] == [(apps["shop"], 0), (apps["blog"], 7)]


async def test_a_release_gets_a_share_and_is_kept(running: Running) -> None:
    apps = await furnish(running)
    for text in (b"old", b"new"):
        await running.ask("PUT", "/api/apps/shop/files/index.html", key="*", raw=text)
    old = (await ask(running, "GET", "/apps/shop/releases")).data[1]["release"]
    assert aliases.split_releases(running.node.store) == []
    for ref in ("v1", old, old.removeprefix("rel_")[:6]):
        answer = await ask(running, "POST", "/aliases/shop/split", ids=[f"shop@{ref}:1", "store:9"])
        assert answer.status == 200, answer.body
        split = [(t["app_id"], t["release_id"], t["weight"]) for t in answer.data["targets"]]
        assert split == [(apps["shop"], old, 1), (apps["shop"], None, 9)]
        assert aliases.split_releases(running.node.store) == [old]
        await command(running, answer.data["undo"])
    theirs = await ask(running, "POST", "/aliases/shop/split", ids=[f"blog@{old}:1", "shop:1"])
    assert theirs.status == 404, "a release of another app"


# --- swapping


async def test_two_names_exchange_what_they_mean(running: Running) -> None:
    await furnish(running)
    every = await names(running)
    for one, two in itertools.permutations(every, 2):
        before = await names(running)
        answer = await ask(running, "POST", "/aliases/swap", alias1=one, alias2=two)
        assert answer.data == {"alias1": one, "alias2": two, "undo": f"fazt app swap {one} {two}"}
        assert await names(running) == {**before, one: before[two], two: before[one]}


@pytest.mark.parametrize(("one", "two"), [("shop", "nothere"), ("nothere", "shop"), ("nothere", "nowhere")])
@on_shared_node
async def test_a_swap_with_nothing_changes_nothing(shared: Running, one: str, two: str) -> None:
    before = shared.content()
    answer = await ask(shared, "POST", "/aliases/swap", alias1=one, alias2=two)
    assert (answer.status, answer.code) == (404, "NOT_FOUND")
    assert shared.content() == before


@on_shared_node
async def test_a_name_is_not_swapped_with_itself(shared: Running) -> None:
    before = shared.content()
    answer = await ask(shared, "POST", "/aliases/swap", alias1="shop", alias2="shop")
    assert (answer.status, answer.json["error"]["details"]["field"]) == (400, "alias2")
    assert shared.content() == before


async def test_a_swap_that_fails_on_the_way_changes_nothing(running: Running) -> None:
    """Also when it fails at its very end, after all of its own statements."""
    await furnish(running)
    before = running.content()
    entry = running.node.registry["aliases.swap"]
    call = running.node.caller.call(entry, support.LOCAL, "cli", None)
    plan = entry.named(call, {"alias1": "shop", "alias2": "docs"})
    for count in range(1, len(plan.steps) + 1):
        broken = [*plan.steps[:count], Step("insert into expect (ok) values (0)", {})]
        with pytest.raises(Exception, match=r"."):
            await running.node.store.write(broken)
        assert running.content() == before


async def test_swaps_at_once_lose_nothing(running: Running) -> None:
    await furnish(running)
    before = await names(running)
    pairs = list(itertools.permutations(before, 2)) * 3
    answers = await asyncio.gather(*(ask(running, "POST", "/aliases/swap", alias1=a, alias2=b) for a, b in pairs))
    assert {answer.status for answer in answers} == {200}
    after = await names(running)
    assert set(after) == set(before)
    assert sorted(map(repr, after.values())) == sorted(map(repr, before.values()))


async def test_the_same_swap_twice_at_once_is_none(running: Running) -> None:
    await furnish(running)
    before = await names(running)
    asks = (ask(running, "POST", "/aliases/swap", alias1="shop", alias2="docs") for _ in range(2))
    assert [answer.status for answer in await asyncio.gather(*asks)] == [200, 200]
    assert await names(running) == before


# --- taking it back


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/aliases", {"subdomain": "new", "app": "shop"}),
        ("POST", "/aliases", {"subdomain": "new", "url": FAR}),
        ("PUT", "/aliases/new", {"app": "blog"}),
        ("PUT", "/root", {"app": "shop"}),
        ("POST", "/aliases/new/reserve", {}),
        ("POST", "/aliases/new/split", {"targets": SPLIT}),
        *(
            (method, f"/aliases/{name}{path}", body)
            for name in ("shop", "store", "blog", "docs", "kept", "both")
            for method, path, body in (
                ("PUT", "", {"app": "blog"}),
                ("PUT", "", {"app": "shop"}),
                ("PUT", "", {"url": "https://example.com/a b".replace(" ", "'") + "/*"}),
                ("DELETE", "", {}),
                ("POST", "/reserve", {}),
                ("POST", "/split", {"ids": ["shop:5", "blog:5"]}),
            )
        ),
        ("POST", "/aliases/swap", {"alias1": "shop", "alias2": "both"}),
    ],
)
async def test_every_change_says_how_to_take_it_back(
    running: Running, method: str, path: str, body: dict[str, Any]
) -> None:
    await furnish(running)
    before = await names(running)
    changed = await ask(running, method, path, **body)
    assert changed.status in (200, 201), changed.body
    done = await command(running, changed.data["undo"])
    assert done["data"]["success"] is True, done
    assert await names(running) == before


# --- commands


@pytest.mark.parametrize(
    ("line", "name", "meant"),
    [
        ("fazt app link new --id blog", "new", ("proxy", "{blog}", None, None, None, False)),
        ("fazt app link new --app blog --primary", "new", ("proxy", "{blog}", None, None, None, True)),
        ("fazt app link new --url https://a.example/* --status 307", "new",
         ("redirect", None, "https://a.example/*", 307, None, False)),
        ("fazt app reserve new", "new", ("reserved", None, None, None, None, False)),
        ("fazt app unlink blog", "blog", None),
        ("fazt app swap shop kept", "shop", ("reserved", None, None, None, None, False)),
        ("fazt app root blog", "root", ("proxy", "{blog}", None, None, None, False)),
    ],
)  # fmt: skip
async def test_a_command_gives_a_name(running: Running, line: str, name: str, meant: Any) -> None:
    apps = await furnish(running)
    done = await command(running, line)
    assert done["data"]["success"] is True, done
    wanted = tuple(w.format(**apps) if isinstance(w, str) else w for w in meant) if meant else None
    assert (await names(running)).get(name) == wanted


async def test_a_command_shares_a_name(running: Running) -> None:
    apps = await furnish(running)
    assert (await command(running, "fazt app split new --ids shop:50,blog:50"))["data"]["success"] is True
    targets = (await names(running))["new"][4]
    assert [(t["app_id"], t["weight"]) for t in targets] == [(apps["shop"], 50), (apps["blog"], 50)]
    listed = await running.ask("POST", "/api/cmd", key="*", body={"command": "app list --aliases"})
    assert {alias["subdomain"] for alias in listed.data["data"]} >= {"new", "shop"}
