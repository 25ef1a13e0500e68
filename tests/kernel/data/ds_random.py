"""Operations on the document store, made at random: mostly sensible, sometimes wrong, small enough to collide."""

from __future__ import annotations

import random
from typing import Any

FIELDS = (
    "a",
    "b",
    "c",
    "a.b",
    "a.0",
    "b.c",
    "list",
    "list.0",
    "list.1.x",
    "n",
    "s",
    "é ü",
    "__proto__",
    "q'\"`",
    "x[0]",
)
TEXTS = (
    "",
    "a",
    "b",
    "ab",
    "A",
    "10",
    "5",
    "true",
    "null",
    "ünï",
    "\U0001f600",
    "\uffff",
    "'--",
    '"',
    "%",
    "_",
    "a\nb",
    "\x7f",
)
NUMBERS = (
    0,
    -0.0,
    1,
    1.0,
    -1,
    2,
    5,
    10,
    1.5,
    -2.25,
    0.1,
    1e300,
    -1e300,
    5e-324,
    2**53,
    2**53 + 1,
    2**60 + 1,
    2**64,
    10**30,
)
OPERATIONS = (
    "insert",
    "many",
    "find",
    "find",
    "find",
    "one",
    "get",
    "count",
    "update",
    "update",
    "delete",
    "oldest",
    "totals",
)


class Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.made = 0

    def pick(self, items: Any) -> Any:
        return self.random.choice(items)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    # --- values

    def scalar(self) -> Any:
        return self.pick(
            (None, True, False, self.pick(NUMBERS), self.pick(NUMBERS), self.pick(TEXTS), self.pick(TEXTS))
        )

    def value(self, depth: int = 2) -> Any:
        kind = self.random.random()
        if depth and kind < 0.15:
            return [self.value(depth - 1) for _ in range(self.random.randrange(4))]
        if depth and kind < 0.3:
            return {self.pick(("b", "c", "x", "0")): self.value(depth - 1) for _ in range(self.random.randrange(3))}
        return self.scalar()

    def document(self) -> Any:
        if self.chance(0.02):
            return self.pick((None, 1, "text", True))
        self.made += 1
        made: dict[str, Any] = {}
        for field in self.random.sample(("a", "b", "c", "list", "n", "s", "é ü", "__proto__", "q'\"`", "x[0]"), 5):
            made[field] = self.value()
        if self.chance(0.8):
            made["n"] = self.pick(NUMBERS)
        if self.chance(0.8):
            made["list"] = [self.value(1) for _ in range(self.random.randrange(4))]
        made["id"] = self.id() if self.chance(0.1) else f"k{self.made}"
        if self.chance(0.1):
            made["_createdAt"] = 5
        if self.chance(0.01):
            made[self.pick(("$set", "$", "$x"))] = self.value()
        return made

    def id(self) -> Any:
        return self.pick(
            (f"k{self.random.randrange(1, self.made + 3)}", f"k{self.random.randrange(1, 20)}", 7, 1.5, "7")
        )

    # --- queries

    def operators(self, depth: int = 1) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for _ in range(self.pick((1, 1, 1, 2))):
            name = self.pick(
                ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$contains", "$exists", "$not")
            )
            if name in ("$in", "$nin"):
                made[name] = [self.value(1) for _ in range(self.random.randrange(4))]
            elif name == "$exists":
                made[name] = self.chance(0.5)
            elif name == "$not":
                if depth:
                    made[name] = self.operators(depth - 1)
            else:
                made[name] = self.value(1)
        return made or {"$exists": True}

    def condition(self) -> tuple[str, Any]:
        field = self.pick((*FIELDS, "id")) if self.chance(0.95) else self.pick(("a..b", "", ".a", "$where"))
        if field == "id":
            return field, self.pick(
                (
                    f"k{self.random.randrange(40)}",
                    self.pick((7, 7.0, 1.5)),
                    {self.pick(("$eq", "$ne")): self.pick((7, 1.5, "7", None))},
                    {self.pick(("$in", "$nin")): ["k1", "k2", 7, "1.5"]},
                    {"$not": {"$in": [7, 1.5]}},
                    {self.pick(("$gt", "$lte")): self.pick(("k3", 3))},
                    {"$exists": True},
                )
            )
        return field, self.operators() if self.chance(0.6) else self.value()

    def query(self, depth: int = 2) -> Any:
        if self.chance(0.02):
            return self.pick(
                (None, 5, True, [], {"a": {"$bad": 1}}, {"a": {"$gt": 1, "b": 2}}, {"$bad": []}, {"$or": {}})
            )
        made = dict(self.condition() for _ in range(self.pick((0, 1, 1, 1, 2))))
        if depth and self.chance(0.25):
            parts = [self.query(depth - 1) for _ in range(self.random.randrange(1, 4))]
            made[self.pick(("$and", "$or", "$nor"))] = parts
        return made

    def whom(self) -> Any:
        """Of an update or a delete."""
        return f"k{self.random.randrange(1, self.made + 3)}" if self.chance(0.5) else self.query()

    def options(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.chance(0.4):
            made["limit"] = self.random.randrange(1, 12)
            if self.chance(0.4):
                made["offset"] = self.random.randrange(6)
        if self.chance(0.3):
            made["order"] = self.pick(("asc", "desc"))
        if self.chance(0.4):
            fields = self.random.sample(("a", "b", "n", "s", "list.0", "id"), self.pick((1, 1, 2)))
            made["sort"] = {field: self.pick((1, -1)) for field in fields}
        return made

    # --- changes

    def change(self) -> Any:
        if self.chance(0.03):
            return self.pick(
                (
                    None,
                    5,
                    [],
                    {"$bad": {"a": 1}},
                    {"id": "other"},
                    {"$set": {"id": 1}},
                    {"$inc": {"n": "1"}},
                    {"$set": 5},
                )
            )
        made: dict[str, Any] = {}
        for _ in range(self.pick((1, 1, 2))):
            field = self.pick(FIELDS)
            what = self.pick(("plain", "$set", "$unset", "$inc", "$inc", "$push", "$pull", "$addToSet"))
            if what == "plain":
                made[field] = self.value()
            elif what == "$inc":
                made[what] = {self.pick((field, "n", "n")): self.pick((1, -1, 2.5, 2**53))}
            elif what in ("$push", "$pull", "$addToSet"):
                made[what] = {self.pick((field, "list", "list")): self.value(1)}
            else:
                made[what] = {field: self.value()}
        return made

    # --- all of it

    def operation(self) -> tuple[str, list[Any]]:
        """The name of the call, and its arguments as JavaScript gives them."""
        name = self.pick(OPERATIONS)
        if name == "insert":
            return "insert", [self.document()]
        if name == "many":
            return "insert", [[self.document() for _ in range(self.random.randrange(4))]]
        if name == "find":
            return "find", [self.query(), self.options()]
        if name == "one":
            return "findOne", [self.whom()]
        if name == "get":
            return "get", [f"k{self.random.randrange(1, self.made + 3)}"]
        if name == "count":
            return "count", [self.query()]
        if name == "update":
            return "update", [self.whom(), self.change()]
        if name == "delete":
            return "delete", [self.whom() if self.chance(0.9) else {}]
        if name == "oldest":
            return "deleteOldest", [self.random.randrange(5, 60)]
        return "aggregate", [self.totals()]

    def totals(self) -> dict[str, Any]:
        made: dict[str, Any] = {"count": True} if self.chance(0.5) else {}
        for name in ("sum", "avg", "min", "max"):
            if self.chance(0.5):
                made[name] = self.pick(("n", "a", "a.b", "list.0", "s"))
        if self.chance(0.5):
            made["where"] = self.query(1)
        return made or {"count": True}
