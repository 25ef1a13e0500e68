"""Settings kept in the file, and the capabilities that show and change them."""

from __future__ import annotations

import contextlib
from typing import Any, Protocol

import msgspec
from msgspec import DecodeError

from kernel.base.errors import FaztError
from kernel.base.json import decode, to_text
from kernel.base.settings import Setting, Settings
from kernel.base.tables import Migration, Read, Remove, Table
from kernel.storage.store import Store
from kernel.syscall import Call, Line, Write, syscall
from kernel.syscall.words import AsTyped

CONFIG = Table("config", ("name", "value", "updated_at", "created_at"), key=("name",), scope="node", published=True)
MIGRATIONS = (
    Migration(
        "config_0001",
        """
create table config (name text primary key, value text not null, updated_at integer not null,
  created_at integer not null) strict, without rowid""",
    ),
)
STORED = Read("select name, value from {config}")
UNSET = Remove(CONFIG, where="name = :name")
LIMITS = "limits."
# what is shown of a secret that is set
MASK = "••••••••"


class SettingName(Line):
    least, most = 1, 200


class Sealed(Protocol):
    """The port to secrets of the node, each under the name of its setting."""

    def put(self, name: str, value: str) -> Write[None]: ...
    def forget(self, name: str) -> Write[None]: ...


class Shown(msgspec.Struct):
    name: str
    value: Any
    default: Any
    type: str
    doc: str
    set: bool


def load(store: Store, settings: Settings) -> None:
    stored = {}
    for name, value in store.rows(STORED):
        # what another version wrote and this one cannot read is left alone
        with contextlib.suppress(DecodeError):
            stored[name] = decode(value)
    settings.load(stored)


def _shown(settings: Settings, setting: Setting) -> Shown:
    return Shown(
        setting.name,
        settings[setting.name],
        setting.default,
        setting.kind_name,
        setting.doc,
        settings.is_set(setting.name),
    )


def _save(call: Call, name: str, value: Any, force: bool) -> Write[Shown]:
    settings = call.use(Settings)
    setting = settings.find(name)
    parsed = setting.parse(value, force)
    secret: Write[None] = Write(())
    if setting.sealed:
        # the file keeps that it is set, and elsewhere, sealed, what it is
        secret = call.use(Sealed).put(name, parsed)  # type: ignore[type-abstract]
        parsed = MASK

    def done(_: list[list[Any]]) -> Shown:
        settings.apply(setting.name, parsed)
        return _shown(settings, setting)

    text = to_text(parsed)
    return call.store.put(CONFIG, name=setting.name, value=text, updated_at=call.now).giving(done) + secret


@syscall("config.list", role="owner", http="GET /api/config", cli="config list", js=False)
def config_list(call: Call) -> list[Shown]:
    """All settings with their values, defaults and meanings."""
    settings = call.use(Settings)
    return [_shown(settings, setting) for name, setting in sorted(settings.declared.items())]


@syscall("config.get", role="owner", http="GET /api/config/{name}", cli="config get <name>", js=False)
def config_get(call: Call, name: SettingName) -> Shown:
    """One setting."""
    settings = call.use(Settings)
    return _shown(settings, settings.find(name))


@syscall("config.set", role="owner", http="PUT /api/config/{name}", cli="config set <name> <value>", js=False, weight=7)
def config_set(call: Call, name: SettingName, value: AsTyped, *, force: bool = False) -> Write[Shown]:
    """Change a setting; --force goes beyond its range."""
    return _save(call, name, value, force)


@syscall(
    "config.unset", role="owner", http="DELETE /api/config/{name} -> 204", cli="config unset <name>", js=False, weight=7
)
def config_unset(call: Call, name: SettingName) -> Write[None]:
    """Return a setting to its default."""
    settings = call.use(Settings)
    setting = settings.find(name)
    if not settings.is_set(setting.name):
        raise FaztError("NOT_FOUND", f"{setting.name} is not set; its default holds.", setting=setting.name)
    secret = call.use(Sealed).forget(setting.name) if setting.sealed else Write(())  # type: ignore[type-abstract]
    return call.store.do(UNSET, name=setting.name).giving(lambda _: settings.forget(setting.name)) + secret


class Limit(msgspec.Struct):
    value: Any
    default: Any
    doc: str


@syscall("limits.show", http="GET /api/system/limits", cli="limits show <prefix?>", js=False)
def limits_show(call: Call, prefix: SettingName | None = None) -> dict[str, Limit]:
    """The node's limits."""
    settings = call.use(Settings)
    return {
        name.removeprefix(LIMITS): Limit(settings[name], setting.default, setting.doc)
        for name, setting in sorted(settings.declared.items())
        if name.startswith(LIMITS + (prefix or ""))
    }


@syscall(
    "limits.set",
    role="owner",
    http="PUT /api/system/limits/{name}",
    cli="limits set <name> <value>",
    js=False,
    weight=7,
)
def limits_set(call: Call, name: SettingName, value: AsTyped, *, force: bool = False) -> Write[Shown]:
    """Change a limit; --force goes beyond its range."""
    return _save(call, LIMITS + name.removeprefix(LIMITS), value, force)
