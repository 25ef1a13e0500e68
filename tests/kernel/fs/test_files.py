"""The files of an app one by one: each change is a release of its own, nothing of others is lost."""

from __future__ import annotations

import asyncio

import pytest

from kernel.base.errors import FaztError
from kernel.fs.cid import CHUNK
from tests.kernel.fs.site import PAGE, deploy, get
from tests.support import Answer, Running

FILES = {
    "index.html": PAGE,
    "img/a.txt": b"a",
    "img/b.svg": b"<svg onload=alert(1)>",
    "ü/é.txt": b"letters",
    "big.bin": bytes(CHUNK + 5),
}


async def ask(running: Running, method: str, path: str, key: str = "*", raw: bytes | None = None) -> Answer:
    return await running.ask(method, f"/api/apps/blog/files{path}", key=key, raw=raw)


@pytest.fixture
async def blog(running: Running) -> Running:
    await deploy(running, "blog", FILES)
    return running


async def test_files_are_listed_in_order_and_by_folder(blog: Running) -> None:
    data = (await ask(blog, "GET", "")).data
    assert [file["path"] for file in data] == sorted(FILES)
    assert {file["path"]: file["size"] for file in data} == {path: len(content) for path, content in FILES.items()}
    assert [file["path"] for file in (await ask(blog, "GET", "?folder=img")).data] == ["img/a.txt", "img/b.svg"]
    assert (await ask(blog, "GET", "?folder=im")).data == []
    page = await ask(blog, "GET", "?limit=2&offset=1")
    assert [file["path"] for file in page.data] == sorted(FILES)[1:3]
    assert page.json["meta"] == {"offset": 1, "limit": 2, "total": 5, "has_more": True}


async def test_54_and_55_a_raw_file_never_runs_on_the_node_s_own_host(blog: Running) -> None:
    for path, content in FILES.items():
        for method in ("GET", "HEAD"):
            answer = await ask(blog, method, "/" + path.replace("ü", "%C3%BC").replace("é", "%C3%A9"))
            assert (answer.status, answer.body) == (200, content if method == "GET" else b"")
            assert answer.headers["Content-Disposition"] == "attachment"
            assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "path", ["/nothing", "/img", "/img/", "/../index.html", "/%2e%2e/x", "//index.html", "/IMG/a.txt", "/index.html%00"]
)
async def test_what_is_no_file_is_not_found(blog: Running, path: str) -> None:
    before = blog.content()
    for method in ("GET", "DELETE"):
        answer = await ask(blog, method, path)
        assert answer.status in (400, 404), answer.body
    assert {name for name, rows in blog.content().items() if rows != before[name]} <= {"api_keys"}


async def test_a_file_is_written_and_deleted(blog: Running) -> None:
    put = await ask(blog, "PUT", "/new/x.txt", raw=b"new")
    assert (put.status, put.data["n"], put.data["added"]) == (201, 2, 1)
    assert (await get(blog, "/new/x.txt")).body == b"new"
    big = bytes(range(256)) * 3000
    assert (await ask(blog, "PUT", "/big.bin", raw=big)).data["changed"] == 1
    assert (await get(blog, "/big.bin")).body == big
    gone = await ask(blog, "DELETE", "/new/x.txt")
    assert (gone.status, gone.data["removed"]) == (200, 1)
    assert (await get(blog, "/new/x.txt")).status == 404
    assert (await ask(blog, "PUT", "/empty", raw=b"")).status == 201
    assert (await get(blog, "/empty")).body == b""
    assert (await blog.ask("POST", "/api/apps/blog/rollback", key="deploy", body={"release": "v1"})).status == 200
    assert [file["path"] for file in (await ask(blog, "GET", "")).data] == sorted(FILES)


