"""The program as one file: that it builds the same twice, and starts wherever it may be put.

The programs here hold a stub instead of the sources, and the real dependencies.
"""

import ast
import fcntl
import importlib.util
import io
import json
import marshal
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / "build"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
CRYPTO = {"crypto": ("cryptography", "cffi", "pycparser", "_cffi_backend", "argon2", "_argon2_cffi_bindings")}
STUB = {
    "fazt/__init__.py": '__version__ = "9.8.7"\n',
    "fazt/cli/__init__.py": "",
    "fazt/cli/main.py": """
import importlib
import json
import os
import sys


def main() -> int:
    if "--replace-me" in sys.argv:
        with open(os.environ["FAZT_PROGRAM"] + ".new", "w") as new:
            new.write("a later version")
        os.replace(new.name, os.environ["FAZT_PROGRAM"])
    names = [name for name in sys.argv[1:] if name.isidentifier()]
    modules = {name: importlib.import_module(name).__file__ for name in ["kernel", *names]}
    same = os.environ["FAZT_PROGRAM"] == sys.modules["__main__"].FAZT_PROGRAM
    print(json.dumps({"program": os.environ["FAZT_PROGRAM"] * same, "path": sys.path, "modules": modules}))
    return 7
""",
    "fazt/site/page.html": "<p>data</p>",
    "fazt/site/tests/kept.txt": "an app may have tests of its own",
    "fazt/cli/main.py~": "an editor's copy",
    "kernel/__init__.py": "",
}


