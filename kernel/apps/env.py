"""Environment variables of apps: set by those who run an app, read by its code as `fazt.env`, kept sealed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from kernel.apps.env_names import MOST_BYTES, MOST_VALUES, EnvWish, check_name, check_value
from kernel.base.errors import FaztError, invalid
from kernel.security.secrets import Secrets
from kernel.syscall import Call, Line, Secret, Write, syscall

MASK = "••••••••"


class EnvName(Line):
    least, most = 1, 128
    pattern = "[A-Z_][A-Z0-9_]*"

    @classmethod
    def parse(cls, value: Any) -> EnvName:
        return cls(check_name(value))


class EnvValue(Secret):
    """What a variable holds; may be empty."""

    @classmethod
    def parse(cls, value: Any) -> EnvValue:
        return cls(check_value(value))

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": "string", "maxLength": MOST_BYTES, "writeOnly": True}


class EnvValues:
    """A port: what the code of an app finds in its environment. Any thread may ask."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def version(self, app: str) -> int:
        """Grows when a value of the app changes."""
        return self._secrets.version(app)

    def names(self, app: str) -> list[str]:
        """What is set; this works without the key of the file."""
        return [name for name, _ in self._secrets.names("env", app)]

    def values(self, app: str, wishes: Iterable[EnvWish] = ()) -> dict[str, str]:
        """What is set, and the defaults of the manifest for what is not. LOCKED when a value cannot be opened."""
        defaults = {wish.name: wish.default for wish in wishes if wish.default is not None}
        return {**defaults, **self._secrets.values("env", app)}


class EnvEntry(Struct):
    name: str
    value: str
    set_at: int


class EnvSet(Struct):
    names: list[str]


@syscall("env.list", http="GET /api/apps/{app}/env", cli="env list", js=False)
def env_list(call: Call) -> list[EnvEntry]:
    """The environment variables of an app by name; no door shows their values."""
    rows = call.use(Secrets).names("env", call.app or "")
    return [EnvEntry(name, MASK, updated) for name, updated in rows]


@syscall("env.set", http="POST /api/apps/{app}/env", js=False, weight=7)
def env_set(call: Call, values: dict[str, EnvValue]) -> Write[EnvSet]:
    """Set environment variables of an app, all of them or none."""
    if not 1 <= len(values) <= MOST_VALUES:
        raise invalid("values", f"must be 1 to {MOST_VALUES} values")
    for name in values:
        _checked(name)
    return _set(call, values)


@syscall("env.put", http="PUT /api/apps/{app}/env/{name}", js=False, weight=7)
def env_put(call: Call, name: EnvName, value: EnvValue) -> Write[EnvSet]:
    """Set one environment variable of an app."""
    return _set(call, {name: value})


@syscall("env.unset", http="DELETE /api/apps/{app}/env/{name} -> 204", cli="env unset <name>", js=False, weight=7)
def env_unset(call: Call, name: EnvName) -> Write[None]:
    """Remove an environment variable of an app."""
    return call.use(Secrets).forget(call.store, "env", name)


def _checked(name: str) -> None:
    try:
        check_name(name)
    except ValueError as error:
        raise invalid("values", str(error)) from None


def _set(call: Call, values: dict[str, EnvValue]) -> Write[EnvSet]:
    full = FaztError(
        "LIMIT_EXCEEDED", f"An app may have {MOST_VALUES} environment variables.", "Remove one: fazt env unset NAME"
    )
    given = {str(name): str(value) for name, value in values.items()}
    plan = call.use(Secrets).put(call.store, "env", given, call.now, MOST_VALUES, full)
    # not `plan.giving`: what was opened before would not be read anew
    return Write((), lambda _: EnvSet(sorted(values))) + plan
