"""Logs of the service: one JSON object a line, or text, each with the id of the request it belongs to.

``configure`` is for entry points; nothing else here touches the process's logging.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

request_id: ContextVar[str] = ContextVar("request_id", default="")

# What the service adds to a record; everything else about it is logging's own.
FIELDS = ("method", "path", "status", "duration_ms", "client", "bytes_in", "bytes_out")


def configure(*, level: str, form: str) -> None:
    """Send the process's logs to standard error, and nothing of the server's own access log.

    Args:
        level: of LOG_LEVEL.
        form: of LOG_FORMAT.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # What no line shows is not looked up, since there is a line for each request.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        server = logging.getLogger(name)
        server.handlers.clear()
        server.propagate = name != "uvicorn.access"


def fields_of(record: logging.LogRecord) -> Mapping[str, object]:
    """What the service added to a record, the request's id among it."""
    found = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
    current = getattr(record, "request_id", "") or request_id.get()
    return {**found, **({"request_id": current} if current else {})}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(content, default=str).decode()
        except TypeError:
            return json.dumps(content, default=str)  # escapes text that is no UTF-8, which orjson refuses


class TextFormatter(logging.Formatter):
    """For people: a line a record."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, what the service added behind it."""
        added = " ".join(f"{name}={value}" for name, value in fields_of(record).items())
        return f"{super().format(record)} {added}".rstrip()
