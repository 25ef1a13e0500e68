"""Where an app comes from: what it was forked from, what was forked from it, and where its files came from."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kernel.apps.apps import MAIN_NAME
from kernel.base.errors import not_found
from kernel.base.tables import Append, Read
from kernel.syscall import Call, Limit, Offset, Page, Scan, Step, Write, syscall
from kernel.syscall.plan import page

_FIELDS = f"a.id, a.title, {MAIN_NAME}, a.forked_from_id, a.created_at, a.deleted_at"
FAMILY = Read(f"""select {_FIELDS} from {{apps}} a
where a.original_id = (select original_id from {{apps}} where id = :id) order by a.created_at, a.id""")
_FORKS = "from {apps} a where a.forked_from_id = :id and a.deleted_at is null"
FORKS = Read(f"select {_FIELDS} {_FORKS} order by a.created_at desc, a.id limit :limit offset :offset")
COUNT = Read(f"select count(*) {_FORKS}")
SOURCE = Read("""select source, source_url, source_ref, source_commit, forked_from_id, original_id
from {apps} where id = :id""")
FORK = Append("""insert into {apps} (id, original_id, forked_from_id, title, description, tags, visibility, source,
  manifest, spa, status, created_at, updated_at)
select :new, original_id, id, title, description, tags, visibility, 'fork', manifest, spa, 'active', :at, :at
from {apps} where id = :id and deleted_at is null""")


class Relative(Struct):
    """An app of the family; `depth` 0 is where it begins."""

    id: str
    title: str
    slug: str | None
    forked_from_id: str | None
    created_at: int
    deleted_at: int | None
    depth: int = 0


class Source(Struct):
    source: str
    url: str | None
    ref: str | None
    commit: str | None
    forked_from_id: str | None
    original_id: str


@syscall("apps.lineage", http="GET /api/apps/{app}/lineage", cli="app lineage <app>", js=False)
def apps_lineage(call: Call, *, offset: Offset = 0, limit: Limit = 100) -> Scan[Page[Relative]]:
    """The whole family of an app, each followed by what was forked from it; deleted ones too."""

    def shown(rows: list[list[Any]]) -> Page[Relative]:
        family = in_order([Relative(*row) for row in rows[0]])
        return page(family[offset : offset + limit], offset, limit, len(family))

    return call.store.scan((FAMILY, {"id": call.app}), then=shown)


@syscall("apps.forks", http="GET /api/apps/{app}/forks", cli="app forks <app>", js=False)
def apps_forks(call: Call, *, offset: Offset = 0, limit: Limit = 20) -> Scan[Page[Relative]]:
    """What was forked from an app itself, newest first."""

    def shown(rows: list[list[Any]]) -> Page[Relative]:
        forks = [Relative(*row) for row in rows[0]]
        for fork in forks:
            fork.depth = 1
        return page(forks, offset, limit, rows[1][0][0])

    wanted = {"id": call.app}
    return call.store.scan((FORKS, {**wanted, "limit": limit, "offset": offset}), (COUNT, wanted), then=shown)


@syscall("apps.source", http="GET /api/apps/{app}/source", cli="app source <app>", js=False)
def apps_source(call: Call) -> Source:
    """Where the files of an app came from."""
    return Source(*call.store.one(SOURCE, id=call.app))


def in_order(family: list[Relative]) -> list[Relative]:
    """Each app followed by its forks. Where a parent is gone for ever, its forks begin anew."""
    known = {app.id for app in family}
    below: dict[str | None, list[Relative]] = {}
    for app in family:
        below.setdefault(app.forked_from_id if app.forked_from_id in known else None, []).append(app)
    found: list[Relative] = []
    waiting = [(app, 0) for app in reversed(below.get(None, []))]
    while waiting:
        app, app.depth = waiting.pop()
        found.append(app)
        waiting += [(fork, app.depth + 1) for fork in reversed(below.get(app.id, []))]
    return found


def forked(call: Call, app: str, new: str) -> Write[None]:
    """The row of a new app that is forked from a living one; it has no release yet."""
    plan: Write[None] = Write([Step(FORK.sql, {"id": app, "new": new, "at": call.now})])
    return plan.expect(1, not_found("app", app))
