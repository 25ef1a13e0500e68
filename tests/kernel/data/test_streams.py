"""Sharded collections: events are taken at once, lie many to a row, and are found again, newest first."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fazt.boot import Node
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.data import stream_buffer, streams
from kernel.data.collections import Declared, Said, StorageSaid
from kernel.data.doc_order import ordering
from kernel.data.doc_query import compiled
from kernel.data.doc_values import documents
from kernel.data.stream_tables import SWEEP
from kernel.storage.sweep import sweep
from kernel.syscall.call import LOCAL
from kernel.syscall.plan import Later, Scan, Step, Write

APP, OTHER, C = "app_aaaaaaaaaaaa", "app_bbbbbbbbbbbb", "events"
MONTH = 32 * 24 * 3_600_000


class Bench:
    """A node without sockets whose apps all say that `events` is sharded."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, ManualClock()
        self.said = StorageSaid(collections={C: Said(sharded=True)})
        self.gone: set[str] = set()
        self.open()

    def open(self) -> None:
        self.node = Node(self.path, clock=self.clock)
        self.node.ports.fill(self, Declared)
        self.streams = self.node.streams
        self.streams._said = self.of
        self.streams._there = self._there

    def of(self, app: str, release: str = "") -> StorageSaid:
        return self.said

    def _there(self, app: str) -> Step:
        gone = FaztError("APP_NOT_FOUND", "Gone.")
        return Step("insert into expect (ok) select 0 where :gone", {"gone": app in self.gone}, gone)

    def again(self) -> None:
        """As after the program was killed."""
        self.node.close()
        self.open()

    def call(self, app: str = APP, user: str = "") -> Any:
        return self.node.driver.call(LOCAL, "js", app=app, user=user)

    async def done(self, plan: Any) -> Any:
        """What the driver does with what a function returns."""
        if isinstance(plan, Later):
            plan = await plan.work()
        if isinstance(plan, Write):
            return plan.result(await self.node.store.write(plan.steps) if plan.steps else [])
        return await self.node.store.scan(plan) if isinstance(plan, Scan) else plan

    async def insert(self, *docs: Any, app: str = APP) -> None:
        made = documents(list(docs), 1 << 20)
        await self.done(streams.inserted(self.call(app), C, made, None))

    async def find(self, query: Any = None, app: str = APP, **how: Any) -> list[Any]:
        sort = ordering(how.pop("order", None), how.pop("sort", None))
        plan = streams.found(self.call(app), C, compiled(query or {}), sort, **how)
        return [msgspec.json.decode(raw) for raw in await self.done(plan)]

    async def numbers(self, query: Any = None, **how: Any) -> list[int]:
        return [event["n"] for event in await self.find(query, **how)]

    async def count(self, query: Any = None, app: str = APP) -> int:
        return int(await self.done(streams.counted(self.call(app), C, compiled(query or {}))))

    def shards(self, app: str = APP) -> list[tuple[str, int]]:
        read = "select shard_key, count from event_shards where app_id = ? order by month, number"
        return [(str(key), int(str(count))) for key, count in self.node.store.reader().execute(read, (app,))]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "data.db")
    yield made
    made.node.close()


async def test_events_are_read_back_newest_first_whether_they_are_in_the_file_or_not(bench: Bench) -> None:
    at = bench.clock.now()
    await bench.insert({"n": 0}, {"id": "a", "n": 1, "é\"'": [None, 1e300, {"x": "\x00"}]})
    assert bench.shards() == []
    newest, oldest = await bench.find()
    assert newest == {"id": "a", "_createdAt": at, "_updatedAt": at, "n": 1, "é\"'": [None, 1e300, {"x": "\x00"}]}
    assert len(oldest["id"]) == 36
    assert [count for _, count in bench.shards()] == [2]
    await bench.insert({"n": 2})
    assert await bench.numbers() == [2, 1, 0]
    assert await bench.numbers(order="asc") == [0, 1, 2]
    assert [count for _, count in bench.shards()] == [3]
    assert await bench.find(app=OTHER) == []
    assert await bench.count(app=OTHER) == 0


