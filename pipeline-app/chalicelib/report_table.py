"""The DynamoDB table of reports: the latest edition of each, and what waits to be in them. Adapter for DynamoDB.

======================  ==================  ===========================================================================
``name``                ``period``
======================  ==================  ===========================================================================
name of a report        a day               the latest edition of the day, and the version before it
``#newest``             name of a report    the edition of the report that was made last, whatever its period
``#arrivals``           a day of arrival    the set of event days of the readings that arrived on it
``#freshness``          devices, reports    the time of the newest reading that is visible there, and since when
``#object``             key of an object    the object is in the reports, or waits to be; expires by its time to live
``#size``               readings/<day>      the bytes of the partition; ``readings-07/<day>`` and others, too
``#waiting``            event day/<day>     what waits for a run of the period; ``event hour/<day>T07`` and others, too
======================  ==================  ===========================================================================
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import batched
from typing import Any

import msgspec
from botocore.exceptions import ClientError
from msgspec.structs import replace

from chalicelib.editions import Edition
from chalicelib.pacing import Period, Waiting
from chalicelib.readings import Milliseconds
from chalicelib.reports import Day
from common import aws, dynamodb
from common.errors import Conflict

_LAST_RUNS = "#newest"
_ARRIVALS = "#arrivals"
_FRESHNESS = "#freshness"
_OBJECT = "#object"
_SIZE = "#size"
_WAITING = "#waiting"
_WAITING_ATTRIBUTES = ("bytes", "since", "ran_at", "run_bytes", "run_at", "wake_at")
_WORKERS = 8
_MAX_ATTEMPTS = 5
_OBJECT_TTL = 15 * 24 * 3600
"""Seconds for which an object is recorded. SQS keeps a notification for at most 14 days."""


class ReportTable:
    """Table *name*, through a DynamoDB *client*."""

    def __init__(self, client: Any, name: str, now: Callable[[], float] = time.time) -> None:
        self._client = client
        self._name = name
        self._now = now

    def publish(self, edition: Edition) -> Edition:
        """Make *edition* the latest of its period, unless a later one is. Return the latest.

        Raises Conflict, also if the edition has a base that is not the latest.
        """
        for _ in range(_MAX_ATTEMPTS):
            stored = self.latest(edition.name, edition.period)
            if edition.base not in (None, stored.version if stored else ""):
                break
            if stored is not None and stored.version >= edition.version:
                return stored
            published = replace(edition, previous=stored.version if stored else "")
            if self._put(published, stored):
                return published
        raise Conflict(f"{edition.name} of {edition.period} is being published by other runs; try again")

    def _put(self, edition: Edition, stored: Edition | None) -> bool:
        """Store *edition* in place of *stored*. Return False if another edition was stored meanwhile."""
        item = msgspec.to_builtins(edition)
        if stored is None:
            return self._put_if("attribute_not_exists(#name)", "version", item)
        return self._put_if("#name = :value", "version", item, stored.version)

    def _put_if(self, condition: str, name: str, item: dict[str, Any], value: int | str | None = None) -> bool:
        """Put *item* if *condition* on its stored attribute ``#name`` and ``:value`` holds. Return whether it does."""
        try:
            with aws.translated():
                self._client.put_item(
                    TableName=self._name,
                    Item=dynamodb.item(item),
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#name": name},
                    **({"ExpressionAttributeValues": dynamodb.item({":value": value})} if value is not None else {}),
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
        return dynamodb.read(answer["Item"], Edition) if "Item" in answer else None

    def periods(self, name: str) -> list[Day]:
        """Return the periods that a report has an edition of, newest first."""
        return [item["period"] for item in self._query(name, ProjectionExpression="#period")]

    def record_last_run(self, edition: Edition) -> None:
        """Record an edition that was made just now."""
        item = {**msgspec.to_builtins(edition), "name": _LAST_RUNS, "period": edition.name, "of": edition.period}
        with aws.translated():
            self._client.put_item(TableName=self._name, Item=dynamodb.item(item))

    def last_runs(self) -> list[Edition]:
        """Return, for each report, the edition that was made last, whatever its period."""
        return [
            msgspec.convert({**item, "name": item["period"], "period": item["of"]}, Edition)
            for item in self._query(_LAST_RUNS)
        ]

    def record_freshness(self, of: str, event_at: Milliseconds, visible_at: Milliseconds) -> None:
        """Record that a reading of the time *event_at* became visible at *visible_at*, if none is newer.

        *of* is where it became visible: devices or reports.
        """
        item = {"name": _FRESHNESS, "period": of, "event_at": event_at, "visible_at": visible_at}
        self._put_if("attribute_not_exists(#name) OR #name < :value", "event_at", item, event_at)

    def freshness(self) -> dict[str, tuple[Milliseconds, Milliseconds]]:
        """Return what `record_freshness` recorded, by where it became visible."""
        return {item["period"]: (item["event_at"], item["visible_at"]) for item in self._query(_FRESHNESS)}

    def add_arrivals(self, days: Mapping[Day, Collection[Day]]) -> dict[Day, set[Day]]:
        """Add event days to days of arrival. Return those of all days of arrival from the first of *days* on."""
        for arrival, events in days.items():
            with aws.translated():
                self._client.update_item(
                    TableName=self._name,
                    Key=dynamodb.item({"name": _ARRIVALS, "period": arrival}),
                    UpdateExpression="ADD #days :days",
                    ExpressionAttributeNames={"#days": "days"},
                    ExpressionAttributeValues=dynamodb.item({":days": {arrival, *events}}),
                )
        return self.arrivals(min(days))

    def arrivals(self, first: Day) -> dict[Day, set[Day]]:
        """Return the event days by day of arrival, from *first* on."""
        items = self._query(_ARRIVALS, first, ConsistentRead=True)
        return {item["period"]: set(item["days"]) for item in items}

    def processed(self, keys: Iterable[str]) -> set[str]:
        """Return those of the objects that are in the reports, or wait to be."""
        return {item["period"] for item in self._get_all(_OBJECT, keys)}

    def mark_processed(self, keys: Iterable[str]) -> None:
        """Record that the objects are in the reports, or wait to be."""
        expires_at = int(self._now()) + _OBJECT_TTL
        items = [{"name": _OBJECT, "period": key, "expires_at": expires_at} for key in sorted(set(keys))]
        for some in batched(items, 25):
            dynamodb.put_all(self._client, self._name, some)

    def add_sizes(self, sizes: Mapping[tuple[str, Day], int]) -> None:
        """Add bytes to the sizes of partitions: `chalicelib.arrivals.partitions_read` describes them."""
        self._update_all(
            (_SIZE, "/".join(partition), "ADD #bytes :bytes", {"bytes": size}) for partition, size in sizes.items()
        )

    def sizes(self, partitions: Collection[tuple[str, Day]]) -> dict[tuple[str, Day], int]:
        """Return the bytes in each of the *partitions*, without those of which none are known."""
        found = {item["period"]: item["bytes"] for item in self._get_all(_SIZE, map("/".join, partitions))}
        return {each: found["/".join(each)] for each in partitions if "/".join(each) in found}

    def add_waiting(self, changed: Mapping[Period, int], now: Milliseconds) -> None:
        """Add bytes to what waits in each period. *now* is the time of the first ones."""
        expression = "ADD #bytes :bytes SET #since = if_not_exists(#since, :since)"
        self._update_all(
            (_WAITING, "/".join(period), expression, {"bytes": size, "since": now}) for period, size in changed.items()
        )

    def waiting(self, periods: Collection[Period]) -> list[Waiting]:
        """Return what waits in those of the *periods* in which something does."""
        found = []
        for item in self._get_all(_WAITING, map("/".join, periods)):
            kind, day = item["period"].split("/")
            if "bytes" in item:
                found.append(msgspec.convert({**item, "kind": kind, "day": day}, Waiting))
        return found

    def replace_waiting(self, old: Waiting, new: Waiting) -> bool:
        """Replace what waits in a period, unless it has changed. Return whether it was still *old*."""
        key = {"name": _WAITING, "period": "/".join(old.period)}
        # An attribute of 0 is not stored.
        before, after = (
            {name: getattr(each, name) for name in _WAITING_ATTRIBUTES if getattr(each, name)} for each in (old, new)
        )
        unchanged = [
            f"#{name} = :{name}" if name in before else f"attribute_not_exists(#{name})" for name in _WAITING_ATTRIBUTES
        ]
        try:
            with aws.translated():
                self._client.put_item(
                    TableName=self._name,
                    Item=dynamodb.item(key | after),
                    ConditionExpression=" AND ".join(unchanged),
                    ExpressionAttributeNames={f"#{name}": name for name in _WAITING_ATTRIBUTES},
                    ExpressionAttributeValues=dynamodb.item({f":{name}": value for name, value in before.items()}),
                )
        except ClientError as error:
            if aws.code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def _update_all(self, updates: Iterable[tuple[str, str, str, dict[str, int]]]) -> None:
        """Make updates: each the key of an item, an expression, and the values of the attributes in it."""

        def update(name: str, period: str, expression: str, values: dict[str, int]) -> None:
            with aws.translated():
                self._client.update_item(
                    TableName=self._name,
                    Key=dynamodb.item({"name": name, "period": period}),
                    UpdateExpression=expression,
                    ExpressionAttributeNames={f"#{attribute}": attribute for attribute in values},
                    ExpressionAttributeValues=dynamodb.item({f":{a}": value for a, value in values.items()}),
                )

        with ThreadPoolExecutor(_WORKERS) as pool:  # a file of history has thousands of days
            list(pool.map(lambda each: update(*each), updates))

    def _get_all(self, name: str, periods: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield the items of *name* with these *periods* that are there, in any order."""
        for some in batched(sorted(set(periods)), 100):
            keys = [{"name": name, "period": period} for period in some]
            yield from dynamodb.get_all(self._client, self._name, keys, consistent=True)

    def _query(self, name: str, first: str = "", **request: Any) -> Iterator[dict[str, Any]]:
        """Yield the items of *name*, the last period first; with *first*, only those of that period or later."""
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
                yield from map(dynamodb.values, page["Items"])
