"""/ipfs/{cid}: content by its id on every host, and only what some app would show to anybody."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import apsw
import pytest

from kernel.fs import cid
from tests.kernel.fs.site import deploy, get, twice
from tests.kernel.net.lines import limit
from tests.support import Answer, Running

FILES = {
    "index.html": b"<h1>home</h1>",
    "img/logo.svg": b"<svg/>",
    "img/<b>.txt": b"odd",
    "img/deep/er/x.txt": b"x",
    "private/secret.txt": b"private content",
    ".hidden/x": b"hidden content",
    "app.json": b'{"title":"settings"}',
    "page.ejs": b"template source",
    "big.bin": bytes(range(256)) * 2000,
    "docs/index.html": b"docs",
}
SECRETS = [b"private content", b"hidden content", b'{"title":"settings"}', b"template source"]


def id_of(data: bytes) -> str:
    return cid.cid_of(data)


def version1(text: str, codec: int = 0x70) -> str:
    raw = bytes([1, codec]) + b"\x12\x20" + cid.decode(text)
    return "b" + base64.b32encode(raw).decode().rstrip("=").lower()


async def ask(running: Running, path: str, host: str = "blog.localhost", **how: Any) -> Answer:
    return await running.ask(how.pop("method", "GET"), f"/ipfs/{path}", host=host, **how)


@pytest.fixture
async def root(running: Running) -> str:
    return str((await deploy(running, "blog", FILES))["root_cid"])


@pytest.mark.parametrize(
    "host", ["blog.localhost", "localhost", "admin.localhost", "root.localhost", "other.localhost"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_content_is_found_on_every_host(running: Running, root: str, host: str, method: str) -> None:
    await deploy(running, "other", {"index.html": b"other"})
    for path, content, mime in (
        (id_of(b"<svg/>"), b"<svg/>", "image/svg+xml"),
        (f"{root}/img/logo.svg", b"<svg/>", "image/svg+xml"),
        (f"{root}/", FILES["index.html"], "text/html; charset=utf-8"),
        (f"{root}/docs/", b"docs", "text/html; charset=utf-8"),
        (version1(id_of(b"<svg/>")), b"<svg/>", "image/svg+xml"),
        (f"{version1(root)}/img/logo.svg", b"<svg/>", "image/svg+xml"),
    ):
        answer = await ask(running, path, host, method=method)
        assert (answer.status, answer.body) == (200, content if method == "GET" else b""), path
        assert answer.headers["Content-Type"] == mime
        assert answer.headers["Cache-Control"] == "public, max-age=29030400, immutable"
        assert answer.headers["X-Ipfs-Path"] == f"/ipfs/{path}"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")
        assert answer.headers["ETag"] == f'"{id_of(content)}"'
        if host.split(".")[0] in ("admin", "root", "localhost"):
            assert answer.headers["Content-Security-Policy"] == "sandbox", "nothing of it runs on the node's own hosts"


async def test_plain_bytes_by_their_hash(running: Running, root: str) -> None:
    digest = hashlib.sha256(b"<svg/>").digest()
    text = "b" + base64.b32encode(b"\1\x55\x12\x20" + digest).decode().rstrip("=").lower()
    assert (await ask(running, text)).body == b"<svg/>"


async def test_parts_and_conditions_work(running: Running, root: str) -> None:
    big = FILES["big.bin"]
    part = await ask(running, f"{root}/big.bin", headers={"Range": "bytes=262140-262150"})
    assert (part.status, part.body) == (206, big[262140:262151])
    known = await ask(running, f"{root}/big.bin", headers={"If-None-Match": f'"{id_of(big)}"'})
    assert (known.status, known.body) == (304, b"")


async def test_a_folder_without_a_page_is_listed(running: Running, root: str) -> None:
    listed = await ask(running, f"{root}/img/")
    assert listed.status == 200
    assert b"<b>" not in listed.body and b"&lt;b&gt;.txt" in listed.body and b"%3Cb%3E.txt" in listed.body
    assert listed.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert b"deep/" in listed.body and b"er" not in listed.body.replace(b"deep", b"").replace(b"Folder", b"")
    for path in (f"{root}", f"{root}/img", f"{root}/docs"):
        moved = await ask(running, path + "?q=1")
        assert (moved.status, moved.headers["Location"]) == (301, f"/ipfs/{path}/?q=1")


@pytest.mark.parametrize("text", ["Qm", "x", "Qm" + "0" * 44, "bafybei", "Qm" + "z" * 44, "QM" + "a" * 44])
async def test_what_is_no_id_is_refused(running: Running, root: str, text: str) -> None:
    answer = await ask(running, text)
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")


async def test_what_is_not_here_is_not_found(running: Running, root: str) -> None:
    for path in (
        id_of(b"nothing"),
        version1(id_of(b"nothing")),
        f"{root}/nothing",
        f"{root}/img/nothing/",
        f"{id_of(b'<svg/>')}/x",
        f"{root}/img/logo.svg/",
        f"{root}/../x",
        f"{root}//img/../index.htm",
    ):
        assert (await ask(running, path)).status in (400, 404), path
    for path in ("/ipns/" + root, "/ipns/x", "/ipfs", "/ipfs/"):
        for host in ("blog.localhost", "admin.localhost", "localhost"):
            assert (await running.ask("GET", path, host=host)).status == 404, (path, host)
    assert (await ask(running, root, method="POST")).status == 405


async def test_what_an_app_would_not_show_is_not_shown_by_its_id(running: Running, root: str) -> None:
    paths = [path for path, content in FILES.items() if content in SECRETS]
    for path in [*paths, "private", "private/", ".hidden/", "private/secret"]:
        answer = await ask(running, f"{root}/{path}")
        assert answer.status == 404, path
    for content in SECRETS:
        for key in (None, "read", "*"):
            answer = await ask(running, id_of(content), key=key)
            assert answer.status == 404 and content not in answer.body
    listed = (await ask(running, f"{root}/img/")).body
    assert b"private" not in listed
    whole = await deploy(running, "bare", {"private/k": b"k", "a.txt": b"a"})
    listed = (await ask(running, f"{whole['root_cid']}/")).body
    assert b"a.txt" in listed and b"private" not in listed
    # the folder itself has an id too
    folder = cid.folders({"k": (id_of(b"k"), 1)})[""]
    assert (await ask(running, f"{folder}/")).status == (await ask(running, f"{folder}/k")).status == 404


async def test_the_code_of_an_app_is_not_shown(running: Running) -> None:
    done = await deploy(running, "blog", {"index.html": b"x", "api/main.js": b"code", "api/lib.js": b"library"})
    for content in (b"code", b"library"):
        assert (await ask(running, id_of(content))).status == 404
    assert (await ask(running, f"{done['root_cid']}/api/main.js")).status == 404
    done = await deploy(running, "docs", {"index.html": b"x", "api/lib.js": b"library"})
    assert (await ask(running, id_of(b"library"))).body == b"library", "here it is no code"


CHANGES = {
    "made private": {"visibility": "private"},
    "made internal": {"visibility": "internal"},
    "stopped": {"status": "stopped"},
    "archived": {"status": "archived"},
}


@pytest.mark.parametrize("change", [*CHANGES, "deleted", "purged"])
async def test_what_is_public_no_longer_is_not_shown_any_more(running: Running, root: str, change: str) -> None:
    asked = (f"{root}/", f"{root}/img/", id_of(b"<svg/>"), version1(id_of(b"<svg/>")))
    for path in asked:
        assert (await twice(running, f"/ipfs/{path}")).status == 200
    if change == "purged":
        await running.run("apps.delete", app="blog", purge=True, confirm="blog")
    elif change == "deleted":
        await running.run("apps.delete", app="blog")
    else:
        await running.run("apps.update", app="blog", **CHANGES[change])
    for host in ("localhost", "admin.localhost"):
        for path in asked:
            assert (await ask(running, path, host)).status == 404, path


async def test_one_public_app_is_enough(running: Running, root: str) -> None:
    await running.run("apps.update", app="blog", visibility="private")
    assert (await ask(running, id_of(b"<svg/>"), "localhost")).status == 404
    await deploy(running, "other", {"drawing.svg": b"<svg/>"})
    assert (await ask(running, id_of(b"<svg/>"), "localhost")).status == 200
    assert (await ask(running, f"{root}/img/logo.svg", "localhost")).status == 404


async def test_a_private_copy_of_a_public_file_does_not_hide_it(running: Running) -> None:
    await deploy(running, "blog", {"private/a.txt": b"same", "b.txt": b"same"})
    assert (await ask(running, id_of(b"same"))).status == 200


async def test_an_unlisted_app_is_shown_to_who_knows_the_id(running: Running, root: str) -> None:
    assert (await running.ask("GET", "/api/apps/blog", key="read")).data["visibility"] == "unlisted"
    assert (await get(running, f"/ipfs/{root}/")).status == 200


MANY = 300


async def closed_copies(running: Running, files: dict[str, bytes]) -> str:
    """The id of the folder of these files, which a private app has in many releases."""
    root = str((await deploy(running, "hidden", files))["root_cid"])
    await running.run("apps.update", app="hidden", visibility="private")
    file = apsw.Connection(str(running.node.path))
    file.setbusytimeout(5000)
    for statement in (
        """insert into trees (cid, files, bytes, touched_at, created_at)
  select 'copy' || j.value, files, bytes, 0, 0 from trees, json_each(:numbers) j where cid = :cid""",
        """insert into tree_files (tree_id, path, blob_id) select t.id, f.path, f.blob_id from trees t, tree_files f
  where t.cid like 'copy%' and f.tree_id = (select id from trees where cid = :cid)""",
        "insert into tree_folders (cid, tree_id, path) select :cid, id, '' from trees where cid like 'copy%'",
        """insert into releases (id, app_id, n, tree_id, spa, by_kind, by_id, by_name, modified_at, created_at)
  select 'rel_' || t.cid, r.app_id, 1000 + t.id, t.id, 0, 'key', '', '', 0, 0 from trees t,
  (select app_id from releases where tree_id = (select id from trees where cid = :cid)) r where t.cid like 'copy%'""",
    ):
        file.execute(statement, {"cid": root, "numbers": str(list(range(MANY)))})
    assert file.execute("select count(*) from releases where n > 1000").get == MANY
    file.close()
    return root


async def test_what_is_public_is_found_behind_any_number_of_private_copies(running: Running) -> None:
    files = {"a.txt": b"same", "deep/b.txt": b"b"}
    root = await closed_copies(running, files)
    asked = (id_of(b"same"), f"{root}/", f"{root}/a.txt", f"{root}/deep/")
    for path in asked:
        assert (await ask(running, path, "localhost")).status == 404, path
    await deploy(running, "open", {f"at/{path}": data for path, data in files.items()})
    for path in asked:
        assert (await ask(running, path, "localhost")).status == 200, path


async def test_private_copies_are_not_looked_into(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """As few questions to the store for a folder of many files in many releases as for a small one."""
    root = await closed_copies(running, {f"{n}.txt": b"same" for n in range(50)})
    rows, reads = running.node.store.rows, list[str]()

    def counted(read: Any, **params: Any) -> list[Any]:
        reads.append(read.sql)
        return rows(read, **params)

    monkeypatch.setattr(running.node.store, "rows", counted)
    for path in (f"{root}/", f"{root}", f"{root}/7.txt", id_of(b"same")):
        reads.clear()
        assert (await ask(running, path, "localhost")).status == 404, path
        assert 0 < len(reads) < MANY // 10, path


async def test_what_is_public_is_found_behind_what_the_same_app_hides(running: Running) -> None:
    await deploy(running, "blog", {f"private/{n:04}.txt": b"same" for n in range(1050)} | {"z.txt": b"same"})
    assert (await ask(running, id_of(b"same"))).body == b"same"
    folder = cid.folders({"k.txt": (id_of(b"k"), 1)})[""]
    hidden = {f"private/{n:04}/k.txt": b"k" for n in range(250)}
    await deploy(running, "blog", hidden)
    assert (await ask(running, f"{folder}/")).status == 404
    await deploy(running, "blog", {**hidden, "shown/k.txt": b"k"})
    for path in (f"{folder}/", f"{folder}/k.txt"):
        assert (await ask(running, path)).status == 200, path


@pytest.mark.parametrize("host", ["admin.localhost", "localhost", "blog.localhost"])
async def test_nobody_may_ask_for_too_much(
    running: Running, root: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernel.net.gate.is_loopback", lambda address: False)
    limit(running, requestBurst=3)
    assert [(await ask(running, f"{root}/", host)).status for _ in range(4)] == [200] * 3 + [429]
