"""`fazt ds|kv import|export` and `fazt storage batch`, with one node for all, and some on a file that no node holds."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fazt.boot import Node
from fazt.cli.main import main
from fazt.cli.row_progress import RowProgress
from fazt.client.inside import node_inside
from kernel.base.clock import ManualClock
from kernel.storage.lock import lock_path

numbers = itertools.count()


class Shell:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], app: str) -> None:
        self.folder, self._capsys, self.app = folder, capsys, app

    def run(self, *words: str, code: int = 0) -> str:
        self._capsys.readouterr()
        found = main([*words, "--app", self.app])
        said = self._capsys.readouterr()
        self.err = said.err
        assert found == code, said
        return said.out

    def json(self, *words: str, code: int = 0) -> Any:
        found = json.loads(self.run(*words, "--json", code=code))
        return found["error"] if code else found["data"]

    def file(self, name: str, content: str) -> str:
        path = self.folder / name
        path.write_text(content, newline="")
        return str(path)

    def lines(self, *words: str) -> list[Any]:
        return [json.loads(line) for line in self.run(*words).splitlines()]

    def documents(self, collection: str = "birds") -> list[Any]:
        found = self.lines("ds", "export", collection)
        return [{key: value for key, value in one.items() if not key.startswith("_")} for one in found]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data file whose node runs."""
    database = tmp_path_factory.mktemp("held") / "data.db"
    Node(database).close()
    with node_inside(database) as own:
        lock_path(database).write_text(json.dumps({"pid": 0, "socket": str(own)}))
        yield database


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("FAZT_HOME", str(tmp_path / "home"))
    for name in ("FAZT_SERVER", "FAZT_TOKEN", "FAZT_APP"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def shell(held: Path, tmp_path: Path, home: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """An app of its own on the node that runs."""
    home.setenv("FAZT_DB_PATH", str(held))
    app = f"shop{next(numbers)}"
    assert main(["app", "create", app]) == 0
    return Shell(tmp_path, capsys, app)


@pytest.fixture
def alone(tmp_path: Path, home: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """An app in a file that no node holds: every command is a node of its own."""
    home.setenv("FAZT_DB_PATH", str(tmp_path / "data.db"))
    Node(tmp_path / "data.db").close()
    assert main(["app", "create", "shop"]) == 0
    return Shell(tmp_path, capsys, "shop")


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def give(text: str) -> None:
        class Given(io.BytesIO):
            def seekable(self) -> bool:
                return False

        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": Given(text.encode())}))

    return give


# --- documents --------------------------------------------------------------------------------------------------------


def test_a_table_becomes_documents_and_a_table_again(shell: Shell) -> None:
    file = shell.file("birds.csv", 'id,name,seen.n,zip\r\na,wren,3,007\r\nb,"a, ""b""",,12\r\n')
    assert shell.json("ds", "import", "birds", file) == {"collection": "birds", "imported": 2, "skipped": 0}
    documents = [
        {"id": "a", "name": "wren", "seen": {"n": 3}, "zip": "007"},
        {"id": "b", "name": 'a, "b"', "zip": "12"},
    ]
    assert shell.documents() == documents
    out = str(shell.folder / "out.csv")
    assert shell.json("ds", "export", "birds", out)["exported"] == 2
    shell.run("ds", "import", "again", out)
    assert shell.documents("again") == documents
    assert shell.run("ds", "export", "birds", "--format", "csv").startswith("name,seen.n,zip,id,")


def test_more_than_one_request_and_page(shell: Shell) -> None:
    lines = "".join(json.dumps({"id": f"{n:05}", "n": n}) + "\n" for n in range(2500))
    assert shell.run("ds", "import", "birds", shell.file("b.jsonl", lines)) == "2,500 rows imported.\n"
    assert [one["n"] for one in shell.documents()] == list(range(2500))
    found = shell.lines("ds", "export", "birds", "--query", '{"n": {"$lt": 1200}}')
    assert len(found) == 1200


def test_standard_input(shell: Shell, stdin: Callable[[str], None]) -> None:
    stdin('{"id":"a","n":1}\n')
    shell.run("ds", "import", "birds", "-")
    stdin("id;n\nb;2\nc;3\n")
    shell.run("ds", "import", "birds", "-", "--format", "csv")
    assert shell.documents() == [{"n": n, "id": id} for id, n in (("a", 1), ("b", 2), ("c", 3))]


def test_another_field_may_say_the_id(shell: Shell) -> None:
    shell.run("ds", "import", "birds", shell.file("b.csv", "code,n\n007,1\nx8,2\n"), "--id", "code")
    assert [one["id"] for one in shell.documents()] == ["007", "x8"]
    error = shell.json("ds", "import", "birds", shell.file("c.csv", "code,n\nz,1\n,2\n"), "--id", "code", code=2)
    assert (error["code"], error["details"]["line"]) == ("VALIDATION_FAILED", 3)


def test_text_stays_text(shell: Shell) -> None:
    shell.run("ds", "import", "birds", shell.file("b.csv", "id,n\n1,2\n"), "--text")
    assert shell.documents() == [{"n": "2", "id": "1"}]


def test_what_is_there_already_is_named_left_out_or_replaced(shell: Shell) -> None:
    shell.run("ds", "import", "birds", shell.file("a.jsonl", '{"id":"b","n":0}\n{"id":"d","n":0}\n'))
    more = shell.file("b.jsonl", "".join(json.dumps({"id": id, "n": 1}) + "\n" for id in "abcdea"))
    error = shell.json("ds", "import", "birds", more, code=1)
    assert error["code"] == "CONFLICT" and error["details"]["line"] in (2, 6) and error["details"]["imported"] == 0
    assert "Nothing was imported" in error["hint"]
    assert [one["n"] for one in shell.documents()] == [0, 0]
    assert shell.json("ds", "import", "birds", more, "--skip") == {"collection": "birds", "imported": 3, "skipped": 3}
    assert [(one["id"], one["n"]) for one in shell.documents()] == [("a", 1), ("b", 0), ("c", 1), ("d", 0), ("e", 1)]
    assert shell.json("ds", "import", "birds", more, "--replace")["imported"] == 6
    assert [one["n"] for one in shell.documents()] == [1] * 5
    assert shell.json("ds", "import", "birds", more, "--replace", "--skip", code=2)["code"] == "USAGE"


def test_what_was_imported_before_an_error_is_said(shell: Shell) -> None:
    lines = [json.dumps({"id": f"{n:05}"}) for n in range(1500)]
    lines[1400] = '{"id": [1]}'
    error = shell.json("ds", "import", "birds", shell.file("b.jsonl", "\n".join(lines)), code=2)
    assert error["details"]["line"] == 1401 and error["details"]["imported"] == 1000
    assert "1,000 rows imported." in error["hint"]
    assert len(shell.documents()) == 1000


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["ds", "import", "birds", "missing.csv"], 2),
        (["ds", "import", "no such/name", "FILE"], 2),
        (["ds", "export", "birds", "FILE"], 1),
        (["ds", "export", "birds", "--query", "{"], 2),
        (["ds", "export", "birds", "--query", '{"a": {"$odd": 1}}'], 2),
        (["ds", "export", "birds", "/nowhere/file.csv"], 2),
    ],
)
def test_what_cannot_be_done(shell: Shell, words: list[str], code: int) -> None:
    file = shell.file("there.jsonl", '{"a":1}\n')
    shell.json(*[file if word == "FILE" else word for word in words], code=code)
    assert (shell.folder / "there.jsonl").read_text() == '{"a":1}\n'
    assert sorted(path.name for path in shell.folder.glob(".*")) == []


