"""Keys that live in memory only."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.data import kv, kv_temp
from kernel.data.kv_temp import BESIDE, LIFE, Temp
from kernel.syscall import Write

from .test_kv import APP, OTHER, Bench
from .test_kv import bench as bench

UNSET = msgspec.UNSET
MOST = 100


@pytest.fixture
def temp() -> Temp:
    return Temp(ManualClock())


def later(temp: Temp, seconds: float = 600) -> int:
    return temp._clock.now() + round(seconds * 1000)


def check_sums(temp: Temp) -> None:
    shelves = temp._shelves
    for shelf in shelves.values():
        assert shelf.kept
        assert shelf.bytes == sum(kept[2] for kept in shelf.kept.values())
        assert shelf.soonest <= min(kept[1] for kept in shelf.kept.values())
    assert temp.bytes == sum(shelf.bytes for shelf in shelves.values())


# --- what they are to apps --------------------------------------------------------------------------------------------


async def test_what_is_temporary_is_never_in_the_file(bench: Bench) -> None:
    await bench.js("set", "temp:a", {"secret": 1})
    await bench.js("incr", "temp:n")
    await bench.js("cas", "temp:c", None, 1)
    assert bench.count() == (0, 0)
    assert (await bench.js("get", "temp:a"), await bench.js("get", "temp:n")) == ({"secret": 1}, 1)
    assert await bench.keys() == ["temp:a", "temp:c", "temp:n"]


@pytest.mark.parametrize("key", ["temp", "temp;a", "Temp:a", "a/temp:b", " temp:a"])
async def test_only_the_prefix_makes_a_key_temporary(bench: Bench, key: str) -> None:
    await bench.js("set", key, 1)
    assert bench.count() == (1, 1)


async def test_they_end_after_ten_minutes_or_when_it_was_said(bench: Bench) -> None:
    await bench.js("set", "temp:usual", 1)
    await bench.js("set", "temp:short", 1, "5s")
    await bench.js("set", "temp:long", 1, "1h")
    assert (await bench.named("entry", key="temp:usual")).expires_at == bench.clock.now() + LIFE
    bench.clock.advance(5)
    assert await bench.keys() == ["temp:long", "temp:usual"]
    bench.clock.advance(595)
    assert await bench.keys() == ["temp:long"]
    await bench.js("set", "temp:long", 2)
    bench.clock.advance(600)
    assert (await bench.keys(), await bench.js("get", "temp:long")) == ([], UNSET)
    with pytest.raises(FaztError, match="No key"):
        await bench.named("entry", key="temp:long")


async def test_they_can_be_removed(bench: Bench) -> None:
    await bench.js("set", "temp:a", 1)
    assert await bench.js("delete", "temp:a") is None
    assert await bench.js("delete", "temp:a") is None
    assert await bench.js("get", "temp:a") is UNSET


async def test_lists_have_both_kinds_in_the_order_of_their_keys(bench: Bench) -> None:
    stored = ["a", "t", "temp", "temp9", "temp;", "temp\u00e4", "tfoo", "z", *(f"temp:{n}" for n in range(4)), "temp:"]
    for key in stored:
        await bench.js("set", key, key)
    for prefix in ("", "t", "te", "temp", "temp:", "temp:1", "temp;", "a", "x"):
        wanted = sorted(key for key in stored if key.startswith(prefix))
        assert await bench.keys(prefix) == wanted
        for limit in (1, 2, 5):
            seen: list[str] = []
            after: dict[str, str] = {}
            while True:
                page = await bench.js("list", prefix, {"limit": limit, **after})
                assert len(page.items) <= limit
                seen += [entry.key for entry in page.items]
                if page.meta["next"] is None:
                    break
                after = {"after": page.meta["next"]}
            assert seen == wanted


@pytest.mark.parametrize(("app", "user"), [(OTHER, ""), (APP, "usr_1"), (OTHER, "usr_1")])
async def test_they_are_seen_by_nobody_else(bench: Bench, app: str, user: str) -> None:
    await bench.js("set", "temp:a", 1)
    assert await bench.js("get", "temp:a", app=app, user=user) is UNSET
    assert await bench.keys(app=app, user=user) == []
    await bench.js("set", "temp:a", 2, app=app, user=user)
    await bench.js("delete", "temp:a", app=app, user=user)
    assert await bench.js("get", "temp:a") == 1


# --- plans ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sent"),
    [("set", b'["temp:a",2]'), ("delete", b'["temp:a"]'), ("incr", b'["temp:a"]'), ("cas", b'["temp:a",1,2]')],
)
async def test_a_plan_changes_nothing_before_it_is_carried_out(bench: Bench, name: str, sent: bytes) -> None:
    """So that it can be given up and made once more."""
    await bench.js("set", "temp:a", 1)
    plan = bench.node.registry[f"storage.kv.{name}"].javascript(bench.call(), sent)
    assert isinstance(plan, Write)
    assert (plan.steps, plan.known) == ((), UNSET)
    assert await bench.js("get", "temp:a") == 1
    plan.result([])
    assert await bench.js("get", "temp:a") != 1


async def test_beside_what_is_stored_it_happens_after_the_commit_and_only_then(bench: Bench) -> None:
    entry, call = bench.node.registry["storage.kv.incr"], bench.call()
    await bench.js("set", "text", "x")

    def plans(*sent: bytes) -> list[Any]:
        return [entry.javascript(call, one) for one in sent]

    one, two, three = plans(b'["temp:n"]', b'["n"]', b'["temp:n",10]')
    both = one + two + three
    assert both.known is UNSET
    assert await bench.node.driver.settle(entry, call, both, {}) == 1
    assert (await bench.js("get", "n"), await bench.js("get", "temp:n")) == (1, 11)
    one, two = plans(b'["temp:n"]', b'["text"]')
    with pytest.raises(FaztError):
        await bench.node.driver.settle(entry, call, one + two, {})
    assert await bench.js("get", "temp:n") == 11


# --- bounds -----------------------------------------------------------------------------------------------------------


async def test_an_app_has_so_many_and_no_more(bench: Bench) -> None:
    bench.node.settings.apply(kv.MOST_KEYS.name, 2)
    await bench.js("set", "temp:a", 1)
    await bench.js("set", "temp:b", 1, "5s", user="usr_1")
    with pytest.raises(FaztError) as refused:
        await bench.js("set", "temp:c", 1)
    assert refused.value.code == "LIMIT_EXCEEDED"
    await bench.js("set", "temp:a", 2)
    await bench.js("set", "temp:c", 1, app=OTHER)
    await bench.js("set", "durable", 1)
    bench.clock.advance(5)
    await bench.js("set", "temp:c", 1)
    assert await bench.keys() == ["durable", "temp:a", "temp:c"]


def test_an_app_and_a_node_have_so_many_bytes_and_no_more(temp: Temp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv_temp, "MOST_OF_APP", 10_000)
    monkeypatch.setattr(kv_temp, "MOST_OF_NODE", 25_000)
    made: list[str] = []
    for app in "abcd":
        for n in range(20):
            key, text = f"temp:{n}", "x" * 1000
            try:
                temp.check(app, "", key, text, MOST)
            except FaztError as error:
                assert error.code == "LIMIT_EXCEEDED"
                break
            temp.set(app, "", key, text, later(temp), MOST)
            made.append(app)
        check_sums(temp)
    counts = [made.count(app) for app in "abcd"]
    assert counts[0] == counts[1] > counts[2] > counts[3] == 0
    assert temp.bytes <= 25_000
    temp.check("a", "", "temp:1", "y" * 1000, MOST)
    temp.set("a", "", "temp:1", "y" * 1000, later(temp), MOST)
    check_sums(temp)


def test_what_was_agreed_to_has_room_later_and_what_ends_soonest_leaves(
    temp: Temp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is committed already: it cannot be refused any more."""
    monkeypatch.setattr(kv_temp, "MOST_OF_APP", 10 * (BESIDE + 200))
    for n in range(8):
        temp.set("a", "", f"temp:{n}", "1", later(temp, 100 - n), 8)
    temp.set("a", "", "temp:new", "1", later(temp, 1), 8)
    assert [key for key, _, _ in temp.list("a", "", "", "")] == [*(f"temp:{n}" for n in range(7)), "temp:new"]
    check_sums(temp)
    temp.set("a", "", "temp:vast", "x" * 100_000, later(temp), 8)
    assert temp.get("a", "", "temp:vast") is None, "there is no room for it at all"
    check_sums(temp)
    assert temp.bytes == 0


