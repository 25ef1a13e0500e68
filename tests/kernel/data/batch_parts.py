"""Capabilities that only the tests of batches have, on the rows of the key-value store."""

from __future__ import annotations

import hashlib

from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.data.kv import KV
from kernel.syscall import Call, Key, Page, Scan, Write, syscall
from kernel.syscall.plan import Later


class Kept(Struct):
    size: int
    digest: str
    mime: str


@syscall("storage.test.put", needs="storage:test", personal=True)
def put(call: Call, key: Key, data: bytes, mime: str = "text/plain") -> Write[Kept]:
    """Keep what is said of bytes."""
    kept = Kept(len(data), hashlib.sha256(data).hexdigest(), mime)
    value = f'"{kept.size} {kept.digest} {mime}"'
    plan = call.store.put(KV, key=key, value=value, expires_at=None, updated_at=call.now)
    return plan.giving(lambda _: kept)


@syscall("storage.test.once", needs="storage:test", alias=("tools.first",))
def first(call: Call, key: Key, *, loud: bool = False) -> Write[int]:
    """Only where the key is free."""
    taken = FaztError("CONFLICT", f"{key} is taken.", "Take another.", key=key)
    value = '"loud"' if loud else '"first"'
    return call.store.insert(KV, conflict=taken, key=key, value=value, updated_at=call.now).saying(1)


@syscall("storage.test.all")
def everything(call: Call, *keys: Key) -> Write[Page[str]]:
    """Any number of keys."""
    plan: Write[None] = Write([])
    for key in keys:
        plan = plan + call.store.put(KV, key=key, value="1", updated_at=call.now)
    return plan.giving(lambda _: Page([str(key) for key in keys], {}))


@syscall("storage.test.outside")
def outside(call: Call) -> Write[None] | Later[None]:
    """Waits for others."""

    async def work() -> None:
        raise AssertionError("nobody may wait for this")

    return Later(work)


@syscall("storage.test.read")
def read(call: Call) -> Scan[int]:
    """Reads."""
    raise AssertionError("nobody may ask for this")


@syscall("storage.test.audited", weight=9)
def audited(call: Call) -> Write[None]:
    """Written down by itself."""
    return Write([])


@syscall("storage.test.owner", role="owner")
def owner(call: Call) -> Write[None]:
    """For the owner only."""
    return Write([])
