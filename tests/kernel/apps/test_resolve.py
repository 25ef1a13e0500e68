"""Which app a label means, and which target of a split a visitor gets."""

from __future__ import annotations

import collections
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.apps.resolve import NONE, Choice, Target, leads_to, pick, resolve
from tests.support import Running


@pytest.fixture
async def named(running: Running) -> dict[str, str]:
    """A node with names of every kind; the ids of its apps."""
    apps = {slug: (await running.run("apps.create", slug=slug)).id for slug in ("shop", "blog", "attic")}
    for method, path, body in (
        ("POST", "/aliases", {"subdomain": "store", "app": "shop"}),
        ("PUT", "/aliases/docs", {"url": "https://example.com/*", "status": 301}),
        ("POST", "/aliases/kept/reserve", {}),
        ("POST", "/aliases/both/split", {"ids": ["shop:1", "blog:3", "attic:4"]}),
        ("POST", "/aliases/one/split", {"ids": ["shop:5", "attic:0"]}),
        ("PUT", "/root", {"app": "blog"}),
    ):
        assert (await running.ask(method, f"/api{path}", key="*", body=body)).status < 300
    return apps


def at(running: Running, label: str) -> Target:
    return resolve(running.node.store, label)


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        ("shop", ("app", "shop", None)),
        ("store", ("app", "shop", None)),
        ("root", ("app", "blog", None)),
        ("app-{shop}", ("app", "shop", None)),
        ("0123456789ab--shop", ("app", "shop", "rel_0123456789ab")),
        ("0123456789ab--store", ("app", "shop", "rel_0123456789ab")),
        ("0123456789ab--app-{blog}", ("app", "blog", "rel_0123456789ab")),
        ("0123456789ab--root", ("app", "blog", "rel_0123456789ab")),
        ("docs", ("redirect", "", None)),
        ("kept", None),
        ("nothere", None),
        ("admin", None),
        ("app-000000000000", None),
        ("", None),
        ("--shop", None),
        ("0123456789ab--", None),
        ("0123456789ab--nothere", None),
        ("0123456789ab--kept", None),
        ("0123456789ab--docs", None),
        ("0123456789ab--both", None),
        ("0123456789ab--0123456789ab--shop", None),
        ("0123456789a--shop", None),
        ("0123456789abc--shop", None),
        ("0123456789al--shop", None),
        ("0123456789AB--shop", None),
        ("xn--shop", None),
        ("shop ", None),
        ("SHOP", None),
        ("' or 1=1 --", None),
        ("x" * 5000, None),
    ],
)
async def test_what_a_label_means(running: Running, named: dict[str, str], label: str, meant: Any) -> None:
    short = {slug: id.removeprefix("app_") for slug, id in named.items()}
    found = at(running, label.format(**short))
    if meant is None:
        assert found == NONE
    else:
        assert found[:3] == (meant[0], named.get(meant[1], ""), meant[2])


async def test_a_redirect_says_where_to(running: Running, named: dict[str, str]) -> None:
    found = at(running, "docs")
    assert (found.url, found.status) == ("https://example.com/*", 301)


async def test_a_split_offers_what_somebody_can_get(running: Running, named: dict[str, str]) -> None:
    assert at(running, "both").choices == (
        Choice(named["shop"], None, 1),
        Choice(named["blog"], None, 3),
        Choice(named["attic"], None, 4),
    )
    assert at(running, "one").choices == (Choice(named["shop"], None, 5),)


async def test_a_deleted_app_is_nowhere_until_it_comes_back(running: Running, named: dict[str, str]) -> None:
    id = named["shop"]
    labels = ["shop", "store", id.replace("_", "-"), "0123456789ab--shop", "one"]
    before = [at(running, label) for label in labels]
    await running.run("apps.delete", app="shop")
    assert [at(running, label) for label in labels] == [NONE] * len(labels)
    assert [choice.app for choice in at(running, "both").choices] == [named["blog"], named["attic"]]
    await running.run("apps.restore", app=id)
    assert [at(running, label) for label in labels] == before


