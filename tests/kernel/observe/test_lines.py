"""What apps say: kept, limited, covered, listed and followed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from kernel.base.errors import FaztError
from kernel.observe import lines as lines_module
from kernel.observe.follow_lines import MOST_QUEUED, LineKept, wanted
from kernel.observe.lines import CUT, MOST_LINE, MOST_OF_APP, MOST_OF_NODE, MOST_PER_INVOCATION, Lines, Quota
from kernel.observe.lines_table import MOST_KEPT, SWEEP
from kernel.observe.redact import MARK
from kernel.storage.sweep import sweep
from tests.support import Running, running

pytestmark = pytest.mark.asyncio
EVERYTHING = wanted()


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data.db") as made:
        yield made


async def app(node: Running, slug: str = "shop") -> str:
    return str((await node.run("apps.create", slug=slug, title=slug)).id)


async def listed(node: Running, query: str = "", path: str = "/api/logs") -> list[dict[str, Any]]:
    answer = await node.ask("GET", path + query, key="read")
    assert answer.status == 200, answer.body
    return list(answer.data)


async def messages(node: Running, query: str = "", path: str = "/api/logs") -> list[str]:
    return [line["message"] for line in await listed(node, query, path)]


def stored(node: Running) -> list[Any]:
    return node.content()["app_logs"]


# --- lists ------------------------------------------------------------------------------------------------------------


async def test_newest_first_before_and_after_they_are_written(node: Running) -> None:
    shop, other = await app(node), await app(node, "other")
    for n, level in enumerate(("debug", "info", "warn", "error")):
        node.node.lines.add(shop, level, f"m{n}", request=f"req_{n}", user="usr_a", release="rel_a")
    node.node.lines.add(other, "info", "elsewhere")
    before = await listed(node)
    assert stored(node) == []
    await node.node.lines.write()
    assert await listed(node) == before
    assert [line["message"] for line in before] == ["elsewhere", "m3", "m2", "m1", "m0"]
    assert before[1] == {
        "id": before[0]["id"] - 1,
        "timestamp": node.clock.now(),
        "app": shop,
        "level": "error",
        "message": "m3",
        "requestId": "req_3",
        "release": "rel_a",
    }
    assert before[0]["requestId"] is None


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?level=warn", ["new", "w"]),
        ("?limit=1", ["new"]),
        ("?since=1m", ["new"]),
        ("?since=1h&level=debug", ["new", "w", "d"]),
        ("?request=req_1", ["w"]),
        ("?request=req_none", []),
        ("?app=shop&level=error", ["new"]),
        ("?app=other", []),
    ],
)
async def test_filters(node: Running, query: str, found: list[str], written: bool) -> None:
    shop, _ = await app(node), await app(node, "other")
    node.node.lines.add(shop, "debug", "d")
    node.node.lines.add(shop, "warn", "w", request="req_1")
    node.clock.advance(600)
    node.node.lines.add(shop, "error", "new", request="req_2")
    if written:
        await node.node.lines.write()
    assert await messages(node, query) == found
    if "app=" not in query:
        assert await messages(node, query, "/api/apps/shop/logs") == found


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/logs?limit=0", 400, "VALIDATION_FAILED"),
        ("/api/logs?limit=1001", 400, "VALIDATION_FAILED"),
        ("/api/logs?level=loud", 400, "VALIDATION_FAILED"),
        ("/api/logs?since=soon", 400, "VALIDATION_FAILED"),
        ("/api/logs?nothing=1", 400, "VALIDATION_FAILED"),
        ("/api/logs?app=nothing", 404, "APP_NOT_FOUND"),
        ("/api/apps/nothing/logs", 404, "APP_NOT_FOUND"),
        ("/api/logs/stream?app=nothing", 404, "APP_NOT_FOUND"),
        ("/api/logs/stream?after=-1", 400, "VALIDATION_FAILED"),
    ],
)
async def test_what_is_refused(node: Running, path: str, status: int, code: str) -> None:
    answer = await node.ask("GET", path, key="*")
    assert (answer.status, answer.code) == (status, code)


# --- what a line may be -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", ""),
        ("a\nb\tc", "a\nb\tc"),
        ("\x1b[31mred\x1b]0;title\x07", "\x1b[31mred\x1b]0;title\x07"),
        ("a\0b", "a\ufffdb"),
        ("\ud800 half", "? half"),
        ("".join(map(chr, range(1, 256))), "".join(map(chr, range(1, 256)))),
        ("x" * MOST_LINE, "x" * MOST_LINE),
        ("x" * (MOST_LINE + 1), "x" * (MOST_LINE - len(CUT.encode())) + CUT),
        ("é" * MOST_LINE, "é" * ((MOST_LINE - len(CUT.encode())) // 2) + CUT),
        ("😀" * 10_000, "😀" * ((MOST_LINE - len(CUT.encode())) // 4) + CUT),
    ],
    ids=lambda value: ascii(value)[:20],
)
async def test_any_text_is_kept(node: Running, said: str, kept: str) -> None:
    node.node.lines.add(await app(node), "info", said)
    assert await messages(node) == [kept]
    await node.node.lines.write()
    assert await messages(node) == [kept]
    assert len(kept.encode()) <= MOST_LINE


async def test_an_unknown_level_is_info(node: Running) -> None:
    node.node.lines.add(await app(node), "shout", "x")
    assert [line["level"] for line in await listed(node)] == ["info"]


async def test_secrets_are_covered_in_the_file_and_in_the_stream(node: Running) -> None:
    shop = await app(node)
    await node.run("env.put", app="shop", name="TOKEN", value="marker-of-the-test")
    reader = node.node.lines.follow(EVERYTHING)
    coming = asyncio.ensure_future(anext(reader))
    await asyncio.wait((coming,), timeout=0)
    node.node.lines.add(shop, "info", "it is marker-of-the-test")
    # across the cut: no half of it may stay
    node.node.lines.add(shop, "info", "x" * (MOST_LINE - 20) + "marker-of-the-test" * 5)
    assert (await coming).message == f"it is {MARK}"
    await node.node.lines.write()
    assert "marker" not in repr(stored(node))
    assert await messages(node) == ["x" * (MOST_LINE - 20) + MARK + CUT, f"it is {MARK}"]
    await reader.aclose()


async def test_what_is_covered_makes_no_room_for_half_a_secret(node: Running) -> None:
    shop = await app(node)
    await node.run("env.put", app="shop", name="TOKEN", value="marker" * 100)
    node.node.lines.add(shop, "info", "marker" * 1000)
    assert await messages(node) == [MARK + CUT]


async def test_where_nobody_knows_what_is_secret_nothing_is_shown(
    node: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(app: str) -> None:
        raise FaztError("STORAGE_ERROR", "no")

    monkeypatch.setattr(node.node.redactor, "of", broken)
    node.node.lines.add(await app(node), "info", "who knows")
    assert await messages(node) == [MARK]


# --- limits -----------------------------------------------------------------------------------------------------------


async def test_a_flood_is_dropped_counted_and_said(node: Running) -> None:
    noisy, quiet, lines = await app(node), await app(node, "quiet"), node.node.lines

    def flood() -> None:
        for _ in range(250_000):
            lines.add(noisy, "info", "x" * 50)

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines._waiting) <= MOST_OF_APP + len(threads)
    lines.add(quiet, "info", "still heard")
    assert (await node.ask("GET", "/api/system/health", key="read")).status == 200
    kept = len(lines._waiting) - 1
    await lines.write()
    assert await messages(node, "?app=quiet") == ["still heard"]
    assert (await messages(node, "?app=shop&level=warn")) == [
        f"{1_000_000 - kept} lines were dropped: too many at once."
    ]
    assert lines.dropped == 1_000_000 - kept
    # there is room again
    lines.add(noisy, "info", "back")
    assert (await messages(node, "?app=shop"))[0] == "back"


async def test_the_node_has_a_limit_too_and_so_have_bytes(node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = node.node.lines
    for n in range(MOST_OF_NODE + 100):
        lines.add(f"app_{n % 50}", "info", "x")
    assert len(lines._waiting) == MOST_OF_NODE
    await lines.write()
    monkeypatch.setattr(lines_module, "MOST_BYTES_OF_APP", 3 * MOST_LINE)
    for _ in range(10):
        lines.add("app_0", "info", "x" * MOST_LINE)
    assert len(lines._waiting) == 3


async def test_the_newest_of_an_app_are_kept(node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_KEPT == 10_000
    monkeypatch.setattr(lines_module, "MOST_KEPT", 300)
    shop, other = await app(node), await app(node, "other")
    node.node.lines.add(other, "info", "old but alone")
    for n in range(1100):
        node.node.lines.add(shop, "info", str(n))
    await node.node.lines.write()
    kept = await messages(node, "?app=shop&limit=1000")
    assert kept == [str(n) for n in range(1099, 799, -1)]
    assert await messages(node, "?app=other") == ["old but alone"]


async def test_lines_go_after_seven_days_and_with_their_app(node: Running) -> None:
    shop, other = await app(node), await app(node, "other")
    node.node.lines.add(shop, "info", "old")
    await node.node.lines.write()
    node.clock.advance(7 * 86_400 - 1)
    node.node.lines.add(other, "info", "new")
    await node.node.lines.write()
    await sweep(node.node.store, SWEEP, node.clock.now())
    assert await messages(node) == ["new", "old"]
    node.clock.advance(1)
    await sweep(node.node.store, SWEEP, node.clock.now())
    assert await messages(node) == ["new"]
    node.node.lines.add(other, "info", "waits while it is purged")
    await node.run("apps.delete", app="other", purge=True, confirm="other")
    await node.node.lines.write()
    assert stored(node) == []


async def test_lines_that_could_not_be_written_are_written_later(
    node: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await app(node)
    node.node.lines.add(shop, "info", "kept")

    async def full(steps: Any) -> Any:
        raise FaztError("STORAGE_FULL", "full")

    with monkeypatch.context() as broken:
        broken.setattr(node.node.store, "write", full)
        with pytest.raises(FaztError):
            await node.node.lines.write()
    node.node.lines.add(shop, "info", "after")
    assert await messages(node) == ["after", "kept"]
    await node.node.lines.write()
    assert len(stored(node)) == 2


async def test_ids_go_on_after_a_start_with_a_clock_that_went_back(node: Running) -> None:
    shop = await app(node)
    node.node.lines.add(shop, "info", "first")
    await node.node.lines.write()
    node.clock.advance(-3600)
    again = Lines(node.node.store, node.node.redactor, lambda ids: set(ids))
    again.add(shop, "info", "second")
    await again.write()
    assert await messages(node) == ["second", "first"]


async def test_what_waits_is_written_when_the_node_stops(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        node.node.lines.add(await app(node), "info", "last words")
    async with running(tmp_path / "data.db") as node:
        assert await messages(node) == ["last words"]


async def test_an_invocation_has_a_quota(node: Running) -> None:
    shop = await app(node)
    for said in (MOST_PER_INVOCATION, MOST_PER_INVOCATION + 2):
        quota = Quota(node.node.lines, shop, request=f"req_{said}")
        for n in range(said):
            quota.add("info", str(n))
        quota.end()
        await node.node.lines.write()
    assert len(await messages(node, f"?request=req_{MOST_PER_INVOCATION}&limit=1000")) == MOST_PER_INVOCATION
    over = await messages(node, f"?request=req_{MOST_PER_INVOCATION + 2}&limit=1000")
    assert over[0] == f"2 lines were left out: a request may say {MOST_PER_INVOCATION}."
    assert over[1] == str(MOST_PER_INVOCATION - 1)


# --- following --------------------------------------------------------------------------------------------------------


class Stream:
    """An open stream of the node."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def line(self) -> str:
        # the time limit is for a stream that says nothing: it would stop the whole run
        async with asyncio.timeout(20):
            return (await self.answer.content.readline()).decode().rstrip("\n")

    async def message(self) -> str:
        while not (line := await self.line()).startswith("data: "):
            assert line in ("", ":"), line
        return str(json.loads(line.removeprefix("data: "))["message"])


