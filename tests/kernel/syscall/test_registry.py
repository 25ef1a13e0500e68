"""All capabilities of a node."""

from __future__ import annotations

import types
from typing import Any

import pytest

from kernel.syscall import Call, Key, Registry
from kernel.syscall.declare import Declaration, syscall
from kernel.syscall.registry import declarations


def one(call: Call, id: Key = Key("")) -> None:
    """Do it."""


def declare(name: str, **words: Any) -> Declaration:
    return Declaration(name, one, **words)


def test_capabilities_are_found_by_name_and_alias_and_numbered_in_order() -> None:
    registry = Registry()
    first, second = registry.add(declare("a.one", alias=("old.one",))), registry.add(declare("a.two"))
    assert (first.number, second.number, len(registry)) == (0, 1, 2)
    assert registry["a.one"] is registry["old.one"] is first
    assert "old.one" in registry
    assert "a.three" not in registry
    assert list(registry) == [first, second]
    assert [d.name for d in registry.declared] == ["a.one", "a.two"]
    assert registry.meter() == [0, 0]


def test_adapters_are_made_once() -> None:
    entry = Registry().add(declare("a.one"))
    assert entry.named is entry.named
    assert entry.javascript is entry.javascript


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"name": "a.b"}, {"name": "a.b"}),
        ({"name": "a.b"}, {"name": "c.d", "alias": ("a.b",)}),
        ({"name": "a.b", "alias": ("c.d",)}, {"name": "c.d"}),
        ({"name": "a.b", "alias": ("x",)}, {"name": "c.d", "alias": ("x",)}),
        ({"name": "a.b", "cli": "x y"}, {"name": "c.d", "cli": "x y"}),
        ({"name": "a.b", "cli": "x y <id>"}, {"name": "c.d", "cli": "x y"}),
        ({"name": "a.b", "cli": "x"}, {"name": "c.d", "cli": "x y"}),
        ({"name": "a.b", "cli": "x y z"}, {"name": "c.d", "cli": "x y <id>"}),
        ({"name": "a.b", "http": "GET /api/x"}, {"name": "c.d", "http": "GET /api/x"}),
        ({"name": "a.b", "http": "GET /api/x/{id}"}, {"name": "c.d", "http": "GET /api/x/{id}"}),
        ({"name": "a.b"}, {"name": "c.d", "js": "a.b"}),
        ({"name": "a.b", "js": "x.y"}, {"name": "c.d", "js": "x.y"}),
        ({"name": "a.b_c"}, {"name": "a_b.c"}),
        ({"name": "a.b", "alias": ("x.y",)}, {"name": "c.d", "js": "x.y"}),
    ],
    ids=lambda words: " ".join(str(value) for value in words.values()),
)
def test_two_capabilities_that_one_door_could_not_tell_apart_are_refused(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    registry = Registry()
    registry.add(declare(**first))
    with pytest.raises(TypeError):
        registry.add(declare(**second))
    assert len(registry) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"name": "a.b", "http": "GET /api/x"}, {"name": "c.d", "http": "PUT /api/x"}),
        ({"name": "a.b", "http": "GET /api/x/{id}"}, {"name": "c.d", "http": "GET /api/x/y"}),
        ({"name": "a.b", "cli": "x y"}, {"name": "c.d", "cli": "x z"}),
        ({"name": "a.b", "js": False}, {"name": "c.d", "js": "a.b"}),
    ],
)
def test_what_every_door_can_tell_apart_may_stand_together(first: dict[str, Any], second: dict[str, Any]) -> None:
    registry = Registry()
    registry.add(declare(**first))
    registry.add(declare(**second))
    assert len(registry) == 2


def test_a_module_gives_what_it_declares_itself_in_its_own_order() -> None:
    module = types.ModuleType("scratch.module")
    source = '''
def two(call: Call) -> None:
    """Two."""
def one(call: Call) -> None:
    """One."""
two, one = syscall("m.two")(two), syscall("m.one")(one)
'''
    exec(source, vars(module) | {"Call": Call, "syscall": syscall, "__name__": "scratch.module"}, space := {})  # noqa: S102
    vars(module).update(space)
    module.borrowed = syscall("m.borrowed")(one)  # type: ignore[attr-defined]
    assert [d.name for d in declarations(module)] == ["m.two", "m.one"]
    registry = Registry()
    registry.add_module(module)
    assert [d.name for d in registry.declared] == ["m.two", "m.one"]


def test_the_registry_of_the_node_has_no_clash_and_no_alias_that_hides_a_name() -> None:
    from fazt.boot import PARTS, registry

    made = registry(PARTS)
    assert len({entry.declared.name for entry in made}) == len(made) > 30