async def test_a_row_takes_a_thousand_events_and_is_named_by_its_month(bench: Bench) -> None:
    for start in range(0, 2500, 500):
        await bench.insert(*[{"n": n} for n in range(start, start + 500)])
    await bench.streams.write_full()
    assert [count for _, count in bench.shards()] == [1000, 1000, 500]
    year, month = divmod(stream_buffer.month_of(bench.clock.now()), 100)
    assert [key for key, _ in bench.shards()] == [f"events:{year}:{month:02}:00{n}" for n in (1, 2, 3)]
    bench.clock.advance(MONTH / 1000)
    await bench.insert({"n": 2500})
    assert await bench.numbers(limit=2) == [2500, 2499]
    assert [count for _, count in bench.shards()] == [1000, 1000, 500, 1]
    assert bench.shards()[-1][0].endswith(":001")
    # a clock that was put back does not mix up what is newer
    bench.clock.advance(-MONTH / 1000)
    await bench.insert({"n": 2501})
    assert await bench.numbers(limit=2) == [2501, 2500]


async def test_large_events_fill_a_row_sooner(bench: Bench) -> None:
    for n in range(5):
        await bench.insert({"n": n, "text": "x" * 900_000})
    assert await bench.numbers() == [4, 3, 2, 1, 0]
    assert [count for _, count in bench.shards()] == [3, 2]


async def test_writing_happens_after_five_seconds_and_at_the_end_and_a_kill_loses_no_more(bench: Bench) -> None:
    await bench.insert({"n": 0})
    await bench.streams.write_full()
    assert bench.shards() == []
    await bench.streams.write_all()
    assert [count for _, count in bench.shards()] == [1]
    await bench.insert({"n": 1})
    bench.again()
    assert await bench.numbers() == [0]
    # the row that was begun is carried on
    await bench.insert({"n": 2})
    await bench.node.stop()
    assert [count for _, count in bench.shards()] == [2]
    bench.again()
    assert await bench.numbers() == [2, 0]


async def test_what_nobody_adds_to_is_forgotten_and_carried_on_later(bench: Bench) -> None:
    await bench.insert({"n": 0})
    for _ in range(3):
        await bench.streams.write_all()
    assert (bench.streams._streams, bench.streams.waiting) == ({}, 0)
    await bench.insert({"n": 1})
    assert await bench.numbers() == [1, 0]
    assert [count for _, count in bench.shards()] == [2]


async def test_a_write_that_fails_is_made_again_and_nothing_is_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.insert(*[{"n": n} for n in range(1500)])
    write = bench.node.store.write

    async def fails(steps: Any) -> Any:
        raise FaztError("STORAGE_FULL", "Full.")

    monkeypatch.setattr(bench.node.store, "write", fails)
    with pytest.raises(FaztError, match="Full"):
        await bench.find()
    with pytest.raises(FaztError, match="Full"):
        await bench.streams.write_all()
    await bench.insert({"n": 1500})
    monkeypatch.setattr(bench.node.store, "write", write)
    assert await bench.numbers() == list(range(1500, -1, -1))
    assert bench.streams.waiting == 0


async def test_what_waits_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_buffer, "MOST_WAITING", 2000)
    for n in range(200):
        await bench.insert({"n": n})
        assert bench.streams.waiting < 2000 + 200
    assert await bench.numbers() == list(range(199, -1, -1))


async def test_events_of_an_app_that_is_gone_are_dropped(bench: Bench) -> None:
    await bench.insert({"n": 0})
    await bench.insert({"n": 1}, app=OTHER)
    bench.gone.add(APP)
    await bench.streams.write_all()
    assert (bench.shards(APP), bench.streams.waiting) == ([], 0)
    assert [count for _, count in bench.shards(OTHER)] == [1]


