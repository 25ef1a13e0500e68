"""Builds the program: one executable file with the sources and all they depend on.

The file is a small zip archive: ``__main__.py`` (scripts/launcher.py) and a few archives, the payloads. Packs are
what the launcher unpacks, each into a directory of its own: `app` (our packages) and `deps` (the locked
dependencies), apart from each other so that an update that changes no dependency unpacks little. With several Python
versions, what is the same for all of them is stored once.

The result depends on the sources, the lock file and the tools alone: two builds are equal byte for byte.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUR_PACKAGES = ("fazt", "kernel", "services")  # stdlib-js is in kernel/runtime/guest, as what it becomes
# Pack -> top-level modules. Such a pack is unpacked when one of its modules is first imported. That is worth it for
# what most installations never use; the cryptography modules (5 of 12 MB) would only save 60 ms of one first start.
GROUPS: dict[str, tuple[str, ...]] = {
    "wasmtime": ("wasmtime",),  # not "engine": so the machine code is called that lies beside it
    "typescript": ("dukpy",),
    "languages": ("babel",),
    "zones": ("tzdata",),  # most machines have their own
}
# What numbers and dates can be written in, with all countries; English says the rest.
LANGUAGES = (
    "ar bg bn ca cs da de el en es et fa fi fil fr gu he hi hr hu id it ja kn ko lt lv ml mr ms nb nl no pl pt ro root "
    "ru sk sl sr sv sw ta te th tr uk ur vi zh"
)

NEWEST_GLIBC = 28  # wheels that need a later glibc 2.x are not taken, even if this machine has it
OLDEST_TIME = (1980, 1, 1, 0, 0, 0)
NOT_OURS = re.compile(r"(^|/)(__pycache__|\.[a-z_]+_cache|\.DS_Store)(/|$)|(\.pyc|\.swp|~)$")
NOT_NEEDED = re.compile(
    r"(^|/)(__pycache__|tests?)/|(^|/)_test[a-z]*\.[^/]*so$"
    r"|\.(pyi|pyx|pxd|pxi|c|h|hpp|cpp|hash)$|(^|/)py\.typed$"
    r"|^(bin|[^/]+\.dist-info)/"
    r"|^apsw/sqlite_extra_binaries/(sqlite3_|libsqlite3_tool)"  # programs; the extensions stay
    r"|^dukpy/jsmodules/(?!typescriptServices\.js$)|^dukpy/webassets/|^babel/messages/"
    rf"|^babel/locale-data/(?!({LANGUAGES.replace(' ', '|')})[_.])"
)
LICENCE = re.compile(
    r"^([^/]+)-[^-/]+\.dist-info/(?:licenses/(.+)|((?:licen[cs]e|copying|notice|authors)[^/]*))$", re.I
)
METADATA = re.compile(r"^([^/]+)-[^-/]+\.dist-info/METADATA$")
SHARED_OBJECT = re.compile(r"\.so(\.[0-9.]+)?$")
GLIBC_SYMBOL = re.compile(rb"\0GLIBC_2\.(\d+)(?=\0)")

# Runs in the interpreter the result is for. The code must neither contain this machine's paths nor depend on the
# time of the source file, which unpacking changes.
COMPILE = """
import os, py_compile, sys
for parent, folders, names in os.walk("."):
    folders.sort()
    for name in sorted(names):
        if name.endswith(".py"):
            path = os.path.relpath(os.path.join(parent, name))
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(path, dfile=path, doraise=True, invalidation_mode=mode)
"""

Tree = dict[str, bytes]  # path -> content


@dataclass(frozen=True)
class Interpreter:
    version: str  # like 3.11
    path: str
    suffix: str  # of its extension modules


@dataclass
class Pack:
    name: str
    payloads: dict[str, bytes]
    wakes: tuple[str, ...]
    parts: dict[str, list[str]]  # Python version -> names of the payloads it needs
    probes: dict[str, str]  # Python version -> an extension module, to try whether one can be loaded
    lowest_glibc: int = 0


@dataclass
class Options:
    source: Path
    output: Path
    versions: list[str]
    cache: Path = ROOT / "build"
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: GROUPS)


class BuildError(Exception):
    """The program cannot be built; the message is for the user."""


# --- interpreters ---------------------------------------------------------------------------------------------------


def find_interpreter(version: str) -> Interpreter:
    """An interpreter of this version: the one that runs, one on PATH, or one pyenv has but does not show."""
    question = (
        "import sys, importlib.machinery as m; print('%d.%d' % sys.version_info[:2], sys.executable, "
        "m.EXTENSION_SUFFIXES[0], sep='\\n')"
    )
    for candidate in candidate_interpreters(version):
        answer = subprocess.run([candidate, "-I", "-c", question], capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            found, path, suffix = answer.stdout.splitlines()
            if found == version:
                return Interpreter(version, path, suffix)
    raise BuildError(f"there is no Python {version} on this machine; put python{version} on PATH, or leave it out")


def candidate_interpreters(version: str) -> Iterator[str]:
    name = f"python{version}"
    if version == running_version():
        yield sys.executable
    if on_path := shutil.which(name):
        yield on_path
        for path in sorted(Path(on_path).parent.parent.glob(f"versions/{version}.*/bin/{name}"), reverse=True):
            yield str(path)


def running_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


# --- dependencies ---------------------------------------------------------------------------------------------------


def digest(*parts: str | bytes) -> str:
    sums = (hashlib.sha256(part.encode() if isinstance(part, str) else part).digest() for part in parts)
    return hashlib.sha256(b"".join(sums)).hexdigest()


def wheel_platforms() -> list[str]:
    """The platforms whose wheels are taken; nothing for what pip takes by itself."""
    name, version = platform.libc_ver()
    if name != "glibc":
        return []
    newest = min(NEWEST_GLIBC, int(version.split(".")[1]))
    machine = platform.machine()
    modern = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, 4, -1)]
    return [*modern, *(f"manylinux{year}_{machine}" for year in ("2014", "2010", "1"))]


def install(interpreter: Interpreter, lock: Path, cache: Path) -> Path:
    """The locked dependencies as pip installs them for an interpreter, done once for each lock file."""
    platforms = wheel_platforms()
    target = cache / f"installed-{digest(lock.read_bytes(), interpreter.suffix, *platforms)[:16]}"
    if target.exists():
        return target
    command = [sys.executable, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--root-user-action", "ignore", "--no-warn-script-location", "--no-compile", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--python-version", interpreter.version]
    for name in platforms:
        command += ["--platform", name]
    with temporary_directory(cache) as new:
        run([*command, "--target", str(new / "all"), "--requirement", str(lock)], f"pip for {interpreter.version}")
        publish(new / "all", target)
    return target


@contextmanager
def temporary_directory(cache: Path) -> Iterator[Path]:
    """A directory on the file system of the cache, so that its content can be renamed into it."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="new-") as name:
        yield Path(name)


