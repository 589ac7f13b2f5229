"""Structured logs: a JSON object a line, with the correlation id of the request or event."""

from __future__ import annotations

import logging
import re
import sys
import uuid
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


def configure(logger: logging.Logger) -> None:
    """Make *logger* write JSON: time, level, message, service, correlation id, and the fields of ``extra``."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        JsonFormatter(
            "{levelname}{message}{correlation_id}",
            style="{",
            rename_fields={"levelname": "level"},
            static_fields={"service": logger.name},
            timestamp="time",
        )
    )
    handler.addFilter(_correlated)
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False  # Lambda's root handler would write each line again, as text


def correlate(sent: str | None) -> str:
    """Set the correlation id to *sent* if that is a valid one, else to a new one, and return it."""
    known = sent and re.fullmatch(r"[\w.:/-]{1,128}", sent, re.ASCII)
    value = sent if sent and known else str(uuid.uuid4())
    correlation_id.set(value)
    return value


def _correlated(record: logging.LogRecord) -> bool:
    record.correlation_id = correlation_id.get()
    return True
