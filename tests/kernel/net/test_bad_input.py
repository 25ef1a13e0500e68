"""Whatever is sent, a wrong value is refused by the name of its field, and nothing changes.

The cases are made from the registry: a capability declared tomorrow is tested tomorrow. What a type takes is said here
a second time (`takes`), in the words of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import types
import typing as t
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from fazt.boot import registry
from kernel.apps.env import EnvValue
from kernel.data.batch import Operations
from kernel.data.vector_words import Vector
from kernel.syscall.declare import Declaration, Parameter
from kernel.syscall.words import Duration, Line, Secret, Size, Text
from tests import support
from tests.kernel.net.endpoint import Endpoint
from tests.kernel.net.endpoints import ENDPOINTS, furnish
from tests.support import Answer, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
TABLE = {endpoint.route: endpoint for endpoint in ENDPOINTS}
MEBI = 1 << 20
NESTED = '{{"a":{}}}'

# what a JSON value may be, and one of each kind that no field of ours means
SAMPLES = {
    "null": "null",
    "bool": "true",
    "int": "5",
    "float": "1.5",
    "text": '"\\u00df?"',
    "list": "[]",
    "object": "{}",
}
# values that are wrong wherever they stand
NEVER = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "1e400": "1e400",
    "-1e400": "-1e400",
    "half a surrogate": '"\\ud800"',
    "the other half": '"x\\udc00"',
    "halves in the wrong order": '"\\udc00\\ud800"',
    "half a surrogate inside": '{"a":["\\ud800"]}',
    "half a surrogate in a name": '{"\\ud83d":1}',
    "NaN inside": '{"a":[NaN]}',
    "101 lists": "[" * 101 + "]" * 101,
    "101 objects": '{"a":' * 101 + "1" + "}" * 101,
    "5000 lists": "[" * 5000 + "]" * 5000,
    "5000 objects": '{"a":' * 5000 + "1" + "}" * 5000,
    "100000 lists": "[" * 100_000 + "]" * 100_000,
}
# text that holds what one line may not, and what no text may
LINES = {"a direction trick": '"a\\u202eb"', "a line end": '"a\\nb"', "a separator": '"a\\u2028b"', "C1": '"a\\u0085b"'}
TEXTS = {"NUL": '"a\\u0000b"', "a control character": '"a\\u001fb"', "DEL": '"a\\u007fb"'}
BIG = {
    "text": '"' + "x" * (2 * MEBI) + '"',
    "list": "[" + '"x",' * 10_000 + '"x"]',
}
BIG_NUMBERS = {"int": "9223372036854775808", "float": "1e308", "2^64": "18446744073709551616"}


def members(kind: Any) -> tuple[Any, ...]:
    if t.get_origin(kind) is t.Annotated:
        return members(t.get_args(kind)[0])
    if t.get_origin(kind) in (t.Union, types.UnionType):
        return tuple(one for member in t.get_args(kind) for one in members(member))
    return (kind,)


def takes(parameter: Parameter) -> set[str]:
    """The kinds of JSON a parameter takes."""
    if parameter.is_json:
        return set(SAMPLES)
    found: set[str] = set()
    for kind in members(parameter.type):
        origin = t.get_origin(kind) or kind
        if origin is type(None):
            found.add("null")
        elif origin is bool:
            found.add("bool")
        elif origin is t.Literal:
            found.add("text")
        elif origin is list:
            found.add("list")
        elif origin is dict:
            found.add("object")
        elif issubclass(origin, Duration | Size):
            found |= {"int", "float", "text"}
        elif issubclass(origin, str):
            found.add("text")
        elif issubclass(origin, int):
            found.add("int")
        elif origin is float:
            found |= {"int", "float"}
        elif issubclass(origin, msgspec.Struct):
            found.add("object")
        elif origin in (Vector, Operations):
            found.add("list")
        else:
            raise AssertionError(f"say here what {kind} takes")
    return found


def has(parameter: Parameter, *words: type) -> bool:
    return any(isinstance(kind, type) and issubclass(kind, words) for kind in members(parameter.type))


def wrong_in_body(parameter: Parameter) -> Iterator[tuple[str, str]]:
    """Names and JSON texts of what the field must refuse."""
    taken = takes(parameter)
    yield from ((f"{kind} instead", SAMPLES[kind]) for kind in SAMPLES if kind not in taken)
    yield from NEVER.items()
    if parameter.is_json:
        return
    # what takes any number takes large and negative ones
    beyond = {} if "float" in taken and not has(parameter, Duration, Size) else {**BIG_NUMBERS, "negative": "-1"}
    yield from ((f"big {kind}", value) for kind, value in {**BIG, **beyond}.items())
    yield "a number of 400 digits", "1" + "0" * 400
    if has(parameter, Line):
        yield from LINES.items()
    if not has(parameter, Secret):
        yield from TEXTS.items()
    if not has(parameter, Text, EnvValue) and not any(has(parameter, w) and w.least == 0 for w in lines_of(parameter)):
        yield "nothing in it", '""'


def lines_of(parameter: Parameter) -> list[type[Line]]:
    return [kind for kind in members(parameter.type) if isinstance(kind, type) and issubclass(kind, Line)]


def wrong_in_query(parameter: Parameter) -> Iterator[tuple[str, str]]:
    """The same where everything arrives as text."""
    kinds = members(parameter.type)
    if any(kind is int for kind in kinds):
        for value in ("", "x", "1.5", "0x10", "1_0", "%D9%A1", "-1", "%201", "true", "NaN", "Infinity"):
            yield f"int {value!r}", value
        if type(None) not in kinds:
            yield "int null", "null"
        yield "2^63", "9223372036854775808"
        yield "a number of 400 digits", "1" + "0" * 400
    if any(kind is bool for kind in kinds):
        yield from ((f"bool {value!r}", value) for value in ("", "maybe", "2", "1.0", "null"))
    if has(parameter, Duration):
        for value in ("", "0", "-1", "5x", "1e400", "NaN", "Infinity", "null", "9" * 16, "999999999999d"):
            yield f"duration {value!r}", value
    if has(parameter, str):
        for value in ("a%00b", "a%1Fb", "a%0Ab", "a%7Fb", "a%E2%80%AEb", "x" * 5000):
            yield f"text {value[:12]!r}", value
        if all(kind.least for kind in lines_of(parameter)):
            yield "nothing in it", ""
    yield "no UTF-8", "%ff"
    yield "half a surrogate", "%ED%A0%80"


def of_endpoint(declared: Declaration) -> Endpoint:
    assert declared.route
    return TABLE[f"{declared.route.method} {declared.route.path}"]


def in_path(declared: Declaration, parameter: Parameter) -> bool:
    return bool(declared.route) and parameter.public in declared.route.words  # type: ignore[union-attr]


def is_form(declared: Declaration) -> bool:
    """Files come in forms; those have tests of their own."""
    return any(p.is_upload for p in declared.parameters)


def in_body(declared: Declaration) -> bool:
    """A body that is one value as a whole leaves the others to the query."""
    raw = any(p.is_bytes for p in declared.parameters)
    writes = declared.route is not None and declared.route.method in ("POST", "PUT", "PATCH")
    return writes and not raw and not declared.whole


def apart(declared: Declaration, parameter: Parameter) -> bool:
    """It stands neither in the query nor among the fields of the body."""
    return in_path(declared, parameter) or parameter.is_bytes or parameter.name == declared.whole


DECLARED = [d for d in registry().declared if d.route and not is_form(d)]
BODIES = [
    pytest.param(d, p, value, id=f"{d.name} {p.public} {name}")
    for d in DECLARED
    if in_body(d)
    for p in d.parameters
    if not in_path(d, p)
    for name, value in wrong_in_body(p)
]
QUERIES = [
    pytest.param(d, p, value, id=f"{d.name} {p.public} {name}")
    for d in DECLARED
    if not in_body(d)
    for p in d.parameters
    if not apart(d, p)
    for name, value in wrong_in_query(p)
]
REQUIRED = [
    pytest.param(d, p, id=f"{d.name} {p.public}")
    for d in DECLARED
    for p in d.parameters
    if p.required and not apart(d, p)
]


class Shared:
    """One furnished node for all cases, and a new one after a case that changed it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count, self._stack = folder, 0, contextlib.AsyncExitStack()
        self.running: Running
        self.names: dict[str, str] = {}
        self.spoiled = True

    async def renew(self) -> None:
        await self.close()
        self._count += 1
        path = self._folder / str(self._count) / "data.db"
        self.running = await self._stack.enter_async_context(support.running(path))
        self.names = await furnish(self.running)
        await self.running.key("*")
        self.spoiled = False

    async def close(self) -> None:
        await self._stack.aclose()
        self._stack = contextlib.AsyncExitStack()

    async def unchanged(self, method: str, path: str, **how: Any) -> Answer:
        """The answer to something that must not change anything."""
        before = self.running.content()
        answer = await self.running.ask(method, path.format(**self.names), key="*", **how)
        self.spoiled = self.running.content() != before
        assert not self.spoiled, f"{answer.status} and something changed: {answer.body[:300]!r}"
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    made = Shared(tmp_path_factory.mktemp("node"))
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def node(shared: Shared) -> Shared:
    if shared.spoiled:
        await shared.renew()
    return shared


