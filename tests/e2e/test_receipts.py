"""A purchase becomes one receipt, whatever fails on the way. A slow receipts-app does not block the shop."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import httpx
import pytest
from users import User, pay, stage
from waiting import until

from common.services import FAILURES
from sandbox import function_logs

type Sandbox = dict[str, Any]
BREAKER = {"name": {"S": "receipts-app"}}


class Buyer:
    """A buyer of a film, at the API's own address."""

    def __init__(self, user: User) -> None:
        self.email, self.api = user.email, user.api()
        self.film = self.api.get("/videos").json()["items"][0]["id"]
        pay(self.api.post(f"/videos/{self.film}/checkout"))

    def receipt(self, **headers: str) -> httpx.Response:
        return self.api.get(
            f"/videos/{self.film}/receipt", headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    def has_receipt(self) -> bool:
        answer = self.receipt()
        return answer.status_code == 200 and answer.json()["sent_at"] is not None


@pytest.fixture
def buy(sandbox: Sandbox, sign_up: Callable[..., User]) -> Callable[[], Buyer]:
    return lambda: Buyer(sign_up("video-app"))


@pytest.fixture(scope="module")
def buyer(sandbox: Sandbox, sign_up: Callable[..., User]) -> Buyer:
    """A buyer whose receipt was sent."""
    buyer = Buyer(sign_up("video-app"))
    until(buyer.has_receipt)
    return buyer


@pytest.fixture
def mails(sandbox: Sandbox) -> Callable[[Buyer], list[str]]:
    """Return a function that reads the receipts sent to a buyer."""

    def mails(buyer: Buyer) -> list[str]:
        sent = httpx.get(f"{sandbox['console']}/mails.json").json()
        sender = sandbox["receipts-app"]["sender"]
        return [json.dumps(mail) for mail in sent if buyer.email in mail["To"] and mail["Source"] == sender]

    return mails


def function(app: str, name: str) -> str:
    resources = boto3.client("cloudformation").describe_stack_resources(StackName=f"{app}-{stage()}")["StackResources"]
    return next(str(r["PhysicalResourceId"]) for r in resources if r["LogicalResourceId"] == name)


def lines(app: str, message: str, correlation_id: str) -> list[str]:
    """Return the log lines of a request or event."""
    logged = [line.text for line in function_logs.recent(app, stage()) if correlation_id in line.text]
    return [text for text in logged if json.loads(text)["message"] == message]


# One receipt


def test_a_purchase_becomes_one_receipt_however_often_its_event_comes(
    sandbox: Sandbox, buyer: Buyer, mails: Callable[[Buyer], list[str]]
) -> None:
    payment_id = buyer.receipt().json()["payment_id"]
    payments = sandbox["video-app"]["payments_table"]
    item = boto3.client("dynamodb").get_item(TableName=payments, Key={"id": {"S": payment_id}})["Item"]
    correlation_id = item["sale"]["M"]["correlation_id"]["S"]
    until(lambda: len(lines("receipts-app", "message handled", correlation_id)) == 1)

    record = {"eventID": "again", "eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "NewImage": item}}
    repeated = boto3.client("lambda").invoke(
        FunctionName=function("video-app", "PublishPurchases"), Payload=json.dumps({"Records": [record]})
    )
    assert json.load(repeated["Payload"]) == {"batchItemFailures": []}
    until(lambda: len(lines("receipts-app", "message handled", correlation_id)) == 2)

    (mail,) = mails(buyer)
    assert payment_id in mail
    assert len(lines("video-app", "record handled", correlation_id)) == 2


def test_one_trace_leads_from_the_checkout_to_the_receipt(sandbox: Sandbox, buyer: Buyer) -> None:
    payments = sandbox["video-app"]["payments_table"]
    key = {"id": {"S": buyer.receipt().json()["payment_id"]}}
    item = boto3.client("dynamodb").get_item(TableName=payments, Key=key)["Item"]
    correlation_id = item["sale"]["M"]["correlation_id"]["S"]
    until(lambda: lines("receipts-app", "message handled", correlation_id))
    logged = [line for line in function_logs.recent("video-app", stage()) if correlation_id in line.text]
    webhook = next(line for line in logged if json.loads(line.text)["message"] == "request")

    (trace,) = boto3.client("xray").batch_get_traces(TraceIds=[webhook.trace])["Traces"]

    segments = [json.loads(segment["Document"]) for segment in trace["Segments"]]
    by_id = {segment["id"]: segment for segment in segments}
    by_id |= {each["id"]: {**each, "parent_id": s["id"]} for s in segments for each in s.get("subsegments", ())}
    (sender,) = (each for each in segments if each["name"] == function("receipts-app", "SendReceipts"))
    path = [sender]
    while "parent_id" in path[0]:
        path.insert(0, by_id[path[0]["parent_id"]])
    assert [each.get("annotations", {}).get("route") or each["name"] for each in path] == [
        "POST /videos/{video_id}/checkout",
        function("video-app", "APIHandler"),
        "POST /payments/webhook",
        function("video-app", "APIHandler"),
        "DynamoDB",
        function("video-app", "PublishPurchases"),
        "SNS",
        function("receipts-app", "SendReceipts"),
    ]
    assert sandbox["receipts-app"]["queue"] in sender["metadata"]["event"]["source"]
    assert "SES" in [each["name"] for each in sender["subsegments"]]


def test_a_request_has_one_correlation_id_in_both_services(buyer: Buyer) -> None:
    correlation_id = uuid.uuid4().hex

    receipt = until(lambda: (r := buyer.receipt(X_Correlation_Id=correlation_id)).status_code != 503 and r)

    assert (receipt.status_code, receipt.json()["email"]) == (200, buyer.email)
    assert receipt.headers["X-Correlation-Id"] == correlation_id
    until(lambda: all(lines(app, "request", correlation_id) for app in ("video-app", "receipts-app")))


def test_only_its_buyer_and_the_shop_read_a_receipt(
    sandbox: Sandbox, buyer: Buyer, sign_up: Callable[..., User]
) -> None:
    payment_id = buyer.receipt().json()["payment_id"]

    with sign_up("video-app").api() as stranger:
        assert stranger.get(f"/videos/{buyer.film}/receipt").status_code == 404
    for headers in ({}, {"Authorization": str(buyer.api.headers["Authorization"])}):
        refused = httpx.get(f"{sandbox['receipts-app']['api']}/receipts/{payment_id}", headers=headers)
        assert refused.status_code == 403


def test_an_event_waits_for_a_service_that_is_down_and_gets_one_receipt(
    sandbox: Sandbox, buy: Callable[[], Buyer], mails: Callable[[Buyer], list[str]]
) -> None:
    sqs, functions = boto3.client("sqs"), boto3.client("lambda")
    queue = sqs.get_queue_url(QueueName=sandbox["receipts-app"]["queue"])["QueueUrl"]
    send_receipts = function("receipts-app", "SendReceipts")
    previous = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"]

    def waiting() -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return sum(map(int, sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"].values()))

    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "4"})  # six minutes otherwise
    functions.put_function_concurrency(FunctionName=send_receipts, ReservedConcurrentExecutions=0)
    try:
        buyer = buy()
        until(lambda: waiting() == 1)
        assert not buyer.has_receipt()
    finally:
        functions.delete_function_concurrency(FunctionName=send_receipts)
    until(buyer.has_receipt)
    until(lambda: waiting() == 0)
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=previous)

    assert len(mails(buyer)) == 1


# The other service fails


class Failing(ThreadingHTTPServer):
    """Replaces receipts-app. It answers 500, or only after the caller's timeout."""

    def __init__(self, mode: str) -> None:
        self.requested = 0
        self.released = threading.Event()
        failing = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                failing.requested += 1
                if mode == "hangs":
                    failing.released.wait(60)
                self.send_error(500)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, *_: object) -> None:
        """Ignore that the caller closed the connection."""


