"""What pages send: noted in memory, cut and cleaned; whatever is sent, nothing else happens."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from kernel.net.track import PIXEL
from tests import support
from tests.support import Answer, Running

on_shared_node = pytest.mark.asyncio(loop_scope="module")
APEX = "localhost"
ANY_PAGE = "Access-Control-Allow-Origin"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One node for all that is sent; nothing of it may reach the file."""
    async with support.running(tmp_path_factory.mktemp("node") / "data.db") as made:
        await made.run("apps.create", slug="shop")
        await made.run("apps.create", slug="other")
        await made.run("apps.create", slug="attic")
        await made.run("apps.delete", app="attic")
        await made.run("aliases.create", subdomain="away", url="https://example.com/")
        await made.run("aliases.reserve", subdomain="kept")
        await made.run("aliases.split", subdomain="both", ids=["shop:1", "other:1"])
        before = made.content()
        yield made
        assert made.content() == before


@pytest.fixture(autouse=True)
def nothing_waits(node: Running) -> None:
    node.node.events.waiting.clear()


def noted(node: Running) -> list[dict[str, Any]]:
    return list(node.node.events.waiting)


async def send(node: Running, body: Any = None, host: str = APEX, **how: Any) -> Answer:
    return await node.ask("POST", "/track", host=host, body=body, **how)


async def track(node: Running, said: Any, **how: Any) -> dict[str, Any]:
    """The event that came of it."""
    answer = await send(node, said, **how)
    assert (answer.status, answer.body, answer.headers[ANY_PAGE]) == (204, b"", "*")
    (event,) = noted(node)
    return event


# --- the beacon


@pytest.mark.parametrize("content_type", ["application/json", "text/plain;charset=UTF-8", ""])
@pytest.mark.parametrize(
    "said",
    [
        {
            "h": "shop.localhost",
            "p": "/a?b",
            "e": "buy",
            "t": ["x", "y"],
            "q": {"n": 1, "on": True, "s": "v"},
            "ref": "r",
        },
        {
            "hostname": "shop.localhost",
            "path": "/a?b",
            "event_type": "buy",
            "tags": ["x", "y"],
            "query": {"n": 1, "on": True, "s": "v"},
            "referrer": "r",
        },
    ],
    ids=["short", "long"],
)
@on_shared_node
async def test_a_page_tells_of_an_event_in_either_spelling(
    node: Running, said: dict[str, Any], content_type: str
) -> None:
    headers = {"User-Agent": "Browser/1", **({"Content-Type": content_type} if content_type else {})}
    event = await track(node, said, headers=headers)
    shop = node.node.caller.id_of("shop")
    now = node.clock.now()
    assert event.pop("id").startswith("web_")
    assert event == {
        "domain": "shop.localhost",
        "app_id": shop,
        "source_type": "web",
        "event_type": "buy",
        "path": "/a?b",
        "referrer": "r",
        "user_agent": "Browser/1",
        "ip": "127.0.0.0/24",
        "query_params": '{"n":"1","on":"true","s":"v"}',
        "tags": '["x","y"]',
        "created_at": now,
        "expires_at": now + 90 * 86_400_000,
    }


@on_shared_node
async def test_a_page_need_not_say_much(node: Running) -> None:
    event = await track(node, {"h": APEX})
    assert (event["event_type"], event["path"], event["tags"], event["query_params"]) == ("pageview", "", "[]", "{}")


