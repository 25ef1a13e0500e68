"""POST /api/deploy: a zip becomes a release, or nothing changes and nothing is left."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.kernel.fs import zips
from tests.kernel.fs.site import PAGE, deploy, get
from tests.kernel.fs.zips import Entry
from tests.kernel.net.endpoints import BOUNDARY, multipart, zipped
from tests.support import Answer, Running

SITE = {"index.html": b"zip!", "img/a.txt": b"a"}


async def post(running: Running, file: bytes, key: str = "deploy", **fields: str) -> Answer:
    return await running.ask(
        "POST",
        "/api/deploy",
        key=key,
        raw=multipart(file, **{"site_name": "blog", **fields}),
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    )


async def test_a_zip_is_a_release(running: Running) -> None:
    answer = await post(running, zipped(SITE), message="by hand", source_type="git", source_url="https://example.com/x")
    assert answer.status == 200, answer.body
    assert (answer.data["site"], answer.data["file_count"], answer.data["size_bytes"]) == ("blog", 2, 5)
    assert (await get(running, "/")).body == b"zip!"
    again = await post(running, zipped(SITE))
    assert again.data["unchanged"] is True
    other = await deploy(running, "other", SITE)
    assert other["root_cid"] == answer.data["hash"]


async def test_a_folder_around_everything_is_taken_off_and_secrets_are_left_out(running: Running) -> None:
    answer = await post(running, zipped({f"site/{path}": data for path, data in {**SITE, ".env": b"x"}.items()}))
    assert answer.data["file_count"] == 2
    [warning] = answer.data["warnings"]
    assert ".env" in warning
    assert (await get(running, "/img/a.txt")).body == b"a"


async def test_a_large_file_comes_through_whole(running: Running) -> None:
    data = random.Random(4).randbytes(5_000_000)
    assert (await post(running, zipped({"big.bin": data}))).status == 200
    assert (await get(running, "/big.bin")).body == data


@pytest.mark.parametrize("said, works", [("true", True), ("false", False), ("", None), ("maybe", None)])
async def test_the_flag_may_be_said(running: Running, said: str, works: bool | None) -> None:
    answer = await post(running, zipped(SITE), spa=said)
    if works is None:
        assert (answer.status, answer.code) == (400, "VALIDATION_FAILED")
        return
    assert (await get(running, "/deep/link")).status == (200 if works else 404)


GOOD = zipped(SITE)
BAD = {
    "no zip": b"not a zip",
    "nothing": b"",
    "cut off": GOOD[: len(GOOD) // 2],
    "a bit turned": GOOD.replace(b"zip!", b"zap!"),
    "no files": zipped({}),
    "only secrets": zipped({".env": b"x", ".git/config": b"x"}),
    "out of the site": zips.made(Entry(b"index.html", b"x"), Entry(b"../../x", b"x")),
    "absolute": zips.made(Entry(b"/etc/x", b"x")),
    "a drive": zips.made(Entry(b"C:\\x", b"x")),
    "a link": zips.made(Entry(b"index.html", b"x"), Entry(b"link", b"/etc/passwd", mode=zips.LINK)),
    "a pipe": zips.made(Entry(b"pipe", b"", mode=zips.FIFO)),
    "twins": zips.made(Entry(b"A.html", b"x"), Entry(b"a.html", b"x")),
    "twice": zips.made(Entry(b"a.html", b"x"), Entry(b"a.html", b"y")),
    "a name with NUL": zips.made(Entry(b"a\0.html", b"x")),
    "a size that lies": zips.made(Entry(b"a.html", b"xyz", lists={"size": 2}, says={"size": 2})),
    "a bomb": zips.made(Entry(b"bomb.txt", bytes(40_000_000), method=8)),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_zip_leaves_the_old_release_live_and_nothing_behind(running: Running, name: str) -> None:
    await deploy(running, "blog", {"index.html": PAGE})
    before = running.content()
    answer = await post(running, BAD[name])
    assert answer.status in (400, 413), answer.body
    assert answer.json["error"]["message"]
    assert running.content() == before
    assert (await get(running, "/")).body == PAGE


@pytest.mark.parametrize(
    "fields",
    [
        {"site_name": ""},
        {"site_name": "admin"},
        {"site_name": "a_b"},
        {"surprise": "1"},
        {"message": "a\nb"},
        {"site_name": "x" * 300},
    ],
)
async def test_a_form_that_says_what_it_may_not_changes_nothing(running: Running, fields: dict[str, str]) -> None:
    await running.key("deploy")
    before = running.content()
    answer = await post(running, GOOD, **fields)
    assert answer.status in (400, 409), answer.body
    assert running.content() == before


@pytest.mark.parametrize(
    "sent", [b"", b"--", b"x" * 1000, multipart(GOOD)[:200], multipart(GOOD).replace(b'"file"', b'"other"')]
)
async def test_a_body_that_is_no_form_changes_nothing(running: Running, sent: Any) -> None:
    await running.key("deploy")
    before = running.content()
    for kind in (f"multipart/form-data; boundary={BOUNDARY}", "application/zip", "multipart/form-data"):
        answer = await running.ask("POST", "/api/deploy", key="deploy", raw=sent, headers={"Content-Type": kind})
        assert answer.status == 400, answer.body
        running.clock.advance(61)
    assert running.content() == before


async def test_limits_hold_for_zips_too(running: Running) -> None:
    await deploy(running, "blog", {"index.html": PAGE})
    await running.run("limits.set", name="vfs.maxFiles", value=2)
    await running.run("limits.set", name="vfs.maxFileSizeMB", value=1)
    before = running.content()
    noise = random.Random(6).randbytes((1 << 20) + 1)
    for files in ({f"{n}": b"x" for n in range(3)}, {"a": noise}):
        answer = await post(running, zipped(files))
        assert (answer.status, answer.code) in ((400, "LIMIT_EXCEEDED"), (413, "PAYLOAD_TOO_LARGE")), answer.body
    assert running.content() == before


async def test_a_key_of_another_app_deploys_no_zip(running: Running) -> None:
    await deploy(running, "blog", {"index.html": PAGE})
    await deploy(running, "other", {"index.html": PAGE})
    await running.key("deploy:other")
    before = running.content()
    for name in ("blog", "brand-new"):
        answer = await post(running, GOOD, "deploy:other", site_name=name)
        assert (answer.status, answer.code) == (403, "FORBIDDEN")
    assert {name for name, rows in running.content().items() if rows != before[name]} <= {"api_keys"}
    assert (await post(running, GOOD, "deploy:other", site_name="other.localhost")).status == 200
