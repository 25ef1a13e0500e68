"""What is said of vectors and the documents that carry them."""

from __future__ import annotations

import math
import sys
from array import array
from operator import mul
from typing import Any, ClassVar, Self
from uuid import uuid4

import msgspec
from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.base.text import check_json
from kernel.data.doc_values import numbered
from kernel.syscall.words import Key, Line

MOST_DIMENSIONS = 4096
MOST_CONTENT = 100 << 10
MOST_METADATA = 10 << 10
KNOWN = {
    "text-embedding-3-small": 1536,
    "text-embedding-ada-002": 1536,
    "text-embedding-3-large": 3072,
    "nomic-embed-text": 768,
    "mxbai-embed-large": 1024,
}
# closer to 1 than float32 can tell: dividing again would only move the last bit
_IS_ONE = 1e-6
_NUMBERS = frozenset((int, float))


class CollectionName(Line):
    """The name of a collection."""

    least, most = 1, 64
    pattern = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
    explain = "must be letters, digits, _, . or -, and begin with none of the last two"


class Model(Line):
    """The name of an embedding model."""

    least, most = 1, 200


class Vector:
    """A direction: numbers, brought to length 1."""

    typescript: ClassVar[str] = "number[] | Float32Array | Float64Array"
    of_numbers: ClassVar[bool] = True
    __slots__ = ("data", "dimensions", "exact")

    def __init__(self, numbers: list[float]) -> None:
        length = math.hypot(*numbers)
        if length == math.inf:
            # so long that only its length leaves the range of numbers
            most = max(map(abs, numbers))
            numbers = [number / most for number in numbers]
            length = math.hypot(*numbers)
        if not math.isfinite(length):
            raise ValueError("must be of finite numbers")
        if not length:
            raise ValueError("must not be all zeros: it has no direction")
        self.exact = numbers if abs(length - 1) < _IS_ONE else [number / length for number in numbers]
        packed = array("f", self.exact)
        if sys.byteorder == "big":
            packed.byteswap()
        self.dimensions, self.data = len(packed), packed.tobytes()

    @classmethod
    def parse(cls, value: Any) -> Self:
        if isinstance(value, str):
            value = _from_text(value)
        if not isinstance(value, list) or not _NUMBERS.issuperset(map(type, value)):
            raise ValueError("must be a list of numbers")
        if not 1 <= len(value) <= MOST_DIMENSIONS:
            raise ValueError(f"must have 1 to {MOST_DIMENSIONS} numbers, has {len(value)}")
        try:
            return cls(list(map(float, value)))
        except OverflowError:
            raise ValueError("must be of finite numbers") from None

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": MOST_DIMENSIONS}


class Document:
    """What is stored: a text, what is known of it, and its vector where somebody has made it."""

    typescript: ClassVar[str] = (
        "{ id?: string; pageContent: string; metadata?: Record<string, any>; "
        "embedding?: number[] | Float32Array | Float64Array }"
    )
    of_numbers: ClassVar[bool] = True
    __slots__ = ("content", "id", "line", "metadata", "vector")
    _NAMES: ClassVar[frozenset[str]] = frozenset(("id", "pageContent", "metadata", "embedding"))

    def __init__(self, id: str, content: str, metadata: str, vector: Vector | None) -> None:
        self.id, self.content, self.metadata, self.vector = id, content, metadata, vector
        self.line = 0  # where it stood in a file, if it did

    @property
    def size(self) -> int:
        embedding = len(self.vector.data) if self.vector else 0
        return len(self.id) + len(self.content.encode()) + len(self.metadata) + embedding

    @classmethod
    def parse(cls, value: Any) -> Self:
        if not isinstance(value, dict):
            raise ValueError("a document must be an object")
        unknown = next(iter(value.keys() - cls._NAMES), None)
        if unknown is not None:
            raise ValueError(f"a document has no {unknown[:100]!a}: only {', '.join(sorted(cls._NAMES))}")
        id, embedding = value.get("id"), value.get("embedding")
        return cls(
            str(uuid4()) if id is None else Key.parse(id),
            content_of(value.get("pageContent")),
            metadata_of(value.get("metadata")),
            None if embedding is None else _named("embedding", Vector.parse, embedding),
        )

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {
                "id": Key.schema(),
                "pageContent": {"type": "string"},
                "metadata": {"type": "object"},
                "embedding": Vector.schema(),
            },
            "required": ["pageContent"],
            "additionalProperties": False,
        }


class WhereContent(Struct, rename="camel", forbid_unknown_fields=True):
    """What the text of a document must hold, letter by letter, and what it must not."""

    contains: str | None = None
    not_contains: str | None = None


class Collection(Struct, rename="camel"):
    name: str
    document_count: int
    dimensions: int | None
    embedding_model: str | None
    metadata: Any


class Stored(Struct, rename="camel"):
    id: str
    page_content: str
    metadata: Any


class Whole(Stored, rename="camel"):
    embedding: list[float]


class Found(Stored, rename="camel"):
    score: float


def content_of(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("pageContent: must be text")
    check_json(value)
    if "\0" in value:
        raise ValueError("pageContent: must not contain U+0000")
    if len(value) > MOST_CONTENT // 4 and len(value.encode()) > MOST_CONTENT:
        raise ValueError(f"pageContent: must have at most {MOST_CONTENT} bytes")
    return value


def metadata_of(value: Any) -> str:
    """Metadata as the JSON that is kept."""
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise ValueError("metadata: must be an object")
    text = to_text(numbered(_named("metadata", check_json, value)))
    if len(text) > MOST_METADATA // 4 and len(text.encode()) > MOST_METADATA:
        raise ValueError(f"metadata: must have at most {MOST_METADATA} bytes as JSON")
    return text


def floats(data: bytes) -> array[float]:
    found = array("f", data)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def cosine(exact: list[float], data: bytes) -> float:
    """How near two directions are: 1 the same, -1 opposite."""
    nearness: float = sum(map(mul, exact, floats(data)))
    return max(-1.0, min(1.0, nearness))


def refused(field: str, why: object, **details: Any) -> FaztError:
    return FaztError("INVALID_ARGUMENT", f"{field}: {why}", field=field, **details)


def wrong_line(line: int, why: object) -> FaztError:
    return FaztError("INVALID_ARGUMENT", f"line {line}: {why}", field="lines", line=line)


def _named(name: str, parse: Any, value: Any) -> Any:
    try:
        return parse(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: {error}") from None


def _from_text(text: str) -> Any:
    """A command has a vector as JSON text."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
