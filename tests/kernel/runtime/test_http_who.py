"""Whose code answers whom: addresses, visibility, keys, releases, mounted folders."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.kernel.runtime.live import Live, living

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHO = """
module.exports = (request) => ({ user: fazt.auth.getUser(), roles: [fazt.auth.isLoggedIn(), fazt.auth.isOwner(),
  fazt.auth.isAdmin(), fazt.auth.hasRole('user')], authorization: request.headers.authorization ?? null,
  same: JSON.stringify(request.user) === JSON.stringify(fazt.auth.getUser()) });
"""
LOGIN = """
module.exports = (request) => { fazt.auth.requireLogin(); return 'in'; };
"""
ROLE = """
module.exports = (request) => { fazt.auth.requireRole(request.query.role); return 'in'; };
"""
STREAM = """
exports.default = { fetch: () => new Response(new ReadableStream({ start(c) {
  c.enqueue(new TextEncoder().encode('s')); c.close(); } }), { headers: { 'set-cookie': 'own=1' } }) };
"""
NOBODY = {"user": None, "roles": [False, False, False, False], "authorization": None, "same": True}


def says(text: str) -> str:
    return f"module.exports = (request) => ({{ text: {json.dumps(text)}, cookies: {{ own: '1' }} }});"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with living(tmp_path_factory.mktemp("node")) as made:
        await made.app("who", WHO)
        await made.app("signin-app", LOGIN)
        await made.app("role", ROLE)
        yield made


@contextlib.asynccontextmanager
async def changed(live: Live, app: str, **values: Any) -> AsyncIterator[None]:
    await live.running.run("apps.update", app=app, **values)
    try:
        yield
    finally:
        await live.running.run("apps.update", app=app, visibility="public", status="active")


async def bearer(live: Live, scope: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {await live.running.key(scope)}")]


async def test_a_public_app_and_an_unlisted_one(live: Live) -> None:
    assert (await live.both("who")).json == NOBODY
    async with changed(live, "who", visibility="unlisted"):
        assert (await live.both("who")).json == NOBODY


async def test_a_private_app(live: Live) -> None:
    async with changed(live, "who", visibility="private"):
        refused = await live.both("who", direct=False)
        assert (refused.status, refused.json["error"]["code"]) == (401, "UNAUTHORIZED")
        for scope in ("read", "deploy", "deploy:who", "admin", "*"):
            assert (await live.both("who", headers=await bearer(live, scope), direct=False)).status == 200, scope
        other = await live.both("who", headers=await bearer(live, "deploy:signin-app"), direct=False)
        assert other.status == 403
    assert (await live.both("who")).status == 200


async def test_who_a_key_is(live: Live) -> None:
    for scope, known in (
        ("*", True),
        ("admin", True),
        ("deploy:who", False),
        ("read", False),
        ("deploy:signin-app", False),
    ):
        reply = await live.both("who", headers=await bearer(live, scope), direct=False)
        assert reply.status == 200
        said = reply.json
        # the app never sees a key of the node
        assert said["authorization"] is None
        assert said["same"]
        if scope in ("*", "admin"):
            assert said["user"]["provider"] == "key"
            assert said["roles"][0] is known
        elif scope != "deploy:who":
            assert said["user"] is None
            assert said["roles"] == [False] * 4
        assert live.running.keys[scope].encode() not in reply.body
    assert (await live.both("who", headers=await bearer(live, "*"), direct=False)).json["user"]["role"] == "owner"


async def test_keys_that_are_none(live: Live) -> None:
    for token in ("fzt_wrong", "FZT_wrong"):
        reply = await live.both("who", headers=[("Authorization", f"Bearer {token}")], direct=False)
        if token.startswith("fzt_"):
            assert (reply.status, reply.json["code"]) == (401, "INVALID_API_KEY")
            assert reply.json.keys() == {"error", "code", "requestId"}
    own = await live.both("who", headers=[("Authorization", "Bearer app-own")], direct=False)
    assert own.json == {**NOBODY, "authorization": "Bearer app-own"}
    two = await live.ask("who", "GET", "/api", [("Authorization", "Bearer a"), ("Authorization", "Bearer b")])
    assert two.status == 400


async def test_signing_in(live: Live) -> None:
    for headers in ([], [("Accept", "application/json")]):
        reply = await live.both("signin-app", headers=headers)
        assert (reply.status, reply.json["code"]) == (401, "UNAUTHORIZED")
    reply = await live.both("signin-app", "GET", "/api/x?a=1&b=2", headers=[("Accept", "text/html,*/*;q=0.8")])
    assert reply.status == 307
    assert (reply.get("location") or "").endswith("?redirect=%2Fapi%2Fx%3Fa%3D1%26b%3D2")
    posted = await live.both("signin-app", "POST", headers=[("Accept", "text/html")], body=b"")
    assert posted.status == 401
    assert (await live.both("signin-app", headers=await bearer(live, "*"), direct=False)).body == b"in"


@pytest.mark.parametrize(
    ("scope", "role", "status"),
    [("*", "owner", 200), ("*", "admin", 200), ("*", "user", 200), ("admin", "user", 200), ("", "user", 401)],
)
async def test_roles(live: Live, scope: str, role: str, status: int) -> None:
    headers = await bearer(live, scope) if scope else []
    reply = await live.both("role", "GET", f"/api?role={role}", headers=headers, direct=not scope)
    assert reply.status == status


async def test_a_role_one_does_not_have(live: Live) -> None:
    reply = await live.both("role", "GET", "/api?role=keeper", headers=await bearer(live, "admin"), direct=False)
    assert (reply.status, reply.json["code"]) == (403, "FORBIDDEN")


async def test_a_stopped_app(live: Live) -> None:
    async with changed(live, "who", status="stopped"):
        reply = await live.both("who", direct=False)
        assert (reply.status, reply.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert (await live.both("who")).status == 200


async def test_a_deleted_app(live: Live) -> None:
    await live.app("gone", says("here"))
    assert (await live.both("gone")).body == b"here"
    await live.running.run("apps.delete", app="gone")
    assert (await live.both("gone", direct=False)).status == 404
    await live.running.run("apps.restore", app="gone")
    assert (await live.both("gone")).body == b"here"


async def test_hosts_of_nobody(live: Live) -> None:
    for host in ("nobody.localhost", "who.example.com", "a.who.localhost"):
        sent = f"GET /api HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        reply = await live.send(sent)
        assert reply.status == 404, host


async def test_the_owners_own_api_is_not_an_apps(live: Live) -> None:
    port = live.running.site.port
    reply = await live.send(f"GET /api/apps HTTP/1.1\r\nHost: admin.localhost:{port}\r\n\r\n".encode())
    assert "data" in reply.json


async def test_an_app_without_a_handler(live: Live) -> None:
    await live.release("plain", {"index.html": b"<p>", "api/other.js": b"1"})
    assert (await live.both("plain", "GET", "/api", direct=False)).status == 404
    # POST looks for a page like GET, other methods are nobody's
    assert (await live.both("plain", "POST", "/api", body=b"", direct=False)).status in (404, 405)
    assert (await live.both("plain", "PUT", "/api", body=b"", direct=False)).status == 405
    await live.app("plain", {"api/main.js": says("now"), "index.html": "<p>"})
    assert (await live.both("plain", "PUT", "/api", body=b"")).body == b"now"
    await live.release("plain", {"index.html": b"<p>"})
    assert (await live.both("plain", "GET", "/api", direct=False)).status == 404


@pytest.mark.parametrize("path", ["/api/main.js", "/api/lib.js", "/api/main.js.map", "/API/main.js", "/api%2Fmain.js"])
async def test_source_is_never_sent(live: Live, path: str) -> None:
    files: dict[str, str | bytes] = {"api/main.js": says("code"), "api/lib.js": "secret", "api/main.js.map": "{}"}
    if "source" not in live.apps:
        await live.app("source", files)
    reply = await live.ask("source", "GET", path)
    assert b"secret" not in reply.body
    assert b"module.exports" not in reply.body
    assert reply.body == b"code" if path.startswith("/api/") else reply.status in (404, 200)


async def test_what_is_not_under_api_is_a_page(live: Live) -> None:
    await live.app("pages", {"api/main.js": says("code"), "apiary.html": "bees", "index.html": "home"})
    assert (await live.both("pages", "GET", "/apiary", direct=False)).body == b"bees"
    for path, body in (("/", b"home"), ("/api", b"code"), ("/api/", b"code"), ("/api?x", b"code")):
        assert (await live.ask("pages", "GET", path)).body == body
    assert (await live.ask("pages", "GET", "/%61pi")).body == b"code"


# --- releases


async def test_a_new_release_and_the_one_before(live: Live) -> None:
    await live.app("rel", says("one"))
    assert (await live.both("rel")).body == b"one"
    async with live.line() as line:
        line.send(live.request("rel"))
        assert (await line.reply()).body == b"one"
        await live.app("rel", says("two"))
        # whoever was connected, too
        line.send(live.request("rel"))
        assert (await line.reply()).body == b"two"
        await live.running.run("releases.rollback", app="rel")
        line.send(live.request("rel"))
        assert (await line.reply()).body == b"one"
    assert (await live.both("rel")).body == b"one"


async def test_what_is_on_its_way_ends_with_its_own_release(live: Live) -> None:
    slow = "module.exports = async () => { await fazt.sleep(200); return { text: 'old' }; };"
    await live.app("flight", slow)
    runtime = live.running.node.runtime
    for only_aiohttp in (False, True):
        live.only_aiohttp = only_aiohttp
        async with live.line() as line:
            line.send(live.request("flight"))
            await live.until(lambda: runtime.active)
            await live.app("flight", says("new"))
            assert (await live.ask("flight")).body == b"new"
            assert (await line.reply()).body == b"old"
        await live.running.run("releases.rollback", app="flight")
        await live.warm("flight")
    live.only_aiohttp = False


async def test_a_preview(live: Live) -> None:
    count = """module.exports = () => {
      const n = (fazt.storage.kv.get('n') ?? 0) + 1; fazt.storage.kv.set('n', n); return { text: 'VERSION ' + n }; };"""
    await live.app("seen", count.replace("VERSION", "one"))
    first = (await live.running.run("releases.list", app="seen")).items[0]
    await live.app("seen", count.replace("VERSION", "two"))
    host = first.preview_url.partition("://")[2].partition(".")[0]
    reply = await live.ask(host)
    assert (reply.status, reply.body, reply.get("x-robots-tag")) == (200, b"one 1", "noindex")
    # it has the storage of its app
    assert (await live.ask("seen")).body == b"two 2"
    assert (await live.ask(host)).body == b"one 3"
    assert (await live.ask("seen")).get("x-robots-tag") is None


@pytest.mark.parametrize("slow", [False, True])
async def test_a_preview_keeps_to_what_it_says_itself_of_its_stores(live: Live, slow: bool) -> None:
    """Private notes that are tried out do not lie among everybody's."""
    code = """module.exports = () => { try {
      fazt.storage.ds.insert("notes", { n: 1 }); return { text: "stored" };
    } catch (e) { return { text: e.code } } };""".replace("() =>", "async () =>" if slow else "() =>")
    name, hosts = f"stores-{slow}".lower(), []
    for said in ({"scope": "user"}, {"sharded": True}, {}):
        manifest = json.dumps({"storage": {"collections": {"notes": said}}})
        await live.app(name, {"api/main.js": code, "app.json": manifest})
        latest = (await live.running.run("releases.list", app=name)).items[0]
        hosts.append(latest.preview_url.partition("://")[2].partition(".")[0])
    node, app = live.running.node, live.apps[name]
    assert (await live.ask(hosts[0])).body == b"LOGIN_REQUIRED"
    assert (await live.ask(hosts[1])).body == b"stored"
    assert node.streams.holds(app, "notes")
    assert await live.running.run("storage.ds.count", app=name, collection="notes") == 0
    assert (await live.ask(name)).body == b"stored"
    assert await live.running.run("storage.ds.count", app=name, collection="notes") == 1
    assert (await live.ask(hosts[0])).body == b"LOGIN_REQUIRED"


