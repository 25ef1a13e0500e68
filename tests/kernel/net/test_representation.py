"""Conditional requests and ranges: by our own rules, and against nginx where this machine has it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from kernel.net.representation import (
    MOST_RANGES,
    Multipart,
    Representation,
    content_range,
    decide,
    etag_of,
    http_time,
    unsatisfied,
)
from tests.bench import nginx
from tests.system import nginx_table
from tests.system.nginx_table import ROWS, STRICTER, Answer, Row, Server, ask, compare, tree, write_tree

FILE = Representation(etag_of("bafy"), 10, 1_700_000_000, "text/plain; charset=utf-8")
EMPTY = Representation(etag_of("bafy"), 0, 1_700_000_000, "text/plain")


def asked(*lines: str, method: str = "GET", file: Representation = FILE) -> tuple[int, tuple[tuple[int, int], ...]]:
    headers = CIMultiDict(tuple(line.split(": ", 1)) for line in lines)
    verdict = decide(method, headers, file)
    return int(verdict.status), verdict.ranges


# --- tags


def test_each_form_has_a_tag() -> None:
    assert [FILE.tag(coding) for coding in ("identity", "br", "gzip", "zstd")] == [
        '"bafy"',
        '"bafy-br"',
        '"bafy-gz"',
        '"bafy-zst"',
    ]
    assert FILE.tags() == {'"bafy"', '"bafy-br"', '"bafy-gz"', '"bafy-zst"'}


@pytest.mark.parametrize("tag", sorted(FILE.tags()))
def test_a_copy_of_any_form_is_a_copy(tag: str) -> None:
    for value in (tag, f"W/{tag}", f'"other", {tag}', f'{tag},"other"', f' "x" ,\t{tag} '):
        assert asked(f"If-None-Match: {value}") == (304, ()), value
    assert asked(f"If-Match: {tag}") == (200, ())
    assert asked(f"If-Match: W/{tag}") == (412, ())


@pytest.mark.parametrize(
    "tag", ['"bafy-gz2"', '"bafy-"', "bafy", '"baf"', '"BAFY"', '"bafy', 'w/"bafy"', 'W/W/"bafy"', ""]
)
def test_another_tag_is_another_file(tag: str) -> None:
    assert asked(f"If-None-Match: {tag}") == (200, ())
    assert asked(f"If-Match: {tag}") == (412, ())


@pytest.mark.parametrize("tag", ['"bafy-br"', '"bafy-gz"', '"bafy-zst"', 'W/"bafy"', "*", '"other"', '"bafy", "x"'])
def test_a_range_goes_with_the_file_as_it_is(tag: str) -> None:
    """Who holds a part of a coded form shall not get a part of the plain one to go with it."""
    assert asked(f"If-Range: {tag}", "Range: bytes=0-4") == (200, ())
    assert asked('If-Range: "bafy"', "Range: bytes=0-4") == (206, ((0, 5),))


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"])
def test_a_condition_is_said_once(name: str) -> None:
    assert asked(f"{name}: x", f"{name.lower()}: x")[0] == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "get"])
def test_only_a_read_has_ranges(method: str) -> None:
    assert asked("Range: bytes=0-4", method=method) == (200, ())
    assert asked('If-Match: "other"', method=method) == (412, ())


# --- conditions

THEN = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE, AFTER = "Tue, 14 Nov 2023 22:13:19 GMT", "Tue, 14 Nov 2023 22:13:21 GMT"
CONDITIONS = [
    ((), 200),
    ((f"If-Modified-Since: {THEN}",), 304),
    # exact: after a rollback a file is older than the copy
    ((f"If-Modified-Since: {BEFORE}",), 200),
    ((f"If-Modified-Since: {AFTER}",), 200),
    (("If-Modified-Since: junk",), 200),
    (('If-None-Match: "bafy"', f"If-Modified-Since: {THEN}"), 304),
    (('If-None-Match: "bafy"', f"If-Modified-Since: {BEFORE}"), 200),
    (('If-None-Match: "other"', f"If-Modified-Since: {THEN}"), 200),
    (("If-None-Match: *",), 304),
    (('If-None-Match: *, "other"',), 200),
    ((f"If-Unmodified-Since: {THEN}",), 200),
    ((f"If-Unmodified-Since: {AFTER}",), 200),
    ((f"If-Unmodified-Since: {BEFORE}",), 412),
    (("If-Unmodified-Since: junk",), 412),
    (("If-Match: *",), 200),
    (('If-Match: "other"', 'If-None-Match: "bafy"'), 412),
    ((f"If-Unmodified-Since: {BEFORE}", 'If-None-Match: "bafy"', "Range: bytes=90-"), 412),
    (('If-None-Match: "bafy"', "Range: bytes=90-"), 304),
    (('If-None-Match: "other"', "Range: bytes=90-"), 416),
    ((f"If-Range: {THEN}", "Range: bytes=0-4"), 206),
    ((f"If-Range: {AFTER}", "Range: bytes=0-4"), 200),
    (('If-Range: "other"', "Range: bytes=90-"), 200),
    (("range: BYTES=0-4",), 206),
    (("Range: bytes=0-4", "Range: bytes=junk"), 206),
]


@pytest.mark.parametrize(("lines", "status"), CONDITIONS, ids=str)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_come_before_ranges(method: str, lines: tuple[str, ...], status: int) -> None:
    assert asked(*lines, method=method)[0] == status


# --- ranges


@pytest.mark.parametrize("count", [MOST_RANGES, MOST_RANGES + 1, 1000, 16_000])
def test_too_many_ranges_are_the_whole(count: int) -> None:
    large = Representation('"x"', 10**6, 0, "text/plain")
    status, ranges = asked("Range: bytes=" + ",".join(f"{n}-{n}" for n in range(count)), file=large)
    assert (status, len(ranges)) == ((206, count) if count <= MOST_RANGES else (200, 0))


@pytest.mark.parametrize(
    "value",
    [
        "bytes=" + "9" * 1_000_000 + "-",
        "bytes=0-" + "9" * 1_000_000,
        "bytes=-" + "9" * 1_000_000,
        "bytes=5-" + " " * 1_000_000 + "x",
        "bytes=" + " " * 1_000_000 + "x",
        "bytes=5" + " " * 1_000_000,
        "bytes=" + "," * 1_000_000,
        "bytes=" + "20-," * 300_000 + "x",
        "bytes=१-२",
        "bytes=0-\u00b2",
        "bytes=\udcff-",
    ],
    ids=lambda value: ascii(value[:30]),
)
def test_an_absurd_range_is_refused(value: str) -> None:
    assert asked(f"Range: {value}") == (416, ())


_NUMBERS = st.one_of(st.integers(0, 30), st.integers(2**63 - 2, 2**63 + 1), st.none()).map(
    lambda n: "" if n is None else str(n)
)
_ITEMS = st.lists(st.tuples(_NUMBERS, _NUMBERS).map("-".join), min_size=1, max_size=80)


@given(_ITEMS, st.integers(0, 20))
@example(["0-"], 0)
def test_what_is_sent_is_inside_the_file(items: list[str], size: int) -> None:
    status, ranges = asked("Range: bytes=" + ",".join(items), file=Representation('"x"', size, 0, "text/plain"))
    assert (status == 206) == bool(ranges)
    assert all(0 <= start < end <= size for start, end in ranges)
    assert sum(end - start for start, end in ranges) <= size


@given(st.text(alphabet="bytes=0123456789-, \t;x", max_size=40))
def test_any_text_has_an_answer(value: str) -> None:
    assert asked(f"Range: {value}")[0] in (200, 206, 416)
    assert asked(f"Range: bytes={value}", file=EMPTY)[0] in (200, 416)


def test_what_a_range_is_called() -> None:
    assert content_range(0, 5, 10) == "bytes 0-4/10"
    assert unsatisfied(10) == "bytes */10"


def test_several_ranges_have_parts_and_a_length() -> None:
    content = b"0123456789"
    _, ranges = asked("Range: bytes=0-1,-3,4-4")
    body = Multipart(FILE, ranges, "mark")
    sent = b"".join(prefix + content[start:end] for prefix, start, end in body) + body.closing
    assert len(sent) == body.length
    assert sent == (
        b"\r\n--mark\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/10\r\n\r\n01"
        b"\r\n--mark\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 7-9/10\r\n\r\n789"
        b"\r\n--mark\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 4-4/10\r\n\r\n4"
        b"\r\n--mark--\r\n"
    )
    answer = Answer(206, {"content-type": body.content_type}, sent)
    assert answer.parts() == [("bytes 0-1/10", b"01"), ("bytes 7-9/10", b"789"), ("bytes 4-4/10", b"4")]


# --- times

TIMES = {
    "Sun, 06 Nov 1994 08:49:37 GMT": 784111777,
    "Sunday, 06-Nov-94 08:49:37 GMT": 784111777,
    "Sun Nov  6 08:49:37 1994": 784111777,
    "Thu, 29 Feb 2024 00:00:00 GMT": 1709164800,
    "Friday, 01-Jan-38 00:00:00 GMT": 2145916800,
    "Thu, 29 Feb 2023 00:00:00 GMT": None,
    "Sun, 00 Nov 1994 08:49:37 GMT": None,
    "Sun, 31 Nov 1994 08:49:37 GMT": None,
    "Sun, 06 Nov 1994 24:00:00 GMT": None,
    "Sun, 06 Nov 1994 08:49:60 GMT": None,
    "Sun, 06 Xxx 1994 08:49:37 GMT": None,
    "Sun, 06 Nov 0000 08:49:37 GMT": None,
    "Sun, 6 Nov 1994 08:49:37 GMT": None,
    "1994-11-06T08:49:37Z": None,
    "784111777": None,
    "": None,
    ", " * 50_000: None,
    " " * 100_000 + "Nov": None,
}


@pytest.mark.parametrize("text", TIMES, ids=lambda text: ascii(text[:40]))
def test_a_time_is_read(text: str) -> None:
    assert http_time(text) == TIMES[text]


# --- against nginx

needs_nginx = pytest.mark.skipif(nginx.find() is None, reason="nginx is not installed")


@pytest.fixture(scope="module")
def rival(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("site")
    write_tree(folder)
    with nginx.running(folder, extra=f"max_ranges {MOST_RANGES};") as running:
        yield Server(running.port, f"site.localhost:{running.port}")


def ours(rival: Server, row: Row) -> tuple[int, list[str]]:
    """What we would answer to a row, and with which Content-Ranges."""
    sent = rival.filled(row.sent, row.about).decode("latin-1")
    line, *lines = sent.removesuffix("\r\n\r\n").split("\r\n")
    method, path, _ = line.split(" ")
    headers = CIMultiDict((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    [facts] = ask(rival.port, f"HEAD {path} HTTP/1.1\r\nHost: {rival.host}\r\nConnection: close\r\n\r\n".encode())
    size = int(facts.headers["content-length"])
    modified = int(parsedate_to_datetime(facts.headers["last-modified"]).timestamp())
    file = Representation(facts.headers["etag"], size, modified, facts.headers["content-type"])
    verdict = decide(method, headers, file)
    return int(verdict.status), [content_range(*cut, size) for cut in verdict.ranges]


def theirs(rival: Server, row: Row) -> tuple[int, list[str]]:
    [answer] = rival.ask(row)
    return answer.status, [where for where, _ in answer.parts()] if answer.status == 206 else []


ABOUT_FILES = [
    row
    for row in ROWS
    if row.kind in ("condition", "range", "two If-Range", "two If-None-Match", "two If-Modified-Since", "two If-Match")
    and row.sent.startswith((b"GET", b"HEAD"))
    and row.sent.split(b" ")[1] not in (b"/nothing.txt", b"/dir")
    # a HEAD of several ranges has no parts to compare
    and not (row.sent.startswith(b"HEAD") and b"," in row.sent)
]


@needs_nginx
def test_every_condition_and_range_is_answered_as_nginx_does(rival: Server) -> None:
    assert len(ABOUT_FILES) > 130
    different = [(row.name, ours(rival, row), theirs(rival, row)) for row in ABOUT_FILES]
    assert [found for found in different if found[1] != found[2]] == []


def _random_ranges(count: int) -> Iterator[str]:
    dice = random.Random(11)
    for _ in range(count):
        if dice.random() < 0.3:
            yield "".join(dice.choices("0123456789-, ", k=dice.randrange(1, 12)))
        else:
            pairs = [(str(dice.randrange(14)), str(dice.randrange(14))) for _ in range(dice.randrange(1, 6))]
            items = [dice.choice((f"{a}-{b}", f"{a}-", f"-{a}", f" {a} - {b} ", f"{a}-{b}")) for a, b in pairs]
            yield ",".join(items)


@needs_nginx
@pytest.mark.parametrize("path", ["/ten.txt", "/empty.txt"])
def test_any_range_is_answered_as_nginx_does(rival: Server, path: str) -> None:
    size = len(tree()[path[1:]])
    file = Representation('"x"', size, 0, "text/plain")
    different = []
    for value in _random_ranges(400):
        row = Row(
            "random", f"GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes={value}\r\nConnection: close\r\n\r\n".encode()
        )
        verdict = decide("GET", CIMultiDict({"Range": f"bytes={value}"}), file)
        mine = int(verdict.status), [content_range(*cut, size) for cut in verdict.ranges]
        if mine != theirs(rival, row):
            different.append((value, mine, theirs(rival, row)))
    assert different == []


# --- the table itself


@needs_nginx
def test_nginx_answers_every_row_as_itself(rival: Server) -> None:
    """Each row has the same answer twice, with as many answers as the table says at most."""
    assert len(ROWS) >= 80
    assert compare(rival.port, rival.host, rival.port, "other.localhost", ROWS) == []


@needs_nginx
def test_a_difference_is_found(rival: Server, tmp_path: Path) -> None:
    write_tree(tmp_path)
    (tmp_path / "a.txt").write_bytes(tree()["a.txt"][:-1] + b"!")
    (tmp_path / "empty.txt").unlink()
    (tmp_path / "dir" / "index.html").unlink()
    with nginx.running(tmp_path) as other:
        found = compare(rival.port, rival.host, other.port, "site.localhost", nginx_table.ROWS)
    for path in (b"GET /a.txt ", b"GET /empty.txt ", b"HEAD /empty.txt ", b"GET /dir/ ", b"GET /dir/../a.txt "):
        assert [line for line in found if repr(path)[2:-1] in line], path
    assert not [line for line in found if "GET /big.bin " in line]


@needs_nginx
def test_where_we_are_stricter_nginx_is_not(tmp_path: Path) -> None:
    write_tree(tmp_path)
    with nginx.running(tmp_path) as kind:
        server = Server(kind.port, f"site.localhost:{kind.port}")
        for row in STRICTER:
            answers = ask(kind.port, server.filled(row.sent, "/a.txt"))
            assert [answer.status for answer in answers] not in [[status] for status in row.expected], row
