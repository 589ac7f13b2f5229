"""What answers and errors of SQS carry."""

from __future__ import annotations

import base64
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def sqs(emulator: str) -> Any:
    return boto3.client("sqs", "us-east-1", endpoint_url=emulator)


def queue(sqs: Any, name: str, **attributes: str) -> tuple[str, str]:
    url = sqs.create_queue(QueueName=f"answers-{name}", Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def test_the_sources_of_a_dead_letter_queue(sqs: Any, bare_emulator: str) -> None:
    dead, arn = queue(sqs, "dead")
    source, _ = queue(sqs, "source", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1}))
    bare: Any = boto3.client("sqs", "us-east-1", endpoint_url=bare_emulator)

    with pytest.raises(ClientError, match="InvalidAction"):
        bare.list_dead_letter_source_queues(QueueUrl=bare.create_queue(QueueName="dead")["QueueUrl"])
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [source]
    assert sqs.list_dead_letter_source_queues(QueueUrl=source)["queueUrls"] == []


def test_empty_members_are_left_out(sqs: Any) -> None:
    url, _ = queue(sqs, "empty")

    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="none")
    assert "Tags" not in sqs.list_queue_tags(QueueUrl=url)


def test_a_queue_is_encrypted_by_sqs_until_it_has_a_key(sqs: Any) -> None:
    url, _ = queue(sqs, "encrypted")
    read = lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]  # noqa: E731

    assert read()["SqsManagedSseEnabled"] == "true"
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": "alias/aws/sqs"})
    assert (read()["SqsManagedSseEnabled"], read()["KmsMasterKeyId"]) == ("false", "alias/aws/sqs")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": ""})
    assert "KmsMasterKeyId" not in read()


def test_attributes_of_messages(sqs: Any) -> None:
    url, _ = queue(sqs, "attributes")
    attributes = {"name": {"DataType": "String", "StringValue": "value"}}
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}

    sent = sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes, MessageSystemAttributes=trace)
    received = sqs.receive_message(
        QueueUrl=url,
        MessageAttributeNames=["*"],
        AttributeNames=["SenderId"],
        MessageSystemAttributeNames=["AWSTraceHeader"],
    )["Messages"][0]

    assert sent["MD5OfMessageSystemAttributes"] == "62a56dd927315f2b2e12832b84617ea5"
    assert received["MessageAttributes"] == attributes
    assert received["Attributes"].keys() == {"SenderId", "AWSTraceHeader"}


def test_the_names_of_errors_in_both_protocols(sqs: Any) -> None:
    url, _ = queue(sqs, "errors")

    with pytest.raises(ClientError) as raised:
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=11)

    assert raised.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert raised.value.response["Error"]["QueryErrorCode"] == "InvalidParameterValueException"


def test_a_move_task_is_complete_before_it_can_be_cancelled(sqs: Any) -> None:
    _, arn = queue(sqs, "moved")
    handles = {
        "InvalidParameterValue": "none",
        "ResourceNotFoundException": base64.b64encode(json.dumps({"taskId": "1", "sourceArn": arn}).encode()).decode(),
    }

    for code, handle in handles.items():
        with pytest.raises(ClientError) as raised:
            sqs.cancel_message_move_task(TaskHandle=handle)
        assert raised.value.response["Error"]["Code"] == code
