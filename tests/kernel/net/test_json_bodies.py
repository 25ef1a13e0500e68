"""Reading a body, and finding the field to blame when it cannot be read."""

from __future__ import annotations

import json
import sys
import typing as t
from collections.abc import Iterator
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.net import envelope


class Counted:
    """The pattern of tokens, counting the bytes it has to look at."""

    def __init__(self, pattern: Any) -> None:
        self.pattern, self.looked = pattern, 0

    def finditer(self, body: bytes) -> Iterator[Any]:
        at = 0
        while at < len(body):
            found = self.pattern.match(body, at)
            # to find that a string has no end is to look at everything
            self.looked += found.end() - at if found else len(body) - at
            if found:
                yield found
            at = found.end() if found else at + 1


@pytest.mark.parametrize("pieces", [b'\\"', b'\\\\"', b'"', b"\\", b'":"'])
def test_looking_for_the_guilty_field_takes_one_walk(monkeypatch: pytest.MonkeyPatch, pieces: bytes) -> None:
    """Not one walk per quote: eight kilobytes of a guest's login would keep the node busy for a while."""
    body = b'{"a":"' + pieces * 501
    counted = Counted(envelope._TOKEN)
    monkeypatch.setattr(envelope, "_TOKEN", t.cast(Any, counted))
    with pytest.raises(FaztError):
        envelope.json_object(body)
    assert counted.looked <= 20 * len(body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"a":NaN}', "a"),
        (b'{"a":1,"b":[1,{"c":Infinity}]}', "b"),
        (b'{"a":"NaN","b":-Infinity}', "b"),
        (b'{"a":{"NaN":1},"b":1e999}', "b"),
        (b'{"a":"\\ud800","b":1}', "a"),
        (b'{"a":"\\ud83d\\ude00","b":"\\ude00"}', "b"),
        (b'{ "a" : 1 , "b" : NaN }', "b"),
        (b'{"a,b":1,"c":NaN}', "c"),
        (b'{"a":"}{][,:","b":NaN}', "b"),
        (b'{"a":"\\"","b":NaN}', "b"),
        (b'{"a":' + b"[" * 200_000, "a"),
        (b'{"a":1,"b":' + b'{"c":' * 5000 + b"1" + b"}" * 5000 + b"}", "b"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_the_guilty_field_is_named(body: bytes, field: str) -> None:
    with pytest.raises(FaztError) as raised:
        envelope.json_object(body)
    assert raised.value.details.get("field") == field
    assert raised.value.status == 400


@pytest.mark.parametrize("body", [b'{%s,"k0":1}', b'{%s,"k1999":1}', b'{"a":{%s,"k1999":1}}', b'{"a":[%s]}'])
def test_finding_what_stands_twice_takes_one_walk(body: bytes) -> None:
    """Each step of an interpreter that looks at all earlier names again is counted here."""
    pairs = b",".join(b'"k%d":1' % n for n in range(2000))
    if b"[" in body:
        pairs = b",".join(b'{"x":%d}' % n for n in range(2000))
    steps = 0

    def step(*_: Any) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(step)
    try:
        envelope.json_object(body % pairs)
    except FaztError as error:
        assert error.code == "VALIDATION_FAILED"
    finally:
        sys.setprofile(None)
    assert steps < 50_000


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'{"a" : 1 , "a"\n: 2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":[{"b":1},{"c":1,"c":2}]}',
        b'{"a":"v",":x":1,":x":2}',
        b'{"a":"v"," :x":1," :x":2}',
        b'{"a":"\\"","b":1,"b":2}',
        b'{"a":"\\\\","b":1,"b":2}',
        b'{"":1,"":2}',
        b'{"\xc3\xa9":1,"\\u00e9":2}',
    ],
    ids=repr,
)
def test_a_name_stands_once_in_an_object(body: bytes) -> None:
    with pytest.raises(FaztError) as raised:
        envelope.json_object(body)
    assert raised.value.code == "VALIDATION_FAILED"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":[{"b":1},{"b":1}]}',
        b'{"a":{"a":{"a":1}}}',
        b'{"a":"a\\":1,\\"a","b":"b"}',
        b'{"a":":","b":":","c":","}',
        b'{"A":1,"a":2}',
        b'{"a":"\\"a\\":\\"a\\":"}',
        b'{"\xc3\xa9":1,"e\xcc\x81":2}',
    ],
    ids=repr,
)
def test_a_name_may_stand_in_several_objects(body: bytes) -> None:
    assert envelope.json_object(body) == json.loads(body)


def test_no_body_is_an_empty_object() -> None:
    assert envelope.json_object(b"") == {}
    assert envelope.json_object(b" {} ") == {}
