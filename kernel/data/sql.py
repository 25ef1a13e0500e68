"""Tables of an app's own, in SQL.

An app's statement passes two walls that know nothing of each other: it is written anew over the app's tables
(`sql_grammar`), and SQLite lets it touch nothing else (`kernel/storage/confined.py`).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from kernel.base.settings import Settings
from kernel.data.quota import room
from kernel.data.sql_schema import Definition, Index, added, parsed, wrong
from kernel.data.sql_tables import DEFINITION, DEFINITIONS, GREW, MOST_TABLES, NAMES, Change, check, no_table
from kernel.data.sql_values import bound, out
from kernel.storage.confined_wall import Done
from kernel.storage.confined_words import physical
from kernel.storage.store import Store
from kernel.syscall import Call, Json, Scan, Write, syscall
from kernel.syscall.plan import Later, Step
from kernel.syscall.words import Line, WithBlobs

# longer statements are rare, and understood each time
MOST_REMEMBERED, LONGEST_REMEMBERED = 1024, 8192


if TYPE_CHECKING:
    from kernel.data.sql_grammar import Statement


class TableName(Line):
    """The name of a table: small letters, digits and _, at most 48."""

    least, most = 1, 48
    pattern = r"[a-z_][a-z0-9_]*"
    explain = "must begin with a small letter or _ and go on with those and digits"


class ColumnShown(Struct):
    name: str
    type: str


class TableShown(Struct):
    name: str
    columns: list[ColumnShown]
    indexes: list[Index]
    rows: int | None = None


class Sql:
    """What a node needs to run apps' SQL: where it is confined, and the statements understood so far."""

    def __init__(self, store: Store) -> None:
        self.confined = store.confined
        self._known: OrderedDict[tuple[str, str], Statement] = OrderedDict()

    def known(self, app: str, text: str) -> Statement | None:
        """It stays right: tables only grow, and SQLite says so where one is gone with its app."""
        return self._known.get((app, text))

    def understood(self, app: str, tables: frozenset[str], text: str) -> Statement:
        # what takes SQL apart is large, and few apps need it
        from kernel.data.sql_grammar import understood

        made = understood(app, tables, text)
        if len(text) <= LONGEST_REMEMBERED:
            self._known[app, text] = made
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        return made


@syscall(
    "storage.rd.query",
    needs="storage:rd",
    http="POST /api/apps/{app}/storage/rd/query",
    cli="rd query <sql> <params?>",
)
def rd_query(call: Call, sql: str, params: WithBlobs = None) -> Write[Json] | Scan[Json] | Later[Json]:
    """Run one SELECT, INSERT, UPDATE or DELETE over the app's tables.

    params is a list for `?` or an object for `:name`. A SELECT, and what has RETURNING, gives its rows as objects;
    everything else {changes, lastInsertId}. A blob is {"$blob": base64} in both directions, an integer beyond 2^53
    comes as text, objects and arrays are stored as JSON text.
    """
    app, service = call.app or "", call.use(Sql)
    known = service.known(app, sql)
    if known is not None:
        return _plan(call, service, known, params)
    tables = frozenset(name for (name,) in call.store.all(NAMES))

    async def later() -> Any:
        # to take a statement apart takes its time: nobody else should have to wait for it
        made = await asyncio.to_thread(service.understood, app, tables, sql)
        return _plan(call, service, made, params)

    return Later(later)


