"""Events of visitors: what beacons, pixels, links and webhooks note.

An event is noted in memory and written with many others; nothing a visitor does waits for the file. An address is cut
to its network (/24, /48) before it is noted: no whole one is ever kept.
"""

from __future__ import annotations

import collections
import functools
import ipaddress
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from kernel.base.ids import new_id
from kernel.base.json import decode, to_text
from kernel.base.settings import Setting, Settings
from kernel.base.tables import Migration, Sweep, Table
from kernel.net.visits import there
from kernel.storage.scoped import ScopedStore
from kernel.storage.store import Store
from kernel.syscall import Step

SourceType = Literal["web", "pixel", "redirect", "webhook", "hosting"]
HOUR = 3_600_000
DAY = 24 * HOUR
LONGEST_FIELD = 500
LONGEST_TAG = 50
MOST_TAGS = 20
MOST_PARAMETERS = 20
MOST_BUFFERED = 10_000
WRITE_AT = 1_000  # so many are not kept waiting for the next turn of the task
SLICE = 250  # a long batch would keep other writers waiting

RETENTION = Setting(
    "analytics.retention",
    "duration",
    "90d",
    "How long an event of a visitor is kept, counted from the moment it is noted.",
    least=HOUR,
    most=3650 * DAY,
)
EVENTS = Table(
    "events_web",
    (
        "id",
        "domain",
        "app_id",
        "source_type",
        "event_type",
        "path",
        "referrer",
        "user_agent",
        "ip",
        "query_params",
        "tags",
        "expires_at",
        "created_at",
    ),
    key=("created_at", "id"),
    scope="node",
    purged=True,
)
TAGS = Table(
    "events_web_tags",
    ("event_id", "tag", "app_id", "expires_at", "created_at"),
    key=("event_id", "tag"),
    scope="node",
    purged=True,
)
MIGRATIONS = (
    Migration(
        "analytics_0001",
        """
create table events_web (id text not null, domain text not null, app_id text, source_type text not null,
  event_type text not null, path text not null, referrer text not null, user_agent text not null, ip text not null,
  query_params text not null, tags text not null, expires_at integer not null, created_at integer not null,
  primary key (created_at, id)) strict, without rowid;
create index events_web_domain on events_web (domain, created_at, source_type);
create index events_web_app on events_web (app_id) where app_id is not null;
create index events_web_expiry on events_web (expires_at);
create table events_web_tags (event_id text not null, tag text not null, app_id text, expires_at integer not null,
  created_at integer not null, primary key (event_id, tag)) strict, without rowid;
create index events_web_tags_tag on events_web_tags (tag);
create index events_web_tags_app on events_web_tags (app_id) where app_id is not null;
create index events_web_tags_expiry on events_web_tags (expires_at);
""",
    ),
)
SWEEP_EVENTS = Sweep(EVENTS, due="expires_at")
SWEEP_TAGS = Sweep(TAGS, due="expires_at")


def one_line(text: str, most: int = LONGEST_FIELD) -> str:
    """Text of a stranger, cut, with a space for whatever a terminal or a page could stumble over."""
    text = text[:most]
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def tags_of(said: Iterable[str]) -> list[str]:
    """Tags as they are kept: each once, cut, without commas, which stand between tags."""
    words = (one_line(tag.strip(), LONGEST_TAG).strip() for text in said for tag in text.split(","))
    return list(dict.fromkeys(word for word in words if word))[:MOST_TAGS]


@functools.lru_cache(4096)
def network_of(address: str) -> str:
    """The network of an address, /24 or /48: where somebody comes from, not who it is."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 48}", strict=False))


def _parameters(query: Mapping[str, str]) -> dict[str, str]:
    return {one_line(name): one_line(value) for name, value in itertools.islice(query.items(), MOST_PARAMETERS)}


class EventBuffer:
    """Events since the last flush. The oldest make room when the file cannot be written for long; `dropped` counts."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self.waiting: collections.deque[dict[str, Any]] = collections.deque()
        self.dropped = 0
        self.write_soon: Callable[[], None] = lambda: None
        self._new = 0  # since the last flush, or since somebody was last asked for one

    def note(
        self,
        source_type: SourceType,
        event_type: str,
        domain: str,
        *,
        app_id: str | None = None,
        path: str = "",
        referrer: str = "",
        user_agent: str = "",
        address: str = "",
        query: Mapping[str, str] | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        now = self._store.clock.now()
        row = {
            "id": new_id("web"),
            "domain": domain,
            "app_id": app_id,
            "source_type": source_type,
            "event_type": one_line(event_type),
            "path": one_line(path),
            "referrer": one_line(referrer),
            "user_agent": one_line(user_agent),
            "ip": network_of(address),
            "query_params": to_text(_parameters(query or {})),
            "tags": to_text(tags_of(tags)),
            "created_at": now,
            "expires_at": now + self._settings[RETENTION.name],
        }
        if len(self.waiting) >= MOST_BUFFERED:
            self.waiting.popleft()
            self.dropped += 1
        self.waiting.append(row)
        self._new += 1
        if self._new >= WRITE_AT:
            self._new = 0
            self.write_soon()

    def flush(self, store: ScopedStore) -> list[Step]:
        """Some of what waits, as steps of one batch. What an app had that was purged meanwhile is gone with it."""
        self._new = 0
        rows: list[dict[str, Any]] = []
        while self.waiting and not rows:
            taken = list(itertools.islice(self.waiting, SLICE))
            apps = there(self._store, {row["app_id"] for row in taken if row["app_id"]})
            rows = [row for row in taken if not row["app_id"] or row["app_id"] in apps]
            for _ in taken:
                self.waiting.popleft()
        return [step for row in rows for step in self._steps(store, row)]

    @staticmethod
    def _steps(store: ScopedStore, row: dict[str, Any]) -> Iterable[Step]:
        # put: a batch that was written although it was told to have failed comes again
        yield from store.put(EVENTS, **row).steps
        same = {name: row[name] for name in ("app_id", "expires_at", "created_at")}
        for tag in decode(row["tags"]):
            yield from store.put(TAGS, event_id=row["id"], tag=tag, **same).steps

    def take_back(self, steps: list[Step]) -> None:
        """A flush that failed: its events wait again, before those that came since."""
        rows = [{name: step.params[name] for name in EVENTS.columns} for step in steps if "domain" in step.params]
        room = max(0, MOST_BUFFERED - len(self.waiting))
        self.dropped += max(0, len(rows) - room)
        self.waiting.extendleft(reversed(rows[len(rows) - min(room, len(rows)) :]))
