"""Tables and statements as declarations."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.base.tables import (
    MINE,
    STATEMENTS,
    TABLES,
    Append,
    Patch,
    Read,
    Remove,
    Sweep,
    Table,
    expand,
    room_of,
)

NOTES = Table("decl_notes", ("id", "text"), key=("id",))
NODES = Table("decl_nodes", ("id", "text", "created_at"), key=("id",), scope="node")
MY_NOTES = f"(select id, text from decl_notes where {MINE})"
ELSEWHERE = {"Append": Append, "Patch": Patch, "Read": Read, "Remove": Remove, "Sweep": Sweep, "Table": Table}


def in_module(name: str, expression: str) -> Any:
    """The value of a declaration that stands in another module."""
    return eval(expression, {**ELSEWHERE, "__name__": name, "NOTES": NOTES, "NODES": NODES})  # noqa: S307


def test_a_macro_becomes_the_callers_rows_of_an_app_table_and_all_rows_of_a_node_table() -> None:
    assert NOTES.rows("decl_notes") == MY_NOTES
    assert NODES.rows("decl_nodes") == "decl_nodes"
    assert (
        Read("select text from {decl_notes} n where n.id = :id").sql
        == f"select text from {MY_NOTES} n where n.id = :id"
    )
    assert expand("{decl_notes} {decl_nodes}", lambda table: "p_" + table.name) == (
        f"(select id, text from p_decl_notes where {MINE}) p_decl_nodes"
    )


@pytest.mark.parametrize(
    ("declare", "sql"),
    [
        (
            lambda: Patch(NOTES, set="text = :text", where="id = :id or 1"),
            f"update decl_notes set text = :text where {MINE} and (id = :id or 1)",
        ),
        (lambda: Remove(NOTES, where="id = :id or 1"), f"delete from decl_notes where {MINE} and (id = :id or 1)"),
        (
            lambda: Remove(NOTES, where="id = :id", returning="text"),
            f"delete from decl_notes where {MINE} and (id = :id) returning text",
        ),
        (
            lambda: Remove(NOTES, where="id in (select id from {decl_notes})"),
            f"delete from decl_notes where {MINE} and (id in (select id from {MY_NOTES}))",
        ),
        (
            lambda: Patch(NODES, set="text = :text", where="id = :id"),
            "update decl_nodes set text = :text where (id = :id)",
        ),
        (lambda: Sweep(NOTES, due="text"), "delete from decl_notes where text <= :until"),
    ],
)
def test_changes_put_the_scope_before_their_condition(declare: Any, sql: str) -> None:
    assert declare().sql == sql


@pytest.mark.parametrize("written", ["'{}'", "json('{}')"])
def test_an_empty_object_in_a_patch_stays_an_empty_object(written: str) -> None:
    assert Patch(NOTES, set=f"text = {written}", where="id = :id").sql.startswith(
        f"update decl_notes set text = {written} where"
    )


def test_every_statement_is_remembered_and_can_be_written_for_other_names() -> None:
    made = Read("select id from {decl_notes}")
    assert made in STATEMENTS
    assert made.tables == (NOTES,)
    assert made.render(lambda table: "t_9f") == f"select id from (select id, text from t_9f where {MINE})"


@pytest.mark.parametrize("template", ["select 1", "select text from decl_notes", "select * from sqlite_schema"])
def test_a_read_without_a_macro_is_refused(template: str) -> None:
    with pytest.raises(TypeError, match="has no scope"):
        Read(template)


def test_a_read_of_an_unknown_table_is_refused() -> None:
    with pytest.raises(TypeError, match="no table called nowhere"):
        Read("select 1 from {nowhere}")


@pytest.mark.parametrize(
    "expression",
    [
        "Read('select id from {decl_notes} where app_id = :app')",
        "Read('select id from {decl_notes} where :user = 1')",
        "Patch(NOTES, set='text = :app', where='1')",
        "Remove(NOTES, where='user_id = :user')",
        "Remove(NOTES, where='1', returning=':app')",
    ],
)
def test_app_and_user_are_bound_by_the_store_and_may_not_stand_in_a_statement(expression: str) -> None:
    with pytest.raises(TypeError, match="bound by the store"):
        in_module("scratch.room.a", expression)


def test_longer_names_that_only_begin_like_the_reserved_ones_are_free() -> None:
    assert ":application" in Read("select id from {decl_notes} where text = :application or text = :user_name").sql


@pytest.mark.parametrize(
    "expression",
    [
        "Read('select id from {decl_nodes}')",
        "Read('select id from {decl_notes} where id in (select id from {decl_nodes})')",
        "Patch(NODES, set='text = 1', where='1')",
        "Patch(NOTES, set='text = (select text from {decl_nodes})', where='1')",
        "Remove(NODES, where='1')",
        "Remove(NOTES, where='id in (select id from {decl_nodes})')",
        "Remove(NOTES, where='1', returning='(select text from {decl_nodes})')",
        "Patch(NOTES, set='text = 1', where='1', returning='(select text from {decl_nodes})')",
        "Append('insert into {decl_nodes} (id) select 1')",
    ],
)
def test_a_node_table_is_out_of_reach_of_every_other_room(expression: str) -> None:
    with pytest.raises(TypeError, match="may not name decl_nodes"):
        in_module("scratch.room.a", expression)


@pytest.mark.parametrize("table", ["NODES", "NOTES"])
def test_a_sweep_stands_in_the_room_of_its_table(table: str) -> None:
    with pytest.raises(TypeError, match="may not"):
        in_module("scratch.room.a", f"Sweep({table}, due='created_at')")


def test_another_room_may_name_app_tables_because_their_rows_are_the_callers() -> None:
    made = in_module("scratch.room.a", "Read('select id from {decl_notes}')")
    assert made.module == "scratch.room.a"


def test_a_refused_statement_is_not_remembered() -> None:
    before = len(STATEMENTS)
    with pytest.raises(TypeError):
        in_module("scratch.room.a", "Read('select id from {decl_nodes}')")
    assert len(STATEMENTS) == before


def test_an_append_writes_into_node_tables_only() -> None:
    assert Append("insert into {decl_nodes} (id) select :id").sql == "insert into decl_nodes (id) select :id"
    with pytest.raises(TypeError, match="store's own verbs"):
        Append("insert into {decl_notes} (id) values (:id)")


def test_a_table_of_one_name_is_declared_by_one_module_only() -> None:
    in_module("scratch.room.a", "Table('decl_once', ('id',), key=('id',))")
    with pytest.raises(TypeError, match=r"already declared by scratch\.room\.a"):
        in_module("scratch.room.b", "Table('decl_once', ('id',), key=('id',))")
    assert TABLES["decl_once"].module == "scratch.room.a"


@pytest.mark.parametrize("column", ["app_id", "user_id"])
def test_an_app_table_does_not_list_the_columns_of_its_scope_as_values(column: str) -> None:
    with pytest.raises(TypeError):
        in_module("scratch.room.c", f"Table('decl_own_{column}', ('id', '{column}'), key=('id',))")


@pytest.mark.parametrize(
    ("module", "room"),
    [("kernel.data.kv", "kernel.data"), ("kernel.data", "kernel.data"), ("services.forms.api", "services.forms")],
)
def test_a_room_is_the_first_two_words_of_a_module(module: str, room: str) -> None:
    assert room_of(module) == room


def test_fillings_are_remembered_but_not_long_ones() -> None:
    read = Read("select text from {decl_notes} where [which]")
    assert read.filled(which="id = 1") is read.filled(which="id = 1")
    long = " or ".join(f"id = {n}" for n in range(2000))
    assert read.filled(which=long) is not read.filled(which=long)
    assert read.filled(which=long).sql == f"select text from {MY_NOTES} where {long}"
