"""What copies of the file are called: when each was made, and why. Their names sort as they were made."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

DAILY, MANUAL, PRE_MIGRATION = "daily", "manual", "pre-migration"
_NAME = re.compile(r"data-(\d{8}T\d{6})\.(\d{3})Z-([a-z][a-z-]{0,30}[a-z])\.db")


class Kept(NamedTuple):
    """A copy, by its name: when it was made, and why."""

    name: str
    at: int
    kind: str
    bytes: int


def name_of(at: int, kind: str) -> str:
    return f"data-{moment(at):%Y%m%dT%H%M%S}.{at % 1000:03}Z-{kind}.db"


def kept_of(name: str, size: int) -> Kept | None:
    """What a name says; None if it is not that of a copy."""
    named = _NAME.fullmatch(name)
    if not named:
        return None
    try:
        made = datetime.strptime(named[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Kept(name, int(made.timestamp()) * 1000 + int(named[2]), named[3], size)


def found_in(folder: Path) -> list[Kept]:
    """The copies there, the newest first."""
    files = [path for path in folder.glob("data-*.db") if path.is_file()] if folder.is_dir() else []
    found = [kept for path in files if (kept := kept_of(path.name, path.stat().st_size))]
    return sorted(found, key=lambda kept: (kept.at, kept.name), reverse=True)


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1000, UTC)
