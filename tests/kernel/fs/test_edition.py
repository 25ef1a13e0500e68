"""What an app shows is read when something changed; its rules are parsed once for each content."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from kernel.apps import manifest
from kernel.base.ids import new_id
from kernel.fs import edition
from kernel.fs.edition import Editions, Parsed
from kernel.fs.rules import MAX_BYTES
from tests.kernel.fs.site import deploy, get
from tests.support import Running

RULES = {"_redirects": b"/old /new 301\n", "_headers": b"/*\n  X-A: 1\n", "app.json": b"{}", "index.html": b"hello"}


def counted(monkeypatch: pytest.MonkeyPatch, place: Any, name: str) -> list[str]:
    """The names of a function as often as it is called."""
    calls: list[str] = []
    real: Callable[..., Any] = getattr(place, name)

    def counting(*values: Any, **named: Any) -> Any:
        calls.append(name)
        return real(*values, **named)

    monkeypatch.setattr(place, name, counting)
    return calls


async def test_rules_are_parsed_once_whatever_else_changes(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    app = (await deploy(running, "blog", RULES))["app_id"]
    calls = [
        counted(monkeypatch, edition, "parse_redirects"),
        counted(monkeypatch, edition, "parse_headers"),
        counted(monkeypatch, manifest, "parse"),
    ]
    editions = Editions(running.node.store, running.node.content)
    first = editions.of(app)
    assert first and len(first.redirects) == len(first.headers) == 1
    assert [len(each) for each in calls] == [1, 1, 1]
    await running.run("apps.create", slug="other")
    again = editions.of(app)
    assert again and again.redirects is first.redirects and [len(each) for each in calls] == [1, 1, 1]
    await deploy(running, "blog", {**RULES, "_redirects": b"/a /b\n/c /d\n"})
    changed = editions.of(app)
    assert changed and len(changed.redirects) == 2 and changed.headers is first.headers


def test_what_is_kept_of_rules_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edition, "MOST_SOURCES", 100)
    monkeypatch.setattr(edition, "MOST_PARSED", 3)
    parsed, made = Parsed(), list[int]()

    def of(id: int, size: int) -> int:
        def parse() -> int:
            made.append(id)
            return id

        return parsed.of(("_headers", id), size, parse)

    for id in (1, 2, 1, 3, 1):
        assert of(id, 40) == id
    assert made == [1, 2, 3]  # what was asked for last stays
    of(2, 40)
    assert made == [1, 2, 3, 2]
    for id in (10, 11, 12, 13, 11, 10):
        of(id, 1)
    assert made[4:] == [10, 11, 12, 13, 10]
    assert of(20, 1000) == 20 and of(20, 1000) == 20
    assert made[-2:] == [20, 20]  # too large to be kept


@pytest.mark.parametrize("name", ["_redirects", "_headers"])
async def test_only_the_whole_lines_of_the_first_part_of_a_file_count(running: Running, name: str) -> None:
    first, last = {"_redirects": ("/a /x", "/b /x{}"), "_headers": ("/a\n  X-A: 1\n", "/b\n  X-B: {}")}[name]
    # the last line is cut in two by the limit
    filler = "# " + "é" * 997 + "\n"
    text = first + "\n"
    text += filler * ((MAX_BYTES - len(text.encode()) - 20) // len(filler.encode()))
    rest = last.format("y" * 100)
    text += "#" * (MAX_BYTES - len(text.encode()) - len(rest) + 20) + "\n" + rest + "\n"
    done = await deploy(running, "blog", {"index.html": b"hello", name: text.encode()})
    assert any("only the first 256 KiB" in warning for warning in done["warnings"])
    seen = Editions(running.node.store, running.node.content).of(done["app_id"])
    assert seen
    if name == "_redirects":
        assert seen.redirects.find("/a", "") and not seen.redirects.find("/b", "")
    else:
        assert seen.headers.find("h", "/a").set and not seen.headers.find("h", "/b").set


async def test_invented_releases_do_not_push_out_real_ones(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    app = (await deploy(running, "blog", RULES))["app_id"]
    editions = Editions(running.node.store, running.node.content)
    reads = counted(monkeypatch, editions, "_read")
    assert editions.of(app)
    for _ in range(edition.MOST + 10):
        assert editions.of(app, new_id("rel")) is None
    assert editions.of(new_id("app")) is None
    del reads[:]
    assert editions.of(app) and not reads


async def test_the_manifest_of_a_web_app_speaks_too(running: Running) -> None:
    page = b"<body></body>"
    said = {"name": "PWA", "fazt": {"analytics": {"beacon": True}}}
    await deploy(running, "blog", {"index.html": page, "manifest.json": json.dumps(said).encode()})
    assert b"beacon.js" in (await get(running, "/")).body
    # as at a deploy: where there is an app.json, that one speaks
    await deploy(running, "blog", {"index.html": page, "manifest.json": json.dumps(said).encode(), "app.json": b"{}"})
    assert (await get(running, "/")).body == page


async def test_an_app_without_analytics_has_no_beacon(running: Running) -> None:
    page = b"<body></body>"
    for enabled in (True, False):
        said = json.dumps({"analytics": {"enabled": enabled, "beacon": True}}).encode()
        await deploy(running, "blog", {"index.html": page, "app.json": said})
        assert (b"beacon.js" in (await get(running, "/")).body) is enabled


async def test_what_a_release_hid_stays_hidden_after_it(running: Running) -> None:
    server = {"api/main.js": b"respond('ran')", "api/lib-Bd3fGh12.js": b"server", "index.html": b"1"}
    app = (await deploy(running, "blog", server))["app_id"]
    assert (await get(running, "/api/lib-Bd3fGh12.js")).body == b"ran"
    await deploy(running, "blog", {"index.html": b"2"})
    answer = await get(running, "/api/lib-Bd3fGh12.js")
    assert (answer.status, answer.body) != (200, b"server") and answer.status == 404
    editions = Editions(running.node.store, running.node.content)
    assert editions.left_behind(app, "api/lib-Bd3fGh12.js") is None
    # without a handler it was a file like others
    await deploy(running, "blog", {"api/x-Bd3fGh12.js": b"client", "index.html": b"3"})
    await deploy(running, "blog", {"index.html": b"4"})
    assert (await get(running, "/api/x-Bd3fGh12.js")).body == b"client"