def load(name: str) -> ModuleType:
    """A script as a module; `zipapp` by name would be the one of the standard library."""
    spec = importlib.util.spec_from_file_location(f"fazt_scripts_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


builder = load("zipapp")


def write_stub(folder: Path) -> Path:
    for name, text in STUB.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def build(folder: Path, versions: tuple[str, ...] = (VERSION,), cache: Path = CACHE, **options: object) -> Path:
    output = folder / "bin" / "fazt"
    source = write_stub(folder / "source")
    builder.build(builder.Options(source, output, list(versions), cache, **options))
    return output


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture
def program(built: Path, tmp_path: Path) -> Path:
    """A copy of the program, alone in a directory."""
    return Path(shutil.copy(built, fresh(tmp_path / "program") / "fazt"))


def fresh(folder: Path, mode: int = 0o700) -> Path:
    folder.mkdir(parents=True)
    folder.chmod(mode)
    return folder


def environment(tmp_path: Path, **changes: str) -> dict[str, str]:
    """Places that belong to the test; an empty value leaves a variable out."""
    for name in ("home", "run"):
        (tmp_path / name).mkdir(exist_ok=True)
    variables = {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "PATH": os.defpath}
    return {name: value for name, value in (variables | changes).items() if value}


def start(
    program: Path, env: dict[str, str], *arguments: str, python: str = sys.executable, flags: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    command = [python, *flags, str(program), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)


def started(program: Path, env: dict[str, str], *arguments: str, **how: object) -> dict:
    """What the stub tells about its process, which must have ended well."""
    result = start(program, env, *arguments, **how)
    assert result.returncode == 7, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout)


def packs(place: Path) -> list[str]:
    """The kinds of packs in a place; anything half done shows up as `new`."""
    return sorted(path.name.split("-")[0] for path in place.iterdir()) if place.exists() else []


def members(program: Path) -> Iterator[tuple[str, bytes]]:
    """All files in a program, those in its payloads too."""
    with zipfile.ZipFile(program) as outer:
        for name in outer.namelist():
            data = outer.read(name)
            yield name, data
            if name.startswith("payload/"):
                with zipfile.ZipFile(io.BytesIO(data)) as inner:
                    yield from ((f"{name}/{path}", inner.read(path)) for path in inner.namelist())


def patched(program: Path, *replacements: tuple[str, str], payload: bytes = b"") -> Path:
    """The program with changes in its launcher, or with another payload."""
    with zipfile.ZipFile(program) as old:
        content = {name: old.read(name) for name in old.namelist() if name != "__main__.pyc"}
    launcher = content["__main__.py"].decode()
    for old_text, new_text in replacements:
        assert launcher.count(old_text) >= 1, old_text
        launcher = launcher.replace(old_text, new_text)
    content["__main__.py"] = launcher.encode()
    if payload:
        content["payload/app"] = payload
    with zipfile.ZipFile(program, "w") as new:
        for name, data in content.items():
            new.writestr(name, data)
    return program


# --- the file -------------------------------------------------------------------------------------------------------


def test_two_builds_are_equal(built: Path, tmp_path: Path) -> None:
    cache = fresh(tmp_path / "other-cache")  # all but the download is made again
    for installed in CACHE.glob("installed-*"):
        (cache / installed.name).symlink_to(installed)
    assert build(tmp_path / "elsewhere", cache=cache).read_bytes() == built.read_bytes()


def test_a_build_from_the_cache_is_equal(built: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == built.read_bytes()


def test_no_path_of_this_machine_is_inside(built: Path) -> None:
    ours = [str(ROOT).encode(), str(built.parent.parent).encode(), str(CACHE).encode(), sys.prefix.encode()]
    home = f"{Path.home()}/".encode()
    for name, data in members(built):
        assert not [path for path in ours if path in data], name
        assert ".so" in name or name.count("/") < 2 or home not in data, name  # wheels are built in homes of others


def test_code_is_named_by_its_place_in_the_program(built: Path) -> None:
    def file_names(code: CodeType) -> set[str]:
        inner = (file_names(value) for value in code.co_consts if isinstance(value, CodeType))
        return {code.co_filename}.union(*inner)

    compiled = [(name, data) for name, data in members(built) if name.endswith(".pyc")]
    tag = sys.implementation.cache_tag
    assert f"payload/app/fazt/cli/__pycache__/main.{tag}.pyc" in [name for name, _ in compiled]
    for name, data in compiled:
        assert data[4:8] == (1).to_bytes(4, "little"), name  # by hash, unchecked
        source = re.sub(r"^payload/[^/]+/|__pycache__/|\.cpython-\d+|c$", "", name)
        assert file_names(marshal.loads(data[16:])) == {source}


def test_only_what_is_needed_is_inside(built: Path) -> None:
    names = [name for name, _ in members(built)]
    assert "payload/app/fazt/site/page.html" in names
    assert "payload/app/fazt/site/tests/kept.txt" in names
    languages = {name.split("/")[-1].split(".")[0] for name in names if "/babel/locale-data/" in name}
    assert {"root", "en_US", "de_AT", "pt_PT", "zh_Hant_TW"} <= languages and "zu" not in languages
    tools = {name.split("/dukpy/")[1] for name in names if "/dukpy/jsmodules/" in name}
    assert tools == {"jsmodules/typescriptServices.js"}
    theirs = "(deps|wasmtime|typescript|languages|zones)"
    unwanted = re.compile(
        rf"{theirs}/.*tests?/|\.(pyi|pyx|pxd|c|h)$|dist-info|RECORD|INSTALLER|direct_url|~$|deps/bin/"
    )
    assert [name for name in names if unwanted.search(name)] == []
    assert len([name for name in names if name.count("/") < 2]) <= 8


def test_every_dependency_keeps_its_licence(built: Path) -> None:
    inside = [name.split("/") for name, _ in members(built) if "/licenses/" in name]
    licences = {parts[3].replace("_", "-").lower() for parts in inside}
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert len(locked) > 10
    assert {name.replace("_", "-").lower() for name in locked} <= licences


def test_it_is_executable_and_asks_for_python3(built: Path) -> None:
    assert os.access(built, os.X_OK)
    assert built.read_bytes().startswith(b"#!/usr/bin/env python3\nPK")


def test_a_source_that_does_not_compile_stops_the_build(tmp_path: Path) -> None:
    source = write_stub(tmp_path / "source")
    (source / "kernel" / "broken.py").write_text("def (:\n")
    with pytest.raises(builder.BuildError, match=r"kernel/broken\.py"):
        builder.build(builder.Options(source, tmp_path / "fazt", [VERSION], CACHE))
    assert not (tmp_path / "fazt").exists()


def test_a_python_that_is_not_there_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(builder.BuildError, match=r"no Python 3\.999"):
        build(tmp_path, ("3.999",))


# --- starting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version_needs_nothing_and_leaves_nothing(program: Path, tmp_path: Path, option: str) -> None:
    result = start(program, {}, option, flags=("-I", "-S"))
    assert (result.returncode, result.stdout, result.stderr) == (0, "fazt 9.8.7\n", "")
    assert start(program, environment(tmp_path), option).stdout == "fazt 9.8.7\n"
    assert list((tmp_path / "home").rglob("*")) == []


@pytest.mark.parametrize("flags", [(), ("-I",), ("-S",), ("-I", "-S"), ("-O",), ("-B",)])
def test_starts_with_the_options_of_python(program: Path, tmp_path: Path, flags: tuple[str, ...]) -> None:
    told = started(program, environment(tmp_path), flags=flags)
    assert told["program"] == str(program)
    assert told["path"][0].startswith(f"{tmp_path}/home/.cache/fazt/app-")


def test_all_dependencies_can_be_imported(program: Path, tmp_path: Path) -> None:
    names = ["aiohttp", "apsw", "argon2", "click", "cryptography", "msgspec", "uvloop"]
    told = started(program, environment(tmp_path), *names)
    assert all(path.startswith(f"{tmp_path}/home/.cache/fazt/deps-") for path in map(told["modules"].get, names))


def test_alone_in_a_read_only_directory_without_a_home(program: Path, tmp_path: Path) -> None:
    program.chmod(0o555)
    program.parent.chmod(0o555)
    env = environment(tmp_path, HOME="/nowhere/at/all")
    started(program, env)
    started(program, env, flags=("-I", "-S"))
    assert [path.name for path in program.parent.iterdir()] == ["fazt"]
    assert not Path("/nowhere").exists()
    assert packs(tmp_path / "run" / "fazt") == ["app", "deps"]


def test_the_second_start_unpacks_nothing(program: Path, tmp_path: Path) -> None:
    env = environment(tmp_path)
    started(program, env)
    before = {path.stat().st_ino for path in (tmp_path / "home/.cache/fazt").iterdir()}
    broken = patched(program, ("def fill(", "def fill_unused("))
    started(broken, env)
    assert {path.stat().st_ino for path in (tmp_path / "home/.cache/fazt").iterdir()} == before


def test_other_modules_on_the_path_cannot_take_the_place_of_ours(program: Path, tmp_path: Path) -> None:
    for package in ("fazt", "kernel", "aiohttp", "yarl"):
        (fresh(tmp_path / "evil" / package) / "__init__.py").write_text("raise SystemExit('shadowed')")
    (tmp_path / "evil" / "brotli.py").write_text("raise SystemExit('not part of the program')")
    started(program, environment(tmp_path, PYTHONPATH=str(tmp_path / "evil")), "aiohttp")


def test_eight_first_starts_at_once(program: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(program), "aiohttp"]
    env = environment(tmp_path)
    starts = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(8)]
    answers = [process.communicate(timeout=120) for process in starts]
    assert [process.returncode for process in starts] == [7] * 8, answers
    assert packs(tmp_path / "home/.cache/fazt") == ["app", "deps"]


# --- interpreters that do not fit -----------------------------------------------------------------------------------


def refusal(program: Path, tmp_path: Path) -> str:
    result = start(program, environment(tmp_path))
    assert (result.returncode, result.stdout) == (1, "")
    assert "Traceback" not in result.stderr
    return result.stderr


def test_another_python_version_is_told_which_one_to_use(program: Path, tmp_path: Path) -> None:
    said = refusal(patched(program, (f"'{VERSION}': (", "'3.99': (")), tmp_path)
    assert said == f"fazt: this build needs Python 3.99 (running {VERSION}); start it as: python3.99 fazt ...\n"


def test_another_platform_is_told_so(program: Path, tmp_path: Path) -> None:
    suffix = builder.find_interpreter(VERSION).suffix
    said = refusal(patched(program, (f"({suffix!r}, ", "('.cpython-399-s390x-linux-gnu.so', ")), tmp_path)
    assert said == f"fazt: this build is for cpython-399-s390x-linux-gnu (running {suffix.split('.')[1]})\n"


def test_an_old_c_library_is_told_so(program: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(program) as outer:
        found = re.search(r"\.so', '(2\.\d+)', ", outer.read("__main__.py").decode())
    if not found:
        pytest.skip("only programs for glibc have such a limit")
    said = refusal(patched(program, (found[0], ".so', '2.999', ")), tmp_path)
    assert said.startswith("fazt: this build needs glibc 2.999 or later (running 2.")


def test_an_old_python_understands_the_launcher() -> None:
    ast.parse((ROOT / "scripts" / "launcher.py").read_text(), feature_version=(3, 7))


def test_one_file_for_several_python_versions(tmp_path: Path) -> None:
    others = [version for version in ("3.12", "3.13", "3.11") if version != VERSION and is_there(version)]
    if not others:
        pytest.skip("there is only one Python here")
    versions = tuple(sorted([VERSION, others[0]]))
    program = build(tmp_path, versions)
    for version in versions:
        python = builder.find_interpreter(version).path
        started(program, environment(tmp_path), "aiohttp", "cryptography", "apsw", "uvloop", python=python)
    with zipfile.ZipFile(program) as outer:
        payloads = {
            name: zipfile.ZipFile(io.BytesIO(outer.read(f"payload/{name}")))
            for name in ("deps", *(f"deps-{v}" for v in versions))
        }
    holders = [name for name, payload in payloads.items() if "aiohttp/web.py" in payload.namelist()]
    assert holders == ["deps"]


def is_there(version: str) -> bool:
    try:
        builder.find_interpreter(version)
    except builder.BuildError:
        return False
    return True


# --- places to unpack -----------------------------------------------------------------------------------------------


def test_the_named_place_comes_first(program: Path, tmp_path: Path) -> None:
    started(program, environment(tmp_path))
    env = environment(tmp_path, FAZT_CACHE=str(tmp_path / "named" / "deep"))
    assert started(program, env)["path"][0].startswith(f"{tmp_path}/named/deep/app-")
    assert (tmp_path / "named").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("arguments", [("--db", "{}"), ("server", "--db={}"), ()])
def test_beside_the_data_file(program: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    data = fresh(tmp_path / "data") / "data.db"
    env = environment(tmp_path, FAZT_DB_PATH="" if arguments else str(data))
    started(program, env, *(argument.format(data) for argument in arguments if argument != "server"))
    assert packs(data.parent / ".fazt-cache") == ["app", "deps"]
    assert packs(tmp_path / "home" / ".cache" / "fazt") == []


def test_a_pack_that_is_ready_somewhere_is_not_unpacked_beside_each_data_file(program: Path, tmp_path: Path) -> None:
    started(program, environment(tmp_path))
    started(program, environment(tmp_path), "--db", str(fresh(tmp_path / "data") / "data.db"))
    assert packs(tmp_path / "data") == []


def test_a_data_file_after_the_end_of_options_is_none(program: Path, tmp_path: Path) -> None:
    started(program, environment(tmp_path), "--", "--db", str(fresh(tmp_path / "data") / "data.db"))
    assert packs(tmp_path / "data") == []


def test_a_place_others_may_write_to_is_refused(program: Path, tmp_path: Path) -> None:
    place = fresh(tmp_path / "shared", 0o777)
    started(program, environment(tmp_path, FAZT_CACHE=str(place)))
    assert list(place.iterdir()) == []
    below = fresh(place / "own")
    started(program, environment(tmp_path, FAZT_CACHE=str(below)))
    assert list(below.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories to others")
@pytest.mark.parametrize("planted", ["directory", "parent", "link"])
def test_a_place_of_another_user_is_refused(program: Path, tmp_path: Path, planted: str) -> None:
    shared = fresh(tmp_path / "shared", 0o1777)
    place = shared / f"fazt-{os.geteuid()}"
    if planted == "link":
        place.symlink_to(fresh(tmp_path / "precious"))
        os.chown(place, 12345, 12345, follow_symlinks=False)
    else:
        fresh(place)
        os.chown(place if planted == "directory" else shared, 12345, 12345)
    patched(program, ('"/dev/shm"', repr(str(shared))))
    env = environment(tmp_path, HOME="/nowhere", XDG_RUNTIME_DIR="", TMPDIR=str(fresh(tmp_path / "tmp")))
    assert started(program, env)["path"][0].startswith(f"{tmp_path}/tmp/fazt-")
    assert list(place.iterdir()) == []


def test_all_places_are_named_when_none_will_do(program: Path, tmp_path: Path) -> None:
    bad = fresh(tmp_path / "bad", 0o777)
    patched(program, *((f'"{shared}"', repr(f"{tmp_path}{shared}")) for shared in ("/dev/shm", "/tmp", "/var/tmp")))
    (tmp_path / "file").touch()
    env = environment(tmp_path, FAZT_CACHE=str(bad), HOME="/nowhere", XDG_RUNTIME_DIR=str(tmp_path / "file"))
    result = start(program, env)
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert lines[0] == "fazt: found no place to unpack itself; tried"
    assert lines[1] == f"  {bad}: other users may write there"
    assert lines[2] == "  /nowhere/.cache/fazt: there is no /nowhere"
    assert lines[3].startswith(f"  {tmp_path}/file/fazt: ")
    assert [line.split("/fazt-")[0] for line in lines[4:7]] == [
        f"  {tmp_path}{p}" for p in ("/dev/shm", "/tmp", "/var/tmp")
    ]
    assert "FAZT_CACHE" in lines[7]


@pytest.fixture
def noexec(tmp_path: Path, program: Path) -> Iterator[Path]:
    """A place mounted noexec, or where mounting is not allowed, one the program takes for such."""
    place = fresh(tmp_path / "noexec")
    command = ["mount", "-t", "tmpfs", "-o", "noexec,mode=700", "tmpfs", str(place)]
    if shutil.which("mount") and subprocess.run(command, capture_output=True, check=False).returncode == 0:
        yield place
        subprocess.run(["umount", "--lazy", str(place)], check=True)
    else:
        flag = 'os.statvfs(path).f_flag & getattr(os, "ST_NOEXEC", 0)'
        patched(program, (flag, f"path.startswith({str(place)!r})"))
        yield place


def test_a_place_mounted_noexec_leads_to_the_next(program: Path, noexec: Path, tmp_path: Path) -> None:
    told = started(program, environment(tmp_path, FAZT_CACHE=str(noexec)), "uvloop")
    assert told["modules"]["uvloop"].startswith(f"{tmp_path}/home/.cache/fazt/deps-")
    assert packs(noexec) == ["app"]  # no code of the machine in it


def test_a_place_where_loading_fails_leads_to_the_next(program: Path, tmp_path: Path) -> None:
    place = fresh(tmp_path / "guarded")
    forbid = f"if folder.startswith({str(place)!r}): raise OSError('forbidden')\n        CDLL("
    patched(program, ("CDLL(", forbid))
    told = started(program, environment(tmp_path, FAZT_CACHE=str(place)), "uvloop")
    assert told["modules"]["uvloop"].startswith(f"{tmp_path}/home/.cache/fazt/deps-")
    assert packs(place) == ["app"]


# --- damage and tidiness --------------------------------------------------------------------------------------------


def test_a_damaged_file_is_refused(program: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(program) as outer:
        middle = outer.getinfo("payload/deps").header_offset + outer.getinfo("payload/deps").file_size // 2
    content = bytearray(program.read_bytes())
    content[middle] ^= 1
    program.write_bytes(content)
    assert refusal(program, tmp_path).startswith(f"fazt: {program} is damaged (")
    assert packs(tmp_path / "home/.cache/fazt") == ["app"]


def test_an_exchanged_payload_is_refused(program: Path, tmp_path: Path) -> None:
    said = refusal(patched(program, payload=b"something else"), tmp_path)
    assert said == f"fazt: {program} is damaged (part 'app' has the wrong checksum); get it again\n"
    assert packs(tmp_path / "home/.cache/fazt") == []


def test_the_ruin_of_a_pack_is_replaced(program: Path, tmp_path: Path) -> None:
    env = environment(tmp_path)
    folder = Path(started(program, env)["path"][0])
    (folder / ".used").unlink()
    (folder / "fazt/cli/main.py").unlink()
    started(program, env)
    assert packs(folder.parent) == ["app", "deps"]


def age(path: Path, days: int) -> None:
    then = time.time() - days * 86400
    os.utime(path, (then, then))


def test_what_other_versions_left_is_deleted_unless_in_use(program: Path, tmp_path: Path) -> None:
    place = fresh(tmp_path / "home/.cache/fazt")
    for name, days in (("old-1", 31), ("busy-1", 31), ("recent-1", 29)):
        (fresh(place / name) / ".used").touch()
        age(place / name / ".used", days)
    (fresh(place / "precious") / "photo").touch()
    age(fresh(place / "new-abandoned"), 2)
    fresh(place / "new-growing")
    busy = os.open(place / "busy-1", os.O_RDONLY)
    fcntl.flock(busy, fcntl.LOCK_SH)
    started(program, environment(tmp_path))
    os.close(busy)
    left = sorted(path.name for path in place.iterdir() if not path.name.startswith(("app-", "deps-")))
    assert left == ["busy-1", "new-growing", "precious", "recent-1"]


def test_a_pack_in_use_is_locked_and_stays_young_as_a_whole(program: Path, tmp_path: Path) -> None:
    env = environment(tmp_path)
    folder = Path(started(program, env)["path"][0])
    for path in folder.rglob("*"):
        age(path, 5)
    started(program, env)
    assert min(path.stat().st_mtime for path in folder.rglob("*") if path.is_file()) > time.time() - 86400


# --- packs that wait for their first import -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built_lazy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("lazy"), groups=CRYPTO)


def test_a_lazy_pack_is_unpacked_at_its_first_import(built_lazy: Path, tmp_path: Path) -> None:
    env = environment(tmp_path)
    started(built_lazy, env, "aiohttp")
    assert packs(tmp_path / "home/.cache/fazt") == ["app", "deps"]
    told = started(built_lazy, env, "cryptography", "argon2")
    assert {Path(told["modules"][name]).parts[-3].split("-")[0] for name in ("cryptography", "argon2")} == {"crypto"}
    assert packs(tmp_path / "home/.cache/fazt") == ["app", "crypto", "deps"]


def test_what_only_apps_need_waits_for_them(program: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, PYTHONTZPATH="")
    place = tmp_path / "home/.cache/fazt"
    started(program, env, "aiohttp", "zoneinfo")
    assert packs(place) == ["app", "deps"]
    started(program, env, "wasmtime")
    assert packs(place) == ["app", "deps", "wasmtime"]
    started(program, env, "dukpy", "babel", "tzdata")
    assert packs(place) == ["app", "deps", "languages", "typescript", "wasmtime", "zones"]


def test_a_lazy_pack_survives_the_replacement_of_the_program(built_lazy: Path, tmp_path: Path) -> None:
    program = Path(shutil.copy(built_lazy, fresh(tmp_path / "program") / "fazt"))
    started(program, environment(tmp_path), "--replace-me", "cryptography")
    assert program.read_text() == "a later version"
