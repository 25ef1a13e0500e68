"""The same answer for other readers: .txt .csv .md .html .xml .json; and lists by offset and limit."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
import pytest_asyncio

from tests import support
from tests.kernel.net.endpoint import Endpoint
from tests.kernel.net.endpoints import ENDPOINTS, furnish
from tests.support import Answer, Running

on_shared_node = pytest.mark.asyncio(loop_scope="module")
MIMES = {
    "txt": "text/plain",
    "csv": "text/csv",
    "md": "text/markdown",
    "html": "text/html",
    "xml": "application/xml",
    "json": "application/json",
}
# a format stands behind a word of our own, never behind a parameter; what is no table has no shape
READS = [e for e in ENDPOINTS if e.method == "GET" and e.shape is not None and not e.route.endswith("}")]
BEHIND_A_WORD = [e for e in ENDPOINTS if e.method == "GET" and e.route.endswith("}")]


def route_of(endpoint: Endpoint) -> str:
    return endpoint.route


def suffixed(path: str, suffix: str) -> str:
    place, mark, query = path.partition("?")
    return f"{place}.{suffix}{mark}{query}"


class Tags(HTMLParser):
    """The tags of a page, and the text of its cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def rows_of(answer: Answer, suffix: str) -> list[dict[str, str]]:
    """The answer's table, read as a reader of that format would."""
    text = answer.body.decode()
    if suffix == "csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    items = ElementTree.fromstring(text).findall("item")
    return [{field.attrib["name"]: field.text or "" for field in item} for item in items]


@pytest.mark.parametrize("endpoint", READS, ids=route_of)
async def test_every_read_has_every_format(running: Running, endpoint: Endpoint) -> None:
    names = await furnish(running)
    cookie = await running.sign_in()
    for suffix, mime in MIMES.items():
        path = suffixed(endpoint.path.format(**names), suffix)
        answer = await running.ask("GET", path, cookie=cookie)
        assert answer.status == 200, suffix
        assert answer.headers["Content-Type"] == f"{mime}; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        plain = await running.ask("GET", endpoint.path.format(**names), cookie=cookie)
        if plain.data == []:
            continue  # an empty list has nothing to show
        if suffix in ("csv", "xml"):
            assert rows_of(answer, suffix)
        elif suffix == "json":
            assert "data" in answer.json
        else:
            assert len(answer.body.decode().splitlines()) > 1
        if suffix != "json":
            assert "sandbox" in answer.headers["Content-Security-Policy"]
        head = await running.ask("HEAD", path, cookie=cookie)
        assert (head.status, head.body, head.headers["Content-Type"]) == (200, b"", answer.headers["Content-Type"])


async def test_no_other_site_shows_it_in_a_frame(running: Running) -> None:
    """`default-src` says nothing of frames."""
    answer = await running.ask("GET", "/api/apps.html", key="*")
    framed = answer.headers.get("X-Frame-Options", "")
    assert "frame-ancestors 'none'" in answer.headers.get("Content-Security-Policy", "") or framed == "DENY"


@pytest.mark.parametrize("suffix", ["pdf", "yaml", "", "CSV", "csv.csv", "exe", "html5", "json5", "csv%00", "csv%2F"])
@pytest.mark.parametrize("path", ["/api/apps", "/api/redirects", "/api/system/logs"])
@on_shared_node
async def test_another_suffix_is_another_path(untouched: Running, path: str, suffix: str) -> None:
    answer = await untouched.ask("GET", f"{path}.{suffix}", key="*")
    assert (answer.status, answer.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["storage/s3/object.html?key=a.txt", "vector/collections/songs/export.csv"])
async def test_what_is_no_table_has_no_formats(running: Running, path: str) -> None:
    names = await furnish(running)
    assert (await running.ask("GET", f"/api/apps/{names['app']}/{path}", key="*")).code == "NOT_FOUND"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_only_reads_have_formats(running: Running, method: str) -> None:
    answer = await running.ask(method, "/api/apps.csv", key="*", body={"slug": "x"} if method != "DELETE" else None)
    assert answer.status in (404, 405)


@pytest.mark.parametrize("suffix", MIMES)
async def test_an_error_is_json_in_every_format(running: Running, suffix: str) -> None:
    for path, status in (("/api/redirects?limit=x", 400), ("/api/apps/no/storage/kv", 404)):
        answer = await running.ask("GET", suffixed(path, suffix), key="*")
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert (await running.ask("GET", suffixed("/api/redirects", suffix))).code == "UNAUTHORIZED"


