"""The stream of the table of posts. Adapter for DynamoDB Streams.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chalicelib.post_table import is_post
from chalicelib.posts import Summary
from common import dynamodb


def posts_before(records: Iterable[dict[str, Any]]) -> list[dict[str, Summary | None]]:
    """Return by its slug each post that *records* change, as it was before, or None if it was new.

    The first of the list is before all records. The second is before the second change of each post, and so on; a post
    that changed fewer times is as it was before its last change. The items of a post's tags and of its HTML change with
    the post, or without an effect on its pages.
    """
    known: dict[str, list[Summary | None]] = {}
    for record in records:
        slug = record["dynamodb"]["Keys"]["slug"]["S"]
        if is_post(slug):
            old = record["dynamodb"].get("OldImage")
            known.setdefault(slug, []).append(dynamodb.read(old, Summary) if old else None)
    most = max(map(len, known.values()), default=1)
    return [{slug: posts[min(number, len(posts) - 1)] for slug, posts in known.items()} for number in range(most)]
