"""What `Intl` of JavaScript asks the host for: the words and patterns of languages, plurals, time zones.

JavaScript asks once for each formatter and writes numbers and dates itself. Languages come from Babel, which is loaded
when the first app asks. Answers are kept, as JSON; so are a few languages, each of which takes a megabyte.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from kernel.base.errors import FaztError

MOST_ARGUMENT = 16 << 10
MOST_ANSWERS = 1024


def intl(op: str, arg: str | bytes) -> str:
    if len(arg) > MOST_ARGUMENT:
        raise FaztError("INVALID_ARGUMENT", f"{op}: the argument is too long.")
    return _answer(op, arg if isinstance(arg, bytes) else arg.encode())


@lru_cache(maxsize=MOST_ANSWERS)
def _answer(op: str, arg: bytes) -> str:
    work = _work(op)
    try:
        told = msgspec.json.decode(arg, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FaztError("INVALID_ARGUMENT", f"{op}: {error}") from error
    try:
        return msgspec.json.encode(work(told)).decode()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, ArithmeticError) as error:
        raise FaztError("INVALID_ARGUMENT", f"{op}: these options are not understood.") from error


def out_of_range(message: str) -> FaztError:
    return FaztError("INVALID_ARGUMENT", message, name="RangeError")


def _work(op: str) -> Callable[[dict[str, Any]], Any]:
    if op in ("intl.zone", "intl.offset"):
        from kernel.runtime import intl_zones

        return intl_zones.OPS[op]
    from kernel.runtime import intl_dates, intl_numbers, intl_words

    work = (intl_numbers.OPS | intl_dates.OPS | intl_words.OPS).get(op)
    if work is None:
        raise FaztError("INVALID_ARGUMENT", f"There is no {op[:40]}.")
    return work
