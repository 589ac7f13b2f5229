"""A client of the control call `changes`, which waits until something deployed to a service has changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http.client import HTTPException
from threading import Event
from urllib.parse import urlencode

from localaws import control_client
from localaws.changes import WAIT_SECONDS

PAUSE = 1
"""Seconds until the next look if the call fails, as it does while the emulator ends."""

RETRY_INTERVAL = 1
"""Seconds until the next refresh after one that was not complete."""


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
            version = json.loads(control_client.call(f"{self._url}?{query}", timeout=seconds + 10))["version"]
        except (OSError, ValueError, HTTPException):
            time.sleep(PAUSE)
            return True
        changed, self._seen = version != self._seen, version
        return bool(changed)

    def follow(self, refresh: Callable[[], bool], stopped: Event) -> None:
        """Call *refresh* after each change until *stopped*.

        It returns whether it is complete. If not, it is called again after RETRY_INTERVAL, or after the next change.
        """
        complete = True
        while not stopped.is_set():
            if self.wait(WAIT_SECONDS if complete else RETRY_INTERVAL) or not complete:
                complete = refresh()
