"""Work in the middle of a batch: it looks before it writes, and fails alone."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.storage import inside as module
from kernel.storage.inside import Inside, step
from kernel.storage.store import Store

from .support import ALL, DELETE, GET, NOTES, RENAME, Gate
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
