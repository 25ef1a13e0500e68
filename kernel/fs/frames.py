"""How pieces of files travel: a head and the bytes, one after another. Both ends of a deploy read it here."""

from __future__ import annotations

import struct

# SHA-256 and size of the file, number and length of the piece, codec
FRAME = struct.Struct(">32sQIIB")
RAW, ZLIB = 0, 1
MOST_BODY = 8 * 1024 * 1024
