"""Uploaded zips are hostile: each trick is refused by name, and what is honest reads back as it was."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import struct
import subprocess
import tarfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.fs.archive import MIB, PIECE, RATIO_FLOOR, Archive, ArchiveLimits
from kernel.fs.paths import check_paths
from tests.kernel.fs.zips import DEVICE, FIFO, FOLDER, LINK, Entry, Watched, deflate, end, made, made64

HOME = Entry(b"index.html", b"<h1>hi</h1>", method=8)
U32 = 0xFFFFFFFF


def contents(data: bytes, limits: ArchiveLimits = ArchiveLimits(), strip: bool = False) -> dict[str, bytes]:
    archive = Archive(io.BytesIO(data), limits)
    if strip:
        archive.strip_root()
    return {name: b"".join(archive.read(name)) for name in archive.names}


def refused(data: bytes, code: str = "VALIDATION_FAILED", limits: ArchiveLimits = ArchiveLimits()) -> FaztError:
    with pytest.raises(FaztError) as caught:
        contents(data, limits)
    error = caught.value
    assert (error.code, bool(error.hint)) == (code, True), error.message
    assert error.message.isprintable() and len(error.message) < 500
    to_text(error.public())
    return error


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def assert_path_refused(name: str | bytes, why: str) -> None:
    raw = name if isinstance(name, bytes) else name.encode()
    error = refused(made(HOME, Entry(raw, b"x")))
    assert why in to_text(error.public()), error.public()
    refused(made(HOME, Entry(raw + b"/", mode=FOLDER)))


# --- the tricks, by their numbers


@pytest.mark.parametrize("name", ["../../x", "a/../../x", "..", "a/.."])
def test_01_traversal(name: str) -> None:
    assert_path_refused(name, "segment ..")


@pytest.mark.parametrize("name", ["/etc/x", "//host/x"])
def test_02_absolute(name: str) -> None:
    assert_path_refused(name, "absolute")


@pytest.mark.parametrize(("name", "why"), [("C:\\x", "backslash"), ("a\\..\\b", "backslash"), ("C:/x", "drive letter")])
def test_03_drive_and_backslash(name: str, why: str) -> None:
    assert_path_refused(name, why)


@pytest.mark.parametrize(
    "entry",
    [
        Entry(b"link", b"/etc/passwd", mode=LINK),
        Entry(b"link", b"/etc/passwd", method=8, mode=LINK, lists={"made_by": 0}),
        Entry(b"link/", mode=LINK),
        Entry(b"hard", b"", extra=struct.pack("<2H", 0x000D, 12 + 5) + bytes(12) + b"other"),
        Entry(b"asi", b"", extra=struct.pack("<2HLHL2H", 0x756E, 14 + 5, 0, 0, 0, 0, 0) + b"other"),
        Entry(b"asi", b"", extra=struct.pack("<2HLH", 0x756E, 6, 0, LINK)),
    ],
)
def test_04_links(entry: Entry) -> None:
    assert "is a link" in refused(made(HOME, entry)).message
    # a chain: the folder is a link, the file goes through it
    assert "is a link" in refused(made(entry, Entry(entry.name.rstrip(b"/") + b"/x", b"x"))).message


@pytest.mark.parametrize("mode", [FIFO, DEVICE, 0o060644, 0o140644])
def test_05_devices_and_pipes(mode: int) -> None:
    assert "device" in refused(made(HOME, Entry(b"dev", mode=mode))).message


def test_05_a_folder_by_kind_only() -> None:
    assert "folder by its kind" in refused(made(HOME, Entry(b"dev", mode=FOLDER))).message


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(size // MIB)), packer.flush()])


def test_06_bomb_that_tells_its_size() -> None:
    packed = bomb(64 * MIB)
    told = {"crc": 0, "packed": len(packed), "size": 64 * MIB}
    entry = Entry(b"bomb", method=8, packed=packed, lists=told, says=told)
    assert "100 times" in refused(made(entry), "PAYLOAD_TOO_LARGE").message
    assert "larger than 32 MiB" in refused(made(entry), "PAYLOAD_TOO_LARGE", ArchiveLimits(most_file=32 * MIB)).message
    many = [Entry(b"%d" % n, bytes(MIB), method=8) for n in range(17)]
    assert "100 times" in refused(made(*many), "PAYLOAD_TOO_LARGE").message
    assert "together" in refused(made(*many), "PAYLOAD_TOO_LARGE", ArchiveLimits(most_total=16 * MIB)).message
    assert len(contents(made(*many[:16]))) == RATIO_FLOOR // MIB


def test_06_bomb_that_lies_is_cut_after_one_piece() -> None:
    packed = bomb(64 * MIB)
    told = {"packed": len(packed), "size": 1000}
    archive = Archive(io.BytesIO(made(Entry(b"bomb", method=8, packed=packed, lists=told, says=told))))
    tracemalloc.start()
    try:
        with pytest.raises(FaztError, match="more than its header says"):
            assert not list(archive.read("bomb"))
        assert tracemalloc.get_traced_memory()[1] < 4 * PIECE
    finally:
        tracemalloc.stop()


def test_07_a_zip_in_a_zip_is_only_a_file() -> None:
    inner = zipped({"../x": b"x"})
    assert contents(zipped({"inner.zip": inner})) == {"inner.zip": inner}
    assert contents(zipped({"inner.zip": inner}, zipfile.ZIP_STORED)) == {"inner.zip": inner}


def test_08_a_million_empty_files() -> None:
    # 1 000 000 wraps to 16 960 in 16 bits
    listed = Entry(b"0").listed(0) * 1_000_000
    for count in (1_000_000 % 65_536, 65_535):
        file = Watched(HOME.header() + listed + end(count, len(listed), len(HOME.header())))
        with pytest.raises(FaztError) as caught:
            Archive(file)
        assert caught.value.code == "LIMIT_EXCEEDED" and caught.value.details["limit"] == 20_000
        assert file.most < 70_000
    four = [Entry(b"%d" % n) for n in range(4)]
    refused(made(*four), "LIMIT_EXCEEDED", ArchiveLimits(most_entries=3))
    assert len(contents(made(*four), ArchiveLimits(most_entries=4))) == 4
    # fewer told than there are, or more
    assert "longer" in refused(made(*four, here=3, count=3)).message
    assert "shorter" in refused(made(*four, here=5, count=5)).message


def test_09_overlapping_members() -> None:
    big = Entry(b"a", b"x" * 100)
    twice = made(big, Entry(b"b", b"x" * 100, lists={"place": 0}))
    assert "differs" in refused(twice).message
    # the quoted kind: the first member's bytes hold the header and bytes of the second
    inner = Entry(b"b", b"y" * 50)
    outer = Entry(b"a", inner.header() + inner.body())
    at = len(outer.header())
    inside = inner.header() + inner.body()
    body = outer.header() + inside
    listed = outer.listed(0) + inner.listed(at)
    assert "shares bytes" in refused(body + listed + end(2, len(listed), len(body))).message
    same = outer.listed(0) + outer.listed(0)
    refused(body + same + end(2, len(same), len(body)))
    # the last one reaches into the list
    longer = Entry(b"a", b"x", lists={"packed": 40, "size": 40}, says={"packed": 40, "size": 40})
    assert "shares bytes" in refused(made(longer)).message


@pytest.mark.parametrize(
    ("first", "second"),
    [("a", "a"), ("A.html", "a.html"), ("é", normalize("NFD", "é")), ("ß", "SS"), ("a", "a/b"), ("A/b", "a")],
)
def test_10_duplicates_and_twins(first: str, second: str) -> None:
    error = refused(made(Entry(first.encode(), b"1"), Entry(second.encode(), b"2")))
    assert error.details["field"] == "files" and len(error.details["offenders"]) == 1


def test_10_a_file_beside_a_folder_of_its_name() -> None:
    refused(made(Entry(b"a", b"1"), Entry(b"A/", mode=FOLDER)))


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ({"name": b"index.htmk"}, "differs"),
        ({"method": 0}, "differs"),
        ({"flags": 0x0801}, "differs"),
        ({"crc": 1}, "other sizes"),
        ({"packed": 1}, "other sizes"),
        ({"size": 1}, "other sizes"),
        ({"size": U32}, "zip64 extra"),
    ],
)
def test_11_list_and_header_differ(says: dict[str, object], why: str) -> None:
    assert why in refused(made(Entry(b"index.html", b"<h1>hi</h1>", method=8, says=says))).message


@pytest.mark.parametrize("place", [1, 5, 10_000, U32 - 1])
def test_11_headers_are_elsewhere(place: int) -> None:
    assert "not where" in refused(made(Entry(b"a", b"x", lists={"place": place}))).message


def test_11_sizes_that_follow_the_data() -> None:
    follows = Entry(b"a", b"xyz", flags=0x0808, says={"crc": 0, "packed": 0, "size": 0})
    assert contents(made(follows, HOME)) == {"a": b"xyz", "index.html": b"<h1>hi</h1>"}


def test_12_truncated() -> None:
    whole = made(HOME, Entry(b"b", b"b" * 100), comment=b"comment")
    for length in range(len(whole)):
        refused(whole[:length])
    refused(whole + b"x")
    refused(whole[:40] + whole[41:])
    # cut inside the packed bytes, with every size saying so
    noise = random.Random(1).randbytes(1000)
    assert "cut off" in refused(made(Entry(b"a", noise, method=8, packed=deflate(noise)[:500]))).message
    cut = deflate(b"x" * 1000)[:-2]
    assert "cut off" in refused(made(Entry(b"a", b"x" * 1000, method=8, packed=cut))).message


@pytest.mark.parametrize("method", [0, 8])
def test_12_bad_check_sum(method: int) -> None:
    wrong = {"crc": 7}
    assert "check sum" in refused(made(Entry(b"a", b"x" * 999, method=method, lists=wrong, says=wrong))).message


def test_12_damaged_bytes() -> None:
    assert "unpacked" in refused(made(Entry(b"a", b"x", method=8, packed=b"\xff\xff\xff"))).message
    assert "after its end" in refused(made(Entry(b"a", b"x", method=8, packed=deflate(b"x") + b"more"))).message


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a" * 300, "255 bytes"),
        ("a/" * 700 + "a", "1024 bytes"),
        (b"\xff\xfe.html", "not UTF-8"),
        (b"\xed\xa0\x80", "not UTF-8"),
        (".", "segment ."),
        ("a/./b", "segment ."),
        ("", "empty"),
        ("a//b", "empty segment"),
        ("x.", "dot or a space"),
        ("x ", "dot or a space"),
        ("gpj\u202eexe.html", "direction"),
    ],
)
def test_13_bad_names(name: str | bytes, why: str) -> None:
    assert_path_refused(name, why)


@pytest.mark.parametrize("method", [0, 8])
@pytest.mark.parametrize("size", [0, 1, 998, 1000, 10_000])
def test_14_lies_on_size(method: int, size: int) -> None:
    data = random.Random(2).randbytes(999)
    told = {"size": size}
    message = refused(made(Entry(b"a", data, method=method, lists=told, says=told))).message
    assert "than its header says" in message if method else "lies about its size" in message


def test_14_a_folder_with_bytes() -> None:
    assert "lies about its size" in refused(made(Entry(b"a/", b"x", mode=FOLDER))).message


def tar(**options: object) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, **options) as archive:  # type: ignore[call-overload]
        archive.add(__file__, "index.html")
    return file.getvalue()


@pytest.mark.parametrize(
    ("upload", "why"),
    [
        (tar(mode="w"), "a tar archive"),
        (tar(mode="w", format=tarfile.PAX_FORMAT, pax_headers={"x": "y" * 100_000}), "a tar archive"),
        (tar(mode="w:gz"), "a gzip file"),
        (tar(mode="w:bz2"), "a bzip2 file"),
        (tar(mode="w:xz"), "an xz file"),
        (gzip.compress(zipped({"a": b"a"})), "a gzip file"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "a 7z archive"),
        (b"<!doctype html>" * 100, "not a zip"),
        (b"", "not a zip"),
        (tar(mode="w") + made(HOME), "a tar archive"),
        (b"#!/bin/sh\n" + made(HOME), "not a zip"),
    ],
)
def test_15_a_tar_is_no_zip(upload: bytes, why: str) -> None:
    error = refused(upload)
    assert why in error.message and "zip" in (error.hint or "")


# --- other oddities


def test_encrypted() -> None:
    for flags in (0x0801, 0x0840, 0x2800):
        assert "encrypted" in refused(made(Entry(b"a", b"x", flags=flags))).message


@pytest.mark.parametrize("method", [1, 6, 9, 12, 14, 93, 95, 98, 99])
def test_unknown_methods(method: int) -> None:
    assert "deflate" in (refused(made(Entry(b"a", b"x", method=method))).hint or "")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_python_writes(method: int) -> None:
    assert "packed in a way" in refused(zipped({"a": b"x" * 100}, method)).message


def test_comments_and_extras() -> None:
    assert contents(made(HOME, comment=b"c" * 4096)) == {"index.html": HOME.data}
    assert "comment" in refused(made(HOME, comment=b"c" * 4097)).message
    assert "more than one end" in refused(made(HOME, comment=end(0, 0, 0))).message
    padding = struct.pack("<2H", 0xD935, 4092) + bytes(4092)
    for name in ("extra", "own_extra", "comment"):
        contents(made(Entry(b"a", b"x", **{name: padding})))
        refused(made(Entry(b"a", b"x", **{name: padding + b"1"})))
    assert "damaged extras" in refused(made(Entry(b"a", b"x", extra=struct.pack("<2H", 5, 50)))).message


@pytest.mark.parametrize("changed", [{"disk": 1}, {"list_disk": 1}, {"here": 0}])
def test_parts(changed: dict[str, int]) -> None:
    assert "one part" in refused(made(HOME, **changed)).message
    refused(made64(HOME, changed=changed))
    refused(made(Entry(b"a", b"x", lists={"disk": 1})))


def wide(*numbers: int) -> bytes:
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def test_zip64_that_agrees() -> None:
    expected = {"index.html": HOME.data}
    assert contents(made64(HOME)) == expected
    assert contents(made64(HOME, here=0xFFFF, count=0xFFFF, size=U32, place=U32)) == expected
    full = {"packed": U32, "size": U32}
    assert contents(made(Entry(b"a", b"xyz", extra=wide(3, 3), own_extra=wide(3, 3), lists=full, says=full))) == {
        "a": b"xyz"
    }


@pytest.mark.parametrize(
    "changed",
    [{"count": 2, "here": 2}, {"size": 1}, {"place": 1}, {"at": 1}, {"disks": 2}, {"record": 45}, {"record": 2**63}],
)
def test_zip64_end_records_that_do_not(changed: dict[str, int]) -> None:
    refused(made64(HOME, changed=changed))
    refused(made64(HOME, changed=changed, here=0xFFFF, count=0xFFFF, size=U32, place=U32))


def test_zip64_end_records_apart_from_each_other() -> None:
    whole = made64(HOME)
    assert "not where" in refused(whole[:-42] + b"gap" + whole[-42:]).message


@pytest.mark.parametrize(
    ("extra", "lists"),
    [
        (b"", {"size": U32}),
        (wide(3), {"size": U32, "packed": U32}),
        (wide(3, 3), {"size": U32}),
        (wide(3), {}),
        (wide(3) + wide(3), {"size": U32}),
        (wide(2**64 - 1), {"size": U32}),
        (wide(2**64 - 1), {"place": U32}),
        (wide(2**63), {"packed": U32}),
    ],
)
def test_zip64_extras_that_do_not(extra: bytes, lists: dict[str, int]) -> None:
    refused(made(Entry(b"a", b"xyz", extra=extra, lists=lists)))


# --- honest zips


def test_the_root_folder_is_left_off() -> None:
    def stripped(*names: str) -> tuple[str, list[str]]:
        archive = Archive(io.BytesIO(zipped({name: b"" if name[-1] == "/" else b"x" for name in names})))
        return archive.strip_root(), archive.names

    assert stripped("site/index.html", "site/a/b.css") == ("site", ["index.html", "a/b.css"])
    assert stripped("site/", "site/index.html", "empty/") == ("site", ["index.html"])
    assert stripped("a/b/index.html") == ("a", ["b/index.html"])
    apple = ("site/index.html", "__MACOSX/site/._index.html", ".DS_Store", "site/.DS_Store")
    assert stripped(*apple) == ("site", ["index.html", "__MACOSX/site/._index.html", ".DS_Store"])
    for kept in (
        ["index.html"],
        ["a/x", "b/x"],
        ["a/x", "index.html"],
        ["private/x"],
        ["Private/x"],
        ["api/main.js"],
        ["_next/x"],
        [".well-known/x"],
        [".env"],
        ["node_modules/x"],
        ["empty/"],
    ):
        assert stripped(*kept) == ("", [name for name in kept if name[-1] != "/"])


def test_what_is_below_the_root_is_checked_again() -> None:
    archive = Archive(io.BytesIO(zipped({"site/c:/x": b"x"})))
    with pytest.raises(FaztError, match="drive letter"):
        archive.strip_root()
    assert archive.names == ["site/c:/x"]


def test_a_macs_names_become_one_character_each() -> None:
    assert contents(made(Entry(normalize("NFD", "Über.html").encode(), b"x", flags=0))) == {"Über.html": b"x"}


def test_files_can_be_read_by_turns() -> None:
    files = {name: random.Random(name).randbytes(3 * PIECE + 5) for name in "ab"}
    archive = Archive(io.BytesIO(zipped(files)))
    pieces = list(zip(archive.read("a"), archive.read("b"), strict=True))
    assert {name: b"".join(pair[n] for pair in pieces) for n, name in enumerate("ab")} == files
    assert max(len(piece) for pair in pieces for piece in pair) <= PIECE
    assert archive.size("a") == 3 * PIECE + 5


@pytest.mark.skipif(not shutil.which("zip"), reason="needs zip")
@pytest.mark.parametrize(
    ("options", "piped"),
    [
        (["-r"], False),
        (["-r", "-0"], False),
        (["-r", "-9", "-X"], False),
        (["-r", "-fd"], False),
        (["-r", "-fz"], False),
        (["-r"], True),
        (["-r", "-0", "-D"], True),
    ],
)
def test_zips_of_info_zip(tmp_path: Path, options: list[str], piped: bool) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "ü.html").write_bytes(b"u" * 5000)
    (tmp_path / "a" / "empty").touch()
    command = ["zip", "-q", *options, "-" if piped else "made.zip", "a"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, check=True, env=os.environ | {"LC_ALL": "C.UTF-8"}
    )
    data = done.stdout if piped else (tmp_path / "made.zip").read_bytes()
    assert contents(data, strip=True) == {"b/ü.html": b"u" * 5000, "empty": b""}


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError

    def seek(self, *_: int) -> int:
        raise OSError


def test_zips_written_to_a_pipe() -> None:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b", b"b" * 1000)
        with archive.open("c", "w", force_zip64=True) as member:
            member.write(b"c" * 1000)
    assert contents(pipe.getvalue()) == {"a/b": b"b" * 1000, "c": b"c" * 1000}


def legal(files: dict[str, bytes]) -> bool:
    try:
        check_paths(files)
    except FaztError:
        return False
    return True


names = st.lists(st.text("abAB .-_é日~", min_size=1, max_size=5), min_size=1, max_size=3).map("/".join)
sites = st.dictionaries(names, st.binary(max_size=300), max_size=6).filter(legal)


@settings(max_examples=60, deadline=None)
@given(sites, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_what_zipfile_makes_reads_back(files: dict[str, bytes], method: int) -> None:
    assert contents(zipped(files, method)) == files


MUTATED = [
    zipped({"index.html": b"<h1>hi</h1>" * 50, "a/b.css": b"x", "a/ü": os.urandom(50)}),
    made64(HOME, Entry(b"b", b"stored"), here=0xFFFF, count=0xFFFF, size=U32, place=U32),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MUTATED), st.data())
def test_changed_bytes_are_refused_or_mean_the_same(whole: bytes, choose: st.DataObject) -> None:
    changed = bytearray(whole)
    for _ in range(choose.draw(st.integers(1, 3))):
        changed[choose.draw(st.integers(0, len(changed) - 1))] = choose.draw(st.sampled_from([0, 1, 8, 127, 128, 255]))
    try:
        found = contents(bytes(changed))
    except FaztError as error:
        assert error.code in ("VALIDATION_FAILED", "LIMIT_EXCEEDED", "PAYLOAD_TOO_LARGE")
        to_text(error.public())
    else:
        # a name may change in both places alike; no content ever does
        assert sorted(found.values()) == sorted(contents(whole).values())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for upload in (data, b"PK\3\4" + data + end(1, len(data), 4), b"PK\5\6" + data):
        with pytest.raises(FaztError):
            contents(upload)
