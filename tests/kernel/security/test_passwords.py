"""Passwords: Argon2id in a pool of two, fifty may wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from kernel.base.errors import FaztError
from kernel.security.passwords import Password, Passwords


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(memory_kib=8, rounds=1)
    yield made
    made.close()


async def test_the_price_of_a_hash() -> None:
    """19 MiB, two rounds, one lane (specs/decisions C73)."""
    made = Passwords()
    try:
        parameters = extract_parameters(await made.hash("correct horse"))
    finally:
        made.close()
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19 * 1024, 2, 1)


async def test_a_hash_has_its_own_salt(passwords: Passwords) -> None:
    one, two = await passwords.hash("correct horse"), await passwords.hash("correct horse")
    assert one != two and "correct horse" not in one
    assert await passwords.verify("correct horse", one) and await passwords.verify("correct horse", two)


@pytest.mark.parametrize("hashed", [None, "", "x", "$argon2id$", "$2b$12$" + "x" * 53, "correct horse", "\x00"])
async def test_nothing_fits_what_is_no_hash(passwords: Passwords, hashed: str | None) -> None:
    assert await passwords.verify("correct horse", hashed) is False
    assert await passwords.verify("nobody has this password", hashed) is False


async def test_a_hash_of_another_price_still_fits(passwords: Passwords) -> None:
    dearer = Passwords(memory_kib=16, rounds=2)
    try:
        kept = await dearer.hash("correct horse")
    finally:
        dearer.close()
    assert await passwords.verify("correct horse", kept)


async def test_fifty_may_wait(passwords: Passwords) -> None:
    held, running, most = threading.Event(), 0, 0
    guard = threading.Lock()

    def slow(password: str, hashed: str | None) -> bool:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        held.wait(30)
        with guard:
            running -= 1
        return True

    passwords._verify = slow  # type: ignore[method-assign]
    waiting = [asyncio.ensure_future(passwords.verify("x", None)) for _ in range(50)]
    await asyncio.sleep(0)
    try:
        for work in (passwords.verify("x", None), passwords.hash("x")):
            with pytest.raises(FaztError) as raised:
                await work
            assert (raised.value.code, raised.value.details["retry_after"]) == ("SERVICE_UNAVAILABLE", 2)
    finally:
        held.set()
    assert all(await asyncio.gather(*waiting))
    assert most == 2, "more at once than the memory is for"
    assert await passwords.verify("x", None)


async def test_who_gives_up_makes_room(passwords: Passwords) -> None:
    held = threading.Event()
    passwords._verify = lambda password, hashed: held.wait(30)  # type: ignore[method-assign]
    waiting = [asyncio.ensure_future(passwords.verify("x", None)) for _ in range(50)]
    await asyncio.sleep(0)
    try:
        for task in waiting[10:]:
            task.cancel()
        await asyncio.gather(*waiting[10:], return_exceptions=True)
        another = asyncio.ensure_future(passwords.verify("x", None))
        await asyncio.sleep(0)
        assert not another.done()
    finally:
        held.set()
    assert await another


@pytest.mark.parametrize("password", ["12345678", " " * 8, "\x00" * 8, "é" * 8, "x" * 1024, "😀" * 1024, "\n" * 8])
def test_a_password_is_of_any_kind(password: str) -> None:
    assert Password.parse(password) == password


@pytest.mark.parametrize(
    "password", ["", "1234567", "😀" * 7, "x" * 1025, "\ud800" * 8, 12345678, None, b"12345678", []]
)
def test_what_is_no_password(password: object) -> None:
    with pytest.raises(ValueError) as raised:
        Password.parse(password)
    assert "1234567" not in str(raised.value)


def test_a_password_is_not_shown() -> None:
    assert "correct horse" not in repr(Password("correct horse")) + repr([Password("correct horse")])
