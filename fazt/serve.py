"""A node with sockets: what `fazt up` runs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fazt import __version__
from fazt.boot import Node
from kernel.base.errors import FaztError
from kernel.base.ids import new_id
from kernel.base.site import Site
from kernel.identity.signin import SignIn, toucher
from kernel.net import sockets
from kernel.net.api import Api
from kernel.net.authenticate import Authenticator
from kernel.net.budget import Budget
from kernel.net.follow import Follow
from kernel.net.gate import Gate
from kernel.net.gateway import Gateway
from kernel.net.hooks import Hook
from kernel.net.hosts import Hosts
from kernel.net.keyed import Keyed
from kernel.net.on_sites import OnSites
from kernel.net.openapi import Published
from kernel.net.pages import Pages
from kernel.net.sending import Sending
from kernel.net.server import Server, Site404
from kernel.net.shortcuts import Shortcuts
from kernel.net.sites import Sites
from kernel.net.track import Track
from kernel.observe import log
from kernel.runtime.direct import Direct
from kernel.runtime.http import AppCode
from kernel.security import links
from kernel.security.throttle import Throttle
from kernel.storage.connection import in_words
from kernel.storage.lock import FileLock, hold
from kernel.syscall.call import LOCAL

DRAIN_SECONDS = 10.0
GC_EVERY = (10_000, 20, 20)
LONGEST_SOCKET_PATH = 100
SYSTEM_APPS = Path(__file__).parent / "apps" / "system"
logger = log.get("fazt")


def socket_path(database: Path) -> Path:
    """Beside the file; where that name is too long for the system, in a folder of this user's own."""
    beside = database.with_name(database.name + ".sock")
    if len(os.fsencode(beside)) <= LONGEST_SOCKET_PATH:
        return beside
    name = hashlib.sha256(os.fsencode(database)).hexdigest()[:24] + ".sock"
    # a place for temporary files may be deep itself
    for place in (tempfile.gettempdir(), "/tmp"):
        folder = Path(place) / f"fazt-{os.getuid()}"
        if len(os.fsencode(folder / name)) <= LONGEST_SOCKET_PATH:
            break
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        raise FaztError("STORAGE_ERROR", f"{folder} belongs to somebody else.", "Use a shorter path for the data file.")
    return folder / name


def serve(path: Path, *, overrides: dict[str, Any], announce: Callable[[dict[str, Any]], None]) -> bool:
    """Run a node until it is told to stop; True when it shall start again."""
    path = Path(os.path.realpath(path))
    # held until the process ends: the file is never without an owner while anything is written
    with hold(path) as lock:
        with in_words(path):
            node = Node(path, overrides=overrides)
        try:
            return _run(_serve(node, lock, announce))
        finally:
            node.close()


def _run(main: Any) -> bool:
    sys.setswitchinterval(0.0005)
    try:
        import uvloop
    except ImportError:
        return bool(asyncio.run(main))
    return bool(uvloop.run(main))


async def _serve(node: Node, lock: FileLock, announce: Callable[[dict[str, Any]], None]) -> bool:
    domain, port = node.settings["net.domain"], node.settings["net.port"]
    opened = sockets.inherited() or sockets.open_ports(sockets.addresses(node.settings["net.listen"], domain), port)
    site = Site(domain, sockets.port_of(opened, port))
    server = attach(node, site)
    own = socket_path(node.path)
    stopped, again, restart = _signals()
    node.running.restart = restart
    await server.listen(opened)
    await server.listen_here(own)
    lock.note(run=new_id("run"), socket=str(own), url=site.url, admin_url=site.admin_url, version=__version__)
    if (steps := node.remember_site(site)) and not node.store.writer.broken:
        await node.store.write(steps)
    node.checks.expect_code = lambda: node.supervisor.later(node.runtime.open())
    node.backups.tidy()
    node.soundness.before_ready()
    node.supervisor.start()
    node.jobs.start()
    announce(await _ready(node, site))
    node.supervisor.later(node.soundness.check())
    # what is here now stays: looking through it again and again would hold up requests
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_EVERY)
    await stopped.wait()
    logger.info("stopping")
    if again:
        # the next program takes the sockets over: clients queue, nobody is refused
        sockets.hand_over(opened)
    await server.drain(DRAIN_SECONDS)
    await node.stop()
    ignore_restart()
    return bool(again)


