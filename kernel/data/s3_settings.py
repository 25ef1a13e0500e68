"""How buckets elsewhere are reached. The secret key is sealed, and no door shows it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from kernel.base.settings import Setting


def _endpoint(value: Any) -> str:
    text = str(value).rstrip("/")
    if not text:
        return text
    parts = urlsplit(text)
    try:
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        fine = False
    if not fine or parts.path or parts.query or parts.fragment or "@" in parts.netloc or not text.isascii():
        raise ValueError("must be the address of an S3 server, as https://s3.example.com")
    return text


def _word(value: Any) -> str:
    text = str(value)
    if not text.isascii() or any(letter.isspace() or letter in "/," for letter in text):
        raise ValueError("must be one word")
    return text


ENDPOINT = Setting("s3.endpoint", str, "", "The S3 server for objects that lie outside.", check=_endpoint, hard=True)
REGION = Setting("s3.region", str, "us-east-1", "The region its requests are signed for.", check=_word, hard=True)
ACCESS_KEY = Setting("s3.access_key", str, "", "The name of the key its requests are signed with.", check=_word)
SECRET_KEY = Setting("s3.secret_key", str, "", "The key its requests are signed with.", sealed=True)
TIMEOUT = Setting("s3.timeout", "duration", "60s", "How long one request to it may take, with all tries.", least=10)
