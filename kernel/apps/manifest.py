"""`app.json`: what an app says of itself. One struct; each part of the node reads its own keys of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from kernel.apps.env_names import EnvWish, wishes
from kernel.base.errors import FaztError
from kernel.base.text import check_line
from kernel.data import declared_collections
from kernel.data.collections import StorageSaid
from kernel.data.declared_collections import Problem

T = TypeVar("T")

LARGEST = 64 * 1024
FILE, PWA_FILE = "app.json", "manifest.json"


class Analytics(msgspec.Struct):
    enabled: bool = True
    beacon: bool = False

    def __post_init__(self) -> None:
        self.beacon = self.beacon and self.enabled


class RuntimeSaid(msgspec.Struct, forbid_unknown_fields=True):
    """How far its code may go: less than the node allows."""

    maxExecutionSeconds: float | None = None
    maxCpuSeconds: float | None = None
    maxMemoryMB: int | None = None


class Limits(msgspec.Struct):
    runtime: RuntimeSaid = msgspec.field(default_factory=RuntimeSaid)


class Manifest(msgspec.Struct):
    """Keys that are not named here belong to others: many tools call their own file app.json."""

    name: str | None = None
    title: str | None = None
    description: str | None = None
    spa: bool | None = None
    version: str | None = None
    isolation: Literal["warm", "request"] | None = None
    limits: Limits = msgspec.field(default_factory=Limits)
    analytics: Analytics = msgspec.field(default_factory=Analytics)
    env: list[EnvWish] = msgspec.field(default_factory=list)
    storage: StorageSaid = msgspec.field(default_factory=StorageSaid)


def chosen(find: Callable[[str], T | None]) -> tuple[str, T] | None:
    """The file that speaks for an app: its name, and what `find` has for it."""
    for name in (FILE, PWA_FILE):
        if (found := find(name)) is not None:
            return name, found
    return None


def parse(data: bytes, file: str = FILE) -> tuple[Manifest, list[str]]:
    """What the file says, and what could not be understood. Never fails: a foreign app.json is no error."""
    try:
        said = _object(data, file)
    except ValueError as error:
        return Manifest(), [f"{file} is left out: it {error}."]
    return _fields(said, file)


def problems(data: bytes, file: str = FILE) -> list[Problem]:
    """What of it would not do what its author means: nobody should deploy that."""
    try:
        return declared_collections.problems(_object(data, file).get("storage"))
    except ValueError:
        return []


def _object(data: bytes, file: str) -> dict[str, Any]:
    """The part of the file that is for us; ValueError says why it cannot be read."""
    try:
        if len(data) > LARGEST:
            raise ValueError(f"is larger than {LARGEST // 1024} KiB")
        said = msgspec.json.decode(data)
        if not isinstance(said, dict):
            raise ValueError("is not a JSON object")
    except RecursionError:
        raise ValueError("is too deep") from None
    if file == PWA_FILE:
        # the manifest of a web app is only ours where it says so
        said = said.get("fazt")
        if not isinstance(said, dict):
            return {}
    return said


def _fields(said: dict[str, Any], file: str) -> tuple[Manifest, list[str]]:
    found, warnings = Manifest(), []
    for field in msgspec.structs.fields(Manifest):
        if field.name not in said:
            continue
        if field.name == "env":
            found.env, more = wishes(said["env"], file)
            warnings += more
            continue
        try:
            value = msgspec.convert(said[field.name], field.type)
            if isinstance(value, str):
                value = check_line(value, 2000 if field.name == "description" else 200)
        except (msgspec.ValidationError, ValueError, FaztError) as error:
            warnings.append(f"{file}: {field.name} is left out: {error}.")
        else:
            setattr(found, field.name, value)
    return found, warnings
