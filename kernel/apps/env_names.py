"""Names of environment variables of apps, and what an app.json says it wants set."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from kernel.base.text import check_line

MOST_BYTES = 32 << 10
MOST_VALUES = 100
_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,127}")
# names that make libraries and tools behave differently, whoever reads them
_SYSTEM = re.compile(r"PATH|HOME|USER|SHELL|PWD|TMPDIR|IFS|BASH_ENV|LD_.*|DYLD_.*|.*_PROXY|NODE_.*|FAZT_.*")


class EnvWish(Struct, omit_defaults=True):
    """A value an app wants. A default is no secret: it is in the app's files."""

    name: str
    description: str = ""
    required: bool = False
    default: str | None = None


def check_name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = f": {name[:40]!r}" if isinstance(name, str) and name.isprintable() else ""
        raise ValueError(f"must be capital letters, digits and _, not beginning with a digit, at most 128{shown}")
    if _SYSTEM.fullmatch(name):
        raise ValueError(f"{name} belongs to the system; choose another name")
    return name


def check_value(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    if "\0" in value:
        raise ValueError("must not contain the control character U+0000")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("must not contain half of a surrogate pair") from None
    if size > MOST_BYTES:
        raise ValueError(f"must have at most {MOST_BYTES} bytes, has {size}")
    return value


def wishes(said: Any, file: str) -> tuple[list[EnvWish], list[str]]:
    """What the key `env` of a manifest says, and what of it could not be understood."""
    if not isinstance(said, list):
        return [], [f"{file}: env is left out: it is not a list."]
    found: dict[str, EnvWish] = {}
    warnings = []
    for n, item in enumerate(said[:MOST_VALUES]):
        try:
            wish = _wish(item)
            if wish.name in found:
                raise ValueError(f"{wish.name} is there twice")
        except ValueError as error:
            warnings.append(f"{file}: env[{n}] is left out: {error}.")
        else:
            found[wish.name] = wish
    if len(said) > MOST_VALUES:
        warnings.append(f"{file}: env is cut: an app may have {MOST_VALUES} values.")
    return list(found.values()), warnings


def _wish(item: Any) -> EnvWish:
    said = {"name": item} if isinstance(item, str) else item
    if not isinstance(said, dict):
        raise ValueError("it is neither a name nor an object")
    unknown = set(said) - {"name", "description", "required", "default"}
    if unknown:
        raise ValueError(f"it has an unknown key {min(unknown)[:40]!r}")
    required, default = said.get("required", False), said.get("default")
    if not isinstance(required, bool):
        raise ValueError("required must be true or false")
    name, description = check_name(said.get("name")), check_line(said.get("description", ""), 500)
    return EnvWish(name, description, required, None if default is None else check_value(default))


def missing(wishes: list[EnvWish], names: set[str]) -> list[str]:
    """Names that an app cannot do without and nobody has set."""
    return [wish.name for wish in wishes if wish.required and wish.default is None and wish.name not in names]
