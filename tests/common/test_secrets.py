"""Secrets are read once and again after a while, and stay in use while they cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from common.errors import ServiceUnavailable
from common.secrets import Secret


class Secrets:
    def __init__(self) -> None:
        self.text, self.version, self.reads = "first", 1, 0
        self.failure: Exception | None = None

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        self.reads += 1
        if self.failure:
            raise self.failure
        return {"SecretString": self.text, "VersionId": str(self.version)}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def secret(secrets: Secrets, clock: Clock) -> Secret[str]:
    return Secret(secrets, "name", str.upper, max_age=60, clock=clock)


def test_a_secret_is_read_on_first_use_and_kept(secrets: Secrets, secret: Secret[str], clock: Clock) -> None:
    assert secrets.reads == 0
    assert (secret.value(), secret.value()) == ("FIRST", "FIRST")
    clock.now = 59.9
    secret.value()
    assert secrets.reads == 1


def test_a_rotation_is_noticed(secrets: Secrets, secret: Secret[str], clock: Clock) -> None:
    secret.value()
    secrets.text, secrets.version = "second", 2

    clock.now = 60

    assert secret.value() == "SECOND"


def test_an_unchanged_secret_is_not_parsed_again(secrets: Secrets, clock: Clock) -> None:
    parsed: list[str] = []
    secret = Secret(secrets, "name", lambda text: parsed.append(text), max_age=60, clock=clock)

    for clock.now in (0, 60, 120):
        secret.value()

    assert (parsed, secrets.reads) == (["first"], 3)


def test_while_a_secret_cannot_be_read_its_last_value_is_used(
    secrets: Secrets, secret: Secret[str], clock: Clock
) -> None:
    secrets.failure = EndpointConnectionError(endpoint_url="https://secrets.example")
    with pytest.raises(ServiceUnavailable):
        secret.value()
    secrets.failure = None
    secret.value()

    secrets.failure, clock.now = EndpointConnectionError(endpoint_url="https://secrets.example"), 60

    assert secret.value() == "FIRST"


def test_a_missing_permission_is_not_hidden(secrets: Secrets, secret: Secret[str], clock: Clock) -> None:
    secret.value()
    denied: Any = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
    secrets.failure, clock.now = ClientError(denied, "GetSecretValue"), 60

    with pytest.raises(ClientError):
        secret.value()


def test_a_secret_is_not_in_its_representation(secret: Secret[str]) -> None:
    secret.value()

    assert "FIRST" not in repr(secret).upper().replace("NAME", "")


def test_a_rotation_is_noticed_within_a_minute(secrets: Secrets, clock: Clock) -> None:
    secret = Secret(secrets, "name", str, clock=clock)

    for clock.now, reads in ((0, 1), (59.9, 1), (60, 2)):
        secret.value()
        assert secrets.reads == reads
