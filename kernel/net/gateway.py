"""/ipfs/{cid}: content by its id, on every host. Only what is public anyway is shown.

A file is public when an app that anybody may see would serve it, or when somebody uploaded it to be found by its id.
"""

from __future__ import annotations

import html
from typing import NamedTuple
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from kernel.apps import apps
from kernel.base.errors import FaztError
from kernel.fs import blobs, cid, paths, releases, trees
from kernel.fs.mime import mime_of
from kernel.fs.trees import File
from kernel.net.address import understood
from kernel.net.asked import Asked
from kernel.net.sending import Headers, Sending
from kernel.storage.store import Store

FOR_EVER = "public, max-age=29030400, immutable"
MOST_REFERENCES = 200
MOST_LISTED = 1000


class Place(NamedTuple):
    """A folder of a tree."""

    tree: int
    folder: str  # with the / at its end, but for the root


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
        if not below and (file := self._file(parsed)):
            found, name = file
            return await self._send(asked, found, name)
        for place in self._folders(parsed):
            response = await self._in_folder(asked, place, below, bool(slash))
            if response is not None:
                return response
        return None

    def _file(self, parsed: cid.Parsed) -> tuple[File, str] | None:
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
        for tree, path in self._store.rows(trees.OF_BLOB, blob=id, limit=MOST_REFERENCES):
            if self._shown(tree, path):
                return file, path
        return None

    def _folders(self, parsed: cid.Parsed) -> list[Place]:
        if not parsed.cid:
            return []
        rows = self._store.rows(trees.OF_FOLDER, cid=parsed.cid, limit=MOST_REFERENCES)
        return [Place(tree, folder + "/" if folder else "") for tree, folder in rows]

    async def _in_folder(self, asked: Asked, place: Place, below: str, slash: bool) -> web.StreamResponse | None:
        path = place.folder + below
        if below and not below.endswith("/"):
            file = trees.find(self._store, place.tree, path)
            if file and self._shown(place.tree, path):
                return await self._send(asked, file, path)
            if trees.has_folder(self._store, place.tree, path) and self._listed(place.tree, path + "/"):
                return _to_folder(asked)
            return None
        index = trees.find(self._store, place.tree, path + "index.html")
        if index and self._shown(place.tree, path + "index.html"):
            return await self._send(asked, index, path + "index.html") if slash else _to_folder(asked)
        names = self._listed(place.tree, path)
        if not names:
            return None
        return _listing(asked, names) if slash else _to_folder(asked)

    def _listed(self, tree: int, folder: str) -> list[str]:
        """What may be seen of a folder: names, those of folders with a /."""
        span = trees.below(folder.rstrip("/"))
        rows = self._store.rows(trees.PATHS, tree=tree, limit=MOST_LISTED, **span)
        seen = [path for (path,) in rows if self._shown(tree, path)]
        names = [path[len(folder) :].partition("/") for path in seen]
        return list(dict.fromkeys(name + slash for name, slash, _ in names))

    def _shown(self, tree: int, path: str) -> bool:
        """Would some app show this file to anybody?"""
        if self._store.rows(trees.PINNED, tree=tree):
            return True
        handler = any(trees.find(self._store, tree, name) for name in paths.HANDLERS)
        if paths.is_hidden(path, handler) or paths.needs_permission(path):
            return False
        for (app,) in self._store.rows(releases.APPS_OF_TREE, tree=tree, limit=MOST_REFERENCES):
            rows = self._store.rows(apps.LIVE, id=app)
            if rows and rows[0][1] in ("public", "unlisted") and rows[0][2] == "active":
                return True
        return False

    async def _send(self, asked: Asked, file: File, name: str) -> web.StreamResponse:
        mime = mime_of(name)
        return await self._sending.respond(asked, file, mime, _headers(asked, mime))


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
