"""A node with hostile apps on it, a neighbour, and what becomes of everybody when a hostile program runs."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.runtime.apps import Apps
from tests.runtime.hostile.program import Hostile, status_of
from tests.system.harness import PATIENCE, Answer, Node

CPU_SECONDS, WALL_SECONDS = 0.2, 1
MANIFEST = {
    "limits": {"runtime": {"maxExecutionSeconds": WALL_SECONDS, "maxCpuSeconds": CPU_SECONDS, "maxMemoryMB": 32}}
}
WEB = """
export default {
  async fetch(request, env, context) {
    const name = new URL(request.url).searchParams.get("run");
    return name ? await require(`./run/${name}`)(request, env, context) : new Response("well");
  },
};
"""
CLASSIC = """
module.exports = async (request) => {
  const name = request.query.run;
  return name ? await require(`./run/${name}`)(request) : { body: "well" };
};
"""
NEIGHBOUR = """
module.exports = (request) => {
  fazt.storage.kv.set("secret", "the neighbour's own");
  return { app: fazt.app.name, secret: fazt.storage.kv.get("secret"), polluted: {}.polluted ?? null };
};
"""


@dataclass
class Attempt:
    """What a hostile program came to."""

    end: str  # the code of the error, or the status
    status: int
    head: str
    body: bytes
    cut: bool
    seconds: float
    neighbour: bool  # was right meanwhile
    again: Answer  # the next request to the same app


class Trial:
    def __init__(self, apps: Apps, programs: Sequence[Hostile]) -> None:
        self.apps = apps
        for name, main, classic in (("fierce", WEB, False), ("fierce-classic", CLASSIC, True)):
            files = {f"api/run/{one.name}.js": one.source for one in programs if one.classic is classic}
            apps.write(name, {"api/main.js": main, **files}, MANIFEST)
        apps.write("neighbour", {"api/main.js": NEIGHBOUR})
        self.seen: dict[str, Attempt] = {}
        self.right = apps.ask("neighbour").body
        assert b"the neighbour's own" in self.right

    def attempt(self, program: Hostile) -> Attempt:
        name = "fierce-classic" if program.classic else "fierce"
        host = f"{self.apps.host(name)}:{self.apps.node.port}"
        connection = http.client.HTTPConnection("127.0.0.1", self.apps.node.port, timeout=PATIENCE)
        kind = {"Content-Type": "application/json"} if program.body and program.body[0] == "[" else {}
        began = time.perf_counter()
        try:
            connection.request(program.method, f"/api?run={quote(program.name)}", program.body, {"Host": host, **kind})
            neighbour = self.apps.ask("neighbour")
            answer = connection.getresponse()
            body, cut = read_all(answer)
        finally:
            connection.close()
        seen = self.seen[program.name] = Attempt(
            end_of(answer.status, body),
            answer.status,
            str(answer.headers).lower(),
            body,
            cut,
            time.perf_counter() - began,
            neighbour.status == 200 and neighbour.body == self.right,
            self.apps.ask(name),
        )
        return seen

    @property
    def late(self) -> dict[str, float]:
        """What was answered more than half a second after its limit."""
        return {name: round(one.seconds, 2) for name, one in self.seen.items() if one.seconds > limit(one) + 0.5}


def limit(seen: Attempt) -> float:
    return WALL_SECONDS if seen.end == "TIMEOUT" else CPU_SECONDS


def read_all(answer: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """The body, and whether it ended before it was whole."""
    try:
        return answer.read(), False
    except http.client.IncompleteRead as error:
        return error.partial, True
    except ConnectionError:
        return b"", True


def end_of(status: int, body: bytes) -> str:
    """The code of an error that the node gives for an app; else the status."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return str(status)
    if isinstance(told, dict) and {"error", "code", "requestId"} <= told.keys():
        return str(told["code"])
    return str(status)


def complaints(program: Hostile, seen: Attempt) -> list[str]:
    """What went other than it must; nothing where it was contained."""
    said = []
    if seen.end not in program.ends:
        said.append(f"it ended as {seen.end}: {seen.body[:300]!r}")
    elif seen.status != status_of(seen.end):
        said.append(f"{seen.end} with the status {seen.status}")
    if seen.end.isdigit() and program.says is not None and seen.body.decode() != program.says:
        said.append(f"it said {seen.body[:300]!r}")
    if seen.cut and not program.cut:
        said.append("its answer was cut off")
    said += [f"its head holds {part!r}: {seen.head}" for part in program.without if part in seen.head]
    if not seen.end.isdigit():
        said += [
            f"the error tells {part!r}" for part in (b"/kernel/", b"Traceback", b".py", b"wasm") if part in seen.body
        ]
    if not seen.neighbour:
        said.append("the neighbour was not answered right meanwhile")
    if (seen.again.status, seen.again.body) != (200, b"well"):
        said.append(f"the next request was answered with {seen.again}")
    return said


def resident(node: Node) -> float:
    """MB that the node holds."""
    lines = Path(f"/proc/{node.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1000
