"""A file that is answered from memory: its answers are made once a second, for the Date."""

from __future__ import annotations

from kernel.net.simple import HEAD, UNCHANGED

# a small answer is one piece; of a large one, connections share the body instead of each holding a copy
ONE_PIECE = 16 * 1024
Answer = bytes | tuple[bytes, bytes]


class Entry:
    """`head` is the status line and the headers without Date, each line with its end; `etags` are all that mean it."""

    __slots__ = (
        "_answers",
        "_second",
        "app_id",
        "body",
        "etags",
        "head",
        "hits",
        "looked",
        "not_modified_head",
        "sent",
    )

    def __init__(
        self, app_id: str, head: bytes, body: bytes, etags: tuple[bytes, ...], not_modified_head: bytes
    ) -> None:
        self.app_id, self.head, self.body, self.not_modified_head = app_id, head, body, not_modified_head
        self.etags = tuple(etag.removeprefix(b"W/") for etag in etags)
        self.hits = self.sent = self.looked = 0
        self._second = -1
        self._answers: tuple[tuple[Answer, int], ...] = ()

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
        answer, size = self._answers[kind]
        self.hits += 1
        self.sent += size
        return answer

    def _make(self, second: int, date: bytes) -> None:
        line = b"Date: " + date + b"\r\n\r\n"
        head, unchanged = self.head + line, self.not_modified_head + line
        whole: Answer = head + self.body if len(self.body) <= ONE_PIECE else (head, self.body)
        answers: dict[int, tuple[Answer, int]] = {
            0: (whole, len(head) + len(self.body)),
            HEAD: (head, len(head)),
            UNCHANGED: (unchanged, len(unchanged)),
            HEAD | UNCHANGED: (unchanged, len(unchanged)),
        }
        self._answers = tuple(answers[kind] for kind in range(4))
        self._second = second