def refused(answer: Answer, field: str, *codes: str) -> None:
    assert answer.status == 400, answer.body[:500]
    error = answer.json["error"]
    assert error["code"] in (codes or ("VALIDATION_FAILED", "MISSING_FIELD", "INVALID_JSON")), error
    assert error.get("details", {}).get("field") == field, error
    assert len(error["message"]) < 1000


def body_of(endpoint: Endpoint, /, **changes: str) -> bytes:
    """The endpoint's good body with JSON texts put in as they are."""
    fields = {name: json.dumps(value) for name, value in (endpoint.body or {}).items()} | changes
    return ("{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in fields.items()) + "}").encode()


# --- every field of every endpoint


@pytest.mark.parametrize(("declared", "parameter", "value"), BODIES)
async def test_a_wrong_value_in_a_body(node: Shared, declared: Declaration, parameter: Parameter, value: str) -> None:
    endpoint = of_endpoint(declared)
    sent = body_of(endpoint, **{parameter.public: value})
    answer = await node.unchanged(endpoint.method, endpoint.path, raw=sent)
    refused(answer, parameter.public)


@pytest.mark.parametrize(("declared", "parameter", "value"), QUERIES)
async def test_a_wrong_value_in_a_query(node: Shared, declared: Declaration, parameter: Parameter, value: str) -> None:
    endpoint = of_endpoint(declared)
    path, _, query = endpoint.path.partition("?")
    kept = "&".join(pair for pair in query.split("&") if pair and not pair.startswith(parameter.public + "="))
    sent = f"{path}?{kept}{'&' if kept else ''}{parameter.public}={value}"
    body = endpoint.body if endpoint.whole else None
    refused(await node.unchanged(endpoint.method, sent, body=body), parameter.public)


