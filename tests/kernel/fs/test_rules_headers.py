"""The `_headers` file of a site."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.fs import rules
from kernel.fs.header_rules import MAX_APPLIED, MAX_HEADERS, MAX_RULES, Applied, parse_headers

EXAMPLE = """\
# This is a comment
/secure/page
  X-Frame-Options: DENY
  X-Content-Type-Options: nosniff
  Referrer-Policy: no-referrer

/static/*
  Access-Control-Allow-Origin: *
  X-Robots-Tag: nosnippet

https://myproject.pages.dev/*
  X-Robots-Tag: noindex
"""
SECURE = {"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def find(text: str, path: str, host: str = "site.example") -> Applied:
    headers, warnings = parse_headers(text)
    assert warnings == []
    return headers.find(host, path)


@pytest.mark.parametrize(
    ("host", "path", "set"),
    [
        ("custom.domain", "/secure/page", SECURE),
        ("custom.domain", "/static/image.jpg", {"Access-Control-Allow-Origin": "*", "X-Robots-Tag": "nosnippet"}),
        ("custom.domain", "/home", {}),
        ("custom.domain", "/secure/page/", {}),
        ("myproject.pages.dev", "/home", {"X-Robots-Tag": "noindex"}),
        ("MyProject.pages.dev:8443", "/home", {"X-Robots-Tag": "noindex"}),
        ("myproject.pages.dev.evil.example", "/home", {}),
        ("x.myproject.pages.dev", "/home", {}),
        ("myproject.pages.dev", "/secure/page", SECURE | {"X-Robots-Tag": "noindex"}),
        (
            "myproject.pages.dev",
            "/static/styles.css",
            {"Access-Control-Allow-Origin": "*", "X-Robots-Tag": "nosnippet, noindex"},
        ),
    ],
)
def test_the_documented_example_works(host: str, path: str, set: dict[str, str]) -> None:
    assert find(EXAMPLE, path, host) == Applied(set, frozenset())


@pytest.mark.parametrize(
    ("text", "path", "host", "set", "remove"),
    [
        ("/*\n  X-A: 1\n/*.jpg\n  ! X-A", "/a.jpg", "h", {}, {"x-a"}),
        ("/*\n  X-A: 1\n/*.jpg\n  ! X-A", "/a.png", "h", {"X-A": "1"}, set()),
        ("/*.jpg\n  ! X-A\n/*\n  X-A: 1", "/a.jpg", "h", {"X-A": "1"}, set()),
        ("/*\n  X-A: 1\n  ! X-A", "/", "h", {"X-A": "1"}, set()),
        ("/*\n  ! X-Content-Type-Options", "/", "h", {}, {"x-content-type-options"}),
        ("/*\n  !X-A", "/", "h", {}, {"x-a"}),
        ("/*\n  X-A: 1\n  x-a: 2", "/", "h", {"X-A": "1, 2"}, set()),
        ("/*\n  X-A: 1\n\n# more\n/\n  x-a: 2", "/", "h", {"X-A": "1, 2"}, set()),
        ("/*\nX-A: 1", "/", "h", {"X-A": "1"}, set()),
        ("/*\r\n\tX-A:\t1\t2\r\n", "/", "h", {"X-A": "1 2"}, set()),
        ("/*\n  X-A:https://a.example/", "/", "h", {"X-A": "https://a.example/"}, set()),
        ("/*\n  X-A: Füße", "/", "h", {"X-A": "Füße"}, set()),
        ("/caf%C3%A9\n  X-A: 1", "/café", "h", {"X-A": "1"}, set()),
        ('/movies/:title\n  X-M: You watch ":title"', "/movies/a b", "h", {"X-M": 'You watch "a%20b"'}, set()),
        ("/f/*\n  Link: </:splat>; rel=canonical", "/f/a>, b", "h", {"Link": "</a%3E%2C%20b>; rel=canonical"}, set()),
        ("/:a\n  X-A: :a :b :ab", "/1", "h", {"X-A": "1 :b :ab"}, set()),
        ("https://:p.pages.dev/*\n  X-A: https://staging.:p.pages.dev/:splat", "/x", "Shop.pages.dev:80",
         {"X-A": "https://staging.shop.pages.dev/x"}, set()),
        ("https://:Project.pages.dev/\n  X-A: :Project", "/", "a.pages.dev", {"X-A": "a"}, set()),
        ("https://Site.Example\n  X-A: 1", "/", "site.example", {"X-A": "1"}, set()),
        ("https://site.example\n  X-A: 1", "/a", "site.example", {}, set()),
        ("https://*.example/a\n  X-A: :splat", "/a", "x.y.example", {"X-A": "x.y"}, set()),
        ("https://*.example/a\n  X-A: :splat", "/a/b", "x.example", {}, set()),
    ],
)  # fmt: skip
def test_rules_add_up(text: str, path: str, host: str, set: dict[str, str], remove: set[str]) -> None:
    assert find(text, path, host) == Applied(set, frozenset(remove))


OWNED = (
    "Content-Length Transfer-Encoding Connection Keep-Alive Upgrade Date Server Content-Encoding Content-Range "
    "Accept-Ranges ETag Last-Modified Vary Set-Cookie Trailer TE Proxy-Authenticate Proxy-Connection Host X-Request-ID"
)


@pytest.mark.parametrize("name", re.findall(r"\S+", OWNED))
@pytest.mark.parametrize("line", ["{}: 1", "! {}", "{} : 1"])
def test_a_header_of_the_server_is_neither_set_nor_removed(name: str, line: str) -> None:
    for spelling in (name, name.lower(), name.upper()):
        headers, warnings = parse_headers(f"/*\n  X-A: 1\n  {line.format(spelling)}")
        assert warnings == [f"_headers line 3: `{spelling}` is set by the server; the line is left out."]
        assert headers.find("h", "/") == Applied({"X-A": "1"}, frozenset())


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("X-B", "is no `Name: value`"),
        ("X-B:", "has no value"),
        (": 1", "is no header name"),
        ("X B: 1", "is no header name"),
        ("X(B): 1", "is no header name"),
        ("X-É: 1", "is no header name"),
        ("! X-A: 1", "is no header name"),
        ("!", "is no header name"),
        ("X-B: a\x00b", "control character U+0000"),
        ("X-B: a\rX-C: d", "control character U+000D"),
        ("X-B: a\x7fb", "control character U+007F"),
        ("X-B: \ud800", "U+D800"),
        ("X-B: " + "b" * 1994, "must have 0 to 2000 characters"),
    ],
)
def test_a_line_that_is_no_header_is_told_and_the_rest_holds(line: str, told: str) -> None:
    headers, warnings = parse_headers(f"/*\n  X-A: 1\n  {line}\n  X-Z: 2")
    assert len(warnings) == 1 and warnings[0].startswith("_headers line 3: ")
    assert told in warnings[0] and "left out" in warnings[0]
    assert headers.find("h", "/") == Applied({"X-A": "1", "X-Z": "2"}, frozenset())


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("/*/*", "more than one"),
        ("/:a/:a", "twice"),
        ("/a?b=1", "query parameters"),
        ("/a b", "must have no spaces"),
        ("http://site.example/*", "begins with https://"),
        ("ftp://site.example/*", "begins with https://"),
        ("https://site.example:8080/*", "without a port"),
        ("https://", "without a port"),
        ("https:///a", "without a port"),
        ("https://*.example/*", "more than one"),
        ("https://:a.example/:a", "twice"),
    ],
)
def test_a_pattern_that_is_none_is_told_and_its_headers_are_left_out(pattern: str, told: str) -> None:
    headers, warnings = parse_headers(f"/*\n  X-A: 1\n{pattern}\n  X-B: 2\n/\n  X-C: 3")
    assert len(warnings) == 1 and warnings[0].startswith("_headers line 3: ") and told in warnings[0]
    assert headers.find("site.example", "/") == Applied({"X-A": "1", "X-C": "3"}, frozenset())


