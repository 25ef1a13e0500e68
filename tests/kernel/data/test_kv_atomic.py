"""What happens in one statement: counting up, comparing and setting; and several keys at once."""

from __future__ import annotations

import asyncio
import math
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.data import kv
from kernel.data.kv_values import number, same, sum_of
from kernel.storage.sweep import sweep
from kernel.syscall.javascript import descriptor

from .test_kv import APP, OTHER, Bench
from .test_kv import bench as bench

UNSET = msgspec.UNSET
# the same holds for what is in the file and what is in memory
KEYS = pytest.mark.parametrize("key", ["k", "temp:k"])


async def refused(awaitable: Any) -> FaztError:
    with pytest.raises(FaztError) as found:
        await awaitable
    return found.value


async def end_of(bench: Bench, key: str) -> Any:
    return (await bench.named("entry", key=key)).expires_at


# --- incr -------------------------------------------------------------------------------------------------------------


@KEYS
async def test_counting_up_begins_at_zero_and_says_what_it_is_now(bench: Bench, key: str) -> None:
    assert await bench.js("incr", key) == 1
    assert await bench.js("incr", key, 41) == 42
    assert await bench.js("incr", key, -50) == -8
    assert await bench.js("get", key) == -8
    assert await bench.named("incr", key=key, by=8) == 0


SUMS = [
    (None, 1, 1),
    (0, 0, 0),
    (1.5, 1, 2.5),
    (0.1, 0.2, 0.1 + 0.2),
    (2**53 - 1, 1, 2**53),
    (2**53, 1, 2**53),
    (2**53, 2, 2.0**53 + 2),
    (-(2**53) + 1, -1, -(2**53)),
    (2**60, 1, 2.0**60),
    (2**64, 1, 2.0**64),
    (1e308, 7e307, 1.7e308),
    (1.5, -0.5, 1),
    (1e300, -1e300, 0),
    (5e-324, 0, 5e-324),
]


@KEYS
@pytest.mark.parametrize(("before", "by", "after"), SUMS, ids=str)
async def test_sums_are_those_of_javascript_and_whole_while_they_can_be(
    bench: Bench, key: str, before: Any, by: float, after: float
) -> None:
    if before is not None:
        await bench.js("set", key, before)
    assert await bench.js("incr", key, by) == after
    got = await bench.js("get", key)
    assert (got, type(got)) == (after, int if after == int(after) and abs(after) <= 2**53 else float)


@KEYS
@pytest.mark.parametrize("value", [True, False, "1", "", None, [], [1], {}, {"a": 1}], ids=str)
async def test_what_is_not_a_number_is_not_counted_up_and_stays(bench: Bench, key: str, value: Any) -> None:
    await bench.js("set", key, value, "5s")
    end = await end_of(bench, key)
    error = await refused(bench.js("incr", key, 1, "1h"))
    assert (error.code, error.status) == ("INVALID_ARGUMENT", 400)
    assert (await bench.js("get", key), await end_of(bench, key)) == (value, end)


@KEYS
@pytest.mark.parametrize(("before", "by"), [(1.7e308, 1.7e308), (-1.7e308, -1.7e308)])
async def test_a_sum_no_number_can_hold_is_refused(bench: Bench, key: str, before: float, by: float) -> None:
    await bench.js("set", key, before)
    assert (await refused(bench.js("incr", key, by))).code == "INVALID_ARGUMENT"
    assert await bench.js("get", key) == before


@KEYS
@pytest.mark.parametrize("by", ["1", True, [], {}, "x", None])
async def test_one_counts_up_by_numbers_only(bench: Bench, key: str, by: Any) -> None:
    error = await refused(bench.js("incr", key, by))
    assert (error.code, error.details["field"]) == ("INVALID_ARGUMENT", "by")
    assert await bench.js("get", key) is UNSET


@pytest.mark.parametrize("sent", [b'["k",1e400]', b'["k",NaN]', b'["k",-1e999]', b'["k",1', b'["\\ud800"]', b"[1]"])
async def test_numbers_that_are_none_never_reach_the_file(bench: Bench, sent: bytes) -> None:
    with pytest.raises(FaztError) as found:
        bench.node.registry["storage.kv.incr"].javascript(bench.call(), sent)
    assert found.value.code == "INVALID_ARGUMENT"


