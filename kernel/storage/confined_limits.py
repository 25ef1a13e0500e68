"""How much apps' SQL may take: of time, of memory, of the file; and how much it may name."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

import apsw

READERS = 4
READ_SECONDS, WRITE_SECONDS, DEFINE_SECONDS = 5.0, 0.25, 2.0
MOST_ROWS, MOST_BYTES, MOST_MEMORY = 10_000, 16 << 20, 128 << 20
MOST_VALUE = 1 << 20
# memory is counted for the whole process: this much more has who began before another one that still runs
MEMORY_BETWEEN = 16 << 20
# what one statement may make the file grow by
MOST_GROWTH = 64 << 20
# how much a statement may name before it is taken for an attack on whoever prepares it
MOST_LOOKS = 100_000
# SQLite looks at its budget where a statement loops: what stands in one row is bounded when it is prepared. A weight is
# the thousandths of a second that a function may take for a mebibyte; LIKE takes longer the longer its pattern.
WEIGHTS = {"like": 64, "glob": 64}
JSON_WEIGHT = 8
MOST_WEIGHT_READING, MOST_WEIGHT_WRITING = 2048, 300
# Steps of SQLite's machine between two looks. One step may work on a mebibyte; with what is slow at that, LIKE most of
# all, there are fewer steps to a look. Nobody can write while the writer is busy, so it looks more often.
STRIDE, STRIDE_WRITING = 500, 100
HEAVY, HEAVY_WRITING = 16, 4
_HEAVY = re.compile("like|glob|json|trim|replace|instr|printf|format|strftime|random", re.IGNORECASE)
_JOINS = re.compile("natural|using", re.IGNORECASE)
# a function in a row of VALUES: a bracket behind a name or a comment, an operator that is one
_VALUES = re.compile(r"values\s*\(.*?(--|->|like|glob|match|regexp|[^\s,(]\s*\()", re.IGNORECASE | re.DOTALL | re.ASCII)
_COMMENTED = re.compile(r"values\s*(--|/)", re.IGNORECASE | re.ASCII)

# longer statements are looked through each time
SHORT = 8192

# what SQLite itself is told
LIMITS = {
    apsw.SQLITE_LIMIT_LENGTH: MOST_VALUE,
    apsw.SQLITE_LIMIT_SQL_LENGTH: MOST_VALUE,
    apsw.SQLITE_LIMIT_COLUMN: 500,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 400,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    apsw.SQLITE_LIMIT_FUNCTION_ARG: 127,
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 96,
    apsw.SQLITE_LIMIT_VDBE_OP: 250_000,
    apsw.SQLITE_LIMIT_ATTACHED: 0,
    apsw.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
}
LIMITS_WRITING = {**LIMITS, apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 48}


def weight(function: str) -> int:
    return WEIGHTS.get(function, JSON_WEIGHT if function.startswith("json") else 1)


class Words(NamedTuple):
    """What the words of a statement tell; when in doubt, more."""

    heavy: bool  # it may be slow in one row
    joins: bool  # it compares columns that nobody names
    calls: bool  # rows of VALUES call functions


def words(sql: str) -> Words:
    return _words(sql) if len(sql) <= SHORT else _words.__wrapped__(sql)


@functools.lru_cache(1024)
def _words(sql: str) -> Words:
    calls = _VALUES.search(sql) or _COMMENTED.search(sql)
    return Words(_HEAVY.search(sql) is not None, _JOINS.search(sql) is not None, calls is not None)


def stride(heavy: bool, writes: bool) -> int:
    if writes:
        return HEAVY_WRITING if heavy else STRIDE_WRITING
    return HEAVY if heavy else STRIDE
