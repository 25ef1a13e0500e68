"""The same in the real engine, over HTTP: two apps' code, whoever is signed in, and nobody.

Nobody and the holders of keys ask the apps by their address, the others are people an app is run for.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from kernel.data import text_index
from kernel.runtime import here
from tests.kernel.data.scope_steps import NOBODYS, Actor, Refused
from tests.kernel.data.scope_trial import FEW_DOCS, SAYS, Trial, cleaned
from tests.kernel.runtime.live import Live, living

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODE = """
const told = (f) => { try { return { found: f() } } catch (e) { return { code: e.code, message: e.message } } };
// a module is loaded for everybody: in nobody's name, whoever comes first
const loaded = {
  notes: told(() => fazt.app.ds.find("notes").length),
  posts: told(() => fazt.app.ds.find("posts").length),
  user: told(() => fazt.app.user.kv.get("k") ?? null),
  batch: told(() => fazt.storage.batch([["user.kv.set", "k", 1]])),
  key: told(() => fazt.app.kv.get("k") ?? null),
};
const text = (found) => ({ text: new TextDecoder().decode(found.data), mime: found.mime });
module.exports = async (request) => {
  if (request.method !== "POST") return { loaded, user: fazt.auth.getUser()?.id ?? null };
  const { name, personal, given } = request.body;
  let node = personal ? fazt.app.user : fazt.storage, self = null;
  for (const word of name.split(".")) { self = node; node = node[word]; }
  try {
    const found = await node.apply(self, given);
    return { found: name === "s3.get" && found ? text(found) : found ?? null };
  } catch (e) {
    return { code: e.code ?? String(e), message: [e.message, e.hint, JSON.stringify(e.details)].join(" ") };
  }
};
"""


# small enough to be loaded on the event loop
LOADS = """
const told = (f) => { try { return f() } catch (e) { return e.code } };
const loaded = [told(() => fazt.app.ds.get("notes", "1")), told(() => fazt.app.user.kv.get("k"))];
module.exports = (request) => ({ loaded, mine: told(() => fazt.app.ds.get("notes", "1").mk) });
"""


class LiveTrial(Trial):
    def __init__(self, live: Live, holders: dict[str, str]) -> None:
        self.live, self.holders = live, holders
        super().__init__(live.running.node.path, random.randrange(1 << 30))
        self.people = ("usr_a", "usr_a%", *holders)
        self.slugs: dict[str, str] = {}

    def open(self) -> None:
        self.node, self.clock = self.live.running.node, self.live.running.clock

    async def begin(self) -> None:
        for number, said in enumerate(SAYS):
            app, slug = self.live.apps[f"scope-{number}"], f"scope-{number}"
            self.says.said[app] = msgspec.structs.replace(self.node.declared.of(app))
            assert self.says.said[app].collections == said
            self.slugs[app] = slug
            self.joined(app, said)
        await self.furnish()

    async def ask(self, actor: Actor, name: str, *arguments: Any, data: bytes | None = None) -> Any:
        given = list(arguments)
        if name == "batch":
            given[0] = _operations(given[0], data or b"")
        elif name == "s3.put":
            given.insert(1, (data or b"").decode())
        # the pace of keys is not what this is about
        self.clock.advance(1)
        # each is a route of its own: some are answered on the event loop, others on threads
        body = json.dumps({"name": name, "personal": actor.personal, "given": given})
        reply = await self.sent(actor, body, f"/api/{name}")
        if "code" in reply:
            self.refused += 1
            self.judged(actor, reply["message"], arguments)
            return Refused(reply["code"])
        found = cleaned(reply["found"])
        if name == "kv.set":
            return {"key": arguments[0]}
        if name == "batch" and found is None:
            return Refused("CONFLICT")
        return (found["text"].encode(), found["mime"]) if name == "s3.get" and found else found

    async def sent(self, actor: Actor, body: str | None = None, path: str = "/api") -> Any:
        slug, method = self.slugs[actor.app], "POST" if body else "GET"
        if actor.person and actor.person not in self.holders:
            said: dict[str, Any] = {"method": method, "path": path, "body": body, "as": actor.person}
            said["headers"] = {"content-type": "application/json"}
            told = await self.live.running.ask("POST", f"/api/apps/{slug}/invoke", key="*", body=said)
            assert told.status == 200, told.body
            assert told.data["status"] == 200, told.data
            return told.data["result"]
        headers = [("Content-Type", "application/json")]
        if actor.person:
            headers.append(("Authorization", f"Bearer {self.holders[actor.person]}"))
        reply = await self.live.ask(slug, method, path, headers=headers, body=body.encode() if body else None)
        assert reply.status == 200, reply.body
        return reply.json

    async def upkeep(self, app: str, user: str) -> None:
        # the node goes on: what is done now and then it does by itself
        self.clock.advance(self.pick((0, 1, 61, 601)))
        await self.node.index_chores.work(app)


def _operations(operations: list[list[Any]], data: bytes) -> list[list[Any]]:
    """As JavaScript says them: bytes stand behind the key."""
    made = []
    for name, *given in operations:
        if name.endswith("s3.put"):
            size, key, mime = given
            given, data = [key, data[:size].decode(), mime], data[size:]
        made.append([name, *given])
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trial(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveTrial]:
    usual, text_index.LEAST_DOCS = text_index.LEAST_DOCS, FEW_DOCS
    async with living(tmp_path_factory.mktemp("node")) as live:
        for number, said in enumerate(SAYS):
            storage = {"storage": {"collections": msgspec.to_builtins(said)}}
            await live.app(f"scope-{number}", {"api/main.js": CODE, "app.json": json.dumps(storage)})
        holders = {}
        for scope in ("*", "admin"):
            key = await live.running.key(scope)
            headers = [("Authorization", f"Bearer {key}")]
            holders[str((await live.ask("scope-0", headers=headers)).json["user"])] = key
        assert len(holders) == 2 and "None" not in holders, "they are somebody"
        made = LiveTrial(live, holders)
        await made.begin()
        yield made
    text_index.LEAST_DOCS = usual


async def test_no_sequence_of_requests_shows_what_is_somebody_elses(
    trial: LiveTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, here_done = here.Try.run, list[bool]()

    def counted(tried: here.Try) -> Any:
        done = run(tried)
        here_done.append(done is not None)
        return done

    monkeypatch.setattr(here.Try, "run", counted)
    for _ in range(300):
        await trial.step()
    await trial.compare()
    assert sum(here_done) > 20, "too few were answered on the event loop"
    assert len(trial.kinds) == 11, trial.kinds


async def test_many_requests_at_once_show_everybody_his_own(trial: LiveTrial) -> None:
    """The same code, the same instances, the same names: what comes back is what this one wrote, and nobody else."""

    async def goes_on(actor: Actor, mark: str) -> None:
        for n in range(6):
            value = {"mk": mark, "n": n}
            for name, given in (
                ("kv.set", ["race", value]),
                ("kv.set", ["temp:race", value]),
                ("ds.delete", ["race", "race"]),
                ("ds.insert", ["race", {"id": "race", **value}]),
            ):
                assert not isinstance(await trial.ask(actor, name, *given), Refused), (actor, name)
            for name, given in (("kv.get", ["race"]), ("kv.get", ["temp:race"])):
                assert await trial.ask(actor, name, *given) == value, (actor, name)
            assert await trial.ask(actor, "ds.find", "race", {"mk": {"$exists": True}}) == [{"id": "race", **value}], (
                actor
            )

    everybody = list(trial.oracle.worlds.items())
    await asyncio.gather(*[goes_on(Actor(app, user, bool(user)), world.mark) for (app, user), world in everybody])
    for world in trial.oracle.worlds.values():
        # as if it had never been: the model does not know of it
        actor = Actor(world.app, world.user, bool(world.user))
        for name, given in (("kv.delete", ["race"]), ("kv.delete", ["temp:race"]), ("ds.delete", ["race", {}])):
            await trial.ask(actor, name, *given)


@pytest.mark.parametrize("operation", NOBODYS, ids=lambda operation: f"{operation[0]} {operation[1:]}")
async def test_who_is_not_signed_in_has_to_sign_in(trial: LiveTrial, operation: tuple[Any, ...]) -> None:
    what, *given = operation
    app, name = trial.apps[0], "notes"
    for personal in (False, True):
        # `fazt.app.user` of any collection, `fazt.app` of those in which everybody has his own
        assert await trial.ask(Actor(app, "", personal), what, name, *given) == Refused("LOGIN_REQUIRED"), personal
    assert await trial.ask(Actor(app, "", True), "kv.get", "k") == Refused("LOGIN_REQUIRED")
    assert await trial.ask(Actor(app, "", True), "s3.get", "k") == Refused("LOGIN_REQUIRED")
    assert await trial.ask(Actor(app), "batch", [["user.kv.set", "k", 1]]) == Refused("LOGIN_REQUIRED")


async def test_a_module_is_loaded_in_nobodys_name_whoever_comes_first(trial: LiveTrial) -> None:
    for person in ("usr_a", *trial.holders, ""):
        for number, own in enumerate(("notes", "posts")):
            actor = Actor(trial.apps[number], person)
            # new code: it is loaded for this request
            slug = f"scope-{number}"
            await trial.live.release(slug, _again(number, person), warm=False)
            loaded = (await trial.sent(actor))["loaded"]
            assert loaded[own]["code"] == "LOGIN_REQUIRED", (actor, loaded)
            assert loaded["user"]["code"] in ("NO_REQUEST", "LOGIN_REQUIRED"), (actor, loaded)
            assert loaded["batch"]["code"] == "LOGIN_REQUIRED", (actor, loaded)
            mine = trial.oracle.world(actor.app)
            there = mine.get("k", trial.now())
            assert loaded["key"] == {"found": there[0] if there else None}, (actor, loaded)
            assert loaded["posts" if own == "notes" else "notes"] == {
                "found": len(mine.collection("posts" if own == "notes" else "notes").rows)
            }


async def test_nor_in_the_name_of_who_makes_the_event_loop_load_it(
    trial: LiveTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, loads = trial.live, list[str]()
    load = here.Try._load

    def counted(tried: Any, guest: Any) -> None:
        load(tried, guest)
        loads.append(tried.incoming.person)

    monkeypatch.setattr(here.Try, "_load", counted)
    said = {"storage": {"collections": {"notes": {"scope": "user"}}}}
    app = await live.app("loads", {"api/main.js": LOADS, "app.json": json.dumps(said)})
    runtime, program = live.running.node.runtime, None
    for person in trial.holders:
        call = runtime.services.call(app, "", "", person)
        entry = live.running.node.registry["storage.ds.insert"]
        plan = entry.javascript(call, msgspec.json.encode(["notes", {"id": "1", "mk": person}]))
        await live.running.node.driver.settle(entry, call, plan, {})
    for turn in range(8):
        for person, key in trial.holders.items():
            reply = await live.ask("loads", headers=[("Authorization", f"Bearer {key}")])
            assert reply.json["loaded"] == ["LOGIN_REQUIRED", "NO_REQUEST"], (turn, person)
            assert reply.json["mine"] == person
            program = next(one for one in live.running.node.programs._known.values() if one.app == app)
            await live.quiet()
            # the next one loads it again
            while program.idle:
                runtime.guests.drop(program.idle.pop())
    assert set(loads) == set(trial.holders), "it was never loaded where this is about"


def _again(number: int, person: str) -> dict[str, bytes]:
    storage = {"storage": {"collections": msgspec.to_builtins(SAYS[number])}}
    return {
        "api/main.js": f"{CODE}// {person}".encode(),
        "app.json": json.dumps(storage).encode(),
    }
