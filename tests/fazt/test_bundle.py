"""Bundling npm packages into a handler: what is recognised, what is made, and what is said when it cannot be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fazt.cli.main import main
from fazt.client import esbuild as bundler
from fazt.client.bundle import OUTPUT, BundledFolder, entry_of, imports, packages
from fazt.client.folder import File
from fazt.client.hashes import Hashes
from kernel.base.errors import FaztError
from kernel.runtime.lower.child import Compiler, answer
from kernel.runtime.positions import Positions, decode
from scripts.node import installed, node
from tests.fazt.fake_node import fake_node

PACKAGES = Path(__file__).parent / "bundled"
HONO = """import { Hono } from 'hono'
import ms from 'ms'
const app = new Hono()
app.get('/api', (c) => c.text(`hi ${ms('2 days')}`))
export default app
"""
ASK = """
const module_ = { exports: {} };
new Function('exports', 'require', 'module', require('fs').readFileSync(0, 'utf8'))(module_.exports, require, module_);
const handler = module_.exports.default ?? module_.exports;
(async () => {
  const said = handler.fetch ? await (await handler.fetch(new Request('http://x.test/api'))).text() : handler();
  process.stdout.write(String(said));
})();
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAZT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def project() -> Iterator[Path]:
    """A folder below one that has node_modules: packages are looked for upwards."""
    with tempfile.TemporaryDirectory(dir=installed(PACKAGES)) as made:
        yield Path(made)


def write(top: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)
    return top


def sent(folder: BundledFolder) -> dict[str, bytes]:
    return {file.path: Path(file.source).read_bytes() for file in folder.files}


def asked(code: bytes) -> str:
    ended = subprocess.run([node(), "-e", ASK], input=code, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode()


def refused(top: Path, files: dict[str, str]) -> FaztError:
    with pytest.raises(FaztError) as error:
        BundledFolder(write(top, files))
    return error.value


# --- what needs a bundle


@pytest.mark.parametrize(
    ("files", "needed"),
    [
        ({"api/main.js": "import a from 'hono'"}, ["hono"]),
        ({"api/main.js": 'import "side-effect"'}, ["side-effect"]),
        ({"api/main.js": "export * from '@scope/name/deep'"}, ["@scope/name"]),
        ({"api/main.js": "const a = require( 'x/y' ); import('z')"}, ["x", "z"]),
        ({"api/main.js": "import {\n  a,\n  b\n} from 'x'"}, ["x"]),
        ({"api/main.js": "require('lodash'); import z from 'zod'; import 'fazt'; import 'dayjs/locale/de'"}, []),
        ({"api/main.js": "// require('x')\n/* import 'y' */\nf('http://a') // from 'b'"}, []),
        ({"api/main.js": "import fs from 'fs'; import 'node:path'; import 'https://x.test/a.js'"}, []),
        ({"api/main.js": "import './a'", "api/a.ts": "import '../lib/b.js'", "lib/b.ts": "import 'deep'"}, ["deep"]),
        ({"api/main.js": "import './a'; import './a'", "api/a/index.js": "import '../main.js'; import 'x'"}, ["x"]),
        ({"api/main.js": "import './data.json'", "api/data.json": "\"from 'x'\""}, []),
        ({"api/main.js": "import '../../outside'"}, []),
        ({"api/main.js": "import './gone'; import '/rooted'; import ''"}, []),
        ({"api/main.js": "const a = 'text from nowhere'"}, []),
    ],
)
def test_packages_are_found_in_what_the_handler_imports(
    tmp_path: Path, files: dict[str, str], needed: list[str]
) -> None:
    assert packages(str(write(tmp_path, files)), "api/main.js") == needed


def test_a_library_the_project_brings_itself_is_meant_in_its_own_version(tmp_path: Path) -> None:
    write(tmp_path, {"api/main.js": "require('zod'); require('lodash')"})
    assert packages(str(tmp_path), "api/main.js") == []
    write(tmp_path, {"package.json": '{"dependencies": {"zod": "^4"}}'})
    assert packages(str(tmp_path), "api/main.js") == ["zod"]
    write(tmp_path, {"node_modules/lodash/package.json": "{}"})
    assert packages(str(tmp_path), "api/main.js") == ["lodash", "zod"]


@pytest.mark.parametrize("said", ["", "[]", "nonsense", '{"dependencies": 5}', "[" * 100_000])
def test_a_broken_package_json_lists_nothing(tmp_path: Path, said: str) -> None:
    write(tmp_path, {"api/main.js": "require('zod')", "package.json": said})
    assert packages(str(tmp_path), "api/main.js") == []


def test_looking_for_imports_takes_no_longer_for_odd_text() -> None:
    for text in ("/*" * 200_000, "import " * 100_000, "//" * 300_000, "require(" + " " * 300_000):
        assert list(imports(text)) == []


def test_javascript_comes_before_typescript() -> None:
    files = [File(path, "", 0, (0, 0, 0, 0)) for path in ("api/main.ts", "api/main.js", "index.html")]
    assert entry_of(files) == "api/main.js"
    assert entry_of(files[2:]) is None


def test_a_site_without_need_is_sent_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, {"index.html": "x", "api/main.ts": "import _ from 'lodash'; export default _"})
    folder = BundledFolder(tmp_path)
    assert folder.bundle is None
    assert set(sent(folder)) == {"index.html", "api/main.ts"}
    write(tmp_path, {"main.js": "import 'x'"})
    assert folder.again().bundle is None


