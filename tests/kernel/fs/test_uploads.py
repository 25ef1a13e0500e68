"""Content that is kept by its id alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kernel.fs import cid
from tests.kernel.fs.site import frame, listing, send
from tests.support import Running, running

FILES = {"a.txt": b"hello", "sub/b.html": b"<p>b</p>"}


async def upload(node: Running, files: dict[str, bytes], folder: bool = True, key: str = "admin") -> Any:
    return await node.ask(
        "POST", "/api/system/uploads", key=key, raw=json.dumps({"files": listing(files), "folder": folder}).encode()
    )


async def kept(node: Running, files: dict[str, bytes], folder: bool = True) -> str:
    first = (await upload(node, files, folder)).data
    assert first["cid"] is None and first["missing"]
    await send(node, *(frame(data) for data in files.values()), key="admin")
    return str((await upload(node, files, folder)).data["cid"])


async def shown(node: Running, path: str, host: str | None = None) -> Any:
    return await node.ask("GET", f"/ipfs/{path}", host=host or node.site.domain)


async def test_a_folder_is_found_by_its_id_until_it_is_taken_back(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        id = await kept(node, FILES)
        assert id == cid.folders({path: (cid.cid_of(data), len(data)) for path, data in FILES.items()})[""]
        assert (await shown(node, f"{id}/a.txt")).body == b"hello"
        assert b"sub/" in (await shown(node, f"{id}/")).body
        assert (await shown(node, f"{id}/sub/b.html")).headers["Content-Security-Policy"] == "sandbox"
        [row] = (await node.ask("GET", "/api/system/uploads", key="read")).data
        assert (row["cid"], row["files"], row["folder"]) == (id, 2, True)
        assert (await node.ask("DELETE", f"/api/system/uploads/{id}", key="admin")).status == 204
        assert (await shown(node, f"{id}/a.txt")).status == 404
        assert (await node.ask("DELETE", f"/api/system/uploads/{id}", key="admin")).status == 404


async def test_a_file_is_kept_through_a_collection(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        id = await kept(node, {"a.txt": b"hello"}, folder=False)
        assert id == cid.cid_of(b"hello")
        node.clock.advance(40 * 24 * 3600)
        await node.run("storage.gc")
        answer = await shown(node, id)
        assert (answer.body, answer.headers["Content-Type"]) == (b"hello", "text/plain; charset=utf-8")
        await node.run("uploads.delete", cid=id)
        node.clock.advance(2 * 24 * 3600)
        assert (await node.run("storage.gc")).blobs == 1
        assert (await shown(node, id)).status == 404


async def test_who_may_not_and_what_is_none(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        before = node.content()
        for key, status in ((None, 401), ("read", 403), ("deploy", 403)):
            answer = await node.ask("POST", "/api/system/uploads", key=key, raw=b"{}")
            assert answer.status == status
        for body in (
            b"",
            b"[]",
            b'{"files":[]}',
            b'{"files":[["a","x",1]]}',
            b'{"files":[["../a","' + b"0" * 64 + b'",1]]}',
        ):
            assert (await node.ask("POST", "/api/system/uploads", key="admin", raw=body)).status == 400
        assert (await upload(node, FILES, folder=False)).status == 400
        after = node.content()
        assert {name: rows for name, rows in after.items() if name != "api_keys"} == {
            name: rows for name, rows in before.items() if name != "api_keys"
        }
