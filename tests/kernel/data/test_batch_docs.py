"""Batches of documents and values are what single calls are, one after another."""

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
from kernel.syscall.call import LOCAL

APP, OTHER = "app_aaaaaaaaaaaa", "app_bbbbbbbbbbbb"
GRANTS = frozenset({"storage:kv", "storage:ds"})
ALL = ("app_docs", "app_collections", "app_kv", "usage")


class Bench:
    def __init__(self, node: Node) -> None:
        self.node = node

    async def js(self, name: str, *arguments: Any, app: str = APP) -> Any:
        entry = self.node.registry[f"storage.{name}"]
        call = self.node.driver.call(LOCAL, "js", app=app, grants=GRANTS)
        result = entry.javascript(call, msgspec.json.encode(arguments))
        answer = await self.node.driver.settle(entry, call, result, {})
        return None if entry.declared.quiet or answer is msgspec.UNSET else answer

    def rows(self, app: str) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for table in ALL:
            reader = self.node.store.reader()
            names = [row[1] for row in reader.execute(f"pragma table_info({table})")]
            kept = ", ".join(name for name in names if name not in ("app_id", "seq"))
            order = "seq" if "seq" in names else kept
            found[table] = reader.execute(
                f"select {kept} from {table} where app_id = ? order by {order}", (app,)
            ).fetchall()
        # a copy has no rows that say there is nothing
        found["usage"] = [row for row in found["usage"] if row[1]]
        return found

    def copy(self, app: str, to: str) -> None:
        """Make one app's rows those of the other."""
        steps = self.node.store.purge(to) + self.node.store.copy(app, to, True, self.node.clock.now())
        self.node.store.write_blocking(steps)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    node = Node(tmp_path / "data.db", clock=ManualClock())
    yield Bench(node)
    node.close()


def _some(picked: random.Random) -> list[Any]:
    collection, id, key = picked.choice(["birds", "trees"]), picked.choice("abcdef"), picked.choice("xyz")
    query = picked.choice([{}, {"id": id}, {"n": {"$gt": 2}}, {"n": None}, id])
    changes = picked.choice(
        [{"n": 1}, {"$set": {"n": picked.randrange(5)}}, {"$inc": {"n": 2}}, {"$push": {"l": 1}}, {"$unset": {"n": ""}}]
    )
    document = {"id": id, "n": picked.choice([0, 1, 3, 2.5, "t", None])}
    return picked.choice(
        [
            ["ds.insert", collection, document],
            ["ds.insert", collection, [document, {"id": id + id, "n": 4}]],
            ["ds.update", collection, query, changes],
            ["ds.delete", collection, query],
            ["ds.deleteOldest", collection, 3],
            ["kv.incr", key, picked.randrange(-3, 4)],
            ["kv.cas", key, picked.choice([None, 1, 2]), picked.choice([1, 2, "t"])],
            ["kv.set", key, picked.choice([1, 2.5, "t", {}])],
            ["kv.delete", key],
        ]
    )


@pytest.mark.parametrize("seed", range(4))
async def test_a_batch_is_what_single_calls_are(bench: Bench, seed: int) -> None:
    picked = random.Random(seed)
    failed = 0
    for _ in range(80):
        operations = [_some(picked) for _ in range(picked.randrange(1, 9))]
        before = bench.rows(APP)
        expected, error = [], None
        for operation in operations:
            try:
                expected.append(await bench.js(*operation, app=OTHER))
            except FaztError as refused:
                error = refused
                break
        if error is None:
            answers = await bench.js("batch", operations)
            assert msgspec.json.encode(answers) == msgspec.json.encode(expected), operations
            assert bench.rows(APP) == bench.rows(OTHER), operations
        else:
            failed += 1
            with pytest.raises(FaztError) as told:
                await bench.js("batch", operations)
            place = len(expected)
            # an error that is seen when the plans are made is told before one that is seen when they are carried out
            assert told.value.details["operation"] >= place, operations
            if told.value.details["operation"] == place:
                assert told.value.code == error.code, operations
                assert told.value.message == f"operations[{place}]: {error.message}"
            assert bench.rows(APP) == before, operations
            bench.copy(APP, OTHER)
    assert failed > 5


async def test_what_was_inserted_can_be_changed_in_the_same_batch(bench: Bench) -> None:
    answers = await bench.js(
        "batch",
        [
            ["ds.insert", "birds", {"id": "a", "n": 1}],
            ["ds.update", "birds", {"id": "a"}, {"$inc": {"n": 1}}],
            ["ds.update", "birds", {"n": 2}, {"$inc": {"n": 1}}],
            ["ds.insert", "birds", {"id": "b", "n": 9}],
            ["ds.delete", "birds", {"n": 9}],
            ["kv.incr", "n"],
            ["kv.incr", "n", 5],
        ],
    )
    assert answers == ["a", 1, 1, "b", 1, 1, 6]
    assert msgspec.json.decode(await bench.js("ds.get", "birds", "a"))["n"] == 3
