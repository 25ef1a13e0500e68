"""Rows in memory: never older than what was acknowledged, never what is not committed."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.base.tables import Fill, Migration, Patch, Read, Remove, Sweep, Table
from kernel.runtime.guest import Elsewhere
from kernel.runtime.here import Written
from kernel.storage.hot import BESIDE, MOST_IN_ROW, SLOTS, Hot
from kernel.storage.scoped import ScopedStore, keeps_to_key
from kernel.storage.store import Store
from kernel.storage.sweep import sweep
from kernel.syscall.plan import Step, Touch, Write, expect

from .support import LIMIT, make

ROWS = Table("hot_rows", ("key", "value", "at"), key=("key",), hot=True, counted=LIMIT)
COLD = Table("cold_rows", ("key", "value"), key=("key",))
COLUMNS = "app_id text not null, user_id text not null default '', key text not null, value"
PRIMARY = "created_at integer not null, primary key (app_id, user_id, key)"
MIGRATIONS = (
    Migration(
        "hot_0001",
        f"""
create table hot_rows ({COLUMNS}, at integer, {PRIMARY}) strict, without rowid;
create table cold_rows ({COLUMNS}, {PRIMARY}) strict, without rowid;
""".replace("value,", "value text,"),
    ),
)
RENAME = Patch(ROWS, set="value = :value", where="key = :key")
RENAME_ALL = Patch(ROWS, set="value = :value", where="key >= :key")
UPSERT = Fill(ROWS, values={"key": ":key", "value": ":value", "at": "1"}, taken="value = :value", returning="value")
DELETE = Remove(ROWS, where="key = :key")
DELETE_OLD = Remove(ROWS, where="key = :key and at < :until")
SWEEP = Sweep(ROWS, due="at")
VALUE = Read("select value from {hot_rows} where key = :key")
APP, OTHER = "app_a", "app_b"
AT = ("hot_rows", APP, "", "k")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = make(tmp_path, tables=(ROWS, COLD), migrations=MIGRATIONS, limit_of=lambda name: 1000)
    yield made
    made.close()


@pytest.fixture
def mine(store: Store) -> ScopedStore:
    return store.scoped(APP)


def put(mine: ScopedStore, value: str, key: str = "k") -> Write[None]:
    return mine.put(ROWS, key=key, value=value, at=1)


def value(row: Any) -> Any:
    return row and row[1]


class Slow(ScopedStore):
    """One whose read and whose filling in come when the test says."""

    __slots__ = ("between",)
    between: Callable[[], None]

    def _first(self, reader: Any, sql: str, params: Any) -> Any:  # type: ignore[override]
        self.between()
        found = super()._first(reader, sql, params)
        self.between()
        return found


def slow(store: Store, between: Callable[[], None]) -> Slow:
    made = Slow(store.reader, store.limit_of, APP, "", 1, store.hot)
    made.between = between
    return made


# --- what a hit and a miss are ----------------------------------------------------------------------------------------


def reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Everything that is read from the file from now on."""
    seen: list[Any] = []
    first = ScopedStore._first

    def counted(reader: Any, sql: str, params: Any) -> Any:
        seen.append(params)
        return first(reader, sql, params)

    monkeypatch.setattr(ScopedStore, "_first", staticmethod(counted))
    return seen


