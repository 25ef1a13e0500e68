import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def sources() -> Iterator[Path]:
    yield ROOT / "requirements.lock"
    for folder in ("scripts", "fazt", "kernel", "services", "stdlib-js"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@pytest.fixture(scope="session")
def fazt() -> Path:
    """The program dist/fazt, built if it is older than what it is built from."""
    program = ROOT / "dist" / "fazt"
    if not program.exists() or program.stat().st_mtime < max(path.stat().st_mtime for path in sources()):
        subprocess.run([ROOT / "scripts" / "build"], check=True)
    return program