@pytest.mark.parametrize(("declared", "parameter"), REQUIRED)
async def test_a_missing_value(node: Shared, declared: Declaration, parameter: Parameter) -> None:
    endpoint = of_endpoint(declared)
    if in_body(declared):
        kept = {name: value for name, value in (endpoint.body or {}).items() if name != parameter.public}
        answer = await node.unchanged(endpoint.method, endpoint.path, body=kept)
    else:
        answer = await node.unchanged(endpoint.method, endpoint.path.partition("?")[0])
    refused(answer, parameter.public, "MISSING_FIELD")


WORDS = [
    "%00",
    "a%00b",
    "%1F",
    "%0D%0AX:1",
    "%ff",
    "%ED%A0%80",
    "x" * 3000,
    "%2e%2e",
    "..%2f..%2fkeys",
    "%252e%252e",
    "%E2%80%AE",
    "%20",
    "%22%27%3C",
    "{{}}",
    "__proto__",
    "' or 1=1 --".replace(" ", "%20"),
]


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word[:20])
# a file may be called nearly anything: which names it may not have is asked where files are tested
@pytest.mark.parametrize(
    "declared", [d for d in DECLARED if d.route and d.route.words and d.name != "files.put"], ids=lambda d: d.name
)
async def test_a_wrong_word_in_a_path(node: Shared, declared: Declaration, word: str) -> None:
    """A name that cannot be is refused, one that is not there is not found."""
    endpoint = of_endpoint(declared)
    assert declared.route
    name = declared.route.words[-1]
    if name == "collection" and word == "__proto__":
        return  # a name like any other
    path, mark, query = endpoint.path.partition("?")
    words = endpoint.route.split()[1].split("/")
    at = next(index for index, part in enumerate(words) if part in (f"{{{name}}}", f"{{{name}+}}"))
    parts = [*path.split("/")[:at], word, *words[at + 1 :]]
    how = {"raw": endpoint.raw} if endpoint.raw is not None else {"body": endpoint.body}
    answer = await node.unchanged(endpoint.method, "/".join(parts) + mark + query, **how)
    assert answer.status in (400, 404), answer.body
    assert answer.code in ("BAD_REQUEST", "VALIDATION_FAILED", "NOT_FOUND", "APP_NOT_FOUND"), answer.body
    if answer.code == "VALIDATION_FAILED":
        assert answer.json["error"]["details"]["field"] == name


