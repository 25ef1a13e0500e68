"""Copies of the data file as its owner makes them and puts them back, from the command line."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.faults.load import stored
from tests.system.harness import Done, Machine, Node, kv_path


def put(node: Node, app: str, key: str, value: Any) -> None:
    answer = node.ask("POST", kv_path(app), body={"key": key, "value": value}, scope="*")
    assert answer.status == 201, answer


def fazt(machine: Machine, node: Node, *words: str) -> Done:
    return machine.fazt(*words, "--db", str(node.db), "--json")


@pytest.fixture
def node(machine: Machine) -> Node:
    node = machine.up()
    put(node, node.app("kept"), "k", "before")
    return node


def test_made_listed_looked_through_and_removed(machine: Machine, node: Node) -> None:
    made = fazt(machine, node, "backup", "create").data
    assert Path(made["path"]).parent == node.db.parent / "backups" / "data"
    assert [row["name"] for row in fazt(machine, node, "backup", "list").data] == [made["name"]]
    looked = fazt(machine, node, "backup", "verify", made["name"]).data
    assert (looked["lacks"], looked["unknown"]) == ([], [])
    assert fazt(machine, node, "backup", "delete", made["name"]).code == 0
    assert fazt(machine, node, "backup", "list").data == []
    assert fazt(machine, node, "backup", "verify", made["name"]).code == 3


def test_a_node_that_runs_starts_again_with_the_copy(machine: Machine, node: Node) -> None:
    made = fazt(machine, node, "backup", "create").data
    put(node, "kept", "k", "after")
    unconfirmed = fazt(machine, node, "backup", "restore", made["name"])
    assert (unconfirmed.code, unconfirmed.error["code"]) == (4, "CONFIRMATION_REQUIRED")
    answers: list[int] = []
    over = threading.Event()

    def asks() -> None:
        while not over.is_set():
            answers.append(node.ask("GET", "/", host="localhost").status)

    asking = threading.Thread(target=asks)
    asking.start()
    try:
        told = fazt(machine, node, "backup", "restore", made["name"], "--confirm")
    finally:
        over.set()
        asking.join()
    assert told.code == 0, told
    assert set(answers) == {200}, "nobody was refused"
    assert stored(node, "kept") == {"k": "before"}
    # what was written since is in the file beside it
    elsewhere = machine.folder / "elsewhere" / "data.db"
    assert machine.fazt("backup", "restore", told.data["replaced"], "--db", str(elsewhere), "--confirm").code == 0
    shutil.copy(f"{node.db}.key", f"{elsewhere}.key")
    assert stored(machine.up(elsewhere, known=node), "kept") == {"k": "after"}


def test_a_node_that_does_not_run(machine: Machine, node: Node) -> None:
    target = machine.folder / "mine.db"
    made = machine.fazt("backup", "create", "--output", str(target), "--db", str(node.db), "--json")
    assert made.data["path"] == str(target)
    put(node, "kept", "k", "after")
    node.kill()
    told = fazt(machine, node, "backup", "restore", str(target), "--confirm")
    assert told.code == 0, told
    assert stored(machine.up(known=node), "kept") == {"k": "before"}


def test_without_the_key_it_says_what_to_do(machine: Machine, node: Node) -> None:
    target = machine.folder / "mine.db"
    machine.fazt("backup", "create", "--output", str(target), "--db", str(node.db))
    elsewhere = machine.folder / "elsewhere" / "data.db"
    told = machine.fazt("backup", "restore", str(target), "--db", str(elsewhere), "--confirm")
    assert told.code == 0
    assert "secrets are locked" in told.err
    assert f"{elsewhere}.key" in told.err
    again = machine.up(elsewhere, known=node)
    assert stored(again, "kept") == {"k": "before"}
    assert again.ask("GET", "/api/kernel/status", scope="*").data["subsystems"]["security"]["state"] == "locked"


DAMAGE = {
    "torn": lambda data: data[: len(data) // 2],
    "a page short": lambda data: data[:-8192],
    "noise inside": lambda data: data[:16384] + b"\x55" * 8192 + data[24576:],
    "of another program": lambda data: data[:68] + b"SOME" + data[72:],
    "encrypted": lambda data: bytes(byte ^ 0xA5 for byte in data),
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_what_is_no_copy_is_refused_and_nothing_is_touched(machine: Machine, node: Node, running: bool) -> None:
    target = machine.folder / "mine.db"
    machine.fazt("backup", "create", "--output", str(target), "--db", str(node.db))
    if not running:
        assert node.stop() == 0
    content = target.read_bytes()
    for damage, make in DAMAGE.items():
        target.write_bytes(make(content))
        before = node.db.read_bytes()
        told = fazt(machine, node, "backup", "restore", str(target), "--confirm")
        assert told.code == 1, damage
        assert told.error["code"] in ("STORAGE_ERROR", "SCHEMA_MISMATCH"), damage
        assert told.error["hint"], damage
        assert not node.db.with_name("data.db.restore").exists()
        assert running or node.db.read_bytes() == before
    again = node if running else machine.up(known=node)
    assert stored(again, "kept") == {"k": "before"}


def test_a_file_nobody_can_open_is_replaced(machine: Machine, node: Node) -> None:
    made = fazt(machine, node, "backup", "create").data
    node.kill()
    for suffix in ("-wal", "-shm"):
        node.db.with_name(node.db.name + suffix).unlink(missing_ok=True)
    node.db.write_bytes(b"\0" * 100_000)
    refused = machine.refused()
    assert "backup" in refused["hint"]
    told = fazt(machine, node, "backup", "restore", made["name"], "--confirm")
    assert told.code == 0, told
    assert stored(machine.up(known=node), "kept") == {"k": "before"}
