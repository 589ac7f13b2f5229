"""The stream of the table of alerts. Adapter for DynamoDB Streams."""

from __future__ import annotations

from typing import Any

from chalicelib.alert_mails import AlertMails
from chalicelib.device_table import alert_of


class AlertStream:
    """Passes new alerts to *mails*."""

    def __init__(self, mails: AlertMails) -> None:
        self._mails = mails

    def handle(self, record: dict[str, Any]) -> None:
        """Handle a record of the stream. Changes of an alert's item, such as a claim, are ignored. Raises NotSent."""
        if record["eventName"] == "INSERT":
            self._mails.send(alert_of(record["dynamodb"]["NewImage"]))
