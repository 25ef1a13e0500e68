"""A file is a copy of ours, whole, or it is refused for what it is; looking at it changes nothing."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from kernel.base.errors import FaztError
from kernel.base.tables import Migration
from kernel.storage import copies
from kernel.storage.copying import copy
from kernel.storage.store import Store

from .support import MIGRATIONS, insert

PAGE = 8192


@pytest.fixture
def whole(store: Store, tmp_path: Path) -> Path:
    async def made() -> None:
        for n in range(200):
            await store.write([insert(n, "x" * 3000)])
        await copy(store, tmp_path / "copy.db")

    asyncio.run(made())
    return tmp_path / "copy.db"


def torn(data: bytes) -> bytes:
    return data[: len(data) // 2]


def noise(data: bytes) -> bytes:
    middle = len(data) // 2 // PAGE * PAGE
    return data[:middle] + random.Random(1).randbytes(PAGE) + data[middle + PAGE :]


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "torn": (torn, "STORAGE_ERROR"),
    "torn in a page": (lambda data: data[: len(data) - 100], "STORAGE_ERROR"),
    "the last page is missing": (lambda data: data[:-PAGE], "STORAGE_ERROR"),
    "a page of noise": (noise, "STORAGE_ERROR"),
    "the first page": (lambda data: data[:100] + bytes(PAGE - 100) + data[PAGE:], "STORAGE_ERROR"),
    "encrypted": (lambda data: random.Random(2).randbytes(len(data)), "SCHEMA_MISMATCH"),
    "empty": (lambda data: b"", "SCHEMA_MISMATCH"),
    "a text": (lambda data: b"Dear diary,\n" * 1000, "SCHEMA_MISMATCH"),
    "only the header": (lambda data: data[:100], "STORAGE_ERROR"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_refused(whole: Path, damage: str) -> None:
    make, code = DAMAGE[damage]
    content = make(whole.read_bytes())
    whole.write_bytes(content)
    before = sorted(whole.parent.iterdir())
    with pytest.raises(FaztError) as refused:
        copies.inspect(whole)
    assert refused.value.code == code
    assert str(whole) in refused.value.message
    assert refused.value.hint
    assert whole.read_bytes() == content
    assert sorted(whole.parent.iterdir()) == before


def test_a_copy_is_what_it_is(whole: Path) -> None:
    before = sorted(whole.parent.iterdir())
    found = copies.inspect(whole)
    assert (found.bytes, found.version) == (whole.stat().st_size, "0")
    assert set(found.migrations) == {"storage_0001", "notes_0001"}
    assert sorted(whole.parent.iterdir()) == before


def test_a_database_of_another_program(tmp_path: Path) -> None:
    theirs = sqlite3.connect(tmp_path / "theirs.db")
    theirs.execute("create table schema_migrations (version text)")
    theirs.commit()
    theirs.close()
    with pytest.raises(FaztError) as refused:
        copies.inspect(tmp_path / "theirs.db")
    assert refused.value.code == "SCHEMA_MISMATCH"


def test_what_is_not_there_or_not_to_be_read(tmp_path: Path) -> None:
    with pytest.raises(FaztError) as refused:
        copies.inspect(tmp_path / "none.db")
    assert refused.value.code == "NOT_FOUND"
    with pytest.raises(FaztError) as refused:
        copies.inspect(tmp_path)
    assert refused.value.code == "STORAGE_ERROR"


def test_every_page_is_looked_at(whole: Path) -> None:
    """Bytes turned anywhere in what holds the tree together are found."""
    content, chance = whole.read_bytes(), random.Random(3)
    found = 0
    for page in range(1, len(content) // PAGE):
        at = page * PAGE + chance.choice([0, 3, 5])  # kind, cells, where they begin
        if content[at] in (0,) and content[page * PAGE] not in (2, 5, 10, 13):
            continue  # a page of the free list, or the rest of a long row
        if content[page * PAGE] not in (2, 5, 10, 13):
            continue
        turned = bytearray(content)
        turned[at] ^= 0x55
        whole.write_bytes(turned)
        with pytest.raises(FaztError):
            copies.inspect(whole)
        found += 1
    assert found > 50


def test_what_it_lacks_and_what_is_unknown(whole: Path) -> None:
    later = Migration("later_0001", "create table later (n integer)")
    found = copies.inspect(whole)
    assert copies.compare(found, MIGRATIONS) == ([], [])
    assert copies.compare(found, (*MIGRATIONS, later)) == (["later_0001"], [])
    assert copies.compare(found, ()) == ([], ["notes_0001"])
    edited = Migration("notes_0001", "create table other (n integer)")
    with pytest.raises(FaztError) as refused:
        copies.compare(found, (edited,))
    assert refused.value.code == "SCHEMA_MISMATCH"
