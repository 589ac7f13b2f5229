"""The routes, through Chalice's own test client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice, IAMAuthorizer
from chalice.test import Client, HTTPResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import app
from services import openapi


@pytest.fixture
def call(client: Client) -> Any:
    def call(method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
        sent = {"Content-Type": "application/json"} | {n.replace("_", "-"): v for n, v in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.http.request(method, path, headers=sent, body=content)

    return call


def test_{{ a }}_{{ thing }}_is_created_read_changed_and_deleted(call: Any) -> None:
    created = call("POST", "/{{ things }}", {"name": "first"})
    path = f"/{created.headers['Location']}"

    assert (created.status_code, created.headers["ETag"]) == (201, '"1"')
    assert call("GET", path).json_body == created.json_body
    assert call("GET", path, If_None_Match='"1"').status_code == 304
    changed = call("PATCH", path, {"name": "second"}, If_Match='"1"')
    assert (changed.status_code, changed.json_body["name"]) == (200, "second")
    assert call("PATCH", path, {"name": "third"}, If_Match='"1"').status_code == 412
    assert call("GET", "/{{ things }}").json_body == {"items": [changed.json_body], "cursor": None}
    assert call("DELETE", path).status_code == 204
    assert call("GET", path).status_code == 404


def test_the_same_key_and_body_give_the_same_response(call: Any) -> None:
    first, second = (call("POST", "/{{ things }}", {"name": "first"}, Idempotency_Key="k") for _ in range(2))

    assert first.json_body == second.json_body
    assert call("POST", "/{{ things }}", {"name": "other"}, Idempotency_Key="k").status_code == 422


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
def test_any_other_bytes_get_a_4xx(call: Any, body: bytes) -> None:
    assert 400 <= call("POST", "/{{ things }}", body).status_code < 500


def test_every_route_but_health_requires_a_signature() -> None:
    chalice: Chalice = app.app

    routes = [route for methods in chalice.routes.values() for route in methods.values()]

    assert [route.uri_pattern for route in routes if not route.authorizer] == ["/health"]
    assert isinstance(app.services, IAMAuthorizer)


def test_the_contract_is_what_the_code_accepts_and_returns() -> None:
    contract = json.loads(Path("{{ app }}/openapi.json").read_text())

    assert openapi.document(app.app) == contract, "make openapi APP={{ app }}"
