"""`fazt logs` and `fazt env` against a node that runs: what is printed, asked, escaped, and how they end."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fazt.cli import logs, main, output
from fazt.client.http import Link
from kernel.apps.env import EnvValues
from kernel.base.errors import FaztError
from tests.support import Running, running

pytestmark = pytest.mark.asyncio
Told = tuple[int, str, str]


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data.db") as made:
        await made.run("apps.create", slug="shop", title="Shop")
        await made.run("apps.create", slug="other", title="Other")
        yield made


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def fazt(node: Running, capsys: pytest.CaptureFixture[str]) -> Any:
    async def run(*words: str) -> Told:
        where = ("--server", f"http://{node.admin}:{node.site.port}", "--token", await node.key("*"))
        code = await asyncio.to_thread(main.main, [*words, *where])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def say(node: Running, message: str, level: str = "info", app: str = "shop", request: str = "") -> None:
    node.node.lines.add(node.node.caller.id_of(app), level, message, request=request)


async def test_the_last_lines_stand_last(node: Running, fazt: Any) -> None:
    for n, level in enumerate(("debug", "info", "warn", "error")):
        say(node, f"m{n}", level, request=f"req_{n}")
    say(node, "elsewhere", app="other")
    shop = node.node.caller.id_of("shop")
    code, out, err = await fazt("logs")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split()[2:] == ["debug", shop, "m0"]
    assert [line.split()[-1] for line in out.splitlines()] == ["m0", "m1", "m2", "m3", "elsewhere"]
    for words, found in {
        ("logs", "shop", "-n", "2"): ["m2", "m3"],
        ("logs", "--app", "shop", "--level", "error"): ["m3"],
        ("app", "logs", "shop", "--request", "req_1"): ["m1"],
        ("logs", "other", "--since", "1h"): ["elsewhere"],
    }.items():
        assert [line.split()[-1] for line in (await fazt(*words))[1].splitlines()] == found, words
    code, out, _ = await fazt("logs", "shop", "--json", "-n", "1")
    assert [line["message"] for line in json.loads(out)["data"]] == ["m3"]


async def test_what_is_not_there_and_what_is_not_understood(fazt: Any) -> None:
    assert await fazt("logs", "shop") == (0, "Nothing here yet.\n", "")
    assert (await fazt("logs", "nothing"))[0] == 3
    assert (await fazt("logs", "--level", "loud"))[0] == 2
    assert (await fazt("logs", "-n", "1001"))[0] == 2
    assert (await fazt("app", "logs"))[0] == 2


async def test_the_activity_log_keeps_its_old_name(fazt: Any) -> None:
    code, out, _ = await fazt("logs", "list", "--json")
    assert (code, set(json.loads(out))) == (0, {"data", "meta"})


NASTY = "\x1b[2J\x1b]0;pwned\x07 \u202egnp.exe\u2028 end\r\n2026-01-01 00:00:00.000 error app_x  faked"


async def test_a_terminal_obeys_nothing_an_app_says(monkeypatch: pytest.MonkeyPatch) -> None:
    line = {"timestamp": 0, "app": "app_x", "level": "error", "message": NASTY}
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    told = logs._told(line)
    assert told.count("\x1b") == 0
    assert "\\x1b[2J" in told
    assert "\\x202e" in told
    # no second line looks like a line of its own
    first, second = told.splitlines()
    assert first.endswith(" end\\x0d")
    assert second.startswith(" " * 20)
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "xterm")
    coloured = logs._told(line)
    assert coloured == f"\x1b[31m{told[:-1]}\x1b[0m\n"
    monkeypatch.setenv("TERM", "dumb")
    assert logs._told(line) == told
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert "\x1b[31m" not in logs._told(line)


async def test_following(node: Running, fazt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last lines, then those that come; a stream that ends is taken up where it ended; Ctrl-C is a good end."""
    say(node, "before")
    written: list[str] = []
    streams = 0

    def write(text: str) -> None:
        written.append(text.split()[-1])
        if text.endswith("before\n"):
            say(node, "first")
        elif text.endswith("first\n"):
            loop.call_soon_threadsafe(node.server.api.streams.close)
        elif text.endswith("second\n"):
            raise KeyboardInterrupt

    opened = Link.events

    def events(link: Link, path: str) -> Any:
        nonlocal streams
        streams += 1
        if streams == 2:
            assert link._idle == [], "a node that stopped hears nothing on an old connection"
            node.server.api.streams._closed = False
            say(node, "second")
        return opened(link, path)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(output, "write", write)
    monkeypatch.setattr(Link, "events", events)
    told = await fazt("logs", "shop", "-f")
    assert told[0] == 0, told
    assert written == ["before", "first", "second"]
    assert streams == 2


