"""What the console says of batches and failures, and what sends a failure again."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import httpx
import pytest
from starlette.applications import Starlette

from sandbox.console import event_sources, failures

QUEUE, FUNCTION = "arn:aws:sqs:us-east-1:0:purchases", "arn:aws:lambda:us-east-1:0:function:f"
ARN = "arn:aws:sqs:us-east-1:000000000000:dead"
ERROR = {"type": "ValueError", "message": "no temperature", "trace": ["line 1"]}


def step(outcome: str, **values: Any) -> dict[str, Any]:
    fate = {"outcome": outcome, "parts": (), "condition": None, "destination": None}
    attempt = {
        "mapping": "m",
        "function": FUNCTION,
        "at": 10.0,
        "records": 4,
        "first": "1",
        "last": "4",
        "age": 3.21,
        "attempt": 1,
        "attempts": 3,
        "request_id": "r",
        "seconds": 0.0123,
        "failed": ["1"],
        "error": ERROR,
        "event": "",
    }
    given = {name: value for name, value in values.items() if name not in fate}
    return attempt | given | {"fate": fate | {name: value for name, value in values.items() if name in fate}}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (step("succeeded"), "Succeeded."),
        (step("succeeded", destination=ARN), "Succeeded. The result went to dead."),
        (step("retried"), "All are tried again, in the same batch."),
        (step("retried", mapping=""), "Is tried again."),
        (step("bisected", parts=(2, 1)), "Bisected into 2 and 1 record."),
        (step("partial", parts=(1, 3)), "1 succeeded, 3 are delivered again."),
        (
            step("returned", parts=(3, 1)),
            "3 succeeded. 1 message returned to the queue, for the next attempt after the visibility timeout.",
        ),
        (
            step("returned", parts=(0, 2), destination=ARN),
            "That was the last attempt: 2 messages on the way to dead.",
        ),
        (
            step("returned", parts=(0, 1), destination=ARN, failed=["there"]),
            "That was the last attempt: 1 message now in dead.",
        ),
        (step("throttled"), "Lambda did not invoke the function, and tries again. This uses no attempt."),
        (
            step("sent", condition="RetryAttemptsExhausted", destination=ARN),
            "That was the last attempt. The stream keeps 4 records; dead has a message that says which.",
        ),
        (
            step("sent", condition="RetriesExhausted", destination=ARN, mapping=""),
            "That was the last attempt. The event is in dead.",
        ),
        (
            step("unsent", condition="RecordAgeExceeded", destination=ARN),
            "The records are older than the mapping allows. dead did not take the message: lost, unless the "
            "source still has it.",
        ),
        (
            step("discarded", condition="RetryAttemptsExhausted"),
            "That was the last attempt. Discarded, because there is no on-failure destination.",
        ),
    ],
)
def test_what_followed_an_attempt_is_said_in_words(given: dict[str, Any], words: str) -> None:
    assert event_sources.follows(given, {("dead", "there")}) == words


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        (["succeeded"], "succeeded"),
        (["retried"], "retrying"),
        (["retried", "succeeded"], "recovered"),
        (["bisected", "sent", "succeeded"], "failed"),
        (["returned"], "returned"),
        (["discarded"], "failed"),
    ],
)
def test_the_state_of_a_batch(outcomes: list[str], state: str) -> None:
    steps = [step(outcome, attempt=n, parts=(2, 2)) for n, outcome in enumerate(outcomes, 1)]

    batch = event_sources.described(
        {"id": "b", "mapping": "m", "function": FUNCTION, "omitted": 0, "steps": steps}, set()
    )

    assert (batch["state"], batch["attempt"]) == (state, f"attempt {len(outcomes)} of 3")
    assert (batch["size"], batch["steps"][0]["age"], batch["steps"][0]["took"]) == ("4 records", "3.2 s old", "12 ms")


LOG = [
    "START RequestId: r",
    json.dumps({"level": "INFO", "message": "begins"}),
    json.dumps({"level": "ERROR", "message": "records failed", "exc_info": "Traceback\n  line 1\nKeyError: 'price'"}),
    "END RequestId: r",
]


@pytest.mark.parametrize(
    ("lines", "message", "trace"),
    [
        (LOG, "The function reported 2 of 4 as failed: KeyError: 'price'", ["Traceback", "  line 1"]),
        (LOG[:2], "The function reported 2 of 4 as failed, and logged no error.", []),
    ],
)
def test_the_log_says_why_a_function_reported_records(
    monkeypatch: pytest.MonkeyPatch, lines: list[str], message: str, trace: list[str]
) -> None:
    asked: list[tuple[Any, ...]] = []

    def log_of(*invocation: Any) -> list[str]:
        asked.append(invocation)
        return lines

    monkeypatch.setattr(failures, "_found_in_logs", {})
    monkeypatch.setattr(failures.function_logs, "of_invocation", log_of)
    given = step("partial", error=None, failed=["2", "3"])

    for _ in range(2):
        told = failures.error_of(given)

    assert told == {"type": "", "message": message, "trace": trace}
    assert asked == [(FUNCTION, "r", 10 - 0.0123, 10)]
    assert failures.error_of(step("succeeded", error=None, failed=[])) is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0 s"), (9.96, "10.0 s"), (60, "60 s"), (150, "2 min"), (9000, "2 h")]
)
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert event_sources.in_words(seconds) == words


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"BatchSize": 1}, "up to 1 record"),
        ({"BatchSize": 100, "MaximumRetryAttempts": -1}, "up to 100 records, attempts without limit"),
        (
            {"BatchSize": 100, "MaximumRetryAttempts": 2, "BisectBatchOnFunctionError": True}
            | {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
            | {"DestinationConfig": {"OnFailure": {"Destination": ARN}}},
            "up to 100 records, 3 attempts, a failed batch is bisected, "
            "the function reports failed records, then to dead",
        ),
    ],
)
def test_the_settings_of_a_mapping_in_words(mapping: dict[str, Any], words: str) -> None:
    assert event_sources.settings(mapping) == words


MAPPINGS = [{"EventSourceArn": QUEUE, "FunctionArn": FUNCTION}]
STREAM = "arn:aws:dynamodb:us-east-1:0:table/payments/stream/2026-11-30"
CONTEXT = {"functionArn": f"{FUNCTION}:$LATEST", "approximateInvokeCount": 3, "requestId": "c"}
POSITION = {"streamArn": STREAM, "shardId": "shard", "startSequenceNumber": "1", "batchSize": 1}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {
                "Body": {
                    "DDBStreamBatchInfo": POSITION,
                    "requestContext": CONTEXT | {"condition": "RetryAttemptsExhausted"},
                }
            },
            ("stream", "f", 3, "no temperature", "1 record of payments.", "That was the last attempt.", "invoke"),
        ),
        (
            {
                "Body": {
                    "requestPayload": {},
                    "requestContext": CONTEXT | {"condition": "EventAgeExceeded"},
                    "responsePayload": {"errorType": "OSError", "errorMessage": "full"},
                }
            },
            (
                *("event", "f", 3, "full", "The event of an asynchronous invocation."),
                *("The event is older than the function allows.", "invoke"),
            ),
        ),
        (
            {"Body": {}, "MessageId": "1", "Attributes": {"DeadLetterQueueSourceArn": QUEUE}},
            (
                *("dead letter", "f", 5, "no temperature", "A message of purchases."),
                *("It was received as often as its queue allows.", "move"),
            ),
        ),
        (
            {"Body": {}, "MessageAttributes": {"ERROR_CODE": {"StringValue": "NO_PERMISSIONS"}}},
            ("other", "", None, None, "A message that does not say where it comes from.", "NO_PERMISSIONS.", None),
        ),
    ],
)
def test_a_message_tells_which_function_failed_how_often_and_why(given: dict[str, Any], said: tuple[Any, ...]) -> None:
    batches = [
        {"source": STREAM, "shard": "shard", "function": FUNCTION, "steps": [step("sent")]},
        {"source": QUEUE, "shard": "", "function": FUNCTION, "steps": [step("returned")]},
    ]
    empty = {"MessageId": "x", "Attributes": {}, "MessageAttributes": {}, "SentTimestamp": 1, "ReceiveCount": 5}

    found = failures.message(empty | given | {"Body": json.dumps(given["Body"])}, MAPPINGS, batches, False)

    names = ("kind", "function", "attempts", "error", "told", "reason", "again")
    error = (found["error"] or {}).get("message")
    assert tuple(error if name == "error" else found[name] for name in names) == said
    assert found["request"] == {"dead letter": "r", "other": ""}.get(found["kind"], "c")


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        '{"requestPayload": 1, "requestContext": {}}',
        '{"requestPayload": 1, "requestContext": []}',
        '{"KinesisBatchInfo": {"shardId": "x"}, "requestContext": {}}',
        '{"DDBStreamBatchInfo": 1}',
    ],
)
def test_a_message_that_only_looks_like_one_of_lambda_is_shown_as_it_is(body: str) -> None:
    given = {"MessageId": "x", "Attributes": {}, "MessageAttributes": {}, "SentTimestamp": 1, "Body": body}

    found = failures.message(given, MAPPINGS, [], False)

    assert (found["kind"], found["body"]) == ("other", body)


OBJECT = {"bucket": {"name": "photos"}, "object": {"key": "uploads/cat.jpg"}}


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({"Records": [{"eventSource": "aws:s3", "s3": OBJECT}]}, "The event of the object uploads/cat.jpg in photos."),
        ({"source": "aws.s3", "detail": OBJECT}, "The event of the object uploads/cat.jpg in photos."),
        *(
            (event, "The event of an asynchronous invocation.")
            for event in ({"detail": {}}, {"Records": []}, {"Records": [{"Sns": {}}]}, [1], "text", None)
        ),
    ],
)
def test_an_event_of_a_bucket_names_its_object(event: Any, told: str) -> None:
    body = {"requestPayload": event, "requestContext": CONTEXT}
    given = {"MessageId": "x", "Attributes": {}, "SentTimestamp": 1, "Body": json.dumps(body)}

    assert failures.message(given, [], [], False)["told"] == told


type Site = Callable[[str, str], httpx.Response]


@pytest.fixture
def site(emulator: str, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    monkeypatch.setattr(failures, "client", lambda service: boto3.client(service, endpoint_url=emulator))
    app = Starlette(routes=failures.routes(emulator))

    def request(method: str, path: str) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
                return await client.request(method, path)

        return asyncio.run(send())

    return request


@pytest.fixture
def queue(emulator: str) -> Callable[..., tuple[str, str]]:
    def queue(**attributes: str) -> tuple[str, str]:
        name = f"q{uuid.uuid4().hex[:8]}"
        sqs = boto3.client("sqs", endpoint_url=emulator)
        return name, sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    return queue


def test_a_message_is_read_without_being_received(site: Site, emulator: str, queue: Any) -> None:
    sqs, (name, url) = boto3.client("sqs", endpoint_url=emulator), queue()
    body = {"requestPayload": {"key": "a.jpg"}, "requestContext": CONTEXT}
    id = sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))["MessageId"]

    assert site("GET", f"/queues/{name}/messages/{id}/records.json").json() == [{"key": "a.jpg"}]

    received = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"][0]
    assert received["Attributes"]["ApproximateReceiveCount"] == "1"


def test_a_message_that_succeeds_is_deleted_and_one_that_fails_stays(
    site: Site, emulator: str, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs, (name, url) = boto3.client("sqs", endpoint_url=emulator), queue()
    ids = {word: sqs.send_message(QueueUrl=url, MessageBody=json.dumps(word))["MessageId"] for word in ("good", "bad")}

    def handle(body: object) -> None:
        raise failures.NotRedriven("f: no temperature")

    monkeypatch.setattr(failures.redrive, "handle", handle)
    refused = site("POST", f"/queues/{name}/messages/{ids['bad']}/again")
    monkeypatch.setattr(failures.redrive, "handle", lambda body: None)
    accepted = site("POST", f"/queues/{name}/messages/{ids['good']}/again")

    assert (refused.status_code, refused.json()) == (409, {"message": "f: no temperature"})
    assert accepted.status_code == 200
    (left,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert left["MessageId"] == ids["bad"]
    gone = site("POST", f"/queues/{name}/messages/{ids['good']}/again")
    assert (gone.status_code, gone.json()["message"]) == (409, f"The message is no longer in {name}.")


@pytest.mark.parametrize(
    "text", ['{"requestPayload": 1}', '{"DDBStreamBatchInfo": {}}', '{"base64OriginalPayload": 1}', "x"]
)
def test_a_malformed_message_is_refused_and_stays(site: Site, emulator: str, queue: Any, text: str) -> None:
    sqs, (name, url) = boto3.client("sqs", endpoint_url=emulator), queue()
    id = sqs.send_message(QueueUrl=url, MessageBody=text)["MessageId"]

    answer = site("POST", f"/queues/{name}/messages/{id}/again")

    assert answer.status_code == 409
    assert "malformed message" in answer.json()["message"]
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["MessageId"] == id


@pytest.mark.usefixtures("site")  # points boto3 to the emulator
@pytest.mark.parametrize(("shown", "listed"), [(2, 2), (None, 3)])
def test_a_queue_lists_some_of_its_messages_or_all(emulator: str, queue: Any, shown: int | None, listed: int) -> None:
    sqs, (name, url) = boto3.client("sqs", endpoint_url=emulator), queue()
    for body in "123":
        sqs.send_message(QueueUrl=url, MessageBody=body)

    (found,) = [each for each in failures.queues(emulator, [], [], shown) if each["name"] == name]

    assert (found["count"], len(found["messages"])) == (3, listed)


def test_all_messages_of_a_dead_letter_queue_return_to_their_queue(site: Site, emulator: str, queue: Any) -> None:
    sqs, (name, _) = boto3.client("sqs", endpoint_url=emulator), queue()
    policy = {"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:000000000000:{name}", "maxReceiveCount": 1}
    _, url = queue(RedrivePolicy=json.dumps(policy))
    sqs.send_message(QueueUrl=url, MessageBody="x")
    for _ in range(2):  # the second time it is a dead letter
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)

    (listed,) = [each for each in failures.queues(emulator, [], []) if each["name"] == name]
    answer = site("POST", f"/queues/{name}/again")

    assert (listed["count"], listed["moves"], listed["messages"][0]["kind"]) == (1, True, "dead letter")
    assert answer.status_code == 200
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "x"
    assert site("POST", f"/queues/{url.rpartition('/')[2]}/again").status_code == 409
    assert site("POST", "/queues/none/again").status_code == 409
