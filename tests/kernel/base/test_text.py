"""What text from outside may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.base.text import MAX_DEPTH, check_json, check_line, nearest

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.parametrize("text", ["", "a", "Ünïcödé", "日本", "👩‍👧", "a b", "x" * 10, "\u200e", "\U0010ffff"])
def test_a_line_of_ordinary_text_is_given_back_unchanged(text: str) -> None:
    assert check_line(text, 10) == text


@pytest.mark.parametrize("code", [*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xD800, 0xDFFF, 0x202E, 0x2066])
def test_control_characters_line_ends_half_characters_and_direction_tricks_are_refused(code: int) -> None:
    with pytest.raises(ValueError, match=f"U\\+{code:04X}"):
        check_line(f"a{chr(code)}b", 10)


@pytest.mark.parametrize(("text", "least"), [("x" * 11, 0), ("", 1), ("é" * 11, 0)])
def test_the_length_is_counted_in_characters_and_told(text: str, least: int) -> None:
    with pytest.raises(ValueError, match=f"must have {least} to 10 characters, has {len(text)}"):
        check_line(text, 10, least)


@pytest.mark.parametrize("value", [None, 5, b"x", ["x"], True])
def test_what_is_no_text_is_no_line(value: object) -> None:
    with pytest.raises(ValueError, match="must be text"):
        check_line(value, 10)


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_every_json_value_passes_unchanged_and_can_be_encoded(value: Any) -> None:
    assert check_json(value) is value
    json.dumps(value).encode()


def nested(depth: int, kind: type) -> Any:
    value: Any = kind()
    for _ in range(depth - 1):
        value = [value] if kind is list else {"k": value}
    return value


@pytest.mark.parametrize("kind", [list, dict])
def test_a_value_may_be_a_hundred_levels_deep_and_no_deeper(kind: type) -> None:
    assert check_json(nested(MAX_DEPTH, kind)) is not None
    with pytest.raises(ValueError, match="deeper than 100 levels"):
        check_json(nested(MAX_DEPTH + 1, kind))


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf"), "\ud800", "a\udfff", {"\ud801": 1}])
@pytest.mark.parametrize("place", ["alone", "in a list", "in an object", "deep inside"])
def test_a_value_that_no_json_can_carry_is_found_wherever_it_hides(broken: Any, place: str) -> None:
    value = {
        "alone": broken,
        "in a list": [1, broken],
        "in an object": {"a": 1, "b": broken},
        "deep inside": {"a": [{"b": [broken]}]},
    }[place]
    with pytest.raises(ValueError, match="must not contain"):
        check_json(value)


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("lst", ["list", "create"], "list"),
        ("net.prot", ["net.port", "net.domain"], "net.port"),
        ("zzz", ["list"], None),
    ],
)
def test_the_nearest_known_word_is_offered_only_if_it_is_near(word: str, known: list[str], meant: str | None) -> None:
    assert nearest(word, known) == meant


@pytest.mark.parametrize("beside", [[], [{}] * 200, [None] * 3, [{"a": None}] * 200])
def test_json_is_looked_at_alike_however_much_of_it_there_is(beside: list[object]) -> None:
    for fine in (nested(99, list), 1.5, {"a": "ä"}, 2**70):
        value = [*beside, fine]
        assert check_json(value) is value
    for wrong in (
        nested(100, dict),
        float("nan"),
        {"a": [float("inf")]},
        "\ud800",
        {"\udfff": 1},
        [{"a": ["x\udc00"]}],
    ):
        with pytest.raises(ValueError, match="must not"):
            check_json([*beside, wrong])
