"""Bodies on their way to an app's code: whole forms, files, and all that can be wrong with them."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from multidict import CIMultiDict, CIMultiDictProxy

from kernel.base.errors import FaztError
from kernel.net.asked import MOST_BODY
from kernel.net.budget import LEAST, SMALL, Budget, Held
from kernel.net.parts import MOST_FIELD, file_of
from kernel.runtime.body import MOST_FIELDS, MOST_FILES, Arriving, is_multipart, read_form, whole

MIB = 1 << 20
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"


class Wire(BaseProtocol):
    """It never stops for a reader that is slow."""

    connected = True

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self, resume_parser: bool = True) -> None:
        self._reading_paused = False


class Sent:
    """A request whose body comes as the test says, in the shape of `Asked`."""

    def __init__(self, kind: str = MULTIPART, data: bytes | None = None, length: int | None = None) -> None:
        self.request: Any = self
        self.headers = CIMultiDictProxy(CIMultiDict({"Content-Type": kind}))
        self.content_type = kind.partition(";")[0].strip().lower()
        self.content_length = length
        self.content = StreamReader(Wire(asyncio.get_running_loop()), 1 << 16)
        self.invited = 0
        if data is not None:
            self.content.feed_data(data)
            self.content.feed_eof()

    async def invite(self) -> None:
        self.invited += 1


def room(most: int = LEAST) -> Held:
    """What a request may hold of a budget so large."""
    budget = Budget(0)
    budget.most = most
    return budget.begin()


def part(name: str | None, data: bytes, filename: str | None = None, *lines: str, boundary: str = "b") -> bytes:
    said = "form-data"
    said += f'; name="{name}"' if name is not None else ""
    said += f'; filename="{filename}"' if filename is not None else ""
    head = "\r\n".join((f"--{boundary}", f"Content-Disposition: {said}", *lines))
    return head.encode() + b"\r\n\r\n" + data + b"\r\n"


def form(*parts: bytes, end: bytes = b"--b--\r\n") -> bytes:
    return b"".join(parts) + end


async def read(data: bytes, kind: str = MULTIPART, most_file: int = MIB, length: int | None = None) -> Any:
    return await read_form(Sent(kind, data, length), most_file, room())  # type: ignore[arg-type]


async def refused(data: bytes, kind: str = MULTIPART, most_file: int = MIB, length: int | None = None) -> str:
    with pytest.raises(FaztError) as caught:
        await read(data, kind, most_file, length)
    return caught.value.code


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every file that was made."""
    files = list[Any]()

    async def kept(part: Any, most: int) -> Any:
        files.append(await file_of(part, most))
        return files[-1]

    monkeypatch.setattr("kernel.runtime.body.file_of", kept)
    return files


# --- urlencoded


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (b"", []),
        (b"a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        (b"a=&b&=c", [("a", ""), ("b", ""), ("", "c")]),
        (b"a+b=c%20d%2B", [("a b", "c d+")]),
        (b"a=%C3%A9&b=\xc3\xa9", [("a", "é"), ("b", "é")]),
        (b"a=%ff&b=\xff&c=%zz&d=%", [("a", "�"), ("b", "�"), ("c", "%zz"), ("d", "%")]),
        (b"a=1;b=2", [("a", "1;b=2")]),
        (b"a=%00%0a", [("a", "\0\n")]),
        (b"__proto__=1", [("__proto__", "1")]),
        (b"a=%ED%A0%80", [("a", "���")]),
    ],
)
async def test_fields_of_a_plain_form(text: bytes, fields: Any) -> None:
    assert await read(text, FORM) == (fields, [])


async def test_a_plain_form_has_so_many_fields() -> None:
    fields, _ = await read(b"&".join([b"a=1"] * MOST_FIELDS), FORM)
    assert len(fields) == MOST_FIELDS
    assert await refused(b"&".join([b"a=1"] * (MOST_FIELDS + 1)), FORM) == "LIMIT_EXCEEDED"
    assert await refused(b"&" * 1_000_000, FORM) == "LIMIT_EXCEEDED"