@pytest.mark.parametrize("suffix", MIMES)
@pytest.mark.parametrize("endpoint", BEHIND_A_WORD, ids=route_of)
async def test_a_suffix_belongs_to_the_name(running: Running, endpoint: Endpoint, suffix: str) -> None:
    names = await furnish(running)
    answer = await running.ask("GET", f"{endpoint.path.format(**names)}.{suffix}", key="*")
    if answer.status == 200:
        assert answer.data == [], "a collection nobody has put anything into"
        return
    # there is no such thing, or nothing may be called so
    assert (answer.status, answer.code) in ((404, "APP_NOT_FOUND"), (404, "NOT_FOUND"), (400, "VALIDATION_FAILED"))


@pytest.mark.parametrize("suffix", MIMES)
async def test_a_key_may_end_like_a_format(running: Running, suffix: str) -> None:
    await running.run("apps.create", slug="shop")
    key = f"readme.{suffix}"
    assert (
        await running.ask("POST", "/api/apps/shop/storage/kv", key="*", body={"key": key, "value": 1})
    ).status == 201
    found = await running.ask("GET", f"/api/apps/shop/storage/kv/entry?key={key}", key="*")
    assert found.data == {"key": key, "value": 1}
    shown = await running.ask("GET", f"/api/apps/shop/storage/kv/entry.csv?key={key}", key="*")
    assert {row["name"]: row["value"] for row in rows_of(shown, "csv")}["key"] == key


