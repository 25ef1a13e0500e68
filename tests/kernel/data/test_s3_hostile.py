"""An S3 server that is wrong, slow, endless or hostile: the error is the provider's, and nothing else happens."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kernel.base.errors import FaztError
from tests.kernel.data.object_bench import APP, Bench

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ROOT = f"some/prefix/{APP}/app/"
SECRET_WORDS = "do not show this"


class Server:
    """Answers as the test says."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Handler = lambda request: _text(404)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        await request.read()
        return await self.answer(request)


async def _text(status: int, body: str = "", **headers: str) -> web.Response:
    return web.Response(status=status, text=body, headers=headers)


def says(status: int, body: bytes = b"", **headers: str) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    made = Server()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{tail:.*}", made.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield made, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def bench(server: tuple[Server, str], tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "data.db")
    await made.outside(server[1], APP)
    yield made
    await made.close()


async def refused(bench: Bench, name: str = "get", *arguments: Any, data: bytes | None = None) -> FaztError:
    with pytest.raises(FaztError) as caught:
        await bench.js(name, *(arguments or ("k",)), data=data)
    error = caught.value
    assert error.code == "PROVIDER_ERROR"
    assert SECRET_WORDS not in repr(error.public())
    assert "127.0.0.1" not in repr(error.public())
    return error


