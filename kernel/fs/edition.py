"""What an app shows at one moment: a release with everything that decides how it is served, kept until it changes."""

from __future__ import annotations

import collections
from typing import NamedTuple

from kernel.apps import apps, manifest
from kernel.fs import blobs, mounts, paths, releases, trees
from kernel.fs.blobs import Content
from kernel.fs.header_rules import Headers, parse_headers
from kernel.fs.mounts import Mount
from kernel.fs.redirect_rules import Redirects, parse_redirects
from kernel.fs.trees import File
from kernel.storage.store import Store

MOST = 256
# pages that are still open ask for the assets of the release they came with
GRACE = 24 * 3_600_000
LONGEST_RULES = 1 << 20


class Edition(NamedTuple):
    app: str
    release: str
    tree: int
    spa: bool
    modified: int  # seconds
    visibility: str
    status: str
    has_handler: bool
    redirects: Redirects
    headers: Headers
    said: manifest.Manifest
    mounts: tuple[Mount, ...] = ()

    @property
    def is_open(self) -> bool:
        """May anybody see it who has its address?"""
        return self.visibility in ("public", "unlisted")


class Editions:
    """The editions that were asked for lately. They go when anything that visitors see changes."""

    def __init__(self, store: Store, content: Content) -> None:
        self.store, self._content = store, content
        self._known: collections.OrderedDict[tuple[str, str | None], Edition | None] = collections.OrderedDict()
        self._generation = -1

    def of(self, app: str, release: str | None = None) -> Edition | None:
        """The live release of a living app, or another one of its own."""
        generation = self.store.generation
        if generation != self._generation:
            self._known.clear()
            self._generation = generation
        key = (app, release)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        found = self._read(app, release)
        if self.store.generation == generation:
            self._known[key] = found
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        return found

    def _read(self, app: str, wanted: str | None) -> Edition | None:
        rows = self.store.rows(apps.LIVE, id=app)
        if not rows:
            return None
        live, visibility, status, spa = rows[0]
        over = mounts.of_app(self.store, app) if not wanted or wanted == live else ()
        if not (wanted or live):
            # a folder that is being worked on may be there before the first release
            none = Edition(
                app, "", 0, bool(spa), 0, visibility, status, False, Redirects(), Headers(), manifest.Manifest()
            )
            return none._replace(mounts=over) if over else None
        release = releases.one(self.store, wanted or live)
        if release is None or release.app != app:
            return None
        tree = release.tree
        return Edition(
            app,
            release.id,
            tree,
            # of what is live the app itself says it: each move of the pointer sets it anew
            release.spa if wanted and wanted != live else bool(spa),
            release.modified_at,
            visibility,
            status,
            any(self.file(tree, path) for path in paths.HANDLERS),
            parse_redirects(self._text(tree, "_redirects"))[0],
            parse_headers(self._text(tree, "_headers"))[0],
            manifest.parse(self._text(tree, manifest.FILE, manifest.LARGEST).encode() or b"{}")[0],
            over,
        )

    def file(self, tree: int, path: str) -> File | None:
        return trees.find(self.store, tree, path)

    def left_behind(self, app: str, path: str) -> File | None:
        """A file of a release that was live within the last day."""
        since = self.store.clock.now() - GRACE
        for (tree,) in self.store.rows(releases.LEFT_SINCE, of=app, since=since):
            if found := self.file(tree, path):
                return found
        return None

    def _text(self, tree: int, path: str, most: int = LONGEST_RULES) -> str:
        file = self.file(tree, path)
        if file is None:
            return ""
        parts = [self._content.piece(file.id, n) for n in range(blobs.pieces_of(min(file.size, most)))]
        return b"".join(parts)[: most + 1].decode("utf-8", "replace")
