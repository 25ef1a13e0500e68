"""The index behind `$text`: one FTS5 table for the node, in which every word carries whose it is.

A word lies in it as `<sixteen signs for app, user and collection><word>`. So one app's search walks its own words
only, and neither what it finds nor how long it takes tells anything of others; frequencies over the table are never
used. The words are made by `text_words`, FTS5 only looks them up. It keeps no text: row `seq` has the words of the
document `seq`.

A collection with many documents gets the index when somebody searches in it, and it may lag behind: it reaches up to
one document (`app_texts.done`), and of those the changed ones are noted (`doc_text_due`). A search takes what the
index finds of the others and reads these. All of that is in the file and seen in one moment, so a search finds the
same as without index, whatever happens meanwhile. Writers have one duty, and pay nothing where there is no index:

    a change or delete of documents begins its batch with  changing(rows, collection, where, params)

inserts have none, and queries are `compiled(query, slots, text_of=text_index.text_of(call, rows, collection, fields))`.
`Texts` carries the index on in the background.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from kernel.base.errors import FaztError
from kernel.base.json import decode
from kernel.base.tables import Append, Patch, Remove
from kernel.data import text_tables as tables
from kernel.data.doc_query import TextOf
from kernel.data.doc_spots import Params
from kernel.data.text import Search, Term, scanned, scanned_in, within
from kernel.data.text_words import spoken
from kernel.storage.store import Store
from kernel.syscall.call import Call, Scoped
from kernel.syscall.plan import Step, Write

# between two texts of a document; no word is like it, so that no phrase reaches from one into the other
GAP = "\ue000"
# fewer documents are read as quickly
LEAST_DOCS = 500
# what one batch takes on, as nobody else can write meanwhile
SLICE_DOCS, SLICE_BYTES = 50, 128 << 10
SLICE_CHANGED = 10

_MOVED = FaztError("CONFLICT", "The index was carried on by somebody else at this moment.", "Try again.")


def text_words(data: Any, scope: Any) -> str:
    """As a function of SQL: a document's words as they lie in the index."""
    try:
        said = spoken(decode(data))
    except (msgspec.MsgspecError, RecursionError, TypeError):
        return ""
    return f" {GAP} ".join(" ".join(f"{scope}{word}" for word in text) for text in said)


FUNCTIONS: dict[str, Callable[..., Any]] = {"text_words": text_words}


def scope_of(rows: Scoped, collection: str) -> str:
    """Sixteen signs that stand before every word of a collection."""
    whose = json.dumps([rows.app, rows.user, collection]).encode()
    return base64.b32encode(hashlib.blake2b(whose, digest_size=10).digest()).decode().lower()


# --- asking


def text_of(call: Call, rows: Scoped, collection: str, fields: Sequence[str] = ()) -> TextOf:
    """How `$text` is looked up in this collection; `fields`: where the app has declared that it looks.

    Nothing is asked before there is a `$text`.
    """

    def condition(search: Search, bind: Params) -> str:
        call.use(Texts).searched(rows, collection)
        reach = rows.one(tables.REACH, collection=collection)
        look = scanned_in(fields) if reach is None else found_in(rows, collection, fields)
        return look(search, bind)

    return condition


def found_in(rows: Scoped, collection: str, fields: Sequence[str] = ()) -> TextOf:
    """The condition that asks the index, for a collection that has one."""
    scope = scope_of(rows, collection)

    def condition(search: Search, bind: Params) -> str:
        search = within(search, fields)
        matches = scanned(search, bind)
        # the index knows a document's words, not their fields: there it only narrows
        first = search._replace(without=()) if search.fields else search
        found = tables.FOUND.format(
            match=bind(expression(first, scope)),
            matches=matches,
            collection=bind(collection),
            whose=bind(rows.app),
            person=bind(rows.user),
        )
        return f"({found} and {matches})" if search.fields else found

    return condition


def expression(search: Search, scope: str) -> str:
    """In the words of FTS5: all in quotes, and of letters, digits and marks only."""
    groups = " AND ".join(f"({_either(group, scope)})" for group in search.groups)
    return f"({groups}) NOT ({_either(search.without, scope)})" if search.without else groups


def _either(terms: Sequence[Term], scope: str) -> str:
    return " OR ".join(
        '"' + " ".join(scope + word for word in term.words) + ('" *' if term.open else '"') for term in terms
    )


# --- keeping it


def changing(rows: Scoped, collection: str, where: str, params: Mapping[str, Any]) -> Write[None]:
    """Before documents are changed or deleted; `where` is the condition of the change."""
    return Write([_step(tables.MARK.filled(where=where), rows, collection, **params)])


def begun(rows: Scoped, collection: str) -> Write[None]:
    return rows.put(tables.TEXTS, collection=collection, done=0)


def further(rows: Scoped, collection: str, after: int, until: int) -> Write[None]:
    """It reaches so much further."""
    said = {"after": after, "until": until}
    plan: Write[None] = Write([_step(tables.REACHED, rows, collection, **said)])
    return plan.expect(1, _MOVED) + Write([_step(tables.FILL, rows, collection, **said)])


def renewed(rows: Scoped, collection: str) -> Write[int]:
    """Some of what was changed is known again; how many documents."""
    statements = (tables.STALE, tables.RENEW, tables.SETTLED)
    steps = [_step(statement, rows, collection, most=SLICE_CHANGED) for statement in statements]
    return Write(steps, lambda found: len(found[-1]))


def _step(statement: Append | Patch | Remove, rows: Scoped, collection: str, **params: Any) -> Step:
    own = {"app": rows.app, "user": rows.user, "whose": rows.app, "person": rows.user, "collection": collection}
    return Step(statement.sql, {**params, **own, "scope": scope_of(rows, collection)})


class Texts:
    """Carries the indexes on. `searched` is said of every search; `work` is done now and then."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._searched: set[tuple[str, str, str]] = set()

    def searched(self, rows: Scoped, collection: str) -> None:
        self._searched.add((rows.app, rows.user, collection))

    async def work(self) -> None:
        changed = {(row[0], row[1], row[2]) for row in self._store.rows(tables.CHANGED)}
        searched, self._searched = self._searched, set()
        for app, user, collection in sorted(changed):
            while await self._make(renewed(self._store.scoped(app, user), collection)) == SLICE_CHANGED:
                pass
        for app, user, collection in sorted(searched):
            await self._carry_on(self._store.scoped(app, user), collection)

    async def _carry_on(self, rows: Scoped, collection: str) -> None:
        reach = rows.one(tables.REACH, collection=collection)
        if reach is None:
            if rows.one(tables.COUNT, collection=collection, most=LEAST_DOCS)[0] < LEAST_DOCS:
                return
            await self._make(begun(rows, collection))
        after = reach[0] if reach else 0
        while True:
            (until,) = rows.one(tables.NEXT, collection=collection, after=after, most=SLICE_DOCS, size=SLICE_BYTES)
            if until is None:
                return
            await self._make(further(rows, collection, after, until))
            after = until

    async def _make(self, plan: Write[Any]) -> Any:
        return plan.result(await self._store.write(plan.steps))