def test_a_row_is_read_once_and_then_remembered_until_it_changes(
    store: Store, mine: ScopedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_blocking(put(mine, "a").steps)
    seen = reads(store, monkeypatch)
    assert [value(mine.row(ROWS, "k")) for _ in range(3)] == ["a"] * 3
    assert len(seen) == 1
    store.write_blocking(put(mine, "b").steps)
    assert (mine.row(ROWS, "k"), len(seen)) == (("k", "b", 1), 1), "what was written is known"
    store.write_blocking(mine.do(DELETE, key="k").steps)
    assert (mine.row(ROWS, "k"), len(seen)) == (None, 1)


def test_what_is_not_there_is_remembered_too(store: Store, mine: ScopedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = reads(store, monkeypatch)
    assert [mine.row(ROWS, "k") for _ in range(3)] == [None] * 3
    assert len(seen) == 1
    store.write_blocking(put(mine, "a").steps)
    assert value(mine.row(ROWS, "k")) == "a"


def test_what_nobody_asked_for_is_not_kept(store: Store, mine: ScopedStore) -> None:
    store.write_blocking(put(mine, "a").steps)
    assert not store.hot.held


def test_rows_of_other_tables_are_read_as_ever(store: Store, mine: ScopedStore) -> None:
    store.write_blocking(mine.put(COLD, key="k", value="a").steps)
    assert mine.row(COLD, "k") == ("k", "a")
    assert mine.row(COLD, "x") is None
    assert not store.hot.held


def test_nobody_is_given_the_row_of_another(store: Store, mine: ScopedStore) -> None:
    store.write_blocking(put(mine, "a").steps)
    assert value(mine.row(ROWS, "k")) == "a"
    for other in (store.scoped(OTHER), store.scoped(APP, "usr_1"), store.scoped(OTHER, "usr_1")):
        assert other.row(ROWS, "k") is None
        store.write_blocking(put(other, "b").steps)
    assert value(mine.row(ROWS, "k")) == "a"
    assert [value(mine.of(user).row(ROWS, "k")) for user in ("", "usr_1")] == ["a", "b"]


def test_who_has_written_what_is_not_there_yet_may_not_look(store: Store, mine: ScopedStore) -> None:
    mine.row(ROWS, "k")
    with pytest.raises(Elsewhere):
        Written.over(mine).row(ROWS, "k")
    with pytest.raises(Elsewhere):
        Written.over(mine).of("usr_1").row(ROWS, "k")


CHANGES: dict[str, tuple[Callable[[Store, ScopedStore], list[Step]], str | None]] = {
    "put": (lambda store, mine: [*put(mine, "new").steps], "new"),
    "put of some columns": (lambda store, mine: [*mine.put(ROWS, key="k", value="new").steps], "new"),
    "two puts": (lambda store, mine: [*put(mine, "no").steps, *put(mine, "new").steps], "new"),
    "a put and a patch": (
        lambda store, mine: [*put(mine, "no").steps, *mine.do(RENAME, key="k", value="new").steps],
        "new",
    ),
    "a put and a patch of many": (
        lambda store, mine: [*put(mine, "no").steps, *mine.do(RENAME_ALL, key="a", value="new").steps],
        "new",
    ),
    "delete and insert": (
        lambda store, mine: [*mine.do(DELETE, key="k").steps, *mine.insert(ROWS, key="k", value="new", at=2).steps],
        "new",
    ),
    "patch": (lambda store, mine: [*mine.do(RENAME, key="k", value="new").steps], "new"),
    "patch of many": (lambda store, mine: [*mine.do(RENAME_ALL, key="a", value="new").steps], "new"),
    "upsert": (lambda store, mine: [*mine.fill(UPSERT, key="k", value="new").steps], "new"),
    "delete": (lambda store, mine: [*mine.do(DELETE, key="k").steps], None),
    "delete if": (lambda store, mine: [*mine.do(DELETE_OLD, key="k", until=9).steps], None),
    "delete if, which it is not": (lambda store, mine: [*mine.do(DELETE_OLD, key="k", until=0).steps], "old"),
    "purge": (lambda store, mine: store.purge(APP), None),
    "SQL that says nothing": (lambda store, mine: [Step("update hot_rows set value = 'new'", {})], "new"),
    "a put and SQL that says nothing": (
        lambda store, mine: [*put(mine, "no").steps, Step("update HOT_ROWS set value = 'new'", {})],
        "new",
    ),
}


@pytest.mark.parametrize("known", [True, False], ids=["in memory", "not in memory"])
@pytest.mark.parametrize("change", list(CHANGES))
def test_after_every_kind_of_change_the_row_is_what_the_file_says(
    store: Store, mine: ScopedStore, change: str, known: bool
) -> None:
    store.write_blocking(put(mine, "old").steps)
    if known:
        assert value(mine.row(ROWS, "k")) == "old"
    made, wanted = CHANGES[change]
    store.write_blocking(made(store, mine))
    row = mine.row(ROWS, "k")
    assert value(row) == wanted
    assert row == mine.one(Read("select key, value, at from {hot_rows} where key = :key"), key="k")


async def test_a_sweep_and_a_fork_are_seen(store: Store, mine: ScopedStore) -> None:
    await store.write(put(mine, "old").steps)
    other = store.scoped(OTHER)
    assert (value(mine.row(ROWS, "k")), other.row(ROWS, "k")) == ("old", None)
    await store.write(store.copy(APP, OTHER, False, 1))
    assert value(other.row(ROWS, "k")) == "old"
    await sweep(store, SWEEP, 5)
    assert (mine.row(ROWS, "k"), other.row(ROWS, "k")) == (None, None)


@pytest.mark.parametrize(
    ("sql", "flushes"),
    [
        ("update hot_rows set value = 1", True),
        ('with x as (select 1) delete from "hot_rows"', True),
        ("insert into other select * from hot_rows", True),
        ("select * from hot_rows", False),
        ("update rd_hot_rows set a = 1", False),
        ("update hot_rows_2 set a = 1", False),
        ("insert into other values ('hot_rows', 'it''s hot_rows')", False),
    ],
)
def test_sql_that_does_not_say_what_it_touches_is_looked_through(
    store: Store, mine: ScopedStore, sql: str, flushes: bool
) -> None:
    mine.row(ROWS, "k")
    blocked = store.hot.block([[Step(sql, {})]])
    assert (blocked is not None, bool(store.hot.held)) == (flushes, not flushes)
    if blocked:
        store.hot.open(blocked, True)


@pytest.mark.parametrize(
    ("where", "keyed"),
    [
        ("key = :key", True),
        ("key = :key and at < :until", True),
        ("key = :key and (at < :until or at is null)", False),
        ("key = :key OR at = 1", False),
        ("key = :key\nor at = 1", False),
        ("key >= :key", False),
        ("key = :key || 'x'", False),
        ("at = 1 and key = :key", False),
        ("key = :key and at = [hole]", False),
    ],
)
def test_only_what_cannot_leave_its_key_counts_as_keeping_to_it(where: str, keyed: bool) -> None:
    assert keeps_to_key(Remove(ROWS, where=where)) is keyed
    assert keeps_to_key(Patch(ROWS, set="value = :value", where=where)) is keyed
    assert not keeps_to_key(Patch(ROWS, set="value = 1, key = :to", where=where))
    assert not keeps_to_key(Patch(ROWS, set="(value, key) = (1, 2)", where=where))


# --- every order of a reader and a writer -----------------------------------------------------------------------------

BEFORE, BLOCKED, COMMITTED, OPENED = range(4)
ORDERS = list(itertools.combinations_with_replacement(range(4), 3))


class Stepped:
    """A writer that tells in which phase it is, and a reader whose three steps each come in a phase of their own."""

    def __init__(self, store: Store, order: tuple[int, ...]) -> None:
        self.store, self.phase = store, BEFORE
        self.order = list(order)
        self.reached = [threading.Event() for _ in range(4)]
        self.passed = [threading.Event() for _ in range(4)]
        self.found: Any = None
        hot = store.hot
        block, opened = hot.block, hot.open

        def blocking(batches: Any) -> Any:
            self._meet(BEFORE)
            made = block(batches)
            self._meet(BLOCKED)
            return made

        def opening(blocked: Any, committed: bool) -> None:
            self._meet(COMMITTED)
            opened(blocked, committed)
            self._meet(OPENED)

        hot.block, hot.open = blocking, opening  # type: ignore[method-assign]

    def _meet(self, phase: int) -> None:
        """The writer waits until the reader has done what belongs here."""
        self.reached[phase].set()
        assert self.passed[phase].wait(20)

    def read(self) -> Any:
        """On the reader's thread: its steps, each in its phase."""
        order = iter(self.order)
        at = [0]

        def enter(phase: int) -> None:
            while at[0] < phase:
                self.passed[at[0]].set()
                at[0] += 1
            assert self.reached[phase].wait(20)

        enter(next(order))
        found = slow(self.store, lambda: enter(next(order))).row(ROWS, "k")
        enter(OPENED)
        self.passed[OPENED].set()
        return found

    def undo(self) -> None:
        del self.store.hot.block, self.store.hot.open


@pytest.mark.parametrize("change", ["put", "delete", "patch", "patch of many", "SQL that says nothing"])
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_whatever_the_order_nobody_is_given_what_is_older_than_what_was_acknowledged(
    store: Store, mine: ScopedStore, order: tuple[int, ...], change: str
) -> None:
    store.write_blocking(put(mine, "old").steps)
    made, wanted = CHANGES[change]
    stepped = Stepped(store, order)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(store.write_blocking, made(store, mine))
        found = stepped.read()
        writing.result(20)
    stepped.undo()
    assert value(found) == (wanted if order[1] >= COMMITTED else "old")
    held = store.hot.held.get(AT)
    assert held is None or value(held.row) == wanted
    # what began after it all is kept; what was filled in before is replaced where it is known what was written
    assert (held is not None) == (order[0] == OPENED or (order[2] == BEFORE and change in ("put", "delete")))
    assert value(mine.row(ROWS, "k")) == wanted
    assert not any(turn & 1 for turn in store.hot._turns)
    assert not store.hot._flushes & 1


@pytest.mark.parametrize("change", ["put", "delete", "patch of many"])
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_a_commit_that_fails_leaves_what_was_there(
    store: Store, mine: ScopedStore, order: tuple[int, ...], change: str
) -> None:
    store.write_blocking(put(mine, "old").steps)
    stepped = Stepped(store, order)
    store.writer.connection.set_commit_hook(lambda: True)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(store.write_blocking, CHANGES[change][0](store, mine))
        assert value(stepped.read()) == "old"
        with pytest.raises(FaztError):
            writing.result(20)
    stepped.undo()
    store.writer.connection.set_commit_hook(None)
    assert value(mine.row(ROWS, "k")) == "old"
    store.write_blocking(put(mine, "new").steps)
    assert value(mine.row(ROWS, "k")) == "new"


def test_a_commit_that_fails_does_not_put_in_what_was_to_be_written(store: Store, mine: ScopedStore) -> None:
    store.write_blocking(put(mine, "old").steps)
    assert value(mine.row(ROWS, "k")) == "old"
    store.writer.connection.set_commit_hook(lambda: True)
    with pytest.raises(FaztError):
        store.write_blocking(put(mine, "new").steps)
    store.writer.connection.set_commit_hook(None)
    assert value(mine.row(ROWS, "k")) == "old"


def test_a_reader_in_the_middle_of_something_fills_nothing_in(store: Store, mine: ScopedStore) -> None:
    """It sees the file as it was when that began, however late it asks."""
    store.write_blocking(put(mine, "old").steps)
    connection = store.reader()
    connection.execute("begin")
    connection.execute("select 1 from hot_rows").fetchall()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(store.write_blocking, put(mine, "new").steps).result(20)
    assert value(mine.row(ROWS, "k")) == "old"
    connection.execute("commit")
    assert value(mine.row(ROWS, "k")) == "new"


def test_a_batch_that_fails_in_a_group_changes_nothing_and_the_others_are_seen(store: Store, mine: ScopedStore) -> None:
    store.write_blocking([*put(mine, "old", "a").steps, *put(mine, "old", "b").steps])
    assert [value(mine.row(ROWS, key)) for key in "ab"] == ["old", "old"]
    gate = threading.Event()
    commit = store.writer._commit

    def later(group: Any) -> None:
        assert gate.wait(20)
        commit(group)

    store.writer._commit = later  # type: ignore[method-assign]
    wrong = expect(7, FaztError("CONFLICT", "Not as expected."))
    with ThreadPoolExecutor(4) as pool:
        pool.submit(store.write_blocking, [])
        fails = [pool.submit(store.write_blocking, [*put(mine, "never", key).steps, wrong]) for key in "ab"]
        fits = pool.submit(store.write_blocking, [*put(mine, "new", "a").steps])
        gate.set()
        fits.result(20)
        for one in fails:
            with pytest.raises(FaztError, match="Not as expected"):
                one.result(20)
    del store.writer._commit
    assert [value(mine.row(ROWS, key)) for key in "ab"] == ["new", "old"]


# --- many at once -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_counters_never_go_back_and_everybody_reads_his_own_writes(store: Store, seed: int) -> None:
    """Each writer owns some keys and counts them up in every way there is; readers look at all of them."""
    writers, readers, keys = 3, 3, 4
    floor: dict[str, int] = {}
    wrong: list[str] = []
    ended = threading.Event()

    def write(me: int) -> None:
        random_ = random.Random(seed * 100 + me)
        mine = store.scoped(APP)
        counts = dict.fromkeys((f"{me}/{n}" for n in range(keys)), 0)
        for _ in range(150):
            key = random_.choice(list(counts))
            counts[key] += 1
            text = f"{counts[key]:06}"
            plans = {
                0: put(mine, text, key),
                1: mine.do(DELETE, key=key) + put(mine, text, key),
                2: mine.fill(UPSERT, key=key, value=text),
                3: put(mine, "000000", key) + mine.do(RENAME, key=key, value=text),
                4: put(mine, text, key) + Write([Step("update hot_rows set at = at", {})]),
            }
            if random_.random() < 0.2:
                refused = FaztError("CONFLICT", "No.")
                with contextlib.suppress(FaztError):
                    store.write_blocking((put(mine, "999999", key) + Write([expect(9, refused)])).steps)
            store.write_blocking(plans[random_.randrange(5)].steps)
            floor[key] = counts[key]
            found = value(mine.row(ROWS, key))
            if found != text:
                wrong.append(f"wrote {text}, read {found}")

    def read(me: int) -> None:
        random_ = random.Random(seed * 100 + 50 + me)
        mine, seen = store.scoped(APP), dict[str, int]()
        while not ended.is_set():
            key = f"{random_.randrange(writers)}/{random_.randrange(keys)}"
            least = max(seen.get(key, 0), floor.get(key, 0))
            found = int(value(mine.row(ROWS, key)) or 0)
            if not least <= found < 900_000:
                wrong.append(f"{key}: {found} after {least}")
            seen[key] = found

    with ThreadPoolExecutor(writers + readers) as pool:
        looking = [pool.submit(read, me) for me in range(readers)]
        writing = [pool.submit(write, me) for me in range(writers)]
        try:
            for one in writing:
                one.result(120)
        finally:
            ended.set()
        for one in looking:
            one.result(20)
    assert wrong == []
    mine = store.scoped(APP)
    for key, count in floor.items():
        assert int(mine.row(ROWS, key)[1]) == int(mine.one(VALUE, key=key)[0]) == count


# --- its bounds -------------------------------------------------------------------------------------------------------


def filled(hot: Hot, key: str, row: Any) -> bool:
    at = ("t", "app", "", key)
    hot.fill(at, hot.turn(at), row)
    return at in hot.held


def test_so_many_rows_are_kept_and_those_that_are_asked_for_stay() -> None:
    hot = Hot(["t"], most=10)
    for n in range(10):
        filled(hot, f"k{n}", (n,))
    hot.held["t", "app", "", "k3"].asked = True
    for n in range(10, 19):
        assert filled(hot, f"k{n}", (n,))
    assert len(hot.held) == 10
    assert ("t", "app", "", "k3") in hot.held
    for n in range(30, 41):
        filled(hot, f"k{n}", (n,))
    assert ("t", "app", "", "k3") not in hot.held, "nobody has asked for it since"


def test_so_many_bytes_are_kept() -> None:
    hot = Hot(["t"], most_bytes=10 * 2000)
    for n in range(200):
        filled(hot, f"k{n % 50}", ("x" * 1000,))
        assert hot.bytes <= 10 * 2000
        assert hot.bytes == sum(held.size for held in hot.held.values())
    assert len(hot.held) > 5


def test_what_is_too_large_is_not_kept(store: Store, mine: ScopedStore) -> None:
    hot = Hot(["t"])
    assert filled(hot, "k", ("x" * (MOST_IN_ROW - BESIDE - 100),))
    assert not filled(hot, "large", ("x" * MOST_IN_ROW,))
    store.write_blocking(put(mine, "small").steps)
    mine.row(ROWS, "k")
    store.write_blocking(put(mine, "x" * MOST_IN_ROW).steps)
    assert not store.hot.held
    assert value(mine.row(ROWS, "k")) == "x" * MOST_IN_ROW
    assert not store.hot.held


def test_keys_that_share_their_turns_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernel.storage.hot.SLOTS", 1)
    hot = Hot(["t"])
    assert SLOTS > 1
    one, other = ("t", "app", "", "a"), ("t", "app", "", "b")
    turn = hot.turn(other)
    blocked = hot.block([[Step("", {}, None, (Touch(one), Touch(other), Touch(one)))]])
    assert blocked
    hot.fill(other, hot.turn(other), ("x",))
    hot.open(blocked, True)
    hot.fill(other, turn, ("x",))
    assert not hot.held
    hot.fill(other, hot.turn(other), ("x",))
    assert hot.held


def test_without_hot_tables_nothing_is_looked_at() -> None:
    assert Hot().block([[Step("delete from anything", {})]]) is None
