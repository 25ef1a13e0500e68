"""Which requests are tried on the event loop itself."""

from __future__ import annotations

import pytest

from kernel.runtime.incoming import Incoming
from kernel.runtime.quick import FIRST_WAIT, FORGIVEN_EACH, MOST_ROUTES, MOST_WAIT, MOST_WRONG, Routes, route_of


def runs(routes: Routes, route: str = "GET a") -> int:
    """How many quick runs on threads it takes until the route may be tried."""
    for count in range(2 * MOST_WAIT):
        if routes.may_try(route):
            return count
        routes.learned(route, waited=False, slow=False)
    raise AssertionError("never")


def test_a_route_is_known_before_it_is_tried() -> None:
    routes = Routes()
    assert not routes.may_try("GET a")
    assert runs(routes) == 1
    assert not routes.may_try("GET b")


def test_what_waits_or_is_slow_is_not_tried_for_a_while() -> None:
    routes = Routes()
    runs(routes)
    routes.learned("GET a", waited=False, slow=True)
    assert not routes.may_try("GET a") and 1 <= runs(routes) < FIRST_WAIT
    routes.learned("GET a", waited=True, slow=False)
    assert runs(routes) == FIRST_WAIT
    for _ in range(1000):
        routes.learned("GET a", waited=False, slow=True)
    assert runs(routes) == FIRST_WAIT


def test_each_try_that_failed_makes_the_next_one_later() -> None:
    routes, waits = Routes(), list[int]()
    for _ in range(MOST_WRONG - 1):
        routes.failed("GET a")
        waits.append(runs(routes))
    assert waits == sorted(waits) and waits[0] >= FIRST_WAIT and waits[-1] <= MOST_WAIT
    for _ in range(50):
        routes.failed("GET a")
    assert routes.wait["GET a"] == MOST_WAIT


def test_an_app_that_fails_often_is_not_tried_until_it_is_forgiven() -> None:
    routes = Routes()
    runs(routes)
    for number in range(MOST_WRONG):
        assert routes.may_try("GET a")
        routes.failed(f"GET x{number}")
    assert not routes.may_try("GET a")
    for _ in range(FORGIVEN_EACH - 1):
        routes.held()
    assert not routes.may_try("GET a")
    routes.held()
    assert routes.may_try("GET a")


def test_invented_addresses_neither_pile_up_nor_stop_others() -> None:
    routes = Routes()
    for number in range(10 * MOST_ROUTES):
        routes.learned(f"GET {number}", waited=False, slow=False)
        assert len(routes.wait) <= MOST_ROUTES
    assert runs(routes) == 1


@pytest.mark.parametrize(
    ("method", "url", "route"),
    [
        ("GET", "http://a/api", "GET "),
        ("GET", "http://a/api/", "GET "),
        ("GET", "http://a/api?x=/api/b/c", "GET "),
        ("POST", "http://a/api/users/7?x=1", "POST users"),
        ("GET", "http://a/api/users?x=1/2", "GET users"),
        ("GET", "http://a/api//users", "GET "),
        ("GET", "/api/users", "GET "),
        ("", "", " "),
    ],
)
def test_names_of_routes(method: str, url: str, route: str) -> None:
    assert route_of(Incoming("r", method, url, [])) == route


def test_a_route_has_a_short_name() -> None:
    assert len(route_of(Incoming("r", "GET", "http://a/api/" + "x" * 10_000, []))) == 100
