"""What is asked of the Hono app, here and under node: method, path, headers, body."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

# made with the secret of the app
TOKEN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ3cmVuIiwicm9sZSI6Imd1ZXN0In0"
    ".CdRwyNIOfqPc0AHmExlmouuTWG5FrWIf2PIwIuMAc4Y"
)
UNSIGNED = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3cmVuIn0."
SIGNED = "trusted.bBhqc2ZeicMar3gRNFR%2FbRwgvm9lnqZAbXSP06F1Sd8%3D"


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def name(self) -> str:
        told = " ".join(f"{name}={value}" for name, value in self.headers.items() if name != "Content-Type")
        sent = "" if self.body is None else f" {self.body[:24]!r}"
        return f"{self.method} {self.path} {told[:40]}{sent}"


def get(path: str, **headers: str) -> Asked:
    return Asked("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})


def post(path: str, body: bytes | str, kind: str | None = "text/plain", method: str = "POST") -> Asked:
    sent = body.encode() if isinstance(body, str) else body
    return Asked(method, path, {"Content-Type": kind} if kind else {}, sent)


def sent_json(path: str, value: Any, method: str = "POST") -> Asked:
    return post(path, json.dumps(value), "application/json", method)


def form(path: str, *parts: tuple[str, str | None, str | None, bytes]) -> Asked:
    """A multipart form of (name, file name, type, content)."""
    edge, lines = "edge-of-a-part", []
    for name, file, kind, content in parts:
        head = f'--{edge}\r\nContent-Disposition: form-data; name="{name}"'
        head += f'; filename="{file}"' if file is not None else ""
        head += f"\r\nContent-Type: {kind}" if kind else ""
        lines.append(f"{head}\r\n\r\n".encode() + content + b"\r\n")
    return post(path, b"".join(lines) + f"--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}")


def requests() -> list[Asked]:
    return [*_routes(), *_validated(), *_answers(), *_bodies(), *_cookies(), *_guards(), *_streams(), *_pages()]


def _routes() -> Iterator[Asked]:
    for path in ("", "/", "/nothing", "/birds/7", "/birds/007", "/birds/wren/songs/1", "/birds/wren/songs"):
        yield get(f"/api{path}")
    for bird in ("wren/any/thing", "%C3%BC/x", "a%2Fb/x", "%F0%9F%A5%9A/songs/%20", "+/songs/+"):
        yield get(f"/api/birds/{bird}")
    for method in ("DELETE", "PATCH", "PURGE", "OPTIONS", "PUT"):
        yield Asked(method, "/api/birds/12")
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        yield Asked(method, "/api/answers/method")
    for way in ("plain", "later", "own"):
        yield get(f"/api/fails/{way}")
    yield get("/api/traced/id", X_Trace="trace-me-1")
    yield get("/api/answers/json?pretty")
    for query in ("a=1", "a=1&a=2&b=", "a=%20+%C3%BC", "a", "=x", "a=1&&b=%zz", "a[]=1;b=2", "q=%F0%9F%A5%9A"):
        yield get(f"/api/answers/url?{query}")


def _validated() -> Iterator[Asked]:
    for query in (
        "",
        "?limit=5&sort=name",
        "?limit=0",
        "?limit=fifty",
        "?sort=colour",
        "?limit=2&limit=3",
        "?limit=1e1",
    ):
        yield get(f"/api/birds{query}")
    birds: tuple[Any, ...] = (
        {"name": "Wren"},
        {"name": "Zaunkönig", "eggs": 6, "tags": ["small", "loud"]},
        {"name": "W"},
        {"name": 7, "eggs": -1, "tags": ["red"], "mail": "nobody"},
        {"name": "Wren", "eggs": 1.5, "more": True},
        {"__proto__": {"name": "Wren"}, "constructor": 1},
        [],
        None,
        "Wren",
    )
    for bird in birds:
        yield sent_json("/api/birds", bird)
    yield post("/api/birds", '{"__proto__": {"polluted": 1}, "name": "Wren"}', "application/json")
    yield post("/api/birds", "{not json", "application/json")
    yield post("/api/birds", '{"name": "Wren"}', "text/plain")
    yield post("/api/birds", '{"name": "Wren"}', "application/json; charset=utf-8")
    changes: tuple[Any, ...] = ({"eggs": 2}, {"eggs": "two", "name": ""})
    for bird_id, change in product((5, 1000), changes):
        yield sent_json(f"/api/birds/{bird_id}", change, "PUT")


def _answers() -> Iterator[Asked]:
    for way in ("text", "html", "json", "bytes", "empty", "redirect", "moved", "own", "headers", "large"):
        yield get(f"/api/answers/{way}")
    yield get("/api/answers/headers", User_Agent="Nest/1", X_Own="a,  b")
    for way in ("text", "json", "large", "redirect"):
        yield Asked("HEAD", f"/api/answers/{way}")
    for status in (200, 201, 202, 206, 299, 300, 302, 400, 401, 404, 409, 410, 418, 422, 429, 451, 500, 503, 599):
        yield get(f"/api/answers/status/{status}")
    for way in ("text", "json", "own"):
        yield get(f"/api/answers/tagged/{way}")
    for tag in ('"mine"', 'W/"mine"', '"x", "mine"', '"other"', "*"):
        yield get("/api/answers/tagged/own", If_None_Match=tag)
    for origin in ("https://one.example", "https://two.example", "https://evil.example"):
        yield get("/api/answers/shared/data", Origin=origin)
        asks = {
            "Origin": origin,
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "X-One,x-two",
        }
        yield Asked("OPTIONS", "/api/answers/shared/data", asks)
    yield get("/api/answers/open/data", Origin="https://any.example")
    yield Asked("OPTIONS", "/api/answers/open/data", {"Origin": "null", "Access-Control-Request-Method": "GET"})
    yield get("/api/answers/safe/page")


def _bodies() -> Iterator[Asked]:
    texts = ("", "plain", "Ümläut 🥚", "a\x00b", "x" * 70_000)
    for text in texts:
        yield post("/api/bodies/text", text)
        yield post("/api/bodies/bytes", text, "application/octet-stream")
    yield post("/api/bodies/text", b"\xef\xbb\xbfwith a mark \xff\xfe broken")
    yield post("/api/bodies/blob", b"\x00\x01\x02", "image/png")
    yield post("/api/bodies/blob", b"abc", None)
    for value in (1, "x", [1, {"a": None}], {"ü": "🥚"}, 1e300, False, "\ud83e\udd5a"):
        yield sent_json("/api/bodies/json", value)
    for bad in ("", "{", "NaN", "[1,]", "'a'", "\ufeff1"):
        yield post("/api/bodies/json", bad, "application/json")
    encoded = "application/x-www-form-urlencoded"
    for fields in ("a=1&b=2", "a=1&a=2", "a=+%2B%20&b=%C3%BC", "deep.er=1&deep.est=2", "", "a", "a=%zz"):
        yield post("/api/bodies/form", fields, encoded)
        yield post("/api/bodies/entries", fields, encoded)
    yield form("/api/bodies/form", ("a", None, None, b"1"), ("a", None, None, b"2"), ("b", None, None, "ü".encode()))
    files = (
        ("file", "egg.txt", "text/plain", b"an egg"),
        ("file", "zwei ü.bin", "application/octet-stream", bytes(range(256))),
        ("file", "empty", None, b""),
        ("note", None, None, b"with\r\nlines"),
    )
    for count in range(1, len(files) + 1):
        yield form("/api/bodies/upload", *files[:count])
    yield form("/api/bodies/entries", *files)
    yield form("/api/bodies/form", ("a", None, None, b"--edge-of-a-part"))
    yield post("/api/bodies/upload", "no form at all", "multipart/form-data; boundary=x")
    yield post("/api/bodies/entries", "a=1", "text/plain")
    yield post("/api/bodies/twice", '{"a": 1}', "application/json")
    yield post("/api/bodies/raw", "some text " * 100)
    for size in (20, 21, 1000):
        yield post("/api/bodies/small", "x" * size)
    yield Asked("POST", "/api/bodies/none")


def _cookies() -> Iterator[Asked]:
    jars = ("one=1", "one=1; two=2; one=3", "one=%C3%BC; broken=%zz", ' one = "quoted" ; =x; y', "plain=old")
    for path, jar in product(("all", "one", "delete", "signed"), (*jars, "signed=trusted.false", f"signed={SIGNED}")):
        yield get(f"/api/cookies/{path}", Cookie=jar)
    for path in ("all", "set", "delete", "sign", "signed"):
        yield get(f"/api/cookies/{path}")


def _guards() -> Iterator[Asked]:
    def basic(text: str) -> str:
        return "Basic " + base64.b64encode(text.encode()).decode()

    for right in (
        basic("wren:egg:s"),
        basic("wren:no"),
        basic("wren"),
        "Basic !!",
        "Bearer x",
        "basic " + basic("a:b"),
    ):
        yield get("/api/guarded/basic/room", Authorization=right)
    yield get("/api/guarded/basic/room")
    # the node itself looks at no key of this form on an app's host
    for right in ("Bearer one-token", "Bearer two-token", "Bearer three", "Bearer", "Bearer one-token two"):
        yield get("/api/guarded/bearer/room", Authorization=right)
    yield get("/api/guarded/bearer/room")
    for path in ("here", "early", "early?stop=1", "missing"):
        yield get(f"/api/guarded/steps/{path}")
    yield get("/api/account/token")
    yield get("/api/account/token?role=owner")
    for token in (TOKEN, TOKEN[:-2] + "xx", "a.b.c", "", UNSIGNED):
        yield get(f"/api/account/check?token={token}")
        yield get("/api/account/me", Authorization=f"Bearer {token}")
    for kind, text in product(("SHA-1", "SHA-256", "SHA-384", "SHA-512", "MD5"), ("", "egg")):
        yield get(f"/api/account/digest/{kind}?of={text}")


def _streams() -> Iterator[Asked]:
    for way in ("text", "bytes", "events", "pipe", "pulled"):
        yield get(f"/api/streams/{way}")
    yield Asked("HEAD", "/api/streams/text")
    for size in (0, 1, 100_000):
        yield post("/api/streams/echo", bytes(n % 251 for n in range(size)), "application/octet-stream")


def _pages() -> Iterator[Asked]:
    for path in ("framed/wren", "framed/%3Cscript%3E", "list?item=a&item=%3Cb%3E&item=%22c", "list", "later"):
        yield get(f"/api/pages/{path}")
    yield get("/api/pages/template?title=%22%3E%3Cscript%3E&x=1")
