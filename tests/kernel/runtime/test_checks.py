"""What is said of an app's code when it is deployed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.fs.deploy import Checks
from kernel.runtime.checks import MOST_SHOWN, CodeChecks
from kernel.runtime.limits import CPU, MEMORY, WALL
from kernel.runtime.lower.lowered import Lowered, Problem
from kernel.runtime.lower.lowering import MOST_BYTES
from kernel.runtime.programs import Programs
from tests.kernel.fs.site import deploy, finish, plan
from tests.support import Running

MAIN = "api/main.js"


class Lowers:
    """Instead of the compiler: what is named `bad` cannot be read."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: FaztError | None = None

    async def of(self, path: str, sha256: bytes, content: bytes, beside: Any) -> Lowered:
        self.asked.append(path)
        if self.error:
            raise self.error
        problems = [Problem(path, 2, 5, "Unexpected token"), Problem(path, 9, 1, "and more")]
        return Lowered(b"", "module", problems=problems if "bad" in path else [])


class Made:
    def __init__(self, running: Running) -> None:
        node = running.node
        self.running, self.node, self.lowers = running, node, Lowers()
        lowering: Any = self.lowers
        programs = Programs(node.store, node.settings, node.editions, node.content, lowering, node.env)
        self.checks = CodeChecks(node.store, node.settings, node.content, programs, node.env)
        self.expected, self.app = 0, ""
        self.checks.expect_code = self._expect
        node.ports.fill(self.checks, Checks)

    def _expect(self) -> None:
        self.expected += 1

    async def deploy(self, files: dict[str, bytes]) -> list[str]:
        done = await deploy(self.running, "blog", files)
        self.app = done["app_id"]
        found: list[str] = done["warnings"]
        return found

    async def said(self, manifest: Any) -> list[str]:
        return await self.deploy({MAIN: b"main", "app.json": json.dumps(manifest).encode()})

    async def refused(self, **runtime: float) -> FaztError:
        data = json.dumps({"limits": {"runtime": runtime}}).encode()
        await deploy(self.running, "other", {"data.json": data})  # its content is known, the site is new
        hash = hashlib.sha256(data).hexdigest()
        with pytest.raises(FaztError) as caught:
            await self.checks.warnings(None, {"app.json": (hash, len(data))})
        return caught.value


@pytest.fixture
async def made(running: Running) -> Made:
    return Made(running)


async def test_good_code_needs_no_word(made: Made) -> None:
    assert await made.deploy({MAIN: b"main", "api/a.ts": b"a", "index.html": b"x"}) == []
    assert sorted(set(made.lowers.asked)) == ["api/a.ts", MAIN] and made.expected


async def test_each_file_that_cannot_be_read_is_named_with_its_place(made: Made) -> None:
    warnings = await made.deploy({MAIN: b"main", "api/bad.js": b"1", "api/x/bad.ts": b"2", "bad.js": b"3"})
    assert warnings == ["api/bad.js:2:5: Unexpected token", "api/x/bad.ts:2:5: Unexpected token"]


async def test_a_site_without_a_handler_is_not_looked_at(made: Made) -> None:
    assert await made.deploy({"api/bad.js": b"1", "index.html": b"x"}) == []
    assert not made.lowers.asked and not made.expected


async def test_no_more_than_so_many_are_shown(made: Made) -> None:
    files = {f"api/bad{number}.js": b"x" for number in range(MOST_SHOWN + 5)}
    assert len(await made.deploy({MAIN: b"main", **files})) == MOST_SHOWN


async def test_a_compiler_that_is_broken_stops_no_deploy(made: Made) -> None:
    made.lowers.error = FaztError("SERVICE_UNAVAILABLE", "The compiler ended.")
    assert await made.deploy({MAIN: b"main"}) == ["The code could not be looked at: The compiler ended."]


async def test_code_no_compiler_can_cope_with_is_named(made: Made) -> None:
    made.lowers.error = FaztError("LIMIT_EXCEEDED", "It takes too long.")
    assert await made.deploy({MAIN: b"main"}) == ["api/main.js:1:1: It takes too long."]


async def test_a_file_that_is_too_large_to_run_is_named(made: Made) -> None:
    data = b"x" * (MOST_BYTES + 1)
    warnings = await made.deploy({MAIN: b"main", "api/big.js": data, "big.js": data + b"1", "api/big.txt": data + b"2"})
    assert warnings == ["api/big.js is larger than 1 MiB: no code can require it."]
    assert "api/big.js" not in made.lowers.asked


async def test_what_the_code_asks_of_its_environment(made: Made) -> None:
    wishes = [
        {"name": "KEY", "required": True},
        {"name": "SET", "required": True},
        {"name": "HAS_DEFAULT", "required": True, "default": "x"},
        {"name": "OPTIONAL", "required": False},
    ]
    asked = {"env": wishes}
    assert await made.said(asked) == [
        "KEY is not set yet: fazt env set KEY=…",
        "SET is not set yet: fazt env set SET=…",
    ]
    await made.running.run("env.set", app=made.app, values={"SET": "1"})
    assert await made.said({**asked, "title": "again"}) == ["KEY is not set yet: fazt env set KEY=…"]


@pytest.mark.parametrize(
    ("name", "value", "setting"),
    [
        ("maxExecutionSeconds", 31, WALL),
        ("maxExecutionSeconds", 10**15, WALL),
        ("maxCpuSeconds", 5.01, CPU),
        ("maxMemoryMB", 65, MEMORY),
    ],
)
async def test_more_than_the_node_allows_is_refused(made: Made, name: str, value: float, setting: Any) -> None:
    error = await made.refused(**{name: value})
    assert (error.code, error.status, error.details["field"]) == ("VALIDATION_FAILED", 400, setting.name)
    assert f"fazt config set {setting.name}" in str(error.hint)


@pytest.mark.parametrize(
    ("name", "value"), [("maxMemoryMB", 1), ("maxMemoryMB", 31), ("maxCpuSeconds", 0), ("maxExecutionSeconds", 0)]
)
async def test_less_than_any_code_needs_is_refused(made: Made, name: str, value: float) -> None:
    error = await made.refused(**{name: value})
    assert error.code == "VALIDATION_FAILED" and error.details["field"].endswith(name)
    assert "at least" in error.message


async def test_what_the_owner_raised_is_allowed(made: Made) -> None:
    asked = {"limits": {"runtime": {"maxMemoryMB": 128, "maxExecutionSeconds": 30, "maxCpuSeconds": 5}}}
    await made.running.run("config.set", name=MEMORY.name, value="128")
    assert await made.said(asked) == []


async def test_a_refused_deploy_is_none(made: Made) -> None:
    data = json.dumps({"limits": {"runtime": {"maxMemoryMB": 65}}}).encode()
    files = {MAIN: b"main", "app.json": data}
    await deploy(made.running, "other", {"x.json": data, "x.js": b"main"})
    answer = await plan(made.running, "blog", files)
    if answer.status == 200:
        answer = await finish(made.running, "blog", files)
    assert answer.status == 400 and answer.code == "VALIDATION_FAILED"
    assert [app.slug for app in (await made.running.run("apps.list")).items] == ["other"]


@pytest.mark.parametrize("data", [b"[]", b"{", b'{"limits": 3}', b"\xff", b"[" * 60_000])
async def test_an_app_json_of_somebody_else_is_no_error(made: Made, data: bytes) -> None:
    await made.deploy({MAIN: b"main", "app.json": data})
