"""What an app's code answers: nothing of it is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from kernel.base.errors import FaztError
from kernel.runtime import answers
from kernel.runtime.answers import (
    MOST_BODY,
    MOST_HEADER_BYTES,
    MOST_HEADERS,
    Head,
    Heads,
    checked_body,
    made_head,
    read_head,
)

Pairs = list[tuple[str, str]]


def said(status: Any, headers: Any) -> bytes:
    return f"{status} {json.dumps(headers)}".encode()


def cookies(*values: str) -> list[str]:
    head = made_head(200, [("Set-Cookie", value) for value in values])
    return [value for name, value in head.headers if name == "set-cookie"]


def refused(status: Any, headers: Any) -> str:
    with pytest.raises(FaztError) as caught:
        read_head(said(status, headers))
    assert (caught.value.code, caught.value.status) == ("INVALID_RESPONSE", 500)
    return caught.value.message


def parsed(head: Head) -> tuple[str, Pairs]:
    """What a client reads from the lines."""
    first, *lines = head.lines.decode("latin-1").split("\r\n")
    assert lines.pop() == ""
    return first, [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]


def test_a_plain_head() -> None:
    head = read_head(said(201, [["Content-Type", "text/plain"], ["x-a", " \t b \t"]]))
    assert head.status == 201 and head.has_body
    assert head.headers == (("content-type", "text/plain"), ("x-a", "b"), ("x-content-type-options", "nosniff"))
    assert head.lines == (
        b"HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nX-A: b\r\nX-Content-Type-Options: nosniff\r\n"
        b"Server: fazt\r\n"
    )


def test_no_headers_at_all() -> None:
    assert read_head(b"200").headers == read_head(b"200 []").headers == (("x-content-type-options", "nosniff"),)


def test_what_the_app_says_of_sniffing_counts() -> None:
    head = made_head(200, [("X-Content-Type-Options", "")])
    assert head.headers == (("x-content-type-options", ""),)


@pytest.mark.parametrize("status", [200, 204, 205, 299, 304, 404, 418, 451, 599])
def test_statuses(status: int) -> None:
    head = read_head(said(status, []))
    assert head.status == status
    assert head.has_body == (status not in (204, 205, 304))
    assert head.lines.startswith(f"HTTP/1.1 {status} ".encode())


def test_a_status_nobody_knows_has_a_phrase() -> None:
    assert read_head(said(599, [])).lines.startswith(b"HTTP/1.1 599 Unknown\r\n")


@pytest.mark.parametrize(
    "status",
    [0, 1, 99, 100, 101, 199, 600, 999, 1000, -200, 200.5, "", "abc", "2e2", " 20", "²00", "0x1", "+20", "٢٠٠"],
)
def test_statuses_that_are_none(status: Any) -> None:
    assert "200 to 599" in refused(status, [])


@pytest.mark.parametrize(
    "listed",
    [
        b" ",
        b"{}",
        b"null",
        b"[[]]",
        b'[["a"]]',
        b'[["a","b","c"]]',
        b'[["a",1]]',
        b'[["a",null]]',
        b'[["a","b"]',
        b'[["a","b"]] []',
        b'[["a","\xff"]]',
        b"[" * 100_000,
    ],
)
def test_headers_that_are_no_list_of_pairs(listed: bytes) -> None:
    with pytest.raises(FaztError) as caught:
        read_head(b"200 " + listed)
    assert caught.value.code == "INVALID_RESPONSE"


SPLITTING = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\x0b",
    "\x0c",
    "\x1f",
    "\x7f",
    "\u2028",
    "\u560a",
    "\u010a",
    "\ud800",
    "é\u0100",
]


@pytest.mark.parametrize("bad", SPLITTING)
@pytest.mark.parametrize("name", ["location", "x-a", "set-cookie", "content-type"])
def test_no_value_begins_a_new_line(name: str, bad: str) -> None:
    for value in (f"/a{bad}Set-Cookie: a=b", f"{bad}a", f"a{bad}"):
        refused(302, [[name, value]])


@pytest.mark.parametrize("bad", [*SPLITTING, " ", "\t", ":", "(", ")", '"', "/", ",", ";", "=", "@", "[", "{", "é"])
def test_no_name_says_more_than_a_name(bad: str) -> None:
    for name in (f"x{bad}a", f"{bad}x", f"x{bad}"):
        refused(200, [[name, "1"]])


@pytest.mark.parametrize("name", ["", "x" * 257, "\u212aeep-alive", "ſerver"])
def test_names_that_are_none(name: str) -> None:
    refused(200, [[name, "1"]])


def test_what_is_shown_of_a_bad_name_is_short() -> None:
    assert len(refused(200, [["\n" * 10_000, "1"]])) < 200


def test_bytes_above_ascii_stay_as_they_are() -> None:
    head = made_head(200, [("x-a", "caf\xe9 \xff\x80")])
    assert b"X-A: caf\xe9 \xff\x80\r\n" in head.lines


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "content-length",
        "Date",
        "Keep-Alive",
        "Proxy-Connection",
        "SERVER",
        "TE",
        "Trailer",
        "tRANSFER-eNCODING",
        "Upgrade",
        "X-Request-ID",
    ],
)
def test_what_belongs_to_the_wire_is_not_the_apps(name: str) -> None:
    head = made_head(200, [(name, "5"), ("x-a", "1")])
    assert [kept for kept, _ in head.headers] == ["x-a", "x-content-type-options"]
    assert head.lines.lower().count(f"{name.lower()}:".encode()) == (name == "SERVER")


def test_too_many_and_too_large_headers() -> None:
    assert len(made_head(200, [("x-a", "1")] * MOST_HEADERS).headers) == MOST_HEADERS + 1
    refused(200, [["x-a", "1"]] * (MOST_HEADERS + 1))
    made_head(200, [("x-a", "y" * (MOST_HEADER_BYTES - 200))])
    assert "32 KiB" in refused(200, [["x-a", "y" * MOST_HEADER_BYTES]])


def test_a_flood_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        def decode(self, listed: bytes) -> Any:
            raise AssertionError("it was read")

    monkeypatch.setattr(answers, "_headers", Never())
    assert "32 KiB" in refused(200, [["x", "y"]] * 100_000)


def test_the_largest_head_can_be_said_in_any_way() -> None:
    value = "\x80" * (MOST_HEADER_BYTES - 200)
    assert len(json.dumps(value)) > 5 * MOST_HEADER_BYTES
    assert read_head(said(200, [["x-a", value]])).headers[0] == ("x-a", value)


# --- cookies


@pytest.mark.parametrize(
    "cookie",
    [
        "a=b",
        "a=b; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=3",
        "a=b; Expires=Wed, 21 Oct 2015 07:28:00 GMT",
        '__Host-id="x y"; Path=/; Secure',
        "domain=com; Path=/",
        "Domain=a",
        "a=Domain=.root",
        "a=b; subdomain=x; domains=y; x=domain",
        "not_fazt_a=b",
        "fazt=1",
        "fazt-session=1",
        "a=fazt_session=1",
        "xfazt_a=1",
    ],
)
def test_cookies_of_the_app_pass_as_they_are(cookie: str) -> None:
    assert cookies(cookie) == [cookie]


@pytest.mark.parametrize(
    "domain",
    [
        "Domain=.root.example",
        "domain=root.example",
        "DOMAIN=root.example",
        "dOmAiN=.root.example",
        " Domain = .root.example ",
        "\tdomain\t=\t.root.example",
        'Domain=".root.example"',
        'domain="',
        "Domain=",
        "Domain",
        " domain ",
        "Domain==.root.example",
        "\xa0Domain\xa0=.root.example",
        "\x85Domain=.root.example",
    ],
)
def test_a_cookie_is_for_the_host_that_sets_it(domain: str) -> None:
    for value in (
        f"a=b;{domain}",
        f"a=b; Path=/;{domain}",
        f"a=b;{domain}; Secure",
        f"a=b;{domain};{domain};HttpOnly;{domain}",
        f"a=b;{domain};",
        f'a="b;{domain}',
        f";{domain}",
        f"a=b;;;{domain}",
    ):
        (kept,) = cookies(value)
        assert "root" not in kept
        assert not any(part.partition("=")[0].strip().lower() == "domain" for part in kept.split(";")[1:])
        assert kept.count(";") == value.count(";") - value.count(domain)


def test_other_attributes_keep_their_order() -> None:
    assert cookies("a=b; Path=/x; domain=.r; Secure;Domain=.q;SameSite=None") == ["a=b; Path=/x; Secure;SameSite=None"]


def test_many_cookies_are_many_headers() -> None:
    assert cookies("a=1", "b=2; domain=x", "a=3") == ["a=1", "b=2", "a=3"]


@pytest.mark.parametrize("before", ["", " ", "\t \t", "\xa0", "=", " = ", "=="])
@pytest.mark.parametrize(
    "name",
    [
        "fazt_session",
        "fazt_admin_dev",
        "fazt_",
        "FAZT_Session",
        "__Host-fazt_admin",
        "__host-FAZT_x",
        "__Secure-fazt_a",
    ],
)
@pytest.mark.parametrize("after", ["=", "=x; Path=/", " =x", "\t=\tx", "", ";Path=/", " ; x"])
def test_no_cookie_is_taken_for_one_of_the_node(before: str, name: str, after: str) -> None:
    message = refused(200, [["set-cookie", before + name + after]])
    assert message == "The cookie's name belongs to the node."


@settings(deadline=None, max_examples=200)
@given(
    some.sampled_from((200, 302, 599)),
    some.lists(
        some.tuples(
            some.sampled_from(("x-a", "Set-Cookie", "Location", "content-length", "x\r\ny")) | some.text(max_size=5),
            some.text(max_size=20)
            | some.text('=; \tdomainDOMAIN_fazt"\r\n\0', max_size=30)
            | some.sampled_from(("a=b; Domain=.r", "fazt_a=1")),
        ),
        max_size=5,
    ),
)
def test_whatever_is_said_no_line_is_more_than_one_header(status: int, headers: Pairs) -> None:
    try:
        head = made_head(status, headers)
    except FaztError as error:
        assert error.code == "INVALID_RESPONSE"
        return
    first, lines = parsed(head)
    assert first.startswith(f"HTTP/1.1 {status} ")
    assert lines == [*head.headers, ("server", "fazt")]
    assert not {name for name, _ in head.headers} & {"content-length", "transfer-encoding", "connection"}


# --- remembered heads


@pytest.mark.parametrize("length", [1, 5000])
def test_a_head_that_was_remembered_is_the_same(length: int) -> None:
    heads = Heads()
    text = said(200, [["content-type", "text/plain"], ["x-a", "y" * length]])
    assert heads.read(text) == heads.read(bytes(text)) == read_head(text)
    assert (text in heads._known) == (length == 1)


def test_cookies_and_errors_are_not_remembered() -> None:
    heads = Heads()
    heads.read(said(200, [["Set-Cookie", "a=1"]]))
    for _ in range(2):
        with pytest.raises(FaztError):
            heads.read(said(700, []))
    assert not heads._known


def test_what_is_remembered_is_bounded_and_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_KNOWN", 4)
    heads = Heads()
    texts = [said(200 + number % 7, [["x-a", str(number % 9)]]) for number in range(60)]
    for text in texts + texts[::-1]:
        assert heads.read(text) == read_head(text)
        assert len(heads._known) <= 4


def test_bodies_are_bounded() -> None:
    assert checked_body(b"") == b""
    body = bytes(MOST_BODY)
    assert checked_body(body) is body
    with pytest.raises(FaztError, match="10 MiB"):
        checked_body(body + b"x")


def test_no_app_clears_the_data_of_its_siblings() -> None:
    head = made_head(200, [("Clear-Site-Data", '"cookies"'), ("x-a", "1")])
    assert [name for name, _ in head.headers if name == "clear-site-data"] == []
