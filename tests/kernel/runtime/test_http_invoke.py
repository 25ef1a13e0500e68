"""Code that its owner runs by hand: over HTTP and by the command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fazt.cli import main
from tests.kernel.runtime.live import Live, living
from tests.support import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOOL = """
module.exports = (request) => {
  console.log("asked", request.method, request.path);
  if (request.query.fail) throw new TypeError("no good");
  if (request.query.status) return { status: Number(request.query.status), text: "refused" };
  if (request.query.bytes) return new Uint8Array([255, 0]);
  if (request.query.large) return { text: "x".repeat(2 << 20) };
  if (request.query.loop) for (;;) ;
  const { method, path, url, query, headers, body, user, trigger } = request;
  return { status: 201, json: { method, path, host: url.host, query, headers, body, user, trigger,
    input: request.input ?? null }, headers: { "x-own": ["1", "2"] } };
};
"""
JOB = """
module.exports = (request) => {
  console.warn("working");
  if (request.input === "fail") throw new Error("the job failed");
  return { got: request.input ?? null, trigger: request.trigger, user: request.user };
};
"""
NOTHING = "module.exports = () => {};"
ROUND = "module.exports = () => { const a = {}; a.a = a; return a; };"
WEB = """
exports.default = { fetch(request, env, context) {
  const url = new URL(request.url);
  if (url.searchParams.has("stream")) return new Response(new ReadableStream({
    pull(c) { c.enqueue(new Uint8Array(65536)); }, cancel() { fazt.storage.kv.set("cancelled", 1); } }));
  context.waitUntil((async () => { await fazt.sleep(30); fazt.storage.kv.set("later", request.signal.aborted); })());
  return new Response(url.pathname);
} };
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with living(tmp_path_factory.mktemp("node")) as made:
        files: dict[str, str | bytes] = {"api/main.js": TOOL, "api/job.js": JOB, "api/nothing.js": NOTHING}
        await made.app("tool", {**files, "api/round.js": ROUND, "index.html": "<p>"})
        await made.app("web", WEB, "fetch")
        await made.release("empty", {"index.html": b"<p>"})
        yield made


async def invoke(live: Live, app: str = "tool", key: str = "*", **values: Any) -> Answer:
    return await live.running.ask("POST", f"/api/apps/{app}/invoke", key=key, body=values)


async def test_an_answer_as_it_would_be(live: Live) -> None:
    said = (await invoke(live, path="/api/x/%C3%A4?a=1", headers={"X-One": "1"}, body="text", method="PUT")).data
    assert said["status"] == 201
    assert said["headers"]["x-own"] == "1, 2"
    result = said["result"]
    assert json.loads(said["body"]) == result
    assert (result["method"], result["path"], result["query"]) == ("PUT", "/api/x/%C3%A4", {"a": "1"})
    assert (result["headers"]["x-one"], result["trigger"], result["user"]) == ("1", "http", None)
    assert result["host"] == live.host(live.apps["tool"].replace("_", "-"))
    assert said["logs"] == [{"level": "info", "message": "asked PUT /api/x/%C3%A4"}]
    assert said["durationMs"] == 0
    assert "error" not in said


async def test_what_is_not_ascii_in_a_path_is_escaped(live: Live) -> None:
    result = (await invoke(live, path="/api/ä?b=ö")).data["result"]
    assert (result["path"], result["query"]) == ("/api/%C3%A4", {"b": "ö"})


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({"path": "/api?status=404"}, {"status": 404, "body": "refused", "result": "refused"}),
        ({"path": "/api?bytes=1"}, {"status": 200, "body": "/wA=", "base64": True}),
        ({"handler": "api/nothing.js"}, {"status": 200, "body": ""}),
        ({"handler": "api/job.js", "input": {"a": 1}}, {"status": 200}),
    ],
)
async def test_kinds_of_answers(live: Live, values: dict[str, Any], seen: dict[str, Any]) -> None:
    said = (await invoke(live, **values)).data
    assert {name: said.get(name) for name in seen} == seen


async def test_input(live: Live) -> None:
    result = (await invoke(live, handler="api/job.js", input={"a": [1]})).data["result"]
    assert result == {"got": {"a": [1]}, "trigger": "run", "user": None}
    result = (await invoke(live, method="POST", input={"a": 1})).data["result"]
    assert (result["body"], result["headers"]["content-type"]) == ({"a": 1}, "application/json")


@pytest.mark.parametrize(
    ("somebody", "user"),
    [("owner", {"id": "owner", "role": "owner"}), ("anna", {"id": "anna", "role": "user"}),
     ("bob:admin", {"id": "bob", "role": "admin"})],
)  # fmt: skip
async def test_as_somebody(live: Live, somebody: str, user: dict[str, str]) -> None:
    found = (await invoke(live, **{"as": somebody})).data["result"]["user"]
    assert {name: found[name] for name in user} == user


