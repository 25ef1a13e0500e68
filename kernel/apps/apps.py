"""Apps: everything a person deploys is one. An id for ever, any number of aliases, one of them primary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from kernel.apps.names import Slug, check_free, slug_of
from kernel.base.errors import FaztError, not_found
from kernel.base.ids import is_id, new_id
from kernel.base.json import decode, to_text
from kernel.base.site import Site
from kernel.base.tables import Migration, Patch, Read, Remove, Table
from kernel.storage.store import Store
from kernel.syscall import Call, Limit, Line, Offset, Page, Registry, Scan, Text, Write, syscall
from kernel.syscall.plan import Step, page

Visibility = Literal["public", "unlisted", "private", "internal", "vpn-only"]
Status = Literal["active", "stopped", "archived"]

APPS = Table(
    "apps",
    (
        "id",
        "original_id",
        "forked_from_id",
        "title",
        "description",
        "tags",
        "visibility",
        "source",
        "source_url",
        "source_ref",
        "source_commit",
        "manifest",
        "spa",
        "status",
        "created_at",
        "updated_at",
        "deleted_at",
        "release_id",
    ),
    key=("id",),
    scope="node",
    published=True,
)
ALIASES = Table(
    "aliases",
    ("subdomain", "type", "targets", "app_id", "is_primary", "created_at", "updated_at"),
    key=("subdomain",),
    scope="node",
    published=True,
)
MIGRATIONS = (
    Migration(
        "apps_0001",
        """
create table apps (id text primary key, original_id text not null, forked_from_id text, title text not null,
  description text not null default '', tags text not null default '[]', visibility text not null,
  source text not null, source_url text, source_ref text, source_commit text, manifest text,
  spa integer not null default 0, status text not null default 'active', created_at integer not null,
  updated_at integer not null, deleted_at integer) strict, without rowid;
create table aliases (subdomain text primary key, type text not null, targets text not null, app_id text,
  is_primary integer not null default 0, created_at integer not null, updated_at integer not null)
  strict, without rowid;
