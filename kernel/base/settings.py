"""The typed registry of settings: what may be configured, within which range, and what holds now.

A setting is declared where it is used: `PORT = Setting("net.port", int, 4698, "…", least=1, most=65535)`.
Values changed by the owner live in the data file; a flag of the command line goes over them for one run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kernel.base.errors import FaztError, invalid
from kernel.base.text import check_line, nearest
from kernel.base.units import parse_duration, parse_size


class Setting:
    """One declared setting. `kind` is int, float, bool, str, or the unit functions' names "duration" and "size"."""

    def __init__(
        self,
        name: str,
        kind: type | str,
        default: Any,
        doc: str,
        *,
        least: float | None = None,
        most: float | None = None,
        choices: tuple[str, ...] = (),
        check: Callable[[Any], Any] | None = None,
        hard: bool = False,
        sealed: bool = False,
    ) -> None:
        self.name, self.kind, self.doc = name, kind, doc
        self.least, self.most, self.choices, self.check = least, most, choices, check
        # `hard`: what is beyond the range has no meaning, so nothing forces it
        self.hard = hard
        # `sealed`: its value is a secret of the node; what holds here is only whether it is set
        self.sealed = sealed
        self.default = None if default is None else self._typed(default)

    @property
    def kind_name(self) -> str:
        return self.kind if isinstance(self.kind, str) else self.kind.__name__

    def parse(self, value: Any, force: bool = False) -> Any:
        try:
            parsed = self._typed(value)
            if self.check:
                parsed = self.check(parsed)
        except ValueError as error:
            raise invalid("value", f"{self.name} {error}", setting=self.name) from None
        if self.choices and parsed not in self.choices:
            raise invalid("value", f"{self.name} must be one of {', '.join(self.choices)}", setting=self.name)
        low = self.least is not None and parsed < self.least
        high = self.most is not None and parsed > self.most
        if (low or high) and (self.hard or not force):
            raise FaztError(
                "VALIDATION_FAILED",
                f"{self.name} must be between {self.least} and {self.most}.",
                None if self.hard else "Add --force if you know what you are doing.",
                field="value",
                setting=self.name,
            )
        return parsed

    def _typed(self, value: Any) -> Any:
        if self.kind == "duration":
            return parse_duration(value)
        if self.kind == "size":
            return parse_size(value)
        if self.kind is str:
            return check_line(value, 4096)
        if self.kind is bool:
            return self._truth(value)
        number = self.kind
        assert isinstance(number, type)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("must be a number")
        what = "must be a whole number" if number is int else "must be a number"
        if isinstance(value, str) and not re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", value):
            raise ValueError(what)
        try:
            parsed = number(value)
        except (ValueError, OverflowError):
            raise ValueError(what) from None
        cut = number is int and isinstance(value, float) and parsed != value
        if parsed != parsed or abs(parsed) >= 1 << 53 or cut:
            raise ValueError(what)
        return parsed

    @staticmethod
    def _truth(value: Any) -> bool:
        if isinstance(value, bool):
            return value
        words = {
            "true": True,
            "yes": True,
            "on": True,
            "1": True,
            "false": False,
            "no": False,
            "off": False,
            "0": False,
        }
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        raise ValueError("must be true or false")


class Settings:
    """The values that hold: overrides of this run, else what the owner set, else the default."""

    def __init__(self, declared: Iterable[Setting]) -> None:
        self.declared = {setting.name: setting for setting in declared}
        self._stored: dict[str, Any] = {}
        self._overrides: dict[str, Any] = {}
        self.changes = 0  # grows with each change of what holds

    def find(self, name: str) -> Setting:
        setting = self.declared.get(name)
        if setting is None:
            close = nearest(name, self.declared)
            hint = f"Did you mean {close}?" if close else "`fazt config list` shows all of them."
            raise FaztError("NOT_FOUND", f"There is no setting {name}.", hint, setting=name)
        return setting

    def __getitem__(self, name: str) -> Any:
        if name in self._overrides:
            return self._overrides[name]
        if name in self._stored:
            return self._stored[name]
        return self.declared[name].default

    def is_set(self, name: str) -> bool:
        return name in self._stored

    def load(self, stored: Mapping[str, Any]) -> None:
        """Take the stored values; one that an older or newer program wrote and this one refuses is left out."""
        for name, value in stored.items():
            if name in self.declared:
                self.changes += 1
                try:
                    self._stored[name] = self.declared[name].parse(value, force=True)
                except FaztError:
                    continue

    def apply(self, name: str, value: Any) -> None:
        self.changes += 1
        self._stored[name] = value

    def forget(self, name: str) -> None:
        self.changes += 1
        self._stored.pop(name, None)

    def override(self, name: str, value: Any) -> None:
        if value is not None:
            self.changes += 1
            self._overrides[name] = self.find(name).parse(value)
