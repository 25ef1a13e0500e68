"""One request to an S3 server. It is somebody else's: what it says is bounded, checked, and never repeated."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.base.settings import Settings
from kernel.data import s3_xml
from kernel.data.s3_settings import ACCESS_KEY, ENDPOINT, REGION, SECRET_KEY, TIMEOUT
from kernel.data.s3_signature import Account, encoded_path, encoded_query, signed
from kernel.security.secrets import Secrets

TRIES = 3
MOST_TOLD = 64 << 10
AGAIN = (408, 429, 500, 502, 503, 504)
CONNECTIONS = 32
_BLOCK = 1 << 16
# so many bytes are hashed on the loop itself
MOST_HERE = 1 << 18
_KEYS = ("SignatureDoesNotMatch", "InvalidAccessKeyId", "AuthorizationHeaderMalformed", "InvalidToken", "ExpiredToken")


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


def provider_error(message: str, hint: str | None = None) -> FaztError:
    return FaztError("PROVIDER_ERROR", message, hint)


class S3Client:
    def __init__(self, settings: Settings, secrets: Secrets, clock: Clock) -> None:
        self._settings, self._secrets, self._clock = settings, secrets, clock
        self._session: Any = None
        # between two tries
        self.pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def ask(
        self,
        method: str,
        bucket: str,
        name: str = "",
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        most: int = MOST_TOLD,
    ) -> Answer:
        """The answer to a request that may be made twice; refusals are errors, but for what is not there (404)."""
        seconds = self._settings[TIMEOUT.name] / 1000
        try:
            async with asyncio.timeout(seconds):
                answer = await self._tried(
                    method, f"/{bucket}/{name}" if name else f"/{bucket}", query, headers, body, most
                )
        except TimeoutError:
            raise provider_error("The storage outside did not answer in time.", "Try again later.") from None
        if 200 <= answer.status < 300:
            return answer
        code = s3_xml.error_code(answer.body)
        if answer.status == 404 and code != "NoSuchBucket":
            return answer
        raise _refused(answer.status, code)

    async def _tried(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        headers: Mapping[str, str] | None,
        body: bytes,
        most: int,
    ) -> Answer:
        import aiohttp

        for left in range(TRIES - 1, -1, -1):
            try:
                answer = await self._once(method, path, query, headers or {}, body, most)
                if answer.status not in AGAIN or not left:
                    return answer
            except (aiohttp.ClientError, OSError, ValueError) as error:
                if not left or isinstance(error, aiohttp.InvalidURL):
                    raise provider_error(
                        "The storage outside cannot be reached, or broke off.", "Check s3.endpoint, and try again."
                    ) from None
            await self.pause(0.1 * 4 ** (TRIES - 1 - left))
        raise AssertionError

    async def _once(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        body: bytes,
        most: int,
    ) -> Answer:
        from yarl import URL

        endpoint, account = self._account()
        path, text = encoded_path(path), encoded_query(query)
        url = URL(f"{endpoint}{path}{'?' if text else ''}{text}", encoded=True)
        host = url.authority if url.explicit_port not in (None, 80 if url.scheme == "http" else 443) else str(url.host)
        asked = (account, method, path, text, {**headers, "host": host}, body, self._clock.now())
        # what is signed is hashed, and that takes its time
        sent = await asyncio.to_thread(signed, *asked) if len(body) > MOST_HERE else signed(*asked)
        async with self._opened().request(
            method,
            url,
            headers=sent,
            data=io.BytesIO(body) if method in ("PUT", "POST") else None,
            allow_redirects=False,
        ) as response:
            bound = most if 200 <= response.status < 300 else MOST_TOLD
            return Answer(response.status, response.headers, await _bounded(response, method, bound))

    def check(self) -> None:
        """Complain unless there is somebody to ask."""
        self._account()

    def _account(self) -> tuple[str, Account]:
        endpoint, access = self._settings[ENDPOINT.name], self._settings[ACCESS_KEY.name]
        secret = self._secrets.values("net", "").get(SECRET_KEY.name, "")
        if not (endpoint and access and secret):
            raise provider_error(
                "No storage outside is set up.",
                "The owner sets s3.endpoint, s3.access_key and s3.secret_key: `fazt config set NAME VALUE`.",
            )
        return endpoint, Account(access, secret, self._settings[REGION.name])

    def _opened(self) -> Any:
        """One session for all requests, in the loop that asks first."""
        if self._session is None or self._session.closed:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept-Encoding", "Content-Type"),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _bounded(response: Any, method: str, most: int) -> bytes:
    """The body, no longer than it may be; whoever sends more is not listened to."""
    if method == "HEAD":
        return b""
    told = response.content_length
    if told is not None and told > most:
        response.close()
        raise _too_much()
    blocks, size = [], 0
    async for block in response.content.iter_chunked(_BLOCK):
        size += len(block)
        if size > most:
            response.close()
            raise _too_much()
        blocks.append(block)
    return b"".join(blocks)


def _too_much() -> FaztError:
    return provider_error("The storage outside sends more than fits here.")


def _refused(status: int, code: str) -> FaztError:
    if code in _KEYS or (status in (401, 403) and code != "AccessDenied"):
        return provider_error(
            "The storage outside does not accept the signature.",
            "Check s3.access_key, s3.secret_key, s3.region and the clock of this machine.",
        )
    if code == "AccessDenied":
        return provider_error("The storage outside denies access.", "Check what the key may do in this bucket.")
    if code == "NoSuchBucket":
        return provider_error("The storage outside has no such bucket.", "Make it first.")
    if 300 <= status < 400:
        return provider_error(
            "The storage outside sends elsewhere, where nobody goes.", "Check s3.endpoint and s3.region."
        )
    return provider_error(f"The storage outside answered with status {status}.", "Try again later.")
