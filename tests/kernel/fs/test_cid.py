"""Content ids are those of `ipfs add`: by the published vectors, and against a second, straightforward reckoning."""

from __future__ import annotations

import base64
import hashlib
import random

import pytest

from kernel.fs import cid
from kernel.fs.cid import CHUNK, LINKS

VECTORS = {
    b"hello world\n": "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o",
    b"": "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
    b"a" * 300_000: "QmYCTciJdFNMNUPCHSNS6dKMmUAqkGQ9tQQeGgbELhQQcn",
}
FOLDER = "QmVNT9ehhkQCV7A6kzbmqG9kH5QwkqBYFJQj76eaFMMEvg"


@pytest.mark.parametrize("data", VECTORS, ids=len)
def test_published_ids_of_files(data: bytes) -> None:
    assert cid.cid_of(data) == VECTORS[data]


def test_the_published_id_of_a_folder() -> None:
    assert cid.folders({"index.html": (cid.cid_of(b"hi\n"), 3)}) == {"": FOLDER}


# --- the second reckoning: protobuf by the book, recursion from the top


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + varint(number // 128)


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number * 8) + varint(value)
    return varint(number * 8 + 2) + varint(len(value)) + value


def unixfs(kind: int, data: bytes, size: int | None, blocks: list[int]) -> bytes:
    said = field(1, kind) + (field(2, data) if data else b"")
    said += field(3, size) if size is not None else b""
    return said + b"".join(field(4, block) for block in blocks)


def block(links: list[tuple[bytes, str, int]], data: bytes) -> tuple[bytes, int]:
    """The multihash of a node, and how large it is with all below it."""
    made = b"".join(field(2, field(1, hash) + field(2, name.encode()) + field(3, total)) for hash, name, total in links)
    made += field(1, data)
    return b"\x12\x20" + hashlib.sha256(made).digest(), len(made) + sum(total for _, _, total in links)


def tree(leaves: list[bytes]) -> tuple[bytes, int, int]:
    """(multihash, size of the content, total), by cutting from the top: the widest subtrees that fill up first."""
    if len(leaves) == 1:
        return (*block([], unixfs(2, leaves[0], len(leaves[0]), [])), len(leaves[0]))
    width = 1
    while width * LINKS < len(leaves):
        width *= LINKS
    parts = []
    for at in range(0, len(leaves), width):
        part = leaves[at : at + width]
        # within one level all subtrees have the same depth, also the last one
        parts.append(deep(part, width))
    sizes = [size for _, _, size in parts]
    return (*block([(h, "", t) for h, t, _ in parts], unixfs(2, b"", sum(sizes), sizes)), sum(sizes))


