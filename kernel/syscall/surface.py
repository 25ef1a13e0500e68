"""The whole registry as rows and as a reference page: what `fazt surface` prints."""

from __future__ import annotations

import collections
from typing import Any

from kernel.base.errors import CODES
from kernel.syscall.declare import Declaration
from kernel.syscall.javascript import signature, typescript
from kernel.syscall.registry import Entry, Registry


def row(entry: Entry) -> dict[str, Any]:
    declared = entry.declared
    return {
        "name": declared.name,
        "needs": declared.needs,
        "role": declared.role,
        "http": http(declared),
        "cli": f"fazt {declared.command}" if declared.cli else None,
        "js": f"fazt.{declared.js}" if declared.js else None,
        "mcp": declared.tool,
        "args": [
            {
                "name": p.public,
                "type": typescript(p.type),
                "required": p.required,
                "default": None if p.required or p.many else _shown(p.default),
            }
            for p in declared.parameters
        ],
        "returns": typescript(declared.answer, answering=True),
        "since": declared.since,
        "doc": declared.doc,
    }


def rows(registry: Registry) -> list[dict[str, Any]]:
    return [row(entry) for entry in sorted(registry, key=lambda entry: entry.declared.name)]


def http(declared: Declaration) -> str | None:
    return f"{declared.route.method} {declared.route.path}" if declared.route else None


def _shown(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def reference(registry: Registry) -> str:
    """The reference, as Markdown: one section per first word of the names, one entry per capability."""
    groups: dict[str, list[Declaration]] = collections.defaultdict(list)
    for declared in registry.declared:
        groups[declared.name.split(".")[0]].append(declared)
    lines = [
        "# Reference",
        "",
        "Generated from the registry by `fazt surface --reference`; a test fails when it is stale.",
        "",
    ]
    for group in sorted(groups):
        lines += [f"## {group}", ""]
        for declared in sorted(groups[group], key=lambda d: d.name):
            lines += _entry(declared)
    return "\n".join([*lines, *_errors()])


def _entry(declared: Declaration) -> list[str]:
    lines = [f"### {declared.name}", "", declared.doc, ""]
    if declared.route:
        lines.append(f"- HTTP `{http(declared)}` answers {declared.route.status}")
    if declared.cli:
        lines.append(f"- command `fazt {declared.command}`{' (asks for --confirm)' if declared.confirm else ''}")
    if declared.js:
        spaces = declared.js.rpartition(".")[0]
        lines.append(f"- JavaScript `fazt.{spaces + '.' if spaces else ''}{signature(declared)}`")
    who = "nobody in particular: it is a pure function" if declared.role is None else f"role `{declared.role}`"
    lines.append(f"- a person needs {who}; an app needs {f'`{declared.needs}`' if declared.needs else 'no permission'}")
    for p in declared.parameters:
        default = "required" if p.required else "any number" if p.many else f"default `{_shown(p.default)}`"
        lines.append(f"- `{p.public}`: `{typescript(p.type)}`, {default}")
    return [*lines, ""]


def _errors() -> list[str]:
    lines = ["## Errors", "", "| code | HTTP | exit | meaning |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {code.status} | {code.exit} | {code.meaning} |" for name, code in CODES.items()]
    return [*lines, ""]
