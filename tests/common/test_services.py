"""Calls from one service to another over HTTP: healthy, slow, broken or missing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from msgspec import Struct
from pybreaker import (
    STATE_CLOSED,
    STATE_HALF_OPEN,
    STATE_OPEN,
    CircuitBreakerError,
    CircuitBreakerStorage,
    CircuitMemoryStorage,
)

from common import dynamodb, logs, services
from common.breakers import BreakerItem
from common.errors import NotFound, ServiceUnavailable
from common.services import FAILURES, Service

PAUSE = 60
"""Seconds: longer than any test, so that only `let_the_pause_pass` ends it."""


class Thing(Struct):
    id: str


class Other(ThreadingHTTPServer):
    """The other service: answers as configured, and records the requests."""

    status = 200
    delay = 0.0

    def __init__(self) -> None:
        self.requested: list[dict[str, str]] = []
        other = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                other.requested.append(dict(self.headers))
                time.sleep(other.delay)
                body = {"id": self.path} if other.status == 200 else {"Code": "X", "Message": "there is no thing"}
                content = json.dumps(body).encode()
                self.send_response(other.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, *_: object) -> None:
        """Ignore that the caller has given up, which is what is tested."""


class Parameters:
    """The part of SSM that returns the address of the other service."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get_parameter(self, Name: str) -> dict[str, Any]:
        return {"Parameter": {"Value": self.address}}


@pytest.fixture
def other() -> Iterator[Other]:
    with Other() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def breaker_item(emulator: str) -> Callable[[], BreakerItem]:
    """Return a function that creates a state of the same breaker, as each container does."""
    client = boto3.client("dynamodb", endpoint_url=emulator)
    table = f"breakers-{time.time_ns()}"
    client.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return lambda: BreakerItem(client, table, {"name": "other"}, max_age=0)


@pytest.fixture(params=["memory", "DynamoDB"])
def state(request: pytest.FixtureRequest) -> CircuitBreakerStorage:
    if request.param == "memory":
        return CircuitMemoryStorage(STATE_CLOSED)
    item: CircuitBreakerStorage = request.getfixturevalue("breaker_item")()
    return item


