"""Where a rule of `_redirects` leads: never to a host of a visitor's choice."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from kernel.fs.rules import MAX_FILLED, Template, Values, shown

_ABSOLUTE = re.compile(r"(https?)://([^/?#]+)(.*)", re.IGNORECASE)
# what an address may hold as its author wrote it, and what of a visitor goes into each part of one
_WRITTEN = "%/:=&?~+!$,;'@()*[]"
_IN_PATH, _IN_QUERY = "/:@!$&'()*+,;=~", "/~"


class Target(NamedTuple):
    """A path of the same site, or with `site` an address elsewhere."""

    site: str
    path: Template
    query: Template
    fragment: Template

    def path_for(self, values: Values) -> str | None:
        """The path, encoded. A leading `//` or `/\\` would be another host: it is never made."""
        path = self.path.fill(values)
        return path if path is None or self.site else "/" + path.lstrip("/")

    def location(self, path: str, values: Values, asked: str) -> str | None:
        query, fragment = self.query.fill(values), self.fragment.fill(values)
        if query is None or fragment is None:
            return None
        query = query or quote(asked, _WRITTEN, errors="replace")
        to = self.site + path + (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")
        return to if len(to) <= MAX_FILLED else None


def parse_target(word: str, names: Collection[str]) -> Target:
    if "\\" in word:
        raise ValueError(f"the target {shown(word)} must have no backslash")
    absolute = _ABSOLUTE.fullmatch(word)
    site, rest = (_site(absolute, names), absolute[3]) if absolute else ("", word)
    if not absolute and (not word.startswith("/") or word.startswith("//")):
        raise ValueError(f"the target {shown(word)} must begin with one / or with http:// or https://")
    rest, _, fragment = rest.partition("#")
    path, _, query = rest.partition("?")
    return Target(
        site,
        Template(quote(path, _WRITTEN), names, _IN_PATH),
        Template(quote(query, _WRITTEN), names, _IN_QUERY),
        Template(quote(fragment, _WRITTEN + "#"), names, _IN_QUERY),
    )


def _site(absolute: re.Match[str], names: Collection[str]) -> str:
    """Scheme and host of a target. The visitor must not choose the host, or the rule would lead anywhere."""
    authority = absolute[2]
    if Template(authority, names, "").names:
        raise ValueError(f"the host {shown(authority)} must not have a placeholder")
    try:
        host, port = urlsplit(f"//{authority}").hostname, urlsplit(f"//{authority}").port
        host = host if host is None or host.isascii() else _idna(host)
    except ValueError:
        host, port = None, None
    if not host or "@" in authority or quote(host, ":") != host:
        raise ValueError(f"{shown(authority)} is no host name")
    shown_host = f"[{host}]" if ":" in host else host
    return f"{absolute[1].lower()}://{shown_host}" + (f":{port}" if port is not None else "")


def _idna(host: str) -> str:
    import idna

    return idna.encode(host, uts46=True).decode()
