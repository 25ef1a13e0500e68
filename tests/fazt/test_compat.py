"""Old spellings of commands."""

from __future__ import annotations

import pytest

from fazt.cli.compat import current


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("app info --id app_x", "app info app_x"),
        ("app info --alias=shop --json", "app info shop --json"),
        ("--json app info --id shop", "--json app info shop"),
        ("app info shop", "app info shop"),
        ("app info --json shop", "app info --json shop"),
        ("app remove --alias shop --with-forks", "app delete shop --with-forks"),
        ("app rename --id shop --slug store", "app rename shop --slug store"),
        ("app rename shop --slug store", "app rename shop --slug store"),
        ("app lineage --alias shop", "app lineage shop"),
        ("app fork --alias shop --as stall --no-storage", "app fork shop --alias stall --no-copy-storage"),
        ("app fork shop --as=stall", "app fork shop --alias=stall"),
        ("app fork shop --alias stall", "app fork shop --alias stall"),
        ("app fork --alias=stall -- shop", "app fork --alias=stall -- shop"),
        ("app fork shop -- --as", "app fork shop -- --as"),
        ("app link blog --id shop", "app link blog --app shop"),
        ("app link blog --app=shop", "app link blog --app=shop"),
        ("app link --app=shop -- blog", "app link --app=shop -- blog"),
        ("app list --aliases", "alias list"),
        ("app list --aliases --json --limit 5", "alias list --json --limit 5"),
        ("app list --all", "app list --all"),
        ("app info --id", "app info --id"),
        ("keys list --id x", "keys list --id x"),
        ("app", "app"),
        ("", ""),
    ],
)
def test_an_old_spelling_is_the_new_one(old: str, new: str) -> None:
    assert current(old.split()) == (new.split(), None)


def test_one_that_is_going_is_told() -> None:
    words, note = current(["server", "status"])
    assert words == ["proc", "status"]
    assert note == "`fazt server status` is now `fazt proc status`."
