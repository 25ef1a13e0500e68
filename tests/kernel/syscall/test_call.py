"""One call: who asks, for which app, with what."""

from __future__ import annotations

import pytest

from kernel.base.clock import ManualClock
from kernel.syscall import Who
from kernel.syscall.call import ANONYMOUS, LOCAL, ROLES, Ports

from .support import Nowhere, call


def test_a_call_stands_in_one_moment_however_long_it_lasts() -> None:
    clock = ManualClock(now=5_000)
    asked = call(clock=clock)
    clock.advance(60)
    assert asked.now == 5_000
    assert asked.after(250) == 5_250
    assert asked.after(None) is None


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_at_least_itself_and_everything_below(role: str) -> None:
    asked = call(who=Who(role=role))
    assert [asked.is_at_least(other) for other in ROLES] == [ROLES[role] >= ROLES[other] for other in ROLES]


def test_the_machines_own_user_is_the_owner_and_a_stranger_is_nobody() -> None:
    assert (call(who=LOCAL).is_at_least("owner"), call(who=ANONYMOUS).is_at_least("user")) == (True, False)


def test_the_user_of_a_call_is_whose_rows_it_sees() -> None:
    assert call().user == Nowhere.user


def test_a_thing_of_the_node_is_found_by_its_type() -> None:
    ports = Ports()
    ports.fill(ManualClock(now=1))
    ports.fill("text", kind=object)
    assert call(ports=ports).use(ManualClock).now() == 1
    assert ports.use(object) == "text"
    ports.fill(ManualClock(now=2))
    assert ports.use(ManualClock).now() == 2
    with pytest.raises(KeyError):
        ports.use(Who)


def test_a_call_has_no_room_for_what_nobody_declared() -> None:
    with pytest.raises(AttributeError):
        call().connection = 1  # type: ignore[attr-defined]
