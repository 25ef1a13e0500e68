"""One process per file."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kernel.base.errors import FaztError
from kernel.storage.lock import FileLock, holder, lock_path

CHILD = """
import sys
from pathlib import Path
from kernel.storage.lock import FileLock
lock = FileLock(Path(sys.argv[1]))
lock.note(url="http://x")
print("held", flush=True)
sys.stdin.read()
"""


def child(database: Path) -> subprocess.Popen[str]:
    """Another process that holds the file until it is told to end."""
    made = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert made.stdout
    assert made.stdout.readline() == "held\n"
    return made


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_file_is_held_once_and_the_second_hears_by_whom(tmp_path: Path) -> None:
    database = tmp_path / "data.db"
    with FileLock(database) as lock:
        lock.note(url="http://x")
        with pytest.raises(FaztError) as refused:
            FileLock(database)
        assert (refused.value.code, refused.value.details) == ("NODE_RUNNING", {"pid": os.getpid()})
        assert str(os.getpid()) in refused.value.message
        assert holder(database) == {"pid": os.getpid(), "url": "http://x"}
    assert holder(database) is None
    FileLock(database).release()


def test_another_process_is_refused_and_told_of(tmp_path: Path) -> None:
    process = child(tmp_path / "data.db")
    try:
        with pytest.raises(FaztError) as refused:
            FileLock(tmp_path / "data.db")
        assert refused.value.details == {"pid": process.pid}
        assert holder(tmp_path / "data.db") == {"pid": process.pid, "url": "http://x"}
    finally:
        end(process)


def test_what_a_killed_process_left_is_no_obstacle(tmp_path: Path) -> None:
    database = tmp_path / "data.db"
    process = child(database)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert json.loads(lock_path(database).read_text())["pid"] == process.pid
    assert holder(database) is None
    with FileLock(database) as lock:
        lock.note()
        assert holder(database) == {"pid": os.getpid()}


def test_a_program_that_the_holder_starts_does_not_inherit_the_file(tmp_path: Path) -> None:
    with FileLock(tmp_path / "data.db"):
        program = [sys.executable, "-c", "print('up', flush=True); input()"]
        sleeper = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
        assert sleeper.stdout
        assert sleeper.stdout.readline() == b"up\n"
    try:
        FileLock(tmp_path / "data.db").release()
    finally:
        sleeper.communicate(b"\n")


def test_a_holder_that_has_said_nothing_yet_is_one_all_the_same(tmp_path: Path) -> None:
    with FileLock(tmp_path / "data.db"):
        assert holder(tmp_path / "data.db") == {}
        with pytest.raises(FaztError) as refused:
            FileLock(tmp_path / "data.db")
        assert refused.value.details == {"pid": "unknown"}


@pytest.mark.parametrize("garbage", ["", "{", "[1, 2]", "null", '{"pid": 5', "\x00\xff"])
def test_an_unreadable_note_is_no_note(tmp_path: Path, garbage: str) -> None:
    with FileLock(tmp_path / "data.db"):
        lock_path(tmp_path / "data.db").write_text(garbage)
        assert holder(tmp_path / "data.db") == {}
    assert holder(tmp_path / "data.db") is None


def test_a_longer_note_leaves_nothing_behind_when_a_shorter_one_follows(tmp_path: Path) -> None:
    with FileLock(tmp_path / "data.db") as lock:
        lock.note(url="x" * 1000)
        lock.note()
        assert holder(tmp_path / "data.db") == {"pid": os.getpid()}


def test_asking_who_holds_it_makes_no_file_and_takes_nothing(tmp_path: Path) -> None:
    assert holder(tmp_path / "data.db") is None
    assert list(tmp_path.iterdir()) == []
    with FileLock(tmp_path / "data.db"):
        assert [holder(tmp_path / "data.db") for _ in range(3)] == [{}, {}, {}]


def test_somebody_who_merely_asks_does_not_keep_the_node_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`holder` holds the file for a moment itself; a node that starts in this moment must not give up."""
    database = tmp_path / "data.db"
    asking = os.open(lock_path(database), os.O_RDWR | os.O_CREAT)
    fcntl.flock(asking, fcntl.LOCK_SH)
    tried, flock = list[int](), fcntl.flock

    def try_once(fd: int, how: int) -> None:
        tried.append(how)
        if len(tried) == 2:
            os.close(asking)
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", try_once)
    try:
        FileLock(database).release()
    finally:
        if len(tried) < 2:
            os.close(asking)


def test_the_note_is_for_the_owner_only(tmp_path: Path) -> None:
    with FileLock(tmp_path / "data.db"):
        assert stat.S_IMODE(lock_path(tmp_path / "data.db").stat().st_mode) == 0o600


def test_two_files_of_one_folder_are_held_apart(tmp_path: Path) -> None:
    with FileLock(tmp_path / "a.db"), FileLock(tmp_path / "b.db"):
        assert (holder(tmp_path / "a.db"), holder(tmp_path / "b.db")) == ({}, {})


def test_the_lock_is_given_back_when_what_it_guarded_failed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), FileLock(tmp_path / "data.db"):
        raise RuntimeError
    assert holder(tmp_path / "data.db") is None
