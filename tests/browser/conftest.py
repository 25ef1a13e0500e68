from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser import build_sites
from tests.system import harness
from tests.system.conftest import cache, fazt, machine, program, python, shared
from tests.system.harness import Done, Machine, Node

__all__ = ["cache", "fazt", "machine", "program", "python", "shared"]

HOME = "home.test"  # a domain whose names are of one site for the browser, as those of a real domain are
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # nothing outside of this machine can be reached
    f"--host-resolver-rules=MAP {HOME} 127.0.0.1, MAP *.{HOME} 127.0.0.1, MAP * ~NOTFOUND, "
    "EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",
)
PATIENCE = 20_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; ended with the module, so that its event loop is in nobody's way."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.fail("these tests need chromium or google-chrome in the path; scripts/test installs it where it may")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield opened
        opened.close()


@dataclass
class Visit:
    """A browser of a person's own: cookies, pages, and what the console said."""

    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    def note(self, complaint: str) -> None:
        if "ERR_ABORTED" not in complaint:  # the page was left before a picture had come
            self.complaints.append(complaint)

    def page(self) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda said: self.note(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.note(f"uncaught {error}"))
        page.on("requestfailed", lambda asked: self.note(f"{asked.url}: {asked.failure}"))
        return page

    def open(self, url: str) -> Page:
        page = self.page()
        page.goto(url)
        return page


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[], Visit]]:
    """A new person with a new browser, each time it is called."""
    made: list[BrowserContext] = []

    def new() -> Visit:
        made.append(browser.new_context())
        return Visit(made[-1])

    yield new
    for context in made:
        context.close()


@dataclass
class Project:
    """A folder of somebody who types commands in it."""

    machine: Machine
    folder: Path

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def fazt(self, *words: str) -> Done:
        ended = subprocess.run(
            self.machine.command(*words),
            env=self.machine.env(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=harness.PATIENCE,
        )
        return Done(ended.returncode, ended.stdout, ended.stderr)

    def deploy(self, *words: str) -> Any:
        """What a deploy that went well says to a program."""
        return self.fazt("deploy", *words, "--json").data


def at_home(machine: Machine) -> Node:
    """A node where every command looks for one when it is told nothing."""
    return machine.up(machine.home / ".fazt" / "data.db")


@pytest.fixture(scope="session")
def sites() -> Path:
    """A folder with a folder for each of the built sites."""
    return build_sites.built()
