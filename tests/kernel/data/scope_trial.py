"""Two apps and their people, who do the same things under the same names, and see their own rows only.

Each call is made as `kernel/runtime/services.py` makes it for an app's code, some as the owner makes them from
outside. Indexes, the search index and the buffers of streams come and go meanwhile.
"""

from __future__ import annotations

import asyncio
import collections
import random
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fazt.boot import Node
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.data import text_index
from kernel.data.collections import Declared, Said, StorageSaid
from kernel.data.text_index import Texts
from kernel.syscall.call import LOCAL
from kernel.syscall.plan import Page, Parcel
from tests.kernel.data.scope_batches import Batches
from tests.kernel.data.scope_oracle import Oracle, World
from tests.kernel.data.scope_steps import COLLECTIONS, LOGIN, PEOPLE, Actor, Refused
from tests.kernel.data.scope_stores import Stores

SAYS = (
    {"notes": Said(scope="user", index=["n"]), "posts": Said(index=["n", "mk"]), "events": Said(sharded=True)},
    {
        "notes": Said(index=["mk"]),
        "posts": Said(scope="user", text=["words", "mk"]),
        "events": Said(sharded=True, retention_months=12),
        "user_id": Said(sharded=True),
    },
)
FEW_DOCS = 3
PLACE = "external:s3://things/some/prefix"


class Counts(NamedTuple):
    steps: int
    refused: int
    kinds: dict[str, int]


class Says(Declared):
    def __init__(self) -> None:
        self.said: dict[str, StorageSaid] = {}

    def of(self, app: str, release: str = "") -> StorageSaid:
        return self.said.get(app, StorageSaid())


