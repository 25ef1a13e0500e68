"""A capability is declared once: every door shows it, with no other edit anywhere."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import click
import msgspec
import pytest

from fazt.boot import PARTS
from fazt.cli.gateway import carry_out
from fazt.cli.main import understand
from fazt.cli.project import build
from kernel.base.errors import FaztError
from kernel.syscall.call import LOCAL
from kernel.syscall.javascript import declarations_file, descriptor
from kernel.syscall.schema import tool
from kernel.syscall.surface import reference, row, rows
from tests import support
from tests.support import Running

from . import scratch

NAMES = ["greet", "keep", "find", "drop", "weigh", "upload", "join", "configure", "later", "count"]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    """A node with one more part."""
    async with support.running(tmp_path / "data.db", parts=(*PARTS, scratch)) as made:
        yield made


@pytest.fixture
async def shop(node: Running) -> Running:
    await node.run("apps.create", slug="shop")
    return node


def tree(node: Running) -> click.Group:
    return build(node.node.registry, [])


async def command(node: Running, *words: str) -> Any:
    """A command of the terminal, carried out in this process."""
    call = node.node.driver.call(LOCAL, "cli")
    return await carry_out(node.node.caller, call, understand(tree(node), list(words)), {})


async def forwarded(node: Running, *words: str, key: str = "*") -> Any:
    """A command as another machine sends it: its words and the files they name."""
    invocation = understand(tree(node), list(words))
    first, *rest = invocation.words()
    files = {
        name: {"name": file, "data": base64.b64encode(data).decode()} for name, (file, data) in invocation.files.items()
    }
    body = {"command": first, "args": rest, **({"files": files} if files else {})}
    answer = await node.ask("POST", "/api/cmd", key=key, body=body)
    assert answer.status == 200, answer.json
    return answer.data


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until something holds; the run's own time limit ends a loop that never gets there."""
    while not true():  # noqa: ASYNC110 - nothing else tells when
        await asyncio.sleep(0)


# --- that it is there -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
async def test_every_projection_shows_what_was_declared(node: Running, name: str) -> None:
    registry = node.node.registry
    entry = registry[f"scratch.{name}"]
    declared = entry.declared
    in_javascript = name != "upload"

    shown = row(entry)
    assert shown["doc"] == declared.doc
    assert shown["http"] == f"{declared.route.method} {declared.route.path}"  # type: ignore[union-attr]
    assert shown["cli"] == f"fazt {declared.cli}"
    assert shown["js"] == (f"fazt.scratch.{name}" if in_javascript else None)
    assert [argument["name"] for argument in shown["args"]] == [p.public for p in declared.parameters]

    assert tool(declared)["name"] == f"fazt_scratch_{name}"
    assert set(tool(declared)["inputSchema"]["properties"]) >= {p.public for p in declared.parameters}
    assert descriptor(entry)["op"] == entry.number
    assert (f"/** {declared.summary} */\n    {name}(" in declarations_file(registry)) is in_javascript
    assert f"### scratch.{name}\n\n{declared.doc}" in reference(registry)

    document = (await node.ask("GET", "/api/openapi.json")).json
    operations = [
        operation for path in document["paths"].values() for operation in path.values() if isinstance(operation, dict)
    ]
    assert [operation["summary"] for operation in operations if operation["operationId"] == f"scratch.{name}"] == [
        declared.summary
    ]
    assert declared.doc in understand(tree(node), ["scratch", name, "--help"])


async def test_the_surface_of_the_whole_node_lists_it_too(node: Running) -> None:
    assert {row["name"] for row in rows(node.node.registry)} >= {f"scratch.{name}" for name in NAMES}


# --- HTTP -------------------------------------------------------------------------------------------------------------


async def test_http_answers_a_value(node: Running) -> None:
    answer = await node.ask("GET", "/api/scratch/greet/ann?loud=true", key="read")
    assert (answer.status, answer.json) == (200, {"data": "HELLO ANN"})


async def test_http_answers_a_write_after_its_commit_and_a_scan_of_what_was_written(shop: Running) -> None:
    made = await shop.ask("POST", "/api/apps/shop/things", key="*", body={"name": "a", "value": 7, "maxAge": "5m"})
    assert (made.status, made.data) == (201, {"name": "a", "value": 7})
    found = await shop.ask("GET", "/api/apps/shop/things?least=7&limit=5", key="read")
    assert found.json == {"data": [{"name": "a", "value": 7}], "meta": {"limit": 5}}
    gone = await shop.ask("DELETE", "/api/apps/shop/things/a", key="*")
    assert (gone.status, gone.body) == (204, b"")
    assert (await shop.ask("DELETE", "/api/apps/shop/things/a", key="*")).code == "NOT_FOUND"


