"""Keys in pairs for `crypto.subtle`: RSA and elliptic curves. JavaScript holds them as DER (PKCS8 or SPKI)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from kernel.runtime.crypto import Told, Work, hash_name, refused
from kernel.runtime.crypto_jwk import CURVES, from_jwk, to_jwk

MOST_KEY = 8 << 10  # an RSA key of 8192 bits as JSON; to check a larger one takes minutes
RSA_BITS = range(1024, 8193)
GENERATED_RSA_BITS = (2048, 3072, 4096)
BAD_KEY = (ValueError, TypeError, KeyError, UnsupportedAlgorithm, OverflowError, RecursionError)
KINDS: dict[str, tuple[Any, ...]] = {
    "EC": (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey),
    "RSA": (rsa.RSAPrivateKey, rsa.RSAPublicKey),
    "Ed25519": (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey),
    "X25519": (x25519.X25519PrivateKey, x25519.X25519PublicKey),
}


def _import(told: Told, given: bytes, *_: bytes) -> bytes:
    """A line of what the key is, then its DER."""
    if len(given) > MOST_KEY:
        raise refused("DataError", f"a key has at most {MOST_KEY} bytes")
    try:
        key = _read(told, given)
        _check(told, key)
    except BAD_KEY as error:
        raise refused("DataError", "the key is not valid") from error
    return msgspec.json.encode(_facts(key)) + b"\n" + _der(key)


def _read(told: Told, given: bytes) -> Any:
    match told.format:
        case "spki":
            return serialization.load_der_public_key(given)
        case "pkcs8":
            return serialization.load_der_private_key(given, None)
        case "jwk":
            return from_jwk(msgspec.json.decode(given, type=dict[str, Any]))
        case "raw" if told.name == "EC":
            return ec.EllipticCurvePublicKey.from_encoded_point(CURVES[told.curve](), given)
        case "raw" if told.name == "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(given)
        case "raw" if told.name == "X25519":
            return x25519.X25519PublicKey.from_public_bytes(given)
    raise refused("NotSupportedError", f"{told.format[:20]} is not a format of such keys")


def _check(told: Told, key: Any) -> None:
    if not isinstance(key, KINDS[told.name]):
        raise ValueError("another kind of key")
    if told.name == "EC" and not isinstance(key.curve, CURVES[told.curve]):
        raise ValueError("another curve")
    if told.name == "RSA" and key.key_size not in RSA_BITS:
        raise ValueError("a size that is not supported")


def _facts(key: Any) -> dict[str, Any]:
    private = hasattr(key, "private_bytes")
    facts: dict[str, Any] = {"type": "private" if private else "public"}
    if isinstance(key, KINDS["RSA"]):
        numbers = (key.public_key() if private else key).public_numbers()
        facts |= {"bits": key.key_size, "exponent": numbers.e}
    return facts


def _der(key: Any) -> bytes:
    der = serialization.Encoding.DER
    if hasattr(key, "private_bytes"):
        made = key.private_bytes(der, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    else:
        made = key.public_bytes(der, serialization.PublicFormat.SubjectPublicKeyInfo)
    return bytes(made)


# Apps use the same few keys again and again, and to check an RSA key takes longer than to sign with it.
@lru_cache(maxsize=64)
def _private(der: bytes) -> Any:
    return _loaded(serialization.load_der_private_key, der, None)


@lru_cache(maxsize=64)
def _public(der: bytes) -> Any:
    return _loaded(serialization.load_der_public_key, der)


def _loaded(load: Any, der: bytes, *more: None) -> Any:
    try:
        if len(der) > MOST_KEY:
            raise ValueError("too long")
        key = load(der, *more)
        if not isinstance(key, sum(KINDS.values(), ())):
            raise ValueError("another kind of key")
        return key
    except BAD_KEY as error:
        raise refused("DataError", "the key is not valid") from error


def _export(told: Told, der: bytes, *_: bytes) -> bytes:
    key = _private(der) if told.private else _public(der)
    if told.format == "jwk":
        return msgspec.json.encode(to_jwk(key))
    if told.format == "raw" and isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    if told.format == "raw" and isinstance(key, (ed25519.Ed25519PublicKey, x25519.X25519PublicKey)):
        return key.public_bytes_raw()
    raise refused("NotSupportedError", f"such a key has no format {told.format[:20]}")


def _generate(told: Told, *_: bytes) -> bytes:
    """A line with the size of the private key, then both keys."""
    match told.name:
        case "EC" if told.curve in CURVES:
            key: Any = ec.generate_private_key(CURVES[told.curve]())
        case "Ed25519":
            key = ed25519.Ed25519PrivateKey.generate()
        case "X25519":
            key = x25519.X25519PrivateKey.generate()
        case "RSA":
            if told.size not in GENERATED_RSA_BITS or told.exponent != 65537:
                raise refused("OperationError", "modulusLength must be 2048, 3072 or 4096, publicExponent 65537")
            key = rsa.generate_private_key(told.exponent, told.size)
        case _:
            raise refused("NotSupportedError", "such keys cannot be made")
    private = _der(key)
    return b"%d\n" % len(private) + private + _der(key.public_key())


def _sign(told: Told, der: bytes, data: bytes, *_: bytes) -> bytes:
    key = _private(der)
    try:
        if isinstance(key, ec.EllipticCurvePrivateKey):
            width = -(-key.curve.key_size // 8)
            r, s = decode_dss_signature(key.sign(data, ec.ECDSA(_hash(told))))
            return r.to_bytes(width, "big") + s.to_bytes(width, "big")
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, _padding(told), _hash(told))
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(data)
    except ValueError as error:
        raise refused("OperationError", "the key cannot sign that") from error
    raise refused("NotSupportedError", "such a key does not sign")


def _verify(told: Told, der: bytes, signature: bytes, data: bytes, *_: bytes) -> str:
    key = _public(der)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            width = -(-key.curve.key_size // 8)
            if len(signature) != 2 * width:
                return "false"
            r, s = int.from_bytes(signature[:width], "big"), int.from_bytes(signature[width:], "big")
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(_hash(told)))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, _padding(told), _hash(told))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        else:
            raise refused("NotSupportedError", "such a key does not verify")
    except (InvalidSignature, ValueError):
        return "false"
    return "true"


def _hash(told: Told) -> hashes.HashAlgorithm:
    name = hash_name(told).upper()
    found: hashes.HashAlgorithm = getattr(hashes, name)()
    return found


def _padding(told: Told) -> padding.AsymmetricPadding:
    if told.name == "RSA-PSS":
        if not 0 <= told.salt <= 1024:
            raise refused("OperationError", "saltLength must be 0 to 1024")
        return padding.PSS(padding.MGF1(_hash(told)), told.salt)
    return padding.PKCS1v15()


def _oaep(told: Told, der: bytes, label: bytes, data: bytes, *_: bytes) -> bytes:
    key = _public(der) if told.encrypt else _private(der)
    way = padding.OAEP(padding.MGF1(_hash(told)), _hash(told), label or None)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            return key.encrypt(data, way)
        if isinstance(key, rsa.RSAPrivateKey):
            return key.decrypt(data, way)
    except ValueError as error:
        raise refused("OperationError", "the data does not fit the key") from error
    raise refused("NotSupportedError", "such a key does not encrypt")


def _agree(told: Told, der: bytes, other: bytes, *_: bytes) -> bytes:
    key, peer = _private(der), _public(other)
    try:
        if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(peer, ec.EllipticCurvePublicKey):
            return key.exchange(ec.ECDH(), peer)
        if isinstance(key, x25519.X25519PrivateKey) and isinstance(peer, x25519.X25519PublicKey):
            return key.exchange(peer)
    except ValueError as error:
        raise refused("OperationError", "the keys do not agree") from error
    raise refused("InvalidAccessError", "the keys are of different kinds")


OPS: dict[str, Work] = {
    "crypto.import": _import,
    "crypto.export": _export,
    "crypto.generate": _generate,
    "crypto.sign": _sign,
    "crypto.verify": _verify,
    "crypto.oaep": _oaep,
    "crypto.agree": _agree,
}
