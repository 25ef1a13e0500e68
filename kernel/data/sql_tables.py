"""The tables that apps have defined: what is kept of them, and how they come and go in the file."""

from __future__ import annotations

from collections.abc import Callable

from kernel.base.errors import FaztError
from kernel.base.settings import Setting
from kernel.base.tables import Across, Migration, Patch, Read, Table
from kernel.data.quota import Tally
from kernel.data.sql_schema import MOST_INDEXES, Column, Definition, Index, added, wrong
from kernel.storage.confined import Growth
from kernel.storage.confined_words import physical
from kernel.syscall.call import Scoped

MOST_TABLES = Setting("limits.storage.rd.maxTablesPerApp", int, 50, "SQL tables an app may define.", least=0, most=1000)


class Besides:
    """The tables themselves go with the rows that describe them."""

    def purge(self, store: Scoped) -> list[str]:
        return [f'drop table if exists "{physical(store.app, name)}"' for name, _ in store.all(DEFINITIONS)]

    def copy(self, store: Scoped, to: str) -> list[str]:
        made: list[str] = []
        for name, definition in store.all(DEFINITIONS):
            known = Definition.of(definition)
            old, new = physical(store.app, name), physical(to, name)
            columns = ", ".join(f'"{column.name}"' for column in known.columns)
            made += known.create(new)
            made.append(f'insert into "{new}" ({columns}) select {columns} from "{old}" order by rowid')
        return made


SQL_TABLES = Table("app_sql_tables", ("name", "definition", "bytes", "updated_at"), key=("name",), beside=Besides())
MIGRATIONS = (
    Migration(
        "sql_0001",
        """
create table app_sql_tables (app_id text not null, user_id text not null default '', name text not null,
  definition text not null, bytes integer not null default 0, updated_at integer not null, created_at integer not null,
  primary key (app_id, user_id, name)) strict, without rowid;
""",
    ),
)
NAMES = Read("select name from {app_sql_tables} order by name")
DEFINITIONS = Read("select name, definition from {app_sql_tables} order by name")
DEFINITION = Read("select definition from {app_sql_tables} where name = :name")
# what statements made the file grow by is written down with one of the tables they name
GREW = Patch(SQL_TABLES, set="bytes = bytes + :more", where="name = :name")
TALLY = Tally("rd", Across("select count(*), coalesce(sum(bytes + length(definition)), 0) from {app_sql_tables}"))


class Change:
    """A change to one table of an app, decided where nobody else changes it meanwhile."""

    def __init__(self, app: str, table: str, most: int) -> None:
        self.app, self.table, self.most = app, table, most
        self.physical = physical(app, table)

    def define(self, columns: list[Column]) -> Callable[[Scoped], Growth]:
        def decided(store: Scoped) -> Growth:
            known = self._known(store)
            if known is None:
                self._refuse_many(store)
                known = Definition(columns)
                return self._growth(store, known.create(self.physical), known)
            fresh = added(known.columns, columns)
            known.columns += fresh
            statements = [f'alter table "{self.physical}" add column {column.sql()}' for column in fresh]
            return self._growth(store, statements, known)

        return decided

    def index(self, index: Index) -> Callable[[Scoped], Growth]:
        def decided(store: Scoped) -> Growth:
            known = self._known(store)
            if known is None:
                raise no_table(self.table)
            if index in known.indexes:
                return Growth((), (), known)
            check(index, known)
            known.indexes.append(index)
            return self._growth(store, [index.sql(self.physical)], known)

        return decided

    def _growth(self, store: Scoped, statements: list[str], known: Definition) -> Growth:
        row = store.put(SQL_TABLES, name=self.table, definition=known.text(), updated_at=store.now)
        return Growth(statements, row.steps, known)

    def _known(self, store: Scoped) -> Definition | None:
        row = store.one(DEFINITION, name=self.table)
        return Definition.of(row[0]) if row else None

    def _refuse_many(self, store: Scoped) -> None:
        there = len(store.all(NAMES))
        if there >= self.most:
            hint = f"`fazt limits set {MOST_TABLES.name.removeprefix('limits.')} N` allows more."
            raise FaztError("LIMIT_EXCEEDED", f"The app already has {there} tables.", hint, most=self.most)


def check(index: Index, known: Definition) -> None:
    names = {column.name for column in known.columns}
    for name in index.columns:
        if name not in names:
            raise wrong(f"There is no column called {ascii(name)[:60]}.")
    if len(known.indexes) >= MOST_INDEXES:
        raise FaztError("LIMIT_EXCEEDED", f"A table may have {MOST_INDEXES} indexes.", most=MOST_INDEXES)


def no_table(table: str) -> FaztError:
    return FaztError("NOT_FOUND", f"There is no table called {table}.", "Make it with rd.define.")
