"""Which paths a site may have, which files are served, which are sent."""

from __future__ import annotations

import re
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.fs.paths import check_paths, has_handler, is_hidden, needs_permission, never_sent, shown, why_refused

GOOD = [
    "index.html",
    "a/b/c.css",
    ".well-known/acme",
    "..a/b..c",
    "...x",
    " leading",
    "in side/a b.txt",
    "aa:b",
    "%2e%2e/x",
    "[slug]/(group)/@x+y,z;q=~$'`{}^!#&.js",
    "Über/straße.html",
    "日本/語.png",
    "👩\u200d💻.svg",
    "x" * 255,
    "é" * 127,
    "/".join(["a" * 127] * 8),
]
BAD = [
    ("", "empty"),
    ("/etc/x", "absolute"),
    ("//evil.com/x", "absolute"),
    ("/", "absolute"),
    ("C:\\x", "backslash"),
    ("c:/x", "drive"),
    ("z:", "drive"),
    ("a\\..\\b", "backslash"),
    ("../../x", "segment .."),
    ("a/../b", "segment .."),
    ("a/..", "segment .."),
    ("..", "segment .."),
    (".", "segment ."),
    ("./a", "segment ."),
    ("a/./b", "segment ."),
    ("a//b", "empty segment"),
    ("a/", "empty segment"),
    ("a.", "ends in a dot or a space"),
    ("a /b", "ends in a dot or a space"),
    ("a/...", "ends in a dot or a space"),
    ("a\0b", "control"),
    ("a\nb", "control"),
    ("a\n", "control"),
    ("\x7f", "control"),
    ("a\x85b", "control"),
    ("a\u2028b", "control"),
    ("gpj\u202eexe", "direction"),
    ("a\u2066b", "direction"),
    ("a\u200fb", "direction"),
    ("\ud800", "half"),
    ("a/\udfffb", "half"),
    ("e\u0301.html", "normal form"),
    ("\u212a", "normal form"),
    ("x" * 256, "segment longer"),
    ("é" * 128, "segment longer"),
    ("a/" * 512 + "a", "1024 bytes"),
    ("日/" * 300 + "a", "1024 bytes"),
    ("a" * 2_000_000, "1024 bytes"),
]


def refused(*paths: str, folders: tuple[str, ...] = ()) -> FaztError:
    with pytest.raises(FaztError) as caught:
        check_paths(paths, folders)
    error = caught.value
    assert error.code == "VALIDATION_FAILED" and error.details["field"] == "files" and error.hint
    to_text(error.public())
    return error


def offending(*paths: str, folders: tuple[str, ...] = ()) -> list[str]:
    return [offender["path"] for offender in refused(*paths, folders=folders).details["offenders"]]


def test_good_paths() -> None:
    check_paths(GOOD)
    check_paths(iter(GOOD))
    check_paths([])


@pytest.mark.parametrize(("path", "why"), BAD, ids=range(len(BAD)))
def test_bad_paths(path: str, why: str) -> None:
    error = refused("index.html", path, "other.html")
    [offender] = error.details["offenders"]
    assert why in offender["why"] and error.details["more"] == 0
    assert offender["path"] == shown(path) and offender["path"] in error.message
    assert len(offender["path"]) <= 200 and offender["path"].isprintable()
    # a folder named for itself is no better
    assert refused("index.html", folders=(path,)).details["offenders"] == [offender]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a.html", "a.html"),
        ("A.html", "a.html"),
        ("x/A/b", "x/a/b"),
        ("Ä/x", "ä/x"),
        ("straße", "STRASSE"),
        ("ſ", "s"),
        ("Σ/ς", "σ/σ"),
    ],
)
def test_twins(first: str, second: str) -> None:
    assert offending(first, "between", second) == [second]
    assert offending(second, first, "after") == [first]


def test_twins_of_normal_form() -> None:
    assert offending("\u00e9", normalize("NFD", "\u00e9")) == ["e\u0301"]


@pytest.mark.parametrize(
    ("paths", "folders", "files"),
    [
        (("a", "a/b"), (), ["a"]),
        (("a/b/c", "a!", "a-b", "a", "a.b"), (), ["a"]),
        (("a/b", "A"), (), ["A"]),
        (("a", "a/b", "a/b/c"), (), ["a", "a/b"]),
        (("a", "b/c"), ("b", "a"), ["a"]),
        (("x/É", "x/y"), ("x/é",), ["x/É"]),
    ],
)
def test_file_and_folder(paths: tuple[str, ...], folders: tuple[str, ...], files: list[str]) -> None:
    assert offending(*paths, folders=folders) == files


def test_neighbours_are_no_folders() -> None:
    check_paths(["a", "ab", "a.b/c", "a-b/c", "A!/x", "Img/a", "img/b"], ["img", "img"])


