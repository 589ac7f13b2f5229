"""The stream of the table of posts. Adapter for DynamoDB Streams.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chalicelib.post_table import is_post
from chalicelib.posts import Summary
from common import dynamodb


def posts_before(records: Iterable[dict[str, Any]]) -> dict[str, Summary | None]:
    """Return by its slug each post that *records* change, as it was before the first of them, or None if it was new.

    The items of a post's tags and of its HTML change with the post, or without an effect on its pages.
    """
    before: dict[str, Summary | None] = {}
    for record in records:
        slug = record["dynamodb"]["Keys"]["slug"]["S"]
        if is_post(slug) and slug not in before:
            old = record["dynamodb"].get("OldImage")
            before[slug] = dynamodb.read(old, Summary) if old else None
    return before