async def test_http_gives_the_body_as_bytes_and_the_query_as_the_rest(node: Running) -> None:
    answer = await node.ask("POST", "/api/scratch/weigh?unit=KB&plus=1", key="*", raw=bytes(2048))
    assert answer.json == {"data": 3}


async def test_http_takes_a_file_from_a_multipart_body(node: Running) -> None:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("note", "hello")
    form.add_field("file", b"\x00\xff" * 50, filename="a b.bin", content_type="application/octet-stream")
    headers = {"Host": f"admin.localhost:{node.site.port}", "Authorization": f"Bearer {await node.key('*')}"}
    url = f"http://127.0.0.1:{node.site.port}/api/scratch/upload"
    async with node.session.post(url, data=form, headers=headers) as answer:
        assert await answer.json() == {"data": {"name": "a b.bin", "bytes": 100, "note": "hello"}}


async def test_a_file_nobody_declared_is_refused_like_any_unknown_name(node: Running) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"x", filename="a")
    form.add_field("other", b"y", filename="b")
    headers = {"Host": f"admin.localhost:{node.site.port}", "Authorization": f"Bearer {await node.key('*')}"}
    url = f"http://127.0.0.1:{node.site.port}/api/scratch/upload"
    async with node.session.post(url, data=form, headers=headers) as answer:
        refused = await answer.json()
    assert refused.get("error", {}).get("details") == {"field": "other"}, refused


async def test_http_takes_any_number_of_values_as_a_list(node: Running) -> None:
    assert (await node.ask("POST", "/api/scratch/join", key="*", body={"words": ["a", "b", "c"]})).data == "a+b+c"
    assert (await node.ask("POST", "/api/scratch/join", key="*", body={})).data == ""
    assert (await node.ask("POST", "/api/scratch/join", key="*", body={"words": ["a", 5]})).code == "VALIDATION_FAILED"


async def test_http_takes_a_config_object_and_names_the_field_that_is_wrong(node: Running) -> None:
    config = {"config": {"title": "x", "tags": ["a"]}}
    assert (await node.ask("PUT", "/api/scratch/config", key="*", body=config)).data == {
        "title": "x",
        "size": 3,
        "tags": ["a"],
    }
    for wrong in ({"size": 3}, {"title": "x", "sice": 3}, {"title": 5}, {"title": "a\nb"}, []):
        refused = await node.ask("PUT", "/api/scratch/config", key="*", body={"config": wrong})
        assert (refused.status, refused.json["error"]["details"]) == (400, {"field": "config"})


async def test_http_waits_for_what_waits(node: Running) -> None:
    asked = asyncio.create_task(node.ask("POST", "/api/scratch/later", key="*", body={"value": {"a": [1]}}))
    await until(lambda: node.clock.sleepers == 1)
    assert not asked.done()
    node.clock.advance(60)
    assert (await asked).data == {"a": [1]}


async def test_http_streams_events_and_says_why_a_stream_ended(node: Running) -> None:
    answer = await node.ask("GET", "/api/scratch/count/3", key="read")
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.body == b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
    broken = await node.ask("GET", "/api/scratch/count/20", key="read")
    assert broken.status == 200
    why = b'{"code":"CONFLICT","message":"Thirteen is not a number.","hint":"Count less."}'
    assert broken.body.endswith(b"data: 12\n\nevent: error\ndata: " + why + b"\n\n")


async def test_a_stream_with_wrong_arguments_is_refused_before_it_begins(node: Running) -> None:
    assert (await node.ask("GET", "/api/scratch/count/1000", key="read")).code == "VALIDATION_FAILED"
    assert (await node.ask("GET", "/api/scratch/count/3")).code == "UNAUTHORIZED"


# --- the command line, and another machine's command line -------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["scratch", "greet", "ann"], "Hello ann"),
        (["scratch", "greet", "ann", "--loud"], "HELLO ANN"),
        (["scratch", "greet", "--", "--loud"], "Hello --loud"),
        (["scratch", "join", "a", "b"], "a+b"),
        (["scratch", "join", "a,b", "-", "c d"], "a,b+-+c d"),
        (["scratch", "join"], ""),
        (["scratch", "configure", '{"title":"x"}'], {"title": "x", "size": 3, "tags": []}),
    ],
)
async def test_a_command_does_what_the_function_does_here_and_through_another_node(
    node: Running, words: list[str], answer: Any
) -> None:
    assert msgspec.to_builtins(await command(node, *words), enc_hook=str) == answer
    assert (await forwarded(node, *words))["data"] == answer


async def test_a_command_for_an_app_names_it(shop: Running) -> None:
    assert (await command(shop, "scratch", "keep", "a", "--app", "shop", "--value", "7")).value == 7
    assert (await forwarded(shop, "scratch", "keep", "b", "--app", "shop", "--max-age", "5m"))["success"]
    found = await forwarded(shop, "scratch", "find", "--app", "shop")
    assert found["data"] == [{"name": "a", "value": 7}, {"name": "b", "value": 1}]
    assert found["meta"] == {"limit": 20}


