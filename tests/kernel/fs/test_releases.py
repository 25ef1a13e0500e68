"""The history of an app: rollback and its undo, promote, previews, splits, swaps, and how a release is said."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.apps.meaning import ReleaseRef
from kernel.base.errors import FaztError
from kernel.fs.releases import RELEASES
from tests.kernel.fs.site import PAGE, Wire, deploy, get, twice
from tests.support import Answer, Running


async def three(running: Running, name: str = "blog") -> list[Any]:
    made = []
    for n in (1, 2, 3):
        made.append(await deploy(running, name, {"index.html": b"%s %d" % (name.encode(), n), f"only{n}.txt": b"x"}))
    return made


async def rollback(running: Running, release: str | None = None, app: str = "blog", key: str = "deploy") -> Answer:
    said = {} if release is None else {"release": release}
    answer = await running.ask("POST", f"/api/apps/{app}/rollback", key=key, body=said)
    running.clock.advance(1)
    return answer


async def page(running: Running, host: str = "blog", **how: Any) -> bytes:
    return (await get(running, "/", host, **how)).body


async def test_rollback_and_its_undo(running: Running) -> None:
    made = await three(running)
    back = (await rollback(running)).data
    assert (back["release"], back["n"], back["previous"]) == (made[1]["release"], 2, made[2]["release"])
    assert back["undo"] == "fazt rollback v3 --app blog"
    assert await page(running) == b"blog 2"
    assert (await get(running, "/only3.txt")).status == 404
    assert (await rollback(running)).data["n"] == 3, "once more undoes it"
    assert await page(running) == b"blog 3"
    assert (await rollback(running, "v1")).data["undo"] == "fazt rollback v3 --app blog"
    assert (await rollback(running, "v3")).data["n"] == 3
    assert len((await running.ask("GET", "/api/apps/blog/releases", key="read")).data) == 3, "nothing is copied"


async def test_rollback_to_what_is_live_changes_nothing(running: Running) -> None:
    await three(running)
    before = running.content()
    same = (await rollback(running, "v3")).data
    assert (same["n"], same["previous"], same["undo"]) == (3, None, None)
    assert running.content() == before


async def test_a_release_may_be_said_in_many_ways(running: Running) -> None:
    made = await three(running)
    id = made[0]["release"]
    for ref in (id, id[4:], id[:10], id[4:8], id[:8], "v1"):
        assert (await rollback(running, ref)).data["release"] == id, ref
        await rollback(running, "v3")
    promoted = await running.ask("POST", "/api/apps/blog/promote", key="deploy", body={"release": id[4:]})
    assert (promoted.data["release"], await page(running)) == (id, b"blog 1")


@pytest.mark.parametrize("ref", ["v9", "v0", "v999999999", "rel_000000000000", "0000", "zzzzzzzzzzzz"])
async def test_21_rollback_to_a_release_that_is_not_there_says_so(running: Running, ref: str) -> None:
    await three(running)
    before = running.content()
    for path in ("rollback", "promote"):
        answer = await running.ask("POST", f"/api/apps/blog/{path}", key="deploy", body={"release": ref})
        assert (answer.status, answer.code) == (404, "NOT_FOUND")
        assert "pruned" in answer.json["error"]["hint"] and ref in answer.json["error"]["message"]
    assert running.content() == before
    assert await page(running) == b"blog 3"


async def test_21_rollback_to_a_pruned_release_says_so(running: Running) -> None:
    made = await three(running)
    store = running.node.store
    await store.write([type(store.purge("x")[0])("delete from releases where n = 1", {})])
    for ref in ("v1", made[0]["release"]):
        answer = await rollback(running, ref)
        assert (answer.status, "pruned" in answer.json["error"]["hint"]) == (404, True)


async def test_21_a_release_of_another_app_is_not_this_one_s(running: Running) -> None:
    await three(running)
    other = (await deploy(running, "other", {"index.html": b"other"}))["release"]
    for path in ("rollback", "promote"):
        answer = await running.ask("POST", f"/api/apps/blog/{path}", key="deploy", body={"release": other})
        assert (answer.status, answer.code) == (404, "NOT_FOUND")
    for path in (f"releases/{other}/diff", f"releases/v1/diff?from={other}", f"files?release={other}"):
        assert (await running.ask("GET", f"/api/apps/blog/{path}", key="read")).code == "NOT_FOUND", path
    assert await page(running) == b"blog 3"


@pytest.mark.parametrize(
    "ref", ["", "abc", "v", "v-1", "V1", "rel_", "REL_000000000000", "%", "a'b--", "*", "v12345678901234567"]
)
def test_what_is_no_release_is_refused(ref: str) -> None:
    with pytest.raises((ValueError, FaztError)):
        ReleaseRef.parse(ref)


async def test_an_ambiguous_prefix_is_refused(running: Running) -> None:
    made = await three(running)
    one = made[0]["release"]
    twin = one[:-1] + ("0" if one[-1] != "0" else "1")
    columns = ", ".join(name for name in RELEASES.columns if name not in ("id", "n"))
    copy = f"insert into releases (id, n, {columns}) select :twin, 77, {columns} from releases where id = :one"
    store = running.node.store
    await store.write([type(store.purge("x")[0])(copy, {"twin": twin, "one": one})])
    answer = await rollback(running, one[4:12])
    assert (answer.status, answer.code) == (409, "CONFLICT")
    assert (await rollback(running, one)).data["n"] == 1
    assert (await rollback(running, "v77")).data["release"] == twin


async def test_an_app_without_a_release_has_nowhere_to_go_back_to(running: Running) -> None:
    await running.run("apps.create", slug="blog")
    assert (await rollback(running)).code == "CONFLICT"
    await deploy(running, "blog", {"index.html": PAGE})
    assert (await rollback(running)).code == "CONFLICT"


async def test_who_deploys_may_go_back_and_who_only_reads_may_not(running: Running) -> None:
    await three(running)
    await deploy(running, "other", {"index.html": PAGE})
    before = running.content()
    assert (await rollback(running, key="read")).code == "FORBIDDEN"
    assert (await rollback(running, key="deploy:other")).code == "FORBIDDEN"
    assert {name for name in before if running.content()[name] != before[name]} <= {"api_keys"}
    assert (await rollback(running, key="deploy:blog")).status == 200


async def test_the_history_is_listed_newest_first(running: Running) -> None:
    await three(running)
    answer = await running.ask("GET", "/api/apps/blog/releases?limit=2", key="read")
    assert [(one["n"], one["live"]) for one in answer.data] == [(3, True), (2, False)]
    assert answer.json["meta"] == {"offset": 0, "limit": 2, "total": 3, "has_more": True}


async def test_a_difference_is_said_against_the_live_release_or_another(running: Running) -> None:
    await three(running)
    data = (await running.ask("GET", "/api/apps/blog/releases/v1/diff", key="read")).data
    assert (data["added"], data["changed"], data["removed"]) == (["only1.txt"], ["index.html"], ["only3.txt"])
    data = (await running.ask("GET", "/api/apps/blog/releases/v2/diff?from=v2", key="read")).data
    assert data["added"] == data["changed"] == data["removed"] == []


# --- previews


async def test_every_release_has_an_address_of_its_own(running: Running) -> None:
    made = await three(running)
    for n, one in enumerate(made, 1):
        host = one["preview_url"].partition("//")[2].partition(".")[0]
        answer = await twice(running, "/", host)
        assert (answer.status, answer.body) == (200, b"blog %d" % n)
        assert answer.headers["X-Robots-Tag"] == "noindex", "no search engine keeps it, whoever answers"
    assert "X-Robots-Tag" not in (await get(running, "/")).headers


async def test_a_large_file_of_a_preview_is_not_indexed_either(running: Running) -> None:
    made = await deploy(running, "blog", {"big.bin": bytes(600_000)})
    host = f"{made['release'][4:]}--blog"
    assert (await get(running, "/big.bin", host)).headers["X-Robots-Tag"] == "noindex"
    part = await get(running, "/big.bin", host, headers={"Range": "bytes=0-9"})
    assert (part.status, part.headers["X-Robots-Tag"]) == (206, "noindex")


async def test_a_preview_of_another_app_s_release_is_not_found(running: Running) -> None:
    [blog] = [await deploy(running, "blog", {"index.html": b"blog"})]
    other = await deploy(running, "other", {"index.html": b"other"})
    for host in (
        f"{blog['release'][4:]}--other",
        f"{other['release'][4:]}--blog",
        "000000000000--blog",
        "abc--blog",
        f"{blog['release'][4:]}--nothere",
        f"--{blog['release'][4:]}",
        f"{blog['release'][4:]}--",
    ):
        answer = await get(running, "/", host)
        assert answer.status in (404, 400), host
        assert b"blog" not in answer.body and b"other" not in answer.body


async def test_a_preview_follows_the_app(running: Running) -> None:
    made = await three(running)
    host = f"{made[0]['release'][4:]}--blog"
    by_id = f"{made[0]['release'][4:]}--{made[0]['app_id'].replace('_', '-')}"
    assert await page(running, by_id) == b"blog 1"
    await running.run("apps.update", app="blog", visibility="private")
    for one in (host, by_id):
        assert (await get(running, "/", one)).status == 401
        assert (await get(running, "/", one, key="read")).body == b"blog 1"
    await running.run("apps.delete", app="blog")
    for one in (host, by_id):
        assert (await get(running, "/", one, key="read")).status == 404


# --- names that move


async def test_a_swap_exchanges_two_apps_at_once(running: Running) -> None:
    await deploy(running, "blue", {"index.html": b"blue"})
    await deploy(running, "green", {"index.html": b"green"})
    async with Wire(running) as wire:
        for _ in range(2):
            assert ((await wire.ask("/", "blue")).body, (await wire.ask("/", "green")).body) == (b"blue", b"green")
        for first, second in ((b"green", b"blue"), (b"blue", b"green")):
            answer = await running.ask("POST", "/api/aliases/swap", key="*", body={"alias1": "blue", "alias2": "green"})
            assert answer.status == 200
            for _ in range(2):
                assert ((await wire.ask("/", "blue")).body, (await wire.ask("/", "green")).body) == (first, second)


async def split(running: Running, *targets: dict[str, Any]) -> None:
    answer = await running.ask("POST", "/api/aliases/ab/split", key="*", body={"targets": list(targets)})
    assert answer.status == 200, answer.body


async def test_a_split_keeps_each_visitor_where_he_was(running: Running) -> None:
    ids = {}
    for name in ("one", "two"):
        ids[name] = (await deploy(running, name, {"index.html": name.encode()}))["app_id"]
    await split(running, {"app": "one", "weight": 50}, {"app": "two", "weight": 50})
    seen: dict[bytes, int] = {}
    for n in range(60):
        agent = {"User-Agent": f"visitor {n}"}
        first = await get(running, "/", "ab", headers=agent)
        cookie = first.headers["Set-Cookie"].partition(";")[0]
        assert cookie == f"fazt_variant={ids[first.body.decode()]}"
        assert "Max-Age=2592000" in first.headers["Set-Cookie"] and "Domain" not in first.headers["Set-Cookie"]
        seen[first.body] = seen.get(first.body, 0) + 1
        # the cookie counts, not what the browser calls itself
        other = {"User-Agent": f"changed {n}", "Cookie": f"a=b; {cookie}; c=d"}
        assert (await get(running, "/", "ab", headers=other)).body == first.body
    assert all(15 <= count <= 45 for count in seen.values()), seen
    assert len(seen) == 2


async def test_the_door_does_not_give_one_visitor_of_a_split_what_another_got(running: Running) -> None:
    for name in ("one", "two"):
        await deploy(running, name, {"index.html": name.encode()})
    await split(running, {"app": "one", "weight": 1}, {"app": "two", "weight": 1})
    async with Wire(running) as wire:
        seen = {}
        for n in range(20):
            for agent in (f"visitor {n}", f"visitor {n // 2}"):
                answer = await wire.ask("/", "ab", User_Agent=agent)
                assert seen.setdefault(agent, answer.body) == answer.body
                assert "Set-Cookie" in answer.headers
    assert set(seen.values()) == {b"one", b"two"}


async def test_a_split_of_releases(running: Running) -> None:
    await three(running)
    await split(running, {"app": "blog", "release": "v1", "weight": 1}, {"app": "blog", "weight": 1})
    pages = {await page(running, "ab", headers={"User-Agent": f"{n}"}) for n in range(40)}
    assert pages == {b"blog 1", b"blog 3"}
    await deploy(running, "blog", {"index.html": b"blog 4"})
    pages = {await page(running, "ab", headers={"User-Agent": f"{n}"}) for n in range(40)}
    assert pages == {b"blog 1", b"blog 4"}
    assert await page(running) == b"blog 4", "the app's own name is no split"


async def test_no_cache_between_keeps_one_side_of_a_split_for_all(running: Running) -> None:
    for name in ("one", "two"):
        await deploy(running, name, {"a.txt": name.encode(), "assets/app-Bd3fGh12.js": name.encode()})
    await split(running, {"app": "one", "weight": 1}, {"app": "two", "weight": 1})
    for path in ("/a.txt", "/assets/app-Bd3fGh12.js"):
        answer = await get(running, path, "ab")
        assert "Set-Cookie" in answer.headers
        assert "public" not in answer.headers["Cache-Control"]


async def test_a_split_cookie_that_lies_is_passed_over(running: Running) -> None:
    await deploy(running, "one", {"index.html": b"one"})
    await deploy(running, "two", {"index.html": b"two"})
    hidden = await deploy(running, "hidden", {"index.html": b"hidden"})
    await split(running, {"app": "one", "weight": 1}, {"app": "two", "weight": 0})
    for cookie in (hidden["app_id"], "two", "x" * 3000, "", "one@rel_000000000000", "é"):
        answer = await get(running, "/", "ab", headers={"Cookie": f"fazt_variant={cookie}"})
        assert (answer.status, answer.body) == (200, b"one"), cookie


async def test_a_fork_begins_where_the_app_stands(running: Running) -> None:
    await three(running)
    made = await running.run("apps.fork", app="blog", alias="copy")
    assert await page(running, "copy") == b"blog 3"
    await deploy(running, "copy", {"index.html": b"copy"})
    assert (await page(running), await page(running, "copy")) == (b"blog 3", b"copy")
    assert (await rollback(running, app="copy")).status == 200
    assert await page(running, "copy") == b"blog 3"
    await running.run("apps.delete", app="blog", purge=True, confirm="blog")
    assert await page(running, "copy") == b"blog 3"
    assert (await get(running, "/", made.id.replace("_", "-"))).status == 200


async def test_delete_and_restore(running: Running) -> None:
    made = await three(running)
    await running.run("apps.delete", app="blog")
    assert (await get(running, "/")).status == 404
    await running.run("apps.restore", app=made[0]["app_id"])
    assert await page(running) == b"blog 3"
    assert (await rollback(running)).data["n"] == 2
