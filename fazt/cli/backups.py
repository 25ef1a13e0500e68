"""`fazt backup create|restore`, where files of this machine are named."""

from __future__ import annotations

import os
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
from kernel.proc.backups import acceptance
from kernel.security.seal import key_path, open_seal
from kernel.storage import restoring
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
    before = set(_replaced(database))
    held = holder(database)
    accept = acceptance(migrations(), force)
    if held and held.get("socket"):
        found = restoring.lay_ready(path, database, accept)
        _taken_up(database)
    else:
        with hold(database):
            found = restoring.lay_ready(path, database, accept)
            restoring.finish(database, Clock().now())
    old = max(set(_replaced(database)) - before, default=None)
    if style_of(ctx.obj) == "json":
        shown = {"database": str(database), "copy": str(path), "replaced": str(old) if old else None}
        output.show("backup.restore", {**shown, "node_id": found.node}, None, "json")
    else:
        output.say(f"{database} is now the copy {path.name}.{f' The file before it: {old}' if old else ''}")
    if found.key_id and open_seal(database, found.key_id, os.environ).locked:
        output.say(f"Its secrets are locked: put the key it was made with at {key_path(database)}.")
    return 0


def _replaced(database: Path) -> list[Path]:
    return list(database.parent.glob(f"{database.name}.replaced-*[0-9]"))


def _taken_up(database: Path) -> None:
    """Have the node that runs take up what was laid ready; if it cannot be told, nothing shall happen later."""
    try:
        while restoring.ready_path(database).exists():
            held = holder(database)
            if held and held.get("socket"):
                start_again(database, held)
            else:
                # it is starting or stopping: whoever opens the file next takes it up
                Clock().pause(0.05)
                if holder(database) is None:
                    with hold(database):
                        restoring.finish(database, Clock().now())
    except FaztError as error:
        if not restoring.ready_path(database).exists():
            hint = f"If it does not come back, the file before it is beside it: {database.name}.replaced-…"
            raise FaztError(error.code, error.message, f"{error.hint or ''} {hint}".strip()) from None
        restoring.call_off(database)
        raise
