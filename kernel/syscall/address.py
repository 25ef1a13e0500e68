"""An address somewhere else, as a signature asks for it."""

from __future__ import annotations

from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from kernel.syscall.words import Line

# what has a meaning in an address and stays
_KEPT = "%/:=&?~#+!$,;'@()*[]"


def _idna(name: str) -> str:
    """A host name as a browser would look it up."""
    import idna

    return name if name.isascii() else idna.encode(name, uts46=True).decode()


class Destination(Line):
    """An absolute http or https address."""

    least, most = 1, 2048

    @classmethod
    def parse(cls, value: object) -> Destination:
        text = super().parse(value)
        try:
            parts = urlsplit(text)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
            # a Location header is ASCII; one that is stays as it was written
            text = text if text.isascii() else cls(cls._ascii(parts))
        except ValueError:
            usable = False
        if not usable or " " in text or "\\" in text or len(text) > cls.most:
            raise ValueError("must be an absolute http or https address")
        return text

    @staticmethod
    def _ascii(parts: SplitResult) -> str:
        user, at, host = parts.netloc.rpartition("@")
        name, colon, port = host.partition(":")
        netloc = quote(user, safe=_KEPT) + at + _idna(name) + colon + port
        return urlunsplit((parts.scheme, netloc, *(quote(part, safe=_KEPT) for part in parts[2:])))
