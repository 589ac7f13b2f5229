"""The common part of all consumers: apply the settings of an event source mapping, and invoke its function."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localaws.lambda_.batches import Backoff, EventRecord, Outcome, reported_failures
from localaws.lambda_.clients import Clients, mapping_uuid
from localaws.lambda_.mappings import EventSourceMapping

log = logging.getLogger(__name__)
AwsError = (BotoCoreError, ClientError)


class Consumer:
    """Delivery of one mapping's events in background threads. It pauses while the mapping is disabled."""

    def __init__(self, mapping: EventSourceMapping, clients: Clients, backoff: Backoff) -> None:
        self.mapping, self.clients, self.backoff = mapping, clients, backoff
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
        identifiers = [record.identifier for record in records]
        try:
            answer = self.clients("lambda").invoke(FunctionName=self.mapping.function_arn, Payload=payload)
            response = answer["Payload"].read()
        except AwsError as error:
            log.warning("%s was not invoked: %s", self.mapping.function_arn, error)
            return Outcome(invoked=False)
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
        )
