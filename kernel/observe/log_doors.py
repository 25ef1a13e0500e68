"""The doors to what apps said: lists of lines, and a stream of those that come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Literal

from msgspec import Struct

from kernel.observe.follow_lines import LineKept, wanted
from kernel.observe.lines import Lines
from kernel.observe.lines_table import LEVELS, OF_APP, OF_NODE, OF_REQUEST
from kernel.security.keys import AppNames
from kernel.syscall import AppRef, Call, Duration, Line, Scan, syscall
from kernel.syscall.words import KeyLimit, Offset

Level = Literal["debug", "info", "warn", "error"]


class RequestId(Line):
    most = 100


class LogLine(Struct, rename="camel"):
    id: int
    timestamp: int
    app: str
    level: str
    message: str
    request_id: str | None
    release: str | None


def _shown(line: LineKept) -> LogLine:
    level = LEVELS[line.level]
    return LogLine(line.seq, line.at, line.app, level, line.message, line.request or None, line.release or None)


def _listed(
    call: Call, app: str, limit: int, level: Level | None, since: int | None, request: str | None
) -> Scan[list[LogLine]]:
    asked: dict[str, Any] = {
        "least": LEVELS.index(level or "debug"),
        "since": 0 if since is None else call.now - since,
        "request": request or "",
    }
    # looked at before the file: what is written meanwhile is seen twice rather than not at all
    waiting = call.use(Lines).recent(wanted(app, **asked))

    def newest(rows: list[list[Any]]) -> list[LogLine]:
        found = {line.seq: line for line in (*(LineKept(*row) for row in rows[0]), *waiting)}
        return [_shown(found[seq]) for seq in sorted(found, reverse=True)[:limit]]

    read = OF_APP if app else OF_REQUEST if request else OF_NODE
    return call.store.scan((read, {"id": app, "limit": limit, **asked}), then=newest)


@syscall("logs.list", http="GET /api/apps/{app}/logs", cli="app logs <app>", js=False)
def logs_list(
    call: Call,
    *,
    limit: KeyLimit = 100,
    level: Level | None = None,
    since: Duration | None = None,
    request: RequestId | None = None,
) -> Scan[list[LogLine]]:
    """What an app said, newest first: lines of this level and above."""
    return _listed(call, call.app or "", limit, level, since, request)


@syscall("logs.all", http="GET /api/logs", js=False)
def logs_all(
    call: Call,
    *,
    app_: AppRef | None = None,
    limit: KeyLimit = 100,
    level: Level | None = None,
    since: Duration | None = None,
    request: RequestId | None = None,
) -> Scan[list[LogLine]]:
    """What the apps of this node said, newest first."""
    return _listed(call, _id(call, app_), limit, level, since, request)


@syscall("logs.stream", http="GET /api/logs/stream", js=False)
async def logs_stream(
    call: Call,
    *,
    app_: AppRef | None = None,
    level: Level | None = None,
    request: RequestId | None = None,
    since: Duration | None = None,
    after: Offset = 0,
    follow: bool = True,
) -> AsyncIterator[LogLine]:
    """The last lines of apps and those that come, as they come; `after` is the id of the last line one has."""
    first = 0 if since is None else call.now - since
    fits = wanted(_id(call, app_), LEVELS.index(level or "debug"), request or "", first, after)
    async with aclosing(call.use(Lines).follow(fits, follow)) as lines:
        async for line in lines:
            yield _shown(line)


def _id(call: Call, app: AppRef | None) -> str:
    return call.use(AppNames).id_of(app) if app else ""
