"""Documents in a file of their own, as the document store keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import apsw

from kernel.base.tables import by_name, expand
from kernel.data import doc_functions, text
from kernel.data.doc_order import COLUMNS, NEWEST, Ordering, found
from kernel.data.doc_paths import MISSING, parse, value_at
from kernel.data.doc_query import compiled, encoded
from kernel.data.doc_tables import MIGRATIONS

HOME: dict[str, Any] = {"app": "a", "user": "", "collection": "c"}
NO_SLOTS: Mapping[str, int] = {}


class File:
    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        for migration in MIGRATIONS:
            self.connection.execute(migration.sql)
        functions: dict[str, Any] = {**doc_functions.FUNCTIONS, **text.FUNCTIONS}
        for name, function in functions.items():
            self.connection.create_scalar_function(name, function, deterministic=True)

    def put(self, docs: Iterable[Any], slots: Mapping[str, int] = NO_SLOTS, app: str = "a") -> None:
        names = ["id", "data", "created_at", "updated_at", *(f"i{slot}" for slot in slots.values())]
        paths = [parse(name).segments for name in slots]
        rows = []
        for number, doc in enumerate(docs):
            held = [None if value is MISSING else encoded(value) for value in (value_at(doc, path) for path in paths)]
            rows.append((f"d{number}", json.dumps(doc), 1000 + number, 2000, *held))
        marks = ", ".join("?" * len(names))
        sql = f"insert into app_docs (app_id, collection, {', '.join(names)}) values ('{app}', 'c', {marks})"
        with self.connection:
            self.connection.executemany(sql, rows)
            self.connection.execute(
                """insert into app_collections (app_id, name, docs, bytes, created_at)
select app_id, collection, count(*), 0, 1 from app_docs where true group by app_id, collection
on conflict do update set docs = excluded.docs"""
            )

    def rows(self, sql: str, params: Mapping[str, Any]) -> list[Any]:
        return list(self.connection.execute(expand(sql, by_name), {**params, **HOME}))

    def plan(self, sql: str, params: Mapping[str, Any]) -> str:
        return "\n".join(row[3] for row in self.rows(f"explain query plan {sql}", params))

    def ids(self, query: Any, slots: Mapping[str, int] = NO_SLOTS) -> list[str]:
        which = compiled(query, slots)
        sql = f"select id from {{app_docs}} where collection = :collection and {which.sql} order by seq"
        return [row[0] for row in self.rows(sql, which.params)]

    def find(
        self,
        query: Any,
        ordering: Ordering = NEWEST,
        slots: Mapping[str, int] = NO_SLOTS,
        limit: int = -1,
        offset: int = 0,
    ) -> list[str]:
        sql, params = self.found(query, ordering, slots)
        return [row[0] for row in self.rows(sql, {**params, "limit": limit, "offset": offset})]

    def found(self, query: Any, ordering: Ordering, slots: Mapping[str, int]) -> tuple[str, dict[str, Any]]:
        which = found(compiled(query, slots), ordering, slots)
        return f"select {COLUMNS} from {{app_docs}} where collection = :collection and {which.sql}", which.params
