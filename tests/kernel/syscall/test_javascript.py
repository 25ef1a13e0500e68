"""How a capability looks from JavaScript."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct, UnsetType

from kernel.syscall import Call, Duration, Json, Key, Line, Page, Scan, Write
from kernel.syscall.javascript import declarations_file, descriptor, signatures, typescript
from kernel.syscall.plan import Later, Parcel
from kernel.syscall.registry import Registry

from .support import call, entry


class Config(Struct, rename="camel", frozen=True):
    """A config object."""

    title: Line
    max_size: int = 3
    tags: list[Line] | None = None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (str, "string"),
        (Line, "string"),
        (int, "number"),
        (float, "number"),
        (bool, "boolean"),
        (Duration, "number | string"),
        (Json, "any"),
        (Any, "any"),
        (None, "null"),
        (Line | None, "string | null"),
        (list[Line], "string[]"),
        (list[Duration], "(number | string)[]"),
        (dict[str, int], "Record<string, number>"),
        (dict[str, list[Line]], "Record<string, string[]>"),
        (Literal["a", "b"], '"a" | "b"'),
        (list[Literal["a", "b"]], '("a" | "b")[]'),
        (Annotated[list[Line], Meta(max_length=3)], "string[]"),
        (Page[Line], "string[]"),
        (bytes, "string | ArrayBuffer | ArrayBufferView"),
        (Config, "{ title: string; maxSize?: number; tags?: string[] | null }"),
        (Json | UnsetType, "any | undefined"),
        (Parcel, "{ data: ArrayBuffer; text(): string; base64(): string }"),
        (
            Parcel[Config] | None,
            "{ title: string; maxSize?: number; tags?: string[] | null; "
            "data: ArrayBuffer; text(): string; base64(): string } | null",
        ),
    ],
)
def test_a_type_has_its_name_in_typescript(kind: Any, text: str) -> None:
    assert typescript(kind) == text


def get(call: Call, key: Key) -> Json | UnsetType:
    """The value."""
    return None


def set_(call: Call, key: Key, value: Json, ttl: Duration | None = None, *, max_size: int = 5) -> Write[Config]:
    """Set it."""
    return Write(())


def wanted(call: Call, key: Key, *, size: int, loud: bool = False) -> Scan[Page[Line]]:
    """Want it."""
    return Scan((), lambda rows: Page([], {}))


def many(call: Call, *keys: Key) -> None:
    """Take many."""


def put(call: Call, key: Key, data: bytes, mime: Line = Line("x"), n: int = 1) -> None:
    """Put bytes."""


async def later(call: Call) -> str:
    """Later."""
    return ""


async def watch(call: Call, *, since: Duration | None = None) -> AsyncIterator[Config]:
    """Watch."""
    yield Config(Line("x"))


CONFIG_TS = "{ title: string; maxSize?: number; tags?: string[] | null }"


@pytest.mark.parametrize(
    ("fn", "words", "text"),
    [
        (get, {"js": "kv.get"}, "get(key: string): any | undefined"),
        (
            set_,
            {"js": "kv.set"},
            "set(key: string, value: any, ttl?: number | string | null, options?: { maxSize?: number }): " + CONFIG_TS,
        ),
        (set_, {"js": "kv.set", "quiet": True}, None),
        (wanted, {}, "b(key: string, options: { size: number; loud?: boolean }): string[]"),
        (many, {}, "b(...keys: string[]): void"),
        (put, {}, "b(key: string, data: string | ArrayBuffer | ArrayBufferView, mime?: string, n?: number): void"),
        (later, {}, "b(): Promise<string>"),
        (watch, {}, f"b(options?: {{ since?: number | string | null }}): AsyncIterable<{CONFIG_TS}>"),
    ],
)
def test_a_signature_says_what_is_needed_what_may_be_left_out_and_what_comes_back(
    fn: Callable[..., Any], words: dict[str, Any], text: str | None
) -> None:
    (made,) = signatures(entry(fn, **words).declared)
    assert made == text if text else made.endswith("): void")


@pytest.mark.parametrize(
    ("fn", "shape"),
    [
        (get, {"args": ["key"], "defaults": [None], "required": 1, "options": [], "bytes": -1, "rest": False}),
        (
            set_,
            {
                "args": ["key", "value", "ttl"],
                "defaults": [None, None, None],
                "required": 2,
                "options": ["maxSize"],
                "bytes": -1,
                "rest": False,
            },
        ),
        (many, {"args": [], "defaults": [], "required": 0, "options": [], "bytes": -1, "rest": True}),
        (
            put,
            {
                "args": ["key", "data", "mime", "n"],
                "defaults": [None, "x", 1],
                "required": 2,
                "options": [],
                "bytes": 1,
                "rest": False,
            },
        ),
    ],
)
def test_a_descriptor_says_where_each_argument_goes(fn: Callable[..., Any], shape: dict[str, Any]) -> None:
    made = descriptor(entry(fn, number=7))
    assert made["op"] == 7
    assert {name: made[name] for name in shape} == shape
    assert msgspec.json.decode(msgspec.json.encode(made, enc_hook=str)) == made


def parcel(call: Call) -> Parcel[Config]:
    """Bytes."""
    raise NotImplementedError


def perhaps(call: Call) -> Later[Parcel[Config] | None] | Parcel[Config] | None:
    """Bytes, perhaps."""
    raise NotImplementedError


@pytest.mark.parametrize(("fn", "comes"), [(parcel, True), (perhaps, True), (get, False)])
def test_a_descriptor_says_whether_bytes_come_with_what_is_said_of_them(fn: Callable[..., Any], comes: bool) -> None:
    assert descriptor(entry(fn))["parcel"] == comes


@pytest.mark.parametrize(
    ("fn", "waits", "streams"), [(get, False, False), (set_, False, False), (later, True, False), (watch, True, True)]
)
def test_a_descriptor_says_whether_a_promise_or_a_stream_comes_back(
    fn: Callable[..., Any], waits: bool, streams: bool
) -> None:
    made = descriptor(entry(fn))
    assert (made["async"], made["stream"]) == (waits, streams)


def filled(fn: Callable[..., Any], *holes: Any) -> bytes:
    """What the prelude sends: holes (None here) take the defaults of the descriptor."""
    made = descriptor(entry(fn))
    given = [default if hole is None else hole for hole, default in zip(holes, made["defaults"], strict=True)]
    return msgspec.json.encode(given, enc_hook=str)


def defaulted(
    call: Call, key: Key, n: int = 7, wait: Duration = Duration(250), config: Config = Config(Line("t"))
) -> Any:
    """Have defaults."""
    return key, n, wait, config


def test_the_defaults_of_a_descriptor_fill_holes_with_what_the_function_would_have_taken() -> None:
    def taken(*holes: Any) -> list[Any]:
        arguments = filled(defaulted, *holes) if holes else b'["k"]'
        *plain, config = entry(defaulted).javascript(call(), arguments)
        return [*plain, config.title, config.max_size]

    assert taken("k", None, None, None) == taken() == ["k", 7, 250, "t", 3]
    assert taken("k", None, 5, None) == ["k", 7, 5, "t", 3]


def test_the_declarations_file_holds_every_function_once_at_its_path() -> None:
    from fazt.boot import registry

    known = registry()
    text = declarations_file(known)
    assert text.count("{") == text.count("}")
    paths, spaces = [], []
    for line in text.splitlines():
        if line == "interface FaztStorage {":
            spaces = ["fazt", "storage"]
        elif line == "declare const fazt: FaztGuest & {":
            spaces = ["fazt"]
        elif opened := re.fullmatch(r" +readonly (\w+): {", line):
            spaces.append(opened[1])
        elif line.strip() == "};":
            spaces.pop()
        elif function := re.match(r" +(\w+)\(", line):
            paths.append(".".join([*spaces, function[1]]))
    # what has two signatures has two lines
    paths.remove("fazt.storage.ds.insert")
    assert sorted(paths) == sorted(f"fazt.{d.js}" for d in known.declared if d.js)


def test_the_declarations_file_begins_with_the_types_of_the_guest() -> None:
    text = declarations_file(Registry(), "interface FaztGuest {}\n")
    assert text.index("interface FaztGuest {}") < text.index("declare const fazt: FaztGuest & {")


def test_only_stores_that_are_there_have_a_short_name() -> None:
    def named(*paths: str) -> str:
        registry = Registry()
        for path in paths:
            registry.add(entry(get, js=path).declared)
        return declarations_file(registry)

    # two capabilities cannot share a name, so each registry has one
    for store in ("kv", "s3"):
        theirs = f'Pick<FaztStorage, "{store}">'
        assert f"readonly app: {theirs} & {{ readonly user: {theirs} }};" in named(f"storage.{store}.get")
    assert "readonly app:" not in named("storage.rd.get")


def test_a_summary_cannot_end_the_comment_it_stands_in() -> None:
    registry = Registry()

    def sly(call: Call) -> None:
        """All of */* and then some."""

    registry.add(entry(sly).declared)
    (comment,) = [line for line in declarations_file(registry).splitlines() if "/**" in line]
    assert comment.index("*/") == len(comment) - 2
