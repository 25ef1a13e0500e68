"""The first API of a newcomer is what the README says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.runtime.apps import Apps

README = Path(__file__).resolve().parents[2] / "README.md"
FILE = re.compile(r"cat > (\w+)/(api/main\.ts) <<'END'\n(.*?)\nEND\n", re.DOTALL)
CALL = re.compile(r"curl http://(\w+)\.localhost:4698(/\S*) -d '(.*)'")


def test_the_api_of_the_readme_works_as_it_is_written(apps: Apps) -> None:
    text = README.read_text(encoding="utf-8")
    file, call = FILE.search(text), CALL.search(text)
    assert file is not None and call is not None
    assert file[1] == call[1]
    apps.write(file[1], {file[2]: file[3]})
    sent = json.loads(call[3])
    for seen in (1, 2):
        answer = apps.ask(call[1], "POST", call[2], body=sent)
        assert (answer.status, answer.json) == (201, {**sent, "seen": seen})
    assert apps.ask(call[1], "GET", call[2]).json == [{**sent, "seen": 2}]
