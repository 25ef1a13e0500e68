"""Following a short link."""

from __future__ import annotations

from aiohttp import web

from kernel.base.errors import not_found
from kernel.net.analytics import EventBuffer
from kernel.net.asked import Asked
from kernel.net.redirects import BY_SLUG, Clicks
from kernel.net.router import Endpoint
from kernel.net.track import loose_query
from kernel.storage.store import Store


class Follow:
    """GET /r/{slug} on the node's own domain."""

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("GET", "/r/{slug}", self, "Follow a short link.")

    def __init__(self, store: Store, clicks: Clicks, events: EventBuffer, domain: str) -> None:
        self._store, self._clicks, self._events, self._domain = store, clicks, events, domain

    async def __call__(self, asked: Asked) -> web.StreamResponse:
        slug = asked.words["slug"]
        row = self._store.scoped("").one(BY_SLUG, slug=slug)
        if row is None:
            raise not_found("redirect", slug[:100])
        if asked.request.method == "GET":
            self._clicks.waiting[row[0]] += 1
            self._note(asked, slug)
        return web.Response(status=302, headers={"Location": row[1], "Cache-Control": "no-store"})

    def _note(self, asked: Asked, slug: str) -> None:
        query = loose_query(asked)
        tags = query.pop("tags", "")
        self._events.note(
            "redirect",
            "click",
            self._domain,
            path=f"/r/{slug}",
            referrer=asked.request.headers.get("Referer", ""),
            user_agent=asked.agent,
            address=asked.address,
            query=query,
            tags=[tags],
        )