def test_headers_without_a_path_and_paths_without_headers_are_told() -> None:
    headers, warnings = parse_headers("X-A: 1\n/a\n/b\n  Date: 1\n/c\n  X-C: 1\n/d")
    assert len(headers) == 1
    assert [warning.split(": ")[0][9:] for warning in warnings] == ["line 1", "line 2", "line 4", "line 3", "line 7"]


def test_rules_are_limited() -> None:
    text = "\n".join(f"/p{n}/*\n  X-A: {n}" for n in range(MAX_RULES + 5))
    headers, warnings = parse_headers(text)
    assert len(headers) == MAX_RULES
    assert len(warnings) == 1 and warnings[0].startswith(f"_headers line {2 * MAX_RULES + 1}: a file has at most 100 ")
    assert headers.find("h", f"/p{MAX_RULES - 1}/").set == {"X-A": "99"}
    assert headers.find("h", f"/p{MAX_RULES}/").set == {}


def test_the_lines_of_a_file_are_limited() -> None:
    headers, warnings = parse_headers("/*\n" + "  X-A: 1\n" * MAX_HEADERS + "  X-B: 1\n/*\n  X-C: 1")
    assert len(headers) == 1 and len(warnings) == 1
    assert warnings[0].startswith(f"_headers line {MAX_HEADERS + 2}: a file has at most {MAX_HEADERS} headers")
    assert list(headers.find("h", "/").set) == ["X-A"]


