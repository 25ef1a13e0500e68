"""Indexes by hand: list, add, drop."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.data import index_plans
from kernel.data.collections import said_of
from kernel.data.doc_values import Collection
from kernel.data.index_chores import queue
from kernel.data.index_slots import CLEARING, DROPPING, MOST_FIELD, Definition, check_field
from kernel.data.indexes import Indexes
from kernel.jobs.jobs import Jobs
from kernel.storage.store import Store
from kernel.syscall import Call, Write, syscall
from kernel.syscall.words import Line

# not below the collection: what stands there is the id of a document
_PATH = "/api/apps/{app}/storage/ds-indexes/{collection}"


class Field(Line):
    """A field of documents, as in a query: `type`, `address.city`."""

    least = 1
    most = MOST_FIELD

    @classmethod
    def parse(cls, value: Any) -> Field:
        return cls(check_field(value))


class Index(Struct, omit_defaults=True):
    """`state`: building (`done` of `docs` documents are in it), ready or dropping.

    `origin`: declared in app.json, asked for by slow queries, or made by-hand.
    """

    collection: str
    field: str
    state: str
    origin: str
    done: int | None = None
    docs: int | None = None


@syscall("storage.ds.indexes.list", http=f"GET {_PATH}", cli="ds index list <collection>", js=False)
def indexes_list(call: Call, collection: Collection) -> list[Index]:
    """The indexes of a collection."""
    return shown(call, collection)


@syscall("storage.ds.indexes.add", http=f"POST {_PATH} -> 201", cli="ds index add <collection> <field>", js=False)
def indexes_add(call: Call, collection: Collection, field: Field) -> Write[Index]:
    """Make an index on a field, in the background. Queries for values of the field use it as soon as it is ready."""
    if said_of(call, collection).sharded:
        raise FaztError(
            "INVALID_ARGUMENT",
            f"{collection} is a sharded collection: its events lie many to a row.",
            "Every query reads all events it has to; what is looked for by its fields belongs in another collection.",
            field="collection",
        )
    plan = index_plans.add(call.store, _known(call), collection, field)
    return _carried_on(call, plan, lambda: next(i for i in shown(call, collection) if i.field == field))


@syscall("storage.ds.indexes.drop", http=f"DELETE {_PATH} -> 204", cli="ds index drop <collection> <field>", js=False)
def indexes_drop(call: Call, collection: Collection, field: Field) -> Write[None]:
    """Remove an index; documents stay as they are. Queries leave it at once, its room is free a minute later."""
    plan = index_plans.drop(call.store, _known(call), collection, field)
    return _carried_on(call, plan, lambda: None)


def _known(call: Call) -> Indexes:
    """With what is committed by now: the chores tell memory only when they come to it."""
    indexes = call.use(Indexes)
    indexes.refresh(call.app or "")
    return indexes


def shown(call: Call, collection: str) -> list[Index]:
    indexes, app = call.use(Indexes), call.app or ""
    return [_index(index, indexes.progress.get((app, *index[:2]))) for index in indexes.definitions(app, collection)]


def _index(index: Definition, progress: tuple[int, int] | None) -> Index:
    done, docs = progress or (None, None)
    state = DROPPING if index.state == CLEARING else index.state
    return Index(index.collection, index.field, state, index.origin, done, docs)


def _carried_on(call: Call, plan: Write[Any], answer: Any) -> Write[Any]:
    if not plan.steps:
        return Write([], lambda _: answer())
    app = call.app or ""

    def made(_: Any) -> Any:
        call.use(Indexes).refresh(app)
        return answer()

    return plan.giving(made) + queue(call.use(Jobs), call.use(Store), app)
