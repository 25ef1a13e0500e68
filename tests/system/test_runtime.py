"""Apps' code in the built program: what it needs is in the one file, and made where it may be made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.system.harness import NOTHING, Answer, Machine, Node

MORTAL = {"mortal": True}
TYPED = {
    "api/main.ts": """import { greeting, type Greeting } from "./lib";
export default { fetch(request: Request): Response {
  const said: Greeting = greeting(new URL(request.url).pathname);
  return Response.json(said);
} };
""",
    "api/lib.ts": """export interface Greeting { text: string; }
export const greeting = (path: string): Greeting => ({ text: `hello ${path}` });
""",
    "index.html": "<h1>site</h1>",
}
# everything that lies in a pack of its own, and what the host does
WHOLE = {
    "api/main.js": """const _ = require("lodash");
module.exports = async (request) => {
  if (request.path === "/api/broken") {
    console.log("about to break");
    throw new TypeError("it broke");
  }
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("fazt"));
  const count = (fazt.storage.kv.get("count") || 0) + 1;
  fazt.storage.kv.set("count", count);
  return {
    chunks: _.chunk([1, 2, 3], 2),
    number: new Intl.NumberFormat("de-DE").format(1234.5),
    hour: new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Tokyo", hour: "2-digit" }).format(new Date(0)),
    digest: digest.byteLength,
    secret: fazt.env.get("SECRET", null),
    count,
  };
};
""",
    "api/job.ts": "module.exports = (request: { input: { n: number } }) => request.input.n * 2;\n",
    "index.html": "<h1>site</h1>",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def deploy(machine: Machine, node: Node, name: str, files: dict[str, str], **how: Any) -> None:
    folder = write(machine.folder / f"site-{name}", files)
    told = machine.fazt("deploy", str(folder), "--name", name, "--db", str(node.db), **how)
    assert told.code == 0, told


def api(node: Node, app: str, path: str = "/api", method: str = "GET", **how: Any) -> Answer:
    return node.ask(method, path, host=f"{app}.localhost", **how)


def machine_code(place: Path) -> dict[str, tuple[int, int]]:
    """The files that are run as they are, and what tells whether they are still the same ones."""
    found = (path for folder in place.glob("engine-*") for path in folder.iterdir())
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in found if path.name != ".used"}


def test_alone_it_runs_typescript(alone: Machine) -> None:
    """No environment, nothing installed, a program nobody may write beside."""
    node = alone.up(env=NOTHING, limits=MORTAL)
    deploy(alone, node, "typed", TYPED, env=NOTHING, limits=MORTAL)
    assert api(node, "typed", "/api/x").json == {"text": "hello /api/x"}
    place = node.db.parent / ".fazt-cache"
    made = machine_code(place)
    assert {Path(path).suffix for path in made} == {".cwasm", ".json"}
    assert node.stop() == 0
    again = alone.up(env=NOTHING, limits=MORTAL, known=node)
    assert api(again, "typed", "/api/y").json == {"text": "hello /api/y"}
    assert machine_code(place) == made
    assert again.stop() == 0
    assert [path.name for path in alone.program.parent.iterdir()] == ["fazt"]


def test_what_runs_code_is_not_touched_before_there_is_code(alone: Machine) -> None:
    node = alone.up(env=NOTHING)
    deploy(alone, node, "plain", {"index.html": "<h1>plain</h1>"}, env=NOTHING)
    assert node.ask("GET", "/", host="plain.localhost").status == 200
    assert api(node, "plain").status == 404
    mapped = Path(f"/proc/{node.pid}/maps").read_text()
    assert "apsw" in mapped
    assert not re.search(r"wasmtime|dukpy|\.cwasm", mapped)
    assert len(list(Path(f"/proc/{node.pid}/task").iterdir())) <= 5
    assert Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text() == ""


@pytest.fixture(scope="module")
def node(shared: Machine) -> Node:
    node = shared.up()
    deploy(shared, node, "whole", WHOLE)
    return node


def test_what_it_brings_for_apps_is_there(node: Node) -> None:
    told = api(node, "whole").json
    assert (told["chunks"], told["number"], told["hour"]) == ([[1, 2], [3]], "1.234,5", "09")
    assert (told["digest"], told["secret"]) == (32, None)


def test_the_environment_is_set_by_the_command(shared: Machine, node: Node) -> None:
    words = ("--app", "whole", "--db", str(node.db))
    assert shared.fazt("env", "set", "SECRET=swordfish-12", *words).code == 0
    listed = shared.fazt("env", "list", *words, "--json")
    assert [entry["name"] for entry in listed.data] == ["SECRET"]
    assert "swordfish" not in listed.out
    assert api(node, "whole").json["secret"] == "swordfish-12"
    assert shared.fazt("env", "unset", "SECRET", *words).code == 0
    assert api(node, "whole").json["secret"] is None


def test_what_an_app_said_is_shown_by_the_command(shared: Machine, node: Node) -> None:
    broken = api(node, "whole", "/api/broken")
    assert (broken.status, broken.json["code"]) == (500, "HANDLER_ERROR")
    told = shared.fazt("logs", "whole", "--request", broken.json["requestId"], "--db", str(node.db), "--json")
    said = sorted(line["message"] for line in told.data)
    assert len(said) == 2
    assert said[0].startswith("TypeError: it broke (api/main.js:5:")
    assert said[1] == "about to break"


def test_code_is_run_by_the_command(shared: Machine, node: Node) -> None:
    words = ("--db", str(node.db), "--json")
    done = shared.fazt("app", "run", "whole", "--handler", "api/job.ts", "--input", json.dumps({"n": 21}), *words)
    assert done.data == 42
    whole = shared.fazt("app", "run", "whole", *words)
    assert whole.data["number"] == "1.234,5"
    failed = shared.fazt("app", "run", "whole", "--path", "/api/broken", *words)
    assert (failed.code, failed.error["code"]) == (1, "HANDLER_ERROR")
    invoked = shared.fazt("app", "invoke", "whole", "--path", "/api/broken", *words)
    assert invoked.data["status"] == 500
    assert invoked.data["logs"][0]["message"] == "about to break"


def test_without_a_node_the_command_runs_code_itself(machine: Machine) -> None:
    node = machine.up()
    deploy(machine, node, "whole", WHOLE)
    assert node.stop() == 0
    words = ("--db", str(node.db), "--json")
    done = machine.fazt("app", "run", "whole", "--handler", "api/job.ts", "--input", json.dumps({"n": 4}), *words)
    assert done.data == 8


def test_the_libraries_are_listed(shared: Machine, node: Node) -> None:
    listed = shared.fazt("stdlib", "list", "--db", str(node.db), "--json").data
    assert {"lodash", "zod", "dayjs"} <= {library["name"] for library in listed}


@pytest.mark.parametrize("bad", ["shared", "file"])
def test_with_an_unfit_cache_the_place_beside_the_data_is_taken(machine: Machine, bad: str) -> None:
    cache = machine.folder / "bad"
    if bad == "file":
        cache.touch()
    else:
        cache.mkdir()
        cache.chmod(0o777)
    env = {"FAZT_CACHE": str(cache), "HOME": str(machine.folder / "nowhere"), "XDG_RUNTIME_DIR": ""}
    node = machine.up(env=env)
    deploy(machine, node, "typed", TYPED, env=env)
    assert api(node, "typed", "/api/x").json == {"text": "hello /api/x"}
    assert machine_code(node.db.parent / ".fazt-cache")
    # the deploy may remember there what it hashed: that is only data
    assert cache.is_file() or {path.name for path in cache.iterdir()} <= {"hashes"}
