"""Sealed values: what apps and the node keep secret. The file holds them sealed only, each bound to its own row.

Kinds: `env` (the app reads it), `net` (put into requests on their way out), `vault` (an app's own), `device`. What
belongs to the node itself is kept under the app ''.
"""

from __future__ import annotations

import threading
from typing import Literal

from kernel.base.errors import FaztError, not_found
from kernel.base.tables import Migration, Patch, Read, Remove, Table
from kernel.security.seal import Seal
from kernel.storage.config import Sealed
from kernel.storage.scoped import ScopedStore
from kernel.storage.store import Store
from kernel.syscall import Write
from kernel.syscall.call import Scoped

Kind = Literal["env", "net", "vault", "device"]
PURPOSE = "fazt/secrets"
MOST_OPENED = 768  # sets of values
# what may stand in what an app says; a device's secret is nothing an app ever holds
SPOKEN: tuple[Kind, ...] = ("env", "net", "vault")

# a fork begins without the secrets of what it was made from
SECRETS = Table("secrets", ("kind", "name", "sealed", "updated_at"), key=("kind", "name"), copied=False)
MIGRATIONS = (
    Migration(
        "secrets_0001",
        """
create table secrets (app_id text not null, user_id text not null default '', kind text not null, name text not null,
  sealed blob not null, updated_at integer not null, created_at integer not null,
  primary key (app_id, user_id, kind, name)) strict, without rowid""",
    ),
)
NAMES = Read("select name, updated_at from {secrets} where kind = :kind order by name")
SEALED = Read("select name, sealed from {secrets} where kind = :kind order by name")
FORGET = Remove(SECRETS, where="kind = :kind and name = :name")
# changes a row when there are too many, for `expect` to find
TOO_MANY = Patch(
    SECRETS,
    set="updated_at = updated_at",
    where="kind = :kind and name = (select min(name) from {secrets} where kind = :kind) "
    "and (select count(*) from {secrets} where kind = :kind) > :most",
)


class Secrets:
    """The sealed values of apps, opened when somebody reads them. Any thread may ask."""

    def __init__(self, store: Store, seal: Seal) -> None:
        self._store, self._seal = store, seal
        self._lock = threading.Lock()
        self._versions: dict[str, int] = {}
        self._opened: dict[tuple[str, Kind], tuple[int, dict[str, str]]] = {}

    @property
    def locked(self) -> bool:
        return self._seal.locked

    def version(self, app: str) -> int:
        """Grows with every change of the app's values, before the change is answered."""
        return self._versions.get(app, 0)

    def names(self, kind: Kind, app: str) -> list[tuple[str, int]]:
        """Name and last change of each; this works without the key."""
        return [(name, updated) for name, updated in self._scoped(app).all(NAMES, kind=kind)]

    def values(self, kind: Kind, app: str) -> dict[str, str]:
        """What is set, opened. LOCKED when something is and the key is not here."""
        version = self.version(app)
        known = self._opened.get((app, kind))
        if known is None or known[0] != version:
            rows = self._scoped(app).all(SEALED, kind=kind)
            # kept under the version from before the look: a change meanwhile makes it stale
            known = version, {name: self._open(kind, app, name, sealed) for name, sealed in rows}
            with self._lock:
                self._opened.pop((app, kind), None)
                self._opened[app, kind] = known
                if len(self._opened) > MOST_OPENED:
                    del self._opened[next(iter(self._opened))]
        return dict(known[1])

    def spoken(self, app: str) -> list[str]:
        """Every value that must not show up in what the app says; without the key nobody can say any."""
        found: list[str] = []
        for kind in SPOKEN:
            try:
                found += self.values(kind, app).values()
            except FaztError as error:
                if error.code != "LOCKED":
                    raise
        return found

    def put(
        self, store: Scoped, kind: Kind, values: dict[str, str], now: int, most: int, full: FaztError
    ) -> Write[None]:
        """Set all of these; `full` when the app would have more than `most` of the kind."""
        plan: Write[None] = Write(())
        for name, value in values.items():
            sealed = self._seal.seal(PURPOSE, value.encode(), _row(kind, store.app, name))
            plan += store.put(SECRETS, kind=kind, name=name, sealed=sealed, updated_at=now)
        plan += store.do(TOO_MANY, kind=kind, most=most).expect(0, full)
        return plan.giving(lambda _: self.moved(store.app))

    def forget(self, store: Scoped, kind: Kind, name: str) -> Write[None]:
        plan = store.do(FORGET, kind=kind, name=name).expect(1, not_found("value", name))
        return plan.giving(lambda _: self.moved(store.app))

    def moved(self, app: str) -> None:
        """Something of the app was changed: what was opened before is read anew."""
        with self._lock:
            self._versions[app] = self._versions.get(app, 0) + 1
            for kind in SPOKEN:
                self._opened.pop((app, kind), None)

    def _open(self, kind: Kind, app: str, name: str, sealed: bytes) -> str:
        return self._seal.unseal(PURPOSE, sealed, _row(kind, app, name)).decode()

    def _scoped(self, app: str) -> ScopedStore:
        return self._store.scoped(app)


class SealedSettings(Sealed):
    """The settings of the node that are secrets: put into requests on their way out, kept under the app ''."""

    def __init__(self, secrets: Secrets, store: Store) -> None:
        self._secrets, self._store = secrets, store

    def put(self, name: str, value: str) -> Write[None]:
        full = FaztError("LIMIT_EXCEEDED", "There are too many secrets.")
        now = self._store.clock.now()
        return self._secrets.put(self._store.scoped(""), "net", {name: value}, now, 1 << 20, full)

    def forget(self, name: str) -> Write[None]:
        return self._secrets.forget(self._store.scoped(""), "net", name)


def _row(kind: Kind, app: str, name: str) -> str:
    return f"{kind}\0{app}\0{name}"
