"""A folder as a deploy sees it: which files of it are sent, which are left out and why."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from fazt.client.ignore import Ignore
from kernel.base.errors import FaztError
from kernel.fs.paths import check_paths, never_sent, shown

OURS = ".fazt"
PRIVATE = "private"
MOST_NAMED = 5


class File(NamedTuple):
    """One file that is sent. `stamp` changes whenever somebody writes to it."""

    path: str
    source: str
    size: int
    stamp: tuple[int, int, int, int]


class Folder:
    """The files of a folder, sorted by path, and what there is to say about the rest."""

    def __init__(self, top: Path, include_private: bool = False) -> None:
        self.top = os.path.realpath(top)
        self.include_private = include_private
        self.files: list[File] = []
        self._left_out: dict[str, None] = {}
        self._odd: dict[str, list[str]] = {}
        self._private_ignored = False
        self._walk()
        self.files.sort()
        check_paths(file.path for file in self.files)

    def again(self) -> Folder:
        """The same folder as it is by now."""
        return Folder(Path(self.top), self.include_private)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def warnings(self) -> list[str]:
        said = [f"{_listed(paths)}: {why}; not sent." for why, paths in self._odd.items()]
        if self._left_out:
            said.append(f"Never sent: {_listed(list(self._left_out))}.")
        if self._private_ignored:
            said.append(f"{PRIVATE}/ is ignored by .gitignore and not sent. --include-private sends it.")
        return said

    def _walk(self) -> None:
        waiting = [(self.top, "", Ignore())]
        while waiting:
            folder, base, above = waiting.pop()
            entries = _entries(folder)
            ignore = above.entered(folder, base, (entry.name for entry in entries))
            for entry in entries:
                path = base + entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if not self._wanted(path, entry.name, is_folder, ignore):
                    continue
                if is_folder:
                    waiting.append((entry.path, path + "/", ignore))
                elif (found := self._found(entry, path)) is not None:
                    self.files.append(found)

    def _wanted(self, path: str, name: str, is_folder: bool, ignore: Ignore) -> bool:
        if path == OURS:
            return False
        # a folder is asked about as if it held a file: its own name has no ending
        if never_sent(path + "/-" if is_folder else path):
            self._left_out[_lossless(path + "/" * is_folder)] = None
            return False
        is_private = path.partition("/")[0] == PRIVATE
        if (is_private and self.include_private) or not ignore.ignores(path, name, is_folder):
            return True
        self._private_ignored |= is_private
        return False

    def _found(self, entry: os.DirEntry[str], path: str) -> File | None:
        source = entry.path
        try:
            if entry.is_symlink():
                source, why = self._followed(entry.path)
                if why:
                    self._odd.setdefault(why, []).append(_lossless(path))
                    return None
                status = os.lstat(source)
            else:
                status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            # gone since the folder was read
            return None
        if not stat.S_ISREG(status.st_mode):
            self._odd.setdefault("no ordinary file", []).append(_lossless(path))
            return None
        return File(path, source, status.st_size, stamp(status))

    def _followed(self, link: str) -> tuple[str, str]:
        """Where a link leads, or why nobody follows it."""
        target = os.path.realpath(link)
        if target != self.top and not target.startswith(self.top.rstrip("/") + "/"):
            return target, "a link that leads out of the folder"
        inner = os.path.relpath(target, self.top)
        if not os.path.exists(target):
            return target, "a link that leads nowhere"
        if os.path.isdir(target):
            return target, "a link to a folder"
        if never_sent(inner) or inner.partition("/")[0] == OURS:
            return target, "a link to what is never sent"
        return target, ""


def stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def opened(folder: Path) -> Path:
    """The folder that was named, if it can be deployed at all."""
    if not folder.exists():
        raise FaztError("NOT_FOUND", f"There is no folder {folder}.", "`fazt deploy DIR` deploys the folder DIR.")
    if not folder.is_dir():
        raise FaztError("USAGE", f"{folder} is not a folder.", "`fazt deploy DIR` deploys the folder DIR.")
    real = folder.resolve()
    if real in (Path("/"), Path.home().resolve()):
        raise FaztError("USAGE", f"{real} is too much for a site.", "Name the folder: fazt deploy DIR")
    return folder


def nothing_in(folder: Path) -> FaztError:
    return FaztError(
        "USAGE", f"There is nothing to deploy in {folder}.", "Put an index.html there, or look at .gitignore."
    )


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError as error:
        raise unreadable(folder, error) from None


def unreadable(path: str, error: OSError) -> FaztError:
    if isinstance(error, FileNotFoundError):
        return FaztError("CONFLICT", f"{shown(path)} was deleted meanwhile.", "Deploy again.")
    return FaztError(
        "USAGE", f"{shown(path)} cannot be read: {error.strerror}.", "Make it readable, or name it in .faztignore."
    )


def _lossless(path: str) -> str:
    return path if path.isprintable() else shown(path)


def _listed(paths: list[str]) -> str:
    named = sorted(paths)[:MOST_NAMED]
    more = len(paths) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
