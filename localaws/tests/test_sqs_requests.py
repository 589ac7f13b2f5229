"""Requests that SQS rejects, and receipt handles."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localaws.testing import refusal

type Json = dict[str, Any]
type Call = Callable[[Any, str], Any]

INVALID = "InvalidParameterValue: "
numbers = itertools.count(1)


def send(**more: Any) -> Call:
    return lambda sqs, url: sqs.send_message(**{"QueueUrl": url, "MessageBody": "x"} | more)


def receive(**more: Any) -> Call:
    return lambda sqs, url: sqs.receive_message(QueueUrl=url, **more)


def create(name: str = "", **attributes: str) -> Call:
    return lambda sqs, url: sqs.create_queue(QueueName=name or f"made-{next(numbers)}", Attributes=attributes)


def attribute(kind: str, value: str, name: str = "a") -> Call:
    return send(MessageAttributes={name: {"DataType": kind, "StringValue": value}})


def change(**attributes: str) -> Call:
    return lambda sqs, url: sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)


def recreate(sqs: Any, _: str) -> Any:
    name = f"deleted-{next(numbers)}"
    sqs.delete_queue(QueueUrl=sqs.create_queue(QueueName=name)["QueueUrl"])
    sqs.create_queue(QueueName=name)


def purge_twice(sqs: Any, url: str) -> Any:
    sqs.purge_queue(QueueUrl=url)
    sqs.purge_queue(QueueUrl=url)


def poll(sqs: Any, url: str) -> Any:
    """Poll for 21 seconds, while a message is in the queue: an emulator that accepts the time answers at once."""
    send()(sqs, url)
    return receive(WaitTimeSeconds=21)(sqs, url)


CASES: dict[str, tuple[Call, str]] = {
    "a delay above 900 seconds": (
        send(DelaySeconds=901),
        f"{INVALID}Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
    ),
    "a long poll above 20 seconds": (
        poll,
        f"{INVALID}Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
    ),
    "a visibility timeout above 12 hours": (
        receive(VisibilityTimeout=43_201),
        f"{INVALID}Value 43201 for parameter VisibilityTimeout is invalid. "
        "Reason: Must be >= 0 and <= 43200, if provided.",
    ),
    "a group with a space": (
        send(MessageGroupId="group 123"),
        f"{INVALID}Value group 123 for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include "
        "alphanumeric and punctuation characters. 1 to 128 in length.",
    ),
    "a deduplication id in a standard queue": (
        send(MessageDeduplicationId="x"),
        f"{INVALID}Value x for parameter MessageDeduplicationId is invalid. "
        "Reason: The request include parameter that is not valid for this queue type.",
    ),
    "an empty attribute": (
        attribute("String", ""),
        f"{INVALID}Message (user) attribute 'a' must contain a non-empty value of type 'String'.",
    ),
    "an unknown type": (
        attribute("Text", "x"),
        f"{INVALID}The type of message (user) attribute 'a' is invalid. You must use only the following supported type "
        "prefixes: Binary, Number, String.",
    ),
    "a number that is none": (
        attribute("Number.int", "x"),
        f"{INVALID}Can't cast the value of message (user) attribute 'a' to a number.",
    ),
    "a reserved attribute": (
        attribute("String", "x", "AWS.Trace"),
        f"{INVALID}Message (user) attribute name 'AWS.Trace' is invalid.",
    ),
    "eleven attributes": (
        send(MessageAttributes={f"a{n}": {"DataType": "String", "StringValue": "x"} for n in range(11)}),
        f"{INVALID}Number of message attributes [11] exceeds the allowed maximum [10].",
    ),
    "attributes that make the message too large": (
        send(
            MessageBody="x" * 1_048_566,
            MessageAttributes={"abcd": {"DataType": "String", "StringValue": "x"}},
        ),
        f"{INVALID}One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
    ),
    "eleven entries": (
        lambda sqs, url: sqs.delete_message_batch(
            QueueUrl=url, Entries=[{"Id": str(n), "ReceiptHandle": "x"} for n in range(11)]
        ),
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest: Maximum number of entries per request are 10. "
        "You have sent 11.",
    ),
    "a name with a slash": (
        create("a/b"),
        f"{INVALID}Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    ),
    "a standard queue with the suffix .fifo": (
        create("a.fifo"),
        f"{INVALID}Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    ),
    "an unknown attribute": (create(Foo="x"), "InvalidAttributeName: Unknown Attribute Foo."),
    "an attribute that can only be read": (change(QueueArn="x"), "InvalidAttributeName: Unknown Attribute QueueArn."),
    "an unknown attribute to read": (
        lambda sqs, url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Foo"]),
        "InvalidAttributeName: Unknown Attribute Foo.",
    ),
    "a policy that is not JSON": (
        change(Policy="x"),
        "InvalidAttributeValue: Invalid value for the parameter Policy.",
    ),
    "an attribute of FIFO queues": (
        create(DeduplicationScope="queue"),
        "InvalidAttributeName: You can specify the DeduplicationScope only when FifoQueue is set to true.",
    ),
    "a queue that was just deleted": (
        recreate,
        "AWS.SimpleQueueService.QueueDeletedRecently: You must wait 60 seconds after deleting a queue before you can "
        "create another with the same name.",
    ),
    "a second purge": (
        purge_twice,
        "AWS.SimpleQueueService.PurgeQueueInProgress: Only one PurgeQueue operation on cases is allowed every 60 "
        "seconds.",
    ),
    "a queue that does not exist": (
        lambda sqs, url: sqs.purge_queue(QueueUrl=f"{url}-not"),
        "AWS.SimpleQueueService.NonExistentQueue: The specified queue does not exist.",
    ),
    "a receipt handle that SQS did not issue": (
        lambda sqs, url: sqs.delete_message(QueueUrl=url, ReceiptHandle="garbage"),
        'ReceiptHandleIsInvalid: The input receipt handle "garbage" is not a valid receipt handle.',
    ),
}


@cache
def client(endpoint: str) -> Any:
    config = Config(retries={"max_attempts": 0}, parameter_validation=False)
    return boto3.client("sqs", endpoint_url=endpoint, config=config)


def answer(endpoint: str, case: str) -> tuple[str, str]:
    """Return the error of the case and the expected one."""
    call, expected = CASES[case]
    sqs = client(endpoint)
    url = sqs.create_queue(QueueName="cases")["QueueUrl"]
    return refusal(lambda: call(sqs, url)), expected


@pytest.mark.parametrize("case", CASES)
def test_an_invalid_request_is_rejected(emulator: str, case: str) -> None:
    found, expected = answer(emulator, case)

    assert found == expected


@pytest.mark.parametrize("case", CASES)
def test_the_gap_is_still_there(bare_emulator: str, case: str) -> None:
    found, expected = answer(bare_emulator, case)

    assert found != expected


@pytest.mark.parametrize(
    "call",
    [
        send(DelaySeconds=900, MessageGroupId="fair"),
        send(
            MessageAttributes={
                "n": {"DataType": "Number", "StringValue": "-1.5e3"},
                "b": {"DataType": "Binary.gif", "BinaryValue": b"x"},
                "a.b-c_d": {"DataType": "String", "StringValue": "x"},
            }
        ),
        receive(WaitTimeSeconds=0, VisibilityTimeout=0),
        create("accepted.fifo", FifoQueue="true", ContentBasedDeduplication="true"),
        create(VisibilityTimeout="60", SqsManagedSseEnabled="true", Policy=""),
    ],
)
def test_a_valid_request_is_accepted(emulator: str, call: Call) -> None:
    sqs = client(emulator)

    assert refusal(lambda: call(sqs, sqs.create_queue(QueueName="accepts")["QueueUrl"])) == ""


class Queue:
    """A queue with one message."""

    def __init__(self, endpoint: str, **attributes: str) -> None:
        self.sqs = client(endpoint)
        name = f"handles-{next(numbers)}{'.fifo' if attributes else ''}"
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        group = {"MessageGroupId": "g", "MessageDeduplicationId": "d"} if attributes else {}
        self.sqs.send_message(QueueUrl=self.url, MessageBody="x", **group)

    def receive(self, visibility: int) -> str:
        """Receive the message; return its handle."""
        found = self.sqs.receive_message(QueueUrl=self.url, VisibilityTimeout=visibility)["Messages"]
        return str(found[0]["ReceiptHandle"])

    def delete(self, handle: str) -> str:
        return refusal(lambda: self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=handle))

    def count(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(map(int, counts.values()))


def test_a_message_is_deleted_with_a_handle_whose_visibility_has_ended(emulator: str) -> None:
    queue = Queue(emulator)
    handle = queue.receive(0)

    assert queue.delete(handle) == ""
    assert queue.count() == 0


def test_a_second_delete_is_accepted(emulator: str, bare_emulator: str) -> None:
    answers = []
    for endpoint in (emulator, bare_emulator):
        queue = Queue(endpoint)
        handle = queue.receive(30)
        queue.delete(handle)
        answers.append(queue.delete(handle))

    assert answers == ["", "ReceiptHandleIsInvalid: The input receipt handle is invalid."]


def test_an_older_handle_is_accepted_and_the_message_stays(emulator: str) -> None:
    queue = Queue(emulator)
    older = queue.receive(0)
    queue.receive(30)
    batch = queue.sqs.delete_message_batch(QueueUrl=queue.url, Entries=[{"Id": "1", "ReceiptHandle": older}])

    assert queue.delete(older) == ""
    assert [entry["Id"] for entry in batch["Successful"]] == ["1"]
    assert queue.count() == 1


def test_a_handle_of_a_fifo_queue_expires(emulator: str) -> None:
    queue = Queue(emulator, FifoQueue="true")
    handle = queue.receive(0)

    reason = "The receipt handle has expired."
    assert queue.delete(handle) == f"{INVALID}Value {handle} for parameter ReceiptHandle is invalid. Reason: {reason}"
    assert queue.count() == 1


def test_the_visibility_of_a_deleted_message_cannot_be_changed(emulator: str) -> None:
    queue = Queue(emulator)
    handle = queue.receive(30)
    queue.delete(handle)

    found = refusal(
        lambda: queue.sqs.change_message_visibility(QueueUrl=queue.url, ReceiptHandle=handle, VisibilityTimeout=42)
    )

    reason = "Message does not exist or is not available for visibility timeout change."
    assert found == f"{INVALID}Value {handle} for parameter ReceiptHandle is invalid. Reason: {reason}"
