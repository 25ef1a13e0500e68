"""Patterns of paths and hosts: what they match, and that matching never takes long."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernel.fs.rule_patterns import Pattern
from kernel.fs.rules import MAX_FILLED, MAX_LINES, MAX_WARNINGS, Template, Values, Warnings, rule_lines


def match(pattern: str, text: str, delimiter: str = "/") -> dict[str, str] | None:
    return Pattern(pattern, delimiter).match(text, text.split(delimiter))


@pytest.mark.parametrize(
    ("pattern", "text", "values"),
    [
        ("/a", "/a", {}),
        ("/a", "/a/", None),
        ("/a", "/ab", None),
        ("/a", "/A", None),
        ("/caf%C3%A9", "/café", {}),
        ("/café/:x", "/café/1", {"x": "1"}),
        ("/a%2A", "/a*", {}),
        ("/a%2A", "/ab", None),
        ("/a:80", "/a:80", {}),
        ("/*", "/", {"splat": ""}),
        ("/*", "/a/b", {"splat": "a/b"}),
        ("/blog/*", "/blog/", {"splat": ""}),
        ("/blog/*", "/blog", None),
        ("/blog/*", "/blog/a/b/", {"splat": "a/b/"}),
        ("/b*", "/b", {"splat": ""}),
        ("/*.jpg", "/a/b.jpg", {"splat": "a/b"}),
        ("/*.jpg", "/.jpg", {"splat": ""}),
        ("/*.jpg", "/jpg", None),
        ("/a/*/z", "/a/b/c/z", {"splat": "b/c"}),
        ("/a/*/z", "/a/z", None),
        ("/a/*/z", "/a//z", {"splat": ""}),
        ("/aa*aa", "/aaa", None),
        ("/:x", "/1", {"x": "1"}),
        ("/:x", "/", None),
        ("/:x", "/1/", None),
        ("/:x/", "/1/", {"x": "1"}),
        ("/:slug.html", "/a.b.html", {"slug": "a.b"}),
        ("/:slug.html", "/.html", None),
        ("/:y-:m-:d", "/2024-05-06", {"y": "2024", "m": "05", "d": "06"}),
        ("/:a-:b", "/1-2-3", {"a": "1-2", "b": "3"}),
        ("/:a-:b", "/1-", None),
        ("/:a-:b", "/1/2-3", None),
        ("/:a-:b", "/-12", None),
        ("/:a-:b", "/--1", {"a": "-", "b": "1"}),
        ("/:a:b", "/123", {"a": "12", "b": "3"}),
        ("/:a:b", "/1", None),
        ("/:a/*", "/1/2/3", {"a": "1", "splat": "2/3"}),
        ("/:a/x-*-y/:b", "/1/x-2/3-y/4", {"a": "1", "splat": "2/3", "b": "4"}),
        ("/:a-*", "/1-2/3", {"a": "1", "splat": "2/3"}),
        ("/*-:a", "/1/2-3", {"splat": "1/2", "a": "3"}),
        ("/:a*:b", "/12", {"a": "1", "splat": "", "b": "2"}),
        ("/:a*:b", "/1", None),
        ("/:a*:b", "/12/3/45", {"a": "12", "splat": "/3/4", "b": "5"}),
        ("*", "/a", {"splat": "/a"}),
    ],
)
def test_a_pattern_matches_a_path(pattern: str, text: str, values: dict[str, str] | None) -> None:
    assert match(pattern, text) == values


@pytest.mark.parametrize(
    ("pattern", "host", "values"),
    [
        ("example.com", "example.com", {}),
        ("example.com", "example.com.evil", None),
        (":project.pages.dev", "shop.pages.dev", {"project": "shop"}),
        (":project.pages.dev", "a.shop.pages.dev", None),
        ("*.example.com", "a.b.example.com", {"splat": "a.b"}),
        ("*.example.com", "example.com", None),
    ],
)
def test_in_a_host_a_placeholder_ends_at_a_dot(pattern: str, host: str, values: dict[str, str] | None) -> None:
    assert match(pattern, host, ".") == values


@pytest.mark.parametrize("pattern", ["/*/*", "/:a/:a", "/:splat/*", "/**"])
def test_a_pattern_has_one_star_and_each_name_once(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"more than one|twice"):
        Pattern(pattern)


def published(pattern: str) -> re.Pattern[str]:
    """The pattern as the published rules engine reads it: a greedy regular expression."""
    text = "".join(
        "(?P<splat>.*)" if piece == "*" else f"(?P<{piece[1:]}>[^/]+)" if piece.startswith(":") else re.escape(piece)
        for piece in re.split(r"(\*|:[a-z])", pattern)
    )
    return re.compile(text, re.DOTALL)


PIECES = st.lists(st.sampled_from(["/", "/", "a", "b", "ab", "-", "*", ":x", ":y", ":z"]), max_size=8, unique=False)


@given(PIECES, st.text("ab-/", max_size=12))
@example(["*", "a", ":x"], "aaa")
@settings(max_examples=1500, deadline=None)
def test_a_pattern_matches_what_the_published_expression_matches(pieces: list[str], text: str) -> None:
    kept = [piece for at, piece in enumerate(pieces) if piece[0] not in "*:" or piece not in pieces[:at]]
    # a letter right after a name would belong to it
    pattern = "/" + re.sub(r"(:[xyz])([ab])", r"\1-\2", "".join(kept))
    found = published(pattern).fullmatch("/" + text)
    assert match(pattern, "/" + text) == (found.groupdict() if found else None)


@pytest.mark.parametrize(
    "pattern",
    [
        "/" + "-".join(f":p{n}" for n in range(200)) + "!",
        "/" + "".join(f":p{n}" for n in range(300)) + "!",
        "/" + "a-".join(f":p{n}" for n in range(150)) + "*!",
        "/:a" + "-" * 900 + "a" + "-" * 900 + ":b",
    ],
)
@pytest.mark.parametrize("text", ["/" + "-" * 8000, "/" + "a-" * 4000, "/" * 8000, "/" + "-/" * 4000])
def test_no_pattern_takes_long(pattern: str, text: str) -> None:
    """Tried in every way, these would outlast the universe."""
    assert match(pattern, text) is None


@pytest.mark.parametrize(
    ("text", "values", "filled"),
    [
        ("/a/:x", {"x": "1"}, "/a/1"),
        ("/a/:y", {"x": "1"}, "/a/:y"),
        ("/:xx:x", {"x": "1"}, "/:xx1"),
        (":x:x", {"x": ":x"}, "%3Ax%3Ax"),
        ("/:x", {"x": "a b\r\né\ud800"}, "/a%20b%0D%0A%C3%A9%3F"),
        ("/:x", {"x": "y" * MAX_FILLED}, None),
    ],
)
def test_a_template_is_filled_with_encoded_values(text: str, values: dict[str, str], filled: str | None) -> None:
    assert Template(text, values, "").fill(Values(values)) == filled


def test_lines_are_numbered_and_what_cannot_be_a_rule_is_told() -> None:
    warnings = Warnings("_redirects")
    text = "\ufeff/a\r\n\n  # no\x00te\n\t/b\tc\n/d\re\n" + "x" * 2000 + "\n" + "x" * 2001 + "\n/\u202ea"
    lines = list(rule_lines(text, warnings))
    assert lines == [(1, "/a"), (4, "/b c"), (6, "x" * 2000)]
    assert [warning.split(":")[0] for warning in warnings.all()] == [f"_redirects line {n}" for n in (5, 7, 8)]


def test_a_long_file_of_mistakes_gives_a_short_list() -> None:
    warnings = Warnings("_headers")
    for line in range(1000):
        warnings.add(line, "wrong")
    assert len(warnings.all()) == MAX_WARNINGS + 1
    assert warnings.all()[-1] == "_headers: 900 more lines have a mistake."


@pytest.mark.parametrize(("lines", "told"), [(MAX_LINES, 0), (MAX_LINES + 1, 1), (MAX_LINES + 1000, 1)])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_file_without_end_is_read_only_so_far(lines: int, told: int, end: str) -> None:
    warnings = Warnings("_headers")
    assert len(list(rule_lines("\n".join(["/a"] * lines) + end, warnings))) == min(lines, MAX_LINES)
    assert len(warnings.all()) == told
