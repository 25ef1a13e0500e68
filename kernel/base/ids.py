"""Identifiers: a type prefix and 12 characters of lowercase Crockford base32 (60 random bits).

Lowercase, because an app's id is also a label of its host name.
"""

from __future__ import annotations

import re
import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 12
_BODY = f"[{ALPHABET}]{{{LENGTH}}}"


def new_id(prefix: str) -> str:
    number = secrets.randbits(5 * LENGTH)
    body = "".join(ALPHABET[(number >> shift) & 31] for shift in range(0, 5 * LENGTH, 5))
    return f"{prefix}_{body}"


def is_id(text: str, prefix: str) -> bool:
    return re.fullmatch(f"{prefix}_{_BODY}", text) is not None
