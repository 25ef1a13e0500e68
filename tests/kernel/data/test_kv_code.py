"""The key-value store as an app's code has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kernel.runtime.live import Live, living

ALL = """
const kv = fazt.app.kv;
const told = (f) => { try { return f() } catch (e) { return e.code } };
module.exports = request => {
  kv.set("a", { n: [1, null] });
  kv.set("__proto__", { polluted: true });
  kv.set("constructor", 1);
  const many = kv.getMany(["a", "__proto__", "constructor", "nothing"]);
  return {
    got: kv.get("a"),
    nothing: kv.get("nothing") === undefined,
    own: Object.keys(many).sort(),
    polluted: ({}).polluted ?? null,
    plain: Object.getPrototypeOf(many) === Object.prototype && Array.isArray(kv.list("a")),
    sums: [kv.incr("n"), kv.incr("n", 2.5), kv.incr("n", -3.5)],
    nan: [told(() => kv.incr("n", NaN)), told(() => kv.incr("n", Infinity)), told(() => kv.incr("a"))],
    cas: [kv.cas("c", undefined, 1), kv.cas("c", null, 2), kv.cas("c", 1, 3), kv.cas("c", true, 4), kv.get("c")],
    bad: [told(() => kv.get("")), told(() => kv.get("a\\0")), told(() => kv.get("x".repeat(513))),
      told(() => kv.set("\\ud800", 1)), told(() => kv.set("s", "\\ud800")), told(() => kv.getMany("a")),
      told(() => kv.set("b", 1n)), told(() => kv.set("b", "x".repeat(1 << 20)))],
    user: told(() => fazt.app.user.kv.incr("n")),
    listed: kv.list("c").map(({ key, value }) => [key, value]),
  };
};
"""
COUNTS = """
const kv = fazt.app.kv;
module.exports = request => {
  const before = kv.get("temp:n") ?? 0;
  kv.set("durable", before);
  return { n: kv.incr("temp:n"), same: kv.get("temp:n") };
};
"""
ATOMIC = """
const kv = fazt.app.kv;
module.exports = request => {
  let turns = 0, now;
  do { now = kv.get("c"); turns++; } while (!kv.cas("c", now, { n: (now?.n ?? 0) + 1 }));
  return { n: kv.incr("n"), c: (now?.n ?? 0) + 1, turns };
};
"""
READS = """
module.exports = request => {
  if (request.query.set) fazt.app.kv.set("k", Number(request.query.set));
  return { k: fazt.app.kv.get("k") ?? null };
};
"""


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with living(tmp_path) as made:
        yield made


async def test_everything_there_is(live: Live) -> None:
    await live.app("all", ALL)
    assert (await live.ask("all")).json == {
        "got": {"n": [1, None]},
        "nothing": True,
        "own": ["__proto__", "a", "constructor"],
        "polluted": None,
        "plain": True,
        "sums": [1, 3.5, 0],
        "nan": ["INVALID_ARGUMENT"] * 3,
        "cas": [True, False, True, False, 3],
        "bad": [*["INVALID_ARGUMENT"] * 7, "LIMIT_EXCEEDED"],
        "user": "LOGIN_REQUIRED",
        "listed": [["c", 3], ["constructor", 1]],
    }


async def test_what_is_in_memory_happens_once_however_often_the_code_is_begun(live: Live) -> None:
    """A request that is tried on the loop and begun anew on a thread counts once."""
    await live.app("counts", COUNTS)
    seen = [(await live.ask("counts")).json for _ in range(12)]
    assert seen == [{"n": n, "same": n} for n in range(1, 13)]
    together = await asyncio.gather(*(live.ask("counts") for _ in range(20)))
    assert sorted(reply.json["n"] for reply in together) == list(range(13, 33))


async def test_many_requests_at_once_lose_nothing(live: Live) -> None:
    await live.app("atomic", ATOMIC)
    replies = [reply.json for reply in await asyncio.gather(*(live.ask("atomic") for _ in range(60)))]
    assert sorted(reply["n"] for reply in replies) == list(range(1, 61))
    assert sorted(reply["c"] for reply in replies) == list(range(1, 61)), "each number is won by one"


async def test_whoever_asks_after_an_answer_sees_what_was_written(live: Live) -> None:
    await live.app("reads", READS)
    for n in range(1, 30):
        if n % 3:
            assert (await live.ask("reads", "GET", f"/api?set={n}")).json == {"k": n}
        else:
            await live.running.run("storage.kv.set", app="reads", key="k", value=n)
        assert [(await live.ask("reads")).json for _ in range(2)] == [{"k": n}] * 2
    await live.running.run("storage.kv.delete", app="reads", key="k")
    assert (await live.ask("reads")).json == {"k": None}