@pytest.fixture
def service(other: Other, state: CircuitBreakerStorage, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(services, "READ_TIMEOUT", 0.5)
    monkeypatch.setattr(services, "PAUSE", PAUSE)
    return Service("the other", "/unit/other/api", Parameters(f"http://127.0.0.1:{other.server_port}"), state)


def let_the_pause_pass(state: CircuitBreakerStorage) -> None:
    """Make the breaker believe that it opened earlier by the length of the pause."""
    state.opened_at -= timedelta(seconds=PAUSE)


def refused(service: Service, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ServiceUnavailable, match="the other does not answer"):
            service.get("/things/1", Thing)


def test_a_call_is_signed_and_carries_the_correlation_id(service: Service, other: Other) -> None:
    logs.correlate("id-of-this-request")

    assert service.get("/things/1", Thing) == Thing("/things/1")
    (requested,) = other.requested
    assert requested["X-Correlation-Id"] == "id-of-this-request"
    assert "/us-east-1/execute-api/aws4_request" in requested["Authorization"]


def test_a_call_belongs_to_the_trace_of_its_caller(
    service: Service, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    service.get("/things/1", Thing)
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    service.get("/things/1", Thing)

    without, requested = other.requested
    assert "X-Amzn-Trace-Id" not in without
    assert requested["X-Amzn-Trace-Id"] == trace
    assert "trace" not in requested["Authorization"]


def test_a_404_of_the_other_service_is_not_found_and_not_a_failure(service: Service, other: Other) -> None:
    other.status = 404
    for _ in range(FAILURES + 1):
        with pytest.raises(NotFound, match="there is no thing"):
            service.get("/things/1", Thing)
    assert len(other.requested) == FAILURES + 1


@pytest.mark.parametrize(("status", "delay"), [(500, 0.0), (429, 0.0), (200, 1.0)], ids=["500", "429", "slow"])
def test_the_breaker_opens_stops_all_calls_and_closes_again(
    service: Service, state: CircuitBreakerStorage, other: Other, status: int, delay: float
) -> None:
    other.status, other.delay = status, delay
    refused(service, FAILURES + 3)
    requested = len(other.requested)
    assert requested == 5

    other.status, other.delay = 200, 0.0
    let_the_pause_pass(state)
    assert service.get("/things/1", Thing) == Thing("/things/1")
    assert service.get("/things/2", Thing) == Thing("/things/2")
    assert len(other.requested) == requested + 2


def test_a_trial_that_fails_opens_the_breaker_again(
    service: Service, state: CircuitBreakerStorage, other: Other
) -> None:
    other.status = 500
    refused(service, FAILURES)

    let_the_pause_pass(state)
    refused(service, 3)

    assert len(other.requested) == FAILURES + 1


def test_an_unreachable_service_counts_as_a_server_error(service: Service, other: Other) -> None:
    other.server_close()

    refused(service, FAILURES + 1)


def test_a_service_that_has_moved_is_found_after_a_failure(other: Other, free_port: Callable[[], int]) -> None:
    parameters = Parameters(f"http://127.0.0.1:{free_port()}")
    service = Service("the other", "/x", parameters, CircuitMemoryStorage(STATE_CLOSED))
    refused(service, 1)

    parameters.address = f"http://127.0.0.1:{other.server_port}"

    assert service.get("/things/1", Thing) == Thing("/things/1")


def test_an_unregistered_service_is_unavailable_until_it_is_registered(emulator: str, other: Other) -> None:
    ssm, name = boto3.client("ssm", endpoint_url=emulator), f"/unit-{time.time_ns()}/other/api"
    service = Service("the other", name, ssm, CircuitMemoryStorage(STATE_CLOSED))
    refused(service, 1)

    ssm.put_parameter(Name=name, Value=f"http://127.0.0.1:{other.server_port}", Type="String")

    assert service.get("/things/1", Thing) == Thing("/things/1")


@pytest.mark.parametrize("status", [403, 499])
def test_a_forbidden_call_is_not_hidden(service: Service, other: Other, status: int) -> None:
    other.status = status

    with pytest.raises(RuntimeError, match=str(status)):
        service.get("/things/1", Thing)


def test_all_containers_share_the_failures(other: Other, breaker_item: Callable[[], BreakerItem]) -> None:
    parameters = Parameters(f"http://127.0.0.1:{other.server_port}")
    first, second = (Service("the other", "/x", parameters, breaker_item()) for _ in range(2))
    other.status = 500

    refused(first, FAILURES)
    refused(second, 1)

    assert len(other.requested) == FAILURES


def test_after_the_pause_one_container_tries_and_the_others_wait(
    other: Other, breaker_item: Callable[[], BreakerItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "PAUSE", PAUSE)
    parameters = Parameters(f"http://127.0.0.1:{other.server_port}")
    first, second = (Service("the other", "/x", parameters, breaker_item()) for _ in range(2))
    other.status = 500
    refused(first, FAILURES)
    let_the_pause_pass(breaker_item())

    other.status, other.delay = 200, 0.4
    with ThreadPoolExecutor() as pool:
        trial = pool.submit(first.get, "/things/1", Thing)
        while len(other.requested) == FAILURES and not trial.done():
            time.sleep(0.01)
        refused(second, 3)
        requested = len(other.requested)

    assert trial.result() == Thing("/things/1")
    assert requested == FAILURES + 1
    assert second.get("/things/2", Thing) == Thing("/things/2")


def test_one_of_many_containers_tries_and_the_next_one_if_it_dies(
    breaker_item: Callable[[], BreakerItem],
) -> None:
    states = first, second = breaker_item(), breaker_item()
    pause = timedelta(seconds=60)
    first.opened_at, first.state = datetime.now(UTC) - pause, STATE_OPEN
    assert all(state.opened_at + pause <= datetime.now(UTC) for state in states)

    first.state = STATE_HALF_OPEN
    with pytest.raises(CircuitBreakerError):
        second.state = STATE_HALF_OPEN

    assert (first.state, second.state) == (STATE_HALF_OPEN, STATE_OPEN)
    assert second.opened_at + pause > datetime.now(UTC)  # until then it does not try
    second.state = STATE_HALF_OPEN
    assert second.state == STATE_HALF_OPEN


def test_the_counters_of_a_breaker_start_at_0_and_return_to_it(breaker_item: Callable[[], BreakerItem]) -> None:
    state = breaker_item()
    assert (state.counter, state.success_counter) == (0, 0)

    for number in (1, 2):
        state.increment_counter()
        state.increment_success_counter()
        assert (state.counter, state.success_counter) == (number, number)

    state.reset_counter()
    state.reset_success_counter()
    assert (breaker_item().counter, breaker_item().success_counter) == (0, 0)


def test_the_state_of_a_breaker_is_read_once_a_second() -> None:
    class Dynamo:
        reads = 0

        def get_item(self, **_: Any) -> dict[str, Any]:
            self.reads += 1
            return {}

    client = Dynamo()
    now = 0.0
    state = BreakerItem(client, "breakers", {"name": "other"}, clock=lambda: now)

    for now, reads in ((0.0, 1), (0.9, 1), (1.0, 2)):  # noqa: B007  # the clock reads it
        assert (state.state, client.reads) == (STATE_CLOSED, reads)


def test_without_dynamodb_the_breaker_is_closed(free_port: Any) -> None:
    once = Config(retries={"total_max_attempts": 1})
    nowhere = boto3.client("dynamodb", endpoint_url=f"http://127.0.0.1:{free_port()}", config=once)
    state = BreakerItem(nowhere, "breakers", {"name": "other"})

    state.increment_counter()

    assert (state.state, state.counter) == (STATE_CLOSED, 0)


@pytest.mark.parametrize("attributes", [{}, {"added_later": "x"}])
def test_a_breaker_of_another_release_is_read(emulator: str, attributes: dict[str, str]) -> None:
    client, table = boto3.client("dynamodb", endpoint_url=emulator), f"breakers-{time.time_ns()}"
    client.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    stored = {"name": "other", "state": STATE_OPEN} | attributes
    client.put_item(TableName=table, Item=dynamodb.item(stored))

    state = BreakerItem(client, table, {"name": "other"})

    assert (state.state, state.counter, state.opened_at) == (STATE_OPEN, 0, datetime.fromtimestamp(0, UTC))
