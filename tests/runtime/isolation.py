"""Many requests at once, of two apps and of two people, each asked who and what it is before and after it waits."""

from __future__ import annotations

import collections
import http.client
import random
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.runtime.apps import Apps
from tests.system.harness import PATIENCE, Answer, ask

APPS = ("mirror-one", "mirror-two")
THREADS = 8
MAIN = """
let latest = null;

const about = (request) => ({
  mine: request.query.mark,
  user: fazt.auth.getUser()?.id ?? null,
  app: fazt.app.name,
  kept: fazt.storage.kv.get("mark:" + request.query.slot) ?? null,
  global: globalThis.latest,
  module: latest,
  header: request.headers["x-mark"],
});
const waits = {
  none: async () => {},
  microtask: () => Promise.resolve(),
  timer: () => new Promise((done) => setTimeout(done, 1)),
  digest: () => crypto.subtle.digest("SHA-256", new Uint8Array(64)),
};

module.exports = async (request) => {
  const { mark, slot, wait } = request.query;
  globalThis.latest = latest = mark;
  fazt.storage.kv.set("mark:" + slot, mark);
  console.log("mark " + mark);
  const before = about(request);
  for (let n = 0; n < 3; n++) await waits[wait]();
  console.log("again " + mark);
  return { before, after: about(request) };
};
"""
WAITS = ("none", "microtask", "timer", "digest")


@dataclass
class Found:
    calls: int = 0
    wrong: list[str] = field(default_factory=list)
    marks: dict[str, tuple[str, str]] = field(default_factory=dict)  # mark → (app, request id)


@dataclass(frozen=True)
class Person:
    """Nobody, whoever has a key of the node, or somebody the owner runs an app for."""

    key: str | None = None
    id: str | None = None
    stands_for: str | None = None

    @property
    def user(self) -> str | None:
        return self.stands_for or self.id


class Isolation:
    """The apps, and who their people are."""

    def __init__(self, apps: Apps) -> None:
        self.apps = apps
        for name in APPS:
            apps.write(name, {"api/main.js": MAIN})
        self.people = [Person(), *(Person(stands_for=name) for name in ("usr_wren", "usr_crow"))]
        for scope in ("*", "admin"):
            person = Person(key=apps.node.key(scope))
            user = self._call(None, random.Random(0), "first", 0, person)[1].json["before"]["user"]
            self.people.append(Person(person.key, user))
        assert len({person.user for person in self.people}) == len(self.people), "they are not different people"

    def run(self, calls: int, seed: int, most_wrong: int = 20) -> Found:
        """So many calls by eight threads, each on a connection of its own."""
        found, left, guard = Found(), collections.deque(range(calls)), threading.Lock()

        def worker(number: int) -> None:
            chance = random.Random(f"{seed}/{number}")
            connection = http.client.HTTPConnection("127.0.0.1", self.apps.node.port, timeout=PATIENCE)
            while len(found.wrong) < most_wrong:
                try:
                    n = left.popleft()
                except IndexError:
                    break
                mark = f"{seed:x}-{n}"
                try:
                    app, answer, wrong = self._judged(connection, chance, mark, number)
                except Exception as error:
                    wrong, app, answer = [f"{mark}: {error!r}"], "", None
                with guard:
                    found.calls += 1
                    found.wrong += wrong
                    if answer:
                        found.marks[mark] = (app, answer.headers.get("X-Request-ID", ""))
            connection.close()

        threads = [threading.Thread(target=worker, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    def _judged(
        self, connection: http.client.HTTPConnection, chance: random.Random, mark: str, slot: int
    ) -> tuple[str, Answer, list[str]]:
        person = chance.choice(self.people)
        app, answer = self._call(connection, chance, mark, slot, person)
        if answer.status != 200:
            return app, answer, [f"{mark}: {answer.status} {answer.body[:200]!r}"]
        right: dict[str, Any] = {"mine": mark, "app": app, "user": person.user}
        right |= {"kept": mark, "global": mark, "module": mark, "header": mark}
        wrong = [
            f"{mark} {when}: {name} is {seen.get(name)!r}, not {value!r}"
            for when, seen in answer.json.items()
            for name, value in right.items()
            if seen.get(name) != value
        ]
        return app, answer, wrong

    def _call(
        self,
        connection: http.client.HTTPConnection | None,
        chance: random.Random,
        mark: str,
        slot: int,
        person: Person,
    ) -> tuple[str, Answer]:
        app = chance.choice(APPS)
        path = "/api?" + urlencode({"mark": mark, "slot": slot, "wait": chance.choice(WAITS)})
        headers, port = {"X-Mark": mark}, self.apps.node.port
        if not person.stands_for:
            host = self.apps.host(app)
            return app, ask(port, "GET", path, host=host, key=person.key, headers=headers, connection=connection)
        wanted = {"path": path, "headers": {"x-mark": mark}, "as": person.stands_for}
        key = self.apps.node.key("*")
        told = ask(port, "POST", f"/api/apps/{app}/invoke", key=key, body=wanted, connection=connection)
        if told.status != 200:
            return app, told
        said = [line["message"] for line in told.data["logs"]]
        if said != [f"mark {mark}", f"again {mark}"]:
            return app, Answer(500, told.headers, f"its logs are {said}".encode())
        return app, Answer(told.data["status"], told.headers, told.data["body"].encode())

    def strange_lines(self, found: Found) -> list[str]:
        """Lines of the apps' logs that belong to another request than they say, or to another app."""
        strange, seen = [], collections.Counter[str]()
        for app in APPS:
            for line in self._lines(app):
                mark = line["message"].rpartition(" ")[2]
                if mark not in found.marks:
                    continue
                seen[mark] += 1
                if found.marks[mark] != (app, line["requestId"]):
                    strange.append(f"{app}: {line}, not of {found.marks[mark]}")
        return strange + [f"{mark} has {seen[mark]} lines" for mark in found.marks if seen[mark] != 2]

    def _lines(self, app: str) -> list[dict[str, Any]]:
        answer = self.apps.node.ask("GET", f"/api/apps/{app}/logs?limit=1000", scope="*")
        assert answer.status == 200, answer
        lines: list[dict[str, Any]] = answer.data
        return lines