@pytest.mark.parametrize(
    ("said", "domain"),
    [
        ({"h": "localhost"}, "localhost"),
        ({"h": "LOCALHOST.:4698"}, "localhost"),
        ({"h": "root.localhost"}, "localhost"),
        ({"h": "127.0.0.1"}, "localhost"),
        ({"h": "Shop.Localhost:80"}, "shop.localhost"),
        ({"d": "shop.localhost", "h": "evil.example"}, "shop.localhost"),
        ({"h": "evil.example"}, None),
        ({"d": "evil.example", "h": "shop.localhost"}, None),
        ({"h": "nobody.localhost"}, None),
        ({"h": "attic.localhost"}, None),
        ({"h": "both.localhost"}, "both.localhost"),
        ({"h": "away.localhost"}, None),
        ({"h": "kept.localhost"}, None),
        ({"h": "000000000000--shop.localhost"}, None),
        ({"h": "--.localhost"}, None),
        ({"h": "admin.localhost"}, None),
        ({"h": "www.localhost"}, None),
        ({"h": "a.shop.localhost"}, None),
        ({"h": "xlocalhost"}, None),
        ({"h": "shop.localhost.evil.example"}, None),
        ({"h": "shop.localhost\r\nX: y"}, None),
        ({"h": "shop.localhost/"}, None),
        ({"h": "' or 1=1"}, None),
        ({"h": "x" * 5000}, None),
        ({"h": "shöp.localhost"}, None),
    ],
    ids=lambda value: str(value)[:40],
)
@on_shared_node
async def test_only_what_lives_here_is_noted(node: Running, said: Any, domain: str | None) -> None:
    """What is not ours is dropped without a word: a stranger learns nothing of what there is."""
    answer = await send(node, said)
    assert (answer.status, answer.body) == (204, b"")
    assert [event["domain"] for event in noted(node)] == ([domain] if domain else [])


@on_shared_node
async def test_an_app_is_known_by_its_id_too(node: Running) -> None:
    shop = node.node.caller.id_of("shop")
    event = await track(node, {"h": f"{shop.replace('_', '-')}.localhost"})
    assert event["app_id"] == shop


@pytest.mark.parametrize(
    ("headers", "domain"),
    [
        ({"Origin": "http://shop.localhost:80"}, "shop.localhost"),
        ({"Origin": "null", "Referer": "http://shop.localhost/a"}, "shop.localhost"),
        ({"Referer": "http://shop.localhost/a"}, "shop.localhost"),
        ({"Origin": "https://evil.example", "Referer": "http://shop.localhost/"}, None),
        ({"Origin": "http://[::1/"}, "localhost"),
        ({}, "localhost"),
    ],
)
@on_shared_node
async def test_a_page_that_does_not_say_where_it_is_is_where_its_browser_says(
    node: Running, headers: dict[str, str], domain: str | None
) -> None:
    assert (await send(node, {}, headers=headers)).status == 204
    assert [event["domain"] for event in noted(node)] == ([domain] if domain else [])


@on_shared_node
async def test_what_is_long_is_cut_and_what_no_line_may_hold_becomes_a_space(node: Running) -> None:
    event = await track(
        node,
        {
            "h": APEX,
            "p": "/" + "x" * 600,
            "e": "a\r\nSet-Cookie: b\x00\x1b[31m",
            "ref": "\u202egnp\u2028",
            "t": ["y" * 80, " ", "", "a,b", "a", *map(str, range(40))],
            "q": {"k" * 600: "v" * 600, **{str(n): n for n in range(40)}},
        },
        headers={"User-Agent": "z" * 2000},
    )
    assert len(event["path"]) == 500
    assert event["event_type"] == "a  Set-Cookie: b  [31m"
    assert event["referrer"] == " gnp "
    tags, query = json.loads(event["tags"]), json.loads(event["query_params"])
    assert tags[:4] == ["y" * 50, "a", "b", "0"] and len(tags) == 20
    assert next(iter(query.items())) == ("k" * 500, "v" * 500) and len(query) == 20
    assert len(event["user_agent"]) == 300


