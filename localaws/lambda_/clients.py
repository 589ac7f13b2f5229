"""The AWS clients of one Region, each made once, when it is first needed."""

from __future__ import annotations

from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

WAIT = "x-localaws-wait"  # the sandbox's emulator answers such a GetRecords when it has records
WAIT_SECONDS = 2  # for records and messages; ending the emulator takes as long
FUNCTION_TIMEOUT = 900

# Whoever calls tries again himself; a call may take as long as the longest function.
_CONFIG = Config(
    retries={"total_max_attempts": 1},
    read_timeout=FUNCTION_TIMEOUT + 10,
    max_pool_connections=200,
    s3={"addressing_style": "path"},
)
# A session makes one client at a time, and the default one belongs to whoever else is in the process.
_SESSION, _MAKING = boto3.session.Session(), Lock()


class Clients:
    """The clients of whoever the session is: without one, of the sandbox itself."""

    def __init__(self, region: str, endpoint: str | None, session: boto3.session.Session = _SESSION) -> None:
        self._region, self._endpoint, self._session = region, endpoint, session
        self._clients: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        """Return the client of the service."""
        with _MAKING:
            if service not in self._clients:
                self._clients[service] = self._made(service)
        return self._clients[service]

    def _made(self, service: str) -> Any:
        client = self._session.client(service, region_name=self._region, endpoint_url=self._endpoint, config=_CONFIG)
        client.meta.events.register("before-call.*.GetRecords", _wait_for_records)
        return client


def _wait_for_records(params: dict[str, Any], **_: Any) -> None:
    params["headers"][WAIT] = str(WAIT_SECONDS)
