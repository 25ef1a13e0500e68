"""The plain files of a system app, from the program itself."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # a form's Origin header is only sent where its referrer may be
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}
_TEMPLATES = ("signin.html", "signin-used.html")


@dataclass(frozen=True)
class File:
    body: bytes
    mime: str
    etag: str


class Pages:
    """All files of a folder, in memory: a system app is small."""

    def __init__(self, folder: Path) -> None:
        self.files = {
            "/" + path.relative_to(folder).as_posix(): _load(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def template(self, name: str) -> str:
        return self.files["/" + name].body.decode()

    def find(self, path: str) -> File | None:
        if path.rpartition("/")[2] in _TEMPLATES:
            return None
        return self.files.get(path + "index.html" if path.endswith("/") else path)

    def answer(self, request: web.BaseRequest, path: str) -> web.Response | None:
        file = self.find(path)
        if file is None:
            return None
        if file.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers={**HEADERS, "ETag": file.etag})
        return respond(file, 200)


def respond(file: File, status: int) -> web.Response:
    response = web.Response(body=file.body, status=status, headers={**HEADERS, "ETag": file.etag})
    response.headers["Content-Type"] = file.mime
    return response


def html(body: str, status: int = 200) -> web.Response:
    return web.Response(
        text=body,
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={**HEADERS, "Cache-Control": "no-store"},
    )


def _load(path: Path) -> File:
    body = path.read_bytes()
    mime = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if mime.startswith("text/") or mime.endswith(("javascript", "json", "xml")):
        mime += "; charset=utf-8"
    return File(body, mime, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
