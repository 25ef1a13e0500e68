"""From what a door brings to the arguments of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.base.text import MAX_DEPTH
from kernel.syscall import Call, Duration, Json, Key, Limit, Line, Upload
from kernel.syscall.declare import Declaration

from .support import call, entry


def everything(
    call: Call,
    key: Key,
    value: Json,
    ttl: Duration | None = None,
    *,
    min_size: Limit = 5,
    ratio: float = 0.5,
    loud: bool = False,
    in_: Line = Line("x"),
) -> tuple[Any, ...]:
    """Take something of each kind."""
    return key, value, ttl, min_size, ratio, loud, in_


EVERYTHING = entry(everything)


def given_by_name(values: dict[str, Any], **how: Any) -> Any:
    return EVERYTHING.named(call("http"), values, **how)


def given_by_position(arguments: str) -> Any:
    return EVERYTHING.javascript(call(), arguments.encode())


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


# --- what is understood -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "understood"),
    [
        ('["k",1]', ("k", 1, None, 5, 0.5, False, "x")),
        ('["k",null]', ("k", None, None, 5, 0.5, False, "x")),
        ('["k",[1,{"a":2}],"5m"]', ("k", [1, {"a": 2}], 300_000, 5, 0.5, False, "x")),
        ('["k",1,null,{}]', ("k", 1, None, 5, 0.5, False, "x")),
        ('["k",1,null,{"minSize":7,"loud":true}]', ("k", 1, None, 7, 0.5, True, "x")),
        ('["k",1,5,{"in":"y","ratio":1}]', ("k", 1, 5, 5, 1.0, False, "y")),
        (' [ "k" , 1 ] ', ("k", 1, None, 5, 0.5, False, "x")),
    ],
)
def test_javascript_gives_arguments_by_position_and_options_as_an_object(
    arguments: str, understood: tuple[Any, ...]
) -> None:
    assert given_by_position(arguments) == understood


@pytest.mark.parametrize(
    ("values", "understood"),
    [
        ({"key": "k", "value": 1}, ("k", 1, None, 5, 0.5, False, "x")),
        ({"value": None, "key": "k", "ttl": "5m"}, ("k", None, 300_000, 5, 0.5, False, "x")),
        ({"key": "k", "value": 1, "min_size": 7}, ("k", 1, None, 7, 0.5, False, "x")),
        ({"key": "k", "value": 1, "minSize": 7, "in": "y"}, ("k", 1, None, 7, 0.5, False, "y")),
        ({"key": "k", "value": 1, "ttl": None, "loud": True}, ("k", 1, None, 5, 0.5, True, "x")),
    ],
)
def test_names_are_taken_in_both_spellings(values: dict[str, Any], understood: tuple[Any, ...]) -> None:
    assert given_by_name(values) == understood


@pytest.mark.parametrize(
    ("values", "understood"),
    [
        ({"key": "5", "value": "5"}, ("5", "5", None, 5, 0.5, False, "x")),
        ({"key": "null", "value": "null", "in": "null"}, ("null", "null", None, 5, 0.5, False, "null")),
        ({"key": "k", "value": "v", "minSize": "7"}, ("k", "v", None, 7, 0.5, False, "x")),
        ({"key": "k", "value": "v", "ratio": "1.5", "loud": "true"}, ("k", "v", None, 5, 1.5, True, "x")),
        ({"key": "k", "value": "v", "loud": "0", "ttl": "1500"}, ("k", "v", 1500, 5, 0.5, False, "x")),
    ],
)
def test_where_everything_arrives_as_text_numbers_and_truths_are_read_from_it(
    values: dict[str, Any], understood: tuple[Any, ...]
) -> None:
    assert given_by_name(values, lax=True) == understood


@pytest.mark.parametrize(("field", "text"), [("minSize", "7"), ("ratio", "1.5"), ("loud", "true")])
def test_elsewhere_text_is_no_number_and_no_truth(field: str, text: str) -> None:
    with pytest.raises(FaztError) as refused:
        given_by_name({"key": "k", "value": 1, field: text})
    assert refused.value.details == {"field": {"minSize": "min_size"}.get(field, field)}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
keys = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)


@given(keys, json_values, st.none() | st.integers(1, 10**9), st.integers(1, 100), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_door_understands_the_same_values_alike(
    key: str, value: Any, ttl: int | None, min_size: int, loud: bool
) -> None:
    options = {"minSize": min_size, "loud": loud}
    by_position = EVERYTHING.javascript(call(), msgspec.json.encode([key, value, ttl, options]))
    by_name = given_by_name({"key": key, "value": value, "ttl": ttl, **options})
    assert by_position == by_name == (key, value, ttl, min_size, 0.5, loud, "x")


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "code", "field", "said"),
    [
        ({"key": None}, "VALIDATION_FAILED", "key", "must be text"),
        ({"key": 5}, "VALIDATION_FAILED", "key", "must be text"),
        ({"key": ""}, "VALIDATION_FAILED", "key", "1 to 512"),
        ({"key": "x" * 600}, "VALIDATION_FAILED", "key", "1 to 512"),
        ({"key": "a\x00"}, "VALIDATION_FAILED", "key", "control character U+0000"),
        ({"key": "a\ud800"}, "VALIDATION_FAILED", "key", "U+D800"),
        ({"value": float("nan")}, "VALIDATION_FAILED", "value", "NaN"),
        ({"value": [float("inf")]}, "VALIDATION_FAILED", "value", "Infinity"),
        ({"value": {"a": "\ud800"}}, "VALIDATION_FAILED", "value", "surrogate"),
        ({"value": nested(MAX_DEPTH + 1)}, "VALIDATION_FAILED", "value", "deeper than 100 levels"),
        ({"value": nested(500)}, "VALIDATION_FAILED", "value", "deep"),
        ({"ttl": "soon"}, "VALIDATION_FAILED", "ttl", "must be a number of milliseconds"),
        ({"ttl": []}, "VALIDATION_FAILED", "ttl", "must be a number of milliseconds"),
        ({"ttl": 10**400}, "VALIDATION_FAILED", "ttl", "must be"),
        ({"min_size": 101}, "VALIDATION_FAILED", "min_size", "<= 100"),
        ({"minSize": 0}, "VALIDATION_FAILED", "min_size", ">= 1"),
        ({"min_size": 1.5}, "VALIDATION_FAILED", "min_size", "Expected int"),
        ({"min_size": True}, "VALIDATION_FAILED", "min_size", "Expected int"),
        ({"min_size": 2**70}, "VALIDATION_FAILED", "min_size", ""),
        ({"ratio": float("nan")}, "VALIDATION_FAILED", "ratio", ""),
        ({"ratio": float("inf")}, "VALIDATION_FAILED", "ratio", ""),
        ({"loud": 1}, "VALIDATION_FAILED", "loud", "Expected bool"),
        ({"in_": "y"}, "VALIDATION_FAILED", "in_", "unknown"),
        ({"no_such": 1}, "VALIDATION_FAILED", "no_such", "unknown"),
        ({"no-such": 1}, "VALIDATION_FAILED", "no-such", "unknown"),
        ({"app": "x"}, "VALIDATION_FAILED", "app", "unknown"),
        ({"call": "x"}, "VALIDATION_FAILED", "call", "unknown"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_named_value_that_is_wrong_is_refused_by_the_name_of_its_field(
    wrong: dict[str, Any], code: str, field: str, said: str
) -> None:
    with pytest.raises(FaztError) as refused:
        given_by_name({"key": "k", "value": 1, **wrong})
    assert (refused.value.code, refused.value.details) == (code, {"field": field})
    assert said in refused.value.message
    assert refused.value.message.startswith(f"{field}: ")


def test_who_gives_none_of_a_few_values_is_told_which_there_are() -> None:
    def shown(call: Call, state: Literal["open", "shut"], *, by: Literal[1, 2] | None = None) -> None:
        """Show some."""

    made, told = entry(shown), []
    with pytest.raises(FaztError) as refused:
        made.named(call("http"), {"state": "all"})
    told.append((refused.value.code, refused.value.message))
    for arguments in ('["all"]', '["open", {"by": 3}]', f'["{"x" * 5000}"]'):
        with pytest.raises(FaztError) as refused:
            made.javascript(call(), arguments.encode())
        told.append((refused.value.code, refused.value.message))
    assert told[0] == ("VALIDATION_FAILED", "state: must be one of open, shut, not 'all'")
    assert told[1][1].endswith("state: must be one of open, shut, not 'all'")
    assert told[2][1].endswith("by: must be one of 1, 2, not 3")
    assert len(told[3][1]) < 400


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "one", ""])
def test_no_text_becomes_a_number_that_json_does_not_have(text: str) -> None:
    with pytest.raises(FaztError) as refused:
        given_by_name({"key": "k", "value": "v", "ratio": text}, lax=True)
    assert refused.value.details == {"field": "ratio"}


@pytest.mark.parametrize("missing", ["key", "value"])
def test_a_named_value_that_is_missing_is_named(missing: str) -> None:
    values = {"key": "k", "value": 1}
    del values[missing]
    with pytest.raises(FaztError) as refused:
        given_by_name(values)
    assert (refused.value.code, refused.value.details) == ("MISSING_FIELD", {"field": missing})


@pytest.mark.parametrize("both", [{"min_size": 2, "minSize": 3}, {"minSize": 3, "min_size": 2}])
def test_one_name_in_both_spellings_is_refused_and_both_are_named(both: dict[str, int]) -> None:
    with pytest.raises(FaztError) as refused:
        given_by_name({"key": "k", "value": 1, **both})
    assert (refused.value.code, refused.value.details) == ("VALIDATION_FAILED", {"field": "min_size"})
    assert "min_size" in refused.value.message
    assert "minSize" in refused.value.message


@pytest.mark.parametrize(
    ("arguments", "field", "said"),
    [
        ("[]", "key", ""),
        ('["k"]', "value", ""),
        ("[5,1]", "key", "must be text"),
        ('["",1]', "key", "1 to 512"),
        (f'["{"x" * 600}",1]', "key", "1 to 512"),
        (r'["a\u0000",1]', "key", "control character U+0000"),
        (r'["a\ud800",1]', "key", "U+D800"),
        (r'["k",{"a":"\ud800"}]', "value", "surrogate"),
        ('["k",1e999]', "value", "out of range"),
        ('["k",' + "[" * 101 + "]" * 101 + "]", "value", "deeper than 100 levels"),
        ('["k",1,"soon"]', "ttl", "must be a number of milliseconds"),
        ('["k",1,null,{"minSize":101}]', "minSize", "<= 100"),
        ('["k",1,null,{"minSize":"7"}]', "minSize", "Expected int"),
        ('["k",1,null,{"min_size":7}]', "min_size", "unknown"),
        ('["k",1,null,{"noSuch":7}]', "noSuch", "unknown"),
        ('["k",1,null,{"no-such":7}]', "no-such", "unknown"),
        (r'["k",1,null,{"in":"\ud800"}]', "in", "surrogate"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_an_argument_that_is_wrong_is_refused_by_the_name_of_its_field(arguments: str, field: str, said: str) -> None:
    with pytest.raises(FaztError) as refused:
        given_by_position(arguments)
    assert (refused.value.code, refused.value.details) == ("INVALID_ARGUMENT", {"field": field})
    assert said in refused.value.message
    assert field in refused.value.message


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "{}",
        "null",
        '"k"',
        "[",
        '["k",1',
        '["k",1,null,{},5]',
        '["k",1,null,null]',
        '["k",1,null,[]]',
        '["k",NaN]',
        '["k",1]x',
        "\xff",
        '["k",' + "[" * 20_000 + "]" * 20_000 + "]",
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_is_no_list_of_arguments_is_refused_and_the_function_is_named(arguments: str) -> None:
    with pytest.raises(FaztError) as refused:
        EVERYTHING.javascript(call(), arguments.encode("latin-1"))
    assert refused.value.code == "INVALID_ARGUMENT"
    assert refused.value.message.startswith("a.b: ")


def bare(call: Call, key: Key) -> str:
    """Take one."""
    return key


@pytest.mark.parametrize("arguments", [b'["k",{}]', b'["k",null]', b'["k",{"loud":true}]'])
def test_a_function_without_options_takes_no_options(arguments: bytes) -> None:
    assert entry(bare).javascript(call(), b'["k"]') == "k"
    with pytest.raises(FaztError) as refused:
        entry(bare).javascript(call(), arguments)
    assert refused.value.code == "INVALID_ARGUMENT"


def test_a_refusal_shows_nothing_of_how_it_was_found() -> None:
    with pytest.raises(FaztError) as refused:
        given_by_name({"key": 5, "value": 1})
    assert "`" not in refused.value.message
    assert "$" not in refused.value.message
    assert refused.value.__cause__ is None


# --- any number of values, objects, bytes, files ----------------------------------------------------------------------


def many(call: Call, *words: Line) -> tuple[str, ...]:
    """Take any number."""
    return words


def many_after(call: Call, key: Key, *values: Line) -> tuple[str, tuple[str, ...]]:
    """Take a key and any number."""
    return key, values


@pytest.mark.parametrize(("arguments", "words"), [(b"[]", ()), (b'["a"]', ("a",)), (b'["a","b"]', ("a", "b"))])
def test_any_number_of_values_may_be_given(arguments: bytes, words: tuple[str, ...]) -> None:
    assert entry(many).javascript(call(), arguments) == words
    assert entry(many).named(call("http"), {"words": list(words)}) == words


def test_no_value_at_all_needs_no_name() -> None:
    assert entry(many).named(call("http"), {}) == ()


@pytest.mark.parametrize(("bad", "said"), [("5", "must be text"), (r'"\ud800"', "surrogate"), (r'"\u0000"', "U+0000")])
def test_each_of_many_values_is_checked_and_named(bad: str, said: str) -> None:
    with pytest.raises(FaztError) as refused:
        entry(many).javascript(call(), f'["a",{bad}]'.encode())
    assert refused.value.details == {"field": "words"}
    assert said in refused.value.message


def test_each_of_many_named_values_is_checked_and_named() -> None:
    with pytest.raises(FaztError, match="must be text") as refused:
        entry(many).named(call("http"), {"words": ["a", 5]})
    assert refused.value.details == {"field": "words"}


def test_what_stands_before_many_values_is_checked_as_itself_or_refused_at_import() -> None:
    try:
        made = entry(many_after)
    except TypeError:
        return
    assert made.javascript(call(), b'["k","a","b"]') == ("k", ("a", "b"))
    with pytest.raises(FaztError):
        made.javascript(call(), b'["","a","b"]')


class Config(Struct, forbid_unknown_fields=True):
    title: str
    size: int = 3
    extra: Any = None


def with_config(call: Call, config: Config) -> Config:
    """Take a config object."""
    return config


@pytest.mark.parametrize("door", ["names", "javascript"])
@pytest.mark.parametrize(
    "config",
    [{"title": "a\x00b"}, {"title": "x", "size": 2**60}, {"title": "x", "extra": nested(MAX_DEPTH + 50)}],
    ids=["a control character", "a number JavaScript cannot hold", "too deep"],
)
def test_what_stands_in_a_config_object_is_guarded_like_any_argument(door: str, config: dict[str, Any]) -> None:
    made = entry(with_config)
    with pytest.raises(FaztError):
        if door == "names":
            made.named(call("http"), {"config": config})
        else:
            made.javascript(call(), msgspec.json.encode([config]))


def with_default(call: Call, config: Config = Config("x")) -> Config:
    """Take a config object or none."""
    return config


def test_a_config_object_may_be_left_out_where_it_has_a_default() -> None:
    made = entry(with_default)
    for config in (made.named(call("http"), {}), made.javascript(call(), b"[]")):
        assert (config.title, config.size) == ("x", 3)
    config = made.named(call("http"), {"config": {"title": "y"}})
    assert isinstance(config, Config)
    assert (config.title, config.size) == ("y", 3)


def many_jsons(
    call: Call,
    *,
    items: list[Json] = [],  # noqa: B006
    fields: dict[str, Json] = {},  # noqa: B006
    either: Json | None = None,
) -> Any:
    """Take JSON in places."""
    return items, fields, either


@pytest.mark.parametrize("bad", ["\ud800", nested(MAX_DEPTH + 50)], ids=["half a character", "too deep"])
@pytest.mark.parametrize("place", ["items", "fields", "either"])
def test_json_is_checked_wherever_it_stands_in_a_type(place: str, bad: Any) -> None:
    value = {"items": [bad], "fields": {"a": bad}, "either": bad}[place]
    with pytest.raises(FaztError):
        entry(many_jsons).named(call("http"), {place: value})


def growing(call: Call, *, tags: list[Line] = [], more: dict[str, Any] = {}) -> int:  # noqa: B006
    """Change what it was given."""
    tags.append(Line("x"))
    more["x"] = 1
    return len(tags) + len(more)


@pytest.mark.parametrize("door", ["names", "javascript"])
def test_a_default_is_fresh_in_each_call(door: str) -> None:
    made = entry(growing)
    calls: dict[str, Callable[[], Any]] = {
        "names": lambda: made.named(call("http"), {}),
        "javascript": lambda: made.javascript(call(), b"[]"),
    }
    assert [calls[door](), calls[door]()] == [2, 2]


def with_bytes(call: Call, name: Key, data: bytes, mode: Line = Line("r")) -> tuple[str, bytes, str]:
    """Take bytes."""
    return name, data, mode


def test_bytes_come_beside_the_arguments() -> None:
    made = entry(with_bytes)
    assert made.javascript(call(), b'["k"]', b"\x00\xff") == ("k", b"\x00\xff", "r")
    assert made.javascript(call(), b'["k","w"]', b"") == ("k", b"", "w")
    assert made.named(call("http"), {"name": "k", "mode": "w"}, raw=b"\x00") == ("k", b"\x00", "w")
    with pytest.raises(FaztError) as refused:
        made.javascript(call(), b'["k","a\\u0000"]', b"")
    assert refused.value.details == {"field": "mode"}


@pytest.mark.parametrize("door", ["names", "javascript"])
def test_bytes_that_are_missing_are_missed_by_name(door: str) -> None:
    made = entry(with_bytes)
    with pytest.raises(FaztError) as refused:
        if door == "names":
            made.named(call("cli"), {"name": "k"})
        else:
            made.javascript(call(), b'["k"]')
    assert refused.value.details == {"field": "data"}


def with_file(call: Call, file: Upload, *, note: Line = Line("")) -> tuple[str, bytes, str]:
    """Take a file."""
    return file.name, file.data, note


def test_a_file_comes_beside_the_values() -> None:
    made = entry(with_file, js=False)
    file = Upload.of("a.txt", b"hello")
    assert made.named(call("http"), {"note": "n"}, files={"file": file}) == ("a.txt", b"hello", "n")
    for files in (None, {}, {"other": file}):
        with pytest.raises(FaztError) as refused:
            made.named(call("http"), {}, files=files)
        assert (refused.value.code, refused.value.details) == ("MISSING_FIELD", {"field": "file"})


# --- grants, the meter, the recorder ----------------------------------------------------------------------------------


def test_an_app_without_the_grant_is_refused_before_anything_is_looked_at() -> None:
    made = entry(everything, needs="storage:kv")
    for asked in (call(), call(grants=("storage:ds", "storage:kv:read"))):
        for refuse in (lambda: made.javascript(asked, b"garbage"), lambda: made.named(asked, {"garbage": 1})):  # noqa: B023
            with pytest.raises(FaztError) as refused:
                refuse()
            assert (refused.value.code, refused.value.message) == (
                "PERMISSION_DENIED",
                "Permission denied: storage:kv",
            )
        assert sum(asked.meter) == 0


def test_an_app_with_the_grant_may_and_a_person_needs_none() -> None:
    made = entry(everything, needs="storage:kv")
    assert made.javascript(call(grants=("storage:kv",)), b'["k",1]')[0] == "k"
    assert made.named(call(grants=("storage:kv",)), {"key": "k", "value": 1})[0] == "k"
    assert made.named(call("http"), {"key": "k", "value": 1})[0] == "k"


def test_every_call_is_counted_under_its_number_whatever_came_of_it() -> None:
    made, asked = entry(everything, number=3), call()
    made.javascript(asked, b'["k",1]')
    made.named(asked, {"key": "k", "value": 1})
    with pytest.raises(FaztError):
        made.javascript(asked, b"[]")
    with pytest.raises(FaztError):
        made.named(asked, {})
    assert asked.meter == [0, 0, 0, 4, 0, 0, 0, 0]


def test_a_recorder_hears_number_arguments_and_result_of_what_ran() -> None:
    made, asked = entry(many, number=3), call()
    made.javascript(asked, b'["unheard"]')
    asked.rec = []
    made.javascript(asked, b'["a"]')
    with pytest.raises(FaztError):
        made.javascript(asked, b"[5]")
    assert asked.rec == [(3, b'["a"]', ("a",))]


def test_an_error_of_the_function_itself_is_not_taken_for_a_refusal() -> None:
    def broken(call: Call, n: int) -> int:
        """Break."""
        raise msgspec.ValidationError("of its own")

    made = entry(broken)
    for run in (lambda: made.javascript(call(), b"[1]"), lambda: made.named(call("http"), {"n": 1})):
        with pytest.raises(msgspec.ValidationError, match="of its own"):
            run()


def test_every_capability_of_the_node_has_both_adapters() -> None:
    from fazt.boot import registry

    for made in registry():
        assert callable(made.named)
        assert callable(made.javascript)
        assert isinstance(made.declared, Declaration)
