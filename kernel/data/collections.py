"""What an app says of its collections, in `app.json` below `storage`."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from kernel.base.errors import FaztError
from kernel.data.place import INSIDE, OUTSIDE, is_place
from kernel.syscall.call import Call, Scoped


class Said(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Of one collection. `user`: everybody who is signed in has rows of their own."""

    scope: Literal["app", "user"] = "app"
    index: list[str] = []
    text: list[str] = []  # where `$text` looks; empty: every text of a document
    sharded: bool = False
    retention_months: int | None = None


class StorageSaid(msgspec.Struct, forbid_unknown_fields=True):
    """Where what is stored lies: here, or for blobs in a bucket elsewhere."""

    kv: str = "internal"
    ds: str = "internal"
    s3: str = "internal"
    collections: dict[str, Said] = {}

    def __post_init__(self) -> None:
        for name in ("kv", "ds"):
            if getattr(self, name) != INSIDE:
                raise ValueError(f"{name}: only s3 can lie elsewhere; this must be internal")
        if self.s3 != INSIDE and not (self.s3.startswith(OUTSIDE) and is_place(self.s3)):
            raise ValueError("s3: must be internal or external:s3://bucket/prefix")


NOTHING = StorageSaid()
USUAL = Said()


class Declared(Protocol):
    """What the apps say, by the app's id. Filled by who reads their files.

    A release other than the live one may say something else: what runs follows what it says itself.
    """

    def of(self, app: str, release: str = "") -> StorageSaid: ...


class NothingDeclared:
    """Where no files are read."""

    def of(self, app: str, release: str = "") -> StorageSaid:
        return NOTHING


def said_of(call: Call, collection: str) -> Said:
    return call.use(Declared).of(call.app or "", call.release).collections.get(collection, USUAL)  # type: ignore[type-abstract]


def rows_of(call: Call, collection: str) -> Scoped:
    """Whose rows are meant: the app's, or of who is signed in where the collection is everybody's own."""
    if call.store.user or said_of(call, collection).scope == "app":
        return call.store
    if call.person:
        return call.store.of(call.person)
    if call.via == "js":
        raise FaztError("LOGIN_REQUIRED", f"The collection {collection} is everybody's own: it requires login.")
    return call.store
