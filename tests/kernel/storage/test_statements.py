"""No statement reaches beyond its macros.

Every registered statement is prepared against a file in which each table has a name nobody could guess. What SQLite
itself says the statement touches must be what its macros stand for; and where the table belongs to apps, the scope must
stand in front of every mention of it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

import apsw
import apsw.ext
import pytest

from fazt.boot import PARTS, declared, functions, migrations
from kernel.base.tables import (
    MINE,
    STATEMENTS,
    TABLES,
    Across,
    Append,
    Fill,
    Naming,
    Patch,
    Read,
    Remove,
    Statement,
    Sweep,
    Table,
)
from kernel.data.indexes import Indexes
from kernel.storage import schema
from kernel.storage.connection import learn_distances
from kernel.storage.scoped import add_sql, count_sql, insert_sql, put_sql, uncount_sql

OURS = ("fazt.", "kernel.", "services.")
OF_THE_NODE = [s for s in STATEMENTS if s.module.startswith(OURS)]
NODE_TABLES = [t for t in declared(Table, PARTS) if t.module.startswith(OURS)]
# not a table: the values of a list that is bound
LISTS = {"json_each"}
WRITES = ("SQLITE_INSERT", "SQLITE_UPDATE", "SQLITE_DELETE")


class Scratch:
    """A file of the node whose tables all have names nobody could guess."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        learn_distances(self.connection)
        for name, function in functions().items():
            self.connection.create_scalar_function(name, function, deterministic=True)
        for name, function in Indexes().functions.items():
            self.connection.create_scalar_function(name, function)
        schema.migrate(self.connection, [schema.STORAGE, *migrations()], 1, "test")
        for (view,) in self.connection.execute("select name from sqlite_schema where type = 'view'").fetchall():
            # a table like any other to who reads it
            columns = [name for _, name, *_ in self.connection.execute(f"pragma table_info({view})")]
            key = next(table.key for table in NODE_TABLES if table.name == view)
            self.connection.execute(f"drop view {view}")
            self.connection.execute(f"create table {view} ({', '.join(columns)}, unique ({', '.join(key)}))")
        found = self.connection.execute(
            """select name, type from pragma_table_list
where schema = 'main' and type in ('table', 'virtual') and name not like 'sqlite_%'"""
        ).fetchall()
        self.names = {name: "t" + secrets.token_hex(8) for name, _ in found}
        for name, unguessable in self.names.items():
            self.connection.execute(f"alter table {name} rename to {unguessable}")
        for name, kind in found:
            if kind == "virtual":
                # it reads its own settings once
                self.connection.execute(f"select 1 from {self.names[name]} limit 0")

    def name(self, table: Table) -> str:
        return self.names[table.name]

    def ask(self, sql: str) -> apsw.ext.QueryDetails:
        return apsw.ext.query_info(self.connection, sql, actions=True)

    def touched(self, details: apsw.ext.QueryDetails) -> set[str]:
        """Everything read or written that is no name of the statement's own (a `with` table, a subquery)."""
        own = {action.trigger_or_view for action in details.actions or [] if action.trigger_or_view}
        return {action.table_name for action in details.actions or [] if action.table_name} - own


def problems(statement: Statement, scratch: Scratch) -> list[str]:
    """What a statement does that it should not; empty when it is well."""
    sql = statement.render(scratch.name)
    try:
        details = scratch.ask(sql)
    except apsw.Error as error:
        return [f"cannot be prepared: {error}"]
    physical = {scratch.name(table) for table in statement.tables}
    found = [f"touches {name}" for name in sorted(scratch.touched(details) - physical - LISTS)]
    if details.query_remaining:
        found.append("is more than one statement")
    bound = {name for name in details.bindings_names if name}
    for table in statement.tables:
        if table.scope == "app" and not isinstance(statement, Sweep):
            found += _unscoped(sql, scratch.name(table), bound, isinstance(statement, Across))
    if _leaves_its_brackets(getattr(statement, "where", "")):
        found.append("has a condition that leaves its brackets")
    changed = {(a.table_name, a.column_name) for a in details.actions or [] if a.action_name == "SQLITE_UPDATE"}
    found += [f"moves a row to another {column}" for _, column in changed if column in ("app_id", "user_id")]
    return found + _beyond_its_kind(statement, details, scratch)


def _leaves_its_brackets(condition: str) -> bool:
    depth = 0
    for found in re.finditer(r"'(?:[^']|'')*'|[()]", condition):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth < 0:
            return True
    return depth != 0


