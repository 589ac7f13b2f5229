"""REST calls from one service to another: signed, with short time-outs and a circuit breaker."""

from __future__ import annotations

from typing import Any

import boto3
import msgspec
import urllib3
from pybreaker import CircuitBreaker, CircuitBreakerError, CircuitBreakerStorage

from common import aws, logs, sigv4, traces
from common.cached import Cached
from common.errors import NotFound, ServiceUnavailable

CONNECT_TIMEOUT, READ_TIMEOUT = 0.5, 2.0
"""Seconds. Their sum is far below API Gateway's 29 s, so our caller gets an answer from us, not a time-out."""

FAILURES = 5
"""Number of consecutive failures that opens the breaker."""

PAUSE = ServiceUnavailable.RETRY_AFTER
"""Seconds after which an open breaker lets one container try a call: when our caller retries."""


class _Down(Exception):
    """The other service is not registered, did not answer, or answered with a server error."""


class Service:
    """The API of the service *name*, whose address is the SSM parameter *parameter*.

    Nothing is retried here. The caller of our own API retries, after the time in Retry-After, so that retries do not
    multiply from layer to layer:
    https://docs.aws.amazon.com/wellarchitected/latest/reliability-pillar/rel_mitigate_interaction_failure_limit_retries.html
    """

    def __init__(self, name: str, parameter: str, ssm: Any, state: CircuitBreakerStorage) -> None:
        self._name = name
        self._ssm, self._parameter = ssm, parameter
        self._address = Cached(self._read_address)
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

    def _read_address(self) -> str:
        with aws.translated({"ParameterNotFound": _Down(f"no service is registered as {self._parameter}")}):
            return str(self._ssm.get_parameter(Name=self._parameter)["Parameter"]["Value"])

    def _send(self, method: str, path: str) -> urllib3.BaseHTTPResponse:
        url, sent = self._address.value() + path, {"X-Correlation-Id": logs.correlation_id.get()}
        headers = sigv4.sign(self._session.get_credentials(), self._session.region_name, method, url, sent)
        try:
            # AWS's SDKs do not sign the header of the trace either.
            answer = self._http.request(method, url, headers=headers | traces.header())
        except urllib3.exceptions.HTTPError as error:
            self._address.expire()
            raise _Down(str(error)) from error
        if answer.status >= 500 or answer.status == 429:
            self._address.expire()
            raise _Down(f"{answer.status}")
        return answer


class _Refusal(msgspec.Struct, rename="pascal"):
    code: str
    message: str
