"""Requests that a static server of ours answers as nginx does, the files they ask for, and how two servers compare.

Equal are: how many answers there are, every status, for 200 and 206 the decoded body and the Content-Range, for 301 the
path it leads to. Free are ETag, Server, Date, Cache-Control, Vary, and the bodies of error pages.

`{host}` in a request stands for the server's name; `{etag}`, `{modified}`, `{older}`, `{newer}` for what the server
itself says of the file in `about`.
"""

from __future__ import annotations

import contextlib
import gzip
import random
import re
import socket
import zlib
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import brotli  # type: ignore[import-untyped]
import zstandard

PATIENCE = 20.0
DAY = 86_400
_NEVER = "Thu, 01 Jan 1970 00:00:00 GMT"


@dataclass(frozen=True)
class Row:
    """Bytes to send on a connection of their own, and how many requests they are."""

    kind: str
    sent: bytes
    requests: int = 1
    about: str = "/a.txt"

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.sent[:90]!r}"


@dataclass(frozen=True)
class Stricter:
    """A request for which nginx is too kind: our statuses (any of them), and why."""

    sent: bytes
    expected: tuple[int, ...]
    reason: str


# --- the files

_WORDS = "the quick brown fox jumps over the lazy dog\n"


def tree() -> dict[str, bytes]:
    """The files both sides serve, by path; the same each time."""
    return {
        "index.html": b"<!doctype html>\n<title>Home</title>\n" + b"<p>welcome to the home page</p>\n" * 40,
        "a.txt": "".join(f"{number:04d} {_WORDS}" for number in range(100)).encode(),
        "ten.txt": b"0123456789",
        "empty.txt": b"",
        "big.bin": random.Random(7).randbytes(700_000),
        "dir/index.html": b"<!doctype html>\n<title>Folder</title>\n",
        "dir/b.txt": b"b in dir\n",
        "dir/deep/c.txt": b"c in deep\n",
        "only/file.txt": b"a folder without an index\n",
        "ünïcode.txt": "grüße\n".encode(),
        "日本.html": "<p>日本</p>\n".encode(),
        "with space.txt": b"a name with a space\n",
        "plus+sign.txt": b"a plus is a plus\n",
        "semi;colon.txt": b"a semicolon\n",
        "per%cent.txt": b"a per cent sign\n",
        "tilde~.txt": b"a tilde\n",
        "app.js": b"export const answer = 42;\n" * 50,
        "style.css": b"body { color: black }\n" * 50,
        "picture.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="4"/></svg>\n' * 20,
        "data.json": b'{"answer": 42}\n',
        "assets/app-4f3a9c1b.js": b"console.log(1)\n" * 30,
    }


def write_tree(folder: Path) -> None:
    for path, content in tree().items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


# --- the requests

_HOST = b"Host: {host}\r\n"
_END = b"Connection: close\r\n\r\n"


def _get(kind: str, target: str | bytes, *lines: str, method: str = "GET", about: str = "/a.txt") -> Row:
    """A request that is otherwise as it should be."""
    path = target if isinstance(target, bytes) else target.encode()
    more = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
    return Row(kind, method.encode() + b" " + path + b" HTTP/1.1\r\n" + _HOST + more + _END, about=about)


def _raw(kind: str, sent: bytes, requests: int = 1) -> Row:
    return Row(kind, sent, requests)


