"""How documents are written: plans that keep documents, slots and the figures of the collection together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.base.settings import Settings
from kernel.base.tables import Fill, Patch, Read, Remove
from kernel.data import text_index, text_tables
from kernel.data.doc_changes import Changes, applied
from kernel.data.doc_functions import encoded
from kernel.data.doc_paths import MISSING, parse, value_at
from kernel.data.doc_query import Condition
from kernel.data.doc_tables import COLLECTIONS, DOCS, MOST_BYTES, MOST_DOCS, SLOTS
from kernel.data.doc_values import Document, taken
from kernel.data.indexes import Indexes, Slots
from kernel.data.quota import Quotas, room
from kernel.storage.inside import Inside, step
from kernel.syscall.call import Call, Scoped
from kernel.syscall.plan import Write

# What lies in a slot is computed when the plan is made, and once more if the slots have changed since.
_SLOTS_ARE = "slots_are(:whose, :collection, :version)"
ONE = Fill(
    DOCS,
    values={
        "collection": ":collection",
        "id": ":id",
        "data": ":data",
        "updated_at": ":now",
        **{s: f"case when {_SLOTS_ARE} then :{s} else slot_of(:whose, :collection, {s[1:]}, :data) end" for s in SLOTS},
    },
)
# Documents by their ids, as one JSON object of texts. The limit keeps SQLite from asking for every document.
MANY = Fill(
    DOCS,
    values={
        "collection": ":collection",
        "id": "key",
        "data": "value",
        "updated_at": ":now",
        **{s: f"[{s}]" for s in SLOTS},
    },
    source=f"json_each(:docs), (select {_SLOTS_ARE} as fit limit 1)",
    taken="data = doc_taken(excluded.id)",
)
# One collection more, or more in it. At the limit `docs` becomes null, which its NOT NULL refuses.
MORE = Fill(
    COLLECTIONS,
    values={"name": ":name", "docs": "case when :more <= :most then :more end", "bytes": ":size"},
    taken="docs = case when docs + :more <= :most then docs + :more end, bytes = bytes + :size",
)

_FOUND = {s: f"slot_of(:whose, :collection, {s[1:]}, value)" for s in SLOTS}
_UNUSED = {s: f"case when fit then null else {found} end" for s, found in _FOUND.items()}

# What is changed or deleted is found once, by number; then each document is changed by itself.
MEANT = Read("select seq, octet_length(data), [text] from {app_docs} where collection = :collection and ([where])")
_THESE = "seq in (select value from json_each(:seqs))"
TEXTS = Read("select seq, 0, data from json_each(:seqs) cross join {app_docs} on seq = value")
CHANGE = Patch(DOCS, set="data = :data, updated_at = [now]", where="seq = :seq")
# SQLite needs to hear of the collection to go to each by its number
REMOVE = Remove(DOCS, where=f"collection = :collection and {_THESE}")
FIGURES = Patch(COLLECTIONS, set="docs = docs + :docs, bytes = bytes + :bytes", where="name = :collection")
# one document at most
_BY_ID = re.compile(r"id = :\w+")
# so many texts are in memory at a time
AT_ONCE = 32
# number, bytes, text if it was asked for
Rows = list[tuple[int, int, Any]]
Fits = Callable[[int], None]
Work = Callable[[Inside, Rows, Slots, Fits], tuple[int, int]]
# Documents that are older than the newest :keep
OLDER = Condition(
    "seq <= (select seq from {app_docs} where collection = :collection order by seq desc limit 1 offset :keep)",
    {},
    (),
    (),
)
_STALE = FaztError("CONFLICT", "The indexes of the collection were changed at this moment.", "Try again.")


def inserted(call: Call, store: Scoped, collection: str, docs: Sequence[Document]) -> Write[None]:
    """New documents, all or none of them."""
    if not docs:
        return Write([])
    size = sum(doc.size for doc in docs)
    room(call, size)
    slots = call.use(Indexes).of(store.app, collection)
    common = {"collection": collection, "whose": store.app, "version": slots.version}
    plan = _more(call, store, collection, len(docs), size)
    if len(docs) > 1:
        # what lies in slots is found in SQL then
        many = MANY.filled(**{**_UNUSED, **{slot: _FOUND[slot] for slot in _paths(slots)}})
        return plan + store.fill(many, None, docs=to_text({doc.id: doc.text for doc in docs}), **common)
    (doc,) = docs
    in_slots = {**_EMPTY, **_in_slots(doc.value, _paths(slots))}
    return plan + store.fill(ONE, taken(doc.id), id=doc.id, data=doc.text, **in_slots, **common)


def changed(
    call: Call, store: Scoped, collection: str, which: Condition, changes: Changes, none: FaztError | None = None
) -> Write[int]:
    """The same changes to every document that is meant; how many those are. `none`: the error where there is none."""
    text, most, now = changes.text, call.use(Settings)[MOST_BYTES.name], call.now

    def change(inside: Inside, found: Rows, slots: Slots, fits: Fits) -> tuple[int, int]:
        near = _near(slots, changes)
        statement = CHANGE.filled(now="".join((":now", *(f", {slot} = :{slot}" for slot in sorted(near)))))
        grown = 0
        for seq, _, before in _with_texts(inside, found):
            inside.look()
            value, after = applied(before, text, most)
            grown += len(after)
            fits(grown)
            inside.do(statement, seq=seq, data=after.decode(), now=now, **_in_slots(value, near))
        return 0, grown

    return _made(call, store, collection, which, change, none)


def removed(
    call: Call, store: Scoped, collection: str, which: Condition, none: FaztError | None = None, **params: Any
) -> Write[int]:
    """Documents that are meant, gone; how many those were."""

    def remove(inside: Inside, found: Rows, slots: Slots, fits: Fits) -> tuple[int, int]:
        inside.do(REMOVE, collection=collection, seqs=_numbers(found))
        return -len(found), 0

    which = which._replace(params={**which.params, **params})
    return _made(call, store, collection, which, remove, none)


def _made(
    call: Call, store: Scoped, collection: str, which: Condition, work: Work, none: FaztError | None
) -> Write[int]:
    """What is done with the documents that are meant. `work` says how many more there are, and their bytes after it.

    It asks whether so many bytes fit before it writes them. What the documents have grown by counts at once, and
    before it is kept: another change in the same batch shall know of it.
    """
    indexes, quotas, name = call.use(Indexes), call.use(Quotas), {"collection": collection}
    version = indexes.of(store.app, collection).version
    one = _BY_ID.fullmatch(which.sql) is not None
    counted = 0
    meant = MEANT.filled(where=which.sql, text="data" if one else "null")

    def carried_out(inside: Inside) -> int:
        nonlocal counted
        # what is found by slots must be found by the right ones
        if not one and not indexes.hold(store.app, collection, version):
            raise _STALE.again()
        found = inside.all(meant, **which.params, **name)
        if not found:
            if none:
                raise none.again()
            return 0
        if inside.all(text_tables.REACH, **name):
            inside.make(text_index.changing(store, collection, _THESE, {"seqs": _numbers(found)}))
        before = sum(size for _, size, _ in found)
        slots = indexes.of(store.app, collection)
        # what an undone first time counted is in the figure already
        more, after = work(inside, found, slots, lambda size: quotas.check(store.app, size - before - counted))
        inside.do(FIGURES, docs=more, bytes=after - before, **name)
        grown = max(0, after - before)
        quotas.take(store.app, grown - counted)
        counted = grown
        return len(found)

    return Write([step(store, carried_out, light=one)], lambda rows: int(rows[0][0]))


def _numbers(found: Rows) -> str:
    return to_text([seq for seq, _, _ in found])


def _with_texts(inside: Inside, found: Rows) -> Iterable[tuple[int, int, str]]:
    """Of many, some at a time: together they may be larger than memory."""
    for start in range(0, len(found), AT_ONCE):
        some = found[start : start + AT_ONCE]
        yield from some if some[0][2] is not None else inside.all(TEXTS, seqs=_numbers(some))


def _more(call: Call, store: Scoped, collection: str, more: int, size: int) -> Write[None]:
    most = call.use(Settings)[MOST_DOCS.name]
    full = FaztError(
        "LIMIT_EXCEEDED",
        f"A collection may have {most} documents.",
        f"Delete some, or `fazt limits set {MOST_DOCS.name.removeprefix('limits.')} N`.",
        limit=MOST_DOCS.name,
        most=most,
    )
    return store.fill(MORE, full, name=collection, more=more, size=size, most=most)


def _in_slots(value: dict[str, Any], slots: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """What of a document lies in each slot."""
    found = ((slot, value_at(value, path)) for slot, path in slots.items())
    return {slot: None if item is MISSING else encoded(item) for slot, item in found}


def _near(slots: Slots, changes: Changes) -> dict[str, tuple[str, ...]]:
    """The slots whose fields the changes come near."""
    near = {path[0] for _, path, _ in changes}
    return {slot: path for slot, path in _paths(slots).items() if path[0] in near}


def _paths(slots: Slots) -> dict[str, tuple[str, ...]]:
    return {f"i{slot}": parse(field).segments for field, slot in slots.fields.items()}


def doc_taken(id: str) -> None:
    """For SQL: a new document has the id of another one."""
    raise taken(id)


_EMPTY = dict.fromkeys(SLOTS)
FUNCTIONS = {"doc_taken": doc_taken}
