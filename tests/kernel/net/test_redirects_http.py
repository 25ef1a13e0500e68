"""Short links: made on the admin host, followed on the node's own domain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests import support
from tests.support import Answer, Running

on_shared_node = pytest.mark.asyncio(loop_scope="module")


async def make(running: Running, destination: str, slug: str = "go", **more: Any) -> Any:
    return await running.ask("POST", "/api/redirects", key="*", body={"slug": slug, "destination": destination, **more})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One node for all addresses; each test makes the same link and takes it away again."""
    async with support.running(tmp_path_factory.mktemp("node") / "data.db") as made:
        await made.key("*")
        yield made


async def follow(running: Running, made: Any) -> Answer:
    """Where a link leads, once; then it is gone."""
    answer = await running.ask("GET", "/r/go", host="localhost")
    await running.ask("DELETE", f"/api/redirects/{made.data['id']}", key="*")
    return answer


PLACES = [
    "https://example.com",
    "https://example.com/",
    "http://example.com:8080/a/b?c=d#e",
    "HTTPS://Example.COM/Path",
    "https://example.com/a%2Fb",
    "https://example.com/?next=https%3A%2F%2Fother.example%2F%3Fa%3Db%26c",
    "https://example.com/?a=1+2&b=3%2B4&c=%41",
    "https://example.com/%E2%9C%93",
    "https://example.com/?q=%ff",
    "https://example.com/%7Euser/",
    "https://example.com/a/../b/./c",
    "https://example.com//double//slash",
    "https://example.com/?a&b=&=c",
    "https://user@example.com/",
    "https://[::1]:8080/",
    "https://xn--bcher-kva.example/",
    "https://example.com/#/a?b",
    "https://example.com/%",
    "https://example.com/%zz",
    "https://example.com:443/",
    "http://example.com:0/",
    "https://a..b/",
    "https://-a-/",
    "https://" + "a" * 300 + ".example/",
    "https://example.com/" + "x" * 2000,
]


@pytest.mark.parametrize("destination", PLACES, ids=lambda value: value[:50])
@on_shared_node
async def test_a_link_leads_where_it_was_made_to_lead(shared: Running, destination: str) -> None:
    """To the byte: a signature in a query must arrive as it was written. Or it is refused at once."""
    made = await make(shared, destination)
    if made.status == 400:
        assert made.json["error"]["details"]["field"] == "destination"
        return
    assert (made.status, made.data["destination"]) == (201, destination)
    answer = await follow(shared, made)
    assert (answer.status, answer.headers["Location"]) == (302, destination)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "destination",
    [
        "https://bücher.example/ä?ö#ü",
        "https://☃.example/",
        "https://☃..example/",
        "https://" + "ü" * 300 + ".example/",
        "https://xn--/",
        "https://\u00ad.example/",
        "https://example.com/\u0080",
        "https://éxample.com:80/😀",
        "https://a\u2024b.example/",
        "https://\uff0e/",
    ],
    ids=ascii,
)
@on_shared_node
async def test_a_link_with_letters_of_the_world_leads_somewhere(shared: Running, destination: str) -> None:
    made = await make(shared, destination)
    if made.status == 400:
        assert made.json["error"]["details"]["field"] == "destination"
        return
    answer = await follow(shared, made)
    assert answer.status == 302
    assert answer.headers["Location"].isascii() and answer.headers["Location"].startswith("https://")


@pytest.mark.parametrize(
    ("host", "ascii"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("βόλος.example", "xn--nxasmm1c.example"),
        ("日本.example", "xn--wgv71a.example"),
    ],
)
@on_shared_node
async def test_a_name_of_the_world_is_the_name_a_browser_would_go_to(shared: Running, host: str, ascii: str) -> None:
    """By the rules of today (UTS 46): by the old ones the sharp s made two, which is somebody else's name."""
    made = await make(shared, f"https://{host}/")
    assert made.status == 201
    assert (await follow(shared, made)).headers["Location"] == f"https://{ascii}/"