async def test_the_same_again_is_no_release(blog: Running) -> None:
    await ask(blog, "PUT", "/img/a.txt", raw=b"x")
    before = (await blog.ask("GET", "/api/apps/blog/releases", key="*")).json["meta"]["total"]
    await ask(blog, "PUT", "/img/a.txt", raw=b"y")
    assert (await blog.ask("GET", "/api/apps/blog/releases", key="*")).json["meta"]["total"] == before + 1


@pytest.mark.parametrize(
    "path",
    [
        "/a%5Cb",
        "/C:/x",
        "/x.",
        "/%ff",
        "/" + "x" * 300,
        "/.env",
        "/img/server.key",
        "/.git/config",
        "/IMG/A.TXT",
        "/img",
        "/index.html/x",
    ],
)
async def test_a_path_that_no_site_may_have_is_not_written(blog: Running, path: str) -> None:
    await blog.key("*")
    before = blog.content()
    answer = await ask(blog, "PUT", path, raw=b"x")
    assert answer.status == 400, answer.body
    after = blog.content()
    assert after["releases"] == before["releases"] and after["apps"] == before["apps"]


async def test_the_last_file_stays(running: Running) -> None:
    await deploy(running, "blog", {"index.html": PAGE})
    assert (await ask(running, "DELETE", "/index.html")).code == "CONFLICT"


async def test_an_app_without_a_release_gets_its_first_file(running: Running) -> None:
    await running.run("apps.create", slug="blog")
    assert (await ask(running, "GET", "")).status == 404
    assert (await ask(running, "PUT", "/index.html", raw=PAGE)).data["n"] == 1
    assert (await get(running, "/")).body == PAGE


async def test_changes_at_once_do_not_undo_each_other(blog: Running) -> None:
    """Each reads all files and writes all files: who was overtaken is told, and loses nothing of the others."""
    await blog.key("*")
    answers = await asyncio.gather(*[ask(blog, "PUT", f"/at-once/{n}.txt", raw=b"%d" % n) for n in range(8)])
    assert {answer.status for answer in answers} <= {201, 409}
    done = {f"at-once/{n}.txt" for n, answer in enumerate(answers) if answer.status == 201}
    assert done
    listed = {file["path"] for file in (await ask(blog, "GET", "?limit=1000")).data}
    assert listed == done | set(FILES)


async def test_a_release_may_be_looked_into(blog: Running) -> None:
    await ask(blog, "PUT", "/img/a.txt", raw=b"changed")
    assert (await ask(blog, "GET", "/img/a.txt?release=v1")).body == b"a"
    assert (await ask(blog, "GET", "/img/a.txt?release=v2")).body == b"changed"
    assert (await ask(blog, "GET", "/img/a.txt?release=v9")).status == 404


async def test_a_key_of_another_app_reads_and_writes_nothing(blog: Running) -> None:
    await deploy(blog, "other", {"index.html": PAGE})
    for method, raw in (("GET", None), ("PUT", b"x"), ("DELETE", None)):
        answer = await ask(blog, method, "/index.html", "deploy:other", raw)
        assert (answer.status, answer.code) == (403, "FORBIDDEN")
    assert (await ask(blog, "PUT", "/index.html", "read", b"x")).code == "FORBIDDEN"
    assert (await ask(blog, "PUT", "/index.html", "deploy:blog", b"x")).status == 201


async def test_the_words_of_the_command(blog: Running) -> None:
    assert await blog.run("fs.cat", where="/apps/blog/index.html") == PAGE.decode()
    assert [file.path for file in (await blog.run("fs.ls", where="/apps/blog/img")).items] == ["img/a.txt", "img/b.svg"]
    assert (await blog.run("fs.cid", where="/apps/blog/img/a.txt")).cid.startswith("Qm")
    for where in (
        "",
        "/",
        "blog/index.html",
        "/apps",
        "/apps/nothere/x",
        "/etc/passwd",
        "/apps/blog/nothing",
        "/apps/blog/../x",
    ):
        for name in ("fs.cat", "fs.cid", "fs.rm"):
            with pytest.raises(FaztError):
                await blog.run(name, where=where)
