"""Pages that are still open ask for the chunks they came with, a day long."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.fs.edition import GRACE
from tests.kernel.fs.site import deploy, get, twice
from tests.support import Running

OLD = {
    "index.html": b"old",
    "assets/late-BbB_3p-W.js": b"chunk",  # the alphabet of builders has - and _
    "chunk-A2BCDEFG.js": b"at the top",
    "assets/report.pdf": b"taken back",
    "about.html": b"taken back",
}
CHUNKS = {f"/{path}": OLD[path] for path in ("assets/late-BbB_3p-W.js", "chunk-A2BCDEFG.js")}
REWRITE = {"_redirects": b"/* /index.html 200\n"}


@pytest.mark.parametrize(("rules", "said"), [({}, {}), ({}, {"spa": True}), (REWRITE, {})])
async def test_a_chunk_of_the_release_before_comes_before_any_fallback(
    running: Running, rules: dict[str, bytes], said: Any
) -> None:
    await deploy(running, "blog", {**OLD, **rules}, **said)
    await deploy(running, "blog", {"index.html": b"new", **rules}, **said)
    for path, data in CHUNKS.items():
        answer = await twice(running, path)
        assert (answer.status, answer.body) == (200, data), path
    assert (await get(running, "/assets/report.pdf")).body != b"taken back"
    assert (await get(running, "/about")).body != b"taken back"
    running.clock.advance(GRACE // 1000 + 1)
    for path, data in CHUNKS.items():
        assert (await twice(running, path)).body != data, path


async def test_a_file_of_the_live_release_comes_first(running: Running) -> None:
    await deploy(running, "blog", OLD)
    await deploy(running, "blog", {"index.html": b"new", "chunk-A2BCDEFG.js": b"new"})
    assert (await get(running, "/chunk-A2BCDEFG.js")).body == b"new"


async def test_chunks_are_those_of_the_app_alone(running: Running) -> None:
    await deploy(running, "blog", OLD)
    await deploy(running, "blog", {"index.html": b"new"})
    await deploy(running, "other", {"index.html": b"other"})
    assert (await get(running, "/chunk-A2BCDEFG.js", host="other")).status == 404