async def test_a_sweep_lets_go_of_what_has_ended(bench: Bench) -> None:
    temp = bench.node.ports.use(Temp)
    for n in range(5):
        await bench.js("set", f"temp:{n}", n, f"{n + 1}s")
    bench.clock.advance(3)
    await bench.node.supervisor.tasks["temporary keys"].work()
    check_sums(temp)
    assert [key for (_, key) in temp._shelves[APP].kept] == ["temp:3", "temp:4"]
    bench.clock.advance(3)
    await bench.node.supervisor.tasks["temporary keys"].work()
    assert (temp._shelves, temp.bytes) == ({}, 0)


def test_an_app_that_is_gone_is_forgotten(temp: Temp) -> None:
    for app in "ab":
        temp.set(app, "usr_1", "temp:k", "1", later(temp), MOST)
    temp.forget("a")
    temp.forget("never")
    assert (temp.get("a", "usr_1", "temp:k"), list(temp._shelves)) == (None, ["b"])
    check_sums(temp)


def test_many_at_once_keep_the_sums_right(temp: Temp) -> None:
    def work(me: int) -> None:
        for n in range(300):
            key = f"temp:{n % 7}"
            temp.set("a", "", key, "x" * (n % 50), later(temp, 1 + n % 3), MOST)
            temp.change("b", "", "temp:n", lambda old: (str(int(old[0] if old else 0) + 1), later(temp)), MOST)
            if n % 5 == me % 5:
                temp.delete("a", "", key)
            if n % 40 == 0:
                asyncio.run(temp.sweep())
            temp.list("a", "", "", "")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    check_sums(temp)
    found = temp.get("b", "", "temp:n")
    assert found
    assert found[0] == "1800"


def test_a_full_app_is_not_looked_through_each_time_it_is_refused(temp: Temp) -> None:
    """Refusing must not cost more than asking: everybody else waits for the same lock."""
    for n in range(10):
        temp.set("a", "", f"temp:{n}", "1", later(temp, 5 + n), 10)
    shelf = temp._shelves["a"]

    class Counted(dict[Any, Any]):
        walks = 0

        def items(self) -> Any:
            Counted.walks += 1
            return super().items()

    shelf.kept = Counted(shelf.kept)
    for _ in range(20):
        with pytest.raises(FaztError):
            temp.check("a", "", "temp:more", "1", 10)
    assert Counted.walks == 0
