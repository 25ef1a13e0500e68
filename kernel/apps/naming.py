"""How a name gets a meaning and loses it, and what becomes of the main name of its app: plans for the writer."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kernel.apps import meaning
from kernel.apps.apps import ALIASES, FREE, taken
from kernel.apps.meaning import Kind, Meaning, Target
from kernel.apps.names import check_free
from kernel.base.errors import FaztError, not_found
from kernel.base.json import to_text
from kernel.base.site import Site
from kernel.base.tables import Patch, Read, Remove
from kernel.syscall import Call, Write

MADE = Read("select created_at from {aliases} where subdomain = :subdomain")
STEP_DOWN = Patch(ALIASES, set="is_primary = 0", where="subdomain = :subdomain and is_primary = 1", returning="1")
# the oldest other name of the app that this name is about to leave
HEIR = Patch(
    ALIASES,
    set="is_primary = 1",
    where="""subdomain = (select o.subdomain from {aliases} s join {aliases} o on o.app_id = s.app_id
    where s.subdomain = :subdomain and s.app_id is not :id and o.subdomain not in (:subdomain, 'root')
    and not exists (select 1 from {aliases} p where p.app_id = s.app_id and p.is_primary = 1)
    order by o.created_at, o.subdomain limit 1)""",
)
DELETE = Remove(ALIASES, where="subdomain = :subdomain", returning="type, targets")
ALL_STEP_DOWN = Patch(ALIASES, set="is_primary = 0", where="app_id = :id and is_primary = 1")
STEP_UP = Patch(
    ALIASES,
    set="is_primary = 1",
    where="""subdomain = :subdomain
    and not exists (select 1 from {aliases} p where p.app_id = :id and p.is_primary = 1)""",
)


class Changed(Struct):
    subdomain: str
    type: Kind
    app: str | None
    url: str | None
    status: int | None
    targets: list[Target] | None
    address: str
    undo: str


def give(call: Call, subdomain: str, meant: Meaning, primary: bool = False) -> Write[Changed]:
    """A name gets a meaning, whatever it meant before."""
    check_free(subdomain, "subdomain")
    free = call.store.do(FREE, slug=subdomain, id=meant.app or "")
    row = call.store.one(MADE, subdomain=subdomain)
    plan = free + leave(call, subdomain, meant.app or "") + insert(call, subdomain, meant, row[0] if row else call.now)
    if primary:
        plan = plan + call.store.do(ALL_STEP_DOWN, id=meant.app)
    plan = plan + step_up(call, subdomain, meant)

    def done(rows: list[list[Any]]) -> Changed:
        return changed(call, subdomain, meant, undo(subdomain, rows[len(free.steps) :]))

    return plan.giving(done)


def leave(call: Call, subdomain: str, id: str) -> Write[None]:
    """Take a name's meaning away; its first and third answers say what it was."""
    return (
        call.store.do(STEP_DOWN, subdomain=subdomain)
        + call.store.do(HEIR, subdomain=subdomain, id=id)
        + call.store.do(DELETE, subdomain=subdomain)
    )


def undo(subdomain: str, rows: list[list[Any]]) -> str:
    primary, _, before = rows[:3]
    if not before:
        return f"fazt app unlink {subdomain}"
    return meaning.command(subdomain, meaning.read(*before[0]), bool(primary))


def insert(call: Call, subdomain: str, meant: Meaning, created: int) -> Write[None]:
    return call.store.insert(
        ALIASES,
        taken(subdomain, "subdomain"),
        subdomain=subdomain,
        type=meant.type,
        targets=to_text(meant.kept()),
        app_id=meant.app,
        created_at=created,
        updated_at=call.now,
    )


def step_up(call: Call, subdomain: str, meant: Meaning) -> Write[None]:
    """The name becomes its app's main name if it has none."""
    return call.store.do(STEP_UP, subdomain=subdomain, id=meant.app) if meant.app else Write(())


def changed(call: Call, subdomain: str, meant: Meaning, back: str) -> Changed:
    address = call.use(Site).app_url(subdomain)
    return Changed(subdomain, meant.type, meant.app, meant.url, meant.status, meant.targets, address, back)


def unknown(subdomain: str) -> FaztError:
    return not_found("alias", subdomain, "`fazt alias list` shows the names of this node.")
