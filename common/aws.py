"""boto3 clients, made once, and the one place where their errors become ours."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from common.errors import ServiceUnavailable

# Three tries inside two short time-outs stay below API Gateway's 29 s, so that the caller hears from us.
_CONFIG = Config(connect_timeout=2, read_timeout=6, retries={"mode": "standard", "max_attempts": 3})

_BUSY = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottlingException",
    "TooManyRequestsException",
}


@functools.cache
def client(service: str, **config: Any) -> Any:
    """Return the process's one client of *service*; *config* are further botocore settings."""
    return boto3.client(service, config=_CONFIG.merge(Config(**config)))


def code(error: ClientError) -> str:
    """Return the service's error code, for example ``ConditionalCheckFailedException``."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translated(errors: dict[str, Exception] | None = None) -> Iterator[None]:
    """Turn the ClientErrors of the block into ours: by code through *errors*, and throttling into 503.

    An unknown code passes through: it is a bug or a missing permission, to be logged, not hidden.
    """
    try:
        yield
    except ClientError as error:
        known = (errors or {}).get(code(error))
        if known is not None:
            raise known from error
        if code(error) in _BUSY:
            raise ServiceUnavailable("the service is busy, please try again") from error
        raise
    except (ConnectionError, HTTPClientError) as error:
        raise ServiceUnavailable("a service behind this one cannot be reached, please try again") from error