def _plan(call: Call, service: Sql, made: Statement, params: Any) -> Write[Any] | Scan[Any]:
    app, values = call.app or "", bound(params, made.names)
    if made.kind == "select":

        def selected(_: Any) -> list[dict[str, Any]]:
            return [out(row) for row in service.confined.select(app, made.tables, made.sql, values).rows]

        return Scan((), selected)
    if made.kind != "delete":
        # whether there is any room at all
        room(call, 1)

    def counted(done: Done) -> Sequence[Step]:
        if not done.grew:
            return ()
        # how much a statement adds is known afterwards: one that adds too much is undone
        room(call, max(0, done.grew))
        name = min(made.tables).removeprefix(physical(app, ""))
        return call.store.do(GREW, more=done.grew, name=name).steps

    def told(rows: list[list[Any]]) -> Any:
        done: Done = rows[0][0]
        if made.returning:
            return [out(row) for row in done.rows]
        last = done.last_id if made.kind == "insert" and done.changes else None
        return out({"changes": done.changes, "lastInsertId": last})

    return Write([service.confined.change(app, made.tables, made.sql, values, counted)], told)


@syscall(
    "storage.rd.define",
    needs="storage:rd",
    http="POST /api/apps/{app}/storage/rd/tables -> 201",
    cli="rd define <table> <columns>",
)
def rd_define(call: Call, table: TableName, columns: Json) -> Write[TableShown]:
    """Make a table, or add columns to it: {name: "TYPE constraints"}. What is there already is fine.

    Types: TEXT INTEGER REAL BLOB NUMERIC BOOLEAN JSON ANY. Constraints: PRIMARY KEY [AUTOINCREMENT], NOT NULL, UNIQUE,
    COLLATE, DEFAULT with a plain value. A table only grows: SCHEMA_CONFLICT where a column would go or change.
    """
    wanted = parsed(columns)
    row = call.store.one(DEFINITION, name=table)
    if row is not None:
        known = Definition.of(row[0])
        if not added(known.columns, wanted):
            return Write((), lambda _: _shown(table, known))
    change = Change(call.app or "", table, call.use(Settings)[MOST_TABLES.name])
    step = call.use(Sql).confined.grow(change.app, change.define(wanted))
    return Write([step], lambda rows: _shown(table, rows[0][0]))


@syscall(
    "storage.rd.index",
    needs="storage:rd",
    http="POST /api/apps/{app}/storage/rd/indexes -> 201",
    cli="rd index <table> <columns>",
)
def rd_index(call: Call, table: TableName, columns: Json, *, unique: bool = False) -> Write[TableShown]:
    """Make an index over columns of a table, a list of names; one that is there already is fine."""
    if isinstance(columns, str):
        columns = [name.strip() for name in columns.split(",")]
    if not isinstance(columns, list) or not 1 <= len(columns) <= 10 or not all(isinstance(c, str) for c in columns):
        raise wrong("columns: a list of 1 to 10 names is wanted.", 'Write ["name"].')
    index = Index([str(column) for column in columns], unique)
    row = call.store.one(DEFINITION, name=table)
    if row is None:
        raise no_table(table)
    known = Definition.of(row[0])
    if index in known.indexes:
        return Write((), lambda _: _shown(table, known))
    check(index, known)
    change = Change(call.app or "", table, call.use(Settings)[MOST_TABLES.name])
    step = call.use(Sql).confined.grow(change.app, change.index(index))
    return Write([step], lambda rows: _shown(table, rows[0][0]))


@syscall("storage.rd.tables", needs="storage:rd", http="GET /api/apps/{app}/storage/rd", cli="rd tables")
def rd_tables(call: Call) -> Scan[list[TableShown]]:
    """The app's tables: columns, indexes, and how many rows they have."""
    app, service = call.app or "", call.use(Sql)

    def counted(rows: list[list[Any]]) -> list[TableShown]:
        shown = [_shown(name, Definition.of(text)) for name, text in rows[0]]
        for table in shown:
            there = physical(app, table.name)
            found = service.confined.select(app, frozenset({there}), f'select count(*) as n from "{there}"', {})
            table.rows = found.rows[0]["n"]
        return shown

    return call.store.scan((DEFINITIONS, {}), then=counted)


def _shown(table: str, known: Definition) -> TableShown:
    return TableShown(table, [ColumnShown(column.name, column.said()) for column in known.columns], known.indexes)