class Trial(Batches, Stores):
    def __init__(self, path: Path, seed: int, outside: str = "") -> None:
        """`outside`: the address of a bucket's server, where the second app has its objects."""
        self.path, self.seed, self.outside = path, seed, outside
        self.clock, self.random, self.oracle = ManualClock(), random.Random(seed), Oracle()
        self.says, self.made, self.refused = Says(), 0, 0
        self.kinds: collections.Counter[str] = collections.Counter()
        self.apps: list[str] = []
        self.people: tuple[str, ...] = PEOPLE
        self.open()

    def open(self) -> None:
        self.node = Node(self.path, clock=self.clock)
        self.node.ports.fill(self.says, Declared)
        self.node.streams._said = self.node.index_chores._said = self.says.of
        self.services = self.node.runtime.services

    async def begin(self) -> None:
        for number, said in enumerate(SAYS):
            made = await self.owner("apps.create", slug=f"app-{number}")
            s3 = PLACE if self.outside and number else "internal"
            self.says.said[made["id"]] = StorageSaid(s3=s3, collections=said)
            self.joined(made["id"], said)
        if self.outside:
            for name, value in (("endpoint", self.outside), ("access_key", "name"), ("secret_key", "secret")):
                await self.owner("config.set", name=f"s3.{name}", value=value)
        await self.furnish()

    def joined(self, app: str, said: dict[str, Said]) -> None:
        self.apps.append(app)
        self.oracle.own[app] = {name for name, one in said.items() if one.scope == "user"}
        for person in ("", *self.people):
            self.oracle.world(app, person)

    async def furnish(self) -> None:
        """Everybody has something of the same names."""
        for app, user in list(self.oracle.worlds):
            actor = Actor(app, user, bool(user))
            for name in COLLECTIONS:
                world = self.oracle.meant(*actor, name)
                for _ in range(FEW_DOCS if world else 0):
                    doc = self.document(world, name, self.is_streamed(actor, name))
                    world.collection(name).insert(doc)
                    assert await self.ask(actor, "ds.insert", name, doc) == doc["id"]

    async def furnish_app(self, app: str) -> None:
        """Something of every kind, whatever happened before."""
        actor, world = Actor(app), self.oracle.world(app)
        operations = [
            ["kv.set", "k", {"mk": world.mark}],
            ["user.kv.set", "k", {"mk": self.oracle.world(app, "usr_a").mark}],
        ]
        assert await self.ask(Actor(app, "usr_a"), "batch", operations, {"once": "furnished"})
        world.once.add("furnished")
        for one in (world, self.oracle.world(app, "usr_a")):
            one.kv["k"] = {"mk": one.mark}
        while world.table is None:
            await self.tables(actor)
        while not any(world.vectors.values()):
            await self.vectors(actor)
        while not world.objects:
            await self.objects(actor, world)
        await self.owner("storage.ds.indexes.add", app, collection="a.b-c", field="app_id")
        # the search index is made for who searches
        await self.ask(actor, "ds.find", "a.b-c", {"$text": "common"})

    async def close(self) -> None:
        await self.node.s3.close()
        await self.node.stop()
        self.node.close()

    def now(self) -> int:
        return self.clock.now()

    def streamed(self, app: str) -> set[str]:
        return {name for name, one in self.says.of(app).collections.items() if one.sharded}

    def is_outside(self, app: str) -> bool:
        return self.says.of(app).s3 != "internal"

    # --- how the program is asked

    async def ask(self, actor: Actor, name: str, *arguments: Any, data: bytes | None = None) -> Any:
        """As an app's code does it."""
        entry = self.node.registry[f"storage.{_named(name, self.node)}"]
        call = self.services.call(actor.app, "", "", actor.person, actor.personal)
        try:
            result = entry.javascript(call, msgspec.json.encode(arguments), data)
            found = plain(await self.node.driver.settle(entry, call, result, {}))
        except FaztError as error:
            self.refused += 1
            self.judged(actor, f"{error.message} {error.hint} {error.details!r}", arguments)
            return Refused(error.code)
        if name in ("kv.set", "s3.delete", "kv.delete"):
            return {"key": found["key"]} if found else None
        return found

    def judged(self, actor: Actor, told: str, arguments: Any) -> None:
        """What is said of a mistake tells nothing of others, beyond what was asked."""
        mine = self.oracle.world(actor.app).marks
        if actor.person:
            mine = mine | self.oracle.world(actor.app, actor.person).marks
        asked = repr(arguments)
        foreign = {mark for mark in self.oracle.world(actor.app).foreign(told) - mine if mark not in asked}
        assert not foreign, (actor, arguments, told)

    async def owner(self, name: str, app: str | None = None, user: str = "", /, **values: Any) -> Any:
        """As the owner does it from outside; `user`: the rows of one of the app's people."""
        call = self.node.driver.call(LOCAL, "http", app=app, user=user)
        result = await self.node.driver.invoke(self.node.registry[name], call, values)
        return plain(result)

    # --- steps

    async def step(self) -> None:
        app, person = self.pick(self.apps), self.pick(("", *self.people, *self.people))
        actor = Actor(app, person, bool(person) and self.chance(0.5))
        world = self.oracle.meant(*actor)
        assert world is not None
        kind = self.pick(
            ("keys",) * 6 + ("documents",) * 8 + ("objects",) * 4 + ("batch",) * 3 + ("vectors",) * 3 + ("tables",) * 3
            + ("together", "listing", "outside_view", "upkeep", "indexes")
        )  # fmt: skip
        self.kinds[kind] += 1
        if kind in ("keys", "objects", "listing"):
            await getattr(self, kind)(actor, world)
        elif kind == "documents":
            await self.documents(actor, self.pick(COLLECTIONS))
        elif kind in ("batch", "vectors", "tables"):
            await getattr(self, kind)(actor)
        elif kind == "together":
            await self.together()
        else:
            await getattr(self, kind)(app, world.user)

    async def together(self) -> None:
        """All of them at the same moment."""
        worlds = [(Actor(app, user, bool(user)), world) for (app, user), world in self.oracle.worlds.items()]
        self.random.shuffle(worlds)
        await asyncio.gather(*[self.pick((self.keys, self.keys, self.objects))(*one) for one in worlds])

    async def outside_view(self, app: str, user: str) -> None:
        """The same rows by other doors: pages, figures, explanations."""
        world, name = self.oracle.world(app, user), self.pick(COLLECTIONS)
        mine = world.collection(name)
        query = self.query()
        found = await self.owner("storage.ds.list", app, user, collection=name, query=query, limit=1000)
        expected = mine.find(query, {})
        self.same([one["id"] for one in cleaned(found)], [one["id"] for one in expected], None, app, user, name, query)
        self.same(cleaned(found), expected, world, app, user, name, query)
        told = await self.owner("storage.ds.explain", app, user, collection=name, query=query, sort={"n": 1})
        assert not world.foreign(told) - {mark for mark in self.oracle.marks() if mark in repr(query)}, told
        if name not in self.streamed(app) or user:
            assert told["docs"] == len(mine.rows), (app, user, name, told)
        await self.usage(app)

    async def usage(self, app: str) -> None:
        await self.node.streams.write_all()
        worlds = self.oracle.of_app(app)
        shares = {one["kind"]: one["rows"] for one in (await self.owner("storage.usage", app))["kinds"]}
        expected = {
            "kv": sum(len(world.kv) for world in worlds),
            "ds": sum(len(one.rows) for world in worlds for one in world.collections.values()),
            "s3": 0 if self.is_outside(app) else sum(len(world.objects) for world in worlds),
            "vector": sum(len(one) for world in worlds for one in world.vectors.values()),
            "once": sum(len(world.once) for world in worlds),
            "rd": sum(world.table is not None for world in worlds),
        }
        assert {kind: shares[kind] for kind in expected} == expected, (app, shares, expected)

    async def upkeep(self, app: str, user: str) -> None:
        """What goes on in the background, and a restart now and then."""
        self.clock.advance(self.pick((0, 1, 61, 601)))
        await self.node.ports.use(Texts).work()
        await self.node.streams.write_all()
        await self.node.temp.sweep()
        await self.node.index_chores.work(app)
        if self.chance(0.1):
            await self.close()
            self.open()
            for world in self.oracle.worlds.values():
                world.forget_memory()

    async def indexes(self, app: str, user: str) -> None:
        what, field = self.pick(("add", "drop")), self.pick(("n", "mk", "user_id", "app_id"))
        try:
            await self.owner(f"storage.ds.indexes.{what}", app, collection=self.pick(COLLECTIONS), field=field)
        except FaztError as error:
            self.judged(Actor(app), str(error), field)
        await self.node.index_chores.work(self.pick(self.apps))

    # --- everything

    async def compare(self) -> None:
        for (app, user), world in list(self.oracle.worlds.items()):
            await self.compare_one(Actor(app, user, bool(user)), world)
        for app in self.apps:
            await self.usage(app)

    async def compare_one(self, actor: Actor, world: World) -> None:
        found = [(one["key"], one["value"]) for one in await self.ask(actor, "kv.list")]
        self.same(found, world.listed("", self.now()), world, actor)
        await self.listing(actor, world)
        for name, mine in world.collections.items():
            if not actor.personal and name in self.oracle.own[actor.app]:
                assert await self.ask(actor, "ds.find", name) == LOGIN, (actor, name)
                continue
            found = await self.ask(actor, "ds.find", name, {}, {"order": "asc"})
            self.same(found, [mine.shown(row) for row in mine.rows], world, actor, name)
        keys = [one["key"] for one in await self.ask(actor, "s3.list")]
        self.same(keys, sorted(world.objects), world, actor)
        for key, (data, mime) in world.objects.items():
            self.same(await self.ask(actor, "s3.get", key), (data, mime), None, actor, key)
        if actor.personal:
            return
        rows = await self.ask(actor, "rd.query", "select k, v from t order by k")
        expected = (
            [{"k": key, "v": world.table[key]} for key in sorted(world.table)] if world.table is not None else None
        )
        assert isinstance(rows, Refused) if expected is None else rows == expected, (actor, rows)
        for name, mine_ in world.vectors.items():
            assert sorted(await self.ask(actor, "vector.listIds", name)) == sorted(mine_), (actor, name)

    # --- apps that come and go

    async def fork(self, app: str, with_users: bool) -> str:
        made = await self.owner("apps.fork", app, with_users=with_users)
        fork: str = made["id"]
        self.says.said[fork] = StorageSaid(collections=self.says.of(app).collections)
        self.oracle.fork(app, fork, with_users)
        self.apps.append(fork)
        for person in self.people:
            self.oracle.world(fork, person)
        return fork

    async def purge(self, app: str) -> None:
        await self.owner("apps.delete", app, purge=True, confirm=app)
        self.oracle.purge(app)
        self.oracle.own.pop(app)
        self.apps.remove(app)


