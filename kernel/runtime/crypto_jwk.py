"""Keys in pairs as JSON Web Keys, and back."""

from __future__ import annotations

import base64
import re
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

CURVES: dict[str, type[ec.EllipticCurve]] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


def from_jwk(jwk: dict[str, Any]) -> Any:
    """The key; a ValueError or KeyError if it is none."""
    match jwk["kty"]:
        case "RSA":
            return _rsa(jwk)
        case "EC":
            numbers = ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), CURVES[jwk["crv"]]())
            if "d" not in jwk:
                return numbers.public_key()
            return ec.EllipticCurvePrivateNumbers(_number(jwk, "d"), numbers).private_key()
        case "OKP":
            return _okp(jwk)
    raise ValueError("an unknown kty")


def _rsa(jwk: dict[str, Any]) -> Any:
    numbers = rsa.RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n"))
    if "d" not in jwk:
        return numbers.public_key()
    p, q, d, dp, dq, qi = (_number(jwk, name) for name in ("p", "q", "d", "dp", "dq", "qi"))
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, numbers).private_key()


def _okp(jwk: dict[str, Any]) -> Any:
    match jwk["crv"]:
        case "Ed25519":
            public, private = ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey
        case "X25519":
            public, private = x25519.X25519PublicKey, x25519.X25519PrivateKey  # type: ignore[assignment]
        case _:
            raise ValueError("an unknown crv")
    if "d" not in jwk:
        return public.from_public_bytes(_bytes(jwk, "x"))
    key = private.from_private_bytes(_bytes(jwk, "d"))
    if key.public_key().public_bytes_raw() != _bytes(jwk, "x"):
        raise ValueError("x and d do not belong together")
    return key


def to_jwk(key: Any) -> dict[str, Any]:
    private = hasattr(key, "private_bytes")
    public = key.public_key() if private else key
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        made = {"kty": "RSA", "n": _text(numbers.n), "e": _text(numbers.e)}
        return made | (_rsa_private(key.private_numbers()) if private else {})
    if isinstance(public, ec.EllipticCurvePublicKey):
        width = -(-public.curve.key_size // 8)
        point = public.public_numbers()
        name = next(name for name, curve in CURVES.items() if isinstance(public.curve, curve))
        made = {"kty": "EC", "crv": name, "x": _text(point.x, width), "y": _text(point.y, width)}
        return made | ({"d": _text(key.private_numbers().private_value, width)} if private else {})
    crv = "Ed25519" if isinstance(public, ed25519.Ed25519PublicKey) else "X25519"
    made = {"kty": "OKP", "crv": crv, "x": _encoded(public.public_bytes_raw())}
    return made | ({"d": _encoded(key.private_bytes_raw())} if private else {})


def _rsa_private(numbers: rsa.RSAPrivateNumbers) -> dict[str, str]:
    parts = {
        "d": numbers.d, "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp,
    }  # fmt: skip
    return {name: _text(number) for name, number in parts.items()}


def _number(jwk: dict[str, Any], name: str) -> int:
    return int.from_bytes(_bytes(jwk, name), "big")


def _bytes(jwk: dict[str, Any], name: str) -> bytes:
    text = jwk[name]
    if not isinstance(text, str) or not BASE64URL.fullmatch(text):
        raise ValueError(f"{name} is not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(number: int, width: int = 0) -> str:
    return _encoded(number.to_bytes(width or max(1, -(-number.bit_length() // 8)), "big"))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
