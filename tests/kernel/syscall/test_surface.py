"""The whole registry as rows and as a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fazt.boot import registry
from kernel.base.errors import CODES
from kernel.runtime.declarations import declarations
from kernel.syscall import Call, Key, Registry, Write
from kernel.syscall.surface import reference, row, rows

from .support import entry


def declared(call: Call, key: Key, *, size: int = 5, tags: list[Key] = []) -> Write[str]:  # noqa: B006
    """Do it well.

    At length.
    """
    return Write(())


ENTRY = entry(
    declared, needs="a:b", http="PUT /api/x/{key} -> 202", cli="x do <key>", js="x.do", role="owner", confirm="Gone."
)


def test_a_row_says_everything_about_a_capability() -> None:
    assert row(ENTRY) == {
        "name": "a.b",
        "needs": "a:b",
        "role": "owner",
        "http": "PUT /api/x/{key}",
        "cli": "fazt x do <key>",
        "js": "fazt.x.do",
        "mcp": "fazt_a_b",
        "args": [
            {"name": "key", "type": "string", "required": True, "default": None},
            {"name": "size", "type": "number", "required": False, "default": 5},
            {"name": "tags", "type": "string[]", "required": False, "default": "[]"},
        ],
        "returns": "string",
        "since": "0.1.0",
        "doc": "Do it well.\n\nAt length.",
    }


def test_every_capability_of_the_node_has_its_row_in_order_and_as_json() -> None:
    known = registry()
    made = rows(known)
    assert [row["name"] for row in made] == sorted(d.name for d in known.declared)
    assert msgspec.json.decode(msgspec.json.encode(made)) == made


def test_the_reference_holds_every_capability_and_every_error() -> None:
    text = reference(registry())
    for known in registry().declared:
        assert f"### {known.name}\n\n{known.doc}\n" in text
    for name, code in CODES.items():
        assert f"| `{name}` | {code.status} | {code.exit} | {code.meaning} |" in text


@pytest.mark.parametrize(
    ("path", "made"), [("reference.md", reference), ("fazt.d.ts", declarations)], ids=["reference", "types"]
)
def test_what_is_generated_from_the_registry_is_not_stale(path: str, made: Callable[[Registry], str]) -> None:
    kept = (Path(__file__).parents[3] / "specs" / path).read_text()
    assert kept == made(registry()), "run scripts/generate"


def test_an_entry_of_the_reference_names_each_door_and_who_may_come_in() -> None:
    known = Registry()
    known.add(ENTRY.declared)
    text = reference(known)
    for line in (
        "- HTTP `PUT /api/x/{key}` answers 202",
        "- command `fazt x do <key>` (asks for --confirm)",
        "- JavaScript `fazt.x.do(key: string, options?: { size?: number; tags?: string[] }): string`",
        "- a person needs role `owner`; an app needs `a:b`",
        "- `key`: `string`, required",
        "- `size`: `number`, default `5`",
    ):
        assert line in text
