"""Which file of an edition answers a path, in the order static hosts agree on."""

from __future__ import annotations

import re
from typing import NamedTuple

from kernel.fs import paths
from kernel.fs.edition import Edition, Editions
from kernel.fs.mounts import HostFile
from kernel.fs.trees import File
from kernel.net.address import Address

# folders that builders keep for names with the hash of their content in them: another content has another name
_BUILT = re.compile(r"(?:^|/)(?:assets|_astro|_nuxt|static/(?:js|css|media))/")
# what lies in these never changes, whatever its name
_FOREVER = re.compile(r"(?:^|/)(?:_next/static|_app/immutable)/")
_HASH = re.compile(r"(?=[./-]([0-9A-Za-z_-]{8}|[0-9a-f]{9,64})(?:\.[0-9a-z]{1,5}){1,3}$)")
_HEX = re.compile(r"[0-9a-f]*[0-9][a-f][0-9a-f]*")
# what somebody can have called a file: SemiBold, iPhone12, CV_Smith
_WORDS = re.compile(r"[a-z]?(?:[A-Z]?[a-z]{2,}|[A-Z]{2,}_|[_-])*[0-9]*")
_VOWEL = re.compile(r"[aeiouyAEIOUY]")
_CODE = re.compile(r"\.(?:js|mjs|css|wasm)$")
# letters that join nothing between two numbers: 6s5j6cu5; more than eight hexadecimal digits; or
# eight that are no day, no word and year
_MIXED = re.compile(
    r".*[0-9][A-Za-z]+[0-9].*|[0-9a-f]{9,64}"
    r"|(?!(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]|[0-3][0-9][01][0-9](?:19|20)|[a-f]{4}(?:19|20))[0-9a-f]{8}"
)
# the hashes of esbuild, which Angular builds with: capitals only, so without a number they look like words
_CAPITALS = re.compile(
    r"(?:(?:^|[/.-])(?:chunk|main|polyfills|scripts|styles|worker)-|-(?=[A-Z]{0,6}[2-7]+[A-Z]))[A-Z2-7]{8}\.[a-z]+$"
)


class Found(NamedTuple):
    """A file to send with a status, or another address to go to."""

    status: int
    path: str = ""
    file: File | HostFile | None = None
    to: str = ""
    passing: bool = False  # answers so for some time only


def find(editions: Editions, edition: Edition, address: Address) -> Found:
    """Rules first, then the file, the folder, the page without its ending, the fallbacks."""
    moved = edition.redirects.find("/" + address.path, address.query)
    if moved and moved.status != 200:
        return Found(moved.status, to=moved.to)
    if moved and not moved.fallback:
        found = _at(editions, edition, Address(moved.to.removeprefix("/"), ""))
        return found if found and found.file else _missing(editions, edition)
    found = _at(editions, edition, address)
    if found:
        return found
    if (
        not _is_hidden(edition, address.path)
        and may_linger(address.path)
        and (left := editions.left_behind(edition.app, address.path))
    ):
        return Found(200, address.path, left, passing=True)
    if moved:
        found = _at(editions, edition, Address(moved.to.removeprefix("/"), ""))
        if found and found.file:
            return found
    if edition.spa and "." not in address.path.rpartition("/")[2]:
        page = _file(editions, edition, "index.html")
        if page:
            return Found(200, "index.html", page)
    return _missing(editions, edition)


def is_immutable(path: str) -> bool:
    """Whether a browser may keep the file for ever. In doubt not: nobody could take that back."""
    if _FOREVER.search(path):
        return True
    return _BUILT.search(path) is not None and any(_is_hash(found[1]) for found in _HASH.finditer(path))


def may_linger(path: str) -> bool:
    """Whether a page that is still open may ask for the file after a release without it."""
    if is_immutable(path):
        return True
    if not _CODE.search(path):
        return False
    if _CAPITALS.search(path):
        return True
    # elsewhere a whole name is no hash
    built = _BUILT.search(path) is not None
    pieces = [found[1] for found in _HASH.finditer(path) if built or path[found.start()] != "/"]
    return any(_is_hash(piece) or _MIXED.fullmatch(piece) for piece in pieces)


def _is_hash(piece: str) -> bool:
    if _HEX.fullmatch(piece):
        return True
    if piece in (piece.lower(), piece.upper()):
        return False
    return not (_WORDS.fullmatch(piece) and _VOWEL.search(piece))


def _is_hidden(edition: Edition, path: str) -> bool:
    has_handler = edition.has_handler
    if path.startswith("api/") and not has_handler:
        # a folder changes while it is mounted
        has_handler = any(mount.find(handler) for mount in edition.mounts for handler in paths.HANDLERS)
    return paths.is_hidden(path, has_handler)


def _file(editions: Editions, edition: Edition, path: str) -> File | HostFile | None:
    if _is_hidden(edition, path):
        return None
    for mount in edition.mounts:
        if file := mount.find(path):
            return file
    return editions.file(edition.tree, path)


def _at(editions: Editions, edition: Edition, address: Address) -> Found | None:
    path = address.path
    if address.is_folder:
        index = _file(editions, edition, path + "index.html")
        if index:
            return Found(200, path + "index.html", index)
        page = path.rstrip("/")
        if page and _file(editions, edition, page + ".html"):
            return Found(301, to=address.to(page))
        return None
    file = _file(editions, edition, path)
    if file:
        return Found(200, path, file)
    if _file(editions, edition, path + "/index.html"):
        return Found(301, to=address.to(path + "/"))
    page_file = _file(editions, edition, path + ".html")
    return Found(200, path + ".html", page_file) if page_file else None


def _missing(editions: Editions, edition: Edition) -> Found:
    page = _file(editions, edition, "404.html")
    return Found(404, "404.html" if page else "", page)
