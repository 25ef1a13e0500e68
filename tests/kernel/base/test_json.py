"""JSON on its way out."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from kernel.base.json import decode, encode, to_text
from kernel.syscall import Duration, Key, Line, Secret, Size, Text


class Narrow(Line):
    most = 5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Key("a"), '"a"'),
        (Narrow("ä"), '"ä"'),
        (Text("a\nb"), r'"a\nb"'),
        (Duration(5), "5"),
        (Size(1 << 40), "1099511627776"),
        ({"a": [Line("x")]}, '{"a":["x"]}'),
        (Secret("s3cret"), '"s3cret"'),
        (None, "null"),
    ],
)
def test_words_of_signatures_leave_as_the_text_and_numbers_they_are(value: Any, text: str) -> None:
    assert to_text(value) == text
    assert decode(encode(value)) == decode(text)


class Strange:
    pass


@pytest.mark.parametrize("value", [Strange(), {"a": Strange()}, enum])
def test_what_has_no_json_form_is_refused_and_not_invented(value: Any) -> None:
    with pytest.raises(NotImplementedError, match="no JSON form"):
        encode(value)
