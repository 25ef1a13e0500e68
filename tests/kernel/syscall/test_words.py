"""The words of signatures."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.base.json import decode, encode
from kernel.security.passwords import Password
from kernel.syscall import AppRef, Duration, Key, Line, Secret, Size, Text
from kernel.syscall.words import WORDS, Prefix, parse_word, word_schema


@pytest.mark.parametrize(
    ("word", "said", "meant"),
    [
        (Line, "a", "a"),
        (Line, "", ""),
        (Line, "x" * 1000, "x" * 1000),
        (Text, "a\n\tb\r\n", "a\n\tb\r\n"),
        (Key, "a", "a"),
        (Key, "x" * 512, "x" * 512),
        (Key, "é" * 256, "é" * 256),
        (Prefix, "", ""),
        (AppRef, "my-shop", "my-shop"),
        (AppRef, "app_0123456789ab", "app_0123456789ab"),
        (Secret, " any\x00thing \n", " any\x00thing \n"),
        (Password, "12345678", "12345678"),
        (Duration, "5m", 300_000),
        (Duration, 5, 5),
        (Size, "1KB", 1024),
    ],
)
def test_a_word_takes_what_it_says_it_takes(word: Any, said: Any, meant: Any) -> None:
    parsed = parse_word(word, said)
    assert (parsed, type(parsed)) == (meant, word)


@pytest.mark.parametrize(
    ("word", "said", "why"),
    [
        (Line, "a\nb", "U\\+000A"),
        (Line, "x" * 1001, "0 to 1000 characters"),
        (Line, 5, "must be text"),
        (Line, None, "must be text"),
        (Line, b"x", "must be text"),
        (Text, "a\x00", "U\\+0000"),
        (Text, "a\x0b", "U\\+000B"),
        (Text, "\x7f", "U\\+007F"),
        (Text, "\ud800", "U\\+D800"),
        (Text, "x" * ((1 << 20) + 1), "at most 1048576"),
        (Text, 5, "must be text"),
        (Key, "", "1 to 512"),
        (Key, "x" * 513, "1 to 512"),
        (Key, "é" * 257, "512 bytes"),
        (Key, "👩" * 129, "512 bytes"),
        (Key, "a\x00b", "U\\+0000"),
        (Prefix, "x" * 513, "0 to 512"),
        (AppRef, "My-Shop", "must be an app id or alias"),
        (AppRef, "", "1 to 63"),
        (AppRef, "x" * 64, "1 to 63"),
        (AppRef, "../x", "must be an app id or alias"),
        (AppRef, "shop\n", "U\\+000A"),
        (Secret, "", "1 to 65536"),
        (Secret, "x" * 65_537, "1 to 65536"),
        (Secret, "\ud800", "surrogate"),
        (Secret, 5, "text"),
        (Password, "1234567", "at least 8"),
        (Duration, "soon", "must be"),
        (Duration, 0, "must be"),
        (Size, "big", "must be"),
        (Size, -1, "must be"),
    ],
)
def test_a_word_refuses_the_rest_in_a_sentence(word: Any, said: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_word(word, said)


@pytest.mark.parametrize("word", [*WORDS, Key, Prefix, AppRef, Password])
def test_a_word_has_a_schema_a_typescript_name_and_leaves_as_plain_json(word: Any) -> None:
    assert word_schema(word)["type"] in ("string", ["integer", "string"])
    assert word.typescript in ("string", "number | string")
    value = parse_word(word, {Duration: "5m", Size: "1KB"}.get(word, "abcdefgh"))
    assert decode(encode(value)) == value


def test_a_pattern_stands_in_the_schema_whole() -> None:
    assert word_schema(AppRef)["pattern"] == "^(?:[a-z0-9][a-z0-9_-]*)$"


@pytest.mark.parametrize("shown", [repr, ascii, lambda secret: f"{secret!r}", lambda secret: str([secret])])
def test_a_secret_does_not_show_itself_where_values_are_shown(shown: Any) -> None:
    assert "sesame" not in shown(Secret.parse("open sesame"))
    assert "sesame123" not in shown(Password.parse("sesame123"))


@pytest.mark.parametrize("kind", [int, dict, object])
def test_what_is_no_word_is_left_to_others(kind: Any) -> None:
    with pytest.raises(NotImplementedError):
        parse_word(kind, 1)
    with pytest.raises(NotImplementedError):
        word_schema(kind)
