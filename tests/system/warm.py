"""The program, loaded once: each command is a fork of that process. It is the program's own Python and code, with
everything of a command but the time it takes to start; what starting does is tested elsewhere."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping

from tests.system.harness import Done, Machine

_FORKING = """
import json, os, runpy, sys
program = sys.argv[1]
sys.argv[1:] = []
asked, told = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
launcher = runpy.run_path(program, run_name="launcher")
launcher["prepare"](launcher["Program"](program, []))
from fazt.boot import Node
from fazt.cli import by_hand, execute, main, project
from fazt.client import inside
for line in asked:
    words, env, folder, files = json.loads(line)
    child = os.fork()
    if not child:
        code = 1
        try:
            for at, (name, how) in enumerate(zip(files, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY))):
                opened = os.open(name, how)
                os.dup2(opened, at)
                os.close(opened)
            os.environ.clear()
            os.environ.update(env, FAZT_PROGRAM=program)
            os.chdir(folder)
            sys.argv = [program, *words]
            try:
                code = main.main()
            except SystemExit as ended:
                code = ended.code or 0
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=told, flush=True)
"""


class Warm:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._folder = machine.folder.with_name(f"{machine.folder.name}.warm")
        self._folder.mkdir()
        self._process = subprocess.Popen(
            [machine.python, "-c", _FORKING, str(machine.program)],
            env=machine.env(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fazt(self, *words: str, stdin: str = "", env: Mapping[str, str | None] | None = None) -> Done:
        files = [self._folder / name for name in ("in", "out", "err")]
        for file, text in zip(files, (stdin, "", ""), strict=True):
            file.write_text(text)
        assert self._process.stdin and self._process.stdout
        asked = [words, self._machine.env(**(env or {})), str(self._machine.folder), [str(file) for file in files]]
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return Done(code, *(file.read_bytes().decode() for file in files[1:]))

    def close(self) -> None:
        self._process.communicate()
