"""Content of objects: stored once, collected when nothing refers to it, shared by forks, gone with its app."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.data.object_content import SMALL
from kernel.fs import blobs, gc
from kernel.fs.blobs import Content, Piece
from kernel.fs.cid import CHUNK
from kernel.syscall import Step
from tests.kernel.data.object_bench import APP, OTHER, Bench

DAY = 24 * 3600
SIZES = (0, 5, CHUNK, CHUNK + 1, SMALL, SMALL + 1, 5 * CHUNK)


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = Bench(tmp_path / "data.db")
    yield made
    made.node.close()


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


async def collect(bench: Bench) -> int:
    store = bench.node.store
    return (await gc.collect(store, bench.node.ports.use(Content), store.scoped(""))).blobs


def count(bench: Bench, *tables: str) -> list[int]:
    return [bench.rows(f"select count(*) from {table}")[0][0] for table in tables]


@pytest.mark.parametrize("size", SIZES)
async def test_the_same_bytes_are_stored_once(bench: Bench, size: int) -> None:
    data = content(size)
    for n in range(3):
        await bench.put(f"k{n}", data, app=(APP, OTHER)[n % 2], user="u" * n)
    assert count(bench, "app_objects", "blobs", "chunks") == [3, 1, blobs.pieces_of(size)]


@pytest.mark.parametrize("size", SIZES)
async def test_content_stays_while_an_object_refers_to_it_and_goes_afterwards(bench: Bench, size: int) -> None:
    data = content(size)
    await bench.put("a", data, user="usr_1")
    await bench.put("b", data, app=OTHER)
    bench.clock.advance(9 * DAY)
    assert await collect(bench) == 0
    await bench.js("delete", "b", app=OTHER)
    bench.clock.advance(9 * DAY)
    assert await collect(bench) == 0
    assert (await bench.js("get", "a", user="usr_1")).data == data
    await bench.put("a", b"other", user="usr_1")
    assert await collect(bench) == 1
    assert count(bench, "blobs", "chunks") == [1, 1]


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_collected_can_be_put_again(bench: Bench, size: int) -> None:
    for _ in range(2):
        await bench.put("a", content(size))
        assert (await bench.js("get", "a")).data == content(size)
        await bench.js("delete", "a")
        bench.clock.advance(2 * DAY)
        assert await collect(bench) == 1


@pytest.mark.parametrize("size", [CHUNK + 1, SMALL, SMALL + 1, 5 * CHUNK])
async def test_pieces_that_others_sent_under_its_hash_do_not_stay(bench: Bench, size: int) -> None:
    """A deploy may send anything and call it anything, until it is looked at as a whole."""
    data = content(size)
    sha256 = hashlib.sha256(data).digest()
    for n in range(0, blobs.pieces_of(size) + 3, 2):
        for step in blobs.stored(Piece(sha256, size + 3 * CHUNK, n, b"wrong" * 10), bench.clock.now()):
            await bench.node.store.write([step])
    await bench.put("a", data)
    assert (await bench.js("get", "a")).data == data
    assert count(bench, "chunks") == [blobs.pieces_of(size)]


@pytest.mark.parametrize("size", [SMALL + 1, 5 * CHUNK])
@pytest.mark.parametrize(
    "tamper",
    ["delete from chunks where n = 1", "update chunks set data = x'00', leaf = x'00' where n = 1", "delete from blobs"],
)
async def test_a_put_is_never_half_there(bench: Bench, size: int, tamper: str) -> None:
    """What happens to the pieces before the batch that makes them whole."""
    entry, call = bench.node.registry["storage.s3.put"], bench.call()
    later = entry.javascript(call, b'["a"]', content(size))
    plan = await later.work()
    bench.node.store.write_blocking([Step(tamper, {})])
    with pytest.raises(FaztError) as refused:
        await bench.node.driver.settle(entry, call, plan, {})
    assert refused.value.code == "CONFLICT"
    assert await bench.js("get", "a") is None
    await bench.put("a", content(size))
    assert (await bench.js("get", "a")).data == content(size)


async def test_a_small_put_is_one_batch_of_few_statements(bench: Bench) -> None:
    plan = bench.node.registry["storage.s3.put"].javascript(bench.call(), b'["a"]', content(1024))
    assert len(plan.steps) <= 7
    assert plan.known.size == 1024


async def test_several_puts_are_one_batch_or_nothing(bench: Bench) -> None:
    entry, call = bench.node.registry["storage.s3.put"], bench.call()
    plans = [entry.javascript(call, b'["k%d"]' % n, content(n)) for n in range(3)]
    with pytest.raises(FaztError):
        failing = Step("insert into expect (ok) select 0", {}, FaztError("CONFLICT", "no"))
        await bench.node.store.write([*plans[0].steps, *plans[1].steps, failing])
    assert await bench.keys() == []
    await bench.node.store.write([*plans[0].steps, *plans[1].steps, *plans[2].steps])
    assert await bench.keys() == ["k0", "k1", "k2"]


async def test_a_fork_has_the_same_objects_and_keeps_them(bench: Bench) -> None:
    await bench.put("a", b"app's")
    await bench.put("a", b"user's", user="usr_1")
    store = bench.node.store
    await store.write(store.copy(APP, OTHER, True, 1))
    await store.write(store.purge(APP))
    bench.clock.advance(9 * DAY)
    assert await collect(bench) == 0
    assert (await bench.js("get", "a", app=OTHER)).data == b"app's"
    assert (await bench.js("get", "a", app=OTHER, user="usr_1")).data == b"user's"
    await store.write(store.purge(OTHER))
    assert await collect(bench) == 2
    assert count(bench, "app_objects", "blobs") == [0, 0]


def test_the_collector_finds_references_by_an_index(bench: Bench) -> None:
    plan = bench.rows(
        f"explain query plan {gc.LOOSE_BLOBS.sql}".replace(":before", "1").replace(":after", "1").replace(":limit", "1")
    )
    assert any("app_objects_blob" in row[3] for row in plan)