_PATHS = (
    # files and folders
    "/ /index.html /a.txt /ten.txt /empty.txt /big.bin /dir/ /dir/index.html /dir/b.txt /dir/deep/c.txt "
    "/app.js /style.css "
    "/picture.svg /data.json /assets/app-4f3a9c1b.js /dir /dir?a=b /dir?a=b&c=%20d /a.txt? /a.txt?x=1 "
    "/a.txt?/../x /?x "
    # what is not there
    "/nothing.txt /a.txt/ /a.txt/more.txt /nothing/ /nothing/deeper.txt /A.TXT /dir/nothing.txt /index.htm "
    # names that need care
    "/%C3%BCn%C3%AFcode.txt /%c3%bcn%c3%afcode.txt /%E6%97%A5%E6%9C%AC.html /with%20space.txt "
    "/with+space.txt "
    "/plus+sign.txt /plus%2Bsign.txt /semi;colon.txt /semi%3Bcolon.txt /per%25cent.txt /per%2525cent.txt "
    "/tilde~.txt "
    "/tilde%7E.txt /%61.txt /a%2Etxt /a.txt%20 /a.txt. /a.txt%3Fx /a.txt%23x /a.txt#x /dir%2Fb.txt "
    "/dir%2fb.txt /%64ir /dir%2F "
    # dots and slashes
    "/./a.txt /dir/./b.txt /dir/. /dir/.. /dir/../a.txt /dir/deep/../b.txt /dir/deep/../../a.txt "
    "/dir/nothing/../b.txt "
    "/a.txt/../a.txt /../a.txt /.. /dir/../../a.txt /%2e%2e/a.txt /%2E%2E/a.txt /.%2e/a.txt "
    "/dir/%2e%2e/a.txt /dir%2f..%2fa.txt "
    "/dir/..%2fa.txt /..%2fa.txt /%2e/a.txt /.../a.txt /..a.txt /dir/..; /..;/a.txt /dir/..;/a.txt "
    "/%252e%252e/a.txt "
    "//a.txt //dir//b.txt /dir//b.txt //dir ///dir//// //dir/../a.txt /dir//../a.txt //evil.test "
    "//evil.test/.. //evil.test/%2e%2e "
    "/dir\\b.txt /..\\a.txt /dir%5Cb.txt /dir/%5C../b.txt "
    # bytes that are no text
    "/a.txt%00 /a.txt%00.html /%00 /%zz /a.txt% /a.txt%2 /%ff /%c3%28 /%c0%ae%c0%ae/a.txt /a%0a.txt "
    "/a%0d%0aX:1 /%01 /%7f "
)


def _plain() -> list[Row]:
    rows = [_get("plain", path) for path in _PATHS.split()]
    rows += [_get("plain", "/" + "a" * 3000)]
    rows += [_get("plain", "/dir/index.html/"), _get("plain", "/dir/index.html/..")]
    rows += [
        _get("plain", "/" + "a" * 300),
        _get("plain", "/" + "a/" * 500),
        _get("plain", "/" + "dir/../" * 200 + "a.txt"),
    ]
    for path in ("/a.txt", "/", "/dir", "/nothing.txt", "/big.bin", "/empty.txt", "/dir/"):
        rows.append(_get("head", path, method="HEAD"))
    return rows


def _methods() -> list[Row]:
    rows = [
        _get("method", "/a.txt", method=method)
        for method in ["DELETE", "OPTIONS", "TRACE", "PROPFIND", "PATCH", "MOVE", "LOCK"]
    ]
    rows += [
        _get("method", "/a.txt", method=method) for method in ("get", "Get", "GET1", "FOO", "FOO-BAR", "G_T", "M@D")
    ]
    rows += [_get("method", path, method="POST") for path in ("/a.txt", "/", "/nothing.txt", "/dir", "/dir/")]
    rows += [_get("method", path, method="DELETE") for path in ("/nothing.txt", "/dir/")]
    for method in ("POST", "PUT", "PATCH", "DELETE", "FOO"):
        rows.append(
            _raw("method", f"{method} /a.txt HTTP/1.1\r\n".encode() + _HOST + b"Content-Length: 3\r\n" + _END + b"abc")
        )
    rows.append(
        _raw(
            "method",
            b"POST /a.txt HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n" + _END + b"3\r\nabc\r\n0\r\n\r\n",
        )
    )
    rows.append(_raw("method", b"GET /a.txt HTTP/1.1\r\n" + _HOST + b"Content-Length: 3\r\n" + _END + b"abc"))
    rows.append(
        _raw(
            "method",
            b"GET /a.txt HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n" + _END + b"3\r\nabc\r\n0\r\n\r\n",
        )
    )
    rows.append(_raw("method", b"CONNECT {host} HTTP/1.1\r\n" + _HOST + _END))
    rows.append(_raw("method", b"OPTIONS * HTTP/1.1\r\n" + _HOST + _END))
    return rows


