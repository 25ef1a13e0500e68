"""JSON out of Fazt: the words of signatures are subclasses of text and numbers and leave as such."""

from __future__ import annotations

from typing import Any

import msgspec


def plain(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


encode = msgspec.json.Encoder(enc_hook=plain).encode
decode = msgspec.json.decode


def to_text(value: Any) -> str:
    return encode(value).decode()
