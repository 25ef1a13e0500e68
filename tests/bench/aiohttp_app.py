"""The rival of the runtime: a plain aiohttp application on uvloop that answers JSON. Its first line is its port."""

from __future__ import annotations

import json
import socket

import uvloop
from aiohttp import web

VALUE = {"hello": "world", "list": [1, 2, 3], "nested": {"ok": True}}


async def answer(request: web.Request) -> web.Response:
    return web.Response(body=json.dumps(VALUE, separators=(",", ":")).encode(), content_type="application/json")


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    app = web.Application()
    app.router.add_get("/api", answer)
    uvloop.install()
    web.run_app(app, sock=listening, print=None, access_log=None)


if __name__ == "__main__":
    main()
