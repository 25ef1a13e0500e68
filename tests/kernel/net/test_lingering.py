"""Pages that are still open ask for the chunks they came with, a day long."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.fs.edition import GRACE
from kernel.net.lookup import may_linger
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


async def test_what_was_deleted_is_gone_at_once_whatever_it_was_called(running: Running) -> None:
    names = ("js/firebase-config.js", "js/settings.js", "assets/admin-settings.js", "app-SETTINGS.css", "secrets.mjs")
    await deploy(running, "blog", {"index.html": b"1", **dict.fromkeys(names, b"secret")})
    for name in names:
        assert (await get(running, f"/{name}")).status == 200
    await deploy(running, "blog", {"index.html": b"1"})
    for name in names:
        assert (await twice(running, f"/{name}")).status == 404, name


async def test_what_needs_permission_needs_it_after_its_release_too(running: Running) -> None:
    path = "private/assets/late-BbB_3p-W.js"
    await deploy(running, "blog", {"index.html": b"old", path: b"private"})
    await deploy(running, "blog", {"index.html": b"new"})
    assert (await twice(running, f"/{path}")).status == 401
    allowed = await running.ask("GET", f"/{path}", host=f"blog.{running.site.domain}", key="read")
    assert (allowed.status, allowed.body) == (200, b"private")
    assert "private" in allowed.headers["Cache-Control"]
    assert (await twice(running, f"/{path}")).status == 401
    # a rule cannot lead past it
    rules = f"/open /{path} 200\n".encode()
    await deploy(running, "blog", {"index.html": b"new", "_redirects": rules})
    assert (await get(running, "/open")).status in (401, 404)


def test_a_hash_of_digits_alone_lingers_too() -> None:
    """One in a hundred hashes of ten hexadecimal digits has no letter in it."""
    assert may_linger("assets/app-1215308868.js")
    assert not may_linger("js/20231215.js")
