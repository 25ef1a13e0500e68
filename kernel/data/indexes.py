"""Indexes of collections, without changing the schema: a field of a collection is given one of five slots.

A slot is a column of `app_docs` (i1 … i5) with an index of SQLite's on it. Which field lies in which slot is in
`app_indexes`, and here in memory. A statement that writes documents asks `slot_of` when it is applied, on the writer
thread, or says `case when slots_are(…) then :i1 else slot_of(…) end` with values made beforehand. So this order
needs no lock:

1. the definition is committed,
2. what is in memory changes, with a new version: whatever is applied from now on fills the slot,
3. only then are the documents that are there filled, slice by slice, through the same writer,
4. it is committed that the index is ready, and only then is memory told: from now on queries use it.

Leaving goes the other way round: queries leave the slot first (`dropping`), writers a while later (`clearing`), then
it is emptied, and only then is it free for another field. `hold` says to who uses a slot whether what he planned with
is still so.
"""

from __future__ import annotations

import collections
import itertools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from kernel.data.index_slots import Definition, Kept, Slots, kept, slot_value
from kernel.data.index_tables import ALL
from kernel.storage.store import Store

__all__ = ["Definition", "Indexes", "Slots"]

SLOW_DOCS, SLOW_TIMES = 2000, 3
MOST_COUNTED = 4096
# app, collection, field
Field = tuple[str, str, str]


class _App(NamedTuple):
    """`base`: the version of collections that have no index."""

    base: Kept
    collections: dict[str, Kept]
    definitions: tuple[Definition, ...]


class Indexes:
    """One for each node; made before the store is opened, as the store's connections know its functions."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., Any]] = {
            "slots_are": self._slots_are,
            "slot_of": self._slot_of,
        }
        # (documents done, documents there) while an index is made
        self.progress: dict[Field, tuple[int, int]] = {}
        self._store: Store | None = None
        self._apps: dict[str, _App] = {}
        # apps to be looked after, and fields that queries asked for
        self._wanted: set[str] = set()
        self._asked: set[Field] = set()
        self._generation = -1
        self._versions = itertools.count(1)
        self._slow: collections.OrderedDict[Field, int] = collections.OrderedDict()
        self._guard = threading.Lock()

    def attach(self, store: Store) -> None:
        self._store = store

    # --- what writers and queries ask

    def of(self, app: str, collection: str) -> Slots:
        """Where the fields of a collection lie."""
        return self._kept(app, collection).slots

    def hold(self, app: str, collection: str, version: int) -> bool:
        """Is every slot that queries used at this version still what it was?"""
        return self._kept(app, collection).lost <= version

    def definitions(self, app: str, collection: str | None = None) -> list[Definition]:
        """The indexes of an app or of one of its collections, whatever state they are in."""
        return [index for index in self._app(app).definitions if collection in (None, index.collection)]

    def scanned(self, app: str, collection: str, fields: tuple[str, ...], docs: int) -> None:
        """A query looked through so many documents, as none of the fields it compares has a slot.

        The third time an index is asked for, for one field: with it the next query may be quick enough.
        """
        if docs < SLOW_DOCS:
            return
        with self._guard:
            for field in fields:
                key = (app, collection, field)
                times = self._slow.pop(key, 0) + 1
                if times >= SLOW_TIMES:
                    self._asked.add(key)
                    return
                self._slow[key] = times
                if len(self._slow) > MOST_COUNTED:
                    self._slow.popitem(last=False)

    def is_asked(self, app: str, collection: str, field: str) -> bool:
        return (app, collection, field) in self._asked

    def take(self) -> tuple[set[Field], set[str]]:
        """What queries asked for, and the apps that were looked at for the first time since something was published."""
        with self._guard:
            wanted, self._wanted = self._wanted, set()
            return set(self._asked), wanted

    def settled(self, asked: set[Field]) -> None:
        with self._guard:
            self._asked -= asked

    # --- what SQL asks, on any thread

    def _slots_are(self, app: str, collection: str, version: int) -> int:
        return int(self._kept(app, collection).slots.version == version)

    def _slot_of(self, app: str, collection: str, slot: int, data: Any) -> Any:
        return slot_value(data, self._kept(app, collection).paths[slot - 1])

    # --- what is in memory

    def _kept(self, app: str, collection: str) -> Kept:
        known = self._app(app)
        return known.collections.get(collection, known.base)

    def _app(self, app: str) -> _App:
        known = self._apps.get(app)
        assert self._store
        if known is None:
            known = self.refresh(app, again=False)
            with self._guard:
                self._wanted.add(app)
        elif self._store.generation != self._generation:
            # something was published: the app may say something else of its collections
            with self._guard:
                self._generation = self._store.generation
                self._wanted.update(self._apps)
        return known

    def refresh(self, app: str, again: bool = True) -> _App:
        """Let memory say what is committed."""
        assert self._store
        with self._guard:
            before = self._apps.get(app)
            if before is not None and not again:
                return before
            definitions = tuple(Definition(*row) for row in self._store.scoped(app).all(ALL))
            version = next(self._versions)
            base = before.base if before else Kept(Slots(version, {}, {}), version)
            now = dict(before.collections) if before else {}
            for name in {*now, *(index.collection for index in definitions)}:
                mine = [index for index in definitions if index.collection == name]
                now[name] = kept(version, mine, now.get(name, base))
            known = self._apps[app] = _App(base, now, definitions)
            return known
