"""What every consumer of a mapping does: it follows the mapping's settings, and invokes its function."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localaws.lambda_.batches import Backoff, Outcome, Record, reported_failures
from localaws.lambda_.clients import Clients
from localaws.lambda_.mappings import Mapping

log = logging.getLogger(__name__)
AwsError = (BotoCoreError, ClientError)


class Consumer:
    """Delivers the events of one mapping until it is stopped, and rests while the mapping is disabled."""

    def __init__(self, mapping: Mapping, clients: Clients, backoff: Backoff) -> None:
        self.mapping, self.clients, self.backoff = mapping, clients, backoff
        self.stopped = Event()
        self._enabled = Event()
        self.update(mapping)

    def start(self) -> None:
        raise NotImplementedError

    def update(self, mapping: Mapping) -> None:
        """Go on with the mapping's new settings."""
        self.mapping = mapping
        if mapping.enabled:
            self._enabled.set()
        else:
            self._enabled.clear()

    def stop(self) -> None:
        """Start nothing more; what runs comes to its end."""
        self.stopped.set()
        self._enabled.set()

    def active(self) -> bool:
        """Wait while the mapping is disabled, then tell whether to go on."""
        self._enabled.wait()
        return not self.stopped.is_set()

    def spawn(self, work: Callable[..., None], *arguments: Any) -> None:
        """Do the work beside all other work."""
        Thread(target=work, args=arguments, name=f"mapping-{self.mapping.uuid}", daemon=True).start()

    def invoke(self, records: Sequence[Record]) -> Outcome:
        """Invoke the function with the records; that it is throttled, missing or forbidden is no failure of theirs."""
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
        return Outcome(True, failed, answer.get("FunctionError"), answer.get("ExecutedVersion", "$LATEST"))
