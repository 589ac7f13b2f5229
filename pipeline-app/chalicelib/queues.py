"""The SQS queues: of what the reports are to be made of, told by S3 or wished for, and of what was not delivered."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import batched
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from chalicelib import notifications
from chalicelib.reports import MOST_PERIODS, Arrived, Day, arrived
from common import aws


class _Wish(Struct, forbid_unknown_fields=True):
    """A message of the API."""

    report: str
    periods: list[Day]


class Wish(NamedTuple):
    """A report is to be made again for some periods; *id* is the message's."""

    id: str
    report: str
    periods: Sequence[Day]


class Batch(NamedTuple):
    """What some messages say: new objects, by key and entity tag, of the messages *ids*; and wishes.

    *strange* are the messages that say nothing, with the reason.
    """

    ids: list[str]
    objects: dict[str, Arrived]
    wishes: list[Wish]
    strange: dict[str, ValueError]


def read(event: dict[str, Any]) -> Batch:
    """Return what the messages of an event say."""
    batch = Batch([], {}, [], {})
    for message in event["Records"]:
        name, body = message["messageId"], message["body"]
        try:
            if '"periods"' in body:
                wish = msgspec.json.decode(body, type=_Wish)
                batch.wishes.append(Wish(name, wish.report, wish.periods))
                continue
            created = notifications.created(body)
            batch.objects.update({f"{each.key} {each.etag}": arrived(each.key) for each in created})
            batch.ids.append(name)
        except ValueError as error:
            batch.strange[name] = error
    return batch


class Queue:
    """A queue at *url*, through an SQS *client*."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def wish(self, report: str, periods: Sequence[Day]) -> None:
        """Ask for the report to be made again for the periods."""
        for some in batched(periods, MOST_PERIODS):
            body = msgspec.json.encode(_Wish(report, list(some))).decode()
            with aws.translated():
                self._client.send_message(QueueUrl=self._url, MessageBody=body)

    def back_off(self, event: dict[str, Any], ids: Sequence[str]) -> None:
        """Have the messages with these *ids* of an event come back after a while that doubles each time.

        Left alone they would after the queue's visibility timeout, which is that of a function that died.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html
        """
        failed = [message for message in event["Records"] if message["messageId"] in ids]
        for some in batched(failed, 10):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["receiptHandle"], "VisibilityTimeout": _wait(message)}
                for number, message in enumerate(some)
            ]
            with aws.translated():
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)


def _wait(message: dict[str, Any]) -> int:
    """Return the seconds until a message that failed comes again: 4, 8, 16 and so on, at most half an hour."""
    received = int(message["attributes"]["ApproximateReceiveCount"])
    return 2 << received if received < 10 else 1800