CONDITIONS = [
    ("If-None-Match: {etag}",),
    ("If-None-Match: W/{etag}",),
    ("If-None-Match: *",),
    ('If-None-Match: "other"',),
    ('If-None-Match: "other", {etag}',),
    ('If-None-Match: "other",{etag},"more"',),
    ('If-None-Match: "other" , W/{etag}',),
    ("If-None-Match: , ,{etag}",),
    ("If-None-Match: junk {etag}",),
    ("If-None-Match: {etag} junk",),
    ("If-None-Match: {etag}x",),
    ("If-None-Match: w/{etag}",),
    ("If-None-Match:",),
    ('If-None-Match: *, "other"',),
    ("If-Modified-Since: {modified}",),
    ("If-Modified-Since: {older}",),
    ("If-Modified-Since: {newer}",),
    ("If-Modified-Since: junk",),
    ("If-Modified-Since: 0",),
    ("If-Modified-Since: {850}",),
    ("If-Modified-Since: {asctime}",),
    ("If-Modified-Since: {modified}; length=4900",),
    ("If-None-Match: {etag}", "If-Modified-Since: {modified}"),
    ("If-None-Match: {etag}", "If-Modified-Since: {older}"),
    ("If-None-Match: {etag}", "If-Modified-Since: junk"),
    ('If-None-Match: "other"', "If-Modified-Since: {modified}"),
    ("If-Unmodified-Since: {modified}",),
    ("If-Unmodified-Since: {older}",),
    ("If-Unmodified-Since: {newer}",),
    ("If-Unmodified-Since: junk",),
    ("If-Match: {etag}",),
    ("If-Match: *",),
    ('If-Match: "other"',),
    ('If-Match: "other", {etag}',),
    ("If-Match: W/{etag}",),
    ("If-Match:",),
    ("If-Match: {etag}", "If-None-Match: {etag}"),
    ('If-Match: "other"', "If-None-Match: {etag}"),
    ("If-Unmodified-Since: {older}", "If-None-Match: {etag}"),
    ("If-Unmodified-Since: {modified}", "If-Modified-Since: {modified}"),
    ("If-None-Match: {etag}", "Range: bytes=0-4"),
    ('If-Match: "other"', "Range: bytes=0-4"),
    ("If-Match: {etag}", "Range: bytes=0-4"),
    ('If-None-Match: "other"', "Range: bytes=0-4"),
    ("If-Unmodified-Since: {older}", "Range: bytes=900000-"),
    ("If-Range: {etag}", "Range: bytes=0-4"),
    ('If-Range: "other"', "Range: bytes=0-4"),
    ("If-Range: W/{etag}", "Range: bytes=0-4"),
    ("If-Range: {modified}", "Range: bytes=0-4"),
    ("If-Range: {older}", "Range: bytes=0-4"),
    ("If-Range: {newer}", "Range: bytes=0-4"),
    ("If-Range: junk", "Range: bytes=0-4"),
    ("If-Range: *", "Range: bytes=0-4"),
    ("If-Range:", "Range: bytes=0-4"),
    ('If-Range: "', "Range: bytes=0-4"),
    ('If-Range: "other"', "Range: bytes=900000-"),
    ('If-Range: {etag}, "other"', "Range: bytes=0-4"),
]
# of a file of ten bytes
_RANGES = (
    "bytes=0-4|bytes=0-0|bytes=9-9|bytes=5-|bytes=-3|bytes=-1|bytes=0-|bytes=0-9|bytes=0-10|bytes=0-999|"
    "bytes=-10|bytes=-999|bytes=10-|bytes=10-12|bytes=9-8|bytes=5-2|bytes=-0|bytes=0|bytes=|bytes=-|bytes=,|"
    "bytes=a-b|bytes=0-b|bytes=1-2-3|bytes=--1|bytes= 0-4|bytes=0 - 4|bytes=0- 4|bytes=  5  -  |bytes=- 3|"
    "bytes= -3|bytes =0-4|bytes:0-4|BYTES=0-4|Bytes=0-4|octets=0-4|0-4|bytes=0x1-4|bytes=+1-4|bytes=1.0-4|"
    "bytes=00-04|bytes=0-4;x|bytes=\t0-4|bytes=0-18446744073709551616|bytes=0-9223372036854775807|"
    "bytes=0-9223372036854775808|bytes=-9223372036854775807|bytes=-99999999999999999999999|"
    "bytes=99999999999999999999999-|bytes=9223372036854775807-|bytes=00000000000000000000000000000-4|"
    "bytes=0-4,|bytes=,0-4|bytes=0-1,,3-4|bytes=0-1,3-4|bytes=0-1, 3-4|bytes=0-1 ,3-4 , 6-|bytes=3-4,0-1|"
    "bytes=0-5,2-7|bytes=0-3,2-5|bytes=0-9,0-9|bytes=0-,0-|bytes=0-4,5-9|bytes=0-1,20-30|bytes=20-30,0-1|"
    "bytes=20-30,40-50|bytes=0-0,-1|bytes=-1,0-0|bytes=-6,-6|bytes=0-1,junk|bytes=20-,junk|bytes=0-1,5-2|"
    "bytes=5-2,7-1|bytes=-0,1-2|bytes=1-1,1-1,1-1,1-1,1-1|bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9|"
    "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,0-0"
)
RANGES = _RANGES.split("|")
EMPTY_RANGES = [
    "bytes=0-",
    "bytes=0-0",
    "bytes=-1",
    "bytes=-0",
    "bytes=1-",
    "bytes=junk",
    "bytes=1-2,0-0",
    "bytes=0-0,junk",
]
BIG_RANGES = ["bytes=0-0", "bytes=262143-262144", "bytes=-1000", "bytes=699999-", "bytes=700000-", "bytes=0-699999"]
BIG_RANGES += ["bytes=100-300000", "bytes=0-99,262100-262200,-50"]