async def test_failures(live: Live) -> None:
    said = (await invoke(live, path="/api?fail=1")).data
    error = said["error"]
    number = next(n for n, line in enumerate(TOOL.splitlines(), 1) if "no good" in line)
    assert (said["status"], error["code"], error["message"]) == (500, "HANDLER_ERROR", "no good")
    assert (error["file"], error["line"]) == ("api/main.js", number)
    assert [line["level"] for line in said["logs"]] == ["info", "error"]
    said = (await invoke(live, handler="api/round.js")).data
    assert said["error"]["code"] in ("INVALID_RESPONSE", "HANDLER_ERROR")
    await live.running.run("config.set", name="limits.runtime.maxCpuSeconds", value=0.05)
    assert (await invoke(live, path="/api?loop=1")).data["error"]["code"] == "CPU_LIMIT"
    await live.running.run("config.unset", name="limits.runtime.maxCpuSeconds")


@pytest.mark.parametrize(
    ("app", "values", "status"),
    [
        ("tool", {"path": "api"}, 400),
        ("tool", {"path": ""}, 400),
        ("tool", {"path": "/api\r\nX: 1"}, 400),
        ("tool", {"method": "get"}, 400),
        ("tool", {"method": "G" * 17}, 400),
        ("tool", {"handler": "api/none.js"}, 404),
        ("tool", {"handler": "index.html"}, 400),
        ("tool", {"handler": "api/../index.html"}, 400),
        ("tool", {"handler": "/etc/passwd"}, 400),
        ("tool", {"as": "anna:king"}, 400),
        ("tool", {"unknown": 1}, 400),
        ("tool", {"headers": {"a": 1}}, 400),
        ("empty", {}, 404),
        ("none", {}, 404),
    ],
)
async def test_bad_input(live: Live, app: str, values: dict[str, Any], status: int) -> None:
    answer = await invoke(live, app, **values)
    assert answer.status == status, answer.body
    await live.quiet()


@pytest.mark.parametrize(("key", "status"), [("*", 200), ("admin", 200), ("read", 403), ("deploy", 403)])
async def test_who_may(live: Live, key: str, status: int) -> None:
    assert (await invoke(live, key=key)).status == status
    assert (await live.running.ask("POST", "/api/apps/tool/invoke", body={})).status == 401


async def test_a_stream_is_shown_to_a_point(live: Live) -> None:
    said = (await invoke(live, "web", path="/api?stream=1")).data
    assert len(said["body"]) == 1 << 20
    await live.quiet()


async def test_what_is_left_to_do_is_done(live: Live) -> None:
    assert (await invoke(live, "web")).data["body"] == "/api"
    await live.quiet()
    entry = await live.running.run("storage.kv.entry", app="web", key="later")
    assert entry.value is False


# --- the command


@pytest.fixture
def fazt(live: Live, capsys: pytest.CaptureFixture[str]) -> Any:
    async def run(*words: str) -> tuple[int, str, str]:
        running = live.running
        where = ("--server", f"http://{running.admin}:{running.site.port}", "--token", await running.key("*"))
        code = await asyncio.to_thread(main.main, [*words, *where])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("app", "run", "tool", "--handler", "api/job.js", "--input", '{"a":1}'), 0, '"got"'),
        (("app", "run", "tool", "--handler", "api/job.js", "--as", "anna:admin"), 0, "anna"),
        (("app", "run", "tool", "--method", "PUT", "--path", "/api/x"), 0, "PUT"),
        (("app", "run", "tool", "--handler", "api/job.js", "--input", '"fail"'), 1, "api/job.js:4"),
        (("app", "run", "tool", "--path", "/api?status=404"), 1, "404"),
        (("app", "run", "tool", "--path", "/api?fail=1"), 1, "no good"),
        (("app", "run", "tool", "--handler", "api/none.js"), 3, "none.js"),
        (("app", "run", "empty"), 3, "api/main"),
        (("app", "run", "nobody"), 3, "nobody"),
        (("app", "run", "tool", "--handler", "index.html"), 2, "api/"),
        (("app", "invoke", "tool", "--path", "/api?status=404"), 0, "404"),
        (("app", "invoke", "tool", "--path", "/api?fail=1"), 0, "no good"),
        (("app", "invoke", "nobody"), 3, "nobody"),
    ],
)
async def test_the_command(fazt: Any, words: tuple[str, ...], code: int, told: str) -> None:
    found, out, err = await fazt(*words, "--json")
    assert found == code, (out, err)
    assert told in out + err
