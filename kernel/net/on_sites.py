"""What the node answers below /_fazt/ on every app's host."""

from __future__ import annotations

from aiohttp import web

from kernel.net.asked import Asked
from kernel.net.router import Endpoint, Router
from kernel.net.track import Track

BEACON = b"""navigator.sendBeacon("/_fazt/track", JSON.stringify({
  h: location.hostname, p: location.pathname, ref: document.referrer, e: "pageview"
}));
"""


class OnSites:
    def __init__(self, track: Track) -> None:
        self._router: Router[Endpoint] = Router()
        for endpoint in (
            Endpoint("POST", "/track", track.track, "Note an event of a page."),
            Endpoint("OPTIONS", "/track", track.preflight, "Tell a browser that any page may send events."),
            Endpoint("GET", "/pixel.gif", track.pixel, "Note a view where no script runs."),
            Endpoint("GET", "/beacon.js", _beacon, "The script of a page that wants its views counted."),
        ):
            self._router.add(endpoint.method, endpoint.path, endpoint)

    async def answer(self, asked: Asked, path: str) -> web.StreamResponse | None:
        found = self._router.find(asked.request.method, path.split("/")[1:])
        return await found[0].handler(asked) if found else None


async def _beacon(asked: Asked) -> web.StreamResponse:
    return web.Response(
        body=BEACON, content_type="text/javascript", charset="utf-8", headers={"Cache-Control": "public, max-age=86400"}
    )
