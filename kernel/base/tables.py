"""Tables and statements as declarations. Nothing here runs SQL; `kernel/storage` does.

A table is `scope="app"` (every row belongs to an app and, where `user_id` is not empty, to one of its users) or
`scope="node"` (the node's own rows, named only by the room that declares them). Code never holds a connection:

    NOTES = Table("notes", ("id", "text"), key=("id",))
    BY_ID = Read("select text from {notes} where id = :id")
    RENAME = Patch(NOTES, set="text = :text", where="id = :id")

`{notes}` becomes the caller's rows of the table, `Patch` and `Remove` own their WHERE. Every statement is made
at import and remembered, so that a test can prepare them all against tables with unguessable names: one that
names a table outside its macros, or forgets its scope, cannot be prepared there.
"""

from __future__ import annotations

import copy
import functools
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, cast

Scope = Literal["app", "node"]
_MACRO = re.compile(r"{(\w+)}")
# what a statement leaves open: SQL that the room of the table makes, never words from outside
_HOLE = re.compile(r"\[(\w+)\]")
MOST_REMEMBERED = 8192
_RESERVED = re.compile(r":(app|user)\b")
MINE = "app_id = :app and user_id = :user"

TABLES: dict[str, Table] = {}
STATEMENTS: list[Statement] = []
# the SQL of every change to a published table
PUBLISHING: set[str] = set()


def _caller() -> str:
    frame = sys._getframe(2)
    while frame.f_globals.get("__name__") in (__name__, "dataclasses"):
        assert frame.f_back
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "?"))


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


class Beside(Protocol):
    """SQL that goes with the rows of an app, before they are removed or copied. `store`: as the writer sees them."""

    def purge(self, store: Any) -> Sequence[str]: ...
    def copy(self, store: Any, to: str) -> Sequence[str]: ...


@dataclass(frozen=True, eq=False)
class Table:
    """`counted` names the setting that limits an app's rows; the count is kept in the same batch as the rows.

    `copied`: a fork of the app gets its rows; not so where they are secrets.
    `purged`: a node table whose rows belong to the app in their `app_id`, and go with it.
    `published`: what its rows say decides what visitors see, so a change of it ends what caches remember.
    `hot`: rows asked for by key stay in memory (`kernel/storage/hot.py`); of text, whole numbers and bytes only.
    `serial`: the column in which SQLite numbers the rows of all apps; a fork's rows get numbers of their own.
    `beside`: what the rows stand for is more than rows, and is removed and copied with them.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    scope: Scope = "app"
    counted: str | None = None
    published: bool = False
    purged: bool = False
    copied: bool = True
    hot: bool = False
    serial: str = ""
    beside: Beside | None = None
    module: str = field(default_factory=_caller)

    def __post_init__(self) -> None:
        known = TABLES.get(self.name)
        if known is not None and known.module != self.module:
            raise TypeError(f"table {self.name} is already declared by {known.module}")
        if self.scope == "app" and set(self.columns) & {"app_id", "user_id"}:
            raise TypeError(f"table {self.name}: app_id and user_id belong to the store")
        TABLES[self.name] = self

    def rows(self, physical: str) -> str:
        """What `{name}` stands for."""
        if self.scope == "node":
            return physical
        return f"(select {', '.join(self.columns)} from {physical} where {MINE})"


Naming = Callable[[Table], str]


def by_name(table: Table) -> str:
    return table.name


def expand(template: str, naming: Naming) -> str:
    """The SQL of a template. A hole nobody filled is 1: a condition that always holds, the first column."""
    template = _HOLE.sub("1", template)
    return _MACRO.sub(lambda found: TABLES[found[1]].rows(naming(TABLES[found[1]])), template)


class Statement:
    """A piece of SQL with its scope built in. `sql` is ready to run; `render` writes it for other table names."""

    def __init__(self, template: str, tables: tuple[Table, ...], module: str) -> None:
        self.tables, self.module = tables, module
        if _RESERVED.search(template):
            raise TypeError(f"{module}: :app and :user are bound by the store, not by a statement")
        for table in tables:
            if table.scope == "node" and room_of(table.module) != room_of(module):
                raise TypeError(f"{module} may not name {table.name}, a table of {table.module}")
        self.sql = self.render(by_name)
        STATEMENTS.append(self)

    def render(self, naming: Naming) -> str:
        raise NotImplementedError

    def filled(self, **holes: str) -> Self:
        """The statement with SQL for its `[holes]`; made once for each filling that is in use."""
        # long ones are rare, and whoever thinks of many shall not fill the memory with them
        made = _filled if sum(map(len, holes.values())) <= MOST_REMEMBERED else _filled.__wrapped__
        return cast(Self, made(self, tuple(holes.items())))


@functools.lru_cache(2048)
def _filled(statement: Statement, holes: tuple[tuple[str, str], ...]) -> Statement:
    filling = dict(holes)
    made = copy.copy(statement)
    for name, text in vars(statement).items():
        if name in ("template", "where", "body", "returning") and isinstance(text, str):
            setattr(made, name, _HOLE.sub(lambda found: filling.get(found[1], found[0]), text))
    sql = " ".join(filling.values())
    if _RESERVED.search(sql):
        raise TypeError(":app and :user are bound by the store, not by a statement")
    added = [TABLES[name] for name in dict.fromkeys(_MACRO.findall(sql))]
    for table in added:
        if table.scope == "node" and room_of(table.module) != room_of(statement.module):
            raise TypeError(f"{statement.module} may not name {table.name}, a table of {table.module}")
    made.tables = tuple(dict.fromkeys((*statement.tables, *added)))
    made.sql = made.render(by_name)
    return made


class Read(Statement):
    """A select over `{table}` macros."""

    def __init__(self, template: str) -> None:
        self.template = template
        names = dict.fromkeys(_MACRO.findall(template))
        if not names:
            raise TypeError(f"a read without a {{table}} has no scope: {template}")
        unknown = [name for name in names if name not in TABLES]
        if unknown:
            raise TypeError(f"no table called {unknown[0]}: {template}")
        super().__init__(template, tuple(TABLES[name] for name in names), _caller())

    def render(self, naming: Naming) -> str:
        return expand(self.template, naming)


class Across(Statement):
    """A select over an app's rows, whosever they are, for the kernel's own chores in the room of the table only.

    Its rows have their `user_id`.
    """

    def __init__(self, template: str) -> None:
        self.template = template
        super().__init__(template, tuple(TABLES[name] for name in dict.fromkeys(_MACRO.findall(template))), _caller())
        if any(room_of(table.module) != room_of(self.module) for table in self.tables):
            raise TypeError(f"{self.module} may not look across tables of others: {template}")

    def render(self, naming: Naming) -> str:
        def rows(found: re.Match[str]) -> str:
            table = TABLES[found[1]]
            return f"(select user_id, {', '.join(table.columns)} from {naming(table)} where app_id = :app)"

        return _MACRO.sub(rows, self.template)


class Append(Read):
    """An insert into a node table whose values are made inside SQL; they may come from the caller's rows."""

    def __init__(self, template: str) -> None:
        super().__init__(template)
        if self.tables[0].scope != "node":
            raise TypeError(f"rows of apps are written by the store's own verbs: {template}")