@pytest.fixture
def failing(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Failing]:
    """Point the shop to a failing service, and back after the test."""
    ssm, name = boto3.client("ssm"), f"/{stage()}/receipts-app/api"
    address = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    with Failing(request.param) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        if request.param == "is not there":
            server.socket.close()
        ssm.put_parameter(Name=name, Value=f"http://127.0.0.1:{server.server_port}", Overwrite=True)
        # A new container has no cached address.
        boto3.client("lambda").update_function_configuration(
            FunctionName=function("video-app", "APIHandler"), Timeout=28
        )
        yield server
        ssm.put_parameter(Name=name, Value=address, Overwrite=True)
        boto3.client("dynamodb").delete_item(TableName=sandbox["video-app"]["breakers_table"], Key=BREAKER)
        server.released.set()
        server.shutdown()
        thread.join()


def state(sandbox: Sandbox) -> str:
    table = sandbox["video-app"]["breakers_table"]
    item = boto3.client("dynamodb").get_item(TableName=table, Key=BREAKER, ConsistentRead=True)["Item"]
    return str(item["state"]["S"])


def refused_all(buyer: Buyer, callers: int) -> None:
    """Request the receipt many times at once. Each response is a 503 with Retry-After."""
    with ThreadPoolExecutor(callers) as pool:
        answers = list(pool.map(lambda _: buyer.receipt(), range(5 * callers)))
    assert {(answer.status_code, answer.json()["Code"]) for answer in answers} == {(503, "ServiceUnavailable")}
    assert {answer.headers["Retry-After"] for answer in answers} == {"5"}


@pytest.mark.parametrize("failing", ["hangs", "is not there"], indirect=True)
def test_a_failing_service_blocks_nobody_and_is_not_called(sandbox: Sandbox, buyer: Buyer, failing: Failing) -> None:
    refused_all(buyer, callers=4)

    assert state(sandbox) == "open"
    assert failing.requested < FAILURES + 4


@pytest.mark.parametrize("failing", ["answers 500"], indirect=True)
def test_a_service_that_is_back_is_called_again(sandbox: Sandbox, buyer: Buyer, failing: Failing) -> None:
    refused_all(buyer, callers=4)
    assert (state(sandbox), failing.requested < FAILURES + 4) == ("open", True)

    address = sandbox["receipts-app"]["api"]
    boto3.client("ssm").put_parameter(Name=f"/{stage()}/receipts-app/api", Value=address, Overwrite=True)

    until(buyer.has_receipt)
    assert state(sandbox) == "closed"