def test_rows_of_a_person(shell: Shell) -> None:
    shell.run("ds", "import", "birds", shell.file("b.jsonl", '{"id":"a"}\n'), "--user", "u1")
    assert shell.documents() == []
    assert len(shell.lines("ds", "export", "birds", "--user", "u1")) == 1
    shell.run("ds", "import", "birds", shell.file("c.jsonl", '{"id":"a","n":2}\n'), "--user", "u1", "--replace")
    assert shell.lines("ds", "export", "birds", "--user", "u1")[0]["n"] == 2


# --- values -----------------------------------------------------------------------------------------------------------


def test_values_there_and_back(shell: Shell) -> None:
    entries = [{"key": f"k{n:04}", "value": {"n": n}} for n in range(1100)] + [{"key": "l", "value": None}]
    lines = "".join(json.dumps(entry) + "\n" for entry in entries)
    assert shell.json("kv", "import", shell.file("v.jsonl", lines))["imported"] == 1101
    assert shell.lines("kv", "export") == entries
    assert shell.lines("kv", "export", "--prefix", "l") == entries[-1:]
    assert shell.lines("kv", "export", "--user", "u1") == []


def test_what_has_ended_is_left_out(shell: Shell) -> None:
    lines = '{"key":"a","value":1,"expiresAt":1000}\n{"key":"b","value":1,"expiresAt":3000000000000}\n'
    assert shell.json("kv", "import", shell.file("v.jsonl", lines)) == {"imported": 1, "skipped": 1}
    (entry,) = shell.lines("kv", "export")
    # a moment passed between reading it and storing it
    assert entry["key"] == "b" and abs(entry["expiresAt"] - 3000000000000) < 60_000


