"""What apps' SQL may name: functions, tables of functions, and the names that tables have in the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TABLE = "rd_"
INDEX = "rdx_"
# what a WITH clause names: no table of the file is called so, which lets the authorizer tell them apart
CTE = "rdc_"
TABLE_FUNCTIONS = frozenset({"json_each", "json_tree"})

# Not there: what tells of other statements (changes, last_insert_rowid), what leaves the file, and what may work for
# minutes without SQLite looking at its budget (json_patch, unhex with two arguments, percentile).
_FUNCTIONS = """
abs avg ceil ceiling char coalesce concat concat_ws count cume_dist current_date current_time current_timestamp date
datetime dense_rank exp first_value floor format glob group_concat hex ifnull iif instr json json_array
json_array_length json_error_position json_extract json_group_array json_group_object json_insert json_object
json_quote json_remove json_replace json_set json_type json_valid julianday lag last_value lead length like likely
ln log log10 log2 lower ltrim max min mod nth_value ntile nullif octet_length percent_rank pi pow power printf quote
radians degrees random randomblob rank replace round row_number rtrim sign sin cos tan asin acos atan atan2 sqrt
strftime string_agg substr substring sum time timediff total trim trunc typeof unicode unixepoch unlikely upper
zeroblob -> ->>"""
FUNCTIONS = frozenset(_FUNCTIONS.split())


def physical(app: str, table: str) -> str:
    return f"{TABLE}{app}_{table}"


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def instr(hay: Any, needle: Any) -> int | None:
    if hay is None or needle is None:
        return None
    if isinstance(hay, bytes) and isinstance(needle, bytes):
        return hay.find(needle) + 1
    return _text(hay).find(_text(needle)) + 1


def replace(text: Any, old: Any, new: Any) -> str | None:
    if text is None or old is None or new is None:
        return None
    whole, old, new = _text(text), _text(old), _text(new)
    if not old:
        return whole
    if len(whole) + whole.count(old) * max(0, len(new) - len(old)) > 1 << 20:
        raise ValueError("string or blob too big")
    return whole.replace(old, new)


def _trimmed(left: bool, right: bool) -> Callable[..., str | None]:
    def trim(text: Any, what: Any = " ") -> str | None:
        if text is None or what is None:
            return None
        # not `strip`, which looks through all of `what` for every character
        whole, there = _text(text), frozenset(_text(what))
        start, end = 0, len(whole)
        while left and start < end and whole[start] in there:
            start += 1
        while right and end > start and whole[end - 1] in there:
            end -= 1
        return whole[start:end]

    return trim


# These take as long as the product of their arguments in SQLite, and nothing stops them meanwhile.
OWN: dict[str, Callable[..., Any]] = {
    "rd_instr": instr,
    "rd_replace": replace,
    "rd_trim": _trimmed(True, True),
    "rd_ltrim": _trimmed(True, False),
    "rd_rtrim": _trimmed(False, True),
}
# how many arguments they take
TAKES = {"rd_instr": (2,), "rd_replace": (3,), "rd_trim": (1, 2), "rd_ltrim": (1, 2), "rd_rtrim": (1, 2)}
MAPPED = {name.removeprefix("rd_"): name for name in OWN}
ALLOWED = FUNCTIONS - MAPPED.keys() | OWN.keys()
