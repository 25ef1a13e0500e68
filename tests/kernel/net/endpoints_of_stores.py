"""Every endpoint of the stores of an app."""

from __future__ import annotations

from typing import Any

from kernel.syscall.call import LOCAL
from tests.kernel.net.endpoint import PAGE, Endpoint, endpoint, maybe_number, maybe_text, number, text
from tests.support import Running

STORAGE, VECTORS = "/api/apps/{app}/storage", "/api/apps/{app}/vector/collections"
DS, BIRDS = f"{STORAGE}/ds/{{collection}}", f"{STORAGE}/ds/birds"
INDEXES = f"{STORAGE}/ds-indexes"
DOCUMENT = {"kind": "bird", "name": "wren", "n": 3, "id": "wren", "_createdAt": number, "_updatedAt": number}
INDEX = {
    "collection": "birds",
    "field": text,
    "state": text,
    "origin": "by-hand",
    "done": maybe_number,
    "docs": maybe_number,
}
OBJECT = {
    "key": "a.txt",
    "path": "a.txt",
    "mime": "text/plain",
    "size": 5,
    "updatedAt": number,
    "cid": text,
    "hash": text,
}
TABLE = {"name": "birds", "columns": [{"name": text, "type": text}], "indexes": list, "rows": maybe_number}
COLLECTION = {"name": text, "documentCount": number, "dimensions": 2, "embeddingModel": maybe_text, "metadata": dict}
STORED = {"id": text, "pageContent": text, "metadata": dict}
MOVING = {"place": "internal", "target": maybe_text, "done": 0, "total": 0, "bytes": 0, "error": maybe_text}

KV, ENTRY, LISTED = ("GET", "POST", "DELETE"), ("GET", "PATCH", "DELETE"), ("GET", "POST")
# a word behind a collection is also the id of a document
BESIDE = (*ENTRY, "POST")


def of_birds(route: str, shape: Any = None, **how: Any) -> Endpoint:
    method, _, path = route.partition(" ")
    made = how.pop("path", path)
    return endpoint(f"{method} {DS}{path}", "admin", shape, path=f"{BIRDS}{made}", **how)


def of_vectors(route: str, shape: Any = None, **how: Any) -> Endpoint:
    method, _, path = route.partition(" ")
    made = how.pop("path", path).replace("{name}", "songs")
    return endpoint(f"{method} {VECTORS}{path}", "admin", shape, path=f"{VECTORS}{made}", **how)


