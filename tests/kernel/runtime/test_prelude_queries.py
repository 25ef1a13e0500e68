"""What must not get lost between an app's code and the stores: conditions, bytes, vectors, depth, nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.kernel.runtime.live import Live, living

# `work` is tried; what it says of a failure, and what is there afterwards
CODE = """
const { ds, kv, s3 } = fazt.app, { rd, vector, batch } = fazt.storage;
const unset = undefined;
const deep = (levels) => { let it = 1; for (let n = 0; n < levels; n++) it = [it]; return it; };
class Filter { constructor() { this.n = 1; } }
class Old extends Filter { get id() { return 'a'; } }
const tried = async (work) => {
  try { return ['done', (await work()) ?? null]; }
  catch (error) { return [error.code, error.message.replace(/^fazt[a-zA-Z.]+: /, ''), error instanceof TypeError]; }
};
const tries = [TRIES];
module.exports = async (request) => {
  if (request.query.begin) {
    ds.delete('notes', {});
    ds.insert('notes', [{ id: 'a', n: 1, token: null }, { id: 'b', n: 2 }]);
    if (vector.getCollection('v') === null) vector.createCollection('v', { dimensions: 2 });
    await vector.addDocuments('v', [{ id: 'x', pageContent: 'x', embedding: [1, 0], metadata: { n: 1 } }]);
  }
  const said = [];
  for (const work of tries) said.push(await tried(work));
  return { json: [said, ds.count('notes'), vector.listIds('v').length] };
};
"""


async def said(live: Live, *tries: str) -> list[Any]:
    name = "app"
    await live.app(name, CODE.replace("[TRIES]", "[" + ", ".join(f"() => {work}" for work in tries) + "]"), "module")
    reply = await live.ask(name, "GET", "/api?begin=1")
    assert reply.status == 200, reply.body
    answers, notes, vectors = reply.json
    assert (notes, vectors) == (2, 1), "what was refused must have changed nothing"
    return list(answers)


@pytest_asyncio.fixture
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with living(tmp_path_factory.mktemp("live")) as made:
        yield made


UNSET = {
    "ds.delete('notes', { id: unset })": "query.id: is undefined.",
    "ds.findOne('notes', { token: unset })": "query.token: is undefined.",
    "ds.find('notes', { a: { $gt: unset } })": "query.a.$gt: is undefined.",
    "ds.find('notes', { n: { $in: [1, unset] } })": "query.n.$in[1]: is undefined.",
    "ds.find('notes', {}, { sort: { n: unset } })": "options.sort.n: is undefined.",
    "ds.count('notes', { $or: [{ n: unset }] })": "query.$or[0].n: is undefined.",
    "ds.update('notes', { $and: [{ n: unset }] }, { n: 5 })": "query.$and[0].n: is undefined.",
    "ds.find('notes', { $text: unset })": "query.$text: is undefined.",
    "ds.aggregate('notes', { count: true, where: unset })": "spec.where: is undefined.",
    "ds.aggregate('notes', { count: true, where: { n: unset } })": "spec.where.n: is undefined.",
    "ds.delete('notes', new Map([['id', 'a']]))": "query: is no plain object.",
    "ds.delete('notes', new Set(['a']))": "query: is no plain object.",
    "ds.delete('notes', new Old())": "query: is no plain object.",
    "ds.delete('notes', { n: new Filter() })": "query.n: is no plain object.",
    "ds.delete('notes', Object.create({ id: 'a' }))": "query: is no plain object.",
    "ds.delete('notes', { [Symbol('or')]: [] })": "query: is no plain object.",
    "ds.delete('notes', { n: NaN })": "query.n: is NaN.",
    "ds.delete('notes', { n: new Date(NaN) })": "query.n: is no valid date.",
    "ds.delete('notes', { n: new Uint8Array(1) })": "query.n: bytes cannot be part of JSON.",
    "vector.deleteByMetadata('v', { n: unset })": "where.n: is undefined.",
    "vector.getByMetadata('v', { n: { $gt: unset } })": "where.n.$gt: is undefined.",
    "vector.queryEmbedding('v', [1, 0], { where: { n: unset } })": "options.where.n: is undefined.",
    "batch([['kv.set', 'k', 1], ['ds.delete', 'notes', { id: unset }]])": (
        "operations[1]: ds.delete: query.id: is undefined."
    ),
}


async def test_a_condition_that_is_not_set_is_refused_instead_of_lost(live: Live) -> None:
    answers = await said(live, *UNSET)
    expected = [["INVALID_ARGUMENT", message, True] for message in UNSET.values()]
    assert dict(zip(UNSET, answers, strict=True)) == dict(zip(UNSET, expected, strict=True))


BYTES = "bytes cannot be part of JSON."
REFUSED = {
    "kv.set('k', new ArrayBuffer(2))": f"value: {BYTES}",
    "kv.set('k', { a: [new Uint8Array(2)] })": f"value.a[0]: {BYTES}",
    "kv.set('k', { a: new Float32Array(2) })": f"value.a: {BYTES}",
    "ds.insert('notes', { file: new DataView(new ArrayBuffer(2)) })": f"doc.file: {BYTES}",
    "ds.update('notes', 'a', { file: new Uint8Array(2) })": f"changes.file: {BYTES}",
    "rd.query('select ? as b', [{ deep: new Uint8Array(1) }])": f"params[0].deep: {BYTES}",
    "kv.set('k', { f() {} })": "value.f: a function cannot be stored or sent.",
}


async def test_bytes_are_refused_where_they_would_be_destroyed(live: Live) -> None:
    answers = await said(live, *REFUSED)
    assert answers == [["INVALID_ARGUMENT", message, True] for message in REFUSED.values()]


async def test_what_is_nested_too_deep_is_refused_however_deep_it_is(live: Live) -> None:
    levels = (101, 5000, 100_000)
    works = [f"kv.set('k', deep({n}))" for n in levels] + [f"ds.find('notes', {{ n: deep({n}) }})" for n in levels]
    for code, message, _ in await said(live, *works):
        assert code == "INVALID_ARGUMENT" and message.endswith("must not be nested deeper than 100 levels."), message
    assert await said(live, "kv.set('k', deep(100))") == [["done", None]]


ALLOWED = {
    "kv.set('k', { a: undefined, at: new Date(0), m: new Map(), list: [undefined], s: new String('x') })": None,
    "kv.get('k')": {"at": "1970-01-01T00:00:00.000Z", "m": {}, "list": [None], "s": "x"},
    "ds.find('notes', undefined, { limit: undefined, sort: undefined }).length": 2,
    "ds.find('notes', { at: { $gt: new Date(0) } }).length": 0,
    "ds.find('notes', { token: null, n: 1 }).length": 1,
    "ds.find('notes', Object.assign(Object.create(null), { n: 2 }), { sort: { n: 1 } }).map((doc) => doc.id)": ["b"],
    "ds.update('notes', 'a', { n: 1, gone: undefined })": 1,
    "rd.query('select hex(?) as a, ? as b, ? as c', [new Uint8Array([1, 255]), new Uint8Array([7]).buffer, 'x'])": [
        {"a": "01FF", "b": {"$blob": "Bw=="}, "c": "x"}
    ],
    "rd.query('select hex(:b) as b', { b: new Uint8Array([1, 2, 3]).subarray(1) })": [{"b": "0203"}],
    "vector.queryEmbedding('v', new Float32Array([1, 0]))[0].id": "x",
    "vector.queryEmbedding('v', [1, 0], { where: { n: 1 } }).length": 1,
    "vector.addDocuments('v', [{ id: 'x', pageContent: 'x', embedding: new Float64Array([0.5, 0]) }])": ["x"],
}


async def test_what_has_a_meaning_goes_through(live: Live) -> None:
    answers = await said(live, *ALLOWED)
    expected = [["done", value] for value in ALLOWED.values()]
    assert dict(zip(ALLOWED, answers, strict=True)) == dict(zip(ALLOWED, expected, strict=True))


async def test_what_gives_nothing_gives_undefined(live: Live) -> None:
    nothing = (
        "kv.set('k', 1)",
        "kv.delete('k')",
        "s3.put('a', 'b') && undefined",
        "s3.delete('a')",
        "vector.createCollection('w', { dimensions: 2 }) && undefined",
        "vector.updateCollection('w', { metadata: { a: 1 } })",
        "vector.clear('w')",
        "vector.deleteCollection('w')",
    )
    assert await said(live, *(f"{work} === undefined" for work in nothing)) == [["done", True]] * len(nothing)