def test_an_answer_is_not_drowned_in_headers() -> None:
    headers, _ = parse_headers("/*\n" + "".join(f"  X-{n}: {'v' * 1000}\n" for n in range(100)) + "  X-A: :splat")
    applied = headers.find("h", "/" + "x" * 8000)
    assert 10_000 < sum(len(name) + len(value) for name, value in applied.set.items()) <= MAX_APPLIED
    same, _ = parse_headers("/*\n" + f"  X-A: {'v' * 1000}\n" * 100)
    assert 10_000 < len(same.find("h", "/").set["X-A"]) <= MAX_APPLIED


def counted_fills(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The length of each text that is percent-encoded."""
    real, lengths = quote, list[int]()

    def counting(text: str, *how: Any, **named: Any) -> str:
        lengths.append(len(text))
        return real(text, *how, **named)

    monkeypatch.setattr(rules, "quote", counting)
    return lengths


@pytest.mark.parametrize("letter", ["x", "é", "\ud800"])
@pytest.mark.parametrize("prefix", ["x", "é", "\ud800"])
def test_what_has_no_room_is_not_filled_in(monkeypatch: pytest.MonkeyPatch, prefix: str, letter: str) -> None:
    lengths = counted_fills(monkeypatch)
    written = {"x": "x", "é": "é", "\ud800": "*"}[prefix]
    text = "".join(f"/{written * n if written != '*' else ''}*\n" + "  ! X\n  X: a:splat\n" * 20 for n in range(100))
    headers, _ = parse_headers(text)
    applied = headers.find("h", "/" + prefix * 100 + letter * 1000)
    assert sum(lengths) <= MAX_APPLIED
    assert len(applied.set.get("X", "")) <= MAX_APPLIED


@given(st.text(), st.sampled_from(["", "/", "/~", " ;,"]))
def test_the_length_of_a_text_is_known_before_it_is_made(text: str, safe: str) -> None:
    values, template = rules.Values({"a": text}), rules.Template("x:a-:a", {"a"}, safe, 10_000)
    assert template.length(values) == len(template.filled(values))


HOSTILE = ["\r\nSet-Cookie: a=b", "\n", "\r", "\x00", "\x0b", "\x1b", "\x85", "\u2028", "\ud800"]


def splits_nothing(applied: Applied) -> bool:
    values = [*applied.set.values(), *applied.remove, *applied.set]
    return all(letter.isprintable() for value in values for letter in value)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_42_a_line_end_in_a_header_value_never_splits_the_answer(hostile: str) -> None:
    headers, warnings = parse_headers('/a/*\n  X-A: ":splat"\nhttps://:h.example/*\n  X-H: :h :splat')
    assert warnings == []
    for path in (f"/a/{hostile}b", f"/a/b{hostile}"):
        applied = headers.find(f"x{hostile}y.example", path)
        assert splits_nothing(applied) and set(applied.set) == {"X-A", "X-H"}
    # written into the file itself, it is in no name and in no value
    headers, warnings = parse_headers(f"/*\n  X-A: b{hostile}c\n  X{hostile}Y: 1\n  ! X{hostile}Z")
    applied = headers.find("h", "/")
    assert warnings and splits_nothing(applied)
    assert set(applied.set) <= {"X-A", "Y"} and not any("et-" in name for name in applied.set)


LINES = st.sampled_from(
    """/*|/:a|/:a-:b/*|https://:a.b/*|https://*/|https://[|https://:|https://é..:x/|a://b|/?|/%|/%2e|!|! X|:|X
  X-A: :a:b:splat|  X-A: *|  x-a: 2|  ! x-a|  Vary: *|  X-B : 1""".replace("\n", "|").split("|")
)
FILES = st.lists(LINES | st.text(max_size=8), max_size=10).map("\n".join)
WORDS = st.text(st.sampled_from(["/", ".", "a", "b", "-", ":", "[", "é", "%", "\ud800", "\r", "\n", "1"]), max_size=12)


@given(FILES | st.text(), WORDS, WORDS)
@settings(max_examples=600, deadline=None)
def test_any_text_is_a_file_and_any_path_is_answered(text: str, host: str, path: str) -> None:
    headers, warnings = parse_headers(text)
    assert all(warning.startswith("_headers") and "\n" not in warning for warning in warnings)
    for asked in (f"/{path}", path):
        applied = headers.find(host, asked)
        assert splits_nothing(applied)
        assert not {name.lower() for name in applied.set} & applied.remove