@pytest.mark.parametrize("line", ['{"key":"a"}', '{"value":1}', '{"key":1,"value":1}', '{"key":"a","value":1,"x":1}',
                                  '{"key":"a","value":1,"expiresAt":"soon"}', '{"key":"","value":1}'])  # fmt: skip
def test_what_is_no_entry(shell: Shell, line: str) -> None:
    error = shell.json("kv", "import", shell.file("v.jsonl", '{"key":"b","value":1}\n' + line), code=2)
    assert error["details"]["line"] == 2 and shell.lines("kv", "export") == []


def test_values_as_a_table(shell: Shell) -> None:
    values = [
        "wren",
        "",
        "1",
        1,
        -2.5,
        None,
        True,
        "true",
        "null",
        '"q"',
        "{",
        {"a": [1, "x,y"]},
        [],
        "a\r\nb",
        "ä;é",
        " 1",
        "007",
    ]
    entries: list[Any] = [{"key": f"{n:02}", "value": value} for n, value in enumerate(values)]
    entries.append({"key": "z", "value": 1, "expiresAt": 3000000000000})
    lines = "".join(json.dumps(entry) + "\n" for entry in entries)
    shell.run("kv", "import", shell.file("v.jsonl", lines))
    out = shell.folder / "kv.csv"
    assert shell.json("kv", "export", str(out))["exported"] == len(entries)
    table = out.read_bytes().decode()
    assert (
        table.startswith('key,value,expiresAt\r\n00,wren,\r\n01,""""""')
        and shell.run("kv", "export", "--format", "csv") == table
    )
    for entry in entries:
        shell.run("storage", "batch", shell.file("d.json", json.dumps([["kv.delete", entry["key"]]])))
    assert shell.json("kv", "import", str(out))["imported"] == len(entries)
    again = shell.lines("kv", "export")
    assert abs(again[-1].pop("expiresAt") - entries[-1].pop("expiresAt")) < 60_000
    assert again == entries


def test_values_of_a_table_somebody_wrote(shell: Shell, stdin: Callable[[str], None]) -> None:
    stdin("key;value\n1;2\nb;two words\n")
    shell.run("kv", "import", "-", "--format", "csv")
    assert shell.lines("kv", "export") == [{"key": "1", "value": 2}, {"key": "b", "value": "two words"}]
    for wrong in ("key,value\na,1\nb,\n", "key,value,expiresAt\na,1,\nb,1,soon\n", "key,value,more\na,1,\nb,1,x\n"):
        assert shell.json("kv", "import", shell.file("k.csv", wrong), code=2)["details"]["line"] == 3
    assert len(shell.lines("kv", "export")) == 2


