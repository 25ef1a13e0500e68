"""Events of visitors in figures, and one by one."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kernel.base.json import decode
from kernel.base.tables import Read
from kernel.net.analytics import DAY, HOUR, LONGEST_TAG, MOST_TAGS, EventBuffer, SourceType, tags_of
from kernel.net.redirects import Clicks
from kernel.syscall import Call, Limit, Line, Offset, Page, Scan, syscall
from kernel.syscall.plan import page
from kernel.syscall.words import KeyLimit

TOP = 10

_WHERE = """where (:domain is null or e.domain = :domain) and (:source_type is null or e.source_type = :source_type)
  and (:count = 0 or (e.id in (select event_id from {events_web_tags} where tag = :tag)
    and :count = (select count(*) from {events_web_tags} t
      where t.event_id = e.id and instr(:tags, ',' || t.tag || ',') > 0)))"""
LIST = Read(
    "select e.id, e.domain, e.app_id, e.source_type, e.event_type, e.path, e.referrer, e.user_agent, e.ip, "
    f"e.query_params, e.tags, e.created_at from {{events_web}} e {_WHERE} "
    "order by e.created_at desc, e.id desc limit :limit offset :offset"
)
COUNT = Read(f"select count(*) from {{events_web}} e {_WHERE}")
TOTALS = Read("""select (select count(*) from {events_web} where created_at >= :today),
  (select count(*) from {events_web} where created_at >= :week),
  (select count(*) from {events_web} where created_at >= :month),
  (select count(*) from {events_web}), (select count(distinct domain) from {events_web})""")
BY_SOURCE = Read("select source_type, count(*) from {events_web} group by 1 order by 2 desc, 1")
BY_HOUR = Read("select created_at / 3600000, count(*) from {events_web} where created_at >= :since group by 1")
BY_DOMAIN = Read("select domain, count(*) from {events_web} group by 1 order by 2 desc, 1 limit :limit offset :offset")
DOMAINS = Read("select count(distinct domain) from {events_web}")
BY_TAG = Read("select tag, count(*) from {events_web_tags} group by 1 order by 2 desc, 1 limit :limit offset :offset")
ALL_TAGS = Read("select count(distinct tag) from {events_web_tags}")
CLICKS = Read("select coalesce(sum(click_count), 0) from {redirects}")


class WebEvent(Struct):
    id: str
    domain: str
    app_id: str | None
    source_type: str
    event_type: str
    path: str
    referrer: str
    user_agent: str
    ip: str
    query_params: dict[str, str]
    tags: list[str]
    created_at: int


class DomainCount(Struct):
    domain: str
    count: int


class TagCount(Struct):
    tag: str
    count: int


class HourCount(Struct):
    hour_at: int
    count: int


class Overview(Struct):
    total_events_today: int
    total_events_week: int
    total_events_month: int
    total_events_all_time: int
    events_by_source_type: dict[str, int]
    top_domains: list[DomainCount]
    top_tags: list[TagCount]
    events_timeline: list[HourCount]
    total_unique_domains: int
    total_redirect_clicks: int
    waiting: int
    dropped: int


class DomainName(Line):
    least, most = 1, 253


class TagList(Line):
    """Tags with commas between them."""

    least, most = 1, MOST_TAGS * (LONGEST_TAG + 1)


def _overview(call: Call) -> Scan[Overview]:
    buffer, clicked = call.use(EventBuffer), sum(call.use(Clicks).waiting.values())
    now, top = call.now, {"limit": TOP, "offset": 0}
    first = now // HOUR - 23
    since = {"today": now - now % DAY, "week": now - 7 * DAY, "month": now - 30 * DAY}

    def shown(rows: list[list[Any]]) -> Overview:
        totals, sources, domains, tags, hours, clicks = rows
        today, week, month, all_time, names = totals[0]
        by_hour = dict(hours)
        return Overview(
            today,
            week,
            month,
            all_time,
            dict(sources),
            [DomainCount(*row) for row in domains],
            [TagCount(*row) for row in tags],
            [HourCount(hour * HOUR, by_hour.get(hour, 0)) for hour in range(first, first + 24)],
            names,
            clicks[0][0] + clicked,
            len(buffer.waiting),
            buffer.dropped,
        )

    return call.store.scan(
        (TOTALS, since),
        (BY_SOURCE, {}),
        (BY_DOMAIN, top),
        (BY_TAG, top),
        (BY_HOUR, {"since": first * HOUR}),
        (CLICKS, {}),
        then=shown,
    )


@syscall("analytics.overview", http="GET /api/analytics", cli="analytics overview", js=False)
def analytics_overview(call: Call) -> Scan[Overview]:
    """Events of visitors in figures: totals, sources, the ten most frequent domains and tags, the last 24 hours."""
    return _overview(call)


@syscall("analytics.stats", http="GET /api/stats", js=False)
def analytics_stats(call: Call) -> Scan[Overview]:
    """The same figures as analytics.overview, under an older name."""
    return _overview(call)


def _event(row: Any) -> WebEvent:
    fields = list(row)
    fields[9], fields[10] = decode(row[9]), decode(row[10])
    return WebEvent(*fields)


@syscall("analytics.events", http="GET /api/analytics/events", cli="analytics events", js=False)
def analytics_events(
    call: Call,
    *,
    domain: DomainName | None = None,
    tags: TagList | None = None,
    source_type: SourceType | None = None,
    offset: Offset = 0,
    limit: KeyLimit = 50,
) -> Scan[Page[WebEvent]]:
    """The events of visitors, newest first: of a domain, of a source, with all of these tags."""
    words = tags_of([tags]) if tags else []
    wanted = {
        "domain": domain,
        "source_type": source_type,
        # one of them is looked up, the others are looked for where it is found
        "tag": words[0] if words else "",
        "tags": f",{','.join(words)},",
        "count": len(words),
    }

    def shown(rows: list[list[Any]]) -> Page[WebEvent]:
        return page([_event(row) for row in rows[0]], offset, limit, rows[1][0][0])

    return call.store.scan((LIST, {**wanted, "limit": limit, "offset": offset}), (COUNT, wanted), then=shown)


@syscall("analytics.domains", http="GET /api/analytics/domains", cli="analytics domains", js=False)
def analytics_domains(call: Call, *, offset: Offset = 0, limit: Limit = 20) -> Scan[Page[DomainCount]]:
    """The domains that had events, with how many."""
    return call.store.scan(
        (BY_DOMAIN, {"limit": limit, "offset": offset}),
        (DOMAINS, {}),
        then=lambda rows: page([DomainCount(*row) for row in rows[0]], offset, limit, rows[1][0][0]),
    )


def _tags(call: Call, offset: int, limit: int) -> Scan[Page[TagCount]]:
    return call.store.scan(
        (BY_TAG, {"limit": limit, "offset": offset}),
        (ALL_TAGS, {}),
        then=lambda rows: page([TagCount(*row) for row in rows[0]], offset, limit, rows[1][0][0]),
    )


@syscall("analytics.tags", http="GET /api/analytics/tags", cli="analytics tags", js=False)
def analytics_tags(call: Call, *, offset: Offset = 0, limit: Limit = 20) -> Scan[Page[TagCount]]:
    """The tags of events, with how many events carry each."""
    return _tags(call, offset, limit)


@syscall("analytics.tags.list", http="GET /api/tags", js=False)
def tags_list(call: Call, *, offset: Offset = 0, limit: Limit = 20) -> Scan[Page[TagCount]]:
    """The same list as analytics.tags, under an older address."""
    return _tags(call, offset, limit)
