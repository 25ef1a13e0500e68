"""What a node that is not ours may put on this machine by `fazt app download`."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from fazt.cli import download
from fazt.cli.main import main

Answer = tuple[Any, str]


class Foreign:
    """A node that has what it likes."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def rows(self, *_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        for path, data in self.files.items():
            yield {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def fetch(self, path: str) -> Iterator[bytes]:
        yield self.files[unquote(path.partition("/files/")[2])]


@pytest.fixture
def fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[dict[str, bytes]], Answer]:
    """The facts and the warnings of a download of these files, into `copy`."""
    monkeypatch.setenv("FAZT_HOME", str(tmp_path / "home"))

    def run(files: dict[str, bytes]) -> Answer:
        node = Foreign(files)
        monkeypatch.setattr(download, "meant", lambda _: None)
        monkeypatch.setattr(download, "reached", lambda _: contextlib.nullcontext(node))
        monkeypatch.setattr(download, "rows", node.rows)
        assert main(["app", "download", "blog", str(tmp_path / "copy"), "--json"]) == 0
        said = capsys.readouterr()
        return json.loads(said.out)["data"], said.err

    return run


HARMFUL = (
    ".git/config",
    ".git",
    ".GIT/config",
    "deep/er/.git/hooks/x",
    ".g\u200cit/config",
    ".hg/hgrc",
    "node_modules/x/index.js",
    ".env",
    ".envrc",
    ".ssh/config",
)


@pytest.mark.parametrize("path", HARMFUL)
def test_what_no_deploy_would_send_is_not_written(
    fetched: Callable[[dict[str, bytes]], Answer], tmp_path: Path, path: str
) -> None:
    facts, warnings = fetched({path: b"[core]\n\tfsmonitor = evil", "index.html": b"hello", "a/b.css": b"b"})
    assert (facts["files"], facts["bytes"]) == (2, 6)
    assert warnings.count("is left out: ") == 1
    written = {str(file.relative_to(tmp_path / "copy")) for file in (tmp_path / "copy").rglob("*") if file.is_file()}
    assert written == {"index.html", "a/b.css"}


def test_nothing_else_is_left_out(fetched: Callable[[dict[str, bytes]], Answer], tmp_path: Path) -> None:
    files = {".well-known/x": b"1", ".github/x": b"2", "é.txt": b"3", "git/config": b"4"}
    facts, warnings = fetched(files)
    assert facts["files"] == 4 and "left out" not in warnings
    assert {path: (tmp_path / "copy" / path).read_bytes() for path in files} == files