class _Change(Statement):
    def __init__(self, table: Table, where: str, body: str, returning: str = "") -> None:
        self.table, self.where, self.body, self.returning = table, where, body, returning
        names = [TABLES[name] for name in dict.fromkeys(_MACRO.findall(body + where + returning))]
        super().__init__(f"{body} {where} {returning}", (table, *names), _caller())
        if table.published:
            PUBLISHING.add(self.sql)

    def render(self, naming: Naming) -> str:
        mine = "" if self.table.scope == "node" else f"{MINE} and "
        tail = f" returning {self.returning}" if self.returning else ""
        head = self.body.replace("{}", naming(self.table), 1)
        return expand(f"{head} where {mine}({self.where}){tail}", naming)


class Patch(_Change):
    """Change the caller's rows that match."""

    def __init__(self, table: Table, *, set: str, where: str, returning: str = "") -> None:
        super().__init__(table, where, f"update {{}} set {set}", returning)


class Remove(_Change):
    """Delete the caller's rows that match."""

    def __init__(self, table: Table, *, where: str, returning: str = "") -> None:
        super().__init__(table, where, "delete from {}", returning)


class Fill(Statement):
    """New rows for the caller whose values are made inside SQL, from parameters or a table function.

    `taken`: what is set instead where the key is there already.
    """

    def __init__(
        self, table: Table, *, values: dict[str, str], source: str = "", taken: str = "", returning: str = ""
    ) -> None:
        self.table = table
        own = {"app_id": ":app", "user_id": ":user", "created_at": ":now"}
        columns = {**own, **values}
        # SQLite makes one row of values in half the time that it takes for one of a select
        self.body = f"insert into {{}} ({', '.join(columns)}) {'select ' if source else 'values ('}"
        # the scope stands outside of what may have holes and is looked through for words that belong to the store
        self.scope = ", ".join(own.values())
        self.template = f"{', '.join(values.values())}{f' from {source} where true' if source else ')'}"
        if taken:
            self.template += f" on conflict (app_id, user_id, {', '.join(table.key)}) do update set {taken}"
        if returning:
            self.template += f" returning {returning}"
        # one row, the one whose key is bound
        self.keyed = not source and all(values.get(name) == f":{name}" for name in table.key)
        if table.scope == "node" or (table.counted and not self.keyed) or set(values) - set(table.columns):
            raise TypeError(f"{table.name} cannot be filled like this")
        super().__init__(self.template, (table,), _caller())

    def render(self, naming: Naming) -> str:
        return f"{self.body.replace('{}', naming(self.table), 1)}{self.scope}, {expand(self.template, naming)}"


class Sweep(Statement):
    """Delete what is due, of every app: the kernel's own chore, in the room of the table only. `due` is a time."""

    def __init__(self, table: Table, *, due: str) -> None:
        self.table, self.due = table, due
        super().__init__("", (table,), _caller())
        if room_of(table.module) != room_of(self.module):
            raise TypeError(f"{self.module} may not sweep {table.name}, a table of {table.module}")

    def render(self, naming: Naming) -> str:
        return f"delete from {naming(self.table)} where {self.due} <= :until"


@dataclass(frozen=True)
class Migration:
    """One additive step of the schema: it runs once, in its own transaction, and may never be edited afterwards."""

    name: str
    sql: str