create index aliases_app on aliases (app_id);
create unique index aliases_primary on aliases (app_id) where is_primary = 1;
""",
    ),
    Migration("apps_0002", "alter table apps add column release_id text"),
)

MAIN_NAME = "(select subdomain from {aliases} where app_id = a.id and is_primary = 1)"
_FIELDS = f"""a.id, a.title, {MAIN_NAME}, a.description, a.tags, a.visibility, a.status, a.source, a.spa,
  a.original_id, a.forked_from_id, a.created_at, a.updated_at, a.deleted_at, a.release_id"""
ONE = Read(f"select {_FIELDS} from {{apps}} a where a.id = :id")
_SHOWN = "(:all or a.deleted_at is null) and (:listed = 0 or a.visibility = 'public')"
LIST = Read(
    f"select {_FIELDS} from {{apps}} a where {_SHOWN} order by a.created_at desc, a.id limit :limit offset :offset"
)
COUNT = Read(f"select count(*) from {{apps}} a where {_SHOWN}")
ALIVE = Read("select id from {apps} where id = :id and (:deleted or deleted_at is null)")
BY_ALIAS = Read("""select p.id from {aliases} s join {apps} p on p.id = s.app_id
where s.subdomain = :subdomain and (:deleted or p.deleted_at is null)""")
ALIASES_OF = Read("select subdomain from {aliases} where app_id = :id order by is_primary desc, subdomain")
TAKEN = Read("""select 1 from {aliases} s left join {apps} p on p.id = s.app_id
where s.subdomain = :subdomain and p.deleted_at is null""")

UPDATE = Patch(
    APPS,
    set="""title = coalesce(:title, title), description = coalesce(:description, description),
  tags = coalesce(:tags, tags), visibility = coalesce(:visibility, visibility), spa = coalesce(:spa, spa),
  status = coalesce(:status, status), updated_at = :now""",
    where="id = :id and deleted_at is null",
)
SAID = Read("select title, source from {apps} where id = :id")
LIVE = Read("select release_id, visibility, status, spa from {apps} where id = :id and deleted_at is null")
# those of these apps that anybody may see
OPEN = Read("""select id from {apps} where id in (select value from json_each(:ids)) and deleted_at is null
  and visibility in ('public', 'unlisted') and status = 'active'""")
POINT = Patch(
    APPS,
    set="release_id = :release, spa = coalesce(:spa, spa), updated_at = :now",
    where="id = :id and deleted_at is null",
)
# changes nothing: is what was live a moment ago live still?
STILL = Patch(APPS, set="updated_at = updated_at", where="id = :id and release_id is :release and deleted_at is null")
# the forks of an app, their forks, and so on
_FORKS = """id in (with recursive fork(id) as (select f.id from {apps} f where f.forked_from_id = :id
  union select f.id from {apps} f join fork on f.forked_from_id = fork.id) select id from fork)"""
FORKS = Read(f"select id from {{apps}} where {_FORKS}")
CAME_FROM = Patch(
    APPS,
    set="""source = coalesce(:source, source), source_url = coalesce(:url, source_url),
  source_ref = coalesce(:ref, source_ref), source_commit = coalesce(:commit, source_commit)""",
    where="id = :id",
)
DELETE = Patch(APPS, set="deleted_at = :now, updated_at = :now", where="id = :id and deleted_at is null")
DELETE_FORKS = Patch(
    APPS,
    set="deleted_at = :now, updated_at = :now",
    where=f"deleted_at is null and id <> :id and {_FORKS}",
    returning="id",
)
RESTORE = Patch(APPS, set="deleted_at = null, updated_at = :now", where="id = :id and deleted_at is not null")
# those that were deleted together with it
RESTORE_FORKS = Patch(
    APPS,
    set="deleted_at = null, updated_at = :now",
    where=f"deleted_at = :at and id <> :id and {_FORKS}",
    returning="id",
)
# the oldest name an app has becomes its main name, if it has none
HEIR = Patch(
    ALIASES,
    set="is_primary = 1",
    where="""subdomain = (select o.subdomain from {aliases} o where o.app_id = :id and o.subdomain <> 'root'
    order by o.created_at, o.subdomain limit 1)
    and not exists (select 1 from {aliases} p where p.app_id = :id and p.is_primary = 1)""",
    returning="subdomain",
)
PURGE = Remove(APPS, where="id = :id")
PURGE_ALIASES = Remove(ALIASES, where="app_id = :id")
RENAME = Patch(ALIASES, set="subdomain = :slug, updated_at = :now", where="app_id = :id and is_primary = 1")
# a name that leads to a deleted app is free for others
FREE = Remove(
    ALIASES,
    where="subdomain = :slug and app_id <> :id and app_id in (select id from {apps} where deleted_at is not null)",
)


class Tag(Line):
    least, most = 1, 50


Tags = Annotated[list[Tag], Meta(max_length=20)]


class Title(Line):
    least, most = 1, 200


class Description(Text):
    most = 2000


class Confirm(Line):
    most = 63


NO_DESCRIPTION = Description("")


class App(Struct):
    id: str
    title: str
    slug: str | None
    description: str
    tags: list[str]
    visibility: str
    status: str
    source: str
    spa: bool
    original_id: str
    forked_from_id: str | None
    created_at: int
    updated_at: int
    deleted_at: int | None = None
    release_id: str | None = None
    url: str = ""
    aliases: list[str] | None = None


class PublicApp(Struct):
    id: str
    title: str
    slug: str | None
    description: str
    tags: list[str]
    url: str


class Deleted(Struct):
    id: str
    purged: bool
    undo: str | None = None
    forks: list[str] = []


class Restored(Struct):
    id: str
    slug: str | None
    warning: str | None = None
    forks: list[str] = []


class Usage(Struct):
    id: str
    rows: dict[str, int]
    calls: dict[str, int]


class Saved(Struct):
    id: str


class Created(Struct):
    id: str
    title: str
    slug: str | None
    url: str


_THERE = "insert into expect (ok) select 0 where not exists (select 1 from apps where id = :app)"


def there(app: str) -> Step:
    """Stops what an app's code writes after the app was purged: nobody would ever remove it."""
    return Step(_THERE, {"app": app}, not_found("app", app))


def find(store: Store, ref: str, deleted: bool = False) -> str | None:
    """The id of the app that an id, an alias or an `app-<12>` label names."""
    id = ref.replace("-", "_", 1) if ref.startswith("app-") else ref
    if is_id(id, "app"):
        rows = store.rows(ALIVE, id=id, deleted=deleted)
    else:
        rows = store.rows(BY_ALIAS, subdomain=ref, deleted=deleted)
    return str(rows[0][0]) if rows else None


def _app(call: Call, row: Any) -> App:
    fields = list(row)
    fields[4], fields[8] = decode(fields[4]), bool(fields[8])
    app = App(*fields)
    app.url = call.use(Site).app_url(app.slug or app.id.replace("_", "-", 1))
    return app


