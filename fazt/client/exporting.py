"""Everything of a store, page by page. Pages begin behind the last key or id, so writes meanwhile shift nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from fazt.client.http import Link

PAGE = 1000
TEMPORARY = "temp:"


def documents(link: Link, app: str, collection: str, query: Any = None, user: str = "") -> Iterator[dict[str, Any]]:
    """The documents that a query means, in the order of their ids."""
    place = f"{app}/storage/ds/{quote(collection, safe='')}/query"
    last: str | None = None
    while True:
        asked: dict[str, Any] = {"limit": PAGE, "sort": {"id": 1}, "total": False}
        conditions = [query] if query else []
        conditions += [{"id": {"$gt": last}}] if last is not None else []
        if conditions:
            asked["query"] = conditions[0] if len(conditions) == 1 else {"$and": conditions}
        found = link.ask("POST", place, msgspec.json.encode({**asked, **({"user": user} if user else {})}))
        yield from found
        if not found:
            return
        last = found[-1]["id"]


def values(link: Link, app: str, prefix: str = "", user: str = "") -> Iterator[dict[str, Any]]:
    """The entries by prefix, in the order of their keys; those in memory only are left out."""
    last = ""
    while True:
        words = {"limit": PAGE, **({"prefix": prefix} if prefix else {}), **({"after": last} if last else {})}
        words |= {"user": user} if user else {}
        found = link.ask("GET", f"{app}/storage/kv?{urlencode(words, quote_via=quote)}", kind="")
        yield from (entry for entry in found if not entry["key"].startswith(TEMPORARY))
        if not found:
            return
        last = found[-1]["key"]
