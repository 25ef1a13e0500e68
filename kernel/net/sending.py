"""A file on its way to a visitor: conditional, in parts, compressed, from memory or piece by piece."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from email.utils import formatdate

from aiohttp import web
from multidict import CIMultiDict

from kernel.fs.blobs import Content
from kernel.fs.cid import CHUNK
from kernel.fs.codings import worth_coding
from kernel.fs.edition import Edition
from kernel.fs.mime import mime_of
from kernel.fs.mounts import HostFile
from kernel.fs.trees import File
from kernel.fs.variants import Variants
from kernel.net import host_files, representation
from kernel.net.address import Address
from kernel.net.asked import OF_SITE, Asked
from kernel.net.entry import Entry
from kernel.net.front import Front
from kernel.net.lookup import Found, is_immutable
from kernel.net.representation import Representation, Verdict, etag_of
from kernel.net.streaming import Headers, in_parts, streamed, without_body

IMMUTABLE = "public, max-age=31536000, immutable"
SHORT = "public, max-age=300"
CODE = ("text/html", "text/css", "text/javascript", "application/json", "application/manifest+json", "application/wasm")
BEACON = b'<script src="/_fazt/beacon.js" defer></script>'
# what a whole answer that is the same for everybody is told to, so that the door can give it from now on
Keep = Callable[[bytes, Headers, Representation], None]


class Sending:
    def __init__(self, content: Content, variants: Variants, front: Front | None) -> None:
        self._content, self._variants, self._front = content, variants, front

    async def send(
        self,
        asked: Asked,
        edition: Edition,
        address: Address,
        found: Found,
        *,
        guarded: bool,
        more: Mapping[str, str],
        keep: bool,
        generation: int,
    ) -> web.StreamResponse:
        """A file of a site, with the headers its site wants and those that only this visitor gets (`more`)."""
        file, mime = found.file, mime_of(found.path)
        assert file
        headers = _headers(asked, edition, address, found, mime, guarded)
        headers.update(more)
        asked.request[OF_SITE] = True
        if "Set-Cookie" in more:
            headers["Cache-Control"] = _of_one(headers.get("Cache-Control", ""))
        if isinstance(file, HostFile):
            # being worked on: nobody keeps it
            headers["Cache-Control"] = "no-store"
            return await host_files.send(asked, file, found.status, mime, headers)
        if found.status != 200:
            return await self._whole(asked, file, found.status, headers)

        # whoever asks for a part is answered without a choice of codings: others may get another answer
        keep = keep and "Range" not in asked.request.headers

        def kept(body: bytes, headers: Headers, whole: Representation) -> None:
            if self._front is not None:
                _keep(self._front, asked, edition.app, body, headers, whole, generation)

        headers["Last-Modified"] = formatdate(edition.modified, usegmt=True)
        if edition.said.analytics.beacon and mime.startswith("text/html") and file.size <= CHUNK:
            return self._with_beacon(asked, file, headers, edition.modified, kept if keep else None)
        return await self.respond(asked, file, mime, headers, edition.modified, kept if keep else None)

    def _with_beacon(
        self, asked: Asked, file: File, headers: Headers, modified: int, keep: Keep | None
    ) -> web.Response:
        """A page whose app wants its views told by a script: other bytes than the file's, so another tag."""
        page = self._content.whole(file.id, file.size)
        before, end, after = page.rpartition(b"</body>")
        body = before + BEACON + end + after if end else page + BEACON
        whole = Representation(f'"{file.cid}-beacon"', len(body), modified, headers["Content-Type"])
        headers["ETag"] = whole.etag
        # without a method that asks for parts: it is sent whole or not at all
        verdict = representation.decide("", asked.request.headers, whole)
        if verdict.status != 200:
            return without_body(verdict, whole, headers)
        if keep is not None:
            keep(body, headers, whole)
        return web.Response(body=body, headers=headers)

    async def respond(
        self, asked: Asked, file: File, mime: str, headers: Headers, modified: int = 0, keep: Keep | None = None
    ) -> web.StreamResponse:
        """What the request's conditions, ranges and codings ask of a file that is there."""
        request = asked.request
        headers["Accept-Ranges"] = "bytes"
        if worth_coding(mime, file.size):
            headers["Vary"] = "Accept-Encoding"
        whole = Representation(etag_of(file.cid), file.size, modified, mime)
        verdict = representation.decide(request.method, request.headers, whole)
        headers["ETag"] = whole.etag
        if verdict.status in (400, 412, 416):
            return without_body(verdict, whole, headers)
        if verdict.status == 206:
            return await self._parts(asked, file, verdict, headers, whole)
        accept = ",".join(request.headers.getall("Accept-Encoding", []))
        # a client that wants parts wants them of the file as it is
        variant = await self._variants.of(file, mime, accept) if "Range" not in request.headers else None
        if variant:
            headers["ETag"] = whole.tag(variant.coding)
        if verdict.status == 304:
            return without_body(verdict, whole, headers)
        if variant:
            headers["Content-Encoding"] = variant.coding
        elif file.size > CHUNK:
            return await self._whole(asked, file, 200, headers)
        body = variant.data if variant else self._content.whole(file.id, file.size)
        if keep is not None:
            keep(body, headers, whole)
        if not body:
            headers["Content-Length"] = "0"
        return web.Response(body=body, headers=headers)

    async def _whole(self, asked: Asked, file: File, status: int, headers: Headers) -> web.StreamResponse:
        if file.size <= CHUNK:
            return web.Response(body=self._content.whole(file.id, file.size), status=status, headers=headers)
        with self._content.being_read(file.id):
            return await streamed(asked, status, headers, file.size, self._content.slices(file.id, 0, file.size))

    async def _parts(
        self, asked: Asked, file: File, verdict: Verdict, headers: Headers, whole: Representation
    ) -> web.StreamResponse:
        with self._content.being_read(file.id):
            slices = functools.partial(self._content.slices, file.id)
            return await in_parts(asked, verdict, whole, headers, slices)