# --- what is nearly wrong


DEEP: Any = None
for _ in range(100):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -0.0,
        5e-324,
        1.7976931348623157e308,
        2**53,
        -(2**63),
        "",
        "\x00\x1f\x7f",
        "😀",
        DEEP,
        {"": {"__proto__": 1}},
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_json_may_hold_anything_json_can(node: Shared, value: Any) -> None:
    running, names = node.running, node.names
    path = f"/api/apps/{names['app']}/storage/kv"
    assert (await running.ask("POST", path, key="*", body={"key": "any", "value": value})).status == 201
    found = await running.ask("GET", f"{path}/entry?key=any", key="*")
    assert found.data == {"key": "any", "value": value}
    assert (await running.ask("DELETE", f"{path}?key=any", key="*")).status == 204


@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ("[", "]"), ('{"a":[', "]}"), ('[{"b":1},', "]")])
async def test_no_depth_is_a_fault_of_ours(node: Shared, opening: str, closing: str) -> None:
    """Where one decoder still follows and another gives up."""
    path = f"/api/apps/{node.names['app']}/storage/kv"
    for depth in (*range(98, 103), *range(470, 500), *range(960, 1000)):
        sent = f'{{"key":"deep","value":{opening * depth}1{closing * depth}}}'
        answer = await node.running.ask("POST", path, key="*", raw=sent.encode())
        assert answer.status in (201, 400), f"{answer.status} at {depth}"
    await node.running.ask("DELETE", f"/api/apps/{node.names['app']}/storage/kv?key=deep", key="*")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net.port", 65536),
        ("net.port", -1),
        ("net.port", 10**6),
        ("net.listen", "nonsense"),
        ("net.listen", "256.1.1.1"),
        ("net.listen", "127.0.0.1;::1"),
        ("net.listen", ","),
        ("net.listen", "127.0.0.1,"),
        ("net.domain", "localhost:80"),
        ("net.domain", "http://example.com"),
        ("net.domain", "x" * 64 + ".example"),
    ],
)
async def test_no_setting_keeps_the_node_from_starting(node: Shared, name: str, value: Any) -> None:
    """The owner of a node far away could not take it back. --force goes beyond a range, not beyond what there is."""
    body = {"value": value, "force": True}
    refused(await node.unchanged("PUT", f"/api/config/{name}", body=body), "value")


SETTINGS = [
    "null",
    '""',
    "[]",
    "{}",
    "true",
    "-1",
    "1.5",
    "1e300",
    "18446744073709551615",
    '"x y"',
    '"1_0"',
    '"' + "9" * 400 + '"',
]