ENDPOINTS_OF_STORES = (
    endpoint(
        "GET /api/apps/{app}/storage/kv/entry",
        "admin",
        {"key": "a", "value": {"n": 1}},
        path="/api/apps/{app}/storage/kv/entry?key=a",
    ),
    endpoint(
        "POST /api/apps/{app}/storage/kv",
        "admin",
        {"key": "b"},
        body={"key": "b", "value": [1, None]},
        status=201,
        writes=True,
        methods=KV,
    ),
    endpoint(
        "DELETE /api/apps/{app}/storage/kv",
        "admin",
        path="/api/apps/{app}/storage/kv?key=a",
        status=204,
        writes=True,
        methods=KV,
    ),
    endpoint(
        "GET /api/apps/{app}/storage/kv",
        "admin",
        [{"key": "a", "value": {"n": 1}}],
        meta={"limit", "next"},
        methods=KV,
    ),
    endpoint(f"POST {STORAGE}/kv/incr", "admin", 2, body={"key": "n", "by": 2}, writes=True),
    endpoint(f"POST {STORAGE}/kv/cas", "admin", True, body={"key": "a", "expected": {"n": 1}, "value": 2}, writes=True),
    endpoint(f"GET {STORAGE}/ds", "admin", [{"name": "birds", "docs": 1, "bytes": number}]),
    of_birds("GET ", [DOCUMENT], meta={"total", "limit", "offset"}, methods=LISTED),
    of_birds(
        "POST ", {"id": "robin"}, status=201, body={"id": "robin", "n": 1}, whole=True, writes=True, methods=LISTED
    ),
    of_birds("GET /{id}", DOCUMENT, path="/wren", methods=ENTRY),
    of_birds("PATCH /{id}", {"id": "wren"}, path="/wren", body={"n": 4}, whole=True, writes=True, methods=ENTRY),
    of_birds("DELETE /{id}", path="/wren", status=204, writes=True, methods=ENTRY),
    of_birds("POST /query", [DOCUMENT], body={"query": {"n": 3}}, meta={"total", "limit", "offset"}, methods=BESIDE),
    of_birds("POST /count", 1, body={"query": {"n": {"$gt": 2}}}, methods=BESIDE),
    of_birds("POST /aggregate", {"count": 1, "sum": 3}, body={"count": True, "sum": "n"}, whole=True, methods=BESIDE),
    of_birds("POST /update", 1, body={"query": {"n": 3}, "changes": {"n": 4}}, writes=True, methods=BESIDE),
    of_birds("POST /delete", 1, body={"query": {"n": 3}}, writes=True, methods=BESIDE),
    of_birds("POST /trim", 1, body={"keep": 0}, writes=True, methods=BESIDE),
    of_birds(
        "POST /explain",
        {
            "answer": text,
            "docs": 1,
            "used": [],
            "indexes": [INDEX],
            "asked": [],
            "plan": list,
            "hint": "fazt ds index add birds n",
        },
        body={"query": {"n": 3}},
        methods=BESIDE,
    ),
    endpoint(f"GET {INDEXES}/{{collection}}", "admin", [INDEX], path=f"{INDEXES}/birds", methods=KV),
    endpoint(
        f"POST {INDEXES}/{{collection}}",
        "admin",
        {**INDEX, "field": "name"},
        path=f"{INDEXES}/birds",
        body={"field": "name"},
        status=201,
        writes=True,
        methods=KV,
    ),
    endpoint(
        f"DELETE {INDEXES}/{{collection}}",
        "admin",
        path=f"{INDEXES}/birds?field=kind",
        status=204,
        writes=True,
        methods=KV,
    ),
    endpoint(f"GET {STORAGE}/s3", "admin", [OBJECT], meta={"limit", "next", "prefixes"}),
    endpoint(
        f"GET {STORAGE}/s3/object", "admin", path=f"{STORAGE}/s3/object?key=a.txt", methods=("GET", "PUT", "DELETE")
    ),
    endpoint(
        f"PUT {STORAGE}/s3/object",
        "admin",
        {"key": "b", "size": 3, "mime": "image/png", "cid": text},
        path=f"{STORAGE}/s3/object?key=b",
        raw=b"new",
        headers={"Content-Type": "image/png"},
        status=201,
        writes=True,
        methods=("GET", "PUT", "DELETE"),
    ),
    endpoint(
        f"DELETE {STORAGE}/s3/object",
        "admin",
        path=f"{STORAGE}/s3/object?key=a.txt",
        status=204,
        writes=True,
        methods=("GET", "PUT", "DELETE"),
    ),
    endpoint(f"GET {STORAGE}/move", "admin", MOVING, methods=LISTED),
    endpoint(
        f"POST {STORAGE}/move",
        "admin",
        {**MOVING, "target": "s3://bucket/shop"},
        body={"to": "s3://bucket/shop"},
        status=202,
        writes=True,
        methods=LISTED,
    ),
    endpoint(f"GET {STORAGE}/rd", "admin", [{**TABLE, "rows": 1}]),
    endpoint(
        f"POST {STORAGE}/rd/query",
        "admin",
        {"changes": 1, "lastInsertId": 2},
        body={"sql": "insert into birds (name) values (?)", "params": ["robin"]},
        writes=True,
    ),
    endpoint(
        f"POST {STORAGE}/rd/tables",
        "admin",
        {**TABLE, "name": "nests", "indexes": []},
        body={"table": "nests", "columns": {"at": "TEXT"}},
        status=201,
        writes=True,
    ),
    endpoint(
        f"POST {STORAGE}/rd/indexes",
        "admin",
        {**TABLE, "indexes": [{"columns": ["name"], "unique": False}]},
        body={"table": "birds", "columns": ["name"]},
        status=201,
        writes=True,
    ),
    of_vectors("GET ", [{**COLLECTION, "name": "songs"}], methods=LISTED),
    of_vectors(
        "POST ",
        {**COLLECTION, "name": "calls", "documentCount": 0},
        body={"name": "calls", "dimensions": 2},
        status=201,
        writes=True,
        methods=LISTED,
    ),
    of_vectors("GET /{name}", COLLECTION, methods=ENTRY),
    of_vectors("PATCH /{name}", body={"metadata": {"a": 1}}, status=204, writes=True, methods=ENTRY),
    of_vectors("DELETE /{name}", status=204, writes=True, methods=ENTRY),
    of_vectors("DELETE /{name}/clear", status=204, writes=True),
    of_vectors("GET /{name}/count", 1),
    of_vectors("GET /{name}/documents", [STORED], meta=PAGE, methods=LISTED),
    of_vectors(
        "POST /{name}/documents",
        ["robin"],
        body={"documents": [{"id": "robin", "pageContent": "r", "embedding": [0, 1]}]},
        status=201,
        writes=True,
        methods=LISTED,
    ),
    of_vectors(
        "GET /{name}/documents/{id}",
        {**STORED, "embedding": [1.0, 0.0]},
        path="/{name}/documents/wren",
        methods=("GET", "DELETE"),
    ),
    of_vectors(
        "DELETE /{name}/documents/{id}",
        path="/{name}/documents/wren",
        status=204,
        writes=True,
        methods=("GET", "DELETE"),
    ),
    of_vectors("POST /{name}/query", [{**STORED, "score": 1.0}], body={"embedding": [2, 0]}),
    of_vectors(
        "POST /{name}/import",
        {"imported": 1},
        raw=b'{"id":"robin","pageContent":"r","embedding":[0,1]}\n',
        status=201,
        writes=True,
    ),
    of_vectors("GET /{name}/export"),
    endpoint(
        f"POST {STORAGE}/batch",
        "admin",
        [{"key": "b"}, 1],
        body={"operations": [["kv.set", "b", 1], ["kv.incr", "n"]]},
        writes=True,
    ),
    endpoint(
        f"GET {STORAGE}",
        "admin",
        {"bytes": number, "limit": number, "kinds": [{"kind": text, "rows": number, "bytes": number}]},
    ),
)


