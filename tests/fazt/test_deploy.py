"""`fazt deploy` and what goes with it, as somebody types it, against a real node."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fazt.boot import Node
from fazt.cli import progress, releases
from fazt.cli.main import main
from fazt.cli.progress import Progress
from fazt.client import naming
from fazt.client.upload import Upload
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.fs import cid
from tests import support
from tests.support import Running

FIELDS = ["app_id", "name", "url", "release", "preview_url", "root_cid", "added", "changed", "removed", "bytes_sent"]


@dataclass
class Said:
    exit: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        assert self.exit == 0, self
        return json.loads(self.out)["data"]

    @property
    def error(self) -> Any:
        assert self.exit != 0, self
        return json.loads(self.out)["error"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("FAZT_SERVER", "FAZT_TOKEN", "FAZT_DB_PATH", "FAZT_APP", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FAZT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAZT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "home"


@pytest.fixture
def blog(tmp_path: Path) -> Path:
    made = tmp_path / "blog"
    made.mkdir()
    write(made, {"index.html": "<h1>hello</h1>", "css/a.css": "a{}"})
    return made


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db") as made:
        yield made


@pytest.fixture
def fazt(node: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A command typed on a machine that has a key of this scope."""

    async def typed(*words: str, scope: str = "deploy") -> Said:
        monkeypatch.setenv("FAZT_SERVER", f"http://{node.admin}:{node.site.port}")
        monkeypatch.setenv("FAZT_TOKEN", await node.key(scope))
        capsys.readouterr()
        code = await asyncio.to_thread(main, list(words))
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return typed


async def files_of(node: Running, app: str) -> dict[str, str]:
    listed = (await node.ask("GET", f"/api/apps/{app}/files", key="*")).data
    return {
        file["path"]: (await node.ask("GET", f"/api/apps/{app}/files/{file['path']}", key="*")).body.decode()
        for file in listed
    }


# --- a deploy


async def test_a_folder_becomes_a_release(node: Running, fazt: Any, blog: Path) -> None:
    made = (await fazt("deploy", str(blog), "--json")).data
    assert set(FIELDS) <= set(made)
    assert (made["name"], made["added"], made["changed"], made["removed"]) == ("blog", 2, 0, 0)
    assert made["bytes_sent"] == 17 and made["release"].startswith("rel_") and made["warnings"] == []
    assert await files_of(node, "blog") == {"index.html": "<h1>hello</h1>", "css/a.css": "a{}"}
    assert (blog / ".fazt" / "app").read_text() == "blog\n"

    same = (await fazt("deploy", str(blog), "--json")).data
    assert same["release"] == made["release"] and same["unchanged"] and same["bytes_sent"] == 0

    write(blog, {"index.html": "<h1>hello again</h1>", "new.txt": "n"})
    (blog / "css" / "a.css").unlink()
    more = (await fazt("deploy", str(blog), "--json", "-m", "second")).data
    assert (more["added"], more["changed"], more["removed"]) == (1, 1, 1)
    assert more["app_id"] == made["app_id"] and more["previous"] == made["release"]
    listed = (await fazt("releases", "--app", "blog", "--json")).data
    assert [(row["message"], row["live"]) for row in listed] == [("second", True), ("", False)]


@pytest.mark.parametrize("words", [["deploy"], ["client", "deploy"], ["app", "deploy"]])
async def test_it_has_three_names(fazt: Any, blog: Path, words: list[str]) -> None:
    assert (await fazt(*words, str(blog), "--name", "three", "--json")).data["name"] == "three"


async def test_its_help_is_said_once(fazt: Any) -> None:
    said = await fazt("deploy", "--help")
    assert said.exit == 0 and said.out.count("Usage: fazt deploy") == 1


async def test_a_person_sees_what_happened_and_how_to_undo_it(fazt: Any, blog: Path) -> None:
    first = await fazt("deploy", str(blog))
    assert first.err == "" and "To undo" not in first.out
    lines = first.out.splitlines()
    assert lines[0].startswith("blog v1 is live (rel_") and lines[0].endswith("2 files, 17B.")
    assert lines[1].startswith("  http://blog.localhost") and "--blog.localhost" in lines[2]
    assert lines[3:6] == ["  2 added, 0 changed, 0 removed", "    + css/a.css", "    + index.html"]
    write(blog, {f"{n:02}.txt": str(n) for n in range(20)} | {"index.html": "changed"})
    second = (await fazt("deploy", str(blog))).out.splitlines()
    assert second[3] == "  20 added, 1 changed, 0 removed"
    assert second[4] == "    + 00.txt" and second[14] == "    and 11 more"
    assert second[-1] == "To undo: fazt rollback v1 --app blog"
    undone = await fazt(*second[-1].removeprefix("To undo: fazt ").split())
    assert undone.exit == 0 and "fazt rollback v2 --app blog" in undone.out
    assert (await fazt("deploy", str(blog))).exit == 0


