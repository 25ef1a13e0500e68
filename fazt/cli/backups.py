"""`fazt backup create|restore`, where files of this machine are named."""

from __future__ import annotations

from pathlib import Path

import click

from fazt.boot import migrations, registry
from fazt.cli import output
from fazt.cli.execute import execute
from fazt.cli.nodes import start_again
from fazt.cli.options import style_of
from fazt.cli.project import Invocation
from fazt.client.reach import meant
from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.proc.backups import refuse_strange
from kernel.security.seal import key_path
from kernel.storage import copies, restoring
from kernel.storage.lock import hold, holder
from kernel.storage.store import backup_folder


@click.command("create")
@click.option("--output", "target", help="The copy's name, or the folder it goes to (else backups/ beside the file).")
@click.pass_context
def create(ctx: click.Context, target: str | None) -> int:
    """Make a copy of the data file, while it is in use. It is looked through before it counts."""
    values = {"output": str(Path(target).absolute())} if target else {}
    return execute(Invocation(registry()["backup.create"], None, values), ctx.obj)


@click.command("restore")
@click.argument("copy")
@click.option("--force", is_flag=True, help="Also a copy whose shape is older or newer than this program knows.")
@click.option("--confirm", is_flag=True, help="Yes, replace the data file.")
@click.pass_context
def restore(ctx: click.Context, copy: str, force: bool, confirm: bool) -> int:
    """Put a copy in the place of the data file. COPY is a file, or a name that `fazt backup list` shows.

    It is looked through first, and the file that was there stays beside it. A node that runs starts again with it.
    """
    entry, chosen = registry()["backup.restore"], meant(ctx.obj)
    if chosen.database is None:
        values = {"name": copy, "force": force, "confirm": confirm}
        return execute(Invocation(entry, None, values), ctx.obj)
    if not confirm:
        raise FaztError("CONFIRMATION_REQUIRED", str(entry.declared.confirm), "Confirm with --confirm.")
    database = chosen.database.resolve()
    path = Path(copy) if Path(copy).exists() else backup_folder(database) / copy
    found = copies.inspect(path)
    lacks, unknown = copies.compare(found, migrations())
    refuse_strange(path, lacks, unknown, force)
    held = holder(database)
    if held and held.get("socket"):
        restoring.lay_ready(path, database)
        start_again(database, held)
        kept = None
    else:
        with hold(database):
            restoring.lay_ready(path, database)
            kept = restoring.finish(database, Clock().now())
    old = kept or max(database.parent.glob(f"{database.name}.replaced-*[0-9]"), default=None)
    if style_of(ctx.obj) == "json":
        shown = {"database": str(database), "copy": str(path), "replaced": str(old) if old else None}
        output.show("backup.restore", {**shown, "node_id": found.node}, None, "json")
    else:
        output.say(f"{database} is now the copy {path.name}.{f' The file before it: {old}' if old else ''}")
    if not key_path(database).exists():
        output.say(f"Its secrets are locked: put the key it was made with at {key_path(database)}.")
    return 0
