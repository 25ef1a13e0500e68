"""The client's half of a deploy, against a node that loses, refuses and forgets."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fazt.client.folder import File, Folder
from fazt.client.hashes import Hashes
from fazt.client.http import Broken, Link
from fazt.client.pieces import Changed, Piece, bodies, encoded, pieces
from fazt.client.upload import PAUSES, SENDER, Deployed, Upload, Wish
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.fs.cid import CHUNK
from kernel.fs.frames import FRAME, MOST_BODY, RAW, ZLIB
from tests.fazt.fake_node import FakeNode, fake_node

PLAN, PIECES, FINISH = "/api/deploy/plan", "/api/deploy/pieces", "/api/deploy/finish"
NOISE = random.Random(1)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAZT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with fake_node() as made:
        yield made


@pytest.fixture
def site(tmp_path: Path) -> Path:
    made = tmp_path / "site"
    made.mkdir()
    return made


def write(site: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)


class Counted:
    def __init__(self) -> None:
        self.total = self.done = self.least = 0

    def begin(self, total: int) -> None:
        self.total, self.done = total, 0

    def add(self, count: int) -> None:
        self.done += count
        self.least = min(self.least, count)


class Deploying:
    def __init__(self, node: FakeNode, site: Path, far: bool = False, **wish: Any) -> None:
        self.clock, self.progress = ManualClock(), Counted()
        self.link = Link(url=node.url, token="secret")
        self.link.near = not far
        folder = Folder(site)
        hashes = Hashes(folder.top, self.clock)
        self.upload = Upload(self.link, folder, hashes, Wish("blog", **wish), progress=self.progress, clock=self.clock)

    def run(self) -> Deployed:
        try:
            return self.upload.run()
        finally:
            self.link.close()


def deploy(node: FakeNode, site: Path, **how: Any) -> Deployed:
    return Deploying(node, site, **how).run()


# --- what arrives


@pytest.mark.parametrize(
    "files",
    [
        {"index.html": b"hello"},
        {"empty": b""},
        {"a": b"same", "b/c": b"same", "d": b"other"},
        {"a": bytes(CHUNK)},
        {"a": NOISE.randbytes(CHUNK + 1), "b": NOISE.randbytes(2 * CHUNK)},
        {"big": NOISE.randbytes(MOST_BODY + 3 * CHUNK + 5), "small": b"x", "ü/ö ä.txt": b"umlauts"},
        {f"{n:03}.txt": NOISE.randbytes(n) for n in range(300)},
    ],
    ids=["one", "empty", "twice", "chunk", "around a chunk", "more than a body", "many"],
)
@pytest.mark.parametrize("far", [False, True], ids=["near", "far"])
def test_every_byte_arrives_and_only_once(node: FakeNode, site: Path, files: dict[str, bytes], far: bool) -> None:
    write(site, files)
    done = deploy(node, site, far=far)
    assert node.releases == [files]
    assert node.asked[0] == PLAN and node.asked[-1] == FINISH and set(node.asked[1:-1]) == {PIECES}
    contents = set(files.values())
    assert len(node.codecs) == sum(max(1, -(-len(content) // CHUNK)) for content in contents)
    assert done.bytes_sent <= sum(map(len, contents))
    assert all(size <= MOST_BODY for size in node.bodies)

    again = deploy(node, site, far=far)
    assert again.bytes_sent == 0 and again.sent == []
    assert node.asked[-2:] == [PLAN, FINISH]


def test_only_what_changed_is_sent(node: FakeNode, site: Path) -> None:
    write(site, {f"{n}.txt": bytes([n]) * 1000 for n in range(50)})
    deploy(node, site)
    write(site, {"7.txt": b"new", "more/8.txt": b"newer"})
    done = deploy(node, site)
    assert (sorted(done.sent), done.bytes_sent) == (["7.txt", "more/8.txt"], 8)
    assert node.releases[-1]["7.txt"] == b"new"


def test_what_compresses_is_compressed_on_the_way_to_another_machine(node: FakeNode, site: Path) -> None:
    text, noise = b"<p>hello</p>" * 30_000, NOISE.randbytes(50_000)
    write(site, {"page.html": text, "picture.jpg": noise})
    done = deploy(node, site, far=True)
    assert sorted(node.codecs) == [RAW, ZLIB, ZLIB]
    assert len(noise) < done.bytes_sent < len(noise) + len(text) // 10


def test_nothing_is_compressed_for_this_machine(node: FakeNode, site: Path) -> None:
    write(site, {"page.html": b"<p>hello</p>" * 1000})
    deploy(node, site)
    assert node.codecs == [RAW]


def test_large_uploads_go_over_several_connections_that_stay_open(node: FakeNode, site: Path) -> None:
    write(site, {f"{n}.bin": NOISE.randbytes(700_000) for n in range(12)})
    waiting: list[threading.Barrier] = [threading.Barrier(2)] * 2

    def arrived(path: str) -> None:
        if path == PIECES and waiting:
            # nobody passes alone
            waiting.pop().wait(20)

    node.arrived = arrived
    deploy(node, site, far=True)
    assert waiting == [] and len(node.releases) == 1
    assert len(node.asked) > 6 and 2 <= len(node.connections) <= 5


def test_the_wish_is_said(node: FakeNode, site: Path) -> None:
    write(site, {"index.html": b"x"})
    deploy(node, site, spa=True, message="first", include_private=True)
    deploy(node, site)
    assert {name: value for name, value in node.said[0].items() if name != "files"} == {
        "name": "blog",
        "spa": True,
        "message": "first",
        "include_private": True,
    }
    assert set(node.said[1]) == {"name", "files"}
    assert node.headers[0]["Authorization"] == "Bearer secret"


def test_a_plan_alone_sends_nothing(node: FakeNode, site: Path) -> None:
    write(site, {"a": b"1", "b": b"1", "c": b"2"})
    deploying = Deploying(node, site)
    plan = deploying.upload.plan()
    assert [file.path for file in deploying.upload.missing(plan)] == ["a", "c"]
    assert node.asked == [PLAN] and node.chunks == {}


# --- what goes wrong


def failing(node: FakeNode, at: str, times: int, how: Any = "cut") -> list[str]:
    """Requests to a path fail so many times."""
    left = [at] * times

    def before(path: str, body: bytes) -> Any:
        if path == at and left:
            left.pop()
            return how
        return None

    node.before = before
    return left


BUSY = (503, {"error": {"code": "SERVICE_UNAVAILABLE", "message": "busy"}})


@pytest.mark.parametrize("how", ["cut", BUSY], ids=["cut", "busy"])
@pytest.mark.parametrize("at", [PIECES, FINISH])
@pytest.mark.parametrize("times", [1, len(PAUSES)])
def test_what_fails_for_a_moment_is_tried_again(node: FakeNode, site: Path, at: str, times: int, how: Any) -> None:
    write(site, {"index.html": b"x", "big": NOISE.randbytes(3 * CHUNK)})
    left = failing(node, at, times, how)
    deploying = Deploying(node, site)
    start = deploying.clock.monotonic()
    done = deploying.run()
    assert left == [] and len(node.releases) == 1
    assert deploying.clock.monotonic() - start == pytest.approx(sum(PAUSES[:times]))
    assert done.bytes_sent == 1 + 3 * CHUNK
    assert deploying.progress.done == deploying.progress.total == 1 + 3 * CHUNK
    assert (deploying.progress.least < 0) == (at == PIECES)


def test_after_four_times_it_gives_up_and_the_next_deploy_goes_on(node: FakeNode, site: Path) -> None:
    files = {f"{n}.bin": NOISE.randbytes(5 * CHUNK) for n in range(8)}
    write(site, files)

    def before(path: str, body: bytes) -> Any:
        return "cut" if path == PIECES and node.bodies else None

    node.before = before
    with pytest.raises(Broken) as caught:
        deploy(node, site, far=True)
    assert caught.value.code == "UNREACHABLE" and node.releases == []
    for thread in threading.enumerate():
        if thread.name == SENDER:
            thread.join(20)
    node.quiet()
    arrived = sum(len(data) for chunks in node.chunks.values() for data in chunks.values())
    assert 0 < arrived < 40 * CHUNK

    node.before = lambda path, body: None
    done = deploy(node, site, far=True)
    assert done.bytes_sent == 40 * CHUNK - arrived
    assert node.releases == [files]


def test_a_node_that_was_never_there_is_not_waited_for(node: FakeNode, site: Path) -> None:
    write(site, {"index.html": b"x"})
    failing(node, PLAN, 1)
    deploying = Deploying(node, site)
    with pytest.raises(Broken):
        deploying.run()
    assert node.asked == [PLAN] and deploying.clock.monotonic() == ManualClock().monotonic()


@pytest.mark.parametrize("code", ["FORBIDDEN", "RATE_LIMIT_EXCEEDED", "VALIDATION_FAILED", "STORAGE_FULL"])
@pytest.mark.parametrize("at", [PLAN, PIECES, FINISH])
def test_a_refusal_is_said_at_once(node: FakeNode, site: Path, at: str, code: str) -> None:
    write(site, {f"{n}.bin": NOISE.randbytes(CHUNK) for n in range(40)})
    refusal = (400, {"error": {"code": code, "message": "no", "hint": "do this", "details": {"field": "name"}}})
    failing(node, at, 100, refusal)
    with pytest.raises(FaztError) as caught:
        deploy(node, site)
    assert (caught.value.code, caught.value.message, caught.value.hint) == (code, "no", "do this")
    assert caught.value.details == {"field": "name"} and node.releases == []


@pytest.mark.parametrize("details", [{"missing": True}, {"field": "pieces", "sha256": "00"}])
def test_what_was_lost_in_between_is_sent_again_once(node: FakeNode, site: Path, details: dict[str, Any]) -> None:
    write(site, {"index.html": b"x"})
    lost: list[int] = []

    def before(path: str, body: bytes) -> Any:
        if path == FINISH and len(lost) < most:
            lost.append(1)
            node.chunks.clear()
            return 409, {"error": {"code": "CONFLICT", "message": "gone", "details": details}}
        return None

    node.before, most = before, 1
    assert deploy(node, site).bytes_sent == 2
    assert node.asked == [PLAN, PIECES, FINISH] * 2
    lost.clear()
    most = 2
    with pytest.raises(FaztError) as caught:
        deploy(node, site)
    assert caught.value.message == "gone"


def test_a_file_that_changes_while_it_is_sent_is_read_again(node: FakeNode, site: Path) -> None:
    write(site, {"a": b"old", "b": b"stays", "gone": b"x"})
    deploying = Deploying(node, site)
    write(site, {"a": b"new!", "c": b"came"})
    (site / "gone").unlink()
    deploying.run()
    assert node.releases == [{"a": b"new!", "b": b"stays", "c": b"came"}]


def test_a_file_that_never_rests_is_not_published(node: FakeNode, site: Path) -> None:
    write(site, {"a": b"0"})
    deploying = Deploying(node, site)
    turn = iter(range(1, 100))

    def before(path: str, body: bytes) -> None:
        if path == PLAN:
            write(site, {"a": b"%d" % next(turn)})

    node.before = before
    with pytest.raises(FaztError) as caught:
        deploying.run()
    assert caught.value.code == "CONFLICT" and caught.value.details == {"path": "a"}
    assert node.asked == [PLAN, PLAN] and node.chunks == {}


def test_a_large_file_that_changes_is_never_whole_on_the_other_side(node: FakeNode, site: Path) -> None:
    before = NOISE.randbytes(MOST_BODY + 4 * CHUNK)
    write(site, {"a": before})
    deploying = Deploying(node, site)
    write(site, {"a": before[:-1] + bytes([before[-1] ^ 1])})
    deploying.run()
    assert len(node.chunks[hashlib.sha256(before).hexdigest()]) < -(-len(before) // CHUNK)
    assert len(node.releases) == 1


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b'{"data"', b'{"other": 1}', b"\xff"], ids=lambda value: repr(value)
)
def test_who_answers_something_else_is_no_node(node: FakeNode, site: Path, answer: bytes) -> None:
    write(site, {"index.html": b"x"})
    failing(node, PLAN, 1, (200, answer))
    with pytest.raises(FaztError) as caught:
        deploy(node, site)
    assert caught.value.code == "UNREACHABLE" and "admin" in str(caught.value.hint)


# --- pieces


def file_of(path: Path) -> File:
    found = Folder(path.parent).files
    return next(file for file in found if file.path == path.name)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK])
def test_pieces_are_the_file(tmp_path: Path, size: int) -> None:
    content = NOISE.randbytes(size)
    (tmp_path / "a").write_bytes(content)
    numbers = range(max(1, -(-size // CHUNK)))
    found = list(pieces(file_of(tmp_path / "a"), hashlib.sha256(content).digest(), numbers))
    assert b"".join(piece.data for piece in found) == content
    assert [piece.n for piece in found] == list(numbers)
    some = list(pieces(file_of(tmp_path / "a"), hashlib.sha256(content).digest(), [numbers[-1]]))
    assert some == found[-1:]


def test_nothing_is_given_away_before_the_whole_file_was_seen(tmp_path: Path) -> None:
    content = NOISE.randbytes(3 * CHUNK)
    (tmp_path / "a").write_bytes(content)
    file = file_of(tmp_path / "a")
    (tmp_path / "a").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    given = []
    with pytest.raises(Changed):
        for piece in pieces(file, hashlib.sha256(content).digest(), [0, 1]):
            given.append(piece.n)
    assert given == [0]


@pytest.mark.parametrize("change", [b"", b"short", b"12345678", b"longer than it was"])
def test_a_piece_of_another_file_is_noticed(tmp_path: Path, change: bytes) -> None:
    (tmp_path / "a").write_bytes(b"abcdefgh")
    file = file_of(tmp_path / "a")
    (tmp_path / "a").write_bytes(change)
    with pytest.raises(Changed):
        list(pieces(file, hashlib.sha256(b"abcdefgh").digest(), [0]))


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    site = tmp_path / "site"
    write(site, {"a": b"mine"})
    file = file_of(site / "a")
    (tmp_path / "secret").write_bytes(b"mine")
    (site / "a").unlink()
    (site / "a").symlink_to(tmp_path / "secret")
    with pytest.raises(FaztError):
        list(pieces(file, hashlib.sha256(b"mine").digest(), [0]))


def test_bodies_are_as_full_as_they_may_be() -> None:
    many = [Piece(bytes(32), CHUNK, n, bytes(100)) for n in range(10)]
    most = 3 * (FRAME.size + 100)
    assert [len(body) for body in bodies(many, most)] == [3, 3, 3, 1]
    assert all(sum(map(len, encoded(body, False))) <= most for body in bodies(many, most))
    assert list(bodies([], most)) == []


# --- what is remembered of files


def test_files_are_read_again_only_when_they_were_written_to(site: Path) -> None:
    clock = ManualClock()
    write(site, {"a": b"1", "b": b"2"})
    assert _read(site, clock) == 2
    assert _read(site, clock) == 0
    write(site, {"b": b"3"})
    assert _read(site, clock) == 1
    (site / "a").rename(site / "c")
    assert _read(site, clock) == 1
    assert _read(site, clock) == 0


def test_a_file_as_young_as_the_look_at_it_is_not_trusted(site: Path) -> None:
    write(site, {"a": b"1"})
    at = (site / "a").stat().st_mtime_ns // 1_000_000
    assert _read(site, ManualClock(at + 1000)) == 1
    assert _read(site, ManualClock(at + 3000)) == 1
    assert _read(site, ManualClock(at + 3000)) == 0


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x92\x02\x80", b"\x92\x01\x81\xa1a\x01"])
def test_a_broken_memory_is_none(site: Path, damage: bytes) -> None:
    write(site, {"a": b"1"})
    clock = ManualClock()
    assert _read(site, clock) == 1
    for file in (Path(os.environ["FAZT_CACHE"]) / "hashes").iterdir():
        file.write_bytes(damage)
    assert _read(site, clock) == 1
    assert _read(site, clock) == 0


def test_a_memory_others_can_write_to_is_none(site: Path) -> None:
    write(site, {"a": b"1"})
    clock, before = ManualClock(), os.umask(0)
    try:
        assert [_read(site, clock), _read(site, clock)] == [1, 0]
    finally:
        os.umask(before)
    for file in (Path(os.environ["FAZT_CACHE"]) / "hashes").iterdir():
        file.chmod(0o666)
    assert _read(site, clock) == 1


def test_what_was_remembered_long_ago_is_forgotten(site: Path, tmp_path: Path) -> None:
    place = Path(os.environ["FAZT_CACHE"]) / "hashes"
    place.mkdir()
    now = 1_800_000_000
    for days in (1, 89, 91, 400):
        (place / f"{days}").write_bytes(b"")
        os.utime(place / f"{days}", (now - days * 86_400,) * 2)
    write(site, {"a": b"1"})
    _read(site, ManualClock(now * 1000))
    assert {name for name in os.listdir(place) if len(name) < 9} == {"1", "89"}


def test_without_a_place_to_remember_all_is_read(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FAZT_CACHE", str(tmp_path / "file"))
    write(site, {"a": b"1"})
    assert _read(site, ManualClock()) == 1
    assert _read(site, ManualClock()) == 1


def test_large_files_are_hashed_as_others_are(site: Path) -> None:
    files = {"a": NOISE.randbytes(5 << 20), "b": NOISE.randbytes(6 << 20), "c": b"small", "d": b""}
    write(site, files)
    folder = Folder(site)
    found = Hashes(folder.top, ManualClock()).of(folder.files)
    assert found == {path: hashlib.sha256(content).digest() for path, content in files.items()}


def _read(site: Path, clock: ManualClock) -> int:
    folder = Folder(site)
    hashes = Hashes(folder.top, clock)
    found = hashes.of(folder.files)
    assert found == {file.path: hashlib.sha256((site / file.path).read_bytes()).digest() for file in folder.files}
    return hashes.read