async def test_a_dry_run_changes_nothing(node: Running, fazt: Any, blog: Path) -> None:
    await node.key("deploy")
    before = node.content()
    plan = (await fazt("deploy", str(blog), "--dry-run", "--json")).data
    assert (plan["would_send"], plan["bytes_missing"], plan["app_id"]) == (["css/a.css", "index.html"], 17, None)
    shown = await fazt("deploy", str(blog), "--dry-run")
    assert "blog (a new app): 2 files" in shown.out and "  css/a.css\n" in shown.out
    assert node.content() == before and not (blog / ".fazt").exists()


async def test_settings_of_the_app_are_said(node: Running, fazt: Any, blog: Path) -> None:
    for words, spa in ((["--spa"], True), ([], True), (["--no-spa"], False)):
        await fazt("deploy", str(blog), *words)
        assert (await fazt("app", "info", "blog", "--json")).data["spa"] is spa


async def test_what_is_not_sent_is_said_once(node: Running, fazt: Any, blog: Path) -> None:
    write(blog, {".env": "SECRET=1", "node_modules/a.js": "", ".gitignore": "private/", "private/x": "p"})
    (blog / "index.html").rename(blog / "start.html")
    said = await fazt("deploy", str(blog))
    assert said.err.splitlines() == [
        "warning: Never sent: .env, node_modules/.",
        "warning: private/ is ignored by .gitignore and not sent. --include-private sends it.",
        "warning: there is no index.html: the front page will not be found.",
    ]
    assert set(await files_of(node, "blog")) == {".gitignore", "css/a.css", "start.html"}
    assert len((await fazt("deploy", str(blog), "--json", "--include-private")).data["warnings"]) == 2
    assert "private/x" in await files_of(node, "blog")


async def test_a_large_site_arrives(node: Running, fazt: Any, blog: Path) -> None:
    content = os.urandom(300_000)
    for n in range(40):
        (blog / f"{n}.bin").write_bytes(content + bytes([n]))
    made = (await fazt("deploy", str(blog), "--json")).data
    assert made["files"] == 42 and made["bytes_sent"] == made["bytes"]
    got = await node.ask("GET", "/api/apps/blog/files/7.bin", key="*")
    assert got.body == content + bytes([7])


# --- refusals


