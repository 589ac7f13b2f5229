"""A command that finds no account says in one line what to do."""

from __future__ import annotations

import socket
import sys

import pytest

from deploy import __main__ as command
from deploy import account
from deploy.account import _session


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """An environment without credentials, as that of a new user."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    _session.cache_clear()


def preflight(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["deploy", "preflight", "all", "prod"])
    message = str(command.main())
    _session.cache_clear()
    assert message.startswith("preflight failed: ")
    assert "\n" not in message
    return message


def test_without_credentials_it_says_how_to_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    message = preflight(monkeypatch)

    assert "aws sso login" in message
    assert 'eval "$(make env)"' in message


def test_without_a_region_it_says_how_to_choose_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    assert "export AWS_DEFAULT_REGION=" in preflight(monkeypatch)


def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    assert "nobody" in preflight(monkeypatch)


def test_on_aws_commands_act_in_an_account_and_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://abc.execute-api.us-east-1.amazonaws.com/api/"

    assert account.local_endpoint() is None
    assert account.api_address(url) == url.rstrip("/")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:5001")
    account.client.cache_clear()
    account._session.cache_clear()
    assert account.api_address(url) == "http://127.0.0.1:5001/_aws/execute-api/abc/api"


def test_a_sandbox_that_does_not_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    assert "make up" in preflight(monkeypatch)
