"""The collection: what nothing refers to goes after a day; what is live, split to, pinned or being read never does."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import apsw
import pytest

from kernel.fs.gc import KEPT_RELEASES
from tests.kernel.fs.site import CHUNK, PAGE, deploy, finish, frames, get, listing, nobody_reads, plan, send
from tests.support import Running

DAY = 86_400


def count(running: Running, *tables: str) -> list[int]:
    file = apsw.Connection(str(running.node.path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return [file.execute(f"select count(*) from {table}").fetchall()[0][0] for table in tables]
    finally:
        file.close()


async def collect(running: Running, **how: Any) -> Any:
    answer = await running.ask("POST", "/api/system/gc", key="*", body=how)
    assert answer.status == 200, answer.body
    return answer.data


async def purge(running: Running, app: str = "blog") -> None:
    await running.run("apps.delete", app=app, purge=True, confirm=app)


ALL = ("releases", "trees", "tree_files", "tree_folders", "blobs", "chunks")


async def test_what_a_purged_app_had_goes_after_a_day(running: Running) -> None:
    await deploy(running, "blog", {"index.html": PAGE, "a/big.bin": bytes(CHUNK + 1)})
    await purge(running)
    assert await collect(running) == {"releases": 0, "trees": 0, "blobs": 0, "bytes": 0, "dry_run": False}
    running.clock.advance(DAY + 1)
    told = await collect(running)
    assert told == {"releases": 0, "trees": 1, "blobs": 2, "bytes": len(PAGE) + CHUNK + 1, "dry_run": False}
    assert count(running, *ALL) == [0] * len(ALL)


async def test_what_is_shared_stays_for_the_others(running: Running) -> None:
    await deploy(running, "blog", {"index.html": PAGE, "only.txt": b"only here"})
    await deploy(running, "other", {"x.html": PAGE})
    await purge(running)
    running.clock.advance(DAY + 1)
    assert (await collect(running))["blobs"] == 1
    assert (await get(running, "/x.html", "other")).body == PAGE


async def test_pieces_of_a_deploy_that_was_given_up_go_after_a_day(running: Running) -> None:
    files = {"index.html": PAGE, "big.bin": random.Random(1).randbytes(3 * CHUNK)}
    await send(running, *frames(files)[:3])
    running.clock.advance(DAY - 10)
    assert (await collect(running))["blobs"] == 0
    missing = (await plan(running, "blog", files)).data["missing"]
    await send(running, *frames(files, missing)[:1])
    running.clock.advance(20)
    assert (await collect(running))["blobs"] == 1, "the large one was touched just now"
    running.clock.advance(DAY)
    assert (await collect(running))["blobs"] == 1
    assert count(running, "blobs", "chunks") == [0, 0]


async def test_a_grace_may_be_said(running: Running) -> None:
    await send(running, *frames({"a": PAGE}))
    running.clock.advance(3700)
    assert (await collect(running))["blobs"] == 0
    assert (await collect(running, grace="1h"))["blobs"] == 1
    for grace in ("-1h", "0s", "x", -5):
        answer = await running.ask("POST", "/api/system/gc", key="*", body={"grace": grace})
        assert (answer.status, answer.code) == (400, "VALIDATION_FAILED")


async def test_a_dry_run_says_what_would_go_and_changes_nothing(running: Running) -> None:
    for n in range(60):
        await send(running, *frames({"a": b"%d" % n}))
    running.clock.advance(DAY + 1)
    await running.key("*")
    before = running.content()
    told = await collect(running, dry_run=True)
    assert (told["blobs"], told["dry_run"]) == (60, True)
    assert running.content() == before
    assert (await collect(running))["blobs"] == 60


async def many(running: Running, releases: int) -> list[Any]:
    await deploy(running, "blog", {"index.html": b"0"})
    made = []
    for n in range(1, releases + 1):
        await send(running, *frames({"index.html": b"%d" % n}))
        answer = await finish(running, "blog", {"index.html": b"%d" % n})
        assert answer.status == 200
        made.append(answer.data)
        running.clock.advance(1)
    return made


async def test_a_dry_run_counts_beyond_one_slice(running: Running) -> None:
    await many(running, 55)
    await purge(running)
    running.clock.advance(DAY + 1)
    assert (await collect(running, dry_run=True))["trees"] == (await collect(running))["trees"] == 56


async def test_old_releases_go_but_never_those_that_are_in_use(running: Running) -> None:
    """Both older than thirty days and not among the newest hundred."""
    made = await many(running, KEPT_RELEASES + 20)
    targets = [{"app": "blog", "release": "v3", "weight": 1}, {"app": "blog", "weight": 1}]
    assert (await running.ask("POST", "/api/aliases/ab/split", key="*", body={"targets": targets})).status == 200
    await running.ask("POST", "/api/apps/blog/rollback", key="deploy", body={"release": "v5"})
    running.clock.advance(29 * DAY)
    assert (await collect(running))["releases"] == 0
    running.clock.advance(2 * DAY)
    await running.key("*")
    assert (await collect(running, dry_run=True))["releases"] == 19
    told = await collect(running)
    # of 121 the oldest 21, but for the one that is live and the one a split leads to
    assert told["releases"] == told["trees"] == told["blobs"] == 19
    answer = await running.ask("GET", "/api/apps/blog/releases?limit=1000", key="read")
    assert {one["n"] for one in answer.data} == {3, 5, *range(22, 122)}
    assert (await get(running, "/")).body == b"4"
    assert {(await get(running, "/", "ab", headers={"User-Agent": f"{n}"})).body for n in range(30)} == {b"2", b"4"}
    gone = await running.ask("POST", "/api/apps/blog/rollback", key="deploy", body={"release": made[0]["release"]})
    assert (gone.status, gone.code) == (404, "NOT_FOUND")
    assert "pruned" in gone.json["error"]["hint"]


async def test_a_deleted_app_is_whole_when_it_comes_back(running: Running) -> None:
    id = (await deploy(running, "blog", {"index.html": PAGE, "a.txt": b"a"}))["app_id"]
    await running.run("apps.delete", app="blog")
    running.clock.advance(20 * DAY)
    await collect(running)
    await running.run("apps.restore", app=id)
    assert (await get(running, "/a.txt")).body == b"a"


async def test_what_was_uploaded_for_its_own_sake_stays_until_it_is_taken_back(running: Running) -> None:
    files = {"x/a.txt": b"kept", "b.txt": b"also"}
    for folder in (True, False):
        chosen = files if folder else {"one.txt": b"single"}
        await send(running, *frames(chosen))
        said = json.dumps({"files": listing(chosen), "folder": folder}).encode()
        made = await running.ask("POST", "/api/system/uploads", key="*", raw=said)
        assert made.data["missing"] == {}
        running.clock.advance(5 * DAY)
        await collect(running)
        below = "/b.txt" if folder else ""
        shown = await running.ask("GET", f"/ipfs/{made.data['cid']}{below}", host="localhost")
        assert shown.body == (b"also" if folder else b"single")
        assert (await running.ask("DELETE", f"/api/system/uploads/{made.data['cid']}", key="*")).status == 204
        assert (await collect(running))["blobs"] == 0, "a day is left to think again"
        running.clock.advance(DAY + 1)
        await collect(running)
        assert count(running, "blobs", "trees") == [0, 0]


async def test_what_is_being_read_is_not_taken_away(running: Running) -> None:
    data = random.Random(2).randbytes(40 * CHUNK)
    await deploy(running, "blog", {"huge.bin": data})
    reader, writer = await asyncio.open_connection("127.0.0.1", running.site.port, limit=1 << 16)
    writer.write(f"GET /huge.bin HTTP/1.1\r\nHost: blog.localhost:{running.site.port}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await purge(running)
    running.clock.advance(DAY + 1)
    assert (await collect(running))["blobs"] == 0
    assert await reader.readexactly(len(data)) == data
    writer.close()
    await nobody_reads(running)
    assert (await collect(running))["blobs"] == 1
    assert count(running, "blobs", "chunks") == [0, 0]


async def test_collections_and_deploys_at_once_leave_every_release_whole(running: Running) -> None:
    """The content of each release was let go of before, so each collection would like to take it."""
    sites = [{"index.html": b"%d" % n, f"{n}.bin": random.Random(n).randbytes(CHUNK + n)} for n in range(4)]
    for site in sites:
        await deploy(running, "other", site)
    await purge(running, "other")
    running.clock.advance(DAY + 1)
    await running.key("*")
    for site in sites:
        raced = await asyncio.gather(collect(running), finish(running, "blog", site), collect(running))
        if raced[1].status != 200:
            assert (raced[1].status, raced[1].code) == (409, "CONFLICT")
            await deploy(running, "blog", site)
        for path, content in site.items():
            assert (await get(running, f"/{path}")).body == content


@pytest.mark.parametrize("key", ["read", "deploy"])
async def test_who_may_not_does_not(running: Running, key: str) -> None:
    assert (await running.ask("POST", "/api/system/gc", key=key, body={})).code == "FORBIDDEN"


async def test_a_file_that_is_sent_again_is_young_again(running: Running) -> None:
    await send(running, *frames({"a": PAGE}))
    running.clock.advance(DAY + 1)
    await send(running, *frames({"a": PAGE}))
    assert (await collect(running))["blobs"] == 0
    assert (await plan(running, "blog", {"a": PAGE})).data["missing"] == {}
