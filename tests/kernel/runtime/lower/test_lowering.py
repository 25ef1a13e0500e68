"""The process that lowers code, and what is kept of its work."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.runtime.lower import compiler as compiling
from kernel.runtime.lower import lowering as lowering_module
from kernel.runtime.lower.compiler import IDLE_SECONDS, PATIENCE_SECONDS, Compiler
from kernel.runtime.lower.lowered import Lowered
from kernel.runtime.lower.lowering import (
    DAY,
    KEPT,
    LOWERED,
    MIGRATIONS,
    MOST_BYTES,
    NOTHING,
    ONE,
    REFUSED_SECONDS,
    UNUSED,
    Beside,
    Lowering,
    _key,
    beside,
    can_lower,
)
from kernel.storage.store import Store
from kernel.storage.sweep import sweep

CODE = b"export const a: number = 1"
CHILD = """
import json, os, struct, sys
def say(text):
    data = text.encode()
    sys.stdout.buffer.write(struct.pack(">I", len(data)) + data)
    sys.stdout.buffer.flush()
def hear():
    return json.loads(sys.stdin.buffer.read(struct.unpack(">I", sys.stdin.buffer.read(4))[0]))
GOOD = json.dumps({"style": "script", "async": False})
say('{"ready": true}')
asked = hear()
"""


@pytest.fixture
def store(tmp_path: Path) -> Any:
    made = Store(tmp_path / "data.db", tables=(LOWERED,), migrations=MIGRATIONS, clock=ManualClock())
    yield made
    made.close()


@pytest.fixture
async def lowering(store: Store) -> AsyncIterator[Lowering]:
    made = Lowering(store)
    yield made
    await made.close()


def played(store: Store, script: str) -> Lowering:
    """A compiler that does what the test says."""
    return Lowering(store, compiler=Compiler(clock(store), [sys.executable, "-I", "-S", "-c", CHILD + script]))


def clock(store: Store) -> ManualClock:
    assert isinstance(store.clock, ManualClock)
    return store.clock


def of(lowering: Lowering, path: str, content: bytes = CODE, more: Beside | None = None) -> Awaitable[Lowered]:
    return lowering.of(path, hashlib.sha256(content).digest(), content, more or Beside())


def kept(store: Store, path: str, content: bytes = CODE, more: Beside = NOTHING) -> bool:
    return bool(store.rows(ONE, key=_key(path, hashlib.sha256(content).digest(), more)))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def seen_by(pid: int) -> tuple[bytes, str, list[str]]:
    folder = f"/proc/{pid}/cwd"
    return Path(f"/proc/{pid}/environ").read_bytes(), os.readlink(folder), os.listdir(folder)


async def until(true: Callable[[], object]) -> None:
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


# --- what is kept


async def test_what_was_lowered_once_is_never_lowered_again(store: Store, lowering: Lowering) -> None:
    made = await of(lowering, "api/a.ts")
    assert b"exports.a = 1" in made.code
    again = Lowering(store, compiler=Compiler(command=["/nowhere"]))
    assert await of(again, "api/a.ts") == made
    assert await of(again, "lib/moved.mts") == made
    assert again.compiler.started == 0


async def test_what_was_kept_is_opened_aside(store: Store, lowering: Lowering, monkeypatch: pytest.MonkeyPatch) -> None:
    where, real = [], lowering_module._opened

    def opened(*of_row: Any) -> Lowered:
        where.append(threading.current_thread())
        return real(*of_row)

    monkeypatch.setattr(lowering_module, "_opened", opened)
    made = await of(lowering, "api/a.ts")
    assert await of(lowering, "api/a.ts") == made
    assert len(where) == 1 and where[0] is not threading.current_thread()


async def test_what_decides_how_it_is_lowered_is_part_of_the_key(store: Store, lowering: Lowering) -> None:
    assert not kept(store, "api/a.ts")
    await of(lowering, "api/a.ts")
    assert kept(store, "api/a.ts")
    assert not kept(store, "api/a.tsx")
    assert not kept(store, "api/a.ts", more=Beside(map=b"{}"))
    assert not kept(store, "api/a.ts", more=Beside(tsconfig=b"{}"))
    assert not kept(store, "api/a.ts", b"other")


async def test_problems_are_kept_and_named_after_the_file_that_was_asked_for(store: Store, lowering: Lowering) -> None:
    first = await of(lowering, "api/a.ts", b"\n )")
    assert [(found.path, found.line, found.column) for found in first.problems] == [("api/a.ts", 2, 2)]
    again = Lowering(store, compiler=Compiler(command=["/nowhere"]))
    assert (await of(again, "api/b.ts", b"\n )")).problems[0].path == "api/b.ts"


async def test_what_nobody_uses_any_more_goes(store: Store, lowering: Lowering) -> None:
    await of(lowering, "api/a.ts")
    await of(lowering, "api/b.json", b"1")
    clock(store).advance(2 * DAY / 1000)
    await of(lowering, "api/a.ts")
    clock(store).advance((KEPT - DAY) / 1000)
    await sweep(store, UNUSED, clock(store).now())
    assert kept(store, "api/a.ts")
    assert not kept(store, "api/b.json", b"1")


async def test_several_who_want_the_same_file_get_one_work(lowering: Lowering) -> None:
    made = await asyncio.gather(*(of(lowering, f"api/{n}.ts") for n in range(5)))
    assert len({one.code for one in made}) == 1
    assert lowering.compiler._served == 1


async def test_whoever_leaves_does_not_take_the_work_along(lowering: Lowering) -> None:
    leaving = asyncio.ensure_future(of(lowering, "api/a.ts"))
    staying = asyncio.ensure_future(of(lowering, "api/a.ts"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert b"exports.a = 1" in (await staying).code


# --- content


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        (b"a()\n// \xff", 2, 4, "is not UTF-8 text"),
        ("\u00e4\u00f6".encode() + b"\xc3", 1, 3, "is not UTF-8 text"),
        (b"\xff\xfea\0", 1, 1, "is not UTF-8 text"),
        (b"(" * MOST_BYTES, 1, 1, "nested too deep to be understood"),
        (b"\0", 1, 1, "Invalid character."),
    ],
)
async def test_content_that_is_no_code_has_a_problem(
    lowering: Lowering, content: bytes, line: int, column: int, message: str
) -> None:
    first = (await of(lowering, "api/a.js", content)).problems[0]
    assert (first.line, first.column, first.message) == (line, column, message)


async def test_a_file_may_begin_with_what_editors_and_shells_put_there(lowering: Lowering) -> None:
    assert (await of(lowering, "a.js", b"\xef\xbb\xbfrespond(1)")).code == b"respond(1)"
    assert (await of(lowering, "b.js", b"#!/usr/bin/env node\nrespond(1)")).code == b"///usr/bin/env node\nrespond(1)"
    assert (await of(lowering, "c.json", b"\xef\xbb\xbf1")).problems == []


async def test_a_file_that_is_too_large_is_refused_before_anybody_reads_it(store: Store) -> None:
    lowering = Lowering(store, compiler=Compiler(command=["/nowhere"]))
    with pytest.raises(FaztError, match="larger than 1 MiB") as refused:
        await of(lowering, "api/a.js", b"x" * (10 << 20))
    assert refused.value.code == "LIMIT_EXCEEDED"


async def test_what_is_no_code_is_not_lowered(lowering: Lowering) -> None:
    assert [can_lower(path) for path in ("a.ts", "a.cjs", "a.json", "a.md", "a", ".ts", "a.TS")] == [
        True, True, True, False, False, False, False
    ]  # fmt: skip
    with pytest.raises(FaztError, match="is no code"):
        await of(lowering, "a.md")


def test_what_lies_beside_a_file() -> None:
    assert beside("api/main.js") == ("api/main.js.map", "api/tsconfig.json", "tsconfig.json")


# --- the process


async def test_the_process_sees_nothing_of_ours(lowering: Lowering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_NODE", "x")
    await lowering.warm()
    pid = lowering.compiler.pid
    assert pid
    environment, folder, files = seen_by(pid)
    assert (environment, files) == (b"", [])
    # a node that is killed leaves nothing behind
    assert folder.endswith(" (deleted)")
    await lowering.close()
    assert not alive(pid)


async def test_a_process_without_work_ends(store: Store, lowering: Lowering) -> None:
    await of(lowering, "api/a.ts")
    pid = lowering.compiler.pid
    assert pid
    await until(lambda: clock(store).sleepers)
    clock(store).advance(IDLE_SECONDS - 1)
    await of(lowering, "api/b.ts", b"export {}")
    assert lowering.compiler.pid == pid
    while lowering.compiler.pid:
        clock(store).advance(IDLE_SECONDS)
        await asyncio.sleep(0)
    await until(lambda: not alive(pid))
    assert (await of(lowering, "api/c.ts", b"export let c")).problems == []
    assert lowering.compiler.started == 2


async def test_a_process_that_was_killed_is_replaced(lowering: Lowering) -> None:
    await lowering.warm()
    process = lowering.compiler._process
    assert process
    process.kill()
    await process.wait()
    assert (await of(lowering, "api/a.ts")).problems == []
    assert lowering.compiler.started == 2


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("os._exit(3)", "the compiler ended"),
        ("os.kill(os.getpid(), 11)", "the compiler ended"),
        ("say('nonsense')", "the compiler spoke nonsense"),
        ("say('[]')", "the compiler spoke nonsense"),
        ("say(json.dumps({'style': 'other', 'async': False}))", "the compiler spoke nonsense"),
        ("say(json.dumps({'style': 'script', 'async': False, 'code': 5}))", "the compiler spoke nonsense"),
        ("sys.stdout.buffer.write(b'\\xff' * 8); sys.stdout.flush(); hear()", "the compiler spoke nonsense"),
        ("sys.stdout.buffer.write(b'\\0\\0'); sys.stdout.flush()", "the compiler ended"),
    ],
)
async def test_a_process_that_fails_is_an_error_that_names_the_file(store: Store, script: str, message: str) -> None:
    lowering = played(store, script)
    with pytest.raises(FaztError, match=f"api/a.ts cannot be compiled: {message}") as refused:
        await of(lowering, "api/a.ts")
    assert refused.value.code == "LIMIT_EXCEEDED"
    assert lowering.compiler.pid is None
    await lowering.close()


async def test_a_process_that_never_starts_is_an_error(store: Store) -> None:
    lowering = Lowering(store, compiler=Compiler(clock(store), [sys.executable, "-I", "-S", "-c", "1"]))
    await lowering.warm()
    with pytest.raises(FaztError, match="the compiler ended"):
        await of(lowering, "api/a.ts")
    await lowering.close()


async def test_a_process_that_takes_too_long_is_killed(store: Store) -> None:
    lowering = played(store, "hear()")
    working = asyncio.ensure_future(of(lowering, "api/a.ts"))
    await until(lambda: lowering.compiler._served)
    pid = lowering.compiler.pid
    assert pid
    while not working.done():
        clock(store).advance(PATIENCE_SECONDS)
        await asyncio.sleep(0)
    with pytest.raises(FaztError, match="takes longer than 10 s"):
        await working
    assert not alive(pid)
    await lowering.close()


async def test_a_file_that_could_not_be_compiled_is_not_tried_at_every_request(store: Store) -> None:
    lowering = played(store, "os._exit(3)")
    for _ in range(3):
        with pytest.raises(FaztError, match="the compiler ended"):
            await of(lowering, "api/a.ts")
    assert lowering.compiler.started == 1
    clock(store).advance(REFUSED_SECONDS + 1)
    with pytest.raises(FaztError):
        await of(lowering, "api/a.ts")
    assert lowering.compiler.started == 2
    await lowering.close()


async def test_a_worn_out_process_gets_no_second_file(store: Store) -> None:
    lowering = played(store, "say(json.dumps({'style': 'script', 'async': False, 'last': True}))")
    assert (await of(lowering, "api/a.js", b"a")).code == b"a"
    assert lowering.compiler.pid is None
    await lowering.close()


async def test_a_map_that_is_none_is_left_out(store: Store) -> None:
    lowering = played(store, "say(json.dumps({'style': 'script', 'async': False, 'positions': 'xyz'}))")
    assert (await of(lowering, "api/a.js", b"a")).positions == b""
    await lowering.close()


async def test_too_many_who_wait_are_sent_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "MOST_WAITING", 2)
    lowering = played(store, "hear()")
    waiting = [asyncio.ensure_future(of(lowering, "api/a.ts", b"%d" % n)) for n in range(3)]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert [type(one.exception()) for one in done] == [FaztError]
    error = next(iter(done)).exception()
    assert isinstance(error, FaztError) and error.code == "SERVICE_UNAVAILABLE"
    for one in waiting:
        one.cancel()
    for making in list(lowering._making.values()):
        making.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await lowering.close()


async def test_nothing_starts_after_the_end(lowering: Lowering) -> None:
    await lowering.close()
    with pytest.raises(FaztError, match="the node stops"):
        await of(lowering, "api/a.ts")
    assert lowering.compiler.started == 0


async def test_the_end_does_not_wait_for_a_file(store: Store) -> None:
    lowering = played(store, "hear()")
    working = asyncio.ensure_future(of(lowering, "api/a.ts"))
    await until(lambda: lowering.compiler._served)
    await lowering.close()
    with pytest.raises(FaztError, match="the compiler ended"):
        await working
