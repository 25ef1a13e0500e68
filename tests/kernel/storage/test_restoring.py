"""A copy takes the file's place: either all of it, or nothing has happened; the file before it is kept."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest

from kernel.base.errors import FaztError
from kernel.storage import copies, disk, restoring
from kernel.storage.copying import copy
from kernel.storage.lock import hold

from .support import insert, make, numbers

NOW = 1_800_000_000_123


class Killed(BaseException):
    pass


def lay_ready(copy: Path, database: Path) -> copies.Copy:
    return restoring.lay_ready(copy, database, lambda found, at: None)


def rows(path: Path) -> list[int]:
    connection = apsw.Connection(str(path))
    try:
        return [n for (n,) in connection.execute("select n from plain order by n")]
    finally:
        connection.close()


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A file with 1, 2, 3, a copy of when it had 1; of the file a part is in its log only."""
    there = tmp_path / "there"
    there.mkdir()
    store = make(there)
    await store.write([insert(1)])
    await copy(store, there / "copy.db")
    await store.write([insert(2)])
    store.close()
    store = make(there)
    await store.write([insert(3)])
    # as a kill leaves it
    killed = tmp_path / "killed"
    shutil.copytree(there, killed)
    store.close()
    return killed


def test_the_copy_is_there_and_the_old_file_beside_it(folder: Path) -> None:
    database = folder / "data.db"
    lay_ready(folder / "copy.db", database)
    kept = restoring.finish(database, NOW)
    assert kept == folder / f"data.db.replaced-{NOW}"
    assert rows(database) == [1]
    assert rows(kept) == [1, 2, 3], "what was in its log only is kept as well"
    assert rows(folder / "copy.db") == [1]
    assert not restoring.ready_path(database).exists()


def test_opening_the_store_finishes_it(folder: Path) -> None:
    lay_ready(folder / "copy.db", folder / "data.db")
    store = make(folder)
    assert numbers(store) == [1]
    store.close()


def test_without_one_nothing_happens(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert restoring.finish(folder / "data.db", NOW) is None
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_where_no_file_was(folder: Path) -> None:
    database = folder / "new.db"
    lay_ready(folder / "copy.db", database)
    restoring.finish(database, NOW)
    assert rows(database) == [1]


def test_a_damaged_copy_is_refused_before_anything_happens(folder: Path) -> None:
    copied = folder / "copy.db"
    copied.write_bytes(copied.read_bytes()[:-8192])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FaztError):
        lay_ready(copied, folder / "data.db")
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    after.pop("data.db.restore.lock")
    assert after == before


def test_a_file_that_cannot_be_opened_is_replaced_and_kept(folder: Path) -> None:
    database = folder / "data.db"
    database.write_bytes(b"nonsense")
    lay_ready(folder / "copy.db", database)
    kept = restoring.finish(database, NOW)
    assert rows(database) == [1]
    assert kept and kept.read_bytes() == b"nonsense"