# --- what people put into cells


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One node with one key, which each test sets anew."""
    async with support.running(tmp_path_factory.mktemp("node") / "data.db") as made:
        await made.run("apps.create", slug="shop")
        yield made


HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    "\t=1",
    "\r=1",
    "\n=1",
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    "]]></field></item>&lt;&amp;&#0;",
    '"quoted", and; more',
    "a|b\nc",
    "[x](javascript:alert(1))",
    "\x1b]0;title\x07\x1b[31m",
    "\x00\x01\x1f",
    "\x7f\x85",
    "\ufffe\uffff",
    "😀 é ü",
    "\u202egnp.exe",
    "' or 1=1 --",
    "{{7*7}}",
]


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
@on_shared_node
async def test_csv_is_harmless_to_a_spreadsheet(shop: Running, value: str) -> None:
    row = (await _kv(shop, value, "csv"))[0]
    assert row["key"] == "k"
    assert row["value"] in (value, "'" + value)
    for name, cell in row.items():
        assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r"), f"{name} begins like a formula"


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
@on_shared_node
async def test_xml_is_well_formed(shop: Running, value: str) -> None:
    row = (await _kv(shop, value, "xml"))[0]
    # XML 1.0 has no place for some characters, and makes line ends alike
    allowed = "".join(c for c in value if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
    assert row["value"] == allowed.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
@on_shared_node
async def test_html_is_escaped(shop: Running, value: str) -> None:
    await _put(shop, value)
    page = Tags((await shop.ask("GET", "/api/apps/shop/storage/kv.html", key="*")).body.decode())
    assert page.tags <= {"meta", "title", "table", "thead", "tbody", "tr", "th", "td"}
    assert page.cells[3].rstrip("\n").replace("\r", "") == value.rstrip("\n").replace("\r", "")


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
@on_shared_node
async def test_markdown_is_one_line_a_row(shop: Running, value: str) -> None:
    await _put(shop, value)
    text = (await shop.ask("GET", "/api/apps/shop/storage/kv.md", key="*")).body.decode()
    lines = re.split(r"\r\n|\n|\r", text.removesuffix("\n"))
    assert len(lines) == 3, "the value broke out of its row"
    assert "<script" not in text and "<img" not in text
    row = lines[2]
    assert row.count("|") - row.count("\\|") == 3


@pytest.mark.parametrize("suffix", ["csv", "html", "xml", "md", "txt"])
async def test_one_long_cell_does_not_make_all_rows_long(running: Running, suffix: str) -> None:
    """A thousand rows as wide as the widest of a mebibyte would be a gigabyte."""
    await running.run("apps.create", slug="shop")
    await running.run("storage.kv.set", app="shop", key="long", value="x" * 50_000, ttl="1d")
    for number in range(50):
        await running.run("storage.kv.set", app="shop", key=str(number), value="short", ttl="1d")
    answer = await running.ask("GET", f"/api/apps/shop/storage/kv.{suffix}", key="*")
    assert len(answer.body) < 150_000


@pytest.mark.parametrize("suffix", ["csv", "html", "xml", "md", "txt"])
async def test_nothing_is_a_table_without_rows(running: Running, suffix: str) -> None:
    answer = await running.ask("GET", f"/api/redirects.{suffix}", key="*")
    assert answer.status == 200
    assert "<td" not in answer.body.decode() and "<field" not in answer.body.decode()


async def _put(running: Running, value: str) -> None:
    made = await running.ask("POST", "/api/apps/shop/storage/kv", key="*", body={"key": "k", "value": value})
    assert made.status == 201


async def _kv(running: Running, value: str, suffix: str) -> list[dict[str, str]]:
    await _put(running, value)
    return rows_of(await running.ask("GET", f"/api/apps/shop/storage/kv.{suffix}", key="*"), suffix)


# --- lists

BY_OFFSET = [
    ("/api/apps", 20, 100),
    ("/api/redirects", 20, 100),
    ("/api/system/logs", 50, 1000),
    ("/api/audit", 50, 1000),
]


@pytest.mark.parametrize(("path", "usual", "most"), BY_OFFSET, ids=lambda value: str(value))
async def test_a_list_has_pages(running: Running, path: str, usual: int, most: int) -> None:
    await _fill(running, path, 3)
    first = await running.ask("GET", path, key="*")
    total = first.json["meta"]["total"]
    assert first.json["meta"] == {"offset": 0, "limit": usual, "total": total, "has_more": total > usual}
    assert len(first.data) == min(total, usual) and total >= 3
    page = await running.ask("GET", f"{path}?offset=1&limit=1", key="*")
    assert page.data == first.data[1:2]
    assert page.json["meta"] == {"offset": 1, "limit": 1, "total": total, "has_more": total > 2}
    last = await running.ask("GET", f"{path}?offset={total - 1}&limit={most}", key="*")
    assert (len(last.data), last.json["meta"]["has_more"]) == (1, False)
    for beyond in (total, 10**9, 2**53 - 1):
        nothing = await running.ask("GET", f"{path}?offset={beyond}", key="*")
        assert (nothing.data, nothing.json["meta"]["has_more"]) == ([], False)


@pytest.mark.parametrize(("path", "usual", "most"), BY_OFFSET, ids=lambda value: str(value))
async def test_a_page_has_its_limits(running: Running, path: str, usual: int, most: int) -> None:
    for query in ("limit=0", "limit=-1", f"limit={most + 1}", "offset=-1", f"offset={2**53}", f"offset={2**63}"):
        answer = await running.ask("GET", f"{path}?{query}", key="*")
        assert (answer.status, answer.code) == (400, "VALIDATION_FAILED"), query
        assert answer.json["error"]["details"]["field"] == query.partition("=")[0]
    assert (await running.ask("GET", f"{path}?limit={most}", key="*")).status == 200


async def test_more_than_a_page(running: Running) -> None:
    await _fill(running, "/api/redirects", 21)
    answer = await running.ask("GET", "/api/redirects", key="*")
    assert (len(answer.data), answer.json["meta"]["has_more"]) == (20, True)
    shown = await running.ask("GET", "/api/redirects.csv", key="*")
    assert len(rows_of(shown, "csv")) == 20


async def _fill(running: Running, path: str, count: int) -> None:
    for number in range(count):
        running.clock.advance(1)
        if path == "/api/apps":
            await running.run("apps.create", slug=f"app{number}")
        elif path == "/api/audit":
            await running.run("keys.create", name=f"key {number}", scopes=["read"])
        else:
            await running.run("redirects.create", slug=f"r{number}", destination="https://example.com/")
    await running.node._flush(running.node.journal)
    # the test's own key is made before anything is counted
    await running.key("*")


@pytest.mark.parametrize("since", [quote("1h 30m"), "1.5.5h", "h", "1w", "1 h", "-5m", "%2B5m"])
async def test_a_span_of_time_is_a_span_of_time(running: Running, since: str) -> None:
    answer = await running.ask("GET", f"/api/system/logs?since={since.replace(' ', '%20')}", key="*")
    assert (answer.status, answer.json["error"]["details"]["field"]) == (400, "since")
