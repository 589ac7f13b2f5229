"""The stream of the table of payments. Adapter for DynamoDB Streams.

The table is the outbox of `PurchaseCompleted`: the payment and its event are stored by one write.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
"""

from __future__ import annotations

from typing import Any

from chalicelib.purchases import PurchaseCompleted
from chalicelib.purchases_topic import PurchasesTopic
from common import dynamodb, logs
from common.times import iso_of_epoch


class PaymentStream:
    """Publishes the completed purchases in the stream to *topic*."""

    def __init__(self, topic: PurchasesTopic) -> None:
        self._topic = topic

    def handle(self, record: dict[str, Any]) -> None:
        """Handle a record of the stream, under the correlation id of the request that completed the purchase."""
        event = completed(record)
        if event is not None:
            logs.correlate(event.correlation_id)
            self._topic.publish(event)


def completed(record: dict[str, Any]) -> PurchaseCompleted | None:
    """Return the event if *record* is the first one that shows the payment as made, else None."""
    old, new = (dynamodb.values(record["dynamodb"].get(image, {})) for image in ("OldImage", "NewImage"))
    if "paid_at" in old or "paid_at" not in new or "sale" not in new:
        return None
    return PurchaseCompleted(payment_id=new["id"], user=new["user"], at=iso_of_epoch(new["paid_at"]), **new["sale"])
