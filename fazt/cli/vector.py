"""`fazt vector add`, `import` and `export`: documents with vectors from files and into them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

import click
import msgspec

from fazt.cli import output
from fazt.cli.data import written
from fazt.cli.options import style_of
from fazt.cli.progress import Progress
from fazt.cli.releases import APP, app_path, needed_app
from fazt.client.reach import meant, reached
from kernel.base.errors import FaztError

# what goes in one request; the node takes more
MOST_LINES = 500
MOST_BYTES = 4 << 20


@click.command("add")
@click.argument("name")
@click.option("--file", "file", metavar="FILE", help="The text is in this file; - is stdin.")
@click.option("--content", help="The text itself.")
@click.option("--id", "id", help="The id; a new one otherwise.")
@click.option("--metadata", metavar="JSON", help="What is known of it.")
@click.option("--embedding", metavar="JSON", help="Its vector; the collection's model makes it otherwise.")
@APP
@click.pass_context
def add(ctx: click.Context, /, name: str, file: str | None, content: str | None, app: str | None, **more: Any) -> int:
    """Store a text in a collection of vectors."""
    if (file is None) == (content is None):
        raise FaztError("USAGE", "Say either --file or --content.")
    document: dict[str, Any] = {"pageContent": content if file is None else _text(file)}
    if more["id"] is not None:
        document["id"] = more["id"]
    for word in ("metadata", "embedding"):
        if more[word] is not None:
            document[word] = _json(word, more[word])
    with reached(meant(ctx.obj)) as link:
        path = f"{_collection(app, name)}/documents"
        (id,) = link.ask("POST", path, msgspec.json.encode({"documents": [document]}))
    if style_of(ctx.obj) == "table":
        output.write(f"{id}\n")
    else:
        output.show("vector.add", {"id": id}, None, style_of(ctx.obj))
    return 0


@click.command("import")
@click.argument("name")
@click.argument("file")
@APP
@click.pass_context
def import_(ctx: click.Context, name: str, file: str, app: str | None) -> int:
    """Store documents from JSON lines: {"id", "pageContent", "metadata", "embedding"}; FILE - is stdin."""
    count = 0
    progress = Progress()
    progress.begin(0 if file == "-" else _size(file))
    path = f"{_collection(app, name)}/import"
    try:
        with reached(meant(ctx.obj)) as link, _opened(file) as lines:
            for first, some in _slices(lines):
                try:
                    count += link.ask("POST", path, some, kind="application/x-ndjson")["imported"]
                except FaztError as error:
                    raise _placed(error, first, count) from None
                progress.add(len(some))
    finally:
        progress.end()
    if style_of(ctx.obj) == "table":
        output.write(f"Imported {count} documents.\n")
    else:
        output.show("vector.import", {"imported": count}, None, style_of(ctx.obj))
    return 0


@click.command("export")
@click.argument("name")
@click.argument("file", required=False, default="-")
@APP
@click.pass_context
def export(ctx: click.Context, name: str, file: str, app: str | None) -> int:
    """Write all documents of a collection as JSON lines, to a file or standard output."""
    path = f"{_collection(app, name)}/export"
    with written(file) as target, reached(meant(ctx.obj)) as link:
        after = ""
        while some := b"".join(link.fetch(f"{path}?{urlencode({'after': after}) if after else ''}")):
            target.write(some)
            after = msgspec.json.decode(some.rstrip(b"\n").rpartition(b"\n")[2])["id"]
        target.flush()
    return 0


def _collection(app: str | None, name: str) -> str:
    return f"{app_path(needed_app(app))}/vector/collections/{quote(name, safe='')}"


def _slices(lines: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Some lines at a time, with the number of the first."""
    first, number, size = 1, 0, 0
    some: list[bytes] = []
    for number, line in enumerate(lines, 1):
        some.append(line)
        size += len(line)
        if len(some) >= MOST_LINES or size >= MOST_BYTES:
            yield first, b"".join(some)
            first, size, some = number + 1, 0, []
    if some:
        yield first, b"".join(some)


def _placed(error: FaztError, first: int, count: int) -> FaztError:
    """A line of a slice as the line of the file."""
    line = error.details.get("line")
    if not isinstance(line, int):
        return error
    _, _, why = error.message.partition(": ")
    line += first - 1
    hint = f"{count} documents before it are stored." if count else None
    return FaztError(error.code, f"line {line}: {why}", hint, **{**error.details, "line": line})


def _size(file: str) -> int:
    try:
        return Path(file).stat().st_size
    except OSError as error:
        raise FaztError("USAGE", f"{file} cannot be read: {error.strerror}.") from None


def _opened(file: str) -> BinaryIO:
    if file == "-":
        return sys.stdin.buffer
    try:
        return open(file, "rb")
    except OSError as error:
        raise FaztError("USAGE", f"{file} cannot be read: {error.strerror}.") from None


def _text(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode()
    except OSError as error:
        raise FaztError("USAGE", f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise FaztError("USAGE", f"{file} is not UTF-8.") from None


def _json(name: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, RecursionError):
        raise FaztError("USAGE", f"--{name} is not JSON.", field=name) from None
