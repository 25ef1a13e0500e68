"""The `_redirects` file of a site."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.fs.redirect_rules import MAX_DYNAMIC, MAX_STATIC, Moved, parse_redirects
from kernel.fs.rules import MAX_FILLED

EXAMPLE = """\
# the one of the documentation
/home301 / 301
/home302 / 302
/querystrings /?query=string 301
/twitch https://twitch.tv
/trailing /trailing/ 301
/notrailing/ /nottrailing 301
/page/ /page2/#fragment 301
/blog/* https://blog.my.domain/:splat
/products/:code/:name /products?code=:code&name=:name
"""


def find(text: str, path: str, query: str = "") -> Moved | None:
    redirects, warnings = parse_redirects(text)
    assert warnings == []
    return redirects.find(path, query)


def location(text: str, path: str, query: str = "") -> str | None:
    moved = find(text, path, query)
    return moved.to if moved else None


@pytest.mark.parametrize(
    ("path", "status", "to"),
    [
        ("/home301", 301, "/"),
        ("/home302", 302, "/"),
        ("/querystrings", 301, "/?query=string"),
        ("/twitch", 302, "https://twitch.tv"),
        ("/trailing", 301, "/trailing/"),
        ("/notrailing/", 301, "/nottrailing"),
        ("/page/", 301, "/page2/#fragment"),
        ("/blog/2024/my post", 302, "https://blog.my.domain/2024/my%20post"),
        ("/blog/", 302, "https://blog.my.domain/"),
        ("/products/a&b=c/d e", 302, "/products?code=a%26b%3Dc&name=d%20e"),
    ],
)
def test_the_documented_example_works(path: str, status: int, to: str) -> None:
    assert find(EXAMPLE, path) == Moved(status, to, False)


@pytest.mark.parametrize("path", ["/", "/home", "/home301/", "/trailing/", "/notrailing", "/page", "/blog", "/HOME301"])
def test_no_other_path_is_redirected(path: str) -> None:
    assert find(EXAMPLE, path) is None


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_has_the_code_of_its_rule(code: int) -> None:
    assert find(f"/a /b {code}", "/a") == Moved(code, "/b", False)


@pytest.mark.parametrize(
    ("rule", "path", "query", "to"),
    [
        ("/a /b", "/a", "x=1&y", "/b?x=1&y"),
        ("/a /b?", "/a", "x=1", "/b?x=1"),
        ("/a /b?z=2", "/a", "x=1", "/b?z=2"),
        ("/a /b#top", "/a", "x=1", "/b?x=1#top"),
        ("/a /b##top", "/a", "", "/b##top"),
        ("/a /b?z=2#top", "/a", "x=1", "/b?z=2#top"),
        ("/a https://b.example", "/a", "x=1", "https://b.example?x=1"),
        ("/a HTTP://B.example:8080/c", "/a", "", "http://b.example:8080/c"),
        ("/a https://bücher.example/é?ü#ö", "/a", "", "https://xn--bcher-kva.example/%C3%A9?%C3%BC#%C3%B6"),
        ("/a https://[::1]:80/", "/a", "", "https://[::1]:80/"),
        ("/a /b", "/a", "x=#y z\r\né", "/b?x=%23y%20z%0D%0A%C3%A9"),
        ("/a#part /b", "/a", "", "/b"),
        ("/a /b # why", "/a", "", "/b"),
        ("/a /b 302 # why", "/a", "", "/b"),
        ("  /a\t /b\t", "/a", "", "/b"),
        ("/a b%20c", "/a", "", None),
        ("/a /b%20c", "/a", "", "/b%20c"),
        ("/:x /y/:z", "/1", "", "/y/:z"),
        ("/:x /y#:x", "/a#b c", "", "/y#a%23b%20c"),
        ("/a:1 /b:2", "/a:1", "", "/b:2"),
    ],
)
def test_the_parts_of_a_target(rule: str, path: str, query: str, to: str | None) -> None:
    moved = parse_redirects(rule)[0].find(path, query)
    assert (moved.to if moved else None) == to


@pytest.mark.parametrize(
    ("rule", "path", "to", "fallback"),
    [
        ("/a /b 200", "/a", "/b", False),
        ("/users/:id /users/id.html 200", "/users/7", "/users/id.html", True),
        ("/users/:id /users/id 200", "/users/7", "/users/id", True),
        ("/* /index.html 200", "/deep/link", "/index.html", True),
        ("/* /index.html 200", "/index.html", "/index.html", True),
        ("/app/* /app/index.html 200", "/app/x", "/app/index.html", True),
        ("/app/* /index.html 200", "/app/x", "/index.html", False),
        ("/old/* /new/:splat 200", "/old/a b/é", "/new/a b/é", False),
        ("/a /a 200", "/a", "/a", True),
        ("/a /b%20c?x#y 200", "/a", "/b c", False),
        ("/old/* /:splat 200", "/old//evil.example", "/evil.example", False),
    ],
)
def test_a_rewrite_gives_the_decoded_path_of_a_file(rule: str, path: str, to: str, fallback: bool) -> None:
    assert find(rule, path, "q=1") == Moved(200, to, fallback)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/f-:x /.:x 200", "/f-."),
        ("/f-:x /a/.:x/b 200", "/f-."),
        ("/f/* /:splat 200", "/f/../secret"),
        ("/f/* /:splat 200", "/f/a\\b"),
        ("/f/* /:splat 200", "/f/a\x00"),
        ("/f/* /:splat 200", "/f/a\r\nb"),
    ],
)
def test_a_rewrite_never_leads_to_a_path_that_is_another_one(rule: str, path: str) -> None:
    assert find(rule, path) is None


@pytest.mark.parametrize(
    ("text", "path", "to"),
    [
        ("/a /1\n/* /2", "/a", "/1"),
        ("/* /2\n/a /1", "/a", "/2"),
        ("/:x /2\n/a /1\n/* /3", "/a", "/2"),
        ("/b/:x /2\n/a /1\n/* /3", "/a", "/1"),
        ("/b/* /1\n/b/c/* /2", "/b/c/d", "/1"),
        ("/*  /same\n/x /1", "/same", None),
        ("/:x /:x/1\n/:x/1 /2", "/same/1", "/2"),
        ("/b/* /c/:splat\n/* /d", "/b/" + "y" * MAX_FILLED, "/d"),
    ],
)
def test_the_first_rule_that_matches_wins(text: str, path: str, to: str | None) -> None:
    assert location(text, path) == to


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/c", "has 1 words"),
        ("/d /e 302 extra", "has 4 words"),
        ("/d /e 302 Country=us", "conditions, as in `Country=us`"),
        ("/d /e Language=de", "conditions, as in `Language=de`"),
        ("/d /e 302! Country=us Language=de", "conditions"),
        ("/d /e 302 Cookie=preview", "conditions"),
        ("/store id=:id /blog/:id 301", "query parameters"),
        ("/d?x=1 /e", "query parameters"),
        ("d /e", "must be a path that begins with /"),
        ("https://a.example/d /e", "must be a path that begins with /"),
        ("/d e", "must begin with one /"),
        ("/d #e", "must begin with one /"),
        ("/d //evil.example", "must begin with one /"),
        ("/d ///evil.example", "must begin with one /"),
        ("/d /\\evil.example", "backslash"),
        ("/d https:/e.example", "must begin with one /"),
        ("/d https://", "must begin with one /"),
        ("/d https:///e", "must begin with one /"),
        ("/d ftp://e.example/", "must begin with one /"),
        ("/d javascript:alert(1)", "must begin with one /"),
        ("/d https://e.example:99999/", "is no host name"),
        ("/d https://e.example:x/", "is no host name"),
        ("/d https://me@e.example/", "is no host name"),
        ("/d https://e%2Fvil/", "is no host name"),
        ("/d https://[/", "is no host name"),
        ("/:d https://:d/", "must not have a placeholder"),
        ("/:d https://e.example:d", "must not have a placeholder"),
        ("/d/* https://e.example:splat", "must not have a placeholder"),
        ("/d/* https://:splat.e.example/", "must not have a placeholder"),
        ("/d /e 404", "the code `404`"),
        ("/d /e 30x", "the code `30x`"),
        ("/d /e 0302", "the code `0302`"),
        ("/d https://e.example/ 200", "can only lead to a path of this site"),
        ("/d/* https://e.example/:splat 200!", "can only lead to a path of this site"),
        ("/d /../e 200", "is no path of this site"),
        ("/d /%2e%2e/e 200", "is no path of this site"),
        ("/d/:x /%00 200", "is no path of this site"),
        ("/d /d", "would lead to itself"),
        ("/%64 /d 301", "would lead to itself"),
        ("/d/*/* /e", "more than one"),
        ("/:d/:d /e", "twice"),
        ("/kept /other", "has a rule already"),
        ("/d " + "/e" * 1000, "must have 0 to 2000 characters"),
    ],
)
def test_a_rule_that_is_none_is_told_with_its_line_and_the_rest_holds(line: str, told: str) -> None:
    redirects, warnings = parse_redirects(f"# rules\n/kept /here\n\n{line}\n/also/* /there/:splat\n")
    assert len(warnings) == 1 and warnings[0].startswith("_redirects line 4: ")
    assert told in warnings[0] and "left out" in warnings[0]
    assert len(redirects) == 2
    assert redirects.find("/kept", "") == Moved(302, "/here", False)
    assert redirects.find("/also/x", "") == Moved(302, "/there/x", False)


