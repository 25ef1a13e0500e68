"""What a command prints: data to stdout, talk to stderr."""

from __future__ import annotations

import contextlib
import shlex
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


def _times(data: Any, only: tuple[str, ...] | None = None) -> Any:
    """Moments and sizes as a person reads them; what lies deeper is somebody's own data."""
    if isinstance(data, dict):
        return {name: _time(name, value) if only is None or name in only else value for name, value in data.items()}
    if isinstance(data, list):
        return [_times(row, only) if isinstance(row, dict) else row for row in data]
    return data


def _time(name: str, value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if name.endswith("_bytes"):
            return format_size(value)
        if name.endswith("_at") or name in ("at", "expiresAt", "last_seen", "updatedAt", *STAMPS):
            with contextlib.suppress(ValueError, OverflowError, OSError):
                return iso(value)[:19].replace("T", " ")
    return value


def _moved(data: Any) -> str:
    undo = f"To undo: {data['undo']}\n" if data["undo"] else ""
    warnings = "".join(f"warning: {text}\n" for text in data["warnings"])
    return f"v{data['n']} is live ({data['release']}): {data['url']}\n{undo}{warnings}"


def _usage(data: Any) -> str:
    rows = [{**kind, "bytes": format_size(kind["bytes"])} for kind in data["kinds"]]
    return formats.text(rows) + f"{format_size(data['bytes'])} of {format_size(data['limit'])}\n"


def _explained(data: Any) -> str:
    lines = [data["answer"], *(f"  {line}" for line in data["plan"])]
    indexes = [f"{index['field']} ({index['state']})" for index in data["indexes"]]
    lines += [f"Indexes: {', '.join(indexes)}."] if indexes else []
    lines += [f"Slow queries have asked for an index on {', '.join(data['asked'])}."] if data["asked"] else []
    lines += [f"An index would help: {data['hint']}"] if data["hint"] else []
    return "\n".join(lines) + "\n"


def _sql_table(data: Any) -> str:
    """A table of an app, as somebody would write it down."""
    width = max(len(column["name"]) for column in data["columns"])
    rows = data.get("rows")
    lines = [data["name"] if rows is None else f"{data['name']}: {rows:,} {'row' if rows == 1 else 'rows'}"]
    lines += [f"  {column['name']:{width}}  {column['type']}".rstrip() for column in data["columns"]]
    lines += [f"  {'unique ' * made['unique']}index on {', '.join(made['columns'])}" for made in data["indexes"]]
    return "\n".join(lines) + "\n"


def _sql_answer(data: Any) -> str:
    if isinstance(data, list):
        return formats.text(_times(data, STAMPS)) if data else "No rows.\n"
    changes, last = data["changes"], data["lastInsertId"]
    said = f"{changes:,} {'row' if changes == 1 else 'rows'} changed"
    return f"{said}.\n" if last is None else f"{said}; the last one has the id {last}.\n"


# layouts that differ from a plain table, by capability
LAYOUTS: dict[str, Callable[[Any], str]] = {
    "storage.kv.entry": lambda data: _value(data["value"]) + "\n",
    "storage.kv.set": lambda data: f"Saved {data['key']}.\n",
    "storage.ds.explain": lambda data: _explained(data),
    "storage.usage": lambda data: _usage(data),
    "storage.rd.define": _sql_table,
    "storage.rd.index": _sql_table,
    "storage.rd.tables": lambda data: "".join(map(_sql_table, data)) or "Nothing here yet.\n",
    "storage.rd.query": _sql_answer,
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
    "storage.s3.page": ("key", "size", "mime", "updatedAt", "cid"),
    "jobs.list": ("id", "kind", "state", "due_at", "attempts", "error"),
    "activity.list": ("at", "actor_type", "actor_id", "action", "resource", "result"),
    "audit.list": ("at", "actor_type", "actor_id", "action", "resource", "result"),
}
# rows that are somebody's own data but for these moments
OPEN = ("storage.ds.list", "storage.ds.entry")
STAMPS = ("_createdAt", "_updatedAt")
ASIDE = {"keys.create": "Keep this key: it is not shown again."}


def _plain(data: Any) -> Any:
    """As it comes out of JSON: documents are handed on as text that nobody has read yet."""
    return msgspec.json.decode(msgspec.json.encode(data, enc_hook=str))


def render(name: str, data: Any, meta: Any = None) -> str:
    """An answer as text for a person."""
    plain = _plain(data)
    folders = "".join(f"{folder}\n" for folder in (meta or {}).get("prefixes") or [])
    return folders + _rendered(name, plain) if plain or not folders else folders


def _rendered(name: str, plain: Any) -> str:
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
    return formats.text(_times(plain, STAMPS if name in OPEN else None))


def show(name: str, data: Any, meta: Any, style: str, text: str | None = None) -> None:
    """`text`: as a person reads it, where somebody else has made that already."""
    if style == "json":
        document = {"data": data, **({"meta": meta} if meta else {})}
        write(safe(msgspec.json.encode(document, enc_hook=str).decode() + "\n", "\\u{:04x}"))
    elif style == "markdown":
        write(safe(formats.markdown(_plain(data))))
    else:
        write(safe(render(name, data, meta) if text is None else text))
        if meta and (more := _more(meta, len(data) if isinstance(data, list) else 0)):
            say(more)
    if name in ASIDE and style != "json":
        say(ASIDE[name])


def _more(meta: dict[str, Any], shown: int) -> str:
    """That a list goes on, and how to go on with it."""
    total, offset = meta.get("total"), meta.get("offset") or 0
    if isinstance(total, int) and 0 < shown < total:
        return f"{offset + 1:,} to {offset + shown:,} of {total:,}; see --limit and --offset."
    if meta.get("next"):
        return f"There are more; see --limit, or go on with --after {shlex.quote(str(meta['next']))}"
    return "There are more; see --limit, --offset and --after." if meta.get("has_more") else ""


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
