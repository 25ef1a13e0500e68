"""The bundled libraries, `crypto` and `Intl` in the engine, where all that is built in is frozen."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from kernel.runtime.crypto import crypto
from kernel.runtime.engine.instance import Bytes, Reply
from kernel.runtime.intl import intl
from tests.kernel.runtime.fake_host import App, closing  # noqa: F401


class Apps(App):
    """An app whose host has libraries, crypto and languages."""

    def ask(self, op: str, arg: bytes, data: bytes | memoryview | None) -> Reply:
        if op.startswith("crypto."):
            made = crypto(op, arg, data)
            return Bytes(made) if isinstance(made, bytes) else made
        if op.startswith("intl."):
            return intl(op, arg)
        if op == "random":
            return Bytes(os.urandom(int(arg)))
        if op == "resolve" and not json.loads(arg)[1].startswith("."):
            return json.dumps({"path": json.loads(arg)[1], "kind": "lib", "async": False, "style": "module"})
        return super().ask(op, arg, data)


PLUGINS = ("utc", "timezone", "relativeTime", "customParseFormat", "duration", "isoWeek", "advancedFormat")
EXTENDED = "const d = require('dayjs');" + "".join(f"d.extend(require('dayjs/plugin/{name}'));" for name in PLUGINS)

CASES: list[tuple[str, str, Any]] = [
    (
        "cheerio",
        "const $ = require('cheerio').load('<ul><li class=a>x</li><li>y</li></ul>'); "
        "$('li').last().text('z').addClass('b');"
        "return [$.html('ul'), $('li.a').text(), $('li').map((n, item) => $(item).text()).get()]",
        ['<ul><li class="a">x</li><li class="b">z</li></ul>', "x", ["x", "z"]],
    ),
    (
        "zod",
        "const { z } = require('zod'); const s = z.object({ a: z.string().email(), k: z.enum(['x', 'y']) }).strict();"
        "return [s.parse({ a: 'a@b.co', k: 'x' }), "
        "s.safeParse({ a: 'b', k: 'q' }).error.issues.map(i => i.path.join())]",
        [{"a": "a@b.co", "k": "x"}, ["a", "k"]],
    ),
    (
        "errors of zod",
        "const { z } = require('zod'); try { z.string().parse(1) } catch (e) {"
        "return [e.name, e instanceof z.ZodError, e instanceof Error] }",
        ["ZodError", True, True],
    ),
    (
        "marked",
        "const { marked, Marked } = require('marked');"
        "return [marked('**a**'), marked.parse('# x'), new Marked().parse('y'), require('marked')('~~b~~')]",
        ["<p><strong>a</strong></p>\n", "<h1>x</h1>\n", "<p>y</p>\n", "<p><del>b</del></p>\n"],
    ),
    (
        "validator",
        "const v = require('validator'); return [v.isEmail('a@b.co'), v.isURL('x'), v.escape('<a>')]",
        [True, False, "&lt;a&gt;"],
    ),
    (
        "uuid",
        "const u = require('uuid'); return [u.v5('x', u.v5.URL), u.validate(u.v1()), "
        "u.version(u.v4()), u.v4() === u.v4()]",
        ["4cd605e7-afa2-5360-b5b9-c5e9fb5c76f4", True, 4, False],
    ),
    (
        "dayjs",
        EXTENDED + "return [d.utc(0).tz('America/New_York').format('YYYY-MM-DD HH:mm'), d(0).from(d(86400000 * 3)),"
        "d('05/02/1999', 'DD/MM/YYYY').format('YYYY-MM-DD'), d.duration(90, 'minutes').humanize(),"
        "d('2026-01-01').isoWeek(), d('2026-01-01').format('Do Q')]",
        ["1969-12-31 19:00", "3 days ago", "1999-02-05", "2 hours", 1, "1st 1"],
    ),
    (
        "lodash",
        "const _ = require('lodash'); return [_.groupBy([1, 2, 3], x => x % 2), "
        "_.set({}, 'a.b', 1), _.kebabCase('fooBar'),"
        "_.isEqual(new Map([[1, { a: 2 }]]), new Map([[1, { a: 2 }]])), _.merge({ a: { b: 1 } }, { a: { c: 2 } })]",
        [{"0": [2], "1": [1, 3]}, {"a": {"b": 1}}, "foo-bar", True, {"a": {"b": 1, "c": 2}}],
    ),
    (
        "crypto",
        "const e = new TextEncoder();"
        "const k = await crypto.subtle.importKey('raw', e.encode('k'), "
        "{ name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);"
        "const p = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);"
        "const way = { name: 'ECDSA', hash: 'SHA-256' }; "
        "const s = await crypto.subtle.sign(way, p.privateKey, e.encode('d'));"
        "return [(await crypto.subtle.sign('HMAC', k, e.encode('d'))).byteLength, crypto.randomUUID().length,"
        "await crypto.subtle.verify(way, p.publicKey, s, e.encode('d')), p.privateKey instanceof CryptoKey,"
        "await crypto.subtle.digest('MD5', e.encode('x')).catch(x => [x.name, x instanceof DOMException])]",
        [32, 36, True, True, ["NotSupportedError", True]],
    ),
    (
        "languages",
        "return [(1234.5).toLocaleString('de'), new Date(0).toLocaleDateString('en-US', { timeZone: 'Asia/Tokyo' }),"
        "['b', 'ä', 'a'].sort((x, y) => x.localeCompare(y)), [1, 2].toLocaleString(), 5n.toLocaleString(),"
        "new Intl.DateTimeFormat().resolvedOptions().timeZone,"
        "(() => { try { new Intl.DateTimeFormat('en', { timeZone: 'x/y' }) } "
        "catch (e) { return e instanceof RangeError } })()]",
        ["1.234,5", "1/1/1970", ["a", "ä", "b"], "1,2", "5", "UTC", True],
    ),
]


@pytest.mark.parametrize(("code", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_it_works_in_the_engine(code: str, expected: Any) -> None:
    result = Apps(f"'use strict'; module.exports = async () => {{ {code} }}").request(trigger="run")
    assert result.error is None, result.error
    assert result.value == expected
