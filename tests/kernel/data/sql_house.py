"""A node with two apps that have SQL tables, for the tests of apps' SQL."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import apsw
import msgspec

from fazt.boot import Node
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.data.sql_tables import MOST_TABLES
from kernel.storage.confined_wall import Done
from kernel.storage.confined_words import physical
from kernel.syscall.call import LOCAL
from kernel.syscall.plan import Step

APP, OTHER = "app_aaaaaaaaaaaa", "app_bbbbbbbbbbbb"
CANARY = "canary-nobody-may-see"
COLUMNS = {"id": "INTEGER PRIMARY KEY AUTOINCREMENT", "a": "TEXT", "b": "ANY"}


class House:
    def __init__(self, folder: Path) -> None:
        self.node = Node(folder / "data.db", clock=ManualClock())

    async def furnish(self) -> None:
        for app in (APP, OTHER):
            await self.js("define", "t", COLUMNS, app=app)
            await self.js("define", "u", {"id": "INTEGER PRIMARY KEY", "t_id": "INTEGER", "n": "REAL"}, app=app)
        await self.query("insert into t (a, b) values (?, 1), (?, 2), (?, 3)", ["x", "y", "z"])
        await self.query("insert into u (t_id, n) values (1, 0.5), (1, 1.5), (3, 2.5)")
        await self.query("insert into t (a, b) values (?, 9)", [CANARY], app=OTHER)
        store = self.node.store.scoped(OTHER)
        row = "insert into app_kv (app_id, key, value, updated_at, created_at) values (:app, 'k', :v, 1, 1)"
        await self.node.store.write([Step(row, {"app": store.app, "v": f'"{CANARY}"'})])

    async def refurnish(self) -> None:
        """As if it were new."""
        self.node.settings.override(MOST_TABLES.name, 50)
        for app in (APP, OTHER, "app_cccccccccccc"):
            await self.node.store.write(self.node.store.purge(app))
        await self.furnish()

    async def js(self, name: str, *arguments: Any, app: str = APP) -> Any:
        entry = self.node.registry[f"storage.rd.{name}"]
        call = self.node.driver.call(LOCAL, "js", app=app, grants=frozenset({"storage:rd"}))
        result = entry.javascript(call, msgspec.json.encode(arguments))
        return await self.node.driver.settle(entry, call, result, {})

    async def query(self, sql: str, params: Any = None, *, app: str = APP) -> Any:
        return await self.js("query", sql, *([] if params is None else [params]), app=app)

    async def refused(self, sql: str, params: Any = None, *, app: str = APP) -> str:
        """The code of the refusal; what it says must not tell how the file is made."""
        try:
            found = await self.query(sql, params, app=app)
        except FaztError as error:
            assert app not in error.message + str(error.hint), error.message
            return error.code
        raise AssertionError(f"answered {found!r:.200}: {sql[:200]}")

    @property
    def own(self) -> frozenset[str]:
        return frozenset({physical(APP, "t"), physical(APP, "u")})

    def read_bare(self, sql: str) -> Done:
        """As if the first wall were not there."""
        return self.node.store.confined.select(APP, self.own, sql, {})

    def write_bare(self, sql: str) -> Done:
        store = self.node.store
        done: Done = store.write_blocking([store.confined.change(APP, self.own, sql, {})])[0][0]
        return done

    def others(self) -> str:
        """A mark of everything in the file that is not the app's, its schema too."""
        file = apsw.Connection(str(self.node.path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            schema = file.execute("select type, name, sql from sqlite_schema order by name").fetchall()
            mark = hashlib.sha256(repr(schema).encode())
            for kind, name, _ in schema:
                if kind == "table" and name not in self.own and name != "sqlite_sequence":
                    mark.update(repr(file.execute(f'select * from "{name}"').fetchall()).encode())
            sequence = "select * from sqlite_sequence where name <> ? order by name"
            mark.update(repr(file.execute(sequence, (physical(APP, "t"),)).fetchall()).encode())
            return mark.hexdigest()
        finally:
            file.close()

    async def works(self) -> None:
        """The writer goes on, for the app and for others."""
        assert self.node.store.writer.alive
        assert (await self.query("update t set b = b where id = 1"))["changes"] == 1
        assert not self.node.store.writer.connection.in_transaction

    def close(self) -> None:
        self.node.close()