def _unscoped(sql: str, physical: str, bound: set[str], across: bool) -> list[str]:
    """Every mention of an app's table must carry the scope, and the scope its two parameters."""
    if across:
        found = [] if "app" in bound else ["does not bind :app"]
        scoped = len(re.findall(rf"from {physical} where app_id = :app\)", sql))
        return found if scoped == sql.count(physical) else [*found, f"mentions its table outside of its scope: {sql}"]
    found = [] if {"app", "user"} <= bound else ["does not bind :app and :user"]
    scopes = (
        rf"from {physical} where {re.escape(MINE)}\)",
        rf"^delete from {physical} where {re.escape(MINE)} and \(",
        rf"^update {physical} set .* where {re.escape(MINE)} and \(",
        rf"^insert into {physical} \(app_id, user_id, created_at[\w, ]*\) (?:select |values \():app, :user, :now, ",
    )
    scoped = sum(len(re.findall(pattern, sql, re.DOTALL)) for pattern in scopes)
    if scoped != sql.count(physical):
        found.append(f"mentions its table {sql.count(physical)} times, {scoped} times in its scope")
    return found


def _beyond_its_kind(statement: Statement, details: apsw.ext.QueryDetails, scratch: Scratch) -> list[str]:
    written = {(a.action_name, a.table_name) for a in details.actions or [] if a.action_name in WRITES}
    kind = type(statement)
    if kind in (Read, Across):
        return [] if details.is_readonly and not written else ["writes"]
    if kind is Append:
        wanted = {
            (verb, scratch.name(table))
            for table in statement.tables
            for verb in ("SQLITE_INSERT", "SQLITE_UPDATE")
            if table.scope == "node"
        }
        return [] if written and written <= wanted else ["writes what it should not"]
    if kind is Fill:
        own = {(verb, scratch.name(statement.table)) for verb in ("SQLITE_INSERT", "SQLITE_UPDATE")}  # type: ignore[attr-defined]
        return [] if written and written <= own else ["writes what it should not"]
    verb = {Patch: "SQLITE_UPDATE", Remove: "SQLITE_DELETE", Sweep: "SQLITE_DELETE"}.get(kind)
    if verb is None:
        return [f"is a {kind.__name__}, which nobody knows"]
    return [] if written == {(verb, scratch.name(statement.table))} else ["writes what it should not"]  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def scratch() -> Scratch:
    return Scratch()


# --- the statements of the node ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", OF_THE_NODE, ids=lambda s: f"{s.module}: {s.sql[:50]}")
def test_a_statement_touches_what_its_macros_stand_for_and_only_in_its_scope(
    statement: Statement, scratch: Scratch
) -> None:
    assert problems(statement, scratch) == []


def test_there_are_statements_of_every_kind_and_tables_of_both_scopes() -> None:
    assert {type(statement) for statement in OF_THE_NODE} >= {Read, Patch, Remove, Sweep, Append, Fill}
    assert {table.scope for table in NODE_TABLES} == {"app", "node"}
    assert {table.name for table in NODE_TABLES} <= set(TABLES)


def twin_of(table: Table, scratch: Scratch) -> Table:
    """The table as if it had been declared under its unguessable name."""
    twin = Table(scratch.name(table), table.columns, table.key, table.scope, table.counted, table.module)
    del TABLES[twin.name]
    return twin


VERBS = [
    pytest.param(table, made, id=f"{table.name} {made.__name__}")
    for table in NODE_TABLES
    for made in (insert_sql, put_sql, add_sql)
    # a table without a key has statements of its own; one of nothing but its key has nothing to add to
    if table.key and (made is not add_sql or not set(table.columns) <= set(table.key))
]


@pytest.mark.parametrize(("table", "made"), VERBS)
def test_the_stores_own_verbs_touch_their_table_and_own_their_scope(table: Table, made: Any, scratch: Scratch) -> None:
    twin = twin_of(table, scratch)
    # when a row of an app was made is said by the store, also where its readers may see it
    own = {"created_at"} if table.scope == "app" else set()
    sql = made(twin, tuple(name for name in table.columns if name not in own))
    details = scratch.ask(sql)
    assert scratch.touched(details) == {twin.name}
    if table.scope == "app":
        assert {"app", "user", "now"} <= set(details.bindings_names)
        assert "(app_id, user_id, created_at, " in sql
        assert "values (:app, :user, :now, " in sql
        changed = {a.column_name for a in details.actions or [] if a.action_name == "SQLITE_UPDATE"}
        assert not changed & {"app_id", "user_id", "created_at"}
        if made is not insert_sql:
            assert "on conflict (app_id, user_id, " in sql


COUNTED = [table for table in NODE_TABLES if table.counted]
REMOVES = [s for s in OF_THE_NODE if isinstance(s, Remove) and s.table.counted]


def in_scratch(sql: str, scratch: Scratch, *names: str) -> str:
    """The statement with unguessable names (not inside quotes, where a table's name is a value)."""
    return re.sub(rf"\b({'|'.join(names)})\b(?!')", lambda found: scratch.names[found[1]], sql)


