"""The typed registry of settings."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.base.settings import Setting, Settings


def upper(value: str) -> str:
    if not value.isalpha():
        raise ValueError("must be letters")
    return value.upper()


COUNT = Setting("x.count", int, 3, "How many.", least=0, most=10)
RATIO = Setting("x.ratio", float, 0.5, "How much.", least=0, most=1)
ON = Setting("x.on", bool, False, "Whether.")
NAME = Setting("x.name", str, "fazt", "Who.")
WAIT = Setting("x.wait", "duration", "5m", "How long.", least=1000, most=3_600_000)
BYTES = Setting("x.bytes", "size", "1MB", "How big.", least=0, most=64 << 20)
MODE = Setting("x.mode", str, "fast", "Which way.", choices=("fast", "safe"))
LOUD = Setting("x.loud", str, "a", "Loudly.", check=upper)
ALL = (COUNT, RATIO, ON, NAME, WAIT, BYTES, MODE, LOUD)


@pytest.mark.parametrize(
    ("setting", "said", "holds"),
    [
        (COUNT, 5, 5),
        (COUNT, "5", 5),
        (COUNT, 5.0, 5),
        (COUNT, 0, 0),
        (COUNT, 10, 10),
        (RATIO, "0.25", 0.25),
        (RATIO, 1, 1.0),
        (ON, True, True),
        (ON, "yes", True),
        (ON, "OFF", False),
        (ON, "0", False),
        (NAME, "my node", "my node"),
        (NAME, "", ""),
        (WAIT, "30s", 30_000),
        (WAIT, 5000, 5000),
        (BYTES, "32MB", 32 << 20),
        (MODE, "safe", "safe"),
        (LOUD, "abc", "ABC"),
    ],
)
def test_a_value_is_read_as_the_kind_of_its_setting(setting: Setting, said: Any, holds: Any) -> None:
    assert setting.parse(said) == holds
    assert type(setting.parse(said)) is type(holds)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (COUNT, "many"),
        (COUNT, 1.5),
        (COUNT, "1.5"),
        (COUNT, True),
        (COUNT, ""),
        (COUNT, []),
        (COUNT, float("nan")),
        (COUNT, float("inf")),
        (COUNT, "9" * 5000),
        (RATIO, "nan"),
        (RATIO, {}),
        (ON, "maybe"),
        (ON, 1),
        (NAME, 5),
        (NAME, "a\nb"),
        (NAME, "x" * 4097),
        (NAME, "\ud800"),
        (WAIT, "soon"),
        (BYTES, "1XB"),
        (MODE, "slow"),
        (MODE, ""),
        (LOUD, "a1"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_what_is_not_of_the_kind_is_refused_by_name_even_by_force(setting: Setting, said: Any, force: bool) -> None:
    with pytest.raises(FaztError) as refused:
        setting.parse(said, force=force)
    assert refused.value.code == "VALIDATION_FAILED"
    assert refused.value.details == {"field": "value", "setting": setting.name}
    assert setting.name in refused.value.message


@pytest.mark.parametrize("setting", [COUNT, NAME, WAIT], ids=lambda setting: setting.name)
def test_nothing_is_no_value_of_any_setting(setting: Setting) -> None:
    with pytest.raises(FaztError, match=setting.name) as refused:
        setting.parse(None)
    assert refused.value.code == "VALIDATION_FAILED"


@pytest.mark.parametrize(
    ("setting", "beyond"), [(COUNT, -1), (COUNT, 11), (RATIO, 1.01), (WAIT, "1ms"), (WAIT, "2h"), (BYTES, "65MB")]
)
def test_beyond_its_range_a_value_is_refused_unless_forced(setting: Setting, beyond: Any) -> None:
    with pytest.raises(FaztError, match="must be between") as refused:
        setting.parse(beyond)
    assert "--force" in (refused.value.hint or "")
    assert setting.parse(beyond, force=True) is not None


@pytest.mark.parametrize("beyond", [-1, 11])
def test_nothing_forces_a_setting_beyond_a_range_that_is_hard(beyond: int) -> None:
    hard = Setting("x.hard", int, 3, "How many.", least=0, most=10, hard=True)
    for force in (False, True):
        with pytest.raises(FaztError, match="must be between") as refused:
            hard.parse(beyond, force=force)
        assert "--force" not in (refused.value.hint or "")
    assert hard.parse(10) == 10


@pytest.mark.parametrize("setting", ALL, ids=lambda setting: setting.name)
def test_the_default_of_a_setting_is_a_value_it_accepts(setting: Setting) -> None:
    assert setting.parse(setting.default) is not None
    assert Settings(ALL)[setting.name] == setting.default


def test_the_kind_is_shown_by_name() -> None:
    assert [setting.kind_name for setting in (COUNT, WAIT, BYTES)] == ["int", "duration", "size"]


def test_an_override_goes_over_what_is_stored_and_that_over_the_default() -> None:
    settings = Settings(ALL)
    settings.apply("x.count", 7)
    assert (settings["x.count"], settings.is_set("x.count")) == (7, True)
    settings.override("x.count", "9")
    assert settings["x.count"] == 9
    settings.forget("x.count")
    assert (settings["x.count"], settings.is_set("x.count")) == (9, False)
    settings.override("x.ratio", None)
    assert settings["x.ratio"] == 0.5


def test_an_override_is_checked_like_any_value() -> None:
    with pytest.raises(FaztError, match="must be between"):
        Settings(ALL).override("x.count", 11)
    with pytest.raises(FaztError, match="There is no setting"):
        Settings(ALL).override("x.cuont", 1)


def test_forgetting_what_was_never_set_is_fine() -> None:
    settings = Settings(ALL)
    settings.forget("x.count")
    assert settings["x.count"] == 3


@pytest.mark.parametrize(("name", "hint"), [("x.cuont", "Did you mean x.count?"), ("zzzz", "fazt config list")])
def test_an_unknown_setting_is_not_found_and_the_nearest_is_offered(name: str, hint: str) -> None:
    with pytest.raises(FaztError) as refused:
        Settings(ALL).find(name)
    assert refused.value.code == "NOT_FOUND"
    assert hint in (refused.value.hint or "")


@pytest.mark.parametrize(
    "garbage",
    [None, [], {}, "many", float("nan"), {"a": [1]}, "\ud800", True, b"x"],
    ids=ascii,
)
def test_a_stored_value_that_this_version_refuses_is_left_out_and_the_others_hold(garbage: Any) -> None:
    settings = Settings(ALL)
    settings.load({"x.count": garbage, "x.of_a_later_version": garbage, "x.ratio": 0.75})
    assert (settings["x.count"], settings.is_set("x.count")) == (3, False)
    assert settings["x.ratio"] == 0.75
    assert "x.of_a_later_version" not in settings.declared


def test_a_stored_value_out_of_range_holds_because_it_was_forced_once() -> None:
    settings = Settings(ALL)
    settings.load({"x.count": 99})
    assert settings["x.count"] == 99
