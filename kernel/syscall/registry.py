"""All capabilities of a node, by name and number, with their adapters made once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from kernel.syscall import adapt
from kernel.syscall.declare import Declaration


class Entry:
    """A declaration with its number and, once a door asked for them, its adapters."""

    def __init__(self, declared: Declaration, number: int) -> None:
        self.declared, self.number = declared, number
        self._named: adapt.Named | None = None
        self._javascript: Any = None

    @property
    def named(self) -> adapt.Named:
        if self._named is None:
            self._named = adapt.for_names(self.declared, self.number)
        return self._named

    @property
    def javascript(self) -> Any:
        if self._javascript is None:
            self._javascript = adapt.for_javascript(self.declared, self.number)
        return self._javascript


class Registry:
    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._by_name: dict[str, Entry] = {}

    def add(self, declared: Declaration) -> Entry:
        for name in (declared.name, *declared.alias):
            if name in self._by_name:
                raise TypeError(f"{name} is declared twice: {declared.module} and {self[name].declared.module}")
        self._refuse_clash(declared)
        entry = Entry(declared, len(self.entries))
        self.entries.append(entry)
        for name in (declared.name, *declared.alias):
            self._by_name[name] = entry
        return entry

    def add_module(self, module: ModuleType) -> None:
        for declared in declarations(module):
            self.add(declared)

    def _refuse_clash(self, declared: Declaration) -> None:
        for entry in self.entries:
            other = entry.declared
            for door in ("command", "address", "JavaScript path", "tool"):
                if _clash(door, declared, other):
                    raise TypeError(f"{declared.name} and {other.name} have the same {door}")

    def __getitem__(self, name: str) -> Entry:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def declared(self) -> list[Declaration]:
        return [entry.declared for entry in self.entries]

    def meter(self) -> list[int]:
        return [0] * len(self.entries)


def declarations(module: ModuleType) -> Iterable[Declaration]:
    """The syscalls a module itself declares, in the order they stand there."""
    for value in vars(module).values():
        declared = getattr(value, "syscall", None)
        if isinstance(declared, Declaration) and declared.module == module.__name__:
            yield declared


def _clash(door: str, one: Declaration, other: Declaration) -> bool:
    """Could this door not tell the two apart?"""
    if door == "command":
        # a command cannot be a group of commands as well
        shorter, longer = sorted((one.cli_words, other.cli_words), key=len)
        return bool(shorter) and longer[: len(shorter)] == shorter
    if door == "address":
        return bool(one.route and other.route and one.route.shape == other.route.shape)
    if door == "JavaScript path":
        return bool({one.js, *one.alias} & {other.js, *other.alias} - {None})
    return one.tool == other.tool
