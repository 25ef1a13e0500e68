"""Content ids, equal to those `ipfs add` gives with its defaults.

CIDv0 of UnixFS: files are cut into 256 KiB leaves under a balanced tree of at most 174 links a node; a folder is a
node whose links are its entries, sorted by name.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

CHUNK = 262_144
LINKS = 174
_FILE = 2
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE = {letter: value for value, letter in enumerate(_ALPHABET)}
_SHA256 = b"\x12\x20"
_DAG_PB, _RAW = 0x70, 0x55


class Node(NamedTuple):
    """One node of the graph: its digest, the bytes of content below it, and of all nodes from here on."""

    digest: bytes
    content: int
    total: int


def leaf(data: bytes) -> Node:
    """The node of one chunk."""
    return _leaf_of(data, len(data))


def leaf_size(content: int) -> int:
    """How long the node of a chunk of so many bytes is."""
    inner = len(_data(content)) + content + (len(_varint(content)) + 1 if content else 0)
    return 1 + len(_varint(inner)) + inner


def file_cid(leaves: Sequence[Node]) -> str:
    """The id of a file from its leaves."""
    return encode(file_node(leaves).digest)


def file_node(leaves: Sequence[Node]) -> Node:
    level = list(leaves) or [leaf(b"")]
    while len(level) > 1:
        level = [_inner(level[i : i + LINKS]) for i in range(0, len(level), LINKS)]
    return level[0]


def cid_of(data: bytes) -> str:
    """The id of a file that is here as a whole."""
    return file_cid([leaf(data[i : i + CHUNK]) for i in range(0, len(data), CHUNK)])


def total_size(size: int) -> int:
    """Bytes of all nodes of a file of this size: links carry it."""
    level = [(n, leaf_size(n)) for n in _chunks(size)]
    while len(level) > 1:
        level = [_inner_size(level[i : i + LINKS]) for i in range(0, len(level), LINKS)]
    return level[0][1]


def folders(files: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    """The id of every folder of a tree of files `{path: (cid, size)}`; the root's path is empty."""
    entries: dict[str, dict[str, tuple[bytes, int]]] = {"": {}}
    for path, (cid, size) in files.items():
        folder, _, name = path.rpartition("/")
        for parent in _parents(folder):
            entries.setdefault(parent, {})
        entries[folder][name] = (decode(cid), total_size(size))
    found: dict[str, str] = {}
    for folder in sorted(entries, key=lambda path: path.count("/") if path else -1, reverse=True):
        digest, total = _folder(entries[folder])
        found[folder] = encode(digest)
        if folder:
            parent, _, name = folder.rpartition("/")
            entries[parent][name] = (digest, total)
    return found


def encode(digest: bytes) -> str:
    """CIDv0: base58 of the multihash."""
    number = int.from_bytes(_SHA256 + digest)
    text = ""
    while number:
        number, rest = divmod(number, 58)
        text = _ALPHABET[rest] + text
    return text


def decode(cid: str) -> bytes:
    """The digest in a CIDv0."""
    if cid.strip(_ALPHABET) or len(cid) > 46:
        raise ValueError("not base58")
    number = 0
    # ten letters fit a machine's word: so only every tenth step is one of long numbers
    for start in range(0, len(cid), 10):
        part, small = cid[start : start + 10], 0
        for letter in part:
            small = small * 58 + _VALUE[letter]
        number = number * 58 ** len(part) + small
    multihash = number.to_bytes(34)
    if multihash[:2] != _SHA256:
        raise ValueError("not a sha2-256 multihash")
    return multihash[2:]


class Parsed(NamedTuple):
    """What an id in an address means: a node of the graph, or plain bytes by their SHA-256."""

    cid: str = ""
    sha256: bytes = b""


def parse(text: str) -> Parsed | None:
    """An id as people write it: CIDv0, or CIDv1 in base32 (dag-pb and raw)."""
    try:
        if len(text) == 46 and text.startswith("Qm"):
            return Parsed(cid=encode(decode(text)))
        if text.startswith("b") and len(text) == 59:
            raw = base64.b32decode(text[1:].upper() + "======"[: -len(text[1:]) % 8])
            if raw[0] == 1 and raw[2:4] == _SHA256 and raw[1] in (_DAG_PB, _RAW) and len(raw) == 36:
                return Parsed(cid=encode(raw[4:])) if raw[1] == _DAG_PB else Parsed(sha256=raw[4:])
    except (ValueError, LookupError, OverflowError):
        return None
    return None


# --- the nodes, as protobuf writes them


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(payload)) + payload


def _data(size: int) -> bytes:
    """The UnixFS message of a file without its content: type, size."""
    return bytes([1 << 3, _FILE, 3 << 3]) + _varint(size)


def _leaf_of(data: bytes, size: int) -> Node:
    kind, length = bytes([1 << 3, _FILE]), bytes([3 << 3]) + _varint(size)
    inner = kind + (_field(2, data) if data else b"") + length
    head = bytes([1 << 3 | 2]) + _varint(len(inner))
    return Node(hashlib.sha256(head + inner).digest(), size, len(head) + len(inner))


def _inner(children: Sequence[Node]) -> Node:
    links = b"".join(_link(child.digest, "", child.total) for child in children)
    size = sum(child.content for child in children)
    blocks = b"".join(bytes([4 << 3]) + _varint(child.content) for child in children)
    block = links + _field(1, _data(size) + blocks)
    return Node(hashlib.sha256(block).digest(), size, len(block) + sum(child.total for child in children))


def _inner_size(children: Sequence[tuple[int, int]]) -> tuple[int, int]:
    node = _inner([Node(bytes(32), content, total) for content, total in children])
    return node.content, node.total


def _link(digest: bytes, name: str, total: int) -> bytes:
    body = _field(1, _SHA256 + digest) + _field(2, name.encode()) + bytes([3 << 3]) + _varint(total)
    return _field(2, body)


def _folder(entries: Mapping[str, tuple[bytes, int]]) -> tuple[bytes, int]:
    ordered = sorted(entries.items(), key=lambda entry: entry[0].encode())
    links = b"".join(_link(digest, name, total) for name, (digest, total) in ordered)
    block = links + _field(1, bytes([1 << 3, 1]))
    return hashlib.sha256(block).digest(), len(block) + sum(total for _, (_, total) in ordered)


def _chunks(size: int) -> Iterable[int]:
    whole, rest = divmod(size, CHUNK)
    return [CHUNK] * whole + ([rest] if rest or not whole else [])


def _parents(folder: str) -> Iterable[str]:
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
