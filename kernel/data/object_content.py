"""The port to content: the bytes of objects lie among the blobs of the node, each stored once."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from kernel.syscall.plan import Pieces, Write

# up to here a put is one batch as it stands
SMALL = 1 << 20
# up to here a get is a look at the file, here and now
ONE_PIECE = 1 << 18


class Held(NamedTuple):
    """Content that is here: its hash, its content id, and how many bytes it has."""

    sha256: bytes
    cid: str
    size: int


class ObjectContent(Protocol):
    def called(self, data: bytes) -> Held:
        """What content is called. Takes its time for much of it."""

    def kept(self, data: bytes, at: int) -> tuple[Held, Write[None]]:
        """Content in one batch."""

    async def brought(self, data: bytes, at: int) -> tuple[Held, Write[None]]:
        """Content in several batches; the plan is the last one, which makes it whole, or fails."""

    def piece(self, sha256: str) -> bytes | None:
        """Content of one piece, here and now."""

    def pieces(self, sha256: str) -> Pieces | None:
        """Content of any length, piece by piece; it is not collected while it is read."""

    async def read(self, sha256: str) -> bytes | None:
        """Content of any length; it is not collected meanwhile."""
