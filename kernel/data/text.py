"""Full-text search: `{"$text": "garden bird* -cat \\"blue tit\\""}`, or with the fields to look in:
`{"$text": {"$search": "bird OR tit", "fields": ["title"]}}`.

All words have to be there, in any order and anywhere in the document; `OR` between two words asks for one of them,
quotes for words side by side, `*` for the beginning of a word, `-` for documents without it. Accents and capitals
make no difference. Without `fields` it looks where `app.json` says (`storage.collections.<name>.text`), or else in all
texts of a document. What is found comes in the order of every find.

`$text` is one condition more of a query. `text_index.text_of` asks the index where there is one; `scanned` reads every
document that the rest of the query leaves. Both find the same.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from kernel.base.errors import FaztError
from kernel.base.json import decode, to_text
from kernel.data.doc_paths import parse as parse_path
from kernel.data.doc_spots import Params
from kernel.data.text_words import spoken, words

MOST_BYTES, MOST_TERMS, MOST_FIELDS = 1000, 50, 20

_PIECE = re.compile(r'\s*(?:(-?)"([^"]*)("?)(\*?)|(-?)([^\s"]+))')


class Term(NamedTuple):
    """Words side by side; `open`: the last one may go on."""

    words: tuple[str, ...]
    open: bool = False


class Search(NamedTuple):
    """Of each group one term at least, and none of `without`."""

    groups: tuple[tuple[Term, ...], ...]
    without: tuple[Term, ...] = ()
    fields: tuple[str, ...] = ()


def parse(wanted: Any) -> Search:
    """What `$text` says."""
    fields: Any = []
    if isinstance(wanted, dict):
        unknown = [name for name in wanted if name not in ("$search", "fields")]
        if unknown:
            raise _wrong(f"takes $search and fields, not {str(unknown[0])[:64]}")
        wanted, fields = wanted.get("$search"), wanted.get("fields", [])
    if not isinstance(wanted, str):
        raise _wrong('takes words, or {"$search": words, "fields": [names]}')
    if len(wanted.encode(errors="replace")) > MOST_BYTES:
        raise _too_many("bytes", MOST_BYTES)
    if not isinstance(fields, list):
        raise _wrong("fields is a list of names")
    if len(fields) > MOST_FIELDS:
        raise _too_many("fields", MOST_FIELDS)
    groups, without = _terms(wanted)
    return Search(groups, without, tuple(parse_path(name).text for name in fields))


def _terms(wanted: str) -> tuple[tuple[tuple[Term, ...], ...], tuple[Term, ...]]:
    groups: list[list[Term]] = []
    without: list[Term] = []
    joinable = joins = False
    for minus, term in _pieces(wanted):
        if term is None or (joins and minus):
            if not joinable or joins:
                raise _wrong("OR stands between two words")
            joins = True
        elif minus:
            without.append(term)
            joinable = False
        else:
            groups[-1].append(term) if joins else groups.append([term])
            joinable, joins = True, False
    if joins:
        raise _wrong("OR stands between two words")
    if not groups:
        raise _wrong("says nothing to look for: - leaves out of what words find" if without else "has no words")
    if sum(map(len, groups)) + len(without) > MOST_TERMS:
        raise _too_many("words", MOST_TERMS)
    return tuple(map(tuple, groups)), tuple(without)


def _pieces(wanted: str) -> list[tuple[bool, Term | None]]:
    """Words and phrases, each with whether it is left out; None for OR. What has no letters is passed over."""
    found: list[tuple[bool, Term | None]] = []
    for piece in _PIECE.finditer(wanted.rstrip()):
        minus, phrase, closed, star, dash, word = piece.groups()
        if phrase is not None and not closed:
            raise _wrong("has a quote that is not closed")
        if word == "OR" and not dash:
            found.append((False, None))
            continue
        said = tuple(words(phrase if phrase is not None else word))
        if said:
            found.append((bool(minus or dash), Term(said, bool(star) or bool(word and word.endswith("*")))))
    return found


# --- without an index


@functools.lru_cache(256)
def _search(text: str) -> Search:
    return msgspec.json.decode(text, type=Search)


def matches(search: Search, document: Any) -> bool:
    said = spoken(document, search.fields)
    every = {word for text in said for word in text}

    def there(term: Term) -> bool:
        if len(term.words) == 1:
            word = term.words[0]
            return word in every or (term.open and any(one.startswith(word) for one in every))
        if not every.issuperset(term.words[:-1]):
            return False
        return any(_side_by_side(term, text) for text in said)

    return all(any(map(there, group)) for group in search.groups) and not any(map(there, search.without))


def _side_by_side(term: Term, text: list[str]) -> bool:
    *begin, last = term.words
    for at in range(len(text) - len(begin)):
        end = text[at + len(begin)]
        if (end == last or (term.open and end.startswith(last))) and text[at : at + len(begin)] == begin:
            return True
    return False


def text_matches(data: Any, search: Any) -> int:
    """As a function of SQL: it never fails."""
    try:
        return int(matches(_search(search), decode(data)))
    except (msgspec.MsgspecError, RecursionError, TypeError):
        return 0


FUNCTIONS: dict[str, Callable[..., Any]] = {"text_matches": text_matches}


def scanned(search: Search, bind: Params) -> str:
    """The condition that reads the document itself."""
    return f"text_matches(data, {bind(to_text(search))}) = 1"


def scanned_in(fields: Sequence[str]) -> Callable[[Search, Params], str]:
    """The same, with the fields that an app has declared."""
    return lambda search, bind: scanned(within(search, fields), bind)


def within(search: Search, fields: Sequence[str]) -> Search:
    return search if search.fields else search._replace(fields=tuple(fields))


def _wrong(message: str) -> FaztError:
    return FaztError("INVALID_ARGUMENT", f"query: $text {message}.", field="query", operator="$text")


def _too_many(what: str, most: int) -> FaztError:
    return FaztError("LIMIT_EXCEEDED", f"query: $text may have {most} {what}.", field="query", most=most)