def _public(app: App) -> PublicApp:
    return PublicApp(app.id, app.title, app.slug, app.description, app.tags, app.url)


@syscall("apps.list", role="public", http="GET /api/apps", cli="app list", js=False, scope="deploy")
def apps_list(call: Call, *, all: bool = False, offset: Offset = 0, limit: Limit = 20) -> Scan[Page[App | PublicApp]]:
    """The apps of this node, newest first; with all=true the deleted ones too. A guest sees what is public."""
    guest = not call.is_at_least("admin")
    wanted = {"all": all and not guest, "listed": guest}

    def shown(rows: list[list[Any]]) -> Page[App | PublicApp]:
        apps = [_app(call, row) for row in rows[0]]
        return page([_public(app) if guest else app for app in apps], offset, limit, rows[1][0][0])

    return call.store.scan((LIST, {**wanted, "limit": limit, "offset": offset}), (COUNT, wanted), then=shown)


@syscall("apps.get", http="GET /api/apps/{app}", cli="app info <app>", js=False, scope="deploy")
def apps_get(call: Call) -> App:
    """One app with its aliases."""
    app = _app(call, call.store.one(ONE, id=call.app))
    app.aliases = [subdomain for (subdomain,) in call.store.all(ALIASES_OF, id=call.app)]
    return app


@syscall("apps.status", http="GET /api/apps/{app}/status", cli="app status <app>", js=False)
def apps_status(call: Call) -> Usage:
    """What an app uses: its rows, and how often each capability was called since the start."""
    calls = {entry.declared.name: count for entry, count in zip(call.use(Registry), call.meter, strict=True) if count}
    return Usage(call.app or "", call.use(Store).usage(call.app or ""), calls)


@syscall("apps.create", http="POST /api/apps -> 201", cli="app create <slug?>", js=False, weight=6)
def apps_create(
    call: Call,
    slug: Slug | None = None,
    *,
    title: Title | None = None,
    description: Description = NO_DESCRIPTION,
    tags: Tags = [],  # noqa: B006
    visibility: Visibility = "unlisted",
    spa: bool = False,
) -> Write[Created]:
    """Make an app. Without a slug, one is made from the title where it is free."""
    id = new_id("app")
    chosen = check_free(slug) if slug else free_slug(call, title)
    name = title or slug or id
    plan = new(call, id, slug=chosen, title=name, description=description, tags=tags, visibility=visibility, spa=spa)
    answer = Created(id, name, chosen, call.use(Site).app_url(chosen or id.replace("_", "-", 1)))
    return plan.giving(lambda _: answer)


def new(
    call: Call,
    id: str,
    *,
    slug: str | None,
    title: str,
    description: str = "",
    tags: Sequence[str] = (),
    visibility: str = "unlisted",
    spa: bool = False,
) -> Write[None]:
    """The rows of a new app, with its primary alias."""
    plan = call.store.insert(
        APPS,
        id=id,
        original_id=id,
        title=title,
        description=description,
        tags=to_text(list(tags)),
        visibility=visibility,
        source="deploy",
        spa=spa,
        updated_at=call.now,
    )
    return plan + claim(call, slug, id) if slug else plan


@syscall("apps.update", http="PUT /api/apps/{app}", cli="app update <app>", js=False, weight=6)
def apps_update(
    call: Call,
    *,
    title: Title | None = None,
    description: Description | None = None,
    tags: Tags | None = None,
    visibility: Visibility | None = None,
    spa: bool | None = None,
    status: Status | None = None,
) -> Write[Saved]:
    """Change what is said; what is left out stays."""
    plan = call.store.do(
        UPDATE,
        id=call.app,
        title=title,
        description=description,
        visibility=visibility,
        spa=spa,
        status=status,
        now=call.now,
        tags=None if tags is None else to_text(tags),
    )
    return plan.expect(1, not_found("app", call.app or "")).giving(lambda _: Saved(call.app or ""))


@syscall("apps.rename", http="POST /api/apps/{app}/rename", cli="app rename <app>", js=False, weight=6)
def apps_rename(call: Call, *, slug: Slug) -> Write[Created]:
    """Move the app's primary alias; its data stays where it is."""
    id = call.app or ""
    app = _app(call, call.store.one(ONE, id=id))
    check_free(slug)
    answer = Created(id, app.title, slug, call.use(Site).app_url(slug))
    if app.slug == slug:
        return Write((), lambda _: answer)
    if app.slug is None:
        return claim(call, slug, id).giving(lambda _: answer)
    free = call.store.do(FREE, slug=slug, id=id)
    move = call.store.do(RENAME, slug=slug, id=id, now=call.now)
    move = Write([move.steps[0]._replace(error=taken(slug))])
    return (free + move.expect(1, not_found("app", id))).giving(lambda _: answer)


