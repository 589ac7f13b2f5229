"""A deployed distribution: its current configuration and its new invalidations, read through CloudFront's API.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Invalidation.html
"""

from __future__ import annotations

from typing import Any

from localaws.cloudfront.distribution import Distribution, load


class DeployedDistribution:
    """The latest state of a distribution. Raises NoSuchDistribution if it does not exist."""

    def __init__(self, cloudfront: Any, distribution_id: str) -> None:
        self._cloudfront = cloudfront
        self._id = distribution_id
        self._seen = set(self._invalidations())  # ignore invalidations from before the start
        self.distribution: Distribution = load(cloudfront, distribution_id)

    def refresh(self) -> list[str]:
        """Load the current configuration. Return the paths and tags that were invalidated since the last call."""
        new = [invalidation for invalidation in self._invalidations() if invalidation not in self._seen]
        self._seen.update(new)
        self.distribution = load(self._cloudfront, self._id)
        return [item for invalidation in new for item in self._items(invalidation)]

    def _invalidations(self) -> list[str]:
        pages = self._cloudfront.get_paginator("list_invalidations").paginate(DistributionId=self._id)
        return [item["Id"] for page in pages for item in page["InvalidationList"].get("Items", [])]

    def _items(self, invalidation: str) -> list[str]:
        response = self._cloudfront.get_invalidation(DistributionId=self._id, Id=invalidation)
        items: list[str] = response["Invalidation"]["InvalidationBatch"]["Paths"]["Items"]
        return items