@pytest.mark.parametrize(
    "destination",
    [
        "",
        " ",
        "/relative",
        "//evil.example",
        "example.com",
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)//http://",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://example.com/",
        "http:",
        "http://",
        "http:///path",
        "http:example.com",
        "http:/example.com",
        "http:\\\\evil.example",
        "https://example.com\\@evil.example",
        "https://ex ample.com/",
        "https://example.com/a b",
        "https://example.com/\r\nSet-Cookie: x=1",
        "https://example.com/\t",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://[::1/",
        "https://[nonsense]/",
        "https://example.com/" + "x" * 2048,
        " https://example.com/",
        "https://example.com/\u202egnp",
        "https://:80/",
        "https://@/",
    ],
    ids=ascii,
)
@on_shared_node
async def test_a_link_leads_to_a_web_address(shared: Running, destination: str) -> None:
    before = shared.content()
    made = await make(shared, destination)
    assert (made.status, made.code) == (400, "VALIDATION_FAILED")
    assert made.json["error"]["details"]["field"] == "destination"
    assert shared.content() == before


async def test_a_slug_is_taken_once(running: Running) -> None:
    assert (await make(running, "https://example.com/1")).status == 201
    taken = await make(running, "https://example.com/2")
    assert (taken.status, taken.code, taken.json["error"]["details"]["field"]) == (409, "CONFLICT", "slug")
    assert (await make(running, "https://example.com/3", slug="GO")).status == 201
    assert (await running.ask("GET", "/r/go", host="localhost")).headers["Location"] == "https://example.com/1"
    assert (await running.ask("GET", "/r/GO", host="localhost")).headers["Location"] == "https://example.com/3"


async def test_clicks_are_counted_and_following_writes_nothing(running: Running) -> None:
    id = (await make(running, "https://example.com/")).data["id"]
    before = running.content()
    for _ in range(3):
        await running.ask("GET", "/r/go", host="localhost")
    await running.ask("HEAD", "/r/go", host="localhost")
    assert running.content() == before
    assert (await running.ask("GET", "/api/redirects", key="*")).data[0]["click_count"] == 3
    await running.node._flush(running.node.clicks)
    await running.ask("GET", "/r/go", host="root.localhost")
    assert (await running.ask("GET", "/api/redirects", key="*")).data[0]["click_count"] == 4
    assert (await running.ask("DELETE", f"/api/redirects/{id}", key="*")).status == 204
    await running.node._flush(running.node.clicks)
    assert (await running.ask("GET", "/api/redirects", key="*")).data == []


@pytest.mark.parametrize("slug", ["nothing", "x" * 500, "%00", "a%2Fb", "%E2%80%AE", "'%20or%201=1"])
async def test_an_unknown_link_is_not_found(running: Running, slug: str) -> None:
    answer = await running.ask("GET", f"/r/{slug}", host="localhost")
    assert answer.status in (400, 404)
    assert "Location" not in answer.headers
    if answer.status == 404 and answer.headers["Content-Type"].startswith("application/json"):
        assert answer.code == "REDIRECT_NOT_FOUND"


@pytest.mark.parametrize("host", ["admin.localhost", "shop.localhost", "evil.example"])
async def test_links_are_followed_on_the_domain_only(running: Running, host: str) -> None:
    await make(running, "https://example.com/")
    answer = await running.ask("GET", "/r/go", host=host)
    assert answer.status == 404 and "Location" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_link_is_only_followed(running: Running, method: str) -> None:
    await make(running, "https://example.com/")
    answer = await running.ask(method, "/r/go", host="localhost")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


async def test_a_link_is_deleted_once(running: Running) -> None:
    id = (await make(running, "https://example.com/")).data["id"]
    assert (await running.ask("DELETE", f"/api/redirects/{id}", key="*")).status == 204
    again = await running.ask("DELETE", f"/api/redirects/{id}", key="*")
    assert (again.status, again.code) == (404, "REDIRECT_NOT_FOUND")
    assert (await running.ask("GET", "/r/go", host="localhost")).status == 404
