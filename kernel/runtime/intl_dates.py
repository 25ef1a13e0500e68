"""How dates and times are written in a language: a pattern for what an app wants to see, and the words in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from babel import Locale, dates

from kernel.runtime.intl_locales import DIGITS, found, numbering
from kernel.runtime.intl_zones import moment

# Between a long date and a time; Babel has the short form only.
AT = {
    "bg": " 'в' ", "ca": ", 'a' 'les' ", "cs": " 'v' ", "da": " 'kl'. ", "de": " 'um' ", "el": " 'στις' ",
    "en": " 'at' ", "es": " 'a' 'las' ", "et": ", 'kell' ", "fa": " 'ساعت' ", "fi": " 'klo' ", "fr": " 'à' ",
    "he": " 'בשעה' ",
    "hr": " 'u' ", "id": " 'pukul' ", "it": " 'alle' 'ore' ", "ms": " 'pada' ", "nb": " 'kl'. ", "no": " 'kl'. ",
    "nl": " 'om' ", "pt": " 'às' ", "ro": " 'la' ", "ru": " 'в' ", "sk": " 'o' ", "sl": " 'ob' ", "sv": " 'kl'. ",
    "th": " 'เวลา' ", "uk": " 'о' ", "ar": " 'في' ",
}  # fmt: skip
TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")
KINDS = {
    "G": "era", "y": "year", "u": "year", "r": "year", "U": "year", "M": "month", "L": "month", "d": "day",
    "E": "weekday", "c": "weekday", "e": "weekday", "a": "dayPeriod", "b": "dayPeriod", "B": "dayPeriod",
    "h": "hour", "H": "hour", "K": "hour", "k": "hour", "m": "minute", "s": "second", "S": "fractionalSecond",
    "z": "timeZoneName", "v": "timeZoneName",
}  # fmt: skip
WIDTHS = {3: "abbreviated", 4: "wide", 5: "narrow"}
DATE_STYLES = ("full", "long", "medium", "short")


def _dates(told: dict[str, Any]) -> dict[str, Any]:
    tag, locale = found(told)
    system = numbering(told, locale)
    cycle = _hour_cycle(told, locale)
    pattern = _styled(told, locale, cycle) if _has_style(told) else _composed(told, locale, cycle)
    tokens = _tokens(pattern)
    words = {f"{letter}{size}": _words(letter, size, locale) for letter, size in tokens if isinstance(size, int)}
    return {
        "locale": tag, "numberingSystem": system, "digits": DIGITS[system], "hourCycle": cycle,
        "tokens": [[KINDS[letter], letter, size] if isinstance(size, int) else ["literal", letter, 0]
                   for letter, size in tokens],
        "words": {key: value for key, value in words.items() if value},
    }  # fmt: skip


def _has_style(told: dict[str, Any]) -> bool:
    return bool(told.get("dateStyle") or told.get("timeStyle"))


def _hour_cycle(told: dict[str, Any], locale: Locale) -> str:
    usual = {"h": "h12", "K": "h11", "k": "h24"}
    own = next((usual[letter] for letter in _bare(locale.time_formats["short"].pattern) if letter in usual), "h23")
    if isinstance(told.get("hour12"), bool):
        if told["hour12"]:
            return "h11" if locale.language == "ja" else "h12"
        return "h23"
    wanted = told.get("hourCycle")
    return wanted if wanted in ("h11", "h12", "h23", "h24") else own


def _bare(pattern: str) -> str:
    return re.sub(r"'[^']*'", "", pattern)


# --- styles


def _styled(told: dict[str, Any], locale: Locale, cycle: str) -> str:
    date, time = told.get("dateStyle"), told.get("timeStyle")
    day = locale.date_formats[date].pattern if date in DATE_STYLES else ""
    hours = _time_style(time, locale, cycle) if time in DATE_STYLES else ""
    if not (day and hours):
        return day or hours
    return _joined(day, hours, locale, date)


def _time_style(style: str, locale: Locale, cycle: str) -> str:
    pattern = str(locale.time_formats[style].pattern)
    if (_letters(pattern) & set("hK") and cycle in ("h23", "h24")) or (
        _letters(pattern) & set("Hk") and cycle in ("h11", "h12")
    ):
        fields = "hm" if style == "short" else "hms"
        zone = {"full": " zzzz", "long": " z"}.get(style, "")
        pattern = _time(fields, locale, cycle) + zone
    return _cycled(pattern, cycle)


def _letters(pattern: str) -> set[str]:
    return set(_bare(pattern))


def _joined(day: str, hours: str, locale: Locale, length: str | None) -> str:
    glue = str(locale.datetime_formats[length or "medium"])
    if locale.language == "pt":
        glue = "{1}, {0}"
    if length in ("full", "long") and locale.language in AT:
        glue = "{1}" + AT[locale.language] + "{0}"
    return glue.replace("{1}", day).replace("{0}", hours)


# --- single fields


def _composed(told: dict[str, Any], locale: Locale, cycle: str) -> str:
    day = _date(told, locale)
    hours = ""
    if fields := "".join(
        letter for name, letter in (("hour", "h"), ("minute", "m"), ("second", "s")) if told.get(name)
    ):
        hours = _time(fields, locale, cycle)
        if told.get("hour") == "2-digit":
            hours = re.sub(r"(?<![hHKk])([hHKk])(?![hHKk])", r"\1\1", hours)
    if digits := int(told.get("fractionalSecondDigits") or 0):
        fraction = "S" * min(digits, 3)
        decimal = locale.number_symbols["latn"]["decimal"]
        hours = re.sub(r"(s+)", rf"\1{decimal}{fraction}", hours) if "s" in _letters(hours) else hours + fraction
    if zone := told.get("timeZoneName"):
        name = "zzzz" if zone == "long" else "z"
        if hours:
            hours += f" {name}"
        else:
            day = f"{day}, {name}"
    hours = _cycled(hours, cycle)
    if not (day and hours):
        return day or hours
    length = {"long": "full" if told.get("weekday") else "long", "short": "medium"}.get(str(told.get("month")), "short")
    return _joined(day, hours, locale, length)


def _date(told: dict[str, Any], locale: Locale) -> str:
    month = told.get("month")
    widths = {"long": 4, "short": 3, "narrow": 5}
    texts = month in widths
    key = "G" * bool(told.get("era")) + "y" * bool(told.get("year"))
    key += ("MMM" if texts else "M") * bool(month) + "E" * bool(told.get("weekday")) + "d" * bool(told.get("day"))
    if not key:
        return ""
    if key == "yMMMEd" and told["weekday"] == month == "long" and told["day"] == told["year"] == "numeric":
        return str(locale.date_formats["full"].pattern)
    pattern = _skeleton(key, month == "long", locale, told.get("weekday") == "long")
    if texts:
        pattern = _widened(pattern, "ML", widths[str(month)], least=3)
    if month == "2-digit":
        pattern = _widened(pattern, "ML", 2)
    if told.get("day") == "2-digit":
        pattern = _widened(pattern, "d", 2)
    if told.get("year") == "2-digit":
        pattern = _widened(pattern, "y", 2)
    if weekday := told.get("weekday"):
        pattern = _widened(pattern, "Ec", widths.get(weekday, 3))
    return pattern


def _skeleton(key: str, long: bool, locale: Locale, long_day: bool = False) -> str:
    """The pattern of a set of fields; the fields one after another where the language has no such pattern."""
    known = locale.datetime_skeletons
    wide = key.replace("MMM", "MMMM") if long else key
    for name in (wide.replace("E", "EEEE") if long_day else wide, wide, key):
        if name in known:
            return str(known[name].pattern)
    if key.startswith("G"):
        return _skeleton(key[1:], long, locale) + " G"
    if "E" in key and len(key) > 1:
        return "EEE, " + _skeleton(key.replace("E", ""), long, locale)
    if len(key) == 1 or key == "MMM":
        return "LLL" if key == "MMM" else key
    return " ".join(_skeleton(part, long, locale) for part in re.findall(r"M+|.", key))


def _widened(pattern: str, letters: str, size: int, least: int = 1) -> str:
    def wider(match: re.Match[str]) -> str:
        run = match[0]
        return run[0] * size if run[0] in letters and len(run) >= least else run

    return TOKEN.sub(wider, pattern)


def _time(fields: str, locale: Locale, cycle: str) -> str:
    key = fields if cycle in ("h11", "h12") else fields.replace("h", "H")
    known = locale.datetime_skeletons
    if key in known:
        return str(known[key].pattern)
    return ":".join(letter if letter != "m" or "h" not in fields else "mm" for letter in key)


def _cycled(pattern: str, cycle: str) -> str:
    letter = {"h11": "K", "h12": "h", "h23": "H", "h24": "k"}[cycle]

    def turned(match: re.Match[str]) -> str:
        return letter * len(match[0]) if match[0][0] in "hHKk" else match[0]

    return TOKEN.sub(turned, pattern)


# --- what is in a pattern


def _tokens(pattern: str) -> list[tuple[str, int | str]]:
    tokens: list[tuple[str, int | str]] = []
    for match in TOKEN.finditer(pattern):
        run = match[0]
        if match[2] and match[2] in KINDS:
            tokens.append((match[2], len(run)))
            continue
        text = match[1].replace("''", "'") or "'" if run.startswith("'") else "" if match[2] else run
        if tokens and isinstance(tokens[-1][1], str):
            tokens[-1] = (tokens[-1][0] + text, "literal")
        else:
            tokens.append((text, "literal"))
    return tokens


def _words(letter: str, size: int, locale: Locale) -> list[str]:
    context = "stand-alone" if letter in "Lc" else "format"
    if letter in "ML" and size > 2:
        months = locale.months[context][WIDTHS[min(size, 5)]]
        return [months[n] for n in range(1, 13)]
    if letter in "Eec":
        days = locale.days[context][WIDTHS[min(max(size, 3), 5)]]
        return [days[(n - 1) % 7] for n in range(7)]  # from Sunday on, as JavaScript counts
    if letter in "abB":
        periods = locale.day_periods["format"][WIDTHS[min(max(size, 3), 5)]]
        return [periods["am"], periods["pm"]]
    if letter == "G":
        eras = locale.eras[WIDTHS[min(max(size, 3), 5)]]
        return [eras[0], eras[1]]
    return []


def _zone_name(told: dict[str, Any]) -> str:
    """What a time zone is called at a moment."""
    _, locale = found(told)
    when = moment(told)
    long = bool(told.get("long"))
    if str(when.tzinfo) in ("UTC", "Etc/UTC"):
        return "Coordinated Universal Time" if long and locale.language == "en" else "UTC"
    name = dates.get_timezone_name(when, width="long" if long else "short", locale=locale)
    if not long and (name.startswith("GMT") or re.search(r"\d", name)):
        return _distance(int((when.utcoffset() or when.min - when.min).total_seconds()))
    return str(name)


def _distance(seconds: int) -> str:
    minutes = abs(seconds) // 60
    hours, rest = divmod(minutes, 60)
    return "GMT" + (f"{'-' if seconds < 0 else '+'}{hours}" + (f":{rest:02d}" if rest else "") if minutes else "")


OPS: dict[str, Callable[[dict[str, Any]], Any]] = {"intl.dates": _dates, "intl.zone.name": _zone_name}
