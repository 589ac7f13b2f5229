"""A service that the emulator does not have is known by its name, without the descriptions of all services."""

from __future__ import annotations

import botocore.session
import pytest
from ministack.core import router

from localaws import service_names


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The services whose descriptions were parsed to find a name."""
    parsed: list[str] = []
    monkeypatch.setattr(botocore.session.Session, "get_service_model", lambda _, name: parsed.append(name))
    monkeypatch.setattr(router, "_is_aws_service_name", router._is_aws_service_name)
    monkeypatch.setattr(router, "_KNOWN_AWS_SERVICE_NAMES", None)
    return parsed


def test_the_emulator_parses_the_descriptions_of_all_services(parsed: list[str]) -> None:
    router._is_aws_service_name("pricing")

    assert "quicksight" in parsed, "ministack no longer needs localaws/service_names.py; delete it"


def test_names_are_known_without_parsing(parsed: list[str]) -> None:
    service_names.apply()

    # The names in boto3, in addresses and in signatures: cloudwatch, monitoring; dax; apigateway; ses, email; states.
    names = ["cloudwatch", "monitoring", "dax", "pricing", "apigateway", "ses", "email", "stepfunctions", "states"]
    assert [name for name in names if not router._is_aws_service_name(name)] == []
    assert not router._is_aws_service_name("my-bucket")
    assert parsed == []