@KEYS
async def test_the_end_stays_as_it_was_unless_another_is_given(bench: Bench, key: str) -> None:
    start = bench.clock.now()
    await bench.js("set", key, 1, "5s")
    bench.clock.advance(1)
    await bench.js("incr", key)
    assert await end_of(bench, key) == start + 5000
    await bench.js("incr", key, 1, "10s")
    assert await end_of(bench, key) == start + 11_000
    bench.clock.advance(10)
    assert await bench.js("get", key) is UNSET
    assert await bench.js("incr", key, 7) == 7, "what has ended counts as nothing"
    bench.clock.advance(60)
    assert await bench.js("get", key) == 7


async def test_a_number_that_has_ended_begins_anew_without_an_end(bench: Bench) -> None:
    await bench.js("set", "k", "text", "5s")
    bench.clock.advance(5)
    assert await bench.js("incr", "k", 2) == 2
    assert await end_of(bench, "k") is None
    await sweep(bench.node.store, kv.SWEEP, bench.clock.now() + 10**9)
    assert (await bench.js("get", "k"), bench.count()) == (2, (1, 1))


@KEYS
async def test_what_counting_makes_counts_as_a_key(bench: Bench, key: str) -> None:
    bench.node.settings.apply(kv.MOST_KEYS.name, 1)
    await bench.js("incr", key)
    await bench.js("incr", key)
    other = key + "2"
    assert (await refused(bench.js("incr", other))).code == "LIMIT_EXCEEDED"
    assert (await refused(bench.js("cas", other, None, 1))).code == "LIMIT_EXCEEDED"
    assert (await bench.js("get", other), await bench.js("incr", key)) == (UNSET, 3)
    assert await bench.js("incr", other, app=OTHER) == 1
    await bench.js("delete", key)
    assert await bench.js("cas", other, None, 5) is True


# --- cas --------------------------------------------------------------------------------------------------------------

EQUAL = [
    (1, 1.0),
    (0, -0.0),
    (2**53, 2.0**53),
    (2**53 + 1, 2**53),
    (10**400, 10**401),
    ("ä", "ä"),
    ({"a": 1, "b": [True, None]}, {"b": [True, None], "a": 1.0}),
    ([], []),
    (False, False),
]
DIFFERENT = [
    (1, True),
    (0, False),
    (1, "1"),
    (1, 2),
    (0, ""),
    ([], {}),
    ([1], [1, 1]),
    ([1, 2], [2, 1]),
    ({"a": 1}, {"a": True}),
    ({"a": 1}, {"a": 1, "b": None}),
    ({"a": None}, {"b": None}),
    ("é", "e\u0301"),
    ("a", "A"),
    ([[1]], [[True]]),
    (0.1, 0.2),
]


@pytest.mark.parametrize(("one", "other"), EQUAL, ids=lambda value: str(value)[:20])
def test_values_that_are_equal(one: Any, other: Any) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=str)
def test_values_that_are_different(one: Any, other: Any) -> None:
    assert not same(one, other)
    assert not same(other, one)


@KEYS
async def test_a_value_is_set_only_where_the_expected_one_is(bench: Bench, key: str) -> None:
    assert await bench.js("cas", key, 1, 2) is False
    assert await bench.js("get", key) is UNSET
    assert await bench.js("cas", key, None, {"a": 1, "b": 2}) is True
    assert await bench.js("cas", key, None, 0) is False
    assert await bench.js("cas", key, {"a": True, "b": 2}, 0) is False
    assert await bench.js("get", key) == {"a": 1, "b": 2}
    assert await bench.js("cas", key, {"b": 2.0, "a": 1}, None) is True
    assert await bench.js("cas", key, None, "again") is True, "null is as good as nothing"
    assert await bench.named("cas", key=key, expected="again", value=[]) is True
    assert await bench.js("get", key) == []


def test_nothing_may_be_expected_of_what_is_not_there(bench: Bench) -> None:
    """As `get` says it: `kv.cas(key, kv.get(key), value)`."""
    said = descriptor(bench.node.registry["storage.kv.cas"])
    assert (said["nulls"], said["required"]) == ([1], 3)
    assert descriptor(bench.node.registry["storage.kv.set"])["nulls"] == []


@KEYS
async def test_what_has_ended_is_not_there_to_compare(bench: Bench, key: str) -> None:
    await bench.js("set", key, 1, "5s")
    bench.clock.advance(5)
    assert await bench.js("cas", key, 1, 2) is False
    assert await bench.js("cas", key, None, 3, "5s") is True
    bench.clock.advance(4.999)
    assert await bench.js("get", key) == 3
    bench.clock.advance(0.001)
    assert await bench.js("get", key) is UNSET


