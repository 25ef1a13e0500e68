"""`fazt.storage.batch`: how operations and their bytes cross."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.base.errors import FaztError
from tests.kernel.runtime.fake_host import App, Result, closing

__all__ = ["closing"]


def run(code: str, answer: Any = None) -> tuple[App, Result]:
    def answered(arguments: list[Any]) -> Any:
        if isinstance(answer, FaztError):
            raise answer
        return answer

    app = App(f"module.exports = async () => {{ {code} }}", answers={"9": answered})
    return app, app.request()


@pytest.mark.parametrize(
    ("arguments", "sent", "data"),
    [
        ("[]", [[]], None),
        ("[], {once: 'job'}", [[], {"once": "job"}], None),
        ("[], {once: undefined}", [[], {}], None),
        ("[['kv.set', 'k', {a: new Date(0), b: undefined}]]", [[["kv.set", "k", {"a": "1970-01-01T00:00:00.000Z"}]]],
         None),
        ("[['kv.set', 'k', 1, undefined], ['kv.set', 'l', null, '1h']]",
         [[["kv.set", "k", 1], ["kv.set", "l", None, "1h"]]], None),
        ("[['kv.list', undefined, undefined, {limit: 2}]]", [[["kv.list", "", 7, {"limit": 2}]]], None),
        ("[['util.all', 1, 2], ['tools.all']]", [[["util.all", 1, 2], ["tools.all"]]], None),
        ("[['odd', () => 1], ['toString'], ['__proto__']]", [[["odd"], ["toString"], ["__proto__"]]], None),
        ("[['s3.put', 'k', 'text', 'a/b']]", [[["s3.put", "text", "k", "a/b"]]], None),
        ("[['s3.put', 'k', new Uint8Array([0, 255, 1])], ['kv.set', 'k', 1], ['s3.put', 'l', new ArrayBuffer(2), 'm'],"
         "['s3.put', 'e', new Uint8Array()]]",
         [[["s3.put", 3, "k"], ["kv.set", "k", 1], ["s3.put", 2, "l", "m"], ["s3.put", 0, "e"]]], b"\0\xff\1\0\0"),
        ("[['s3.put', 'k', new Uint16Array([1, 2, 3]).subarray(1)]]", [[["s3.put", 4, "k"]]], b"\2\0\3\0"),
        ("[['s3.put', 'k']]", [[["s3.put", None, "k"]]], None),
    ],
)  # fmt: skip
def test_operations_cross_as_calls_of_their_own_do(arguments: str, sent: list[Any], data: bytes | None) -> None:
    app, result = run(f"fazt.storage.batch({arguments})")
    assert result.error is None, result.error
    assert app.asked == [("9", sent, data)]


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "null",
        "'kv.set'",
        "{length: 1}",
        "[['kv.set', 'k', 1], null]",
        "[['kv.set', 'k', 1], {}]",
        "[['kv.set', 'k', 1], ['kv.set']]",
        "[['kv.set', 'k', 1], ['kv.set', 'k']]",
        "[['kv.set', 'k', 1], ['kv.list', 'k', NaN]]",
        "[['kv.set', 'k', 1], ['s3.put', 'k', {}]]",
        "[['kv.set', 'k', 1], ['s3.put', 'k', 3]]",
        "[['kv.set', 'k', 1], ['s3.put']]",
        "[['kv.set', 'k', 10n]]",
        "[['kv.set', 'k', () => 1]]",
        "[], {once: () => 1}",
    ],
)
def test_what_cannot_be_sent_is_refused_where_it_stands(arguments: str) -> None:
    app, result = run(
        f"""try {{ fazt.storage.batch({arguments}) }} catch (error) {{
            return Response.json([error.name, error.code, error.message]) }}"""
    )
    name, code, message = result.json
    assert (name, code) == ("TypeError", "INVALID_ARGUMENT") and app.asked == []
    if "], " in arguments and arguments.endswith("]]"):
        assert message.startswith("operations[1]: ")


def test_answers_come_in_order() -> None:
    _, result = run("return Response.json(fazt.storage.batch([['kv.set', 'k', 1]]))", [None, 3, {"a": 1}])
    assert result.json == [None, 3, {"a": 1}]


def test_what_has_happened_gives_null() -> None:
    code = "return Response.json([fazt.storage.batch([], {once: 'job'})])"
    assert run(code, FaztError("CONFLICT", "Done.", once="job"))[1].json == [None]


@pytest.mark.parametrize(
    "error",
    [FaztError("CONFLICT", "Taken.", operation=1), FaztError("CONFLICT", "Taken."), FaztError("TIMEOUT", "Late.")],
)
def test_other_errors_are_thrown(error: FaztError) -> None:
    code = "try { fazt.storage.batch([]) } catch (error) { return Response.json([error.code, error.details ?? null]) }"
    assert run(code, error)[1].json == [error.code, error.details or None]
