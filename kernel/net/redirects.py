"""Short links: /r/{slug} leads somewhere else and counts who goes there."""

from __future__ import annotations

import collections
from typing import Annotated, Any

from msgspec import Meta, Struct

from kernel.base.errors import FaztError, not_found
from kernel.base.ids import new_id
from kernel.base.json import decode, to_text
from kernel.base.tables import Migration, Patch, Read, Remove, Table
from kernel.syscall import Call, Limit, Line, Offset, Page, Scan, Step, Write, syscall
from kernel.syscall.address import Destination
from kernel.syscall.call import Scoped
from kernel.syscall.plan import page

REDIRECTS = Table(
    "redirects", ("id", "slug", "destination", "tags", "click_count", "created_at"), key=("id",), scope="node"
)
MIGRATIONS = (
    Migration(
        "redirects_0001",
        """
create table redirects (id text primary key, slug text not null unique, destination text not null,
  tags text not null default '[]', click_count integer not null default 0, created_at integer not null)
  strict, without rowid""",
    ),
)
LIST = Read(
    "select id, slug, destination, tags, click_count, created_at from {redirects} "
    "order by created_at desc, id limit :limit offset :offset"
)
COUNT = Read("select count(*) from {redirects}")
BY_SLUG = Read("select id, destination from {redirects} where slug = :slug")
DELETE = Remove(REDIRECTS, where="id = :id")
CLICKED = Patch(REDIRECTS, set="click_count = click_count + :clicks", where="id = :id")


class RedirectSlug(Line):
    least, most = 1, 100
    pattern = "[A-Za-z0-9_-]+"
    explain = "must be letters, digits, _ and -"


class TagName(Line):
    least, most = 1, 50


class RedirectId(Line):
    most = 16
    pattern = "rdr_[0-9a-z]{12}"
    explain = "must be the id of a redirect: rdr_ and 12 characters"


Tags = Annotated[list[TagName], Meta(max_length=20)]


class Redirect(Struct):
    id: str
    slug: str
    destination: str
    tags: list[str]
    click_count: int
    created_at: int


class Clicks:
    """Clicks since the last flush: counted in memory, so that following a link never writes."""

    def __init__(self) -> None:
        self.waiting: collections.Counter[str] = collections.Counter()

    def flush(self, store: Scoped) -> list[Step]:
        waiting, self.waiting = self.waiting, collections.Counter()
        return [step for id, clicks in waiting.items() for step in store.do(CLICKED, id=id, clicks=clicks).steps]

    def take_back(self, steps: list[Step]) -> None:
        for step in steps:
            self.waiting[step.params["id"]] += step.params["clicks"]


@syscall("redirects.list", http="GET /api/redirects", cli="redirects list", js=False)
def redirects_list(call: Call, *, offset: Offset = 0, limit: Limit = 20) -> Scan[Page[Redirect]]:
    """The short links, newest first, with their clicks."""
    waiting = call.use(Clicks).waiting

    def shown(rows: list[list[Any]]) -> Page[Redirect]:
        found = [
            Redirect(id, slug, to, decode(tags), clicks + waiting[id], created)
            for id, slug, to, tags, clicks, created in rows[0]
        ]
        return page(found, offset, limit, rows[1][0][0])

    return call.store.scan((LIST, {"limit": limit, "offset": offset}), (COUNT, {}), then=shown)


@syscall("redirects.create", http="POST /api/redirects -> 201", cli="redirects create <slug> <destination>", js=False)
def redirects_create(call: Call, slug: RedirectSlug, destination: Destination, *, tags: Tags = []) -> Write[Redirect]:  # noqa: B006
    """Make a short link /r/<slug> on the node's own domain."""
    made = Redirect(new_id("rdr"), slug, destination, list(tags), 0, call.now)
    taken = FaztError(
        "CONFLICT", f"/r/{slug} exists already.", "Choose another slug, or delete it first.", field="slug"
    )
    return call.store.insert(
        REDIRECTS, taken, id=made.id, slug=slug, destination=destination, tags=to_text(tags)
    ).giving(lambda _: made)


@syscall("redirects.delete", http="DELETE /api/redirects/{id} -> 204", cli="redirects delete <id>", js=False)
def redirects_delete(call: Call, id: RedirectId) -> Write[None]:
    """Delete a short link."""
    return call.store.do(DELETE, id=id).expect(1, not_found("redirect", id))
