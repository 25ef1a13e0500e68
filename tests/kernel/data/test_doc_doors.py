"""Documents over HTTP, from the command line, and from an app's code."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests import support
from tests.fazt.test_gateway import failed
from tests.fazt.test_gateway import run as command
from tests.kernel.data.test_docs import HOSTILE
from tests.kernel.runtime.live import living
from tests.support import Answer, Running

DS = "/api/apps/shop/storage/ds"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db") as made:
        await made.run("apps.create", slug="shop")
        await made.run("apps.create", slug="other")
        yield made


async def ask(node: Running, method: str, path: str, body: Any = None, **how: Any) -> Answer:
    return await node.ask(method, DS + path, key="*", body=body, **how)


async def there(node: Running, *ids: str) -> None:
    await ask(node, "POST", "/birds", [{"id": id, "n": n} for n, id in enumerate(ids)])


# --- over HTTP --------------------------------------------------------------------------------------------------------


async def test_a_document_is_made_read_changed_and_deleted(node: Running) -> None:
    made = await ask(node, "POST", "/birds", {"name": "wren", "n": 1})
    assert (made.status, set(made.data)) == (201, {"id"})
    path = f"/birds/{made.data['id']}"
    found = await ask(node, "GET", path)
    assert (found.status, found.data["name"], found.data["id"]) == (200, "wren", made.data["id"])
    assert (await ask(node, "PATCH", path, {"$inc": {"n": 4}})).data == {"id": made.data["id"]}
    assert (await ask(node, "GET", path)).data["n"] == 5
    assert (await ask(node, "DELETE", path)).status == 204
    for method, body in (("GET", None), ("PATCH", {"n": 1}), ("DELETE", None)):
        assert (await ask(node, method, path, body)).code == "NOT_FOUND"


async def test_a_list_of_documents_gets_a_list_of_ids(node: Running) -> None:
    made = await ask(node, "POST", "/birds", [{"id": "a"}, {"id": 2}])
    assert (made.status, made.data) == (201, {"ids": ["a", "2"]})
    assert (await ask(node, "POST", "/birds", [{"id": "b"}, {"id": "a"}])).code == "CONFLICT"
    assert (await ask(node, "GET", "")).data == [{"name": "birds", "docs": 2, "bytes": 4}]


@pytest.mark.parametrize(
    ("query", "ids", "meta"),
    [
        ("", ["c", "b", "a"], {"total": 3, "limit": 100, "offset": 0}),
        ("?order=asc&limit=2", ["a", "b"], {"total": 3, "limit": 2, "offset": 0}),
        ("?offset=2", ["a"], {"total": 3, "limit": 100, "offset": 2}),
        ("?total=false", ["c", "b", "a"], {"limit": 100, "offset": 0}),
        ('?query={"n":{"$gt":0}}&limit=1', ["c"], {"total": 2, "limit": 1, "offset": 0}),
        ('?query={"n":{"$gt":0}}&total=false', ["c", "b"], {"limit": 100, "offset": 0}),
        ('?sort={"n":1}', ["a", "b", "c"], {"total": 3, "limit": 100, "offset": 0}),
        ('?query={"n":7}', [], {"total": 0, "limit": 100, "offset": 0}),
    ],
)
async def test_a_page_of_what_a_query_means(node: Running, query: str, ids: list[str], meta: Any) -> None:
    await there(node, "a", "b", "c")
    answer = await ask(node, "GET", "/birds" + quote(query, safe="?=&"))
    assert ([doc["id"] for doc in answer.data], answer.json["meta"]) == (ids, meta)


async def test_a_query_may_come_in_the_body(node: Running) -> None:
    await there(node, "a", "b", "c")
    found = await ask(node, "POST", "/birds/query", {"query": {"n": {"$lt": 2}}, "order": "asc", "limit": 1})
    assert ([doc["id"] for doc in found.data], found.json["meta"]["total"]) == (["a"], 2)
    assert (await ask(node, "POST", "/birds/count", {"query": {"n": {"$lt": 2}}})).data == 2
    assert (await ask(node, "POST", "/birds/count", {})).data == 3
    assert (await ask(node, "POST", "/birds/aggregate", {"count": True, "sum": "n"})).data == {"count": 3, "sum": 3}
    assert (await ask(node, "POST", "/birds/update", {"query": {"n": 0}, "changes": {"n": 9}})).data == 1
    assert (await ask(node, "POST", "/birds/delete", {"query": {"n": 9}})).data == 1
    assert (await ask(node, "POST", "/birds/trim", {"keep": 1})).data == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/birds", 5),
        ("POST", "/birds", {"id": []}),
        ("POST", "/birds", [{}, None]),
        ("POST", "/bad%20name", {}),
        ("POST", "/birds/update", {"changes": {}}),
        ("POST", "/birds/update", {"query": None, "changes": {}}),
        ("POST", "/birds/update", {"query": {}, "changes": {"$rename": {}}}),
        ("POST", "/birds/delete", {}),
        ("POST", "/birds/delete", {"query": None}),
        ("POST", "/birds/trim", {"keep": -1}),
        ("POST", "/birds/query", {"query": {"$x": 1}}),
        ("PATCH", "/birds/a", {"id": "b"}),
        ("PATCH", "/birds/a", []),
        ("GET", "/birds?limit=1001", None),
        ("GET", "/birds?query=x", None),
        ("GET", "/birds?order=up", None),
    ],
)
async def test_what_cannot_be_understood_changes_nothing(node: Running, method: str, path: str, body: Any) -> None:
    await there(node, "a", "b")
    before = node.content()
    answer = await ask(node, method, path, body)
    assert (answer.status, node.content()) == (400, before), answer.body


@pytest.mark.parametrize("id", HOSTILE)
async def test_every_id_can_be_said_in_an_address(node: Running, id: str) -> None:
    await there(node, id, "x")
    path = "/birds/" + quote(id, safe="")
    assert (await ask(node, "GET", path)).data["id"] == id
    assert (await ask(node, "DELETE", path)).status == 204
    assert [doc["id"] for doc in (await ask(node, "GET", "/birds")).data] == ["x"]


async def test_another_app_has_other_documents(node: Running) -> None:
    await there(node, "a")
    assert (await node.ask("GET", "/api/apps/other/storage/ds/birds", key="*")).data == []
    assert (await node.ask("GET", "/api/apps/other/storage/ds/birds/a", key="*")).status == 404
    assert (await ask(node, "GET", "/birds?user=usr_1")).data == []


@pytest.mark.parametrize("path", ["", "/birds", "/birds/a"])
async def test_nobody_reads_without_a_key(node: Running, path: str) -> None:
    assert (await node.ask("GET", DS + path)).status == 401


# --- from the command line --------------------------------------------------------------------------------------------


async def test_the_commands_do_what_they_say(node: Running) -> None:
    async def run(*words: str) -> Any:
        return (await command(node, "ds " + words[0], *words[1:], "--app", "shop")).get("data")

    assert await run("insert", "birds", '{"id":"5","n":1}') == {"id": "5"}
    assert await run("insert", "birds", '[{"id":"b","n":2},{"id":"c","n":3}]') == {"ids": ["b", "c"]}
    assert [doc["id"] for doc in await run("find", "birds", '{"n":{"$gt":1}}', "--limit", "1")] == ["c"]
    assert (await run("get", "birds", "5"))["n"] == 1
    assert await run("count", "birds") == 3
    assert await run("update", "birds", "b", '{"n":7}') == 1
    assert await run("aggregate", "birds", '{"max":"n"}') == {"max": 7}
    assert await run("collections") == [{"name": "birds", "docs": 3, "bytes": 21}]
    failed(await command(node, "ds delete", "birds", "{}", "--app", "shop"), 4, "CONFIRMATION_REQUIRED")
    failed(await command(node, "ds trim", "birds", "1", "--app", "shop"), 4, "CONFIRMATION_REQUIRED")
    failed(await command(node, "ds get", "birds", "no", "--app", "shop"), 3, "NOT_FOUND")
    assert await run("count", "birds") == 3
    await run("remove", "birds", "b")
    assert await run("trim", "birds", "1", "--confirm") == 1
    assert await run("delete", "birds", "{}", "--confirm") == 1
    assert await run("collections") == []


# --- from an app's code -----------------------------------------------------------------------------------------------

WHOLE = """
module.exports = async (request) => {
  const ds = fazt.app.ds, said = [];
  const say = (value) => { said.push(value); };
  const fails = (work) => { try { work(); say('no error'); } catch (error) { say(error.code); } };
  const bare = ({ _createdAt, _updatedAt, ...doc }) => doc;
  ds.delete('birds', {});
  say(ds.insert('birds', { id: 1, name: 'wren', seen: 1, at: new Date(0), gone: undefined }));
  say(ds.insert('birds', [{ id: 'b', seen: 2 }, { id: 'c', seen: 3, tags: [] }]));
  say(typeof ds.insert('others', {}));
  say(bare(ds.get('birds', 1)));
  say(typeof ds.get('birds', '1')._createdAt);
  say(ds.get('birds', 'x'));
  say(ds.findOne('birds', { seen: { $gt: 1 } }).id);
  say(ds.findOne('birds', 'b').id);
  say(ds.find('birds').map((doc) => doc.id));
  say(ds.find('birds', undefined, { limit: 1 }).map((doc) => doc.id));
  say(ds.find('birds', { seen: { $in: [1, 2] } }, { sort: { seen: 1 }, limit: 5 }).map((doc) => doc.id));
  say(ds.update('birds', 'c', { $inc: { seen: 4 }, $push: { tags: 'x' }, 'in.x': null }));
  say(bare(ds.get('birds', 'c')));
  say(ds.update('birds', { seen: { $lt: 3 } }, { small: true }));
  say(ds.count('birds', { small: true }));
  say(ds.count('birds'));
  say(ds.aggregate('birds', { count: true, max: 'seen' }));
  say(fazt.storage.ds.collections().map(({ name, docs }) => [name, docs]));
  say(ds.deleteOldest('birds', 2));
  say(await ds.delete('birds', 'b'));
  say(await ds.find('birds').map((doc) => doc.id));
  fails(() => ds.insert('birds', { id: 'c' }));
  fails(() => ds.insert('birds', 'text'));
  fails(() => ds.insert('bad name', {}));
  fails(() => ds.find('birds', { seen: { $near: 1 } }));
  fails(() => ds.update('birds', undefined, { a: 1 }));
  fails(() => ds.update('birds', null, { a: 1 }));
  fails(() => ds.delete('birds'));
  fails(() => ds.update('birds', {}, { $inc: { tags: 1 } }));
  fails(() => fazt.app.user.ds.insert('birds', {}));
  fails(() => fazt.app.user.ds.find('birds'));
  say(ds.count('birds'));
  return said;
};
"""
SAID = [
    "1",
    ["b", "c"],
    "string",
    {"id": "1", "name": "wren", "seen": 1, "at": "1970-01-01T00:00:00.000Z"},
    "number",
    None,
    "c",
    "b",
    ["c", "b", "1"],
    ["c"],
    ["1", "b"],
    1,
    {"id": "c", "seen": 7, "tags": ["x"], "in": {"x": None}},
    2,
    2,
    3,
    {"count": 3, "max": 7},
    [["birds", 3], ["others", 1]],
    1,
    1,
    ["c"],
    "CONFLICT",
    *["INVALID_ARGUMENT"] * 7,
    "LOGIN_REQUIRED",
    "LOGIN_REQUIRED",
    1,
]
ADD = "module.exports = (request) => ({ id: fazt.app.ds.insert('birds', { id: request.query.id }) });"


async def test_an_apps_code_has_the_whole_of_it(tmp_path: Path) -> None:
    async with living(tmp_path) as live:
        await live.app("whole", WHOLE)
        answer = await live.ask("whole")
        assert answer.json == SAID, answer.body


async def test_what_is_inserted_is_there_when_it_is_answered_and_a_clash_fails_the_request(tmp_path: Path) -> None:
    async with living(tmp_path) as live:
        await live.app("add", ADD)
        for id in "abc":
            answer = await live.ask("add", path=f"/api?id={id}")
            assert (answer.status, answer.json) == (200, {"id": id})
            stored = live.running.node.store.reader().execute("select count(*) from app_docs where id = ?", (id,)).get
            assert stored == 1
        clash = await live.ask("add", path="/api?id=b")
        assert clash.status >= 400
        assert json.loads(clash.body)["code"] in ("CONFLICT", "HANDLER_ERROR")
        assert live.running.node.store.reader().execute("select docs from app_collections").get == 3
