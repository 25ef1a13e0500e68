"""Runs a part of stdlib-js in node, with our host behind it, so that it can be compared with what node has itself.

The script is the body of an async function; what it returns comes back. It sees `theirs`: what globalThis of node had
before our part was installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import msgspec

from kernel.base.errors import FaztError
from scripts.node import ROOT, digest, installed, made, node, run

Host = Callable[[str, str, bytes], bytes | str]
SOURCES = ROOT / "stdlib-js"

RUNNER = """
const fs = require("fs");
const [asking, answering] = [Number(process.argv[2]), Number(process.argv[3])];
const theirs = { crypto: globalThis.crypto, Intl: globalThis.Intl };
for (const [kind, names] of [["Date", ["toLocaleString", "toLocaleDateString", "toLocaleTimeString"]],
    ["Number", ["toLocaleString"]], ["BigInt", ["toLocaleString"]], ["String", ["localeCompare"]]]) {
  theirs[kind] = Object.fromEntries(names.map((name) => [name, globalThis[kind].prototype[name]]));
}
function exactly(size) {
  const all = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const got = fs.readSync(answering, all, at, size - at);
    if (!got) throw new Error("the host has gone");
    at += got;
  }
  return all;
}
globalThis.__host = (op, arg, data) => {
  const bytes = Buffer.from(data ?? "");
  const head = Buffer.from(JSON.stringify({ op, arg: arg ?? "", size: bytes.length }) + "\\n");
  for (let all = Buffer.concat([head, bytes]), at = 0; at < all.length; ) at += fs.writeSync(asking, all, at);
  const answer = exactly(5);
  const body = exactly(answer.readUInt32LE(1));
  return answer[0] === 0 ? body.toString() : new Uint8Array(body);
};
// the part is evaluated as it will be in the engine, where the host does not answer yet
const host = globalThis.__host;
let early = true;
globalThis.__host = (...given) => { if (early) throw new Error("too early"); return host(...given); };
(0, eval)(fs.readFileSync(process.argv[4], "utf8"));
early = false;
const script = fs.readFileSync(0, "utf8");
new (Object.getPrototypeOf(async () => {}).constructor)("theirs", script)(theirs).then(
  (value) => process.stdout.write(JSON.stringify(value) ?? "null"),
  (error) => { process.stderr.write(String(error.stack)); process.exitCode = 1; },
);
"""


def part(name: str) -> Path:
    """A part of stdlib-js as one script."""
    sources = [path for path in sorted(SOURCES.rglob("*")) if path.is_file()]

    def bundle(folder: Path) -> None:
        esbuild = installed(SOURCES) / "node_modules" / ".bin" / "esbuild"
        run([str(esbuild), name, "--bundle", "--format=iife", f"--outfile={folder / 'part.js'}"], SOURCES)
        (folder / "run.cjs").write_text(RUNNER)

    return made(f"part-{name.replace('/', '-')}-{digest([*sources, Path(__file__).resolve()])}", bundle)


def beside_node(name: str, script: str, host: Host) -> Any:
    folder = part(name)
    asked, asking = os.pipe()
    answered, answering = os.pipe()
    command = [node(), str(folder / "run.cjs"), str(asking), str(answered), str(folder / "part.js")]
    told = {**os.environ, "TZ": "UTC"}
    running = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(asking, answered),
        env=told,
    )
    os.close(asking)
    os.close(answered)
    server = threading.Thread(target=_serve, args=(os.fdopen(asked, "rb"), os.fdopen(answering, "wb"), host))
    server.start()
    output, errors = running.communicate(script.encode(), timeout=120)
    server.join()
    assert running.returncode == 0, errors.decode()
    return json.loads(output)


def _serve(asked: IO[bytes], answering: IO[bytes], host: Host) -> None:
    with asked, answering:
        while line := asked.readline():
            call = json.loads(line)
            reply = _reply(host, call["op"], call["arg"], asked.read(call["size"]))
            body = reply.encode() if isinstance(reply, str) else bytes(reply)
            answering.write(bytes([0 if isinstance(reply, str) else 1]) + len(body).to_bytes(4, "little") + body)
            answering.flush()


def _reply(host: Host, op: str, arg: str, data: bytes) -> bytes | str:
    if op == "random":
        return os.urandom(int(arg))
    try:
        return host(op, arg, data)
    except FaztError as error:
        return "!" + msgspec.json.encode(error.public()).decode()
