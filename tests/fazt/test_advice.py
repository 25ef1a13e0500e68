"""What a deploy says of a folder that is perhaps not the one that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from fazt.client.advice import advice
from fazt.client.folder import Folder

BUILD = '{"scripts": {"build": "vite build"}}'
NONE = "there is no index.html: the front page will not be found."


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"index.html": ""}, None),
        ({"a.txt": ""}, NONE),
        ({"a.txt": "", "build/index.html": ""}, f"{NONE} Meant `fazt deploy {{}}/build`?"),
        ({"api/main.js": ""}, None),
        ({"api/main.js": "", "package.json": BUILD}, None),
        (
            {"index.html": "", "package.json": BUILD},
            "these are the sources of what package.json builds: `npm run build`, then `fazt deploy {}/dist`.",
        ),
        (
            {"package.json": BUILD, "out/index.html": "", ".gitignore": "out"},
            "these are the sources of what package.json builds: `npm run build`, then `fazt deploy {}/out`.",
        ),
        ({"index.html": "", "package.json": '{"scripts": {"test": "x"}}'}, None),
        ({"index.html": "", "package.json": '{"scripts": ["build"]}'}, None),
        ({"index.html": "", "package.json": "[]"}, None),
        ({"index.html": "", "package.json": "[" * 100_000}, None),
        ({"index.html": "", "package.json": "{no json"}, None),
        ({"index.html": "", "package.json/a.txt": ""}, None),
    ],
)
def test_what_is_said(tmp_path: Path, files: dict[str, str], said: str | None) -> None:
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert advice(tmp_path, Folder(tmp_path)) == ([said.format(tmp_path)] if said else [])
