"""boto3 clients, made once, and the translation of their errors into those of `common.errors`."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from common.errors import ServiceUnavailable

# Three attempts with these time-outs take less than API Gateway's 29 s, so the caller gets our own error.
_CONFIG = Config(connect_timeout=2, read_timeout=6, retries={"mode": "standard", "total_max_attempts": 3})

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
def client(service: str) -> Any:
    """Return this process's client for *service*."""
    return boto3.client(service, config=_CONFIG)


@functools.cache
def s3() -> Any:
    """Return this process's client for S3, which uses the Region's endpoint.

    The global endpoint redirects requests for a new bucket, and a browser's upload does not follow the redirect:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
    """
    addressing = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    return boto3.client("s3", config=_CONFIG.merge(addressing))


def code(error: ClientError) -> str:
    """Return the service's error code, for example ``ConditionalCheckFailedException``."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translated(errors: dict[str, Exception] | None = None) -> Iterator[None]:
    """Replace a ClientError of the block by the error that *errors* has for its code, and throttling by a 503.

    Any other code passes through: it is a bug or a missing permission, which must be logged and not hidden.
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
