"""Programs of apps: made once for what they are made from, and again when that changes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.fs.deploy import Checks
from kernel.fs.mounts import HostFile
from kernel.runtime import programs as ours
from kernel.runtime import sources
from kernel.runtime.limits import MEMORY
from kernel.runtime.lower.lowered import Lowered
from kernel.runtime.program import Program
from kernel.runtime.programs import Programs, handler_of
from kernel.runtime.sources import matters
from tests.kernel.fs.site import deploy
from tests.support import Running

MAIN = "api/main.js"
FILES = {MAIN: b"main", "api/db.js": b"db", "index.html": b"hello", "api/notes.txt": b"no code"}


class Lowers:
    """Instead of the compiler: the code is the text, and each file is counted."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.beside: dict[str, Any] = {}
        self.wait: asyncio.Event | None = None
        self.error: FaztError | None = None

    async def of(self, path: str, sha256: bytes, content: bytes, beside: Any) -> Lowered:
        self.asked.append(path)
        self.beside[path] = beside
        if self.wait:
            await self.wait.wait()
        if content == b"huge":
            raise FaztError("LIMIT_EXCEEDED", "No compiler can cope with it.")
        if self.error:
            raise self.error
        return Lowered(content, "module")


class Unchecked(Checks):
    async def warnings(self, app: str | None, files: Any) -> list[str]:
        return []


class Made:
    """Programs over a node's files, with a compiler of the test."""

    def __init__(self, running: Running) -> None:
        node = running.node
        self.running, self.node, self.lowers = running, node, Lowers()
        lowering: Any = self.lowers
        self.programs = Programs(node.store, node.settings, node.editions, node.content, lowering, node.env)
        self.retired: list[Program] = []
        node.ports.fill(Unchecked(), Checks)
        self.programs.retire = self.retired.append
        self.app = ""

    async def deploy(self, files: dict[str, bytes], name: str = "blog") -> None:
        self.app = (await deploy(self.running, name, files))["app_id"]

    def edition(self) -> Any:
        return self.node.editions.of(self.app)

    async def program(self, entry: str = MAIN) -> Program:
        return await self.programs.of(self.edition(), entry)

    async def texts(self) -> dict[str, str]:
        return {path: one.code.decode() for path, one in (await self.program()).sources.items()}


@pytest.fixture
async def made(running: Running) -> AsyncIterator[Made]:
    yield Made(running)


async def test_a_program_is_made_once(made: Made) -> None:
    await made.deploy(FILES)
    first = await made.program()
    assert await made.program() is first is made.programs.ready(made.edition())
    assert made.lowers.asked == ["api/db.js", MAIN]
    assert set(first.sources) == {MAIN, "api/db.js"} and first.size == len(b"maindb")
    assert (first.app, first.about.name, first.release) == (made.app, "blog", made.edition().release)
    assert not made.retired


async def test_those_who_come_at_once_wait_for_one_making(made: Made) -> None:
    await made.deploy(FILES)
    made.lowers.wait = asyncio.Event()
    coming = [asyncio.ensure_future(made.program()) for _ in range(5)]
    while not made.lowers.asked:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)
    coming[0].cancel()
    made.lowers.wait.set()
    found = await asyncio.gather(*coming[1:])
    assert len(set(map(id, found))) == 1 and made.lowers.asked == ["api/db.js", MAIN]
    assert not made.programs._making


async def test_a_failure_is_not_kept(made: Made) -> None:
    await made.deploy(FILES)
    made.lowers.error = FaztError("SERVICE_UNAVAILABLE", "Too much code waits to be compiled.")
    with pytest.raises(FaztError, match="waits to be compiled"):
        await made.program()
    made.lowers.error = None
    assert await made.texts() == {MAIN: "main", "api/db.js": "db"}


async def test_each_entry_and_each_release_has_its_own(made: Made) -> None:
    await made.deploy(FILES)
    first, other = await made.program(), await made.program("api/db.js")
    assert other is not first and other.entry == "api/db.js"
    await made.deploy({**FILES, MAIN: b"second"})
    assert (await made.texts())[MAIN] == "second"
    before = made.node.editions.of(made.app, first.release)
    assert before and await made.programs.of(before, MAIN) is first


async def test_an_entry_that_is_not_there(made: Made) -> None:
    await made.deploy(FILES)
    for entry in ("api/nothing.js", "index.html", "../x", ""):
        with pytest.raises(FaztError) as caught:
            await made.program(entry) if entry else await made.programs.of(made.edition()._replace(handler=""), "")
        assert caught.value.code == "MODULE_NOT_FOUND"


