"""The DynamoDB tables of devices and of alerts. Adapter for DynamoDB.

A device is an item under its id, with its state as JSON. The index ``by-name`` lists all devices; it has keys only, so
a new reading does not write to it. An alert is an item under its id, which begins with its time, in one list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import batched
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from chalicelib.devices import Alert, AlertQuery, Device, DeviceQuery
from common import aws, dynamodb, pages
from common.errors import InvalidInput
from common.pages import Page

_DEVICES = "devices"
_ALERTS = "alerts"
_MAX_ALERTS = 90
"""Alerts of one write. A transaction has at most 100 items; a device with more alerts in one batch is broken.

Earlier alerts of the batch are dropped, except those to mail."""

_ALERT_TTL = 90 * 24 * 3600
"""Seconds for which an alert is kept."""

_CONDITION_FAILED = ("ConditionalCheckFailedException", "TransactionCanceledException")


class DeviceTable:
    """Table *devices* and table *alerts*, through a DynamoDB *client*."""

    def __init__(self, client: Any, devices: str, alerts: str, now: Callable[[], float] = time.time) -> None:
        self._client = client
        self._devices_table = devices
        self._alerts_table = alerts
        self._now = now

    def read(self, device_ids: Collection[str]) -> dict[str, Device]:
        """Return those of the devices that are stored, as of the last write."""
        found: dict[str, Device] = {}
        for some in batched(sorted(set(device_ids)), 100):
            keys = [{"device_id": each} for each in some]
            for item in dynamodb.get_all(self._client, self._devices_table, keys, consistent=True):
                found[item["device_id"]] = msgspec.json.decode(item["state"], type=Device)
        return found

    def write(self, device: Device, alerts: Sequence[Alert]) -> bool:
        """Store the device and its new alerts together. Return False if the stored version is not the one before."""
        state = msgspec.json.encode(device).decode()
        item = {"device_id": device.device_id, "list": _DEVICES, "version": device.version, "state": state}
        put: dict[str, Any] = {
            "TableName": self._devices_table,
            "Item": dynamodb.item(item),
            "ConditionExpression": "attribute_not_exists(device_id)",
        }
        if device.version > 1:
            put["ConditionExpression"] = "version = :version"
            put["ExpressionAttributeValues"] = dynamodb.item({":version": device.version - 1})
        try:
            with aws.translated():
                if alerts:
                    self._client.transact_write_items(
                        TransactItems=[{"Put": put}, *map(self._put, _most_important(alerts))]
                    )
                else:
                    self._client.put_item(**put)
        except ClientError as error:
            if aws.code(error) not in _CONDITION_FAILED:
                raise
            return False
        return True

    def _put(self, alert: Alert) -> dict[str, Any]:
        item = {
            "list": _ALERTS,
            "id": alert.id,
            "state": msgspec.json.encode(alert).decode(),
            "expires_at": int(self._now()) + _ALERT_TTL,
        }
        return {"Put": {"TableName": self._alerts_table, "Item": dynamodb.item(item)}}

    def page(self, query: DeviceQuery) -> Page[Device]:
        """Return one page of devices. Raises InvalidInput for an invalid cursor."""
        condition, values = "#list = :list", {":list": _DEVICES}
        if query.prefix:
            condition, values = f"{condition} AND begins_with(device_id, :prefix)", values | {":prefix": query.prefix}
        start = {} if query.cursor is None else {"list": _DEVICES, "device_id": pages.position(query.cursor)}
        items, more = self._items(self._devices_table, condition, values, start, query.limit, IndexName="by-name")
        names = [item["device_id"]["S"] for item in items]
        found = self.read(names)
        return Page([found[name] for name in names if name in found], pages.cursor(names[-1]) if more else None)

    def alerts(self, query: AlertQuery) -> Page[Alert]:
        """Return one page of alerts, newest first. Raises InvalidInput for an invalid cursor."""
        start = {} if query.cursor is None else {"list": _ALERTS, "id": pages.position(query.cursor)}
        values = {":list": _ALERTS}
        items, more = self._items(
            self._alerts_table, "#list = :list", values, start, query.limit, ScanIndexForward=False
        )
        return Page([alert_of(item) for item in items], pages.cursor(items[-1]["id"]["S"]) if more else None)

    def _items(
        self,
        table: str,
        condition: str,
        values: Mapping[str, Any],
        start: Mapping[str, Any],
        limit: int,
        **request: Any,
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return the items of one page, and whether there is another page."""
        if start:
            request["ExclusiveStartKey"] = dynamodb.item(dict(start))
        with aws.translated({"ValidationException": InvalidInput("cursor: not one that this API gave")}):
            answer = self._client.query(
                TableName=table,
                KeyConditionExpression=condition,
                ExpressionAttributeNames={"#list": "list"},
                ExpressionAttributeValues=dynamodb.item(dict(values)),
                Limit=limit + 1,  # one more than requested shows whether there is another page
                **request,
            )
        return answer["Items"][:limit], len(answer["Items"]) > limit or "LastEvaluatedKey" in answer

    def claim_mail(self, alert: Alert) -> bool:
        """Claim the mail of an alert. Return False if it is claimed already, or if there is no such alert."""
        return self._update(alert, "SET mailed_at = :now", "attribute_exists(id) AND attribute_not_exists(mailed_at)")

    def release_mail(self, alert: Alert) -> None:
        """Give up the claim."""
        self._update(alert, "REMOVE mailed_at", "attribute_exists(id)")

    def _update(self, alert: Alert, change: str, condition: str) -> bool:
        values = {"ExpressionAttributeValues": dynamodb.item({":now": int(self._now())})} if ":now" in change else {}
        try:
            with aws.translated():
                self._client.update_item(
                    TableName=self._alerts_table,
                    Key=dynamodb.item({"list": _ALERTS, "id": alert.id}),
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    **values,
                )
        except ClientError as error:
            if aws.code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True


def _most_important(alerts: Sequence[Alert]) -> Sequence[Alert]:
    """Return the alerts that fit into one write: those to mail, and the latest others."""
    to_mail = [alert for alert in alerts if alert.mail][-_MAX_ALERTS:]
    others = [alert for alert in alerts if not alert.mail]
    room = _MAX_ALERTS - len(to_mail)
    return to_mail + others[max(0, len(others) - room) :]


def alert_of(item: Mapping[str, Any]) -> Alert:
    """Return the alert in an *item* in DynamoDB's notation, ``{"state": {"S": …}}``."""
    return msgspec.json.decode(item["state"]["S"], type=Alert)
