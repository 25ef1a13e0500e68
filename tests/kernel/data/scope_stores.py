"""Steps of the scope trial: keys, objects, vectors and tables in SQL."""

from __future__ import annotations

from typing import Any

from tests.kernel.data.scope_oracle import World
from tests.kernel.data.scope_steps import COUNTERS, IDS, KEYS, OBJECTS, PREFIXES, Actor, Refused, Steps

SQL = {
    "put": "insert into t (k, v) values (?, ?) on conflict (k) do update set v = excluded.v",
    "get": "select v from t where k = ?",
    "all": "select k, v from t order by k",
    "drop": "delete from t where k = ?",
}
BREAKOUTS = (
    "select * from app_kv",
    "select value from main.app_kv",
    "select user_id, data from app_docs",
    "select * from {other}",
    'select * from "{other}"',
    "select * from t union all select app_id, value from app_kv",
    "select * from t where k in (select key from app_kv)",
    "insert into {other} (k, v) values ('k', 'x')",
    "update {other} set v = 'x'",
    "delete from app_kv",
    "select * from sqlite_master",
    "with t as (select * from {other}) select * from t",
    "select * from t join {other} on 1",
    "insert into t (k, v) select key, value from app_kv returning v",
    "select * from doc_text",
    "select * from pragma_table_list",
)


