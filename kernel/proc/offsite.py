"""The daily copy once more, on another machine: a folder that lies there, or a bucket. Late ones raise an alarm."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

from kernel.base.clock import Clock, iso
from kernel.base.errors import FaztError
from kernel.base.settings import Setting, Settings
from kernel.data import s3_multipart
from kernel.data.place import Place, place_of
from kernel.data.s3_client import S3Client
from kernel.data.s3_shelf import every
from kernel.jobs.jobs import Jobs
from kernel.jobs.kinds import Job
from kernel.proc.backups import KEEP_DAYS, KEEP_WEEKS, STALE, Backups
from kernel.proc.retention import surplus
from kernel.proc.state import State
from kernel.storage import facts
from kernel.storage.connection import in_words
from kernel.storage.copy_names import DAILY, Kept, found_in, kept_of
from kernel.storage.disk import create_private, flush, part_of
from kernel.storage.store import Store
from kernel.syscall.plan import Write

# tried again each hour for as long as it takes: what is sent is always the newest
KIND, LANE, ATTEMPTS, LONGEST = "backup.send", "backups away", 1_000_000, 24 * 3600.0
SENT = "backup.sent"
ENDLESS = 1 << 62


def _target(value: Any) -> str:
    text = str(value)
    if text and not text.startswith("/"):
        try:
            if place_of(text).inside:
                raise ValueError
        except ValueError:
            raise ValueError("must be a folder, as /mnt/nas/fazt, or s3://bucket/prefix") from None
    return text


TARGET = Setting(
    "backup.target", str, "", "Where daily copies go as well: a folder elsewhere, or s3://bucket/prefix.", check=_target
)


class Offsite:
    def __init__(
        self, jobs: Jobs, store: Store, settings: Settings, clock: Clock, backups: Backups, client: S3Client
    ) -> None:
        self._jobs, self._store, self._settings, self._clock = jobs, store, settings, clock
        self._backups, self._client = backups, client
        self._since = clock.now()
        jobs.lane(LANE, 1)
        jobs.kind(KIND, self._send, lane=LANE, attempts=ATTEMPTS, timeout=LONGEST)

    def queued(self) -> Write[Any] | None:
        """For the batch that ends the making of a copy."""
        if not self._settings[TARGET.name]:
            return None
        return self._jobs.add(self._store.scoped(""), KIND, key=KIND)

    def state(self) -> State:
        target = self._settings[TARGET.name]
        if not target:
            return State("ok", "copies stay on this machine: see backup.target")
        sent = self._sent()
        at = sent["at"] if sent and sent["target"] == target else 0
        trouble = self._jobs.trouble(KIND, "")
        if max(at, self._since) < self._clock.now() - self._settings[STALE.name]:
            why = f": {trouble}" if trouble else ""
            return State("stale", (f"the last copy there is of {iso(at)}" if at else "no copy is there yet") + why)
        if trouble:
            return State("failing", trouble)
        return State("ok", f"sent {iso(at)}" if at else "nothing was sent yet")

    def _sent(self) -> dict[str, Any] | None:
        known = facts.fact(self._store, SENT)
        return json.loads(known) if known else None

    async def _send(self, job: Job) -> Write[Any] | None:
        target = self._settings[TARGET.name]
        newest = next((kept for kept in self._backups.all() if kept.kind == DAILY), None)
        if not target or newest is None:
            return None
        file = self._backups.folder / newest.name
        if target.startswith("/"):
            await asyncio.to_thread(self._to_folder, file, Path(target))
        else:
            await self._to_bucket(file, newest.name, place_of(target))
        said = {"name": newest.name, "at": self._clock.now(), "target": target}
        return facts.remember(self._store, SENT, json.dumps(said))

    def _surplus(self, there: list[Kept]) -> list[str]:
        days, weeks = self._settings[KEEP_DAYS.name], self._settings[KEEP_WEEKS.name]
        return [kept.name for kept in surplus(there, days, weeks, ENDLESS)]

    def _to_folder(self, file: Path, folder: Path) -> None:
        with in_words(folder):
            if not folder.is_dir():
                # a disk that is not mounted must not be filled where it would be
                raise FaztError("STORAGE_ERROR", f"There is no folder {folder}.", "Mount it, or change backup.target.")
            part = part_of(folder / file.name)
            try:
                create_private(part, new=True)
                shutil.copyfile(file, part)
                flush(part)
                part.rename(folder / file.name)
                flush(folder)
            finally:
                part.unlink(missing_ok=True)
            for name in self._surplus(found_in(folder)):
                (folder / name).unlink(missing_ok=True)

    async def _to_bucket(self, file: Path, name: str, place: Place) -> None:
        below = f"{place.prefix}/" if place.prefix else ""
        await s3_multipart.send(self._client, place.bucket, below + name, file)
        there = [
            kept
            async for key, size in every(self._client, place.bucket, below)
            if (kept := kept_of(key.removeprefix(below), size))
        ]
        there.sort(key=lambda kept: kept.at, reverse=True)
        for old in self._surplus(there):
            with contextlib.suppress(FaztError):
                await self._client.ask("DELETE", place.bucket, below + old)
