"""Requests to S3 signed with AWS Signature Version 4: whoever holds the secret key made exactly this request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


class Account(NamedTuple):
    access_key: str
    secret_key: str
    region: str


def encoded_path(text: str) -> str:
    """A path as it stands in the request and in what is signed: all but letters, digits and `-._~/` as %XX."""
    return quote(text, safe="/-._~")


def encoded_query(query: Sequence[tuple[str, str]]) -> str:
    pairs = sorted((quote(name, safe="-._~"), quote(value, safe="-._~")) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


def signed(
    account: Account,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    now: int,
    service: str = "s3",
) -> dict[str, str]:
    """The headers of a request, with those that sign it. Path and query are encoded already; `now` in milliseconds."""
    moment = datetime.fromtimestamp(now / 1000, UTC)
    stamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    sent = {**headers, "x-amz-date": stamp, "x-amz-content-sha256": digest}
    named = sorted((name.lower(), " ".join(value.split())) for name, value in sent.items())
    names = ";".join(name for name, _ in named)
    canonical = "\n".join([method, path, query, *(f"{name}:{value}" for name, value in named), "", names, digest])
    scope = f"{day}/{account.region}/{service}/aws4_request"
    to_sign = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{account.secret_key}".encode()
    for part in (day, account.region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"Credential={account.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**sent, "Authorization": f"{_ALGORITHM} {credential}"}
