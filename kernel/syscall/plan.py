"""What a function returns when it wants the world changed or searched: a plan. The driver carries it out.

A function never commits and never waits, so the same function serves an app's thread (which blocks) and the
event loop (which awaits). Plans add up: `a + b` is one atomic batch whose answer is a's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import UNSET, Struct

from kernel.base.errors import FaztError
from kernel.base.tables import Read

T = TypeVar("T", covariant=True)
Item = TypeVar("Item")
Said = TypeVar("Said", bound=Struct)
MOST_SCANNED = 16 << 20


class Touch(NamedTuple):
    """What a step changes of a hot table: one row by its key, or with (table, app) alone any row of the app.

    `row` is what is there afterwards where that is known: its columns, or None where it is gone.
    """

    key: tuple[Any, ...]
    row: Any = UNSET


class Step(NamedTuple):
    """One statement of a batch. When a constraint stops it, `error` is what the caller hears.

    `touches`: what it changes of hot tables. Where nobody says so, it is any row of those its SQL mentions.
    `guard`: carries it out on the writer's connection, instead of the bare SQL.
    `light`: what the guard does is no more than a few statements, and does no harm to who stands beside it.
    `told`: makes the error the caller hears of the one that came of it, as where several plans are one.
    """

    sql: str
    params: Mapping[str, Any]
    error: FaztError | None = None
    touches: tuple[Touch, ...] | None = None
    guard: Callable[[Any], list[Any]] | None = None
    told: Callable[[FaztError], FaztError] | None = None
    light: bool = False


def expect(count: int, error: FaztError) -> Step:
    """A step that fails the batch unless the step before it changed exactly `count` rows."""
    return Step("insert into expect (ok) select 0 where changes() <> :count", {"count": count}, error)


class Write(Generic[T]):
    """Statements to apply as one, and how their rows become the answer (called after COMMIT).

    `known` is the answer where no row decides it: who may not wait can go on with it, though not give it out.
    """

    __slots__ = ("known", "steps", "then")

    def __init__(
        self, steps: Sequence[Step], then: Callable[[list[list[Any]]], T] | None = None, known: Any = UNSET
    ) -> None:
        self.steps, self.then, self.known = tuple(steps), then, known

    def __add__(self, other: Write[Any]) -> Write[T]:
        mine, theirs, count = self.then, other.then, len(self.steps)
        if theirs is None and self.known is not UNSET:
            return Write((*self.steps, *other.steps), mine, self.known)

        def both(rows: list[list[Any]]) -> Any:
            answer = mine(rows[:count]) if mine else None
            if theirs:
                theirs(rows[count:])
            return answer

        known = UNSET if other.known is UNSET else self.known
        return Write((*self.steps, *other.steps), both if mine or theirs else None, known)

    def expect(self, count: int, error: FaztError) -> Write[T]:
        """Only if the last statement changes `count` rows; otherwise nothing of the batch happens."""
        return Write((*self.steps, expect(count, error)), self.then, self.known)

    def giving(self, answer: Callable[[list[list[Any]]], Item]) -> Write[Item]:
        return Write(self.steps, answer)

    def saying(self, answer: Item) -> Write[Item]:
        """With an answer that is known already."""
        return Write(self.steps, lambda _: answer, answer)

    def result(self, rows: list[list[Any]]) -> T | None:
        return self.then(rows) if self.then else None


class Scan(Generic[T]):
    """Reads that may take long: they run in the reader pool, under a budget, in one snapshot.

    `most`: the bytes their rows may have together. `short`: where there are more, the rows just end a little beyond.
    """

    __slots__ = ("most", "reads", "short", "then")

    def __init__(
        self,
        reads: Sequence[tuple[Read, Mapping[str, Any]]],
        then: Callable[[list[list[Any]]], T],
        most: int = MOST_SCANNED,
        short: bool = False,
    ) -> None:
        self.reads, self.then, self.most, self.short = tuple(reads), then, most, short


class Later(Generic[T]):
    """Work that waits for others: the loop awaits it, an app's thread waits for it until its deadline.

    What it gives may be a plan again.
    """

    __slots__ = ("work",)

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self.work = work


class Pieces:
    """Many bytes that are read one piece after another, while they are sent."""

    def __init__(self, size: int, read: Callable[[], Iterator[bytes]]) -> None:
        self.size, self._read = size, read

    def __iter__(self) -> Iterator[bytes]:
        return self._read()


class Parcel(NamedTuple, Generic[Said]):
    """An answer of bytes, with what is said of them. HTTP sends the bytes as this media type, never to be run."""

    about: Said
    data: Any  # bytes; for HTTP also Pieces
    mime: str = "application/octet-stream"


class Page(Struct, Generic[Item]):
    """One page of a list. `meta` says where it stands in the whole."""

    items: list[Item]
    meta: dict[str, Any]


def page(items: list[Item], offset: int, limit: int, total: int) -> Page[Item]:
    more = offset + len(items) < total
    return Page(items, {"offset": offset, "limit": limit, "total": total, "has_more": more})
