"""Firehose of the local AWS: one delivery for each deployed stream."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from threading import Event, Lock, Thread
from typing import Any

from localaws.changes.client import Changes
from localaws.firehose.delivery import Delivery
from localaws.firehose.deployed import DeliveryStream
from localaws.firehose.roles import Roles
from localaws.lambda_.batches import Backoff
from localaws.lambda_.consumers import AwsError
from localaws.settings import Settings

log = logging.getLogger(__name__)


class Firehose:
    """Firehose in one Region, in background threads.

    It waits for changes, and starts, updates and stops deliveries to match the deployed streams. A buffer
    waits for its deployed interval, but at most *buffer_interval* seconds.
    """

    def __init__(
        self,
        region: str,
        endpoint: str | None = None,
        backoff: Backoff = Backoff(),  # noqa: B008  # immutable
        buffer_interval: float = Settings.buffer_interval,
    ) -> None:
        self._roles = Roles(region, endpoint)
        self._backoff = backoff
        self._changes = Changes(endpoint or os.environ["AWS_ENDPOINT_URL"], "firehose")
        self._buffer_interval = buffer_interval
        self._deliveries: dict[tuple[str, float], Delivery] = {}
        self._unsupported: set[str] = set()
        self._stopped, self._refreshing = Event(), Lock()
        self._thread = Thread(
            target=self._changes.follow, args=(self._refresh_all, self._stopped), name="firehose", daemon=True
        )

    def start(self) -> None:
        """Start delivering."""
        self._thread.start()

    def stop(self) -> None:
        """Stop delivering. Running calls complete."""
        with self._refreshing:
            self._stopped.set()
        for delivery in self._deliveries.values():
            delivery.stop()

    def _refresh_all(self) -> bool:
        with self._refreshing:
            return self._stopped.is_set() or self._try_to_refresh()

    def _try_to_refresh(self) -> bool:
        try:
            self._refresh(dict(self._supported_streams()))
        except AwsError as error:
            log.warning("cannot list the delivery streams: %s", error)
            return False
        return True

    def _supported_streams(self) -> Iterator[tuple[tuple[str, float], DeliveryStream]]:
        for description in self._descriptions():
            name = description["DeliveryStreamName"]
            try:
                stream = DeliveryStream.from_description(description)
            except (KeyError, ValueError) as error:  # keep serving the other streams
                if name not in self._unsupported:
                    log.error("the delivery stream %s is not supported: %r", name, error)
                self._unsupported.add(name)
                continue
            if stream:
                yield (stream.arn, stream.created), stream.with_interval(self._buffer_interval)

    def _descriptions(self) -> Iterator[dict[str, Any]]:
        client = self._roles.service("firehose")
        page: dict[str, str] = {}
        while True:
            answer = client.list_delivery_streams(**page)
            names = answer["DeliveryStreamNames"]
            for name in names:
                try:
                    yield client.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
                except client.exceptions.ResourceNotFoundException:
                    continue
            if not answer["HasMoreDeliveryStreams"]:
                return
            page = {"ExclusiveStartDeliveryStreamName": names[-1]}

    def _refresh(self, streams: dict[tuple[str, float], DeliveryStream]) -> None:
        for key in self._deliveries.keys() - streams.keys():
            self._deliveries.pop(key).stop()
        for key, stream in streams.items():
            if key in self._deliveries:
                self._deliveries[key].update(stream)
            else:
                self._deliveries[key] = Delivery(stream, self._roles, self._backoff)
                self._deliveries[key].start()
