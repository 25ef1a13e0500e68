"""How a query is answered, in plain words: by an index, newest first, or by looking through everything."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kernel.base.tables import Read
from kernel.data import doc_order
from kernel.data.collections import rows_of
from kernel.data.doc_order import Ordering, ordering
from kernel.data.doc_query import Condition
from kernel.data.doc_reads import EVERY, FIND, TOTAL, query_of
from kernel.data.doc_values import Collection
from kernel.data.docs import Order
from kernel.data.index_doors import Index, shown
from kernel.data.indexes import Indexes
from kernel.data.stream_tables import COUNTS
from kernel.data.streams import is_sharded
from kernel.syscall import Call, Scan, syscall
from kernel.syscall.words import Query

_USED = re.compile(r"\b(?:SEARCH|SCAN)\b.*\bapp_docs_(i\d|id)\b")
_SORTED = "USE TEMP B-TREE FOR ORDER BY"
_SCOPE = re.compile(r"app_id=\? AND user_id=\?(?: AND collection=\?)?(?: AND )?")


class Explanation(Struct):
    """`plan`: SQLite's own lines. `asked`: fields for which slow queries have asked for an index."""

    answer: str
    docs: int
    used: list[str]
    indexes: list[Index]
    asked: list[str]
    plan: list[str]
    hint: str | None = None


@syscall(
    "storage.ds.explain",
    http="POST /api/apps/{app}/storage/ds/{collection}/explain",
    cli="ds explain <collection> <query?>",
    js=False,
    personal=True,
)
def ds_explain(
    call: Call, collection: Collection, query: Query = None, *, order: Order = "desc", sort: Query = None
) -> Scan[Explanation]:
    """How a query would be answered: by which index, or by looking through how many documents."""
    store, indexes = rows_of(call, collection), call.use(Indexes)
    which, wanted = query_of(call, store, collection, query), ordering(order, sort)
    if is_sharded(call, collection):
        return store.scan((COUNTS, {"collection": collection}), then=lambda rows: _of_events(wanted, rows[0]))
    slots = indexes.of(store.app, collection)
    found = doc_order.found(which, wanted, slots.ready)
    span = {"collection": collection, "limit": 20, "offset": 0, **found.params}
    names = {f"i{slot}": field for field, slot in slots.fields.items()}

    def explained(results: list[list[Any]]) -> Explanation:
        lines = [str(row[3]) for row in results[0]]
        docs = int(results[1][0][0]) if results[1] else 0
        used = list(dict.fromkeys(names.get(slot, slot) for line in lines for slot in _USED.findall(line)))
        missing = [field for field in (*which.fields, *wanted.fields) if field not in slots.fields]
        asked = [field for field in missing if indexes.is_asked(store.app, collection, field)]
        hint = f"fazt ds index add {collection} {missing[0]}" if missing and not used else None
        answer = _in_words(which, wanted, used, docs, any(line.startswith(_SORTED) for line in lines))
        plan = [_readable(line, collection, names) for line in lines]
        return Explanation(answer, docs, used, shown(call, collection), asked, plan, hint)

    return store.scan(
        (_plan_of(FIND.filled(matching=found.sql)), span), (TOTAL, {"collection": collection}), then=explained
    )


def _of_events(wanted: Ordering, rows: list[Any]) -> Explanation:
    events = sum(row[3] for row in rows)
    how = f"The collection is sharded: {events} events in {len(rows)} rows are looked through"
    if wanted.keys:
        how += f" and sorted by {_names(wanted)}."
    else:
        how += f", {'oldest' if wanted.up else 'newest'} first, until the page is full."
    return Explanation(how, events, [], [], [], [])


def _names(wanted: Ordering) -> str:
    return ", ".join(key.path.text for key in wanted.keys) or "age"


def _plan_of(read: Read) -> Read:
    made = copy.copy(read)
    made.sql = f"explain query plan {read.sql}"
    return made


def _in_words(which: Condition, wanted: Ordering, used: list[str], docs: int, is_sorted: bool) -> str:
    if used == ["id"]:
        how = "The document is looked up by its id"
    elif used and which is EVERY:
        how = f"The index on {' and '.join(used)} is walked in its order"
    elif used:
        how = f"The index on {' and '.join(used)} finds the documents"
    elif is_sorted:
        how = "The only document is looked at" if docs == 1 else f"All {docs} documents are looked through"
    else:
        first = "oldest" if wanted.up else "newest"
        until = "until the page is full" if which is EVERY else f"until the page is full, at worst all {docs}"
        how = f"The documents are looked through, {first} first, {until}"
    return how + (f" and sorted by {_names(wanted)}." if is_sorted else ".")


def _readable(line: str, collection: str, names: Mapping[str, str]) -> str:
    """A line of SQLite's without the names of columns and tables that nobody outside knows."""
    line = _SCOPE.sub("", line).replace(" ()", "")
    line = re.sub(r"\bapp_docs_(i\d)\b", lambda found: f"ON {names.get(found[1], 'a field')}", line)
    line = line.replace("app_docs_id", "ON id").replace("app_docs_newest", "BY AGE")
    line = re.sub(r"\b(i\d)(?=[<>=])", lambda found: names.get(found[1], "a field"), line)
    return re.sub(r"\bapp_docs\b", collection, line)
