"""What a declaration may say, and what is refused at import."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, structs

from kernel.syscall import AppRef, Call, Duration, Json, Key, Line, Page, Scan, Size, Text, Upload, Write, syscall
from kernel.syscall.declare import REQUIRED, Declaration, harden, is_json
from kernel.syscall.words import Integer, Number


def declared(fn: Callable[..., Any], name: str = "a.b", **words: Any) -> Declaration:
    return syscall(name, **words)(fn).syscall  # type: ignore[attr-defined,no-any-return]


def plain(call: Call, id: Key, *, size: int = 5) -> str:
    """Do it.

    More of it.
    """
    return id


def undocumented(call: Call) -> None: ...


def blank(call: Call) -> None:
    """ """


def for_an_app(call: Call, app: Key) -> None:
    """Do it."""


def about_another(call: Call, other: AppRef) -> None:
    """Do it."""


def about_others(call: Call, others: list[AppRef]) -> None:
    """Do it."""


def about_another_perhaps(call: Call, *, other: AppRef | None = None) -> None:
    """Do it."""


def unannotated(call: Call, id) -> None:  # type: ignore[no-untyped-def]
    """Do it."""


def any_names(call: Call, **names: Key) -> None:
    """Do it."""


def test_a_declaration_says_what_the_doors_need() -> None:
    made = declared(plain, http="GET /api/x/{id} -> 202 text/plain", cli="x y <id>", needs="x:y", since="0.2.0")
    assert (made.name, made.doc, made.summary) == ("a.b", "Do it.\n\nMore of it.", "Do it.")
    assert made.route is not None
    assert (made.route.method, made.route.path, made.route.status, made.route.mime) == (
        "GET",
        "/api/x/{id}",
        202,
        "text/plain",
    )
    assert made.route.words == ["id"]
    assert (made.cli_words, made.cli_arguments, made.js) == (["x", "y"], [("id", True)], "a.b")
    assert (made.role, made.needs, made.module, made.wants_app) == ("admin", "x:y", __name__, False)
    assert [(p.name, p.option, p.required, p.default) for p in made.parameters] == [
        ("id", False, True, REQUIRED),
        ("size", True, False, 5),
    ]


@pytest.mark.parametrize(
    ("fn", "words", "why"),
    [
        (undocumented, {}, "needs a docstring"),
        (blank, {}, "needs a docstring"),
        (for_an_app, {}, "may not be a parameter"),
        (plain, {"http": "GET /api/x/{nowhere}"}, "nowhere is not a parameter"),
        (plain, {"cli": "x <nowhere>"}, "nowhere is not a parameter"),
        (plain, {"cli": "x <nowhere?>"}, "nowhere is not a parameter"),
        (plain, {"role": "boss"}, "no role called boss"),
        (plain, {"http": "LOOK /api/x"}, "cannot read http="),
        (plain, {"http": "GET api/x"}, "cannot read http="),
        (plain, {"http": "GET /api/x -> ok"}, "cannot read http="),
        (about_another, {}, "kernel:\\* grant"),
        (about_another, {"needs": "storage:kv"}, "kernel:\\* grant"),
        (about_others, {}, "kernel:\\* grant"),
        (about_another_perhaps, {}, "kernel:\\* grant"),
        (any_names, {}, "names"),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_what_no_door_could_make_sense_of_is_refused_at_import(
    fn: Callable[..., Any], words: dict[str, Any], why: str
) -> None:
    with pytest.raises(TypeError, match=why):
        declared(fn, **words)


def test_a_parameter_without_a_type_is_refused_at_import() -> None:
    with pytest.raises((TypeError, KeyError), match="id"):
        declared(unannotated)


@pytest.mark.parametrize(
    "words", [{"js": False}, {"needs": "kernel:apps"}, {"js": False, "needs": "x"}], ids=lambda words: repr(words)
)
def test_another_app_may_be_named_under_a_kernel_grant_or_outside_javascript(words: dict[str, Any]) -> None:
    assert declared(about_another, **words).parameters[0].type is AppRef


@pytest.mark.parametrize("role", ["public", "user", "admin", "owner", None])
def test_every_role_and_none_can_be_asked_for(role: str | None) -> None:
    assert declared(plain, role=role).role == role


async def coroutine(call: Call) -> Write[str]:
    """Do it."""
    return Write(())


async def stream(call: Call) -> AsyncIterator[int]:
    """Do it."""
    yield 1


def write(call: Call) -> Write[str]:
    """Do it."""
    return Write(())


def bare_write(call: Call) -> Write:  # type: ignore[type-arg]
    """Do it."""
    return Write(())


def scan(call: Call) -> Scan[Page[Line]]:
    """Do it."""
    return Scan((), lambda rows: rows)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    ("fn", "http", "colour", "answer", "writes", "weight"),
    [
        (plain, None, "value", str, False, 3),
        (write, None, "write", str, True, 5),
        (write, "GET /api/x", "write", str, True, 5),
        (scan, None, "scan", Page[Line], False, 3),
        (coroutine, None, "async", str, True, 5),
        (coroutine, "POST /api/x", "async", str, True, 5),
        (coroutine, "GET /api/x", "async", str, False, 3),
        (stream, "GET /api/x", "stream", int, False, 3),
    ],
)
def test_the_return_type_says_how_a_call_runs_what_it_answers_and_whether_it_writes(
    fn: Callable[..., Any], http: str | None, colour: str, answer: Any, writes: bool, weight: int
) -> None:
    made = declared(fn, http=http)
    assert (made.colour, made.answer, made.writes, made.weight) == (colour, answer, writes, weight)


def test_a_bare_plan_is_a_plan_too() -> None:
    assert declared(bare_write).colour == "write"


@pytest.mark.parametrize(("weight", "kept"), [(0, 0), (9, 9), (None, 5)])
def test_a_weight_that_is_said_holds(weight: int | None, kept: int) -> None:
    assert declared(write, weight=weight).weight == kept


@pytest.mark.parametrize(
    ("http", "cli", "wants"),
    [
        ("GET /api/apps/{app}", "app info", True),
        (None, "app info <app>", True),
        (None, "app info <app?>", True),
        ("GET /api/x", "x", False),
    ],
)
def test_a_path_or_a_command_says_that_an_app_is_meant(http: str | None, cli: str, wants: bool) -> None:
    assert declared(write, http=http, cli=cli).wants_app is wants


def reserved(call: Call, from_: Line, *, max_file_size: int = 1, in_: bool = False) -> None:
    """Do it."""


def test_reserved_words_and_long_names_have_their_outer_spellings() -> None:
    made = declared(reserved, http="GET /api/x/{from}", cli="x <from>")
    assert [(p.name, p.public, p.camel) for p in made.parameters] == [
        ("from_", "from", "from"),
        ("max_file_size", "max_file_size", "maxFileSize"),
        ("in_", "in", "in"),
    ]


@pytest.mark.parametrize(
    ("kind", "hardened"),
    [
        (str, Text),
        (int, Integer),
        (float, Number),
        (bool, bool),
        (Line, Line),
        (str | None, Text | None),
        (list[str], list[Text]),
        (dict[str, int], dict[str, Integer]),
        (dict[str, list[str]], dict[str, list[Text]]),
        (list[str | int], list[Text | Integer]),
        (tuple[str, int], tuple[Text, Integer]),
        (set[str], set[Text]),
        (Annotated[list[str], Meta(max_length=3)], Annotated[list[Text], Meta(max_length=3)]),
        (Literal["a"], Literal["a"]),
        (bytes, bytes),
        (Upload, Upload),
        (Duration, Duration),
        (Json, Json),
        (None, None),
    ],
)
def test_an_unguarded_type_becomes_a_guarded_word_wherever_it_stands(kind: Any, hardened: Any) -> None:
    assert harden(kind) == hardened


class Loose(Struct, rename="camel", forbid_unknown_fields=True):
    first_name: str
    tags: list[str] = []
    size: int = 3


class Tight(Struct):
    name: Line


def test_a_config_object_is_guarded_inside_and_stays_what_it_is() -> None:
    assert harden(Tight) is Tight
    made = harden(Loose)
    assert issubclass(made, Loose)
    fields = {f.name: (f.encode_name, f.type, f.required) for f in structs.fields(made)}
    assert fields == {
        "first_name": ("firstName", Text, True),
        "tags": ("tags", list[Text], False),
        "size": ("size", Integer, False),
    }
    assert made.__struct_config__.forbid_unknown_fields
    assert harden(Loose) is made


@pytest.mark.parametrize(
    ("kind", "json"), [(Json, True), (Any, True), (Line, False), (list[Json], False), (dict, False)]
)
def test_json_is_known_by_its_mark(kind: Any, json: bool) -> None:
    assert is_json(kind) is json


def with_defaults(call: Call, wait: Duration = "5m", *, most: Size | None = None, many: Duration | None = "1h") -> None:  # type: ignore[assignment]
    """Do it."""


def test_a_default_in_words_is_read_once_at_import() -> None:
    assert [p.default for p in declared(with_defaults).parameters] == [300_000, None, 3_600_000]


def test_the_function_stays_the_function() -> None:
    made = syscall("a.b")(plain)
    assert made is plain
    assert plain(None, Key("x")) == "x"  # type: ignore[arg-type]
