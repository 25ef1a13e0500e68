"""Which paths the files of a site may have, and which of them are never served or never sent.

A path is relative and written with `/`: `img/logo.png`. What one system could read in another way than the next
(`..`, `C:`, twins that differ by case only, characters that turn the reading direction) is refused as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from unicodedata import is_normalized, normalize

from kernel.base.errors import FaztError

MOST_BYTES = 1024
MOST_SEGMENT_BYTES = 255
MOST_SEGMENTS = 50
SHOWN = 200
OFFENDERS = 10
HANDLERS = frozenset(f"api/main.{extension}" for extension in ("js", "mjs", "ts", "tsx"))

# what nearly every path looks like: nothing below has to look at it twice
_PLAIN = re.compile(r"(?:[ -.0-9;-\[\]-~]*[!-\-0-9;-\[\]-~]/)*[ -.0-9;-\[\]-~]*[!-\-0-9;-\[\]-~]")
_WHOLE = re.compile("(?:[^/]*[^/. ]/)*[^/]*[^/. ]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_HALF = re.compile("[\ud800-\udfff]")
_DRIVE = re.compile("[A-Za-z]:")


def shown(path: str) -> str:
    """A path as it may stand in a message: one line, no invisible characters, not long."""
    pieces: list[str] = []
    room = SHOWN - 1
    for character in path:
        piece = character if character.isprintable() and character != "\\" else ascii(character)[1:-1]
        room -= len(piece)
        if room < 0:
            return "".join(pieces) + "…"
        pieces.append(piece)
    return "".join(pieces)


def why_refused(path: str) -> str | None:
    """Why no site may have this path; None when it may."""
    if len(path) <= MOST_SEGMENT_BYTES and path.count("/") < MOST_SEGMENTS and _PLAIN.fullmatch(path):
        return None
    if not path:
        return "is empty"
    if len(path) > MOST_BYTES:
        return f"is longer than {MOST_BYTES} bytes"
    return _odd_characters(path) or _odd_segments(path)


def _odd_characters(path: str) -> str | None:
    if _HALF.search(path):
        return "holds half a character (a lone surrogate)"
    if len(path.encode()) > MOST_BYTES:
        return f"is longer than {MOST_BYTES} bytes"
    if _CONTROL.search(path):
        return "holds a control character"
    if _DIRECTION.search(path):
        return "holds a character that turns the reading direction"
    if "\\" in path:
        return "holds a backslash: write / between folders"
    if _DRIVE.match(path):
        return "begins with a drive letter"
    if not is_normalized("NFC", path):
        return "is not in Unicode normal form C"
    return None


def _odd_segments(path: str) -> str | None:
    if path.startswith("/"):
        return "is absolute: leave off the first /"
    segments = path.encode().split(b"/")
    if max(map(len, segments)) > MOST_SEGMENT_BYTES:
        return f"has a segment longer than {MOST_SEGMENT_BYTES} bytes"
    if len(segments) > MOST_SEGMENTS:
        return f"lies deeper than {MOST_SEGMENTS} folders"
    if _WHOLE.fullmatch(path):
        return None
    for segment in (b".", b".."):
        if segment in segments:
            return f"has a segment {segment.decode()}"
    if b"" in segments:
        return "has an empty segment (// or a / at the end)"
    return "has a segment that ends in a dot or a space"


def check_paths(paths: Iterable[str], folders: Iterable[str] = ()) -> None:
    """Refuse the files of a site (and folders named for themselves) when one path is not as it should be."""
    files: dict[str, str] = {}
    places: set[str] = set()
    offenders: list[tuple[str, str]] = []
    for path in paths:
        if (why := why_refused(path)) is None:
            key = _key(path)
            if key not in files:
                files[key] = path
                continue
            why = "is there twice" if files[key] == path else f"differs from {shown(files[key])} by case or form only"
        offenders.append((path, why))
    for folder in folders:
        if (why := why_refused(folder)) is None:
            places.add(_key(folder) + "\0")
        else:
            offenders.append((folder, why))
    # sorted, what lies in a folder comes right after its name: one look at each pair of neighbours is enough
    for key, following in pairwise(sorted([*files, *places])):
        if following.startswith(key) and following[len(key)] == "\0" and key in files:
            offenders.append((files[key], "is a file and a folder"))
    if offenders:
        raise _refused(offenders)


def _key(path: str) -> str:
    """Equal for paths that a file system which ignores case or normal form takes for one; / is the least character."""
    folded = path.lower() if path.isascii() else normalize("NFC", path.casefold())
    return folded.replace("/", "\0")


def _refused(offenders: list[tuple[str, str]]) -> FaztError:
    path, why = offenders[0]
    listed = [{"path": shown(path), "why": why} for path, why in offenders[:OFFENDERS]]
    return FaztError(
        "VALIDATION_FAILED",
        f'files: "{shown(path)}" {why}.',
        "Rename the files listed or leave them out, then deploy again.",
        field="files",
        offenders=listed,
        more=len(offenders) - len(listed),
    )


def has_handler(paths: Iterable[str]) -> bool:
    """Whether the site answers below /api/ by code of its own."""
    return not HANDLERS.isdisjoint(paths)


def is_hidden(path: str, has_handler: bool) -> bool:
    """Whether a file of a site is never served as it is: settings, sources, dotfiles."""
    if path == "app.json" or (has_handler and path.startswith("api/")):
        return True
    *folders, name = path.split("/")
    if any(folder[:1] == "." and folder != ".well-known" for folder in folders):
        return True
    return name[:1] == "." or name in ("_headers", "_redirects") or name.lower().endswith(".ejs")


def needs_permission(path: str) -> bool:
    """Whether only those may fetch the file whom the app admits."""
    return path.startswith("private/")


# by name, of a file or of any folder on the way to it
_LEFT_OUT = {
    ".git": "version control",
    ".hg": "version control",
    ".svn": "version control",
    "node_modules": "packages of the build",
    "__macosx": "made by macOS",
    ".ds_store": "made by macOS",
    ".env": "may hold secrets",
    ".envrc": "may hold secrets",
    ".fazt": "notes of fazt",
    ".npmrc": "may hold secrets",
    ".netrc": "may hold secrets",
    ".aws": "may hold secrets",
    ".ssh": "may hold secrets",
    "id_rsa": "a key file",
    "id_dsa": "a key file",
    "id_ecdsa": "a key file",
    "id_ed25519": "a key file",
}
_LEFT_OUT_ENDINGS = {
    ".log": "a log",
    ".pem": "a key file",
    ".key": "a key file",
    ".p12": "a key file",
    ".pfx": "a key file",
}


def never_sent(path: str) -> str | None:
    """Why a file is left out of every deploy; None when it belongs to it."""
    segments = path.lower().split("/")
    for segment in segments:
        if segment in _LEFT_OUT:
            return _LEFT_OUT[segment]
        if segment.startswith(".env."):
            return "may hold secrets"
    return next((why for ending, why in _LEFT_OUT_ENDINGS.items() if segments[-1].endswith(ending)), None)
