"""What of a folder is sent: links, secrets, odd files, and where it is said what is not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fazt.client.folder import Folder, opened
from kernel.base.errors import FaztError


@pytest.fixture
def site(tmp_path: Path) -> Path:
    made = tmp_path / "site"
    made.mkdir()
    write(made, "index.html", "css/a.css")
    return made


def write(site: Path, *paths: str, text: str = "x") -> None:
    for path in paths:
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)


def paths(folder: Folder) -> list[str]:
    return [file.path for file in folder.files]


BASE = ["css/a.css", "index.html"]


def test_files_are_sorted_and_carry_their_size(site: Path) -> None:
    write(site, "b/c/d.txt", text="12345")
    folder = Folder(site)
    assert paths(folder) == ["b/c/d.txt", "css/a.css", "index.html"]
    assert (folder.files[0].size, folder.size, folder.warnings) == (5, 7, [])


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (".env", ".env"),
        (".env.production", ".env.production"),
        ("a/.env", "a/.env"),
        (".git/config", ".git/"),
        ("deep/node_modules/x/y.js", "deep/node_modules/"),
        ("id_rsa", "id_rsa"),
        ("certs/server.key", "certs/server.key"),
        ("debug.log", "debug.log"),
        (".DS_Store", ".DS_Store"),
        ("A.PEM", "A.PEM"),
    ],
)
def test_secrets_are_never_sent_whatever_is_said(site: Path, path: str, named: str) -> None:
    write(site, path)
    write(site, ".faztignore", text="!*\n!.*\n")
    folder = Folder(site, include_private=True)
    assert paths(folder) == [".faztignore", *BASE]
    assert folder.warnings == [f"Never sent: {named}."]


def test_all_of_them_are_one_line(site: Path) -> None:
    write(site, *(f"{n}.log" for n in range(8)))
    assert Folder(site).warnings == ["Never sent: 0.log, 1.log, 2.log, 3.log, 4.log and 3 more."]


def test_a_folder_may_be_called_like_a_key(site: Path) -> None:
    write(site, "music.key/a.txt")
    assert paths(Folder(site)) == [*BASE, "music.key/a.txt"]


def test_our_own_note_is_not_part_of_the_site(site: Path) -> None:
    write(site, ".fazt/app", "sub/.fazt/x")
    folder = Folder(site)
    assert paths(folder) == BASE


# --- private/


@pytest.mark.parametrize("rules", ["private/", "private", "/private/*", "*.txt"])
def test_private_files_that_git_ignores_are_said_and_sent_when_asked_for(site: Path, rules: str) -> None:
    write(site, "private/a.txt", "private/.env", "other.js")
    write(site, ".gitignore", text=f"{rules}\n*.js")
    folder = Folder(site)
    assert paths(folder) == [".gitignore", *BASE]
    assert folder.warnings[-1].startswith("private/ is ignored by .gitignore")
    folder = Folder(site, include_private=True)
    assert paths(folder) == [".gitignore", *BASE, "private/a.txt"]
    assert folder.warnings == ["Never sent: private/.env."]


def test_private_files_that_nobody_ignores_are_sent(site: Path) -> None:
    write(site, "private/a.txt")
    folder = Folder(site)
    assert paths(folder) == [*BASE, "private/a.txt"] and folder.warnings == []


# --- links and odd files


def test_a_link_within_the_folder_is_its_file(site: Path) -> None:
    (site / "home.html").symlink_to("index.html")
    (site / "css" / "b.css").symlink_to(site / "css" / "a.css")
    folder = Folder(site)
    assert paths(folder) == ["css/a.css", "css/b.css", "home.html", "index.html"]
    assert folder.files[2].source == os.path.realpath(site / "index.html")
    assert folder.warnings == []


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("/etc/passwd", "a link that leads out of the folder"),
        ("../secret", "a link that leads out of the folder"),
        ("../site-too/x", "a link that leads out of the folder"),
        ("nowhere", "a link that leads nowhere"),
        (".", "a link to a folder"),
        ("css", "a link to a folder"),
        ("link", "a link that leads nowhere"),
        (".env", "a link to what is never sent"),
        (".fazt/app", "a link to what is never sent"),
    ],
)
def test_other_links_are_left_out_and_said(site: Path, target: str, why: str) -> None:
    write(site.parent, "secret", "site-too/x")
    write(site, ".env", ".fazt/app")
    os.symlink(target, site / "link")
    folder = Folder(site)
    assert paths(folder) == BASE
    assert f"link: {why}; not sent." in folder.warnings


def test_the_folder_itself_may_be_a_link(site: Path, tmp_path: Path) -> None:
    (tmp_path / "other").symlink_to(site)
    assert paths(Folder(tmp_path / "other")) == BASE


def test_what_is_no_file_is_left_out_and_never_waited_for(site: Path) -> None:
    os.mkfifo(site / "pipe")
    folder = Folder(site)
    assert paths(folder) == BASE
    assert folder.warnings == ["pipe: no ordinary file; not sent."]


@pytest.mark.parametrize("name", [b"\xff.txt", b"a\nb", b"a\\b", "\u202ex".encode()])
def test_a_name_no_site_may_have_refuses_all(site: Path, name: bytes) -> None:
    (Path(os.fsdecode(os.fsencode(site) + b"/" + name))).write_text("x")
    with pytest.raises(FaztError) as caught:
        Folder(site)
    assert caught.value.code == "VALIDATION_FAILED" and caught.value.message.isprintable()


def test_twins_by_case_refuse_all(site: Path) -> None:
    write(site, "INDEX.html")
    with pytest.raises(FaztError) as caught:
        Folder(site)
    assert "by case" in caught.value.message


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_a_folder_nobody_may_read_refuses_all(site: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    listed = os.scandir

    def refusing(folder: str) -> object:
        if folder.endswith("/css"):
            raise OSError(code, os.strerror(code))
        return listed(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(FaztError) as caught:
        Folder(site)
    assert "css cannot be read" in caught.value.message and ".faztignore" in str(caught.value.hint)


# --- which folder


@pytest.mark.parametrize(
    ("place", "code"), [("nowhere", "NOT_FOUND"), ("site/index.html", "USAGE"), ("/", "USAGE"), ("home", "USAGE")]
)
def test_not_everything_can_be_deployed(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, code: str
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(FaztError) as caught:
        opened(tmp_path / place)
    assert caught.value.code == code and caught.value.hint
    assert opened(site) == site
