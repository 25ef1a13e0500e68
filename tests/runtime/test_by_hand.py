"""Files of an app that are run by hand, without a request."""

from __future__ import annotations

import pytest

from tests.runtime.apps import Apps

FILES = {
    "api/main.js": "module.exports = () => 'main';",
    "api/jobs/double.js": "const two = require('./two');\nmodule.exports = (request) => request.input * two;",
    "api/jobs/two.json": "2",
    "api/script.js": "return [request.trigger, request.user?.id];",
}


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("--handler", "api/jobs/double.js", "--input", "21"), 42),
        (("--handler", "api/script.js", "--as", "usr_wren"), ["run", "usr_wren"]),
        ((), "main"),
    ],
)
def test_a_file_is_run_wherever_it_lies(apps: Apps, words: tuple[str, ...], value: object) -> None:
    apps.write("by-hand", FILES)
    told = apps.machine.fazt("app", "run", "by-hand", *words, "--db", str(apps.node.db), "--json")
    assert told.code == 0, told
    assert told.json["data"] == value