def publish(new: Path, target: Path) -> None:
    """Show a finished directory under its name, unless another build was quicker."""
    try:
        new.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def run(command: list[str], what: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BuildError(f"{what} failed:\n{(result.stderr or result.stdout).strip()}")


# --- trees ----------------------------------------------------------------------------------------------------------


def read_tree(folder: Path) -> Tree:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_tree(tree: Tree, folder: Path) -> None:
    for name, content in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def dependency_tree(installed: Path) -> Tree:
    """What of the installed dependencies goes into the program: what can be run or read by it, and all licences."""
    tree: Tree = {}
    said: Tree = {}
    for name, content in read_tree(installed).items():
        if licence := LICENCE.match(name):
            tree[f"licenses/{licence[1]}/{licence[2] or licence[3]}"] = content
        elif described := METADATA.match(name):
            said[f"licenses/{described[1]}/"] = content
        elif not NOT_NEEDED.search(name):
            tree[name] = content
    for folder, names in said.items():
        if not any(name.startswith(folder) for name in tree):
            tree[folder + "METADATA"] = names  # no text of a licence came with it: this names the licence
    return tree


def source_tree(source: Path) -> Tree:
    tree: Tree = {}
    for package in OUR_PACKAGES:
        for name, content in read_tree(source / package).items():
            if not NOT_OURS.search(f"{package}/{name}"):
                tree[f"{package}/{name}"] = content
    for licence in source.glob("LICENSE*"):
        tree[f"licenses/fazt/{licence.name}"] = licence.read_bytes()
    return tree


def finish_tree(tree: Tree, interpreter: Interpreter, cache: Path) -> Tree:
    """The tree with debug symbols removed and the Python files compiled."""
    with temporary_directory(cache) as stage:
        write_tree(tree, stage)
        shared_objects = [str(stage / name) for name in sorted(tree) if SHARED_OBJECT.search(name)]
        if shared_objects and (strip := shutil.which("strip")):
            run([strip, "--strip-unneeded", *shared_objects], "strip")
        compile_python(interpreter, stage)
        return read_tree(stage)


def compile_python(interpreter: Interpreter, folder: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [interpreter.path, "-P", "-s", "-S", "-c", COMPILE]
    result = subprocess.run(
        command, cwd=folder, env={**clean, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise BuildError(f"Python {interpreter.version} cannot compile:\n{result.stderr.strip()}")


# --- packs ----------------------------------------------------------------------------------------------------------


def archive(tree: Mapping[str, bytes], compression: int, start: bytes = b"") -> bytes:
    """A zip archive that depends on nothing but names and contents, with something before it."""
    buffer = io.BytesIO()
    buffer.write(start)
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name in sorted(tree):
            info = zipfile.ZipInfo(name, OLDEST_TIME)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            info.compress_type = compression
            zipped.writestr(info, tree[name], compresslevel=9)
    return buffer.getvalue()


def make_pack(name: str, trees: Mapping[str, Tree], interpreters: list[Interpreter], wakes: tuple[str, ...]) -> Pack:
    """A pack from its files for each Python version; files that are the same for all versions go into one payload."""
    first, *others = trees.values()
    common = {path: data for path, data in first.items() if all(other.get(path) == data for other in others)}
    payloads = {name: archive(common, zipfile.ZIP_DEFLATED)} if common else {}
    pack = Pack(name, payloads, wakes, {}, {})
    for interpreter in interpreters:
        version, tree = interpreter.version, trees[interpreter.version]
        own = {path: data for path, data in tree.items() if path not in common}
        if own:
            payloads[f"{name}-{version}"] = archive(own, zipfile.ZIP_DEFLATED)
        pack.parts[version] = [part for part in (name, f"{name}-{version}") if part in payloads]
        pack.probes[version] = smallest_extension(tree, interpreter)
        pack.lowest_glibc = max(pack.lowest_glibc, lowest_glibc(tree))
    return pack


def smallest_extension(tree: Tree, interpreter: Interpreter) -> str:
    loadable = (name for name in tree if name.endswith((interpreter.suffix, ".abi3.so")))
    return min(loadable, key=lambda name: (len(tree[name]), name), default="")


def lowest_glibc(tree: Tree) -> int:
    """The minor version of the oldest glibc 2.x that can load all shared objects."""
    objects = (content for name, content in tree.items() if SHARED_OBJECT.search(name))
    return max((int(minor) for content in objects for minor in GLIBC_SYMBOL.findall(content)), default=0)


def split_groups(tree: Tree, groups: Mapping[str, tuple[str, ...]]) -> dict[str, Tree]:
    """The pack `deps`, and one pack for each group of modules."""
    owner = {module: group for group, modules in groups.items() for module in modules}
    packs: dict[str, Tree] = {"deps": {}, **{group: {} for group in groups}}
    for name, content in tree.items():
        packs[owner.get(re.split("[/.]", name)[0], "deps")][name] = content
    return packs


def dependency_packs(options: Options, interpreters: list[Interpreter]) -> list[Pack]:
    """The packs of dependencies, from the cache if a build with the same lock, versions and builder made them."""
    lock = ROOT / "requirements.lock"
    versions = [f"{interpreter.suffix} {interpreter.path}" for interpreter in interpreters]
    strip = shutil.which("strip") or ""
    key = digest(lock.read_bytes(), Path(__file__).read_bytes(), repr(options.groups), strip, *versions)
    target = options.cache / f"packs-{key[:16]}"
    if target.exists():
        return load_packs(target)
    trees: dict[str, dict[str, Tree]] = {}  # pack -> Python version -> files
    for interpreter in interpreters:
        installed = dependency_tree(install(interpreter, lock, options.cache))
        finished = finish_tree(installed, interpreter, options.cache)
        for name, tree in split_groups(finished, options.groups).items():
            trees.setdefault(name, {})[interpreter.version] = tree
    packs = [make_pack(name, trees[name], interpreters, options.groups.get(name, ())) for name in trees]
    with temporary_directory(options.cache) as new:
        save_packs(packs, new / "all")
        publish(new / "all", target)
    return packs


def save_packs(packs: list[Pack], folder: Path) -> None:
    write_tree({name: data for pack in packs for name, data in pack.payloads.items()}, folder)
    rows = [asdict(pack) | {"payloads": list(pack.payloads)} for pack in packs]
    (folder / "packs.json").write_text(json.dumps(rows))


def load_packs(folder: Path) -> list[Pack]:
    packs = []
    for row in json.loads((folder / "packs.json").read_text()):
        row["payloads"] = {name: (folder / name).read_bytes() for name in row["payloads"]}
        row["wakes"] = tuple(row["wakes"])
        packs.append(Pack(**row))
    return packs


def application_pack(options: Options, interpreters: list[Interpreter]) -> Pack:
    sources = source_tree(options.source)
    trees = {interpreter.version: finish_tree(sources, interpreter, options.cache) for interpreter in interpreters}
    return make_pack("app", trees, interpreters, ())


# --- the program ----------------------------------------------------------------------------------------------------


def read_version(source: Path) -> str:
    path = source / "fazt" / "__init__.py"
    match = re.search(r'^__version__ = "([^"]+)"$', path.read_text() if path.exists() else "", re.MULTILINE)
    if not match:
        raise BuildError(f"{path} does not say __version__")
    return match[1]


def launcher(version: str, packs: list[Pack], interpreters: list[Interpreter]) -> str:
    lowest = max(pack.lowest_glibc for pack in packs)
    builds = {
        interpreter.version: (
            interpreter.suffix,
            f"2.{lowest}" if lowest else "",
            tuple(pack_row(pack, interpreter.version) for pack in packs),
        )
        for interpreter in interpreters
    }
    text = (ROOT / "scripts" / "launcher.py").read_text()
    text = substitute(text, r'^VERSION = "@VERSION@"$', f"VERSION = {version!r}")
    return substitute(text, r"^BUILDS: (.+) = \{\}$", f"BUILDS = {builds!r}")


def compiled_launcher(text: str, interpreter: Interpreter, cache: Path) -> Tree:
    """The launcher as source, and compiled for one Python, which saves it 4 of 15 ms; others ignore that file."""
    compiled = finish_tree({"__main__.py": text.encode()}, interpreter, cache)
    return {Path(name).name.split(".")[0] + Path(name).suffix: content for name, content in compiled.items()}


def pack_row(pack: Pack, version: str) -> tuple[str, tuple[tuple[str, str], ...], str, tuple[str, ...]]:
    """A pack as the launcher wants it; the directory is named after the content."""
    payloads = tuple((name, hashlib.sha256(pack.payloads[name]).hexdigest()) for name in pack.parts[version])
    folder = f"{pack.name}-{digest(*(checksum for _, checksum in payloads))[:16]}"
    return folder, payloads, pack.probes[version], pack.wakes


def substitute(text: str, pattern: str, replacement: str) -> str:
    text, count = re.subn(pattern, lambda _: replacement, text, flags=re.MULTILINE)
    if count != 1:
        raise BuildError(f"scripts/launcher.py has {count} lines like {pattern}, instead of one")
    return text


def build(options: Options) -> None:
    version = read_version(options.source)
    interpreters = [find_interpreter(name) for name in options.versions]
    packs = [application_pack(options, interpreters), *dependency_packs(options, interpreters)]
    members = compiled_launcher(launcher(version, packs, interpreters), interpreters[0], options.cache)
    for pack in packs:
        members |= {f"payload/{name}": data for name, data in pack.payloads.items()}
    # Stored, not compressed: the payloads are compressed already, and a start need not load zlib for the launcher.
    program = archive(members, zipfile.ZIP_STORED, b"#!/usr/bin/env python3\n")
    write_program(options.output, program)
    for name, data in members.items():
        print(f"  {len(data) / 1e6:6.2f} MB  {name}")
    print(f"{options.output}: fazt {version} for Python {', '.join(options.versions)}, {len(program) / 1e6:.2f} MB")
    print(f"sha256 {hashlib.sha256(program).hexdigest()}")


def write_program(output: Path, content: bytes) -> None:
    """Replace the program in one step: a running one keeps reading its own file."""
    output.parent.mkdir(parents=True, exist_ok=True)
    new = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        new.write_bytes(content)
        new.chmod(0o755)
        new.replace(output)
    finally:
        new.unlink(missing_ok=True)


def parse_arguments(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="scripts/build", description="Build the program as one executable file.")
    here = running_version()
    parser.add_argument("--python", metavar="VERSIONS", default=here, help="like 3.11,3.12 (default: %(default)s)")
    parser.add_argument("--source", type=Path, default=ROOT, help="where our packages are (default: this repository)")
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / "fazt", help="default: dist/fazt")
    given = parser.parse_args(arguments)
    versions = sorted(set(given.python.split(",")), key=lambda version: [int(part) for part in version.split(".")])
    return Options(given.source.absolute(), given.output.absolute(), versions)


def main(arguments: list[str]) -> int:
    try:
        build(parse_arguments(arguments))
    except BuildError as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
