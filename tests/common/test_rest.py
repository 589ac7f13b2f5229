"""What every app does with a request, before and after its own code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalGateway

from common import rest

SENT = [
    ("pump-1", "pump-1"),
    ("pump%201", "pump 1"),
    ("line:3%3A4", "line:3:4"),
    ("caf%C3%A9", "café"),
    ("a%2Fb", "a/b"),
    ("1+1", "1+1"),  # a plus is a space in a query only
    ("100%25", "100%"),
    ("%2541", "%41"),  # decoded once
]


@pytest.fixture
def app() -> Chalice:
    made = Chalice("echo")
    rest.configure(made)

    @made.route("/devices/{device_id}")
    def device(device_id: str) -> dict[str, str]:
        params = rest.request(made).uri_params
        assert params is not None
        return {"argument": device_id, "parameter": params["device_id"]}

    @made.route("/viewer")
    def viewer() -> dict[str, str]:
        return {"address": rest.viewer_address(made)}

    return made


def event(path: str, *, parameters: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return an event of API Gateway, for a request to the resource *path*."""
    context = {"httpMethod": "GET", "resourcePath": path, "identity": {"sourceIp": "198.51.100.2"}}
    request = {"pathParameters": parameters, "headers": {}, "body": None, "isBase64Encoded": False}
    return {"requestContext": context, "multiValueQueryStringParameters": None, "stageVariables": None} | request | more


def answered(app: Chalice, sent: dict[str, Any]) -> Any:
    return json.loads(app(sent, None)["body"])


@pytest.mark.parametrize(("sent", "received"), SENT)
def test_a_path_parameter_is_decoded_once(app: Chalice, sent: str, received: str) -> None:
    assert answered(app, event("/devices/{device_id}", parameters={"device_id": sent})) == {
        "argument": received,
        "parameter": received,
    }


@pytest.mark.parametrize(("sent", "received"), SENT)
def test_chalice_local_passes_the_same_value(app: Chalice, sent: str, received: str) -> None:
    gateway = LocalGateway(app, Config(chalice_stage="dev"))

    answer = gateway.handle_request("GET", f"/devices/{sent}", {}, b"")

    assert json.loads(answer["body"])["argument"] == received


def test_a_request_without_path_parameters_has_nothing_to_decode(app: Chalice) -> None:
    assert answered(app, event("/viewer")) == {"address": "198.51.100.2"}


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.2", "198.51.100.2"),  # API Gateway adds the address that connected to it
        ("203.0.113.7, 198.51.100.2", "203.0.113.7"),  # CloudFront connected, and had added the viewer's
        ("192.0.2.1, 203.0.113.7, 198.51.100.2", "203.0.113.7"),  # the viewer had sent a header of their own
        ("203.0.113.7", "203.0.113.7"),  # `chalice local` adds nothing
    ],
)
def test_the_viewer_s_address_is_the_last_before_api_gateway_s_own_hop(
    app: Chalice, forwarded: str, address: str
) -> None:
    assert answered(app, event("/viewer", headers={"X-Forwarded-For": forwarded})) == {"address": address}
