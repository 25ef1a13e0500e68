"""The rival of the stores: a plain aiohttp application on uvloop with sqlite3. Its first line is its port.

`python -m tests.bench.sqlite_app FILE`. It does with a collection what the HTTP API of a node does: makes a document
(each in a transaction of its own that is on the disk before the answer), gives one, a page of them, and changes one.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import sys
import time
import uuid
from typing import Any

import uvloop
from aiohttp import web

SCHEMA = """
create table docs (seq integer primary key autoincrement, collection text not null, id text not null,
  data text not null, created_at integer not null, updated_at integer not null, unique (collection, id));
create index docs_newest on docs (collection);
"""
INSERT = "insert into docs (collection, id, data, created_at, updated_at) values (?, ?, ?, ?, ?)"


class Docs:
    def __init__(self, path: str) -> None:
        self.file = sqlite3.connect(path, isolation_level=None)
        for line in ("pragma page_size = 8192", "pragma journal_mode = wal", "pragma synchronous = full"):
            self.file.execute(line)
        self.file.executescript(SCHEMA)

    async def create(self, request: web.Request) -> web.Response:
        said = await request.json()
        now = int(time.time() * 1000)
        docs = said if isinstance(said, list) else [said]
        rows = []
        for doc in docs:
            id = str(doc.pop("id", None) or uuid.uuid4())
            rows.append((request.match_info["name"], id, json.dumps(doc, separators=(",", ":")), now, now))
        self.file.execute("begin immediate")
        self.file.executemany(INSERT, rows)
        self.file.execute("commit")
        ids = [row[1] for row in rows]
        return answer({"data": {"ids": ids} if isinstance(said, list) else {"id": ids[0]}}, 201)

    async def one(self, request: web.Request) -> web.Response:
        where = "select id, data, created_at, updated_at from docs where collection = ? and id = ?"
        row = self.file.execute(where, (request.match_info["name"], request.match_info["id"])).fetchone()
        return answer({"data": shown(row)}) if row else answer({"error": "not found"}, 404)

    async def page(self, request: web.Request) -> web.Response:
        name, limit = request.match_info["name"], int(request.query.get("limit", "100"))
        page = "select id, data, created_at, updated_at from docs where collection = ? order by seq desc limit ?"
        found = [shown(row) for row in self.file.execute(page, (name, limit))]
        meta: dict[str, Any] = {"limit": limit, "offset": 0}
        if request.query.get("total") != "false":
            [meta["total"]] = self.file.execute("select count(*) from docs where collection = ?", (name,)).fetchone()
        return answer({"data": found, "meta": meta})

    async def change(self, request: web.Request) -> web.Response:
        changes, name, id = await request.json(), request.match_info["name"], request.match_info["id"]
        self.file.execute("begin immediate")
        patch = "update docs set data = json_patch(data, ?), updated_at = ? where collection = ? and id = ?"
        done = self.file.execute(patch, (json.dumps(changes), int(time.time() * 1000), name, id)).rowcount
        self.file.execute("commit")
        return answer({"data": {"matched": done}})


def shown(row: tuple[str, str, int, int]) -> dict[str, Any]:
    id, data, created, updated = row
    return {"id": id, **json.loads(data), "_createdAt": created, "_updatedAt": updated}


def answer(value: Any, status: int = 200) -> web.Response:
    body = json.dumps(value, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, content_type="application/json")


def main() -> None:
    docs = Docs(sys.argv[1])
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/api/{name}", docs.create)
    app.router.add_get("/api/{name}", docs.page)
    app.router.add_get("/api/{name}/{id}", docs.one)
    app.router.add_patch("/api/{name}/{id}", docs.change)
    uvloop.install()
    web.run_app(app, sock=listening, print=None, access_log=None)


if __name__ == "__main__":
    main()
