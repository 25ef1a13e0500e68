"""Identifiers: a type prefix and 12 characters of lowercase Crockford base32 (60 random bits).

Lowercase, because an app's id is also a label of its host name.
"""

from __future__ import annotations

import re
import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 12
_BODY = f"[{ALPHABET}]{{{LENGTH}}}"
# every request gets one: two characters at a time
_PAIRS = [one + other for one in ALPHABET for other in ALPHABET]
_SHIFTS = tuple(range(0, 5 * LENGTH, 10))


def new_id(prefix: str) -> str:
    number = secrets.randbits(5 * LENGTH)
    return f"{prefix}_{''.join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])}"


def is_id(text: str, prefix: str) -> bool:
    return re.fullmatch(f"{prefix}_{_BODY}", text) is not None
