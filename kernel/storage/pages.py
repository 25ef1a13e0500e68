"""SQLite's opinion of every page and row of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw

from kernel.storage.connection import open_reader

# steps of SQLite's machine between two looks whether anybody still wants to know
STRIDE = 100_000


def damaged(path: Path, wanted: Callable[[], bool], most: int) -> list[str]:
    """What is wrong with them, beside whoever works on the file; nothing is also said when nobody wanted to wait."""
    connection = open_reader(path)
    connection.set_progress_handler(lambda: not wanted(), STRIDE)
    try:
        found = [str(row[0]) for row in connection.execute(f"pragma quick_check({most})")]
        return [] if found == ["ok"] else [line.replace("\n", " ") for line in found]
    except apsw.InterruptError:
        return []
    except (apsw.Error, UnicodeDecodeError) as error:
        return [str(error)]
    finally:
        connection.close()
