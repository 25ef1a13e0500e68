"""`fazt up`, `fazt proc …`, `fazt server …`: the process of a node."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from fazt.boot import Node, registry
from fazt.cli import output
from fazt.cli.execute import execute
from fazt.cli.options import style_of
from fazt.cli.project import Invocation, build
from fazt.cli.words import understand
from fazt.client import target
from kernel.base.errors import FaztError
from kernel.security.seal import key_path
from kernel.storage.lock import hold, holder, lock_path
from kernel.syscall.call import LOCAL

STOP_SECONDS = 15.0
START_SECONDS = 30.0


def program() -> list[str]:
    """How this program was started, so that it can start itself again."""
    zipapp = os.environ.get("FAZT_PROGRAM")
    return [sys.executable, zipapp] if zipapp else [sys.executable, "-m", "fazt"]


def _database(ctx: click.Context) -> Path:
    return target.database(ctx.obj.get("db")).resolve()


@click.command("up")
@click.option("--domain", help="The node's own domain (default localhost).")
@click.option("--port", type=click.IntRange(0, 65535), help="The port (default 4698; 0 lets the system choose).")
@click.option("--listen", help="Addresses to listen on, separated by commas.")
@click.option("--debug", is_flag=True, envvar="FAZT_DEBUG", help="Log more.")
@click.pass_context
def up(ctx: click.Context, domain: str | None, port: int | None, listen: str | None, debug: bool) -> int:
    """Start a node in the foreground; makes the data file if there is none."""
    # asked to start again before it runs: it is starting
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    from fazt.serve import serve
    from kernel.observe import log

    as_json = style_of(ctx.obj) == "json"
    log.configure(debug)
    overrides = {"net.domain": domain.lower() if domain else None, "net.port": port, "net.listen": listen}
    try:
        again = serve(_database(ctx), overrides=overrides, announce=_announce_json if as_json else _announce)
    except FaztError as error:
        if not as_json:
            raise
        output.write(msgspec.json.encode({"event": "failed", "error": error.public()}).decode() + "\n")
        output.say(f"fazt: {error.message}")
        return 1
    if again:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return 0


def _announce_json(ready: dict[str, Any]) -> None:
    _tell(msgspec.json.encode(ready).decode() + "\n")


def _tell(text: str) -> None:
    # whoever started the node may have gone; the node stays
    with contextlib.suppress(OSError):
        output.write(text)


def _announce(ready: dict[str, Any]) -> None:
    _tell(
        f"\n  Fazt {ready['version']} is running.\n\n"
        f"  Welcome    {ready['url']}\n"
        f"  Dashboard  {ready['admin_url']}\n"
        f"{_how_to_sign_in(ready)}"
        f"  Data       {ready['db']}\n\n"
        f"  Publish a folder with: fazt deploy DIR{_which(ready['db'])}\n\n"
    )


def _how_to_sign_in(ready: dict[str, Any]) -> str:
    if not ready["signin_url"]:
        return "  Read-only  nothing can be written: see `fazt proc status`\n"
    return (
        f"  Sign in    {ready['signin_url']}\n"
        f"             (once, within 15 minutes; `fazt signin-link` makes another)\n"
    )


def _which(db: str) -> str:
    """What a command must say to mean this node."""
    return "" if target.database(None).resolve() == Path(db) else f" --db {db}"


@click.command("init")
@click.option("--username", help="The owner's name.")
@click.option("--password", help="The owner's password; asked for on a terminal, or read from stdin with -.")
@click.option("--domain", help="The node's own domain.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port.")
@click.pass_context
def init(ctx: click.Context, username: str | None, password: str | None, domain: str | None, port: int | None) -> int:
    """Set a node up: the owner's name and password, the domain. Once; later changes go by set-config and
    set-credentials."""
    path = _database(ctx)
    if path.exists():
        raise FaztError(
            "CONFLICT",
            f"{path} is set up already.",
            "Change it with `fazt server set-credentials` and `fazt server set-config`.",
        )
    username = username or _ask("User name", "owner")
    password = _password(password)
    _commands(
        path,
        [
            ("user.credentials", {"username": username, "password": password}),
            *([("config.set", {"name": "net.domain", "value": domain.lower()})] if domain else []),
            *([("config.set", {"name": "net.port", "value": port})] if port else []),
        ],
        fresh=True,
    )
    output.say(f"Set up {path}. Start it with: fazt up --db {path}")
    return 0


@click.command("set-config")
@click.option("--domain", help="The node's own domain.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port.")
@click.pass_context
def set_config(ctx: click.Context, domain: str | None, port: int | None) -> int:
    """Change the domain or the port; holds from the next start."""

    changes = {"net.domain": domain, "net.port": port}
    tree = build(registry(), [])
    for name, value in changes.items():
        if value is not None:
            invocation = understand(tree, ["config", "set", name, str(value)])
            assert isinstance(invocation, Invocation)
            execute(invocation, ctx.obj)
    return 0


@click.command("root-pass")
@click.pass_context
def root_pass(ctx: click.Context) -> int:
    """Set the owner's password (asked for twice); every session ends."""

    entry = registry()["user.credentials"]
    return execute(Invocation(entry, None, {"password": _password(None)}), ctx.obj)


