"""What an app may keep altogether."""

from __future__ import annotations

from kernel.syscall import Call


def room(call: Call, more: int) -> None:
    """Refuse what the app has no room for."""
