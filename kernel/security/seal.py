"""Sealing: secrets in the file are useless without the key, which is never in the file.

One master seed of 32 bytes lies beside the data (`<db>.key`, 0600) or comes as the systemd credential `fazt-seal`.
Everything is derived from it (HKDF-SHA256). The file knows only the id of its key: a copy of the file without the
key runs with its secrets locked.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kernel.base.errors import FaztError

CREDENTIAL = "fazt-seal"
SEED_BYTES = 32
_VERSION = b"\x01"
_NONCE = 12


def key_path(database: Path) -> Path:
    return database.with_name(database.name + ".key")


class Seal:
    def __init__(self, seed: bytes | None, why_locked: str = "") -> None:
        self._seed, self.why_locked = seed, why_locked

    @property
    def locked(self) -> bool:
        return self._seed is None

    @property
    def key_id(self) -> str:
        return self.derive("fazt/key-id").hex()[:16]

    def derive(self, purpose: str) -> bytes:
        if self._seed is None:
            raise FaztError(
                "LOCKED",
                "Secrets are locked: the key of this data file is not here.",
                "Put the key file back beside the data file and restart.",
            )
        return HKDF(SHA256(), SEED_BYTES, None, purpose.encode()).derive(self._seed)

    def seal(self, purpose: str, plain: bytes, bound_to: str = "") -> bytes:
        """`bound_to` names the row: a sealed value moved to another row does not open."""
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + nonce + ChaCha20Poly1305(self.derive(purpose)).encrypt(nonce, plain, bound_to.encode())

    def unseal(self, purpose: str, sealed: bytes, bound_to: str = "") -> bytes:
        cipher = ChaCha20Poly1305(self.derive(purpose))
        try:
            if sealed[:1] != _VERSION:
                raise InvalidTag
            return cipher.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], bound_to.encode())
        except (InvalidTag, ValueError):
            raise FaztError(
                "LOCKED",
                "A sealed value does not open with this key.",
                "It was sealed by another node, or the file was changed.",
            ) from None


def open_seal(database: Path, key_id: str | None, environment: Mapping[str, str]) -> Seal:
    """The seal of a file whose key has the given id; a file without one gets (or makes) the key that lies there."""
    try:
        found = _credential(environment) or _read(key_path(database))
    except (OSError, ValueError) as error:
        return Seal(None, str(error))
    if found is None and key_id is None:
        found = _create(key_path(database))
    if found is None:
        return Seal(None, f"the key file {key_path(database)} is missing")
    seal = Seal(found)
    if key_id is not None and seal.key_id != key_id:
        return Seal(None, f"{key_path(database)} is the key of another data file")
    return seal


def _credential(environment: Mapping[str, str]) -> bytes | None:
    folder = environment.get("CREDENTIALS_DIRECTORY")
    return _read(Path(folder) / CREDENTIAL) if folder else None


def _read(path: Path) -> bytes | None:
    try:
        seed = path.read_bytes()
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if len(seed) != SEED_BYTES:
        raise ValueError(f"{path} is not a key: it has {len(seed)} bytes")
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and os.access(path, os.W_OK) and path.stat().st_uid == os.getuid():
        path.chmod(0o600)
    return seed


def _create(path: Path) -> bytes:
    seed = secrets.token_bytes(SEED_BYTES)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(seed)
        file.flush()
        os.fsync(file.fileno())
    return seed
