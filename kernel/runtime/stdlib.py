"""The libraries that every app can `require` by name."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.syscall import Call, Page, syscall
from kernel.syscall.plan import page

MANIFEST = Path(__file__).resolve().parent / "guest" / "manifest.json"
NAMES = ("cheerio", "dayjs", "lodash", "marked", "uuid", "validator", "zod")


class Library(Struct):
    name: str
    version: str
    license: str


@syscall("stdlib.list", role="user", http="GET /api/stdlib", cli="stdlib list", js=False)
def stdlib_list(call: Call) -> Page[Library]:
    """List the libraries every app can require by name."""
    found = libraries()
    return page(list(found), 0, len(found), len(found))


@cache
def libraries() -> tuple[Library, ...]:
    """Name, version and licence, as they were when the guest was made."""
    try:
        manifest = json.loads(MANIFEST.read_text())
    except FileNotFoundError as error:
        hint = "Run scripts/guest, or install the program again."
        raise FaztError("SERVICE_UNAVAILABLE", "The libraries of the runtime are missing.", hint) from error
    return tuple(Library(name, manifest[name]["version"], manifest[name]["license"]) for name in NAMES)
