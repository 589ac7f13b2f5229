"""Requests that Secrets Manager rejects."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localaws.testing import refusal

type Call = Callable[[Any, str], Any]

TOKEN = "0123456789" * 4
numbers = itertools.count(1)


def create(name: str = "", **more: Any) -> Call:
    return lambda secrets, _: secrets.create_secret(**{"Name": name or f"new-{next(numbers)}"} | more)


def put(**more: Any) -> Call:
    return lambda secrets, name: secrets.put_secret_value(SecretId=name, **more)


def put_twice(secrets: Any, name: str) -> Any:
    put(SecretString="1", ClientRequestToken=TOKEN)(secrets, name)
    put(SecretString="2", ClientRequestToken=TOKEN)(secrets, name)


def recreate(secrets: Any, name: str) -> Any:
    secrets.delete_secret(SecretId=name)
    secrets.create_secret(Name=name, SecretString="x")


def get_of_another_stage(secrets: Any, name: str) -> Any:
    put(SecretString="1", ClientRequestToken=TOKEN)(secrets, name)
    secrets.get_secret_value(SecretId=name, VersionId=TOKEN, VersionStage="AWSPREVIOUS")


CASES: dict[str, tuple[Call, str]] = {
    "a name with a space": (
        create("a b", SecretString="x"),
        "ValidationException: Invalid name. Must be a valid name containing alphanumeric characters, or any of the "
        "following: -/_+=.@!",
    ),
    "a string and a binary value": (create(SecretString="x", SecretBinary=b"x"), "InvalidParameterException: "),
    "no value": (put(), "InvalidRequestException: "),
    "a value above 64 KB": (put(SecretString="x" * 65_537), "ValidationException: "),
    "a short token": (put(SecretString="x", ClientRequestToken="x"), "InvalidParameterException: "),
    "another value of a version": (put_twice, "ResourceExistsException: "),
    "a secret that is scheduled for deletion": (
        recreate,
        "InvalidRequestException: You can't create this secret because a secret with this name is already scheduled "
        "for deletion.",
    ),
    "a stage of another version": (
        get_of_another_stage,
        "InvalidRequestException: You provided a VersionStage that is not associated to the provided VersionId.",
    ),
    "a rotation without a function": (
        lambda secrets, name: secrets.rotate_secret(SecretId=name),
        "InvalidRequestException: No Lambda rotation function ARN is associated with this secret.",
    ),
}


@cache
def client(endpoint: str) -> Any:
    config = Config(retries={"max_attempts": 0}, parameter_validation=False)
    return boto3.client("secretsmanager", endpoint_url=endpoint, config=config)


def answer(endpoint: str, call: Call) -> str:
    secrets, name = client(endpoint), f"secret-{next(numbers)}"
    secrets.create_secret(Name=name, SecretString="x")
    return refusal(lambda: call(secrets, name))


@pytest.mark.parametrize("case", CASES)
def test_an_invalid_request_is_rejected(emulator: str, case: str) -> None:
    call, expected = CASES[case]

    assert answer(emulator, call).startswith(expected)


@pytest.mark.parametrize("case", CASES)
def test_the_gap_is_still_there(bare_emulator: str, case: str) -> None:
    call, expected = CASES[case]

    assert not answer(bare_emulator, call).startswith(expected)


def test_a_repeated_put_keeps_the_labels(emulator: str) -> None:
    secrets, name = client(emulator), f"secret-{next(numbers)}"
    secrets.create_secret(Name=name, SecretString="x")
    put(SecretString="1", ClientRequestToken=TOKEN)(secrets, name)
    newest = put(SecretString="2")(secrets, name)["VersionId"]

    repeated = put(SecretString="1", ClientRequestToken=TOKEN)(secrets, name)

    assert repeated["VersionStages"] == ["AWSPREVIOUS"]
    assert secrets.get_secret_value(SecretId=name)["VersionId"] == newest
