"""Waiting for a result by looking again and again."""

from __future__ import annotations

import functools
from typing import Any

import boto3

from localaws.testing import eventually, until

__all__ = ["eventually", "is_empty", "until"]


@functools.cache
def _queues() -> Any:
    return boto3.client("sqs")


def is_empty(queue: str) -> bool:
    """Return whether the SQS queue at the URL *queue* has no message, neither waiting nor in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = _queues().get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return set(found.values()) == {"0"}
