"""The DynamoDB table of reports: which edition of each is the latest, and what batches have been dealt with.

======================  ==================  ==================================================================
``name``                ``period``
======================  ==================  ==================================================================
a report's              a day               its latest edition and the version before
``#newest``             a report's name     the edition of it that was made last, of whatever period
``#arrivals``           a day of arrival    the set of days of the events that arrived on it
``#freshness``          ``devices``         times of a reading that was seen last, and of when
``#object``             an object's key     the object is in the reports; forgotten after its time to live
======================  ==================  ==================================================================
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import batched
from typing import Any

import msgspec
from botocore.exceptions import ClientError
from msgspec.structs import replace

from chalicelib.readings import Milliseconds
from chalicelib.reports import Day, Edition
from common import aws, dynamodb
from common.errors import Conflict

_NEWEST = "#newest"
_ARRIVALS = "#arrivals"
_FRESHNESS = "#freshness"
_OBJECT = "#object"
_TRIES = 5
_REMEMBERED = 15 * 24 * 3600
"""Seconds for which a notification that comes again is known; SQS keeps none for longer than 14 days."""


class ReportTable:
    """Table *name*, through a DynamoDB *client*."""

    def __init__(self, client: Any, name: str, now: Callable[[], float] = time.time) -> None:
        self._client = client
        self._name = name
        self._now = now

    def publish(self, edition: Edition) -> Edition:
        """Make *edition* the latest of its period unless a later one is; return the latest."""
        for _ in range(_TRIES):
            stored = self.latest(edition.name, edition.period)
            if stored is not None and stored.version >= edition.version:
                return stored
            wanted = replace(edition, previous=stored.version if stored else "")
            if self._put(wanted, stored):
                return wanted
        raise Conflict(f"{edition.name} of {edition.period} is being published by others all the time")

    def _put(self, edition: Edition, stored: Edition | None) -> bool:
        """Store *edition* in place of *stored*; return False if that is no longer there."""
        try:
            with aws.translated():
                self._client.put_item(
                    TableName=self._name,
                    Item=dynamodb.item(msgspec.to_builtins(edition)),
                    ConditionExpression="#version = :version" if stored else "attribute_not_exists(#version)",
                    ExpressionAttributeNames={"#version": "version"},
                    **({"ExpressionAttributeValues": dynamodb.item({":version": stored.version})} if stored else {}),
                )
        except ClientError as error:
            if aws.code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def latest(self, name: str, period: Day) -> Edition | None:
        """Return the latest edition of a report for a period."""
        with aws.translated():
            answer = self._client.get_item(
                TableName=self._name, Key=dynamodb.item({"name": name, "period": period}), ConsistentRead=True
            )
        return _edition(answer["Item"]) if "Item" in answer else None

    def periods(self, name: str) -> list[Day]:
        """Return the periods that the report was made for, the newest first."""
        return [item["period"] for item in self._query(name, ProjectionExpression="#period")]

    def newest(self) -> list[Edition]:
        """Return the edition of each report that was made last."""
        return [
            msgspec.convert({**item, "name": item["period"], "period": item["of"]}, Edition)
            for item in self._query(_NEWEST)
        ]

    def note_newest(self, edition: Edition) -> None:
        """Take note of an edition that was made just now."""
        item = {**msgspec.to_builtins(edition), "name": _NEWEST, "period": edition.name, "of": edition.period}
        with aws.translated():
            self._client.put_item(TableName=self._name, Item=dynamodb.item(item))

    def note_freshness(self, event_at: Milliseconds, visible_at: Milliseconds) -> None:
        """Take note that a reading of the time *event_at* could be seen among the devices at *visible_at*."""
        item = {"name": _FRESHNESS, "period": "devices", "event_at": event_at, "visible_at": visible_at}
        with aws.translated():
            self._client.put_item(TableName=self._name, Item=dynamodb.item(item))

    def freshness(self) -> tuple[Milliseconds, Milliseconds] | None:
        """Return what was noted last."""
        return next(((item["event_at"], item["visible_at"]) for item in self._query(_FRESHNESS)), None)

    def add_arrivals(self, days: Mapping[Day, Collection[Day]]) -> dict[Day, set[Day]]:
        """Add to each day of arrival the days of its events; return all there are from the first of them on."""
        for arrival, of in days.items():
            with aws.translated():
                self._client.update_item(
                    TableName=self._name,
                    Key=dynamodb.item({"name": _ARRIVALS, "period": arrival}),
                    UpdateExpression="ADD #days :days",
                    ExpressionAttributeNames={"#days": "days"},
                    ExpressionAttributeValues=dynamodb.item({":days": {arrival, *of}}),
                )
        return self.arrivals(min(days))

    def arrivals(self, first: Day) -> dict[Day, set[Day]]:
        """Return the days of events by day of arrival, from the *first* of these on."""
        items = self._query(_ARRIVALS, first, ConsistentRead=True)
        return {item["period"]: set(item["days"]) for item in items}

    def known(self, keys: Iterable[str]) -> set[str]:
        """Return which objects are in the reports already."""
        found: set[str] = set()
        for some in batched(sorted(set(keys)), 100):
            wanted = [{"name": _OBJECT, "period": key} for key in some]
            found |= {item["period"] for item in dynamodb.get_all(self._client, self._name, wanted, consistent=True)}
        return found

    def remember(self, keys: Iterable[str]) -> None:
        """Take note that the objects are in the reports."""
        expires_at = int(self._now()) + _REMEMBERED
        items = [{"name": _OBJECT, "period": key, "expires_at": expires_at} for key in sorted(set(keys))]
        for some in batched(items, 25):
            dynamodb.put_all(self._client, self._name, some)

    def _query(self, name: str, first: str = "", **request: Any) -> Iterator[dict[str, Any]]:
        condition, values = "#name = :name", {":name": name}
        if first:
            condition, values = f"{condition} AND #period >= :first", values | {":first": first}
        names = {"#name": "name"} | ({"#period": "period"} if first or "ProjectionExpression" in request else {})
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=dynamodb.item(values),
            ScanIndexForward=False,
            **request,
        )
        with aws.translated():
            for page in pages:
                yield from map(_values, page["Items"])


def _edition(item: dict[str, Any]) -> Edition:
    return msgspec.convert(_values(item), Edition)


def _values(item: dict[str, Any]) -> dict[str, Any]:
    return {name: int(v) if isinstance(v, Decimal) else v for name, v in dynamodb.values(item).items()}
