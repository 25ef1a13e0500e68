"""Objects in a bucket: what one app, or one of its users, has there.

An object's name in the bucket is `prefix/<app>/app/<key>` or `prefix/<app>/user/<user>/<key>`, so no key of anybody
leads to what is somebody else's, also where two apps name the same prefix.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote

from kernel.base.errors import FaztError
from kernel.base.settings import Settings
from kernel.data import s3_xml
from kernel.data.object_content import ObjectContent
from kernel.data.object_places import Standing, standing
from kernel.data.object_words import (
    ANY_TYPE,
    MOST_KEY,
    MOST_LISTED,
    About,
    Cursor,
    Listing,
    Mime,
    Object,
    ObjectKey,
    Saved,
    about,
    most_bytes,
    too_many,
)
from kernel.data.place import Place
from kernel.data.s3_client import Answer, S3Client, provider_error
from kernel.syscall import Call
from kernel.syscall.plan import Parcel

PAGE, MOST_PAGE_BYTES, MOST_BARE = 1000, 8 << 20, 3
LOOKS = 16
_SHA256, _CID, _AT = "x-amz-meta-fazt-sha256", "x-amz-meta-fazt-cid", "x-amz-meta-fazt-at"


class Shelf:
    def __init__(
        self, client: S3Client, content: ObjectContent, settings: Settings, place: Place, app: str, user: str
    ) -> None:
        self._client, self._content, self._settings = client, content, settings
        whose = f"user/{quote(user, safe='')}" if user else "app"
        self._bucket = place.bucket
        self._base = f"{_root(place, app)}{whose}/"

    def _name(self, key: str) -> str:
        name = self._base + key
        if len(name.encode()) > MOST_KEY:
            raise FaztError(
                "INVALID_ARGUMENT",
                f"key: in the bucket, {key} would be called {name}, which has more than {MOST_KEY} bytes.",
                "Give the object a shorter key, or choose a place with a shorter prefix.",
                field="key",
            )
        return name

    async def put(self, key: str, data: bytes, mime: str, at: int) -> Saved:
        held = await asyncio.to_thread(self._content.called, data)
        headers = {"content-type": mime, _SHA256: held.sha256.hex(), _CID: held.cid, _AT: str(at)}
        answer = await self._client.ask("PUT", self._bucket, self._name(key), headers=headers, body=data)
        if answer.status == 404:
            raise provider_error("The storage outside did not take the object.", "Is there such a bucket?")
        return Saved(key, held.size, mime, held.cid)

    async def get(self, key: str) -> Parcel[About] | None:
        most = most_bytes(self._settings)
        answer = await self._client.ask("GET", self._bucket, self._name(key), most=most)
        if answer.status == 404:
            return None
        said = _object(key, answer)
        held = await asyncio.to_thread(self._content.called, answer.body)
        sha256 = held.sha256.hex()
        if said.size != held.size or said.hash not in (None, sha256):
            raise provider_error("The storage outside gave other bytes than were stored.", "Store the object again.")
        said.hash, said.cid = sha256, held.cid
        return Parcel(about(said), answer.body, said.mime)

    async def holds(self, key: str, data: bytes) -> bool:
        """Are these the bytes of an object? A server that says their MD5 is believed, another one is read."""
        answer = await self._client.ask("HEAD", self._bucket, self._name(key))
        md5 = (await asyncio.to_thread(hashlib.md5, data, usedforsecurity=False)).hexdigest()
        if answer.status == 404 or answer.headers.get("ETag", "").strip('"') == md5:
            return answer.status != 404
        got = await self.get(key)
        return got is not None and got.data == data

    async def head(self, key: str) -> Object | None:
        answer = await self._client.ask("HEAD", self._bucket, self._name(key))
        return None if answer.status == 404 else _object(key, answer)

    async def delete(self, key: str) -> None:
        await self._client.ask("DELETE", self._bucket, self._name(key))

    async def all(self, prefix: str) -> list[Object]:
        found: list[tuple[str, int]] = []
        async for key, size in self.keys(prefix):
            found.append((key, size))
            if len(found) > MOST_LISTED:
                raise too_many()
        return await self._looked_at([key for key, _ in found])

    async def keys(self, prefix: str = "") -> AsyncIterator[tuple[str, int]]:
        """Every key and its size, in order."""
        async for name, size in every(self._client, self._bucket, self._base + prefix):
            if _is_key(name[len(self._base) :]):
                yield name[len(self._base) :], size

    async def page(self, prefix: str, limit: int, cursor: str | None, delimiter: str | None) -> Listing:
        page = await self._page(prefix, limit, cursor, delimiter)
        return Listing(await self._looked_at([entry.key for entry in page.entries]), page.prefixes, page.following)

    async def _page(self, prefix: str, limit: int, cursor: str | None, delimiter: str | None) -> s3_xml.Listed:
        """A page of keys; those that are no keys of ours are left out."""
        page, cut = (
            await _page(self._client, self._bucket, self._base + prefix, limit, cursor, delimiter),
            len(self._base),
        )
        entries = [entry._replace(key=entry.key[cut:]) for entry in page.entries if _is_key(entry.key[cut:])]
        return s3_xml.Listed(entries, [text[cut:] for text in page.prefixes], page.following)

    async def _looked_at(self, keys: list[str]) -> list[Object]:
        """What is known of each: a list says neither media type nor hash. What has gone meanwhile is left out."""
        turn = asyncio.Semaphore(LOOKS)

        async def look(key: str) -> Object | None:
            async with turn:
                return await self.head(key)

        return [found for found in await asyncio.gather(*map(look, keys)) if found is not None]


async def _page(
    client: S3Client, bucket: str, below: str, limit: int, cursor: str | None, delimiter: str | None
) -> s3_xml.Listed:
    """A page of names that begin as asked; others are left out."""
    query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", str(limit)), ("prefix", below)]
    query += [("delimiter", delimiter)] if delimiter else []
    query += [("continuation-token", cursor)] if cursor else []
    answer = await client.ask("GET", bucket, query=query, most=MOST_PAGE_BYTES)
    try:
        listed = s3_xml.listed(answer.body, limit)
        following = None if listed.following is None else str(Cursor.parse(listed.following))
    except ValueError:
        raise provider_error("The storage outside gave a list that cannot be understood.") from None
    if following is not None and following == cursor:
        raise provider_error("The storage outside lists the same again and again.")
    entries = [entry for entry in listed.entries if entry.key.startswith(below)]
    return s3_xml.Listed(entries, [text for text in listed.prefixes if delimiter and text.startswith(below)], following)


async def every(client: S3Client, bucket: str, below: str) -> AsyncIterator[tuple[str, int]]:
    """Every name that begins so, and its size, in order: a server that goes in circles is noticed."""
    cursor, last, bare = None, "", 0
    while True:
        page = await _page(client, bucket, below, PAGE, cursor, None)
        for entry in page.entries:
            if entry.key <= last:
                raise provider_error("The storage outside lists objects twice, or in no order.")
            last = entry.key
            yield entry.key, entry.size
        bare = 0 if page.entries else bare + 1
        if page.following is None:
            return
        if bare > MOST_BARE:
            raise provider_error("The storage outside lists nothing, again and again.")
        cursor = page.following


def _root(place: Place, app: str) -> str:
    return f"{place.prefix}{'/' if place.prefix else ''}{app}/"


def _is_key(text: str) -> bool:
    try:
        return ObjectKey.parse(text) == text
    except ValueError:
        return False


def _object(key: str, answer: Answer) -> Object:
    headers = answer.headers
    sha256, cid, at = headers.get(_SHA256, ""), headers.get(_CID, ""), headers.get(_AT, "")
    length = headers.get("Content-Length", "")
    if not re.fullmatch("[0-9]{1,15}", length):
        if not answer.body:
            raise provider_error("The storage outside does not say how large the object is.")
        length = str(len(answer.body))
    try:
        mime = str(Mime.parse(headers.get("Content-Type", "")))
    except ValueError:
        mime = ANY_TYPE
    known = re.fullmatch("[0-9a-f]{64}", sha256) and re.fullmatch("Qm[1-9A-HJ-NP-Za-km-z]{44}", cid)
    moment = int(at) if re.fullmatch("[0-9]{1,15}", at) else _modified(headers.get("Last-Modified", ""))
    return Object(key, key, mime, int(length), moment, cid if known else None, sha256 if known else None)


def _modified(text: str) -> int:
    try:
        moment = parsedate_to_datetime(text)
        return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        return 0


class _Gate:
    """Who writes to an app's bucket now. While it is shut, nobody begins."""

    def __init__(self) -> None:
        self.writers = 0
        self.open, self.idle = asyncio.Event(), asyncio.Event()
        self.open.set()
        self.idle.set()
        self.touched: set[tuple[str, str]] | None = None  # what was written since somebody watches

    def began(self, user: str, key: str) -> None:
        self.writers += 1
        self.idle.clear()
        self._touch(user, key)

    def ended(self, user: str, key: str) -> None:
        self.writers -= 1
        # again, as it may have been copied while it was written
        self._touch(user, key)
        if not self.writers:
            self.idle.set()

    def _touch(self, user: str, key: str) -> None:
        if self.touched is not None:
            self.touched.add((user, key))


