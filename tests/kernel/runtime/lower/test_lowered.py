"""What becomes of code: looked at here by the compiler itself, and run by Node.js."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from typing import Any

import msgspec
import pytest

from kernel.runtime.lower.bundles import unread
from kernel.runtime.lower.child import TOO_DEEP, Compiler, answer
from kernel.runtime.lower.compiler import Reply
from kernel.runtime.lower.lowered import Lowered, Problem
from kernel.runtime.lower.lowering import from_json, inline_map, kind_of, understood
from kernel.runtime.positions import Position, Positions, Segment, place
from scripts.node import node
from tests.kernel.runtime.test_positions import encoded

RUN = """
const said = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const names = ['exports', 'require', 'module', '__filename', '__dirname', 'fazt', 'request', 'respond'];
const made = Object.entries(said.code).map(([name, text]) => [name, (said.async.includes(name) ? 'async ' : '')
  + `function (${names}) {\\n${text}\\n}`]);
const functions = Object.fromEntries(made.map(([name, text]) => [name, (0, eval)(`(${text})`)]));
let response;
const load = (name) => {
  const module = { exports: {} };
  const given = [module.exports, (asked) => load(asked.replace('./', '')).exports, module, 'api/main.js', 'api', 0, 0];
  module.returned = functions[name].apply(undefined, [...given, (value) => { response = value; }]);
  return module;
};
(async () => {
  const { exports, returned } = load('main');
  const awaited = await returned;
  const handler = exports.default?.fetch ?? exports.GET ?? (typeof exports === 'function' ? exports : undefined);
  const value = handler ? await handler({ n: 2 }) : response ?? awaited ?? exports;
  process.stdout.write(JSON.stringify(value) ?? 'null');
})();
"""


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    return Compiler()


def lowered(compiler: Compiler, path: str, text: str, **beside: str) -> Lowered:
    said = answer(compiler, {"name": kind_of(path), "text": text, **beside})
    said.pop("last", None)
    return understood(path, text, msgspec.convert(said, Reply))


def run(**files: Lowered) -> Any:
    said = {
        "code": {name: made.code.decode() for name, made in files.items()},
        "async": [name for name, made in files.items() if made.is_async],
    }
    ended = subprocess.run([node(), "-e", RUN], input=json.dumps(said), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


FORMS = [
    # path, source, style, awaits, what a call gives
    ("m.js", "export default { fetch(r) { return r.n + 1 } }", "fetch", False, 3),
    ("m.mjs", "const h = { fetch: (r) => r.n };\nexport { h as default }", "fetch", False, 2),
    ("m.js", "export function GET(r) { return 'got ' + r.n }", "fetch", False, "got 2"),
    ("m.ts", "export const GET = async (r: { n: number }): Promise<number> => r.n * 2", "fetch", False, 4),
    ("m.mts", "interface A { n: number }\nexport default { fetch: (r: A) => <number>r.n }", "fetch", False, 2),
    ("m.ts", "enum E { A = 5 }\nexport default { fetch: () => E.A satisfies number }", "fetch", False, 5),
    ("m.ts", "class A { constructor(public n: number) {} }\nexport const GET = () => new A(7).n", "fetch", False, 7),
    ("m.ts", "import type { X } from './x'\nconst a: X = 1\nexport default { fetch: () => a }", "fetch", False, 1),
    ("m.ts", "import { X } from './x'\nconst a: X = 1\nexport default { fetch: () => a }", "fetch", False, 1),
    ("m.ts", "module.exports = (r: { n: number }) => r.n", "module", False, 2),
    ("m.ts", "export = (r: { n: number }) => r.n", "fetch", False, 2),
    ("m.cjs", "module.exports = async (r) => r.n", "module", False, 2),
    ("m.js", "exports.GET = (r) => r.n", "module", False, 2),
    ("m.js", "module.exports.GET = (r) => r.n", "module", False, 2),
    ("m.js", "Object.defineProperty(exports, 'GET', { value: () => 1 })", "module", False, 1),
    ("m.js", "Object.defineProperty(exports, '__esModule', { value: true }); exports.GET = () => 1", "fetch", False, 1),
    ("m.js", "if (exports) exports['GET'] = () => 1", "module", False, 1),
    ("m.js", "respond({ a: 1 })", "script", False, {"a": 1}),
    ("m.ts", "const a: number = 5\nrespond(a)", "script", False, 5),
    ("m.js", "return 5", "script", False, 5),
    ("m.ts", "if (1) { return 5 as number }", "script", False, 5),
    ("m.js", "const a = await 5\nrespond(a)", "script", True, 5),
    ("m.js", "const a = await (async () => 6)()\nrespond(a)", "script", True, 6),
    ("m.js", "respond(await [1].length)", "script", True, 1),
    ("m.ts", "const a: number = await (async () => 6)()\nrespond(a)", "script", True, 6),
    ("m.js", "for await (const x of [1, 2]) respond(x)", "script", True, 2),
    ("m.js", "var await_ = 1; async function f() { await 1 }; respond(await_)", "script", False, 1),
    ("m.js", "var await = 3; respond(await)", "script", False, 3),
    ("m.js", "const a = await 5\nexport default { fetch: () => a }", "fetch", True, 5),
    ("m.js", "export default { fetch: () => import.meta.url }", "fetch", False, "file:///api/main.js"),
    ("m.js", "#!/usr/bin/env node\nrespond(1)", "script", False, 1),
    ("m.js", "", "script", False, {}),
    ("m.jsx", "/** @jsx h */\nconst h = (t, p, ...c) => [t, p, c]\nrespond(<a b={1}>c</a>)", "script", False,
     ["a", {"b": 1}, ["c"]]),
    ("m.tsx", "/** @jsx h */\nconst h = (t: string, p: any, ...c: any[]) => [t, c]\nexport const GET = () => <b>x</b>",
     "fetch", False, ["b", ["x"]]),
    ("m.js", "const React = { createElement: (t) => t }; respond(<p/>)", "script", False, "p"),
    ("m.ts", "using a = { [Symbol.dispose]() {} }\nrespond(1)", "script", False, 1),
    ("m.js", "const \u00e4 = '\u2028\U0001f600'; respond(\u00e4)", "script", False, "\u2028\U0001f600"),
    ("m.js", "respond('a\\\r\nb')\r\n", "script", False, "ab"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "source", "style", "awaits", "value"), FORMS, ids=[form[1][:40] for form in FORMS])
def test_every_form_of_handler_runs(
    compiler: Compiler, path: str, source: str, style: str, awaits: bool, value: Any
) -> None:
    # what is before the text is the work of whoever reads the file
    made = lowered(compiler, path, "//" + source[2:] if source.startswith("#!") else source)
    assert (made.problems, made.style, made.is_async) == ([], style, awaits)
    assert run(main=made) == value


def test_files_import_each_other(compiler: Compiler) -> None:
    files = {
        "main": ("main.ts", "import one, { two as b } from './one'\nimport * as all from './one'"
                 "\nimport data from './data'\nexport default { fetch: () => [one, b, all.two, data.x] }"),
        "one": ("one.ts", "export default 1\nexport const two = 2\nexport * from './three'"),
        "three": ("three.js", "export const three = 3"),
    }  # fmt: skip
    made = {name: lowered(compiler, *file) for name, file in files.items()}
    assert run(**made, data=from_json("data.json", '{"x": 4}')) == [1, 2, 2, 4]


def test_import_as_a_call_is_a_promise(compiler: Compiler) -> None:
    made = lowered(compiler, "m.js", "return import('./one').then((one) => one.a)")
    assert run(main=made, one=lowered(compiler, "one.js", "exports.a = 5")) == 5


def test_plain_code_keeps_its_bytes(compiler: Compiler) -> None:
    text = "// a comment\r\nmodule . exports = ( ) => 1 ;;  \t\n\n"
    made = lowered(compiler, "m.js", text)
    assert (made.code, made.positions) == (text.encode(), b"")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('{"compilerOptions": {"jsx": "react", "jsxFactory": "h"}}', 'h("p", null)'),
        ('// why\n{"compilerOptions": {"jsx": "react-jsx", "jsxImportSource": "hono/jsx",}}', "hono/jsx/jsx-runtime"),
        ('{"compilerOptions": {"module": "esnext", "target": "es5", "outFile": "/x"}}', "React.createElement"),
        ('{"compilerOptions": 5}', "React.createElement"),
        ('{"compilerOptions": {"jsx": "__proto__"}}', "React.createElement"),
        ("nonsense", "React.createElement"),
        ("", "React.createElement"),
    ],
)
def test_tsconfig_says_how_jsx_is_meant(compiler: Compiler, said: str, code: str) -> None:
    made = lowered(compiler, "m.tsx", "export default () => <p/>", tsconfig=said)
    assert not made.problems
    assert code in made.code.decode()


PROBLEMS = [
    ("a.js", "const a = ;", 1, 11, "Expression expected."),
    ("a.ts", "const a = `\n${\n\t1 +* 2}`", 3, 5, "Expression expected."),
    ("a.js", "\tfoo(\t)\t)", 1, 9, None),
    ("a.js", "a;\r\nb;\r\n  );", 3, 3, None),
    ("a.js", "'\u00e4\U0001f600' )", 1, 7, None),
    ("a.js", "}); evil(); (function () {", 1, 1, None),
    ("a.js", "a\0b", 1, 2, "Invalid character."),
    ("a.ts", "const a: = 5", 1, 10, "Type expected."),
    ("a.js", "(" * (1 << 20), 1, 1, TOO_DEEP),
    ("a.ts", "if(a)" * 20_000, 1, 1, TOO_DEEP),
    ("a.js", "`${" * 100_000, 1, 1, TOO_DEEP),
    ("a.js", "<a>" * 100_000, 1, 1, TOO_DEEP),
]


@pytest.mark.parametrize(("path", "source", "line", "column", "message"), PROBLEMS, ids=range(len(PROBLEMS)))
def test_errors_have_the_place_of_the_author(
    compiler: Compiler, path: str, source: str, line: int, column: int, message: str | None
) -> None:
    made = lowered(compiler, path, source)
    first = made.problems[0]
    assert (first.path, first.line, first.column) == (path, line, column)
    assert message is None or first.message == message
    assert made.code == b""


def test_a_thousand_errors_are_told_in_twenty(compiler: Compiler) -> None:
    assert len(lowered(compiler, "a.js", "const = ;\n" * 1000).problems) == 20


SOURCE = "interface Long {\n  a: string\n}\n\nexport function boom(): never {\n\tthrow new Error('x')\n}\n"


def at(made: Lowered, text: str, path: str = "api/m.ts") -> Position:
    """Where the author wrote what stands in the code, as the engine would give its place."""
    before, found, _ = made.code.decode().partition(text)
    assert found
    line = before.count("\n") + 2
    column = len(before) - before.rfind("\n")
    return place(path, line, column, Positions.unpack(made.positions))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_code_knows_where_it_came_from(compiler: Compiler, end: str) -> None:
    made = lowered(compiler, "api/m.ts", SOURCE.replace("\n", end))
    assert at(made, "throw") == Position("api/m.ts", 6, 2)


def test_a_bundle_that_is_lowered_knows_the_first_author(compiler: Compiler) -> None:
    text = "export default { fetch() { throw new Error('x') } }"
    column = text.index("throw")
    before = encoded([[Segment(0, 0, 4, 0), Segment(column, 1, 41, 7)]], ["../src/a.ts", "../src/b.ts"]).decode()
    assert at(lowered(compiler, "m.js", text, map=before), "throw", "api/main.js") == Position("src/b.ts", 42, 8)


def test_a_bundle_that_runs_as_it_is_keeps_its_map(compiler: Compiler) -> None:
    before = encoded([[Segment(0, 0, 4, 0)]], ["x.ts"]).decode()
    made = lowered(compiler, "m.js", "module.exports = () => 1", map=before)
    assert Positions.unpack(made.positions).at(1, 5) == Position("x.ts", 5, 1)


@pytest.mark.parametrize("map", ["nonsense", "{}", "[" * 100_000, '{"version":3,"sources":[],"mappings":"AAAA"}'])
def test_a_map_that_is_none_does_no_harm(compiler: Compiler, map: str) -> None:
    made = lowered(compiler, "m.js", "module.exports = () => 1", map=map)
    assert (made.positions, made.problems) == (b"", [])


def test_a_map_is_found_inside_a_file() -> None:
    said = encoded([[Segment(0, 0, 0, 0)]])
    data = b"data:application/json;base64," + b64encode(said)
    assert inline_map(b"a()\n//# sourceMappingURL=" + data + b"\n") == said
    assert inline_map(b"a()\n//# sourceMappingURL=data:application/json;charset=utf-8,%7B%7D") == b"{}"
    assert inline_map(b"a()\n//# sourceMappingURL=main.js.map") == b""
    assert inline_map(b"//# sourceMappingURL=" + data + b"\nmore()") == b""
    assert inline_map(b"//# sourceMappingURL=data:application/json;base64,%%%" * 20_000) == b""


BODY = "var a = [1, 2, 3].map((x) => { return x + 1 });\n"
LARGE = {
    "cjs of an ES module": ("var __toCommonJS = (x) => x;\nmodule.exports = __toCommonJS(1);\n" + BODY * 6000, "fetch"),
    "cjs": (BODY * 6000 + "var require_main = () => 1;\nmodule.exports = require_main();", "module"),
    "denser than the compiler can take": ("module.exports = 1;\n" + "x=1;\n" * 200_000, "module"),
    "minified": ("module.exports=1;" + "x=1;" * 200_000, "module"),
}


@pytest.mark.parametrize("form", LARGE)
def test_bundles_that_the_compiler_has_no_memory_for_run_as_they_are(compiler: Compiler, form: str) -> None:
    text, style = LARGE[form]
    made = lowered(Compiler() if form.startswith("denser") else compiler, "m.js", text)
    assert (made.problems, made.style, made.code) == ([], style, text.encode())


def test_a_large_es_module_of_a_bundler_is_only_edited(compiler: Compiler) -> None:
    text = BODY * 4000 + "var m = { fetch: (r) => r.n }, other = 5;\nexport {\n  m as default,\n  other\n};\n"
    made = lowered(compiler, "m.js", text)
    assert (made.problems, made.style) == ([], "fetch")
    assert made.code.decode().splitlines()[5] == text.splitlines()[5]
    assert run(main=made) == 2
    text = BODY * 4000 + "export default { fetch: (r) => r.n + 1 }"
    assert run(main=lowered(compiler, "m.js", text)) == 3


DENSE = "x=1;" * 220_000


@pytest.mark.parametrize(
    ("end", "value"),
    [
        ("export{m as default};", 2),
        ("export { o, m as default }\n/*! licence */\n// more", 2),
        ("\nexport{o as GET};\n", 6),
    ],
)
def test_a_dense_es_module_of_a_bundler_runs_too(compiler: Compiler, end: str, value: int) -> None:
    made = lowered(compiler, "m.js", "var x,m={fetch:(r)=>r.n},o=()=>6;" + DENSE + end)
    assert (made.problems, made.style) == ([], "fetch")
    assert run(main=made) == value


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("import a from 'a';", "export{a}"),
        ("", "\nexport default 5"),
        ("", "\nexport{a};x()"),
        ("", "\nexport{a as 'b c'}"),
    ],
)
def test_other_dense_es_modules_are_a_problem(start: str, end: str) -> None:
    assert unread("\n".join((start, DENSE, end))) is None


def test_code_too_dense_to_be_lowered_says_so() -> None:
    made = lowered(Compiler(), "m.ts", "export const a = 1;\n" + "x=1;\n" * 200_000)
    assert [found.message for found in made.problems] == ["too large to be understood"]


JSON = [
    ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
    ('{"__proto__": 5}', {"__proto__": 5}),
    ('"\u2028"', "\u2028"),
    ("7", 7),
]


@pytest.mark.parametrize(("text", "value"), JSON)
def test_json_is_a_module(text: str, value: Any) -> None:
    made = from_json("a.json", text)
    assert (made.problems, made.style) == ([], "module")
    assert run(main=made) == value


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("", 1, 1), ('{\n "a": }', 2, 7), ("NaN", 1, 1), ("[" * 200_000, 1, 1), ("{'a': 1}", 1, 2), ("1" * 5, 0, 0)],
)
def test_what_is_no_json_has_a_place(text: str, line: int, column: int) -> None:
    problems = from_json("a.json", text).problems
    assert [(found.line, found.column) for found in problems] == ([(line, column)] if line else [])


def test_the_compiler_cannot_ask_python_for_anything(compiler: Compiler) -> None:
    assert compiler._inside._funcs == {}


def test_problems_are_named_after_their_file(compiler: Compiler) -> None:
    found = lowered(compiler, "api/x.js", ")").problems
    assert found == [Problem("api/x.js", 1, 1, "Declaration or statement expected.")]
