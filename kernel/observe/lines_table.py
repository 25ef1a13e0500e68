"""What apps said, as it is kept: the newest lines of each app, for some days."""

from __future__ import annotations

from kernel.base.tables import Migration, Read, Remove, Sweep, Table

MOST_KEPT = 10_000
LEVELS = ("debug", "info", "warn", "error")

# `seq` is the moment in microseconds or the number after the last one, so it orders lines of one millisecond too
APP_LOGS = Table(
    "app_logs",
    ("seq", "app_id", "user_id", "at", "level", "message", "request", "release_id"),
    key=("seq",),
    scope="node",
    purged=True,
)
MIGRATIONS = (
    Migration(
        "app_logs_0001",
        """
create table app_logs (seq integer primary key, app_id text not null, user_id text not null, at integer not null,
  level integer not null, message text not null, request text not null, release_id text not null,
  expires_at integer generated always as (at + 604800000) virtual) strict;
create index app_logs_app on app_logs (app_id, seq);
create index app_logs_user on app_logs (user_id) where user_id <> '';
create index app_logs_request on app_logs (request) where request <> '';
create index app_logs_expiry on app_logs (expires_at);
""",
    ),
)
_COLUMNS = "select seq, app_id, user_id, at, level, message, request, release_id from {app_logs}"
_WANTED = "level >= :least and at >= :since and (:request = '' or request = :request)"
OF_APP = Read(f"{_COLUMNS} where app_id = :id and {_WANTED} order by seq desc limit :limit")
OF_NODE = Read(f"{_COLUMNS} where {_WANTED} order by seq desc limit :limit")
OF_REQUEST = Read(
    f"{_COLUMNS} where request = :request and request <> '' and level >= :least and at >= :since "
    "order by seq desc limit :limit"
)
LAST = Read("select max(seq) from {app_logs}")
FIRST_TOO_OLD = Read("select seq from {app_logs} where app_id = :id order by seq desc limit 1 offset :keep")
TRIM = Remove(
    APP_LOGS,
    where="seq in (select seq from {app_logs} where app_id = :id and seq <= :upto order by seq limit :slice)",
    returning="seq",
)
SWEEP = Sweep(APP_LOGS, due="expires_at")
