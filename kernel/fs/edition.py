"""What an app shows at one moment: a release with everything that decides how it is served, kept until it changes."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from kernel.apps import apps, manifest
from kernel.fs import mounts, paths, releases, trees
from kernel.fs.blobs import Content
from kernel.fs.header_rules import Headers, parse_headers
from kernel.fs.mounts import Mount
from kernel.fs.redirect_rules import Redirects, parse_redirects
from kernel.fs.rules import MAX_BYTES
from kernel.fs.trees import File
from kernel.storage.store import Store

T = TypeVar("T")

MOST = 256
# pages that are still open ask for the assets of the release they came with
GRACE = 24 * 3_600_000
# what is kept of rules that were read, by the size of their files: in memory they are up to 75 times as large
MOST_SOURCES = 1 << 20
MOST_PARSED = 1024


class Edition(NamedTuple):
    app: str
    release: str
    tree: int
    spa: bool
    modified: int  # seconds
    visibility: str
    status: str
    handler: str  # the file that answers under /api; empty: none
    redirects: Redirects
    headers: Headers
    said: manifest.Manifest
    mounts: tuple[Mount, ...] = ()

    @property
    def has_handler(self) -> bool:
        return bool(self.handler)

    @property
    def is_open(self) -> bool:
        """May anybody see it who has its address?"""
        return self.visibility in ("public", "unlisted")


class Editions:
    """The editions that were asked for lately. They go when anything that visitors see changes.

    Asked for on the event loop, and by apps' threads that want to know what their app says of its stores.
    """

    def __init__(self, store: Store, content: Content) -> None:
        self.store, self._content = store, content
        self._known: collections.OrderedDict[tuple[str, str | None], tuple[int, Edition]] = collections.OrderedDict()
        self._guard = threading.RLock()
        self._parsed = Parsed()

    def of(self, app: str, release: str | None = None) -> Edition | None:
        """The live release of a living app, or another one of its own."""
        generation, key = self.store.generation, (app, release)
        known = self._known.get(key)
        if known is not None and known[0] == generation:
            return known[1]
        with self._guard:
            found = self._read(app, release)
            # what does not exist is not kept: whoever invents names would push out what does
            if found is not None:
                self._known[key] = (generation, found)
                self._known.move_to_end(key)
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
                app, "", 0, bool(spa), 0, visibility, status, "", Redirects(), Headers(), manifest.Manifest()
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
            self._handler(tree),
            self._rules(tree, "_redirects", parse_redirects) or Redirects(),
            self._rules(tree, "_headers", parse_headers) or Headers(),
            self._manifest(tree),
            over,
        )

    def file(self, tree: int, path: str) -> File | None:
        return trees.find(self.store, tree, path)

    def left_behind(self, app: str, path: str) -> File | None:
        """A file of a release that was live within the last day."""
        since = self.store.clock.now() - GRACE
        for (tree,) in self.store.rows(releases.LEFT_SINCE, of=app, since=since):
            if found := self.file(tree, path):
                # the release it belongs to may have hidden what the live one would show
                hidden = paths.is_hidden(path, path.startswith("api/") and bool(self._handler(tree)))
                return None if hidden else found
        return None

    def _handler(self, tree: int) -> str:
        return next((path for path in paths.HANDLERS if self.file(tree, path)), "")

    def _rules(self, tree: int, path: str, parse: Callable[[str], tuple[T, list[str]]]) -> T | None:
        file = self.file(tree, path)
        if file is None:
            return None
        # one byte more tells the parser that the file is too long
        size = min(file.size, MAX_BYTES + 1)
        return self._parsed.of(
            (path, file.id), size, lambda: parse(self._start(file, size).decode("utf-8", "replace"))[0]
        )

    def _manifest(self, tree: int) -> manifest.Manifest:
        chosen = manifest.chosen(lambda name: self.file(tree, name))
        if chosen is None:
            return manifest.Manifest()
        name, file = chosen
        size = min(file.size, manifest.LARGEST + 1)
        return self._parsed.of((name, file.id), size, lambda: manifest.parse(self._start(file, size), name)[0])

    def _start(self, file: File, most: int) -> bytes:
        """The first bytes of a file."""
        return self._content.whole(file.id, most)[:most]


class Parsed:
    """What files of rules say, kept by their content, which never changes: a new release has most of them unchanged."""

    def __init__(self) -> None:
        self._known: collections.OrderedDict[tuple[str, int], tuple[int, Any]] = collections.OrderedDict()
        self._held = 0

    def of(self, key: tuple[str, int], size: int, parse: Callable[[], T]) -> T:
        """What `parse` gives for the file of this name and blob."""
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            said: T = known[1]
            return said
        said = parse()
        self._known[key] = (size, said)
        self._held += size
        while self._held > MOST_SOURCES or len(self._known) > MOST_PARSED:
            self._held -= self._known.popitem(last=False)[1][0]
        return said
