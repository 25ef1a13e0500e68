"""Deploys: what is refused leaves the old release live and nothing behind, what is accepted is live as a whole."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.fs.pace import Pace, payer
from kernel.syscall.call import LOCAL
from tests.kernel.fs.site import PAGE, body, deploy, finish, frame, frames, get, listing, plan, send, sha256
from tests.support import Answer, Running

SITE = {"index.html": PAGE, "style.css": b"body{}"}
FIELDS = {
    "app_id",
    "name",
    "url",
    "release",
    "n",
    "preview_url",
    "root_cid",
    "added",
    "changed",
    "removed",
    "files",
    "bytes",
    "unchanged",
    "previous",
    "undo",
    "warnings",
    "changes",
}


async def refused(running: Running, code: str, name: str, files: Any, status: int = 400, **said: Any) -> Answer:
    """Both steps say the same, nothing changes, and what was live still is."""
    live = await get(running, "/")
    await running.key("deploy")
    before = running.content()
    raw = body(name, files, **said) if isinstance(files, dict) else json.dumps({"name": name, "files": files, **said})
    for step in ("plan", "finish"):
        sent = raw if isinstance(raw, bytes) else raw.encode()
        answer = await running.ask("POST", f"/api/deploy/{step}", key="deploy", raw=sent)
        assert (answer.status, answer.code) == (status, code), answer.body
    assert running.content() == before
    assert (await get(running, "/")).body == live.body
    return answer


async def releases(running: Running, app: str = "blog") -> list[Any]:
    return list((await running.ask("GET", f"/api/apps/{app}/releases", key="read")).data)


# --- what is accepted


async def test_a_deploy_says_what_it_made_and_how_to_undo_it(running: Running) -> None:
    first = await deploy(running, "blog", SITE)
    assert set(first) == FIELDS
    assert (first["n"], first["added"], first["changed"], first["removed"]) == (1, 2, 0, 0)
    assert (first["previous"], first["undo"], first["warnings"]) == (None, None, [])
    assert first["url"] == f"http://blog.localhost:{running.site.port}"
    second = await deploy(running, "blog", {"index.html": b"new", "more.txt": b"x"})
    assert (second["app_id"], second["n"], second["previous"]) == (first["app_id"], 2, first["release"])
    assert second["changes"] == {"added": ["more.txt"], "changed": ["index.html"], "removed": ["style.css"]}
    assert (second["added"], second["changed"], second["removed"], second["files"], second["bytes"]) == (1, 1, 1, 2, 4)
    assert second["undo"] == "fazt rollback v1 --app blog"
    assert (await get(running, "/")).body == b"new"
    assert (await get(running, "/style.css")).status == 404


async def test_the_root_is_the_content_id_of_the_folder(running: Running) -> None:
    done = await deploy(running, "blog", {"index.html": b"hi\n"})
    assert done["root_cid"] == "QmVNT9ehhkQCV7A6kzbmqG9kH5QwkqBYFJQj76eaFMMEvg"


async def test_an_app_is_named_by_its_name_its_id_or_its_host(running: Running) -> None:
    first = await deploy(running, "blog", SITE)
    id = first["app_id"]
    for n, name in enumerate((id, id.replace("_", "-"), "blog.localhost", "BLOG", "Blog.Localhost")):
        done = await deploy(running, name, {"index.html": b"%d" % n})
        assert (done["app_id"], done["name"]) == (id, "blog")


async def test_nothing_new_makes_no_release(running: Running) -> None:
    first = await deploy(running, "blog", SITE)
    before = running.content()
    planned = (await plan(running, "blog", SITE)).data
    assert (planned["unchanged"], planned["live"]) == (True, first["release"])
    again = await deploy(running, "blog", SITE)
    assert (again["unchanged"], again["release"], again["undo"]) == (True, first["release"], None)
    assert running.content() == before
    said = await deploy(running, "blog", SITE, message="the same, but said")
    assert (said["unchanged"], said["n"]) == (False, 2)


async def test_plan_changes_nothing(running: Running) -> None:
    await running.key("deploy")
    before = running.content()
    planned = (await plan(running, "blog", SITE)).data
    assert (planned["app_id"], planned["live"], planned["added"]) == (None, None, 2)
    assert running.content() == before


async def test_a_message_is_remembered_with_who_said_it(running: Running) -> None:
    await deploy(running, "blog", SITE, message="first light ☀")
    [made] = await releases(running)
    assert (made["message"], made["by"], made["live"]) == ("first light ☀", "test deploy", True)


# --- 16: the client dies


async def test_16_a_client_that_dies_on_the_way_makes_no_release(running: Running) -> None:
    await deploy(running, "blog", SITE)
    new = {"index.html": b"new", "big.bin": bytes(600_000)}
    key = await running.key("deploy")

    async def die(path: str, sent: bytes, told: int) -> None:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: admin.localhost:{running.site.port}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Length: {told}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", running.site.port)
        writer.write(head.encode() + sent)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        del reader

    whole = b"".join(frames(new))
    said = body("blog", new)
    await die("/api/deploy/plan", said[:20], len(said))
    await die("/api/deploy/pieces", whole[: len(whole) // 2], len(whole))
    await send(running, *frames(new)[:2])
    await die("/api/deploy/finish", said[:-1], len(said))
    assert (await plan(running, "blog", new)).status == 200
    assert [made["n"] for made in await releases(running)] == [1]
    assert (await get(running, "/")).body == PAGE


# --- 19: two at once


async def test_19_two_deploys_at_once_are_both_in_the_history_and_the_last_one_is_live(running: Running) -> None:
    await deploy(running, "blog", SITE)
    sites = [{"index.html": b"by %d" % n, f"{n}.txt": b"%d" % n} for n in range(8)]
    for site in sites:
        await send(running, *frames(site))
    answers = await asyncio.gather(*[finish(running, "blog", site) for site in sites])
    assert {answer.status for answer in answers} == {200}
    made = await releases(running)
    assert [one["n"] for one in made] == list(range(9, 0, -1))
    assert {one["release"] for one in made[:-1]} == {answer.data["release"] for answer in answers}
    [live] = [one for one in made if one["live"]]
    assert live["n"] == 9
    last = next(n for n, answer in enumerate(answers) if answer.data["n"] == 9)
    assert (await get(running, "/")).body == b"by %d" % last
    for n in range(8):
        assert (await get(running, f"/{n}.txt")).status == (200 if n == last else 404)


async def test_19_two_first_deploys_of_one_name_make_one_app(running: Running) -> None:
    sites = [{"index.html": b"by %d" % n} for n in range(5)]
    for site in sites:
        await send(running, *frames(site))
    answers = await asyncio.gather(*[finish(running, "blog", site) for site in sites])
    assert {answer.status for answer in answers} <= {200, 409}
    done = [answer.data for answer in answers if answer.status == 200]
    assert done and len({one["app_id"] for one in done}) == 1
    assert len(await releases(running)) == len(done)
    assert len((await running.ask("GET", "/api/apps", key="*")).data) == 1


# --- 22: what is never sent


async def test_22_secrets_and_tools_are_left_out_with_a_warning(running: Running) -> None:
    secret = b"TOKEN=1"
    out = {
        ".env": secret,
        "a/.env.local": secret,
        ".git/config": secret,
        "server.key": secret,
        "tls/cert.PEM": secret,
        "node_modules/x/index.js": secret,
        ".DS_Store": secret,
        "debug.log": secret,
        ".ssh/id_rsa": secret,
        "id_ed25519": secret,
    }
    # what is left out is not even asked for
    assert set((await plan(running, "blog", {**SITE, **out})).data["missing"]) == {sha256(x) for x in SITE.values()}
    done = await deploy(running, "blog", {**SITE, **out})
    assert done["files"] == len(SITE)
    [warning] = done["warnings"]
    assert all(path in warning for path in out)
    for path in out:
        assert (await get(running, "/" + path)).status == 404
    nothing = await finish(running, "blog", out)
    assert (nothing.status, nothing.code) == (400, "VALIDATION_FAILED")


async def test_22_a_warning_shows_some_of_many(running: Running) -> None:
    files = {**SITE, **{f"{n}/.env": b"x" for n in range(50)}}
    [warning] = (await plan(running, "blog", files)).data["warnings"]
    assert "and 30 more" in warning and len(warning) < 1000


# --- 23: keys


async def test_23_a_key_of_one_app_does_not_deploy_another(running: Running) -> None:
    mine, other = [(await deploy(running, name, SITE))["app_id"] for name in ("mine", "other")]
    before = running.content()
    made = await running.run("keys.create", name="ci", scopes=[f"deploy:{mine}"])
    running.keys["ci"] = made.key
    new = {"index.html": b"by ci"}
    for name in ("other", other, "other.localhost", "brand-new", "app_000000000000"):
        for step in (plan, finish):
            answer = await step(running, name, new, "ci")
            assert (answer.status, answer.code) == (403, "FORBIDDEN"), name
    after = running.content()
    assert {name for name in after if after[name] != before.get(name)} <= {"api_keys"}
    for name in ("mine", mine):
        assert (await finish(running, name, SITE, "ci")).status == 200
    await running.node._flush(running.node.journal)
    listed = (await running.ask("GET", "/api/system/logs?action=deploy.finish&limit=100", key="*")).data
    assert [(e["result"], e["actor_type"], e["actor_id"]) for e in listed if e["result"] != "ok"] == [
        ("FORBIDDEN", "key", made.id)
    ] * 5
    assert (await finish(running, "mine", new, "read")).code == "FORBIDDEN"
    revoked = await running.ask("DELETE", f"/api/keys/{made.id}", key="*")
    assert revoked.status == 204
    gone = await finish(running, "mine", SITE, "ci")
    assert (gone.status, gone.code) == (401, "INVALID_API_KEY")


async def test_a_guest_deploys_nothing(running: Running) -> None:
    before = running.content()
    for path, sent in (("plan", body("blog", SITE)), ("finish", body("blog", SITE)), ("pieces", frame(PAGE))):
        answer = await running.ask("POST", f"/api/deploy/{path}", raw=sent)
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    assert running.content() == before


# --- names, paths, limits

BAD_NAMES = ["", "-", "a--b", "a_b", "über", "a.b.localhost", "x" * 50, "a b", "../x", "a/b", "blog\n", "x" * 5000]
RESERVED = ["admin", "api", "www", "root", "404", "id", "auth", "login", "status", "localhost", "os"]


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_name_that_is_none_is_refused(running: Running, name: str) -> None:
    await deploy(running, "blog", SITE)
    await refused(running, "VALIDATION_FAILED", name, SITE)


@pytest.mark.parametrize("name", RESERVED)
async def test_a_reserved_name_is_refused(running: Running, name: str) -> None:
    await refused(running, "CONFLICT", name, SITE, 409)


async def test_an_id_of_no_app_is_not_found(running: Running) -> None:
    await refused(running, "APP_NOT_FOUND", "app_000000000000", SITE, 404)


async def test_a_name_that_means_something_else_is_taken(running: Running) -> None:
    await running.run("aliases.set", subdomain="away", url="https://example.com/")
    await send(running, *frames(SITE))
    before = running.content()
    answer = await finish(running, "away", SITE)
    assert (answer.status, answer.code) == (409, "CONFLICT")
    assert running.content() == before


BAD_PATHS = [
    "../x",
    "a/../../x",
    "/etc/x",
    "C:/x",
    "a\\b",
    "",
    ".",
    "a//b",
    "a/",
    "x\0y",
    "x\ny",
    "a.",
    "a ",
    "a/./b",
    "x" * 256,
    "d/" * 600 + "x",
    "\u202egnp.exe",
    "e\u0301.txt",
    "a\u2028b",
]


@pytest.mark.parametrize("path", BAD_PATHS)
async def test_a_path_that_no_site_may_have_is_refused_with_all_others(running: Running, path: str) -> None:
    await deploy(running, "blog", SITE)
    answer = await refused(running, "VALIDATION_FAILED", "blog", {"index.html": b"new", path: b"x"})
    assert answer.json["error"]["details"]["field"] == "files"


async def test_twins_are_refused(running: Running) -> None:
    for files in ({"A.html": b"1", "a.html": b"2"}, {"a": b"1", "a/b": b"2"}, listing({"a": b"1"}) * 2):
        await refused(running, "VALIDATION_FAILED", "blog", files)
        running.clock.advance(61)


async def test_ten_offenders_are_named(running: Running) -> None:
    answer = await refused(running, "VALIDATION_FAILED", "blog", {f"a/../{n}": b"x" for n in range(25)})
    details = answer.json["error"]["details"]
    assert (len(details["offenders"]), details["more"]) == (10, 15)


HASH = sha256(b"x")
NO_LISTS: list[bytes] = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"name":"blog"}',
    b'{"files":[]}',
    b'{"name":"blog","files":{}}',
    b'{"name":"blog","files":[]}',
    b'{"name":"blog","files":[["a"]]}',
    b'{"name":"blog","files":[["a","%s","1"]]}',
    b'{"name":1,"files":[]}',
    b"[" * 100_000,
    b'{"name":"blog","files":[],"surprise":1}',
    b"\xff\xfe",
    b'{"name":"\\ud800","files":[]}',
    b'{"name":"blog","files":[["a","' + HASH.encode() + b'",true]]}',
    b'{"name":"blog","files":[["a","' + HASH.encode() + b'",1.5]]}',
    b'{"name":"blog","files":[["a","' + HASH.encode() + b'",-1]]}',
    b'{"name":"blog","files":[["a","' + HASH.upper().encode() + b'",1]]}',
    b'{"name":"blog","files":[["a","' + HASH.encode()[:-1] + b'",1]]}',
    b'{"name":"blog","files":[["a","' + b"0z" * 32 + b'",1]]}',
    b'{"name":"blog","files":[["\\ud800","' + HASH.encode() + b'",1]]}',
    b'{"name":"blog","message":"a\\nb","files":[["a","' + HASH.encode() + b'",1]]}',
    b'{"name":"blog","message":"' + b"x" * 501 + b'","files":[["a","' + HASH.encode() + b'",1]]}',
    b'{"name":"blog","spa":"yes","files":[["a","' + HASH.encode() + b'",1]]}',
    b'{"name":"blog","files":[["a","' + HASH.encode() + b'",1],["b","' + HASH.encode() + b'",2]]}',
]


@pytest.mark.parametrize("sent", NO_LISTS, ids=range(len(NO_LISTS)))
async def test_a_body_that_is_no_list_is_refused(running: Running, sent: bytes) -> None:
    await running.key("deploy")
    before = running.content()
    for step in ("plan", "finish"):
        answer = await running.ask("POST", f"/api/deploy/{step}", key="deploy", raw=sent)
        assert answer.status in (400, 413), answer.body
        assert answer.code in ("VALIDATION_FAILED", "PAYLOAD_TOO_LARGE", "MISSING_FIELD", "BAD_REQUEST")
        assert len(answer.body) < 3000
    assert running.content() == before


async def test_limits_of_files_and_sizes_are_settings(running: Running) -> None:
    await deploy(running, "blog", SITE)
    await running.run("limits.set", name="vfs.maxFiles", value=3)
    await running.run("limits.set", name="vfs.maxFileSizeMB", value=1)
    await running.run("limits.set", name="vfs.maxAppSizeMB", value=2)
    mib = 1 << 20
    for files, limit in (
        ({f"{n}.txt": b"x" for n in range(4)}, "limits.vfs.maxFiles"),
        ([["a", HASH, mib + 1]], "limits.vfs.maxFileSizeMB"),
        ([[name, sha256(name.encode()), mib] for name in "abc"], "limits.vfs.maxAppSizeMB"),
    ):
        answer = await refused(running, "PAYLOAD_TOO_LARGE", "blog", files, 413)
        assert answer.json["error"]["details"]["limit"] == limit
        assert limit.removeprefix("limits.") in answer.json["error"]["hint"]
        running.clock.advance(60)
    assert (await send(running, frame(b"", 0, size=mib + 1, piece=bytes(262_144)))).status == 400
    assert (await plan(running, "blog", {"a": bytes(mib), "b": bytes(mib - 1), "c": b"1"})).status == 200


async def test_one_file_more_does_not_pass_the_limits(running: Running) -> None:
    """Also the small way in, file by file, ends where a site ends."""
    await deploy(running, "blog", SITE)
    await running.run("limits.set", name="vfs.maxFiles", value=2)
    before = running.content()
    answer = await running.ask("PUT", "/api/apps/blog/files/third.txt", key="deploy", raw=b"3")
    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")
    after = running.content()
    assert after["releases"] == before["releases"]
    assert (await running.ask("PUT", "/api/apps/blog/files/index.html", key="deploy", raw=b"3")).status == 201


# --- what a site says of itself


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"null",
        b'{"name": 7}',
        b'{"expo": {"name": "My App"}}',
        b'{"name":"My App!","buildpacks":[]}',
        b"\xff",
        b'{"spa": "yes"}',
        b"[" * 100_000,
        b"x" * 70_000,
        b'{"title": "a\\u0000b"}',
        b'{"analytics": 3}',
    ],
)
async def test_a_foreign_or_broken_app_json_stops_no_deploy(running: Running, content: bytes) -> None:
    done = await deploy(running, "blog", {**SITE, "app.json": content})
    assert (await get(running, "/")).body == PAGE
    assert (await get(running, "/app.json")).status == 404, "settings are not served"
    assert all(len(warning) < 1000 for warning in done["warnings"])
    assert (await get(running, "/deep/link")).status == 404


@pytest.mark.parametrize(
    "files, spa",
    [
        ({"app.json": b'{"spa": true}'}, True),
        ({"app.json": b'{"spa": false}', "manifest.json": b'{"fazt": {"spa": true}}'}, False),
        ({"manifest.json": b'{"name": "My App", "spa": true}'}, False),
        ({"manifest.json": b'{"name": "My App", "fazt": {"spa": true}}'}, True),
        ({"manifest.json": b'{"fazt": 1}'}, False),
        ({"manifest.json": b"no json"}, False),
    ],
)
async def test_what_the_files_say_decides_about_deep_links(running: Running, files: Any, spa: bool) -> None:
    await deploy(running, "blog", {**SITE, **files})
    assert (await get(running, "/deep/link")).status == (200 if spa else 404)


async def test_what_is_said_beats_the_files_and_the_files_beat_what_was(running: Running) -> None:
    async def has_fallback() -> bool:
        return (await get(running, "/deep/link")).status == 200

    saying = {**SITE, "app.json": b'{"spa": true}'}
    await deploy(running, "blog", saying, spa=False)
    assert not await has_fallback()
    await deploy(running, "blog", saying)
    assert await has_fallback()
    done = await deploy(running, "blog", SITE)
    assert await has_fallback(), "nobody says anything: it stays"
    assert (await deploy(running, "blog", SITE))["unchanged"]
    off = await deploy(running, "blog", SITE, spa=False)
    assert (off["unchanged"], off["root_cid"]) == (False, done["root_cid"])
    assert not await has_fallback()
    assert [made["spa"] for made in await releases(running)] == [False, True, True, False]


async def test_an_app_that_is_told_to_fall_back_does_so(running: Running) -> None:
    await deploy(running, "blog", SITE)
    await running.run("apps.update", app="blog", spa=True)
    assert (await get(running, "/deep/link")).status == 200
    assert (await deploy(running, "blog", {**SITE, "new.txt": b"x"}))["n"] == 2
    assert (await get(running, "/deep/link")).status == 200, "the next release keeps what was said"
    await running.run("apps.update", app="blog", spa=False)
    assert (await get(running, "/deep/link")).status == 404
    shown = (await running.ask("GET", "/api/apps/blog", key="*")).data
    assert shown["spa"] is False


async def test_rules_that_cannot_be_understood_are_said(running: Running) -> None:
    done = await deploy(running, "blog", {**SITE, "_redirects": b"/only-one-word\n", "_headers": b"/x\n  no colon\n"})
    assert any("_redirects" in warning for warning in done["warnings"])
    assert any("_headers" in warning for warning in done["warnings"])
    assert (await get(running, "/_redirects")).status == (await get(running, "/_headers")).status == 404


# --- how often


async def test_refused_deploys_are_slowed_down(running: Running) -> None:
    for _ in range(5):
        assert (await plan(running, "blog", {"../x": b"x"})).status == 400
    slowed = await plan(running, "blog", SITE)
    assert (slowed.status, slowed.code) == (429, "RATE_LIMIT_EXCEEDED")
    assert 0 < int(slowed.headers["Retry-After"]) <= 60
    assert (await plan(running, "blog", SITE, "*")).status == 200, "another key is not held to it"
    running.clock.advance(61)
    assert (await plan(running, "blog", SITE)).status == 200


async def test_the_owner_on_this_machine_is_not_slowed_down(running: Running) -> None:
    pace = running.node.ports.use(Pace)
    for who in ("", "key"):
        for _ in range(200):
            try:
                with pace.of(who):
                    raise FaztError("VALIDATION_FAILED", "It is wrong.")
            except FaztError as error:
                last = error.code
        assert last == ("RATE_LIMIT_EXCEEDED" if who else "VALIDATION_FAILED")
    call = running.node.driver.call(LOCAL, "cli")
    assert payer(call) == ""


async def test_sixty_deploys_a_minute_are_enough(running: Running) -> None:
    await send(running, *frames(SITE))
    for _ in range(60):
        assert (await plan(running, "blog", SITE)).status == 200
        assert (await finish(running, "blog", SITE)).status == 200
    assert (await plan(running, "blog", SITE)).code == "RATE_LIMIT_EXCEEDED"


# --- nothing of it is half


async def test_a_release_whose_content_went_meanwhile_is_not_made(running: Running) -> None:
    """Between the look and the batch something else may have been collected: the batch looks again."""
    await deploy(running, "blog", SITE)
    new = {"index.html": b"new", "b.txt": b"b"}
    await send(running, *frames(new))
    store, written = running.node.store, running.node.store.write

    async def with_a_thief(steps: Any) -> Any:
        if any("into releases" in step.sql for step in steps):
            await written([type(steps[0])("delete from blobs where sha256 = :x", {"x": bytes.fromhex(sha256(b"b"))})])
        return await written(steps)

    before = await releases(running)
    running.node.store.write = with_a_thief  # type: ignore[method-assign]
    try:
        answer = await finish(running, "blog", new)
    finally:
        store.write = written  # type: ignore[method-assign]
    assert (answer.status, answer.code) == (409, "CONFLICT")
    assert answer.json["error"]["details"]["missing"] is True
    assert await releases(running) == before
    assert (await get(running, "/")).body == PAGE
    # some pieces are gone: the plan asks for them again, and only for them
    assert (await plan(running, "blog", new)).data["missing"] == {sha256(b"b"): [0]}


async def test_a_batch_that_fails_leaves_the_old_release_live(running: Running) -> None:
    await deploy(running, "blog", SITE)
    await send(running, *frames({"index.html": b"new"}))
    before, written = running.content(), running.node.store.write
    failing = FaztError("STORAGE_FULL", "The disk is full.", "Make room.")

    async def full(steps: Any) -> Any:
        if any("into releases" in step.sql for step in steps):
            raise failing
        return await written(steps)

    running.node.store.write = full  # type: ignore[method-assign]
    try:
        answer = await finish(running, "blog", {"index.html": b"new"})
    finally:
        running.node.store.write = written  # type: ignore[method-assign]
    assert (answer.status, answer.code) == (507, "STORAGE_FULL")
    assert running.content() == before
    assert (await get(running, "/")).body == PAGE