@pytest.mark.parametrize(
    ("raw", "code", "field"),
    [
        (b"not json", "INVALID_JSON", None),
        (b"[1]", "INVALID_JSON", None),
        (b'"text"', "INVALID_JSON", None),
        (b"null", "INVALID_JSON", None),
        (b"\xff\xfe", "INVALID_JSON", None),
        (b'{"h":"localhost"', "INVALID_JSON", None),
        (b'{"h":"localhost","h":"localhost"}', "VALIDATION_FAILED", "h"),
        (b'{"p":"\\ud800"}', "VALIDATION_FAILED", "p"),
        (b'{"q":{"n":NaN}}', "VALIDATION_FAILED", "q"),
        (b'{"q":{"n":1e400}}', "VALIDATION_FAILED", "q"),
        (b'{"q":' + b"[" * 5000 + b"]" * 5000 + b"}", "VALIDATION_FAILED", "q"),
        (b'{"h":1}', "VALIDATION_FAILED", "h"),
        (b'{"domain":["localhost"]}', "VALIDATION_FAILED", "domain"),
        (b'{"p":{}}', "VALIDATION_FAILED", "p"),
        (b'{"e":false}', "VALIDATION_FAILED", "e"),
        (b'{"ref":0}', "VALIDATION_FAILED", "ref"),
        (b'{"t":0}', "VALIDATION_FAILED", "t"),
        (b'{"t":{}}', "VALIDATION_FAILED", "t"),
        (b'{"tags":["a",1]}', "VALIDATION_FAILED", "tags"),
        (b'{"t":[["a"]]}', "VALIDATION_FAILED", "t"),
        (b'{"q":[]}', "VALIDATION_FAILED", "q"),
        (b'{"q":"text"}', "VALIDATION_FAILED", "q"),
        (b'{"q":{"a":{"b":1}}}', "VALIDATION_FAILED", "q"),
        (b'{"q":{"a":[1]}}', "VALIDATION_FAILED", "q"),
        (b'{"p":"' + b"x" * 10240 + b'"}', "PAYLOAD_TOO_LARGE", None),
    ],
    ids=lambda value: repr(value)[:30],
)
@on_shared_node
async def test_what_is_no_event_is_refused_so_that_a_page_can_read_why(
    node: Running, raw: bytes, code: str, field: str | None
) -> None:
    answer = await send(node, raw=raw)
    assert (answer.status, answer.code) == (413 if code == "PAYLOAD_TOO_LARGE" else 400, code), answer.body
    assert answer.json["error"].get("details", {}).get("field") == field
    assert answer.headers[ANY_PAGE] == "*"
    assert noted(node) == []


@pytest.mark.parametrize(
    "said",
    [
        {"h": None, "e": None, "t": None, "q": None},
        {"unknown": {"deep": [[[[]]]]}, "__proto__": 1},
        {"t": "a,b"},
        {"q": {"n": 10**400, "nothing": None, "": ""}},
        {"p": "'; drop table events_web; --"},
    ],
    ids=lambda value: str(value)[:30],
)
@on_shared_node
async def test_what_is_odd_but_harmless_is_taken(node: Running, said: Any) -> None:
    await track(node, said)


@on_shared_node
async def test_as_many_bytes_as_are_allowed_are_taken(node: Running) -> None:
    head, tail = b'{"h":"localhost","p":"', b'"}'
    raw = head + b"x" * (10240 - len(head) - len(tail)) + tail
    assert (await send(node, raw=raw)).status == 204
    assert len(noted(node)) == 1
    assert (await send(node, raw=raw + b" ")).status == 413


@on_shared_node
async def test_a_body_in_pieces_is_counted_too(node: Running) -> None:
    pieces = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(11)) + b"0\r\n\r\n"
    head = b"POST /track HTTP/1.1\r\nHost: localhost:{port}\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert (await node.raw(head + pieces)).status == 413
    assert noted(node) == []


@on_shared_node
async def test_a_small_body_that_unpacks_to_a_large_one_is_large(node: Running) -> None:
    headers = {"Content-Encoding": "gzip"}
    bomb = gzip.compress(b'{"h":"localhost","p":"' + b"x" * 10_000_000 + b'"}')
    assert len(bomb) < 10240
    assert (await send(node, raw=bomb, headers=headers)).status == 413
    assert noted(node) == []
    assert (await send(node, raw=b"no gzip", headers=headers)).status == 400
    assert noted(node) == []


@on_shared_node
async def test_any_page_may_ask_whether_it_may_send(node: Running) -> None:
    headers = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = await node.ask("OPTIONS", "/track", host=APEX, headers=headers)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers[ANY_PAGE] == "*"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"].lower() == "content-type"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert noted(node) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
@on_shared_node
async def test_an_event_is_posted(node: Running, method: str) -> None:
    answer = await node.ask(method, "/track", host=APEX)
    assert (answer.status, set(answer.headers["Allow"].split(", "))) == (405, {"OPTIONS", "POST"})


