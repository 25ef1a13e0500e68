"""Aliases: the names below the node's domain, and what each means.

An app may have any number; one of them is its main name. A name that is given a new meaning, or none, leaves the
place of the main name to the oldest other name of its app.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from kernel.apps import meaning, naming
from kernel.apps.apps import ALIASES, FREE
from kernel.apps.meaning import Kind, Meaning, Part, Share, Target
from kernel.apps.names import Slug, check_free
from kernel.apps.naming import Changed
from kernel.base.errors import FaztError, invalid
from kernel.base.json import decode
from kernel.base.site import Site
from kernel.base.tables import Patch, Read
from kernel.storage.store import Store
from kernel.syscall import AppRef, Call, Limit, Offset, Page, Scan, Write, syscall
from kernel.syscall.address import Destination
from kernel.syscall.plan import page

Status = Annotated[int, Meta(ge=301, le=308)]

# which of the apps it leads to are there no more
_DANGLING = """(select json_group_array(t.value ->> 'app_id')
  from json_each(case s.type when 'split' then s.targets when 'proxy' then json_array(json(s.targets)) else '[]' end) t
  where not exists (select 1 from {apps} p where p.id = t.value ->> 'app_id' and p.deleted_at is null))"""
_FIELDS = f"s.subdomain, s.type, s.targets, s.is_primary, s.created_at, s.updated_at, {_DANGLING}"
ONE = Read(f"select {_FIELDS} from {{aliases}} s where s.subdomain = :subdomain")
LIST = Read(f"select {_FIELDS} from {{aliases}} s order by s.subdomain limit :limit offset :offset")
COUNT = Read("select count(*) from {aliases}")
SPLITS = Read("select targets from {aliases} where type = 'split'")

MOVE = Patch(ALIASES, set="subdomain = :to, updated_at = :now", where="subdomain = :subdomain")
# no name is empty: where one of two names waits until the other is free, within one batch
ASIDE = ""


class Alias(Struct):
    subdomain: str
    type: Kind
    app: str | None
    url: str | None
    status: int | None
    targets: list[Target] | None
    primary: bool
    dangling: list[str]
    address: str
    created_at: int
    updated_at: int


class Gone(Struct):
    subdomain: str
    undo: str


class Swapped(Struct):
    alias1: str
    alias2: str
    undo: str


def _shown(call: Call, row: Any) -> Alias:
    subdomain, kind, targets, primary, created, updated, dangling = row
    meant = meaning.read(kind, targets)
    return Alias(
        subdomain,
        meant.type,
        meant.app,
        meant.url,
        meant.status,
        meant.targets,
        bool(primary),
        decode(dangling),
        call.use(Site).app_url(subdomain),
        created,
        updated,
    )


@syscall("aliases.list", http="GET /api/aliases", cli="alias list", js=False)
def aliases_list(call: Call, *, offset: Offset = 0, limit: Limit = 20) -> Scan[Page[Alias]]:
    """The names of this node in order, with what each means and which of its apps are gone."""

    def shown(rows: list[list[Any]]) -> Page[Alias]:
        return page([_shown(call, row) for row in rows[0]], offset, limit, rows[1][0][0])

    return call.store.scan((LIST, {"limit": limit, "offset": offset}), (COUNT, {}), then=shown)


@syscall("aliases.get", http="GET /api/aliases/{subdomain}", cli="alias info <subdomain>", js=False)
def aliases_get(call: Call, subdomain: Slug) -> Alias:
    """One name and what it means."""
    row = call.store.one(ONE, subdomain=subdomain)
    if row is None:
        raise naming.unknown(subdomain)
    return _shown(call, row)


@syscall("aliases.create", http="POST /api/aliases -> 201", js=False, weight=6)
def aliases_create(
    call: Call,
    subdomain: Slug,
    *,
    app_: AppRef | None = None,
    url: Destination | None = None,
    status: Status | None = None,
    reserved: bool = False,
) -> Write[Changed]:
    """Make a name: for an app, for an address elsewhere, or for nothing, so that nobody takes it."""
    check_free(subdomain, "subdomain")
    meant = meaning.said(call, app_, url, status, reserved)
    free = call.store.do(FREE, slug=subdomain, id=meant.app or "")
    plan = free + naming.insert(call, subdomain, meant, call.now) + naming.step_up(call, subdomain, meant)
    return plan.giving(lambda _: naming.changed(call, subdomain, meant, f"fazt app unlink {subdomain}"))


@syscall("aliases.set", http="PUT /api/aliases/{subdomain}", cli="app link <subdomain>", js=False, weight=6)
def aliases_set(
    call: Call,
    subdomain: Slug,
    *,
    app_: AppRef | None = None,
    url: Destination | None = None,
    status: Status | None = None,
    reserved: bool = False,
    primary: bool = False,
) -> Write[Changed]:
    """Say what a name means from now on, whether it is new or had another meaning; `primary`: as its app's main name.

    A url that ends in `/*` keeps the path and the query of the visitor.
    """
    meant = meaning.said(call, app_, url, status, reserved)
    if primary and meant.type != "proxy":
        raise invalid("primary", "belongs to an app")
    return naming.give(call, subdomain, meant, primary)


@syscall("aliases.delete", http="DELETE /api/aliases/{subdomain}", cli="app unlink <subdomain>", js=False, weight=6)
def aliases_delete(call: Call, subdomain: Slug) -> Write[Gone]:
    """Give a name up. If it was its app's main name, the app's oldest other name becomes that."""
    check_free(subdomain, "subdomain")
    plan = naming.leave(call, subdomain, "").expect(1, naming.unknown(subdomain))
    return plan.giving(lambda rows: Gone(subdomain, naming.undo(subdomain, rows)))


@syscall(
    "aliases.reserve",
    http="POST /api/aliases/{subdomain}/reserve",
    cli="app reserve <subdomain>",
    js=False,
    weight=6,
)
def aliases_reserve(call: Call, subdomain: Slug) -> Write[Changed]:
    """Keep a name for nobody: its address answers that nothing is there."""
    return naming.give(call, subdomain, Meaning("reserved"))


@syscall("aliases.split", http="POST /api/aliases/{subdomain}/split", cli="app split <subdomain>", js=False, weight=6)
def aliases_split(
    call: Call, subdomain: Slug, *, targets: list[Part] | None = None, ids: list[Share] | None = None
) -> Write[Changed]:
    """Share the visitors of a name among 2 to 10 apps, or releases of apps, by weight.

    Who was here before stays where he was for 30 days; a weight of 0 gets nobody. Targets are said as objects, or
    in `ids` as words: `--ids blog:90,blog@v3:10`.
    """
    if (targets is None) == (ids is None):
        raise FaztError("MISSING_FIELD", "targets: say the targets, once.", "--ids a:50,b:50", field="targets")
    parts = targets if targets is not None else [meaning.part_of(share) for share in ids or ()]
    return naming.give(call, subdomain, meaning.split(call, parts))


@syscall("aliases.swap", http="POST /api/aliases/swap", cli="app swap <alias1> <alias2>", js=False, weight=6)
def aliases_swap(call: Call, alias1: Slug, alias2: Slug) -> Write[Swapped]:
    """Exchange what two names mean, all at once; also whose main name each is."""
    check_free(alias1, "alias1")
    check_free(alias2, "alias2")
    if alias1 == alias2:
        raise invalid("alias2", "must be another name")
    plan = (
        call.store.do(MOVE, subdomain=alias1, to=ASIDE, now=call.now).expect(1, naming.unknown(alias1))
        + call.store.do(MOVE, subdomain=alias2, to=alias1, now=call.now).expect(1, naming.unknown(alias2))
        + call.store.do(MOVE, subdomain=ASIDE, to=alias2, now=call.now)
    )
    return plan.giving(lambda _: Swapped(alias1, alias2, f"fazt app swap {alias1} {alias2}"))


def split_releases(store: Store) -> list[str]:
    """The releases that splits send visitors to: they are kept."""
    meant = [meaning.read("split", targets) for (targets,) in store.rows(SPLITS)]
    return [target.release_id for one in meant for target in one.targets or [] if target.release_id]
