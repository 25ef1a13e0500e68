"""Blobs by key. What is said of an object is a row here; its bytes are content of the node, or lie in a bucket."""

from __future__ import annotations

from typing import Any

from kernel.base.errors import not_found
from kernel.data.object_content import ONE_PIECE, SMALL, Held, ObjectContent
from kernel.data.object_places import remembered, standing, still_inside
from kernel.data.object_tables import FORGET, LIST, OBJECTS, ONE, WALK
from kernel.data.object_words import (
    ALL,
    ANY_TYPE,
    MOST_LISTED,
    About,
    Cursor,
    Delimiter,
    Listing,
    Mime,
    Object,
    ObjectKey,
    ObjectPrefix,
    Saved,
    about,
    check_size,
    object_of,
    too_many,
)
from kernel.data.quota import room
from kernel.data.s3_shelf import Buckets, Shelf
from kernel.syscall import Call, Page, Scan, Write, syscall
from kernel.syscall.plan import Later, Parcel
from kernel.syscall.words import KeyLimit

# SQLite sorts bytes behind all text
_BEHIND_ALL = b""


# --- put, get, head, delete


@syscall("storage.s3.put", needs="storage:s3", http="PUT /api/apps/{app}/storage/s3/object -> 201", personal=True)
def object_put(call: Call, key: ObjectKey, data: bytes, mime: Mime = ANY_TYPE) -> Write[Saved] | Later[Saved]:
    """Store an object: text as UTF-8, an ArrayBuffer, a typed array, or the data of a file that was sent."""
    return put(call, key, data, mime)


def put(call: Call, key: str, data: bytes, mime: str) -> Write[Saved] | Later[Saved]:
    """The plan of a put; one batch where the object is small and lies inside."""
    check_size(call, len(data))
    room(call, len(data))
    if _elsewhere(call):
        return Later(lambda: _put_outside(call, key, data, mime))
    content = call.use(ObjectContent)  # type: ignore[type-abstract]
    if len(data) <= SMALL:
        return _written(call, key, mime, *content.kept(data, call.now))

    async def large() -> Any:
        return _written(call, key, mime, *await content.brought(data, call.now))

    return Later(large)


def _written(call: Call, key: str, mime: str, held: Held, content: Write[None]) -> Write[Saved]:
    row: dict[str, Any] = {
        "blob": held.sha256,
        "cid": held.cid,
        "size": held.size,
        "mime": mime,
        "updated_at": call.now,
    }
    # a new row with a new number: who copies objects sees that it changed
    plan = content + still_inside(call) + call.store.do(FORGET, key=key) + call.store.insert(OBJECTS, key=key, **row)
    return plan.saying(Saved(key, held.size, mime, held.cid))


async def _put_outside(call: Call, key: str, data: bytes, mime: str) -> Any:
    async with call.use(Buckets).writing(call, key) as (now, shelf):
        if shelf is not None:
            saved = await shelf.put(key, data, mime, call.now)
            return (Write(()) if now.written else remembered(call, now.place)).saying(saved)
    # they were moved inside while it waited
    plan = put(call, key, data, mime)
    return await plan.work() if isinstance(plan, Later) else plan


async def _delete_outside(call: Call, key: str) -> Any:
    async with call.use(Buckets).writing(call, key) as (_, shelf):
        if shelf is not None:
            return await shelf.delete(key)
    return _deleted(call, key)


def _deleted(call: Call, key: str) -> Write[None]:
    return (still_inside(call) + call.store.do(FORGET, key=key)).saying(None)


@syscall("storage.s3.get", needs="storage:s3", personal=True)
def object_get(call: Call, key: ObjectKey) -> Later[Parcel[About] | None] | Parcel[About] | None:
    """An object with its bytes; null when there is none."""
    shelf = _shelf(call)
    if shelf is not None:
        return Later(lambda: shelf.get(key))
    content = call.use(ObjectContent)  # type: ignore[type-abstract]
    for _ in range(2):
        row = call.store.one(ONE, key=key)
        if row is None:
            return None
        found = object_of(row)
        if found.size > ONE_PIECE:
            return Later(lambda: _read(call, key))
        data = content.piece(str(found.hash))
        if data is not None:
            return Parcel(about(found), data, found.mime)
        # it was replaced and its content collected between two looks
    return None


async def _read(call: Call, key: str) -> Parcel[About] | None:
    for _ in range(2):
        row = call.store.one(ONE, key=key)
        if row is None:
            return None
        found = object_of(row)
        data = await call.use(ObjectContent).read(str(found.hash))  # type: ignore[type-abstract]
        if data is not None:
            return Parcel(about(found), data, found.mime)
    return None


@syscall("storage.s3.head", needs="storage:s3", personal=True)
def object_head(call: Call, key: ObjectKey) -> Later[Object | None] | Object | None:
    """What is known of an object without its bytes; null when there is none."""
    shelf = _shelf(call)
    if shelf is not None:
        return Later(lambda: shelf.head(key))
    row = call.store.one(ONE, key=key)
    return object_of(row) if row else None


@syscall(
    "storage.s3.delete",
    needs="storage:s3",
    http="DELETE /api/apps/{app}/storage/s3/object -> 204",
    cli="files rm <key>",
    quiet=True,
    personal=True,
)
def object_delete(call: Call, key: ObjectKey) -> Write[None] | Later[None]:
    """Remove an object; one that is not there is fine."""
    return Later(lambda: _delete_outside(call, key)) if _elsewhere(call) else _deleted(call, key)