# --- bundles


def test_a_handler_with_packages_becomes_one_file_and_its_map(project: Path) -> None:
    write(project, {"index.html": "x", "api/main.ts": HONO, "api/main.mjs.txt": "kept"})
    folder = BundledFolder(project)
    files = sent(folder)
    assert list(files) == ["api/main.js", "api/main.js.map", "api/main.mjs.txt", "index.html"]
    assert asked(files[OUTPUT]) == "hi 172800000"
    assert folder.bundle
    assert folder.bundle.facts == {
        "entry": "api/main.ts",
        "modules": folder.bundle.modules,
        "bytes": len(files[OUTPUT]),
        "esbuild": "0.28.2",
    }
    assert folder.bundle.told.startswith("bundled api/main.ts with esbuild: ")
    assert (project / "api/main.ts").read_text() == HONO
    assert not (project / OUTPUT).exists()
    # the list is what a deploy reads
    assert set(Hashes(folder.top).of(folder.files)) == set(files)


def test_the_map_of_a_bundle_names_the_files_of_the_author(project: Path) -> None:
    write(project, {"api/main.ts": "import ms from 'ms'\n\nexport default () => { globalThis.boom(ms('1d')) }"})
    files = sent(BundledFolder(project))
    line, _, _ = files[OUTPUT].decode().partition("globalThis")
    found = decode(files[f"{OUTPUT}.map"]).at(line.count("\n") + 1, len(line) - line.rfind("\n"))
    assert found and (found.file, found.line, found.column) == ("main.ts", 3, 24)
    said = json.loads(files[f"{OUTPUT}.map"])
    assert "sourcesContent" not in said
    assert not any(os.path.isabs(source) for source in said["sources"])
    assert any(source.endswith("../node_modules/ms/index.js") for source in said["sources"])


def test_the_same_files_give_the_same_bytes(project: Path) -> None:
    write(project, {"api/main.ts": HONO})
    folder = BundledFolder(project)
    assert sent(folder) == sent(folder.again())


@pytest.mark.parametrize(
    "code",
    [
        "const ms = require('ms')\nmodule.exports = () => ms('1s')",
        "import ms from 'ms'\nexport default () => ms('1s')",
        "import { a } from './a.js'\nexport default () => a",
    ],
)
def test_every_form_of_module_can_use_packages(project: Path, code: str) -> None:
    write(project, {"api/main.js": code, "api/a.ts": "import ms from 'ms'\nexport const a: number = ms('1s')"})
    assert asked(sent(BundledFolder(project))[OUTPUT]) == "1000"