# --- other names


async def test_a_split_name(live: Live) -> None:
    await live.app("left", says("left"))
    await live.app("right", says("right"))
    targets = [{"app": "left", "weight": 1}, {"app": "right", "weight": 0}]
    await live.running.run("aliases.split", subdomain="both", targets=targets)
    reply = await live.both("both", direct=False)
    assert reply.body == b"left"
    cookies = reply.all("set-cookie")
    assert any(cookie.startswith("fazt_variant=") for cookie in cookies)
    variant = next(cookie for cookie in cookies if cookie.startswith("fazt_variant=")).partition(";")[0]
    await live.running.run(
        "aliases.split", subdomain="both", targets=[{"app": "left", "weight": 1}, {"app": "right", "weight": 99}]
    )
    again = await live.both("both", headers=[("Cookie", variant)], direct=False)
    assert again.body == b"left"


async def test_the_cookies_of_code_behind_a_split_name(live: Live) -> None:
    await live.app("crumbs", says("x"))
    await live.app("others", says("x"))
    targets = [{"app": "crumbs", "weight": 1}, {"app": "others", "weight": 1}]
    await live.running.run("aliases.split", subdomain="crumb", targets=targets)
    names = {cookie.partition("=")[0] for cookie in (await live.ask("crumb")).all("set-cookie")}
    assert names == {"own", "fazt_variant"}


