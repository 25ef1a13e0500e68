"""Bytes of the data file that turned over: found, said with the command that helps, and nothing more is written."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.faults.load import stored
from tests.system.harness import Machine, Node, kv_path, until

PAGE = 8192


def subsystem(node: Node) -> dict[str, Any]:
    part: dict[str, Any] = node.ask("GET", "/api/kernel/status", scope="*").data["subsystems"]["integrity"]
    return part


def put(node: Node, key: str) -> int:
    return node.ask("POST", kv_path("kept"), body={"key": key, "value": key}, scope="*").status


@pytest.fixture
def node(machine: Machine) -> Node:
    """A site with a large file, some values, a copy, and a restart."""
    node = machine.up()
    node.app("kept")
    site = machine.folder / "site"
    site.mkdir()
    (site / "index.html").write_text("<h1>hello</h1>")
    (site / "noise.bin").write_bytes(random.Random(1).randbytes(3_000_000))
    assert machine.fazt("deploy", str(site), "--name", "pages", "--db", str(node.db)).code == 0
    for n in range(300):
        assert node.ask("POST", kv_path("kept"), body={"key": f"k{n}", "value": "x" * 2000}, scope="*").status == 201
    assert machine.fazt("backup", "create", "--db", str(node.db)).code == 0
    assert node.stop() == 0
    return node


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x5A]))


def leaf_of(path: Path, table: str) -> int:
    """Where a page of a table in the middle of the file begins."""
    connection = apsw.Connection(str(path))
    try:
        pages = [
            row[0]
            for row in connection.execute(
                "select pageno from dbstat where name = ? and pagetype = 'leaf' order by pageno", (table,)
            )
        ]
    finally:
        connection.close()
    return (pages[len(pages) // 2] - 1) * PAGE


def check_read_only(machine: Machine, node: Node, again: Node) -> None:
    """It answers what it can, refuses to write and says what helps; that outlives a restart; a copy ends it."""
    answer = again.ask("POST", kv_path("kept"), body={"key": "new", "value": 1}, scope="*")
    assert (answer.status, answer.code) == (503, "STORAGE_ERROR")
    assert "fazt backup restore data-" in answer.json["error"]["hint"]
    assert again.ask("GET", "/health").status == 503
    health = again.ask("GET", "/api/system/health", scope="*").data
    assert (health["status"], health["mode"]) == ("degraded", "read-only")
    assert again.ask("GET", "/", host="pages.localhost").status == 200
    assert again.stop() == 0
    third = machine.up(known=node)
    assert subsystem(third)["state"] == "damaged"
    assert put(third, "new") == 503
    name = subsystem(third)["detail"].split("fazt backup restore ")[1].split()[0]
    restored = machine.fazt("backup", "restore", name, "--db", str(node.db), "--confirm")
    assert restored.code == 0, restored
    assert subsystem(third)["state"] == "ok"
    assert put(third, "new") == 201
    assert len(stored(third, "kept")) == 301


def test_a_byte_of_a_stored_file(machine: Machine, node: Node) -> None:
    noise = random.Random(1).randbytes(3_000_000)
    content = node.db.read_bytes()
    flip(node.db, content.index(noise[2_000_000:2_000_032]) + 5)
    again = machine.up(known=node)
    until(lambda: subsystem(again)["state"] == "damaged", "the check")
    assert "noise.bin" in subsystem(again)["detail"]
    check_read_only(machine, node, again)


def test_the_head_of_a_page(machine: Machine, node: Node) -> None:
    at = leaf_of(node.db, "app_kv")
    flip(node.db, at + 3)
    again = machine.up(known=node)
    until(lambda: subsystem(again)["state"] == "damaged", "the check")
    check_read_only(machine, node, again)


def test_after_a_kill_a_small_file_is_looked_through_before_it_answers(machine: Machine, node: Node) -> None:
    at = leaf_of(node.db, "app_kv")
    again = machine.up(known=node)
    until(lambda: "not looked" not in subsystem(again)["detail"], "the check")
    assert put(again, "more") == 201
    again.kill()
    assert os.stat(f"{node.db}-wal").st_size > 0
    flip(node.db, at + 3)
    third = machine.up(known=node)
    assert subsystem(third)["state"] == "damaged"
    assert put(third, "new") == 503


def test_by_hand(machine: Machine, node: Node) -> None:
    sound = machine.fazt("storage", "check", "--db", str(node.db), "--json")
    assert sound.data == {"sound": True, "found": []}
    flip(node.db, leaf_of(node.db, "app_kv") + 3)
    told = machine.fazt("storage", "check", "--db", str(node.db), "--json")
    assert told.data["sound"] is False
    refused = machine.fazt("kv", "set", "k", "1", "--app", "kept", "--db", str(node.db), "--json")
    assert (refused.code, refused.error["code"]) == (1, "STORAGE_ERROR")


def test_a_file_that_was_put_right_is_written_again(machine: Machine, node: Node) -> None:
    at = leaf_of(node.db, "app_kv")
    flip(node.db, at + 3)
    assert machine.fazt("storage", "check", "--db", str(node.db), "--json").data["sound"] is False
    flip(node.db, at + 3)
    again = machine.up(known=node)
    until(lambda: subsystem(again)["state"] == "ok", "the check")
    assert put(again, "new") == 201
    assert not node.db.with_name("data.db.damaged").exists()
