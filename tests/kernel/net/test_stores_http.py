"""Scenarios of the stores over HTTP: what comes back word for word, who sees what, and what is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests import support
from tests.kernel.net.endpoint import fits, number, text
from tests.kernel.net.endpoints_of_stores import put_object
from tests.kernel.net.straight import straight
from tests.support import Answer, Running

MEBI = 1 << 20
DOCUMENT = {"id": text, "_createdAt": number, "_updatedAt": number}


async def ask(node: Running, method: str, path: str, sent: Any = None, app: str = "shop", **how: Any) -> Answer:
    """`sent` is a body as JSON, or bytes as they are."""
    if sent is not None:
        how["raw"] = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return await node.ask(method, f"/api/apps/{app}{path}", **{"key": "*", **how})


def escaped(**values: Any) -> str:
    """A query, JSON in it as JSON."""
    said = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    return "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in said.items())


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db") as made:
        await made.run("apps.create", slug="shop")
        yield made


# --- what comes back --------------------------------------------------------------------------------------------------

WREN = {**DOCUMENT, "id": "wren", "n": 1, "tags": ["a"]}
PUT = {"key": "b/a.txt", "size": 5, "mime": "text/plain", "cid": text}
OBJECT = {**PUT, "path": "b/a.txt", "updatedAt": number, "hash": text}
INDEX = {"collection": "birds", "field": "n", "state": text, "origin": "by-hand", "done": (int, type(None))}
INDEX |= {"docs": (int, type(None))}
COLUMNS = [{"name": "id", "type": "INTEGER primary key"}, {"name": "name", "type": "TEXT not null"}]
SONGS = {"name": "songs", "documentCount": 0, "dimensions": 2, "embeddingModel": type(None), "metadata": {"a": 1}}
SONG = {"id": "s", "pageContent": "la", "metadata": {"k": 1}}
INDEXES = "/storage/ds-indexes/birds"
BIRDS, S3, RD, VECTOR = "/storage/ds/birds", "/storage/s3", "/storage/rd", "/vector/collections"

# method, path, what is sent, status, data, meta
STORIES: dict[str, list[tuple[str, str, Any, int, Any, Any]]] = {
    "kv": [
        ("POST", "/storage/kv", {"key": "k", "value": None}, 201, {"key": "k"}, None),
        ("GET", "/storage/kv/entry?key=k", None, 200, {"key": "k", "value": None}, None),
        ("POST", "/storage/kv", {"key": "t", "value": 1, "ttl": 5000}, 201, {"key": "t"}, None),
        ("GET", "/storage/kv/entry?key=t", None, 200, {"key": "t", "value": 1, "expiresAt": number}, None),
        ("GET", "/storage/kv?limit=1", None, 200, [{"key": "k", "value": None}], {"limit": 1, "next": "k"}),
        ("GET", "/storage/kv?after=t", None, 200, [], {"limit": 100, "next": None}),
        ("POST", "/storage/kv/incr", {"key": "n", "by": 1.5}, 200, 1.5, None),
        ("POST", "/storage/kv/cas", {"key": "n", "expected": 1, "value": 2}, 200, False, None),
        ("POST", "/storage/kv/cas", {"key": "n", "expected": 1.5, "value": 2}, 200, True, None),
        ("DELETE", "/storage/kv?key=k", None, 204, None, None),
        ("GET", "/storage/kv/entry?key=k", None, 404, "NOT_FOUND", None),
    ],
    "ds": [
        ("POST", BIRDS, {"id": "wren", "n": 1, "tags": ["a"]}, 201, {"id": "wren"}, None),
        ("POST", BIRDS, [{"id": "tit", "n": 2}, {"id": 5}], 201, {"ids": ["tit", "5"]}, None),
        ("POST", BIRDS, {"id": "wren"}, 409, "CONFLICT", None),
        ("GET", f"{BIRDS}/wren", None, 200, WREN, None),
        ("GET", f"{BIRDS}/5", None, 200, {**DOCUMENT, "id": "5"}, None),
        (
            "GET",
            BIRDS + escaped(query={"tags": {"$contains": "a"}}, limit="1"),
            None,
            200,
            [WREN],
            {"total": 1, "limit": 1, "offset": 0},
        ),
        ("POST", f"{BIRDS}/query", {"query": {"n": {"$gt": 7}}}, 200, [], {"total": 0, "limit": 100, "offset": 0}),
        ("POST", f"{BIRDS}/count", {}, 200, 3, None),
        ("POST", f"{BIRDS}/aggregate", {"sum": "n", "avg": "n"}, 200, {"sum": 3, "avg": 1.5}, None),
        ("POST", f"{BIRDS}/update", {"query": {"n": 2}, "changes": {"$inc": {"n": 5}}}, 200, 1, None),
        ("PATCH", f"{BIRDS}/tit", {"$unset": {"n": 1}}, 200, {"id": "tit"}, None),
        ("GET", f"{BIRDS}/tit", None, 200, {**DOCUMENT, "id": "tit"}, None),
        ("PATCH", f"{BIRDS}/none", {"n": 1}, 404, "NOT_FOUND", None),
        # no word of ours is in the way of an id
        ("POST", BIRDS, {"id": "indexes"}, 201, {"id": "indexes"}, None),
        ("PATCH", f"{BIRDS}/indexes", {"n": 9}, 200, {"id": "indexes"}, None),
        ("GET", f"{BIRDS}/indexes", None, 200, {**DOCUMENT, "id": "indexes", "n": 9}, None),
        ("DELETE", f"{BIRDS}/indexes", None, 204, None, None),
        ("POST", INDEXES, {"field": "n"}, 201, INDEX, None),
        ("GET", INDEXES, None, 200, [INDEX], None),
        ("DELETE", f"{INDEXES}?field=n", None, 204, None, None),
        ("GET", "/storage/ds", None, 200, [{"name": "birds", "docs": 3, "bytes": number}], None),
        ("POST", f"{BIRDS}/trim", {"keep": 2}, 200, 1, None),
        ("DELETE", f"{BIRDS}/tit", None, 204, None, None),
        ("DELETE", f"{BIRDS}/tit", None, 404, "NOT_FOUND", None),
        ("POST", f"{BIRDS}/delete", {"query": {}}, 200, 1, None),
    ],
    "s3": [
        ("PUT", f"{S3}/object?key=b/a.txt&mime=text/plain", b"hello", 201, PUT, None),
        ("GET", f"{S3}/object?key=b/a.txt", None, 200, b"hello", None),
        ("GET", f"{S3}?prefix=b", None, 200, [OBJECT], {"limit": 100, "next": None, "prefixes": []}),
        ("GET", f"{S3}?delimiter=/", None, 200, [], {"limit": 100, "next": None, "prefixes": ["b/"]}),
        ("DELETE", f"{S3}/object?key=b/a.txt", None, 204, None, None),
        ("DELETE", f"{S3}/object?key=b/a.txt", None, 204, None, None),
        ("GET", f"{S3}/object?key=b/a.txt", None, 404, "NOT_FOUND", None),
    ],
    "rd": [
        (
            "POST",
            f"{RD}/tables",
            {"table": "t", "columns": {"id": "INTEGER PRIMARY KEY", "name": "TEXT NOT NULL"}},
            201,
            {"name": "t", "columns": COLUMNS, "indexes": [], "rows": type(None)},
            None,
        ),
        (
            "POST",
            f"{RD}/query",
            {"sql": "insert into t (name) values ('x')"},
            200,
            {"changes": 1, "lastInsertId": 1},
            None,
        ),
        (
            "POST",
            f"{RD}/query",
            {"sql": "select name, ? as n from t", "params": [2]},
            200,
            [{"name": "x", "n": 2}],
            None,
        ),
        ("POST", f"{RD}/tables", {"table": "t", "columns": {"id": "TEXT"}}, 409, "SCHEMA_CONFLICT", None),
        ("POST", f"{RD}/query", {"sql": "delete from t"}, 200, {"changes": 1, "lastInsertId": None}, None),
        ("GET", RD, None, 200, [{"name": "t", "columns": COLUMNS, "indexes": [], "rows": 0}], None),
    ],
    "vector": [
        ("POST", VECTOR, {"name": "songs", "dimensions": 2, "metadata": {"a": 1}}, 201, SONGS, None),
        ("POST", VECTOR, {"name": "songs", "dimensions": 2}, 409, "CONFLICT", None),
        ("POST", f"{VECTOR}/songs/documents", {"documents": [{**SONG, "embedding": [3, 4]}]}, 201, ["s"], None),
        (
            "GET",
            f"{VECTOR}/songs/documents",
            None,
            200,
            [SONG],
            {"limit": 100, "offset": 0, "total": 1, "has_more": False},
        ),
        ("GET", f"{VECTOR}/songs/documents/s", None, 200, {**SONG, "embedding": list}, None),
        ("POST", f"{VECTOR}/songs/query", {"embedding": [0, 1]}, 200, [{**SONG, "score": float}], None),
        ("POST", f"{VECTOR}/songs/query", {"text": "x"}, 501, "AI_NO_KEY", None),
        ("GET", f"{VECTOR}/songs/count", None, 200, 1, None),
        ("DELETE", f"{VECTOR}/songs/clear", None, 204, None, None),
        ("GET", f"{VECTOR}/songs/documents/s", None, 404, "NOT_FOUND", None),
        ("DELETE", f"{VECTOR}/songs", None, 204, None, None),
        ("GET", VECTOR, None, 200, [], None),
    ],
    "batch": [
        (
            "POST",
            "/storage/batch",
            {"operations": [["kv.set", "k", 1], ["kv.incr", "k", 2], ["ds.delete", "birds", {}]], "once": "o"},
            200,
            [{"key": "k"}, 3, 0],
            None,
        ),
        ("POST", "/storage/batch", {"operations": [["kv.delete", "k"]], "once": "o"}, 409, "CONFLICT", None),
        (
            "POST",
            "/storage/batch",
            {"operations": [["kv.set", "x", 1], ["kv.incr", "y", "z"]]},
            400,
            "VALIDATION_FAILED",
            None,
        ),
        ("GET", "/storage/kv", None, 200, [{"key": "k", "value": 3}], {"limit": 100, "next": None}),
    ],
}


@pytest.mark.parametrize("way", ["straight", "around"])
@pytest.mark.parametrize("store", STORIES)
async def test_a_story(node: Running, store: str, way: str) -> None:
    """The same whichever way it takes."""
    for method, path, sent, status, data, meta in STORIES[store]:
        body = sent if sent is None or isinstance(sent, bytes) else json.dumps(sent).encode()
        answer = await straight(node, method, f"/api/apps/shop{path}", body, around=way == "around")
        assert answer.status == status, (method, path, answer.body)
        if status == 204 or isinstance(data, bytes):
            assert answer.body == (data or b"")
        elif status >= 400:
            assert (answer.code, set(answer.json)) == (data, {"error"})
        else:
            assert (set(answer.json), answer.json.get("meta")) == ({"data", "meta"} if meta else {"data"}, meta)
            assert fits(answer.data, data) is None, (path, fits(answer.data, data))


# --- who sees what ----------------------------------------------------------------------------------------------------

MARK = "only-the-shop-knows"
NOBODY = (400, 404)
PEEKS: list[tuple[str, str, Any]] = [
    *[("GET", f"/storage/kv/entry{escaped(key=key)}", None) for key in ("secret", "../shop/secret", "{shop}/secret")],
    ("GET", f"/storage/kv/entry{escaped(key='{shop}' + chr(0) + 'secret')}", None),
    ("GET", "/storage/kv", None),
    ("GET", "/storage/kv?user=anna", None),
    ("GET", "/storage/kv?after={shop}", None),
    ("GET", "/storage/ds", None),
    ("GET", "/storage/ds/secrets", None),
    ("GET", "/storage/ds/secrets?user=anna", None),
    ("GET", "/storage/ds/secrets/secret", None),
    ("GET", "/storage/ds/..%2f..%2f..%2fshop%2fstorage%2fds", None),
    ("PATCH", "/storage/ds/secrets/secret", {"n": 1}),
    ("DELETE", "/storage/ds/secrets/secret", None),
    *[
        ("POST", f"/storage/ds/secrets/{verb}", {"query": query, **more})
        for verb, more in {
            "query": {},
            "count": {},
            "explain": {},
            "delete": {},
            "update": {"changes": {"n": 9}},
        }.items()
        for query in (
            {"app_id": "{shop}"},
            {"app_id": {"$ne": "x"}, "user_id": {"$exists": True}},
            {"user_id": "anna"},
            {"$or": [{"id": "secret"}, {"id": {"$in": ["secret"]}}, {"app_id": "{shop}"}]},
            {"data": {"$contains": MARK}},
            {"text": {"$contains": ""}},
        )
    ],
    ("POST", "/storage/ds/secrets/query", {"sort": {"app_id": 1, "user_id": -1}}),
    ("POST", "/storage/ds/secrets/aggregate", {"count": True, "max": "text", "groupBy": "app_id"}),
    *[
        ("GET", f"/storage/s3/object{escaped(key=key)}", None)
        for key in ("secret", "../{shop}/secret", "{shop}/secret")
    ],
    ("GET", "/storage/s3", None),
    ("GET", "/storage/rd", None),
    *[
        ("POST", "/storage/rd/query", {"sql": sql})
        for sql in (
            "select * from secrets",
            "select * from rd_{shop}_secrets",
            'select * from "rd_{shop}_secrets"',
            "select * from app_kv",
            "select * from main.app_docs",
            "select * from sqlite_master",
            "delete from rd_{shop}_secrets",
        )
    ],
    ("GET", "/vector/collections", None),
    ("GET", "/vector/collections/secrets/documents", None),
    ("POST", "/vector/collections/secrets/query", {"embedding": [1, 0]}),
    ("GET", "/vector/collections/secrets/export", None),
    ("POST", "/storage/batch", {"operations": [["ds.update", "secrets", {"app_id": "{shop}"}, {"n": 9}]]}),
]


async def keep_secrets(node: Running) -> str:
    """In every store of the shop, and of one of its people; beside it an app that has none."""
    await node.run("apps.create", slug="other")
    shop = (await ask(node, "GET", "")).data["id"]
    for more in ("", "?user=anna"):
        assert (await ask(node, "POST", f"/storage/ds/secrets{more}", {"id": "secret", "text": MARK})).status == 201
    for person in ({}, {"user": "anna"}):
        assert (await ask(node, "POST", "/storage/kv", {"key": "secret", "value": MARK, **person})).status == 201
    await put_object(node, "shop", "secret", MARK.encode(), "text/plain")
    await ask(node, "POST", f"{RD}/tables", {"table": "secrets", "columns": {"text": "TEXT"}})
    await ask(node, "POST", f"{RD}/query", {"sql": "insert into secrets values (?)", "params": [MARK]})
    await ask(node, "POST", VECTOR, {"name": "secrets", "dimensions": 2})
    known = {"pageContent": MARK, "embedding": [1, 0]}
    assert (await ask(node, "POST", f"{VECTOR}/secrets/documents", {"documents": [known]})).status == 201
    return str(shop)


async def test_another_app_sees_and_changes_nothing(node: Running) -> None:
    shop = await keep_secrets(node)
    for path in ("/storage/kv/entry?key=secret", "/storage/ds/secrets", f"{S3}/object?key=secret"):
        assert MARK in (await ask(node, "GET", path)).body.decode(), "or the test finds nothing anywhere"
    before = node.content()
    for method, path, sent in PEEKS:
        body = None if sent is None else json.dumps(sent).replace("{shop}", shop).encode()
        answer = await ask(node, method, path.replace("{shop}", shop), body, app="other")
        assert MARK not in answer.body.decode().replace(json.dumps(sent or ""), ""), (path, sent)
        if answer.status == 200 and answer.body:
            assert _empty(answer), (path, sent, answer.body)
        else:
            assert answer.status in NOBODY, (path, sent, answer.body)
    assert node.content() == before


def _empty(answer: Answer) -> bool:
    if not answer.body.startswith(b"{"):
        return False
    data = answer.data
    return not data or data == [0] or (isinstance(data, dict) and data.get("docs") == 0)


async def test_rows_of_one_person_are_not_the_apps(node: Running) -> None:
    await ask(node, "POST", "/storage/kv", {"key": "k", "value": 1, "user": "anna"})
    await ask(node, "POST", f"{BIRDS}?user=anna", {"id": "a"})
    for user, there in (("", False), ("anna", True), ("ben", False)):
        more = f"user={user}" if user else ""
        assert ((await ask(node, "GET", f"/storage/kv/entry?key=k&{more}")).status == 200) == there
        assert len((await ask(node, "GET", f"{BIRDS}?{more}")).data) == there


async def test_fields_that_sound_like_ours_are_fields(node: Running) -> None:
    await node.run("apps.create", slug="other")
    odd = {"app_id": "app_000000000000", "user_id": "anna", "__proto__": {"admin": True}, "seq": 1, "constructor": 2}
    assert (await ask(node, "POST", BIRDS, {"id": "x", **odd}, app="other")).status == 201
    assert (await ask(node, "GET", BIRDS)).data == []
    assert (await ask(node, "GET", f"{BIRDS}?user=anna", app="other")).data == []
    found = (await ask(node, "POST", f"{BIRDS}/query", {"query": {"__proto__": {"admin": True}}}, app="other")).data
    assert fits(found, [{**DOCUMENT, **odd}]) is None
    assert (await ask(node, "POST", f"{BIRDS}/query", {"query": {"admin": True}}, app="other")).data == []


# --- how much ---------------------------------------------------------------------------------------------------------


async def test_what_just_fits_and_what_just_does_not(node: Running) -> None:
    def doc(size: int) -> dict[str, Any]:
        return {"t": "x" * (size - len('{"t":""}'))}

    deep = "[" * 98 + "]" * 98
    limits: list[tuple[str, str, Any, Any]] = [
        ("POST", BIRDS, doc(MEBI), doc(MEBI + 1)),
        ("POST", "/storage/kv", {"key": "é" * 256, "value": 1}, {"key": "é" * 256 + "x", "value": 1}),
        ("POST", "/storage/kv", {"key": "v", "value": "x" * (MEBI - 2)}, {"key": "v", "value": "x" * (MEBI - 1)}),
        (
            "POST",
            f"{BIRDS}/count",
            {"query": {"a": {"$in": [*range(1000)]}}},
            {"query": {"a": {"$in": [*range(1001)]}}},
        ),
        ("POST", BIRDS, f'{{"a":{deep}}}'.encode(), f'{{"a":[[[{deep}]]]}}'.encode()),
        ("POST", BIRDS, {"id": "x" * 512}, {"id": "x" * 513}),
        ("POST", "/storage/ds/" + "c" * 64, {}, None),
    ]
    for method, path, fits_in, too_much in limits:
        answer = await ask(node, method, path, fits_in)
        assert answer.status in (200, 201), answer.body[:300]
        before = node.content()
        answer = await ask(node, method, path if too_much else path + "c", too_much or {})
        assert (answer.status, answer.code in ("LIMIT_EXCEEDED", "VALIDATION_FAILED")) == (400, True), answer.body[:300]
        assert node.content() == before
    for key, status in (("k" * 1024, 201), ("é" * 512, 201), ("k" * 1025, 400), ("é" * 512 + "k", 400)):
        assert (await ask(node, "PUT", f"{S3}/object{escaped(key=key)}", b"x")).status == status


# --- what somebody stored is never run --------------------------------------------------------------------------------

ACTIVE = [
    "text/html",
    "text/html; charset=utf-8",
    "image/svg+xml",
    "application/xhtml+xml",
    "text/xml",
    "text/javascript",
]


@pytest.mark.parametrize("mime", ACTIVE)
@pytest.mark.parametrize("said", ["header", "query"])
async def test_stored_pages_are_saved_not_shown(node: Running, mime: str, said: str) -> None:
    page = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    path = f"{S3}/object{escaped(key='a.html', **({'mime': mime} if said == 'query' else {}))}"
    made = await ask(node, "PUT", path, page, headers={"Content-Type": mime if said == "header" else "text/plain"})
    assert (made.status, made.data["mime"]) == (201, mime)
    for how in ({"key": "*"}, {"key": None, "cookie": await node.sign_in()}):
        found = await ask(node, "GET", f"{S3}/object?key=a.html", **how)
        assert (found.status, found.body, found.headers["Content-Type"]) == (200, page, mime)
        assert found.headers["Content-Disposition"].startswith("attachment")
        assert found.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in found.headers["Content-Security-Policy"]
        assert "default-src 'none'" in found.headers["Content-Security-Policy"]
