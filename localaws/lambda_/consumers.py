"""The common part of all consumers: apply the settings of an event source mapping, and invoke its function."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localaws.lambda_.batches import Backoff, EventRecord, Outcome, reported_failures
from localaws.lambda_.clients import Clients, mapping_uuid
from localaws.lambda_.journal import Fate, FunctionError, Journal, Step
from localaws.lambda_.mappings import EventSourceMapping

log = logging.getLogger(__name__)
AwsError = (BotoCoreError, ClientError)
NAMED = 100
"""How many failed records of a batch are named."""


class Consumer:
    """Delivery of one mapping's events in background threads. It pauses while the mapping is disabled."""

    def __init__(self, mapping: EventSourceMapping, clients: Clients, backoff: Backoff, journal: Journal) -> None:
        self.mapping, self.clients, self.backoff, self.journal = mapping, clients, backoff, journal
        self.stopped = Event()
        self._enabled = Event()
        self.update(mapping)

    def start(self) -> None:
        """Start the threads."""
        raise NotImplementedError

    def update(self, mapping: EventSourceMapping) -> None:
        """Apply the mapping's new settings."""
        self.mapping = mapping
        if mapping.enabled:
            self._enabled.set()
        else:
            self._enabled.clear()

    def stop(self) -> None:
        """Start no new invocation. Running invocations complete."""
        self.stopped.set()
        self._enabled.set()

    def wait_until_enabled(self) -> bool:
        """Wait while the mapping is disabled. Return False once the consumer is stopped."""
        self._enabled.wait()
        return not self.stopped.is_set()

    def spawn(self, work: Callable[..., None], *arguments: Any) -> None:
        """Run *work* in a thread of its own."""

        def run() -> None:
            mapping_uuid.set(self.mapping.uuid)
            work(*arguments)

        Thread(target=run, name=f"mapping-{self.mapping.uuid}", daemon=True).start()

    def invoke(self, records: Sequence[EventRecord]) -> Outcome:
        """Invoke the function with the records.

        A function that is throttled, missing or forbidden counts as not invoked, not as a failure of the records.
        """
        payload = json.dumps({"Records": [record.event for record in records]})
        identifiers, began = [record.identifier for record in records], time.monotonic()
        try:
            answer = self.clients("lambda").invoke(FunctionName=self.mapping.function_arn, Payload=payload)
            response = answer["Payload"].read()
        except AwsError as error:
            log.warning("%s was not invoked: %s", self.mapping.function_arn, error)
            return Outcome(invoked=False, error=FunctionError(type(error).__name__, str(error)))
        failed: frozenset[str] = frozenset()
        if "FunctionError" in answer:
            failed = frozenset(identifiers)
        elif self.mapping.reports_failures:
            failed = reported_failures(response, identifiers)
        return Outcome(
            invoked=True,
            failed=failed,
            function_error=answer.get("FunctionError"),
            executed_version=answer["ExecutedVersion"],
            request_id=answer["ResponseMetadata"]["RequestId"],
            error=function_error(response) if "FunctionError" in answer else None,
            seconds=time.monotonic() - began,
        )

    def note(
        self,
        batch: str,
        records: Sequence[EventRecord],
        fate: Fate,
        outcome: Outcome,
        attempt: int,
        attempts: int | None,
        shard: str = "",
    ) -> None:
        """Tell what happened to *records*, which are the batch or a part of it."""
        now = time.time()
        self.journal.note(
            Step(
                batch=batch,
                mapping=self.mapping.uuid,
                function=self.mapping.function_arn,
                source=self.mapping.source_arn,
                shard=shard,
                at=now,
                records=len(records),
                first=records[0].identifier,
                last=records[-1].identifier,
                age=now - min(record.arrived for record in records),
                attempt=attempt,
                attempts=attempts,
                fate=fate,
                request_id=outcome.request_id,
                seconds=outcome.seconds,
                failed=tuple(each.identifier for each in records if each.identifier in outcome.failed)[:NAMED],
                error=outcome.error,
                last_age=now - outcome.seconds - records[-1].arrived,
            )
        )


def function_error(response: bytes) -> FunctionError:
    """Return the error that a function answered. One that died or ran out of time has no class or stack."""
    try:
        answer = json.loads(response)
        return FunctionError(
            str(answer.get("errorType") or ""),
            str(answer.get("errorMessage") or ""),
            tuple(str(frame) for frame in answer.get("stackTrace") or answer.get("trace") or ()),
        )
    except (ValueError, AttributeError):
        return FunctionError("", response.decode(errors="replace"))