@pytest.mark.parametrize("value", SETTINGS)
@pytest.mark.parametrize("force", [False, True], ids=["", "force"])
@pytest.mark.parametrize("name", ["net.port", "limits.storage.kv.maxKeysPerApp", "limits.storage.kv.maxValueSize"])
async def test_no_setting_takes_what_it_cannot_mean(node: Shared, name: str, force: bool, value: str) -> None:
    """Numbers: --force goes beyond a range, not beyond numbers that can be kept and used."""
    running, names = node.running, node.names
    sent = f'{{"value":{value},"force":{json.dumps(force)}}}'.encode()
    answer = await running.ask("PUT", f"/api/config/{name}", key="*", raw=sent)
    assert answer.status in (200, 400), answer.body
    if answer.status == 400:
        refused(answer, "value")
    else:
        node.spoiled = True
        assert force or json.loads(value) == answer.data["value"]
        assert answer.data["value"] is not None
        kept = await running.ask("POST", f"/api/apps/{names['app']}/storage/kv", key="*", body={"key": "k", "value": 1})
        assert kept.status in (201, 400), kept.body
        await running.ask("DELETE", f"/api/config/{name}", key="*")


@pytest.mark.parametrize("value", ["null", "5", "true", "[]", "{}", '"a\\nb"', '"' + "x" * 5000 + '"'])
@pytest.mark.parametrize("name", ["net.domain", "node.name", "net.listen"])
async def test_a_setting_that_is_text_takes_text(node: Shared, name: str, value: str) -> None:
    answer = await node.unchanged("PUT", f"/api/config/{name}", raw=f'{{"value":{value}}}'.encode())
    refused(answer, "value")


@pytest.mark.parametrize(
    "value", ["", "127.0.0.1", "[::1]", "::1", "a b", "a_b.test", "-a.test", "x" * 64, "a..b", ".", "*.a.test"]
)
async def test_a_domain_is_a_name(node: Shared, value: str) -> None:
    refused(await node.unchanged("PUT", "/api/config/net.domain", body={"value": value}), "value")


# --- whole bodies


WITH_BODY = [e for e in ENDPOINTS if e.body is not None]
NEEDY = [of_endpoint(d) for d in DECLARED if in_body(d) and any(p.required and not in_path(d, p) for p in d.parameters)]


def route_of(endpoint: Endpoint) -> str:
    return endpoint.route


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense",
        b"[]",
        b'[{"key":"a"}]',
        b'"text"',
        b"5",
        b"null",
        b"{",
        b"{}{}",
        b'{"a":1}x',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a" 1}',
        b"{a:1}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\x01"}',
        b"\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":"' + b'\\"' * 100,
    ],
    ids=lambda sent: repr(sent[:20]),
)
@pytest.mark.parametrize("endpoint", WITH_BODY, ids=route_of)
async def test_a_body_is_a_json_object(node: Shared, endpoint: Endpoint, sent: bytes) -> None:
    if endpoint.route.endswith("/ds/{collection}") and sent[:1] == b"[" and sent[-1:] == b"]":
        return  # a list of documents
    answer = await node.unchanged(endpoint.method, endpoint.path, raw=sent)
    assert answer.status == 400, answer.body
    assert answer.code in ("INVALID_JSON", "VALIDATION_FAILED")


@pytest.mark.parametrize("endpoint", NEEDY, ids=route_of)
async def test_an_empty_body_lacks_what_is_required(node: Shared, endpoint: Endpoint) -> None:
    answer = await node.unchanged(endpoint.method, endpoint.path, raw=b"")
    assert (answer.status, answer.code) == (400, "MISSING_FIELD")


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=route_of)
async def test_a_field_is_given_once(node: Shared, endpoint: Endpoint) -> None:
    for name, value in (endpoint.body or {}).items():
        twice = body_of(endpoint)[:-1] + f",{json.dumps(name)}:{json.dumps(value)}}}".encode()
        refused(await node.unchanged(endpoint.method, endpoint.path, raw=twice), name)


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=route_of)
async def test_fields_of_a_body_do_not_stand_in_the_query(node: Shared, endpoint: Endpoint) -> None:
    name = next(iter(endpoint.body or {}), "force")
    answer = await node.unchanged(endpoint.method, f"{endpoint.path}?{name}=x", body=endpoint.body)
    refused(answer, name)


