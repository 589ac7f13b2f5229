"""The routes, through Chalice's own test client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice
from chalice.test import Client, HTTPResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_requests import odd_requests

import app
from services import openapi


def token(claims: dict[str, Any]) -> str:
    """Return a token for Chalice's test client, which reads the claims and does not verify the signature."""
    import base64

    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()}.s"


@pytest.fixture
def call(client: Client, claims: dict[str, Any]) -> Any:
    def call(method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
        sent = {"Authorization": token(claims), "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.http.request(method, path, headers=sent, body=content)

    return call


def test_a_todo_is_created_read_changed_and_deleted(call: Any) -> None:
    created = call("POST", "/todos", {"title": "Milk"})
    path = f"/{created.headers['Location']}"

    assert created.status_code == 201
    assert created.headers["ETag"] == '"1"'
    assert call("GET", path).json_body == created.json_body
    changed = call("PATCH", path, {"done": True}, If_Match='"1"')
    assert (changed.status_code, changed.headers["ETag"], changed.json_body["done"]) == (200, '"2"', True)
    assert call("GET", "/todos?done=true").json_body == {"items": [changed.json_body], "cursor": None}
    assert call("DELETE", path).status_code == 204
    assert call("GET", path).status_code == 404


def test_a_stale_change_is_rejected(call: Any) -> None:
    path = f"/{call('POST', '/todos', {'title': 'Milk'}).headers['Location']}"
    call("PATCH", path, {"title": "Bread"})

    refused = call("PATCH", path, {"title": "Eggs"}, If_Match='"1"')

    assert (refused.status_code, refused.json_body["Code"]) == (412, "PreconditionFailed")
    assert call("PATCH", path, {"title": "Eggs"}, If_Match='W/"2"').status_code == 412
    assert call("PATCH", path, {"title": "Eggs"}, If_Match='"1", "2"').status_code == 200
    assert call("DELETE", path, If_Match="*").status_code == 204


def test_an_unchanged_response_gets_304(call: Any) -> None:
    path = f"/{call('POST', '/todos', {'title': 'Milk'}).headers['Location']}"
    for known in (path, "/todos"):
        etag = call("GET", known).headers["ETag"]

        again = call("GET", known, If_None_Match=f'"other", {etag}')

        assert (again.status_code, again.body) == (304, b"")
    call("PATCH", path, {"done": True})
    assert call("GET", "/todos", If_None_Match=etag).status_code == 200


def test_the_same_key_and_body_give_the_same_response(call: Any) -> None:
    first = call("POST", "/todos", {"title": "Milk"}, Idempotency_Key="k")

    assert call("POST", "/todos", {"title": "Milk"}, Idempotency_Key="k").body == first.body
    other = call("POST", "/todos", {"title": "Bread"}, Idempotency_Key="k")
    assert (other.status_code, other.json_body["Code"]) == (422, "IdempotencyKeyReused")
    assert len(call("GET", "/todos").json_body["items"]) == 1


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("done=maybe", "done"),
        ("cursor=%25", "cursor"),
    ],
)
def test_an_error_names_the_invalid_parameter(call: Any, query: str, named: str) -> None:
    refused = call("GET", f"/todos?{query}")

    assert (refused.status_code, refused.json_body["Code"]) == (400, "InvalidInput")
    assert named in refused.json_body["Message"]


@pytest.mark.parametrize("field", ["owner", "sub", "user_id", "cognito-username", "id", "version"])
def test_a_body_cannot_name_the_owner(call: Any, field: str) -> None:
    for refused in (call("POST", "/todos", {"title": "x", field: "bob"}), call("PATCH", "/todos/x", {field: "bob"})):
        assert (refused.status_code, refused.json_body["Code"]) == (400, "InvalidInput")
        assert field in refused.json_body["Message"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b'"x"', b"null", b'{"title": NaN}'])
def test_a_body_that_is_not_a_todo_is_rejected(call: Any, body: bytes) -> None:
    assert call("POST", "/todos", body).status_code == 400


def test_a_body_that_is_too_large_is_rejected(call: Any) -> None:
    refused = call("POST", "/todos", b'{"title": "%s"}' % (b"x" * 7_000_000))

    assert (refused.status_code, refused.json_body["Code"]) == (413, "PayloadTooLarge")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary())
def test_any_bytes_are_a_todo_or_a_400(call: Any, body: bytes) -> None:
    assert call("POST", "/todos", body).status_code in (201, 400)


@pytest.mark.parametrize("wrong", [{"aud": "another-client"}, {"token_use": "access"}, {"sub": ""}])
def test_a_token_for_another_purpose_is_rejected(call: Any, claims: dict[str, Any], wrong: dict[str, str]) -> None:
    claims |= wrong

    refused = call("GET", "/todos")

    assert (refused.status_code, refused.json_body["Code"]) == (401, "Unauthorized")


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
def test_an_invalid_idempotency_key_is_rejected(call: Any, key: str) -> None:
    refused = call("POST", "/todos", {"title": "Milk"}, Idempotency_Key=key)

    assert refused.status_code == 400
    assert "Idempotency-Key" in refused.json_body["Message"]


def test_every_response_has_a_correlation_id(call: Any) -> None:
    sent = call("GET", "/todos", X_Correlation_Id="from-the-caller")
    hostile = call("GET", "/todos/x", X_Correlation_Id="a b")

    assert sent.headers["X-Correlation-Id"] == "from-the-caller"
    assert len(hostile.headers["X-Correlation-Id"]) == 36


def test_an_unexpected_error_reveals_no_details(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib import wiring

    monkeypatch.setattr(wiring, "todos", lambda: 1 / 0)

    broken = call("GET", "/todos")

    assert broken.status_code == 500
    assert b"ZeroDivision" not in broken.body


def test_every_route_but_health_requires_a_signed_in_user() -> None:
    application: Chalice = app.app
    open_routes = [
        path for path, methods in application.routes.items() for entry in methods.values() if not entry.authorizer
    ]

    assert open_routes == ["/health"]


def test_no_odd_request_is_a_server_error(call: Any) -> None:
    for method, path, headers, body, *_ in odd_requests("todo-app"):
        if (method, path.partition("?")[0]) == ("GET", "/files"):
            continue  # it has no parameter, and asks Cognito
        assert call(method, path, body, **headers).status_code < 500, (method, path[:200], headers)


def test_the_contract_is_what_the_code_accepts_and_returns() -> None:
    contract = json.loads(Path("todo-app/openapi.json").read_text())

    assert openapi.document(app.app) == contract, "make openapi APP=todo-app"
