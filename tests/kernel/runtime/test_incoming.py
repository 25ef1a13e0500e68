"""What an app may see of a request: nothing of the node's own, and every byte of the rest."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kernel.net.authenticate import DEV_COOKIE, SECURE_COOKIE
from kernel.runtime.incoming import Incoming, Part, User, ascii_target, visible

TOKEN = "s3cret"


def seen(*headers: tuple[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in visible(headers):
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(
    "name", [SECURE_COOKIE, DEV_COOKIE, "fazt_session", "FAZT_Admin_Dev", "__secure-fazt_x", "fazt_"]
)
@pytest.mark.parametrize(
    "cookies",
    [
        "{}",
        " {} ",
        "a=b; {}",
        "{}; a=b",
        "a=b;{};c=d",
        "a=b ;\t{}\t; c=d",
        "{}; {}",
        ";;{};;",
        'a="; {}; "',
        "a=b; a=b; {}; x",
    ],
)
@pytest.mark.parametrize("value", ["={}", ' = "{}"', "=a={}", "=\xe9{}", "\t={}"])
def test_no_cookie_of_the_node_is_seen(name: str, cookies: str, value: str) -> None:
    ours = name + value.replace("{}", TOKEN)
    found = seen(("Cookie", cookies.replace("{}", ours)), ("x-a", "1"))
    assert TOKEN not in json.dumps(found) and "fazt" not in json.dumps(found).lower()
    assert found["x-a"] == ["1"]
    if "a=b" in cookies:
        assert "a=b" in found["cookie"][0]


def test_the_cookies_of_the_app_are_seen_as_they_are() -> None:
    assert seen(("Cookie", "a=1;b=2 ;  c"))["cookie"] == ["a=1;b=2 ;  c"]
    kept = "xfazt_a=1; fazt=2; fazt-x=3; a=fazt_b=4; __Host-a=fazt_; =fazt_c=5"
    assert seen(("Cookie", f"{kept}; fazt_x=6"))["cookie"] == [kept]


def test_each_of_several_cookie_headers_is_looked_at() -> None:
    found = seen(("cookie", f"fazt_a={TOKEN}"), ("COOKIE", "a=1"), ("Cookie", f"b=2; {DEV_COOKIE}={TOKEN}"))
    assert found == {"cookie": ["a=1", "b=2"]}


@pytest.mark.parametrize(
    "value",
    [
        "Bearer fzt_abc",
        "bearer fzt_abc",
        "BEARER FZT_ABC",
        "Bearer\tfzt_abc",
        "Bearer \t  fzt_abc",
        "  Bearer fzt_abc",
        "Bearer fzt_",
    ],
)
@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
def test_no_key_of_the_node_is_seen(name: str, value: str) -> None:
    assert seen((name, value)) == {}
    assert seen((name, value), (name, "Basic abc"), (name, value)) == {"authorization": ["Basic abc"]}


@pytest.mark.parametrize(
    "value", ['Bearer "fzt_abc"', "Bearer 'fzt_abc", "Bearer=fzt_abc", "Bearer,fzt_abc", "fzt_abc"]
)
def test_a_key_that_was_sent_wrongly_is_one_still(value: str) -> None:
    assert seen(("authorization", value), ("proxy-authorization", value)) == {}


@pytest.mark.parametrize(
    "value",
    ["Bearer eyJhbGciOi", "Basic Zm9vOmJhcg==", "Bearer xfzt_abc", "Bearer ey.fzt_-fzt_", "Bearer", "Token abc", ""],
)
def test_what_the_app_made_itself_is_seen(value: str) -> None:
    assert seen(("Authorization", value)) == {"authorization": [value]}


@pytest.mark.parametrize(
    "name", ["Connection", "KEEP-ALIVE", "proxy-connection", "TE", "Trailer", "transfer-encoding", "Upgrade"]
)
def test_how_the_connection_is_used_is_not_told(name: str) -> None:
    assert seen((name, "x"), ("accept", "*/*")) == {"accept": ["*/*"]}


def test_names_are_small_and_order_and_repeats_stay() -> None:
    pairs = [("Accept", "a"), ("X-B", "1"), ("accept", "b"), ("x-b", "2")]
    assert visible(pairs) == [("accept", "a"), ("x-b", "1"), ("accept", "b"), ("x-b", "2")]


@given(some.binary(max_size=40))
def test_each_byte_of_a_header_is_one_character(sent: bytes) -> None:
    """As in every browser: what is not ASCII stands for the bytes that were sent."""
    ((_, value),) = visible([("x-a", sent.decode("utf-8", "surrogateescape"))])
    assert value.encode("latin-1") == sent


@given(some.binary(max_size=60))
def test_any_target_becomes_one_that_can_stand_in_an_address(sent: bytes) -> None:
    target = ascii_target("/" + sent.decode("utf-8", "surrogateescape"))
    assert target.isascii() and target.isprintable() and " " not in target
    assert unquote_to_bytes(target) == unquote_to_bytes(b"/" + sent)


@pytest.mark.parametrize("target", ["/", "/a%2Fb?c=%C3%A9&d=1#x", "/~a!$&'()*+,;=:@", '/"<>[]{}|\\^`'])
def test_a_target_that_is_plain_stays(target: str) -> None:
    assert ascii_target(target) == target


def test_what_is_not_plain_is_escaped() -> None:
    assert ascii_target("/é?ü=\udcff \n\x1f") == "/%C3%A9?%C3%BC=%FF%20%0A%1F"


# --- the message an invocation begins with


def started(**said: Any) -> tuple[list[str], Any, Any]:
    """Its plain parts, the headers, and what is unusual."""
    headers = said.pop("headers", [])
    id, method, url = said.pop("id", "req_1"), said.pop("method", "GET"), said.pop("url", "http://a/api")
    incoming = Incoming(id, method, url, headers, **said)
    text = incoming.start().decode()
    assert text.startswith("S") and "\n" not in text
    *plain, pairs, rest = text[1:].split("\x1f")
    return plain, json.loads(pairs), json.loads(rest) if rest else None


def test_a_request_that_is_usual() -> None:
    plain, headers, rest = started(ip="10.0.0.1", headers=[("x-a", "1")])
    assert plain[:4] == ["req_1", "GET", "http://a/api", "10.0.0.1"] and plain[5] == "none"
    assert headers == [["x-a", "1"]] and rest is None


def test_every_request_has_its_own_seed() -> None:
    seeds = {started()[0][4] for _ in range(50)}
    assert len(seeds) == 50
    for seed in seeds:
        numbers = [int(number) for number in seed.split(",")]
        assert len(numbers) == 4 and all(0 <= number < 2**32 for number in numbers)


@pytest.mark.parametrize(
    ("said", "kind"),
    [({}, "none"), ({"body": b""}, "none"), ({"body": b"x"}, "bytes"), ({"stream": object()}, "stream")],
)
def test_which_body_there_is(said: Any, kind: str) -> None:
    assert started(**said)[0][5] == kind


def test_what_is_unusual_is_told() -> None:
    incoming = Incoming("req_1", "POST", "http://a/", [], user=User("key_1", "user", "laptop"), input={"a": None})
    incoming.form, incoming.files = [("a", "1")], [(Part("f", "x.txt", "text/plain", 3), None)]
    rest = json.loads(incoming.start().decode().split("\x1f")[-1])
    assert rest["user"] | {"id": "key_1", "role": "user", "name": "laptop"} == rest["user"]
    assert rest["form"] == [["a", "1"]] and rest["input"] == {"a": None}
    assert rest["parts"] == [{"field": "f", "name": "x.txt", "type": "text/plain", "size": 3}]


def test_an_input_of_null_is_an_input() -> None:
    assert started(input=None)[2] == {"input": None}


@pytest.mark.parametrize("value", ["\x1f", "\n", "\r\nS", '"', "\\", "\x00", "\x7f", "\x85", "é"])
def test_no_header_is_more_than_a_header(value: str) -> None:
    plain, headers, rest = started(headers=[("x-a", value), ("x-b", "1")])
    assert len(plain) == 7 - 1 and headers == [["x-a", value], ["x-b", "1"]] and rest is None
