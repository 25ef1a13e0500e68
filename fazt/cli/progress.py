"""How far a transfer is, as one line that redraws itself; only where a person looks at it."""

from __future__ import annotations

import sys
import threading
from typing import TextIO

from kernel.base.clock import Clock
from kernel.base.units import format_size

WIDTH = 24
PACE = 0.1  # seconds between two drawings


class Progress:
    def __init__(self, stream: TextIO | None = None, clock: Clock | None = None, verb: str = "Sending") -> None:
        self._verb = verb
        self._stream, self._clock = stream or sys.stderr, clock or Clock()
        self._shown = self._stream.isatty()
        self._lock = threading.Lock()
        self._total = self._done = 0
        self._start = self._drawn = self._clock.monotonic()
        self._on_line = False

    def begin(self, total: int) -> None:
        """So many bytes are to be sent. (Once more, when it turned out that more is needed.)"""
        with self._lock:
            self._total, self._done, self._start = total, 0, self._clock.monotonic()
            self._draw()

    def add(self, count: int) -> None:
        """So many more have been sent; fewer, when what was sent was lost."""
        with self._lock:
            self._done = max(0, min(self._total, self._done + count))
            if self._clock.monotonic() - self._drawn >= PACE:
                self._draw()

    def end(self) -> None:
        """Leaves the terminal as it was."""
        with self._lock:
            if self._on_line:
                self._stream.write("\r\x1b[K")
                self._stream.flush()
                self._on_line = False
            self._shown = False

    def _draw(self) -> None:
        if not self._shown:
            return
        self._drawn = self._clock.monotonic()
        self._stream.write("\r" + self.line() + "\x1b[K")
        self._stream.flush()
        self._on_line = True

    def line(self) -> str:
        part = self._done / self._total if self._total else 1.0
        bar = ("#" * round(part * WIDTH)).ljust(WIDTH, ".")
        seconds = self._clock.monotonic() - self._start
        speed = f"  {format_short(self._done / seconds)}/s" if seconds >= 1 else ""
        left = _time_left(self._total - self._done, self._done, seconds)
        return f"{self._verb} [{bar}] {format_short(self._done)} of {format_short(self._total)}{speed}{left}"


def format_short(count: float) -> str:
    """A size with at most one digit behind the point."""
    unit = next((unit for unit in (1 << 30, 1 << 20, 1 << 10) if count >= unit), 1)
    return format_size(round(round(count / unit, 1) * unit)) if unit > 1 else f"{round(count)}B"


def count_of(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"


def _time_left(waiting: int, done: int, seconds: float) -> str:
    if seconds < 1 or not done or not waiting:
        return ""
    left = round(waiting * seconds / done)
    return f"  {left // 60}:{left % 60:02} left"