async def test_streams_behind_split_names_and_previews(live: Live) -> None:
    await live.app("flow", STREAM, "fetch")
    await live.app("flow2", STREAM, "fetch")
    targets = [{"app": "flow", "weight": 1}, {"app": "flow2", "weight": 1}]
    await live.running.run("aliases.split", subdomain="flows", targets=targets)
    reply = await live.ask("flows")
    assert reply.body == b"s"
    assert {cookie.partition("=")[0] for cookie in reply.all("set-cookie")} == {"own", "fazt_variant"}
    url = (await live.running.run("releases.list", app="flow")).items[0].preview_url
    assert (await live.ask(url.partition("://")[2].partition(".")[0])).get("x-robots-tag") == "noindex"


async def test_a_name_that_leads_elsewhere(live: Live) -> None:
    await live.running.run("aliases.create", subdomain="away", url="https://example.com/x/*")
    reply = await live.both("away", "GET", "/api/a?b=c", direct=False)
    assert (reply.status, reply.get("location")) == (302, "https://example.com/x/api/a?b=c")


async def test_a_second_name(live: Live) -> None:
    await live.running.ask("POST", "/api/aliases", key="*", body={"subdomain": "who2", "app": "who"})
    assert (await live.both("who2")).json == NOBODY


async def test_the_app_of_the_node_itself(live: Live) -> None:
    port = live.running.site.port
    sent = f"GET /api/x HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode()
    assert (await live.send(sent)).status == 404
    await live.running.ask("PUT", "/api/root", key="*", body={"app": "who"})
    assert (await live.send(sent)).json == NOBODY
    await live.running.run("root.set", none=True)
    assert (await live.send(sent)).status == 404


