"""Steps of the scope trial: several operations as one."""

from __future__ import annotations

import copy
from typing import Any

from tests.kernel.data.scope_documents import Documents
from tests.kernel.data.scope_steps import COUNTERS, KEYS, LOGIN, OBJECTS, Actor, Refused


class Batches(Documents):
    async def batch(self, actor: Actor) -> None:
        """In the name of the app, with operations on the rows of who is signed in."""
        actor = actor._replace(personal=False)
        app = self.oracle.world(actor.app)
        once = self.pick(("k", "usr_a", "%")) if self.chance(0.3) else None
        before = copy.deepcopy(self.oracle.worlds)
        operations: list[list[Any]] = []
        data, refused = b"", False
        for _ in range(self.random.randrange(1, 5)):
            personal = self.chance(0.5)
            store = self.pick(("kv.set", "kv.incr", "ds.insert", "ds.delete", "s3.put"))
            name = self.pick(("notes", "posts", "user_id"))
            world = self.oracle.meant(actor.app, actor.person, personal, name if store.startswith("ds") else None)
            if world is None:
                refused, world = True, app
            key = self.pick(KEYS)
            if store == "kv.set":
                arguments: list[Any] = [key, self.value(world)]
                world.put(key, arguments[1], self.end())
            elif store == "kv.incr":
                key = self.pick(COUNTERS)
                arguments = [key, world.number + 1]
                world.incr(key, world.number + 1, self.now(), self.end())
            elif store == "ds.insert":
                arguments = [name, self.document(world, name)]
                world.collection(name).insert(arguments[1])
            elif store == "ds.delete":
                # events go all together, and that waits for others
                refused = refused or self.is_streamed(actor._replace(personal=personal), name)
                arguments = [name, {"mk": self.pick(self.oracle.marks())}]
                world.collection(name).delete(arguments[1])
            else:
                key, bytes = self.pick(OBJECTS), f"{world.mark} in a batch".encode()
                # where objects lie outside, a batch cannot have them
                refused = refused or self.is_outside(actor.app)
                arguments = [len(bytes), key, "text/plain"]
                data += bytes
                world.objects[key] = bytes, "text/plain"
            operations.append([f"user.{store}" if personal else store, *arguments])
        options = [{"once": once}] if once else []
        found = await self.ask(actor, "batch", operations, *options, data=data)
        again = once is not None and once in before[actor.app, ""].once
        if refused or again:
            self.oracle.worlds = before
            # it is said first that it has happened, or that somebody has to sign in
            allowed = [Refused("CONFLICT")] if again else []
            allowed += [LOGIN, Refused("INVALID_ARGUMENT")] if refused else []
            assert found in allowed, (actor, operations, found)
            return
        if once:
            app.once.add(once)
        assert isinstance(found, list) and len(found) == len(operations), (actor, operations, found)
        marks = app.marks | (self.oracle.world(actor.app, actor.person).marks if actor.person else set())
        assert not app.foreign(found) - marks, (actor, operations, found)
