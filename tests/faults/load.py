"""Writers that never pause, and what they were promised; and the look at the file after the node was killed."""

from __future__ import annotations

import collections
import http.client
import random
import shutil
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from tests.system.harness import PATIENCE, Machine, Node, ask, kv_path, until

WRITERS = 50


@dataclass
class Promises:
    """What clients know. `told`: acknowledged. `open`: asked for when the node died, so either way is right."""

    told: dict[str, Any] = field(default_factory=dict)
    open: dict[str, Any] = field(default_factory=dict)
    counters: dict[str, tuple[int, int]] = field(default_factory=dict)  # name → (acknowledged, asked for)
    apps: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    other: collections.Counter[int] = field(default_factory=collections.Counter)  # answers that promise nothing

    @property
    def acknowledged(self) -> int:
        return len(self.told) + len(self.apps) + len(self.keys) + sum(told for told, _ in self.counters.values())


class Load:
    """Fifty writers, each on a connection of its own, until the node is gone or `stop`."""

    def __init__(self, node: Node, app: str, promises: Promises, seed: int, writers: int = WRITERS) -> None:
        self.port, self.key, self.app, self.promises = node.port, node.key(), app, promises
        self._run, self._over = f"{seed:x}", threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(n, random.Random(f"{seed}/{n}"))) for n in range(writers)
        ]
        self.answered = 0  # not exact, for waiting only

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _write(self, writer: int, chance: random.Random) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            for n in range(1_000_000):
                if self._over.is_set():
                    return
                kind = chance.choices(("value", "counter", "app", "key"), (80, 12, 6, 2))[0]
                getattr(self, f"_{kind}")(connection, f"{self._run}-{writer}-{n}", f"{self._run}-{writer}", chance)
                self.answered += 1
        except (OSError, http.client.HTTPException):
            return  # the node is gone
        finally:
            connection.close()

    def _post(self, connection: http.client.HTTPConnection, path: str, body: Any) -> Any:
        answer = ask(self.port, "POST", path, body=body, key=self.key, connection=connection)
        if answer.status != 201:
            self.promises.other[answer.status] += 1
            return None
        return answer.data

    def _value(self, connection: http.client.HTTPConnection, name: str, _: str, chance: random.Random) -> None:
        value = {"of": name, "fill": "x" * min(4000, int(chance.paretovariate(0.7)))}
        self.promises.open[name] = value
        if self._post(connection, kv_path(self.app), {"key": name, "value": value}) is not None:
            self.promises.told[name] = value

    def _counter(self, connection: http.client.HTTPConnection, _: str, writer: str, chance: random.Random) -> None:
        name = f"counter-{writer}"
        told, asked = self.promises.counters.get(name, (0, 0))
        self.promises.counters[name] = (told, asked + 1)
        if self._post(connection, kv_path(self.app), {"key": name, "value": asked + 1}) is not None:
            self.promises.counters[name] = (asked + 1, asked + 1)

    def _app(self, connection: http.client.HTTPConnection, name: str, _: str, chance: random.Random) -> None:
        made = self._post(connection, "/api/apps", {"slug": f"a{name}", "title": name})
        if made is not None:
            self.promises.apps.add(f"a{name}")

    def _key(self, connection: http.client.HTTPConnection, name: str, _: str, chance: random.Random) -> None:
        made = self._post(connection, "/api/keys", {"name": name, "scopes": ["read"]})
        if made is not None:
            self.promises.keys.add(made["id"])


@dataclass
class Verdict:
    """What the file holds against what was promised."""

    checked: int = 0
    lost: int = 0
    wrong: int = 0
    torn: int = 0
    integrity: str = ""
    audit: str = ""

    @property
    def well(self) -> bool:
        return not (self.lost or self.wrong or self.torn) and (self.integrity, self.audit) == ("ok", "ok")


