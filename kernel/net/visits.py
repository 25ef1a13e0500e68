"""How often an app was asked for something: counters per hour, counted in memory and written with many others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from kernel.apps import apps
from kernel.base.tables import Migration, Read, Sweep, Table
from kernel.storage.scoped import ScopedStore
from kernel.storage.store import Store
from kernel.syscall import Call, Duration, Scan, Step, syscall

HOUR = 3_600_000
SLICE = 250  # a long batch would keep other writers waiting
COUNTERS = ("requests", "bytes", "status_2xx", "status_3xx", "status_4xx", "status_5xx")
A_WEEK = Duration.parse("7d")

# an hour is kept for 400 days: a month can be compared with the same one a year ago
VISITS = Table("app_visits", ("hour_at", *COUNTERS), key=("hour_at",))
MIGRATIONS = (
    Migration(
        "visits_0001",
        """
create table app_visits (app_id text not null, user_id text not null default '', hour_at integer not null,
  requests integer not null, bytes integer not null, status_2xx integer not null, status_3xx integer not null,
  status_4xx integer not null, status_5xx integer not null, created_at integer not null,
  expires_at integer generated always as (hour_at + 34560000000) virtual,
  primary key (app_id, user_id, hour_at)) strict, without rowid;
create index app_visits_expiry on app_visits (expires_at);
""",
    ),
)
SINCE = Read(f"select hour_at, {', '.join(COUNTERS)} from {{app_visits}} where hour_at >= :since order by hour_at")
SWEEP = Sweep(VISITS, due="expires_at")


def there(store: Store, ids: Iterable[str]) -> set[str]:
    """Which of these are ids of apps, living or deleted: what waits for one that was purged is not written."""
    return {id for id in ids if apps.find(store, id, deleted=True) == id}


class Visits:
    """Counts since the last flush, of each app and hour. It is used on the event loop only."""

    def __init__(self, store: Store) -> None:
        self._store, self._clock = store, store.clock
        self.waiting: dict[tuple[str, int], list[int]] = {}
        # lets those who count by themselves tell (with `add`) what they have counted until now
        self.gather: Callable[[], None] = lambda: None

    def count(self, app_id: str, status: int, size: int) -> None:
        """One answer of an app."""
        self.add(app_id, status, 1, size)

    def add(self, app_id: str, status: int, hits: int, size: int) -> None:
        """So many answers with this status, so many bytes together: what was counted where it was served."""
        counted = self._of(app_id)
        counted[0] += hits
        counted[1] += size
        if 200 <= status < 600:
            # the counters of a status stand where its first digit says
            counted[status // 100] += hits

    def _of(self, app_id: str) -> list[int]:
        now = self._clock.now()
        key = (app_id, now - now % HOUR)
        found = self.waiting.get(key)
        if found is None:
            found = self.waiting[key] = [0] * len(COUNTERS)
        return found

    def flush(self, store: ScopedStore) -> list[Step]:
        """Some of what waits. An app that was purged meanwhile has no rows any more and gets none."""
        known = there(self._store, {app for app, _ in self.waiting})
        self.waiting = {key: counted for key, counted in self.waiting.items() if key[0] in known}
        taken = [(key, self.waiting.pop(key)) for key in list(self.waiting)[:SLICE]]
        return [
            step
            for (app, hour), counted in taken
            for step in self._store.scoped(app).add(VISITS, hour_at=hour, **_named(counted)).steps
        ]

    def take_back(self, steps: list[Step]) -> None:
        for step in steps:
            counted = self.waiting.setdefault((step.params["app"], step.params["hour_at"]), [0] * len(COUNTERS))
            for place, name in enumerate(COUNTERS):
                counted[place] += step.params[name]


def _named(counted: list[int]) -> dict[str, int]:
    return dict(zip(COUNTERS, counted, strict=True))


class HourVisits(Struct):
    hour_at: int
    requests: int
    bytes: int
    status_2xx: int
    status_3xx: int
    status_4xx: int
    status_5xx: int


class AppVisits(Struct):
    id: str
    hours: list[HourVisits]
    totals: dict[str, int]


@syscall("apps.visits", http="GET /api/apps/{app}/visits", cli="app visits <app>", js=False)
def apps_visits(call: Call, *, since: Duration = A_WEEK) -> Scan[AppVisits]:
    """How often an app was asked, hour by hour: requests, bytes and kinds of answers, up to this moment."""
    id, first = call.app or "", call.now - since
    first -= first % HOUR
    visits = call.use(Visits)
    visits.gather()
    waiting = {hour: list(counted) for (app, hour), counted in visits.waiting.items() if app == id}

    def shown(rows: list[list[Any]]) -> AppVisits:
        hours = {hour: counted for hour, counted in waiting.items() if hour >= first}
        for hour, *counted in rows[0]:
            hours[hour] = [a + b for a, b in zip(counted, hours.get(hour, [0] * len(COUNTERS)), strict=True)]
        totals = [sum(column) for column in zip(*hours.values(), strict=True)] or [0] * len(COUNTERS)
        return AppVisits(id, [HourVisits(hour, *hours[hour]) for hour in sorted(hours)], _named(totals))

    return call.store.scan((SINCE, {"since": first}), then=shown)
