"""`.gitignore` as git reads it: a table of its rules, and random ones that git itself decides."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from fazt.client.folder import Folder
from fazt.client.ignore import Ignore, Rules, understood


@pytest.mark.parametrize(
    ("line", "ignored", "kept"),
    [
        ("*.tmp", ["a.tmp", "b/c.tmp", ".tmp"], ["a.tmpx", "tmp"]),
        ("/a.txt", ["a.txt"], ["b/a.txt"]),
        ("build/", ["build/", "x/build/"], ["build", "rebuild/"]),
        ("docs/*.md", ["docs/a.md"], ["docs/b/a.md", "x/docs/a.md", "a.md"]),
        ("**/logs", ["logs", "a/logs", "a/b/logs"], ["logs2"]),
        ("logs/**", ["logs/a", "logs/a/b"], ["logs/", "x/logs/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "c/a/b"]),
        ("a?c", ["abc"], ["ac", "abbc"]),
        ("[ab].js", ["a.js", "b.js"], ["c.js", "ab.js"]),
        ("[!ab].js", ["c.js"], ["a.js"]),
        ("[^ab].js", ["c.js"], ["a.js"]),
        ("[a-c]1", ["a1", "c1"], ["d1", "-1"]),
        ("[]x]", ["]", "x"], ["y"]),
        ("[[:digit:]]x", ["1x"], ["ax"]),
        ("\\#a", ["#a"], ["a"]),
        ("\\!a", ["!a"], ["a"]),
        ("a\\*", ["a*"], ["ab"]),
        ("end  ", ["end"], ["end  "]),
        ("end\\ ", ["end "], ["end"]),
        ("ü*", ["über"], ["uber"]),
        ("*", ["a", "b/", "c/d"], []),
        ("a.b", ["a.b"], ["axb"]),
        ("(a|b)+$", ["(a|b)+$"], ["a", "ab"]),
    ],
)
def test_a_line_means_what_it_means_to_git(line: str, ignored: list[str], kept: list[str]) -> None:
    rules = Rules("", [line])

    def decided(path: str) -> bool | None:
        plain = path.removesuffix("/")
        return rules.decide(plain, plain.rpartition("/")[2], path.endswith("/"))

    assert [path for path in ignored if decided(path) is not True] == []
    assert [path for path in kept if decided(path) is not None] == []


@pytest.mark.parametrize("line", ["", "# a", "#", "/", "!", "!/", "[a", "a\\", "[z-a]", "[[:nonsense:]]", " "])
def test_a_line_that_says_nothing_ignores_nothing(line: str) -> None:
    assert understood(line) is None


def test_the_last_line_that_matches_decides() -> None:
    rules = Rules("sub/", ["*.js", "!keep.js", "# no", "keep.js.map"])
    assert rules.decide("sub/a.js", "a.js", False) is True
    assert rules.decide("sub/keep.js", "keep.js", False) is False
    assert rules.decide("sub/a.css", "a.css", False) is None


def sent(top: Path, files: dict[str, str]) -> list[str]:
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(text.encode())
    return [file.path for file in Folder(top).files if not file.path.endswith("ignore")]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({".gitignore": "*.js"}, ["d/c.css"]),
        ({".gitignore": "*.js", "d/.gitignore": "!b.js"}, ["d/b.js", "d/c.css"]),
        ({".gitignore": "d/", "d/.gitignore": "!*"}, ["a.js"]),
        ({".gitignore": "d/*\n!d/b.js"}, ["a.js", "d/b.js"]),
        ({".gitignore": "d/\n!d/b.js"}, ["a.js"]),
        ({".faztignore": "a.js"}, ["d/b.js", "d/c.css"]),
        ({".gitignore": "d/", ".faztignore": "!d/"}, ["a.js", "d/b.js", "d/c.css"]),
        ({".gitignore": "!a.js", ".faztignore": "a.js"}, ["d/b.js", "d/c.css"]),
        ({".gitignore": "*\n!*/\n!*.css"}, ["d/c.css"]),
        ({".gitignore": "\ufeffa.js\r\n*.css\r\n"}, ["d/b.js"]),
        ({"d/.gitignore": "/b.js"}, ["a.js", "d/c.css"]),
    ],
)
def test_files_of_rules_work_together(tmp_path: Path, rules: dict[str, str], expected: list[str]) -> None:
    files = {"a.js": "", "d/b.js": "", "d/c.css": ""}
    assert sent(tmp_path, {**rules, **files}) == expected


def test_rules_of_folders_above_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("dist/")
    assert sent(tmp_path / "dist", {"index.html": ""}) == ["index.html"]


def test_a_link_to_rules_is_none(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "rules").write_text("*")
    (tmp_path / "site" / ".gitignore").symlink_to(tmp_path / "rules")
    assert sent(tmp_path / "site", {"index.html": ""}) == ["index.html"]


NAMES = ["a", "b", "build", "x.js", "y.txt", "keep", "a b", "sub", "[x]", "a-c", "#h", "!n", "Z"]
PIECES = [
    *NAMES,
    *("*", "**", "*.js", "?", "[ab]", "b*", "[!a]", "***", "a**", "[a-c]", "[]x]", "[[:alpha:]]*", "\\[x\\]", "[x"),
    *("\\#h", "\\!n", "*[!.]*", "[a-]*", "[\\]x[]*", "a\\", " ", "[^/]", "[[:foo:]]", "[z-a]", "**b"),
]


def a_line(chance: random.Random) -> str:
    pieces = "/".join(chance.choice(PIECES) for _ in range(chance.choice([1, 1, 1, 2, 3])))
    start = chance.choice(["", "", "!"]) + chance.choice(["", "", "/"])
    return start + pieces + chance.choice(["", "", "/"]) + chance.choice(["", "", "", " ", "\\ ", "\r"])


def a_tree(top: Path, chance: random.Random) -> None:
    for _ in range(20):
        path = top / "/".join(chance.choice(NAMES) for _ in range(chance.randint(1, 4)))
        if path.parent.is_dir() or not any(parent.is_file() for parent in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text("")
    for folder in [top, *(path for path in sorted(top.rglob("*")) if path.is_dir() and chance.random() < 0.2)]:
        lines = "\n".join(a_line(chance) for _ in range(chance.randint(1, 4)))
        (folder / ".gitignore").write_bytes(lines.encode() + b"\n")


def walked(top: str, base: str = "", above: Ignore | None = None) -> list[str]:
    names = sorted(os.listdir(os.path.join(top, base)))
    ignore = (above or Ignore()).entered(os.path.join(top, base), base, names)
    found: list[str] = []
    for name in names:
        path, is_folder = base + name, os.path.isdir(os.path.join(top, base, name))
        if not ignore.ignores(path, name, is_folder):
            found += walked(top, path + "/", ignore) if is_folder else [path]
    return found


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the judge")
@pytest.mark.parametrize("seed", range(6))
def test_git_decides_the_same(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for n in range(20):
        top = tmp_path / str(n)
        top.mkdir()
        a_tree(top, chance)
        # an index of its own makes any folder a work tree; nothing is written into it
        command = ["git", "--git-dir", str(tmp_path / "git"), "--work-tree", str(top)]
        if n == 0:
            subprocess.run([*command, "init", "-q"], check=True, capture_output=True)
        listed = [*command, "ls-files", "-o", "--exclude-per-directory=.gitignore", "-z"]
        said = subprocess.run(listed, cwd=top, check=True, capture_output=True).stdout
        rules = {str(file.relative_to(top)): file.read_bytes() for file in top.rglob(".gitignore")}
        assert sorted(walked(str(top))) == sorted(said.decode().split("\0")[:-1]), rules