def test_a_bundle_may_wait_at_its_top(project: Path) -> None:
    write(project, {"api/main.js": "import ms from 'ms'\nexport default { a: await ms('1s') }"})
    assert b"await(" in sent(BundledFolder(project))[OUTPUT]


def test_what_every_node_has_stays_outside(project: Path) -> None:
    write(project, {"api/main.js": "import ms from 'ms'\nimport _ from 'lodash'\nexport default () => [ms, _]"})
    code = sent(BundledFolder(project))[OUTPUT]
    assert b'require("lodash")' in code


def test_nothing_of_a_package_is_run(project: Path) -> None:
    hostile = f"require('fs').writeFileSync({json.dumps(str(project / 'ran'))}, '')"
    write(
        project,
        {
            "api/main.js": "module.exports = () => require('hostile')",
            "node_modules/hostile/package.json": '{"scripts": {"install": "touch ran", "postinstall": "touch ran"}}',
            "node_modules/hostile/index.js": f"try {{ {hostile} }} catch {{}}",
        },
    )
    assert BundledFolder(project).bundle
    assert not (project / "ran").exists()


# --- what cannot be


def test_a_module_of_node_is_refused_with_the_way_to_it(project: Path) -> None:
    error = refused(
        project,
        {
            "api/main.ts": "import './a'\nexport default {}",
            "api/a.ts": "import 'files'",
            "node_modules/files/index.js": "import { read } from './read.js'; read()",
            "node_modules/files/read.js": "import fs from 'node:fs'; export const read = () => fs.x",
        },
    )
    assert error.code == "USAGE"
    assert "files needs 'node:fs', a module of Node.js" in error.message
    assert "api/main.ts → api/a.ts → files/index.js → files/read.js → node:fs" in error.message


def test_a_package_that_is_not_there_is_named_with_its_line(project: Path) -> None:
    error = refused(project, {"api/main.ts": "\nimport a from 'not-there/x'\nexport default a"})
    assert error.message == "api/main.ts:2 imports 'not-there/x', which is not there."
    assert error.hint == "npm install not-there"


def test_without_node_modules_npm_install_comes_first(tmp_path: Path) -> None:
    files = {"api/main.ts": HONO, "package.json": '{"dependencies": {"hono": "4", "ms": "2"}}'}
    error = refused(tmp_path, files)
    assert error.message == "api/main.ts imports hono, ms, but there is no node_modules."
    assert error.hint and "`npm install`" in error.hint
    (tmp_path / "package.json").unlink()
    assert refused(tmp_path, {}).hint == "npm install hono ms"


def test_a_mistake_in_the_code_has_its_place(project: Path) -> None:
    error = refused(project, {"api/main.ts": "import ms from 'ms'\nexport default ms(]"})
    assert error.message.startswith("api/main.ts cannot be bundled: api/main.ts:2:18: ")


def test_a_script_is_told_to_export_a_handler(project: Path) -> None:
    error = refused(project, {"api/main.js": "const ms = require('ms') // module.exports\nrespond(ms('1s'))"})
    assert error.message == "api/main.js uses npm packages but exports no handler."


def test_a_bundle_no_node_would_take_names_what_is_heavy(project: Path) -> None:
    heavy = "export default " + json.dumps("x" * (1 << 20))
    files = {"api/main.js": "import h from 'heavy'\nexport default () => h", "node_modules/heavy/index.js": heavy}
    error = refused(project, files)
    assert (error.code, error.hint) == ("LIMIT_EXCEEDED", "The largest parts: heavy (1024 KB), api/main.js (0 KB).")


# --- the bundler


def without_own(top: Path) -> Path:
    return write(
        top, {"api/main.js": "import a from 'a'\nexport default a", "node_modules/a/index.js": "export default 1"}
    )


def test_without_npm_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    error = refused(without_own(tmp_path), {})
    assert (error.code, error.hint) == ("USAGE", bundler.MANUAL)


