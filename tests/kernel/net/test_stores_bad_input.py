"""What is wrong in a way only a store can see is refused over HTTP, and nothing changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests import support
from tests.kernel.net.endpoints_of_stores import furnish_stores
from tests.kernel.net.straight import straight
from tests.support import Answer, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
MEBI = 1 << 20
BIRDS, RD, VECTOR = "/storage/ds/birds", "/storage/rd", "/vector/collections"
REFUSED = ("VALIDATION_FAILED", "LIMIT_EXCEEDED", "INVALID_JSON", "MISSING_FIELD", "FORBIDDEN_SQL")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with support.running(tmp_path_factory.mktemp("node") / "data.db") as made:
        await made.run("apps.create", slug="shop")
        await furnish_stores(made)
        await made.key("*")
        yield made


async def unchanged(node: Running, method: str, path: str, sent: Any = None) -> Answer:
    """`sent` is a body as JSON, or its text as it is."""
    before = node.content()
    raw = None if sent is None else sent.encode() if isinstance(sent, str) else json.dumps(sent).encode()
    answer = await straight(node, method, f"/api/apps/shop{path}", raw)
    assert node.content() == before, (path, answer.body[:300])
    return answer


def refused(answer: Answer, sent: str = "") -> None:
    """And nothing internal shows, but what was sent."""
    assert (answer.status, answer.code in REFUSED) == (400, True), answer.body[:500]
    said = answer.body.decode()
    assert len(said) < 2000
    inside = ("Traceback", "app_docs", "app_id", "apsw", "json_extract", "msgspec")
    assert not any(word in said and word not in sent for word in inside), said


# --- queries ----------------------------------------------------------------------------------------------------------


def nested(opening: str, inner: str, closing: str, depth: int) -> str:
    return opening * depth + inner + closing * depth


BAD_QUERIES = [
    *('{"$where":"1"}', '{"n":{"$near":1}}', '{"n":{"$gt":1,"b":2}}', '{"$or":{}}', '{"$and":[5]}', '{"n":{"$in":5}}'),
    *('{"n":{"$exists":"yes"}}', '{"n":{"$not":5}}', '{"":1}', '{"a..b":1}', '{".":1}', "[]", "true"),
    *('{"n":NaN}', '{"n":{"$gt":Infinity}}', '{"n":1e400}', '{"n":-1e400}', '{"n":"\\ud800"}', '{"\\udc00":1}'),
    *('{"n":1,"n":2}', '{"n":{"$gt":1,"$gt":2}}', "{'n':1}", '{"n":1', "' OR 1=1"),
    nested('{"$and":[', "{}", "]}", 1000),
    nested('{"$or":[', '{"n":1}', "]}", 40),
    '{"n":' + nested('{"$not":', '{"$gt":1}', "}", 1000) + "}",
    '{"n":' + nested("[", "", "]", 10_000) + "}",
    nested('{"a":', "1", "}", 10_000),
    '{"n":{"$in":[' + ",".join(map(str, range(1001))) + "]}}",
    '{"$or":[' + ",".join('{"n":1}' for _ in range(5000)) + "]}",
    '{"a' + ".b" * 1000 + '":1}',
    '{"' + "x" * 5000 + '":1}',
    *('{"$text":5}', '{"$text":""}', '{"$text":"-wren"}', '{"$text":"wren OR"}', '{"$text":"OR wren"}'),
    *('{"$text":"\\"wren"}', '{"$text":{"$search":"a","near":1}}', '{"$text":{"$search":"a","fields":[""]}}'),
    *('{"$or":[{"$text":"a"}]}', '{"$text":"' + "a " * 51 + '"}', '{"$text":"' + "a" * 1001 + '"}'),
]
# what is only odd: it finds nothing, and does nothing
ODD_QUERIES: list[dict[str, Any]] = [
    {"name": "' OR 1=1 --"},
    {"' OR 1=1 --": 1},
    {"a') or 1=1 or ('": 1},
    {"a\"]') or 1=1 --": {"$ne": None}},
    {"name": {"$contains": "%" * 1000}},
    {"name": {"$contains": "w_en"}},
    {"name": {"$contains": "%a" * 10_000}},
    *({field: {"$exists": True}} for field in ("app_id", "user_id", "seq", "rowid", "data", "i1", "collection")),
    *({field: {"$exists": True}} for field in ("created_at", "__proto__", "constructor", "a.__proto__", "toString")),
    {"n": 2**63},
    {"n": {"$gte": 10**300}},
    {"n": True},
    {"n": "3"},
    {"n": {"$in": []}},
    {"n": {"$in": list(range(10, 1010))}},
    {"id": {"$gt": "zz"}},
    {"id": "../wren"},
    {"id": "wren\0"},
    {"name": "wr\0en"},
    {"$text": "tit* OR 'robin') match ("},
    {"$text": "NEAR(wren) AND NOT wren : ^"},
]
DOORS = {"query": {}, "count": {}, "explain": {}, "delete": {}, "update": {"changes": {"n": 9}}}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("query", BAD_QUERIES, ids=lambda query: query[:30])
async def test_a_bad_query(node: Running, door: str, query: str) -> None:
    more = json.dumps(DOORS[door])[1:-1]
    refused(await unchanged(node, "POST", f"{BIRDS}/{door}", f'{{"query":{query}{"," if more else ""}{more}}}'))


@pytest.mark.parametrize("query", [query for query in BAD_QUERIES if len(query) < 5000], ids=lambda query: query[:30])
async def test_a_bad_query_in_an_address(node: Running, query: str) -> None:
    refused(await unchanged(node, "GET", f"{BIRDS}?query={quote(query, safe='')}"))


@pytest.mark.parametrize("query", BAD_QUERIES, ids=lambda query: query[:30])
async def test_a_bad_query_for_totals_and_vectors(node: Running, query: str) -> None:
    refused(await unchanged(node, "POST", f"{BIRDS}/aggregate", f'{{"count":true,"where":{query}}}'))
    refused(await unchanged(node, "POST", f"{VECTOR}/songs/query", f'{{"embedding":[1,0],"where":{query}}}'))


@pytest.mark.parametrize("query", ODD_QUERIES, ids=lambda query: ascii(query)[:30])
async def test_an_odd_query_finds_nothing(node: Running, query: dict[str, Any]) -> None:
    for door, more in DOORS.items():
        answer = await unchanged(node, "POST", f"{BIRDS}/{door}", {"query": query, **more})
        assert answer.status == 200, (door, answer.body)
        if door != "explain":
            assert answer.data in (0, []), (door, answer.body)


# --- everything else --------------------------------------------------------------------------------------------------

LONG = "x" * 100_000
DOCUMENTS = ["5", '"x"', "null", "[5]", '[{"a":1},[]]', '{"id":{}}', '{"id":true}', '{"id":""}', '{"id":"a\\u0000"}']
DOCUMENTS += [f'{{"id":"{"x" * 513}"}}', '{"n":NaN}', '{"n":1e400}', '{"t":"\\ud800"}', '{"\\udfff":1}', '{"id":1e400}']
DOCUMENTS += ['{"a":1,"a":2}', '[{"a":1},{"b":{"c":1,"c":1}}]', '{"a":' + nested("[", "", "]", 100) + "}"]
DOCUMENTS += [nested('{"a":', "1", "}", 10_000), "[" * 100_000, '{"t":"' + "x" * MEBI + '"}']
CHANGES = ["5", "[]", "null", '{"id":"tit"}', '{"$set":{"id":"tit"}}', '{"$rename":{"n":"m"}}', '{"$inc":{"name":1}}']
CHANGES += ['{"$inc":{"n":"1"}}', '{"$inc":{"n":1e400}}', '{"$push":{"name":1}}', '{"$set":5}', '{"$set":{"":1}}']
CHANGES += ['{"name.first":1}', '{"n":1,"n":2}', '{"$set":{"' + ".".join("a" * 200) + '":1}}', '{"t":"\\ud800"}']
CHANGES += ['{"t":"' + "x" * MEBI + '"}', '{"$set":{"$inc":1}}', '{"n":NaN}']
PAGES = ["limit=-1", "limit=0", "limit=1001", "limit=x", "offset=-1", "offset=1.5", f"offset={2**53}"]
PAGES += [f"offset={10**30}", "order=up", "order=", "sort=5", "sort=[]", 'sort={"n":2}', 'sort={"n":true}', "total=5"]
PAGES += ['sort={"n":"1;drop"}', 'sort={"":1}', 'sort={"$n":1}', 'sort={"a..b":1}', 'sort={"n":1', 'sort={"n":1,"n":1}']
PAGES += ["sort={" + ",".join(f'"f{n}":1' for n in range(100)) + "}"]
TOTALS = ["5", "[]", "{}", '{"sum":5}', '{"sum":""}', '{"count":"yes"}', '{"median":"n"}', '{"max":"a..b"}']
TOTALS += ['{"count":true,"groupBy":{}}', '{"sum":["n",5]}', '{"sum":"' + LONG + '"}']
SQL = ["", ";", "select", "selekt 1", "select 1; select 2", "select 1;;drop table birds", "drop table birds", "vacuum"]
SQL += ["pragma table_info(birds)", "attach 'x' as y", "select * from app_kv", "select * from sqlite_master", "begin"]
SQL += ["select load_extension('x')", "select readfile('/etc/passwd')", "create table x (a)", "delete from app_docs"]
SQL += ["select * from pragma_table_info('birds')", "select fts5(1)", "insert into birds (id) values ('x')", "select ?"]
SQL += [
    "select * from nothing",
    "select nothing from birds",
    "insert into birds values (1)",
    "update birds set id = null x",
]
SQL += [f"select {nested('(', '1', ')', 1000)}", f"select {nested('not ', '1', '', 10_000)}", f"select '{LONG}"]
SQL += ["select * from birds where " + " or ".join(["id = 1"] * 20_000), "select '' ' or 1=1 --", "select '\0'"]
SQL += [
    "select " + ",".join(["1"] * 5000),
    "with recursive t(n) as (select 1 union all select n from x.t) select * from t",
]
TABLES = ['{"a":5}', "{}", "[]", '"a TEXT"', '{"a":"TEXT; drop table birds"}', '{"a":"TEXT references app_kv"}']
TABLES += [
    '{"a":"TEXT default (select 1)"}',
    '{"a":"TEXT check (1)"}',
    '{"a b":"TEXT"}',
    '{"a":"WORDS"}',
    '{"":"TEXT"}',
]
TABLES += ['{"a":"TEXT","A":"TEXT"}', "{" + ",".join(f'"c{n}":"TEXT"' for n in range(101)) + "}", '{"a\\"":"TEXT"}']
NAMES = ['""', '"Birds"', '"1a"', '"a b"', f'"{"a" * 49}"', '"a;--"', "5", '"a\\u0000"', '"../a"']
VECTORS = ["[]", "[1]", "[1,2,3]", "[0,0]", "[1,null]", '[1,"2"]', "[NaN,1]", "[1e400,1]", '"x"', "{}", "[true,1]"]
VECTORS += ["[" + ",".join(["1"] * 4097) + "]"]
LINES = [
    "x",
    "5",
    "[]",
    '{"id":"a"}',
    '{"pageContent":5}',
    '{"pageContent":"x","embedding":[1]}',
    '{"pageContent":"x"}',
]
LINES += ['{"pageContent":"x","embedding":[1,0],"more":1}', '{"id":"","pageContent":"x","embedding":[1,0]}']
LINES += ['{"pageContent":"x","embedding":[0,0]}', '{"pageContent":"\\ud800","embedding":[1,0]}', "[" * 100_000]
BATCHES = [
    '["nothing"]',
    '["kv.get","a"]',
    '["batch",[]]',
    '["storage.batch",[]]',
    '["apps.delete"]',
    '["keys.create"]',
]
BATCHES += [
    '["kv.set","a"]',
    '["kv.set","",1]',
    '["kv.set","a",1,2,3]',
    "5",
    "[]",
    "[5]",
    '["kv.incr","a"]',
    '["user.kv.set","a",1]',
]
BATCHES += [
    '["ds.insert","b d",{}]',
    '["ds.update","birds",{"$x":1},{}]',
    '["rd.query","drop table birds"]',
    '["__proto__"]',
]
BATCHES += [
    '["s3.put","a/../b","x"]',
    '["s3.put","k",{"base64":"!"}]',
    '["ds.insert","birds",{"n":1e400}]',
    '["kv.set","k",NaN]',
]
BATCHES += ['["ds.update","birds",{},{"$inc":{"name":1}}]', '["vector.clear"]', '["storage.move","internal"]']
KEYS = [
    "",
    "/",
    "..",
    "../wren",
    "a/../b",
    "a//b",
    "./a",
    "a/.",
    "a%00b",
    "a%5Cb",
    "a%0Ab",
    "x" * 1025,
    "%C3%A9" * 513,
    "%ff",
]
MIMES = ["text", "text/", "/html", "text/html%0D%0AX:%201", "text/html;", "a/b;c=%22", "x" * 256 + "/y", "%00"]

BAD: list[tuple[str, str, str | None]] = [
    *[("POST", BIRDS, sent) for sent in DOCUMENTS],
    *[("PATCH", f"{BIRDS}/wren", sent) for sent in CHANGES],
    *[("POST", f"{BIRDS}/update", f'{{"query":{{}},"changes":{sent}}}') for sent in CHANGES],
    *[("GET", f"{BIRDS}?{quote(page, safe='=')}", None) for page in PAGES],
    *[("POST", f"{BIRDS}/aggregate", sent) for sent in TOTALS],
    *[("POST", f"{BIRDS}/trim", f'{{"keep":{keep}}}') for keep in ("-1", "1.5", "null", '"1"', str(2**53), "1e400")],
    *[
        ("POST", "/storage/ds-indexes/birds", f'{{"field":{field}}}')
        for field in ('""', '"$n"', '"a..b"', '"id"', "5", f'"{LONG}"')
    ],
    *[
        ("GET", f"/storage/ds/{name}", None)
        for name in ("-a", ".a", "a%20b", "%22", "a" * 65, "%00", "a%00", "%C3%A9", "'")
    ],
    *[("POST", f"{RD}/query", json.dumps({"sql": sql})) for sql in SQL],
    *[
        ("POST", f"{RD}/query", f'{{"sql":"select ?, ?","params":{p}}}')
        for p in ("[1]", "[1,2,3]", "5", '{"a":1}', "[1,1e400]")
    ],
    *[("POST", f"{RD}/tables", f'{{"table":"nests","columns":{columns}}}') for columns in TABLES],
    *[("POST", f"{RD}/tables", f'{{"table":{name},"columns":{{"a":"TEXT"}}}}') for name in NAMES],
    *[
        ("POST", f"{RD}/indexes", f'{{"table":"birds","columns":{c}}}')
        for c in ("[]", "[5]", '"none"', '["none"]', '["name desc"]')
    ],
    *[("POST", f"{VECTOR}/songs/query", f'{{"embedding":{vector}}}') for vector in VECTORS],
    *[
        ("POST", f"{VECTOR}/songs/documents", f'{{"documents":[{{"pageContent":"x","embedding":{vector}}}]}}')
        for vector in VECTORS
    ],
    *[
        ("POST", f"{VECTOR}/songs/query", f'{{"embedding":[1,0],{more}}}')
        for more in ('"limit":-1', '"limit":1001', '"threshold":"x"')
    ],
    *[
        ("POST", VECTOR, f'{{"name":"n",{more}}}')
        for more in ('"dimensions":0', '"dimensions":4097', '"dimensions":-1', '"metadata":5')
    ],
    *[
        ("POST", f"{VECTOR}/songs/import", f'{{"id":"ok","pageContent":"x","embedding":[1,0]}}\n{line}')
        for line in LINES
    ],
    *[("POST", "/storage/batch", f'{{"operations":[["kv.set","b",1],{one}]}}') for one in BATCHES],
    ("POST", "/storage/batch", json.dumps({"operations": [["kv.set", "b", 1]] * 1001})),
    *[("PUT", f"/storage/s3/object?key={key}", "x") for key in KEYS],
    *[("GET", f"/storage/s3/object?key={key}", None) for key in KEYS],
    *[("DELETE", f"/storage/s3/object?key={key}", None) for key in KEYS],
    *[("PUT", f"/storage/s3/object?key=k&mime={mime}", "x") for mime in MIMES],
    *[
        ("POST", "/storage/move", f'{{"to":"{to}"}}')
        for to in ("here", "s3://", "file:///etc", "s3://b/../c", "http://x", "s3://B_/x")
    ],
]


@pytest.mark.parametrize(("method", "path", "sent"), BAD, ids=lambda value: ascii(value)[-50:])
async def test_what_is_wrong_is_refused(node: Running, method: str, path: str, sent: str | None) -> None:
    refused(await unchanged(node, method, path, sent), sent or "")


@pytest.mark.parametrize("path", [BIRDS, f"{VECTOR}/songs/documents"])
async def test_far_behind_the_end_is_an_empty_page(node: Running, path: str) -> None:
    answer = await unchanged(node, "GET", f"{path}?offset=1000000000&limit=1000")
    assert (answer.status, answer.data, answer.json["meta"]["total"]) == (200, [], 1)


@pytest.mark.parametrize(
    "field", ["app_id", "user_id", "data", "seq", "__proto__", "name; drop table app_docs", "'", '"', "a b"]
)
async def test_to_sort_by_what_is_hidden_says_nothing(node: Running, field: str) -> None:
    answer = await unchanged(node, "POST", f"{BIRDS}/query", {"sort": {field: 1}})
    assert (answer.status, [set(one) for one in answer.data]) == (
        200,
        [{"id", "kind", "name", "n", "_createdAt", "_updatedAt"}],
    )


async def test_patterns_of_wildcards_end(node: Running) -> None:
    """The pattern of LIKE that tries everything."""
    for pattern in ("%a" * 20_000, "%_" * 500 + "x", "*?" * 500 + "[x"):
        word = "glob" if "*" in pattern else "like"
        sent = {"sql": f"select count(*) as n from birds where printf('%.100000c', 'a') {word} ?", "params": [pattern]}
        answer = await unchanged(node, "POST", f"{RD}/query", sent)
        assert answer.status in (200, 400, 504), answer.body


@pytest.mark.parametrize("path", [BIRDS, "/storage/kv"])
async def test_a_name_that_stands_twice(node: Running, path: str) -> None:
    """Refused where somebody could be deceived by it; in what is too large to be looked through the last one counts."""
    more = f'"t":"{"x" * 300_000}",' if path == BIRDS else f'"key":"twice","value":"{"x" * 300_000}",'
    refused(await unchanged(node, "POST", path, '{"key":"twice","value":{"a":1,"a":2}}'))
    refused(await unchanged(node, "POST", path, '{"key":"one","key":"two","value":1}'))
    made = await node.ask("POST", f"/api/apps/shop{path}", key="*", raw=f'{{{more}"id":"a","value":1}}'.encode())
    if path == BIRDS:
        assert (made.status, made.data) == (201, {"id": "a"})
        assert (await node.ask("DELETE", f"/api/apps/shop{path}/a", key="*")).status == 204
    else:
        assert made.code == "VALIDATION_FAILED"