async def test_a_new_value_of_the_environment_is_a_new_program(made: Made) -> None:
    await made.deploy({**FILES, "app.json": json.dumps({"env": [{"name": "B", "default": "b"}]}).encode()})
    first = await made.program()
    assert first.env == {"B": "b"} and made.programs.unchanged(first)
    await made.running.run("env.set", app=made.app, values={"A": "1"})
    assert not made.programs.unchanged(first) and made.programs.ready(made.edition()) is None
    second = await made.program()
    assert second.env == {"A": "1", "B": "b"} and made.retired == [first]


async def test_a_setting_of_the_owner_is_a_new_program(made: Made) -> None:
    await made.deploy(FILES)
    first = await made.program()
    assert first.limits.memory == 64 << 20
    await made.running.run("config.set", name=MEMORY.name, value="48")
    second = await made.program()
    assert second.limits.memory == 48 << 20 and made.retired == [first]


async def test_what_is_kept_is_bounded(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    await made.deploy({MAIN: b"x" * 600, "api/a.js": b"", "api/b.js": b""})
    monkeypatch.setattr(ours, "MOST_KEPT", 2)
    found = [await made.program(entry) for entry in (MAIN, "api/a.js", "api/b.js")]
    assert made.retired == [found[0]] and made.programs._kept == 1200
    monkeypatch.setattr(ours, "MOST_KEPT_BYTES", 1000)
    last = await made.program()
    assert made.retired == found and list(made.programs._known.values()) == [last]
    monkeypatch.setattr(ours, "MOST_KEPT_BYTES", 10)
    assert await made.program("api/a.js") in made.programs._known.values()


async def test_an_app_that_is_deleted_meanwhile(made: Made) -> None:
    await made.deploy(FILES)
    edition = made.edition()
    real = made.node.store.rows

    def gone(read: Any, **params: Any) -> Any:
        return [] if "title, source" in read.sql else real(read, **params)

    made.node.store.rows = gone  # type: ignore[method-assign]
    with pytest.raises(FaztError) as caught:
        await made.programs.of(edition, MAIN)
    assert caught.value.code == "APP_NOT_FOUND"


async def test_what_lies_beside_decides_too(made: Made) -> None:
    files = {MAIN: b"m", f"{MAIN}.map": b"map", "api/x/a.ts": b"a", "tsconfig.json": b"root"}
    await made.deploy({**files, "api/x/tsconfig.json": b"near", "api/b.ts": b"b"})
    await made.program()
    said = {path: (one.map, one.tsconfig) for path, one in made.lowers.beside.items() if path.endswith(("js", "ts"))}
    assert said == {MAIN: (b"map", b"root"), "api/x/a.ts": (b"", b"near"), "api/b.ts": (b"", b"root")}


async def test_a_file_that_no_compiler_can_cope_with_stops_only_itself(made: Made) -> None:
    await made.deploy({**FILES, "api/huge.js": b"huge"})
    found = (await made.program()).sources
    assert found["api/huge.js"].problems[0].message == "No compiler can cope with it."
    assert not found[MAIN].problems


async def test_too_much_code(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    await made.deploy({**FILES, "api/big.js": b"x" * 100})
    monkeypatch.setattr(sources, "MOST_CODE", 105)
    with pytest.raises(FaztError) as caught:
        await made.program()
    assert caught.value.code == "LIMIT_EXCEEDED"
    monkeypatch.setattr(sources, "MOST_CODE", 99)
    with pytest.raises(FaztError, match="larger than"):
        await made.program()
    monkeypatch.setattr(sources, "MOST_CODE", 106)
    assert len(await made.texts()) == 3


async def test_too_many_files_are_refused_and_other_files_do_not_count(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise some of the code would be missing without a word."""
    monkeypatch.setattr(sources, "MOST_FILES", 3)
    data = {f"api/a{number}.csv": b"," for number in range(20)}
    await made.deploy({**data, MAIN: b"m", "api/x.js": b"x", "api/z.js": b"z"})
    assert set(await made.texts()) == {MAIN, "api/x.js", "api/z.js"}
    await made.deploy({**data, MAIN: b"m", "api/x.js": b"x", "api/y.js": b"y", "api/z.js": b"z"})
    with pytest.raises(FaztError, match="more than 3 files"):
        await made.program()


@pytest.mark.parametrize("said", [b"[]", b"{", b"null", b"[" * 50_000, b'"x"', b"\xff"])
async def test_a_manifest_that_is_none_is_empty(made: Made, said: bytes) -> None:
    await made.deploy({**FILES, "app.json": said})
    assert (await made.program()).about.manifest == {}


async def test_private_files(made: Made) -> None:
    await made.deploy({**FILES, "private/a.txt": b"secret", "private/b/c.json": b"{}"})
    program = await made.program()
    assert program.private_paths() == ["a.txt", "b/c.json"]
    assert program.private("a.txt") == b"secret" and program.has_private("b/c.json")
    assert program.private("../api/main.js") is None and program.private("b") is None
    assert not program.has_private("b")


# --- folders of the machine


@pytest.fixture
async def folder(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mounted")
    (folder / "api").mkdir()
    await made.deploy(FILES)
    await made.running.run("fs.mount", folder=str(folder), where="blog")
    return folder


def written(folder: Path, path: str, text: str, at: int = 1) -> None:
    (folder / path).write_text(text)
    os.utime(folder / path, ns=(at, at))


async def test_edits_of_a_mounted_folder_count_at_once(made: Made, folder: Path) -> None:
    assert await made.texts() == {MAIN: "main", "api/db.js": "db"}
    first = await made.program()
    written(folder, MAIN, "mine")
    assert (await made.texts())[MAIN] == "mine" and made.retired == [first]
    assert await made.program() is await made.program()
    written(folder, MAIN, "more", 2)
    assert (await made.texts())[MAIN] == "more"
    written(folder, "api/new.js", "new")
    assert (await made.texts())["api/new.js"] == "new"
    (folder / MAIN).unlink()
    assert await made.texts() == {MAIN: "main", "api/db.js": "db", "api/new.js": "new"}
    assert handler_of(made.edition()) == MAIN


@pytest.mark.parametrize("name", ["tsconfig.json", "app.json"])
async def test_edits_of_what_decides_count_too(made: Made, folder: Path, name: str) -> None:
    first = await made.program()
    written(folder, name, '{"a":1}')
    second = await made.program()
    assert second is not first
    written(folder, name, '{"a":2}', 2)
    third = await made.program()
    assert third is not second and await made.program() is third
    if name == "app.json":
        assert third.about.manifest == {"a": 2}
    else:
        assert made.lowers.beside[MAIN].tsconfig == b'{"a":2}'


async def test_a_file_that_goes_while_it_is_read_is_gone(
    made: Made, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(folder, "api/new.js", "new")

    def gone(file: HostFile, most: int) -> bytes:
        raise FileNotFoundError

    monkeypatch.setattr(HostFile, "read", gone)
    assert set(await made.texts()) == {MAIN, "api/db.js"}


async def test_a_key_does_not_open_what_is_not_code(made: Made, folder: Path) -> None:
    with contextlib.suppress(FileExistsError):
        (folder / "api" / "link.js").symlink_to("/etc/passwd")
    assert "api/link.js" not in await made.texts()


@pytest.mark.parametrize(
    ("path", "yes"),
    [
        (MAIN, True),
        ("api/x.ts", True),
        ("api/x.json", True),
        ("api/main.js.map", True),
        ("api/x/tsconfig.json", True),
        ("tsconfig.json", True),
        ("main.js", False),
        ("apis/x.js", False),
        ("x/tsconfig.json", False),
        ("api/x.txt", False),
        ("main.js.map", False),
    ],
)
def test_what_matters(path: str, yes: bool) -> None:
    assert matters(path) == yes


# --- apps that go


@pytest.mark.parametrize("how", ["purged", "deleted", "stopped"])
async def test_an_app_that_goes_takes_its_programs_along(made: Made, how: str) -> None:
    gone: list[str] = []
    made.programs.gone = gone.append
    await made.deploy(FILES, "other")
    stays = await made.program()
    await made.deploy(FILES)
    programs = {await made.program(entry) for entry in (MAIN, "api/db.js")}
    made.programs.sweep()
    assert not gone and not made.retired
    if how == "stopped":
        await made.running.run("apps.update", app=made.app, status="stopped")
    else:
        more = {"purge": True, "confirm": made.app} if how == "purged" else {}
        await made.running.run("apps.delete", app=made.app, **more)
    made.programs.sweep()
    assert gone == [made.app] and set(made.retired) == programs
    made.programs.sweep()
    assert gone == [made.app] and list(made.programs._known.values()) == [stays]
    assert made.programs._kept == stays.size


async def test_what_runs_is_told_of_even_if_its_program_is_not_kept(made: Made) -> None:
    gone: list[str] = []
    made.programs.gone = gone.append
    await made.deploy(FILES)
    made.programs.sweep([made.app, "app_nothing"])
    assert gone == ["app_nothing"]
    await made.running.run("apps.delete", app=made.app)
    made.programs.sweep([made.app])
    assert gone == ["app_nothing", made.app]
