"""An app that fails: its author reads file, line and column in the log; whoever asked reads nothing of them."""

from __future__ import annotations

import pytest

from tests.runtime.apps import Apps

TYPED = """type Egg = {
  size: number;
};

export default {
  async fetch(request: Request): Promise<Response> {
    const egg: Egg | null = JSON.parse("null");
    return Response.json({ size: egg!.size });
  },
};
"""
REJECTS = """
module.exports = async (request) => {
  await Promise.resolve();
  return Promise.reject(new RangeError("too many eggs"));
};
"""
THROWS = """module.exports = (request) => {
  const nest = require("./nest");
  return nest.hatch();
};
"""
NEST = """
exports.hatch = () => {
  throw new Error("cold egg");
};
"""
SYNTAX = """module.exports = (request) => {
  let egg = ;
};
"""
SYNTAX_TYPED = """export default {
  fetch(request: Request): Response {
    const egg: number = ;
    return new Response("x");
  },
};
"""
SCRIPT = """// runs whole for each request
const egg = undefined;
respond(200, egg.size);
"""
# what is wrong, the files, where the log says that it is, the code and the words of the answer
FAILS = [
    ("an error", {"main.js": THROWS, "nest.js": NEST}, "api/nest.js:3:13", "HANDLER_ERROR", "cold egg"),
    ("a rejection", {"main.js": REJECTS}, "api/main.js:4:29", "HANDLER_ERROR", "too many eggs"),
    ("a TypeError", {"main.ts": TYPED}, "api/main.ts:8:34", "HANDLER_ERROR", ""),
    ("a syntax error", {"main.js": SYNTAX}, "api/main.js:2:13", "SYNTAX_ERROR", "The app's code cannot be read."),
    ("a typed one", {"main.ts": SYNTAX_TYPED}, "api/main.ts:3:25", "SYNTAX_ERROR", "The app's code cannot be read."),
    ("a script", {"main.js": SCRIPT}, "api/main.js:3:14", "HANDLER_ERROR", ""),
]


@pytest.mark.parametrize(("what", "files", "place", "code", "words"), FAILS, ids=[what for what, *_ in FAILS])
def test_a_failure_names_its_place(
    apps: Apps, what: str, files: dict[str, str], place: str, code: str, words: str
) -> None:
    name = "fails-" + what.replace(" ", "-").lower()
    apps.write(name, {f"api/{path}": text for path, text in files.items()})
    answer = apps.ask(name)
    assert (answer.status, answer.json["code"]) == (500, code)
    assert words in answer.json["error"]
    for internal in (b"api/", b"main.", b"nest.js", b" at ", b"stack", b"\\n"):
        assert internal not in answer.body
    request = answer.json["requestId"]
    lines = apps.node.ask("GET", f"/api/apps/{name}/logs?level=error", scope="*").data
    said = [line["message"] for line in lines if line["requestId"] == request]
    assert len(said) == 1
    assert place in said[0]
    for own in ("/kernel/", "prelude", "wasm", ".py"):
        assert own not in said[0]


LOGS = """interface Egg {
  size: number;
}

export default {
  fetch(): Response {
    try {
      throw new Error("seen");
    } catch (error) {
      console.error("it said", error);
    }
    Promise.reject(new Error("unheard"));
    return new Response("well");
  },
};
"""


def test_errors_that_are_only_logged_name_their_places_too(apps: Apps) -> None:
    apps.write("logs-errors", {"api/main.ts": LOGS})
    answer = apps.ask("logs-errors")
    assert answer.body == b"well"
    lines = apps.node.ask("GET", "/api/apps/logs-errors/logs?level=error", scope="*").data
    unheard, seen = (line["message"] for line in lines)
    assert "it said Error: seen" in seen
    assert "api/main.ts:8:" in seen
    assert "Uncaught Error: unheard" in unheard
    assert "api/main.ts:12:" in unheard
