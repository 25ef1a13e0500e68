"""The web platform of the guest beside node's: the same scripts run in both and print the same lines."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path

import pytest

from kernel.runtime.engine.engine import Engine
from kernel.runtime.engine.instance import Instance
from kernel.runtime.engine.machine_code import Script
from scripts.node import node
from tests.kernel.runtime.engine.driver import DRIVER, GUEST, TestHost, cache, limits, run, wasm

SCRIPTS = Path(__file__).parent / "web"
BESIDE = [
    "blob_form",
    "clone",
    "encoding",
    "events",
    "fetch",
    "headers",
    "search_params",
    "streams",
    "url",
    "url_setters",
]

NODE = """
const lines = [];
globalThis.print = (...items) => { lines.push(items.map(String).join(' ')); };
process.on('uncaughtException', () => {});
process.on('exit', () => require('node:fs').writeFileSync(1, JSON.stringify(lines)));
(0, eval)(require('node:fs').readFileSync(process.argv[1], 'utf8'));
"""
PRINT = "globalThis.lines = []; globalThis.print = (...items) => { lines.push(items.map(String).join(' ')); }; 0"
# What the driver does to the engine after everything is loaded.
FREEZE = b"""for (const name of Object.getOwnPropertyNames(globalThis)) {
  const value = globalThis[name];
  if (typeof value !== 'function' || name === '__host') continue;
  Object.freeze(value);
  // A frozen Error.prototype would not let a script name its own errors, which is none of our business here.
  if (value.prototype && !name.includes('Error')) Object.freeze(value.prototype);
}
"""

# Lines of ours that begin or contain this may differ from node's, and why.
ACCEPTED = {
    "url": {
        '["http://a`b"': "forbidden in a domain since 2024",
        '["http://a{b}"': "forbidden in a domain since 2024",
        '["http://a\\"b"': "forbidden in a domain",
        '["http://xn--abc-"': "a label of ASCII alone is no punycode",
        '["http://1אבג"': "the rule for scripts written from the right forbids a first digit",
        '["http://ẞ"': "maps to ß since Unicode 15.1",
        '["file:///C:x/../y"': "C:x is no drive letter",
        '["/..","foo:': "a path cannot be emptied by ..",
        '["a?q#h","foo:opaque?q"': "nothing but a fragment is relative to an opaque path",
        '["a?q#h","mailto:x"': "nothing but a fragment is relative to an opaque path",
        '["a?q#h","about:blank"': "nothing but a fragment is relative to an opaque path",
    },
    "url_setters": {
        '"port","a1"': "no port, nothing changes",
        '["foo://h:9/p?q#f","host",":9"': "no host, nothing changes",
        '"pathname","..': "a path cannot be emptied by ..",
        '"pathname","%2e%2e': "a path cannot be emptied by ..",
        '["foo:/a","host"': "a host is set with its port, and may be empty",
        '["foo:/a","hostname",""': "a host may be empty",
        '["foo:///p","host"': "a host is set with its port",
        '["foo:opaque","hash"': "newer rule: a last blank is encoded, not taken off",
        '["foo:opaque","search"': "newer rule: a last blank is encoded, not taken off",
    },
    "search_params": {'["null=",': "null is the text null"},
    "encoding": {
        'ff latin1 {"ignoreBOM":true} "ÿ"': "node takes a byte for a mark",
        'fffe latin1 {"ignoreBOM":true} "ÿþ"': "node takes a byte for a mark",
        '61ff62 utf-8 {"fatal":true}': "node forgets the mark after an error",
        '4180418041 utf-8 {"fatal":true}': "node forgets the mark after an error",
        "InvalidCharacterError dW5kZWZpbmVk": "the engine's own atob and btoa take no argument as undefined",
    },
    "events": {
        "one:x:2": "listeners of the target run in one phase, in their order",
        "true": "a passive listener cannot prevent",
        "InvalidStateError": "the error of the standard",
        "true first first first": "dependent signals are aborted before any listener runs",
        "TypeError": "timeout(-1): the error of the standard",
    },
    "clone": {
        'true [object Object] true {"p":1}': "no script can tell a Proxy",
        "true DataCloneError true DataCloneError": "what cannot be transferred is a DataCloneError",
        "50000 1 structuredClone": "one argument is required",
    },
    "blob_form": {
        '7  "a\\nb\\nc\\nd"': "all line endings become native",
        "a/b.txt text/plain 1 12 ": "lastModified is whole",
        'form-data; name="none"': "a File stays one without a name",
        '["none",["",': "a File stays one without a name",
    },
    "streams": {"6 fine TypeError": "writing to a closed stream"},
}


@functools.cache
def engine(frozen: bool) -> Engine:
    scripts = [Script("web.js", (GUEST / "web.js").read_bytes())]
    scripts += [Script("freeze.js", FREEZE)] if frozen else []
    return Engine(wasm(), [*scripts, Script("driver.js", DRIVER)], b"{}", beside=cache())


def ours(name: str, frozen: bool = False) -> list[str]:
    instance = Instance(engine(frozen), TestHost())
    try:
        assert run(instance, PRINT) == "0"
        answer = run(instance, (SCRIPTS / f"{name}.js").read_text(), limits(cpu=60, wall=120))
        assert not answer.startswith("!"), answer
        said = run(instance, "JSON.stringify(lines.map(line => line.toWellFormed()))", limits(cpu=60, wall=120))
        return lines(said)
    finally:
        instance.close()


def lines(said: str) -> list[str]:
    found: list[str] = json.loads(said)
    return found


@functools.cache
def theirs(name: str) -> list[str]:
    command = [node(), "-e", NODE, str(SCRIPTS / f"{name}.js")]
    return lines(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)


def differences(name: str, mine: list[str]) -> list[tuple[str, str]]:
    other = [line.encode("utf-8", "replace").decode() for line in theirs(name)]
    found = [(one, two) for one, two in zip(other, mine, strict=True) if one != two]
    return [pair for pair in found if not any(mark in pair[1] for mark in ACCEPTED.get(name, {}))]


@pytest.mark.parametrize("name", BESIDE)
def test_it_behaves_as_in_node(name: str) -> None:
    assert differences(name, ours(name)) == []


@pytest.mark.parametrize("name", sorted(set(BESIDE) - {"clone"}))
def test_it_behaves_the_same_when_everything_is_frozen(name: str) -> None:
    assert ours(name, frozen=True) == ours(name)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_driver_gets_what_it_relies_on(frozen: bool) -> None:
    said = ours("hooks", frozen)
    assert len(said) > 25
    assert [line for line in said if not line.endswith(" true")] == []


def test_enough_is_compared() -> None:
    assert len(theirs("url")) + len(theirs("url_setters")) > 1500
