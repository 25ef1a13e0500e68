"""The words of signatures. A type in a signature is the validation, so these say exactly what they accept.

Each has `parse` (a Python value from outside becomes the word, or ValueError), `schema` (JSON Schema) and
`typescript`. A bare `str` in a signature means `Text`, a bare `int` a whole number JavaScript can hold.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, ClassVar, Self

from msgspec import Meta

from kernel.base.text import check_line
from kernel.base.units import parse_duration, parse_size

JSON = "json"
SAFE = 2**53 - 1

Json = Annotated[Any, JSON]
# JSON whose meaning is given by something else: a word of a command stays as it was typed
AsTyped = Annotated[Any, JSON, "as typed"]
# JSON of which null and nothing are the same: it may be `undefined` in JavaScript
OrNothing = Annotated[Any, JSON, "or nothing"]
# JSON in which a forgotten value would mean more than was meant: `undefined` in it is refused
Query = Annotated[Any, JSON, "query"]
# JSON in which bytes may stand, as {"$blob": base64}
WithBlobs = Annotated[Any, JSON, "blobs"]
Limit = Annotated[int, Meta(ge=1, le=100)]
KeyLimit = Annotated[int, Meta(ge=1, le=1000)]
Offset = Annotated[int, Meta(ge=0, le=SAFE)]
Integer = Annotated[int, Meta(ge=-SAFE, le=SAFE)]
Number = Annotated[float, Meta(ge=-1.7976931348623157e308, le=1.7976931348623157e308)]


class Line(str):
    """One line of text. Subclasses narrow it: length, pattern, and the sentence that explains the pattern."""

    least: ClassVar[int] = 0
    most: ClassVar[int] = 1000
    pattern: ClassVar[str | None] = None
    explain: ClassVar[str] = ""
    typescript: ClassVar[str] = "string"

    @classmethod
    def parse(cls, value: Any) -> Self:
        text = check_line(value, cls.most, cls.least)
        if cls.pattern and not re.fullmatch(cls.pattern, text):
            raise ValueError(cls.explain or f"must match {cls.pattern}")
        return cls(text)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        shape: dict[str, Any] = {"type": "string", "minLength": cls.least, "maxLength": cls.most}
        if cls.pattern:
            shape["pattern"] = f"^(?:{cls.pattern})$"
        return shape


class Text(str):
    """Text of any number of lines, up to a mebibyte."""

    most: ClassVar[int] = 1 << 20
    typescript: ClassVar[str] = "string"
    _forbidden = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

    @classmethod
    def parse(cls, value: Any) -> Self:
        if not isinstance(value, str):
            raise ValueError("must be text")
        if len(value) > cls.most:
            raise ValueError(f"must have at most {cls.most} characters")
        found = cls._forbidden.search(value)
        if found:
            raise ValueError(f"must not contain the control character U+{ord(found[0]):04X}")
        return cls(value)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": "string", "maxLength": cls.most}


class Key(Line):
    """A key of storage: 1 to 512 bytes."""

    least = 1
    most = 512

    @classmethod
    def parse(cls, value: Any) -> Self:
        text = check_line(value, cls.most, cls.least)
        if len(text) > cls.most // 4 and len(text.encode()) > cls.most:
            raise ValueError(f"must have at most {cls.most} bytes")
        return cls(text)


class Prefix(Key):
    """The beginning of a key; may be empty."""

    least = 0


class AppRef(Line):
    """Another app, by id or alias. From JavaScript it demands a `kernel:*` grant."""

    least = 1
    most = 63
    pattern = r"[a-z0-9][a-z0-9_-]*"
    explain = "must be an app id or alias: small letters, digits, hyphens"


class UserRef(Line):
    """One of an app's people, by id."""

    least = 1
    most = 63
    pattern = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
    explain = "must be the id of a user"


class Secret(str):
    """A value that is never logged, recorded or shown."""

    most: ClassVar[int] = 64 << 10
    typescript: ClassVar[str] = "string"

    @classmethod
    def parse(cls, value: Any) -> Self:
        if not isinstance(value, str) or not value or len(value) > cls.most:
            raise ValueError(f"must be text of 1 to {cls.most} characters")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("must not contain half of a surrogate pair") from None
        return cls(value)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": cls.most, "writeOnly": True}

    def __repr__(self) -> str:
        return "Secret(…)"


class Duration(int):
    """Milliseconds, or text with a unit."""

    typescript: ClassVar[str] = "number | string"

    @classmethod
    def parse(cls, value: Any) -> Self:
        return cls(parse_duration(value))

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": ["integer", "string"], "description": 'milliseconds, or text like "30s", "5m", "7d"'}


class Size(int):
    """Bytes, or text with a unit."""

    typescript: ClassVar[str] = "number | string"

    @classmethod
    def parse(cls, value: Any) -> Self:
        return cls(parse_size(value))

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": ["integer", "string"], "description": 'bytes, or text like "512KB", "32MB"'}


@dataclass(frozen=True)
class Upload:
    """A file from a multipart body, or the file a command names."""

    name: str
    file: BinaryIO

    @classmethod
    def of(cls, name: str, data: bytes) -> Upload:
        return cls(name, io.BytesIO(data))

    @property
    def data(self) -> bytes:
        self.file.seek(0)
        return self.file.read()


WORDS = (Line, Text, Secret, Duration, Size)


def parse_word(kind: type, value: Any) -> Any:
    """msgspec's hook for types it does not know."""
    parse = getattr(kind, "parse", None)
    if parse is None:
        raise NotImplementedError(kind)
    return parse(value)


def word_schema(kind: type) -> dict[str, Any]:
    """msgspec's hook for the JSON Schema of the same types."""
    schema = getattr(kind, "schema", None)
    if schema is None:
        raise NotImplementedError(kind)
    shape: dict[str, Any] = schema()
    return shape
