"""A client of the control call `changes`, which waits until something deployed to a service has changed."""

from __future__ import annotations

import json
import time
import urllib.request
from http.client import HTTPException
from urllib.parse import urlencode

from localaws.changes import WAIT_SECONDS

PAUSE = 1
"""Seconds until the next look if the call fails, as it does while the emulator ends."""


class Changes:
    """The changes of what is deployed to a *service*, by its name in the control call."""

    def __init__(self, endpoint: str, service: str) -> None:
        self._url = f"{endpoint}/_localaws/changes"
        self._service = service
        self._seen = ""

    def wait(self, seconds: float = WAIT_SECONDS) -> bool:
        """Wait until something has changed since the last call, at most *seconds*. Return whether it has.

        The first call returns True at once. If the emulator cannot be asked, a change is assumed after a pause.
        """
        query = urlencode({"service": self._service, "seen": self._seen, "wait": seconds})
        try:
            with urllib.request.urlopen(f"{self._url}?{query}", timeout=seconds + 10) as answer:
                version = json.load(answer)["version"]
        except (OSError, ValueError, HTTPException):
            time.sleep(PAUSE)
            return True
        changed, self._seen = version != self._seen, version
        return bool(changed)
