"""Forks: a new app that begins where another one stands. Its files are shared, its data is its own from then on."""

from __future__ import annotations

from msgspec import Struct

from kernel.apps import apps, lineage
from kernel.apps.names import Slug, check_free
from kernel.base.errors import FaztError
from kernel.base.ids import new_id
from kernel.base.site import Site
from kernel.data.object_places import standing
from kernel.data.stream_buffer import Streams
from kernel.fs import releases
from kernel.storage.store import Store
from kernel.syscall import Call, Write, syscall


class Forked(Struct):
    id: str
    title: str
    slug: str | None
    url: str
    forked_from_id: str
    release_id: str | None
    undo: str
    warnings: list[str] = []


@syscall("apps.fork", http="POST /api/apps/{app}/fork -> 201", cli="app fork <app>", js=False, weight=6)
async def apps_fork(
    call: Call, *, alias: Slug | None = None, copy_storage: bool = True, with_users: bool = False
) -> Write[Forked]:
    """Make a new app from one: its live files, what is said about it, and its data; never its secrets.

    What belongs to its users is copied only with with_users. Without an alias, one is made from the name of the first.
    """
    id, new, store = call.app or "", new_id("app"), call.use(Store)
    if with_users and not copy_storage:
        raise FaztError("VALIDATION_FAILED", "with_users: needs copy_storage", field="with_users")
    app = call.store.one(apps.ONE, id=id)
    title, slug = str(app[1]), app[2]
    chosen = check_free(alias, "alias") if alias else apps.free_slug(call, slug or title)
    # last of all that waits: what was acknowledged until now is copied
    if copy_storage:
        await call.use(Streams).flush_app(id)
    plan = lineage.forked(call, id, new)
    release = _live(call, id)
    made = releases.new_release() if release else None
    if release and made:
        plan = plan + _released(call, new, made, release)
    if copy_storage:
        plan = plan + Write(store.copy(id, new, with_users, call.now))
    if chosen:
        plan = plan + apps.claim(call, chosen, new, "alias")
    url = call.use(Site).app_url(chosen or new.replace("_", "-", 1))
    undo, warnings = f"fazt app delete {new}", _not_copied(call) if copy_storage else []
    answer = Forked(new, title, chosen, url, id, made, undo, warnings)
    return plan.giving(lambda _: answer)


def _not_copied(call: Call) -> list[str]:
    now = standing(call)
    if now.place.inside or not now.written:
        return []
    return [f"Its objects lie in {now.place.text} and were not copied: the new app has none."]


def _live(call: Call, app: str) -> releases.Released | None:
    live = releases.live_of(call, app)
    return releases.one(call.use(Store), live) if live else None


def _released(call: Call, app: str, id: str, source: releases.Released) -> Write[None]:
    """The first release of the new app: the same tree as the live one of the other."""
    gone = FaztError("CONFLICT", "The live release was removed meanwhile.", "Try again.")
    row = releases.made(call, app, id, source.cid, spa=source.spa, message=f"fork of {source.id}")
    first: Write[None] = Write([row.steps[0]._replace(error=gone)])
    return first + releases.pointed(call.store, app, id, source.spa, call.now)
