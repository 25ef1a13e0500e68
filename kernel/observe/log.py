"""Structured logs on stderr: lines a person reads on a terminal, JSON objects elsewhere."""

from __future__ import annotations

import contextvars
import json
import logging
import sys
import traceback
from typing import Any, TextIO

from kernel.base.clock import iso

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def get(name: str) -> logging.Logger:
    return logging.getLogger(name)


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": iso(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "from": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["trace"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, default=str)


class ForPeople(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        # what is logged may come from outside: a terminal must not obey it
        text = _printable(f"{record.getMessage()} {fields}".rstrip())
        line = f"{iso(int(record.created * 1000))[11:19]} {record.levelname.lower():7} {text}"
        if record.exc_info:
            line += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return line


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    current = request_id.get()
    return {"request": current, **fields} if current else fields


def configure(debug: bool = False, stream: TextIO | None = None) -> None:
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(ForPeople() if target.isatty() else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    # asyncio's own debug lines say nothing to an owner
    logging.getLogger("asyncio").setLevel(logging.WARNING)
