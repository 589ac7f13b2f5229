"""The event source mappings of the local AWS: one consumer for each deployed mapping.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
"""

from __future__ import annotations

import logging
import os
from threading import Event, Lock, Thread

from localaws.changes.client import Changes
from localaws.lambda_.batches import Backoff
from localaws.lambda_.clients import Clients
from localaws.lambda_.consumers import AwsError, Consumer
from localaws.lambda_.journal import Journal
from localaws.lambda_.mappings import EventSourceMapping
from localaws.lambda_.queues import QueueConsumer
from localaws.lambda_.shards import StreamConsumer

log = logging.getLogger(__name__)

CONSUMERS: dict[str, type[Consumer]] = {"dynamodb": StreamConsumer, "kinesis": StreamConsumer, "sqs": QueueConsumer}


class Poller:
    """Lambda's event pollers for all mappings in the Regions, in background threads.

    It waits for changes, and starts, updates and stops consumers to match the deployed mappings.
    """

    def __init__(
        self,
        regions: tuple[str, ...],
        endpoint: str | None = None,
        backoff: Backoff = Backoff(),  # noqa: B008  # immutable
    ) -> None:
        self._clients = {region: Clients(region, endpoint) for region in regions}
        self._backoff = backoff
        self._journal = Journal(endpoint or os.environ["AWS_ENDPOINT_URL"])
        self._changes = Changes(endpoint or os.environ["AWS_ENDPOINT_URL"], "lambda")
        self._consumers: dict[str, Consumer] = {}
        self._stopped, self._refreshing = Event(), Lock()
        self._thread = Thread(
            target=self._changes.follow,
            args=(self._refresh_all, self._stopped),
            name="event-source-mappings",
            daemon=True,
        )

    def start(self) -> None:
        """Start delivering."""
        self._journal.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop delivering. Running functions complete."""
        with self._refreshing:
            self._stopped.set()
        for consumer in self._consumers.values():
            consumer.stop()
        self._journal.stop()

    def _refresh_all(self) -> bool:
        with self._refreshing:
            return self._stopped.is_set() or all([self._try_to_refresh(region) for region in self._clients])

    def _try_to_refresh(self, region: str) -> bool:
        try:
            return self._refresh(region)
        except AwsError as error:
            log.warning("cannot list the event source mappings in %s: %s", region, error)
        except Exception:  # keep serving the other mappings
            log.exception("cannot refresh the event source mappings in %s", region)
        return False

    def _refresh(self, region: str) -> bool:
        """Follow the mappings of the Region. Return whether none is being created or changed."""
        pages = self._clients[region]("lambda").get_paginator("list_event_source_mappings").paginate()
        mappings = {
            description["UUID"]: EventSourceMapping.from_description(description)
            for page in pages
            for description in page["EventSourceMappings"]
            if description["State"] != "Deleting"
        }
        for uuid, consumer in list(self._consumers.items()):
            if consumer.mapping.region == region and uuid not in mappings:
                self._consumers.pop(uuid).stop()
        for uuid, mapping in mappings.items():
            if mapping.is_changing:
                continue
            if uuid in self._consumers:
                self._consumers[uuid].update(mapping)
            elif mapping.enabled and mapping.service in CONSUMERS:
                make = CONSUMERS[mapping.service]
                self._consumers[uuid] = make(mapping, self._clients[region], self._backoff, self._journal)
                self._consumers[uuid].start()
        return not any(mapping.is_changing for mapping in mappings.values())
