"""The routes and the queue, through Chalice's own test client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice, IAMAuthorizer
from chalice.test import Client
from memory import Outbox
from odd_requests import odd_requests
from test_receipts import EVENT, EXAMPLE

import app
from chalicelib import wiring
from chalicelib.receipts import Receipts
from services import openapi

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def client(receipts: Receipts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(wiring, "receipts", lambda: receipts)
    with Client(app.app, stage_name="unit", project_dir=str(ROOT / "receipts-app")) as client:
        yield client


def deliver(client: Client, *bodies: str) -> Any:
    event = client.events.generate_sqs_event(list(bodies))
    for number, record in enumerate(event["Records"]):
        record["messageId"] = str(number)
    return client.lambda_.invoke("send_receipts", event).payload


def test_a_receipt_is_read_back(client: Client) -> None:
    deliver(client, EXAMPLE.read_text())

    answer = client.http.get(f"/receipts/{EVENT.payment_id}")

    assert (answer.status_code, answer.json_body["title"]) == (200, EVENT.title)
    assert client.http.get("/receipts/other").status_code == 404


def test_a_poison_message_delays_no_other(client: Client, outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTIAL_BATCH", "1")

    answer = deliver(client, "poison", EXAMPLE.read_text(), "{}")

    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}, {"itemIdentifier": "2"}]}
    assert len(outbox.mails) == 1


def test_without_partial_batches_a_failure_is_raised(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARTIAL_BATCH", raising=False)

    with pytest.raises(ExceptionGroup, match="some records failed"):
        deliver(client, "poison")


def test_every_route_but_health_requires_a_signature() -> None:
    chalice: Chalice = app.app

    routes = [route for methods in chalice.routes.values() for route in methods.values()]

    assert [route.uri_pattern for route in routes if not route.authorizer] == ["/health"]
    assert isinstance(app.services, IAMAuthorizer)


def test_no_odd_request_is_a_server_error(client: Client) -> None:
    for method, path, headers, *_ in odd_requests("receipts-app"):
        answer = client.http.request(method, path, headers=headers)

        assert answer.status_code < 500, (path[:200], headers)


def test_the_contract_is_what_the_code_accepts_and_returns() -> None:
    contract = json.loads(Path("receipts-app/openapi.json").read_text())

    assert openapi.document(app.app) == contract, "make openapi APP=receipts-app"
