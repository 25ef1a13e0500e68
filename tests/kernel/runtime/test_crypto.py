"""`crypto` of the guest beside that of node, and the host half with whatever an app can send it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.runtime.crypto import MOST_BYTES, MOST_ITERATIONS, crypto
from tests.kernel.runtime.beside_node import beside_node

CASES = Path(__file__).with_name("crypto_cases.js")

KNOWN = [
    ("SHA-1", b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ("SHA-256", b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
]


@pytest.fixture(scope="module")
def seen() -> Any:
    return beside_node("crypto/index.js", CASES.read_text(), crypto)


def test_it_says_what_node_says(seen: Any) -> None:
    assert len(seen["same"]) > 35
    assert {name: pair for name, pair in seen["same"].items() if pair[0] != pair[1]} == {}


def test_keys_made_here_are_good_there_and_the_other_way_round(seen: Any) -> None:
    assert len(seen["exchange"]) == 12
    for name, told in seen["exchange"].items():
        assert isinstance(told, list), (name, told)
        public, private = told[:-2], told[-2:]
        assert all(row == [True, False, False, True, True] for row in public), (name, told)
        assert private == [[True, True, True]] * 2, (name, told)


def test_random_numbers(seen: Any) -> None:
    assert seen["other"]["uuid"][14] == "4" and seen["other"]["uuid"][19] in "89ab"
    assert seen["other"]["random"] == 50


def test_a_key_shows_nothing_and_cannot_be_changed(seen: Any) -> None:
    refused, strict, shown, names, used = seen["other"]["kept"]
    assert refused == strict == "TypeError: TypeError"
    assert (shown, names) == ("{}", [])
    assert used == "DOMException: InvalidAccessError"
    assert seen["other"]["exported"] == "DOMException: InvalidAccessError"
    assert seen["other"]["usages"] == ["sign", "verify"]
    assert seen["other"]["illegal"] == "TypeError: TypeError"


@pytest.mark.parametrize(("name", "data", "expected"), KNOWN)
def test_known_digests(name: str, data: bytes, expected: str) -> None:
    made = crypto("crypto.digest", json.dumps({"hash": name, "sizes": [len(data)]}), data)
    assert isinstance(made, bytes) and made.hex() == expected


BAD: list[tuple[str, Any, bytes]] = [
    ("crypto.nothing", {}, b""),
    ("crypto.digest", {"hash": "SHA-256", "sizes": [5]}, b"abc"),
    ("crypto.digest", {"hash": "SHA-256", "sizes": [5, -2]}, b"abc"),
    ("crypto.digest", {"hash": 5}, b""),
    ("crypto.digest", {"hash": "sha3_512"}, b""),
    ("crypto.digest", {"hash": "SHA-256", "sizes": [0] * 6}, b""),
    ("crypto.digest", [], b""),
    ("crypto.pbkdf2", {"hash": "SHA-1", "size": 20, "iterations": MOST_ITERATIONS + 1}, b""),
    ("crypto.pbkdf2", {"hash": "SHA-1", "size": 2000, "iterations": MOST_ITERATIONS}, b""),
    ("crypto.pbkdf2", {"hash": "SHA-1", "size": 1 << 40, "iterations": 1}, b""),
    ("crypto.pbkdf2", {"hash": "SHA-1", "size": -1, "iterations": 1}, b""),
    ("crypto.hkdf", {"hash": "SHA-1", "size": 20 * 255 + 1}, b""),
    ("crypto.aes", {"name": "AES-GCM", "sizes": [5]}, b"12345"),
    ("crypto.aes", {"name": "AES-GCM", "encrypt": True, "sizes": [16, 7]}, bytes(23)),
    ("crypto.aes", {"name": "AES-CTR", "encrypt": True, "counter": 0, "sizes": [16, 16]}, bytes(32)),
    ("crypto.aes", {"name": "AES-CBC", "encrypt": True, "sizes": [16, 15]}, bytes(31)),
    ("crypto.aes", {"name": "ROT13", "sizes": [16]}, bytes(16)),
    ("crypto.import", {"name": "RSA", "format": "jwk", "sizes": [2]}, b"{}"),
    ("crypto.import", {"name": "RSA", "format": "jwk", "sizes": [2]}, b"[]"),
    ("crypto.import", {"name": "RSA", "format": "pkcs8", "sizes": [9000]}, bytes(9000)),
    ("crypto.import", {"name": "none", "format": "spki", "sizes": [1]}, b"0"),
    ("crypto.import", {"name": "EC", "format": "raw", "curve": "none", "sizes": [1]}, b"0"),
    ("crypto.import", {"name": "RSA", "format": "paper", "sizes": [1]}, b"0"),
    ("crypto.export", {"format": "jwk", "sizes": [3]}, b"abc"),
    ("crypto.generate", {"name": "RSA", "size": 1 << 20}, b""),
    ("crypto.generate", {"name": "RSA", "size": 2048, "exponent": 3}, b""),
    ("crypto.generate", {"name": "EC", "curve": "none"}, b""),
    ("crypto.sign", {"hash": "SHA-256", "sizes": [3, 1]}, b"abcd"),
    ("crypto.verify", {"hash": "SHA-256", "sizes": [3, 1]}, b"abcd"),
    ("crypto.agree", {"sizes": [3, 1]}, b"abcd"),
    ("crypto.oaep", {"hash": "SHA-256", "sizes": [3, 1]}, b"abcd"),
]


@pytest.mark.parametrize(("op", "told", "data"), BAD, ids=lambda value: str(value)[:50])
def test_what_is_wrong_is_refused(op: str, told: Any, data: bytes) -> None:
    with pytest.raises(FaztError) as refused:
        crypto(op, json.dumps(told), data)
    assert refused.value.code == "INVALID_ARGUMENT"


def test_an_argument_that_is_no_json() -> None:
    for arg in ("", "{", b"\xff{}", '{"sizes": [99999999999999999999999]}'):
        try:
            crypto("crypto.digest", arg, None)
        except FaztError as refused:
            assert refused.code == "INVALID_ARGUMENT"


def test_too_much_at_once() -> None:
    size = MOST_BYTES + 1
    with pytest.raises(FaztError):
        crypto("crypto.digest", json.dumps({"hash": "SHA-1", "sizes": [size]}), bytes(size))


def test_keys_of_the_wrong_kind_for_the_work() -> None:
    made = crypto("crypto.generate", '{"name": "X25519"}', b"")
    assert isinstance(made, bytes)
    line, _, both = made.partition(b"\n")
    private, public = both[: int(line)], both[int(line) :]
    for op, key in (("crypto.sign", private), ("crypto.verify", public), ("crypto.oaep", private)):
        with pytest.raises(FaztError):
            crypto(op, json.dumps({"hash": "SHA-256", "sizes": [len(key), 1]}), key + b"x")


def test_random_bytes_as_keys_never_break_the_host() -> None:
    for name in ("RSA", "EC", "Ed25519", "X25519"):
        for form in ("spki", "pkcs8", "raw", "jwk"):
            for size in (0, 1, 32, 65, 300):
                told = {"name": name, "format": form, "curve": "P-256", "sizes": [size]}
                try:
                    made = crypto("crypto.import", json.dumps(told), os.urandom(size))
                except FaztError as refused:
                    assert refused.code == "INVALID_ARGUMENT"
                else:
                    assert isinstance(made, bytes)