class Buckets:
    """The port to objects outside: shelves, and who writes while objects are moved."""

    def __init__(self, client: S3Client, content: ObjectContent, settings: Settings) -> None:
        self.client, self._content, self._settings = client, content, settings
        self._gates: collections.defaultdict[str, _Gate] = collections.defaultdict(_Gate)

    def shelf(self, place: Place, app: str, user: str) -> Shelf:
        return Shelf(self.client, self._content, self._settings, place, app, user)

    async def everything(self, place: Place, app: str) -> AsyncIterator[tuple[str, str, int]]:
        """Whose, key and size of every object of an app and its users."""
        root = _root(place, app)
        async for name, size in every(self.client, place.bucket, root):
            kind, _, key = name[len(root) :].partition("/")
            user = ""
            if kind == "user":
                user, _, key = key.partition("/")
            if kind in ("app", "user") and (kind == "app") == (not user) and _is_key(key):
                yield unquote(user), key, size

    @contextlib.asynccontextmanager
    async def writing(self, call: Call, key: str) -> AsyncIterator[tuple[Standing, Shelf | None]]:
        """Where a write goes, which stays so until it is done; no shelf where that is inside."""
        app, user = call.store.app, call.store.user
        gate = self._gates[app]
        while not gate.open.is_set():
            await gate.open.wait()
        gate.began(user, key)
        try:
            now = standing(call)
            yield now, None if now.place.inside else self.shelf(now.place, app, user)
        finally:
            gate.ended(user, key)

    @contextlib.asynccontextmanager
    async def watched(self, app: str) -> AsyncIterator[set[tuple[str, str]]]:
        """What is written to the app's bucket from now on: users and keys. What was begun before is done."""
        gate = self._gates[app]
        async with self.shut(app):
            touched = gate.touched = set()
        try:
            yield touched
        finally:
            gate.touched = None

    def is_shut(self, app: str) -> bool:
        return app in self._gates and not self._gates[app].open.is_set()

    @contextlib.asynccontextmanager
    async def shut(self, app: str) -> AsyncIterator[None]:
        """Nobody writes to the app's bucket until it is left; those who want to wait."""
        gate = self._gates[app]
        gate.open.clear()
        try:
            await gate.idle.wait()
            yield
        finally:
            gate.open.set()
