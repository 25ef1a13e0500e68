"""Blobs by key: the same table of tests for objects inside and for objects in a bucket."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.fs import cid
from tests.kernel.data.object_bench import APP, OTHER, Bench, emptied

INSIDE, OUTSIDE = "inside", "outside"


@pytest.fixture(params=[INSIDE, OUTSIDE])
async def bench(request: Any, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "data.db")
    if request.param == OUTSIDE:
        endpoint = request.getfixturevalue("moto")
        await asyncio.to_thread(emptied, endpoint)
        await made.outside(endpoint, APP, OTHER)
    yield made
    await made.close()


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


# --- put, get, head, delete


@pytest.mark.parametrize("size", [0, 1, 1024, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 1 << 20, (1 << 20) + 1, 3_000_000])
async def test_an_object_comes_back_as_it_was(bench: Bench, size: int) -> None:
    data = content(size)
    saved = await bench.put("a/b.bin", data, "image/png")
    assert (saved.key, saved.size, saved.mime, saved.cid) == ("a/b.bin", size, "image/png", cid.cid_of(data))
    got = await bench.js("get", "a/b.bin")
    assert got.data == data
    assert (got.mime, got.about.mime, got.about.size) == ("image/png", "image/png", size)
    assert (got.about.hash, got.about.cid) == (hashlib.sha256(data).hexdigest(), saved.cid)
    assert got.about.updated_at == bench.clock.now()
    head = await bench.js("head", "a/b.bin")
    assert (head.key, head.path, head.size, head.mime) == ("a/b.bin", "a/b.bin", size, "image/png")
    assert (head.hash, head.cid, head.updated_at) == (got.about.hash, got.about.cid, got.about.updated_at)
    assert await bench.js("list", "") == [head]


async def test_what_is_not_there_is_null(bench: Bench) -> None:
    assert await bench.js("get", "a") is None
    assert await bench.js("head", "a") is None
    assert await bench.js("list") == []
    assert await bench.js("delete", "a") is None


async def test_a_put_replaces_bytes_and_media_type(bench: Bench) -> None:
    await bench.put("a", b"one", "text/plain")
    bench.clock.advance(5)
    await bench.put("a", b"twice")
    got = await bench.js("get", "a")
    assert (got.data, got.mime, got.about.updated_at) == (b"twice", "application/octet-stream", bench.clock.now())
    assert await bench.keys() == ["a"]


async def test_deleting_removes_it_and_once_more_is_fine(bench: Bench) -> None:
    await bench.put("a", b"one")
    await bench.put("ab", b"two")
    for _ in range(2):
        assert await bench.js("delete", "a") is None
        assert await bench.js("get", "a") is None
    assert await bench.keys() == ["ab"]


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "a/b/c",
        "a b",
        "a+b",
        "ä",
        "👩‍👧",
        "x" * 900,
        "%",
        "%2F",
        "%2e%2e/a",
        "_",
        "'",
        '"',
        "a?b=c&d",
        "a#b",
        "...",
        "a/.b",
        "~!*()@:;,=$",
        "<&>",
        "\U0010fffd",
    ],
    ids=ascii,
)
async def test_every_key_stands_for_itself(bench: Bench, key: str) -> None:
    await bench.put(key, key.encode())
    assert (await bench.js("get", key)).data == key.encode()
    for other in ("X" + key[1:], key + "x"):
        assert await bench.js("get", other) is None
    assert await bench.keys() == [key]
    assert await bench.keys(key) == [key]
    await bench.js("delete", key)
    assert await bench.keys() == []


async def test_a_slash_at_the_beginning_says_nothing(bench: Bench) -> None:
    await bench.put("/a", b"1")
    assert (await bench.js("get", "a")).data == b"1"
    assert await bench.keys("/") == ["a"]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "//a",
        "a//b",
        "a/",
        "..",
        "../b",
        "a/../b",
        "a/..",
        ".",
        "a/./b",
        "a\\b",
        "a\0b",
        "a\nb",
        "x" * 1025,
        "ä" * 513,
        "\ud800",
        "\u202e",
        7,
        None,
        ["a"],
    ],
    ids=ascii,
)
@pytest.mark.parametrize("name", ["put", "get", "head", "delete"])
async def test_what_is_no_key_is_refused(bench: Bench, name: str, key: Any) -> None:
    arguments = b"[%s]" % (b'"\\ud800"' if key == "\ud800" else __import__("json").dumps(key).encode())
    entry, call = bench.node.registry[f"storage.s3.{name}"], bench.call()
    with pytest.raises(FaztError) as refused:
        entry.javascript(call, arguments, b"data")
    assert (refused.value.code, bench.rows("select * from app_objects")) == ("INVALID_ARGUMENT", [])


@pytest.mark.parametrize(
    "mime",
    [
        "",
        "text",
        "text/",
        "/plain",
        "text/plain\r\nX: y",
        "text/plain\n",
        "a b/c",
        "text/plain;",
        "text/plain; a",
        "text/html, a/b",
        "x/" + "y" * 300,
        7,
    ],
)
async def test_what_is_no_media_type_is_refused(bench: Bench, mime: Any) -> None:
    with pytest.raises(FaztError) as refused:
        await bench.put("a", b"data", mime)
    assert (refused.value.code, await bench.keys()) == ("INVALID_ARGUMENT", [])


@pytest.mark.parametrize("mime", ["text/html; charset=utf-8", 'a/b; c="d;e"', "image/svg+xml", "x-a/vnd.b.c+json"])
async def test_a_media_type_is_kept_as_it_was(bench: Bench, mime: str) -> None:
    await bench.put("a", b"data", mime)
    assert (await bench.js("get", "a")).mime == mime


async def test_without_data_nothing_is_stored(bench: Bench) -> None:
    with pytest.raises(FaztError) as refused:
        await bench.js("put", "a")
    assert refused.value.code == "INVALID_ARGUMENT"


async def test_an_object_has_so_many_bytes_and_no_more(bench: Bench) -> None:
    bench.node.settings.apply("limits.storage.s3.maxBlobSizeMB", 1)
    await bench.put("a", bytes(1 << 20))
    with pytest.raises(FaztError) as refused:
        await bench.put("a", bytes((1 << 20) + 1))
    assert (refused.value.code, refused.value.details) == ("LIMIT_EXCEEDED", {"field": "data", "most": 1 << 20})
    assert (await bench.js("head", "a")).size == 1 << 20


# --- whose they are


@pytest.mark.parametrize(("app", "user"), [(OTHER, ""), (APP, "usr_1"), (OTHER, "usr_1")])
async def test_nobody_else_sees_changes_or_removes_an_object(bench: Bench, app: str, user: str) -> None:
    await bench.put("k", b"mine")
    assert await bench.js("get", "k", app=app, user=user) is None
    assert await bench.keys(app=app, user=user) == []
    await bench.put("k", b"theirs", app=app, user=user)
    await bench.js("delete", "k", app=app, user=user)
    assert (await bench.js("get", "k")).data == b"mine"


@pytest.mark.parametrize(
    "key", ["user/usr_1/k", "%2e%2e/user/usr_1/k", "app/k", f"{APP}/user/usr_1/k", "..%2fuser/usr_1/k"]
)
async def test_no_key_of_the_app_leads_to_what_is_a_users(bench: Bench, key: str) -> None:
    await bench.put("k", b"theirs", user="usr_1")
    assert await bench.js("get", key) is None
    await bench.put(key, b"mine")
    await bench.js("delete", key)
    assert (await bench.js("get", "k", user="usr_1")).data == b"theirs"
    assert (await bench.keys(), await bench.keys(user="usr_1")) == ([], ["k"])


async def test_sequences_of_calls_show_each_only_their_own(bench: Bench) -> None:
    chance, model = random.Random(5), dict[tuple[str, str], dict[str, bytes]]()
    whose = [(APP, ""), (APP, "u1"), (APP, "u2"), (OTHER, ""), (OTHER, "u1")]
    for n in range(60):
        app, user = chance.choice(whose)
        own, key = model.setdefault((app, user), {}), chance.choice(["a", "a/b", "b", "user/u1/a"])
        if chance.random() < 0.6:
            own[key] = b"%d" % n
            await bench.put(key, own[key], app=app, user=user)
        else:
            own.pop(key, None)
            await bench.js("delete", key, app=app, user=user)
        app, user = chance.choice(whose)
        own = model.setdefault((app, user), {})
        assert await bench.keys(app=app, user=user) == sorted(own)
        got = await bench.js("get", key, app=app, user=user)
        assert (got.data if got else None) == own.get(key)


@pytest.mark.parametrize("name", ["put", "get", "head", "delete", "list", "list_page"])
def test_an_app_without_the_grant_is_refused(bench: Bench, name: str) -> None:
    entry = bench.node.registry[f"storage.s3.{name}"]
    with pytest.raises(FaztError) as refused:
        entry.javascript(bench.call(grants=frozenset()), b'["k"]', b"")
    assert refused.value.code == "PERMISSION_DENIED"


# --- lists

KEYS = ["a", "a.txt", "a/1", "a/2", "a/b/1", "a/b/2", "a0", "b/1", "b/c/d", "c", "ä/1", "ä/2"]


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "a/b/", "b", "c", "d", "ä"])
async def test_a_list_is_every_key_of_the_prefix_in_order(bench: Bench, prefix: str) -> None:
    for key in random.Random(1).sample(KEYS, len(KEYS)):
        await bench.put(key, key.encode())
    assert await bench.keys(prefix) == sorted((key for key in KEYS if key.startswith(prefix)), key=str.encode)


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
@pytest.mark.parametrize("delimiter", [None, "/", "b/", "."])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "b/c"])
async def test_pages_walked_are_the_whole(bench: Bench, prefix: str, delimiter: str | None, limit: int) -> None:
    for key in KEYS:
        await bench.put(key, b"x")
    items, prefixes, cursor = [], [], None
    for _ in range(30):
        options = {"limit": limit, "cursor": cursor, "delimiter": delimiter}
        page = await bench.js("list_page", prefix, {name: value for name, value in options.items() if value})
        assert len(page.items) + len(page.prefixes) <= limit
        items += [found.key for found in page.items]
        prefixes += page.prefixes
        cursor = page.cursor
        if cursor is None:
            break
    assert (items, prefixes) == expected(prefix, delimiter)


def expected(prefix: str, delimiter: str | None) -> tuple[list[str], list[str]]:
    items, prefixes = [], []
    for key in sorted((key for key in KEYS if key.startswith(prefix)), key=str.encode):
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        if at < 0 or delimiter is None:
            items.append(key)
        elif key[: at + len(delimiter)] not in prefixes:
            prefixes.append(key[: at + len(delimiter)])
    return items, prefixes


@pytest.mark.parametrize(
    "options", [{"limit": 0}, {"limit": 1001}, {"delimiter": ""}, {"cursor": ""}, {"cursor": "a\0"}, {"more": 1}]
)
async def test_a_page_takes_nothing_else(bench: Bench, options: Any) -> None:
    with pytest.raises(FaztError) as refused:
        await bench.js("list_page", "", options)
    assert refused.value.code == "INVALID_ARGUMENT"
