"""Which node a command means, and the nodes this user knows (`$FAZT_HOME/targets.json`, 0600)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from kernel.base.errors import FaztError
from kernel.base.text import nearest


class Peer(msgspec.Struct):
    url: str
    token: str


class Targets(msgspec.Struct):
    default: str | None = None
    peers: dict[str, Peer] = msgspec.field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """Either a data file on this machine, or an address with a token."""

    database: Path | None = None
    url: str = ""
    token: str = ""
    why: str = ""


def home() -> Path:
    return Path(os.environ.get("FAZT_HOME") or Path("~/.fazt").expanduser())


def _file() -> Path:
    return home() / "targets.json"


def load() -> Targets:
    try:
        return msgspec.json.decode(_file().read_bytes(), type=Targets)
    except FileNotFoundError:
        return Targets()
    except (msgspec.MsgspecError, OSError) as error:
        raise FaztError("USAGE", f"{_file()} cannot be read: {error}.", "Repair or delete it.") from None


def save(targets: Targets) -> None:
    home().mkdir(parents=True, exist_ok=True, mode=0o700)
    part = _file().with_suffix(".part")
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(targets), indent=2))
    part.rename(_file())


def peer(name: str) -> Peer:
    known = load().peers
    if name not in known:
        close = nearest(name, known)
        hint = f"Did you mean @{close}?" if close else "Add it: fazt peer add NAME --url URL --token TOKEN"
        raise FaztError("NOT_FOUND", f"There is no peer {name}.", hint)
    return known[name]


def choose(
    *, at: str | None = None, server: str | None = None, token: str | None = None, database: str | None = None
) -> Target:
    """@peer > --server/--token > --db > FAZT_SERVER > FAZT_DB_PATH > the stored default > $FAZT_HOME/data.db."""
    environment = os.environ
    if at:
        found = peer(at)
        return Target(url=found.url, token=found.token, why=f"@{at}")
    if server:
        return Target(url=server, token=token or environment.get("FAZT_TOKEN") or _token_of(server), why="--server")
    if database:
        return Target(Path(database), why="--db")
    if environment.get("FAZT_SERVER"):
        url = environment["FAZT_SERVER"]
        return Target(url=url, token=token or environment.get("FAZT_TOKEN") or _token_of(url), why="FAZT_SERVER")
    if environment.get("FAZT_DB_PATH"):
        return Target(Path(environment["FAZT_DB_PATH"]), why="FAZT_DB_PATH")
    stored = load()
    if stored.default and stored.default in stored.peers:
        found = stored.peers[stored.default]
        return Target(
            url=found.url,
            token=token or environment.get("FAZT_TOKEN") or found.token,
            why=f"the default target {stored.default}",
        )
    return Target(home() / "data.db", why="the default file")


def database(said: str | None) -> Path:
    """The data file of this machine, for commands that work on it alone."""
    return Path(said or os.environ.get("FAZT_DB_PATH") or home() / "data.db")


def _token_of(url: str) -> str:
    return next((peer.token for peer in load().peers.values() if peer.url.rstrip("/") == url.rstrip("/")), "")
