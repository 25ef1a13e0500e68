"""One process per file."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.storage.lock import FileLock, hold, holder, lock_path

CHILD = """
import sys
from pathlib import Path
from kernel.storage.lock import FileLock
lock = FileLock(Path(sys.argv[1]))
lock.note(url="http://x")
print("held", flush=True)
sys.stdin.read()
"""


class Hurried(ManualClock):
    """A clock whose pauses are over at once; something may happen in each of them."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.pauses, self._meanwhile = 0, meanwhile

    def pause(self, seconds: float) -> None:
        self.pauses += 1
        self.advance(seconds)
        self._meanwhile()


def refused(database: Path, clock: Hurried | None = None) -> FaztError:
    """Why the file cannot be had, after all patience."""
    with pytest.raises(FaztError) as found:
        FileLock(database, clock or Hurried())
    assert found.value.code == "NODE_RUNNING"
    return found.value


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
        error = refused(database)
        assert error.details == {"pid": os.getpid()}
        assert str(os.getpid()) in error.message
        assert holder(database) == {"pid": os.getpid(), "url": "http://x"}
    assert holder(database) is None
    FileLock(database).release()


def test_another_process_is_refused_and_told_of(tmp_path: Path) -> None:
    process = child(tmp_path / "data.db")
    try:
        assert refused(tmp_path / "data.db").details == {"pid": process.pid}
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
        assert refused(tmp_path / "data.db").details == {"pid": "unknown"}


def test_a_command_that_holds_the_file_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    held = FileLock(tmp_path / "data.db")
    held.note()
    clock = Hurried(meanwhile=held.release)
    FileLock(tmp_path / "data.db", clock).release()
    assert clock.pauses == 1


def test_a_node_is_not_waited_for(tmp_path: Path) -> None:
    with FileLock(tmp_path / "data.db") as held:
        held.note(socket="data.db.sock")
        clock = Hurried()
        refused(tmp_path / "data.db", clock)
        assert clock.pauses == 0


def test_the_note_of_a_dead_node_does_not_speak_for_who_holds_the_file_now(tmp_path: Path) -> None:
    database = tmp_path / "data.db"
    lock_path(database).write_text(json.dumps({"pid": 1, "socket": "dead.sock"}))
    with FileLock(database):
        assert holder(database) == {}
        assert refused(database).details == {"pid": "unknown"}


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


def test_somebody_who_merely_asks_does_not_keep_the_node_from_starting(tmp_path: Path) -> None:
    """`holder` holds the file for a moment itself; a node that starts in this moment must not give up."""
    database = tmp_path / "data.db"
    asking = os.open(lock_path(database), os.O_RDWR | os.O_CREAT)
    fcntl.flock(asking, fcntl.LOCK_SH)
    FileLock(database, Hurried(meanwhile=lambda: os.close(asking))).release()


def test_the_note_is_for_the_owner_only(tmp_path: Path) -> None:
    with FileLock(tmp_path / "data.db"):
        assert stat.S_IMODE(lock_path(tmp_path / "data.db").stat().st_mode) == 0o600


def test_two_files_of_one_folder_are_held_apart(tmp_path: Path) -> None:
    with FileLock(tmp_path / "a.db"), FileLock(tmp_path / "b.db"):
        assert (holder(tmp_path / "a.db"), holder(tmp_path / "b.db")) == ({}, {})


def test_whoever_holds_a_file_says_so_and_makes_its_folder_for_himself_alone(tmp_path: Path) -> None:
    database = tmp_path / "deep" / "data.db"
    with hold(database):
        assert holder(database) == {"pid": os.getpid()}
        assert stat.S_IMODE(database.parent.stat().st_mode) == 0o700
    assert holder(database) is None


def test_a_file_that_cannot_be_held_is_told_in_words() -> None:
    with pytest.raises(FaztError) as found, hold(Path("/proc/nothing/data.db")):
        raise AssertionError
    assert (found.value.code, "/proc/nothing/data.db" in found.value.message) == ("STORAGE_ERROR", True)


def test_the_lock_is_given_back_when_what_it_guarded_failed(tmp_path: Path) -> None:
    for held in (FileLock, hold):
        with pytest.raises(RuntimeError), held(tmp_path / "data.db"):
            raise RuntimeError
        assert holder(tmp_path / "data.db") is None
