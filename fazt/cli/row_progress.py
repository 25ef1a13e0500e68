"""How far an import or an export is: rows beside the bar."""

from __future__ import annotations

from fazt.cli.progress import PACE, WIDTH, Progress, _time_left


class RowProgress(Progress):
    rows = 0

    def at(self, place: int, rows: int) -> None:
        """So far in the whole, with so many rows done."""
        with self._lock:
            self._done, self.rows = place, rows
            if self._clock.monotonic() - self._drawn >= PACE:
                self._draw()

    def line(self) -> str:
        seconds = self._clock.monotonic() - self._start
        speed = f"  {self.rows / seconds:,.0f}/s" if seconds >= 1 else ""
        if not self._total:
            return f"{self._verb} {count_of_rows(self.rows)}{speed}"
        part = min(1.0, self._done / self._total)
        bar = ("#" * round(part * WIDTH)).ljust(WIDTH, ".")
        left = _time_left(self._total - min(self._done, self._total), self._done, seconds)
        return f"{self._verb} [{bar}] {count_of_rows(self.rows)}{speed}{left}"


def count_of_rows(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"
