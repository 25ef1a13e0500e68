"""What runs when the program file is started: finds or unpacks the packs inside it, then runs fazt.

The builder copies this file into the program as ``__main__.py`` and fills in VERSION and BUILDS. Everything
down to the check of the interpreter must be understood by any Python 3.6 or later: an old Python shall say
which one is needed, not show a syntax error.
"""

import sys

VERSION = "@VERSION@"

if __name__ == "__main__" and sys.argv[1:] in (["--version"], ["-V"]):
    print("fazt " + VERSION)
    raise SystemExit(0)

import os  # noqa: E402
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder  # noqa: E402

# Python version -> (extension suffix, lowest glibc or "", packs). A pack is unpacked into one directory of its own:
# (directory name, ((payload, sha256), ...), an extension to try loading or "", modules whose import unpacks it).
BUILDS: "dict[str, tuple[str, str, tuple[PackRow, ...]]]" = {}

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
FAZT_PROGRAM = os.path.abspath(os.path.dirname(__file__))


def mismatch() -> str:
    """Why this interpreter cannot run the program; nothing if it can."""
    if PYTHON not in BUILDS:
        wanted = sorted(BUILDS, key=lambda version: int(version.split(".")[1]))
        return (
            f"this build needs Python {' or '.join(wanted)} (running {PYTHON}); "
            f"start it as: python{wanted[-1]} {os.path.basename(FAZT_PROGRAM)} ..."
        )
    suffix, lowest_glibc, _ = BUILDS[PYTHON]
    if suffix != EXTENSION_SUFFIXES[0]:
        return f"this build is for {suffix.split('.')[1]} (running {EXTENSION_SUFFIXES[0].split('.')[1]})"
    if lowest_glibc:
        glibc = (os.confstr("CS_GNU_LIBC_VERSION") or "glibc 0.0").split()[1]
        if [int(part) for part in glibc.split(".")[:2]] < [int(part) for part in lowest_glibc.split(".")]:
            return f"this build needs glibc {lowest_glibc} or later (running {glibc})"
    return ""


if __name__ == "__main__" and mismatch():
    sys.stderr.write(f"fazt: {mismatch()}\n")
    raise SystemExit(1)


# --- from here on the interpreter is one of those the program was built for -----------------------------------------

import _thread  # noqa: E402
import fcntl  # noqa: E402
import stat  # noqa: E402
import time  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from zipfile import ZipFile

    PackRow = tuple[str, tuple[tuple[str, str], ...], str, tuple[str, ...]]

DAY = 86400
UNUSED_PACK_DAYS = 30
STAMP = ".used"  # the last file of a pack to be written; its time says, to the day, when the pack was last used
HALF_DONE = "new-"  # a directory with this prefix is being filled or deleted
held_locks: "list[int]" = []


class Unfit(Exception):
    """A place where the program cannot or must not unpack itself."""


class CannotStart(Exception):
    """The program cannot run here; the message is for the user."""


class Pack:
    """Files that are unpacked together."""

    def __init__(self, row: "PackRow") -> None:
        self.folder, self.payloads, self.probe, self.wakes = row


# --- places ---------------------------------------------------------------------------------------------------------


class Place:
    """A directory that may hold unpacked packs: `base` must be there already, the rest is made."""

    def __init__(self, base: str, rest: str) -> None:
        self.base, self.path = base, os.path.join(base, rest)


def data_file(arguments: "Sequence[str]") -> str:
    """The data file named on the command line, or else by the environment."""
    for index, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument.startswith("--db="):
            return argument[len("--db=") :]
        if argument == "--db" and index + 1 < len(arguments):
            return arguments[index + 1]
    return os.environ.get("FAZT_DB_PATH", "")


def places(arguments: "Sequence[str]") -> "list[list[Place]]":
    """Where packs may be, best first. What the user asked for by name comes alone, before all others."""
    named = os.environ.get("FAZT_CACHE", "")
    data = data_file(arguments)
    home = os.path.expanduser("~")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    own = f"fazt-{os.geteuid()}"
    others = []
    if data:
        others.append(Place(os.path.dirname(os.path.abspath(data)), ".fazt-cache"))
    if os.path.isabs(home):
        others.append(Place(home, os.path.join(".cache", "fazt")))
    if os.path.isabs(runtime):
        others.append(Place(runtime, "fazt"))
    # Not tempfile.gettempdir(): it writes a file at each start, and falls back to the current directory.
    for shared in dict.fromkeys(("/dev/shm", os.environ.get("TMPDIR", "/tmp"), "/tmp", "/var/tmp")):
        others.append(Place(os.path.abspath(shared), own))
    return [[Place("/", os.path.abspath(named))], others] if named else [others]


def make_directories(place: Place) -> None:
    """Make what is missing of a place, for its owner alone."""
    if not os.path.isdir(place.base):
        raise Unfit(f"there is no {place.base}")
    missing = []
    path = place.path
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    for path in reversed(missing):
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            continue  # another start of the program was quicker


