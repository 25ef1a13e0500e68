"""Any GET under /api may end in `.txt .csv .md .html .xml`: the same answer, for other readers."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable
from typing import Any

import msgspec

WIDEST = 60
Rows = tuple[list[str], list[list[str]]]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def table(data: Any) -> Rows:
    """An answer as columns and rows: a list has a row per item, an object a row per field."""
    plain = msgspec.to_builtins(data, enc_hook=str)
    if isinstance(plain, list):
        if all(isinstance(item, dict) for item in plain):
            columns = list(dict.fromkeys(name for item in plain for name in item))
            return columns, [[_cell(item.get(name)) for name in columns] for item in plain]
        return ["value"], [[_cell(item)] for item in plain]
    if isinstance(plain, dict):
        return ["name", "value"], [[name, _cell(value)] for name, value in plain.items()]
    return ["value"], [[_cell(plain)]]


def text(data: Any) -> str:
    """Columns side by side, for a terminal: a line is a row."""
    names, found = table(data)
    columns, *rows = [[" ".join(cell.splitlines()) for cell in row] for row in (names, *found)]
    # one long cell shall not make every line long
    wide = [min(WIDEST, max(len(row[i]) for row in [columns, *rows])) for i in range(len(columns))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip() for row in [columns, *rows]
    ]
    return "\n".join(lines) + "\n"


def as_csv(data: Any) -> str:
    columns, rows = table(data)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    # a spreadsheet would run a cell that begins like a formula
    writer.writerows(
        [["'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in row] for row in rows]
    )
    return out.getvalue()


def markdown(data: Any) -> str:
    columns, rows = table(data)

    def line(cells: list[str]) -> str:
        shown = (html.escape(" ".join(cell.splitlines()), quote=False).replace("|", "\\|") for cell in cells)
        return f"| {' | '.join(shown)} |"

    return "\n".join([line(columns), line(["---"] * len(columns)), *map(line, rows)]) + "\n"


def as_html(data: Any) -> str:
    columns, rows = table(data)

    def row(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "\n".join(row(cells, "td") for cells in rows)
    return (
        f'<!doctype html>\n<meta charset="utf-8">\n<title>fazt</title>\n<table>\n<thead>{row(columns, "th")}</thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>\n"
    )


def xml(data: Any) -> str:
    columns, rows = table(data)

    def item(cells: list[str]) -> str:
        inner = "".join(
            f'<field name="{html.escape(name)}">{html.escape(_NOT_XML.sub("", cell), quote=False)}</field>'
            for name, cell in zip(columns, cells, strict=True)
        )
        return f"<item>{inner}</item>"

    return f'<?xml version="1.0" encoding="UTF-8"?>\n<data>{"".join(map(item, rows))}</data>\n'


# XML 1.0 has no place for these
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


FORMATS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "txt": ("text/plain", text),
    "csv": ("text/csv", as_csv),
    "md": ("text/markdown", markdown),
    "html": ("text/html", as_html),
    "xml": ("application/xml", xml),
}
