"""Whose is what, said a second time: for each app, and each of its people, a world that shares nothing with others.

Nothing of the program is used here. Every value that is written carries the mark of its world, so an answer tells by
itself whose rows it was made of.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.kernel.data.ds_model import Collection

_MARKS = re.compile(r"mk\d+x")
TEMPORARY = "temp:"


@dataclass
class World:
    """What an app, or one of its people, has."""

    number: int
    app: str
    user: str
    marks: set[str] = field(default_factory=set)
    kv: dict[str, Any] = field(default_factory=dict)
    temp: dict[str, tuple[Any, int]] = field(default_factory=dict)  # value, end
    collections: dict[str, Collection] = field(default_factory=dict)
    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    # of the app itself only
    vectors: dict[str, dict[str, str]] = field(default_factory=dict)  # the mark of each document
    table: dict[str, str] | None = None
    once: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.marks.add(self.mark)

    @property
    def mark(self) -> str:
        return f"mk{self.number}x"

    def collection(self, name: str) -> Collection:
        return self.collections.setdefault(name, Collection())

    # --- keys, with those in memory

    def get(self, key: str, now: int) -> tuple[Any] | None:
        if not key.startswith(TEMPORARY):
            return (self.kv[key],) if key in self.kv else None
        value, end = self.temp.get(key, (None, 0))
        return (value,) if end > now else None

    def put(self, key: str, value: Any, end: int) -> None:
        if key.startswith(TEMPORARY):
            self.temp[key] = value, end
        else:
            self.kv[key] = value

    def incr(self, key: str, by: int, now: int, end: int) -> int:
        there = self.get(key, now)
        if there and key.startswith(TEMPORARY):
            # without a new end it keeps its own
            end = self.temp[key][1]
        self.put(key, (there[0] if there else 0) + by, end)
        found: int = self.get(key, 0)[0]  # type: ignore[index]
        return found

    def delete(self, key: str) -> None:
        (self.temp if key.startswith(TEMPORARY) else self.kv).pop(key, None)

    def listed(self, prefix: str, now: int) -> list[tuple[str, Any]]:
        kept = {**self.kv, **{key: value for key, (value, end) in self.temp.items() if end > now}}
        return sorted((key, value) for key, value in kept.items() if key.startswith(prefix))

    # --- documents

    def about(self, name: str, word: str) -> list[dict[str, Any]]:
        """The documents that have a word in one of their texts, newest first."""
        mine = self.collection(name)
        found = [mine.shown(row) for row in reversed(mine.rows)]
        return [doc for doc in found if any(word in str(value).split() for value in doc.values())]

    # --- all of it

    def foreign(self, shown: Any) -> set[str]:
        """Marks in an answer, or in an error, that are not of this world."""
        text = shown if isinstance(shown, str) else json.dumps(shown, default=str)
        return set(_MARKS.findall(text)) - self.marks

    def forget_memory(self) -> None:
        self.temp.clear()


class Oracle:
    """All worlds there are. `own`: collections in which everybody has his own rows, by app."""

    def __init__(self) -> None:
        self.worlds: dict[tuple[str, str], World] = {}
        self.own: dict[str, set[str]] = {}

    def world(self, app: str, user: str = "") -> World:
        found = self.worlds.get((app, user))
        if found is None:
            found = self.worlds[app, user] = World(len(self.worlds), app, user)
        return found

    def of_app(self, app: str) -> list[World]:
        return [world for world in self.worlds.values() if world.app == app]

    def marks(self) -> list[str]:
        return [world.mark for world in self.worlds.values()]

    def meant(self, app: str, person: str, personal: bool, collection: str | None = None) -> World | None:
        """Whose rows a call is about; None: somebody has to sign in first."""
        is_own = collection is not None and collection in self.own[app]
        if not personal and not is_own:
            return self.world(app)
        return self.world(app, person) if person else None

    def fork(self, app: str, to: str, with_users: bool) -> None:
        """The new app has what the other one has by now, but not its memory."""
        self.own[to] = self.own[app]
        for world in self.of_app(app):
            if world.user and not with_users:
                continue
            made = self.world(to, world.user)
            for what in ("kv", "collections", "objects", "vectors", "table", "once"):
                setattr(made, what, copy.deepcopy(getattr(world, what)))
            made.marks |= world.marks

    def purge(self, app: str) -> None:
        self.worlds = {key: world for key, world in self.worlds.items() if world.app != app}