def test_a_forced_rule_is_kept_without_its_mark() -> None:
    redirects, warnings = parse_redirects("/a /b 301!\n/c /d.html 200!")
    assert [warning[:18] for warning in warnings] == ["_redirects line 1:", "_redirects line 2:"]
    assert redirects.find("/a", "") == Moved(301, "/b", False)
    assert redirects.find("/c", "") == Moved(200, "/d.html", False)


def test_a_star_that_is_written_encoded_is_no_splat() -> None:
    text = "/a%2A /b\n/a* /c"
    assert (location(text, "/a*"), location(text, "/ab")) == ("/b", "/c")


@pytest.mark.parametrize(("kind", "most"), [("/s{}", MAX_STATIC), ("/d{}/*", MAX_DYNAMIC)])
def test_the_rules_of_each_kind_are_limited(kind: str, most: int) -> None:
    lines = [f"{kind.format(n)} /to" for n in range(most + 5)]
    redirects, warnings = parse_redirects("\n".join([*lines, "/last /to", "/last/:x /to"]))
    assert len(redirects) == most + 1
    assert warnings and warnings[0].startswith(f"_redirects line {most + 1}: a file has at most {most} ")
    assert redirects.find(kind.format(most - 1).replace("*", ""), "") is not None
    assert redirects.find(kind.format(most).replace("*", ""), "") is None


