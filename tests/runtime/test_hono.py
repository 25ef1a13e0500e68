"""A Hono app from npm, deployed as it is, answers as it does under node."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime import alike
from tests.runtime.apps import SAMPLES, Apps
from tests.runtime.hono_requests import Asked, requests
from tests.runtime.npm import PLAIN, bundled, installed, node

SOURCE = SAMPLES / "hono"
NODE_SIDE = Path(__file__).resolve().parent / "node"
ASKED = requests()


@pytest.fixture(scope="module")
def under_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port on which node serves the app."""
    made = tmp_path_factory.mktemp("node")
    ways = ("--format=esm", "--platform=node", "--target=node20")
    app = bundled(installed(SOURCE), SOURCE / "api" / "main.ts", made / "app.mjs", *ways)
    server = bundled(installed(NODE_SIDE), NODE_SIDE / "serve.mjs", made / "serve.mjs", *ways)
    process = subprocess.Popen([node(), server, app], stdout=subprocess.PIPE, env=PLAIN, text=True)
    try:
        assert process.stdout
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def deployed(apps: Apps, tmp_path_factory: pytest.TempPathFactory) -> Apps:
    """The project as its author has it after `npm ci`."""
    project = tmp_path_factory.mktemp("project") / "hono"
    shutil.copytree(SOURCE, project)
    shutil.copytree(installed(SOURCE) / "node_modules", project / "node_modules", symlinks=True)
    apps.deploy("hono", project)
    return apps


def test_there_is_enough_to_ask() -> None:
    assert len(ASKED) >= 100


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name[:80])
def test_the_answer_is_that_of_node(deployed: Apps, under_node: int, asked: Asked) -> None:
    host = f"{deployed.host('hono')}:{deployed.node.port}"
    ours = alike.ask(deployed.node.port, host, asked)
    theirs = alike.ask(under_node, host, asked)
    assert alike.differences(ours, theirs) == []
