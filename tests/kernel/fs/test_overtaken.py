"""Deploys that meet others on their way: they are the next release, or say what is missing; never a fault inside."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.kernel.fs.site import body, deploy, finish, frame, get, plan, send
from tests.support import running


async def test_19_first_deploys_of_one_name_at_once_are_all_in_the_history(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        pages = [b"page %d" % n for n in range(6)]
        for page in pages:
            assert (await send(node, frame(page))).status == 200
        answers = await asyncio.gather(*(finish(node, "race", {"index.html": page}) for page in pages))
        assert [answer.status for answer in answers] == [200] * 6
        assert sorted(answer.data["n"] for answer in answers) == [1, 2, 3, 4, 5, 6]
        assert len({answer.data["app_id"] for answer in answers}) == 1
        last = next(page for page, answer in zip(pages, answers, strict=True) if answer.data["n"] == 6)
        assert (await get(node, "/", host="race")).body == last


async def test_a_reserved_name_is_still_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        await node.run("aliases.reserve", subdomain="kept")
        await send(node, frame(b"x"))
        answer = await finish(node, "kept", {"index.html": b"x"})
        assert (answer.status, answer.code) == (409, "CONFLICT")


async def test_content_that_is_collected_on_the_way_is_asked_for_again(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        files = {"index.html": b"x" * 100}
        await send(node, frame(files["index.html"]))
        assert (await plan(node, "late", files)).data["missing"] == {}
        node.clock.advance(2 * 86_400)
        await node.run("storage.gc")
        answer = await finish(node, "late", files)
        assert (answer.status, answer.code) == (409, "CONFLICT")
        assert answer.json["error"]["details"]["missing"] is True
        assert (await deploy(node, "late", files))["n"] == 1


async def test_deploys_beside_a_collection_never_fail_inside(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:

        async def collect() -> None:
            for _ in range(20):
                node.clock.advance(2)
                await node.run("storage.gc", grace=1)

        async def deploys(name: str) -> list[int]:
            seen = []
            for n in range(8):
                page = f"{name} {n}".encode()
                await send(node, frame(page))
                seen.append(
                    (await node.ask("POST", "/api/deploy/finish", key="deploy", raw=body(name, {"a": page}))).status
                )
            return seen

        results = await asyncio.gather(collect(), deploys("one"), deploys("two"))
        assert {status for seen in results[1:] for status in seen or []} <= {200, 409}
