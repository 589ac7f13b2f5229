"""What every app does with a request, before and after its own code."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalGateway
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from common import dynamodb, pages, rest


class Query(msgspec.Struct):
    limit: int = 1
    cursor: str | None = None


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

    @made.route("/devices")
    def devices() -> rest.Answer[str]:
        query = rest.query(made, Query)
        return rest.answer(made, pages.position(query.cursor or ""))

    @made.route("/devices", methods=["DELETE"])
    def remove() -> rest.Answer[str]:
        condition, values = dynamodb.version_condition("id", rest.if_match(made))
        dynamodb.item(values)
        return rest.answer(made, condition)

    @made.route("/devices", methods=["POST"])
    def add() -> rest.Answer[int]:
        return rest.answer(made, len(rest.raw_body(made)))

    @made.route("/viewer")
    def viewer() -> dict[str, str]:
        return {"address": rest.viewer_address(made)}

    return made


def event(
    path: str, method: str = "GET", *, parameters: Mapping[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    """Return an event of API Gateway, for a request to the resource *path*."""
    context = {"httpMethod": method, "resourcePath": path, "identity": {"sourceIp": "198.51.100.2"}}
    request = {"pathParameters": parameters, "headers": {}, "body": None, "isBase64Encoded": False}
    return {"requestContext": context, "multiValueQueryStringParameters": None, "stageVariables": None} | request | more


def queried(**parameters: str) -> dict[str, Any]:
    return event("/devices", multiValueQueryStringParameters={name: [value] for name, value in parameters.items()})


def conditional(tags: str) -> dict[str, Any]:
    return event("/devices", "DELETE", headers={"If-Match": tags, "If-None-Match": tags})


def answered(app: Chalice, sent: dict[str, Any]) -> Any:
    return json.loads(app(sent, None)["body"])


@pytest.mark.parametrize("sent", ["{}", "W/{}", '"x", W/{}', "*"])
def test_a_known_answer_is_not_sent_again(app: Chalice, sent: str) -> None:
    """A cache on the way may have made the tag a weak one, as API Gateway and CloudFront do when they compress."""
    tag = app(queried(), None)["headers"]["ETag"]

    answer = app(queried() | {"headers": {"If-None-Match": sent.format(tag)}}, None)

    assert (answer["statusCode"], answer["body"]) == (304, "")


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


@pytest.mark.parametrize(
    ("sent", "status", "named"),
    [
        (event("/devices/{device_id}", parameters={"device_id": "x" * 200}), 200, ""),
        (event("/devices/{device_id}", parameters={"device_id": "x" * 201}), 404, "device_id"),
        (event("/devices/{device_id}", parameters={"device_id": "%F0%9F%98%80" * 200}), 200, ""),
        (event("/devices/{device_id}", parameters={"device_id": "%F0%9F%98%80" * 201}), 404, "device_id"),
        (queried(cursor=pages.cursor("x" * 1000)), 200, ""),
        (queried(cursor="A" * 2000), 200, ""),
        (queried(cursor="x" * 2001), 400, "cursor"),
        (queried(limit="9" * 5000), 400, "limit"),
        (event("/devices", "POST", body="x" * 2_097_152), 200, ""),
        (event("/devices", "POST", body="x" * 2_097_153), 413, "the body has 2097153 bytes, the limit is 2097152"),
        (conditional(", ".join(f'"{version}"' for version in range(100))), 200, ""),
        (conditional(", ".join(f'"{version}"' for version in range(101))), 400, "If-Match"),
    ],
    ids=range(12),
)
def test_an_oversized_value_gets_a_4xx_that_names_it(
    app: Chalice, sent: dict[str, Any], status: int, named: str
) -> None:
    answer = app(sent, None)

    assert answer["statusCode"] == status, answer
    if named:
        assert json.loads(answer["body"])["Message"].startswith(named)
        assert answer["headers"]["Access-Control-Allow-Origin"] == "*"
        assert answer["headers"]["X-Correlation-Id"]


LONG = st.text(max_size=50) | st.builds(lambda text, times: text * times, st.text(min_size=1), st.integers(1, 3000))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LONG)
@example("%")
@example("%ff")
@example(base64.b64encode(b"9" * 4300).decode())
def test_no_path_query_or_header_value_is_a_server_error(app: Chalice, value: str) -> None:
    for sent in (
        event("/devices/{device_id}", parameters={"device_id": value}),
        queried(cursor=value, limit=value),
        queried(**{value: value}),
        conditional(value),
        conditional(f'"{value}"'),
        event("/viewer", headers={name: value for name in ("X-Forwarded-For", "X-Correlation-Id", "Accept")}),
    ):
        assert app(sent, None)["statusCode"] < 500, sent


def test_the_log_line_of_a_request_says_how_many_milliseconds_it_took(
    app: Chalice, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([1000.0, 1000.01234])
    monkeypatch.setattr(rest.time, "perf_counter", lambda: next(clock))

    app(event("/viewer"), None)

    assert vars(caplog.records[-1])["ms"] == 12.3


@pytest.mark.parametrize(
    ("closed", "method", "path", "status"),
    [
        ("POST /devices", "POST", "/devices", 503),
        ("GET /devices/{device_id};POST /devices", "GET", "/devices/pump-1", 503),
        ("POST /devices", "GET", "/devices", 200),
        ("", "GET", "/devices", 200),
    ],
)
def test_a_closed_route_answers_503_until_it_is_opened(
    app: Chalice, monkeypatch: pytest.MonkeyPatch, closed: str, method: str, path: str, status: int
) -> None:
    monkeypatch.setenv("CLOSED_ROUTES", closed)
    gateway = LocalGateway(app, Config())

    answer = gateway.handle_request(method=method, path=path, headers={"Content-Type": "application/json"}, body="{}")

    assert answer["statusCode"] == status
    if status == 503:
        assert answer["headers"]["Retry-After"] == "300"
        assert answer["headers"]["Access-Control-Allow-Origin"]
        assert json.loads(answer["body"])["Code"] == "ServiceUnavailable"
        assert "closed for now" in json.loads(answer["body"])["Message"]
