"""The tables of the queue and every statement on them.

`behind` is 1 while an earlier job of the same order waits or runs: whose turn it is was found out when a row came or
went, so that claiming never walks over jobs that may not run yet. `set_at` is when `due_at` was said: it tells a clock
that was moved back from a job that is to wait.
"""

from __future__ import annotations

from kernel.base.tables import Append, Migration, Patch, Read, Remove, Sweep, Table

JOBS = Table(
    "jobs",
    (
        "n",
        "id",
        "kind",
        "lane",
        "app_id",
        "key",
        "order_key",
        "behind",
        "payload",
        "state",
        "due_at",
        "set_at",
        "attempts",
        "most_attempts",
        "claimed_by",
        "claimed_at",
        "error",
        "created_at",
    ),
    key=("id",),
    scope="node",
)
RUNS = Table(
    "job_runs",
    (
        "n",
        "id",
        "kind",
        "lane",
        "app_id",
        "key",
        "state",
        "attempts",
        "error",
        "added_at",
        "started_at",
        "ended_at",
        "expires_at",
    ),
    key=("id",),
    scope="node",
)
MIGRATIONS = (
    Migration(
        "jobs_0001",
        """
create table jobs (n integer primary key, id text not null unique, kind text not null, lane text not null,
  app_id text not null default '', key text, order_key text, behind integer not null default 0, payload text not null,
  state text not null check (state in ('waiting', 'running', 'dead')), due_at integer not null, set_at integer not null,
  attempts integer not null default 0, most_attempts integer not null, claimed_by text, claimed_at integer, error text,
  created_at integer not null) strict;
create index jobs_due on jobs (lane, due_at, n) where state = 'waiting' and behind = 0;
create index jobs_fair on jobs (lane, app_id, due_at, n) where state = 'waiting' and behind = 0;
create unique index jobs_key on jobs (app_id, kind, key) where key is not null and state = 'waiting';
create index jobs_order on jobs (app_id, order_key, n) where order_key is not null and state <> 'dead';
create unique index jobs_turn on jobs (app_id, order_key)
  where order_key is not null and state <> 'dead' and behind = 0;
create index jobs_running on jobs (n) where state = 'running';
create index jobs_dead on jobs (app_id, kind, key) where key is not null and state = 'dead';
create table job_runs (n integer primary key, id text not null unique, kind text not null, lane text not null,
  app_id text not null, key text, state text not null, attempts integer not null, error text,
  added_at integer not null, started_at integer, ended_at integer not null, expires_at integer not null) strict;
create index job_runs_expiry on job_runs (expires_at);
""",
    ),
)
OLD_RUNS = Sweep(RUNS, due="expires_at")

# --- choosing

_READY = "lane = :lane and state = 'waiting' and behind = 0"
FIRST = Read(f"select id, app_id, due_at, n from {{jobs}} where {_READY} order by due_at, n limit :limit")
# the oldest job of each app, app by app from `first` on: one look into the index for each
BY_APP = Read(f"""with recursive walk (app_id, step) as (
  select (select min(app_id) from {{jobs}} where {_READY} and app_id >= :first), 1
  union all
  select (select min(app_id) from {{jobs}} where {_READY} and app_id > walk.app_id), step + 1 from walk
  where walk.app_id is not null and step < :limit)
select j.id, j.app_id, j.due_at, j.n from walk cross join {{jobs}} j on j.n = (
  select n from {{jobs}} where {_READY} and app_id = walk.app_id order by due_at, n limit 1)
where walk.app_id is not null""")
LANES = Read("select distinct lane from {jobs} where state = 'waiting'")
ADOPT = Patch(JOBS, set="lane = :to", where="lane = :lane and state = 'waiting'")
REBASE = Patch(
    JOBS, set="due_at = :now + max(0, due_at - set_at), set_at = :now", where="state = 'waiting' and set_at > :ahead"
)

# --- adding

_SAME = "app_id = :app_id and kind = :kind and key = :key and state = 'waiting'"
_UNFINISHED = "app_id = :app_id and order_key = :order_key and state <> 'dead'"
FORWARD = Patch(JOBS, set="due_at = min(due_at, :due_at), set_at = :now", where=_SAME, returning="id")
ADD = Append(f"""insert into {{jobs}} (id, kind, lane, app_id, key, order_key, behind, payload, state, due_at, set_at,
  most_attempts, created_at)
select :id, :kind, :lane, :app_id, :key, :order_key, exists (select 1 from {{jobs}} where {_UNFINISHED}), :payload,
  'waiting', :due_at, :now, :most_attempts, :now
where not exists (select 1 from {{jobs}} where {_SAME})""")