def _commands(path: Path, calls: list[tuple[str, dict[str, Any]]], fresh: bool) -> None:
    """Capabilities run on a file that no node holds. A fresh file that fails leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def work(node: Node) -> None:
        try:
            for name, values in calls:
                entry = node.registry[name]
                await node.driver.invoke(entry, node.caller.call(entry, LOCAL, "cli", None), values)
        finally:
            await node.stop()

    with hold(path):
        try:
            node = Node(path)
            try:
                asyncio.run(work(node))
            finally:
                node.close()
        except BaseException:
            if fresh:
                for left in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), key_path(path), lock_path(path)):
                    left.unlink(missing_ok=True)
            raise


def _ask(what: str, usual: str) -> str:
    if not sys.stdin.isatty():
        return usual
    return str(click.prompt(what, default=usual, err=True))


def _password(said: str | None) -> str:
    if said == "-":
        return sys.stdin.readline().rstrip("\n")
    if said is not None:
        return said
    if not sys.stdin.isatty():
        raise FaztError("USAGE", "A password is needed.", "Add --password -, and send it on stdin.", field="password")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@click.command("start")
@click.option("--domain", help="The node's own domain.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port.")
@click.option("--listen", help="Addresses to listen on, separated by commas.")
@click.option("--daemon", is_flag=True, help="Start in the background.")
@click.pass_context
def start(ctx: click.Context, domain: str | None, port: int | None, listen: str | None, daemon: bool) -> int:
    """Start a node: in the foreground like `fazt up`, or with --daemon in the background."""
    if not daemon:
        return int(ctx.invoke(up, domain=domain, port=port, listen=listen, debug=False))
    path = _database(ctx)
    given = {"--domain": domain, "--port": port, "--listen": listen}
    words = [word for flag, value in given.items() if value is not None for word in (flag, str(value))]
    journal = path.with_name(path.name + ".log")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with journal.open("ab") as log:
        os.chmod(journal, 0o600)
        child = subprocess.Popen(
            [*program(), "up", "--db", str(path), "--json", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            text=True,
        )
    assert child.stdout
    line = child.stdout.readline()
    said: dict[str, Any] = (
        msgspec.json.decode(line) if line else {"event": "failed", "error": {"message": f"see {journal}"}}
    )
    if said.get("event") != "ready":
        error = said["error"]
        raise FaztError(
            error.get("code", "INTERNAL_ERROR"), error["message"], error.get("hint"), **error.get("details", {})
        )

    (_announce_json if style_of(ctx.obj) == "json" else _announce)(said)
    return 0


def _holder(path: Path) -> dict[str, Any]:
    held = holder(path)
    if held is None or "pid" not in held:
        raise FaztError("NOT_FOUND", f"No node runs on {path}.", f"Start one: fazt up --db {path}")
    return held


@click.command("stop")
@click.pass_context
def stop(ctx: click.Context) -> int:
    """Stop the node: it answers what has arrived, writes everything down and ends."""
    path = _database(ctx)
    pid = int(_holder(path)["pid"])
    _signal(pid, signal.SIGTERM)
    if not _until(lambda: _free(path, pid), STOP_SECONDS):
        raise FaztError(
            "TIMEOUT", f"Process {pid} has not stopped yet.", "It may be answering a long request; try again."
        )
    output.say("Stopped.")
    return 0


@click.command("restart")
@click.pass_context
def restart(ctx: click.Context) -> int:
    """Stop the node as `proc stop` does and start it again with the same words."""
    path = _database(ctx)
    held = _holder(path)
    if not held.get("socket"):
        raise FaztError(
            "NOT_FOUND", f"No node runs on {path}, only another command.", f"Start one: fazt up --db {path}"
        )
    start_again(path, held)
    output.say("Restarted.")
    return 0


def start_again(path: Path, held: dict[str, Any]) -> None:
    """Have the node that holds the file start again, and wait until it has."""
    pid = int(held["pid"])
    _signal(pid, signal.SIGUSR1)
    if not _until(lambda: _again(path, held), STOP_SECONDS + START_SECONDS):
        raise FaztError("TIMEOUT", f"Process {pid} has not come back yet.", "See its log.")


def _again(path: Path, before: dict[str, Any]) -> bool:
    now = holder(path)
    return bool(now and now.get("socket") and now.get("run") != before.get("run"))


def _free(path: Path, pid: int) -> bool:
    held = holder(path)
    return held is None or held.get("pid") != pid


def _signal(pid: int, number: int) -> None:
    try:
        # one that is gone already has done what we want
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    except PermissionError:
        raise FaztError("FORBIDDEN", f"Process {pid} belongs to another user.") from None


def _until(done: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.05)
    return False
