"""A circuit breaker's state in DynamoDB, so that all containers of a function learn from the failures of each."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pybreaker import STATE_CLOSED, CircuitBreakerStorage

from common import aws, dynamodb
from common.errors import ServiceUnavailable


class BreakerItem(CircuitBreakerStorage):
    """The state in the item at *key* of *table*, through *client*: ``state``, ``failures``, ``opened_at`` and so on.

    What was read is believed for *max_age* seconds, so that a call costs at most one read more. While DynamoDB cannot
    be reached the breaker is closed: it is there to help, and is no reason to fail.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        key: dict[str, str],
        max_age: float = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(next(reversed(key.values())))
        self._client, self._table, self._key = client, table, dynamodb.item(key)
        self._max_age, self._clock = max_age, clock
        self._known: dict[str, Any] = {}
        self._read_at = -max_age

    @property
    def state(self) -> str:
        return str(self._values().get("state", STATE_CLOSED))

    @state.setter
    def state(self, state: str) -> None:
        self._update("SET #state = :to", {":to": state}, {"#state": "state"})

    @property
    def counter(self) -> int:
        return int(self._values().get("failures", 0))

    @property
    def success_counter(self) -> int:
        return int(self._values().get("successes", 0))

    @property
    def opened_at(self) -> datetime | None:
        milliseconds = self._values().get("opened_at")
        return None if milliseconds is None else datetime.fromtimestamp(int(milliseconds) / 1000, UTC)

    @opened_at.setter
    def opened_at(self, moment: datetime) -> None:
        self._update("SET opened_at = :at", {":at": int(moment.timestamp() * 1000)})

    def increment_counter(self) -> None:
        self._update("ADD failures :one", {":one": 1})

    def reset_counter(self) -> None:
        if self.counter:
            self._update("SET failures = :none", {":none": 0})

    def increment_success_counter(self) -> None:
        self._update("ADD successes :one", {":one": 1})

    def reset_success_counter(self) -> None:
        if self.success_counter:
            self._update("SET successes = :none", {":none": 0})

    def _values(self) -> dict[str, Any]:
        if self._clock() - self._read_at >= self._max_age:
            self._read_at = self._clock()
            try:
                with aws.translated():
                    answer = self._client.get_item(TableName=self._table, Key=self._key)
                self._known = dynamodb.values(answer.get("Item", {}))
            except ServiceUnavailable:
                self._known = {}
        return self._known

    def _update(self, expression: str, values: dict[str, Any], names: dict[str, str] | None = None) -> None:
        request = {"UpdateExpression": expression, "ExpressionAttributeValues": dynamodb.item(values)}
        if names:
            request["ExpressionAttributeNames"] = names
        try:
            with aws.translated():
                answer = self._client.update_item(
                    TableName=self._table, Key=self._key, ReturnValues="ALL_NEW", **request
                )
        except ServiceUnavailable:
            return
        self._known, self._read_at = dynamodb.values(answer["Attributes"]), self._clock()