def ignore_restart() -> None:
    """Until the node can be asked to start again: the usual answer to this signal is to end. Holds over exec."""
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def attach(node: Node, site: Site) -> Server:
    """The server of a node, with everything mounted; it listens to nothing yet."""
    node.ports.fill(site)
    admin = Pages(SYSTEM_APPS / "admin")
    authenticator = Authenticator(node.store, node.key_uses, site.https)
    api = Api(node.caller, authenticator.identify, Budget(node.runtime.seats.memory))
    gate = Gate(node.settings, node.clock, lambda: node.store.generation)
    gate.front.counted = node.visits.add
    node.visits.gather = gate.front.flush
    missing = Site404(Pages(SYSTEM_APPS / "404"))
    sending = Sending(node.content, node.variants, gate.front)
    sites = Sites(
        store=node.store,
        editions=node.editions,
        sending=sending,
        authenticator=authenticator,
        visits=node.visits,
        missing=missing,
    )
    track = Track(node.store, node.events, site.domain)
    sites.ours["ipfs"] = Gateway(node.store, sending).answer
    sites.ours["_fazt"] = OnSites(track).answer
    sites.code = AppCode(node.runtime, node.programs, authenticator, node.settings, api.bodies)
    server = Server(
        api=api,
        authenticator=authenticator,
        hosts=Hosts(site.domain),
        admin=admin,
        root=Pages(SYSTEM_APPS / "root"),
        missing=missing,
        sites=sites,
    )
    server.use(gate)
    direct = Direct(
        server=server,
        sites=sites,
        programs=node.programs,
        runtime=node.runtime,
        visits=node.visits,
        gate=gate,
        https=site.https,
    )
    gate.answers = Shortcuts(server, Keyed(server=server, api=api, authenticator=authenticator), direct)
    SignIn(
        store=node.store,
        clock=node.clock,
        passwords=node.passwords,
        throttle=Throttle(node.clock),
        journal=node.journal,
        pages=admin,
        https=site.https,
    ).mount(server)
    server.mount("root", Follow(node.store, node.clicks, node.events, site.domain).endpoint)
    server.mount("root", Hook(node.store, node.seal, node.events, site.domain).endpoint)
    for endpoint in track.endpoints:
        server.mount("root", endpoint)
    server.parting = node.runtime.part
    server.healthy = lambda: node.store.writer.alive and not node.store.writer.broken
    server.touch = toucher(node.store, node.supervisor.later)
    node.ports.fill(Published(__version__, api.endpoints))
    node.running.server = server
    return server


async def _ready(node: Node, site: Site) -> dict[str, Any]:
    if node.store.writer.broken:
        # nothing can be written, a link neither; what is there is answered
        signin_url = ""
    else:
        entry = node.registry["signin.link"]
        link: links.SigninLink = await node.driver.invoke(entry, node.caller.call(entry, LOCAL, "cli", None), {})
        signin_url = link.url
    if node.seal.locked:
        logger.warning("secrets are locked", extra={"why": node.seal.why_locked})
    return {
        "event": "ready",
        "url": site.url,
        "admin_url": site.admin_url,
        "signin_url": signin_url,
        "db": str(node.path),
        "pid": os.getpid(),
        "version": __version__,
        "https": site.https,
    }


def _signals() -> tuple[asyncio.Event, list[bool], Callable[[], None]]:
    """SIGTERM, SIGINT and the end of the terminal (SIGHUP) stop, SIGUSR1 starts again."""
    stopped = asyncio.Event()
    again: list[bool] = []
    loop = asyncio.get_running_loop()

    def restart() -> None:
        # a stop is a stop, whatever is asked later
        if not stopped.is_set():
            again.append(True)
            stopped.set()

    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(name, stopped.set)
    loop.add_signal_handler(signal.SIGUSR1, restart)
    return stopped, again, restart
