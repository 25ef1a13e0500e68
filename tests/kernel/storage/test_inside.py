"""Work in the middle of a batch: it looks before it writes, and fails alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.base.tables import Read
from kernel.storage import inside as module
from kernel.storage import store as stores
from kernel.storage.inside import Inside, step
from kernel.storage.store import Store

from .support import ALL, DELETE, GET, NOTES, RENAME, Gate, make
from .test_writer import together

WRONG = FaztError("CONFLICT", "Not as expected.")


def doubled(inside: Inside) -> str:
    """What it does depends on what it finds."""
    (value,) = inside.all(GET, key="a")[0]
    inside.do(RENAME, key="a", value=value * 2)
    return str(value)


def spoilt(inside: Inside) -> None:
    inside.do(DELETE, key="a")
    raise WRONG.again()


def lasting(inside: Inside) -> None:
    inside.do(DELETE, key="a")
    inside.look()


@pytest.mark.parametrize("light", [True, False])
async def test_each_sees_what_was_done_before_it_and_fails_alone(store: Store, gate: Gate, light: bool) -> None:
    rows, others = store.scoped("a"), store.scoped("b")
    for mine in (rows, others):
        await store.write(mine.put(NOTES, key="a", value=1).steps)
    works = [doubled, spoilt, doubled, spoilt, doubled]
    said = await together(store, gate, *([step(rows, work, light=light)] for work in works))
    assert [answer if isinstance(answer, list) else answer.code for answer in said] == [
        [["1"]],
        "CONFLICT",
        [["2"]],
        "CONFLICT",
        [["4"]],
    ]
    assert (rows.all(ALL), others.all(ALL)) == ([("a", 8)], [("a", 1)])


@pytest.mark.parametrize("name", ["SECONDS", "WORK_SECONDS"])
@pytest.mark.parametrize("light", [True, False])
async def test_what_takes_too_long_is_undone_and_others_are_not(
    store: Store, gate: Gate, monkeypatch: pytest.MonkeyPatch, name: str, light: bool
) -> None:
    rows = store.scoped("a")
    await store.write(rows.put(NOTES, key="a", value=1).steps)
    monkeypatch.setattr(module, name, -1.0)
    said: list[Any] = await together(
        store, gate, [step(rows, lasting, light=light)], list(rows.put(NOTES, key="b", value=2).steps)
    )
    assert said[0].code == "TIMEOUT"
    assert rows.all(ALL) == [("a", 1), ("b", 2)]


@pytest.mark.parametrize("where", ["inside", "scan", "point"])
def test_slow_functions_of_ours_keep_nobody_longer_than_slow_statements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    asked = 0

    def slow(value: Any) -> int:
        nonlocal asked
        asked += 1
        time.sleep(0.02)
        return 0

    for limits, name in ((module, "SECONDS"), (stores, "SCAN_SECONDS"), (stores, "POINT_SECONDS")):
        monkeypatch.setattr(limits, name, 0.2)
    store = make(tmp_path, functions={"slow": slow})
    rows = store.scoped("a")
    store.write_blocking([one for n in range(100) for one in rows.put(NOTES, key=str(n), value=n).steps])
    read = Read("select key from {notes} where slow(key) = 1")
    with pytest.raises(FaztError) as refused:
        if where == "inside":
            store.write_blocking([step(rows, lambda inside: inside.all(read))])
        elif where == "scan":
            store.scan_blocking(rows.scan((read, {}), then=lambda found: found))
        else:
            rows.all(read)
    assert refused.value.code == "TIMEOUT"
    assert asked <= 11
    # afterwards it is as slow as it likes to be where nobody waits
    monkeypatch.setattr(stores, "SCAN_SECONDS", 60)
    assert store.scan_blocking(rows.scan((read, {}), then=lambda found: found)) == [[]]
    assert store.write_blocking(rows.put(NOTES, key="a", value=1).steps)
    store.close()


@pytest.mark.parametrize("light", [True, False])
async def test_all_of_one_batch_have_no_more_time_than_one(
    store: Store, gate: Gate, monkeypatch: pytest.MonkeyPatch, light: bool
) -> None:
    rows = store.scoped("a")
    monkeypatch.setattr(module, "SECONDS", 0.3)
    done = 0

    def slow(inside: Inside) -> None:
        nonlocal done
        done += 1
        time.sleep(0.1)
        inside.make(rows.put(NOTES, key="a", value=done))

    many = [step(rows, slow, light=light) for _ in range(50)]
    said: list[Any] = await together(store, gate, many, list(rows.put(NOTES, key="b", value=2).steps))
    assert said[0].code == "TIMEOUT"
    # a light one may be tried twice
    assert done <= 4 * (1 + light)
    assert rows.all(ALL) == [("b", 2)]
    # one after the other they fit
    for _ in range(5):
        await store.write([step(rows, slow, light=light)])
