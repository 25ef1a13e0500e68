"""A part of a node that exists only here: what every door must show without being told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.base.tables import Migration, Read, Remove, Table
from kernel.syscall import Call, Duration, Json, Key, Limit, Line, Page, Scan, Secret, Upload, Write, syscall

THINGS = Table("scratch_things", ("name", "value"), key=("name",))
MIGRATIONS = (
    Migration(
        "scratch_0001",
        """
create table scratch_things (app_id text not null, user_id text not null default '', name text not null,
  value integer not null, created_at integer not null, primary key (app_id, user_id, name)) strict, without rowid""",
    ),
)
ALL = Read("select name, value from {scratch_things} where value >= :least order by name limit :limit")
DROP = Remove(THINGS, where="name = :name")


class Thing(Struct):
    name: str
    value: int


class Settings(Struct, forbid_unknown_fields=True):
    """The config object of `scratch.configure`."""

    title: Line
    size: int = 3
    tags: list[Line] = []


@syscall("scratch.greet", needs="scratch:greet", http="GET /api/scratch/greet/{name}", cli="scratch greet <name>")
def greet(call: Call, name: Line, *, loud: bool = False) -> str:
    """Say hello to somebody."""
    return f"HELLO {name.upper()}" if loud else f"Hello {name}"


@syscall("scratch.keep", needs="scratch:keep", http="POST /api/apps/{app}/things -> 201", cli="scratch keep <name>")
def keep(call: Call, name: Key, *, value: int = 1, max_age: Duration | None = None) -> Write[Thing]:
    """Keep a thing of an app."""
    return call.store.put(THINGS, name=name, value=value).giving(lambda _: Thing(name, value))


@syscall("scratch.find", http="GET /api/apps/{app}/things", cli="scratch find")
def find(call: Call, *, least: int = 0, limit: Limit = 20) -> Scan[Page[Thing]]:
    """The things of an app."""
    wanted = {"least": least, "limit": limit}
    return call.store.scan((ALL, wanted), then=lambda rows: Page([Thing(*row) for row in rows[0]], {"limit": limit}))


@syscall("scratch.drop", http="DELETE /api/apps/{app}/things/{name} -> 204", cli="scratch drop <name>", weight=8)
def drop(call: Call, name: Key) -> Write[None]:
    """Drop a thing, if there is one."""
    return call.store.do(DROP, name=name).expect(1, FaztError("NOT_FOUND", f"No thing called {name}."))


@syscall("scratch.weigh", http="POST /api/scratch/weigh", cli="scratch weigh <data>")
def weigh(call: Call, data: bytes, unit: Literal["B", "KB"] = "B", *, plus: int = 0) -> int:
    """How much some bytes weigh."""
    return len(data) // (1024 if unit == "KB" else 1) + plus


@syscall("scratch.upload", http="POST /api/scratch/upload", cli="scratch upload <file>", js=False)
def upload(call: Call, file: Upload, *, note: Line = Line("")) -> dict[str, Any]:
    """Take a file."""
    return {"name": file.name, "bytes": len(file.data), "note": note}


@syscall("scratch.join", http="POST /api/scratch/join", cli="scratch join <words?>")
def join(call: Call, *words: Line) -> str:
    """Put words together."""
    return "+".join(words)


@syscall("scratch.configure", http="PUT /api/scratch/config", cli="scratch configure <config>")
def configure(call: Call, config: Settings) -> Settings:
    """Take a config object."""
    return config


@syscall("scratch.later", http="POST /api/scratch/later", cli="scratch later <value>")
async def later(call: Call, value: Json) -> Json:
    """Give a value back in a while."""
    await call.clock.sleep(60)
    return value


@syscall("scratch.count", http="GET /api/scratch/count/{to}", cli="scratch count <to>")
async def count(call: Call, to: Limit) -> AsyncIterator[int]:
    """Count from one, and fail at thirteen."""
    for number in range(1, to + 1):
        if number == 13:
            raise FaztError("CONFLICT", "Thirteen is not a number.", "Count less.")
        yield number


@syscall("scratch.lock", role="owner", cli="scratch lock <door> <code>", js=False, weight=9)
def lock(call: Call, door: Line, code: Secret) -> Write[None]:
    """Lock a door with a code that nobody may read anywhere."""
    return Write(())
