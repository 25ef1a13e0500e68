"""What pages tell of themselves: a beacon and a pixel. Anybody may send them, from any page, so nothing is believed."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from kernel.apps.resolve import resolve
from kernel.base.errors import FaztError, invalid
from kernel.base.json import to_text
from kernel.net.analytics import EventBuffer
from kernel.net.asked import Asked
from kernel.net.envelope import failure, json_object
from kernel.net.hosts import Hosts, parse_host
from kernel.net.router import Endpoint
from kernel.storage.store import Store

MOST_BODY = 10 * 1024
MOST_WORDS = 50
ANYWHERE = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}
PREFLIGHT = {
    **ANYWHERE,
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Max-Age": "86400",
}
# one transparent point
PIXEL = bytes.fromhex("474946383961 01000100800000 000000ffffff 21f9040100000000 2c000000000100010000 0202440100 3b")


class Track:
    """POST /track and GET /pixel.gif. The methods are handlers: they may be routed on the hosts of apps as well."""

    def __init__(self, store: Store, events: EventBuffer, domain: str) -> None:
        self._store, self._events, self._hosts = store, events, Hosts(domain)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint("POST", "/track", self.track, "Note a page view or another event of a page."),
            Endpoint("OPTIONS", "/track", self.preflight, "Tell a browser that any page may send events."),
            Endpoint("GET", "/pixel.gif", self.pixel, "Note a view where no script runs; answers a transparent point."),
        )

    async def preflight(self, asked: Asked) -> web.StreamResponse:
        return web.Response(status=204, headers=PREFLIGHT)

    async def track(self, asked: Asked) -> web.StreamResponse:
        try:
            self._note(asked, json_object(await asked.body(MOST_BODY)))
        except FaztError as error:
            # without the header a page would only learn that something went wrong
            response = failure(error, asked.id)
            response.headers.update(ANYWHERE)
            response.force_close()
            return response
        return web.Response(status=204, headers=ANYWHERE)

    async def pixel(self, asked: Asked) -> web.StreamResponse:
        if asked.request.method == "GET":
            said = loose_query(asked)
            domain, tags = said.pop("domain", ""), said.pop("tags", "")
            known = self._known(domain or page_of(asked))
            if known:
                self._events.note(
                    "pixel",
                    "pageview",
                    known[0],
                    app_id=known[1],
                    referrer=asked.request.headers.get("Referer", ""),
                    user_agent=asked.agent,
                    address=asked.address,
                    query=said,
                    tags=[tags],
                )
        headers = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "cross-origin"}
        return web.Response(body=PIXEL, content_type="image/gif", headers=headers)

    def _note(self, asked: Asked, said: dict[str, Any]) -> None:
        domain = _text(said, "domain", "d") or _text(said, "hostname", "h")
        event_type = _text(said, "event_type", "e")
        path, referrer = _text(said, "path", "p"), _text(said, "referrer", "ref")
        tags, query = _tags(said), _query(said)
        known = self._known(domain or page_of(asked))
        if known:
            self._events.note(
                "web",
                event_type or "pageview",
                known[0],
                app_id=known[1],
                path=path,
                referrer=referrer,
                user_agent=asked.agent,
                address=asked.address,
                query=query,
                tags=tags,
            )

    def _known(self, domain: str) -> tuple[str, str | None] | None:
        """The domain as we write it and the app that lives there; None for one that is not ours."""
        try:
            host = parse_host(domain)
        except FaztError:
            return None
        place = self._hosts.place(host, from_here=False)
        if place.kind == "root":
            return self._hosts.domain, None
        # a preview is looked at by those who make the app: it has no visitors
        if place.kind != "app" or "--" in place.label:
            return None
        meant = resolve(self._store, place.label)
        return (host, meant.app or None) if meant.kind in ("app", "split") else None


def page_of(asked: Asked) -> str:
    """The host of the page that asks, where it says so; else the host that was asked."""
    for name in ("Origin", "Referer"):
        try:
            netloc = urlsplit(asked.request.headers.get(name, "")).netloc
        except ValueError:
            continue
        if netloc:
            return netloc
    return asked.place.host


def loose_query(asked: Asked) -> dict[str, str]:
    """The query as far as it can be read: what shows a picture or leads somewhere is not refused for its sake."""
    query = asked.request.raw_path.partition("?")[2].partition("#")[0]
    try:
        return dict(parse_qsl(query, keep_blank_values=True, errors="replace", max_num_fields=MOST_WORDS))
    except ValueError:
        return {}


def _said(said: dict[str, Any], *names: str) -> tuple[str, Any]:
    """A value under the first of its names that is used."""
    return next(((name, said[name]) for name in names if said.get(name) is not None), (names[0], None))


def _text(said: dict[str, Any], *names: str) -> str:
    name, value = _said(said, *names)
    if value is not None and not isinstance(value, str):
        raise invalid(name, "must be text")
    return value or ""


def _tags(said: dict[str, Any]) -> list[str]:
    name, value = _said(said, "tags", "t")
    found = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(found, list) or not all(isinstance(tag, str) for tag in found):
        raise invalid(name, "must be a list of texts")
    return found


def _query(said: dict[str, Any]) -> dict[str, str]:
    name, value = _said(said, "query", "q")
    found = {} if value is None else value
    if not isinstance(found, dict) or any(isinstance(item, dict | list) for item in found.values()):
        raise invalid(name, "must be an object of plain values")
    return {word: item if isinstance(item, str) else to_text(item) for word, item in found.items()}
