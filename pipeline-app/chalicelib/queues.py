"""The SQS queues: the batches for the reports, and the objects that Firehose could not deliver. Adapter for SQS."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import batched
from typing import Any

import msgspec

from chalicelib.pacing import Period
from chalicelib.report_batches import RerunMessage, WakeMessage
from chalicelib.reports import MAX_PERIODS, Day
from common import aws


class Queue:
    """The queue at *url*, through an SQS *client*."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def request_rerun(self, report: str, periods: Sequence[Day]) -> None:
        """Ask for a report to be run again for *periods*."""
        for some in batched(periods, MAX_PERIODS):
            body = msgspec.json.encode(RerunMessage(report=report, periods=list(some))).decode()
            with aws.translated():
                self._client.send_message(QueueUrl=self._url, MessageBody=body)

    def wake(self, periods: Collection[Period], seconds: int) -> None:
        """Send messages that come in *seconds*, at most 900, to look at what waits in *periods*."""
        for some in batched(sorted(periods), MAX_PERIODS):
            body = msgspec.json.encode(WakeMessage(waiting=list(some))).decode()
            with aws.translated():
                self._client.send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=seconds)

    def back_off(self, event: dict[str, Any], ids: Sequence[str]) -> None:
        """Delay the next delivery of the messages of *event* with these *ids*; the delay doubles each time.

        Without this they come back after the queue's visibility timeout, which is long, for functions that crash.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html
        """
        failed = [message for message in event["Records"] if message["messageId"] in ids]
        for some in batched(failed, 10):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["receiptHandle"], "VisibilityTimeout": _delay(message)}
                for number, message in enumerate(some)
            ]
            with aws.translated():
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)


def _delay(message: dict[str, Any]) -> int:
    """Return the seconds until a failed message comes again: 4, 8, 16 and so on, at most half an hour."""
    received = int(message["attributes"]["ApproximateReceiveCount"])
    return 2 << received if received < 10 else 1800