HOSTILE = ["\r\nSet-Cookie: a=b", "\n", "\r", "\x00", "\t", "\x0b", "\x85", "\u2028", "\ud800", "é", " ", "<", "\\"]
ODD = ["/", "/", "\\", ".", ":", "@", "a", "%", "?", "#", "*", "&", '"', *(text for text in HOSTILE if len(text) == 1)]
TEXTS = st.text(st.sampled_from(ODD), max_size=20)
TARGETS = ["/:splat", "/:splat/:splat", "/x:splat", "/x?y=:splat", "/x#:splat", "/.:splat", "https://b.example/:splat"]


def splits_nothing(to: str) -> bool:
    return all(0x21 <= ord(letter) < 0x7F for letter in to) and not set(to) & set('"<>\\^`{|}')


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_42_a_line_end_in_a_redirect_target_never_splits_the_answer(target: str, hostile: str) -> None:
    redirects, warnings = parse_redirects(f"/a/* {target}")
    assert warnings == []
    moved = redirects.find(f"/a/{hostile}evil.example", hostile)
    assert moved is not None and splits_nothing(moved.to)
    # written into the file itself, it makes at most two rules of one line, and no target has it
    redirects, _ = parse_redirects(f"/a /b{hostile}c\n/d {hostile}/e")
    for path in ("/a", "/d"):
        found = redirects.find(path, "")
        assert found is None or splits_nothing(found.to)


@pytest.mark.parametrize("target", TARGETS)
@given(path=TEXTS, query=TEXTS)
@settings(max_examples=150, deadline=None)
def test_no_visitor_is_led_to_a_host_of_another_visitors_choice(target: str, path: str, query: str) -> None:
    moved = parse_redirects(f"/a/* {target}")[0].find(f"/a/{path}", query)
    if moved is None:
        # only a redirect to the same path is not followed
        assert "https" not in target
        return
    assert splits_nothing(moved.to)
    assert not moved.to.startswith(("//", "/\\"))
    host = urlsplit(urljoin("https://site.example/", moved.to)).netloc
    assert host == ("b.example" if target.startswith("https") else "site.example")


WORDS = st.sampled_from(
    """/a /:x /* /a/* /:x-:y/* /b /:splat /:y/:x // https:// https://[ https://:x https://é..ß/ https://\u0660.a:x # ? %
    200 301 301! ! Country=a x=1 %zz %2e \\""".replace("\n", " ").split(" ")
)
FILES = st.lists(st.lists(WORDS | st.text(max_size=6), max_size=4).map(" ".join), max_size=6).map("\n".join)


@given(FILES | st.text(), TEXTS, TEXTS)
@settings(max_examples=600, deadline=None)
def test_any_text_is_a_file_and_any_path_is_answered(text: str, path: str, query: str) -> None:
    redirects, warnings = parse_redirects(text)
    assert all(warning.startswith("_redirects") and "\n" not in warning for warning in warnings)
    for asked in (f"/{path}", path, "/a"):
        moved = redirects.find(asked, query)
        if moved and moved.status == 200:
            assert moved.to.startswith("/") and not {"", ".", ".."} & set(moved.to[1:].split("/")[:-1]) - {""}
        elif moved:
            assert splits_nothing(moved.to) and not moved.to.startswith("//")


def test_a_target_a_visitor_blew_up_is_not_sent() -> None:
    redirects, warnings = parse_redirects("/a/* /" + ":splat" * 300 + "\n/b/* /x?" + ":splat" * 300)
    assert warnings == []
    assert redirects.find("/a/" + "x" * 100, "") is None
    assert redirects.find("/b/" + "x" * 100, "") is None
    assert redirects.find("/a/" + "x" * 20, "q" * 3000) is None
    moved = redirects.find("/a/" + "x" * 10, "")
    assert moved is not None and len(moved.to) == 3001