@pytest.mark.parametrize("declared", [d for d in DECLARED if not in_body(d) and d.parameters], ids=lambda d: d.name)
async def test_a_query_says_a_thing_once(node: Shared, declared: Declaration) -> None:
    endpoint = of_endpoint(declared)
    path = endpoint.path.partition("?")[0]
    for parameter in declared.parameters:
        if parameter.name == declared.whole:
            continue
        name = parameter.public
        twice = f"{path}?{name}=1&{name}=1" if not in_path(declared, parameter) else f"{path}?{name}=1"
        body = endpoint.body if endpoint.whole else None
        refused(await node.unchanged(endpoint.method, twice, body=body), name)


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=route_of)
async def test_a_word_of_the_path_does_not_stand_in_the_body(node: Shared, endpoint: Endpoint) -> None:
    for part in endpoint.route.split()[1].split("/"):
        if not part.startswith("{"):
            continue
        if endpoint.whole:
            answer = await node.unchanged(endpoint.method, f"{endpoint.path}?{part[1:-1]}=x", body=endpoint.body)
        else:
            answer = await node.unchanged(endpoint.method, endpoint.path, body={**endpoint.body, part[1:-1]: "x"})
        refused(answer, part[1:-1])


@pytest.mark.parametrize("spelling", ["camel", "both"])
async def test_both_spellings_of_a_name_are_one_name(node: Shared, spelling: str) -> None:
    more = "&min_weight=3" if spelling == "both" else ""
    answer = await node.unchanged("GET", f"/api/system/logs?minWeight=2{more}")
    if spelling == "camel":
        assert answer.status == 200
    else:
        refused(answer, "min_weight")


@pytest.mark.parametrize(
    "name",
    ["x" * 20_000, "a`b", "a\nb", "\x00", "", "é😀", "\u202e", "self", "call", "__class__", "$", "a.b", "`"],
    ids=ascii,
)
async def test_an_unknown_name_is_refused_whatever_it_is(node: Shared, name: str) -> None:
    """And not sent back at full length."""
    for method, path in (("POST", "/api/apps"), ("POST", "/api/apps/{app}/storage/kv"), ("POST", "/api/login")):
        answer = await node.unchanged(method, path, body={name: 1})
        assert answer.status == 400, answer.body[:300]
        assert len(answer.body) < 2000
        assert "Traceback" not in answer.body.decode()


# --- too much


MOST = 10 * MEBI


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=route_of)
@pytest.mark.parametrize("size", [MOST + 1, 1 << 40, 1 << 62])
async def test_a_body_that_is_too_large_is_not_read(node: Shared, endpoint: Endpoint, size: int) -> None:
    """Said by its Content-Length; a few bytes of it are sent, and the answer is there."""
    running, names = node.running, node.names
    before = running.content()
    head = f"{endpoint.method} {endpoint.path.format(**names)} HTTP/1.1\r\nHost: admin.localhost:{{port}}\r\n"
    head += f"Authorization: Bearer {await running.key('*')}\r\nContent-Length: {size}\r\n\r\n" + '{"key":'
    answer = await running.raw(head.encode())
    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")
    assert answer.headers["Connection"] == "close"
    assert running.content() == before


async def test_a_body_that_grows_too_large_is_not_read_to_its_end(node: Shared) -> None:
    """In pieces, with no length said."""
    running, names = node.running, node.names
    head = f"POST /api/apps/{names['app']}/storage/kv HTTP/1.1\r\nHost: admin.localhost:{running.site.port}\r\n"
    head += f"Authorization: Bearer {await running.key('*')}\r\nTransfer-Encoding: chunked\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", running.site.port)
    try:
        writer.write(head.encode())
        sent = 0
        async with asyncio.timeout(20):
            answer = asyncio.ensure_future(reader.readuntil(b"\r\n"))
            while not answer.done() and sent < 4 * MOST:
                writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
                sent += 65536
                try:
                    await writer.drain()
                except ConnectionError:
                    break
            assert (await answer).split()[1] == b"413"
    finally:
        writer.close()


