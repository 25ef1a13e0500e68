"""Releases that say something else of data that is there: what runs keeps to what it says, and nothing is hidden."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernel.data.object_tables import PLACES
from tests.kernel.fs.site import PAGE, deploy, finish, frames, plan, send
from tests.support import Answer, Running

STREAM: dict[str, Any] = {"sharded": True}
BUCKET = "external:s3://some-bucket/x"


def files(c: dict[str, Any] | None = None, **storage: Any) -> dict[str, bytes]:
    said = {"collections": {"c": c} if c else {}, **storage}
    return {"index.html": PAGE, "app.json": json.dumps({"storage": said}).encode()}


async def tried(running: Running, wanted: dict[str, bytes]) -> Answer:
    planned = await plan(running, "blog", wanted)
    await send(running, *frames(wanted, planned.data["missing"]))
    return await finish(running, "blog", wanted)


async def insert(running: Running, count: int, app: str = "blog", **how: Any) -> None:
    for n in range(count):
        await running.run("storage.ds.insert", app=app, collection="c", doc={"n": n}, **how)


@pytest.mark.parametrize(
    ("was", "will", "what"),
    [(None, STREAM, "2 documents"), (STREAM, None, "2 events"), (STREAM, {"scope": "user"}, "2 events")],
)
async def test_a_release_that_would_hide_data_is_refused(running: Running, was: Any, will: Any, what: str) -> None:
    await deploy(running, "blog", files(will))
    await deploy(running, "blog", files(was))
    await insert(running, 2)
    refused = await tried(running, files(will))
    assert (refused.status, refused.code) == (409, "CONFLICT")
    error = refused.json["error"]
    assert error["message"].startswith(f"c holds {what}") and "ds export c" in error["hint"]
    assert error["details"] == {"collection": "c", "count": 2}
    for way, said in (("rollback", {}), ("promote", {"release": "v1"})):
        back = await running.ask("POST", f"/api/apps/blog/{way}", key="*", body=said)
        assert (back.status, back.json["error"]["message"]) == (409, error["message"]), way
    assert [one.n for one in (await running.run("releases.list", app="blog")).items if one.live] == [2]
    # the way out
    await running.run("storage.ds.delete", app="blog", collection="c", query={})
    assert (await tried(running, files(will))).status == 200


async def test_what_is_empty_or_unchanged_is_nobody_s_trouble(running: Running) -> None:
    for said in (None, STREAM, None, {"scope": "user"}, None):
        assert (await tried(running, files(said))).data["warnings"] == []
    await insert(running, 1)
    assert (await tried(running, files({"index": ["n"]}))).data["warnings"] == []


async def test_rows_that_code_no_longer_sees_are_counted(running: Running) -> None:
    await deploy(running, "blog", files())
    await insert(running, 3)
    answer = await tried(running, files({"scope": "user"}))
    (warning,) = answer.data["warnings"]
    assert warning.startswith("c: 3 documents") and "the app's own" in warning
    await insert(running, 2, user="usr_1")
    back = await running.ask("POST", "/api/apps/blog/rollback", key="*", body={})
    (warning,) = back.data["warnings"]
    assert warning.startswith("c: 2 documents") and "its users" in warning


async def test_what_an_app_says_in_vain_is_told(running: Running) -> None:
    answer = await tried(running, files({**STREAM, "index": ["n"]}, s3=BUCKET))
    index, place = answer.data["warnings"]
    assert "collections.c.index does nothing" in index
    assert BUCKET in place and "s3.endpoint" in place
    refused = await running.ask("POST", "/api/apps/blog/storage/ds-indexes/c", key="admin", body={"field": "n"})
    assert refused.status == 400 and "app.json" not in refused.json["error"]["hint"]


async def test_objects_that_are_inside_stay_there_whatever_a_file_says(running: Running) -> None:
    await deploy(running, "blog", files())
    put = await running.ask("PUT", "/api/apps/blog/storage/s3/object?key=k", key="admin", raw=b"x")
    assert put.status == 201
    assert (await tried(running, files(s3=BUCKET))).data["warnings"] == []


async def test_a_fork_has_the_events_that_still_waited(running: Running) -> None:
    await deploy(running, "blog", files(STREAM))
    await insert(running, 3)
    assert running.content()["event_shards"] == []
    made = await running.run("apps.fork", app="blog")
    assert made.warnings == []
    assert await running.run("storage.ds.count", app=made.id, collection="c") == 3
    assert await running.run("storage.ds.count", app="blog", collection="c") == 3


async def test_a_fork_says_what_it_has_not_copied(running: Running) -> None:
    made = await deploy(running, "blog", files(s3=BUCKET))
    assert (await running.run("apps.fork", app="blog")).warnings == []
    row = {"store": "s3", "place": "s3://some-bucket/x", "updated_at": 1, "clean": 0, "done": 0, "total": 0, "bytes": 0}
    await running.node.store.write(running.node.store.scoped(made["app_id"]).put(PLACES, **row).steps)
    (warning,) = (await running.run("apps.fork", app="blog")).warnings
    assert "s3://some-bucket/x" in warning and "not copied" in warning
    assert (await running.run("apps.fork", app="blog", copy_storage=False)).warnings == []
