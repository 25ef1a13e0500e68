"""`require`: caches, cycles, depth, libraries."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.runtime.fake_host import App, closing

__all__ = ["closing"]


def run(code: str, files: dict[str, str] | None = None) -> Any:
    result = App(f"module.exports = () => {{ {code} }}", files=files).request(trigger="run")
    assert result.error is None, result.error
    return result.value


FILES = {
    "api/a.js": "exports.done = false; const b = require('./b'); exports.b = b.seen; exports.done = true",
    "api/b.js": "exports.seen = require('./a').done",
    "api/lib/c.js": "module.exports = [__filename, __dirname, require('../data').n, module.id, typeof this]",
    "api/data.json": '{"n": 7}',
    "api/count.js": "globalThis.count = (globalThis.count ?? 0) + 1; module.exports = {n: globalThis.count}",
    "api/bad.js": "globalThis.n = (globalThis.n ?? 0) + 1; if (globalThis.n < 2) throw 'once'; module.exports = 'ok'",
    "api/syntax.js": "const = 1",
    **{f"api/d{n}.js": f"module.exports = 1 + require('./d{n + 1}')" for n in range(1, 12)},
    "api/d12.js": "module.exports = 1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("const a = require('./a'); return [a.done, a.b]", [True, False]),
        ("return require('./lib/c')", ["api/lib/c.js", "api/lib", 7, "api/lib/c.js", "object"]),
        ("return require('./data').n", 7),
        ("return require('./data.json') === require('./data')", True),
        ("return [require('./count').n, require('./count').n]", [1, 1]),
        ("return require.resolve('./lib/c')", "api/lib/c.js"),
        ("return require('fazt') === fazt", True),
        ("return require('./d3')", 10),
        ("try { require('./d1') } catch (e) { return e.code }", "REQUIRE_DEPTH"),
        ("try { require('./d1') } catch (e) { return require('./d4') }", 9),
        ("try { require('./none') } catch (e) { return e.message }", "Cannot find module './none'"),
        ("try { require() } catch (e) { return [e.name, e.code] }", ["TypeError", "INVALID_ARGUMENT"]),
        ("try { require('./bad') } catch (e) { return require('./bad') }", "ok"),
        ("try { require('./syntax') } catch (e) { return e.name }", "SyntaxError"),
        ("return typeof require('lodash').map + typeof require('lodash')", "functionfunction"),
    ],
)
def test_require(code: str, expected: Any) -> None:
    assert run(code, FILES) == expected


def test_modules_live_as_long_as_the_instance_and_in_scripts_as_long_as_a_run() -> None:
    app = App("module.exports = () => require('./count').n", files=FILES)
    assert [app.request().text for _ in range(3)] == ["1", "1", "1"]
    app = App("return require('./count').n", "script", files=FILES)
    assert [app.request().text for _ in range(3)] == ["1", "2", "3"]


def test_a_script_starts_anew_each_time() -> None:
    app = App("let n = 0; n++; respond(`${n} ${module.exports === exports}`)", "script")
    assert [app.request().text for _ in range(2)] == ["1 true", "1 true"]


def test_a_script_that_cannot_be_read_is_not_loaded() -> None:
    error = App("const = 1", "script").loaded.error
    assert error is not None and (error["name"], error["kind"]) == ("SyntaxError", "load")
