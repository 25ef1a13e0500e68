"""What an alias means: an app, an address elsewhere, several apps by shares of the visitors, or nothing on purpose."""

from __future__ import annotations

import shlex
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from kernel.apps import apps
from kernel.base.errors import FaztError, invalid, not_found
from kernel.base.json import decode
from kernel.storage.store import Store
from kernel.syscall import AppRef, Call, Line

Kind = Literal["proxy", "redirect", "reserved", "split"]
STATUSES = (301, 302, 303, 307, 308)
LEAST_TARGETS, MOST_TARGETS = 2, 10
MOST_WEIGHT = 1_000_000
Weight = Annotated[int, Meta(ge=0, le=MOST_WEIGHT)]


class Releases:
    """What knows the releases of an app. A port: they live in a room below this one."""

    def id_of(self, app: str, ref: str) -> str:
        raise NotImplementedError


class ReleaseRef(Line):
    """A release: its id, the 12 characters of it or the first of them, or v and its number."""

    least, most = 2, 16
    pattern = r"(?:rel_)?[0-9a-z]{4,12}|v[0-9]{1,9}"
    explain = "must be a release: rel_…, the first of its characters (4 at least), or v and its number"


class Part(Struct, forbid_unknown_fields=True):
    """One of the targets of a split; `app_id` and `release_id` as an answer has them are understood too."""

    weight: Weight
    app: AppRef | None = None
    release: ReleaseRef | None = None
    app_id: AppRef | None = None
    release_id: ReleaseRef | None = None


class Share(Line):
    """The same as a word of a command."""

    least, most = 3, 90
    pattern = r"[a-z0-9][a-z0-9_-]{0,62}(?:@(?:rel_)?[0-9a-z]{2,12})?:[0-9]{1,7}"
    explain = "must be app:weight or app@release:weight"


class Target(Struct):
    """One of the targets of a split, as it is kept and shown."""

    app_id: str
    release_id: str | None
    weight: int


class Meaning(Struct):
    type: Kind
    app: str | None = None
    url: str | None = None
    status: int | None = None
    targets: list[Target] | None = None

    def kept(self) -> Any:
        """What stands in the row."""
        if self.type == "proxy":
            return {"app_id": self.app}
        if self.type == "redirect":
            return {"url": self.url, "status": self.status}
        return self.targets if self.type == "split" else {}


def read(kind: Any, targets: str) -> Meaning:
    """The meaning that a row keeps."""
    kept = decode(targets)
    if kind == "proxy":
        return Meaning("proxy", app=kept["app_id"])
    if kind == "redirect":
        return Meaning("redirect", url=kept["url"], status=kept["status"])
    if kind == "split":
        return Meaning("split", targets=[Target(t["app_id"], t.get("release_id"), t["weight"]) for t in kept])
    return Meaning("reserved")


def said(call: Call, app: str | None, url: str | None, status: int | None, reserved: bool) -> Meaning:
    """The one meaning that was said."""
    count = (app is not None) + (url is not None) + reserved
    if count == 0:
        raise FaztError("MISSING_FIELD", "app: say an app, a url, or reserved.", field="app")
    if count > 1:
        raise invalid("url" if url is not None else "reserved", "an alias means one thing only")
    if status is not None and url is None:
        raise invalid("status", "belongs to a url")
    if status is not None and status not in STATUSES:
        raise invalid("status", f"must be one of {', '.join(map(str, STATUSES))}")
    if url is not None:
        if url.endswith("/*") and not urlsplit(url).path.endswith("/*"):
            # else a visitor's path would say the host
            raise invalid("url", "/* may stand at the end of a path only")
        return Meaning("redirect", url=url, status=status or 302)
    return Meaning("reserved") if reserved else Meaning("proxy", app=app_id(call, app or ""))


def app_id(call: Call, ref: str) -> str:
    id = apps.find(call.use(Store), ref)
    if id is None:
        raise not_found("app", ref, "`fazt app list` shows the apps of this node.")
    return id


def split(call: Call, parts: list[Part]) -> Meaning:
    """Shares of the visitors. Each target once, and somebody must get them."""
    if not LEAST_TARGETS <= len(parts) <= MOST_TARGETS:
        raise invalid("targets", f"must be {LEAST_TARGETS} to {MOST_TARGETS} targets")
    targets = [_target(call, part) for part in parts]
    if len({(target.app_id, target.release_id) for target in targets}) < len(targets):
        raise invalid("targets", "the same target stands there twice")
    if sum(target.weight for target in targets) == 0:
        raise invalid("targets", "one weight at least must be more than 0")
    return Meaning("split", targets=targets)


def _target(call: Call, part: Part) -> Target:
    named, wanted = part.app or part.app_id, part.release or part.release_id
    if named is None:
        raise invalid("targets", "each needs an app")
    app = app_id(call, named)
    release = call.use(Releases).id_of(app, wanted) if wanted else None
    return Target(app, release, part.weight)


def part_of(share: str) -> Part:
    """`app@release:weight` taken apart."""
    target, _, weight = share.rpartition(":")
    app, _, release = target.partition("@")
    if int(weight) > MOST_WEIGHT:
        raise invalid("ids", f"a weight may be {MOST_WEIGHT} at most")
    try:
        return Part(int(weight), AppRef.parse(app), ReleaseRef.parse(release) if release else None)
    except ValueError as error:
        raise invalid("ids", str(error)) from None


def command(subdomain: str, meaning: Meaning, primary: bool = False) -> str:
    """The command that gives a name this meaning."""
    if meaning.type == "redirect":
        return f"fazt app link {subdomain} --url {shlex.quote(meaning.url or '')} --status {meaning.status}"
    if meaning.type == "reserved":
        return f"fazt app reserve {subdomain}"
    if meaning.type == "split":
        shares = (f"{t.app_id}{'@' + t.release_id if t.release_id else ''}:{t.weight}" for t in meaning.targets or ())
        return f"fazt app split {subdomain} --ids {','.join(shares)}"
    return f"fazt app link {subdomain} --app {meaning.app}{' --primary' if primary else ''}"
