"""The DynamoDB table of subscribers and their welcome mails. Adapter for DynamoDB.

A subscriber is the item (``id``, ``subscriber``) and their mail is the item (``id``, ``welcome``), so one consistent
Query reads both. The table is global, and the last of two writes to one item in two Regions wins. Therefore a
subscriber is written in the Region of the person, a mail in the Region that sends mails, and no item in both:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
The sparse index ``by-day`` lists the subscribers of a day by time, and the mails that were sent to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import asdict

from chalicelib.subscribers import MalformedSubscriber, Milliseconds, Subscriber, WelcomeMail
from common import aws, dynamodb

_SUBSCRIBER = "subscriber"
WELCOME = "welcome"
"""The kind of a mail's item."""

_NOT_SENT = "(attribute_not_exists(sent_at) OR sent_at = :null)"
_FAILED = "ConditionalCheckFailedException"


class _ConditionFailed(Exception):
    pass


class SubscriberTable:
    """Subscribers and welcome mails in the table *name*, through *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def add(self, subscriber: Subscriber) -> None:
        item = asdict(subscriber) | {"kind": _SUBSCRIBER, "day": _day(subscriber.subscribed_at)}
        with suppress(_ConditionFailed):
            self._write("put_item", "attribute_not_exists(id)", {}, Item=dynamodb.item(item))

    def read(self, subscriber_id: str) -> tuple[Subscriber | None, WelcomeMail | None]:
        with aws.translated():
            answer = self._client.query(
                TableName=self._name,
                KeyConditionExpression="id = :id",
                ExpressionAttributeValues=dynamodb.item({":id": subscriber_id}),
                ConsistentRead=True,
            )
        items = {item["kind"]["S"]: item for item in answer["Items"]}
        return (
            _read(items[_SUBSCRIBER], Subscriber) if _SUBSCRIBER in items else None,
            _read(items[WELCOME], WelcomeMail) if WELCOME in items else None,
        )

    def remove(self, subscriber_id: str) -> None:
        with suppress(_ConditionFailed):
            self._write("delete_item", "#status = :it", {":it": "subscribed"}, _key(subscriber_id, _SUBSCRIBER))

    def suppress(self, subscriber: Subscriber) -> None:
        with aws.translated():
            self._client.update_item(
                TableName=self._name,
                Key=_key(subscriber.id, _SUBSCRIBER),
                UpdateExpression="SET #status = :status, email = if_not_exists(email, :email), "
                "subscribed_at = if_not_exists(subscribed_at, :at)",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues=dynamodb.item(
                    {":status": "suppressed", ":email": subscriber.email, ":at": subscriber.subscribed_at}
                ),
            )

    def waiting(self, since: Milliseconds, until: Milliseconds) -> Iterator[str]:
        day = _moment(since).date()
        while day <= _moment(until).date():
            listed = list(self._listed(str(day), since, until))
            sent = {subscriber_id for subscriber_id, kind in listed if kind == WELCOME}
            yield from (subscriber_id for subscriber_id, _ in listed if subscriber_id not in sent)
            day += timedelta(days=1)

    def _listed(self, day: str, since: Milliseconds, until: Milliseconds) -> Iterator[tuple[str, str]]:
        """Yield id and kind of the items in the index ``by-day``."""
        pages = self._client.get_paginator("query")
        with aws.translated():
            for page in pages.paginate(
                TableName=self._name,
                IndexName="by-day",
                KeyConditionExpression="#day = :day AND subscribed_at BETWEEN :since AND :until",
                ExpressionAttributeNames={"#day": "day"},
                ExpressionAttributeValues=dynamodb.item({":day": day, ":since": since, ":until": until}),
            ):
                yield from ((item["id"]["S"], item["kind"]["S"]) for item in page["Items"])

    def replace_mail(self, mail: WelcomeMail, attempts: int) -> bool:
        condition = f"attempts = :attempts AND {_NOT_SENT}"
        if attempts == 0:
            condition = f"attribute_not_exists(id) OR {condition}"
        item = dynamodb.item(asdict(mail) | {"kind": WELCOME})
        try:
            self._write("put_item", condition, {":attempts": attempts, ":null": None}, Item=item)
        except _ConditionFailed:
            return False
        return True

    def settle_mail(self, subscriber_id: str, subscribed_at: Milliseconds, message_id: str, now: Milliseconds) -> None:
        values = {":at": subscribed_at, ":null": None, ":message_id": message_id, ":now": now}
        values |= {":day": _day(subscribed_at)}
        with suppress(_ConditionFailed):
            self._write(
                "update_item",
                f"subscribed_at = :at AND {_NOT_SENT}",
                values,
                _key(subscriber_id, WELCOME),
                UpdateExpression="SET sent_at = :now, message_id = :message_id, #day = :day",
            )

    def forget_mail(self, subscriber_id: str, subscribed_at: Milliseconds) -> None:
        with suppress(_ConditionFailed):
            self._write("delete_item", "subscribed_at <= :at", {":at": subscribed_at}, _key(subscriber_id, WELCOME))

    def _write(
        self, operation: str, condition: str, values: dict[str, Any], key: dict[str, Any] | None = None, **request: Any
    ) -> None:
        """Write an item under a condition. Raises _ConditionFailed."""
        if key is not None:
            request["Key"] = key
        if values:
            request["ExpressionAttributeValues"] = dynamodb.item(values)
        expressions = condition + request.get("UpdateExpression", "")
        if names := {f"#{name}": name for name in ("status", "day") if f"#{name}" in expressions}:
            request["ExpressionAttributeNames"] = names
        with aws.translated({_FAILED: _ConditionFailed()}):
            getattr(self._client, operation)(TableName=self._name, ConditionExpression=condition, **request)


def subscriber_of(item: dict[str, Any]) -> Subscriber:
    """Return the subscriber that a DynamoDB *item* stores. Raises MalformedSubscriber."""
    return _read(item, Subscriber)


def _key(subscriber_id: str, kind: str) -> dict[str, Any]:
    return dynamodb.item({"id": subscriber_id, "kind": kind})


def _read[T](item: dict[str, Any], cls: type[T]) -> T:
    try:
        return dynamodb.read(item, cls)
    except msgspec.ValidationError as error:
        known = dynamodb.values(item)
        raise MalformedSubscriber(f"item {known.get('id')!r} of kind {known.get('kind')!r}: {error}") from error


def _moment(milliseconds: Milliseconds) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _day(milliseconds: Milliseconds) -> str:
    return str(_moment(milliseconds).date())
