"""`fazt.d.ts`: the types of all that an app's code finds, for the editors and compilers of authors."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kernel.base.errors import FaztError
from kernel.syscall.javascript import declarations_file
from kernel.syscall.registry import Entry

GUEST_TYPES = Path(__file__).parent / "guest" / "guest.d.ts"


def declarations(entries: Iterable[Entry]) -> str:
    try:
        guest = GUEST_TYPES.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FaztError(
            "INTERNAL_ERROR", "The types of the program are missing.", "In a checkout: scripts/guest."
        ) from None
    return declarations_file(entries, guest)
