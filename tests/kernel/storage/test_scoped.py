"""The caller's rows and nobody else's."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.base.errors import FaztError
from kernel.base.tables import MINE, Read, Table
from kernel.storage.scoped import ScopedStore, add_sql, insert_sql, put_sql
from kernel.storage.store import Store
from kernel.syscall.plan import Step, Write

from .support import (
    ALL,
    COUNT,
    DELETE,
    FACTS,
    FEW,
    FEW_ALL,
    FEW_DELETE,
    FEW_PATCH,
    FEW_TAKE,
    GET,
    LIMIT,
    MEMBERS,
    NODE,
    NODE_PATCH,
    NOTES,
    NOTES_TAKE,
    RENAME,
    make,
)

TAKEN = FaztError("CONFLICT", "Taken.")
MISSING = FaztError("NOT_FOUND", "Missing.")
COUNTED = Read("select count(*) from {members}")


def do(store: Store, plan: Write[Any]) -> Any:
    return plan.result(store.write_blocking(plan.steps))


def usage(store: Store, app: str, table: str = "few") -> int | None:
    found = store.reader().execute("select rows from usage where app_id = ? and name = ?", (app, table)).fetchall()
    return found[0][0] if found else None


# --- two apps, two users, and what they do to each other: nothing -----------------------------------------------------

APPS, USERS, KEYS = ("a", "b"), ("", "u", "v"), ("k", "l", "m", "*")
operations = st.lists(
    st.tuples(
        st.sampled_from(["put", "insert", "patch", "remove", "put and fail"]),
        st.sampled_from(APPS),
        st.sampled_from(USERS),
        st.sampled_from(KEYS),
        st.integers(0, 99),
    ),
    max_size=25,
)
Rows = dict[tuple[str, str], dict[str, int]]


def model(rows: Rows, verb: str, app: str, user: str, key: str, value: int, limit: int) -> str | None:
    """What an operation does to plain dictionaries; the code of the error, if it does nothing."""
    mine = rows.setdefault((app, user), {})
    held = sum(len(of) for (owner, _), of in rows.items() if owner == app)
    if verb in ("put", "insert", "put and fail"):
        if verb == "insert" and key in mine:
            return "CONFLICT"
        if key not in mine and held >= limit:
            return "LIMIT_EXCEEDED"
        if verb == "put and fail":
            return "NOT_FOUND"
        mine[key] = value
    elif verb == "patch":
        mine.update({k: value for k in mine if key in (k, "*")})
    else:
        for k in [k for k in mine if key in (k, "*")]:
            del mine[k]
    return None


def perform(scoped: ScopedStore, verb: str, key: str, value: int) -> Write[Any]:
    if verb == "put":
        return scoped.put(FEW, key=key, value=value)
    if verb == "insert":
        return scoped.insert(FEW, TAKEN, key=key, value=value)
    if verb == "patch":
        return scoped.do(FEW_PATCH, key=key, value=value)
    if verb == "remove":
        return scoped.do(FEW_DELETE, key=key)
    return scoped.put(FEW, key=key, value=value) + scoped.do(RENAME, key="none", value=0).expect(1, MISSING)


_run = itertools.count()


@given(operations)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_apps_and_users_do_each_sees_its_own_rows_and_the_count_is_right(
    store: Store, todo: list[tuple[str, str, str, str, int]]
) -> None:
    run, rows = next(_run), Rows()
    names = {app: f"{app}{run}" for app in APPS}
    for verb, app, user, key, value in todo:
        heard = None
        try:
            do(store, perform(store.scoped(names[app], user), verb, key, value))
        except FaztError as error:
            heard = error.code
        assert heard == model(rows, verb, app, user, key, value, limit=3)
    for app in APPS:
        for user in USERS:
            seen = dict(store.scoped(names[app], user).all(FEW_ALL))
            assert seen == rows.get((app, user), {})
        there = store.reader().execute("select count(*) from few where app_id = ?", (names[app],)).get
        assert there == sum(len(of) for (owner, _), of in rows.items() if owner == app)
        assert (usage(store, names[app]) or 0) == there


@pytest.mark.parametrize("stranger", [("a", "u"), ("b", ""), ("b", "u"), ("", "")])
def test_a_stranger_neither_sees_nor_changes_a_row(store: Store, stranger: tuple[str, str]) -> None:
    mine, theirs = store.scoped("a"), store.scoped(*stranger)
    do(store, mine.put(NOTES, key="k", value=1))
    assert (theirs.one(GET, key="k"), theirs.all(ALL), theirs.one(COUNT)) == (None, [], (0,))
    assert store.scan_blocking(theirs.scan((ALL, {}), then=lambda rows: rows)) == [[]]
    for plan in (theirs.do(RENAME, key="k", value=2), theirs.do(DELETE, key="k")):
        with pytest.raises(FaztError, match="Missing"):
            do(store, plan.expect(1, MISSING))
    do(store, theirs.put(NOTES, key="k", value=3))
    assert mine.one(GET, key="k") == (1,)
    assert theirs.one(GET, key="k") == (3,)


@pytest.mark.parametrize("name", ["app", "user"])
def test_a_parameter_cannot_say_whose_rows_are_meant(store: Store, name: str) -> None:
    do(store, store.scoped("b", "u").put(NOTES, key="k", value=1))
    sly = {"key": "k", "app": "b", "user": "u", name: "b" if name == "app" else "u"}
    mine = store.scoped("a")
    assert mine.one(GET, **sly) is None
    assert mine.all(GET, **sly) == []
    assert store.scan_blocking(mine.scan((GET, sly), then=lambda rows: rows)) == [[]]
    do(store, mine.do(DELETE, **sly))
    do(store, mine.do(RENAME, value=9, **sly))
    assert store.scoped("b", "u").one(GET, key="k") == (1,)


@pytest.mark.parametrize("how", ["one", "all", "scan", "rows", "taken"])
def test_text_of_a_damaged_page_is_no_fault_of_ours(store: Store, how: str) -> None:
    mine = store.scoped("a")
    do(store, mine.put(NOTES, key="k", value=1))
    store.write_blocking(
        [
            Step("update notes set value = cast(x'92' as text)", {}),
            Step("insert into node_facts values ('x', cast(x'92' as text), 1)", {}),
        ]
    )
    ways = {
        "one": lambda: mine.one(GET, key="k"),
        "all": lambda: mine.all(ALL),
        "scan": lambda: store.scan_blocking(mine.scan((ALL, {}), then=list)),
        "rows": lambda: store.rows(FACTS),
        "taken": lambda: do(store, mine.do(NOTES_TAKE, key="k")),
    }
    with pytest.raises(FaztError) as refused:
        ways[how]()
    assert refused.value.code == "STORAGE_ERROR"


# --- the verbs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [NOTES, FEW], ids=["plain", "counted"])
def test_put_makes_a_row_or_changes_its_values_and_keeps_the_rest(store: Store, table: Table) -> None:
    scoped = store.scoped("a", "u")
    do(store, scoped.put(table, key="k", value=1))
    store.clock.advance(60)  # type: ignore[attr-defined]
    do(store, store.scoped("a", "u").put(table, key="k", value=2))
    rows = store.reader().execute(f"select app_id, user_id, key, value, created_at from {table.name}").fetchall()
    assert rows == [("a", "u", "k", 2, 1_800_000_000_000)]


def test_put_leaves_alone_what_is_not_said(store: Store) -> None:
    do(store, store.scoped("a").put(NOTES, key="k", value=1, at=5))
    do(store, store.scoped("a").put(NOTES, key="k", value=2))
    assert store.reader().execute("select value, at from notes").fetchall() == [(2, 5)]


@pytest.mark.parametrize("table", [MEMBERS, FEW, NOTES], ids=lambda table: table.name)
def test_put_of_a_key_alone_is_a_set(store: Store, table: Table) -> None:
    for _ in range(2):
        do(store, store.scoped("a").put(table, key="k"))
    assert store.reader().execute(f"select count(*) from {table.name}").get == 1
    if table.counted:
        assert usage(store, "a", table.name) == 1


@pytest.mark.parametrize("table", [NOTES, FEW], ids=["plain", "counted"])
def test_add_makes_a_row_or_adds_to_its_counters(store: Store, table: Table) -> None:
    mine = store.scoped("a", "u")
    for amount in (5, 0, -2, 1 << 40):
        do(store, mine.add(table, key="k", value=amount).expect(1, MISSING))
    do(store, mine.add(table, key="l", value=7))
    for stranger in (store.scoped("a"), store.scoped("b", "u")):
        do(store, stranger.add(table, key="k", value=1))
    rows = store.reader().execute(f"select app_id, user_id, key, value from {table.name} order by 1, 2, 3").fetchall()
    assert rows == [("a", "", "k", 1), ("a", "u", "k", 3 + (1 << 40)), ("a", "u", "l", 7), ("b", "u", "k", 1)]
    if table.counted:
        assert (usage(store, "a"), usage(store, "b")) == (3, 1)
        with pytest.raises(FaztError, match="already has 3 rows"):
            do(store, mine.add(table, key="m", value=1))
        do(store, mine.add(table, key="l", value=1))


def test_add_adds_to_the_counters_it_names_and_leaves_the_rest_alone(store: Store) -> None:
    do(store, store.scoped("a").add(NOTES, key="k", value=1, at=5))
    store.clock.advance(60)  # type: ignore[attr-defined]
    do(store, store.scoped("a").add(NOTES, key="k", value=2))
    rows = store.reader().execute("select value, at, created_at from notes").fetchall()
    assert rows == [(3, 5, 1_800_000_000_000)]


def test_what_many_add_at_once_is_all_there(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: do(store, store.scoped("a").add(NOTES, key="k", value=n)), range(100)))
    assert store.scoped("a").one(GET, key="k") == (4950,)


@pytest.mark.parametrize(
    ("table", "values"),
    [(NOTES, {"value": 1}), (NOTES, {"key": "k"}), (MEMBERS, {"key": "k"}), (NOTES, {}), (NODE, {"value": 1})],
    ids=["no key", "no counter", "no counter at all", "nothing", "node"],
)
def test_add_takes_a_whole_key_and_something_to_add(store: Store, table: Table, values: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="takes its whole key"):
        store.scoped("a").add(table, **values)


@pytest.mark.parametrize("table", [NOTES, FEW], ids=["plain", "counted"])
def test_insert_fails_where_the_key_is_taken_and_says_so(store: Store, table: Table) -> None:
    do(store, store.scoped("a").insert(table, TAKEN, key="k", value=1))
    with pytest.raises(FaztError, match="Taken"):
        do(store, store.scoped("a").insert(table, TAKEN, key="k", value=2))
    do(store, store.scoped("b").insert(table, TAKEN, key="k", value=3))
    assert store.reader().execute(f"select app_id, value from {table.name} order by 1").fetchall() == [
        ("a", 1),
        ("b", 3),
    ]


@pytest.mark.parametrize("table", [NOTES, FEW], ids=["plain", "counted"])
def test_a_change_can_expect_to_find_its_row(store: Store, table: Table) -> None:
    patch = RENAME if table is NOTES else FEW_PATCH
    remove = DELETE if table is NOTES else FEW_DELETE
    scoped = store.scoped("a")
    do(store, scoped.put(table, key="k", value=1))
    for plan in (scoped.do(patch, key="none", value=1), scoped.do(remove, key="none")):
        with pytest.raises(FaztError, match="Missing"):
            do(store, plan.expect(1, MISSING))
    do(store, scoped.do(patch, key="k", value=2).expect(1, MISSING))
    do(store, scoped.do(remove, key="k").expect(1, MISSING))
    assert store.reader().execute(f"select count(*) from {table.name}").get == 0


@pytest.mark.parametrize("key", ["new", "old"])
@pytest.mark.parametrize("table", [NOTES, FEW], ids=["plain", "counted"])
def test_a_put_changes_exactly_one_row_for_whoever_expects_it(store: Store, table: Table, key: str) -> None:
    do(store, store.scoped("a").put(table, key="old", value=1))
    do(store, store.scoped("a").put(table, key=key, value=2).expect(1, MISSING))
    assert store.reader().execute(f"select value from {table.name} where key = ?", (key,)).get == 2


def test_what_removes_several_counted_rows_can_expect_so_many(store: Store) -> None:
    scoped = store.scoped("a")
    for key in ("k", "l"):
        do(store, scoped.put(FEW, key=key, value=1))
    do(store, scoped.do(FEW_DELETE, key="*").expect(2, MISSING))
    assert (scoped.all(FEW_ALL), usage(store, "a")) == ([], 0)


@pytest.mark.parametrize("table", [NOTES, FEW], ids=["plain", "counted"])
def test_what_was_removed_is_in_the_last_rows_of_the_answer(store: Store, table: Table) -> None:
    do(store, store.scoped("a").put(table, key="k", value=7))
    take = NOTES_TAKE if table is NOTES else FEW_TAKE
    assert do(store, store.scoped("a").do(take, key="k").giving(lambda rows: rows[-1])) == [("k", 7)]


def test_a_node_table_has_no_owner_and_its_rows_say_when_they_were_made(store: Store) -> None:
    do(store, store.scoped("a", "u").put(NODE, name="x", value="1"))
    do(store, store.scoped("b").put(NODE, name="x", value="2"))
    do(store, store.scoped("").insert(NODE, name="y", value="3"))
    do(store, store.scoped("a").do(NODE_PATCH, name="y", value="4").expect(1, MISSING))
    assert store.rows(FACTS) == [("x", "2"), ("y", "4")]
    assert store.reader().execute("select distinct created_at from node_facts").get == 1_800_000_000_000


@pytest.mark.parametrize("verb", ["put", "insert", "add"])
@pytest.mark.parametrize("column", ["colour", "app_id", "user_id", "created_at", "now", "value) values (1); --"])
def test_a_column_nobody_declared_is_refused(store: Store, verb: str, column: str) -> None:
    with pytest.raises(TypeError, match="has no column"):
        getattr(store.scoped("a"), verb)(NOTES, key="k", **{column: 1})


# --- limits -----------------------------------------------------------------------------------------------------------


def test_an_app_may_have_so_many_rows_and_no_more_whoever_of_its_users_makes_them(store: Store) -> None:
    for user in ("", "u", "v"):
        do(store, store.scoped("a", user).put(FEW, key="k", value=1))
    with pytest.raises(FaztError) as refused:
        do(store, store.scoped("a").put(FEW, key="l", value=1))
    assert (refused.value.code, refused.value.details) == ("LIMIT_EXCEEDED", {"limit": LIMIT, "most": 3})
    assert "fazt limits set notes" in (refused.value.hint or "")
    do(store, store.scoped("a").put(FEW, key="k", value=2))
    do(store, store.scoped("b").put(FEW, key="k", value=1))
    do(store, store.scoped("a", "u").do(FEW_DELETE, key="k"))
    do(store, store.scoped("a").put(FEW, key="l", value=1))
    assert (usage(store, "a"), usage(store, "b")) == (3, 1)


@pytest.mark.parametrize("most", [0, 1])
def test_a_limit_holds_from_the_first_row_on(tmp_path: Path, most: int) -> None:
    store = make(tmp_path, limit_of=lambda name: most)
    for n in range(2):
        plan = store.scoped("a").put(FEW, key=str(n), value=1)
        if n < most:
            do(store, plan)
        else:
            with pytest.raises(FaztError, match=f"already has {most} rows"):
                do(store, plan)
    assert store.reader().execute("select count(*) from few").get == most
    store.close()


def test_a_limit_that_was_lowered_refuses_new_rows_and_lets_old_ones_change_and_go(tmp_path: Path) -> None:
    limits = {LIMIT: 3}
    store = make(tmp_path, limit_of=limits.__getitem__)
    scoped = store.scoped("a")
    for key in ("k", "l", "m"):
        do(store, scoped.put(FEW, key=key, value=1))
    limits[LIMIT] = 1
    with pytest.raises(FaztError, match="already has 1 rows"):
        do(store, scoped.put(FEW, key="n", value=1))
    do(store, scoped.put(FEW, key="k", value=2))
    do(store, scoped.do(FEW_DELETE, key="k"))
    assert usage(store, "a") == 2
    store.close()


def test_of_many_writers_at_once_exactly_as_many_succeed_as_there_is_room(store: Store) -> None:
    def one(n: int) -> str:
        try:
            do(store, store.scoped("a").put(FEW, key=str(n), value=n))
        except FaztError as error:
            return error.code
        return "made"

    with ThreadPoolExecutor(8) as pool:
        outcome = sorted(pool.map(one, range(40)))
    assert outcome == ["LIMIT_EXCEEDED"] * 37 + ["made"] * 3
    assert (len(store.scoped("a").all(FEW_ALL)), usage(store, "a")) == (3, 3)


def test_several_rows_of_one_batch_are_counted_one_by_one_and_refused_together(store: Store) -> None:
    scoped = store.scoped("a")
    several: Write[Any] = Write(())
    for n in range(4):
        several = several + scoped.put(FEW, key=str(n), value=n)
    with pytest.raises(FaztError, match="already has 3 rows"):
        do(store, several)
    assert (scoped.all(FEW_ALL), usage(store, "a")) == ([], None)
    do(store, Write(several.steps[: len(several.steps) * 3 // 4]))
    assert usage(store, "a") == 3


# --- the statements the verbs are made of -----------------------------------------------------------------------------


def test_the_scope_stands_in_every_statement_of_an_app_table() -> None:
    names = ("key", "value")
    assert insert_sql(NOTES, names) == (
        "insert into notes (app_id, user_id, created_at, key, value) values (:app, :user, :now, :key, :value)"
    )
    assert put_sql(NOTES, names).endswith("on conflict (app_id, user_id, key) do update set value = excluded.value")
    assert add_sql(NOTES, names) == (
        insert_sql(NOTES, names) + " on conflict (app_id, user_id, key) do update set value = value + excluded.value"
    )
    assert RENAME.sql == f"update notes set value = :value where {MINE} and (key = :key)"


def test_a_read_takes_the_first_row_or_none(store: Store) -> None:
    for key in ("a", "b"):
        do(store, store.scoped("a").put(NOTES, key=key, value=key))
    assert store.scoped("a").one(ALL) == ("a", "a")
    assert store.scoped("a").all(ALL) == [("a", "a"), ("b", "b")]
    assert store.scoped("c").one(ALL) is None


def test_no_text_in_a_value_is_taken_for_sql(store: Store) -> None:
    evil = "'); drop table notes; --"
    do(store, store.scoped(evil, evil).put(NOTES, key=evil, value=evil))
    assert store.scoped(evil, evil).one(GET, key=evil) == (evil,)
    assert store.scoped("a").one(COUNT) == (0,)


@pytest.mark.parametrize("value", [b"\x00\xff", 2**63 - 1, -(2**63), 1.5, None, "", "a\x00b", "👩‍👧"])
def test_a_value_comes_back_as_it_was(store: Store, value: Any) -> None:
    do(store, store.scoped("a").put(NOTES, key="k", value=value))
    assert store.scoped("a").one(GET, key="k") == (value,)


def test_a_plan_does_nothing_until_it_is_carried_out(store: Store) -> None:
    plan = store.scoped("a").put(NOTES, key="k", value=1)
    assert all(isinstance(step, Step) for step in plan.steps)
    assert store.scoped("a").one(COUNT) == (0,)
    assert store.scoped("a").one(COUNTED) == (0,)


def test_a_read_here_and_now_does_not_fill_the_memory(tmp_path: Path) -> None:
    store = make(tmp_path)
    rows = store.scoped("a")
    for n in range(40):
        do(store, rows.put(NOTES, key=f"{n:02}", value=n, at=0))
    large = Read("select key, hex(zeroblob(500000)) from {notes}")
    with pytest.raises(FaztError) as refused:
        rows.all(large)
    assert refused.value.code == "LIMIT_EXCEEDED"
    # nothing is left half-way: what is written now is seen
    assert store.reader().txn_state() == 0
    do(store, rows.put(NOTES, key="40", value=40, at=0))
    assert rows.all(ALL) == [(f"{n:02}", n) for n in range(41)]
    store.close()
