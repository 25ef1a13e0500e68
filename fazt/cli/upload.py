"""`fazt storage upload`: keep a file or folder so that /ipfs/<cid> shows it."""

from __future__ import annotations

from pathlib import Path

import click

from fazt.cli import output
from fazt.cli.options import style_of
from fazt.cli.progress import Progress
from fazt.client.folder import Folder, nothing_in
from fazt.client.hashes import Hashes
from fazt.client.keep import Keep, OneFile
from fazt.client.reach import meant, reached
from fazt.client.upload import Wish
from kernel.base.errors import FaztError


@click.command("upload")
@click.argument("path")
@click.pass_context
def upload(ctx: click.Context, path: str) -> int:
    """Keep a file or folder by its content id, which is printed; every host shows it at /ipfs/<cid>."""
    place = Path(path)
    if not place.exists():
        raise FaztError("NOT_FOUND", f"There is no {path}.")
    folder = Folder(place) if place.is_dir() else OneFile(place)
    if not folder.files:
        raise nothing_in(place)
    progress = Progress()
    try:
        with reached(meant(ctx.obj)) as link:
            done = Keep(link, folder, Hashes(folder.top), Wish(""), progress=progress).run()
    finally:
        progress.end()
    for warning in folder.warnings:
        output.say(f"warning: {warning}")
    facts = {"cid": done.answer["cid"], "url": done.answer["url"], "bytes_sent": done.bytes_sent}
    if style_of(ctx.obj) != "table":
        output.show("storage.upload", facts, None, style_of(ctx.obj))
    else:
        output.write(f"{facts['cid']}\n")
    return 0
