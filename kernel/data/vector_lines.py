"""Collections as JSON lines, in and out: one document a line, as it is added."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.base.tables import Read
from kernel.data.vector_adding import MOST_AT_ONCE, added
from kernel.data.vector_words import CollectionName, Document, floats, wrong_line
from kernel.data.vectors import meant
from kernel.storage.store import Store
from kernel.syscall import Call, Key, Scan, Write, syscall

MOST_IMPORTED = 32 << 20
# an answer has at most so many bytes of what is stored, but one document at least
MOST_SENT = 4 << 20
Lines = Annotated[int, Meta(ge=1, le=500)]

# every document with how much there is up to it
SLICE = Read("""select id, content, data, embedding from (
  select *, sum(length(content) + length(data) + length(embedding)) over (order by id) as size,
    row_number() over (order by id) as nth
  from (select d.id, d.content, d.data, e.embedding from {vector_documents} d
    join {vector_embeddings} e on e.collection = d.collection and e.place = d.place
    where d.collection = :collection and d.id > :after order by d.id limit :limit))
where nth = 1 or size <= :most order by id""")


class Imported(Struct):
    imported: int


@syscall(
    "storage.vector.import",
    http="POST /api/apps/{app}/vector/collections/{name}/import -> 201",
    js=False,
    body=MOST_IMPORTED,
)
async def lines_import(call: Call, name: CollectionName, lines: bytes) -> Write[Imported]:
    """Store the documents of JSON lines; none of them where a line is wrong."""
    # many numbers take their time: not on the loop
    documents = await call.use(Store).aside(lambda: _documents(lines))
    if len(documents) > MOST_AT_ONCE:
        raise FaztError("INVALID_ARGUMENT", f"lines: at most {MOST_AT_ONCE} at once.", field="lines")
    count = len(documents)
    plan = await added(call, name, documents)
    return plan.giving(lambda _: Imported(count))


@syscall(
    "storage.vector.export",
    http="GET /api/apps/{app}/vector/collections/{name}/export -> 200 application/x-ndjson",
    js=False,
)
def lines_export(call: Call, name: CollectionName, *, after: Key | None = None, limit: Lines = 500) -> Scan[str]:
    """Documents by id as JSON lines, as many as fit; `after` is the id of the last one that came, and then go on."""
    span = {"collection": meant(call, name).number, "after": after or "", "limit": limit, "most": MOST_SENT}
    return call.store.scan((SLICE, span), then=lambda rows: "".join(map(_line, rows[0])))


def _documents(lines: bytes) -> list[Document]:
    return [_understood(number, line) for number, line in enumerate(lines.split(b"\n"), 1) if line.strip()]


def _understood(number: int, line: bytes) -> Document:
    try:
        document = Document.parse(msgspec.json.decode(line))
        document.line = number
        return document
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        why = "is not JSON"
    except ValueError as error:
        why = str(error)
    raise wrong_line(number, why)


def _line(row: Any) -> str:
    id, content, metadata, embedding = row
    # nine digits are all that single precision has
    numbers = ",".join(map("{:.9g}".format, floats(embedding)))
    return f'{{"id":{to_text(id)},"pageContent":{to_text(content)},"metadata":{metadata},"embedding":[{numbers}]}}\n'
