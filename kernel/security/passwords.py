"""Passwords: Argon2id in a small pool, so that a storm of sign-ins neither eats the memory nor stops the loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from kernel.base.errors import FaztError
from kernel.syscall.words import Secret

WORKERS = 2
MOST_WAITING = 50


class Password(Secret):
    """A password to be set or checked: 8 to 1024 characters of any kind."""

    most = 1024

    @classmethod
    def parse(cls, value: object) -> Password:
        text = super().parse(value)
        if len(text) < 8:
            raise ValueError("must have at least 8 characters")
        return text


class Passwords:
    def __init__(self, memory_kib: int = 19 * 1024, rounds: int = 2) -> None:
        self._hasher = PasswordHasher(time_cost=rounds, memory_cost=memory_kib, parallelism=1)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="fazt-password")
        self._waiting = 0
        # verified against when there is no such user, so that both answers take the same time
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        return str(await self._run(self._hasher.hash, password))

    async def verify(self, password: str, hashed: str | None) -> bool:
        return bool(await self._run(self._verify, password, hashed))

    def _verify(self, password: str, hashed: str | None) -> bool:
        if self._nobody is None:
            self._nobody = self._hasher.hash("nobody has this password")
        try:
            return self._hasher.verify(hashed or self._nobody, password) and bool(hashed)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: object, *arguments: object) -> object:
        if self._waiting >= MOST_WAITING:
            raise FaztError(
                "SERVICE_UNAVAILABLE",
                "Too many people sign in at this moment.",
                "Try again in a moment.",
                retry_after=2,
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)  # type: ignore[arg-type]
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
