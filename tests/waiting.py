"""Waiting for what comes by itself: looked for again and again, never slept for."""

from __future__ import annotations

import time
from collections.abc import Callable

import boto3


def eventually[T](look: Callable[[], T], seconds: float = 10) -> T:
    """Return what *look* finds as soon as it is something, or what it finds in the end."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def is_empty(queue: str) -> bool:
    """Return whether nothing waits in the SQS queue at the URL *queue*, and nobody is at work on what did."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return set(found.values()) == {"0"}


def until[T](look: Callable[[], T | None], seconds: float = 90) -> T:
    """Return what *look* finds as soon as it is something. Raises AssertionError when that does not come."""
    found = eventually(look, seconds)
    assert found, "it did not come"
    return found
