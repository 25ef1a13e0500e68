"""Documents in files: JSON lines, or a table with a header as spreadsheets write it. Never all of it at once."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import msgspec

from fazt.client.cells import Clash, Columns, Kinds, document, path_of
from kernel.base.errors import FaztError

LONGEST_LINE = 16 << 20
DELIMITERS = ",;\t"
FORMATS = ("jsonl", "csv")
ENTRY = ("key", "value", "expiresAt")
csv.field_size_limit(LONGEST_LINE)


class Row(NamedTuple):
    line: int
    value: dict[str, Any]


class Lines:
    """JSON lines: an object on each."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __iter__(self) -> Iterator[Row]:
        number = 0
        while line := self._file.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise bad(number, "is longer than a document may be")
            line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            if line.strip():
                yield Row(number, self._object(number, line))

    @staticmethod
    def _object(number: int, line: bytes) -> dict[str, Any]:
        try:
            value = msgspec.json.decode(line)
        except RecursionError:
            raise bad(number, "is nested too deep") from None
        except (msgspec.DecodeError, UnicodeError) as error:
            raise bad(number, f"is not JSON: {str(error)[:200]}") from None
        if not isinstance(value, dict):
            raise bad(number, "is not a JSON object")
        return value


class Table:
    """CSV. The file is read twice: what a column holds shows in all of its cells."""

    def __init__(self, file: BinaryIO, text: bool = False) -> None:
        self._file, self._text = file, text

    def __iter__(self) -> Iterator[Row]:
        names = self._header()
        if not names:
            return
        paths, kinds = [path_of(name) for name in names], Kinds(0 if self._text else len(names))
        if not self._text:
            for _, cells in self._rows(len(names)):
                kinds.see(cells)
        json = kinds.json
        for line, cells in self._rows(len(names)):
            try:
                yield Row(line, document(paths, json, cells))
            except Clash as error:
                raise bad(line, f"has something both in {error} and beside it") from None

    def _header(self) -> list[str]:
        names = next((cells for _, cells in self._cells()), [])
        seen: set[str] = set()
        for number, name in enumerate(names, 1):
            if not name:
                raise bad(1, f"gives column {number} no name")
            if name in seen:
                raise bad(1, f"names two columns {name[:100]}")
            seen.add(name)
        return names

    def _rows(self, count: int) -> Iterator[tuple[int, list[str]]]:
        rows = self._cells()
        next(rows)
        for line, cells in rows:
            if len(cells) > count:
                raise bad(line, f"has {len(cells)} cells where there are {count} columns")
            yield line, cells

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        """The rows that are not empty, each with the line on which it begins."""
        self._file.seek(0)
        if self._file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise bad(1, "is UTF-16", "Save the file as CSV in UTF-8.")
        self._file.seek(0)
        delimiter = _delimiter(self._file.readline(LONGEST_LINE))
        self._file.seek(0)
        opened = io.TextIOWrapper(self._file, "utf-8-sig", newline="")
        reader = csv.reader(opened, delimiter=delimiter, strict=True)
        line = 1
        try:
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            raise bad(line, f"is not CSV: {error}") from None
        except UnicodeDecodeError:
            raise bad(line, "or one soon after it is not UTF-8") from None
        finally:
            # who stopped reading may have closed the file before
            with contextlib.suppress(ValueError):
                opened.detach()


def _delimiter(header: bytes) -> str:
    """What stands between the names: counted outside of quotes."""
    outside = b"".join(header.split(b'"')[::2]).decode("utf-8", "replace")
    return max(DELIMITERS, key=outside.count)


def bad(line: int, why: str, hint: str | None = None) -> FaztError:
    return FaztError("VALIDATION_FAILED", f"Line {line} {why}.", hint, line=line)


# --- writing


class LinesOut:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, document: Any) -> None:
        self._file.write(msgspec.json.encode(document) + b"\n")

    def end(self) -> None:
        self._file.flush()


class EntriesOut:
    """CSV of a key-value store: a value is JSON where it is no text, and where a text would be taken for JSON."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        self._writer = csv.writer(self._file, lineterminator="\r\n")
        self._writer.writerow(ENTRY)

    def add(self, entry: dict[str, Any]) -> None:
        value = entry["value"]
        if not isinstance(value, str) or _value(value) != value or not value:
            value = msgspec.json.encode(value).decode()
        self._writer.writerow([entry["key"], value, entry.get("expiresAt", "")])

    def end(self) -> None:
        self._file.detach().flush()


def entries(table: Table) -> Iterator[Row]:
    """The rows of such a table, which was opened as text."""
    for line, cells in table:
        made = dict(cells)
        if "value" in made:
            made["value"] = _value(made["value"])
        with contextlib.suppress(KeyError, TypeError, ValueError):
            made["expiresAt"] = int(made["expiresAt"])
        yield Row(line, made)


def _value(cell: Any) -> Any:
    """What a cell says as JSON, or the cell."""
    try:
        return msgspec.json.decode(cell)
    except (msgspec.DecodeError, RecursionError, UnicodeError, TypeError):
        return cell


class TableOut:
    """CSV. What columns there are is known at the end only, so the documents wait in a file of their own (`spool`)."""

    def __init__(self, file: BinaryIO, spool: BinaryIO) -> None:
        self._file, self._spool, self._columns = file, spool, Columns()

    def add(self, document: dict[str, Any]) -> None:
        self._columns.see(document)
        self._spool.write(msgspec.json.encode(document) + b"\n")

    def end(self) -> None:
        self._spool.seek(0)
        opened = io.TextIOWrapper(self._file, "utf-8", newline="", write_through=True)
        try:
            if self._columns.names:
                writer = csv.writer(opened, lineterminator="\r\n")
                writer.writerow(self._columns.names)
                writer.writerows(self._columns.row(msgspec.json.decode(line)) for line in self._spool)
        finally:
            opened.detach()
        self._file.flush()
