"""Facts of this file that no setting changes."""

from __future__ import annotations

from pathlib import Path

from kernel.storage import facts
from kernel.storage.store import open_store


def test_a_fact_is_remembered_for_as_long_as_the_file(tmp_path: Path) -> None:
    how = {"tables": [facts.FACTS], "migrations": facts.MIGRATIONS}
    store = open_store(tmp_path / "data.db", **how)  # type: ignore[arg-type]
    assert facts.fact(store, "node.id") is None
    store.write_blocking(facts.remember(store, "node.id", "node_1").steps)
    store.write_blocking(facts.remember(store, "other", "x").steps)
    store.close()
    store = open_store(tmp_path / "data.db", **how)  # type: ignore[arg-type]
    assert (facts.fact(store, "node.id"), facts.fact(store, "other")) == ("node_1", "x")
    store.close()
