"""A body that is one value, JSON in a query, answers of bytes, and how much a scan may give."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fazt.boot import PARTS
from kernel.base.errors import FaztError
from kernel.base.tables import Read
from kernel.syscall.plan import Scan
from tests import support
from tests.kernel.net import bodies
from tests.support import Running


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db", parts=(*PARTS, bodies)) as made:
        made.owner = await made.sign_in()  # type: ignore[attr-defined]
        yield made


async def ask(node: Running, method: str, path: str, **how: Any) -> support.Answer:
    return await node.ask(method, path, cookie=node.owner, **how)  # type: ignore[attr-defined]


@pytest.mark.parametrize("sent", [{"a": 1}, [1, {"a": 2}], "text", 5, True])
async def test_a_body_is_one_value(node: Running, sent: Any) -> None:
    answer = await ask(node, "POST", "/api/bodies/x?limit=7", body=sent)
    assert (answer.status, answer.data) == (201, ["x", sent, 7, None])


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?value=1", "VALIDATION_FAILED"),
        ("?limit=many", "VALIDATION_FAILED"),
        ("?nothing=1", "VALIDATION_FAILED"),
        ("?extra=%7B", "VALIDATION_FAILED"),
        ("?extra=NaN", "VALIDATION_FAILED"),
        ("?extra=%7B%22a%22:1,%22a%22:2%7D", "VALIDATION_FAILED"),
    ],
)
async def test_what_stands_beside_the_body_is_looked_at(node: Running, query: str, code: str) -> None:
    answer = await ask(node, "POST", "/api/bodies/x" + query, body={"a": 1})
    assert (answer.status, answer.code) == (400, code)


async def test_json_in_a_query_is_json(node: Running) -> None:
    answer = await ask(node, "POST", "/api/bodies/x?extra=%7B%22a%22:%5B1%5D%7D", body=1)
    assert answer.data == ["x", 1, 20, {"a": [1]}]


@pytest.mark.parametrize("raw", [b"", b"{", b"nothing", b'{"a":1,"a":2}', b'"\\ud800"', b"1e999", b"[" * 100_000])
async def test_a_body_that_is_no_json_is_refused(node: Running, raw: bytes) -> None:
    answer = await ask(node, "POST", "/api/bodies/x", raw=raw, headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert answer.code in ("INVALID_JSON", "VALIDATION_FAILED")


async def test_stored_bytes_are_saved_and_never_run(node: Running) -> None:
    answer = await ask(node, "GET", "/api/bodies/x")
    assert answer.body == b"<script>alert(1)</script>"
    headers = answer.headers
    assert headers["Content-Type"] == "text/html"
    assert headers["Content-Disposition"] == "attachment"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["ETag"] == '"abc"'


async def test_a_scan_gives_so_many_bytes_at_most(node: Running) -> None:
    store = node.node.store
    await node.run("apps.create", slug="shop")
    for n in range(40):
        await node.run("storage.kv.set", app="shop", key=f"k{n:02}", value="x" * 500_000)
    read = next(one for one in _reads("{app_kv}") if "order by key" in one.template)
    app = (await node.run("apps.get", app="shop")).id
    wanted = {"prefix": "", "end": b"", "after": "", "now": 0, "app": app, "user": ""}
    assert await store.scan(Scan([(read, {**wanted, "limit": 30})], lambda rows: len(rows[0]))) == 30
    with pytest.raises(FaztError) as caught:
        await store.scan(Scan([(read, {**wanted, "limit": 40})], lambda rows: len(rows[0])))
    assert caught.value.code == "LIMIT_EXCEEDED"
    # what several reads give counts together
    with pytest.raises(FaztError):
        await store.scan(Scan([(read, {**wanted, "limit": 20})] * 2, len))


def _reads(table: str) -> list[Read]:
    from kernel.base.tables import STATEMENTS

    return [one for one in STATEMENTS if type(one) is Read and table in one.template]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "?app=shop", {"name": "songs", "dimensions": 2}, 201),
        ("GET", "?app=shop", None, 200),
        ("GET", "/songs?app=shop", None, 200),
        ("GET", "/songs/documents?limit=5&app=shop", None, 200),
        ("POST", "/songs/query?app=shop", {"embedding": [1, 0]}, 200),
        ("DELETE", "/songs?app=shop", None, 204),
        ("GET", "", None, 400),
        ("GET", "?app=", None, 400),
        ("GET", "?app=nobody", None, 404),
        ("GET", "?app=shop&app=other", None, 400),
        ("GET", "?app=..", None, 404),
        ("POST", "?app=shop&name=x", {"name": "x"}, 400),
    ],
)
@pytest.mark.parametrize("keyed", [False, True])
async def test_vectors_have_a_short_way(
    node: Running, method: str, path: str, body: Any, status: int, keyed: bool
) -> None:
    for slug in ("shop", "other"):
        await node.run("apps.create", slug=slug)
    if path != "?app=shop" or method != "POST":
        await node.run("storage.vector.createCollection", app="shop", name="songs", dimensions=2)
    how: dict[str, Any] = {"key": "*"} if keyed else {"cookie": node.owner}  # type: ignore[attr-defined]
    answer = await node.ask(method, "/api/vector/collections" + path, body=body, **how)
    assert answer.status == status, answer.body
    if status < 300 and answer.body:
        assert "songs" in answer.body.decode() or answer.data == []
