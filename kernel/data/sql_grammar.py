"""SQL as apps write it: taken apart, bound to the app's own tables, and written anew.

Nothing of the text goes to SQLite as it came: what is not understood is refused, and what runs is made from the tree.
`kernel/storage/confined.py` confines what runs once more, without a look at any of this.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import NamedTuple

from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from kernel.base.errors import FaztError
from kernel.storage.confined_words import CTE, FUNCTIONS, MAPPED, TABLE_FUNCTIONS, physical

MOST_TEXT, MOST_TOKENS, MOST_DEPTH, MOST_TABLES = 64 << 10, 10_000, 40, 200
_SAFE_NAME = re.compile(r"\w[\w$ .:()*,-]{0,99}")
_CATALOGUE = re.compile(r"(sqlite|pragma|fts\d?|dbstat|rtree|temp|rd)_", re.IGNORECASE)
_NESTED = (exp.Insert, exp.Update, exp.Delete, exp.Command, exp.DDL, exp.Into, exp.Lateral, exp.Semicolon)
# the parser falls back to a kind of statement that is refused here anyway, and would say so in the log
logging.getLogger("sqlglot").setLevel(logging.ERROR)


class _Parser(SQLite.Parser):  # type: ignore[misc, valid-type]
    """Functions stay what they are called, and so do joins and paths: SQLite gives them their meaning."""

    FUNCTIONS: dict[str, object] = {}
    FUNCTION_PARSERS = {"CAST": SQLite.Parser.FUNCTION_PARSERS["CAST"]}
    NO_PAREN_FUNCTION_PARSERS = {"CASE": SQLite.Parser.NO_PAREN_FUNCTION_PARSERS["CASE"]}
    JOINS_HAVE_EQUAL_PRECEDENCE = False
    COLUMN_OPERATORS = {
        **SQLite.Parser.COLUMN_OPERATORS,
        TokenType.ARROW: lambda self, this, path: exp.JSONExtract(this=this, expression=path),
        TokenType.DARROW: lambda self, this, path: exp.JSONExtractScalar(this=this, expression=path),
    }


class _Dialect(SQLite):
    Parser = _Parser


_DIALECT = _Dialect()


class Statement(NamedTuple):
    """A statement that may run: `sql` names the app's tables by the names they have in the file."""

    sql: str
    kind: str  # select | insert | update | delete
    returning: bool
    names: frozenset[str]  # of the parameters; `_1`, `_2` … stand for question marks
    tables: frozenset[str]


def forbidden(message: str, hint: str | None = None) -> FaztError:
    return FaztError("FORBIDDEN_SQL", message, hint)


def wrong(message: str, hint: str | None = None) -> FaztError:
    return FaztError("INVALID_ARGUMENT", message, hint, field="sql")


def understood(app: str, tables: frozenset[str], text: str) -> Statement:
    """The statement an app's text stands for. It depends on nothing but the names of the app's tables."""
    tokens = _tokens(text)
    text = _named_marks(text, tokens)
    if tokens[0].text.upper() == "REPLACE":
        text = "insert or replace" + text[tokens[0].end + 1 :]
    try:
        trees = _DIALECT.parse(text)
        if len(trees) != 1 or trees[0] is None:
            raise forbidden("One statement at a time.", "Send the others one by one.")
        return _bound(trees[0], app, tables)
    except RecursionError:
        raise wrong("The statement is nested too deep.") from None
    except SqlglotError as error:
        raise wrong(f"The statement cannot be read{_place(error)}.") from None


