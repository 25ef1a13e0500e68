"""Private apps and folders: until people exist a key is the only way in, and no cache keeps what it opened."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.fs.site import CHUNK, Wire, deploy, get
from tests.support import Running

SITE = {
    "index.html": b"open page",
    "private/index.html": b"secret page",
    "private/a.txt": b"secret text" * 50,
    "private/big.bin": b"secret!!" * 100_000,
    "private/assets/app-Bd3fGh12.js": b"secret code",
    "404.html": b"missing page",
    "private.html": b"an open page beside it",
}
INSIDE = [
    "/private/",
    "/private/index.html",
    "/private/index",
    "/private/a.txt",
    "/private/big.bin",
    "/private/assets/app-Bd3fGh12.js",
]
TRICKS = [
    "/private/nothing",
    "/%70rivate/a.txt",
    "/private%2Fa.txt",
    "/x/../private/a.txt",
    "//private/a.txt",
    "/./private/./a.txt",
    "/private//a.txt",
    "/private/x/../a.txt",
    "/private/a",
]


def closed(answer: Any) -> None:
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    assert b"secret" not in answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "ETag" not in answer.headers and "Last-Modified" not in answer.headers


@pytest.fixture
async def blog(running: Running) -> Running:
    await deploy(running, "blog", SITE)
    return running


@pytest.mark.parametrize("path", [*INSIDE, *TRICKS])
async def test_a_private_folder_is_closed(blog: Running, path: str) -> None:
    closed(await get(blog, path))
    head = await get(blog, path, method="HEAD")
    assert (head.status, head.body) == (401, b"")
    ranged = await get(blog, path, headers={"Range": "bytes=0-1", "If-None-Match": "*"})
    assert ranged.status == 401


@pytest.mark.parametrize("key", ["*", "read", "admin", "deploy"])
async def test_a_key_opens_it_and_no_cache_keeps_it(blog: Running, key: str) -> None:
    for path in INSIDE:
        answer = await get(blog, path, key=key)
        assert answer.status == 200 and answer.body.startswith(b"secret")
        assert answer.headers["Cache-Control"] == "private, no-cache", "also of what has its hash in its name"
        part = await get(blog, path, key=key, headers={"Range": "bytes=0-5"})
        assert (part.status, part.body, part.headers["Cache-Control"]) == (206, b"secret", "private, no-cache")
    assert len(blog.server.gate.front) == 0
    for path in INSIDE:
        closed(await get(blog, path))


async def test_the_door_never_gives_away_what_a_key_opened(blog: Running) -> None:
    """By turns over one connection, with and without the key."""
    secret = await blog.key("read")
    async with Wire(blog) as wire:
        for path in ("/private/a.txt", "/private/", "/private/big.bin"):
            for _ in range(3):
                opened = await wire.ask(path, Authorization=f"Bearer {secret}")
                assert (opened.status, opened.body[:6]) == (200, b"secret")
                assert (await wire.ask(path)).status == 401
        assert (await wire.ask("/")).body == b"open page"


async def test_the_header_rules_of_a_site_do_not_open_it(running: Running) -> None:
    rules = b"/*\n  Cache-Control: public, max-age=9999\n"
    await deploy(running, "blog", {**SITE, "_headers": rules})
    answer = await get(running, "/private/a.txt", key="read")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    closed(await get(running, "/private/a.txt"))


async def test_the_rewrites_of_a_site_do_not_open_it(running: Running) -> None:
    rules = b"/door /private/a.txt 200\n/all/* /private/:splat 200\n/go /private/a.txt 301\n"
    await deploy(running, "blog", {**SITE, "_redirects": rules})
    for path in ("/door", "/all/a.txt", "/all/"):
        closed(await get(running, path))
        assert (await get(running, path, key="read")).headers["Cache-Control"] == "private, no-cache"
    assert (await get(running, "/go")).headers["Location"] == "/private/a.txt"


async def test_another_case_or_name_is_another_folder(blog: Running) -> None:
    assert (await get(blog, "/private.html")).status == 200
    assert (await get(blog, "/Private/a.txt")).status == 404


@pytest.mark.parametrize("visibility", ["private", "internal", "vpn-only"])
async def test_a_private_app_is_closed_from_its_first_byte_to_its_last(blog: Running, visibility: str) -> None:
    assert (await get(blog, "/")).status == 200
    await blog.run("apps.update", app="blog", visibility=visibility)
    for path in ("/", "/index.html", "/nothing", "/private/a.txt", "/docs", "/private"):
        closed(await get(blog, path))
    assert (await get(blog, "/", method="POST")).status in (401, 405)
    page = await get(blog, "/", key="read")
    assert (page.body, page.headers["Cache-Control"]) == (b"open page", "private, no-cache")
    missing = await get(blog, "/nothing", key="read")
    assert (missing.status, missing.headers["Cache-Control"]) == (404, "private, no-cache")
    assert len(blog.server.gate.front) == 0
    await blog.run("apps.update", app="blog", visibility="public")
    assert (await get(blog, "/")).status == 200


async def test_a_key_of_another_app_stays_outside(blog: Running) -> None:
    other = (await deploy(blog, "other", {"index.html": b"x"}))["app_id"]
    mine = (await blog.ask("GET", "/api/apps/blog", key="*")).data["id"]
    for app, status in ((other, 403), (mine, 200)):
        blog.keys[app] = (await blog.run("keys.create", name=app, scopes=[f"deploy:{app}"])).key
        assert (await get(blog, "/private/a.txt", key=app)).status == status


@pytest.mark.parametrize(
    "header", ["Bearer fzt_" + "x" * 43, "Bearer", "Basic eDp5", "Bearer fzt_", "", "Bearer " + "x" * 5000]
)
async def test_a_key_that_is_none_opens_nothing(blog: Running, header: str) -> None:
    for path in ("/private/a.txt", "/private/big.bin"):
        answer = await get(blog, path, headers={"Authorization": header})
        assert answer.status == 401 and b"secret" not in answer.body
    assert (await get(blog, "/", headers={"Authorization": header})).body == b"open page", (
        "where none is needed none is looked at"
    )


async def test_a_session_of_the_admin_host_is_no_key_here(blog: Running) -> None:
    cookie = await blog.sign_in()
    closed(await get(blog, "/private/a.txt", headers={"Cookie": cookie}))


async def test_a_revoked_key_opens_nothing_any_more(blog: Running) -> None:
    made = await blog.run("keys.create", name="guest", scopes=["read"])
    blog.keys["guest"] = made.key
    assert (await get(blog, "/private/a.txt", key="guest")).status == 200
    assert (await blog.ask("DELETE", f"/api/keys/{made.id}", key="*")).status == 204
    assert (await get(blog, "/private/a.txt", key="guest")).status == 401


async def test_an_asset_of_the_release_before_stays_private(blog: Running) -> None:
    await deploy(blog, "blog", {"index.html": b"new", "big.bin": bytes(CHUNK + 1)})
    closed(await get(blog, "/private/assets/app-Bd3fGh12.js"))
    assert (await get(blog, "/private/assets/app-Bd3fGh12.js", key="read")).body == b"secret code"
