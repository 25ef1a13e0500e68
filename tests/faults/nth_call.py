"""Writes under a disk whose Nth call fails: what was told is there, what was refused is there whole or not at all."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import apsw

from kernel.base.errors import FaztError
from kernel.base.tables import Migration
from kernel.storage.store import Store, open_store
from kernel.syscall.plan import Step
from tests.faults.disk_calls import Faults

MIGRATIONS = (Migration("plain_0001", "create table plain (n integer primary key, at text)"),)
BATCHES, APART = 12, 1000
KNOWN = {"STORAGE_ERROR", "STORAGE_FULL", "SERVICE_UNAVAILABLE"}


class Case(NamedTuple):
    kind: str
    error: str
    lasting: bool
    at_once: bool  # batches come together, so they are one group


# whichever call fails, and then those kinds of which every one fails from then on
CASES = [
    Case(kind, error, lasting, at_once)
    for kind, error, lasting in (
        *itertools.product(("any",), ("full", "broken"), (False, True)),
        *itertools.product(("write", "sync", "read"), ("full", "broken"), (True,)),
    )
    for at_once in (False, True)
]


def make(folder: Path) -> Store:
    return open_store(folder / "data.db", migrations=MIGRATIONS)


def insert(n: int, at: str) -> Step:
    return Step("insert into plain (n, at) values (:n, :at)", {"n": n, "at": at})


class Round(NamedTuple):
    reached: bool
    counts: Counter[str]
    wrong: list[str]


def base(folder: Path) -> Path:
    """A file with something in it already."""
    folder.mkdir(parents=True)
    store = make(folder)
    store.write_blocking([insert(-n, "x" * 3000) for n in range(1, 40)])
    store.close()
    return folder


def rounds(folder: Path, faults: Faults, case: Case, step: int = 1) -> Iterator[Round]:
    """For each N, until there are fewer calls than that."""
    start = base(folder / "base")
    nth = 1
    while True:
        there = folder / f"{nth}"
        shutil.copytree(start, there)
        found = asyncio.run(_round(there, faults, case, nth))
        shutil.rmtree(there)
        yield found
        if not found.reached:
            return
        nth += step


async def _round(folder: Path, faults: Faults, case: Case, nth: int) -> Round:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    told: set[int] = set()
    store: Store | None = None
    faults.arm(case.kind, nth, case.error, case.lasting)
    try:
        try:
            store = make(folder)
        except FaztError as error:
            counts["refused to open"] += 1
            wrong += [] if error.code in KNOWN and error.hint else [f"opening: {error!r}"]
        if store:
            before = faults.unsure
            told |= await _write(store, case, counts, wrong)
            # the writer may still be folding its log in
            await store.errand(lambda _: False) if not store.writer.broken else None
            if (faults.unsure > before) != bool(store.writer.broken):
                wrong.append(f"{faults.unsure - before} syncs failed; broken: {store.writer.broken}")
        reached = faults.failed > 0
        faults.disarm()
        if store:
            await _goes_on(store, told, counts, wrong)
    finally:
        faults.disarm()
        if store:
            store.close()
    wrong += _judged(folder / "data.db", told, counts)
    return Round(reached, counts, [f"{case} {nth}: {what}" for what in wrong])


async def _write(store: Store, case: Case, counts: Counter[str], wrong: list[str]) -> set[int]:
    told: set[int] = set()

    async def one(n: int) -> None:
        # two rows: both or none
        try:
            await store.write([insert(n, "a" * 3000), insert(n + APART, "b" * 3000)])
        except FaztError as error:
            counts["refused"] += 1
            if error.code not in KNOWN or not error.hint:
                wrong.append(f"write {n}: {error!r}")
        except Exception as error:
            wrong.append(f"write {n}: {error!r}")
        else:
            counts["told"] += 1
            told.add(n)

    if case.at_once:
        for start in range(0, BATCHES, 4):
            await asyncio.gather(*[one(n) for n in range(start, start + 4)])
    else:
        for n in range(BATCHES):
            await one(n)
    return told


async def _goes_on(store: Store, told: set[int], counts: Counter[str], wrong: list[str]) -> None:
    """The disk is well again: so are reads; and writes, unless it did not confirm what was written."""
    found = {n for (n,) in store.reader().execute("select n from plain where n >= 0")}
    wrong += [f"{n} was told and cannot be read" for n in told - found]
    try:
        await store.write([insert(BATCHES, "a"), insert(BATCHES + APART, "b")])
    except FaztError as error:
        counts["stopped writing"] += 1
        if not store.writer.broken:
            wrong.append(f"it does not go on: {error!r}")
    else:
        told.add(BATCHES)
        counts["went on"] += 1
        if store.writer.broken:
            wrong.append("it writes though the disk did not confirm")


def _judged(database: Path, told: set[int], counts: Counter[str]) -> list[str]:
    """What the next start finds."""
    connection = apsw.Connection(str(database), vfs="unix")
    try:
        whole = [row[0] for row in connection.execute("pragma integrity_check")]
        rows = {n for (n,) in connection.execute("select n from plain")}
    finally:
        connection.close()
    wrong = [] if whole == ["ok"] else [f"the file is damaged: {whole}"]
    wrong += [f"{n} is there by half" for n in range(BATCHES + 1) if (n in rows) != (n + APART in rows)]
    wrong += [f"{n} was told and is lost" for n in told - rows]
    wrong += ["what was there before is lost"] if len([n for n in rows if n < 0]) != 39 else []
    counts["unsure"] += len({n for n in rows if 0 <= n < APART} - told)
    return wrong
