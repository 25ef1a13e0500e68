"""`fazt ds|kv import|export` and `fazt storage batch`: data in files of this machine."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import click
import msgspec

from fazt.cli import output
from fazt.cli.options import style_of
from fazt.cli.releases import APP, app_path, needed_app
from fazt.cli.row_progress import RowProgress, count_of_rows
from fazt.client import exporting
from fazt.client.http import Link
from fazt.client.importing import Counts, Documents, Import, Kind, Values
from fazt.client.reach import meant, reached
from fazt.client.tables import FORMATS, EntriesOut, Lines, LinesOut, Row, Table, TableOut, entries
from kernel.base.errors import FaztError

TABLES = (".csv", ".tsv")
FORMAT = click.option("--format", "kind", type=click.Choice(FORMATS), help="By the file's name if left out.")
USER = click.option("--user", default="", help="The rows of one of the app's users.")
SKIP = click.option("--skip", is_flag=True, help="Leave out what is there already.")
FILE = click.argument("file")
INTO = click.argument("file", required=False, default="-")
MOST_FILE = 10 << 20


@click.command("import")
@click.argument("collection")
@FILE
@APP
@FORMAT
@click.option("--id", "id_", metavar="FIELD", help="The field that says what a document is called.")
@click.option("--text", is_flag=True, help="Keep every cell of a CSV file as text.")
@SKIP
@click.option("--replace", is_flag=True, help="Replace documents that have the same id.")
@USER
@click.pass_context
def import_documents(
    ctx: click.Context,
    collection: str,
    file: str,
    app: str | None,
    kind: str | None,
    id_: str | None,
    text: bool,
    skip: bool,
    replace: bool,
    user: str,
) -> int:
    """Import documents from a CSV file or JSON lines; `-` is standard input.

    A column of a CSV file is numbers, `true` and `false` where all of its cells are; anything else is text. An empty
    cell is a field that is not there, and `a.b` is the field b of an object a.
    """
    if skip and replace:
        raise FaztError("USAGE", "--skip and --replace say different things.", "Choose one of them.")
    name = needed_app(app)
    documents = Documents(app_path(name), collection, id=id_, replace=replace, user=user)
    return _imported(ctx, name, file, _kind(ctx, kind, file), documents, {"collection": collection}, skip, text)


@click.command("export")
@click.argument("collection")
@INTO
@APP
@FORMAT
@click.option("--query", help="Only what this query means, as JSON.")
@USER
@click.pass_context
def export_documents(
    ctx: click.Context, collection: str, file: str, app: str | None, kind: str | None, query: str | None, user: str
) -> int:
    """Export the documents of a collection as CSV or JSON lines, to a file or standard output."""
    name, wanted = needed_app(app), _query(query)
    path = app_path(name)

    def found(link: Link) -> Iterator[dict[str, Any]]:
        return exporting.documents(link, path, collection, wanted, user)

    return _exported(ctx, file, _kind(ctx, kind, file), found, {"collection": collection})


@click.command("import")
@FILE
@APP
@FORMAT
@USER
@click.pass_context
def import_values(ctx: click.Context, file: str, app: str | None, kind: str | None, user: str) -> int:
    """Import entries with `key`, `value` and perhaps `expiresAt` from CSV or JSON lines; `-` is standard input.

    In CSV a value that is JSON is JSON; anything else is text.
    """
    return _imported(ctx, needed_app(app), file, _kind(ctx, kind, file), Values(user=user), {}, False, False)


@click.command("export")
@INTO
@APP
@FORMAT
@click.option("--prefix", default="", help="Only keys that begin so.")
@USER
@click.pass_context
def export_values(ctx: click.Context, file: str, app: str | None, kind: str | None, prefix: str, user: str) -> int:
    """Export the entries of the key-value store as CSV or JSON lines, to a file or standard output."""
    path = app_path(needed_app(app))
    kind = "entries" if _kind(ctx, kind, file) == "csv" else "jsonl"
    return _exported(ctx, file, kind, lambda link: exporting.values(link, path, prefix, user), {})


@click.command("batch")
@FILE
@APP
@click.option("--once", metavar="KEY", help="At most once under this key.")
@click.pass_context
def batch(ctx: click.Context, file: str, app: str | None, once: str | None) -> int:
    """Carry out a list of writes as one: `[["kv.set", "k", 1], ["ds.insert", "birds", {}]]`; `-` is standard input."""
    name = needed_app(app)
    with _opened(file) as source:
        operations = _json(source.read(MOST_FILE), file)
    asked = {"operations": operations, **({"once": once} if once is not None else {})}
    with reached(meant(ctx.obj)) as link:
        done = link.ask("POST", f"{app_path(name)}/storage/batch", msgspec.json.encode(asked))
    if _style(ctx) == "table":
        output.write(output.safe("".join(msgspec.json.encode(answer).decode() + "\n" for answer in done)))
    else:
        output.show("storage.batch", done, None, _style(ctx))
    return 0


# --- what they share


def _imported(
    ctx: click.Context, app: str, file: str, kind: str, what: Kind, facts: dict[str, Any], skip: bool, text: bool
) -> int:
    progress = RowProgress(verb="Importing")
    with _opened(file, again=kind == "csv") as source, reached(meant(ctx.obj)) as link:
        rows: Iterable[Row] = Lines(source)
        if kind == "csv":
            rows = entries(Table(source, text=True)) if isinstance(what, Values) else Table(source, text)
        work = Import(link, app_path(app), what, skip=skip)
        progress.begin(_size(source))
        try:
            counts = work.run(rows, lambda done: progress.at(_place(source), done.imported + done.skipped))
        except FaztError as error:
            raise _stopped(error, work.counts) from None
        except KeyboardInterrupt:
            progress.end()
            output.say(f"Stopped. {_done(work.counts)}")
            raise
        finally:
            progress.end()
    if _style(ctx) == "table":
        output.write(f"{_done(counts)}\n")
    else:
        facts = {**facts, "imported": counts.imported, "skipped": counts.skipped}
        output.show("import", facts, None, _style(ctx))
    return 0


def _done(counts: Counts) -> str:
    skipped = f" {count_of_rows(counts.skipped)} left out." if counts.skipped else ""
    return f"{count_of_rows(counts.imported)} imported.{skipped}"


def _stopped(error: FaztError, counts: Counts) -> FaztError:
    """The error, and what had happened before it."""
    told = [error.hint] if error.hint else []
    if error.code == "CONFLICT" and "id" in error.details:
        told = ["--skip leaves out what is there, --replace replaces it."]
    told.append(f"{_done(counts)} None after that." if counts.imported or counts.skipped else "Nothing was imported.")
    details = {**error.details, "imported": counts.imported, "skipped": counts.skipped}
    return FaztError(error.code, error.message, " ".join(told), **details)


_OUT: dict[str, Callable[[BinaryIO, BinaryIO], LinesOut | TableOut | EntriesOut]] = {
    "jsonl": lambda target, spool: LinesOut(target),
    "csv": TableOut,
    "entries": lambda target, spool: EntriesOut(target),
}


def _exported(
    ctx: click.Context,
    file: str,
    kind: str,
    found: Callable[[Link], Iterator[dict[str, Any]]],
    facts: dict[str, Any],
) -> int:
    progress = RowProgress(verb="Exporting")
    count = 0
    with written(file) as target, tempfile.TemporaryFile() as spool, reached(meant(ctx.obj)) as link:
        out = _OUT[kind](target, cast(BinaryIO, spool))
        progress.begin(0)
        try:
            for row in found(link):
                out.add(row)
                count += 1
                if count % 100 == 0:
                    progress.at(0, count)
            out.end()
        finally:
            progress.end()
    if file == "-":
        return 0
    if _style(ctx) == "table":
        output.write(output.safe(f"{count_of_rows(count)}: {file}\n"))
    else:
        output.show("export", {**facts, "exported": count, "file": file}, None, _style(ctx))
    return 0


def _kind(ctx: click.Context, said: str | None, file: str) -> str:
    # behind `@peer` the option was taken for the way to answer
    said = said or (ctx.obj.get("format") if ctx.obj.get("format") in FORMATS else None)
    return said or ("csv" if Path(file).suffix.lower() in TABLES else "jsonl")


def _style(ctx: click.Context) -> str:
    style = style_of(ctx.obj)
    return "table" if style in FORMATS else style


@contextlib.contextmanager
def _opened(file: str, again: bool = False) -> Iterator[BinaryIO]:
    """`again`: it is read twice, which standard input does not do."""
    with contextlib.ExitStack() as stack:
        source: BinaryIO = sys.stdin.buffer
        if file != "-":
            try:
                source = stack.enter_context(Path(file).open("rb"))
            except OSError as error:
                raise FaztError("USAGE", f"{file} cannot be read: {error.strerror}.") from None
        if again and (file == "-" or not source.seekable()):
            source = stack.enter_context(_spooled(source))
        yield source


@contextlib.contextmanager
def _spooled(source: BinaryIO) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as copy:
        while block := source.read(1 << 18):
            copy.write(block)
        copy.seek(0)
        yield cast(BinaryIO, copy)


@contextlib.contextmanager
def written(file: str) -> Iterator[BinaryIO]:
    """A new file, which is there as a whole or not at all; or standard output."""
    if file == "-":
        yield sys.stdout.buffer
        return
    target = Path(file)
    if target.exists():
        raise FaztError("CONFLICT", f"{file} is there already.", "Name another file, or remove it.")
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as part:
            try:
                yield cast(BinaryIO, part)
                part.flush()
                Path(part.name).chmod(0o600)
                Path(part.name).rename(target)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise FaztError("USAGE", f"{file} cannot be written: {error.strerror}.") from None


def _size(source: BinaryIO) -> int:
    if not source.seekable():
        return 0
    size = source.seek(0, 2)
    source.seek(0)
    return size


def _place(source: BinaryIO) -> int:
    return source.tell() if source.seekable() else 0


def _query(text: str | None) -> Any:
    return None if text is None else _json(text.encode(), "--query")


def _json(data: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise FaztError("USAGE", f"{what} is not JSON: {str(error)[:200]}.") from None
