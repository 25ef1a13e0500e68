"""Where the objects of an app lie: inside, or in a bucket elsewhere.

`app.json` says where the first object goes. From then on they are where they are: only moving them
(`kernel/data/object_move.py`) leads elsewhere, whatever a later release says. What moved is remembered in `app_places`.
"""

from __future__ import annotations

from typing import NamedTuple

from kernel.base.errors import FaztError
from kernel.data.collections import Declared
from kernel.data.object_tables import ANY, ELSEWHERE, PIN, PLACE
from kernel.data.place import INSIDE, Place, place_of
from kernel.storage.store import Store
from kernel.syscall import Call, Write
from kernel.syscall.call import Scoped


class Standing(NamedTuple):
    """Where the objects are now, and where they are being moved to."""

    place: Place
    target: Place | None
    source: Place | None
    clean: bool
    done: int
    total: int
    bytes: int
    written: bool  # is it remembered, or only what follows from `app.json`?


def standing(call: Call) -> Standing:
    return standing_of(call.store.of(""), call.use(Store), call.use(Declared))  # type: ignore[type-abstract]


def standing_of(scoped: Scoped, store: Store, declared: Declared) -> Standing:
    row = scoped.one(PLACE)
    if row is not None:
        place, target, source, clean, done, total, size = row
        way = place_of(target) if target else None, place_of(source) if source else None
        return Standing(place_of(place), *way, bool(clean), done, total, size, True)
    return Standing(_first(store, declared, scoped.app), None, None, False, 0, 0, 0, False)


def _first(store: Store, declared: Declared, app: str) -> Place:
    said = declared.of(app).s3
    if said == INSIDE:
        return Place()
    try:
        place = place_of(said)
    except ValueError as error:
        raise FaztError("INVALID_ARGUMENT", f"app.json: storage.s3 {error}.") from None
    # what is inside already is not lost to a line of a manifest
    return Place() if store.rows(ANY, whose=app) else place


def remembered(call: Call, place: Place) -> Write[None]:
    """From now on the app's objects are there; fails where they have been sent elsewhere meanwhile."""
    scoped = call.store.of("")
    return scoped.fill(PIN, place=place.text, at=call.now) + scoped.do(ELSEWHERE, place=place.text).expect(0, _moved())


def still_inside(call: Call) -> Write[None]:
    """Steps that make a batch fail where the objects were moved out since it was planned."""
    return call.store.of("").do(ELSEWHERE, place=INSIDE).expect(0, _moved())


def _moved() -> FaztError:
    return FaztError("CONFLICT", "The objects of the app have just been moved.", "Try again.")
