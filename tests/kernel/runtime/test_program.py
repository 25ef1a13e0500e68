"""The code of one app: which module a `require` means, and the text each one runs as."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.runtime.engine.engine import Engine
from kernel.runtime.engine.instance import Instance
from kernel.runtime.limits import RuntimeLimits
from kernel.runtime.lower.lowered import Lowered, Problem
from kernel.runtime.lower.lowering import LOWERED, MIGRATIONS, Lowering
from kernel.runtime.program import LIBRARIES, About, Program
from kernel.storage.store import Store
from tests.kernel.runtime.engine.driver import TestHost, run, small_engine

ENTRY = "api/main.js"
FILES = (
    ENTRY,
    "api/db.ts",
    "api/view.tsx",
    "api/old.cts",
    "api/new.mts",
    "api/both.js",
    "api/both.ts",
    "api/data.json",
    "api/lodash.js",
    "api/fazt.js",
    "api/lib/index.js",
    "api/lib/a.js",
    "api/lib/deep/b.mjs",
    "api/lib.js",
    "api/folder/index.ts",
    "api/node_modules/x/index.js",
    "api/.hidden.js",
    "api/__proto__.js",
    "api/größe.js",
    "api/index.js",
    "secret.js",
)


def program(style: Any = "module", files: Any = FILES, **lowered: Lowered) -> Program:
    sources = {path: Lowered(b"code of " + path.encode(), style) for path in files}
    sources.update({path.replace("__", "/") + ".js": one for path, one in lowered.items()})
    about = About("app_1", "blog", "", "1", {})
    return Program(("k",), about, ENTRY, sources, RuntimeLimits(30, 5, 64 << 20, False), {})


def refused(wanted: str, origin: str = ENTRY) -> str:
    with pytest.raises(FaztError) as caught:
        program().resolve(origin, wanted)
    assert len(caught.value.message) < 300
    return caught.value.code


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("./db", "api/db.ts"),
        ("./db.ts", "api/db.ts"),
        ("./db.js", "api/db.ts"),
        ("./view.js", "api/view.tsx"),
        ("./view.jsx", "api/view.tsx"),
        ("./view", "api/view.tsx"),
        ("./old", "api/old.cts"),
        ("./old.cjs", "api/old.cts"),
        ("./new.mjs", "api/new.mts"),
        ("./both", "api/both.js"),
        ("./both.js", "api/both.js"),
        ("./both.ts", "api/both.ts"),
        ("./data", "api/data.json"),
        ("./data.json", "api/data.json"),
        ("./lib", "api/lib.js"),
        ("./lib/", "api/lib/index.js"),
        ("./lib/deep/..", "api/lib/index.js"),
        ("dayjs/plugin/../../db", "api/db.ts"),
        ("./lib/index", "api/lib/index.js"),
        ("./lib/deep/../a", "api/lib/a.js"),
        ("./folder", "api/folder/index.ts"),
        ("./folder/", "api/folder/index.ts"),
        ("././//lib/./a", "api/lib/a.js"),
        ("../api/db", "api/db.ts"),
        ("./.hidden", "api/.hidden.js"),
        ("./__proto__", "api/__proto__.js"),
        ("./größe", "api/größe.js"),
        ("db", "api/db.ts"),
        ("lib/a", "api/lib/a.js"),
        ("lib/../db", "api/db.ts"),
        ("__proto__", "api/__proto__.js"),
        (ENTRY, ENTRY),
    ],
)
def test_what_is_found(wanted: str, path: str) -> None:
    found = program().resolve(ENTRY, wanted)
    assert found == {"path": path, "kind": "js", "async": False, "style": "module"}


@pytest.mark.parametrize(
    ("origin", "wanted", "path"),
    [
        ("api/lib/deep/b.mjs", "../a", "api/lib/a.js"),
        ("api/lib/deep/b.mjs", "..", "api/lib/index.js"),
        ("api/lib/a.js", ".", "api/lib/index.js"),
        ("api/lib/a.js", "./deep/b", "api/lib/deep/b.mjs"),
        ("api/lib/a.js", "../db", "api/db.ts"),
    ],
)
def test_from_where_it_is_asked(origin: str, wanted: str, path: str) -> None:
    assert program().resolve(origin, wanted)["path"] == path


@pytest.mark.parametrize("name", [*sorted(LIBRARIES), "fazt"])
def test_libraries_come_before_files_of_their_name(name: str) -> None:
    assert program().resolve(ENTRY, name)["kind"] == "lib"
    assert program().resolve(ENTRY, name)["path"] == name


def test_a_file_with_the_name_of_a_library_is_there_by_its_path() -> None:
    assert program().resolve(ENTRY, "./lodash")["path"] == "api/lodash.js"
    assert program().resolve(ENTRY, "lodash.js")["path"] == "api/lodash.js"


@pytest.mark.parametrize(
    "wanted",
    [
        "/etc/passwd",
        "/api/main.js",
        "//host/x",
        "../index.html",
        "../../etc/passwd",
        "..",
        "./..",
        "./lib/../../private/x",
        "../secret",
        "../apiary/x",
        "../api/../private/x",
        "C:\\x",
        "lib\\a",
        "./a\0.js",
        "db\0",
    ],
)
def test_what_lies_outside_is_forbidden(wanted: str) -> None:
    assert refused(wanted) == "MODULE_FORBIDDEN"


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "nothing",
        "./nothing",
        "...",
        ".hidden",
        "..foo/x",
        "x/../../private/secret",
        "lib/../../index.html",
        "lib/../../secret",
        "node:fs",
        "fs",
        "npm:left-pad",
        "https://example.com/x.js",
        "file:///etc/passwd",
        "data:text/javascript,1",
        "constructor",
        "toString",
        "LODASH",
        "dayjs/plugin/",
        "dayjs/plugin/nothing",
        "lodash/../fazt/x",
        "./db.py",
        "./view.mjs",
        " ./db",
        "./db ",
        "./DB",
        "x" * 1025,
        "./" + "a/" * 500 + "x",
    ],
)
def test_what_is_not_there_is_not_found(wanted: str) -> None:
    assert refused(wanted) == "MODULE_NOT_FOUND"


@pytest.mark.parametrize("origin", ["", "/", "../../x.js", "/etc/x.js", "x" * 2000, "api", "api/../../x.js", "\0"])
def test_a_module_that_lies_about_where_it_is_gets_no_further(origin: str) -> None:
    for wanted in ("./passwd", "../etc/passwd", "./index", "."):
        assert refused(wanted, origin) in ("MODULE_NOT_FOUND", "MODULE_FORBIDDEN")


@given(some.text("./\\\0aplib db_index.jsonmt:", max_size=30), some.text("./apilb", max_size=12))
def test_whatever_is_asked_only_what_lies_below_is_found(wanted: str, origin: str) -> None:
    try:
        found = program().resolve(origin, wanted)
    except FaztError as error:
        assert error.code in ("MODULE_NOT_FOUND", "MODULE_FORBIDDEN")
    else:
        assert (found["path"] in FILES and found["path"] != "secret.js") or (
            found["kind"] == "lib" and found["path"] in LIBRARIES | {"fazt"}
        )


# --- texts


@pytest.mark.parametrize("style", ["fetch", "module", "script"])
@pytest.mark.parametrize("awaits", [False, True])
def test_the_file_it_begins_with_is_wrapped_by_its_style(style: Any, awaits: bool) -> None:
    code, name = program(style, api__main=Lowered(b"go()", style, awaits)).module(ENTRY)
    more = ", request, respond, response" if style == "script" else ""
    start = "(async function" if awaits else "(function"
    assert code.decode() == f"{start} (exports, require, module, __filename, __dirname, fazt{more}) {{\ngo()\n}})"
    assert name == b"api/main.js"
    assert program(style, api__main=Lowered(b"", style, awaits)).resolve("", ENTRY)["async"] is awaits


def test_other_files_are_modules_whatever_their_style() -> None:
    code, _ = program("script").module("api/lib/a.js")
    assert code.startswith(b"(function (exports, require, module, __filename, __dirname, fazt) {\n")


def test_a_module_that_awaits_and_does_not_begin_says_why_it_cannot_run() -> None:
    made = program(api__slow=Lowered(b"await 1", "module", True))
    assert made.resolve(ENTRY, "./slow")["async"] is False
    with pytest.raises(FaztError, match=r"api/slow\.js: `await` .* api/main\.js") as caught:
        made.module("api/slow.js")
    assert caught.value.code == "SYNTAX_ERROR" and caught.value.details["file"] == "api/slow.js"


def test_a_file_with_problems_says_the_first_of_them() -> None:
    problems = [Problem("api/bad.js", 3, 7, "Unexpected token"), Problem("api/bad.js", 9, 1, "more")]
    made = program(api__bad=Lowered(b"", "module", problems=problems))
    with pytest.raises(FaztError) as caught:
        made.module("api/bad.js")
    assert (caught.value.code, caught.value.message) == ("SYNTAX_ERROR", "api/bad.js:3:7: Unexpected token")
    assert caught.value.details == {"file": "api/bad.js", "line": 3, "column": 7}
    assert made.module(ENTRY)[0], "the others run still"


@pytest.mark.parametrize("path", ["", "api/nothing.js", "../x", "api/db", "__proto__", "x" * 100_000])
def test_a_module_is_named_as_it_was_resolved(path: str) -> None:
    with pytest.raises(FaztError) as caught:
        program().module(path)
    assert caught.value.code == "MODULE_NOT_FOUND" and len(caught.value.message) < 300


# --- private files


@pytest.mark.parametrize(
    "path", ["", "/", "..", "../api/main.js", "a/../../x", "private/", "a//b", "./a", "a\0b", "a/"]
)
def test_no_private_file_lies_elsewhere(path: str) -> None:
    asked = list[str]()

    def read(path: str) -> bytes:
        asked.append(path)
        return b"secret"

    about = About("app_1", "blog", "", "1", {})
    limits = RuntimeLimits(30, 5, 64 << 20, False)
    made = Program(("k",), about, ENTRY, {}, limits, {}, read_private=read, list_private=lambda: ["a.txt"])
    assert made.private(path) is None and not made.has_private(path) and not asked
    for good in ("a.txt", "/a.txt", "private/a.txt"):
        assert made.private(good) == b"secret" and made.has_private(good)
    assert asked == ["private/a.txt"] * 3 and not made.has_private("b.txt")


# --- how a text is read in its wrapping


@pytest.fixture(scope="module")
def engine() -> Engine:
    return small_engine()


CLOSING = [
    b"}); globalThis.evil = 1; (function () {",
    b"}); globalThis.evil = 1; //",
    b"}), globalThis.evil = 1, (() => {",
    b"}}}); globalThis.evil = 1; ({a() {{",
    b"/* */ }); globalThis.evil = 1; /*",
    b"`${1}`}); globalThis.evil = 1; (function () {`",
    b"// \xe2\x80\xa8}); globalThis.evil = 1; (function () {",
    b"<!-- \r}); globalThis.evil = 1; (function () {",
    b"\n--> x\n}); globalThis.evil = 1; (function () {",
]


async def test_no_text_that_closes_its_wrapping_is_let_through(tmp_path: Path) -> None:
    """The engine would run what stands behind; so the compiler must see that the text is no whole one."""
    store = Store(tmp_path / "data.db", tables=(LOWERED,), migrations=MIGRATIONS, clock=ManualClock())
    lowering = Lowering(store)
    try:
        for path in ("api/bad.js", "api/bad.cjs", "api/bad.ts"):
            for text in CLOSING:
                made = await lowering.of(path, hashlib.sha256(text).digest(), text)
                assert made.problems, (path, text)
    finally:
        await lowering.close()
        store.close()


@pytest.mark.parametrize(
    "text",
    [b"return 1 // the end", b"return 1 <!-- the end", b"return 1\n--> the end", b"return 1 /* */", b"return 1;"],
)
def test_a_text_may_end_in_any_way(engine: Engine, text: bytes) -> None:
    instance = Instance(engine, TestHost())
    try:
        code, _ = program(api__end=Lowered(text, "module")).module("api/end.js")
        assert run(instance, f"host('code', {json.dumps(code.decode())})()") == "1"
    finally:
        instance.close()
