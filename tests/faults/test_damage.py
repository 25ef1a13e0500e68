"""Files that are damaged, foreign or missing: refused in words a person understands, or survived."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.faults.load import stored
from tests.system.harness import Machine, Node, kv_path


@pytest.fixture(scope="module")
def whole(shared: Machine) -> Node:
    """A node that has ended, and its file with a few hundred kilobytes in it."""
    node = shared.up("whole.db")
    app = node.app("kept")
    for n in range(30):
        body = {"key": f"k{n}", "value": "x" * 20_000}
        assert node.ask("POST", kv_path(app), body=body, scope="*").status == 201
    assert node.stop() == 0
    return node


def copy_of(node: Node, machine: Machine) -> Path:
    shutil.copy(f"{node.db}.key", machine.folder / "data.db.key")
    return Path(shutil.copy(node.db, machine.folder / "data.db"))


DAMAGE = {
    "noise": lambda data: random.Random(1).randbytes(len(data)),
    "a picture": lambda data: b"\x89PNG\r\n\x1a\n" + data[8:],
    "no header": lambda data: bytes(100) + data[100:],
    "the first page": lambda data: data[:100] + random.Random(2).randbytes(8092) + data[8192:],
    "100 bytes": lambda data: data[:100],
    "half a page": lambda data: data[:5000],
    "one page": lambda data: data[:8192],
    "half of it": lambda data: data[: len(data) // 2 // 8192 * 8192],
    "the last page gone": lambda data: data[:-8192],
    "a text": lambda data: b"Dear diary,\n" * 100,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_no_data_file_is_refused(machine: Machine, whole: Node, damage: str) -> None:
    database = copy_of(whole, machine)
    content = DAMAGE[damage](database.read_bytes())
    database.write_bytes(content)
    error = machine.refused()
    assert error["code"] in ("STORAGE_ERROR", "SCHEMA_MISMATCH")
    assert error["message"] and error["hint"]
    assert database.read_bytes() == content, "what is refused is not changed"
    told = machine.fazt("app", "list", "--db", str(database), "--json")
    assert told.code == 1
    assert "Traceback" not in told.err
    assert "went wrong inside" not in told.err
    assert database.read_bytes() == content


def test_a_refusal_names_the_file_and_something_to_do(machine: Machine) -> None:
    """Whoever reads it has perhaps named the wrong file, and no node runs whose status he could look at."""
    database = machine.folder / "data.db"
    database.write_bytes(b"Dear diary,\n" * 1000)
    error = machine.refused()
    assert str(database) in error["message"] + error["hint"]
    assert "proc status" not in error["hint"]


def test_pages_in_the_middle_that_are_noise_take_nobody_down(machine: Machine, whole: Node) -> None:
    """Health says so or the start is refused; a request that meets them is a clear error, the rest works."""
    database = copy_of(whole, machine)
    content = bytearray(database.read_bytes())
    middle = len(content) // 2 // 8192 * 8192
    content[middle : middle + 20 * 8192] = random.Random(3).randbytes(20 * 8192)
    database.write_bytes(content)
    node = machine.launch()
    # it may be known already that nothing can be written, a key neither
    node.keys = dict(whole.keys)
    node.ready = node.event()
    if node.ready["event"] == "failed":
        assert node.ready["error"]["code"] == "STORAGE_ERROR"
        return
    statuses = {}
    for n in range(30):
        answer = node.ask("GET", kv_path("kept", f"k{n}"), scope="*")
        statuses[answer.status] = answer
    assert set(statuses) <= {200, 503}, statuses
    assert node.ask("GET", "/", host="localhost").status == 200
    assert all(answer.code == "STORAGE_ERROR" for status, answer in statuses.items() if status == 503)
    assert node.stop() == 0


def test_an_empty_file_is_a_new_one(machine: Machine) -> None:
    """As `touch` or a mount makes it; nobody else may read it afterwards."""
    database = machine.folder / "data.db"
    database.touch(0o600)
    machine.up()
    assert database.stat().st_mode & 0o777 == 0o600


def test_a_log_with_a_torn_end(machine: Machine) -> None:
    """A power cut may leave half a frame: what is whole before it counts."""
    node = machine.up()
    app = node.app("kept")
    for n in range(40):
        node.ask("POST", kv_path(app), body={"key": f"k{n:02}", "value": n}, scope="*")
    node.kill()
    wal = Path(f"{node.db}-wal")
    log, chance = wal.read_bytes(), random.Random(4)
    for cut in (len(log) - 1, len(log) - 5000, len(log) // 2, len(log) // 3):
        wal.write_bytes(log[:cut] + chance.randbytes(min(3000, len(log) - cut)))
        Path(f"{node.db}-shm").unlink(missing_ok=True)
        again = machine.up(known=node)
        found = stored(again, app) if again.ask("GET", f"/api/apps/{app}", scope="*").status == 200 else {}
        assert found == {f"k{n:02}": n for n in range(len(found))}, "a prefix of what was written"
        again.kill()
        shutil.copy(wal, machine.folder / "shorter")


@pytest.mark.parametrize("content", [b"", b"\xff" * 32768, os.urandom(4096)], ids=["empty", "ones", "noise"])
def test_a_damaged_index_of_the_log(machine: Machine, content: bytes) -> None:
    node = machine.up()
    app = node.app("kept")
    node.ask("POST", kv_path(app), body={"key": "k", "value": 1}, scope="*")
    node.kill()
    Path(f"{node.db}-shm").write_bytes(content)
    assert stored(machine.up(known=node), app) == {"k": 1}


@pytest.mark.parametrize("note", [b"", b"not json", b"[]"])
def test_a_lock_file_that_says_nonsense(machine: Machine, note: bytes) -> None:
    """The lock counts, not what is written in it."""
    (machine.folder / "data.db.lock").write_bytes(note)
    node = machine.up()
    (machine.folder / "data.db.lock").write_bytes(note)
    for words in (("proc", "status"), ("proc", "stop"), ("proc", "restart")):
        told = machine.fazt(*words, "--db", str(node.db))
        assert "went wrong inside" not in told.err, told
        assert told.code in (0, 3, 4), told
    assert node.ask("GET", "/health").status == 200


def test_without_the_key_file_secrets_are_locked_and_the_rest_works(machine: Machine) -> None:
    node = machine.up()
    app = node.app("kept")
    assert node.stop() == 0
    key = Path(f"{node.db}.key")
    seed = key.read_bytes()
    key.unlink()
    locked = machine.up(known=node)
    assert "secrets are locked" in locked.said
    assert not key.exists(), "a new key would never open what the old one sealed"
    part = locked.ask("GET", "/api/kernel/status", scope="*").data["subsystems"]["security"]
    assert part["state"] == "locked"
    assert str(key) in part["detail"]
    assert locked.ask("POST", kv_path(app), body={"key": "k", "value": 1}, scope="*").status == 201
    assert locked.stop() == 0
    key.write_bytes(seed)
    key.chmod(0o644)
    again = machine.up(known=node)
    assert again.ask("GET", "/api/kernel/status", scope="*").data["subsystems"]["security"]["state"] == "ok"
    assert key.stat().st_mode & 0o777 == 0o600


def test_the_key_of_another_file(machine: Machine) -> None:
    node, other = machine.up(), machine.up("other.db")
    assert (node.stop(), other.stop()) == (0, 0)
    shutil.copy(f"{other.db}.key", f"{node.db}.key")
    again = machine.up(known=node)
    part = again.ask("GET", "/api/kernel/status", scope="*").data["subsystems"]["security"]
    assert (part["state"], "another data file" in part["detail"]) == ("locked", True)


@pytest.mark.parametrize("trouble", ["short", "unreadable"])
def test_a_key_file_that_cannot_be_used(machine: Machine, trouble: str) -> None:
    """As without one: secrets are locked, with the reason, and the file is left for its owner to look at."""
    node = machine.up()
    assert node.stop() == 0
    key = Path(f"{node.db}.key")
    if trouble == "short":
        key.write_bytes(b"short")
    else:
        key.chmod(0)
    locked = machine.up(known=node, limits={"mortal": True})
    part = locked.ask("GET", "/api/kernel/status", scope="*").data["subsystems"]["security"]
    assert part["state"] == "locked"
    assert str(key) in part["detail"]
    assert "Traceback" not in locked.said
    assert key.stat().st_size == (5 if trouble == "short" else 32)
