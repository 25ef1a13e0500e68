"""Documents as rows of a table and back."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest

from fazt.client.cells import column, is_json, path_of, read
from fazt.client.tables import Lines, LinesOut, Row, Table, TableOut
from kernel.base.errors import FaztError


def table(given: str | bytes, **how: Any) -> list[Any]:
    data = given if isinstance(given, bytes) else given.encode()
    return [row.value for row in Table(io.BytesIO(data), **how)]


def refused(rows: Any) -> FaztError:
    with pytest.raises(FaztError) as told:
        list(rows)
    return told.value


# --- cells ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0", 0), ("-5", -5), ("1.50", 1.5), ("1e3", 1000.0), ("5e-324", 5e-324),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("9007199254740992", 2**53), ("true", True), ("false", False), ("null", None), ('"a"', "a"), ('""', ""),
        ("[1,2]", [1, 2]), ("{}", {}), ('{"a":null}', {"a": None}),
    ],
)  # fmt: skip
def test_cells_that_are_json(cell: str, value: Any) -> None:
    found = read(cell)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "cell",
    ["007", "+1", "1.", ".5", "1_000", "1,5", "0x10", "1e999", "9007199254740993", "4929123456789012345", "NaN",
     "Infinity", "True", "NULL", "-", " 1", "1 ", "\u0663", "[1", '"a', "{'a':1}", "0.12345678901234567890",
     "2024-01-02", "x", "1" * 500],
)  # fmt: skip
def test_cells_that_stay_text(cell: str) -> None:
    assert not is_json(cell)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a", ("a",)), ("a.b", ("a", "b")), ("a.0.c-d", ("a", "0", "c-d")), ("a\\.b", ("a.b",)), ("a\\\\", ("a\\",)),
        # what looks like a sentence is one
        ("Dr. Name", ("Dr. Name",)), ("a..b", ("a..b",)), (".a", (".a",)), ("a.", ("a.",)), ("Größe.cm", ("Größe.cm",)),
        ("a\\b", ("a\\b",)), ("a\\", ("a\\",)), ("$id", ("$id",)),
    ],
)  # fmt: skip
def test_names_of_columns(name: str, path: tuple[str, ...]) -> None:
    assert path_of(name) == path


@pytest.mark.parametrize("name", ["a", "a.b", "a\\b", "a\\.b", "\\", ".", "..", "a b", "Dr. Name", "ü", '"', ",", "\n"])
def test_any_name_of_a_field_has_a_column(name: str) -> None:
    assert path_of(column((name,))) == (name,)


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_column_is_numbers_only_where_all_of_it_is() -> None:
    rows = table("n,zip,mixed,flag,none\r\n1,02134,5,true,\r\n2.5,90210,n/a,false,\r\n,,7,,\r\n")
    assert rows == [
        {"n": 1, "zip": "02134", "mixed": "5", "flag": True},
        {"n": 2.5, "zip": "90210", "mixed": "n/a", "flag": False},
        {"mixed": "7"},
    ]


def test_all_is_text_where_that_is_wanted() -> None:
    assert table("n,b\n1,true\n,[]\n", text=True) == [{"n": "1", "b": "true"}, {"b": "[]"}]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", []),
        ("a,b\n", []),
        ("a\n1\n\n2", [{"a": 1}, {"a": 2}]),
        ("\ufeffa,b\n1,2\n", [{"a": 1, "b": 2}]),
        ('\ufeff"a",b\n1,2\n', [{"a": 1, "b": 2}]),
        ('a,b\n"x ""y"", z","1\n2"\n', [{"a": 'x "y", z', "b": "1\n2"}]),
        ("a;b\n1,5;x\n", [{"a": "1,5", "b": "x"}]),
        ("a\tb\n1\tx,y;z\n", [{"a": 1, "b": "x,y;z"}]),
        ('"a;b;c",d\n1,2\n', [{"a;b;c": 1, "d": 2}]),
        ("a.b,a.c,d\n1,2,3\n,,4\n", [{"a": {"b": 1, "c": 2}, "d": 3}, {"d": 4}]),
        ("a,a.b\n1,\n,2\n", [{"a": 1}, {"a": {"b": 2}}]),
        ("a,b,c\n1\n", [{"a": 1}]),
    ],
)
def test_tables_as_others_write_them(text: str, rows: list[Any]) -> None:
    assert table(text) == rows


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a,b\n1,2\n1,2,3\n", 3, "3 cells where there are 2 columns"),
        ('a,b\n"x\ny",2\n1,2,3\n', 4, "3 cells"),
        ('a,b\n1,2\n"x"y,2\n', 3, "is not CSV"),
        ('a,b\n1,2\n"x,2\n', 3, "is not CSV"),
        ("a,,c\n", 1, "column 2 no name"),
        ("a,b,a\n", 1, "two columns a"),
        ("a,a.b\n1,2\n", 2, "both in a.b"),
        ("a.b,a\n1,2\n", 2, "both in a"),
        (b"a,b\n1,2\n\xff,2\n", 1, "not UTF-8"),
        ("a\tb\n".encode("utf-16"), 1, "UTF-16"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(text: str | bytes, line: int, why: str) -> None:
    error = refused(Table(io.BytesIO(text if isinstance(text, bytes) else text.encode())))
    assert error.code == "VALIDATION_FAILED" and error.details == {"line": line} and why in error.message


# --- JSON lines -------------------------------------------------------------------------------------------------------


def test_lines_that_are_empty_do_not_count_as_documents() -> None:
    data = b'\xef\xbb\xbf{"a":1}\r\n\n  \n{"b":[]}'
    assert list(Lines(io.BytesIO(data))) == [Row(1, {"a": 1}), Row(4, {"b": []})]


@pytest.mark.parametrize("line", [b"[1]", b"1", b"{", b'{"a":1} x', b"\xff", b'{"a":"\\ud800"}', b"[" * 5000])
def test_lines_that_are_no_documents(line: bytes) -> None:
    assert refused(Lines(io.BytesIO(b'{"a":1}\n' + line + b"\n"))).details == {"line": 2}


# --- there and back ---------------------------------------------------------------------------------------------------


def there_and_back(documents: list[Any]) -> list[Any]:
    file, spool = io.BytesIO(), io.BytesIO()
    out = TableOut(file, spool)
    for one in documents:
        out.add(one)
    out.end()
    return table(file.getvalue())


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [{"a": "5"}, {"a": "6"}],
        [{"a": "5"}, {"a": "x"}],
        [{"a": '"x"'}, {"a": "x"}],
        [{"a": 5}, {"a": "x"}, {"a": None}, {"a": ""}],
        [{"a": {}}, {"a": {"b": 1}}, {"a": 1}, {"a": {"b": {"c": []}}}],
        [{"a.b": 1, "a": {"b": 2}}],
        [{"a": {"": 1}}, {"a": {"é": {"x": 1}}}, {"a": {"x y": 1}}],
        [{"a": "x\r\ny,;\t"}, {"a": "\r"}, {"a": "=1+1"}, {"a": " x "}],
        [{"a": 2**53}, {"a": 1.152921504606847e18}, {"a": 1e300}, {"a": -0.5}],
        [{"id": "1"}, {"id": "2", "b": True}],
        [{"a": "\ufeffx"}],
    ],
)
def test_what_was_written_comes_back(documents: list[Any]) -> None:
    found = there_and_back(documents)
    # the columns of the first rows come first, in all of them
    assert found == documents and [type(x) for x in _values(found)] == [type(x) for x in _values(documents)]


def _values(documents: list[Any]) -> list[Any]:
    return [value for one in documents for _, value in sorted(one.items())]


def test_anything_comes_back() -> None:
    picked = random.Random(5)

    def some(depth: int = 0) -> Any:
        kinds: list[Any] = [None, True, 0, 1.5, "", "x", "5", "true", '"', "a\nb", "é,;", [], {}, [{"a": 1}, "1"]]
        if depth < 3 and picked.random() < 0.4:
            return {
                picked.choice(["a", "b", "a.b", "c\\", "d e", "1"]): some(depth + 1) for _ in range(picked.randrange(3))
            }
        return picked.choice(kinds)

    for _ in range(300):
        names = ["a", "b", "a.b", "n", "m m"]
        documents = [
            {"id": str(at), **{name: some() for name in picked.sample(names, picked.randrange(4))}}
            for at in range(picked.randrange(1, 6))
        ]
        assert there_and_back(documents) == documents


def test_lines_come_back() -> None:
    file, documents = io.BytesIO(), [{"a": "x\ny"}, {"b": {"c": [1, None]}}]
    out = LinesOut(file)
    for one in documents:
        out.add(one)
    out.end()
    file.seek(0)
    assert [row.value for row in Lines(file)] == documents
