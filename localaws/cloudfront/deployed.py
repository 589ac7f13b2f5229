"""Follows a deployed distribution: its configuration, and the invalidations that are made of it.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Invalidation.html
"""

from __future__ import annotations

from typing import Any

from localaws.cloudfront.distribution import Distribution, load


class Deployed:
    def __init__(self, cloudfront: Any, distribution_id: str) -> None:
        self._cloudfront = cloudfront
        self._id = distribution_id
        self._seen = set(self._invalidations())  # what was invalidated before there was a cache
        self.distribution: Distribution = load(cloudfront, distribution_id)

    def refresh(self) -> list[str]:
        """Read what is deployed now; return the paths and tags that were invalidated since the last time."""
        new = [invalidation for invalidation in self._invalidations() if invalidation not in self._seen]
        self._seen.update(new)
        self.distribution = load(self._cloudfront, self._id)
        return [item for invalidation in new for item in self._items(invalidation)]

    def _invalidations(self) -> list[str]:
        pages = self._cloudfront.get_paginator("list_invalidations").paginate(DistributionId=self._id)
        return [item["Id"] for page in pages for item in page["InvalidationList"].get("Items", [])]

    def _items(self, invalidation: str) -> list[str]:
        answer = self._cloudfront.get_invalidation(DistributionId=self._id, Id=invalidation)
        items: list[str] = answer["Invalidation"]["InvalidationBatch"]["Paths"]["Items"]
        return items
