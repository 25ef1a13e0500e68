"""Several writes as one."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fazt.boot import PARTS, Node
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.data import once
from kernel.data.batch import MOST_BYTES, MOST_OPERATIONS
from kernel.storage.sweep import sweep
from kernel.syscall import Write
from kernel.syscall.call import LOCAL
from tests.kernel.data import batch_parts

APP, OTHER = "app_aaaaaaaaaaaa", "app_bbbbbbbbbbbb"
GRANTS = frozenset({"storage:kv", "storage:ds", "storage:s3", "storage:test"})
FULL = ["test.once", "taken"]


class Bench:
    def __init__(self, node: Node, clock: ManualClock) -> None:
        self.node, self.clock = node, clock

    def plan(self, operations: Any, *options: Any, app: str = APP, **how: Any) -> Any:
        call = self.node.driver.call(
            LOCAL, "js", app=app, grants=how.get("grants", GRANTS), person=how.get("person", "")
        )
        arguments = msgspec.json.encode([operations, *options])
        return self.node.registry["storage.batch"].javascript(call, arguments, how.get("beside")), call

    async def js(self, operations: Any, *options: Any, **how: Any) -> Any:
        plan, call = self.plan(operations, *options, **how)
        return await self.node.driver.settle(self.node.registry["storage.batch"], call, plan, {})

    async def named(self, operations: Any, *, who: Any = LOCAL, app: str = APP, **values: Any) -> Any:
        entry = self.node.registry["storage.batch"]
        call = self.node.driver.call(who, "http", app=app)
        return await self.node.driver.invoke(entry, call, {"operations": operations, **values})

    async def single(self, name: str, *arguments: Any, app: str = APP) -> Any:
        entry = self.node.registry[f"storage.{name}"]
        call = self.node.driver.call(LOCAL, "js", app=app, grants=GRANTS)
        result = entry.javascript(call, msgspec.json.encode(arguments))
        answer = await self.node.driver.settle(entry, call, result, {})
        return None if entry.declared.quiet or answer is msgspec.UNSET else answer

    def rows(self, app: str = APP) -> dict[tuple[str, str], str]:
        found = self.node.store.reader().execute("select user_id, key, value from app_kv where app_id = ?", (app,))
        return {(user, key): value for user, key, value in found}

    def counted(self, app: str = APP) -> int:
        return self.node.store.usage(app).get("app_kv", 0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = ManualClock()
    node = Node(tmp_path / "data.db", clock=clock, parts=(*PARTS, batch_parts))
    yield Bench(node, clock)
    node.close()


async def refused(work: Any) -> FaztError:
    with pytest.raises(FaztError) as told:
        await work
    return told.value


# --- one for all ------------------------------------------------------------------------------------------------------


async def test_all_of_them_happen_and_answer_in_order(bench: Bench) -> None:
    answers = await bench.js([["kv.set", "a", 1], ["test.once", "b"], ["kv.delete", "a"], ["test.all", "c", "d"]])
    assert answers == [None, 1, None, ["c", "d"]]
    assert bench.rows() == {("", "b"): '"first"', ("", "c"): "1", ("", "d"): "1"}
    assert bench.counted() == 3


async def test_nothing_is_a_batch_too(bench: Bench) -> None:
    assert await bench.js([]) == [] == await bench.named([])


async def test_later_ones_see_what_earlier_ones_did(bench: Bench) -> None:
    answers = await bench.js([["kv.set", "k", 1], ["kv.set", "k", 2], ["kv.delete", "k"], ["test.once", "k"]])
    assert answers == [None, None, None, 1]
    assert bench.rows() == {("", "k"): '"first"'} and bench.counted() == 1


@pytest.mark.parametrize("place", range(4))
async def test_one_that_fails_leaves_nothing_wherever_it_stands(bench: Bench, place: int) -> None:
    await bench.js([["kv.set", "taken", 0]])
    before = bench.rows()
    operations: list[Any] = [["kv.set", "a", 1], ["kv.delete", "taken"], ["kv.set", "b", 2]]
    if place > 1:
        operations[1] = ["kv.set", "c", 3]
    operations.insert(place, FULL)
    error = await refused(bench.js(operations))
    assert (error.code, error.message) == ("CONFLICT", f"operations[{place}]: taken is taken.")
    assert (error.hint, error.details) == ("Take another.", {"key": "taken", "operation": place})
    assert bench.rows() == before and bench.counted() == 1


async def test_a_batch_fails_alone_in_its_group(bench: Bench) -> None:
    await bench.js([FULL])
    good = [bench.js([["kv.set", f"k{n}", n], ["kv.set", f"l{n}", n]]) for n in range(20)]
    bad = [bench.js([["kv.set", f"no{n}", n], FULL]) for n in range(20)]
    told = await asyncio.gather(
        *[work for pair in zip(good, bad, strict=True) for work in pair], return_exceptions=True
    )
    assert [isinstance(answer, FaztError) for answer in told] == [False, True] * 20
    assert len(bench.rows()) == 41 and not any(key.startswith("no") for _, key in bench.rows())


async def test_random_batches_do_what_single_calls_do(bench: Bench) -> None:
    picked = random.Random(7)
    for _ in range(150):
        operations = [_some(picked) for _ in range(picked.randrange(1, 8))]
        expected: list[Any] = []
        before = bench.rows(OTHER)
        try:
            expected = [await bench.single(*operation, app=OTHER) for operation in operations]
        except FaztError as error:
            with pytest.raises(FaztError) as told:
                await bench.js(operations)
            assert told.value.code == error.code
            # the single calls before it stay: put them away
            for name, value in before.items():
                await bench.single("kv.set", name[1], msgspec.json.decode(value), app=OTHER)
            for name in bench.rows(OTHER).keys() - before.keys():
                await bench.single("kv.delete", name[1], app=OTHER)
        else:
            assert msgspec.to_builtins(await bench.js(operations)) == msgspec.to_builtins(expected)
        assert bench.rows() == bench.rows(OTHER) and bench.counted() == bench.counted(OTHER) == len(bench.rows())


def _some(picked: random.Random) -> list[Any]:
    key = picked.choice("abcde")
    value = picked.choice([None, 1, -0.5, 2**60, "é", [1, {"a": []}]])
    return picked.choice(
        [
            ["kv.set", key, value],
            ["kv.set", key, value, 500_000],
            ["kv.delete", key],
            ["test.once", key, {"loud": True}],
        ]
    )


# --- what may be in it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (["kv.get", "k"], "INVALID_ARGUMENT"),
        (["storage.kv.set", "k", 1], "INVALID_ARGUMENT"),
        (["batch", []], "INVALID_ARGUMENT"),
        (["test.read"], "INVALID_ARGUMENT"),
        (["test.audited"], "INVALID_ARGUMENT"),
        (["test.outside"], "INVALID_ARGUMENT"),
        (["user.test.once", "k"], "INVALID_ARGUMENT"),
        (["user.user.test.put", "k"], "INVALID_ARGUMENT"),
        (["user.test.put", 0, "k"], "LOGIN_REQUIRED"),
        (["__proto__"], "INVALID_ARGUMENT"),
        ([""], "INVALID_ARGUMENT"),
        (["kv.set", "k"], "INVALID_ARGUMENT"),
        (["kv.set", "", 1], "INVALID_ARGUMENT"),
        (["kv.set", "k", 1, "soon"], "INVALID_ARGUMENT"),
        (["test.once", "k", {"louder": True}], "INVALID_ARGUMENT"),
        (["test.put", 1, "k"], "INVALID_ARGUMENT"),
        (["test.put", -1, "k"], "INVALID_ARGUMENT"),
        (["test.put", True, "k"], "INVALID_ARGUMENT"),
        (["test.put", 2**63, "k"], "INVALID_ARGUMENT"),
        (["test.put", 0.5, "k"], "INVALID_ARGUMENT"),
        (["test.put"], "INVALID_ARGUMENT"),
    ],
)
async def test_what_cannot_be_part_of_a_batch_is_named_by_its_place(bench: Bench, operation: Any, code: str) -> None:
    error = await refused(bench.js([["kv.set", "a", 1], operation]))
    assert error.code == code and error.message.startswith("operations[1]: ") and error.details["operation"] == 1
    assert bench.rows() == {}


@pytest.mark.parametrize("operations", [None, {}, "kv.set", [1], [[]], [[1]], [["kv.set", "a", 1], {"0": "kv.set"}]])
async def test_what_is_no_list_of_operations(bench: Bench, operations: Any) -> None:
    for work in (bench.js(operations), bench.named(operations)):
        error = await refused(work)
        assert error.code in ("INVALID_ARGUMENT", "VALIDATION_FAILED") and "operations" in error.message


async def test_an_app_needs_the_permission_of_each(bench: Bench) -> None:
    error = await refused(bench.js([["kv.set", "a", 1], FULL], grants=frozenset({"storage:kv"})))
    assert (error.code, error.details) == ("PERMISSION_DENIED", {"operation": 1}) and bench.rows() == {}


async def test_a_person_needs_the_role_of_each(bench: Bench) -> None:
    assert await bench.named([["test.owner"]]) == [None]
    error = await refused(bench.named([["kv.set", "a", 1], ["test.owner"]], who=replace(LOCAL, role="admin")))
    assert (error.code, error.details["operation"]) == ("FORBIDDEN", 1)


async def test_there_is_a_limit_to_how_many_and_how_large(bench: Bench) -> None:
    many = [["kv.set", "k", n] for n in range(MOST_OPERATIONS)]
    assert await bench.js(many) == [None] * MOST_OPERATIONS
    assert (await refused(bench.js([*many, ["kv.delete", "k"]]))).code == "INVALID_ARGUMENT"
    half = bytes(MOST_BYTES // 2)
    assert (await bench.js([["test.put", len(half), "a"]], beside=half))[0].size == len(half)
    large = [["test.put", len(half), "a"], ["test.put", len(half), "b"]]
    assert (await refused(bench.js(large, beside=half * 2))).code == "LIMIT_EXCEEDED"


async def test_what_is_as_deep_as_a_single_call_takes_it(bench: Bench) -> None:
    for depth, code in ((99, None), (101, "INVALID_ARGUMENT"), (5000, "INVALID_ARGUMENT")):
        deep = b"[" * depth + b"]" * depth
        call = bench.node.driver.call(LOCAL, "js", app=APP, grants=GRANTS)
        try:
            bench.node.registry["storage.batch"].javascript(call, b'[[["kv.set","k",' + deep + b"]]]")
            found = None
        except FaztError as error:
            found = error.code
        assert found == code, depth


async def test_an_error_inside_a_statement_names_the_place_too(bench: Bench) -> None:
    await bench.js([["kv.set", "text", "x"]])
    error = await refused(bench.js([["kv.incr", "n"], ["kv.incr", "text"], ["kv.incr", "n"]]))
    assert (error.code, error.details) == ("INVALID_ARGUMENT", {"operation": 1})
    assert error.message.startswith("operations[1]: ")
    assert bench.rows() == {("", "text"): '"x"'}


async def test_what_is_in_memory_only_changes_when_the_rest_has_happened(bench: Bench) -> None:
    await bench.js([["kv.set", "temp:a", 1], FULL])
    assert bench.plan([["kv.set", "temp:a", 1], ["kv.set", "b", 1]])[0].known is msgspec.UNSET
    assert (await refused(bench.js([["kv.set", "temp:a", 2], FULL]))).code == "CONFLICT"
    assert await bench.js([["kv.incr", "temp:a"], ["kv.incr", "temp:a", 3]]) == [2, 5]


# --- bytes and people -------------------------------------------------------------------------------------------------


async def test_bytes_come_beside_in_their_order(bench: Bench) -> None:
    operations = [["test.put", 3, "a"], ["kv.set", "k", 1], ["test.put", "é", "b", "x/y"], ["test.put", 2, "c"]]
    found = await bench.js(operations, beside=b"\0\xff\1ab")
    assert [kept and (kept.size, kept.mime) for kept in found] == [
        (3, "text/plain"),
        None,
        (2, "x/y"),
        (2, "text/plain"),
    ]
    assert found[0].digest == hashlib.sha256(b"\0\xff\1").hexdigest()
    assert found[3].digest == hashlib.sha256(b"ab").hexdigest()
    # the same from outside, where there is nothing but JSON
    given = [["test.put", "a", {"base64": "AP8B"}], ["test.put", "b", "é", "x/y"]]
    assert await bench.named(given) == [found[0], found[2]]


@pytest.mark.parametrize(
    "data", [3, None, {"base64": "%%%"}, {"base64": 3}, {"base64": ""} | {"x": 1}, ["a"], "\ud800"]
)
async def test_what_are_no_bytes_outside(bench: Bench, data: Any) -> None:
    assert (await refused(bench.named([["test.put", "a", data]]))).code == "INVALID_ARGUMENT"


async def test_rows_of_who_is_signed_in_and_of_the_app_in_one(bench: Bench) -> None:
    await bench.js([["user.test.put", "a", "k"], ["test.put", "b", "k"]], person="u1")
    assert {user for user, _ in bench.rows()} == {"u1", ""}
    await bench.named([["test.put", "k", "c", None, {"user": "u2"}], ["test.put", "l", "d"]])
    assert set(bench.rows()) == {("u1", "k"), ("", "k"), ("u2", "k"), ("", "l")}


# --- from outside -----------------------------------------------------------------------------------------------------


async def test_people_give_arguments_in_their_order_and_options_last(bench: Bench) -> None:
    answers = await bench.named(
        [["kv.set", "k", {"a": 1}, "1h"], ["test.once", "l", {"loud": True}], ["test.all", "m"]]
    )
    assert msgspec.json.decode(encode(answers)) == [{"key": "k"}, 1, ["m"]]
    assert bench.rows()["", "l"] == '"loud"'


@pytest.mark.parametrize(
    "operation",
    [
        ["kv.set", "k", 1, None, {"ttl": 5}, 6],
        ["kv.set", "k", 1, None, {"key": "l"}],
        ["kv.set", "k", 1, None, 5],
        ["kv.set"],
        ["kv.set", "k\n", 1],
        ["kv.set", "k", 1, "soon"],
        ["test.once", "k", {"odd": 1}],
        ["user.test.put", "k", "x"],
    ],
)
async def test_wrong_arguments_of_people(bench: Bench, operation: list[Any]) -> None:
    error = await refused(bench.named([["kv.set", "a", 1], operation]))
    assert error.status == 400 and error.message.startswith("operations[1]: ") and bench.rows() == {}


# --- at most once -----------------------------------------------------------------------------------------------------


async def test_once_happens_once_in_each_app(bench: Bench) -> None:
    assert await bench.js([["kv.set", "k", 1]], {"once": "job"}) == [None]
    for work in (bench.js([["kv.set", "k", 2]], {"once": "job"}), bench.named([["kv.set", "k", 2]], once="job")):
        error = await refused(work)
        assert (error.code, error.details) == ("CONFLICT", {"once": "job"})
    assert bench.rows() == {("", "k"): "1"}
    assert await bench.js([["kv.set", "k", 2]], {"once": "job"}, app=OTHER) == [None]
    assert await bench.js([["kv.set", "k", 3]], {"once": "Job"}) == [None]


async def test_of_many_at_once_one_happens(bench: Bench) -> None:
    # all are planned before any is written
    plans = [bench.plan([["kv.set", f"k{n}", n]], {"once": "job"})[0] for n in range(20)]
    told = await asyncio.gather(*[bench.node.store.write(plan.steps) for plan in plans], return_exceptions=True)
    assert sum(isinstance(answer, FaztError) for answer in told) == 19 and len(bench.rows()) == 1


async def test_what_failed_may_happen_again(bench: Bench) -> None:
    await bench.js([FULL])
    assert (await refused(bench.js([FULL], {"once": "job"}))).details["operation"] == 0
    await bench.js([["kv.delete", "taken"]])
    assert await bench.js([FULL], {"once": "job"}) == [1]
    # and what happened is not asked again whether it could
    assert (await refused(bench.js([["kv.odd"]], {"once": "job"}))).details == {"once": "job"}


async def test_keys_are_forgotten_in_the_end(bench: Bench) -> None:
    await bench.js([], {"once": "job"})
    bench.clock.advance(once.KEPT // 1000 - 1)
    await sweep(bench.node.store, once.SWEEP, bench.clock.now())
    assert (await refused(bench.js([], {"once": "job"}))).code == "CONFLICT"
    bench.clock.advance(1)
    await sweep(bench.node.store, once.SWEEP, bench.clock.now())
    assert await bench.js([], {"once": "job"}) == []


@pytest.mark.parametrize("key", ["", "x" * 513, "a\nb", 1, {}])
async def test_keys_of_once(bench: Bench, key: Any) -> None:
    for work in (bench.js([], {"once": key}), bench.named([], once=key)):
        assert (await refused(work)).status == 400


# --- what need not be waited for --------------------------------------------------------------------------------------


def test_answers_that_are_known_are_known_of_all(bench: Bench) -> None:
    quiet, known, open_ended = ["kv.set", "k", 1], ["test.once", "l"], ["test.put", 0, "m"]
    cases: list[tuple[list[Any], list[Any], Any]] = [
        ([quiet, known], [], [None, 1]),
        ([], [], []),
        ([quiet, open_ended], [], msgspec.UNSET),
        ([quiet], [{"once": "job"}], msgspec.UNSET),
    ]
    for operations, options, expected in cases:
        plan, _ = bench.plan(operations, *options)
        assert isinstance(plan, Write) and plan.known == expected