def _conditional() -> list[Row]:
    rows = [_get("condition", "/a.txt", *lines) for lines in CONDITIONS]
    rows += [_get("condition", "/a.txt", *lines, method="HEAD") for lines in CONDITIONS[:1] + CONDITIONS[27:28]]
    rows.append(_get("condition", "/dir", "If-None-Match: *"))
    rows.append(_get("condition", "/nothing.txt", "If-None-Match: *"))
    rows.append(_get("condition", "/nothing.txt", 'If-Match: "other"'))
    rows.append(_get("condition", "/a.txt", 'If-Match: "other"', method="POST"))
    rows.append(_get("condition", "/dir/", "If-None-Match: {etag}", about="/dir/"))
    rows.append(_get("condition", "/empty.txt", "If-None-Match: {etag}", about="/empty.txt"))
    return rows


def _ranges() -> list[Row]:
    rows = [_get("range", "/ten.txt", f"Range: {value}", about="/ten.txt") for value in RANGES]
    rows += [_get("range", "/empty.txt", f"Range: {value}") for value in EMPTY_RANGES]
    rows += [_get("range", "/big.bin", f"Range: {value}") for value in BIG_RANGES]
    for value in ("bytes=0-4", "bytes=900000-", "bytes=0-1,3-4"):
        rows.append(_get("range", "/a.txt", f"Range: {value}", method="HEAD"))
        rows.append(_get("range", "/nothing.txt", f"Range: {value}"))
    rows.append(_get("range", "/dir/", "Range: bytes=0-4"))
    rows.append(_get("range", "/dir", "Range: bytes=0-4"))
    rows.append(_get("range", "/a.txt", "Range: bytes=0-4", "Accept-Encoding: gzip, br"))
    rows.append(_get("range", "/a.txt", "Range: bytes=0-4", method="POST"))
    rows.append(_get("range", "/a.txt", "Range: bytes=" + "9" * 5000 + "-"))
    rows.append(_get("range", "/ten.txt", "Range: bytes=" + ",".join(f"{n % 10}-{n % 10}" for n in range(1000))))
    return rows


ENCODINGS = [
    "gzip",
    "br",
    "zstd",
    "gzip, deflate, br, zstd",
    "deflate",
    "identity",
    "*",
    "*;q=0",
    "identity;q=0",
    "gzip;q=0, br;q=0.5",
]
ENCODINGS += ["GZIP", "x-gzip", "gzip;q=", "gzip;q=2", ";;;,,,", "gzip" * 500, "br;q=0, *;q=1", "", "br\t;\tq=1"]


def _encoded() -> list[Row]:
    rows = [_get("encoding", "/app.js", f"Accept-Encoding: {value}") for value in ENCODINGS]
    for path in ("/", "/a.txt", "/style.css", "/picture.svg", "/ten.txt", "/empty.txt", "/big.bin", "/nothing.txt"):
        rows.append(_get("encoding", path, "Accept-Encoding: gzip, deflate, br, zstd"))
    rows.append(_get("encoding", "/app.js", "Accept-Encoding: gzip", "Accept-Encoding: br"))
    rows.append(_get("encoding", "/app.js", "Accept-Encoding: br", "If-None-Match: {etag}", about="/app.js"))
    rows.append(_get("encoding", "/app.js", "Accept-Encoding: br", method="HEAD"))
    return rows


_LINE = b"GET /ten.txt HTTP/1.1\r\n"
_OLD = b"GET /ten.txt HTTP/1.0\r\n"
_CHUNKED = _LINE + _HOST + b"Transfer-Encoding: chunked\r\n" + _END


