"""What an app says of its collections, from the deploy to the documents."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tests.kernel.fs.site import PAGE, deploy, finish, frames, plan, send
from tests.support import Running


def files(**collections: Any) -> dict[str, bytes]:
    return {"index.html": PAGE, "app.json": json.dumps({"storage": {"collections": collections}}).encode()}


async def ds(running: Running, method: str, path: str, body: Any = None) -> Any:
    return await running.ask(method, f"/api/apps/blog/storage/ds{path}", key="admin", body=body)


async def test_a_file_that_says_something_impossible_is_not_deployed(running: Running) -> None:
    await deploy(running, "blog", files(birds={"index": ["kind"]}))
    before = running.content()
    wrong = files(birds={"index": ["a..b", "id"]}, events={"sharded": True, "scope": "user"})
    planned = await plan(running, "blog", wrong)
    await send(running, *frames(wrong, planned.data["missing"]))
    refused = await finish(running, "blog", wrong)
    assert (refused.status, refused.code) == (400, "VALIDATION_FAILED")
    assert [error["path"] for error in refused.json["error"]["details"]["errors"]] == [
        "storage.collections.birds.index[0]",
        "storage.collections.birds.index[1]",
        "storage.collections.events.sharded",
    ]
    assert all(error["message"] for error in refused.json["error"]["details"]["errors"])
    after = running.content()
    assert [before[name] for name in ("releases", "apps")] == [after[name] for name in ("releases", "apps")]


async def worked(running: Running, app: str) -> None:
    """What a second of running would do."""
    await running.node.index_chores.ask()
    await running.node.index_chores.work(app)


async def test_an_index_that_is_said_is_there_once_the_collection_is_used(running: Running) -> None:
    app = (await deploy(running, "blog", files(birds={"index": ["kind"]})))["app_id"]
    for n in range(5):
        assert (await ds(running, "POST", "/birds", {"kind": f"k{n % 2}", "n": n})).status == 201
    await worked(running, app)
    shown = (await ds(running, "GET", "-indexes/birds")).data
    assert [(index["field"], index["state"], index["origin"]) for index in shown] == [("kind", "ready", "declared")]
    explained = (await ds(running, "POST", "/birds/explain", {"query": {"kind": "k1"}})).data
    assert explained["used"] == ["kind"]
    found = await ds(running, "POST", "/birds/query", {"query": {"kind": "k1"}})
    assert [doc["n"] for doc in found.data] == [3, 1]
    # another release says something else
    await deploy(running, "blog", files(birds={"index": ["n"]}))
    await ds(running, "POST", "/birds/query", {"query": {"kind": "k1"}})
    await worked(running, app)
    shown = (await ds(running, "GET", "-indexes/birds")).data
    assert {index["field"]: index["state"] for index in shown} == {"kind": "dropping", "n": "ready"}


async def test_by_hand_over_http(running: Running) -> None:
    await deploy(running, "blog", files())
    made = await ds(running, "POST", "-indexes/birds", {"field": "place.name"})
    assert (made.status, made.data["state"]) == (201, "building")
    assert (await ds(running, "POST", "-indexes/birds", {"field": "$where"})).status == 400
    assert (await ds(running, "DELETE", "-indexes/birds?field=place.name")).status == 204
    assert (await ds(running, "DELETE", "-indexes/birds?field=other")).status == 404
    assert (await ds(running, "GET", "-indexes/birds")).data[0]["state"] == "dropping"


async def test_a_fork_has_the_indexes_and_they_are_right(running: Running) -> None:
    app = (await deploy(running, "blog", files()))["app_id"]
    for n in range(5):
        await ds(running, "POST", "/birds", {"kind": f"k{n % 2}", "n": n})
    await ds(running, "POST", "-indexes/birds", {"field": "kind"})
    await worked(running, app)
    await ds(running, "POST", "-indexes/birds", {"field": "n"})
    fork = (await running.run("apps.fork", app=app)).id
    running.node.indexes.of(fork, "birds")
    await worked(running, fork)
    assert {i.field: i.state for i in running.node.indexes.definitions(fork)} == {"kind": "ready", "n": "ready"}
    for query, wanted in (({"kind": "k1"}, [3, 1]), ({"n": 4}, [4])):
        found = await running.run("storage.ds.query", app=fork, collection="birds", query=query)
        assert [msgspec.json.decode(doc)["n"] for doc in found.items] == wanted


async def test_a_sharded_collection_is_one_to_all_doors(running: Running) -> None:
    app = (await deploy(running, "blog", files(events={"sharded": True, "retentionMonths": 12})))["app_id"]
    for n in range(5):
        assert (await ds(running, "POST", "/events", {"kind": f"k{n % 2}", "n": n})).status == 201
    assert running.content()["event_shards"] == []
    found = await ds(running, "POST", "/events/query", {"query": {"kind": "k1"}})
    assert [doc["n"] for doc in found.data] == [3, 1]
    assert len(running.content()["event_shards"]) == 1
    assert running.content()["app_docs"] == []
    for path, body in (
        ("/events/update", {"query": {"n": 1}, "changes": {"n": 2}}),
        ("-indexes/events", {"field": "n"}),
    ):
        refused = await ds(running, "POST", path, body)
        assert (refused.status, refused.code) == (400, "VALIDATION_FAILED")
    explained = (await ds(running, "POST", "/events/explain", {"query": {"n": 1}})).data
    assert "5 events in 1 rows" in explained["answer"]
    assert running.node.indexes.definitions(app) == []
