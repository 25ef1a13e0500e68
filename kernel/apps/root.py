"""Which app answers on the node's own domain: the app of the alias `root`."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kernel.apps import apps, meaning
from kernel.apps.apps import ALIASES
from kernel.apps.names import ROOT
from kernel.base.errors import FaztError, invalid
from kernel.base.json import to_text
from kernel.base.site import Site
from kernel.base.tables import Remove
from kernel.storage.store import Store
from kernel.syscall import AppRef, Call, Write, syscall

CLEAR = Remove(ALIASES, where="subdomain = 'root'", returning="app_id")
UNSAID = AppRef("")


class Root(Struct):
    app: str | None
    url: str


class RootSet(Struct):
    app: str | None
    url: str
    undo: str


@syscall("root.get", http="GET /api/root", js=False)
def root_get(call: Call) -> Root:
    """The app that answers on the node's own domain; without one, the welcome page does."""
    return Root(apps.find(call.use(Store), ROOT), call.use(Site).url)


@syscall("root.set", http="PUT /api/root", cli="app root <app_?>", js=False, weight=6)
def root_set(call: Call, app_: AppRef | None = UNSAID, *, none: bool = False) -> Write[RootSet]:
    """Say which app answers on the node's own domain; null (--none) brings the welcome page back."""
    if app_ == UNSAID and not none:
        raise FaztError("MISSING_FIELD", "app: say an app, or none.", "`fazt app root NAME` or --none.", field="app")
    if app_ and none:
        raise invalid("none", "says the opposite of app")
    id = meaning.app_id(call, app_) if app_ else None
    plan = call.store.do(CLEAR)
    if id:
        targets = to_text({"app_id": id})
        plan = plan + call.store.insert(
            ALIASES, subdomain=ROOT, type="proxy", targets=targets, app_id=id, updated_at=call.now
        )

    def done(rows: list[list[Any]]) -> RootSet:
        before = rows[0][0][0] if rows[0] else "--none"
        return RootSet(id, call.use(Site).url, f"fazt app root {before}")

    return plan.giving(done)