async def test_a_command_takes_bytes_from_a_file(node: Running, tmp_path: Path) -> None:
    (tmp_path / "b.bin").write_bytes(bytes(3000))
    assert await command(node, "scratch", "weigh", str(tmp_path / "b.bin"), "--unit", "KB", "--plus=1") == 3


async def test_a_command_takes_an_upload_from_a_file(node: Running, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    assert await command(node, "scratch", "upload", str(tmp_path / "a.txt"), "--note", "n") == {
        "name": "a.txt",
        "bytes": 5,
        "note": "n",
    }


@pytest.mark.parametrize("name", ["weigh", "upload"])
async def test_a_file_that_a_command_names_is_sent_along_to_another_node(
    node: Running, tmp_path: Path, name: str
) -> None:
    (tmp_path / "a.txt").write_text("hello")
    done = await forwarded(node, "scratch", name, str(tmp_path / "a.txt"))
    assert done["success"], done
    assert done["data"] in (5, {"name": "a.txt", "bytes": 5, "note": ""})


@pytest.mark.parametrize("name", ["weigh", "upload"])
async def test_a_command_from_afar_never_reads_a_file_of_the_node(node: Running, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("do not read")
    body = {"command": "scratch", "args": [name, str(secret)]}
    done = (await node.ask("POST", "/api/cmd", key="*", body=body)).data
    assert done["success"] is False
    assert "data" not in done


async def test_a_stream_cannot_run_through_another_node_and_says_so(node: Running) -> None:
    done = await forwarded(node, "scratch", "count", "3")
    assert (done["success"], done["error"]["code"], done["exit"]) == (False, "USAGE", 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scratch", "greet"], "Missing argument"),
        (["scratch", "greet", "ann", "--lout"], "no option --lout"),
        (["scratch", "gret", "ann"], "no command gret"),
    ],
)
def test_a_command_that_is_not_understood_says_why(words: list[str], said: str) -> None:
    from fazt.boot import registry

    with pytest.raises(FaztError, match=said) as refused:
        understand(build(registry((*PARTS, scratch)), []), words)
    assert refused.value.exit_code == 2


# --- JavaScript -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "data", "answer"),
    [
        ("greet", b'["ann"]', None, "Hello ann"),
        ("greet", b'["ann",{"loud":true}]', None, "HELLO ANN"),
        ("keep", b'["a",{"value":2,"maxAge":"5m"}]', None, scratch.Thing("a", 2)),
        ("find", b'[{"least":1}]', None, []),
        ("weigh", b'["B",{"plus":2}]', b"abc", 5),
        ("weigh", b"[]", b"", 0),
        ("join", b'["a","b"]', None, "a+b"),
    ],
)
async def test_javascript_calls_it_by_position_and_options(
    shop: Running, name: str, arguments: bytes, data: bytes | None, answer: Any
) -> None:
    entry, driver = shop.node.registry[f"scratch.{name}"], shop.node.driver
    who = shop.node.driver.call(LOCAL, "js", app="app_x", grants=frozenset({"scratch:greet", "scratch:keep"}))
    result = await driver.settle(entry, who, entry.javascript(who, arguments, data), {})
    assert getattr(result, "items", result) == answer


async def test_javascript_gives_a_config_object(node: Running) -> None:
    entry = node.node.registry["scratch.configure"]
    config = entry.javascript(node.node.driver.call(LOCAL, "js"), b'[{"title":"x","tags":["a"]}]')
    assert isinstance(config, scratch.Settings)
    assert (config.title, config.size, config.tags) == ("x", 3, ["a"])


async def test_javascript_gets_a_stream_as_an_async_iterator(node: Running) -> None:
    entry = node.node.registry["scratch.count"]
    made = entry.javascript(node.node.driver.call(LOCAL, "js"), b"[3]")
    assert [item async for item in made] == [1, 2, 3]


# --- the journal ------------------------------------------------------------------------------------------------------


async def test_a_weighty_capability_is_in_the_ledger_and_names_what_it_was_about(shop: Running) -> None:
    await shop.run("scratch.keep", app="shop", name="a")
    await shop.run("scratch.drop", app="shop", name="a")
    (entry,) = (await shop.run("activity.list", action="scratch.drop")).items
    app = (await shop.run("apps.get", app="shop")).id
    assert (entry.resource, entry.result, entry.weight) == (f"{app}/a", "ok", 8)


async def test_a_secret_argument_is_written_nowhere(node: Running) -> None:
    await node.run("scratch.lock", door="front", code="open sesame")
    for entry in (await node.run("activity.list", action="scratch.lock")).items:
        assert "sesame" not in repr(entry)
    assert "sesame" not in repr(node.content())