# --- mounted folders


async def saved(live: Live, folder: Path, name: str, text: str) -> None:
    """As an editor does it; the code is known to the node."""
    await live.known(name, text.encode(), "module")
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


async def test_a_mounted_folder(live: Live, tmp_path: Path) -> None:
    await live.app("work", says("released"))
    await live.running.run("fs.mount", folder=str(tmp_path), where="work")
    assert (await live.ask("work")).body == b"released"
    for text in ("first", "second!", "third"):
        await saved(live, tmp_path, "api/main.js", says(text))
        for _ in range(2):
            assert (await live.ask("work")).body == text.encode()
    await saved(live, tmp_path, "api/lib.js", "module.exports = 'of a library';")
    await saved(live, tmp_path, "api/main.js", "module.exports = () => require('./lib');")
    assert (await live.ask("work")).body == b"of a library"
    await saved(live, tmp_path, "api/lib.js", "module.exports = 'edited';")
    assert (await live.ask("work")).body == b"edited"
    (tmp_path / "api" / "main.js").unlink()
    assert (await live.ask("work")).body == b"released"
    await live.running.run("fs.unmount", where="work")
    await live.warm("work")
    assert (await live.both("work")).body == b"released"


async def test_the_handler_of_the_folder_comes_first(live: Live, tmp_path: Path) -> None:
    """Under another name as well, and also where the released one is ready to run."""
    await live.app("handlers", says("released"))
    await live.running.run("fs.mount", folder=str(tmp_path), where="handlers")
    await saved(live, tmp_path, "api/main.ts", says("of the folder"))
    await live.running.run("apps.invoke", app="handlers", handler="api/main.js")
    assert (await live.ask("handlers")).body == b"of the folder"
    await live.running.run("fs.unmount", where="handlers")