async def furnish_stores(running: Running) -> None:
    """One thing in each store of the app `shop`."""

    async def made(name: str, /, **values: Any) -> None:
        await running.run(f"storage.{name}", app="shop", **values)

    await made("kv.set", key="a", value={"n": 1})
    await made("ds.create", collection="birds", doc={"id": "wren", "kind": "bird", "name": "wren", "n": 3})
    await made("ds.indexes.add", collection="birds", field="kind")
    await put_object(running, "shop", "a.txt", b"hello", "text/plain")
    await made("rd.define", table="birds", columns={"id": "INTEGER PRIMARY KEY", "name": "TEXT"})
    await made("rd.query", sql="insert into birds (name) values ('wren')")
    # nobody answers there: a move is accepted, and waits
    for name, value in (("endpoint", "http://127.0.0.1:9"), ("access_key", "key"), ("secret_key", "secret")):
        await running.run("config.set", name=f"s3.{name}", value=value)
    await made("vector.createCollection", name="songs", dimensions=2)
    wren = {"id": "wren", "pageContent": "a wren sings", "metadata": {"loud": True}, "embedding": [1, 0]}
    await made("vector.addDocuments", name="songs", documents=[wren])


async def put_object(running: Running, app: str, key: str, data: bytes, mime: str) -> None:
    """As the owner on this machine."""
    entry = running.node.registry["storage.s3.put"]
    call = running.node.caller.call(entry, LOCAL, "cli", app)
    await running.node.driver.invoke(entry, call, {"key": key, "mime": mime}, raw=data)