async def test_a_plain_form_has_so_many_bytes() -> None:
    assert await refused(b"a=" + b"x" * MOST_BODY, FORM) == "PAYLOAD_TOO_LARGE"


# --- multipart


async def test_fields_and_files_of_a_form() -> None:
    fields, files = await read(
        form(
            part("a", b"1"),
            part("f", b"\0\r\n--cad\xff", "x.bin", "Content-Type: image/png"),
            part("a", "é\r\n".encode()),
            part("f", b"", ""),
            part("g", b"text", "../../etc/passwd"),
        )
    )
    assert fields == [("a", "1"), ("a", "é\r\n")]
    assert [(one.field, one.name, one.type, one.size) for one, _ in files] == [
        ("f", "x.bin", "image/png", 9),
        ("f", "", "application/octet-stream", 0),
        ("g", "../../etc/passwd", "application/octet-stream", 4),
    ]
    assert [file.read() for _, file in files] == [b"\0\r\n--cad\xff", b"", b"text"]


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_the_bytes_and_however_they_come(seed: int) -> None:
    chance = random.Random(seed)
    contents = [chance.randbytes(chance.choice((0, 1, 100, 70_000, 600_000))) for _ in range(6)]
    contents += [b"\r\n--", b"--b", b"\r\n-", b"--c--\r\n", b"\r\n\r\n"]
    data = form(*(part(f"f{n}", content, "x") for n, content in enumerate(contents)))
    sent = Sent(MULTIPART.replace("=b", "=c7"))
    data = data.replace(b"--b\r\nContent", b"--c7\r\nContent").replace(b"--b--\r\n", b"--c7--\r\n")
    reading = asyncio.ensure_future(read_form(sent, 8 * MIB, room()))  # type: ignore[arg-type]
    at = 0
    while at < len(data):
        size = chance.choice((1, 7, 1000, 65536))
        sent.content.feed_data(data[at : at + size])
        at += size
        if chance.random() < 0.1:
            await asyncio.sleep(0)
    sent.content.feed_eof()
    _, files = await reading
    assert [file.read() for _, file in files] == contents


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + "b" * 71,
        "multipart/form-data; boundary=other",
        'multipart/form-data; boundary="b\r\nx"',
        "multipart/form-data; boundary=é",
        "multipart/form-data; boundary=b; boundary=c; =; ;;",
    ],
)
async def test_boundaries_that_are_none(kind: str) -> None:
    data = form(part("a", b"1"))
    try:
        fields, files = await read(data, kind)
    except FaztError as error:
        assert error.code == "BAD_REQUEST"
    else:
        assert (fields, files) in (([("a", "1")], []), ([], []))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"--b",
        b"--b\r\n",
        b"--b\r\n\r\n",
        b"x" * 100_000,
        b"x\r\n" * 1000,
        b'--b\r\nContent-Disposition: form-data; name="a"',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
        b'--b\r\nContent-Disposition: form-data; name="a"; filename="x"\r\n\r\n1\r\n--',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--bx\r\n',
        b"--b\r\nContent-Disposition form-data\r\n\r\n1\r\n--b--",
        b"--b\r\n: x\r\n\r\n1\r\n--b--",
        b"--b\r\nA: b\0c\r\n\r\n1\r\n--b--",
        b"--b\r\n" + b"x" * 100_000,
        b"--b\r\nx: " + b"x" * 100_000 + b"\r\n\r\n1\r\n--b--",
        b"--b\r\n" + b"x: y\r\n" * 10_000 + b"\r\n1\r\n--b--",
        part(None, b"1") + b"--b--",
        part(None, b"1", "x") + b"--b--",
        b"--b\r\n\r\nno head\r\n--b--",
        b"--b\r\nContent-Disposition: attachment\r\n\r\n1\r\n--b--",
        part("a", b"1", None, "Content-Type: multipart/mixed; boundary=c") + b"--b--",
        part("a", b"1", None, "Content-Type: multipart/form-data; boundary=b") + b"--b--",
        part("a", b"1", None, "Content-Type: multipart/mixed") + b"--b--",
        part("_charset_", b"x" * 200) + b"--b--",
        part("_charset_", b"\xff") + b"--b--",
    ],
)
async def test_forms_that_cannot_be_read(data: bytes, made: list[Any]) -> None:
    assert await refused(part("f", b"file", "first") + data if data[:3] == b"--b" else data) == "BAD_REQUEST"
    assert all(file.closed for file in made)
    assert await refused(data) == "BAD_REQUEST"


