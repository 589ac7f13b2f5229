"""A circuit breaker's state in DynamoDB, so that all containers of a function learn from the failures of each."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, CircuitBreakerError, CircuitBreakerStorage

from common import aws, dynamodb
from common.errors import ServiceUnavailable


class BreakerItem(CircuitBreakerStorage):
    """The state in the item at *key* of *table*, through *client*: ``state``, ``failures``, ``opened_at`` and so on.

    Half-open is the breaker of one container only, which has claimed the trial by beginning the pause anew
    (``opened_at``): to all others it is open and pauses. Should that container die, the next one tries after the pause.

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
        self._judged_by = 0  # the opened_at after which the breaker decides that the pause is over
        self._trying = False

    @property
    def state(self) -> str:
        return STATE_HALF_OPEN if self._trying else str(self._values().get("state", STATE_CLOSED))

    @state.setter
    def state(self, state: str) -> None:
        if state == STATE_HALF_OPEN:
            self._claim_trial()
        else:
            self._update("SET #state = :to", {":to": state}, ExpressionAttributeNames={"#state": "state"})
        self._trying = state == STATE_HALF_OPEN

    @property
    def counter(self) -> int:
        return int(self._values().get("failures", 0))

    @property
    def success_counter(self) -> int:
        return int(self._values().get("successes", 0))

    @property
    def opened_at(self) -> datetime:
        self._judged_by = int(self._values().get("opened_at", 0))
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
        """Begin the pause anew. Raises CircuitBreakerError when another container has."""
        self._update(
            "SET opened_at = :now",
            {":now": _milliseconds(datetime.now(UTC)), ":seen": self._judged_by},
            ConditionExpression="attribute_not_exists(opened_at) OR opened_at = :seen",
        )

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
        self._known, self._read_at = dynamodb.values(answer["Attributes"]), self._clock()


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
