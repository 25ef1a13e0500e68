"""Tables of an app's own: defining, asking and changing them, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from kernel.base.errors import FaztError
from kernel.data import sql, sql_grammar, sql_tables
from kernel.data.sql_schema import Definition, parsed
from kernel.data.sql_values import out
from kernel.storage.confined_words import OWN, physical
from kernel.storage.store import Store
from kernel.syscall.call import LOCAL
from tests.kernel.data.sql_house import APP, OTHER, House
from tests.kernel.runtime.live import living
from tests.support import Running


@pytest.fixture(scope="module")
def built(tmp_path_factory: Any) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.close()


@pytest.fixture
def house(built: House) -> House:
    asyncio.run(built.refurnish())
    return built


async def code_of(work: Any) -> str:
    with pytest.raises(FaztError) as refused:
        await work
    return refused.value.code


# --- defining ---------------------------------------------------------------------------------------------------------


async def test_defining_again_changes_nothing_and_new_columns_are_added(house: House) -> None:
    columns = {
        "id": "integer  primary key",
        "name": "TEXT NOT NULL DEFAULT 'it''s'",
        "j": "JSON",
        "n": "REAL default -.5",
    }
    first = await house.js("define", "notes", columns)
    assert [(c.name, c.type) for c in first.columns] == [
        ("id", "INTEGER primary key"),
        ("name", "TEXT not null default 'it''s'"),
        ("j", "JSON"),
        ("n", "REAL default -.5"),
    ]
    await house.query("insert into notes (id) values (1)")
    writes = house.node.store.writer.batches
    assert await house.js("define", "notes", columns) == first
    assert house.node.store.writer.batches == writes
    await house.js("define", "notes", {**columns, "more": "BOOLEAN not null default TRUE"})
    assert await house.query("select * from notes") == [{"id": 1, "name": "it's", "j": None, "n": -0.5, "more": 1}]


@pytest.mark.parametrize(
    "columns",
    [
        {"id": "INTEGER PRIMARY KEY", "a": "TEXT"},
        {"id": "INTEGER PRIMARY KEY", "a": "INTEGER", "b": "ANY"},
        {"id": "INTEGER", "a": "TEXT", "b": "ANY"},
        {"id": "INTEGER PRIMARY KEY", "a": "TEXT NOT NULL", "b": "ANY"},
        {"id": "INTEGER PRIMARY KEY", "a": "TEXT", "b": "ANY", "c": "TEXT UNIQUE"},
        {"id": "INTEGER PRIMARY KEY", "a": "TEXT", "b": "ANY", "c": "TEXT NOT NULL"},
        {"id": "INTEGER PRIMARY KEY", "a": "TEXT", "b": "ANY", "c": "TEXT DEFAULT current_timestamp"},
    ],
)
async def test_a_table_only_grows(house: House, columns: dict[str, str]) -> None:
    await house.js("define", "x", {"id": "INTEGER PRIMARY KEY", "a": "TEXT", "b": "ANY"})
    before = house.others()
    assert await code_of(house.js("define", "x", columns)) == "SCHEMA_CONFLICT"
    assert house.others() == before


@pytest.mark.parametrize(
    "columns",
    [
        None,
        [],
        {},
        "a",
        {"A": "TEXT"},
        {"a b": "TEXT"},
        {'a"': "TEXT"},
        {"": "TEXT"},
        {"a" * 49: "TEXT"},
        {"\u0430": "TEXT"},
        {"a\n": "TEXT"},
        {"a": ""},
        {"a": 1},
        {"a": "VARCHAR(10)"},
        {"a": "TEXT, b TEXT"},
        {"a": "TEXT)"},
        {"a": "TEXT) ; drop table app_kv; --"},
        {"a": "TEXT -- x"},
        {"a": "TEXT /* x */"},
        {"a": "TEXT CHECK (a > 1)"},
        {"a": "TEXT REFERENCES app_kv(key)"},
        {"a": "TEXT GENERATED ALWAYS AS (1)"},
        {"a": "TEXT AS (1)"},
        {"a": "TEXT COLLATE evil"},
        {"a": "TEXT DEFAULT (select 1)"},
        {"a": "TEXT DEFAULT 'a' || 'b'"},
        {"a": "TEXT DEFAULT 'open"},
        {"a": "TEXT DEFAULT 'a'b"},
        {"a": 'TEXT DEFAULT "x"'},
        {"a": "TEXT DEFAULT x'00'"},
        {"a": "TEXT UNIQUE ON CONFLICT ROLLBACK"},
        {"a": "TEXT PRIMARY KEY AUTOINCREMENT"},
        {"a": "TEXT PRIMARY KEY", "b": "TEXT PRIMARY KEY"},
        {"a": "TEXT\x00"},
        {"a": "TEXTX"},
        {"a": "TEXT NOT  NULLX"},
    ],
    ids=ascii,
)
async def test_columns_are_made_of_known_words_only(house: House, columns: Any) -> None:
    before = house.others()
    assert await code_of(house.js("define", "x", columns)) in ("INVALID_ARGUMENT", "VALIDATION_FAILED")
    assert house.others() == before


@pytest.mark.parametrize(
    "name", ["", "T", "a b", 'a"', "a'", "1a", "a" * 49, "a-b", "\u0430", "a\n", "a.b", None, 1], ids=ascii
)
async def test_tables_have_plain_names(house: House, name: Any) -> None:
    assert await code_of(house.js("define", name, {"a": "TEXT"})) in ("INVALID_ARGUMENT", "VALIDATION_FAILED")


async def test_tables_and_columns_have_a_limit(house: House) -> None:
    assert await code_of(house.js("define", "x", {f"c{n}": "TEXT" for n in range(101)})) == "LIMIT_EXCEEDED"
    await house.js("define", "x", {f"c{n}": "TEXT" for n in range(100)})
    house.node.settings.override(sql_tables.MOST_TABLES.name, 3)
    assert await code_of(house.js("define", "y", {"a": "TEXT"})) == "LIMIT_EXCEEDED"
    await house.js("define", "y", {"a": "TEXT"}, app="app_cccccccccccc")


async def test_two_who_define_at_once_lose_nothing(house: House) -> None:
    await house.js("define", "x", {"a": "TEXT"})
    define = house.node.registry["storage.rd.define"].declared.fn
    plans = []
    for name in ("b", "c"):
        call = house.node.driver.call(LOCAL, "js", app=APP)
        plans.append(define(call, "x", {"a": "TEXT", name: "TEXT"}))
    await house.node.store.write(plans[0].steps)
    # the second one was decided before the first was made
    with pytest.raises(FaztError) as refused:
        await house.node.store.write(plans[1].steps)
    assert refused.value.code == "SCHEMA_CONFLICT"


async def test_returning_knows_the_table_by_each_of_its_names(house: House) -> None:
    found = await house.query("update t as q set a = 'n' where q.id = 1 returning q.id, t.a")
    assert found == [{"id": 1, "a": "n"}]


async def test_an_index_is_made_once_and_unique_holds(house: House) -> None:
    made = await house.js("index", "t", ["a"], {"unique": True})
    assert await house.js("index", "t", ["a"], {"unique": True}) == made
    assert await code_of(house.query("insert into t (a) values ('x')")) == "CONFLICT"
    await house.query("insert into t (a) values ('w')")
    assert await code_of(house.js("index", "u", ["t_id"], {"unique": True})) == "CONFLICT"
    for columns in (["nope"], ["a", 'b") --'], [], "", "a;", "a,", [1], ["a"] * 11):
        assert await code_of(house.js("index", "t", columns)) == "INVALID_ARGUMENT"
    assert await code_of(house.js("index", "nope", ["a"])) == "NOT_FOUND"


@pytest.mark.parametrize(
    "said", ["TEXT", "integer PRIMARY KEY autoincrement not null", "ANY UNIQUE", "JSON default '{}'"]
)
def test_a_definition_comes_back_as_it_was(said: str) -> None:
    known = Definition(parsed({"a": said}))
    assert Definition.of(known.text()) == known
    assert parsed({"a": known.columns[0].said()}) == known.columns


# --- asking and changing ----------------------------------------------------------------------------------------------

# what people write means in an app what it means to SQLite
USUAL = (
    "select * from t order by id",
    "select count(*), max(b) from t",
    "select T.A as x from T where t.Id = 2",
    'select [a], `b`, "id" from t order by 1 desc limit 2 offset 1',
    "select id from t order by id limit 1, 2",
    "select t.*, u.n from t left join u on u.t_id = t.id order by t.id, u.id",
    "select t.id, u.n from t, u where u.t_id = t.id order by u.id",
    "select * from t natural join u",
    "select x.id from t x join t y using (id) order by 1",
    "select a, count(*) n from t group by a having n > 0 order by a",
    "select distinct b > 1 from t order by 1",
    (
        "select id, row_number() over (order by b desc) r, sum(b) over w s from t window w as (order by id "
        "rows unbounded preceding)"
    ),
    "select sum(b) filter (where b > 1) from t",
    (
        "select id from t where a in ('x', 'z') and b not in (2) and a not like 'q%' and b between 1 and 3 "
        "and a is not null"
    ),
    "select id from t where (a, b) in (select a, b from t where id > 1) order by id",
    "select id from t where exists (select 1 from u where u.t_id = t.id) order by id",
    "select case b when 1 then 'one' else 'more' end as c from t order by id",
    "select 7 / 2, 7.0 / 2, 7 % 4, 'a' || 'b' || 1, -b, ~b, not b, b << 2, b & 1, 1 = 1.0, '1' = 1 from t where id = 3",
    (
        "select a is null a, a isnull b, a notnull c, null is null d, 1 is not 2 e, 1 is distinct from 2 f "
        "from t where id = 1"
    ),
    "select cast('12x' as integer), cast(1.9 as int), typeof(cast(1 as text)), cast('1' as real), cast('x' as blob)",
    (
        "select instr('abcd', 'cd'), trim('  a '), ltrim('xxa', 'x'), rtrim('axx', 'x'), replace('aXbX', "
        "'X', '--'), instr(123, 2)"
    ),
    "select trim(null), replace('a', null, 'b'), instr('a', ''), replace('a', '', 'x'), trim('abc', '')",
    (
        "select substr('hello', 2, 3), upper('a'), length('abc'), coalesce(null, 2), ifnull(null, 3), iif(1, "
        "2, 3), nullif(1, 1)"
    ),
    (
        "select printf('%05d|%s|%.2f', 42, 'x', 1.5), hex('a'), quote('it''s'), char(65, 66), unicode('a'), "
        "abs(-1), round(1.25, 1)"
    ),
    (
        "select date('2026-01-31', '+1 month'), strftime('%Y/%m', '2026-05-06'), unixepoch('2026-01-01'), "
        "julianday('2026-01-01')"
    ),
    (
        "select json('{\"a\" : 1}'), json_extract('{\"a\":[1,2]}', '$.a[1]'), '{\"a.b\":5}' ->> 'a.b', "
        "'{\"a\":{\"b\":1}}' -> '$.a', '[7]' ->> 0"
    ),
    "select value from json_each('[3,1,2]') order by value",
    "select t.id, j.value from t, json_each('[' || t.b || ']') j order by t.id",
    "select group_concat(a, '-'), group_concat(distinct b), json_group_array(a), total(b), avg(b) from t",
    "with c as (select id, a from t), d(x) as (select a from c) select c.id, d.x from c join d on d.x = c.a order by 1",
    (
        "with recursive f(n, x) as (values (1, 1) union all select n + 1, x * (n + 1) from f where n < 10) "
        "select n, x from f"
    ),
    "with u as materialized (select 1 as one) select u.one from u",
    "select id from t union select t_id from u except select 2 order by 1",
    "select a from t where a like 'X%' escape '!' or a glob '[xy]' order by a collate nocase desc",
    "select (select max(n) from u where u.t_id = t.id) as m from t order by m is null, m",
    "select * from (select id i from t) s where s.i > 1 order by s.i nulls last",
    "values (1, 'a'), (2, 'b')",
    "select x'0aFF', 1e3, .5, 0x1F, true, false, null, 'it''s'",
    "insert into t (a, b) values ('n', 1), ('m', 2) returning id, a, b + 1 as c",
    "insert into t default values returning id",
    (
        "insert into t (id, a) values (1, 'new') on conflict (id) do update set a = excluded.a || t.a, b = 5 "
        "where t.b < 9 returning *"
    ),
    "insert or ignore into t (id, a) values (1, 'no') returning id",
    "replace into t (id, a) values (2, 'again') returning t.id, t.a",
    "insert into t as q (a) select a || '2' from t where true on conflict do nothing returning *",
    "with c as (select 'cc' as v) insert into t (a) select v from c returning a",
    "update t set a = upper(a), b = b * 10 where b > 1 returning id, a, b",
    "update t as q set (a, b) = (select 'two', 2) where q.id = 1 returning id, a, b",
    "update t set b = s.n from (select t_id, max(n) n from u group by t_id) s where s.t_id = t.id returning id, b",
    "delete from t where id in (select t_id from u) returning id",
    "delete from u returning u.n",
)


def plain(sql: str) -> list[dict[str, Any]]:
    """What SQLite answers by itself."""
    file = apsw.Connection(":memory:")
    file.execute("""create table t (id integer primary key autoincrement, a text, b);
