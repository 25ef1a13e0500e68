"""Lists, distances in time and names of things in a language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernel.runtime.intl import out_of_range
from kernel.runtime.intl_locales import found, numbering, plain

UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
LISTS = {"conjunction": "standard", "disjunction": "or", "unit": "unit"}
# before, now, after: what is said instead of a number
NEAR: dict[str, dict[str, tuple[str, str, str]]] = {
    "en": {
        "day": ("yesterday", "today", "tomorrow"), "week": ("last week", "this week", "next week"),
        "month": ("last month", "this month", "next month"), "year": ("last year", "this year", "next year"),
        "quarter": ("last quarter", "this quarter", "next quarter"), "hour": ("", "this hour", ""),
        "minute": ("", "this minute", ""), "second": ("", "now", ""),
    },
    "de": {
        "day": ("gestern", "heute", "morgen"), "week": ("letzte Woche", "diese Woche", "nächste Woche"),
        "month": ("letzten Monat", "diesen Monat", "nächsten Monat"), "second": ("", "jetzt", ""),
        "year": ("letztes Jahr", "dieses Jahr", "nächstes Jahr"),
    },
    "fr": {
        "day": ("hier", "aujourd’hui", "demain"), "second": ("", "maintenant", ""),
        "week": ("la semaine dernière", "cette semaine", "la semaine prochaine"),
        "month": ("le mois dernier", "ce mois-ci", "le mois prochain"),
        "year": ("l’année dernière", "cette année", "l’année prochaine"),
    },
    "es": {
        "day": ("ayer", "hoy", "mañana"), "second": ("", "ahora", ""),
        "week": ("la semana pasada", "esta semana", "la próxima semana"),
        "month": ("el mes pasado", "este mes", "el próximo mes"),
        "year": ("el año pasado", "este año", "el próximo año"),
    },
    "it": {"day": ("ieri", "oggi", "domani")}, "pt": {"day": ("ontem", "hoje", "amanhã")},
    "nl": {"day": ("gisteren", "vandaag", "morgen")}, "ja": {"day": ("昨日", "今日", "明日")},
    "zh": {"day": ("昨天", "今天", "明天")}, "ru": {"day": ("вчера", "сегодня", "завтра")},
}  # fmt: skip


def _locale(told: dict[str, Any]) -> dict[str, str]:
    tag, locale = found(told)
    return {"locale": tag, "numberingSystem": numbering(told, locale)}


def _supported(told: dict[str, Any]) -> list[str]:
    """Those of the tags whose language is known."""
    tags = told.get("locales") or []
    known = []
    for tag in tags:
        name, _ = found({"locales": [tag]})
        if name.split("-")[0] == tag.lower().replace("_", "-").split("-")[0]:
            known.append(name)
    return known


def _relative(told: dict[str, Any]) -> dict[str, Any]:
    tag, locale = found(told)
    style = told.get("style") or "long"
    fields = locale._data["date_fields"]
    units = {}
    for unit in UNITS:
        near = [fields[name] for name in (unit if style == "long" else f"{unit}-{style}", unit) if name in fields]
        units[unit] = {way: _forms(near, way) for way in ("past", "future")}
    return {"locale": tag, "units": units, "near": NEAR.get(locale.language, {})}


def _forms(fields: list[Any], way: str) -> dict[str, Any]:
    return next(forms for field in fields if way in field and "other" in (forms := plain(field[way])))


def _list(told: dict[str, Any]) -> dict[str, Any]:
    tag, locale = found(told)
    kind = LISTS[told.get("type") or "conjunction"]
    style = told.get("style") or "long"
    patterns = locale.list_patterns
    return {"locale": tag} | plain(patterns.get(kind if style == "long" else f"{kind}-{style}") or patterns[kind])


def _name(told: dict[str, Any]) -> dict[str, Any]:
    tag, locale = found(told)
    code = str(told.get("code") or "")
    match told.get("type"):
        case "region":
            name = locale.territories.get(code.upper())
        case "language":
            language, _, more = code.replace("_", "-").partition("-")
            name = locale.languages.get(code.replace("-", "_")) or locale.languages.get(language.lower())
            if name and more and code.replace("-", "_") not in locale.languages:
                name = f"{name} ({locale.territories.get(more.upper()) or locale.scripts.get(more.title()) or more})"
        case "script":
            name = locale.scripts.get(code.title())
        case "currency":
            name = locale.currencies.get(code.upper())
        case _:
            raise out_of_range(f"Invalid type: {str(told.get('type'))[:20]}")
    return {"locale": tag, "name": name}


OPS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "intl.locale": _locale,
    "intl.supported": _supported,
    "intl.relative": _relative,
    "intl.list": _list,
    "intl.name": _name,
}
