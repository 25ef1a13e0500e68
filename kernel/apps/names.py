"""Labels of host names: which an app may have."""

from __future__ import annotations

import re

from kernel.base.errors import FaztError
from kernel.base.ids import is_id
from kernel.syscall import Line

RESERVED = frozenset(
    [
        "admin",
        "api",
        "root",
        "404",
        "www",
        "mail",
        "ftp",
        "smtp",
        "pop",
        "imap",
        "ns1",
        "ns2",
        "localhost",
        "os",
        "id",
        "auth",
        "login",
        "status",
    ]
)
LONGEST = 49
# the node's own domain: what stands there is set by its own command
ROOT = "root"


class Slug(Line):
    """An alias: a host label that can also carry a preview's release in front of it."""

    least, most = 1, LONGEST
    pattern = r"[a-z0-9](?:-?[a-z0-9])*"
    explain = "must be small letters, digits and single hyphens between them"


def check_free(slug: str, field: str = "slug") -> str:
    if slug in RESERVED or is_by_id(slug):
        hint = "`fazt app root NAME` says which app answers there." if slug == ROOT else "Choose another name."
        raise FaztError("CONFLICT", f"{slug} is reserved.", hint, field=field)
    return slug


def is_by_id(label: str) -> bool:
    """`app-<12>` always means the app with that id."""
    return is_id(label.replace("-", "_", 1), "app")


def slug_of(title: str) -> str | None:
    """A slug made from a title, if one can be made."""
    words = re.findall(r"[a-z0-9]+", title.lower())
    slug = "-".join(words)[:LONGEST].strip("-")
    return slug if slug and slug not in RESERVED and not is_by_id(slug) else None
