"""The deployed APIs answer valid and invalid requests as their openapi.json says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from botocore.credentials import Credentials
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from requests.auth import AuthBase
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from users import User

from common import sigv4

ROOT = Path(__file__).parent.parent.parent
APPS = sorted(config.parent.parent.name for config in ROOT.glob("*/.chalice/config.json"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def operations(app: str) -> list[Any]:
    schema = schemathesis.openapi.from_dict(json.loads((ROOT / app / "openapi.json").read_text()))
    return [pytest.param(app, result.ok(), id=f"{app} {result.ok().label}") for result in schema.get_all_operations()]


class Signed(AuthBase):
    """Signature Version 4 with an access key, as an author, an owner or another service signs."""

    def __init__(self, access_key_id: str, secret_access_key: str) -> None:
        self._key = Credentials(access_key_id, secret_access_key)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        url, body = str(request.url), request.body or b""
        content = body.encode() if isinstance(body, str) else body
        request.headers.update(sigv4.sign(self._key, "us-east-1", str(request.method), url, body=content))
        return request


@pytest.fixture(scope="session")
def authorization(sandbox: dict[str, Any], sign_up: Callable[..., User]) -> Callable[[str, Any], dict[str, Any]]:
    """Return a function that returns the authentication for an operation of an app: a token or a key."""
    users: dict[str, User] = {}
    keys = {"blog-app": "author", "video-app": "owner"}

    def authorization(app: str, operation: Any) -> dict[str, Any]:
        outputs, schemes = sandbox[app], [name for one in operation.definition.raw["security"] for name in one]
        if schemes == ["cognito"] and "user_pool_client_id" in outputs:  # not if the stage's reads are open
            user = users.get(app) or users.setdefault(app, sign_up(app))
            return {"headers": {"Authorization": user.id_token}}
        if schemes == ["iam"] and app in keys:
            person = keys[app]
            return {"auth": Signed(outputs[f"{person}_access_key_id"], outputs[f"{person}_secret_access_key"])}
        root = Signed(sandbox["access_key_id"], sandbox["secret_access_key"])
        return {"auth": root} if schemes == ["iam"] else {}

    return authorization


@pytest.mark.parametrize(("app", "operation"), [one for app in APPS for one in operations(app)])
def test_responses_match_the_contract(
    app: str, operation: Any, sandbox: dict[str, Any], authorization: Callable[[str, Any], dict[str, Any]]
) -> None:
    call = authorization(app, operation)
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @settings(
        max_examples=20,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(right, wrong))
    def answers(case: Case) -> None:
        response = case.call(base_url=sandbox[app]["api"], timeout=60, **call)
        case.validate_response(response, checks=CHECKS)

    answers()
