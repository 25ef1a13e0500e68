"""A layer between SQLite and the disk in which the Nth call of a kind fails: once, or from then on."""

from __future__ import annotations

import threading
from typing import Any

import apsw

KINDS = ("open", "read", "write", "sync", "truncate", "delete", "size")
# after one of these nobody knows what the disk has
UNSURE = ("sync", "broken")
ERRORS = {
    "full": dict.fromkeys(KINDS, apsw.SQLITE_FULL),
    "broken": {
        "open": apsw.SQLITE_CANTOPEN,
        "read": apsw.SQLITE_IOERR_READ,
        "write": apsw.SQLITE_IOERR_WRITE,
        "sync": apsw.SQLITE_IOERR_FSYNC,
        "truncate": apsw.SQLITE_IOERR_TRUNCATE,
        "delete": apsw.SQLITE_IOERR_DELETE,
        "size": apsw.SQLITE_IOERR_FSTAT,
    },
}
BASE = "unix"


class Faults(apsw.VFS):
    """The default of all connections that are opened while it is in use."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.calls: dict[str, int] = {}
        self._armed: tuple[str, int, str, bool] | None = None
        self.failed = self.unsure = 0
        super().__init__("faults", BASE, True)

    def arm(self, kind: str, nth: int, error: str, lasting: bool) -> None:
        with self._guard:
            self.calls, self.failed, self.unsure = {}, 0, 0
            self._armed = (kind, nth, error, lasting)

    def disarm(self) -> None:
        with self._guard:
            self._armed = None

    def close(self) -> None:
        self.disarm()
        self.unregister()

    def look(self, kind: str) -> None:
        """Fail, if it is this call's turn."""
        with self._guard:
            self.calls[kind] = self.calls.get(kind, 0) + 1
            if self._armed is None:
                return
            wanted, nth, error, lasting = self._armed
            count = sum(self.calls.values()) if wanted == "any" else self.calls[kind]
            if wanted not in ("any", kind) or not (count == nth or (lasting and count > nth)):
                return
            self.failed += 1
            self.unsure += (kind, error) == UNSURE
        raise apsw.exception_for(ERRORS[error][kind])

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        self.look("open")
        return File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.look("delete")
        super().xDelete(filename, syncdir)


class File(apsw.VFSFile):
    def __init__(self, faults: Faults, name: Any, flags: list[int]) -> None:
        self._faults = faults
        super().__init__(BASE, name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:
        self._faults.look("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: Any, offset: int) -> None:
        self._faults.look("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._faults.look("sync")
        super().xSync(flags)

    def xTruncate(self, size: int) -> None:
        self._faults.look("truncate")
        super().xTruncate(size)

    def xFileSize(self) -> int:
        self._faults.look("size")
        return super().xFileSize()
