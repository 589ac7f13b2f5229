"""Secrets in Secrets Manager."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from common import aws
from common.cached import Cached

MAX_AGE = 60
"""Seconds after which a container reads a secret again, and so notices a rotation."""


class Secret[T]:
    """The secret *name*, read through a ``secretsmanager`` *client*; *parse* turns its text into the value.

    `Cached` says when it is read. A version is parsed once. Neither the text nor the value is shown or logged.
    """

    def __init__(
        self,
        client: Any,
        name: str,
        parse: Callable[[str], T],
        max_age: float = MAX_AGE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._name = name
        self._parse = parse
        self._parsed: tuple[str, T] | None = None
        self._cached = Cached(self._read, max_age, clock)

    def __repr__(self) -> str:
        return f"Secret({self._name!r})"

    def value(self) -> T:
        """Return the value. Raises ServiceUnavailable when it was never read and cannot be read now."""
        return self._cached.value()

    def _read(self) -> T:
        with aws.translated():
            answer = self._client.get_secret_value(SecretId=self._name)
        version = str(answer["VersionId"])
        if self._parsed is None or self._parsed[0] != version:
            self._parsed = version, self._parse(answer["SecretString"])
        return self._parsed[1]
