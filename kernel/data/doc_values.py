"""What a document is: an object with an id, small enough, its numbers as JavaScript has them."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

import msgspec

from kernel.base.errors import FaztError
from kernel.base.json import decode, encode, plain
from kernel.base.text import MAX_DEPTH, check_json
from kernel.data.doc_functions import is_number, number
from kernel.data.doc_paths import COLUMNS
from kernel.data.doc_tables import MOST_BYTES
from kernel.syscall.words import Key, Line

_OWN = frozenset(COLUMNS)
# whole numbers this long may lie beyond 2^53; what stands behind a point may be longer
_LONG_NUMBER = re.compile(rb"(?<![.\d])\d{16}")
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")
# of texts that begin with $ only keys matter, but where there is none no key has to be looked at
_SIGN = b'"$'
_VARIANT = {digit: "89ab"[at % 4] for at, digit in enumerate("0123456789abcdef")}
_encode_lines = msgspec.json.Encoder(enc_hook=plain).encode_lines
# as JavaScript writes numbers: with an exponent from here on, and below one millionth
_PLAIN_BELOW, _PLAIN_FROM = 21, -7


class Collection(Line):
    """The name of a collection."""

    least = 1
    most = 64
    pattern = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
    explain = "must be letters, digits, `_`, `.` and `-`, at most 64, the first a letter, a digit or `_`"


class Document(NamedTuple):
    """A document as it is stored."""

    id: str
    text: str
    size: int
    value: dict[str, Any]


def document(given: Any, most: int) -> Document:
    """A document from outside, whose depth and text were looked at; INVALID_ARGUMENT says what is wrong."""
    if not isinstance(given, dict):
        raise wrong("doc", "a document is an object")
    id = given.get("id")
    id = fresh_id() if id is None else new_id(id)
    if not _OWN.isdisjoint(given):
        given = {key: value for key, value in given.items() if key not in _OWN}
    text = encode(given)
    if _SIGN in text:
        _check_keys(given)
    if _may_be_long(text):
        given = numbered(given)
        text = encode(given)
    if len(text) > most:
        raise too_big(most)
    return Document(id, text.decode(), len(text), given)


def documents(given: Any, most: int) -> list[Document]:
    """One or several; an id that is given twice is refused."""
    if not isinstance(given, list):
        return [document(given, most)]
    made = _at_once(given, most) or [document(one, most) for one in given]
    if len({one.id for one in made}) < len(made):
        seen: set[str] = set()
        for one in made:
            if one.id in seen:
                raise taken(one.id)
            seen.add(one.id)
    return made


def _at_once(given: list[Any], most: int) -> list[Document] | None:
    """Many documents in few steps; None where one of them has to be looked at."""
    ids, bare = [], []
    for one in given:
        if type(one) is not dict:
            return None
        id = None
        if not _OWN.isdisjoint(one):
            id, one = one.get("id"), one.copy()
            for name in COLUMNS:
                one.pop(name, None)
        ids.append(fresh_id() if id is None else new_id(id))
        bare.append(one)
    lines = _encode_lines(bare)
    if _SIGN in lines or _may_be_long(lines):
        return None
    texts = lines.split(b"\n")
    if max(map(len, texts)) > most:
        return None
    return [Document(id, text.decode(), len(text), value) for id, text, value in zip(ids, texts, bare, strict=False)]


def _check_keys(given: dict[str, Any]) -> None:
    """A key that begins with $ could be neither asked for nor changed, and given back it would be an operator."""
    for key in given:
        if key.startswith("$"):
            raise wrong("doc", f"the key {key[:64]} of a document begins with $, as only operators do")


def _may_be_long(text: bytes) -> bool:
    """Might there be a whole number beyond 2^53 in it?"""
    # nearly always no, and then found out without looking at every sign in turn
    return b"0" * 16 in text.translate(_DIGITS_ALIKE) and _LONG_NUMBER.search(text) is not None


def fresh_id() -> str:
    """A UUID of version 4."""
    h = os.urandom(16).hex()
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:]}"


def new_id(given: Any) -> str:
    """The id a document brings along."""
    if type(given) is str and 0 < len(given) <= Key.most // 4 and given.isascii() and given.isprintable():
        return given
    id = id_text(given)
    if id is None:
        raise wrong("id", "an id is a text or a number")
    try:
        return str(Key.parse(id))
    except ValueError as error:
        raise wrong("id", f"an id {error}") from None


def id_text(given: Any) -> str | None:
    """The id that a text or a number stands for."""
    if isinstance(given, str):
        return str(given)
    return number_text(given) if is_number(given) else None


def number_text(value: int | float) -> str:
    """As JavaScript writes it."""
    try:
        value = number(value)
    except ValueError as error:
        raise wrong("id", f"an id {error}") from None
    if isinstance(value, int):
        return str(value)
    mantissa, _, exponent = f"{value!r}e".rstrip("e").partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    # where the point stands in the digits
    point = len(whole) + int(exponent or 0)
    digits = (whole + fraction).rstrip("0")
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.lstrip("0")
    if not digits:
        return "0"
    if 0 < point <= _PLAIN_BELOW:
        shown = digits.ljust(point, "0")
        return sign + shown[:point] + ("." + shown[point:] if len(shown) > point else "")
    if _PLAIN_FROM < point - 1 < 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def numbered(value: Any, field: str = "doc") -> Any:
    """The value with every whole number beyond 2^53 as the double JavaScript makes of it."""
    if isinstance(value, dict):
        return {key: numbered(item, field) for key, item in value.items()}
    if isinstance(value, list):
        return [numbered(item, field) for item in value]
    if not is_number(value):
        return value
    try:
        return number(value)
    except ValueError as error:
        raise wrong(field, f"a number {error}") from None


def written(value: dict[str, Any], most: int) -> bytes:
    """The text of a document that has been changed; INVALID_ARGUMENT or LIMIT_EXCEEDED where it has become none."""
    text = encode(value)
    if len(text) > most:
        raise too_big(most)
    # so few brackets cannot be nested too deep
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH:
        try:
            check_json(value)
        except (ValueError, RecursionError) as error:
            raise wrong("doc", f"a document {error}") from None
    return text


def shown(id: str, text: str, created_at: int, updated_at: int) -> str:
    """The JSON of a document as it is given out."""
    between = "," if len(text) > 2 else ""
    quoted = f'"{id}"' if id.isalnum() else encode(id).decode()
    return f'{text[:-1]}{between}"id":{quoted},"_createdAt":{created_at},"_updatedAt":{updated_at}}}'


def as_given(text: str) -> dict[str, Any]:
    value: dict[str, Any] = decode(text)
    return value


def taken(id: str) -> FaztError:
    return FaztError(
        "CONFLICT", f"There is already a document with the id {id}.", "Update it, or take another id.", id=id
    )


def too_big(most: int) -> FaztError:
    return FaztError(
        "LIMIT_EXCEEDED",
        f"doc: a document may have {most} bytes as JSON.",
        "Split it, or keep large content as a blob.",
        field="doc",
        limit=MOST_BYTES.name,
        most=most,
    )


def wrong(field: str, why: str) -> FaztError:
    return FaztError("INVALID_ARGUMENT", f"{field}: {why}.", field=field)
