"""An S3 server of another make, in a process of its own: whatever it has acknowledged is there after kill -9.

`python -m tests.faults.s3_server FOLDER PORT BUCKET`: each PUT lies in the folder before it is answered, and is made
again by the next process. A byte is added to the file `requests` for each request.
"""

from __future__ import annotations

import hashlib
import io
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.system.harness import PATIENCE

ACCOUNT = {"s3.access_key": "name", "s3.secret_key": "secret"}


class Remembering:
    """Between the socket and the server: what changes objects is written down first, one at a time."""

    def __init__(self, app: Any, folder: Path) -> None:
        self.app, self.folder = app, folder
        self._requests = (folder / "requests").open("ab", buffering=0)
        self._guard = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self._requests.write(b".")
        bucket, _, key = environ["PATH_INFO"].strip("/").partition("/")
        if not (bucket and key) or environ["REQUEST_METHOD"] not in ("PUT", "DELETE"):
            return self.app(environ, start)  # type: ignore[no-any-return]
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size)
        if len(body) < size:
            start("400 Bad Request", [])
            return []
        with self._guard:
            self._write_down(environ, body)
            return list(self.app({**environ, "wsgi.input": io.BytesIO(body)}, start))

    def _write_down(self, environ: dict[str, Any], body: bytes) -> None:
        file = self.folder / f"{hashlib.sha256(environ['PATH_INFO'].encode()).hexdigest()}.put"
        if environ["REQUEST_METHOD"] == "DELETE":
            file.unlink(missing_ok=True)
            return
        head = json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()
        part = file.with_suffix(".part")
        part.write_bytes(head + b"\n" + body)
        part.rename(file)

    def remember(self) -> None:
        for file in self.folder.glob("*.put"):
            head, _, body = file.read_bytes().partition(b"\n")
            environ = {**json.loads(head), "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr}
            list(self.app(environ, lambda *_: None))


def serve(folder: Path, port: int, bucket: str) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server
    from werkzeug.test import Client

    app = Remembering(DomainDispatcherApplication(create_backend_app), folder)
    Client(app).put(f"/{bucket}", headers={"Host": "s3.amazonaws.com"})
    app.remember()
    server = make_server("127.0.0.1", port, app, threaded=True)
    print("ready", flush=True)
    server.serve_forever()


class S3Server:
    """The process; after `kill` comes `start`, on the same port."""

    def __init__(self, folder: Path, bucket: str) -> None:
        self.folder, self.bucket = folder, bucket
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> int:
        """How many it has been asked, in all its lives."""
        return (self.folder / "requests").stat().st_size

    def start(self) -> None:
        words = (sys.executable, "-m", "tests.faults.s3_server", str(self.folder), str(self.port), self.bucket)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout
        assert self.process.stdout.readline() == b"ready\n", (self.folder / "log").read_text()[-2000:]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)
        assert self.process.stdout
        self.process.stdout.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
