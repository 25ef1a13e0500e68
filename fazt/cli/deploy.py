"""`fazt deploy`: a folder becomes a release of an app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fazt.cli import output
from fazt.cli.options import style_of
from fazt.cli.progress import Progress, count_of, format_short
from fazt.client import naming
from fazt.client.advice import advice
from fazt.client.bundle import BundledFolder, bundle_of
from fazt.client.folder import Folder, nothing_in, opened
from fazt.client.hashes import Hashes
from fazt.client.reach import meant, reached
from fazt.client.upload import Deployed, Upload, Wish
from kernel.base.clock import Clock
from kernel.base.errors import FaztError

MOST_NAMES = 10
SIGNS = {"added": "+", "changed": "~", "removed": "-"}


@click.command("deploy")
@click.argument("dir", required=False, default=".")
@click.option("--name", help="The app's name; else that in app.json, the one of the last deploy, the folder's.")
@click.option("--spa/--no-spa", default=None, help="Answer paths that no file has with index.html.")
@click.option("-m", "--message", help="What is new, for the list of releases.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent; send and change nothing.")
@click.option("--include-private", is_flag=True, help="Send private/ although it is ignored by .gitignore.")
@click.pass_context
def deploy(
    ctx: click.Context,
    dir: str,
    name: str | None,
    spa: bool | None,
    message: str | None,
    dry_run: bool,
    include_private: bool,
) -> int:
    """Publish a folder. Only what is not there yet is sent; an interrupted deploy goes on where it ended.

    .gitignore and .faztignore are honoured; .git, node_modules, .env and keys are never sent.
    """
    clock = Clock()
    start = clock.monotonic()
    where = opened(Path(dir))
    wanted, warnings = naming.name_for(where, name)
    chosen = meant(ctx.obj)
    if ctx.obj.get("verbose"):
        output.say(f"node: {chosen.database or chosen.url} (by {chosen.why})")
    style = style_of(ctx.obj)
    progress = Progress(clock=clock)
    upload: Upload | None = None
    try:
        with reached(chosen) as link:
            folder = BundledFolder(where, include_private)
            if not folder.files:
                raise nothing_in(where.resolve())
            warnings += folder.warnings + advice(where, folder)
            wish = Wish(wanted, spa, message, include_private)
            upload = Upload(link, folder, Hashes(folder.top), wish, progress=progress, clock=clock)
            if dry_run:
                return _show_plan(upload, warnings, style)
            done = upload.run()
            if link.inside:
                warnings.append("no node runs: `fazt up` serves it.")
    except KeyboardInterrupt:
        progress.end()
        output.say(f"Stopped: {upload.how_far}" if upload else "Stopped: nothing was sent.")
        raise
    except FaztError as error:
        raise _hinted(error, said=bool(name)) from None
    finally:
        progress.end()
    note = naming.link(where, done.answer["name"])
    warnings += [note] if note else []
    _show(done, upload.folder, warnings, clock.monotonic() - start, style)
    return 0


def _hinted(error: FaztError, *, said: bool) -> FaztError:
    """What to do about a name that cannot be had, in words of this command."""
    if error.code == "METHOD_NOT_ALLOWED":
        return FaztError(
            error.code,
            f"There is no node that takes deploys: {error.message}",
            "The address is that of the admin host: http://admin.<domain>:<port>",
            **error.details,
        )
    about_name = error.details.get("field") in ("name", "slug")
    if about_name and not said:
        return FaztError(error.code, error.message, "Say another: fazt deploy --name NAME", **error.details)
    return error


def _bundled(folder: Folder) -> dict[str, Any]:
    """What is said of a bundle to programs; nothing where there is none."""
    bundle = bundle_of(folder)
    return {"bundle": bundle.facts} if bundle else {}


def _say_bundle(folder: Folder) -> None:
    if bundle := bundle_of(folder):
        output.say(bundle.told)


def _show(done: Deployed, folder: Folder, warnings: list[str], seconds: float, style: str) -> None:
    answer = done.answer
    warnings = [*warnings, *answer.get("warnings", ())]
    if style != "table":
        sent = {"bytes_sent": done.bytes_sent, "seconds": round(seconds, 3)}
        output.show("deploy", {**answer, **_bundled(folder), **sent, "warnings": warnings}, None, style)
        return
    _say_bundle(folder)
    _warn(warnings)
    output.write(output.safe(_told(done, seconds)))


def _told(done: Deployed, seconds: float) -> str:
    answer = done.answer
    name, n, release = answer["name"], answer["n"], answer["release"]
    files = f"{count_of(answer['files'])}, {format_short(answer['bytes'])}"
    if answer.get("unchanged"):
        lines = [f"Nothing changed: {name} stays at v{n} ({release}); {files}."]
    else:
        lines = [f"{name} v{n} is live ({release}); {files}."]
    lines += [f"  {answer['url']}", f"  preview: {answer['preview_url']}"]
    if not answer.get("unchanged"):
        counts = ", ".join(f"{answer[kind]} {kind}" for kind in SIGNS)
        lines += [f"  {counts}", *_names(answer)]
    lines.append(f"  {format_short(done.bytes_sent)} sent in {seconds:.1f} s")
    if answer.get("undo"):
        lines.append(f"To undo: {answer['undo']}")
    return "\n".join(lines) + "\n"


def _names(answer: dict[str, Any]) -> list[str]:
    """Up to ten of the files that differ."""
    changes = answer.get("changes") or {}
    named = [f"    {sign} {path}" for kind, sign in SIGNS.items() for path in changes.get(kind, ())]
    more = sum(answer[kind] for kind in SIGNS) - len(named[:MOST_NAMES])
    return [*named[:MOST_NAMES], *([f"    and {more} more"] if more > 0 else [])]


def _show_plan(upload: Upload, warnings: list[str], style: str) -> int:
    plan = upload.plan()
    sent = upload.missing(plan)
    warnings = [*warnings, *plan.get("warnings", ())]
    facts = {
        "dry_run": True,
        "name": upload.wish.name,
        "app_id": plan["app_id"],
        "live": plan["live"],
        "added": plan["added"],
        "changed": plan["changed"],
        "removed": plan["removed"],
        "unchanged": plan["unchanged"],
        "files": len(upload.folder.files),
        "bytes": upload.folder.size,
        "bytes_missing": plan["bytes_missing"],
        "would_send": [file.path for file in sent],
        **_bundled(upload.folder),
        "warnings": warnings,
    }
    if style != "table":
        output.show("deploy.plan", facts, None, style)
        return 0
    _say_bundle(upload.folder)
    _warn(warnings)
    goal = upload.wish.name if plan["app_id"] else f"{upload.wish.name} (a new app)"
    counts = ", ".join(f"{plan[kind]} {kind}" for kind in SIGNS)
    lines = [f"{goal}: {count_of(len(upload.folder.files))}, {format_short(upload.folder.size)}; {counts}."]
    missing = f"Would send {count_of(len(sent))}, {format_short(plan['bytes_missing'])}:"
    lines.append(missing if sent else "Nothing to send.")
    lines += [f"  {file.path}" for file in sent[:MOST_NAMES]]
    if len(sent) > MOST_NAMES:
        lines.append(f"  and {len(sent) - MOST_NAMES} more")
    output.write(output.safe("\n".join(lines) + "\n"))
    return 0


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        output.say(f"warning: {warning}")
