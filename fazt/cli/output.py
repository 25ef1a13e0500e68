"""What a command prints: data to stdout, talk to stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from kernel.base.clock import iso
from kernel.base.errors import FaztError
from kernel.base.units import format_size
from kernel.net import formats


def _value(data: Any) -> str:
    """Text as it is, for scripts; anything else as JSON. (--json tells them apart.)"""
    return data if isinstance(data, str) else msgspec.json.encode(data).decode()


def _times(data: Any) -> Any:
    """Moments and sizes as a person reads them; what lies deeper is somebody's own data."""
    if isinstance(data, dict):
        return {name: _time(name, value) for name, value in data.items()}
    if isinstance(data, list):
        return [
            {name: _time(name, value) for name, value in row.items()} if isinstance(row, dict) else row for row in data
        ]
    return data


def _time(name: str, value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if name.endswith("_bytes"):
            return format_size(value)
        if name.endswith("_at") or name in ("at", "expiresAt", "last_seen"):
            with contextlib.suppress(ValueError, OverflowError, OSError):
                return iso(value)[:19].replace("T", " ")
    return value


def _moved(data: Any) -> str:
    undo = f"To undo: {data['undo']}\n" if data["undo"] else ""
    return f"v{data['n']} is live ({data['release']}): {data['url']}\n{undo}"


# layouts that differ from a plain table, by capability
LAYOUTS: dict[str, Callable[[Any], str]] = {
    "storage.kv.entry": lambda data: _value(data["value"]) + "\n",
    "storage.kv.set": lambda data: f"Saved {data['key']}.\n",
    "fs.cat": lambda data: data,
    "releases.rollback": lambda data: _moved(data),
    "releases.promote": lambda data: _moved(data),
    "signin.link": lambda data: data["url"] + "\n",
    "keys.create": lambda data: f"{data['key']}\n",
    "apps.create": lambda data: f"Made {data['slug'] or data['id']}: {data['url']}\n",
    "apps.delete": lambda data: "Gone for ever.\n" if data["purged"] else f"Deleted. To undo, run: {data['undo']}\n",
}
# the columns a person wants of a wide list, by capability
COLUMNS: dict[str, tuple[str, ...]] = {
    "apps.list": ("slug", "id", "title", "visibility", "status", "url", "deleted_at"),
    "config.list": ("name", "value", "default", "set", "doc"),
    "releases.list": ("n", "release", "at", "by", "message", "files", "bytes", "live", "preview_url"),
    "jobs.list": ("id", "kind", "state", "due_at", "attempts", "error"),
    "activity.list": ("at", "actor_type", "actor_id", "action", "resource", "result"),
    "audit.list": ("at", "actor_type", "actor_id", "action", "resource", "result"),
}
ASIDE = {"keys.create": "Keep this key: it is not shown again."}


def render(name: str, data: Any) -> str:
    """An answer as text for a person."""
    plain = msgspec.to_builtins(data, enc_hook=str)
    if name in LAYOUTS:
        return LAYOUTS[name](plain)
    if plain is None:
        return "Done.\n"
    if plain == []:
        return "Nothing here yet.\n"
    if isinstance(plain, str | int | float | bool):
        return _value(plain) + "\n"
    if name in COLUMNS and isinstance(plain, list):
        plain = [{column: row.get(column) for column in COLUMNS[name]} for row in plain]
    if isinstance(plain, dict) and plain and all(isinstance(value, dict) for value in plain.values()):
        plain = [{"name": key, **value} for key, value in plain.items()]
    return formats.text(_times(plain))


def show(name: str, data: Any, meta: Any, style: str) -> None:
    if style == "json":
        document = {"data": data, **({"meta": meta} if meta else {})}
        write(safe(msgspec.json.encode(document, enc_hook=str).decode() + "\n", "\\u{:04x}"))
    elif style == "markdown":
        write(safe(formats.markdown(msgspec.to_builtins(data, enc_hook=str))))
    else:
        write(safe(render(name, data)))
        if meta and (meta.get("has_more") or meta.get("next")):
            say("There are more; see --limit, --offset and --after.")
    if name in ASIDE and style != "json":
        say(ASIDE[name])


def show_error(error: FaztError, style: str) -> None:
    if style == "json":
        write(msgspec.json.encode({"error": error.public()}).decode() + "\n")
    say(f"fazt: {error.message}")
    if error.hint:
        say(f"  {error.hint}")


def safe(text: str, escape: str = "\\x{:02x}") -> str:
    """Stored values come from anywhere; a terminal must not obey them."""
    if not sys.stdout.isatty():
        return text
    return escaped(text, escape)


def escaped(text: str, escape: str = "\\x{:02x}") -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else escape.format(ord(c)) for c in text)


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def say(text: str) -> None:
    print(escaped(text) if sys.stderr.isatty() else text, file=sys.stderr)
