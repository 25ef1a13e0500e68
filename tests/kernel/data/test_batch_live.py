"""Batches from an app's code, in the real engine and from several instances at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.kernel.runtime.live import Live, living

CODE = """
const { storage, app } = fazt;
const answers = {
  mixed: () => storage.batch([
    ["kv.set", "k", { a: 1 }], ["ds.insert", "birds", { id: "wren", n: 1 }], ["ds.update", "birds", "wren", { n: 2 }],
    ["s3.put", "b", new Uint8Array([0, 255, 1]), "image/x"], ["s3.put", "t", "text"], ["kv.incr", "n", 5],
  ]).map((answer) => answer === null ? null : typeof answer),
  bytes: () => [...new Uint8Array(storage.s3.get("b").data)],
  quiet: () => storage.batch([["kv.set", "q", 1], ["kv.delete", "q"], ["kv.set", "q", 2]]),
  read: () => [storage.kv.get("q"), storage.ds.findOne("birds", "wren").n],
  once: () => storage.batch([["kv.incr", "once"]], { once: "job" }),
  count: () => storage.batch([["kv.incr", "a"], ["ds.update", "birds", "wren", { $inc: { n: 1 } }], ["kv.incr", "b"]]),
  counted: () => [storage.kv.get("a"), storage.kv.get("b"), storage.kv.get("once"), storage.ds.get("birds", "wren").n],
  wrong: () => {
    try { storage.batch([["kv.set", "w", 1], ["kv.incr", "k"]]); } catch (error) {
      return [error.name, error.code, error.message.slice(0, 14), error.details, storage.kv.get("w") ?? null];
    }
  },
  large: () => {
    try { storage.batch([["kv.set", "w", 1], ["s3.put", "large", new Uint8Array((1 << 20) + 1)]]); } catch (error) {
      return [error.code, error.message, storage.kv.get("w") ?? null];
    }
  },
  fits: () => storage.batch([["s3.put", "fits", new Uint8Array(1 << 20)]])[0].size,
  mine: () => {
    try { return storage.batch([["user.kv.set", "k", 1]]); } catch (error) { return [error.code, error.message]; }
  },
};
module.exports = { fetch: (request) => Response.json(answers[new URL(request.url).pathname.slice(5)]()) };
"""


@pytest_asyncio.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with living(tmp_path) as made:
        await made.app("web", CODE, "module")
        yield made


async def ask(live: Live, what: str) -> Any:
    reply = await live.ask("web", "GET", f"/api/{what}")
    assert reply.status == 200, reply.body
    return reply.json


async def test_batches_from_code(live: Live) -> None:
    assert await ask(live, "mixed") == [None, "string", "number", "object", "object", "number"]
    assert await ask(live, "bytes") == [0, 255, 1]
    assert await ask(live, "quiet") == [None] * 3
    assert await ask(live, "read") == [2, 2]
    assert [await ask(live, "once") for _ in range(3)] == [[1], None, None]
    assert await ask(live, "wrong") == ["TypeError", "INVALID_ARGUMENT", "operations[1]:", {"operation": 1}, None]
    code, message = await ask(live, "mine")
    assert code == "LOGIN_REQUIRED" and message == "operations[0]: fazt.app.user.kv.set requires login"


async def test_bytes_that_are_too_many_for_a_batch_say_so(live: Live) -> None:
    told = "operations[1]: s3.put: more than 1MB cannot be part of a batch."
    assert await ask(live, "large") == ["LIMIT_EXCEEDED", told, None]
    assert await ask(live, "fits") == 1 << 20


async def test_many_at_once_lose_nothing(live: Live) -> None:
    await ask(live, "mixed")
    done = await asyncio.gather(*[ask(live, what) for _ in range(40) for what in ("count", "once")])
    assert sum(answer == [1] for answer in done[1::2]) == 1 and done[1::2].count(None) == 39
    assert sorted(answer[0] for answer in done[0::2]) == list(range(1, 41))
    assert await ask(live, "counted") == [40, 40, 1, 42]