def _headers(asked: Asked, edition: Edition, address: Address, found: Found, mime: str, guarded: bool) -> Headers:
    headers: Headers = CIMultiDict(
        {
            "Content-Type": mime,
            "Cache-Control": _cache(found, mime, guarded),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "strict-origin-when-cross-origin",
        }
    )
    applied = edition.headers.find(asked.place.host, "/" + address.path)
    for name in applied.remove:
        headers.pop(name, None)
    headers.update(applied.set)
    if guarded:
        # whatever the site says: no cache may keep for others what not everybody may see
        headers["Cache-Control"] = _cache(found, mime, guarded)
    return headers


def _cache(found: Found, mime: str, guarded: bool) -> str:
    if guarded:
        return "private, no-cache"
    if found.status == 200 and is_immutable(found.path):
        return IMMUTABLE
    # code of one release under a page of the next would be seen as broken: asking again costs a 304
    return "no-cache" if found.status != 200 or mime.startswith(CODE) else SHORT


def _of_one(cache: str) -> str:
    """What a cache is told, for an answer that is this visitor's only."""
    said = [item.strip() for item in cache.split(",")]
    return ", ".join(["private", *(item for item in said if item.lower() not in ("", "public", "private"))])


def _keep(
    front: Front, asked: Asked, app: str, body: bytes, headers: Headers, whole: Representation, generation: int
) -> None:
    """Let the door answer the same from now on."""
    target, host = asked.request._message.path, asked.request.headers["Host"]
    accept = asked.request.headers.getall("Accept-Encoding", [])
    if not target.startswith("/") or len(accept) > 1:
        return
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    same = [line for line in lines if not line.lower().startswith(("content-type:", "content-encoding:"))]
    head = f"HTTP/1.1 200 OK\r\n{''.join(lines)}Content-Length: {len(body)}\r\nServer: fazt\r\n"
    unchanged = f"HTTP/1.1 304 Not Modified\r\n{''.join(same)}Server: fazt\r\n"
    tags = tuple(tag.encode() for tag in whole.tags())
    try:
        # as aiohttp writes them
        entry = Entry(app, head.encode(), body, tags, unchanged.encode())
        name = host.lower().encode("ascii"), target.partition("?")[0].encode("ascii"), "".join(accept).encode("ascii")
    except UnicodeEncodeError:
        return
    front.keep(generation, *name, entry)
