"""How numbers, amounts of money and measures are written in a language."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from babel import Locale
from babel.core import get_global

from kernel.runtime.intl import out_of_range
from kernel.runtime.intl_locales import DIGITS, first, found, numbering, plain

TWO_BEFORE_GROUPS = {"bg", "es", "et", "hu", "it", "lv", "pl", "pt-PT", "sl"}
CURRENCY = re.compile(r"[A-Za-z]{3}")
NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?")


def _numbers(told: dict[str, Any]) -> dict[str, Any]:
    tag, locale = found(told)
    system = numbering(told, locale)
    symbols = locale.number_symbols.get(system) or locale.number_symbols["latn"]
    money = told.get("style") == "currency"
    pattern = _pattern(told, locale)
    made = {
        "locale": tag, "numberingSystem": system, "digits": DIGITS[system],
        "symbols": {name: symbols[name] for name in SYMBOLS},
        "prefix": list(pattern.prefix), "suffix": list(pattern.suffix), "grouping": list(pattern.grouping),
        "least": 2 if TWO_BEFORE_GROUPS & {tag, locale.language} else 1,
    }  # fmt: skip
    if money:
        made |= _currency(told, locale)
    if told.get("style") == "unit":
        made["around"] = _unit(told, locale)
    if told.get("notation") == "compact":
        made["compact"] = _compact(told, locale, money)
    return made


SYMBOLS = ("decimal", "group", "minusSign", "plusSign", "percentSign", "infinity", "nan", "exponential")


def _pattern(told: dict[str, Any], locale: Locale) -> Any:
    match told.get("style"):
        case "percent":
            return locale.percent_formats[None]
        case "currency" if told.get("currencyDisplay") != "name":
            kind = "accounting" if told.get("currencySign") == "accounting" else "standard"
            return locale.currency_formats.get(kind) or locale.currency_formats["standard"]
    return locale.decimal_formats[None]


def _currency(told: dict[str, Any], locale: Locale) -> dict[str, Any]:
    code = told["currency"]
    if not isinstance(code, str) or not CURRENCY.fullmatch(code):
        raise out_of_range(f"Invalid currency code: {str(code)[:20]}")
    code = code.upper()
    fractions = get_global("currency_fractions")
    digits = fractions.get(code, fractions["DEFAULT"])[0]
    symbol = locale.currency_symbols.get(code, code)
    match told.get("currencyDisplay"):
        case "code":
            symbol = code
        case "narrowSymbol":
            symbol = re.sub(r"^[A-Z]+(?=[^\w\s])|(?<=[^\w\s])[A-Z]+$", "", symbol)
        case "name":
            names = locale._data["currency_names_plural"].get(code) or {"other": locale.currencies.get(code, code)}
            around = locale._data["currency_unit_patterns"]
            other = around["other"]
            texts = {form: around.get(form, other).replace("{1}", name) for form, name in plain(names).items()}
            return {"currency": code, "fraction": digits, "around": texts}
    return {"currency": code, "fraction": digits, "symbol": symbol}


def _unit(told: dict[str, Any], locale: Locale) -> dict[str, str]:
    wanted = told["unit"]
    width = told.get("unitDisplay") or "short"
    patterns = locale._data["unit_patterns"]
    for name in patterns:
        if name == wanted or name.partition("-")[2] == wanted:
            return {form: text for form, text in plain(_width(patterns[name], width)).items() if form != "per"}
    parts = str(wanted).split("-per-")
    if len(parts) == 2:
        per = _unit_table(patterns, parts[1], width)
        first = _unit_table(patterns, parts[0], width)
        around = per.get("per") or "{0}/" + per["other"].replace("{0}", "").strip()
        return {form: around.replace("{0}", text) for form, text in first.items() if form != "per"}
    raise out_of_range(f"Invalid unit argument: {str(wanted)[:40]}")


def _unit_table(patterns: Any, wanted: str, width: str) -> dict[str, str]:
    for name in patterns:
        if name.partition("-")[2] == wanted:
            return plain(_width(patterns[name], width))
    raise out_of_range(f"Invalid unit argument: {wanted[:40]}")


def _width(table: Any, width: str) -> Any:
    if width not in ("long", "short", "narrow"):
        raise ValueError("no such width")
    return first(table, width, "short", "long")


def _compact(told: dict[str, Any], locale: Locale, money: bool) -> dict[str, dict[str, str]]:
    """Number of digits → plural → pattern."""
    tables = locale._data["compact_currency_formats"] if money else locale.compact_decimal_formats
    table = first(tables, "short" if money else told.get("compactDisplay") or "short", "short")
    made: dict[str, dict[str, str]] = {}
    for form, rows in plain(table).items():
        for size, pattern in plain(rows).items():
            made.setdefault(str(len(size)), {})[form] = pattern.pattern
    return made


def _plural(told: dict[str, Any]) -> dict[str, Any]:
    """The plural of each of some numbers, and all that there are."""
    tag, locale = found(told)
    rule = locale.ordinal_form if told.get("type") == "ordinal" else locale.plural_form
    numbers = told.get("numbers") or []
    if len(numbers) > 64 or not all(isinstance(number, str) and NUMBER.fullmatch(number) for number in numbers):
        raise ValueError("no numbers")
    categories = [*[name for name in ("zero", "one", "two", "few", "many") if name in rule.tags], "other"]
    return {"locale": tag, "forms": [rule(abs(Decimal(number))) for number in numbers], "categories": categories}


OPS: dict[str, Callable[[dict[str, Any]], Any]] = {"intl.numbers": _numbers, "intl.plural": _plural}
