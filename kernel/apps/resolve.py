"""Which app the label of a host name means. Reads only, two look-ups at most."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple
from urllib.parse import quote

from kernel.apps import apps, meaning
from kernel.apps.names import is_by_id
from kernel.base.ids import is_id
from kernel.base.json import to_text
from kernel.base.tables import Read
from kernel.storage.store import Store

# the cookie that keeps a visitor of a split where he was: host-only, 30 days; it holds `Choice.name`
VARIANT_COOKIE = "fazt_variant"
VARIANT_SECONDS = 30 * 24 * 3600

MEANT = Read("""select s.type, s.targets from {aliases} s left join {apps} p on p.id = s.app_id
where s.subdomain = :label and (s.type <> 'proxy' or (p.id is not null and p.deleted_at is null))""")
LIVING = Read("select id from {apps} where deleted_at is null and id in (select value from json_each(:ids))")


class Choice(NamedTuple):
    """One of the targets of a split."""

    app: str
    release: str | None
    weight: int

    @property
    def name(self) -> str:
        return f"{self.app}@{self.release}" if self.release else self.app


class Target(NamedTuple):
    """`release` None: the live one. `choices` of a split are those that somebody can get."""

    kind: Literal["app", "redirect", "split", "none"]
    app: str = ""
    release: str | None = None
    url: str = ""
    status: int = 302
    choices: tuple[Choice, ...] = ()


NONE = Target("none")


def resolve(store: Store, label: str) -> Target:
    """What stands at a label: `<12>--<app>` is a preview of that release, `app-<12>` an app's id, all else an alias.

    Whether the release of a preview is one of that app is for whoever opens it to ask.
    """
    release, dashes, rest = label.partition("--")
    if dashes:
        id = apps.find(store, rest) if is_id(f"rel_{release}", "rel") else None
        return Target("app", id, f"rel_{release}") if id else NONE
    if is_by_id(label):
        id = apps.find(store, label)
        return Target("app", id) if id else NONE
    rows = store.rows(MEANT, label=label)
    if not rows:
        return NONE
    meant = meaning.read(*rows[0])
    if meant.type == "proxy":
        return Target("app", meant.app or "")
    if meant.type == "redirect":
        return Target("redirect", url=meant.url or "", status=meant.status or 302)
    choices = _living(store, meant.targets or [])
    return Target("split", choices=choices) if choices else NONE


def _living(store: Store, targets: list[meaning.Target]) -> tuple[Choice, ...]:
    if not targets:
        return ()
    living = {str(id) for (id,) in store.rows(LIVING, ids=to_text([target.app_id for target in targets]))}
    return tuple(Choice(t.app_id, t.release_id, t.weight) for t in targets if t.app_id in living and t.weight > 0)


def pick(choices: Sequence[Choice], cookie: str | None, address: str, agent: str) -> Choice | None:
    """The target of a visitor: the one his cookie names, else one by weight, always the same for the same visitor."""
    open_to_all = [choice for choice in choices if choice.weight > 0]
    if not open_to_all:
        return None
    for choice in open_to_all:
        if choice.name == cookie:
            return choice
    digest = hashlib.blake2b(f"{address}\0{agent}".encode("utf-8", "replace"), digest_size=8).digest()
    point = int.from_bytes(digest) % sum(choice.weight for choice in open_to_all)
    for choice in open_to_all:
        point -= choice.weight
        if point < 0:
            break
    return choice


def leads_to(url: str, path: str, query: str) -> str:
    """Where a redirect sends a visitor: a url that ends in `/*` keeps his path (decoded) and query (as it was sent)."""
    if not url.endswith("/*"):
        return url
    return url[:-1] + quote(path.lstrip("/"), safe="/~!$&'()*+,;=:@") + (f"?{query}" if query else "")
