"""The body of a request on its way to an app's code: as a whole, as a form, or as it comes."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from aiohttp import MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.multipart import BodyPartReader

from kernel.base.errors import FaztError
from kernel.net.asked import MOST_BODY, Asked, too_large
from kernel.net.budget import Held
from kernel.net.parts import MOST_FIELD, file_of, text_of
from kernel.runtime.incoming import Pairs, Part

MOST_FIELDS = 1000
MOST_FILES = 100
STREAMED = 256 * 1024  # what is larger comes piece by piece, where the code can take it so
PIECE = 256 * 1024
# what reading a form may end with that is the fault of who sent it
_BROKEN = (ValueError, LookupError, AssertionError, RuntimeError, HttpProcessingError)
_CUT = (web.RequestPayloadError, ConnectionError, EOFError)
Files = list[tuple[Part, Any]]


class Arriving:
    """A body that is still on its way."""

    def __init__(self, asked: Asked, most_file: int, held: Held) -> None:
        self._asked, self._most_file, self._held = asked, most_file, held
        self._most = most_file + MOST_BODY
        length = asked.request.content_length
        if length is not None and length > self._most:
            raise too_large(self._most)
        self._read = 0
        self._invited = False
        self.refused: FaztError | None = None  # why it could not be read to its end

    async def read(self) -> bytes:
        await self.invite()
        try:
            data = await self._asked.request.content.read(PIECE)
        except _CUT:
            raise FaztError("BAD_REQUEST", "The body ended early.") from None
        self._read += len(data)
        if self._read > self._most:
            self.refused = too_large(self._most)
            raise self.refused
        return data

    async def form(self) -> tuple[Pairs, Files]:
        await self.invite()
        try:
            return await read_form(self._asked, self._most_file, self._held)
        except FaztError as error:
            self.refused = error
            raise

    async def invite(self) -> None:
        if not self._invited:
            self._invited = True
            await self._asked.invite()


def is_multipart(asked: Asked) -> bool:
    return asked.request.content_type == "multipart/form-data"


async def whole(asked: Asked, held: Held) -> bytes:
    """All of a body, for which there is room before it is read."""
    length = asked.request.content_length
    if length is not None and length > MOST_BODY:
        raise too_large(MOST_BODY)
    held.reach(length or 0)
    await asked.invite()
    data = bytearray()
    # its end is not where its length says if the length is not said, or is that of packed data
    while piece := await asked.request.content.readany():
        data += piece
        if len(data) > MOST_BODY:
            raise too_large(MOST_BODY)
        held.reach(len(data))
    return bytes(data)


async def read_form(asked: Asked, most_file: int, held: Held) -> tuple[Pairs, Files]:
    """All fields and files of a form; larger files lie on the disk meanwhile."""
    if not is_multipart(asked):
        text = (await whole(asked, held)).decode("utf-8", "replace")
        try:
            return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS), []
        except ValueError:
            raise _too_many() from None
    length = asked.request.content_length
    if length is not None and length > most_file + MOST_BODY:
        raise too_large(most_file)
    fields: Pairs = []
    files: Files = []
    try:
        await _read_parts(asked, most_file, fields, files, held)
    except BaseException as error:
        for _, file in files:
            file.close()
        if isinstance(error, _BROKEN + _CUT):
            raise FaztError("BAD_REQUEST", "The form cannot be read.") from None
        raise
    return fields, files


async def _read_parts(asked: Asked, most_file: int, fields: Pairs, files: Files, held: Held) -> None:
    reader = MultipartReader(asked.request.headers, asked.request.content)
    most_text, most_files = MOST_BODY, most_file
    length = asked.request.content_length
    most_part = MOST_FIELD if length is None else min(MOST_FIELD, length)
    in_memory = 0
    held.reach(most_part)
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise FaztError("BAD_REQUEST", "The form has a part without a name.")
        if len(fields) >= MOST_FIELDS or len(files) >= MOST_FILES:
            raise _too_many()
        if part.filename is None:
            data = await text_of(part)
            most_text -= len(data)
            if most_text < 0:
                raise too_large(MOST_BODY)
            fields.append((_clean(part.name), data.decode("utf-8", "replace")))
            in_memory += len(data)
        else:
            file = await file_of(part, most_file)
            files.append((_part(part, file), file))
            size = files[-1][0].size
            most_files -= size
            if most_files < 0:
                raise too_large(most_file)
            in_memory += size if size <= MOST_FIELD else 0
        held.reach(in_memory + most_part)


def _too_many() -> FaztError:
    return FaztError("LIMIT_EXCEEDED", f"A form has at most {MOST_FIELDS} fields and {MOST_FILES} files.")


def _part(part: BodyPartReader, file: Any) -> Part:
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    kind = part.headers.get("Content-Type", "application/octet-stream")
    return Part(_clean(part.name or ""), _clean(part.filename or ""), _clean(kind), size)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:1024]
