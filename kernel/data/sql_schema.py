"""Tables as apps define them: a type and a few constraints by column, made of fixed words only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.base.json import decode, to_text
from kernel.storage.confined_words import INDEX

MOST_COLUMNS, MOST_INDEXES = 100, 10
NAME = re.compile(r"[a-z_][a-z0-9_]{0,47}")
# what SQLite is told; columns of any type keep every value as it is
TYPES = {
    "TEXT": "TEXT",
    "INTEGER": "INTEGER",
    "INT": "INTEGER",
    "BOOLEAN": "INTEGER",
    "REAL": "REAL",
    "BLOB": "BLOB",
    "NUMERIC": "NUMERIC",
    "JSON": "TEXT",
    "ANY": "",
}
_MOMENTS = ("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME")
_TYPE = re.compile(rf"\s*({'|'.join(TYPES)})\b", re.IGNORECASE)
_CONSTRAINT = re.compile(
    rf"""\s*(?:(?P<key>PRIMARY\s+KEY(?P<auto>\s+AUTOINCREMENT)?)|(?P<filled>NOT\s+NULL)|(?P<unique>UNIQUE)
|COLLATE\s+(?P<collate>NOCASE|BINARY|RTRIM)
|DEFAULT\s+(?P<default>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?|'(?:[^'\x00]|'')*'|NULL|TRUE|FALSE|{"|".join(_MOMENTS)}))
(?=\s|$)""",
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)


class Column(Struct, omit_defaults=True):
    """One column. `type` is the app's word for it."""

    name: str
    type: str
    key: bool = False
    auto: bool = False
    filled: bool = False
    unique: bool = False
    collate: str = ""
    default: str = ""

    def sql(self) -> str:
        return " ".join([f'"{self.name}"', *self._words(TYPES[self.type])])

    def said(self) -> str:
        return " ".join(self._words(self.type))

    def _words(self, kind: str) -> list[str]:
        words = [kind] * bool(kind)
        words += ["primary key"] * self.key + ["autoincrement"] * self.auto + ["not null"] * self.filled
        words += ["unique"] * self.unique
        return (
            words + [f"collate {self.collate}"] * bool(self.collate) + [f"default {self.default}"] * bool(self.default)
        )


class Index(Struct):
    columns: list[str]
    unique: bool = False

    def name(self, table: str) -> str:
        mark = hashlib.sha256(to_text([table, self.columns, self.unique]).encode()).hexdigest()[:16]
        return f"{INDEX}{table}_{mark}"

    def sql(self, table: str) -> str:
        columns = ", ".join(f'"{name}"' for name in self.columns)
        return f'create {"unique " * self.unique}index "{self.name(table)}" on "{table}" ({columns})'


class Definition(Struct):
    columns: list[Column]
    indexes: list[Index] = []

    def text(self) -> str:
        return to_text(self)

    @classmethod
    def of(cls, text: str) -> Definition:
        return decode(text, type=cls)

    def create(self, table: str) -> list[str]:
        columns = ", ".join(column.sql() for column in self.columns)
        return [f'create table "{table}" ({columns})', *(index.sql(table) for index in self.indexes)]


def wrong(message: str, hint: str | None = None) -> FaztError:
    return FaztError("INVALID_ARGUMENT", message, hint, field="columns")


def conflict(message: str, hint: str) -> FaztError:
    return FaztError("SCHEMA_CONFLICT", message, hint)


def parsed(columns: Any) -> list[Column]:
    """The columns that an app defines: {name: "TYPE constraints"}."""
    if not isinstance(columns, Mapping) or not columns:
        raise wrong("columns: names and types are wanted.", 'Write {"id": "INTEGER PRIMARY KEY", "title": "TEXT"}.')
    if len(columns) > MOST_COLUMNS:
        raise FaztError("LIMIT_EXCEEDED", f"A table may have {MOST_COLUMNS} columns.", most=MOST_COLUMNS)
    made = [_column(name, said) for name, said in columns.items()]
    if sum(column.key for column in made) > 1:
        raise wrong("A table has one PRIMARY KEY column.", "For several together, use rd.index with unique.")
    return made


def _column(name: Any, said: Any) -> Column:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise wrong(f"{ascii(name)[:60]}: a column is named with small letters, digits and _, at most 48.")
    if not isinstance(said, str) or len(said) > 4096 or not said.isprintable():
        raise wrong(f"{name}: a column is a type and its constraints, as text.")
    kind = _TYPE.match(said)
    if not kind:
        raise wrong(f"{name}: the type is one of {', '.join(TYPES)}.")
    made, at = Column(name, kind[1].upper()), kind.end()
    while said[at:].strip():
        found = _CONSTRAINT.match(said, at)
        if not found:
            raise wrong(
                f"{name}: {said[at:].strip()[:40]!a} is not understood.",
                "Known are PRIMARY KEY [AUTOINCREMENT], NOT NULL, UNIQUE, COLLATE, DEFAULT with a plain value.",
            )
        made.key, made.auto = made.key or bool(found["key"]), made.auto or bool(found["auto"])
        made.filled, made.unique = made.filled or bool(found["filled"]), made.unique or bool(found["unique"])
        made.collate = (found["collate"] or made.collate).upper()
        default = found["default"] or made.default
        made.default = default if default.startswith("'") else default.upper()
        at = found.end()
    if made.auto and made.type != "INTEGER":
        raise wrong(f"{name}: AUTOINCREMENT is for INTEGER PRIMARY KEY.")
    return made


def added(known: Sequence[Column], wanted: Sequence[Column]) -> list[Column]:
    """The columns that are new. A table only grows."""
    now = {column.name: column for column in wanted}
    for column in known:
        if column.name not in now:
            raise conflict(f"The column {column.name} would be lost.", "Name every column that is there.")
        if now[column.name] != column:
            said = f"The column {column.name} is {column.said()}, not {now[column.name].said()}."
            raise conflict(said, "Make a new column, or a new table.")
    names = {column.name for column in known}
    fresh = [column for column in wanted if column.name not in names]
    for column in fresh:
        if column.key or column.unique:
            hint = "Make it without, then rd.index(table, [column], {unique: true})."
            raise conflict(f"The column {column.name}: PRIMARY KEY and UNIQUE come with the table.", hint)
        if (column.filled and column.default in ("", "NULL")) or column.default in _MOMENTS:
            hint = "Give it DEFAULT and a plain value."
            raise conflict(f"The column {column.name} would have no value in the rows that are there.", hint)
    return fresh
