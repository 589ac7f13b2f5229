"""The stream of the table of subscribers. Adapter for DynamoDB Streams.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
"""

from __future__ import annotations

from typing import Any

from chalicelib.subscriber_table import WELCOME, subscriber_of
from chalicelib.welcome import Subscribed, Unsubscribed, Welcome
from common import dynamodb


class SubscriberStream:
    """Reports the changes in the stream to *welcome*."""

    def __init__(self, welcome: Welcome) -> None:
        self._welcome = welcome

    def handle(self, record: dict[str, Any]) -> None:
        """Handle a record of the stream. Raises what `change` and `Welcome.handle` raise."""
        self._welcome.handle(change(record))


def change(record: dict[str, Any]) -> Subscribed | Unsubscribed | None:
    """Return the change in a *record* with NEW_AND_OLD_IMAGES, or None for a record of a mail.

    Raises MalformedSubscriber for an item that is neither a subscriber nor a mail.
    """
    keys = dynamodb.values(record["dynamodb"]["Keys"])
    if keys.get("kind") == WELCOME:
        return None
    if record["eventName"] != "REMOVE":
        return Subscribed(subscriber_of(record["dynamodb"]["NewImage"]).id)
    removed_at = dynamodb.values(record["dynamodb"]["OldImage"]).get("subscribed_at")
    return Unsubscribed(keys["id"], removed_at) if isinstance(removed_at, int) else None
