"""A deployed distribution: its current configuration and its new invalidations, read through CloudFront's API.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Invalidation.html
"""

from __future__ import annotations

import time
from typing import Any

from localaws.cloudfront.distribution import Distribution, load

CONFIGURATION_INTERVAL = 5
"""Seconds. Loading takes a request for each policy, function and key, so it is less frequent than checking for
invalidations."""


class DeployedDistribution:
    """The latest state of a distribution. Raises NoSuchDistribution if it does not exist."""

    def __init__(self, cloudfront: Any, distribution_id: str) -> None:
        self._cloudfront = cloudfront
        self._id = distribution_id
        self._seen = set(self._invalidations())  # ignore invalidations from before the start
        self._load()

    def refresh(self, changed: bool = False) -> list[str]:
        """Return the paths and tags that were invalidated since the last call.

        Load the current configuration if there are any, if the caller knows of a change, or if the last load is
        CONFIGURATION_INTERVAL ago. What is
        `InProgress` has not reached the edges.
        """
        new = [invalidation for invalidation in self._invalidations() if invalidation not in self._seen]
        self._seen.update(new)
        if new or changed or time.monotonic() - self._loaded_at >= CONFIGURATION_INTERVAL:
            self._load_if_deployed()
        return [item for invalidation in new for item in self._items(invalidation)]

    def _load_if_deployed(self) -> None:
        self._loaded_at = time.monotonic()
        if self._cloudfront.get_distribution(Id=self._id)["Distribution"]["Status"] == "Deployed":
            self._load()

    def _load(self) -> None:
        self._loaded_at = time.monotonic()
        self.distribution: Distribution = load(self._cloudfront, self._id)

    def _invalidations(self) -> list[str]:
        pages = self._cloudfront.get_paginator("list_invalidations").paginate(DistributionId=self._id)
        items = (item for page in pages for item in page["InvalidationList"].get("Items", []))
        return [item["Id"] for item in items if item["Status"] == "Completed"]

    def _items(self, invalidation: str) -> list[str]:
        response = self._cloudfront.get_invalidation(DistributionId=self._id, Id=invalidation)
        items: list[str] = response["Invalidation"]["InvalidationBatch"]["Paths"]["Items"]
        return items
