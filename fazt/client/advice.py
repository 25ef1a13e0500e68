"""What to say when a folder is perhaps not the one that was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from fazt.client.folder import Folder
from fazt.client.naming import MOST_BYTES, OUTPUTS
from kernel.fs.paths import has_handler


def advice(where: Path, folder: Folder) -> list[str]:
    """Warnings for what a visitor will not see as it was meant; `where` is the folder as it was named."""
    paths = {file.path for file in folder.files}
    if has_handler(paths):
        return []
    built = [name for name in OUTPUTS if (where / name / "index.html").is_file()]
    meant = f"`fazt deploy {where / (built[0] if built else OUTPUTS[0])}`"
    if "package.json" in paths and _has_build(where / "package.json"):
        return [f"these are the sources of what package.json builds: `npm run build`, then {meant}."]
    if "index.html" in paths:
        return []
    return ["there is no index.html: the front page will not be found." + (f" Meant {meant}?" if built else "")]


def _has_build(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            said: Any = msgspec.json.decode(opened.read(MOST_BYTES))
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    scripts = said.get("scripts") if isinstance(said, dict) else None
    return isinstance(scripts, dict) and "build" in scripts
