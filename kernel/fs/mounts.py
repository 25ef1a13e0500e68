"""A folder of this machine laid over the files of an app: what is edited there is seen at the next reload.

Only the owner may, and only from this machine. Nothing outside of the folder is ever read, whatever links lie in it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from kernel.apps import apps
from kernel.base.errors import FaztError, invalid, not_found
from kernel.base.tables import Migration, Read, Remove, Table
from kernel.fs import paths
from kernel.storage.store import Store
from kernel.syscall import Call, Text, Write, syscall

MOUNTS = Table(
    "mounts",
    ("app_id", "prefix", "folder", "sync", "created_at"),
    key=("app_id", "prefix"),
    scope="node",
    published=True,
    purged=True,
)
MIGRATIONS = (
    Migration(
        "mounts_0001",
        """
create table mounts (app_id text not null, prefix text not null, folder text not null, sync integer not null,
  created_at integer not null, primary key (app_id, prefix)) strict, without rowid;
""",
    ),
)
OF_APP = Read("select prefix, folder, sync from {mounts} where app_id = :of order by length(prefix) desc")
ALL = Read("select app_id, prefix, folder, sync from {mounts} order by app_id, prefix")
UNMOUNT = Remove(MOUNTS, where="app_id = :of and prefix = :prefix")
# folders of the system itself
NEVER = ("/", "/etc", "/proc", "/sys", "/dev", "/boot", "/run", "/root", "/var/lib")


class HostFile(NamedTuple):
    """A file of this machine that stands in for one of the app."""

    folder: str  # its mount, as it really is
    inside: str  # the way to it from there, without links

    def open(self) -> int:
        """A descriptor of the file. Step by step: a link that was put there meanwhile is not followed."""
        *folders, name = self.inside.split(os.sep)
        at = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for folder in folders:
            at = _below(at, folder, os.O_DIRECTORY)
        # a pipe in its place must not make anybody wait
        file = _below(at, name, os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise FileNotFoundError
        return file

    def read(self, most: int) -> bytes:
        """All of it; a file that is larger than `most` has one byte more."""
        with os.fdopen(self.open(), "rb") as file:
            return file.read(most + 1)


class Mount(NamedTuple):
    prefix: str  # "" or "docs/"
    folder: str
    sync: bool

    def find(self, path: str) -> HostFile | None:
        """The file that stands for a path; links that lead out of the folder lead nowhere."""
        if not path.startswith(self.prefix) or paths.never_sent(path) or paths.why_refused(path):
            return None
        real = os.path.realpath(os.path.join(self.folder, path[len(self.prefix) :]))
        if not real.startswith(self.folder + os.sep):
            return None
        inside = real[len(self.folder) + 1 :]
        # a link within the folder shows no more than its target would
        if paths.never_sent(inside.replace(os.sep, "/")) or not os.path.isfile(real):
            return None
        return HostFile(self.folder, inside)

    def below(self, folder: str, most: int) -> list[tuple[str, tuple[int, int]]]:
        """The paths below a folder of the site (`api/`), each with what changes when its file does: time and size."""
        inside = folder.removeprefix(self.prefix) if folder.startswith(self.prefix) else ""
        if not inside and not self.prefix.startswith(folder):
            return []
        found = []
        for at, folders, names in os.walk(os.path.join(self.folder, inside)):
            folders[:] = sorted(name for name in folders if name != "node_modules" and not name.startswith("."))
            for name in sorted(names):
                full = os.path.join(at, name)
                path = self.prefix + os.path.relpath(full, self.folder).replace(os.sep, "/")
                if self.find(path):
                    # it may vanish while it is looked at
                    with contextlib.suppress(OSError):
                        seen = os.stat(full)
                        found.append((path, (seen.st_mtime_ns, seen.st_size)))
                if len(found) >= most:
                    return found
        return found

    def change(self, path: str, content: bytes | None) -> None:
        """Write a file of the folder, or delete it (no content)."""
        target = os.path.join(self.folder, path[len(self.prefix) :])
        real = os.path.realpath(target)
        if not real.startswith(self.folder + os.sep):
            raise invalid("path", "a link leads out of the mounted folder")
        try:
            if content is None:
                os.unlink(target)
                return
            os.makedirs(os.path.dirname(real), exist_ok=True)
            Path(real).write_bytes(content)
        except FileNotFoundError:
            raise not_found("file", paths.shown(path)) from None
        except OSError as error:
            raise FaztError("STORAGE_ERROR", f"{paths.shown(path)} cannot be changed: {error.strerror}.") from None


def _below(folder: int, name: str, how: int) -> int:
    """Opens what lies in an open folder, which is closed."""
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | how, dir_fd=folder)
    finally:
        os.close(folder)


class Mounted(Struct):
    app: str
    prefix: str
    folder: str
    sync: bool
    undo: str | None = None


class HostFolder(Text):
    """A folder of the machine it is said on: a command may say it from where it stands."""

    least, most = 1, 4096
    of_this_machine = True


class Place(Text):
    """An app, or a folder of one: app:/docs"""

    least, most = 1, 1200


def of_app(store: Store, app: str) -> tuple[Mount, ...]:
    return tuple(Mount(prefix, folder, bool(sync)) for prefix, folder, sync in store.rows(OF_APP, of=app))


@syscall("fs.mount", role="owner", cli="fs mount <folder?> <where?>", js=False, weight=7)
def mount(
    call: Call, folder: HostFolder | None = None, where: Place | None = None, *, sync: bool = False
) -> Write[list[Mounted]]:
    """Lay a folder of this machine over an app, or over a folder of one (app:/docs); without words, list what is.

    With --sync, `fs put` and `fs rm` change the files of the folder; without, they make releases below it.
    """
    _local(call)
    store = call.use(Store)
    if folder is None or where is None:
        known = [Mounted(app, prefix, path, bool(on)) for app, prefix, path, on in store.rows(ALL)]
        return Write((), lambda _: known)
    app, prefix = _place(call, where)
    real = _folder(store, folder)
    made = Mounted(app, prefix, real, sync, f"fazt fs unmount {where}")
    plan = call.store.put(MOUNTS, app_id=app, prefix=prefix, folder=real, sync=sync)
    return plan.giving(lambda _: [made])


@syscall("fs.unmount", role="owner", cli="fs unmount <where>", js=False, weight=7)
def unmount(call: Call, where: Place) -> Write[None]:
    """Take a folder off an app again."""
    _local(call)
    app, prefix = _place(call, where)
    return call.store.do(UNMOUNT, of=app, prefix=prefix).expect(1, not_found("mount", where))


def _local(call: Call) -> None:
    if call.who.kind != "local":
        raise FaztError("FORBIDDEN", "Folders are mounted on the node's own machine only.", "Run it there.")


def _place(call: Call, where: str) -> tuple[str, str]:
    name, _, folder = where.partition(":")
    app = apps.find(call.use(Store), name) if len(name) <= 63 else None
    if app is None:
        raise not_found("app", name[:63], "`fazt app list` shows the apps of this node.")
    folder = folder.strip("/")
    if folder and (why := paths.why_refused(folder)):
        raise invalid("where", why)
    return app, f"{folder}/" if folder else ""


def _folder(store: Store, said: str) -> str:
    if not os.path.isabs(said):
        raise invalid("folder", "must be an absolute path")
    real = os.path.realpath(said)
    if not os.path.isdir(real):
        raise invalid("folder", "is no folder")
    own = os.path.realpath(store.path.parent)
    around_own = (own + os.sep).startswith(real.rstrip(os.sep) + os.sep) or (real + os.sep).startswith(own + os.sep)
    if around_own:
        raise FaztError("FORBIDDEN", "The folder holds the data file, or lies beside it.", "Choose another folder.")
    if any(real == never or (never != "/" and real.startswith(never + os.sep)) for never in NEVER):
        raise FaztError("FORBIDDEN", f"{real} belongs to the system.", "Choose another folder.")
    return real
