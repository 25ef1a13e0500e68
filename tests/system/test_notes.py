"""A notes API in thirty lines of TypeScript, the way its author meets it: deployed, asked, restarted, killed."""

from __future__ import annotations

import http.client
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.system.harness import PATIENCE, Answer, Machine, Node, ask, until

SOURCE = Path(__file__).resolve().parent.parent / "runtime" / "apps" / "notes"
HOST = "notes.localhost"
WRITERS, ENOUGH = 8, 150


def call(node: Node, method: str, path: str, body: Any = None, **how: Any) -> Answer:
    return ask(node.port, method, path, host=HOST, body=body, **how)


def deploy(machine: Machine, node: Node) -> None:
    project = machine.folder / "notes"
    shutil.copytree(SOURCE, project)
    told = machine.fazt("deploy", str(project), "--name", "notes", "--db", str(node.db), "--json")
    assert told.code == 0, told


@pytest.fixture
def node(machine: Machine) -> Node:
    node = machine.up()
    deploy(machine, node)
    return node


def write(node: Node, text: str) -> dict[str, Any]:
    answer = call(node, "POST", "/api/notes", {"text": text})
    assert answer.status == 201, answer
    note: dict[str, Any] = answer.json
    return note


def listed(node: Node) -> dict[str, Any]:
    answer = call(node, "GET", "/api/notes")
    assert answer.status == 200, answer
    return {note["id"]: note for note in answer.json}


def test_it_is_small() -> None:
    lines = (SOURCE / "api" / "main.ts").read_text().splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 120


def test_a_note_is_written_read_and_deleted(node: Node) -> None:
    answer = call(node, "POST", "/api/notes", {"text": "Grüße, 🥚"})
    note = answer.json
    assert (answer.status, note["text"]) == (201, "Grüße, 🥚")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["location"] == f"/api/notes/{note['id']}"
    assert headers["content-type"].startswith("application/json")
    assert call(node, "GET", headers["location"]).json == note
    other = write(node, "another")
    assert listed(node) == {note["id"]: note, other["id"]: other}
    gone = call(node, "DELETE", f"/api/notes/{note['id']}")
    assert (gone.status, gone.body) == (204, b"")
    assert listed(node) == {other["id"]: other}
    assert call(node, "GET", f"/api/notes/{note['id']}").status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/notes", {"text": ""}, 400),
        ("POST", "/api/notes", {"text": " \n"}, 400),
        ("POST", "/api/notes", {"text": 7}, 400),
        ("POST", "/api/notes", {}, 400),
        ("POST", "/api/notes", None, 400),
        ("POST", "/api/notes", {"text": "x" * 1001}, 400),
        ("PUT", "/api/notes", {"text": "x"}, 405),
        ("GET", "/api/notes/nothing", None, 404),
        ("DELETE", "/api/notes/nothing", None, 404),
        ("GET", "/api/other", None, 404),
        ("GET", "/api", None, 404),
    ],
)
def test_what_is_wrong_is_said(notes: Node, method: str, path: str, body: Any, status: int) -> None:
    answer = call(notes, method, path, body)
    assert (answer.status, list(answer.json)) == (status, ["error"])
    assert listed(notes) == {}


@pytest.fixture(scope="module")
def notes(shared: Machine) -> Node:
    """One node for what changes nothing."""
    node = shared.up()
    deploy(shared, node)
    return node


def test_notes_survive_a_restart(machine: Machine, node: Node) -> None:
    told = [write(node, f"note {n}") for n in range(3)]
    assert node.stop() == 0
    again = machine.up(known=node)
    assert listed(again) == {note["id"]: note for note in told}
    assert write(again, "and one more")["id"] not in {note["id"] for note in told}


class Writer(threading.Thread):
    """Writes notes one after the other until the node is gone, and keeps what it was told."""

    def __init__(self, node: Node, number: int) -> None:
        super().__init__()
        self.port, self.number, self.told = node.port, number, dict[str, Any]()
        self.refused: list[Answer] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            for n in range(1_000_000):
                body = {"text": f"{self.number}/{n}"}
                answer = ask(self.port, "POST", "/api/notes", host=HOST, body=body, connection=connection)
                if answer.status != 201:
                    self.refused.append(answer)
                    return
                self.told[answer.json["id"]] = answer.json
        except (OSError, http.client.HTTPException):
            return  # the node is gone
        finally:
            connection.close()


def test_what_was_acknowledged_survives_kill_9(machine: Machine, node: Node) -> None:
    writers = [Writer(node, number) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    until(lambda: sum(len(writer.told) for writer in writers) >= ENOUGH, "enough notes")
    node.kill()
    for writer in writers:
        writer.join()
    again = machine.up(known=node)
    told = {key: note for writer in writers for key, note in writer.told.items()}
    assert [answer for writer in writers for answer in writer.refused] == []
    assert len(told) >= ENOUGH
    assert {key: call(again, "GET", f"/api/notes/{key}").json for key in told} == told
    # nothing but whole notes is there: those that were on their way, at most one of each writer, may be too
    kept = stored(again)
    assert told.items() <= kept.items()
    assert len(kept) <= len(told) + WRITERS


def stored(node: Node) -> dict[str, Any]:
    """All notes of the store, page by page."""
    found: dict[str, Any] = {}
    after: str | None = ""
    while after is not None:
        page = node.ask(
            "GET",
            f"/api/apps/notes/storage/kv?prefix=note:&limit=1000{f'&after={after}' if after else ''}",
            scope="read",
        )
        found |= {entry["key"].removeprefix("note:"): entry["value"] for entry in page.data}
        after = page.json["meta"]["next"]
    return found
