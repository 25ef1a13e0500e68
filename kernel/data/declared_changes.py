"""What a release does to data that is there already, by what its file says of the stores.

A collection that becomes a stream, or ceases to be one, keeps its data in another table, where nobody looks for it:
that is refused. One that becomes everybody's own, or the app's, only shows other rows: that is said.
"""

from __future__ import annotations

from typing import cast

from kernel.base.errors import FaztError
from kernel.base.tables import Read
from kernel.data.collections import USUAL, Declared, Said, StorageSaid
from kernel.data.doc_tables import DOCS_OF_EACH
from kernel.data.object_tables import ANY, PLACE
from kernel.data.place import INSIDE
from kernel.data.s3_shelf import Buckets
from kernel.data.stream_tables import TOTAL
from kernel.storage.store import Store
from kernel.syscall import Call


def changed(call: Call, app: str, after: StorageSaid) -> list[str]:
    """What to say when an app's live release will say this of its stores; CONFLICT where data would be hidden."""
    before = call.use(Declared).of(app).collections  # type: ignore[type-abstract]
    warnings = []
    for name in {**before, **after.collections}:
        was, will = before.get(name, USUAL), after.collections.get(name, USUAL)
        if (was.sharded, was.scope) != (will.sharded, will.scope):
            warnings += _of_one(call.use(Store), app, name, was, will)
    return warnings


def _of_one(store: Store, app: str, name: str, was: Said, will: Said) -> list[str]:
    scoped = store.scoped(app)
    own, all_ = (count or 0 for count in scoped.one(cast(Read, DOCS_OF_EACH), name=name))
    events = scoped.one(TOTAL, collection=name)[0]
    if will.sharded and not was.sharded and own:
        raise _hidden(f"{name} holds {own} documents, which nobody would see if it were sharded.", name, own)
    if was.sharded and not will.sharded and events:
        raise _hidden(f"{name} holds {events} events, which nobody would see if it were not sharded.", name, events)
    if was.scope == will.scope:
        return []
    if will.scope == "user":
        whose, count = "the app's own", own
    else:
        whose, count = "those of its users", all_ - own
    unseen = f"{name}: {count} documents are no longer seen by the app's code ({whose}), as its scope is {will.scope}"
    return [f"{unseen} now. They are still there."] if count else []


def _hidden(message: str, name: str, count: int) -> FaztError:
    return FaztError(
        "CONFLICT",
        message,
        f"Export it (`fazt ds export {name}`), delete what is in it (`fazt ds delete {name} {{}}`), deploy, import it.",
        collection=name,
        count=count,
    )


def useless(call: Call, app: str | None, said: StorageSaid) -> list[str]:
    """What a file says that does nothing, or nothing yet."""
    warnings = [
        f"app.json: storage.collections.{name}.index does nothing: a sharded collection has no indexes."
        for name, one in said.collections.items()
        if one.sharded and one.index
    ]
    return warnings + _nowhere(call, app, said)


def _nowhere(call: Call, app: str | None, said: StorageSaid) -> list[str]:
    if said.s3 == INSIDE or (app is not None and _is_inside(call.use(Store), app)):
        return []
    try:
        call.use(Buckets).client.check()
    except FaztError as error:
        return [f"app.json: storage.s3 is {said.s3}, where nothing can be stored yet. {error.message} {error.hint}"]
    return []


def _is_inside(store: Store, app: str) -> bool:
    """Whatever the file says: objects stay where they are."""
    row = store.scoped(app).one(PLACE)
    return row[0] == INSIDE if row else bool(store.rows(ANY, whose=app))
