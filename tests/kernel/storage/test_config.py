"""Settings kept in the file."""

from __future__ import annotations

from typing import Any

import pytest

from fazt.boot import Node
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.storage import config
from kernel.syscall.call import LOCAL
from kernel.syscall.plan import Step
from tests.support import Running

KEYS = "limits.storage.kv.maxKeysPerApp"


async def config_set(running: Running, setting: str, value: Any, **how: Any) -> Any:
    entry = running.node.registry["config.set"]
    call = running.node.caller.call(entry, LOCAL, "cli", None)
    return await running.node.driver.invoke(entry, call, {"name": setting, "value": value, **how})


async def test_a_setting_that_was_changed_holds_at_once_and_after_a_restart(running: Running) -> None:
    shown = await config_set(running, "node.name", "my node")
    assert (shown.value, shown.default, shown.set) == ("my node", "fazt", True)
    assert running.node.settings["node.name"] == "my node"
    kept = running.node.store.rows(config.STORED)
    assert ("node.name", '"my node"') in kept
    again = Node(running.node.path, clock=ManualClock())
    assert again.settings["node.name"] == "my node"
    again.close()


async def test_a_setting_goes_back_to_its_default(running: Running) -> None:
    await config_set(running, KEYS, 5)
    assert (await running.ask("DELETE", f"/api/config/{KEYS}", key="*")).status == 204
    assert running.node.settings[KEYS] == 100_000
    assert (await running.ask("DELETE", f"/api/config/{KEYS}", key="*")).code == "NOT_FOUND"


async def test_a_change_that_was_not_written_does_not_hold(running: Running) -> None:
    running.node.store.writer.connection.set_commit_hook(lambda: True)
    with pytest.raises(Exception):  # noqa: B017 - how a refused COMMIT looks is the writer's affair
        await config_set(running, "node.name", "my node")
    running.node.store.writer.connection.set_commit_hook(None)
    assert running.node.settings["node.name"] == "fazt"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        (KEYS, -1, "VALIDATION_FAILED"),
        (KEYS, "many", "VALIDATION_FAILED"),
        (KEYS, None, "VALIDATION_FAILED"),
        (KEYS, [], "VALIDATION_FAILED"),
        ("node.name", None, "VALIDATION_FAILED"),
        ("node.name", "a\nb", "VALIDATION_FAILED"),
        ("net.port", 65_536, "VALIDATION_FAILED"),
        ("net.domain", "127.0.0.1", "VALIDATION_FAILED"),
        ("no.such", 1, "NOT_FOUND"),
    ],
)
async def test_a_value_that_is_refused_changes_nothing(running: Running, name: str, value: Any, code: str) -> None:
    before = running.content()
    refused = await running.ask("PUT", f"/api/config/{name}", key="*", body={"value": value})
    assert (refused.code, refused.status) == (code, 404 if code == "NOT_FOUND" else 400)
    assert {**running.content(), "api_keys": 0} == {**before, "api_keys": 0}


async def test_force_goes_beyond_the_range_and_nothing_breaks_by_it(running: Running) -> None:
    await running.run("apps.create", slug="shop")
    for value in (20_000_000, 2**63 - 1, 2**63, 2**70):
        try:
            await config_set(running, KEYS, value, force=True)
        except FaztError as refused:
            assert refused.code == "VALIDATION_FAILED"
        assert (await running.run("storage.kv.set", app="shop", key="a", value=1)).key == "a"


@pytest.mark.parametrize("stored", ['"many"', "null", "[]", "not json", '{"a":1}'])
async def test_what_another_version_stored_does_not_stop_the_start(running: Running, stored: str) -> None:
    put = "insert into config (name, value, updated_at, created_at) values (:name, :value, 1, 1)"
    for name in (KEYS, "later.setting"):
        running.node.store.write_blocking([Step(put, {"name": name, "value": stored})])
    again = Node(running.node.path, clock=ManualClock())
    assert again.settings[KEYS] == 100_000
    again.close()


async def test_all_settings_are_listed_in_order_with_their_meaning(running: Running) -> None:
    listed = (await running.ask("GET", "/api/config", key="*")).data
    assert [one["name"] for one in listed] == sorted(running.node.settings.declared)
    for one in listed:
        assert one["doc"].endswith(".")
        assert one["set"] is False
    assert (await running.ask("GET", "/api/config/net.port", key="*")).data["type"] == "int"
    missed = await running.ask("GET", "/api/config/net.prot", key="*")
    assert "net.port" in missed.json["error"]["hint"]


async def test_limits_are_settings_by_their_short_name(running: Running) -> None:
    changed = await running.ask("PUT", "/api/system/limits/storage.kv.maxKeysPerApp", key="*", body={"value": 5})
    assert changed.data["name"] == KEYS
    shown = (await running.ask("GET", "/api/system/limits?prefix=storage.kv", key="read")).data
    assert shown["storage.kv.maxKeysPerApp"]["value"] == 5
    assert all(name.startswith("storage.kv") for name in shown)
    assert (await running.ask("PUT", "/api/system/limits/net.port", key="*", body={"value": 5})).code == "NOT_FOUND"


@pytest.mark.parametrize("path", [f"/api/config/{KEYS}", "/api/system/limits/storage.kv.maxKeysPerApp"])
async def test_beyond_its_range_a_limit_is_set_only_by_force(running: Running, path: str) -> None:
    refused = await running.ask("PUT", path, key="*", body={"value": 20_000_000})
    assert (refused.code, running.node.settings[KEYS]) == ("VALIDATION_FAILED", 100_000)
    assert (await running.ask("PUT", path, key="*", body={"value": 20_000_000, "force": True})).status == 200
    assert running.node.settings[KEYS] == 20_000_000


@pytest.mark.parametrize(
    ("words", "value"), [("2024", "2024"), ("true", "true"), ("null", "null"), ("my node", "my node")]
)
async def test_a_text_setting_takes_any_word_from_a_terminal(running: Running, words: str, value: str) -> None:
    body = {"command": "config", "args": ["set", "node.name", words]}
    done = (await running.ask("POST", "/api/cmd", key="*", body=body)).data
    assert done["success"], done
    assert done["data"]["value"] == value


@pytest.mark.parametrize("change", ["config.set", "limits.set", "config.unset"])
async def test_every_change_of_a_setting_is_in_the_ledger(running: Running, change: str) -> None:
    await config_set(running, KEYS, 5)
    running.clock.advance(1)
    values = {} if change == "config.unset" else {"value": 6}
    entry = running.node.registry[change]
    call = running.node.caller.call(entry, LOCAL, "cli", None)
    await running.node.driver.invoke(entry, call, {"name": KEYS, **values})
    (first, *_) = (await running.run("audit.list")).items
    assert (first.action, first.resource, first.result) == (change, KEYS, "ok")
