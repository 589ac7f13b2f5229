"""Pytest fixtures of a local AWS: `pytest_plugins = ["localaws.testing"]` in a conftest.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError

from localaws import serve
from localaws.ports import find_free_port


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """The function that finds a free port."""
    return find_free_port


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty emulator with its gaps closed, without the data planes that run beside it."""
    with serve.emulator(tmp_path_factory.mktemp("emulator")) as url:
        yield url


def eventually[T](look: Callable[[], T], seconds: float = 10) -> T:
    """Call *look* until it returns something true or *seconds* have passed; return its last result."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def until[T](look: Callable[[], T | None], seconds: float = 90) -> T:
    """Call *look* until it returns something true, and return that. Raises AssertionError after *seconds*."""
    found = eventually(look, seconds)
    assert found, f"nothing within {seconds} s"
    return found


def refusal(call: Callable[[], object]) -> str:
    """Call an operation of boto3; return its error as `Code: message`, or an empty string if it succeeds."""
    try:
        call()
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error'].get('Message', '')}"
    return ""
