"""The state of a circuit breaker in DynamoDB, which all containers of a function share."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, CircuitBreakerError, CircuitBreakerStorage

from common import aws, dynamodb
from common.cached import Cached
from common.errors import ServiceUnavailable


class BreakerItem(CircuitBreakerStorage):
    """The state in the item at *key* of *table*, through *client*: ``state``, ``failures``, ``opened_at`` and so on.

    Only one container at a time is half-open: the one that claimed the trial by restarting the pause (``opened_at``).
    For all others the breaker stays open. If that container dies, the next one tries after the pause.

    The item is read again after *max_age* seconds, so a call costs at most one more read. While DynamoDB cannot be
    reached, the breaker is closed: a failure of the breaker's own storage must not fail a call.
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
        self._item = Cached(self._read, max_age, clock)
        self._judged_by = 0  # the opened_at from which the breaker computed the end of the pause
        self._trying = False

    @property
    def state(self) -> str:
        return STATE_HALF_OPEN if self._trying else str(self._item.value().get("state", STATE_CLOSED))

    @state.setter
    def state(self, state: str) -> None:
        if state == STATE_HALF_OPEN:
            self._claim_trial()
        else:
            self._update("SET #state = :to", {":to": state}, ExpressionAttributeNames={"#state": "state"})
        self._trying = state == STATE_HALF_OPEN

    @property
    def counter(self) -> int:
        return int(self._item.value().get("failures", 0))

    @property
    def success_counter(self) -> int:
        return int(self._item.value().get("successes", 0))

    @property
    def opened_at(self) -> datetime:
        self._judged_by = int(self._item.value().get("opened_at", 0))
        return datetime.fromtimestamp(self._judged_by / 1000, UTC)

    @opened_at.setter
    def opened_at(self, moment: datetime) -> None:
        self._update("SET opened_at = :at", {":at": _milliseconds(moment)})

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

    def _claim_trial(self) -> None:
        """Restart the pause. Raises CircuitBreakerError when another container has claimed the trial."""
        self._update(
            "SET opened_at = :now",
            {":now": _milliseconds(datetime.now(UTC)), ":seen": self._judged_by},
            ConditionExpression="attribute_not_exists(opened_at) OR opened_at = :seen",
        )

    def _read(self) -> dict[str, Any]:
        try:
            with aws.translated():
                answer = self._client.get_item(TableName=self._table, Key=self._key)
        except ServiceUnavailable:
            return {}
        return dynamodb.values(answer.get("Item", {}))

    def _update(self, expression: str, values: dict[str, Any], **options: Any) -> None:
        try:
            with aws.translated({"ConditionalCheckFailedException": CircuitBreakerError("another container tries")}):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=self._key,
                    UpdateExpression=expression,
                    ExpressionAttributeValues=dynamodb.item(values),
                    ReturnValues="ALL_NEW",
                    **options,
                )
        except ServiceUnavailable:
            return
        self._item.put(dynamodb.values(answer["Attributes"]))


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