def _tokens(text: str) -> list[Token]:
    if len(text) > MOST_TEXT:
        raise FaztError("LIMIT_EXCEEDED", f"sql: a statement may have {MOST_TEXT} characters.", field="sql")
    if "\0" in text:
        raise wrong("The statement holds a NUL character.")
    try:
        tokens: list[Token] = _DIALECT.tokenize(text)
    except SqlglotError:
        raise wrong("The statement cannot be read: a text or a comment does not end.") from None
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise wrong("There is no statement.")
    if len(tokens) > MOST_TOKENS:
        raise FaztError("LIMIT_EXCEEDED", f"sql: a statement may have {MOST_TOKENS} words and signs.", field="sql")
    depth = 0
    for token in tokens:
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if depth > MOST_DEPTH:
            raise wrong(f"The statement has more than {MOST_DEPTH} brackets in brackets.")
    if tokens[0].token_type in (TokenType.PRAGMA, TokenType.ATTACH, TokenType.DETACH, TokenType.COMMAND):
        raise forbidden(f"{_shown(tokens[0].text.upper())} is not offered here.", _OFFERED)
    return tokens


def _named_marks(text: str, tokens: list[Token]) -> str:
    """Question marks become names: they keep their order however the statement is written."""
    made, done, count = [], 0, 0
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if (token.token_type == TokenType.VAR and token.text[0] in "$@") or token.token_type == TokenType.PARAMETER:
            raise wrong("Parameters are written ? or :name.")
        if token.token_type == TokenType.COLON and after and after.text.startswith("_"):
            raise wrong("The name of a parameter begins with a letter.")
        if token.token_type != TokenType.PLACEHOLDER:
            continue
        if after and after.token_type == TokenType.NUMBER and after.start == token.end + 1:
            raise wrong("Parameters are written ? or :name.", "Instead of ?1 write :name.")
        count += 1
        made += [text[done : token.start], f":_{count} "]
        done = token.end + 1
    return "".join([*made, text[done:]])


_OFFERED = "SELECT, INSERT, UPDATE and DELETE are; tables are made with rd.define."


def _bound(tree: exp.Expr, app: str, tables: frozenset[str]) -> Statement:
    kind = _kind(tree)
    if any(node is not tree for node in tree.find_all(*_NESTED)):
        raise forbidden("A change may not stand within another statement.")
    if str(tree.args.get("alternative") or "").upper() == "ROLLBACK":
        raise forbidden("OR ROLLBACK is not offered here.", "Use OR ABORT.")
    target = _target(tree) if kind != "select" else None
    if isinstance(target, exp.Table):
        _unqualify(tree, target)
    used = set()
    nodes = list(tree.find_all(exp.Table))
    weights: dict[int, int] = {}
    if _weight(tree, weights) > MOST_TABLES:
        raise FaztError("LIMIT_EXCEEDED", f"sql: a statement may read {MOST_TABLES} tables in all.", field="sql")
    for node in nodes:
        used.add(_bind(node, node is target, app, tables))
    _rename_ctes(tree)
    names = set()
    for found in tree.walk():
        if isinstance(found, exp.Placeholder):
            names.add(found.name)
        elif isinstance(found, exp.Anonymous):
            _function(found)
        elif isinstance(found, exp.In) and found.args.get("field") is not None:
            raise forbidden("IN takes a list or a SELECT in brackets.", "Write IN (SELECT … FROM …).")
        elif isinstance(found, exp.Column) and (found.args.get("db") or found.args.get("catalog")):
            raise forbidden("A column is named by its table at most.")
    made = _DIALECT.generate(tree, comments=False, normalize_functions=False)
    returning = tree.args.get("returning") is not None
    return Statement(made, kind, returning, frozenset(names), frozenset(used - {""}))


def _kind(tree: exp.Expr) -> str:
    if isinstance(tree, exp.Select | exp.SetOperation | exp.Values):
        return "select"
    for kind, name in ((exp.Insert, "insert"), (exp.Update, "update"), (exp.Delete, "delete")):
        if isinstance(tree, kind):
            return name
    raise forbidden("This kind of statement is not offered here.", _OFFERED)


def _target(tree: exp.Expr) -> exp.Table:
    """The table that a statement changes."""
    found = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(found, exp.Table) or tree.args.get("tables"):
        raise forbidden("One table is changed at a time.")
    return found


