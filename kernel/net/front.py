"""What visitors see of public files, ready in memory: whole requests to whole answers."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

from kernel.base.clock import Clock
from kernel.net import simple
from kernel.net.entry import Answer, Entry

MEMO_MOST = 4096
MEMO_BYTES = 4 << 20
LONGEST_MEMO = 2048
# whoever asks for a page in a thousand ways shall not fill the memory with copies of it
LONGEST_ACCEPT = 200
Name = tuple[bytes, bytes, bytes]  # host, path, encodings
Found = tuple[Entry, int, bytes | None]  # the entry, which of its answers, what a proxy said of the visitor
Counted = Callable[[str, int, int, int], None]


class Front:
    """Entries by what was asked for, and a memo of requests that were understood before.

    Everything goes when `generation` moves: it grows with each committed change of what visitors see. `counted` is
    told what was answered from here: app, status, answers, bytes of their bodies.
    """

    def __init__(self, clock: Clock, generation: Callable[[], int] = lambda: 0, most: int = 32 << 20) -> None:
        self._clock, self.generation, self.most = clock, generation, most
        self.counted: Counted = lambda app_id, status, hits, sent: None
        self.open = True
        self._entries: dict[Name, Entry] = {}
        self._memo: dict[bytes, Found] = {}
        self._memo_bytes = self.bytes = 0
        self._seen = generation()
        self._second, self._date = -1, b""

    def __len__(self) -> int:
        return len(self._entries)

    def keep(self, generation: int, host: bytes, path: bytes, accept: bytes, entry: Entry) -> bool:
        """Answer what is asked like this with `entry`, if what it was made from still holds and there is room.

        `generation` is the one read before anything else was; `host` in small letters with the port as it was sent,
        `path` as it was sent but for the query, `accept` the whole Accept-Encoding (empty: none). Only what is the
        same for everybody, whatever the query and all other headers say, may be kept.
        """
        self._look()
        name = (host, path, accept)
        size = _size(name, entry)
        if generation != self._seen or not self.open or size > self.most // 8 or len(accept) > LONGEST_ACCEPT:
            return False
        self._forget(name)
        if self.bytes + size > self.most:
            self._make_room()
        self._entries[name] = entry
        self.bytes += size
        return True

    def find(self, data: bytes) -> Found | None:
        """What answers these bytes, if they are exactly one request and the answer is here."""
        if self.generation() != self._seen or not self.open:
            self._look()
        found = self._memo.get(data)
        if found is None:
            request = simple.read(data)
            if request is None:
                return None
            entry = self._entries.get((request.host, request.path, request.accept))
            if entry is None:
                return None
            kind = simple.HEAD if request.head else 0
            if request.known is not None and entry.means(request.known):
                kind |= simple.UNCHANGED
            found = (entry, kind, request.via)
            self._remember(data, found)
        return found

    def answer(self, entry: Entry, kind: int, now: float) -> Answer:
        second = int(now)
        if second != self._second:
            self._second = second
            self._date = formatdate(self._clock.now() / 1000, usegmt=True).encode()
        return entry.answer(kind, second, self._date)

    def flush(self) -> None:
        """Tell what was answered since the last time."""
        for entry in self._entries.values():
            self._count(entry)

    def drop(self) -> None:
        self.flush()
        self._entries.clear()
        self._memo.clear()
        self.bytes = self._memo_bytes = 0

    def close(self) -> None:
        """Answer nothing from here any more: the node stops."""
        self.open = False
        self.drop()

    def _look(self) -> None:
        generation = self.generation()
        if generation != self._seen:
            self._seen = generation
            self.drop()

    def _remember(self, data: bytes, found: Found) -> None:
        if len(data) > LONGEST_MEMO:
            return
        if len(self._memo) >= MEMO_MOST or self._memo_bytes + len(data) > MEMO_BYTES:
            self._memo.clear()
            self._memo_bytes = 0
        self._memo[data] = found
        self._memo_bytes += len(data)

    def _make_room(self) -> None:
        """Down to three quarters: what nobody asked for since the last time goes first, then the oldest."""
        self._memo.clear()
        self._memo_bytes = 0
        idle = [name for name, entry in self._entries.items() if entry.hits == entry.looked]
        for name in (*idle, *list(self._entries)):
            if self.bytes <= self.most * 3 // 4:
                break
            self._forget(name)
        for entry in self._entries.values():
            entry.looked = entry.hits

    def _forget(self, name: Name) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self.bytes -= _size(name, entry)
            self._count(entry)
            if self._memo:
                self._memo.clear()
                self._memo_bytes = 0

    def _count(self, entry: Entry) -> None:
        for status, hits, sent in entry.news():
            self.counted(entry.app_id, status, hits, sent)


def _size(name: Name, entry: Entry) -> int:
    """About how much memory an entry takes with the name it is found by."""
    return entry.size + sum(map(len, name))
