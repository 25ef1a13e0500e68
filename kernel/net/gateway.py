"""/ipfs/{cid}: content by its id, on every host. Only what is public anyway is shown.

A file is public when an app that anybody may see would serve it, or when somebody uploaded it to be found by its id.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from kernel.apps import apps
from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.base.tables import Read
from kernel.fs import blobs, cid, paths, releases, trees
from kernel.fs.mime import mime_of
from kernel.fs.trees import File
from kernel.net.address import understood
from kernel.net.asked import Asked
from kernel.net.sending import Sending
from kernel.net.streaming import Headers
from kernel.storage.store import Store

FOR_EVER = "public, max-age=29030400, immutable"
MOST_LISTED = 1000
# what is asked at once of the store: everybody else waits for it
MOST_TREES = 64
MOST_PATHS = 250


class View(NamedTuple):
    """What anybody may see of a tree: all, where somebody uploaded it to be found, else what its app would serve."""

    tree: int
    pinned: bool
    handled: bool  # an app answers below api/ by code of its own

    def shows(self, path: str) -> bool:
        return self.pinned or not (paths.is_hidden(path, self.handled) or paths.needs_permission(path))

    def enters(self, path: str) -> bool:
        """May anything be seen in the folder of this path?"""
        return self.shows(path.rpartition("/")[0] + "/x" if "/" in path else "x")


class Gateway:
    def __init__(self, store: Store, sending: Sending) -> None:
        self._store, self._sending = store, sending

    async def answer(self, asked: Asked, path: str) -> web.StreamResponse | None:
        """`path` is `ipfs/{cid}/…`."""
        if asked.request.method not in ("GET", "HEAD"):
            raise FaztError(
                "METHOD_NOT_ALLOWED", f"{asked.request.method} is not answered here.", allow=["GET", "HEAD"]
            )
        kind, _, rest = path.partition("/")
        text, slash, below = rest.partition("/")
        if kind != "ipfs" or not text:
            return None
        parsed = cid.parse(text)
        if parsed is None:
            raise FaztError("BAD_REQUEST", "That is no content id.", "It begins with Qm, bafybei or bafkrei.")
        if not below and (file := await self._file(parsed)):
            found, name = file
            return await self._send(asked, found, name)
        if parsed.cid:
            async for view, folder in self._seen_in(trees.WITH_FOLDER, trees.FOLDER_IN, cid=parsed.cid):
                response = await self._in_folder(asked, view, folder + "/" if folder else "", below, bool(slash))
                if response is not None:
                    return response
        return None

    async def _file(self, parsed: cid.Parsed) -> tuple[File, str] | None:
        """A public file, and a name that tells its type."""
        if parsed.cid:
            rows = self._store.rows(blobs.BY_CID, cid=parsed.cid)
        else:
            rows = self._store.rows(blobs.BY_SHA256, sha256=parsed.sha256)
        if not rows:
            return None
        id, size, known, name, pinned = rows[0]
        file = File(id, known, size)
        if pinned:
            return file, name or ""
        async for view, path in self._seen_in(trees.WITH_BLOB, trees.BLOB_IN, blob=id):
            if view.shows(path):
                return file, path
        return None

    async def _seen_in(self, trees_with: Read, paths_in: Read, **what: Any) -> AsyncIterator[tuple[View, str]]:
        """Where something lies in trees of which anybody may see something; others wait no longer than for a page."""
        found = [0]
        while found:
            found = [id for (id,) in self._store.rows(trees_with, after=found[-1], limit=MOST_TREES, **what)]
            for view in self._views(found):
                first = ""
                while rows := self._store.rows(paths_in, tree=view.tree, first=first, limit=MOST_PATHS, **what):
                    for (path,) in rows:
                        yield view, path
                    # what comes right behind the last one
                    first = rows[-1][0] + "\0"
                    await _others_first()
            await _others_first()

    def _views(self, found: list[int]) -> list[View]:
        """Those of these trees of which anybody may see something."""
        rows, these = self._store.rows, to_text(found)
        pinned = {tree for (tree,) in rows(trees.PINNED, trees=these)}
        served = rows(releases.APPS_OF_TREES, trees=these)
        is_open = {app for (app,) in rows(apps.OPEN, ids=to_text(list({app for _, app in served})))}
        public = pinned | {tree for tree, app in served if app in is_open}
        if not public:
            return []
        holding = rows(trees.HOLDING, trees=to_text(list(public)), paths=to_text(list(paths.HANDLERS)))
        handled = {tree for (tree,) in holding}
        return [View(tree, tree in pinned, tree in handled) for tree in found if tree in public]

    async def _in_folder(
        self, asked: Asked, view: View, folder: str, below: str, slash: bool
    ) -> web.StreamResponse | None:
        path = folder + below
        if not view.enters(path):
            return None
        if below and not below.endswith("/"):
            file = trees.find(self._store, view.tree, path)
            if file and view.shows(path):
                return await self._send(asked, file, path)
            return _to_folder(asked) if view.enters(path + "/") and await self._listed(view, path + "/") else None
        index = trees.find(self._store, view.tree, path + "index.html")
        if index and view.shows(path + "index.html"):
            return await self._send(asked, index, path + "index.html") if slash else _to_folder(asked)
        names = await self._listed(view, path)
        if not names:
            return None
        return _listing(asked, names) if slash else _to_folder(asked)

    async def _listed(self, view: View, folder: str) -> list[str]:
        """What may be seen of a folder: names, those of folders with a /."""
        # it may have to be looked for in many trees
        await _others_first()
        span = trees.below(folder.rstrip("/"))
        rows = self._store.rows(trees.PATHS, tree=view.tree, limit=MOST_LISTED, **span)
        seen = [path for (path,) in rows if view.shows(path)]
        names = [path[len(folder) :].partition("/") for path in seen]
        return list(dict.fromkeys(name + slash for name, slash, _ in names))

    async def _send(self, asked: Asked, file: File, name: str) -> web.StreamResponse:
        mime = mime_of(name)
        return await self._sending.respond(asked, file, mime, _headers(asked, mime))


async def _others_first() -> None:
    """Whatever else is ready goes on before this does."""
    turn = asyncio.Event()
    asyncio.get_running_loop().call_soon(turn.set)
    await turn.wait()


def _headers(asked: Asked, mime: str) -> Headers:
    address = understood(asked.request._message.path)
    headers: Headers = CIMultiDict(
        {
            "Content-Type": mime,
            "Cache-Control": FOR_EVER,
            "X-Ipfs-Path": quote("/" + address.path) if address else "",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
    )
    # the content may be anybody's: it never acts as a page of the host it is asked from
    own = asked.place.kind != "app"
    headers["Content-Security-Policy"] = "sandbox" if own else "sandbox allow-scripts allow-forms allow-popups"
    return headers


def _to_folder(asked: Asked) -> web.Response:
    address = understood(asked.request._message.path)
    assert address
    return web.Response(status=301, headers={"Location": address.to(address.path.rstrip("/") + "/")})


def _listing(asked: Asked, names: list[str]) -> web.Response:
    items = "\n".join(f'<li><a href="./{quote(name)}">{html.escape(name)}</a></li>' for name in names)
    body = f"<!doctype html><meta charset=utf-8><title>Folder</title>\n<ul>\n{items}\n</ul>\n"
    headers = _headers(asked, "text/html; charset=utf-8")
    headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return web.Response(text=body, headers=headers)
