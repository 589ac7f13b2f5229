"""The consumer of an SQS queue: receives messages, invokes the function, and deletes the messages that succeeded.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
Failed messages become visible again after the queue's visibility timeout, and follow its redrive policy. A throttled
batch is retried until that timeout. SQS keeps the message groups of a FIFO queue in order: it returns no message of a
group that has a message in flight.
"""

from __future__ import annotations

import base64
import json
import logging
import math
import time
from collections.abc import Sequence
from itertools import batched
from threading import Condition
from typing import Any
from uuid import uuid4

from localaws.changes import WAIT_SECONDS
from localaws.lambda_.batches import Backoff, EventRecord, Outcome, next_batch
from localaws.lambda_.clients import Clients
from localaws.lambda_.consumers import AwsError, Consumer
from localaws.lambda_.journal import Fate, Journal
from localaws.lambda_.mappings import EventSourceMapping

log = logging.getLogger(__name__)

MAX_RECEIVED = 10


class QueueConsumer(Consumer):
    """Up to *maximum_concurrency* concurrent batches of one queue."""

    def __init__(self, mapping: EventSourceMapping, clients: Clients, backoff: Backoff, journal: Journal) -> None:
        super().__init__(mapping, clients, backoff, journal)
        self._sqs = clients("sqs")
        self._url = ""
        self._in_flight = 0
        self._changed = Condition()

    def start(self) -> None:
        self.spawn(self._poll)

    def stop(self) -> None:
        super().stop()
        with self._changed:
            self._changed.notify_all()

    def _poll(self) -> None:
        while self.wait_until_enabled():
            with self._changed:
                self._changed.wait_for(lambda: self.stopped.is_set() or self._has_room())
            try:
                waiting = self._gather()
            except AwsError as error:
                log.warning("cannot receive messages from %s: %s", self.mapping.source_arn, error)
                self.stopped.wait(1)
                continue
            while waiting:
                batch, _ = next_batch(waiting, self.mapping.batch_size)
                waiting = waiting[len(batch) :]
                self._change_in_flight(+1)
                self.spawn(self._deliver, batch)

    def _has_room(self) -> bool:
        return self._in_flight < self.mapping.maximum_concurrency

    def _change_in_flight(self, change: int) -> None:
        with self._changed:
            self._in_flight += change
            self._changed.notify_all()

    def _gather(self) -> list[EventRecord]:
        """Receive messages until a batch is full or the batching window, which starts with the first message, ends."""
        self._url = self._url or self._sqs.get_queue_url(QueueName=self.mapping.source_arn.split(":")[-1])["QueueUrl"]
        size = self.mapping.batch_size
        messages = self._receive(size, WAIT_SECONDS)
        deadline = time.monotonic() + self.mapping.batching_window
        while messages and not next_batch(messages, size)[1] and (left := deadline - time.monotonic()) > 0:
            messages += self._receive(size - len(messages), min(math.ceil(left), WAIT_SECONDS))
        return messages

    def _receive(self, limit: int, wait: int) -> list[EventRecord]:
        """Receive messages. Return those that pass the filters, and delete the others."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=min(limit, MAX_RECEIVED),
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = [self._record(message) for message in answer.get("Messages", [])]
        accepted = [message for message in messages if self.mapping.filters.accept(message.event)]
        self._delete([message for message in messages if message not in accepted])
        return accepted

    def _record(self, message: dict[str, Any]) -> EventRecord:
        event: dict[str, Any] = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: _message_attribute(value) for name, value in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self.mapping.source_arn,
            "awsRegion": self.mapping.region,
        }
        sent = int(event["attributes"]["SentTimestamp"]) / 1000
        # A mapping with a batching window writes null where a message has no attributes; one without leaves it out.
        if "MD5OfMessageAttributes" in message or self.mapping.batching_window:
            event["md5OfMessageAttributes"] = message.get("MD5OfMessageAttributes")
        return EventRecord(message["MessageId"], "", sent, event, size=len(json.dumps(event)))

    def _deliver(self, batch: Sequence[EventRecord]) -> None:
        try:
            self._invoke_until_accepted(batch)
        except AwsError as error:
            log.warning("cannot delete or release messages of %s: %s", self.mapping.source_arn, error)
        finally:
            self._change_in_flight(-1)

    def _invoke_until_accepted(self, batch: Sequence[EventRecord]) -> None:
        received, throttles = time.monotonic(), 0
        while self.wait_until_enabled():
            outcome = self.invoke(batch)
            if outcome.invoked:
                self._delete([message for message in batch if message.identifier not in outcome.failed])
                return self._note(batch, outcome)
            throttles += 1
            self._note(batch, outcome)
            wait = self.backoff.after(throttles)
            if time.monotonic() + wait - received > self._visibility_timeout():
                return None
            self.stopped.wait(wait)
        self._release(batch)
        return None

    def _note(self, batch: Sequence[EventRecord], outcome: Outcome) -> None:
        """Tell what happened to the batch. Failed messages return to the queue, or leave it after the last attempt."""
        attempt = max(int(message.event["attributes"]["ApproximateReceiveCount"]) for message in batch)
        if outcome.invoked and not outcome.failed:
            return self.note(uuid4().hex, batch, Fate("succeeded"), outcome, attempt, None)
        redrive = self._queue_attribute("RedrivePolicy")
        attempts = int(json.loads(redrive)["maxReceiveCount"]) if redrive else None
        is_last = attempts is not None and attempt >= attempts
        target = json.loads(redrive)["deadLetterTargetArn"] if is_last else None
        parts = (len(batch) - len(outcome.failed), len(outcome.failed)) if outcome.invoked else ()
        follows = Fate("returned" if outcome.invoked else "throttled", parts, destination=target)
        return self.note(uuid4().hex, batch, follows, outcome, attempt, attempts)

    def _release(self, messages: Sequence[EventRecord]) -> None:
        """Make the messages of a deleted mapping visible to other consumers."""
        for some in batched(messages, MAX_RECEIVED):
            entries = [
                {"Id": str(i), "ReceiptHandle": each.event["receiptHandle"], "VisibilityTimeout": 0}
                for i, each in enumerate(some)
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _visibility_timeout(self) -> int:
        return int(self._queue_attribute("VisibilityTimeout"))

    def _queue_attribute(self, name: str) -> str:
        """Return an attribute of the queue; empty if the queue does not have it."""
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return str(attributes.get("Attributes", {}).get(name, ""))

    def _delete(self, messages: Sequence[EventRecord]) -> None:
        for some in batched(messages, MAX_RECEIVED):
            entries = [{"Id": str(i), "ReceiptHandle": each.event["receiptHandle"]} for i, each in enumerate(some)]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)


def _message_attribute(attribute: dict[str, Any]) -> dict[str, Any]:
    """Return the attribute in the format of Lambda's event: camelCase names, binary values in Base64."""
    written: dict[str, Any] = {"stringListValues": [], "binaryListValues": []}
    for name, value in attribute.items():
        written[name[0].lower() + name[1:]] = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    return written