@pytest.mark.parametrize("host", ["admin.localhost", "shop.localhost", "evil.example"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/track"), ("OPTIONS", "/track"), ("GET", "/pixel.gif")])
@on_shared_node
async def test_events_are_taken_on_the_nodes_own_domain_only(node: Running, host: str, method: str, path: str) -> None:
    answer = await node.ask(method, path, host=host, body={"h": APEX} if method == "POST" else None)
    # what only reads is not found, what would write is not even allowed
    assert answer.status in (404, 405)
    assert ANY_PAGE not in answer.headers
    assert answer.headers["Content-Type"] != "image/gif"
    assert noted(node) == []


@on_shared_node
async def test_root_is_another_name_of_the_domain(node: Running) -> None:
    assert (await send(node, {"h": APEX}, host="root.localhost")).status == 204
    assert (await node.ask("GET", "/pixel.gif", host="root.localhost")).status == 200
    assert [event["domain"] for event in noted(node)] == [APEX, APEX]


# --- the pixel


def test_the_picture_is_one_transparent_point() -> None:
    assert PIXEL[:6] == b"GIF89a" and PIXEL[-1:] == b";"
    assert struct.unpack("<HH", PIXEL[6:10]) == (1, 1)
    # the extension says that colour 0, which the only point has, is not drawn
    assert PIXEL[19:22] == b"\x21\xf9\x04" and PIXEL[22] & 1 and PIXEL[25] == 0
    assert len(PIXEL) == 43


@on_shared_node
async def test_a_picture_counts_where_no_script_runs(node: Running) -> None:
    headers = {"Referer": "https://mail.example/inbox", "User-Agent": "Mail/1"}
    path = "/pixel.gif?domain=shop.localhost&tags=news,june&source=mail"
    answer = await node.ask("GET", path, host=APEX, headers=headers)
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, PIXEL, "image/gif")
    assert answer.headers["Cache-Control"] == "no-store"
    (event,) = noted(node)
    assert (event["source_type"], event["event_type"], event["domain"]) == ("pixel", "pageview", "shop.localhost")
    assert (event["tags"], event["query_params"]) == ('["news","june"]', '{"source":"mail"}')
    assert (event["referrer"], event["user_agent"]) == ("https://mail.example/inbox", "Mail/1")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 1),
        ("domain=localhost", 1),
        ("domain=evil.example", 0),
        ("domain=admin.localhost", 0),
        ("domain=%00", 0),
        ("domain=%ff%fe", 0),
        ("domain=localhost&tags=%0d%0aX:1&source=%ff", 1),
        ("domain=localhost&domain=evil.example", 0),
        ("&".join(f"a{n}=1" for n in range(200)), 1),
        ("domain=localhost&tags=" + "x," * 2000, 1),
        ("%", 1),
        ("=&&==", 1),
    ],
    ids=lambda value: str(value)[:30],
)
@on_shared_node
async def test_a_picture_is_always_a_picture(node: Running, query: str, count: int) -> None:
    answer = await node.ask("GET", f"/pixel.gif?{query}", host=APEX)
    assert (answer.status, answer.body) == (200, PIXEL)
    assert len(noted(node)) == count
    assert all(event["tags"].isprintable() for event in noted(node))


@on_shared_node
async def test_who_asks_for_the_head_of_a_picture_does_not_look_at_it(node: Running) -> None:
    answer = await node.ask("HEAD", "/pixel.gif?domain=localhost", host=APEX)
    assert (answer.status, answer.body, noted(node)) == (200, b"", [])


# --- short links


@pytest.mark.asyncio
async def test_following_a_link_is_an_event(running: Running) -> None:
    await running.run("redirects.create", slug="go", destination="https://example.com/")
    before = running.content()
    headers = {"Referer": "https://page.example/", "User-Agent": "Browser/1"}
    assert (await running.ask("GET", "/r/go?tags=june,mail&n=1", host=APEX, headers=headers)).status == 302
    assert (await running.ask("HEAD", "/r/go", host=APEX)).status == 302
    assert (await running.ask("GET", "/r/nothing", host=APEX)).status == 404
    assert running.content() == before
    (event,) = noted(running)
    assert (event["source_type"], event["event_type"], event["domain"], event["path"]) == (
        "redirect",
        "click",
        APEX,
        "/r/go",
    )
    assert (event["tags"], event["query_params"]) == ('["june","mail"]', '{"n":"1"}')
    assert (event["referrer"], event["user_agent"]) == ("https://page.example/", "Browser/1")
