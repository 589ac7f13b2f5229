"""The SQS queue of what the reports are to be made of: notifications of S3, and wishes of the API."""

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


class RunQueue:
    """The queue at *url*, through an SQS *client*."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def wish(self, report: str, periods: Sequence[Day]) -> None:
        """Ask for the report to be made again for the periods."""
        for some in batched(periods, MOST_PERIODS):
            body = msgspec.json.encode(_Wish(report, list(some))).decode()
            with aws.translated():
                self._client.send_message(QueueUrl=self._url, MessageBody=body)