async def test_a_comparison_sets_the_end_anew(bench: Bench) -> None:
    await bench.js("set", "k", 1, "5s")
    assert await bench.js("cas", "k", 1, 2) is True
    assert await end_of(bench, "k") is None


@KEYS
async def test_nobody_else_is_counted_or_compared(bench: Bench, key: str) -> None:
    await bench.js("set", key, 5)
    for app, user in ((OTHER, ""), (APP, "usr_1")):
        assert await bench.js("cas", key, 5, 6, app=app, user=user) is False
        assert await bench.js("incr", key, app=app, user=user) == 1
        assert await bench.js("getMany", [key], app=app, user=user) == {key: 1}
    assert await bench.js("get", key) == 5


@KEYS
async def test_a_value_too_large_is_refused(bench: Bench, key: str) -> None:
    bench.node.settings.apply(kv.MOST_BYTES.name, 100)
    assert (await refused(bench.js("cas", key, None, "x" * 99))).code == "LIMIT_EXCEEDED"
    assert (await refused(bench.js("set", key, "x" * 99))).code == "LIMIT_EXCEEDED"
    assert await bench.js("get", key) is UNSET


# --- many at once -----------------------------------------------------------------------------------------------------


def blocking(bench: Bench, name: str, *arguments: Any) -> Any:
    """As an app's thread does it."""
    store, entry = bench.node.store, bench.node.registry[f"storage.kv.{name}"]
    plan = entry.javascript(bench.call(), msgspec.json.encode(arguments))
    return plan.result(store.write_blocking(plan.steps) if plan.steps else [])


@KEYS
def test_eight_that_count_at_once_lose_nothing(bench: Bench, key: str) -> None:
    def count(_: int) -> list[Any]:
        return [blocking(bench, "incr", key) for _ in range(60)]

    with ThreadPoolExecutor(8) as pool:
        said = [n for numbers in pool.map(count, range(8)) for n in numbers]
    assert sorted(said) == list(range(1, 481))
    assert asyncio.run(bench.js("get", key)) == 480


@KEYS
def test_eight_that_compare_at_once_each_win_what_nobody_else_does(bench: Bench, key: str) -> None:
    def count(me: int) -> int:
        won = 0
        for _ in range(60):
            found = bench.node.registry["storage.kv.get"].javascript(bench.call(), msgspec.json.encode([key]))
            now = None if found is UNSET else msgspec.json.decode(found)
            won += blocking(bench, "cas", key, now, {"n": (now or {"n": 0})["n"] + 1, "by": me})
        return won

    with ThreadPoolExecutor(8) as pool:
        won = sum(pool.map(count, range(8)))
    assert asyncio.run(bench.js("get", key))["n"] == won > 0


async def test_a_batch_with_a_sum_that_fails_changes_nothing(bench: Bench) -> None:
    await bench.js("set", "text", "x")
    entry, call = bench.node.registry["storage.kv.incr"], bench.call()
    good, bad = entry.javascript(call, b'["n"]'), entry.javascript(call, b'["text"]')
    with pytest.raises(FaztError) as found:
        await bench.node.driver.settle(entry, call, good + bad, {})
    assert found.value.code == "INVALID_ARGUMENT"
    assert (await bench.keys(), bench.count()) == (["text"], (1, 1))


@pytest.mark.parametrize("seed", range(4))
async def test_any_sequence_is_what_a_dictionary_says(bench: Bench, seed: int) -> None:
    """Values, ends and counts beside a model, in the file and in memory alike."""
    random_, model = random.Random(seed), dict[str, tuple[Any, float]]()
    names = ["a", "b", "temp:a", "temp:b"]
    values = [0, 1, 2.5, True, "1", None, [1], {"a": [1, {"b": None}]}]
    for _ in range(250):
        key, now = random_.choice(names), bench.clock.now()
        there = model.get(key)
        old = there[0] if there and there[1] > now else None
        gone = there is None or there[1] <= now
        ttl = random_.choice([None, 3000, 9000])
        forever = now + 600_000 if key.startswith("temp:") else math.inf
        end = now + ttl if ttl else forever
        match random_.randrange(7):
            case 0:
                value = random_.choice(values)
                await bench.js("set", key, value, ttl)
                model[key] = (value, end)
            case 1:
                await bench.js("delete", key)
                model.pop(key, None)
            case 2:
                expected, value = random_.choice([*values, old, old]), random_.choice(values)
                done = same(old, expected)
                assert await bench.js("cas", key, expected, value, ttl) is done
                if done:
                    model[key] = (value, end)
            case 3:
                by = random_.choice([1, -2, 0.5])
                if gone or type(old) in (int, float):
                    total = number((old or 0) + by)
                    assert await bench.js("incr", key, by, ttl) == total
                    assert gone or there
                    model[key] = (total, end if ttl or gone or not there else there[1])
                else:
                    assert (await refused(bench.js("incr", key, by, ttl))).code == "INVALID_ARGUMENT"
            case 4:
                bench.clock.advance(random_.choice([0.5, 2]))
            case 5:
                await sweep(bench.node.store, kv.SWEEP, now)
            case _:
                alive = {name: value for name, (value, end) in model.items() if end > now}
                assert await bench.js("getMany", names) == alive
                assert [(e.key, e.value) for e in (await bench.js("list")).items] == sorted(alive.items())
                assert await bench.js("get", key) == alive.get(key, UNSET)
    rows, counted = bench.count()
    assert rows == counted


