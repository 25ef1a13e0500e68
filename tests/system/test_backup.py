"""Copies of the data file as its owner makes them and puts them back, from the command line."""

from __future__ import annotations

import random
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.faults.load import stored
from tests.system.harness import Done, Machine, Node, kv_path, until


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


def test_a_copy_whose_stored_file_is_damaged_is_refused(machine: Machine, node: Node) -> None:
    site, content = machine.folder / "site", random.Random(1).randbytes(300_000)
    site.mkdir()
    (site / "a.bin").write_bytes(content)
    assert fazt(machine, node, "deploy", str(site), "--name", "pages").code == 0
    made = fazt(machine, node, "backup", "create").data
    data = bytearray(Path(made["path"]).read_bytes())
    data[data.index(content[100_000:100_032])] ^= 1
    Path(made["path"]).write_bytes(data)
    for words in (("verify", made["name"]), ("restore", made["name"], "--confirm")):
        told = fazt(machine, node, "backup", *words)
        assert told.code == 1, words
        assert "a.bin" in told.error["message"], words


def test_restores_beside_each_other_leave_one_of_them(machine: Machine, node: Node) -> None:
    names = []
    for n in range(2):
        put(node, "kept", "k", n)
        names.append(fazt(machine, node, "backup", "create").data["name"])
    put(node, "kept", "k", "last")
    ends: list[Done] = []
    threads = [
        threading.Thread(
            target=lambda name=name: ends.append(fazt(machine, node, "backup", "restore", name, "--confirm"))
        )
        for name in names * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(end.code == 0 for end in ends), ends
    assert {end.code for end in ends} <= {0, 1}, ends
    assert all(end.error["code"] in ("CONFLICT", "TIMEOUT") for end in ends if end.code), ends
    assert stored(node, "kept") in ({"k": 0}, {"k": 1})
    assert not node.db.with_name("data.db.restore").exists()


def test_asked_to_start_again_while_it_starts(machine: Machine) -> None:
    node = machine.launch()
    until((machine.folder / "data.db.lock").exists, "the lock")
    for _ in range(20):
        node.process.send_signal(signal.SIGUSR1)
    node.ready = node.event()
    assert node.ready["event"] == "ready"
    assert node.ask("GET", "/health").status == 200


def test_what_a_killed_one_left_is_removed(machine: Machine, node: Node) -> None:
    folder = node.db.parent / "backups" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    part, mine = folder / "data-x.db.0123abcd.part", folder / "mine.part"
    for path in (part, mine):
        path.write_bytes(b"half")
    node.kill()
    machine.up(known=node)
    assert not part.exists()
    assert mine.exists()
