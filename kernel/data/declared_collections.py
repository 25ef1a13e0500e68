"""What is wrong with what an app says of its collections, each with the place in its file."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from kernel.data.collections import Said
from kernel.data.doc_tables import SLOTS
from kernel.data.doc_values import Collection
from kernel.data.index_slots import check_field

MOST_COLLECTIONS, MOST_MONTHS = 200, 1200
_AT = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)


class Problem(msgspec.Struct):
    path: str
    message: str


def problems(storage: Any) -> list[Problem]:
    """Of the key `storage` of a file; what is not about collections is for others."""
    said = storage.get("collections") if isinstance(storage, dict) else None
    if said is None:
        return []
    where = "storage.collections"
    if not isinstance(said, dict):
        return [Problem(where, "is an object of collections")]
    if len(said) > MOST_COLLECTIONS:
        return [Problem(where, f"has {len(said)} collections; {MOST_COLLECTIONS} may say something")]
    return [problem for name, one in said.items() for problem in _of_one(f"{where}.{name}", name, one)]


def _of_one(where: str, name: str, said: Any) -> list[Problem]:
    try:
        Collection.parse(name)
    except ValueError as error:
        return [Problem(where[:200], f"the name of a collection {error}")]
    try:
        one = msgspec.convert(said, Said)
    except msgspec.ValidationError as error:
        found = _AT.fullmatch(str(error))
        assert found
        return [Problem(".".join(filter(None, (where, found[2]))), found[1])]
    wrong = [*_fields(f"{where}.index", one.index), *_fields(f"{where}.text", one.text)]
    if len(one.index) > len(SLOTS):
        wrong.append(
            Problem(f"{where}.index", f"a collection may have {len(SLOTS)} indexes, these are {len(one.index)}")
        )
    if one.sharded and one.scope == "user":
        wrong.append(Problem(f"{where}.sharded", "what everybody has for himself cannot be sharded"))
    if one.retention_months is not None and not one.sharded:
        wrong.append(Problem(f"{where}.retentionMonths", "is for sharded collections only"))
    if one.retention_months is not None and not 1 <= one.retention_months <= MOST_MONTHS:
        wrong.append(Problem(f"{where}.retentionMonths", f"must be 1 to {MOST_MONTHS}"))
    return wrong


def _fields(where: str, fields: list[str]) -> list[Problem]:
    wrong = []
    for n, field in enumerate(fields):
        try:
            check_field(field)
        except ValueError as error:
            wrong.append(Problem(f"{where}[{n}]", str(error)))
        else:
            if field in fields[:n]:
                wrong.append(Problem(f"{where}[{n}]", f"{field} is there twice"))
    return wrong
