"""The one way a person or key gets to a call: role, scope, the app that is meant, and whether it may be reached."""

from __future__ import annotations

from kernel.apps import apps
from kernel.base.errors import FaztError, not_found
from kernel.security.access import authorize, authorize_app, reaches
from kernel.security.keys import AppNames
from kernel.storage.memo import Memo
from kernel.storage.store import Store
from kernel.syscall import Call, Who
from kernel.syscall.call import ANONYMOUS
from kernel.syscall.driver import Driver
from kernel.syscall.registry import Entry

LONGEST_REF = 63


class Caller(AppNames):
    def __init__(self, driver: Driver, store: Store) -> None:
        self.driver, self._store, self._memo = driver, store, Memo(lambda: store.commits)

    def call(self, entry: Entry, who: Who, via: str, app: str | None, trace: str = "") -> Call:
        """`app` is what was said: an id or an alias. Refusals are remembered."""
        try:
            authorize(entry.declared, who)
            if not reaches(who, entry.declared):
                # what is public is answered as to a guest
                who = ANONYMOUS
            id = self._find(entry, who, app) if app is not None else None
        except FaztError as error:
            if who.role != "public":
                self.driver.journal.note(
                    self.driver.call(who, via, trace=trace), entry.declared, (app or "")[:LONGEST_REF], error.code
                )
            raise
        return self.driver.call(who, via, app=id, trace=trace)

    def id_of(self, name: str) -> str:
        """The id of the living app with this id or alias."""
        id = self._memo.get(name, lambda: apps.find(self._store, name)) if len(name) <= LONGEST_REF else None
        if id is None:
            raise not_found("app", name[:LONGEST_REF], "`fazt app list` shows the apps of this node.")
        return id

    def _find(self, entry: Entry, who: Who, ref: str) -> str:
        deleted = apps.find(self._store, ref, True) if entry.declared.deleted and len(ref) <= LONGEST_REF else None
        id = deleted or self.id_of(ref)
        authorize_app(entry.declared, who, id)
        return id