def test_without_a_node(alone: Shell) -> None:
    file = alone.file("b.csv", "id,n\na,1\nb,2\n")
    assert alone.run("ds", "import", "birds", file) == "2 rows imported.\n"
    assert alone.documents() == [{"n": 1, "id": "a"}, {"n": 2, "id": "b"}]
    batch = alone.file("b.json", '[["kv.set", "k", 1]]')
    assert alone.json("storage", "batch", batch) == [{"key": "k"}]
    assert alone.lines("kv", "export") == [{"key": "k", "value": 1}]


def test_nobody_keeps_what_is_temporary_without_a_node(alone: Shell) -> None:
    temporary = alone.file("b.json", '[["kv.set", "k", 1], ["kv.set", "temp:a", 1]]')
    for words in (["kv", "set", "temp:a", "1"], ["kv", "incr", "temp:a"], ["kv", "cas", "temp:a", "null", "1"],
                  ["storage", "batch", temporary]):  # fmt: skip
        error = alone.json(*words, code=1)
        assert error["code"] == "SERVICE_UNAVAILABLE" and "fazt up" in error["hint"]
    assert alone.run("kv", "delete", "temp:a") == "Done.\n"
    assert alone.lines("kv", "export") == []


# --- batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_from_a_file(shell: Shell) -> None:
    file = shell.file("b.json", '[["kv.set", "k", 1], ["ds.insert", "birds", {"id": "a"}]]')
    assert shell.json("storage", "batch", file, "--once", "job") == [{"key": "k"}, "a"]
    assert shell.json("storage", "batch", file, "--once", "job", code=1)["details"] == {"once": "job"}
    bad = shell.file("c.json", '[["kv.set", "k", 2], ["kv.odd"]]')
    assert shell.json("storage", "batch", bad, code=2)["details"] == {"operation": 1}
    assert shell.lines("kv", "export") == [{"key": "k", "value": 1}]


def test_usage(shell: Shell) -> None:
    shell.run("kv", "import", shell.file("v.jsonl", '{"key":"a","value":"12345678"}\n'))
    usage = json.loads(_usage(shell, "--json"))["data"]
    assert {"kind": "kv", "rows": 1, "bytes": 11} in usage["kinds"] and usage["bytes"] == 11
    assert "11B of 5GB" in _usage(shell)


def _usage(shell: Shell, *words: str) -> str:
    shell._capsys.readouterr()
    assert main(["storage", "usage", shell.app, *words]) == 0
    return shell._capsys.readouterr().out


def test_a_row_is_a_line(shell: Shell) -> None:
    shell.run("ds", "insert", "birds", json.dumps({"id": "a", "note": "one\ntwo\r\n\nthree"}))
    assert shell.run("ds", "find", "birds").splitlines()[1].startswith("one two  three  ")


# --- how far it is ----------------------------------------------------------------------------------------------------


def test_progress_says_rows_speed_and_what_is_left() -> None:
    clock, stream = ManualClock(), io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    progress = RowProgress(stream, clock, verb="Importing")
    progress.begin(1000)
    clock.advance(2)
    progress.at(250, 3000)
    assert progress.line() == "Importing [######..................] 3,000 rows  1,500/s  0:06 left"
    assert progress.line() in stream.getvalue()
    progress.begin(0)
    clock.advance(2)
    progress.at(0, 1)
    assert progress.line() == "Importing 1 row  0/s"


def test_nobody_sees_progress_who_is_no_terminal() -> None:
    clock, stream = ManualClock(), io.StringIO()
    progress = RowProgress(stream, clock)
    progress.begin(10)
    clock.advance(5)
    progress.at(5, 5)
    progress.end()
    assert stream.getvalue() == ""