def test_without_a_network_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(command: list[str], folder: str, npm: bool = False) -> Any:
        return subprocess.CompletedProcess(command, 1, "", "npm error code ENOTFOUND\nnpm error request failed\n")

    monkeypatch.setattr(bundler, "_run", offline)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    error = refused(without_own(tmp_path), {})
    assert error.code == "UNREACHABLE"
    assert error.message.endswith("request failed")
    assert os.listdir(os.environ["FAZT_CACHE"]) == []


def test_a_bundler_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = bundler._run, []

    def run(command: list[str], folder: str, npm: bool = False) -> Any:
        if command[1:2] != ["install"]:
            return real(command, folder)
        assert npm
        asked.append(command)
        (Path(folder) / "node_modules").symlink_to(installed(PACKAGES) / "node_modules")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(bundler, "_run", run)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    without_own(tmp_path)
    for _ in range(2):
        assert BundledFolder(tmp_path).bundle
    assert len(asked) == 1
    assert "--ignore-scripts" in asked[0] and asked[0][-1] == f"esbuild@{bundler.VERSION}"


def test_a_bundler_that_cannot_run_is_named(tmp_path: Path) -> None:
    without_own(tmp_path)
    own = tmp_path / "node_modules/.bin/esbuild"
    write(tmp_path, {"node_modules/.bin/esbuild": "#!/nowhere/at/all\n"})
    own.chmod(0o755)
    assert refused(tmp_path, {}).message.startswith("esbuild cannot run: ")
    write(tmp_path, {"node_modules/.bin/esbuild": "#!/bin/sh\necho broken >&2; exit 1\n"})
    assert "broken" in refused(tmp_path, {}).message


SAYS = "#!/bin/sh\nenv > {}\necho stopped here >&2; exit 1\n"


def own_bundler(folder: Path, told: Path) -> Path:
    write(folder, {"node_modules/.bin/esbuild": SAYS.format(told)})
    own = folder / "node_modules/.bin/esbuild"
    own.chmod(0o755)
    return own


