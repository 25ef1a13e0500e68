"""A copy made while the file is written to: whole, of one moment, or not there at all."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import apsw
import pytest

from kernel.base.errors import FaztError
from kernel.storage import copying
from kernel.storage.copying import Copying, copy
from kernel.storage.store import Store
from kernel.syscall.plan import Step

from .support import insert, make, numbers

FILL = "insert into plain (n, at) select value, :text from generate_series(:first, :last)"


def content(path: Path) -> list[tuple[int, str]]:
    connection = apsw.Connection(f"file:{path}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        assert connection.execute("pragma integrity_check").get == "ok"
        return connection.execute("select n, at from plain order by n").fetchall()
    finally:
        connection.close()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if "copy" in path.name)


async def fill(store: Store, count: int = 300) -> None:
    for n in range(count):
        await store.write([insert(n, "x" * 2000)])


async def test_it_has_what_was_written_before_and_nothing_by_half(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAGES", 4)
    part, seen = Copying.part, -1

    def one_for_each_group(self: Copying, source: apsw.Connection) -> bool:
        nonlocal seen
        if seen == store.writer.groups:
            return True
        seen = store.writer.groups
        return part(self, source)

    monkeypatch.setattr(Copying, "part", one_for_each_group)
    await fill(store)
    making = asyncio.ensure_future(copy(store, tmp_path / "copy.db"))
    written = 1000
    while not making.done():
        # both or none
        await store.write([insert(written, "y" * 3000), insert(written + 1, "z" * 3000)])
        written += 2
    await making
    assert written > 1040, "they were written while it was made"
    found = content(tmp_path / "copy.db")
    rows = {n for n, _ in found}
    assert set(range(300)) <= rows
    pairs = sorted(rows - set(range(300)))
    assert len(pairs) % 2 == 0
    assert pairs == list(range(1000, 1000 + len(pairs))), "what came first, as far as it goes"
    assert left(tmp_path) == ["copy.db"]


async def test_what_is_written_while_it_is_made_waits_for_one_part_at_most(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAGES", 1)
    await fill(store)
    parts: list[int] = []
    making = asyncio.ensure_future(copy(store, tmp_path / "copy.db", lambda done, _: parts.append(done)))
    waits = []
    for n in range(20):
        before = len(parts)
        await store.write([insert(5000 + n)])
        waits.append(len(parts) - before)
    await making
    # the loop sleeps between them, so a part or two may be done before a write is there
    assert sorted(waits)[len(waits) // 2] <= 10
    assert len(parts) > 50


async def test_a_row_that_does_not_fit_changes_neither(store: Store, tmp_path: Path) -> None:
    await fill(store, 20)
    making = asyncio.ensure_future(copy(store, tmp_path / "copy.db"))
    with pytest.raises(apsw.ConstraintError):
        await store.write([insert(50), insert(51, "bad")])
    await making
    assert [n for n, _ in content(tmp_path / "copy.db")] == numbers(store) == list(range(20))


@pytest.mark.parametrize("error", [apsw.FullError("full"), apsw.IOError("broken"), RuntimeError("a bug")], ids=repr)
async def test_whichever_part_fails_nothing_is_left_and_the_store_goes_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(copying, "PAGES", 10)
    await fill(store, 200)
    part, failed = Copying.part, 0
    for nth in range(1, 100):
        count = 0

        def fails(self: Copying, source: Any, nth: int = nth) -> bool:
            nonlocal count
            count += 1
            if count == nth:
                raise error
            return part(self, source)

        monkeypatch.setattr(Copying, "part", fails)
        try:
            await copy(store, tmp_path / "copy.db")
        except (FaztError, RuntimeError) as told:
            failed += 1
            assert not isinstance(told, FaztError) or told.code in ("STORAGE_FULL", "STORAGE_ERROR")
            assert left(tmp_path) == []
            await store.write([insert(10_000 + nth)])
        else:
            break
    assert failed >= 5
    assert set(numbers(store)) == {n for n, _ in content(tmp_path / "copy.db")}


async def test_one_that_nobody_wants_any_more_ends(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAGES", 1)
    await fill(store, 100)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    parts: list[int] = []

    def told(done: int, _: int) -> None:
        parts.append(done)
        loop.call_soon_threadsafe(begun.set)

    making = asyncio.ensure_future(copy(store, tmp_path / "copy.db", told))
    await begun.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    await store.write([insert(1000)])
    there = len(parts)
    await store.write([insert(1001)])
    assert len(parts) == there
    assert left(tmp_path) == []


async def test_a_name_that_is_taken_stays_what_it_is(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_bytes(b"mine")
    with pytest.raises(FaztError) as refused:
        await copy(store, target)
    assert refused.value.code == "CONFLICT"
    assert target.read_bytes() == b"mine"
    assert left(tmp_path) == ["copy.db"]


async def test_it_is_nobody_elses_to_read(store: Store, tmp_path: Path) -> None:
    await copy(store, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600


async def test_two_at_a_time(store: Store, tmp_path: Path) -> None:
    await fill(store, 50)
    await asyncio.gather(*[copy(store, tmp_path / f"copy{n}.db") for n in range(3)])
    assert [len(content(tmp_path / f"copy{n}.db")) for n in range(3)] == [50] * 3


async def test_a_store_that_closes_says_so(tmp_path: Path) -> None:
    store = make(tmp_path)
    store.writer.close()
    with pytest.raises(FaztError) as refused:
        await copy(store, tmp_path / "copy.db")
    assert refused.value.code == "SERVICE_UNAVAILABLE"
    assert left(tmp_path) == []
    store.close()


async def test_work_that_lasts_longer_than_the_store_is_ended(store: Store) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def endless(_: apsw.Connection) -> bool:
        loop.call_soon_threadsafe(begun.set)
        return True

    working = asyncio.ensure_future(store.errand(endless))
    await begun.wait()
    await store.write([Step("insert into plain (n) values (1)", {})])
    await asyncio.to_thread(store.writer.close)
    with pytest.raises(FaztError) as refused:
        await working
    assert refused.value.code == "SERVICE_UNAVAILABLE"


async def test_two_of_one_name(store: Store, tmp_path: Path) -> None:
    await fill(store, 20)
    ends = await asyncio.gather(*[copy(store, tmp_path / "copy.db") for _ in range(2)], return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Copy", "FaztError"]
    assert len(content(tmp_path / "copy.db")) == 20
    assert left(tmp_path) == ["copy.db"]