async def test_apps_that_are_gone_for_ever_leave_a_split(running: Running, named: dict[str, str]) -> None:
    for slug in ("shop", "blog", "attic"):
        await running.run("apps.delete", app=slug, purge=True, confirm=slug)
    assert [at(running, label) for label in ("both", "one", "root", "shop")] == [NONE] * 4


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("PUT /aliases/shop", {"app": "blog"}),
        ("POST /aliases/swap", {"alias1": "shop", "alias2": "blog"}),
        ("POST /aliases/shop/reserve", {}),
        ("DELETE /aliases/shop", None),
        ("PUT /root", {"none": True}),
        ("POST /aliases", {"subdomain": "new", "app": "shop"}),
        ("DELETE /apps/shop", None),
        ("PUT /apps/shop", {"status": "stopped"}),
        ("POST /apps/shop/rename", {"slug": "new"}),
        ("POST /apps/shop/fork", {}),
    ],
)
async def test_every_change_of_what_visitors_see_is_told(
    running: Running, named: dict[str, str], path: str, body: Any
) -> None:
    before = running.node.store.generation
    method, where = path.split()
    assert (await running.ask(method, f"/api{where}", key="*", body=body)).status < 300
    assert running.node.store.generation > before


# --- picking


NAMES = st.integers(1, 10**6)
CHOICES = st.lists(NAMES, min_size=1, max_size=10).map(
    lambda weights: [Choice(f"app_{n:012}", "rel_0123456789ab" if n % 2 else None, w) for n, w in enumerate(weights)]
)
TEXTS = st.text(max_size=50)


@given(CHOICES, TEXTS, TEXTS, st.none() | TEXTS)
def test_the_same_visitor_gets_the_same(choices: list[Choice], address: str, agent: str, cookie: str | None) -> None:
    first = pick(choices, cookie, address, agent)
    assert first in choices
    assert pick(choices, cookie, address, agent) == first
    assert first is not None and pick(choices, first.name, "another", "one") == first


@given(CHOICES, TEXTS)
def test_a_cookie_of_nothing_is_no_cookie(choices: list[Choice], address: str) -> None:
    wanted = pick(choices, None, address, "")
    for cookie in ("", "app_", "app_zzzzzzzzzzzz", choices[0].name + "@", choices[0].name.upper() + "x"):
        assert pick(choices, cookie, address, "") == wanted


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=5).filter(any), st.integers(0, 1 << 20))
def test_of_many_visitors_each_target_gets_its_share(weights: list[int], start: int) -> None:
    choices = [Choice(f"app_{n:012}", None, weight) for n, weight in enumerate(weights)]
    visitors = 3000
    got = collections.Counter(
        pick(choices, None, f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}", "Agent/1.0")
        for n in range(start, start + visitors)
    )
    for choice in choices:
        share = choice.weight / sum(weights)
        # five standard deviations
        assert abs(got[choice] - visitors * share) <= 5 * (visitors * share * (1 - share)) ** 0.5


def test_a_weight_of_nothing_gets_nobody() -> None:
    shop, blog = Choice("app_shop", None, 0), Choice("app_blog", None, 1)
    assert pick([shop, blog], "app_shop", "1.2.3.4", "x") == blog
    assert pick([shop], None, "1.2.3.4", "x") is None
    assert pick([], "app_shop", "1.2.3.4", "x") is None


def test_releases_of_one_app_are_told_apart() -> None:
    old, new = Choice("app_shop", "rel_old", 1), Choice("app_shop", None, 1)
    assert pick([old, new], "app_shop@rel_old", "", "") == old
    assert pick([old, new], "app_shop", "", "") == new


@pytest.mark.parametrize(
    ("url", "path", "query", "wanted"),
    [
        ("https://example.com/", "/a/b", "c=d", "https://example.com/"),
        ("https://example.com/*", "/", "", "https://example.com/"),
        ("https://example.com/*", "/a/b", "c=d", "https://example.com/a/b?c=d"),
        ("https://example.com/docs/*", "a b/ä%?#", "", "https://example.com/docs/a%20b/%C3%A4%25%3F%23"),
        ("https://example.com/*", "/a\r\nSet-Cookie: x=1", "", "https://example.com/a%0D%0ASet-Cookie:%20x=1"),
        ("https://example.com/*", "/\\evil.example", "", "https://example.com/%5Cevil.example"),
        ("https://example.com/*", "//evil.example/x", "", "https://example.com/evil.example/x"),
        ("https://example.com/*", "/@evil.example", "", "https://example.com/@evil.example"),
    ],
)
def test_where_a_redirect_leads(url: str, path: str, query: str, wanted: str) -> None:
    assert leads_to(url, path, query) == wanted
