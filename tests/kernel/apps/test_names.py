"""Labels of host names: which an app may have."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.apps.names import LONGEST, RESERVED, Slug, check_free, is_by_id, slug_of
from kernel.base.errors import FaztError
from kernel.net.hosts import is_name


@pytest.mark.parametrize("slug", ["a", "0", "a1", "my-shop", "a-b-c", "x" * 49, "app-shop", "1-2-3"])
def test_a_name_of_an_app(slug: str) -> None:
    assert check_free(Slug.parse(slug)) == slug


@given(st.from_regex(Slug.pattern, fullmatch=True))
def test_a_name_is_a_label_of_a_host(text: str) -> None:
    try:
        slug = Slug.parse(text)
    except ValueError:
        assert len(text) > LONGEST
        return
    assert is_name(f"{slug}.example") and is_name(f"0123456789ab--{slug}.example")
    assert "--" not in slug and slug == slug.lower()


@given(st.text(max_size=300))
def test_a_title_makes_a_name_that_can_be_had_or_none(title: str) -> None:
    slug = slug_of(title)
    if slug is not None:
        assert check_free(Slug.parse(slug)) == slug


@pytest.mark.parametrize("slug", sorted(RESERVED))
def test_reserved_names_are_refused(slug: str) -> None:
    with pytest.raises(FaztError) as raised:
        check_free(slug)
    assert raised.value.code == "CONFLICT"
    assert slug_of(slug) is None


def test_every_name_the_node_uses_itself_is_reserved() -> None:
    assert {"admin", "root", "www", "404", "api", "id", "auth", "login", "status", "localhost", "mail"} <= RESERVED
    assert all(re.fullmatch(Slug.pattern, name) for name in RESERVED)


@pytest.mark.parametrize(
    ("label", "by_id"),
    [
        ("app-0123456789ab", True),
        ("app_0123456789ab", True),
        ("app-0123456789a", False),
        ("app-0123456789abc", False),
        ("app-0123456789al", False),
        ("app-shop", False),
        ("xapp-0123456789ab", False),
        ("app--0123456789ab", False),
    ],
)
def test_the_name_of_an_id_belongs_to_the_id(label: str, by_id: bool) -> None:
    assert is_by_id(label) is by_id