# --- against lists ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
async def test_queries_and_deletions_do_as_lists_do(bench: Bench, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(stream_buffer, "MOST_EVENTS", 7)
    chance = random.Random(seed)
    model: list[dict[str, Any]] = []
    for step in range(60):
        action = chance.choice(["insert"] * 5 + ["find", "count", "trim", "all", "kill", "month", "write", "sum"])
        if action == "insert":
            docs = [{"n": step * 100 + n, "kind": chance.choice("abc")} for n in range(chance.randint(1, 9))]
            await bench.insert(*docs)
            model += docs
        elif action == "find":
            up, limit, offset = chance.random() < 0.5, chance.randint(0, 30), chance.randint(0, 9)
            kind = chance.choice("abc")
            wanted = [doc["n"] for doc in (model if up else model[::-1]) if doc["kind"] == kind]
            how = {"order": "asc" if up else "desc", "limit": limit, "offset": offset}
            assert await bench.numbers({"kind": kind}, **how) == wanted[offset : offset + limit]
            assert await bench.numbers(sort={"n": 1}) == sorted(doc["n"] for doc in model)
        elif action == "count":
            assert await bench.count() == len(model)
            assert await bench.count({"n": {"$gte": 3000}}) == sum(doc["n"] >= 3000 for doc in model)
        elif action == "sum":
            got = await bench.done(streams.totals(bench.call(), C, {"count": True, "sum": "n"}))
            assert got == {"count": len(model), "sum": sum(doc["n"] for doc in model)}
        elif action == "trim":
            keep = chance.randint(0, 40)
            gone = max(0, len(model) - keep)
            assert await bench.done(streams.trimmed(bench.call(), C, keep)) == gone
            model = model[gone:]
        elif action == "all" and chance.random() < 0.3:
            assert await bench.done(streams.removed(bench.call(), C, {})) == len(model)
            model = []
        elif action == "kill":
            await bench.streams.write_all()
            bench.again()
        elif action == "month":
            bench.clock.advance(MONTH / 1000)
        elif action == "write":
            await bench.streams.write_full()
            await bench.streams.write_all()
        assert await bench.numbers() == [doc["n"] for doc in model[::-1]]


async def test_two_deletions_at_once_take_no_more_than_each_says(bench: Bench) -> None:
    await bench.insert(*[{"n": n} for n in range(10)])
    one = await streams.trimmed(bench.call(), C, 6).work()
    other = await streams.trimmed(bench.call(), C, 6).work()
    assert await bench.done(one) == 4
    with pytest.raises(FaztError) as refused:
        await bench.done(other)
    assert refused.value.code == "CONFLICT"
    await bench.insert({"n": 10})
    assert await bench.numbers() == [10, 9, 8, 7, 6, 5, 4]


async def test_what_is_deleted_does_not_come_back_with_later_events(bench: Bench) -> None:
    await bench.insert(*[{"n": n} for n in range(10)])
    await bench.streams.write_all()
    plan = await streams.trimmed(bench.call(), C, 3).work()
    await bench.insert({"n": 10})
    assert await bench.done(plan) == 7
    await bench.streams.write_all()
    assert await bench.numbers() == [10, 9, 8, 7]


async def test_what_comes_while_all_is_deleted_stays(bench: Bench) -> None:
    await bench.insert(*[{"n": n} for n in range(10)])
    for plan in (streams.removed(bench.call(), C, {}), streams.trimmed(bench.call(), C, 0)):
        before = await bench.count()
        made = await plan.work()
        await bench.insert({"n": 10})
        await bench.streams.write_all()
        assert await bench.done(made) == before
        assert await bench.numbers() == [10]
        await bench.insert({"n": 11})
        assert await bench.numbers() == [11, 10]


async def test_totals_look_for_words_where_a_find_does(bench: Bench) -> None:
    bench.said = StorageSaid(collections={C: Said(sharded=True, text=["title"])})
    await bench.insert({"n": 1, "title": "wren"}, {"n": 2, "title": "owl", "about": "wren"})
    spec = {"sum": "n", "where": {"$text": "wren"}}
    assert await bench.done(streams.totals(bench.call(), C, spec)) == {"sum": 1}


@pytest.mark.parametrize("query", [{"n": 1}, {"$or": []}, "id", 5, None, []])
async def test_single_events_are_neither_changed_nor_deleted(bench: Bench, query: Any) -> None:
    await bench.insert({"n": 1})
    with pytest.raises(FaztError, match="never deleted one by one") as refused:
        await bench.done(streams.removed(bench.call(), C, query))
    assert (refused.value.code, "deleteOldest" in (refused.value.hint or "")) == ("INVALID_ARGUMENT", True)
    assert streams.updated(C).code == "INVALID_ARGUMENT"
    assert await bench.numbers() == [1]


async def test_old_months_go(bench: Bench) -> None:
    bench.said = StorageSaid(collections={C: Said(sharded=True, retention_months=2)})
    for n in range(5):
        await bench.insert({"n": n})
        await bench.streams.write_all()
        bench.clock.advance(MONTH / 1000)
    assert await bench.numbers() == [4, 3, 2]
    await sweep(bench.node.store, SWEEP, bench.clock.now())
    assert await bench.numbers() == [4, 3]
    bench.clock.advance(12 * MONTH / 1000)
    await sweep(bench.node.store, SWEEP, bench.clock.now())
    assert await bench.numbers() == []


async def test_what_somebody_has_for_himself_is_never_sharded(bench: Bench) -> None:
    assert streams.is_sharded(bench.call(), C)
    assert not streams.is_sharded(bench.call(user="u1"), C)
    assert not streams.is_sharded(bench.call(), "others")