def _named(name: str, node: Node) -> str:
    """`listPage` in JavaScript is `list_page` in the registry."""
    return {"s3.listPage": "s3.list_page"}.get(name, name)


def plain(found: Any) -> Any:
    """An answer as JavaScript has it; the times of documents aside, which the oracle does not know."""
    if found is msgspec.UNSET:
        return None
    if isinstance(found, Parcel):
        return found.data, found.mime
    if isinstance(found, Page):
        found = found.items
    return cleaned(msgspec.json.decode(encode(found)))


def cleaned(found: Any) -> Any:
    if isinstance(found, list):
        return [cleaned(one) for one in found]
    if isinstance(found, dict):
        return {name: value for name, value in found.items() if name not in ("_createdAt", "_updatedAt")}
    return found


async def run(folder: Path, seed: int, steps: int, outside: str = "") -> Counts:
    """So many steps; what is wrong is an AssertionError that begins with the seed."""
    usual, text_index.LEAST_DOCS = text_index.LEAST_DOCS, FEW_DOCS
    trial = Trial(folder / f"scopes-{seed}.db", seed, outside)
    done = 0
    try:
        await trial.begin()
        while done < steps:
            await trial.step()
            done += 1
        await trial.compare()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, step {done}: {error}") from error
    finally:
        text_index.LEAST_DOCS = usual
        await trial.close()
    return Counts(done, trial.refused, dict(trial.kinds))
