"""`fazt app download` and `fazt storage cid`: a release as a folder, and what a folder is called by its content."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from fazt.cli import output
from fazt.cli.options import style_of
from fazt.cli.progress import Progress, count_of, format_short
from fazt.cli.releases import app_path, rows
from fazt.client.folder import Folder, unreadable
from fazt.client.http import Link
from fazt.client.reach import meant, reached
from kernel.base.errors import FaztError
from kernel.fs import cid
from kernel.fs.paths import check_paths, never_sent, shown


@click.command("download")
@click.argument("app")
@click.argument("dir", required=False)
@click.option("--release", help="A release (rel_…, v3); the live one if left out.")
@click.pass_context
def download(ctx: click.Context, app: str, dir: str | None, release: str | None) -> int:
    """Copy the files of a release into a new folder, by default one of the app's name."""
    target = Path(dir or app)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FaztError("CONFLICT", f"{target} is there already.", "Name a new folder: fazt app download APP DIR")
    query = {"release": release} if release else {}
    with reached(meant(ctx.obj)) as link:
        files = list(rows(link, f"{app_path(app)}/files", **query))
        # whoever answers: nothing is written outside the folder
        check_paths(file["path"] for file in files)
        files = _harmless(files)
        size = _fetched(link, app, files, target, query)
    facts = {"dir": str(target), "files": len(files), "bytes": size}
    if style_of(ctx.obj) != "table":
        output.show("app.download", facts, None, style_of(ctx.obj))
    else:
        output.write(output.safe(f"{count_of(len(files))}, {format_short(size)}: {target}\n"))
    return 0


def _harmless(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what no deploy would send: the settings of a repository, say, name programs that git then runs."""
    kept = []
    for file in files:
        # some file systems take a name for the same with or without invisible characters
        visible = "".join(letter for letter in file["path"] if unicodedata.category(letter) != "Cf")
        if why := never_sent(visible):
            output.say(f"warning: {shown(file['path'])} is left out: {why}")
        else:
            kept.append(file)
    return kept


def _fetched(link: Link, app: str, files: list[dict[str, Any]], target: Path, query: dict[str, str]) -> int:
    """All files or none: they become the folder when the last of them is there."""
    parent = target.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=parent))
    except OSError as error:
        raise _unwritable(parent, error) from None
    progress = Progress(verb="Fetching")
    progress.begin(sum(file["size"] for file in files))
    words = "".join(f"?{name}={quote(value)}" for name, value in query.items())
    try:
        size = sum(_fetch(link, app, file, part, words, progress) for file in files)
        part.chmod(0o777 & ~_umask())
        part.rename(target)
        return size
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        progress.end()
        shutil.rmtree(part, ignore_errors=True)


def _fetch(link: Link, app: str, file: dict[str, Any], part: Path, words: str, progress: Progress) -> int:
    place = part / file["path"]
    place.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with place.open("xb") as written:
        for block in link.fetch(f"{app_path(app)}/files/{quote(file['path'])}{words}"):
            digest.update(block)
            size += len(block)
            written.write(block)
            progress.add(len(block))
    if digest.hexdigest() != file["sha256"]:
        raise FaztError("CONFLICT", f"{file['path']} arrived damaged or was replaced.", "Download it again.")
    return size


def _umask() -> int:
    before = os.umask(0o077)
    os.umask(before)
    return before


def _unwritable(path: Path, error: OSError) -> FaztError:
    return FaztError("USAGE", f"{path} cannot be written: {error.strerror}.", "Name another folder.")


@click.command("cid")
@click.argument("path")
@click.pass_context
def content_id(ctx: click.Context, path: str) -> int:
    """The content id of a file or folder of this machine, as a deploy of it would have. Nothing is sent."""
    place = Path(path)
    if not place.exists():
        raise FaztError("NOT_FOUND", f"There is no {path}.")
    if place.is_dir():
        folder = Folder(place)
        found = {file.path: (cid.file_cid(_leaves(Path(file.source))), file.size) for file in folder.files}
        facts = {"path": path, "cid": cid.folders(found)[""], "files": len(found), "bytes": folder.size}
        for warning in folder.warnings:
            output.say(f"warning: {warning}")
    else:
        leaves = _leaves(place)
        facts = {"path": path, "cid": cid.file_cid(leaves), "files": 1, "bytes": sum(leaf.content for leaf in leaves)}
    if style_of(ctx.obj) != "table":
        output.show("storage.cid", facts, None, style_of(ctx.obj))
    else:
        output.write(f"{facts['cid']}\n")
    return 0


def _leaves(file: Path) -> list[cid.Node]:
    def blocks() -> Iterator[bytes]:
        with file.open("rb") as opened:
            while block := opened.read(cid.CHUNK):
                yield block

    try:
        return [cid.leaf(block) for block in blocks()]
    except OSError as error:
        raise unreadable(str(file), error) from None
