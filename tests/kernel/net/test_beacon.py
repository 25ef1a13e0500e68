"""A page is sent as it is, unless its app wants its views told by a script."""

from __future__ import annotations

import json
from pathlib import Path

from tests.kernel.fs.site import deploy, get, twice
from tests.support import running

PAGE = b"<!doctype html><body><p>hello</p></body>"
SCRIPT = b'<script src="/_fazt/beacon.js" defer></script>'


async def test_nothing_is_added_unless_the_app_says_so(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        await deploy(node, "blog", {"index.html": PAGE})
        assert (await get(node, "/")).body == PAGE


async def test_the_script_stands_before_the_end_of_the_page(tmp_path: Path) -> None:
    said = json.dumps({"analytics": {"beacon": True}}).encode()
    async with running(tmp_path / "data.db") as node:
        await deploy(node, "blog", {"index.html": PAGE, "bare.html": b"<p>x", "a.txt": b"</body>", "app.json": said})
        answer = await twice(node, "/")
        assert answer.body == PAGE.replace(b"</body>", SCRIPT + b"</body>")
        assert (await get(node, "/bare")).body == b"<p>x" + SCRIPT
        assert (await get(node, "/a.txt")).body == b"</body>"
        tag = answer.headers["ETag"]
        assert tag.endswith('-beacon"')
        assert (await get(node, "/", headers={"If-None-Match": tag})).status == 304
        # of a page that is not the file there are no parts
        assert (await get(node, "/", headers={"Range": "bytes=0-1"})).status == 200
        script = await get(node, "/_fazt/beacon.js")
        assert (script.status, script.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
