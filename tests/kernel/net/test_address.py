"""The path of a request as a site understands it: decoded once, resolved, never out of the site."""

from __future__ import annotations

import random

import pytest

from kernel.base.errors import FaztError
from kernel.net.address import Address, understood

UNDERSTOOD = {
    "/": ("", ""),
    "/a": ("a", ""),
    "/a/": ("a/", ""),
    "/a?b=c": ("a", "b=c"),
    "/a?": ("a", ""),
    "/a?b?c": ("a", "b?c"),
    "/a#b": ("a", ""),
    "/a/./b": ("a/b", ""),
    "/a/../b": ("b", ""),
    "/a/..": ("", ""),
    "/a/b/..": ("a/", ""),
    "/a/.": ("a/", ""),
    "//a//b": ("a/b", ""),
    "/a//": ("a/", ""),
    "///": ("", ""),
    "/%61": ("a", ""),
    "/%2561": ("%61", ""),
    "/a%2Fb": ("a/b", ""),
    "/%2e%2e%2fa/../b": None,
    "/%C3%BC": ("ü", ""),
    "/a+b": ("a+b", ""),
    "/a%20b": ("a b", ""),
    "http://host/a?b": ("a", "b"),
    "http://host": ("", ""),
    "/x?next=https://a.example/b": ("x", "next=https://a.example/b"),
    "/http://a.example/b": ("http:/a.example/b", ""),
    "/a?ü": ("a", "%C3%BC"),
    '/a?"<>': ("a", "%22%3C%3E"),
    "/...": ("...", ""),
    "/.a/..b": (".a/..b", ""),
    "/a;b/..;/c": ("a;b/..;/c", ""),
}


@pytest.mark.parametrize("target", UNDERSTOOD)
def test_what_a_target_means(target: str) -> None:
    wanted = UNDERSTOOD[target]
    if wanted is None:
        with pytest.raises(FaztError):
            understood(target)
    else:
        assert understood(target) == Address(*wanted)


@pytest.mark.parametrize(
    "target", ["/..", "/a/../..", "/%2e%2e/", "/%2E%2E%2Fx", "/%", "/%z", "/%zz", "/a%0", "/%00", "/a%00b"]
)
def test_what_is_no_path_is_refused(target: str) -> None:
    with pytest.raises(FaztError) as refused:
        understood(target)
    assert refused.value.code == "BAD_REQUEST"


def test_an_address_that_is_too_long_is_refused() -> None:
    with pytest.raises(FaztError) as refused:
        understood("/" + "x" * 8192)
    assert refused.value.code == "URI_TOO_LONG"


@pytest.mark.parametrize("target", ["/%ff", "/%C0%AE", "/%ED%A0%80"])
def test_what_no_file_can_be_called_is_none(target: str) -> None:
    assert understood(target) is None


PARTS = [
    "a",
    "..",
    ".",
    "",
    "%2e",
    "%2e%2e",
    "%2f",
    "%5c",
    "\\",
    "%0d%0a",
    "evil.example",
    "%25",
    "ü",
    ";",
    "?",
    "#",
    "%00",
    "/",
]


def test_a_location_is_always_a_path_of_the_same_host() -> None:
    chance = random.Random(5)
    for _ in range(3000):
        target = "/" + "/".join(chance.choices(PARTS, k=chance.randrange(8)))
        try:
            address = understood(target)
        except FaztError:
            continue
        if address is None:
            continue
        assert not {"..", ""} & set(address.path.rstrip("/").split("/")[:-1] or ["x"])
        for to in (address.to(address.path), address.to(address.path + "/"), address.to("//" + address.path)):
            assert to.startswith("/") and not to.startswith(("//", "/\\")), target
            assert not set(to) & set('\r\n\\ "<>')
