"""What `crypto` of JavaScript asks the host for: hashes, ciphers, derived bits, and keys in pairs (crypto_keys.py).

Nothing is kept between calls: key material comes with each one. Several pieces of bytes come as one, with their sizes
in the argument. All of it is written by apps; what is wrong with it is said as the name of a DOMException in `name`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import msgspec

from kernel.base.errors import FaztError

MOST_BYTES = 16 << 20
MOST_ITERATIONS = 1_000_000
MOST_DERIVED = 64 << 10
HASHES = {"SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


class Told(msgspec.Struct, rename="camel"):
    """The argument of every operation; each reads what it needs."""

    sizes: list[int] = []
    name: str = ""
    hash: str = ""
    format: str = ""
    curve: str = ""
    encrypt: bool = False
    private: bool = False
    tag: int = 16
    counter: int = 128
    iterations: int = 0
    size: int = 0
    salt: int = 0
    exponent: int = 65537


DECODER = msgspec.json.Decoder(Told)
Work = Callable[..., bytes | str]


def crypto(op: str, arg: str | bytes, data: bytes | memoryview | None) -> bytes | str:
    work = _work(op)
    try:
        told = DECODER.decode(arg or "{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FaztError("INVALID_ARGUMENT", f"{op}: {error}") from error
    return work(told, *_parts(told, b"" if data is None else data))


def refused(name: str, message: str) -> FaztError:
    return FaztError("INVALID_ARGUMENT", message, name=name)


def _work(op: str) -> Work:
    work = OPS.get(op)
    if work is None:
        from kernel.runtime import crypto_keys  # half of `cryptography`, which few apps need

        work = crypto_keys.OPS.get(op)
    if work is None:
        raise FaztError("INVALID_ARGUMENT", f"There is no {op}.")
    return work


def _parts(told: Told, data: bytes | memoryview) -> list[bytes]:
    if len(data) > MOST_BYTES:
        raise refused("OperationError", f"more than {MOST_BYTES >> 20} MiB in one call")
    if any(size < 0 for size in told.sizes) or sum(told.sizes) != len(data):
        raise FaztError("INVALID_ARGUMENT", "the sizes do not fit the bytes")
    if len(told.sizes) > 5:
        raise FaztError("INVALID_ARGUMENT", "too many pieces")
    parts, at = [], 0
    for size in told.sizes:
        parts.append(bytes(data[at : at + size]))
        at += size
    return parts + [b""] * (5 - len(parts))


def hash_name(told: Told) -> str:
    found = HASHES.get(told.hash)
    if found is None:
        raise refused("NotSupportedError", f"{told.hash[:40]} is not a known hash")
    return found


def _digest(told: Told, data: bytes, *_: bytes) -> bytes:
    return hashlib.new(hash_name(told), data).digest()


def _hmac_sign(told: Told, key: bytes, data: bytes, *_: bytes) -> bytes:
    return hmac.digest(key, data, hash_name(told))


def _hmac_verify(told: Told, key: bytes, signature: bytes, data: bytes, *_: bytes) -> str:
    return "true" if hmac.compare_digest(hmac.digest(key, data, hash_name(told)), signature) else "false"


def _pbkdf2(told: Told, key: bytes, salt: bytes, *_: bytes) -> bytes:
    name, size = hash_name(told), _derived(told)
    rounds = told.iterations * -(-size // hashlib.new(name).digest_size)
    if told.iterations < 1 or rounds > MOST_ITERATIONS:
        raise refused("OperationError", f"iterations: 1 to {MOST_ITERATIONS} for each hash of the result")
    return hashlib.pbkdf2_hmac(name, key, salt, told.iterations, size) if size else b""


def _hkdf(told: Told, key: bytes, salt: bytes, info: bytes, *_: bytes) -> bytes:
    name, size = hash_name(told), _derived(told)
    width = hashlib.new(name).digest_size
    if size > 255 * width:
        raise refused("OperationError", "that is more than HKDF can derive")
    root = hmac.digest(salt or bytes(width), key, name)
    block, made = b"", b""
    for count in range(1, -(-size // width) + 1):
        block = hmac.digest(root, block + info + bytes([count]), name)
        made += block
    return made[:size]


def _derived(told: Told) -> int:
    if not 0 <= told.size <= MOST_DERIVED:
        raise refused("OperationError", f"at most {MOST_DERIVED} bytes can be derived")
    return told.size


def _aes(told: Told, key: bytes, iv: bytes, extra: bytes, data: bytes, *_: bytes) -> bytes:
    from kernel.runtime import crypto_aes

    if len(key) not in (16, 24, 32):
        raise refused("OperationError", "an AES key has 16, 24 or 32 bytes")
    mode = crypto_aes.MODES.get(told.name)
    if mode is None:
        raise refused("NotSupportedError", f"{told.name[:40]} is not a known cipher")
    try:
        return mode(told, key, iv, extra, data)
    except ValueError as error:
        raise refused("OperationError", "the data cannot be decrypted" if not told.encrypt else str(error)) from error


OPS: dict[str, Work] = {
    "crypto.digest": _digest,
    "crypto.hmac.sign": _hmac_sign,
    "crypto.hmac.verify": _hmac_verify,
    "crypto.pbkdf2": _pbkdf2,
    "crypto.hkdf": _hkdf,
    "crypto.aes": _aes,
}