def _elsewhere(call: Call) -> bool:
    """Does a write go to a bucket, or must it wait to see where?"""
    return not standing(call).place.inside or call.use(Buckets).is_shut(call.store.app)


def _shelf(call: Call) -> Shelf | None:
    now = standing(call)
    return None if now.place.inside else call.use(Buckets).shelf(now.place, call.store.app, call.store.user)


# --- lists


@syscall("storage.s3.list", needs="storage:s3", personal=True)
def object_list(call: Call, prefix: ObjectPrefix = ALL) -> Scan[list[Object]] | Later[list[Object]]:
    """All objects whose keys begin with a prefix, by key; more than 10 000 are too many."""
    shelf = _shelf(call)
    if shelf is not None:
        return Later(lambda: shelf.all(prefix))
    span = {"start": prefix, "end": behind(prefix), "limit": MOST_LISTED + 1}

    def shown(rows: list[list[Any]]) -> list[Object]:
        if len(rows[0]) > MOST_LISTED:
            raise too_many()
        return [object_of(row) for row in rows[0]]

    return call.store.scan((LIST, span), then=shown)


@syscall("storage.s3.list_page", needs="storage:s3", js="storage.s3.listPage", personal=True)
def object_list_page(
    call: Call,
    prefix: ObjectPrefix = ALL,
    *,
    limit: KeyLimit = 1000,
    cursor: Cursor | None = None,
    delimiter: Delimiter | None = None,
) -> Scan[Listing] | Later[Listing]:
    """Some of the objects, by key. With a delimiter, keys that share their beginning up to it are one prefix."""
    shelf = _shelf(call)
    if shelf is not None:
        return Later(lambda: shelf.page(prefix, limit, cursor, delimiter))
    read, span = LIST, {"start": _start(prefix, cursor, delimiter), "end": behind(prefix), "limit": limit + 1}
    if delimiter is not None:
        lengths = {"prefix_length": len(prefix), "delimiter_length": len(delimiter)}
        read, span = WALK, {**span, **lengths, "delimiter": delimiter, "delimiter_end": behind(delimiter)}

    def shown(rows: list[list[Any]]) -> Listing:
        found = rows[0][:limit]
        cursor = found[-1][0] if len(rows[0]) > limit else None
        if delimiter is None:
            return Listing([object_of(row) for row in found], [], cursor)
        items = [object_of((key, *rest)) for key, folder, *rest in found if not folder]
        return Listing(items, [key for key, folder, *_ in found if folder], cursor)

    return call.store.scan((read, span), then=shown)


def _start(prefix: str, cursor: str | None, delimiter: str | None) -> str:
    """The first key a page may begin with: behind the last one, or behind all it stood for."""
    if cursor is None or cursor < prefix:
        return prefix
    if delimiter and cursor.endswith(delimiter) and len(cursor) >= len(prefix) + len(delimiter):
        return cursor[: -len(delimiter)] + str(behind(delimiter))
    return cursor + "\0"


def behind(prefix: str) -> str | bytes:
    """The first text behind all that begin with the prefix."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return _BEHIND_ALL
    last = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if last == 0xD800 else last)


# --- from outside


@syscall("storage.s3.page", http="GET /api/apps/{app}/storage/s3", cli="files ls <prefix?>", js=False, personal=True)
def object_page(
    call: Call,
    prefix: ObjectPrefix = ALL,
    *,
    limit: KeyLimit = 100,
    after: Cursor | None = None,
    delimiter: Delimiter | None = None,
) -> Scan[Page[Object]] | Later[Page[Object]]:
    """Objects by prefix, in key order; meta.next continues where the page ends, meta.prefixes are the folders."""

    def paged(found: Listing) -> Page[Object]:
        return Page(found.items, {"limit": limit, "next": found.cursor, "prefixes": found.prefixes})

    plan = object_list_page(call, prefix, limit=limit, cursor=after, delimiter=delimiter)
    if isinstance(plan, Scan):
        then = plan.then
        return Scan(plan.reads, lambda rows: paged(then(rows)))
    work = plan.work

    async def outside() -> Page[Object]:
        return paged(await work())

    return Later(outside)


@syscall("storage.s3.object", http="GET /api/apps/{app}/storage/s3/object", js=False, personal=True)
def object_read(call: Call, key: ObjectKey) -> Later[Parcel[About]] | Parcel[About]:
    """The bytes of an object, with the media type it was stored with."""
    row = call.store.one(ONE, key=key) if _shelf(call) is None else None
    if row is not None and (said := object_of(row)).size > ONE_PIECE:
        pieces = call.use(ObjectContent).pieces(str(said.hash))  # type: ignore[type-abstract]
        if pieces is not None:
            return Parcel(about(said), pieces, said.mime)
    found = object_get(call, key)
    if isinstance(found, Later):
        work = found.work

        async def later() -> Parcel[About]:
            return _there(await work(), key)

        return Later(later)
    return _there(found, key)


def _there(found: Parcel[About] | None, key: str) -> Parcel[About]:
    if found is None:
        raise not_found("object", key, "`fazt files ls` shows what is there.")
    return found
