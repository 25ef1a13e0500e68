import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.harness import Machine

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


@pytest.fixture(scope="session")
def program(fazt: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program that no build replaces meanwhile."""
    return Path(shutil.copy(fazt, tmp_path_factory.mktemp("program") / "fazt"))


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python of this minor version that has nothing installed."""
    folder = tmp_path_factory.mktemp("python")
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the program unpacks itself, once for all machines."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def machine(tmp_path: Path, program: Path, python: Path, cache: Path) -> Iterator[Machine]:
    made = Machine(tmp_path, program, python, cache)
    yield made
    made.close()


@pytest.fixture
def alone(tmp_path: Path, fazt: Path, python: Path) -> Iterator[Machine]:
    """`dist/fazt` copied into an empty directory that stays read-only."""
    only = tmp_path / "only"
    only.mkdir()
    program = Path(shutil.copy(fazt, only / "fazt"))
    program.chmod(0o555)
    only.chmod(0o555)
    made = Machine(tmp_path / "elsewhere", program, python)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, program: Path, python: Path, cache: Path) -> Iterator[Machine]:
    """One machine for the tests of a module that leave it as they found it."""
    made = Machine(tmp_path_factory.mktemp("shared"), program, python, cache)
    yield made
    made.close()