def _framing() -> list[Row]:
    """Versions, Host, connections, and requests that are only just or not quite HTTP."""
    both = _LINE + _HOST + b"\r\n" + _LINE + _HOST + _END
    rows = [
        _raw("connection", both, 2),
        _raw("connection", _OLD + _HOST + b"Connection: keep-alive\r\n\r\n" + _OLD + _HOST + b"\r\n", 2),
        _raw("connection", _OLD + _HOST + b"Connection: Keep-Alive\r\n\r\n" + _OLD + _HOST + b"\r\n", 2),
        _raw("connection", b"\r\n" + _LINE + _HOST + _END),
        _raw("connection", b"\r\n\r\n\r\n" + _LINE + _HOST + _END),
        _raw("connection", _LINE + _HOST + b"Content-Length: 3\r\n\r\nabc" + _LINE + _HOST + _END, 2),
        _raw("connection", _LINE + _HOST + b"Upgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n"),
        _raw("connection", _LINE + _HOST + b"Upgrade: websocket\r\nConnection: close\r\n\r\n"),
        _raw("expect", _LINE + _HOST + b"Expect: 100-continue\r\n" + _END),
        _raw("version", b"GET /ten.txt  HTTP/1.1\r\n" + _HOST + _END),
        _raw("version", b"GET  /ten.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("version", _OLD + _HOST + b"\r\n"),
        _raw("version", _OLD + _HOST + b"Range: bytes=0-4\r\n\r\n"),
        _raw("version", b"HEAD /ten.txt HTTP/1.0\r\n" + _HOST + b"\r\n"),
        _raw("version", b"GET /dir HTTP/1.0\r\n" + _HOST + b"\r\n"),
        _raw("version", b"GET /ten.txt HTTP/0.9\r\n" + _HOST + _END),
        _raw("version", b"GET /ten.txt HTTP/01.1\r\n" + _HOST + _END),
        _raw("version", b"GET /ten.txt HTTP/2.0\r\n" + _HOST + _END),
        _raw("version", b"GET /ten.txt HTTP/1\r\n" + _HOST + _END),
        _raw("version", b"GET /ten.txt HTTP/1.\r\n" + _HOST + _END),
        _raw("version", b"GET /ten.txt HTTP/.1\r\n" + _HOST + _END),
        _raw("version", b"GET /ten.txt HTTP/a.b\r\n" + _HOST + _END),
        _raw("version", b"GET /ten.txt http/1.1\r\n" + _HOST + _END),
        _raw("version", b"GET /ten.txt XTTP/1.1\r\n" + _HOST + _END),
        _raw("version", b"GET /ten.txt HTTP/1.1x\r\n" + _HOST + _END),
        _raw("version", b"GET /ten.txt HTTPS/1.1\r\n" + _HOST + _END),
        _raw("host", _LINE + _END),
        _raw("host", _LINE + _HOST + _HOST + _END),
        _raw("host", _LINE + _HOST + b"Host: other.test\r\n" + _END),
        _raw("host", _LINE + b"Host:\r\n" + _END),
        _raw("host", _LINE + b"Host: a/b\r\n" + _END),
        _raw("host", _LINE + b"Host: a..b\r\n" + _END),
        _raw("host", _LINE + b"Host: \x01\r\n" + _END),
        _raw("host", b"GET http://{host}/ten.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("host", b"GET http://{host}/dir/../ten.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("host", b"GET http://{host} HTTP/1.1\r\n" + _HOST + _END),
        _raw("host", b"GET http://{host}?x HTTP/1.1\r\n" + _HOST + _END),
        _raw("host", b"GET HTTP://{host}/ten.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("host", b"GET http://{host}/ten.txt HTTP/1.1\r\n" + _END),
        _raw("host", b"GET http:// HTTP/1.1\r\n" + _HOST + _END),
        _raw("host", b"GET http:///ten.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("host", b"GET ftp//{host}/ten.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET ten.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET * HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET ?x HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET {host} HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET  HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET /with space.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b" GET /ten.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET\t/ten.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET /ten\x00.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET /ten\x01.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET /ten\t.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET /ten\x7f.txt HTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET /ten.txt\rHTTP/1.1\r\n" + _HOST + _END),
        _raw("target", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + _HOST + _END),
        _raw("header", _LINE + _HOST + b"X: a\x00b\r\n" + _END),
        _raw("header", _LINE + _HOST + b"X : a\r\n" + _END),
        _raw("header", _LINE + _HOST + b"Content-Length : 3\r\n" + _END),
        _raw("header", _LINE + _HOST + b"X: a\r\nX: b\r\n" + _END),
        _raw("header", _LINE + _HOST + b"X:\r\n" + _END),
        _raw("header", _LINE + _HOST + b"X:a  \r\n" + _END),
        _raw("header", _LINE + _HOST + b"X: \xff\xfe\r\n" + _END),
        _raw("header", _LINE + _HOST + b"X-\x01: a\r\n" + _END),
        _raw("header", _LINE + _HOST + b"X y: a\r\n" + _END),
        _raw("header", b"GET /ten.txt HTTP/1.1\r\nhOsT: {host}\r\n" + _END),
        _raw("header", _LINE + _HOST + b"Referer: " + b"a" * 3000 + b"\r\n" + _END),
        _raw("length", _LINE + _HOST + b"Content-Length: x\r\n" + _END),
        _raw("length", _LINE + _HOST + b"Content-Length: -1\r\n" + _END),
        _raw("length", _LINE + _HOST + b"Content-Length: +5\r\n" + _END + b"abcde"),
        _raw("length", _LINE + _HOST + b"Content-Length: 0x5\r\n" + _END + b"abcde"),
        _raw("length", _LINE + _HOST + b"Content-Length: 5,5\r\n" + _END + b"abcde"),
        _raw("length", _LINE + _HOST + b"Content-Length: 5 5\r\n" + _END + b"abcde"),
        _raw("length", _LINE + _HOST + b"Content-Length: 1.0\r\n" + _END + b"a"),
        _raw("length", _LINE + _HOST + b"Content-Length:\r\n" + _END),
        _raw("length", _LINE + _HOST + b"Content-Length: 99999999999999999999999\r\n" + _END),
        _raw("length", _LINE + _HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n" + _END + b"abcd"),
        _raw("length", _LINE + _HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n" + _END + b"0\r\n\r\n"),
        _raw("length", _LINE + _HOST + b"Content-Length: 0\r\n" + _END),
        _raw(
            "chunked",
            _LINE + _HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" + _END + b"0\r\n\r\n",
        ),
        _raw("chunked", _OLD + _HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        _raw("header", _LINE + _HOST + b"no colon\r\n" + _END),
        _raw("header", _LINE + _HOST + b": no name\r\n" + _END),
        _raw("header", _LINE + _HOST + b"X: a\r\n folded\r\n" + _END),
        _raw("header", _LINE + _HOST + b"X: a\r\n\tfolded\r\n" + _END),
        _raw("header", _LINE + _HOST + b"X: a\rb\r\n" + _END),
        _raw("header", _LINE + b"Host: {host}, {host}\r\n" + _END),
        _raw("chunked", _CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n"),
        _raw("chunked", _CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n"),
        _raw("chunked", _CHUNKED + b"fffffffffffffffff\r\nabc"),
        _raw("chunked", _CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
        _raw("junk", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        _raw("junk", b"\x00\x00\x00\x00\r\n\r\n"),
        _raw("junk", b"hello\r\n\r\n"),
        _raw("junk", b"GET\r\n\r\n"),
    ]
    for name in ("Range", "If-Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since"):
        value = "bytes=0-1" if name == "Range" else '"x"' if "Since" not in name else "{modified}"
        rows.append(_get(f"two {name}", "/ten.txt", f"{name}: {value}", f"{name}: {value}"))
    for name in ("Referer", "Connection", "Authorization", "Upgrade", "Cookie"):
        rows.append(_get(f"two {name}", "/ten.txt", f"{name}: close", f"{name}: close"))
    return rows


ROWS = [*_plain(), *_methods(), *_conditional(), *_ranges(), *_encoded(), *_framing()]


def _strict(sent: bytes, expected: int | tuple[int, ...], reason: str) -> Stricter:
    return Stricter(sent, (expected,) if isinstance(expected, int) else expected, reason)


_LAST = "nothing may follow a request that closes the connection"
STRICTER = [
    _strict(_LINE + _HOST + _END + _LINE + _HOST + _END, 400, _LAST),
    _strict(_LINE + _HOST + b"Connection: Close\r\n\r\n" + _LINE + _HOST + _END, 400, _LAST),
    _strict(_OLD + _HOST + b"\r\n" + _OLD + _HOST + b"\r\n", 400, _LAST),
    _strict(b"GET /ten.txt HTTP/3.0\r\n" + _HOST + _END, 400, "no version that has such a request line"),
    _strict(_LINE + _HOST + b"nocolon\r\n" + _END, 400, "a header line has a colon"),
    _strict(_LINE + _HOST + b"X: a\x01b\r\n" + _END, 400, "no control characters in a header"),
    _strict(_LINE + _HOST + b"X: a\x7fb\r\n" + _END, 400, "no control characters in a header"),
    _strict(_LINE + _HOST + b"User-Agent: a\r\nUser-Agent: b\r\n" + _END, 400, "what has one value is said once"),
    _strict(
        _LINE + _HOST + b"Content-Type: a/b\r\nContent-Type: a/c\r\n" + _END, 400, "what has one value is said once"
    ),
    _strict("GET /ünïcode.txt HTTP/1.1\r\n".encode() + _HOST + _END, 400, "a target is ASCII"),
    _strict(b"GET /\xff.txt HTTP/1.1\r\n" + _HOST + _END, 400, "a target is ASCII"),
    _strict(b"GET /ten.txt HTTP/1.2\r\n" + _HOST + _END, 400, "a version that does not exist"),
    _strict(b"GET /ten.txt HTTP/1.10\r\n" + _HOST + _END, 400, "a version that does not exist"),
    _strict(_LINE + _HOST + b"X(y): a\r\n" + _END, 400, "a header's name is a token"),
    _strict(b"GET /ten.txt HTTP/1.1\nHost: {host}\nConnection: close\n\n", 400, "lines end with CR LF"),
    _strict(_LINE + b"Host: {host}\n" + _END, 400, "lines end with CR LF"),
    _strict(b"GET /ten.txt HTTP/1.1 \r\n" + _HOST + _END, 400, "nothing behind the version"),
    _strict(b"GET /ten.txt\r\n\r\n", 400, "HTTP/0.9 has no headers and cannot say what host it means"),
    _strict(b"GET /ten.txt HTTP/1.0\r\n\r\n", (400, 404), "without a Host there is no site"),
    _strict(_LINE + b"Host: [::1\r\n" + _END, 400, "no name and no address"),
    _strict(_LINE + b"Host: nobody.invalid\r\n" + _END, 404, "no site has this name"),
    _strict(_LINE + b"Host: {host}@evil.test\r\n" + _END, 400, "a Host has no user"),
    _strict(b"GET http://other.test/ten.txt HTTP/1.1\r\n" + _HOST + _END, 421, "the target names another host"),
    _strict(_LINE + _HOST + b"X: " + b"a" * 40_000 + b"\r\n" + _END, 431, "headers have a limit of their own"),
    _strict(_LINE + _HOST + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + _END, 431, "no more than 100 headers"),
    _strict(_LINE + _HOST + b"Transfer-Encoding: xchunked\r\n" + _END + b"0\r\n\r\n", 400, "a coding nobody knows"),
    _strict(
        _LINE + _HOST + b"Transfer-Encoding: chunked, identity\r\n" + _END + b"0\r\n\r\n", 400, "chunked comes last"
    ),
    _strict(
        b"GET /big.bin HTTP/1.1\r\n"
        + _HOST
        + b"Range: bytes="
        + b",".join(b"%d-%d" % (n, n) for n in range(100))
        + b"\r\n"
        + _END,
        (200, 416),
        "more ranges than a reader needs",
    ),
]


# --- asking


@dataclass
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def decoded(self) -> bytes:
        coding = self.headers.get("content-encoding", "identity")
        if coding == "br":
            return bytes(brotli.decompress(self.body))
        if coding == "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(self.body)
        return gzip.decompress(self.body) if coding == "gzip" else self.body

    def parts(self) -> list[tuple[str, bytes]]:
        """The Content-Range and the bytes of each part."""
        kind = self.headers.get("content-type", "")
        found = re.fullmatch(r"multipart/byteranges; ?boundary=\"?([^\"]+)\"?", kind)
        if not found:
            return [(self.headers.get("content-range", ""), self.decoded())]
        pieces = (b"\r\n" + self.body.removeprefix(b"\r\n")).split(b"\r\n--" + found[1].encode())
        assert pieces[-1].strip() == b"--", "a multipart answer has an end"
        parts = []
        for piece in pieces[1:-1]:
            head, _, content = piece.partition(b"\r\n\r\n")
            lines = dict(line.split(": ", 1) for line in head.decode("latin-1").lower().split("\r\n") if line)
            parts.append((lines["content-range"], content))
        return parts


class _Stream:
    """What comes back on a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._held = connection, b""

    def _more(self) -> bool:
        try:
            got = self._connection.recv(1 << 16)
        except ConnectionError:
            got = b""
        self._held += got
        return bool(got)

    def until(self, mark: bytes) -> bytes | None:
        while mark not in self._held:
            if not self._more():
                return None
        found, _, self._held = self._held.partition(mark)
        return found

    def exactly(self, count: int) -> bytes:
        while len(self._held) < count and self._more():
            pass
        found, self._held = self._held[:count], self._held[count:]
        return found

    def rest(self) -> bytes:
        while self._more():
            pass
        found, self._held = self._held, b""
        return found


def _read(stream: _Stream, head: bool) -> Answer | None:
    """The next answer; None when the server has closed."""
    found = stream.until(b"\r\n\r\n")
    if found is None:
        return None
    first, *lines = found.decode("latin-1").split("\r\n")
    version, status = first.split(" ", 2)[:2]
    assert version in ("HTTP/1.1", "HTTP/1.0"), first
    answer = Answer(int(status), {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)})
    if answer.status < 200:
        return _read(stream, head)
    if head or answer.status in (204, 304):
        return answer
    if answer.headers.get("transfer-encoding", "").lower() == "chunked":
        answer.body = _chunks(stream)
    elif "content-length" in answer.headers:
        answer.body = stream.exactly(int(answer.headers["content-length"]))
    else:
        answer.body = stream.rest()
    return answer


def _chunks(stream: _Stream) -> bytes:
    body = b""
    while size := int((stream.until(b"\r\n") or b"0").partition(b";")[0], 16):
        body += stream.exactly(size)
        stream.exactly(2)
    stream.exactly(2)
    return body


def ask(port: int, sent: bytes, requests: int = 1) -> list[Answer]:
    """What a server answers; fewer answers than requests where it has closed the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        # a server that has said what it has to say may close before it has read all
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        stream, answers = _Stream(connection), []
        for _ in range(requests):
            answer = _read(stream, sent.startswith(b"HEAD "))
            if answer is None:
                break
            answers.append(answer)
        return answers


class Server:
    """One side: its port, the name it is asked by, and what it says of its files."""

    def __init__(self, port: int, host: str) -> None:
        self.port, self.host = port, host
        self._known: dict[str, dict[bytes, bytes]] = {}

    def ask(self, row: Row) -> list[Answer]:
        return ask(self.port, self.filled(row.sent, row.about), row.requests)

    def filled(self, sent: bytes, about: str) -> bytes:
        sent = sent.replace(b"{host}", self.host.encode())
        if not re.search(rb"\{[a-z0-9]+\}", sent):
            return sent
        for mark, value in self._facts(about).items():
            sent = sent.replace(mark, value)
        return sent

    def _facts(self, path: str) -> dict[bytes, bytes]:
        if path not in self._known:
            [answer] = ask(
                self.port, f"HEAD {path} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n".encode()
            )
            at = parsedate_to_datetime(answer.headers.get("last-modified", _NEVER))
            seconds = int(at.timestamp())
            facts = {
                "etag": answer.headers.get("etag", '"none"'),
                "modified": formatdate(seconds, usegmt=True),
                "older": formatdate(seconds - DAY, usegmt=True),
                "newer": formatdate(seconds + DAY, usegmt=True),
                "850": f"{at:%A, %d-%b-%y %H:%M:%S} GMT",
                "asctime": f"{at:%a %b} {at.day:2} {at:%H:%M:%S %Y}",
            }
            self._known[path] = {b"{%s}" % name.encode(): value.encode() for name, value in facts.items()}
        return self._known[path]


# --- comparing


def what_counts(answer: Answer, head: bool, coded: bool) -> dict[str, object]:
    """Of an answer what must be equal."""
    counts: dict[str, object] = {"status": answer.status}
    if head and answer.status in (200, 206):
        counts["content-range"] = answer.headers.get("content-range")
        if answer.status == 200 and not coded:
            counts["length"] = answer.headers.get("content-length")
    elif answer.status in (200, 206):
        counts["parts"] = [(where, len(content), zlib.crc32(content)) for where, content in answer.parts()]
    elif answer.status == 301:
        place = urlsplit(answer.headers.get("location", ""))
        counts["location"] = (place.path, place.query)
    elif answer.status == 416:
        counts["content-range"] = answer.headers.get("content-range")
    return counts


def seen(server: Server, row: Row) -> list[dict[str, object]]:
    """What counts of a server's answers; what is no HTTP is seen as such."""
    try:
        # of a coded answer the length is another
        coded = b"Accept-Encoding" in row.sent
        return [what_counts(answer, row.sent.startswith(b"HEAD "), coded) for answer in server.ask(row)]
    except Exception as error:
        return [{"broken": repr(error)}]


def compare(port_a: int, host_a: str, port_b: int, host_b: str, rows: list[Row] = ROWS) -> list[str]:
    """Every row for which two servers of the same files differ, in words; an answer that is no HTTP is a difference."""
    one, other, differences = Server(port_a, host_a), Server(port_b, host_b), []
    for row in rows:
        first, second = seen(one, row), seen(other, row)
        if first != second or "broken" in str(first):
            differences.append(f"{row.name}\n  {host_a}: {first}\n  {host_b}: {second}")
    return differences
