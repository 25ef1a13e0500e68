"""Steps of the scope trial: documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.kernel.data.ds_model import Collection, Wrong
from tests.kernel.data.scope_oracle import World
from tests.kernel.data.scope_steps import IDS, LOGIN, NOBODYS, PEOPLE, Actor, Refused, Steps


class Documents(Steps):
    def document(self, world: World, name: str, streamed: bool = False) -> dict[str, Any]:
        self.made += 1
        taken = {row[1] for row in world.collection(name).rows}
        # ids that others have as well
        free = [id for id in IDS if id not in taken]
        id = self.pick(free) if free and not streamed and self.chance(0.5) else f"d{self.made}"
        words = f"common {world.mark} w{self.random.randrange(4)}"
        other, app = self.pick(PEOPLE), self.pick(list(self.oracle.own))
        return {"id": id, "mk": world.mark, "n": self.made % 7, "words": words, "user_id": other, "app_id": app}

    def query(self) -> Any:
        mark = self.pick(self.oracle.marks())
        return self.pick(
            (
                {},
                {"n": self.random.randrange(7)},
                {"n": {"$gte": self.random.randrange(7)}},
                {"mk": mark},
                {"mk": {"$in": self.oracle.marks()}},
                {"mk": {"$exists": True}, "n": {"$lt": 5}},
                {"$or": [{"mk": mark}, {"n": 1}, {"id": self.pick(IDS)}]},
                {"$nor": [{"mk": mark}]},
                {"user_id": self.pick(PEOPLE)},
                {"app_id": self.pick(list(self.oracle.own))},
                {"id": self.pick(IDS)},
                {"id": {"$in": list(IDS)}},
                {"user_id": {"$ne": "1' or 1=1 --"}},
            )
        )

    async def documents(self, actor: Actor, name: str) -> None:
        world = self.oracle.meant(*actor, name)
        what = self.pick(
            (
                *("insert", "insert", "insert", "find", "find", "findOne", "get", "update", "update", "delete"),
                *("deleteOldest", "count", "aggregate", "text"),
            )
        )
        if world is None:
            what, *arguments = self.pick(NOBODYS)
            found = await self.ask(actor, what, name, *arguments)
            assert found == LOGIN, (actor, name, what, found)
            return
        mine, streamed = world.collection(name), self.is_streamed(actor, name)
        if what == "text":
            await self.text(actor, world, name)
            return
        arguments, expected = self.planned(what, world, mine, streamed, name)
        found = await self.ask(actor, f"ds.{what}", name, *arguments)
        if isinstance(expected, list) and what == "find":
            assert [doc["id"] for doc in found] == [doc["id"] for doc in expected], (actor, name, arguments)
        self.same(found, expected, world, actor, name, what, arguments)

    def planned(self, what: str, world: World, mine: Collection, streamed: bool, name: str) -> tuple[list[Any], Any]:
        who = self.pick(IDS) if self.chance(0.5) else self.query()
        arguments: list[Any]
        method: Callable[..., Any]
        if what == "insert":
            arguments, method = [self.document(world, name, streamed)], mine.insert
            if self.chance(0.2) and not streamed:
                # one that is there already for somebody, at times for himself
                arguments = [{**arguments[0], "id": self.pick(IDS)}]
        elif what == "find":
            options = {
                "limit": self.pick((1, 5, 100)),
                "offset": self.pick((0, 0, 2)),
                "order": self.pick(("asc", "desc")),
            }
            arguments, method = [self.query(), options], mine.find
        elif what in ("findOne", "get"):
            arguments, method = [self.pick(IDS) if what == "get" else who], mine.find_one
        elif what == "update":
            changes = self.pick(({"n": 3}, {"$inc": {"n": 1}}, {"$set": {"words": f"common {world.mark} w5"}}))
            arguments, method = [who, changes], mine.update
        elif what == "delete":
            arguments, method = [who], mine.delete
        elif what == "deleteOldest":
            arguments, method = [self.random.randrange(3, 30)], mine.delete_oldest
        elif what == "count":
            arguments, method = [self.query()], lambda query: len(mine.wanted(query))
        else:
            arguments, method = [{"count": True, "sum": "n", "max": "mk", "where": self.query()}], mine.totals
        if streamed and (what == "update" or (what == "delete" and arguments[0] != {})):
            return arguments, Refused("INVALID_ARGUMENT")
        before = list(mine.rows)
        try:
            return arguments, method(*arguments)
        except Wrong as wrong:
            mine.rows = before
            return arguments, Refused(wrong.code)

    async def text(self, actor: Actor, world: World, name: str) -> None:
        word = self.pick(("common", "w1", "w5", *self.oracle.marks()))
        expected = world.about(name, word)
        query = {
            "$text": self.pick(
                (word, {"$search": word, "fields": ["words", "mk"]}, f'"{word}" OR "rowid app_id" OR nosuch*')
            )
        }
        self.same(await self.ask(actor, "ds.find", name, query), expected, world, actor, name, query)
        self.same(await self.ask(actor, "ds.count", name, query), len(expected), world, actor, name, query)

    async def listing(self, actor: Actor, world: World) -> None:
        streamed = set() if actor.personal or world.user else self.streamed(actor.app)
        expected = {name: len(c.rows) for name, c in world.collections.items() if c.rows and name not in streamed}
        found = {one["name"]: one["docs"] for one in await self.ask(actor, "ds.collections")}
        # what everybody has of his own is his where he asks for it, wherever it was written
        self.same(found, expected, world, actor, "collections")
