"""Objects by every door: the code of an app, HTTP, the command line."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from fazt.cli.main import main
from kernel.data.object_move import KIND
from kernel.jobs.kinds import Job
from kernel.syscall import Write
from kernel.syscall.call import LOCAL
from tests.kernel.data.object_bench import BUCKET, emptied
from tests.kernel.runtime.live import Live, living
from tests.support import Answer

SHOP = "/api/apps/shop/storage/s3"
CODE = """
const s3 = fazt.app.s3;
const said = (work) => { try { return work() } catch (error) { return { error: error.code } } };
module.exports = function (request) {
  switch (request.path) {
    case "/api/file": {
      const found = s3.get(request.query.key);
      return found ? respond(200, found.data, { "Content-Type": found.mime }) : respond(404, {});
    }
    case "/api/send": return respond(s3.put(request.query.key, request.files.file.data, request.files.file.type));
    case "/api/all": {
      const made = s3.put("text", "grüße", "text/plain");
      s3.put("buffer", new Uint8Array([0, 255, 128]).buffer);
      s3.put("view", new Uint8Array([1, 2, 3, 4]).subarray(1, 3));
      s3.put("/words", new Uint16Array([258]));
      const text = s3.get("text"), buffer = s3.get("buffer");
      return respond({
        made, text: text.text(), base64: buffer.base64(), bytes: [...new Uint8Array(buffer.data)],
        isBuffer: buffer.data instanceof ArrayBuffer, names: Object.keys(text).sort(),
        hash: text.hash, cid: text.cid, head: s3.head("text"), gone: s3.get("none"), headless: s3.head("none"),
        listed: s3.list().map((one) => one.key), page: s3.listPage("", { limit: 2 }),
        removed: s3.delete("view") === undefined, left: s3.list("v"),
        refused: [() => s3.put("a", 7), () => s3.put("a"), () => s3.put("../a", ""), () => s3.get("a//b"),
          () => s3.put("a", "b", "c\\r\\nd"), () => s3.put("\\ud800", ""), () => fazt.app.user.s3.list()]
          .map((work) => said(work)),
        same: fazt.storage.s3.list().length,
      });
    }
  }
};
"""


@pytest.fixture(params=["inside", "outside"])
async def live(request: Any, tmp_path: Path) -> AsyncIterator[Live]:
    async with living(tmp_path) as made:
        await made.app("shop", CODE)
        if request.param == "outside":
            endpoint = request.getfixturevalue("moto")
            await asyncio.to_thread(emptied, endpoint)
            values = {"s3.endpoint": endpoint, "s3.access_key": "name", "s3.secret_key": "secret"}
            for name, value in values.items():
                assert (await ask(made, "PUT", f"/api/config/{name}", body={"value": value})).status == 200
            to = {"to": f"s3://{BUCKET}/prefix"}
            assert (await ask(made, "POST", "/api/apps/shop/storage/move", body=to)).status == 202
            node, app = made.running.node, made.apps["shop"]
            job = Job("job_1", KIND, "moves", app, "move", None, "null", 1, 5, 0, 0, "")
            plan = await node.jobs.kinds[KIND].run(job)
            assert isinstance(plan, Write)
            await node.store.write(plan.steps)
        yield made


async def ask(live: Live, method: str, path: str, **how: Any) -> Answer:
    return await live.running.ask(method, path, key="*", **how)


def place(key: str) -> str:
    return f"{SHOP}/object?key={quote(key, safe='')}"


async def test_an_apps_code_stores_and_reads_everything(live: Live) -> None:
    reply = await live.running.ask("GET", "/api/all", host=f"shop.{live.running.site.domain}")
    assert reply.status == 200, reply.body
    said = reply.json
    assert said["made"] == {"key": "text", "size": 7, "mime": "text/plain", "cid": said["cid"]}
    assert (said["text"], said["base64"], said["bytes"], said["isBuffer"]) == ("grüße", "AP+A", [0, 255, 128], True)
    assert said["names"] == ["cid", "data", "hash", "mime", "size", "updatedAt"]
    assert set(said["head"]) == {"key", "path", "mime", "size", "updatedAt", "cid", "hash"}
    assert (said["gone"], said["headless"], said["removed"], said["left"]) == (None, None, True, [])
    assert (said["listed"], said["same"]) == (["buffer", "text", "view", "words"], 3)
    assert [one["key"] for one in said["page"]["items"]] == ["buffer", "text"]
    assert said["page"]["prefixes"] == []
    assert said["page"]["cursor"]
    assert [one["error"] for one in said["refused"]] == ["INVALID_ARGUMENT"] * 6 + ["LOGIN_REQUIRED"]


@pytest.mark.parametrize("size", [0, 1, 1024, 300_000, 1_500_000])
async def test_bytes_go_round_exactly(live: Live, size: int) -> None:
    data = random.Random(size).randbytes(size)
    stored = await ask(live, "PUT", place("a b/ä?.png"), raw=data, headers={"Content-Type": "image/png"})
    assert (stored.status, stored.data["size"], stored.data["mime"]) == (201, size, "image/png")
    shown = await live.running.ask(
        "GET", f"/api/file?key={quote('a b/ä?.png', safe='')}", host=f"shop.{live.running.site.domain}"
    )
    assert (shown.status, shown.body, shown.headers["Content-Type"]) == (200, data, "image/png")
    raw = await ask(live, "GET", place("a b/ä?.png"))
    assert (raw.body, raw.headers["Content-Type"]) == (data, "image/png")


async def test_a_body_without_room_in_memory_is_sent_again_later(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = live.running.server.api.bodies
    monkeypatch.setattr(budget, "most", 200_000)
    refused = await ask(live, "PUT", place("a"), raw=b"x" * 200_001)
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (503, "SERVICE_UNAVAILABLE", "1")
    assert (await ask(live, "GET", place("a"))).status == 404
    assert (await ask(live, "PUT", place("a"), raw=b"x" * 200_000)).status == 201
    assert budget.held == 0


async def test_a_large_object_inside_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    async with living(tmp_path) as live:
        await live.app("shop", CODE)
        data = random.Random(1).randbytes(1_500_000)
        assert (await ask(live, "PUT", place("a"), raw=data)).status == 201
        node = live.running.node
        found = node.registry["storage.s3.object"].named(
            node.driver.call(LOCAL, "http", app=live.apps["shop"]), {"key": "a"}
        )
        pieces = list(found.data)
        assert b"".join(pieces) == data
        assert max(map(len, pieces)) <= 1 << 18


async def test_a_file_of_a_form_is_stored_with_its_type(live: Live) -> None:
    data = bytes(range(256)) * 10
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: a/b\r\n\r\n'
    reply = await live.running.ask(
        "POST",
        "/api/send?key=f",
        host=f"shop.{live.running.site.domain}",
        raw=form + data + b"\r\n--x--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert (reply.status, reply.json["size"], reply.json["mime"]) == (200, len(data), "a/b")
    assert (await ask(live, "GET", place("f"))).body == data


@pytest.mark.parametrize("mime", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript"])
async def test_what_somebody_stored_is_never_run_on_the_admin_host(live: Live, mime: str) -> None:
    await ask(live, "PUT", place("evil"), raw=b"<script>alert(1)</script>", headers={"Content-Type": mime})
    shown = await ask(live, "GET", place("evil"))
    assert shown.headers["Content-Disposition"].startswith("attachment")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in shown.headers["Content-Security-Policy"]


async def test_the_endpoints_list_and_remove(live: Live) -> None:
    for key in ("a/1", "a/2", "b"):
        assert (await ask(live, "PUT", place(key), raw=b"x")).status == 201
    listed = await ask(live, "GET", f"{SHOP}?delimiter=/")
    assert ([one["key"] for one in listed.data], listed.json["meta"]["prefixes"]) == (["b"], ["a/"])
    first = await ask(live, "GET", f"{SHOP}?limit=2")
    following = quote(first.json["meta"]["next"], safe="")
    assert [one["key"] for one in (await ask(live, "GET", f"{SHOP}?limit=2&after={following}")).data] == ["b"]
    for _ in range(2):
        assert (await ask(live, "DELETE", place("b"))).status == 204
    missing = await ask(live, "GET", place("b"))
    assert (missing.status, missing.code) == (404, "NOT_FOUND")
    assert (await ask(live, "GET", f"{SHOP}?user=usr_1")).data == []
    assert (await ask(live, "PUT", place("b") + "&user=usr_1", raw=b"theirs")).status == 201
    assert (await ask(live, "GET", place("b"))).status == 404
    assert (await ask(live, "GET", place("b") + "&user=usr_1")).body == b"theirs"


@pytest.mark.parametrize("key", ["..", "../x", "a//b", "a\\b", "a%00b", "x" * 1025])
async def test_what_is_no_key_is_refused(live: Live, key: str) -> None:
    for method, raw in (("PUT", b"x"), ("GET", None), ("DELETE", None)):
        path = f"{SHOP}/object?key={key if '%' in key else quote(key, safe='')}"
        assert (await ask(live, method, path, raw=raw)).code == "VALIDATION_FAILED"


async def test_who_may_not_does_not(live: Live) -> None:
    for method, raw in (("PUT", b"x"), ("DELETE", None)):
        assert (await live.running.ask(method, place("a"), key="read", raw=raw)).code == "FORBIDDEN"
        assert (await live.running.ask(method, place("a"), raw=raw)).status == 401
    assert (
        await live.running.ask("POST", "/api/apps/shop/storage/move", key="read", body={"to": "internal"})
    ).status == 403


# --- the command line


@pytest.fixture
def fazt(live: Live, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    async def typed(*words: str) -> tuple[int, str, str]:
        monkeypatch.setenv("FAZT_SERVER", f"http://{live.running.admin}:{live.running.site.port}")
        monkeypatch.setenv("FAZT_TOKEN", await live.running.key("*"))
        capsys.readouterr()
        code = await asyncio.to_thread(main, list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return typed


async def test_files_go_to_the_node_and_back(
    live: Live, fazt: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = random.Random(1).randbytes(700_000)
    photo, copy = tmp_path / "photo.png", tmp_path / "p.png"
    photo.write_bytes(data)
    assert await fazt("files", "put", "a/p.png", "photo.png", "--app", "shop") == (
        0,
        "683.6KB, image/png: a/p.png\n",
        "",
    )
    code, out, _ = await fazt("files", "ls", "a/", "--app", "shop", "--json")
    assert (code, '"key":"a/p.png"' in out) == (0, True)
    assert (await fazt("files", "get", "a/p.png", "--app", "shop"))[0] == 0
    assert copy.read_bytes() == data
    assert (await fazt("files", "get", "a/p.png", "--app", "shop"))[0] == 1
    assert (await fazt("files", "get", "a/p", "x", "--app", "shop"))[0] == 3
    assert (await fazt("files", "rm", "a/p.png", "--app", "shop"))[0] == 0
    assert (await ask(live, "GET", SHOP)).data == []
    assert (await fazt("files", "put", "a", "missing", "--app", "shop"))[0] == 3


async def test_a_move_by_command(live: Live, fazt: Any) -> None:
    code, out, err = await fazt("storage", "moving", "shop", "--json")
    assert err == ""
    assert (code, '"target":null' in out) == (0, True)
    assert (await fazt("storage", "migrate", "shop", "--to", "nowhere"))[0] == 2