@pytest.mark.parametrize(
    ("words", "exit", "code", "hint"),
    [
        (["nowhere"], 3, "NOT_FOUND", "fazt deploy DIR"),
        (["blog/index.html"], 2, "USAGE", "fazt deploy DIR"),
        (["empty"], 2, "USAGE", "index.html"),
        (["blog", "--name", "www"], 1, "CONFLICT", "another name"),
        (["blog", "--name", "No Name"], 2, "VALIDATION_FAILED", None),
        (["blog", "--name", "app_000000000000"], 3, "APP_NOT_FOUND", "fazt app list"),
        (["admin"], 1, "CONFLICT", "--name"),
        (["blog", "--message", "x" * 501], 2, "VALIDATION_FAILED", None),
        (["blog", "--nmae", "x"], 2, "USAGE", "--name"),
        (["blog", "too", "many"], 2, "USAGE", None),
        (["blog", "--server", "http://localhost:{port}"], 2, "METHOD_NOT_ALLOWED", "admin."),
        (["blog", "--token", "wrong"], 4, "INVALID_API_KEY", None),
        (["blog", "--server", "ftp://x"], 2, "USAGE", "https://"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
async def test_a_refusal_says_what_to_do(
    node: Running,
    fazt: Any,
    blog: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    exit: int,
    code: str,
    hint: str | None,
) -> None:
    for folder in ("empty", "admin"):
        (blog.parent / folder).mkdir()
    write(blog.parent / "admin", {"index.html": "x"})
    monkeypatch.chdir(blog.parent)
    await node.key("deploy")
    before = node.content()
    said = await fazt("deploy", *(word.replace("{port}", str(node.site.port)) for word in words), "--json")
    assert (said.exit, said.error["code"]) == (exit, code), said
    assert hint is None or hint in said.error["hint"]
    assert node.content() == before and not (blog / ".fazt").exists()


async def test_a_key_for_one_app_deploys_that_app_only(fazt: Any, blog: Path) -> None:
    await fazt("deploy", str(blog))
    write(blog, {"new": "x"})
    assert (await fazt("deploy", str(blog), scope="deploy:blog")).exit == 0
    assert (await fazt("deploy", str(blog), "--name", "other", "--json", scope="deploy:blog")).error["code"] == (
        "FORBIDDEN"
    )
    assert (await fazt("deploy", str(blog), "--json", scope="read")).error["code"] == "FORBIDDEN"


async def test_without_a_key_it_says_how_to_get_one(
    fazt: Any, blog: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAZT_SERVER", "http://admin.example.com")
    assert await asyncio.to_thread(main, ["deploy", str(blog)]) == 4
    assert "keys create" in capsys.readouterr().err


async def test_no_node_at_all(blog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await asyncio.to_thread(main, ["deploy", str(blog)]) == 3
    said = capsys.readouterr()
    assert "fazt up" in said.err and "set-auth-token" in said.err


async def test_a_node_that_does_not_answer(
    blog: Path, capsys: pytest.CaptureFixture[str], unused_tcp_port: int
) -> None:
    words = ["deploy", str(blog), "--server", f"http://127.0.0.1:{unused_tcp_port}", "--token", "x"]
    assert await asyncio.to_thread(main, words) == 5
    assert "does not answer" in capsys.readouterr().err


async def test_ctrl_c_says_that_the_next_deploy_goes_on(
    node: Running, fazt: Any, blog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Upload, "_send_body", stopped)
        said = await fazt("deploy", str(blog))
    assert (said.exit, said.out) == (130, "")
    assert said.err == "Stopped: nothing was published. The next deploy goes on from here.\n"
    assert (await fazt("app", "list", "--json", scope="*")).data == []
    assert (await fazt("deploy", str(blog), "--json")).data["n"] == 1


# --- where it goes


async def test_by_a_peer(node: Running, fazt: Any, blog: Path) -> None:
    await fazt("peer", "add", "there", "--url", f"http://{node.admin}:{node.site.port}", "--token", await node.key("*"))
    os.environ.pop("FAZT_SERVER")
    assert (await fazt("@there", "--json", "deploy", str(blog))).data["name"] == "blog"
    assert (await fazt("@there", "status", "--app", "blog", "--json")).data["by"] == "@there"
    assert (await fazt("@there", "deploy", str(blog), "--nmae")).exit == 2


async def test_over_the_owners_socket(
    node: Running, blog: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from kernel.storage.lock import hold

    own = tmp_path / "own.sock"
    await node.server.listen_here(own)
    with hold(node.node.path) as lock:
        lock.note(socket=str(own))
        assert await asyncio.to_thread(main, ["deploy", str(blog), "--db", str(node.node.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["warnings"] == []
    assert len(await files_of(node, "blog")) == 2


async def test_into_the_file_when_no_node_runs(
    blog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alone.db"
    Node(path).close()
    monkeypatch.setenv("FAZT_DB_PATH", str(path))
    assert await asyncio.to_thread(main, ["deploy", str(blog), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)["data"]
    assert made["warnings"] == ["no node runs: `fazt up` serves it."]
    assert await asyncio.to_thread(main, ["status", "--app", "blog", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)["data"]
    assert (status["node"], status["release"], status["n"]) == ("stopped", made["release"], 1)
    async with support.running(path) as node:
        assert len(await files_of(node, "blog")) == 2


async def test_the_whole_program_is_not_loaded_for_it(blog: Path) -> None:
    program = (
        "import sys; from fazt.cli.main import main\n"
        f"code = main(['deploy', {str(blog)!r}, '--server', 'http://127.0.0.1:9', '--token', 'x'])\n"
        "heavy = {'fazt.boot', 'kernel.syscall', 'aiohttp', 'cryptography', 'asyncio'} & set(sys.modules)\n"
        "print(code, sorted(heavy))"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "5 []\n", done


# --- the name


@pytest.mark.parametrize(
    ("files", "said", "name", "warnings"),
    [
        ({}, None, "my-site", 0),
        ({}, "other", "other", 0),
        ({"app.json": '{"name": "shop"}'}, None, "shop", 0),
        ({"app.json": '{"name": "shop"}'}, "other", "other", 0),
        ({"app.json": '{"name": "shop"}', ".fazt/app": "linked\n"}, None, "shop", 0),
        ({".fazt/app": "linked\n"}, None, "linked", 0),
        ({".fazt/app": " \n"}, None, "my-site", 0),
        ({"app.json": '{"name": "My Shop!"}'}, None, "my-shop", 1),
        ({"app.json": '{"name": "My Shop!"}', ".fazt/app": "linked\n"}, None, "linked", 1),
        ({"app.json": '{"name": "日本"}'}, None, "my-site", 1),
        ({"app.json": '{"name": "admin!"}'}, None, "my-site", 1),
        ({"app.json": '{"name": 7}'}, None, "my-site", 0),
        ({"app.json": '{"expo": {"name": "x"}}'}, None, "my-site", 0),
        ({"app.json": "not json"}, None, "my-site", 0),
        ({"app.json": "[" * 100_000}, None, "my-site", 0),
        ({"manifest.json": '{"name": "pwa"}'}, None, "my-site", 0),
    ],
)
def test_what_an_app_is_called(tmp_path: Path, files: dict[str, str], said: str, name: str, warnings: int) -> None:
    folder = tmp_path / "My Site"
    folder.mkdir()
    write(folder, files)
    found, told = naming.name_for(folder, said)
    assert (found, len(told)) == (name, warnings)


@pytest.mark.parametrize("output", naming.OUTPUTS)
def test_what_a_builder_wrote_is_called_like_its_project(tmp_path: Path, output: str) -> None:
    folder = tmp_path / "shop" / output
    folder.mkdir(parents=True)
    assert naming.name_for(folder, None)[0] == "shop"
    naming.link(folder, "shop-2")
    assert (tmp_path / "shop" / ".fazt" / "app").read_text() == "shop-2\n" and not (folder / ".fazt").exists()
    assert naming.name_for(folder, None)[0] == "shop-2"


def test_only_the_first_deploy_leaves_a_note(tmp_path: Path) -> None:
    assert naming.link(tmp_path, "first") is None
    assert naming.link(tmp_path, "second") is None
    assert naming.linked(tmp_path) == "first"


def test_a_folder_that_cannot_take_the_note(tmp_path: Path) -> None:
    (tmp_path / ".fazt").write_text("")
    assert "--name first" in str(naming.link(tmp_path, "first"))


def test_a_folder_without_letters_has_no_name(tmp_path: Path) -> None:
    (tmp_path / "日本").mkdir()
    with pytest.raises(FaztError) as caught:
        naming.name_for(tmp_path / "日本", None)
    assert "--name" in str(caught.value.hint)


# --- open, status, download, cid


async def test_open_prints_where_there_is_no_screen(
    fazt: Any, blog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = (await fazt("deploy", str(blog), "--json")).data
    monkeypatch.chdir(blog)
    assert (await fazt("open")).out == made["url"] + "\n"
    assert (await fazt("open", "--json")).data == {"app_id": made["app_id"], "name": "blog", "url": made["url"]}
    assert (await fazt("open", "--app", "nothing", "--json")).error["code"] == "APP_NOT_FOUND"
    monkeypatch.chdir(tmp_path)
    assert (await fazt("open", "--json")).error["code"] == "USAGE"

    started: list[Any] = []
    monkeypatch.setattr(releases, "_viewer", lambda: "/bin/viewer")
    monkeypatch.setattr(subprocess, "Popen", lambda words, **how: started.append(words))
    await fazt("open", "--app", "blog")
    assert started == [["/bin/viewer", made["url"]]]


async def test_status_is_one_screen(
    node: Running, fazt: Any, blog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nothing = await fazt("status")
    assert f"http://{node.admin}:{node.site.port}" in nothing.out and "App      none" in nothing.out
    made = (await fazt("deploy", str(blog), "--json", "-m", "first")).data
    monkeypatch.chdir(blog)
    full = (await fazt("status", "--json", scope="*")).data
    assert (full["app"], full["release"], full["n"], full["message"]) == ("blog", made["release"], 1, "first")
    assert full["version"] and full["node"] in ("ok", "degraded")
    mine = await fazt("status")
    assert "Node     running" in mine.out and f"v1 {made['release']}" in mine.out and made["url"] in mine.out
    assert "not on this node" in (await fazt("status", "--app", "other")).out
    await node.run("apps.create", slug="bare")
    assert "none yet" in (await fazt("status", "--app", "bare")).out


async def test_a_release_comes_back_as_a_folder(
    node: Running, fazt: Any, blog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(blog, {"ü/a b%c.txt": "odd", "empty": ""})
    await fazt("deploy", str(blog))
    write(blog, {"index.html": "second"})
    await fazt("deploy", str(blog))
    monkeypatch.chdir(tmp_path)
    got = (await fazt("app", "download", "blog", "copy", "--json")).data
    assert (got["files"], got["dir"]) == (4, "copy")
    assert (tmp_path / "copy/ü/a b%c.txt").read_text() == "odd"
    assert (tmp_path / "copy/index.html").read_text() == "second"
    assert (await fazt("app", "download", "blog", "old/copy", "--release", "v1")).exit == 0
    assert (tmp_path / "old/copy/index.html").read_text() == "<h1>hello</h1>"
    before = names(tmp_path)
    refused = await fazt("app", "download", "blog", "--json")
    assert refused.error["code"] == "CONFLICT"  # ./blog is the folder itself
    assert (await fazt("app", "download", "blog", "x", "--release", "v9", "--json")).error["code"] == "NOT_FOUND"
    assert (await fazt("app", "download", "nothing", "x", "--json")).error["code"] == "APP_NOT_FOUND"
    assert names(tmp_path) == before


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "C:x", "a\\b", "a/./b"])
async def test_a_download_never_leaves_its_folder(
    fazt: Any, blog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    await fazt("deploy", str(blog))
    from fazt.cli import download

    monkeypatch.setattr(download, "rows", lambda *_, **__: iter([{"path": path, "size": 1, "sha256": ""}]))
    said = await fazt("app", "download", "blog", str(tmp_path / "copy"), "--json")
    assert said.error["code"] == "VALIDATION_FAILED"
    assert not (tmp_path / "copy").exists()


async def test_a_damaged_download_leaves_nothing(
    fazt: Any, blog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fazt.client.http import Link

    await fazt("deploy", str(blog))
    monkeypatch.setattr(Link, "fetch", lambda *_: iter([b"other"]))
    before = names(tmp_path)
    assert (await fazt("app", "download", "blog", str(tmp_path / "copy"), "--json")).error["code"] == "CONFLICT"
    assert names(tmp_path) == before


async def test_the_content_id_is_that_of_the_release(fazt: Any, blog: Path) -> None:
    write(blog, {".env": "x", "big.bin": "x" * 300_000})
    made = (await fazt("deploy", str(blog), "--json")).data
    assert (await fazt("storage", "cid", str(blog))).out == made["root_cid"] + "\n"
    one = (await fazt("storage", "cid", str(blog / "big.bin"), "--json")).data
    assert one == {"path": str(blog / "big.bin"), "cid": cid.cid_of(b"x" * 300_000), "files": 1, "bytes": 300_000}
    assert (await fazt("storage", "cid", "nowhere", "--json")).error["code"] == "NOT_FOUND"


# --- the bar


class Screen:
    def __init__(self, tty: bool) -> None:
        self.tty, self.written = tty, ""

    def isatty(self) -> bool:
        return self.tty

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None: ...


def test_the_bar_shows_bytes_and_time() -> None:
    clock, screen = ManualClock(), Screen(tty=True)
    bar = Progress(screen, clock)  # type: ignore[arg-type]
    bar.begin(4 << 20)
    assert bar.line() == "Sending [........................] 0B of 4MB"
    clock.advance(2)
    bar.add(1 << 20)
    assert bar.line() == "Sending [######..................] 1MB of 4MB  512KB/s  0:06 left"
    bar.add(-(1 << 20))
    assert "0B of 4MB" in bar.line()
    bar.add(9 << 20)
    assert bar.line() == "Sending [########################] 4MB of 4MB  2MB/s"
    bar.end()
    assert screen.written.endswith("\r\x1b[K") and screen.written.count("\n") == 0
    written = screen.written
    bar.add(1)
    assert screen.written == written


def test_it_is_drawn_only_so_often() -> None:
    clock, screen = ManualClock(), Screen(tty=True)
    bar = Progress(screen, clock)  # type: ignore[arg-type]
    bar.begin(1000)
    for _ in range(100):
        bar.add(1)
    assert screen.written.count("\r") == 1
    clock.advance(2 * progress.PACE)
    bar.add(1)
    assert screen.written.count("\r") == 2


def test_nobody_looks_nobody_draws() -> None:
    clock, screen = ManualClock(), Screen(tty=False)
    bar = Progress(screen, clock)  # type: ignore[arg-type]
    bar.begin(10)
    clock.advance(1)
    bar.add(5)
    bar.end()
    assert screen.written == ""