async def test_nested_forms_are_refused_at_once_however_deep() -> None:
    deep = part("a", b"1")
    for _ in range(2000):
        deep = part("a", deep, None, "Content-Type: multipart/mixed; boundary=b")
    assert await refused(form(deep)) == "BAD_REQUEST"


async def test_bad_encodings_are_no_reason_to_fail() -> None:
    fields, files = await read(
        form(
            part("a", b"\xff\xfe\xed\xa0\x80"),
            part("b", b"1", None, "Content-Type: text/plain; charset=nonsense"),
            part("c", b"MQ==", None, "Content-Transfer-Encoding: base64"),
            part("d", b"1", None, "Content-Encoding: gzip", "Content-Length: -1"),
            b'--b\r\nContent-Disposition: form-data; name="\xff"; filename="\xfe\xed\xa0\x80"\r\n\r\n1\r\n',
            part("e", b"1", "x" * 3000),
            b'--b\r\nContent-Disposition: form-data; name="\xff\xfe"\r\n\r\n1\r\n',
        )
    )
    assert fields[0] == ("a", "\ufffd" * 5)
    assert fields[1:4] == [("b", "1"), ("c", "MQ=="), ("d", "1")]
    fields[4][0].encode()
    assert [len(one.name) for one, _ in files][1] == 1024
    for one, _ in files:
        (one.field + one.name).encode()  # whole characters, which JSON can say


async def test_a_form_has_so_many_fields_and_files(made: list[Any]) -> None:
    fields, _ = await read(form(*[part("a", b"1")] * MOST_FIELDS))
    assert len(fields) == MOST_FIELDS
    _, files = await read(form(*[part("a", b"1", "x")] * MOST_FILES))
    assert len(files) == MOST_FILES
    made.clear()
    assert await refused(form(*[part("a", b"1")] * (MOST_FIELDS + 1))) == "LIMIT_EXCEEDED"
    assert await refused(form(*[part("a", b"1", "x")] * (MOST_FILES + 1))) == "LIMIT_EXCEEDED"
    assert len(made) == MOST_FILES and all(file.closed for file in made)


async def test_a_field_and_all_of_them_have_so_many_bytes() -> None:
    assert await refused(form(part("a", b"x" * (MOST_FIELD + 1)))) == "PAYLOAD_TOO_LARGE"
    fields, _ = await read(form(*[part("a", b"x" * MOST_FIELD)] * 10))
    assert sum(len(text) for _, text in fields) == MOST_BODY
    assert await refused(form(*[part("a", b"x" * MOST_FIELD)] * 10, part("b", b"x"))) == "PAYLOAD_TOO_LARGE"


async def test_a_file_and_all_of_them_have_so_many_bytes(made: list[Any]) -> None:
    """Otherwise anybody could fill the disk with one request."""
    _, files = await read(form(part("a", b"x" * 600_000, "x"), part("a", b"x" * (MIB - 600_000), "y")))
    assert [one.size for one, _ in files] == [600_000, MIB - 600_000]
    made.clear()
    assert await refused(form(part("a", b"x" * (MIB + 1), "x"))) == "PAYLOAD_TOO_LARGE"
    assert await refused(form(*[part("a", b"x" * 600_000, "x")] * 2)) == "PAYLOAD_TOO_LARGE"
    assert made and all(file.closed for file in made)