def stored(node: Node, app: str) -> dict[str, Any]:
    """All of an app's entries, as the node gives them out."""
    found: dict[str, Any] = {}
    after: dict[str, str] = {}
    while True:
        answer = node.ask("GET", kv_path(app, limit=1000, **after), scope="*")
        found.update({row["key"]: row["value"] for row in answer.data})
        if not answer.json["meta"]["next"]:
            return found
        after = {"after": answer.json["meta"]["next"]}


def dissect(database: Path, into: Path) -> tuple[str, int]:
    """A copy of what the dead node left: SQLite's own opinion, and how many batches are there by half."""
    into.mkdir(parents=True, exist_ok=True)
    copy = into / "copy.db"
    for suffix in ("", "-wal"):
        part = Path(f"{database}{suffix}")
        Path(f"{copy}{suffix}").unlink(missing_ok=True)
        if part.exists():
            shutil.copy(part, f"{copy}{suffix}")
    connection = apsw.Connection(str(copy))
    try:
        integrity = "; ".join(str(row[0]) for row in connection.execute("pragma integrity_check(5)"))
        halves = """select
          (select count(*) from apps where id not in (select app_id from aliases where is_primary = 1)) +
          (select count(*) from aliases where app_id not in (select id from apps)) +
          abs((select count(*) from api_keys) - (select count(*) from audit where action = 'keys.create'))"""
        torn = int(str(connection.execute(halves).fetchall()[0][0]))
    finally:
        connection.close()
    return integrity, torn


def compare(promises: Promises, found: dict[str, Any], apps: Iterable[str], keys: Iterable[str]) -> Verdict:
    verdict = Verdict(checked=promises.acknowledged)
    for name, value in promises.told.items():
        if name not in found:
            verdict.lost += 1
        elif found[name] != value:
            verdict.wrong += 1
    for name, (told, asked) in promises.counters.items():
        verdict.lost += max(0, told - found.get(name, 0))
        verdict.wrong += found.get(name, 0) > asked
    verdict.lost += len(promises.apps - set(apps)) + len(promises.keys - set(keys))
    for name, value in found.items():
        if not name.startswith("counter-") and promises.open.get(name) != value:
            verdict.wrong += 1  # nobody ever sent that
    return verdict


def every(node: Node, path: str) -> list[dict[str, Any]]:
    """All rows of a list that pages by offset."""
    rows: list[dict[str, Any]] = []
    while True:
        answer = node.ask("GET", f"{path}&limit=100&offset={len(rows)}", scope="*")
        rows += answer.data
        if not answer.json["meta"]["has_more"]:
            return rows


def judge(node: Node, app: str, promises: Promises) -> Verdict:
    """Ask the node that runs now for everything its predecessor promised."""
    apps = [row["slug"] for row in every(node, "/api/apps?all=true")]
    keys = [row["id"] for row in node.ask("GET", "/api/keys", scope="*").data]
    verdict = compare(promises, stored(node, app), apps, keys)
    checked = node.machine.fazt("audit", "verify", "--db", str(node.db), "--json")
    verdict.audit = "ok" if checked.code == 0 and checked.data["intact"] else checked.out
    return verdict


class Killing:
    """A file, a node on it, and a load; again and again the node is killed in the middle of its work."""

    def __init__(self, machine: Machine, seed: int) -> None:
        self.machine, self.chance, self.seed = machine, random.Random(seed), seed
        self.node = machine.up()
        self.node.key()
        self.app = self.node.app("load")
        self.promises = Promises()
        self.kills = 0

    def kill(self) -> Verdict:
        """One round: load, kill -9 after a random number of answers, look, start again, compare."""
        load = Load(self.node, self.app, self.promises, self.seed * 1000 + self.kills)
        load.start()
        enough = self.chance.randint(20, 600)
        until(lambda: load.answered >= enough or self.node.process.poll() is not None, f"{enough} answers")
        self.node.kill()
        load.join()
        self.kills += 1
        integrity, torn = dissect(self.node.db, self.machine.folder / "dissected")
        self.node = again = self.machine.up(known=self.node)
        verdict = judge(again, self.app, self.promises)
        verdict.integrity, verdict.torn = integrity, torn
        return verdict
