"""A file or folder that is kept by its content id: it goes the way of a deploy, and ends without a release."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from fazt.client.folder import File, Folder, stamp, unreadable
from fazt.client.upload import Upload
from kernel.fs.cid import CHUNK


class OneFile(Folder):
    """A single file, as a folder that holds nothing else."""

    def _walk(self) -> None:
        try:
            status = os.stat(self.top)
        except OSError as error:
            raise unreadable(self.top, error) from None
        self.files.append(File(os.path.basename(self.top), self.top, status.st_size, stamp(status)))

    def again(self) -> OneFile:
        return OneFile(Path(self.top))


class Keep(Upload):
    """The same address answers what is missing and, when nothing is, the content id."""

    PLAN = FINISH = "/api/system/uploads"

    def plan(self) -> dict[str, Any]:
        plan = super().plan()
        sizes = {self._known[file.path].hex(): file.size for file in self.folder.files}
        waiting = sum(
            min(CHUNK, sizes[sha256] - n * CHUNK) for sha256, numbers in plan["missing"].items() for n in numbers
        )
        return {**plan, "bytes_missing": waiting}

    def _manifest(self) -> bytes:
        files = [(file.path, self._known[file.path].hex(), file.size) for file in self.folder.files]
        return msgspec.json.encode({"files": files, "folder": not isinstance(self.folder, OneFile)})
