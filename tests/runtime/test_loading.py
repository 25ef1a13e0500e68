"""Apps whose code cannot be loaded, or does harm while it is: the request fails as it must, the node goes on."""

from __future__ import annotations

import pytest

from tests.runtime.apps import Apps
from tests.runtime.hostile.program import status_of
from tests.runtime.hostile.trial import MANIFEST, end_of

WELL = "module.exports = () => 'well';"
LOADS: list[tuple[str, dict[str, str], str]] = [
    ("loop", {"main.js": "for (;;);\n" + WELL}, "CPU_LIMIT"),
    ("loop-later", {"main.js": "(async () => { for (;;) await null; })();\n" + WELL}, "CPU_LIMIT"),
    ("throws", {"main.js": "throw new Error('at load');\n" + WELL}, "HANDLER_ERROR"),
    ("memory", {"main.js": "const all = []; for (;;) all.push(new Array(1e5).fill(0));\n" + WELL}, "MEMORY_LIMIT"),
    (
        "wait",
        {"main.mjs": "await new Promise(() => {});\nexport default { fetch: () => new Response('well') };"},
        "NEVER_SETTLED",
    ),
    ("wait-long", {"main.mjs": "await new Promise((done) => setTimeout(done, 1e6));\nexport default {};"}, "TIMEOUT"),
    ("request", {"main.js": "const method = request.method;\n" + WELL}, "NO_REQUEST"),
    ("user", {"main.js": "const user = fazt.auth.getUser();\n" + WELL}, "NO_REQUEST"),
    ("login", {"main.js": "fazt.auth.requireLogin();\n" + WELL}, "NO_REQUEST"),
    (
        "storage",
        {"main.js": "fazt.storage.kv.set('x', 1);\nmodule.exports = () => fazt.storage.kv.get('x') === 1;"},
        "200",
    ),
    ("missing", {"main.js": "require('./nothing');"}, "MODULE_NOT_FOUND"),
    ("cycle", {"main.js": "exports.early = 1; require('./b');\n" + WELL, "b.js": "require('./main').early;"}, "200"),
    ("itself", {"main.js": "require('./main');\n" + WELL}, "200"),
    (
        "depth",
        {
            "main.js": "require('./m0');\n" + WELL,
            **{f"m{n}.js": f"require('./m{n + 1}');" for n in range(20)},
            "m20.js": "",
        },
        "REQUIRE_DEPTH",
    ),
    ("large", {"main.js": "require('./large');\n" + WELL, "large.js": "// " + "x" * (1 << 20)}, "LIMIT_EXCEEDED"),
    ("syntax", {"main.js": "module.exports = () => {\n  let = ;\n"}, "SYNTAX_ERROR"),
    ("syntax-inside", {"main.js": "module.exports = () => require('./bad');", "bad.js": "let = ;"}, "SYNTAX_ERROR"),
    ("json", {"main.js": "module.exports = () => require('./bad.json');", "bad.json": "{bad"}, "SYNTAX_ERROR"),
    ("wrapper", {"main.js": "}); while (true); (function () {\n" + WELL}, "SYNTAX_ERROR"),
    (
        "wrapper-arguments",
        {"main.js": "arguments[2].cache = null; arguments.callee?.caller;\n" + WELL},
        "HANDLER_ERROR",
    ),
    ("binary", {"main.js": "\x00\x01\x02module"}, "SYNTAX_ERROR"),
    ("nothing", {"main.js": "module.exports = {};"}, "HANDLER_ERROR"),
    ("no-function", {"main.js": "module.exports = 5;"}, "HANDLER_ERROR"),
    ("empty", {"main.js": ""}, "204"),
    ("deep", {"main.js": "module.exports = () => " + "(" * 50_000 + "1" + ")" * 50_000 + ";"}, "STACK_LIMIT"),
    ("many-locals", {"main.js": "".join(f"let v{n} = {n};" for n in range(80_000)) + WELL}, "LIMIT_EXCEEDED"),
]
# what may end in another way, and why
OTHERWISE = {
    "deep": ("SYNTAX_ERROR", "HANDLER_ERROR"),  # whoever reads it first gives up in its own way
    "memory": ("CPU_LIMIT",),  # whichever limit it meets first
    "nothing": ("INVALID_RESPONSE", "200"),  # no handler may be no answer, or the empty object one
    "no-function": ("INVALID_RESPONSE", "200"),
    "wrapper-arguments": ("200",),  # loose code may look at its own arguments
}


@pytest.mark.parametrize(("name", "files", "end"), LOADS, ids=[name for name, _, _ in LOADS])
def test_what_is_wrong_at_load_is_said(apps: Apps, name: str, files: dict[str, str], end: str) -> None:
    app = f"load-{name}"
    apps.write(app, {f"api/{path}": text for path, text in files.items()}, MANIFEST)
    for _ in range(2):  # the second time as the first
        answer = apps.ask(app)
        told = end_of(answer.status, answer.body)
        assert told == end or told in OTHERWISE.get(name, ()), answer
        assert answer.status == status_of(told)
    apps.write(app, {"api/main.js": WELL})
    assert apps.ask(app).body == b"well"