async def test_a_body_that_inflates_too_large_is_refused(node: Shared) -> None:
    sent = gzip.compress(b'{"key":"bomb","value":"' + b"x" * (12 * MEBI) + b'"}')
    assert len(sent) < MOST // 100
    path = "/api/apps/{app}/storage/kv"
    answer = await node.unchanged("POST", path, raw=sent, headers={"Content-Encoding": "gzip"})
    assert answer.status in (400, 413, 415), answer.body


async def test_a_body_just_small_enough_is_read(node: Shared) -> None:
    sent = b'{"key":"big","value":1}'
    sent += b" " * (MOST - len(sent))
    running, names = node.running, node.names
    answer = await running.ask("POST", f"/api/apps/{names['app']}/storage/kv", key="*", raw=sent)
    assert answer.status == 201
    await running.ask("DELETE", f"/api/apps/{names['app']}/storage/kv?key=big", key="*")


async def test_who_may_not_write_sends_no_body(node: Shared) -> None:
    """A stranger cannot make the node read ten megabytes."""
    running, names = node.running, node.names
    for key in ("", f"Authorization: Bearer {await running.key('read')}\r\n"):
        head = f"POST /api/apps/{names['app']}/storage/kv HTTP/1.1\r\nHost: admin.localhost:{{port}}\r\n{key}"
        answer = await running.raw(f"{head}Content-Length: {MOST}\r\n\r\n".encode())
        assert answer.status in (401, 403)
        assert answer.headers["Connection"] == "close"


# --- the same through the command line


@pytest.mark.parametrize(
    ("command", "args", "field"),
    [
        ("kv set", ["--app", "shop", "", "1"], "key"),
        ("kv set", ["--app", "shop", "x" * 513, "1"], "key"),
        ("kv set", ["--app", "shop", "a\nb", "1"], "key"),
        ("kv set", ["--app", "shop", "k", "1", "--ttl", "0"], "ttl"),
        ("kv set", ["--app", "shop", "k", "1", "--ttl=-5s"], "ttl"),
        ("kv set", ["--app", "shop", "k", "1", "--ttl", "soon"], "ttl"),
        ("kv set", ["--app", "shop", "k", "[" * 101 + "]" * 101], "value"),
        ("kv list", ["--app", "shop", "--limit", "0"], "limit"),
        ("kv list", ["--app", "shop", "--limit", "1001"], "limit"),
        ("kv list", ["--app", "shop", "--limit", "1.5"], "limit"),
        ("kv list", ["--app", "shop", "--limit", str(2**63)], "limit"),
        ("app list", ["--offset", "-1"], "offset"),
        ("app list", ["--offset", "NaN"], "offset"),
        ("app create", ["Big"], "slug"),
        ("app create", ["x" * 50], "slug"),
        ("app create", ["new", "--visibility", "secret"], "visibility"),
        ("app create", ["new", "--tags", "x" * 51], "tags"),
        ("app create", ["new", "--title", ""], "title"),
        ("keys create", ["--name", "x", "--scopes", "everything"], "scopes"),
        ("keys create", ["--name", "x", "--scopes", ""], "scopes"),
        ("keys create", ["--name", ""], "name"),
        ("config set", ["net.port", "many"], "value"),
        ("config set", ["net.port", "null"], "value"),
        ("config set", ["net.port", "1e400"], "value"),
        ("redirects create", ["a b", "https://example.com"], "slug"),
        ("redirects create", ["docs", "javascript:alert(1)"], "destination"),
        ("activity list", ["--since", "yesterday"], "since"),
        ("activity list", ["--min-weight", "10"], "min_weight"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value)[:40],
)
async def test_a_wrong_value_in_a_command(node: Shared, command: str, args: list[str], field: str) -> None:
    answer = await node.unchanged("POST", "/api/cmd", body={"command": command, "args": args})
    assert answer.status == 200, answer.body
    assert (answer.data["success"], answer.data["exit"]) == (False, 2), answer.body
    assert answer.data["error"]["details"]["field"] == field, answer.body