create table u (id integer primary key, t_id integer, n real);
insert into t (a, b) values ('x', 1), ('y', 2), ('z', 3);
insert into u (t_id, n) values (1, 0.5), (1, 1.5), (3, 2.5)""")
    cursor = file.cursor()
    rows = cursor.execute(sql)
    return [dict(zip([d[0] for d in cursor.get_description()], row, strict=True)) for row in rows]


@pytest.mark.parametrize("sql", USUAL)
async def test_sql_means_what_it_means(house: House, sql: str) -> None:
    found, wanted = await house.query(sql), [out(row) for row in plain(sql)]
    # a column without a name of its own may be written otherwise
    assert [list(row.values()) for row in found] == [list(row.values()) for row in wanted]
    assert await house.query("select count(*) as n from t", app=OTHER) == [{"n": 1}]


async def test_columns_have_the_names_that_were_written(house: House) -> None:
    assert await house.query("select count(*), a as A, t.b from t") == [{"count(*)": 3, "A": "x", "b": 1}]


async def test_changes_tell_what_they_did(house: House) -> None:
    assert await house.query("insert into t (a) values ('n')") == {"changes": 1, "lastInsertId": 4}
    assert await house.query("update t set a = 'm' where id > 2") == {"changes": 2, "lastInsertId": None}
    assert await house.query("delete from t") == {"changes": 4, "lastInsertId": None}
    assert await house.query("delete from t") == {"changes": 0, "lastInsertId": None}


@pytest.mark.parametrize(
    ("given", "comes"),
    [
        (None, None),
        (True, 1),
        (False, 0),
        (5, 5),
        (-0.5, -0.5),
        ("t\u00fcr 'x'\n", "t\u00fcr 'x'\n"),
        (2**53 - 1, 2**53 - 1),
        (2**53, str(2**53)),
        (-(2**63), str(-(2**63))),
        ({"$blob": "AAH/"}, {"$blob": "AAH/"}),
        ({"$blob": ""}, {"$blob": ""}),
        ([1, "a"], '[1,"a"]'),
        ({"k": None}, '{"k":null}'),
        ("", ""),
    ],
    ids=ascii,
)
async def test_values_go_in_and_come_out(house: House, given: Any, comes: Any) -> None:
    assert await house.query("insert into t (b) values (?) returning b", [given]) == [{"b": comes}]
    assert await house.query("select b from t where id = 4") == [{"b": comes}]
    assert (await house.query("select :v as v, :v as w", {"v": given})) == [{"v": comes, "w": comes}]


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("select ?", []),
        ("select ?", [1, 2]),
        ("select ?", {"a": 1}),
        ("select ?", {}),
        ("select :a", [1]),
        ("select :a", {}),
        ("select :a", {"a": 1, "b": 2}),
        ("select :a, ?", [1]),
        ("select 1", "x"),
        ("select 1", 5),
        ("select ?", [2**63]),
        ("select ?", [{"$blob": "%"}]),
        ("select ?", [{"$blob": 5}]),
        ("select '?'", [1]),
    ],
    ids=ascii,
)
async def test_parameters_that_do_not_fit_are_refused(house: House, sql: str, params: Any) -> None:
    assert await house.refused(sql, params) == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("sql", "params", "code"),
    [
        ("select 'a\0b'", None, "INVALID_ARGUMENT"),
        ("select " + "(" * 41 + "1" + ")" * 41, None, "INVALID_ARGUMENT"),
        ("select 1" + " + 1" * 5000, None, "LIMIT_EXCEEDED"),
        ("select 1 -- " + "x" * (64 << 10), None, "LIMIT_EXCEEDED"),
        ("select 1", [1] * 10_001, "LIMIT_EXCEEDED"),
        ("select ?", ["x" * ((1 << 20) + 1)], "LIMIT_EXCEEDED"),
    ],
    ids=range(6),
)
async def test_what_is_asked_is_bounded(house: House, sql: str, params: Any, code: str) -> None:
    assert await house.refused(sql, params) == code


async def test_a_table_has_ten_indexes_at_most(house: House) -> None:
    await house.js("define", "x", {f"c{n}": "TEXT" for n in range(11)})
    for n in range(10):
        await house.js("index", "x", f"c{n}")
    assert await code_of(house.js("index", "x", ["c10"])) == "LIMIT_EXCEEDED"
    assert len((await house.js("index", "x", ["c0"])).indexes) == 10


async def test_a_statement_of_a_table_that_is_gone_says_so(house: House) -> None:
    assert len(await house.query("select a from t")) == 3
    await house.node.store.write(house.node.store.purge(APP))
    assert await house.refused("select a from t") == "INVALID_ARGUMENT"
    assert await house.refused("insert into t (a) values (1)") == "INVALID_ARGUMENT"


async def test_question_marks_keep_their_order(house: House) -> None:
    sql = "select ? as a, '?' as b, id from t where id > ? /* ? */ order by id limit ?, ? -- ?"
    assert await house.query(sql, ["one", 0, 1, 1]) == [{"a": "one", "b": "?", "id": 2}]


@pytest.mark.parametrize(
    ("sql", "code", "says"),
    [
        ("selekt 1", "INVALID_ARGUMENT", "line 1"),
        ("select from where", "INVALID_ARGUMENT", ""),
        ("select nope from t", "INVALID_ARGUMENT", "no such column: nope"),
        ("select * from nope", "INVALID_ARGUMENT", "nope"),
        ("insert into t (id) values (1)", "CONFLICT", "UNIQUE constraint failed: t.id"),
        ("insert into t (id) values ('x')", "INVALID_ARGUMENT", "datatype mismatch"),
        ("insert into t (a) values (1, 2)", "INVALID_ARGUMENT", "2 values for 1 columns"),
        ("select nope(1)", "FORBIDDEN_SQL", "nope"),
        ("select abs(1, 2)", "INVALID_ARGUMENT", "abs"),
        ("select trim(1, 2, 3)", "INVALID_ARGUMENT", "wrong number of arguments to function trim()"),
    ],
)
async def test_errors_say_what_is_wrong(house: House, sql: str, code: str, says: str) -> None:
    with pytest.raises(FaztError) as refused:
        await house.query(sql)
    assert (refused.value.code, says in refused.value.message) == (code, True), refused.value.message
    assert "rd_" not in refused.value.message


async def test_answers_are_bounded(house: House) -> None:
    many = "with recursive c(x) as (select 1 union all select x + 1 from c limit {}) select x from c"
    assert len(await house.query(many.format(10_000))) == 10_000
    assert await house.refused(many.format(10_001)) == "LIMIT_EXCEEDED"
    assert (
        await house.refused(many.format(40).replace("select x from", "select hex(zeroblob(500000)) from"))
        == "LIMIT_EXCEEDED"
    )
    before = await house.query("select count(*) as n from t")
    assert await house.refused(f"insert into t (b) {many.format(10_001)} returning id") == "LIMIT_EXCEEDED"
    assert await house.query("select count(*) as n from t") == before


async def test_a_statement_is_understood_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.query("select a from t where id = ?", [1])
    monkeypatch.setattr(sql_grammar, "understood", None)
    assert await house.query("select a from t where id = ?", [2]) == [{"a": "y"}]
    monkeypatch.undo()
    await house.js("define", "fresh", {"a": "TEXT"})
    assert await house.query("select a from t where id = ?", [3]) == [{"a": "z"}]


@pytest.mark.parametrize("name", [name.removeprefix("rd_") for name in OWN])
@pytest.mark.parametrize("first", ["abcabc", "", "  a b ", "xxyxx", 121, None, "\u00e9\u00e9a"], ids=ascii)
@pytest.mark.parametrize("second", ["a", "", "xy", "bc", 1, "\u00e9", None], ids=ascii)
async def test_our_own_functions_are_sqlites(name: str, first: Any, second: Any) -> None:
    arguments = [first, second] + (["_"] if name == "replace" else [])
    marks = ", ".join("?" * len(arguments))
    wanted = apsw.Connection(":memory:").execute(f"select {name}({marks})", arguments).get
    assert OWN[f"rd_{name}"](*arguments) == wanted


# --- what becomes of them ---------------------------------------------------------------------------------------------


def tables_of(store: Store, app: str) -> list[str]:
    sql = "select name from sqlite_schema where name like ? order by name"
    return [name for (name,) in store.reader().execute(sql, (f"rd%{app}%",))]


async def test_purging_an_app_takes_its_tables_and_nobody_elses(house: House) -> None:
    await house.js("index", "t", ["a"])
    await house.node.store.write(house.node.store.purge(APP))
    assert tables_of(house.node.store, APP) == []
    assert tables_of(house.node.store, OTHER) == [physical(OTHER, "t"), physical(OTHER, "u")]
    assert await house.js("tables") == []
    await house.js("define", "t", {"a": "TEXT"})
    assert await house.query("select * from t") == []


async def test_a_copy_of_an_app_has_tables_of_its_own(house: House) -> None:
    copy = "app_cccccccccccc"
    await house.js("index", "t", ["a"], {"unique": True})
    await house.node.store.write(house.node.store.copy(APP, copy, False, 1))
    assert await house.query("select * from t", app=copy) == await house.query("select * from t")
    assert await code_of(house.query("insert into t (a) values ('x')", app=copy)) == "CONFLICT"
    await house.query("delete from t", app=copy)
    assert len(await house.query("select * from t")) == 3


async def test_tables_are_shown_with_their_rows(house: House) -> None:
    shown = await house.js("tables")
    assert [(table.name, table.rows) for table in shown] == [("t", 3), ("u", 3)]
    assert shown[0].columns[0].type == "INTEGER primary key autoincrement"


async def test_what_is_left_half_way_holds_nothing(house: House) -> None:
    many = "with recursive c(x) as (select 1 union all select x + 1 from c limit 10001) select x from c"
    # who still holds the error holds all that was going on
    with pytest.raises(FaztError) as held:
        await house.query(f"insert into t (b) {many} returning id")
    assert held.value.code == "LIMIT_EXCEEDED"
    with pytest.raises(FaztError) as also:
        await house.query(many)
    assert also.value.code == "LIMIT_EXCEEDED"
    await house.node.store.write(house.node.store.purge(APP))
    assert tables_of(house.node.store, APP) == []


async def test_what_tables_take_counts_for_the_app(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept() -> int:
        total = "select sum(bytes) from app_sql_tables where app_id = ?"
        return int(house.node.store.reader().execute(total, (APP,)).get)

    asked: list[int] = []
    monkeypatch.setattr(sql, "room", lambda call, more: asked.append(more))
    await house.query("insert into t (a) values (hex(zeroblob(100000)))")
    assert 180_000 <= kept() <= 300_000
    assert asked == [1, kept()]
    await house.query("delete from t")
    assert kept() < 50_000

    def full(call: Any, more: int) -> None:
        if more > 1:
            raise FaztError("LIMIT_EXCEEDED", "full")

    monkeypatch.setattr(sql, "room", full)
    await house.query("insert into t (a) values ('small')")
    assert await house.refused("insert into t (a) values (hex(zeroblob(100000)))") == "LIMIT_EXCEEDED"
    assert await house.query("select a from t") == [{"a": "small"}]


APP_CODE = """
module.exports = (request) => {
  const rd = fazt.storage.rd;
  rd.define('notes', { id: 'INTEGER PRIMARY KEY', text: 'TEXT', more: 'JSON' });
  const { lastInsertId } = rd.query('insert into notes (text, more) values (?, ?)', ['hi', { a: [1] }]);
  let code;
  try { rd.query('select * from app_kv'); } catch (error) { code = error.code; }
  const rows = rd.query("select text, more ->> '$.a[0]' as a from notes where id = :id", { id: 1 });
  return { lastInsertId, code, rows };
};
"""


async def test_an_apps_code_uses_them_at_once(tmp_path: Any) -> None:
    async with living(tmp_path) as live:
        await live.app("notes", APP_CODE)
        for _ in range(2):
            reply = await live.ask("notes")
            assert reply.status == 200, reply.body
        assert reply.json["rows"] == [{"text": "hi", "a": 1}]
        assert reply.json["code"] == "INVALID_ARGUMENT"


async def test_people_reach_them_over_http(running: Running) -> None:
    made = await running.ask("POST", "/api/apps", key="*", body={"slug": "shelf"})
    assert made.status == 201, made.body
    path = f"/api/apps/{made.data['id']}/storage/rd"
    answer = await running.ask(
        "POST", f"{path}/tables", key="*", body={"table": "t", "columns": {"a": "TEXT", "n": "REAL"}}
    )
    assert answer.status == 201, answer.body
    body: dict[str, Any] = {"sql": "insert into t values (?, ?), (?, ?)", "params": ["x", 1, "y", 2]}
    assert (await running.ask("POST", f"{path}/query", key="*", body=body)).data == {"changes": 2, "lastInsertId": 2}
    body = {"sql": "select a from t where n > :n", "params": {"n": 1}}
    assert (await running.ask("POST", f"{path}/query", key="*", body=body)).data == [{"a": "y"}]
    refused = await running.ask("POST", f"{path}/query", key="*", body={"sql": "select * from app_kv"})
    assert (refused.status, refused.code) == (400, "VALIDATION_FAILED")
    shown = (await running.ask("GET", path, key="*")).data
    assert [(table["name"], table["rows"]) for table in shown] == [("t", 2)]
