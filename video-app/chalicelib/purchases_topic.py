"""The SNS topic of purchases. Adapter for SNS."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.purchases import PurchaseCompleted
from common import aws


class PurchasesTopic:
    """The topic *arn*, through *client*."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn

    def publish(self, event: PurchaseCompleted) -> None:
        """Publish the event. Subscribers recognise a repeated one by its payment."""
        kind = {"DataType": "String", "StringValue": f"PurchaseCompleted.{event.version}"}
        with aws.translated():
            self._client.publish(
                TopicArn=self._arn, Message=msgspec.json.encode(event).decode(), MessageAttributes={"type": kind}
            )