CALLS = ((os, "link"), (os, "fsync"), (Path, "unlink"), (Path, "rename"), (shutil, "copyfile"), (copies, "inspect"))


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_killed_at_any_call_it_is_the_old_file_or_the_copy(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    verdicts = []
    for nth in range(1, 100):
        there = tmp_path / f"{nth}"
        shutil.copytree(folder, there)
        database, count = there / "data.db", 0

        def killing(call: Any, nth: int = nth) -> Any:
            def called(*arguments: Any, **named: Any) -> Any:
                nonlocal count
                count += 1
                if count == nth and not after:
                    raise Killed
                answer = call(*arguments, **named)
                if count == nth:
                    raise Killed
                return answer

            return called

        with monkeypatch.context() as patch:
            for place, name in CALLS:
                patch.setattr(place, name, killing(getattr(place, name)))
            patch.setattr(restoring, "inspect", killing(restoring.inspect))
            try:
                lay_ready(there / "copy.db", database)
                restoring.finish(database, NOW)
                ended = True
            except Killed:
                ended = False
        # the next start
        restoring.finish(database, NOW + 1)
        found = rows(database)
        assert found in ([1], [1, 2, 3]), nth
        kept = [path for path in there.glob("data.db.replaced-*") if not path.name.endswith(("-wal", "-shm"))]
        if found == [1]:
            assert [rows(path) for path in kept] == [[1, 2, 3]], nth
        assert rows(there / "copy.db") == [1]
        verdicts.append(found)
        if ended:
            break
    assert ended
    assert len(verdicts) > 8
    assert verdicts == sorted(verdicts, key=len, reverse=True), "from some call on it is the copy"
    assert {len(found) for found in verdicts} == {1, 3}


def test_what_was_told_last_is_in_the_log_beside_a_file(folder: Path) -> None:
    """Undoing a restore: the file that was replaced has its log beside it."""
    database = folder / "data.db"
    lay_ready(folder / "copy.db", database)
    kept = restoring.finish(database, NOW)
    assert kept and Path(f"{kept}-wal").stat().st_size
    lay_ready(kept, database)
    restoring.finish(database, NOW + 1)
    assert rows(database) == [1, 2, 3]


def test_the_file_itself_is_no_copy_of_it(folder: Path) -> None:
    (folder / "link.db").symlink_to("data.db")
    for name in ("data.db", "link.db"):
        with pytest.raises(FaztError) as refused:
            lay_ready(folder / name, folder / "data.db")
        assert refused.value.code == "CONFLICT"


def test_a_file_in_use_is_no_copy(folder: Path) -> None:
    with hold(folder / "copy.db"), pytest.raises(FaztError) as refused:
        lay_ready(folder / "copy.db", folder / "data.db")
    assert refused.value.code == "NODE_RUNNING"


def test_one_at_a_time(folder: Path) -> None:
    database = folder / "data.db"

    def second(found: copies.Copy, at: Path) -> None:
        with pytest.raises(FaztError) as refused:
            lay_ready(folder / "copy.db", database)
        assert refused.value.code == "CONFLICT"

    restoring.lay_ready(folder / "copy.db", database, second)
    restoring.finish(database, NOW)
    assert rows(database) == [1]


def test_one_that_is_not_accepted_changes_nothing(folder: Path) -> None:
    def never(found: copies.Copy, at: Path) -> None:
        raise FaztError("SCHEMA_MISMATCH", "no")

    for name in ("copy.db", "data.db"):
        with pytest.raises(FaztError):
            restoring.lay_ready(folder / name, folder / "other.db", never)
    assert not (folder / "other.db.restore").exists()
    assert list(folder.glob("*.part*")) == []


@pytest.mark.parametrize("content", [b"", b"nonsense" * 1000, None], ids=["empty", "nonsense", "cut off"])
def test_what_nobody_laid_ready_is_put_aside(folder: Path, content: bytes | None) -> None:
    ready = folder / "data.db.restore"
    ready.write_bytes((folder / "copy.db").read_bytes()[:-8192] if content is None else content)
    assert restoring.finish(folder / "data.db", NOW) is None
    assert rows(folder / "data.db") == [1, 2, 3]
    assert not ready.exists()
    assert (folder / f"data.db.restore.refused-{NOW}").exists()


def test_where_there_are_no_second_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None:
        raise OSError(errno.EPERM, "not here")

    monkeypatch.setattr(os, "link", none)
    (folder / "taken.db").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        disk.also_named(folder / "copy.db", folder / "taken.db")
    assert (folder / "taken.db").read_bytes() == b"mine"
    lay_ready(folder / "copy.db", folder / "data.db")
    kept = restoring.finish(folder / "data.db", NOW)
    assert kept and rows(kept) == [1, 2, 3]
    assert rows(folder / "data.db") == [1]


def test_what_is_no_file_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe.db")
    for path in (folder / "pipe.db", folder):
        with pytest.raises(FaztError):
            lay_ready(path, folder / "data.db")
