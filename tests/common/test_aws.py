"""The translation of AWS errors into errors of the app."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from common import aws
from common.errors import NotFound, ServiceUnavailable


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "m"}}, "GetItem")


def test_a_listed_code_becomes_its_error() -> None:
    with pytest.raises(NotFound) as raised, aws.translated({"NoSuchKey": NotFound("no file")}):
        raise error("NoSuchKey")
    assert isinstance(raised.value.__cause__, ClientError)


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException", "SlowDown"])
def test_throttling_asks_the_caller_to_try_again(code: str) -> None:
    with pytest.raises(ServiceUnavailable), aws.translated():
        raise error(code)


def test_an_unreachable_service_asks_the_caller_to_try_again() -> None:
    with pytest.raises(ServiceUnavailable), aws.translated():
        raise EndpointConnectionError(endpoint_url="https://example.com")


def test_an_unlisted_code_passes_through() -> None:
    with pytest.raises(ClientError), aws.translated():
        raise error("AccessDenied")


def test_the_attempts_of_a_client_end_before_api_gateway_answers() -> None:
    """It waits 29 seconds: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
    config = aws.client("dynamodb").meta.config

    attempts, pauses = config.retries["total_max_attempts"], 1 + 2  # at most
    assert attempts == 3
    assert attempts * (config.connect_timeout + config.read_timeout) + pauses < 29
