"""Which field of a collection lies in which slot, as writers and queries see it at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kernel.base.errors import FaztError
from kernel.base.json import decode
from kernel.base.text import check_line
from kernel.data import doc_paths
from kernel.data.doc_functions import encoded
from kernel.data.doc_tables import SLOTS

BUILDING, READY, DROPPING, CLEARING = "building", "ready", "dropping", "clearing"
FILLED = (BUILDING, READY, DROPPING)
MOST_FIELD = 200
# what has a column of its own is found by it
COLUMNS = ("id", "_createdAt", "_updatedAt")


class Definition(NamedTuple):
    """One index. `dropping`: queries leave it, writers still fill it; `clearing`: writers have left it too."""

    collection: str
    field: str
    slot: int
    state: str
    origin: str
    since: int


class Slots(NamedTuple):
    """Of one collection. `fields`: what writers fill; `ready`: what queries may use, a part of it."""

    version: int
    fields: Mapping[str, int]
    ready: Mapping[str, int]


class Kept(NamedTuple):
    """`lost`: a query planned before this version may use a slot that is no longer what it was."""

    slots: Slots
    lost: int
    paths: tuple[tuple[str, ...] | None, ...] = (None,) * len(SLOTS)


def kept(version: int, definitions: Iterable[Definition], before: Kept) -> Kept:
    """What the definitions say; the same as before where they say the same."""
    fields, ready = {}, {}
    for index in definitions:
        if index.state in FILLED:
            fields[index.field] = index.slot
        if index.state == READY:
            ready[index.field] = index.slot
    old = before.slots
    if (fields, ready) == (old.fields, old.ready):
        return before
    lost = before.lost if old.fields.items() <= fields.items() else version
    paths: list[tuple[str, ...] | None] = [None] * len(SLOTS)
    for field, slot in fields.items():
        paths[slot - 1] = doc_paths.parse(field).segments
    return Kept(Slots(version, fields, ready), lost, tuple(paths))


def slot_value(data: Any, path: tuple[str, ...] | None) -> Any:
    """What of a document lies in a slot."""
    if path is None:
        return None
    value = doc_paths.value_at(decode(data), path)
    return None if value is doc_paths.MISSING else encoded(value)


def check_field(field: Any) -> str:
    """A field as `index` and commands name it; ValueError says what is wrong."""
    field = check_line(field, MOST_FIELD, 1)
    if field in COLUMNS:
        raise ValueError(f"{field} needs no index: documents are found by it")
    try:
        return doc_paths.parse(field).text
    except FaztError as error:
        raise ValueError(error.message.partition(": ")[2].rstrip(".")) from None