def deep(leaves: list[bytes], width: int) -> tuple[bytes, int, int]:
    """A subtree as deep as one of so many leaves, also when it has one only."""
    if width == 1:
        return tree(leaves)
    below = [deep(leaves[at : at + width // LINKS], width // LINKS) for at in range(0, len(leaves), width // LINKS)]
    sizes = [size for _, _, size in below]
    return (*block([(h, "", t) for h, t, _ in below], unixfs(2, b"", sum(sizes), sizes)), sum(sizes))


def base58(multihash: bytes) -> str:
    letters = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number, text = int.from_bytes(multihash), ""
    while number:
        text, number = letters[number % 58] + text, number // 58
    return text


def reckoned(data: bytes) -> tuple[str, int]:
    hash, total, size = tree([data[at : at + CHUNK] for at in range(0, len(data), CHUNK)] or [b""])
    assert size == len(data)
    return base58(hash), total


BORDERS = [0, 1, 127, 128, 16_383, 16_384, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK - 1, 5 * CHUNK + 77]


@pytest.mark.parametrize("size", [*BORDERS, *random.Random(7).sample(range(3 * CHUNK), 12)])
def test_ids_and_sizes_agree_with_the_second_reckoning(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert (cid.cid_of(data), cid.total_size(size)) == reckoned(data)


@pytest.mark.parametrize("count", [LINKS - 1, LINKS, LINKS + 1, 2 * LINKS, 2 * LINKS + 1])
@pytest.mark.parametrize("rest", [0, 1])
def test_around_the_most_links_of_a_node(count: int, rest: int) -> None:
    """Chunks that are all alike keep this quick: the graph above them is as large as ever."""
    chunk, tail = b"x" * CHUNK, b"y" * rest
    leaves = [chunk] * count + ([tail] if rest else [])
    hash, total, size = tree(leaves)
    one = cid.leaf(chunk)
    nodes = [one] * count + ([cid.leaf(tail)] if rest else [])
    made = cid.file_node(nodes)
    assert (made.digest, made.total, made.content) == (hash[2:], total, size)
    assert cid.total_size(size) == total


def test_three_levels_of_links() -> None:
    """174 x 174 chunks fill two levels; one more makes a third. (7.9 GB: only its sizes.)"""
    full = cid.total_size(LINKS * LINKS * CHUNK)
    assert cid.total_size(LINKS * LINKS * CHUNK + 1) > full + cid.leaf_size(1)
    made = cid.file_node([cid.leaf(b"")] * (LINKS * LINKS + 1))
    assert made.digest == tree([b""] * (LINKS * LINKS + 1))[0][2:]


def test_a_leaf_is_as_long_as_it_says() -> None:
    for size in (0, 1, 127, 128, 255, 256, 16_383, 16_384, CHUNK):
        assert cid.leaf(b"x" * size).total == cid.leaf_size(size)


def test_folders_agree_with_the_second_reckoning() -> None:
    files = {"b/c/ü.txt": b"1", "b/a": b"22", "a-b": b"3", "a/x": b"4" * 300, "a.b": b"", "Z": b"6" * 70_000}
    made = cid.folders({path: (cid.cid_of(data), len(data)) for path, data in files.items()})

    def folder(below: dict[str, bytes]) -> tuple[bytes, int]:
        names = {path.partition("/")[0] for path in below}
        links = []
        for name in sorted(names, key=str.encode):
            if name in below:
                hash, total, _ = tree([below[name]])
            else:
                hash, total = folder({p[len(name) + 1 :]: d for p, d in below.items() if p.startswith(name + "/")})
            links.append((hash, name, total))
        return block(links, field(1, 1))

    assert made[""] == base58(folder(files)[0])
    assert made["b"] == base58(folder({"c/ü.txt": b"1", "a": b"22"})[0])
    assert set(made) == {"", "a", "b", "b/c"}


# --- ids as people write them

HELLO = VECTORS[b"hello world\n"]
DIGEST = cid.decode(HELLO)


def version1(codec: int, digest: bytes = DIGEST) -> str:
    raw = bytes([1, codec]) + b"\x12\x20" + digest
    return "b" + base64.b32encode(raw).decode().rstrip("=").lower()


def test_an_id_is_read_in_each_of_its_forms() -> None:
    assert cid.encode(DIGEST) == HELLO
    assert cid.parse(HELLO) == cid.Parsed(cid=HELLO)
    assert cid.parse(version1(0x70)) == cid.Parsed(cid=HELLO)
    assert version1(0x70).startswith("bafybei")
    assert cid.parse(version1(0x55)) == cid.Parsed(sha256=DIGEST)
    assert version1(0x55).startswith("bafkrei")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Qm",
        HELLO[:-1],
        HELLO + "1",
        HELLO.replace("T", "0", 1),
        HELLO.replace("T", "l", 1),
        "Qm" + "z" * 44,
        "Qm" + "ü" * 44,
        HELLO.lower(),
        version1(0x70)[:-1],
        version1(0x71),
        version1(0x70).replace("a", "1"),
        "b" + "ß" * 58,
        "b" + "A" * 58,
        "b" + "=" * 58,
        "z" + version1(0x70)[1:],
        "../" + HELLO,
        "b" + base64.b32encode(b"\1\x70\x13\x20" + DIGEST).decode().rstrip("=").lower(),
        "b" + base64.b32encode(b"\2\x70\x12\x20" + DIGEST).decode().rstrip("=").lower(),
    ],
)
def test_what_is_no_id_is_none(text: str) -> None:
    assert cid.parse(text) is None


def test_decoding_is_strict() -> None:
    with pytest.raises(ValueError):
        cid.decode(cid.encode(bytes(32))[:-1] + "0")
    assert cid.decode(cid.encode(bytes(32))) == bytes(32)
