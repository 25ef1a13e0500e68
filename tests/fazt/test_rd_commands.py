"""`fazt rd …`: on a data file, and through a node that runs on it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fazt.boot import Node
from fazt.cli.main import main
from kernel.storage.lock import holder

COLUMNS = '{"id": "INTEGER PRIMARY KEY", "name": "TEXT NOT NULL", "seen": "REAL"}'
SHOWN = """birds
  id    INTEGER primary key
  name  TEXT not null
  seen  REAL
"""
ROOT = Path(__file__).parents[2]


class Shell:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys, self.err = capsys, ""

    def rd(self, *words: str, code: int = 0) -> str:
        self._capsys.readouterr()
        found = main(["rd", *words, "--app", "shop"])
        said = self._capsys.readouterr()
        self.err = said.err
        assert found == code, said
        return said.out

    def data(self, *words: str) -> Any:
        return json.loads(self.rd(*words, "--json"))["data"]


@pytest.fixture(params=["a file", "a node"])
def shell(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Shell]:
    file = tmp_path / "data.db"
    monkeypatch.setenv("FAZT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAZT_DB_PATH", str(file))
    for name in ("FAZT_SERVER", "FAZT_TOKEN", "FAZT_APP"):
        monkeypatch.delenv(name, raising=False)
    Node(file).close()
    assert main(["app", "create", "shop"]) == 0
    if request.param == "a file":
        yield Shell(capsys)
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [sys.executable, "-m", "fazt", "up", "--db", str(file), "--port", port]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as node:
        assert node.stdout and node.stdout.readline()
        assert (holder(file.resolve()) or {}).get("socket")
        try:
            yield Shell(capsys)
        finally:
            node.terminate()
            node.communicate(timeout=20)


def test_tables_are_made_filled_and_shown(shell: Shell) -> None:
    assert shell.rd("tables") == "Nothing here yet.\n"
    assert shell.rd("define", "birds", COLUMNS) == SHOWN
    assert shell.rd("index", "birds", "name", "--unique") == SHOWN + "  unique index on name\n"
    assert shell.rd("index", "birds", '["seen", "id"]').endswith("\n  index on seen, id\n")
    many = "insert into birds (name, seen) values (?, ?), (?, null)"
    assert shell.rd("query", many, '["wren", 1.5, "a|b"]') == "2 rows changed; the last one has the id 2.\n"
    assert shell.rd("query", "select * from birds order by id") == "id  name  seen\n1   wren  1.5\n2   a|b\n"
    assert shell.rd("query", "select id from birds where seen > :n", '{"n": 1}') == "id\n1\n"
    assert shell.rd("query", "select * from birds where id = 9") == "No rows.\n"
    assert shell.rd("query", "update birds set seen = 2 where id = 1") == "1 row changed.\n"
    assert shell.rd("query", "delete from birds where id = 2 returning name") == "name\na|b\n"
    assert shell.rd("tables").startswith("birds: 1 row\n  id    INTEGER primary key\n")


def test_scripts_get_json(shell: Shell) -> None:
    shell.rd("define", "birds", COLUMNS)
    insert = "insert into birds (id, name) values (?, ?)"
    # nothing that looks like an option, a number or JSON becomes something else on the way
    for at, name in enumerate(["-1", "--json", "null", "5", '{"a":1}', "\u00e9 'x' \"y\"\n"], 1):
        done = shell.data("query", insert, json.dumps([at, name]))
        assert done == {"changes": 1, "lastInsertId": at}
        assert shell.data("query", "select name from birds where id = ?", f"[{at}]") == [{"name": name}]
    assert shell.data("query", "select -1 as n, x'00ff' as b") == [{"n": -1, "b": {"$blob": "AP8="}}]
    assert shell.data("tables")[0]["rows"] == 6
    assert "| n |" in shell.rd("query", "select 1 as n", "--format", "markdown")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("define", "birds", "id INTEGER"), 2, 'Write {"id": "INTEGER PRIMARY KEY"'),
        (("define", "Birds", COLUMNS), 2, "table"),
        (("define", "birds", '{"id": "TEXT"}'), 1, "The column id is INTEGER primary key, not TEXT."),
        (("index", "birds", "nope"), 2, "There is no column called 'nope'."),
        (("index", "nope", "name"), 3, "There is no table called nope."),
        (("query", "select * from birds where name = ?", "wren"), 2, 'Write ["wren", 3] or'),
        (("query", "select * from birds where name = ?"), 2, "1 wanted, 0 given"),
        (("query", "select * from app_kv"), 2, "There is no table called app_kv."),
        (("query", "select * from sqlite_schema"), 4, "is not the app's"),
        (("query", "drop table birds"), 4, "not offered"),
        (("query", "insert into birds (name) values (null)"), 1, "NOT NULL constraint failed: birds.name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("shell", ["a file"], indirect=True)
def test_what_does_not_work_is_said(shell: Shell, words: tuple[str, ...], code: int, says: str) -> None:
    shell.rd("define", "birds", '{"id": "INTEGER PRIMARY KEY", "name": "TEXT NOT NULL"}')
    shell.rd(*words, code=code)
    assert says in shell.err
