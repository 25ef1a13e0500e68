"""`fazt open` and `fazt status`: where an app of this folder is and how it does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from fazt.cli import output
from fazt.cli.options import style_of
from fazt.client import naming
from fazt.client.http import Link
from fazt.client.reach import meant, reached, socket_of
from fazt.client.target import Target
from kernel.base.clock import iso
from kernel.base.errors import FaztError

PAGE = 1000
APP = click.option("--app", help="The app, by id or alias (else FAZT_APP, else .fazt/app).")


def rows(link: Link, path: str, **query: str) -> Iterator[dict[str, Any]]:
    """All rows of a list, page by page."""
    offset = 0
    while True:
        words = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        found = link.ask("GET", f"{path}?offset={offset}&limit={PAGE}{'&' + words if words else ''}", kind="")
        yield from found
        if len(found) < PAGE:
            return
        offset += len(found)


def app_path(app: str) -> str:
    return f"/api/apps/{quote(app, safe='')}"


def said_app(said: str | None) -> str | None:
    return said or os.environ.get("FAZT_APP") or naming.linked(Path())


def needed_app(said: str | None) -> str:
    name = said_app(said)
    if name is None:
        raise FaztError(
            "USAGE", "Which app is meant?", "Add --app NAME, set FAZT_APP, or run it in a deployed folder.", field="app"
        )
    return name


@click.command("open")
@APP
@click.pass_context
def open_(ctx: click.Context, app: str | None) -> int:
    """Show an app in the browser; where there is none, print its address."""
    name = needed_app(app)
    with reached(meant(ctx.obj)) as link:
        found = link.ask("GET", app_path(name), kind="")
    style, url = style_of(ctx.obj), found["url"]
    if style != "table":
        output.show("open", {"app_id": found["id"], "name": found["slug"], "url": url}, None, style)
        return 0
    output.write(output.safe(url + "\n"))
    viewer = _viewer()
    if viewer and url.startswith(("http://", "https://")):
        quiet = subprocess.DEVNULL
        subprocess.Popen([viewer, url], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    return 0


def _viewer() -> str | None:
    """The program that shows an address, where there is a screen to show it on."""
    if sys.platform == "darwin":
        return shutil.which("open")
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return shutil.which("xdg-open")
    return None


@click.command("status")
@APP
@click.pass_context
def status(ctx: click.Context, app: str | None) -> int:
    """Which node commands go to, how it does, and what is live of the app of this folder."""
    chosen = meant(ctx.obj)
    facts: dict[str, Any] = {
        "target": str(chosen.database or chosen.url),
        "by": chosen.why,
        "node": _state(chosen),
        "version": None,
        "app": None,
        "url": None,
        "release": None,
        "n": None,
        "released_at": None,
        "message": None,
    }
    name = said_app(app)
    if chosen.database is None or chosen.database.exists():
        with reached(chosen) as link:
            if facts["node"] != "stopped":
                _health(link, facts)
            if name is not None:
                _app(link, name, facts)
    style = style_of(ctx.obj)
    if style != "table":
        output.show("status", facts, None, style)
    else:
        output.write(output.safe(_told(facts, name)))
    return 0


def _state(chosen: Target) -> str:
    """What is known before anybody is asked."""
    if chosen.database is None:
        return "running"
    if not chosen.database.exists():
        return "missing"
    return "running" if socket_of(chosen.database.resolve()) else "stopped"


def _health(link: Link, facts: dict[str, Any]) -> None:
    try:
        found = link.ask("GET", "/api/system/health", kind="")
    except FaztError as error:
        # a key that may deploy need not see the figures of the node
        if error.code != "FORBIDDEN":
            raise
        return
    facts["node"], facts["version"] = found["status"], found["version"]


def _app(link: Link, name: str, facts: dict[str, Any]) -> None:
    try:
        found = link.ask("GET", app_path(name), kind="")
    except FaztError as error:
        if error.code != "APP_NOT_FOUND":
            raise
        facts["app"] = name
        return
    facts |= {"app": found["slug"] or found["id"], "url": found["url"], "release": found.get("release_id")}
    if facts["release"]:
        for row in rows(link, f"{app_path(name)}/releases"):
            if row["live"]:
                facts |= {"n": row["n"], "released_at": row["at"], "message": row["message"]}
                return


NODE = {
    "ok": "running, well",
    "stopped": "does not run: `fazt up` starts it",
    "missing": "none yet: `fazt up` makes it",
    "degraded": "running, degraded: `fazt health` says why",
}


def _told(facts: dict[str, Any], name: str | None) -> str:
    version = f" (fazt {facts['version']})" if facts["version"] else ""
    lines = [
        f"Target   {facts['target']} (by {facts['by']})",
        f"Node     {NODE.get(facts['node'], facts['node'])}{version}",
    ]
    if name is None:
        lines.append("App      none: this folder was not deployed yet")
    elif facts["url"] is None:
        lines.append(f"App      {name}: not on this node")
    else:
        lines += [f"App      {facts['app']}", f"URL      {facts['url']}", f"Release  {_release(facts)}"]
    return "\n".join(lines) + "\n"


def _release(facts: dict[str, Any]) -> str:
    if not facts["release"]:
        return "none yet: `fazt deploy` makes one"
    at = iso(facts["released_at"])[:19].replace("T", " ") if facts["released_at"] else ""
    message = f": {facts['message']}" if facts["message"] else ""
    return f"v{facts['n']} {facts['release']} {at}{message}"
