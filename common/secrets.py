"""Secrets of Secrets Manager, read once in a container and again from time to time, so that a rotation is noticed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from common import aws
from common.errors import ServiceUnavailable


class Secret[T]:
    """What *parse* makes of the text of the secret *name*, read through a ``secretsmanager`` *client*.

    It is read on first use, and again when it is older than *max_age* seconds; while it cannot be read again, what is
    known goes on. Neither the text nor what it was made into is shown or logged.
    """

    def __init__(
        self,
        client: Any,
        name: str,
        parse: Callable[[str], T],
        max_age: float = 60,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._name = name
        self._parse = parse
        self._max_age = max_age
        self._clock = clock
        self._known: tuple[str, T] | None = None
        self._read_at = 0.0

    def __repr__(self) -> str:
        return f"Secret({self._name!r})"

    def value(self) -> T:
        """Return the value. Raises ServiceUnavailable when it was never read and cannot be read now."""
        now = self._clock()
        if self._known is None or now - self._read_at >= self._max_age:
            self._known = self._read()
            self._read_at = now
        return self._known[1]

    def _read(self) -> tuple[str, T]:
        try:
            with aws.translated():
                answer = self._client.get_secret_value(SecretId=self._name)
        except ServiceUnavailable:
            if self._known is None:
                raise
            return self._known
        version = str(answer["VersionId"])
        if self._known is not None and self._known[0] == version:
            return self._known
        return version, self._parse(answer["SecretString"])
