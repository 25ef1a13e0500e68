"""Sealing: what is sealed is useless without the key, which is never in the file."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.base.errors import FaztError
from kernel.security.seal import CREDENTIAL, SEED_BYTES, Seal, key_path, open_seal
from tests import support

SEED = bytes(range(32))
MARKER = b"a secret that nobody may find"


def is_locked(seal: Seal) -> None:
    assert seal.locked and seal.why_locked
    uses: list[Callable[[], bytes]] = [
        lambda: seal.seal("x", b"y"),
        lambda: seal.unseal("x", b"y"),
        lambda: seal.derive("x"),
    ]
    for use in uses:
        with pytest.raises(FaztError) as raised:
            use()
        assert (raised.value.code, raised.value.status) == ("LOCKED", 503)


# --- values


@given(st.binary(max_size=2000), st.text(max_size=20), st.text(max_size=20))
def test_what_was_sealed_opens(plain: bytes, purpose: str, row: str) -> None:
    seal = Seal(SEED)
    sealed = seal.seal(purpose, plain, row)
    assert seal.unseal(purpose, sealed, row) == plain
    assert len(plain) < 8 or plain not in sealed


@pytest.mark.parametrize(
    ("seed", "purpose", "row"),
    [(SEED, "other", "row 1"), (SEED, "env", "row 2"), (SEED, "env", ""), (bytes(32), "env", "row 1")],
    ids=["another purpose", "another row", "no row", "another key"],
)
def test_what_was_sealed_opens_nowhere_else(seed: bytes, purpose: str, row: str) -> None:
    sealed = Seal(SEED).seal("env", MARKER, "row 1")
    with pytest.raises(FaztError) as raised:
        Seal(seed).unseal(purpose, sealed, row)
    assert raised.value.code == "LOCKED"
    assert MARKER.decode() not in raised.value.message


def test_nothing_that_was_changed_opens() -> None:
    seal = Seal(SEED)
    sealed = seal.seal("env", MARKER)
    changed = [sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :] for i in range(len(sealed))]
    short = [sealed[:length] for length in range(len(sealed))]
    for wrong in [*changed, *short, sealed + b"x", b"", b"\x01", b"\x02" + sealed[1:], MARKER]:
        with pytest.raises(FaztError) as raised:
            seal.unseal("env", wrong)
        assert raised.value.code == "LOCKED"


def test_the_same_value_is_never_sealed_the_same() -> None:
    seal = Seal(SEED)
    assert len({seal.seal("env", MARKER) for _ in range(100)}) == 100


def test_keys_for_different_purposes_are_unlike() -> None:
    seal = Seal(SEED)
    derived = {seal.derive(purpose) for purpose in ("a", "b", "fazt/key-id", "")}
    assert len(derived) == 4 and SEED not in derived
    assert seal.key_id == Seal(SEED).key_id != Seal(bytes(32)).key_id
    assert len(seal.key_id) == 16 and bytes.fromhex(seal.key_id)


# --- the key file


def test_a_new_file_gets_a_key(tmp_path: Path) -> None:
    database = tmp_path / "data.db"
    seal = open_seal(database, None, {})
    assert not seal.locked
    file = key_path(database)
    assert file == tmp_path / "data.db.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and len(file.read_bytes()) == SEED_BYTES
    again = open_seal(database, seal.key_id, {})
    assert again.unseal("x", seal.seal("x", MARKER)) == MARKER
    assert open_seal(tmp_path / "other.db", None, {}).key_id != seal.key_id


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o660, 0o640, 0o604, 0o777])
def test_a_key_others_can_read_is_taken_from_them(tmp_path: Path, mode: int) -> None:
    database = tmp_path / "data.db"
    key_path(database).write_bytes(SEED)
    key_path(database).chmod(mode)
    assert open_seal(database, Seal(SEED).key_id, {}).key_id == Seal(SEED).key_id
    assert stat.S_IMODE(key_path(database).stat().st_mode) == 0o600


def test_a_key_that_lies_there_is_taken(tmp_path: Path) -> None:
    database = tmp_path / "data.db"
    key_path(database).write_bytes(SEED)
    assert open_seal(database, None, {}).key_id == Seal(SEED).key_id


def test_without_its_key_a_file_is_locked(tmp_path: Path) -> None:
    seal = open_seal(tmp_path / "data.db", Seal(SEED).key_id, {})
    is_locked(seal)
    assert not key_path(tmp_path / "data.db").exists(), "a new key would hide that the old one is missing"


def test_with_another_key_a_file_is_locked(tmp_path: Path) -> None:
    key_path(tmp_path / "data.db").write_bytes(bytes(32))
    seal = open_seal(tmp_path / "data.db", Seal(SEED).key_id, {})
    is_locked(seal)
    assert "another" in seal.why_locked
    assert key_path(tmp_path / "data.db").read_bytes() == bytes(32)


@pytest.mark.parametrize("content", [b"", b"short", SEED[:-1], SEED + b"\n", SEED.hex().encode(), SEED * 2])
@pytest.mark.parametrize("known", [True, False])
def test_with_a_broken_key_a_file_is_locked(tmp_path: Path, content: bytes, known: bool) -> None:
    key_path(tmp_path / "data.db").write_bytes(content)
    is_locked(open_seal(tmp_path / "data.db", Seal(SEED).key_id if known else None, {}))
    assert key_path(tmp_path / "data.db").read_bytes() == content


def test_with_a_folder_for_a_key_a_file_is_locked(tmp_path: Path) -> None:
    key_path(tmp_path / "data.db").mkdir()
    is_locked(open_seal(tmp_path / "data.db", Seal(SEED).key_id, {}))


# --- the credential of a service


def test_a_credential_is_the_key(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / CREDENTIAL).write_bytes(SEED)
    seal = open_seal(tmp_path / "data.db", None, {"CREDENTIALS_DIRECTORY": str(folder)})
    assert seal.key_id == Seal(SEED).key_id
    assert not key_path(tmp_path / "data.db").exists()


def test_a_credential_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / CREDENTIAL).write_bytes(SEED)
    key_path(tmp_path / "data.db").write_bytes(bytes(32))
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert open_seal(tmp_path / "data.db", Seal(SEED).key_id, environment).key_id == Seal(SEED).key_id


def test_without_the_credential_the_file_is_looked_at(tmp_path: Path) -> None:
    """A service may have other credentials than this one."""
    key_path(tmp_path / "data.db").write_bytes(SEED)
    for folder in (tmp_path, tmp_path / "nothing", Path("")):
        environment = {"CREDENTIALS_DIRECTORY": str(folder)}
        assert open_seal(tmp_path / "data.db", None, environment).key_id == Seal(SEED).key_id


# --- a node


@pytest.mark.parametrize("how", ["missing", "other", "short", "empty", "folder"])
async def test_a_node_without_its_key_serves(tmp_path: Path, how: str) -> None:
    path, key = tmp_path / "data.db", key_path(tmp_path / "data.db")
    async with support.running(path) as first:
        await first.run("apps.create", slug="shop")
        await first.run("storage.kv.set", app="shop", key="a", value=1)
    key.unlink()
    if how == "folder":
        key.mkdir()
    elif how != "missing":
        key.write_bytes({"other": bytes(32), "short": b"x", "empty": b""}[how])
    async with support.running(path) as running:
        assert (await running.ask("GET", "/health")).status == 200
        read = await running.ask("GET", "/api/apps/shop/storage/kv/entry?key=a", key="*")
        assert read.data["value"] == 1
        wrote = await running.ask("POST", "/api/apps/shop/storage/kv", key="*", body={"key": "b", "value": 2})
        assert wrote.status == 201
        status = (await running.ask("GET", "/api/kernel/status", key="*")).data["subsystems"]["security"]
        assert status["state"] == "locked" and "key" in status["detail"]
        assert (await running.ask("GET", "/api/system/health", key="*")).data["status"] == "degraded"
        is_locked(running.node.seal)


async def test_a_node_that_gets_its_key_back_opens_what_it_sealed(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    async with support.running(path) as first:
        sealed = first.node.seal.seal("env", MARKER, "row")
    saved = key_path(path).rename(tmp_path / "saved")
    async with support.running(path) as locked:
        assert locked.node.seal.locked
    shutil.copy(saved, key_path(path))
    async with support.running(path) as again:
        assert again.node.seal.unseal("env", sealed, "row") == MARKER


async def test_nothing_of_the_key_is_in_the_file(tmp_path: Path) -> None:
    async with support.running(tmp_path / "data.db") as running:
        seed = key_path(tmp_path / "data.db").read_bytes()
        sealed = running.node.seal.seal("env", MARKER, "row").hex()
        await running.run("apps.create", slug="shop")
        await running.run("storage.kv.set", app="shop", key="sealed", value=sealed)
        running.node.store.writer.connection.execute("pragma wal_checkpoint(truncate)")
        kept = b"".join(p.read_bytes() for p in (tmp_path / "data.db", tmp_path / "data.db-wal") if p.exists())
        assert sealed.encode() in kept
        for secret in (seed, seed.hex().encode(), MARKER, running.node.seal.derive("env")):
            assert secret not in kept
        assert running.node.seal.key_id.encode() in kept
