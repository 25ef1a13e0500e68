"""What the room of the apps asks of this one: which releases an app has."""

from __future__ import annotations

from kernel.apps.meaning import Releases
from kernel.fs import releases
from kernel.storage.store import Store


class KnownReleases(Releases):
    def __init__(self, store: Store) -> None:
        self._store = store

    def id_of(self, app: str, ref: str) -> str:
        return releases.find(self._store, app, ref)