ERROR = "<Error><Code>{}</Code><Message>" + SECRET_WORDS + "</Message></Error>"


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (403, "SignatureDoesNotMatch", "s3.secret_key"),
        (403, "InvalidAccessKeyId", "s3.access_key"),
        (403, "", "s3.secret_key"),
        (401, SECRET_WORDS, "s3.secret_key"),
        (400, "AuthorizationHeaderMalformed", "s3.region"),
        (403, "AccessDenied", "may do"),
        (404, "NoSuchBucket", "Make it"),
        (301, "PermanentRedirect", "s3.endpoint"),
        (418, SECRET_WORDS, ""),
        (400, SECRET_WORDS, ""),
    ],
)
async def test_a_refusal_is_told_in_our_words(bench: Bench, server: Any, status: int, code: str, hint: str) -> None:
    server[0].answer = says(status, ERROR.format(code).encode())
    for name, data in (("get", None), ("put", b"x"), ("delete", None), ("list", None)):
        assert hint in ((await refused(bench, name, data=data)).hint or "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_nobody_follows_a_redirect(bench: Bench, server: Any, status: int) -> None:
    server[0].answer = says(status, Location=f"{server[1]}/elsewhere")
    await refused(bench, "put", "k", data=b"x")
    await refused(bench)
    assert not any("elsewhere" in asked for asked in server[0].asked)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
@pytest.mark.parametrize(("name", "data"), [("get", None), ("put", b"x"), ("delete", None), ("list", None)])
async def test_trouble_is_tried_again_but_not_for_ever(
    bench: Bench, server: Any, status: int, name: str, data: bytes | None
) -> None:
    server[0].answer = says(status)
    await refused(bench, name, "k", data=data)
    assert (len(server[0].asked), bench.pauses) == (3, 2)


async def test_trouble_that_ends_is_not_noticed(bench: Bench, server: Any) -> None:
    async def sometimes(request: web.Request) -> web.Response:
        if len(server[0].asked) < 3:
            return await _text(500)
        return web.Response(body=b"bytes", content_type="text/css")

    server[0].answer = sometimes
    assert (await bench.js("get", "k")).data == b"bytes"


async def test_a_server_that_is_not_there(bench: Bench) -> None:
    await bench.named("config.set", name="s3.endpoint", value="http://127.0.0.1:1")
    assert "s3.endpoint" in str((await refused(bench)).hint)


async def test_without_keys_nothing_is_asked(bench: Bench, server: Any) -> None:
    await bench.named("config.unset", name="s3.secret_key")
    assert "config set" in str((await refused(bench)).hint)
    assert server[0].asked == []


# --- bodies


async def _raw(bench: Bench, answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> FaztError:
    """A server that says these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
            await writer.drain()
        writer.close()

    made = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = made.sockets[0].getsockname()[1]
        await bench.named("config.set", name="s3.endpoint", value=f"http://127.0.0.1:{port}")
        return await refused(bench)
    finally:
        made.close()


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"",
    ],
    ids=range(9),
)
async def test_an_answer_that_is_none(bench: Bench, head: bytes) -> None:
    bench.node.settings.apply("limits.storage.s3.maxBlobSizeMB", 1)

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)

    await _raw(bench, answer)


@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n"])
async def test_an_endless_body_is_left_at_its_limit(bench: Bench, head: bytes) -> None:
    bench.node.settings.apply("limits.storage.s3.maxBlobSizeMB", 1)
    sent = 0

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        block = bytes(1 << 16)
        while True:
            writer.write(b"10000\r\n" + block + b"\r\n" if b"chunked" in head else block)
            await writer.drain()
            sent += len(block)

    await _raw(bench, answer)
    assert sent < 64 << 20


async def test_a_body_that_drips_is_not_waited_for(bench: Bench) -> None:
    await bench.named("config.set", name="s3.timeout", value="100ms")

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    assert "in time" in (await _raw(bench, answer)).message


async def test_other_bytes_than_were_stored_are_not_given_out(bench: Bench, server: Any) -> None:
    sha256 = hashlib.sha256(b"what was stored").hexdigest()
    cid = "QmPZ9gcCEpqKTo6aq61g2nXGUhM4iCL3ewB6LDXZCtioEB"
    marks = {"x_amz_meta_fazt_sha256": sha256, "x_amz_meta_fazt_cid": cid}
    server[0].answer = says(200, b"something else", **marks)
    assert "other bytes" in (await refused(bench)).message


async def test_what_is_said_of_an_object_is_not_believed_blindly(bench: Bench, server: Any) -> None:
    said = {"Content_Type": "text/html\tx", "x_amz_meta_fazt_sha256": "<script>", "x_amz_meta_fazt_at": "9" * 30}
    server[0].answer = says(200, b"bytes", **said, Last_Modified="yesterday")
    got = await bench.js("get", "k")
    assert (got.mime, got.about.hash, got.about.updated_at) == (
        "application/octet-stream",
        hashlib.sha256(b"bytes").hexdigest(),
        0,
    )


# --- lists


def listing(*keys: str, more: str = "", extra: str = "") -> bytes:
    entries = "".join(f"<Contents><Key>{key}</Key><Size>5</Size></Contents>" for key in keys)
    rest = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    return f"<ListBucketResult>{entries}{rest}{extra}</ListBucketResult>".encode()


BOMB = (
    b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    b"<ListBucketResult><Name>&b;</Name></ListBucketResult>"
)
EXTERNAL = (
    b'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><ListBucketResult><Name>&a;</Name></ListBucketResult>'
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html></html>",
        b"<ListBucketResult>",
        BOMB,
        EXTERNAL,
        b"<a>" * 10_000,
        b"<?evil do?><ListBucketResult/>",
        listing("a")[:-5],
        listing(extra="<Contents><Key>a</Key><Size>-1</Size></Contents>"),
        listing(extra="<Contents><Size>1</Size></Contents>"),
        listing(extra="<IsTruncated>true</IsTruncated>"),
        listing(*(f"{ROOT}{n:05}" for n in range(1001))),
        listing(extra="".join(f"<X{n}/>" for n in range(5000))),
        listing(f"{ROOT}b", f"{ROOT}a"),
        listing(f"{ROOT}a", f"{ROOT}a"),
        listing(more="x" * 5000),
        b"\xff\xfe<ListBucketResult/>",
        b'<?xml version="1.0" encoding="utf-7"?><ListBucketResult>+ADw-</ListBucketResult',
        b"x" * (9 << 20),
    ],
    ids=range(20),
)
async def test_a_list_that_is_none(bench: Bench, server: Any, body: bytes) -> None:
    server[0].answer = says(200, body)
    await refused(bench, "list", "")


@pytest.mark.parametrize("tokens", [["a"], ["a", "b"]])
async def test_a_list_that_goes_in_circles(bench: Bench, server: Any, tokens: list[str]) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=listing(f"{ROOT}a", more=tokens[len(server[0].asked) % len(tokens)]))

    server[0].answer = answer
    await refused(bench, "list", "")
    assert len(server[0].asked) < 5


async def test_a_list_of_nothing_without_an_end(bench: Bench, server: Any) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=listing(more=f"t{len(server[0].asked)}"))

    server[0].answer = answer
    await refused(bench, "list", "")
    assert len(server[0].asked) < 10


async def test_names_from_elsewhere_are_left_out(bench: Bench, server: Any) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.method == "HEAD":
            return web.Response(body=b"12345")
        inside = f"{ROOT}good", f"{ROOT}a/../b", f"{ROOT}c//d", ROOT, f"{ROOT}z\\z"
        return web.Response(body=listing("other", f"some/prefix/{APP}/user/u/k", *sorted(inside)))

    server[0].answer = answer
    assert await bench.keys() == ["good"]
    assert [found.key for found in (await bench.js("list_page")).items] == ["good"]
    assert all(f"/app/{'good'}" in asked for asked in server[0].asked if asked.startswith("HEAD"))


# --- what is set


@pytest.mark.parametrize(
    "value",
    [
        "ftp://x",
        "http://",
        "http://a/b",
        "http://a?b",
        "http://u:p@a",
        "http://a:99999",
        "x",
        "http://ä",
        "http://a\r\nb",
    ],
)
async def test_what_is_no_endpoint_is_refused(bench: Bench, value: str) -> None:
    with pytest.raises(FaztError) as caught:
        await bench.named("config.set", name="s3.endpoint", value=value, force=True)
    assert caught.value.code == "VALIDATION_FAILED"


async def test_the_secret_key_is_sealed_and_shown_by_nobody(bench: Bench) -> None:
    secret = "very-secret-key-93"
    shown = await bench.named("config.set", name="s3.secret_key", value=secret)
    everything = [shown, await bench.named("config.get", name="s3.secret_key"), await bench.named("config.list")]
    assert secret not in repr(everything)
    assert shown.set
    bench.node.store.reader()
    for path in bench.node.path.parent.glob("data.db*"):
        assert secret.encode() not in path.read_bytes()
    await bench.named("config.unset", name="s3.secret_key")
    assert bench.node.secrets.values("net", "") == {}