def trusted_directory(path: str) -> str:
    """The real path of a directory whose content nobody but the user and root can have written, or can exchange.

    Parents may be writable for their group, as many systems give each user a group of its own; and in a container,
    where root may have no number, they may belong to whoever owns /. Neither holds for the directory itself.
    """
    owners = {os.geteuid(), 0}
    if os.lstat(path).st_uid not in owners:
        raise Unfit("belongs to another user")
    real = os.path.realpath(path)
    info = os.stat(real)
    if not stat.S_ISDIR(info.st_mode):
        raise Unfit("is not a directory")
    if info.st_uid not in owners:
        raise Unfit("belongs to another user")
    if info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Unfit("other users may write there")
    owners.add(os.stat("/").st_uid)
    parent = real
    while parent != os.path.dirname(parent):
        parent = os.path.dirname(parent)
        info = os.stat(parent)
        if info.st_uid not in owners:
            raise Unfit(f"{parent} belongs to another user")
        if info.st_mode & stat.S_IWOTH and not info.st_mode & stat.S_ISVTX:
            raise Unfit(f"other users may write to {parent}")
    return real


def refuse_noexec(path: str) -> None:
    """The cheap half of the test whether code can be loaded from a place; the other is to load some."""
    if os.statvfs(path).f_flag & getattr(os, "ST_NOEXEC", 0):
        raise Unfit("mounted noexec")


# --- packs ----------------------------------------------------------------------------------------------------------


def claim(folder: str) -> bool:
    """Mark an unpacked pack as in use for as long as this process lives; False if there is none.

    The lock is on the directory, because those who tidy /tmp leave alone what lies in a locked one.
    """
    stamp = os.path.join(folder, STAMP)
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)  # it is just being deleted
        return False
    except OSError:
        pass  # a file system without locks: the times must do
    try:
        last_used = os.stat(stamp).st_mtime
    except OSError:
        os.close(handle)
        return False
    held_locks.append(handle)
    if last_used < time.time() - DAY:
        refresh(folder)
    return True


def refresh(folder: str) -> None:
    """Give all files of a pack the same new time, so that those who tidy /tmp delete all of it or nothing."""
    try:
        for parent, _, names in os.walk(folder):
            for name in names:
                os.utime(os.path.join(parent, name))
    except OSError:
        pass  # unpacked by root for all users, or mounted read-only


def unpacked(place: Place, pack: Pack) -> str:
    """The pack's directory if it is ready in this place."""
    try:
        path = trusted_directory(place.path)
        if pack.probe:
            refuse_noexec(path)
    except (OSError, Unfit):
        return ""
    folder = os.path.join(path, pack.folder)
    return folder if claim(folder) else ""


def unpack(place: Place, pack: Pack, program: "Program") -> str:
    """Unpack in this place. One rename makes the result visible, so nobody ever sees half of it."""
    make_directories(place)
    path = trusted_directory(place.path)
    if pack.probe:
        refuse_noexec(path)
    folder = os.path.join(path, pack.folder)
    new = os.path.join(path, HALF_DONE + os.urandom(8).hex())
    os.mkdir(new, 0o700)
    try:
        fill(new, pack, program)
        publish(new, folder)
    finally:
        remove(new)
    if not claim(folder):
        raise Unfit(f"{folder} cannot be used")
    sweep(path)
    return folder


def publish(new: str, folder: str) -> None:
    """Give a filled directory its name, unless another start of the program was quicker: its copy is as good."""
    if os.path.isdir(folder) and not os.path.exists(os.path.join(folder, STAMP)):
        os.rename(folder, new + "-replaced")  # the ruin of a pack, left by somebody who tidied up
        remove(new + "-replaced")
    try:
        os.rename(new, folder)
    except OSError:
        if not os.path.isdir(folder):
            raise


def fill(folder: str, pack: Pack, program: "Program") -> None:
    """Write the files of a pack; the one extension that shows whether code can be loaded from here comes first."""
    archives = [program.payload(name, checksum) for name, checksum in pack.payloads]
    for archive in archives:
        if pack.probe in archive.namelist():
            extract(archive, [pack.probe], folder)
            try_loading(folder, pack.probe)
    for archive in archives:
        extract(archive, [name for name in archive.namelist() if name != pack.probe], folder)
    with open(os.path.join(folder, STAMP), "wb"):
        pass


def extract(archive: "ZipFile", names: "Sequence[str]", folder: str) -> None:
    made = set()
    for name in names:
        path = os.path.join(folder, name)
        parent = os.path.dirname(path)
        if parent not in made:
            os.makedirs(parent, exist_ok=True)
            made.add(parent)
        with open(path, "wb") as file:
            file.write(archive.read(name))