async def opened(node: Running, query: str = "", key: str = "read") -> Stream:
    headers = {"Host": f"{node.admin}:{node.site.port}", "Authorization": f"Bearer {await node.key(key)}"}
    url = f"http://127.0.0.1:{node.site.port}/api/logs/stream{query}"
    return Stream(await node.session.get(url, headers=headers))


async def test_a_stream_tells_what_was_and_what_comes_before_it_is_written(node: Running) -> None:
    shop, other = await app(node), await app(node, "other")
    node.node.lines.add(shop, "info", "was")
    node.node.lines.add(other, "info", "not asked for")
    stream = await opened(node, "?app=shop&level=info")
    assert stream.answer.headers["Content-Type"] == "text/event-stream"
    assert await stream.message() == "was"
    told = threading.Thread(target=lambda: node.node.lines.add(shop, "warn", "from a thread"))
    told.start()
    assert await stream.message() == "from a thread"
    node.node.lines.add(shop, "debug", "not asked for")
    node.node.lines.add(other, "error", "not asked for")
    node.node.lines.add(shop, "error", "more")
    assert await stream.message() == "more"
    assert stored(node) == []
    told.join()
    stream.answer.close()


async def test_a_stream_goes_on_where_one_was(node: Running) -> None:
    shop = await app(node)
    for n in range(3):
        node.node.lines.add(shop, "info", str(n))
    second = (await listed(node))[1]["id"]
    answer = await node.ask("GET", f"/api/logs/stream?follow=false&after={second}", key="read")
    assert answer.body.count(b"data: ") == 1
    assert b'"message":"2"' in answer.body


