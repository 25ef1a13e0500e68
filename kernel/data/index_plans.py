"""Which indexes there shall be: plans that begin one or let it go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernel.base.errors import FaztError, not_found
from kernel.data.collections import Said
from kernel.data.doc_tables import SLOTS
from kernel.data.index_slots import CLEARING, DROPPING, FILLED, Definition, check_field
from kernel.data.index_tables import BECOME, COME_BACK, INDEXES, LEAVE
from kernel.data.indexes import Indexes
from kernel.syscall.call import Scoped
from kernel.syscall.plan import Write

# the later, the more it counts
ASKED, DECLARED, BY_HAND = ORIGINS = ("asked", "declared", "by-hand")
LEAVING = (DROPPING, CLEARING)
MEANWHILE = FaztError("CONFLICT", "Another index of this collection is being made at this moment.", "Try again.")


def add(store: Scoped, indexes: Indexes, collection: str, field: str) -> Write[Any]:
    """One that a person wants. The plan has no steps where it is there already."""
    mine = indexes.definitions(store.app, collection)
    same = next((index for index in mine if index.field == field), None)
    if same and same.state in FILLED:
        return _again(store, same, BY_HAND)
    slot = _free(mine)
    if same or slot is None:
        full = f"{collection} has {len(SLOTS)} indexes, which is as many as there may be."
        gone = f"The index of {collection} on {field} is just being removed."
        leaving = same or any(index.state in LEAVING for index in mine)
        hint = "Try again in a minute." if leaving else f"Drop one: fazt ds index drop {collection} FIELD"
        raise FaztError("CONFLICT" if same else "LIMIT_EXCEEDED", gone if same else full, hint, most=len(SLOTS))
    return _begin(store, collection, field, slot, BY_HAND)


def drop(store: Scoped, indexes: Indexes, collection: str, field: str) -> Write[Any]:
    """It leaves. One that is leaving already may do so."""
    for index in indexes.definitions(store.app, collection):
        if index.field == field and index.origin == DECLARED:
            why = f"The app itself says that {collection} has an index on {field}: it would come back."
            raise FaztError("CONFLICT", why, "Take it out of `storage.collections` in app.json and deploy.")
        if index.field == field:
            return _leave(store, index)
    raise not_found("index", f"{collection} {field}", f"`fazt ds index list {collection}` shows which there are.")


def asked(store: Scoped, indexes: Indexes, collection: str, field: str) -> Write[Any]:
    """One that slow queries ask for: where there is room and nobody decided otherwise."""
    if not _can_have_one(field):
        return Write([])
    mine = indexes.definitions(store.app, collection)
    slot = _free(mine)
    if slot is None or any(index.field == field for index in mine):
        return Write([])
    return _begin(store, collection, field, slot, ASKED)


def declared(store: Scoped, indexes: Indexes, collections: Mapping[str, Said]) -> Write[Any]:
    """What is missing of what the app says, and what of it is no longer said. Nothing to do: no steps."""
    plan: Write[Any] = Write([])
    names = {*collections, *(index.collection for index in indexes.definitions(store.app))}
    for name in sorted(names):
        said = collections.get(name)
        fields = dict.fromkeys(said.index) if said and not said.sharded else ()
        wanted = [field for field in fields if _can_have_one(field)][: len(SLOTS)]
        for more in _declared(store, name, wanted, indexes.definitions(store.app, name)):
            plan = plan + more
    return plan


def _declared(store: Scoped, collection: str, wanted: list[str], mine: list[Definition]) -> list[Write[Any]]:
    there = {index.field: index for index in mine}
    old = [index for index in mine if index.origin == DECLARED and index.field not in wanted]
    missing = [field for field in wanted if field not in there]
    plans = [_again(store, there[field], DECLARED) for field in wanted if field in there]
    free = [slot for slot in range(1, len(SLOTS) + 1) if slot not in {index.slot for index in mine}]
    plans += [_begin(store, collection, *pair, DECLARED) for pair in zip(missing, free, strict=False)]
    # what slow queries asked for makes room for what somebody decided
    leaving = len({index.field for index in mine if index.state in LEAVING} | {index.field for index in old})
    guests = [
        index for index in mine if index.origin == ASKED and index.state not in LEAVING and index.field not in wanted
    ]
    short = max(0, len(missing) - len(free) - leaving)
    plans += [_leave(store, index) for index in (*old, *guests[:short])]
    return [plan for plan in plans if plan.steps]


def _begin(store: Scoped, collection: str, field: str, slot: int, origin: str) -> Write[Any]:
    return store.insert(
        INDEXES,
        MEANWHILE,
        collection=collection,
        field=field,
        slot=slot,
        state="building",
        origin=origin,
        since=store.now,
    )


def _again(store: Scoped, index: Definition, origin: str) -> Write[Any]:
    """It is there: somebody else wants it too, or it comes back. What a person wants stays, whatever the app says."""
    name = {"collection": index.collection, "field": index.field}
    if index.state == DROPPING:
        return store.do(COME_BACK, origin=origin, at=store.now, **name).expect(1, MEANWHILE)
    if index.state == CLEARING or ORIGINS.index(index.origin) >= ORIGINS.index(origin):
        return Write([])
    return store.do(BECOME, origin=origin, **name)


def _leave(store: Scoped, index: Definition) -> Write[Any]:
    if index.state in LEAVING:
        return Write([])
    return store.do(LEAVE, collection=index.collection, field=index.field, at=store.now)


def _can_have_one(field: str) -> bool:
    try:
        return check_field(field) == field
    except ValueError:
        return False


def _free(mine: list[Definition]) -> int | None:
    taken = {index.slot for index in mine}
    return next((slot for slot in range(1, len(SLOTS) + 1) if slot not in taken), None)
