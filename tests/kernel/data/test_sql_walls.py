"""Apps' SQL cannot leave the app's tables: both walls, together and the second one alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from kernel.base.errors import FaztError
from kernel.data.kv import KV
from kernel.storage import confined_limits, confined_wall
from kernel.storage.confined import Confined
from kernel.storage.confined_wall import Wall
from kernel.storage.confined_words import physical
from kernel.storage.connection import open_reader
from tests.kernel.data.sql_house import APP, CANARY, OTHER, House

THEIRS = physical(OTHER, "t")
LIMIT = "LIMIT_EXCEEDED"
REFUSALS = {"FORBIDDEN_SQL", "INVALID_ARGUMENT", "LIMIT_EXCEEDED", "TIMEOUT"}

# tables that are not the app's, as somebody might name them
FOREIGN = (
    THEIRS,
    f'"{THEIRS}"',
    f"[{THEIRS}]",
    f"`{THEIRS}`",
    f"main.{THEIRS}",
    f'"main"."{THEIRS}"',
    THEIRS.upper(),
    "app_kv",
    "APP_KV",
    "main.app_kv",
    "users",
    "api_keys",
    "secrets",
    "apps",
    "usage",
    "app_sql_tables",
    "sqlite_master",
    "sqlite_schema",
    "main.sqlite_master",
    "temp.sqlite_master",
    "sqlite_temp_master",
    "sqlite_sequence",
    "dbstat",
    "pragma_table_info('app_kv')",
    "pragma_table_list",
    "pragma_database_list()",
    "sqlite_dbpage",
    "schema_migrations",
)
# where a table may stand; {t} is the app's own
PLACES = (
    "select * from {f}",
    "select count(*) from {f}",
    "select 1 from {t}, {f}",
    "select 1 from {t} left join {f} on 1",
    "select 1 from {t} natural join {f}",
    "select 1 from {t} natural right join {f}",
    "select 1 from {t} a natural join (select * from {t}) b natural join {f}",
    "select 1 from {t} join {f} using (id)",
    "select 1 from {t} full join {f} on 1",
    "select count(*) from {t} natural join {f}",
    "insert into {t} (a) select 1 from {t} natural join {f}",
    "update {t} set a = 1 from {t} x natural join {f} where 0",
    "select id in {f} from {t}",
    "select (select count(*) from {f})",
    "select 1 where exists (select 1 from {f})",
    "select id from {t} where id in (select 1 from {f})",
    "select id from {t} group by (select count(*) from {f})",
    "select id from {t} group by id having (select count(*) from {f}) > 0",
    "select id from {t} order by (select count(*) from {f})",
    "select id from {t} limit (select count(*) from {f})",
    "select id from {t} limit 1 offset (select count(*) from {f})",
    "select sum(id) over (order by (select count(*) from {f})) from {t}",
    "select sum(id) filter (where (select count(*) from {f})) from {t}",
    "select case when (select count(*) from {f}) then 1 end",
    "select cast((select count(*) from {f}) as text)",
    "select 1 union all select count(*) from {f}",
    "select 1 from (select * from {f})",
    "with c as (select * from {f}) select * from c",
    "with recursive c(x) as (select count(*) from {f} union all select x from c limit 3) select * from c",
    "values ((select count(*) from {f}))",
    "select value from json_each((select group_concat(1) from {f}))",
    "insert into {f} values (1)",
    "insert or replace into {f} default values",
    "insert into {t} (a) select 1 from {f}",
    "insert into {t} (a) values ((select count(*) from {f}))",
    "insert into {t} (a) values (1) returning (select count(*) from {f})",
    "insert into {t} (id, a) values (1, 1) on conflict (id) do update set a = (select count(*) from {f})",
    "insert into {t} (id, a) values (1, 1) on conflict (id) do update set a = 1 where (select count(*) from {f})",
    "with c as (select * from {f}) insert into {t} (a) select 1 from c",
    "update {f} set app_id = 'x'",
    "update {t} set a = (select count(*) from {f})",
    "update {t} set a = 1 from {f}",
    "update {t} set a = 1 where id in (select 1 from {f})",
    "update {t} set a = 1 where id = 1 returning (select count(*) from {f})",
    "delete from {f}",
    "delete from {t} where exists (select 1 from {f})",
    "delete from {t} where id = 99 returning (select count(*) from {f})",
)

# statements that are none of the four, and tricks with their text
OTHERS = (
    "attach ':memory:' as x",
    "attach database '/etc/passwd' as x",
    "detach main",
    "pragma table_info(app_kv)",
    "pragma journal_mode = off",
    "pragma query_only = 0",
    "pragma writable_schema = on",
    "pragma user_version",
    "vacuum",
    "vacuum into '/tmp/stolen.db'",
    "begin",
    "commit",
    "rollback",
    "end",
    "savepoint s",
    "release batch",
    "rollback to batch",
    "create table x (a)",
    "create temp table x (a)",
    "create table x as select * from app_kv",
    "create view v as select * from app_kv",
    "create temp view v as select * from app_kv",
    "create trigger g after insert on {t} begin delete from app_kv; end",
    "create temp trigger g after insert on {t} begin delete from app_kv; end",
    "create index i on {t} (a)",
    "create virtual table v using fts5(a)",
    "create virtual table v using dbstat",
    "drop table {t}",
    "drop table app_kv",
    "drop index app_kv_expiry",
    "alter table {t} rename to app_kv2",
    "alter table {t} add column z",
    "alter table {t} drop column a",
    "reindex",
    "analyze",
    "select load_extension('/tmp/x.so')",
    "select readfile('/etc/passwd')",
    "select writefile('/tmp/x', 'y')",
    "select fts5(1)",
    "select fts3_tokenizer('x')",
    "select sqlite_version()",
    "select sqlite_source_id()",
    "select sqlite_compileoption_get(1)",
    "select last_insert_rowid()",
    "select changes()",
    "select total_changes()",
    "select sqlite_offset(a) from {t}",
    "select slots_are('a', 'b', 1)",
    "select json_patch('{{}}', '{{}}')",
    "select unhex('00', '0')",
    "select eval('select 1')",
    "select edit('x')",
    "select rtreecheck('x')",
    "select geopoly_area('x')",
    "select median(id) from {t}",
    "select matchinfo({t}) from {t}",
    "select a match 'x' from {t}",
    "select a regexp 'x' from {t}",
    "select raise(rollback, 'x')",
    "select * from generate_series(1, 3)",
    "select * from carray(1, 2)",
    "select * from json_each2('[]')",
    "select * from fts5vocab",
    "select a from {t} order by a collate nowhere",
    "explain select 1; drop table app_kv",
)
# what the first wall refuses and the second need not: they reach nothing
SHAPES = (
    "select 1; select 2",
    "select 1; delete from t",
    "select 1;; select 2",
    "select id in app_kv from t",
    "select id in main.app_kv from t",
    f"select id in {THEIRS} from t",
    "explain select 1",
    "explain query plan select * from t",
    "insert or rollback into t (id) values (1)",
    "select t.main.a from t",
    "select main.t.a from t",
    "select temp.t.* from t",
    "select ?1",
    "select @a",
    "select $a",
    "select :_1",
    "",
    ";",
    "-- only this",
    "/* only this */",
    "/* never ends",
    "select 'never ends",
    'select "never ends',
    "select 1 /* a */ ; /* b */ select 2",
    "select 1 -- ;\n; delete from t",
    "select * from \uff54",
    "select * from \u0442",
    "select * from t\u200b",
    "select * from \u017fqlite_master",
    "select * from sqlite_ma\u017fter",
    "select * from 't'.app_kv",
    'select * from "t""; select 1"',
    'select * from "t" "x", app_kv',
    "select * from t indexed by app_kv_expiry",
    "select * from (delete from t returning *)",
    "with c as (delete from t returning *) select * from c",
    "with c as (insert into t (a) values (1) returning *) select * from c",
    "with t as (select 1), t as (select 2) select * from t",
    "with app_kv as (select 1) insert into app_kv values (1)",
    "with app_kv as (select 1) delete from app_kv",
    "with users as (select 1) update users set id = 1",
    "select * from t, lateral (select * from app_kv)",
    "select * into app_kv from t",
    "merge into t using u on 1 when matched then delete",
    "truncate table t",
    "call x()",
    "set a = 1",
    "use main",
    "show tables",
    "describe t",
    "copy t from 'x'",
    "grant all on t to x",
    "kill 1",
    "load data inpath 'x' into table t",
)
T, X = physical(APP, "t"), "hex(zeroblob(500000))"
_ENDLESS = "with recursive {c}(x) as (select 1 union all select x + 1 from {c}) "
BOMBS = (
    _ENDLESS + "select max(x) from {c}",
    _ENDLESS + "select count(distinct hex(zeroblob(500000)) || x) from {c}",
    _ENDLESS + "select x, hex(zeroblob(400000)) as h from {c} order by h",
    _ENDLESS + "select length(group_concat(x)) from {c}",
    _ENDLESS + "select length(json_group_array(x)) from {c}",
    _ENDLESS + "select x from {c}",
    _ENDLESS + "select a.x from {c} a, {c} b where a.x < b.x and a.x < 0",
    f"select sum(({X} || h.id) like '%{'0' * 80}x%') from " + ", ".join(f"{{t}} {n}" for n in "abcdefgh"),
    "select " + " + ".join([f"({X} like '%{'0' * 80}1%')"] * 100),
    "select " + " + ".join([f"({X} glob '*{'0' * 80}1*')"] * 100),
    f"select {X} like '%{'0' * 500}1%'",
    "select zeroblob(2000000000)",
    "select randomblob(1000000000)",
    "select hex(zeroblob(1000000))",
    "select printf('%1000000000d', 1)",
    "select printf('%.*c', 1000000000, 'x')",
    f"select {X} || {X} || {X}",
    "select " + " || ".join([X] * 300),
    "select json_valid(" + "json_array(" * 300 + "1" + ")" * 301,
    "select " + "(" * 1000 + "1" + ")" * 1000,
    "select " + "not " * 3000 + "1",
    "select " + "- " * 3000 + "1",
    "select " + " + ".join(["1"] * 5000),
    "select " + "case when 1 then " * 300 + "1" + " end" * 300,
    " union all ".join(["select 1"] * 3000),
    "select " + ", ".join(["1"] * 2000),
    "select 1 from " + ", ".join(f"{{t}} a{n}" for n in range(70)),
    "with c0 as (select 1 as x)"
    + "".join(f", c{n} as (select 1 as x from c{n - 1} a, c{n - 1} b)" for n in range(1, 40))
    + " select count(*) from c39",
    f"select '{'x' * 70_000}'",
    "select " + "[a]." * 400 + "a from {t}",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: Any) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confined_limits, "READ_SECONDS", 0.2)
        made = House(tmp_path_factory.mktemp("house"))
        asyncio.run(made.furnish())
        yield made
        made.close()


def filled(text: str, table: str) -> str:
    return text.replace("{{", "{").replace("}}", "}").replace("{t}", table)


async def is_kept_in(house: House, sql: str, among: set[str] = REFUSALS) -> None:
    before = house.others()
    assert await house.refused(sql) in among, sql
    assert house.others() == before, sql
    await house.works()


def is_refused_alone(house: House, sql: str) -> None:
    for run in (house.read_bare, house.write_bare):
        with pytest.raises(FaztError) as refused:
            found = run(sql)
            pytest.fail(f"answered {found!r:.200}: {sql[:200]}")
        assert refused.value.code in REFUSALS | {"CONFLICT"}, (sql, refused.value.message)
        assert house.node.store.writer.alive
        assert not house.node.store.writer.connection.in_transaction


async def is_kept_in_alone(house: House, sql: str) -> None:
    """By the second wall, when the text arrives as it is: as a read, and as a write."""
    before = house.others()
    is_refused_alone(house, sql)
    assert house.others() == before, sql
    await house.works()


@pytest.mark.parametrize("foreign", FOREIGN)
async def test_tables_of_others_are_out_of_reach_wherever_a_table_may_stand(house: House, foreign: str) -> None:
    before = house.others()
    for place in PLACES:
        sql = place.format(t="t", f=foreign)
        assert await house.refused(sql) in {"FORBIDDEN_SQL", "INVALID_ARGUMENT"}, sql
    assert house.others() == before
    await house.works()


@pytest.mark.parametrize("foreign", FOREIGN)
async def test_so_they_are_where_the_text_is_not_looked_at(house: House, foreign: str) -> None:
    before = house.others()
    for place in PLACES:
        is_refused_alone(house, place.format(t=T, f=foreign))
    assert house.others() == before
    await house.works()


@pytest.mark.parametrize("sql", OTHERS)
async def test_other_statements_and_functions_are_refused(house: House, sql: str) -> None:
    await is_kept_in(house, filled(sql, "t"))
    if ";" not in sql and "explain" not in sql:
        await is_kept_in_alone(house, filled(sql, T))


@pytest.mark.parametrize("sql", SHAPES, ids=ascii)
async def test_tricks_with_the_text_are_refused(house: House, sql: str) -> None:
    await is_kept_in(house, sql)


@pytest.mark.parametrize("sql", SHAPES, ids=ascii)
async def test_tricks_with_the_text_show_nothing_to_who_does_not_look_at_it(house: House, sql: str) -> None:
    before = house.others()
    for run in (house.read_bare, house.write_bare):
        try:
            assert CANARY not in repr(run(sql))
        except FaztError as error:
            assert CANARY not in error.message
        except KeyError:  # a parameter that nobody gave
            pass
    assert house.others() == before
    await house.works()


@pytest.mark.parametrize("sql", BOMBS, ids=range(len(BOMBS)))
async def test_bombs_go_off_in_their_box(house: House, sql: str) -> None:
    await is_kept_in(house, filled(sql, "t").replace("{c}", "c"))
    bare = filled(sql, T).replace("{c}", "rdc_c")
    before = house.others()
    for run, text in ((house.read_bare, bare), (house.write_bare, f"insert into {T} (b) {bare}")):
        try:
            run(text)
        except FaztError as error:
            assert error.code in REFUSALS, error.message
    assert house.others() == before
    await house.works()


async def test_a_statement_that_was_prepared_for_one_app_is_not_there_for_another(house: House) -> None:
    sql = f"select a from {THEIRS}"
    done = house.node.store.confined.select(OTHER, frozenset({THEIRS}), sql, {})
    assert done.rows == [{"a": CANARY}]
    with pytest.raises(FaztError) as refused:
        house.read_bare(sql)
    assert refused.value.code == "FORBIDDEN_SQL"


async def test_the_wall_is_open_for_the_node_and_closed_again_for_apps(house: House) -> None:
    await house.works()
    store = house.node.store
    assert store.writer.connection.execute("select count(*) from app_kv").get == 1
    assert store.writer.connection.limit(0) > confined_limits.MOST_VALUE
    with pytest.raises(FaztError):
        house.write_bare("delete from app_kv")
    wall = Wall(open_reader(house.node.path))
    assert wall.connection.execute("select count(*) from app_kv").get == 1


async def test_the_last_rowid_of_others_is_not_told(house: House) -> None:
    await house.query("insert into t (id, a) values (77, 'n')", app=OTHER)
    same = "insert into t (id, a) values (1, 'x') on conflict (id) do update set a = excluded.a"
    assert (await house.query(same))["lastInsertId"] is None
    await house.query("delete from t where id = 77", app=OTHER)


async def test_a_write_that_takes_too_long_fails_alone(house: House) -> None:
    endless = "insert into u (n) " + _ENDLESS.replace("{c}", "c") + "select x from c"
    gone = "insert into t (a) values (?)"
    before = (await house.query("select count(*) as n from t"))[0]["n"]
    await house.query(gone, ["warm"])
    jobs = [house.query(gone, [f"n{n}"]) for n in range(5)] + [house.refused(endless)]
    jobs += [house.query(gone, [f"m{n}"]) for n in range(5)] + [house.refused(endless)]
    store = house.node.store
    told = await asyncio.gather(*jobs, store.write(list(store.scoped(OTHER).insert(KV, **ROW).steps)))
    assert [one for one in told if one == "TIMEOUT"] == ["TIMEOUT"] * 2
    assert (await house.query("select count(*) as n from t"))[0]["n"] == before + 11
    assert (await house.query("select count(*) as n from u"))[0]["n"] == 3
    assert store.reader().execute("select count(*) from app_kv where key = 'beside'").get == 1


MIB = 1 << 20


@pytest.mark.parametrize(
    ("younger", "used", "refused"),
    [(None, 127, False), (None, 129, True), (20, 140, False), (20, 163, False), (20, 165, True)],
)
def test_of_those_who_run_at_once_the_last_one_answers_first_for_memory(
    house: House, monkeypatch: pytest.MonkeyPatch, younger: int | None, used: int, refused: bool
) -> None:
    busy: dict[Wall, int] = {}
    wall, other = (Wall(open_reader(house.node.path), busy) for _ in range(2))

    def memory_used() -> int:
        if wall in busy and younger is not None:
            busy[other] = younger * MIB
        return used * MIB if wall in busy else 0

    monkeypatch.setattr(confined_wall, "memory_used", memory_used)
    many = f"{_ENDLESS} select count(*) as n from (select x from {{c}} limit 1000)".replace("{c}", "rdc_c")
    if refused:
        with pytest.raises(apsw.NoMemError):
            wall.run(APP, house.own, many, {}, 5, False)
    else:
        assert wall.run(APP, house.own, many, {}, 5, False).rows == [{"n": 1000}]
    assert wall not in busy


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("update t set b = 1 where a like 'a' or a like 'b' or a like 'c' or a glob 'd'", None),
        ("update t set b = 1 where a like 'a' or a like 'b' or a like 'c' or a glob 'd' or a like 'e'", LIMIT),
        ("update t set b = 1 where lower(a) like 'a' or upper(a) like 'b' or a like 'c' or a like 'd'", None),
        ("select 1 where " + " or ".join(["'a' like 'b'"] * 32), None),
        ("select 1 where " + " or ".join(["'a' like 'b'"] * 33), LIMIT),
        (f"delete from u where 'x' like '{'y' * 48}'", None),
        (f"delete from u where 'x' like '{'y' * 49}'", "INVALID_ARGUMENT"),
        (f"select 1 where 'x' like '{'y' * 96}'", None),
        (f"select 1 where 'x' like '{'y' * 97}'", "INVALID_ARGUMENT"),
        ("insert into t (b) values " + ", ".join(["(upper(lower('x')))"] * 100), None),
        ("insert into t (b) values " + ", ".join(["(json_set('{}', '$.a', 1))"] * 37), None),
        ("insert into t (b) values " + ", ".join(["(json_set('{}', '$.a', 1))"] * 38), LIMIT),
    ],
    ids=range(12),
)
async def test_what_a_statement_may_call_is_bounded(house: House, sql: str, code: str | None) -> None:
    if code is None:
        await house.query(sql)
    else:
        assert await house.refused(sql) == code
    await house.works()


# where an expression may stand; {t} is the app's own
CALLED = (
    "select {e}",
    "select 1 limit {e}",
    "select id from {t} order by {e}",
    "select id from {t} group by {e}",
    "select id from {t} group by id having {e}",
    "select id from {t} where {e}",
    "select 1 from {t} a join {t} b on {e}",
    "select sum({e}) from {t}",
    "select sum(id) filter (where {e}) from {t}",
    "select sum(id) over (order by {e}) from {t}",
    "select value from json_each({e})",
    "select case 1 when {e} then 1 end",
    "select cast({e} as text)",
    "select 1 in (1, {e})",
    "select 1 in (values (1), ({e}))",
    "select * from (values (1), ({e}))",
    "with rdc_c(x) as (values (1), ({e})) select x from rdc_c",
    "values ({e})",
    "values (1), (2), ({e})",
    "values/**/(1), ({e})",
    "insert into {t} (b) values ({e})",
    "insert into {t} (b) values (1), ({e})",
    "insert into {t} (b) values --\n (1), ({e})",
    "insert into {t} (a, b) values (1, (2)), (3, ({e})), (4, 5)",
    "insert into {t} (b) select 1 union all values (1), ({e})",
    "insert into {t} (b) values (1) returning {e}",
    "insert into {t} (id) values (1), (2) on conflict (id) do update set b = {e}",
    "update {t} set b = {e}",
    "update {t} set b = 1 where {e}",
    "delete from {t} where {e}",
)
_MANY = " + ".join(["('a' like 'b')"] * 33)


@pytest.mark.parametrize("place", CALLED)
def test_functions_are_looked_at_wherever_they_may_stand(house: House, place: str) -> None:
    hidden = ("changes()", '"changes"()', "changes ()", "changes/**/()", "changes--,\n()", "abs(changes())")
    for called in (*hidden, "sqlite_version()", "max(1, changes())", "'a' match 'b'", "'a' regexp 'b'"):
        is_refused_alone(house, place.format(t=T, e=called))
    with pytest.raises(FaztError) as heavy:
        house.write_bare(place.format(t=T, e=_MANY))
    assert heavy.value.code == "LIMIT_EXCEEDED"


async def test_who_finds_no_free_reader_hears_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    store = house.node.store
    full = Confined(store.path, store._written)
    monkeypatch.setattr(confined_limits, "READERS", 0)
    monkeypatch.setattr(confined_limits, "READ_SECONDS", 0.001)
    with pytest.raises(FaztError, match="Too many queries"):
        full.select(APP, house.own, "select 1", {})


async def test_who_looks_up_too_much_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined_limits, "MOST_LOOKS", 10)
    assert await house.refused("select " + ", ".join(["a, b"] * 10) + " from t -- looks") == "FORBIDDEN_SQL"


ROW: dict[str, Any] = {"key": "beside", "value": "1", "updated_at": 1}
