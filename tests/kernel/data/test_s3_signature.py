"""Requests signed with Signature Version 4, against what another client makes and the published example."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from kernel.data.s3_signature import Account, encoded_path, encoded_query, signed

MOMENT = datetime(2013, 5, 24, tzinfo=UTC)
NOW = round(MOMENT.timestamp() * 1000)
ACCOUNT = Account("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")


def test_the_published_example_has_the_published_signature() -> None:
    headers = {"host": "examplebucket.s3.amazonaws.com", "range": "bytes=0-9"}
    made = signed(ACCOUNT, "GET", "/test.txt", "", headers, b"", NOW)["Authorization"]
    assert made.endswith("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")


@pytest.mark.parametrize("seed", range(20))
def test_signatures_are_those_of_another_client(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    letters = "ab/ äß+%&=?#'\"~*()!.-_👩@:,;$[]"
    key = "".join(chance.choice(letters) for _ in range(12))
    query = [(f"q{n}", "".join(chance.choice(letters) for _ in range(6))) for n in range(chance.randrange(4))]
    body = chance.randbytes(20)
    path, text = encoded_path(f"/bucket/{key}"), encoded_query(query)
    headers = {"host": "127.0.0.1:9000", "content-type": "text/plain; a=b", "x-amz-meta-n": f"{seed}"}
    ours = signed(ACCOUNT, "PUT", path, text, headers, body, NOW)["Authorization"]

    class Then(datetime):
        @classmethod
        def utcnow(cls) -> Any:
            return MOMENT.replace(tzinfo=None)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return MOMENT.astimezone(tz) if tz else MOMENT.replace(tzinfo=None)

    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: MOMENT, raising=False)
    url = f"http://127.0.0.1:9000{path}{'?' if text else ''}{text}"
    request = AWSRequest("PUT", url, data=body, headers={k: v for k, v in headers.items() if k != "host"})
    botocore.auth.S3SigV4Auth(Credentials(*ACCOUNT[:2]), "s3", "us-east-1").add_auth(request)
    assert ours == request.headers["Authorization"]