@pytest.mark.parametrize("table", COUNTED, ids=lambda table: table.name)
def test_counting_up_looks_at_the_rows_of_the_caller_and_touches_his_count(table: Table, scratch: Scratch) -> None:
    sql = in_scratch(count_sql(table), scratch, table.name, "usage")
    details = scratch.ask(sql)
    assert scratch.touched(details) == {scratch.name(table), scratch.names["usage"]}
    assert {(a.action_name, a.table_name) for a in details.actions or [] if a.action_name in WRITES} == {
        ("SQLITE_INSERT", scratch.names["usage"]),
        ("SQLITE_UPDATE", scratch.names["usage"]),
    }
    assert {"app", "user"} <= set(details.bindings_names)
    assert f"from {scratch.name(table)} where {MINE} and " in sql
    assert "select :app, " in sql


@pytest.mark.parametrize("change", REMOVES, ids=lambda change: change.sql)
def test_counting_down_looks_at_the_rows_of_the_caller_and_touches_his_count(change: Remove, scratch: Scratch) -> None:
    sql = in_scratch(uncount_sql(change), scratch, change.table.name, "usage")
    details = scratch.ask(sql)
    assert scratch.touched(details) - LISTS == {scratch.name(change.table), scratch.names["usage"]}
    assert {a.table_name for a in details.actions or [] if a.action_name in WRITES} == {scratch.names["usage"]}
    assert {"app", "user"} <= set(details.bindings_names)
    assert sql.count(scratch.name(change.table)) == sql.count(f"from {scratch.name(change.table)} where {MINE} and (")
    assert sql.endswith(f"where app_id = :app and name = '{change.table.name}'")


# --- that the test can fail -------------------------------------------------------------------------------------------

KV = TABLES["app_kv"]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Where a room of the kernel would write its statements; what it registers is forgotten again."""
    kept = list(STATEMENTS)
    yield {
        "__name__": "kernel.data.planted",
        "KV": KV,
        "Read": Read,
        "Patch": Patch,
        "Remove": Remove,
        "Append": Append,
        "Careless": Careless,
        "Sweep": Sweep,
        "Unscoped": Unscoped,
    }
    STATEMENTS[:] = kept


class Careless(Statement):
    """A statement made by hand that forgets whose rows it reads."""

    def __init__(self, table: Table) -> None:
        self.table = table
        super().__init__("", (table,), "kernel.data.planted")

    def render(self, naming: Naming) -> str:
        return f"select value from {naming(self.table)} where key = :key"


class Unscoped(Patch):
    """A patch that forgets it too."""

    def render(self, naming: Naming) -> str:
        return f"update {naming(self.table)} set value = :value where key = :key"


PLANTED = {
    "Read('select value from app_kv, {app_kv}')": "no such table",
    "Read('select value from {app_kv} where key in (select key from app_kv)')": "no such table",
    "Read('select password_hash from users, {app_kv}')": "no such table",
    "Read('select name, value from {app_kv}, sqlite_schema')": "touches sqlite_master",
    "Read(\"select i.name from {app_kv}, pragma_table_info('x') i\")": "touches pragma_table_info",
    "Read('select value from {app_kv} union all select app_id from usage')": "no such table",
    "Read('delete from app_kv where key in (select key from {app_kv})')": "no such table",
    "Read('select value from {app_kv}; delete from app_kv')": "more than one statement",
    "Read('with x as (select 1 from schema_migrations) select value from {app_kv}, x')": "no such table",
    "Remove(KV, where='key in (select key from app_kv)')": "no such table",
    "Remove(KV, where='1) or (1')": "leaves its brackets",
    "Patch(KV, set='value = 1', where='1) or (key = :key')": "leaves its brackets",
    "Patch(KV, set='value = (select value from app_kv)', where='1')": "no such table",
    "Patch(KV, set=\"app_id = 'app_other'\", where='key = :key')": "moves a row to another app_id",
    "Patch(KV, set='value = 1, user_id = :owner', where='key = :key')": "moves a row to another user_id",
    "Remove(KV, where='1', returning='(select count(*) from app_kv)')": "no such table",
    "Careless(KV)": "does not bind :app and :user",
    "Unscoped(KV, set='value = :value', where='key = :key')": "0 times in its scope",
}


@pytest.mark.parametrize("statement", list(PLANTED))
def test_a_statement_that_reaches_beyond_its_macros_is_found(
    statement: str, planted: dict[str, Any], scratch: Scratch
) -> None:
    made = eval(statement, planted)  # noqa: S307
    assert PLANTED[statement] in " / ".join(problems(made, scratch))


@pytest.mark.parametrize(
    "statement",
    [
        "Read('select a.value from {app_kv} a, {app_kv} b where a.key = b.key')",
        "Read('with recursive n(i) as (select 1 union all select i + 1 from n where i < 9) select i from n, {app_kv}')",
        "Read('select count(*) from (select key from {app_kv} group by key)')",
        "Patch(KV, set='value = :value', where='key = :key or key in (select key from {app_kv})')",
        "Patch(KV, set='value = (select max(value) from {app_kv})', where='1')",
        "Remove(KV, where='key = :key', returning='value')",
    ],
)
def test_a_statement_that_keeps_to_its_macros_is_well(
    statement: str, planted: dict[str, Any], scratch: Scratch
) -> None:
    assert problems(eval(statement, planted), scratch) == []  # noqa: S307