def _unqualify(tree: exp.Expr, target: exp.Table) -> None:
    """RETURNING knows the changed table by the name it has in the file only: its columns need none."""
    mine = {target.name.lower(), target.alias.lower()}
    for column in (tree.args.get("returning") or exp.Null()).find_all(exp.Column):
        if column.table.lower() in mine and column.find_ancestor(exp.Query) is None:
            column.set("table", None)


def _ctes(node: exp.Expr) -> Iterator[exp.CTE]:
    clause = node.args.get("with_")
    if clause is not None:
        yield from clause.expressions


def _cte_of(node: exp.Table) -> exp.CTE | None:
    """The WITH clause's query that a name means, if it means one."""
    above: exp.Expr | None = node.parent
    while above is not None:
        for cte in _ctes(above):
            if cte.alias.lower() == node.name.lower():
                return cte
        above = above.parent
    return None


def _weight(node: exp.Expr, known: dict[int, int]) -> int:
    """How many tables are read in all: what a WITH clause names is worked out wherever it is named."""
    weight = 0
    for table in node.find_all(exp.Table):
        cte = _cte_of(table) if isinstance(table.this, exp.Identifier) else None
        if cte is None:
            weight += 1
        elif id(cte) not in known:
            known[id(cte)] = 1  # one that names itself, meanwhile
            known[id(cte)] = 1 + _weight(cte.this, known)
            weight += known[id(cte)]
        else:
            weight += known[id(cte)]
        if weight > MOST_TABLES:
            break
    return weight


def _bind(node: exp.Table, changed: bool, app: str, tables: frozenset[str]) -> str:
    """Let a name in the statement mean the app's table, and nothing else. The table's name in the file, or ''."""
    if node.args.get("db") or node.args.get("catalog"):
        raise forbidden("A table is named without a database.", "Leave out what stands before the dot.")
    if isinstance(node.this, exp.Anonymous):
        if node.this.name.lower() not in TABLE_FUNCTIONS or changed:
            raise forbidden(
                f"The table {_shown(node.this.name)}(…) is not offered here.", "json_each and json_tree are."
            )
        return ""
    if not isinstance(node.this, exp.Identifier):
        raise forbidden("A table is named by its name.")
    name = node.name
    found = "" if not changed and _cte_of(node) is not None else name.lower()
    if found and found not in tables:
        if _CATALOGUE.match(name):
            raise forbidden(f"The table {_shown(name)} is not the app's.", "An app sees the tables it has defined.")
        raise wrong(f"There is no table called {_shown(name)}.", "Make it with rd.define, or `fazt rd define`.")
    if not node.alias:
        node.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
    node.set("this", exp.to_identifier(physical(app, found) if found else CTE + name.lower(), quoted=True))
    return physical(app, found) if found else ""


def _rename_ctes(tree: exp.Expr) -> None:
    for cte in tree.find_all(exp.CTE):
        if not isinstance(cte.this, exp.Query | exp.Values):
            raise forbidden("WITH names queries only.")
        cte.args["alias"].set("this", exp.to_identifier(CTE + cte.alias.lower(), quoted=True))


def _function(found: exp.Anonymous) -> None:
    name = found.name.lower()
    if isinstance(found.parent, exp.Table):
        return
    if name in MAPPED:
        found.set("this", MAPPED[name])
    elif name not in FUNCTIONS or isinstance(found.this, exp.Identifier):
        raise forbidden(f"The function {_shown(found.name)} is not offered here.")


def _place(error: SqlglotError) -> str:
    found = (getattr(error, "errors", None) or [{}])[0]
    return f" at line {found['line']}, column {found['col']}" if found.get("line") else ""


def _shown(name: str) -> str:
    return name if _SAFE_NAME.fullmatch(name) else ascii(name[:40])