async def beat(node: Running) -> None:
    """Move time until whoever waits for it has heard."""
    while not node.clock.sleepers:
        await node.ask("GET", "/api/auth/status")
    node.clock.advance(15)


async def test_a_quiet_stream_shows_that_it_lives(node: Running) -> None:
    stream = await opened(node)
    await beat(node)
    assert await stream.line() == ":"
    stream.answer.close()


async def test_a_stream_ends_when_its_key_is_revoked(node: Running) -> None:
    shop = await app(node)
    stream = await opened(node)
    key = next(key for key in (await node.ask("GET", "/api/keys", key="*")).data if key["scopes"] == ["read"])
    await node.run("keys.revoke", id=key["id"])
    await beat(node)
    assert await stream.line() == "event: error"
    assert '"INVALID_API_KEY"' in await stream.line()
    node.node.lines.add(shop, "info", "not for them")
    assert await stream.line() == ""
    assert await stream.line() == ""
    assert node.node.lines._followers == set()


async def test_streams_end_when_the_node_stops(node: Running) -> None:
    stream = await opened(node)
    node.server.api.streams.close()
    assert await stream.line() == ""
    late = await opened(node)
    assert await late.line() == ""


async def test_a_reader_that_goes_is_forgotten(node: Running) -> None:
    shop = await app(node)
    stream = await opened(node)
    assert len(node.node.lines._followers) == 1
    stream.answer.close()
    for _ in range(200):
        node.node.lines.add(shop, "info", "x" * 1000)
        await node.ask("GET", "/api/auth/status")
        if not node.node.lines._followers:
            break
    assert node.node.lines._followers == set()


async def test_a_slow_reader_hears_how_much_it_missed(node: Running) -> None:
    lines, shop = node.node.lines, await app(node)
    reader = lines.follow(EVERYTHING)
    first = asyncio.ensure_future(anext(reader))
    await asyncio.wait((first,), timeout=0)
    for n in range(MOST_QUEUED + 5):
        lines.add(shop, "info", str(n))
    heard: list[LineKept] = [await first]
    heard += [await anext(reader) for _ in range(MOST_QUEUED)]
    assert [line.message for line in heard[:2]] == ["0", "1"]
    assert heard[-1].message == "5 lines were not shown here: too many at once."
    await reader.aclose()
    assert lines._followers == set()


async def test_followers_are_limited(node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MOST_FOLLOWERS", 0)
    answer = await node.ask("GET", "/api/logs/stream", key="read")
    assert (answer.status, answer.code) == (503, "SERVICE_UNAVAILABLE")