def try_loading(folder: str, extension: str) -> None:
    """Load one extension for real: besides noexec mounts, security modules can forbid it.

    Not by importing it, as what it imports in its turn is not unpacked yet.
    """
    try:
        from ctypes import CDLL
    except ImportError:
        return  # a Python without ctypes: the flags of the mount must do
    try:
        CDLL(os.path.join(folder, extension))
    except OSError as error:
        raise Unfit(f"code cannot be loaded from there: {error}") from error


def sweep(path: str) -> None:
    """Delete what other versions left: packs nobody used for long, and copies that were never completed."""
    for name in os.listdir(path):
        try:
            sweep_one(path, name)
        except OSError:
            continue  # tidiness is no reason not to start


def sweep_one(path: str, name: str) -> None:
    entry = os.path.join(path, name)
    if name.startswith(HALF_DONE):
        if os.stat(entry).st_mtime < time.time() - DAY:
            remove(entry)
        return
    if os.stat(os.path.join(entry, STAMP)).st_mtime > time.time() - UNUSED_PACK_DAYS * DAY:
        return
    handle = os.open(entry, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while a process uses it
        doomed = os.path.join(path, HALF_DONE + os.urandom(8).hex())
        os.rename(entry, doomed)
        remove(doomed)
    finally:
        os.close(handle)


def remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


class Program:
    """The program file, and the packs unpacked from it."""

    def __init__(self, path: str, arguments: "Sequence[str]") -> None:
        self.path = path
        self.places = places(arguments)
        self.file = open(path, "rb")  # noqa: SIM115 - stays readable when an update takes the file's place
        self.lock = _thread.RLock()

    def payload(self, name: str, checksum: str) -> "ZipFile":
        """An archive inside the program, if it is what the builder put there."""
        import hashlib
        import io
        import zipfile

        try:
            with zipfile.ZipFile(self.file) as outer:
                data = outer.read("payload/" + name)
        except OSError:
            raise
        except Exception as error:  # a damaged archive makes zipfile fail in half a dozen ways
            raise CannotStart(f"{self.path} is damaged ({error}); get it again") from error
        if hashlib.sha256(data).hexdigest() != checksum:
            raise CannotStart(f"{self.path} is damaged (part '{name}' has the wrong checksum); get it again")
        return zipfile.ZipFile(io.BytesIO(data))

    def locate(self, pack: Pack) -> str:
        """The directory of an unpacked pack, which is unpacked now if it was not."""
        refusals = []
        for alternatives in self.places:
            for place in alternatives:
                folder = unpacked(place, pack)
                if folder:
                    return folder
            for place in alternatives:
                try:
                    return unpack(place, pack, self)
                except Unfit as error:
                    refusals.append(f"\n  {place.path}: {error}")
                except OSError as error:
                    refusals.append(f"\n  {place.path}: {error.strerror or error}")
        raise CannotStart(
            "found no place to unpack itself; tried"
            + "".join(refusals)
            + "\nSet FAZT_CACHE to a directory that only you can write to and that is not mounted noexec."
        )


class Waker:
    """Unpacks a pack when one of its modules is imported for the first time."""

    def __init__(self, program: Program, packs: "Sequence[Pack]") -> None:
        self.program = program
        self.packs = {module: pack for pack in packs for module in pack.wakes}

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        pack = self.packs.get(name)
        if pack is None or path is not None:
            return None
        with self.program.lock:
            try:
                folder = self.program.locate(pack)
            except CannotStart as error:
                raise ImportError(str(error), name=name) from error
            if folder not in sys.path:
                sys.path.insert(1, folder)
        return PathFinder.find_spec(name, [folder])


# --- start ----------------------------------------------------------------------------------------------------------


def standard_library() -> "list[str]":
    """The module path without PYTHONPATH and site-packages: the program brings its own libraries, and no others."""
    library = os.path.dirname(os.__file__)
    archive = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
    return [path for path in sys.path if path == library or os.path.basename(path) in ("lib-dynload", archive)]


def prepare(program: Program) -> None:
    """Put the packs on the module path, unpacking what is always needed and was not yet unpacked."""
    packs = [Pack(row) for row in BUILDS[PYTHON][2]]
    sys.path[:] = [program.locate(pack) for pack in packs if not pack.wakes] + standard_library()
    lazy = [pack for pack in packs if pack.wakes]
    if lazy:
        sys.meta_path.append(Waker(program, lazy))
    else:
        program.file.close()


def start() -> int:
    try:
        prepare(Program(FAZT_PROGRAM, sys.argv[1:]))
    except CannotStart as error:
        sys.stderr.write(f"fazt: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"fazt: cannot read {FAZT_PROGRAM}: {error.strerror}\n")
        return 1
    os.environ["FAZT_PROGRAM"] = FAZT_PROGRAM
    from importlib import import_module

    code: int = import_module("fazt.cli.main").main()
    return code


if __name__ == "__main__":
    raise SystemExit(start())
