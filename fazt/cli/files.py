"""`fazt files get` and `files put`: objects of an app as files of this machine."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

import click

from fazt.cli import output
from fazt.cli.options import style_of
from fazt.cli.progress import Progress, format_short
from fazt.cli.releases import APP, app_path, needed_app
from fazt.client.http import BLOCK, Link
from fazt.client.reach import meant, reached
from kernel.base.errors import FaztError, not_found
from kernel.data.object_words import MOST_MB
from kernel.fs.mime import mime_of

USER = click.option("--user", help="One of the app's people: their own objects.")
MOST = int(MOST_MB.most or 0) << 20


@click.command("get")
@click.argument("key")
@click.argument("file", required=False)
@APP
@USER
@click.pass_context
def get(ctx: click.Context, key: str, file: str | None, app: str | None, user: str | None) -> int:
    """Copy an object of an app to a file, by default one of its last name; - is stdout."""
    name, target = needed_app(app), file or key.rstrip("/").rpartition("/")[2]
    if target in ("", ".", ".."):
        raise FaztError("USAGE", "Which file is meant?", "fazt files get KEY FILE")
    if target != "-" and Path(target).exists():
        raise FaztError("CONFLICT", f"{target} is there already.", "Name a new file: fazt files get KEY FILE")
    with reached(meant(ctx.obj)) as link:
        said = _known(link, name, key, user)
        progress = Progress(verb="Fetching")
        progress.begin(said["size"])
        try:
            if target == "-":
                _fetch(link, _path(name, key, user), sys.stdout.buffer, progress, said)
                sys.stdout.buffer.flush()
                return 0
            _kept(link, _path(name, key, user), Path(target), progress, said)
        finally:
            progress.end()
    _told(ctx, "files.get", {"key": said["key"], "file": target, "size": said["size"], "mime": said["mime"]})
    return 0


@click.command("put")
@click.argument("key")
@click.argument("file")
@click.option("--mime", help="The media type; else what the name of the file says.")
@APP
@USER
@click.pass_context
def put(ctx: click.Context, key: str, file: str, mime: str | None, app: str | None, user: str | None) -> int:
    """Store a file of this machine (- for stdin) as an object of an app."""
    name, blocks = needed_app(app), _blocks(file)
    progress = Progress()
    progress.begin(sum(map(len, blocks)))
    try:
        with reached(meant(ctx.obj)) as link:
            kind = mime or mime_of(key if file == "-" else file)
            stored = link.ask("PUT", _path(name, key, user), blocks, kind, progress.add)
    finally:
        progress.end()
    _told(ctx, "files.put", stored)
    return 0


def _path(app: str, key: str, user: str | None) -> str:
    words = {"key": key} | ({"user": user} if user else {})
    return f"{app_path(app)}/storage/s3/object?{urlencode(words, quote_via=quote, errors='replace')}"


def _known(link: Link, app: str, key: str, user: str | None) -> dict[str, Any]:
    """What the node says of an object: the first that begins with its key, if it is that one."""
    words = {"prefix": key, "limit": "1"} | ({"user": user} if user else {})
    query = urlencode(words, quote_via=quote, errors="replace")
    found: list[dict[str, Any]] = link.ask("GET", f"{app_path(app)}/storage/s3?{query}", kind="")
    if not found or found[0]["key"] != key.removeprefix("/"):
        raise not_found("object", key, "`fazt files ls` shows what is there.")
    return found[0]


def _kept(link: Link, path: str, target: Path, progress: Progress, said: dict[str, Any]) -> None:
    """The whole file or none."""
    try:
        handle, part = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.absolute().parent)
    except OSError as error:
        raise _unwritable(target, error) from None
    try:
        with os.fdopen(handle, "wb") as written:
            _fetch(link, path, written, progress, said)
        Path(part).chmod(0o666 & ~_umask())
        Path(part).rename(target)
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        Path(part).unlink(missing_ok=True)


def _fetch(link: Link, path: str, written: BinaryIO, progress: Progress, said: dict[str, Any]) -> None:
    digest = hashlib.sha256()
    for block in link.fetch(path):
        digest.update(block)
        written.write(block)
        progress.add(len(block))
    if said["hash"] not in (None, digest.hexdigest()):
        raise FaztError("CONFLICT", f"{said['key']} arrived damaged or was replaced.", "Fetch it again.")


def _blocks(file: str) -> list[bytes]:
    """The content, which the node refuses when it is larger than an object may be."""
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as opened:
            blocks, size = [], 0
            while block := opened.read(BLOCK):
                blocks.append(block)
                size += len(block)
                if size > MOST:
                    raise FaztError("LIMIT_EXCEEDED", f"{file} is larger than {format_short(MOST)}.", most=MOST)
            return blocks
    except FileNotFoundError:
        raise FaztError("NOT_FOUND", f"There is no {file}.") from None
    except OSError as error:
        raise FaztError("USAGE", f"{file} cannot be read: {error.strerror}.") from None


def _told(ctx: click.Context, name: str, facts: dict[str, Any]) -> None:
    if style_of(ctx.obj) != "table":
        output.show(name, facts, None, style_of(ctx.obj))
    else:
        where = facts.get("file") or facts["key"]
        output.write(output.safe(f"{format_short(facts['size'])}, {facts['mime']}: {where}\n"))


def _umask() -> int:
    before = os.umask(0o077)
    os.umask(before)
    return before


def _unwritable(path: Path, error: OSError) -> FaztError:
    return FaztError("USAGE", f"{path} cannot be written: {error.strerror}.", "Name another file.")