def test_a_program_of_the_project_knows_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "told"
    own_bundler(without_own(tmp_path / "project"), told)
    for name in ("FAZT_TOKEN", "AWS_ACCESS_KEY_ID", "DB_PASSWORD", "NODE_OPTIONS", "npm_config_token", "A_LANG"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LC_ALL", "C")
    assert "stopped here" in refused(tmp_path / "project", {}).message
    known = told.read_text()
    assert "secret" not in known and "LC_ALL=C" in known and "PATH=" in known


def test_what_npm_needs_it_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("npm_config_registry", "HTTPS_PROXY", "no_proxy", "FAZT_TOKEN", "NODE_OPTIONS"):
        monkeypatch.setenv(name, "x")
    known = bundler._environment(True)
    assert {"npm_config_registry", "HTTPS_PROXY", "no_proxy", "PATH"} <= set(known)
    assert not {"FAZT_TOKEN", "NODE_OPTIONS"} & set(known)


@pytest.mark.parametrize("root", [None, ".git", "package.json"])
def test_the_bundler_of_whoever_owns_a_folder_above_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str | None
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    told, top = tmp_path / "told", tmp_path / "shared" / "site"
    without_own(top)
    own_bundler(tmp_path / "shared", told)
    if root:
        write(tmp_path, {f"shared/{root}": "{}"})
    assert ("stopped here" in refused(top, {}).message) is bool(root)
    assert told.exists() is bool(root)


def test_the_folders_of_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, top = tmp_path / "home", tmp_path / "home/work/app/site"
    top.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    write(tmp_path, {"package.json": "{}", ".git": ""})
    assert bundler.tree_of(str(top)) == [str(top)]
    write(home, {"work/package.json": "{}", "work/app/package.json": "{}"})
    assert bundler.tree_of(str(top)) == [str(top), str(top.parent)]
    write(home, {"work/.git": ""})
    assert bundler.tree_of(str(top)) == [str(top), str(top.parent), str(home / "work")]
    monkeypatch.setenv("HOME", "/nowhere")
    assert bundler.tree_of(str(tmp_path / "else"))[-1] == str(tmp_path)


@pytest.mark.parametrize("spoiled", ["node_modules/.bin/esbuild", "node_modules/.bin", "node_modules"])
def test_a_bundler_that_anybody_could_have_put_there_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoiled: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    own = own_bundler(without_own(tmp_path / "site"), tmp_path / "told")
    assert bundler.is_ours(str(own))
    (tmp_path / "site" / spoiled).chmod(0o777)
    assert not bundler.is_ours(str(own))
    assert refused(tmp_path / "site", {}).hint == bundler.MANUAL
    assert not (tmp_path / "told").exists()


def test_a_bundler_of_somebody_else_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = own_bundler(without_own(tmp_path), tmp_path / "told")
    real = os.lstat

    def theirs(path: str) -> Any:
        found = real(path)
        return os.stat_result((*found[:4], found.st_uid + (path == str(own)) * 12345, *found[5:]))

    assert bundler.is_ours(str(own))
    monkeypatch.setattr(os, "lstat", theirs)
    assert not bundler.is_ours(str(own))


def test_a_link_counts_for_what_it_leads_to(tmp_path: Path) -> None:
    own = own_bundler(tmp_path / "site", tmp_path / "told")
    real = write(tmp_path, {"open/esbuild": "x"}) / "open/esbuild"
    own.unlink()
    own.symlink_to(real)
    assert bundler.is_ours(str(own))
    real.parent.chmod(0o777)
    assert not bundler.is_ours(str(own))


def test_a_deploy_without_packages_loads_no_bundler() -> None:
    asked = "import sys, fazt.client.bundle; print({'fazt.client.esbuild', 'fazt.client.project'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True).stdout == b"set()\n"


# --- the command


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What every command of a test begins with."""
    for name in ("FAZT_SERVER", "FAZT_TOKEN", "FAZT_DB_PATH", "FAZT_APP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FAZT_HOME", str(tmp_path / "home"))
    with fake_node() as made:
        yield ["--server", made.url, "--token", "secret"]


def test_a_deploy_says_what_it_bundled(project: Path, at_home: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    write(project, {"api/main.ts": HONO})
    told = BundledFolder(project).bundle
    assert told
    for command in (["deploy", str(project), "--dry-run"], ["deploy", str(project)]):
        assert main([*command, *at_home, "--format", "table"]) == 0
        assert told.told in capsys.readouterr().err.splitlines()
        assert main([*command, *at_home, "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["data"]["bundle"] == told.facts


def test_a_deploy_without_a_bundle_says_nothing_of_it(
    project: Path, at_home: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, {"api/main.ts": "export default {}"})
    assert main(["deploy", str(project), "--dry-run", *at_home, "--format", "json"]) == 0
    assert "bundle" not in json.loads(capsys.readouterr().out)["data"]


# --- what a node makes of it


@pytest.mark.parametrize(
    ("code", "style", "awaits"),
    [
        (HONO, "fetch", False),
        ("const ms = require('ms')\nmodule.exports = () => ms('1s')", "module", False),
        ("import ms from 'ms'\nexport const GET = () => ms('1s')\nawait 1", "fetch", True),
    ],
)
def test_a_bundle_is_to_a_node_what_the_handler_was(project: Path, code: str, style: str, awaits: bool) -> None:
    files = sent(BundledFolder(write(project, {"api/main.js": code})))
    text, map = (files[path].decode() for path in (OUTPUT, f"{OUTPUT}.map"))
    said = answer(Compiler(), {"name": "x.js", "text": text, "map": map})
    assert (said["problems"], said["style"], said["async"]) == ([], style, awaits)
    made = (said.get("code") or text).partition("import_ms.default" if awaits else "require_ms()")[0]
    assert made
    there = Positions.unpack(bytes.fromhex(said["positions"])).at(made.count("\n") + 1, len(made) - made.rfind("\n"))
    assert there and there.file in ("main.js", "../../node_modules/ms/index.js")