class Stores(Steps):
    # --- keys

    async def keys(self, actor: Actor, world: World) -> None:
        what = self.pick(("set", "set", "get", "get", "getMany", "list", "delete", "incr", "cas", "cas"))
        key, now = self.pick((*KEYS, *COUNTERS)), self.now()
        arguments: list[Any] = [key]
        if what == "set":
            key, value = self.pick(KEYS), self.value(world)
            arguments = [key, value]
            expected: Any = {"key": key}
            world.put(key, value, self.end())
        elif what == "get":
            expected = (world.get(key, now) or (None,))[0]
        elif what == "getMany":
            arguments = [self.random.sample(KEYS, 6)]
            expected = {key: kept[0] for key in arguments[0] if (kept := world.get(key, now))}
        elif what == "list":
            arguments = [self.pick(PREFIXES)]
            expected = world.listed(arguments[0], now)
        elif what == "delete":
            expected = None
            world.delete(key)
        elif what == "incr":
            key = self.pick(COUNTERS)
            arguments = [key, world.number + 1]
            expected = world.incr(key, world.number + 1, now, self.end())
        else:
            key = self.pick(KEYS)
            # what stands there for somebody else must not count
            there = self.pick(list(self.oracle.worlds.values())).get(key, now)
            mine, old, value = world.get(key, now), there[0] if there else None, self.value(world)
            expected = (mine[0] if mine else None) == old
            if expected:
                world.put(key, value, self.end())
            arguments = [key, old, value]
        found = await self.ask(actor, f"kv.{what}", *arguments)
        if what == "list":
            found = [(entry["key"], entry["value"]) for entry in found]
        self.same(found, expected, world, actor, what, arguments)

    # --- objects

    async def objects(self, actor: Actor, world: World) -> None:
        what, key = self.pick(("put", "put", "get", "get", "head", "list", "listPage", "delete")), self.pick(OBJECTS)
        arguments: list[Any] = [key]
        data: bytes | None = None
        expected: Any = None
        there = world.objects.get(key)
        if what == "put":
            self.made += 1
            # at times the same bytes as others have
            data = f"{world.mark} {self.made}".encode() if self.chance(0.7) else b"everybody's"
            mime = self.pick(("text/plain", "image/png"))
            arguments.append(mime)
            world.objects[key] = data, mime
            expected = key, len(data), mime
        elif what == "delete":
            world.objects.pop(key, None)
        elif what == "get":
            expected = there and (there[0], there[1])
        elif what == "head":
            expected = there and (key, len(there[0]), there[1])
        else:
            arguments = [self.pick(("", "a/", "user", "%", "k"))]
            expected = sorted(key for key in world.objects if key.startswith(arguments[0]))
        found = await self.ask(actor, f"s3.{what}", *arguments, data=data)
        if what == "listPage":
            found = found["items"]
        if isinstance(found, list):
            found = [one["key"] for one in found]
        elif isinstance(found, dict):
            found = found["key"], found["size"], found["mime"]
        self.same(found, expected, world, actor, what, arguments)

    # --- what is the app's only

    async def vectors(self, actor: Actor) -> None:
        actor = actor._replace(personal=False)
        world, name, id = self.oracle.world(actor.app), self.pick(("v", "user_id")), self.pick(IDS)
        what = self.pick(
            ("createCollection", "addDocuments", "addDocuments", "addDocuments", "get", "list", "listIds", "count")
            + ("delete", "queryEmbedding", "queryEmbedding", "getByMetadata", "deleteByMetadata", "listCollections")
            + (("clear", "deleteCollection") if self.chance(0.2) else ())
        )
        mine = world.vectors.get(name)
        point = [self.random.randrange(1, 9), self.random.randrange(1, 9)]
        mark = self.pick(self.oracle.marks())
        arguments: dict[str, list[Any]] = {
            "createCollection": [name, {"dimensions": 2}],
            "addDocuments": [
                name,
                [{"id": id, "pageContent": world.mark, "metadata": {"mk": world.mark}, "embedding": point}],
            ],
            "get": [name, id],
            "delete": [name, id],
            "queryEmbedding": [name, point, {"limit": 100}],
            "getByMetadata": [name, {"mk": mark}],
            "deleteByMetadata": [name, {"mk": mark}],
            "listCollections": [],
        }
        given = arguments.get(what, [name])
        found = await self.ask(actor, f"vector.{what}", *given)
        said = (actor, what, given, found)
        if what == "listCollections":
            self.same(
                {one["name"]: one["documentCount"] for one in found},
                {n: len(v) for n, v in world.vectors.items()},
                world,
                *said,
            )
            return
        if what == "createCollection":
            assert isinstance(found, Refused) == (mine is not None), said
            world.vectors.setdefault(name, {})
            return
        if mine is None:
            assert found == Refused("NOT_FOUND"), said
            return
        assert not world.foreign(found), said
        if what == "addDocuments":
            mine[id] = world.mark
        elif what == "get":
            assert (found is not None) == (id in mine), said
        elif what == "count":
            assert found == len(mine), said
        elif what == "delete":
            assert found == (mine.pop(id, None) is not None), said
        elif what in ("clear", "deleteCollection"):
            mine.clear()
            if what == "deleteCollection":
                del world.vectors[name]
        elif what == "deleteByMetadata":
            gone = [id for id, whose in mine.items() if whose == mark]
            assert found == len(gone), said
            for id in gone:
                del mine[id]
        else:
            ids = found if what == "listIds" else [one["id"] for one in found]
            wanted = [id for id, whose in mine.items() if what != "getByMetadata" or whose == mark]
            assert sorted(ids) == sorted(wanted), said

    async def tables(self, actor: Actor) -> None:
        actor = actor._replace(personal=False)
        world = self.oracle.world(actor.app)
        if world.table is None:
            if self.chance(0.5):
                # a statement that somebody else's tables would allow
                found = await self.ask(actor, "rd.query", SQL["all"])
                assert isinstance(found, Refused), (actor, found)
                return
            await self.ask(actor, "rd.define", "t", {"k": "TEXT PRIMARY KEY", "v": "TEXT"})
            world.table = {}
        what, key, rows = self.pick(("put", "put", "get", "all", "drop", "out", "tables")), self.pick(KEYS), world.table
        if what == "out":
            other = self.pick([app for app in self.oracle.own if app != actor.app])
            sql = self.pick(BREAKOUTS).format(other=f"rd_{other}_t")
            found = await self.ask(actor, "rd.query", sql)
            assert isinstance(found, Refused), (actor, sql, found)
        elif what == "tables":
            found = await self.ask(actor, "rd.tables")
            self.same([(one["name"], one["rows"]) for one in found], [("t", len(rows))], world, actor, what)
        elif what == "put":
            self.made += 1
            value = f"{world.mark} {self.made}"
            found = await self.ask(actor, "rd.query", SQL["put"], [key, value])
            assert found["changes"] == 1
            rows[key] = value
        elif what == "drop":
            found = await self.ask(actor, "rd.query", SQL["drop"], [key])
            assert found["changes"] == (rows.pop(key, None) is not None), (actor, key, found)
        else:
            found = await self.ask(actor, "rd.query", SQL[what], *([[key]] if what == "get" else []))
            expected = [{"v": rows[key]}] if what == "get" and key in rows else []
            if what == "all":
                expected = [{"k": key, "v": rows[key]} for key in sorted(rows)]
            self.same(found, expected, world, actor, what, key)
