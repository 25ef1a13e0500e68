"""Which argument is wrong, and why: what decoders say, in words that name the field."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kernel.base.errors import FaztError
from kernel.base.text import check_json
from kernel.syscall.declare import Declaration

_WHERE = re.compile(r" - at `(?:key in )?\$(?:\.(\w+)|\[(\d+|\.\.\.)\])?")
_ARGUMENT = re.compile(r" - at `\$\[(\d+)\](?:\.(\w+))?")
_FIELD = re.compile(r"(?:unknown|required) field `([^`]*)`")
# names come from outside; an answer does not repeat more than this of one
LONGEST = 100
_NO_CHOICE = "Invalid enum value "
_TOO_FEW = re.compile(r"at least length \d+, got (\d+)")


def refuse_field(error: Exception, values: Mapping[str, Any], declared: Declaration) -> FaztError:
    if isinstance(error, RecursionError):
        field = next((name for name, value in values.items() if isinstance(value, dict | list)), "body")
        return FaztError("VALIDATION_FAILED", f"{field}: nested too deep", field=field)
    message = str(error)
    told = _FIELD.search(message)
    if told:
        field = told[1][:LONGEST]
        if "required" in message and " - at " not in message:
            return FaztError("MISSING_FIELD", f"{field}: required and missing", field=field)
    place = _WHERE.search(message)
    field = place[1] if place and place[1] else told[1][:LONGEST] if told else "body"
    return FaztError("VALIDATION_FAILED", f"{field}: {_said(message, field, declared)}", field=field)


def refuse_argument(declared: Declaration) -> Callable[[Exception, bytes], FaztError]:
    names = [p.public for p in declared.parameters if not p.option and not p.is_bytes]
    many = next((p.public for p in declared.parameters if p.many), None)

    def refuse(error: Exception, buffer: bytes) -> FaztError:
        field, message = _guilty(error, names, buffer)
        field = many or field
        message = _said(message, field, declared)
        where = f"{declared.name}: {field}: " if field else f"{declared.name}: "
        details = {"field": field} if field else {}
        return FaztError("INVALID_ARGUMENT", where + message, **details)

    return refuse


def _guilty(error: Exception, names: list[str], buffer: bytes) -> tuple[str | None, str]:
    """The argument that is wrong, and why."""
    message = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return _undecodable(names, buffer) or (None, _plain(message))
    few, place, told = _TOO_FEW.search(message), _ARGUMENT.search(message), _FIELD.search(message)
    if few and not place:
        got = int(few[1])
        return (names[got], "required and missing") if got < len(names) else (None, "an argument is missing")
    field = told[1][:LONGEST] if told else place[2] if place else None
    if field is None and place and int(place[1]) < len(names):
        field = names[int(place[1])]
    return field, _plain(message)


def _undecodable(names: list[str], buffer: bytes) -> tuple[str, str] | None:
    """JSON that msgspec does not take although its shape is right: the argument with half a character, or too deep."""
    try:
        arguments = json.loads(buffer)
    except (ValueError, RecursionError):
        return None
    given = arguments if isinstance(arguments, list) else []
    named = list(zip(names, given, strict=False))
    if len(given) > len(names) and isinstance(given[-1], dict):
        named += given[-1].items()
    if len(names) == 1:
        named = [(names[0], value) for value in given if not isinstance(value, dict)] + named
    for name, value in named:
        try:
            check_json(value)
        except (ValueError, RecursionError) as error:
            return name, str(error)
    return None


def _said(message: str, field: str | None, declared: Declaration) -> str:
    """With the values there are, where it is one of a few."""
    plain = _plain(message)
    kind = next((p.type for p in declared.parameters if field in (p.public, p.camel)), None)
    choices = _choices(kind)
    if not plain.startswith(_NO_CHOICE) or not choices:
        return plain
    return f"must be one of {', '.join(map(str, choices))}, not {plain.removeprefix(_NO_CHOICE)}"


def _choices(kind: Any) -> list[Any]:
    if t.get_origin(kind) is t.Literal:
        return list(t.get_args(kind))
    return [choice for part in t.get_args(kind) for choice in _choices(part)]


def _plain(message: str) -> str:
    # the message may quote what was sent
    plain = message.split(" - at `")[0].replace("`", "")
    return plain if len(plain) <= 200 else plain[:200] + "…"
