"""Calls of one service to another over REST: signed, within a time budget, and let be while the other is down."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import boto3
import msgspec
import urllib3
from pybreaker import CircuitBreaker, CircuitBreakerError, CircuitBreakerStorage

from common import aws, logs, sigv4
from common.errors import NotFound, ServiceUnavailable

CONNECT_TIMEOUT, READ_TIMEOUT = 0.5, 2.0
"""Seconds. Together far below the caller's own limit, so that our caller hears from us and not of us."""

FAILURES = 5
"""In a row, until the breaker opens."""

PAUSE = ServiceUnavailable.RETRY_AFTER
"""Seconds until an open breaker lets one call of one container through to try: when our caller comes again."""


class _Down(Exception):
    """The other service is not there, did not answer, or not as itself."""


class Service:
    """The API of the service *name*, whose address is the SSM parameter *parameter*.

    Nothing is tried twice here: the one who retries is the caller of our own API, who is told when (Retry-After), so
    that retries do not multiply from layer to layer:
    https://docs.aws.amazon.com/wellarchitected/latest/reliability-pillar/rel_mitigate_interaction_failure_limit_retries.html
    """

    def __init__(self, name: str, parameter: str, ssm: Any, state: CircuitBreakerStorage) -> None:
        self._name = name
        self._address = _Address(ssm, parameter)
        self._breaker = CircuitBreaker(
            fail_max=FAILURES, reset_timeout=PAUSE, state_storage=state, exclude=[lambda e: not isinstance(e, _Down)]
        )
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT), retries=False
        )
        self._session = boto3.Session()

    def get[T](self, path: str, cls: type[T]) -> T:
        """Return what is at *path* as *cls*. Raises NotFound, and ServiceUnavailable when the other service is down."""
        try:
            answer = self._breaker.call(self._send, "GET", path)
        except (_Down, CircuitBreakerError) as error:
            raise ServiceUnavailable(f"{self._name} does not answer, please try again later") from error
        if answer.status == 404:
            raise NotFound(msgspec.json.decode(answer.data, type=_Refusal).message)
        if answer.status != 200:
            raise RuntimeError(f"{self._name} answered {answer.status} to GET {path}")  # a bug or a missing permission
        return msgspec.json.decode(answer.data, type=cls)

    def _send(self, method: str, path: str) -> urllib3.BaseHTTPResponse:
        url, sent = self._address.value() + path, {"X-Correlation-Id": logs.correlation_id.get()}
        headers = sigv4.sign(self._session.get_credentials(), self._session.region_name, method, url, sent)
        try:
            answer = self._http.request(method, url, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            self._address.forget()
            raise _Down(str(error)) from error
        if answer.status >= 500 or answer.status == 429:
            self._address.forget()
            raise _Down(f"{answer.status}")
        return answer


class _Refusal(msgspec.Struct, rename="pascal"):
    code: str
    message: str


class _Address:
    """The value of a parameter, read on first use and again after a minute or a failure: a service may have moved."""

    def __init__(self, ssm: Any, parameter: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._ssm, self._parameter, self._clock = ssm, parameter, clock
        self._known, self._read_at = "", 0.0

    def value(self) -> str:
        if not self._known or self._clock() - self._read_at > 60:
            with aws.translated({"ParameterNotFound": _Down(f"no service is registered as {self._parameter}")}):
                self._known = str(self._ssm.get_parameter(Name=self._parameter)["Parameter"]["Value"])
            self._read_at = self._clock()
        return self._known

    def forget(self) -> None:
        """Read it again on the next use."""
        self._known = ""
