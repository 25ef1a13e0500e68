"""How the node is."""

from __future__ import annotations

import os

from kernel.proc.status import memory_mb
from tests.support import Running


async def test_status_says_who_the_node_is_and_how_its_parts_are(running: Running) -> None:
    await running.run("apps.create", slug="shop")
    running.clock.advance(90)
    told = (await running.ask("GET", "/api/kernel/status", key="read")).data
    assert told["node_id"].startswith("node_")
    assert (told["apps"], told["uptime_seconds"], told["pid"], told["name"]) == (1, 90, os.getpid(), "fazt")
    assert {name: part["state"] for name, part in told["subsystems"].items()} == {
        "storage": "ok",
        "security": "ok",
        "net": "ok",
        "tasks": "ok",
        "backup": "ok",
        "backup_away": "ok",
        "integrity": "ok",
    }


async def test_a_failing_task_makes_the_node_degraded_and_is_named(running: Running) -> None:
    well = (await running.ask("GET", "/api/system/health", key="read")).data
    assert (well["status"], well["runtime"]["tasks"]["activity"]["state"]) == ("ok", "ok")
    task = running.node.supervisor.tasks["activity"]
    task.in_a_row, task.error = 3, "RuntimeError: out of order"
    ill = (await running.ask("GET", "/api/system/health", key="read")).data
    assert ill["status"] == "degraded"
    assert ill["runtime"]["tasks"]["activity"]["state"] == "failing"
    told = (await running.ask("GET", "/api/kernel/status", key="read")).data
    assert told["subsystems"]["tasks"] == {"state": "failing", "detail": "activity"}


async def test_a_request_that_is_being_answered_counts_as_active(running: Running) -> None:
    told = (await running.ask("GET", "/api/system/health", key="read")).data
    assert told["runtime"]["active_requests"] == 1
    assert told["database"]["size_bytes"] > 0
    assert told["runtime"]["writes"] >= told["runtime"]["write_groups"] > 0


def test_the_memory_of_this_process_is_known() -> None:
    assert memory_mb() > 5