def test_ten_offenders_are_named_and_the_rest_counted() -> None:
    error = refused(*(f"../{n}" for n in range(25)), "fine")
    assert [offender["path"] for offender in error.details["offenders"]] == [f"../{n}" for n in range(10)]
    assert error.details["more"] == 15


def test_shown() -> None:
    assert shown("a\\b\n\u202e\ud800ü日") == "a\\\\b\\n\\u202e\\ud800ü日"
    assert shown("x" * 199) == "x" * 199
    assert shown("x" * 200) == "x" * 199 + "…"
    assert shown("\n" * 500) == "\\n" * 99 + "…"


@given(st.text(alphabet=st.sampled_from("aA. /:\\~\n\u0301é"), max_size=8))
def test_the_quick_look_agrees_with_the_slow_one(path: str) -> None:
    parts = path.split("/")
    fine = (
        all(part and part[-1] not in ". " for part in parts)
        and not re.match("[a-zA-Z]:", path)
        and not set(path) & {"\\", "\n"}
        and normalize("NFC", path) == path
    )
    assert (why_refused(path) is None) == fine


def test_deep_paths_cost_no_more_than_flat_ones() -> None:
    # every folder of every path held at once would be gigabytes
    check_paths(f"{n:05}/" + ("a" * 19 + "/") * 48 + "b" for n in range(5_000))


def test_a_path_may_have_fifty_folders_and_no_more() -> None:
    check_paths(["a/" * 49 + "b"])
    for deep in ("a/" * 50 + "b", "long/" * 60 + "b"):
        with pytest.raises(FaztError) as refused:
            check_paths([deep])
        assert "deeper" in refused.value.message


@pytest.mark.parametrize(
    ("path", "hidden", "with_handler"),
    [
        ("index.html", False, False),
        ("_next/static/x.js", False, False),
        ("_astro/x.css", False, False),
        ("_card.ejs", True, True),
        ("blog/_layout.ejs", True, True),
        ("page.ejs", True, True),
        ("PAGE.EJS", True, True),
        ("x.ejs.html", False, False),
        ("_headers", True, True),
        ("docs/_redirects", True, True),
        ("_headers.html", False, False),
        ("app.json", True, True),
        ("data/app.json", False, False),
        (".env", True, True),
        ("a/.b", True, True),
        (".git/config", True, True),
        ("a/.git/config", True, True),
        (".well-known/security.txt", False, False),
        ("tenant/.well-known/openid-configuration", False, False),
        (".well-known/.secret", True, True),
        (".well-known", True, True),
        (".well-known2/x", True, True),
        ("api/index.html", False, True),
        ("api/main.js", False, True),
        ("api", False, False),
        ("apis/x", False, False),
        ("docs/api/x.html", False, False),
        ("private/x", False, False),
    ],
)
def test_hidden(path: str, hidden: bool, with_handler: bool) -> None:
    assert is_hidden(path, has_handler=False) is hidden
    assert is_hidden(path, has_handler=True) is with_handler


def test_permission() -> None:
    assert needs_permission("private/a") and needs_permission("private/a/b.html")
    assert not any(needs_permission(path) for path in ("private.html", "privates/a", "a/private/b", "private"))


@pytest.mark.parametrize("extension", ["js", "mjs", "ts", "tsx"])
def test_handler(extension: str) -> None:
    assert has_handler(iter(["index.html", f"api/main.{extension}"]))
    assert not has_handler([f"main.{extension}", f"api/x/main.{extension}", f"api/main.{extension}.map", "api/main.py"])


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (".env", "secrets"),
        ("api/.env.production", "secrets"),
        (".ENV", "secrets"),
        (".envrc", "secrets"),
        (".env/bin/python", "secrets"),
        (".npmrc", "secrets"),
        ("x/.netrc", "secrets"),
        (".aws/credentials", "secrets"),
        ("home/.ssh/config", "secrets"),
        (".git/HEAD", "version control"),
        ("sub/.git", "version control"),
        ("a/node_modules/x/index.js", "packages"),
        ("img/.DS_Store", "macOS"),
        ("__MACOSX/._index.html", "macOS"),
        ("debug.LOG", "log"),
        ("id_rsa", "key"),
        ("keys/id_ed25519", "key"),
        ("a.pem", "key"),
        ("tls/server.key", "key"),
        ("a.p12", "key"),
        ("a.pfx", "key"),
    ],
)
def test_never_sent(path: str, why: str) -> None:
    assert why in (never_sent(path) or "")


@pytest.mark.parametrize(
    "path",
    ["index.html", ".environment", "env", ".gitignore", "id_rsa.pub", "blog.html", "key", "data.db", "a.pem/b", "log"],
)
def test_sent(path: str) -> None:
    assert never_sent(path) is None
