"""A file that is answered from memory: its answers are made once a second, for the Date."""

from __future__ import annotations

from collections.abc import Iterator

from kernel.net.simple import HEAD, UNCHANGED

# a small answer is one piece; of a large one, connections share the body instead of each holding a copy
ONE_PIECE = 16 * 1024
Answer = bytes | tuple[bytes, bytes]


class Entry:
    """`head` is the status line and the headers without Date, each line with its end; `etags` are all that mean it."""

    __slots__ = (
        "_answers",
        "_second",
        "_told",
        "app_id",
        "body",
        "counts",
        "etags",
        "head",
        "looked",
        "not_modified_head",
    )

    def __init__(
        self, app_id: str, head: bytes, body: bytes, etags: tuple[bytes, ...], not_modified_head: bytes
    ) -> None:
        self.app_id, self.head, self.body, self.not_modified_head = app_id, head, body, not_modified_head
        self.etags = tuple(etag.removeprefix(b"W/") for etag in etags)
        self.counts = [0, 0, 0, 0]  # answers of each kind
        self._told = [0, 0, 0, 0]
        self.looked = 0
        self._second = -1
        self._answers: tuple[Answer, ...] = ()

    @property
    def hits(self) -> int:
        return sum(self.counts)

    @property
    def size(self) -> int:
        """About how much memory it takes."""
        copied = len(self.body) if len(self.body) <= ONE_PIECE else 0
        return 1000 + 2 * len(self.head) + len(self.body) + copied + 2 * len(self.not_modified_head)

    def means(self, known: bytes) -> bool:
        """Does a client that holds one of these (If-None-Match) hold this?"""
        return known == b"*" or any(tag.strip(b" \t").removeprefix(b"W/") in self.etags for tag in known.split(b","))

    def answer(self, kind: int, second: int, date: bytes) -> Answer:
        """By kind: whole, only its head, or that nothing has changed. Counts as one hit."""
        if self._second != second:
            self._make(second, date)
        self.counts[kind] += 1
        return self._answers[kind]

    def news(self) -> Iterator[tuple[int, int, int]]:
        """What was answered since the last time: status, answers, and as long as they say that their bodies are."""
        if self.counts == self._told:
            return
        whole, same, head, same_head = (now - before for now, before in zip(self.counts, self._told, strict=True))
        self._told = self.counts.copy()
        if whole or head:
            yield 200, whole + head, (whole + head) * len(self.body)
        if same or same_head:
            yield 304, same + same_head, 0

    def _make(self, second: int, date: bytes) -> None:
        line = b"Date: " + date + b"\r\n\r\n"
        head, unchanged = self.head + line, self.not_modified_head + line
        whole: Answer = head + self.body if len(self.body) <= ONE_PIECE else (head, self.body)
        answers: dict[int, Answer] = {0: whole, HEAD: head, UNCHANGED: unchanged, HEAD | UNCHANGED: unchanged}
        self._answers = tuple(answers[kind] for kind in range(4))
        self._second = second
