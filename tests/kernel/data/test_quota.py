"""What an app may keep altogether."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fazt.boot import PARTS, Node, declared
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.base.tables import Table
from kernel.data import measured
from kernel.data.kv import KV
from kernel.data.quota import GOOD, MOST, Quotas, Tally, room
from kernel.syscall import Call
from kernel.syscall.call import LOCAL

APP, OTHER = "app_aaaaaaaaaaaa", "app_bbbbbbbbbbbb"
# small rows that describe others, or are counted by their number already
NOT_MEASURED = {"app_indexes", "app_places", "app_texts", "vector_embeddings", "app_docs"}


class Bench:
    def __init__(self, node: Node, clock: ManualClock) -> None:
        self.node, self.clock, self.quotas = node, clock, node.ports.use(Quotas)
        self.limit(1000)

    def limit(self, most: int) -> None:
        self.node.settings.apply(MOST.name, most)

    def call(self, app: str = APP, user: str = "") -> Call:
        return self.node.driver.call(LOCAL, "js", app=app, user=user)

    def keep(self, size: int, app: str = APP, user: str = "", key: str = "k") -> None:
        """A value of so many bytes with its key, without being asked."""
        values = {"key": key, "value": "x" * (size - len(key)), "expires_at": None, "updated_at": 1}
        self.node.store.write_blocking(self.call(app, user).store.put(KV, **values).steps)

    def refuses(self, more: int, app: str = APP) -> bool:
        try:
            room(self.call(app), more)
        except FaztError as error:
            assert error.code == "LIMIT_EXCEEDED"
            return True
        return False

    async def used(self, app: str = APP) -> int:
        return int((await self.usage(app)).bytes)

    async def usage(self, app: str = APP) -> Any:
        entry = self.node.registry["storage.usage"]
        return await self.node.driver.invoke(entry, self.node.driver.call(LOCAL, "http", app=app), {})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = ManualClock()
    node = Node(tmp_path / "data.db", clock=clock)
    yield Bench(node, clock)
    node.close()


def test_what_is_added_counts_at_once_in_each_app_by_itself(bench: Bench) -> None:
    assert not bench.refuses(1000)
    assert bench.refuses(1)
    assert not bench.refuses(0) and not bench.refuses(-5)
    assert not bench.refuses(1000, OTHER)


def test_what_was_refused_does_not_count(bench: Bench) -> None:
    assert bench.refuses(1001) and not bench.refuses(1000)


def test_the_refusal_says_what_there_is_and_what_helps(bench: Bench) -> None:
    room(bench.call(), 900)
    with pytest.raises(FaztError) as told:
        room(bench.call(), 101)
    assert told.value.details == {"limit": MOST.name, "most": 1000, "used": 900}
    assert "900B of 1000B" in told.value.message and "limits set storage.maxTotalPerApp" in (told.value.hint or "")


def test_a_limit_that_changes_holds_from_then_on(bench: Bench) -> None:
    room(bench.call(), 1000)
    bench.limit(2000)
    assert not bench.refuses(1000)
    bench.limit(0)
    assert bench.refuses(1)


async def test_what_lies_there_is_found_by_measuring(bench: Bench) -> None:
    bench.keep(600)
    bench.keep(300, user="u1")
    bench.keep(5000, app=OTHER)
    room(bench.call(), 1)
    await bench.quotas.look()
    assert bench.refuses(101) and not bench.refuses(100)


async def test_what_was_deleted_is_noticed(bench: Bench) -> None:
    room(bench.call(), 1000)
    await bench.quotas.look()
    assert not bench.refuses(1000)
    # nothing was written after all; who was refused is looked at first
    assert bench.refuses(1)
    await bench.quotas.look()
    assert not bench.refuses(1)


async def test_what_is_added_while_it_is_measured_is_not_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    room(bench.call(), 400)
    scan = bench.node.store.scan

    async def slow(plan: Any) -> Any:
        found = await scan(plan)
        if not added:
            room(bench.call(), 300)
            added.append(True)
        return found

    added: list[bool] = []
    monkeypatch.setattr(bench.node.store, "scan", slow)
    await bench.quotas.measure(APP)
    assert bench.refuses(701) and not bench.refuses(700)


async def test_what_cannot_be_measured_keeps_its_figure(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def late(plan: Any) -> Any:
        raise FaztError("TIMEOUT", "It took too long.")

    room(bench.call(), 900)
    with monkeypatch.context() as patched:
        patched.setattr(bench.node.store, "scan", late)
        await bench.quotas.look()
        assert bench.refuses(101)
    await bench.quotas.look()
    assert not bench.refuses(1000)


async def test_who_writes_little_is_measured_rarely(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.limit(1 << 30)
    measured_apps: list[str] = []
    measure = bench.quotas.measure

    async def watched(app: str) -> None:
        measured_apps.append(app)
        await measure(app)

    monkeypatch.setattr(bench.quotas, "measure", watched)
    room(bench.call(), 1)
    for _ in range(3):
        await bench.quotas.look()
        room(bench.call(), 1)
    assert measured_apps == [APP]
    bench.clock.advance(GOOD + 1)
    await bench.quotas.look()
    assert measured_apps == [APP] * 2
    room(bench.call(), 1 << 28)
    await bench.quotas.look()
    assert measured_apps == [APP] * 3
    # who writes nothing any more is forgotten
    bench.clock.advance(GOOD + 1)
    await bench.quotas.look()
    room(bench.call(), 1)
    await bench.quotas.look()
    assert measured_apps == [APP] * 4


async def test_usage_says_what_there_is_by_kind(bench: Bench) -> None:
    bench.keep(500, key="é")
    bench.keep(100, user="u1")
    bench.keep(7000, app=OTHER)
    usage = await bench.usage()
    kinds = {share.kind: (share.rows, share.bytes) for share in usage.kinds}
    assert kinds["kv"] == (2, 601) and {"ds", "s3", "kv", "vector"} <= set(kinds)
    assert (usage.bytes, usage.limit) == (601, 1000)
    assert all(share == (0, 0) for kind, share in kinds.items() if kind != "kv")


async def test_usage_knows_every_kind(bench: Bench) -> None:
    bench.limit(1 << 30)
    grants = frozenset({"storage:ds", "storage:s3", "storage:rd", "storage:vector"})

    async def js(name: str, *arguments: Any, data: bytes | None = None) -> None:
        entry = bench.node.registry[f"storage.{name}"]
        call = bench.node.driver.call(LOCAL, "js", app=APP, grants=grants)
        result = entry.javascript(call, msgspec.json.encode(arguments), data)
        await bench.node.driver.settle(entry, call, result, {})

    await js("ds.insert", "birds", [{"a": "x" * 100}, {"a": 1}])
    await js("ds.insert", "birds", {"id": "gone", "a": "x" * 1000})
    await js("ds.delete", "birds", "gone")
    await js("s3.put", "k", data=b"x" * 300)
    await js("rd.define", "notes", {"text": "text"})
    await js("rd.query", "insert into notes (text) values ('twelve chars'), (null)")
    usage = await bench.usage()
    kinds = {share.kind: (share.rows, share.bytes) for share in usage.kinds}
    assert kinds["ds"] == (2, 100 + len('{"a":""}') + len('{"a":1}'))
    assert kinds["s3"][0] == 1 and kinds["s3"][1] >= 300
    assert kinds["rd"][1] >= 12
    assert usage.bytes == sum(size for _, size in kinds.values())
    assert (await bench.usage(OTHER)).bytes == 0
    await bench.quotas.measure(APP)
    bench.limit(usage.bytes)
    assert bench.refuses(1)


def test_every_table_of_apps_is_measured() -> None:
    rooms = {t.name for t in declared(Table) if t.scope == "app" and t.module.startswith("kernel.data.")}
    seen = {table.name for tally in declared(Tally) for table in tally.count.tables}
    assert rooms - seen - NOT_MEASURED == set()


def test_the_parts_that_measure_are_parts_of_the_node() -> None:
    assert measured in PARTS