async def test_what_is_said_to_be_too_large_is_not_read() -> None:
    assert await refused(b"", length=MIB + MOST_BODY + 1) == "PAYLOAD_TOO_LARGE"
    fields, _ = await read(form(part("a", b"1")), length=MIB + MOST_BODY)
    assert fields == [("a", "1")]


async def fed(sent: Sent, *pieces: bytes) -> None:
    """Each is read as far as it can be before the next one comes."""
    for piece in pieces:
        sent.content.feed_data(piece)
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.mark.parametrize("wrong", [web.RequestPayloadError("cut"), ConnectionResetError(), EOFError()])
async def test_a_body_that_ends_early(wrong: Exception, made: list[Any]) -> None:
    sent = Sent()
    reading = asyncio.ensure_future(read_form(sent, MIB, room()))  # type: ignore[arg-type]
    await fed(sent, part("f", b"file", "x"), part("g", b"fi", "y")[:-2])
    assert not reading.done()
    sent.content.set_exception(wrong)
    with pytest.raises(FaztError) as caught:
        await reading
    assert caught.value.code == "BAD_REQUEST"
    assert len(made) == 1 and made[0].closed


async def test_one_who_goes_leaves_no_files(made: list[Any]) -> None:
    sent = Sent()
    reading = asyncio.ensure_future(read_form(sent, MIB, room()))  # type: ignore[arg-type]
    await fed(sent, part("f", b"file", "x"), b"--b\r\n")
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert len(made) == 1 and made[0].closed


@pytest.mark.parametrize(
    ("kind", "yes"),
    [(MULTIPART, True), ("Multipart/Form-Data", True), ("multipart/mixed", False), (FORM, False), ("", False)],
)
async def test_which_bodies_have_parts(kind: str, yes: bool) -> None:
    assert is_multipart(Sent(kind)) == yes  # type: ignore[arg-type]


# --- as it comes


def arriving(sent: Sent, most_file: int = MIB) -> Arriving:
    return Arriving(sent, most_file, room())  # type: ignore[arg-type]


async def test_a_body_comes_piece_by_piece_and_is_asked_for_once() -> None:
    sent = Sent("text/plain")
    coming = arriving(sent)
    assert sent.invited < 1
    sent.content.feed_data(b"one")
    assert await coming.read() == b"one"
    sent.content.feed_data(b"two")
    sent.content.feed_eof()
    assert [await coming.read(), await coming.read(), await coming.read()] == [b"two", b"", b""]
    assert sent.invited == 1


async def test_a_body_that_comes_without_end_is_cut() -> None:
    sent = Sent("text/plain", b"x" * (MOST_BODY + 1001))
    coming, size = arriving(sent, 1000), 0
    with pytest.raises(FaztError) as caught:
        while True:
            size += len(await coming.read())
    assert caught.value.code == "PAYLOAD_TOO_LARGE" and size <= MOST_BODY + 1000


async def test_a_body_that_is_cut_off_says_so() -> None:
    sent = Sent("text/plain")
    sent.content.set_exception(web.RequestPayloadError("cut"))
    with pytest.raises(FaztError) as caught:
        await arriving(sent).read()
    assert caught.value.code == "BAD_REQUEST"


async def test_a_form_that_comes_is_asked_for_too() -> None:
    sent = Sent(MULTIPART, form(part("a", b"1")))
    assert await arriving(sent).form() == ([("a", "1")], [])
    assert sent.invited == 1


async def test_a_form_is_read_once() -> None:
    coming = arriving(Sent(MULTIPART, form(part("a", b"1"))))
    await coming.form()
    with pytest.raises(FaztError) as caught:
        await coming.form()
    assert caught.value.code == "BAD_REQUEST"


# --- the budget


def full(caught: pytest.ExceptionInfo[FaztError]) -> None:
    assert caught.value.code == "SERVICE_UNAVAILABLE" and caught.value.details["retry_after"] == 1


