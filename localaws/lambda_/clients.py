"""The AWS clients of one Region, each created on first use."""

from __future__ import annotations

from contextvars import ContextVar
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

from localaws.changes import WAIT_SECONDS

WAIT_HEADER = "x-localaws-wait"  # asks the emulator to wait for records; see changes/calls.py
MAPPING_HEADER = "x-localaws-mapping"  # names the mapping for which a function is invoked or a source is polled
FUNCTION_TIMEOUT = 900

# Callers retry themselves. Invoke returns when the function ends, which takes up to 15 minutes.
_CONFIG = Config(
    retries={"total_max_attempts": 1},
    read_timeout=FUNCTION_TIMEOUT + 10,
    max_pool_connections=200,
    s3={"addressing_style": "path"},
)
# Sessions are not thread-safe while they create clients, and other code in the process may use the default session.
_SESSION, _CREATING = boto3.session.Session(), Lock()


mapping_uuid: ContextVar[str] = ContextVar("mapping_uuid")
"""The UUID of the mapping that this thread works for."""


class Clients:
    """The clients of one session; by default, with the credentials of this process."""

    def __init__(self, region: str, endpoint: str | None, session: boto3.session.Session = _SESSION) -> None:
        self._region, self._endpoint, self._session = region, endpoint, session
        self._clients: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        """Return the client of the service."""
        with _CREATING:
            if service not in self._clients:
                self._clients[service] = self._create(service)
        return self._clients[service]

    def _create(self, service: str) -> Any:
        client = self._session.client(service, region_name=self._region, endpoint_url=self._endpoint, config=_CONFIG)
        client.meta.events.register("before-call.*.GetRecords", _wait_for_records)
        for call in ("lambda.Invoke", "*.GetRecords", "sqs.ReceiveMessage"):
            client.meta.events.register(f"before-call.{call}", _name_mapping)
        return client


def _wait_for_records(params: dict[str, Any], **_: Any) -> None:
    params["headers"][WAIT_HEADER] = str(WAIT_SECONDS)


def _name_mapping(params: dict[str, Any], **_: Any) -> None:
    if uuid := mapping_uuid.get(None):
        params["headers"][MAPPING_HEADER] = uuid