@syscall("apps.delete", http="DELETE /api/apps/{app}", cli="app delete <app>", js=False, weight=6)
def apps_delete(
    call: Call, *, purge: bool = False, confirm: Confirm | None = None, with_forks: bool = False
) -> Write[Deleted]:
    """Delete an app: it can be restored for 30 days. With purge and confirm=<its name> it is gone at once.

    With with_forks, what was forked from it goes with it, and so on down.
    """
    id = call.app or ""
    app = _app(call, call.store.one(ONE, id=id))
    if purge:
        return _purge(call, app, confirm, with_forks)
    undo = f"fazt app restore {id}{' --with-forks' if with_forks else ''}"
    plan = call.store.do(DELETE, id=id, now=call.now).expect(1, not_found("app", id))
    if with_forks:
        plan = plan + call.store.do(DELETE_FORKS, id=id, now=call.now)
    return plan.giving(lambda rows: Deleted(id, False, undo, _ids(rows[-1]) if with_forks else []))


def _purge(call: Call, app: App, confirm: str | None, with_forks: bool) -> Write[Deleted]:
    id = app.id
    forks = [fork for (fork,) in call.store.all(FORKS, id=id) if fork != id] if with_forks else []
    if confirm not in (id, app.slug) or confirm is None:
        more = f", and of its forks ({len(forks)})," if forks else ""
        raise FaztError(
            "CONFIRMATION_REQUIRED",
            f"This removes {app.title} and all of its data{more} for ever.",
            f"Confirm with --confirm {app.slug or id} (HTTP: confirm={app.slug or id}).",
            confirm=app.slug or id,
        )
    plan = call.store.do(PURGE, id=id).expect(1, not_found("app", id))
    for gone in forks:
        plan = plan + call.store.do(PURGE, id=gone)
    for gone in (id, *forks):
        plan = plan + call.store.do(PURGE_ALIASES, id=gone) + Write(call.use(Store).purge(gone))
    return plan.giving(lambda _: Deleted(id, True, None, forks))


@syscall("apps.restore", http="POST /api/apps/{app}/restore", cli="app restore <app>", js=False, weight=6, deleted=True)
def apps_restore(call: Call, *, with_forks: bool = False) -> Write[Restored]:
    """Bring a deleted app back, with everything it had; with_forks: also the forks that were deleted with it."""
    id = call.app or ""
    app = _app(call, call.store.one(ONE, id=id))
    here = FaztError("CONFLICT", f"{app.title} is not deleted.", app=id)
    plan = call.store.do(RESTORE, id=id, now=call.now).expect(1, here) + call.store.do(HEIR, id=id)
    if with_forks:
        plan = plan + call.store.do(RESTORE_FORKS, id=id, at=app.deleted_at, now=call.now)

    def done(rows: list[list[Any]]) -> Restored:
        slug = app.slug or (str(rows[2][0][0]) if rows[2] else None)
        return Restored(id, slug, None if slug else _NAMELESS, _ids(rows[-1]) if with_forks else [])

    return plan.giving(done)


_NAMELESS = "Its name was given to another app meanwhile; give it one with `fazt app rename`."


def _ids(rows: list[Any]) -> list[str]:
    return sorted(str(id) for (id,) in rows)


def claim(call: Call, slug: str, app: str, field: str = "slug") -> Write[None]:
    """Make the slug the app's primary alias, unless a living app has it."""
    targets = to_text({"app_id": app})
    return call.store.do(FREE, slug=slug, id=app) + call.store.insert(
        ALIASES,
        taken(slug, field),
        subdomain=slug,
        type="proxy",
        targets=targets,
        app_id=app,
        is_primary=1,
        updated_at=call.now,
    )


def taken(slug: str, field: str = "slug") -> FaztError:
    return FaztError("CONFLICT", f"{slug} is taken.", "Choose another name.", field=field)


def free_slug(call: Call, title: str | None) -> str | None:
    base = slug_of(title) if title else None
    if base is None:
        return None
    tries = [base, *(f"{base[:45]}-{n}" for n in range(2, 100))]
    return next((slug for slug in tries if call.store.one(TAKEN, subdomain=slug) is None), None)
