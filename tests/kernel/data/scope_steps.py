"""What the steps of the scope trial have in common: who acts, under which names, and how answers are compared."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.kernel.data.scope_oracle import TEMPORARY, World

# ids like those the program makes, and such as nobody should ever get
PEOPLE = ("usr_a", "usr_a%", "USR_A", "..")
KEYS = (
    *(
        "k",
        "K",
        "app_id",
        "user_id",
        "usr_a",
        "user/usr_a/k",
        "user/",
        "'; --",
        "%",
        "_",
        "k%",
        "é",
        "👩‍👧",
        "\U0010ffff",
    ),
    *(TEMPORARY, "temp:k", "temp:usr_a", "temp:%"),
)
PREFIXES = ("", "k", "user", "usr_", "te", TEMPORARY, "%", "_", "app_")
COUNTERS = ("n", "temp:n")
OBJECTS = (
    "k",
    "user/usr_a/k",
    "app/k",
    "%",
    "_",
    "'; --",
    "é/ü",
    "a/b/c",
    "a/b",
    "user_id",
    "usr_a%25",
    "k?x#y",
    "a+b c",
)
COLLECTIONS = ("notes", "posts", "events", "user_id", "a.b-c", "app_docs", "usr_a")
IDS = ("1", "usr_a", "usr_a%", "user_id", "'; --", "%", "_", "user/1", "../1", "é")


# what nobody can do where everybody has his own
NOBODYS: tuple[tuple[Any, ...], ...] = (
    ("ds.insert", {"id": "1"}),
    ("ds.insert", [{"id": "1"}]),
    ("ds.find",),
    ("ds.find", {"$text": "common"}),
    ("ds.findOne", {}),
    ("ds.get", "1"),
    ("ds.update", {}, {"n": 1}),
    ("ds.update", "1", {"n": 1}),
    ("ds.delete", {}),
    ("ds.deleteOldest", 0),
    ("ds.count",),
    ("ds.aggregate", {"count": True}),
)


class Actor(NamedTuple):
    app: str
    person: str = ""
    personal: bool = False  # `fazt.app.user.…`


class Refused(NamedTuple):
    code: str


LOGIN = Refused("LOGIN_REQUIRED")


class Steps:
    """Each step asks the program and the oracle, and compares. Mixed into the trial, which says how one asks."""

    random: random.Random
    oracle: Any
    made: int

    # filled by the trial
    ask: Callable[..., Any]
    now: Callable[[], int]
    streamed: Callable[[str], set[str]]
    is_outside: Callable[[str], bool]

    def pick(self, items: Any) -> Any:
        return self.random.choice(items)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def same(self, found: Any, expected: Any, world: World | None, *said: Any) -> None:
        assert found == expected, (*said, "found", found, "expected", expected)
        assert world is None or not world.foreign(found), (*said, "foreign", world.foreign(found))

    def value(self, world: World) -> dict[str, Any]:
        self.made += 1
        return {"mk": world.mark, "n": self.made, "of": self.pick(KEYS)}

    def end(self) -> int:
        return self.now() + 600_000

    def is_streamed(self, actor: Actor, name: str) -> bool:
        return name in self.streamed(actor.app) and not actor.personal
