"""`Intl` of the guest beside that of node, and the host half with whatever an app can send it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.runtime.intl import MOST_ARGUMENT, intl
from tests.kernel.runtime.beside_node import beside_node

CASES = Path(__file__).with_name("intl_cases.js")

# Node brings the languages of its own release, and a few words differ from one to the next: so these are told here.
EXPECTED = {
    "number en-US {} 1.005": "1.005",
    "number en-US {} -1234567.891": "-1,234,567.891",
    "number de-DE {} 12345678901234567890": "12.345.678.901.234.567.890",
    "number es-ES {} 1234.5": "1234,5",
    "number hi-IN {} -1234567.891": "-12,34,567.891",
    'number en-US {"minimumFractionDigits":2,"maximumFractionDigits":2} 1.005': "1.01",
    'number en-US {"style":"currency","currency":"EUR"} -3.999': "-€4.00",
    'number de-DE {"style":"currency","currency":"EUR"} 1234.5': "1.234,50 €",
    'number en-US {"style":"currency","currency":"USD","currencyDisplay":"code"} 5': "USD 5.00",
    'number en-US {"style":"currency","currency":"USD","currencyDisplay":"name"} 1': "1.00 US dollars",
    'number en-US {"style":"percent"} 0.256': "26%",
    'number en-US {"notation":"compact"} 999999': "1M",
    'number en-US {"notation":"compact"} 15300': "15K",
    'number ja-JP {"notation":"compact"} 15300': "1.5万",
    'number en-US {"signDisplay":"exceptZero"} -0.0001': "0",
    'date en-US {"dateStyle":"long","timeStyle":"short","timeZone":"UTC"} 0': "November 21, 2026 at 3:04 PM",
    'date de-DE {"weekday":"long","year":"numeric","month":"long","day":"numeric","timeZone":"UTC"} 0': (
        "Samstag, 21. November 2026"
    ),
    'date tr-TR {"month":"long","timeZone":"UTC"} 0': "Kasım",
    'date ko-KR {"month":"long","timeZone":"UTC"} 0': "11월",
    'date fr-FR {"timeZone":"UTC"} 0': "21/11/2026",
    'date en-US {"hour":"2-digit","minute":"2-digit","timeZone":"UTC"} 0': "03:04 PM",
    "zone at the change": ["01:59:59", "03:00:00"],
    "zone Nowhere/Land": "RangeError",
    "zone ../etc/passwd": "RangeError",
    "plurals pl": ["many", "one", "few", "few", "many", "many", "many", "few", "many", "other", "many"],
}


@pytest.fixture(scope="module")
def rows() -> list[list[Any]]:
    found: list[list[Any]] = beside_node("intl/index.js", CASES.read_text(), lambda op, arg, data: intl(op, arg))
    return found


def spaces(value: Any) -> Any:
    return json.loads(json.dumps(value).replace("\\u202f", " ").replace("\\u00a0", " "))


def test_it_writes_what_node_writes(rows: list[list[Any]]) -> None:
    """Apart from the kind of a space, and from what one release of the languages says otherwise than another."""
    other = [row for row in rows if spaces(row[1]) != spaces(row[2])]
    assert len(rows) > 1700
    assert len(other) < len(rows) * 0.04, other


def test_what_it_writes(rows: list[list[Any]]) -> None:
    ours = {name: spaces(value) for name, value, _ in rows}
    assert {name: ours[name] for name in EXPECTED} == EXPECTED


def test_one_language_never_speaks_with_the_words_of_another() -> None:
    """Babel shares tables between languages, and writes into them what it finds by references."""
    told = {"month": "long"}
    for locale, month in [("zh", "十一月"), ("tr", "Kasım"), ("ko", "11월"), ("hi", "नवंबर")]:
        made = json.loads(intl("intl.dates", json.dumps({**told, "locales": [locale]})))
        assert made["words"][f"{made['tokens'][0][1]}4"][10] == month


BAD: list[tuple[str, Any]] = [
    ("intl.nothing", {}),
    ("intl.numbers", []),
    ("intl.numbers", {"locales": [5]}),
    ("intl.numbers", {"locales": 5}),
    ("intl.numbers", {"locales": ["../../etc/passwd"]}),
    ("intl.numbers", {"style": "currency"}),
    ("intl.numbers", {"style": "currency", "currency": "EURO"}),
    ("intl.numbers", {"style": "unit", "unit": "banana"}),
    ("intl.numbers", {"style": "unit", "unit": 5}),
    ("intl.numbers", {"style": "unit", "unit": "liter", "unitDisplay": "alias"}),
    ("intl.plural", {"numbers": ["1e999999999"]}),
    ("intl.plural", {"numbers": [1]}),
    ("intl.plural", {"numbers": ["1"] * 65}),
    ("intl.list", {"type": "banana"}),
    ("intl.name", {"type": "banana", "code": "x"}),
    ("intl.zone", {"zone": "../../etc/passwd"}),
    ("intl.zone", {"zone": 5}),
    ("intl.zone", {}),
    ("intl.offset", {"zone": "UTC"}),
    ("intl.offset", {"zone": "UTC", "ms": "soon"}),
    ("intl.zone.name", {"zone": "UTC", "ms": []}),
    ("intl.dates", {"fractionalSecondDigits": "many"}),
]


@pytest.mark.parametrize(("op", "told"), BAD, ids=lambda value: str(value)[:50])
def test_what_is_wrong_is_refused(op: str, told: Any) -> None:
    with pytest.raises(FaztError) as refused:
        intl(op, json.dumps(told))
    assert refused.value.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize("arg", ["", "{", "[" * 5000, "x" * (MOST_ARGUMENT + 1), b"\xff"])
def test_an_argument_that_is_no_json(arg: str | bytes) -> None:
    with pytest.raises(FaztError):
        intl("intl.numbers", arg)


def test_dates_outside_of_what_python_counts() -> None:
    for ms in (-8.64e15, 8.64e15, 1e300):
        assert isinstance(json.loads(intl("intl.offset", json.dumps({"zone": "Europe/Berlin", "ms": ms}))), int)


def test_hundreds_of_languages_do_not_stay_in_memory() -> None:
    from babel import localedata

    from kernel.runtime.intl_locales import MOST_KEPT, _loaded

    for tag in localedata.locale_identifiers()[:80]:
        intl("intl.locale", json.dumps({"locales": [tag.replace("_", "-")]}))
    assert len(localedata._cache) <= 8
    assert _loaded.cache_info().currsize <= MOST_KEPT
