"""Identifiers."""

from __future__ import annotations

import re

import pytest

from kernel.base.ids import ALPHABET, LENGTH, is_id, new_id


def test_an_id_is_a_prefix_and_twelve_characters_of_crockford_base32() -> None:
    for prefix in ("app", "key", "usr"):
        assert re.fullmatch(rf"{prefix}_[0-9a-hjkmnp-tv-z]{{12}}", new_id(prefix))
    assert (LENGTH, len(ALPHABET), len(set(ALPHABET))) == (12, 32, 32)
    assert not set(ALPHABET) & set("ilou")


def test_a_hundred_thousand_ids_are_all_different_and_use_every_character_everywhere() -> None:
    made = {new_id("x") for _ in range(100_000)}
    assert len(made) == 100_000
    for place in range(2, 14):
        assert {id[place] for id in made} == set(ALPHABET)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("app_0123456789ab", True),
        ("app_0123456789aB", False),
        ("app_0123456789a", False),
        ("app_0123456789abc", False),
        ("app_0123456789ai", False),
        ("app-0123456789ab", False),
        ("key_0123456789ab", False),
        ("app_0123456789ab\n", False),
        ("", False),
    ],
)
def test_only_a_whole_id_of_the_prefix_is_one(text: str, known: bool) -> None:
    assert is_id(text, "app") is known


def test_a_new_id_is_an_id() -> None:
    assert is_id(new_id("rdr"), "rdr")