# --- claiming, and what becomes of a claim

CLAIMED = "id, kind, lane, app_id, key, order_key, payload, attempts, most_attempts, due_at, created_at, claimed_by"
CLAIM = Patch(
    JOBS,
    set="state = 'running', attempts = attempts + 1, claimed_by = :boot, claimed_at = :now",
    where="id = :id and state = 'waiting' and behind = 0",
    returning=CLAIMED,
)
RUNNING = Read(f"select {CLAIMED} from {{jobs}} where state = 'running' and claimed_by <> :boot")

_MINE = "id = :id and claimed_by = :boot and state = 'running'"
_TWIN = f"exists (select 1 from {{jobs}} where {_SAME})"
_COPY = f"""insert into {{job_runs}} (id, kind, lane, app_id, key, state, attempts, error, added_at, started_at,
  ended_at, expires_at)
select id, kind, lane, app_id, key, :state, attempts, coalesce(:error, error), created_at, claimed_at, :now, :expires_at
from {{jobs}} where {_MINE}"""
RECORD = Append(_COPY)
RECORD_REPLACED = Append(f"{_COPY} and {_TWIN}")
TRIM = Remove(RUNS, where="n <= (select max(n) from {job_runs}) - :most")
FINISH = Remove(JOBS, where=_MINE)
# a job that goes back meets another with its key: the younger stays, and knows how often it was tried
INHERIT = Patch(
    JOBS,
    set="attempts = max(attempts, :attempts), due_at = max(due_at, :due_at), set_at = :now, "
    "error = coalesce(:error, error)",
    where=f"{_SAME} and exists (select 1 from {{jobs}} where {_MINE})",
)
REPLACED = Remove(JOBS, where=f"{_MINE} and {_TWIN}")
BACK = Patch(
    JOBS,
    set="state = 'waiting', attempts = :attempts, due_at = :due_at, set_at = :now, error = coalesce(:error, error), "
    "claimed_by = null, claimed_at = null",
    where=_MINE,
)
DIE = Patch(JOBS, set="state = 'dead', error = :error, claimed_by = null, claimed_at = null, behind = 0", where=_MINE)
ONLY_LAST_DEAD = Remove(JOBS, where="app_id = :app_id and kind = :kind and key = :key and state = 'dead' and id <> :id")
# the next of an order, when nobody of it has the turn
ADVANCE = Patch(
    JOBS,
    set="behind = 0",
    where=f"""n = (select min(n) from {{jobs}} where {_UNFINISHED})
  and not exists (select 1 from {{jobs}} where {_UNFINISHED} and behind = 0)""",
)

# --- what people see and do

_WHERE = """where (:state is null or state = :state) and (:kind is null or kind = :kind)
  and (:app_id is null or app_id = :app_id)"""
LIST = Read(f"""select id, kind, lane, app_id, key, order_key, state, due_at, attempts, most_attempts, claimed_at,
  error, created_at from {{jobs}} {_WHERE} order by n desc limit :limit offset :offset""")
COUNT = Read(f"select count(*) from {{jobs}} {_WHERE}")
# of jobs that have a key: those are found by it
_KEYED = "select n, error from {jobs} where app_id = :app_id and kind = :kind and key is not null and state ="
TROUBLE = Read(f"""select error from ({_KEYED} 'waiting' union all {_KEYED} 'dead')
  where error is not null order by n desc limit 1""")
LIST_RUNS = Read(f"""select id, kind, lane, app_id, key, state, attempts, error, added_at, started_at, ended_at
  from {{job_runs}} {_WHERE} order by n desc limit :limit offset :offset""")
COUNT_RUNS = Read(f"select count(*) from {{job_runs}} {_WHERE}")
ONE = Read("select state, kind, app_id, key, order_key from {jobs} where id = :id")
AGAIN = Patch(
    JOBS,
    set=f"""state = 'waiting', attempts = 0, due_at = :now, set_at = :now,
  behind = exists (select 1 from {{jobs}} where {_UNFINISHED})""",
    where="id = :id and state = 'dead'",
)
DELETE = Remove(JOBS, where="id = :id and state <> 'running'")