# --- several keys -----------------------------------------------------------------------------------------------------


async def test_of_several_keys_those_that_are_there_are_given(bench: Bench) -> None:
    for key in ("a", "b", "temp:c", "__proto__", "constructor"):
        await bench.js("set", key, key)
    await bench.js("set", "ended", 1, "1s")
    await bench.js("set", "null", None)
    bench.clock.advance(1)
    asked = ["a", "temp:c", "nothing", "temp:nothing", "ended", "null", "__proto__", "a"]
    assert await bench.js("getMany", asked) == {"a": "a", "temp:c": "temp:c", "null": None, "__proto__": "__proto__"}
    assert await bench.js("getMany", []) == {}


@pytest.mark.parametrize("keys", ["a", None, {}, [1], [""], ["x" * 513], ["a\x00"], [["a"]], ["k"] * 1001], ids=ascii)
async def test_what_is_no_list_of_keys_is_refused(bench: Bench, keys: Any) -> None:
    assert (await refused(bench.js("getMany", keys))).code == "INVALID_ARGUMENT"


async def test_a_thousand_keys_at_once_are_fine(bench: Bench) -> None:
    await asyncio.gather(*(bench.js("set", f"k{n}", n) for n in range(1000)))
    assert await bench.js("getMany", [f"k{n}" for n in range(1000)]) == {f"k{n}": n for n in range(1000)}


async def test_values_of_many_megabytes_come_in_several_pages(bench: Bench) -> None:
    """Neither an answer without bound nor an end that is not one."""
    texts = {f"k{n:02}": chr(97 + n % 26) * 1_000_000 for n in range(32)}
    for key, text in texts.items():
        await bench.js("set", key, text)
    seen: dict[str, str] = {}
    pages, after = 0, dict[str, str]()
    while True:
        page = await bench.js("list", "", {"limit": 1000, **after})
        assert sum(len(item.value) for item in page.items) <= 16 << 20
        seen |= {item.key: item.value for item in page.items}
        pages += 1
        if page.meta["next"] is None:
            break
        after = {"after": page.meta["next"]}
    assert (pages, seen) == (3, texts)
    assert (await refused(bench.js("getMany", list(texts)))).code == "LIMIT_EXCEEDED"


async def test_a_value_larger_than_a_page_is_a_page_of_its_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv, "MOST_OF_PAGE", 1000)
    for key, size in (("a", 10), ("b", 5000), ("c", 5000), ("d", 10), ("temp:e", 5000), ("temp:f", 10)):
        await bench.js("set", key, "x" * size)
    pages, after = [], None
    while True:
        page = await bench.js("list", "", {"after": after} if after else {})
        pages.append([item.key for item in page.items])
        after = page.meta["next"]
        if after is None:
            break
    assert pages == [["a"], ["b"], ["c"], ["d"], ["temp:e"], ["temp:f"]]


async def test_a_list_is_longer_for_code_than_for_people(bench: Bench) -> None:
    await asyncio.gather(*(bench.js("set", f"k{n:04}", n) for n in range(1005)))
    assert len((await bench.js("list")).items) == 1000
    assert len((await bench.named("list")).items) == 100


# --- sums and texts by themselves -------------------------------------------------------------------------------------


def test_sums_of_texts() -> None:
    assert sum_of("1", 2) == "3"
    assert sum_of(to_text(2**53), -1) == to_text(2**53 - 1)
    assert sum_of("1" + "0" * 30, 0) == "1e30"
    with pytest.raises(FaztError):
        sum_of("1" + "0" * 400, 0)
