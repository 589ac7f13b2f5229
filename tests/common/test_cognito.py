"""The token of the caller in the header Authorization, and the address that is in it."""

from __future__ import annotations

import json

import pytest
from chalice.app import Chalice

from common import cognito

ADDRESS = "ann@example.com"


@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer ", "BEARER  "])
def test_the_scheme_may_be_in_any_case_or_absent(scheme: str) -> None:
    assert cognito.token(f"{scheme}a.b.c") == "a.b.c"


@pytest.mark.parametrize(
    ("claims", "address"),
    [
        ({"email": ADDRESS, "email_verified": "true"}, ADDRESS),
        ({"email": ADDRESS, "email_verified": True}, ADDRESS),
        ({"email": ADDRESS, "email_verified": "false"}, None),
        ({"email": ADDRESS}, None),
        ({"email_verified": "true"}, None),
    ],
)
def test_only_a_verified_address_is_one(claims: dict[str, object], address: str | None) -> None:
    app = Chalice("claims")
    app.route("/")(lambda: {"email": cognito.email(app)})
    context = {"httpMethod": "GET", "resourcePath": "/", "authorizer": {"claims": claims}}
    parameters = {"multiValueQueryStringParameters": None, "pathParameters": None, "stageVariables": None}
    body = {"headers": {}, "body": None, "isBase64Encoded": False}

    answer = app({"requestContext": context} | parameters | body, None)

    assert json.loads(answer["body"]) == {"email": address}
