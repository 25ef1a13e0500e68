"""Builds a Node: the only file that knows both the kernel and the services.

A part of the node is a module in PARTS. What it declares is found by kind: syscalls, `Table`s, `Setting`s, `Sweep`s
and its `MIGRATIONS`. A part added tomorrow is one line here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from fazt import __version__
from fazt.cli import gateway
from kernel.apps import aliases, apps, env, farewell, lineage, root
from kernel.apps.caller import Caller
from kernel.apps.env import EnvValues
from kernel.apps.farewell import Farewell
from kernel.apps.meaning import Releases
from kernel.base.clock import Clock
from kernel.base.ids import new_id
from kernel.base.settings import Setting, Settings
from kernel.base.site import Site
from kernel.base.tables import Migration, Sweep, Table
from kernel.data import (
    batch,
    doc_doors,
    doc_tables,
    docs,
    explain,
    index_doors,
    index_tables,
    kv,
    measured,
    object_move,
    object_tables,
    object_words,
    objects,
    once,
    quota,
    s3_settings,
    sql,
    sql_tables,
    stream_tables,
    text,
    text_index,
    text_tables,
    vector_adding,
    vector_documents,
    vector_lines,
    vector_search,
    vector_tables,
    vectors,
)
from kernel.data.collections import Declared
from kernel.data.index_chores import IndexChores
from kernel.data.indexes import Indexes
from kernel.data.kv_temp import Temp
from kernel.data.object_content import ObjectContent
from kernel.data.object_move import Moves
from kernel.data.quota import Quotas, Tally
from kernel.data.s3_client import S3Client
from kernel.data.s3_shelf import Buckets
from kernel.data.sql import Sql
from kernel.data.stream_buffer import Streams
from kernel.data.text_index import Texts
from kernel.data.vector_chores import VectorChores
from kernel.fs import blobs, deploy, files, fork, gc, mounts, releases, trees, uploads, variants, zipped
from kernel.fs.blobs import Content
from kernel.fs.chores import Chores
from kernel.fs.declared import DeclaredByFiles
from kernel.fs.deploy import Checks
from kernel.fs.edition import Editions
from kernel.fs.known import KnownReleases
from kernel.fs.object_content import ContentOfObjects
from kernel.fs.pace import Pace
from kernel.fs.proofs import Proofs
from kernel.fs.variants import Variants
from kernel.jobs import doors as job_doors
from kernel.jobs import table as job_tables
from kernel.jobs.jobs import Jobs
from kernel.net import analytics, figures, openapi, redirects, visits, webhooks
from kernel.net import settings as net_settings
from kernel.net.analytics import EventBuffer
from kernel.net.openapi import Published
from kernel.net.redirects import Clicks
from kernel.net.visits import Visits
from kernel.observe import activity, lines_table, log_doors
from kernel.observe.activity import ActivityJournal
from kernel.observe.lines import Lines
from kernel.observe.redact import Redactor
from kernel.proc import backups, offsite, soundness, status
from kernel.proc.backups import Backups
from kernel.proc.offsite import Offsite
from kernel.proc.soundness import Soundness
from kernel.proc.status import Running
from kernel.proc.supervise import Supervisor, Task
from kernel.runtime import invoke, stdlib
from kernel.runtime import limits as runtime_limits
from kernel.runtime.checks import CodeChecks
from kernel.runtime.lower import lowering
from kernel.runtime.lower.lowering import Lowering
from kernel.runtime.opening import open_engine
from kernel.runtime.programs import Programs
from kernel.runtime.runtime import Runtime
from kernel.runtime.services import Services
from kernel.runtime.threads import Threads
from kernel.security import credentials, keys, links, secrets, sessions, users
from kernel.security.keys import AppNames, KeyUses
from kernel.security.passwords import Passwords
from kernel.security.seal import open_seal
from kernel.security.secrets import SealedSettings, Secrets
from kernel.storage import config, facts, upkeep
from kernel.storage.store import open_store
from kernel.storage.sweep import sweep
from kernel.syscall import Registry
from kernel.syscall.call import Ports
from kernel.syscall.driver import Driver
from kernel.syscall.plan import Step

PARTS: tuple[ModuleType, ...] = (
    facts,
    config,
    upkeep,
    users,
    sessions,
    credentials,
    links,
    keys,
    secrets,
    activity,
    lines_table,
    log_doors,
    job_tables,
    job_doors,
    apps,
    aliases,
    root,
    lineage,
    farewell,
    env,
    kv,
    doc_tables,
    docs,
    doc_doors,
    index_tables,
    index_doors,
    explain,
    text,
    text_tables,
    text_index,
    stream_tables,
    object_tables,
    object_words,
    s3_settings,
    objects,
    object_move,
    sql_tables,
    sql,
    vector_tables,
    vectors,
    vector_search,
    vector_adding,
    vector_documents,
    vector_lines,
    once,
    batch,
    quota,
    measured,
    blobs,
    trees,
    releases,
    fork,
    deploy,
    zipped,
    files,
    gc,
    uploads,
    mounts,
    variants,
    redirects,
    analytics,
    figures,
    webhooks,
    visits,
    net_settings,
    runtime_limits,
    lowering,
    invoke,
    stdlib,
    status,
    backups,
    offsite,
    soundness,
    openapi,
    gateway,
)


def declared(kind: type, parts: tuple[ModuleType, ...] = PARTS) -> Iterator[Any]:
    """What the parts declare of one kind, each by the part it was declared in."""
    for part in parts:
        for value in vars(part).values():
            if isinstance(value, kind) and getattr(value, "module", part.__name__) == part.__name__:
                yield value


def registry(parts: tuple[ModuleType, ...] = PARTS) -> Registry:
    made = Registry()
    for part in parts:
        made.add_module(part)
    return made


def functions(parts: tuple[ModuleType, ...] = PARTS) -> dict[str, Callable[..., Any]]:
    """What SQL may call beyond what SQLite has: same answer for same arguments."""
    return {name: function for part in parts for name, function in getattr(part, "FUNCTIONS", {}).items()}


def migrations(parts: tuple[ModuleType, ...] = PARTS) -> list[Migration]:
    return [migration for part in parts for migration in getattr(part, "MIGRATIONS", ())]


class Node:
    """A data file with everything that works on it. It has no sockets: `fazt/serve.py` gives it some."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        overrides: dict[str, Any] | None = None,
        parts: tuple[ModuleType, ...] = PARTS,
    ) -> None:
        self.path, self.clock, self.parts = path, clock or Clock(), parts
        self.settings = Settings(declared(Setting, parts))
        self.registry = registry(parts)
        self.journal = ActivityJournal(self.clock)
        self.indexes = Indexes()
        self.store = open_store(
            path,
            tables=list(declared(Table, parts)),
            migrations=migrations(parts),
            clock=self.clock,
            version=__version__,
            limit_of=self.settings.__getitem__,
            functions=functions(parts),
            live=self.indexes.functions,
        )
        self.indexes.attach(self.store)
        try:
            self._wake(overrides or {})
        except BaseException:
            self.store.close()
            raise

    def _wake(self, overrides: dict[str, Any]) -> None:
        path = self.path
        config.load(self.store, self.settings)
        for name, value in overrides.items():
            self.settings.override(name, value)
        users.ensure_owner(self.store)
        self.seal = open_seal(path, facts.fact(self.store, "seal.key_id"), os.environ)
        self._introduce()
        self.passwords, self.key_uses, self.clicks = Passwords(), KeyUses(), Clicks()
        self.events, self.visits = EventBuffer(self.store, self.settings), Visits(self.store)
        self.secrets = Secrets(self.store, self.seal)
        self.redactor = Redactor(self.secrets.spoken, self.secrets.version)
        self.lines = Lines(self.store, self.redactor, lambda ids: visits.there(self.store, ids))
        self.supervisor = Supervisor(self.clock)
        self.jobs = Jobs(self.store, self.clock)
        self._chores()
        self.running = Running(
            __version__,
            facts.fact(self.store, "node.id") or "",
            self.clock.now(),
            self.clock,
            self.store,
            self.supervisor,
            self.seal,
        )
        self.ports = Ports()
        for port in (self.settings, self.store, self.passwords, self.clicks, self.running, self.seal, self.registry):
            self.ports.fill(port)
        self.ports.fill(self.secrets)
        self.ports.fill(SealedSettings(self.secrets, self.store), config.Sealed)
        self.ports.fill(self.redactor)
        self.ports.fill(self.lines)
        self.env = EnvValues(self.secrets)
        self.ports.fill(self.env)
        self.content = Content(self.store, self.settings)
        self.ports.fill(self.content)
        self._objects()
        self.variants = Variants(self.store, self.content)
        self.backups = Backups(self.jobs, self.store, self.settings, self.clock, migrations(self.parts))
        self.ports.fill(self.backups)
        self.soundness = Soundness(self.jobs, self.store, self.backups.newest)
        self.ports.fill(self.soundness)
        self.offsite = Offsite(self.jobs, self.store, self.settings, self.clock, self.backups, self.s3)
        self.backups.then = self.offsite.queued
        self.running.parts |= {
            "backup": self.backups.state,
            "backup_away": self.offsite.state,
            "integrity": self.soundness.state,
        }
        self.ports.fill(Farewell(self.jobs, self.store))
        self.chores = Chores(self.jobs, self.store, self.content, self.variants)
        self.supervisor.add(Task("smaller files", 5, self.chores.ask))
        self.ports.fill(KnownReleases(self.store), Releases)
        self.ports.fill(Pace(self.clock))
        self.ports.fill(Proofs())
        self.temp = Temp(self.clock)
        self.ports.fill(self.temp)
        self.supervisor.add(Task("temporary keys", 60, self.temp.sweep))
        self.ports.fill(self.jobs)
        self.ports.fill(self.indexes)
        texts = Texts(self.store)
        self.ports.fill(texts)
        self.supervisor.add(Task("search", 2, texts.work))
        self.sql = Sql(self.store)
        self.ports.fill(self.sql)
        self.quotas = Quotas(self.store, self.settings, declared(Tally, self.parts), self.clock)
        self.ports.fill(self.quotas)
        self.supervisor.add(Task("what apps keep", 5, self.quotas.look))
        self.ports.fill(Published(__version__))
        self.ports.fill(self.events)
        self.ports.fill(self.visits)
        self.ports.fill(self._last_site())
        self.driver = Driver(self.registry, self.store, self.ports, self.clock, self.journal)
        self.caller = Caller(self.driver, self.store)
        self.ports.fill(self.caller)
        self.ports.filled[AppNames] = self.caller
        self._runtime()

    def _runtime(self) -> None:
        """What runs apps' code. Nothing of it is loaded before the first request for such code."""
        self.editions = Editions(self.store, self.content)
        self.lowering = Lowering(self.store)
        self.declared = DeclaredByFiles(self.store, self.editions)
        self.ports.fill(self.declared, Declared)
        self.index_chores = IndexChores(self.jobs, self.store, self.indexes, self.declared.of)
        self.supervisor.add(Task("indexes", 2, self.index_chores.ask))
        self.vector_chores = VectorChores(self.jobs, self.store)
        self.streams = Streams(self.store, self.declared.of, apps.there)
        self.ports.fill(self.streams)
        self.supervisor.add(Task("full streams", 1, self.streams.write_full))
        self.supervisor.add(Task("streams", 5, self.streams.write_all, last=True))
        self.programs = Programs(self.store, self.settings, self.editions, self.content, self.lowering, self.env)
        self.runtime = Runtime(
            Services(
                store=self.store,
                settings=self.settings,
                registry=self.registry,
                driver=self.driver,
                threads=Threads(leave=self.store.let_go),
                lines=self.lines,
                clean=lambda app, text: self.redactor.of(app).clean(text),
                clock=self.clock,
                version=__version__,
                open_engine=lambda: open_engine(self.registry, self.path.parent, self.clock),
            )
        )
        self.programs.retire = self.runtime.guests.retire
        self.programs.gone, self.runtime.look = self._gone, self.programs.sweep
        self.checks = CodeChecks(self.store, self.settings, self.content, self.programs, self.env)
        self.ports.fill(self.checks, Checks)
        self.ports.fill(self.programs)
        self.ports.fill(self.runtime)
        self.supervisor.add(Task("idle guests", 5, self.runtime.sweep))

    def _objects(self) -> None:
        content = ContentOfObjects(self.store, self.content)
        self.ports.fill(content, ObjectContent)
        self.s3 = S3Client(self.settings, self.secrets, self.clock)
        self.ports.fill(Buckets(self.s3, content, self.settings))
        Moves(self.jobs, self.store, self.ports)

    def _gone(self, app: str) -> None:
        self.runtime.forsake(app)
        self.temp.forget(app)

    def _last_site(self) -> Site:
        """Where the node was reached when it last ran: a flag may have said another port than the settings."""
        domain, _, port = (facts.fact(self.store, "site") or "").rpartition(":")
        if domain == self.settings["net.domain"] and port.isdigit():
            return Site(domain, int(port))
        return Site(self.settings["net.domain"], self.settings["net.port"])

    def remember_site(self, site: Site) -> list[Step]:
        place = f"{site.domain}:{site.port}"
        return [] if facts.fact(self.store, "site") == place else list(facts.remember(self.store, "site", place).steps)

    def _introduce(self) -> None:
        """A new file learns which node it is and which key its secrets are sealed with."""
        known = {"node.id": new_id("node")} | ({} if self.seal.locked else {"seal.key_id": self.seal.key_id})
        for name, value in known.items():
            if facts.fact(self.store, name) is None:
                self.store.write_blocking(facts.remember(self.store, name, value).steps)

    def _chores(self) -> None:
        async def expired() -> None:
            for due in declared(Sweep, self.parts):
                await sweep(self.store, due, self.clock.now())

        async def key_uses() -> None:
            steps = self.key_uses.steps(self.store.scoped(""))
            if steps:
                await self.store.write(steps)

        async def seen() -> None:
            self.visits.gather()
            await self._flush(self.visits)

        self.supervisor.add(Task("expired rows", 300, expired))
        self.supervisor.add(Task("activity", 2, lambda: self._flush(self.journal), last=True))
        self.supervisor.add(Task("log lines", 1, self.lines.write, last=True))
        self.supervisor.add(Task("clicks", 10, lambda: self._flush(self.clicks), last=True))
        self.supervisor.add(Task("key uses", 60, key_uses, last=True))
        self.supervisor.add(Task("events", 30, lambda: self._flush(self.events), last=True))
        self.supervisor.add(Task("visits", 30, seen, last=True))
        self.events.write_soon = lambda: self.supervisor.later(self._flush(self.events))

    async def _flush(self, buffer: ActivityJournal | Clicks | EventBuffer | Visits) -> None:
        while steps := buffer.flush(self.store.scoped("")):
            try:
                await self.store.write(steps)
            except BaseException:
                buffer.take_back(steps)
                raise

    async def stop(self) -> None:
        self.soundness.stop()
        await self.runtime.stop()
        await self.lowering.close()
        await self.jobs.stop()
        await self.s3.close()
        await self.supervisor.stop()

    def close(self) -> None:
        self.runtime.close()
        self.passwords.close()
        self.variants.close()
        self.store.close()
