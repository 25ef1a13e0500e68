"""AES in the modes that `crypto.subtle` knows. A ValueError means that the data is not what was encrypted."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from kernel.runtime.crypto import Told, refused

BLOCK = 16
TAGS = (4, 8, 12, 13, 14, 15, 16)


def _gcm(told: Told, key: bytes, iv: bytes, extra: bytes, data: bytes) -> bytes:
    if told.tag not in TAGS:
        raise refused("OperationError", "tagLength must be 32, 64, 96, 104, 112, 120 or 128")
    if not 8 <= len(iv) <= 128:
        raise refused("OperationError", "iv must have 8 to 128 bytes")
    if told.encrypt:
        sealing = Cipher(algorithms.AES(key), modes.GCM(iv)).encryptor()
        sealing.authenticate_additional_data(extra)
        return sealing.update(data) + sealing.finalize() + sealing.tag[: told.tag]
    if len(data) < told.tag:
        raise ValueError("too short")
    end = len(data) - told.tag
    opening = Cipher(algorithms.AES(key), modes.GCM(iv, data[end:], told.tag)).decryptor()
    opening.authenticate_additional_data(extra)
    try:
        return opening.update(data[:end]) + opening.finalize()
    except InvalidTag as error:
        raise ValueError("wrong tag") from error


def _cbc(told: Told, key: bytes, iv: bytes, extra: bytes, data: bytes) -> bytes:
    _full_block(iv, "iv")
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv))
    if told.encrypt:
        padding, sealing = PKCS7(BLOCK * 8).padder(), cipher.encryptor()
        return sealing.update(padding.update(data) + padding.finalize()) + sealing.finalize()
    opening, unpadding = cipher.decryptor(), PKCS7(BLOCK * 8).unpadder()
    return unpadding.update(opening.update(data) + opening.finalize()) + unpadding.finalize()


def _ctr(told: Told, key: bytes, iv: bytes, extra: bytes, data: bytes) -> bytes:
    """Only the last `counter` bits count; where they run over, the bits before them stay."""
    _full_block(iv, "counter")
    if not 1 <= told.counter <= 128:
        raise refused("OperationError", "length must be 1 to 128")
    span, blocks = 1 << told.counter, -(-len(data) // BLOCK)
    if blocks > span:
        raise refused("OperationError", "the counter is too short for so much data")
    first = int.from_bytes(iv, "big")
    left = (span - first % span) * BLOCK
    over = (first - first % span).to_bytes(BLOCK, "big")
    return _ctr_run(key, iv, data[:left]) + (_ctr_run(key, over, data[left:]) if len(data) > left else b"")


def _ctr_run(key: bytes, counter: bytes, data: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return cipher.update(data) + cipher.finalize()


def _full_block(block: bytes, name: str) -> None:
    if len(block) != BLOCK:
        raise refused("OperationError", f"{name} must have {BLOCK} bytes")


MODES: dict[str, Callable[[Told, bytes, bytes, bytes, bytes], bytes]] = {
    "AES-GCM": _gcm,
    "AES-CBC": _cbc,
    "AES-CTR": _ctr,
}