async def test_an_error_of_a_stream_is_an_error_of_the_command(
    node: Running, fazt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        yield next(iter(node.node.lines._ring))
        raise FaztError("SERVICE_UNAVAILABLE", "too many readers")

    say(node, "not shown")
    say(node, "said")
    node.node.lines._ring.popleft()
    monkeypatch.setattr(node.node.lines, "follow", broken)
    code, out, err = await fazt("logs", "-f", "-n", "0", "--json")
    assert (code, json.loads(out.splitlines()[0]).get("message")) == (1, "said"), (out, err)
    assert "too many readers" in err


# --- env --------------------------------------------------------------------------------------------------------------


def values(node: Running) -> dict[str, str]:
    return node.node.ports.use(EnvValues).values(node.node.caller.id_of("shop"))


async def test_setting_listing_and_removing(node: Running, fazt: Any) -> None:
    assert await fazt("env", "set", "A=1=2", "B=", "--app", "shop") == (0, "Set A, B.\n", "")
    code, out, _ = await fazt("app", "env", "set", "shop", "C=x", "--json")
    assert (code, json.loads(out)) == (0, {"data": {"names": ["C"]}})
    assert values(node) == {"A": "1=2", "B": "", "C": "x"}
    listed = [
        (await fazt(*words, "--json"))[1]
        for words in (("env", "list", "--app", "shop"), ("app", "env", "list", "shop"))
    ]
    assert listed[0] == listed[1]
    assert [row["name"] for row in json.loads(listed[0])["data"]] == ["A", "B", "C"]
    assert (await fazt("env", "unset", "A", "--app", "shop"))[0] == 0
    assert (await fazt("app", "env", "unset", "shop", "B"))[0] == 0
    assert (await fazt("app", "env", "unset", "shop", "B"))[0] == 3
    assert values(node) == {"C": "x"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("env", "set", "PATH=x", "--app", "shop"), 2),
        (("env", "set", "A=x", "A=y", "--app", "shop"), 2),
        (("env", "set", "A=x", "--app", "nothing"), 3),
        (("env", "set", "--app", "shop"), 2),
        (("env", "set", "A=x"), 2),
        (("env", "set", "A", "B", "--app", "shop"), 2),
        (("env", "unset", "A", "--app", "shop"), 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
async def test_what_is_refused(
    node: Running, fazt: Any, words: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAZT_APP", raising=False)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x")))
    told = await fazt(*words)
    assert told[0] == code, told
    assert values(node) == {}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(b"secret", "secret"), (b"secret\n", "secret"), (b"secret\r\n", "secret"), (b"a\nb\n\n", "a\nb\n"), (b"", "")],
)
async def test_a_value_may_come_on_stdin(
    node: Running, fazt: Any, sent: bytes, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(sent)))
    code, out, err = await fazt("env", "set", "TOKEN", "--app", "shop")
    assert (code, out, err) == (0, "Set TOKEN.\n", "")
    assert values(node) == {"TOKEN": kept}


async def test_a_value_that_is_no_text_is_refused(node: Running, fazt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(os.urandom(1) + b"\xff")))
    assert (await fazt("env", "set", "TOKEN", "--app", "shop"))[0] == 2
    assert values(node) == {}


async def test_a_terminal_is_asked_and_shows_nothing(node: Running, fazt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []

    def prompt(text: str, **how: Any) -> str:
        asked.append((text, how["hide_input"]))
        return f"for {text}"

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("click.prompt", prompt)
    assert (await fazt("env", "set", "A", "B=2", "C", "--app", "shop"))[0] == 0
    assert asked == [("A", True), ("C", True)]
    assert values(node) == {"A": "for A", "B": "2", "C": "for C"}
