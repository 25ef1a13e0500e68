"""An author keeps data, from the command line alone: what is typed, what is seen, and with which code it ends."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.harness import Done, Machine, Node, until
from tests.system.test_commands import on_terminal
from tests.system.warm import Warm

ROWS = 5000
APP = "aviary"
SPECIES = ("wren", "robin", "hoopoe", "swift", "dipper")
NOTES = ("", 'seen "twice", near the river', "ring lost")
HOOPOES = '{"species": "hoopoe"}'
Run = Callable[..., Done]


def write_birds(path: Path, count: int) -> list[dict[str, str]]:
    """A table as a spreadsheet writes it: an id, text, numbers, yes and no, empty cells, a field in a field."""
    chosen = random.Random(4)
    rows = [
        {
            "id": f"b{n:06}",
            "species": chosen.choice(SPECIES),
            "grams": f"{chosen.randint(40, 400) / 4:g}",
            "ringed": chosen.choice(("true", "false")),
            "place.city": chosen.choice(("Bern", "Zürich", "Genève")),
            "note": chosen.choice(NOTES),
        }
        for n in range(count)
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


@pytest.fixture(scope="module")
def node(shared: Machine) -> Node:
    node = shared.up()
    node.app(APP)
    (shared.folder / "note.md").write_text("# A note\n")
    words = ("peer", "add", "here", "--url", node.ready["admin_url"], "--token", node.key())
    assert shared.fazt(*words).code == 0
    return node


@pytest.fixture(scope="module")
def run(shared: Machine, node: Node) -> Iterator[Run]:
    """A command about the app on the node."""
    warm = Warm(shared)

    def command(*words: str, **how: Any) -> Done:
        env = {"FAZT_DB_PATH": str(node.db), "FAZT_APP": APP}
        return warm.fazt(*words, env={**env, **how.pop("env", {})}, **how)

    yield command
    warm.close()


@pytest.fixture
def warm(machine: Machine) -> Iterator[Warm]:
    made = Warm(machine)
    yield made
    made.close()


@pytest.fixture(scope="module")
def birds(shared: Machine, run: Run) -> list[dict[str, str]]:
    """The rows of the collection `birds`, which are imported and left alone."""
    rows = write_birds(shared.folder / "birds.csv", ROWS)
    told = run("ds", "import", "birds", "birds.csv", "--json")
    assert (told.data, told.err) == ({"collection": "birds", "imported": ROWS, "skipped": 0}, "")
    return rows


# --- documents --------------------------------------------------------------------------------------------------------


def test_the_first_session(machine: Machine, warm: Warm) -> None:
    """Everything in a row: create, import, query, index, change, export, import again."""
    node = machine.up()
    env = {"FAZT_DB_PATH": str(node.db), "FAZT_APP": APP}

    def fazt(*words: str) -> Done:
        done = warm.fazt(*words, env=env)
        assert (done.code, "Traceback" in done.err) == (0, False), done
        return done

    def found(query: str) -> Any:
        return json.loads(fazt("ds", "find", "birds", query, "--limit", "1000", "--json").out)

    rows = write_birds(machine.folder / "birds.csv", ROWS)
    assert fazt("app", "create", APP).out.startswith(f"Made {APP}: ")
    seen = on_terminal(machine, "ds", "import", "birds", "birds.csv", **env)
    assert seen.startswith("\rImporting [........................] 0 rows\x1b[K")
    assert seen.endswith("\r\x1b[K5,000 rows imported.\r\n")
    assert fazt("ds", "collections", "--json").data[0]["docs"] == ROWS

    hoopoes = [row for row in rows if row["species"] == "hoopoe"]
    looked_through = fazt("ds", "explain", "birds", HOOPOES).out
    assert f"at worst all {ROWS}" in looked_through
    assert "An index would help: fazt ds index add birds species\n" in looked_through
    before = found(HOOPOES)
    assert [document["id"] for document in before["data"]] == [row["id"] for row in reversed(hoopoes)][:1000]
    assert before["meta"]["total"] == len(hoopoes)

    assert fazt("ds", "index", "add", "birds", "species", "--json").data["state"] in ("building", "ready")
    until(lambda: fazt("ds", "index", "list", "birds", "--json").data[0]["state"] == "ready", "the index")
    by_index = fazt("ds", "explain", "birds", HOOPOES, "--json").data
    assert by_index["answer"] == "The index on species finds the documents."
    assert (by_index["used"], by_index["docs"]) == (["species"], ROWS)
    assert found(HOOPOES) == before

    change = '{"$inc": {"grams": 0.5}, "checked": true}'
    assert fazt("ds", "update", "birds", HOOPOES, change).out == f"{len(hoopoes)}\n"
    assert fazt("ds", "count", "birds", '{"checked": true}').out == f"{len(hoopoes)}\n"
    assert all(
        d["grams"] == float(row["grams"]) + 0.5 for d, row in zip(found(HOOPOES)["data"], hoopoes[::-1], strict=False)
    )

    for name in ("out.jsonl", "out.csv"):
        assert fazt("ds", "export", "birds", name).out == f"5,000 rows: {name}\n"
        assert fazt("ds", "import", f"from.{name}", name).out == "5,000 rows imported.\n"
    kept = [fields(fazt("ds", "export", name).out) for name in ("birds", "from.out.jsonl", "from.out.csv")]
    assert len(kept[0]) == ROWS
    assert kept[0] == kept[1] == kept[2]

    assert fazt("ds", "delete", "birds", HOOPOES, "--confirm").out == f"{len(hoopoes)}\n"
    assert fazt("ds", "trim", "birds", "10", "--confirm").out == f"{ROWS - len(hoopoes) - 10}\n"
    assert fazt("ds", "count", "birds").out == "10\n"


def fields(lines: str) -> dict[str, Any]:
    """Documents by their id, in order, without when they were stored."""
    documents = map(json.loads, lines.splitlines())
    return {d["id"]: {name: d[name] for name in d if name not in ("_createdAt", "_updatedAt")} for d in documents}


def test_cells_become_what_they_look_like(run: Run, birds: list[dict[str, str]]) -> None:
    first = run("ds", "find", "birds", "--order", "asc", "--limit", "20", "--json").data
    for row, document in zip(birds[:20], first, strict=True):
        assert document.pop("_createdAt") == document.pop("_updatedAt")
        wanted = {
            "id": row["id"],
            "species": row["species"],
            "grams": float(row["grams"]),
            "ringed": row["ringed"] == "true",
            "place": {"city": row["place.city"]},
            **({"note": row["note"]} if row["note"] else {}),
        }
        assert document == wanted


def test_a_list_says_that_it_goes_on(run: Run, birds: list[dict[str, str]]) -> None:
    told = run("ds", "find", "birds", "--limit", "2", "--offset", "3")
    assert told.err == "4 to 5 of 5,000; see --limit and --offset.\n"
    assert len(told.out.splitlines()) == 3
    assert run("ds", "find", "birds", '{"id": "b000001"}').err == ""


def test_an_import_that_was_done_already(run: Run, birds: list[dict[str, str]]) -> None:
    again = run("ds", "import", "birds", "birds.csv", "--json")
    assert (again.code, again.error["code"]) == (1, "CONFLICT")
    assert again.error["message"].startswith("Line 2: ")
    assert "--skip" in again.error["hint"] and "Nothing was imported." in again.error["hint"]
    skipped = run("ds", "import", "birds", "birds.csv", "--skip", "--json").data
    assert (skipped["imported"], skipped["skipped"]) == (0, ROWS)
    assert run("ds", "count", "birds").out == "5000\n"


def test_a_list_as_a_value_is_one_value(run: Run) -> None:
    """It travels to the running node as words; there it must not have become several."""
    made = run("ds", "insert", "pairs", '[{"a": [1, "x,y"]}, {"a": []}]', "--json").data["ids"]
    assert len(made) == 2
    assert run("ds", "get", "pairs", made[0], "--json").data["a"] == [1, "x,y"]
    assert run("kv", "set", "list", '[1, ["-2"], "--json"]').code == 0
    assert run("kv", "get", "list", "--json").data["value"] == [1, ["-2"], "--json"]
    assert run("rd", "define", "pairs", '{"a": "TEXT", "b": "INTEGER"}').code == 0
    insert = ("rd", "query", "insert into pairs values (?, ?)", '["one", 1]')
    assert run(*insert, "--json").data["changes"] == 1
    assert run("vector", "collections", "create", "pairs", "--dimensions", "2").code == 0
    assert run("vector", "add", "pairs", "--content", "east", "--embedding", "[1, 0]", "--id", "e").code == 0
    assert run("vector", "query", "pairs", "--embedding", "[1, 0]", "--json").data[0]["id"] == "e"


def test_what_the_shell_did_to_a_query_is_said(run: Run, birds: list[dict[str, str]]) -> None:
    told = run("ds", "find", "birds", "{species: hoopoe}")
    assert told.code == 2
    assert told.err.startswith("{species: hoopoe} is not JSON, so it is taken as text.\n")


# --- the other stores -------------------------------------------------------------------------------------------------


def test_values(run: Run, shared: Machine) -> None:
    assert run("kv", "set", "v.count", "1").out == "Saved v.count.\n"
    assert [run("kv", "incr", "v.count", *by).out for by in ((), ("2.5",), ("--", "-4"))] == ["2\n", "4.5\n", "0.5\n"]
    minus = run("kv", "incr", "v.count", "-1")
    assert (minus.code, "-- -1" in minus.err) == (2, True)
    assert [run("kv", "cas", "v.count", *words).out for words in (("7", "8"), ("0.5", "8"))] == ["false\n", "true\n"]
    assert run("kv", "cas", "v.new", "null", '{"a": 1}').out == "true\n"
    assert run("kv", "set", "v.soon", "1", "--ttl", "1h").code == 0
    page = run("kv", "list", "v.", "--limit", "2")
    assert page.err == "There are more; see --limit, or go on with --after v.new\n"
    assert page.out.splitlines()[1:] == ["v.count  8", 'v.new    {"a":1}']
    exported = run("kv", "export", "kv.jsonl", "--prefix", "v.")
    assert exported.out == "3 rows: kv.jsonl\n"
    for key in ("v.count", "v.new", "v.soon"):
        assert run("kv", "delete", key).out == "Done.\n"
    assert run("kv", "import", "kv.jsonl").out == "3 rows imported.\n"
    again, before = run("kv", "export", "--prefix", "v.").out, (shared.folder / "kv.jsonl").read_text()
    entries = [[json.loads(line) for line in text.splitlines()] for text in (again, before)]
    assert [entry.pop("expiresAt", 0) > 0 for entry in entries[0]] == [False, False, True]
    assert entries[0] == [{name: entry[name] for name in ("key", "value")} for entry in entries[1]]


def test_files(run: Run, shared: Machine) -> None:
    note = (shared.folder / "note.md").read_text()
    for key in ("f/note.md", "f/deep/note.md", "top.md"):
        assert run("files", "put", key, "note.md").out.endswith(f", text/markdown; charset=utf-8: {key}\n")
    assert run("files", "get", "f/note.md", "-").out == note
    assert run("files", "get", "f/note.md").code == 1, "note.md is there already"
    assert run("files", "get", "f/note.md", "got.md").code == 0
    assert (shared.folder / "got.md").read_text() == note
    listed = run("files", "ls", "f/", "--delimiter", "/").out.splitlines()
    assert listed[0] == "f/deep/"
    assert listed[2].startswith("f/note.md ")
    only_folders = run("files", "ls", "--delimiter", "/", "--limit", "1").out
    assert only_folders == "f/\n"
    assert run("files", "rm", "f/note.md").out == "Done.\n"
    assert run("files", "get", "f/note.md", "-").code == 3


def test_tables(run: Run) -> None:
    assert run("rd", "define", "rings", '{"id": "INTEGER PRIMARY KEY", "code": "TEXT NOT NULL"}').code == 0
    assert run("rd", "index", "rings", '["code"]', "--unique").code == 0
    added = run("rd", "query", "insert into rings (code) values (?), (?) returning *", '["A1", "B2"]', "--json").data
    assert added == [{"id": 1, "code": "A1"}, {"id": 2, "code": "B2"}]
    one = run("rd", "query", "select code from rings where id = :id", '{"id": 2}')
    assert one.out == "code\nB2\n"
    rings = next(table for table in run("rd", "tables", "--json").data if table["name"] == "rings")
    assert rings["rows"] == 2


def test_vectors(run: Run, shared: Machine) -> None:
    assert run("vector", "collections", "create", "songs", "--dimensions", "3").code == 0
    lines = [
        {"id": "a", "pageContent": "high", "metadata": {"who": "wren"}, "embedding": [1, 0, 0]},
        {"id": "b", "pageContent": "low", "metadata": {"who": "owl"}, "embedding": [0, 1, 0]},
    ]
    (shared.folder / "songs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run("vector", "import", "songs", "songs.jsonl").out == "Imported 2 documents.\n"
    nearest = run("vector", "query", "songs", "--embedding", "[1, 1, 0]", "--where", '{"who": "owl"}', "--json").data
    assert [(found["id"], round(found["score"], 6)) for found in nearest] == [("b", 0.707107)]
    exported = [json.loads(line) for line in run("vector", "export", "songs").out.splitlines()]
    assert exported == lines
    assert run("vector", "export", "songs", "again.jsonl").code == 0
    assert [json.loads(line) for line in (shared.folder / "again.jsonl").read_text().splitlines()] == lines
    assert run("vector", "query", "songs", "a text").code == 1, "nobody here turns text into vectors"
    assert run("vector", "clear", "songs", "--confirm").code == 0
    assert run("vector", "count", "songs").out == "0\n"


def test_a_batch_is_one(run: Run) -> None:
    batch = json.dumps([["kv.incr", "b.n"], ["ds.insert", "log", {"id": "first", "what": "x"}]])
    assert run("storage", "batch", "-", "--once", "b1", stdin=batch).out == '1\n"first"\n'
    again = run("storage", "batch", "-", "--once", "b1", "--json", stdin=batch)
    assert (again.code, again.error["code"]) == (1, "CONFLICT")
    other = run("storage", "batch", "-", "--once", "b2", "--json", stdin=batch)
    assert (other.code, other.error["details"]["operation"]) == (1, 1), "there is a document of that id"
    assert run("kv", "get", "b.n").out == "1\n"


def test_what_an_app_keeps(run: Run, birds: list[dict[str, str]]) -> None:
    usage = run("storage", "usage", "--json").data
    kinds = {kind["kind"]: kind for kind in usage["kinds"]}
    assert kinds["ds"]["rows"] >= ROWS
    assert usage["bytes"] == sum(kind["bytes"] for kind in usage["kinds"]) < usage["limit"]
    told = run("storage", "usage").out
    assert run("storage", "usage", APP).out == run("storage", "usage", "--app", APP).out == told
    assert told.splitlines()[-1].endswith(" of 5GB")


def test_a_limit_is_named_without_what_is_inside(run: Run, node: Node) -> None:
    app, name = node.app("small"), "storage.kv.maxKeysPerApp"
    usual = run("limits", "set", name, "2", "--json").data["default"]
    try:
        codes = [run("kv", "set", f"k{n}", "1", "--app", app).code for n in range(2)]
        full = run("kv", "set", "k2", "1", "--app", app, "--json")
    finally:
        assert run("limits", "set", name, str(usual)).code == 0
    assert (codes, full.code, full.error["code"]) == ([0, 0], 1, "LIMIT_EXCEEDED")
    assert "app_kv" not in full.error["message"]
    assert f"fazt limits set {name}" in full.error["hint"]


# --- what every command does ------------------------------------------------------------------------------------------

EXITS: list[tuple[int, str, tuple[str, ...]]] = [
    (1, "CONFLICT", ("ds", "insert", "birds", '{"id": "b000001"}')),
    (1, "CONFLICT", ("ds", "export", "birds", "birds.csv")),
    (1, "CONFLICT", ("files", "get", "nothing", "note.md")),
    (1, "LIMIT_EXCEEDED", ("ds", "count", "birds", json.dumps({"a": {"$in": list(range(1001))}}))),
    (2, "USAGE", ("ds",)),
    (2, "USAGE", ("ds", "fnd", "birds")),
    (2, "USAGE", ("ds", "find")),
    (2, "USAGE", ("ds", "find", "birds", "{}", "{}")),
    (2, "USAGE", ("ds", "find", "birds", "--limt", "3")),
    (2, "USAGE", ("ds", "import", "birds")),
    (2, "USAGE", ("ds", "import", "birds", "nothing.csv")),
    (2, "USAGE", ("ds", "import", "birds", "birds.csv", "--skip", "--replace")),
    (2, "USAGE", ("ds", "export", "birds", "x.jsonl", "--query", "{")),
    (2, "USAGE", ("storage", "batch", "note.md")),
    (2, "USAGE", ("vector", "add", "none")),
    (2, "INVALID_ARGUMENT", ("ds", "find", "birds", "hoopoe")),
    (2, "INVALID_ARGUMENT", ("ds", "find", "birds", '{"a": {"$foo": 1}}')),
    (2, "INVALID_ARGUMENT", ("ds", "find", "birds", "--sort", "grams")),
    (2, "INVALID_ARGUMENT", ("ds", "update", "birds", "{}", '{"$foo": {"a": 1}}')),
    (2, "INVALID_ARGUMENT", ("ds", "insert", "birds", "7")),
    (2, "VALIDATION_FAILED", ("ds", "find", "no name")),
    (2, "VALIDATION_FAILED", ("ds", "find", "birds", "--limit", "1001")),
    (2, "VALIDATION_FAILED", ("ds", "import", "birds", "note.md", "--format", "jsonl")),
    (2, "VALIDATION_FAILED", ("kv", "set", "k", "1", "--ttl", "soon")),
    (2, "VALIDATION_FAILED", ("files", "put", "../x", "note.md")),
    (3, "NOT_FOUND", ("ds", "get", "birds", "nothing")),
    (3, "NOT_FOUND", ("ds", "remove", "birds", "nothing")),
    (3, "NOT_FOUND", ("ds", "index", "drop", "birds", "nothing")),
    (3, "NOT_FOUND", ("kv", "get", "nothing")),
    (3, "NOT_FOUND", ("files", "get", "nothing", "-")),
    (3, "NOT_FOUND", ("vector", "query", "nothing", "--embedding", "[1]")),
    (3, "APP_NOT_FOUND", ("ds", "find", "birds", "--app", "nothing")),
    (3, "APP_NOT_FOUND", ("storage", "usage", "nothing")),
    (4, "CONFIRMATION_REQUIRED", ("ds", "delete", "birds", HOOPOES)),
    (4, "CONFIRMATION_REQUIRED", ("ds", "trim", "birds", "1")),
    (4, "FORBIDDEN_SQL", ("rd", "query", "drop table birds")),
]


@pytest.mark.parametrize(("code", "word", "words"), EXITS, ids=[" ".join(words)[:40] for _, _, words in EXITS])
def test_what_goes_wrong(run: Run, birds: list[dict[str, str]], code: int, word: str, words: tuple[str, ...]) -> None:
    told = run(*words, "--json")
    assert (told.code, told.error["code"]) == (code, word), told
    assert told.err.startswith("fazt: ")
    assert not any(inside in told.out + told.err for inside in ("Traceback", "app_docs", "kernel."))


def test_what_went_wrong_changed_nothing(run: Run, birds: list[dict[str, str]]) -> None:
    assert run("ds", "count", "birds").out == "5000\n"


def test_no_app_is_said(run: Run, shared: Machine, node: Node) -> None:
    for words in (
        ("ds", "find", "birds"),
        ("ds", "export", "birds"),
        ("files", "put", "k", "note.md"),
        ("rd", "tables"),
    ):
        told = run(*words, "--json", env={"FAZT_APP": ""})
        assert (told.code, told.error["code"]) == (2, "USAGE"), words
        assert "--app" in told.error["hint"]
    far = shared.fazt("@here", "rd", "tables")
    assert (far.code, far.err) == (2, "fazt: Which app is meant?\n  Add --app NAME.\n")


HELP = ("ds", "ds index", "kv", "files", "rd", "vector", "vector collections", "storage")


@pytest.mark.parametrize("group", HELP)
def test_help_says_what_every_command_does(run: Run, group: str) -> None:
    told = run(*group.split(), "--help").out
    assert f"Commands about {group.split()[-1]}" not in told
    names = [line.split()[0] for line in told.partition("Commands:\n")[2].splitlines() if line[2:3].strip()]
    page = run(*group.split(), names[0], "--help")
    assert (page.code, page.err) == (0, "")
    assert page.out.startswith(f"Usage: fazt {group} {names[0]} ")


WRITES: list[tuple[str, ...]] = [
    ("ds", "import", "birds", "birds.csv"),
    ("ds", "index", "add", "birds", "species"),
    ("kv", "set", "d.key", '{"a": 1}'),
    ("files", "put", "d/note.md", "note.md"),
    ("rd", "define", "doors", '{"n": "INTEGER"}'),
    ("rd", "query", "insert into doors values (1), (2), (3)"),
    ("vector", "collections", "create", "doors", "--dimensions", "2"),
    ("vector", "add", "doors", "--content", "x", "--embedding", "[1, 0]", "--id", "x"),
]
READS: list[tuple[str, ...]] = [
    ("ds", "collections"),
    ("ds", "find", "birds", HOOPOES, "--limit", "3", "--sort", '{"grams": -1, "id": 1}'),
    ("ds", "get", "birds", "b000007"),
    ("ds", "count", "birds", '{"grams": {"$gte": 50, "$lt": 60}}'),
    ("ds", "aggregate", "birds", '{"count": true, "avg": "grams", "groupBy": "place.city"}'),
    ("ds", "explain", "birds", HOOPOES),
    ("ds", "index", "list", "birds"),
    ("ds", "export", "birds", "--query", '{"grams": {"$lt": 12}}'),
    ("kv", "get", "d.key"),
    ("kv", "list", "d."),
    ("kv", "export", "--prefix", "d."),
    ("files", "ls", "d/"),
    ("files", "get", "d/note.md", "-"),
    ("rd", "tables"),
    ("rd", "query", "select * from doors where n < ?", "[3]"),
    ("vector", "collections", "list"),
    ("vector", "query", "doors", "--embedding", "[1, 0.5]"),
    ("vector", "export", "doors"),
    ("storage", "usage"),
]


def test_every_way_to_a_node_gives_the_same(machine: Machine, warm: Warm) -> None:
    """Through the node that runs here, by its address, and on the file when none runs."""
    node = machine.up()
    node.app(APP)
    write_birds(machine.folder / "birds.csv", 300)
    (machine.folder / "note.md").write_text("# A note\n")
    assert machine.fazt("peer", "add", "far", "--url", node.ready["admin_url"], "--token", node.key()).code == 0
    here: dict[str, str | None] = {"FAZT_DB_PATH": str(node.db), "FAZT_APP": APP}
    for words in WRITES:
        assert warm.fazt(*words, env=here).code == 0, words
    listed = ("ds", "index", "list", "birds", "--json")
    until(lambda: warm.fazt(*listed, env=here).data[0]["state"] == "ready", "the index")

    def answers(env: dict[str, str | None], *last: str, first: tuple[str, ...] = ()) -> list[tuple[int, str]]:
        ways = ((*first, *words, *last, *(("--json",) if n % 2 else ())) for n, words in enumerate(READS))
        ended = [warm.fazt(*words, env=env) for words in ways]
        return [(done.code, done.out) for done in ended]

    running = answers(here)
    assert [words for words, (code, out) in zip(READS, running, strict=True) if code or not out] == []
    assert answers({}, "--app", APP, first=("@far",)) == running
    assert node.stop() == 0
    assert answers(here) == running


def test_a_stopped_node_is_written_to(machine: Machine, warm: Warm) -> None:
    node = machine.up()
    node.app(APP)
    assert node.stop() == 0
    env = {"FAZT_DB_PATH": str(node.db), "FAZT_APP": APP}
    write_birds(machine.folder / "birds.csv", 1500)
    assert warm.fazt("ds", "import", "birds", "birds.csv", env=env).out == "1,500 rows imported.\n"
    assert warm.fazt("ds", "index", "add", "birds", "species", "--json", env=env).data["state"] == "building"
    assert warm.fazt("ds", "update", "birds", "b000001", '{"seen": 1}', env=env).out == "1\n"
    again = machine.up(known=node)
    listed = ("ds", "index", "list", "birds", "--json")
    until(lambda: warm.fazt(*listed, env=env).data[0]["state"] == "ready", "the index")
    entry = f"/api/apps/{APP}/storage/ds/birds/b000001"
    assert again.ask("GET", entry, scope="read").data["seen"] == 1


def test_what_does_not_answer(machine: Machine, warm: Warm) -> None:
    write_birds(machine.folder / "birds.csv", 1)
    for words in (("ds", "find", "birds"), ("ds", "import", "birds", "birds.csv"), ("files", "ls"), ("kv", "export")):
        gone = warm.fazt(*words, "--app", APP, "--server", "http://127.0.0.1:9", "--token", "fzt_x", "--json")
        assert (gone.code, gone.error["code"]) == (5, "UNREACHABLE"), words
