"""What files were hashed before: a file that nobody has written to since need not be read again.

`$FAZT_CACHE/hashes/` holds one list per folder. It only saves time: without it, or with a broken one, all is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from fazt.client.folder import File, unreadable
from kernel.base.clock import Clock

VERSION = 1
# a file written within this time of our looking may be written once more without a sign of it
RACY_NS = 2_000_000_000
BLOCK = 1 << 20
KEPT_SECONDS = 90 * 86_400
# from here on, hashing takes longer than handing it to a thread
LARGE = 4 << 20
THREADS = min(4, os.cpu_count() or 1)


def cache_home() -> Path:
    return Path(os.environ.get("FAZT_CACHE") or Path("~/.cache/fazt").expanduser())


class Hashes:
    def __init__(self, top: str, clock: Clock | None = None) -> None:
        self._file = cache_home() / "hashes" / hashlib.sha256(os.fsencode(top)).hexdigest()[:32]
        self._clock = clock or Clock()
        self._known: dict[str, Any] = self._read()
        self.read = 0  # how many files had to be read

    def of(self, files: Iterable[File]) -> dict[str, bytes]:
        """The SHA-256 of every file, by path."""
        looked_at = self._clock.now() * 1_000_000
        found, unknown = {}, []
        for file in files:
            known = self._known.get(file.source)
            if known is not None and tuple(known[0]) == file.stamp:
                found[file.path] = known[1]
            else:
                unknown.append(file)
        found.update(zip([file.path for file in unknown], _hashed(unknown), strict=True))
        self.read += len(unknown)
        # only what is here now: a folder that moves on leaves nothing behind
        kept = {file.source: (file.stamp, found[file.path]) for file in files if _settled(file, looked_at)}
        if unknown or kept.keys() != self._known.keys():
            self._write(kept)
        self._known = kept
        return found

    def _read(self) -> dict[str, Any]:
        try:
            with self._file.open("rb") as file:
                # a list that others wrote could leave out of a deploy what it likes
                info = os.fstat(file.fileno())
                if info.st_uid != os.geteuid() or info.st_mode & 0o022:
                    return {}
                version, known = msgspec.msgpack.decode(file.read(), type=tuple[int, dict[str, Entry]])
        except (OSError, msgspec.MsgspecError, UnicodeError):
            return {}
        return known if version == VERSION else {}

    def _write(self, known: dict[str, Any]) -> None:
        part = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        with contextlib.suppress(OSError, UnicodeError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.write_bytes(msgspec.msgpack.encode((VERSION, known)))
            part.chmod(0o600)
            part.rename(self._file)
            self._forget_old()

    def _forget_old(self) -> None:
        """Lists of folders that nobody has deployed for long, many of which are gone."""
        oldest = self._clock.now() / 1000 - KEPT_SECONDS
        for entry in os.scandir(self._file.parent):
            if entry.stat().st_mtime < oldest:
                os.unlink(entry.path)


Entry = tuple[tuple[int, int, int, int], bytes]


def _settled(file: File, looked_at: int) -> bool:
    _, changed, touched, _ = file.stamp
    return max(changed, touched) < looked_at - RACY_NS


def _hashed(files: list[File]) -> list[bytes]:
    large = [file for file in files if file.size >= LARGE]
    if len(large) < 2 or THREADS < 2:
        return [hash_file(file) for file in files]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(THREADS) as pool:
        waiting = {file.path: pool.submit(hash_file, file) for file in large}
        return [waiting[file.path].result() if file.path in waiting else hash_file(file) for file in files]


def hash_file(file: File) -> bytes:
    try:
        descriptor = open_file(file)
    except OSError as error:
        raise unreadable(file.path, error) from None
    try:
        # most files are small: one read and one call
        data = os.read(descriptor, BLOCK)
        if len(data) == file.size:
            return hashlib.sha256(data).digest()
        digest = hashlib.sha256(data)
        while data := os.read(descriptor, BLOCK):
            digest.update(data)
        return digest.digest()
    except OSError as error:
        raise unreadable(file.path, error) from None
    finally:
        os.close(descriptor)


def open_file(file: File) -> int:
    """Never through a link and never waiting: what was an ordinary file may be something else by now."""
    return os.open(file.source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