def test_an_eighth_of_the_memory_may_be_bodies() -> None:
    assert Budget(0).most == LEAST and Budget(16 << 30).most == 2 << 30


def test_what_is_held_is_given_back_once() -> None:
    budget = Budget(0)
    budget.most = 3 * MIB
    first, second = budget.begin(), budget.begin()
    first.reach(2 * MIB)
    first.reach(MIB)  # it never becomes less
    second.reach(SMALL)
    assert budget.held == 2 * MIB
    with pytest.raises(FaztError) as caught:
        second.reach(MIB + 1)
    full(caught)
    assert budget.held == 2 * MIB
    second.reach(MIB)
    for held in (first, first, second):
        held.release()
    assert budget.held == 0
    first.reach(SMALL)
    with pytest.raises(FaztError) as caught:
        first.reach(MIB)  # nobody would give it back
    assert caught.value.code == "CLOSED" and budget.held == 0


async def test_a_body_for_which_there_is_no_room_is_not_read() -> None:
    sent = Sent("text/plain", b"x" * MIB, MIB)
    with pytest.raises(FaztError) as caught:
        await whole(sent, room(MIB - 1))  # type: ignore[arg-type]
    full(caught)
    assert not sent.invited and len(await sent.content.read()) == MIB
    assert await whole(Sent("text/plain", b"x" * MIB, MIB), room(MIB)) == b"x" * MIB  # type: ignore[arg-type]


async def test_a_body_of_unknown_length_takes_room_as_it_grows() -> None:
    sent, held = Sent("text/plain"), room(MIB)
    reading = asyncio.ensure_future(whole(sent, held))  # type: ignore[arg-type]
    for _ in range(4):
        sent.content.feed_data(b"x" * (MIB // 4))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert held._budget.held == MIB and not reading.done()
    sent.content.feed_data(b"x")
    with pytest.raises(FaztError) as caught:
        await reading
    full(caught)


@pytest.mark.parametrize("length", [None, 100])
async def test_a_body_larger_than_it_says_is_refused(length: int | None) -> None:
    # as packed data is: the length is that of what was sent
    with pytest.raises(FaztError) as caught:
        await whole(Sent("text/plain", b"x" * (MOST_BODY + 1), length), room())  # type: ignore[arg-type]
    assert caught.value.code == "PAYLOAD_TOO_LARGE"
    with pytest.raises(FaztError) as caught:
        await whole(Sent("text/plain", b"x" * (2 * MIB), length), room(MIB))  # type: ignore[arg-type]
    full(caught)


@pytest.mark.parametrize(("size", "count", "most"), [(MOST_FIELD, 3, 4 * MIB), (MOST_FIELD + 1, 3, MIB)])
async def test_of_the_files_of_a_form_only_those_in_memory_take_room(size: int, count: int, most: int) -> None:
    data = form(*(part(f"f{n}", b"x" * size, "f.bin") for n in range(count)))
    _, files = await read_form(Sent(MULTIPART, data, len(data)), 8 * MIB, room(most))  # type: ignore[arg-type]
    assert [found.size for found, _ in files] == [size] * count
    with pytest.raises(FaztError) as caught:
        await read_form(Sent(MULTIPART, data, len(data)), 8 * MIB, room(most - 1))  # type: ignore[arg-type]
    full(caught)


async def test_the_fields_of_a_form_take_room() -> None:
    data = form(*(part(f"f{n}", b"x" * MOST_FIELD) for n in range(3)))
    await read_form(Sent(MULTIPART, data), MIB, room(4 * MIB))  # type: ignore[arg-type]
    with pytest.raises(FaztError) as caught:
        await read_form(Sent(MULTIPART, data), MIB, room(4 * MIB - 1))  # type: ignore[arg-type]
    full(caught)
    text = b"a=" + b"x" * MIB
    with pytest.raises(FaztError) as caught:
        await read_form(Sent(FORM, text, len(text)), MIB, room(MIB))  # type: ignore[arg-type]
    full(caught)
