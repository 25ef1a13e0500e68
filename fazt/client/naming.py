"""What a folder's app is called when nobody says it, and the note that a first deploy leaves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from kernel.base.errors import FaztError

# folders that builders write; the project they belong to is the one around them
OUTPUTS = ("dist", "build", "out", ".output", "_site")
LINK = Path(".fazt") / "app"
MOST_BYTES = 1 << 20
_SLUG = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")


def project_of(folder: Path) -> Path:
    real = folder.resolve()
    # docs/.vitepress/dist belongs to docs
    while real.name in OUTPUTS or (real.name.startswith(".") and real.parent != real):
        real = real.parent
    return real


def linked(folder: Path) -> str | None:
    """The app that the folder was deployed to before."""
    for place in dict.fromkeys((folder.resolve(), project_of(folder))):
        try:
            text = (place / LINK).read_text().strip()
        except (OSError, UnicodeError):
            continue
        if text:
            return text
    return None


def link(folder: Path, name: str) -> str | None:
    """Remember the app of the first deploy; what there is to say when that cannot be."""
    if linked(folder):
        return None
    file = project_of(folder) / LINK
    try:
        file.parent.mkdir(exist_ok=True)
        file.write_text(name + "\n")
    except OSError as error:
        return f"{file} cannot be written ({error.strerror}): the next deploy needs --name {name} again."
    return None


def name_for(folder: Path, said: str | None) -> tuple[str, list[str]]:
    """The name to deploy to, and warnings: said > app.json > .fazt/app > the folder's own."""
    if said:
        return said, []
    warnings: list[str] = []
    for place in dict.fromkeys((folder.resolve(), project_of(folder))):
        title = _title(place / "app.json")
        if title is None:
            continue
        slug = _slug(title)
        if slug == title:
            return slug, warnings
        if slug and linked(folder) is None:
            return slug, [f'app.json: the name "{title[:80]}" is no label of an address; it is {slug} here.']
        warnings.append(f'app.json: the name "{title[:80]}" is no label of an address and not used.')
        break
    name = linked(folder) or _slug(project_of(folder).name)
    if not name:
        raise FaztError(
            "USAGE", f"No name can be made of the folder {project_of(folder).name}.", "Say it: fazt deploy --name NAME"
        )
    return name, warnings


def _title(file: Path) -> str | None:
    """The name in an app.json. Other programs have files of that name, so nothing in it can be wrong."""
    try:
        with file.open("rb") as opened:
            said: Any = msgspec.json.decode(opened.read(MOST_BYTES))
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    name = said.get("name") if isinstance(said, dict) else None
    return name.strip() if isinstance(name, str) and name.strip() else None


def _slug(title: str) -> str | None:
    if _SLUG.fullmatch(title) and len(title) <= 49:
        return title
    from kernel.apps.names import slug_of

    return slug_of(title)
