"""Waiting for a result by looking again and again."""

from __future__ import annotations

import boto3

from localaws.testing import eventually, until

__all__ = ["eventually", "is_empty", "until"]


def is_empty(queue: str) -> bool:
    """Return whether the SQS queue at the URL *queue* has no message, neither waiting nor in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return set(found.values()) == {"0"}
