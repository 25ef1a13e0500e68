"""JSON Schema of arguments and answers."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import pytest
from msgspec import Struct, UnsetType, structs

from fazt.boot import registry
from kernel.net import openapi
from kernel.syscall import Call, Duration, Json, Key, Limit, Line, Page, Scan, Size, Upload, Write
from kernel.syscall.schema import Schemas, tool

from .support import entry


class Config(Struct):
    title: Line
    wait: Duration = Duration(250)


def everything(
    call: Call,
    key: Key,
    value: Json,
    *,
    size: Limit = 5,
    wait: Duration = Duration(250),
    most: Size = Size(1 << 20),
    note: Line = Line("x"),
    mode: Literal["a", "b"] = "a",
    config: Config | None = None,
    in_: Line | None = None,
) -> Write[Config]:
    """Take everything."""
    return Write(())


def test_a_tool_says_what_it_takes_what_it_needs_and_that_it_takes_nothing_else() -> None:
    made = tool(entry(everything).declared)
    schema = made["inputSchema"]
    assert (made["name"], made["description"]) == ("fazt_a_b", "Take everything.")
    assert sorted(schema["properties"]) == ["config", "in", "key", "mode", "most", "note", "size", "value", "wait"]
    assert (schema["required"], schema["additionalProperties"]) == (["key", "value"], False)
    assert schema["properties"]["key"] == {"type": "string", "minLength": 1, "maxLength": 512}
    assert schema["properties"]["size"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 5}
    assert (schema["properties"]["wait"]["default"], schema["properties"]["note"]["default"]) == (250, "x")
    assert "Config" in schema["$defs"]
    msgspec.json.encode(made)


def with_file(call: Call, file: Upload, data: bytes) -> None:
    """Take files."""


def about_app(call: Call, key: Key) -> Scan[None]:
    """Of an app."""
    return Scan((), lambda rows: None)


def test_a_tool_takes_bytes_as_base64_and_the_app_as_a_name() -> None:
    schema = tool(entry(with_file, js=False).declared)["inputSchema"]
    assert [schema["properties"][name]["contentEncoding"] for name in ("file", "data")] == ["base64", "base64"]
    assert schema["required"] == ["file", "data"]
    schema = tool(entry(about_app, http="GET /api/apps/{app}/x/{key}").declared)["inputSchema"]
    assert (list(schema["properties"]), schema["required"]) == (["app", "key"], ["app", "key"])


def many(call: Call, *words: Line) -> None:
    """Take many."""


def test_a_tool_that_takes_any_number_needs_none() -> None:
    schema = tool(entry(many).declared)["inputSchema"]
    assert (schema["properties"]["words"]["type"], schema["required"]) == ("array", [])


@pytest.mark.parametrize(
    ("fn", "words", "reads", "destroys"),
    [(everything, {}, False, False), (about_app, {}, True, False), (everything, {"confirm": "Gone."}, False, True)],
)
def test_a_tool_hints_whether_it_changes_or_destroys(
    fn: Callable[..., Any], words: dict[str, Any], reads: bool, destroys: bool
) -> None:
    assert tool(entry(fn, **words).declared)["annotations"] == {"readOnlyHint": reads, "destructiveHint": destroys}


@pytest.mark.parametrize(
    ("fn", "shape"),
    [
        (many, {"type": "array", "items": {"type": "string", "minLength": 0, "maxLength": 1000}}),
        (about_app, {"type": "string", "minLength": 1, "maxLength": 512}),
    ],
)
def test_a_parameter_has_its_own_schema(fn: Callable[..., Any], shape: dict[str, Any]) -> None:
    assert Schemas().parameter(entry(fn).declared.parameters[0]) == shape


@pytest.mark.parametrize(
    ("name", "default"), [("size", 5), ("wait", 250), ("note", "x"), ("mode", "a"), ("config", None), ("key", None)]
)
def test_a_parameter_shows_the_default_it_has(name: str, default: Any) -> None:
    parameter = next(p for p in entry(everything).declared.parameters if p.name == name)
    assert Schemas().parameter(parameter).get("default") == default


def gives_page(call: Call) -> Scan[Page[Config]]:
    """Give a page."""
    return Scan((), lambda rows: Page([], {}))


def gives_perhaps(call: Call) -> Line | UnsetType:
    """Give perhaps."""
    return Line("x")


def gives_json(call: Call) -> Json:
    """Give anything."""


def gives_nothing(call: Call) -> Write[None]:
    """Give nothing."""
    return Write(())


@pytest.mark.parametrize(
    ("fn", "data"),
    [
        (gives_page, {"type": "array", "items": {"$ref": "#/components/schemas/Config"}}),
        (gives_perhaps, {"type": "string", "minLength": 0, "maxLength": 1000}),
        (gives_json, {}),
        (gives_nothing, {"type": "null"}),
        (everything, {"$ref": "#/components/schemas/Config"}),
    ],
)
def test_an_answer_stands_in_the_envelope(fn: Callable[..., Any], data: dict[str, Any]) -> None:
    schemas = Schemas()
    made = schemas.answer(entry(fn).declared)
    assert made["properties"]["data"] == data
    assert "data" in made["required"]
    assert ("meta" in made["properties"]) is (fn is gives_page)
    assert ("Config" in schemas.components) is ("$ref" in str(data))


@pytest.mark.parametrize("declared", registry().declared, ids=lambda declared: declared.name)
def test_every_capability_of_the_node_is_a_tool(declared: Any) -> None:
    made = tool(declared)
    assert made["inputSchema"]["type"] == "object"
    assert set(made["inputSchema"]["required"]) <= set(made["inputSchema"]["properties"])
    msgspec.json.encode(made)


@pytest.mark.parametrize("declared", registry().declared, ids=lambda declared: declared.name)
def test_every_capability_of_the_node_has_a_schema_for_its_answer(declared: Any) -> None:
    msgspec.json.encode(Schemas().answer(declared))


def structs_of(kind: Any) -> Any:
    """The structs an answer is made of, at its first level."""
    kinds = t.get_args(kind) or (kind,)
    return [one for one in kinds if isinstance(one, type) and issubclass(one, Struct)]


def test_two_answers_of_one_name_keep_their_own_shapes() -> None:
    document = openapi.document(registry(), [], "0", "http://x")
    components = document["components"]["schemas"]
    shapes = [sorted(shape.get("properties", {})) for shape in components.values()]
    for made in registry().declared:
        if made.route is None or made.route.status == 204 or made.gives_bytes:
            continue
        for kind in structs_of(made.answer):
            wanted = sorted(field.encode_name for field in structs.fields(kind))
            assert wanted in shapes, f"{made.name}: no component has the fields {wanted} of {kind.__name__}"


def test_each_answer_refers_to_its_own_shape() -> None:
    document = openapi.document(registry(), [], "0", "http://x")
    for made in registry().declared:
        kinds = structs_of(made.answer)
        if made.route is None or made.route.status == 204 or len(kinds) != 1 or made.answer is not kinds[0]:
            continue
        if made.colour == "stream":
            # a stream of events is no JSON document
            continue
        operation = document["paths"][made.route.path][made.route.method.lower()]
        answer = operation["responses"][str(made.route.status)]["content"]["application/json"]["schema"]
        referred = answer["properties"]["data"]["$ref"].rpartition("/")[2]
        fields = sorted(document["components"]["schemas"][referred]["properties"])
        assert fields == sorted(field.encode_name for field in structs.fields(kinds[0])), made.name
